"""Jobs whose requests are word for word the same: one is paid for, and the others have its files too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Final

from runner.media.files import copy_of, is_whole, sync_folder, verify
from runner.model import (
    Artifact,
    Collected,
    Event,
    FilesMissing,
    Job,
    JobState,
    RedoRequested,
    RequestShared,
    Shared,
    ShareFailed,
)
from runner.rules.lifecycle import advance
from runner.rules.names import stem_of, stem_of_file
from runner.rules.planning import ENDED_BADLY, WITH_ANOTHER, Twin, best_twin
from runner.scheduler import Berths, Keeping
from runner.store.store import Store

ENDED: Final = (*ENDED_BADLY, JobState.IN_DOUBT)


def has_kept(kept: Mapping[str, Sequence[Artifact]], job_id: str, job: Job) -> bool:
    """Whether another job had the picture that this one has, and has put it aside since; `kept` is what each has."""
    return any(one.sha256 == own.sha256 for one in kept.get(job_id, ()) for own in job.artifacts)


class Sharing:
    """Gives jobs the files of a request that was paid for once."""

    def __init__(self, store: Store, directory: Path, keeping: Keeping | None = None) -> None:
        self._store = store
        self._directory = directory
        self._keeping = keeping
        self._berths = Berths(store)

    def share(
        self, waiting: Mapping[str, Event | None], again: Mapping[str, str | None], *, is_over: bool
    ) -> list[tuple[Job, Job]]:
        """Go on with the jobs that wait for another's request, as far as that has ended; each as it was and as it is.

        With a job stands what was decided about it, if it was not waiting already: that is recorded together with what
        comes of it. Where the other has not ended well, such a job stays as it was. `again` are the jobs that this run
        does again, with the requests that they had: on those nobody counts. Until it `is_over` there are only jobs that
        are done. Raises `StorageFailed` where a file cannot be made.
        """
        moved: list[tuple[Job, Job]] = []
        folders: set[Path] = set()
        for job_id, opening in waiting.items():
            job = self._store.job(job_id)
            as_wanted = job if job is None or opening is None else advance(job, opening)
            if job is None or as_wanted is None or as_wanted.state is not JobState.PENDING:
                continue
            others = self._others(job, as_wanted.spec.fingerprint, again)
            if isinstance(opening, RedoRequested):
                others = [twin for twin in others if twin.job_id in again or has_kept(self._kept, twin.job_id, job)]
            if not is_over:
                others = [twin for twin in others if twin.state is JobState.DONE]
            event = self._taken_over(job, as_wanted, opening, others)
            if event is None:
                continue
            if isinstance(event, Shared):
                folders |= {(self._directory / artifact.path).parent for artifact in event.artifacts}
            moved.append((job, self._store.record_now(job, event, opening=opening)))
            if isinstance(event, RequestShared) and self._keeping is not None and opening is not None:
                self._keeping.opened(job_id, opening)  # where its own picture goes once the other one comes
        for folder in folders:
            sync_folder(folder)
        return moved

    def find_missing(self, job: Job, there: tuple[Artifact, ...]) -> Job:
        """Record of a job that is done that it has only those of its files: the rest may be had for free.

        The very same pictures may lie with others that share the request: they are copied from there, whoever has them
        or keeps them. Else they are fetched. Returns the job as it is then; raises `StorageFailed` where a file cannot
        be made.
        """
        now = time.time()
        missing = FilesMissing(at=now, artifacts=there)
        if job.state is not JobState.DONE or not job.artifacts:
            return self._store.record_now(job, missing)
        copied = []
        with self._berths.of(replace(job, artifacts=())) as berth:
            for artifact in job.artifacts:
                if artifact not in there and (copy := self._copy_of_like(artifact, job, berth)) is not None:
                    sync_folder((self._directory / copy.path).parent)
                    copied.append(copy)
        found = tuple(sorted((*there, *copied), key=lambda artifact: artifact.index))
        if len(found) < len(job.artifacts):
            return self._store.record_now(job, FilesMissing(at=now, artifacts=found))
        if job.shared_from is None:
            return self._store.record_now(job, Collected(at=now, artifacts=tuple(copied)), opening=missing)
        shared = Shared(at=now, job_id=job.shared_from, request_id=job.shared_request, artifacts=found)
        return self._store.record_now(job, shared)

    # --------------------------------------------------------------------------------------------------- where from

    def _others(self, job: Job, fingerprint: str, again: Mapping[str, str | None]) -> list[Twin]:
        """The other jobs with that request, but for those whose picture is done again, or is what this one has.

        One whose output is lost may have it from another that has the very same.
        """
        found = []
        for twin in self._store.twins([fingerprint])[fingerprint]:
            is_former = twin.job_id in again and twin.request_id == again[twin.job_id] and twin.state is JobState.DONE
            is_same = twin.request_id is not None and twin.request_id == job.request_id
            is_same &= job.state is not JobState.OUTPUT_LOST
            if twin.job_id != job.job_id and not is_former and not is_same:
                found.append(twin)
        return found

    def _taken_over(self, job: Job, as_wanted: Job, opening: Event | None, others: list[Twin]) -> Event | None:
        """What comes of a job that waits; `None` while nothing does."""
        now = time.time()
        for twin in others:
            leader = self._store.job(twin.job_id) if twin.state is JobState.DONE else None
            if leader is None or not all(is_whole(self._directory, artifact) for artifact in leader.artifacts):
                continue
            if self._keeping is not None:
                if opening is not None:
                    self._keeping.opened(job.job_id, opening)
                self._keeping.make_room(replace(job, artifacts=()))  # also what an intent before has named
            if (artifacts := self._copies(leader, as_wanted)) is not None:
                return Shared(at=now, job_id=leader.job_id, request_id=leader.request_id, artifacts=artifacts)
        best = best_twin(others)
        other = self._store.job(best.job_id) if best is not None else None
        if other is None:
            return None
        if other.state is JobState.DONE and other.request_id is not None:  # its files are deleted, or retouched
            return RequestShared(at=now, job_id=other.job_id, request_id=other.request_id)
        if other.state in ENDED and other.failure is not None and opening is None:
            message = f"{WITH_ANOTHER} {other.job_id!r}, which is {other.state}: {other.failure.message}"
            return ShareFailed(at=now, failure=replace(other.failure, message=message))
        return None

    def _copies(self, leader: Job, job: Job) -> tuple[Artifact, ...] | None:
        """The files under the job's own names; `None` where one of them is not what was recorded.

        A file that is there under that very name is its own as it is.
        """
        count = len(leader.artifacts)
        own = []
        with self._berths.of(replace(job, artifacts=())) as berth:  # all that it had is replaced
            for n, artifact in enumerate(leader.artifacts, start=1):
                stem = stem_of(job.spec, n, count)
                if stem != stem_of_file(artifact.path):
                    copy = copy_of(self._directory, artifact, berth(stem))
                else:
                    copy = artifact if verify(self._directory, artifact) is None else None
                if copy is None:
                    return None
                own.append(copy)
        return tuple(own)

    def _copy_of_like(self, artifact: Artifact, job: Job, berth: Callable[[str], str]) -> Artifact | None:
        """The picture from wherever just that one lies; `None` where it is nowhere."""
        kept = (one for one in self._kept.get(job.shared_from or "", ()) if one.sha256 == artifact.sha256)
        stem = None
        for source in chain(self._store.pictures_like(artifact, job), kept):
            if source.path == artifact.path or not is_whole(self._directory, source):
                continue
            stem = stem or berth(stem_of_file(artifact.path))
            if (copy := copy_of(self._directory, source, stem)) is not None:
                return replace(artifact, path=copy.path)
        return None

    @cached_property
    def _kept(self) -> Mapping[str, list[Artifact]]:
        """What was set aside, by the job that has another picture now."""
        return self._store.kept()
