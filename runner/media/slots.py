"""Turns of one event loop, whose number may change while they are taken."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Slots:
    """So many at a time; an async context manager for each turn."""

    def __init__(self, width: int) -> None:
        self.width = width
        self._semaphore = asyncio.Semaphore(width)
        self._surplus = 0
        """Turns that are taken and do not come back."""

    @property
    def is_full(self) -> bool:
        """Whether every turn is taken."""
        return self._semaphore.locked()

    def resize(self, width: int) -> None:
        """Let there be so many; those that are taken end in their own time."""
        more = width - self.width
        self.width = width
        kept = min(max(more, 0), self._surplus)
        self._surplus += max(-more, 0) - kept
        for _ in range(more - kept):
            self._semaphore.release()

    async def __aenter__(self) -> None:
        await self._semaphore.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._surplus:
            self._surplus -= 1
        else:
            self._semaphore.release()
