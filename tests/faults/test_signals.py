"""Signals and terminals: twelve ways to end a run from outside. Each leaves nothing in doubt that was not already."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time

import pytest
from support.processes import COMMAND, command, environment, simulator, wait_until, write_jobs

ARGUMENTS = ("run", "jobs.jsonl", "--yes", "--concurrency", "4", "--out", "out")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}


@pytest.fixture
def service(tmp_path):
    """A service whose submits take half a second each, so that signals meet them in flight."""
    write_jobs(tmp_path / "jobs.jsonl", 16)
    slow = [{"on": "submit", "kind": "slow", "seconds": 0.5, "probability": 0.5}]
    with simulator(tmp_path, "--slots", "4", "--latency", "0.4", faults=slow) as running:
        yield running


def start(tmp_path, service, **streams):
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL} | streams
    process = subprocess.Popen([*COMMAND, *ARGUMENTS], cwd=tmp_path, env=environment(**service.env), **streams)
    wait_until(lambda: service.ledger()["accepted"] >= 3)
    return process


def finish(tmp_path, service, in_doubt):
    """The same command again: what was in doubt stays so, all else is done, and nothing is paid twice."""
    last = command(*ARGUMENTS, cwd=tmp_path, **service.env)
    counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
    assert counts.get("in_doubt", 0) <= in_doubt, last.stderr
    assert counts["done"] == 16 - counts.get("in_doubt", 0)
    ledger = service.ledger()
    assert max(ledger["by_payload"].values()) == 1
    assert counts["done"] <= ledger["accepted"] <= 16


@pytest.mark.parametrize("number", CODES)
def test_one_signal_drains(tmp_path, service, number):
    """POSTs in flight are awaited; the state and the reports are written."""
    run = start(tmp_path, service)
    run.send_signal(number)
    assert run.wait(timeout=30) == CODES[number]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "in_doubt" not in summary["counts"]
    assert summary["stopped_because"] == "interrupted"
    finish(tmp_path, service, in_doubt=0)


@pytest.mark.parametrize("number", CODES)
def test_a_second_signal_leaves(tmp_path, service, number):
    """Within seconds, and still every answer that comes in them is written down."""
    run = start(tmp_path, service)
    run.send_signal(number)
    time.sleep(0.05)
    run.send_signal(number)
    assert run.wait(timeout=10) == CODES[number]
    finish(tmp_path, service, in_doubt=0)


@pytest.mark.parametrize("number", CODES)
def test_a_third_signal_is_a_kill(tmp_path, service, number):
    """At once; what was in flight just then is in doubt, and nothing else."""
    run = start(tmp_path, service)
    for _ in range(3):
        run.send_signal(number)
        time.sleep(0.03)
    assert run.wait(timeout=5) == CODES[number]
    finish(tmp_path, service, in_doubt=4)


def test_a_terminal_that_is_closed(tmp_path, service):
    """The hang-up comes as a signal and as errors of every write; the run drains all the same."""
    ours, theirs = pty.openpty()
    run = start(tmp_path, service, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    os.close(ours)
    run.send_signal(signal.SIGHUP)  # as the kernel sends to the session that loses its terminal
    assert run.wait(timeout=30) == 143
    finish(tmp_path, service, in_doubt=0)


def test_a_pipe_whose_reader_goes(tmp_path, service):
    """`2>&1 | head -1`: the run goes on to its end."""
    run = start(tmp_path, service, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    run.stderr.close()
    run.stdout.close()
    assert run.wait(timeout=60) == 0
    finish(tmp_path, service, in_doubt=0)


def test_a_process_that_is_stopped_and_goes_on(tmp_path, service):
    """Ctrl-Z for three seconds: the answers that came meanwhile are read."""
    run = start(tmp_path, service)
    run.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    run.send_signal(signal.SIGCONT)
    assert run.wait(timeout=60) == 0
    finish(tmp_path, service, in_doubt=0)
