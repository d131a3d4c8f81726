"""Which jobs a sample takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.rules.sampling import Sample


def chosen(number, groups):
    sample = Sample(number, groups)
    return [position for position in range(len(groups)) if position in sample]


@pytest.mark.parametrize(
    ("number", "groups", "expected"),
    [
        (3, "aaaaaaaaa", [0, 3, 6]),
        (1, "aaaa", [0]),
        (2, "aaabbb", [0, 4]),
        (4, "aaaabbbb", [0, 2, 5, 7]),
        (3, "abcabcabc", [0, 4, 8]),
        (2, "abcdef", [0, 3]),
        (5, "abbbbbbbb", [0, 2, 4, 6, 8]),
        (9, "aab", [0, 1, 2]),
        (1, "", []),
    ],
)
def test_a_sample_is_spread_over_groups_and_evenly_inside_each(number, groups, expected):
    """Each group begins at another place, so that not the same product is seen in every scene."""
    assert chosen(number, groups) == expected


@given(number=st.integers(1, 60), groups=st.lists(st.sampled_from("abcde"), max_size=50))
def test_a_sample_has_the_number_that_was_asked_for(number, groups):
    """As far as there are so many; each group has its share, or one that is smaller is in it whole."""
    positions = chosen(number, groups)
    assert len(positions) == min(number, len(groups)) == len(Sample(number, groups))
    shares = {name: sum(groups[position] == name for position in positions) for name in set(groups)}
    most = max(shares.values(), default=0)
    assert all(share >= most - 1 or share == groups.count(name) for name, share in shares.items())
