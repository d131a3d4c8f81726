"""What people are told of a run, in words and for machines. No prompt, no URL with its query, no token is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner.batch.outcome import Outcome
from runner.batch.planner import Plan
from runner.errors import BatchError, ExitCode
from runner.manifest import InvalidManifest
from runner.model import Job, JobState, counted, dollars
from runner.notify import Notice
from runner.report.page import neutral, verdict
from runner.report.summary import iso, usd
from runner.rules.planning import Change

SCHEMA: Final = "runcomfy-batch.notice/1"
LONGEST: Final = 500
"""Letters of an error's message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What every notice of a run says."""

    name: str
    directory: Path | None
    """`None` where the run ended before it had one."""
    run_id: str | None = None

    def notice(self, event: str, text: str, at: float, *, is_good: bool = True, **more: Any) -> Notice:
        """A notice of that event; `more` is for machines."""
        name, text = neutral(self.name), neutral(text)
        title = f"{name}: {event.replace('_', ' ')}"
        document = {"schema": SCHEMA, "event": event, "name": name, "title": title, "text": text, "at": iso(at)}
        document |= {"run_id": self.run_id} | self._paths() | more
        return Notice(event=event, title=title, text=text, is_good=is_good, document=document)

    def _paths(self) -> dict[str, str | None]:
        there = self.directory.absolute() if self.directory is not None else None
        files = {"run_dir": "", "report": "report.html", "summary": "summary.json"}
        return {key: str(there / file) if there is not None else None for key, file in files.items()}


def began(about: About, plan: Plan, at: float) -> Notice:
    """A run begins."""
    paid = plan.counts.get(Change.RESUME, 0)
    collected = f", {paid:,} paid already and to be collected" if paid else ""
    price = "" if not plan.submits else f" for {dollars(plan.price)}" if plan.price is not None else ", price unknown"
    text = f"{counted(plan.submits, 'job')} to submit{price}{collected}."
    price_usd = None if plan.price is None else usd(plan.price)
    more: dict[str, Any] = {"submits": plan.submits, "price_usd": price_usd, "simulated": plan.is_simulated}
    return about.notice("started", text, at, **more)


def went_bad(about: About, job: Job, counts: Mapping[str, int], at: float) -> Notice:
    """The first job of a run that ended badly, or is in doubt."""
    failure = job.failure
    word = str(job.state).replace("_", " ")
    said = failure.message[:LONGEST] if failure is not None else ""
    code = failure.code if failure is not None else ""
    error = {"kind": str(failure.kind), "code": code, "message": neutral(said)} if failure is not None else None
    text = f"{job.job_id} is {word}: {code}: {said}. Of further ones the report tells."
    more = {"job_id": neutral(job.job_id), "state": str(job.state), "error": error, "counts": dict(counts)}
    return about.notice("first_failure", text, at, is_good=False, **more)


def stopped(about: About, because: str, message: str, counts: Mapping[str, int], at: float) -> Notice:
    """Nothing more is submitted, for good or until the service is back."""
    more = {"stopped_because": because, "counts": dict(counts)}
    return about.notice("held", _sentence(message[:LONGEST]), at, is_good=False, **more)


def ended(about: About, outcome: Outcome, at: float) -> Notice:
    """The run is over and its reports are written."""
    summary = outcome.summary
    why = f" Stopped: {_sentence(outcome.hold.message)}" if outcome.hold is not None else ""
    code = outcome.exit_code
    text = (
        f"{verdict(summary)} {summary.bill.capitalize()}.{why} Exit {int(code)} ({code.name.lower()}). Report: "
        + str((outcome.directory / "report.html").absolute())
    )
    facts = {key: value for key, value in summary.as_dict().items() if key != "run_id"}
    return about.notice("finished", text, at, is_good=code is ExitCode.DONE, **facts)


def failed(about: About, error: BaseException, at: float) -> Notice:
    """The run could not begin, or not go on to its end."""
    code = error.exit_code if isinstance(error, BatchError) else ExitCode.BUG
    if isinstance(error, InvalidManifest):  # its message shows lines of the manifest
        errors = sum(diagnostic.severity == "error" for diagnostic in error.diagnostics)
        said = f"{counted(errors, 'error')} in the manifest; `runcomfy-batch check` shows them."
    else:
        said = error.message if isinstance(error, BatchError) else f"a bug of this program ({type(error).__name__})."
    text = f"It could not go on: {_sentence(said[:LONGEST])} Exit {int(code)} ({code.name.lower()})."
    return about.notice("finished", text, at, is_good=False, exit_code=int(code), stopped_because="error")


def variables(notice: Notice) -> dict[str, str]:
    """The notice of a run's end as environment variables."""
    document = notice.document
    cost = document.get("cost_usd", {})
    counts = document.get("counts", {})
    found = {
        **{key: document[key] for key in ("event", "name", "run_id", "run_dir", "report", "summary", "text")},
        "exit_code": document["exit_code"],
        "stopped_because": document["stopped_because"],
        "jobs": document.get("jobs"),
        "images": document.get("images"),
        "cost_usd": cost.get("spent"),
        "reserved_usd": cost.get("reserved_in_doubt"),
        "simulated": int(document.get("simulated", False)),
        **{f"count_{state}": counts.get(state, 0) for state in JobState},
    }
    return {
        f"RUNCOMFY_BATCH_{key.upper()}": "" if value is None else str(value).replace("\0", "")
        for key, value in found.items()
    }


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
