"""`doubts` and `cancel`: what a person decides about requests that are paid, or may be."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.common import AS_JSON, BASE_URL, RUN_DIR, options_of, print_json, run_async, stoppable, usd
from runner.errors import ExitCode, UsageProblem

if TYPE_CHECKING:
    from runner.model import Job

LONGEST_PROMPT = 60


@click.command(short_help="List and settle submits that were never answered.")
@RUN_DIR
@click.option("--attach", multiple=True, metavar="JOB=REQUEST_ID", help="The request was found: collect it, free.")
@click.option("--resubmit", multiple=True, metavar="JOB", help="Send it again; if both were taken, both are paid.")
@click.option("--all", "resubmit_all", is_flag=True, help="Resubmit every job in doubt.")
@click.option("--write-off", multiple=True, metavar="JOB", help="Give it up.")
@click.option("--yes", is_flag=True, help="Resubmit without asking.")
@BASE_URL
@AS_JSON
def doubts(
    run_dir: Path,
    *,
    attach: tuple[str, ...],
    resubmit: tuple[str, ...],
    resubmit_all: bool,
    write_off: tuple[str, ...],
    yes: bool,
    base_url: str | None,
    as_json: bool,
) -> None:
    """List the jobs in RUN_DIR whose submit was never answered, and settle them.

    Such a job may have been taken and paid for, or not: only RunComfy's Generations page can tell. It is never sent
    again by itself.
    """
    from runner.batch import doubts as find_doubts
    from runner.batch import settle_doubts

    found = find_doubts(run_dir)
    if resubmit_all:
        if attach or resubmit or write_off:
            raise UsageProblem("--all resubmits every job in doubt: give it alone")
        resubmit = tuple(job.job_id for job in found)
    pairs = _pairs(attach)
    if resubmit and not yes:
        _ask(run_dir, {job.job_id: job for job in found}, resubmit)
    if attach or resubmit or write_off:
        options = options_of(base_url=base_url)
        settled = run_async(settle_doubts(run_dir, options, attach=pairs, resubmit=resubmit, write_off=write_off))
        if as_json:
            print_json([{"job_id": job.job_id, "state": str(job.state)} for job in settled])
            return
        for job in settled:
            click.echo(f"{job.job_id}: {job.state}")
        click.echo("The next run goes on from here.")
        return
    if as_json:
        print_json([_document(job) for job in found])
        return
    for job in found:
        click.echo(_render(job))
    click.echo(_what_next(run_dir, found))


def _ask(run_dir: Path, found: Mapping[str, Job], resubmit: Sequence[str]) -> None:
    """What it costs at worst, and whether that is meant."""
    from runner.model import Money

    for job_id in resubmit:
        if job_id not in found:
            raise UsageProblem(
                f"job {job_id!r} is not in doubt; `runcomfy-batch doubts {shlex.quote(str(run_dir))}` lists them"
            )
    jobs = [found[job_id] for job_id in dict.fromkeys(resubmit)]
    prices = [job.attempts[-1].reserved for job in jobs]
    known = sum(price or 0 for price in prices)
    worst = "an unknown sum" if None in prices else usd(Money(known))
    twice = "1 job is paid twice" if len(jobs) == 1 else f"{len(jobs):,} jobs are paid twice"
    message = f"If RunComfy took them the first time, {twice}: {worst} more at worst."
    if not sys.stdin.isatty():
        raise UsageProblem(f"{message} To resubmit them without being asked, give --yes.")
    click.echo(message, err=True)
    if not click.confirm("Resubmit?", err=True):
        raise UsageProblem("not confirmed; nothing was changed")


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    """Request ids by job; one a job."""
    pairs: dict[str, str] = {}
    for text in texts:
        job_id, equals, request_id = text.rpartition("=")
        if not (job_id and equals and request_id):
            raise UsageProblem(f"--attach: expected JOB=REQUEST_ID, got {text!r}")
        if job_id in pairs:
            raise UsageProblem(f"--attach: job {job_id!r} is given two request ids, and it can have one")
        pairs[job_id] = request_id
    return pairs


def _document(job: Job) -> dict[str, object]:
    attempt = job.attempts[-1]
    return {
        "job_id": job.job_id,
        "model": job.spec.model,
        "sent_at": _when(attempt.intended_at),
        "payload_sha256": attempt.payload_sha256,
        "reserved_usd": None if attempt.reserved is None else attempt.reserved / 1e6,
        "why": job.failure.message if job.failure else "",
    }


def _render(job: Job) -> str:
    attempt = job.attempts[-1]
    why = job.failure.message if job.failure else ""
    when = _when(attempt.intended_at)
    payload = attempt.payload_sha256[:12]
    aside = usd(attempt.reserved)
    return f"{job.job_id}  {job.spec.model}  {payload}  sent {when}  set aside {aside}  {why}{_prompt(job)}"


def _prompt(job: Job) -> str:
    """The prompt's beginning on one line, by which a person knows the request again."""
    from runner.api.bodies import clean

    prompt = job.spec.inputs.get("prompt")
    return f"  {clean(prompt, LONGEST_PROMPT)!r}" if isinstance(prompt, str) and prompt.strip() else ""


