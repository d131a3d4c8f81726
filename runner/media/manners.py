"""How other people's servers are asked: few requests at once, fewer after a complaint, none once a host is silent.

A host is remembered until the end: a few hundred bytes each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from runner.media.slots import Slots

MOST_UNANSWERED: Final = 10
"""So many URLs of a host in a row without an answer, each after its retry, and the rest are not asked: a dead host
would hold up all others for hours."""


@dataclass(slots=True)
class _Host:
    slots: Slots
    rest_until: float = 0.0
    unanswered: int = 0


class Manners:
    """The turns of one event loop. `now` and `sleep` are a clock that only has to agree with itself."""

    def __init__(
        self, *, per_host: int, total: int, now: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._per_host = per_host
        self._total = asyncio.Semaphore(total)
        self._now = now
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}

    @contextlib.asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait until the host may be asked once more, and hold that slot."""
        host = self._host(name)
        async with host.slots:
            while (wait_s := host.rest_until - self._now()) > 0:
                await self._sleep(wait_s)
            async with self._total:  # last: nobody rests while holding a place that others could use
                yield

    def complained(self, name: str, rest_s: float) -> None:
        """The host wants to be asked less: it rests, and has one slot fewer from now on, down to one."""
        host = self._host(name)
        host.rest_until = max(host.rest_until, self._now() + rest_s)
        host.slots.resize(max(1, host.slots.width - 1))

    def ended(self, name: str, *, is_answered: bool) -> None:
        """A URL of the host is done with."""
        host = self._host(name)
        host.unanswered = 0 if is_answered else host.unanswered + 1

    def is_silent(self, name: str) -> bool:
        """Whether the host is not worth asking any more."""
        return self._host(name).unanswered >= MOST_UNANSWERED

    def _host(self, name: str) -> _Host:
        if name not in self._hosts:
            self._hosts[name] = _Host(Slots(self._per_host))
        return self._hosts[name]
