"""Whether a state belongs to the account that a token is of: for whatever asks the service about its requests.

To another account the service answers as if they did not exist. Believed, that would end them all.
"""

from __future__ import annotations

from pathlib import Path

from runner.api.wire import ApiError
from runner.batch.service import Service
from runner.errors import AccountRefused, BatchError, ServiceUnavailable, StateMismatch
from runner.model import FailureKind, JobState
from runner.store.binding import check_binding
from runner.store.reader import Reader


async def check_account(reader: Reader, service: Service, directory: Path) -> None:
    """Raise `StateMismatch` for another API or account; a new token proves the account by what it can read."""
    if check_binding(reader.binding(), service.binding, directory):
        return
    tried = (JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.DONE)
    asked = (job for job in reader.jobs(tried) if job.request_id)
    job = max(asked, key=lambda job: job.submitted_at or 0.0, default=None)  # the service forgets old ones
    if job is None or job.request_id is None:
        return
    try:
        await service.api.status(job.request_id)
    except ApiError as error:
        raise _not_proven(directory, job.request_id, error) from error


def _not_proven(directory: Path, request_id: str, error: ApiError) -> BatchError:
    """What it means that a new token did not read one of the state's requests: only a no proves another account."""
    failure = error.failure
    if error.is_missing or failure.code in ("token_refused", "no_access"):
        return StateMismatch(
            f"{directory} belongs to another account: the token does not open its request {request_id} "
            f"({failure.message}). Use that account's token, or another directory (--out DIR)."
        )
    message = f"whether the new token is of the account of {directory} cannot be told: {failure.message}. "
    if failure.kind is FailureKind.ACCOUNT:
        return AccountRefused(f"{message}Nothing was done.")
    return ServiceUnavailable(f"{message}Nothing was done; try again later.")
