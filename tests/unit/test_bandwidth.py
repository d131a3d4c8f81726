"""As many downloads at once as the line gains by; lines are simulated."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.rules.bandwidth import FEW, MOST, RESTS, arrived, fixed, learning, troubled

SIZE = 1_000_000


def windows(line, rate_at, count, now=0.0):
    """The widths after each of so many windows on a line that gives `rate_at(width)` bytes a second."""
    widths = []
    for _ in range(count):
        rate = rate_at(line.width)
        line = arrived(line, SIZE, now, is_full=True)
        for _ in range(10_000):
            now += SIZE / rate
            line = arrived(line, SIZE, now, is_full=True)
            if line.began_at is None:
                break
        else:
            raise AssertionError("a window without an end")
        widths.append(line.width)
    return widths


def test_a_line_that_gives_each_connection_so_much_is_used_by_more():
    """It grows by a quarter each window that was worth it, as far as it may."""
    assert windows(learning(), lambda width: 1e6 * width, 9) == [10, 12, 15, 18, 22, 27, 32, 32, 32]


def test_a_line_that_is_full_keeps_what_fills_it():
    """A try a few windows apart, given back each time."""
    widths = windows(learning(), lambda _: 5e6, 40)
    assert set(widths) == {8, 10}
    assert widths.count(10) == pytest.approx(40 / (RESTS + 2), abs=1)


def test_it_stops_where_more_brings_nothing():
    """Fifteen connections fill this line."""
    widths = windows(learning(), lambda width: 1e6 * min(width, 15), 60)
    assert sum(15 <= width <= 18 for width in widths) > 50
    assert max(widths) == 18


def test_a_line_that_wakes_up_is_tried_again():
    slow = windows(learning(), lambda _: 1e6, 12)
    assert set(slow) == {8, 10}
    line = replace(learning(), rests=RESTS)
    assert windows(line, lambda width: 1e6 * width, RESTS + 8)[-1] == MOST


def test_a_window_with_free_slots_says_nothing():
    """Jobs that come one by one show nothing of the line."""
    line = learning()
    for n in range(200):
        line = arrived(line, SIZE, float(n), is_full=False)
        assert (line.width, line.tried_from) == (FEW, 0)


def test_a_window_is_a_second_at_least():
    """Small files from a fast line are no measure within milliseconds."""
    line = learning()
    for n in range(100):
        line = arrived(line, 100, n / 1000, is_full=True)
    assert line.width == FEW
    assert arrived(line, 100, 1.5, is_full=True).width == 10


def test_trouble_halves_once_a_window():
    line = learning()
    once = troubled(line)
    assert (once.width, troubled(once)) == (4, once)
    began = arrived(once, SIZE, 0.0, is_full=True)
    assert troubled(began).width == 2
    assert troubled(fixed(1)).width == 1


def test_what_the_user_says_is_not_exceeded():
    assert set(windows(fixed(3), lambda width: 1e6 * width, 20)) == {3}
