"""What happened, durably: SQLite in one file per run directory, one writer, and a lock."""
