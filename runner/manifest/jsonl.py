"""JSON Lines as a manifest: an object a line, its fields flat or wrapped in `input` or `body`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final, NoReturn

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.items import Entry, Item, key_of
from runner.manifest.templates import Names, Row, cell
from runner.model import canonical

DEEPEST: Final = 50
WRAPPERS: Final = ("input", "body")
CARRIED: Final = ("method", "url")
"""Keys of other services' batch formats that mean nothing here."""
EXAMPLE: Final = 'a job a line, as in  {"id": "mug", "prompt": "White background.", "image_urls": ["https://…"]}'


class _Duplicate(ValueError):
    """Two equal keys in one object."""


def read_jsonl(lines: Iterable[str], label: str, findings: Findings) -> Iterator[Item]:
    """The lines as items; what is wrong goes to `findings`."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = Place(line=number, file=label)
        document = _parse(line.removesuffix("\n"), place, findings)
        if document is not None:
            yield _item(document, place, label, findings)


def _parse(line: str, place: Place, findings: Findings) -> dict[str, Any] | None:
    try:
        document = _decode(line)
        _check_sendable(document, line)
    except _Duplicate as error:
        findings.error("duplicate-key", place, f"duplicate key {error.args[0]!r}", "keep one of them")
        return None
    except (ValueError, RecursionError) as error:
        hint = "use straight quotes" if "\u201c" in line or "\u201d" in line else EXAMPLE
        findings.error("json-syntax", place, f"not JSON: {str(error)[:120]}", hint)
        return None
    if not isinstance(document, dict):
        findings.error("json-syntax", place, "a line must be a JSON object", EXAMPLE)
        return None
    return document


def _item(document: dict[str, Any], place: Place, label: str, findings: Findings) -> Item:
    job_id = document.pop("id", None)
    custom_id = document.pop("custom_id", None)
    row = document.pop("row", None)
    model = document.pop("model", None)
    wrapped = next((key for key in WRAPPERS if isinstance(document.get(key), dict)), None)
    if wrapped is not None:
        fields = dict(document.pop(wrapped))
        model = fields.pop("model", model)
        for key in CARRIED:
            document.pop(key, None)
        for key in document:
            if not key.startswith("x-"):
                message = f"{key!r} stands beside {wrapped!r}: it would not be sent"
                findings.error("unknown-field", place, message, f"put it inside {wrapped!r}, or call it x-{key}")
    else:
        fields = {key: value for key, value in document.items() if not key.startswith("x-")}
    identity = job_id if job_id is not None else custom_id
    if identity is not None:
        fields["id"] = str(identity) if type(identity) is int else identity
    if model is not None:
        fields["model"] = model
    carried = {str(key): str(value) for key, value in row.items()} if isinstance(row, dict) else {}
    cells = {name: cell(name, value) for name, value in carried.items()}
    names = {key_of(name): value for name, value in cells.items()} | {"row": Row(cells)}
    return Entry(
        fields,
        f"{label}:{place.line}",
        lambda *_: place,
        Names(names),
        carried,
        f"line {place.line}" if identity is not None else "",
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise _Duplicate(next(key for key in names if names.count(key) > 1))
    return found


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is beyond all numbers")
    return number


_decode: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite).decode


def _check_sendable(document: Any, line: str) -> None:
    """Raise `ValueError` for what can be read but not sent: 1e999, half a surrogate pair, a tower of brackets."""
    if "\\u" in line:
        canonical(document)
    if line.count("[") + line.count("{") > DEEPEST and _depth(document) > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels deep")


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, items), default=0)
