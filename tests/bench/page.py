"""The report of a large night: how long it takes to write, and what a browser makes of it.

    python tests/bench/page.py 50000 [--keep DIR]

Prints figures and judges nothing: CPU seconds, bytes, milliseconds until the page can be used, megabytes of heap, and
the time from a key to the frame that shows what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.catalogue import RUN, jobs_of, pictures_of
from support.chromium import CHROMIUM, Browser

from runner.report import write_reports
from runner.report.originals import Originals
from runner.report.page import Page
from runner.report.results import line
from runner.report.summary import summarize


def written(directory, number):
    """CPU seconds for the page alone and for all four reports."""
    jobs = jobs_of(number)
    lines = [line(job) for job in jobs]
    originals = Originals(directory)
    for job in jobs:
        originals.note(job)
    summary = summarize(RUN, jobs)
    began = time.process_time()
    with (directory / "alone.html").open("w") as file:
        page = Page(file, directory, RUN, summary, originals)
        for job, text in zip(jobs, lines, strict=True):
            page.add(job, text)
        page.end()
    alone = time.process_time() - began
    (directory / "alone.html").unlink()
    began = time.process_time()
    write_reports(directory, RUN, lambda: iter(jobs))
    return alone, time.process_time() - began


async def looked_at(directory):
    """The figures of a browser."""
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(directory / "report.html")
        ready = await browser.js("+document.documentElement.dataset.ready")
        figures = {"ready_ms": ready, "heap_mb": round(await browser.heap() / 1e6, 1)}
        asked = ("state:failed", "number 4999", "kitchen -job-1", "")
        figures["filter_ms"] = {
            text: round(await browser.js(TIMED % (TYPE % text + CHANGED)) - PAUSE) for text in asked
        }
        ids = [f"job-{number}" for number in (3, 20_003, 44_444)]
        figures["open_ms"] = [
            round(await browser.js(TIMED % (f"location.hash = 'job={name}';" + OPENED))) for name in ids
        ]
        figures["nodes"] = await browser.js("document.querySelectorAll('*').length")
        figures["heap_then_mb"] = round(await browser.heap() / 1e6, 1)
        return figures


PAUSE = 60
"""Milliseconds for which the page waits for a next letter."""
TIMED = (
    "(async () => { const began = performance.now(); %s"
    "await new Promise(done => requestAnimationFrame(() => setTimeout(done))); return performance.now() - began; })()"
)
TYPE = "const q = document.querySelector('#query'); q.value = %r; q.dispatchEvent(new Event('input'));"
CHANGED = (
    "const was = document.querySelector('#count').textContent;"
    "while (document.querySelector('#count').textContent === was) await new Promise(done => setTimeout(done));"
)
OPENED = (
    "const id = location.hash.slice(5);"
    "while (document.querySelector('#detail-title')?.textContent !== id) await new Promise(done => setTimeout(done));"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("jobs", type=int, nargs="+")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}")
    for number in options.jobs:
        with tempfile.TemporaryDirectory(prefix="report-") as found:
            directory = options.keep or Path(found)
            pictures_of(directory)
            page_s, all_s = written(directory, number)
            size = (directory / "report.html").stat().st_size / 1e6
            print(f"{number:,} jobs: page {page_s:.2f} s, all four reports {all_s:.2f} s of CPU; {size:.1f} MB")
            if CHROMIUM:
                print(json.dumps(asyncio.run(looked_at(directory))))


if __name__ == "__main__":
    main()
