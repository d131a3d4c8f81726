"""What is seen of a sheet at first sight: its columns, and what stands in the rows at its top."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from runner.errors import UsageProblem
from runner.manifest import encoding
from runner.manifest.diagnostics import Findings, InvalidManifest
from runner.manifest.given import Given, Source
from runner.manifest.readings import MOST_SHOWN, decide
from runner.manifest.tables import Cells, Sheet, open_text

LOOKED_AT: Final = 2000
"""Rows."""
PICTURE: Final = re.compile(r"https?://\S+|[^\s|,;]+\.(?:jpe?g|png|webp)", re.IGNORECASE)
IMAGE_FILE: Final = re.compile(r"\S+\.(?:jpe?g|png|webp)(?:$|[?#|,;\s])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Look:
    """What a sheet shows at first sight."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    encoding: str | None
    """What it is read as, where the user says so."""
    worksheet: str | None
    """The one of a workbook that the user names."""
    count: str
    late: Mapping[int, str]
    """Columns that are empty in these rows, with the first text that one of the others has in it."""

    def values(self, index: int) -> list[str]:
        """What stands in a column."""
        found = [row[index].strip() for row in self.rows if row[index].strip()]
        return found or [self.late[index]] if index in self.late else found

    def holds_pictures(self, index: int, kind: re.Pattern[str] = PICTURE) -> bool:
        """Whether most of it is pictures."""
        values = self.values(index)
        return bool(values) and sum(kind.match(value) is not None for value in values) * 2 > len(values)

    def holds_sentences(self, index: int) -> bool:
        """Whether most of it has three words or more."""
        values = self.values(index)
        return sum(len(value.split()) > 2 for value in values) * 2 > len(values)


def look_at(sheet: Path, form: str, said: str | None, worksheet: str | None) -> Look:
    """What a sheet shows, of a workbook the worksheet that is named, or else its first.

    Raises `UsageProblem` and `InvalidManifest` for one that cannot be read.
    """
    findings = Findings(str(sheet))
    if form == "xlsx":
        from runner.manifest.workbook import open_workbook  # its XML, which few need

        opening: AbstractContextManager[Sheet | None] = open_workbook(sheet, worksheet, findings, str(sheet))
    else:
        read_as = _codec(sheet, form, said, findings)
        opening = open_text(sheet, read_as, "\t" if form == "tsv" else None, findings, str(sheet))
    with opening as opened:
        if opened is None:
            raise InvalidManifest(findings.found)
        rows = [cells for _, _, cells in islice(opened.rows, LOOKED_AT + 1)]
        count = f"{LOOKED_AT:,} rows and more" if len(rows) > LOOKED_AT else f"{len(rows):,} rows"
        empty = {index for index in range(len(opened.header)) if not any(cells[index].strip() for cells in rows)}
        return Look(opened.header, rows, said, worksheet, count, dict(_late(opened.rows, empty)))


def _late(rows: Iterable[Cells], empty: set[int]) -> Iterator[tuple[int, str]]:
    """The first text of each of some columns."""
    for _, _, cells in rows if empty else ():
        for index in [index for index in empty if cells[index].strip()]:
            empty.discard(index)
            yield index, cells[index].strip()
        if not empty:
            return


def _codec(sheet: Path, form: str, said: str | None, findings: Findings) -> str:
    """What the sheet is read as: certain, or said, or the same in every encoding that it could have."""
    match encoding.look(sheet, said):
        case encoding.Broken(message=message, hint=hint):
            raise UsageProblem(f"{sheet}: {message}; {hint}")
        case encoding.Certain(codec=codec):
            return codec
        case encoding.Unsaid(codecs=codecs):
            source = Source(file=str(sheet), format=form, is_alone=True)
            read_as = decide(source, sheet, str(sheet), codecs, None, Given(names=frozenset({"row"})), findings)
            if read_as is None:
                raise InvalidManifest(findings.found)
            with open_text(sheet, read_as, "\t" if form == "tsv" else None, findings, str(sheet)) as opened:
                if len(codecs) > 1 and opened is not None and not "".join(opened.header).isascii():
                    known = ", ".join(codecs[:MOST_SHOWN])
                    raise UsageProblem(f"{sheet}: it is not UTF-8: say what it is with  --encoding NAME, of {known}")
            return read_as
