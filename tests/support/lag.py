"""How long the event loop was blocked: how much later than asked for a task wakes that sleeps for a moment."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

NAP_S = 0.002


@asynccontextmanager
async def loop_lag():
    """A list that fills with lags in ms while the context lasts."""
    lags = []

    async def probe():
        while True:
            began = time.perf_counter()
            await asyncio.sleep(NAP_S)
            lags.append((time.perf_counter() - began - NAP_S) * 1000)

    probing = asyncio.create_task(probe(), name="lag")
    try:
        yield lags
    finally:
        probing.cancel()


def quantile(values, share):
    """The value below which that share of them is."""
    order = sorted(values)
    return order[min(len(order) - 1, int(share * len(order)))]
