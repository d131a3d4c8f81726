"""The promises of the money-safety contract, checked against the service's own ledger after every death."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from PIL import Image

from runner.model import canonical

OPEN = ("pending", "submitting", "submitted", "result_known", "held")
PRICE = 39_000


class Violation(AssertionError):
    """A promise was broken."""


def demand(truth, promise, *details):
    if not truth:
        raise Violation(f"{promise}: {' '.join(map(str, details))}")


def price_of(inputs):
    """In micro-USD."""
    return PRICE * inputs.get("num_images", 1)


class Promises:
    """One run directory's promises; `journal` is what the service wrote down of every request that it accepted."""

    def __init__(self, journal: Path, inputs, *, cap, most=None):
        self.inputs = inputs
        self.cap = cap
        self.most = most
        self.total = sum(map(price_of, inputs.values()))
        self.peak = 0
        self.doubts = 0
        """Jobs in doubt, or about to be."""
        self.intents = 0
        """Of these, the ones whose POST was under way at the death."""
        self._journal = journal
        self._payloads = {canonical(value) for value in inputs.values()}
        self._before = {"done": set(), "known": set()}
        self._ledger = {}
        self._endless, self._free = set(), set()

    # ------------------------------------------------------------------------------------------------ what there is

    def read_ledger(self):
        """What the service accepted of these jobs: request id to inputs."""
        if not self._journal.exists():
            return {}
        lines = [json.loads(line) for line in self._journal.read_text().splitlines() if line.endswith("}")]
        lines = [line for line in lines if "request_id" in line and canonical(line["inputs"]) in self._payloads]
        self._endless = {line["request_id"] for line in lines if line["fault"] in ("stall", "lost")}
        self._free = {line["request_id"] for line in lines if line["fault"] == "fail"}
        return {line["request_id"]: line["inputs"] for line in lines}

    def read_state(self, directory):
        """Jobs, attempts and artifacts, read from a copy; `None` where there is no state yet."""
        if not (directory / "state.db").exists():
            return None
        copy = directory.with_name(f"{directory.name}-copy")
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        for name in ("state.db", "state.db-wal"):
            if (directory / name).exists():
                shutil.copy(directory / name, copy / name)
        with closing(sqlite3.connect(copy / "state.db")) as db:
            demand(db.execute("PRAGMA integrity_check").fetchone()[0] == "ok", "I9 the state is sound")
            if not db.execute("PRAGMA user_version").fetchone()[0]:
                return None
            jobs = dict(db.execute("SELECT job_id, state FROM jobs"))
            attempts = db.execute("SELECT job_id, state, request_id FROM attempts").fetchall()
            artifacts = db.execute("SELECT job_id, path, sha256 FROM artifacts").fetchall()
        return jobs, attempts, artifacts

    # ------------------------------------------------------------------------------------------------- what must be

    def check(self, directory):
        """After a death, or an end."""
        ledger = self._ledger = self.read_ledger()
        paid = Counter(canonical(inputs) for inputs in ledger.values())
        demand(not paid or max(paid.values()) == 1, "I1 paid twice", directory)
        state = self.read_state(directory)
        if state is None:
            demand(not ledger, "I2 a request is known nowhere")
            return
        jobs, attempts, artifacts = state
        known = self._check_requests(ledger, attempts)
        self._check_files(directory, jobs, artifacts)
        done = {job_id for job_id, word in jobs.items() if word == "done"}
        fetched = done | {job_id for job_id, word in jobs.items() if word == "result_known"}
        demand(self._before["done"] <= fetched, "I5 done went back", self._before["done"] - fetched)
        demand(self._before["known"] <= known, "I5 a request id was forgotten")
        self._before = {"done": done, "known": known}
        demand(self.peak <= self.cap + self.doubts, "I7 over the cap", self.peak, self.cap, self.doubts)
        charged = sum(price_of(inputs) for request_id, inputs in ledger.items() if request_id not in self._free)
        demand(self.most is None or charged <= self.most, "I10 over the budget", charged, self.most)

    def _check_requests(self, ledger, attempts):
        known = {request_id for _, _, request_id in attempts if request_id}
        open_jobs = {job_id for job_id, attempt, _ in attempts if attempt in ("intent", "in_doubt")}
        self.doubts = len(open_jobs)
        self.intents = sum(attempt == "intent" for _, attempt, _ in attempts)
        open_payloads = {canonical(self.inputs[job_id]) for job_id in open_jobs}
        for request_id, inputs in ledger.items():
            demand(request_id in known or canonical(inputs) in open_payloads, "I2 a paid request was lost", request_id)
        for job_id, _, request_id in attempts:
            if request_id:
                demand(ledger.get(request_id) == self.inputs[job_id], "I3 another job's request", job_id, request_id)
        return known

    def _check_files(self, directory, jobs, artifacts):
        for job_id, path, sha256 in artifacts:
            if jobs[job_id] == "done":
                file = directory / path
                demand(file.exists(), "I4b done without its file", path)
                demand(hashlib.sha256(file.read_bytes()).hexdigest() == sha256, "I4b not what was recorded", path)
        for path in (directory / "images").iterdir():
            if not path.name.startswith(".part-"):
                try:
                    Image.open(path).load()
                except OSError as error:
                    raise Violation(f"I4 a broken file under a final name: {path.name}") from error

    def check_end(self, directory, exit_code, token):
        """After a last undisturbed night: every job has ended, and the exit code says how."""
        state = self.read_state(directory)
        demand(state is not None, "I6 the last night did not begin", exit_code)
        jobs, attempts, _ = state
        left = set()
        for job_id, _, request_id in attempts:  # such a request never ends: past its deadline it is left to a later run
            if request_id in self._endless and jobs[job_id] == "submitted":
                jobs.pop(job_id)
                left.add(job_id)
        is_limited = self.most is not None and self.most < self.total
        open_jobs = {job_id for job_id, word in jobs.items() if word in OPEN}
        demand(is_limited or not open_jobs, "I6 not ended", open_jobs, exit_code)
        expected = 3 if open_jobs else 75 if left else 0 if set(jobs.values()) <= {"done"} else 1
        demand(exit_code == expected, "I6 the exit code", exit_code, expected)
        demand(not list((directory / "images").glob(".part-*")), "I8 a part file was left")
        for path in directory.rglob("*"):
            if path.is_file():
                demand(token.encode() not in path.read_bytes(), "I11 the token is on the disk", path.name)
