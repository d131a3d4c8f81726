"""What the catalog of a service comes to, whatever it answers: search, card, pull."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from support.raw_server import answer, answer_each, http, raw_server

from runner.batch import Options, card, models, pull
from runner.catalog import bundled, cards_beside
from runner.errors import ConfigurationInvalid, InputMissing, ServiceUnavailable
from runner.model import Money, Price

NANO = "google/nano-banana/edit"


def options(server):
    return Options(base_url=server.base, token="play-money")


def catalog_of(count, *, obeys=True):
    """A service with so many models; one that does not obey sends its first page again and again."""

    async def act(connection):
        while await connection.read_request():
            query = parse_qs(urlsplit(connection.requests[-1].line.split(" ")[1]).query)
            limit, offset = (int(query[name][0]) for name in ("limit", "offset"))
            first = offset if obeys else 0
            page = [
                {"model_id": f"owner/m-{n:03}", "base_price_usd": n} for n in range(first, min(count, first + limit))
            ]
            await connection.send(http(body=json.dumps({"models": page, "total": count})))

    return act


@pytest.mark.parametrize(
    ("count", "limit", "pages"), [(250, 1000, 3), (250, 150, 2), (250, 3, 1), (0, 50, 1), (1, 9, 1)]
)
async def test_a_catalog_is_read_page_by_page_as_far_as_it_is_asked_for(count, limit, pages):
    """Each model once, in the service's order; the total is that of the service."""
    async with raw_server(catalog_of(count)) as server:
        found = await models(options(server), limit=limit)
        assert len(server.requests) == pages
    assert [c.model_id for c in found.models] == [f"owner/m-{n:03}" for n in range(min(count, limit))]
    assert found.total == count


async def test_a_service_that_knows_no_pages_is_not_asked_for_ever():
    """The first page that brings nothing new is the last."""
    async with raw_server(catalog_of(250, obeys=False)) as server:
        found = await models(options(server), limit=1000)
        assert (len(found.models), found.total, len(server.requests)) == (100, 250, 2)


async def test_a_service_that_sends_more_than_was_asked_for_is_cut():
    """The limit is the person's."""
    page = {"models": [{"model_id": f"m{n}"} for n in range(9)]}
    async with raw_server(answer(http(body=json.dumps(page)))) as server:
        found = await models(options(server), limit=4)
    assert ([c.model_id for c in found.models], found.total) == (["m0", "m1", "m2", "m3"], 9)


async def test_a_live_card_of_the_bundled_model_that_differs_is_told():
    """Checks go by what ships; the price is the live one."""
    fields = dict(bundled(NANO).input_schema["properties"])
    fields["num_images"] = {**fields["num_images"], "maximum": 8}
    schema = {**bundled(NANO).input_schema, "properties": {**fields, "seed": {"type": "integer"}}}
    document = {"model_id": NANO, "base_price_usd": 0.05, "input_schema": schema}
    async with raw_server(answer(http(body=json.dumps(document)))) as server:
        shown = await card(NANO, options(server))
    assert shown.card.input_schema == bundled(NANO).input_schema
    assert shown.card.price == Price(amount=Money(50_000))
    assert shown.notes == (
        "the live card has added: seed (integer)",
        "the live card has changed: num_images: 1 to 4 -> 1 to 8",
    )


async def test_a_card_without_its_id_is_kept_under_the_one_that_was_asked_for(tmp_path):
    """It is found by it."""
    body = json.dumps({"display_name": "Other", "input_schema": {"properties": {"seed": {"type": "integer"}}}})
    async with raw_server(answer(http(body=body))) as server:
        (found,) = await pull(["owner/other"], tmp_path, options(server))
    assert (found.path, found.changes, found.is_written) == (tmp_path / "owner--other.model.json", (), True)
    assert cards_beside(tmp_path)("owner/other").display_name == "Other"


async def test_the_card_of_another_model_is_not_kept(tmp_path):
    """A run would be judged by the wrong schema."""
    async with raw_server(answer(http(body='{"model_id": "owner/new"}'))) as server:
        with pytest.raises(InputMissing, match=r"answers for 'owner/old' with the card of 'owner/new': pull that one"):
            await pull(["owner/old"], tmp_path, options(server))
    assert list(tmp_path.iterdir()) == []


async def test_a_card_that_fails_leaves_the_others_unwritten(tmp_path):
    """All, or none."""
    good = http(body='{"display_name": "One"}')
    async with raw_server(answer_each(good, http(503))) as server:
        with pytest.raises(ServiceUnavailable, match=r"503.*Try again later"):
            await pull(["owner/one", "owner/two"], tmp_path, options(server))
    assert list(tmp_path.iterdir()) == []


async def test_a_new_description_is_a_change_of_words(tmp_path):
    """It is told as one; the date of a file that stays is not touched."""

    def document(text):
        return http(body=json.dumps({"input_schema": {"properties": {"seed": {"description": text}}}}))

    for body, force, changes in (
        ("Old.", False, ()),
        ("New.", True, ("changed: how the inputs are described",)),
        ("New.", True, ()),
    ):
        async with raw_server(answer(document(body))) as server:
            (found,) = await pull(["owner/other", "owner/other"], tmp_path, options(server), force=force)
        assert found.changes == changes
    assert not found.is_written


@pytest.mark.parametrize("body", ['{"error_code": 400001, "error_message": "no such model"}', "{}"])
async def test_a_model_is_unknown_also_by_the_code_of_a_bad_request(body):
    """And where the service will not search either, there is no guess."""
    async with raw_server(answer_each(http(400, body))) as server:
        with pytest.raises(InputMissing, match=r"does not know the model 'owner/other'; `runcomfy-batch models list`"):
            await card("owner/other", options(server))
        assert len(server.requests) == 2


async def test_a_service_that_cannot_be_verified_is_a_matter_of_configuration():
    """Not of time."""

    async def act(connection):
        await connection.read_some()
        await connection.send(http(400, "The plain HTTP request was sent to HTTPS port"))

    async with raw_server(act) as server:
        away = Options(base_url=server.base.replace("http:", "https:"), token="play-money")
        with pytest.raises(ConfigurationInvalid, match="no verified TLS connection"):
            await models(away)
