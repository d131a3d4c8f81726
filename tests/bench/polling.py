"""How soon an end is noticed, and how many looks that takes: the real rules in simulated time, then over HTTP.

    python tests/bench/polling.py

`÷ ideal` is the time of the whole batch, as a share of what it would be if each end were noticed at once and the next
job were there at once. A look is a question whether a request is finished; a call is a look or the reading of a result.
"""

from __future__ import annotations

import heapq
import math
import random
import sys
import time
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))


from runner.model import RemoteState, RemoteStatus
from runner.rules import pacing, polling
from runner.rules.pacing import Brake, Go

JOBS = 2000
CAP = 64
MEDIAN_S = 8.0
ROUND_TRIP_S = 0.02


# ------------------------------------------------------------------------------------------------- what a service does


def lognormal(dice, _):
    """Most near the median, some twice as long."""
    return MEDIAN_S * dice.lognormvariate(0, 0.35)


def bimodal(dice, _):
    """Two kinds of job in one model."""
    return (MEDIAN_S / 2 if dice.random() < 0.7 else 3 * MEDIAN_S) * dice.lognormvariate(0, 0.15)


def drift(dice, share):
    """The model becomes three times as slow in the course of the night."""
    return MEDIAN_S * (1 + 2 * share) * dice.lognormvariate(0, 0.35)


def fixed(gap_s):
    """What it is compared with: a look every so often."""
    return polling.Polling(first_s=gap_s, blind_s=gap_s, blind_step=0.0, tail_s=1e9), False


@dataclass(eq=False)
class Request:
    """One job in the simulated service, and what the client knows of it."""

    duration_s: float
    ends_at: float = 0.0
    accepted_at: float = 0.0
    seen_at: float | None = None
    """The last look, in vain."""
    is_sample: bool = False
    planned_at: float = 0.0
    version: int = 0
    """Looks that were planned before a newer plan do not count."""


@dataclass
class Night:
    """One batch in simulated time."""

    durations: list
    slots: int
    """The service's own parallelism; what is more waits in its queue."""
    paced: pacing.Pacing
    settings: polling.Polling = field(default_factory=polling.Polling)
    learns: bool = True
    refuses_above: float = math.inf
    """Requests in flight with which the service answers 429."""
    paces: tuple = (polling.UNKNOWN, polling.UNKNOWN)
    seed: int = 1

    def run(self):
        """The night's account."""
        self.dice = random.Random(f"night {self.seed}")
        self.now, self.looks, self.calls, self.refusals, self.peak = 0.0, 0, 0, 0, 0
        self.events, self.order = [], 0
        self.todo = deque(Request(duration) for duration in self.durations)
        self.flying, self.running, self.line = set(), set(), deque()
        self.submitting = self.taken = 0
        self.is_crowded = False
        self.is_asleep_until = 0.0
        self.pace = self.paces[0]
        self.submit_all()
        while self.events:
            self.now, _, act, arguments = heapq.heappop(self.events)
            act(*arguments)
        return self

    def at(self, when, act, *arguments):
        self.order += 1
        heapq.heappush(self.events, (when, self.order, act, arguments))

    # ------------------------------------------------------------------------------------------------ the service

    def arrive(self, request):
        if len(self.running) + len(self.line) >= self.refuses_above:
            self.at(self.now + ROUND_TRIP_S / 2, self.refused, request)
            return
        self.at(self.now + ROUND_TRIP_S / 2, self.accepted, request)
        request.ends_at = math.inf
        self.line.append(request)
        self.start()

    def start(self):
        while self.line and len(self.running) < self.slots:
            request = self.line.popleft()
            request.ends_at = self.now + request.duration_s
            self.running.add(id(request))
            self.at(request.ends_at, self.end, request)
        self.peak = max(self.peak, len(self.running))

    def end(self, request):
        self.running.discard(id(request))
        self.start()

    # ------------------------------------------------------------------------------------------------- the client

    @property
    def sight(self):
        return polling.Sight(
            polling=self.settings,
            pace=self.pace if self.learns else polling.UNKNOWN,
            is_ahead=not self.paced.is_strict,
            is_crowded=self.is_crowded,
            is_tail=not self.todo,
        )

    def submit_all(self):
        while self.todo:
            in_flight = len(self.flying) + self.submitting
            verdict = pacing.may_submit(
                self.paced,
                Brake(),
                in_flight=in_flight,
                submitting=self.submitting,
                ahead=self.ahead,
                now=self.now,
            )
            if not isinstance(verdict, Go):
                if isinstance(verdict, pacing.NotBefore) and self.is_asleep_until < verdict.at:
                    self.is_asleep_until = verdict.at
                    self.at(verdict.at, self.submit_all)
                return
            request = self.todo.popleft()
            self.submitting += 1
            self.at(self.now + ROUND_TRIP_S / 2, self.arrive, request)
        for request in self.flying:  # the tail begins: what sleeps long is woken
            wake = polling.wake_at(self.sight, accepted_at=request.accepted_at, now=self.now, dice=self.dice.random())
            self.plan(request, wake, only_sooner=True)

    @property
    def ahead(self):
        return 0 if self.is_crowded else polling.margin(self.pace, self.paced.cap)

    def accepted(self, request):
        self.submitting -= 1
        self.flying.add(request)
        request.accepted_at = self.now
        request.is_sample = polling.is_sample(self.taken, self.paced.cap)
        self.taken += 1
        self.plan(request, polling.first_look(replace(self.sight, is_sample=request.is_sample), self.now))

    def refused(self, request):
        self.submitting -= 1
        self.refusals += 1
        self.todo.appendleft(request)
        self.paced = pacing.throttled(self.paced, self.now, self.now + 2.0 * self.dice.random())
        self.submit_all()

    def plan(self, request, when, *, only_sooner=False):
        if only_sooner and when >= request.planned_at:
            return
        request.version += 1
        request.planned_at = when
        self.at(when, self.look, request, request.version)

    def look(self, request, version):
        if version != request.version:
            return
        self.looks += 1
        self.calls += 1
        is_direct = polling.is_likely(self.sight, self.now - request.accepted_at)
        self.at(self.now + ROUND_TRIP_S / 2, self.answer, request, is_direct)

    def answer(self, request, is_direct):
        is_finished = self.now >= request.ends_at
        place = self.line.index(request) if request.ends_at == math.inf else None
        self.at(self.now + ROUND_TRIP_S / 2, self.answered, request, is_finished, place, is_direct)

    def answered(self, request, is_finished, place, is_direct):
        age = self.now - request.accepted_at
        if request.is_sample:
            self.is_crowded, request.is_sample = place is not None, False
        if is_finished:
            self.calls += not is_direct
            low = 0.0 if request.seen_at is None else request.seen_at - request.accepted_at
            self.pace = polling.learnt(self.pace, low, age, call_s=ROUND_TRIP_S, dice=self.dice.random())
            self.at(self.now + (0.0 if is_direct else ROUND_TRIP_S), self.collected, request)
            return
        request.seen_at = self.now
        state = RemoteState.RUNNING if place is None else RemoteState.QUEUED
        status = RemoteStatus(state=state, raw="", queue_position=place)
        dice = self.dice.random()
        look_at = polling.next_look(self.sight, status, accepted_at=request.accepted_at, now=self.now, dice=dice)
        self.plan(request, look_at)

    def collected(self, request):
        in_flight = len(self.flying) + self.submitting
        self.flying.discard(request)
        self.paced = pacing.finished(self.paced, in_flight=in_flight, is_crowded=self.is_crowded)
        self.submit_all()


