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
from runner.model import Artifact, Collected, Job, ResultRead, Run, SubmitAccepted, SubmitIntended
from runner.rules.lifecycle import advance
from runner.store.reader import Binding
from runner.store.rows import changes
from runner.store.store import Store

TOKEN = "canary-token-b0b0"
PICTURE = b"not looked at"


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
    (directory / "jobs.jsonl").write_text("".join(lines))
    with contextlib.chdir(directory):
        manifest = load(Path("jobs.jsonl"))  # by the path that the command is given
    images = directory / "out" / "images"
    images.mkdir(parents=True)
    fact = {"sha256": hashlib.sha256(PICTURE).hexdigest(), "bytes": len(PICTURE), "width": 1, "height": 1}
    with Store(directory / "out") as store:
        store.bind(Binding(api_base=base, account=Token(TOKEN, "").fingerprint, is_simulated=False), 1.0)
        store.put_specs(manifest.jobs)
        store.begin_run(Run(run_id="1", name="jobs", manifest="m", api_base=base, is_simulated=False, started_at=1.0))
        statements = []
        for number, job in enumerate(list(store.jobs())[: jobs // 2 + 8]):
            path = f"images/{job.job_id}.png"
            events = [
                SubmitIntended(at=1.0, payload_sha256="p", reserved=None),
                SubmitAccepted(at=time.time(), request_id=f"r-{number}", look_at=0.0),
            ]
            if number >= 8:
                artifact = Artifact(path=path, format="png", source_url="u", index=1, **fact)
                events += [ResultRead(at=2.0, outputs=("u",), cost=None), Collected(at=3.0, artifacts=(artifact,))]
                (directory / "out" / path).write_bytes(PICTURE)
            before: Job = job
            for event in events:
                after = advance(before, event)
                statements += changes(before, after, event)
                before = after
        store._writer.write_now(statements)


def seconds_to_work(directory, base):
    """How long until the command does something useful; then it is killed."""
    Service.first.clear()
    env = environment(RUNCOMFY_MODEL_API_BASE=base, RUNCOMFY_TOKEN=TOKEN)
    began = time.perf_counter()
    arguments = ("run", "jobs.jsonl", "--yes", "--out", "out", "-q")
    run = subprocess.Popen([*COMMAND, *arguments], cwd=directory, env=env, stderr=subprocess.DEVNULL)
    assert Service.first.wait(120)
    seconds = time.perf_counter() - began
    run.kill()
    run.wait()
    time.sleep(0.5)  # what it had sent arrives before the next round
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"
    rows = []
    for jobs in arguments.jobs:
        with tempfile.TemporaryDirectory(prefix="resume-") as directory:
            prepare(Path(directory), jobs, base)
            rows.append(
                (jobs, statistics.median(seconds_to_work(Path(directory), base) for _ in range(arguments.rounds)))
            )
    table(f"from the command to its first useful call; median of {arguments.rounds}", ["jobs", "seconds"], rows)
    server.shutdown()


if __name__ == "__main__":
    main()
