"""What a run would do with each entry of a manifest, given what the state knows, and what that would cost.

Resume is not a mode: it is the same plan with more rows already known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from runner.model import LARGEST, AttemptState, FailureKind, Job, JobSpec, JobState, Money, Price
from runner.rules.names import outputs_at_most


class Change(StrEnum):
    """How an entry of the manifest stands to the state; in the order in which a plan shows them."""

    NEW = "new"
    CHANGED = "changed"
    RESUME = "resume"
    RETRY = "retry"
    SHARED = "shared"
    DONE = "done"
    IN_DOUBT = "in_doubt"
    FAILED = "failed"
    GONE = "gone"


SIGILS = {
    Change.NEW: "+",
    Change.CHANGED: "~",
    Change.RESUME: ">",
    Change.RETRY: "^",
    Change.SHARED: "&",
    Change.DONE: "=",
    Change.IN_DOUBT: "?",
    Change.FAILED: "!",
    Change.GONE: "-",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What the user asked for beside the manifest."""

    rerun_changed: bool = False
    resubmit_doubts: bool = False
    """`--in-doubt resubmit`: at worst these are paid twice."""
    fetchable: frozenset[str] = frozenset()
    """Ids of jobs that are paid, whose files are not here and may be had."""
    retry: frozenset[str] = frozenset()
    """Words after `--retry`: `failed` (every ended job), a state, or a kind or code of failure."""
    redo: frozenset[str] = frozenset()
    """`--redo`: ids of jobs whose pictures were rejected, and are still those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """Another job whose request is the very same."""

    job_id: str
    state: JobState | None = None
    """`None`: an entry of the manifest that is to be submitted."""
    is_gone: bool = False
    """Whether the manifest does not name it any more."""
    request_id: str | None = None
    """The request that its state is about."""
    is_written_off: bool = False
    """Whether a person gave its request up while it was in doubt: it may be paid for all the same."""
    is_unsent: bool = False
    """Whether it ended without a POST of its own: with another one, or by what was found here."""
    is_refused_by_us: bool = False
    """Whether its paid output is there, and this tool would not fetch it."""

    @property
    def is_paid(self) -> bool:
        """Whether its request was paid for, or may have been: its outputs are had for nothing, if they can be had."""
        return self.state in PAID_STATES


PAID_STATES = (
    *(JobState.DONE, JobState.RESULT_KNOWN, JobState.SUBMITTED, JobState.SUBMITTING, JobState.IN_DOUBT),
    JobState.OUTPUT_LOST,
)
"""In the order in which a twin is chosen."""
OPEN = (JobState.SUBMITTED, JobState.RESULT_KNOWN)
"""Paid for and not ended: collected by every run."""
WAITING = (JobState.PENDING, JobState.HELD)
ENDED_BADLY = (JobState.FAILED, JobState.REJECTED, JobState.CANCELLED, JobState.OUTPUT_LOST)
"""What `--retry` may send again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """One job's part of a plan."""

    job_id: str
    change: Change
    will_submit: bool
    """Whether a paid POST is to be made."""
    price: Money | None
    """What that POST costs; `None` where unknown or where none is made."""
    reason: str
    is_chosen: bool = True
    """Whether `--only`, `--limit` and their like leave it: then its end counts for the exit code."""
    is_given_up: bool = False
    """Whether it waits for a word, since its request was given up while in doubt, under whatever id."""


def plan_entry(spec: JobSpec, job: Job | None, price: Price, choices: Choices, twin: Twin | None = None) -> PlanEntry:
    """The plan for one entry of the manifest; `job` is what the state knows under its id.

    `twin` is another job whose request is the same, and that was or will be paid for.
    """
    is_lost = job is not None and job.state is JobState.OUTPUT_LOST
    if twin is not None and twin.is_written_off and WRITTEN_OFF in choices.retry and not is_lost:
        choices = replace(choices, retry=choices.retry | {"failed"})  # the word for the doubt is that for who shares it
    change, will_submit, reason = _judge(spec, job, choices)
    is_given_up = False
    if twin is not None and will_submit and change in SHARING:
        if not _is_asked_for(spec, job, twin, choices):
            has_failed = twin.state is not None and not twin.is_paid
            change, will_submit, reason = Change.FAILED if has_failed else Change.SHARED, False, _shares(twin)
            is_given_up = twin.is_written_off
        elif twin.is_written_off:
            reason = f"{reason}; if the request of {twin.job_id!r} was taken, it is paid twice"
    elif job is not None and _is_over_with_another(spec, job) and not retry_words(job) & choices.retry:
        change, will_submit, reason = Change.FAILED, False, _why(job)
    amount = price_of(price, spec.inputs) if will_submit else None
    return PlanEntry(
        job_id=spec.job_id,
        change=change,
        will_submit=will_submit,
        price=amount,
        reason=reason,
        is_given_up=is_given_up,
    )


