"""How pictures look, coarsely: of every mode, upright, over white; and never an error that spoils a whole file."""

from __future__ import annotations

import os

import pytest
from PIL import Image, ImageDraw

from runner.media.sniff import Found, inspect
from runner.media.traits import Before, before_at, traits_of
from runner.model import Traits

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")


def product(size=(600, 400), ground="white", color="navy"):
    """Something in the middle of something."""
    image = Image.new("RGB", size, ground)
    ImageDraw.Draw(image).ellipse((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill=color)
    return image


def test_a_product_on_white():
    """White corners, a mean that is almost white, the whole spread, edges where it stands."""
    traits = traits_of(product())
    assert traits.corner == 255
    assert traits.spread > 200
    assert all(180 < value < 250 for value in traits.mean)
    assert 4 < int(traits.outline, 16).bit_count() < 40


@pytest.mark.parametrize("place", [(0, 0), (599, 0), (0, 399), (599, 399)])
def test_each_corner_counts(place):
    """One that is grey is enough."""
    image = product()
    x, y = place
    ImageDraw.Draw(image).rectangle((x - 40, y - 40, x + 40, y + 40), fill="#c0c8d0")
    assert traits_of(image).corner == 0xC0


def test_a_blank_picture_is_blank():
    """Whatever its colour; faint noise is blank too."""
    assert traits_of(Image.new("RGB", (300, 300), "teal")).spread == 0
    assert traits_of(Image.effect_noise((512, 512), 8).convert("RGB")).spread < 12


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_measured(tmp_path, mode):
    """As the formats that outputs come in have them."""
    image = Image.new(mode, (70, 90), 40_000) if mode == "I;16" else product((70, 90)).convert(mode)
    image.save(tmp_path / "a", "JPEG" if mode in ("CMYK", "YCbCr") else "PNG")
    found = inspect(tmp_path / "a", measure=traits_of)
    assert isinstance(found, Found)
    assert isinstance(found.traits, Traits)


def test_what_is_transparent_is_white():
    """As on a shop's page."""
    image = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    assert traits_of(image).corner == 255


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (17, 3)])
def test_tiny_pictures_are_measured_too(size):
    """A trait of nothing is still a trait."""
    assert traits_of(Image.new("RGB", size, "white")).corner == 255


@pytest.mark.parametrize("quality", [60, 95])
def test_encoding_anew_changes_nothing(tmp_path, quality):
    """The bound by which pictures are called unchanged holds for JPEG; a small spot is a change."""
    image = product((1000, 800), ground="beige")
    image.save(tmp_path / "in.jpg", quality=quality)
    before = before_at(tmp_path / "in.jpg")
    assert traits_of(image, before).change < 4
    ImageDraw.Draw(image).ellipse((700, 600, 740, 640), fill="black")
    assert traits_of(image, before).change > 30


def test_an_input_is_seen_as_people_see_it(tmp_path):
    """Turned as its EXIF says."""
    image = product()
    exif = Image.Exif()
    exif[0x0112] = 6
    image.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    before = before_at(tmp_path / "turned.jpg")
    assert before.size == (600, 400)
    assert traits_of(image, before).change < 12


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\xff\xd8\xff\xe0 broken"])
def test_an_input_that_cannot_be_had_is_no_trouble(tmp_path, content):
    """The output was paid for."""
    if content is not None:
        (tmp_path / "in.jpg").write_bytes(content)
    assert before_at(tmp_path / "in.jpg") is None


def test_an_input_that_has_become_a_pipe_is_not_waited_for(tmp_path):
    """Nobody writes into it."""
    os.mkfifo(tmp_path / "in.jpg")
    assert before_at(tmp_path / "in.jpg") is None


def test_an_input_that_is_huge_is_not_looked_at(tmp_path, monkeypatch):
    """Its pixels would cost more than they tell."""
    monkeypatch.setattr("runner.media.traits.LARGEST_BEFORE", 99)
    product((10, 10)).save(tmp_path / "in.png")
    assert before_at(tmp_path / "in.png") is None


def test_a_bug_in_the_measuring_loses_no_picture(tmp_path):
    """It is whole, and has no traits."""
    product().save(tmp_path / "a.png")

    def broken(image):
        raise ZeroDivisionError

    assert inspect(tmp_path / "a.png", measure=broken) == Found("png", 600, 400)
    found = inspect(tmp_path / "a.png", measure=lambda image: traits_of(image, Before(image, image.size)))
    assert found.traits.before == (600, 400)
