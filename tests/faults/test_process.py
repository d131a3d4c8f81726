"""The fault matrix, rows 47 to 60: what can happen to the process, the machine and its clock."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from support.night import Heard
from support.old_state import downgrade
from support.processes import COMMAND, TOKEN, command, environment, simulator, wait_until, write_jobs

from runner.api.client import RunComfy
from runner.api.wire import Accepted
from runner.rules.retry import retry_after_s
from runner.scheduler import Scheduler, outcomes

NIGHTS = Path(__file__).parents[1] / "simulation" / "nights.py"
NOT_YET_VALID = Path(__file__).parents[1] / "support" / "not_yet_valid.pem"
RUN = ("run", "jobs.jsonl", "--yes", "--out", "out")


@pytest.fixture(scope="module")
def deaths():
    """Eighty seeds of nights that are cut off, every promise checked after each."""
    command = [sys.executable, str(NIGHTS), "60000", "80"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    total = json.loads(done.stdout)
    assert total["violations"] == []
    return total["deaths"]


def test_fault_47_killed_anywhere(deaths):
    """Nothing paid twice, nothing paid lost, in the middle of each kind of step."""
    assert deaths["kill"] >= 30
    assert {"segment", "before commit", "after commit", "before sync"} <= set(deaths)


def test_fault_48_a_power_cut(deaths):
    """The same where all that was not synced is forgotten."""
    assert deaths["power cut"] >= 20


def test_fault_49_one_signal(tmp_path):
    """Drained, with nothing in doubt; the other scenarios are in test_signals."""
    write_jobs(tmp_path / "jobs.jsonl", 20)
    with simulator(tmp_path, "--slots", "4", "--latency", "0.3") as service:
        run = subprocess.Popen(
            [*COMMAND, *RUN], cwd=tmp_path, env=environment(**service.env), stderr=subprocess.DEVNULL
        )
        wait_until(lambda: service.ledger()["accepted"] >= 5)
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=30) == 143
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert "in_doubt" not in summary["counts"]


def peak_of(tmp_path, jobs, service):
    """The most memory that a run of so many jobs had, in kB, and its exit code."""
    folder = tmp_path / str(jobs)
    folder.mkdir()
    write_jobs(folder / "jobs.jsonl", jobs)
    run = subprocess.Popen(
        [*COMMAND, *RUN, "--concurrency", "16", "-q"],
        cwd=folder,
        env=environment(**service.env),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss, run.returncode


def test_fault_50_memory_does_not_grow(tmp_path):
    """Four times the jobs in the same memory: nobody has a reason to kill it. A kill for it all the same is row 47."""
    with simulator(tmp_path, "--slots", "16", "--latency", "0.02") as service:
        small, large = peak_of(tmp_path, 60, service), peak_of(tmp_path, 240, service)
    assert (small[1], large[1]) == (0, 0)
    assert large[0] < 1.15 * small[0]


def test_fault_51_a_second_runner(tmp_path):
    """73 at once: it writes and sends nothing."""
    write_jobs(tmp_path / "jobs.jsonl", 6)
    with simulator(tmp_path, "--slots", "2", "--latency", "1") as service:
        env = environment(**service.env)
        first = subprocess.Popen([*COMMAND, *RUN], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
        wait_until(lambda: service.ledger()["accepted"] >= 2)
        second = command(*RUN, cwd=tmp_path, **service.env)
        assert second.returncode == 73
        assert str(first.pid) in second.stderr
        assert first.wait(timeout=30) == 0
        assert service.ledger()["posts"] == 6


def test_fault_52_another_manifest_into_the_same_place(tmp_path):
    """The lock is the directory's."""
    write_jobs(tmp_path / "jobs.jsonl", 4)
    write_jobs(tmp_path / "others.jsonl", 2)
    with simulator(tmp_path, "--slots", "2", "--latency", "1") as service:
        env = environment(**service.env)
        first = subprocess.Popen([*COMMAND, *RUN], cwd=tmp_path, env=env, stderr=subprocess.DEVNULL)
        wait_until(lambda: service.ledger()["accepted"] >= 2)
        second = command("run", "others.jsonl", "--yes", "--out", "out", cwd=tmp_path, **service.env)
        assert second.returncode == 73
        assert first.wait(timeout=30) == 0
        assert service.ledger()["accepted"] == 4


