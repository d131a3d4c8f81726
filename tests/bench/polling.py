"""How soon an end is noticed, and how many looks that takes: the real rules in simulated time, then over HTTP.

    python tests/bench/polling.py

`÷ ideal` is the time of the whole batch, as a share of what it would be if each end were noticed at once and the next
job were there at once. A look is a question whether a request is finished; a call is a look or the reading of a result.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import io
import json
import math
import random
import sqlite3
import sys
import tempfile
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.tables import table

import runner
from runner.model import RemoteState, RemoteStatus
from runner.rules import pacing, polling
from runner.rules.pacing import Brake, Go
from runner.simulator import Simulator, SimulatorSettings
from runner.simulator import files as simulator_files

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
    gaps = dict.fromkeys(("first_s", "blind_s", "longest_first_s", "shortest_s", "tail_s"), gap_s)
    return polling.Polling(**gaps, **dict.fromkeys(("blind_step", "step", "loose_step", "late_step", "tail_step"), 0.0))


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
    slots: float
    """The service's own parallelism; what is more waits in its queue."""
    paced: pacing.Pacing
    settings: polling.Polling
    refuses_above: float = math.inf
    """Requests in flight with which the service answers 429."""
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
        self.pace = polling.UNKNOWN
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
            pace=self.pace,
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
        self.submit_all()

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


def play(kind, paced, *, jobs, settings=None, slots=None, seeds=3, **more):
    """Some batches of one sort; the means of ÷ ideal, looks and calls a job, peak ÷ cap, and 429s a job."""
    rows = []
    for seed in range(seeds):
        dice = random.Random(f"durations {seed}")
        durations = [kind(dice, n / jobs) for n in range(jobs)]
        room = min(slots or math.inf, more.get("refuses_above", math.inf))
        night = Night(durations, slots or math.inf, paced, settings or polling.Polling(), seed=seed, **more)
        night.run()
        best = ideal_s(durations, min(room, paced.ceiling))
        counts = (night.looks / jobs, night.calls / jobs, night.peak / paced.ceiling, night.refusals / jobs)
        rows.append((night.now / best, *counts))
    return tuple(fmean(column) for column in zip(*rows, strict=True))


def ahead(cap):
    """Lookahead at a cap that is found already."""
    return replace(pacing.searching(cap), cap=cap, is_searching=False)


def simulated(jobs, seeds):
    """All of the table, with the rules that the scheduler asks."""
    strict, found = pacing.strict(CAP), pacing.searching(CAP)
    free, queue = f"{CAP} slots free", f"queues, {CAP // 4} run"
    kinds = {"lognormal": lognormal, "bimodal": bimodal, "drift": drift}
    cases = [
        *((f"a look every {gap:g} s", "lognormal", free, strict, {"settings": fixed(gap)}) for gap in (0.5, 2.0, 5.0)),
        *((f"--concurrency {CAP}", kind, free, strict, {}) for kind in kinds),
        *((f"--concurrency {CAP}", kind, queue, strict, {"slots": CAP // 4}) for kind in kinds),
        *((f"lookahead at {CAP}", kind, free, ahead(CAP), {}) for kind in kinds),
        *((f"found, from 8 to {CAP}", "lognormal", f"queues, {n} run", found, {"slots": n}) for n in (4, 16, 48)),
        (f"found, from 8 to {CAP}", "lognormal", free, found, {}),
        *((f"found, from 8 to {CAP}", "lognormal", f"429 above {n}", found, {"refuses_above": n}) for n in (10, 40)),
    ]
    rows = [
        (who, kind, service, *play(kinds[kind], paced, jobs=jobs, seeds=seeds, **more))
        for who, kind, service, paced, more in cases
    ]
    columns = ["policy", "durations", "service", "÷ ideal", "looks", "calls", "peak ÷ cap", "429s"]
    table(
        f"simulated: {jobs:,} jobs, median {MEDIAN_S:g} s, {ROUND_TRIP_S * 1000:.0f} ms there and back", columns, rows
    )


# ------------------------------------------------------------------------------------------------------------ over HTTP


async def over_http(jobs, latency_s, slots, concurrency):
    """One batch by the whole program against the real simulator; ÷ ideal, calls a job, and the peak in flight."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        image = "https://photos.example.com/mug-red.jpg"
        lines = (json.dumps({"prompt": f"Take {n}.", "image_urls": [image]}) + "\n" for n in range(jobs))
        (folder / "jobs.jsonl").write_text("".join(lines))
        async with Simulator(SimulatorSettings(slots=slots, latency_s=latency_s)) as simulator:
            given = {"base_url": simulator.api_base, "token": "play-money", "yes": True, "out": folder / "out"}
            await runner.run(folder / "jobs.jsonl", concurrency=concurrency, **given)
            book = simulator.book
        with closing(sqlite3.connect(folder / "out" / "state.db")) as state:
            [(noticed_at,)] = state.execute("SELECT max(finished_at) FROM attempts")
    requests = list(book.requests.values())
    best = ideal_s([request.finish_at - request.start_at for request in requests], min(slots, concurrency or slots))
    return (noticed_at - requests[0].accepted_at) / best, book.polls / jobs, book.peak_in_flight


@contextmanager
def tiny_pictures():
    """The simulator's edits are real work, which is not what is measured here."""
    edit, file = simulator_files.edit, io.BytesIO()
    Image.effect_noise((64, 64), 90).save(file, "PNG")
    simulator_files.edit = lambda inputs, variant, seed: file.getvalue()
    try:
        yield
    finally:
        simulator_files.edit = edit


def real(jobs, latency_s):
    """A few batches over HTTP."""
    cases = [
        (16, 64, "64 slots free"),
        (16, 4, "queues, 4 run"),
        (None, 16, "queues, 16 run"),
        (None, 64, "64 slots free"),
    ]
    with tiny_pictures():
        rows = [
            (_policy(given), service, *asyncio.run(over_http(jobs, latency_s, slots, given)))
            for given, slots, service in cases
        ]
    title = f"over HTTP, the whole program: {jobs:,} jobs, median {latency_s:g} s"
    table(title, ["policy", "service", "÷ ideal", "calls", "peak in flight"], rows)


def _policy(concurrency):
    return f"--concurrency {concurrency}" if concurrency else "found, from 8"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--http-jobs", type=int, default=160)
    parser.add_argument("--http-latency", type=float, default=4.0)
    arguments = parser.parse_args()
    simulated(arguments.jobs, arguments.seeds)
    real(arguments.http_jobs, arguments.http_latency)


if __name__ == "__main__":
    main()
