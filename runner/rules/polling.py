"""When to look at a request: from what the model's last requests took, so that few looks notice the end soon.

Lag and looks trade against each other: whatever the policy, their product stays about the same. What moves the whole
curve is knowing the model. So each finished request teaches: it took something between the last look that found it
unfinished and the first that found it finished, and a duration drawn from that *bracket* joins the model's `Pace`. No
look is made before the early tenth of them; then looks follow in steps of a share of the median, but none at an age at
which none of them ended: a model may have quick requests and slow ones, and nothing between. A request that takes far
longer than its peers is looked at in steps that grow with its age.

Two things allow larger steps. Where the service queues our requests, its queue hides the lag: the next one starts
there without us. Whether it does, a *sample* of the requests tells: they are looked at early, and one that waits then
waits long. And where the cap is ours to choose, *lookahead* sends so many more as are finished and not noticed
yet: by Little's law, the rate of finishes times the mean lag.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from runner.model import RemoteState, RemoteStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """The settings of looking; durations in seconds."""

    first_s: float = 2.0
    """From the acceptance to the first look, while the model is not known."""
    blind_s: float = 1.0
    """The shortest gap while the model is not known."""
    blind_step: float = 0.2
    """The gap while it is not known, as a share of the request's age."""
    longest_first_s: float = 60.0
    step: float = 0.09
    """The gap as a share of the model's median."""
    loose_step: float = 0.3
    """The same where a lag costs little: under lookahead, and where the service queues."""
    late_step: float = 0.15
    """The gap as a share of the request's age, once it took longer than nearly all before it; half a step before."""
    shortest_s: float = 0.25
    longest_s: float = 15.0
    tail_s: float = 0.5
    """The longest gap once nothing is left to submit: then a lag is waited for by a person."""
    tail_step: float = 0.05
    """The same as a share of the age, where that is longer."""


WINDOW: Final = 64
"""Durations that are remembered of a model: enough for its quantiles, few enough to follow a drift."""
ENOUGH: Final = 8
"""With fewer the model is not known."""
EARLY: Final = 0.10
LATE: Final = 0.95
SAMPLES: Final = 4
"""Requests that are looked at early, of each round of as many as are in flight."""
SAMPLED: Final = 0.2
"""The age at which, as a share of the median: what waits then waits longer than our lag."""
CROWDED: Final = 3.0
"""How much longer the gaps are for what waits in the queue of a crowded service."""
PER_PLACE: Final = 0.25
"""How much longer the gap is for each place in the queue."""
MOST_AHEAD: Final = 0.25
"""Lookahead as a share of the cap, at most."""
CAUTION: Final = 0.9
"""Of the lag's worth of requests that may be sent ahead: the brackets are estimates."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of how long a model takes; seconds."""

    durations: tuple[float, ...] = ()
    """From the acceptance to the end, the newest last."""
    lags: tuple[float, ...] = ()
    """Of the same requests: half the bracket, and the time of the call that noticed."""
    order: tuple[float, ...] = ()
    """The durations by length."""
    first_s: float = 0.0
    """Nine of ten take longer."""
    median_s: float = 0.0
    late_s: float = 0.0
    """One of twenty takes longer."""
    lag_share: float = 0.0
    """The mean lag as a share of the mean duration: by Little's law, of those in flight so many are finished."""

    @property
    def is_known(self) -> bool:
        """Whether there is enough to go by."""
        return len(self.durations) >= ENOUGH

    def next_s(self, age_s: float) -> float:
        """The shortest of the durations that are longer than an age; 0 where there are too few of them.

        Nothing is likely to end before it. It matters where a model has two sorts of request, quick ones and slow ones.
        """
        longer = bisect_right(self.order, age_s)
        return self.order[longer] if len(self.order) - longer >= ENOUGH else 0.0


UNKNOWN: Final = Pace()


def learnt(pace: Pace, low_s: float, high_s: float, *, call_s: float, dice: float) -> Pace:
    """The pace after one more request, unfinished at the age `low_s` and found finished at `high_s`."""
    duration = low_s + dice * (high_s - low_s)
    durations = (*pace.durations, duration)[-WINDOW:]
    lags = (*pace.lags, (high_s - low_s) / 2 + call_s)[-WINDOW:]
    order = tuple(sorted(durations))
    lag_share = sum(lags) / max(sum(durations), 1e-6)
    return Pace(
        durations, lags, order, _quantile(order, EARLY), _quantile(order, 0.5), _quantile(order, LATE), lag_share
    )


