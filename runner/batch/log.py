"""`run.log` in the run directory: a JSON object a line, for machines and for the morning after."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One line a record: time, level, event, and the fields given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; an exception's traceback is one field, without locals."""
        line = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {key: value for key, value in record.__dict__.items() if key not in _OWN}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Log(logging.FileHandler):
    """A log that cannot be written never stops a run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's own name
        """Say nothing: the state has everything that counts."""


@contextmanager
def logging_to(directory: Path) -> Iterator[logging.Logger]:
    """Append what the run logs to `run.log`."""
    logger = logging.getLogger("runner")
    handler = _Log(directory / "run.log", encoding="utf-8")
    handler.setFormatter(JsonLines())
    before = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        logger.level, logger.propagate = before
        handler.close()
