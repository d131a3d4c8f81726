"""A run from beginning to end: lock, plan, consent, schedule, report."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from runner.api.client import is_loopback
from runner.api.wire import ApiError
from runner.batch.control import Control
from runner.batch.driving import cancel_queued, scheduling
from runner.batch.log import logging_to
from runner.batch.options import Options, seconds, settled
from runner.batch.planner import Plan, api_base, directory_of, live_cards, load, make_plan, models_of, with_live_rules
from runner.batch.service import Service, connect, draw_inputs, token_of
from runner.batch.tally import Tallier
from runner.errors import CannotCreate, ExitCode, StateMismatch, StorageFailed, UsageProblem
from runner.media import is_whole, sweep_parts
from runner.model import (
    DoubtReleased,
    Failure,
    FailureKind,
    FilesMissing,
    Job,
    JobSpec,
    JobState,
    RetryRequested,
    Run,
    SpecChanged,
    SubmitLost,
)
from runner.progress import Progress
from runner.report import Summary, write_reports
from runner.rules.planning import Change
from runner.scheduler import Hold, Scheduler
from runner.store.lock import RunLock
from runner.store.store import Reader, Store, check_binding, has_state

LEAST_FREE_BYTES: Final = 64 << 20
"""Below this no run begins: a full disk in the middle of a paid night is worse than a late start."""

Confirm = Callable[[Plan], bool]
"""Shows the plan to a person and asks; `False` ends the run before anything is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    exit_code: ExitCode
    directory: Path
    plan: Plan
    summary: Summary
    hold: Hold | None = None


async def run(
    manifest_path: Path | str,
    options: Options | None = None,
    *,
    confirm: Confirm | None = None,
    progress: Progress | None = None,
    control: Control | None = None,
    on_job: Callable[[Job], None] | None = None,
    **choices: Any,
) -> Outcome:
    """Run a manifest, or go on with it: the same call again resumes.

    `choices` are the fields of `Options`. Spending needs consent: `yes=True`, `max_cost_usd`, or `confirm`.
    `on_job` is called with each job that ends. Returns when every chosen job has ended or the run was stopped;
    raises a `BatchError` where it could not begin or the disk failed.
    """
    options = options or Options(**choices)
    control = control or Control()
    manifest = load(Path(manifest_path), allow_loopback=options.simulate or is_loopback(api_base(options)))
    options = settled(options, manifest.run)
    token = token_of(options)
    directory = directory_of(manifest, options)
    _make(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(directory))
        service = await stack.enter_async_context(connect(options, token, directory))
        await _check_state(directory, service)
        cards = await live_cards(service.api, models_of(manifest))
        manifest = with_live_rules(manifest, cards, service.api.base)
        plan = make_plan(manifest, directory, options, {model: card.price for model, card in cards.items()})
        _consent(plan, options, confirm)
        store = stack.enter_context(Store(directory))
        stack.enter_context(logging_to(directory))
        execution = _Execution(plan, options, service, store, control, Tallier(progress, on_job))
        return await execution.run()


async def stream(manifest_path: Path | str, options: Options | None = None, **choices: Any) -> AsyncIterator[Job]:
    """The jobs of a run as they end, in the order in which they end; jobs done earlier are not given again.

    Leaving the loop stops the run as an interrupt does: POSTs in flight are awaited, the state is saved.
    Raises what `run` raises.
    """
    ended: asyncio.Queue[Job | None] = asyncio.Queue()
    control = Control()
    running = asyncio.create_task(
        run(manifest_path, options, control=control, on_job=ended.put_nowait, **choices), name="run"
    )
    running.add_done_callback(lambda _: ended.put_nowait(None))
    try:
        while (job := await ended.get()) is not None:
            yield job
    finally:
        control.stop()
        await running


