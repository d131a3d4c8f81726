"""The state on a real disk: what is recorded stays, is recorded once, and by one process."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import replace
from types import MappingProxyType

import pytest
from support.own_disk import on_own_disk, tiny_disk

from runner.errors import BatchError, CannotCreate, InputMissing, RunDirectoryLocked, StateMismatch, StorageFailed
from runner.model import (
    Artifact,
    AttemptState,
    Collected,
    CollectFailed,
    DoubtAttached,
    DoubtReleased,
    DoubtWrittenOff,
    Failure,
    FailureKind,
    FilesMissing,
    Job,
    JobSpec,
    JobState,
    Money,
    OutputLost,
    RedoRequested,
    RemoteFailed,
    RemoteState,
    RemoteStatus,
    ResultRead,
    Resumed,
    RetryRequested,
    Run,
    Shared,
    SpecChanged,
    StatusSeen,
    SubmitAccepted,
    SubmitHeld,
    SubmitIntended,
    SubmitLost,
    SubmitNotSent,
    SubmitRejected,
    Traits,
)
from runner.rules.lifecycle import ImpossibleEvent, advance
from runner.store import lock
from runner.store.binding import Binding, check_binding, has_state
from runner.store.database import version_in
from runner.store.lock import RunLock, is_locked
from runner.store.reader import Reader
from runner.store.store import IdTaken, Store
from runner.store.writer import SecondPayment

NOW = 1_700_000_000.25
FAILURE = Failure(kind=FailureKind.TRANSIENT, code="network", message="reset „by“ peer\n\u202e\x00")
INTENDED = SubmitIntended(at=NOW, payload_sha256="p" * 64, reserved=Money(39_000))


def spec(job_id, prompt="white background", **more):
    return JobSpec(job_id=job_id, model="m/edit", inputs={"prompt": prompt}, fingerprint=f"f:{prompt}", **more)


def specs(*job_ids):
    return [spec(job_id) for job_id in job_ids]


def accepted(request_id="r1"):
    return SubmitAccepted(at=NOW + 1, request_id=request_id, look_at=NOW + 9)


def artifact(index, width=1024):
    path = f"images/mug-{index}.png"
    more = {"format": "png" if width else "mp4", "source_url": "https://cdn.example/mug.png", "index": index}
    looks = {"outline": "0" * 64, "mean": (250, 251, 252), "spread": 90, "corner": 255}
    traits = Traits(**looks, change=3, before=(40, 30)) if index == 1 else Traits(**looks) if width else None
    return Artifact(path=path, sha256="s" * 64, bytes=1 << 40, width=width, height=width, traits=traits, **more)


@pytest.fixture
def store(tmp_path):
    """An open state with three jobs."""
    with Store(tmp_path) as store:
        store.put_specs(specs("mug", "lamp", "vase"))
        yield store


@contextmanager
def looking(directory):
    """The file itself, past our own code."""
    with closing(sqlite3.connect(f"file:{directory / 'state.db'}?mode=ro", uri=True)) as connection:
        yield lambda sql: connection.execute(sql).fetchall()


def statements(store):
    """The list to which every statement that is committed from now on is added."""
    seen: list[str] = []
    store._writer._connection.set_trace_callback(seen.append)
    return seen


def python(script, *arguments, **more):
    """A process of its own; ended by its id."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **more,
    )


# ---------------------------------------------------------------------------------------------------------- the file


def test_the_state_is_for_its_owner_alone(tmp_path):
    """Result URLs are keys: file, log and index, also under a careless umask."""
    before = os.umask(0)
    try:
        with Store(tmp_path) as store:
            store.put_specs(specs("mug"))
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert set(modes) == {"state.db", "state.db-wal", "state.db-shm", "state.ballast", "state.rescue"}
    assert set(modes.values()) == {0o600}


def test_a_commit_is_on_the_disk_when_it_returns(store, tmp_path):
    """A write-ahead log, synced at each commit, as SQLite itself says; versioned, with foreign keys."""
    names = ("journal_mode", "synchronous", "fullfsync", "foreign_keys", "user_version")
    found = {name: store._writer._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names}
    assert found == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "foreign_keys": 1, "user_version": 4}
    with looking(tmp_path) as rows:
        assert rows("PRAGMA user_version") == [(4,)]


def test_a_closed_state_is_one_file(tmp_path):
    """Whoever keeps a copy of state.db keeps everything; nothing stays behind in the log."""
    run, copy = tmp_path / "run", tmp_path / "copy"
    run.mkdir()
    copy.mkdir()
    with Store(run) as store:
        store.put_specs(specs("mug", "lamp"))
        job = store.record_now(store.job("mug"), INTENDED)
    assert [path.name for path in run.iterdir()] == ["state.db"]
    shutil.copy(run / "state.db", copy)
    with Reader(copy) as reader:
        assert reader.job("mug") == job


@pytest.mark.parametrize("place", ["missing/run", "a-file"])
def test_a_state_that_cannot_be_made_says_where(tmp_path, place):
    """No traceback of SQLite."""
    (tmp_path / "a-file").touch()
    with pytest.raises(CannotCreate, match=f"cannot create .*{place}/state.db: "):
        Store(tmp_path / place)


