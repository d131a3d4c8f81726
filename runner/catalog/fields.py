"""What the schema of one input field says, in whatever dialect it is written; pure.

Cards are not quite JSON Schema: a list of media may leave out its `items`, a field that may be left empty is written
as `anyOf: [{…}, {type: null}]` or by nothing but `default: null`, and which field holds a URL is told by its `format`,
or only by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

URL_FORMAT: Final = re.compile(r"(?:(\w+?)[_-])?ur[il]s?")
"""`image_uri`, `image_uris`, `video_uri`, `audio_uris`, `uri` …"""
URL_NAME: Final = re.compile(
    r"(?:(?:start|end|first|last|input|source|init|tail|ref|reference|control|style|first_frame|last_frame)_)?"
    r"(?:image|video|audio|mask)s?(?:_ur[il]s?)?"
    r"|(?:\w+_)?(?:image|video|audio|mask|frame)s?_ur[il]s?"
)
CHOICES: Final = ("anyOf", "oneOf")
DEEPEST: Final = 4

Schema = Mapping[str, Any]


def readable(schema: Schema) -> Schema:
    """The field as a reader wants it: one type where there is one, and what a list of media holds."""
    found = dict(schema)
    for key in CHOICES:
        options = [option for option in _options(schema, key) if option.get("type") != "null"]
        if len(options) == 1 and len(options) < len(schema[key]):
            del found[key]
            found = {**readable(options[0]), **found}
    if isinstance(names := found.get("type"), list):
        others = [name for name in names if name != "null"]
        found["type"] = others[0] if len(others) == 1 else others
    if "type" not in found and isinstance(allowed := found.get("enum"), list):  # a sheet's cell is text by itself
        kinds = {type(one) for one in allowed if one is not None}
        if kinds and kinds <= {int, float}:
            found["type"] = "integer" if kinds == {int} else "number"
    if found.get("type") == "array" and "items" not in found and (form := URL_FORMAT.fullmatch(format_of(found))):
        found["items"] = {"type": "string", "format": f"{form[1]}_uri" if form[1] else "uri"}
    return found


def without_validations(schema: Any) -> Any:
    """The schema without the service's own `validations` lists; a field of that name stays."""
    if isinstance(schema, list):
        return [without_validations(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: without_validations(v) for k, v in schema.items() if k != "validations" or isinstance(v, dict)}


def takes_null(schema: Schema) -> bool:
    """Whether the field may hold nothing: it says so, or nothing is what the service itself puts there."""
    names = schema.get("type")
    return (
        ("default" in schema and schema["default"] is None)
        or (isinstance(names, list) and "null" in names)
        or any(option.get("type") == "null" for key in CHOICES for option in _options(schema, key))
    )


def judged(schema: Schema) -> Schema:
    """The field as a validator is to judge it."""
    found = dict(readable(schema))
    if not takes_null(schema):
        return found
    if "type" in found:
        names = found["type"] if isinstance(found["type"], list) else [found["type"]]
        found["type"] = [*names, "null"]
    if isinstance(found.get("enum"), list):
        found["enum"] = [*found["enum"], None]
    for key in CHOICES:
        if isinstance(found.get(key), list):
            found[key] = [*found[key], {"type": "null"}]
    return found


def holds_urls(name: str, schema: Schema) -> bool:
    """Whether the field holds URLs that the service fetches: by its format, and where that is silent by its name."""
    formats = [form for part in parts(schema) if (form := format_of(part))]
    if formats:
        return any(URL_FORMAT.fullmatch(form) for form in formats)
    plain = readable(schema)
    is_text = plain.get("type", "string") in ("string", "array") and not any("enum" in part for part in parts(schema))
    return is_text and URL_NAME.fullmatch(name) is not None


def parts(schema: Schema, deepest: int = DEEPEST) -> Iterator[Schema]:
    """The schema, its alternatives and its items: wherever something may be said of the field's text."""
    yield schema
    if deepest:
        inner = [*_options(schema, "anyOf"), *_options(schema, "oneOf"), *_options(schema, "allOf")]
        if isinstance(items := schema.get("items"), Mapping):
            inner.append(items)
        for part in inner:
            yield from parts(part, deepest - 1)


def format_of(schema: Schema) -> str:
    """The format; empty where there is none."""
    form = schema.get("format")
    return form if isinstance(form, str) else ""


def _options(schema: Schema, key: str) -> list[Schema]:
    options = schema.get(key)
    return [option for option in options if isinstance(option, Mapping)] if isinstance(options, list) else []
