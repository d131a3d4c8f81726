"""What a workbook's XML says and its reader does not: cells that only look empty, zeros before numbers, sizes.

Read before the reader is let loose: a sheet with two cells far apart would be laid out with everything between them.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass, field, replace
from typing import BinaryIO, Final
from xml.etree import ElementTree as ET
from xml.parsers import expat

from runner.manifest.archive import PIECE, TooLarge, pieces
from runner.manifest.formats import AS_IT_IS, BUILT_IN, Formatted, formatted_text
from runner.manifest.tables import LARGEST_CELL, MOST_COLUMNS, UNCALCULATED

LARGEST_AREA: Final = 20_000_000
"""Cells, the empty ones between others as well: the reader lays them all out."""
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_REFERENCE: Final = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Merged:
    """An area of merged cells: rows from 1, columns from 0, all of them part of it."""

    top: int
    left: int
    bottom: int
    right: int


@dataclass(frozen=True, slots=True)
class Shown:
    """By which format a number is shown, or a text."""

    code: str
    is_text: bool = False


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
    struck: dict[int, set[int]] = field(default_factory=dict)
    """By row from 1, the columns from 0 of cells that are struck through, or a piece of them."""
    merged: list[Merged] = field(default_factory=list)
    """The one that begins first stands last."""
    height: int = 0
    width: int = 0


def marks_of(archive: zipfile.ZipFile, file: BinaryIO, sheet: str, struck: frozenset[str]) -> Marks:
    """What the XML of a sheet says; `struck` are `struck_texts`.

    Raises `TooLarge`, `ExpatError`, `LookupError` and `ValueError`.
    """
    book = ET.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
    styles = _styles(archive)
    scan = _Scan(_formats(styles), _struck_styles(styles), struck, is_stale=_is_stale(book))
    parser = scan.parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = scan.start
    parser.EndElementHandler = scan.end
    parser.buffer_text = True
    fed = 0
    for piece in pieces(file, archive.getinfo(_part_of(archive, book, sheet))):
        parser.Parse(piece, False)
        fed += len(piece)
        if scan.began is not None and fed - scan.began > LARGEST_CELL + PIECE:
            raise TooLarge(f"row {scan.marks.height:,} has a cell of more than {LARGEST_CELL >> 20} MB")
        if scan.marks.height * scan.marks.width > LARGEST_AREA:
            raise TooLarge(f"the sheet spans {scan.marks.height:,} rows and {scan.marks.width:,} columns")
    parser.Parse(b"", True)
    scan.marks.merged.sort(key=lambda area: -area.top)
    return scan.marks


class _Scan:
    """Goes through a sheet's elements: rows, cells, what is in them, and merges."""

    def __init__(
        self,
        formats: dict[str, int | Shown],
        struck_styles: frozenset[str],
        struck_texts: frozenset[str],
        *,
        is_stale: bool,
    ) -> None:
        self.marks = Marks()
        self.parser: expat.XMLParserType | None = None
        self.began: int | None = None
        """The byte at which the cell begins that it is in."""
        self._formats = formats
        self._text_formats = {
            style: replace(shown, is_text=True)
            for style, shown in formats.items()
            if isinstance(shown, Shown) and isinstance(formatted_text("text", shown.code), Formatted)
        }
        self._struck_styles = struck_styles
        self._struck_texts = struck_texts
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
            case "strike" if _is_on(attributes.get("val")):  # in a cell that holds its text itself
                self._strike()
            case "mergeCell":
                if area := _area(attributes):
                    self.marks.merged.append(area)
            case _:
                pass

    def end(self, name: str) -> None:
        tag = name.rpartition(" ")[2]
        if tag == "c":
            self.began = None
        match tag:
            case "v" if self.parser is not None:
                self.parser.CharacterDataHandler = None
                if self._is_index and self._text and not (self._text.isascii() and self._text.isdigit()):
                    # the reader would take the sheet's first text for it
                    raise ValueError(f"row {self._row}: no text has the number {self._text[:20]!r}")
                if self._is_index and self._text in self._struck_texts:
                    self._strike()
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
        self.began = self.parser.CurrentByteIndex if self.parser is not None else None
        name = attributes.get("r")
        place = _REFERENCE.fullmatch(name) if name is not None else None
        if name is not None and place is None:  # the reader would make some other place of it, a billion rows below
            raise ValueError(f"no cell is called {name[:20]!r}")
        self._row, self._column = _spot(place) if place else (self._row, self._column + 1)
        kind = attributes.get("t")
        self._is_error, self._is_index, self._kind = kind == "e", kind == "s", kind
        self._is_formula = bool(self._arrays) and self._is_in_array()
        style = attributes.get("s", "")
        self._style = self._formats.get(style, 0) if kind in (None, "n", "d") else 0
        if kind in ("s", "str", "inlineStr"):
            self._style = self._text_formats.get(style, 0)
        if style in self._struck_styles:
            self._strike()
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

    def _strike(self) -> None:
        self.marks.struck.setdefault(self._row, set()).add(self._column)


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


def _styles(archive: zipfile.ZipFile) -> ET.Element:
    """The workbook's styles; empty where it has none."""
    if "xl/styles.xml" not in archive.namelist():
        return ET.Element(f"{_MAIN}styleSheet")
    styles = ET.fromstring(archive.read("xl/styles.xml"))  # noqa: S314 expat of today refuses entity bombs
    if styles.tag != f"{_MAIN}styleSheet":  # its formats would be overlooked, and the zeros of ids lost
        raise ValueError("its styles are written in another way than Excel's")
    return styles


def _struck_styles(styles: ET.Element) -> frozenset[str]:
    """The numbers of the styles whose font strikes the text through."""
    fonts = styles.find(f"{_MAIN}fonts")
    strikes = [font.find(f"{_MAIN}strike") for font in (fonts if fonts is not None else ())]
    struck = {str(n) for n, strike in enumerate(strikes) if strike is not None and _is_on(strike.get("val"))}
    found = styles.find(f"{_MAIN}cellXfs")
    styled = enumerate(found if found is not None else ())
    return frozenset(str(index) for index, style in styled if style.get("fontId") in struck)


def struck_texts(archive: zipfile.ZipFile, file: BinaryIO) -> frozenset[str]:
    """The numbers, from 0, of the workbook's texts that are struck through, or a piece of them. Raises `TooLarge`."""
    found: set[str] = set()
    number, began, fed = -1, 0, 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal number, began
        match name.rpartition(" ")[2]:
            case "si":
                number, began = number + 1, parser.CurrentByteIndex
            case "strike" if _is_on(attributes.get("val")):
                found.add(str(number))
            case _:
                pass

    if "xl/sharedStrings.xml" in archive.namelist():
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartElementHandler = start
        for piece in pieces(file, archive.getinfo("xl/sharedStrings.xml")):
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - began > LARGEST_CELL + PIECE:
                raise TooLarge(f"a text in it is of more than {LARGEST_CELL >> 20} MB")
        parser.Parse(b"", True)
    return frozenset(found)


def _is_on(value: str | None) -> bool:
    """What is there is on, unless it says that it is not."""
    return value not in ("0", "false")


def _formats(styles: ET.Element) -> dict[str, int | Shown]:
    """The styles that show numbers as something else: filled up to some digits, as by `00000`, or by which format."""
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
