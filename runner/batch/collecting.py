"""What an earlier run paid for is collected, also where this one cannot begin.

A photo that is gone, a card that got stricter, a URL that expired: then no POST may leave. But what is paid for already
can be had for a few days only, and for nothing; so it is followed to its end before the run ends with its refusal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from runner.batch.account import check_account
from runner.batch.control import Control
from runner.batch.driving import check_answers, collect
from runner.batch.following import run_of
from runner.batch.log import logging_to
from runner.batch.options import Options, settled
from runner.batch.renaming import runs_of
from runner.batch.service import Service, connect, token_of
from runner.batch.shards import directory_in, shard_of
from runner.errors import BatchError, InputMissing, ManifestInvalid, ServiceUnavailable, UsageProblem
from runner.model import JobState, counted
from runner.report import write_reports
from runner.rules.planning import OPEN
from runner.rules.sharding import Shard
from runner.store.binding import check_used, has_state
from runner.store.lock import RunLock
from runner.store.mounts import refuse_network_mount
from runner.store.reader import Reader
from runner.store.store import Store

UNREADABLE: Final = (ManifestInvalid, InputMissing)
REFUSALS: Final = (*UNREADABLE, ServiceUnavailable)
"""What keeps new jobs from being submitted, and says nothing against reading what became of old ones."""


@asynccontextmanager
async def collected_first(
    directory: Path, service: Service, control: Control, *, is_attended: bool
) -> AsyncIterator[None]:
    """Where what is done meanwhile is refused, collect what is paid for before the refusal goes on its way.

    The caller holds the run lock and has checked the state. Nobody waits who can mend the command at once.
    """
    try:
        yield
    except REFUSALS:
        await _collect(directory, service, control)
        raise
    except UsageProblem:  # no consent, as for a price that rose: night after night, where nobody is there to give it
        if not is_attended:
            await _collect(directory, service, control)
        raise


@asynccontextmanager
async def collected_before(manifest: Path, options: Options, control: Control) -> AsyncIterator[None]:
    """The same for a manifest that cannot be read: its run directory is the one given, or where it was run last."""
    try:
        yield
    except UNREADABLE:
        directory = None
        with suppress(BatchError):  # the refusal says more
            directory = last_directory(manifest, options)
        try:
            if directory is not None and _count(directory):
                async with held(directory, options) as service:
                    await _collect(directory, service, control)
        except BatchError as error:
            control.note(f"what is paid for in {directory} was not collected: {error.message}")
        raise


@asynccontextmanager
async def held(directory: Path, options: Options) -> AsyncIterator[Service]:
    """The service as a run has it, while this process alone works on the directory; raises what keeps it from that."""
    options = settled(options, {})
    refuse_network_mount(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(directory))
        service = await stack.enter_async_context(connect(options, token_of(options), directory))
        await check_state(directory, service)
        yield service


async def check_state(directory: Path, service: Service) -> None:
    """The state must be the directory's own and its newest, this API's and this account's."""
    check_used(directory)
    if has_state(directory):
        with Reader(directory) as reader:
            reader.check_newest(directory)
            await check_account(reader, service, directory)


async def _collect(directory: Path, service: Service, control: Control) -> None:
    """Follow the open requests to their ends, and say so; submits nothing. What fails here is told and no more."""
    if not (count := _count(directory)):
        return
    what = f"{counted(count, 'paid request')} of the run before"
    control.note(f"no job can be submitted; collecting {what} first, Ctrl-C leaves")
    try:
        with logging_to(directory), Store(directory) as store:
            job_ids = [job.job_id for job in store.jobs(OPEN)]
            await check_answers(service, store.jobs(OPEN))
            await collect(store, service, directory, store.jobs(OPEN), control)
            done = sum((job := store.job(job_id)) is not None and job.state is JobState.DONE for job_id in job_ids)
            write_reports(directory, run_of(store, directory), store.jobs, kept=store.kept())
    except (BatchError, OSError) as error:
        control.note(f"{what}: not collected: {error}")
    else:
        control.note(f"no job could be submitted; collected {done:,} of {what}")


def _count(directory: Path) -> int:
    """How many requests of the state are paid for and open."""
    if not has_state(directory):
        return 0
    with Reader(directory) as reader:
        counts = reader.counts()
    return sum(counts.get(state, 0) for state in OPEN)


def last_directory(manifest: Path, options: Options) -> Path | None:
    """The run directory of a manifest that has not said its own name: the one given, or where it was run last.

    `None` where nobody can tell; raises `UsageProblem` where it was run in other shards.
    """
    if options.out is not None:
        return directory_in(Path(options.out), options)
    shard = shard_of(options)
    runs = [(at, state) for at, _, state in runs_of(manifest, Path("runs")) if Shard.of_folder(state.name) == shard]
    return max(runs)[1] if runs else None
