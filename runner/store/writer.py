"""The one writing connection, in a thread of its own, with group commit.

Callers put writes on a queue; each wake-up of the thread commits all that is queued in one transaction, so that many
jobs share one fsync. A write that breaks a constraint must not take its neighbours along: then the group is rolled
back and each write is committed by itself.

One connection, because SQLite before 3.51.3 can corrupt a WAL that two connections write and checkpoint at once.
`synchronous=FULL`, because with NORMAL a power cut may forget an intent whose POST was sent.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue

from runner.errors import BatchError, StorageFailed
from runner.store.rows import Statement


class SecondPayment(BatchError):
    """The state refused a write that would have paid for a job twice. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class _Write:
    statements: Sequence[Statement]
    done: Callable[[BatchError | None], None]
    loop: asyncio.AbstractEventLoop | None
    """Where `done` must be called; `None`: right here."""


class Writer:
    """Owns the connection that `connect` makes, inside its thread. After a disk failure it takes no more writes."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._queue: SimpleQueue[_Write | None] = SimpleQueue()
        self._connect = connect
        self._opened: Future[None] = Future()
        self._broken: BatchError | None = None
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()
        self._opened.result()

    def write(self, statements: Sequence[Statement]) -> asyncio.Future[None]:
        """Queue one transaction; the future is done when it is on the disk.

        The write goes through even if the future is cancelled: what happened has happened.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._queue.put(_Write(statements, lambda error: _settle(future, error), loop))
        return future

    def write_now(self, statements: Sequence[Statement]) -> None:
        """The same for callers without an event loop: returns when it is on the disk."""
        future: Future[None] = Future()
        self._queue.put(
            _Write(statements, lambda error: future.set_exception(error) if error else future.set_result(None), None)
        )
        future.result()

    def close(self) -> None:
        """Commit what is queued and close the connection. May be called twice."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            connection = self._connect()
        except BaseException as error:  # noqa: BLE001 it is raised in the caller's thread, by `result()`
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        is_open = True
        while is_open:
            group = [self._queue.get()]
            while not self._queue.empty():
                group.append(self._queue.get())
            is_open = None not in group
            self._commit_group(connection, [write for write in group if write is not None])
        connection.close()

    def _commit_group(self, connection: sqlite3.Connection, group: list[_Write]) -> None:
        error = self._commit(connection, group)
        if isinstance(error, SecondPayment) and len(group) > 1:
            for write in group:
                self._commit_group(connection, [write])
            return
        _answer(group, error)

    def _commit(self, connection: sqlite3.Connection, group: list[_Write]) -> BatchError | None:
        """Commit the group in one transaction; what went wrong comes back, and then nothing of it is written."""
        if self._broken is not None:
            return self._broken
        try:
            connection.execute("BEGIN IMMEDIATE")
            for write in group:
                for sql, values in write.statements:
                    connection.execute(sql, values)
            connection.execute("COMMIT")
        except sqlite3.IntegrityError as error:
            _roll_back(connection)
            return SecondPayment(f"the state refused a write that would break it: {error}")
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


def _answer(group: list[_Write], error: BatchError | None) -> None:
    """Tell every caller, with one wake-up of the event loop for all of its writes."""
    _call([write for write in group if write.loop is None], error)
    for loop in {write.loop for write in group if write.loop is not None}:
        mine = [write for write in group if write.loop is loop]
        if not loop.is_closed():
            loop.call_soon_threadsafe(_call, mine, error)


def _call(group: list[_Write], error: BatchError | None) -> None:
    for write in group:
        write.done(error)


def _settle(future: asyncio.Future[None], error: BatchError | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
