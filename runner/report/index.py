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
from runner.rules.oddities import Oddity, Twins, oddities

BITS = {oddity: 1 << bit for bit, oddity in enumerate(Oddity)}
FEW = ("state", "code", "model", "variant", "table", "prompt", "format")
EACH = ("id", "place", "picture", "files", "before", "seconds", "cost", "sent", "ended", "request")


class Index:
    """Takes the jobs one by one."""

    def __init__(self) -> None:
        self._values: tuple[dict[str, int], ...] = tuple({} for _ in FEW)
        self._numbers: list[tuple[int, ...]] = []
        self._each: list[tuple[Any, ...]] = []
        self._odd: list[int] = []
        self._twins = Twins()

    def add(self, job: Job, before: Sequence[Original]) -> None:
        """One more row."""
        spec = job.spec
        table, _, place = spec.source.rpartition(":")
        first = job.artifacts[0] if job.artifacts else None
        few = (
            job.state,
            job.failure.code if job.failure is not None else "",
            spec.model,
            spec.variant,
            table,
            str(spec.inputs.get("prompt", "")),
            first.format if first else "",
        )
        self._numbers.append(
            tuple([values.setdefault(one, len(values)) for values, one in zip(self._values, few, strict=True)])
        )
        sent, ended = job.submitted_at, job.finished_at
        self._each.append((
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
        ))  # fmt: skip
        self._twins.add(len(self._odd), job)
        self._odd.append(sum(BITS[oddity] for oddity in oddities(job)) if job.artifacts else 0)

    def columns(self) -> dict[str, Any]:
        """All of it, by name."""
        for number in self._twins.found:
            self._odd[number] |= BITS[Oddity.TWIN]
        rows = list(zip(*self._numbers, strict=True)) or [()] * len(FEW)
        each = list(zip(*self._each, strict=True)) or [()] * len(EACH)
        few = {
            name: {"values": list(values), "rows": numbers}
            for name, values, numbers in zip(FEW, self._values, rows, strict=True)
        }
        marked = {"marked": {"names": list(Oddity), "rows": self._odd}}
        return few | dict(zip(EACH, each, strict=True)) | marked


def _cost(job: Job) -> Money | None:
    return None if has_unknown_cost(job) or any(a.state == "in_doubt" for a in job.attempts) else job.cost
