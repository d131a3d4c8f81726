"""An Excel workbook's sheet as a table of texts: no delimiter, no encoding, none of their traps; but it has its own.

A number is written as a person sees it (`12`, not `12.0`); one with more digits than a spreadsheet keeps is shown in
the form in which it was spoilt, so that an id made of it is refused. Three kinds of cell look empty to the reader and
are not: a failed formula, a formula that was never worked out, and all but the first of merged cells. An empty cell
means the default, so these are looked up in the sheet's XML (`sheet_xml`) and marked: whoever wants their text is told.
"""

from __future__ import annotations

import datetime as dt
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET
from xml.parsers.expat import ExpatError

from runner.manifest.archive import TooLarge, check_archive
from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.encoding import OLD_EXCEL
from runner.manifest.formats import Exact, formatted, formatted_text
from runner.manifest.sheet_xml import Marks, Merged, Shown, marks_of, struck_texts
from runner.manifest.tables import MERGED, MOST_COLUMNS, NAMELESS, Cells, Sheet, cell_name

MOST_DIGITS: Final = 10**15


@contextmanager
def open_workbook(path: Path, sheet: str | None, findings: Findings, label: str) -> Iterator[Sheet | None]:
    """A sheet of the workbook, the first that is shown where none is named; `None` where it cannot be read."""
    try:
        import python_calamine
    except ImportError:
        hint = "pip install 'runcomfy-batch[xlsx]', or save the sheet as CSV UTF-8"
        findings.error("xlsx", Place(file=label), "reading .xlsx needs the extra `xlsx`", hint)
        yield None
        return
    yield _opened(python_calamine, path, sheet, findings, label)


def worksheets(path: Path, *, hidden_too: bool = True) -> list[str]:
    """The names of a workbook's worksheets, those that are shown first; none where it cannot be read."""
    try:
        import python_calamine

        book = python_calamine.CalamineWorkbook.from_path(str(path))
    except (ImportError, python_calamine.CalamineError, OSError):
        return []
    shown = _shown(book)
    if not hidden_too:
        return shown
    hidden = [about.name for about in book.sheets_metadata if str(about.typ).endswith("WorkSheet")]
    return [*shown, *(name for name in hidden if name not in shown)]


def _opened(python_calamine: Any, path: Path, sheet: str | None, findings: Findings, label: str) -> Sheet | None:
    broken = (python_calamine.CalamineError, zipfile.BadZipFile, ET.ParseError, ExpatError, LookupError, OSError)
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            check_archive(archive, file)
            struck = struck_texts(archive, file)
            book = python_calamine.CalamineWorkbook.from_path(str(path))
            shown = _shown(book)
            name = sheet if sheet is not None else next(iter(shown), next(iter(book.sheet_names), ""))
            if name not in book.sheet_names:
                hint = did_you_mean(name, book.sheet_names)
                findings.error("sheet", Place(file=label), f"there is no sheet {name!r} in it", hint)
                return None
            if sheet is None and len(shown) > 1:
                others = ", ".join(map(repr, shown[1:7]))
                hint = f"another is read by  sources: [{{file: {path.name}, sheet: {shown[1]!r}}}]"
                findings.note("sheet", Place(file=label), f"the sheet {name!r} is read, and not {others}", hint)
            marks = marks_of(archive, file, name, struck)
            found = book.get_sheet_by_name(name)
    except TooLarge as error:
        findings.error("too-large", Place(file=label), str(error), "save it as CSV UTF-8")
        return None
    except (*broken, RuntimeError, NotImplementedError, EOFError, zlib.error, ValueError, struct.error) as error:
        message = f"not an Excel workbook (.xlsx): {str(error)[:120]}"
        with path.open("rb") as file:
            if file.read(len(OLD_EXCEL)) == OLD_EXCEL:
                message = "not an Excel workbook (.xlsx): it is an old one (.xls), or has a password"
        findings.error("xlsx", Place(file=label), message, "save it again as .xlsx, or as CSV UTF-8")
        return None
    return _sheet(found, marks, findings, label)


def _shown(book: Any) -> list[str]:
    """The sheets that a person sees: no hidden one, and no chart."""
    return [
        about.name
        for about in book.sheets_metadata
        if str(about.visible).endswith("Visible") and str(about.typ).endswith("WorkSheet")
    ]


