"""`run.log` in the run directory: a JSON object a line, for machines and for the morning after."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from runner.store.traces import LOG

_OWN: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str)
"""One for all: `json.dumps` makes a new one each time."""


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
        return _ENCODER.encode(line)


class _Log(logging.FileHandler):
    """A log that cannot be written never stops a run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's own name
        """Say nothing: the state has everything that counts."""


class _Stderr(logging.StreamHandler[TextIO]):
    """What must be seen even where nothing can be written: a line of `key=value`, for grep."""

    def format(self, record: logging.LogRecord) -> str:
        """`runcomfy-batch: REQUEST NOT SAVED job_id=mug request_id=r-1`."""
        fields = [f"{key}={value}" for key, value in record.__dict__.items() if key not in _OWN]
        return " ".join(("runcomfy-batch:", record.getMessage(), *fields))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's own name
        """Say nothing: a closed terminal stops no run."""


_LOGGER: Final = logging.getLogger("runner")
_current: ContextVar[Path | None] = ContextVar("run directory", default=None)
"""The run that logs: a program may run several at once, each with a log of its own."""


@contextmanager
def logging_to(directory: Path) -> Iterator[logging.Logger]:
    """Append what the run logs to `run.log`; what is critical goes to stderr as well."""
    handler = _Log(directory / LOG, encoding="utf-8")
    handler.setFormatter(JsonLines())
    loud = _Stderr(sys.stderr)
    loud.setLevel(logging.CRITICAL)
    outside, handlers = _current.get(), (handler, loud)
    for one in handlers:
        one.addFilter(lambda _: _current.get() in (None, directory))
    _current.set(directory)
    with _listening():
        for one in handlers:
            _LOGGER.addHandler(one)
        try:
            yield _LOGGER
        finally:
            for one in handlers:
                _LOGGER.removeHandler(one)
            _current.set(outside)
            handler.close()


_before: list[tuple[int, bool]] = []
"""How the logger was before the runs that log now: once for each of them."""


@contextmanager
def _listening() -> Iterator[None]:
    """The logger as runs need it; as the program had it again once the last of them is over."""
    _before.append(_before[0] if _before else (_LOGGER.level, _LOGGER.propagate))
    _LOGGER.setLevel(logging.INFO)
    _LOGGER.propagate = False
    try:
        yield
    finally:
        level, propagate = _before.pop()
        if not _before:
            _LOGGER.setLevel(level)
            _LOGGER.propagate = propagate
