"""Names that come from several places: those of a matrix before those of a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.manifest.templates import Scope


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
