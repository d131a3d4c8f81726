"""What a person asks for, and what is paid for it: nothing goes ahead of the POST that it stands for."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from support.night import Heard

from runner.batch import Control, Options, doubts, load, running, settle_doubts, verify
from runner.batch.planner import make_plan
from runner.cli import inspect
from runner.errors import UsageProblem
from runner.model import Money, Price
from runner.store.reader import Reader

LOST = {"on": "submit", "kind": "fin_after"}


def entries(*prompts):
    """Manifest entries with these prompts."""
    return [{"id": f"job-{n}", "prompt": prompt} for n, prompt in enumerate(prompts)]


# ------------------------------------------------------------------------------------------------------ the exit code


@pytest.mark.parametrize("choice", [{"only": "job-1"}, {"only": "job-1", "limit": 1}, {"sample": 2}, {}])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_doubt_is_never_a_night_that_went_well(night, choice, is_gone):
    """Whoever was chosen, and though its entry left the manifest: it may be paid for, and the exit code says so."""
    nights = night(jobs=2)
    assert nights.run(LOST, only="job-0").exit_code == 1
    if is_gone:
        nights.write({"id": "job-1", "prompt": "White, take 1."})
    morning = nights.run(**choice)
    assert morning.exit_code == 1
    assert (morning.results["job-0"]["state"], morning.results["job-1"]["state"]) == ("in_doubt", "done")
    assert morning.summary["stopped_because"] is None


def test_a_request_that_is_still_open_is_no_night_that_went_well(night):
    """Its entry left the manifest; the run follows it, and the next one goes on."""
    nights = night(jobs=2, slots=2)
    assert nights.run({"on": "job", "kind": "stall"}, only="job-0", job_timeout="10m").exit_code == 75
    nights.write({"id": "job-1", "prompt": "White, take 1."})
    morning = nights.run(job_timeout="10m")
    assert morning.exit_code == 75
    assert (morning.results["job-0"]["state"], morning.results["job-1"]["state"]) == ("submitted", "done")


# -------------------------------------------------------------------------------------- nothing goes ahead of its POST


def jobs_of(nights):
    """Everything that the state knows of the jobs, but where they stand in the manifest."""
    with Reader(nights.out) as reader:
        return {job.job_id: replace(job, spec=replace(job.spec, row={}, source="")) for job in reader.jobs()}


def kinds_of(nights, job_id):
    """The job's events, in order."""
    with closing(sqlite3.connect(nights.out / "state.db")) as db:
        return [kind for (kind,) in db.execute("SELECT kind FROM events WHERE job_id = ? ORDER BY seq", [job_id])]


def in_doubt(nights):
    nights.run(LOST)
    return {"in_doubt": "resubmit", "max_cost_usd": "5"}


def done_and_edited(nights):
    nights.run()
    nights.write(*entries("Black, take 0.", "Black, take 1."))
    return {"rerun_changed": True}


def failed(nights):
    nights.run({"on": "job", "kind": "fail"})
    return {"retry": ("failed",)}


def lost(nights):
    nights.run({"on": "file", "kind": "status", "status": 404})
    return {"retry": ("output_lost",)}


def rejected_and_mended(nights):
    nights.run({"on": "submit", "kind": "error_in_200", "error_code": 422001})
    nights.write(*entries("Black, take 0.", "Black, take 1."))
    return {}


OPENINGS = {
    in_doubt: "DoubtReleased",
    done_and_edited: "SpecChanged",
    failed: "RetryRequested",
    lost: "RetryRequested",
    rejected_and_mended: "SpecChanged",
}


@pytest.mark.parametrize("situation", OPENINGS)
def test_what_a_limit_holds_back_stays_as_it_was(night, situation):
    """A doubt stays a doubt, what is done keeps its files, what failed can be looked at; a plain run pays nothing."""
    nights = night(jobs=2)
    choice = situation(nights)
    before, accepted = jobs_of(nights), nights.accepted
    assert nights.run(**choice | {"max_cost_usd": "0.02"}).exit_code == 3
    assert jobs_of(nights) == before
    assert nights.run(only="job-1", **choice | {"max_cost_usd": "0.02"}).exit_code == 3
    assert jobs_of(nights) == before
    assert nights.accepted == accepted
    if situation is lost:
        assert [str(job.state) for job in nights.repair("job-0", "job-1")] == ["done"] * 2
    unpaid = 2 if situation is rejected_and_mended else 0
    assert nights.run().ledger["accepted"] == accepted + unpaid


