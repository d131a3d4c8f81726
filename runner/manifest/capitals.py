"""Cells that differ by capitals alone from a text that a condition or a template compares them with.

`status != 'sold'` is true of `Sold`: that row would be paid for, and a count of those that are left out hides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from runner.manifest.cells import TemplateProblem, seen
from runner.manifest.templates import Scope
from runner.manifest.verdicts import Column, Texts


class Capitals:
    """Of one condition or template, the first such cell."""

    def __init__(self, compared: Texts) -> None:
        self._open = [(column, {seen(text) for text in texts}, _small(texts)) for column, texts in compared.items()]
        self.found = ""
        """What is said of it; empty as long as there is none."""

    def look(self, scope: Scope, source: str) -> None:
        """Look at the cells of a row, or whatever else the texts are compared with."""
        if self.found:
            return
        for column, texts, small in self._open:
            text = text_in(scope, column)
            meant = small.get(text.lower())
            if meant is not None and text not in texts:
                self.found = f"capitals count: {text[:40]!r} in {source} is not {meant[:40]!r}; "
                self.found += f"without them compare  {asked(column)} | lower  with {meant.lower()[:40]!r}"
                self._open = []
                return


def text_in(scope: Scope, column: Column) -> str:
    """The text of a column in some row as a person sees it; empty where it has none, or is not to be had."""
    name, title = column
    value: object = None
    with suppress(TemplateProblem, LookupError):  # it was not asked for, since the verdict was known before
        value = scope["row"][title] if title else scope[name]
    return seen(value) if isinstance(value, str) else ""


def asked(column: Column) -> str:
    """The column as a template writes it."""
    name, title = column
    return f"row[{title!r}]" if title else name


def _small(texts: frozenset[str]) -> Mapping[str, str]:
    """The texts by their small letters, those that have any."""
    return {seen(text).lower(): seen(text) for text in sorted(texts) if text.lower() != text.upper()}
