"""Where files go; pure. A job's id becomes a file name that is safe everywhere and collides with no other job's."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

LONGEST: Final = 120
"""Bytes of a stem in UTF-8: file systems allow 255 for the whole name."""
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def stem_for(job_id: str) -> str:
    """The id as a file name without extension.

    Letters and digits of any script, `_`, and inside the name `.` and `-` stay; anything else becomes `-` or goes, and
    then a short hash of the id is added, so that two ids never share a name.
    """
    name = unicodedata.normalize("NFC", job_id)
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).lstrip(".-").rstrip(".")
    if safe == name and safe and not RESERVED.fullmatch(safe) and len(safe.encode()) <= LONGEST:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    head = safe.encode()[: LONGEST - 9].decode("utf-8", "ignore")
    return f"{head}-{digest}" if head and not RESERVED.fullmatch(head) else f"job-{digest}"


def output_stem(job_id: str, index: int, count: int) -> str:
    """The path of one output without extension: `images/mug`, or `images/mug-2` where there are several."""
    return f"images/{stem_for(job_id)}" + (f"-{index}" if count > 1 else "")


def collisions(jobs: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    """Pairs of jobs whose files could meet, given each one's id and the number of outputs asked for.

    Names are compared as a careless file system would: without case, in one normal form. A service may answer with
    one output more or fewer than was asked for, so a job owns its plain name as well.
    """
    owners: dict[str, str] = {}
    found = []
    for job_id, count in jobs:
        names = {output_stem(job_id, index, count) for index in range(1, count + 1)} | {output_stem(job_id, 1, 1)}
        for name in sorted(names):
            key = unicodedata.normalize("NFC", name.casefold())
            owner = owners.setdefault(key, job_id)
            if owner != job_id:
                found.append((owner, job_id))
                break
    return found
