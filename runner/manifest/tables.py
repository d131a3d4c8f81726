"""Tables, by whichever program they were saved: rows of cells with their places.

`csv.Sniffer` takes the letter `r` for a delimiter where there is one column, so the delimiter is found here: the first
rows are read with each of the four, and the one that gives them as many cells as the header wins. A ragged row, a
quote that is never closed and a cell of megabytes are errors: whatever was meant, it is not what would be sent.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from runner.errors import InputMissing
from runner.manifest.diagnostics import Findings, Place

DELIMITERS: Final = ("\t", ";", "|", ",")
"""The rarer in texts before the commoner, where rows tell no difference."""
LARGEST_CELL: Final = 1 << 20
SEPARATOR: Final = re.compile(r'\ufeff?sep=([^\r\n"])(?:\r\n?|\n|\Z)', re.IGNORECASE)
"""Excel's first line, which says what stands between cells."""
SAMPLE: Final = 1 << 18
ROWS_SAMPLED: Final = 40
MOST_COLUMNS: Final = 4096
SPOILT: Final = re.compile(
    r"#(?:[\u00a1\u00bf]?[^\W\d_a-z]{2,}(?:/0)?[!?]|N/A|N/D|NV|NB|\u041d/\u0414|GETTING_DATA|#{2,})|Err:\d{3}"
)
"""What a spreadsheet shows where a formula failed, in any of its languages, or a cell is too narrow for its value."""
FORMULA: Final = re.compile(r"""\s*\{?=(?:[\w$@\[('"+-]|\s+(?:[$"'\[(@+]|[A-Za-z]{1,3}\$?[1-9]))""")
"""How a formula begins that somebody saved in the place of what it comes to."""
SHORTENED: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d+")
"""What a spreadsheet makes of a long number: the digits are lost."""
KEPT_AS_TEXT: Final = re.compile(r'="((?:[^"]|"")*)"')
"""How exports keep a spreadsheet from making numbers of `00123`: as a formula, whose value is what a person sees."""
URL: Final = re.compile(r"https?://", re.IGNORECASE)
WIDE: Final = 6
"""Columns beyond which no prose has as many commas by chance."""
MERGED: Final = "#MERGED!"
UNCALCULATED: Final = "#UNCALCULATED!"
"""Marks of ours, for cells of a workbook that look empty and are not."""
NAMELESS: Final = "the first row names the columns: id, prompt, image_urls"

Cells = tuple[int, int, Sequence[str]]
"""The line on which a row begins, its row in the spreadsheet, and its cells."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open table: its header, and the rows below it, each as long as the header."""

    header: Sequence[str]
    rows: Iterator[Cells]
    header_line: int = 1
    header_row: int = 1
    """Where the header stands in the file, and in the spreadsheet."""
    delimiter: str = ","
    """What stands between its cells, where it is text."""


def cell_name(index: int, row: int) -> str:
    """A spreadsheet's name for a cell; the column counts from 0, the row from 1."""
    return f"{column_name(index)}{row}"


def column_name(index: int) -> str:
    """A spreadsheet's letters for a column that counts from 0."""
    letters, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


MENDED: Final = "mend the cell, or empty it"


def what_spoilt(text: str) -> str:
    """What is wrong with a cell that `SPOILT` knows."""
    match text:
        case "#MERGED!":
            return "it is part of merged cells, of which only the first has the value: unmerge them"
        case "#UNCALCULATED!":
            return "a formula that was never worked out: open the workbook in a spreadsheet, and save it"
        case _ if FORMULA.match(text):
            return "a formula is here, and not what it comes to"
        case _:
            return f"{text} is a spreadsheet's error, not a value"


@contextmanager
def open_text(
    path: Path, codec: str, delimiter: str | None, findings: Findings, label: str, *, as_shown: bool = True
) -> Iterator[Sheet | None]:
    """A CSV or TSV file in a known encoding; `None` where it has no header, which is then in the findings.

    Cells are as a spreadsheet shows them, or, to be handed back, as they are written.

    That it can be decoded, and that no line of it is endless, was seen before (`encoding.look`).
    """
    try:
        file = path.open(encoding=codec, newline="")
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}") from error
    with file, _cells_of_a_megabyte():
        sample = file.read(SAMPLE)
        declared = SEPARATOR.match(sample)
        mark = len(sample) - len(sample.removeprefix("\ufeff"))
        file.seek(0)
        file.read(declared.end() if declared else mark)
        delimiter = delimiter or (declared[1] if declared else _delimiter(sample[mark:]))
        yield _sheet(file, delimiter, 1 if declared else 0, findings, label, as_shown=as_shown)


