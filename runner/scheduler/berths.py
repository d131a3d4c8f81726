"""The last guard of paid files: what is saved never replaces a file that the state records for another job.

A plan has settled every path before the first POST. What it cannot foresee comes here: a service that answers with more
outputs than were asked for, a state in which an earlier version let two jobs have one path. The output is paid for and
its URL will not last, so it is saved all the same, beside the other, under the next number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final

from runner.model import Job
from runner.rules.names import folded, numbered, stem_of_file
from runner.store.reader import Reader

log: Final = logging.getLogger("runner")


class Berths:
    """Where outputs may be saved: each place is one job's, from before the download until it is recorded."""

    def __init__(self, state: Reader) -> None:
        self._state = state
        self._taken: set[str] = set()
        """Places of downloads that are not recorded yet, folded."""

    @contextmanager
    def of(self, job: Job) -> Iterator[Callable[[str], str]]:
        """What gives a path for a path, both without extension: the same one, or the next that is no other output's.

        The places are the job's until the context ends; by then they are recorded, or nothing is there.
        """
        held = {folded(stem_of_file(artifact.path)) for artifact in job.artifacts}
        given: set[str] = set()

        def is_free(stem: str) -> bool:
            key = folded(stem)
            return not (key in held or key in self._taken or {*self._state.owners_of(stem)} - {job.job_id})

        def berth(stem: str) -> str:
            free = next(one for (one,) in chain([(stem,)], numbered((stem,))) if is_free(one))
            if free != stem:
                log.warning("saved beside", extra={"job_id": job.job_id, "path": stem, "saved_as": free})
            given.add(folded(free))
            self._taken.add(folded(free))
            return free

        try:
            yield berth
        finally:
            self._taken -= given
