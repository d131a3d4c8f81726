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
import itertools
import math
import os
import re
import stat
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from PIL import Image, ImageOps

from runner.media.folders import matching, names_below
from runner.media.sniff import Broken, format_of, inspect
from runner.model import LOCAL, Failure, FailureKind, InputProblem, JobSpec, LocalFile, canonical

LARGEST: Final = 6 << 20
"""Bytes of one photo: what RunComfy's own nodes send at most."""
LARGEST_TO_SHRINK: Final = 200 << 20
MIMES: Final = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
GLOB: Final = re.compile(r"[*?\[]")
READABLE: Final = "see that it may be read, and try again"
AHEAD: Final = 64
"""Photos that are looked at before they are asked for."""

WINDOWS: Final = re.compile(r"[A-Za-z]:[\\/]|\\\\")
"""A path with a drive or a server."""
LONGEST_PATH: Final = 4096
MOST_MATCHES: Final = 64
"""Photos that one glob in a job may stand for: no model takes more."""
PATHS: Final = "paths are from the manifest's folder"
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
        if "\0" in text or len(text) > LONGEST_PATH:
            return _problem("input-missing", f"{text[:80]!r}: no file's name", PATHS)
        try:
            path = self._named(text)
            if GLOB.search(text) and not path.exists():
                return self._matching(text)
        except (OSError, RuntimeError) as error:  # a name that is too long in one part; a home that nobody has
            return _problem("input-missing", f"{text[:80]}: {getattr(error, 'strerror', None) or error}", PATHS)
        found = self._start(path, text)
        result = found.result() if isinstance(found, Future) else found
        return result if isinstance(result, InputProblem) else [result]

    def below(self, folder: str, pattern: str) -> Sequence[str] | InputProblem:
        """The files below a folder that match a glob, as paths from there, in natural order; or why there are none."""
        try:
            path = self._base / Path(folder).expanduser()
            if not path.is_dir():
                return _problem("source", f"{folder}: no such folder", PATHS)
            if not self._is_allowed(Path(os.path.realpath(path))):
                return _outside(folder)
            if ".." in Path(pattern).parts:
                return _outside(f"{folder}/{pattern}")
            names = [found.relative_to(path).as_posix() for found in matching(path, pattern)]
            bad = next((name for name in names if not _is_text(name)), None)
            return names if bad is None else _problem("source", f"{folder}: {bad!a} is no text", "rename it")
        except (OSError, RuntimeError, ValueError, NotImplementedError) as error:
            return _problem("source", f"{folder}: {pattern!r}: {error}", "as in  *.jpg  or  **/*.jpg")

    def deeper(self, folder: str, pattern: str, endings: Collection[str], most: int) -> int:
        """How many files in the folders of a folder are called as a glob and have one of some endings, up to `most`."""
        names = names_below(self._base / Path(folder).expanduser(), pattern)
        found = (name for name in names if Path(name).suffix.lower() in endings)
        return sum(1 for _ in itertools.islice(found, most))

    def ahead(self, paths: Sequence[str]) -> Iterator[str]:
        """The paths one by one, the next ones being looked at meanwhile."""
        for number, path in enumerate(paths):
            for coming in paths[number + AHEAD - 1 : number + AHEAD] if number else paths[:AHEAD]:
                self._start(self._base / coming, coming)
            yield path

    def _named(self, text: str) -> Path:
        """The path, in whichever form its letters are spelled on the disk: a Mac writes é as two characters."""
        path = self._base / Path(text).expanduser()
        if not text.isascii() and not path.exists():
            spelled = (self._base / Path(unicodedata.normalize(form, text)).expanduser() for form in ("NFC", "NFD"))
            return next((other for other in spelled if other.exists()), path)
        return path

    def _matching(self, text: str) -> Sequence[LocalFile] | InputProblem:
        path = Path(text).expanduser()
        root, parts = (Path(path.anchor), path.parts[1:]) if path.is_absolute() else (self._base, path.parts)
        plain = list(itertools.takewhile(lambda part: not GLOB.search(part), parts))
        if ".." in parts[len(plain) :] or not self._is_allowed(Path(os.path.realpath(root.joinpath(*plain)))):
            return _outside(text)
        try:
            found = matching(root.joinpath(*plain), "/".join(parts[len(plain) :]))
        except (ValueError, NotImplementedError) as error:
            return _problem("input-missing", f"{text[:80]}: {error}", "as in  photos/*.jpg  or  photos/**/*.jpg")
        if not found:
            return _problem("input-missing", f"{text[:200]}: no file matches", PATHS)
        if len(found) > MOST_MATCHES:
            hint = "a job takes a few photos; a job a photo is  sources: [{folder: …}]"
            return _problem("input-missing", f"{text[:200]}: {len(found):,} files match", hint)
        files: list[LocalFile] = []
        for match in self.ahead([str(path.absolute()) for path in found]):
            looked = self._start(self._base / match, match)
            result = looked.result() if isinstance(looked, Future) else looked
            if isinstance(result, InputProblem):
                return result
            files.append(result)
        return files

    def _start(self, path: Path, text: str) -> Future[LocalFile | InputProblem] | InputProblem:
        """Begin to look at a file, once for each state of it."""
        real = Path(os.path.realpath(path))
        if not self._is_allowed(real):
            return _outside(text)
        if not _is_text(str(real)):
            return _problem("input-missing", f"{str(real)!a}: a name that is no text", "rename it")
        try:
            found = real.stat()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                return _problem("input-missing", f"{text[:200]}: no such file", _nearly(path, text))
            return _problem("input-missing", f"{text[:200]}: {error.strerror}", READABLE)
        if not stat.S_ISREG(found.st_mode):
            return _problem(
                "input-missing", f"{text}: not a regular file", "for the photos of a folder write  photos/*.jpg"
            )
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
            data = read_regular(path)
            kind = format_of(data[:4096])
            if kind not in MIMES:
                return _problem(
                    "input-not-image", f"{text}: {_what(kind)} is not taken", "save it as JPEG, PNG or WebP"
                )
            found = inspect(path)
        except OSError as error:
            return _problem("input-missing", f"{text}: {error.strerror}", READABLE)
        if isinstance(found, Broken):
            return _problem("input-not-image", f"{text}: {found.message}", "open it in a viewer, and export it anew")
        return LocalFile(
            path=str(path),
            sha256=hashlib.sha256(data).hexdigest(),
            mime=_smaller_mime(data) if is_large else MIMES[kind],
            bytes=min(size, LARGEST),
            width=found.width,
            height=found.height,
            is_shrunk=is_large,
        )