def ideal_s(durations, slots):
    """The time of a batch whose every end is noticed at once."""
    free = [0.0] * slots
    for duration in durations:
        heapq.heappush(free, heapq.heappop(free) + duration)
    return max(free)


def night(kind, how, *, jobs=JOBS, cap=CAP, slots=None, seed=1, **more):
    """Play one batch; ratio, looks, calls, peak ÷ cap."""
    dice = random.Random(f"durations {seed}")
    durations = [kind(dice, n / jobs) for n in range(jobs)]
    settings, learns = polling.Polling(), True
    if how == "strict":
        paced = pacing.strict(cap)
    elif how == "ahead":
        paced = pacing.Pacing(ceiling=cap, cap=cap, is_strict=False)
    elif how == "found":
        paced = pacing.searching(cap)
    else:
        (settings, learns), paced = how, pacing.strict(cap)
    played = Night(durations, slots or 10**9, paced, settings, learns, seed=seed, **more).run()
    best = ideal_s(durations, min(slots or cap, cap, int(more.get("refuses_above", 10**9))))
    return played.now / best, played.looks / jobs, played.calls / jobs, played.peak / cap, played


if __name__ == "__main__":
    t = time.perf_counter()
    for name, kind in (("lognormal", lognormal), ("bimodal", bimodal), ("drift", drift)):
        for how in ("strict", "ahead"):
            print(name, how, *(round(x, 3) for x in night(kind, how)[:4]))
        print(name, "queue", *(round(x, 3) for x in night(kind, "strict", slots=CAP // 4)[:4]))
        print(name, "queue ahead", *(round(x, 3) for x in night(kind, "ahead", slots=CAP // 4)[:4]))
    print("fixed 2", *(round(x, 3) for x in night(lognormal, fixed(2.0))[:4]))
    for slots in (4, 8, 16, 32, None):
        r = night(lognormal, "found", slots=slots)
        print("found", slots, *(round(x, 3) for x in r[:4]), r[4].paced.cap)
    for above in (4, 10, 20, 40):
        r = night(lognormal, "found", refuses_above=above)
        print("refuses above", above, *(round(x, 3) for x in r[:4]), r[4].paced.cap, r[4].refusals)
    print(time.perf_counter() - t)
