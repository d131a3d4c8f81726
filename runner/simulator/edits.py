"""Edits pixels as a prompt asks: background, scene, blue hour, drizzle, light, crop, variants. Deterministic."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from runner.simulator.photos import COLORS, Color, Photo, backdrop, compose, photo_of
from runner.simulator.scenes import SCENES, plain

LONG_SIDE = 1024
LONG_SIDES = {"0.5k": 512, "2k": 2048}
ANIMATED_SIDE = 512
FRAMES_A_SECOND = 4
PURE: dict[str, Color] = {"white": (255, 255, 255), "black": (14, 14, 16)}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the words of a prompt come to."""

    color: Color | None = None
    scene: str | None = None
    blue_hour: bool = False
    drizzle: bool = False
    light: str | None = None
    monochrome: bool = False
    no_shadow: bool = False


def edit(inputs: Mapping[str, Any], variant: int, seed: int) -> bytes:
    """The `variant`-th output (from 0) for a job's inputs, as the bytes of an image file.

    What the inputs hold says what is done: a `prompt` is followed, at some `strength`; a `scale` enlarges; a
    `duration` sets the picture in motion. `image_urls` are the pictures, whatever the model calls them.
    """
    form = str(inputs.get("output_format", "png"))
    if "duration" in inputs:
        return _animation(inputs, variant, seed, form)
    return _encode(_picture(inputs, variant, seed), form)


def _picture(inputs: Mapping[str, Any], variant: int, seed: int) -> Image.Image:
    urls = [str(url) for url in inputs.get("image_urls") or [""]]
    photo = _photo(urls[0])
    if not (prompt := str(inputs.get("prompt", ""))):
        return _enlarged(_untouched(photo), float(inputs.get("scale", 1)))
    own = f"|{inputs['seed']}" if "seed" in inputs else ""
    dice = random.Random(hashlib.sha256(f"{seed}|{prompt}|{urls}|{variant}{own}".encode()).digest())  # noqa: S311 pixels
    wishes = read(prompt)
    long_side = LONG_SIDES.get(str(inputs.get("resolution")), LONG_SIDE)
    size = _target(photo.product.size, str(inputs.get("aspect_ratio", "auto")), long_side)
    image = _stage(photo, urls[1:], wishes, size, variant, dice)
    image = _grade(image, wishes, variant, dice)
    strength = float(inputs.get("strength", 1))
    return image if strength >= 1 else Image.blend(_untouched(photo).resize(size), image, strength)


def _untouched(photo: Photo) -> Image.Image:
    """The photo as it came."""
    return compose(photo, backdrop(photo.product.size, *photo.backdrop))


def _enlarged(image: Image.Image, scale: float) -> Image.Image:
    """Larger, and as sharp as it was."""
    if scale == 1:
        return image
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS).filter(ImageFilter.UnsharpMask(2, 60))


def _animation(inputs: Mapping[str, Any], variant: int, seed: int, form: str) -> bytes:
    """Closer to the picture, and on to the last one; back to the first where there is none."""
    urls = inputs.get("image_urls") or [""]
    image = _picture({**inputs, "image_urls": urls[:1]}, variant, seed)
    first = ImageOps.contain(image, (ANIMATED_SIDE, ANIMATED_SIDE))
    last = _untouched(_photo(str(urls[1]))).resize(first.size) if len(urls) > 1 else first
    count = int(inputs["duration"]) * FRAMES_A_SECOND
    closest = float(inputs.get("zoom", 1))
    frames = []
    for n in range(count):
        t = n / max(count - 1, 1)
        zoom = 1 + (closest - 1) * (t if last is not first else 1 - abs(2 * t - 1))
        frames.append(_zoomed(Image.blend(first, last, t), zoom))
    out = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:], "duration": 1000 // FRAMES_A_SECOND, "loop": 0}
    frames[0].save(out, form.upper(), **more)
    return out.getvalue()


def _zoomed(image: Image.Image, zoom: float) -> Image.Image:
    width, height = image.width / zoom, image.height / zoom
    left, top = (image.width - width) / 2, (image.height - height) / 2
    return image.resize(image.size, Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))


