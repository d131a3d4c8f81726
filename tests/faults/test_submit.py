"""The fault matrix, rows 1 to 16: what can happen to a paid POST."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path

import pytest
from simulation.world import VirtualLoop
from support.processes import TOKEN, command, write_jobs

from runner.api.wire import Accepted, Reply, classify_submit
from runner.batch import doubts
from runner.errors import StorageFailed
from runner.scheduler.tasks import uncut

LOOPBACK_PEM = Path(__file__).parents[1] / "support" / "loopback.pem"


def on_submit(kind, **more):
    return {"on": "submit", "kind": kind, **more}


def assert_in_doubt_once(morning, jobs=3):
    """Each POST left one doubt, none was sent again, and the exit code says that there is something to look at."""
    assert morning.states == ["in_doubt"] * jobs
    assert morning.exit_code == 1
    assert morning.ledger["posts"] == jobs
    assert morning.payments <= 1


def test_fault_01_no_route_for_two_hours(night):
    """Free to try again: no attempt used, none in doubt, and the run goes on when it is back."""
    nights = night(jobs=6)
    nights.world.is_up = lambda now: not 3.0 < now < 7203.0
    morning = nights.run()
    assert morning.states == ["done"] * 6
    assert morning.exit_code == 0
    assert 7200 < morning.seconds < 7200 + 1800
    assert all(len(line["attempts"]) == 1 for line in morning.results.values())
    assert morning.ledger["accepted"] == 6


async def test_fault_02_tls_that_cannot_be_verified(tmp_path):
    """The run is held, never weakened."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOOPBACK_PEM)
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    write_jobs(tmp_path / "jobs.jsonl", 2)
    base = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    env = {"RUNCOMFY_MODEL_API_BASE": base, "RUNCOMFY_TOKEN": TOKEN}
    done = await asyncio.to_thread(command, "run", "jobs.jsonl", "--yes", cwd=tmp_path, **env)
    server.close()
    assert done.returncode == 78, done.stderr
    assert "no verified TLS connection" in done.stderr
    assert heard == []


def test_fault_03_reset_before_it_was_read(night):
    """Nobody can know: in doubt."""
    morning = night().run(on_submit("reset_before"))
    assert_in_doubt_once(morning)
    assert morning.ledger["accepted"] == 0


def test_fault_04_read_and_closed(night):
    """In doubt, and taken exactly once."""
    morning = night().run(on_submit("fin_after"))
    assert_in_doubt_once(morning)
    assert morning.ledger["accepted"] == 3


def test_fault_05_read_and_silence(night):
    """In doubt when patience ends; the slot is free for the next job, the money stays set aside."""
    morning = night(jobs=3).run(on_submit("hang", seconds=500.0), concurrency=1)
    assert_in_doubt_once(morning)
    assert morning.seconds > 3 * 60
    assert morning.summary["cost_usd"]["reserved_in_doubt"] == pytest.approx(3 * 0.039)


def test_fault_06_the_answer_is_cut(night):
    """In doubt: half an answer is none. An id that came whole is a hint, which `doubts` shows and `--attach` takes."""
    nights = night()
    morning = nights.run(on_submit("truncated_json"))
    assert_in_doubt_once(morning)
    assert morning.ledger["accepted"] == 3
    assert all(line["request_id"] is None for line in morning.results.values())
    hint = re.compile(r"; it named the request id (\w+) before it broke off$")
    named = {job.job_id: hint.search(job.failure.message) for job in doubts(nights.out)}
    assert all(named.values())
    nights.settle(attach={job_id: found[1] for job_id, found in named.items()})
    again = nights.run()
    assert again.states == ["done"] * 3
    assert again.ledger["accepted"] == 3


def test_fault_07_a_captive_portal(night):
    """In doubt, named for what it is, and the brake is on."""
    nights = night(jobs=3)
    morning = nights.run(on_submit("html"))
    assert_in_doubt_once(morning)
    message = next(iter(morning.results.values()))["error"]["message"]
    assert "text/html" in message
    assert "Sign in to the network" in message


@pytest.mark.parametrize("kind", ["empty", "list", "no_id"])
def test_fault_08_an_answer_without_an_id(night, kind):
    """200 and nothing, a list, an object without the id: in doubt."""
    assert_in_doubt_once(night().run(on_submit(kind)))


