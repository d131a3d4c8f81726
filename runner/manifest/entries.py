"""From an entry, however it was written, to a checked `JobSpec`. All formats meet here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place
from runner.model import InputProblem, InputRules, JobSpec, fingerprint

DEFAULT_MODEL: Final = "google/nano-banana/edit"
LONGEST_ID: Final = 120
ID_COLUMNS: Final = ("sku", "handle", "custom_id")
"""Columns that name a row where there is no id; never the row's number, since sorting a sheet would pay twice."""

RulesOf = Callable[[str], InputRules | None]
"""What a model accepts; `None` where only the service knows."""


@dataclass(slots=True)
class Entry:
    """One job as its file says it, before it is checked."""

    fields: dict[str, Any]
    place: Place
    source: str
    row: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    """Where each field stands; an item of a list as `image_urls.2`."""

    def at(self, *path: str | int) -> Place:
        """The nearest known place of a field or an item of it."""
        while path:
            if place := self.places.get(".".join(map(str, path))):
                return place
            path = path[:-1]
        return self.place


def specs(entries: Iterable[Entry], rules_of: RulesOf, findings: Findings) -> list[JobSpec]:
    """The entries as specs; what is wrong with any goes to `findings`."""
    found: list[JobSpec] = []
    seen: dict[str, tuple[str, Place]] = {}
    for entry in entries:
        model = str(entry.fields.pop("model", None) or DEFAULT_MODEL)
        rules = rules_of(model)
        if rules is not None:
            _report(entry, rules.problems(entry.fields), findings)
        _check_prompt(entry, findings)
        digest = fingerprint(model, _plain(entry.fields, "id"))
        job_id = _identify(entry, digest)
        _check_id(job_id, entry, seen, findings)
        inputs = _plain(entry.fields, "id")
        found.append(
            JobSpec(job_id=job_id, model=model, inputs=inputs, fingerprint=digest, row=entry.row, source=entry.source)
        )
    if not found and not findings.has_errors:
        findings.error("no-jobs", Place(), "there are no jobs in it", "add at least one")
    return found


def _plain(fields: Mapping[str, Any], without: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != without}


def _report(entry: Entry, problems: Iterable[InputProblem], findings: Findings) -> None:
    for problem in problems:
        if problem.path == ("id",):
            continue
        findings.error(problem.code, entry.at(*problem.path), problem.message, problem.hint)


def _check_prompt(entry: Entry, findings: Findings) -> None:
    prompt = entry.fields.get("prompt")
    if isinstance(prompt, str) and "{{" in prompt:
        message = "the prompt holds '{{', and templates are not supported by this version"
        findings.error("template", entry.at("prompt"), message, "write the text that is to be sent")
    if isinstance(prompt, str) and prompt and not prompt.strip():
        findings.error("prompt-length", entry.at("prompt"), "prompt is blank")


def _identify(entry: Entry, digest: str) -> str:
    """The user's id, else a naming column's, else the request's own digest."""
    given = entry.fields.get("id")
    if given is not None:
        return str(given)
    for name, value in entry.row.items():
        if re.sub(r"\W+", "_", name.strip().lower()) in ID_COLUMNS and value.strip():
            return value.strip()
    return digest[:12]


def _check_id(job_id: str, entry: Entry, seen: dict[str, tuple[str, Place]], findings: Findings) -> None:
    place = entry.at("id")
    if not job_id.strip() or len(job_id) > LONGEST_ID or not job_id.isprintable():
        findings.error("id", place, f"not an id: {job_id[:60]!r}", f"1 to {LONGEST_ID} printable characters")
        return
    if re.fullmatch(r"\d(\.\d+)?E\+\d+", job_id):
        hint = "format the column as Text before pasting the numbers"
        findings.error("id", place, f"id {job_id!r} was shortened by a spreadsheet", hint)
    key = unicodedata.normalize("NFC", job_id).casefold()
    if key in seen:
        other, first = seen[key]
        where = f"cell {first.cell} on line {first.line}" if first.cell else f"line {first.line}"
        same = "duplicate id" if other == job_id else f"differs from {other!r} only in case or form: id"
        findings.error("duplicate-id", place, f"{same} {job_id!r}", f"first used at {where}")
        return
    seen[key] = (job_id, place)