SHARING = (Change.NEW, Change.RETRY, Change.CHANGED)


def _is_asked_for(spec: JobSpec, job: Job | None, twin: Twin, choices: Choices) -> bool:
    """Whether a person asks for a request anew that came to nothing under the other's name: then either may send it.

    By `--retry`, or by `doubts --resubmit` of this one.
    """
    if twin.state is None or (twin.is_paid and twin.state is not JobState.OUTPUT_LOST) or twin.is_refused_by_us:
        return False
    if twin.is_written_off:
        return WRITTEN_OFF in choices.retry
    is_its_own = job is not None and job.spec.fingerprint == spec.fingerprint
    if job is not None and job.state is JobState.PENDING and job.was_taken and (is_its_own or not twin.is_paid):
        return True
    words = {"failed", str(twin.state)} if job is None or twin.is_paid else set()
    if job is not None and (is_its_own or not twin.is_paid):
        words |= retry_words(job)  # else they are of what it asked for before, and nobody asks for what is paid
    return bool(words & choices.retry)


def best_twin(twins: Iterable[Twin]) -> Twin | None:
    """Of several jobs with one request the one to share with: the nearest to being done, else one of this manifest.

    Before those one that was given up while in doubt, since it may be paid. None of those that wait to be sent: which
    of them is, the plan itself says.
    """
    useful = (t for t in twins if t.is_paid or t.is_written_off or not (t.is_gone or t.state in WAITING))
    return min(useful, key=_rank, default=None)


def _rank(twin: Twin) -> tuple[int, bool]:
    states = [*PAID_STATES, twin.state]
    return states.index(twin.state), not (twin.is_written_off or twin.is_refused_by_us)


def _shares(twin: Twin) -> str:
    if twin.is_refused_by_us:
        return f"the same request as {twin.job_id!r}, which was paid and its output not fetched: see there why"
    if twin.state is JobState.OUTPUT_LOST:
        return f"the same request as {twin.job_id!r}, which was paid and its output lost: verify --repair looks for it"
    if twin.state is JobState.IN_DOUBT:
        return f"the same request as {twin.job_id!r}, which is in doubt: see doubts"
    if twin.is_written_off:
        given_up = "which was given up while in doubt and may be paid"
        return f"the same request as {twin.job_id!r}, {given_up}; --retry {WRITTEN_OFF} pays for it again"
    if twin.state is not None and not twin.is_paid:
        return f"the same request as {twin.job_id!r}, which is {twin.state}"
    paid = "already paid" if twin.is_paid else "sent once"
    return f"the same request as {twin.job_id!r}: {paid}, and shared"


def gone_entry(job: Job) -> PlanEntry:
    """The plan for a job that the manifest does not name any more: it is reported, its files stay."""
    reason = f"no longer in the manifest ({job.state})"
    return PlanEntry(job_id=job.job_id, change=Change.GONE, will_submit=False, price=None, reason=reason)


def _judge(spec: JobSpec, job: Job | None, choices: Choices) -> tuple[Change, bool, str]:
    if job is None:
        return Change.NEW, True, "not submitted yet"
    if job.attempt is not None and job.attempt.state is AttemptState.INTENT and job.state is not JobState.SUBMITTING:
        return Change.IN_DOUBT, False, "an intent to pay is open, and nobody knows what became of it; see doubts"
    if spec.fingerprint != job.spec.fingerprint and job.was_taken:
        return _judge_changed(spec, job, choices)
    match job.state:
        case JobState.SUBMITTING | JobState.IN_DOUBT if choices.resubmit_doubts:
            return Change.IN_DOUBT, True, "--in-doubt resubmit: if it was taken the first time, it is paid twice"
        case JobState.DONE | JobState.OUTPUT_LOST if job.job_id in choices.fetchable:
            return Change.RESUME, False, f"already paid ({job.request_id}): its files are fetched again, free"
        case JobState.REJECTED if spec.fingerprint != job.spec.fingerprint:
            return Change.CHANGED, True, f"{_changed_fields(spec, job)} changed since it was refused, unpaid"
        case JobState.OUTPUT_LOST if is_refused_by_us(job):
            return Change.FAILED, False, _why(job)
        case JobState.PENDING | JobState.HELD:
            return Change.NEW, True, "sent before, and to be sent again" if job.was_taken else "not submitted yet"
        case JobState.SUBMITTING | JobState.IN_DOUBT:
            return Change.IN_DOUBT, False, "the submit's answer was lost; see doubts"
        case JobState.SUBMITTED | JobState.RESULT_KNOWN:
            return Change.RESUME, False, f"already paid ({job.request_id}): collected, not paid again"
        case JobState.DONE if job.job_id in choices.redo:
            return Change.RETRY, True, "rejected in the review: paid again"
        case JobState.DONE:
            return Change.DONE, False, "done"
        case JobState.FAILED | JobState.REJECTED if not job.attempts:
            return Change.RETRY, True, f"never sent: {_why(job)}"
        case _ if retry_words(job) & choices.retry:
            twice = "; if it was taken the first time, it is paid twice" if job.is_written_off else ""
            return Change.RETRY, True, f"--retry: {_why(job)}{twice}"
        case _:
            return Change.FAILED, False, _why(job)


