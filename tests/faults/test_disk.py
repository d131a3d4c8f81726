"""The fault matrix, rows 37 to 46: what a disk can do. Known before any POST where it can be; never a second one."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from importlib import resources

import pytest
from support.own_disk import tiny_disk
from support.processes import COMMAND, command, environment, simulator, wait_until, write_jobs

from runner import store
from runner.batch import Options, load
from runner.batch.planner import make_plan
from runner.errors import StorageFailed
from runner.store import mounts
from runner.store.database import VERSION

RUN = f"{' '.join(COMMAND)} run jobs.jsonl --yes --concurrency 4 --out disk/out"


def on_a_disk(tmp_path, size, script, env):
    """Run a script in a mount namespace of its own, with a small disk at `disk`; what it printed."""
    (tmp_path / "disk").mkdir(exist_ok=True)
    setup = f"mount -t tmpfs -o size={size} tmpfs disk && mkdir disk/out\n"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", setup + script],
        cwd=tmp_path,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout.splitlines(), done.stderr


def test_fault_37_no_room_at_the_start(tmp_path):
    """With the room that is needed."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with simulator(tmp_path) as service:
        said, errors = on_a_disk(tmp_path, "1m", f"{RUN}; echo $?", service.env)
        assert said[-1] == "74", errors
        assert "64 MB needed" in errors
        assert service.ledger()["posts"] == 0


def test_fault_41_a_read_only_disk(tmp_path):
    """Whether the run directory is there already or not."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with simulator(tmp_path) as service:
        script = f"mount -o remount,ro disk\n{RUN}; echo $?\n{RUN}/new; echo $?"
        said, errors = on_a_disk(tmp_path, "100m", script, service.env)
        assert said == ["73", "73"], errors
        assert "Read-only file system" in errors
        assert service.ledger()["posts"] == 0


def test_fault_41_a_folder_for_pictures_that_takes_none(tmp_path):
    """The state can be written and no picture could: nothing is paid for."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with simulator(tmp_path) as service:
        script = f"mkdir disk/out/images && mount -t tmpfs -o ro tmpfs disk/out/images\n{RUN}; echo $?"
        said, errors = on_a_disk(tmp_path, "100m", script, service.env)
        assert said == ["73"], errors
        assert "cannot write in disk/out/images: Read-only file system. Nothing was submitted." in errors
        assert service.ledger()["posts"] == 0


def test_fault_37_the_disk_fills_up(tmp_path):
    """Nothing paid is lost either: with room again, the same command finishes the work."""
    write_jobs(tmp_path / "jobs.jsonl", 40)
    with simulator(tmp_path, "--slots", "4", "--latency", "0.4") as service:
        script = f"""
            {RUN} >/dev/null & pid=$!
            until [ "$(ls disk/out/images 2>/dev/null | grep -c jpg)" -ge 4 ]; do sleep 0.05; done
            head -c 200m /dev/zero >disk/filler 2>/dev/null
            wait $pid; echo $?
            rm disk/filler
            {RUN} >/dev/null; echo $?
            cat disk/out/summary.json | tr -d '\\n'"""
        said, errors = on_a_disk(tmp_path, "80m", script, service.env)
        ledger = service.ledger()
    assert said[0] == "74", errors
    assert "No space left" in errors or "disk is full" in errors
    counts = Counter(json.loads(said[2])["counts"])
    assert sum(counts.values()) == 40
    assert set(counts) <= {"done", "in_doubt"}
    assert counts["in_doubt"] <= 4
    assert said[1] == ("1" if counts["in_doubt"] else "0"), errors
    assert max(ledger["by_payload"].values()) == 1
    assert counts["done"] <= ledger["accepted"] <= 40


def test_fault_42_the_run_directory_is_taken_away(tmp_path):
    """It is not made anew, what was paid is in the state that was moved, and put back it goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 30)
    arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "2", "--out", "out")
    with simulator(tmp_path, "--slots", "2", "--latency", "0.3") as service:
        run = subprocess.Popen(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment(**service.env), stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: service.ledger()["accepted"] >= 5)
        (tmp_path / "out").rename(tmp_path / "away")
        _, errors = run.communicate(timeout=60)
        assert run.returncode == 74, errors
        assert "moved, deleted" in errors or "out/images: No such file" in errors
        assert service.ledger()["accepted"] < 30
        assert not (tmp_path / "out" / "images").exists()
        (tmp_path / "away").rename(tmp_path / "out")
        again = command(*arguments, cwd=tmp_path, **service.env)
        assert again.returncode == 0, again.stderr
        assert max(service.ledger()["by_payload"].values()) == 1
        assert service.ledger()["accepted"] == 30


ON_A_FULL_DISK = """
import asyncio, json, os, sys
from pathlib import Path
from runner.batch.driving import settle_open_intents
from runner.errors import StorageFailed
from runner.model import JobSpec, JobState, SubmitAccepted, SubmitIntended
from runner.store.store import Store

