"""`run` and `demo`."""

from __future__ import annotations

import contextlib
import errno
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.cli.common import (
    AS_JSON,
    MANIFEST,
    TRUST_HOST,
    Directory,
    choosing,
    options_of,
    print_json,
    render_plan,
    render_summary,
    run_async,
    wants_color,
)
from runner.errors import ExitCode, StorageFailed

if TYPE_CHECKING:
    from runner.batch import Options, Outcome, Plan
    from runner.progress import Progress

ASK_ABOVE_JOBS = 50
ASK_ABOVE_MICRO_USD = 5_000_000


class _WithPort(click.Command):
    """`--serve` may stand alone, and never takes the word after it for its port."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse them."""
        return super().parse_args(ctx, ["--serve=0" if word == "--serve" else word for word in args])


@click.command(cls=_WithPort, short_help="Run a manifest; the same command again goes on.")
@MANIFEST
@choosing
@click.option(
    "--concurrency",
    type=int,
    metavar="N",
    help="Most requests in flight at once; else as many as the service has room for, 64 at most.",
)
@click.option("--yes", is_flag=True, help="Spend without asking.")
@click.option("--max-cost", "max_cost_usd", metavar="USD", help="Never spend more than this in the run directory.")
@click.option("--until", metavar="HH:MM", help="Submit nothing after this time of day.")
@click.option("--max-duration", metavar="8h", help="Submit nothing after this long.")
@click.option(
    "--on-interrupt",
    type=click.Choice(["drain", "detach", "cancel"]),
    help="After Ctrl-C: finish the downloads in progress [drain], leave them, or cancel queued requests too.",
)
@click.option("--in-doubt", type=click.Choice(["hold", "resubmit"]), help="What to do with jobs in doubt [hold].")
@TRUST_HOST
@click.option(
    "--download-concurrency", type=int, metavar="N", help="Most downloads at once; else as many as the line gains by."
)
@click.option("--job-timeout", metavar="30m", help="Stop looking at a request after this long [30m].")
@click.option(
    "--serve",
    type=click.IntRange(0, 65535),
    metavar="[=PORT]",
    help="Show the report's page meanwhile, on this machine alone: pause, resume, stop.",
)
@click.option("--report-every", metavar="10m", help="Write the reports so often while it runs.")
@click.option(
    "--metrics-file", type=Directory(path_type=Path), metavar="FILE", help="Keep figures for Prometheus in this file."
)
@click.option("--notify", multiple=True, metavar="URL", help="Tell this webhook, or what Apprise knows; repeatable.")
@click.option("--on-finish", metavar="CMD", help="Run this once at the end, without a shell.")
@click.option("-q", "--quiet", is_flag=True, help="Only failures and the summary.")
@click.option("-v", "--verbose", is_flag=True, help="One line a minute, also on a terminal.")
@AS_JSON
def run(manifest: Path, *, quiet: bool, verbose: bool, as_json: bool, **choices: Any) -> int:
    """Run MANIFEST (YAML, CSV, TSV, JSONL, XLSX), or go on with it: the same command again resumes.

    Jobs that are done stay done; requests already paid for are collected; the rest is submitted under the cap. Nothing
    is paid twice. A plan that `plan -o FILE.json` wrote is run as it was approved.
    """
    mode = "quiet" if quiet else "plain" if verbose else "auto"
    outcome = run_async(_run(manifest, options_of(**choices), mode=mode))
    if as_json:
        print_json(outcome.summary.as_dict())
    else:
        _tell(outcome, outcome.exit_code)
    return int(outcome.exit_code)


@click.command(short_help="See it work: real pixels, play money, no token, no network.")
@click.option("--out", type=Directory(path_type=Path), metavar="DIR", default=Path("runs/demo"), show_default=True)
@click.option("--concurrency", type=int, metavar="N", default=8, show_default=True)
def demo(out: Path, concurrency: int) -> int:
    """See it work: a catalogue of products is edited on the built-in simulator. No token, no network, play money.

    Two of the jobs fail on purpose, to show how failures are reported.
    """
    from runner.cli.samples import sample

    with sample("catalogue.yaml") as manifest:
        outcome = run_async(_run(manifest, options_of(out=out, concurrency=concurrency, simulate=True), mode="auto"))
    exit_code = ExitCode.DONE if outcome.exit_code <= ExitCode.SOME_FAILED else outcome.exit_code
    _tell(outcome, exit_code)
    if exit_code is not ExitCode.DONE:
        return int(exit_code)
    click.echo("Two jobs failed on purpose: the report shows how that looks. Now try: runcomfy-batch init")
    return ExitCode.DONE


async def _run(manifest: Path, options: Options, *, mode: Any) -> Outcome:
    import asyncio

    from runner.batch import Control
    from runner.batch import run as run_batch
    from runner.progress import make_progress

    progress: Progress = make_progress(sys.stderr, mode=mode, color=wants_color(), now=time.time)
    control = Control(note=progress.note)
    is_person = sys.stdin.isatty() and sys.stderr.isatty()
    try:
        with control.on_signals():
            return await run_batch(
                manifest, options, confirm=_confirm if is_person else None, progress=progress, control=control
            )
    except asyncio.CancelledError:
        click.echo("interrupted before anything was submitted", err=True)
        raise click.exceptions.Exit(control.exit_code) from None


def _confirm(plan: Plan) -> bool:
    """Ask where much is to be spent, or nobody knows how much."""
    click.echo(render_plan(plan), err=True)
    is_small = plan.submits <= ASK_ABOVE_JOBS and plan.price is not None and plan.price <= ASK_ABOVE_MICRO_USD
    if is_small:
        return True
    from runner.batch.control import default_signals

    with default_signals():
        return click.confirm("Proceed?", err=True)


def _tell(outcome: Outcome, exit_code: ExitCode) -> None:
    """The summary on stdout; a closed stdout has no say in the exit code."""
    if outcome.hold is not None:
        with contextlib.suppress(OSError):
            click.echo(outcome.hold.message, err=True)
    try:
        click.echo(render_summary(outcome.summary, outcome.directory, exit_code))
        sys.stdout.flush()
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EIO):  # the reader left, the terminal hung up
            raise StorageFailed(f"stdout: {error.strerror}") from error