def remembered(polling: Polling, noticed: Iterable[tuple[float, float]]) -> Pace:
    """The pace that an earlier run leaves: pairs of the seconds to the notice of the end, and a number in [0, 1).

    When it looked in vain before that is not kept, so each is drawn back by up to one gap.
    """
    pace = UNKNOWN
    for noticed_s, dice in noticed:
        gap_s = min(noticed_s, max(polling.shortest_s, polling.step * noticed_s))
        pace = learnt(pace, noticed_s - gap_s, noticed_s, call_s=0.0, dice=dice)
    return pace


def _quantile(order: Sequence[float], share: float) -> float:
    place = share * (len(order) - 1)
    below = int(place)
    above = min(below + 1, len(order) - 1)
    return order[below] + (place - below) * (order[above] - order[below])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What looks go by at a moment."""

    polling: Polling
    pace: Pace = UNKNOWN
    """Of the model in question."""
    is_ahead: bool = False
    """Whether lookahead makes up for lags."""
    is_crowded: bool = False
    """Whether the latest sample waited in the service's queue."""
    is_tail: bool = False
    """Whether nothing is left to submit."""
    is_sample: bool = False
    """Whether the request's first look is an early one."""


def first_look(sight: Sight, accepted_at: float) -> float:
    """The instant of the first look."""
    first_s = _first_s(sight)
    if sight.is_sample and sight.pace.is_known:
        return accepted_at + min(first_s, max(sight.polling.shortest_s, SAMPLED * sight.pace.median_s))
    return accepted_at + first_s


def is_sample(accepted: int, cap: int) -> bool:
    """Whether the n-th request is looked at early, to see whether the service queues."""
    return accepted % max(1, cap // SAMPLES) == 0


def next_look(sight: Sight, status: RemoteStatus, *, accepted_at: float, now: float, dice: float) -> float:
    """The instant of the next look, with a tenth of jitter so that a batch does not look in step."""
    polling, age = sight.polling, now - accepted_at
    gap = _gap(sight, age)
    if status.state is RemoteState.QUEUED:
        gap *= CROWDED if sight.is_crowded else 1.0
        gap *= 1 + PER_PLACE * max(0, status.queue_position or 0)
    if sight.is_tail:
        gap = min(gap, max(polling.tail_s, polling.tail_step * age))
    look_at = now + min(gap, polling.longest_s) * (0.95 + 0.1 * dice)
    if not sight.pace.is_known:
        return look_at
    skipped_s = 0.0 if sight.is_tail else min(sight.pace.next_s(age), age + polling.longest_s)
    return max(look_at, accepted_at + max(_first_s(sight), skipped_s))


def wake_at(sight: Sight, *, accepted_at: float, now: float, dice: float) -> float:
    """When to look at a request that was waiting for a look as the last submit was through."""
    wake = now + max(sight.polling.tail_s, sight.polling.tail_step * (now - accepted_at)) * dice
    return max(wake, accepted_at + _first_s(sight))


def is_likely(sight: Sight, age_s: float) -> bool:
    """Whether a look is likely to find the end: then the result is asked for at once, which saves a call."""
    return sight.pace.is_known and age_s >= sight.pace.median_s


def margin(lag: Pace, cap: int) -> int:
    """How many of `cap` requests in flight are finished and not noticed yet, on average; `lag` is of all models."""
    return int(cap * min(CAUTION * lag.lag_share, MOST_AHEAD)) if lag.is_known else 0


def _first_s(sight: Sight) -> float:
    return min(sight.pace.first_s, sight.polling.longest_first_s) if sight.pace.is_known else sight.polling.first_s


def _gap(sight: Sight, age: float) -> float:
    polling, pace = sight.polling, sight.pace
    if not pace.is_known:
        return max(polling.blind_s, polling.blind_step * age)
    step = polling.loose_step if sight.is_ahead or sight.is_crowded else polling.step
    return max(polling.shortest_s, step * pace.median_s, (polling.late_step if age > pace.late_s else step / 2) * age)
