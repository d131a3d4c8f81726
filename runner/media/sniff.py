"""What a file really is, whatever its URL or header says: by its first bytes, and for images by decoding all of it."""

from __future__ import annotations

import mmap
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

MOST_PIXELS: Final = 200_000_000
FORMATS: Final = ("PNG", "JPEG", "WEBP", "GIF")
"""What Pillow is let loose on; it knows many more, and each is a way in."""
ENDS: Final = {"png": b"IEND\xaeB`\x82", "jpeg": b"\xff\xd9"}
"""How a whole file ends, save for what some programs append; the decoder is content once it has the pixels."""
EXTENSIONS: Final = {
    "png": "png",
    "jpeg": "jpg",
    "webp": "webp",
    "gif": "gif",
    "mp4": "mp4",
    "mov": "mov",
    "webm": "webm",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A whole image or a video; sizes in pixels, `None` for videos."""

    format: str
    width: int | None
    height: int | None


@dataclass(frozen=True, slots=True)
class Broken:
    """Not what was paid for: `code` and a sentence."""

    code: str
    message: str
    is_final: bool = False
    """Fetching it again would bring the same."""


def inspect(path: Path, max_pixels: int = MOST_PIXELS) -> Found | Broken:
    """Decode the file as a whole. Slow (tens of milliseconds): belongs off the event loop."""
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return Broken("empty", "an empty file")
    kind = _kind(head)
    if kind in ("mp4", "mov", "webm"):
        return Found(kind, None, None)
    if kind is None:
        shown = head.lstrip()[:12].decode("ascii", "replace")
        return Broken("not_an_image", f"neither an image nor a video: it begins {shown!r}")
    return _decode(path, kind, max_pixels)


def _kind(head: bytes) -> str | None:
    """The container by its signature."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[4:8] == b"ftyp":
        return "mov" if head[8:10] == b"qt" else "mp4"
    return "webm" if head.startswith(b"\x1aE\xdf\xa3") else None


def _holds(path: Path, mark: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.rfind(mark) >= 0


def _decode(path: Path, kind: str, max_pixels: int) -> Found | Broken:
    """All pixels of the first frame: `verify()` would pass a truncated JPEG."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours and an error
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    return Broken("too_many_pixels", f"{width} x {height} pixels", is_final=True)
                image.load()
        if not _holds(path, ENDS.get(kind, b"")):
            return Broken("corrupt", "it ends too early")
    except Image.DecompressionBombError as error:
        return Broken("too_many_pixels", str(error)[:200], is_final=True)
    except Exception as error:  # noqa: BLE001 decoders raise anything over broken bytes; each means: not whole
        return Broken("corrupt", f"it does not decode: {type(error).__name__}")
    return Found(kind, width, height)  # by its signature: the decoder has a name of its own for JPEGs of several views
