"""Texts that a template or a condition compares columns with, and what the rows say instead: mistyped, or in capitals.

`{% if material == 'wodo' %}…{% endif %}` is left out of every prompt without a word, and each of them is paid for;
`status != 'sold'` is true of `Sold`, and a count of the rows that are left out hides it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from runner.manifest.cells import StandIn, TemplateProblem, seen
from runner.manifest.conditions import LISTED
from runner.manifest.diagnostics import nearest
from runner.manifest.templates import Scope
from runner.manifest.verdicts import Column, Texts, cased

NEAR: Final = 0.75
"""How alike two texts are of which one is the other mistyped: `wodo` and `wood`."""
SHORTEST: Final = 4
"""Letters; of shorter words too many are alike."""
PIECE: Final = 3
"""Letters; a shorter text is in many others."""
MOST: Final = 100
"""Texts of a column that are kept; who has more of them compares it with few."""
SHOWN: Final = 4
BEGINNING: Final = 2
"""Letters of which one makes another word, and seldom a mistyped one: `matte` and `latte`, `shirt` and `skirt`."""
ENDING: Final = 2
"""Letters: a plural's, and no other word's."""
SIGNS: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2011": "-"})
"""What text editors write for the signs of a keyboard."""


class Comparisons:
    """Of one template or condition, the texts that no row has had so far, and what stood there."""

    def __init__(self, compared: Texts) -> None:
        self._texts = {column: {seen(text) for text in texts if seen(text)} for column, texts in compared.items()}
        self._small = {column: _small(texts) for column, texts in self._texts.items()}
        self._met: dict[Column, dict[str, None]] = {column: {} for column in compared}
        self.capitals: tuple[str, str] | None = None
        """What is said of the first cell that differs by capitals, or by how a sign is written, with the remedy."""

    def look(self, scope: Scope, source: str) -> None:
        """Look at the cells of a row, or whatever else is compared."""
        for column, met in self._met.items():
            text = cased(_text_in(scope, column), column.how)
            if not text or text in met:
                continue
            texts = self._texts[column]
            found = [one for one in texts if one in text] if column.is_within else [text] if text in texts else []
            met.update(dict.fromkeys(found))
            if found or len(met) < MOST:
                met[text] = None
            if not (found or column.how or self.capitals):
                self._look_at_capitals(column, text, source)

    def _look_at_capitals(self, column: Column, text: str, source: str) -> None:
        small, loose = self._small[column], _loose(text)
        likely = [one for one in small if one in loose and len(one) >= PIECE] if column.is_within else [loose]
        if not likely or (meant := small.get(likely[0])) is None:
            return
        message = f"{text[:40]!r} in {source} {'does not hold' if column.is_within else 'is not'} {meant[:40]!r}"
        is_of_capitals = meant.lower() in text.lower()
        hint = "write it as the cell has it, or make the cells alike"
        if is_of_capitals:
            hint = f"without them compare  {_asked(column)} | lower  with {meant.lower()[:40]!r}"
        self.capitals = f"capitals count: {message}" if is_of_capitals else message, hint

    def mistyped(self) -> Iterator[tuple[str, str]]:
        """What is said of texts that are nearly those of some rows, or a list of them in one, with the remedy."""
        for column, met in self._met.items():
            others = met.keys() - self._texts[column]
            if column.is_within:
                others = {word for text in others for word in re.findall(r"[\w-]+", text)}
            for text in sorted(self._texts[column] - met.keys()):
                words = LISTED.split(text)
                if not column.is_within and len(words) > 1 and any(word in met for word in words):
                    yield f"{_asked(column)} is {text[:40]!r} in no row: it is one text", f"write  in {words}"
                elif (meant := _near(text, sorted(others))) is not None:
                    said = f"{text[:40]!r} is in {_asked(column)} in no row"
                    said = said if column.is_within else f"{_asked(column)} is {text[:40]!r} in no row"
                    yield said, f"did you mean {meant[:40]!r}?"

    def foreign(self, wanted: Texts) -> Iterator[tuple[str, str]]:
        """What is said of columns that are something in every row, and none of what is `wanted` of them."""
        for column, texts in wanted.items():
            met = self._met[column]
            if met and all(seen(text) not in met for text in texts):
                named = " or ".join(repr(text[:40]) for text in sorted(texts)[:SHOWN])
                shown = ", ".join(repr(text[:40]) for text in list(met)[:SHOWN]) + ", …" * (len(met) > SHOWN)
                is_what = f"{named} is in {_asked(column)}" if column.is_within else f"{_asked(column)} is {named}"
                yield f"{is_what} in no row", f"it is {shown}"


def _text_in(scope: Scope, column: Column) -> str:
    """The text of a column in some row as a person sees it; empty where it has none, or is not to be had."""
    value: object = None
    with suppress(TemplateProblem, LookupError):  # it was not asked for, since the verdict was known before
        value = scope["row"][column.title] if column.title else scope[column.name]
    if isinstance(value, StandIn):
        return value.word
    return seen(value) if isinstance(value, str) else ""


def _asked(column: Column) -> str:
    """The column as a template writes it."""
    asked = f"row[{column.title!r}]" if column.title else column.name
    return f"{asked} | {column.how}" if column.how else asked


def _small(texts: Iterable[str]) -> dict[str, str]:
    """The texts that have letters, by how they are written at their plainest."""
    return {_loose(text): text for text in sorted(texts) if text.lower() != text.upper()}


def _loose(text: str) -> str:
    """A text without regard to capitals, to the signs of text editors, to ß and to the width of letters."""
    if text.isascii():
        return text.lower()
    return " ".join(unicodedata.normalize("NFKC", text.translate(SIGNS)).casefold().split())


def _near(text: str, others: Iterable[str]) -> str | None:
    """The text that was probably meant: letters alone are mistyped so, and no whole word more or less is."""
    if len(text) < SHORTEST:
        return None
    likely = [other for other in others if _digits(other) == _digits(text) and not _are_both_meant(text, other)]
    return nearest(text, likely, NEAR)


def _digits(text: str) -> list[str]:
    return re.findall(r"\d", text)


def _are_both_meant(text: str, other: str) -> bool:
    """Whether two texts are alike and both words: `X-Large` and `Large`, `unsold` and `sold`, `matte` and `latte`."""
    short, long = sorted((text.lower(), other.lower()), key=len)
    if short == long:
        return False
    words, others = set(re.findall(r"\w+", short)), set(re.findall(r"\w+", long))
    is_ending = long.endswith(short) or (long.startswith(short) and len(long) - len(short) > ENDING)
    unlike = [at for at, (one, two) in enumerate(zip(short, long, strict=False)) if one != two]
    is_other_word = len(short) == len(long) and len(unlike) == 1 and unlike[0] < BEGINNING
    return words < others or others < words or is_ending or is_other_word
