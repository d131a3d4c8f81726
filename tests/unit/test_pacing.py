"""The cap, the brake and the gate's rule."""

from dataclasses import replace

import pytest

from runner.rules import pacing
from runner.rules.pacing import Brake, BrakeState, Full, Go, NotBefore, may_submit

NOW = 1000.0


def ask(paced, brake=None, *, in_flight=0, submitting=0, ahead=0, now=NOW):
    brake = brake or Brake()
    return may_submit(paced, brake, in_flight=in_flight, submitting=submitting, ahead=ahead, now=now)


def test_the_second_429_within_a_window_halves_the_cap_once_a_window():
    """The first may be an accident: it closes the gate. Many that arrive together are one signal."""
    paced = pacing.throttled(pacing.strict(16), NOW, NOW + 2)
    assert (paced.cap, paced.closed_until) == (16, NOW + 2)
    paced = pacing.throttled(paced, NOW + 1, NOW + 5)
    assert (paced.cap, paced.closed_until) == (8, NOW + 5)
    for _ in range(30):
        paced = pacing.throttled(paced, NOW + 2, NOW + 4)
    assert (paced.cap, paced.closed_until) == (8, NOW + 5)
    paced = pacing.throttled(pacing.throttled(paced, NOW + 20, NOW + 21), NOW + 22, NOW + 23)
    assert paced.cap == 4


def test_a_single_429_now_and_then_cuts_nothing():
    """It was an accident."""
    paced = pacing.strict(16)
    for n in range(5):
        paced = pacing.throttled(paced, NOW + 60 * n, NOW + 60 * n + 2)
    assert paced.cap == 16


def test_a_429_right_after_a_long_retry_after_is_the_second():
    """The window counts from the opening of the gate, or a throttled service would never be left in peace."""
    paced = pacing.throttled(pacing.strict(16), NOW, NOW + 300)
    assert pacing.throttled(paced, NOW + 301, NOW + 600).cap == 8


def test_the_cap_never_falls_below_one():
    """A throttled run goes on, slowly."""
    assert pacing.cut(pacing.strict(1), NOW).cap == 1


def ends(paced, count, **how):
    """The caps after so many good ends."""
    caps = []
    for _ in range(count):
        paced = pacing.finished(paced, **{"in_flight": paced.cap, "is_crowded": False} | how)
        caps.append(paced.cap)
    return caps


def test_a_search_starts_modestly_and_doubles_each_round():
    """One more with each good end, up to what one machine and good manners allow."""
    paced = pacing.searching(64)
    assert paced.cap == 8
    assert ends(paced, 3) == [9, 10, 11]
    assert ends(paced, 100)[-1] == 64
    assert pacing.searching(4).cap == 4


def test_a_search_ends_where_more_would_only_wait():
    """Held while the service's queue is long enough; after that, one more a round."""
    paced = pacing.searching(64)
    assert ends(paced, 20, is_crowded=True) == [8] * 20
    paced = pacing.finished(paced, in_flight=8, is_crowded=True)
    assert ends(paced, 17) == [8] * 7 + [9] * 9 + [10]


def test_a_search_ends_with_a_429():
    """From then on one more a round."""
    paced = pacing.throttled(pacing.searching(64), NOW, NOW)
    assert not paced.is_searching


def test_a_cap_that_is_not_in_use_does_not_grow():
    """Nothing is learnt from good answers to a few."""
    assert ends(pacing.searching(64), 20, in_flight=3) == [8] * 20


def test_after_a_cut_it_is_soon_back_near_what_was_too_much_and_then_careful():
    """A service that allows so many in flight is used well, and asked for more only now and then."""
    paced = pacing.cut(replace(pacing.strict(64), cap=20), NOW)
    caps = ends(paced, 45)
    assert caps[:8] == [11, 12, 13, 14, 15, 16, 17, 18]
    assert caps[8:25] == [18] * 17
    assert (caps[25], caps[-1]) == (19, 20)


def test_where_even_less_is_too_much_it_grows_by_one_a_round():
    """The second cut on the way back says that what was good before is not any more."""
    paced = pacing.cut(pacing.cut(pacing.strict(20), NOW), NOW + 30)
    assert (paced.cap, paced.knee) == (5, 0)
    assert ends(paced, 6) == [5, 5, 5, 5, 6, 6]


