"""New, resume, done, changed, gone; and the price."""

from dataclasses import replace

import pytest

from runner.model import Attempt, AttemptState, Failure, FailureKind, Job, JobSpec, JobState, Money, Price
from runner.rules.planning import Change, Choices, PlanEntry, Twin, best_twin, gone_entry, plan_entry, price_of

PRICE = Price(amount=Money(39_000), unit="output")
S = JobState


def spec(prompt="white", model="m", **more):
    inputs = {"prompt": prompt, **more}
    return JobSpec(job_id="a", model=model, inputs=inputs, fingerprint=f"{model}{prompt}{more}")


def job(state, *, known=None, failure=None):
    tried = state is not S.PENDING
    attempts = (
        (Attempt(number=1, state=AttemptState.ACCEPTED, payload_sha256="", intended_at=0.0, request_id="r1"),)
        if tried
        else ()
    )
    return Job(spec=known or spec(), state=state, attempts=attempts, failure=failure)


FAILED = Failure(kind=FailureKind.REMOTE, code="content_policy", message="refused")


@pytest.mark.parametrize(
    ("known", "choices", "change", "submits"),
    [
        (None, Choices(), Change.NEW, True),
        (job(S.PENDING), Choices(), Change.NEW, True),
        (job(S.HELD), Choices(), Change.NEW, True),
        (job(S.SUBMITTING), Choices(), Change.IN_DOUBT, False),
        (job(S.IN_DOUBT), Choices(), Change.IN_DOUBT, False),
        (job(S.IN_DOUBT), Choices(retry=frozenset({"failed"})), Change.IN_DOUBT, False),
        (job(S.SUBMITTED), Choices(), Change.RESUME, False),
        (job(S.RESULT_KNOWN), Choices(), Change.RESUME, False),
        (job(S.DONE), Choices(), Change.DONE, False),
        (job(S.DONE), Choices(retry=frozenset({"failed"})), Change.DONE, False),
        (job(S.FAILED, failure=FAILED), Choices(), Change.FAILED, False),
        (job(S.FAILED), Choices(), Change.FAILED, False),
        (job(S.FAILED, failure=FAILED), Choices(retry=frozenset({"failed"})), Change.RETRY, True),
        (job(S.FAILED, failure=FAILED), Choices(retry=frozenset({"remote"})), Change.RETRY, True),
        (job(S.FAILED, failure=FAILED), Choices(retry=frozenset({"content_policy"})), Change.RETRY, True),
        (job(S.FAILED, failure=FAILED), Choices(retry=frozenset({"input"})), Change.FAILED, False),
        (job(S.REJECTED, failure=FAILED), Choices(retry=frozenset({"rejected"})), Change.RETRY, True),
    ],
)
def test_the_state_decides_what_is_paid(known, choices, change, submits):
    """Only what was never taken, or what a person asks for again, is submitted."""
    entry = plan_entry(spec(), known, PRICE, choices)
    assert (entry.change, entry.will_submit, entry.price) == (change, submits, PRICE.amount if submits else None)
    assert entry.reason


@pytest.mark.parametrize(
    ("state", "rerun", "submits"),
    [(S.DONE, False, False), (S.DONE, True, True), (S.SUBMITTED, True, False), (S.IN_DOUBT, True, False)],
)
def test_an_edited_entry_is_paid_again_only_when_asked(state, rerun, submits):
    """And never while the request before is still open."""
    entry = plan_entry(spec("black"), job(state), PRICE, Choices(rerun_changed=rerun))
    assert (entry.change, entry.will_submit) == (Change.CHANGED, submits)
    assert entry.reason.startswith("prompt changed")


def test_what_a_review_rejected_is_paid_again():
    """As it was sent, or as it is now; a job that it does not name stays."""
    redo = Choices(redo=frozenset({job(S.DONE).job_id}))
    entry = plan_entry(spec(), job(S.DONE), PRICE, redo)
    assert (entry.change, entry.will_submit, entry.price) == (Change.RETRY, True, PRICE.amount)
    entry = plan_entry(spec("black"), job(S.DONE), PRICE, redo)
    assert (entry.change, entry.will_submit) == (Change.CHANGED, True)
    assert entry.reason == "rejected in the review, prompt changed: paid again"
    assert not plan_entry(spec(), job(S.DONE), PRICE, Choices(redo=frozenset({"lamp"}))).will_submit


def test_an_entry_that_was_never_sent_may_change_freely():
    """There is nothing to pay again."""
    assert plan_entry(spec("black"), job(S.PENDING), PRICE, Choices()).change is Change.NEW


