"""What a card says of its fields, in words: for `models show`, and for what has changed between two cards; pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.catalog.cards import ModelCard
from runner.catalog.fields import URL_FORMAT, Schema, format_of, holds_urls, readable, takes_null
from runner.catalog.validations import limits_of

PROSE: Final = frozenset({"title", "description", "examples", "example", "default", "validations"})
"""What changes nothing about which inputs are taken, or is told apart from the schema."""
BOUNDS: Final = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
    "multipleOf": "a multiple of",
}
COUNTS: Final = (("minLength", "maxLength", "character"), ("minItems", "maxItems", "item"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldWords:
    """One input field, told to a person."""

    name: str
    type: str
    is_required: bool
    limits: tuple[str, ...]
    """Each in a few words: `one of a, b`, `1 to 10 items`, `width above 14 pixels`."""
    default: str | None
    """As JSON; `None` where there is none."""
    description: str


def fields_of(card: ModelCard) -> dict[str, FieldWords]:
    """The card's input fields by their names: first the required ones, each kind in the card's order."""
    required = card.input_schema.get("required")
    needed = set(required) if isinstance(required, list) else set()
    found = {name: _told(name, schema, is_required=name in needed) for name, schema in _declared(card).items()}
    return dict(sorted(found.items(), key=lambda pair: not pair[1].is_required))


def differs(pulled: ModelCard, live: ModelCard) -> list[str]:
    """Which input fields were added, removed or changed from one card to the other; empty where none was.

    Titles and descriptions do not count: they change nothing about which inputs are taken.
    """
    old, new = fields_of(pulled), fields_of(live)
    schemas = _declared(pulled), _declared(live)
    found = [f"added: {name} ({_brief(words)})" for name, words in new.items() if name not in old]
    found += [f"removed: {name}" for name in old if name not in new]
    for name in old.keys() & new.keys():
        changes = list(_changes(old[name], new[name]))
        if not changes and _bare(schemas[0][name]) != _bare(schemas[1][name]):
            changes = ["its schema"]
        found += [f"changed: {name}: {change}" for change in changes]
    closed = [card.input_schema.get("additionalProperties") is False for card in (pulled, live)]
    if closed[0] != closed[1]:
        found.append("changed: fields that are not listed are now " + ("refused" if closed[1] else "taken"))
    return sorted(found)


def _changes(old: FieldWords, new: FieldWords) -> Iterator[str]:
    if old.type != new.type:
        yield f"{old.type} -> {new.type}"
    if old.is_required != new.is_required:
        yield "now required" if new.is_required else "no longer required"
    if old.limits != new.limits:
        yield f"{', '.join(old.limits) or 'no limits'} -> {', '.join(new.limits) or 'no limits'}"
    if old.default != new.default:
        yield f"default {old.default or 'none'} -> {new.default or 'none'}"


def _brief(words: FieldWords) -> str:
    return ", ".join([words.type, *(["required"] if words.is_required else []), *words.limits])


def _told(name: str, schema: Schema, *, is_required: bool) -> FieldWords:
    plain = readable(schema)
    described = plain.get("description") or plain.get("title")
    return FieldWords(
        name=name,
        type=_type(name, schema),
        is_required=is_required,
        limits=tuple(_limits(plain)) + tuple(str(limit) for limit in limits_of(schema)),
        default=_json(plain["default"]) if "default" in plain else None,
        description=described if isinstance(described, str) else "",
    )


def _type(name: str, schema: Schema) -> str:
    """`string`, `number or null`, `list of image URLs` and the like."""
    plain = readable(schema)
    if plain.get("type") == "array":
        items = plain.get("items")
        inner = items if isinstance(items, Mapping) else {}
        if holds_urls(name, schema):
            return f"list of {_media(inner, plain)}URLs"
        return f"list of {_names(inner)}" if inner else "list"
    word = f"{_media(plain)}URL" if holds_urls(name, schema) else _names(plain)
    return f"{word} or null" if takes_null(schema) else word


def _media(*schemas: Schema) -> str:
    """`image ` where the format says so."""
    matches = (URL_FORMAT.fullmatch(format_of(schema)) for schema in schemas)
    return next((f"{match[1]} " for match in matches if match and match[1]), "")


def _names(schema: Schema) -> str:
    names = schema.get("type", "anything")
    return " or ".join(map(str, names)) if isinstance(names, list) else str(names)


def _limits(schema: Schema) -> Iterator[str]:
    if isinstance(options := schema.get("enum"), list):
        yield "one of " + ", ".join(option if isinstance(option, str) else _json(option) for option in options)
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        yield f"{_json(least)} to {_json(most)}"
    for key, words in BOUNDS.items():
        is_told = key in ("minimum", "maximum") and least is not None and most is not None
        if key in schema and not is_told:
            yield f"{words} {_json(schema[key])}"
    for low, high, noun in COUNTS:
        if low in schema or high in schema:
            yield _count(schema.get(low), schema.get(high), noun)
    if "pattern" in schema:
        yield f"of the form {schema['pattern']}"
    if isinstance(items := schema.get("items"), Mapping):
        yield from (f"each {limit}" for limit in _limits(readable(items)))


def _count(least: Any, most: Any, noun: str) -> str:
    nouns = noun if (least if most is None else most) == 1 else f"{noun}s"
    if least is None or most is None:
        return f"at most {most} {nouns}" if least is None else f"at least {least} {nouns}"
    return f"{least} {nouns}" if least == most else f"{least} to {most} {nouns}"


def _declared(card: ModelCard) -> dict[str, Schema]:
    properties = card.input_schema.get("properties")
    named = properties.items() if isinstance(properties, Mapping) else ()
    return {name: schema for name, schema in named if isinstance(schema, Mapping)}


def _bare(schema: Any) -> Any:
    """The schema without words that are for people; a field that is named like one of them stays."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {k: _bare(v) for k, v in schema.items() if k not in PROSE or (isinstance(v, Mapping) and k != "default")}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
