"""How long it takes to write the four reports again from the state.

python tests/bench/report.py 1000 10000
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from resume import prepare
from support.tables import table

from runner.report import write_reports
from runner.store.reader import Reader


def build(directory, rounds):
    """Median seconds of CPU and of time."""
    with Reader(directory) as reader:
        run, found = reader.last_run(), []
        for _ in range(rounds):
            cpu, wall = time.process_time(), time.perf_counter()
            write_reports(directory, run, reader.jobs)
            found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return [statistics.median(column) for column in zip(*found, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", type=int, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rows = []
    for jobs in arguments.jobs:
        with tempfile.TemporaryDirectory(prefix="report-") as directory:
            prepare(Path(directory), jobs, "http://127.0.0.1:1/v1")
            cpu, wall = build(Path(directory) / "out", arguments.rounds)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        rows.append((jobs, wall, cpu, cpu / jobs * 1000, memory))
    title = f"results.jsonl, results.csv, summary.json, report.html; median of {arguments.rounds}"
    table(title, ["jobs", "seconds", "CPU s", "CPU ms a job", "RSS MB"], rows)


if __name__ == "__main__":
    main()
