"""Backgrounds to place a product on, drawn from nothing: plain colours, wood, marble, grass, snow, concrete, sand."""

from __future__ import annotations

import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from runner.simulator.photos import Color, backdrop, grain

Size = tuple[int, int]
HORIZON = 0.60
"""Where the ground begins, as a share of the height."""


def plain(size: Size, color: Color) -> Image.Image:
    """One colour, to the corners: "pure white" means it."""
    return Image.new("RGB", size, color)


def wood(size: Size, dice: random.Random) -> Image.Image:
    """Planks of oak before a pale wall."""
    width, height = size
    ground = backdrop(size, (226, 222, 214), (206, 198, 186))
    top = int(height * HORIZON)
    table = Image.new("RGB", (width, height - top))
    draw = ImageDraw.Draw(table)
    plank = max(24, (height - top) // 4)
    for row in range(0, height - top, plank):
        tone = dice.randint(-12, 12)
        draw.rectangle((0, row, width, row + plank), fill=(176 + tone, 128 + tone, 82 + tone))
        for _ in range(46):
            y = row + dice.randint(2, plank - 2)
            x = dice.randint(-200, width)
            shade = tone - dice.randint(8, 26)
            color = (176 + shade, 128 + shade, 82 + shade)
            draw.line((x, y, x + dice.randint(120, 520), y + dice.randint(-2, 2)), fill=color, width=1)
        draw.line((0, row, width, row), fill=(112, 78, 48), width=2)
    table = table.filter(ImageFilter.GaussianBlur(0.8))
    ground.paste(table, (0, top))
    return _soft_edge(ground, top)


def marble(size: Size, dice: random.Random) -> Image.Image:
    """A bright kitchen: a marble counter before warm tiles."""
    width, height = size
    ground = Image.new("RGB", size, (232, 226, 214))
    draw = ImageDraw.Draw(ground)
    top, tile = int(height * HORIZON), max(40, height // 8)
    for y in range(0, top, tile):
        for x in range(-(y // tile % 2) * tile, width, tile * 2):
            tone = dice.randint(-5, 5)
            draw.rectangle((x + 2, y + 2, x + tile * 2 - 2, y + tile - 2), fill=(238 + tone, 232 + tone, 220 + tone))
    ground = ground.filter(ImageFilter.GaussianBlur(2.4))
    counter = Image.new("RGB", (width, height - top), (240, 240, 240))
    veins = ImageDraw.Draw(counter)
    for _ in range(14):
        x, y = dice.randint(-100, width), dice.randint(0, height - top)
        path = [(x, y)]
        for _ in range(9):
            x, y = x + dice.randint(30, 90), y + dice.randint(-26, 26)
            path.append((x, y))
        gray = dice.randint(186, 214)
        veins.line(path, fill=(gray, gray, gray + 4), width=dice.randint(1, 4), joint="curve")
    ground.paste(counter.filter(ImageFilter.GaussianBlur(1.6)), (0, top))
    return _soft_edge(ground, top)


def grass(size: Size, dice: random.Random) -> Image.Image:
    """A meadow out of focus."""
    width, height = size
    ground = backdrop(size, (186, 212, 226), (120, 158, 84))
    top = int(height * HORIZON)
    draw = ImageDraw.Draw(ground)
    draw.rectangle((0, top, width, height), fill=(104, 146, 72))
    for _ in range(width * 2):
        x, y = dice.randint(0, width), dice.randint(top, height)
        tall = 5 + (y - top) // 12
        tone = dice.randint(-26, 26)
        blade = (x, y, x + dice.randint(-5, 5), y - tall)
        draw.line(blade, fill=(98 + tone, 146 + tone, 66 + tone // 2), width=1 + (y - top) // 120)
    return _soft_edge(ground.filter(ImageFilter.GaussianBlur(0.7)), top)


def snow(size: Size, dice: random.Random) -> Image.Image:
    """A winter's day: pale sky, drifts, flakes."""
    width, height = size
    ground = backdrop(size, (198, 210, 224), (240, 244, 250))
    draw = ImageDraw.Draw(ground)
    for x in range(0, width, max(60, width // 12)):
        tall = dice.randint(height // 6, height // 3)
        foot = int(height * HORIZON) + 6
        tree = [(x, foot), (x + 26, foot - tall), (x + 52, foot)]
        draw.polygon(tree, fill=(150, 168, 182))
    ground = ground.filter(ImageFilter.GaussianBlur(5))
    draw = ImageDraw.Draw(ground)
    draw.ellipse((-width * 0.3, height * 0.57, width * 1.3, height * 1.5), fill=(244, 247, 251))
    for _ in range(170):
        x, y, r = dice.randint(0, width), dice.randint(0, height), dice.choice((1, 1, 2, 3))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 255, 255))
    return grain(ground.filter(ImageFilter.GaussianBlur(0.9)), 2)


def concrete(size: Size, dice: random.Random) -> Image.Image:
    """A raw wall and floor."""
    del dice
    return grain(backdrop(size, (176, 176, 174), (148, 147, 145)), 16)


def sand(size: Size, dice: random.Random) -> Image.Image:
    """A beach under a light sky."""
    width, height = size
    ground = backdrop(size, (190, 216, 232), (226, 206, 168))
    top = int(height * HORIZON)
    draw = ImageDraw.Draw(ground)
    draw.rectangle((0, int(top * 0.86), width, top), fill=(126, 176, 190))
    draw.rectangle((0, top, width, height), fill=(224, 204, 166))
    for _ in range(60):
        x, y = dice.randint(-60, width), dice.randint(top, height)
        draw.arc((x, y, x + dice.randint(80, 240), y + 16), 200, 340, fill=(206, 184, 146), width=2)
    return grain(_soft_edge(ground.filter(ImageFilter.GaussianBlur(1.2)), top), 7)


def _soft_edge(image: Image.Image, y: int) -> Image.Image:
    """The edge between wall and ground, a little out of focus and shaded towards the wall."""
    width, height = image.size
    band = (0, max(0, y - 14), width, min(height, y + 14))
    image.paste(image.crop(band).filter(ImageFilter.GaussianBlur(4)), band[:2])
    fall = Image.linear_gradient("L").resize((width, height)).point(lambda v: int(v * 0.14))
    dark = ImageChops.multiply(image, Image.new("RGB", image.size, (150, 140, 132)))
    return grain(Image.composite(dark, image, fall), 3)


SCENES: dict[str, Callable[[Size, random.Random], Image.Image]] = {
    **dict.fromkeys(("oak", "wood", "wooden", "table", "desk", "shelf"), wood),
    **dict.fromkeys(("marble", "kitchen", "counter", "bathroom"), marble),
    **dict.fromkeys(("grass", "garden", "meadow", "lawn", "park", "outdoors"), grass),
    **dict.fromkeys(("snow", "snowy", "winter", "christmas"), snow),
    **dict.fromkeys(("concrete", "stone", "loft", "street", "urban"), concrete),
    **dict.fromkeys(("sand", "beach", "desert", "seaside"), sand),
}