def test_growth_ends_at_the_ceiling():
    """Never above what the user allowed."""
    assert ends(pacing.cut(pacing.strict(4), NOW), 30)[-1] == 4


def test_lookahead_counts_only_where_the_user_set_no_limit():
    """Their word is strict."""
    paced = replace(pacing.searching(64), cap=64)
    assert ask(paced, in_flight=70, ahead=8) == Go()
    assert ask(paced, in_flight=72, ahead=8) == Full()
    assert ask(pacing.strict(64), in_flight=64, ahead=8) == Full()


def test_a_cap_that_was_found_sends_no_bursts():
    """Into an outage that has just begun: at most eight POSTs at once, or a quarter of the cap."""
    paced = pacing.searching(64)
    assert ask(replace(paced, cap=64), submitting=15) == Go()
    assert ask(replace(paced, cap=64), submitting=16) == Full()
    assert ask(replace(paced, cap=20), submitting=8) == Full()
    assert ask(pacing.strict(64), submitting=63) == Go()


def test_retry_after_closes_the_gate_for_every_job():
    """Not only for the one that was told."""
    paced = pacing.throttled(pacing.strict(8), NOW, NOW + 30)
    assert ask(paced) == NotBefore(NOW + 30)
    assert ask(paced, now=NOW + 30) == Go()


def test_the_cap_counts_everything_in_flight():
    """Also what an earlier run submitted."""
    assert ask(pacing.strict(4), in_flight=3) == Go()
    assert ask(pacing.strict(4), in_flight=4) == Full()


def test_three_doubts_in_a_row_put_the_brake_on():
    """An outage costs a handful of jobs in doubt, not the manifest."""
    brake = Brake()
    for _ in range(2):
        brake = pacing.after_doubt(brake, NOW, 8)
    assert ask(pacing.strict(8), brake) == Go()
    brake = pacing.after_doubt(brake, NOW, 8)
    assert brake.state is BrakeState.ON
    assert ask(pacing.strict(8), brake) == Full()


def test_scattered_doubts_put_the_brake_on_too():
    """Answers between them do not hide that too many are lost within ten minutes."""
    brake = Brake()
    for n in range(6):
        assert brake.state is BrakeState.RELEASED
        brake = (
            pacing.after_answer(pacing.after_doubt(brake, NOW + n, 2)) if n < 5 else pacing.after_doubt(brake, NOW, 2)
        )
    assert brake.state is BrakeState.ON


def test_old_doubts_are_forgotten():
    """What happened more than ten minutes ago says nothing about now."""
    brake = Brake()
    for n in range(20):
        brake = pacing.after_answer(pacing.after_doubt(brake, NOW + 700 * n, 2))
    assert brake.state is BrakeState.RELEASED


def test_an_unreachable_service_puts_the_brake_on():
    """Three POSTs that did not leave are enough; none is in doubt."""
    brake = Brake()
    for _ in range(3):
        brake = pacing.after_unsent(brake, NOW)
    assert brake.state is BrakeState.ON
    assert "cannot be reached" in brake.reason


def test_two_good_probes_half_open_and_a_good_answer_releases():
    """After an outage one POST goes first."""
    brake = Brake(state=BrakeState.ON, doubts_in_row=3)
    brake = pacing.after_probe(brake, is_good=True)
    brake = pacing.after_probe(brake, is_good=False)
    brake = pacing.after_probe(brake, is_good=True)
    assert brake.state is BrakeState.ON
    brake = pacing.after_probe(brake, is_good=True)
    assert brake.state is BrakeState.HALF_OPEN
    assert ask(pacing.strict(8), brake, submitting=0) == Go()
    assert ask(pacing.strict(8), brake, submitting=1) == Full()
    assert pacing.after_probe(brake, is_good=False) is brake
    assert pacing.after_answer(brake) == Brake()


def test_a_doubt_while_half_open_puts_the_brake_on_again():
    """And keeps the instant at which the outage began."""
    brake = Brake(state=BrakeState.HALF_OPEN, since=NOW)
    assert pacing.after_doubt(brake, NOW + 60, 8).state is BrakeState.ON
    again = pacing.after_unsent(brake, NOW + 60)
    assert (again.state, again.since) == (BrakeState.ON, NOW)