def _make(directory: Path) -> None:
    """The run directory with room in it; nothing is sent where it cannot be had."""
    try:
        (directory / "images").mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise CannotCreate(f"cannot create {directory}: {error.strerror}. Choose another place with --out.") from error
    if free < LEAST_FREE_BYTES:
        needed = LEAST_FREE_BYTES >> 20
        raise StorageFailed(f"{directory}: only {free >> 20} MB free, {needed} MB needed. Nothing was submitted.")


async def _check_state(directory: Path, service: Service) -> None:
    """The state must be this API's and this account's; a new token proves that by what it can read."""
    if not has_state(directory):
        return
    with Reader(directory) as reader:
        if check_binding(reader.binding(), service.binding, directory):
            return
        tried = (JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.DONE)
        job = next((job for job in reader.jobs(tried) if job.request_id), None)
    if job is None or job.request_id is None:
        return
    try:
        await service.api.status(job.request_id)
    except ApiError as error:
        raise StateMismatch(
            f"{directory} belongs to another account: the token does not open its request {job.request_id} "
            f"({error.failure.message}). Use that account's token, or another directory (--out DIR)."
        ) from error


def _consent(plan: Plan, options: Options, confirm: Confirm | None) -> None:
    """Nobody spends by accident; raises `UsageProblem` without consent."""
    if options.simulate or not plan.to_submit:
        return
    if options.max_cost is not None and plan.price is None:
        raise UsageProblem(
            "--max-cost cannot be kept: the service does not state a price for every job. "
            "Use --limit N with --yes. Nothing was submitted."
        )
    if options.yes or (options.max_cost is not None and confirm is None):
        return
    if confirm is None:
        raise UsageProblem(
            f"{len(plan.to_submit)} jobs would be paid for: give --yes, or --max-cost USD as a limit. "
            "Nothing was submitted."
        )
    if not confirm(plan):
        raise UsageProblem("not confirmed. Nothing was submitted.")


