"""The one table in which states change, and what is decided in each."""

from dataclasses import replace

import pytest

from runner import model
from runner.model import (
    Artifact,
    AttemptState,
    Collect,
    Collected,
    CollectFailed,
    DoubtAttached,
    DoubtReleased,
    DoubtWrittenOff,
    Event,
    Failure,
    FailureKind,
    FilesMissing,
    Finish,
    GiveUp,
    InputSpoilt,
    Job,
    JobSpec,
    JobState,
    Leave,
    Left,
    Money,
    OutputLost,
    Poll,
    ReadFailed,
    ReadResult,
    RedoRequested,
    RemoteCancelled,
    RemoteFailed,
    RemoteState,
    RemoteStatus,
    RequestShared,
    ResultRead,
    Resumed,
    RetryRequested,
    Shared,
    ShareFailed,
    SpecChanged,
    StatusSeen,
    Submit,
    SubmitAccepted,
    SubmitHeld,
    SubmitIntended,
    SubmitLost,
    SubmitNotSent,
    SubmitRejected,
    SubmitThrottled,
    Wait,
)
from runner.rules.lifecycle import (
    NEEDS,
    REFUSALS,
    TRANSITIONS,
    ImpossibleEvent,
    Policies,
    advance,
    decide,
    is_undone_by,
    withdrawn,
)

S = JobState
NOW = 1000.0
PRICE = Money(39_000)
SPEC = JobSpec(job_id="mug", model="m", inputs={"prompt": "white"}, fingerprint="f")
OTHER = JobSpec(job_id="mug", model="m", inputs={"prompt": "black"}, fingerprint="g")
FAILURE = Failure(kind=FailureKind.TRANSIENT, code="network", message="reset")
THROTTLED = Failure(kind=FailureKind.THROTTLED, code="throttled", message="too many requests")
BROKEN = Failure(kind=FailureKind.OUTPUT, code="corrupt", message="does not decode")
RUNNING = RemoteStatus(state=RemoteState.RUNNING, raw="in_progress")
COMPLETED = RemoteStatus(state=RemoteState.COMPLETED, raw="completed")
POLICIES = Policies(job_deadline_s=600.0, missing_patience_s=60.0, max_submits=3, max_downloads=4)


def artifact(index=1, sha="s"):
    return Artifact(
        path=f"images/mug-{index}.png",
        sha256=sha,
        bytes=1,
        width=1,
        height=1,
        format="png",
        source_url="u",
        index=index,
    )


EVENTS: list[Event] = [
    SubmitIntended(at=NOW, payload_sha256="p", reserved=PRICE),
    SubmitAccepted(at=NOW, request_id="r1", look_at=NOW + 2),
    SubmitNotSent(at=NOW, failure=FAILURE, retry_at=NOW + 5),
    SubmitThrottled(at=NOW, failure=FAILURE, retry_at=NOW + 5),
    SubmitRejected(at=NOW, failure=FAILURE),
    SubmitHeld(at=NOW, failure=FAILURE),
    SubmitLost(at=NOW, failure=FAILURE),
    StatusSeen(at=NOW, status=RUNNING, look_at=NOW + 3),
    ReadFailed(at=NOW, failure=FAILURE, retry_at=NOW + 3),
    ResultRead(at=NOW, outputs=("u",), cost=PRICE),
    RemoteFailed(at=NOW, failure=FAILURE, cost=None),
    RemoteCancelled(at=NOW, cost=Money(0)),
    Collected(at=NOW, artifacts=(artifact(),)),
    CollectFailed(at=NOW, artifacts=(), failure=FAILURE, retry_at=NOW + 3),
    OutputLost(at=NOW, failure=BROKEN),
    Left(at=NOW, failure=FAILURE),
    FilesMissing(at=NOW),
    Shared(at=NOW, job_id="jug", request_id="r7", artifacts=(artifact(),)),
    ShareFailed(at=NOW, failure=FAILURE),
    RequestShared(at=NOW, job_id="jug", request_id="r7"),
    InputSpoilt(at=NOW, failure=FAILURE),
    Resumed(at=NOW),
    RetryRequested(at=NOW),
    RedoRequested(at=NOW),
    SpecChanged(at=NOW, spec=OTHER),
    DoubtAttached(at=NOW, request_id="r9"),
    DoubtReleased(at=NOW),
    DoubtWrittenOff(at=NOW),
]
INTENDED, ACCEPTED, *_ = EVENTS
BY_TYPE = {type(event): event for event in EVENTS}


def after(*events: Event) -> Job:
    """The job to which these events happened."""
    job = Job(spec=SPEC)
    for event in events:
        job = advance(job, event)
    return job


