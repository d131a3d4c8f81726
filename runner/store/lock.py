"""One runner per run directory, by `flock` on `run.lock`.

`flock` and not POSIX locks, which a process loses when it closes any descriptor of the file; a file of its own, not the
database; and not a pid file, which outlives a SIGKILL. The kernel frees the lock however the process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from runner.errors import CannotCreate, RunDirectoryLocked, StorageFailed

GLANCE_S: Final = 0.2
"""How long somebody may only be looking whether the lock is held (`is_locked`)."""
PATIENCE_S: Final = 5.0
"""A review is written in milliseconds."""


def is_locked(directory: Path) -> bool:
    """Whether a process runs this run directory now."""
    try:
        descriptor = os.open(directory / "run.lock", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


class RunLock:
    """Holds the run directory while it is open; a context manager.

    Raises `RunDirectoryLocked`, naming the holder, and `CannotCreate` where the file cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "run.lock"
        self._descriptor = -1

    def __enter__(self) -> Self:
        while not self._try():
            pass
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with contextlib.suppress(OSError):  # a full disk: who holds it is a courtesy, the lock stands without
            os.truncate(self._descriptor, 0)
            os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def _try(self) -> bool:
        """Lock the file, and see that it is still the one that has the name: an unlinked one locks nobody out."""
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise CannotCreate(f"cannot create {self._path}: {error.strerror}") from error
        if not _lock(self._descriptor):
            os.close(self._descriptor)
            raise RunDirectoryLocked(self._held_message())
        try:
            if os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                return True
        except FileNotFoundError:
            pass
        os.close(self._descriptor)
        return False

    def _held_message(self) -> str:
        try:
            holder = json.loads(self._path.read_text("utf-8"))
            who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            who = "another process"
        return f"{self._path.parent} is in use by {who}. Look at it with `status`, or wait until it ends."


@contextlib.contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Nobody else writes the review of this directory meanwhile: several pages may be served, while one run goes on.

    Locked is the folder itself; where a file system has no such lock, this is none. Raises `StorageFailed` where
    somebody else holds it for too long.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
            stack.callback(os.close, descriptor)
            if not _lock(descriptor, PATIENCE_S):
                raise StorageFailed(f"another process writes in {directory}: try again")
        yield


def _lock(descriptor: int, patience_s: float = GLANCE_S) -> bool:
    """Take the lock; who only glances at it is waited for."""
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        else:
            return True