def test_a_changed_model_is_named():
    """The reason says what changed."""
    assert plan_entry(spec(model="n"), job(S.DONE), PRICE, Choices()).reason.startswith("model changed")


def test_a_job_that_left_the_manifest_is_gone():
    """It is reported; nothing is submitted for it."""
    assert gone_entry(job(S.DONE)) == PlanEntry(
        job_id="a", change=Change.GONE, will_submit=False, price=None, reason="no longer in the manifest (done)"
    )


@pytest.mark.parametrize(
    ("price", "inputs", "expected"),
    [
        (PRICE, {}, 39_000),
        (PRICE, {"num_images": 4}, 156_000),
        (PRICE, {"num_images": "4"}, None),
        (PRICE, {"num_images": 0}, None),
        (PRICE, {"num_images": True}, None),
        (PRICE, {"num_outputs": 3}, 117_000),
        (PRICE, {"batch_size": 2, "n": 2}, 156_000),
        (replace(PRICE, counts=(("num_images", 4),)), {}, 156_000),
        (replace(PRICE, counts=(("num_images", 4),)), {"num_images": 2}, 78_000),
        (replace(PRICE, is_countable=False), {}, None),
        (Price(amount=Money(10), unit="request", is_countable=False), {"num_images": 4}, 10),
        (Price(amount=Money(10), unit="request"), {"num_images": 4}, 10),
        (Price(amount=Money(10), unit="second"), {"duration": 5}, None),
        (Price(amount=None), {}, None),
    ],
)
def test_the_price_is_known_or_unknown_never_zero(price, inputs, expected):
    """Per output where the card says so; by the second nobody knows beforehand."""
    assert price_of(price, inputs) == expected


@pytest.mark.parametrize("prompt", ["white", "black"])
@pytest.mark.parametrize("state", [S.PENDING, S.HELD, S.FAILED])
def test_an_open_intent_is_a_doubt_whatever_the_state_says(prompt, state):
    """Nothing is sent for it, changed or not, and however much is asked for."""
    attempt = Attempt(number=1, state=AttemptState.INTENT, payload_sha256="", intended_at=0.0)
    every = Choices(rerun_changed=True, resubmit_doubts=True, retry=frozenset({"failed"}))
    entry = plan_entry(spec(prompt), Job(spec=spec(), state=state, attempts=(attempt,)), PRICE, every)
    assert (entry.change, entry.will_submit) == (Change.IN_DOUBT, False)


def refused(state=S.REJECTED):
    """A job that was sent and never taken."""
    attempt = Attempt(number=1, state=AttemptState.REFUSED, payload_sha256="", intended_at=0.0)
    return Job(spec=spec(), state=state, attempts=(attempt,), failure=FAILED)


@pytest.mark.parametrize(("state", "change"), [(S.REJECTED, Change.CHANGED), (S.HELD, Change.NEW)])
def test_a_mended_entry_that_was_never_taken_goes_out_by_itself(state, change):
    """Nothing was paid, so there is nothing to ask about."""
    entry = plan_entry(spec("black"), refused(state), PRICE, Choices())
    assert (entry.change, entry.will_submit) == (change, True)


def test_a_mended_entry_that_failed_goes_out_with_retry():
    """With what it says now; without, the plan says which flag would pay for it."""
    failed = job(S.FAILED, failure=FAILED)
    entry = plan_entry(spec("black"), failed, PRICE, Choices(retry=frozenset({"failed"})))
    assert (entry.change, entry.will_submit) == (Change.CHANGED, True)
    kept = plan_entry(spec("black"), failed, PRICE, Choices())
    assert not kept.will_submit
    assert "--retry failed pays for it again" in kept.reason


@pytest.mark.parametrize("prompt", ["white", "black"])
@pytest.mark.parametrize("words", [{"failed"}, {"remote"}, {"failed", "rejected", "transient"}, {"written_off"}])
def test_what_was_given_up_in_doubt_is_paid_again_by_its_own_word_alone(prompt, words):
    """It may have been taken: no word for all that failed means it."""
    gave_up = Failure(kind=FailureKind.REMOTE, code="written_off", message="given up while in doubt")
    attempt = Attempt(number=1, state=AttemptState.WRITTEN_OFF, payload_sha256="", intended_at=0.0)
    given_up = Job(spec=spec(), state=S.FAILED, attempts=(attempt,), failure=gave_up)
    entry = plan_entry(spec(prompt), given_up, PRICE, Choices(retry=frozenset(words)))
    assert entry.will_submit == ("written_off" in words)
    if entry.change is Change.RETRY:
        assert "paid twice" in entry.reason
    elif entry.change is Change.CHANGED and not entry.will_submit:
        assert "--retry written_off pays for it again" in entry.reason


