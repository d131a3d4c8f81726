"""In which encoding a table is written. It is never guessed where a guess could be paid for.

What is certain is taken: a byte order mark, valid UTF-8, UTF-16 by its zero bytes. What is left is a sheet that some
spreadsheet saved in the code page of its country, and bytes cannot tell which: `82 A0` is a Japanese letter, a Chinese
one, or two signs from Paris. Every code page that could have written the file is tried, and the readings are compared
cell by cell in the columns that are sent. Where they agree it does not matter; where they differ it is the user who
says so, with `encoding:`. The user's own words help: an encoding in which the columns they name do not exist is out.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

from runner.manifest.codepages import EASTERN, is_impossible, is_sense, likelihood, that_have

MARKS: Final = (
    *((mark, "utf-32") for mark in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)),  # the longer before UTF-16's
    *((mark, "utf-16") for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)),
    (codecs.BOM_UTF8, "utf-8"),
)
OLD_EXCEL: Final = b"\xd0\xcf\x11\xe0"
OF_ONE_BYTE: Final = re.compile(r"cp(?:125\d|4\d\d|7\d\d|8\d\d)|iso8859|latin|koi8|mac[-_]|tis-620|kz1048|ptcp154")
"""Encodings, as Python names them, in which a letter is a byte: they can read anything, UTF-8 as well."""
THREE_BYTES: Final = 0xE0
"""From here on a byte begins a letter of three bytes or four; what is UTF-8 by accident has letters of two alone."""
PIECE: Final = 1 << 20
LONGEST_LINE: Final = 8 << 20
"""Characters; a text file whose line does not end is none, and it is refused before it fills the memory."""
ESCAPES: Final = ("\x1b$B", "\x1b$@", "\x1b$A", "\x1b$)", "\x1b(J")
"""How ISO-2022, the old way of mail to write East Asian texts in seven bits, changes sets: it passes for ASCII."""
NOT_OF_FILES: Final = frozenset(
    {"undefined", "idna", "punycode", "unicode-escape", "raw-unicode-escape", "mbcs", "oem"}
)
_PLAIN: Final = bytes(range(0x20, 0x7F)) + b"\t\r\n"


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
    """These could have written it, the likelier ones first: code pages, and UTF-8 where it fits by accident."""

    codecs: tuple[str, ...]


def is_known(name: str) -> bool:
    """Whether Python knows an encoding by that name, and it is one of files of text."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # a name may hold anything, half a character as well
        return False
    return found._is_text_encoding and found.name not in NOT_OF_FILES  # noqa: SLF001 the public way is to try it


def look(path: Path, said: str | None = None, *, longest_line: int = LONGEST_LINE) -> Certain | Unsaid | Broken:
    """How the file may be read; `said` is what the user says, and is known. Raises `OSError`."""
    with path.open("rb") as file:
        head = file.read(4096)
        if head.startswith(OLD_EXCEL):
            return Broken(1, "this is an old Excel workbook (.xls): no text file", "save it as .xlsx or as CSV UTF-8")
        if head.startswith(b"PK\3\4"):
            return Broken(1, "this is an Excel workbook, or another zip: no text file", "name it .xlsx")
        if said is not None:
            if not is_known(said):
                return Broken(1, f"no encoding is called {said[:40]!r}", "as in  utf-8, cp932, cp1252, gb18030, cp949")
            return _as_said(file, head, codecs.lookup(said).name, longest_line)
        if _marked(head) == "utf-32":
            return Broken(
                1, "this is UTF-32, which hardly anything writes", "say  encoding: utf-32, or save it as UTF-8"
            )
        if _marked(head) == "utf-16":
            return _checked(file, "utf-16", longest_line)
        if (codec := _by_zeros(head)) is not None:
            return _checked(file, codec, longest_line)
        utf8 = _checked(file, "utf-8-sig", longest_line)
        if not isinstance(utf8, _NotOfCodec) or head.startswith(codecs.BOM_UTF8):
            rivals = _rivals(file) if isinstance(utf8, Certain) and not head.startswith(codecs.BOM_UTF8) else ()
            return Unsaid(("utf-8", *rivals)) if rivals else utf8
        if _is_utf8_but_for_a_byte(file):
            hint = "mend that letter, and save it as UTF-8; in another encoding all the others would be wrong"
            return replace(utf8, message=f"{utf8.message}, and the rest of the file is", hint=hint)
        live = [*(codec for codec in EASTERN if _could_be(file, codec)), *that_have(_odd_bytes(file))]
        sample, is_old = _foreign_lines(file), b"\r" in head and b"\n" not in head
        order = sorted(live, key=lambda codec: -likelihood(codec, sample, is_old=is_old))
        return Unsaid(tuple(order)) if order else utf8


class _NotOfCodec(Broken):
    """Bytes that the encoding does not have: another one may."""


