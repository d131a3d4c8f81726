"""The state of a run directory, opened for its one writer."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path

from runner.errors import StorageFailed
from runner.model import DoubtAttached, Event, Job, JobSpec, JobState, Run, StatusSeen, SubmitAccepted, SubmitIntended
from runner.rules.lifecycle import advance, withdrawn
from runner.store.binding import Binding, check_used
from runner.store.database import FILE, create, open_for_writing
from runner.store.listing import Listing
from runner.store.reader import Reader
from runner.store.rescue import Rescue, Saved, unplaced
from runner.store.rows import changes
from runner.store.writer import SecondPayment, Writer


class IdTaken(SecondPayment):
    """The service named a request by an id that the state has already: two jobs cannot have one request."""

    def __init__(self, request_id: str, owner: str) -> None:
        super().__init__(f"the request {request_id} belongs to job {owner!r} already")
        self.request_id = request_id
        self.owner = owner


class Store(Reader):
    """The state for the one process that holds the run lock. Makes it where there is none.

    Raises `CannotCreate` where the file cannot be made, `StorageFailed` where it is corrupt, was lost, or the disk
    fails, `StateMismatch` where it is of a newer version.
    """

    def __init__(self, directory: Path) -> None:
        check_used(directory)
        path = directory / FILE
        create(path)
        connection = open_for_writing(path)
        self._identity = path.stat()
        self._rescue = Rescue(directory)
        self._writer = Writer(connection, self._rescue.make_room)
        super().__init__(directory)

    def close(self) -> None:
        """Commit what is queued, and close.

        The writer goes last: who closes last folds the write-ahead log into the file, and a reader cannot.
        """
        super().close()
        self._writer.close()
        self._rescue.close()

    # ------------------------------------------------------------------------------------------------ while it runs

    async def record(self, job: Job, event: Event, *, opening: Event | None = None, before: Job | None = None) -> Job:
        """The job after the event, which is on the disk when this returns.

        `opening` is what a person decided about the job that the event is the first step of. Both are one transaction,
        so that until then the job stays as it was. `before` is the job as it was then: what it returns to by this very
        event, a refusal, in one transaction as well. A look that changed nothing but times is not waited for: it can be
        made again. The put on the writer's queue happens before anything is awaited, and cannot be cancelled.
        Raises `ImpossibleEvent`, `SecondPayment`, `IdTaken` and `StorageFailed`; then nothing is written, but the id
        of a request that was just paid for is saved beside the state where the disk failed.
        """
        after = advance(job if opening is None else advance(job, opening), event)
        if before is not None:
            after = withdrawn(before, after)
        if isinstance(event, StatusSeen) and after.remote == job.remote and after.failure == job.failure:
            return after
        if isinstance(event, SubmitIntended):
            self._check_place()
        events = (event,) if opening is None else (opening, event)
        try:
            await self._writer.write(tuple(changes(job, after, *events)), is_vital=job.state is JobState.SUBMITTING)
        except StorageFailed:
            if isinstance(event, SubmitAccepted):
                attempt = job.attempts[-1].number
                self._rescue.save(Saved(job_id=job.job_id, attempt=attempt, request_id=event.request_id))
            raise
        except SecondPayment as error:
            self._check_owner(event, error)
            raise
        return after

    def _check_owner(self, event: Event, error: SecondPayment) -> None:
        """Raise `IdTaken` where that is why the state refused the event."""
        if isinstance(event, (SubmitAccepted, DoubtAttached)) and (owner := self.owner_of(event.request_id)):
            raise IdTaken(event.request_id, owner) from error

    def _check_place(self) -> None:
        """The file that is written is still the one that the next run will read; raises `StorageFailed`."""
        try:
            if os.path.samestat(self._path.stat(), self._identity):
                return
        except OSError:
            pass
        raise StorageFailed(
            f"{self._path} was moved, deleted or replaced while the run went on; it holds the ids of paid requests. "
            "Nothing more is submitted. Put it back, then run the same command."
        )

    # ------------------------------------------------------------------------------------------- before and after it

    def record_now(self, job: Job, event: Event, *, opening: Event | None = None) -> Job:
        """`record`, for callers without an event loop."""
        after = advance(job if opening is None else advance(job, opening), event)
        events = (event,) if opening is None else (opening, event)
        try:
            self._writer.write_now(tuple(changes(job, after, *events)))
        except SecondPayment as error:
            self._check_owner(event, error)
            raise
        return after

    def saved(self) -> list[Saved]:
        """Requests that an earlier run paid for and could not write into the state."""
        return self._rescue.saved()

    def forget_saved(self) -> None:
        """They are in the state now; raises `StorageFailed`, and forgets none, where one is not."""
        saved = self.saved()
        if strangers := [one for one in saved if self.owner_of(one.request_id) is None]:
            raise unplaced(self._path.parent, strangers)
        if saved:
            self._rescue.forget()

    def bind(self, binding: Binding, now: float) -> None:
        """Bind the state to an API and an account, or change the account that it is bound to."""
        pairs = {
            "api_base": binding.api_base,
            "account": binding.account,
            "is_simulated": str(int(binding.is_simulated)),
            "created_at": str(now),
        }
        sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE key = 'account'"
        self._writer.write_now([(sql, pair) for pair in pairs.items()])

    def put_specs(self, specs: Collection[JobSpec]) -> None:
        """Make the state's list of jobs the manifest's: new ones are added, the others keep what is known of them.

        A job that was never taken takes the new spec; one that may be paid, or was rejected, keeps the spec that it was
        sent with. All in one transaction: a kill leaves the old list or the new one.
        """
        if listing := Listing(self._rows, specs):
            self._writer.write_now(listing.statements())

    def begin_run(self, run: Run) -> None:
        """Write down that an execution of the command began; from now on the file itself has all but what follows."""
        columns = ("run_id", "name", "manifest", "started_at", "time_limit", "ends_at")
        number = "(SELECT coalesce(max(number), 0) + 1 FROM runs)"
        sql = f"INSERT INTO runs ({', '.join(columns)}, number) VALUES (?, ?, ?, ?, ?, ?, {number})"  # noqa: S608
        given = "INSERT INTO meta VALUES ('given', ?) ON CONFLICT DO UPDATE SET value = excluded.value"
        values = tuple(getattr(run, column) for column in columns)
        self._writer.write_now([(sql, values), (given, (json.dumps(run.given),))])
        self._writer.checkpoint()

    def end_of_killed_run(self, time_limit: str) -> float | None:
        """When the time of the latest run is over, if it was killed and had the same limit."""
        sql = "SELECT time_limit, finished_at, ends_at FROM runs ORDER BY number DESC LIMIT 1"
        latest = self._rows(sql)
        return latest[0][2] if latest and latest[0][:2] == (time_limit, None) else None

    def end_run(self, run: Run) -> None:
        """Write down how it ended."""
        sql = "UPDATE runs SET finished_at = ?, exit_code = ?, stopped_because = ? WHERE run_id = ?"
        self._writer.write_now([(sql, (run.finished_at, run.exit_code, run.stopped_because, run.run_id))])
