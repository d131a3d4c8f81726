"""A run in numbers, in the text format of Prometheus; nothing in it says whose run it is or what it is about."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runner.model import JobState, Money, in_usd

BOUNDS_S: Final = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
STALLED_S: Final = 1800.0
"""So long may a request take before a run gives it up: where nothing went on for longer, something is wrong."""


@dataclass(slots=True)
class Histogram:
    """How long jobs took, from their acceptance to their end."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))
    sum_s: float = 0.0

    def observe(self, seconds: float) -> None:
        """One more job."""
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How a run stands; money in micro-USD, instants in seconds since the epoch."""

    states: Mapping[JobState, int]
    spent: Money
    reserved: Money
    unknown_costs: int
    in_flight: int
    progressed_at: float
    """When a job last went on to another state."""
    seconds: Histogram
    cap: int | None = None
    """The most that may be in flight, where this process knows."""
    is_paused: bool = False
    trouble: str | None = None
    """Why it does not go on: `held`, or `killed` for a run that ended without a word."""
    is_over: bool = False

    def health(self, now: float) -> tuple[bool, str]:
        """Whether it is well, and a word for it. A run that a person paused is well, and so is one that has ended."""
        if self.is_over:
            return True, "ended"
        if self.trouble is not None:
            return False, self.trouble
        if self.is_paused:
            return True, "paused"
        is_stalled = now - self.progressed_at > STALLED_S
        return not is_stalled, "stalled" if is_stalled else "live"


def as_text(figures: Figures) -> str:
    """The figures, a line each, with a word about what each is."""
    return "".join(f"{line}\n" for line in _lines(figures))


def _lines(figures: Figures) -> Iterator[str]:
    def one(name: str, kind: str, text: str, *samples: tuple[str, float]) -> Iterator[str]:
        yield f"# HELP runcomfy_batch_{name} {text}"
        yield f"# TYPE runcomfy_batch_{name} {kind}"
        yield from (f"runcomfy_batch_{name}{labels} {number:.15g}" for labels, number in samples)

    states = [(f'{{state="{_escaped(state)}"}}', figures.states.get(state, 0)) for state in JobState]
    yield from one("jobs", "gauge", "Jobs by state.", *states)
    in_flight = ("", figures.in_flight)
    yield from one("in_flight", "gauge", "Requests that are being submitted or are at the service.", in_flight)
    if figures.cap is not None:
        yield from one("max_in_flight", "gauge", "The most requests that may be in flight now.", ("", figures.cap))
        yield from one("paused", "gauge", "1 while a person has paused the run.", ("", figures.is_paused))
    spent, reserved = float(in_usd(figures.spent)), float(in_usd(figures.reserved))
    yield from one("cost_usd_total", "counter", "USD spent in this run directory, as the service says.", ("", spent))
    yield from one("reserved_usd", "gauge", "USD set aside for requests whose cost is not known yet.", ("", reserved))
    unknown = ("", figures.unknown_costs)
    yield from one("unknown_costs", "gauge", "Attempts or jobs whose cost the service has not named.", unknown)
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), figures.seconds.counts, strict=True):
        total += count
        buckets.append((f'_bucket{{le="{bound}"}}', float(total)))
    sums = (("_sum", figures.seconds.sum_s), ("_count", float(total)))
    text = "Seconds from acceptance to the end of jobs that are done."
    yield from one("job_seconds", "histogram", text, *buckets, *sums)
    at = ("", figures.progressed_at)
    yield from one("last_progress_timestamp_seconds", "gauge", "When a job last went on to another state.", at)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def write_to(path: Path, figures: Figures) -> None:
    """Put the figures in the place of the file, whole: a collector never reads half of them. Raises `OSError`."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(as_text(figures), "utf-8")
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