@pytest.mark.parametrize("situation", OPENINGS)
def test_what_cannot_be_sent_stays_as_it_was(night, situation):
    """The service is away when the first POST would leave, and somebody stops the run: nothing has happened."""
    nights = night(jobs=2)
    choice = situation(nights)
    before, accepted = jobs_of(nights), nights.accepted

    async def go_away(control):
        nights.world.is_up = lambda now: control._scheduler is None
        await asyncio.sleep(100.0)
        nights.world.is_up = lambda now: True
        control.stop()

    assert nights.run(beside=go_away, **choice).exit_code == 130
    assert jobs_of(nights) == before
    assert nights.accepted == accepted


REFUSED = {
    "no balance": {"on": "submit", "kind": "error_in_200", "error_code": 400002},
    "throttled": {"on": "submit", "kind": "throttle", "retry_after": "30"},
}


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("situation", [done_and_edited, failed, lost])
def test_what_is_refused_stays_as_it_was(night, situation, fault):
    """The POST left and was not taken: the picture is still the job's, and a plain run pays nothing."""
    nights = night(jobs=2)
    choice = situation(nights)
    before, accepted = jobs_of(nights), nights.accepted

    async def stop(control):
        await asyncio.sleep(40.0)
        control.stop()

    assert nights.run(fault, beside=stop, **choice).exit_code in (77, 130)
    after = jobs_of(nights)
    assert {job_id: replace(job, attempts=before[job_id].attempts) for job_id, job in after.items()} == before
    refused = [attempt for job in after.values() for attempt in job.attempts if not attempt.may_be_paid]
    assert refused
    assert nights.accepted == accepted
    assert nights.run().ledger["accepted"] == accepted
    morning = nights.run(**choice)
    assert (morning.exit_code, morning.states) == (0, ["done"] * 2)
    assert nights.accepted == accepted + 2


@pytest.mark.parametrize("situation", OPENINGS)
def test_what_a_person_decided_is_written_with_the_intent_to_pay(night, situation):
    """One after the other, in one transaction; then it is done, and paid for once more."""
    nights = night(jobs=2)
    choice = situation(nights)
    accepted, events = nights.accepted, len(kinds_of(nights, "job-0"))
    morning = nights.run(**choice)
    assert (morning.exit_code, morning.states) == (0, ["done"] * 2)
    assert morning.ledger["accepted"] == accepted + 2
    assert kinds_of(nights, "job-0")[events : events + 2] == [OPENINGS[situation], "SubmitIntended"]


def test_a_limit_in_the_middle_opens_only_what_it_pays_for(night):
    """Of four doubts that may be sent again, the limit pays for one; the others stay in doubt, set aside."""
    nights = night(jobs=4)
    nights.run(LOST)
    morning = nights.run(in_doubt="resubmit", max_cost_usd=str(5 * 0.039), concurrency=1)
    assert morning.exit_code == 3
    assert morning.states == ["done", "in_doubt", "in_doubt", "in_doubt"]
    assert morning.summary["cost_usd"]["reserved_in_doubt"] == pytest.approx(3 * 0.039)
    assert nights.accepted == 5


def test_what_was_given_up_and_edited_waits_for_a_word_and_says_which(night):
    """To run the same command again would change nothing: 1, not 75 for ever; with the word it is sent as it is now."""
    nights = night(jobs=2)
    nights.run(LOST, only="job-0")
    asyncio.run(settle_doubts(nights.out, Options(), resubmit=["job-0"]))
    nights.write(*entries("Black, take 0.", "White, take 1."))
    plan = make_plan(load(nights.manifest), nights.out, Options(), {})
    assert [(entry.job_id, entry.will_submit) for entry in plan.entries] == [("job-0", False), ("job-1", True)]
    assert next(plan.entries).reason == (
        "prompt changed since it was paid for, or may have been; --rerun-changed sends it as it is now"
    )
    heard = Heard()
    morning = nights.run(control=Control(note=heard.note))
    assert (morning.exit_code, morning.states) == (1, ["pending", "done"])
    assert heard.lines == ["1 entry changed, kept as sent before: --rerun-changed pays for what the manifest says now"]
    assert nights.run(retry=("failed", "pending")).states == ["pending", "done"]
    morning = nights.run(rerun_changed=True)
    assert (morning.exit_code, morning.states) == (0, ["done", "done"])
    assert morning.results["job-0"]["inputs"]["prompt"] == "Black, take 0."
    assert nights.accepted == 3


# ---------------------------------------------------------------------------------------------- a file that is gone


