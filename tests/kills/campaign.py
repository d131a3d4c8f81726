"""SIGKILL, a thousand times, at random moments and at every named point of the paid path.

    python tests/kills/campaign.py --kills 1000          # 10000 by hand

Each kill strikes a real process that talks real HTTP to a simulator in a process of its own, which the kill cannot
touch; its journal is the ledger. After each kill every promise is checked; then the same command goes on. Twenty kills
at each named point come first, whatever the number; the rest are at random. The runs are forked from a parent that has
imported everything, since a thousand interpreter starts would take longer than the night.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import io
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from PIL import Image
from support.promises import Promises, Violation, demand

from runner.api import client
from runner.batch import driving, execution, running
from runner.rules.polling import Polling
from runner.simulator import Simulator, SimulatorSettings
from runner.simulator import files as simulator_files
from runner.simulator.settings import FaultRule
from runner.store import store, writer

TOKEN = "canary-token-91d0"
CAP = 4
JOBS = 12
LATENCY_S = 0.12
PER_POINT = 20
FAULTS = (
    FaultRule(on="submit", kind="throttle", probability=0.03, retry_after="0.05"),
    FaultRule(on="submit", kind="fin_after", probability=0.01),
    FaultRule(on="submit", kind="status", status=503, processed=True, probability=0.01),
    FaultRule(on="status", kind="reset_after", probability=0.03),
    FaultRule(on="result", kind="html", probability=0.03),
    FaultRule(on="file", kind="truncated", probability=0.05),
)
EVENTS = ("SubmitIntended", "SubmitAccepted", "StatusSeen", "ResultRead", "Collected")
POINTS = (
    *(f"{side} {event}" for event in EVENTS for side in ("before", "after")),
    *(f"{side} {what}" for what in ("commit", "sync", "rename") for side in ("before", "after")),
    *("before specs", "after specs", "before report", "answer read"),
    *("before opening", "after opening"),
)


# ------------------------------------------------------------------------------------------------- in the forked child


class FailPoints:
    """Dies at the n-th time that the named point is reached."""

    def __init__(self, point, count):
        self._point, self._left = point, count

    def reach(self, point):
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, place, name, point):
        """Reach `before point` and `after point` around a plain function."""
        inner = getattr(place, name)

        def outer(*arguments, **more):
            self.reach(f"before {point}")
            result = inner(*arguments, **more)
            self.reach(f"after {point}")
            return result

        setattr(place, name, outer)

    def install(self):
        record, read = store.Store.record, client.RunComfy._read

        async def recording(this, job, event, **more):
            kinds = (*(["opening"] if more else []), type(event).__name__)
            for kind in kinds:
                self.reach(f"before {kind}")
            after = await record(this, job, event, **more)
            for kind in kinds:
                self.reach(f"after {kind}")
            return after

        async def reading(this, response, body):
            reply = await read(this, response, body)
            if response.method == "POST":
                self.reach("answer read")
            return reply

        store.Store.record, client.RunComfy._read = recording, reading
        self.around(writer.Writer, "_commit", "commit")
        self.around(os, "fsync", "sync")
        self.around(os, "replace", "rename")
        self.around(store.Store, "put_specs", "specs")
        self.around(execution, "write_reports", "report")


def child(manifest, out, base, fail_points, **choices):
    """One run, in a process that is about to die."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if fail_points is not None:
        fail_points.install()
    fast = Polling(first_s=LATENCY_S / 2, blind_s=0.03, shortest_s=0.03)
    driving.Settings = partial(driving.Settings, polling=fast)
    choices = {"base_url": base, "token": TOKEN, "yes": True, "out": out, "concurrency": CAP} | choices
    outcome = asyncio.run(running.run(manifest, **choices))
    os._exit(outcome.exit_code)


# ------------------------------------------------------------------------------------------------------- in the parent


