"""In which encoding a table is written. It is never guessed where a guess could be paid for.

What is certain is taken: a byte order mark, valid UTF-8, UTF-16 by its zero bytes. What is left is a sheet that some
spreadsheet saved in the code page of its country, and bytes cannot tell which: `82 A0` is a Japanese letter, a Chinese
one, or two signs from Paris. Every code page that could have written the file is tried, and the readings are compared
cell by cell in the columns that are sent. Where they agree it does not matter; where they differ it is the user who
says so, with `encoding:`. The user's own words help: an encoding in which the columns they name do not exist is out.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

CANDIDATES: Final = (
    *("cp932", "gb18030", "cp949", "big5"),  # East Asia: strict, so most of what is none of theirs fails
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "mac_roman"),
)
SHOWN: Final = {"cp932": "Shift-JIS, Japan", "gb18030": "China", "cp949": "Korea", "big5": "Taiwan", "cp1252": "West"}
SMALLER: Final = {"cp932": "shift_jis", "gb18030": "gb2312", "cp949": "euc_kr", "big5": "big5"}
"""The older sets that most texts of these countries are made of."""
_MARKS: Final = "\u2018\u2019\u201c\u201d\u2013\u2014\u2026"
_WEST: Final = _MARKS + "€\xa0°²³½" + "".join(map(chr, range(0xC0, 0x100)))
COMMON: Final = {
    "cp1251": frozenset(map(chr, range(0x410, 0x450))),
    "cp1253": frozenset(map(chr, range(0x386, 0x3CF))),
    "cp1250": frozenset(_MARKS + "ąćęłńóśźżčďěňřšťůžáéíýúőűÁČŘŠŽŁŚŻ"),
    "cp1254": frozenset(_WEST + "ğışŞİĞ") - frozenset("ðýþÐÝÞ"),
    "cp1257": frozenset(_MARKS + "āčēģīķļņšūžąęėįųŠŽĀ"),
    "cp1252": frozenset(_WEST),
    "mac_roman": frozenset(_WEST),
}
PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Certain:
    """The file says so itself; `codec` is Python's name."""

    codec: str


@dataclass(frozen=True, slots=True)
class Broken:
    """It cannot be read: not UTF-8 at this line, and nothing else either; or it is no text at all."""

    line: int
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class Unsaid:
    """It is not UTF-8, and these code pages could have written it, the likelier ones first."""

    codecs: tuple[str, ...]


def is_known(name: str) -> bool:
    """Whether Python knows an encoding by that name, and it is one of text."""
    try:
        return codecs.lookup(name)._is_text_encoding  # noqa: SLF001 the public way is to try it on data
    except LookupError:
        return False


def look(path: Path, said: str | None = None) -> Certain | Unsaid | Broken:
    """How the file may be read; `said` is what the user says. Raises `OSError`."""
    with path.open("rb") as file:
        head = file.read(4096)
        if said is not None:
            return _checked(file, said)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return _checked(file, "utf-16")
        if (codec := _by_zeros(head)) is not None:
            return _checked(file, codec)
        utf8 = _checked(file, "utf-8-sig")
        if not isinstance(utf8, Broken) or head.startswith(codecs.BOM_UTF8):
            return utf8
        live = [codec for codec in CANDIDATES if _could_be(file, codec)]
        file.seek(0)
        sample = file.read(PIECE)
        return Unsaid(tuple(sorted(live, key=lambda codec: -_likelihood(codec, sample)))) if live else utf8


def _by_zeros(head: bytes) -> str | None:
    """UTF-16 without its mark: in a table most letters are ASCII, so every other byte is zero."""
    pairs = len(head) // 2
    if pairs < 2:
        return None
    high, low = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if high * 2 > pairs and low == 0:
        return "utf-16-be"
    return "utf-16-le" if low * 2 > pairs and high == 0 else None


def _checked(file: BinaryIO, codec: str) -> Certain | Broken:
    """Read all of it once; a table is rather refused before its first row than in its middle."""
    decoder = codecs.getincrementaldecoder(codec)()
    lines = 1
    for piece, is_last in _pieces(file):
        try:
            text = decoder.decode(piece, is_last)
        except UnicodeDecodeError as error:
            line = lines + error.object[: error.start].count(b"\n")
            byte = f"byte {error.object[error.start]:#04x}" if error.start < len(error.object) else "the end"
            name = "UTF-8" if codec == "utf-8-sig" else codec
            return Broken(line, f"{byte} is not {name}", 'save it as UTF-8 (in Excel: "CSV UTF-8")')
        if "\0" in text:
            line = lines + text[: text.index("\0")].count("\n")
            return Broken(line, "a NUL byte: this is no text file", "save it as CSV UTF-8")
        lines += text.count("\n")
    return Certain(codec)


def _could_be(file: BinaryIO, codec: str) -> bool:
    """Whether a person's program could have written this in that code page."""
    if codec == "mac_roman" and not _has_old_line_ends(file):
        return False
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        return not any(
            _is_impossible(char) for piece, is_last in _pieces(file) for char in set(decoder.decode(piece, is_last))
        )
    except UnicodeDecodeError:
        return False


@lru_cache(maxsize=1 << 16)
def _is_impossible(char: str) -> bool:
    """Controls, characters that are not assigned, private ones: no sheet holds them."""
    return char not in "\t\r\n" and unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")


def _likelihood(codec: str, sample: bytes) -> float:
    """In which order readings are shown: by the share of letters that are common where the code page is used.

    What was written in another one comes out as rare letters: `common` names, for the East, the older and smaller set
    that nearly all of a text is made of. A Japanese text has kana.
    """
    letters = [char for char in sample.decode(codec, "ignore") if char > "\x7f"]
    share = sum(_is_common(codec, char) for char in letters) / max(1, len(letters))
    has_kana = codec == "cp932" and any("\u3041" <= char <= "\u30ff" for char in letters)
    hangul = sum("\uac00" <= char <= "\ud7a3" for char in letters) if codec == "cp949" else 0
    is_korean = hangul > 0.9 * max(1, len(letters))
    return share + has_kana + is_korean / 2 + {"cp932": 0.03, "gb18030": 0.02, "cp1252": 0.01}.get(codec, 0.0)


@lru_cache(maxsize=1 << 16)
def _is_common(codec: str, char: str) -> bool:
    if codec in COMMON:
        return char in COMMON[codec]
    try:
        return bool(char.encode(SMALLER[codec])) and unicodedata.category(char)[0] in "LN"
    except UnicodeEncodeError:
        return False


def _has_old_line_ends(file: BinaryIO) -> bool:
    """Carriage returns alone: what the "CSV (Macintosh)" of a spreadsheet writes."""
    file.seek(0)
    head = file.read(1 << 16)
    return b"\r" in head and b"\n" not in head


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    file.seek(0)
    piece = file.read(PIECE)
    while piece:
        following = file.read(PIECE)
        yield piece, not following
        piece = following
