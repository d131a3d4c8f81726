"""A plan that was written down, to be looked at by a person and then run: exactly that, and nothing else.

The file holds each job that is to be submitted, a line each, by id and fingerprint. What has been done since is not
done again; what was not in it is not submitted; a job that would be another request by now is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from runner.batch.options import Options
from runner.errors import InputMissing, ManifestInvalid, UsageProblem
from runner.model import JobSpec, Money, in_usd, money

if TYPE_CHECKING:
    from runner.batch.planner import Plan

SCHEMA: Final = "runcomfy-batch.plan/1"
KEPT: Final = (
    *("only", "limit", "sample", "retry", "rerun_changed", "redo", "in_doubt", "dedupe", "simulate"),
    *("prompt", "columns", "values", "encoding", "preset", "per", "allow_roots", "shrink_inputs"),
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

    @classmethod
    def read(cls, path: Path) -> Approved:
        """The plan in a file; raises `InputMissing`, and `ManifestInvalid` for what is none."""
        try:
            document = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise InputMissing(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise ManifestInvalid(f"{path}: not a plan: {error}. Make it anew with `plan -o`.") from error
        foreign = ManifestInvalid(f"{path}: not a plan of this program. Make one with `plan MANIFEST -o FILE.json`.")
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise foreign
        try:
            return cls(
                path=path,
                manifest=Path(document["manifest"]),
                directory=Path(document["run_dir"]),
                price=None if document["price_usd"] is None else money(document["price_usd"]),
                options=_restored(document["options"]),
                fingerprints={job["job_id"]: job["fingerprint"] for job in document["jobs"] if job["will_submit"]},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise foreign from error

    def holds(self, spec: JobSpec) -> bool:
        """Whether the plan allows this job; raises `ManifestInvalid` where it has become another request."""
        fingerprint = self.fingerprints.get(spec.job_id)
        if fingerprint is not None and fingerprint != spec.fingerprint:
            raise ManifestInvalid(
                f"{self.path}: job {spec.job_id!r} ({spec.source}) has changed since the plan was made. "
                "Nothing was submitted: make the plan anew, and look at it."
            )
        return fingerprint is not None


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
    out = options.out if options.out is not None else approved.directory
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
        "price_usd": None if plan.price is None else float(in_usd(plan.price)),
    }
    yield json.dumps(head, ensure_ascii=False, indent=2).removesuffix("\n}") + ',\n  "jobs": ['
    separator = "\n"
    for spec, entry in plan.with_specs():
        document = {
            "job_id": entry.job_id,
            "change": str(entry.change),
            "will_submit": entry.will_submit,
            "price_usd": None if entry.price is None else float(in_usd(entry.price)),
            "reason": entry.reason,
            "fingerprint": spec.fingerprint if spec is not None else None,
        }
        yield f"{separator}    {json.dumps(document, ensure_ascii=False)}"
        separator = ",\n"
    yield "\n  ]\n}\n"


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
