"""Which jobs a sample takes: spread over groups first, and evenly inside each, so that every part is looked at.

A sample is of the manifest, not of what is left to do: the same manifest and number give the same jobs, so that the
same command again goes on with them, and a later full run finds them done.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable


class Sample:
    """The positions of `number` jobs, given each job's group in the manifest's order."""

    def __init__(self, number: int, groups: Iterable[str]) -> None:
        names: dict[str, int] = {}
        members: list[array[int]] = []
        for position, group in enumerate(groups):
            index = names.setdefault(group, len(names))
            if index == len(members):
                members.append(array("Q"))
            members[index].append(position)
        shares = _shares(number, [len(group) for group in members])
        self._chosen = frozenset(
            group[_evenly(pick, share, len(group), offset / len(members))]
            for offset, (group, share) in enumerate(zip(members, shares, strict=True))
            for pick in range(share)
        )

    def __contains__(self, position: int) -> bool:
        return position in self._chosen

    def __len__(self) -> int:
        return len(self._chosen)


def _shares(number: int, sizes: list[int]) -> list[int]:
    """How many of each group, as equal as their sizes allow; of too many groups, some at even distances."""
    number = min(number, sum(sizes))
    if number < len(sizes):
        chosen = {index * len(sizes) // number for index in range(number)} if number else set()
        return [int(index in chosen) for index in range(len(sizes))]
    shares = [0] * len(sizes)
    while number:
        open_groups = [index for index, size in enumerate(sizes) if shares[index] < size]
        each = max(1, number // len(open_groups))
        for index in open_groups:
            given = min(each, sizes[index] - shares[index], number)
            shares[index] += given
            number -= given
    return shares


def _evenly(pick: int, share: int, size: int, offset: float) -> int:
    """The index of the `pick`-th of `share` members of a group; groups begin at different places."""
    return int((pick + offset) * size / share) if share < size else pick
