"""Draws the product photo that an input URL stands for: nothing is ever downloaded.

The words of the URL's file name choose product and colour: `mug-blue.jpg` is a blue mug. A photo is kept in layers
(product, its mask, its shadow), so that an edit can put the product anywhere.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote, urlsplit

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from runner.simulator.products import PRODUCTS, Sketch, reach

Color = tuple[int, int, int]
SIZE = (1024, 768)

COLORS: dict[str, Color] = {
    "white": (244, 243, 240),
    "black": (38, 38, 42),
    "grey": (128, 130, 134),
    "gray": (128, 130, 134),
    "red": (190, 48, 44),
    "orange": (224, 122, 44),
    "yellow": (236, 194, 62),
    "green": (66, 124, 82),
    "teal": (34, 122, 126),
    "blue": (44, 92, 164),
    "navy": (32, 46, 88),
    "purple": (108, 72, 140),
    "pink": (222, 138, 160),
    "brown": (126, 84, 56),
    "beige": (214, 196, 168),
    "cream": (240, 228, 204),
    "gold": (196, 158, 84),
    "silver": (186, 190, 196),
    "copper": (184, 110, 74),
    "sage": (152, 170, 142),
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A product photo in layers, all of one size."""

    product: Image.Image
    """RGB; what is outside the mask is meaningless."""
    mask: Image.Image
    """L; where the product is."""
    shadow: Image.Image
    """L; how dark the ground is."""
    backdrop: tuple[Color, Color]
    """The wall's and the floor's colour."""


def draw_photo(url: str) -> bytes:
    """The photo as JPEG bytes; the same for the same URL."""
    photo = photo_of(url)
    image = compose(photo, backdrop(SIZE, *photo.backdrop))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=88)
    return out.getvalue()


@lru_cache(maxsize=48)
def photo_of(url: str) -> Photo:
    """The layers of the photo that the URL stands for."""
    words = _words(url)
    digest = hashlib.sha256(url.encode()).digest()
    draw = next((PRODUCTS[word] for word in words if word in PRODUCTS), PRODUCTS["box"])
    named = [COLORS[word] for word in words if word in COLORS]
    palette = list(COLORS.values())
    color = named[0] if named else palette[digest[0] % len(palette)]
    sketch = Sketch(SIZE)
    draw(sketch, color, named[1] if len(named) > 1 else None)
    warmth = digest[1] % 14 - 7
    wall = (222 + warmth, 219, 214 - warmth)
    floor = (198 + warmth, 193, 186 - warmth)
    product, mask = sketch.finish()
    return Photo(product=product, mask=mask, shadow=_shadow(mask), backdrop=(wall, floor))


def compose(photo: Photo, ground: Image.Image, *, strength: float = 1.0) -> Image.Image:
    """The product with its shadow on a background of the same size."""
    shade = photo.shadow.point(lambda v: int(v * 0.55 * strength))
    dark = Image.composite(Image.new("RGB", ground.size, (24, 22, 26)), ground, shade)
    dark.paste(photo.product, (0, 0), photo.mask)
    return dark


def backdrop(size: tuple[int, int], wall: Color, floor: Color) -> Image.Image:
    """A studio: a wall that runs softly into the floor, lit from the upper left, with a trace of grain."""
    width, height = size
    ground = Image.new("RGB", size, wall)
    edge = Image.new("L", (1, height))
    edge.putdata([_smooth((y / height - 0.56) / 0.22) for y in range(height)])
    ground.paste(Image.new("RGB", size, floor), (0, 0), edge.resize(size))
    light = Image.radial_gradient("L").resize((int(width * 1.9), int(height * 2.2)))
    light = light.crop((int(width * 0.55), int(height * 0.75), int(width * 1.55), int(height * 1.75)))
    ground = Image.composite(Image.new("RGB", size, (96, 92, 94)), ground, light.point(lambda v: int(v * 0.30)))
    return grain(ground, 3)


def grain(image: Image.Image, amount: int) -> Image.Image:
    """The same grain over any image of that size: a flat gradient looks drawn."""
    noise = _noise(image.size).point(lambda v: 128 + (v - 128) * amount // 32)
    gray = Image.merge("RGB", (noise, noise, noise))
    return ImageChops.add(image, gray, scale=1, offset=-128)


@lru_cache(maxsize=8)
def _noise(size: tuple[int, int]) -> Image.Image:
    """Noise from a hash, since Pillow's own differs from call to call."""
    tile = hashlib.shake_256(b"grain").digest(256 * 256)
    small = Image.frombytes("L", (256, 256), tile).filter(ImageFilter.GaussianBlur(0.6))
    noise = Image.new("L", size)
    for x in range(0, size[0], 256):
        for y in range(0, size[1], 256):
            noise.paste(small, (x, y))
    return noise


def _shadow(mask: Image.Image) -> Image.Image:
    """A soft contact shadow: the silhouette laid flat at its own foot, and blurred."""
    box = mask.getbbox() or (0, 0, *mask.size)
    width, foot = box[2] - box[0], box[3]
    flat = mask.crop(box).resize((int(width * 1.06), max(8, int((box[3] - box[1]) * 0.14))))
    shadow = Image.new("L", mask.size)
    shadow.paste(flat, (box[0] - int(width * 0.01), foot - int(flat.height * 0.62)), flat)
    contact = Image.new("L", mask.size)
    ImageDraw.Draw(contact).ellipse((box[0] + width * 0.08, foot - 12, box[2] - width * 0.08, foot + 9), fill=210)
    wide, tight = _blurred(shadow, 24), _blurred(contact, 8)
    return ImageChops.lighter(wide.point(lambda v: int(v * 0.8)), tight)


def _blurred(shape: Image.Image, radius: int) -> Image.Image:
    area = reach(shape.getbbox() or (0, 0, 1, 1), radius, shape.size)
    shape.paste(shape.crop(area).filter(ImageFilter.GaussianBlur(radius)), area)
    return shape


def _smooth(t: float) -> int:
    t = min(max(t, 0.0), 1.0)
    return int(255 * t * t * (3 - 2 * t))


def _words(url: str) -> Sequence[str]:
    """The words of the file name; a plural is its singular."""
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1]).rsplit(".", 1)[0].lower()
    words = [word for word in re.split(r"[^a-z]+", name) if word]
    return [word[:-1] if word.endswith("s") and word[:-1] in PRODUCTS else word for word in words]
