"""Fifty thousand spoilt manifests: each is read as a person reads it, or refused; none crashes, hangs or is bent.

Mutations are made by number (`support.mutations`), the good manifests are `support.good_manifests`, and what a spoilt
one says is read by other ways than the product's (`support.readings`, `support.yaml_readings`).

    python tests/property/test_mutations.py 50000 [KIND…]     more of them, or others: what it finds, with its number
"""

from __future__ import annotations

import argparse
import math
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.good_manifests import GOOD, Files
from support.mutations import mutated
from support.readings import Expected, Unjudged
from support.whole_yaml import Wrong

from runner.batch.options import FROM_MANIFEST
from runner.catalog import bundled, rules_for
from runner.manifest import DEFAULT_MODEL, InvalidManifest, Manifest, read_manifest
from runner.model import JobSpec

CASES = 50_000
CHUNKS = 4
"""Of each kind, so that all cores have some."""
LONGEST_S = 2.0
"""CPU of one case."""
RULES = rules_for(bundled(DEFAULT_MODEL))


@dataclass(slots=True)
class Tally:
    """What became of the cases."""

    cases: int = 0
    accepted: int = 0
    unjudged: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """By the code of the first error."""
    bent: list[str] = field(default_factory=list)
    """What was accepted and is not what stands there."""
    distinct: set[int] = field(default_factory=set)
    """Hashes of the spoilt files."""
    slowest_s: float = 0.0
    slowest: int = -1

    def __str__(self) -> str:
        codes = ", ".join(f"{code} {count}" for code, count in self.refused.most_common())
        worst = f"slowest {self.slowest_s * 1000:.0f} ms (#{self.slowest})"
        what = (
            f"{self.cases} cases, {len(self.distinct)} distinct, {self.accepted} accepted ({self.unjudged} not judged)"
        )
        return f"{what}, {worst}; refused: {codes}"


# --------------------------------------------------------------------------------------------------------------- claims


@pytest.mark.parametrize("chunk", range(CHUNKS))
@pytest.mark.parametrize("kind", GOOD)
def test_a_spoilt_manifest_is_read_as_it_stands_or_refused(tmp_path, kind, chunk):
    """Both happen often, for many reasons; each case is another, and none takes long."""
    size = math.ceil(CASES / len(GOOD) / CHUNKS)
    tally = campaign(kind, range(chunk * size, (chunk + 1) * size), tmp_path)
    print(kind, tally)
    assert tally.bent == [], "again with: python tests/property/test_mutations.py 1 KIND --start NUMBER"
    assert tally.cases == size
    assert len(tally.distinct) > 0.85 * size, tally
    assert tally.accepted > 0.08 * size, tally
    assert tally.unjudged < 0.25 * tally.accepted, tally
    assert tally.refused.total() == size - tally.accepted
    assert tally.refused.total() > 0.4 * size, tally
    assert len(tally.refused) >= 8, tally
    assert tally.slowest_s < LONGEST_S, tally


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_manifest_is_accepted_and_read_alike(tmp_path, kind):
    """Or the spoilt ones would be refused for nothing."""
    good = GOOD[kind]
    for name, data in good.files.items():
        (tmp_path / name).write_bytes(data)
    manifest, (jobs,) = product(tmp_path / good.name), good.read(good.files)
    assert len(jobs) >= 2
    assert is_sent(jobs, manifest.jobs)


@pytest.mark.parametrize("kind", GOOD)
def test_a_number_is_always_the_same_mutation_and_changes_something(kind):
    for number in range(50):
        files = mutated(kind, number)
        assert files == mutated(kind, number)
        assert sum(files[name] != data for name, data in GOOD[kind].files.items()) == 1


def with_inputs(spec, **changes):
    return replace(spec, inputs={**spec.inputs, **changes})


BENT = {
    "a prompt's last letter is lost": lambda jobs: [with_inputs(s, prompt=s.inputs["prompt"][:-1]) for s in jobs],
    "white space in a prompt is folded": lambda jobs: [
        with_inputs(s, prompt=" ".join(s.inputs["prompt"].split())) for s in jobs
    ],
    "the last job is lost": lambda jobs: jobs[:-1],
    "ids are numbers": lambda jobs: [replace(s, job_id=s.job_id.lstrip("0")) for s in jobs],
    "two jobs change places": lambda jobs: jobs[::-1],
    "a URL's case is lost": lambda jobs: [
        with_inputs(s, image_urls=[url.lower() for url in s.inputs["image_urls"]]) for s in jobs
    ],
    "the second URL is lost": lambda jobs: [with_inputs(s, image_urls=s.inputs["image_urls"][:1]) for s in jobs],
    "a ratio is a number": lambda jobs: [
        with_inputs(s, aspect_ratio=969) if "aspect_ratio" in s.inputs else s for s in jobs
    ],
    "a default is sent": lambda jobs: [with_inputs(s, output_format="png") for s in jobs],
    "a number is a text": lambda jobs: [
        with_inputs(s, num_images=str(s.inputs["num_images"])) if "num_images" in s.inputs else s for s in jobs
    ],
}