def test_a_planted_link_is_not_followed(tmp_path):
    """The state goes where it was told to go."""
    (tmp_path / "state.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(CannotCreate):
        Store(tmp_path)
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_directory_without_state_is_named(tmp_path):
    """Nothing is made by looking."""
    with pytest.raises(InputMissing, match=f"no state in {tmp_path}"):
        Reader(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_the_state_is_made_costs_nothing(tmp_path):
    """The empty file that it leaves is no state for a reader, and a new one for the next run."""
    (tmp_path / "state.db").touch()
    with pytest.raises(BatchError):
        Reader(tmp_path)
    with Store(tmp_path) as store:
        store.put_specs(specs("mug"))
        assert [job.job_id for job in store.jobs()] == ["mug"]


@pytest.mark.parametrize("opener", [Store, Reader])
def test_a_newer_state_is_left_alone(tmp_path, opener):
    """With the remedy."""
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateMismatch, match="newer version of runcomfy-batch: upgrade"):
        opener(tmp_path)
    with looking(tmp_path) as rows:
        assert rows("PRAGMA user_version") == [(99,)]


@pytest.mark.parametrize(
    ("change", "read"),
    [
        ("jobs SET state = 'paused'", lambda reader: list(reader.jobs())),
        ("jobs SET state = 'paused'", lambda reader: reader.counts()),
        ("jobs SET remote_state = 'paused'", lambda reader: reader.job("mug")),
        ("jobs SET failure_kind = 'weather'", lambda reader: reader.job("mug")),
        ("attempts SET state = 'paused'", lambda reader: reader.job("mug")),
        ("attempts SET state = 'paused'", lambda reader: reader.bills()),
    ],
)
def test_a_word_of_a_newer_version_is_no_bug(tmp_path, change, read):
    """It says what to do."""
    with Store(tmp_path) as store:
        store.put_specs(specs("mug"))
        store.record_now(store.job("mug"), INTENDED)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.executescript(f"UPDATE {change};")
    with Reader(tmp_path) as reader, pytest.raises(StateMismatch, match="written by a newer version of runcomfy-batch"):
        read(reader)


def garbage(path):
    path.write_bytes(b"this is no database" * 1000)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def scratch(path):
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + os.urandom(len(data) - half))


@pytest.mark.parametrize("harm", [garbage, cut, scratch])
@pytest.mark.parametrize("opener", [Store, Reader])
def test_a_broken_state_is_named_and_never_replaced(tmp_path, harm, opener):
    """It holds the ids of paid requests: a person decides. Whether it is opened to be written or only to be read."""
    with Store(tmp_path) as store:
        store.put_specs([spec(f"job-{n}", "x" * 500) for n in range(500)])
    harm(tmp_path / "state.db")
    broken = (tmp_path / "state.db").read_bytes()
    with pytest.raises(StorageFailed, match=f"{tmp_path}/state.db cannot be read: .* do not delete it"):  # noqa: SIM117
        with opener(tmp_path) as opened:
            list(opened.jobs())
    assert (tmp_path / "state.db").read_bytes() == broken


class Specs(list):
    """A manifest that breaks the second time that somebody reads it."""

    readings = 0

    def __iter__(self):
        self.readings += 1
        if self.readings > 1:
            yield self[0]
            raise StorageFailed("the disk of the manifest broke")
        yield from super().__iter__()


def test_a_list_that_breaks_off_is_not_written_at_all(tmp_path):
    """Half a manifest in the state would make the other half look new."""
    with Store(tmp_path) as store:
        store.put_specs(specs("mug"))
        with pytest.raises(StorageFailed, match="the disk of the manifest broke"):
            store.put_specs(Specs(specs("mug", "lamp", "vase")))
        assert [job.job_id for job in store.jobs()] == ["mug"]
        store.put_specs(specs("mug", "lamp"))
        assert [job.job_id for job in store.jobs()] == ["mug", "lamp"]


# -------------------------------------------------------------------------------------------------------- the record

ROAD = [
    SubmitNotSent(at=NOW, failure=FAILURE, retry_at=NOW + 0.125),
    INTENDED,
    accepted(),
    StatusSeen(at=NOW, status=RemoteStatus(state=RemoteState.QUEUED, raw="in_queue", queue_position=7), look_at=NOW),
    StatusSeen(at=NOW, status=RemoteStatus(state=RemoteState.COMPLETED, raw="succeeded"), look_at=NOW),
    ResultRead(at=NOW, outputs=("https://cdn.example/a?sig=1", "https://cdn.example/b"), cost=Money(78_000)),
    CollectFailed(at=NOW, artifacts=(artifact(2),), failure=FAILURE, retry_at=NOW + 3),
    ResultRead(at=NOW, outputs=("https://cdn.example/c",), cost=None),
    Collected(at=NOW, artifacts=(artifact(1), artifact(2, None))),
    FilesMissing(at=NOW, artifacts=(artifact(1),)),
    Resumed(at=NOW),
    Collected(at=NOW, artifacts=(artifact(2),)),
    FilesMissing(at=NOW),
    Collected(at=NOW, artifacts=(artifact(1),)),
    SpecChanged(at=NOW, spec=spec("mug", "schwarz \U0001f5a4 \x00 'quoted'", row={"sku": "7"}, source="a.csv:3")),
    SubmitIntended(at=NOW, payload_sha256="q" * 64, reserved=None),
    SubmitLost(at=NOW, failure=FAILURE),
]


def test_every_event_is_on_the_disk_before_the_next(store, tmp_path):
    """At each step of a long road, who opens the state then sees the very job, and the event."""
    job = store.job("mug")
    for number, event in enumerate(ROAD, start=1):
        job = store.record_now(job, event)
        with Reader(tmp_path) as reader:
            assert reader.job("mug") == job, event
        with looking(tmp_path) as rows:
            seen = rows("SELECT seq, at, job_id, kind FROM events ORDER BY seq")
        assert (len(seen), seen[-1]) == (number, (number, event.at, "mug", type(event).__name__))


async def test_a_look_that_changed_nothing_costs_no_commit(store):
    """It can be made again."""
    status = RemoteStatus(state=RemoteState.RUNNING, raw="in_progress")
    job = store.job("mug")
    for event in (INTENDED, accepted(), StatusSeen(at=NOW, status=status, look_at=NOW + 3)):
        job = await store.record(job, event)
    seen = statements(store)
    job = await store.record(job, StatusSeen(at=NOW + 3, status=status, look_at=NOW + 6))
    assert (job.polls, job.ready_at, seen) == (2, NOW + 6, [])


async def test_an_event_and_what_it_changed_are_one_transaction(store):
    """A kill between the two cannot be."""
    seen = statements(store)
    await store.record(store.job("mug"), INTENDED)
    words = [" ".join(sql.split()[:3]) for sql in seen]
    assert words == ["BEGIN IMMEDIATE", "INSERT INTO events", "UPDATE jobs SET", "INSERT INTO attempts", "COMMIT"]


