"""The manifests that ship with the package: the very files of the repository's `manifests/`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path


@contextmanager
def sample(name: str) -> Iterator[Path]:
    """A shipped manifest as a file, for as long as the context lasts."""
    packaged = resources.files("runner").joinpath("samples")
    folder = packaged if packaged.is_dir() else resources.files("runner").joinpath("..", "manifests")
    with resources.as_file(folder.joinpath(name)) as path:
        yield path.resolve()
