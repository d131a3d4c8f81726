"""The life of a job: which events may happen in which state, and what to do next.

Theory. A job walks one road, and each step is written down before the next is taken:

    pending ──► submitting ──► submitted ──► result_known ──► done
       ▲            │              │               │
       │            ├─► rejected   ├─► failed      └─► output_lost
       ├────────────┤   held       ├─► cancelled
       │            └─► in_doubt   └─► output_lost

`submitting` means: the intent to pay is on disk and bytes may have left. From there a job returns to `pending` only
on proof that it was not taken: no byte was sent, or the service refused in full. Anything else is `in_doubt`, and
only a person leads out of it: attach (the request was found, also after it was given up), release (send again) or
write off.

`submitted` and `result_known` are free to repeat: reading costs nothing, and a download never costs a second payment.
`done` goes back one step, to `result_known`, only when its files have vanished from the disk, and `output_lost` when
there is hope for them again, such as a host that is trusted now. The ended states, and `done` whose pictures were
rejected, go back to `pending` only because a person asks for it and pays again.

A job whose request is word for word another's is never sent: it stays `pending` until that one ends, and ends with it,
`done` with a copy of its files or `failed`; where those files are not what came, it reads the result and fetches its
own, as `result_known`. It has no attempts of its own at that request, and costs nothing.

`TRANSITIONS` is the only place where a state changes: an unlisted pair is an error and changes nothing. `advance`
makes the new job, `decide` says what to do with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from runner.errors import BatchError
from runner.model import (
    Action,
    Artifact,
    Attempt,
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

S = JobState

TRANSITIONS: Final[dict[tuple[JobState, type[Event]], JobState]] = {
    (S.PENDING, SubmitIntended): S.SUBMITTING,
    (S.PENDING, SubmitNotSent): S.PENDING,
    (S.PENDING, Left): S.PENDING,
    (S.PENDING, Resumed): S.PENDING,
    (S.PENDING, SpecChanged): S.PENDING,
    (S.PENDING, Shared): S.DONE,
    (S.PENDING, RequestShared): S.RESULT_KNOWN,
    (S.PENDING, ShareFailed): S.FAILED,
    (S.PENDING, InputSpoilt): S.REJECTED,
    (S.SUBMITTING, SubmitAccepted): S.SUBMITTED,
    (S.SUBMITTING, SubmitNotSent): S.PENDING,
    (S.SUBMITTING, SubmitThrottled): S.PENDING,
    (S.SUBMITTING, SubmitRejected): S.REJECTED,
    (S.SUBMITTING, SubmitHeld): S.HELD,
    (S.SUBMITTING, SubmitLost): S.IN_DOUBT,
    (S.SUBMITTED, StatusSeen): S.SUBMITTED,
    (S.SUBMITTED, ReadFailed): S.SUBMITTED,
    (S.SUBMITTED, Left): S.SUBMITTED,
    (S.SUBMITTED, Resumed): S.SUBMITTED,
    (S.SUBMITTED, ResultRead): S.RESULT_KNOWN,
    (S.SUBMITTED, RemoteFailed): S.FAILED,
    (S.SUBMITTED, RemoteCancelled): S.CANCELLED,
    (S.SUBMITTED, OutputLost): S.OUTPUT_LOST,
    (S.RESULT_KNOWN, ResultRead): S.RESULT_KNOWN,
    (S.RESULT_KNOWN, ReadFailed): S.RESULT_KNOWN,
    (S.RESULT_KNOWN, Left): S.RESULT_KNOWN,
    (S.RESULT_KNOWN, Resumed): S.RESULT_KNOWN,
    (S.RESULT_KNOWN, CollectFailed): S.RESULT_KNOWN,
    (S.RESULT_KNOWN, Collected): S.DONE,
    (S.RESULT_KNOWN, OutputLost): S.OUTPUT_LOST,
    (S.DONE, FilesMissing): S.RESULT_KNOWN,
    (S.DONE, Shared): S.DONE,
    (S.DONE, SpecChanged): S.PENDING,
    (S.DONE, RedoRequested): S.PENDING,
    (S.HELD, Resumed): S.PENDING,
    (S.HELD, SpecChanged): S.PENDING,
    (S.REJECTED, RetryRequested): S.PENDING,
    (S.REJECTED, SpecChanged): S.PENDING,
    (S.FAILED, RetryRequested): S.PENDING,
    (S.FAILED, SpecChanged): S.PENDING,
    (S.FAILED, DoubtAttached): S.SUBMITTED,
    (S.CANCELLED, RetryRequested): S.PENDING,
    (S.CANCELLED, SpecChanged): S.PENDING,
    (S.OUTPUT_LOST, FilesMissing): S.RESULT_KNOWN,
    (S.OUTPUT_LOST, RetryRequested): S.PENDING,
    (S.OUTPUT_LOST, SpecChanged): S.PENDING,
    (S.IN_DOUBT, DoubtAttached): S.SUBMITTED,
    (S.IN_DOUBT, DoubtReleased): S.PENDING,
    (S.IN_DOUBT, DoubtWrittenOff): S.FAILED,
}

NEEDS: Final[dict[tuple[JobState, type[Event]], AttemptState]] = {
    (S.FAILED, DoubtAttached): AttemptState.WRITTEN_OFF,
}
"""What the latest attempt must be, where the state alone does not tell."""


class ImpossibleEvent(BatchError):
    """An event happened to a job in a state where it cannot happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The settings that `decide` weighs; durations in seconds."""

    job_deadline_s: float = 30 * 60
    """Counted from the acceptance, which is in the state: so it survives a restart."""
    outage_patience_s: float = 3 * 3600
    """How much longer a request is looked for while no look succeeds: then nobody knows how it stands."""
    missing_patience_s: float = 10 * 60
    """For how long a 404 is not believed: a request may take a while to be known everywhere. Each run looks so long."""
    max_submits: int = 50
    """How often in a row a POST that was throttled is sent again in one run. One that did not leave is free of it: an
    outage is the brake's matter."""
    max_downloads: int = 9
    """How often in a row an output is fetched in one run; three times as often where only the network fails."""


