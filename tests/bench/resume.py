"""From a kill to useful work: how long until the same command asks about the first request of the run before.

    python tests/bench/resume.py 1000 10000

Half of the jobs are done, eight were with the service when the run died, the rest is to come.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import http.server
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.processes import COMMAND, environment
from support.tables import table

from runner.api.token import Token
from runner.batch import load
from runner.model import Artifact, Collected, ResultRead, Run, SubmitAccepted, SubmitIntended
from runner.store import rows
from runner.store.binding import Binding
from runner.store.store import Store

TOKEN = "canary-token-b0b0"
PICTURE = b"not looked at"
IN_FLIGHT = 8


def copied(table, columns, **changed):
    """SQL that gives each finished job a copy of what the first has in a table, but for the columns that name it."""
    values = ", ".join(changed.get(column, f"first.{column}") for column in columns)
    return f"""
        INSERT INTO {table} (job_id, {", ".join(columns)}) SELECT j.job_id, {values} FROM jobs j, {table} first
        WHERE first.job_id = 'job-0' AND j.position BETWEEN 1 AND ? - 1
    """


LIKE_THE_FIRST = (
    """
        UPDATE jobs SET (state, outputs, finished_at) =
            (SELECT state, outputs, finished_at FROM jobs WHERE position = 0)
        WHERE position BETWEEN 1 AND ? - 1
    """,
    copied("attempts", rows._ATTEMPT, request_id="'r-' || j.position"),
    copied("artifacts", rows._ARTIFACT, path="'images/' || j.job_id || '.png'"),
    copied("events", ("at", "kind", "data")),
)
"""A million lives are not led one by one: the first is led by the rules, and the others are its copies."""


class Service(http.server.BaseHTTPRequestHandler):
    """Knows the model; notes when the first request is asked about or the first job arrives."""

    first = threading.Event()

    def do_GET(self):
        if "/requests/" in self.path:
            Service.first.set()
            return self.answer({"status": "in_progress"})
        return self.answer({"model_id": "google/nano-banana/edit", "base_price_usd": 0.039, "price_unit": "output"})

    def do_POST(self):
        Service.first.set()
        return self.answer({"error_code": 429001}, 429)

    def answer(self, document, status=200):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Does not mind that its clients are killed."""

    daemon_threads = True

    def handle_error(self, *_):
        pass


def prepare(directory, jobs, base):
    """A run directory as a kill leaves it."""
    url = "https://photos.example.com/mug-red.jpg"
    lines = (json.dumps({"id": f"job-{n}", "prompt": f"Take {n}.", "image_urls": [url]}) + "\n" for n in range(jobs))
    with (directory / "jobs.jsonl").open("w") as file:
        file.writelines(lines)
    with contextlib.chdir(directory):
        manifest = load(Path("jobs.jsonl"))  # by the path that the command is given
    done = jobs // 2
    (directory / "out" / "images").mkdir(parents=True)
    for number in range(done):
        (directory / "out" / "images" / f"job-{number}.png").write_bytes(PICTURE)
    with Store(directory / "out") as store:
        store.bind(Binding(api_base=base, account=Token(TOKEN, "").fingerprint, is_simulated=False), 1.0)
        store.put_specs(manifest.jobs)
        store.begin_run(Run(run_id="1", name="jobs", manifest="m", api_base=base, is_simulated=False, started_at=1.0))
        for number in (0, *range(done, done + IN_FLIGHT)):
            job = store.job(f"job-{number}")
            for event in events(job, is_done=number == 0):
                job = store.record_now(job, event)
        store._writer.write_now((sql, (done,)) for sql in LIKE_THE_FIRST)


def events(job, *, is_done):
    """What happened to a job until the kill."""
    yield SubmitIntended(at=1.0, payload_sha256="p", reserved=None)
    yield SubmitAccepted(at=time.time(), request_id=f"r-{job.position}", look_at=0.0)
    if is_done:
        fact = {"sha256": hashlib.sha256(PICTURE).hexdigest(), "bytes": len(PICTURE), "width": 1, "height": 1}
        artifact = Artifact(path=f"images/{job.job_id}.png", format="png", source_url="u", index=1, **fact)
        yield ResultRead(at=2.0, outputs=("u",), cost=None)
        yield Collected(at=3.0, artifacts=(artifact,))


def measured(directory, base):
    """How many seconds until the command does something useful, when it is killed, and how many MB it has then."""
    Service.first.clear()
    env = environment(RUNCOMFY_MODEL_API_BASE=base, RUNCOMFY_TOKEN=TOKEN)
    began = time.perf_counter()
    arguments = ("run", "jobs.jsonl", "--yes", "--out", "out", "-q")
    run = subprocess.Popen([*COMMAND, *arguments], cwd=directory, env=env, stderr=subprocess.DEVNULL)
    assert Service.first.wait(120)
    seconds = time.perf_counter() - began
    run.kill()
    _, run.returncode, spent = os.wait4(run.pid, 0)
    time.sleep(0.5)  # what it had sent arrives before the next round
    return seconds, spent.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    found = []
    for jobs in arguments.jobs:
        with tempfile.TemporaryDirectory(prefix="resume-") as directory:
            prepare(Path(directory), jobs, base)
            rounds = [measured(Path(directory), base) for _ in range(arguments.rounds)]
        found.append((jobs, *(statistics.median(column) for column in zip(*rounds, strict=True))))
    title = f"from the command to its first useful call; median of {arguments.rounds}"
    table(title, ["jobs", "seconds", "RSS MB"], found)
    server.shutdown()


if __name__ == "__main__":
    main()