@pytest.mark.parametrize(
    ("road", "opening"),
    [
        ([SubmitLost(at=NOW, failure=FAILURE)], DoubtReleased(at=NOW)),
        ([accepted(), RemoteFailed(at=NOW, failure=FAILURE, cost=None)], RetryRequested(at=NOW)),
        (
            [accepted(), ResultRead(at=NOW, outputs=("u",), cost=None), Collected(at=NOW, artifacts=(artifact(1),))],
            SpecChanged(at=NOW, spec=spec("mug", "black")),
        ),
    ],
    ids=["released", "retried", "changed"],
)
async def test_a_second_payment_is_opened_and_intended_at_once(store, tmp_path, road, opening):
    """What a person decided is written with the intent to pay, or not at all; then there are two attempts, one open."""
    job = store.job("mug")
    for event in [INTENDED, *road]:
        job = await store.record(job, event)
    with looking(tmp_path) as rows:
        before = rows("SELECT count(*) FROM events")
    (tmp_path / "state.db").rename(tmp_path / "away.db")
    with pytest.raises(StorageFailed, match="moved, deleted"):
        await store.record(job, INTENDED, opening=opening)
    (tmp_path / "away.db").rename(tmp_path / "state.db")
    assert store.job("mug") == job
    with looking(tmp_path) as rows:
        assert rows("SELECT count(*) FROM events") == before
    seen = statements(store)
    after = await store.record(job, INTENDED, opening=opening)
    assert seen.count("COMMIT") == 1
    assert store.job("mug") == after == advance(advance(job, opening), INTENDED)
    assert [attempt.state for attempt in after.attempts][1:] == [AttemptState.INTENT]
    with looking(tmp_path) as rows:
        kinds = [kind for (kind,) in rows("SELECT kind FROM events ORDER BY seq DESC LIMIT 2")]
    assert kinds == ["SubmitIntended", type(opening).__name__]


SUBMIT_FOR_EVER = """
import asyncio, pathlib, sys
from runner.model import *
from runner.store.store import Store

async def work(store, job):
    while True:
        job = await store.record(job, SubmitIntended(at=1.0, payload_sha256="p", reserved=None))
        print(job.job_id, job.attempts[-1].number, flush=True)
        failure = Failure(kind=FailureKind.TRANSIENT, code="network", message="reset")
        job = await store.record(job, SubmitNotSent(at=1.0, failure=failure, retry_at=1.0))

async def main():
    with Store(pathlib.Path(sys.argv[1])) as store:
        await asyncio.gather(*(work(store, job) for job in store.jobs()))

asyncio.run(main())
"""


def test_a_kill_forgets_nothing_that_was_said(tmp_path):
    """Each intent that the killed process told of is there, and each job is where its events led it."""
    with Store(tmp_path) as store:
        store.put_specs(specs(*(f"job-{n}" for n in range(20))))
    with python(SUBMIT_FOR_EVER, tmp_path) as process:
        told = [process.stdout.readline().split() for _ in range(300)]
        process.send_signal(signal.SIGKILL)
        told += [line.split() for line in process.stdout.read().split("\n")[:-1]]
    with Reader(tmp_path) as reader, looking(tmp_path) as rows:
        jobs = {job.job_id: job for job in reader.jobs()}
        for job_id, number in told:
            assert int(number) in {attempt.number for attempt in jobs[job_id].attempts}
        for job_id, job in jobs.items():
            kinds = [kind for (kind,) in rows(f"SELECT kind FROM events WHERE job_id = '{job_id}' ORDER BY seq")]
            assert set(kinds[::2]) <= {"SubmitIntended"}
            assert set(kinds[1::2]) <= {"SubmitNotSent"}
            assert job.state is (JobState.SUBMITTING if len(kinds) % 2 else JobState.PENDING)
            assert len(job.attempts) == (len(kinds) + 1) // 2
        assert rows("PRAGMA integrity_check") == [("ok",)]


async def test_many_jobs_share_a_commit(store, tmp_path):
    """While one transaction is synced, the next ones gather."""
    store.put_specs(specs(*(f"job-{n}" for n in range(200))))
    seen = statements(store)
    jobs = await asyncio.gather(*(store.record(job, INTENDED) for job in store.jobs(with_gone=False)))
    assert {job.state for job in jobs} == {JobState.SUBMITTING}
    assert seen.count("COMMIT") < 20
    with Reader(tmp_path) as reader:
        assert reader.counts() == {JobState.PENDING: 3, JobState.SUBMITTING: 200}


async def test_what_has_happened_is_recorded_even_if_nobody_waits(store, tmp_path):
    """A cancelled caller and a closed store lose nothing that was handed in."""
    tasks = [asyncio.create_task(store.record(store.job(job_id), INTENDED)) for job_id in ("mug", "lamp", "vase")]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    store.close()
    with Reader(tmp_path) as reader:
        assert reader.counts() == {JobState.SUBMITTING: 3}


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], AttemptState.INTENT),
        ([accepted()], AttemptState.ACCEPTED),
        ([SubmitLost(at=NOW, failure=FAILURE)], AttemptState.IN_DOUBT),
    ],
)
async def test_a_second_payment_is_impossible(store, tmp_path, events, state):
    """Even for a program gone mad: while an attempt may be paid, another one is refused by the file itself."""
    job = store.job("mug")
    for event in [INTENDED, *events]:
        job = await store.record(job, event)
    assert job.attempts[0].state is state
    mad = replace(job, state=JobState.PENDING)
    innocent = store.job("lamp")
    outcomes = await asyncio.gather(
        store.record(store.job("vase"), INTENDED),  # goes first, so that the others are one group
        store.record(mad, INTENDED),
        store.record(innocent, INTENDED),
        return_exceptions=True,
    )
    assert isinstance(outcomes[1], SecondPayment)
    with pytest.raises(SecondPayment, match=r"UNIQUE constraint failed: attempts\.job_id$"):
        store.record_now(mad, INTENDED)
    with Reader(tmp_path) as reader:
        assert reader.job("mug") == job
        assert reader.job("lamp") == outcomes[2]
        assert reader.job("lamp").state is JobState.SUBMITTING


