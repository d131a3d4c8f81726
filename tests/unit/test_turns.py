"""How many free calls a second."""

from runner.rules.turns import LEAST_PER_S, MOST_PER_S, Turns, refused, taken

NOW = 1000.0


def instants(turns, count, now=NOW):
    found = []
    for _ in range(count):
        turns, at = taken(turns, now)
        found.append(round(at - now, 6))
    return found


def test_calls_are_spaced():
    """However many jobs ask at one moment."""
    assert instants(Turns(), 4) == [0.0, 0.005, 0.01, 0.015]


def test_who_comes_late_does_not_save_up_turns():
    """No burst after a pause."""
    turns, _ = taken(Turns(), NOW)
    assert instants(turns, 2, NOW + 60) == [0.0, 0.005]


def test_a_429_halves_the_rate_once_a_window_and_is_obeyed_by_all():
    """Nobody calls before `Retry-After` is over."""
    turns = refused(Turns(), NOW, NOW + 3)
    assert (turns.per_s, turns.free_at) == (MOST_PER_S / 2, NOW + 3)
    again = refused(turns, NOW + 1, NOW + 5)
    assert (again.per_s, again.free_at) == (MOST_PER_S / 2, NOW + 5)
    assert instants(again, 2) == [5.0, 5.01]
    assert refused(turns, NOW + 20, NOW).per_s == MOST_PER_S / 4


def test_the_rate_never_falls_to_nothing():
    """A run goes on, slowly."""
    turns = Turns()
    for n in range(20):
        turns = refused(turns, NOW + 60 * n, NOW)
    assert turns.per_s == LEAST_PER_S


def test_the_rate_grows_back_by_one_a_second():
    """Counted from the end of the window, up to where it was."""
    turns = refused(Turns(), NOW, NOW)
    assert [round(taken(turns, NOW + seconds)[0].per_s) for seconds in (5, 10, 30, 500)] == [100, 100, 120, 200]
