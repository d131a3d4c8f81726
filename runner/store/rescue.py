"""What is kept ready for the worst moment: a disk that is full just when the answer to a paid POST must be written.

Two small files are made before the first POST, while there is room. The *ballast* is given up so that the state has
room for the outcomes of the POSTs in flight. The *journal* takes a request id in bytes that are allocated already, for
the case that even then the state cannot be written; the next start reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from runner.errors import CannotCreate, StorageFailed

BALLAST: Final = "state.ballast"
JOURNAL: Final = "state.rescue"
BALLAST_BYTES: Final = 1 << 18
JOURNAL_BYTES: Final = 1 << 16
"""Room for the ids of some hundred requests; there cannot be more in flight between their POST and its commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A request that was paid for and could not be written into the state."""

    job_id: str
    attempt: int
    """The attempt's number, from 1."""
    request_id: str


class Rescue:
    """The two files of a run directory; for the process that holds the run lock."""

    def __init__(self, directory: Path) -> None:
        self._ballast = directory / BALLAST
        self._journal = directory / JOURNAL
        try:
            # Random, so that no file system can store it in less room.
            _write(self._ballast, os.urandom(BALLAST_BYTES))
            if not self._journal.exists():
                _write(self._journal, b" " * JOURNAL_BYTES)
            self._descriptor = os.open(self._journal, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise CannotCreate(f"cannot create {error.filename or directory}: {error.strerror}") from error
        self._end = max((end for _, end in self._lines()), default=0)

    def make_room(self) -> bool:
        """Give the ballast up; `False` where it is gone already."""
        try:
            self._ballast.unlink()
        except OSError:
            return False
        return True

    def save(self, saved: Saved) -> None:
        """Write it down, durably, as far as this disk can do anything at all."""
        line = json.dumps(asdict(saved)).encode() + b"\n"
        with suppress(OSError):
            os.pwrite(self._descriptor, line, self._end)
            self._end += len(line)
            os.fsync(self._descriptor)

    def saved(self) -> list[Saved]:
        """What was written down and not forgotten; a line that a power cut spoilt is none."""
        return [saved for saved, _ in self._lines()]

    def forget(self) -> None:
        """It is all in the state now."""
        os.pwrite(self._descriptor, b" " * self._end, 0)
        os.fsync(self._descriptor)
        self._end = 0

    def close(self) -> None:
        """Take the files away, unless the journal holds something. May be called twice."""
        if self._descriptor < 0:
            return
        os.close(self._descriptor)
        self._descriptor = -1
        if self._end == 0:
            self._ballast.unlink(missing_ok=True)
            self._journal.unlink(missing_ok=True)

    def _lines(self) -> Iterator[tuple[Saved, int]]:
        """What each good line says, and where it ends."""
        end = 0
        for line in os.pread(self._descriptor, os.fstat(self._descriptor).st_size, 0).splitlines(keepends=True):
            end += len(line)
            with suppress(ValueError, TypeError):
                yield Saved(**json.loads(line)), end


def unplaced(directory: Path, strangers: Sequence[Saved]) -> StorageFailed:
    """What these are, of which the state knows nothing, and what to do."""
    lines = "\n".join(f"  {json.dumps(asdict(saved))}" for saved in strangers)
    return StorageFailed(
        f"{directory / JOURNAL} names paid requests that fit no job of the state:\n{lines}\nPerhaps it was kept beside "
        "another state.db: put that one back. To go on without them, write their ids down and move the file away. "
        "Nothing was submitted."
    )


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
