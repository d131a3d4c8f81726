"""Spoils good manifests, by the number of the case alone: the same number is the same bytes on every machine."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from support.good_manifests import GOOD, Files, repacked

TRAPS = [
    *(
        text.encode()
        for text in ("16:9", "16:09", "1:1", "00:16", "16x9", "#", " #", "# ", "#REF!", "#fff", "&a ", "*a")
    ),
    *(
        text.encode()
        for text in ('"', "'", '""', "''", '"""', "“", "’", ",", ";", "|", ":", ": ", " :", "- ", "? ", "`")
    ),
    *(
        text.encode()
        for text in ("{{", "}}", "{{ title }}", "{% if x %}", "{#", "#}", "{", "}", "[", "]", "[[[[[[[[[[")
    ),
    *(text.encode() for text in ("\t", " ", "  ", "\u00a0", "\u3000", "\n", "\r", "\r\n", "\n\n", "\n\n\n ", "\x85")),
    *(text.encode() for text in ("\u2028", "\ufeff", "\u200b", "\u202e", "\0", "\x01", "\x1b", "\x7f", "\x1b$B", "\v")),
    *(
        text.encode()
        for text in ("9" * 40, "1e999", "-1e999", "1E+12", "0x1F", "0o17", "1_000", "1,5", ".5", "+1", "-0")
    ),
    *(
        text.encode()
        for text in ("null", "~", "no", "yes", "true", "NaN", ".inf", "2026-11-22", "\\", "\\n", "\\u0041")
    ),
    *(
        text.encode()
        for text in ("\\ud83d\\ude00", "\\x41", "é", "e\u0301", "ﬁ", "İ", "ß", "😀", "日本", "%", "@", "!!int ")
    ),
    *(
        text.encode()
        for text in ("<<: *d\n", "---\n", "...\n", "sep=;\n", "sep=,\n", "https://", "://", "?", "x" * 1001)
    ),
    *(text.encode() for text in ("id", "prompt", "_x000D_", "&amp;", "&#65;", "<t>", "</t>", "]]>", "<!--x-->", "= 1")),
    *(
        b"\xe9",
        b"\xff",
        b"\x93",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\x82\xa0",
        b"\xf0\x9f",
        b"\x96\x20",
        b"\xff\xfe",
        b"\xa0",
    ),
]
CODECS = ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp932", "gb18030", "mac_roman", "utf-7")
PARTS = (
    *["xl/sharedStrings.xml"] * 6,
    *["xl/worksheets/sheet1.xml"] * 6,
    *("xl/styles.xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels"),
)
WRITTEN = re.compile(rb'>([^<]+)<|(?<==)"([^"]*)"')
TOKEN = re.compile(rb"[^\s,;|\t\"'{}\[\]:<>]+|[\s,;|\t\"'{}\[\]:<>]")


def mutated(kind: str, number: int) -> Files:
    """The files of a good manifest, one of them spoilt."""
    good = GOOD[kind]
    dice = random.Random(f"{kind} {number}")
    name = dice.choice(good.spoil)
    before = good.files[name]
    after = before
    while after == before:
        after = _book(before, dice) if name.endswith(".xlsx") else _spoilt(before, dice)
    return {**good.files, name: after}


def _spoilt(data: bytes, dice: random.Random) -> bytes:
    if not dice.randrange(8):
        data = dice.choice((_recode, _line_ends))(data, dice)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        data = dice.choice(MUTATIONS)(data, dice)
    return data


def _book(data: bytes, dice: random.Random) -> bytes:
    """Mostly one text or one attribute in it, so that it stays a workbook."""
    if not dice.randrange(12):
        return _spoilt(data, dice)
    name = dice.choice(PARTS)
    change = _spoilt if not dice.randrange(6) else _spoilt_text
    return repacked(data, lambda one, part: change(part, dice) if one == name else part)


def _spoilt_text(part: bytes, dice: random.Random) -> bytes:
    """What stands between two tags, or in an attribute, is spoilt, and written as XML writes it."""
    place = dice.choice(list(WRITTEN.finditer(part)))
    text = _spoilt(place[1] or place[2] or b"", dice)
    for sign, written in ((b"&", b"&amp;"), (b"<", b"&lt;"), (b'"', b"&quot;")):
        text = text.replace(sign, written)
    return part[: place.start() + 1] + text + part[place.end() - 1 :]


# -------------------------------------------------------------------------------------------------------- mutations


def _flip(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) or 1)
    return data[:at] + bytes(byte ^ (1 << dice.randrange(8)) for byte in data[at : at + 1]) + data[at + 1 :]


def _cut(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data) + 1)
    return data[:start] + data[start + dice.choice((1, 1, 1, 2, 5, 20, 80)) :]


def _end(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _trap(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data) + 1)
    return data[:at] + dice.choice(TRAPS) + data[at:]


def _repeat(data: bytes, dice: random.Random) -> bytes:
    start = dice.randrange(len(data) + 1)
    piece = data[start : start + dice.choice((1, 4, 30, 200))]
    return data[:start] + piece * dice.choice((2, 2, 3, 40)) + data[start + len(piece) :]


def _of_lines(change: Callable[[list[bytes], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    return _of(lambda data: data.splitlines(keepends=True), change)


def _of_tokens(change: Callable[[list[bytes], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    return _of(TOKEN.findall, change)


def _of(
    parts: Callable[[bytes], list[bytes]], change: Callable[[list[bytes], random.Random], None]
) -> Callable[[bytes, random.Random], bytes]:
    def mutation(data: bytes, dice: random.Random) -> bytes:
        found = parts(data)
        if found:
            change(found, dice)
        return b"".join(found)

    return mutation


def _swap(parts: list[bytes], dice: random.Random) -> None:
    one, other = dice.randrange(len(parts)), dice.randrange(len(parts))
    parts[one], parts[other] = parts[other], parts[one]


def _double(parts: list[bytes], dice: random.Random) -> None:
    parts.insert(dice.randrange(len(parts) + 1), dice.choice(parts))


def _drop(parts: list[bytes], dice: random.Random) -> None:
    del parts[dice.randrange(len(parts))]


def _replace(parts: list[bytes], dice: random.Random) -> None:
    parts[dice.randrange(len(parts))] = dice.choice(TRAPS)


def _quote(parts: list[bytes], dice: random.Random) -> None:
    at, sign = dice.randrange(len(parts)), dice.choice((b'"', b"'"))
    parts[at] = sign + parts[at] + sign


def _capitals(parts: list[bytes], dice: random.Random) -> None:
    at = dice.randrange(len(parts))
    parts[at] = parts[at].swapcase()


def _recode(data: bytes, dice: random.Random) -> bytes:
    return data.decode("utf-8", "replace").encode(dice.choice(CODECS), "replace")


def _line_ends(data: bytes, dice: random.Random) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\n", dice.choice((b"\n", b"\r\n", b"\r", b"\n\n", b" \n")))


MUTATIONS = (
    *(_flip, _cut, _end, _trap, _trap, _trap, _repeat),
    *(_of_lines(_swap), _of_lines(_double), _of_lines(_drop)),
    *(_of_tokens(_swap), _of_tokens(_double), _of_tokens(_drop), _of_tokens(_replace), _of_tokens(_replace)),
    *(_of_tokens(_quote), _of_tokens(_capitals)),
)
