"""How a run is stopped, paused and narrowed from outside: by signals, by its page, or by the Python API."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from runner.errors import ExitCode
from runner.model import counted
from runner.scheduler import Hold, Scheduler
from runner.scheduler.gate import SubmitGate

SIGNALS = {
    signal.SIGINT: ExitCode.INTERRUPTED,
    signal.SIGTERM: ExitCode.TERMINATED,
    signal.SIGHUP: ExitCode.TERMINATED,  # a closed terminal ends the run gracefully too
}
LAST_REQUEST: Final = 3
LEAVING: Final = "leaving: submits in flight have a few seconds left, what is known is saved"
T = TypeVar("T")


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
        self._waiting: asyncio.Task[Any] | None = None
        self._requests = 0
        self._answered = 0

    @contextmanager
    def over(self, scheduler: Scheduler) -> Iterator[None]:
        """Control this scheduler meanwhile."""
        self._beginning = None
        self._scheduler = scheduler
        try:
            if self.is_stopping:
                self._hold()
            yield
        finally:
            self._scheduler = None

    @contextmanager
    def last(self, task: asyncio.Task[Any]) -> Iterator[None]:
        """What is done after the run meanwhile: being asked to stop ends it."""
        self._beginning = task
        try:
            yield
        finally:
            self._beginning = None

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._requests > 0

    async def unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Do what takes a while between two schedulers; `None` where a person asks to stop meanwhile: it is left."""
        task = self._waiting = asyncio.create_task(work, name="unless-stopped")
        try:
            await asyncio.wait((task,))
        finally:
            self._waiting = None
            task.cancel()
        return None if task.cancelled() else task.result()

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
        if self._waiting is not None:
            self.note(LEAVING)
            self._waiting.cancel()
        elif self._scheduler is None:
            if self._beginning is not None:  # nothing is paid for yet
                self._beginning.cancel()
        elif self._requests - self._answered == 1:
            self.note("stopping: waiting for submits in flight; once more to leave at once")
            self._hold()
        else:
            self.note(LEAVING)
            self._scheduler.leave_now()

    # --------------------------------------------------------------------------- what a person says while it goes on

    @property
    def gate(self) -> SubmitGate | None:
        """The gate of what is controlled now, to be looked at."""
        return self._scheduler.gate if self._scheduler is not None else None

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was asked for that is not done yet."""
        return self._requests > self._answered

    def stop_once(self) -> bool:
        """Ask to stop as the first Ctrl-C does, and never more urgently; whether there was something to stop."""
        if self._scheduler is None or self.is_stopping:
            return False
        self.stop()
        return True

    def pause(self, *, is_paused: bool) -> bool:
        """Let no more paid POSTs leave, or let them leave again; whether there was something to say it to.

        It is kept nowhere: what is controlled next is not paused.
        """
        if self.gate is None:
            return False
        if self.gate.is_paused is not is_paused:
            self.gate.pause(is_paused=is_paused)
            self.note("paused: what is in flight is collected" if is_paused else "resumed")
        return True

    def limit(self, most: int) -> bool:
        """At most so many requests in flight, never more than the run began with; whether there was a run to limit."""
        if self.gate is None:
            return False
        self.gate.limit(most)
        self.note(f"at most {counted(self.gate.pacing.ceiling, 'request')} in flight")
        return True

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