def _as_said(file: BinaryIO, head: bytes, name: str, longest_line: int) -> Certain | Broken:
    """What the user says, unless the file says otherwise: then somebody is wrong, and the prompts would be garbled."""
    marked = _marked(head)
    if marked is not None and not name.startswith(marked):
        message = f"it begins with the mark of {marked.upper()}, and is to be read as {name.removesuffix('-sig')}"
        return Broken(1, message, f"say  encoding: {marked}, or save it as UTF-8")
    name = marked or name
    found = _checked(file, "utf-8-sig" if name == "utf-8" else name, longest_line)
    is_other = not name.startswith(("utf", "ascii"))
    foreign = _foreign_lines(file) if isinstance(found, Certain) and is_other else b""
    is_likely = OF_ONE_BYTE.match(name) is not None or any(byte >= THREE_BYTES for byte in foreign)
    if foreign and is_likely and isinstance(_checked(file, "utf-8-sig", longest_line), Certain):
        start = max(0, next(n for n, byte in enumerate(foreign) if byte > 0x7F) - 8)
        one, other = (foreign[start : start + 40].decode(codec, "ignore")[:20] for codec in (name, "utf-8"))
        message = f"it is valid UTF-8, and is to be read as {name}: {one.strip()!r}, or {other.strip()!r} in UTF-8?"
        return Broken(1, message, "drop the encoding: this is UTF-8")
    return found


def _rivals(file: BinaryIO) -> tuple[str, ...]:
    """The Eastern code pages in which a few letters make sense that are UTF-8 by accident, and none in UTF-8.

    What a person writes in UTF-8 has no letters of two scripts side by side, and no mark upon a letter that has one:
    the Chinese for Maotai, which are the bytes of an accented e and a hook, is no word of Europe.
    """
    foreign = _foreign_lines(file)
    if not foreign or any(byte >= 0xE0 for byte in foreign):
        return ()
    words = re.findall(r"[^\x00-\x7f]{2,}", foreign.decode("utf-8"))
    scripts = (
        {unicodedata.name(char, "").partition(" ")[0] for char in word if char.isalpha() or unicodedata.combining(char)}
        for word in words
    )
    if not any(len(names) > 1 for names in scripts):
        return ()
    return tuple(codec for codec in EASTERN if is_sense(codec, foreign))


def _marked(head: bytes) -> str | None:
    """The encoding whose byte order mark the file begins with."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def _is_utf8_but_for_a_byte(file: BinaryIO) -> bool:
    """Whether nearly all that is not ASCII is good UTF-8; what other encodings write is so by accident only."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    good = bad = 0
    for piece, is_last in _pieces(file):
        text = decoder.decode(piece, is_last)
        wrong = text.count("\ufffd")
        bad += wrong
        good += sum(char > "\x7f" for char in text) - wrong if not text.isascii() else 0
    return good > 4 * bad


def _by_zeros(head: bytes) -> str | None:
    """UTF-16 without its mark: in a table most letters are ASCII, so every other byte is zero."""
    pairs = len(head) // 2
    if pairs < 2:
        return None
    high, low = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if high * 2 > pairs and low == 0:
        return "utf-16-be"
    return "utf-16-le" if low * 2 > pairs and high == 0 else None


def _checked(file: BinaryIO, codec: str, longest_line: int) -> Certain | Broken:
    """Read all of it once; a table is rather refused before its first row than in its middle."""
    decoder = codecs.getincrementaldecoder(codec)()
    name = "UTF-8" if codec == "utf-8-sig" else codec
    lines, length = 1, 0
    for piece, is_last in _pieces(file):
        try:
            text = decoder.decode(piece, is_last)
        except UnicodeDecodeError as error:
            line = lines + _line_ends(error.object[: error.start].decode("latin-1"))
            byte = f"byte {error.object[error.start]:#04x}" if error.start < len(error.object) else "the end"
            return _NotOfCodec(line, f"{byte} is not {name}", 'save it as UTF-8 (in Excel: "CSV UTF-8")')
        except UnicodeError as error:  # UTF-16 and UTF-32 without the mark that they need
            return Broken(lines, f"not {name}: {error}", 'save it as UTF-8 (in Excel: "CSV UTF-8")')
        if "\0" in text:
            line = lines + _line_ends(text[: text.index("\0")])
            return Broken(line, "a NUL byte: this is no text file", "save it as CSV UTF-8")
        if "\x1b" in text and any(escape in text for escape in ESCAPES):
            return Broken(lines, "not UTF-8 but ISO-2022", "say so with  encoding: iso2022_jp, or save it as UTF-8")
        last = max(text.rfind("\n"), text.rfind("\r"))
        length = length + len(text) if last < 0 else len(text) - last - 1
        lines += _line_ends(text)
        if length > longest_line:
            return Broken(lines, f"a line of more than {longest_line >> 20} MB", "is this a table?")
    return Certain(codec)


def _line_ends(text: str) -> int:
    return text.count("\n") or text.count("\r")


def _could_be(file: BinaryIO, codec: str) -> bool:
    """Whether a person's program could have written this in that code page."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        return not any(
            is_impossible(char) for piece, is_last in _pieces(file) for char in set(decoder.decode(piece, is_last))
        )
    except UnicodeDecodeError:
        return False


def _odd_bytes(file: BinaryIO) -> frozenset[int]:
    """The bytes that occur in the file, but for printable ASCII."""
    return frozenset().union(*(piece.translate(None, _PLAIN) for piece, _ in _pieces(file)))


def _foreign_lines(file: BinaryIO) -> bytes:
    """Lines that hold more than ASCII, as many as are needed to know a language."""
    found = b""
    for piece, _ in _pieces(file):
        if not piece.isascii():
            found += b"\n".join(line for line in piece.splitlines() if not line.isascii())
        if len(found) > PIECE // 4:
            break
    return found


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    file.seek(0)
    piece = file.read(PIECE)
    while piece:
        following = file.read(PIECE)
        yield piece, not following
        piece = following