def decide(job: Job, now: float, policies: Policies) -> Action:
    """What to do with the job at the instant `now`. The scheduler does it, records the event, and asks again."""
    if job.is_left:
        return Finish()
    match job.state:
        case S.PENDING:
            is_throttled = job.failure is not None and job.failure.kind is FailureKind.THROTTLED
            tired = is_throttled and job.tries >= policies.max_submits
            return _leave(job) if tired else _when_ready(job, now, Submit())
        case S.SUBMITTED:
            return _decide_submitted(job, now, policies)
        case S.RESULT_KNOWN:
            return _decide_collecting(job, now, policies)
        case _:
            return Finish()


def _decide_submitted(job: Job, now: float, policies: Policies) -> Action:
    is_missing = job.failure is not None and job.failure.kind is FailureKind.OUTPUT  # so said the last look
    since = job.missing_since
    if is_missing and since is not None and now - since >= policies.missing_patience_s:
        return GiveUp(_of(job, FailureKind.OUTPUT, "request_gone", "RunComfy does not know the request any more"))
    is_finished = job.remote is not None and job.remote.is_finished
    patience_s = policies.job_deadline_s + (policies.outage_patience_s if job.failure is not None else 0.0)
    is_late = job.submitted_at is not None and now >= job.submitted_at + patience_s
    if is_late and job.polled_at is not None and not is_finished and not is_missing:
        # Each run looks at least once: the request may have finished while nobody was looking.
        minutes = policies.job_deadline_s / 60
        message = f"not finished {minutes:g} minutes after it was accepted; the next run looks again"
        return Leave(Failure(kind=FailureKind.TRANSIENT, code="deadline", message=message))
    return _when_ready(job, now, ReadResult() if is_finished else Poll())


def _decide_collecting(job: Job, now: float, policies: Policies) -> Action:
    # A network that is down proves nothing about the files: only an answer can.
    if job.failure is not None and job.failure.kind is FailureKind.OUTPUT:
        if job.tries >= policies.max_downloads:
            return GiveUp(job.failure)
    elif job.tries >= 3 * policies.max_downloads:
        return _leave(job)
    return _when_ready(job, now, ReadResult() if job.is_stale else Collect())


def _when_ready(job: Job, now: float, action: Action) -> Action:
    return Wait(job.ready_at) if job.ready_at > now else action


def _leave(job: Job) -> Leave:
    return Leave(job.failure or _of(job, FailureKind.TRANSIENT, "gave_up", "tried too often; the next run goes on"))


def _of(job: Job, kind: FailureKind, code: str, message: str) -> Failure:
    name = f" ({job.request_id})" if job.request_id else ""
    return Failure(kind=kind, code=code, message=message + name)


def advance(job: Job, event: Event) -> Job:
    """The job after the event.

    Raises `ImpossibleEvent` for a pair that `TRANSITIONS` does not list; the job is a value, so nothing changed.
    """
    pair = (job.state, type(event))
    state = TRANSITIONS.get(pair)
    if state is None or (pair in NEEDS and job.attempts[job.turn].state is not NEEDS[pair]):
        raise ImpossibleEvent(f"job {job.job_id!r}: {type(event).__name__} cannot happen while {job.state}")
    changes = _changes(job, event)
    if state.is_terminal and not job.state.is_terminal:
        changes["finished_at"] = event.at
    return replace(job, state=state, **changes)


