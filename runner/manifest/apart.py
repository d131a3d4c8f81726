"""Where names came first, of which there may be a million: a product whose rows lie apart in its sheet is found so.

A table of hashes with open addresses, since Python's own takes ten times the memory. Two names of one hash, one pair in
10^19, would be refused as one; none is ever let through.
"""

from __future__ import annotations

from array import array
from typing import Final

SLOTS: Final = 1 << 10
"""At first; never more than half of them are taken."""


class FirstLines:
    """The line on which each name came first."""

    def __init__(self) -> None:
        self._count = 0
        self._hashes = array("q", bytes(8 * SLOTS))
        self._lines = array("Q", bytes(8 * SLOTS))

    def first(self, name: object, line: int) -> int | None:
        """The line on which a name came before; else it comes on this one, from 1, for the first time."""
        if 2 * self._count >= len(self._lines):
            self._grow()
        return self._put(hash(name), line)

    def _put(self, key: int, line: int) -> int | None:
        mask = len(self._lines) - 1
        slot = key & mask
        while self._lines[slot]:
            if self._hashes[slot] == key:
                return self._lines[slot]
            slot = (slot + 1) & mask
        self._hashes[slot], self._lines[slot] = key, line
        self._count += 1
        return None

    def _grow(self) -> None:
        hashes, lines = self._hashes, self._lines
        self._hashes, self._lines = array("q", bytes(16 * len(lines))), array("Q", bytes(16 * len(lines)))
        self._count = 0
        for key, line in zip(hashes, lines, strict=True):
            if line:
                self._put(key, line)
