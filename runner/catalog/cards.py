"""A model's card: bundled for the model this tool was made for, live for its price and for every other model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from runner.model import Price, money


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of a model; the schemas are JSON Schemas of one job's inputs and output."""

    model_id: str
    display_name: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    price: Price
    is_bundled: bool = False


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
    known = bundled(model_id)
    schema = known.input_schema if known else _first_schema(document)
    return ModelCard(
        model_id=model_id,
        display_name=name if isinstance(name := document.get("display_name"), str) and name else model_id,
        input_schema=schema,
        output_schema=known.output_schema if known else {},
        price=_price(document),
        is_bundled=known is not None,
    )


def _first_schema(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input schema under the names it has been seen under; an empty one accepts everything."""
    for key in ("input_schema", "schema", "inputs", "parameters"):
        value = document.get(key)
        if isinstance(value, dict):
            inner = value.get("input_schema") or value.get("input")
            found = inner if isinstance(inner, dict) and "properties" not in value else value
            return dict(_plain(found))
    return {}


def _plain(schema: Any) -> Any:
    """The schema in standard words: `float` is `number`, and the service's own `validations` list is left out."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items() if key != "validations" or isinstance(value, dict)}
    names = {"float": "number", "int": "integer", "bool": "boolean"}
    if isinstance(plain.get("type"), str):
        plain["type"] = names.get(plain["type"], plain["type"])
    return plain


def _price(document: Mapping[str, Any]) -> Price:
    value = document.get("base_price_usd")
    try:
        amount = money(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        amount = None
    if amount is not None and amount < 0:
        amount = None
    unit = document.get("price_unit")
    note = document.get("pricing_note")
    return Price(
        amount=amount,
        unit=unit.strip().lower() if isinstance(unit, str) and unit.strip() else "output",
        note=note if isinstance(note, str) else "",
    )
