"""How a run is stopped from outside: by signals, or by the Python API."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runner.errors import ExitCode
from runner.scheduler import Hold, Scheduler

SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,  # a closed terminal ends the run gracefully too
}


class Control:
    """Stops the run it is over: once gracefully, a second time at once, a third time without looking back."""

    def __init__(self, *, note: Callable[[str], None] = lambda _: None) -> None:
        self._note = note
        self._scheduler: Scheduler | None = None
        self._requests = 0

    @contextmanager
    def over(self, scheduler: Scheduler) -> Iterator[None]:
        """Control this scheduler meanwhile."""
        self._scheduler = scheduler
        try:
            if self._requests:
                self._hold(ExitCode.INTERRUPTED)
            yield
        finally:
            self._scheduler = None

    def stop(self, exit_code: ExitCode = ExitCode.INTERRUPTED) -> None:
        """Ask to stop; asking again is more urgent."""
        self._requests += 1
        if self._scheduler is None:
            return
        if self._requests == 1:
            self._note("stopping: waiting for submits in flight; once more to leave at once")
            self._hold(exit_code)
        elif self._requests == 2:
            self._note("leaving: the ids of paid requests are saved")
            self._scheduler.leave_now()
        else:
            os._exit(exit_code)  # what is on the disk is enough to go on from

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Let SIGINT, SIGTERM and SIGHUP stop the run; needs the main thread's event loop."""
        loop = asyncio.get_running_loop()
        for number, exit_code in SIGNALS.items():
            loop.add_signal_handler(number, self.stop, exit_code)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def _hold(self, exit_code: ExitCode) -> None:
        message = "interrupted; the state is saved and the same command goes on"
        hold = Hold(because="interrupted", exit_code=exit_code, message=message, is_immediate=True)
        if self._scheduler is not None:
            self._scheduler.gate.close(hold)
