"""The fault matrix, rows 17 to 26: what can happen while a paid request is followed. All of it is free."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from runner.batch import cancel, repair, settle_doubts
from runner.errors import StateMismatch
from runner.model import (
    Job,
    JobSpec,
    JobState,
    ReadResult,
    RemoteState,
    RemoteStatus,
    ResultRead,
    StatusSeen,
    SubmitAccepted,
    SubmitIntended,
)
from runner.rules.lifecycle import Policies, advance, decide
from runner.simulator.settings import FaultRule

GONE = {"status": 404, "error_code": 404001}


def on(call, kind, **more):
    return {"on": call, "kind": kind, **more}


def assert_paid_once(morning, jobs=3):
    assert morning.ledger["accepted"] == jobs
    assert morning.payments == 1


def test_fault_17_a_404_just_after_the_submit(night):
    """Not believed for ten minutes: the request was only not known everywhere."""
    morning = night().run(on("status", "status", times=12, **GONE))
    assert morning.states == ["done"] * 3
    assert_paid_once(morning)


def test_fault_17_a_404_for_ever(night):
    """Believed in the end: lost, with the id to complain about, and never paid again."""
    morning = night(jobs=1).run(on("status", "status", **GONE))
    line = morning.results["job-0"]
    assert (line["state"], line["error"]["code"]) == ("output_lost", "request_gone")
    assert line["request_id"] in line["error"]["message"]
    assert 600 < morning.seconds < 900
    assert_paid_once(morning, 1)


@pytest.mark.parametrize("kind", ["status", "html", "not_http", "reset_after", "empty"])
def test_fault_18_an_hour_of_bad_answers(night, kind):
    """Asked again and again, ever more slowly; nothing is concluded from it."""
    nights = night(jobs=1)
    morning = nights.run(on("status", kind, times=300))
    assert morning.states == ["done"]
    assert morning.seconds > 3600
    assert morning.results["job-0"]["attempts"][0]["error"] is None
    assert_paid_once(morning, 1)


def test_fault_19_an_unknown_word(night):
    """Taken for running, said once in the log, and never for an end."""
    nights = night(jobs=1)
    morning = nights.run(on("job", "unknown_word"))
    assert morning.states == ["done"]
    said = [line for line in nights.log() if line["event"] == "unknown status word"]
    assert [line["word"] for line in said] == ["warming_up"]


def test_fault_20_a_status_goes_back():
    """Followed until the result is read; from then on the result stays known."""
    spec = JobSpec(job_id="mug", model="m", inputs={}, fingerprint="f")
    submitted = advance(Job(spec=spec), SubmitIntended(at=0.0, payload_sha256="p", reserved=None))
    submitted = advance(submitted, SubmitAccepted(at=0.0, request_id="r", look_at=0.0))
    ended = RemoteStatus(state=RemoteState.COMPLETED, raw="completed")
    back = RemoteStatus(state=RemoteState.QUEUED, raw="in_queue")
    job = advance(submitted, StatusSeen(at=1.0, status=ended, look_at=1.0))
    assert decide(job, 1.0, Policies()) == ReadResult()
    job = advance(job, StatusSeen(at=2.0, status=back, look_at=2.0))
    assert job.state is JobState.SUBMITTED
    job = advance(replace(job, remote=ended), ResultRead(at=3.0, outputs=("u",), cost=None))
    assert job.state is JobState.RESULT_KNOWN
    with pytest.raises(Exception, match="cannot happen"):
        advance(job, StatusSeen(at=4.0, status=back, look_at=4.0))


@pytest.mark.parametrize("kind", ["synonyms", "upper_case"])
def test_fault_21_other_words_for_the_same(night, kind):
    """`succeeded` and `completed`, `canceled` and `cancelled`, in any case."""
    assert night().run(on("job", kind)).states == ["done"] * 3


@pytest.mark.parametrize(("kind", "more"), [("status", GONE), ("empty", {})])
def test_fault_22_completed_and_no_result_yet(night, kind, more):
    """Asked again for a while."""
    morning = night().run(on("result", kind, times=9, **more))
    assert morning.states == ["done"] * 3
    assert_paid_once(morning)


def test_fault_22_completed_and_never_a_result(night):
    """Lost after a quarter of an hour, with its id."""
    morning = night(jobs=1).run(on("result", "status", **GONE))
    line = morning.results["job-0"]
    assert line["state"] == "output_lost"
    assert line["request_id"]
    assert 600 < morning.seconds < 1200
    assert_paid_once(morning, 1)


def test_fault_23_a_job_that_never_ends(night):
    """Left at its deadline: the slot serves the next job, the id is kept, and the next run looks again."""
    nights = night(jobs=2, slots=2)
    stalled = on("job", "stall", times=1)
    morning = nights.run(stalled, concurrency=1, job_timeout="10m")
    assert sorted(morning.states) == ["done", "submitted"]
    assert morning.exit_code == 75
    assert 600 < morning.seconds < 900
    left = next(line for line in morning.results.values() if line["state"] == "submitted")
    assert left["error"]["code"] == "deadline"
    again = nights.run(concurrency=1)
    assert again.results[left["job_id"]]["request_id"] == left["request_id"]
    assert_paid_once(again, 2)


def test_fault_24_the_job_failed(night):
    """Failed, at the cost that the service names, and not sent again by itself."""
    nights = night(jobs=2)
    morning = nights.run(on("job", "fail", every=2))
    assert sorted(morning.states) == ["done", "failed"]
    failed = next(line for line in morning.results.values() if line["state"] == "failed")
    assert failed["cost_usd"] is not None
    assert failed["error"]["message"]
    assert nights.run().ledger["posts"] == 0


@pytest.mark.parametrize("kind", ["reset_after", "html", "status"])
def test_fault_25_a_cancel_whose_answer_is_lost(night, kind):
    """The truth is asked for: each request ends as the service says it did."""
    nights = night(jobs=4, slots=1, latency_s=30.0)

    async def interrupt(control):
        await asyncio.sleep(10.0)
        control.stop()

    lost = on("cancel", kind, processed=True)
    morning = nights.run(lost, beside=interrupt, concurrency=4, on_interrupt="cancel")
    assert morning.exit_code == 130
    assert sorted(morning.states) == ["cancelled", "cancelled", "cancelled", "done"]
    assert morning.ledger["charged_usd"] == pytest.approx(0.039)
    assert morning.summary["cost_usd"]["spent"] == pytest.approx(0.039)


def test_a_second_interrupt_leaves_while_cancels_hang(night):
    """And what hangs, hangs together: the cancels go side by side."""
    nights = night(jobs=4, latency_s=600.0)

    async def interrupt(control):
        await asyncio.sleep(10)
        control.stop()
        await asyncio.sleep(10)
        control.stop()

    hangs = {"on": "cancel", "kind": "hang", "seconds": 500.0}
    morning = nights.run(hangs, beside=interrupt, concurrency=4, on_interrupt="cancel")
    assert (morning.exit_code, morning.states) == (130, ["submitted"] * 4)
    assert morning.seconds < 25
    assert "what was cancelled is not known: the same command looks, and goes on" in morning.said


def test_what_an_interrupt_cancelled_does_not_go_on_by_itself(night):
    """It says what does."""
    nights = night(jobs=3, slots=1, latency_s=600.0)

    async def interrupt(control):
        await asyncio.sleep(10)
        control.stop()

    morning = nights.run(beside=interrupt, concurrency=3, on_interrupt="cancel", job_timeout="9h")
    assert (morning.exit_code, sorted(morning.states)) == (130, ["cancelled", "cancelled", "done"])
    assert morning.said.endswith("goes on; --retry cancelled sends 2 cancelled jobs again")
    assert nights.run(retry=("cancelled",)).states == ["done"] * 3


def test_fault_26_the_token_of_another_account(night):
    """Stopped before anything is sent: the ids of this state are not its own."""
    nights = night(jobs=4)
    assert nights.run(limit=2).states.count("done") == 2
    other = nights.run(on("status", "status", status=403, error_code=403001), token="another-canary-token")
    assert other.exit_code == 78
    assert "another account" in other.said
    assert other.ledger["posts"] == 0
    assert nights.run().states == ["done"] * 4


@pytest.mark.parametrize(
    ("fault", "exit_code"),
    [
        ({"kind": "status", "status": 404, "error_code": 404001}, 78),
        ({"kind": "status", "status": 401, "error_code": 401001}, 78),
        ({"kind": "status", "status": 402, "error_code": 402001}, 77),
        ({"kind": "status", "status": 503}, 69),
        ({"kind": "throttle"}, 69),
        ({"kind": "hang", "seconds": 100.0}, 69),
        ({"kind": "reset_after"}, 69),
        ({"kind": "html"}, 69),
    ],
)
def test_fault_26_only_a_no_proves_another_account(night, fault, exit_code):
    """A service in trouble says nothing about whose token it is; with the service back, the new token goes on."""
    nights = night(jobs=2)
    nights.run(limit=1)
    morning = nights.run({"on": "status", **fault}, token="another-canary-token")
    assert morning.exit_code == exit_code
    assert ("another account" in morning.said) == (exit_code == 78)
    assert morning.ledger["posts"] == 0
    assert nights.run(token="another-canary-token").states == ["done"] * 2


@pytest.mark.parametrize("act", ["cancel", "repair", "attach"])
def test_fault_26_no_command_takes_the_token_of_another_account(night, act):
    """To that account the service says that it knows none of the requests: believed, it would end what is paid for."""
    nights = night(jobs=2)
    nights.run(on("submit", "reset_after"), only="job-0")
    nights.run({"on": "job", "kind": "stall"}, only="job-1", job_timeout="10m")
    before = nights.plan().counts
    commands = {
        "cancel": lambda options: cancel(nights.out, options),
        "repair": lambda options: repair(nights.out, options, ["job-1"]),
        "attach": lambda options: settle_doubts(nights.out, options, attach={"job-0": "r-1"}),
    }
    nights.settings["faults"] = (FaultRule(on="status", kind="status", status=404, error_code=404001, every=1),)
    with pytest.raises(StateMismatch, match="another account"):
        nights._mend(lambda options: commands[act](replace(options, token="another-canary-token")))
    del nights.settings["faults"]
    assert nights.plan().counts == before