def in_state(state: JobState) -> Job:
    """A job that came to the state by a real road."""
    result = BY_TYPE[ResultRead]
    roads = {
        S.PENDING: (),
        S.SUBMITTING: (INTENDED,),
        S.SUBMITTED: (INTENDED, ACCEPTED),
        S.RESULT_KNOWN: (INTENDED, ACCEPTED, result),
        S.DONE: (INTENDED, ACCEPTED, result, BY_TYPE[Collected]),
        S.FAILED: (INTENDED, ACCEPTED, BY_TYPE[RemoteFailed]),
        S.REJECTED: (INTENDED, BY_TYPE[SubmitRejected]),
        S.CANCELLED: (INTENDED, ACCEPTED, BY_TYPE[RemoteCancelled]),
        S.IN_DOUBT: (INTENDED, BY_TYPE[SubmitLost]),
        S.OUTPUT_LOST: (INTENDED, ACCEPTED, BY_TYPE[OutputLost]),
        S.HELD: (INTENDED, BY_TYPE[SubmitHeld]),
    }
    return after(*roads[state])


BASES = {Event, model.DoneAgain}


def test_every_kind_of_event_is_tried_here():
    """The table below this test knows them all."""
    kinds = {value for value in vars(model).values() if isinstance(value, type) and issubclass(value, Event)} - BASES
    assert kinds == set(BY_TYPE)


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_a_state_changes_only_as_the_table_says(state, event):
    """A listed pair leads to its state; an unlisted one is an error and changes nothing."""
    job = in_state(state)
    assert job.state is state
    expected = TRANSITIONS.get((state, type(event)))
    if expected is None or (state, type(event)) in NEEDS:
        with pytest.raises(ImpossibleEvent, match=f"{type(event).__name__} cannot happen while {state}"):
            advance(job, event)
    else:
        moved = advance(job, event)
        assert moved.state is expected
        assert (moved.finished_at is not None) == expected.is_terminal


def test_a_second_paid_post_needs_the_first_to_be_over():
    """From no state in which money may be out does an intent lead on."""
    assert {state for state, event in TRANSITIONS if event is SubmitIntended} == {S.PENDING}
    assert {state for (state, _), to in TRANSITIONS.items() if to is S.PENDING and state is not S.PENDING} == {
        *(S.SUBMITTING, S.DONE, S.HELD, S.REJECTED, S.FAILED, S.CANCELLED, S.OUTPUT_LOST, S.IN_DOUBT),
    }
    back = {event for (state, event), to in TRANSITIONS.items() if to is S.PENDING and state is S.SUBMITTING}
    assert back == {SubmitNotSent, SubmitThrottled}
    assert {e for (s, e), to in TRANSITIONS.items() if to is S.PENDING and s is S.IN_DOUBT} == {DoubtReleased}


def test_the_whole_road():
    """What a job carries at its end."""
    job = in_state(S.DONE)
    assert [(a.number, a.state, a.request_id, a.reserved, a.cost) for a in job.attempts] == [
        (1, AttemptState.FINISHED, "r1", PRICE, PRICE)
    ]
    assert (job.artifacts, job.failure, job.finished_at, job.outputs) == ((artifact(),), None, NOW, ("u",))


def test_a_refused_submit_goes_again_as_a_new_attempt():
    """Each paid try is a row of its own."""
    job = after(INTENDED, BY_TYPE[SubmitThrottled], INTENDED, ACCEPTED)
    assert [(a.number, a.state) for a in job.attempts] == [(1, AttemptState.REFUSED), (2, AttemptState.ACCEPTED)]
    assert (job.request_id, job.tries, job.failure) == ("r1", 0, None)


def test_a_post_that_never_left_leaves_no_attempt():
    """Unless its intent was committed and then called off."""
    assert after(BY_TYPE[SubmitNotSent]).attempts == ()
    assert after(INTENDED, BY_TYPE[SubmitNotSent]).attempts[0].state is AttemptState.NOT_SENT
    assert after(BY_TYPE[SubmitNotSent], BY_TYPE[SubmitNotSent]).tries == 2


def test_a_result_read_again_keeps_the_cost_and_the_count_of_failures():
    """A fresh URL is no fresh start, or a broken file would be fetched for ever."""
    job = advance(in_state(S.RESULT_KNOWN), BY_TYPE[CollectFailed])
    assert (job.is_stale, job.tries, job.ready_at) == (True, 1, NOW + 3)
    job = advance(job, ResultRead(at=NOW, outputs=("v",), cost=None))
    assert (job.is_stale, job.tries, job.outputs, job.attempts[-1].cost) == (False, 1, ("v",), PRICE)


