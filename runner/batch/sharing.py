"""Jobs whose requests are word for word the same: one is paid for, and the others have its files too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from runner.media import copy_of, is_whole, sync_folder
from runner.model import Artifact, Event, Job, JobSpec, JobState, Shared, ShareFailed
from runner.rules.lifecycle import advance
from runner.rules.names import stem_of, stem_of_file
from runner.rules.planning import Twin, best_twin
from runner.scheduler import Berths, Keeping
from runner.store.reader import Known
from runner.store.store import Store

ENDED: Final = (JobState.FAILED, JobState.REJECTED, JobState.CANCELLED, JobState.OUTPUT_LOST, JobState.IN_DOUBT)


def twin_among(known: Iterable[Known], spec: JobSpec) -> Twin | None:
    """Of the jobs with that request the one, other than this, that was paid for, or may have been."""
    others = (one for one in known if one[0] != spec.job_id)
    return best_twin(Twin(job_id=job_id, state=state, is_gone=is_gone) for job_id, state, is_gone in others)


def share(
    store: Store, directory: Path, waiting: Mapping[str, Event | None], keeping: Keeping | None = None
) -> list[tuple[Job, Job]]:
    """End the jobs that wait for another's request, as far as that one has ended; each as it was and as it is now.

    With a job stands what was decided about it, if it was not waiting already: that is recorded together with the end.
    Where the other has not ended well, such a job stays as it was. Raises `StorageFailed` where a file cannot be made.
    """
    ended: list[tuple[Job, Job]] = []
    folders: set[Path] = set()
    berths = Berths(store)
    for job_id, opening in waiting.items():
        job = store.job(job_id)
        as_wanted = job if job is None or opening is None else advance(job, opening)
        if job is None or as_wanted is None or as_wanted.state is not JobState.PENDING:
            continue
        leader = leader_of(store, directory, as_wanted.spec)
        if leader is None:
            continue
        if has_all_files(directory, leader):
            if keeping is not None and opening is not None:
                keeping.opened(job_id, opening)
                keeping.make_room(replace(job, artifacts=()))
            artifacts = _copies(directory, leader, as_wanted, berths)
            folders |= {(directory / artifact.path).parent for artifact in artifacts}
            event = Shared(at=time.time(), job_id=leader.job_id, request_id=leader.request_id, artifacts=artifacts)
            ended.append((job, store.record_now(job, event, opening=opening)))
        elif leader.state in ENDED and leader.failure is not None and opening is None:
            message = f"shares the request of {leader.job_id!r}, which is {leader.state}: {leader.failure.message}"
            failed = ShareFailed(at=time.time(), failure=replace(leader.failure, message=message))
            ended.append((job, store.record_now(job, failed)))
    for folder in folders:
        sync_folder(folder)
    return ended


def leader_of(store: Store, directory: Path, spec: JobSpec) -> Job | None:
    """The job whose request serves this spec: one with its files, else the one that is nearest to having them."""
    known = [one for one in store.twins([spec.fingerprint])[spec.fingerprint] if one[0] != spec.job_id]
    done = (store.job(job_id) for job_id, state, _ in known if state is JobState.DONE)
    whole = next((job for job in done if job is not None and has_all_files(directory, job)), None)
    if whole is not None:
        return whole
    twin = twin_among(known, spec)
    return store.job(twin.job_id) if twin is not None else None


def has_all_files(directory: Path, job: Job) -> bool:
    """Whether it is done and its files are there."""
    return job.state is JobState.DONE and all(is_whole(directory, artifact) for artifact in job.artifacts)


def _copies(directory: Path, leader: Job, job: Job, berths: Berths) -> tuple[Artifact, ...]:
    """The files under the job's own names; a file that is there under that very name is its own as it is."""
    count = len(leader.artifacts)
    own = []
    with berths.of(replace(job, artifacts=())) as berth:  # all that it had is replaced
        for n, artifact in enumerate(leader.artifacts, start=1):
            stem = stem_of(job.spec, n, count)
            is_there = stem == stem_of_file(artifact.path)
            own.append(artifact if is_there else copy_of(directory, artifact, berth(stem)))
    return tuple(own)
