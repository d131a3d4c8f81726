"""Drives jobs: asks the rules what next, does that one thing through an edge, records what happened, asks again.

A job is started when a slot frees, never before: a hundred thousand jobs are not a hundred thousand tasks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from runner.api.client import RunComfy
from runner.api.wire import ApiError
from runner.errors import StorageFailed
from runner.media.download import Downloader
from runner.media.values import FetchSpec, SecretUrl
from runner.model import (
    Action,
    Collect,
    Event,
    Failure,
    FailureKind,
    Finish,
    GiveUp,
    Job,
    JobSpec,
    JobState,
    Leave,
    Left,
    Money,
    OutputLost,
    Poll,
    ReadResult,
    Resumed,
    Submit,
    SubmitLost,
    Wait,
)
from runner.rules.budget import Budget
from runner.rules.lifecycle import Policies, decide
from runner.rules.names import stem_of
from runner.rules.pacing import searching, strict
from runner.rules.polling import Polling
from runner.scheduler import outcomes
from runner.scheduler.berths import Berths
from runner.scheduler.clock import Clock
from runner.scheduler.gate import Outage, SubmitGate
from runner.scheduler.holds import Hold, disk_failed, limit_reached, words_for_bug
from runner.scheduler.keeping import Keeping
from runner.scheduler.looking import Looking
from runner.scheduler.paying import Paying
from runner.scheduler.reading import Reading
from runner.scheduler.recording import Recording
from runner.scheduler.tasks import let_inherit, uncut
from runner.store.store import Store

log = logging.getLogger("runner")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The limits and habits of a run; durations in seconds."""

    max_in_flight: int = 8
    is_strict: bool = True
    """Whether that is the user's word, and not only the end of the search for the service's parallelism."""
    policies: Policies = field(default_factory=Policies)
    polling: Polling = field(default_factory=Polling)
    outage: Outage = field(default_factory=Outage)
    waiting_downloads: int = 64
    """Jobs that may wait for or do their downloads before no more are started."""
    drain_s: float = 20.0
    """How long downloads in progress may go on after a stop."""
    least: Money | None = None
    """What the cheapest of the jobs costs, where that is known."""
    leave_s: float = 5.0
    """How long POSTs in flight may still be answered once a person wants to leave at once."""


