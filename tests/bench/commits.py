"""What durability costs: jobs through the state with 5 events each, 64 at once, every one on the disk before the next.

    python tests/bench/commits.py

Group commit: while one transaction is synced, the next writes gather. The lag is how long the event loop was blocked.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.lag import loop_lag, quantile
from support.tables import table

from runner.model import (
    Artifact,
    Collected,
    JobSpec,
    RemoteState,
    RemoteStatus,
    ResultRead,
    StatusSeen,
    SubmitAccepted,
    SubmitIntended,
)
from runner.store.store import Store

WRITERS = 64
RUNNING = RemoteStatus(state=RemoteState.RUNNING, raw="in_progress")
FILE = Artifact(path="images/a.png", sha256="s", bytes=1, width=1, height=1, format="png", source_url="u", index=1)


def events(number):
    """The life of a job that goes well."""
    return (
        SubmitIntended(at=1.0, payload_sha256="p", reserved=None),
        SubmitAccepted(at=2.0, request_id=f"r-{number}", look_at=3.0),
        StatusSeen(at=3.0, status=RUNNING, look_at=4.0),
        ResultRead(at=5.0, outputs=("https://files.example/a.png",), cost=None),
        Collected(at=6.0, artifacts=(FILE,)),
    )


async def record_all(store, waits):
    """All jobs to their ends by `WRITERS` writers; how long each event took goes into `waits`, in ms."""
    jobs = enumerate(store.jobs())

    async def write():
        for number, job in jobs:
            current = job
            for event in events(number):
                began = time.perf_counter()
                current = await store.record(current, event)
                waits.append((time.perf_counter() - began) * 1000)

    async with loop_lag() as lags:
        await asyncio.gather(*(write() for _ in range(WRITERS)))
    return lags


def measured(jobs):
    """Jobs/s, CPU ms a job, commits a job, p50 and p99 of an event in ms, p99 and most of the loop's lag in ms."""
    with tempfile.TemporaryDirectory(prefix="commits-") as folder, Store(Path(folder)) as store:
        store.put_specs([JobSpec(job_id=f"{n}", model="m", inputs={}, fingerprint=f"{n}") for n in range(jobs)])
        commits, waits = 0, []
        commit = store._writer._commit

        def counted(*arguments, **more):
            nonlocal commits
            commits += 1
            return commit(*arguments, **more)

        store._writer._commit = counted
        cpu, wall = time.process_time(), time.perf_counter()
        lags = asyncio.run(record_all(store, waits))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    lag = (quantile(lags, 0.99), max(lags))
    return jobs / wall, cpu / jobs * 1000, commits / jobs, quantile(waits, 0.5), quantile(waits, 0.99), *lag


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    runs = [measured(arguments.jobs) for _ in range(arguments.rounds)]
    columns = ["jobs/s", "CPU ms a job", "commits a job", "event p50 ms", "event p99 ms", "lag p99 ms", "lag most ms"]
    title = f"{arguments.jobs:,} jobs, 5 events each, {WRITERS} at once; median of {arguments.rounds}"
    table(title, columns, [[statistics.median(column) for column in zip(*runs, strict=True)]])


if __name__ == "__main__":
    main()
