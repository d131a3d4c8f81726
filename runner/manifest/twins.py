"""What only the whole manifest shows: two jobs of one name, two files of one path, two requests that are one.

Names are compared as a careless file system would compare them, without case and in one normal form. While a manifest
is read only hashes are kept; where some occur twice, the specs are gone through once more to say whose they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Final

from runner.manifest.assembly import Assembly
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.spool import Specs, stem_key
from runner.model import JobSpec
from runner.rules.names import PICTURE, asked_for, folded, given_paths, numbered, owned_stems


def refuse_twins(
    assembly: Assembly, on_conflict: str, findings: Findings, line_of: Callable[[int], str]
) -> frozenset[int]:
    """Put equal ids and equal paths into the findings, or give paths a number where the manifest says so.

    `line_of` gives the text of a line of the manifest. Returns the hashes of the fingerprints that occur more than
    once: requests that are paid once and shared.
    """
    stems = assembly.stems.repeated(assembly.ids)
    ids = assembly.ids.repeated()
    if ids:
        _settle_ids(assembly.specs, ids, findings, line_of)
    if not findings.has_errors and stems:
        if on_conflict == "suffix":
            _number_paths(assembly.specs)
        elif not ids or assembly.head.path is not None:
            _tell_paths(assembly.specs, stems, findings, line_of)
    return assembly.fingerprints.repeated()


OF_HEAD: Final = "; name another column in the id as well, or delete one of the two rows"
"""What sets two jobs apart whose id a default makes of their rows."""


def stems_of(spec: JobSpec) -> set[str]:
    """The paths without extension that a job's outputs may take."""
    return owned_stems(spec.job_id, spec.paths, asked_for(spec))


def _settle_ids(specs: Specs, hashes: frozenset[int], findings: Findings, line_of: Callable[[int], str]) -> None:
    """Two jobs of one name are refused; those that their request names, because nothing else does, are counted."""
    first: dict[str, tuple[JobSpec, str]] = {}
    counts: Counter[str] = Counter()
    for position, (spec, id_at) in enumerate(specs.with_ids()):
        key = folded(spec.job_id)
        if hash(key) not in hashes:
            continue
        counts[key] += 1
        other, other_at = first.setdefault(key, (spec, id_at))
        if counts[key] == 1:
            continue
        if not id_at and not other_at:
            specs.change(position, job_id=f"{spec.job_id}-{counts[key]}")
            continue
        same = (
            "duplicate id" if other.job_id == spec.job_id else f"differs from {other.job_id!r} only in case or form: id"
        )
        remedy = _of_rows(other, spec, id_at) if id_at[:1].isupper() or id_at.startswith("line") else ""
        if id_at == other_at:
            remedy = _remedy(other, spec) or remedy or OF_HEAD * (id_at == "head")
        hint = f"first used at {_shown(other, other_at, spec)}{remedy}"
        findings.error("duplicate-id", _place(spec, id_at, line_of), f"{same} {spec.job_id!r}", hint)


def _tell_paths(specs: Specs, hashes: frozenset[int], findings: Findings, line_of: Callable[[int], str]) -> None:
    first: dict[str, JobSpec] = {}
    for spec, id_at in specs.with_ids():
        for stem in sorted(stems_of(spec)):
            key = stem_key(stem)
            if hash(key) not in hashes:
                continue
            other = first.setdefault(key, spec)
            if other.job_id != spec.job_id:
                message = f"the files of jobs {other.job_id!r} and {spec.job_id!r} would have one name: {stem}"
                hint = f"the first is {other.source}; change an id or output.path, or say  on_conflict: suffix"
                findings.error("output-path", _place(spec, id_at, line_of), message, hint)
                break


def _number_paths(specs: Specs) -> None:
    """Give the later of two jobs with one path a number: `mug`, `mug~2`. No id makes a name with a tilde."""
    taken: dict[str, str] = {}
    for position, spec in enumerate(specs):
        if not spec.paths and not any(folded(stem) in taken for stem in stems_of(spec)):
            taken |= {folded(stem): spec.job_id for stem in stems_of(spec)}
            continue
        plain = given_paths(spec, asked_for(spec))
        for paths in chain([plain], numbered(plain)):
            if not any(folded(path) in taken for path in paths):
                break
        if paths != spec.paths:
            specs.change(position, paths=paths)
        taken |= {folded(path): spec.job_id for path in paths}


def _place(spec: JobSpec, id_at: str, line_of: Callable[[int], str]) -> Place:
    file, _, line = spec.source.rpartition(":")
    if ":" in id_at:
        row, column = map(int, id_at.split(":"))
        return Place(line=row, column=column, file=file, text=line_of(row), width=len(spec.job_id))
    return Place(line=int(line), cell=id_at if id_at[:1].isupper() else None, file=file)


def _remedy(other: JobSpec, spec: JobSpec) -> str:
    """What sets two jobs of one name apart, where it is not for their author to find two names."""
    if spec.variant != other.variant and spec.source == other.source:
        return f', for {other.variant!r}; put the matrix\'s axes into the id, as in  id: "…-{{{{ axis }}}}"'
    if PICTURE.fullmatch(spec.source.rpartition(":")[0]):
        if spec.source == other.source:
            return ": it is in two sources; narrow their folders or globs"
        name = "path" if folded(spec.row["file"]) == folded(other.row["file"]) else "file"  # in two folders, or beside
        return f'; name them by their whole files:  defaults: {{id: "{{{{ {name} }}}}"}}'
    return ""


def _of_rows(other: JobSpec, spec: JobSpec, id_at: str) -> str:
    """What sets two rows of tables apart, or two lines, that have one id."""
    if spec.source == other.source:
        return ": it is in two sources; leave it out of one of them with  where:"
    if spec.source.rpartition(":")[0] != other.source.rpartition(":")[0]:
        return "; give one of them another id, or leave it out of one source with  where:"
    return f"; give one of them another id, or delete its {'row' if id_at[:1].isupper() else 'line'}"


def _shown(spec: JobSpec, id_at: str, beside: JobSpec) -> str:
    file, _, line = spec.source.rpartition(":")
    where = f"line {line}"
    if id_at[:1].isupper():
        where = f"cell {id_at} on line {line}"
    elif ":" in id_at:
        row, _, column = id_at.partition(":")
        where = f"line {row}, column {column}" if spec.source == beside.source else f"line {row}"
    return where if file == beside.source.rpartition(":")[0] else f"{where} of {file}"