def _judge_changed(spec: JobSpec, job: Job, choices: Choices) -> tuple[Change, bool, str]:
    what = _changed_fields(spec, job)
    if not may_replace_spec(job):
        return Change.CHANGED, False, f"{what} changed, but the request before is still open ({job.state})"
    if choices.rerun_changed:
        return Change.CHANGED, True, f"{what} changed: paid again"
    if job.job_id in choices.redo:
        return Change.CHANGED, True, f"rejected in the review, {what} changed: paid again"
    if job.job_id in choices.fetchable:
        kept = f"{what} changed: kept as it was, and its files are fetched again, free"
        return Change.RESUME, False, f"{kept}; --rerun-changed pays for it again"
    match job.state:
        case JobState.DONE:
            return Change.CHANGED, False, f"{what} changed: kept as it was; --rerun-changed pays for it again"
        case JobState.PENDING | JobState.HELD:
            why = "changed since it was paid for, or may have been"
            return Change.CHANGED, False, f"{what} {why}; --rerun-changed sends it as it is now"
        case _ if retry_words(job) & choices.retry:
            return Change.CHANGED, True, f"{what} changed: paid again"
        case _:
            why = f"changed since it ended ({_why(job)})"
            word = WRITTEN_OFF if job.is_written_off else job.state
            return Change.CHANGED, False, f"{what} {why}; --retry {word} pays for it again"


def _changed_fields(spec: JobSpec, job: Job) -> str:
    fields = sorted(k for k in {*spec.inputs, *job.spec.inputs} if spec.inputs.get(k) != job.spec.inputs.get(k))
    return ", ".join(["model", *fields] if spec.model != job.spec.model else fields)


def is_refused_by_us(job: Job) -> bool:
    """Whether its paid output was there and this tool would not fetch it: to pay again would not help."""
    return job.failure is not None and job.failure.kind is FailureKind.POLICY


WITH_ANOTHER = "shares the request of"
"""How the failure of a job begins that failed with another one, whose request it shares."""


def failed_with_another(job: Job) -> bool:
    """Whether its failure is another job's; told by its words, since older states have nothing else of it."""
    return job.state is JobState.FAILED and job.failure is not None and job.failure.message.startswith(WITH_ANOTHER)


def _is_over_with_another(spec: JobSpec, job: Job) -> bool:
    """Whether the very request that the entry asks for ended badly, though not under its id."""
    return failed_with_another(job) and spec.fingerprint == job.spec.fingerprint


def may_replace_spec(job: Job) -> bool:
    """Whether nothing of the old request is open any more."""
    open_states = (JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.IN_DOUBT)
    return job.state not in open_states


def retry_words(job: Job) -> set[str]:
    """The words by which `--retry` names a job that ended badly: `failed`, its state, its failure's kind and code.

    One that was given up while in doubt may be paid for, so that only its own word pays once more: `written_off`.
    """
    if job.is_written_off:
        return {WRITTEN_OFF}
    words = {"failed", str(job.state)}
    return words if job.failure is None else words | {str(job.failure.kind), job.failure.code}


WRITTEN_OFF = "written_off"
RETRY_WORDS = frozenset(
    {*FailureKind, JobState.FAILED, JobState.REJECTED, JobState.CANCELLED, JobState.OUTPUT_LOST, WRITTEN_OFF}
)
"""The words that `--retry` always knows, beside the failure codes of the run itself."""


def price_of(price: Price, inputs: Mapping[str, Any]) -> Money | None:
    """What one job costs: per output where the card says so, per call otherwise; by the second it cannot be known."""
    if price.amount is None:
        return None
    if price.unit in ("output", "image"):
        count = outputs_at_most(inputs, price.counts) if price.is_countable else None
        is_count = count is not None and count <= LARGEST // max(price.amount, 1)
        return Money(price.amount * count) if count is not None and is_count else None
    return price.amount if price.unit in ("request", "run", "call", "job", "generation") else None


def _why(job: Job) -> str:
    return f"{job.state}: {job.failure.message}" if job.failure is not None else str(job.state)
