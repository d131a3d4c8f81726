"""What can be asked of the service's catalog, and kept of it beside a manifest. All of it is free."""

from __future__ import annotations

import difflib
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner.__about__ import __version__
from runner.api.client import RunComfy
from runner.api.wire import ApiError
from runner.batch.options import Options, api_base, token_for
from runner.catalog import ModelCard, bundled, card_file_name, differs, parse_card, read_card, write_card
from runner.catalog.cards import as_it_came
from runner.catalog.files import as_held, read_document
from runner.errors import (
    AccountRefused,
    BatchError,
    CannotCreate,
    ConfigurationInvalid,
    InputMissing,
    ServiceUnavailable,
    TokenMissing,
    UsageProblem,
)
from runner.manifest import DEFAULT_MODEL, LONGEST_ID, MODEL
from runner.model import FailureKind, Price, in_usd

PAGE: Final = 100
"""Models asked for at once."""
SHIPPED: Final = f"ships with runcomfy-batch {__version__}"
OLD_PRICE: Final = "the price is that of the day on which it was pulled; a run asks for the price of today"
PRICE_KEYS: Final = frozenset({"base_price_usd", "price_unit"})
SCHEMA_KEYS: Final = frozenset({"input_schema", "inputs", "parameters", "required_inputs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The models that a search found, and how many there are of them in all."""

    models: tuple[ModelCard, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A model's card, where it is from, and what there is to say about that."""

    card: ModelCard
    origin: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """A card's file, and what the service changed since it was written; `is_written`: it is another file now."""

    path: Path
    changes: tuple[str, ...] = ()
    is_written: bool = True


async def models(options: Options | None = None, *, search: str = "", category: str = "", limit: int = 50) -> Catalog:
    """Search the catalog; the first `limit` models. Raises what ends a command: token, account, service."""
    async with _service(options or Options()) as api:
        found: dict[str, Mapping[str, Any]] = {}
        total = 0
        while len(found) < limit:
            known = len(found)
            try:
                page = await api.models(search=search, category=category, limit=min(PAGE, limit - known), offset=known)
            except ApiError as error:
                raise _unusable(error, api.base) from error
            found |= {document["model_id"]: document for document in page.models}
            total = max(page.total, len(found))
            if len(found) == known or len(found) >= total:  # a page that brings nothing new would come for ever
                break
    cards = [as_it_came(model, document) for model, document in found.items()]
    return Catalog(models=tuple(cards[:limit]), total=total)


async def card(model: str, options: Options | None = None) -> Shown:
    """A model's card as the service has it now; of a path that ends in `.json`, the card in that file.

    For the bundled model there is an answer also without a token, or where the service is away; its price is unknown
    then. Raises `InputMissing` for a model that the service does not know, and what `models` raises.
    """
    if model.endswith(".json"):
        kept = read_card(Path(model))
        return Shown(card=kept, origin=f"pulled {_day(kept)}, from {model}", notes=(OLD_PRICE,))
    known = bundled(_checked(model))
    try:
        async with _service(options or Options()) as api:
            document = await _document(api, model)
            origin = f"live, from {api.base}"
    except (TokenMissing, ServiceUnavailable) as error:
        if known is None:
            raise
        why = "no token was found" if isinstance(error, TokenMissing) else error.message.rstrip(".")
        return Shown(card=known, origin=SHIPPED, notes=(f"{why}: the card is the one that {SHIPPED}, without a price",))
    live = parse_card(model, document)
    if known is None:
        return Shown(card=live, origin=origin)
    news = [f"the live card has {change}" for change in differs(live, as_it_came(model, document))]
    return Shown(card=live, origin=f"{SHIPPED}; its price is {origin}", notes=tuple(news))


async def pull(
    names: Iterable[str], folder: Path, options: Options | None = None, *, force: bool = False
) -> list[Pulled]:
    """Keep the cards of some models in a folder: all of them, or none.

    A file that is there and says the same stays as it is, its date too. One that differs is replaced only by `force`:
    else `CannotCreate` says what differs. Raises what `card` raises.
    """
    wanted = list(dict.fromkeys(_checked(name) for name in names))
    async with _service(options or Options()) as api:
        documents = {model: _named(model, await _document(api, model)) for model in wanted}
    weighed = [(document, _weigh(model, document, folder, force=force)) for model, document in documents.items()]
    if not force and (refused := [found for _, found in weighed if found.changes]):
        told = "\n".join(_told(found) for found in refused)
        raise CannotCreate(f"{told}\nNothing was written; --force takes the live card.")
    now = time.time()
    for document, found in weighed:
        if found.is_written:
            write_card(found.path, document, now)
    return [found for _, found in weighed]


def _told(found: Pulled) -> str:
    return "\n  ".join([f"{found.path} differs from the live card:", *found.changes])


def _weigh(model: str, document: Mapping[str, Any], folder: Path, *, force: bool) -> Pulled:
    """What writing the document would change."""
    path = folder / card_file_name(model)
    if not path.exists():
        return Pulled(path=path)
    try:
        kept, before = read_card(path, model), read_document(path)
    except ConfigurationInvalid:
        if not force:
            raise
        return Pulled(path=path, changes=("replaced: it was no card of this model",))
    old, new = as_held(before), as_held(document)
    if old == new:
        return Pulled(path=path, is_written=False)
    return Pulled(path=path, changes=tuple(_changes(kept, as_it_came(model, document), old, new)))


def _changes(kept: ModelCard, live: ModelCard, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """What differs between two documents: inputs, price, and the rest by its name."""
    inputs = differs(kept, live)
    yield from inputs
    keys = [key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]
    if not inputs and SCHEMA_KEYS.intersection(keys):
        yield "changed: how the inputs are described"
    if PRICE_KEYS.intersection(keys):
        yield f"changed: price: {_price(kept.price)} -> {_price(live.price)}"
    yield from (f"changed: {key}" for key in keys if key not in SCHEMA_KEYS | PRICE_KEYS)


def _price(price: Price) -> str:
    return "unknown" if price.amount is None else f"${in_usd(price.amount).normalize():f} / {price.unit}"


def _day(kept: ModelCard) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(kept.pulled_at))


# ----------------------------------------------------------------------------------------------------------- service


@asynccontextmanager
async def _service(options: Options) -> AsyncIterator[RunComfy]:
    token = token_for(options)
    async with RunComfy(api_base(options), token) as api:
        yield api


async def _document(api: RunComfy, model: str) -> Mapping[str, Any]:
    """The model's card as the service sends it; raises what ends a command."""
    try:
        return await api.card(model)
    except ApiError as error:
        if not (error.is_missing or error.failure.code in ("wrong_model", "http_400")):
            raise _unusable(error, api.base) from error
        near = await _near(api, model)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; `runcomfy-batch models list` shows those it has"
        raise InputMissing(f"the service does not know the model {model!r}{hint}") from error


async def _near(api: RunComfy, model: str) -> list[str]:
    """Ids that were probably meant, as far as the service's own search finds them."""
    found: list[str] = []
    for word in dict.fromkeys([*model.split("/"), ""]):
        try:
            page = await api.models(search=word, limit=PAGE)
        except ApiError:
            break  # the hint is a courtesy
        found += [document["model_id"] for document in page.models]
    return difflib.get_close_matches(model, dict.fromkeys(found), 3, 0.6)


def _unusable(error: ApiError, base: str) -> BatchError:
    failure = error.failure
    if failure.kind is FailureKind.ACCOUNT:
        return AccountRefused(f"RunComfy refused the account: {failure.message}")
    if failure.kind is FailureKind.POLICY:
        return ConfigurationInvalid(failure.message)
    return ServiceUnavailable(f"{base} cannot be used: {failure.message}. Try again later.")


def _checked(model: str) -> str:
    """The id, if it can be one: it becomes part of a URL and of a file's name."""
    if len(model) > LONGEST_ID or not MODEL.fullmatch(model):
        raise UsageProblem(f"not a model's id: {model[:60]!r}; expected one such as {DEFAULT_MODEL}")
    return model


def _named(model: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with its model's id in it; raises `InputMissing` where it is another model's."""
    found = document.get("model_id") or model
    if found != model:
        raise InputMissing(f"the service answers for {model!r} with the card of {found!r}: pull that one")
    return {**document, "model_id": model}
