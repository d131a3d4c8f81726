"""The promises of the money-safety contract, checked against the service's own ledger after every death."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from runner.model import canonical

OPEN = ("pending", "submitting", "submitted", "result_known", "held")
UNSENT = ("pending", "held")
UNKNOWN = ("intent", "in_doubt", "released", "written_off")
"""Attempts that the service may have taken without our knowing the id."""
TAKEN = (*UNKNOWN, "accepted", "finished")
ENDED_BADLY = ("failed", "rejected", "cancelled", "output_lost")
OPENINGS = ("DoubtReleased", "RetryRequested", "RedoRequested", "SpecChanged")
PRICE = 39_000


class Violation(AssertionError):
    """A promise was broken."""


def demand(truth, promise, *details):
    if not truth:
        raise Violation(f"{promise}: {' '.join(map(str, details))}")


def price_of(inputs):
    """In micro-USD."""
    return PRICE * inputs.get("num_images", 1)


@dataclass(frozen=True)
class State:
    """What a state file says, read past our own code."""

    jobs: dict[str, str]
    """Each job's state."""
    gone: set[str]
    inputs: dict[str, Any]
    attempts: list[tuple[str, str, str | None, str]]
    """Of each: job, state, request id, digest of the payload."""
    artifacts: list[tuple[str, str, str]]
    events: list[tuple[str, str]]

    def tries(self, job_id):
        """How many attempts the job has."""
        return sum(attempt[0] == job_id for attempt in self.attempts)

    def __iter__(self):
        return iter((self.jobs, self.attempts, self.artifacts))


