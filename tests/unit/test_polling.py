"""When to look again."""

import random
from dataclasses import replace

import pytest

from runner.model import RemoteState, RemoteStatus
from runner.rules import polling
from runner.rules.polling import (
    ENOUGH,
    UNKNOWN,
    WINDOW,
    Polling,
    Sight,
    first_look,
    is_likely,
    is_sample,
    learnt,
    margin,
    next_look,
    remembered,
    wake_at,
)

RUNNING = RemoteStatus(state=RemoteState.RUNNING, raw="in_progress")
BLIND = Sight(polling=Polling())


def paced(*durations, lag=1.0):
    """A pace that was learnt from exact durations."""
    pace = UNKNOWN
    for duration in durations:
        pace = learnt(pace, duration, duration, call_s=lag, dice=0.5)
    return pace


KNOWN = replace(BLIND, pace=paced(*range(10, 31)))
"""Early 12, median 20, late 29."""


def queued(place):
    return RemoteStatus(state=RemoteState.QUEUED, raw="in_queue", queue_position=place)


def gap(sight, age, status=RUNNING, dice=0.5):
    return round(next_look(sight, status, accepted_at=0.0, now=age, dice=dice) - age, 6)


def test_an_unknown_model_is_looked_at_in_shares_of_the_age():
    """Soon at first, then in steps that grow, never longer than the ceiling."""
    assert first_look(BLIND, 100.0) == 102.0
    assert [gap(BLIND, age) for age in (2, 10, 50, 500)] == [1, 2, 10, 15]


def test_a_known_model_is_not_looked_at_before_its_early_tenth():
    """Not even by a run that looked at once, since it was resumed."""
    assert first_look(KNOWN, 100.0) == 112.0
    assert gap(KNOWN, 3.0) == 9.0


def test_a_first_look_waits_a_minute_at_most():
    """A model that takes an hour may fail in a minute."""
    assert first_look(replace(BLIND, pace=paced(*[3600.0] * 9)), 0.0) == 60.0


@pytest.mark.parametrize(
    ("sight", "gaps"),
    [
        (KNOWN, [1.8, 1.8, 4.5, 15.0]),
        (replace(KNOWN, is_ahead=True), [6.0, 6.0, 6.0, 15.0]),
        (replace(KNOWN, is_crowded=True), [6.0, 6.0, 6.0, 15.0]),
    ],
    ids=["strict", "ahead", "crowded"],
)
def test_the_gap_is_a_share_of_the_median_and_grows_with_what_is_late(sight, gaps):
    """Larger where a lag costs little."""
    assert [gap(sight, age) for age in (15, 28, 30, 500)] == gaps


def test_nothing_is_looked_at_where_nothing_ends():
    """A model with quick requests and slow ones: after the quick ones the slow ones are waited for."""
    sorts = replace(BLIND, pace=paced(*[4.0] * 20, *[24.0] * 10))
    assert [gap(sorts, age) for age in (3.9, 4.1, 10.0, 23.9)] == [0.36, 15.0, 14.0, 1.0755]
    assert gap(replace(sorts, is_tail=True), 10.0) == 0.45
    few = replace(BLIND, pace=paced(*[4.0] * 20, *[24.0] * (ENOUGH - 1)))
    assert gap(few, 10.0) < 1


def test_a_quick_model_is_looked_at_four_times_a_second_at_most():
    """Whatever a tenth of its median is."""
    assert gap(replace(BLIND, pace=paced(*[0.5] * 9)), 0.5) == 0.25


def test_a_place_far_back_in_the_queue_is_looked_at_less_often():
    """The front of the queue is looked at as if it ran; an unknown place too."""
    assert [gap(BLIND, 10, queued(place)) for place in (None, 0, 4, 100)] == [2, 2, 4, 15]


def test_what_waits_at_a_crowded_service_is_looked_at_less_often():
    """Its queue hides the lag."""
    quick = replace(BLIND, pace=paced(*[4.0] * 9), is_crowded=True)
    assert [gap(quick, 4.0, status) for status in (RUNNING, queued(None), queued(2))] == [1.2, 3.6, 5.4]


