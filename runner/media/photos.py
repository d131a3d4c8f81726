"""Photos on this machine that are sent inside a request, as `data:` URIs, as RunComfy's own tools do it.

They are looked at when the manifest is read: regular files below the manifest's folder alone (a sheet from elsewhere
must not read `~/.ssh`), whole, of a format that the service takes, small enough. The request names each by its hash, so
that what is sent is what was looked at; it is read again, and hashed again, just before it is sent.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from PIL import Image, ImageOps

from runner.media.sniff import Broken, inspect
from runner.model import LOCAL, Failure, FailureKind, InputProblem, JobSpec, LocalFile, canonical
from runner.rules.names import natural

LARGEST: Final = 6 << 20
"""Bytes of one photo: what RunComfy's own nodes send at most."""
LARGEST_TO_SHRINK: Final = 200 << 20
MIMES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
GLOB: Final = re.compile(r"[*?\[]")
AHEAD: Final = 64
"""Photos that are looked at before they are asked for."""

MOST_KEPT: Final = 4096
"""Looks that are remembered: a scene that all jobs share is looked at once."""

_Seen = tuple[str, int, int]
"""A file as it was: real path, size, time of change in nanoseconds."""


class Photos:
    """Finds and checks the photos that a manifest names. A context manager; looks at several at once."""

    def __init__(self, base: Path, roots: Sequence[Path], *, shrink: bool = False) -> None:
        """`base` is where relative paths begin; nothing outside `roots` is read."""
        self._base = base
        self._roots = [Path(os.path.realpath(root)) for root in roots]
        self._shrink = shrink
        self._looks: dict[_Seen, Future[LocalFile | InputProblem]] = {}
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="photos")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def find(self, text: str) -> Sequence[LocalFile] | InputProblem:
        """The photo at that path, or those that match a glob, in natural order; or why they cannot be sent."""
        path = self._base / Path(text).expanduser()
        if GLOB.search(text) and not path.exists():
            return self._matching(text)
        found = self._start(path, text)
        result = found.result() if isinstance(found, Future) else found
        return result if isinstance(result, InputProblem) else [result]

    def ahead(self, paths: Sequence[str]) -> Iterator[str]:
        """The paths one by one, the next ones being looked at meanwhile."""
        for number, path in enumerate(paths):
            for coming in paths[number : number + AHEAD]:
                self._start(self._base / coming, coming)
            yield path

    def _matching(self, text: str) -> Sequence[LocalFile] | InputProblem:
        path = Path(text).expanduser()
        root, pattern = (
            (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (self._base, text)
        )
        if not self._is_allowed(Path(os.path.realpath(root / GLOB.split(pattern)[0]))):
            return _outside(text)
        found = sorted(
            (path for path in root.glob(pattern) if path.is_file()), key=lambda path: natural(path.as_posix())
        )
        if not found:
            return _problem("input-missing", f"{text}: no file matches", "paths are from the manifest's folder")
        files: list[LocalFile] = []
        for match in self.ahead([str(path.absolute()) for path in found]):
            looked = self.find(match)
            if isinstance(looked, InputProblem):
                return looked
            files += looked
        return files

    def _start(self, path: Path, text: str) -> Future[LocalFile | InputProblem] | InputProblem:
        """Begin to look at a file, once for each state of it."""
        real = Path(os.path.realpath(path))
        if not self._is_allowed(real):
            return _outside(text)
        try:
            found = real.stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                hint = "paths are from the manifest's folder; a URL begins with https://"
                return _problem("input-missing", f"{text[:200]}: no such file", hint)
            return _problem("input-missing", f"{text[:200]}: {error.strerror}")
        except ValueError:
            return _problem("input-missing", f"{text[:200]!r}: no file's name")
        if not stat.S_ISREG(found.st_mode):
            return _problem("input-missing", f"{text}: not a regular file")
        seen = (str(real), found.st_size, found.st_mtime_ns)
        if seen not in self._looks:
            self._looks[seen] = self._pool.submit(self._look, real, text, found.st_size)
            if len(self._looks) > MOST_KEPT:
                self._looks.pop(next(iter(self._looks)))
        return self._looks[seen]

    def _is_allowed(self, real: Path) -> bool:
        return any(real.is_relative_to(root) for root in self._roots)

    def _look(self, path: Path, text: str, size: int) -> LocalFile | InputProblem:
        is_large = size > LARGEST
        if size > LARGEST_TO_SHRINK or (is_large and not self._shrink):
            hint = "" if size > LARGEST_TO_SHRINK else "--shrink-inputs sends a smaller copy"
            message = f"{text} has {size / 2**20:.1f} MiB; at most {LARGEST >> 20} MiB of a photo are sent"
            return _problem("input-too-large", message, hint or "make it smaller, or give a URL")
        try:
            digest = hash_of(path)
            found = inspect(path)
        except OSError as error:
            return _problem("input-missing", f"{text}: {error.strerror}")
        if isinstance(found, Broken):
            return _problem("input-not-image", f"{text}: {found.message}", "open it in a viewer, and export it anew")
        if found.format not in MIMES:
            return _problem("input-not-image", f"{text}: a {found.format} is not taken", "save it as JPEG, PNG or WebP")
        return LocalFile(
            path=str(path),
            sha256=digest,
            mime="image/jpeg" if is_large else MIMES[found.format],
            bytes=min(size, LARGEST),
            width=found.width,
            height=found.height,
            is_shrunk=is_large,
        )


class Spoilt(Exception):
    """A photo is not there any more, or is not the one that was looked at; nothing was sent."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind=FailureKind.INPUT, code=code, message=message)


def payload_of(spec: JobSpec) -> bytes:
    """The body of the paid POST: the canonical inputs, each local photo in its place. Raises `Spoilt`."""
    if not spec.files:
        return canonical(spec.inputs)
    return canonical({key: _filled(value, spec) for key, value in spec.inputs.items()})


def _filled(value: object, spec: JobSpec) -> object:
    if isinstance(value, list):
        return [_filled(item, spec) for item in value]
    if not isinstance(value, str) or not value.startswith(LOCAL):
        return value
    mime, _, rest = value.removeprefix(LOCAL).partition(";sha256=")
    digest, _, shrunk = rest.partition(";")
    path = Path(spec.files.get(digest, ""))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Spoilt("input_missing", f"{path}: {error.strerror}; nothing was sent") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise Spoilt("input_changed", f"{path} changed since it was checked; nothing was sent. Run the command again")
    return f"data:{mime};base64,{base64.b64encode(shrink(data) if shrunk else data).decode()}"


def shrink(data: bytes) -> bytes:
    """A photo as a JPEG of at most 6 MiB: upright, on white where it is transparent, as large as it can be."""
    with Image.open(io.BytesIO(data)) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode in ("RGBA", "LA", "PA", "P"):
            image = image.convert("RGBA")
            ground = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(ground, image)
        image = image.convert("RGB")
    while True:
        for quality in (92, 85):
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality)
            if out.tell() <= LARGEST:
                return out.getvalue()
        image = image.resize((max(1, image.width * 4 // 5), max(1, image.height * 4 // 5)), Image.Resampling.LANCZOS)


def hash_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _outside(text: str) -> InputProblem:
    message = f"{text[:200]} lies outside the manifest's folder"
    return _problem("input-outside", message, "move it there, or allow its folder:  --allow-root DIR")


def _problem(code: str, message: str, hint: str = "") -> InputProblem:
    return InputProblem(path=(), code=code, message=message, hint=hint)
