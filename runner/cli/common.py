"""What the commands share: options, and how money, plans and summaries are printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from runner.errors import ExitCode

if TYPE_CHECKING:  # heavy: imported by the commands that run
    from runner.batch import Control, Options, Plan
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


class _Once(click.Option):
    """An option of which a second would silently replace the first.

    It is several for click, and a variable of the environment still one text, blanks and all.
    """

    def __init__(self, *names: Any, **more: Any) -> None:
        super().__init__(*names, **more | {"multiple": True, "callback": _one})

    def value_from_envvar(self, ctx: click.Context) -> tuple[str, ...] | None:
        value = self.resolve_envvar_value(ctx)
        return (value,) if value is not None else None


def _one(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> str | None:
    """The one value."""
    if len(values) > 1:
        raise click.BadParameter(f"it is given {len(values)} times, and one counts", param=param)
    return _not_empty(context, param, values[0]) if values else None


def _pairs(_: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """`FIELD=TEXT`, several times."""
    pairs = [text.partition("=") for text in values]
    for name, equals, _text in pairs:
        if not name.strip() or not equals:
            raise click.BadParameter(f"expected {param.metavar}, got {name!r}", param=param)
    return tuple((name.strip(), text) for name, _, text in pairs)


def _once(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """The same, with no field twice."""
    pairs = _pairs(context, param, values)
    names = [name for name, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise click.BadParameter(f"{twice[0]} is given twice", param=param)
    return pairs


_READING = (
    click.option(
        "--prompt",
        cls=_Once,
        metavar="TEXT",
        help="For a table: every row's prompt, as a template.",
    ),
    click.option(
        "--col",
        "columns",
        multiple=True,
        callback=_pairs,
        metavar="FIELD=COLUMN",
        help="Where a field stands; again for more pictures.",
    ),
    click.option(
        "--set", "values", multiple=True, callback=_once, metavar="FIELD=VALUE", help="The same in every row."
    ),
    click.option("--encoding", callback=_not_empty, metavar="NAME", help="What a table is written in, as cp932."),
    click.option(
        "--preset", type=click.Choice(["shopify", "woocommerce", "google-merchant"]), help="Whose export it is."
    ),
    click.option("--per", type=click.Choice(["product", "image"]), help="With a preset: what makes a job [product]."),
    click.option(
        "--allow-root",
        "allow_roots",
        multiple=True,
        type=Directory(path_type=Path),
        metavar="DIR",
        help="Photos may lie here too, beside the manifest's own folder.",
    ),
    click.option("--shard", metavar="K/N", help="Only the K-th of N parts, K from 0, in a run directory of its own."),
    click.option("--shrink-inputs", is_flag=True, help="Send a smaller copy of a photo of more than 6 MiB."),
)


def reading(command: Command) -> Command:
    """The options by which a manifest is read: most of them say of a table what a YAML file says itself."""
    for option in reversed(_READING):
        command = option(command)
    return command


_CHOOSING = (
    OUT,
    click.option("--only", cls=_Once, metavar="GLOB", help="Only the jobs whose id matches."),
    click.option("--limit", type=int, metavar="N", help="Only the first N jobs."),
    click.option("--sample", type=int, metavar="N", help="Only N jobs, spread over sources, variants and rows."),
    click.option("--retry", multiple=True, metavar="failed|KIND", help="Pay again for jobs that ended badly."),
    click.option("--rerun-changed", is_flag=True, help="Pay again for jobs whose entry changed."),
    click.option(
        "--redo",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="REVIEW.json",
        help="Pay again for what a review rejected, and for nothing else.",
    ),
    click.option("--no-dedupe", is_flag=True, help="Pay for each of several jobs that make the very same request."),
    BASE_URL,
    SIMULATE,
)


def choosing(command: Command) -> Command:
    """The options by which `run` and `plan` choose jobs."""
    for option in reversed(_CHOOSING):
        command = option(command)
    return reading(command)


def options_of(**values: Any) -> Options:
    """The options that the flags name."""
    from runner.batch import Options

    values["dedupe"] = not values.pop("no_dedupe", False)
    return Options(**values)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, on uvloop's event loop where the extra `fast` has brought it."""
    import asyncio

    try:
        from uvloop import new_event_loop
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as loop:
        return loop.run(main)