@pytest.mark.parametrize("body", [b'{"request_id": 7}', b'{"request_id": "a/b"}', b'{"request_id": ["r"]}'])
def test_fault_08_an_id_that_is_none(body):
    """Of the wrong type or shape: in doubt as well."""
    reply = Reply(status=200, headers={"Content-Type": "application/json"}, body=body)
    assert type(classify_submit(reply)).__name__ == "Unknown"


@pytest.mark.parametrize(("code", "state", "exit_code"), [(422001, "rejected", 1), (400002, "held", 77)])
def test_fault_09_an_error_inside_200(night, code, state, exit_code):
    """Refused, by the table of codes."""
    morning = night(jobs=1).run(on_submit("error_in_200", error_code=code))
    assert (morning.states, morning.exit_code) == ([state], exit_code)
    assert morning.ledger["accepted"] == 0


def test_fault_10_an_error_and_an_id():
    """Accepted: the id is paid for, whatever else is said."""
    body = json.dumps({"error_code": 500001, "error_message": "?", "request_id": "r-1"}).encode()
    reply = classify_submit(Reply(status=200, headers={"Content-Type": "application/json"}, body=body))
    assert isinstance(reply, Accepted)
    assert reply.request_id == "r-1"


@pytest.mark.parametrize("status", [400, 422])
def test_fault_11_an_input_that_is_refused(night, status):
    """That job is rejected with what was said; the others go on."""
    morning = night().run(on_submit("status", status=status, error_code=422001, times=1))
    assert sorted(morning.states) == ["done", "done", "rejected"]
    rejected = next(line for line in morning.results.values() if line["state"] == "rejected")
    assert "having trouble" in rejected["error"]["message"]
    assert morning.exit_code == 1


@pytest.mark.parametrize(("status", "code"), [(401, 401001), (403, 403001), (400, 400004)])
def test_fault_12_the_token_is_refused(night, status, code):
    """After the first the whole run is held; no job failed, and with a good token it goes on."""
    nights = night(jobs=4)
    morning = nights.run(on_submit("status", status=status, error_code=code), concurrency=1)
    assert morning.exit_code == 77
    assert morning.ledger["posts"] == 1
    assert set(morning.states) == {"held", "pending"}
    assert nights.run().states == ["done"] * 4


@pytest.mark.parametrize(("status", "code"), [(402, 402001), (400, 400002)])
def test_fault_13_no_balance(night, status, code):
    """Held, with the remedy; after a top-up the same command goes on."""
    nights = night(jobs=4)
    morning = nights.run(on_submit("status", status=status, error_code=code), concurrency=1)
    assert morning.exit_code == 77
    assert "top up" in morning.said
    assert morning.ledger["posts"] == 1
    assert nights.run().states == ["done"] * 4


@pytest.mark.parametrize(("retry_after", "seconds"), [(None, 0.3), ("7", 7), ("date+7", 6), ("3.5", 3.5)])
def test_fault_14_too_many_requests(night, retry_after, seconds):
    """Waited for as it says, in each form; no attempt is lost, and each job is paid once."""
    rule = on_submit("throttle", times=2) | ({"retry_after": retry_after} if retry_after else {})
    morning = night().run(rule, concurrency=1)
    assert morning.states == ["done"] * 3
    assert morning.payments == 1
    assert morning.ledger["posts"] == 5
    assert morning.seconds >= 2 * seconds


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 522, 524])
def test_fault_15_a_gateway_fails(night, status):
    """In doubt, since the job may have been taken before; a whole night of it costs a handful, not the manifest."""
    morning = night(jobs=60).run(on_submit("status", status=status, processed=True), concurrency=4)
    doubts = morning.states.count("in_doubt")
    assert 3 <= doubts <= 3 + 4 + 9
    assert morning.states.count("pending") == 60 - doubts
    assert morning.exit_code == 69
    assert morning.ledger["accepted"] == doubts
    assert morning.payments == 1


def test_fault_16_a_redirect(night):
    """Not followed: in doubt, naming where it led, and the token stayed here."""
    morning = night().run(on_submit("redirect"))
    assert_in_doubt_once(morning)
    assert "127.0.0.1" in next(iter(morning.results.values()))["error"]["message"]
    assert morning.ledger["leaks"] == 0


