"""Jobs that come to share a request after they had one of their own, and runs that end before they do.

A reader found each of these ways to pay once more, or to wait for ever.
"""

import asyncio

import pytest
from PIL import Image
from support.night import Night

from runner.batch import export
from runner.batch.exporting import Wishes
from runner.model import Resumed, SubmitIntended
from runner.store.store import Store

SAME = {"prompt": "White."}
OTHER = {"prompt": "Black."}
LOST = {"on": "file", "kind": "status", "status": 404}
FAILS_ONCE = {"on": "job", "kind": "fail", "times": 1}
CUT_OFF = {"on": "submit", "kind": "reset_after", "times": 1}


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Nights over one run directory and one service that remembers."""
    return Night(tmp_path, monkeypatch)


def files(nights):
    return {path.name for path in (nights.out / "images").iterdir()}


def empty(nights):
    for path in (nights.out / "images").iterdir():
        path.unlink()


async def leave(control):
    """Stop at once while the first request is under way."""
    await asyncio.sleep(1)
    control.stop()
    control.stop()


def two_of_their_own(nights):
    """Two jobs, done and paid, that are then edited to one and the same request."""
    nights.write({"id": "a", **SAME}, {"id": "b", **OTHER})
    assert nights.run().states == ["done", "done"]
    nights.write({"id": "a", "prompt": "Oak."}, {"id": "b", "prompt": "Oak."})


@pytest.mark.parametrize("first", [{"limit": 1}, {"max_cost_usd": "0.04"}])
def test_twins_that_were_not_sent_yet_are_sent_later(nights, first):
    """Each waits for the other's word, and one of them must have it."""
    nights.write({"id": "c", **OTHER}, {"id": "a", **SAME}, {"id": "b", **SAME})
    assert nights.run(**first).ledger["posts"] == 1
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 1, ["done"] * 3)


def test_an_edited_job_that_is_kept_leads_nobody(nights):
    """It was never sent as it is now: whoever wants that is sent, and the edited one shares it when it may."""
    nights.write({"id": "a", **SAME})
    nights.run()
    nights.write({"id": "a", **OTHER}, {"id": "b", **OTHER})
    morning = nights.run()
    assert (morning.ledger["posts"], morning.states) == (1, ["done", "done"])
    again = nights.run(rerun_changed=True)
    assert (again.exit_code, again.ledger["posts"], again.results["a"]["shared_from"]) == (0, 0, "b")


def test_one_request_of_two_edited_jobs_is_paid_once_over_a_stop(nights):
    """The follower stays as it was until the leader is done; the same command goes on for nothing."""
    two_of_their_own(nights)
    plan = nights.plan(rerun_changed=True)
    assert plan.submits == 1
    stopped = nights.run(rerun_changed=True, beside=leave)
    assert (stopped.ledger["posts"], stopped.results["b"]["state"]) == (1, "done")
    assert len(stopped.results["b"]["files"]) == 1
    morning = nights.run(rerun_changed=True)
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 0, ["done"] * 2)
    assert (nights.accepted, morning.results["b"]["shared_from"]) == (3, "a")


def test_what_a_limit_holds_back_stays_as_it_was(nights):
    """No POST left: nobody's picture is forgotten, and no plain run pays."""
    two_of_their_own(nights)
    held = nights.run(rerun_changed=True, max_cost_usd="0.08")
    assert (held.exit_code, held.ledger["posts"], held.states) == (3, 0, ["done", "done"])
    assert [len(line["files"]) for line in held.results.values()] == [1, 1]
    assert nights.run().ledger["posts"] == 0


def test_a_fetch_that_is_cut_off_is_not_paid(nights):
    """The job was once paid for itself, then shared; its files are fetched again, by as many runs as it takes."""
    two_of_their_own(nights)
    nights.run(rerun_changed=True)
    empty(nights)

    async def leave_soon(control):
        await asyncio.sleep(0.01)
        control.stop()
        control.stop()

    stopped = nights.run({"on": "result", "kind": "slow", "seconds": 5}, beside=leave_soon)
    assert stopped.ledger["posts"] == 0
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 0, ["done"] * 2)
    assert files(nights) == {"a.png", "b.png"}