def withdrawn(before: Job, refused: Job) -> Job:
    """The job as it was before a person wanted it again, where that POST was not taken: only the attempts tell of it.

    Of one that was in doubt the doubt is over, whatever becomes of the new POST: it is not given back.
    """
    return replace(before, attempts=refused.attempts)


REFUSALS: Final = (SubmitNotSent, SubmitThrottled, SubmitHeld)
"""A POST was not taken, and may be taken another time."""


def is_undone_by(before: Job, event: Event) -> bool:
    """Whether a job is again what it was before a person wanted it once more: its new POST was not taken.

    One that was refused for good, as for its words, is undone only where there is something to lose: an output that is
    paid for.
    """
    if isinstance(event, SubmitRejected):
        return before.state in (S.DONE, S.OUTPUT_LOST) or before.is_written_off
    return before.state is not S.IN_DOUBT and isinstance(event, REFUSALS)


def _changes(job: Job, event: Event) -> dict[str, Any]:
    """What the event changes beside the state."""
    match event:
        case SubmitIntended() | SubmitAccepted() | SubmitNotSent() | SubmitThrottled():
            return _submitting(job, event)
        case SubmitRejected(failure=failure) | SubmitHeld(failure=failure):
            return {"failure": failure, "attempts": _with_attempt(job, event, AttemptState.REFUSED, failure=failure)}
        case SubmitLost(failure=failure):
            return {"failure": failure, "attempts": _with_attempt(job, event, AttemptState.IN_DOUBT, failure=failure)}
        case StatusSeen(status=status, look_at=look_at):
            ready_at = 0.0 if status.is_finished else look_at
            seen = {"remote": status, "ready_at": ready_at, "failure": None, "tries": 0, "missing_since": None}
            return seen | {"polls": job.polls + 1, "polled_at": event.at}
        case ReadFailed(failure=failure, retry_at=retry_at, is_missing=is_missing):
            since = (job.missing_since or event.at) if is_missing else job.missing_since
            changed = {"failure": failure, "ready_at": retry_at, "tries": job.tries + 1, "missing_since": since}
            return changed | {"polls": job.polls + 1, "polled_at": event.at}
        case ResultRead(outputs=outputs, cost=cost):
            tries = 0 if job.state is S.SUBMITTED else job.tries
            return _result(job, event, cost) | {"outputs": outputs, "is_stale": False, "failure": None, "tries": tries}
        case RemoteFailed(failure=failure, cost=cost):
            return _result(job, event, cost, failure) | {"failure": failure}
        case RemoteCancelled(cost=cost):
            failure = Failure(kind=FailureKind.REMOTE, code="cancelled", message="the request was cancelled")
            return _result(job, event, cost, failure) | {"failure": failure}
        case Collected(artifacts=artifacts):
            return {"artifacts": _merged(job.artifacts, artifacts), "failure": None, "tries": 0}
        case CollectFailed(artifacts=artifacts, failure=failure, retry_at=retry_at):
            changed = {"artifacts": _merged(job.artifacts, artifacts), "failure": failure, "ready_at": retry_at}
            return changed | {"is_stale": True, "tries": job.tries + 1}
        case OutputLost(failure=failure, artifacts=artifacts):
            attempts = _with_attempt(job, event, AttemptState.FINISHED, failure=failure)
            return {"failure": failure, "artifacts": _merged(job.artifacts, artifacts), "attempts": attempts}
        case Shared(job_id=job_id, request_id=request_id, artifacts=artifacts):
            shared = {"shared_from": job_id, "shared_request": request_id}
            return _fresh() | shared | {"artifacts": artifacts}
        case RequestShared(job_id=job_id, request_id=request_id):
            shared = {"shared_from": job_id, "shared_request": request_id}
            return _fresh() | _empty() | shared | {"is_stale": True}
        case ShareFailed(failure=failure) | InputSpoilt(failure=failure):
            return {"failure": failure}
        case Left(failure=failure):
            return {"failure": failure, "is_left": True}
        case Resumed():
            fresh = {"ready_at": 0.0, "tries": 0, "polled_at": None, "is_left": False, "failure": None}
            fresh |= {"missing_since": None, "is_stale": job.state is S.RESULT_KNOWN}
            return fresh | {"attempts": _accepted_by(job, event.at)}
        case _:
            return _person_decided(job, event)


