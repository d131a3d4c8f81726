"""What else in a run directory tells that something was paid for: a state that is lost must not look like a new one.

The log is written after each commit, when the state is on the disk already: so a log that tells more than the state
does is that of a newer state.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runner.errors import StorageFailed

STATE: Final = "state.db"
LOG: Final = "run.log"
MOVED: Final = "job moved"
"""The event of the log's lines that tell of jobs and their requests."""
TAIL_BYTES: Final = 1 << 18
REPORTS: Final = ("results.jsonl", "summary.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What a line of the log tells of a job."""

    job_id: str
    attempt: int
    """How many times it had been sent; 0 where the line does not say."""
    request_id: str | None


def refuse_lost_state(directory: Path) -> None:
    """Raise `StorageFailed` where the directory, whose state holds nothing, was used before."""
    signs = [name for name in REPORTS if (directory / name).exists()]
    signs += [LOG] * any(move.request_id for move in _moves(directory, whole=True))
    signs += [f"{STATE}-wal"] * (not _size(directory / STATE) and _size(directory / f"{STATE}-wal") > 0)
    if not signs:
        return
    state = "empty" if (directory / STATE).exists() else "missing"
    raise StorageFailed(
        f"{directory} was used before ({', '.join(signs)}), and its {STATE} is {state}: what was paid for there would "
        f"be paid again. {LOG} holds the request ids. Restore {STATE}, with its {STATE}-wal, from a backup, or choose "
        "another directory with --out DIR. Nothing was submitted."
    )


def latest_moves(directory: Path) -> list[Move]:
    """What the end of the log tells."""
    return list(_moves(directory, whole=False))


def older_state(directory: Path, missing: list[Move]) -> StorageFailed:
    """The state does not know of these: what that means, and what to do."""
    ids: dict[tuple[str, int], str] = {}
    for move in missing:
        ids[move.job_id, move.attempt] = move.request_id or ids.get((move.job_id, move.attempt), "(sent, not answered)")
    pairs = [f"{job_id}={request_id}" for (job_id, _), request_id in ids.items()]
    told = ", ".join(pairs[:3]) + (f" and {len(pairs) - 3:,} more" if len(pairs) > 3 else "")
    return StorageFailed(
        f"{directory / STATE} is older than {LOG}, which tells of requests that it does not know: {told}. Restore the "
        f"newer {STATE}, with its {STATE}-wal. Where such a job is in doubt in this one, `runcomfy-batch doubts "
        f"{directory} --attach JOB=REQUEST_ID` gives its request back to it. To go on regardless, and perhaps pay "
        f"again, move {LOG} away. Nothing was submitted."
    )


def _moves(directory: Path, *, whole: bool) -> Iterator[Move]:
    """The log's lines, in order; one that is cut off or strange tells nothing."""
    try:
        with (directory / LOG).open("rb") as file:
            if not whole:
                file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            for line in file:
                if (move := _move(line)) is not None:
                    yield move
    except OSError:
        return


def _move(line: bytes) -> Move | None:
    try:
        told = json.loads(line)
        if not isinstance(told, dict) or told.get("event") != MOVED:
            return None
        job_id, attempt, request_id = (told.get(key) for key in ("job_id", "attempt", "request_id"))
        f"{job_id}{request_id}".encode()  # half a surrogate pair is nobody's id
    except (ValueError, RecursionError):
        return None
    return Move(
        job_id=str(job_id),
        attempt=attempt if isinstance(attempt, int) else 0,
        request_id=None if request_id is None else str(request_id),
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