def test_what_is_lost_of_a_shared_request_is_told_and_not_paid(nights):
    """The output is gone at the service too, by all one knows; it is looked for again for nothing."""
    nights.write({"id": "a", **SAME})
    nights.run()
    nights.write({"id": "b", **SAME})
    assert nights.run().results["b"]["shared_from"] == "a"
    empty(nights)
    gone = nights.run(LOST)
    assert (gone.ledger["posts"], gone.results["b"]["state"], gone.exit_code) == (0, "output_lost", 1)
    morning = nights.run(LOST)
    assert (morning.ledger["posts"], morning.exit_code) == (0, 1)
    nights.repair("a", "b")
    assert files(nights) == {"a.png", "b.png"}
    assert nights.run().exit_code == 0


def test_a_renamed_job_whose_output_is_lost_is_not_paid_again(nights):
    """By no run, until somebody asks for it in so many words; it may be had for nothing."""
    nights.write({"id": "a", **SAME})
    assert nights.run(LOST).states == ["output_lost"]
    nights.write({"id": "b", **SAME})
    for _ in range(3):
        morning = nights.run()
        assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["state"]) == (1, 0, "failed")
    nights.repair("a")
    mended = nights.run()
    assert (mended.exit_code, mended.ledger["posts"], mended.results["b"]["shared_from"]) == (0, 0, "a")


def test_one_that_is_lost_is_paid_again_by_its_own_word(nights):
    nights.write({"id": "a", **SAME})
    nights.run(LOST)
    nights.write({"id": "b", **SAME})
    nights.run()
    morning = nights.run(retry=("failed",))
    assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["state"]) == (0, 1, "done")


def test_a_renamed_job_without_its_files_fetches_them(nights):
    """The newcomer asks for them itself: the old name is gone."""
    nights.write({"id": "a", **SAME})
    nights.run()
    nights.write({"id": "b", **SAME})
    empty(nights)
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["state"]) == (0, 0, "done")
    assert files(nights) == {"b.png"}


def test_a_renamed_job_that_had_failed_is_sent_at_once(nights):
    """By the first run as by the second: a failure is nobody's who is not in the manifest."""
    nights.write({"id": "a", **SAME})
    assert nights.run({"on": "job", "kind": "fail"}).states == ["failed"]
    nights.write({"id": "b", **SAME})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["state"]) == (0, 1, "done")


@pytest.mark.parametrize("is_renamed", [True, False])
def test_what_was_given_up_in_doubt_is_nobodys_to_send_again(nights, is_renamed):
    """It may be paid: neither its twin nor a new name pays for it once more, but by its own word."""
    names = ["a"] if is_renamed else ["a", "b"]
    nights.write(*({"id": name, **SAME} for name in names))
    assert nights.run(CUT_OFF).results["a"]["state"] == "in_doubt"
    nights.settle(write_off=["a"])
    nights.write({"id": "b", **SAME})
    for choices in ({}, {}, {"retry": ("failed",)}):
        [entry, _] = nights.plan(**choices, simulate=False).entries
        assert "which was given up while in doubt and may be paid; --retry written_off" in entry.reason
        morning = nights.run(**choices)
        assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["state"]) == (1, 0, "failed")
    [told] = export(nights.out, Wishes(rerun=nights.out / "again.jsonl"))
    assert "a manifest of 0 jobs; 1 job left out: paid, or perhaps" in told
    asked = nights.run(retry=("written_off",))
    assert (asked.exit_code, asked.ledger["posts"], asked.results["b"]["state"]) == (0, 1, "done")
    assert nights.accepted == 2


