"""What the commands share: options, and how money, plans and summaries are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.errors import ExitCode

if TYPE_CHECKING:  # heavy: imported by the commands that run
    from runner.batch import Options, Plan
    from runner.model import Money
    from runner.report import Summary

T = TypeVar("T")
Command = Callable[..., Any]

MANIFEST = click.argument("manifest", type=click.Path(path_type=Path))
RUN_DIR = click.argument("run_dir", type=click.Path(path_type=Path))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
BASE_URL = click.option("--base-url", metavar="URL", help="Another API base, with /v1.")
TRUST_HOST = click.option(
    "--trust-host", "trust_hosts", multiple=True, metavar="HOST", help="Fetch outputs from this host as well."
)


class Directory(click.Path):
    """A path; an empty one, as of a variable that is not set, is not the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, or a usage error."""
        if value == "":
            self.fail("it is empty", param, ctx)
        return super().convert(value, param, ctx)


OUT = click.option("--out", type=Directory(path_type=Path), metavar="DIR", help="Run directory [runs/<manifest name>].")
SIMULATE = click.option("--simulate", is_flag=True, help="Use the built-in simulator: real pixels, play money.")


def _not_empty(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("it is empty", param=param)
    return value


_CHOOSING = (
    OUT,
    click.option("--only", callback=_not_empty, metavar="GLOB", help="Only the jobs whose id matches."),
    click.option("--limit", type=int, metavar="N", help="Submit only the first N."),
    click.option("--sample", type=int, metavar="N", help="Submit only N, spread over the manifest."),
    click.option("--retry", multiple=True, metavar="failed|KIND", help="Pay again for jobs that ended badly."),
    click.option("--rerun-changed", is_flag=True, help="Pay again for jobs whose entry changed."),
    BASE_URL,
    SIMULATE,
)


def choosing(command: Command) -> Command:
    """The options by which `run` and `plan` choose jobs."""
    for option in reversed(_CHOOSING):
        command = option(command)
    return command


def options_of(**values: Any) -> Options:
    """The options that the flags name."""
    from runner.batch import Options

    return Options(**values)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    import asyncio

    return asyncio.run(main)


def usd(amount: Money | None) -> str:
    """`$1.21`, with as many digits as there are cents and fractions; `unknown` where it is."""
    if amount is None:
        return "unknown"
    from runner.model import in_usd

    exact = in_usd(amount)
    return f"${exact:,.2f}" if amount % 10_000 == 0 else f"${exact.normalize():,f}"


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    import json

    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def wants_color() -> bool:
    """NO_COLOR and a dumb terminal say no."""
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and sys.stderr.isatty()


def render_plan(plan: Plan, *, most: int = 10) -> str:
    """The plan for a person: counts, the entries that need a word, and the price."""
    from runner.rules.planning import SIGILS, Change

    counts = "   ".join(
        f"{SIGILS[change]} {count:,} {change.replace('_', ' ')}" for change, count in plan.counts.items()
    )
    lines = [f"Plan for {plan.manifest.path}  ->  {plan.directory}", f"  {counts or 'nothing to do'}"]
    notable = [entry for entry in plan.entries if entry.change not in (Change.NEW, Change.DONE)]
    lines += [f"  {SIGILS[entry.change]} {entry.job_id}: {entry.reason}" for entry in notable[:most]]
    if len(notable) > most:
        lines.append(f"    and {len(notable) - most:,} more; --json lists them all")
    lines.append(f"  {_price_line(plan)}")
    return "\n".join(lines)


def _price_line(plan: Plan) -> str:
    from runner.model import counted

    submits = counted(len(plan.to_submit), "submit")
    if not plan.to_submit:
        return "Cost: nothing, no job is to be submitted"
    if not plan.prices:
        return f"Cost: unknown for {submits}; no token was found to ask the service for its price"
    if plan.price is None:
        return f"Cost: unknown for {submits}; the service states no price for them"
    play = "in play money" if plan.is_simulated else "by the service's price list of today"
    return f"Cost: about {usd(plan.price)} for {submits}, {play}"


def render_summary(summary: Summary, directory: Path, exit_code: int) -> str:
    """The last words of a run: counts, money, where things are."""
    from runner.model import counted

    counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in summary.as_dict()["counts"].items())
    money = f"spent {usd(summary.spent)}"
    if summary.reserved_in_doubt:
        money += f", {usd(summary.reserved_in_doubt)} set aside for jobs in doubt"
    if summary.unknown_jobs:
        money += f", cost of {counted(summary.unknown_jobs, 'job')} unknown"
    play = " (play money)" if summary.as_dict()["simulated"] else ""
    lines = [
        f"{counted(summary.jobs, 'job')}: {counts or 'none'}; {money}{play}",
        f"images   {directory / 'images'}",
        f"report   {directory / 'report.html'}",
        f"exit     {exit_code} {ExitCode(exit_code).name.lower()}",
    ]
    return "\n".join(lines)