@pytest.mark.parametrize("state", [S.PENDING, S.HELD])
@pytest.mark.parametrize("words", [set(), {"failed", "pending", "held"}])
def test_an_edited_entry_whose_request_was_given_up_waits_for_its_own_word(state, words):
    """It may have been paid, and what it says now is another job; only `--rerun-changed` sends it."""
    released = replace(job(S.FAILED).attempts[0], state=AttemptState.RELEASED, request_id=None)
    given_up = replace(job(state), attempts=(released,))
    entry = plan_entry(spec("black"), given_up, PRICE, Choices(retry=frozenset(words)))
    assert (entry.change, entry.will_submit) == (Change.CHANGED, False)
    assert "--rerun-changed sends it as it is now" in entry.reason
    assert plan_entry(spec("black"), given_up, PRICE, Choices(rerun_changed=True)).will_submit
    assert plan_entry(spec(), given_up, PRICE, Choices()) == replace(
        entry, change=Change.NEW, will_submit=True, price=PRICE.amount, reason="sent before, and to be sent again"
    )


def test_doubts_are_in_the_plan_where_they_are_to_be_sent_again():
    """With their price, so that limits and consent reach them."""
    entry = plan_entry(spec(), job(S.IN_DOUBT), PRICE, Choices(resubmit_doubts=True))
    assert (entry.change, entry.will_submit, entry.price) == (Change.IN_DOUBT, True, PRICE.amount)
    assert "paid twice" in entry.reason


@pytest.mark.parametrize("prompt", ["white", "black"])
@pytest.mark.parametrize("state", [S.DONE, S.OUTPUT_LOST])
def test_files_that_may_be_had_are_fetched_and_not_paid(state, prompt):
    """Also of an entry that says something else now."""
    choices = Choices(fetchable=frozenset({"a"}), retry=frozenset({"failed"}))
    entry = plan_entry(spec(prompt), job(state), PRICE, choices)
    assert (entry.change, entry.will_submit) == (Change.RESUME, False)
    assert "free" in entry.reason


def test_what_this_tool_would_not_fetch_is_never_paid_again():
    """The second result would come from the same host."""
    failure = Failure(kind=FailureKind.POLICY, code="host_refused", message="not trusted")
    lost = job(S.OUTPUT_LOST, failure=failure)
    entry = plan_entry(spec(), lost, PRICE, Choices(retry=frozenset({"host_refused", "failed"})))
    assert (entry.change, entry.will_submit) == (Change.FAILED, False)


@pytest.mark.parametrize(
    ("twin", "change", "reason"),
    [
        (Twin(job_id="b", state=S.DONE), Change.SHARED, "the same request as 'b': already paid, and shared"),
        (Twin(job_id="b"), Change.SHARED, "the same request as 'b': sent once, and shared"),
        (Twin(job_id="b", state=S.IN_DOUBT), Change.SHARED, "the same request as 'b', which is in doubt: see doubts"),
        (Twin(job_id="b", state=S.FAILED), Change.FAILED, "the same request as 'b', which is failed"),
        *(
            (
                Twin(job_id="b", state=S.FAILED, is_written_off=True, is_gone=is_gone),
                Change.FAILED,
                (
                    "the same request as 'b', which was given up while in doubt and may be paid; --retry written_off "
                    "pays for it again"
                ),
            )
            for is_gone in (False, True)
        ),
        (
            Twin(job_id="b", state=S.OUTPUT_LOST),
            Change.SHARED,
            "the same request as 'b', which was paid and its output lost: verify --repair looks for it",
        ),
    ],
)
def test_one_request_of_two_jobs_is_paid_once(twin, change, reason):
    """Whatever became of the other, this one makes no POST of its own."""
    entry = plan_entry(spec(), None, PRICE, Choices(), twin)
    assert (entry.change, entry.will_submit, entry.price, entry.reason) == (change, False, None, reason)