class _Execution:
    """One run over an open state."""

    def __init__(
        self, plan: Plan, options: Options, service: Service, store: Store, control: Control, tallier: Tallier
    ) -> None:
        self._plan = plan
        self._options = options
        self._service = service
        self._store = store
        self._control = control
        self._tallier = tallier
        self._submit_ids = {entry.job_id for entry in plan.to_submit}
        started_at = time.time()
        stamp = datetime.fromtimestamp(started_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        self._run = Run(
            run_id=f"{stamp}-{uuid4().hex[:6]}",
            name=plan.manifest.name,
            manifest=str(plan.manifest.path),
            api_base=service.binding.api_base,
            is_simulated=service.binding.is_simulated,
            started_at=started_at,
        )

    async def run(self) -> Outcome:
        self._prepare()
        hold, crashes = await self._schedule()
        if self._options.on_interrupt == "cancel" and hold is not None and hold.because == "interrupted":
            await cancel_queued(self._store, self._service)
        exit_code, because = self._ending(hold, crashes)
        ended = replace(self._run, finished_at=time.time(), exit_code=exit_code, stopped_because=because)
        self._store.end_run(ended)
        directory = self._plan.directory
        if ended.is_simulated:
            await asyncio.to_thread(draw_inputs, directory, self._store.jobs([JobState.DONE, JobState.FAILED]))
        summary = await asyncio.to_thread(write_reports, directory, ended, self._store.jobs)
        return Outcome(exit_code=exit_code, directory=directory, plan=self._plan, summary=summary, hold=hold)

    # ------------------------------------------------------------------------------------------------------- before

    def _prepare(self) -> None:
        """Bring the state up to the manifest and to what the user asked for."""
        now = self._run.started_at
        store = self._store
        store.bind(self._service.binding, now)
        store.put_specs(self._plan.manifest.jobs)
        store.begin_run(self._run)
        sweep_parts(self._plan.directory)
        died = Failure(
            kind=FailureKind.TRANSIENT, code="died", message="the run ended between the first byte and the answer"
        )
        for job in store.jobs([JobState.SUBMITTING]):
            store.record_now(job, SubmitLost(at=now, failure=died))
        if self._options.in_doubt == "resubmit":
            for job in store.jobs([JobState.IN_DOUBT], with_gone=False):
                store.record_now(job, DoubtReleased(at=now))
                self._submit_ids.add(job.job_id)
        self._apply_choices(now)
        for job in store.jobs([JobState.DONE], with_gone=False):
            if not all(is_whole(self._plan.directory, artifact) for artifact in job.artifacts):
                store.record_now(job, FilesMissing(at=now))

    def _apply_choices(self, now: float) -> None:
        specs: dict[str, JobSpec] = {spec.job_id: spec for spec in self._plan.manifest.jobs}
        for entry in self._plan.to_submit:
            if entry.change is Change.RETRY and (job := self._store.job(entry.job_id)):
                self._store.record_now(job, RetryRequested(at=now))
            elif entry.change is Change.CHANGED and (job := self._store.job(entry.job_id)):
                self._store.record_now(job, SpecChanged(at=now, spec=specs[entry.job_id]))

    def _work(self) -> Iterator[Job]:
        """The jobs to drive: first those that are paid already, then the chosen ones in the manifest's order."""
        yield from self._store.jobs([JobState.SUBMITTED, JobState.RESULT_KNOWN])
        for job in self._store.jobs([JobState.PENDING, JobState.HELD], with_gone=False):
            if job.job_id in self._submit_ids:
                yield job

    # ------------------------------------------------------------------------------------------------------- during

    async def _schedule(self) -> tuple[Hold | None, int]:
        async with scheduling(
            self._store, self._service, self._plan.directory, self._options, self._plan.prices, self._tallier.moved
        ) as scheduler:
            self._tallier.begin(self._store.jobs(with_gone=False), scheduler.gate)
            limit = asyncio.create_task(self._keep_time(scheduler), name="time-limit")
            try:
                with self._control.over(scheduler):
                    hold = await scheduler.run(self._work())
            finally:
                limit.cancel()
                self._tallier.end()
            return hold, scheduler.crashes

    async def _keep_time(self, scheduler: Scheduler) -> None:
        """Close the gate when the user's time is over."""
        ends = []
        if duration := seconds(self._options.max_duration, "max_duration"):
            ends.append((self._run.started_at + duration, "max_duration"))
        if self._options.until:
            ends.append((_next(self._options.until, self._run.started_at), "until"))
        if ends:
            instant, because = min(ends)
            await asyncio.sleep(instant - time.time())
            message = f"the time set by --{because.replace('_', '-')} is over; the same command goes on"
            scheduler.gate.close(
                Hold(because=because, exit_code=ExitCode.LIMIT_REACHED, message=message, is_immediate=True)
            )

    # -------------------------------------------------------------------------------------------------------- after

    def _ending(self, hold: Hold | None, crashes: int) -> tuple[ExitCode, str | None]:
        """The exit code, and a word for why the run stopped early."""
        if crashes:
            return ExitCode.BUG, "bug"
        if hold is not None:
            return hold.exit_code, hold.because
        is_partial = self._options.limit is not None or self._options.sample is not None or self._options.only
        states = {
            job.state
            for job in self._store.jobs(with_gone=False)
            if not is_partial
            or job.job_id in self._submit_ids
            or job.state in (JobState.SUBMITTED, JobState.RESULT_KNOWN)
        }
        if states - {JobState.DONE} == set():
            return ExitCode.DONE, None
        if any(not state.is_terminal for state in states):
            return ExitCode.STOPPED_EARLY, "unfinished"
        return ExitCode.SOME_FAILED, None


def _next(time_of_day: str, now: float) -> float:
    """The next instant with that local time of day."""
    hour, minute = map(int, time_of_day.split(":"))
    start = datetime.fromtimestamp(now)  # noqa: DTZ006 a person's "07:30" is local
    end = start.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (end if end > start else end + timedelta(days=1)).timestamp()