@pytest.mark.parametrize("ends", [(1, 0), (1, 2, 0)])
def test_pictures_that_change_places_are_each_what_their_rows_say(nights, ends):
    """Where jobs take over one another's requests, nobody counts on a picture that makes room itself."""
    prompts = [f"Take {n}." for n in range(len(ends))]
    nights.write(*({"id": f"{n}", "prompt": prompt} for n, prompt in enumerate(prompts)))
    nights.run()
    nights.write(*({"id": f"{n}", "prompt": prompts[end]} for n, end in enumerate(ends)))
    plan = nights.plan(rerun_changed=True)
    morning = nights.run(rerun_changed=True)
    assert (morning.exit_code, morning.ledger["posts"], plan.submits) == (0, len(ends), len(ends))
    assert [line["inputs"]["prompt"] for line in morning.results.values()] == [prompts[end] for end in ends]
    assert [line["shared_from"] for line in morning.results.values() if "shared_from" in line] == []
    again = nights.run(rerun_changed=True)
    assert (again.exit_code, again.ledger["posts"]) == (0, 0)


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_picture_in_front_of_all_others(nights, order):
    """Every row moves by one: each is paid for as it is now, and the last, which is new, too."""
    nights.write(*({"id": f"{n}", "prompt": f"Take {n}."} for n in (1, 2, 3)))
    nights.run()
    nights.write(*[{"id": f"{n}", "prompt": f"Take {n - 1}."} for n in (1, 2, 3, 4)][::order])
    morning = nights.run(rerun_changed=True)
    assert (morning.exit_code, set(morning.states)) == (0, {"done"})
    assert {job_id: line["inputs"]["prompt"] for job_id, line in morning.results.items()} == {
        f"{n}": f"Take {n - 1}." for n in (1, 2, 3, 4)
    }
    assert morning.ledger["posts"] == 4
    assert nights.run(rerun_changed=True).ledger["posts"] == 0


@pytest.mark.parametrize("of_x", [(), ({"id": "x", **OTHER},)])
def test_who_asks_for_what_an_earlier_version_left_behind_is_not_paid(nights, of_x):
    """Its POST may have left, though the state does not tell: it is in doubt before anything is sent."""
    nights.write({"id": "x", **SAME})
    nights.run({"on": "submit", "kind": "status", "status": 402})
    with Store(nights.out) as store:
        job = store.record_now(store.job("x"), Resumed(at=1.0))
        store.record_now(job, SubmitIntended(at=2.0, payload_sha256="p", reserved=None))
        store._writer.write_now([("UPDATE jobs SET state = 'pending' WHERE job_id = 'x'", ())])
    nights.write(*of_x, {"id": "b", **SAME})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (1, 0)
    with Store(nights.out) as store:
        states = {name: str(store.job(name).state) for name in ("x", "b")}
    assert states == {"x": "in_doubt", "b": "failed"}  # with the doubt that it shares


@pytest.mark.parametrize("picture", [{}, {"image_urls": ["mug.png"]}])
@pytest.mark.parametrize("is_at_once", [False, True])
def test_what_was_given_up_in_doubt_stays_so_when_its_entry_asks_for_something_else(
    nights, tmp_path, is_at_once, picture
):
    """Whoever asks for it now waits for the word that pays for it again; also of a photo of this machine."""
    Image.new("RGB", (64, 64), "red").save(tmp_path / "mug.png")
    nights.write({"id": "b", **SAME, **picture})
    nights.run(CUT_OFF)
    nights.settle(write_off=["b"])
    nights.write({"id": "a", **SAME, **picture}, {"id": "b", **OTHER, **picture})
    if not is_at_once:
        nights.run(rerun_changed=True, only="b")
    evening = nights.run(rerun_changed=True)
    assert (evening.exit_code, evening.ledger["posts"]) == (1, int(is_at_once))
    again = [nights.run(), nights.run(retry=("failed",))]
    assert [(night.exit_code, night.ledger["posts"]) for night in again] == [(1, 0), (1, 0)]
    paid = nights.run(retry=("written_off",))
    assert (paid.exit_code, paid.ledger["posts"], paid.states) == (0, 1, ["done", "done"])
    assert nights.run().ledger["posts"] == 0