def test_a_file_that_is_gone_takes_no_other_with_it(night):
    """Only what is missing is fetched again; where it cannot be had, the rest stays recorded, to be mended later."""
    nights = night(jobs=1)
    nights.write({"id": "mug", "prompt": "White.", "num_images": 2})
    files = nights.run().results["mug"]["files"]
    (nights.out / "images" / "mug-1.png").unlink()
    (nights.out / "images" / "mug-2.png").touch()
    gone = {"on": "file", "kind": "status", "status": 404}
    morning = nights.run(gone)
    assert morning.results["mug"]["state"] == "output_lost"
    assert morning.results["mug"]["files"] == files[1:]
    [mended] = nights.repair("mug")
    assert [artifact.path for artifact in mended.artifacts] == [file["path"] for file in files]
    assert mended.artifacts[1].sha256 == files[1]["sha256"]
    spoilt = nights.out / mended.artifacts[0].path
    spoilt.write_bytes(spoilt.read_bytes()[:-1] + b"x")
    [again] = nights.repair("mug")
    assert (str(again.state), again.artifacts[1]) == ("done", mended.artifacts[1])
    assert verify(nights.out) == {}
    assert nights.accepted == 1


# ---------------------------------------------------------------------------------------------- what was given up


def test_what_was_given_up_in_doubt_is_not_paid_again_with_what_failed(night):
    """It may be paid for already; its own word pays again, and what is found after all is collected for nothing."""
    nights = night(jobs=3)
    nights.run({"on": "submit", "kind": "truncated_json", "times": 2}, concurrency=1)
    one, other = doubts(nights.out)
    settled = nights.settle(write_off=[one.job_id, other.job_id])
    assert [job.is_written_off for job in settled] == [True, True]
    accepted = nights.accepted
    morning = nights.run(retry=("failed",))
    assert (morning.exit_code, nights.accepted) == (1, accepted)
    request_id = re.search(r"named the request id (\w+)", one.failure.message)[1]
    with pytest.raises(UsageProblem, match="is not in doubt"):
        nights.settle(resubmit=[one.job_id])
    assert [str(job.state) for job in nights.settle(attach={one.job_id: request_id})] == ["submitted"]
    morning = nights.run()
    assert morning.results[one.job_id]["state"] == "done"
    assert nights.accepted == accepted
    assert nights.run(retry=("written_off",)).states == ["done"] * 3
    assert nights.accepted == accepted + 1


# ------------------------------------------------------------------------------------------------------------ the cap


def test_what_an_earlier_run_left_has_its_slot_before_anything_is_sent(night):
    """It may still run at the service: no POST goes ahead of the first look at it."""
    nights = night(jobs=4, latency_s=3600.0)
    assert nights.run(limit=2, concurrency=2, job_timeout="10m").states.count("submitted") == 2
    morning = nights.run(concurrency=2, job_timeout="9h")
    assert morning.states == ["done"] * 4
    assert morning.ledger["peak_in_flight"] == 2


# ------------------------------------------------------------------------------------------------ a price nobody knows


def test_a_limit_waits_for_the_costs_that_nobody_knew(night, monkeypatch):
    """A request of unknown price is followed first; once its cost is known, the limit can be kept."""
    nights = night(jobs=3)
    with unpriced(monkeypatch):
        assert nights.run({"on": "job", "kind": "stall"}, only="job-0", job_timeout="10m").exit_code == 75
    morning = nights.run(max_cost_usd="5", job_timeout="10m")
    assert (morning.exit_code, morning.states) == (3, ["submitted", "pending", "pending"])
    assert "1 request of unknown price may be paid, also where given up: --max-cost cannot be kept" in morning.said
    nights.unstall()
    morning = nights.run(max_cost_usd="5")
    assert (morning.exit_code, morning.states) == (0, ["done"] * 3)


def test_a_doubt_of_unknown_price_holds_a_limited_run(night, monkeypatch):
    """It may have cost anything, also once it is written off; without a limit it is a person's own risk."""
    nights = night(jobs=2)
    with unpriced(monkeypatch):
        nights.run(LOST, only="job-0")
    morning = nights.run(max_cost_usd="5")
    assert (morning.exit_code, morning.states) == (3, ["in_doubt", "pending"])
    nights.settle(write_off=["job-0"])
    morning = nights.run(max_cost_usd="5")
    assert (morning.exit_code, morning.states) == (3, ["failed", "pending"])
    assert "attach what can be found (`doubts --attach`), or give --limit N with --yes" in morning.said
    assert nights.run().states == ["failed", "done"]


def test_a_job_that_costs_too_much_keeps_no_cheaper_one_back(night):
    """It is passed over and told; the next night asks about it again."""
    nights = night()
    dear, *cheap = entries("White, take 0.", "White, take 1.", "White, take 2.")
    nights.write(dear | {"num_images": 4}, *cheap)
    morning = nights.run(max_cost_usd="0.10")
    assert (morning.exit_code, morning.states) == (3, ["pending", "done", "done"])
    assert morning.said == "--max-cost 0.1 USD leaves out 1 job that costs more than is left: 0.078 USD spent"
    again = nights.run(max_cost_usd="0.20")
    assert (again.exit_code, again.ledger["posts"]) == (3, 0)
    assert nights.run(max_cost_usd="0.24").states == ["done"] * 3