class Worker:
    """Kills runs over one simulator until its quotas are met."""

    def __init__(self, folder, seed):
        self.dice = random.Random(seed)
        self.folder = folder
        self.journal = folder / "service.jsonl"
        self.batches = 0
        self.killed = Counter()
        self.violations = []
        self.doubts = Counter()
        self.resumes = []
        self.times = Counter()
        self.whole_s = 0.6
        """What a run takes that nothing kills, of late: a random moment is one of a whole run."""
        self._start_batch()

    def serve(self):
        """The simulator, in a process of its own; its base."""
        ours, theirs = os.pipe()
        self.service = os.fork()
        if self.service == 0:
            os.close(ours)
            simulator_files.edit = _tiny

            async def forever():
                settings = SimulatorSettings(slots=CAP, latency_s=LATENCY_S, journal=self.journal, faults=FAULTS)
                async with Simulator(settings) as simulator:
                    os.write(theirs, simulator.api_base.encode())
                    os.close(theirs)
                    await asyncio.Event().wait()

            asyncio.run(forever())
        os.close(theirs)
        self.base = os.read(ours, 200).decode()
        os.close(ours)

    def _start_batch(self):
        self.batches += 1
        self.out = self.folder / f"out-{self.batches}"
        self.inputs = {f"job-{n}": _inputs(self.batches, n) for n in range(JOBS)}
        self.manifest = self.folder / f"jobs-{self.batches}.jsonl"
        self.manifest.write_text("".join(json.dumps({"id": k, **v}) + "\n" for k, v in self.inputs.items()))
        self.promises = Promises(self.journal, self.inputs, cap=CAP)

    def work(self, quotas):
        """Kill until every point's quota is met."""
        quotas = Counter(quotas)
        misses = Counter()
        while any(left > 0 for left in quotas.values()) and not self.violations:
            wanted = point = self.dice.choice([point for point, left in quotas.items() if left > 0])
            if "opening" in point and not self.promises.has_doubts:
                point = "random"  # which may leave something in doubt
            is_killed = self.kill_once(point)
            quotas[point] -= is_killed
            misses[wanted] = 0 if is_killed and point == wanted else misses[wanted] + 1
            demand(misses[wanted] < 200, "a point is never reached", wanted)
        while not self.violations and self.kill_once(None):
            pass

    def kill_once(self, point):
        """One run, killed at the point or at a random moment; whether the kill struck before the run was over."""
        is_random = point == "random"
        count = 1 + int(self.dice.expovariate(0.25)) if point else 1
        fail_points = FailPoints(point, count) if point and not is_random else None
        choices = {}
        if point in ("before opening", "after opening"):  # what is in doubt from the kills before is sent once more
            choices = {"in_doubt": "resubmit", "max_cost_usd": 1000}
            fail_points = FailPoints(point, 1)
            self.promises.consent(self.out, doubts=True)
        began, began_s = time.time(), time.monotonic()
        pid = os.fork()
        if pid == 0:
            try:
                child(self.manifest, self.out, self.base, fail_points, **choices)
            finally:
                os._exit(99)
        if is_random:
            self._wait(pid, self.dice.uniform(0.02, 0.8 * self.whole_s))
        status = self._reap(pid, 40.0)
        is_killed = status == -signal.SIGKILL
        try:
            self.promises.check(self.out)
            if is_killed:
                self.killed[point] += 1
                self.doubts["random" if is_random else "point"] += self.promises.intents
            else:
                self.promises.check_end(self.out, status, TOKEN)
                self.whole_s += 0.2 * (time.monotonic() - began_s - self.whole_s)
                self._measure(began)
                shutil.rmtree(self.out)
                self._start_batch()
        except Violation as violation:
            self.violations.append(f"batch {self.batches}, {point} {count}: {violation}")
        return is_killed

    def _wait(self, pid, seconds):
        """Kill after that long, if there is still somebody to kill."""
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)

    def _reap(self, pid, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.violations.append("a run did not end")
        return None

    def _measure(self, since):
        """How long a POST and a job take in a run that nobody killed, for the doubt that is to be expected."""
        columns = "accepted_at - intended_at, finished_at - intended_at"
        with closing(sqlite3.connect(self.out / "state.db")) as db:
            for post_s, job_s in db.execute(
                f"SELECT {columns} FROM attempts WHERE cost > 0 AND intended_at > ?", (since,)
            ):
                self.times.update({"posts": 1, "post_s": post_s, "job_s": job_s})

    def close(self):
        os.kill(self.service, signal.SIGKILL)
        os.waitpid(self.service, 0)


def _inputs(batch, number):
    url = "https://photos.example.com/mug-red.jpg"
    return {"prompt": f"White, batch {batch}, take {number}.", "image_urls": [url], "output_format": "png"}


def _tiny(inputs, variant, seed):
    """A small picture, so that the kills strike the paid path and not the painter."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), tuple(random.Random(str(inputs)).randbytes(3))).save(file, "PNG")
    return file.getvalue()


def work(kills, seed, shares):
    """One worker's share, as a dictionary."""
    base = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="kills-", dir=base if base.is_dir() else None))
    gc.freeze()  # what is here is not looked at again in each fork
    worker = Worker(folder, seed)
    worker.serve()
    per_point = -(-PER_POINT // shares)
    quotas = dict.fromkeys(POINTS, per_point) | {"random": max(0, kills - per_point * len(POINTS))}
    try:
        worker.work(quotas)
        with urllib.request.urlopen(worker.base.removesuffix("/v1") + "/simulator/ledger", timeout=10) as answer:
            faults = {f"{rule['on']} {rule['kind']}": rule["hits"] for rule in json.load(answer)["faults"]}
    finally:
        worker.close()
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "killed": worker.killed,
        "batches": worker.batches - 1,
        "faults": faults,
        "doubts": worker.doubts,
        "times": worker.times,
        "violations": worker.violations,
    }


def campaign(kills, workers=4):
    """All kills, over several workers side by side; the sums."""
    command = [sys.executable, __file__, "--kills", str(-(-kills // workers)), "--shares", str(workers), "--seed"]
    processes = [subprocess.Popen([*command, str(seed)], stdout=subprocess.PIPE, text=True) for seed in range(workers)]
    total = {"killed": Counter(), "batches": 0, "faults": Counter(), "doubts": Counter(), "times": Counter()}
    total["violations"] = []
    for process in processes:
        said, _ = process.communicate()
        found = json.loads(said)
        total["batches"] += found["batches"]
        total["violations"] += found["violations"]
        for name in ("killed", "faults", "doubts", "times"):
            total[name].update(found[name])
    return total | {"kills": total["killed"].total(), "doubt_per_kill": _doubt(total)}


def _doubt(total):
    """Measured doubt a random kill, and cap x t_post / t_job."""
    times = total["times"]
    measured = total["doubts"]["random"] / max(1, total["killed"]["random"])
    return {"measured": round(measured, 4), "expected_at_most": round(CAP * times["post_s"] / times["job_s"], 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--shares", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.shares:
        print(json.dumps(work(arguments.kills, arguments.seed, arguments.shares)))
        return
    total = campaign(arguments.kills, arguments.workers)
    print(json.dumps(total, indent=1))
    sys.exit(bool(total["violations"]))


if __name__ == "__main__":
    main()