def test_two_that_failed_with_another_do_not_wait_for_each_other(nights):
    """The one whose request they shared asks for something else by now: one of them is sent, for both."""
    nights.write(*({"id": name, **SAME} for name in "abc"))
    assert nights.run(FAILS_ONCE).states == ["failed"] * 3
    nights.write({"id": "a", **OTHER}, {"id": "b", **SAME}, {"id": "c", **SAME})
    assert nights.run(retry=("failed",), only="a").states == ["done", "failed", "failed"]
    mended = nights.run(retry=("failed",))
    assert (mended.exit_code, mended.ledger["posts"], mended.states) == (0, 1, ["done"] * 3)


def test_two_that_failed_by_themselves_do_not_wait_for_each_other(nights):
    """Each was sent before, for something else; what they share now failed under a third one's name."""
    nights.write({"id": "a", **SAME}, {"id": "b", **OTHER}, {"id": "c", "prompt": "Oak."})
    nights.run()
    nights.write(*({"id": name, "prompt": "Snow."} for name in "abc"))
    assert nights.run(FAILS_ONCE, rerun_changed=True, only="a").states == ["failed", "done", "done"]
    nights.write({"id": "a", **SAME}, {"id": "b", "prompt": "Snow."}, {"id": "c", "prompt": "Snow."})
    mended = nights.run(retry=("failed",), rerun_changed=True)
    assert (mended.exit_code, mended.ledger["posts"], mended.states) == (0, 2, ["done"] * 3)


@pytest.mark.parametrize("is_known", [True, False])
def test_who_stands_before_the_one_that_failed_is_served_by_the_same_retry(nights, is_known):
    """One request, whoever of them it is sent for."""
    nights.write({"id": "a", **SAME})
    nights.run(FAILS_ONCE)
    nights.write({"id": "b", **SAME}, {"id": "a", **SAME})
    if is_known:
        assert nights.run().states == ["failed", "failed"]
    assert nights.plan(retry=("failed",)).submits == 1
    mended = nights.run(retry=("failed",))
    assert (mended.exit_code, mended.ledger["posts"], mended.states) == (0, 1, ["done", "done"])
    assert mended.results["a"]["shared_from"] == "b"
    assert nights.run(retry=("failed",)).ledger["posts"] == 0


def test_one_that_failed_with_another_is_sent_where_it_alone_is_asked_for(nights):
    """The other one may have its picture later."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    nights.run(FAILS_ONCE)
    alone = nights.run(retry=("failed",), only="b")
    assert (alone.exit_code, alone.ledger["posts"], alone.states) == (0, 1, ["failed", "done"])
    rest = nights.run(retry=("failed",))
    assert (rest.exit_code, rest.ledger["posts"], rest.results["a"]["shared_from"]) == (0, 0, "b")


def test_what_was_given_up_in_doubt_is_sent_for_another_only_by_its_own_word(nights):
    """Also where only the other one is chosen, and where both were sent before."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    nights.run(CUT_OFF)
    nights.settle(write_off=["a"])
    assert nights.run(retry=("failed",), only="b").ledger["posts"] == 0
    paid = nights.run(retry=("failed", "written_off"), only="b")
    assert (paid.exit_code, paid.ledger["posts"], paid.results["b"]["state"]) == (0, 1, "done")
    rest = nights.run(retry=("written_off",))
    assert (rest.exit_code, rest.ledger["posts"], rest.results["a"]["shared_from"]) == (0, 0, "b")


def test_what_was_given_up_in_doubt_is_sent_once_for_all_who_ask_for_it(nights):
    """Whoever comes first in the manifest."""
    nights.write({"id": "a", **SAME})
    nights.run(CUT_OFF)
    nights.settle(write_off=["a"])
    nights.write({"id": "b", **SAME}, {"id": "a", **SAME})
    assert nights.run(retry=("failed",)).ledger["posts"] == 0
    paid = nights.run(retry=("written_off",))
    assert (paid.exit_code, paid.ledger["posts"], paid.states) == (0, 1, ["done", "done"])
