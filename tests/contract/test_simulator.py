"""The simulator as a third party meets it: the documented API over real HTTP, and each way of breaking it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import re
import socket
from collections import Counter
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image, ImageChops, ImageStat
from support.processes import command, simulator

from runner.catalog import parse_card
from runner.errors import ConfigurationInvalid, InputMissing
from runner.model import Money, Price
from runner.simulator import FaultRule, Simulator, SimulatorSettings, images_of, play_cards, read_faults
from runner.simulator.settings import CALL_KINDS, FILE_KINDS, JOB_KINDS

MODEL = "/models/google/nano-banana/edit"
MUG = "https://photos.example.com/mug-red.jpg"
JOB = {"prompt": "Make the background pure white.", "image_urls": [MUG], "output_format": "jpeg"}
BEARER = {"Authorization": "Bearer third-party"}
FINISHED, RUNNING = 0.0, 600.0
"""Latencies: every accepted request has ended at once, or runs for as long as a test can last."""


@asynccontextmanager
async def service(latency_s=FINISHED, faults=(), **settings):
    rules = tuple(FaultRule(**{"every": 1, **rule}) for rule in faults)
    async with Simulator(SimulatorSettings(latency_s=latency_s, faults=rules, **settings)) as running:
        yield running


async def fetch(method, url, body=None, headers=BEARER):
    """Status, headers and bytes of one call, made by a client that is not ours."""
    data = json.dumps(body) if isinstance(body, (dict, list)) else body
    more = {"Content-Type": "application/json"} if data is not None else {}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, data=data, headers={**headers, **more}, allow_redirects=False) as answer,
    ):
        return answer.status, answer.headers, await answer.read()


async def call(method, url, body=None, headers=BEARER):
    """Status and JSON."""
    status, _, data = await fetch(method, url, body, headers)
    return status, json.loads(data)


async def accept(running, **inputs):
    """The answer to a submit that must be taken."""
    status, document = await call("POST", running.api_base + MODEL, {**JOB, **inputs})
    assert status == 200, document
    return document


async def edited(running, **inputs):
    """The pictures that an edit comes to."""
    _, result = await call("GET", (await accept(running, **inputs))["result_url"])
    output = result["output"]
    pictures = []
    for url in output.get("images") or [output["image"]]:
        status, _, data = await fetch("GET", url, headers={})
        assert status == 200
        pictures.append(Image.open(io.BytesIO(data)).convert("RGB"))
    return pictures


async def wire(method, url, body=b""):
    """Every byte that a call brings, and how the connection ends: `fin` or `rst`."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    token = f"Authorization: {BEARER['Authorization']}\r\n" if "/v1/" in url else ""
    head = f"{method} {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n{token}Content-Length: {len(body)}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
    got, end = b"", "fin"
    try:
        while piece := await asyncio.wait_for(reader.read(1 << 16), 10):
            got += piece
    except ConnectionResetError:
        end = "rst"
    writer.close()
    return end, got


# ----------------------------------------------------------------------------------------------------- endpoints


async def test_a_submit_is_answered_at_once_with_an_id_and_three_urls():
    """The answer of the API page; the URLs are absolute and lead back here."""
    async with service(RUNNING) as running:
        document = await accept(running)
        base = f"{running.api_base}/requests/{document['request_id']}"
        assert document == {
            "request_id": document["request_id"],
            "status": "in_progress",
            "status_url": f"{base}/status",
            "result_url": f"{base}/result",
            "cancel_url": f"{base}/cancel",
        }


async def test_the_sample_request_of_a_shell_works_in_its_own_key_order():
    """As `curl -d @request.json` sends it: spread over lines, the prompt last, no Accept but `*/*`."""
    body = b"""{
      "num_images": 1,
      "output_format": "png",
      "aspect_ratio": "auto",
      "image_urls": ["https://photos.example.com/mug-white.jpg"],
      "prompt": "Place the mug on a wooden table."
    }
    """
    async with service() as running:
        host, port = urlsplit(running.api_base).netloc.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1{MODEL} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
        head += f"authorization: Bearer {'t' * 40}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        status_line, rest = (await reader.read()).split(b"\r\n", 1)
        writer.close()
        assert status_line == b"HTTP/1.1 200 OK"
        assert json.loads(rest.split(b"\r\n\r\n", 1)[1])["request_id"] in running.book.requests


async def test_the_order_of_keys_does_not_make_another_payload():
    """The ledger counts what was asked for, not how it was written."""
    async with service() as running:
        await accept(running)
        await call("POST", running.api_base + MODEL, dict(reversed(JOB.items())))
        _, ledger = await call("GET", running.api_base.removesuffix("/v1") + "/simulator/ledger", headers={})
        assert list(ledger["by_payload"].values()) == [2]


async def test_a_status_has_the_documented_fields():
    """And a place in the queue only while there is one."""
    async with service(RUNNING, slots=1) as running:
        first, second = await accept(running), await accept(running)
        for document, state, more in ((first, "in_progress", {}), (second, "in_queue", {"queue_position": 0})):
            kept = {key: document[key] for key in ("request_id", "status_url", "result_url")}
            assert await call("GET", document["status_url"]) == (200, {**kept, "status": state, **more})


@pytest.mark.parametrize(
    ("query", "costs"), [("", False), ("?include_cost=true", True), ("?include_cost=false", False)]
)
async def test_a_finished_result_has_its_output_and_the_cost_if_asked_for(query, costs):
    """In USD, for each output."""
    async with service(price_usd="0.04") as running:
        document = await accept(running, num_images=2)
        status, result = await call("GET", document["result_url"] + query)
        assert (status, result["status"], result["model_id"]) == (200, "completed", "google/nano-banana/edit")
        assert result["created_at"] <= result["finished_at"]
        assert [url.startswith(running.files_base) for url in result["output"]["images"]] == [True, True]
        assert result.get("cost") == (0.08 if costs else None)


async def test_an_unfinished_result_is_its_status():
    """So that it can be polled too; nothing is charged for looking."""
    async with service(RUNNING, slots=1) as running:
        first, second = await accept(running), await accept(running)
        for document, state in ((first, "in_progress"), (second, "in_queue")):
            status, result = await call("GET", document["result_url"] + "?include_cost=true")
            assert (status, result["status"]) == (200, state)
            assert not {"output", "cost", "finished_at"} & result.keys()


@pytest.mark.parametrize(
    ("inputs", "code", "message"),
    [
        ({"image_urls": [MUG, "https://x.example.com/unreachable.jpg"]}, "input_unreachable", "image_urls[1]"),
        ({"prompt": "Print the forbidden-brand logo on it."}, "content_policy", "policy"),
    ],
)
async def test_a_request_that_failed_says_why_and_costs_nothing(inputs, code, message):
    """The service took it, so the submit was fine."""
    async with service() as running:
        document = await accept(running, **inputs)
        _, result = await call("GET", document["result_url"] + "?include_cost=true")
        assert (result["status"], result["error"]["code"], result["cost"]) == ("failed", code, 0)
        assert message in result["error"]["message"]
        assert "output" not in result


