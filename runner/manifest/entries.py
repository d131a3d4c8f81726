"""From an entry, however it was written, to a checked `JobSpec`. All formats meet here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place
from runner.model import InputRules, JobSpec, fingerprint

DEFAULT_MODEL: Final = "google/nano-banana/edit"
LONGEST_ID: Final = 120
MODEL: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)
"""A model's id is part of the URL that is paid at: nothing in it may lead elsewhere."""
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
        model = _model(entry, findings)
        rules = rules_of(model)
        inputs = {key: value for key, value in entry.fields.items() if key not in ("id", "model")}
        if rules is not None:
            inputs = {key: _listed(value, rules.fields.get(key, {})) for key, value in inputs.items()}
            for problem in rules.problems(inputs):
                findings.error(problem.code, entry.at(*problem.path), problem.message, problem.hint)
        _check_prompt(entry, findings)
        digest = fingerprint(model, inputs)
        job_id = _identify(entry, digest, findings)
        _check_id(job_id, entry, seen, findings)
        found.append(
            JobSpec(job_id=job_id, model=model, inputs=inputs, fingerprint=digest, row=entry.row, source=entry.source)
        )
    if not found and not findings.has_errors:
        findings.error("no-jobs", Place(), "there are no jobs in it", "add at least one")
    return found


def _model(entry: Entry, findings: Findings) -> str:
    """The model's id; the one this tool was made for where there is none, or where it cannot be one."""
    model = entry.fields.get("model")
    if model is None or model == "":
        return DEFAULT_MODEL
    if isinstance(model, str) and len(model) <= LONGEST_ID and MODEL.fullmatch(model):
        return model
    findings.error("model", entry.at("model"), f"not a model's id: {str(model)[:60]!r}", f"as in {DEFAULT_MODEL}")
    return DEFAULT_MODEL


def _listed(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value; where a list is wanted, one text stands for a list of one, and several URLs may stand in it."""
    if not isinstance(value, str) or schema.get("type") != "array":
        return value
    return split_urls(value) if "://" in value else [value]


def split_urls(text: str) -> list[str]:
    """Several URLs in one text: by `|`, by white space, or by a comma before the next scheme (as WooCommerce does)."""
    parts = re.split(r"\s*\|\s*|\s+|,\s*(?=https?://)", text.strip())
    return [part.rstrip(",") for part in parts if part.strip(", ")]


def _check_prompt(entry: Entry, findings: Findings) -> None:
    prompt = entry.fields.get("prompt")
    if isinstance(prompt, str) and "{{" in prompt:
        message = "the prompt holds '{{', and templates are not supported by this version"
        findings.error("template", entry.at("prompt"), message, "write the text that is to be sent")
    if isinstance(prompt, str) and prompt and not prompt.strip():
        findings.error("prompt-length", entry.at("prompt"), "prompt is blank")


def _identify(entry: Entry, digest: str, findings: Findings) -> str:
    """The user's id, else a naming column's, else the request's own digest."""
    given = entry.fields.get("id")
    if isinstance(given, str):
        return given
    if given is not None:
        findings.error("id", entry.at("id"), f"an id must be text, got {str(given)[:60]}")
        return digest
    for name, value in entry.row.items():
        if re.sub(r"\W+", "_", name.strip().lower()) in ID_COLUMNS and value.strip():
            return value.strip()
    return digest[:12]


def _check_id(job_id: str, entry: Entry, seen: dict[str, tuple[str, Place]], findings: Findings) -> None:
    place = entry.at("id")
    if not job_id.strip() or len(job_id) > LONGEST_ID or not job_id.isprintable():
        findings.error("id", place, f"not an id: {job_id[:60]!r}", f"1 to {LONGEST_ID} printable characters")
        return
    if re.fullmatch(r"\d([.,]\d+)?E\+\d+", job_id):
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
