"""The promise, on the installed command: whatever happens, no job is paid for twice and nothing paid is lost."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess

import pytest
from PIL import Image
from support.processes import COMMAND, command, environment, simulator, wait_until, write_jobs

LOST_ANSWERS = (
    *("status", "html", "empty", "no_id", "list", "truncated_json", "redirect", "reset_before", "reset_after"),
    *("fin_after", "not_http", "partial_headers"),
)
READ_FAULTS = ("throttle", "status", "html", "empty", "truncated_json", "reset_before", "reset_after", "not_http")
FILE_FAULTS = ("status", "truncated", "truncated_no_length", "html", "empty", "corrupt", "reset_after", "wrong_type")
JOB_FAULTS = ("fail", "unknown_word", "upper_case", "synonyms", "expired_result", "private_url")
EVERY_FAULT = [
    {"on": "submit", "kind": "throttle", "probability": 0.03, "retry_after": "1"},
    {"on": "submit", "kind": "throttle", "probability": 0.01, "retry_after": "date+1"},
    {"on": "submit", "kind": "error_in_200", "error_code": 422001, "probability": 0.01},
    *({"on": "submit", "kind": kind, "probability": 0.005} for kind in LOST_ANSWERS),
    *({"on": on, "kind": kind, "probability": 0.0125} for on in ("status", "result") for kind in READ_FAULTS),
    *({"on": "file", "kind": kind, "probability": 0.012} for kind in FILE_FAULTS),
    {"on": "file", "kind": "status", "status": 403, "probability": 0.01},
    *({"on": "job", "kind": kind, "probability": 0.016} for kind in JOB_FAULTS),
]


def results(directory):
    """results.jsonl by job."""
    lines = (directory / "results.jsonl").read_text().splitlines()
    return {line["job_id"]: line for line in map(json.loads, lines)}


def assert_files_are_whole(directory, found):
    """Each recorded file decodes and has its recorded hash; nothing else lies in images/."""
    recorded = {file["path"]: file for line in found.values() for file in line["files"]}
    assert {f"images/{path.name}" for path in (directory / "images").iterdir()} == set(recorded)
    for name, file in recorded.items():
        data = (directory / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
        with Image.open(directory / name) as image:
            image.load()
            assert (image.width, image.height) == (file["width"], file["height"])


@pytest.mark.timeout(180)
def test_two_hundred_jobs_under_every_fault_are_each_paid_at_most_once(tmp_path):
    """10 % faults of every kind: files whole, the ledger agrees with the books, and the same command again is free."""
    with simulator(tmp_path, "--slots", "24", "--latency", "0.2", faults=EVERY_FAULT) as service:
        write_jobs(tmp_path / "jobs.jsonl", 200)
        arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "24", "--out", "out")
        first = command(*arguments, cwd=tmp_path, timeout=170, **service.env)
        found = results(tmp_path / "out")
        ledger = service.ledger()
        assert first.returncode == 1, first.stderr
        assert len(found) == 200
        assert max(ledger["by_payload"].values()) == 1
        states = [line["state"] for line in found.values()]
        accepted = sum(line["request_id"] is not None for line in found.values())
        assert states.count("done") > 150
        assert set(states) <= {"done", "failed", "rejected", "in_doubt", "output_lost"}
        assert accepted <= ledger["accepted"] <= accepted + states.count("in_doubt")
        assert ledger["leaks"] == 0
        assert ledger["peak_in_flight"] <= 24
        struck = {(fault["on"], fault["kind"]) for fault in ledger["faults"] if fault["hits"]}
        assert {on for on, _ in struck} == {"submit", "status", "result", "file", "job"}
        assert_files_are_whole(tmp_path / "out", found)
        known = round(sum(line["cost_usd"] or 0 for line in found.values()), 6)
        assert known <= ledger["charged_usd"] + 1e-6

        again = command(*arguments, cwd=tmp_path, timeout=60, **service.env)
        assert again.returncode == 1
        assert service.ledger()["posts"] == ledger["posts"]
        assert results(tmp_path / "out") == found


@pytest.mark.timeout(150)
def test_ten_kills_in_the_middle_pay_nothing_twice_and_lose_nothing(tmp_path):
    """SIGKILL at random moments, then once to the end: every job done or shown as a doubt, charges = jobs accepted."""
    dice, kills = random.Random(7), 0
    with simulator(tmp_path, "--slots", "8", "--latency", "0.4") as service:
        write_jobs(tmp_path / "jobs.jsonl", 60)
        arguments = ["run", "jobs.jsonl", "--yes", "--concurrency", "8", "--out", "out"]
        for _ in range(10):
            running = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=tmp_path,
                env=environment(**service.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            try:
                running.wait(timeout=dice.uniform(0.7, 1.8))
            except subprocess.TimeoutExpired:
                running.send_signal(signal.SIGKILL)
                running.wait(timeout=10)
                kills += 1
        assert kills >= 8, "the run was over before it could be killed"
        last = command(*arguments, cwd=tmp_path, timeout=90, **service.env)
        found, ledger = results(tmp_path / "out"), service.ledger()
        doubts = sum(line["state"] == "in_doubt" for line in found.values())
        assert last.returncode == (1 if doubts else 0), last.stderr
        assert max(ledger["by_payload"].values()) == 1
        assert {line["state"] for line in found.values()} <= {"done", "in_doubt"}
        done = 60 - doubts
        assert done <= ledger["accepted"] <= 60
        assert ledger["charged_usd"] == pytest.approx(0.039 * ledger["accepted"])
        assert_files_are_whole(tmp_path / "out", found)
        assert not list((tmp_path / "out" / "images").glob(".part-*"))


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=str
)
def test_a_signal_stops_the_run_with_nothing_in_doubt(number, code, tmp_path):
    """POSTs in flight are awaited, the reports are written, and the same command goes on for free."""
    with simulator(tmp_path, "--slots", "4", "--latency", "0.6") as service:
        write_jobs(tmp_path / "jobs.jsonl", 16)
        arguments = ["run", "jobs.jsonl", "--yes", "--concurrency", "4", "--out", "out"]
        running = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment(**service.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: service.ledger()["accepted"] >= 6)
        running.send_signal(number)
        _, said = running.communicate(timeout=30)
        assert running.returncode == code
        assert "the same command goes on" in said
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert (summary["exit_code"], summary["stopped_because"]) == (code, "interrupted")
        assert "in_doubt" not in summary["counts"]
        last = command(*arguments, cwd=tmp_path, **service.env)
        assert last.returncode == 0, last.stderr
        ledger = service.ledger()
        assert (ledger["accepted"], max(ledger["by_payload"].values())) == (16, 1)


def test_a_second_signal_leaves_at_once(tmp_path):
    """A submit that hangs holds nobody for its whole timeout; what was sent is a doubt, and shown."""
    faults = [{"on": "submit", "kind": "hang", "seconds": 60, "every": 1}]
    with simulator(tmp_path, faults=faults) as service:
        write_jobs(tmp_path / "jobs.jsonl", 4)
        running = subprocess.Popen(
            [*COMMAND, "run", "jobs.jsonl", "--yes", "--out", "out"],
            cwd=tmp_path,
            env=environment(**service.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: service.ledger()["accepted"] == 4)
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        assert "once more to leave at once" in running.stderr.readline()
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
        assert running.returncode == 130
        plan = command("plan", "jobs.jsonl", "--out", "out", "--json", cwd=tmp_path, **service.env)
        assert json.loads(plan.stdout)["counts"] == {"in_doubt": 4}
        assert json.loads(plan.stdout)["submits"] == 0


def test_the_budget_is_kept_over_runs(tmp_path):
    """Earlier nights count against the same limit; exit 3 says that it was reached."""
    with simulator(tmp_path, "--latency", "0.1") as service:
        write_jobs(tmp_path / "jobs.jsonl", 8)
        arguments = ("run", "jobs.jsonl", "--max-cost", "0.12", "--out", "out")
        for _ in range(2):
            done = command(*arguments, cwd=tmp_path, **service.env)
            assert done.returncode == 3, done.stderr
            assert "--max-cost" in done.stderr
            assert service.ledger()["accepted"] == 3
        assert service.ledger()["charged_usd"] == pytest.approx(0.117)
