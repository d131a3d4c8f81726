"""What is odd about a job's pictures, by their traits: things that a person should look at. Pure.

Nothing is done about them, least of all paid. Each is a rough guess, made so that a good picture is seldom named; a
trait that nobody measured is never odd.
"""

from __future__ import annotations

import math
import re
from array import array
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
LENGTH: Final = 32
"""Bytes of an outline."""
TURNS: Final = 4
NEIGHBOURS: Final = 2
_GROUND: Final = r"(?:background|backdrop)"
_PURE: Final = r"(?:(?:an?|the|pure|plain|clean|solid|bright|seamless)\s+)*"
WHITE: Final = re.compile(
    rf"(?<![-\w])white(?:[\s,-]+(?!(?:on|in|at|over|against|with|and)\b)\w+){{0,4}}[\s,-]+{_GROUND}\b"
    rf"|\b{_GROUND}\b[^.;\n]{{0,30}}(?<![-\w])white\b"
    rf"|\bon\s+{_PURE}white(?=\s*(?:[.,;:!)\n]|$|with\b))"
    r"|(?<![-\w])white\s+(?:seamless|sweep|cyclorama)\b|\b(?:pure|plain|clean|solid)\s+white\s+surface\b"
    r"|白(?:色|い|の)?の?背景|背景[はをが为]?(?:真っ|纯|純)?白"
    r"|\bwei(?:ß|ss)(?:e[mnrs]?)?\s+hintergrund|\bhintergrund\s+(?:\w+\s+)?wei(?:ß|ss)\b"
    r"|\bfond\s+(?:\w+\s+)?blanc\b(?!\s+cass)|\bfondo\s+(?:\w+\s+)?blanco\b|\bsfondo\s+(?:\w+\s+)?bianco\b"
    r"|#fff(?:fff)?\b",
    re.IGNORECASE,
)
"""White as what is behind the product, in the languages that prompts are written in most."""
UNWANTED: Final = re.compile(
    r"\b(?:no|not|never|don't|without|avoid|remove|delete|replace|change|swap|instead\s+of|rid\s+of|ohne|keine?[mnrs]?|sans|sin)"
    r"\s+(?:use\s+|put\s+(?:it\s+)?on\s+)?(?:(?:an?|the|any|its|this|existing|current|original|old|pure|plain|clean|solid)\s+)*"
    rf"(?:white(?:\s+\w+){{0,2}}\s+{_GROUND}\b|wei(?:ß|ss)\w*\s+hintergrund|fond\s+blanc\b|fondo\s+blanco\b)"
    r"|(?:不要|去掉|去除|移除)白色?背景",
    re.IGNORECASE,
)
"""The opposite: a white background that is to go, or not to come."""


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
    if traits.corner < LEAST_WHITE and _wants_white(str(job.spec.inputs.get("prompt", ""))):
        yield Oddity.NOT_WHITE


@lru_cache(64)
def _wants_white(prompt: str) -> bool:
    return WHITE.search(UNWANTED.sub(" ", prompt)) is not None


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

    Outlines that differ in a few of 256 bits stand side by side when all are sorted, unless one of the first bits is
    among the few. So they are sorted four times, each time from another bit on, and neighbours are compared:
    70 bytes a picture, and the same time however many look alike in a part.
    """

    def __init__(self) -> None:
        self._numbers = array("L")
        self._outlines = bytearray()
        """Each twice in a row, so that a slice of it is the outline from another bit on."""
        self._means = bytearray()

    def add(self, number: int, job: Job) -> None:
        """One more job; one that shares another's request is the same by intention."""
        if job.shared_from is not None:
            return
        for artifact in job.artifacts:
            if artifact.traits is not None:
                outline = bytes.fromhex(artifact.traits.outline)
                if int.from_bytes(outline).bit_count() >= LEAST_BITS:
                    self._numbers.append(number)
                    self._outlines += outline + outline
                    self._means += bytes(artifact.traits.mean)

    def found(self) -> set[int]:
        """The numbers of the jobs that have a twin."""
        found: set[int] = set()
        for turn in range(0, LENGTH, LENGTH // TURNS):
            starts = range(turn, len(self._outlines), 2 * LENGTH)
            order = sorted((bytes(self._outlines[at : at + LENGTH]), at // (2 * LENGTH)) for at in starts)
            bits = [int.from_bytes(outline) for outline, _ in order]
            for away in range(1, NEIGHBOURS + 1):
                for at, (one, other) in enumerate(zip(bits, bits[away:], strict=False)):
                    if (one ^ other).bit_count() <= BITS_APART:
                        found.update(self._pair(order[at][1], order[at + away][1]))
        return found

    def _pair(self, one: int, other: int) -> tuple[int, ...]:
        """The numbers of their jobs, where two pictures with one outline have one colour too, and are not one job's."""
        pair = (self._numbers[one], self._numbers[other])
        means = zip(self._means[3 * one : 3 * one + 3], self._means[3 * other : 3 * other + 3], strict=True)
        is_same = pair[0] != pair[1] and all(abs(a - b) <= STEPS_APART for a, b in means)
        return pair if is_same else ()
