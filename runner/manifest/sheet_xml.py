"""What a workbook's XML says and its reader does not: cells that only look empty, zeros before numbers, sizes.

Read before the reader is let loose: a zip of a few kilobytes may unpack to more than any machine has, and a sheet with
two cells far apart would be laid out with everything between them.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

from runner.manifest.formats import AS_IT_IS, BUILT_IN
from runner.manifest.tables import MOST_COLUMNS, UNCALCULATED

LARGEST_UNPACKED: Final = 1 << 30
LARGEST_AREA: Final = 20_000_000
"""Cells, the empty ones between others as well: the reader lays them all out."""
PIECE: Final = 1 << 20
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})", re.ASCII)


class TooLarge(Exception):
    """The workbook would fill the memory; the message says how."""


@dataclass(frozen=True, slots=True)
class Merged:
    """An area of merged cells: rows from 1, columns from 0, all of them part of it."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class Shown:
    """By which format a number is shown."""

    code: str


@dataclass(slots=True)
class Marks:
    """What is known of a sheet beyond its values."""

    cells: dict[int, dict[int, str | int | Shown]] = field(default_factory=dict)
    """By row from 1 and column from 0: what a failed formula shows, to how many digits a number is filled up, or by
    which format it is shown."""
    hidden_columns: set[int] = field(default_factory=set)
    """Columns from 0 that are not shown."""
    hidden: set[int] = field(default_factory=set)
    """Rows that are not shown."""
    merged: list[Merged] = field(default_factory=list)
    """The one that begins first stands last."""
    height: int = 0
    width: int = 0