def test_fault_15_everything_fails(night):
    """Where the free card does not answer either, no more is risked than what was in flight."""
    down = {"kind": "status", "status": 503}
    rules = [on_submit("status", status=503, processed=True), {"on": "card", "every": 2, **down}]
    morning = night(jobs=60).run(*rules, concurrency=4)
    assert morning.states.count("in_doubt") <= 3 + 4
    assert morning.exit_code == 69


def slow_disk(monkeypatch, stall_s, kind="SubmitIntended"):
    """The disk hangs at the second job's first event of that kind; what is then on it is on it."""
    plain, left = VirtualLoop.run_in_executor, [1]

    def hang(loop, executor, call, *arguments):
        done = plain(loop, executor, call, *arguments)
        writes = arguments[0] if getattr(call, "__name__", "") == "_commit_all" else ()
        values = [values for write in writes for _, values in write.statements]
        if not (left and any(kind in found and "job-1" in found for found in values)):
            return done
        left.clear()
        late = loop.create_future()
        loop.call_later(stall_s, lambda: late.set_result(done.result()))
        return late

    monkeypatch.setattr(VirtualLoop, "run_in_executor", hang)


def test_a_disk_that_hangs_longer_than_a_post_may_take_is_no_doubt(night, monkeypatch):
    """The POST gives up while its intent is on its way to the disk: no byte has left, and the state says so."""
    slow_disk(monkeypatch, 130.0)
    morning = night().run(concurrency=1)
    assert (morning.states, morning.exit_code) == (["done"] * 3, 0)
    assert [attempt["state"] for attempt in morning.results["job-1"]["attempts"]] == ["not_sent", "finished"]
    assert morning.payments == 1


def test_who_counts_hears_of_a_picture_that_is_recorded_while_the_run_is_stopped(night, monkeypatch):
    """It is done by the state: so it is for the figures, and for a program that is told of each job that ends."""
    slow_disk(monkeypatch, 30.0, "Collected")
    ended = []

    async def interrupt(control):
        await asyncio.sleep(25)
        control.stop()

    morning = night(jobs=2).run(concurrency=1, on_job=ended.append, beside=interrupt)
    assert (morning.exit_code, morning.states) == (130, ["done", "done"])
    assert [job.job_id for job in ended] == ["job-0", "job-1"]


def test_an_intent_that_an_earlier_version_lost_is_in_doubt(night):
    """Pending, with an open intent: nobody knows what became of it, so that it is shown, and never sent."""
    nights = night()
    nights.run(limit=2)
    with closing(sqlite3.connect(nights.out / "state.db")) as state:
        values = ("job-2", 1, "intent", "?", 1.0, 39_000)
        columns = "job_id, number, state, payload_sha256, intended_at, reserved"
        state.execute(f"INSERT INTO attempts ({columns}) VALUES (?, ?, ?, ?, ?, ?)", values)
        state.commit()
    assert [job.job_id for job in doubts(nights.out)] == ["job-2"]
    morning = nights.run()
    assert (morning.states, morning.exit_code) == (["done", "done", "in_doubt"], 1)
    nights.settle(resubmit=["job-2"])
    assert nights.run().states == ["done"] * 3
    assert nights.accepted == 3


async def test_an_intent_that_fails_late_says_why():
    """The disk's failure is what the run hears, not that the POST gave up meanwhile."""
    may_fail = asyncio.Event()

    async def commit():
        await may_fail.wait()
        raise StorageFailed("full")

    waiting = asyncio.create_task(uncut(commit()))
    await asyncio.sleep(0)
    waiting.cancel()
    asyncio.get_running_loop().call_soon(may_fail.set)
    with pytest.raises(StorageFailed, match="full"):
        await waiting


def test_a_submit_that_nobody_waits_for_any_more_is_in_doubt(night):
    """A second interrupt leaves: what is not answered some seconds later is cut off, and the state says so at once."""

    async def insist(control):
        await asyncio.sleep(10)
        control.stop()
        await asyncio.sleep(1)
        control.stop()

    morning = night().run({"on": "submit", "kind": "slow", "seconds": 60.0}, beside=insist)
    assert (morning.exit_code, morning.states) == (130, ["in_doubt", "in_doubt", "pending"])
    assert {line["error"]["code"] for line in morning.results.values() if line["error"]} == {"cut_off"}
    assert morning.seconds < 20
