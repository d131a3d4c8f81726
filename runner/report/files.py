"""A file that is written aside and then takes its name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from runner.errors import StorageFailed


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where a file is to be written that replaces `path` when the context ends well, once it is on the disk.

    Whoever reads `path` meanwhile sees the old one. Raises `StorageFailed`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}. The state is safe.") from error
    finally:
        with suppress(OSError):  # a disk that became read-only
            part.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, encoding: str = "utf-8") -> Iterator[TextIO]:
    """A text file that replaces `path` when the context ends well; whoever reads it meanwhile sees the old one.

    What no encoding has (half of a surrogate pair) is written as its escape, as JSON would: no text stops a report.
    """
    with aside(path) as part, part.open("w", encoding=encoding, errors="backslashreplace", newline="") as file:
        yield file
