"""`check` and `schema`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.common import AS_JSON, options_of, print_json, reading
from runner.errors import BatchError, ExitCode

if TYPE_CHECKING:
    from runner.manifest import Manifest


@click.command(short_help="Find every error of a manifest; no network.")
@click.argument("manifests", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="MANIFEST...")
@reading
@AS_JSON
def check(manifests: tuple[Path, ...], *, as_json: bool, **choices: Any) -> int:
    """Find every error of each MANIFEST, with its place and remedy. No network, nothing is sent."""
    from runner.batch import load
    from runner.manifest import as_json as diagnostics_as_json
    from runner.model import counted

    options = options_of(**choices)
    worst = ExitCode.DONE
    documents: list[dict[str, Any]] = []
    for path in manifests:
        try:
            manifest = load(path, options)
        except BatchError as error:
            worst = max(worst, error.exit_code)
            found = diagnostics_as_json(getattr(error, "diagnostics", ()))
            documents.append({"manifest": str(path), "ok": False, "message": error.message, "diagnostics": found})
            if not as_json:
                click.echo(error.message, err=True)
            continue
        found = diagnostics_as_json(manifest.warnings)
        documents.append({"manifest": str(path), "ok": True, "jobs": len(manifest.jobs), "diagnostics": found})
        if not as_json:
            show_warnings(manifest)
            click.echo(f"{path}: {counted(len(manifest.jobs), 'job')}, no errors")
    if as_json:
        print_json(documents)
    return int(worst)


def show_warnings(manifest: Manifest) -> None:
    """What looks wrong in a manifest that can be sent."""
    from runner.manifest import render

    if manifest.warnings:
        click.echo(render(manifest.warnings), err=True)


@click.command()
def schema() -> None:
    """Print the JSON Schema of YAML manifests, for editors."""
    from runner.batch import manifest_schema

    print_json(manifest_schema())
