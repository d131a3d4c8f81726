"""Texts that a template or a condition compares a column with, and that it has in no row: mistyped, or another sheet's.

`{% if material == 'wodo' %}…{% endif %}` is left out of every prompt without a word, and each of them is paid for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from runner.manifest.capitals import asked, text_in
from runner.manifest.cells import seen
from runner.manifest.diagnostics import nearest
from runner.manifest.templates import Scope
from runner.manifest.verdicts import Column, Texts

NEAR: Final = 0.75
"""How alike two texts are of which one is the other mistyped: `wodo` and `wood`."""
SHORTEST: Final = 4
"""Letters; of shorter words too many are alike."""
MOST: Final = 100
"""Texts of a column that are kept; who has more of them compares it with few."""
SHOWN: Final = 4


class Unmet:
    """Of one template or condition, the texts that no row has had so far, and what stood there."""

    def __init__(self, compared: Texts) -> None:
        self._texts = {column: {seen(text): text for text in sorted(texts)} for column, texts in compared.items()}
        self._open = {column: {text for text in texts if text} for column, texts in self._texts.items()}
        self._others: dict[Column, dict[str, None]] = {column: {} for column in compared}

    def look(self, scope: Scope) -> None:
        """Look at the cells of a row."""
        for column, texts in self._open.items():
            if not texts:
                continue
            text = text_in(scope, column)
            if text in texts:
                texts.discard(text)
            elif text and len(others := self._others[column]) < MOST and text not in self._texts[column]:
                others[text] = None

    def mistyped(self) -> Iterator[tuple[str, str]]:
        """What is said of texts that are nearly those of some rows, with the remedy."""
        for column, texts in self._open.items():
            for text in sorted(texts):
                if (meant := _near(text, self._others[column])) is not None:
                    yield f"{asked(column)} is {text[:40]!r} in no row", f"did you mean {meant[:40]!r}?"

    def foreign(self, wanted: Texts) -> Iterator[tuple[str, str]]:
        """What is said of columns that are something in every row, and none of what is `wanted` of them."""
        for column, texts in wanted.items():
            others = list(self._others[column])
            if others and {seen(text) for text in texts} <= self._open[column]:
                named = " or ".join(repr(text[:40]) for text in sorted(texts)[:SHOWN])
                shown = ", ".join(repr(text[:40]) for text in others[:SHOWN]) + ", …" * (len(others) > SHOWN)
                yield f"{asked(column)} is {named} in no row", f"it is {shown}"


def _near(text: str, others: Iterable[str]) -> str | None:
    """The text that was probably meant: letters alone are mistyped so, and no whole word more or less is."""
    if len(text) < SHORTEST:
        return None
    words = _words(text)
    likely = [other for other in others if _digits(other) == _digits(text) and not _is_part(words, _words(other))]
    return nearest(text, likely, NEAR)


def _digits(text: str) -> list[str]:
    return re.findall(r"\d", text)


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def _is_part(words: set[str], others: set[str]) -> bool:
    """Whether one has all words of the other, and more of them: `Large` and `X-Large` are two sizes."""
    return words < others or others < words