def _what_next(run_dir: Path, found: Sequence[Job]) -> str:
    """The count, and the three commands of which each job in doubt needs one."""
    from runner.api.bodies import clean

    if not found:
        return "0 in doubt: there is nothing to settle, and the run command goes on by itself"
    job, command = found[0].job_id, _listing(run_dir)
    return "\n".join(
        (
            f"{len(found):,} in doubt: look for each on RunComfy's Generations page, and settle it by one of",
            clean(f"{command} --attach {shlex.quote(f'{job}=REQUEST_ID')}") + "   it is there: collected, free",
            clean(f"{command} --resubmit {shlex.quote(job)}") + "   it is not there: sent again, and paid",
            clean(f"{command} --write-off {shlex.quote(job)}") + "   it is not wanted any more",
        )
    )


def _when(instant: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@click.command(short_help="Cancel requests that are still queued.")
@RUN_DIR
@click.argument("jobs", nargs=-1, metavar="[JOB]...")
@BASE_URL
def cancel(run_dir: Path, *, jobs: tuple[str, ...], base_url: str | None) -> int:
    """Ask RunComfy to cancel requests of RUN_DIR that are still queued: all, or those of each JOB.

    A request that runs already cannot be cancelled: it bills, and is followed to its end. Ctrl-C leaves it to the next
    run.
    """
    from runner.batch import Control
    from runner.batch import cancel as cancel_requests
    from runner.batch import doubts as find_doubts

    cancelled = open_ = 0
    control = Control(note=lambda message: click.echo(message, err=True))
    asked = run_async(stoppable(control, cancel_requests(run_dir, options_of(base_url=base_url), jobs, control)))
    for job, outcome in asked:
        end = str(job.state)
        cancelled += end == "cancelled"
        open_ += not job.state.is_terminal
        said = end if end == outcome else f"{outcome}; {end}"
        click.echo(f"{job.job_id}: {said.replace('_', ' ')}")
    ended = len(asked) - cancelled - open_
    followed = f"{ended:,} ended all the same, " if ended else ""
    click.echo(f"{cancelled:,} cancelled, {followed}{open_:,} may still bill")
    in_doubt = len(find_doubts(run_dir))
    if in_doubt:
        click.echo(
            f"{in_doubt:,} in doubt, which may bill too: see `runcomfy-batch doubts {shlex.quote(str(run_dir))}`"
        )
    if control.is_stopped:
        return int(control.exit_code)
    return int(ExitCode.SOME_FAILED if in_doubt else ExitCode.DONE)


def _listing(run_dir: Path) -> str:
    """The command that lists what is in doubt."""
    return f"runcomfy-batch doubts {shlex.quote(str(run_dir))}"
