"""The words by which a person pays once more: each pays for what it names, and for nothing else.

A reader found each of these by thousands of random nights.
"""

import asyncio
import json

import pytest
from support.night import Night

WHITE, BLACK = {"prompt": "White."}, {"prompt": "Black."}
LOST = {"on": "file", "kind": "status", "status": 404}
FAILS_ONCE = {"on": "job", "kind": "fail", "times": 1}
CUT_OFF = {"on": "submit", "kind": "reset_after", "times": 1}
REFUSED = {"on": "submit", "kind": "status", "status": 422, "error_code": 422001, "times": 1}


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Nights over one run directory and one service that remembers."""
    return Night(tmp_path, monkeypatch)


def given_up(nights):
    """A job whose POST was taken, the answer lost, and a person gave it up."""
    nights.write({"id": "a", **WHITE})
    nights.run(CUT_OFF)
    nights.settle(write_off=["a"])


def test_failed_leaves_out_what_the_same_job_wrote_off_before(nights):
    given_up(nights)
    nights.write({"id": "a", **BLACK})
    nights.run(FAILS_ONCE, rerun_changed=True)
    nights.write({"id": "a", **WHITE})
    assert nights.run(retry=("failed",)).ledger["posts"] == 0


def test_back_to_what_was_written_off(nights):
    given_up(nights)
    nights.write({"id": "a", **BLACK})
    nights.run(rerun_changed=True)
    nights.write({"id": "a", **WHITE})
    assert nights.run(rerun_changed=True).ledger["posts"] == 0
    assert nights.run(rerun_changed=True, retry=("written_off",)).ledger["posts"] == 1


def test_a_refusal_does_not_make_a_doubt_that_was_given_up_a_plain_failure(nights):
    given_up(nights)
    nights.run(REFUSED, retry=("written_off",))
    assert nights.run(retry=("failed",)).ledger["posts"] == 0


def test_a_refusal_does_not_keep_a_doubt_from_being_attached(nights):
    given_up(nights)
    nights.run(REFUSED, retry=("written_off",))
    request_id = json.loads(nights.settings["journal"].read_text().splitlines()[0])["request_id"]
    assert [str(job.state) for job in nights.settle(attach={"a": request_id})] == ["submitted"]
    assert nights.run().states == ["done"]


def test_a_refusal_does_not_make_a_doubt_a_failure_though_its_entry_changed(nights):
    given_up(nights)
    nights.write({"id": "a", **BLACK})
    nights.run(REFUSED, rerun_changed=True)
    nights.write({"id": "a", **WHITE})
    assert nights.run(retry=("failed",)).ledger["posts"] == 0
    assert nights.run(retry=("rejected",)).ledger["posts"] == 0


def test_a_word_for_another_request_does_not_pay_for_a_lost_one(nights):
    nights.write({"id": "d", **BLACK}, {"id": "e", **WHITE})
    assert nights.run(FAILS_ONCE, LOST, concurrency=1).states == ["failed", "output_lost"]
    nights.write({"id": "d", **WHITE})
    assert nights.run(retry=("remote",)).ledger["posts"] == 0


def test_the_word_for_the_lost_one_is_the_same_before_and_after_a_plain_run(nights):
    nights.write({"id": "d", **WHITE})
    nights.run(LOST)
    nights.write({"id": "b", **WHITE})
    assert nights.plan(retry=("output_lost",)).submits == 1
    nights.run()
    assert nights.plan(retry=("output_lost",)).submits == 1


def test_exit_0_only_when_the_same_command_has_nothing_left(nights):
    async def leave(control):
        await asyncio.sleep(1)
        control.stop()
        control.stop()

    nights.write({"id": "a", **WHITE})
    nights.run(beside=leave)
    nights.write({"id": "a", **BLACK})
    first = nights.run(rerun_changed=True)
    again = nights.run(rerun_changed=True)
    assert first.exit_code != 0 or again.ledger["posts"] == 0


def test_who_waits_for_a_word_says_so(nights):
    given_up(nights)
    nights.write({"id": "a", **BLACK})
    nights.run(rerun_changed=True)
    nights.write({"id": "a", **BLACK}, {"id": "b", **WHITE})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (1, 0)
    b = morning.results["b"]
    assert (b["state"], b["error"] is not None) == ("failed", True)


def review(nights, request_id):
    path = nights.manifest.with_name("review.json")
    job = {"job_id": "a", "verdict": "rejected", "request_id": request_id, "prompt": None}
    path.write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": [job]}))
    return path


def test_a_kept_picture_is_not_written_over_by_one_that_was_deleted(nights):
    images = nights.out / "images"
    nights.write({"id": "a", **WHITE})
    night = nights.run()
    night = nights.run(redo=review(nights, night.results["a"]["request_id"]))
    second = (images / "a.png").read_bytes()
    (images / "a~rejected-1.png").unlink()  # a person clears away what was rejected
    nights.run(redo=review(nights, night.results["a"]["request_id"]))
    assert second in [path.read_bytes() for path in images.iterdir()]
    nights.repair("a")
    assert second in [path.read_bytes() for path in images.iterdir()]


def test_a_kept_picture_is_not_written_over_by_one_that_was_deleted_before_it_made_room(nights):
    images = nights.out / "images"
    nights.write({"id": "a", **WHITE})
    nights.run()
    (images / "a.png").unlink()
    nights.write({"id": "a", **BLACK})
    nights.run(rerun_changed=True)
    second = (images / "a.png").read_bytes()
    nights.write({"id": "a", "prompt": "Oak."})
    nights.run(rerun_changed=True)
    nights.repair("a")
    assert second in [path.read_bytes() for path in images.iterdir()]


@pytest.mark.parametrize("is_released", [False, True])
def test_a_released_doubt_of_another_request_does_not_pay_for_a_lost_one(nights, is_released):
    nights.write({"id": "c", **BLACK})
    nights.run({"on": "submit" if is_released else "card", "kind": "reset_before", "times": 1})
    if is_released:
        nights.settle(resubmit=["c"])
    nights.write({"id": "e", **WHITE}, *([] if is_released else [{"id": "c", **BLACK}]))
    nights.run(LOST)
    nights.write({"id": "e", **WHITE}, {"id": "c", **WHITE})
    assert nights.run(rerun_changed=True).ledger["posts"] == 0


@pytest.mark.parametrize("word", ["internal", "failed", "written_off"])
def test_one_word_that_the_plan_names_is_enough(nights, word):
    given_up(nights)
    nights.write({"id": "b", **WHITE})
    assert nights.run(FAILS_ONCE, retry=("written_off",)).ledger["posts"] == 1
    reason = next(nights.plan(retry=(word,)).entries).reason
    assert nights.plan(retry=(word,)).submits == (word == "written_off"), reason


@pytest.mark.parametrize("end", ["lost", "private", "written off"])
@pytest.mark.parametrize("redo", [False, True])
def test_exit_0_only_where_the_entry_has_what_was_asked_for(nights, end, redo):
    """--rerun-changed or --redo of a picture whose new request is somebody's that came to nothing."""
    nights.write({"id": "a", **BLACK})
    request_id = nights.run().results["a"]["request_id"]
    nights.write({"id": "a", **BLACK}, {"id": "d", **WHITE})
    nights.run({"lost": LOST, "private": {"on": "job", "kind": "private_url"}, "written off": CUT_OFF}[end])
    if end == "written off":
        nights.settle(write_off=["d"])
    nights.write({"id": "a", **WHITE})
    asked = {"redo": review(nights, request_id)} if redo else {"rerun_changed": True}
    morning = nights.run(**asked)
    a = morning.results["a"]
    assert a["inputs"]["prompt"] == "White." or morning.exit_code == 1, morning.exit_code


@pytest.mark.parametrize("order", [1, -1])
def test_what_we_would_not_fetch_is_paid_by_no_word_wherever_it_stands(nights, order):
    nights.write({"id": "b", **WHITE})
    nights.run(LOST)
    nights.write({"id": "b", **WHITE}, {"id": "a", **WHITE})
    nights.run({"on": "job", "kind": "private_url"}, dedupe=False, only="a")
    nights.write(*[{"id": "b", **WHITE}, {"id": "a", **WHITE}][::order], {"id": "c", **WHITE})
    assert nights.run(retry=("failed",), only="c").ledger["posts"] == 0
