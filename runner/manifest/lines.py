"""What a line of JSON gives to templates and conditions: the columns of its row.

Who writes lines leaves out what is empty. So a column that only other lines have is an empty cell here, which a
template may ask for; one that no line has is mistyped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Final, Self

from runner.manifest.items import Entry, key_of
from runner.manifest.templates import Measured, Names, Row, Scope, cell

WRAPPERS: Final = ("input", "body")
KEYS: Final = frozenset({"id", "custom_id", "model", "row", "url", "method", *WRAPPERS})
"""What a line may hold beside the fields of its model."""
NAMED: Final = frozenset({"id", "custom_id", "model"})
"""Those that stand beside the fields and say something of the job."""


LONGEST_SHOWN: Final = 40
"""Characters of a value in a remedy."""
MOST_SHOWN: Final = 4
"""Columns in a remedy."""


class Fraction(float):
    """A number of JSON that keeps how it is written: `9.50` is no `9.5` in a text."""

    __slots__ = ("_written",)
    _written: str

    def __new__(cls, written: str) -> Self:
        """Raises `ValueError` for one that is beyond all numbers."""
        self = super().__new__(cls, written)
        if not math.isfinite(self):
            raise ValueError(f"{written[:40]} is beyond all numbers")
        self._written = written
        return self

    def __str__(self) -> str:
        return self._written


Reopen = Callable[[], AbstractContextManager[Iterable[str]]]
"""Opens the lines anew, from the first."""


class Titles:
    """The columns of all lines; they are gone through when one lacks what it is asked for, and not before."""

    def __init__(self, reopen: Reopen, fields: Container[str] | None = None) -> None:
        """`fields` are the model's, where every other key of a line is a column of its row."""
        self._reopen = reopen
        self._fields = fields

    @cached_property
    def _read(self) -> tuple[frozenset[str], frozenset[str]]:
        said: set[str] = set()
        titles: set[str] = set()
        with self._reopen() as lines:
            for line in lines:
                with suppress(ValueError, RecursionError, AttributeError):  # told where the line is read
                    document = json.loads(line)
                    said.update(_fields_in(document))
                    titles.update(row if isinstance(row := document.get("row"), dict) else ())
                    if self._fields is not None:
                        titles.update(key for key in document if is_own(key, self._fields))
        return frozenset(said), frozenset(titles)

    @cached_property
    def all(self) -> frozenset[str]:
        """As the lines call them."""
        return self._read[1]

    @cached_property
    def names(self) -> frozenset[str]:
        """As templates call them."""
        return frozenset(map(key_of, self.all))

    @property
    def said(self) -> frozenset[str]:
        """What every line says of its job, however it is wrapped."""
        return self._read[0]


def _fields_in(document: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a line that say something of its job; what wraps them is none of them."""
    wrapped = next((key for key in WRAPPERS if isinstance(document.get(key), dict)), None)
    if wrapped is not None:
        yield from NAMED & document.keys()
        yield from document[wrapped]
    else:
        yield from (key for key in document if key != "row" and not key.startswith("x-"))


def is_own(key: str, fields: Container[str]) -> bool:
    """Whether a key of a line is none that this program or the model knows."""
    return not (key in KEYS or key in fields or key.startswith("x-"))


class _Row(Row):
    """A line's own columns under their titles."""

    def __init__(self, cells: Mapping[str, Any], titles: Titles) -> None:
        super().__init__(cells)
        self._titles = titles

    def __missing__(self, name: object) -> Any:
        return cell(str(name), "") if name in self._titles.all else super().__missing__(name)


class _Columns(Names):
    """The same as templates call them."""

    def __init__(self, cells: Mapping[str, Any], titles: Titles) -> None:
        super().__init__({key_of(title): value for title, value in cells.items()} | {"row": _Row(cells, titles)})
        self._titles = titles

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._titles.names

    def __getitem__(self, name: str) -> Any:
        return super().__getitem__(name) if super().__contains__(name) else cell(name, "")


def columns(row: Mapping[str, Any], titles: Titles) -> Scope:
    """The names of a row's columns."""
    cells = {
        title: Measured(value) if isinstance(value, float) else _cell(title, value) for title, value in row.items()
    }
    return _Columns(cells, titles)


class _Judged(_Columns):
    """The same and the fields, for conditions."""

    def __init__(self, cells: Mapping[str, Any], fields: Mapping[str, Any], titles: Titles) -> None:
        super().__init__(cells, titles)
        own = {"custom_id": fields["id"]} if "id" in fields else {}
        self._values = {**own, **fields, **self._values}

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._titles.said


@dataclass(slots=True)
class Line(Entry):
    """A line as an item."""

    row: Mapping[str, str] = field(default_factory=dict)
    titles: Titles = field(kw_only=True)
    wrapper: str = field(default="", kw_only=True)
    """The key that its fields stand under, where they have one."""

    @property
    def condition_scope(self) -> Scope:
        """The names that conditions may use: those of the row, and its id and fields, each as a text."""
        fields = {name: _cell(name, value) for name, value in self.fields.items() if not isinstance(value, dict)}
        return _Judged(self.scope["row"], fields, self.titles)


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_cell(name, one) for one in value]
    return cell(name, text_of(value))


def plain(value: Any) -> Any:
    """A value of a field as it is sent: of a number its size counts, and not how it is written."""
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, list):
        return list(map(plain, value))
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


def row_of(own: Mapping[str, Any]) -> str:
    """How a line carries keys that are no fields: templates have them, and they are not sent."""
    shown = [f"{_json(key)}: {_json(value)}" for key, value in islice(own.items(), MOST_SHOWN)]
    return f'"row": {{{", ".join([*shown, *["…"] * (len(own) > MOST_SHOWN)])}}}'


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else "…"


def text_of(value: Any) -> str:
    """A value as the text of a cell: `null` is an empty one."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
