"""What is odd about a job's pictures, by their traits: things that a person should look at. Pure.

Nothing is done about them, least of all paid. Each is a rough guess, made so that a good picture is seldom named; a
trait that nobody measured is never odd.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import lru_cache
from typing import Final

from runner.model import Artifact, Job, Traits


class Oddity(StrEnum):
    """One thing to look at, by the word that the report and its filter use."""

    UNCHANGED = "unchanged"
    BLANK = "blank"
    RATIO = "ratio"
    SMALL = "small"
    NOT_WHITE = "not-white"
    TWIN = "twin"


LEAST_CHANGE: Final = 4
"""Steps of 255: encoding a picture anew changes no thirty-second of its width by more."""
LEAST_SPREAD: Final = 12
LEAST_WHITE: Final = 244
RATIO_OFF: Final = 0.04
"""Models round to multiples of 8 or 16 pixels: 928 x 1152 is their 4:5."""
BITS_APART: Final = 4
STEPS_APART: Final = 4
LEAST_BITS: Final = 12
"""An outline of fewer says nothing."""
BAND: Final = 8
"""Hex digits."""
BANDS: Final = 64 // BAND
NOTHING: Final = "0" * BAND
MOST_ALIKE: Final = 64
"""Pictures that share a band of their outlines; further ones are not compared, since the band says nothing."""
WHITE: Final = re.compile(
    r"(?<![-\w])white\b[^.;\n]{0,40}\b(?:background|backdrop)|\b(?:background|backdrop)\b[^.;\n]{0,30}(?<![-\w])white\b"
    r"|#fff(?:fff)?\b",
    re.IGNORECASE,
)


def oddities(job: Job) -> frozenset[Oddity]:
    """What is odd about the job's pictures, taken by themselves."""
    wanted = _ratio(str(job.spec.inputs.get("aspect_ratio")))
    found: set[Oddity] = set()
    for artifact in job.artifacts:
        if wanted is not None and _is_off(artifact, wanted):
            found.add(Oddity.RATIO)
        if artifact.traits is not None:
            found.update(_by_traits(artifact, artifact.traits, job))
    return frozenset(found)


def _by_traits(artifact: Artifact, traits: Traits, job: Job) -> Iterator[Oddity]:
    if traits.change is not None and traits.change < LEAST_CHANGE:
        yield Oddity.UNCHANGED
    if traits.spread < LEAST_SPREAD:
        yield Oddity.BLANK
    if traits.before is not None and artifact.width and artifact.height:
        size = (artifact.width, artifact.height)
        if math.prod(size) < math.prod(traits.before) and max(size) < max(traits.before):
            yield Oddity.SMALL
    if traits.corner < LEAST_WHITE and WHITE.search(str(job.spec.inputs.get("prompt", ""))):
        yield Oddity.NOT_WHITE


def _is_off(artifact: Artifact, wanted: float) -> bool:
    if not artifact.width or not artifact.height:
        return False
    return abs(math.log(artifact.width / artifact.height / wanted)) > RATIO_OFF


@lru_cache(64)
def _ratio(asked: str) -> float | None:
    """Width by height; `None` where none was asked for."""
    match = re.fullmatch(r"([1-9][0-9]{0,3}):([1-9][0-9]{0,3})", asked)
    return int(match[1]) / int(match[2]) if match else None


class Twins:
    """Finds jobs with pictures that are almost the same, though their requests were not.

    Of outlines that differ in a few of 256 bits, one of the eight bands at least is the same: only those are compared.
    """

    def __init__(self) -> None:
        self._pictures: list[tuple[int, Traits]] = []
        self._first: tuple[dict[str, int], ...] = tuple({} for _ in range(BANDS))
        self._more: dict[tuple[int, str], list[int]] = {}
        """For each band, which picture has it; further ones apart, since there are few."""
        self.found: set[int] = set()
        """The numbers of the jobs that have a twin."""

    def add(self, number: int, job: Job) -> None:
        """Compare a job with those before it; one that shares another's request is the same by intention."""
        if job.shared_from is None:
            for artifact in job.artifacts:
                if artifact.traits is not None and int(artifact.traits.outline, 16).bit_count() >= LEAST_BITS:
                    self._add(number, artifact.traits)

    def _add(self, number: int, traits: Traits) -> None:
        mine = len(self._pictures)
        self._pictures.append((number, traits))
        for band, first in enumerate(self._first):
            bits = traits.outline[band * BAND : (band + 1) * BAND]
            if bits == NOTHING or (holder := first.setdefault(bits, mine)) == mine:
                continue
            more = self._more.setdefault((band, bits), [])
            for other in (holder, *more):
                its_number, its_traits = self._pictures[other]
                if its_number != number and _are_alike(traits, its_traits):
                    self.found |= {number, its_number}
            if len(more) < MOST_ALIKE:
                more.append(mine)


def _are_alike(one: Traits, other: Traits) -> bool:
    if not all(abs(a - b) <= STEPS_APART for a, b in zip(one.mean, other.mean, strict=True)):
        return False
    return (int(one.outline, 16) ^ int(other.outline, 16)).bit_count() <= BITS_APART
