"""What is wrong with a manifest, where, and what to do; and how that is shown."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from runner.errors import ManifestInvalid

MOST_SHOWN: Final = 20
"""One wrong column is one message and a count, not fifty thousand lines."""
MOST_KEPT: Final = 1000
"""Of one code; the rest are counted. A million rows of nonsense must not fill the memory."""

Severity = Literal["error", "warning", "note"]
"""It cannot be sent; it can, but was hardly meant so; it is meant so, probably, and worth a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A spot in a file: line and column from 1; for tables the spreadsheet's cell, as `D2`."""

    line: int = 1
    column: int | None = None
    cell: str | None = None
    text: str | None = None
    """The source line, where it helps to see it."""
    width: int = 1
    file: str = ""
    """Empty: the manifest itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One thing that is wrong or looks wrong."""

    severity: Severity
    code: str
    file: str
    place: Place
    message: str
    hint: str = ""


class InvalidManifest(ManifestInvalid):
    """The manifest cannot be sent as it is; `diagnostics` says why, and the message shows them all."""

    def __init__(
        self, diagnostics: Sequence[Diagnostic], more: Mapping[tuple[Severity, str], int] | None = None
    ) -> None:
        self.diagnostics = tuple(diagnostics)
        self.more = dict(more or {})
        """How many were found beyond those that were kept."""
        super().__init__(render(self.diagnostics, self.more))


@dataclass(slots=True)
class Findings:
    """Collects what is found in one manifest and the files it names; the same thing at the same place once."""

    file: str
    found: list[Diagnostic] = field(default_factory=list)
    more: Counter[tuple[Severity, str]] = field(default_factory=Counter)
    has_errors: bool = False
    """Whether anything found forbids sending."""
    _kept: Counter[tuple[Severity, str]] = field(default_factory=Counter)
    _seen: set[tuple[str, str, int, int | None, str | None, str]] = field(default_factory=set)

    def error(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Something that cannot be sent."""
        self.has_errors = True
        self._add("error", code, place, message, hint)

    def warn(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Something that can be sent, but is probably not what is meant."""
        self._add("warning", code, place, message, hint)

    def note(self, code: str, place: Place, message: str, hint: str = "") -> None:
        """Something that is decided for the user, who may not know."""
        self._add("note", code, place, message, hint)

    def refuse_if_any(self) -> None:
        """Raise `InvalidManifest` where anything found forbids sending."""
        if self.has_errors:
            raise InvalidManifest(self.found, self.more)

    def _add(self, severity: Severity, code: str, place: Place, message: str, hint: str) -> None:
        key = (severity, code)
        if self._kept[key] >= MOST_KEPT:
            self.more[key] += 1
            return
        file = place.file or self.file
        identity = (code, file, place.line, place.column, place.cell, message)
        if identity in self._seen:
            return
        self._seen.add(identity)
        self._kept[key] += 1
        place = replace(place, file=file)
        self.found.append(Diagnostic(severity=severity, code=code, file=file, place=place, message=message, hint=hint))


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant, however it is capitalised."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(word.lower(), by_lower, 1, cutoff)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint towards the nearest of the known words, or the list of them."""
    words = list(dict.fromkeys(known))
    near = nearest(word, words)
    if near is not None:
        return f"did you mean {near!r}?"
    return "known: " + ", ".join(words) if words else ""


# ------------------------------------------------------------------------------------------------------------- shown


def render(diagnostics: Sequence[Diagnostic], more: Mapping[tuple[Severity, str], int] | None = None) -> str:
    """The diagnostics for a person, file by file and line by line, each with its place and remedy."""
    totals = Counter((diagnostic.severity, diagnostic.code) for diagnostic in diagnostics) + Counter(more or {})
    shown: Counter[tuple[Severity, str]] = Counter()
    lines: list[str] = []
    for diagnostic in sorted(diagnostics, key=lambda d: (d.file, d.place.line, d.place.column or 0)):
        key = (diagnostic.severity, diagnostic.code)
        shown[key] += 1
        if shown[key] <= MOST_SHOWN:
            lines += _lines(diagnostic)
        elif shown[key] == MOST_SHOWN + 1:
            lines.append(f"… and {totals[key] - MOST_SHOWN:,} more like this: [{diagnostic.code}]")
    return "\n".join([*lines, *_verdict(totals)])


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
    lines += [f"        = {line}" for line in diagnostic.hint.split("\n") if line]
    return lines


def _verdict(totals: Mapping[tuple[Severity, str], int]) -> list[str]:
    errors = sum(count for (severity, _), count in totals.items() if severity == "error")
    warnings = sum(count for (severity, _), count in totals.items() if severity == "warning")
    parts = [f"{errors:,} error{'s' * (errors != 1)}"] if errors else []
    parts += [f"{warnings:,} warning{'s' * (warnings != 1)}"] if warnings else []
    return [f"{', '.join(parts)}." + (" Nothing was submitted." if errors else "")] if parts else []


def as_github(diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    """The diagnostics as commands that make GitHub Actions show each beside its line, a few of each code.

    GitHub's words: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    shown: Counter[tuple[Severity, str]] = Counter()
    for diagnostic in diagnostics:
        key = (diagnostic.severity, diagnostic.code)
        shown[key] += 1
        if shown[key] <= MOST_SHOWN:
            place = diagnostic.place
            cell = f"cell {place.cell}: " if place.cell else ""
            text = f"{cell}{diagnostic.message}" + (f"\n{diagnostic.hint}" if diagnostic.hint else "")
            where = {"file": diagnostic.file, "line": place.line, "col": place.column, "title": diagnostic.code}
            word = "notice" if diagnostic.severity == "note" else diagnostic.severity
            yield github(word, text, **where)


def github(word: str, text: str, **properties: object) -> str:
    """One such command."""
    given = ",".join(f"{name}={_escaped(str(value), ':,')}" for name, value in properties.items() if value is not None)
    return f"::{word} {given}::{_escaped(text)}"


def plain_for_github(text: str) -> str:
    """A line that is no command, whatever stands in it: a file of a pull request may be named like one.

    GitHub's runner reads `::word` at the beginning of a line, and `##[word]` anywhere.
    """
    line = " ".join(text.splitlines()).replace("##[", "## [")
    return f"- {line}" if line.lstrip().startswith("::") else line


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(char):02X}" if char in f"%\r\n{more}" else char for char in text)


def as_json(diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """The diagnostics as JSON values."""
    return [
        {key: value for key, value in asdict(d).items() if key != "place"}
        | {"line": d.place.line, "column": d.place.column, "cell": d.place.cell}
        for d in diagnostics
    ]
