"""What the page that follows a run is fed with, read from the state as it grows."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Final

from runner.batch.following import Follower, Status
from runner.batch.glimpse import glimpse
from runner.batch.review import keep, kept
from runner.errors import StoppedEarly
from runner.live.figures import Figures, Histogram
from runner.live.source import Update
from runner.model import Job, JobState, Run
from runner.report.index import Index, Row, row_of
from runner.report.originals import Original, Originals
from runner.report.page import MOST, group_of, head_of, live_page, verdict, written_index
from runner.report.results import duration_s, line
from runner.rules.oddities import Twins

MOST_JOBS: Final = sum(MOST.values())
MOST_NEWS: Final = 10_000
"""Jobs that are sent as news; after a longer absence a page begins anew."""
STALE: Final = 50
"""One of so many jobs may have changed since the index was packed: a page that is given it hears of those at once."""
BREATH_S: Final = 0.0003
"""A nap that lets the event loop of a run have its turn, while much is read beside it."""
SHOWN: Final = ("images/", "inputs/")
"""Where originals lie that the server gives out."""


class Feed:
    """Feeds the page of a run directory; `close` it, also while another thread reads: it ends at its next breath.

    `figures` are the run's own, where this process runs it; else they are read.
    """

    def __init__(self, directory: Path, figures: Callable[[], Figures] | None = None) -> None:
        self.directory = directory
        self._own = figures
        self._lock = Lock()
        self._is_closed = self._is_read = False
        self._follower: Follower | None = None
        self._generation = self._tick = self._news_at = self._groups_at = 0
        self._phase = ""
        self._packed: bytes | None = None
        self._stale = 0
        """Jobs that have changed since it was packed."""

    def close(self) -> None:
        """Close the state."""
        self._is_closed = True
        with self._lock:
            if self._follower is not None:
                self._follower.close()

    # ------------------------------------------------------------------------------------- what a page asks for once

    def page(self) -> str:
        """The page without data."""
        if not self._is_read:
            return glimpse(self.directory)
        with self._lock:
            status = self._look()
            return live_page(status.run, status.summary, self._originals)

    def index(self) -> bytes:
        """All rows in columns, with the mark to follow them from."""
        with self._lock:
            return self._ready(self._look())

    def look(self) -> None:
        """Read what has happened, and have the index at hand.

        Not of more jobs than a page holds, where a run would pay for it in memory and perhaps nobody ever comes.
        """
        if self._own is None or sum(self._own().states.values()) <= MOST_JOBS:
            with self._lock:
                self._ready(self._look())

    def _ready(self, status: Status) -> bytes:
        if self._packed is None or self._stale * STALE > len(self._rows):
            self._packed, self._stale = self._pack(status), 0
        return self._packed

    def _pack(self, status: Status) -> bytes:
        index = Index()
        if self._own is None:  # to find twins is to sort all pictures: no work for a process that runs jobs meanwhile
            index.twins = self._twins
        for number, row in enumerate(self._rows):
            index.put(Row._make(row))
            if number % 500 == 0:
                self._breathe()
        head = head_of(status.run, status.summary, self.directory)
        head |= {"groups": self._counted(), "block": 1, "left": self._left, "mark": self._mark, **self._news(status)}
        packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
        pieces = (packer.compress(text.encode(errors="replace")) for text in written_index(head, index))
        return b"".join([*pieces, packer.flush()])

    def record(self, number: int) -> str | None:
        """The job's line in results.jsonl, and what the page shows beside it."""
        with self._lock:
            self._look()
            if number >= len(self._rows) or self._follower is None:
                return None
            job = self._follower.job(Row._make(self._rows[number]).id)
        if job is None:
            return None
        more = {"before": self._before(job), "source": job.spec.source, "variant": job.spec.variant}
        return f"[{line(job)},{json.dumps(more)}]"

    # ------------------------------------------------------------------------------------------------------ the news

    def update(self, mark: str) -> Update:
        """What has changed since the mark."""
        with self._lock:
            return self._update(self._look(), mark)

    def _update(self, status: Status, mark: str) -> Update:
        generation, _, since = mark.partition(".")
        if generation != str(self._generation) or not since.isdecimal():
            return Update(self._mark, '{"anew":true}', is_news=True)
        rows = []
        for number in reversed(self._changed):  # the latest change comes last
            if self._changed[number] <= int(since):
                break
            rows.append((number, *self._rows[number]))
        if len(rows) > MOST_NEWS:
            return Update(self._mark, '{"anew":true}', is_news=True)
        news = {**self._news(status), "summary": status.summary.as_dict(), "rows": rows}
        if self._groups_at > int(since):
            news["groups"] = self._counted()
        return Update(self._mark, json.dumps(news), is_news=self._news_at > int(since))

    def figures(self) -> Figures:
        """The run in numbers."""
        if self._own is not None:
            return self._own()
        with self._lock:
            status = self._look()
        return Figures(
            states=status.summary.counts,
            spent=status.summary.spent,
            reserved=status.summary.reserved_in_doubt,
            unknown_costs=status.summary.unknown_jobs,
            in_flight=len(status.in_flight),
            progressed_at=status.progressed_at,
            seconds=self._seconds,
            trouble="killed" if _phase(status) == "killed" else None,
            is_over=_phase(status) == "ended",
        )

    # ---------------------------------------------------------------------------------------------------- the review

    def review(self) -> str:
        """The review that is kept beside the state."""
        return kept(self.directory)

    def keep_review(self, document: Any) -> None:
        """Put verdicts into it: each about the picture that its job has now."""
        with self._lock:
            status = self._look()
            if self._follower is not None:
                keep(self.directory, document, self._follower.job, status.run)

    # ------------------------------------------------------------------------------------------------------- helpers

    @property
    def _mark(self) -> str:
        return f"{self._generation}.{self._tick}"

    def _look(self) -> Status:
        """How it stands, with all rows as they are now."""
        self._breathe()
        if self._follower is None:
            self._follower = Follower(self.directory, on_begin=self._begin, on_job=self._put, breathe=self._breathe)
        self._tick += 1
        status = self._follower.look()
        self._is_read = True
        if self._phase != (phase := _phase(status)):
            self._phase, self._news_at, self._packed = phase, self._tick, None
        return status

    def _breathe(self) -> None:
        """Let others have their turn; raise `StoppedEarly` where nobody waits for it any more."""
        if self._is_closed:
            raise StoppedEarly
        time.sleep(BREATH_S if self._own is not None else 0)

    def _begin(self, run: Run) -> None:
        self._run = run
        self._generation += 1
        self._packed = None
        self._rows: list[tuple[Any, ...]] = []
        """`Row`s, as plain tuples: of those Python's collector of garbage need not look at each."""
        self._numbers: dict[str, int] = {}
        self._changed: dict[int, int] = {}
        """By number, in the order of the changes: the tick of each job's latest one."""
        self._groups: dict[tuple[str, str, JobState], dict[str, Any]] = {}
        self._left = 0
        self._seconds = Histogram()
        self._twins = Twins()
        self._originals = Originals(self.directory)
        self._news_at = self._groups_at = self._tick

    def _put(self, job: Job) -> None:
        number = self._numbers.get(job.job_id)
        if number is None and len(self._rows) >= MOST_JOBS:
            self._left += 1
            return
        self._originals.note(job.spec.inputs)
        before = self._rows[number] if number is not None else None
        row = tuple(row_of(job, self._before(job)))
        was_done = before is not None and before[0][0] == JobState.DONE
        if job.state is JobState.DONE and not was_done:
            self._twins.add(len(self._rows) if number is None else number, job)
            if (seconds := duration_s(job)) is not None:
                self._seconds.observe(seconds)
        if number is None:
            number = self._numbers[job.job_id] = len(self._rows)
            self._rows.append(row)
            self._packed = None  # a page learns of no row more
        elif row == before:
            return
        else:
            self._rows[number] = row
        self._stale += 1
        self._changed.pop(number, None)
        self._changed[number] = self._news_at = self._tick
        if before is not None and (job.failure is not None or before[0][1]):
            self._groups_at = self._tick
        if job.failure is not None and job.state is not JobState.DONE:
            key = (str(job.failure.kind), job.failure.code, job.state)
            if key not in self._groups:
                self._groups[key] = group_of(job, job.failure, self._run, self.directory)

    def _counted(self) -> list[dict[str, Any]]:
        """The failures by reason, with the remedy for each; most first."""
        counts = self._follower.troubles if self._follower is not None else {}
        found = [{**group, "count": counts.get(key, 0)} for key, group in self._groups.items()]
        return sorted((group for group in found if group["count"] > 0), key=lambda group: -group["count"])

    def _news(self, status: Status) -> dict[str, Any]:
        return {
            "phase": _phase(status),
            "verdict": verdict(status.summary),
            "per_s": status.per_s,
            "left_s": status.left_s,
            "in_flight": len(status.in_flight),
        }

    def _before(self, job: Job) -> list[Original]:
        """The originals; of those that lie elsewhere on this machine only the name."""
        found = self._originals.of(job)
        return [one if one.get("file", SHOWN[0]).startswith(SHOWN) else {"name": one["name"]} for one in found]


def _phase(status: Status) -> str:
    """`live`, `ended`, or `killed`: nobody runs it, and it never said how it ended."""
    if status.run.finished_at is not None:
        return "ended"
    return "live" if status.is_running else "killed"
