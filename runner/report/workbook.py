"""A sheet as a workbook: every cell a text, so that an id keeps its zeros, and nothing is worked out or linked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from runner.errors import UsageProblem
from runner.report.files import aside

MOST_ROWS: Final = 1_048_576
MOST_COLUMNS: Final = 16_384
LONGEST_CELL: Final = 32_767
NOT_XML: Final = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""What no XML can hold; other controls are written as escapes, which Excel reads back."""


class Workbook:
    """Takes rows as a `csv.writer` does, into the one sheet of a workbook."""

    def __init__(self, book: Any, path: Path, numbers: Iterable[str]) -> None:
        self._sheet = book.add_worksheet("Sheet1")
        self._sheet.ignore_errors({"number_stored_as_text": f"A1:XFD{MOST_ROWS}"})
        self._path = path
        self._names = frozenset(numbers)
        self._numbers: frozenset[int] = frozenset()
        self._row = 0

    def writerow(self, cells: Sequence[str]) -> None:
        """One more row; the first is the header. Raises `UsageProblem` where a workbook has no room."""
        if self._row == MOST_ROWS or len(cells) > MOST_COLUMNS:
            raise UsageProblem(f"{self._path}: a workbook has no room for all rows and columns; as .csv there is")
        if self._row == 0:
            self._numbers = frozenset(at for at, name in enumerate(cells) if name in self._names)
        for column, text in enumerate(cells):
            number = _number(text) if self._row and column in self._numbers else None
            if number is not None:
                self._sheet.write_number(self._row, column, number)
            elif text:
                self._sheet.write_string(self._row, column, NOT_XML.sub("?", text)[:LONGEST_CELL])
        self._row += 1


@contextmanager
def writing_workbook(path: Path, numbers: Iterable[str]) -> Iterator[Workbook]:
    """A workbook that replaces `path` when the context ends well; `numbers` names the columns that hold such.

    Raises `UsageProblem` where the library for it is missing, `StorageFailed` where the disk fails.
    """
    try:
        import xlsxwriter
    except ImportError:
        raise UsageProblem(
            f"{path}: a workbook needs the extra xlsx: pip install 'runcomfy-batch[xlsx]'; .csv needs nothing"
        ) from None
    with aside(path) as part, part.open("wb") as file:
        book = xlsxwriter.Workbook(file, {"constant_memory": True})  # row by row, and none is kept
        try:
            yield Workbook(book, path, numbers)
        finally:
            book.close()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
