"""A run directory that is looked at again and again, while this process or another one runs it.

The first look reads every job; each further one reads the jobs of which something has happened since, so that it costs
as much as there is news, however large the run is.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from runner.errors import InputMissing
from runner.model import Job, JobState, Run
from runner.report import Summary
from runner.report.summary import Part, Totals, part_of
from runner.store.lock import is_locked
from runner.store.reader import Reader

WINDOW_S: Final = 600.0
"""The pace is that of the last ten minutes: what was long ago says little about when it ends."""
CHUNK: Final = 400
AT_SERVICE: Final = (JobState.SUBMITTING, JobState.SUBMITTED)
BREATH: Final = 50
"""Jobs that are read before others may have a turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a run directory stands, also while another process runs it."""

    run: Run
    summary: Summary
    is_running: bool
    in_flight: tuple[Job, ...]
    """The jobs whose requests are at the service."""
    troubles: Mapping[str, int]
    """Jobs that ended badly, are in doubt or held back, by the code of the reason; most first."""
    per_s: float | None
    """Jobs that ended in a second, of late."""
    progressed_at: float
    """When a job last went on to another state."""

    @property
    def open(self) -> int:
        """Jobs that have not ended."""
        return sum(count for state, count in self.summary.counts.items() if not state.is_terminal)

    @property
    def left_s(self) -> float | None:
        """How long the rest takes at this pace."""
        return self.open / self.per_s if self.per_s and self.is_running else None


def run_of(reader: Reader, directory: Path) -> Run:
    """The latest run of the directory; raises `InputMissing` where there was none."""
    run = reader.last_run()
    if run is None:
        raise InputMissing(f"{directory} holds no run yet")
    return run


class Follower:
    """Follows a run directory; a context manager, for one thread at a time.

    `on_begin` is called with the run when all is read from the beginning: at first, and when another one has begun.
    `on_job` is called with each job then, and with each that has changed since, as it is now. `breathe` is called now
    and then while much is read. Raises `InputMissing` where there is no state or no run.
    """

    def __init__(
        self,
        directory: Path,
        *,
        on_begin: Callable[[Run], None] = lambda _: None,
        on_job: Callable[[Job], None] = lambda _: None,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self._directory = directory
        self._reader = Reader(directory)
        self._on_begin = on_begin
        self._on_job = on_job
        self._breathe = breathe
        self._run_id = ""
        self.seq = 0
        """The number of the event up to which all is known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the state."""
        self._reader.close()

    def job(self, job_id: str) -> Job | None:
        """The job of that id, as it is now."""
        return self._reader.job(job_id)

    def look(self) -> Status:
        """How the directory stands now."""
        is_running = is_locked(self._directory)  # first: a run that ends meanwhile has then written its end
        run = run_of(self._reader, self._directory)
        if run.run_id != self._run_id:
            self._begin(run)
        else:
            self._catch_up()
        counted = {state: count for state, count in self._totals.troubles.items() if count > 0}
        troubles: dict[str, int] = {}
        for (_, code, state), count in sorted(counted.items(), key=lambda one: -one[1]):
            if state.is_terminal or state is JobState.HELD:
                troubles[code] = troubles.get(code, 0) + count
        return Status(
            run=run,
            summary=self._totals.summary(run),
            is_running=is_running,
            in_flight=tuple(sorted(self._in_flight.values(), key=lambda job: job.position)),
            troubles=troubles,
            per_s=self._pace(run),
            progressed_at=self._progressed_at,
        )

    @property
    def troubles(self) -> Mapping[tuple[str, str, JobState], int]:
        """How many jobs are not done for which reason: by kind, code and state."""
        return self._totals.troubles

    # ------------------------------------------------------------------------------------------------------- reading

    def _begin(self, run: Run) -> None:
        self._totals = Totals()
        self._parts: dict[str, Part] = {}
        self._alike: dict[Part, Part] = {}
        self._in_flight: dict[str, Job] = {}
        self._ends: list[float] = []
        self.seq, at = self._reader.last_move()  # before the jobs: what happens meanwhile is read once more
        self._progressed_at = max(at, run.started_at)
        self._on_begin(run)
        for number, job in enumerate(self._reader.jobs()):
            self._put(job)
            if number % BREATH == 0:
                self._breathe()
        self._run_id = run.run_id

    def _catch_up(self) -> None:
        moves = self._reader.moves(self.seq)
        at = {job_id: instant for _, job_id, instant in moves}
        ids = list(at)
        for first in range(0, len(ids), CHUNK):
            for job in self._reader.named(ids[first : first + CHUNK]).values():
                before = self._parts.get(job.job_id)
                self._put(job)
                if before is None or before.state is not job.state:
                    self._progressed_at = max(self._progressed_at, at[job.job_id])
            self._breathe()
        if moves:
            self.seq = moves[-1][0]

    def _put(self, job: Job) -> None:
        part = part_of(job)
        part = self._alike.setdefault(part, part)  # most are like many others: one value for all
        before = self._parts.get(job.job_id)
        if before is not None:
            self._totals.add(before, -1)
        self._totals.add(part)
        self._parts[job.job_id] = part
        if job.state in AT_SERVICE:
            self._in_flight[job.job_id] = job
        else:
            self._in_flight.pop(job.job_id, None)
        is_end = job.state.is_terminal and (before is None or not before.state.is_terminal)
        if is_end and job.finished_at is not None and time.time() - job.finished_at < WINDOW_S:
            insort(self._ends, job.finished_at)
        self._on_job(job)

    def _pace(self, run: Run) -> float | None:
        now = time.time()
        while self._ends and now - self._ends[0] > WINDOW_S:
            self._ends.pop(0)
        began = max(run.started_at, now - WINDOW_S)
        ends = sum(end >= began for end in self._ends)
        return ends / (now - began) if ends and now - began >= 1.0 else None
