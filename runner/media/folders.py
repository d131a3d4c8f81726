"""Which files of a folder a glob means, and which lie too deep for it."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final

from runner.rules.names import natural

MOST_SEEN: Final = 20_000
"""Files that are looked at for those that lie too deep: a disk may hold millions."""
STATE: Final = "state.db"
"""What lies in a run's directory: the pictures there are what came back."""


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files below a folder that match, in natural order, as a person counts them: hidden ones are left out.

    The end of a name may be in capitals: a camera's `.JPG` is a `.jpg`. Raises `ValueError` and `NotImplementedError`
    for what is no pattern. A `**` leads into no run's directory.
    """
    pattern = _any_case(pattern)
    shown = pattern.startswith(".") or "/." in pattern
    found = [
        path
        for path in folder.glob(pattern)
        if path.is_file() and (shown or not any(part.startswith(".") for part in path.relative_to(folder).parts))
    ]
    if "**" in pattern:
        runs = {state.parent for state in folder.glob(f"**/*/{STATE}")}
        found = [path for path in found if runs.isdisjoint(path.parents)]
    return sorted(found, key=lambda path: natural(path.as_posix()))


def names_below(folder: Path, pattern: str) -> Iterator[str]:
    """The names of files in the folders of a folder that match a glob, as far as they are looked at.

    Hidden and linked folders are left out, and runs' directories.
    """
    called = re.compile(fnmatch.translate(_any_case(pattern)))
    return (name for name in islice(_below(folder), MOST_SEEN) if called.match(name))


def _below(top: Path) -> Iterator[str]:
    folders = [top]
    while folders:
        folder = folders.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders += [] if Path(entry.path, STATE).exists() else [Path(entry.path)]
                elif folder is not top:
                    yield entry.name


def _any_case(pattern: str) -> str:
    """The pattern whose last letters, behind a point, may be capitals as well."""
    stem, dot, ending = pattern.rpartition(".")
    if not dot or set(ending) & set("[/"):
        return pattern
    return stem + dot + "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in ending)
