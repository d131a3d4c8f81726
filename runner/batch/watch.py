"""Looks at the wall clock while a run goes on: whether its time is over, and whether the machine slept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

TICK_S: Final = 5.0
SLEPT_S: Final = 60.0
"""How far the wall clock must run ahead of the loop's, which stands still while a machine sleeps."""


async def watch(
    ends_at: float | None,
    *,
    on_end: Callable[[], None],
    on_sleep: Callable[[float], Awaitable[None]],
    wall: Callable[[], float] | None = None,
) -> None:
    """Call `on_end` once the wall clock reaches `ends_at`, and `on_sleep` with the seconds that were slept.

    Never returns; cancel it. It looks every few seconds, since a timer does not count a machine's sleep.
    """
    wall = wall or time.time
    clock = asyncio.get_running_loop().time
    offset = wall() - clock()
    while True:
        left = TICK_S if ends_at is None else ends_at - wall()
        await asyncio.sleep(min(TICK_S, max(0.0, left)))
        gap = wall() - clock() - offset
        if abs(gap) > SLEPT_S:  # back: somebody set the clock, nobody slept
            offset += gap
            if gap > 0:
                await on_sleep(gap)
        if ends_at is not None and wall() >= ends_at:
            ends_at = None
            on_end()


def next_at(time_of_day: str, now: float) -> float:
    """The next instant with that local time of day."""
    hour, minute = map(int, time_of_day.split(":"))
    start = datetime.fromtimestamp(now)  # noqa: DTZ006 a person's "07:30" is local
    end = start.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (end if end > start else end + timedelta(days=1)).timestamp()
