"""Texts that were damaged before they came here: a letter that is lost, one encoding read as another, hidden controls.

What is sure to be damage is an error, and what only looks like it a warning: both would be paid for. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Final

from runner.manifest.items import key_of

CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
"""Controls but tab and line breaks, and those that turn the direction of a text: nobody sees them. From \x80 on they
are the quotes and dashes of the West's code page, read as Latin-1."""
MISREAD: Final = re.compile("[\xc2-\xc3][\x80-\xbf]|\xe2\u20ac[\u0080-\uffff]|\xc3[\u0152-\u2122]")
"""UTF-8 that was read as the West's code page: `Ã©` for é, `â€“` for a dash."""
UNSEEN: Final = re.compile(
    "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"  # a flag, as of Wales, is spelt with such letters
    "|(?P<words>[\U000e0000-\U000e007f]|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2,})"
    "|(?P<sign>(?<![\u0e00-\u1aff])\u200b|[\u00ad\u2060-\u2064\ufeff]|(?<=[!-~])[\u200c\u200d](?=[!-~]))"
)
"""What takes no room: letters and codes in which a whole sentence may be hidden, and single signs between letters."""
UNASKED: Final = re.compile(r"(?:^|\s)\?{3,}")
"""Where no question ends: letters that an encoding did not have, each saved as a question mark."""
AMID: Final = re.compile(r"(?<!\S)[A-Za-z\u00c0-\u024f]+\?[A-Za-z\u00c0-\u024f]+(?![^\s,.;])")
"""A word with a question mark inside, as `wei?er`."""
ESCAPES: Final = re.compile(r"(?<!:)\\(?:[nrt]|u[0-9A-Fa-f]{4}|x[0-9A-Fa-f]{2})|_x000[0-9A-Fa-f]_")
OPENING: Final = ("\u201c", "\u201e", "\u00ab", "\u300c")
CLOSING: Final = ("\u201d", "\u201c", "\u00bb", "\u300d")
PLACEHOLDERS: Final = frozenset({"n/a", "n.a.", "nan", "none", "null", "tbd", "todo", "tba", "xxx"})
"""What people and programs write where there is nothing to say."""
NOTHING: Final = re.compile(r"\b(?:n/a|n\.a\.|nan|none|null|tbd|todo|tba|xxx)(?!\w)", re.IGNORECASE)
MARKUP: Final = re.compile(
    r"&(?:[A-Za-z]{2,8}|#\d{2,6}|#[xX][0-9A-Fa-f]{2,5});|</?[A-Za-z][A-Za-z0-9]*(?:\s[^<>]*)?/?>"
)
"""What a browser shows as something else: `&amp;`, `<b>`."""
BRACES: Final = re.compile(
    r"\$?\{{1,2}\s{0,3}(?:row\.)?([^{}]{1,80}?)\s{0,3}\}{1,2}|\[([^][]{1,80})\]|%\(?(\w{1,80})(?:%|\)s)|\$(\w{1,80})"
    r"|\u00ab\s?([^\u00ab\u00bb]{1,80}?)\s?\u00bb|<{1,2}(?:%=)?\s{0,3}([^<>%]{1,80}?)\s{0,3}%?>{1,2}"
    r"|\uff5b{1,2}\s{0,3}([^\uff5b\uff5d]{1,80}?)\s{0,3}\uff5d{1,2}"
)
"""What other programs call a placeholder, or a brace too few."""
LOOKED_AT: Final = 4_000
"""Characters; a longer prompt is refused, or has said by then how it calls what is to be filled in."""
BRACKETS: Final = frozenset("{[%$<\u00ab\uff5b")
"""With what one begins."""
FOREIGN: Final = (("mac_roman", 1), ("cp1251", 2), ("cp1250", 2))
"""Code pages of one byte a letter in which UTF-8 was read, each with the letters that it takes to be sure."""
FOREIGN_WIDE: Final = ("cp932", "gb18030", "cp949", "big5")
"""The same with two bytes a letter."""
SHIFTED: Final = re.compile("(?<![A-Za-z])[\u00c0-\u00ff]{4,}(?![A-Za-z])")
"""Cyrillic, or another script of one byte a letter, that was read as the West's: no word of the West's is so."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with a text of a job; an error where it is sure."""

    path: tuple[str | int, ...]
    message: str
    hint: str
    is_error: bool


def damage(path: tuple[str | int, ...], text: str) -> Damage | None:
    """What was done to a text before it came here."""
    name = str(path[0])
    if (at := text.find("\ufffd")) >= 0:
        message = f"{name} holds a letter that was lost: {_around(text, at)!r}"
        return Damage(path, message, "write it anew: it was read in a wrong encoding, and saved so", is_error=True)
    if found := CONTROLS.search(text):
        message = f"{name} holds the control character {found[0]!r}: {_around(text, found.start())!r}"
        return Damage(path, message, "remove it", is_error=True)
    for what, found in (("UTF-8", MISREAD.search(text)), ("another script", _shifted(text))):
        if found is not None:
            message = f"{name} looks like {what} that was read in another encoding: {_around(text, found.start())!r}"
            return Damage(path, message, "export it anew as UTF-8, or write what is meant", is_error=False)
    if (meant := misread(text)) is not None:
        message = f"{name} looks like UTF-8 that was read in another encoding: {text[:40]!r} for {meant[:40]!r}"
        return Damage(path, message, "export it anew as UTF-8, or write what is meant", is_error=False)
    return None


