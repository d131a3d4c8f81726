"""`init`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from runner.errors import CannotCreate, UsageProblem


@click.command(short_help="Write a manifest to start from.")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from", "sheet", type=click.Path(path_type=Path), metavar="SHEET", help="Look at this table, and fit it to that."
)
@click.option("--encoding", "said", metavar="NAME", help="With --from: what the table is written in, as cp932.")
@click.option("--worksheet", metavar="NAME", help="With --from: the one of a workbook, if it is not the first.")
def init(file: Path | None, sheet: Path | None, said: str | None, worksheet: str | None) -> None:
    """Write a commented manifest to start from, and the schema by which editors complete and check it.

    With --from SHEET (CSV, TSV, XLSX) its columns are looked at: which names the rows, which holds the pictures, whose
    export it is. FILE is catalogue.yaml, or named after the sheet.
    """
    import json

    from runner.batch import manifest_schema
    from runner.manifest import starter, template, unread

    if said is not None and sheet is None:
        raise UsageProblem("--encoding goes with --from SHEET")
    if worksheet is not None and sheet is None:
        raise UsageProblem("--worksheet goes with --from SHEET")
    file = file or (sheet.with_suffix(".yaml") if sheet is not None else Path("catalogue.yaml"))
    if file.suffix.lower() not in (".yaml", ".yml"):
        yaml = str(file.with_suffix(".yaml"))
        raise UsageProblem(f"{file}: a manifest's name ends in .yaml:  runcomfy-batch init {shlex.quote(yaml)}")
    schema = file.with_name("runcomfy-batch.schema.json")
    _write(file, template() if sheet is None else starter(sheet, file, said=said, worksheet=worksheet))
    if not schema.exists():
        _write(schema, json.dumps(manifest_schema(), ensure_ascii=False, indent=2) + "\n")
    if sheet is not None and worksheet is None and (others := unread(sheet, file)):
        click.echo(f"note: {others}", err=True)
    quoted = shlex.quote(str(file))
    click.echo(f"wrote {file}\nnext: runcomfy-batch plan {quoted}; runcomfy-batch run {quoted} --simulate")


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CannotCreate(f"{path} exists already: choose another name") from None
    except OSError as error:
        raise CannotCreate(f"cannot write {path}: {error.strerror}") from error
