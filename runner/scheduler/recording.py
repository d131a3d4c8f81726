"""What happened to a job goes through here: into the state, then to the gate and to whoever counts.

What a person decided about a job, its *opening*, is written with the intent to pay for it, in one transaction. Until
then, and where that POST is not taken, the job stays in the state exactly as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.model import Event, Job, SubmitAccepted, SubmitIntended, SubmitRejected
from runner.rules.lifecycle import advance, is_undone_by
from runner.scheduler.gate import SubmitGate
from runner.scheduler.keeping import Keeping
from runner.store.store import Store


class Recording:
    """Writes the events of one run."""

    def __init__(
        self, store: Store, gate: SubmitGate, keeping: Keeping | None, on_change: Callable[[Job | None, Job], None]
    ) -> None:
        self._store = store
        self._gate = gate
        self._keeping = keeping
        self._on_change = on_change
        self.openings: Mapping[str, Event] = {}
        """What a person decided about some of the jobs, by id."""
        self._unopened: dict[str, Job] = {}
        """The jobs whose opening is not recorded yet, or not any more, as they are in the state."""
        self._opened: dict[str, Job] = {}
        """The jobs whose opening is recorded and whose POST is not answered, as they were before."""
        self.has_refused_wishes = False
        """Whether a job stays as it was, since the service will not do it as a person wants it now."""

    @property
    def has_unsent_wishes(self) -> bool:
        """Whether a person wants a job again that was begun, and whose POST was not taken."""
        return bool(self._unopened)

    def open(self, job: Job) -> Job:
        """The job as what a person decided makes it; for the state nothing has happened yet."""
        self._unopened[job.job_id] = job
        return advance(job, self.openings[job.job_id])

    async def record(self, job: Job, event: Event) -> Job:
        """The job after the event, which is on the disk by then; raises what `Store.record` raises."""
        base = self._unopened.get(job.job_id)
        if base is None:
            after = await self._record_opened(job, event)
        elif isinstance(event, SubmitIntended):
            opening = self.openings[job.job_id]
            after = await self._store.record(base, event, opening=opening)
            self._opened[job.job_id] = self._unopened.pop(job.job_id)
            if self._keeping is not None:
                self._keeping.opened(job.job_id, opening)
        else:
            return advance(job, event)  # no POST has left
        if self._keeping is not None and isinstance(event, SubmitAccepted):
            self._keeping.accepted(after)
        self._gate.moved(base or job, after)
        self._on_change(base or job, after)
        return after

    async def _record_opened(self, job: Job, event: Event) -> Job:
        """Record the event; a job whose POST was refused that a person wanted is in the state as it was before that."""
        before = self._opened.pop(job.job_id, None)
        if before is None or not is_undone_by(before, event):
            return await self._store.record(job, event)
        undone = await self._store.record(job, event, before=before)
        if isinstance(event, SubmitRejected):
            self.has_refused_wishes = True
        else:
            self._unopened[job.job_id] = undone  # this run may try once more
        return advance(job, event)
