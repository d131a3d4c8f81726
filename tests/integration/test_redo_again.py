"""After a redo: what a review has said of a prompt stays said, and what several jobs want once more is paid once."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.night import Night

from runner.batch import verify

FAILS = {"on": "job", "kind": "fail", "times": 1}
CUT_OFF = {"on": "submit", "kind": "reset_after", "times": 1}


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Nights over one run directory and one service that remembers."""
    return Night(tmp_path, monkeypatch)


def write(nights, **prompts):
    """A manifest of these jobs."""
    nights.write(*({"id": job_id, "prompt": prompt} for job_id, prompt in prompts.items()))


def rejected(nights, morning, *job_ids, **more):
    """A review that rejects what these jobs have that morning."""
    jobs = [
        {"job_id": one, "verdict": "rejected", "request_id": morning.results[one]["request_id"], **more}
        for one in job_ids
    ]
    path = nights.manifest.with_name("review.json")
    path.write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": jobs}))
    return path


def sent(nights):
    """The prompts that the service took, in order."""
    lines = map(json.loads, nights.settings["journal"].read_text().splitlines())
    return [line["inputs"]["prompt"] for line in lines if "request_id" in line]


def names(nights):
    return {path.name for path in (nights.out / "images").iterdir()}


# ------------------------------------------------------------------------------------- a prompt that a review has given


def test_a_prompt_that_a_review_gave_is_no_edit_of_the_manifest(nights):
    """`--rerun-changed` for another entry leaves it alone; a real edit of its own counts, as do later reviews."""
    write(nights, a="One.", b="Two.")
    first = nights.run(concurrency=1)
    second = nights.run(redo=rejected(nights, first, "a", prompt="One, better."))
    write(nights, a="One.", b="Two, edited.")
    assert [entry.job_id for entry in nights.plan(rerun_changed=True, simulate=False).to_submit] == ["b"]
    assert nights.run(rerun_changed=True).exit_code == 0
    assert sent(nights) == ["One.", "Two.", "One, better.", "Two, edited."]
    third = nights.run(redo=rejected(nights, second, "a"))
    nights.run(redo=rejected(nights, third, "a", prompt="One, best."))
    assert (nights.run(rerun_changed=True).ledger["posts"], sent(nights)[4:]) == (0, ["One, better.", "One, best."])
    write(nights, a="One, edited.", b="Two, edited.")
    assert nights.plan(simulate=False).kept == 1
    assert nights.run(rerun_changed=True).results["a"]["inputs"]["prompt"] == "One, edited."


@pytest.mark.parametrize("is_written", [False, True])
def test_what_failed_or_was_lost_after_a_review_is_sent_again_as_the_review_said(nights, tmp_path, is_written):
    """By `--retry`, or by a plan of that; after `doubts --resubmit` by the next run. Never with the rejected prompt."""
    write(nights, a="One.", b="Two.")
    first = nights.run(concurrency=1)
    review = rejected(nights, first, "a", "b", prompt="Better.", tags=["halo"])
    assert nights.run(FAILS, redo=review, dedupe=False, concurrency=1).states == ["failed", "done"]
    if is_written:
        nights.write_plan(tmp_path / "plan.json", retry=("failed",), dedupe=False)
        again = nights.run(manifest=tmp_path / "plan.json", yes=False, out=None)
    else:
        again = nights.run(retry=("failed",), dedupe=False)
    assert (again.exit_code, again.ledger["posts"]) == (0, 1)
    doubtful = nights.run(CUT_OFF, redo=rejected(nights, again, "b", prompt="Best."))
    assert doubtful.states == ["done", "in_doubt"]
    nights.settle(resubmit=["b"])
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 1, ["done", "done"])
    assert sent(nights) == ["One.", "Two.", *["Better."] * 3, *["Best."] * 2]
    assert verify(nights.out) == {}


def test_a_picture_of_a_reviews_prompt_serves_whoever_wants_just_that(nights):
    """The prompt was put into the manifest, for another job: paid for already."""
    write(nights, a="One.")
    nights.run(redo=rejected(nights, nights.run(), "a", prompt="Better."))
    write(nights, a="One.", b="Better.")
    morning = nights.run(rerun_changed=True)
    assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["shared_from"]) == (0, 0, "a")


# ----------------------------------------------------------------------------------------- several want it once more


@pytest.mark.parametrize("more", [{}, {"prompt": "Better."}])
def test_one_picture_that_several_rejected_is_paid_once_more_once(nights, more):
    """Each has the new one, and keeps the rejected one; the same command again pays nothing."""
    write(nights, a="One.", b="One.", c="Two.", d="One.")
    first = nights.run()
    review = rejected(nights, first, "a", "b", "d", **more)
    assert nights.plan(redo=review, simulate=False).submits == 1
    for posts in (1, 0):
        again = nights.run(redo=review)
        assert (again.exit_code, again.ledger["posts"], again.states) == (0, posts, ["done"] * 4)
    requests = {name: line["request_id"] for name, line in again.results.items()}
    assert requests["a"] == requests["b"] == requests["d"] != first.results["a"]["request_id"]
    assert requests["c"] == first.results["c"]["request_id"]
    assert {name for name in names(nights) if "~" in name} == {f"{name}~rejected-1.png" for name in "abd"}
    assert verify(nights.out) == {}
    assert nights.run(rerun_changed=True).ledger["posts"] == 0


def test_whoever_wants_each_once_more_says_so(nights):
    write(nights, a="One.", b="One.")
    review = rejected(nights, nights.run(), "a", "b")
    assert nights.run(redo=review, dedupe=False).ledger["posts"] == 2


def test_a_redo_that_several_share_is_paid_once_over_a_stop(nights):
    """Until the new one is there each has the rejected one."""
    write(nights, a="One.", b="One.")
    review = rejected(nights, nights.run(), "a", "b")

    async def leave(control):
        await asyncio.sleep(1)
        control.stop()
        control.stop()

    stopped = nights.run(redo=review, beside=leave)
    assert (stopped.ledger["posts"], stopped.results["b"]["state"]) == (1, "done")
    assert {path for path in names(nights) if path.startswith("b")} == {"b.png"}
    morning = nights.run(redo=review)
    assert (morning.exit_code, morning.ledger["posts"], nights.accepted) == (0, 0, 2)
    assert morning.results["b"]["shared_from"] == "a"


def test_a_rejected_picture_is_not_replaced_by_one_that_was_there(nights):
    """Of the same request, paid for each: what is wanted is a new one, also where that is not taken at first."""
    write(nights, a="One.", b="One.", c="One.")
    first = nights.run(dedupe=False)
    assert nights.run(redo=rejected(nights, first, "a")).ledger["posts"] == 1
    second = nights.run()
    review = rejected(nights, second, "b", "c")
    held = nights.run(redo=review, yes=False, max_cost_usd="0.16")
    assert (held.exit_code, held.ledger["posts"], held.results) == (3, 0, second.results)
    third = nights.run(redo=review)
    requests = {name: line["request_id"] for name, line in third.results.items()}
    assert (third.ledger["posts"], requests["b"] == requests["c"]) == (1, True)
    assert requests["b"] not in {line["request_id"] for line in second.results.values()}


def test_what_is_lost_for_several_is_paid_again_once(nights):
    """`--retry` of a request that two jobs share, and whose output is gone."""
    write(nights, a="One.", b="One.")
    lost = {"on": "file", "kind": "status", "status": 404}
    assert nights.run(lost).states == ["output_lost", "failed"]
    morning = nights.run(retry=("failed",))
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 1, ["done"] * 2)
