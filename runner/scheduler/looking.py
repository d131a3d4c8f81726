"""When each request is looked at, by what the looks before have taught.

It keeps the values of `rules.polling` and `rules.turns` and asks them; it decides nothing itself. What it learns of a
model is a few numbers in memory: a resume learns them again from the state's events.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from runner.api.wire import ApiError
from runner.model import Event, FailureKind, Job, ReadFailed, RemoteState, ResultRead, StatusSeen
from runner.rules import polling, turns
from runner.rules.polling import UNKNOWN, Pace, Polling, Sight
from runner.rules.turns import Turns
from runner.scheduler.clock import Clock


class Looking:
    """Spaces the looks of a run. Belongs to one event loop."""

    def __init__(
        self,
        clock: Clock,
        dice: Callable[[], float],
        settings: Polling,
        noticed: Iterable[tuple[str, float]],
        *,
        is_ahead: bool,
    ) -> None:
        """`noticed`: models, and after how many seconds earlier runs noticed the ends of their requests."""
        self.is_crowded = False
        """Whether the latest sample waited in the service's queue."""
        self.answers_early = True
        """Whether `/result` answers with the state while a request is unfinished, as it should."""
        self._clock = clock
        self._dice = dice
        self._settings = settings
        self._is_ahead = is_ahead
        self._began_at = clock.now()
        self._paces, self._lag = _remembered(settings, noticed, dice)
        self._turns = Turns()
        self._submits = 0
        self._samples: set[str] = set()
        self._tail = asyncio.Event()

    # ------------------------------------------------------------------------------------------------- what is known

    def sight(self, job: Job) -> Sight:
        """What the next look at the job goes by."""
        return Sight(
            polling=self._settings,
            pace=self._paces.get(job.spec.model, UNKNOWN),
            is_ahead=self._is_ahead,
            is_crowded=self.is_crowded,
            is_tail=self._tail.is_set(),
            is_sample=job.job_id in self._samples,
        )

    def sight_of_submit(self, job: Job, cap: int) -> Sight:
        """The same for the first look; now and then it is an early one."""
        if polling.is_sample(self._submits, cap):
            self._samples.add(job.job_id)
        self._submits += 1
        return self.sight(job)

    def ahead(self, cap: int) -> int:
        """How many of those in flight are finished and not noticed yet."""
        return 0 if self.is_crowded else polling.margin(self._lag, cap)

    def is_likely(self, job: Job) -> bool:
        """Whether a look at the job is likely to find its end."""
        accepted_at = job.submitted_at
        return (
            self.answers_early
            and accepted_at is not None
            and polling.is_likely(self.sight(job), self._clock.now() - accepted_at)
        )

    # -------------------------------------------------------------------------------------------------------- waiting

    async def wait(self, job: Job, until: float) -> bool:
        """Wait for the job's next look; `False` where the tail began meanwhile, and it is due sooner."""
        if not self._tail.is_set():
            try:
                async with asyncio.timeout(max(0.0, until - self._clock.now())):
                    await self._tail.wait()
            except TimeoutError:
                return True
            now = self._clock.now()
            accepted_at = job.submitted_at or now
            sooner = polling.wake_at(self.sight(job), accepted_at=accepted_at, now=now, dice=self._dice())
            if sooner < until:
                await self._clock.sleep_until(sooner)
                return False
        await self._clock.sleep_until(until)
        return True

    async def turn(self) -> None:
        """Wait for the turn to make a free call."""
        now = self._clock.now()
        self._turns, at = turns.taken(self._turns, now)
        if at > now:
            await self._clock.sleep_until(at)

    def begin_tail(self) -> None:
        """Nothing is left to submit: from now on somebody waits for each end."""
        self._tail.set()

    # ------------------------------------------------------------------------------------------------------- learning

    def saw(self, before: Job, event: Event, asked_at: float) -> None:
        """A look came back: what it teaches."""
        is_queued = isinstance(event, StatusSeen) and event.status.state is RemoteState.QUEUED
        if before.job_id in self._samples and not isinstance(event, ReadFailed):
            self._samples.discard(before.job_id)
            self.is_crowded = is_queued
        is_seen = isinstance(event, StatusSeen) and event.status.state is RemoteState.COMPLETED
        if is_seen or isinstance(event, ResultRead):
            self._learn(before, event.at, event.at - asked_at)

    def failed(self, error: ApiError, until: float) -> None:
        """A free call did not work; where it was one too many, all calls are made more slowly."""
        if error.failure.kind is FailureKind.THROTTLED:
            self._turns = turns.refused(self._turns, self._clock.now(), until)

    def _learn(self, job: Job, noticed_at: float, call_s: float) -> None:
        accepted_at = job.submitted_at
        if accepted_at is None or job.failure is not None:  # the look before was none
            return
        if job.polled_at is None and accepted_at < self._began_at:  # it may have ended while nobody looked
            return
        low_s = max(0.0, (job.polled_at or accepted_at) - accepted_at)
        high_s = max(low_s, noticed_at - accepted_at)
        call = {"call_s": call_s, "dice": self._dice()}
        self._lag = polling.learnt(self._lag, low_s, high_s, **call)
        pace = self._paces.get(job.spec.model, UNKNOWN)
        self._paces[job.spec.model] = polling.learnt(pace, low_s, high_s, **call)


def _remembered(
    settings: Polling, noticed: Iterable[tuple[str, float]], dice: Callable[[], float]
) -> tuple[dict[str, Pace], Pace]:
    """The pace of each model, and of all together."""
    by_model: Mapping[str, list[tuple[float, float]]] = defaultdict(list)
    everything = []
    for model, seconds in noticed:
        by_model[model].append((seconds, dice()))
        everything.append((seconds, dice()))
    paces = {model: polling.remembered(settings, pairs) for model, pairs in by_model.items()}
    return paces, polling.remembered(settings, everything)