async def test_a_card_tells_schema_and_price():
    """What a client needs to know before it pays."""
    async with service(price_usd="0.0395") as running:
        status, card = await call("GET", running.api_base + MODEL)
        assert status == 200
        assert {key: card[key] for key in ("model_id", "display_name", "base_price_usd", "price_unit")} == {
            "model_id": "google/nano-banana/edit",
            "display_name": "Nano Banana Edit",
            "base_price_usd": 0.0395,
            "price_unit": "output",
        }
        assert (card["categories"], bool(card["pricing_note"])) == (["image-to-image"], True)
        assert card["input_schema"]["required"] == ["prompt", "image_urls"]
        assert set(card["input_schema"]["properties"]) == {
            *("prompt", "image_urls", "aspect_ratio", "output_format", "num_images")
        }


UPSCALE, RESTYLE, TURNTABLE = "atelier/clear-upscale", "atelier/restyle/image-to-image", "atelier/turntable"
EVERY = ["google/nano-banana/edit", UPSCALE, RESTYLE, TURNTABLE]


@pytest.mark.parametrize(
    ("query", "found", "total"),
    [
        ("", EVERY, 4),
        ("?search=Banana", EVERY[:1], 1),
        ("?search=flux", [], 0),
        ("?search=ATELIER", EVERY[1:], 3),
        ("?search=restyle&category=image-to-image", [RESTYLE], 1),
        ("?category=Image-To-Image", EVERY[:3], 3),
        ("?category=image", [], 0),
        ("?limit=2", EVERY[:2], 4),
        ("?limit=2&offset=3", EVERY[3:], 4),
        ("?limit=0", [], 4),
        ("?offset=9", [], 4),
    ],
)
async def test_the_catalog_is_searched_and_paged(query, found, total):
    """`{models, total}`; the total is of what was found, not of the page."""
    async with service() as running:
        status, document = await call("GET", f"{running.api_base}/models{query}")
        assert (status, document["total"]) == (200, total)
        assert [model["model_id"] for model in document["models"]] == found


@pytest.mark.parametrize(("query", "has_schema"), [("", False), ("?include_schema=true", True)])
async def test_a_listed_model_has_its_price_and_on_request_its_schema(query, has_schema):
    """As its own card has them."""
    async with service() as running:
        _, document = await call("GET", f"{running.api_base}/models{query}")
        for entry in document["models"]:
            _, card = await call("GET", f"{running.api_base}/models/{entry['model_id']}")
            wanted = card if has_schema else {key: value for key, value in card.items() if key != "input_schema"}
            assert entry == wanted


@pytest.mark.parametrize("query", ["limit=many", "limit=-1", "offset=1.5", "limit="])
async def test_a_page_that_makes_no_sense_is_refused(query):
    """422001."""
    async with service() as running:
        status, document = await call("GET", f"{running.api_base}/models?{query}")
        assert (status, document["error_code"]) == (422, 422001)


async def test_the_cards_speak_the_services_dialect():
    """What a client must get on with: `float`, lists of media without items, validations, a default of null."""
    async with service() as running:
        cards = {model: (await call("GET", f"{running.api_base}/models/{model}"))[1] for model in EVERY[1:]}
    fields = {model: card["input_schema"]["properties"] for model, card in cards.items()}
    assert fields[UPSCALE]["scale"]["type"] == "float"
    assert {key: fields[RESTYLE]["image"][key] for key in ("type", "format")} == {
        "type": "array",
        "format": "image_uris",
    }
    assert "items" not in fields[RESTYLE]["image"]
    assert len(fields[RESTYLE]["image"]["validations"]) == 5
    assert (fields[RESTYLE]["seed"]["type"], fields[RESTYLE]["seed"]["default"]) == ("integer", None)
    assert (cards[RESTYLE]["required_inputs"], "required" in cards[RESTYLE]["input_schema"]) == (
        ["prompt", "image"],
        False,
    )
    assert [card["price_unit"] for card in cards.values()] == ["output", "output", "second"]


async def test_the_balance_goes_down_with_what_is_charged():
    """On the other API's path, in USD."""
    async with service(balance_usd="1", price_usd="0.4") as running:
        url = running.api_base.removesuffix("/v1") + "/prod/v2/balance"
        assert await call("GET", url) == (200, {"balance_usd": 1.0, "currency": "USD"})
        await accept(running, num_images=2)
        assert await call("GET", url) == (200, {"balance_usd": 0.2, "currency": "USD"})


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 400, 400004),
        ({"Authorization": "Bearer"}, 400, 400004),
        ({"Authorization": "Basic dGhpcmQtcGFydHk="}, 401, 401001),
        ({"Authorization": "third-party"}, 401, 401001),
        ({"Authorization": "Bearer another"}, 401, 401001),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", MODEL), ("GET", MODEL), ("GET", "/models")),
        *(("GET", "/requests/{}/status"), ("GET", "/requests/{}/result"), ("POST", "/requests/{}/cancel")),
    ],
)
async def test_every_call_needs_the_token(method, path, headers, status, code):
    """A missing one is an account error, which comes as HTTP 400; a wrong one is Unauthorized. Nothing happens."""
    async with service(RUNNING, token="third-party", slots=1) as running:
        await accept(running)
        queued = await accept(running)
        url = running.api_base + path.format(queued["request_id"])
        got, document = await call(method, url, JOB if path == MODEL and method == "POST" else None, headers)
        assert (got, document["error_code"], bool(document["error_message"])) == (status, code, True)
        assert running.ledger["accepted"] == 2
        assert (await call("GET", queued["status_url"]))[1]["status"] == "in_queue"


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"prompt": None}, ["body", "prompt"]),
        ({"prompt": ""}, ["body", "prompt"]),
        ({"prompt": "x" * 1001}, ["body", "prompt"]),
        ({"image_urls": MUG}, ["body", "image_urls"]),
        ({"image_urls": []}, ["body", "image_urls"]),
        ({"image_urls": [MUG] * 11}, ["body", "image_urls"]),
        ({"image_urls": [MUG, 7]}, ["body", "image_urls", 1]),
        ({"image_urls": ["https://192.168.0.4/mug.jpg"]}, ["body", "image_urls", 0]),
        ({"image_urls": ["ftp://photos.example.com/mug.jpg"]}, ["body", "image_urls", 0]),
        ({"aspect_ratio": "7:5"}, ["body", "aspect_ratio"]),
        ({"output_format": "jpg"}, ["body", "output_format"]),
        ({"num_images": 0}, ["body", "num_images"]),
        ({"num_images": 5}, ["body", "num_images"]),
        ({"num_images": True}, ["body", "num_images"]),
        ({"num_images": "2"}, ["body", "num_images"]),
        ({"seed": 4}, ["body", "seed"]),
    ],
)
async def test_a_body_that_breaks_the_schema_is_refused_with_the_field(inputs, field):
    """422001 with a `detail` list; nothing is accepted and nothing is charged."""
    async with service() as running:
        status, document = await call("POST", running.api_base + MODEL, {**JOB, **inputs})
        assert (status, document["error_code"]) == (422, 422001)
        assert field in [problem["loc"] for problem in document["detail"]]
        assert all(problem["msg"] for problem in document["detail"])
        assert (running.ledger["posts"], running.ledger["accepted"], running.ledger["charged_usd"]) == (1, 0, 0)


