"""A model's card: bundled for the model this tool was made for, live for its price and for every other model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any, Final

from runner.model import COUNTS, Price, money

NAMES: Final = {"float": "number", "int": "integer", "bool": "boolean"}
"""The service's names of types, in the words of JSON Schema."""
WHOLE: Final = frozenset({"integer", "number"})
COUNT_WORDS: Final = frozenset(
    (
        *("num", "number", "nums", "n", "count", "counts", "batch", "batches", "quantity", "amount"),
        *("images", "pictures", "photos", "outputs", "samples", "results", "variations", "variants"),
        *("copies", "candidates", "generations", "renders"),
    )
)
OTHER_WORDS: Final = frozenset(
    (
        *("step", "steps", "inference", "frame", "frames", "fps", "second", "seconds", "duration", "width"),
        *("height", "size", "pixels", "strength", "guidance", "scale", "weight", "seed", "token", "tokens"),
        *("color", "colors", "colours", "threads", "iterations", "layers", "faces", "loras", "words"),
        *("characters", "quality", "blur", "noise", "detail", "compression", "input", "reference"),
    )
)
"""A field that is named by one of the first and none of the second may say how many outputs are made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of a model; the schemas are JSON Schemas of one job's inputs and output.

    The input schema keeps the service's own `validations`: `rules_for` knows what to do with them.
    """

    model_id: str
    display_name: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    price: Price
    categories: tuple[str, ...] = ()
    is_bundled: bool = False
    """Whether the input schema is the one that ships with the package."""
    pulled_at: float | None = None
    """When the service said so, where the card was read from a file."""


@cache
def bundled(model_id: str) -> ModelCard | None:
    """The card that ships with the package, without a price: prices change, so the live card tells."""
    name = model_id.replace("/", "--") + ".json"
    files = {file.name: file for file in resources.files("runner.catalog").joinpath("data").iterdir()}
    document = json.loads(files[name].read_text("utf-8")) if name in files else {}
    if document.get("model_id") != model_id:
        return None
    return ModelCard(
        model_id=document["model_id"],
        display_name=document["display_name"],
        input_schema=document["input_schema"],
        output_schema=document["output_schema"],
        price=Price(amount=None),
        is_bundled=True,
    )


def parse_card(model_id: str, document: Mapping[str, Any]) -> ModelCard:
    """The answer of `GET /models/{id}`. A bundled schema is kept; the price is always the live one."""
    card = as_it_came(model_id, document)
    known = bundled(model_id)
    return card if known is None else replace(card, input_schema=known.input_schema, is_bundled=True)


def as_it_came(model_id: str, document: Mapping[str, Any]) -> ModelCard:
    """The service's own card, whatever is bundled."""
    known = bundled(model_id)
    categories = document.get("categories")
    return ModelCard(
        model_id=model_id,
        display_name=name if isinstance(name := document.get("display_name"), str) and name else model_id,
        input_schema=(schema := _input_schema(document)),
        output_schema=known.output_schema if known else {},
        price=_price(document, schema),
        categories=tuple(str(name) for name in categories) if isinstance(categories, list) else (),
    )


def _input_schema(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input schema, in standard words; `required_inputs` says what is required where the schema does not."""
    try:
        schema: dict[str, Any] = _plain(_first_schema(document))
    except RecursionError:  # a tower of brackets judges nothing
        return {}
    fields = schema.get("properties")
    named = schema.get("required_inputs", document.get("required_inputs"))
    if not schema.get("required") and isinstance(named, list) and isinstance(fields, Mapping):
        schema["required"] = list(dict.fromkeys(name for name in named if isinstance(name, str) and name in fields))
    return schema


def _first_schema(document: Mapping[str, Any]) -> dict[str, Any]:
    """The input schema under the names it has been seen under; an empty one accepts everything."""
    for key in ("input_schema", "schema", "inputs", "parameters"):
        value = document.get(key)
        if isinstance(value, dict):
            inner = value.get("input_schema") or value.get("input")
            return inner if isinstance(inner, dict) and "properties" not in value else value
    return {}


def _plain(schema: Any) -> Any:
    """The schema with its types in standard words: `float` is `number`."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    match plain.get("type"):
        case str(name):
            plain["type"] = NAMES.get(name, name)
        case list(names):
            plain["type"] = [NAMES.get(name, name) if isinstance(name, str) else name for name in names]
    return plain


def _price(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Price:
    value = document.get("base_price_usd")
    try:
        amount = money(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        amount = None
    if amount is not None and amount < 0:
        amount = None
    unit = document.get("price_unit")
    note = document.get("pricing_note")
    counts = _counts(schema)
    return Price(
        amount=amount,
        unit=unit.strip().lower() if isinstance(unit, str) and unit.strip() else "output",
        note=note if isinstance(note, str) else "",
        counts=tuple((name, count) for name, count in counts.items() if count is not None and count != 1),
        is_countable=None not in counts.values(),
    )


def _counts(schema: Mapping[str, Any]) -> dict[str, int | None]:
    """The fields that say how many outputs are made, each with what it is where it is not given.

    `None`: that is not known, or whether the field says such a thing.
    """
    fields = schema.get("properties")
    return {
        name: _default_count(field) if name in COUNTS else None
        for name, field in (fields.items() if isinstance(fields, Mapping) else ())
        if name in COUNTS or (_is_like_a_count(name) and _types(field) & WHOLE)
    }


def _default_count(field: Any) -> int | None:
    if not isinstance(field, Mapping) or not _types(field) & WHOLE:
        return None
    least = field.get("minimum")
    count = field.get("default")
    if count is None:  # the card does not say: one, or the fewest that may be
        count = least if isinstance(least, int) and least > 1 else 1
    is_whole = float(count).is_integer() if type(count) in (int, float) else False
    return int(count) if is_whole and count >= 1 else None


def _types(field: Any) -> set[str]:
    """The types that a field may have, its alternatives' too."""
    if not isinstance(field, Mapping):
        return set()
    named = [one.get("type") for one in (field, *_alternatives(field))]
    return {name for one in named for name in (one if isinstance(one, list) else [one]) if isinstance(name, str)}


def _alternatives(field: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    lists = [value for key in ("anyOf", "oneOf") if isinstance(value := field.get(key), list)]
    found = [one for several in lists for one in several]
    return [one for one in found if isinstance(one, Mapping)]


def _is_like_a_count(name: str) -> bool:
    words = set(re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))
    return bool(words & COUNT_WORDS) and not words & OTHER_WORDS