def test_artifacts_that_arrived_are_kept_while_others_are_fetched_again():
    """By output, the newer of two for the same one."""
    job = in_state(S.RESULT_KNOWN)
    job = advance(job, CollectFailed(at=NOW, artifacts=(artifact(2),), failure=FAILURE, retry_at=NOW))
    job = advance(job, Collected(at=NOW, artifacts=(artifact(1), artifact(2, "t"))))
    assert job.artifacts == (artifact(1), artifact(2, "t"))


def test_a_missing_request_is_remembered_from_its_first_404():
    """And forgotten only when the service knows it after all: trouble in between says nothing."""
    missing = ReadFailed(at=NOW, failure=BROKEN, retry_at=NOW + 1, is_missing=True)
    job = advance(in_state(S.SUBMITTED), missing)
    job = advance(job, replace(missing, at=NOW + 9))
    assert job.missing_since == NOW
    assert advance(job, BY_TYPE[StatusSeen]).missing_since is None
    assert advance(job, BY_TYPE[ReadFailed]).missing_since == NOW


def test_what_a_person_decides_about_a_doubt():
    """Attach collects it, release sends it again, write-off gives it up; the attempt says which."""
    attached = advance(in_state(S.IN_DOUBT), BY_TYPE[DoubtAttached])
    assert (attached.request_id, attached.attempts[0].state) == ("r9", AttemptState.ACCEPTED)
    released = advance(in_state(S.IN_DOUBT), BY_TYPE[DoubtReleased])
    assert (released.attempts[0].state, released.failure) == (AttemptState.RELEASED, None)
    given_up = advance(in_state(S.IN_DOUBT), BY_TYPE[DoubtWrittenOff])
    assert (given_up.attempts[0].state, given_up.failure.code) == (AttemptState.WRITTEN_OFF, "written_off")
    assert (given_up.is_written_off, in_state(S.FAILED).is_written_off) == (True, False)


def test_what_a_job_fetches_of_anothers_request_is_no_attempt_of_its_own():
    """Its books stay as they are, whatever comes of it; the request is the other's."""
    for attempts in ((), after(INTENDED, BY_TYPE[SubmitThrottled]).attempts):
        job = advance(replace(Job(spec=SPEC), attempts=attempts), BY_TYPE[RequestShared])
        assert (job.state, job.request_id, job.shared_from, job.is_stale) == (S.RESULT_KNOWN, "r7", "jug", True)
        done = advance(advance(job, BY_TYPE[ResultRead]), BY_TYPE[Collected])
        lost = advance(job, BY_TYPE[OutputLost])
        missing = advance(done, BY_TYPE[FilesMissing])
        assert [one.state for one in (done, lost, missing)] == [S.DONE, S.OUTPUT_LOST, S.RESULT_KNOWN]
        assert {(one.attempts, one.request_id) for one in (job, done, lost, missing)} == {(attempts, "r7")}


def test_what_was_given_up_and_found_after_all_is_collected():
    """Only the latest attempt, and only one that was in doubt: a request that failed has an id already."""
    given_up = advance(in_state(S.IN_DOUBT), BY_TYPE[DoubtWrittenOff])
    assert set(NEEDS) == {(S.FAILED, DoubtAttached)}
    found = advance(given_up, BY_TYPE[DoubtAttached])
    assert found == advance(in_state(S.IN_DOUBT), BY_TYPE[DoubtAttached])
    again = advance(advance(given_up, BY_TYPE[RetryRequested]), INTENDED)
    failed = advance(advance(again, ACCEPTED), BY_TYPE[RemoteFailed])
    with pytest.raises(ImpossibleEvent, match="DoubtAttached cannot happen while failed"):
        advance(failed, BY_TYPE[DoubtAttached])


def test_a_changed_spec_starts_afresh():
    """The old files are no files of the new request, once it is accepted; the old attempt stays in the books."""
    done = in_state(S.DONE)
    job = advance(done, BY_TYPE[SpecChanged])
    assert (job.spec, job.artifacts, job.outputs, len(job.attempts)) == (OTHER, done.artifacts, done.outputs, 1)
    for event in (SubmitIntended, SubmitAccepted):
        job = advance(job, BY_TYPE[event])
    assert (job.artifacts, job.outputs, len(job.attempts)) == ((), (), 2)


