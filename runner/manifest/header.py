"""A sheet's first row: its columns by their indexes, from 0, and by the names that people have for them."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from runner.manifest.cells import NO, YES
from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.given import Source
from runner.manifest.items import key_of
from runner.manifest.tables import cell_name
from runner.manifest.words import LAST_NUMBER, LONGEST_URL, NUMBERED, PICTURE, SHOWS, in_order

AT_END: Final = re.compile(r"_?\d{1,2}\Z")
LOOKED_AT: Final = 20
"""Rows that are looked at before the first is read."""
MARK: Final = re.compile(
    r"[-+]?\d{1,15}(?:[.,]\d{1,15})?|[x\xd7✓✔☑✅✗✘○◯●]|ok|done|erledigt|fertig|fait|hecho|fatto|済|完了",
    re.IGNORECASE,
)
"""What stands in a column that counts or ticks off; `YES` and `NO` do as well."""
NO_TEXTS: Final[Mapping[int, str]] = MappingProxyType({})


class Header:
    """The columns of a sheet."""

    def __init__(
        self,
        source: Source,
        titles: Sequence[str],
        texts: Mapping[int, str] = NO_TEXTS,
        half: Container[int] = frozenset(),
    ) -> None:
        """`texts` are the first that stand in the columns, `half` those with empty cells, where somebody has looked."""
        self.source = source
        self.titles = titles
        self.texts = texts
        self.half = half
        self.keys = [key_of(title) for title in titles]
        """What templates call the columns."""
        self.marks = {index for index, text in texts.items() if is_mark(text.strip())}
        """The columns that count or tick off: whatever they are called, they hold no pictures."""
        self.skipped: dict[int, str] = {}
        """The numbered columns before which one is missing, `image_3` where there is no `image_2`, with its name."""

    def at(self, index: int) -> Place:
        """Where a column's name stands."""
        return Place(cell=cell_name(index, 1), file="" if self.source.is_alone else self.source.file)

    def shown(self, indexes: Iterable[int]) -> str:
        """Some columns' names in quotes."""
        return ", ".join(repr(self.titles[index]) for index in indexes)

    def in_order(self, indexes: Iterable[int]) -> list[str]:
        """The names of columns of pictures, in the order in which they are sent."""
        return [self.titles[index] for index in in_order({index: self.keys[index] for index in indexes})]

    def is_page(self, index: int, beside: int) -> bool:
        """Whether a column holds pages of a shop, by its name and its first cell, and one beside it the pictures.

        What is called a photo may hold URLs without an ending, as shops and drives give them.
        """
        if SHOWS.search(self.keys[index]) or NUMBERED.fullmatch(self.keys[index]):
            return False
        page, picture = (self.texts.get(one, "").strip() for one in (index, beside))
        is_address = len(page) < LONGEST_URL and page.startswith(("http://", "https://"))
        return is_address and not PICTURE.fullmatch(page) and bool(PICTURE.fullmatch(picture[:LONGEST_URL]))

    def matching(self, pattern: str, place: Place, findings: Findings) -> list[int]:
        """The columns that a name stands for: exactly, else however it is spelled; with a `*` as many as there are.

        Where there is none, or it could be either of two, the findings say so.
        """
        if pattern in self.titles:
            return [self.titles.index(pattern)]
        key = key_of(pattern)
        found = self._wild(pattern) if "*" in pattern else [i for i, k in enumerate(self.keys) if key and k == key]
        if not found:
            message = f"no column {pattern!r} in {self.source.file}"
            findings.error("missing-column", place, message, did_you_mean(pattern, self.titles))
        elif len(found) > 1 and "*" not in pattern:
            twins = " or ".join(repr(self.titles[index]) for index in found)
            message = f"the column {pattern!r} could be {twins}"
            findings.error("columns", place, message, "spell it as it is there")
            return found[:1]
        return found

    def _wild(self, pattern: str) -> list[int]:
        """By number where they have one each, so that `photo_10` is behind `photo_9`; else as they stand."""
        pieces = pattern.split("*")
        exact = re.compile("(.*)".join(map(re.escape, pieces)), re.IGNORECASE)
        loose = re.compile("(.*)".join(key_of(piece) for piece in pieces))
        for regex, names in ((exact, [title.strip() for title in self.titles]), (loose, self.keys)):
            found = {index: match for index, name in enumerate(names) if name and (match := regex.fullmatch(name))}
            if found:
                numbers = {index: match[1].strip("_ -") for index, match in found.items()}
                if len(pieces) != 2 or not all(number.isdecimal() for number in numbers.values()):
                    return list(found)
                pairs = sorted((int(number), index) for index, number in numbers.items())
                self.note_skipped(pairs, pairs[0][0])
                return [index for _, index in pairs]
        return []

    def numbered(self, taken: Iterable[int], marks: set[int]) -> dict[str, list[tuple[int, int]]]:
        """The other columns with a number at their end, each with its number, in order, by what stands before it.

        Those that are all among the `marks` are no pictures; one of several may say `no` for a long time.
        """
        found: dict[str, list[tuple[int, int]]] = {}
        for index, key in enumerate(self.keys):
            if (match := NUMBERED.fullmatch(key)) and index not in taken:
                found.setdefault(match["stem"], []).append((int(match["number"]), index))
        return {stem: sorted(pairs) for stem, pairs in found.items() if not marks.issuperset(i for _, i in pairs)}

    def like(self, indexes: Iterable[int]) -> list[int]:
        """The columns that are called like some others but for a number at their end."""
        stems = "|".join({re.escape(AT_END.sub("", self.keys[index])) for index in indexes})
        alike = re.compile(rf"(?:{stems})_?\d{{1,2}}")
        return [index for index, key in enumerate(self.keys) if alike.fullmatch(key)]

    def note_skipped(self, pairs: Sequence[tuple[int, int]], expected: int) -> None:
        """Of numbered columns, sorted, those before which one is missing; `expected` is the first number."""
        for number, index in pairs:
            if number > expected:
                self.skipped[index] = LAST_NUMBER.sub(str(expected), self.titles[index])
            expected = number + 1


def first_texts(rows: Iterable[Sequence[str]]) -> dict[int, str]:
    """The first text of each column; a mark only where nothing else stands: `no` may be said of a missing picture."""
    found: dict[int, str] = {}
    for cells in rows:
        for index, text in enumerate(cells):
            before = found.setdefault(index, text).strip()
            if text.strip() and (not before or (is_mark(before) and not is_mark(text.strip()))):
                found[index] = text
    return found


def is_mark(text: str) -> bool:
    """Whether a text is a number, yes or no, or a tick."""
    return text.casefold() in YES | NO or MARK.fullmatch(text) is not None
