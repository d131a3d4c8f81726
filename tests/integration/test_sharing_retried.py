"""Shared requests that came to nothing, were given up or lost, and are asked for once more: each paid for by its word.

A new user found each of these ways to pay unasked, or to lose a picture.
"""

import asyncio
import hashlib
import json

import pytest
from support.night import Night

from runner.batch import verify

WHITE = {"prompt": "White."}
BLACK = {"prompt": "Black."}
OAK = {"prompt": "Oak."}
LOST = {"on": "file", "kind": "status", "status": 404}
FAILS_ONCE = {"on": "job", "kind": "fail", "times": 1}
PRIVATE = {"on": "job", "kind": "private_url", "times": 1}
CUT_OFF = {"on": "submit", "kind": "reset_after", "times": 1}
NEVER_LEFT = {"on": "submit", "kind": "reset_before", "times": 1}
REFUSED = {"on": "submit", "kind": "status", "status": 422, "error_code": 422001, "times": 1}


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Nights over one run directory and one service that remembers."""
    return Night(tmp_path, monkeypatch)


def hashes(nights):
    pictures = (nights.out / "images").iterdir()
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in pictures}


def review(nights, job_id, request_id, prompt):
    path = nights.manifest.with_name("review.json")
    job = {"job_id": job_id, "verdict": "rejected", "request_id": request_id, "prompt": prompt}
    path.write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": [job]}))
    return path


@pytest.mark.parametrize("is_rejected", [True, False])
def test_a_picture_that_makes_room_is_kept_though_the_new_one_comes_by_sharing(nights, is_rejected):
    """The wish was on the disk already, with the POST that was in doubt."""
    nights.write({"id": "d", **BLACK})
    first = nights.run()
    paid = hashes(nights)["d.png"]
    if is_rejected:
        nights.run(NEVER_LEFT, redo=review(nights, "d", first.results["d"]["request_id"], "Oak."))
        nights.settle(resubmit=["d"])
        nights.write({"id": "e", **OAK}, {"id": "d", **BLACK})
        morning = nights.run()
    else:
        nights.write({"id": "e", **OAK}, {"id": "d", **OAK})
        nights.run(NEVER_LEFT, rerun_changed=True, only="d")
        nights.settle(resubmit=["d"])
        morning = nights.run(rerun_changed=True)
    assert (morning.exit_code, morning.states) == (0, ["done", "done"])
    found = hashes(nights)
    assert found[f"d~{'rejected' if is_rejected else 'replaced'}-1.png"] == paid
    assert (found["d.png"], verify(nights.out)) == (found["e.png"], {})


@pytest.mark.parametrize("dedupe", [True, False])
def test_a_refused_job_whose_entry_asks_for_something_else_has_just_that(nights, dedupe):
    """And not the picture that somebody else has of what it asked for before."""
    nights.write({"id": "c", **BLACK}, {"id": "d", **BLACK})
    nights.run(REFUSED, concurrency=1, dedupe=dedupe)
    if dedupe:
        nights.run(retry=("failed",), only="d")
    nights.write({"id": "a", **WHITE}, {"id": "c", **WHITE}, {"id": "d", **BLACK})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 1, ["done"] * 3)
    c = morning.results["c"]
    assert (c["inputs"]["prompt"], c["shared_from"]) == ("White.", "a")
    assert nights.run().ledger["posts"] == 0


@pytest.mark.parametrize("is_in_front", [True, False])
def test_what_another_gave_up_is_not_sent_again_as_a_failure(nights, is_in_front):
    """Its POST may be paid, whoever asked for it; also where this one failed by itself before."""
    nights.write({"id": "a", **WHITE}, *([] if is_in_front else [{"id": "b", **WHITE}]))
    nights.run(FAILS_ONCE)
    nights.write(*[{"id": "b", **WHITE}, {"id": "a", **WHITE}][:: 1 if is_in_front else -1])
    doubtful = nights.run(CUT_OFF, retry=("failed",), only="b")
    assert doubtful.results["b"]["state"] == "in_doubt"
    nights.settle(write_off=["b"])
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE})
    assert nights.run(retry=("failed",)).ledger["posts"] == 0
    nights.write({"id": "a", **WHITE}, {"id": "b", **OAK})
    assert nights.run(retry=("failed",)).ledger["posts"] == 0
    paid = nights.run(retry=("failed", "written_off"), only="a")
    assert (paid.exit_code, paid.ledger["posts"], paid.results["a"]["state"]) == (0, 1, "done")


def test_a_lost_copy_is_had_from_whoever_shares_it(nights):
    """Also by the one that was sent, and though the service has it no more."""
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE})
    nights.run()
    whole = hashes(nights)
    (nights.out / "images" / "a.png").unlink()
    morning = nights.run(LOST)
    assert (morning.exit_code, morning.ledger["posts"], hashes(nights)) == (0, 0, whole)
    assert morning.results["a"].get("shared_from") is None


def test_an_output_that_is_lost_is_had_from_whoever_has_it_by_now(nights):
    """The word that would pay for it again costs nothing then."""
    nights.write({"id": "a", **WHITE})
    assert nights.run(LOST).states == ["output_lost"]
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE})
    nights.run(dedupe=False)
    again = nights.run(retry=("output_lost",))
    assert (again.exit_code, again.ledger["posts"], again.states) == (0, 0, ["done", "done"])


def test_what_we_would_not_fetch_is_paid_again_by_no_word(nights):
    """The next output would come from the same host; to trust it costs nothing."""
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE})
    assert nights.run(PRIVATE).states == ["output_lost", "failed"]
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE}, {"id": "c", **WHITE})
    *_, entry = nights.plan(retry=("failed",)).entries
    assert entry.reason == "the same request as 'a', which was paid and its output not fetched: see there why"
    for word in ("failed", "output_lost", "policy"):
        assert nights.run(retry=(word,)).ledger["posts"] == 0


@pytest.mark.parametrize("fault", [FAILS_ONCE, LOST])
@pytest.mark.parametrize("is_gone", [True, False])
def test_one_that_failed_with_another_waits_for_a_word_as_any_that_failed(nights, fault, is_gone):
    """Also once the other one has left, or asks for something else; what it asks for itself is sent."""
    nights.write(*({"id": name, **WHITE} for name in "abc"))
    nights.run(fault)
    first = [] if is_gone else [{"id": "a", **OAK}]
    nights.write(*first, {"id": "b", **WHITE}, {"id": "c", **WHITE})
    if first:
        nights.run(retry=("failed",), only="a")
    for _ in range(2):
        plain = nights.run()
        assert (plain.exit_code, plain.ledger["posts"]) == (1, 0)
    nights.write(*first, {"id": "b", **WHITE}, {"id": "c", **BLACK})
    assert nights.run().ledger["posts"] == 1
    asked = nights.run(retry=("failed",))
    assert (asked.exit_code, asked.ledger["posts"], asked.results["b"]["state"]) == (0, 1, "done")


@pytest.mark.parametrize("order", [1, -1])
def test_one_that_failed_with_another_is_served_once_that_is_sent_again(nights, order):
    """Whoever of them comes first in the manifest."""
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE})
    assert nights.run(NEVER_LEFT).states == ["in_doubt", "failed"]
    nights.settle(resubmit=["a"])
    nights.write(*[{"id": "a", **WHITE}, {"id": "b", **WHITE}][::order])
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 1, ["done", "done"])


def test_one_that_failed_with_another_does_not_wait_for_it_where_it_alone_is_asked_for(nights):
    """The other one has the picture then."""
    nights.write({"id": "a", **WHITE})
    nights.run(NEVER_LEFT)
    nights.write({"id": "b", **WHITE}, {"id": "a", **WHITE})
    assert nights.run().states == ["failed", "in_doubt"]
    nights.settle(resubmit=["a"])
    alone = nights.run(retry=("failed",), only="b")
    assert (alone.exit_code, alone.ledger["posts"], alone.states) == (0, 1, ["done", "done"])
    assert nights.run().ledger["posts"] == 0


def test_what_a_person_wants_sent_again_is_sent_though_another_failed_with_it(nights):
    """`doubts --resubmit` was the word for it."""
    nights.write({"id": "a", **WHITE}, {"id": "b", **WHITE})
    nights.run(FAILS_ONCE)
    nights.run(NEVER_LEFT, retry=("failed",), only="b")
    nights.settle(resubmit=["b"])
    morning = nights.run()
    assert (morning.ledger["posts"], morning.states) == (1, ["failed", "done"])


def test_a_request_that_is_open_is_shared_though_its_entry_is_to_be_sent_anew(nights):
    """It cannot leave in this run: whoever asks for it has it, and nothing is paid twice."""

    async def leave(control):
        await asyncio.sleep(1)
        control.stop()
        control.stop()

    nights.write({"id": "a", **BLACK}, {"id": "c", **BLACK})
    nights.run(beside=leave)
    nights.write({"id": "a", **OAK}, {"id": "c", **BLACK})
    morning = nights.run(rerun_changed=True)
    assert (morning.ledger["posts"], morning.states) == (0, ["done", "done"])
    again = nights.run(rerun_changed=True)
    assert (again.exit_code, again.ledger["posts"], again.results["a"]["inputs"]["prompt"]) == (0, 1, "Oak.")
