"""How many free calls a second, all jobs together: each takes a turn, and a 429 makes turns rarer for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

MOST_PER_S: Final = 200.0
"""More than 250 requests in flight need; a core can hardly make more calls."""
LEAST_PER_S: Final = 0.5
GROWTH: Final = 1.0
"""How many more a second, each second without a 429."""
WINDOW_S: Final = 10.0
"""Further 429s within it belong to the cut that was made already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """The rate of calls and the next free turn."""

    per_s: float = MOST_PER_S
    free_at: float = 0.0
    """The instant of the next turn."""
    grown_at: float = 0.0
    cut_until: float = 0.0
    """Until then the rate is not cut again."""


def taken(turns: Turns, now: float) -> tuple[Turns, float]:
    """The turns after one is taken, and the instant at which it is."""
    grown = min(MOST_PER_S, turns.per_s + GROWTH * max(0.0, now - max(turns.grown_at, turns.cut_until)))
    at = max(now, turns.free_at)
    return replace(turns, per_s=grown, free_at=at + 1 / grown, grown_at=max(now, turns.grown_at)), at


def refused(turns: Turns, now: float, until: float) -> Turns:
    """After a 429: half the rate, at most once a window, and nobody calls before `until`."""
    turns = replace(turns, free_at=max(turns.free_at, until))
    if now < turns.cut_until:
        return turns
    return replace(turns, per_s=max(LEAST_PER_S, turns.per_s / 2), cut_until=max(now, until) + WINDOW_S)
