"""How each product is drawn: shapes with the light of a studio on them, at twice the size, for smooth edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw, ImageFilter

Color = tuple[int, int, int]
Point = tuple[float, float]
SCALE = 2


class Sketch:
    """A canvas in units of 1000 x 750, the product standing on y = 620."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._big = (size[0] * SCALE, size[1] * SCALE)
        self._unit = self._big[0] / 1000
        self._image = Image.new("RGB", self._big)
        self._mask = Image.new("L", self._big)

    def finish(self) -> tuple[Image.Image, Image.Image]:
        """The product and its mask, at their size."""
        return self._image.reduce(SCALE), self._mask.reduce(SCALE)

    def polygon(self, points: Sequence[Point], color: Color, *, shade: str = "side", smooth: bool = False) -> None:
        """A filled shape; `smooth` rounds its corners into a curve."""
        shape = _curve(points) if smooth else points
        self._fill(lambda draw: draw.polygon([self._at(p) for p in shape], fill=255), color, shade)

    def lathe(self, profile: Sequence[tuple[float, float]], color: Color, *, x: float = 500) -> None:
        """A turned body: pairs of height and radius, from top to bottom."""
        right = _curve([(x + radius, y) for y, radius in profile], closed=False)
        left = [(2 * x - px, py) for px, py in reversed(right)]
        self._fill(lambda draw: draw.polygon([self._at(p) for p in (*right, *left)], fill=255), color, "round")

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Color, *, shade: str = "flat") -> None:
        """A filled ellipse around a point."""
        box = (*self._at((x - rx, y - ry)), *self._at((x + rx, y + ry)))
        self._fill(lambda draw: draw.ellipse(box, fill=255), color, shade)

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, color: Color) -> None:
        """An ellipse's outline, `width` thick."""
        box = (*self._at((x - rx, y - ry)), *self._at((x + rx, y + ry)))
        self._fill(lambda draw: draw.ellipse(box, outline=255, width=int(width * self._unit)), color, "side")

    def box(
        self, x0: float, y0: float, x1: float, y1: float, color: Color, *, r: float = 8, shade: str = "side"
    ) -> None:
        """A rectangle with round corners."""
        corners = (*self._at((x0, y0)), *self._at((x1, y1)))
        self._fill(lambda draw: draw.rounded_rectangle(corners, r * self._unit, fill=255), color, shade)

    def line(self, points: Sequence[Point], width: float, color: Color) -> None:
        """A stroke with round joints."""
        path = [self._at(p) for p in points]
        self._fill(lambda draw: draw.line(path, fill=255, width=int(width * self._unit), joint="curve"), color, "side")

    def gloss(self, x0: float, y0: float, x1: float, y1: float, strength: float = 0.35) -> None:
        """A soft reflection, kept inside what is drawn already."""
        soft = 9 * self._unit
        box = (*self._at((x0, y0)), *self._at((x1, y1)))
        area = reach(box, soft, self._big)
        glow = Image.new("L", (area[2] - area[0], area[3] - area[1]))
        moved = (box[0] - area[0], box[1] - area[1], box[2] - area[0], box[3] - area[1])
        ImageDraw.Draw(glow).rounded_rectangle(moved, 20 * self._unit, fill=int(255 * strength))
        inside = ImageChops.multiply(glow.filter(ImageFilter.GaussianBlur(soft)), self._mask.crop(area))
        self._image.paste((255, 255, 255), area, inside)

    def _at(self, point: Point) -> tuple[float, float]:
        return point[0] * self._unit, point[1] * self._unit

    def _fill(self, draw: Callable[[ImageDraw.ImageDraw], None], color: Color, shade: str) -> None:
        shape = Image.new("L", self._big)
        draw(ImageDraw.Draw(shape))
        box = shape.getbbox()
        if box is None:
            return
        cut = shape.crop(box)
        self._image.paste(_lit(cut.size, color, shade), box[:2], cut)
        self._mask.paste(255, box, cut)


