"""Whether a run directory has a state, and what that belongs to: one API, one account, and not both play and pay."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from runner.errors import StateMismatch
from runner.store.database import FILE, connect, corrupt, version_in, version_of
from runner.store.traces import refuse_lost_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What a state belongs to. Another API or account must not go on with it."""

    api_base: str
    account: str
    """The token's fingerprint."""
    is_simulated: bool


def has_state(directory: Path) -> bool:
    """Whether there is a state to read; not so where a kill struck while it was being made."""
    path = directory / FILE
    if not path.is_file() or path.stat().st_size == 0:  # SQLite would delete the log beside an empty file
        return False
    if version_in(path) > 0:
        return True
    with closing(connect(path, "ro")) as connection:  # what is new is in the log alone
        return version_of(connection) > 0


def check_used(directory: Path) -> None:
    """Raise `StorageFailed` where the state tells of no run and no attempt, and the directory of some."""
    path = directory / FILE
    if has_state(directory):
        try:
            with closing(connect(path, "ro")) as connection:
                sql = "SELECT EXISTS (SELECT 1 FROM runs) OR EXISTS (SELECT 1 FROM attempts)"
                if connection.execute(sql).fetchone()[0]:
                    return
        except sqlite3.Error as error:
            raise corrupt(path, error) from error
    refuse_lost_state(directory)


def check_binding(found: Binding | None, wanted: Binding, directory: Path) -> bool:
    """Whether the state is this account's; `False` where the token is another one, perhaps of the same account.

    Raises `StateMismatch` for another API, and where simulated and real would meet.
    """
    if found is None:
        return True
    if found.is_simulated != wanted.is_simulated:
        was, now = ("simulated", "real") if found.is_simulated else ("real", "simulated")
        raise StateMismatch(f"{directory} holds a {was} run; a {now} one needs another directory (--out DIR).")
    if not found.is_simulated and found.api_base != wanted.api_base:
        raise StateMismatch(
            f"{directory} belongs to the API at {found.api_base}, not {wanted.api_base}. "
            "Its requests are known only there: use that base, or another directory (--out DIR)."
        )
    return found.account == wanted.account
