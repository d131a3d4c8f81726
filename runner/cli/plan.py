"""`plan`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.common import AS_JSON, MANIFEST, choosing, options_of, print_json, render_plan, run_async
from runner.errors import ExitCode

if TYPE_CHECKING:
    from runner.batch import Plan


@click.command(short_help="What a run would do, why, and the price.")
@MANIFEST
@choosing
@AS_JSON
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 where a run would do something, 0 where it would not.")
def plan(manifest: Path, *, as_json: bool, detailed_exitcode: bool, **choices: Any) -> int:
    """Show what `run` would do with MANIFEST, why, and the price. Sends nothing."""
    from runner.batch import plan as plan_batch

    made = run_async(plan_batch(manifest, options_of(**choices)))
    if as_json:
        print_json(_document(made))
    else:
        click.echo(render_plan(made))
    return int(ExitCode.SOMETHING_TO_DO) if detailed_exitcode and made.has_work else 0


def _document(made: Plan) -> dict[str, Any]:
    from runner.model import in_usd

    return {
        "manifest": str(made.manifest.path),
        "run_dir": str(made.directory),
        "counts": {str(change): count for change, count in made.counts.items()},
        "submits": len(made.to_submit),
        "price_usd": None if made.price is None else float(in_usd(made.price)),
        "jobs": [
            {
                "job_id": entry.job_id,
                "change": str(entry.change),
                "will_submit": entry.will_submit,
                "price_usd": None if entry.price is None else float(in_usd(entry.price)),
                "reason": entry.reason,
            }
            for entry in made.entries
        ],
    }
