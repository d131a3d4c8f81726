"""What it costs to ask the command for help: CPU of the whole process.

python tests/bench/startup.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.processes import COMMAND, environment
from support.tables import table

WAYS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import click'": [sys.executable, "-c", "import click"],
    "runcomfy-batch --help": [*COMMAND, "--help"],
    "runcomfy-batch run --help": [*COMMAND, "run", "--help"],
    "runcomfy-batch --version": [*COMMAND, "--version"],
}


def cpu_ms(command):
    """User and system time of one run."""
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return (usage.ru_utime + usage.ru_stime) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    runs = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, command in WAYS.items():
            runs[name].append(cpu_ms(command))
    rows = [(name, statistics.median(found)) for name, found in runs.items()]
    rows = [(name, median, median / rows[0][1]) for name, median in rows]
    table(f"median of {rounds} alternating runs", ["command", "CPU ms", "÷ bare Python"], rows)


if __name__ == "__main__":
    main()