def read(prompt: str) -> Wishes:
    """The wishes in a prompt, by its words."""
    text = prompt.lower()
    words = set(re.findall(r"[a-z]+", text))
    scene = next((word for word in re.findall(r"[a-z]+", text) if word in SCENES), None)
    light = next((name for name, keys in _LIGHTS.items() if words & keys), None)
    return Wishes(
        color=None if scene else _background(text),
        scene=scene,
        blue_hour=bool(re.search(r"blue[ -]hour|\bdusk\b|\bnight\b|twilight|neon", text)),
        drizzle=bool(words & {"drizzle", "rain", "rainy", "wet", "raindrops"}),
        light=light,
        monochrome=bool(re.search(r"black[ -]and[ -]white|monochrome|greyscale|grayscale", text)),
        no_shadow=bool(re.search(r"(no|without|remove)( the| its)? shadow", text)),
    )


_LIGHTS = {
    "warm": {"warm", "golden", "sunset", "sunlit", "sunny", "candlelight"},
    "cool": {"cool", "cold", "overcast"},
    "soft": {"relight", "relit", "soft", "studio", "brighter", "brighten"},
}


def _background(text: str) -> Color | None:
    """The colour asked for as a background: a #hex, or a colour's name near the word."""
    if not re.search(
        r"background|backdrop|seamless|behind|\bon (pure |plain )?\w+$|\bon (pure|plain|white|black)", text
    ):
        return None
    if found := re.search(r"#([0-9a-f]{6})\b", text):
        return tuple(bytes.fromhex(found[1]))  # type: ignore[return-value]  # six hex digits are three bytes
    names = "|".join(COLORS)
    place = r"(?:background|backdrop|seamless)"
    patterns = (
        rf"\b({names})\b[\w ]{{0,24}}{place}",
        rf"{place}[^.]{{0,40}}?\b({names})\b",
        rf"\bon [\w ]*?\b({names})\b",
    )
    for pattern in patterns:
        if found := re.search(pattern, text):
            return PURE.get(found[1], COLORS[found[1]])
    return None


# ------------------------------------------------------------------------------------------------------------- stage


def _target(size: tuple[int, int], ratio: str, long_side: int) -> tuple[int, int]:
    """The size of the output: that of the photo for `auto`, else the ratio on the long side."""
    match = re.fullmatch(r"(\d+):(\d+)", ratio)
    if match is None and long_side == LONG_SIDE:
        return size
    wide, tall = (int(match[1]), int(match[2])) if match else size
    unit = long_side / max(wide, tall)
    return round(wide * unit), round(tall * unit)


def _stage(
    photo: Photo, others: list[str], wishes: Wishes, size: tuple[int, int], variant: int, dice: random.Random
) -> Image.Image:
    """The product, with its shadow, on the ground that is wished for."""
    if wishes.scene:
        ground = SCENES[wishes.scene](size, dice)
    elif wishes.color is not None:
        ground = plain(size, wishes.color)
    else:
        ground = backdrop(size, *photo.backdrop)
    strength = 0.0 if wishes.no_shadow else 0.5 if wishes.color is not None else 1.0
    zoom = 1 + (variant % 4) * 0.035 * (1 if variant % 2 else -1)
    main_x = 0.5 if not others else 0.40
    staged = compose(_placed(photo, size, x=main_x, zoom=zoom), ground, strength=strength)
    for n, url in enumerate(others[:3]):
        second = _placed(_photo(url), size, x=0.74 + 0.07 * n, zoom=0.62)
        staged = compose(second, staged, strength=strength)
    return staged


def _placed(photo: Photo, size: tuple[int, int], *, x: float, zoom: float) -> Photo:
    """The photo's layers on a canvas of another size, the product as large as fits well."""
    width, height = photo.mask.size
    left, top, right, bottom = photo.mask.getbbox() or (0, 0, width, height)
    fit = min(size[0] * 0.80 / max(right - left, 1), size[1] * 0.74 / max(bottom - top, 1))
    scale = min(fit, size[1] / height * 1.15, size[0] / width * 1.6) * zoom
    middle, foot = (left + right) / 2 * scale, bottom * scale
    area = ImageChops.lighter(photo.mask, photo.shadow).getbbox() or (0, 0, width, height)
    at = (round(size[0] * x - middle + area[0] * scale), round(size[1] * 0.83 - foot + area[1] * scale))
    scaled = (max(1, round((area[2] - area[0]) * scale)), max(1, round((area[3] - area[1]) * scale)))

    def move(layer: Image.Image, mode: str) -> Image.Image:
        canvas = Image.new(mode, size)
        canvas.paste(layer.resize(scaled, Image.Resampling.BICUBIC, box=area), at)
        return canvas

    return replace(
        photo, product=move(photo.product, "RGB"), mask=move(photo.mask, "L"), shadow=move(photo.shadow, "L")
    )


def _photo(url: str) -> Photo:
    return _embedded(url) if url.startswith("data:image/") else photo_of(url)


