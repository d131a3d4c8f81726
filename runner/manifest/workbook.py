"""An Excel workbook's sheet as a table of texts: no delimiter, no encoding, none of their traps.

A number is written as a person sees it (`12`, not `12.0`); one with more digits than a spreadsheet keeps is shown in
the form in which it was spoilt, so that an id made of it is refused. The reader gives an empty cell for a failed
formula; those are looked up in the sheet's XML, since an empty cell is a default, and `#REF!` is not.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.tables import MOST_COLUMNS, Cells, Sheet, cell_name

LARGEST_UNPACKED: Final = 2 << 30
"""Bytes; a workbook is a zip, and a small one may unpack to more than any machine has."""
MOST_DIGITS: Final = 10**15
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_FAILED: Final = re.compile(
    rb"<c [^>]*?\br=\"([A-Z]{1,3}\d{1,7})\"[^>]*?\bt=\"e\"[^>]*?>.*?<v>([^<]{1,20})</v>", re.DOTALL
)


@contextmanager
def open_workbook(path: Path, sheet: str | None, findings: Findings, label: str) -> Iterator[Sheet | None]:
    """A sheet of the workbook, the first where none is named; `None` where it cannot be read."""
    try:
        import python_calamine
    except ImportError:
        hint = "pip install 'runcomfy-batch[xlsx]', or save the sheet as CSV UTF-8"
        findings.error("xlsx", Place(file=label), "reading .xlsx needs the extra `xlsx`", hint)
        yield None
        return
    yield _opened(python_calamine, path, sheet, findings, label)


def _opened(python_calamine: Any, path: Path, sheet: str | None, findings: Findings, label: str) -> Sheet | None:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > LARGEST_UNPACKED:
                findings.error(
                    "too-large", Place(file=label), "the workbook unpacks to more than 2 GB", "save it as CSV"
                )
                return None
            book = python_calamine.CalamineWorkbook.from_path(str(path))
            name = sheet if sheet is not None else next(iter(book.sheet_names), "")
            if name not in book.sheet_names:
                hint = did_you_mean(name, book.sheet_names)
                findings.error("sheet", Place(file=label), f"there is no sheet {name!r} in it", hint)
                return None
            failed = dict(_failed_cells(archive, name))
            found = book.get_sheet_by_name(name)
    except (python_calamine.CalamineError, zipfile.BadZipFile, ET.ParseError, KeyError, OSError) as error:
        message = f"not an Excel workbook (.xlsx): {str(error)[:120]}"
        findings.error("xlsx", Place(file=label), message, "save it again as .xlsx, or as CSV UTF-8")
        return None
    return _sheet(found, failed, findings, label)


def _sheet(found: Any, failed: dict[str, str], findings: Findings, label: str) -> Sheet | None:
    first, left = found.start or (0, 0)
    rows = _texts(found.iter_rows(), first, left, failed)
    _, number, header = next(rows, (1, 1, ()))
    while header and not header[-1].strip():
        header = header[:-1]
    if not header or len(header) > MOST_COLUMNS:
        hint = "the first row names the columns: id, prompt, image_urls"
        findings.error("empty", Place(file=label), "an empty table", hint)
        return None
    width = len(header)
    return Sheet(header, _fitted(rows, width, findings, label), number)


def _fitted(rows: Iterator[Cells], width: int, findings: Findings, label: str) -> Iterator[Cells]:
    for line, number, cells in rows:
        if any(cell.strip() for cell in cells[width:]):
            extra = next(index for index, cell in enumerate(cells) if index >= width and cell.strip())
            place = Place(line=line, cell=cell_name(extra, number), file=label)
            findings.error("ragged-row", place, "a cell beside the table: its column has no name", "name or empty it")
        else:
            yield line, number, [*cells[:width], *[""] * (width - len(cells))]


def _texts(rows: Iterator[Sequence[Any]], first: int, left: int, failed: dict[str, str]) -> Iterator[Cells]:
    for number, row in enumerate(rows, start=first + 1):
        cells = [""] * left + [_text(value) for value in row]
        for index, text in enumerate(cells):
            if not text and failed and (error := failed.get(cell_name(index, number))):
                cells[index] = error
        yield number, number, cells


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case int() | float():
            if abs(value) >= MOST_DIGITS:
                return f"{value:.14E}"
            return str(int(value)) if value == int(value) else repr(float(value))
        case dt.datetime():
            return value.isoformat(sep=" ")
        case dt.date():
            return value.isoformat()
        case dt.time():
            return value.strftime("%H:%M" if not value.second else "%H:%M:%S")
        case dt.timedelta():
            minutes, seconds = divmod(int(value.total_seconds()), 60)
            return f"{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")
        case _:
            return "" if value is None else str(value)


def _failed_cells(archive: zipfile.ZipFile, sheet: str) -> Iterator[tuple[str, str]]:
    """The cells whose formula failed, and what the spreadsheet shows there."""
    with archive.open(_part_of(archive, sheet)) as file:
        rest = b""
        while piece := file.read(1 << 20):
            text = rest + piece
            end = 0
            for match in _FAILED.finditer(text):
                yield match[1].decode(), match[2].decode("utf-8", "replace")
                end = match.end()
            rest = text[max(end, len(text) - 4096) :]


def _part_of(archive: zipfile.ZipFile, sheet: str) -> str:
    """The file of a sheet in the archive, by way of the workbook's relations."""
    book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 expat of today refuses entity bombs
    ids = {item.get("name"): item.get(_RELATION) for item in book.iter(f"{_MAIN}sheet")}
    relations = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    targets = {item.get("Id"): item.get("Target", "") for item in relations}
    target = targets[ids[sheet]]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
