"""The worst moments of a state: no room for the answer to a paid POST, a schema of yesterday, a file taken away."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing

import pytest
from support.old_state import state_of_version_1

from runner.batch.driving import settle_open_intents
from runner.errors import CannotCreate, StorageFailed
from runner.model import (
    AttemptState,
    DoubtWrittenOff,
    Failure,
    FailureKind,
    JobSpec,
    JobState,
    Run,
    SubmitAccepted,
    SubmitIntended,
    SubmitLost,
)
from runner.store import database, lock, mounts
from runner.store.binding import Binding
from runner.store.mounts import file_system_of, refuse_network_mount
from runner.store.reader import Reader
from runner.store.rescue import JOURNAL_BYTES, Rescue, Saved
from runner.store.store import Store

NOW = 1_700_000_000.25
INTENDED = SubmitIntended(at=NOW, payload_sha256="p" * 64, reserved=None)
FAILURE = Failure(kind=FailureKind.TRANSIENT, code="network", message="reset")
SAVED = Saved(job_id="mug", attempt=1, request_id="r-1")


def spec(job_id):
    return JobSpec(job_id=job_id, model="m/edit", inputs={"prompt": "white"}, fingerprint="f", row={"x": "y" * 2000})


def accepted(request_id="r-1"):
    return SubmitAccepted(at=NOW + 1, request_id=request_id, look_at=NOW + 9)


# ---------------------------------------------------------------------------------------------------- the full disk


def test_what_was_saved_is_attached_once(tmp_path):
    """To the attempt that it answers, also if a person has given it up meanwhile; what is known already stays."""
    with Store(tmp_path) as store:
        store.put_specs([spec("mug"), spec("lamp"), spec("vase")])
        for job_id in ("mug", "lamp", "vase"):
            store.record_now(store.job(job_id), INTENDED)
        lost = store.record_now(store.job("lamp"), SubmitLost(at=NOW, failure=FAILURE))
        store.record_now(lost, DoubtWrittenOff(at=NOW))
        store.record_now(store.job("vase"), accepted("r-3"))
        store._rescue.save(SAVED)
        store._rescue.save(Saved(job_id="lamp", attempt=1, request_id="r-2"))
        store._rescue.save(Saved(job_id="vase", attempt=1, request_id="r-3"))
    with Store(tmp_path) as store:
        assert [saved.request_id for saved in store.saved()] == ["r-1", "r-2", "r-3"]
        settle_open_intents(store, NOW)
        for number, job in enumerate(store.jobs(), start=1):
            assert (job.state, job.request_id) == ("submitted", f"r-{number}")
            assert job.attempts[-1].state is AttemptState.ACCEPTED
        assert store.saved() == []
        settle_open_intents(store, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]


@pytest.mark.parametrize("job_id", ["lamp", "gone", "vase"])
def test_what_was_saved_and_fits_nowhere_is_kept_and_told(tmp_path, job_id):
    """It is the only place that has the id: no run begins over it, and no line of it is forgotten."""
    with Store(tmp_path) as store:
        store.put_specs([spec("mug"), spec("lamp"), spec("vase")])
        for name in ("mug", "vase"):
            store.record_now(store.job(name), INTENDED)
        store._rescue.save(SAVED)
        store._rescue.save(Saved(job_id=job_id, attempt=2, request_id="r-2"))
    line = f'{{"job_id": "{job_id}", "attempt": 2, "request_id": "r-2"}}'
    for _ in range(2):
        with Store(tmp_path) as store:
            with pytest.raises(
                StorageFailed, match=f"state.rescue names paid requests .*\n  {re.escape(line)}\nPerhaps"
            ):
                settle_open_intents(store, NOW)
            assert store.job("mug").request_id == "r-1"
            assert [saved.request_id for saved in store.saved()] == ["r-1", "r-2"]
    (tmp_path / "state.rescue").unlink()
    with Store(tmp_path) as store:
        settle_open_intents(store, NOW)


def test_a_spoilt_line_spoils_no_other(tmp_path):
    """A power cut may leave half a line; longer than the room made for it, the journal grows."""
    rescue = Rescue(tmp_path)
    for n in range(1000):
        rescue.save(Saved(job_id=f"job-{n}", attempt=1, request_id=f"r-{n}"))
    rescue.close()
    path = tmp_path / "state.rescue"
    assert path.stat().st_size > JOURNAL_BYTES / 2
    with path.open("r+b") as file:
        file.write(b'{"job_id": 7')
    rescue = Rescue(tmp_path)
    assert [saved.request_id for saved in rescue.saved()] == [f"r-{n}" for n in range(1, 1000)]
    rescue.forget()
    rescue.close()
    rescue.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["state.ballast", "state.rescue"])
def test_no_run_begins_without_them(tmp_path, name):
    """A planted link is not followed, and the place is named."""
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotCreate, match=name):
        Store(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


# --------------------------------------------------------------------------------------------------------- the place


def take_away(path):
    path.unlink()


def put_another(path):
    path.rename(path.with_name("mine"))
    path.write_bytes(path.with_name("mine").read_bytes())


@pytest.mark.parametrize("harm", [take_away, put_another])
async def test_nothing_is_paid_for_into_a_state_that_is_gone(tmp_path, harm):
    """SQLite would go on writing into the void; the answer of a POST in flight still may."""
    with Store(tmp_path) as store:
        store.put_specs([spec("mug"), spec("lamp")])
        paid = await store.record(store.job("mug"), INTENDED)
        harm(tmp_path / "state.db")
        with pytest.raises(StorageFailed, match=r"state\.db was moved, deleted or replaced .* Put it back"):
            await store.record(store.job("lamp"), INTENDED)
        assert (await store.record(paid, accepted())).state is JobState.SUBMITTED
        assert store.job("lamp").state is JobState.PENDING


# -------------------------------------------------------------------------------------------------------- the mounts

MOUNTS = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:40 / /mnt/nas rw,relatime shared:2 master:3 - nfs4 nas:/export rw,vers=4.2
41 40 254:1 / /mnt/nas/local rw - ext4 /dev/vdb rw
42 27 0:42 / /mnt/two\040words rw - cifs //nas/share rw
43 27 0:43 / /mnt/over rw - ext4 /dev/vdc rw
44 27 0:44 / /mnt/over rw - fuse.sshfs host: rw
45 27 0:45 / /mnt/back\134slash rw - 9p host rw
a broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/ann/run", "ext4"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/night", "nfs4"),
        ("/mnt/nastier", "ext4"),
        ("/mnt/nas/local/night", "ext4"),
        ("/mnt/two words/night", "cifs"),
        ("/mnt/over/night", "fuse.sshfs"),
        ("/mnt/back\\slash", "9p"),
    ],
)
def test_a_path_is_on_the_deepest_and_latest_mount(path, kind):
    """As the kernel finds it."""
    assert file_system_of(MOUNTS, path) == kind


def test_no_mounts_are_no_answer():
    assert file_system_of("", "/home") is None


def test_a_network_mount_is_refused_with_the_remedy(tmp_path, monkeypatch):
    """And nowhere else, also where the kernel does not tell."""
    (tmp_path / "mountinfo").write_text(f"27 1 0:1 / / rw - ext4 a rw\n28 27 0:2 / {tmp_path}/nas rw - nfs nas:/ rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "mountinfo")
    (tmp_path / "link").symlink_to(tmp_path / "nas")
    for directory in ("nas", "nas/night", "link"):
        with pytest.raises(CannotCreate, match=r"network mount \(nfs\).* --out DIR"):
            refuse_network_mount(tmp_path / directory)
    refuse_network_mount(tmp_path)
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "none")
    refuse_network_mount(tmp_path / "nas")


# -------------------------------------------------------------------------------------------------------- the schema


def schema(path):
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return version, {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}


def test_an_older_state_goes_on_after_a_backup(tmp_path):
    """Everything is there, the schema is the one of a new state, and the old file stands beside it."""
    (tmp_path / "new").mkdir()
    Store(tmp_path / "new").close()
    before = state_of_version_1(tmp_path)
    with Store(tmp_path) as store:
        assert store.job("mug").request_id == "r-1"
        assert store.last_run().run_id == "1"
        assert store.end_of_killed_run("8h") is None
    assert schema(tmp_path / "state.db") == schema(tmp_path / "new" / "state.db")
    backup = tmp_path / "state.db.v1"
    assert backup.stat().st_mode & 0o777 == 0o600
    assert schema(backup)[0] == 1
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT request_id FROM attempts").fetchall() == [("r-1",)]
    assert len(before) == backup.stat().st_size


RUNS_WITHOUT_NUMBERS = """
    CREATE TABLE old (
        run_id TEXT PRIMARY KEY, name TEXT NOT NULL, manifest TEXT NOT NULL, started_at REAL NOT NULL, finished_at REAL,
        exit_code INTEGER, stopped_because TEXT, time_limit TEXT, ends_at REAL
    ) STRICT, WITHOUT ROWID;
    INSERT INTO old SELECT run_id, name, manifest, started_at, finished_at, exit_code, stopped_because, time_limit,
        ends_at FROM runs;
    DROP TABLE runs;
    ALTER TABLE old RENAME TO runs;
    DROP INDEX jobs_by_fingerprint;
    ALTER TABLE jobs DROP COLUMN files;
    ALTER TABLE jobs DROP COLUMN paths;
    ALTER TABLE jobs DROP COLUMN variant;
    ALTER TABLE jobs DROP COLUMN shared_from;
    ALTER TABLE jobs DROP COLUMN shared_request;
    ALTER TABLE artifacts DROP COLUMN traits;
    PRAGMA user_version = 2;
