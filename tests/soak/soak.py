"""A long run over real sockets with faults of every kind: what it costs in memory and open files, and what was paid.

    python tests/soak/soak.py 1500          # 20000 by hand

The service runs in a process of its own, with tiny pictures. Prints a JSON document.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from itertools import accumulate
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image
from support.processes import COMMAND, environment

from runner.model import canonical
from runner.simulator import Simulator, SimulatorSettings
from runner.simulator import files as simulator_files
from runner.simulator.settings import CALL_KINDS, FILE_KINDS, JOB_KINDS, FaultRule

CAP = 96
TOKEN = "canary-token-50a4"
SHARE = 0.05
SLOW = {"hang", "slow", "stall", "lost"}
"""Kinds that only take time: the other harnesses have them."""


def faults():
    """A twentieth of the calls of each sort go wrong, in every way."""
    sorts = {"submit": CALL_KINDS, "status": CALL_KINDS, "result": CALL_KINDS, "file": FILE_KINDS, "job": JOB_KINDS}
    for on, kinds in sorts.items():
        quick = sorted(kinds - SLOW)
        for kind in quick:
            yield FaultRule(on=on, kind=kind, probability=SHARE / len(quick), retry_after="0.2")


def serve():
    """The service; says where it is. It ends with its input, and says from when to when each request ran."""
    dice = random.Random(4)
    pictures = {}

    def paint(inputs, variant, seed):
        key = canonical(inputs) + bytes([variant])
        if key not in pictures:
            file = io.BytesIO()
            Image.effect_noise((16, 16), 40 + dice.random()).convert("RGB").save(file, "PNG")
            pictures[key] = file.getvalue()
        return pictures[key]

    simulator_files.edit = paint

    async def main():
        async with Simulator(SimulatorSettings(slots=CAP, latency_s=1.2, faults=tuple(faults()))) as simulator:
            print(simulator.api_base, flush=True)
            await asyncio.to_thread(sys.stdin.read)
            ran = {r.request_id: (r.accepted_at, r.finish_at) for r in simulator.book.requests.values()}
            print(json.dumps(ran))

    asyncio.run(main())


def soak(jobs, directory):
    """Run so many jobs; what was seen."""
    url = "https://photos.example.com/mug-red.jpg"
    lines = [
        {"id": f"job-{n}", "prompt": f"Take {n}.", "image_urls": [url], "output_format": "png"} for n in range(jobs)
    ]
    (directory / "jobs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    service = subprocess.Popen(
        [sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        base = service.stdout.readline().strip()
        env = environment(RUNCOMFY_MODEL_API_BASE=base, RUNCOMFY_TOKEN=TOKEN)
        arguments = ("run", "jobs.jsonl", "--yes", "--out", "out", "--concurrency", str(CAP), "-q")
        began = time.monotonic()
        run = subprocess.Popen(
            [*COMMAND, *arguments], cwd=directory, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        seen = list(watch(run))
        seconds = time.monotonic() - began
        with urllib.request.urlopen(base.removesuffix("/v1") + "/simulator/ledger", timeout=30) as answer:
            ledger = json.load(answer)
    finally:
        service.stdin.close()
        ran = json.loads(service.stdout.read())
        service.stdout.close()
        service.wait(timeout=30)
    summary = json.loads((directory / "out" / "summary.json").read_text())
    known = list(known_ids(directory / "out" / "results.jsonl"))
    memory, files = zip(*seen, strict=True)
    half = len(seen) // 2
    return {
        "jobs": jobs,
        "exit_code": run.returncode,
        "counts": summary["counts"],
        "seconds": round(seconds, 1),
        "accepted": ledger["accepted"],
        "most_posts_taken_per_job": max(ledger["by_payload"].values()),
        "peak_in_flight": ledger["peak_in_flight"],
        "peak_in_flight_known": peak([ran[request_id] for request_id in known]),
        "leaks": ledger["leaks"],
        "faults_struck": sum(fault["hits"] for fault in ledger["faults"]),
        "kinds_struck": sum(fault["hits"] > 0 for fault in ledger["faults"]),
        "kinds": len(ledger["faults"]),
        "memory_mb_first_half": round(statistics.median(memory[half // 4 : half]) / 1024, 1),
        "memory_mb_second_half": round(statistics.median(memory[half:]) / 1024, 1),
        "open_files_most": max(files),
    }


def known_ids(results):
    """The ids of the requests that the run knows of."""
    with results.open() as lines:
        for line in lines:
            yield from (attempt["request_id"] for attempt in json.loads(line)["attempts"] if attempt["request_id"])


def peak(spans):
    """How many of the spans, each from an instant to another, lie over one another at most."""
    ends = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    return max(accumulate(step for _, step in ends))


def watch(run):
    """Memory in kB and the number of open files, a few times a second, while it runs."""
    while run.poll() is None:
        try:
            status = Path(f"/proc/{run.pid}/status").read_text()
            files = sum(1 for _ in Path(f"/proc/{run.pid}/fd").iterdir())
        except OSError:
            break
        if "VmRSS:" not in status:  # it has ended, and nobody has waited for it yet
            break
        yield int(status.split("VmRSS:")[1].split()[0]), files
        time.sleep(0.2)
    run.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs")
    chosen = parser.parse_args().jobs
    if chosen == "serve":
        serve()
        return
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        print(json.dumps(soak(int(chosen), Path(directory)), indent=1))


if __name__ == "__main__":
    main()
