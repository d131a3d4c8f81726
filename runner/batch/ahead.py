"""What is paid for is asked about while the manifest is still being read.

A large manifest takes its time, and until it is read nobody knows what is to be sent. But what was sent is known: its
results can be read meanwhile, and are on the disk however the reading ends. Small ones are read in a moment.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from runner.api.wire import ApiError
from runner.batch.collecting import held, last_directory
from runner.batch.options import Options
from runner.batch.service import Service
from runner.errors import BatchError
from runner.model import Job, JobState, ResultRead, Resumed
from runner.rules.polling import Polling, Sight
from runner.scheduler.outcomes import of_result
from runner.store.database import FILE
from runner.store.reader import Reader
from runner.store.store import Store

log: Final = logging.getLogger("runner")
LARGE: Final = 4 << 20
"""Bytes of a state: that of some thousand jobs."""
AT_ONCE: Final = 8
HEAD_START_S: Final = 1.0
"""How long the first answer is waited for before the reading begins."""
PAUSE_S: Final = 5.0
"""Between two rounds."""
T = TypeVar("T")


async def looking_ahead(manifest: Path, options: Options, read: Callable[[], T]) -> T:
    """What `read` gives; where it will take a while, the results of open requests are read meanwhile.

    Raises what `read` raises. Whatever keeps the results from being read, the run itself will meet, and tell.
    """
    directory = None
    if not options.simulate:
        with suppress(BatchError):
            directory = last_directory(manifest, options)
    if directory is None or not _is_large(directory):
        return read()
    answered = asyncio.Event()
    looking = asyncio.create_task(_look(directory, options, answered), name="look-ahead")
    looking.add_done_callback(lambda _: answered.set())
    try:
        with suppress(TimeoutError):  # a thread that reads leaves little time to others
            await asyncio.wait_for(answered.wait(), HEAD_START_S)
        return await asyncio.to_thread(read)
    finally:
        looking.cancel()
        [error] = await asyncio.gather(looking, return_exceptions=True)
        if isinstance(error, Exception):
            log.info("not looked ahead", extra={"why": str(error)})


def _is_large(directory: Path) -> bool:
    try:
        return (directory / FILE).stat().st_size >= LARGE
    except OSError:
        return False


async def _look(directory: Path, options: Options, answered: asyncio.Event) -> None:
    """Read the results of the requests that are open, a few at a time, until cancelled; submits nothing.

    `answered` is set once the service has.
    """
    async with held(directory, options) as service, _opening(directory) as opened:
        with Reader(directory) as reader:
            await _rounds(service, reader, opened, answered)


@asynccontextmanager
async def _opening(directory: Path) -> AsyncIterator[asyncio.Task[Store]]:
    """The state to write to, while it is opened: a large one is looked over for seconds. Closed at the end."""
    opened = asyncio.create_task(asyncio.to_thread(Store, directory), name="open-state")
    try:
        yield opened
    finally:
        await asyncio.wait((opened,))
        if opened.exception() is None:
            opened.result().close()


async def _rounds(service: Service, reader: Reader, opened: asyncio.Task[Store], answered: asyncio.Event) -> None:
    """One round after another, as long as the service answers."""
    while True:
        jobs = reader.jobs([JobState.SUBMITTED])
        async with asyncio.TaskGroup() as group:  # none goes on where another breaks
            reading = [group.create_task(_read_results(jobs, service, opened, answered)) for _ in range(AT_ONCE)]
        if not all(task.result() for task in reading):
            return
        answered.set()
        await asyncio.sleep(PAUSE_S)


async def _read_results(
    jobs: Iterator[Job], service: Service, opened: asyncio.Task[Store], answered: asyncio.Event
) -> bool:
    """Read those that are there; what came to nothing the run is to find, and tell. Whether it is worth to go on."""
    for job in jobs:
        try:
            result = await service.api.result(job.request_id or "")
        except ApiError as error:
            if not error.is_missing:  # an outage, a throttle, an account that is refused: the scheduler knows better
                return False
            continue
        finally:
            answered.set()
        now = time.time()
        event = of_result(job, result, Sight(polling=Polling()), now, dice=0.5)
        if isinstance(event, ResultRead):
            store = await asyncio.shield(opened)
            store.record_now(job, event, opening=Resumed(at=now))
    return True