@pytest.mark.parametrize("missing", ["prompt", "image_urls"])
async def test_the_two_required_fields_are_required(missing):
    """Each by its name."""
    body = {key: value for key, value in JOB.items() if key != missing}
    async with service() as running:
        status, document = await call("POST", running.api_base + MODEL, body)
        assert (status, document["detail"]) == (422, [{"loc": ["body", missing], "msg": f"{missing!r} is missing"}])


@pytest.mark.parametrize("extra", [{"prompt": "é" * 1000}, {"image_urls": [MUG] * 10}, {"num_images": 4}])
async def test_the_limits_themselves_are_within_the_schema(extra):
    """1000 characters, 10 images, 4 variants."""
    async with service(RUNNING) as running:
        assert (await accept(running, **extra))["status"] == "in_progress"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"text"', b"\xff\xfe", b"prompt=x", b"[" * 100_000, b'{"a":' * 100_000),
        json.dumps({**JOB, "prompt": "\ud800"}),
    ],
)
async def test_what_is_no_json_object_is_refused_too(body):
    """Also what a parser chokes on: half a character, brackets without end."""
    async with service() as running:
        status, document = await call("POST", running.api_base + MODEL, body)
        assert (status, document["error_code"], running.ledger["accepted"]) == (422, 422001, 0)


async def test_a_body_of_more_than_64_mib_is_refused():
    """One byte more than the limit."""
    async with service() as running:
        status, document = await call("POST", running.api_base + MODEL, io.BytesIO(bytes((64 << 20) + 1)))
        assert (status, document["error_code"]) == (413, 413001)


async def test_a_submit_that_the_balance_does_not_cover_is_refused():
    """400002, as HTTP 400; a smaller one still goes through."""
    async with service(balance_usd="0.1", price_usd="0.04") as running:
        assert (await accept(running))["status"] == "completed"
        status, document = await call("POST", running.api_base + MODEL, {**JOB, "num_images": 2})
        assert (status, document["error_code"]) == (400, 400002)
        assert (await accept(running))["status"] == "completed"
        assert running.ledger["charged_usd"] == 0.08


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/models/no/such/model", 400, 400001),
        ("GET", "/models/no/such/model", 404, 404001),
        ("GET", "/requests/5e1f/status", 404, 404001),
        ("GET", "/requests/5e1f/result", 404, 404001),
        ("POST", "/requests/5e1f/cancel", 404, 404001),
        ("GET", "/requests/5e1f", 404, 404001),
        ("GET", "/requests", 404, 404001),
        ("GET", "/nothing/here", 404, 404001),
        ("DELETE", MODEL, 405, 405001),
        ("PUT", MODEL, 405, 405001),
        ("GET", "/requests/5e1f/cancel", 405, 405001),
        ("POST", "/requests/5e1f/status", 405, 405001),
    ],
)
async def test_what_does_not_exist_is_refused_in_the_apis_own_form(method, path, status, code):
    """A model, a request, a path, a method; in particular there is no list of past requests."""
    async with service() as running:
        got, document = await call(method, running.api_base + path, JOB if method == "POST" else None)
        assert (got, document["error_code"], sorted(document)) == (status, code, ["error_code", "error_message"])


# ---------------------------------------------------------------------------------------------------------- queue


async def test_n_requests_run_and_the_others_queue_in_order():
    """Positions count those before; the slots are not more than there are."""
    async with service(RUNNING, slots=2) as running:
        documents = [await accept(running, prompt=f"Take {n}.") for n in range(5)]
        seen = [(await call("GET", document["status_url"]))[1] for document in documents]
        words = [status["status"] for status in seen]
        assert words == ["in_progress", "in_progress", "in_queue", "in_queue", "in_queue"]
        assert [status.get("queue_position") for status in seen] == [None, None, 0, 1, 2]


async def test_a_request_runs_for_its_time_and_then_is_completed():
    """On its way it is first queued, then in progress."""
    seen = Counter()
    async with service(0.3, slots=1) as running:
        await accept(running, prompt="First.")
        document = await accept(running, prompt="Second.")
        while not seen["completed"]:
            seen[(await call("GET", document["status_url"]))[1]["status"]] += 1
            await asyncio.sleep(0.01)
    assert list(seen) == ["in_queue", "in_progress", "completed"]


async def test_a_queued_request_can_be_cancelled_and_those_behind_move_up():
    """It costs nothing, and a second time there is nothing to cancel."""
    async with service(RUNNING, slots=1) as running:
        _, second, third = [await accept(running, prompt=f"Take {n}.") for n in range(3)]
        answer = {"request_id": second["request_id"], "status": "cancelled"}
        assert await call("POST", second["cancel_url"]) == (200, {**answer, "outcome": "cancelled"})
        assert (await call("GET", third["status_url"]))[1]["queue_position"] == 0
        _, result = await call("GET", second["result_url"] + "?include_cost=true")
        assert (result["status"], result["cost"], "output" in result) == ("cancelled", 0, False)
        assert await call("POST", second["cancel_url"]) == (200, {**answer, "outcome": "not_cancellable"})
        assert running.ledger["charged_usd"] == 0.078


@pytest.mark.parametrize(("latency", "state"), [(RUNNING, "in_progress"), (FINISHED, "completed")])
async def test_a_running_or_finished_request_cannot_be_cancelled(latency, state):
    """It goes on as it was, and is paid for."""
    async with service(latency) as running:
        document = await accept(running)
        answer = {"request_id": document["request_id"], "status": state, "outcome": "not_cancellable"}
        assert await call("POST", document["cancel_url"]) == (200, answer)
        assert (await call("GET", document["status_url"]))[1]["status"] == state
        assert running.ledger["charged_usd"] == 0.039


# --------------------------------------------------------------------------------------------------------- pixels