class Promises:
    """One run directory's promises; `journal` is what the service wrote down of every request that it accepted."""

    def __init__(self, journal: Path, inputs, *, cap, most=None):
        self.inputs = dict(inputs)
        """What the manifest says, or said last, of each job."""
        self.cap = cap
        self.most = most
        self.total = sum(map(price_of, inputs.values()))
        self.peak = 0
        self.doubts = 0
        """Requests that nobody watches, or is about to."""
        self.intents = 0
        """Jobs whose POST was under way at the death."""
        self.has_doubts = False
        """Whether the next run has something to be asked about: what is in doubt, or was under way."""
        self.taken_away = set()
        """Paths of files that a person deleted."""
        self._pictures = set()
        """Jobs, and the hashes of the pictures that they have or had."""
        self._journal = journal
        self._begins = journal.stat().st_size if journal.exists() else 0
        """Where the journal tells of these jobs: not before there was a word of them."""
        self._payloads = {canonical(value) for value in inputs.values()}
        self._allowed = Counter(self._payloads)
        self._before = State({}, set(), {}, [], [], [])
        self._known = set()
        self._ledger = {}
        self._endless, self._free = set(), set()

    # ---------------------------------------------------------------------------------------------- what a person does

    def edit(self, job_id, inputs):
        """The manifest says something new of the job, or of a new one."""
        self.inputs[job_id] = inputs
        self._payloads.add(canonical(inputs))

    def consent(self, directory, *, doubts=False, failures=False, changed=False):
        """What may be paid for from now on.

        Entries of jobs that were never taken, as they are now; and once more, where a person says so, the jobs that are
        in doubt now or ended badly, and those whose entry changed.
        """
        state = self.read_state(directory) or self._before
        taken = {job_id for job_id, word, _, _ in state.attempts if word in TAKEN}
        for job_id, inputs in self.inputs.items():
            payload, word = canonical(inputs), state.jobs.get(job_id)
            if not self._allowed[payload] and (changed or job_id not in taken):
                self._allowed[payload] = 1
            elif (doubts and word in ("submitting", "in_doubt")) or (failures and word in ENDED_BADLY):
                self._allowed[payload] += 1

    # ------------------------------------------------------------------------------------------------ what there is

    def read_ledger(self):
        """What the service accepted of these jobs: request id to inputs."""
        if not self._journal.exists():
            return {}
        with self._journal.open("rb") as file:
            file.seek(self._begins)
            text = file.read().decode()
        lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        lines = [line for line in lines if "request_id" in line and canonical(line["inputs"]) in self._payloads]
        self._endless = {line["request_id"] for line in lines if line["fault"] in ("stall", "lost")}
        self._free = {line["request_id"] for line in lines if line["fault"] == "fail"}
        return {line["request_id"]: line["inputs"] for line in lines}

    def read_state(self, directory):
        """The state, read from a copy; `None` where there is none yet."""
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
            rows = db.execute("SELECT job_id, state, is_gone, inputs FROM jobs").fetchall()
            return State(
                jobs={job_id: word for job_id, word, _, _ in rows},
                gone={job_id for job_id, _, is_gone, _ in rows if is_gone},
                inputs={job_id: json.loads(inputs) for job_id, _, _, inputs in rows},
                attempts=db.execute("SELECT job_id, state, request_id, payload_sha256 FROM attempts").fetchall(),
                artifacts=db.execute("SELECT job_id, path, sha256 FROM artifacts").fetchall(),
                events=db.execute("SELECT job_id, kind FROM events ORDER BY seq").fetchall(),
            )

    # ------------------------------------------------------------------------------------------------- what must be

    def check(self, directory, exit_code=None):
        """After a death, or an end."""
        ledger = self._ledger = self.read_ledger()
        for payload, count in Counter(canonical(inputs) for inputs in ledger.values()).items():
            demand(count <= self._allowed[payload], "I1 paid more often than anybody asked for", count, payload[:200])
        state = self.read_state(directory)
        if state is None:
            demand(not ledger, "I2 a request is known nowhere")
            return
        known = self._check_requests(ledger, state)
        self._check_files(directory, state)
        self._check_steps(state)
        demand(self._known <= known, "I5 a request id was forgotten")
        self._before, self._known = state, known
        demand(self.peak <= self.cap + self.doubts, "I7 over the cap", self.peak, self.cap, self.doubts)
        charged = sum(price_of(inputs) for request_id, inputs in ledger.items() if request_id not in self._free)
        demand(self.most is None or charged <= self.most, "I10 over the budget", charged, self.most)
        demand(exit_code != 0 or "in_doubt" not in state.jobs.values(), "I13 a doubt, and the exit code is 0")

    def _check_requests(self, ledger, state):
        known = {request_id for _, _, request_id, _ in state.attempts if request_id}
        unknown = Counter(digest for _, word, _, digest in state.attempts if word in UNKNOWN)
        self.doubts = unknown.total()
        self.intents = sum(word == "intent" for _, word, _, _ in state.attempts)
        self.has_doubts = any(word in ("intent", "in_doubt") for _, word, _, _ in state.attempts)
        lost = Counter(_digest(inputs) for request_id, inputs in ledger.items() if request_id not in known)
        demand(lost <= unknown, "I2 a paid request was lost", lost - unknown)
        for job_id, _, request_id, digest in state.attempts:
            if request_id:
                is_its_own = request_id in ledger and _digest(ledger[request_id]) == digest
                demand(is_its_own, "I3 another job's request", job_id, request_id)
        return known

    def _check_files(self, directory, state):
        have = {job_id for job_id, _, _ in state.artifacts}
        for job_id, word in state.jobs.items():
            demand(word != "done" or job_id in have, "I4b done without a record of its files", job_id)
        for job_id, path, sha256 in state.artifacts:
            file = directory / path
            if state.jobs[job_id] == "done" and (file.exists() or path not in self.taken_away):
                demand(file.exists(), "I4b done without its file", path)
                demand(hashlib.sha256(file.read_bytes()).hexdigest() == sha256, "I4b not what was recorded", path)
        there = set()
        for path in (directory / "images").iterdir():
            if not path.name.startswith(".part-"):
                there.add(hashlib.sha256(path.read_bytes()).hexdigest())
                try:
                    Image.open(path).load()
                except OSError as error:
                    raise Violation(f"I4 a broken file under a final name: {path.name}") from error
        self._pictures |= {(job_id, sha256) for job_id, _, sha256 in state.artifacts}
        for job_id, sha256 in self._pictures:
            is_there = sha256 in there or self._misses_a_file(job_id)
            demand(is_there, "I14 a picture that was paid for was written over", job_id)

    def _misses_a_file(self, job_id):
        """Whether somebody took one of its pictures away: it may not be had any more."""
        return any(re.match(rf"images/{job_id}(?!\d)", path) for path in self.taken_away)

    def _check_steps(self, state):
        """What was done, in doubt or ended stays so, unless a new POST left; with it goes what a person decided."""
        for job_id, word in self._before.jobs.items():
            now = state.jobs.get(job_id, "forgotten")
            stays = {
                "done": ("done", "result_known", *["output_lost"] * self._misses_a_file(job_id)),
                "in_doubt": ("in_doubt",),
                **dict.fromkeys(ENDED_BADLY, (word,)),
                "output_lost": ("output_lost", "result_known", "done"),
            }
            is_new = state.tries(job_id) > self._before.tries(job_id)
            demand(is_new or now in stays.get(word, (now,)), "I5 went back, and no POST left", job_id, word, now)
        last = {}
        for job_id, kind in state.events:
            opened = last.get(job_id) in OPENINGS
            demand(not opened or kind == "SubmitIntended", "I14 opened, and no POST left", job_id, kind)
            last[job_id] = kind
        demand(not set(last.values()) & set(OPENINGS), "I14 opened, and no POST left", last)

    def check_end(self, directory, exit_code, token):
        """After a last undisturbed night: every job has ended, and the exit code says how."""
        state = self.read_state(directory)
        demand(state is not None, "I6 the last night did not begin", exit_code)
        jobs = dict(state.jobs)
        for job_id in state.gone:  # what is open or in doubt counts all the same
            if jobs[job_id] not in ("submitted", "result_known", "in_doubt"):
                jobs.pop(job_id)
        left, kept = set(), set()
        for job_id, word, request_id, _ in state.attempts:
            if request_id in self._endless and jobs.get(job_id) == "submitted":
                left.add(job_id)  # such a request never ends: past its deadline it is left to a later run
            if word in TAKEN and jobs.get(job_id) in UNSENT and state.inputs[job_id] != self.inputs[job_id]:
                kept.add(job_id)  # paid perhaps, and edited since: it waits for a person's word
        open_jobs = {job_id for job_id, word in jobs.items() if word in OPEN} - left - kept
        wanted = sum(price_of(json.loads(payload)) * count for payload, count in self._allowed.items())
        is_limited = self.most is not None and self.most < wanted
        demand(is_limited or not open_jobs, "I6 not ended", open_jobs, exit_code)
        expected = 3 if open_jobs else 75 if left else 0 if set(jobs.values()) <= {"done"} else 1
        demand(exit_code == expected, "I6 the exit code", exit_code, expected)
        demand(not list((directory / "images").glob(".part-*")), "I8 a part file was left")
        for path in directory.rglob("*"):
            if path.is_file():
                demand(token.encode() not in path.read_bytes(), "I11 the token is on the disk", path.name)


def _digest(inputs):
    return hashlib.sha256(canonical(inputs)).hexdigest()
