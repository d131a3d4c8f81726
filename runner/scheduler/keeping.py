"""Pictures that are done again: what was there is put aside under another name, never written over.

The new name is part of the event by which a person asked for it, so it is on the disk before anything is paid. The file
takes it once the service has taken the new request: until then the job has the picture that it has. Where a kill comes
between, the file takes it when the new picture is about to come.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Final

from runner.errors import StorageFailed
from runner.media.files import copy_of, is_whole, put_aside, verify
from runner.media.sniff import EXTENSIONS
from runner.model import Artifact, DoneAgain, Event, Job
from runner.rules.names import folded, path_before, set_aside, stem_of_file
from runner.store.reader import Reader

log: Final = logging.getLogger("runner")
ENDINGS: Final = frozenset(EXTENSIONS.values())


class Keeping:
    """Names what makes room, and moves it."""

    def __init__(self, directory: Path, state: Reader) -> None:
        self._directory = directory
        self._kept = state.kept()
        self._state = state

    @cached_property
    def _taken(self) -> set[str]:
        """Names that look as if something had made room, folded; most runs never ask."""
        kept = (artifact.path for _, artifact, _ in self._state.former_pictures())  # also where somebody deleted it
        return {folded(stem_of_file(path)) for path in (*self._state.paths_like("%~%"), *kept)}

    @cached_property
    def _of_several(self) -> set[str]:
        """Files that more than one job has."""
        return self._state.paths_of_several()

    def names(self, job: Job, word: str) -> tuple[Artifact, ...]:
        """The job's pictures under names that nobody has: `word` says why they make room."""
        found = []
        for artifact in job.artifacts:
            stem = next(one for one in set_aside(stem_of_file(artifact.path), word) if self._is_free(one))
            self._taken.add(folded(stem))
            found.append(replace(artifact, path=f"{stem}.{artifact.path.rpartition('.')[2]}"))
        return tuple(found)

    def opened(self, job_id: str, event: Event) -> None:
        """A person's wish is on the disk, or about to be: where its pictures go when they make room."""
        if isinstance(event, DoneAgain) and event.kept:
            self._kept.setdefault(job_id, []).extend(event.kept)

    def accepted(self, job: Job) -> None:
        """The job's new request was taken: its old pictures make room. What fails is tried again by `make_room`."""
        try:
            self.make_room(job)
        except StorageFailed as error:
            log.warning("not put aside yet", extra={"job_id": job.job_id, "why": error.message})

    def make_room(self, job: Job) -> None:
        """What is under the job's names, is not its own any more, and was to be kept elsewhere goes there.

        Raises `StorageFailed` where it cannot.
        """
        own = {artifact.path for artifact in job.artifacts}
        for artifact in self._kept.get(job.job_id, ()):
            there = replace(artifact, path=path_before(artifact.path))
            if there.path in own or is_whole(self._directory, artifact) or verify(self._directory, there) is not None:
                continue
            try:
                self._move(artifact)
            except OSError as error:
                raise StorageFailed(
                    f"{self._directory / there.path} cannot make room: {error.strerror}. Nothing paid is lost."
                ) from error

    def _move(self, artifact: Artifact) -> None:
        there = replace(artifact, path=path_before(artifact.path))
        if not is_whole(self._directory, there):
            return
        if folded(there.path) in self._of_several:
            copy_of(self._directory, there, stem_of_file(artifact.path))
        else:
            put_aside(self._directory, there.path, artifact.path)

    def _is_free(self, stem: str) -> bool:
        is_there = any((self._directory / f"{stem}.{ending}").exists() for ending in ENDINGS)
        return not (is_there or folded(stem) in self._taken)
