"""A plan that was written down, to be looked at by a person and then run: exactly that, and nothing else.

The file holds each job that is to be submitted, a line each, by id, fingerprint, price and payments before. What has
been done since is not done again, and no entry is paid for twice by one plan; what was not in it is not submitted. A
job that would be another request by now, or a dearer one, is an error, and so are a looser limit and a file that is
not as it was written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.batch.options import Options, settled
from runner.errors import InputMissing, ManifestInvalid, UsageProblem
from runner.model import AttemptState, Job, JobSpec, Money, canonical, in_usd, money
from runner.rules.planning import WAITING

if TYPE_CHECKING:
    from runner.batch.planner import Plan

SCHEMA: Final = "runcomfy-batch.plan/1"
KEPT: Final = (
    *("only", "limit", "sample", "retry", "rerun_changed", "redo", "in_doubt", "dedupe", "simulate"),
    *("prompt", "columns", "values", "encoding", "preset", "per", "allow_roots", "shrink_inputs", "shard"),
)
"""The choices that make a plan what it is; the rest is how it is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """What a written plan allows."""

    path: Path
    manifest: Path
    directory: Path
    price: Money | None
    """What its submits cost when it was made."""
    options: dict[str, Any]
    """The choices that it was made with."""
    fingerprints: dict[str, str]
    """By job id: what may be submitted."""
    prices: dict[str, Money | None]
    """By job id: what that may cost."""
    attempts: dict[str, int]
    """By job id: how many of its attempts were paid, or may have been; once there are more, the plan is used up."""
    max_cost: Money | None
    """The limit on what is spent in the run directory, as it was then."""

    @classmethod
    def read(cls, path: Path) -> Approved:
        """The plan in a file; raises `InputMissing`, and `ManifestInvalid` for what is none."""
        try:
            document = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise InputMissing(f"{path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ManifestInvalid(f"{path}: not a plan: {error}. Make it anew with `plan -o`.") from error
        foreign = ManifestInvalid(f"{path}: not a plan of this program. Make one with `plan MANIFEST -o FILE.json`.")
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise foreign
        if not _is_sealed(document):
            raise ManifestInvalid(
                f"{path}: not a plan as it was written: it was changed since, or is of an earlier version. "
                f"Nothing was submitted: make it anew with `plan MANIFEST -o {path.name}`, and look at it."
            )
        try:
            jobs = [job for job in document["jobs"] if job["will_submit"]]
            return cls(
                path=path,
                manifest=Path(document["manifest"]),
                directory=Path(document["run_dir"]),
                price=_amount(document["price_usd"]),
                options=_restored(document["options"]),
                fingerprints={job["job_id"]: job["fingerprint"] for job in jobs},
                prices={job["job_id"]: _amount(job["price_usd"]) for job in jobs},
                attempts={job["job_id"]: int(job["paid_attempts"]) for job in jobs},
                max_cost=_amount(document["max_cost_usd"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise foreign from error

    def holds(self, spec: JobSpec, instead: Collection[str] = ()) -> bool:
        """Whether the plan allows this job; raises `ManifestInvalid` where it has become another request.

        `instead` are the fingerprints of what reviews have put in its place.
        """
        fingerprint = self.fingerprints.get(spec.job_id)
        if fingerprint is not None and fingerprint not in (spec.fingerprint, *instead):
            raise ManifestInvalid(
                f"{self.path}: job {spec.job_id!r} ({spec.source}) has changed since the plan was made. "
                "Nothing was submitted: make the plan anew, and look at it."
            )
        return fingerprint is not None

    def is_open_for(self, job: Job | None) -> bool:
        """Whether the plan has not paid for the job yet: it pays for each entry once, however often it is run.

        And once more for each time that a person has said of a doubt: send it again.
        """
        return job is None or paid_attempts(job) <= self.attempts.get(job.job_id, 0) or _is_released(job)

    def check_money(self, plan: Plan, max_cost: Money | None) -> None:
        """Raise `UsageProblem` where a run would cost more than was approved, in all or for one job, or might."""
        if self.price is None:
            raise UsageProblem(
                f"{self.path} was made without a price: make it anew with a token, or run the manifest with --yes."
            )
        if plan.price is None or plan.price > self.price:
            raise self._dearer(f"approved for {_usd(self.price)}, and the price is {_usd(plan.price)} now")
        for entry in plan.entries if plan.submits else ():
            allowed = self.prices.get(entry.job_id)
            if entry.will_submit and (entry.price is None or allowed is None or entry.price > allowed):
                what = f"approved with {_usd(allowed)} for job {entry.job_id!r}"
                raise self._dearer(f"{what}, and its price is {_usd(entry.price)} now")
        if self.max_cost is not None and (max_cost is None or max_cost > self.max_cost):
            now = "there is none" if max_cost is None else f"it is {_usd(max_cost)}"
            raise self._dearer(f"approved with a limit of {_usd(self.max_cost)} (max_cost_usd), and {now} now")

    def _dearer(self, what: str) -> UsageProblem:
        return UsageProblem(f"{self.path} was {what}. Nothing was submitted: make the plan anew, and look at it.")


def paid_attempts(job: Job | None) -> int:
    """How many of a job's attempts were paid, or may have been."""
    return sum(attempt.may_be_paid for attempt in job.attempts) if job is not None else 0


def _is_released(job: Job) -> bool:
    """Whether the job waits because a person had its last doubt settled by another POST, which is not taken yet."""
    last = next((attempt for attempt in reversed(job.attempts) if attempt.may_be_paid), None)
    return job.state in WAITING and last is not None and last.state is AttemptState.RELEASED


def is_plan(path: Path) -> bool:
    """Whether a file is a written plan: by its ending, since no manifest has it."""
    return path.suffix.lower() == ".json"


def with_approved(path: Path, options: Options) -> tuple[Path, Options]:
    """The manifest that a written plan is about, and the options that do it; any other path as it is.

    Raises `UsageProblem` for choices beside a plan: they are in it.
    """
    if not is_plan(path):
        return path, options
    approved = Approved.read(path)
    plain = Options()
    if given := [name for name in KEPT if getattr(options, name) != getattr(plain, name)]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageProblem(f"{path} was planned with its own choices: {flags} cannot be given with it")
    place = approved.directory.parent if "shard" in approved.options else approved.directory
    out = options.out if options.out is not None else place
    return approved.manifest, replace(options, **approved.options, out=out, approved=path)


def lines(plan: Plan, options: Options) -> Iterator[str]:
    """The plan as JSON, in pieces; a job a line, so that a diff of two plans can be read."""
    head = {
        "schema": SCHEMA,
        "manifest": str(plan.manifest.path.absolute()),
        "run_dir": str(plan.directory.absolute()),
        "options": _saved(options),
        "counts": {str(change): count for change, count in plan.counts.items()},
        "submits": plan.submits,
        "price_usd": _plain(plan.price),
        "max_cost_usd": _plain(settled(options, plan.manifest.run).max_cost),
    }
    seal = hashlib.sha256(canonical(head))
    yield json.dumps(head, ensure_ascii=False, indent=2).removesuffix("\n}") + ',\n  "jobs": ['
    separator = "\n"
    for spec, entry, job in plan.weighed():
        document = {
            "job_id": entry.job_id,
            "change": str(entry.change),
            "will_submit": entry.will_submit,
            "price_usd": _plain(entry.price),
            "paid_attempts": paid_attempts(job),
            "reason": entry.reason,
            "fingerprint": spec.fingerprint if spec is not None else None,
        }
        seal.update(canonical(document))
        yield f"{separator}    {json.dumps(document, ensure_ascii=False)}"
        separator = ",\n"
    yield f'\n  ],\n  "sha256": "{seal.hexdigest()}"\n}}\n'


def _is_sealed(document: Mapping[str, Any]) -> bool:
    try:
        return bool(document.get("sha256") == _seal(document))
    except (ValueError, RecursionError):  # what is no JSON after all, as NaN
        return False


def _seal(document: Mapping[str, Any]) -> str:
    """The SHA-256 of what a plan says, whatever its white space; it guards against slips, and is no signature."""
    seal = hashlib.sha256(canonical({key: value for key, value in document.items() if key not in ("jobs", "sha256")}))
    jobs = document.get("jobs")
    for job in jobs if isinstance(jobs, list) else ():
        seal.update(canonical(job))
    return seal.hexdigest()


def _plain(amount: Money | None) -> float | None:
    return None if amount is None else float(in_usd(amount))


def _amount(usd: float | None) -> Money | None:
    return None if usd is None else money(usd)


def _usd(amount: Money | None) -> str:
    return "unknown" if amount is None else f"{in_usd(amount)} USD"


def _saved(options: Options) -> dict[str, Any]:
    plain = Options()
    changed = {name: getattr(options, name) for name in KEPT if getattr(options, name) != getattr(plain, name)}
    if "allow_roots" in changed:
        changed["allow_roots"] = [str(root.absolute()) for root in options.allow_roots]
    if options.redo is not None:
        changed["redo"] = str(options.redo.absolute())
    return changed


def _restored(saved: dict[str, Any]) -> dict[str, Any]:
    """The choices as the options hold them; raises `KeyError` for one that is unknown."""
    found: dict[str, Any] = {}
    for name, value in saved.items():
        if name not in KEPT:
            raise KeyError(name)
        found[name] = (
            tuple(tuple(item) if isinstance(item, list) else item for item in value)
            if isinstance(value, list)
            else value
        )
    if "allow_roots" in found:
        found["allow_roots"] = tuple(map(Path, found["allow_roots"]))
    if "redo" in found:
        found["redo"] = Path(found["redo"])
    return found