async def test_the_same_intent_twice_is_refused(store):
    """Two tasks with the same job in hand: one pays."""
    job = store.job("mug")
    outcomes = await asyncio.gather(*(store.record(job, INTENDED) for _ in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Job, *[SecondPayment] * 4]


async def test_a_request_belongs_to_one_job(store):
    """The second job that claims it is refused, told whose it is, and is where it was."""
    mug, lamp, vase = [await store.record(store.job(job_id), INTENDED) for job_id in ("mug", "lamp", "vase")]
    outcomes = await asyncio.gather(
        store.record(vase, accepted("r2")),  # goes first, so that the others are one group
        store.record(mug, accepted("r1")),
        store.record(lamp, accepted("r1")),
        return_exceptions=True,
    )
    assert isinstance(outcomes[2], IdTaken)
    assert (outcomes[2].request_id, outcomes[2].owner, store.owner_of("r1")) == ("r1", "mug", "mug")
    doubt = await store.record(lamp, SubmitLost(at=NOW, failure=FAILURE))
    with pytest.raises(IdTaken, match="the request r2 belongs to job 'vase' already"):
        store.record_now(doubt, DoubtAttached(at=NOW, request_id="r2"))
    assert store.job("lamp") == doubt
    assert store.owner_of("r3") is None


async def test_an_impossible_event_writes_nothing(store, tmp_path):
    """The rules are asked first."""
    with pytest.raises(ImpossibleEvent):
        await store.record(store.job("mug"), accepted())
    with looking(tmp_path) as rows:
        assert rows("SELECT count(*) FROM events") == [(0,)]


@pytest.mark.parametrize(
    "status",
    [
        RemoteStatus(state=RemoteState.UNKNOWN, raw="\ud800"),
        RemoteStatus(state=RemoteState.QUEUED, raw="in_queue", queue_position=1 << 70),
    ],
    ids=["half a surrogate pair", "a number beyond 64 bits"],
)
async def test_a_value_that_does_not_fit_harms_only_its_own_job(store, status):
    """What a service may answer must not take a neighbour's request id along, nor end the run."""
    mug, lamp, vase = [await store.record(store.job(job_id), INTENDED) for job_id in ("mug", "lamp", "vase")]
    mug = await store.record(mug, accepted())
    outcomes = await asyncio.gather(
        store.record(vase, accepted("r3")),
        store.record(mug, StatusSeen(at=NOW, status=status, look_at=NOW)),
        store.record(lamp, accepted("r2")),
        return_exceptions=True,
    )
    assert type(outcomes[1]) is BatchError
    assert [store.job(job_id).request_id for job_id in ("mug", "lamp", "vase")] == ["r1", "r2", "r3"]
    await store.record(mug, ResultRead(at=NOW, outputs=("https://cdn.example/a",), cost=None))
    assert store.job("mug").state is JobState.RESULT_KNOWN


FILL_THE_DISK = """
import asyncio, json, pathlib, resource
from runner.errors import StorageFailed
from runner.model import *
from runner.store.reader import Reader
from runner.store.store import Store

async def work(store, job):
    job = await store.record(job, SubmitIntended(at=1.0, payload_sha256="p" * 4096, reserved=None))
    return job.job_id

async def main(directory=pathlib.Path("disk")):
    with Store(directory) as store:
        spec = dict(model="m", inputs={}, fingerprint="f")
        store.put_specs([JobSpec(job_id=f"job-{n}", **spec) for n in range(400)])
        outcomes = await asyncio.gather(*(work(store, job) for job in store.jobs()), return_exceptions=True)
        late = await asyncio.gather(work(store, store.job("job-399")), return_exceptions=True)
        at_once = None
        try:
            store.put_specs([JobSpec(job_id="new", **spec)])
        except StorageFailed as error:
            at_once = error.message
        failed = {str(outcome) for outcome in outcomes + late if isinstance(outcome, StorageFailed)}
        paid = [outcome for outcome in outcomes if isinstance(outcome, str)]
        others = [repr(o) for o in outcomes + late if not isinstance(o, (str, StorageFailed))]
    with Reader(directory) as reader:
        found = [job.job_id for job in reader.jobs([JobState.SUBMITTING])]
    print(json.dumps(dict(failed=sorted(failed), at_once=at_once, paid=paid, found=found, others=others)))

asyncio.run(main())
"""


def test_a_full_disk_reaches_everyone_who_waits(tmp_path):
    """Each gets `StorageFailed`, then and later; what was confirmed is there, and what is there was confirmed."""
    (tmp_path / "disk").mkdir()
    command = tiny_disk(sys.executable, "-c", FILL_THE_DISK)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["others"] == []
    assert [said["at_once"]] == said["failed"]
    assert "the state cannot be written" in said["at_once"]
    assert "Free space or mend the disk" in said["at_once"]
    assert 0 < len(said["paid"]) < 400
    assert sorted(said["paid"]) == sorted(said["found"])


# ------------------------------------------------------------------------------------------------------- the reader


def test_a_reader_cannot_write(store, tmp_path):
    """SQLite itself refuses, and the file stays as it is."""
    before = (tmp_path / "state.db").read_bytes()
    with Reader(tmp_path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._read.execute("DELETE FROM jobs")
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_reader_sees_what_is_committed_while_another_writes(store, tmp_path):
    """It neither waits nor sees the half of a transaction."""
    with closing(sqlite3.connect(tmp_path / "state.db", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE jobs SET state = 'done'")
        with Reader(tmp_path) as reader:
            assert reader.counts() == {JobState.PENDING: 3}
            writer.execute("COMMIT")
            assert reader.counts() == {JobState.DONE: 3}


def test_jobs_are_read_in_order_and_by_state(tmp_path):
    """Across the chunks in which they are read, which hold no snapshot open."""
    with Store(tmp_path) as store:
        store.put_specs([spec(f"job-{n}") for n in reversed(range(1_234))])
        assert [job.job_id for job in store.jobs()] == [f"job-{n}" for n in reversed(range(1_234))]
        for n in range(0, 1_234, 100):
            store.record_now(store.job(f"job-{n}"), INTENDED)
        assert [job.position for job in store.jobs([JobState.SUBMITTING])] == [33 + 100 * n for n in range(13)]
        assert list(store.jobs([JobState.DONE])) == []
        assert store.job("no-such-job") is None


READ = """
import pathlib
from runner.store.reader import Reader
with Reader(pathlib.Path("run")) as reader:
    print([job.job_id for job in reader.jobs()])
"""


@pytest.mark.parametrize("states", [{JobState.SUBMITTED}, {JobState.SUBMITTED, JobState.RESULT_KNOWN}])
def test_what_is_in_flight_is_found_without_a_look_at_the_rest(store, states):
    """However many jobs are done or still to come."""
    asked = []
    store._read.set_trace_callback(asked.append)
    assert list(store.jobs(states)) == []
    [query] = asked
    plan = [row[-1] for row in store._read.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert any("USING INDEX jobs_in_flight" in step for step in plan), plan


def test_an_archive_on_a_read_only_disk_can_be_read(tmp_path):
    """A log cannot be made there, and none is needed."""
    (tmp_path / "run").mkdir()
    with Store(tmp_path / "run") as store:
        store.put_specs(specs("mug"))
    setup = "mount --bind run run && mount -o remount,bind,ro run"
    command = on_own_disk(sys.executable, "-c", READ, setup=setup, otherwise="chmod a-w run")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "['mug']\n", done.stderr


# -------------------------------------------------------------------------------------------------------- the binding

REAL = Binding(api_base="https://model-api.runcomfy.net/v1", account="a1", is_simulated=False)


@pytest.mark.parametrize(
    ("found", "wanted", "answer"),
    [
        (None, REAL, True),
        (REAL, REAL, True),
        (REAL, replace(REAL, account="a2"), False),
        (REAL, replace(REAL, api_base="https://other.example/v1"), "belongs to the API at https://model-api"),
        (REAL, replace(REAL, is_simulated=True), "holds a real run; a simulated one needs another directory"),
        (replace(REAL, is_simulated=True), REAL, "holds a simulated run; a real one needs another directory"),
        (
            replace(REAL, is_simulated=True, api_base="http://127.0.0.1:1/v1"),
            replace(REAL, is_simulated=True, api_base="http://127.0.0.1:2/v1"),
            True,
        ),
    ],
)
def test_a_state_belongs_to_one_api(tmp_path, found, wanted, answer):
    """Another API, or play money among real one, is refused; another token is a question that only the API answers."""
    with Store(tmp_path) as store:
        if found is not None:
            store.bind(found, NOW)
    with Reader(tmp_path) as reader:
        assert reader.binding() == found
        if isinstance(answer, bool):
            assert check_binding(reader.binding(), wanted, tmp_path) is answer
        else:
            with pytest.raises(StateMismatch, match=answer):
                check_binding(reader.binding(), wanted, tmp_path)


def test_a_new_token_is_remembered_and_nothing_else_changes(store):
    """The API that a state belongs to is written once."""
    store.bind(REAL, NOW)
    store.bind(replace(REAL, account="a2", api_base="https://other.example/v1", is_simulated=True), NOW)
    assert store.binding() == replace(REAL, account="a2")


def test_the_last_run_is_told(store):
    """With its end, once it has one."""
    assert store.last_run() is None
    store.bind(REAL, NOW)
    first, second = (
        Run(
            run_id=run_id,
            name="spring",
            manifest="spring.csv",
            api_base=REAL.api_base,
            is_simulated=False,
            started_at=at,
        )
        for run_id, at in (("a", NOW), ("b", NOW + 60))
    )
    store.begin_run(first)
    store.begin_run(second)
    assert store.last_run() == second
    ended = replace(second, finished_at=NOW + 90, exit_code=75, stopped_because="interrupted")
    store.end_run(ended)
    assert store.last_run() == ended


def test_the_last_run_is_the_last_whatever_the_clock_said(store):
    """A clock that was set back makes no later run an earlier one; nor does its time limit come from the wrong one."""
    store.bind(REAL, NOW)
    given = {"name": "n", "manifest": "m", "api_base": REAL.api_base, "is_simulated": False, "time_limit": "8h"}
    for number, at in enumerate((NOW, NOW - 86_400.0, NOW - 3600.0)):
        store.begin_run(Run(run_id=f"{9 - number}", started_at=at, ends_at=at + 9, **given))
        assert store.last_run().started_at == at
        assert store.end_of_killed_run("8h") == at + 9


# ------------------------------------------------------------------------------------------------ the manifest's jobs


def listed(store):
    """Each job of the manifest, in order, with its prompt; then those that are gone."""
    here = [(job.job_id, job.spec.inputs["prompt"]) for job in store.jobs(with_gone=False)]
    return here, store.gone()


def test_a_manifest_that_did_not_change_writes_nothing(store):
    """A resume of a hundred thousand jobs costs no commit."""
    seen = statements(store)
    store.put_specs(specs("mug", "lamp", "vase"))
    assert [sql for sql in seen if sql == "COMMIT"] == []


def test_jobs_are_added_moved_dropped_and_taken_back(store):
    """What is known of a job stays with it, wherever it goes."""
    lamp = store.record_now(store.job("lamp"), INTENDED)
    store.put_specs(specs("shoe", "vase", "lamp"))
    assert listed(store) == ([(job_id, "white background") for job_id in ("shoe", "vase", "lamp")], {"mug"})
    assert store.job("lamp") == replace(lamp, position=2)
    assert [job.job_id for job in store.jobs()] == ["shoe", "vase", "lamp", "mug"]
    store.put_specs(specs("bag"))
    assert listed(store) == ([("bag", "white background")], {"mug", "shoe", "vase", "lamp"})
    store.put_specs(specs("mug", "lamp", "vase"))
    assert listed(store) == ([(job_id, "white background") for job_id in ("mug", "lamp", "vase")], {"shoe", "bag"})
    assert store.job("lamp") == replace(lamp, position=1)


def test_a_changed_entry_counts_until_it_is_paid_for(store):
    """An unsent job takes the new inputs; one with an attempt keeps those it was paid for, and shows its new place."""
    lamp = store.record_now(store.job("lamp"), INTENDED)
    new = [spec(job_id, "black", row={"sku": job_id}, source="b.csv:2") for job_id in ("mug", "lamp")]
    store.put_specs(new)
    assert store.job("mug").spec == new[0]
    assert store.job("lamp").spec == replace(lamp.spec, source="b.csv:2")
    assert listed(store) == ([("mug", "black"), ("lamp", "white background")], {"vase"})


def test_a_row_goes_with_its_request(store):
    """Beside a picture stands the row that it was made from; what nobody sent is as it is now."""
    store.put_specs([spec("lamp", row={"text": "white background", "weight": "1"})])
    store.record_now(store.job("lamp"), INTENDED)
    store.put_specs([spec("lamp", row={"text": "white background", "weight": "2"})])
    assert store.job("lamp").spec.row == {"text": "white background", "weight": "2"}
    store.put_specs([spec("lamp", "black", row={"text": "black", "weight": "3"})])
    assert store.job("lamp").spec.row == {"text": "white background", "weight": "2"}
    store.put_specs([spec("lamp", row={"text": "white background", "weight": "3"})])
    assert store.job("lamp").spec.row == {"text": "white background", "weight": "3"}


def test_a_mended_entry_that_was_rejected_counts_when_it_is_sent(store):
    """Until then the state tells what was refused; one that was only throttled or held takes the new inputs."""
    roads = {"mug": SubmitRejected(at=NOW, failure=FAILURE), "lamp": SubmitHeld(at=NOW, failure=FAILURE)}
    for job_id, event in roads.items():
        store.record_now(store.record_now(store.job(job_id), INTENDED), event)
    store.put_specs([spec(job_id, "black") for job_id in ("mug", "lamp")])
    assert listed(store) == ([("mug", "white background"), ("lamp", "black")], {"vase"})


# ------------------------------------------------------------------------------------------------------------ the lock

HOLD = """
import pathlib, sys
from runner.errors import RunDirectoryLocked
from runner.store.lock import RunLock
print("ready", flush=True)
sys.stdin.readline()
try:
    with RunLock(pathlib.Path(sys.argv[1])):
        print("won", flush=True)
        sys.stdin.read()
except RunDirectoryLocked as error:
    print(error.message, flush=True)
"""


def ends(process):
    """Let it end by itself."""
    process.stdin.close()
    process.wait(timeout=20)
    process.stdout.close()


def race(script, *arguments, processes=20):
    """Let so many processes loose at once; what each said."""
    started = [python(script, *arguments) for _ in range(processes)]
    for process in started:
        assert process.stdout.readline() == "ready\n"
    for process in started:
        process.stdin.write("go\n")
        process.stdin.flush()
    return {process: process.stdout.readline() for process in started}


@pytest.mark.parametrize("_", range(5))
def test_of_twenty_processes_one_wins(tmp_path, _):
    """The others are told who did; whoever ends frees the directory for the next."""
    said = race(HOLD, tmp_path)
    processes = list(said)
    winners = [process for process in processes if said[process] == "won\n"]
    assert len(winners) == 1
    holder = f"{tmp_path} is in use by process {winners[0].pid} on {socket.gethostname()}, since 20"
    assert [process for process in processes if process not in winners and not said[process].startswith(holder)] == []
    assert is_locked(tmp_path)
    for process in processes:
        ends(process)
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        assert is_locked(tmp_path)


A_MUTANT = HOLD.replace(
    "with RunLock(pathlib.Path(sys.argv[1])):",
    """if True:
        import fcntl
        database = open(sys.argv[1] + "/state.db", "r+b")
        try:
            fcntl.lockf(database, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunDirectoryLocked from None
        open(sys.argv[1] + "/state.db", "rb").close()  # as SQLite does, and everybody else\n""",
)


def test_a_lock_on_the_database_would_be_caught(tmp_path):
    """A POSIX lock goes with the first descriptor of the file that is closed: the race sees several owners."""
    Store(tmp_path).close()
    said = race(A_MUTANT, tmp_path)
    assert list(said.values()).count("won\n") > 1
    for process in said:
        ends(process)


def test_a_killed_process_holds_nothing(tmp_path):
    """What it wrote into the lock file locks nobody out, and the next holder's name replaces it."""
    process = python(HOLD, tmp_path)
    process.stdin.write("go\n")
    process.stdin.flush()
    assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "won\n"]
    with pytest.raises(RunDirectoryLocked, match=f"process {process.pid} on"), RunLock(tmp_path):
        pass
    os.kill(process.pid, signal.SIGKILL)
    ends(process)
    assert json.loads((tmp_path / "run.lock").read_text())["pid"] == process.pid
    assert not is_locked(tmp_path)
    with RunLock(tmp_path):
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"pid": 1}', "x" * 5000])
def test_a_lock_file_with_anything_in_it_is_a_lock_file(tmp_path, content):
    """Its content is a courtesy: free, it is taken; held, it is respected."""
    (tmp_path / "run.lock").write_text(content)
    with RunLock(tmp_path):
        (tmp_path / "run.lock").write_text(content)
        with pytest.raises(RunDirectoryLocked, match="in use by another process"), RunLock(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_one_at_a_time_writes_a_review(tmp_path, monkeypatch):
    """Who comes meanwhile is told; a folder that cannot be locked keeps nobody from writing."""
    monkeypatch.setattr(lock, "PATIENCE_S", 0)
    with lock.alone_in(tmp_path):
        told = f"another process writes in {tmp_path}: try again"
        with pytest.raises(StorageFailed, match=re.escape(told)), lock.alone_in(tmp_path):
            pass
    entered = []
    for folder in (tmp_path, tmp_path / "not there"):
        with lock.alone_in(folder):
            entered.append(folder)
    assert entered == [tmp_path, tmp_path / "not there"]


def test_who_only_looks_locks_nobody_out(tmp_path):
    """A run that begins while somebody asks for the status is patient for a moment."""
    with RunLock(tmp_path):
        pass
    is_over = threading.Event()

    def look():
        while not is_over.is_set():
            is_locked(tmp_path)

    thread = threading.Thread(target=look)
    thread.start()
    held = []
    try:
        for _ in range(20):
            with RunLock(tmp_path):
                held.append(is_locked(tmp_path))
    finally:
        is_over.set()
        thread.join()
    assert held == [True] * 20


def test_a_child_of_the_holder_does_not_hold_on(tmp_path):
    """A program that outlives the run must not keep its directory."""
    with RunLock(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert not is_locked(tmp_path)
    finally:
        child.kill()
        child.wait()


def test_looking_at_the_lock_makes_no_file(tmp_path):
    """A directory that never ran is not held."""
    assert not is_locked(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CannotCreate, match="cannot create"), RunLock(tmp_path / "missing"):
        pass


LOCK_A_FULL_DISK = """
import os, pathlib
from runner.store.lock import RunLock, is_locked
disk = pathlib.Path("disk")
(disk / "run.lock").touch()
try:
    with (disk / "filler").open("wb", buffering=0) as filler:
        while filler.write(bytes(4096)):
            pass
except OSError:
    pass
with RunLock(disk):
    print(is_locked(disk))
"""


def test_a_full_disk_can_be_locked(tmp_path):
    """So that what is paid can be looked after; only the holder's name is missing."""
    (tmp_path / "disk").mkdir()
    command = tiny_disk(sys.executable, "-c", LOCK_A_FULL_DISK)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True\n", done.stderr


def test_a_mapping_that_cannot_be_changed_is_recorded_as_what_it_holds(store):
    """An entry's inputs are a mapping, whatever kind of one."""
    frozen = replace(spec("mug"), inputs=MappingProxyType({"prompt": "black"}))
    store.record_now(store.job("mug"), SpecChanged(at=NOW, spec=frozen))
    with looking(store._path.parent) as read:
        [(data,)] = read("SELECT data FROM events")
    assert json.loads(data)["spec"]["inputs"] == {"prompt": "black"}
    assert store.job("mug").spec.inputs == {"prompt": "black"}


# ----------------------------------------------------------------------------------------------------- what models take


def test_what_a_model_took_is_read_from_the_events(store):
    """From the acceptance to the notice of the end, the newest last; results that are read again count once."""
    again = ResultRead(at=NOW + 700, outputs=("u",), cost=None)
    for job_id, request_id, seconds in (("mug", "r1", 7.5), ("lamp", "r2", 4.0)):
        done = ResultRead(at=NOW + 1 + seconds, outputs=("u",), cost=None)
        walk(store, job_id, INTENDED, accepted(request_id), done, again)
    assert store.noticed() == [("m/edit", 7.5), ("m/edit", 4.0)]


def test_what_nobody_watched_or_a_clock_denies_is_left_out(store):
    """A request that an earlier run left may have ended at any time; an end before its beginning is nonsense."""
    done = ResultRead(at=NOW + 500, outputs=("u",), cost=None)
    walk(store, "mug", INTENDED, accepted("r1"), Resumed(at=NOW + 400), done)
    walk(store, "lamp", INTENDED, accepted("r2"), replace(done, at=NOW - 60))
    walk(store, "vase", INTENDED, accepted("r3"))
    assert store.noticed() == []


def walk(store, job_id, *events):
    job = store.job(job_id)
    for event in events:
        job = store.record_now(job, event)
    return job


# ------------------------------------------------------------------------------------------------- whose a path is


def test_files_and_those_to_come_have_an_owner(store):
    """Those on the disk, and those of a request that is paid for; also for a disk that knows no capitals."""
    done = ResultRead(at=NOW + 5, outputs=("u",), cost=None)
    walk(store, "mug", INTENDED, accepted("r1"), done, Collected(at=NOW + 7, artifacts=(artifact(1),)))
    walk(store, "lamp", INTENDED, accepted("r2"))
    walk(store, "vase", INTENDED, accepted("r3"), done, OutputLost(at=NOW + 9, failure=FAILURE))
    assert set(store.places()) == {("mug", "images/mug-1"), ("lamp", "images/lamp")}  # what is lost has no place
    assert store.owners_of("images/MUG-1") == ["mug"]
    assert store.owners_of("images/mug") == []


def test_an_open_intent_that_the_state_does_not_tell_of_is_found(store):
    """A job that is being submitted is none such."""
    assert store.wedged() == []
    for job_id in ("mug", "lamp"):
        walk(store, job_id, INTENDED)
    store._writer.write_now([("UPDATE jobs SET state = 'pending' WHERE job_id = 'lamp'", ())])
    assert [(job.job_id, job.state) for job in store.wedged()] == [("lamp", JobState.SUBMITTING)]


def test_what_was_given_up_in_doubt_is_known_by_what_was_sent(store):
    """Whatever its job asks for by now."""
    assert store.given_up() == {}
    lost = SubmitLost(at=NOW, failure=FAILURE)
    walk(store, "mug", INTENDED, lost, DoubtWrittenOff(at=NOW), SpecChanged(at=NOW, spec=spec("mug", "grey")))
    walk(store, "lamp", INTENDED, lost)
    assert store.given_up() == {"p" * 64: ["mug"]}


def test_what_the_last_ones_took_and_weighed_is_known(store):
    """For the forecast: from the acceptance to the end, and the bytes."""
    done = ResultRead(at=NOW + 5, outputs=("u",), cost=None)
    walk(store, "mug", INTENDED, accepted("r1"), done, Collected(at=NOW + 7, artifacts=(artifact(1),)))
    walk(store, "lamp", INTENDED, accepted("r2"))
    [(seconds, size)] = store.history()
    assert (seconds, size) == (pytest.approx(store.job("mug").finished_at - (NOW + 1)), 1 << 40)


def test_places_that_cannot_be_read_are_told(store):
    """As everything else in a broken state."""
    store._read.close()
    for read in (store.places, store.inputs):
        with pytest.raises(StorageFailed, match="cannot be read"):
            list(read())


def test_the_inputs_of_all_jobs_are_read_by_themselves(store):
    """As JSON, in order."""
    assert list(store.inputs()) == ['{"prompt":"white background"}'] * 3


def test_a_column_that_is_called_so_is_no_prompt_of_a_review(store):
    """What was sent instead of an entry is what the event says, not a cell of the user's own."""
    done = (ResultRead(at=NOW, outputs=("u",), cost=None), Collected(at=NOW, artifacts=(artifact(1),)))
    walk(store, "mug", INTENDED, accepted("r1"), *done)
    walk(store, "mug", SpecChanged(at=NOW, spec=spec("mug", "oak", row={"instead_of": "x"})), INTENDED, accepted("r2"))
    assert store.reworded() == {}
    walk(store, "mug", *done, SpecChanged(at=NOW, spec=spec("mug", "ash"), instead_of="f:oak"))
    assert store.reworded() == {("mug", "f:oak"): {"f:ash"}}


def test_the_file_alone_holds_all_though_somebody_looks_on(tmp_path):
    """Who watches a run until its end is still there when it closes its state; then the log is no more than a copy."""
    with Store(tmp_path) as store:
        store.put_specs(specs("mug"))
        watching = Reader(tmp_path)
        assert (watching.last_move(), watching.moves(0)) == ((0, 0.0), [])
        store.record_now(store.job("mug"), SubmitIntended(at=7.0, payload_sha256="p", reserved=None))
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "state.db", tmp_path / "copy")
    with watching, Reader(tmp_path / "copy") as copied:
        for reader in (watching, copied):
            assert (reader.last_move(), reader.moves(0), reader.moves(1)) == ((1, 7.0), [(1, "mug", 7.0)], [])


async def test_a_wish_that_is_refused_is_taken_back_in_one_step(store, tmp_path):
    """The job is as it was, with its picture; that it was tried stays known."""
    done = ResultRead(at=NOW, outputs=("u",), cost=None)
    before = walk(store, "mug", INTENDED, accepted("r1"), done, Collected(at=NOW, artifacts=(artifact(1),)))
    asked = await store.record(before, INTENDED, opening=RedoRequested(at=NOW))
    refused = SubmitHeld(at=NOW, failure=FAILURE)
    after = await store.record(asked, refused, before=before)
    assert (after.state, after.artifacts, len(after.attempts)) == (JobState.DONE, before.artifacts, 2)
    assert store.job("mug") == after


def test_pictures_that_made_room_are_known_by_where_they_are_kept(store):
    """As they were, the oldest first; nobody else is to have their names."""
    done = ResultRead(at=NOW, outputs=("u",), cost=None)
    walk(store, "mug", INTENDED, accepted("r1"), done, Collected(at=NOW, artifacts=(artifact(1), artifact(2, None))))
    assert (store.kept(), store.paths_like("%~%"), store.paths_of_several()) == ({}, [], set())
    first = (
        replace(artifact(1), path="images/mug-1~rejected-1.png"),
        replace(artifact(2, None), path="images/mug~2.mp4"),
    )
    walk(store, "mug", RedoRequested(at=NOW, kept=first), INTENDED, accepted("r2"), done)
    walk(
        store,
        "mug",
        Collected(at=NOW, artifacts=(artifact(1),)),
        SpecChanged(at=NOW, spec=spec("mug", "x"), kept=first[:1]),
    )
    walk(store, "lamp", INTENDED, accepted("r3"), done, Collected(at=NOW, artifacts=(artifact(1), artifact(3))))
    walk(store, "vase", INTENDED, accepted("r4"), done, Collected(at=NOW, artifacts=(artifact(1), first[1])))
    assert store.kept() == {"mug": list(first)}
    assert store.paths_like("%~%") == ["images/mug~2.mp4"]
    assert store.paths_of_several() == {"images/mug-1.png"}
    places = {stem for job_id, stem in store.places() if job_id == "mug"}
    assert {"images/mug-1~rejected-1", "images/mug~2"} <= places


def test_former_pictures_are_known_with_the_requests_that_they_came_from(store):
    """Where they are kept, once a new request was taken; until then, and where it is in doubt, where they were."""
    done = ResultRead(at=NOW, outputs=("u",), cost=None)
    kept = replace(artifact(1), path="images/mug-1~rejected-1.png")
    wish = RedoRequested(at=NOW, kept=(kept,))
    collected = Collected(at=NOW, artifacts=(artifact(1),))
    assert list(store.former_pictures()) == []
    before = walk(store, "mug", INTENDED, accepted("r1"), done, collected)
    refused = SubmitHeld(at=NOW, failure=FAILURE)
    opened = store.record_now(before, INTENDED, opening=wish)
    asyncio.run(store.record(opened, refused, before=before))
    assert list(store.former_pictures()) == []  # it is the job's own, as before
    opened = store.record_now(store.job("mug"), INTENDED, opening=wish)
    assert list(store.former_pictures()) == [("mug", artifact(1), "r1")]
    store.record_now(opened, SubmitLost(at=NOW, failure=FAILURE))
    assert list(store.former_pictures()) == [("mug", artifact(1), "r1")]
    walk(store, "mug", DoubtAttached(at=NOW, request_id="r2"))
    assert list(store.former_pictures()) == [("mug", kept, "r1")]
    walk(store, "mug", done, collected, FilesMissing(at=NOW, artifacts=()))
    shared = Shared(at=NOW, job_id="mug", request_id="r2", artifacts=(artifact(1),))
    walk(store, "lamp", shared, shared)  # its files were put back
    assert list(store.former_pictures()) == [("mug", kept, "r1")]


def test_the_very_picture_of_a_shared_request_is_found_wherever_it_lies(store):
    """Of jobs with the same request, or of the one that has paid for it: equal bytes alone."""
    done = ResultRead(at=NOW, outputs=("u",), cost=None)
    store.put_specs([spec("mug"), spec("lamp"), spec("vase", "grey"), spec("shoe", "grey")])
    walk(store, "mug", INTENDED, accepted("r1"), done, Collected(at=NOW, artifacts=(artifact(1),)))
    other = replace(artifact(2), sha256="t" * 64)
    walk(store, "lamp", INTENDED, accepted("r2"), done, Collected(at=NOW, artifacts=(other,)))
    elsewhere = replace(artifact(1), path="images/vase-1.png")
    walk(store, "vase", INTENDED, accepted("r3"), done, Collected(at=NOW, artifacts=(elsewhere,)))
    assert store.pictures_like(artifact(1), store.job("lamp")) == [artifact(1)]
    assert store.pictures_like(artifact(1), store.job("shoe")) == [elsewhere]
    assert store.pictures_like(artifact(1), replace(store.job("shoe"), shared_from="mug")) == [artifact(1), elsewhere]


def test_what_cannot_be_read_is_no_state(tmp_path):
    """A folder of that name."""
    (tmp_path / "state.db").mkdir()
    assert version_in(tmp_path / "state.db") == 0
    assert not has_state(tmp_path)