def intended():
    return SubmitIntended(at=1.0, payload_sha256="p", reserved=None)

async def tried(store, job, event):
    try:
        return (await store.record(job, event)).state
    except StorageFailed as error:
        return error.message

async def main(with_ballast, in_flight):
    directory = Path("disk")
    said = {}
    with Store(directory) as store:
        ids = [f"job-{n}" for n in range(in_flight + 1)]
        store.put_specs([JobSpec(job_id=job_id, model="m", inputs={}, fingerprint="f") for job_id in ids])
        paid = [await store.record(store.job(f"job-{n}"), intended()) for n in range(in_flight)]
        if not with_ballast:
            (directory / "state.ballast").unlink()
        filler = open(directory / "filler", "wb", buffering=0)
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            filler.close()
        said["intent"] = await tried(store, store.job(f"job-{in_flight}"), intended())
        answers = [SubmitAccepted(at=2.0, request_id=f"r-{n}", look_at=3.0) for n in range(in_flight)]
        said["answers"] = await asyncio.gather(*(tried(store, job, a) for job, a in zip(paid, answers)))
        said["next intent"] = await tried(store, store.job(f"job-{in_flight}"), intended())
    said["left"] = sorted(path.name for path in directory.iterdir())
    (directory / "filler").unlink()
    with Store(directory) as store:
        settle_open_intents(store, 9.0)
        said["found"] = [(str(job.state), job.request_id) for job in store.jobs()]
    said["cleared"] = sorted(path.name for path in directory.iterdir())
    print(json.dumps(said))

asyncio.run(main(sys.argv[1] == "True", int(sys.argv[2])))
"""


@pytest.mark.parametrize("with_ballast", [True, False])
def test_fault_38_no_room_for_a_paid_answer(tmp_path, with_ballast):
    """The ballast makes room for the answers in flight; without it the journal keeps them. No intent goes out."""
    (tmp_path / "disk").mkdir()
    command = tiny_disk(sys.executable, "-c", ON_A_FULL_DISK, str(with_ballast), "6")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "disk is full" in said["intent"]
    assert "disk is full" in said["next intent"]
    if with_ballast:
        assert said["answers"] == ["submitted"] * 6
        assert "state.rescue" not in said["left"]
    else:
        assert all("disk is full" in answer for answer in said["answers"])
        assert "state.rescue" in said["left"]
    assert said["found"] == [*(["submitted", f"r-{n}"] for n in range(6)), ["pending", None]]
    assert said["cleared"] == ["state.db"]


def test_fault_39_no_room_for_a_picture(tmp_path):
    """The part file goes, the result stays known; with room the same command fetches it, free."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    (tmp_path / "disk").mkdir()
    with simulator(tmp_path, "--latency", "0.05") as service:
        script = f"""
            mkdir disk/out/images && mount -t tmpfs -o size=4k tmpfs disk/out/images
            {RUN} >/dev/null; echo $?
            ls -A disk/out/images | wc -l
            umount disk/out/images
            {RUN} >/dev/null; echo $?
            ls disk/out/images | wc -l"""
        said, errors = on_a_disk(tmp_path, "100m", script, service.env)
        assert said == ["74", "0", "0", "3"], errors
        assert "No space left on device. Nothing paid is lost" in errors
        assert service.ledger()["accepted"] == 3
        assert max(service.ledger()["by_payload"].values()) == 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace puts the errors in; .ci/run installs it")
