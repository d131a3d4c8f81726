"""The report of a large night: how long it takes to write, and what a browser makes of it.

    python tests/bench/page.py 50000 [--keep DIR]

Prints figures and judges nothing: CPU seconds, bytes, milliseconds until the page can be used, megabytes of heap, and
the time from a key to the frame that shows what it did.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.catalogue import RUN, jobs_of, pictures_of
from support.chromium import CHROMIUM, Browser
from support.tables import table

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
        originals.note(job.spec.inputs)
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
    """What a browser makes of it, line by line."""
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(directory / "report.html")
        ready = await browser.js("+document.documentElement.dataset.ready")
        lines = [("until it can be used", float(ready), "ms"), ("heap", await browser.heap() / 1e6, "MB")]
        for text in ("state:failed", "number 4999", "kitchen -job-1", ""):
            passed = await browser.js(TIMED % (TYPE % text + CHANGED)) - PAUSE
            lines.append((f"search {text!r}", float(passed), "ms"))
        total = await browser.js("+document.querySelector('#count').textContent.replaceAll(',', '').split(' ')[0]") or 1
        for part in (0.1, 0.5, 0.9):
            open_it = f"location.hash = 'job=job-{int(total * part)}';" + OPENED
            lines.append((f"open a job, at {part:.0%}", float(await browser.js(TIMED % open_it)), "ms"))
        lines.append(("elements", await browser.js("document.querySelectorAll('*').length"), ""))
        lines.append(("heap then", await browser.heap() / 1e6, "MB"))
        return lines


PAUSE = 60
"""Milliseconds for which the page waits for a next letter."""
TIMED = (
    "(async () => { const began = performance.now(); %s"
    "await new Promise(done => requestAnimationFrame(() => setTimeout(done))); return performance.now() - began; })()"
)
TYPE = "const q = document.querySelector('#query'); q.focus(); q.value = %r; q.dispatchEvent(new Event('input'));"
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
    made, seen = [], []
    for number in options.jobs:
        with tempfile.TemporaryDirectory(prefix="page-") as found:
            directory = options.keep or Path(found)
            pictures_of(directory)
            page_s, all_s = written(directory, number)
            made.append((number, page_s, all_s, (directory / "report.html").stat().st_size / 1e6))
            if CHROMIUM:
                seen += [(number, *figure) for figure in asyncio.run(looked_at(directory))]
    table("report.html, written", ["jobs", "page, CPU s", "with the other three", "MB"], made)
    if seen:
        table("report.html, in Chromium", ["jobs", "what", "figure", "unit"], seen)


if __name__ == "__main__":
    main()
