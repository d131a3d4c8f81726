"""The rules of pace against whatever a service may do: bounds that hold in any order of events."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.model import RemoteState, RemoteStatus
from runner.rules import pacing, polling, turns
from runner.rules.pacing import Brake, Full, may_submit
from runner.rules.polling import Polling, Sight

FEW = settings(max_examples=200, deadline=None)
SECONDS = st.floats(0, 1e4)
DICE = st.floats(0, 1, exclude_max=True)
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["429", "end", "crowded end", "short of files"]), st.floats(0, 30), st.floats(0, 900)),
    max_size=60,
)


@FEW
@given(is_strict=st.booleans(), ceiling=st.integers(1, 300), happenings=HAPPENINGS)
def test_the_cap_stays_within_its_bounds_and_is_cut_once_a_window(is_strict, ceiling, happenings):
    """From 1 to the ceiling, whatever happens; never a second cut before a window is over."""
    paced = (pacing.strict if is_strict else pacing.searching)(ceiling)
    now, cut_at = 1000.0, -math.inf
    for what, pause, wish in happenings:
        now += pause
        before = paced
        match what:
            case "429":
                paced = pacing.throttled(paced, now, now + wish)
            case "short of files" if now >= paced.window_until:
                paced = pacing.cut(paced, now)
            case "end" | "crowded end":
                paced = pacing.finished(paced, in_flight=paced.cap, is_crowded=what == "crowded end")
        assert 1 <= paced.cap <= ceiling
        assert paced.closed_until >= before.closed_until
        if paced.window_until > before.window_until:
            assert now - cut_at >= pacing.WINDOW_S
            cut_at = now
        else:
            assert paced.cap >= before.cap
        if what == "crowded end":
            assert paced.cap == before.cap


@FEW
@given(cap=st.integers(1, 64), ahead=st.integers(0, 16), in_flight=st.integers(0, 100), now=SECONDS)
def test_a_strict_cap_is_never_exceeded(cap, ahead, in_flight, now):
    """No guess about what is finished opens it."""
    verdict = may_submit(pacing.strict(cap), Brake(), in_flight=in_flight, submitting=0, ahead=ahead, now=now)
    assert isinstance(verdict, Full) == (in_flight >= cap)


PACES = st.lists(st.tuples(SECONDS, SECONDS, SECONDS, DICE), max_size=80)


def pace_of(brackets):
    pace = polling.UNKNOWN
    for low, width, call_s, dice in brackets:
        pace = polling.learnt(pace, low, low + width, call_s=call_s, dice=dice)
    return pace


@FEW
@given(
    brackets=PACES,
    flags=st.tuples(*[st.booleans()] * 4),
    state=st.sampled_from(RemoteState),
    place=st.none() | st.integers(0, 10**9),
    age=SECONDS,
    dice=DICE,
)
def test_looks_come_neither_too_often_nor_too_late(brackets, flags, state, place, age, dice):
    """At most four a second for a request, and never a pause above a quarter of a minute once the first look is due."""
    settings = Polling()
    names = ("is_ahead", "is_crowded", "is_tail", "is_sample")
    sight = Sight(polling=settings, pace=pace_of(brackets), **dict(zip(names, flags, strict=True)))
    first = polling.first_look(sight, 0.0)
    assert 0 <= first <= settings.longest_first_s
    status = RemoteStatus(state=state, raw="?", queue_position=place)
    gap = polling.next_look(sight, status, accepted_at=0.0, now=age, dice=dice) - age
    assert gap >= 0.95 * settings.shortest_s - 1e-6
    assert gap <= max(1.05 * settings.longest_s, settings.longest_first_s - age) + 1e-6
    assert polling.wake_at(sight, accepted_at=0.0, now=age, dice=dice) >= age


@FEW
@given(brackets=PACES, cap=st.integers(1, 1000))
def test_lookahead_is_a_quarter_of_the_cap_at_most(brackets, cap):
    """Whatever was learnt."""
    pace = pace_of(brackets)
    assert 0 <= polling.margin(pace, cap) <= cap / 4
    assert 0 <= pace.first_s <= pace.median_s <= pace.late_s or not brackets


@FEW
@given(pauses=st.lists(st.floats(0, 2), min_size=2, max_size=80), refusals=st.sets(st.integers(0, 79)))
def test_turns_are_never_closer_than_the_rate_allows(pauses, refusals):
    """And nobody goes before a 429 allows it."""
    state, now, latest, closed_until = turns.Turns(), 1000.0, -math.inf, 0.0
    for number, pause in enumerate(pauses):
        now += pause
        if number in refusals:
            closed_until = max(closed_until, now + 3)
            state = turns.refused(state, now, now + 3)
        state, at = turns.taken(state, now)
        assert at >= max(now, latest + 1 / turns.MOST_PER_S - 1e-9, closed_until)
        latest = at
