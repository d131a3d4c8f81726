"""How many downloads go on at once: as many as the line gains by.

A window lasts until every slot was used about twice, and a second at least; its rate is that of the files that came
whole. More slots are tried for a window, and kept where they brought a tenth more; else they are given back, and tried
again some windows later, since lines and servers change in a night. A window in which slots were free says nothing of
the line. A server that falls silent or asks for less halves the slots, once a window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FEW: Final = 8
MOST: Final = 32
WINDOW_S: Final = 1.0
USES: Final = 2
"""How often each slot is used in a window."""
GAIN: Final = 1.1
RESTS: Final = 8
"""Windows after a try that brought nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """The downloads at once, and what this window has brought; instants are of any clock that does not go back."""

    width: int
    most: int
    began_at: float | None = None
    """When the window's first file came; that one is not counted."""
    files: int = 0
    size: int = 0
    """Bytes."""
    has_idled: bool = False
    tried_from: int = 0
    """The width before, while a larger one is tried; else 0."""
    rate: float = 0.0
    """Bytes a second at that width."""
    rests: int = 0
    is_cut: bool = False
    """Whether it was halved, and no file has come since."""


def fixed(width: int) -> Bandwidth:
    """So many, as the user says."""
    return Bandwidth(width=width, most=width)


def learning() -> Bandwidth:
    """A few at first, and at most as many as good manners allow."""
    return Bandwidth(width=FEW, most=MOST)


def arrived(line: Bandwidth, size: int, now: float, *, is_full: bool) -> Bandwidth:
    """A file of so many bytes has come whole; `is_full`: every slot was in use."""
    began_at = line.began_at
    if began_at is None:
        return replace(line, began_at=now, is_cut=False)
    line = replace(line, files=line.files + 1, size=line.size + size, has_idled=line.has_idled or not is_full)
    seconds = now - began_at
    if line.files < USES * line.width or seconds < WINDOW_S:
        return line
    rate = line.size / seconds
    anew = replace(line, began_at=None, files=0, size=0, has_idled=False)
    return anew if line.has_idled else _weighed(anew, rate)


def troubled(line: Bandwidth) -> Bandwidth:
    """A server fell silent, or asked for less."""
    return line if line.is_cut else replace(_settled(line, max(1, line.width // 2)), is_cut=True)


def _weighed(line: Bandwidth, rate: float) -> Bandwidth:
    """After a whole window: go on to more, go back, or wait."""
    if line.tried_from and rate < GAIN * line.rate:
        return _settled(line, line.tried_from)
    if line.rests:
        return replace(line, rests=line.rests - 1)
    wider = min(line.most, line.width + max(1, line.width // 4))
    if wider == line.width:
        return replace(line, tried_from=0)
    return replace(line, width=wider, tried_from=line.width, rate=rate)


def _settled(line: Bandwidth, width: int) -> Bandwidth:
    return Bandwidth(width=width, most=line.most, rests=RESTS)