@lru_cache(maxsize=8)
def _embedded(uri: str) -> Photo:
    """A picture sent inside its URI: its subject is what differs from the colour of its corners."""
    try:
        data = base64.b64decode(uri.partition(",")[2], validate=False)
        image = Image.open(io.BytesIO(data)).convert("RGB")
    except (binascii.Error, OSError, ValueError):
        return photo_of("unreadable-box.jpg")
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    corner = image.getpixel((2, 2))
    difference = ImageChops.difference(image, Image.new("RGB", image.size, corner)).convert("L")
    mask = difference.point(lambda v: 255 if v > 24 else 0).filter(ImageFilter.MedianFilter(5))
    wall: Color = corner  # type: ignore[assignment]  # RGB has three parts
    return Photo(product=image, mask=mask, shadow=Image.new("L", image.size), backdrop=(wall, wall))


# ------------------------------------------------------------------------------------------------------------- grade


def _grade(image: Image.Image, wishes: Wishes, variant: int, dice: random.Random) -> Image.Image:
    """Light and weather over the whole picture; a plain colour as background stays as pure as it was asked for."""
    if wishes.light:
        image = _lit(image, wishes.light, from_left=variant % 2 == 0)
    if wishes.blue_hour:
        image = _blue_hour(image)
    if wishes.drizzle:
        image = _drizzle(image, dice)
    if wishes.monochrome:
        image = ImageOps.grayscale(image).convert("RGB")
    if wishes == Wishes():
        image = ImageEnhance.Color(ImageOps.autocontrast(image, cutoff=1, preserve_tone=True)).enhance(1.12)
    if variant and wishes.color is None:
        image = ImageEnhance.Brightness(image).enhance(1 + 0.035 * (variant if variant % 2 else -variant))
    return image


def _lit(image: Image.Image, light: str, *, from_left: bool) -> Image.Image:
    """A light from one side, its colour by its name."""
    glow = {"warm": (255, 206, 138), "cool": (188, 214, 255), "soft": (255, 252, 244)}[light]
    amount = Image.linear_gradient("L").rotate(90 if from_left else -90).resize(image.size)
    lifted = ImageChops.soft_light(image, Image.new("RGB", image.size, glow))
    tinted = ImageChops.multiply(lifted, Image.new("RGB", image.size, tuple((c + 255) // 2 for c in glow)))
    return Image.composite(lifted if light == "soft" else tinted, image, amount)


def _blue_hour(image: Image.Image) -> Image.Image:
    """Dusk: blue and dark, with the last warm light low from one side."""
    dark = ImageEnhance.Brightness(image).enhance(0.72)
    blue = ImageChops.multiply(dark, Image.new("RGB", image.size, (118, 146, 226)))
    glow = Image.radial_gradient("L").resize((image.width * 2, image.height * 2))
    glow = glow.crop(
        (image.width // 8, image.height // 2, image.width // 8 + image.width, image.height // 2 + image.height)
    )
    warm = ImageChops.screen(blue, Image.new("RGB", image.size, (112, 66, 24)))
    return Image.composite(blue, warm, glow)


def _drizzle(image: Image.Image, dice: random.Random) -> Image.Image:
    """Fine rain, and the ground wet enough to mirror what stands on it."""
    width, height = image.size
    line = int(height * 0.83)
    depth = height - line
    mirror = ImageOps.flip(image.crop((0, line - depth, width, line))).filter(ImageFilter.GaussianBlur(3))
    fade = ImageOps.flip(Image.linear_gradient("L").resize((width, depth))).point(lambda v: int(v * 0.55))
    wet = image.copy()
    wet.paste(mirror, (0, line), fade)
    rain = Image.new("L", image.size)
    draw = ImageDraw.Draw(rain)
    for _ in range(width * height // 2600):
        x, y, length = dice.randint(0, width), dice.randint(-40, height), dice.randint(9, 30)
        draw.line((x, y, x - length // 6, y + length), fill=dice.randint(60, 150), width=1)
    rain = rain.filter(ImageFilter.GaussianBlur(0.6))
    wet.paste(Image.new("RGB", image.size, (232, 238, 246)), (0, 0), rain)
    return ImageEnhance.Color(wet).enhance(0.92)


def _encode(image: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    match form:
        case "jpeg":
            image.save(out, "JPEG", quality=90)
        case "webp":
            image.save(out, "WEBP", quality=86, method=2)
        case _:
            image.save(out, "PNG", compress_level=3)
    return out.getvalue()
