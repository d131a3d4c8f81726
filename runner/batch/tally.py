"""Counts a run's jobs as they move, for the progress display and for whoever listens."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from runner.live.figures import Figures, Histogram
from runner.model import Attempt, AttemptState, Failure, Job, JobState, Money
from runner.progress import Progress, Tally
from runner.report.results import duration_s
from runner.scheduler.gate import SubmitGate
from runner.store.traces import MOVED

log = logging.getLogger("runner")

BAD = (JobState.FAILED, JobState.REJECTED, JobState.CANCELLED, JobState.OUTPUT_LOST)
OPEN = (JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT_KNOWN)


class Tallier:
    """Keeps a `Tally` current at the price of one subtraction an event."""

    def __init__(
        self,
        progress: Progress | None,
        on_job: Callable[[Job], None] | None,
        on_bad: Callable[[Job], None] = lambda _: None,
    ) -> None:
        """`on_job` is called with each job that ends, `on_bad` with each that ends badly or is in doubt."""
        self._progress = progress
        self._on_job = on_job
        self._on_bad = on_bad
        self._states: Counter[JobState] = Counter()
        self._unknown_costs = 0
        self._gate: SubmitGate | None = None
        self._seconds = Histogram()
        self._progressed_at = time.time()
        self._is_over = False

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state that occurs, by its word."""
        return {str(state): self._states[state] for state in JobState if self._states[state]}

    def begin(self, states: Mapping[JobState, int], attempts: Iterable[tuple[Attempt, int]], gate: SubmitGate) -> None:
        """What there is: jobs by state, and attempts with the number of those that are alike."""
        self._gate = gate
        self._states.update(states)
        self._unknown_costs = sum(count for attempt, count in attempts if _has_unknown_cost(attempt))
        self._show()

    def moved(self, before: Job | None, after: Job) -> None:
        """A job changed."""
        if before is not None and before.state is not after.state:
            self._states[before.state] -= 1
            self._states[after.state] += 1
            self._progressed_at = time.time()
            if after.state is JobState.DONE and (seconds := duration_s(after)) is not None:
                self._seconds.observe(seconds)
            self._tell(after)
        if before is not None:
            self._unknown_costs += _unknown_costs(after) - _unknown_costs(before)
        self._show()

    def crashed(self, job_id: str, failure: Failure) -> None:
        """A bug of this program stopped the work on a job, whose state stays as it is."""
        if self._progress is not None:
            self._progress.failure(job_id, failure, failure.code)

    def end(self) -> None:
        """Leave the display in order."""
        self._is_over = True
        if self._progress is not None:
            self._progress.close()

    def figures(self) -> Figures:
        """The run in numbers, as it is now; `seconds` are of the jobs that this process saw done."""
        gate = self._gate
        return Figures(
            states=dict(self._states),
            spent=gate.budget.spent if gate is not None else Money(0),
            reserved=Money(max(0, gate.budget.reserved)) if gate is not None else Money(0),
            unknown_costs=self._unknown_costs,
            in_flight=gate.in_flight if gate is not None else 0,
            progressed_at=self._progressed_at,
            seconds=Histogram([*self._seconds.counts], self._seconds.sum_s),
            cap=gate.pacing.cap if gate is not None else None,
            is_paused=gate is not None and gate.is_paused,
            trouble="held" if gate is not None and gate.hold is not None else None,
            is_over=self._is_over,
        )

    def _tell(self, job: Job) -> None:
        own = job.attempt.request_id if job.attempt is not None else None
        fields: dict[str, Any] = {"job_id": job.job_id, "state": str(job.state), "request_id": own}
        fields["attempt"] = len(job.attempts)
        if job.shared_from is not None:
            fields["shared_from"] = job.shared_from
        if job.failure is not None:
            fields |= {"error": job.failure.code, "reason": job.failure.message}
        log.info(MOVED, extra=fields)
        is_bad = job.state in (*BAD, JobState.IN_DOUBT, JobState.HELD)
        if is_bad and job.failure is not None and self._progress is not None:
            self._progress.failure(job.job_id, job.failure, str(job.state).replace("_", " "))
        if is_bad and job.state is not JobState.HELD:  # of an account that is refused the whole run tells
            self._on_bad(job)
        if job.state.is_terminal and self._on_job is not None:
            self._on_job(job)

    def _show(self) -> None:
        if self._progress is None or self._gate is None:
            return
        tally = Tally(
            total=self._states.total(),
            done=self._states[JobState.DONE],
            failed=sum(self._states[state] for state in BAD),
            in_flight=sum(self._states[state] for state in OPEN),
            in_doubt=self._states[JobState.IN_DOUBT],
            waiting=self._states[JobState.PENDING] + self._states[JobState.HELD],
            spent=self._gate.budget.spent,
            reserved=Money(max(0, self._gate.budget.reserved)),
            unknown_costs=self._unknown_costs,
        )
        self._progress.update(tally, time.time())


def _unknown_costs(job: Job) -> int:
    return sum(map(_has_unknown_cost, job.attempts))


def _has_unknown_cost(attempt: Attempt) -> bool:
    """Whether it ended and the service has not named its cost."""
    return attempt.state is AttemptState.FINISHED and attempt.cost is None
