"""Where every paid POST waits until it may leave.

The gate keeps the values of `rules.pacing` and `rules.budget` and asks them; it decides nothing itself. A job *enters*
before its POST and is *through* after it; what its request then occupies is read from its state, so that requests of an
earlier run count as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from runner.errors import ExitCode
from runner.model import FailureKind, Job, JobState, Money
from runner.rules import pacing
from runner.rules.budget import Budget, Refused, reserve, settle
from runner.rules.pacing import Brake, BrakeState, Go, NotBefore, Pacing, may_submit
from runner.scheduler.clock import Clock
from runner.scheduler.holds import Hold, bug_found, limit_reached
from runner.scheduler.looking import Looking

log = logging.getLogger("runner")


class SubmitGate:
    """Lets paid POSTs through, one decision at a time. Belongs to one event loop."""

    def __init__(
        self,
        clock: Clock,
        paced: Pacing,
        budget: Budget,
        looking: Looking,
        probe: Callable[[], Awaitable[bool]],
        settings: Outage,
        on_stop: Callable[[str, str], None] = lambda _, __: None,
        least: Money | None = None,
    ) -> None:
        """`on_stop` is called with a word and a sentence whenever something keeps paid POSTs from leaving.

        `least` is the price of the cheapest job of the run.
        """
        self.pacing = paced
        self.brake = Brake()
        self.budget = budget
        self.hold: Hold | None = None
        self.is_paused = False
        self._clock = clock
        self._looking = looking
        self._probe = probe
        self._settings = settings
        self._on_stop = on_stop
        self._claims: dict[str, Money | None] = {}
        self._occupied: set[str] = set()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._probing: asyncio.Task[None] | None = None
        self._least = least
        self.passed_over = 0
        """Jobs that cost more than is left, while others do not."""
        self.allowed = paced.ceiling
        """The most in flight that the run began with: no later word raises it."""

    # --------------------------------------------------------------------------------------------------- who waits

    @property
    def has_room(self) -> bool:
        """Whether one more job should be started: a slot is free and nobody waits for it."""
        verdict = self._verdict()
        return self._waiting == 0 and not isinstance(verdict, pacing.Full)

    async def enter(self, job_id: str, price: Money | None) -> bool:
        """Wait until the job's POST may leave, and set its price aside.

        `False` once the run is held, or where the job is passed over.
        """
        self._waiting += 1
        try:
            while self.hold is None:
                verdict, passed_over = self._verdict(), self.passed_over
                if isinstance(verdict, Go) and self._claim(job_id, price):
                    return True
                if self.passed_over > passed_over:
                    return False
                if self.hold is None:  # the claim itself may have closed the gate: nobody would wake us any more
                    await self.wait(verdict.at if isinstance(verdict, NotBefore) else None)
        finally:
            self._waiting -= 1
        return False

    def through(self, job_id: str) -> None:
        """The POST is over, however it ended: what it occupies is in the job's state now."""
        self._claims.pop(job_id, None)
        self.notify()

    async def wait(self, until: float | None = None) -> None:
        """Return when something changed, or at the instant `until`."""
        changed = self._changed
        timeout = None if until is None else max(0.0, until - self._clock.now())
        try:
            async with asyncio.timeout(timeout):
                await changed.wait()
        except TimeoutError:
            pass

    def notify(self) -> None:
        """Wake everyone who waits, to look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    # ------------------------------------------------------------------------------------------------ what happened

    def moved(self, before: Job | None, after: Job) -> None:
        """A job changed: its slot and its money with it. `before` is `None` for a job taken over from the state."""
        if before is not None and (before.state, after.state) == (JobState.SUBMITTED, JobState.RESULT_KNOWN):
            is_crowded = self._looking.is_crowded
            self.pacing = pacing.finished(self.pacing, in_flight=self.in_flight, is_crowded=is_crowded)
        if occupies_slot(after):
            self._occupied.add(after.job_id)
        else:
            self._occupied.discard(after.job_id)
        if before is not None and before.attempts is not after.attempts:
            self.budget = settle(self.budget, before.attempts, after.attempts)
        self.notify()

    def vacate(self, job_id: str) -> None:
        """Nobody watches the job any more: its slot serves another one. Its money stays as its state says."""
        self._occupied.discard(job_id)
        self.notify()

    def answered(self, kind: FailureKind | None, retry_at: float) -> None:
        """A POST was answered in full: accepted (`None`) or refused, and why."""
        self.brake = pacing.after_answer(self.brake)
        if kind is FailureKind.THROTTLED:
            self.pacing = pacing.throttled(self.pacing, self._clock.now(), retry_at)
        self.notify()

    def doubted(self) -> None:
        """A POST's outcome is unknown."""
        self._set_brake(pacing.after_doubt(self.brake, self._clock.now(), self.pacing.cap))

    def unsent(self) -> None:
        """A POST did not leave."""
        self._set_brake(pacing.after_unsent(self.brake, self._clock.now()))

    def narrow(self) -> None:
        """This machine cannot have so many requests in flight."""
        now = self._clock.now()
        if now >= self.pacing.window_until:
            self.pacing = pacing.cut(self.pacing, now)
        self.notify()

    def pause(self, *, is_paused: bool) -> None:
        """Let no POST leave until another word; those of which a byte has left go on to their ends."""
        self.is_paused = is_paused
        self.notify()

    def limit(self, most: int) -> None:
        """At most so many in flight from now on, and never more than the run was allowed when it began."""
        self.pacing = pacing.capped(self.pacing, most, self.allowed)
        self.notify()

    @property
    def may_send(self) -> bool:
        """Whether a POST that has its claim may still leave: asked once it is connected, before its first byte."""
        return self.hold is None and not self.is_paused

    def close(self, hold: Hold) -> None:
        """Hold the run. The first reason stays, but an immediate one overrides one that is not."""
        if self.hold is None or (hold.is_immediate and not self.hold.is_immediate):
            self.hold = hold
            self._on_stop(hold.because, hold.message)
        self.notify()

    async def aclose(self) -> None:
        """End the probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    # ------------------------------------------------------------------------------------------------------ helpers

    @property
    def in_flight(self) -> int:
        """Requests accepted and not finished, and those being submitted."""
        return len(self._occupied | self._claims.keys())

    def _verdict(self) -> Go | NotBefore | pacing.Full:
        return may_submit(
            self.pacing,
            self.brake,
            in_flight=self.in_flight,
            submitting=len(self._claims),
            ahead=self._looking.ahead(self.pacing.cap),
            is_paused=self.is_paused,
            now=self._clock.now(),
        )

    def _claim(self, job_id: str, price: Money | None) -> bool:
        claimed = sum(claim or 0 for claim in self._claims.values())
        answer = reserve(replace(self.budget, reserved=Money(self.budget.reserved + claimed)), price)
        if isinstance(answer, Refused):
            if self.in_flight == 0:  # nothing can come free any more
                self._refuse(answer)
            return False
        self._claims[job_id] = price
        return True

    def _refuse(self, answer: Refused) -> None:
        """A price that does not fit: others may."""
        if answer.needed is None or self._least is None or self.budget.likely(self._least) > answer.left:
            self.close(limit_reached(self.budget))
        else:
            self.passed_over += 1

    def _set_brake(self, brake: Brake) -> None:
        if brake.state is BrakeState.ON and self.brake.state is not BrakeState.ON:
            self._on_stop("brake", f"{brake.reason}; nothing is submitted until free probes say that it is back")
        self.brake = brake
        if brake.state is BrakeState.ON and (self._probing is None or self._probing.done()):
            self._probing = asyncio.create_task(self._probe_until_back(), name="probe")
            self._probing.add_done_callback(self._probed)
        self.notify()

    def _probed(self, task: asyncio.Task[None]) -> None:
        """A probing that died would never release the brake, and everybody would wait for it."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("probing crashed", exc_info=error)
            self.close(bug_found(error))

    async def _probe_until_back(self) -> None:
        """Look with free calls whether the service is back; give the run up after long enough."""
        probes = 0
        while self.brake.state is BrakeState.ON and self.hold is None:
            now = self._clock.now()
            if now - self.brake.since > self._settings.patience_s:
                minutes = self._settings.patience_s / 60
                message = f"{self.brake.reason} for {minutes:.0f} minutes; the same command goes on"
                self.close(Hold(because="unavailable", exit_code=ExitCode.UNAVAILABLE, message=message))
                return
            gap_s = pacing.probe_gap_s(self.brake, probes, self._settings.probe_gap_s)
            await self._clock.sleep_until(max(now + gap_s, self.brake.rest_until))
            is_good = await self._probe()
            probes += 1
            self.brake = pacing.after_probe(self.brake, is_good=is_good)
            self.notify()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """How an outage is met; durations in seconds."""

    probe_gap_s: float = 2.0
    patience_s: float = 3 * 3600.0


def occupies_slot(job: Job) -> bool:
    """Whether the job's request may be running at the service and is watched by this run."""
    return job.state in (JobState.SUBMITTING, JobState.SUBMITTED) and not job.is_left
