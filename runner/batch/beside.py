"""What a run does beside its work, for those who look on: its page, its figures in a file, its reports now and then.

Nothing here costs the run more than moments, and nothing here ends it: what breaks is logged.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.api.token import VARIABLES
from runner.batch.control import Control
from runner.batch.feed import Feed
from runner.batch.following import run_of
from runner.batch.options import Options, seconds
from runner.live.figures import Figures, write_to
from runner.rules.pacing import BrakeState
from runner.scheduler.gate import SubmitGate
from runner.store.reader import Reader

if TYPE_CHECKING:
    from runner.live.server import LiveServer

log = logging.getLogger("runner")

METRICS_EVERY_S: Final = 15.0
GRACE_S: Final = 5.0


class RunControls:
    """What the page may say to a run, and how that stands."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def say(self, word: str, value: int | None) -> bool | None:
        """Do it; `False` where nothing runs, `None` for a word that is none."""
        log.info("said on the page", extra={"word": word, "value": value})
        match word:
            case "pause" | "resume":
                return self._control.pause(is_paused=word == "pause")
            case "cap" if value is not None:
                return self._control.limit(value)
            case "stop":
                return self._control.stop_once()
            case _:
                return None

    def standing(self) -> Mapping[str, Any]:
        """How it stands; empty while nothing is driven."""
        gate = self._control.gate
        if gate is None:
            return {}
        return {
            "cap": gate.pacing.cap,
            "ceiling": gate.pacing.ceiling,
            "allowed": gate.allowed,
            "is_paused": gate.is_paused,
            "is_stopping": self._control.is_stopping,
            "waits": _why_nothing_leaves(gate),
        }


def _why_nothing_leaves(gate: SubmitGate) -> str | None:
    """Why no POST leaves, where that is not a person's word."""
    if gate.hold is not None:
        return gate.hold.message
    return f"{gate.brake.reason}: waiting until it is back" if gate.brake.state is BrakeState.ON else None


@asynccontextmanager
async def beside(
    directory: Path,
    options: Options,
    control: Control,
    figures: Callable[[], Figures],
    listener: socket.socket | None,
) -> AsyncIterator[None]:
    """The page and the figures that the options ask for, while the context lasts; `listener` is where it is served."""
    async with AsyncExitStack() as stack:
        if options.metrics_file is not None:
            path = options.metrics_file
            await _write_figures(path, figures, told := _Once(control.note))
            stack.push_async_callback(_write_figures, path, figures, told)
            await stack.enter_async_context(_going_on("metrics", _metrics(path, figures, told)))
        if listener is not None:
            from runner.live.server import LiveServer  # with aiohttp's server: few runs have a page

            gc.freeze()  # else who looks on sets off a collection of all there is, for which the run would stand still
            feed = stack.enter_context(closing(Feed(directory, figures)))
            server = await stack.enter_async_context(LiveServer(listener, feed, RunControls(control)))
            control.note(f"page  {server.url}")
        yield


async def serve(directory: Path, port: int, announce: Callable[[LiveServer], None]) -> None:
    """Serve the page of a run directory, whoever runs it, until cancelled; nothing can be said to the run.

    Raises `InputMissing` where there is no run, `ConfigurationInvalid` where the port is taken.
    """
    from runner.live.server import LiveServer, bound

    with closing(Feed(directory)) as feed, closing(bound(port)) as listener:
        with Reader(directory) as reader:
            run_of(reader, directory)
        async with LiveServer(listener, feed) as server:
            announce(server)
            await asyncio.Event().wait()


@asynccontextmanager
async def reporting(directory: Path, options: Options, note: Callable[[str], None]) -> AsyncIterator[None]:
    """Write the reports now and then; over before the context is, so that no old one replaces the last."""
    every_s = seconds(options.report_every)
    if every_s is None:
        yield
    else:
        async with _going_on("reports", _reports(directory, every_s, _Once(note))):
            yield


@asynccontextmanager
async def _going_on(name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do it meanwhile; an error of it is logged, and that is all."""
    task = asyncio.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        [outcome] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(outcome, Exception):
            log.error("%s broke", name, exc_info=outcome)


# ------------------------------------------------------------------------------------------------------------ figures


class _Once:
    """Tells a person of a trouble once, and again only after it was over."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._is_told = False

    def tell(self, message: str | None) -> None:
        """The trouble; `None` where there is none."""
        if message is not None and not self._is_told:
            self._note(message)
        self._is_told = message is not None


async def _write_figures(path: Path, figures: Callable[[], Figures], told: _Once) -> None:
    try:
        await asyncio.to_thread(write_to, path, figures())
    except OSError as error:
        told.tell(f"--metrics-file {path}: {error.strerror}; the run goes on without")
    else:
        told.tell(None)


async def _metrics(path: Path, figures: Callable[[], Figures], told: _Once) -> None:
    while True:
        await asyncio.sleep(METRICS_EVERY_S)
        await _write_figures(path, figures, told)


# ------------------------------------------------------------------------------------------------------------ reports


async def _reports(directory: Path, every_s: float, told: _Once) -> None:
    """Write the reports now and then, in a process of its own: a large night takes seconds, and much memory."""
    while True:
        await asyncio.sleep(every_s)
        command = (sys.executable, "-P", "-m", "runner", "report", "--", str(directory))
        nowhere = asyncio.subprocess.DEVNULL
        env = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        process = await asyncio.create_subprocess_exec(
            *command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True, env=env
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await _ended(process)
            raise
        told.tell(f"--report-every: no report was written (exit {code}); the run goes on" if code else None)


async def _ended(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    try:
        await asyncio.wait_for(process.wait(), GRACE_S)
    except TimeoutError:
        process.kill()
        await process.wait()
