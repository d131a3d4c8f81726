"""Which part of a manifest a machine does, where several share it; pure.

A job is told to its shard by its id alone, which is what a job is known by: whatever else of a manifest is edited,
sorted or added, a job stays in its shard, whose run directory knows what was paid for it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`-th of `count` parts, from 0."""

    index: int
    count: int

    @classmethod
    def of(cls, text: str) -> Self:
        """The shard in `K/N`; raises `ValueError` for what is none."""
        found = re.fullmatch(r"(\d{1,5})/(\d{1,5})", text, re.ASCII)
        if found is None or not int(found[1]) < int(found[2]) <= MOST:
            raise ValueError(text)
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of_folder(cls, name: str) -> Self | None:
        """The shard whose run directory is called so; `None` where it is called something else."""
        found = re.fullmatch(r"shard-(\d{1,5})-of-(\d{1,5})", name, re.ASCII)
        return cls(int(found[1]), int(found[2])) if found and int(found[1]) < int(found[2]) <= MOST else None

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def folder(self) -> str:
        """What its run directory is called."""
        return f"shard-{self.index}-of-{self.count}"

    def holds(self, job_id: str) -> bool:
        """Whether a job is in it."""
        return number_of(job_id, self.count) == self.index


def number_of(job_id: str, count: int) -> int:
    """The shard that a job is in, of so many; the same on every machine, in every version."""
    digest = hashlib.sha256(b"runcomfy-batch shard\n" + job_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % count
