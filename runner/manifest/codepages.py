"""The code pages in which spreadsheets save tables, and how likely it is that some bytes were written in one.

The list is long on purpose. One that is missing could be the one that a file was written in, and the others could
agree on a wrong reading: all of Windows reads the curly quotes of a Mac as the same accented letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

EASTERN: Final = ("cp932", "gb18030", "cp949", "big5", "cp950", "euc_jp")
"""Strict: most of what is none of theirs fails."""
SINGLE: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("mac_roman", "iso8859_15", "iso8859_2", "koi8_r", "cp437", "cp850", "cp852", "cp866"),
)
"""A byte a character: each of them finds the same cells in the same places."""
SHOWN: Final = {
    "cp932": "Shift-JIS, Japan",
    "euc_jp": "Japan",
    "gb18030": "China",
    "cp949": "Korea",
    "big5": "Taiwan",
    "cp950": "Taiwan",
    "cp1250": "Central Europe",
    "cp1251": "Cyrillic",
    "cp1252": "West",
    "cp1253": "Greek",
    "cp1254": "Turkish",
    "cp1255": "Hebrew",
    "cp1256": "Arabic",
    "cp1257": "Baltic",
    "cp1258": "Vietnam",
    "cp874": "Thailand",
    "mac_roman": "Mac",
    "koi8_r": "Cyrillic",
    "cp437": "DOS",
    "cp850": "DOS",
    "cp852": "DOS",
    "cp866": "DOS, Cyrillic",
}
FREQUENT: Final = {
    "cp932": ("shift_jis", 0x98),
    "euc_jp": ("shift_jis", 0x98),
    "gb18030": ("gb2312", 0xD7),
    "cp949": ("euc_kr", 0xC8),
    "big5": ("big5", 0xC6),
    "cp950": ("big5", 0xC6),
}
"""The older sets that most texts of these countries are made of; the frequent letters come first in each."""
_MARKS: Final = "\u2018\u2019\u201c\u201d\u2013\u2014\u2026"
_WEST: Final = _MARKS + "€\xa0°²³½àáâãäåæçèéêëìíîïñòóôõöøùúûüßœ"
_CENTRAL: Final = frozenset(_MARKS + "ąćęłńóśźżčďěňřšťůžáéíýúőű")
_CYRILLIC: Final = frozenset("оеаинтсрвлкмдпуяыьгзб")
COMMON: Final = {
    **dict.fromkeys(("cp1251", "koi8_r", "cp866"), _CYRILLIC),
    "cp1253": frozenset("αοιετσνηυρπκμλςωάόίέήύώθ"),
    **dict.fromkeys(("cp1250", "cp852", "iso8859_2"), _CENTRAL),
    "cp1254": frozenset(_WEST + "ğ\u0131şi"),
    "cp1255": frozenset(map(chr, range(0x5D0, 0x5EB))),
    "cp1256": frozenset(map(chr, range(0x621, 0x64B))),
    "cp1257": frozenset(_MARKS + "āčēģīķļņšūžąęėįų"),
    "cp1258": frozenset("ăâđêôơư\u0300\u0301\u0303\u0309\u0323"),
    "cp874": frozenset("กนรงอมวลสดทปบคยหตาเ\u0e34\u0e35\u0e48\u0e49"),
    **dict.fromkeys(("cp1252", "mac_roman", "iso8859_15", "cp437", "cp850"), frozenset(_WEST)),
}
LATIN: Final = frozenset(
    {
        "cp1252",
        "cp1250",
        "cp1254",
        "cp1257",
        "cp1258",
        "mac_roman",
        "iso8859_15",
        "iso8859_2",
        "cp437",
        "cp850",
        "cp852",
    }
)
HABIT: Final = {
    "cp932": 0.13,
    "gb18030": 0.12,
    "big5": 0.11,
    "cp949": 0.1,
    "cp1252": 0.01,
    "mac_roman": -0.2,
    **dict.fromkeys(("iso8859_15", "iso8859_2", "koi8_r", "cp437", "cp850", "cp852", "cp866"), -0.3),
    **dict.fromkeys(("cp950", "euc_jp"), -0.3),
}
"""What spreadsheets of today write, before what they do not; an Eastern code page that fits at all is seldom wrong."""


def that_have(odd: frozenset[int]) -> Iterator[str]:
    """The single-byte code pages in which these bytes are characters that a sheet may hold."""
    for codec in SINGLE:
        try:
            if not any(map(is_impossible, bytes(odd).decode(codec))):
                yield codec
        except UnicodeDecodeError:
            continue


@lru_cache(maxsize=1 << 16)
def is_impossible(char: str) -> bool:
    """Controls, characters that are not assigned, private ones: no sheet holds them."""
    return char not in "\t\r\n" and unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs")


def is_sense(codec: str, sample: bytes) -> bool:
    """Whether all of it is frequent letters of the code page, and none is glued to a Latin one."""
    try:
        text = sample.decode(codec)
    except UnicodeDecodeError:
        return False
    is_glued = re.search(r"[A-Za-z][^\x00-\x7f]|[^\x00-\x7f][A-Za-z]", text)
    return is_glued is None and all(char < "\x80" or _is_common(codec, char) for char in text)


def likelihood(codec: str, sample: bytes, *, is_old: bool) -> float:
    """In which order readings are shown: by the share of letters that are common where the code page is used.

    What was written in another one comes out as rare letters, and as words of two scripts: of Latin letters few beyond
    ASCII stand together, and no others stand beside ASCII's. A Japanese text has kana; a Mac's may have its line ends.
    """
    text = sample.decode(codec, "ignore")
    letters = [char for char in text if char > "\x7f"]
    share = sum(_is_common(codec, char) for char in letters) / max(1, len(letters))
    has_kana = codec in ("cp932", "euc_jp") and any("\u3041" <= char <= "\u30ff" for char in letters)
    hangul = sum("\uac00" <= char <= "\ud7a3" for char in letters) if codec == "cp949" else 0
    is_korean = hangul > 0.9 * max(1, len(letters))
    habit = HABIT.get(codec, 0.0) + (1.2 if codec == "mac_roman" and is_old else 0.0)
    odd = r"[^\x00-\x7f]{4,}" if codec in LATIN else r"(?<=[A-Za-z])[^\x00-\x7f]+|[^\x00-\x7f]+(?=[A-Za-z])"
    share -= sum(map(len, re.findall(odd, text))) / max(1, len(letters))
    return share + has_kana + is_korean / 2 + habit


@lru_cache(maxsize=1 << 16)
def _is_common(codec: str, char: str) -> bool:
    if codec in COMMON:
        return char.lower() in COMMON[codec]
    smaller, last = FREQUENT[codec]
    try:
        return char.encode(smaller)[0] <= last and unicodedata.category(char)[0] in "LNP"
    except UnicodeEncodeError:
        return False
