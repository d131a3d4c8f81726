"""What a job costs the client: CPU of its process for submit, status, result and a file on the disk.

    pip install fal-client==1.0.3 replicate==1.0.7 && python tests/bench/client.py

Each client runs in a process of its own against one server in another; the runs alternate, and the median counts.
Ours is the whole run: manifest, plan, intent, request id, result, file, hash, every fsync, and the reports; apart from
that stand its jobs alone, without manifest, plan and reports. Decoding the picture is left out, since nobody else does
it; a million jobs fit the disk with `--file-kb 2`. The peers record nothing; the bare loop is a session of aiohttp, and
a file that is written as it comes.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.quick_server import MODEL, quick_server
from support.tables import table

CAP = 64
INPUTS = {"prompt": "White.", "image_urls": ["https://photos.example.com/mug-red.jpg"]}


# ------------------------------------------------------------------------------------------------------- the clients


async def at_once(jobs, do):
    """So many jobs by `CAP` workers."""
    numbers = iter(range(jobs))

    async def work():
        for number in numbers:
            await do(number)

    await asyncio.gather(*(work() for _ in range(CAP)))


async def bare(base, folder, jobs):
    """A loop over aiohttp: one session, kept connections."""
    import aiohttp

    headers = {"Authorization": "Bearer play-money"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:

        async def do(number):
            async with session.post(f"{base}/v1/models/{MODEL}", json=INPUTS) as response:
                name = (await response.json())["request_id"]
            async with session.get(f"{base}/v1/requests/{name}/status") as response:
                assert (await response.json())["status"] == "COMPLETED"
            async with session.get(f"{base}/v1/requests/{name}/result") as response:
                url = (await response.json())["output"]["image"]
            async with session.get(url) as response:
                (folder / f"{number}.png").write_bytes(await response.read())

        await at_once(jobs, do)


alone = []
"""CPU seconds that the jobs themselves took in each run of ours."""


async def ours(base, folder, jobs):
    """The whole program."""
    import runner
    from runner.batch import driving, execution
    from runner.media import download
    from runner.media.sniff import Found
    from runner.rules.polling import Polling

    quick = Polling(first_s=0.02, blind_s=0.02)
    driving.Settings = partial(driving.Settings, polling=quick)
    download.inspect = lambda path, **_: Found(format="png", width=1, height=1)
    schedule = execution.Execution._schedule

    async def timed(self):
        began = time.process_time()
        try:
            return await schedule(self)
        finally:
            alone.append(time.process_time() - began)

    execution.Execution._schedule = timed
    with (folder / "jobs.jsonl").open("w") as file:
        file.writelines(json.dumps(INPUTS | {"prompt": f"Take {n}."}) + "\n" for n in range(jobs))
    given = {"base_url": f"{base}/v1", "token": "play-money", "yes": True, "out": folder / "out"}
    try:
        await runner.run(folder / "jobs.jsonl", concurrency=CAP, download_concurrency=CAP, **given)
    finally:
        execution.Execution._schedule = schedule


async def fal(base, folder, jobs):
    """fal's client, and httpx for the file."""
    os.environ["FAL_KEY"] = "a:b"
    import httpx
    from fal_client import AsyncClient, client

    client.QUEUE_URL_FORMAT = f"{base}/"
    fal_client = AsyncClient()
    async with httpx.AsyncClient() as files:

        async def do(number):
            handle = await fal_client.submit(MODEL, arguments=INPUTS)
            result = await handle.get()
            answer = await files.get(result["images"][0]["url"])
            (folder / f"{number}.png").write_bytes(answer.content)

        await at_once(jobs, do)


async def replicate(base, folder, jobs):
    """Replicate's client, which reads the file as well."""
    from replicate import Client
    from replicate.helpers import FileOutput

    client = Client(api_token="play-money", base_url=base)
    client.poll_interval = 0.02

    async def do(number):
        url = await client.async_run("a/b", input=INPUTS)
        (folder / f"{number}.png").write_bytes(await FileOutput(url, client).aread())  # it does so itself for https

    await at_once(jobs, do)


CLIENTS = {"bare aiohttp": bare, "runcomfy-batch": ours, "fal-client": fal, "replicate": replicate}


# ------------------------------------------------------------------------------------------------------ the measuring


def pictures_in(folder):
    """How many there are, however many: none is kept in memory."""
    with os.scandir(folder) as entries:
        return sum(pictures_in(one) if one.is_dir() else one.name.endswith(".png") for one in entries)


def measured(name, base, jobs):
    """One run in this process, warmed up: wall time and CPU a job in ms, the jobs' alone, and the most memory in MB."""
    for count in (min(jobs, CAP), jobs):
        with tempfile.TemporaryDirectory(prefix="client-") as directory:
            folder = Path(directory)
            cpu, wall = time.process_time(), time.perf_counter()
            asyncio.run(CLIENTS[name](base, folder, count))
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before the many files are gone through
            assert pictures_in(folder) == count
    return wall / jobs * 1000, cpu / jobs * 1000, (alone[-1] if alone else cpu) / jobs * 1000, memory


def is_there(name):
    """Whether a client is installed."""
    try:
        return name in ("bare aiohttp", "runcomfy-batch") or bool(importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--file-kb", type=int, default=200)
    parser.add_argument("--only", choices=CLIENTS, action="append")
    parser.add_argument("--child", choices=CLIENTS, help=argparse.SUPPRESS)
    parser.add_argument("--base", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(arguments.child, arguments.base, arguments.jobs)))
        return
    names = [name for name in arguments.only or CLIENTS if is_there(name)]
    runs = {name: [] for name in names}
    with quick_server(arguments.file_kb * 1000) as base:
        for _ in range(arguments.rounds):
            for name in names:
                command = [sys.executable, __file__, "--child", name, "--base", base, "--jobs", str(arguments.jobs)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
                runs[name].append(json.loads(done.stdout))
    medians = {name: [statistics.median(column) for column in zip(*found, strict=True)] for name, found in runs.items()}
    least = medians[names[0]][2]
    rows = [
        (name, cpu, cpu / least, bare_cpu, bare_cpu / least, wall, memory)
        for name, (wall, cpu, bare_cpu, memory) in medians.items()
    ]
    columns = ["client", "CPU ms a job", "÷ first", "jobs alone", "÷ first", "wall ms a job", "RSS MB"]
    table(f"{arguments.jobs:,} jobs, {CAP} at once; median of {arguments.rounds} alternating runs", columns, rows)


if __name__ == "__main__":
    main()
