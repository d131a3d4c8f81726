"""results.jsonl and results.csv: an object and a line a job."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

from runner.model import Artifact, Attempt, Failure, Job
from runner.report.summary import has_unknown_cost, iso, usd

SIGNED: Final = re.compile(
    r"(https?://[^\s?#]{1,2000})\?(?:[^\s\"'<>|]{0,4000}&)?"
    r"(?:x-\w+-(?:signature|credential|security-token)|signature|sig|(?:\w+_)?token|(?:api_?)?key|secret|policy)"
    r"=[^\s\"'<>|]*",
    re.IGNORECASE,
)
"""A URL whose query is a key to what it names, wherever it stands in a text."""
FORMULA: Final = re.compile(r"[\s\x00-\x1f\ufeff\u200b]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that a spreadsheet would work out, blanks and what is not seen left out; in East Asia also with the
wide forms of these signs."""
INNER: Final = re.compile(r"([\r\n\t;][\s\x00-\x1f\ufeff\u200b\"']*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""Where a text would begin a cell of its own for who reads by semicolons or tabs, as spreadsheets do in half of Europe:
they take no notice of quotes in the middle, so that a line break within a cell begins a row."""
SCHEMA: Final = "runcomfy-batch.result/1"
COLUMNS: Final = (
    *("job_id", "state", "request_id", "files", "cost_usd", "error_kind", "error_message", "attempts"),
    *("submitted_at", "finished_at", "duration_s"),
)


def line(job: Job) -> str:
    """The job's object in results.jsonl, without the line's end."""
    return _ENCODER.encode(result(job))


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def result(job: Job) -> dict[str, Any]:
    """What is known of a job, its field names part of the contract."""
    return {
        "schema": SCHEMA,
        "job_id": job.job_id,
        "state": job.state,
        "model": job.spec.model,
        "request_id": job.request_id,
        "fingerprint": job.spec.fingerprint,
        "inputs": shown(dict(job.spec.inputs)),
        "files": [_file(artifact) for artifact in job.artifacts],
        "cost_usd": cost_usd(job),
        "attempts": [_attempt(attempt) for attempt in job.attempts],
        "error": _error(job.failure),
        "submitted_at": iso(job.submitted_at),
        "finished_at": iso(job.finished_at),
        "duration_s": duration_s(job),
        "row": {name: unsigned(value) for name, value in job.spec.row.items()},
    } | ({} if job.shared_from is None else {"shared_from": job.shared_from})


class Table:
    """results.csv, a line a job: our columns, then every source column under its own name.

    A source column that is named as one of ours (`job_id`, `state` …) stands with the name `row.` before it, so that no
    reader confuses the two. Cells that a spreadsheet would run as formulas get an apostrophe in front.
    """

    def __init__(self, file: TextIO, columns: Iterable[str]) -> None:
        self._columns = tuple(columns)
        self._writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
        names = (_guarded(f"row.{name}" if name in COLUMNS else name) for name in self._columns)
        self._writer.writerow([*COLUMNS, *names])

    def add(self, job: Job) -> None:
        """One more line."""
        row = job.spec.row
        self._writer.writerow([*_cells(job), *(_guarded(unsigned(row.get(name, ""))) for name in self._columns)])


def _cells(job: Job) -> list[Any]:
    failure = job.failure
    return [
        _guarded(job.job_id),
        str(job.state),
        _guarded(job.request_id or ""),
        _guarded("|".join(artifact.path for artifact in job.artifacts)),
        _number(cost_usd(job)),
        str(failure.kind) if failure else "",
        _guarded(unsigned(failure.message)) if failure else "",
        len(job.attempts),
        iso(job.submitted_at) or "",
        iso(job.finished_at) or "",
        _number(duration_s(job)),
    ]


def guarded(text: str) -> str:
    """The text so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    return f"'{text}" if FORMULA.match(text) else text


def _guarded(text: str) -> str:
    """The same, also for who reads the file by another delimiter than it has."""
    inside = INNER.sub(r"\1'", text)
    return f"'{inside}" if FORMULA.match(text) else inside


def unsigned(text: str) -> str:
    """The text, its presigned URLs without their query."""
    return SIGNED.sub(r"\1?…", text) if "?" in text else text


def _number(value: float | None) -> float | str:
    return "" if value is None else value


def cost_usd(job: Job) -> float | None:
    """What the job cost in USD; `None` where the service has not said so."""
    if has_unknown_cost(job) or any(a.cost is None and a.state == "in_doubt" for a in job.attempts):
        return None
    return usd(job.cost) if job.cost is not None else None


def duration_s(job: Job) -> float | None:
    """From the acceptance to the end, in seconds."""
    if job.submitted_at is None or job.finished_at is None:
        return None
    return round(max(0.0, job.finished_at - job.submitted_at), 3)


def shown(value: Any) -> Any:
    """Inputs for a report: URLs without their query, which may be a key; embedded images by their size."""
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item) for item in value]
    if isinstance(value, str) and value.startswith("data:"):
        return f"{value[:40].split(',')[0]},… ({len(value) // 1024} kB)"
    if isinstance(value, str) and re.fullmatch(r"https?://\S+\?\S*", value, re.IGNORECASE):
        parts = urlsplit(value)
        return f"{parts.scheme}://{parts.netloc}{parts.path}?…"
    return unsigned(value) if isinstance(value, str) else value


def _file(artifact: Artifact) -> dict[str, Any]:
    return {
        "path": artifact.path,
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "width": artifact.width,
        "height": artifact.height,
        "format": artifact.format,
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "state": attempt.state,
        "request_id": attempt.request_id,
        "intended_at": iso(attempt.intended_at),
        "accepted_at": iso(attempt.accepted_at),
        "finished_at": iso(attempt.finished_at),
        "reserved_usd": None if attempt.reserved is None else usd(attempt.reserved),
        "cost_usd": None if attempt.cost is None else usd(attempt.cost),
        "error": _error(attempt.failure),
    }


def _error(failure: Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    return {"kind": failure.kind, "code": failure.code, "message": unsigned(failure.message)}
