"""A model's card as a file beside the manifest, so that a run is judged by the same schema tomorrow.

`google--nano-banana--edit.model.json` holds the service's document as it came, with the day on which it came. Its keys
are sorted, so that a version control shows what has changed and nothing else.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from runner.catalog.cards import ModelCard, as_it_came
from runner.errors import CannotCreate, ConfigurationInvalid, InputMissing
from runner.model import Price

SCHEMA: Final = "runcomfy-batch.card/1"
ENDING: Final = ".model.json"

CardOf = Callable[[str], ModelCard | None]
"""The card of a model, by its id; `None` where there is none."""


def card_file_name(model_id: str) -> str:
    """`google--nano-banana--edit.model.json`."""
    return model_id.replace("/", "--") + ENDING


def cards_beside(folder: Path) -> CardOf:
    """Finds the pulled card of a model in a folder; each file is read once.

    Such a card says what the model accepts and not what it costs: prices change. Raises `ConfigurationInvalid` where
    a file is there and cannot be used: to pass over it would judge by another schema than the one that was kept.
    """

    @cache
    def card_of(model_id: str) -> ModelCard | None:
        path = folder / card_file_name(model_id)
        return replace(read_card(path, model_id), price=Price(amount=None)) if path.exists() else None

    return card_of


def read_card(path: Path, model_id: str | None = None) -> ModelCard:
    """The card in a file, its own schema also for the bundled model, its price as it was on that day.

    Raises `InputMissing`, and `ConfigurationInvalid` where it is no pulled card, or not that of `model_id`.
    """
    document = read_document(path, model_id)
    found = document["model_id"]
    if model_id is not None and found != model_id:
        raise _unusable(path, f"it is the card of {found!r}, not of {model_id!r}", model_id)
    return replace(as_it_came(found, document), pulled_at=_instant(path, document))


def read_document(path: Path, model_id: str | None = None) -> dict[str, Any]:
    """The file as it stands, checked to be a pulled card; raises what `read_card` raises."""
    asked = model_id or "MODEL"
    try:
        document = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _unusable(path, f"it is not JSON: {error}", asked) from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise _unusable(path, f'it is no card that `models pull` wrote: it lacks `"schema": "{SCHEMA}"`', asked)
    if not isinstance(document.get("model_id"), str) or not document["model_id"]:
        raise _unusable(path, "it does not say of which model it is: `model_id` is missing", asked)
    return document


def write_card(path: Path, document: Mapping[str, Any], pulled_at: float) -> None:
    """Keep the service's document, which has a `model_id`; whole or not at all. Raises `CannotCreate`."""
    held = as_held(document) | {"schema": SCHEMA, "pulled_at": _iso(pulled_at)}
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(_encoded(held))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise CannotCreate(f"cannot write {path}: {error.strerror}") from error


def as_held(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as a file holds it, but for the two keys of our own; one is compared with another by it.

    `schema` says what the file is, so an input schema of that name moves to where it is looked for first.
    """
    held = {key: value for key, value in document.items() if key not in ("schema", "pulled_at")}
    schema = document.get("schema")
    if schema not in (None, SCHEMA) and not isinstance(held.get("input_schema"), dict):
        held["input_schema"] = schema
    return held


def _encoded(document: Mapping[str, Any]) -> bytes:
    """Indented, keys sorted, letters as they are."""
    try:
        return (json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode()
    except UnicodeEncodeError:  # half a surrogate pair is JSON, and no text
        return (json.dumps(document, indent=2, sort_keys=True) + "\n").encode()


def _instant(path: Path, document: Mapping[str, Any]) -> float:
    try:
        return datetime.strptime(str(document.get("pulled_at")), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise _unusable(path, "it does not say when it was pulled: `pulled_at`", document["model_id"]) from error


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _unusable(path: Path, why: str, model_id: str) -> ConfigurationInvalid:
    remedy = f"`runcomfy-batch models pull {model_id} --to {shlex.quote(str(path.parent))} --force` writes it anew"
    return ConfigurationInvalid(f"{path} cannot be used as a model's card: {why}. {remedy}.")
