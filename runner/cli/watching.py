"""How a run directory stands, for a person: once, or again and again in place."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import combining, east_asian_width

import click

from runner.cli.common import duration, print_json, usd
from runner.errors import ExitCode
from runner.progress import printable

if TYPE_CHECKING:
    from runner.batch import Status

GAP_S = 2.0
LINE_EVERY_S = 60.0
MOST_IN_FLIGHT = 20
BAR = 30
UP, CLEAR = "\x1b[{}A", "\x1b[J"


def show(run_dir: Path, *, as_json: bool) -> None:
    """How it stands now."""
    from runner.batch import status

    found = status(run_dir)
    if as_json:
        print_json(_document(found))
    else:
        click.echo("\n".join(_lines(found, run_dir)))


def watch(run_dir: Path, *, as_json: bool) -> None:
    """The same until the run has ended; Ctrl-C ends it without a word."""
    from runner.batch import Follower

    try:
        with Follower(run_dir) as follower:
            screen = _Json() if as_json else _Screen(run_dir) if _is_screen() else _Paper()
            while True:
                found = follower.look()
                screen.draw(found)
                if not found.is_running:
                    return
                time.sleep(GAP_S)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None


class _Json:
    """An object a line."""

    def draw(self, found: Status) -> None:
        """One more."""
        click.echo(json.dumps(_document(found), ensure_ascii=False))


class _Paper:
    """A line now and then: at first, each minute, at last."""

    def __init__(self) -> None:
        self._next = 0.0

    def draw(self, found: Status) -> None:
        """One more, where it is time."""
        if time.monotonic() >= self._next or not found.is_running:
            self._next = time.monotonic() + LINE_EVERY_S
            click.echo("  ".join((time.strftime("%H:%M:%S"), *_short(found))))


class _Screen:
    """Redraws in place, within the terminal's size as it is then."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._drawn = 0

    def draw(self, found: Status) -> None:
        """Over what was there."""
        columns, rows = shutil.get_terminal_size()
        lines = [_fitted(line, columns - 1) for line in _lines(found, self._run_dir)]
        if len(lines) > rows - 1 and found.is_running:
            lines = lines[: rows - 1]
        up = UP.format(self._drawn) if self._drawn else ""
        sys.stdout.write(up + "\r" + CLEAR + "\n".join(lines) + "\n")
        sys.stdout.flush()
        self._drawn = len(lines)


def _is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


# ---------------------------------------------------------------------------------------------------------- in words


def _document(found: Status) -> dict[str, Any]:
    in_flight = [{"job_id": job.job_id, "request_id": job.request_id} for job in found.in_flight]
    pace = {"jobs_per_s": _rounded(found.per_s), "left_s": _rounded(found.left_s)}
    more = {"running": found.is_running, "in_flight": in_flight, "failures": dict(found.troubles), **pace}
    return found.summary.as_dict() | more


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(number, 3)


def _short(found: Status) -> Iterator[str]:
    """The parts of one line."""
    total = found.summary.jobs
    yield f"{total - found.open:,}/{total:,}"
    yield from (f"{state.replace('_', ' ')} {count:,}" for state, count in found.summary.counts.items())
    yield f"spent {usd(found.summary.spent)}"
    if found.left_s is not None:
        yield f"{_pace(found.per_s)}, {_end(found.left_s)}"
    if not found.is_running:
        yield _how(found)


def _lines(found: Status, run_dir: Path) -> Iterator[str]:
    """All of it, a line each."""
    summary, now = found.summary, time.time()
    yield f"{found.run.name}  {_how(found)}{'  simulated' if found.run.is_simulated else ''}"
    counts = "  ".join(f"{state} {count:,}" for state, count in summary.counts.items())
    yield f"jobs {summary.jobs:,}: {counts}"
    if found.is_running:
        ended = summary.jobs - found.open
        full = round(BAR * ended / max(1, summary.jobs))
        pace = f"  {_pace(found.per_s)}, {_end(found.left_s)}" if found.left_s is not None else ""
        yield f"[{'#' * full}{'.' * (BAR - full)}] {100 * ended / max(1, summary.jobs):.1f} %{pace}"
        quiet_s = now - found.progressed_at
        if quiet_s > LINE_EVERY_S:
            yield f"nothing has gone on for {duration(quiet_s)}"
    money = f"spent {usd(summary.spent)}, in doubt {usd(summary.reserved_in_doubt)}"
    unknown = summary.unknown_jobs - len(found.in_flight)  # of what is under way nobody knows it yet
    yield money + (f", cost of {unknown:,} unknown" if unknown > 0 else "")
    if found.troubles:
        yield "failures  " + "  ".join(f"{printable(code)} {count:,}" for code, count in found.troubles.items())
    if doubts := sum(count for state, count in summary.counts.items() if state == "in_doubt"):
        yield f"in doubt {doubts:,}: look at them with  runcomfy-batch doubts {shlex.quote(str(run_dir))}"
    for job in found.in_flight[:MOST_IN_FLIGHT]:
        since = f"  {duration(max(0.0, now - job.submitted_at))}" if job.submitted_at and found.is_running else ""
        word = f"  {printable(job.remote.raw)}" if job.remote is not None else ""
        yield f"in flight  {printable(job.job_id)}  {job.request_id or '(being submitted)'}{word}{since}"
    if (more := len(found.in_flight) - MOST_IN_FLIGHT) > 0:
        yield f"in flight  and {more:,} more"


def _how(found: Status) -> str:
    if found.is_running:
        return f"running since {time.strftime('%H:%M', time.localtime(found.run.started_at))}"
    ended = found.summary.as_dict()["finished_at"]
    return f"ended {ended}" if ended else "killed; the same command goes on"


def _pace(per_s: float | None) -> str:
    if not per_s:
        return ""
    return f"{per_s:.1f} jobs/s" if per_s >= 1 else f"{per_s * 60:.1f} jobs/min"


def _end(left_s: float | None) -> str:
    if left_s is None:
        return ""
    at = time.strftime("%H:%M" if left_s < 86_400 else "%a %d %b %H:%M", time.localtime(time.time() + left_s))
    return f"{duration(left_s)} left, until {at}"


def _fitted(line: str, columns: int) -> str:
    """The line within so many columns: one that wraps would spoil the redraw."""
    width = 0
    for at, char in enumerate(line):
        width += 0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1
        if width > columns:
            return f"{line[: at - 1]}…"
    return line
