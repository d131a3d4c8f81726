"""review.json: what a person said of the pictures, as the report's page saves it.

A verdict is about one picture, which its request names: of a job that was done again since, nothing was said. So the
same `run --redo review.json` again pays for nothing more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from runner.errors import InputMissing, ManifestInvalid, UsageProblem
from runner.manifest import Manifest, Specs
from runner.model import Job, JobState, RulesOf, Run, fingerprint
from runner.report.files import replacing
from runner.report.summary import iso
from runner.store.lock import alone_in

SCHEMA: Final = "runcomfy-batch.review/1"
FILE: Final = "review.json"
LETTERS: Final = 8
"""Of a request's id, by which a page knows it."""
Word = Literal["approved", "rejected", "unreviewed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was said of one job's pictures."""

    word: str | None
    request_id: str | None
    of: str | None = None
    """The last letters of the request, by a page that could not ask for all of them."""
    prompt: str | None = None
    """What the job is to be done with instead, when it is done again."""
    tags: tuple[str, ...] = ()
    note: str = ""

    def is_about(self, request_id: str) -> bool:
        """Whether it was said of that request's pictures."""
        if self.request_id is None and self.of:
            return self.of == request_id[-LETTERS:]
        return (self.request_id or "") == request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A review that was saved."""

    path: Path
    verdicts: Mapping[str, Verdict]

    @classmethod
    def read(cls, path: Path) -> Review:
        """The review in a file; raises `InputMissing`, and `UsageProblem` for what is none."""
        try:
            document = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise InputMissing(f"{path}: {error.strerror}. The report's page saves it: Review, Save.") from error
        except ValueError as error:
            raise UsageProblem(f"{path}: not a review: {error}. Save it anew from the report's page.") from error
        foreign = f"{path}: not a review of this program. The report's page saves one: Review, Save."
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise UsageProblem(foreign)
        try:
            verdicts = {_text(one["job_id"]): _verdict(one) for one in document["jobs"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageProblem(foreign) from error
        return cls(path=path, verdicts=verdicts)

    @property
    def rejected(self) -> dict[str, Verdict]:
        """What is to be done again, by job id."""
        return {job_id: one for job_id, one in self.verdicts.items() if one.word == "rejected"}

    def word_of(self, job: Job) -> Word:
        """What was said of the pictures that the job has now."""
        return self.word_on(job.job_id, job.request_id)

    def word_on(self, job_id: str, request_id: str | None) -> Word:
        """What was said of the pictures of one of a job's requests."""
        verdict = self.verdicts.get(job_id)
        if verdict is None or not verdict.is_about(request_id or ""):
            return "unreviewed"
        return "approved" if verdict.word == "approved" else "rejected" if verdict.word == "rejected" else "unreviewed"

    def wants_again(self, job: Job) -> bool:
        """Whether the job's pictures were rejected and are still those."""
        return job.state is JobState.DONE and self.word_of(job) == "rejected"


def _verdict(one: Mapping[str, object]) -> Verdict:
    tags = one.get("tags") or []
    if not isinstance(tags, list):
        raise TypeError
    return Verdict(
        word=_text(one["verdict"]) if one["verdict"] is not None else None,
        request_id=_text(one["request_id"]) if one["request_id"] is not None else None,
        of=_text(one.get("of") or "") or None,
        prompt=_text(one.get("prompt") or "") or None,
        tags=tuple(map(_text, tags)),
        note=_text(one.get("note") or ""),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def kept(directory: Path) -> str:
    """The review in the run directory as it is; an empty one where there is none."""
    path = directory / FILE
    if not path.is_file():
        return json.dumps({"schema": SCHEMA, "jobs": []})
    Review.read(path)
    return path.read_text("utf-8")


def keep(directory: Path, document: object, find: Callable[[str], Job | None], run: Run) -> None:
    """Put what a page says of some pictures into the run directory's review; what it says of others stays.

    An entry is `job_id`, `of` (the last letters of the picture's request), `verdict`, `tags`, `note`, `prompt`; one
    that says nothing is taken out, and one about a picture that is not the job's any more is passed over. Raises
    `UsageProblem` for what is no review, `StorageFailed` where it cannot be written.
    """
    entries = document.get("jobs") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UsageProblem("not a review")
    with alone_in(directory):
        whole = json.loads(kept(directory))
        jobs = {one["job_id"]: one for one in whole["jobs"]}
        for job, said in _heard(entries, find):
            jobs.pop(job.job_id, None)
            if said.word or said.tags or said.note or said.prompt:
                jobs[job.job_id] = {
                    "job_id": job.job_id,
                    "verdict": said.word,
                    "tags": said.tags,
                    "note": said.note,
                    "prompt": said.prompt,
                    "request_id": job.request_id,
                    "fingerprint": job.spec.fingerprint,
                }
        head = {"schema": SCHEMA, "run": run.name, "run_id": run.run_id, "saved_at": iso(time.time())}
        with replacing(directory / FILE) as file:
            json.dump({**head, "jobs": list(jobs.values())}, file, ensure_ascii=False, indent=2)
            file.write("\n")


def _heard(entries: list[Any], find: Callable[[str], Job | None]) -> Iterator[tuple[Job, Verdict]]:
    """What was said, of each picture that is still the job's."""
    for entry in entries:
        try:
            job = find(_text(entry["job_id"]))
            if job is not None and (job.request_id or "")[-len(_text(entry["of"])) :] == entry["of"]:
                yield job, _verdict({**entry, "request_id": job.request_id})
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageProblem("not a review") from error


def with_prompts(manifest: Manifest, review: Review, rules: RulesOf) -> Manifest:
    """The manifest with the prompts that the review gives to rejected jobs, checked like any other.

    What the entries were before, and that some of them may be one request now, stands beside them.
    Raises `ManifestInvalid` for one that the model does not take.
    """
    if not isinstance(manifest.jobs, Specs):
        raise TypeError("a manifest's jobs are the specs that were read")
    repeated = set(manifest.repeated)
    prompts = {job_id: one.prompt for job_id, one in review.rejected.items() if one.prompt is not None}
    reworded = {}
    found = [(at, spec) for at, spec in enumerate(manifest.jobs) if spec.job_id in prompts]
    for position, spec in found:
        inputs = {**spec.inputs, "prompt": prompts[spec.job_id]}
        accepted = rules(spec.model)
        if accepted is not None and (problems := accepted.problems(inputs)):
            raise ManifestInvalid(
                f"{review.path}: the prompt for {spec.job_id!r}: {problems[0].message}. Nothing was submitted: mend it "
                "on the report's page, and save the review anew."
            )
        if (new := fingerprint(spec.model, inputs)) != spec.fingerprint:
            manifest.jobs.change(position, inputs=inputs, fingerprint=new)
            reworded[spec.job_id] = spec.fingerprint
            repeated.add(hash(new))
    return replace(manifest, reworded=reworded, repeated=frozenset(repeated))
