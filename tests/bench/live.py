"""What it costs to look on while a run goes on: for who watches, for the run, for a browser.

    python tests/bench/live.py 50000

Prints figures and judges nothing. News are a hundred jobs of which something has happened.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.catalogue import RUN, jobs_of, pictures_of, state_of
from support.chromium import CHROMIUM, Browser
from support.lag import loop_lag, quantile
from support.tables import table

from runner.batch import Follower
from runner.batch.feed import Feed
from runner.live.server import LiveServer, bound
from runner.model import FilesMissing, JobState
from runner.store.store import Store

NEWS = 100
ROUNDS = 5
BACK = "+(document.querySelector('.tile.s-result_known b')?.textContent ?? 0)"


def timed(act, *arguments):
    """What it answers, and the milliseconds of CPU that it took."""
    began = time.process_time()
    found = act(*arguments)
    return found, 1000 * (time.process_time() - began)


def happen(store, turn):
    """Something happens to a hundred jobs; how many it was."""
    jobs = store.named([f"job-{n}" for n in range(turn * NEWS, (turn + 1) * NEWS)]).values()
    done = [job for job in jobs if job.state is JobState.DONE]
    for job in done:
        store.record_now(job, FilesMissing(at=time.time(), artifacts=()))
    return len(done)


def watched(directory, store):
    """`status --watch`."""
    with Follower(directory) as follower:
        _, first = timed(follower.look)
        _, quiet = timed(follower.look)
        happen(store, 0)
        _, news = timed(follower.look)
    return [("first look", first), ("look at rest", quiet), ("look with news", news)]


def fed(directory, store):
    """The server's side of the page, without HTTP."""
    with closing(Feed(directory)) as feed:
        _, page = timed(feed.page)
        index, packing = timed(feed.index)
        mark = feed.update("").mark
        _, quiet = timed(feed.update, mark)
        happen(store, 1)
        update, news = timed(feed.update, mark)
    costs = [
        ("page without data", page),
        ("read all, and pack it", packing),
        ("update at rest", quiet),
        ("update with news", news),
    ]
    return costs, [("index, packed, kB", len(index) / 1000), ("update with news, kB", len(update.text) / 1000)]


async def shown(directory, store):
    """The browser's side, and how late the event loop is that a run shares with its page."""
    with closing(Feed(directory)) as other:
        figures = other.figures()
    gc.freeze()  # as a run does that serves its page
    with closing(Feed(directory, lambda: figures)) as feed, closing(bound(0)) as listener:
        async with Browser() as browser, loop_lag() as lags, AsyncExitStack() as stack:
            await browser.window(1400, 900)
            began = time.perf_counter()
            server = await stack.enter_async_context(LiveServer(listener, feed))
            await browser.open(server.url, wait="document.querySelector('h1')?.textContent")
            told = time.perf_counter() - began
            await browser.until("document.documentElement.dataset.ready")
            first = time.perf_counter() - began
            await browser.open("about:blank", wait="true")
            began = time.perf_counter()
            await browser.open(server.url)
            ready = time.perf_counter() - began
            await browser.send("Performance.enable")
            before, back = await busy(browser), await browser.js(BACK)
            for turn in range(2, 2 + ROUNDS):
                back += await asyncio.to_thread(happen, store, turn)
                await browser.until(f"{BACK} >= {back}")
            each = (await busy(browser) - before) / ROUNDS
            heap = await browser.heap() / 1e6
    return [
        ("page, opened as the server starts, until it has its verdict, s", told),
        ("page, opened as the server starts, until it can be used, s", first),
        ("page, opened later, until it can be used, s", ready),
        ("browser, an update with news, ms", each),
        ("browser, heap, MB", heap),
        ("event loop late, 99 of 100, ms", quantile(lags, 0.99)),
        ("event loop late, ever, ms", max(lags)),
    ]


async def busy(browser):
    """Milliseconds that the page's scripts have run."""
    metrics = {one["name"]: one["value"] for one in (await browser.send("Performance.getMetrics"))["metrics"]}
    return 1000 * metrics["ScriptDuration"]


def main():
    for number in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory(prefix="live-") as found:
            directory = Path(found)
            state_of(directory, jobs_of(number), replace(RUN, finished_at=None), is_over=False)
            pictures_of(directory)
            with Store(directory) as store:
                looks = watched(directory, store)
                costs, sizes = fed(directory, store)
                table(f"{number:,} jobs, looked at", ["what", "CPU ms"], looks + costs)
                if CHROMIUM:
                    sizes += asyncio.run(shown(directory, store))
            table(f"{number:,} jobs, shown", ["what", "figure"], sizes)


if __name__ == "__main__":
    main()
