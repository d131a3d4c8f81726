"""`plan`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.common import AS_JSON, MANIFEST, choosing, options_of, render_plan, run_async
from runner.errors import CannotCreate, ExitCode

if TYPE_CHECKING:
    from runner.batch import Plan


@click.command(short_help="What a run would do, why, and the price.")
@MANIFEST
@choosing
@AS_JSON
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it down, for `run FILE`.",
)
@click.option("--resolved", is_flag=True, help="Print what would be sent, a JSON object a job.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where a run would do something, 0 where it would not.")
def plan(
    manifest: Path, *, as_json: bool, output: Path | None, resolved: bool, detailed_exitcode: bool, **choices: Any
) -> int:
    """Show what `run` would do with MANIFEST, why, and the price. Sends nothing.

    With -o FILE.json the plan is written down: `run FILE.json` does exactly that, and nothing that was not in it.
    """
    from runner.batch import plan as plan_batch
    from runner.batch.approval import lines
    from runner.cli.check import show

    options = options_of(**choices)
    made = run_async(plan_batch(manifest, options))
    show(made.manifest.warnings)
    if output is not None:
        _write(output, lines(made, options))
    if resolved:
        for line in _resolved(made):
            click.echo(line)
    elif as_json:
        for line in lines(made, options):
            click.echo(line, nl=False)
    else:
        click.echo(render_plan(made))
    if output is not None and not as_json:
        click.echo(f"next: runcomfy-batch run {shlex.quote(str(output))}", err=resolved)
    return int(ExitCode.SOMETHING_TO_DO) if detailed_exitcode and made.has_work else 0


def _write(path: Path, pieces: Iterator[str]) -> None:
    if path.suffix.lower() != ".json":
        raise click.BadParameter("a plan's name ends in .json", param_hint="-o")
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(pieces)
        part.replace(path)
    except OSError as error:
        raise CannotCreate(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def _resolved(made: Plan) -> Iterator[str]:
    """Each chosen job as it would be sent, whether it is to be sent now or not."""
    for spec, entry, _ in made.weighed():
        if spec is not None and entry.is_chosen:
            document = {
                "job_id": spec.job_id,
                "change": str(entry.change),
                "model": spec.model,
                "inputs": spec.inputs,
                "files": spec.files,
                "paths": spec.paths,
                "source": spec.source,
            }
            yield json.dumps({key: value for key, value in document.items() if value}, ensure_ascii=False)
