"""How many requests may be in flight, and when a paid POST may leave at all.

Four things hold a POST back, and each is a value here:

- the *cap*: requests accepted and not finished. Where the user sets no ceiling, it looks for the service's own
  parallelism: it starts modestly and grows by one with each good end, until the service's queue shows that more would
  only wait, or a 429 that it is too much; from then on by one a round. The second 429 within a window halves it, once
  a window however many arrive together, and what was good before is soon reached again; `Retry-After` of the first
  already closes the gate for every job, not only for the one that was told.
- the *brake*: POSTs whose outcome is unknown cost money for nothing, so after three in a row (or too many in ten
  minutes) no more are sent; the same for a service that cannot be reached. Free probes look whether it is back; two
  good ones in a row let one POST through (half-open), and its good answer releases the brake. Reads may work where
  submits do not: so each further stop within two hours rests longer before it is probed.
- the *pause*: a person's word while the run goes on. What is in flight is collected; the gate opens again at another
  word. It is kept nowhere: a run that is started anew is not paused.
- the *hold*: account trouble, a user's limit, or a stop. A held gate never opens again in this run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

# ------------------------------------------------------------------------------------------------------------- cap


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """The cap on requests in flight."""

    ceiling: int
    """Never more than this: `--concurrency`, or what one machine and good manners allow."""
    cap: int
    is_strict: bool = True
    """The user set the ceiling: no lookahead beyond the cap either."""
    is_searching: bool = False
    """Nothing has shown yet that the cap is enough: it grows by one for each good end."""
    knee: int = 0
    """The cap that was too much; 0 where none was, or where even less was too much."""
    successes: int = 0
    """Good ends since the cap last changed."""
    signalled_until: float = 0.0
    """Until then a further 429 is no accident: it cuts."""
    window_until: float = 0.0
    """Until then further 429s belong to the cut that was made already."""
    closed_until: float = 0.0
    """No POST leaves before this instant."""


WINDOW_S: Final = 10.0
MODEST: Final = 8
"""The cap that a search starts from."""
NEAR: Final = 0.9
"""The share of the knee that is good enough to go back to at once."""


def strict(ceiling: int) -> Pacing:
    """The pacing for a ceiling that the user set: open to it at once."""
    return Pacing(ceiling=ceiling, cap=ceiling)


def searching(ceiling: int) -> Pacing:
    """The pacing that looks for the service's parallelism."""
    return Pacing(ceiling=ceiling, cap=min(MODEST, ceiling), is_strict=False, is_searching=True)


def capped(pacing: Pacing, most: int, allowed: int) -> Pacing:
    """After a person's word while the run goes on: at most `most` in flight, never more than was `allowed` at first.

    It is as strict as the word that a run begins with, and as quickly reached, unless the service has already said that
    something was too much.
    """
    ceiling = max(1, min(most, allowed))
    is_warned = pacing.knee or pacing.signalled_until or pacing.window_until
    cap = min(pacing.cap, ceiling) if is_warned else ceiling
    return replace(pacing, ceiling=ceiling, cap=cap, is_strict=True, is_searching=False)


def throttled(pacing: Pacing, now: float, until: float) -> Pacing:
    """After a 429: nobody submits before `until`; the second within a window cuts the cap, at most once a window."""
    pacing = replace(pacing, closed_until=max(pacing.closed_until, until))
    if now < pacing.window_until:
        return pacing
    if now < pacing.signalled_until:
        return cut(pacing, now)
    return replace(pacing, is_searching=False, signalled_until=max(now, pacing.closed_until) + WINDOW_S)


