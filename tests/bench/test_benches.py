"""Each benchmark still runs: small, without the peers, and without a word on how fast this machine is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.tables import machine

HERE = Path(__file__).parent
SMALL = {
    "client.py": ["--jobs", "6", "--rounds", "1", "--only", "bare aiohttp", "--only", "runcomfy-batch"],
    "commits.py": ["--jobs", "20", "--rounds", "1"],
    "downloads.py": ["--files", "3", "--rounds", "1"],
    "live.py": ["1000"],
    "manifests.py": ["200", "--formats", "csv", "yaml"],
    "page.py": ["300"],
    "polling.py": ["--jobs", "60", "--seeds", "1", "--http-jobs", "3", "--http-latency", "0.05"],
    "posts.py": ["--alone"],
    "report.py": ["20", "--rounds", "1"],
    "resume.py": ["20", "--rounds", "1"],
    "startup.py": ["--rounds", "1"],
}


@pytest.mark.parametrize("bench", SMALL)
def test_a_benchmark_runs(bench):
    """It prints a table or two, with numbers in it, and on what machine it ran."""
    command = [sys.executable, HERE / bench, *SMALL[bench]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert machine() in lines
    rules = [n for n, line in enumerate(lines) if line and set(line) <= {"-", " "}]
    assert rules
    assert all(any(character.isdigit() for character in lines[n + 1]) for n in rules)


def test_every_benchmark_is_tried():
    """None rots unseen."""
    there = {path.name for path in HERE.glob("*.py") if not path.name.startswith("test_")}
    assert there == {*SMALL, "manifests.py"}  # which has a test of its own