@pytest.mark.parametrize("bug", BENT)
def test_a_reader_that_bends_something_is_caught(tmp_path, bug):
    """By a few hundred cases of a kind that holds such a thing."""

    def bent(path):
        manifest = product(path)
        return replace(manifest, jobs=BENT[bug](list(manifest.jobs)))

    tally = campaign("csv", range(200), tmp_path, bent)
    assert len(tally.bent) >= 5


# ------------------------------------------------------------------------------------------------------------- campaign


def campaign(kind: str, numbers: range, folder: Path, read: Callable[[Path], Manifest] | None = None) -> Tally:
    """Spoil a manifest of the kind once for each number; anything but a refusal that is raised comes out."""
    tally = Tally()
    for number in numbers:
        files = mutated(kind, number)
        tally.distinct.add(hash(tuple(files.values())))
        for name, data in files.items():
            (folder / name).write_bytes(data)
        began = time.process_time()
        try:
            manifest = (read or product)(folder / GOOD[kind].name)
        except InvalidManifest as error:
            manifest = None
            tally.refused[next(d.code for d in error.diagnostics if d.severity == "error")] += 1
        except BaseException as error:
            error.add_note(f"case: {kind} {number}")
            raise
        took = time.process_time() - began
        tally.cases += 1
        if took > tally.slowest_s:
            tally.slowest_s, tally.slowest = took, number
        if manifest is not None:
            tally.accepted += 1
            judge(kind, number, files, manifest, tally)
    return tally


def product(path: Path) -> Manifest:
    """As `check` reads it."""
    return read_manifest(path, rules=lambda model: RULES if model == DEFAULT_MODEL else None, settings=FROM_MANIFEST)


def judge(kind: str, number: int, files: Files, manifest: Manifest, tally: Tally) -> None:
    """Hold what would be sent against what stands there."""
    try:
        readings = GOOD[kind].read(files)
    except Unjudged:
        tally.unjudged += 1
        return
    except Wrong as error:
        tally.bent.append(f"{kind} {number}: accepted, and is none: {error!r}")
        return
    if not any(is_sent(jobs, manifest.jobs) for jobs in readings):
        sent = [(spec.job_id, dict(spec.inputs), spec.row) for spec in manifest.jobs]
        tally.bent.append(f"{kind} {number}: sent {sent}, and there stands {readings}")


def is_sent(jobs: Sequence[Expected], specs: Sequence[JobSpec]) -> bool:
    """Whether these jobs are sent, all of them and no others, with all they say and nothing else."""
    return len(jobs) == len(specs) and all(map(is_same, jobs, specs))


def is_same(job: Expected, spec: JobSpec) -> bool:
    if job.id is None:
        if not re.fullmatch(r"[0-9a-f]{12}(__.*|-\d+)?", spec.job_id):
            return False
    elif not (spec.job_id.startswith(job.id[:-1]) if job.id.endswith("--*") else job.id == spec.job_id):
        return False
    if job.row is not None and job.row != spec.row:
        return False
    if job.model != spec.model or job.fields.keys() != spec.inputs.keys():
        return False
    return all(is_value(name, value, spec.inputs[name]) for name, value in job.fields.items())


def is_value(name: str, value: object, sent: object) -> bool:
    """The same value of the same type; a text of URLs, whole and in order, however it is separated."""
    if name == "image_urls" and isinstance(value, str) and isinstance(sent, list):
        return letters(value) == letters("".join(sent)) and all(
            re.search(r"[|\s]|[,;]\s*https?://", url, re.IGNORECASE) is None for url in sent
        )
    return type(value) is type(sent) and value == sent


def letters(text: str) -> str:
    return re.sub(r"[|\s,;]", "", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int)
    parser.add_argument("kinds", nargs="*", default=list(GOOD))
    parser.add_argument("--start", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            numbers = range(arguments.start, arguments.start + arguments.cases // len(arguments.kinds))
            began = time.process_time()
            tally = campaign(kind, numbers, Path(folder))
            print(f"{kind}: {time.process_time() - began:.1f} s, {tally}", *tally.bent, sep="\n  ")


if __name__ == "__main__":
    main()
