"""report.html: one page beside `images/`, opened by a double-click; no server, no script, no request to anywhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TextIO
from unicodedata import category
from urllib.parse import quote, urlsplit

import jinja2

from runner.model import LOCAL, Job, JobState, Run
from runner.report.remedies import remedy
from runner.report.results import cost_usd, duration_s, unsigned
from runner.report.summary import Summary

MOST_SHOWN: Final = 2000
"""Done jobs in the grid; more would keep a browser busy, and results.csv has them all."""
VIDEOS: Final = ("mp4", "mov", "webm")


@dataclass(frozen=True, slots=True)
class Card:
    """One job in the grid."""

    job_id: str
    anchor: str
    state: str
    prompt: str
    before: str | None
    """A local picture of the first input."""
    origin: str
    """Where the first input comes from: host and file name."""
    after: list[dict[str, Any]]
    error: str
    facts: str


@dataclass(slots=True)
class Group:
    """Jobs that ended badly in the same way."""

    kind: str
    code: str
    message: str
    remedy: str
    command: str
    jobs: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0


def write_page(file: TextIO, directory: Path, run: Run, summary: Summary, jobs: Iterable[Job]) -> None:
    """Write the page."""
    needy: list[Card] = []
    done: list[Card] = []
    groups: dict[tuple[str, str], Group] = {}
    for number, job in enumerate(jobs):
        if job.state is JobState.DONE:
            if len(done) < MOST_SHOWN:
                done.append(_card(job, directory, number))
            continue
        if job.failure is not None or job.state is not JobState.PENDING:
            if len(needy) < MOST_SHOWN:
                needy.append(_card(job, directory, number))
            _add(groups, job, run, directory, number)
    style = _asset("report.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    document = summary.as_dict()
    file.writelines(
        _template().generate(
            run=run,
            summary=document,
            verdict=verdict(summary),
            groups=sorted(groups.values(), key=lambda g: -g.count),
            needy=needy,
            done=done,
            hidden=max(0, summary.counts.get(JobState.DONE, 0) - len(done)),
            style=style,
            style_hash=f"sha256-{digest}",
            duration=_duration(document["duration_s"]),
        )
    )


def verdict(summary: Summary) -> str:
    """The night in one honest sentence."""
    counts, total = summary.counts, summary.jobs
    done = counts.get(JobState.DONE, 0)
    if done == total:
        return f"All {total:,} jobs are done." if total != 1 else "The one job is done."
    parts = [f"{done:,} of {total:,} jobs are done"]
    words = {
        JobState.FAILED: "failed",
        JobState.REJECTED: "rejected by the service",
        JobState.CANCELLED: "cancelled",
        JobState.OUTPUT_LOST: "paid but their output is lost",
        JobState.IN_DOUBT: "in doubt: perhaps paid, perhaps not",
        JobState.HELD: "held back",
    }
    parts += [f"{counts[state]:,} {word}" for state, word in words.items() if counts.get(state)]
    waiting = sum(counts.get(s, 0) for s in (JobState.PENDING, JobState.SUBMITTING))
    at_service = sum(counts.get(s, 0) for s in (JobState.SUBMITTED, JobState.RESULT_KNOWN))
    parts += [f"{at_service:,} paid and still to be collected"] if at_service else []
    parts += [f"{waiting:,} not submitted yet"] if waiting else []
    return "; ".join(parts) + "."


def _add(groups: dict[tuple[str, str], Group], job: Job, run: Run, directory: Path, number: int) -> None:
    if job.failure is None:
        return
    key = (str(job.failure.kind), job.failure.code)
    if key not in groups:
        text, command = remedy(job, run, directory)
        groups[key] = Group(*key, job.failure.message, text, command)
    group = groups[key]
    group.count += 1
    if len(group.jobs) < 12:
        group.jobs.append((job.job_id, f"j{number}"))


def _card(job: Job, directory: Path, number: int) -> Card:
    url = _first_input(job)
    cost = cost_usd(job)
    seconds = duration_s(job)
    facts = [f"{len(job.artifacts)} file{'s' * (len(job.artifacts) != 1)}"] if job.artifacts else []
    facts += [f"shared with {job.shared_from}"] if job.shared_from is not None else []
    facts += [f"${cost:g}"] if cost is not None else ["cost unknown"] if job.attempts else ["not sent"]
    facts += [_duration(seconds)] if seconds is not None else []
    facts += [job.request_id] if job.request_id else []
    return Card(
        job_id=job.job_id,
        anchor=f"j{number}",
        state=str(job.state).replace("_", " "),
        prompt=str(job.spec.inputs.get("prompt", "")),
        before=_before(url, directory),
        origin=_origin(url),
        after=[_picture(artifact.path, artifact.width, artifact.height, artifact.format) for artifact in job.artifacts],
        error=job.failure.message if job.failure else "",
        facts=" · ".join(facts),
    )


def _first_input(job: Job) -> str:
    for value in (job.spec.inputs.get("image_urls"), job.spec.inputs.get("image_url"), job.spec.inputs.get("image")):
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            return first
    return ""


def _before(url: str, directory: Path) -> str | None:
    """The local copy of an input, where the run kept one."""
    name = f"inputs/{hashlib.sha256(url.encode()).hexdigest()[:16]}.jpg"
    return name if url and (directory / name).is_file() else None


def _origin(url: str) -> str:
    if url.startswith(("data:", LOCAL)):
        return "a picture from the manifest" if url.startswith("data:") else "a photo of this machine"
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.hostname or ''} {parts.path.rsplit('/', 1)[-1]}".strip()


def _picture(path: str, width: int | None, height: int | None, form: str) -> dict[str, Any]:
    """A file of the run directory, its path safe in an attribute; never a scheme, never a way out."""
    clean = "/".join(part for part in Path(path).parts if part.strip("/") not in ("", ".."))
    return {"src": quote(clean), "width": width, "height": height, "is_video": form in VIDEOS}


def neutral(text: str) -> str:
    """Without control characters, those that turn the direction of the text around, and keys to presigned URLs.

    What joins letters (ZWJ, ZWNJ) and spaces of any width stay: prompts are written in many scripts.
    """
    turning = "\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    return "".join(c for c in unsigned(text) if c in "\n\t" or (category(c) not in ("Cc", "Cs") and c not in turning))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.1f} s"
    minutes, _ = divmod(round(seconds), 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


@cache
def _asset(name: str) -> str:
    return resources.files("runner.report").joinpath("assets", name).read_text("utf-8")


def _shown(value: Any) -> Any:
    """Each value that goes into the page, before it is escaped; markup is ours."""
    return neutral(value) if type(value) is str else value


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown
    )
    return environment.from_string(_asset("report.html.j2"))