def test_a_limit_and_the_summary_say_the_same_of_what_is_spent(night):
    """What is certain, and what may be: a doubt that was sent again may have been paid as well."""
    nights = night(jobs=3)
    nights.run({"on": "submit", "kind": "reset_after", "times": 1}, concurrency=1, limit=1)
    nights.settle(resubmit=["job-0"])
    morning = nights.run(max_cost_usd="0.1", concurrency=1)
    assert (morning.exit_code, morning.states) == (3, ["done", "pending", "pending"])
    assert morning.said == (
        "--max-cost 0.1 USD allows no further job: 0.039 USD spent, "
        "0.039 USD that may be: requests whose cost the service has not named"
    )
    assert morning.summary["cost_usd"] == {"spent": 0.039, "reserved_in_doubt": 0.0, "unknown_jobs": 1}


def test_a_limit_does_not_lie_about_doubts(night):
    """What is set aside is for requests that are open as well."""
    morning = night(jobs=3).run({"on": "job", "kind": "stall"}, max_cost_usd="0.08", job_timeout="10m")
    assert (morning.exit_code, morning.states) == (3, ["submitted", "submitted", "pending"])
    assert "0 USD spent, 0.078 USD set aside for requests that are open or in doubt" in morning.said


def test_a_limit_learns_from_a_bill_above_the_price(night, monkeypatch):
    """The card is too cheap by four: what was in flight at the first such bill is the most that is paid too much."""
    nights = night(jobs=8)
    too_cheap(monkeypatch)
    morning = nights.run(max_cost_usd="0.2")
    assert (morning.exit_code, morning.states.count("done")) == (3, 5)
    assert "a bill was 4 times its price, and the next may be" in morning.said
    again = nights.run(max_cost_usd="0.2")
    assert (again.exit_code, again.ledger["posts"]) == (3, 0)


def too_cheap(monkeypatch):
    """The card states a quarter of what is billed."""
    live_cards = running.live_cards

    async def cards(*arguments):
        found = await live_cards(*arguments)
        return {model: replace(card, price=replace(card.price, amount=Money(9_750))) for model, card in found.items()}

    monkeypatch.setattr(running, "live_cards", cards)


@contextmanager
def unpriced(monkeypatch):
    """A service that does not state its price."""
    with monkeypatch.context() as patch:
        patch.setattr(running, "live_cards", without_prices(running.live_cards))
        yield


def without_prices(live_cards):
    async def cards(*arguments):
        found = await live_cards(*arguments)
        return {model: replace(card, price=Price(amount=None)) for model, card in found.items()}

    return cards


def test_a_run_says_how_many_edited_entries_it_keeps(night):
    """And how to pay for them; nothing of it where there are none."""
    nights = night(jobs=3)
    quiet, heard = Heard(), Heard()
    nights.run(control=Control(note=quiet.note))
    nights.write(*entries("Black, take 0.", "Black, take 1.", "White, take 2."))
    morning = nights.run(control=Control(note=heard.note))
    assert (morning.exit_code, nights.accepted, quiet.lines) == (0, 3, [])
    assert heard.lines == [
        "2 entries changed, kept as sent before: --rerun-changed pays for what the manifest says now"
    ]


def test_verify_tells_of_what_is_paid_and_not_collected(night, capsys):
    """Not every file that was paid for is here: 1, and what fetches the rest."""
    nights = night(jobs=2)
    nights.run({"on": "job", "kind": "stall", "every": 2}, job_timeout="10m")
    [(job_id, [failure])] = verify(nights.out).items()
    assert failure.code == "not_fetched"
    assert inspect.verify.main([str(nights.out)], standalone_mode=False) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{job_id}: {failure.message}",
        "1 job not fetched yet: verify --repair and the same run command collect what is paid for",
    ]


def test_a_clock_that_was_ahead_buys_no_time(night):
    """A killed run's end that lies further ahead than `--max-duration` is no end of this one."""
    nights = night(jobs=2, slots=1, latency_s=60.0)
    nights.run(max_duration="30s", concurrency=1)
    with closing(sqlite3.connect(nights.out / "state.db")) as state:
        state.execute("UPDATE runs SET ends_at = ends_at + 86400, finished_at = NULL")
        state.commit()
    morning = nights.run(max_duration="30s", concurrency=1)
    assert (morning.exit_code, round(morning.seconds)) == (3, 30)


def test_a_chosen_job_that_is_not_done_is_never_zero(night):
    """The same command again says the same, although there is nothing left for it to do."""
    nights = night(jobs=2)
    fails = {"on": "job", "kind": "fail", "every": 1, "times": 1}
    for choice in ({"only": "job-0"}, {"only": "job-0"}, {"limit": 1}):
        assert nights.run(fails, concurrency=1, **choice).exit_code == 1, choice
    assert nights.run(only="job-1").exit_code == 0