def test_the_twin_that_is_nearest_to_its_pictures_is_shared_with():
    """One that the manifest has dropped and nobody paid for is of no use."""
    running, done, new = (
        Twin(job_id="a", state=S.SUBMITTED),
        Twin(job_id="b", state=S.DONE, is_gone=True),
        Twin(job_id="c"),
    )
    assert best_twin([new, running, done]) is done
    assert best_twin([new, running]) is running
    assert best_twin([Twin(job_id="e", state=S.FAILED, is_gone=True)]) is None
    given_up = Twin(job_id="f", state=S.FAILED, is_gone=True, is_written_off=True)
    assert best_twin([Twin(job_id="g", state=S.FAILED), given_up]) is given_up
    assert best_twin([given_up, done]) is done


@pytest.mark.parametrize("is_gone", [True, False])
def test_what_was_given_up_is_paid_again_by_its_word_alone(is_gone):
    """By whoever comes first in the manifest, which says what it may cost."""
    twin = Twin(job_id="b", state=S.FAILED, is_written_off=True, is_gone=is_gone)
    asked = plan_entry(spec(), None, PRICE, Choices(retry=frozenset({"written_off"})), twin)
    assert asked.will_submit
    assert asked.reason == "not submitted yet; if the request of 'b' was taken, it is paid twice"
    failed = plan_entry(spec(), None, PRICE, Choices(retry=frozenset({"failed"})), twin)
    assert not failed.will_submit


def test_what_was_never_sent_goes_out_by_itself():
    """Nothing was paid, so nobody has to ask for it."""
    never = replace(job(S.FAILED, failure=FAILED), attempts=())
    entry = plan_entry(spec(), never, PRICE, Choices())
    assert (entry.change, entry.will_submit) == (Change.RETRY, True)
    assert entry.reason.startswith("never sent: ")


# ------------------------------------------------------------------------------- what came to nothing under another id

LOST = Twin(job_id="b", state=S.OUTPUT_LOST)
GIVEN_UP = Twin(job_id="b", state=S.FAILED, is_written_off=True)
WITH_ANOTHER = replace(FAILED, message="shares the request of 'b', which is failed: refused")


def unsent(state=S.FAILED, failure=WITH_ANOTHER):
    return replace(job(state, failure=failure), attempts=())


def released(known=None):
    attempt = Attempt(number=1, state=AttemptState.RELEASED, payload_sha256="", intended_at=0.0)
    return replace(job(S.PENDING, known=known), attempts=(attempt,))


@pytest.mark.parametrize(
    ("known", "twin", "words", "submits"),
    [
        (job(S.FAILED, failure=FAILED), GIVEN_UP, {"failed"}, False),
        (job(S.FAILED, failure=FAILED), GIVEN_UP, {"written_off"}, True),
        (job(S.OUTPUT_LOST), GIVEN_UP, {"written_off"}, False),
        (unsent(), None, set(), False),
        (unsent(), None, {"failed"}, True),
        (unsent(), Twin(job_id="b"), set(), False),
        (replace(unsent(), spec=spec("black")), None, set(), True),
        (unsent(failure=FAILED), None, set(), True),
        (job(S.FAILED, failure=FAILED), LOST, {"remote"}, True),
        (job(S.FAILED, known=spec("black"), failure=FAILED), LOST, {"remote"}, False),
        (job(S.FAILED, known=spec("black"), failure=FAILED), LOST, {"failed"}, True),
        (job(S.FAILED, failure=FAILED), replace(LOST, is_refused_by_us=True), {"failed"}, False),
        (None, LOST, {"output_lost"}, True),
        (None, LOST, {"remote"}, False),
        (released(), Twin(job_id="b", state=S.FAILED), set(), True),
        (released(), LOST, set(), True),
        (released(), GIVEN_UP, set(), False),
    ],
)
def test_each_word_pays_for_what_it_names(known, twin, words, submits):
    """And for nothing that another job wrote off, lost or would not fetch."""
    entry = plan_entry(spec(), known, PRICE, Choices(retry=frozenset(words)), twin)
    assert (entry.will_submit, entry.price is not None) == (submits, submits)


def test_a_word_for_another_request_does_not_pay_for_what_is_lost():
    """Released as something else, and edited since: nobody asked for this one."""
    entry = plan_entry(spec(), released(spec("black")), PRICE, Choices(rerun_changed=True), LOST)
    assert (entry.change, entry.will_submit) == (Change.SHARED, False)


def test_what_we_would_not_fetch_says_where_to_look():
    entry = plan_entry(spec(), None, PRICE, Choices(), replace(LOST, is_refused_by_us=True))
    assert entry.reason == "the same request as 'b', which was paid and its output not fetched: see there why"
    assert best_twin([LOST, refused := replace(LOST, job_id="c", is_refused_by_us=True)]) is refused
