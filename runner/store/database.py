"""The file of a state: made, opened, checked, and brought up to the schema of this version."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path
from typing import Final
from urllib.parse import quote

from runner.errors import CannotCreate, StateMismatch, StorageFailed
from runner.model import JobState
from runner.store.traces import STATE

VERSION: Final = 4
"""`PRAGMA user_version` of the schema."""
FILE: Final = STATE
MIGRATIONS: Final = {
    1: "ALTER TABLE runs ADD COLUMN time_limit TEXT; ALTER TABLE runs ADD COLUMN ends_at REAL;",
    2: """
        ALTER TABLE runs ADD COLUMN number INTEGER;
        UPDATE runs SET number =
            (SELECT count(*) FROM runs r WHERE (r.started_at, r.run_id) <= (runs.started_at, runs.run_id));
        ALTER TABLE jobs ADD COLUMN files TEXT NOT NULL DEFAULT '{}';
        ALTER TABLE jobs ADD COLUMN paths TEXT NOT NULL DEFAULT '[]';
        ALTER TABLE jobs ADD COLUMN variant TEXT NOT NULL DEFAULT '';
        ALTER TABLE jobs ADD COLUMN shared_from TEXT;
        ALTER TABLE jobs ADD COLUMN shared_request TEXT;
        CREATE INDEX jobs_by_fingerprint ON jobs (fingerprint);
    """,
    3: "ALTER TABLE artifacts ADD COLUMN traits TEXT;",
}
"""What leads from a version to the next one. A new column goes last, there and in `schema.sql`."""
OLD_JOBS: Final = """
    CREATE TEMP VIEW jobs AS SELECT *, '{}' AS files, '[]' AS paths, '' AS variant, NULL AS shared_from,
    NULL AS shared_request FROM main.jobs
"""
"""Jobs of a state before version 3 as this version reads them; only a writer brings a state up to date."""
OLD_ARTIFACTS: Final = "CREATE TEMP VIEW artifacts AS SELECT *, NULL AS traits FROM main.artifacts"
"""The same for files, before version 4."""


WISHES: Final = "kind IN ('RedoRequested', 'RetryRequested', 'SpecChanged')"
"""Events by which a person pays for a job once more."""
IN_FLIGHT: Final = frozenset({JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT_KNOWN})
"""States of few jobs, however many are done or still to come."""
IS_IN_FLIGHT: Final = f"state IN {tuple(sorted(map(str, IN_FLIGHT)))}"
"""The same in SQL: a query finds the index by these very words."""
INDEXES: Final = (
    "DROP INDEX IF EXISTS open_jobs",  # which earlier versions keep, and no query asks
    "CREATE INDEX IF NOT EXISTS artifacts_by_path ON artifacts (path COLLATE NOCASE)",
    f"CREATE INDEX IF NOT EXISTS wishes ON events (seq) WHERE {WISHES}",
    f"CREATE INDEX IF NOT EXISTS jobs_in_flight ON jobs (position) WHERE {IS_IN_FLIGHT}",
)
"""What only makes a state faster to read: any version may read and write it with or without, so it has no number."""


def create(path: Path) -> None:
    """An empty file that only its owner may read; SQLite gives its side files the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise CannotCreate(f"cannot create {path}: {error.strerror}") from error


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection that is not broken at first sight; `mode` is `ro` or `rw`. Raises `StorageFailed`."""
    try:
        uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
        if mode == "ro" and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
            uri += "&immutable=1"  # an archive on a read-only disk: SQLite could not make the log it wants to look into
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0, check_same_thread=False)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        raise corrupt(path, error) from error
    return connection


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The writing connection, with every commit synced; the schema is this version's and the file sound.

    Raises `StorageFailed`, `StateMismatch` for a newer version, `CannotCreate` where the disk cannot hold a log.
    """
    connection = connect(path, "rw")
    try:
        journal = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if journal != "wal":
            raise CannotCreate(f"{path}: this file system cannot hold a write-ahead log; use a local disk (--out DIR).")
        for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if version_of(connection) == 0:
            schema = resources.files("runner.store").joinpath("schema.sql").read_text("utf-8")
            connection.executescript(f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA user_version = {VERSION};\nCOMMIT;")
        check_version(connection, path)
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise corrupt(path, sqlite3.DatabaseError(answer.rpartition("\n")[2]))
        _migrate(connection, path)
        for index in INDEXES:
            connection.execute(index)
    except sqlite3.Error as error:
        raise corrupt(path, error) from error
    return connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older schema up to this version: a backup beside it first, then all steps in one transaction."""
    found = version_of(connection)
    if found == VERSION:
        return
    backup = path.with_name(f"{path.name}.v{found}")
    create(backup)
    with closing(sqlite3.connect(backup)) as copy:
        connection.backup(copy)  # synced by SQLite, like every commit
    steps = "\n".join(MIGRATIONS[version] for version in range(found, VERSION))
    connection.executescript(f"BEGIN IMMEDIATE;\n{steps}\nPRAGMA user_version = {VERSION};\nCOMMIT;")


def version_of(connection: sqlite3.Connection) -> int:
    """The schema's version; 0 before it is made."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def version_in(path: Path) -> int:
    """The schema's version as the head of the file has it, without opening it as a database; 0 where it has none.

    By SQLite's file format: 16 bytes say what it is, and `user_version` are the four from the 60th on.
    """
    head = b""
    with suppress(OSError), path.open("rb") as file:  # SQLite says better what is wrong
        head = file.read(64)
    return int.from_bytes(head[60:64]) if head.startswith(b"SQLite format 3\0") else 0


def check_version(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `StateMismatch` for a schema that this version does not know."""
    if version_of(connection) > VERSION:
        raise StateMismatch(f"{path} was written by a newer version of runcomfy-batch: upgrade to go on.")


def corrupt(path: Path, error: sqlite3.Error) -> StorageFailed:
    """What SQLite found, and why the file is to be kept."""
    return StorageFailed(
        f"the state {path} cannot be read: {error}. It holds the ids of paid requests: "
        "restore it from a backup; do not delete it."
    )
