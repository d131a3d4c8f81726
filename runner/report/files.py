"""A file that is written aside and then takes its name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from runner.errors import StorageFailed

ASIDE: Final = re.compile(r"\.(?:report\.html|results\.csv|results\.jsonl|summary\.json|review\.json)\.(\d{1,9})")
"""What is written aside in a run directory, with the number of the process that does."""


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Where a file is to be written that replaces `path` when the context ends well, once it is on the disk.

    Whoever reads `path` meanwhile sees the old one. Raises `StorageFailed`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")  # `sweep_asides` knows it by that
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


def sweep_asides(directory: Path) -> None:
    """Remove what writers that were killed left in a run directory; one that lives may be writing still."""
    for part in directory.glob(".*"):
        if (match := ASIDE.fullmatch(part.name)) is not None and not _is_alive(int(match[1])):
            with suppress(OSError):
                part.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
