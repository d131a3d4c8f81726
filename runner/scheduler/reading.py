"""Asks what became of a request: free, and as often as `looking` says."""

from __future__ import annotations

import logging
from collections.abc import Callable

from runner.api.client import RunComfy
from runner.api.wire import ApiError
from runner.model import Event, FailureKind, Job, Left, RemoteState, RemoteStatus, StatusSeen
from runner.rules.retry import retry_after_s
from runner.scheduler import outcomes
from runner.scheduler.clock import Clock
from runner.scheduler.gate import SubmitGate
from runner.scheduler.holds import account_refused
from runner.scheduler.looking import Looking

log = logging.getLogger("runner")


class Reading:
    """Makes the free calls of one run."""

    def __init__(
        self, api: RunComfy, gate: SubmitGate, looking: Looking, clock: Clock, dice: Callable[[], float]
    ) -> None:
        self._api = api
        self._gate = gate
        self._looking = looking
        self._clock = clock
        self._dice = dice

    async def poll(self, job: Job) -> Event:
        """Ask whether the request is finished: where that is likely, for its result at once."""
        await self._looking.turn()
        asked_at = self._clock.now()
        if self._looking.is_likely(job):
            try:
                event = await self._ask_result(job)
            except ApiError as error:
                if not _says_no(error):
                    return self._failed(job, error)
                event = await self._ask_status(job)
                if isinstance(event, StatusSeen) and not event.status.is_finished:
                    self._looking.answers_early = False
        else:
            event = await self._ask_status(job)
        self._looking.saw(job, event, asked_at)
        return event

    async def result(self, job: Job) -> Event:
        """What came of a request that is finished."""
        await self._looking.turn()
        try:
            return await self._ask_result(job)
        except ApiError as error:
            return self._failed(job, error)

    async def _ask_status(self, job: Job) -> Event:
        try:
            status = await self._api.status(job.request_id or "")
        except ApiError as error:
            return self._failed(job, error)
        _warn_of_unknown(job, status)
        return outcomes.of_status(job, status, self._looking.sight(job), self._clock.now(), self._dice())

    async def _ask_result(self, job: Job) -> Event:
        """What the result says; raises `ApiError`."""
        result = await self._api.result(job.request_id or "")
        _warn_of_unknown(job, result.status)
        return outcomes.of_result(job, result, self._looking.sight(job), self._clock.now(), self._dice())

    def _failed(self, job: Job, error: ApiError) -> Event:
        if error.failure.kind is FailureKind.ACCOUNT:
            self._gate.close(account_refused(error.failure))
            return Left(at=self._clock.now(), failure=error.failure)
        now = self._clock.now()
        self._looking.failed(error, now + (retry_after_s(error.retry_after, error.date, now) or 0.0))
        return outcomes.of_read_error(job, error, now, self._dice())


def _warn_of_unknown(job: Job, status: RemoteStatus) -> None:
    if status.state is RemoteState.UNKNOWN and (job.remote is None or job.remote.raw != status.raw):
        log.warning("unknown status word", extra={"job_id": job.job_id, "word": status.raw})


def _says_no(error: ApiError) -> bool:
    """Whether `/result` was answered, but not as it should be for a request that may be unfinished."""
    return error.is_missing or error.failure.code.startswith("http_4")