def reach(box: tuple[float, float, float, float], soft: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """How far a box goes, blurred with that radius: a blur of the whole picture would be the same, and slow."""
    far = 4 * soft
    left, top = max(0, int(box[0] - far)), max(0, int(box[1] - far))
    return left, top, min(size[0], int(box[2] + far)), min(size[1], int(box[3] + far))


def tint(color: Color, factor: float) -> Color:
    """Darker below 1, towards white above it."""
    if factor <= 1:
        r, g, b = (int(c * factor) for c in color)
    else:
        r, g, b = (int(c + (255 - c) * min(factor - 1, 1)) for c in color)
    return r, g, b


def _lit(size: tuple[int, int], color: Color, shade: str) -> Image.Image:
    """A surface of that colour under a light from the upper left."""
    light, dark = tint(color, 1.22), tint(color, 0.52)
    if shade == "flat":
        return Image.new("RGB", size, color)
    curve = [_round_light(i / 255) if shade == "round" else _side_light(i / 255) for i in range(256)]
    strip = Image.new("L", (256, 1))
    strip.putdata([int(255 * v) for v in curve])
    amount = strip.resize(size, Image.Resampling.BILINEAR)
    surface = Image.composite(Image.new("RGB", size, light), Image.new("RGB", size, dark), amount)
    fall = Image.linear_gradient("L").resize(size).point(lambda v: int(v * 0.26))
    return Image.composite(Image.new("RGB", size, dark), surface, fall)


def _round_light(t: float) -> float:
    """Brightness across a cylinder: brightest left of the middle, a faint rim at the right."""
    x = (t - 0.36) / 0.64 if t > 0.36 else (0.36 - t) / 0.36 * 0.62
    return math.pow(max(0.0, math.cos(min(x, 1.0) * math.pi / 2)), 0.8) * 0.88 + (0.26 if t > 0.965 else 0.10)


def _side_light(t: float) -> float:
    return 0.86 - 0.42 * t


def _curve(points: Sequence[Point], *, closed: bool = True) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    result: list[Point] = []
    for i in range(count if closed else count - 1):

        def pick(k: int, i: int = i) -> Point:
            return points[(i + k) % count] if closed else points[min(max(i + k, 0), count - 1)]

        a, b, c, d = pick(-1), pick(0), pick(1), pick(2)
        for step in range(12):
            t = step / 12
            x, y = (
                0.5 * (2 * q + (r - p) * t + (2 * p - 5 * q + 4 * r - s) * t**2 + (3 * q - p - 3 * r + s) * t**3)
                for p, q, r, s in zip(a, b, c, d, strict=True)
            )
            result.append((x, y))
    return result if closed else [*result, points[-1]]


# ------------------------------------------------------------------------------------------------------- products


def mug(s: Sketch, color: Color, second: Color | None) -> None:
    s.ring(655, 455, 88, 98, 32, tint(color, 0.86))
    s.lathe([(330, 148), (350, 150), (560, 146), (600, 132), (618, 104), (622, 84)], color)
    s.ellipse(500, 332, 149, 34, tint(color, 1.18))
    s.ellipse(500, 336, 134, 27, tint(second or color, 0.42))
    s.gloss(400, 380, 428, 570)


def lamp(s: Sketch, color: Color, second: Color | None) -> None:
    metal = second or (186, 158, 96)
    s.ellipse(500, 606, 112, 22, tint(metal, 0.8), shade="side")
    s.box(491, 330, 509, 602, metal, r=4, shade="round")
    s.polygon([(420, 150), (580, 150), (652, 350), (348, 350)], color, shade="round")
    s.ellipse(500, 350, 152, 20, (255, 240, 205))
    s.gloss(400, 180, 470, 330, 0.45)


def shirt(s: Sketch, color: Color, second: Color | None) -> None:
    outline = [
        *((428, 170), (340, 204), (236, 318), (310, 384), (362, 330), (356, 470), (350, 620), (500, 628)),
        *((650, 620), (644, 470), (638, 330), (690, 384), (764, 318), (660, 204), (572, 170), (500, 206)),
    ]
    s.polygon(outline, color)
    s.polygon([(428, 170), (500, 236), (572, 170), (545, 164), (500, 206), (455, 164)], tint(second or color, 0.66))
    for x0, x1 in ((372, 398), (470, 452), (566, 596), (628, 606)):
        s.line([(x0, 360), ((x0 + x1) / 2 + 8, 480), (x1, 606)], 5, tint(color, 0.74))
    s.gloss(380, 280, 440, 520, 0.16)


def shoe(s: Sketch, color: Color, second: Color | None) -> None:
    upper = [
        *((262, 574), (268, 470), (300, 396), (364, 388), (420, 424), (500, 462), (600, 500), (704, 526)),
        *((764, 562), (770, 592), (500, 600), (270, 598)),
    ]
    s.polygon(upper, color, smooth=True)
    s.polygon([(300, 396), (364, 388), (420, 424), (396, 446), (330, 424)], tint(color, 0.45), smooth=True)
    s.polygon([(250, 586), (776, 580), (790, 604), (772, 622), (262, 622), (246, 606)], second or (242, 240, 234))
    for n in range(5):
        x, y = 442 + n * 38, 446 + n * 15
        s.line([(x, y), (x + 34, y - 8 + n * 2)], 9, (248, 246, 240))
    s.polygon([(276, 560), (296, 470), (330, 470), (344, 566)], tint(second or color, 0.72), smooth=True)
    s.gloss(540, 500, 680, 540, 0.28)


def chair(s: Sketch, color: Color, second: Color | None) -> None:
    wood = second or (150, 104, 66)
    for top, foot in (
        ((398, 440), (372, 622)),
        ((610, 440), (636, 622)),
        ((430, 430), (424, 588)),
        ((580, 430), (588, 588)),
    ):
        s.line([top, foot], 16, tint(wood, 0.9))
    s.line([(392, 436), (372, 190)], 17, wood)
    s.line([(614, 436), (632, 190)], 17, wood)
    s.polygon([(366, 180), (640, 180), (634, 306), (374, 306)], color, smooth=False)
    s.polygon([(352, 426), (650, 426), (676, 466), (330, 466)], tint(color, 1.08))
    s.box(330, 462, 676, 484, tint(color, 0.72), r=9)
    s.gloss(386, 196, 470, 288, 0.22)


def bottle(s: Sketch, color: Color, second: Color | None) -> None:
    s.lathe([(196, 34), (264, 36), (300, 62), (348, 98), (400, 106), (584, 106), (612, 96), (622, 76)], color)
    s.box(458, 146, 542, 206, tint(second or (60, 52, 48), 1.0), r=8, shade="round")
    s.polygon([(396, 412), (604, 412), (604, 552), (396, 552)], (246, 242, 232), shade="round")
    s.box(436, 446, 564, 458, tint(color, 0.7), r=3, shade="flat")
    s.box(456, 476, 544, 484, (120, 112, 104), r=2, shade="flat")
    s.box(466, 498, 534, 505, (120, 112, 104), r=2, shade="flat")
    s.gloss(416, 330, 438, 590, 0.42)


def bag(s: Sketch, color: Color, second: Color | None) -> None:
    strap = second or tint(color, 0.6)
    s.ring(500, 300, 92, 140, 17, strap)
    s.polygon([(334, 316), (666, 316), (704, 606), (690, 622), (310, 622), (296, 606)], color)
    s.polygon([(334, 316), (666, 316), (680, 430), (500, 462), (320, 430)], tint(color, 0.84), smooth=False)
    s.ellipse(500, 446, 17, 17, (206, 172, 96), shade="side")
    s.line([(318, 596), (682, 596)], 3, tint(color, 0.62))
    s.gloss(350, 340, 420, 580, 0.18)


def watch(s: Sketch, color: Color, second: Color | None) -> None:
    metal = second or (188, 190, 196)
    s.polygon([(440, 130), (560, 130), (572, 300), (428, 300)], color, shade="round")
    s.polygon([(428, 470), (572, 470), (552, 612), (500, 624), (448, 612)], color, shade="round")
    s.box(632, 372, 656, 398, tint(metal, 0.8), r=5)
    s.ellipse(500, 385, 138, 138, metal, shade="round")
    s.ellipse(500, 385, 116, 116, (248, 247, 243))
    for hour in range(12):
        angle = hour * math.pi / 6
        inner = 92 if hour % 3 else 82
        ends = [(500 + r * math.sin(angle), 385 - r * math.cos(angle)) for r in (inner, 104)]
        s.line(ends, 5 if hour % 3 else 9, (46, 46, 50))
    s.line([(500, 385), (460, 338)], 9, (46, 46, 50))
    s.line([(500, 385), (546, 318)], 6, (46, 46, 50))
    s.ellipse(500, 385, 8, 8, tint(color, 0.9))
    s.gloss(412, 300, 470, 350, 0.4)


def plant(s: Sketch, color: Color, second: Color | None) -> None:
    for n, (angle, length) in enumerate(
        ((-62, 250), (58, 246), (-34, 312), (32, 306), (-8, 342), (14, 296), (-84, 176), (82, 170))
    ):
        turn = math.radians(angle)
        tip = (500 + length * math.sin(turn), 440 - length * math.cos(turn))
        side = (44 * math.cos(turn), 44 * math.sin(turn))
        middle = (500 + 0.55 * length * math.sin(turn), 440 - 0.55 * length * math.cos(turn))
        leaf = [(500, 446), (middle[0] - side[0], middle[1] - side[1]), tip, (middle[0] + side[0], middle[1] + side[1])]
        green = tint(second or (70, 130, 78), 0.72 + 0.09 * (n % 4))
        s.polygon(leaf, green, smooth=True)
        s.line([(500, 446), tip], 3, tint(green, 1.3))
    s.lathe([(430, 112), (446, 116), (470, 108), (600, 84), (622, 74)], color)
    s.ellipse(500, 432, 112, 20, tint(color, 0.6))
    s.gloss(426, 470, 450, 590, 0.3)


def vase(s: Sketch, color: Color, second: Color | None) -> None:
    s.lathe(
        [(172, 66), (196, 52), (260, 48), (330, 84), (410, 138), (480, 150), (550, 126), (604, 84), (622, 76)], color
    )
    s.ellipse(500, 172, 67, 14, tint(second or color, 0.42))
    if second:
        s.box(356, 470, 644, 486, second, r=4, shade="round")
    s.gloss(414, 380, 440, 520, 0.45)


def box(s: Sketch, color: Color, second: Color | None) -> None:
    s.polygon([(330, 300), (560, 262), (690, 318), (470, 366)], tint(color, 1.25), shade="flat")
    s.polygon([(330, 300), (470, 366), (470, 626), (330, 548)], tint(color, 1.0))
    s.polygon([(470, 366), (690, 318), (690, 560), (470, 626)], tint(color, 0.74))
    tape = second or (214, 190, 150)
    s.polygon([(436, 283), (470, 277), (590, 340), (560, 347)], tape, shade="flat")
    s.polygon([(560, 347), (590, 340), (590, 400), (560, 408)], tint(tape, 0.85), shade="flat")


PRODUCTS: dict[str, Callable[[Sketch, Color, Color | None], None]] = {
    "mug": mug,
    "cup": mug,
    "lamp": lamp,
    "shirt": shirt,
    "tee": shirt,
    "shoe": shoe,
    "sneaker": shoe,
    "chair": chair,
    "bottle": bottle,
    "bag": bag,
    "watch": watch,
    "plant": plant,
    "vase": vase,
    "box": box,
}
