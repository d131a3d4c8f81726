"""When to try again: exponential backoff with full jitter, and what `Retry-After` asks for.

Full jitter draws the whole delay at random, which spreads many clients best ("Exponential Backoff And Jitter",
AWS Architecture Blog, 2015). The dice are an argument: a number in [0, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_RETRY_AFTER_S: Final = 15 * 60.0
"""Longer wishes are cut to this: then we ask again rather than sleep through a night on one header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays that grow by `factor` from `base_s` to `cap_s`."""

    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 60.0


READS: Final = Backoff()
"""Status and result: free, so it goes on until the job's deadline."""
SUBMITS: Final = Backoff(base_s=2.0)
"""POSTs that were not taken."""
DOWNLOADS: Final = Backoff(base_s=1.0, factor=3.0, cap_s=900.0)
"""Nine tries spread over up to half an hour: long enough for a content network to mend itself."""


def delay_s(backoff: Backoff, failures: int, dice: float) -> float:
    """How long to wait after so many failures in a row (from 1)."""
    steps = min(max(failures, 1) - 1, 64)
    return float(min(backoff.cap_s, backoff.base_s * backoff.factor**steps) * dice)


def retry_at(backoff: Backoff, failures: int, *, now: float, dice: float, retry_after_s: float | None = None) -> float:
    """The instant of the next try: never before the service's wish, with the jitter on top of it."""
    if retry_after_s is not None:
        return now + retry_after_s + min(1.0, backoff.base_s) * dice
    return now + delay_s(backoff, failures, dice)


def retry_after_s(value: str | None, date: str | None, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for, at most `LONGEST_RETRY_AFTER_S`; `None` where it says nothing.

    Both forms of RFC 9110 §10.2.3: seconds (decimals are tolerated), or an HTTP date, which counts from the
    response's own `Date`, so that a local clock that is wrong by hours changes nothing. Garbage is ignored.
    """
    if value is None or not value.strip():
        return None
    seconds = _seconds(value.strip())
    if seconds is None:
        when = _instant(value)
        if when is None:
            return None
        since = _instant(date) if date else None
        seconds = when - (since if since is not None else now)
        return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
    return min(seconds, LONGEST_RETRY_AFTER_S) if seconds >= 0 else None


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else -1.0


def _instant(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
