"""What a file really is, whatever its URL or header says: by its first bytes, and for images by decoding all of it.

Outputs are decoded whole (`inspect`). Of inputs only the beginning is at hand: `format_of` and `size_of` read that.
"""

from __future__ import annotations

import io
import mmap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from runner.model import Traits

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
MARKS: Final = (
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\0\0\1\0", "ico"),
    (b"8BPS", "psd"),
    (b"%PDF-", "pdf"),
    (b"PK\3\4", "zip"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
)
"""Beginnings of what people put where an image, a video or a sound is wanted."""
BRANDS: Final = {
    **dict.fromkeys((b"avif", b"avis"), "avif"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"), "heic"),
    **dict.fromkeys((b"M4A ", b"M4B "), "m4a"),
}
"""The ISO container (`ftyp`) holds many things besides MP4."""
RIFFS: Final = {b"WAVE": "wav", b"AVI ": "avi"}
HEADERS: Final = {"png": "PNG", "jpeg": "JPEG", "gif": "GIF", "bmp": "BMP", "tiff": "TIFF"}
"""Formats whose size Pillow reads from the beginning alone, and its names for them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A whole image or a video; sizes in pixels, `None` for videos."""

    format: str
    width: int | None
    height: int | None
    traits: Traits | None = None
    """Where somebody wants to know them."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Not what was paid for: `code` and a sentence."""

    code: str
    message: str
    is_final: bool = False
    """Fetching it again would bring the same."""


def inspect(
    path: Path, max_pixels: int = MOST_PIXELS, *, measure: Callable[[Image.Image], Traits] | None = None
) -> Found | Broken:
    """Decode the file as a whole, and `measure` a picture then. Slow (tens of milliseconds): off the event loop."""
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
    return _decode(path, kind, max_pixels, measure)


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


def _decode(path: Path, kind: str, max_pixels: int, measure: Callable[[Image.Image], Traits] | None) -> Found | Broken:
    """All pixels of the first frame: `verify()` would pass a truncated JPEG."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit below is ours and an error
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                if width * height > max_pixels:
                    return Broken("too_many_pixels", f"{width} x {height} pixels", is_final=True)
                image.load()
                traits = _measured(image, measure)
        if not _holds(path, ENDS.get(kind, b"")):
            return Broken("corrupt", "it ends too early")
    except Image.DecompressionBombError as error:
        return Broken("too_many_pixels", str(error)[:200], is_final=True)
    except Exception as error:  # noqa: BLE001 decoders raise anything over broken bytes; each means: not whole
        return Broken("corrupt", f"it does not decode: {type(error).__name__}")
    return Found(
        kind, width, height, traits
    )  # by its signature: the decoder has a name of its own for JPEGs of several views


def _measured(image: Image.Image, measure: Callable[[Image.Image], Traits] | None) -> Traits | None:
    """What is measured of a whole picture; one that cannot be measured is whole all the same, and paid for."""
    try:
        return measure(image) if measure is not None else None
    except Exception:  # noqa: BLE001 of a mode that nobody thought of
        return None


# ------------------------------------------------------------------------------------------------------ the beginning


def format_of(head: bytes) -> str | None:
    """The format of a file that begins like this, as `png`, `mp4`, `pdf`; `None` for what is not known."""
    if head[4:8] == b"ftyp" and head[8:12] in BRANDS:
        return BRANDS[head[8:12]]
    if head[:4] == b"RIFF" and head[8:12] in RIFFS:
        return RIFFS[head[8:12]]
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xE0 == 0xE0:  # the sync word of MPEG audio
        return "aac" if head[1] & 0x06 == 0 else "mp3"
    if head.startswith(b"\x1aE\xdf\xa3") and b"matroska" in head[:64]:
        return "mkv"
    if b"<svg" in head[:1024] and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml", b"<!--")):
        return "svg"
    return _kind(head)


def size_of(head: bytes, kind: str) -> tuple[int, int] | None:
    """Width and height in pixels, where the beginning of the file tells them. Nothing is decoded."""
    if kind == "webp":
        return _webp_size(head)
    if kind not in HEADERS:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of files that end too early: this one does
            with Image.open(io.BytesIO(head), formats=(HEADERS[kind],)) as image:
                return image.size
    except Exception:  # noqa: BLE001 decoders raise anything over broken bytes; each means: it does not tell
        return None


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Read by hand, by RFC 9649: Pillow wants the whole file."""
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L" if head[20] == 0x2F:
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
        case _:
            return None
