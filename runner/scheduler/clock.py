"""One clock for a whole run."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the instant; sleeping is safe to cancel."""

    def now(self) -> float:
        """Seconds since the epoch; never goes back."""

    async def sleep_until(self, instant: float) -> None:
        """Return at the instant or later."""


class LoopClock:
    """The event loop's time on the wall clock's scale as it was when the run began.

    A wall clock that is set back or forward in the middle of a run moves no deadline, and a loop with virtual time has
    virtual instants.
    """

    def __init__(self) -> None:
        self._offset = time.time() - asyncio.get_running_loop().time()

    def now(self) -> float:
        """Seconds since the epoch; never goes back."""
        return asyncio.get_running_loop().time() + self._offset

    async def sleep_until(self, instant: float) -> None:
        """Return at the instant or later."""
        await asyncio.sleep(max(0.0, instant - self.now()))