def test_a_late_answer_does_not_release_the_brake():
    """It belongs to a POST that left before; the probes decide."""
    brake = Brake(state=BrakeState.ON, doubts_in_row=3, since=NOW)
    assert pacing.after_answer(brake).state is BrakeState.ON


def test_probes_come_less_often_while_they_fail():
    """Doubling to a minute; quick again once one was good."""
    brake = Brake(state=BrakeState.ON)
    assert [pacing.probe_gap_s(brake, n, 2.0) for n in (0, 1, 2, 9)] == [2, 4, 8, 60]
    assert pacing.probe_gap_s(Brake(state=BrakeState.ON, good_probes=1), 9, 2.0) == 2.0


def test_each_further_stop_rests_longer():
    """Reads may work where submits do not: a night of such an outage costs a handful of doubts, not one a second."""
    brake, now, rests = Brake(), NOW, []
    for _ in range(3):
        brake = pacing.after_doubt(brake, now, 8)
    for _ in range(8):
        assert brake.state is BrakeState.ON
        rests.append(max(0.0, brake.rest_until - now))
        now = max(now, brake.rest_until) + 4.0
        brake = pacing.after_probe(pacing.after_probe(brake, is_good=True), is_good=True)
        assert brake.state is BrakeState.HALF_OPEN
        brake = pacing.after_doubt(brake, now, 8)
    assert rests == [0, 60, 240, 960, 1800, 1800, 1800, 1800]


def test_a_doubt_that_arrives_late_is_no_further_stop():
    """It belongs to a POST that left before the brake was on."""
    brake = Brake()
    for _ in range(8):
        brake = pacing.after_doubt(brake, NOW, 8)
    assert len(brake.stopped_at) == 1
    assert brake.rest_until == NOW


def test_stops_are_remembered_over_good_answers_and_forgotten_after_two_hours():
    """A service that takes one submit and loses the next is no healthy one."""
    brake = replace(Brake(state=BrakeState.HALF_OPEN), stopped_at=(NOW,))
    brake = pacing.after_answer(brake)
    assert brake.state is BrakeState.RELEASED
    for _ in range(3):
        brake = pacing.after_doubt(brake, NOW + 60, 8)
    assert brake.rest_until == NOW + 60 + 60
    late = replace(Brake(state=BrakeState.HALF_OPEN), stopped_at=(NOW,))
    assert pacing.after_doubt(late, NOW + 7200, 8).stopped_at == (NOW + 7200,)


@pytest.mark.parametrize(
    ("paced", "most", "cap", "ceiling"),
    [
        (pacing.strict(8), 3, 3, 3),
        (pacing.strict(8), 8, 8, 8),
        (pacing.strict(8), 100, 8, 8),
        (pacing.strict(8), 0, 1, 1),
        (pacing.searching(8), 8, 8, 8),
        (pacing.capped(pacing.strict(8), 2, 8), 6, 6, 6),
        (pacing.cut(pacing.strict(8), NOW), 8, 4, 8),
        (pacing.cut(pacing.strict(8), NOW), 2, 2, 2),
        (pacing.throttled(pacing.strict(2), NOW, NOW + 1), 8, 2, 8),
    ],
    ids=[
        "lower",
        "the same",
        "too high",
        "none",
        "of a search",
        "and higher again",
        "after a cut",
        "below a cut",
        "429",
    ],
)
def test_a_persons_cap_holds_from_then_on(paced, most, cap, ceiling):
    """Never above what the run began with; at once, but where the service has said that something was too much."""
    capped = pacing.capped(paced, most, 8)
    assert (capped.cap, capped.ceiling, capped.is_strict, capped.is_searching) == (cap, ceiling, True, False)
    assert capped.closed_until == paced.closed_until


def test_a_paused_gate_lets_nothing_through():
    """However much room there is; who asks is woken when the person says another word."""
    assert isinstance(may_submit(pacing.strict(4), Brake(), in_flight=0, submitting=0, is_paused=True, now=NOW), Full)
    assert isinstance(may_submit(pacing.strict(4), Brake(), in_flight=0, submitting=0, is_paused=False, now=NOW), Go)
