"""The one writing connection, on a thread of its own, with group commit.

While one transaction is being committed, the next writes gather; they are committed together, so that many jobs share
one fsync. A write that the state refuses must not take its neighbours along: then the group is rolled back and each
write is committed by itself.

One connection, because SQLite before 3.51.3 can corrupt a WAL that two connections write and checkpoint at once.
`synchronous=FULL`, because with NORMAL a power cut may forget an intent whose POST was sent.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeAlias

from runner.errors import BatchError, StorageFailed
from runner.store.rows import Statement

Outcome: TypeAlias = "BatchError | None"
"""What went wrong with a write; `None`: it is on the disk."""


class SecondPayment(BatchError):
    """The state refused a write that would have paid for a job twice. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class _Write:
    statements: Sequence[Statement]
    future: asyncio.Future[None]


class Writer:
    """Owns a connection. After a disk failure it takes no more writes. Belongs to one event loop at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._gathered: list[_Write] = []
        self._is_committing = False
        self._broken: BatchError | None = None

    def write(self, statements: Sequence[Statement]) -> asyncio.Future[None]:
        """Put one transaction on the queue; the future is done when it is on the disk.

        The write goes through even if the future is cancelled: what happened has happened.
        """
        loop = asyncio.get_running_loop()
        write = _Write(statements, loop.create_future())
        self._gathered.append(write)
        if not self._is_committing:
            self._commit_gathered(loop)
        return write.future

    def write_now(self, statements: Sequence[Statement]) -> None:
        """The same for callers that may block: returns when it is on the disk."""
        with self._lock:
            error = self._commit([statements])
        if error is not None:
            raise error

    def close(self) -> None:
        """Commit what is queued and close the connection. May be called twice."""
        self._thread.shutdown(wait=True)
        rest, self._gathered = self._gathered, []
        self._commit_all([write.statements for write in rest])
        self._connection.close()

    def _commit_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand the gathered writes to the thread, and so on until none are left."""
        group, self._gathered = self._gathered, []
        self._is_committing = bool(group)
        if group:
            done = loop.run_in_executor(self._thread, self._commit_all, [write.statements for write in group])
            done.add_done_callback(partial(self._answer, loop, group))

    def _answer(
        self, loop: asyncio.AbstractEventLoop, group: list[_Write], done: asyncio.Future[Sequence[Outcome]]
    ) -> None:
        bug = done.exception()
        for write, error in zip(group, [bug] * len(group) if bug else done.result(), strict=True):
            if write.future.cancelled():
                continue
            if error is None:
                write.future.set_result(None)
            else:
                write.future.set_exception(error)
        self._commit_gathered(loop)

    def _commit_all(self, group: Sequence[Sequence[Statement]]) -> Sequence[Outcome]:
        """Commit the writes, together where that goes; each one's outcome, in order."""
        with self._lock:
            error = self._commit(group) if group else None
            if error is not None and error is not self._broken and len(group) > 1:
                return [self._commit([statements]) for statements in group]
            return [error] * len(group)

    def _commit(self, group: Sequence[Sequence[Statement]]) -> Outcome:
        """Commit the group in one transaction; on an error nothing of it is written."""
        if self._broken is not None:
            return self._broken
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for statements in group:
                for sql, values in statements:
                    connection.execute(sql, values)
            connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            _roll_back(connection)
            return SecondPayment(f"the state refused a write that would break it: {error}")
        except (UnicodeEncodeError, OverflowError) as error:  # half a surrogate pair, an integer beyond 64 bits
            _roll_back(connection)
            return BatchError(f"the state cannot hold a value: {error}")
        except sqlite3.Error as error:
            # A failed fsync may have dropped the pages and succeed the next time: nothing after it can be trusted.
            _roll_back(connection)
            self._broken = StorageFailed(
                f"the state cannot be written: {error}. Free space or mend the disk, run again."
            )
            return self._broken
        return None


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # after SQLITE_FULL it may have rolled back by itself
        connection.execute("ROLLBACK")
