"""Drives jobs: asks the rules what next, does that one thing through an edge, records what happened, asks again.

A job is started when a slot frees, never before: a hundred thousand jobs are not a hundred thousand tasks. The paid
section of a job is a task of its own that no cancellation reaches, so that a POST in flight is always awaited to its
outcome and the outcome is always recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from runner.api.client import RunComfy
from runner.api.wire import Accepted, ApiError
from runner.errors import ExitCode, StorageFailed
from runner.media import Downloader, FetchSpec, SecretUrl, Spoilt, payload_of
from runner.model import (
    Action,
    Collect,
    Event,
    Failure,
    FailureKind,
    Finish,
    GiveUp,
    InputSpoilt,
    Job,
    JobSpec,
    JobState,
    Leave,
    Left,
    Money,
    OutputLost,
    Poll,
    ReadResult,
    RemoteState,
    RemoteStatus,
    Resumed,
    StatusSeen,
    Submit,
    SubmitAccepted,
    SubmitHeld,
    SubmitIntended,
    SubmitLost,
    SubmitNotSent,
    SubmitRejected,
    SubmitThrottled,
    Wait,
    canonical,
)
from runner.rules.budget import Budget
from runner.rules.lifecycle import REFUSALS, Policies, advance, decide
from runner.rules.names import stem_of
from runner.rules.pacing import searching, strict
from runner.rules.polling import Polling
from runner.rules.retry import retry_after_s
from runner.scheduler import outcomes
from runner.scheduler.berths import Berths
from runner.scheduler.clock import Clock
from runner.scheduler.gate import Hold, Outage, SubmitGate
from runner.scheduler.keeping import Keeping
from runner.scheduler.looking import Looking
from runner.store.store import IdTaken, Store

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
    leave_s: float = 5.0
    """How long POSTs in flight may still be answered once a person wants to leave at once."""


class HeldBack(Exception):
    """The run was stopped or paused between the connection and the first byte: the POST does not leave."""


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
        self._price_of = price_of
        self._settings = settings
        self._on_change = on_change
        self._on_crash = on_crash
        self._looking = Looking(clock, dice, settings.polling, noticed, is_ahead=not settings.is_strict)
        paced = (strict if settings.is_strict else searching)(settings.max_in_flight)
        self.gate = SubmitGate(clock, paced, budget, self._looking, self._probe, settings.outage, on_stop)
        self._berths = Berths(store)
        self._keeping = keeping
        self._tasks: set[asyncio.Task[None]] = set()
        self._collecting: set[asyncio.Task[None]] = set()
        self._submits: set[asyncio.Task[Job | None]] = set()
        self._openings: dict[str, Event] = {}
        self._unopened: dict[str, Job] = {}
        """The jobs whose opening is not recorded yet, or not any more, as they are in the state."""
        self._opened: dict[str, Job] = {}
        """The jobs whose opening is recorded and whose POST is not answered, as they were before."""
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
        self._openings = dict(openings or {})
        try:
            for job in jobs:
                await self._until_room(job)
                if self.gate.hold is not None:
                    break
                self._start(job)
            self._looking.begin_tail()
            while self._tasks and not self._must_stop:
                await self.gate.wait()
        finally:
            await self._drain()
        return self.gate.hold

    def leave_now(self) -> None:
        """A person insists: polls and downloads end at once, POSTs in flight have a few seconds left."""
        self._is_leaving.set()
        self.gate.notify()

    @property
    def has_unsent_wishes(self) -> bool:
        """Whether a person wants a job again that was begun, and whose POST was not taken."""
        return bool(self._unopened)

    @property
    def _must_stop(self) -> bool:
        return self._is_leaving.is_set() or (self.gate.hold is not None and self.gate.hold.is_immediate)

    async def _until_room(self, job: Job) -> None:
        while self.gate.hold is None:
            most = self.gate.pacing.ceiling + self._settings.waiting_downloads
            is_to_submit = job.job_id in self._openings or job.state in (JobState.PENDING, JobState.HELD)
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
        await self._until_leaving(self._submits, None)
        if self._submits:
            await asyncio.wait(self._submits, timeout=self._settings.leave_s)
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
            self._hold_for(error)
        except Exception as error:  # noqa: BLE001 a bug of ours in one job: the others go on
            await self._crashed(job.job_id, error)

    async def _crashed(self, job_id: str, error: Exception) -> None:
        """A bug of ours in one job: the others go on, with its slot. What it was paying for is in doubt from now on."""
        self.crashes += 1
        log.error("job crashed", exc_info=error, extra={"job_id": job_id})
        self.gate.vacate(job_id)
        message = f"a bug of this program ({type(error).__name__}); run.log says where"
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        failure = Failure(kind=FailureKind.TRANSIENT, code="crashed", message=message + notes)
        try:
            job = self._store.job(job_id)
            if job is not None and job.state is JobState.SUBMITTING:
                await self._record(job, SubmitLost(at=self._clock.now(), failure=failure))
                self.gate.doubted()  # the bug may be in every job: it must not cost the manifest
            else:
                self._on_crash(job_id, failure)
        except StorageFailed as broken:
            self._hold_for(broken)

    def _hold_for(self, error: StorageFailed) -> None:
        hold = Hold(because="storage", exit_code=error.exit_code, message=error.message, is_immediate=True)
        self.gate.close(hold)

    async def _drive(self, job: Job) -> None:
        current: Job | None = job
        if (opening := self._openings.get(job.job_id)) is not None:
            self._unopened[job.job_id] = job
            current = advance(job, opening)
        elif _is_of_an_earlier_run(job):
            current = await self._record(job, Resumed(at=self._clock.now()))
        while current is not None:
            action = decide(current, self._clock.now(), self._settings.policies)
            if isinstance(action, Finish):
                return
            current = await self._perform(current, action)

    async def _perform(self, job: Job, action: Action) -> Job | None:
        """Do one thing and record what happened; `None` where the run is held and the job stays as it is."""
        match action:
            case Submit():
                return await self._enter_and_submit(job)
            case Wait(until=until) if job.state is JobState.SUBMITTED and job.failure is None:
                is_due = await self._looking.wait(job, until)
                return job if is_due else await self._perform(job, Poll())
            case Wait(until=until):
                await self._clock.sleep_until(until)
                return job
            case Poll():
                return await self._record(job, await self._poll(job))
            case ReadResult():
                return await self._record(job, await self._read_result(job))
            case Collect():
                with self._berths.of(job) as berth:
                    return await self._record(job, await self._collect(job, berth))
            case GiveUp(failure=failure):
                return await self._record(job, OutputLost(at=self._clock.now(), failure=failure))
            case Leave(failure=failure):
                return await self._record(job, Left(at=self._clock.now(), failure=failure))
            case Finish():
                return None
            case _:
                assert_never(action)

    async def _record(self, job: Job, event: Event) -> Job:
        base = self._unopened.get(job.job_id)
        if base is None:
            after = await self._record_opened(job, event)
        elif isinstance(event, SubmitIntended):
            opening = self._openings[job.job_id]
            after = await self._store.record(base, event, opening=opening)
            self._opened[job.job_id] = self._unopened.pop(job.job_id)
            if self._keeping is not None:
                self._keeping.opened(job.job_id, opening)
        else:
            return advance(job, event)  # no POST has left: for the state nothing has happened yet
        if self._keeping is not None and isinstance(event, SubmitAccepted):
            self._keeping.accepted(after)
        self.gate.moved(base or job, after)
        self._on_change(base or job, after)
        return after

    async def _record_opened(self, job: Job, event: Event) -> Job:
        """Record the event; a job whose POST was refused that a person wanted is in the state as it was before that."""
        before = self._opened.pop(job.job_id, None)
        if before is None or before.state is JobState.IN_DOUBT or not isinstance(event, REFUSALS):
            return await self._store.record(job, event)
        self._unopened[job.job_id] = await self._store.record(job, event, before=before)
        return advance(job, event)  # this run may try once more

    # ----------------------------------------------------------------------------------------------------- paying

    async def _enter_and_submit(self, job: Job) -> Job | None:
        price = self._price_of(job.spec)
        if not await self.gate.enter(job.job_id, price):
            return None
        task = asyncio.create_task(self._submit(job, price), name=f"submit:{job.job_id}")
        self._submits.add(task)
        task.add_done_callback(self._submitted)
        return await asyncio.shield(task)

    def _submitted(self, task: asyncio.Task[Job | None]) -> None:
        """Its failure reaches the run also where the job's own task is gone."""
        self._submits.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), StorageFailed):
            self._hold_for(error)

    async def _submit(self, job: Job, price: Money | None) -> Job | None:
        """The paid section. Its task may outlive the job's own, so it answers for its bugs itself."""
        try:
            event, job = await self._pay(job, price)
        except HeldBack:
            return job if self.gate.hold is None else None  # after a pause it waits at the gate once more
        except StorageFailed:
            raise
        except Exception as error:  # noqa: BLE001 the same, where nobody may be left who waits for it
            await self._crashed(job.job_id, error)
            return None
        finally:
            self.gate.through(job.job_id)
        self._weigh(event)
        return job

    async def _pay(self, job: Job, price: Money | None) -> tuple[Event, Job]:
        """Intent, POST, outcome, each on the disk before the next; what happened last, and the job after it."""
        try:
            payload = await asyncio.to_thread(payload_of, job.spec) if job.spec.files else canonical(job.spec.inputs)
        except Spoilt as spoilt:
            log.warning("input spoilt", extra={"job_id": job.job_id, "why": spoilt.failure.message})
            refused = InputSpoilt(at=self._clock.now(), failure=spoilt.failure)
            return refused, await self._record(job, refused)
        digest = hashlib.sha256(payload).hexdigest()

        async def before_send() -> None:
            if not self.gate.may_send:
                raise HeldBack
            self._downloader.check_place()
            await _uncut(intend())

        async def intend() -> None:
            nonlocal job
            job = await self._record(job, SubmitIntended(at=self._clock.now(), payload_sha256=digest, reserved=price))

        reply = await self._api.submit(job.spec.model, payload, before_send)
        try:
            sight = self._looking.sight_of_submit(job, self.gate.pacing.cap)
            event = outcomes.of_submit(job, reply, sight, self._clock.now(), self._dice())
            return event, await self._record(job, event)
        except IdTaken as taken:
            event = outcomes.of_taken_id(taken.request_id, taken.owner, self._clock.now())
            return event, await self._record(job, event)
        except Exception as error:
            if isinstance(reply, Accepted):  # the last places where the id of a paid request can be kept
                log.critical("REQUEST NOT SAVED", extra={"job_id": job.job_id, "request_id": reply.request_id})
                error.add_note(f"the service named the request id {reply.request_id}")
            raise

    def _weigh(self, event: Event) -> None:
        """What a submit's outcome means for the submits after it."""
        match event:
            case SubmitAccepted():
                self.gate.answered(None, 0.0)
            case SubmitThrottled(retry_at=retry_at):
                self.gate.answered(FailureKind.THROTTLED, retry_at)
            case SubmitHeld(failure=failure):
                self.gate.answered(FailureKind.ACCOUNT, 0.0)
                self.gate.close(_account_hold(failure))
            case SubmitRejected(failure=failure):
                self.gate.answered(FailureKind.INPUT, 0.0)
                if failure.code == "wrong_model":  # true of every other job of that model
                    message = f"the service does not know the model: {failure.message}"
                    self.gate.close(Hold(because="wrong_model", exit_code=ExitCode.CONFIGURATION, message=message))
            case SubmitLost():
                self.gate.doubted()
            case SubmitNotSent(failure=failure) if failure.code == "short_of":
                self.gate.narrow()
            case SubmitNotSent(failure=failure):
                self.gate.unsent()
                if failure.code == "tls":  # never weakened: a person looks
                    self.gate.close(Hold(because="tls", exit_code=ExitCode.CONFIGURATION, message=failure.message))

    async def _probe(self) -> bool:
        """Whether a free call is answered."""
        try:
            await self._api.card(self._model)
        except ApiError as error:
            return error.failure.kind is FailureKind.OUTPUT  # 404 is an answer
        return True

    # ------------------------------------------------------------------------------------------------ free reading

    async def _poll(self, job: Job) -> Event:
        """Ask whether the request is finished: where that is likely, for its result at once."""
        await self._looking.turn()
        asked_at = self._clock.now()
        if self._looking.is_likely(job):
            try:
                event = await self._ask_result(job)
            except ApiError as error:
                if not _says_no(error):
                    return self._read_failed(job, error)
                event = await self._ask_status(job)
                if isinstance(event, StatusSeen) and not event.status.is_finished:
                    self._looking.answers_early = False
        else:
            event = await self._ask_status(job)
        self._looking.saw(job, event, asked_at)
        return event

    async def _ask_status(self, job: Job) -> Event:
        try:
            status = await self._api.status(job.request_id or "")
        except ApiError as error:
            return self._read_failed(job, error)
        self._warn_of_unknown(job, status)
        return outcomes.of_status(job, status, self._looking.sight(job), self._clock.now(), self._dice())

    async def _ask_result(self, job: Job) -> Event:
        """What the result says; raises `ApiError`."""
        result = await self._api.result(job.request_id or "")
        self._warn_of_unknown(job, result.status)
        return outcomes.of_result(job, result, self._looking.sight(job), self._clock.now(), self._dice())

    async def _read_result(self, job: Job) -> Event:
        await self._looking.turn()
        try:
            return await self._ask_result(job)
        except ApiError as error:
            return self._read_failed(job, error)

    def _warn_of_unknown(self, job: Job, status: RemoteStatus) -> None:
        if status.state is RemoteState.UNKNOWN and (job.remote is None or job.remote.raw != status.raw):
            log.warning("unknown status word", extra={"job_id": job.job_id, "word": status.raw})

    def _read_failed(self, job: Job, error: ApiError) -> Event:
        if error.failure.kind is FailureKind.ACCOUNT:
            self.gate.close(_account_hold(error.failure))
            return Left(at=self._clock.now(), failure=error.failure)
        now = self._clock.now()
        self._looking.failed(error, now + (retry_after_s(error.retry_after, error.date, now) or 0.0))
        return outcomes.of_read_error(job, error, now, self._dice())

    # --------------------------------------------------------------------------------------------------- collecting

    async def _collect(self, job: Job, berth: Callable[[str], str]) -> Event:
        """Fetch the outputs that are not on disk yet. A stop lets it go on for a while."""
        task = asyncio.current_task()
        if task is not None and task in self._tasks:
            self._collecting.add(task)
        if self._keeping is not None:
            self._keeping.make_room(job)
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
        try:
            fetched = await asyncio.gather(*(self._downloader.fetch(spec) for spec in specs))
        finally:
            if task is not None:
                self._collecting.discard(task)
        return outcomes.of_downloads(job, fetched, self._clock.now(), self._dice())


async def _uncut(commit: Coroutine[Any, Any, None]) -> None:
    """Await a commit to its end, also where this is cancelled meanwhile; then the cancellation goes on.

    A timeout of the POST must not part what is known from what is on the disk, however slow that is.
    """
    task = asyncio.create_task(commit, name="intent")
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        if (error := task.exception()) is not None:  # nothing is on the disk: that is what to tell
            raise error from None
        raise


def _is_of_an_earlier_run(job: Job) -> bool:
    """Whether an earlier run left something behind that this one forgets: waits, tries, URLs, a hold."""
    has_old_urls = job.state is JobState.RESULT_KNOWN and not job.is_stale
    waited = bool(job.is_left or job.tries or job.ready_at or job.polled_at)
    return waited or has_old_urls or job.state is JobState.HELD


def _says_no(error: ApiError) -> bool:
    """Whether `/result` was answered, but not as it should be for a request that may be unfinished."""
    return error.is_missing or error.failure.code.startswith("http_4")


def _account_hold(failure: Failure) -> Hold:
    message = f"RunComfy refused the account: {failure.message}. Mend the token or top up, then run the same command."
    return Hold(because="account", exit_code=ExitCode.NO_PERMISSION, message=message)
