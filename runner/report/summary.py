"""summary.json: counts, money and times of a run directory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from runner.model import AttemptState, Job, JobState, Money, Run, counted, dollars, in_usd

OPEN_ATTEMPTS = (AttemptState.IN_DOUBT, AttemptState.INTENT)
TAKEN_ATTEMPTS = (AttemptState.ACCEPTED, AttemptState.FINISHED, AttemptState.RELEASED, AttemptState.WRITTEN_OFF)
"""Taken by the service, or perhaps: a doubt that a person settled may still be on the bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The content of summary.json as a value; money in micro-USD, instants in seconds since the epoch."""

    run: Run
    counts: dict[JobState, int]
    images: int
    spent: Money
    reserved_in_doubt: Money
    unknown_jobs: int

    @property
    def jobs(self) -> int:
        """How many jobs there are."""
        return sum(self.counts.values())

    @property
    def bill(self) -> str:
        """The money in a sentence's words: what is spent, set aside, and not known."""
        parts = [f"spent {dollars(self.spent)}"]
        if self.reserved_in_doubt:
            parts.append(f"{dollars(self.reserved_in_doubt)} set aside for jobs in doubt")
        if self.unknown_jobs:
            parts.append(f"cost of {counted(self.unknown_jobs, 'job')} unknown")
        return ", ".join(parts) + (" (play money)" if self.run.is_simulated else "")

    def as_dict(self) -> dict[str, Any]:
        """The document, its field names part of the contract."""
        run = self.run
        return {
            "run_id": run.run_id,
            "manifest": run.manifest,
            "counts": {str(state): count for state, count in self.counts.items()},
            "jobs": self.jobs,
            "images": self.images,
            "cost_usd": {
                "spent": usd(self.spent),
                "reserved_in_doubt": usd(self.reserved_in_doubt),
                "unknown_jobs": self.unknown_jobs,
            },
            "started_at": iso(run.started_at),
            "finished_at": iso(run.finished_at),
            "duration_s": None if run.finished_at is None else round(run.finished_at - run.started_at, 3),
            "exit_code": run.exit_code,
            "stopped_because": run.stopped_because,
            "api_base": run.api_base,
            "simulated": run.is_simulated,
        }


class Part(NamedTuple):
    """What one job adds to a summary."""

    state: JobState
    images: int
    spent: int
    reserved: int
    is_unknown: bool
    trouble: tuple[str, str, JobState] | None
    """Why it is not done, where there is a reason: kind, code and state, by which failures are grouped."""


def part_of(job: Job) -> Part:
    """The job's part."""
    failure = job.failure
    return Part(
        state=job.state,
        images=len(job.artifacts),
        spent=sum(attempt.cost or 0 for attempt in job.attempts),
        reserved=sum(attempt.reserved or 0 for attempt in job.attempts if attempt.state in OPEN_ATTEMPTS),
        is_unknown=has_unknown_cost(job),
        trouble=None if failure is None or job.state is JobState.DONE else (str(failure.kind), failure.code, job.state),
    )


class Totals:
    """The parts of all jobs together; a job that changed is taken out as it was and put in as it is."""

    def __init__(self) -> None:
        self.troubles: Counter[tuple[str, str, JobState]] = Counter()
        self._states: Counter[JobState] = Counter()
        self._images = self._spent = self._reserved = self._unknown = 0

    def add(self, part: Part, sign: int = 1) -> None:
        """Put a part in, or with the sign -1 take it out."""
        self._states[part.state] += sign
        self._images += sign * part.images
        self._spent += sign * part.spent
        self._reserved += sign * part.reserved
        self._unknown += sign * part.is_unknown
        if part.trouble is not None:
            self.troubles[part.trouble] += sign

    def summary(self, run: Run) -> Summary:
        """The summary of a run over these jobs."""
        return Summary(
            run=run,
            counts={state: self._states[state] for state in JobState if self._states[state]},
            images=self._images,
            spent=Money(self._spent),
            reserved_in_doubt=Money(self._reserved),
            unknown_jobs=self._unknown,
        )


def summarize(run: Run, jobs: Iterable[Job]) -> Summary:
    """Count the jobs; one pass."""
    totals = Totals()
    for job in jobs:
        totals.add(part_of(job))
    return totals.summary(run)


def has_unknown_cost(job: Job) -> bool:
    """Whether the service took an attempt of the job, or may have, and its price is not known."""
    return any(
        attempt.cost is None
        and (attempt.state in TAKEN_ATTEMPTS or (attempt.state in OPEN_ATTEMPTS and attempt.reserved is None))
        for attempt in job.attempts
    )


def usd(amount: Money) -> float:
    """Decimal USD as a JSON number; six decimals are exact in a double up to a billion."""
    return float(in_usd(amount))


def iso(instant: float | None) -> str | None:
    """The instant in ISO 8601, UTC."""
    if instant is None:
        return None
    seconds, fraction = divmod(round(instant * 1_000_000), 1_000_000)
    return f"{_second(seconds)}.{fraction // 1000:03d}Z"


@lru_cache(4096)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
