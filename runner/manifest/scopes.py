"""Names that come from several places: what is sent, then those of a matrix, then those of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.manifest.templates import Scope, cell
from runner.model import InputRules


class Layer:
    """A scope with some names before it."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: Mapping[str, Any], rest: Scope) -> None:
        self._first = first
        self._rest = rest

    def names(self) -> Iterator[str]:
        """All of them."""
        yield from self._first
        yield from self._rest.names()

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._rest

    def __getitem__(self, name: str) -> Any:
        return self._first[name] if name in self._first else self._rest[name]


class Sent(Mapping[str, Any]):
    """Every field of a model as templates see it: what is sent, or what the service takes where nothing is."""

    def __init__(self, inputs: Mapping[str, Any], rules: InputRules | None) -> None:
        self._inputs = inputs
        self._fields = rules.fields if rules is not None else {}

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __getitem__(self, name: str) -> Any:
        return named(name, self._inputs.get(name, self._fields[name].get("default")))

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


def named(key: str, value: Any) -> Any:
    """A field's value as templates see it."""
    if isinstance(value, list):
        return [named(key, item) for item in value]
    if isinstance(value, bool):
        return cell(key, str(value).lower())
    return cell(key, "" if value is None else str(value))