def cut(pacing: Pacing, now: float) -> Pacing:
    """Half the cap; what arrives until a window after the gate opens again was sent before."""
    return replace(
        pacing,
        cap=max(1, pacing.cap // 2),
        is_searching=False,
        knee=pacing.cap if pacing.cap >= NEAR * pacing.knee else 0,
        successes=0,
        signalled_until=0.0,
        window_until=max(now, pacing.closed_until) + WINDOW_S,
    )


def finished(pacing: Pacing, *, in_flight: int, is_crowded: bool) -> Pacing:
    """After a request's good end: perhaps one more in flight.

    Not where the service's queue is long enough (`is_crowded`): more would only wait. Nor while the cap is not in use.
    """
    if is_crowded:
        return replace(pacing, is_searching=False) if pacing.is_searching else pacing
    if pacing.cap >= pacing.ceiling or in_flight < pacing.cap // 2:
        return pacing
    is_quick = pacing.is_searching or pacing.cap < int(NEAR * pacing.knee)
    if not is_quick and pacing.successes + 1 < pacing.cap:
        return replace(pacing, successes=pacing.successes + 1)
    return replace(pacing, cap=pacing.cap + 1, successes=0)


# ----------------------------------------------------------------------------------------------------------- brake


class BrakeState(StrEnum):
    """Whether POSTs may leave."""

    RELEASED = "released"
    ON = "on"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """What stops POSTs while they would be wasted."""

    state: BrakeState = BrakeState.RELEASED
    doubts_in_row: int = 0
    unsent_in_row: int = 0
    doubted_at: tuple[float, ...] = ()
    """The recent doubts' instants, at most ten minutes old."""
    stopped_at: tuple[float, ...] = ()
    """When doubts put it on, at most two hours ago."""
    rest_until: float = 0.0
    """Nobody probes before this instant."""
    good_probes: int = 0
    since: float = 0.0
    """When it was put on."""
    reason: str = ""


MOST_IN_ROW: Final = 3
DOUBT_WINDOW_S: Final = 600.0
STOP_WINDOW_S: Final = 2 * 3600.0
FIRST_REST_S: Final = 60.0
LONGEST_REST_S: Final = 1800.0
UNSENT_REST_S: Final = 60.0
"""Reads go over connections that are open; new ones may not come about, where names are not resolved."""
GOOD_PROBES: Final = 2
LONGEST_PROBE_GAP_S: Final = 60.0


def after_doubt(brake: Brake, now: float, ceiling: int) -> Brake:
    """After a POST whose outcome is unknown."""
    recent = (*(at for at in brake.doubted_at if now - at < DOUBT_WINDOW_S), now)
    brake = replace(brake, doubts_in_row=brake.doubts_in_row + 1, doubted_at=recent)
    too_many = brake.doubts_in_row >= MOST_IN_ROW or len(recent) > max(5, 2 * ceiling)
    if not too_many and brake.state is not BrakeState.HALF_OPEN:
        return brake
    on = _put_on(brake, now, f"{len(recent)} submits without a usable answer")
    if brake.state is BrakeState.ON:  # the answer to a POST that left before it was put on
        return on
    stops = (*(at for at in brake.stopped_at if now - at < STOP_WINDOW_S), now)
    return replace(on, stopped_at=stops, rest_until=now + rest_s(len(stops)))


def rest_s(stops: int) -> float:
    """How long the service is left alone after so many stops: not at all, a minute, then four times as long each."""
    return 0.0 if stops < 2 else float(min(LONGEST_REST_S, FIRST_REST_S * 4.0 ** min(stops - 2, 9)))


def after_unsent(brake: Brake, now: float) -> Brake:
    """After a POST of which no byte left."""
    brake = replace(brake, unsent_in_row=brake.unsent_in_row + 1)
    if brake.unsent_in_row < MOST_IN_ROW and brake.state is not BrakeState.HALF_OPEN:
        return brake
    on = _put_on(brake, now, "the service cannot be reached")
    return replace(on, rest_until=now + UNSENT_REST_S) if brake.state is BrakeState.HALF_OPEN else on


def after_answer(brake: Brake) -> Brake:
    """After a POST that was answered in full, well or badly: the service is there."""
    if brake.state is BrakeState.ON:  # an answer to a POST that left before; the probes decide
        return replace(brake, doubts_in_row=0, unsent_in_row=0)
    doubted_at = () if brake.state is BrakeState.HALF_OPEN else brake.doubted_at
    return Brake(doubted_at=doubted_at, stopped_at=brake.stopped_at)


def after_probe(brake: Brake, *, is_good: bool) -> Brake:
    """After a free probe: two good ones in a row let one POST through."""
    if brake.state is not BrakeState.ON:
        return brake
    good = brake.good_probes + 1 if is_good else 0
    return replace(brake, good_probes=good, state=BrakeState.HALF_OPEN if good >= GOOD_PROBES else BrakeState.ON)


def probe_gap_s(brake: Brake, probes: int, shortest_s: float) -> float:
    """How long to wait before the next probe: doubling to a minute while they fail, short once one was good."""
    if brake.good_probes:
        return shortest_s
    return float(min(LONGEST_PROBE_GAP_S, shortest_s * 2 ** min(probes, 16)))


def _put_on(brake: Brake, now: float, reason: str) -> Brake:
    since = brake.since if brake.state is not BrakeState.RELEASED else now
    return replace(brake, state=BrakeState.ON, good_probes=0, since=since, reason=reason)


# ------------------------------------------------------------------------------------------------------------ gate


@dataclass(frozen=True, slots=True)
class Go:
    """A POST may leave now."""


@dataclass(frozen=True, slots=True)
class NotBefore:
    """Ask again at the instant `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Full:
    """Ask again when something changes: a request finishes, a probe comes back, a person says a word."""


def may_submit(
    pacing: Pacing,
    brake: Brake,
    *,
    in_flight: int,
    submitting: int,
    ahead: int = 0,
    is_paused: bool = False,
    now: float,
) -> Go | NotBefore | Full:
    """Whether one more paid POST may leave.

    `in_flight` counts every request that is accepted and not known to be finished, this run's and earlier ones', and
    those being submitted; `submitting` counts the latter alone. `ahead` of them are finished by now, as far as one can
    guess. A half-open brake lets one through at a time. Where the cap is no word of the user's, a burst is bounded: who
    sends sixty POSTs at once into an outage that has just begun has sixty jobs in doubt.
    """
    room = pacing.cap + (0 if pacing.is_strict else ahead)
    if is_paused or brake.state is BrakeState.ON or in_flight >= room:
        return Full()
    if not pacing.is_strict and submitting >= max(MODEST, pacing.cap // 4):
        return Full()
    if brake.state is BrakeState.HALF_OPEN and submitting:
        return Full()
    return NotBefore(pacing.closed_until) if now < pacing.closed_until else Go()
