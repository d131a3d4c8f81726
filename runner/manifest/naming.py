"""What names the rows and the lines that have no id: a column that is filled in and unique in all of them, or none.

A column is `sku`, `handle` or `custom_id`. Where none of them fits the request itself is the name: an edited row is
then a new job, which is told. Never is it a row's number: sorting a sheet would pay twice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.items import key_of
from runner.manifest.lines import Line
from runner.manifest.words import NAMING


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """The rows of a source that has no ids for them."""

    titles: Mapping[str, str]
    """What its columns are called, by their keys."""
    texts: Callable[[str], Iterator[tuple[int, str]]]
    """Each row's line, and its text in the column of a key, from the first row; it is asked more than once."""
    first: Place
    """Where the first of them stands."""
    remedies: tuple[str, str]
    """How they are named where no column does it, and how instead of one that does not name each."""


def naming_key(rows: Unnamed, findings: Findings) -> str | None:
    """The key of the first column that names every row, each by another name; of those that do not it is said why."""
    unfit: list[tuple[str, str, int]] = []
    found = None
    for key in (key for key in NAMING if key in rows.titles):
        if (why := _why_unfit(key, rows)) is None:
            found = key
            break
        unfit.append((key, *why))
    as_new = "jobs are known by their requests, and an edited row is a new job"
    for key, reason, line in unfit:
        told = as_new if found is None else f"jobs are named by {rows.titles[found]!r}"
        place = Place(line=line, file=rows.first.file)
        hint = f"give each row a name of its own, or {rows.remedies[1]}"
        findings.warn("unnamed-rows", place, f"{rows.titles[key]!r} {reason}: {told}", hint)
    if found is None and not unfit:
        hint = f"so is one whose URL is signed anew; {rows.remedies[0]}"
        findings.note("unnamed-rows", rows.first, f"no column names its rows: {as_new}", hint)
    return found


def _why_unfit(key: str, rows: Unnamed) -> tuple[str, int] | None:
    """Why a column does not name every row, and the line that shows it; `None` where it does."""
    seen: set[int] = set()
    for line, text in rows.texts(key):
        if not text:
            return f"is empty in line {line:,}", line
        if (digest := _digest(text)) in seen:
            first = next(before for before, other in rows.texts(key) if _digest(other) == digest)
            return f"names two rows {text[:40]!r}, lines {first:,} and {line:,}", line
        seen.add(digest)
    return None if seen else ("is empty", 1)


def _digest(text: str) -> int:
    return hash((text if text.isascii() else unicodedata.normalize("NFC", text)).casefold())


def named(lines: Iterable[Line], again: Callable[[], Iterator[Line]], findings: Findings) -> Iterator[Line]:
    """The lines, those without an id named by a column of theirs if one names them all.

    All lines of the file, `again`, are gone through only where the first without an id has such a column.
    """
    key: str | None = None
    is_asked = False
    for line in lines:
        if "id" not in line.fields:
            if not is_asked:
                key, is_asked = naming_key(_unnamed(line, again), findings), True
            if key is not None:
                line.fields["id"] = _text(line, key)
                line.id_at = f"line {line.at().line}"
        yield line


def _unnamed(first: Line, again: Callable[[], Iterator[Line]]) -> Unnamed:
    """The lines of which one is the first without an id; those with ids have these names already."""

    def texts(key: str) -> Iterator[tuple[int, str]]:
        for line in again():
            yield line.at().line, str(line.fields["id"]) if "id" in line.fields else _text(line, key)

    titles = {key_of(title): title for title in first.row}
    return Unnamed(titles=titles, texts=texts, first=first.at(), remedies=("give each line an id", "an id"))


def _text(line: Line, key: str) -> str:
    return next((text.strip() for title, text in line.row.items() if key_of(title) == key), "")