@pytest.mark.parametrize(
    ("call", "error", "when"),
    [
        *(("fdatasync", "EIO", when) for when in (1, 2, 5, 9, 14)),
        *(("fsync", "EIO", when) for when in (1, 2, 3, 4)),
        *(("pwrite64", error, when) for error in ("EIO", "ENOSPC") for when in (5, 20, 60)),
        *(("rename", "EIO", when) for when in (1, 2)),
    ],
)
def test_fault_40_the_kernel_says_no(tmp_path, call, error, when):
    """One system call fails, once: the run ends with 74 at worst, and the same command brings it to its end."""
    write_jobs(tmp_path / "jobs.jsonl", 4)
    arguments = ("run", "jobs.jsonl", "--yes", "--out", "out", "--concurrency", "2")
    with simulator(tmp_path, "--latency", "0.05") as service:
        trace = ["strace", "-f", "-o", "trace", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
        done = subprocess.run(
            [*trace, *COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(**service.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "(INJECTED)" in (tmp_path / "trace").read_text(), "the fault never struck"
        assert done.returncode in (0, 73, 74), done.stderr
        assert "Traceback" not in done.stderr
        again = command(*arguments, cwd=tmp_path, **service.env)
        ledger = service.ledger()
        counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
        assert counts.get("done", 0) + counts.get("in_doubt", 0) == 4, again.stderr
        assert counts.get("in_doubt", 0) <= 2
        assert max(ledger["by_payload"].values()) == 1
        assert counts["done"] <= ledger["accepted"] <= 4


def test_fault_43_the_state_is_replaced(night):
    """Nothing more is paid for into a file that nobody will read; put back, it goes on."""
    nights = night(jobs=8)

    async def replace(control):
        await asyncio.sleep(5.0)
        (nights.out / "state.db").rename(nights.out / "mine.db")
        (nights.out / "state.db").write_bytes((nights.out / "mine.db").read_bytes())

    morning = nights.run(beside=replace)
    assert morning.exit_code == 74
    assert "moved, deleted or replaced" in morning.said
    assert morning.ledger["accepted"] < 8
    (nights.out / "mine.db").replace(nights.out / "state.db")
    again = nights.run()
    assert again.states == ["done"] * 8
    assert again.payments == 1
    assert again.ledger["accepted"] == 8


def test_fault_44_a_corrupt_state(night):
    """Refused, kept, and pointed out; no fresh one is begun beside it."""
    nights = night(jobs=2)
    assert nights.run().states == ["done"] * 2
    spoilt = b"this is no database" * 1000
    (nights.out / "state.db").write_bytes(spoilt)
    morning = nights.run()
    assert morning.exit_code == 74
    assert "restore it from a backup; do not delete it" in morning.said
    assert morning.ledger["posts"] == 0
    assert (nights.out / "state.db").read_bytes() == spoilt


def empty(directory):
    (directory / "state.db").write_bytes(b"")


def without_schema(directory):
    (directory / "state.db").unlink()
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def without_rows(directory):
    without_schema(directory)
    schema = resources.files(store).joinpath("schema.sql").read_text()
    with closing(sqlite3.connect(directory / "state.db")) as connection:
        connection.executescript(f"{schema} PRAGMA user_version = {VERSION};")


def deleted(directory):
    (directory / "state.db").unlink()


def without_reports(directory):
    deleted(directory)
    for name in ("results.jsonl", "summary.json"):
        (directory / name).unlink()


def without_reports_and_log(directory):
    """Only the state's own log is left, which SQLite would delete beside an empty file."""
    without_reports(directory)
    (directory / "run.log").unlink()
    (directory / "state.db").touch()
    (directory / "state.db-wal").write_bytes(b"x" * 5000)


@pytest.mark.parametrize(
    "lose", [empty, without_schema, without_rows, deleted, without_reports, without_reports_and_log]
)
def test_fault_44_a_lost_state_is_no_new_one(night, lose):
    """What the directory tells besides is enough: nothing is paid for again, and nothing that is left is destroyed."""
    nights = night(jobs=3)
    assert nights.run(limit=2).ledger["accepted"] == 2
    lose(nights.out)
    left = {path: path.read_bytes() for path in nights.out.glob("[rs]*") if path.name != "run.lock"}
    morning = nights.run()
    assert morning.exit_code == 74
    assert "was used before" in morning.said
    assert "Restore state.db, with its state.db-wal, from a backup, or choose another directory" in morning.said
    assert morning.ledger["posts"] == 0
    assert {path: path.read_bytes() for path in left} == left
    with pytest.raises(StorageFailed, match="was used before"):
        make_plan(load(nights.manifest), nights.out, Options(), {})


@pytest.mark.parametrize("make", [lambda directory: None, empty, without_schema, without_rows])
def test_fault_44_a_state_cut_off_in_the_making_is_a_new_one(night, make):
    """A kill at the first start costs nothing, though it left a log without a request."""
    nights = night(jobs=2)
    nights.out.mkdir()
    (nights.out / "state.db").touch()
    (nights.out / "run.log").write_text('{"event": "job moved", "job_id": "job-0", "request_id": null}\nnonsense\n[]\n')
    make(nights.out)
    assert nights.run().states == ["done"] * 2


def test_fault_44_a_backup_of_yesterday(night):
    """The log tells of requests that it does not know: nothing is submitted until the newer one is back."""
    nights = night(jobs=6)
    nights.run(limit=1)
    backup = (nights.out / "state.db").read_bytes()
    nights.run()
    newest = (nights.out / "state.db").read_bytes()
    requests = {line["job_id"]: line["request_id"] for line in nights.log() if line.get("state") == "submitted"}
    (nights.out / "state.db").write_bytes(backup)
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (74, 0)
    assert "state.db is older than run.log" in morning.said
    pair = next(f"{job_id}={requests[job_id]}" for job_id in requests if job_id != "job-0")
    assert pair in morning.said
    assert " and 2 more. Restore the newer state.db" in morning.said
    assert f"job-0={requests['job-0']}" not in morning.said
    (nights.out / "state.db").write_bytes(newest)
    assert nights.run().states == ["done"] * 6
    (nights.out / "state.db").write_bytes(backup)
    (nights.out / "run.log").rename(nights.out / "away.log")
    assert nights.run().ledger["accepted"] == 6 + 5  # a person's own decision


def test_fault_44_a_backup_from_before_a_doubt(night):
    """No id is known of it, and all the same it was sent."""
    nights = night(jobs=2)
    nights.run(limit=1)
    backup = (nights.out / "state.db").read_bytes()
    nights.run({"on": "submit", "kind": "fin_after"})
    (nights.out / "state.db").write_bytes(backup)
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (74, 0)
    assert "does not know: job-1=(sent, not answered). Restore" in morning.said


def test_fault_44_the_log_of_the_state_is_deleted_after_a_kill(tmp_path):
    """The file itself has the jobs and the run, so that what is missing shows; put back, nothing is lost."""
    write_jobs(tmp_path / "jobs.jsonl", 8)
    arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "2", "--out", "out")
    with simulator(tmp_path, "--slots", "2", "--latency", "0.3") as service:
        run = subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path, env=environment(**service.env))
        wait_until(lambda: service.ledger()["accepted"] >= 4)
        run.kill()
        run.wait()
        wal = tmp_path / "out" / "state.db-wal"
        assert wal.stat().st_size > 0
        wal.rename(tmp_path / "wal")
        assert json.loads(command("status", "out", "--json", cwd=tmp_path).stdout)["counts"] == {"pending": 8}
        posts = service.ledger()["posts"]
        refused = command(*arguments, cwd=tmp_path, **service.env)
        assert refused.returncode == 74, refused.stderr
        assert "is older than run.log" in refused.stderr
        assert service.ledger()["posts"] == posts
        (tmp_path / "wal").rename(wal)
        again = command(*arguments, cwd=tmp_path, **service.env)
        counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
        assert counts["done"] + counts.get("in_doubt", 0) == 8, again.stderr
        assert max(service.ledger()["by_payload"].values()) == 1


def test_fault_45_no_free_descriptor(tmp_path):
    """Fewer at once, and said so; nothing is lost."""
    write_jobs(tmp_path / "jobs.jsonl", 30)
    arguments = f"{' '.join(COMMAND)} run jobs.jsonl --yes --out out --concurrency 24"
    with simulator(tmp_path, "--slots", "24", "--latency", "0.2") as service:
        ends = ["bash", "-c", f"ulimit -n 40; {arguments}"]
        env = environment(**service.env)
        done = subprocess.run(ends, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        assert "at most 4 requests in flight: see `ulimit -n`" in done.stderr
        ledger = service.ledger()
        assert ledger["accepted"] == 30
        assert max(ledger["by_payload"].values()) == 1


def test_fault_46_a_network_mount(night, monkeypatch, tmp_path):
    """Refused with the remedy, before anything is made or sent."""
    nights = night()
    (tmp_path / "mountinfo").write_text(f"27 1 0:1 / / rw - ext4 a rw\n28 27 0:2 / {nights.out} rw - nfs4 nas:/ rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", tmp_path / "mountinfo")
    morning = nights.run()
    assert morning.exit_code == 73
    assert "network mount (nfs4)" in morning.said
    assert "--out DIR" in morning.said
    assert morning.ledger["posts"] == 0
    assert not nights.out.exists()