async def stoppable(control: Control, work: Coroutine[Any, Any, T]) -> T:
    """Do what pays for nothing, while signals stop it; ends the command where they did so before it began."""
    from asyncio import CancelledError

    try:
        with control.on_signals():
            return await work
    except CancelledError:
        click.echo("interrupted: what is still open is left to the next run", err=True)
        raise click.exceptions.Exit(control.exit_code) from None


def usd(amount: Money | None) -> str:
    """`$1.21`, or `unknown` where it is."""
    from runner.model import dollars

    return "unknown" if amount is None else dollars(amount)


def print_json(document: Any) -> None:
    """One JSON document on stdout."""
    import json

    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def wants_color() -> bool:
    """NO_COLOR and a dumb terminal say no."""
    return "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb" and sys.stderr.isatty()


def render_plan(plan: Plan, *, most: int = 10) -> str:
    """The plan for a person: counts, the entries that need a word, the price, the time and the room."""
    from runner.rules.planning import SIGILS, Change

    counts = "   ".join(
        f"{SIGILS[change]} {count:,} {change.replace('_', ' ')}" for change, count in plan.counts.items()
    )
    lines = [f"Plan for {plan.manifest.path}  ->  {plan.directory}", f"  {counts or 'nothing to do'}"]
    lines += [f"  {SIGILS[entry.change]} {entry.job_id}: {entry.reason}" for entry in plan.notable[:most]]
    count = sum(number for change, number in plan.counts.items() if change not in (Change.NEW, Change.DONE))
    if count > most:
        lines.append(f"    and {count - most:,} more; --json lists them all")
    lines.append(f"  {_price_line(plan)}")
    return "\n".join([*lines, *(f"  {line}" for line in _forecast_lines(plan))])


def _price_line(plan: Plan) -> str:
    from runner.model import counted

    submits = counted(plan.submits, "submit")
    if not plan.submits:
        return "Cost: nothing, no job is to be submitted"
    if not plan.prices:
        return f"Cost: unknown for {submits}; no token was found to ask the service for its price"
    by = sorted({price.unit for price in plan.prices.values() if price.amount is not None and price.unit != "output"})
    if plan.price is None and by:
        return f"Cost: unknown for {submits}; some are priced by the {by[0]}, which is known afterwards"
    if plan.price is None:
        return f"Cost: unknown for {submits}; the service states no price for them"
    play = "in play money" if plan.is_simulated else "by the service's price list of today"
    images = f", {counted(plan.images, 'image')}" if plan.images != plan.submits else ""
    return f"Cost: about {usd(plan.price)} for {submits}{images}, {play}"


def _forecast_lines(plan: Plan) -> Iterator[str]:
    """What the wallet, the clock and the disk say to it."""
    from runner.model import counted

    forecast = plan.forecast
    if forecast is None or not plan.submits:
        return
    if forecast.left is not None:
        is_over = plan.price is None or forecast.left < plan.price
        yield f"Limit: {usd(forecast.left)} left of max_cost_usd" + (": not enough for all of them" if is_over else "")
    if forecast.balance is not None:
        is_short = plan.price is not None and forecast.balance < plan.price
        yield f"Wallet: {usd(forecast.balance)}" + (": not enough for all of them" if is_short else "")
    if forecast.seconds is not None and forecast.median_s is not None:
        basis = f"{forecast.median_s:.1f} s a job, the median of the last {counted(forecast.seen, 'job')} here"
        yield f"Time: about {duration(forecast.seconds)} ({basis})"
    else:
        yield "Time: unknown until a job is done here; --sample 5 tells"
    if forecast.bytes is not None:
        free = f", {size(forecast.free_bytes)} free" if forecast.free_bytes is not None else ""
        is_tight = forecast.free_bytes is not None and forecast.free_bytes < forecast.bytes
        yield f"Disk: about {size(forecast.bytes)}{free}" + (": not enough" if is_tight else "")


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def size(number: int) -> str:
    """`340 kB`, `1.2 GB`."""
    for unit, one in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if number >= one:
            return f"{number / one:.1f} {unit}"
    return f"{number / 1000:.0f} kB"


def render_summary(summary: Summary, directory: Path, exit_code: int) -> str:
    """The last words of a run: counts, money, where things are."""
    from runner.model import counted

    counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in summary.as_dict()["counts"].items())
    lines = [
        f"{counted(summary.jobs, 'job')}: {counts or 'none'}; {summary.bill}",
        f"images   {directory / 'images'}",
        f"report   {directory / 'report.html'}",
        f"exit     {exit_code} {ExitCode(exit_code).name.lower()}",
    ]
    return "\n".join(lines)
