"""Reads a manifest of any format."""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from runner.errors import InputMissing, UsageProblem
from runner.manifest.diagnostics import Diagnostic, Findings, InvalidManifest, Place
from runner.manifest.entries import RulesOf, specs
from runner.manifest.jsonl import read_jsonl
from runner.manifest.tables import read_table
from runner.manifest.yaml_core import LARGEST
from runner.manifest.yaml_reader import Settings, read_yaml
from runner.model import JobSpec

FORMATS: Final = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
LARGEST_TABLE: Final = 2 << 30
NOT_IN_YAML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and the line breaks of YAML 1.1 that no editor shows: the parser would fold them away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest: everything in it can be sent."""

    name: str
    path: Path
    jobs: tuple[JobSpec, ...]
    run: Mapping[str, Any] = field(default_factory=dict)
    """The settings under `run:`, as they stand."""
    warnings: tuple[Diagnostic, ...] = ()


def read_manifest(path: Path, *, rules: RulesOf, settings: Settings | None = None) -> Manifest:
    """The manifest in a file, every job checked by its model's rules, and every setting by its own.

    Raises `InvalidManifest` with every error at once, `InputMissing` where there is no such file, and `UsageProblem`
    for a format that is not known.
    """
    form = FORMATS.get(path.suffix.lower())
    data = _read(path)
    if form is None:
        known = ", ".join(sorted(FORMATS))
        raise UsageProblem(f"{path}: not a manifest's name; known endings: {known}")
    findings = Findings(str(path))
    name: str | None = None
    run: Mapping[str, Any] = {}
    text = _decode(data, form, findings)
    if text is None:
        raise InvalidManifest(findings.found)
    if form == "yaml":
        found = read_yaml(text, settings or {}, findings)
        name, run, entries = found.name, found.run, found.entries
    elif form == "jsonl":
        entries = read_jsonl(text, findings)
    else:
        entries = read_table(text, is_tsv=form == "tsv", rules_of=rules, findings=findings)
    jobs = specs(entries, rules, findings)
    if findings.has_errors:
        raise InvalidManifest(findings.found)
    return Manifest(name=name or _name_of(path), path=path, jobs=tuple(jobs), run=run, warnings=tuple(findings.found))


def _read(path: Path) -> bytes:
    try:
        found = path.stat()  # before it is opened: a pipe without a writer would wait for ever
        if not stat.S_ISREG(found.st_mode):
            raise InputMissing(f"{path} is not a regular file")
        if found.st_size > LARGEST_TABLE:
            raise InputMissing(f"{path} is larger than {LARGEST_TABLE >> 30} GiB")
        return path.read_bytes()
    except FileNotFoundError:
        raise InputMissing(f"{path}: no such file") from None
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}") from error


def _decode(data: bytes, form: str, findings: Findings) -> str | None:
    """The text: UTF-8, or UTF-16 where its mark says so. Another encoding is never guessed: prompts cost money."""
    if form == "yaml" and len(data) > LARGEST:
        findings.error("too-large", Place(), f"a YAML manifest of more than {LARGEST >> 20} MB", "use CSV or JSONL")
        return None
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        hint = 'save it as UTF-8 (in Excel: "CSV UTF-8")'
        findings.error("encoding", Place(line=line), f"byte {data[error.start]:#04x} is not UTF-8", hint)
        return None
    if form == "yaml" and (bad := NOT_IN_YAML.search(text)):
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        findings.error("nul", Place(line=line, column=column), f"the control character {bad[0]!r}", "remove it")
        return None
    return text


def _name_of(path: Path) -> str:
    """A run's name from the file's."""
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._") or "batch"
