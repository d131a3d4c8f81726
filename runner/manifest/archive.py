"""Unpacks the parts of a workbook, which is a zip: one of a few kilobytes may unpack to more than any machine has."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

LARGEST_UNPACKED: Final = 1 << 30
PIECE: Final = 1 << 20


class TooLarge(Exception):
    """The workbook would fill the memory; the message says how."""


def check_archive(archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Unpack every part that is read, in passing: its size is what it says. Raises `TooLarge` and `BadZipFile`."""
    parts = archive.infolist()
    names = [part.filename.lower() for part in parts]
    if len(set(names)) < len(names):
        raise zipfile.BadZipFile("two of its parts have one name")
    texts = [part for part in parts if part.filename.lower().endswith((".xml", ".rels"))]
    if sum(part.file_size for part in texts) > LARGEST_UNPACKED:
        raise TooLarge(f"the workbook unpacks to more than {LARGEST_UNPACKED >> 30} GiB")
    for part in texts:
        for _ in pieces(file, part):
            pass


def pieces(file: BinaryIO, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """A part, unpacked piece by piece, to the end of its data and not only to the size that it claims."""
    file.seek(part.header_offset)
    name, extra = struct.unpack("<HH", file.read(30)[26:30])
    file.seek(name + extra, 1)
    if part.flag_bits & 1 or part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile("it is encrypted, or packed in a way that Excel does not know")
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS) if part.compress_type == zipfile.ZIP_DEFLATED else None
    left, size = part.compress_size, 0
    while left > 0 and (packed := file.read(min(left, PIECE))):
        left -= len(packed)
        for piece in [packed] if unpacker is None else _unpacked(unpacker, packed):
            size += len(piece)
            if size > part.file_size:
                raise zipfile.BadZipFile(f"{part.filename} is larger than it says")
            yield piece
    if left or size != part.file_size:
        raise zipfile.BadZipFile(f"{part.filename} ends too early")


def _unpacked(unpacker: Any, packed: bytes) -> Iterator[bytes]:
    """What some bytes unpack to, never more than a piece at once."""
    while piece := unpacker.decompress(packed, PIECE):
        packed = unpacker.unconsumed_tail
        yield piece