@pytest.mark.parametrize("state", [S.DONE, S.FAILED, S.CANCELLED, S.OUTPUT_LOST])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refused_wish_leaves_all_as_it_was(state, refusal):
    """But for the attempt that was refused, which is not the one that its state is about."""
    before = in_state(state)
    wish = RetryRequested if state is not S.DONE else RedoRequested
    refused = advance(advance(advance(before, BY_TYPE[wish]), BY_TYPE[SubmitIntended]), BY_TYPE[refusal])
    job = withdrawn(before, refused)
    assert replace(job, attempts=before.attempts) == before
    assert job.attempts[:-1] == before.attempts
    assert not job.attempts[-1].may_be_paid
    assert (job.attempt, job.request_id, job.submitted_at) == (before.attempt, before.request_id, before.submitted_at)


@pytest.mark.parametrize("state", [S.DONE, S.FAILED, S.CANCELLED, S.OUTPUT_LOST, S.REJECTED, S.IN_DOUBT])
def test_a_refusal_undoes_a_wish_but_where_the_words_are_refused_and_nothing_is_lost_with_it(state):
    """And a doubt that was released is over."""
    before = in_state(state)
    undone = {kind for kind in (*REFUSALS, SubmitRejected, SubmitLost) if is_undone_by(before, BY_TYPE[kind])}
    for_good = {SubmitRejected} if state in (S.DONE, S.OUTPUT_LOST) else set()
    assert undone == (set() if state is S.IN_DOUBT else {*REFUSALS, *for_good})


def test_what_a_refusal_left_behind_is_not_what_is_fetched_again():
    """The attempt that was paid is, however many were refused after it."""
    before = in_state(S.DONE)
    opened = advance(before, BY_TYPE[RedoRequested])
    job = withdrawn(before, advance(advance(opened, BY_TYPE[SubmitIntended]), BY_TYPE[SubmitHeld]))
    again = advance(advance(job, BY_TYPE[FilesMissing]), BY_TYPE[ResultRead])
    assert [attempt.state for attempt in again.attempts] == [AttemptState.FINISHED, AttemptState.REFUSED]
    assert again.request_id == before.request_id


def test_vanished_files_are_fetched_again_without_paying():
    """The result stays known; the attempt stays finished."""
    job = advance(in_state(S.DONE), BY_TYPE[FilesMissing])
    assert (job.artifacts, job.outputs, job.attempts[0].state) == ((), ("u",), AttemptState.FINISHED)
    assert decide(job, NOW, POLICIES) == ReadResult()
    two = replace(in_state(S.DONE), artifacts=(artifact(1), artifact(2)))
    one = advance(two, FilesMissing(at=NOW, artifacts=(artifact(2),)))
    assert one.artifacts == (artifact(2),)
    assert advance(one, OutputLost(at=NOW, failure=BROKEN)).artifacts == (artifact(2),)


def test_a_later_run_reads_the_urls_of_a_known_result_again():
    """They are signed for some days only, and reading them costs nothing."""
    job = advance(in_state(S.RESULT_KNOWN), Resumed(at=NOW))
    assert decide(job, NOW, POLICIES) == ReadResult()
    assert decide(advance(in_state(S.SUBMITTED), Resumed(at=NOW)), NOW, POLICIES) == Poll()


# ---------------------------------------------------------------------------------------------------------- decide


def seen(status, *, at=NOW):
    return advance(in_state(S.SUBMITTED), StatusSeen(at=at, status=status, look_at=at + 3))


TIRED = replace(in_state(S.RESULT_KNOWN), tries=4)


@pytest.mark.parametrize(
    ("job", "now", "action"),
    [
        (in_state(S.PENDING), NOW, Submit()),
        (after(BY_TYPE[SubmitNotSent]), NOW, Wait(NOW + 5)),
        (after(BY_TYPE[SubmitNotSent]), NOW + 5, Submit()),
        (in_state(S.SUBMITTING), NOW, Finish()),
        (in_state(S.SUBMITTED), NOW, Wait(NOW + 2)),
        (in_state(S.SUBMITTED), NOW + 2, Poll()),
        (seen(RUNNING), NOW + 1, Wait(NOW + 3)),
        (seen(RUNNING), NOW + 3, Poll()),
        (seen(COMPLETED), NOW, ReadResult()),
        (seen(COMPLETED), NOW + 9999, ReadResult()),
        (in_state(S.RESULT_KNOWN), NOW, Collect()),
        (advance(in_state(S.RESULT_KNOWN), BY_TYPE[CollectFailed]), NOW, Wait(NOW + 3)),
        (advance(in_state(S.RESULT_KNOWN), BY_TYPE[CollectFailed]), NOW + 3, ReadResult()),
        (replace(TIRED, failure=BROKEN), NOW, GiveUp(BROKEN)),
        (replace(TIRED, failure=BROKEN, tries=3), NOW, Collect()),
        (replace(TIRED, failure=FAILURE), NOW, Collect()),
        (replace(TIRED, failure=FAILURE, tries=12), NOW, Leave(FAILURE)),
        (in_state(S.HELD), NOW, Finish()),
        (in_state(S.DONE), NOW, Finish()),
        (in_state(S.IN_DOUBT), NOW, Finish()),
        (replace(in_state(S.SUBMITTED), is_left=True), NOW + 9, Finish()),
        (replace(in_state(S.PENDING), tries=9, failure=FAILURE), NOW, Submit()),
        (replace(in_state(S.PENDING), tries=3, failure=THROTTLED), NOW, Leave(THROTTLED)),
    ],
)
def test_what_comes_next(job, now, action):
    """A pure answer to: what now?"""
    assert decide(job, now, POLICIES) == action


