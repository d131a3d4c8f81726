"""results.jsonl, results.csv, summary.json and report.html, from jobs alone. Each is replaced whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from runner.model import Artifact, Job, Run
from runner.report.earlier import Earlier
from runner.report.files import replacing, sweep_asides
from runner.report.results import Table, line
from runner.report.summary import Summary, summarize

__all__ = ["Earlier", "Summary", "summarize", "sweep_asides", "write_reports"]


def write_reports(
    directory: Path,
    run: Run,
    jobs: Callable[[], Iterable[Job]],
    *,
    earlier: Earlier | None = None,
    kept: Mapping[str, Sequence[Artifact]] | None = None,
) -> Summary:
    """Write the four reports into the run directory. `jobs` is called twice: to survey them, and to write.

    With an `earlier` run the page compares the two. `kept` are, by job id, the pictures that made room for others.

    Raises `StorageFailed` where the disk fails; a report that was not written whole is then the former one still.
    """
    import json

    from runner.report.originals import Originals
    from runner.report.page import Page

    originals = Originals(directory)
    columns: dict[str, None] = {}

    def surveyed() -> Iterator[Job]:
        for job in jobs():
            columns.update(dict.fromkeys(job.spec.row))
            originals.note(job.spec.inputs)
            yield job

    summary = summarize(run, surveyed())
    with (
        replacing(directory / "report.html") as page_file,
        replacing(directory / "results.csv", encoding="utf-8-sig") as csv_file,
        replacing(directory / "results.jsonl") as jsonl_file,
    ):
        table = Table(csv_file, columns)
        page = Page(page_file, directory, run, summary, originals, earlier, kept or {})
        for job in jobs():
            text = line(job)
            jsonl_file.write(text + "\n")
            table.add(job)
            page.add(job, text)
        page.end()
    with replacing(directory / "summary.json") as file:
        json.dump(summary.as_dict(), file, ensure_ascii=False, indent=2)
        file.write("\n")
    return summary
