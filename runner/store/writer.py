"""The one writing connection, on a thread of its own, with group commit.

While one transaction is being committed, the next writes gather; they are committed together, so that many jobs share
one fsync. A write that the state refuses must not take its neighbours along: then the group is rolled back and each
write is committed by itself.

On a full disk the outcomes of paid POSTs are vital: they may use the room that was kept for them, and the rest may not.

One connection, because SQLite before 3.51.3 can corrupt a WAL that two connections write and checkpoint at once.
`synchronous=FULL`, because with NORMAL a power cut may forget an intent whose POST was sent.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
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
    is_vital: bool
    future: asyncio.Future[None]


class Writer:
    """Owns a connection. After a disk failure it takes no more writes. Belongs to one event loop at a time.

    `make_room` frees room on a full disk, once, for vital writes; `False` where there is none to free.
    """

    def __init__(self, connection: sqlite3.Connection, make_room: Callable[[], bool] = lambda: False) -> None:
        self._connection = connection
        self._make_room = make_room
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._gathered: list[_Write] = []
        self._is_committing = False
        self._broken: StorageFailed | None = None
        self._full: StorageFailed | None = None

    def write(self, statements: Sequence[Statement], *, is_vital: bool = False) -> asyncio.Future[None]:
        """Put one transaction on the queue; the future is done when it is on the disk.

        The write goes through even if the future is cancelled: what happened has happened.
        """
        loop = asyncio.get_running_loop()
        write = _Write(statements, is_vital, loop.create_future())
        self._gathered.append(write)
        if not self._is_committing:
            self._commit_gathered(loop)
        return write.future

    def write_now(self, statements: Iterable[Statement]) -> None:
        """The same for callers that may block: returns when it is on the disk.

        What an iterator of statements raises is raised here, and nothing of it is written.
        """
        with self._lock:
            error = self._commit([statements])
        if error is not None:
            raise error

    def checkpoint(self) -> None:
        """Copy what is committed from the log into the file, as far as no reader is in the way."""
        with self._lock:
            try:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                self._broken = _unwritable(error)
                raise self._broken from error

    def close(self) -> None:
        """Commit what is queued and close the connection. May be called twice.

        Who closes last folds the log into the file; where somebody still looks on, it is copied there first, so that
        the file alone holds all.
        """
        self._thread.shutdown(wait=True)
        rest, self._gathered = self._gathered, []
        self._commit_all(rest)
        if self._broken is None:
            with suppress(sqlite3.Error):  # closed already, or a full disk: the log has it
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._connection.close()

    def _commit_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        """Hand the gathered writes to the thread, and so on until none are left."""
        group, self._gathered = self._gathered, []
        self._is_committing = bool(group)
        if group:
            done = loop.run_in_executor(self._thread, self._commit_all, group)
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

    def _commit_all(self, group: Sequence[_Write]) -> Sequence[Outcome]:
        """Commit the writes, together where that goes; each one's outcome, in order."""
        with self._lock:
            error = self._commit([write.statements for write in group]) if group else None
            if error is None or error is self._broken:
                return [error] * len(group)
            return [self._commit([write.statements], is_vital=write.is_vital) for write in group]

    def _commit(self, group: Sequence[Iterable[Statement]], *, is_vital: bool = False) -> Outcome:
        """Commit the group in one transaction; on an error nothing of it is written."""
        refusal = self._broken or (None if is_vital else self._full)
        if refusal is not None:
            return refusal
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
            _roll_back(connection)
            failure = _unwritable(error)
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                # A failed fsync may have dropped the pages and succeed the next time: nothing after it can be trusted.
                self._broken = failure
                return failure
            self._full = failure
            return self._commit(group, is_vital=True) if is_vital and self._make_room() else failure
        except BaseException:
            _roll_back(connection)
            raise
        return None


def _unwritable(error: sqlite3.Error) -> StorageFailed:
    return StorageFailed(f"the state cannot be written: {error}. Free space or mend the disk, run again.")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # after SQLITE_FULL it may have rolled back by itself
        connection.execute("ROLLBACK")