def test_fault_53_nobody_listens(tmp_path):
    """The run goes on; the log file has everything."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with simulator(tmp_path, "--latency", "0.05") as service:
        closed = ["bash", "-c", f"{' '.join([*COMMAND, *RUN])} >&- 2>&- <&-"]
        done = subprocess.run(closed, cwd=tmp_path, env=environment(**service.env), timeout=60, check=False)
        assert done.returncode == 0
        assert json.loads((tmp_path / "out" / "summary.json").read_text())["counts"] == {"done": 3}
        assert len((tmp_path / "out" / "run.log").read_text().splitlines()) >= 3


def broken(function, job_id):
    """The function with a bug that shows for one job, or for all."""

    def bug(job, *rest):
        if job_id in (None, job.job_id):
            raise ZeroDivisionError
        return function(job, *rest)

    return bug


@pytest.mark.parametrize(("name", "state"), [("of_status", "submitted"), ("of_submit", "in_doubt")])
def test_fault_54_a_bug_of_ours_in_one_job(night, monkeypatch, name, state):
    """The others go on; the exit code says bug; and what may be paid is in doubt at once, never sent again."""
    nights = night(jobs=4)
    with monkeypatch.context() as patch:
        patch.setattr(outcomes, name, broken(getattr(outcomes, name), "job-1"))
        morning = nights.run()
    assert morning.exit_code == 70
    assert morning.results["job-1"]["state"] == state
    assert morning.states.count("done") == 3
    again = nights.run()
    assert again.results["job-1"]["state"] == ("done" if state == "submitted" else "in_doubt")
    assert again.ledger["accepted"] == 4
    assert again.payments == 1


@pytest.mark.parametrize("name", ["of_status", "of_result", "of_submit", "of_downloads"])
def test_fault_54_a_bug_of_ours_in_every_job(night, monkeypatch, name):
    """More crashes than there are slots: each frees its own, is told, and the run ends by itself."""
    nights, heard = night(jobs=6), Heard()
    with monkeypatch.context() as patch:
        patch.setattr(outcomes, name, broken(getattr(outcomes, name), None))
        morning = nights.run(concurrency=2, progress=heard)
    assert morning.exit_code == 70
    assert morning.payments == 1
    word, state = ("in doubt", "in_doubt") if name == "of_submit" else ("crashed", None)
    said = "crashed: a bug of this program (ZeroDivisionError); run.log says where"
    told = [line for line in heard.lines if line.startswith(word)]
    assert sorted(told)[:1] == [line for line in told if line.startswith(f"{word} job-0 {said}")]
    assert len(told) == 6
    assert sum("traceback" in line for line in nights.log()) == 6
    if state is None:
        assert nights.run().states == ["done"] * 6
    else:
        assert morning.states == [state] * 6
        assert morning.summary["cost_usd"]["reserved_in_doubt"] == pytest.approx(6 * 0.039)
        saved = {line["job_id"]: line["request_id"] for line in nights.log() if line["event"] == "REQUEST NOT SAVED"}
        for job_id, line in morning.results.items():
            assert f"the service named the request id {saved[job_id]}" in line["error"]["message"]
    assert nights.run().ledger["accepted"] == 6


def test_fault_54_a_bug_of_ours_in_the_probing(night, monkeypatch):
    """Nobody would release the brake any more: the run ends, and says why."""
    monkeypatch.setattr(Scheduler, "_probe", lambda self: 1 / 0)
    morning = night(jobs=6).run({"on": "submit", "kind": "fin_after"}, concurrency=2)
    assert morning.exit_code == 70
    assert "a bug of this program (ZeroDivisionError)" in morning.said
    assert morning.ledger["accepted"] <= 4


class OneId:
    """A service that names every request by the same id."""

    def __init__(self, submit):
        self._submit = submit

    def __get__(self, api, kind):
        async def submit(*arguments):
            reply = await self._submit(api, *arguments)
            return Accepted("the-one") if isinstance(reply, Accepted) else reply

        return submit


def test_fault_54_an_id_that_another_job_has(night, monkeypatch):
    """In doubt, with the id and its owner: nothing crashes, and the brake keeps it to a handful."""
    monkeypatch.setattr(RunComfy, "submit", OneId(RunComfy.submit))
    nights = night(jobs=30)
    morning = nights.run(concurrency=2)
    assert morning.exit_code == 69
    owner = next(line["job_id"] for line in morning.results.values() if line["request_id"] == "the-one")
    message = f"the answer named the request id the-one, which belongs to job {owner!r} already"
    doubts = [line["error"] for line in morning.results.values() if line["state"] == "in_doubt"]
    assert [(error["code"], error["message"]) for error in doubts] == [("id_taken", message)] * len(doubts)
    assert 3 <= len(doubts) <= 15
    assert not any("traceback" in line for line in nights.log())


@pytest.mark.parametrize("moment", [0.009, 0.011, 0.5, 2.001, 4.02, 4.2])
def test_fault_55_the_loop_stands_still(night, moment):
    """For half a minute: nothing is held against a job, and nothing is sent again."""

    async def block(control):
        await asyncio.sleep(moment)
        asyncio.get_running_loop()._leap.now += 30.0

    morning = night(jobs=4).run(beside=block)
    assert morning.states == ["done"] * 4
    assert morning.payments == 1
    assert morning.ledger["posts"] == 4


def test_fault_56_an_older_version_wrote_the_state(night):
    """Brought up to date, with a backup beside it."""
    nights = night(jobs=4)
    assert nights.run(limit=2).states.count("done") == 2
    downgrade(nights.out)
    again = nights.run()
    assert again.states == ["done"] * 4
    assert again.ledger["accepted"] == 4
    assert (nights.out / "state.db.v1").exists()


def test_fault_56_a_newer_version_wrote_the_state(night):
    """Refused: it may hold what this one does not understand."""
    nights = night(jobs=2)
    nights.run(limit=1)
    import sqlite3

    connection = sqlite3.connect(nights.out / "state.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    morning = nights.run()
    assert morning.exit_code == 78
    assert "upgrade" in morning.said
    assert morning.ledger["posts"] == 0


@pytest.mark.parametrize("days", [1, -1])
@pytest.mark.parametrize("moment", [0.003, 1.0, 4.0])
def test_fault_57_the_clock_is_set(night, days, moment):
    """Nothing waits for a day, nothing goes out early, nothing is lost."""
    nights = night(jobs=4)

    async def set_clock(control):
        await asyncio.sleep(moment)
        nights.world.skew += days * 86_400.0

    morning = nights.run(beside=set_clock)
    assert morning.ledger["posts"] == 4
    assert morning.payments == 1
    assert morning.seconds < 600
    assert set(morning.states) <= {"done"}


@pytest.mark.parametrize("moment", [0.012, 1.0, 2.003, 4.01])
def test_fault_58_the_machine_sleeps(night, moment):
    """A POST under way is in doubt; polls go on over new connections; eight hours are no deadline."""
    nights = night(jobs=4)

    async def sleep(control):
        await asyncio.sleep(moment)
        nights.world.skew += 8 * 3600.0
        nights.world.cut_wires()

    morning = nights.run(beside=sleep, concurrency=4)
    again = nights.run()
    assert set(again.states) <= {"done", "in_doubt"}
    assert morning.states.count("in_doubt") <= 4
    assert again.payments == 1
    assert again.states.count("done") <= again.ledger["accepted"] <= 4
    assert morning.seconds < 600


def test_fault_59_a_date_and_a_wrong_clock():
    """`Retry-After` is read against the answer's own date."""
    wish, date = "Tue, 24 Nov 2026 07:00:20 GMT", "Tue, 24 Nov 2026 07:00:00 GMT"
    for hours in (-2, 0, 2):
        assert retry_after_s(wish, date, 1_795_503_600.0 + hours * 3600) == 20.0


async def test_fault_60_a_certificate_of_tomorrow(tmp_path):
    """Not sent, and the hint goes to the clock."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(NOT_YET_VALID)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    write_jobs(tmp_path / "jobs.jsonl", 1)
    base = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    env = {"RUNCOMFY_MODEL_API_BASE": base, "RUNCOMFY_TOKEN": TOKEN, "SSL_CERT_FILE": str(NOT_YET_VALID)}
    done = await asyncio.to_thread(command, *RUN, cwd=tmp_path, **env)
    server.close()
    assert done.returncode == 78, done.stderr
    assert "is this machine's clock right?" in done.stderr