def _submitting(job: Job, event: SubmitIntended | SubmitAccepted | SubmitNotSent | SubmitThrottled) -> dict[str, Any]:
    match event:
        case SubmitIntended(payload_sha256=payload_sha256, reserved=reserved):
            attempt = Attempt(
                number=len(job.attempts) + 1,
                state=AttemptState.INTENT,
                payload_sha256=payload_sha256,
                intended_at=event.at,
                reserved=reserved,
            )
            return {"attempts": (*job.attempts, attempt)}
        case SubmitAccepted(request_id=request_id, look_at=look_at):
            accepted = replace(
                job.attempts[-1], state=AttemptState.ACCEPTED, request_id=request_id, accepted_at=event.at
            )
            return _fresh() | _empty() | {"attempts": (*job.attempts[:-1], accepted), "ready_at": look_at}
        case SubmitNotSent(failure=failure, retry_at=retry_at):
            attempts = job.attempts
            if job.state is S.SUBMITTING:
                attempts = _with_attempt(job, event, AttemptState.NOT_SENT, failure=failure)
            return {"attempts": attempts, "failure": failure, "ready_at": retry_at, "tries": job.tries + 1}
        case SubmitThrottled(failure=failure, retry_at=retry_at):
            attempts = _with_attempt(job, event, AttemptState.REFUSED, failure=failure)
            return {"attempts": attempts, "failure": failure, "ready_at": retry_at, "tries": job.tries + 1}
        case _:
            assert_never(event)


def _person_decided(job: Job, event: Event) -> dict[str, Any]:
    match event:
        case FilesMissing(artifacts=artifacts):
            attempts = _with(job, failure=None)
            fresh = _fresh() | {"is_stale": True, "finished_at": None}
            return fresh | {"artifacts": artifacts, "attempts": attempts}
        case SpecChanged(spec=spec):
            return _anew() | {"spec": spec}
        case DoubtAttached(request_id=request_id):
            found: dict[str, Any] = {"state": AttemptState.ACCEPTED, "request_id": request_id, "accepted_at": event.at}
            attempts = _with(job, **found, finished_at=None, failure=None)
            return _fresh() | _empty() | {"attempts": attempts, "finished_at": None}
        case DoubtReleased():
            attempts = _with_attempt(job, event, AttemptState.RELEASED)
            return _fresh() | {"attempts": attempts, "finished_at": None}
        case DoubtWrittenOff():
            failure = Failure(kind=FailureKind.REMOTE, code="written_off", message="given up while in doubt")
            attempts = _with_attempt(job, event, AttemptState.WRITTEN_OFF)
            return {"attempts": attempts, "failure": failure}
        case _:  # RetryRequested, RedoRequested: a fresh start with the attempts kept
            return _anew()


def _anew() -> dict[str, Any]:
    """From the beginning, by itself. What came out before is kept until another request is accepted."""
    return _fresh() | {"finished_at": None, "shared_from": None, "shared_request": None}


def _empty() -> dict[str, Any]:
    """Nothing has come out: what was there is of a request before this one."""
    return {"artifacts": (), "outputs": ()}


def _fresh() -> dict[str, Any]:
    """Nothing is known of the current step yet."""
    return {
        "failure": None,
        "remote": None,
        "ready_at": 0.0,
        "tries": 0,
        "polls": 0,
        "polled_at": None,
        "missing_since": None,
        "is_stale": False,
        "is_left": False,
    }


def _result(job: Job, event: Event, cost: Money | None, failure: Failure | None = None) -> dict[str, Any]:
    """The request is finished: its attempt ends here, with the cost that the service names."""
    known = cost if cost is not None or job.attempt is None else job.attempt.cost
    attempts = _with_attempt(job, event, AttemptState.FINISHED, cost=known, failure=failure)
    return {"attempts": attempts, "ready_at": 0.0, "missing_since": None}


def _with_attempt(job: Job, event: Event, state: AttemptState, **changes: Any) -> tuple[Attempt, ...]:
    return _with(job, state=state, finished_at=event.at, **changes)


def _with(job: Job, **changes: Any) -> tuple[Attempt, ...]:
    """The attempts, that which the state is about changed: of a request that it shares, the job has none."""
    if job.shared_request is not None:
        return job.attempts
    turn = job.turn
    return (*job.attempts[:turn], replace(job.attempts[turn], **changes), *job.attempts[turn + 1 :])


def _accepted_by(job: Job, now: float) -> tuple[Attempt, ...]:
    """The attempts; a clock that was ahead when the request was accepted buys it no time."""
    accepted_at = job.attempts[job.turn].accepted_at if job.state is S.SUBMITTED else None
    return _with(job, accepted_at=now) if accepted_at is not None and accepted_at > now else job.attempts


def _merged(old: tuple[Artifact, ...], new: tuple[Artifact, ...]) -> tuple[Artifact, ...]:
    """The artifacts by output, the newer of two for the same one."""
    by_index = {artifact.index: artifact for artifact in (*old, *new)}
    return tuple(by_index[index] for index in sorted(by_index))
