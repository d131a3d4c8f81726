"""What is wrong with a manifest, where, and what to do; and how that is shown."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from runner.errors import ManifestInvalid

MOST_PER_CODE: Final = 20
"""One wrong column is one message and a count, not fifty thousand lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spot in a file: line and column from 1; for tables the spreadsheet's cell, as `D2`."""

    line: int = 1
    column: int | None = None
    cell: str | None = None
    text: str | None = None
    """The source line, where it helps to see it."""
    width: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One thing that is wrong or looks wrong."""

    severity: Literal["error", "warning"]
    code: str
    file: str
    place: Place
    message: str
    hint: str = ""


class InvalidManifest(ManifestInvalid):
    """The manifest cannot be sent as it is; `diagnostics` says why, and the message shows them all."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(render(self.diagnostics))


@dataclass(slots=True)
class Findings:
    """Collects what is found in one file."""

    file: str
    found: list[Diagnostic] = field(default_factory=list)

    def error(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Something that cannot be sent."""
        self.found.append(
            Diagnostic(severity="error", code=code, file=self.file, place=place, message=message, hint=hint)
        )

    def warn(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Something that can be sent, but is probably not what is meant."""
        self.found.append(
            Diagnostic(severity="warning", code=code, file=self.file, place=place, message=message, hint=hint)
        )

    @property
    def has_errors(self) -> bool:
        """Whether anything found forbids sending."""
        return any(diagnostic.severity == "error" for diagnostic in self.found)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint towards the nearest of the known words, or the list of them."""
    words = list(known)
    near = difflib.get_close_matches(word.lower(), [w.lower() for w in words], 1, 0.6)
    for candidate in words:
        if near and candidate.lower() == near[0]:
            return f"did you mean {candidate!r}?"
    return "known: " + ", ".join(words)


def render(diagnostics: Sequence[Diagnostic]) -> str:
    """The diagnostics for a person, in the order of the file, each with its line and remedy."""
    lines: list[str] = []
    shown: Counter[str] = Counter()
    totals = Counter(diagnostic.code for diagnostic in diagnostics)
    for diagnostic in sorted(diagnostics, key=lambda d: (d.file, d.place.line, d.place.column or 0)):
        shown[diagnostic.code] += 1
        if shown[diagnostic.code] <= MOST_PER_CODE:
            lines += _lines(diagnostic)
        elif shown[diagnostic.code] == MOST_PER_CODE + 1:
            lines.append(f"… and {totals[diagnostic.code] - MOST_PER_CODE:,} more like this: [{diagnostic.code}]")
    return "\n".join([*lines, _verdict(diagnostics)])


def _lines(diagnostic: Diagnostic) -> list[str]:
    place = diagnostic.place
    column = f":{place.column}" if place.column else ""
    cell = f"cell {place.cell}: " if place.cell else ""
    head = (
        f"{diagnostic.file}:{place.line}{column}: {diagnostic.severity}[{diagnostic.code}]: {cell}{diagnostic.message}"
    )
    lines = [head]
    if place.text is not None and place.column:
        start = max(0, place.column - 100)  # of a long line, the part where it is wrong
        text, before = place.text[start : start + 160], place.column - 1 - start
        carets = "^" * max(1, min(place.width, 60, len(text) - before))
        lines += [f"{place.line:>7} | {text}", f"        | {' ' * before}{carets}"]
    if diagnostic.hint:
        lines.append(f"        = {diagnostic.hint}")
    return lines


def _verdict(diagnostics: Sequence[Diagnostic]) -> str:
    errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    parts = [f"{errors:,} error{'s' * (errors != 1)}"] if errors else []
    parts += [f"{warnings:,} warning{'s' * (warnings != 1)}"] if warnings else []
    return f"{', '.join(parts)}." + (" Nothing was submitted." if errors else "")


def as_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics as JSON values."""
    return [
        {key: value for key, value in asdict(d).items() if key != "place"}
        | {"line": d.place.line, "column": d.place.column, "cell": d.place.cell}
        for d in diagnostics
    ]
