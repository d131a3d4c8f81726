"""What an edge's answer is as an event; pure. `now` is the instant, `dice` a number in [0, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from runner.api.wire import Accepted, ApiError, NotSent, Refused, Result, SubmitReply, Unknown
from runner.catalog.outputs import output_urls
from runner.media.values import Fetched, FetchFailed, FetchOutcome
from runner.model import (
    Collected,
    CollectFailed,
    Event,
    Failure,
    FailureKind,
    Job,
    JobState,
    OutputLost,
    ReadFailed,
    RemoteCancelled,
    RemoteFailed,
    RemoteState,
    RemoteStatus,
    ResultRead,
    StatusSeen,
    SubmitAccepted,
    SubmitHeld,
    SubmitLost,
    SubmitNotSent,
    SubmitRejected,
    SubmitThrottled,
)
from runner.rules.polling import Sight, first_look, next_look
from runner.rules.retry import DOWNLOADS, READS, SUBMITS, retry_after_s, retry_at


def of_submit(job: Job, reply: SubmitReply, sight: Sight, now: float, dice: float) -> Event:
    """What became of a paid POST."""
    match reply:
        case Accepted(request_id=request_id):
            return SubmitAccepted(at=now, request_id=request_id, look_at=first_look(sight, now))
        case NotSent(failure=failure):
            again = retry_at(SUBMITS, job.tries + 1, now=now, dice=dice)
            return SubmitNotSent(at=now, failure=failure, retry_at=again)
        case Unknown(failure=failure):
            return SubmitLost(at=now, failure=failure)
        case Refused(failure=failure) if failure.kind is FailureKind.THROTTLED:
            wish = retry_after_s(reply.retry_after, reply.date, now)
            again = retry_at(SUBMITS, job.tries + 1, now=now, dice=dice, retry_after_s=wish)
            return SubmitThrottled(at=now, failure=failure, retry_at=again)
        case Refused(failure=failure) if failure.kind is FailureKind.ACCOUNT:
            return SubmitHeld(at=now, failure=failure)
        case Refused(failure=failure):
            return SubmitRejected(at=now, failure=failure)
        case _:
            assert_never(reply)


def of_taken_id(request_id: str, owner: str, now: float) -> Event:
    """A paid POST was answered with the id of another request: whether this job was taken, nobody can know."""
    message = f"the answer named the request id {request_id}, which belongs to job {owner!r} already"
    return SubmitLost(at=now, failure=Failure(kind=FailureKind.TRANSIENT, code="id_taken", message=message))


def of_status(job: Job, status: RemoteStatus, sight: Sight, now: float, dice: float) -> Event:
    """How a request stands."""
    look_at = next_look(sight, status, accepted_at=job.submitted_at or now, now=now, dice=dice)
    return StatusSeen(at=now, status=status, look_at=look_at)


def of_result(job: Job, result: Result, sight: Sight, now: float, dice: float) -> Event:
    """What a request came to."""
    match result.status.state:
        case RemoteState.COMPLETED:
            if outputs := tuple(url for _, url in output_urls(result.output)):
                return ResultRead(at=now, outputs=outputs, cost=result.cost)
            failure = Failure(kind=FailureKind.OUTPUT, code="empty_result", message="completed, but without outputs")
            return of_read_error(job, ApiError(failure, is_missing=True), now, dice)
        case state if job.state is JobState.RESULT_KNOWN:
            message = f"the result was known, and now the request is {state}"
            failure = Failure(kind=FailureKind.TRANSIENT, code="result_changed", message=message)
            return of_read_error(job, ApiError(failure), now, dice)
        case RemoteState.FAILED:
            unexplained = Failure(kind=FailureKind.REMOTE, code="remote_failed", message="the request failed")
            return RemoteFailed(at=now, failure=result.failure or unexplained, cost=result.cost)
        case RemoteState.CANCELLED:
            return RemoteCancelled(at=now, cost=result.cost)
        case _:
            return of_status(job, result.status, sight, now, dice)


def of_read_error(job: Job, error: ApiError, now: float, dice: float) -> Event:
    """A free call that did not work: it is made again later."""
    wish = retry_after_s(error.retry_after, error.date, now)
    backoff = DOWNLOADS if job.state is JobState.RESULT_KNOWN else READS
    again = retry_at(backoff, job.tries + 1, now=now, dice=dice, retry_after_s=wish)
    return ReadFailed(at=now, failure=error.failure, retry_at=again, is_missing=error.is_missing)


def of_downloads(job: Job, outcomes: Sequence[FetchOutcome], now: float, dice: float) -> Event:
    """What became of a job's outputs, all of which were tried."""
    artifacts = tuple(outcome.artifact for outcome in outcomes if isinstance(outcome, Fetched))
    failures = [outcome for outcome in outcomes if isinstance(outcome, FetchFailed)]
    if not failures:
        return Collected(at=now, artifacts=artifacts)
    for outcome in failures:
        if not outcome.is_retryable:
            return OutputLost(at=now, failure=outcome.failure, artifacts=artifacts)
    return CollectFailed(
        at=now,
        artifacts=artifacts,
        failure=failures[0].failure,
        retry_at=retry_at(DOWNLOADS, job.tries + 1, now=now, dice=dice),
    )
