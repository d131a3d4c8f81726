"""Where the files of a run are to go, held against those that the state knows of earlier runs.

While a plan is made only hashes are kept, 8 bytes a path. Where one of them is another job's, the plan is gone through
once more to say whose it is, or to give the newcomer a number, as the manifest says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from runner.batch.inputs import Unfit
from runner.manifest import Manifest, Twins, stems_of
from runner.model import Job, JobSpec
from runner.rules.names import asked_for, difference, folded, given_paths, numbered, stem_of_file, taken_by, unnumbered
from runner.rules.planning import Change, PlanEntry
from runner.store.binding import has_state
from runner.store.reader import Reader

YAML: Final = (".yaml", ".yml")
"""Manifests that have a place for `output:`."""
Weighed = Callable[[], Iterator[tuple[JobSpec | None, PlanEntry, Job | None]]]


class Places:
    """Finds jobs that are to be written where another job's files are, or are to be, by the state."""

    def __init__(self, manifest: Manifest, directory: Path) -> None:
        self._manifest = manifest
        self._directory = directory
        self._has_state = has_state(directory)
        self._wanted = Twins()
        self._known = Twins()
        self._owners: dict[str, set[str]] = defaultdict(set)
        self._numbers: dict[tuple[str, ...], Iterator[tuple[str, ...]]] = {}

    def look(self, spec: JobSpec, job: Job | None) -> None:
        """Look at a job that is to have new files; the places of those that it has are its own, unless it shares."""
        if self._has_state:
            is_sole = job is not None and job.shared_from is None
            own = {folded(stem_of_file(artifact.path)) for artifact in job.artifacts} if job and is_sole else ()
            for stem in stems_of(spec):
                if (key := folded(stem)) not in own:
                    self._wanted.add(key)

    def settle(self, weighed: Weighed, unfit: Unfit) -> None:
        """Tell of each job that would take another's place, or give it the next that is free."""
        if not self._wanted:
            return
        with Reader(self._directory) as reader:
            for _, stem in reader.places():
                self._known.add(folded(stem))
            if not (hashes := self._wanted.common(self._known)):
                return
            for job_id, stem in reader.places():
                if hash(key := folded(stem)) in hashes:
                    self._owners[key].add(job_id)
            self._known.sort()
            self._wanted.sort()
            for position, (spec, entry, _) in enumerate(weighed()):
                if spec is None or not (entry.will_submit or entry.change is Change.SHARED):
                    continue
                if taken := taken_by(spec.job_id, stems_of(spec), self._owners):
                    owner = reader.job(taken[1])
                    is_same = owner is not None and owner.spec.fingerprint == spec.fingerprint
                    if not (is_same and entry.change is Change.SHARED):  # else it has the very file that is there
                        self._move(position, spec, taken, unfit)

    def _move(self, position: int, spec: JobSpec, taken: tuple[str, str], unfit: Unfit) -> None:
        if self._manifest.on_conflict == "suffix":
            self._manifest.jobs.change(position, paths=self._free(spec))
            return
        stem, owner = taken
        message = f"job {spec.job_id!r} would be written to {stem}, where the files of job {owner!r} are"
        hint = f"give {spec.job_id!r} another id, or choose another --out"
        if self._manifest.path.suffix.lower() in YAML:
            hint = (
                f"give {spec.job_id!r} another id or output.path, say  output: {{on_conflict: suffix}},  "
                "or choose another --out"
            )
        if told := difference(owner, spec.job_id):
            message += f"; {told}"
            hint = (
                f"write the id as it was, so that the job is called {owner!r}: that costs nothing; "
                f"or {hint}: then it is a new job, and paid for"
            )
        unfit.tell(f"{spec.source}: error[output-taken]: {message}", hint)

    def _free(self, spec: JobSpec) -> tuple[str, ...]:
        """The paths with the next number that no job has, by the state or by this manifest."""
        plain = unnumbered(given_paths(spec, asked_for(spec)))
        candidates = self._numbers.setdefault(plain, numbered(plain))
        return next(
            paths
            for paths in candidates
            if not any((key := folded(path)) in self._known or key in self._wanted for path in paths)
        )
