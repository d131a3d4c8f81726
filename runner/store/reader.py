"""The state of a run directory, read while another process may write."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from runner.errors import InputMissing
from runner.model import AFTER_ACCEPTANCE, WITH_RESULT, Artifact, Attempt, AttemptState, Job, JobState, Run
from runner.rules.names import asked_for, folded, owned_stems, stem_of_file
from runner.rules.planning import WAITING, Twin, is_refused_by_us
from runner.store.binding import Binding, has_state
from runner.store.database import (
    FILE,
    IN_FLIGHT,
    IS_IN_FLIGHT,
    OLD_ARTIFACTS,
    OLD_JOBS,
    WISHES,
    check_version,
    connect,
    corrupt,
    version_of,
)
from runner.store.rows import SELECT_JOBS, artifact_of_event, job_of, word
from runner.store.traces import latest_moves, older_state

NUMBERLESS: Final = 2
"""The last version of a state whose runs have no number; it is still read, for `status` and `report`."""
LATEST: Final = 4000
"""Events from which a run learns what its models take: those of some hundred jobs."""
OWED: Final = (
    *(JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.IN_DOUBT, JobState.OUTPUT_LOST),
)
"""States of jobs whose files may still come."""
CHUNK: Final = 500
"""Jobs read at a time: the reader never holds a snapshot open while the run goes on."""


_TURN: Final = f"""
    FROM attempts a WHERE a.job_id = j.job_id AND (a.state NOT IN ('not_sent', 'refused')
    OR j.state NOT IN ({", ".join(f"'{state}'" for state in sorted(AFTER_ACCEPTANCE))})) ORDER BY number DESC LIMIT 1
"""
"""The attempt that a job's state is about: `Job.attempt`, in SQL."""
_TWIN: Final = f"""
    SELECT fingerprint, job_id, state, is_gone, coalesce(shared_request, (SELECT request_id {_TURN})),
    state = 'failed' AND (SELECT state {_TURN}) IS 'written_off',
    state IN ('failed', 'rejected') AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.job_id = j.job_id),
    state = 'output_lost' AND failure_kind = 'policy' FROM jobs j
"""  # noqa: S608