def test_a_job_that_was_tried_too_often_is_left_even_without_a_reason():
    """There is always a failure to show."""
    action = decide(replace(in_state(S.RESULT_KNOWN), tries=12), NOW, POLICIES)
    assert isinstance(action, Leave)
    assert action.failure.code == "gave_up"


def test_a_404_is_believed_only_after_a_while():
    """A request may take minutes to be known everywhere; then what was paid is gone."""
    gone = Failure(kind=FailureKind.OUTPUT, code="http_404", message="HTTP 404")
    job = replace(in_state(S.SUBMITTED), missing_since=NOW, failure=gone)
    assert decide(job, NOW + 59, POLICIES) == Poll()
    action = decide(job, NOW + 60, POLICIES)
    assert isinstance(action, GiveUp)
    assert action.failure.code == "request_gone"
    assert "r1" in action.failure.message


def test_a_404_counts_only_as_the_last_word_and_only_in_this_run():
    """A network that fails meanwhile proves nothing, and time in which nobody looked is no time."""
    gone = Failure(kind=FailureKind.OUTPUT, code="http_404", message="HTTP 404")
    job = replace(in_state(S.SUBMITTED), missing_since=NOW, failure=FAILURE)
    assert decide(job, NOW + 6000, POLICIES) == Poll()
    resumed = advance(replace(job, failure=gone), Resumed(at=NOW + 6000))
    assert decide(resumed, NOW + 6000, POLICIES) == Poll()
    again = advance(resumed, ReadFailed(at=NOW + 6000, failure=gone, retry_at=NOW + 6001, is_missing=True))
    assert decide(again, NOW + 6001, POLICIES) == Poll()
    assert isinstance(decide(again, NOW + 6060, POLICIES), GiveUp)


def test_a_lost_output_is_looked_for_again_for_nothing():
    """A host that is trusted now, a person who asks: the request stays the same one, and its cost."""
    lost = replace(in_state(S.OUTPUT_LOST), outputs=("https://cdn.example/a",), failure=FAILURE)
    back = advance(lost, FilesMissing(at=NOW))
    assert (back.state, back.request_id, back.failure) == (S.RESULT_KNOWN, lost.request_id, None)
    assert decide(back, NOW, POLICIES) == ReadResult()


def test_a_late_job_is_left_to_the_next_run_which_looks_once_more():
    """The deadline counts from the acceptance, so it survives a restart; each run looks at least once."""
    late = NOW + 601
    job = seen(RUNNING)
    action = decide(job, late, POLICIES)
    assert isinstance(action, Leave)
    assert action.failure.code == "deadline"
    left = advance(job, Left(at=late, failure=action.failure))
    assert decide(left, late, POLICIES) == Finish()
    resumed = advance(left, Resumed(at=late))
    assert decide(resumed, late, POLICIES) == Poll()
    assert isinstance(
        decide(advance(resumed, StatusSeen(at=late, status=RUNNING, look_at=late)), late, POLICIES), Leave
    )


def test_a_clock_that_was_ahead_at_the_acceptance_buys_no_time():
    """The deadline counts from the next run then, whose clock is right."""
    job = in_state(S.SUBMITTED)
    ahead = replace(job, attempts=(replace(job.attempts[0], accepted_at=NOW + 86_400),), is_left=True)
    resumed = advance(ahead, Resumed(at=NOW))
    looked = advance(resumed, StatusSeen(at=NOW + 601, status=RUNNING, look_at=NOW + 602))
    assert isinstance(decide(looked, NOW + 601, POLICIES), Leave)
    assert advance(job, Resumed(at=NOW)).attempts is job.attempts
