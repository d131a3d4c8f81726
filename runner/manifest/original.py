"""A table as it lies there, cell for cell, so that it can be handed back with more columns and nothing else changed."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from runner.errors import InputMissing, UsageProblem
from runner.manifest import encoding
from runner.manifest.diagnostics import Findings
from runner.manifest.tables import Sheet, open_text, shown

LOOKED_AT: Final = 50
"""Rows by which an encoding is known again."""


Row = tuple[tuple[str, str], ...]
"""A row's cells with the names of their columns."""


@dataclass(frozen=True, slots=True)
class Original:
    """An open table, and how it is written: Python's name of the encoding, what stands between cells and after lines.

    A workbook is handed back as text: UTF-8 with a mark, commas, as spreadsheets like it.
    """

    sheet: Sheet
    codec: str = "utf-8-sig"
    delimiter: str = ","
    line_end: str = "\r\n"

    def row(self, cells: Sequence[str]) -> Row:
        """A row as the state knows it: its cells by the columns that have a name."""
        pairs = zip(map(shown, self.sheet.header), map(shown, cells), strict=True)
        return tuple(dict(pair for pair in pairs if pair[0].strip()).items())


@contextmanager
def original(
    path: Path, known: Callable[[Row], bool], given: str | None = None, worksheet: str | None = None
) -> Iterator[Original]:
    """The table in a file; `known` knows rows that were read from it: so its encoding is told.

    `given` is an encoding that somebody named, `worksheet` one of a workbook's, else the first.
    Raises `InputMissing`, and `UsageProblem` where it cannot be read.
    """
    if not path.is_file():
        raise InputMissing(f"{path}: the table is not there any more; results.csv has its rows too")
    findings = Findings(str(path))
    if path.suffix.lower() == ".xlsx":
        from runner.manifest.workbook import open_workbook  # its XML, which few need

        with open_workbook(path, worksheet, findings, str(path)) as sheet:
            yield Original(_there(sheet, path))
        return
    codec = _codec(path, known, given)
    with open_text(path, codec, None, findings, str(path), as_shown=False) as sheet:
        found = _there(sheet, path)
        yield Original(found, _marked(path, codec), found.delimiter, _line_end(path, codec))


def _codec(path: Path, known: Callable[[Row], bool], given: str | None) -> str:
    found = encoding.look(path, given)
    if isinstance(found, encoding.Certain):
        return found.codec
    for codec in found.codecs if isinstance(found, encoding.Unsaid) else ():
        with open_text(path, codec, None, Findings(str(path)), str(path), as_shown=False) as sheet:
            if sheet is not None and _is_known(Original(sheet), known):
                return codec
    raise UsageProblem(f"{path}: in which encoding is it? Say so: --encoding cp932. results.csv has its rows too.")


def _is_known(found: Original, known: Callable[[Row], bool]) -> bool:
    """Whether the first rows that are known are, in this reading."""
    return any(known(found.row(cells)) for _, _, cells in islice(found.sheet.rows, LOOKED_AT))


def _there(sheet: Sheet | None, path: Path) -> Sheet:
    if sheet is None:
        raise UsageProblem(f"{path}: no table any more; results.csv has its rows")
    return sheet


def _marked(path: Path, codec: str) -> str:
    """The encoding that writes the mark that the file begins with."""
    with path.open("rb") as file:
        start = file.read(3)
    if codecs.lookup(codec).name in ("utf-8", "utf-8-sig"):
        return "utf-8-sig" if start == codecs.BOM_UTF8 else "utf-8"
    return "utf-16" if codec.lower().replace("_", "-").startswith("utf-16") else codec


def _line_end(path: Path, codec: str) -> str:
    with path.open(encoding=codec, newline="") as file:
        sample = file.read(1 << 16)
    return "\r\n" if "\r\n" in sample else "\n" if "\n" in sample or "\r" not in sample else "\r"
