"""Backoff and Retry-After."""

import math

import pytest

from runner.rules.retry import DOWNLOADS, LONGEST_RETRY_AFTER_S, Backoff, delay_s, retry_after_s, retry_at

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "date", "expected"),
    [
        ("0", None, 0.0),
        ("120", None, 120.0),
        (" 7 ", None, 7.0),
        ("1.5", None, 1.5),
        ("99999999", None, LONGEST_RETRY_AFTER_S),
        ("-5", None, None),
        ("nan", None, None),
        ("inf", None, None),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", None, 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", None, 30.0),
        ("Tue Nov 14 22:13:50 2023", None, 30.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", "Tue, 14 Nov 2023 22:13:40 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", "nonsense", 30.0),
        ("Tue, 14 Nov 2023 20:00:00 GMT", None, 0.0),
        ("Tue, 14 Nov 2099 20:00:00 GMT", None, LONGEST_RETRY_AFTER_S),
        ("Tue, 99 Nov 2023 20:00:00 GMT", None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_clamped(value, date, expected):
    """Seconds or an HTTP date, counted from the response's own Date; garbage says nothing."""
    assert retry_after_s(value, date, NOW) == (pytest.approx(expected) if expected is not None else None)


def test_backoff_grows_to_its_cap_under_full_jitter():
    """The delay is a random share of an exponential that stops at the cap."""
    backoff = Backoff(base_s=1.0, factor=2.0, cap_s=10.0)
    assert [delay_s(backoff, n, 1.0) for n in (0, 1, 2, 3, 4, 5, 500)] == [1, 1, 2, 4, 8, 10, 10]
    assert delay_s(backoff, 3, 0.25) == 1.0


def test_a_wish_is_never_undercut():
    """With Retry-After the next try is never before it; the jitter comes on top."""
    assert retry_at(Backoff(), 9, now=NOW, dice=0.0, retry_after_s=30.0) == NOW + 30.0
    assert NOW + 30.0 < retry_at(Backoff(), 9, now=NOW, dice=0.5, retry_after_s=30.0) < NOW + 31.0
    assert retry_at(Backoff(), 2, now=NOW, dice=0.5) == NOW + 1.0


def test_downloads_are_spread_over_half_an_hour():
    """Eight waits between nine tries reach thirty minutes, so that a content network can mend itself."""
    assert math.fsum(delay_s(DOWNLOADS, n, 1.0) for n in range(1, 9)) > 1800
