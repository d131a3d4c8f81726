"""How a picture looks, coarsely. A few milliseconds beside the decoding, which is done anyway.

Of 1024 x 1024 pixels a reduced copy of some 64 x 64 is made, and all else is read from that.
"""

from __future__ import annotations

import stat
import warnings
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from PIL import Image, ImageChops, ImageOps

from runner.model import Traits

GRID: Final = 16
EDGE: Final = 64
"""Pixels of the reduced copy's shorter edge, at least, where the picture has them."""
BLOCKS: Final = 32
"""Places on an edge at which a picture is compared with its input."""
RISE: Final = 3
"""Steps of brightness that are no noise."""
LARGEST_BEFORE: Final = 25_000_000
"""Pixels of an input that is looked at."""
ORIENTATION: Final = 0x0112
SIDEWAYS: Final = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Before:
    """An input picture: a small copy, and its size in pixels as it is seen."""

    small: Image.Image
    size: tuple[int, int]


def traits_of(image: Image.Image, before: Before | None = None) -> Traits:
    """The traits of a decoded picture; `before` is its input, where that is at hand. May raise what a decoder does."""
    small = _reduced(image)
    grey = small.convert("L")
    lights = grey.tobytes()
    return Traits(
        outline=_outline(grey.resize((GRID + 1, GRID), Image.Resampling.BOX).tobytes()),
        mean=_mean(small),
        spread=max(lights) - min(lights),
        corner=min(min(_mean(small.crop(box))) for box in _corners(*small.size)),
        change=None if before is None else _change(small, before.small),
        before=None if before is None else before.size,
    )


def before_at(path: Path) -> Before | None:
    """The input picture, decoded no finer than is needed; `None` where it cannot be had any more."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe without a writer would wait for ever
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
                width, height = image.size
                if width * height > LARGEST_BEFORE:
                    return None
                size = (height, width) if image.getexif().get(ORIENTATION) in SIDEWAYS else (width, height)
                image.draft("RGB", (4 * EDGE, 4 * EDGE))
                return Before(_reduced(image), size)
    except Exception:  # noqa: BLE001 decoders raise anything; the output is whole all the same
        return None


def _reduced(image: Image.Image) -> Image.Image:
    """A small RGB copy, upright; what is transparent is white."""
    if image.mode not in ("RGB", "RGBA", "L"):
        is_clear = "transparency" in image.info or image.mode in ("LA", "PA")
        image = image.convert("RGBA" if is_clear else "RGB")
    small = ImageOps.exif_transpose(image.reduce(max(1, min(image.size) // EDGE)))
    if small.mode != "RGBA":
        return small.convert("RGB")
    white = Image.new("RGB", small.size, "white")
    white.paste(small, mask=small.getchannel("A"))
    return white


def _outline(lights: bytes) -> str:
    bits = 0
    for start in range(0, len(lights), GRID + 1):
        row = lights[start : start + GRID + 1]
        for left, right in pairwise(row):
            bits = bits << 1 | (right > left + RISE)
    return f"{bits:0{GRID * GRID // 4}x}"


def _mean(image: Image.Image) -> tuple[int, int, int]:
    red, green, blue = image.resize((1, 1), Image.Resampling.BOX).tobytes()
    return red, green, blue


def _corners(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """A sixteenth of each edge, at least a pixel."""
    across, down = max(1, width // 16), max(1, height // 16)
    return [(left, top, left + across, top + down) for left in (0, width - across) for top in (0, height - down)]


def _change(one: Image.Image, other: Image.Image) -> int:
    size = (BLOCKS, BLOCKS)
    pair = (one.resize(size, Image.Resampling.BOX), other.resize(size, Image.Resampling.BOX))
    return max(ImageChops.difference(*pair).tobytes())
