"""`check` and `schema`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.common import AS_JSON, options_of, print_json, reading, run_async
from runner.errors import BatchError, ExitCode

if TYPE_CHECKING:
    from runner.batch import Options
    from runner.manifest import Diagnostic, Manifest


def _duration(_: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Seconds."""
    if value is None:
        return None
    from runner.batch.options import parse_duration

    found = parse_duration(value)
    if found is None:
        raise click.BadParameter("a duration such as 8h, 90m or 45s", param=param)
    return found


@click.command(short_help="Find every error of a manifest.")
@click.argument("manifests", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="MANIFEST...")
@reading
@click.option("--inputs", is_flag=True, help="Ask for each input URL too: there, an image, no login, not too large.")
@click.option("--lasting", callback=_duration, metavar="8h", help="With --inputs: how long their URLs must work [12h].")
@AS_JSON
def check(manifests: tuple[Path, ...], *, inputs: bool, lasting: float | None, as_json: bool, **choices: Any) -> int:
    """Find every error of each MANIFEST, with its place and remedy. Nothing is sent to RunComfy.

    No network either, unless --inputs asks the servers of the input URLs: a little of each, a few at a time, straight
    and without a proxy.
    """
    options = options_of(**choices)
    worst = ExitCode.DONE
    documents: list[dict[str, Any]] = []
    for path in manifests:
        code, document = _check(path, options, inputs=inputs, lasting=lasting, is_quiet=as_json)
        worst = max(worst, code)
        documents.append(document)
    if as_json:
        print_json(documents)
    return int(worst)


def _check(
    path: Path, options: Options, *, inputs: bool, lasting: float | None, is_quiet: bool
) -> tuple[ExitCode, dict[str, Any]]:
    """One manifest: the exit code, and what there is to say as JSON values."""
    from runner.api.client import is_loopback
    from runner.batch import load
    from runner.batch.options import api_base
    from runner.manifest import as_json as diagnostics_as_json
    from runner.model import counted

    document: dict[str, Any] = {"manifest": str(path)}
    try:
        manifest = load(path, options, allow_loopback=is_loopback(api_base(options)))
    except BatchError as error:
        if not is_quiet:
            click.echo(error.message, err=True)
        found = diagnostics_as_json(getattr(error, "diagnostics", ()))
        return error.exit_code, document | {"ok": False, "message": error.message, "diagnostics": found}
    diagnostics: Sequence[Diagnostic] = manifest.warnings
    asked = ""
    if inputs:
        count, looked = _ask(manifest, lasting)
        diagnostics = (*diagnostics, *looked)
        document["inputs"] = count
        asked = f", {counted(count, 'input')} asked for"
    is_good = all(diagnostic.severity != "error" for diagnostic in diagnostics)
    if not is_quiet:
        show(diagnostics)
        if is_good:
            click.echo(f"{path}: {counted(len(manifest.jobs), 'job')}{asked}, no errors")
    document |= {"ok": is_good, "jobs": len(manifest.jobs), "diagnostics": diagnostics_as_json(diagnostics)}
    return (ExitCode.DONE if is_good else ExitCode.MANIFEST_INVALID), document


def _ask(manifest: Manifest, lasting: float | None) -> tuple[int, Sequence[Diagnostic]]:
    from runner.api.client import is_loopback
    from runner.batch.inputs import check_inputs
    from runner.batch.options import Options, api_base

    found = run_async(check_inputs(manifest, lasts_s=lasting, allow_loopback=is_loopback(api_base(Options()))))
    return found.asked, found.diagnostics


def show(diagnostics: Sequence[Diagnostic]) -> None:
    """What is or looks wrong, on stderr."""
    from runner.manifest import render

    if diagnostics:
        click.echo(render(diagnostics), err=True)


@click.command()
def schema() -> None:
    """Print the JSON Schema of YAML manifests, for editors."""
    from runner.batch import manifest_schema

    print_json(manifest_schema())
