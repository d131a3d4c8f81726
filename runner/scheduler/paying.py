"""The paid section: intent, POST, outcome, each on the disk before the next.

Each job's is a task of its own, which neither the cancellation of the job's nor the end of the program reaches, so that
a POST in flight is awaited to its outcome, and the outcome is always recorded.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from runner.api.client import RunComfy
from runner.api.wire import Accepted
from runner.errors import ExitCode, StorageFailed
from runner.media.photos import Spoilt, payload_of
from runner.model import (
    Event,
    Failure,
    FailureKind,
    InputSpoilt,
    Job,
    JobSpec,
    JobState,
    Money,
    SubmitAccepted,
    SubmitHeld,
    SubmitIntended,
    SubmitLost,
    SubmitNotSent,
    SubmitRejected,
    SubmitThrottled,
    canonical,
)
from runner.scheduler import outcomes
from runner.scheduler.clock import Clock
from runner.scheduler.gate import SubmitGate
from runner.scheduler.holds import Hold, account_refused, disk_failed
from runner.scheduler.looking import Looking
from runner.scheduler.recording import Recording
from runner.scheduler.tasks import Undisturbed, uncut
from runner.store.store import IdTaken

log = logging.getLogger("runner")

CUT_OFF: Final = Failure(
    kind=FailureKind.TRANSIENT, code="cut_off", message="the run was to end at once, and the POST was not answered yet"
)


class HeldBack(Exception):
    """The run was stopped or paused between the connection and the first byte: the POST does not leave."""


class Paying:
    """Sends the paid POSTs of one run.

    `check_place` raises `StorageFailed` where no picture could be written; `crashed` is told of a bug in one job.
    """

    def __init__(
        self,
        *,
        api: RunComfy,
        gate: SubmitGate,
        looking: Looking,
        recording: Recording,
        clock: Clock,
        dice: Callable[[], float],
        price_of: Callable[[JobSpec], Money | None],
        check_place: Callable[[], None],
        crashed: Callable[[str, Exception], Awaitable[None]],
    ) -> None:
        self._api = api
        self._gate = gate
        self._looking = looking
        self._recording = recording
        self._clock = clock
        self._dice = dice
        self._price_of = price_of
        self._check_place = check_place
        self._crashed = crashed
        self.under_way: set[asyncio.Task[Job | None]] = set()
        """The paid sections that have begun and are not over."""

    async def pay(self, job: Job) -> Job | None:
        """The job after its POST, once the gate let it through; `None` where the run is held."""
        price = self._price_of(job.spec)
        if not await self._gate.enter(job.job_id, price):
            return None
        task = Undisturbed(self._submit(job, price), loop=asyncio.get_running_loop(), name=f"submit:{job.job_id}")
        self.under_way.add(task)
        task.add_done_callback(self._submitted)
        return await asyncio.shield(task)

    def _submitted(self, task: asyncio.Task[Job | None]) -> None:
        """Its failure reaches the run also where the job's own task is gone."""
        self.under_way.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), StorageFailed):
            self._gate.close(disk_failed(error))

    async def _submit(self, job: Job, price: Money | None) -> Job | None:
        """The paid section. Its task may outlive the job's own, so it answers for its bugs itself."""
        try:
            event, job = await self._send(job, price)
        except HeldBack:
            return job if self._gate.hold is None else None  # after a pause it waits at the gate once more
        except StorageFailed:
            raise
        except Exception as error:  # noqa: BLE001 a bug of ours in one job: nobody may be left who waits for it
            await self._crashed(job.job_id, error)
            return None
        finally:
            self._gate.through(job.job_id)
        self._weigh(event)
        return job

    async def _send(self, job: Job, price: Money | None) -> tuple[Event, Job]:
        """What happened last, and the job after it."""
        try:
            payload = await asyncio.to_thread(payload_of, job.spec) if job.spec.files else canonical(job.spec.inputs)
        except Spoilt as spoilt:
            log.warning("input spoilt", extra={"job_id": job.job_id, "why": spoilt.failure.message})
            refused = InputSpoilt(at=self._clock.now(), failure=spoilt.failure)
            return refused, await self._recording.record(job, refused)
        digest = hashlib.sha256(payload).hexdigest()

        async def before_send() -> None:
            if not self._gate.may_send:
                raise HeldBack
            self._check_place()
            await uncut(intend())

        async def intend() -> None:
            nonlocal job
            intent = SubmitIntended(at=self._clock.now(), payload_sha256=digest, reserved=price)
            job = await self._recording.record(job, intent)

        try:
            reply = await self._api.submit(job.spec.model, payload, before_send)
        except asyncio.CancelledError:
            if job.state is JobState.SUBMITTING:
                await self._recording.record(job, SubmitLost(at=self._clock.now(), failure=CUT_OFF))
            raise
        try:
            sight = self._looking.sight_of_submit(job, self._gate.pacing.cap)
            event = outcomes.of_submit(job, reply, sight, self._clock.now(), self._dice())
            return event, await self._recording.record(job, event)
        except IdTaken as taken:
            event = outcomes.of_taken_id(taken.request_id, taken.owner, self._clock.now())
            return event, await self._recording.record(job, event)
        except Exception as error:
            if isinstance(reply, Accepted):  # the last places where the id of a paid request can be kept
                log.critical("REQUEST NOT SAVED", extra={"job_id": job.job_id, "request_id": reply.request_id})
                error.add_note(f"the service named the request id {reply.request_id}")
            raise

    def _weigh(self, event: Event) -> None:
        """What a submit's outcome means for the submits after it."""
        match event:
            case SubmitAccepted():
                self._gate.answered(None, 0.0)
            case SubmitThrottled(retry_at=retry_at):
                self._gate.answered(FailureKind.THROTTLED, retry_at)
            case SubmitHeld(failure=failure):
                self._gate.answered(FailureKind.ACCOUNT, 0.0)
                self._gate.close(account_refused(failure))
            case SubmitRejected(failure=failure):
                self._gate.answered(FailureKind.INPUT, 0.0)
                if failure.code == "wrong_model":  # true of every other job of that model
                    message = f"the service does not know the model: {failure.message}"
                    self._gate.close(Hold(because="wrong_model", exit_code=ExitCode.CONFIGURATION, message=message))
            case SubmitLost():
                self._gate.doubted()
            case SubmitNotSent(failure=failure) if failure.code == "short_of":
                self._gate.narrow()
            case SubmitNotSent(failure=failure):
                self._gate.unsent()
                if failure.code == "tls":  # never weakened: a person looks
                    self._gate.close(Hold(because="tls", exit_code=ExitCode.CONFIGURATION, message=failure.message))