def test_once_nothing_is_left_to_submit_gaps_are_short():
    """Half a second, or a twentieth of the age: somebody waits."""
    tail = replace(KNOWN, is_tail=True, is_ahead=True)
    assert [gap(tail, age) for age in (15, 28, 200)] == [0.75, 1.4, 10.0]
    assert gap(replace(BLIND, is_tail=True), 8) == 0.5


def test_who_sleeps_as_the_tail_begins_is_woken_within_the_same_gap():
    """But not before its early tenth."""
    tail = replace(KNOWN, is_tail=True)
    assert wake_at(tail, accepted_at=0.0, now=20.0, dice=0.5) == 20.5
    assert wake_at(tail, accepted_at=0.0, now=5.0, dice=0.5) == 12.0


def test_looks_are_jittered_by_a_tenth():
    """A batch does not look in step."""
    assert gap(BLIND, 10, dice=0.0) == 1.9
    assert gap(BLIND, 10, dice=1.0) == 2.1


def test_a_duration_is_drawn_from_its_bracket():
    """Between the last look that found nothing and the first that found the end; the lag is half of it and the call."""
    pace = learnt(UNKNOWN, 4.0, 6.0, call_s=0.25, dice=0.75)
    assert (pace.durations, pace.lags) == ((5.5,), (1.25,))


def test_eight_requests_make_a_model_known_and_a_few_dozen_are_remembered():
    """So a model that becomes slower is followed."""
    assert not paced(*[5.0] * (ENOUGH - 1)).is_known
    pace = paced(*[5.0] * ENOUGH)
    assert pace.is_known
    assert (pace.first_s, pace.median_s, pace.late_s) == (5.0, 5.0, 5.0)
    slower = paced(*[5.0] * 100, *[9.0] * WINDOW)
    assert (slower.first_s, len(slower.durations), len(slower.lags)) == (9.0, WINDOW, WINDOW)


def test_what_an_earlier_run_noticed_is_drawn_back_by_up_to_a_gap():
    """When it looked in vain before is not kept."""
    pace = remembered(Polling(), [(10.0, 0.0), (10.0, 1.0), (0.1, 0.5)])
    assert pace.durations == (9.1, 10.0, 0.05)
    assert remembered(Polling(), []) == UNKNOWN


def test_the_result_is_asked_for_directly_from_the_median_on():
    """Before it a look is likely to be in vain; of an unknown model nobody knows."""
    assert [is_likely(KNOWN, age) for age in (19.9, 20.0)] == [False, True]
    assert not is_likely(BLIND, 1000.0)


def test_lookahead_is_the_lag_s_worth_of_requests():
    """By Little's law, with some caution, and a quarter of the cap at most."""
    assert margin(UNKNOWN, 64) == 0
    assert margin(paced(*[10.0] * 9, lag=1.0), 64) == 5
    assert margin(paced(*[10.0] * 9, lag=9.0), 64) == 16


def test_four_of_each_round_are_samples_and_looked_at_early():
    """What waits at a fifth of the median waits longer than our lag."""
    assert [n for n in range(64) if is_sample(n, 64)] == [0, 16, 32, 48]
    assert [n for n in range(3) if is_sample(n, 1)] == [0, 1, 2]
    assert first_look(replace(KNOWN, is_sample=True), 0.0) == 4.0
    assert first_look(replace(BLIND, is_sample=True), 0.0) == 2.0


def test_quantiles_are_those_of_the_durations():
    """Compared with a plain count over many draws."""
    dice = random.Random(4)
    durations = [dice.lognormvariate(2, 0.5) for _ in range(WINDOW)]
    pace = paced(*durations)
    for quantile, share in ((pace.first_s, 0.1), (pace.median_s, 0.5), (pace.late_s, 0.95)):
        assert abs(sum(duration <= quantile for duration in durations) / WINDOW - share) <= 1 / WINDOW
    assert polling._quantile([1.0, 3.0], 0.5) == 2.0
