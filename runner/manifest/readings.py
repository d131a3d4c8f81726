"""Which code page a table is written in, where its bytes do not say: what each would send is compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice, zip_longest
from pathlib import Path
from typing import Final

from runner.manifest.codepages import SHOWN, SINGLE
from runner.manifest.columns import sent_columns
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.given import Given, Source
from runner.manifest.header import LOOKED_AT as ROWS
from runner.manifest.header import first_texts
from runner.manifest.tables import Cells, Sheet, cell_name, open_text
from runner.manifest.templates import is_template
from runner.model import InputRules

MOST_SHOWN: Final = 6
MOST_CELLS: Final = 3
"""Cells that are shown, where one does not tell all readings apart."""
LOOKED_AT: Final = 100_000
"""Rows that are looked at beyond the first that differs, for cells that tell more readings apart."""
WINDOW: Final = 40
Texts = tuple[str, ...]
"""What the cells that differ say in one code page."""


def delimiter_of(source: Source) -> str | None:
    """What is known of the delimiter before the table is looked at."""
    return source.delimiter or ("\t" if source.format == "tsv" else None)


def decide(
    source: Source,
    path: Path,
    label: str,
    codecs: Sequence[str],
    rules: InputRules | None,
    given: Given,
    findings: Findings,
) -> str | None:
    """The code page, where it makes no difference to what is sent; else `None`, and the readings in the findings."""
    live = _that_have_the_columns(source, path, label, codecs, rules, given)
    best = next(iter(live))
    option = "--encoding" if source.is_alone else "encoding:"
    place, readings = _readings(source, path, label, live)
    if len(set(readings.values())) < 2:
        if best == "utf-8":
            return best
        hint = f"say so with  {option} {best}, or save it as CSV UTF-8"
        findings.warn("encoding", Place(file=label), f"it is not UTF-8: read as {_named(best)}", hint)
        return best
    firsts: dict[Texts, str] = {}
    for codec, texts in readings.items():
        firsts.setdefault(texts, codec)
    starts = _starts(firsts)
    shown = [f"{_named(codec)}: {_shown(texts, starts)}" for texts, codec in firsts.items()][:MOST_SHOWN]
    if len(firsts) > MOST_SHOWN:
        shown.append(f"or {', '.join(list(firsts.values())[MOST_SHOWN:])}")
    hint = "\n".join([*shown, f"say which of them with  {option} NAME, or save it as CSV UTF-8"])
    what = "UTF-8, perhaps by accident," if "utf-8" in codecs else "not UTF-8,"
    message = f"it is {what} and what is sent would differ from encoding to encoding"
    findings.error("encoding", replace(place, file=label), message, hint)
    return None


@dataclass(frozen=True, slots=True)
class _Reader:
    """One way to split the file into cells, and the code pages that split it so."""

    codec: str
    members: tuple[str, ...]

    def text(self, cell: str, member: str) -> str:
        """What the cell says in a code page."""
        return cell if self.codec == member or cell.isascii() else cell.encode("latin-1").decode(member)


def _readers(codecs: Sequence[str]) -> list[_Reader]:
    """All single-byte code pages have their delimiters, quotes and line ends in the same places: one reader does."""
    single = tuple(codec for codec in codecs if codec in SINGLE)
    readers = [_Reader(codec, (codec,)) for codec in codecs if codec not in SINGLE]
    return [*readers, _Reader("latin-1", single)] if single else readers


def _that_have_the_columns(
    source: Source, path: Path, label: str, codecs: Sequence[str], rules: InputRules | None, given: Given
) -> dict[str, set[int]]:
    """The code pages in which the columns that the user names exist, each with the columns that are sent.

    All of them, where none has these columns.
    """
    found: dict[str, set[int]] = {}
    for reader in _readers(codecs):
        with open_text(path, reader.codec, delimiter_of(source), Findings(label), label) as sheet:
            if sheet is None:
                continue
            first = first_texts(cells for *_, cells in islice(sheet.rows, ROWS))
            for codec in reader.members:
                header = [reader.text(cell, codec) for cell in sheet.header]
                texts = {index: reader.text(text, codec) for index, text in first.items()}
                columns = sent_columns(source, header, rules, given, texts)
                if columns is not None:
                    found[codec] = columns
    return {codec: found[codec] for codec in codecs if codec in found} or {codec: set() for codec in codecs}


def _readings(source: Source, path: Path, label: str, live: Mapping[str, set[int]]) -> tuple[Place, dict[str, Texts]]:
    """What the first cells that are sent and differ say in each code page; no more of them than tell readings apart."""
    readings: dict[str, Texts] = dict.fromkeys(live, ())
    place = Place()
    for where, texts in islice(_differing(source, path, label, live), LOOKED_AT):
        finer = {codec: (*readings[codec], texts[codec]) for codec in live}
        if len(set(finer.values())) > len(set(readings.values())):
            place = where if not any(readings.values()) else place
            readings = finer
        if len(next(iter(readings.values()))) == MOST_CELLS or len(set(readings.values())) == len(live):
            break
    return place, readings


def _differing(
    source: Source, path: Path, label: str, live: Mapping[str, set[int]]
) -> Iterator[tuple[Place, Mapping[str, str]]]:
    """The cells that are sent and that the code pages read differently, each with its readings."""
    readers = _readers(list(live))
    with ExitStack() as stack:
        opened: list[Sheet | None] = [
            stack.enter_context(open_text(path, reader.codec, delimiter_of(source), Findings(label), label))
            for reader in readers
        ]
        sheets = [sheet for sheet in opened if sheet is not None]
        if len(sheets) < len(opened):
            yield Place(), _of_members(readers, ["a table" if sheet else "no table" for sheet in opened])
            return
        yield from _headers_that_differ(sheets, readers, live)
        sent = sorted(set().union(*live.values()))
        for rows in zip_longest(*(sheet.rows for sheet in sheets)):
            if found := _unlike(rows, readers):
                yield found
                return
            yield from _cells_that_differ(rows, readers, sent)


def _headers_that_differ(
    sheets: Sequence[Sheet], readers: Sequence[_Reader], live: Mapping[str, set[int]]
) -> Iterator[tuple[Place, Mapping[str, str]]]:
    """A column that is sent in some code pages alone: behind `Aspect ratio` stands a space, a sign or a letter."""
    first, *others = live.values()
    for index in sorted(first.union(*others) - first.intersection(*others)):
        if all(index < len(sheet.header) for sheet in sheets):
            pairs = zip(readers, sheets, strict=True)
            texts = {codec: reader.text(one.header[index], codec) for reader, one in pairs for codec in reader.members}
            yield Place(line=sheets[0].header_line, cell=cell_name(index, sheets[0].header_row)), texts


def _unlike(rows: Sequence[Cells | None], readers: Sequence[_Reader]) -> tuple[Place, Mapping[str, str]] | None:
    """Where even the cells are not the same in number: the letters of some code pages hold a delimiter, or a quote."""
    shapes = {row and (row[0], row[1], len(row[2])) for row in rows}
    if len(shapes) == 1:
        return None
    line = next(row[0] for row in rows if row is not None)
    return Place(line=line), _of_members(
        readers, [f"row {row[1]} of {len(row[2])} cells" if row is not None else "the end" for row in rows]
    )


def _cells_that_differ(
    rows: Sequence[Cells | None], readers: Sequence[_Reader], sent: Sequence[int]
) -> Iterator[tuple[Place, Mapping[str, str]]]:
    known = [row for row in rows if row is not None]
    line, number, first = known[0]
    if any(is_template(cells[index]) for _, _, cells in known for index in sent):
        sent = range(len(first))
    for index in sent:
        cells = [row[2][index] for row in known]
        if cells[0].isascii() and cells.count(cells[0]) == len(cells):
            continue
        pairs = zip(readers, cells, strict=True)
        texts = {codec: reader.text(cell, codec) for reader, cell in pairs for codec in reader.members}
        if len(set(texts.values())) > 1:
            yield Place(line=line, cell=cell_name(index, number)), texts


def _of_members(readers: Sequence[_Reader], texts: Sequence[str]) -> dict[str, str]:
    return {codec: text for reader, text in zip(readers, texts, strict=True) for codec in reader.members}


def _shown(texts: Texts, starts: Sequence[int]) -> str:
    """What the cells say, each around the place where the readings part."""
    pieces = [("…" if start else "") + text[start : start + WINDOW] for text, start in zip(texts, starts, strict=True)]
    return ", ".join(map(repr, pieces))


def _starts(readings: Iterable[Texts]) -> list[int]:
    """Of each cell, a little before the first letter in which its readings differ."""
    return [max(0, _parting(texts) - WINDOW // 2) for texts in zip(*readings, strict=True)]


def _parting(texts: Sequence[str]) -> int:
    """The first letter in which texts differ."""
    return next((n for n, letters in enumerate(zip(*texts, strict=False)) if len(set(letters)) > 1), 0)


def _named(codec: str) -> str:
    return f"{codec} ({SHOWN[codec]})" if codec in SHOWN else codec
