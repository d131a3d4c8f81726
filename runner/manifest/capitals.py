"""Cells that differ by capitals alone from a text that a condition compares them with.

`status != 'sold'` is true of `Sold`: that row would be paid for, and a count of those that are left out hides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from runner.manifest.cells import TemplateProblem, seen
from runner.manifest.templates import Condition, Scope


class Capitals:
    """Of one condition, the first such cell."""

    def __init__(self, where: Condition | None) -> None:
        self._open = [
            (name, title, {seen(text) for text in texts}, _small(texts))
            for (name, title), texts in (where.compared.items() if where is not None else ())
        ]
        self.found = ""
        """What is said of it; empty as long as there is none."""

    def look(self, scope: Scope, source: str) -> None:
        """Look at the cells of a row, or whatever else the condition is asked of."""
        if self.found:
            return
        for name, title, texts, small in self._open:
            value: object = None
            with suppress(TemplateProblem, LookupError):  # it was not asked for, since the verdict was known before
                value = scope["row"][title] if title else scope[name]
            text = seen(value) if isinstance(value, str) else ""
            meant = small.get(text.lower())
            if meant is not None and text not in texts:
                asked = f"row[{title!r}]" if title else name
                self.found = f"capitals count: {text[:40]!r} in {source} is not {meant[:40]!r}; "
                self.found += f"without them compare  {asked} | lower  with {meant.lower()[:40]!r}"
                self._open = []
                return


def _small(texts: frozenset[str]) -> Mapping[str, str]:
    """The texts by their small letters, those that have any."""
    return {seen(text).lower(): seen(text) for text in sorted(texts) if text.lower() != text.upper()}
