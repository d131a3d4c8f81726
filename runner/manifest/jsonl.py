"""JSON Lines as a manifest: an object a line, its fields flat or wrapped in `input` or `body`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from runner.manifest.diagnostics import Findings, Place, nearest
from runner.manifest.items import holds_picture, is_filled_in, key_of, texts_in
from runner.manifest.lines import WRAPPERS, Fraction, Line, Titles, columns, is_own, plain, row_of, text_of
from runner.manifest.templates import is_template
from runner.manifest.words import MEDIA, field_like
from runner.model import canonical
from runner.rules.names import natural

DEEPEST: Final = 50
EMPTY: Final[tuple[Any, ...]] = (None, "", [])
ENDPOINT: Final = re.compile(r"(?:https?://[^/]+)?(?:/v1)?/models/(.+)", re.IGNORECASE)
"""The URL of a job in the batch format of other services, which names the model."""
ROW: Final = 'as in  "row": {"title": "Blue mug"}'
EXAMPLE: Final = 'a job a line, as in  {"id": "mug", "prompt": "White background.", "image_urls": ["https://…"]}'


class _Duplicate(ValueError):
    """Two equal keys in one object."""


class Renaming:
    """Which keys of a line are which field, as `columns:` says; the others that are no field are its own columns."""

    def __init__(
        self,
        columns: Mapping[str, Sequence[str]],
        fields: Iterable[str],
        findings: Findings,
        defaults: Mapping[str, Any] | None = None,
        axes: Iterable[str] = (),
        names: Container[str] = (),
    ) -> None:
        """`names` are the columns that templates ask for."""
        self._columns = columns
        self._defaults = defaults or {}
        self._axes = frozenset(axes)
        self._names = names
        self._fields = frozenset(fields)
        self._findings = findings
        self._told: set[str] = set()
        self.unseen = {(name, pattern) for name, patterns in columns.items() for pattern in patterns}
        """What the user names and no line has had so far: the field, and the name."""

    def of(self, document: Mapping[str, Any], place: Place) -> dict[str, Any]:
        """The line with its keys called like the fields, and its own columns in its row; what is wrong is told."""
        found: dict[str, Any] = {}
        taken: set[str] = set()
        for name, patterns in self._columns.items():
            keys = dict.fromkeys(key for pattern in patterns for key in self._keys(name, pattern, document))
            if self._is_filled_in(name, keys, document, place):
                continue
            taken.update(keys)
            values = [document[key] for key in keys]
            filled = [value for value in values if value not in EMPTY]
            if len(filled) == 1 and len(values) == 1:
                found[name] = filled[0]
            elif filled:
                found[name] = self._pictures(name, values, list(keys), place)
        row = document.get("row", {})
        own = [key for key in document if key in taken or key in self._columns or is_own(key, self._fields)]
        self._look_at(document, [key for key in own if key not in taken], row, place)
        if isinstance(row, dict):
            row = row | {key: document[key] for key in own if not isinstance(document[key], (list, dict))}
        return {key: value for key, value in document.items() if key not in own} | found | {"row": row}

    def _is_filled_in(self, name: str, keys: Collection[str], document: Mapping[str, Any], place: Place) -> bool:
        """Whether a default has a place for some of a field's keys; it must have one for each, and is replaced else."""
        default = self._defaults.get(name)
        known = {*map(key_of, document), *self._axes}
        filled = {key for key in keys if default is not None and is_filled_in(key, default, known)}
        if filled and (left := [key for key in keys if key not in filled and document[key] not in EMPTY]):
            message = f"the default of {name} has no place for {', '.join(map(repr, left))}, and one for others"
            hint = "give it one, as in  {{ column }}, or drop the default"
            self._findings.error("columns", place, message, hint)
        if not filled and keys and name not in self._told and any(map(is_template, texts_in(default))):
            self._told.add(name)
            message = f"{next(iter(keys))!r} gives {name}: the default is sent only where it is empty"
            self._findings.warn("template", place, message, "to send both name it in the default")
        return bool(filled)

    def _keys(self, name: str, pattern: str, document: Mapping[str, Any]) -> Sequence[str]:
        """The keys that a name stands for, exactly, else however it is spelled; with a `*` as many as there are."""
        if pattern in document:
            keys = [pattern]
        else:
            loose = re.compile("(.*)".join(map(re.escape, map(key_of, pattern.split("*")))))
            keys = sorted((key for key in document if loose.fullmatch(key_of(key))), key=natural)
        if keys:
            self.unseen.discard((name, pattern))
        return keys

    def _pictures(self, name: str, values: Sequence[Any], keys: Sequence[str], place: Place) -> list[Any]:
        """The pictures of several keys; an empty one before others is a hole: what is behind it would move up."""
        empty = next((n for n, value in enumerate(values) if value in EMPTY), len(values))
        if any(value not in EMPTY for value in values[empty:]):
            message = f"{keys[empty]!r} is empty, and pictures behind it would move up in {name}"
            self._findings.error("missing-picture", place, message, "fill it in, or move the others up")
        lists = [value if isinstance(value, list) else [value] for value in values if value not in EMPTY]
        return [one for several in lists for one in several]

    def _look_at(self, document: Mapping[str, Any], own: Iterable[str], row: Any, place: Place) -> None:
        """What is carried along and not sent: one that may be a mistyped field is told, and what no row can hold."""
        for key in own:
            if isinstance(document[key], (list, dict)):
                message = f"{key!r} is no field, and no text for the row: it would not be sent"
                self._findings.error("unknown-field", place, message, f"say which field it is, or call it x-{key}")
            elif isinstance(row, dict) and key in row:
                self._findings.error("unknown-field", place, f"{key!r} stands in the line and in its row", "drop one")
            elif key not in self._told and key_of(key) not in self._names:
                self._tell_unsent(key, text_of(document[key]), place)
            self._told.add(key)

    def _tell_unsent(self, key: str, text: str, place: Place) -> None:
        """A key that is nearly called like a field, or as one is called elsewhere."""
        if near := nearest(key, self._fields - self._columns.keys(), cutoff=0.8):
            self._findings.warn("unused-column", place, f"the key {key!r} is not sent", f"did you mean {near!r}?")
        elif holds_picture(text) and (media := next(filter(MEDIA.__contains__, self._columns), None)) is not None:
            if key in (named := self._columns[media]):
                return  # told where the default is
            several = ", ".join(map(repr, [*named, key]))
            hint = f"to send it as well:  columns: {{{media}: [{several}]}}"
            self._findings.note("unused-column", place, f"the key {key!r} holds a picture that is not sent", hint)
        elif "row" not in self._names and (like := field_like(key_of(key), text, self._fields)) is not None:
            message = f"carried along, and not sent: {key!r}" + f" (is it {like}?)" * bool(like)
            hint = "to send such a key say which field it is:  columns: {field: key}"
            self._findings.warn("unused-column", place, message, hint)


