"""When to look again."""

from runner.model import RemoteState, RemoteStatus
from runner.rules.polling import Polling, first_look, next_look

POLLING = Polling(first_s=2.0, step=0.2, shortest_s=1.0, longest_s=15.0)
RUNNING = RemoteStatus(state=RemoteState.RUNNING, raw="in_progress")


def gap(status, age, dice=0.5):
    return round(next_look(POLLING, status, accepted_at=0.0, now=age, dice=dice) - age, 6)


def test_the_gap_is_a_share_of_the_age_within_bounds():
    """Soon at first, then in steps that grow, never longer than the ceiling."""
    assert [gap(RUNNING, age) for age in (1, 10, 50, 500)] == [1, 2, 10, 15]


def test_the_first_look_comes_after_the_shortest_useful_time():
    """Nothing finishes at once."""
    assert first_look(POLLING, 100.0) == 102.0


def test_a_place_far_back_in_the_queue_is_looked_at_less_often():
    """The front of the queue is looked at as if it ran; an unknown place too."""

    def queued(place):
        return RemoteStatus(state=RemoteState.QUEUED, raw="in_queue", queue_position=place)

    assert [gap(queued(place), 10) for place in (None, 0, 4, 100)] == [2, 2, 4, 15]


def test_looks_are_jittered_by_a_tenth():
    """A batch does not look in step."""
    assert gap(RUNNING, 10, 0.0) == 1.9
    assert gap(RUNNING, 10, 1.0) == 2.1
