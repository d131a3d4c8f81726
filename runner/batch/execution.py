"""One run over an open state: bring it up to the plan, drive the jobs, write how it ended."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from runner.batch.asked import Asked
from runner.batch.beside import reporting
from runner.batch.control import Control
from runner.batch.driving import cancel_queued, collect, scheduling, settle_open_intents
from runner.batch.given import given
from runner.batch.options import Options, seconds
from runner.batch.outcome import Outcome
from runner.batch.planner import Plan
from runner.batch.service import Service, draw_inputs
from runner.batch.sharing import Sharing
from runner.batch.tally import Tallier
from runner.batch.watch import next_at, watch
from runner.errors import ExitCode, StorageFailed
from runner.media.files import is_there, sweep_parts
from runner.model import (
    Artifact,
    DoubtReleased,
    Event,
    Failure,
    FailureKind,
    Job,
    JobSpec,
    JobState,
    RedoRequested,
    Resumed,
    RetryRequested,
    Run,
    ShareFailed,
    SpecChanged,
    counted,
)
from runner.report import Summary, sweep_asides, write_reports
from runner.rules.planning import WRITTEN_OFF, Change, PlanEntry
from runner.scheduler import Hold, Keeping, Scheduler, bug_found
from runner.store.store import Store

log = logging.getLogger("runner")


class Execution:
    """One run over an open state."""

    def __init__(
        self,
        plan: Plan,
        options: Options,
        service: Service,
        store: Store,
        control: Control,
        tallier: Tallier,
        on_stop: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        self._plan = plan
        self._options = options
        self._service = service
        self._store = store
        self._control = control
        self._tallier = tallier
        self._on_stop = on_stop
        self._keeping = Keeping(plan.directory, store)
        self._sharer = Sharing(store, plan.directory, self._keeping)
        self._submit_ids: set[str] = set()
        self._asked = Asked(options)
        self._sharing: dict[str, Event | None] = {}
        self._openings: dict[str, Event] = {}
        self._again: dict[str, str | None] = {}
        """The jobs with openings, and the requests that they had."""
        self._opened_states: set[JobState] = set()
        self._given_up: dict[str, str] = {}
        """Why a job waits whose request was given up while in doubt, under whatever id."""
        self._has_unsent_wishes = self._has_refused_wishes = False
        started_at = time.time()
        stamp = datetime.fromtimestamp(started_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        self._run = Run(
            run_id=f"{stamp}-{uuid4().hex[:6]}",
            name=plan.manifest.name,
            manifest=str(plan.manifest.path),
            api_base=service.binding.api_base,
            is_simulated=service.binding.is_simulated,
            started_at=started_at,
            given=given(options),
            **self._time_limit(started_at),
        )

    @property
    def run_id(self) -> str:
        """What this execution of the command is called."""
        return self._run.run_id

    def _time_limit(self, started_at: float) -> dict[str, Any]:
        """`--max-duration` counts from the first of the runs that were killed: a restart does not buy time."""
        duration = seconds(self._options.max_duration)
        if not duration:
            return {}
        limit = str(self._options.max_duration)
        ends_at = self._store.end_of_killed_run(limit)
        whole = started_at + duration  # that run's clock may have been ahead: no restart has more than a first start
        return {"time_limit": limit, "ends_at": min(ends_at, whole) if ends_at and ends_at > started_at else whole}

    async def run(self) -> Outcome:
        """All of it; raises `StorageFailed` where the disk failed. Cancelled, it ends as an interrupted run does."""
        self._prepare()
        try:
            hold, crashes = await self._schedule()
        except asyncio.CancelledError:
            ended = self._ended(ExitCode.INTERRUPTED, "interrupted")
            self._store.end_run(ended)
            self._write_reports(ended)
            raise
        self._submit_ids.clear()  # some hundred bytes a job, which the reports have a use for
        if self._options.on_interrupt == "cancel" and hold is not None and hold.because == "interrupted":
            hold = replace(hold, message=await self._cancel())
        try:
            return await self._conclude(hold, crashes)
        except StorageFailed as error:
            if hold is not None and hold.because == "storage":  # what failed first says more
                raise StorageFailed(hold.message) from error
            raise

    async def _cancel(self) -> str:
        """Cancel what is queued, and follow the rest, which bills all the same; what there is to say at the end."""
        self._control.answer()
        outcomes = await self._control.unless_stopped(cancel_queued(self._store, self._service))
        if outcomes is None:
            return "interrupted; what was cancelled is not known: the same command looks, and goes on"
        still = sum(outcome != "cancelled" for outcome in outcomes.values())
        followed = f"; followed to the end, since they bill: {counted(still, 'request')}" if still else ""
        self._control.note(f"{len(outcomes) - still:,} cancelled{followed}")
        jobs = self._store.jobs([JobState.SUBMITTED, JobState.RESULT_KNOWN])
        await collect(self._store, self._service, self._plan.directory, jobs, self._control)
        ended = (self._store.job(job_id) for job_id in outcomes)
        cancelled = sum(job is not None and job.state is JobState.CANCELLED for job in ended)
        again = f"; --retry cancelled sends {counted(cancelled, 'cancelled job')} again" if cancelled else ""
        return f"interrupted; the state is saved and the same command goes on{again}"

    async def _conclude(self, hold: Hold | None, crashes: int) -> Outcome:
        exit_code, because = self._ending(hold, crashes)
        ended = self._ended(exit_code, because)
        self._store.end_run(ended)
        directory = self._plan.directory
        if ended.is_simulated:
            await asyncio.to_thread(draw_inputs, directory, self._store.jobs([JobState.DONE, JobState.FAILED]))
        summary = await asyncio.to_thread(self._write_reports, ended)
        return Outcome(exit_code=exit_code, directory=directory, plan=self._plan, summary=summary, hold=hold)

    def _ended(self, exit_code: ExitCode, because: str | None) -> Run:
        return replace(self._run, finished_at=time.time(), exit_code=exit_code, stopped_because=because)

    def _write_reports(self, ended: Run) -> Summary:
        return write_reports(self._plan.directory, ended, self._store.jobs, kept=self._store.kept())

    # ------------------------------------------------------------------------------------------------------- before

    def _prepare(self) -> None:
        """Bring the state up to the manifest and to what the user asked for."""
        now = self._run.started_at
        store = self._store
        is_news = settle_open_intents(store, now)  # first: it may refuse, and then no run began
        chosen = [(entry, spec) for spec, entry in self._weighed(anew=is_news) if self._note(entry)]
        store.bind(self._service.binding, now)
        store.put_specs(self._plan.manifest.jobs)
        store.begin_run(self._run)
        sweep_parts(self._plan.directory)
        sweep_asides(self._plan.directory)
        for entry, spec in chosen:
            job = store.job(entry.job_id)
            if job is None:
                continue
            if entry.change is Change.SHARED:
                self._await_leader(job, spec)
            elif entry.change is Change.RESUME:
                self._fetch_again(job)
            elif opening := self._opening(entry, job, spec):
                self._openings[job.job_id] = opening
                self._again[job.job_id] = job.request_id
                self._opened_states.add(job.state)

    def _weighed(self, *, anew: bool) -> Iterable[tuple[JobSpec | None, PlanEntry]]:
        """The entries to look at: all, where the state has changed since; else the new ones are known as they are."""
        if anew:
            return ((spec, entry) for spec, entry, _ in self._plan.weighed())
        self._submit_ids.update(self._plan.new_ids())
        self._asked.note_new(self._submit_ids)
        return self._plan.with_work()

    def _note(self, entry: PlanEntry) -> bool:
        """Remember which jobs are to be driven and which wait for another's; whether the state must be told more."""
        if entry.will_submit:
            self._submit_ids.add(entry.job_id)
        self._asked.note(entry)
        if entry.change in (Change.SHARED, Change.FAILED):
            self._sharing[entry.job_id] = None
        if entry.is_given_up:
            self._given_up[entry.job_id] = entry.reason
        return entry.change is not Change.NEW and (entry.will_submit or entry.change in (Change.RESUME, Change.SHARED))

    def _fetch_again(self, job: Job) -> None:
        """What was paid for and is not here any more is had again, for nothing."""
        if job.state in (JobState.DONE, JobState.OUTPUT_LOST):
            there = tuple(artifact for artifact in job.artifacts if is_there(self._plan.directory, artifact))
            self._sharer.find_missing(job, there)

    def _await_leader(self, job: Job, spec: JobSpec | None) -> None:
        """What is to become of a job once the one whose request it shares has ended; until then it stays as it is."""
        now = self._run.started_at
        opening: Event | None = None
        kept = self._set_aside(job)
        if spec is not None and spec.fingerprint != job.spec.fingerprint:
            opening = self._changed(spec, kept)
        elif job.state is JobState.HELD:
            opening = Resumed(at=now)
        elif job.state is not JobState.PENDING:
            opening = _again(job)(at=now, kept=kept)
        self._sharing[job.job_id] = opening

    def _share(self, *, is_over: bool) -> None:
        """Go on with the jobs that wait for another's request."""
        for before, after in self._sharer.share(self._sharing, self._again, is_over=is_over):
            self._tallier.moved(before, after)
            del self._sharing[after.job_id]
        for job_id, reason in self._given_up.items() if is_over else ():
            job = self._store.job(job_id)
            if job is not None and job.state is JobState.PENDING and job_id in self._sharing:
                failure = Failure(kind=FailureKind.REMOTE, code=WRITTEN_OFF, message=reason)
                self._tallier.moved(job, self._store.record_now(job, ShareFailed(at=time.time(), failure=failure)))

    def _opening(self, entry: PlanEntry, job: Job, spec: JobSpec | None) -> Event | None:
        """What the plan, and so the person who agreed to it, decided about a job that is to be paid for once more.

        Recorded only when its POST leaves: until then a limit, a stop or a kill leaves the job as it was.
        """
        now = self._run.started_at
        if entry.change is Change.IN_DOUBT:
            return DoubtReleased(at=now) if job.state is JobState.IN_DOUBT else None
        if entry.change not in (Change.RETRY, Change.CHANGED):
            return None
        kept = self._set_aside(job)
        if spec is not None and (entry.change is Change.CHANGED or spec.paths != job.spec.paths):
            return self._changed(spec, kept)  # its files go where the manifest says now
        if entry.change is Change.CHANGED:
            return None
        return _again(job)(at=now, kept=kept)

    def _set_aside(self, job: Job) -> tuple[Artifact, ...]:
        """The job's pictures under the names that they have once there are others."""
        word = "rejected" if self._options.redo is not None else "replaced"
        return self._keeping.names(job, word) if job.artifacts else ()

    def _changed(self, spec: JobSpec, kept: tuple[Artifact, ...]) -> SpecChanged:
        """The job is to be done as the manifest says now, or the review in its place."""
        instead_of = self._plan.manifest.reworded.get(spec.job_id)
        return SpecChanged(at=self._run.started_at, spec=spec, kept=kept, instead_of=instead_of)

    def _work(self) -> Iterator[Job]:
        """The jobs to drive: first those that are paid already, then the chosen ones in the manifest's order."""
        yield from self._store.jobs([JobState.SUBMITTED, JobState.RESULT_KNOWN])
        for job in self._store.jobs({JobState.PENDING, JobState.HELD} | self._opened_states, with_gone=False):
            is_open = job.state in (JobState.PENDING, JobState.HELD)
            if job.job_id in self._submit_ids and (is_open or job.job_id in self._openings):
                yield job

    # ------------------------------------------------------------------------------------------------------- during

    async def _schedule(self) -> tuple[Hold | None, int]:
        async with scheduling(
            self._store,
            self._service,
            self._plan.directory,
            self._options,
            self._plan.prices,
            self._tallier.moved,
            self._tallier.crashed,
            self._on_stop,
            self._keeping,
            self._plan.least,
        ) as scheduler:
            self._tallier.begin(self._store.counts(with_gone=False), self._store.bills(), scheduler.gate)
            watching = self._watch(scheduler)
            try:
                async with reporting(self._plan.directory, self._options, self._control.note):
                    with self._control.over(scheduler):
                        self._share(is_over=False)
                        hold = await scheduler.run(self._work(), self._openings)
                self._share(is_over=True)
            finally:
                watching.cancel()
                self._tallier.end()
                self._has_unsent_wishes = scheduler.has_unsent_wishes
                self._has_refused_wishes = scheduler.has_refused_wishes
            return hold, scheduler.crashes

    def _watch(self, scheduler: Scheduler) -> asyncio.Task[None]:
        """Close the gate when the user's time is over; after a sleep of the machine, connect anew."""
        ends = []
        if self._run.ends_at is not None:
            ends.append((self._run.ends_at, "max_duration"))
        if self._options.until:
            ends.append((next_at(self._options.until, self._run.started_at), "until"))
        ends_at, because = min(ends, default=(None, ""))

        def end() -> None:
            message = f"the time set by --{because.replace('_', '-')} is over; the same command goes on"
            hold = Hold(because=because, exit_code=ExitCode.LIMIT_REACHED, message=message, is_immediate=True)
            scheduler.gate.close(hold)

        async def connect_anew(slept_s: float) -> None:
            log.warning("the machine slept", extra={"seconds": round(slept_s)})
            await self._service.api.renew()

        watching = asyncio.create_task(watch(ends_at, on_end=end, on_sleep=connect_anew), name="watch")
        watching.add_done_callback(partial(_not_watched, scheduler))
        return watching

    # -------------------------------------------------------------------------------------------------------- after

    def _ending(self, hold: Hold | None, crashes: int) -> tuple[ExitCode, str | None]:
        """The exit code, and a word for why the run stopped early."""
        if crashes:
            return ExitCode.BUG, "bug"
        if hold is not None:
            return hold.exit_code, hold.because
        if unserved := self._asked.unserved(self._store, self._sharing):
            which = "the picture that it had" if unserved == 1 else "the pictures that they had"
            self._control.note(f"{counted(unserved, 'job')} kept {which}: plan says which word asks for another")
        ends = set(self._asked.ends(self._store, self._sharing))
        if self._has_refused_wishes:
            ends.add(ExitCode.SOME_FAILED)
        if self._has_unsent_wishes:
            ends.add(ExitCode.STOPPED_EARLY)
        code = max(ends, default=ExitCode.DONE)
        return code, "unfinished" if code is ExitCode.STOPPED_EARLY else None


def _again(job: Job) -> type[RedoRequested | RetryRequested]:
    return RedoRequested if job.state is JobState.DONE else RetryRequested


def _not_watched(scheduler: Scheduler, watching: asyncio.Task[None]) -> None:
    """A bug that ends the watching must not let a run go on past the time that its user set."""
    if not watching.cancelled() and (error := watching.exception()) is not None:
        log.error("watching crashed", exc_info=error)
        scheduler.gate.close(bug_found(error))