FieldsOf = Callable[[Any], frozenset[str]]
"""The fields of a model, by its id, or of the manifest's; none where it is not known."""


def read_jsonl(
    lines: Iterable[str],
    label: str,
    findings: Findings,
    renaming: Renaming | None,
    titles: Titles,
    fields_of: FieldsOf,
) -> Iterator[Line]:
    """The lines as items; what is wrong goes to `findings`."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = Place(line=number, file=label)
        document = _parse(line.removesuffix("\n"), place, findings)
        if document is not None:
            known = document if renaming is None else renaming.of(document, place)
            yield _item(known, place, label, findings, titles, fields_of)


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


def _item(
    document: dict[str, Any], place: Place, label: str, findings: Findings, titles: Titles, fields_of: FieldsOf
) -> Line:
    job_id = document.pop("id", None)
    custom_id = document.pop("custom_id", None)
    row = document.pop("row", None)
    model = document.pop("model", None)
    wrapped = next((key for key in WRAPPERS if isinstance(document.get(key), dict)), None)
    told = _Told(place, findings)
    job_id = told.one("id", job_id, "custom_id", custom_id)
    if row is not None and not isinstance(row, dict):
        findings.error("unknown-field", place, f"'row' is a mapping of columns, got {str(row)[:40]!r}", ROW)
    if wrapped is not None:
        fields = dict(document.pop(wrapped))
        model = told.one("model", model, f"{wrapped}.model", fields.pop("model", None))
        job_id = told.one("id", job_id, f"{wrapped}.id", fields.pop("id", None))
        model = told.one("model", model, "url", _model_in(document.pop("url", None), place, findings))
        if str(document.pop("method", "POST")).upper() != "POST":
            findings.error("unknown-field", place, "a job is sent by the method POST alone", "drop  method")
        beside = {key: value for key, value in document.items() if not key.startswith("x-")}
        for key in beside:
            message = f"{key!r} stands beside {wrapped!r}: it would not be sent"
            hint = _put_elsewhere(key, wrapped, beside, row or {}, fields_of(model))
            findings.error("unknown-field", place, message, hint)
    else:
        fields = {key: value for key, value in document.items() if not key.startswith("x-")}
    if job_id is not None:
        fields["id"] = str(job_id) if type(job_id) is int else job_id
    if model is not None:
        fields["model"] = model
    row = row if isinstance(row, dict) else {}
    return Line(
        {name: plain(value) for name, value in fields.items()},
        f"{label}:{place.line}",
        lambda *_: place,
        columns(row, titles),
        {key: text_of(value) for key, value in row.items()},
        f"line {place.line}" if job_id is not None else "",
        titles=titles,
        wrapper=wrapped or "",
    )


def _put_elsewhere(key: str, wrapped: str, beside: Mapping[str, Any], row: Any, fields: Collection[str]) -> str:
    """Where a key belongs that stands beside what is sent: in it, or in the row, from which templates are filled in."""
    plain = {name: one for name, one in beside.items() if name not in fields and not isinstance(one, (list, dict))}
    if not fields or key not in plain or not isinstance(row, dict):
        inside = f"put it inside {wrapped!r}, or " * (not fields or key in fields)
        return f"{inside}call it x-{key}"
    return f"to carry it along write  {row_of(row | plain)}"


class _Told:
    """What a line says twice: the two must agree, for only one of them is sent."""

    def __init__(self, place: Place, findings: Findings) -> None:
        self._place = place
        self._findings = findings

    def one(self, name: str, value: Any, other: str, another: Any) -> Any:
        """The value that is there; where there are two that differ, it is an error."""
        if value is None or another is None:
            return another if value is None else value
        if value != another:
            message = f"{name!r} is {str(value)[:60]!r} and {other!r} is {str(another)[:60]!r}"
            self._findings.error("unknown-field", self._place, message, "keep one of them")
        return value


def _model_in(url: Any, place: Place, findings: Findings) -> str | None:
    """The model that a `url` names, `/v1/models/owner/model`; any other is refused, for it would not be used."""
    if url is None:
        return None
    if isinstance(url, str) and (found := ENDPOINT.fullmatch(url)):
        return found[1].strip("/")
    message = f"'url' names no model: {str(url)[:60]!r}"
    findings.error("unknown-field", place, message, "drop it, or name the model:  /v1/models/google/nano-banana/edit")
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [key for key, _ in pairs]
        raise _Duplicate(next(key for key in names if names.count(key) > 1))
    return found


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_decode: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse, parse_float=Fraction).decode


def _check_sendable(document: Any, line: str) -> None:
    """Raise `ValueError` for what can be read but not sent: 1e999, half a surrogate pair, a tower of brackets."""
    if "\\u" in line:
        canonical(document)
    if line.count("[") + line.count("{") > DEEPEST and _depth(document) > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels deep")


def _depth(value: Any) -> int:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, items), default=0)