def check_archive(archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Unpack every part that is read, in passing: its size is what it says. Raises `TooLarge` and `BadZipFile`."""
    parts = archive.infolist()
    names = [part.filename.lower() for part in parts]
    if len(set(names)) < len(names):
        raise zipfile.BadZipFile("two of its parts have one name")
    texts = [part for part in parts if part.filename.lower().endswith((".xml", ".rels"))]
    if sum(part.file_size for part in texts) > LARGEST_UNPACKED:
        raise TooLarge(f"the workbook unpacks to more than {LARGEST_UNPACKED >> 30} GiB")
    for part in texts:
        for _ in _pieces(file, part):
            pass


def marks_of(archive: zipfile.ZipFile, file: BinaryIO, sheet: str) -> Marks:
    """What the XML of a sheet says. Raises `TooLarge`, `ExpatError`, `LookupError` and `ValueError`."""
    book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
    scan = _Scan(_styles(archive), is_stale=_is_stale(book))
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    parser.buffer_text = True
    scan.parser = parser
    for piece in _pieces(file, archive.getinfo(_part_of(archive, book, sheet))):
        parser.Parse(piece, False)
        if scan.marks.height * scan.marks.width > LARGEST_AREA:
            raise TooLarge(f"the sheet spans {scan.marks.height:,} rows and {scan.marks.width:,} columns")
    parser.Parse(b"", True)
    scan.marks.merged.sort(key=lambda area: -area.top)
    return scan.marks


class _Scan:
    """Goes through a sheet's elements: rows, cells, what is in them, and merges."""

    def __init__(self, styles: dict[str, int | Shown], *, is_stale: bool) -> None:
        self.marks = Marks()
        self.parser: expat.XMLParserType | None = None
        self._styles = styles
        self._is_stale = is_stale
        self._arrays: list[Merged] = []
        """Areas of one formula each, of which the first cell has it, and the others only values."""
        self._row = 0
        self._column = -1
        self._is_error = self._is_formula = self._is_index = False
        self._kind: str | None = None
        self._style: int | Shown = 0
        self._text = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(" ")[2]:
            case "c":
                self._begin_cell(attributes)
            case "v" | "is":
                marks = self.marks
                marks.height, marks.width = max(marks.height, self._row), max(marks.width, self._column + 1)
                if self.parser is not None and (self._is_index or self._is_error or self._is_formula):
                    self.parser.CharacterDataHandler = self._add
            case "f":
                self._is_formula = True
                if self._is_stale and attributes.get("t") == "array" and (area := _area(attributes)):
                    self._arrays.append(area)
            case "row":
                self._row = _number(attributes["r"]) if "r" in attributes else self._row + 1
                self._column = -1
                if attributes.get("hidden") in ("1", "true"):
                    self.marks.hidden.add(self._row)
            case "col" if attributes.get("hidden") in ("1", "true"):
                first, last = _number(attributes.get("min", "1")), _number(attributes.get("max", "1"))
                self.marks.hidden_columns.update(range(first - 1, min(last, first + MOST_COLUMNS)))
            case "mergeCell":
                if area := _area(attributes):
                    self.marks.merged.append(area)
            case _:
                pass

    def end(self, name: str) -> None:
        match name.rpartition(" ")[2]:
            case "v" if self.parser is not None:
                self.parser.CharacterDataHandler = None
                if self._is_index and self._text and not (self._text.isascii() and self._text.isdigit()):
                    # the reader would take the sheet's first text for it
                    raise ValueError(f"row {self._row}: no text has the number {self._text[:20]!r}")
            case "c" if self._is_error or self._is_formula or self._style:
                mark: str | int | Shown = self._style
                if self._is_error:
                    mark = self._text[:20] or "#VALUE!"
                elif self._is_formula and self._is_unknown():
                    mark = UNCALCULATED
                if mark:
                    self.marks.cells.setdefault(self._row, {})[self._column] = mark
            case _:
                pass

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        name = attributes.get("r")
        place = _REFERENCE.fullmatch(name) if name is not None else None
        if name is not None and place is None:  # the reader would make some other place of it, a billion rows below
            raise ValueError(f"no cell is called {name[:20]!r}")
        self._row, self._column = _spot(place) if place else (self._row, self._column + 1)
        kind = attributes.get("t")
        self._is_error, self._is_index, self._kind = kind == "e", kind == "s", kind
        self._is_formula = bool(self._arrays) and self._is_in_array()
        self._style = self._styles.get(attributes.get("s", ""), 0) if kind in (None, "n", "d") else 0
        self._text = ""

    def _is_in_array(self) -> bool:
        self._arrays = [area for area in self._arrays if area.bottom >= self._row]
        return any(area.top <= self._row and area.left <= self._column <= area.right for area in self._arrays)

    def _is_unknown(self) -> bool:
        """Whether nobody has worked out the formula: Excel itself keeps an empty text as a text, and a 0 as it came."""
        if not self._text:
            return self._is_stale or self._kind != "str"
        return self._is_stale and self._kind in (None, "n") and self._text in ("0", "0.0")

    def _add(self, text: str) -> None:
        self._text += text


def _number(text: str) -> int:
    """A row's number, from 1; raises `ValueError`."""
    if re.fullmatch(r"[1-9]\d{0,6}", text, re.ASCII) is None:
        raise ValueError(f"no row is called {text[:20]!r}")
    return int(text)


def _area(attributes: dict[str, str]) -> Merged | None:
    """The area that `ref` names, as `B2:B9`; `None` where it names none, or a single cell."""
    corners = [_REFERENCE.fullmatch(text) for text in attributes.get("ref", "").split(":")]
    if len(corners) != 2 or not corners[0] or not corners[1]:
        return None
    (top, left), (bottom, right) = map(_spot, corners)
    return Merged(top, left, bottom, right)


def _spot(place: re.Match[str] | None) -> tuple[int, int]:
    """`C5` as a row from 1 and a column from 0."""
    assert place is not None  # noqa: S101 the caller looked
    column = 0
    for letter in place[1]:
        column = column * 26 + ord(letter) - 64
    return int(place[2]), column - 1


def _styles(archive: zipfile.ZipFile) -> dict[str, int | Shown]:
    """The styles that show numbers as something else: filled up to some digits, as by `00000`, or by which format."""
    if "xl/styles.xml" not in archive.namelist():
        return {}
    styles = ET.fromstring(archive.read("xl/styles.xml"))  # noqa: S314 expat of today refuses entity bombs
    if styles.tag != f"{_MAIN}styleSheet":  # its formats would be overlooked, and the zeros of ids lost
        raise ValueError("its styles are written in another way than Excel's")
    formats = {item.get("numFmtId"): item.get("formatCode", "") for item in styles.iter(f"{_MAIN}numFmt")}
    found = styles.find(f"{_MAIN}cellXfs")
    codes = [style.get("numFmtId", "") for style in (found if found is not None else ())]
    codes = [formats.get(number, BUILT_IN.get(int(number), "") if number.isdecimal() else "") for number in codes]
    return {
        str(index): len(code) if re.fullmatch("0{2,30}", code) else Shown(code)
        for index, code in enumerate(codes)
        if code.lower() not in AS_IT_IS
    }


def _is_stale(book: ET.Element) -> bool:
    """Whether a spreadsheet is to work out every formula when it opens the workbook: a program wrote it, with zeros."""
    return any(item.get("fullCalcOnLoad") in ("1", "true") for item in book.iter(f"{_MAIN}calcPr"))


def _part_of(archive: zipfile.ZipFile, book: ET.Element, sheet: str) -> str:
    """The file of a sheet in the archive, by way of the workbook's relations."""
    ids = {item.get("name"): item.get(_RELATION) for item in book.iter(f"{_MAIN}sheet")}
    relations = ET.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    targets = {item.get("Id"): item.get("Target", "") for item in relations}
    target = targets[ids[sheet]]
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _pieces(file: BinaryIO, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part, unpacked piece by piece, to the end of its data and not only to the size that it claims."""
    file.seek(part.header_offset)
    name, extra = struct.unpack("<HH", file.read(30)[26:30])
    file.seek(name + extra, 1)
    if part.flag_bits & 1 or part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("it is encrypted, or packed in a way that Excel does not know")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if part.compress_type == zipfile.ZIP_DEFLATED else None
    left, size = part.compress_size, 0
    while left > 0 and (packed := file.read(min(left, PIECE))):
        left -= len(packed)
        for piece in [packed] if unpacker is None else _unpacked(unpacker, packed):
            size += len(piece)
            if size > part.file_size:
                raise zipfile.BadZipFile(f"{part.filename} is larger than it says")
            yield piece
    if left or size != part.file_size:
        raise zipfile.BadZipFile(f"{part.filename} ends too early")


def _unpacked(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """What some bytes unpack to, never more than a piece at once."""
    while piece := unpacker.decompress(packed, PIECE):
        packed = unpacker.unconsumed_tail
        yield piece
