"""A state as the first version of this program wrote it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from runner.model import JobSpec, SubmitAccepted, SubmitIntended
from runner.store.store import Store

SCHEMA_1 = Path(__file__).with_name("state_v1.sql")


def state_of_version_1(directory: Path) -> bytes:
    """A state of two jobs, the first of them accepted as `r-1`; its file."""
    specs = [JobSpec(job_id=name, model="m", inputs={}, fingerprint="f") for name in ("mug", "lamp")]
    with Store(directory) as store:
        store.put_specs(specs)
        intended = store.record_now(store.job("mug"), SubmitIntended(at=1.0, payload_sha256="p", reserved=None))
        store.record_now(intended, SubmitAccepted(at=2.0, request_id="r-1", look_at=3.0))
    downgrade(directory)
    return (directory / "state.db").read_bytes()


def downgrade(directory: Path) -> None:
    """Make a state one of version 1."""
    run = "INSERT INTO runs (run_id, name, manifest, started_at) VALUES ('1', 'n', 'm', 1.0);"
    meta = "INSERT OR IGNORE INTO meta VALUES ('api_base', 'b'), ('account', 'a'), ('is_simulated', '0');"
    tables = ("meta", "jobs", "attempts", "artifacts", "events")
    with closing(sqlite3.connect(directory / "old.db")) as connection:
        connection.executescript(f"{SCHEMA_1.read_text()} PRAGMA user_version = 1;")
        columns = {t: ", ".join(row[1] for row in connection.execute(f"PRAGMA table_info({t})")) for t in tables}
        copies = [f"INSERT INTO {t} SELECT {columns[t]} FROM new.{t};" for t in tables]
        connection.execute("ATTACH ? AS new", (str(directory / "state.db"),))
        connection.executescript(" ".join([*copies, meta, run]))
    (directory / "old.db").replace(directory / "state.db")
