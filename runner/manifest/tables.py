"""Tables, by whichever program they were saved: rows of cells with their places.

`csv.Sniffer` takes the letter `r` for a delimiter where there is one column, so delimiters are counted here, outside
quotes, in the header and the first rows. A ragged row, a quote that is never closed and a cell of megabytes are errors:
whatever was meant, it is not what would be sent.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner.errors import InputMissing
from runner.manifest.diagnostics import Findings, Place

DELIMITERS: Final = (",", ";", "\t", "|")
LARGEST_CELL: Final = 1 << 20
LONGEST_LINE: Final = 8 << 20
"""A text file whose first line does not end is none; it is refused before it fills the memory."""
SAMPLE: Final = 1 << 18
MOST_COLUMNS: Final = 4096
SPOILT: Final = re.compile(r"#(REF!|N/A|VALUE!|NAME\?|DIV/0!|NULL!|NUM!|SPILL!|CALC!|BLOCKED!|CONNECT!|FIELD!)")
"""What a spreadsheet shows where a formula failed."""

Cells = tuple[int, int, Sequence[str]]
"""The line on which a row begins, its row in the spreadsheet, and its cells."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """An open table: its header, and the rows below it, each as long as the header."""

    header: Sequence[str]
    rows: Iterator[Cells]
    header_line: int = 1


def cell_name(index: int, row: int) -> str:
    """A spreadsheet's name for a cell; the column counts from 0, the row from 1."""
    letters, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row}"


@contextmanager
def open_text(path: Path, codec: str, delimiter: str | None, findings: Findings, label: str) -> Iterator[Sheet | None]:
    """A CSV or TSV file in a known encoding; `None` where it has no header, which is then in the findings."""
    try:
        file = path.open(encoding=codec, newline="")
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}") from error
    with file:
        separator, skipped = _declared(file)
        delimiter = delimiter or separator or _delimiter(_sample(file))
        yield _sheet(file, delimiter, skipped, findings, label)


def _sheet(file: io.TextIOWrapper, delimiter: str, skipped: int, findings: Findings, label: str) -> Sheet | None:
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(_bounded(file), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        _syntax(error, reader.line_num + skipped, findings, label)
        return None
    if not any(cell.strip() for cell in header) or len(header) > MOST_COLUMNS:
        hint = "the first row names the columns: id, prompt, image_urls"
        what = "an empty table" if len(header) <= MOST_COLUMNS else f"a header of {len(header):,} columns"
        findings.error("empty", Place(file=label), what, hint)
        return None
    rows = _rows(reader, len(header), skipped, findings, label)
    return Sheet([cell.strip("\ufeff") for cell in header], rows, 1 + skipped)


def _rows(reader: Any, width: int, skipped: int, findings: Findings, label: str) -> Iterator[Cells]:
    number, ends = 1, reader.line_num + skipped
    try:
        for cells in reader:
            start, ends, number = ends + 1, reader.line_num + skipped, number + 1
            if len(cells) == width:
                yield start, number, cells
            elif any(cell.strip() for cell in cells):
                hint = "an unquoted delimiter in a prompt? quote that cell" if len(cells) > width else ""
                message = f"the row has {len(cells)} cells, the header has {width} (spreadsheet row {number})"
                findings.error("ragged-row", Place(line=start, file=label), message, hint)
    except csv.Error as error:
        _syntax(error, reader.line_num + skipped, findings, label)


def _syntax(error: csv.Error, line: int, findings: Findings, label: str) -> None:
    hint = 'a quote that is never closed? look for a lone " near this line'
    findings.error("csv-syntax", Place(line=line, file=label), str(error), hint)


def _bounded(file: io.TextIOWrapper) -> Iterable[str]:
    """The file's lines; raises `csv.Error` for one that is longer than any sheet's."""
    while line := file.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line of more than {LONGEST_LINE >> 20} MB")
        yield line


def _declared(file: io.TextIOWrapper) -> tuple[str | None, int]:
    """Excel's first line `sep=;`, taken off."""
    first = file.readline(16)
    if match := re.fullmatch(r"\ufeff?sep=(.)\r?\n?", first):
        return match[1], 1
    file.seek(0)
    return None, 0


def _sample(file: io.TextIOWrapper) -> str:
    place = file.tell()
    sample = file.read(SAMPLE)
    file.seek(place)
    return sample


def _delimiter(text: str) -> str:
    """The delimiter that occurs outside quotes, the same number of times in the header as in most first rows."""
    counts: list[dict[str, int]] = []
    current, quoted = dict.fromkeys(DELIMITERS, 0), False
    for char in text:
        if char == '"':
            quoted = not quoted
        elif not quoted and char in "\r\n":
            counts.append(current)
            current = dict.fromkeys(DELIMITERS, 0)
            if len(counts) > 40:
                break
        elif not quoted and char in current:
            current[char] += 1
    counts.append(current)
    head, *rows = counts
    rows = [row for row in rows if any(row.values())]

    def score(delimiter: str) -> tuple[int, int]:
        same = sum(row[delimiter] == head[delimiter] for row in rows)
        return (same if head[delimiter] else -1, head[delimiter])

    return max(DELIMITERS, key=score)
