"""Files on the disk: part files, their final names, and whether what is there is what was recorded."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from runner.errors import StorageFailed
from runner.model import Artifact, Failure, FailureKind

PART: Final = ".part-"
PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR})
"""Errors of a machine that is short of something for a moment; any other means that the disk needs a person."""
PIECE: Final = 1 << 20


def new_part(folder: Path, run_id: str) -> Path:
    """An empty part file under a name that nobody can have planted: made, not opened."""
    path = folder / f"{PART}{run_id}-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(path, flags, 0o600))
    return path


def check_writable(folder: Path) -> None:
    """Raise `OSError` where no file can be made in the folder: by making one, since rights do not tell of a disk."""
    new_part(folder, "probe").unlink()


def append(part: Path, rest: bytes) -> None:
    """Put the rest at the end of a part file; one that is gone is not made anew."""
    with part.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(rest)


def settle(part: Path, final: Path) -> None:
    """Give a synced part file its final name, durably: rename, then sync the folder. Replaces a planted link itself."""
    part.chmod(0o644)
    part.replace(final)
    sync_folder(final.parent)


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
    part = final.parent / f"{PART}{secrets.token_hex(8)}"
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, part)
        if digest_and_sync(part) != artifact.sha256:
            return None
        part.replace(final)
    except OSError as error:
        raise storage_failed(final, error) from error
    finally:
        part.unlink(missing_ok=True)
    return replace(artifact, path=final.relative_to(directory).as_posix())


def sync_folder(folder: Path) -> None:
    """Put the folder's names on the disk: without it a power cut may forget a file whose contents are safe."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_and_sync(path: Path) -> str:
    """The SHA-256 of the file, which is on the disk when this returns."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
        os.fsync(file.fileno())
    return digest.hexdigest()


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