@contextmanager
def _cells_of_a_megabyte() -> Iterator[None]:
    """While a table is open: the `csv` module has one limit for a whole process, and others have their own needs."""
    before = csv.field_size_limit(LARGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _sheet(
    file: io.TextIOWrapper, delimiter: str, skipped: int, findings: Findings, label: str, *, as_shown: bool
) -> Sheet | None:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    number, line, header = 0, 1 + skipped, []
    try:
        for header in reader:
            number += 1
            if any(map(str.strip, header)):
                break
            line = reader.line_num + skipped + 1
    except csv.Error as error:
        _syntax(error, line, findings, label)
        return None
    if not any(map(str.strip, header)):
        findings.error("empty", Place(file=label), "an empty table", NAMELESS)
        return None
    if len(header) > MOST_COLUMNS:
        message = f"a header of {len(header):,} columns; at most {MOST_COLUMNS:,} are read"
        findings.error("too-large", Place(line=line, file=label), message, "is the first row the header?")
        return None
    header = list(map(shown, header)) if as_shown else header
    rows = _rows(reader, header, number, skipped, findings, label, delimiter=delimiter, as_shown=as_shown)
    return Sheet(header, rows, line, number, delimiter)


def _rows(
    reader: Any,
    header: Sequence[str],
    number: int,
    skipped: int,
    findings: Findings,
    label: str,
    *,
    delimiter: str,
    as_shown: bool,
) -> Iterator[Cells]:
    width = len(header)
    start = reader.line_num + skipped + 1
    try:
        for cells in reader:
            number += 1
            if len(cells) == width:
                text = "".join(cells)
                row = start, number, cells if not as_shown or '="' not in text else list(map(shown, cells))
                if "\n" in text or "\r" in text:
                    _refuse_swallowed(row, delimiter, width, findings, label)
                yield row
            elif any(map(str.strip, cells)):
                hint = "an unquoted delimiter in a prompt? quote that cell"
                if len(cells) < width:
                    hint = "a line break in a cell? quote that cell; else give the row all its cells"
                message = f"the row has {len(cells)} cells, the header has {width} (spreadsheet row {number})"
                findings.error("ragged-row", Place(line=start, file=label), message, hint)
            start = reader.line_num + skipped + 1
    except csv.Error as error:
        _syntax(error, start, findings, label)


def _refuse_swallowed(row: Cells, delimiter: str, width: int, findings: Findings, label: str) -> None:
    """A cell into which a stray quote has swallowed rows is refused: these jobs would never be missed."""
    for index, cell in enumerate(row[2]):
        if count := _swallowed(cell, index, delimiter, width):
            place = Place(line=row[0], cell=cell_name(index, row[1]), file=label)
            message = f"this cell looks like {count} rows swallowed by a stray quote: {cell.strip()[:60]!r}"
            hint = 'look for a lone " in it and at its ends; a " that is meant is written twice: ""'
            findings.error("swallowed-rows", place, message, hint)


def _swallowed(cell: str, index: int, delimiter: str, width: int) -> int:
    """How many rows a cell seems to be made of; 0 where it is one text.

    Its first line then ends a row and its last begins one, so that the delimiters in each are known. Prose may have as
    many commas by chance, but with a space behind each; and a cell of nothing but URLs is what it says.
    """
    outside = "".join(cell.split('"')[::2]).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    counts = [line.count(delimiter) for line in outside]
    breaks = len(counts) - 1
    if breaks < 1 or counts != [width - 1 - index, *[width - 1] * (breaks - 1), index]:
        return 0
    pieces = [piece for line in outside for piece in line.split(delimiter)]
    has_url = any(map(URL.match, pieces))
    is_prose = width < WIDE and all(piece[:1].isspace() for line in outside for piece in line.split(delimiter)[1:])
    is_told = (has_url and not all(map(URL.match, pieces))) or (width >= 3 and not has_url and not is_prose)
    return breaks + 1 if is_told or delimiter == "\t" else 0  # nobody writes a tab in a text


def shown(cell: str) -> str:
    """What a spreadsheet shows of a text that is kept as one by a formula."""
    found = KEPT_AS_TEXT.fullmatch(cell)
    return found[1].replace('""', '"') if found else cell


def _syntax(error: csv.Error, line: int, findings: Findings, label: str) -> None:
    message, hint = str(error), 'a quote that is never closed? look for a lone " near this line'
    if "expected after" in message:
        message = "a quote ends before its cell does"
        hint = 'a " in a cell that begins with one is written twice, as in  ' + '"""White"" wall"'
    elif "field larger" in message:
        message = f"a cell of more than {LARGEST_CELL >> 20} MB"
    findings.error("csv-syntax", Place(line=line, file=label), message, hint)


# --------------------------------------------------------------------------------------------------------- delimiters


def _delimiter(sample: str) -> str:
    """The delimiter that gives the first rows as many cells as the header.

    Of a header in which none occurs, the table has one column, and the delimiter is one that its rows do not hold.
    """
    widths = {delimiter: _widths(sample, delimiter) for delimiter in DELIMITERS}
    found = [delimiter for delimiter in DELIMITERS if widths[delimiter] and widths[delimiter][0] > 1]

    def score(delimiter: str) -> tuple[float, int]:
        head, *rows = widths[delimiter] or [1]
        return (sum(width == head for width in rows) / max(1, len(rows)), head)

    return max(found or DELIMITERS, key=score)


def _widths(sample: str, delimiter: str) -> list[int]:
    """How many cells each of the first rows has that is not blank; the last one may be cut off."""
    rows = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    widths = [len(row) for row in islice((row for row in rows if any(row)), ROWS_SAMPLED + 1)]
    return widths[:-1] if len(sample) >= SAMPLE - 1 and len(widths) <= ROWS_SAMPLED and len(widths) > 1 else widths
