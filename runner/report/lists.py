"""The morning's lists for programs: a manifest of what is not done, and JUnit for those who watch tests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TextIO
from xml.sax.saxutils import escape, quoteattr

from runner.model import LOCAL, Job, JobState, Run
from runner.report.results import duration_s, unsigned
from runner.report.summary import Summary

UNPAID: Final = (JobState.PENDING, JobState.HELD, JobState.FAILED, JobState.REJECTED, JobState.CANCELLED)
"""What a manifest of its own may do again. In doubt, at the service, lost: paid, or perhaps; the run itself goes on."""
NOT_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_rerun(
    file: TextIO, jobs: Iterable[Job], prompts: Mapping[str, str], waits: Callable[[Job], bool] = lambda _: False
) -> tuple[int, int]:
    """A JSONL manifest of the jobs that are to be done anew, each as it was to be sent, or with another prompt.

    `waits` says whether a job was not sent, since its request is paid for another one, or may be. How many are in it,
    and how many were left out since they are paid, or may be.
    """
    written = left = 0
    for job in jobs:
        if job.state not in (*UNPAID, JobState.DONE) or job.is_written_off or waits(job):
            left += 1
            continue
        inputs = _inputs(job)
        if job.job_id in prompts:
            inputs["prompt"] = prompts[job.job_id]
        line = {"id": job.job_id, "model": job.spec.model, **inputs}
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        written += 1
    return written, left


def _inputs(job: Job) -> dict[str, Any]:
    """Photos of this machine by their paths, as a manifest names them."""

    def named(value: Any) -> Any:
        if isinstance(value, list):
            return [named(item) for item in value]
        if isinstance(value, str) and value.startswith(LOCAL):
            return job.spec.files.get(value.partition("sha256=")[2].partition(";")[0], value)
        return value

    return {name: named(value) for name, value in job.spec.inputs.items()}


def write_junit(file: TextIO, run: Run, summary: Summary, jobs: Iterable[Job]) -> None:
    """A test case a job: done passes, what waits is skipped, what is in doubt or lost is an error, the rest fails."""
    counts = summary.counts
    errors = sum(counts.get(state, 0) for state in (JobState.IN_DOUBT, JobState.OUTPUT_LOST))
    failed = sum(counts.get(state, 0) for state in (JobState.FAILED, JobState.REJECTED, JobState.CANCELLED))
    skipped = summary.jobs - errors - failed - counts.get(JobState.DONE, 0)
    numbers = f'tests="{summary.jobs}" failures="{failed}" errors="{errors}" skipped="{skipped}"'
    seconds = f"{(run.finished_at or run.started_at) - run.started_at:.3f}"
    file.write(f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites {numbers}>\n')
    file.write(f'<testsuite name={_attribute(run.name)} {numbers} time="{seconds}">\n')
    for job in jobs:
        names = f"classname={_attribute(job.spec.model)} name={_attribute(job.job_id)}"
        file.write(f'<testcase {names} time="{duration_s(job) or 0:.3f}">{_ending(job)}</testcase>\n')
    file.write("</testsuite>\n</testsuites>\n")


def _ending(job: Job) -> str:
    message = job.failure.message if job.failure else job.state.value
    match job.state:
        case JobState.DONE:
            return ""
        case JobState.IN_DOUBT | JobState.OUTPUT_LOST:
            word = "error"
        case JobState.FAILED | JobState.REJECTED | JobState.CANCELLED:
            word = "failure"
        case _:
            return f"<skipped message={_attribute(job.state.value)}/>"
    kind = job.failure.code if job.failure else job.state.value
    where = f"{job.spec.source}\nrequest {job.request_id or 'none'}\n"
    text = f"{where}{message}"
    return f"<{word} type={_attribute(kind)} message={_attribute(message)}>{escape(_legal(text))}</{word}>"


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    """What XML has letters for, without keys to presigned URLs."""
    return NOT_XML.sub("?", unsigned(text))