async def test_a_background_colour_reaches_the_corners_and_the_product_stays():
    """Pure white means it; PNG keeps each pixel."""
    async with service() as running:
        (picture,) = await edited(running, output_format="png")
    right, bottom = picture.width - 1, picture.height - 1
    assert {picture.getpixel(at) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))} == {(255, 255, 255)}
    red, green, blue = picture.getpixel((picture.width // 2, picture.height // 2))
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize(
    ("prompt", "color"),
    [
        ("Replace the background with #20c0a0.", (32, 192, 160)),
        ("A teal backdrop, please.", (34, 122, 126)),
        ("Put it on a plain black background.", (14, 14, 16)),
        ("Show it on yellow", (236, 194, 62)),
        ("Change the background to a soft cream tone.", (240, 228, 204)),
    ],
)
async def test_a_background_is_named_or_written_as_a_hex_colour(prompt, color):
    """Anywhere near the word; JPEG may be off by a little."""
    async with service() as running:
        (picture,) = await edited(running, prompt=prompt)
    difference = [abs(a - b) for a, b in zip(picture.getpixel((3, 3)), color, strict=True)]
    assert max(difference) <= 3


RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16")


async def test_a_picture_is_cropped_to_the_aspect_ratio():
    """Each of the ten on the same long side; `auto` keeps the photo's own."""
    async with service() as running:
        for ratio in RATIOS:
            (picture,) = await edited(running, aspect_ratio=ratio)
            wide, tall = map(int, ratio.split(":"))
            assert max(picture.size) == 1024
            assert math.isclose(picture.width / picture.height, wide / tall, rel_tol=0.002)
        assert [picture.size for picture in await edited(running, aspect_ratio="auto")] == [(1024, 768)]


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_n_variants_are_n_different_pictures(count):
    """One comes as `image`, more as `images`."""
    async with service() as running:
        document = await accept(running, num_images=count)
        _, result = await call("GET", document["result_url"])
        assert list(result["output"]) == ["image" if count == 1 else "images"]
        pictures = await edited(running, num_images=count)
    assert len({picture.tobytes() for picture in pictures}) == count


@pytest.mark.parametrize(
    ("form", "kind", "suffix"), [("jpeg", "JPEG", ".jpg"), ("png", "PNG", ".png"), ("webp", "WEBP", ".webp")]
)
async def test_the_file_is_in_the_format_that_was_asked_for(form, kind, suffix):
    """By its bytes, its type and its name."""
    async with service() as running:
        _, result = await call("GET", (await accept(running, output_format=form))["result_url"])
        url = result["output"]["image"]
        _, headers, data = await fetch("GET", url, headers={})
    assert (Image.open(io.BytesIO(data)).format, headers["Content-Type"]) == (kind, f"image/{form}")
    assert urlsplit(url).path.endswith(suffix)


def mean(picture, box=(0.0, 0.0, 1.0, 1.0)):
    """The mean colour of a part of a picture, given in shares of its sides."""
    x0, y0, x1, y1 = box
    size = (picture.width * x0, picture.height * y0, picture.width * x1, picture.height * y1)
    return ImageStat.Stat(picture.crop(tuple(map(int, size)))).mean


GROUND = (0.0, 0.9, 0.15, 1.0)
"""A corner below, away from the product."""


@pytest.mark.parametrize(
    ("words", "looks_right"),
    [
        ("on a rustic oak table", lambda r, g, b: r > g + 15 > b + 30),
        ("on a marble counter", lambda r, g, b: min(r, g, b) > 150 and abs(r - b) < 20),
        ("on the grass", lambda r, g, b: g > r and g > b + 20),
        ("in the snow", lambda r, g, b: min(r, g, b) > 170),
        ("on raw concrete", lambda r, g, b: max(r, g, b) - min(r, g, b) < 12 and r < 190),
        ("on the beach", lambda r, g, b: r > b + 25),
    ],
)
async def test_a_scene_is_drawn_around_the_product(words, looks_right):
    """The ground has the scene's colour, and each scene is another picture than the photo."""
    async with service() as running:
        (picture,) = await edited(running, prompt=f"Place the mug {words}.")
        _, _, sample = await fetch("GET", f"{running.files_base}/samples/mug-red.jpg", headers={})
    assert looks_right(*mean(picture, GROUND))
    photo = Image.open(io.BytesIO(sample)).convert("RGB")
    assert sum(ImageStat.Stat(ImageChops.difference(picture, photo)).mean) > 15


async def test_light_weather_and_greyscale_change_the_whole_picture():
    """Each against the same photo, edited without a word about it."""
    wishes = {
        "plain": "",
        "dusk": " at the blue hour",
        "rain": " in a fine drizzle",
        "warm": " in golden sunlight",
        "cool": " under an overcast sky",
        "grey": ", black and white",
    }
    async with service() as running:
        seen = {name: (await edited(running, prompt=f"On concrete{words}."))[0] for name, words in wishes.items()}
    walls = {name: mean(picture, (0.0, 0.0, 1.0, 0.25)) for name, picture in seen.items()}
    warmth = {name: red - blue for name, (red, _, blue) in walls.items()}
    assert max(warmth["dusk"], warmth["cool"]) < warmth["plain"] - 5 < warmth["warm"] - 25
    assert sum(walls["dusk"]) < sum(walls["plain"]) - 60
    assert sum(ImageStat.Stat(ImageChops.difference(seen["plain"], seen["rain"])).mean) > 5
    assert all(len(set(seen["grey"].getpixel((x, x)))) == 1 for x in range(0, 700, 50))


async def test_a_shadow_can_be_left_out():
    """More of the background is pure then."""
    async with service() as running:
        (with_shadow,) = await edited(running, prompt="White background.", output_format="png")
        (without,) = await edited(running, prompt="White background, no shadow.", output_format="png")
    pure = [{color: n for n, color in p.getcolors(1 << 20)}[255, 255, 255] for p in (with_shadow, without)]
    assert pure[0] < pure[1]


async def test_a_second_input_joins_the_picture():
    """Two products stand where one stood."""
    async with service() as running:
        (one,) = await edited(running)
        (two,) = await edited(running, image_urls=[MUG, "https://photos.example.com/vase-blue.jpg"])
    right = (0.65, 0.3, 0.95, 0.9)
    assert sum(mean(two, right)) < sum(mean(one, right)) - 20


async def test_a_picture_inside_its_uri_is_edited_itself():
    """As the service's own nodes send local files: what differs from the corners is the product."""
    square = Image.new("RGB", (400, 300), (250, 250, 250))
    square.paste((20, 160, 40), (120, 90, 280, 260))
    out = io.BytesIO()
    square.save(out, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    async with service() as running:
        (picture,) = await edited(running, image_urls=[uri], prompt="Pink background.", output_format="png")
    assert picture.getpixel((2, 2)) == (222, 138, 160)
    red, green, blue = picture.getpixel((picture.width // 2, picture.height // 2))
    assert green > 2 * max(red, blue)


async def test_equal_requests_give_equal_bytes_and_a_seed_gives_others():
    """Also from another simulator; only the seed, not the request's id, changes the pixels."""
    found = []
    for seed in (3, 3, 4):
        async with service(seed=seed) as running:
            pair = [await edited(running, prompt="On an oak table.", aspect_ratio="1:1") for _ in range(2)]
            assert pair[0] == pair[1]
            found.append(pair[0][0].tobytes())
    assert found[0] == found[1] != found[2]


# --------------------------------------------------------------------------------------------------- other models

VASE = "https://photos.example.com/vase-blue.jpg"


async def made(running, model, inputs):
    """The answer of another model's result, and its only output as a picture."""
    status, document = await call("POST", f"{running.api_base}/models/{model}", inputs)
    assert status == 200, document
    _, result = await call("GET", document["result_url"] + "?include_cost=true")
    status, headers, data = await fetch("GET", result["output"]["image"], headers={})
    assert (status, result["model_id"]) == (200, model)
    picture = Image.open(io.BytesIO(data))
    assert headers["Content-Type"] == f"image/{picture.format.lower()}"
    return result, picture


def difference(one, other):
    """How far two pictures are apart, on a small scale."""
    small = [picture.convert("RGB").resize((256, 192)) for picture in (one, other)]
    return sum(ImageStat.Stat(ImageChops.difference(*small)).mean)


async def test_an_upscaler_enlarges_the_picture_and_changes_nothing_else():
    """By twice where it is not told; JPEG where it is not told."""
    async with service() as running:
        _, _, sample = await fetch("GET", f"{running.files_base}/samples/mug-red.jpg", headers={})
        photo = Image.open(io.BytesIO(sample))
        for more, size in (({}, (2048, 1536)), ({"scale": 1.5}, (1536, 1152)), ({"scale": 1}, (1024, 768))):
            result, picture = await made(running, UPSCALE, {"image_url": MUG, **more})
            assert (picture.format, picture.size, result["cost"]) == ("JPEG", size, 0.02)
            assert difference(picture, photo) < 6


async def test_a_restyler_reads_its_pictures_from_image_and_follows_the_prompt():
    """Size by `resolution`, how far by `strength`, which picture by `seed`."""
    asked = {"prompt": "Pink background, in a fine drizzle.", "image": [MUG]}
    async with service() as running:
        _, full = await made(running, RESTYLE, asked)
        _, same = await made(running, RESTYLE, {**asked, "seed": None, "strength": 1})
        _, half = await made(running, RESTYLE, {**asked, "strength": 0.5})
        _, none = await made(running, RESTYLE, {**asked, "strength": 0})
        _, seeded = await made(running, RESTYLE, {**asked, "seed": 7})
        _, two = await made(running, RESTYLE, {**asked, "image": [MUG, VASE]})
        sizes = [(await made(running, RESTYLE, {**asked, "resolution": r}))[1].size for r in ("0.5k", "1k", "2k")]
    assert (full.format, full.size, sizes) == ("PNG", (1024, 768), [(512, 384), (1024, 768), (2048, 1536)])
    assert full.tobytes() == same.tobytes() != seeded.tobytes()
    assert difference(full, none) > difference(half, none) > 10
    assert difference(full, two) > 5


@pytest.mark.parametrize(("form", "kind"), [(None, "WEBP"), ("webp", "WEBP"), ("gif", "GIF")])
async def test_a_turntable_is_paid_by_the_second_of_its_animation(form, kind):
    """Two seconds where it is not told; it ends on the last image, or where it began."""
    more = {} if form is None else {"output_format": form}
    async with service() as running:
        for asked, seconds, ends_elsewhere in (
            ({}, 2, False),
            ({"duration": 3, "zoom": None}, 3, False),
            ({"end_image_url": VASE, "prompt": "White background."}, 2, True),
        ):
            result, picture = await made(running, TURNTABLE, {"image_url": MUG, **asked, **more})
            assert (picture.format, picture.size) == (kind, (512, 384))
            assert result["cost"] == pytest.approx(0.05 * seconds)
            first = picture.copy()
            picture.seek(picture.n_frames - 1)
            assert (difference(first, picture) > 20) == ends_elsewhere


@pytest.mark.parametrize(
    ("model", "inputs", "field"),
    [
        (UPSCALE, {}, ["image_url"]),
        (UPSCALE, {"image_url": MUG, "scale": 9}, ["scale"]),
        (UPSCALE, {"image_url": MUG, "scale": "2"}, ["scale"]),
        (UPSCALE, {"image_url": [MUG]}, ["image_url"]),
        (UPSCALE, {"image_url": "mug.jpg"}, ["image_url"]),
        (UPSCALE, {"image_url": MUG, "prompt": "x"}, ["prompt"]),
        (RESTYLE, {"prompt": "x"}, ["image"]),
        (RESTYLE, {"image": [MUG]}, ["prompt"]),
        (RESTYLE, {"prompt": "x", "image": [MUG, 5]}, ["image", 1]),
        (RESTYLE, {"prompt": "x", "image": [MUG, "ftp://x.example.com/a"]}, ["image", 1]),
        (RESTYLE, {"prompt": "x", "image": [MUG] * 5}, ["image"]),
        (RESTYLE, {"prompt": "x", "image": [MUG], "resolution": "4k"}, ["resolution"]),
        (RESTYLE, {"prompt": "x", "image": [MUG], "seed": 1.5}, ["seed"]),
        (TURNTABLE, {"image_url": MUG, "duration": 9}, ["duration"]),
        (TURNTABLE, {"image_url": MUG, "end_image_url": "https://10.0.0.1/a.jpg"}, ["end_image_url"]),
        (TURNTABLE, {"image_url": MUG, "zoom": 3}, ["zoom"]),
    ],
)
async def test_each_model_is_judged_by_its_own_schema(model, inputs, field):
    """422001 with the field; nothing is accepted."""
    async with service() as running:
        status, document = await call("POST", f"{running.api_base}/models/{model}", inputs)
        assert (status, document["error_code"]) == (422, 422001)
        assert ["body", *field] in [problem["loc"] for problem in document["detail"]]
        assert running.ledger["accepted"] == 0


def embedded(width, height, color="red"):
    """A picture inside its URI."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), color).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((14, 14), "Width must be more than 14 pixels (this one: 14 pixels)"),
        ((100, 40), "Width/height must be less than 2.5 (this one: 2.5)"),
        ((15, 15), None),
    ],
)
async def test_a_picture_inside_its_uri_must_keep_to_the_validations(size, said):
    """It is at hand, so it is measured; what is no picture is left to the model."""
    async with service() as running:
        body = {"prompt": "x", "image": [MUG, embedded(*size), "data:image/png;base64,AAAA"]}
        status, document = await call("POST", f"{running.api_base}/models/{RESTYLE}", body)
        assert status == (422 if said else 200)
        assert said is None or said in [problem["msg"] for problem in document["detail"]]


@pytest.mark.parametrize(
    ("model", "inputs", "place"),
    [
        (UPSCALE, {"image_url": "https://x.example.com/unreachable.jpg"}, "image_url"),
        (RESTYLE, {"prompt": "x", "image": [MUG, "https://x.example.com/unreachable.jpg"]}, "image[1]"),
        (TURNTABLE, {"image_url": MUG, "end_image_url": "https://x.example.com/unreachable.jpg"}, "end_image_url"),
    ],
)
async def test_an_input_that_cannot_be_fetched_is_named_by_its_field(model, inputs, place):
    """Whatever the model calls it; nothing is charged."""
    async with service() as running:
        _, document = await call("POST", f"{running.api_base}/models/{model}", inputs)
        _, result = await call("GET", document["result_url"] + "?include_cost=true")
        assert (result["status"], result["cost"]) == ("failed", 0)
        assert result["error"]["message"] == f"could not download {place}: HTTP 404"


async def test_the_cards_are_known_without_a_simulator_running():
    """Prices and schemas are those that it serves."""
    async with service() as running:
        for model, card in play_cards().items():
            _, document = await call("GET", f"{running.api_base}/models/{model}")
            assert card == parse_card(model, document)
    assert list(play_cards()) == EVERY
    assert play_cards("1")["google/nano-banana/edit"].price == Price(
        amount=Money(1_000_000), note="play money: this is the simulator"
    )
    assert images_of(TURNTABLE, {"end_image_url": VASE, "image_url": MUG, "prompt": MUG}) == {
        "image_url": MUG,
        "end_image_url": VASE,
    }
    assert images_of("no/such/model", {"image_url": MUG}) == {}


# ---------------------------------------------------------------------------------------------------------- files


async def test_files_are_on_another_port_that_refuses_a_token():
    """A client that sends its token there is told so, and it is counted as a leak."""
    async with service() as running:
        _, result = await call("GET", (await accept(running))["result_url"])
        url = result["output"]["image"]
        assert urlsplit(url).port != urlsplit(running.api_base).port
        assert (await fetch("GET", url, headers={}))[0] == 200
        for header in (BEARER, {"Cookie": "session=1"}):
            assert (await fetch("GET", url, headers=header))[0] == 400
        assert running.ledger["leaks"] == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: url.split("?")[0],
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace("expires=", "expires=9"),
        lambda url: url.replace("/1.jpg", "/2.jpg"),
        lambda url: url.split("sig=")[0] + "sig=%C3%A9",
        lambda url: url.split("?")[0] + "?expires=%C2%B2&sig=0",
    ],
)
async def test_a_file_needs_its_signature(spoil):
    """A URL that was changed or has expired is forbidden, whatever is in it."""
    async with service() as running:
        _, result = await call("GET", (await accept(running))["result_url"])
        assert (await fetch("GET", spoil(result["output"]["image"]), headers={}))[0] == 403


# --------------------------------------------------------------------------------------------------------- faults

OK = b"HTTP/1.1 200 OK\r\n"
CALLS = {  # kind: how the connection ends, what the answer begins with, what it holds, whether the job is taken
    "status": ("fin", b"HTTP/1.1 503 ", b'"error_code": 500001', False),
    "throttle": ("fin", b"HTTP/1.1 429 ", b"Retry-After: 3\r\n", False),
    "error_in_200": ("fin", OK, b'{"error_code": 500001, "error_message": ', False),
    "html": ("fin", OK, b"<title>Sign in to the network</title>", False),
    "redirect": ("fin", b"HTTP/1.1 307 ", b"\r\nLocation: http://x/v1/", False),
    "reset_before": ("rst", b"", b"", False),
    "empty": ("fin", OK, b"Content-Length: 0\r\n", True),
    "no_id": ("fin", OK, b'\r\n\r\n{"status": "in_queue"}', True),
    "list": ("fin", OK, b'\r\n\r\n["request_id"]', True),
    "truncated_json": ("fin", OK, b'\r\n\r\n{"', True),
    "reset_after": ("rst", b"", b"", True),
    "fin_after": ("fin", b"", b"", True),
    "hang": ("rst", b"", b"", True),
    "slow": ("fin", OK, b'\r\n\r\n{"', True),
    "not_http": ("fin", b"\x15\x03\x03\x00", b"not HTTP", True),
    "partial_headers": ("fin", b"HTTP/1.1 200 OK\r\nContent-Type: appli", b"", True),
}
FREE = {
    "status": ("GET", "/requests/{}/status"),
    "result": ("GET", "/requests/{}/result"),
    "cancel": ("POST", "/requests/{}/cancel"),
    "card": ("GET", MODEL),
}


def rule(on, kind, **more):
    return {"on": on, "kind": kind, "retry_after": "3", "seconds": 0.15, **more}


def assert_struck(kind, seen):
    end, begins, holds, _ = CALLS[kind]
    assert seen[0] == end
    assert seen[1].startswith(begins)
    assert holds in seen[1]
    if kind in ("reset_before", "reset_after", "fin_after", "hang"):
        assert seen[1] == b""
    if kind == "partial_headers":
        assert seen[1] == begins
    if kind in ("truncated_json", "slow"):
        head, body = seen[1].split(b"\r\n\r\n", 1)
        announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert len(body) == (announced // 2 if kind == "truncated_json" else announced)


@pytest.mark.parametrize("kind", sorted(CALL_KINDS))
async def test_each_fault_of_a_submit_shows_on_the_wire(kind):
    """And the job is taken first, or not, as the kind says."""
    async with service(RUNNING, [rule("submit", kind)]) as running:
        assert_struck(kind, await wire("POST", running.api_base + MODEL, json.dumps(JOB).encode()))
        taken = CALLS[kind][3]
        assert (running.ledger["posts"], running.ledger["accepted"]) == (1, taken)
        assert running.ledger["faults"] == [{"on": "submit", "kind": kind, "hits": 1}]


@pytest.mark.parametrize("kind", sorted(CALL_KINDS))
@pytest.mark.parametrize("on", FREE)
async def test_each_fault_of_a_free_call_shows_on_the_wire(on, kind):
    """Submits stay whole."""
    method, path = FREE[on]
    async with service(RUNNING, [rule(on, kind, seconds=0.02)]) as running:
        document = await accept(running)
        assert_struck(kind, await wire(method, running.api_base + path.format(document["request_id"])))
        assert running.ledger["faults"] == [{"on": on, "kind": kind, "hits": 1}]


@pytest.mark.parametrize(("kind", "processed"), [("status", True), ("redirect", True), ("fin_after", False)])
async def test_a_rule_may_say_whether_the_job_is_taken(kind, processed):
    """A gateway that answers 503 after the job was taken, a connection that ended before."""
    async with service(RUNNING, [rule("submit", kind, processed=processed)]) as running:
        assert_struck(kind, await wire("POST", running.api_base + MODEL, json.dumps(JOB).encode()))
        assert running.ledger["accepted"] == processed


@pytest.mark.parametrize(("kind", "least"), [("slow", 0.3), ("hang", 0.3)])
async def test_waiting_takes_the_time_that_the_rule_says(kind, least):
    """`seconds`; a hang then ends without a word."""
    loop = asyncio.get_running_loop()
    async with service(faults=[rule("card", kind, seconds=least)]) as running:
        since = loop.time()
        await wire("GET", running.api_base + MODEL)
        assert least <= loop.time() - since < least + 5


@pytest.mark.parametrize(
    ("rule_of", "status", "code"),
    [({"status": 502, "error_code": 502001}, 502, 502001), ({"status": 400, "error_code": 400002}, 400, 400002)],
)
async def test_a_status_and_its_code_can_be_chosen(rule_of, status, code):
    """Account trouble among them."""
    async with service(faults=[{"on": "submit", "kind": "status", **rule_of}]) as running:
        got, document = await call("POST", running.api_base + MODEL, JOB)
        assert (got, document["error_code"]) == (status, code)


@pytest.mark.parametrize(
    ("wish", "pattern"), [("7", r"7"), ("date+60", r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"), (None, r"none")]
)
async def test_retry_after_comes_in_both_forms_or_not_at_all(wish, pattern):
    """Seconds, an HTTP date, or no header."""
    async with service(faults=[{"on": "card", "kind": "throttle", "retry_after": wish}]) as running:
        status, headers, _ = await fetch("GET", running.api_base + MODEL)
        assert status == 429
        assert re.fullmatch(pattern, headers.get("Retry-After", "none"))


@pytest.mark.parametrize("kind", sorted(FILE_KINDS))
async def test_each_fault_of_a_file_shows_on_the_wire(kind):
    """Against the same file as an honest server sends it, on the second try."""
    async with service(faults=[rule("file", kind, times=1)]) as running:
        _, result = await call("GET", (await accept(running, output_format="png"))["result_url"])
        end, seen = await wire("GET", result["output"]["image"])
        _, _, good = await fetch("GET", result["output"]["image"], headers={})
    head, _, body = seen.partition(b"\r\n\r\n")
    length = f"Content-Length: {len(good)}".encode()
    expected = {
        "status": ("fin", head.startswith(b"HTTP/1.1 503 ") and b"error_code" in body),
        "truncated": ("fin", length in head and body == good[: len(good) // 2]),
        "truncated_no_length": ("fin", b"Length" not in head and body == good[: len(good) // 2]),
        "html": ("fin", b"text/html" in head and b"<title>" in body),
        "empty": ("fin", head.startswith(b"HTTP/1.1 200 ") and body == b""),
        "corrupt": ("fin", len(body) == len(good) and body[:12] == good[:12] and body != good),
        "wrong_type": ("fin", b"image/png" in head and body[:3] == b"\xff\xd8\xff"),
        "redirect_private": ("fin", b" 302 " in head and b"Location: https://10.0.0.1/" in head),
        "slow": ("fin", body == good),
        "reset_after": ("rst", seen == b""),
    }
    assert (end, True) == expected[kind]


JOBS = {  # kind: latency, the status's words, of the result: status, a key that it has
    "fail": (FINISHED, "failed", "failed", "error"),
    "stall": (FINISHED, "in_progress", "in_progress", "status_url"),
    "unknown_word": (RUNNING, "warming_up", "warming_up", "status_url"),
    "upper_case": (FINISHED, "COMPLETED", "COMPLETED", "output"),
    "synonyms": (FINISHED, "succeeded", "succeeded", "output"),
    "expired_result": (FINISHED, "completed", "completed", "output"),
    "private_url": (FINISHED, "completed", "completed", "output"),
    "lost": (FINISHED, None, None, "error_code"),
}


@pytest.mark.parametrize("kind", sorted(JOB_KINDS))
async def test_each_fault_of_a_job_shows_in_its_status_and_result(kind):
    """The submit is answered as if nothing were wrong."""
    latency, word, result_word, key = JOBS[kind]
    async with service(latency, [rule("job", kind)]) as running:
        document = await accept(running)
        assert (await call("GET", document["status_url"]))[1].get("status") == word
        status, result = await call("GET", document["result_url"])
        assert (status, result.get("status")) == (404 if kind == "lost" else 200, result_word)
        assert key in result
        if kind == "private_url":
            assert result["output"] == {"image": "https://10.0.0.1/private.png"}
        if kind == "expired_result":
            assert (await fetch("GET", result["output"]["image"], headers={}))[0] == 403
            _, fresh = await call("GET", document["result_url"])
            assert (await fetch("GET", fresh["output"]["image"], headers={}))[0] == 200


@pytest.mark.parametrize(
    ("latency", "slots", "words"),
    [
        (RUNNING, 1, ["processing", "pending"]),
        (FINISHED, 1, ["succeeded", "succeeded"]),
    ],
)
async def test_synonyms_cover_each_state(latency, slots, words):
    """The words that the service's other clients have met."""
    async with service(latency, [rule("job", "synonyms")], slots=slots) as running:
        documents = [await accept(running, prompt=f"Take {n}.") for n in range(2)]
        assert [(await call("GET", document["status_url"]))[1]["status"] for document in documents] == words
        if latency is RUNNING:
            assert (await call("POST", documents[1]["cancel_url"]))[1]["outcome"] == "cancelled"
            assert (await call("GET", documents[1]["status_url"]))[1]["status"] == "canceled"


def test_the_tables_know_every_kind():
    """A new kind must say what it looks like."""
    assert (set(CALLS), set(JOBS)) == (CALL_KINDS, JOB_KINDS)


async def struck(rules, count=12, seed=0):
    """On which of so many cards a fault struck, by its status."""
    async with service(faults=rules, seed=seed) as running:
        return [(await fetch("GET", running.api_base + MODEL))[0] for _ in range(count)]


async def test_every_counts_calls():
    """The third, the sixth, the ninth."""
    assert await struck([{"on": "card", "kind": "status", "every": 3}], 9) == [200, 200, 503] * 3


async def test_times_ends_a_rule():
    """After so many hits it never strikes again."""
    assert await struck([{"on": "card", "kind": "status", "times": 2}], 5) == [503, 503, 200, 200, 200]


async def test_chance_repeats_with_the_seed():
    """The same calls are struck, and others with another seed."""
    rules = [{"on": "card", "kind": "status", "every": 0, "probability": 0.5}]
    first, second, other = await struck(rules, 40), await struck(rules, 40), await struck(rules, 40, seed=1)
    assert first == second != other
    assert 8 <= first.count(503) <= 32


async def test_the_first_rule_that_strikes_wins():
    """Rules are read from above; each counts the calls that reach it."""
    rules = [{"on": "card", "kind": "status", "every": 2}, {"on": "card", "kind": "status", "status": 500, "times": 1}]
    assert await struck(rules, 4) == [500, 503, 200, 503]


# ------------------------------------------------------------------------------------------- fault files, processes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a list under the key `faults`"),
        ("faults: 3", "expected a list under the key `faults`"),
        ("[", "not YAML"),
        ("[" * 1200, "not YAML"),
        ("faults: [3]", "faults[0]: expected a mapping"),
        ("faults: [{on: submit, kind: hang, evry: 3}]", "unknown key 'evry'; known: error_code, every"),
        ("faults: [{on: upload, kind: hang, every: 1}]", "faults[0].on: expected one of submit, status"),
        ("faults: [{on: [submit], kind: hang, every: 1}]", "faults[0].on: expected one of"),
        ("faults: [{on: file, kind: hang, every: 1}]", "faults[0].kind: expected one of corrupt, empty"),
        ("faults: [{on: submit, kind: [hang], every: 1}]", "faults[0].kind: expected one of"),
        ("faults: [{on: submit, kind: hang}]", "say how often"),
        ("faults: [{on: submit, kind: hang, every: 0}]", "say how often"),
        ("faults:\n- {on: submit, kind: hang, every: 1}\n- {on: submit, kind: hang, every: '7'}", "faults[1].every"),
        ("faults: [{on: submit, kind: hang, every: true}]", "faults[0].every: expected a whole number, got True"),
        ("faults: [{on: submit, kind: hang, every: -1}]", "faults[0].every: expected a whole number, got -1"),
        ("faults: [{on: submit, kind: hang, probability: 20}]", "faults[0].probability: expected a number from 0 to 1"),
        ("faults: [{on: submit, kind: hang, probability: .nan}]", "faults[0].probability: expected a number"),
        ("faults: [{on: submit, kind: hang, every: 1, times: x}]", "faults[0].times: expected a whole number, got 'x'"),
        ("faults: [{on: submit, kind: status, every: 1, status: 99}]", "faults[0].status: expected an HTTP status"),
        ("faults: [{on: submit, kind: status, every: 1, error_code: E4}]", "faults[0].error_code: expected"),
        ("faults: [{on: submit, kind: throttle, every: 1, retry_after: soon}]", "faults[0].retry_after: expected"),
        ("faults: [{on: submit, kind: hang, every: 1, seconds: long}]", "faults[0].seconds: expected a number"),
        ("faults: [{on: submit, kind: hang, every: 1, processed: 1}]", "faults[0].processed: expected true or false"),
    ],
)
def test_a_fault_file_that_makes_no_sense_is_refused_with_its_place(text, message, tmp_path):
    """Before anything is served: a rule that never strikes would make a test pass for nothing."""
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationInvalid) as caught:
        read_faults(path)
    assert str(path) in caught.value.message
    assert message in caught.value.message


def test_a_fault_file_is_read_as_it_is_shown(tmp_path):
    """The example in the documentation; YAML's `on` is no boolean here."""
    path = tmp_path / "faults.yaml"
    path.write_text(
        "faults:\n"
        "  - {on: submit, kind: throttle, every: 7, retry_after: 2}\n"
        "  - {on: file, kind: truncated, probability: 0.1, times: 5}\n"
    )
    assert read_faults(path) == (
        FaultRule(on="submit", kind="throttle", every=7, retry_after="2"),
        FaultRule(on="file", kind="truncated", probability=0.1, times=5),
    )
    with pytest.raises(InputMissing, match="No such file"):
        read_faults(tmp_path / "none.yaml")


def test_the_command_says_what_is_wrong_in_one_line(tmp_path):
    """A bad fault file, a missing one, a port that is taken: a sentence and an exit code, no traceback."""
    (tmp_path / "bad.yaml").write_text("faults: [{on: submit, kind: hang, every: x}]")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, code, message in (
            (("--faults", "bad.yaml"), 78, "bad.yaml: faults[0].every: expected a whole number, got 'x'"),
            (("--faults", "none.yaml"), 66, "none.yaml: No such file or directory"),
            (("--port", port), 78, f"cannot listen on 127.0.0.1:{port}: Address already in use"),
        ):
            ended = command("simulate", *arguments, cwd=tmp_path)
            assert (ended.returncode, ended.stdout) == (code, "")
            assert ended.stderr.startswith(message)
            assert ended.stderr.count("\n") == 1


async def test_a_process_with_a_seed_and_a_journal_goes_on_after_a_restart(tmp_path):
    """The same ids, bytes and ledger; a line that a kill cut off is passed over and spoils nothing after it."""
    journal = tmp_path / "journal.jsonl"
    arguments = ("--latency", "0", "--seed", "5", "--journal", str(journal))
    with simulator(tmp_path, *arguments) as first:
        _, document = await call("POST", first.base + MODEL, {**JOB, "prompt": "On an oak\u2028table \x85."})
        _, _, before = await fetch("GET", (await output_url(first.base, document)), headers={})
    assert journal.stat().st_mode & 0o777 == 0o600
    journal.write_bytes(journal.read_bytes() + '{"request_id": "torn", "prompt": "é'.encode()[:-1])
    with simulator(tmp_path, *arguments) as second:
        _, _, after = await fetch("GET", (await output_url(second.base, document)), headers={})
        _, later = await call("POST", second.base + MODEL, JOB)
    assert before == after
    with simulator(tmp_path, *arguments) as third:
        assert third.ledger()["accepted"] == 2
        assert (await call("GET", f"{third.base}/requests/{later['request_id']}/status"))[1]["status"] == "completed"


async def output_url(base, document):
    """Where a request's only output is, asked of a simulator that may have another port by now."""
    _, result = await call("GET", f"{base}/requests/{document['request_id']}/result")
    return result["output"]["image"]


def test_a_cancelled_request_stays_cancelled_after_a_restart(tmp_path):
    """And those behind it stay where they moved up to."""

    async def before():
        async with service(RUNNING, slots=1, journal=tmp_path / "j") as running:
            documents = [await accept(running, prompt=f"Take {n}.") for n in range(3)]
            await call("POST", documents[1]["cancel_url"])
            return [document["request_id"] for document in documents]

    async def after(ids):
        async with service(RUNNING, slots=1, journal=tmp_path / "j") as running:
            urls = [f"{running.api_base}/requests/{request_id}/status" for request_id in ids]
            return [(await call("GET", url))[1] for url in urls]

    seen = asyncio.run(after(asyncio.run(before())))
    assert [status["status"] for status in seen] == ["in_progress", "cancelled", "in_queue"]
    assert seen[2]["queue_position"] == 0


def test_the_simulator_ends_with_a_signal_and_frees_its_port(tmp_path):
    """SIGTERM is a way to stop, not a failure: `simulator` sees to the exit code."""
    with simulator(tmp_path) as running:
        port = urlsplit(running.base).port
    with socket.create_server(("127.0.0.1", port)) as free:
        assert free.getsockname()[1] == port
