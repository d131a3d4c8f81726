"""What is paid for is collected, whatever keeps new jobs from being submitted."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.night import Heard

from runner.batch import Control, Options, cancel, verify
from runner.errors import ExitCode, ServiceUnavailable
from runner.simulator.settings import FaultRule
from runner.store.reader import Reader

STALLED = {"on": "job", "kind": "stall"}
EXPIRED = "https://b.s3.amazonaws.com/a.jpg?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-Signature=ab"
COLLECTED = [
    "no job can be submitted; collecting 2 paid requests of the run before first, Ctrl-C leaves",
    "no job could be submitted; collected 2 of 2 paid requests of the run before",
]


def left_open(night, **choices):
    """Two requests that are paid for, and finish at the service while nobody looks."""
    nights = night(jobs=2)
    nights.run(STALLED, job_timeout="10m", **choices)
    nights.unstall()
    return nights


def states(directory):
    with Reader(directory) as reader:
        return [str(job.state) for job in reader.jobs()]


@pytest.mark.parametrize(
    ("added", "fault", "choices", "code"),
    [
        ({"id": "b", "prompt": ""}, {}, {}, ExitCode.MANIFEST_INVALID),
        ({"id": "b", "prompt": "Put it on oak.", "image_urls": ["gone.png"]}, {}, {}, ExitCode.MANIFEST_INVALID),
        ({"id": "b", "prompt": "Put it on oak.", "image_urls": [EXPIRED]}, {}, {}, ExitCode.MANIFEST_INVALID),
        ({"id": "b", "prompt": "Put it on oak."}, {"status": 404}, {}, ExitCode.MANIFEST_INVALID),
        ({"id": "b", "prompt": "Put it on oak."}, {"status": 500}, {}, ExitCode.UNAVAILABLE),
        ({"id": "b", "prompt": "Put it on oak."}, {}, {"yes": False}, ExitCode.USAGE),
    ],
)
def test_a_run_that_is_refused_collects_what_is_paid(night, added, fault, choices, code):
    """An entry that cannot be sent, a card that is gone, no consent: the refusal stays, and the pictures come first."""
    nights, heard = left_open(night), Heard()
    with nights.manifest.open("a") as file:
        file.write(json.dumps({"image_urls": ["https://photos.example.com/mug-red.jpg"], **added}) + "\n")
    faults = [{"on": "card", "kind": "status", **fault}] if fault else []
    morning = nights.run(*faults, control=Control(note=heard.note), **choices)
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (code, 0, ["done", "done"])
    assert heard.lines == COLLECTED
    assert verify(nights.out) == {}
    quiet = Heard()
    assert nights.run(*faults, control=Control(note=quiet.note), **choices).exit_code == code
    assert quiet.lines == []


def test_a_service_that_is_silent_is_not_waited_for(night):
    """Nothing is collected then, which is said; the refusal comes in a moment."""
    nights, heard = left_open(night), Heard()
    down = [{"on": on, "kind": "status", "status": 503} for on in ("card", "status", "result")]
    morning = nights.run(*down, control=Control(note=heard.note))
    assert (morning.exit_code, states(nights.out)) == (ExitCode.UNAVAILABLE, ["submitted", "submitted"])
    assert morning.seconds < 30
    assert "of the run before: not collected: http" in heard.lines[-1]


def test_what_is_not_finished_can_be_left(night):
    """By an interrupt; the refusal is told then as well."""
    nights, heard = night(jobs=2), Heard()
    nights.run(STALLED, job_timeout="1m")
    nights.manifest.write_text("{")

    async def interrupt(control):
        await asyncio.sleep(20)
        control.stop()

    morning = nights.run(control=Control(note=heard.note), beside=interrupt)
    assert (morning.exit_code, states(nights.out)) == (ExitCode.MANIFEST_INVALID, ["submitted", "submitted"])
    assert round(morning.seconds) == 20
    assert heard.lines[-1] == "no job could be submitted; collected 0 of 2 paid requests of the run before"


def test_a_person_who_can_mend_it_does_not_wait(night):
    """Who is asked and says no is told so at once."""
    nights, heard = left_open(night), Heard()
    nights.write(*({"id": f"job-{n}", "prompt": f"White, take {n}."} for n in range(3)))
    morning = nights.run(control=Control(note=heard.note), yes=False, confirm=lambda _: False)
    assert (morning.exit_code, heard.lines, states(nights.out)) == (ExitCode.USAGE, [], ["submitted", "submitted"])


def test_a_broken_manifest_is_known_by_where_it_was_run(night, tmp_path, monkeypatch):
    """It cannot say its name any more, and nobody gave a run directory."""
    monkeypatch.chdir(tmp_path)
    nights, heard = left_open(night, out=None), Heard()
    nights.manifest.write_text("{")
    morning = nights.run(control=Control(note=heard.note), out=None)
    assert (morning.exit_code, heard.lines) == (ExitCode.MANIFEST_INVALID, COLLECTED)
    assert states(tmp_path / "runs" / "jobs") == ["done", "done"]


def test_a_state_that_cannot_be_read_hides_no_refusal(night):
    """What is wrong with the manifest is said, and that nothing was collected."""
    nights, heard = left_open(night), Heard()
    nights.manifest.write_text("{")
    state = nights.out / "state.db"
    state.write_bytes(state.read_bytes()[:100] + b"x" * 4000)
    morning = nights.run(control=Control(note=heard.note))
    assert (morning.exit_code, len(heard.lines)) == (ExitCode.MANIFEST_INVALID, 1)
    assert heard.lines[0].startswith(f"what is paid for in {nights.out} was not collected: ")


def test_repair_collects_what_is_paid_and_open(night):
    """As `verify` says; and for nothing."""
    nights = left_open(night)
    assert [failure.code for [failure] in verify(nights.out).values()] == ["not_fetched"] * 2
    assert [str(job.state) for job in nights.repair(*verify(nights.out))] == ["done", "done"]
    assert (verify(nights.out), nights.accepted) == ({}, 2)


def test_a_cancel_says_at_once_whom_it_asks_and_ends_where_nobody_answers(night):
    """With the exit code of a service that is not there; nothing was changed."""
    nights, heard = left_open(night), Heard()
    nights.settings["faults"] = tuple(FaultRule(on=on, kind="hang", every=1) for on in ("status", "cancel"))

    async def act(_, service):
        async with asyncio.timeout(100):
            with pytest.raises(ServiceUnavailable, match=r"cannot be used.*Nothing was changed; try again later"):
                await cancel(nights.out, Options(**service), (), Control(note=heard.note))

    nights.with_service(act)
    assert heard.lines == ["asking RunComfy to cancel 2 requests; Ctrl-C leaves"]
    assert states(nights.out) == ["submitted", "submitted"]


@pytest.mark.parametrize("is_edited", [False, True])
def test_a_plan_with_open_requests_has_work(night, is_edited):
    """Also where the entry was edited or removed since: a run collects them all the same."""
    nights = night(jobs=1)
    nights.run()
    nights.write({"id": "job-0", "prompt": "White, take 0."}, {"id": "lamp", "prompt": "White."})
    nights.run(STALLED, job_timeout="10m")
    edited = [{"id": "lamp", "prompt": "Grey."}] if is_edited else []
    nights.write({"id": "job-0", "prompt": "White, take 0."}, *edited)
    plan = nights.plan()
    assert (plan.submits, plan.collects, plan.has_work) == (0, 1, True)
    nights.unstall()
    nights.run()
    plan = nights.plan()
    assert (plan.submits, plan.collects, plan.has_work) == (0, 0, False)
