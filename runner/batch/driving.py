"""A scheduler over an open state and service, with the real clock, dice and disk."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from runner.api.wire import ApiError
from runner.batch.control import Control
from runner.batch.live import pricer
from runner.batch.options import Options, seconds, settled
from runner.batch.service import Service
from runner.errors import AccountRefused, ExitCode, ServiceUnavailable, StorageFailed
from runner.media.download import Downloader
from runner.model import DoubtAttached, Failure, FailureKind, Job, JobState, Money, Price, SubmitLost
from runner.rules.bandwidth import fixed, learning
from runner.rules.budget import budget_of
from runner.rules.lifecycle import Policies
from runner.scheduler import Keeping, LoopClock, Scheduler, Settings
from runner.store.store import Store

PROBES: Final = 3
PROBE_GAP_S: Final = 2.0
CANCELS_AT_ONCE: Final = 8
"""A service in trouble may take half a minute for each."""


@asynccontextmanager
async def scheduling(
    store: Store,
    service: Service,
    directory: Path,
    options: Options,
    prices: Mapping[str, Price],
    on_change: Callable[[Job | None, Job], None],
    on_crash: Callable[[str, Failure], None] = lambda _, __: None,
    on_stop: Callable[[str, str], None] = lambda _, __: None,
    keeping: Keeping | None = None,
    least: Money | None = None,
    policies: Policies | None = None,
) -> AsyncIterator[Scheduler]:
    """A scheduler, ready to run; `options` are settled. Its downloads end with the context."""
    settings = Settings(
        max_in_flight=options.ceiling,
        is_strict=options.concurrency is not None,
        policies=policies or Policies(job_deadline_s=seconds(options.job_timeout) or 1800.0),
        drain_s=20.0 if options.on_interrupt == "drain" else 0.0,
        least=least,
    )
    line = learning() if options.download_concurrency is None else fixed(options.download_concurrency)
    async with Downloader(directory, service.hosts, run_id=uuid4().hex[:12], line=line) as downloader:
        yield Scheduler(
            api=service.api,
            store=store,
            downloader=downloader,
            clock=LoopClock(),
            dice=random.random,
            budget=budget_of(options.max_cost, store.bills()),
            price_of=pricer(prices),
            settings=settings,
            on_change=on_change,
            on_crash=on_crash,
            on_stop=on_stop,
            keeping=keeping or Keeping(directory, store),
            noticed=store.noticed(),
        )


def settle_open_intents(store: Store, now: float) -> bool:
    """What an earlier run's death left between the first byte and the answer is in doubt; the caller holds the lock.

    Unless the answer was saved beside a state that could not be written: then it is found. Raises `StorageFailed` where
    such an answer fits nowhere. Returns whether something came to light that a plan made before could not see: such an
    answer, or an intent that an earlier version left behind and no job's state tells of.
    """
    died = Failure(
        kind=FailureKind.TRANSIENT, code="died", message="the run ended between the first byte and the answer"
    )
    wedged = store.wedged()
    is_news = bool(wedged)
    for job in (*store.jobs([JobState.SUBMITTING]), *wedged):
        store.record_now(job, SubmitLost(at=now, failure=died))
    for saved in store.saved():
        found = store.job(saved.job_id)
        is_in_doubt = found is not None and (found.state is JobState.IN_DOUBT or found.is_written_off)
        is_new = store.owner_of(saved.request_id) is None
        if found is not None and is_in_doubt and is_new and found.attempts[-1].number == saved.attempt:
            store.record_now(found, DoubtAttached(at=now, request_id=saved.request_id))
            is_news = True
    store.forget_saved()
    return is_news


async def collect(
    store: Store, service: Service, directory: Path, jobs: Iterable[Job], control: Control | None = None
) -> None:
    """Follow requests that are paid already to their ends, downloads and all; submits nothing.

    An outage makes it no longer. Raises `StorageFailed` and `AccountRefused` where that is why it could not.
    """
    policies = Policies(outage_patience_s=0.0)
    options = settled(Options(), {})
    unseen = partial(scheduling, on_change=lambda _, __: None, policies=policies)
    async with unseen(store, service, directory, options, {}) as scheduler:
        with (control or Control()).over(scheduler):
            hold = await scheduler.run(jobs)
    if hold is not None and hold.exit_code is ExitCode.IO_ERROR:
        raise StorageFailed(hold.message)
    if hold is not None and hold.exit_code is ExitCode.NO_PERMISSION:
        raise AccountRefused(hold.message)


async def check_answers(service: Service, jobs: Iterable[Job]) -> None:
    """Raise `ServiceUnavailable` where the service says nothing of an open request: to follow any would be to wait."""
    job = next((job for job in jobs if job.state is JobState.SUBMITTED and job.request_id is not None), None)
    for probe in range(1, PROBES + 1):
        try:
            if job is not None:
                await service.api.status(job.request_id or "")
        except ApiError as error:
            if error.failure.kind is not FailureKind.TRANSIENT:
                return  # an answer, whatever it says
            if probe == PROBES:
                raise ServiceUnavailable(
                    f"{service.api.base} cannot be used: {error.failure.message}. Nothing was changed; try again later."
                ) from error
            await asyncio.sleep(PROBE_GAP_S)
        else:
            return


async def cancel_queued(store: Store, service: Service, job_ids: set[str] | None = None) -> dict[str, str]:
    """Ask the service to cancel open requests; each job's outcome in a word. What it cannot cancel may still bill.

    What became of each is not recorded here: only the service can say, and `collect` asks it.
    """
    slots = asyncio.Semaphore(CANCELS_AT_ONCE)

    async def ask(request_id: str) -> str:
        async with slots:
            try:
                return await service.api.cancel(request_id)
            except ApiError as error:
                return f"unknown: {error.failure.message}"

    open_ = {job.job_id: job.request_id for job in store.jobs([JobState.SUBMITTED]) if job.request_id is not None}
    asked = {job_id: name for job_id, name in open_.items() if job_ids is None or job_id in job_ids}
    words = await asyncio.gather(*map(ask, asked.values()))
    return dict(zip(asked, words, strict=True))
