"""`check` and `schema`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from runner.cli.common import AS_JSON, options_of, print_json, reading, run_async
from runner.errors import BatchError, ExitCode

if TYPE_CHECKING:
    from runner.batch import Options
    from runner.manifest import Diagnostic, Manifest

Form = Literal["text", "json", "github"]


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
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="github: annotations for the changed lines of a pull request.",
)
@AS_JSON
def check(
    manifests: tuple[Path, ...], *, inputs: bool, lasting: float | None, form: Form, as_json: bool, **choices: Any
) -> int:
    """Find every error of each MANIFEST, with its place and remedy. Nothing is sent to RunComfy.

    No network either, unless --inputs asks the servers of the input URLs: a little of each, a few at a time, straight
    and without a proxy.
    """
    options = options_of(**choices)
    worst = ExitCode.DONE
    documents: list[dict[str, Any]] = []
    for path in manifests:
        code, document = _check(path, options, inputs=inputs, lasting=lasting, form="json" if as_json else form)
        worst = max(worst, code)
        documents.append(document)
    if as_json or form == "json":
        print_json(documents)
    return int(worst)


def _check(
    path: Path, options: Options, *, inputs: bool, lasting: float | None, form: Form
) -> tuple[ExitCode, dict[str, Any]]:
    """One manifest: the exit code, and what there is to say as JSON values."""
    from runner.api.bases import is_loopback
    from runner.batch import load
    from runner.batch.options import api_base
    from runner.manifest import as_json as diagnostics_as_json
    from runner.manifest.diagnostics import github, plain_for_github
    from runner.model import counted

    document: dict[str, Any] = {"manifest": str(path)}
    diagnostics: Sequence[Diagnostic]
    try:
        manifest = load(path, options, allow_loopback=is_loopback(api_base(options)))
    except BatchError as error:
        diagnostics = getattr(error, "diagnostics", ())
        if form == "text":
            click.echo(error.message, err=True)
        elif form == "github" and not diagnostics:
            click.echo(github("error", error.message, file=path))
        elif form == "github":
            show(diagnostics, form)
        found = diagnostics_as_json(diagnostics)
        return error.exit_code, document | {"ok": False, "message": error.message, "diagnostics": found}
    diagnostics = manifest.warnings
    asked = ""
    if inputs:
        count, looked = _ask(manifest, lasting)
        diagnostics = (*diagnostics, *looked)
        document["inputs"] = count
        asked = f", {counted(count, 'input')} asked for"
    is_good = all(diagnostic.severity != "error" for diagnostic in diagnostics)
    if form != "json":
        show(diagnostics, form)
        if is_good:
            text = f"{path}: {counted(len(manifest.jobs), 'job')}{asked}, no errors"
            click.echo(plain_for_github(text) if form == "github" else text)
    document |= {"ok": is_good, "jobs": len(manifest.jobs), "diagnostics": diagnostics_as_json(diagnostics)}
    return (ExitCode.DONE if is_good else ExitCode.MANIFEST_INVALID), document


def _ask(manifest: Manifest, lasting: float | None) -> tuple[int, Sequence[Diagnostic]]:
    from runner.api.bases import is_loopback
    from runner.batch.inputs import check_inputs
    from runner.batch.options import Options, api_base

    found = run_async(check_inputs(manifest, lasts_s=lasting, allow_loopback=is_loopback(api_base(Options()))))
    return found.asked, found.diagnostics


def show(diagnostics: Sequence[Diagnostic], form: Form = "text") -> None:
    """What is or looks wrong, on stderr; commands for GitHub on stdout, where it listens."""
    from runner.manifest import render
    from runner.manifest.diagnostics import as_github

    if form == "github":
        for line in as_github(diagnostics):
            click.echo(line)
    elif diagnostics:
        click.echo(render(diagnostics), err=True)


@click.command()
def schema() -> None:
    """Print the JSON Schema of YAML manifests, for editors."""
    from runner.batch import manifest_schema

    print_json(manifest_schema())