def _shifted(text: str) -> re.Match[str] | None:
    """The first word of another script that was read as the West's, where most letters of the text are so."""
    letters = list(filter(str.isalpha, text))
    of_the_west = sum("\u00c0" <= letter <= "\u00ff" for letter in letters)
    return SHIFTED.search(text) if 2 * of_the_west > len(letters) else None


def misread(text: str) -> str | None:
    """What a text was meant to be that is UTF-8 through and through once it is written in another code page."""
    for codec, least in FOREIGN:
        meant = _reread(text, codec)
        if meant is not None and sum(map(str.isalpha, filter(_is_foreign, meant))) >= least:
            return meant
    for codec in FOREIGN_WIDE:
        meant = _reread(text, codec)
        if meant is not None and all(letter >= "\u2e80" for letter in filter(_is_foreign, meant)):
            return meant
    return None


def _reread(text: str, codec: str) -> str | None:
    try:
        meant = text.encode(codec).decode("utf-8")
    except UnicodeError:
        return None
    return meant if meant != text and meant.isprintable() else None


def _is_foreign(letter: str) -> bool:
    return not letter.isascii()


def unseen(path: tuple[str | int, ...], text: str) -> Damage | None:
    """What nobody sees, and the service reads: refused where it may be words."""
    for found in UNSEEN.finditer(text):
        shown = _around(text, found.start()).encode("ascii", "backslashreplace").decode()
        message = f"{path[0]} holds what nobody sees, U+{ord(found[0][0]):04X}: {shown}"
        if found["words"]:
            return Damage(path, message, "it may be words that were hidden there: write the text anew", is_error=True)
        if found["sign"]:
            return Damage(
                path, message, "it is sent as it stands: it came with a copied text; take it out", is_error=False
            )
    return None


def questions(prompt: str) -> Damage | None:
    """Letters that became question marks, since the encoding in which somebody saved the text did not have them."""
    hint = "save the sheet as CSV UTF-8, from where the text is whole"
    if found := UNASKED.search(prompt):
        message = f"prompt holds letters that were lost: {_around(prompt, found.start())!r}"
        is_perhaps_asked = found[0].endswith(" ???")  # as in French, with a blank before it
        return Damage(("prompt",), message, hint, is_error=not is_perhaps_asked)
    if found := AMID.search(prompt):
        message = f"a question mark stands in a word, as where a letter was lost: {found[0]!r}"
        return Damage(("prompt",), message, hint, is_error=False)
    return None


def quotes(prompt: str) -> Damage | None:
    """Quotes of a text editor around all of it, which no format takes for quotes."""
    if prompt.strip()[:1] in OPENING and prompt.strip()[-1:] in CLOSING:
        message = f"the quotes are sent: {prompt.strip()[:40]!r}"
        return Damage(("prompt",), message, 'use straight quotes, ", or none', is_error=False)
    return None


def escapes(prompt: str) -> Damage | None:
    """What stands for a line break or a letter in a program, and is text here: `\\n`, `\\u00e9`, `_x000D_`."""
    if found := ESCAPES.search(prompt):
        message = f"prompt holds {found[0]!r}, which is sent as it stands: {_around(prompt, found.start())!r}"
        return Damage(("prompt",), message, "write the line break or the letter itself", is_error=False)
    return None


def unfilled(prompt: str) -> Damage | None:
    """A template in what was filled in already: it comes from a cell."""
    if (at := prompt.find("{{")) < 0:
        return None
    message = f"{prompt[at : at + 40]!r} is sent as it stands: what a template brings in is no template itself"
    return Damage(("prompt",), message, "write it in the prompt, and not in a cell that it names", is_error=False)


def comments(prompt: str) -> Damage | None:
    """What is a comment in other templates, and is sent here."""
    start = prompt.find("{#")
    if start < 0 or (end := prompt.find("#}", start)) < 0:
        return None
    message = f"{prompt[start : min(end + 2, start + 40)]!r} is no comment here: it is sent as it stands"
    return Damage(("prompt",), message, "take it out", is_error=False)


def braces(prompt: str, scope: Container[str]) -> Damage | None:
    """A placeholder of another kind, where there is a column of its name: it would be sent as it stands."""
    if "{{" in prompt:  # of this program, and said elsewhere
        return None
    for found in BRACES.finditer(prompt, 0, LOOKED_AT):
        name = key_of(next(filter(None, found.groups())))
        if name in scope:
            message = f"{found[0]!r} is sent as it stands, and there is a column {name!r}"
            return Damage(("prompt",), message, f"did you mean  {{{{ {name} }}}}?", is_error=False)
    return None


def _around(text: str, at: int) -> str:
    return text[max(0, at - 12) : at + 12]