class Scheduler:
    """Runs jobs to their ends. One run per instance."""

    def __init__(
        self,
        *,
        api: RunComfy,
        store: Store,
        downloader: Downloader,
        clock: Clock,
        dice: Callable[[], float],
        budget: Budget,
        price_of: Callable[[JobSpec], Money | None],
        settings: Settings,
        on_change: Callable[[Job | None, Job], None],
        on_crash: Callable[[str, Failure], None] = lambda _, __: None,
        on_stop: Callable[[str, str], None] = lambda _, __: None,
        keeping: Keeping | None = None,
        noticed: Iterable[tuple[str, float]] = (),
    ) -> None:
        """`on_stop` is the gate's; `noticed` is what earlier runs leave for the looks to go by: see `Looking`."""
        self._api = api
        self._store = store
        self._downloader = downloader
        self._clock = clock
        self._dice = dice
        self._settings = settings
        self._on_crash = on_crash
        self._looking = Looking(clock, dice, settings.polling, noticed, is_ahead=not settings.is_strict)
        paced = (strict if settings.is_strict else searching)(settings.max_in_flight)
        self.gate = SubmitGate(
            clock, paced, budget, self._looking, self._probe, settings.outage, on_stop, settings.least
        )
        self._recording = Recording(store, self.gate, keeping, on_change)
        self._reading = Reading(api, self.gate, self._looking, clock, dice)
        self._paying = Paying(
            api=api,
            gate=self.gate,
            looking=self._looking,
            recording=self._recording,
            clock=clock,
            dice=dice,
            price_of=price_of,
            check_place=downloader.check_place,
            crashed=self._crashed,
        )
        self._berths = Berths(store)
        self._keeping = keeping
        self._tasks: set[asyncio.Task[None]] = set()
        self._collecting: set[asyncio.Task[None]] = set()
        self._model = ""
        self._is_leaving = asyncio.Event()
        self.crashes = 0

    # --------------------------------------------------------------------------------------------------- the whole

    async def run(self, jobs: Iterable[Job], openings: Mapping[str, Event] | None = None) -> Hold | None:
        """Drive the jobs, in order, until each has ended or the run is held; the hold, if there was one.

        Jobs that are already with the service come first, since they occupy slots. `openings` are what a person decided
        about some of the jobs, by id: such a job is driven as if that had happened, and it is recorded with the intent
        to pay, in one transaction. If no POST leaves, the job stays exactly as it was. Raises `StorageFailed` at the
        end where the disk failed.
        """
        self._recording.openings = dict(openings or {})
        let_inherit()
        try:
            for job in jobs:
                await self._until_room(job)
                if self.gate.hold is not None:
                    break
                self._start(job)
            self._looking.begin_tail()
            while self._tasks and not self._must_stop:
                await self.gate.wait()
            if self.gate.passed_over:
                self.gate.close(limit_reached(self.gate.budget, self.gate.passed_over))
        finally:
            await uncut(self._drain(), on_cancel=self.leave_now)
        return self.gate.hold

    def leave_now(self) -> None:
        """A person insists: polls and downloads end at once, POSTs in flight have a few seconds left."""
        self._is_leaving.set()
        self.gate.notify()

    @property
    def has_unsent_wishes(self) -> bool:
        """Whether a person wants a job again that was begun, and whose POST was not taken."""
        return self._recording.has_unsent_wishes

    @property
    def has_refused_wishes(self) -> bool:
        """Whether a person wants a job again that the service will not do so; it stays as it was."""
        return self._recording.has_refused_wishes

    @property
    def _must_stop(self) -> bool:
        return self._is_leaving.is_set() or (self.gate.hold is not None and self.gate.hold.is_immediate)

    async def _until_room(self, job: Job) -> None:
        while self.gate.hold is None:
            most = self.gate.pacing.ceiling + self._settings.waiting_downloads
            is_to_submit = job.job_id in self._recording.openings or job.state in (JobState.PENDING, JobState.HELD)
            has_slot = not is_to_submit or self.gate.has_room
            if has_slot and len(self._tasks) < most:
                return
            await self.gate.wait(self._clock.now() + 1.0)

    def _start(self, job: Job) -> None:
        self._model = self._model or job.spec.model
        self.gate.moved(None, replace(job, is_left=False))  # one that an earlier run left is watched again, at once
        task = asyncio.create_task(self._guarded(job), name=f"job:{job.job_id}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._collecting.discard(task)
        self.gate.notify()

    async def _drain(self) -> None:
        """Await what must not be cut off: POSTs to their outcome, downloads for a while."""
        for task in self._tasks - self._collecting:
            task.cancel()
        await self._until_leaving(self._collecting, self._settings.drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._until_leaving(self._paying.under_way, None)
        if submits := set(self._paying.under_way):
            _, late = await asyncio.wait(submits, timeout=self._settings.leave_s)
            for submit in late:
                submit.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self.gate.aclose()

    async def _until_leaving(self, tasks: Iterable[asyncio.Task[Any]], timeout_s: float | None) -> None:
        """Wait until the tasks are done, the time is over, or a person insists."""
        pending = set(tasks)
        if pending and not self._is_leaving.is_set():
            leaving = asyncio.create_task(self._is_leaving.wait(), name="leaving")
            done = asyncio.create_task(asyncio.wait(pending), name="draining")
            await asyncio.wait((done, leaving), timeout=timeout_s, return_when="FIRST_COMPLETED")
            for task in (done, leaving):
                task.cancel()

    # --------------------------------------------------------------------------------------------------- one job

    async def _guarded(self, job: Job) -> None:
        """One broken job never ends the run; a broken disk does."""
        try:
            await self._drive(job)
        except StorageFailed as error:
            self.gate.close(disk_failed(error))
        except Exception as error:  # noqa: BLE001 a bug of ours in one job: the others go on
            await self._crashed(job.job_id, error)

    async def _crashed(self, job_id: str, error: Exception) -> None:
        """A bug of ours in one job: the others go on, with its slot. What it was paying for is in doubt from now on."""
        self.crashes += 1
        log.error("job crashed", exc_info=error, extra={"job_id": job_id})
        self.gate.vacate(job_id)
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        failure = Failure(kind=FailureKind.TRANSIENT, code="crashed", message=words_for_bug(error) + notes)
        try:
            job = self._store.job(job_id)
            if job is not None and job.state is JobState.SUBMITTING:
                await self._recording.record(job, SubmitLost(at=self._clock.now(), failure=failure))
                self.gate.doubted()  # the bug may be in every job: it must not cost the manifest
            else:
                self._on_crash(job_id, failure)
        except StorageFailed as broken:
            self.gate.close(disk_failed(broken))

    async def _drive(self, job: Job) -> None:
        current: Job | None = job
        if job.job_id in self._recording.openings:
            current = self._recording.open(job)
        elif _is_of_an_earlier_run(job):
            current = await self._recording.record(job, Resumed(at=self._clock.now()))
        while current is not None:
            action = decide(current, self._clock.now(), self._settings.policies)
            if isinstance(action, Finish):
                return
            current = await self._perform(current, action)

    async def _perform(self, job: Job, action: Action) -> Job | None:
        """Do one thing and record what happened; `None` where the run is held and the job stays as it is."""
        match action:
            case Submit():
                return await self._paying.pay(job)
            case Wait(until=until) if job.state is JobState.SUBMITTED and job.failure is None:
                is_due = await self._looking.wait(job, until)
                return job if is_due else await self._perform(job, Poll())
            case Wait(until=until):
                await self._clock.sleep_until(until)
                return job
            case Poll():
                return await self._recording.record(job, await self._reading.poll(job))
            case ReadResult():
                return await self._recording.record(job, await self._reading.result(job))
            case Collect():
                return await self._collected(job)
            case GiveUp(failure=failure):
                return await self._recording.record(job, OutputLost(at=self._clock.now(), failure=failure))
            case Leave(failure=failure):
                return await self._recording.record(job, Left(at=self._clock.now(), failure=failure))
            case Finish():
                return None
            case _:
                assert_never(action)

    async def _probe(self) -> bool:
        """Whether a free call is answered."""
        try:
            await self._api.card(self._model)
        except ApiError as error:
            return error.failure.kind is FailureKind.OUTPUT  # 404 is an answer
        return True

    # --------------------------------------------------------------------------------------------------- collecting

    async def _collected(self, job: Job) -> Job:
        """Fetch the outputs and record what came. A stop lets both go on for a while: who counts hears of it."""
        task = asyncio.current_task()
        if task is not None and task in self._tasks:
            self._collecting.add(task)
        try:
            with self._berths.of(job) as berth:
                if self._keeping is not None:
                    self._keeping.make_room(job)
                return await self._recording.record(job, await self._collect(job, berth))
        finally:
            if task is not None:
                self._collecting.discard(task)

    async def _collect(self, job: Job, berth: Callable[[str], str]) -> Event:
        """Fetch the outputs that are not on disk yet."""
        have = {artifact.index for artifact in job.artifacts}
        count = len(job.outputs)
        before = next(iter(job.spec.files.values()), None)
        specs = [
            FetchSpec(
                job_id=job.job_id, index=n, url=SecretUrl(url), stem=berth(stem_of(job.spec, n, count)), before=before
            )
            for n, url in enumerate(job.outputs, start=1)
            if n not in have
        ]
        fetched = await asyncio.gather(*(self._downloader.fetch(spec) for spec in specs))
        return outcomes.of_downloads(job, fetched, self._clock.now(), self._dice())


def _is_of_an_earlier_run(job: Job) -> bool:
    """Whether an earlier run left something behind that this one forgets: waits, tries, URLs, a hold."""
    has_old_urls = job.state is JobState.RESULT_KNOWN and not job.is_stale
    waited = bool(job.is_left or job.tries or job.ready_at or job.polled_at)
    return waited or has_old_urls or job.state is JobState.HELD
