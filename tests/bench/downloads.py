"""How fast outputs reach the disk, beside `curl -Z`, which neither hashes nor syncs them.

    python tests/bench/downloads.py

Ours streams, hashes, syncs file and folder, and renames. What decoding costs stands apart: it is asked of no other.
The lag is how long the event loop was blocked, beside one that has nothing to do: on a busy machine that waits as well.
`disk` is what is written and synced by two threads with no network at all.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.lag import loop_lag, quantile
from support.quick_server import quick_server
from support.tables import table

from runner.media import download, files
from runner.media.download import Downloader
from runner.media.guard import HostPolicy
from runner.media.sniff import Found, inspect
from runner.media.values import FetchSpec, SecretUrl
from runner.rules.bandwidth import fixed

AT_ONCE = 16


def ours(base, folder, count):
    """MB/s aside: seconds, CPU seconds, and the loop's lags."""

    async def main():
        async with Downloader(
            folder, HostPolicy(allow_loopback=True), run_id="bench", line=fixed(AT_ONCE)
        ) as downloader:
            async with loop_lag() as lags:
                specs = (
                    FetchSpec(job_id=f"{n}", index=1, url=SecretUrl(f"{base}/file/{n}.png"), stem=f"images/{n}")
                    for n in range(count)
                )
                outcomes = await asyncio.gather(*map(downloader.fetch, specs))
            assert all(outcome.artifact for outcome in outcomes)
            return lags

    download.inspect = lambda path, **_: Found(format="png", width=1, height=1)
    cpu, wall = time.process_time(), time.perf_counter()
    lags = asyncio.run(main())
    return time.perf_counter() - wall, time.process_time() - cpu, lags


def curl(base, folder, count):
    """The same files by curl."""
    pairs = (f'url = "{base}/file/{n}.png"\noutput = "{folder}/{n}.png"\n' for n in range(count))
    (folder / "files").write_text("".join(pairs))
    command = ["curl", "-s", "-Z", "--no-progress-meter", "--parallel-max", str(AT_ONCE), "-K", str(folder / "files")]
    wall = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return time.perf_counter() - wall, usage.ru_utime + usage.ru_stime, []


def disk(_, folder, count):
    """What the disk takes of it: written, hashed and synced by two threads, with no network."""
    body = random.Random(1).randbytes(SIZE)

    def write(number):
        part = files.Part(folder, "bench")
        part.append([body])
        part.settle(folder / f"{number}.png")
        files.sync_folder(folder)

    cpu, wall = time.process_time(), time.perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(count)))
    return time.perf_counter() - wall, time.process_time() - cpu, []


def idle(_, __, ___):
    """A loop with nothing to do."""

    async def main():
        async with loop_lag() as lags:
            await asyncio.sleep(1.0)
        return lags

    return 1.0, None, asyncio.run(main())


SIZE = 2_000_000
WAYS = {"curl -Z": curl, "runcomfy-batch": ours, "disk": disk, "an idle loop": idle}


def decoding():
    """What it costs to decode a picture whole, in ms."""
    rows = []
    for name, kind, size in (("PNG, 1024 x 1024", "PNG", 1024), ("JPEG, 1024 x 1024", "JPEG", 1024)):
        with tempfile.TemporaryDirectory() as folder:
            file = io.BytesIO()
            Image.effect_noise((size, size), 20).convert("RGB").save(file, kind)
            path = Path(folder) / "picture"
            path.write_bytes(file.getvalue())
            began = time.process_time()
            for _ in range(5):
                assert isinstance(inspect(path), Found)
            rows.append((name, len(file.getvalue()), (time.process_time() - began) / 5 * 1000))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    names = [name for name in WAYS if name != "curl -Z" or shutil.which("curl")]
    runs = {name: [] for name in names}
    table("decoding, off the loop", ["picture", "bytes", "CPU ms"], decoding())
    with quick_server(SIZE) as base:
        for _ in range(arguments.rounds):
            for name in names:
                with tempfile.TemporaryDirectory(prefix="downloads-") as folder:
                    runs[name].append(WAYS[name](base, Path(folder), arguments.files))
    rows = []
    for name, found in runs.items():
        wall = statistics.median(run[0] for run in found)
        cpu = None if found[0][1] is None else statistics.median(run[1] for run in found) / arguments.files * 1000
        lags = [lag for run in found for lag in run[2]]
        per_s = None if name == "an idle loop" else arguments.files * SIZE / wall / 1e6
        worst = (quantile(lags, 0.99), max(lags)) if lags else (None, None)
        rows.append((name, per_s, cpu, *worst))
    rows = [(name, per_s, per_s and per_s / rows[0][1], *rest) for name, per_s, *rest in rows]
    title = f"{arguments.files} files of {SIZE / 1e6:g} MB, {AT_ONCE} at once; median of {arguments.rounds}"
    table(title, ["way", "MB/s", f"÷ {names[0]}", "CPU ms a file", "lag p99 ms", "lag most ms"], rows)


if __name__ == "__main__":
    main()