def _sheet(found: Any, marks: Marks, findings: Findings, label: str) -> Sheet | None:
    _, left = found.start or (0, 0)
    rows = _texts(found.iter_rows(), left, marks)
    _, number, header = next((row for row in rows if any(map(str.strip, row[2]))), (1, 1, []))
    while header and not header[-1].strip():
        header = header[:-1]
    if not header:
        findings.error("empty", Place(file=label), "an empty table", NAMELESS)
        return None
    if len(header) > MOST_COLUMNS:
        message = f"a header of {len(header):,} columns; at most {MOST_COLUMNS:,} are read"
        findings.error("too-large", Place(file=label), message, "is the first row the header?")
        return None
    if MERGED in header:
        place = Place(line=number, cell=cell_name(header.index(MERGED), number), file=label)
        findings.error("merged-cell", place, "the header is merged with the cell beside it", "name each column")
        return None
    if hidden := [index for index in sorted(marks.hidden_columns) if index < len(header) and header[index].strip()]:
        place = Place(line=number, cell=cell_name(hidden[0], number), file=label)
        named = ", ".join(repr(header[index]) for index in hidden[:6])
        message = f"hidden columns are read all the same: {named}"
        findings.warn("hidden-columns", place, message, "show them, and delete what is not meant")
    return Sheet(header, _fitted(rows, len(header), number, marks, findings, label), number, number)


def _fitted(
    rows: Iterator[Cells], width: int, header: int, marks: Marks, findings: Findings, label: str
) -> Iterator[Cells]:
    hidden: list[int] = []
    struck: list[Place] = []
    for line, number, cells in rows:
        extra = next((index for index, cell in enumerate(cells) if index >= width and cell.strip()), None)
        if extra is not None:
            place = Place(line=line, cell=cell_name(extra, number), file=label)
            hint = f"name its column in row {header}, which was taken for the header, or empty it"
            findings.error("ragged-row", place, "a cell beside the table: its column has no name", hint)
            continue
        if number in marks.hidden and any(map(str.strip, cells)):
            hidden.append(number)
        struck += [
            Place(line=line, cell=cell_name(index, number), file=label)
            for index in sorted(marks.struck.get(number, ()))
            if index < min(width, len(cells)) and cells[index].strip()
        ]
        yield line, number, [*cells[:width], *[""] * (width - len(cells))]
    if struck:
        what = "text that is" if len(struck) == 1 else f"{len(struck):,} cells whose text is"
        message = f"{what} struck through, wholly or in part, is read as if it were not"
        findings.warn("struck-text", struck[0], message, "delete what is not meant, or leave its row out with  where:")
    if hidden:
        place = Place(line=hidden[0], cell=cell_name(0, hidden[0]), file=label)
        message = f"{len(hidden):,} of its rows are hidden, by a filter perhaps, and are read all the same"
        findings.warn("hidden-rows", place, message, "delete them, or leave them out with  where:")


def _texts(rows: Iterator[Sequence[Any]], left: int, marks: Marks) -> Iterator[Cells]:
    """The rows from the top of the sheet on; their cells begin at the table's first column."""
    coming, merged = list(marks.merged), list[Merged]()
    for number, row in enumerate(rows, start=1):
        cells = [""] * left + [text if type(text) is str else _text(text) for text in row]
        for index, mark in marks.cells.get(number, {}).items():
            if index < len(cells):
                cells[index] = _marked(cells[index], mark)
        while coming and coming[-1].top <= number:
            merged.append(coming.pop())
        if merged:
            _mark_merged(cells, number, merged)
            merged = [area for area in merged if area.bottom > number]
        yield number, number, cells


def _marked(text: str, mark: str | int | Shown) -> str:
    match mark:
        case str():
            return mark
        case int():
            return text.zfill(mark) if text else text
        case Shown(code=code, is_text=is_text):
            return formatted_text(text, code) if is_text else formatted(text, code)


def _mark_merged(cells: list[str], number: int, merged: Sequence[Merged]) -> None:
    """Put a mark into every cell but the first of those that are merged."""
    for area in merged:
        for index in range(area.left, min(area.right + 1, len(cells))):
            if (number, index) != (area.top, area.left):
                cells[index] = MERGED


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return _number(value)
        case dt.datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case dt.date():
            return value.isoformat()
        case dt.time():
            return value.strftime("%H:%M" if not value.second else "%H:%M:%S")
        case dt.timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
        case _:
            return "" if value is None else str(value)


def _number(value: float) -> str:
    """As it is seen: a spreadsheet keeps 15 digits, and of longer ids it has lost the rest."""
    if not math.isfinite(value):
        return "#NUM!"
    if abs(value) >= MOST_DIGITS:
        return f"{value:.14E}"
    return str(int(value)) if value == int(value) else Exact(f"{value:.15g}")
