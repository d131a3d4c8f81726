"""results.jsonl, results.csv, summary.json and report.html, from jobs alone. Each is replaced whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from runner.model import Job, Run
from runner.report.files import replacing
from runner.report.results import write_csv, write_jsonl
from runner.report.summary import Summary, summarize

__all__ = ["Summary", "summarize", "write_reports"]


def write_reports(directory: Path, run: Run, jobs: Callable[[], Iterable[Job]]) -> Summary:
    """Write the four reports into the run directory. `jobs` is called once for each pass over them.

    Raises `StorageFailed` where the disk fails; the former reports are then still there.
    """
    import json

    from runner.report.page import write_page

    summary = summarize(run, jobs())
    with replacing(directory / "results.jsonl") as file:
        write_jsonl(file, jobs())
    with replacing(directory / "results.csv", encoding="utf-8-sig") as file:
        write_csv(file, jobs)
    with replacing(directory / "report.html") as file:
        write_page(file, directory, run, summary, jobs())
    with replacing(directory / "summary.json") as file:
        json.dump(summary.as_dict(), file, ensure_ascii=False, indent=2)
        file.write("\n")
    return summary
