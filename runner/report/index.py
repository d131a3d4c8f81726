"""What the page knows of every job at once, in columns: enough to choose, sort and show it small.

A column of few different values is written as those values and a number a job; money is in micro-USD, instants are in
whole seconds since the epoch, durations in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.model import Job, Money
from runner.report.originals import VIDEOS, Original
from runner.report.summary import has_unknown_cost

FEW = ("state", "code", "model", "variant", "table", "prompt", "format")
EACH = ("id", "place", "picture", "files", "before", "seconds", "cost", "sent", "ended", "request")


class Index:
    """Takes the jobs one by one."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, int]] = {name: {} for name in FEW}
        self._numbers: dict[str, list[int]] = {name: [] for name in FEW}
        self._each: dict[str, list[Any]] = {name: [] for name in EACH}

    def add(self, job: Job, before: Sequence[Original]) -> None:
        """One more row."""
        spec, each = job.spec, self._each
        table, _, place = spec.source.rpartition(":")
        first = job.artifacts[0] if job.artifacts else None
        few = (
            job.state.value,
            job.failure.code if job.failure is not None else "",
            spec.model,
            spec.variant,
            table,
            str(spec.inputs.get("prompt", "")),
            first.format if first else "",
        )
        for name, value in zip(FEW, few, strict=True):
            values = self._values[name]
            self._numbers[name].append(values.setdefault(value, len(values)))
        sent, ended = job.submitted_at, job.finished_at
        row = (
            spec.job_id,
            int(place) if place.isdecimal() else place,
            first.path if first and first.format not in VIDEOS else "",
            len(job.artifacts),
            next((one["file"] for one in before if "file" in one), ""),
            round(max(0.0, ended - sent), 1) if sent is not None and ended is not None else None,
            _cost(job),
            int(sent) if sent is not None else None,
            int(ended) if ended is not None else None,
            (job.request_id or "")[-8:],
        )
        for name, item in zip(EACH, row, strict=True):
            each[name].append(item)

    def columns(self) -> dict[str, Any]:
        """All of it, by name."""
        few = {name: {"values": list(self._values[name]), "rows": self._numbers[name]} for name in FEW}
        return few | self._each


def _cost(job: Job) -> Money | None:
    return None if has_unknown_cost(job) or any(a.state == "in_doubt" for a in job.attempts) else job.cost
