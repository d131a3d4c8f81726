"""What a run was asked for, held against what has come of it: how that counts for the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from runner.batch.options import Options
from runner.errors import ExitCode
from runner.model import Job, JobState
from runner.rules.planning import Change, PlanEntry, may_replace_spec
from runner.store.reader import Reader

MAYBE_PAID: Final = (JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.IN_DOUBT)
"""What is open and may be paid for counts in the end, whoever was chosen and whatever left the manifest."""


class Asked:
    """The jobs that count, and those of which more was asked than that they are done."""

    def __init__(self, options: Options) -> None:
        chosen = (options.only, options.redo, options.approved, options.limit, options.sample)
        self._is_partial = any(choice is not None for choice in chosen)
        self._wants_changes = options.rerun_changed
        self._chosen: set[str] = set()
        """Where not all are: the chosen that were not done."""
        self._kept: set[str] = set()
        """Those that wait for a person's word: their entries changed, or they share what ended badly."""
        self._still_open: set[str] = set()
        """Those to be done as their entries are now, whose requests before were open when the run began."""

    def note_new(self, job_ids: Iterable[str]) -> None:
        """Jobs that are new, and sent as they are."""
        if self._is_partial:
            self._chosen.update(job_ids)

    def note(self, entry: PlanEntry) -> None:
        """Any other entry of the plan."""
        if self._is_partial and entry.is_chosen:
            self._chosen.add(entry.job_id)
        if entry.change in (Change.CHANGED, Change.FAILED) and not entry.will_submit:
            self._kept.add(entry.job_id)
        if entry.change is Change.CHANGED and not entry.will_submit and entry.is_chosen and self._wants_changes:
            self._still_open.add(entry.job_id)

    def ends(self, store: Reader, waiting: Iterable[str]) -> Iterator[ExitCode]:
        """How each job's end counts; `waiting` are those that wait for another's request still."""
        gone = store.gone()
        for job in store.jobs():
            if job.state in MAYBE_PAID or (job.job_id not in gone and self._counts(job.job_id)):
                yield _end_of(job, is_kept=job.job_id in self._kept)
        formerly_open = filter(None, map(store.job, self._still_open))
        if any(map(may_replace_spec, formerly_open)):
            yield ExitCode.STOPPED_EARLY  # the same command goes on with it
        if self.unserved(store, waiting):
            yield ExitCode.SOME_FAILED

    def unserved(self, store: Reader, waiting: Iterable[str]) -> int:
        """How many jobs have the pictures that they had, and not those that were asked for."""
        jobs = (store.job(job_id) for job_id in waiting if self._counts(job_id))
        return sum(job is not None and job.state is JobState.DONE for job in jobs)

    def _counts(self, job_id: str) -> bool:
        return not self._is_partial or job_id in self._chosen


def _end_of(job: Job, *, is_kept: bool) -> ExitCode:
    """How a job's end counts. One that waits for a person's word, since its entry changed, is not waited for."""
    if job.state is JobState.DONE:
        return ExitCode.DONE
    if job.state.is_terminal or (is_kept and job.state in (JobState.PENDING, JobState.HELD)):
        return ExitCode.SOME_FAILED
    return ExitCode.STOPPED_EARLY