def read_regular(path: Path) -> bytes:
    """The file's bytes; raises `OSError` for what is no regular file, or is too large, and waits for no pipe."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 a descriptor has no path
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if found.st_size > LARGEST_TO_SHRINK:
            raise OSError(errno.EFBIG, "too large")
        return file.read(LARGEST_TO_SHRINK + 1)


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
        data = read_regular(path)
    except OSError as error:
        raise Spoilt("input_missing", f"{path}: {error.strerror}; nothing was sent") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise Spoilt("input_changed", f"{path} changed since it was checked; nothing was sent. Run the command again")
    return f"data:{mime};base64,{base64.b64encode(shrink(data) if shrunk else data).decode()}"


def shrink(data: bytes) -> bytes:
    """A photo of at most 6 MiB, upright, as large as it can be: a JPEG, or a PNG where it is transparent."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as opened:
        profile = opened.info.get("icc_profile") if opened.mode in ("RGB", "RGBA") else None  # others' are not RGB's
        if _is_transparent(opened):
            return _smaller_png(ImageOps.exif_transpose(opened).convert("RGBA"), profile)
        image = _opaque(opened)
    while True:
        for quality in (92, 85):
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality, icc_profile=profile)
            if out.tell() <= LARGEST:
                return out.getvalue()
        image = image.resize((max(1, image.width * 4 // 5), max(1, image.height * 4 // 5)), Image.Resampling.LANCZOS)


def _smaller_png(image: Image.Image, profile: bytes | None) -> bytes:
    while True:
        out = io.BytesIO()
        image.save(out, "PNG", icc_profile=profile)
        if out.tell() <= LARGEST:
            return out.getvalue()
        part = min(0.9, math.sqrt(LARGEST / out.tell()))
        size = (max(1, int(image.width * part)), max(1, int(image.height * part)))
        image = image.resize(size, Image.Resampling.LANCZOS)


def _smaller_mime(data: bytes) -> str:
    """What `shrink` makes of a photo that decodes."""
    with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
        return "image/png" if _is_transparent(image) else "image/jpeg"


def _is_transparent(image: Image.Image) -> bool:
    """Whether one sees through it somewhere; a channel for that alone says nothing."""
    return image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255


def _opaque(image: Image.Image) -> Image.Image:
    """In red, green and blue, upright; there is nothing to be seen through it."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):  # 16 bits a pixel: Pillow would cut, not scale
        most = 65535 if image.mode != "F" else max(1.0, float(image.getextrema()[1]))  # type: ignore[arg-type]
        image = image.convert("F").point(lambda value: value * (255 / most)).convert("L")
    return image.convert("RGB")


def _nearly(path: Path, text: str) -> str:
    """How a file that is not there was probably meant."""
    with suppress(OSError):
        folder = path.parent
        names = _names_in(folder, folder.stat().st_mtime_ns)
        if near := names.get(path.name.casefold()) or names.get(path.stem.casefold()):
            return f"did you mean {near!r}?"
    if WINDOWS.match(text):
        name = re.split(r"[\\/]", text)[-1]
        return f"a path of Windows: put the photo into the manifest's folder, and write  {name}"
    if "\\" in text:
        return f"write / between folders:  {text.replace(chr(92), '/')}"
    if text.startswith("~"):
        return f"it is looked for at {path}"
    if re.search(r"[,;]", text):
        return "several in one cell are separated by  |"
    return f"{PATHS}; a URL begins with https://"


@lru_cache(maxsize=8)
def _names_in(folder: Path, _: int) -> dict[str, str]:
    """The names in a folder, by themselves and without their endings, both in small letters; of the folder as it is."""
    names = sorted(found.name for found in folder.iterdir())
    return {Path(name).stem.casefold(): name for name in names} | {name.casefold(): name for name in names}


def _is_text(name: str) -> bool:
    """Whether a name has bytes in UTF-8; a file system takes any."""
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _what(kind: str | None) -> str:
    return f"a file of the kind {kind}" if kind is not None else "what is no picture"


def _outside(text: str) -> InputProblem:
    message = f"{text[:200]} lies outside the manifest's folder"
    return _problem("input-outside", message, "move it there, or allow its folder:  --allow-root DIR")


def _problem(code: str, message: str, hint: str = "") -> InputProblem:
    return InputProblem(path=(), code=code, message=message, hint=hint)
