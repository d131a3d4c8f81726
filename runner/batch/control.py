"""How a run is stopped from outside: by signals, or by the Python API."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from runner.errors import ExitCode
from runner.scheduler import Hold, Scheduler

SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,  # a closed terminal ends the run gracefully too
}
LAST_REQUEST: Final = 3


@contextmanager
def default_signals() -> Iterator[None]:
    """Signals end the process as they do any program's, while it waits for a person and the loop stands still."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Control:
    """Stops what it is over: once gracefully, a second time at once, a third time without looking back."""

    def __init__(self, *, note: Callable[[str], None] = lambda _: None) -> None:
        self.note = note
        """Tells the person at the terminal."""
        self.exit_code = ExitCode.INTERRUPTED
        """What the first request to stop asked the process to answer."""
        self._scheduler: Scheduler | None = None
        self._beginning: asyncio.Task[Any] | None = None
        self._requests = 0
        self._answered = 0

    @contextmanager
    def over(self, scheduler: Scheduler) -> Iterator[None]:
        """Control this scheduler meanwhile."""
        self._beginning = None
        self._scheduler = scheduler
        try:
            if self._requests > self._answered:
                self._hold()
            yield
        finally:
            self._scheduler = None

    def answer(self) -> None:
        """What was asked so far is done: a scheduler that comes now is stopped by being asked once more."""
        self._answered = self._requests

    def stop(self, exit_code: ExitCode = ExitCode.INTERRUPTED) -> None:
        """Ask to stop; asking again is more urgent."""
        self._requests += 1
        if self._requests == 1:
            self.exit_code = exit_code
        elif self._requests >= LAST_REQUEST:
            os._exit(exit_code)  # what is on the disk is enough to go on from
        if self._scheduler is None:
            if self._beginning is not None:  # nothing is paid for yet
                self._beginning.cancel()
        elif self._requests - self._answered == 1:
            self.note("stopping: waiting for submits in flight; once more to leave at once")
            self._hold()
        else:
            self.note("leaving: the ids of paid requests are saved")
            self._scheduler.leave_now()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let SIGINT, SIGTERM and SIGHUP stop the current task and what it runs; needs the main thread's event loop.

        Until a scheduler runs, they cancel the task.
        """
        loop = asyncio.get_running_loop()
        self._beginning = asyncio.current_task()
        for number, exit_code in SIGNALS.items():
            loop.add_signal_handler(number, self.stop, exit_code)
        try:
            yield
        finally:
            self._beginning = None
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _hold(self) -> None:
        message = "interrupted; the state is saved and the same command goes on"
        hold = Hold(because="interrupted", exit_code=self.exit_code, message=message, is_immediate=True)
        if self._scheduler is not None:
            self._scheduler.gate.close(hold)