"""


def test_the_runs_of_an_older_state_are_numbered_as_they_began(tmp_path):
    """By the clock, which is all that it has; the next one comes after them, also if the clock was set back since."""
    with Store(tmp_path) as store:
        store.bind(Binding(api_base="b", account="a", is_simulated=False), NOW)
        for run_id, at in (("b", NOW), ("a", NOW), ("z", NOW - 9)):
            store.begin_run(run(run_id, started_at=at))
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.executescript(RUNS_WITHOUT_NUMBERS)
    with Reader(tmp_path) as reader:
        assert reader.last_run().started_at == NOW
    with Store(tmp_path) as store:
        assert store.last_run().run_id == "b"
        store.begin_run(run("c", started_at=NOW - 99))
        assert store.last_run().run_id == "c"
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        numbers = connection.execute("SELECT run_id, number FROM runs ORDER BY number").fetchall()
    assert numbers == [("z", 1), ("a", 2), ("b", 3), ("c", 4)]


def test_an_older_state_is_read_as_it_is(tmp_path):
    """`status` and `report` change nothing."""
    before = state_of_version_1(tmp_path)
    with Reader(tmp_path) as reader:
        assert reader.job("mug").request_id == "r-1"
        assert reader.last_run().run_id == "1"
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_migration_that_fails_leaves_the_old_state(tmp_path, monkeypatch):
    """One transaction: the file is the old one, whole, and says what is wrong."""
    state_of_version_1(tmp_path)
    before = schema(tmp_path / "state.db")
    steps = database.MIGRATIONS | {
        1: "ALTER TABLE runs ADD COLUMN ends_at REAL; ALTER TABLE nowhere ADD COLUMN x TEXT;"
    }
    monkeypatch.setattr("runner.store.database.MIGRATIONS", steps)
    with pytest.raises(StorageFailed, match="no such table"):
        Store(tmp_path)
    assert schema(tmp_path / "state.db") == before


# ---------------------------------------------------------------------------------------------------------- the time


@pytest.mark.parametrize(
    ("finished_at", "limit", "expected"), [(None, "8h", NOW + 60), (None, "2h", None), (NOW + 5, "8h", None)]
)
def test_the_time_of_a_killed_run_goes_on(tmp_path, finished_at, limit, expected):
    """Not that of a run that ended, nor where the user changed the limit."""
    given = {"name": "n", "manifest": "m", "api_base": "b", "is_simulated": False}
    first = Run(run_id="1", started_at=NOW, time_limit="8h", ends_at=NOW + 60, finished_at=finished_at, **given)
    with Store(tmp_path) as store:
        assert store.end_of_killed_run("8h") is None
        store.begin_run(first)
        if finished_at:
            store.end_run(first)
        assert store.end_of_killed_run(limit) == expected


def test_the_folder_of_a_run_may_be_unreadable_above(tmp_path):
    """A name is synced where that goes, and nothing fails where it does not."""
    from runner.batch.running import _sync_names

    run = tmp_path / "closed" / "run"
    run.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o300)
    try:
        _sync_names(run)
        assert os.access(run, os.W_OK)
    finally:
        (tmp_path / "closed").chmod(0o700)


# ---------------------------------------------------------------------------------------------------------- the rest


def test_a_disk_without_a_write_ahead_log_is_refused(tmp_path, monkeypatch):
    """SQLite says so itself, where it has no shared memory."""
    connect = database.connect

    def without_shared_memory(path, mode):
        connect(path, mode).close()
        return sqlite3.connect(f"file:{path}?mode={mode}&vfs=unix-dotfile", uri=True, isolation_level=None)

    monkeypatch.setattr(database, "connect", without_shared_memory)
    with pytest.raises(CannotCreate, match="cannot hold a write-ahead log; use a local disk"):
        Store(tmp_path)


def test_after_an_error_of_the_disk_nothing_more_is_written(tmp_path):
    """A sync that failed may have lost what was before it: the next run looks at what is really there."""
    with Store(tmp_path) as store:
        store.put_specs([spec("mug"), spec("lamp")])
        store._writer._connection.execute("DROP TABLE events")
        with pytest.raises(StorageFailed, match="no such table: events"):
            store.record_now(store.job("mug"), INTENDED)
        with pytest.raises(StorageFailed, match="no such table: events"):
            store.end_run(Run(run_id="1", name="n", manifest="m", api_base="b", is_simulated=False, started_at=NOW))
        assert store.job("mug").state is JobState.PENDING


def run(run_id="1", **more):
    given = {"name": "n", "manifest": "m", "api_base": "b", "is_simulated": False, "started_at": NOW}
    return Run(run_id=run_id, **given | more)


def test_once_a_run_began_the_file_itself_has_it(tmp_path):
    """Without the log beside it, it still tells that there was a run, and of which jobs."""
    with Store(tmp_path) as store:
        store.put_specs([spec("mug"), spec("lamp")])
        store.begin_run(run())
        store.record_now(store.job("mug"), INTENDED)
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / "state.db").write_bytes((tmp_path / "state.db").read_bytes())
    with Store(tmp_path / "copy") as copy:
        assert [(job.job_id, str(job.state)) for job in copy.jobs()] == [("mug", "pending"), ("lamp", "pending")]


def test_a_file_that_does_not_take_it_ends_the_run(tmp_path):
    """Before anything is sent."""
    with Store(tmp_path) as store:
        store._writer._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageFailed, match="the state cannot be written: database table is locked"):
            store._writer.checkpoint()
        with pytest.raises(StorageFailed, match="locked"):
            store.begin_run(run())


def test_a_state_without_its_tables_is_named(tmp_path):
    """It was a state, so it is no new one."""
    Store(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("DROP TABLE runs")
    with pytest.raises(StorageFailed, match="no such table: runs"):
        Store(tmp_path)


@pytest.mark.parametrize("another", [False, True])
def test_a_lock_file_that_was_taken_away_locks_nobody_out(tmp_path, monkeypatch, another):
    """Between its opening and its locking: the file that has the name is what counts."""
    take, times = lock._lock, []

    def late(descriptor):
        if not times:
            (tmp_path / "run.lock").unlink()
            if another:
                (tmp_path / "run.lock").touch()
        times.append(descriptor)
        return take(descriptor)

    monkeypatch.setattr(lock, "_lock", late)
    with lock.RunLock(tmp_path):
        assert len(times) == 2
        assert lock.is_locked(tmp_path)


def test_a_place_that_holds_no_lock_is_named(tmp_path):
    """As one that holds no state."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotCreate, match="cannot create"), lock.RunLock(tmp_path / "file"):
        pass
