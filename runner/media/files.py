"""Files on the disk: part files, their final names, and whether what is there is what was recorded."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final

from runner.errors import StorageFailed
from runner.model import Artifact, Failure, FailureKind

PART: Final = ".part-"
PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""Errors of a machine that is short of something for a moment; any other means that the disk needs a person."""
PIECE: Final = 1 << 20


class Part:
    """A file in the making, hashed as it grows: it ends settled under its final name, or discarded.

    Made under a name that nobody can have planted. The methods block and raise `OSError`; any thread may call them.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self.path = folder / f"{PART}{run_id}-{secrets.token_hex(8)}"
        self._digest = hashlib.sha256()
        self._is_settled = False
        self._lock = Lock()  # a cancelled download discards it while a thread may still be writing
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=0)

    @property
    def sha256(self) -> str:
        """Of what it holds so far."""
        return self._digest.hexdigest()

    def append(self, pieces: Iterable[bytes]) -> None:
        """Write the pieces behind what it holds."""
        with self._lock:
            for piece in pieces:
                self._digest.update(piece)
                rest = memoryview(piece)
                while rest:  # a disk that is almost full takes a part, and refuses the next
                    rest = rest[self._file.write(rest) :]

    def settle(self, final: Path) -> None:
        """Sync it and give it its final name; the caller syncs the folder. A planted link is replaced itself."""
        with self._lock:
            os.fsync(self._file.fileno())
            os.fchmod(self._file.fileno(), 0o644)
            self._file.close()
            self.path.replace(final)
            self._is_settled = True

    def discard(self) -> None:
        """Remove it, unless it is settled."""
        with self._lock:
            if not self._is_settled:
                self._file.close()
                self.path.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Raise `OSError` where no file can be made in the folder: by making one, since rights do not tell of a disk."""
    Part(folder, "probe").discard()


def put_aside(directory: Path, path: str, new: str) -> None:
    """Give a file another name, unless that is taken; both are relative to the run directory. Raises `OSError`."""
    source, target = directory / path, directory / new
    if target.exists() or target.is_symlink():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)
    sync_folder(target.parent)


def copy_of(directory: Path, artifact: Artifact, stem: str) -> Artifact | None:
    """A copy of the file under another name, durably but for its folder, which is synced by whoever makes many.

    `None` where the file is not what was recorded: nothing takes the name then. No link: an editor that writes in place
    would change both. Raises `StorageFailed`.
    """
    if not is_whole(directory, artifact):
        return None
    source = directory / artifact.path
    final = directory / f"{stem}.{artifact.path.rpartition('.')[2]}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        part = Part(final.parent, "copy")
        try:
            with source.open("rb") as file:
                part.append(iter(partial(file.read, PIECE), b""))
            if part.sha256 != artifact.sha256:
                return None
            part.settle(final)
        finally:
            part.discard()
    except OSError as error:
        raise storage_failed(final, error) from error
    return replace(artifact, path=final.relative_to(directory).as_posix())


def sync_folder(folder: Path) -> None:
    """Put the folder's names on the disk: without it a power cut may forget a file whose contents are safe."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def storage_failed(place: Path, error: OSError) -> StorageFailed:
    """The disk's error, with the place and what to do."""
    return StorageFailed(f"{place}: {error.strerror}. Nothing paid is lost: mend the disk and run the same command.")


def sweep_parts(directory: Path) -> int:
    """Remove the part files of dead runs; the caller holds the run lock. How many there were."""
    parts = list((directory / "images").rglob(f"{PART}*"))
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)


def is_whole(directory: Path, artifact: Artifact) -> bool:
    """Whether the file is there with its recorded size; cheap."""
    try:
        found = (directory / artifact.path).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and found.st_size == artifact.bytes


def is_there(directory: Path, artifact: Artifact) -> bool:
    """Whether a file of that name is there, as it came or as somebody has changed it since."""
    try:
        return stat.S_ISREG(os.lstat(f"{directory}/{artifact.path}").st_mode)  # asked of every job of a plan
    except OSError:
        return False


def verify(directory: Path, artifact: Artifact) -> Failure | None:
    """How the file differs from what was recorded, or `None`."""
    if not is_whole(directory, artifact):
        size = f"{artifact.bytes} bytes"
        return _differs("missing", f"{artifact.path} is missing or not {size} long any more")
    try:
        with (directory / artifact.path).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return _differs("unreadable", f"{artifact.path}: {error.strerror}")
    return None if digest == artifact.sha256 else _differs("changed", f"{artifact.path} is not what was downloaded")


def whole_ones(directory: Path, artifacts: Iterable[Artifact]) -> tuple[Artifact, ...]:
    """Those whose files are what was recorded."""
    return tuple(artifact for artifact in artifacts if verify(directory, artifact) is None)


def _differs(code: str, message: str) -> Failure:
    return Failure(kind=FailureKind.OUTPUT, code=code, message=message)
