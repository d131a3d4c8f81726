"""What a file is, by its beginning."""

import io
import random

import pytest
from PIL import Image

from runner.media.sniff import format_of, size_of


def picture(kind, size=(800, 600), **how):
    file = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3)).save(file, kind, **how)
    return file.getvalue()


def container(brand, before=b"\0\0\0\x20"):
    return before + b"ftyp" + brand + bytes(100)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (picture("PNG", (4, 4)), "png"),
        (picture("JPEG", (4, 4)), "jpeg"),
        (picture("WEBP", (4, 4)), "webp"),
        (picture("GIF", (4, 4)), "gif"),
        (picture("BMP", (4, 4)), "bmp"),
        (picture("TIFF", (4, 4)), "tiff"),
        (b"MM\0*\0\0\0\x08", "tiff"),
        (container(b"avif"), "avif"),
        (container(b"avis"), "avif"),
        (container(b"heic"), "heic"),
        (container(b"mif1"), "heic"),
        (container(b"isom"), "mp4"),
        (container(b"mp42"), "mp4"),
        (container(b"qt  "), "mov"),
        (container(b"M4A "), "m4a"),
        (b"\xff\x0a" + bytes(40), "jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
        (b"\0\0\1\0\1\0", "ico"),
        (b"8BPS\0\1", "psd"),
        (b"%PDF-1.7\n", "pdf"),
        (b"PK\3\4\x14", "zip"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm", "webm"),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "mkv"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"ID3\4\0", "mp3"),
        (b"\xff\xfb\x90\x64", "mp3"),
        (b"\xff\xf1\x50\x80", "aac"),
        (b"OggS\0\2", "ogg"),
        (b"fLaC\0", "flac"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg/>", "svg"),
        (b"<!doctype html><svg/>", None),
        (b"<?xml version='1.0'?><Error/>", None),
        (b'{"error": 1}', None),
        (b"RIFF\0\0\0\0XXXX", None),
        (b"\xff", None),
        (b"\xff\x00", None),
        (b"", None),
    ],
)
def test_the_format_is_what_the_first_bytes_say(head, expected):
    """Of what belongs there, and of what people put there."""
    assert format_of(head) == expected


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("GIF", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0"}),
    ],
    ids=["png", "jpeg", "gif", "bmp", "tiff", "webp lossy", "webp lossless", "webp extended"],
)
def test_the_size_is_read_from_the_beginning(kind, how):
    """The first 64 KiB of a file of several hundred."""
    data = picture(kind, **how)
    assert len(data) > 1 << 17
    assert size_of(data[: 1 << 16], kind.lower()) == (800, 600)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "bmp", "tiff", "webp", "avif", "heic", "mp4"])
@pytest.mark.parametrize(
    "head",
    [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), b"RIFF\0\0\0\0WEBPABCD" * 9],
)
def test_a_header_that_is_broken_tells_no_size(kind, head):
    """It raises nothing either."""
    assert size_of(head, kind) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_no_beginning_makes_it_raise(kind):
    """Wherever the file is cut."""
    data = picture(kind, (20, 10))
    for cut in range(min(len(data), 700)):
        assert size_of(data[:cut], kind.lower()) in (None, (20, 10))
