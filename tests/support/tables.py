"""Tables of a benchmark: what ran where, then aligned columns; ratios, since absolutes belong to the machine."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def machine():
    """The machine in a line."""
    model = platform.machine()
    try:
        with Path("/proc/cpuinfo").open() as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def table(title, columns, rows):
    """Print rows of cells under their columns; texts to the left, numbers to the right."""
    print(f"\n{title}\n{machine()}\n", flush=True)
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(line[n]) for line in [columns, *cells]) for n in range(len(columns))]
    is_number = [all(isinstance(row[n], (int, float)) or row[n] is None for row in rows) for n in range(len(columns))]
    for line in [columns, ["-" * width for width in widths], *cells]:
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, is_number, strict=True)
        ]
        print("  ".join(padded).rstrip())
    sys.stdout.flush()


def _text(cell):
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:,.3f}" if abs(cell) < 100 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
