"""An earlier run directory, beside which the page shows what has become another since."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from runner.model import Job, JobState, Money
from runner.report.originals import VIDEOS

MOST_GONE: Final = 20
"""Jobs that are named, of those that are gone."""


class Was(NamedTuple):
    """What a job was in the earlier run."""

    state: JobState
    picture: str
    """From this run's directory; empty where there was none."""
    hashes: tuple[str, ...]
    cost: Money | None


class Earlier:
    """The jobs of an earlier run by id, and how this run's differ, as columns of the index."""

    def __init__(
        self, name: str, folder: Path, directory: Path, jobs: Iterable[Job], gone: Collection[str] = ()
    ) -> None:
        """`folder` is the earlier run's directory, `directory` the one of the page; `gone` were gone then already."""
        self._name = name
        self._way = os.path.relpath(folder.absolute(), directory.absolute())
        self._jobs = {job.job_id: self._was(job) for job in jobs}
        self._rows: list[tuple[str, str, str, Money | None]] = []
        self._gone = dict.fromkeys(name for name in self._jobs if name not in gone)

    def see(self, job: Job) -> None:
        """One job of this run, whether or not the page has room for it: it is not gone."""
        self._gone.pop(job.job_id, None)

    def add(self, job: Job) -> None:
        """One job of this run that is in the page."""
        was = self._jobs.get(job.job_id)
        picture, cost = (was.picture, was.cost) if was else ("", None)
        self._rows.append((change(was, job), was.state.value if was else "", picture, cost))

    def columns(self) -> dict[str, Any]:
        """A word for each job's change, and what it was; how many are not in this run any more, and some of them."""
        columns = list(zip(*self._rows, strict=True)) or [()] * 4
        gone = {"count": len(self._gone), "some": list(islice(self._gone, MOST_GONE))}
        return {"name": self._name, "gone": gone} | dict(
            zip(("change", "state", "picture", "cost"), columns, strict=True)
        )

    def _was(self, job: Job) -> Was:
        first = job.artifacts[0] if job.artifacts else None
        picture = f"{self._way}/{first.path}" if first and first.format not in VIDEOS else ""
        return Was(job.state, picture, tuple(artifact.sha256 for artifact in job.artifacts), job.cost)


def change(was: Was | None, job: Job) -> str:
    """What became of a job since: `added`, `mended`, `broken`, `picture`, `state` or `same`."""
    if was is None:
        return "added"
    if job.state is JobState.DONE and was.state is JobState.DONE:
        return "same" if was.hashes == tuple(artifact.sha256 for artifact in job.artifacts) else "picture"
    if job.state is JobState.DONE:
        return "mended"
    if was.state is JobState.DONE:
        return "broken"
    return "same" if was.state is job.state else "state"
