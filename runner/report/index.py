"""What the page knows of every job at once, in columns: enough to choose, sort and show it small.

A column of few different values is written as those values and a number a job; money is in micro-USD, instants are in
whole seconds since the epoch, durations in tenths of a second; -1 is not known.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any, NamedTuple

from runner.model import Artifact, Job, Money
from runner.report.originals import VIDEOS, Original
from runner.report.summary import has_unknown_cost
from runner.rules.oddities import Oddity, Twins, oddities

BITS = {oddity: 1 << bit for bit, oddity in enumerate(Oddity)}
FEW = ("state", "code", "model", "variant", "table", "prompt", "format")
NOTHING = -1
"""Of a number that is not known."""
REQUEST = 8
"""Letters by which the page tells a job's request from the one before it."""


class Row(NamedTuple):
    """What the page knows of one job; the page that follows a run is sent such rows, so their order is its contract."""

    few: tuple[str, ...]
    """In the order of `FEW`."""
    id: str
    place: int | str
    picture: str
    before: str
    files: int
    cost: int
    sent: int
    ended: int
    tenths: int
    request: str
    odd: int


def row_of(job: Job, before: Sequence[Original]) -> Row:
    """The row of a job; of what is odd about it, all but that another has almost the same picture."""
    spec = job.spec
    table, _, place = spec.source.rpartition(":")
    first = job.artifacts[0] if job.artifacts else None
    code = job.failure.code if job.failure is not None else ""
    prompt, form = str(spec.inputs.get("prompt", "")), first.format if first else ""
    sent, ended, cost = job.submitted_at, job.finished_at, _cost(job)
    return Row(
        few=(job.state.value, code, spec.model, spec.variant, table, prompt, form),
        id=spec.job_id,
        place=int(place) if place.isdecimal() else place,
        picture=_picture(first, spec.job_id) if first else "",
        before=next((one["file"] for one in before if "file" in one), ""),
        files=len(job.artifacts),
        cost=NOTHING if cost is None else cost,
        sent=NOTHING if sent is None else int(sent),
        ended=NOTHING if ended is None else int(ended),
        tenths=NOTHING if sent is None or ended is None else round(max(0.0, ended - sent) * 10),
        request=(job.request_id or "")[-REQUEST:].encode("ascii", "replace").decode(),  # a letter is one to both sides
        odd=sum(BITS[oddity] for oddity in oddities(job)) if job.artifacts else 0,
    )


class Index:
    """Takes the jobs one by one; some 300 bytes each, and their prompts."""

    def __init__(self) -> None:
        self._values: tuple[dict[str, int], ...] = tuple({} for _ in FEW)
        self._rows = tuple(array("L") for _ in FEW)
        self._texts: dict[str, list[Any]] = {name: [] for name in ("id", "place", "picture", "before")}
        self._numbers = {name: array("q") for name in ("files", "cost", "sent", "ended", "tenths")}
        self._requests = StringIO()
        self._odd = array("B")
        self.twins = Twins()

    def add(self, job: Job, before: Sequence[Original]) -> None:
        """One more row, of a job."""
        self.twins.add(len(self._odd), job)
        self.put(row_of(job, before))

    def put(self, row: Row) -> None:
        """One more row."""
        for values, rows, value in zip(self._values, self._rows, row.few, strict=True):
            rows.append(values.setdefault(value, len(values)))
        for name, texts in self._texts.items():
            texts.append(getattr(row, name))
        for name, numbers in self._numbers.items():
            numbers.append(getattr(row, name))
        self._requests.write(row.request.ljust(REQUEST))
        self._odd.append(row.odd)

    def columns(self) -> Iterator[tuple[str, Any]]:
        """All of it, by name; each column is made when its turn comes."""
        for name, values, rows in zip(FEW, self._values, self._rows, strict=True):
            yield name, {"values": list(values), "rows": rows.tolist()}
        yield from self._texts.items()
        yield from ((name, numbers.tolist()) for name, numbers in self._numbers.items())
        yield "request", self._requests.getvalue()
        for number in self.twins.found():
            self._odd[number] |= BITS[Oddity.TWIN]
        yield "marked", {"names": list(Oddity), "rows": self._odd.tolist()}


def _picture(first: Artifact, job_id: str) -> str:
    """The first file's path; its ending alone, where it is named after the job. Empty for a video."""
    if first.format in VIDEOS:
        return ""
    stem, _, ending = first.path.rpartition(".")
    return ending if stem == f"images/{job_id}" else first.path


def _cost(job: Job) -> Money | None:
    return None if has_unknown_cost(job) or any(a.state == "in_doubt" for a in job.attempts) else job.cost
