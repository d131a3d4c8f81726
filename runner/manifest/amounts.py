"""How a number is made of a text that a person reads as one: `1.299,00 €`, `$1,299.00`, `CHF 1'299.-`.

What stands between its thousands goes before a comma becomes a point: else `1.299 €`, in the same column, would be one
euro and a bit. A point or a comma before three digits alone could be either, and nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MARKS: Final = "'\u2019 \u00a0\u2009\u202f"
"""What stands between thousands and nowhere else in a number."""
NUMBER: Final = re.compile(rf"[-+]?\d(?:[\d.,{MARKS}]*\d)?")
MARKED: Final = re.compile(rf"[-+]?\d{{1,3}}(?:[{MARKS}]\d{{3}})+(?:[.,]\d+)?")
GROUPED: Final = re.compile(r"[-+]?[1-9]\d{0,2}(?:[.,]\d{3})+")
TWO_NUMBERS: Final = re.compile(r"[-+]?[1-9]\d{0,2}[.,]\d{3}")
TOO_EARLY: Final = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+\.(?:\d{1,2}|\d{4,})")
"""What comes of a number with a decimal comma that was made a point before those between its thousands went."""
LONGEST: Final = 40
LONGEST_AFFIX: Final = 12
DROP_POINTS: Final = "replace('.', '')"
DROP_COMMAS: Final = "replace(',', '')"
TO_POINT: Final = "replace(',', '.')"
CURRENCY: Final = re.compile(r"[A-Z]{3}|[^\w\s]{1,3}")
"""`EUR`, `€`, `$`, `.-`."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A text with one number in it: what stands around and in that, and how its points and commas may be read."""

    dropped: tuple[str, ...]
    """The words and signs around it, and the marks between its thousands."""
    readings: tuple[tuple[str, ...], ...]
    """The filters that leave a point before the fraction alone; of a doubtful number, first as one with a fraction."""

    @property
    def is_price(self) -> bool:
        """Whether there is but a currency beside the number."""
        return all(part in MARKS or CURRENCY.fullmatch(part) for part in self.dropped)


def amount_in(text: str) -> Amount | None:
    """The number in a text; `None` where it is none, or more than one, as in `38-40` and `27.11.2026`."""
    numbers = NUMBER.findall(text) if len(text) <= LONGEST else []
    if len(numbers) != 1:
        return None
    affixes = sorted((part.strip() for part in text.split(numbers[0], 1)), key=len, reverse=True)
    marks = [mark for mark in MARKS if mark in numbers[0]]
    readings = tuple(_readings("".join(char for char in numbers[0] if char not in MARKS)))
    if not readings or len(affixes[0]) > LONGEST_AFFIX or (marks and not MARKED.fullmatch(numbers[0])):
        return None
    return Amount(tuple(part for part in [*affixes, *marks] if part), readings)


def remedy_for(*texts: str, is_made: bool = False) -> str:
    """The filters that make numbers of some texts, or what else is to be done; the first of them is the cell's.

    One that filters made already (`is_made`) wants more of them; or others, where `1.299,00` is 1.299.00 by now.
    """
    if is_made and TOO_EARLY.fullmatch(texts[0].strip()):
        return f"drop what stands between thousands first:  price | {DROP_POINTS} | {TO_POINT} | float"
    amounts = [found for text in texts if (found := amount_in(text)) is not None]
    if not amounts:
        return "that is no one number: compare it as text, with  ==;  dates as 2026-11-27"
    clear = next((found for found in amounts if len(found.readings) == 1 and any(found.readings)), None)
    dropped = sorted({part for found in amounts for part in found.dropped}, key=lambda part: (-len(part), part))
    steps = [f"replace({part!r}, '')" for part in dropped]
    chains = [
        " | ".join(["…" if is_made else "price", *steps, *reading, "float"])
        for reading in (clear or amounts[0]).readings
    ]
    if not any((*steps, *chains[1:], *(clear or amounts[0]).readings[0])):
        return "numbers have up to 15 digits: compare it as text, with  =="
    if len(chains) > 1:
        return f"a fraction, or thousands? Say which:  {chains[0]}  or  {chains[1]}"
    return f"make a number of it:  {chains[0]}"


def _readings(number: str) -> Iterator[tuple[str, ...]]:
    """What its points and commas may be."""
    points, commas = number.count("."), number.count(",")
    last = max(number.rfind("."), number.rfind(","))
    if TWO_NUMBERS.fullmatch(number):
        yield (TO_POINT,) if commas else ()
        yield (DROP_COMMAS if commas else DROP_POINTS,)
    elif not points and not commas:
        yield ()
    elif GROUPED.fullmatch(number) and not (points and commas):
        yield (DROP_COMMAS if commas else DROP_POINTS,)
    elif number.count(number[last]) == 1:
        yield (DROP_POINTS, TO_POINT) if number[last] == "," else (DROP_COMMAS,) if commas else ()