class Reader:
    """The state, read only; sees what is committed, also while another process writes. A context manager.

    Every method raises `StorageFailed` where the file is broken.
    """

    def __init__(self, directory: Path) -> None:
        path = directory / FILE
        if not has_state(directory):
            raise InputMissing(f"no state in {directory}: is this a run directory? It holds a file {FILE}.")
        self._path = path
        self._read = connect(path, "ro")
        check_version(self._read, path)
        if version_of(self._read) < 3:
            self._read.execute(OLD_JOBS)
        if version_of(self._read) < 4:
            self._read.execute(OLD_ARTIFACTS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._read.close()

    def job(self, job_id: str) -> Job | None:
        """The job of that id."""
        rows = self._rows(SELECT_JOBS + " WHERE job_id = ?", (job_id,))
        return job_of(rows[0]) if rows else None

    def jobs(self, states: Iterable[JobState] | None = None, *, with_gone: bool = True) -> Iterator[Job]:
        """Jobs in the manifest's order, all or those in some states, as they are when each is reached."""
        where, values = _condition(states, with_gone=with_gone)
        position = -1
        while True:
            sql = f"{SELECT_JOBS} WHERE position > ?{where} ORDER BY position LIMIT {CHUNK}"
            rows = self._rows(sql, (position, *values))
            for row in rows:
                yield job_of(row)
            if len(rows) < CHUNK:
                return
            position = rows[-1][1]

    def inputs(self) -> Iterator[str]:
        """The JSON of each job's inputs, in the manifest's order."""
        try:
            for (text,) in self._read.execute("SELECT inputs FROM jobs ORDER BY position"):
                yield text
        except sqlite3.Error as error:
            raise corrupt(self._path, error) from error

    def named(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Those of the jobs that the state knows, by id; a few hundred at a time."""
        marks = ", ".join("?" * len(job_ids))
        rows = self._rows(f"{SELECT_JOBS} WHERE job_id IN ({marks})", tuple(job_ids))
        return {row[0]: job_of(row) for row in rows}

    def twins(self, fingerprints: Sequence[str]) -> dict[str, list[Twin]]:
        """The jobs with these fingerprints, by fingerprint, in the manifest's order; a few hundred at a time."""
        sql = f"{_TWIN} WHERE fingerprint IN ({', '.join('?' * len(fingerprints))}) ORDER BY position"
        found: dict[str, list[Twin]] = defaultdict(list)
        for fingerprint, job_id, state, *values in self._rows(sql, tuple(fingerprints)):
            is_gone, request_id, is_written_off, is_unsent, is_refused_by_us = values
            twin = Twin(
                job_id=job_id,
                state=word(JobState, state),
                is_gone=bool(is_gone),
                request_id=request_id,
                is_written_off=bool(is_written_off),
                is_unsent=bool(is_unsent),
                is_refused_by_us=bool(is_refused_by_us),
            )
            found[fingerprint].append(twin)
        return found

    def pictures_like(self, artifact: Artifact, job: Job) -> list[Artifact]:
        """The recorded files that are just that picture of a request that the job shares with others."""
        sql = (
            "SELECT path FROM artifacts f JOIN jobs j USING (job_id) "
            "WHERE (j.fingerprint = ? OR j.job_id = ?) AND f.sha256 = ? AND f.bytes = ? ORDER BY j.position"
        )
        rows = self._rows(sql, (job.spec.fingerprint, job.shared_from, artifact.sha256, artifact.bytes))
        return [replace(artifact, path=path) for (path,) in rows]

    def places(self) -> Iterator[tuple[str, str]]:
        """Job ids, each with a path without extension that is that job's.

        Those of its files, and of files to come where its request is paid or may be; also of jobs that are gone.
        """
        try:
            for job_id, path in self._read.execute("SELECT job_id, path FROM artifacts"):
                yield job_id, stem_of_file(path)
        except sqlite3.Error as error:
            raise corrupt(self._path, error) from error
        for job_id, kept in self.kept().items():
            for artifact in kept:
                yield job_id, stem_of_file(artifact.path)
        released = [job_id for (job_id,) in self._rows("SELECT job_id FROM attempts WHERE state = 'released'")]
        waiting = (job for job_id in released if (job := self.job(job_id)) and job.state in WAITING)
        for job in chain(self.jobs(OWED), waiting):
            if job.state is not JobState.OUTPUT_LOST or is_refused_by_us(job):
                count = max(len(job.outputs), asked_for(job.spec))
                for stem in owned_stems(job.job_id, job.spec.paths, count):
                    yield job.job_id, stem

    def owners_of(self, stem: str) -> list[str]:
        """The jobs with a recorded file of that path, whatever its extension and whether in capitals or not."""
        sql = "SELECT job_id, path FROM artifacts WHERE path >= ? COLLATE NOCASE AND path < ? COLLATE NOCASE"
        rows = self._rows(sql, (f"{stem}.", f"{stem}/"))  # what is between has a dot there
        return [job_id for job_id, path in rows if folded(stem_of_file(path)) == folded(stem)]

    def kept(self) -> dict[str, list[Artifact]]:
        """By job id, the pictures that were to make room for others, the oldest first; each where it is kept since.

        Where the new request was refused, it did not go there.
        """
        sql = f"SELECT job_id, data FROM events WHERE {WISHES} AND data LIKE '%\"kept\":[{{%' ORDER BY seq"  # noqa: S608
        found: dict[str, dict[str, Artifact]] = {}
        for job_id, data in self._rows(sql):
            kept = map(artifact_of_event, json.loads(data)["kept"])
            found.setdefault(job_id, {}).update((artifact.path, artifact) for artifact in kept)
        return {job_id: list(kept.values()) for job_id, kept in found.items()}

    def former_pictures(self) -> Iterator[tuple[str, Artifact, str | None]]:
        """Job ids, each with a picture of the job from before it was done again, and the request that it came from.

        It is where it was to be kept; while nobody knows of a new request that was taken, where it was.
        """
        if not self.kept():
            return
        taken = "kind IN ('SubmitAccepted', 'DoubtAttached', 'Shared', 'RequestShared')"
        sql = f"SELECT job_id, {taken}, data FROM events WHERE {WISHES} OR {taken} ORDER BY seq"  # noqa: S608
        wishes: dict[str, Any] = {}
        requests: dict[str, str | None] = {}
        for job_id, is_taken, data in self._rows(sql):
            values = json.loads(data)
            if is_taken:
                if values["request_id"] != requests.get(job_id):  # else only its files were put back
                    for kept in wishes.pop(job_id, ()):
                        yield job_id, artifact_of_event(kept), requests.get(job_id)
                requests[job_id] = values["request_id"]
            else:  # a wish before it is over: no request was taken for it
                wishes[job_id] = values.get("kept", ())
        for job in filter(None, map(self.job, wishes)):
            if job.state not in WITH_RESULT:
                for artifact in job.artifacts:
                    yield job.job_id, artifact, requests.get(job.job_id)

    def reworded(self) -> dict[tuple[str, str], set[str]]:
        """What was sent instead of a manifest's entry, since a review gave another prompt.

        By job id and the entry's own fingerprint: the fingerprints of what was sent. That is the job's request only
        where its spec is still one of them.
        """
        sql = f'SELECT job_id, data FROM events WHERE {WISHES} AND data LIKE \'%"instead_of":"%\' ORDER BY seq'  # noqa: S608
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for job_id, data in self._rows(sql):
            event = json.loads(data)
            if event.get("instead_of"):  # a prompt may say so too
                found[job_id, event["instead_of"]].add(event["spec"]["fingerprint"])
        return dict(found)

    def paths_like(self, pattern: str) -> list[str]:
        """The recorded files whose paths are like that, in SQL's words."""
        return [path for (path,) in self._rows("SELECT path FROM artifacts WHERE path LIKE ?", (pattern,))]

    def paths_of_several(self) -> set[str]:
        """The files that more than one job has: earlier versions let that happen."""
        sql = "SELECT path FROM artifacts GROUP BY path COLLATE NOCASE HAVING count(DISTINCT job_id) > 1"
        return {folded(path) for (path,) in self._rows(sql)}

    def history(self, most: int = 400) -> list[tuple[float, int]]:
        """Of the jobs that were done last: seconds from acceptance to the end, and bytes that came out."""
        sql = (
            "SELECT j.finished_at - a.accepted_at, (SELECT sum(bytes) FROM artifacts f WHERE f.job_id = j.job_id) "
            "FROM jobs j JOIN attempts a ON a.job_id = j.job_id AND a.state = 'finished' "
            "WHERE j.state = 'done' AND j.finished_at IS NOT NULL ORDER BY j.finished_at DESC LIMIT ?"
        )
        return [(seconds, size or 0) for seconds, size in self._rows(sql, (most,)) if seconds is not None]

    def noticed(self) -> list[tuple[str, float]]:
        """Models, and after how many seconds the ends of their requests were noticed, the newest last.

        Only of requests that were watched from the acceptance to the end by one run, among the latest few thousand
        events: however long the night was, this is read in a moment.
        """
        sql = (
            "SELECT e.at, e.job_id, e.kind, j.model "
            "FROM (SELECT * FROM events ORDER BY seq DESC LIMIT ?) e JOIN jobs j USING (job_id) "
            "WHERE e.kind IN ('SubmitAccepted', 'Resumed', 'ResultRead') ORDER BY e.seq"
        )
        accepted: dict[str, float] = {}
        found = []
        for at, job_id, kind, model in self._rows(sql, (LATEST,)):
            since = accepted.pop(job_id, None)
            if kind == "SubmitAccepted":
                accepted[job_id] = at
            elif kind == "ResultRead" and since is not None and at >= since:
                found.append((model, at - since))
        return found

    def counts(self, *, with_gone: bool = True) -> dict[JobState, int]:
        """How many jobs are in each state that occurs."""
        where = "" if with_gone else " WHERE is_gone = 0"
        rows = self._rows(f"SELECT state, count(*) FROM jobs{where} GROUP BY state")  # noqa: S608
        return {word(JobState, state): count for state, count in rows}

    def moves(self, since: int) -> list[tuple[int, str, float]]:
        """What happened after the event of that number: each one's own number, its job and its instant, in order."""
        return self._rows("SELECT seq, job_id, at FROM events WHERE seq > ? ORDER BY seq", (since,))

    def last_move(self) -> tuple[int, float]:
        """The number and the instant of what happened last; 0 and 0 where nothing did."""
        rows = self._rows("SELECT seq, at FROM events ORDER BY seq DESC LIMIT 1")
        return rows[0] if rows else (0, 0.0)

    def bills(self) -> list[tuple[Attempt, int]]:
        """Every attempt as far as money goes, with the number of those that are alike in state, price and cost."""
        rows = self._rows("SELECT state, reserved, cost, count(*) FROM attempts GROUP BY 1, 2, 3")
        plain: dict[str, Any] = {"number": 1, "payload_sha256": "", "intended_at": 0.0}
        return [
            (Attempt(state=word(AttemptState, state), reserved=reserved, cost=cost, **plain), count)
            for state, reserved, cost, count in rows
        ]

    def given_up(self) -> dict[str, list[str]]:
        """The payloads, by their SHA-256, whose POSTs were given up while in doubt; each with the jobs it was for.

        They may be paid for, whatever the jobs ask for by now.
        """
        found: dict[str, list[str]] = defaultdict(list)
        for payload_sha256, job_id in self._rows(
            "SELECT payload_sha256, job_id FROM attempts WHERE state = 'written_off'"
        ):
            found[payload_sha256].append(job_id)
        return dict(found)

    def wedged(self) -> list[Job]:
        """Jobs with an intent to pay that their state does not tell of, as an earlier version left them; `submitting`.

        Their POST may have left.
        """
        opened = "a.state IN ('intent', 'accepted', 'in_doubt') AND a.state = 'intent'"  # the first is an index
        sql = f"SELECT job_id FROM attempts a JOIN jobs j USING (job_id) WHERE {opened} AND j.state != 'submitting'"  # noqa: S608
        rows = self._rows(sql)
        found = (self.job(job_id) for (job_id,) in rows)
        return [replace(job, state=JobState.SUBMITTING) for job in found if job is not None]

    def owner_of(self, request_id: str) -> str | None:
        """The job whose request that is."""
        rows = self._rows("SELECT job_id FROM attempts WHERE request_id = ?", (request_id,))
        return rows[0][0] if rows else None

    def check_newest(self, directory: Path) -> None:
        """Raise `StorageFailed` where the log tells of requests that the state does not know: it is an older one."""
        sql = "SELECT coalesce(max(number), 0), coalesce(max(request_id = ?), 0) FROM attempts WHERE job_id = ?"
        missing = []
        for move in latest_moves(directory):
            [(number, has_it)] = self._rows(sql, (move.request_id, move.job_id))
            if number < move.attempt or (move.request_id is not None and not has_it):
                missing.append(move)
        if missing:
            raise older_state(directory, missing)

    def gone(self) -> set[str]:
        """The ids of the jobs that the manifest does not name any more."""
        return {job_id for (job_id,) in self._rows("SELECT job_id FROM jobs WHERE is_gone = 1")}

    def binding(self) -> Binding | None:
        """What the state belongs to; `None` while it is new."""
        meta = dict(self._rows("SELECT key, value FROM meta"))
        if "api_base" not in meta:
            return None
        is_simulated = meta["is_simulated"] == "1"
        return Binding(api_base=meta["api_base"], account=meta["account"], is_simulated=is_simulated)

    def last_run(self) -> Run | None:
        """The latest execution of the command."""
        columns = "run_id, name, manifest, started_at, finished_at, exit_code, stopped_because"
        order = "number" if version_of(self._read) > NUMBERLESS else "started_at"
        sql = f"SELECT {columns} FROM runs ORDER BY {order} DESC, run_id DESC LIMIT 1"  # noqa: S608
        rows = self._rows(sql)
        binding = self.binding()
        if not rows or binding is None:
            return None
        values: dict[str, Any] = dict(zip(columns.split(", "), rows[0], strict=True))
        given = self._rows("SELECT value FROM meta WHERE key = 'given'")
        words = tuple(json.loads(given[0][0])) if given else ()
        return Run(api_base=binding.api_base, is_simulated=binding.is_simulated, given=words, **values)

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._read.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise corrupt(self._path, error) from error


def _condition(states: Iterable[JobState] | None, *, with_gone: bool) -> tuple[str, tuple[Any, ...]]:
    gone = "" if with_gone else " AND is_gone = 0"
    if states is None:
        return gone, ()
    values = tuple(states)
    few = f" AND {IS_IN_FLIGHT}" if IN_FLIGHT.issuperset(values) else ""
    return f"{few} AND state IN ({', '.join('?' * len(values))}){gone}", values
