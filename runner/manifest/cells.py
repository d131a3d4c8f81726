"""What templates see: a cell's text, which beside a number is a number; an empty cell; a row.

Where a person could mean two things nothing is guessed: `if published` of a cell that says `false`, and `stock > 0` of
one that says `n/a`, are errors, because either guess could be paid for.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable
from itertools import product
from typing import Any, Final, Self

import jinja2

from runner.manifest.amounts import amount_in, remedy_for
from runner.manifest.diagnostics import did_you_mean

YES: Final = frozenset(("true", "yes", "y", "on", "1", "wahr", "ja", "vrai", "oui", "vero", "verdadero"))
NO: Final = frozenset(("false", "no", "n", "off", "0", "falsch", "nein", "faux", "non", "falso"))
"""What sheets write for true and false, in the languages in which a spreadsheet saves them."""


TWO_NUMBERS: Final = re.compile(r"\s*[-+]?[1-9]\d{0,2}\.\d{3}\s*")
"""A number with three decimals, or in German one with a point between its thousands."""
BLANK: Final = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u00ad\u200b\u2060\ufeff"
"""White space of all scripts, and what takes no room."""
DIGIT: Final = re.compile(r"\d")
DATE: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[-+]\d\d:?\d\d)?)?")
SWAPPED: Final = {
    operator.lt: operator.gt,
    operator.le: operator.ge,
    operator.gt: operator.lt,
    operator.ge: operator.le,
}
WITH_DECIMALS: Final = "price | float > 1000"
WITH_THOUSANDS: Final = "price | replace('.', '') | int > 1000"


class TemplateProblem(Exception):
    """A template cannot be read, or comes to nothing that can be sent: the message, and the remedy."""

    def __init__(self, message: str, hint: str = "", *, is_everywhere: bool = False, code: str = "template") -> None:
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.is_everywhere = is_everywhere
        """Whether it is wrong whatever the row."""


class Doubtful(TemplateProblem):
    """A text is a number for a person, and none or one of two for this program: no default stands in for it."""


class Empty(jinja2.UndefinedError):
    """The text of an empty cell was wanted."""


class Cell(str):
    """A cell's text, which beside a number is a number, and beside true and false is one of them."""

    __slots__ = ()

    def __bool__(self) -> bool:
        """Whether it is filled; raises `TemplateProblem` where its text says no."""
        if self.strip().casefold() in NO or number_in(self) == 0:
            hint = "write  published == true  or  stock > 0;  colour != ''  asks whether the cell is filled"
            raise TemplateProblem(f"{self[:40]!r} as a condition: does it say no, or that the cell is filled?", hint)
        return len(seen(self)) > 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bool):
            return self._is_true() is other
        if isinstance(other, (int, float)):
            return self._agreed(other, operator.eq)
        if isinstance(other, Blank):
            return other == self  # one that no variant shows is equal to no text, and unequal to none
        return isinstance(other, str) and seen(self) == seen(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __contains__(self, piece: object) -> bool:
        if isinstance(piece, Blank):
            str(piece)  # an empty cell raises here
        if isinstance(piece, str) and not (self.isascii() and piece.isascii()):
            return str.__contains__(unicodedata.normalize("NFC", self), unicodedata.normalize("NFC", piece))
        return str.__contains__(self, piece)  # type: ignore[operator]  # Python says what is wrong with it

    __hash__ = str.__hash__  # no set or mapping is asked for a cell

    def __lt__(self, other: Any) -> bool:
        return self._compared(other, operator.lt)

    def __le__(self, other: Any) -> bool:
        return self._compared(other, operator.le)

    def __gt__(self, other: Any) -> bool:
        return self._compared(other, operator.gt)

    def __ge__(self, other: Any) -> bool:
        return self._compared(other, operator.ge)

    def _compared(self, other: Any, compare: Callable[[Any, Any], bool]) -> bool:
        """By size where both are numbers, by letters where none is."""
        if isinstance(other, (int, float)):
            return self._agreed(other, compare)
        if not isinstance(other, str):
            return NotImplemented  # type: ignore[no-any-return]  # Python asks the other one
        mine, theirs = number_in(self), number_in(other)
        if mine is not None and theirs is not None:
            return self._agreed(other, compare)
        if mine is None and theirs is None:
            return self._by_letters(other, compare)
        message = f"{self[:40]!r} and {other[:40]!r} are compared, and only one of them is a number"
        odd = self if mine is None else other
        is_price = (amount := amount_in(odd)) is not None and amount.is_price
        raise TemplateProblem(
            message, remedy_for(odd) if is_price else "leave such rows out first:  stock != 'n/a' and …"
        )

    def _by_letters(self, other: str, compare: Callable[[Any, Any], bool]) -> bool:
        """As in a dictionary, and dates with the year first; `9,50 €` and `12,50 €` have no such order."""
        texts = (self.strip(), other.strip())
        if any(map(DIGIT.search, texts)) and not all(map(DATE.fullmatch, texts)):
            message = f"{texts[0][:40]!r} and {texts[1][:40]!r} are compared, and neither is a plain number"
            raise TemplateProblem(message, remedy_for(*texts, is_made=isinstance(self, Made)))
        return compare(str(self), str(other))

    def _agreed(self, other: float | str, compare: Callable[[Any, Any], bool]) -> bool:
        """By size, where a point between thousands would give the same: `1.299` is more than 1 either way."""
        self._as_number()
        mine, theirs = _sizes_of(self), _sizes_of(other)
        pairs = zip(mine, theirs, strict=True) if len(mine) == len(theirs) else product(mine, theirs)
        verdicts = {compare(one, another) for one, another in pairs}
        if len(verdicts) > 1:
            doubtful = self if len(mine) > 1 else str(other)
            raise TemplateProblem(two_numbers_in(doubtful), f"say which:  {WITH_DECIMALS}  or  {WITH_THOUSANDS}")
        return verdicts.pop()

    def _as_number(self) -> float:
        number = number_in(self)
        if number is None:
            hint = "compare it as text, with quotes:  size == '38';  or leave such rows out:  stock != 'n/a' and …"
            hint = hint if amount_in(self) is None else remedy_for(self, is_made=isinstance(self, Made))
            raise TemplateProblem(f"{self[:40]!r} is compared with a number, and is none", hint)
        return number

    def _is_true(self) -> bool:
        text = self.strip().casefold()
        if text not in YES and text not in NO:
            raise TemplateProblem(f"{self[:40]!r} is compared with true or false, and is neither", "compare it as text")
        return text in YES


class Measured(Cell):
    """The text of what was a number before: it cannot be another one."""

    __slots__ = ()


class Made(Cell):
    """A text that a template made of a cell."""

    __slots__ = ()


class Pointed(Made):
    """One in which commas were to become points, and there was a point already: perhaps between thousands."""

    __slots__ = ()


class Torn(Made):
    """One that lost a point or a comma before its fraction: as a number it is another one."""

    __slots__ = ()


class Unread(float):
    """A number of a workbook of which it is not known what is shown: it is reckoned with, and no text.

    `{{ price | round(2) }}` says which text is meant.
    """

    __slots__ = ("_problem",)
    _problem: TemplateProblem

    def __new__(cls, number: str, problem: TemplateProblem) -> Self:
        """The number, and what is said where its text is wanted."""
        self = super().__new__(cls, number)
        self._problem = problem
        return self

    def __format__(self, _: str) -> str:
        raise self._problem

    def __bool__(self) -> bool:
        if not float(self):
            raise self._problem  # does the cell say no, or that it is filled?
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            raise self._problem
        return float(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = float.__hash__


class Blank(jinja2.StrictUndefined):
    """An empty cell: false, equal to an empty text, holding nothing; and no text or number by itself."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        if isinstance(other, (int, float)):
            self._fail_with_undefined_error()
        return (isinstance(other, str) and not len(other)) or isinstance(other, Blank)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return hash("")

    def __len__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return 0

    def __contains__(self, _: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return False


class StandIn(Blank):
    """A word that stands for an empty cell: false, and equal to an empty text as well as to the word itself."""

    __slots__ = ()

    @property
    def word(self) -> str:
        """What the cell says."""
        return str(self._undefined_name)

    def __eq__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return super().__eq__(other) or (isinstance(other, str) and seen(other) == self.word)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return hash("")


def stand_in(name: str, word: str, place: str) -> StandIn:
    """A column's value where a word stands for an empty cell."""
    hint = f"cell {place} ({name}) is empty but for {word!r}, and the template needs it"
    return StandIn(hint=hint, name=word, exc=Empty)


def cell(name: str, text: str, place: str = "") -> Cell | Blank:
    """A column's value in one row; `place` is its name in the spreadsheet, as `D2`."""
    if seen(text):
        return Cell(text)
    where = f"cell {place} ({name})" if place else repr(name)
    return Blank(hint=f"{where} is empty, and the template needs it", exc=Empty)


class Row(dict[str, Any]):
    """All columns under their own names: `row['Product Title']`."""

    def __missing__(self, name: object) -> Any:
        raise TemplateProblem(f"there is no column {str(name)[:60]!r}", did_you_mean(str(name), self))


def seen(text: str) -> str:
    """A text as a person sees it: without what is blank at its ends, and letters with their accents as one."""
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text.strip(BLANK))


def like(text: str, result: str) -> Cell:
    """What was made of a text; what is doubtful in that stays so."""
    return type(text)(result) if isinstance(text, (Pointed, Torn)) else Made(result)


def refuse_torn(value: object) -> None:
    """Raise `Doubtful` for a number that has lost the sign before its fraction."""
    if isinstance(value, Torn) and number_in(value) is not None:
        message = f"{value.strip()!r} had a point or a comma before its fraction, which was dropped"
        raise Doubtful(message, "write all cells alike, or leave that  replace  out where they have a fraction")


def is_doubtful(value: object) -> bool:
    """Whether a text could be two numbers, since a point in it may stand between thousands."""
    return isinstance(value, Cell) and not isinstance(value, Measured) and TWO_NUMBERS.fullmatch(value) is not None


def two_numbers_in(text: str) -> str:
    """What is said of such a text."""
    return f"{text.strip()!r} could be {float(text):.15g} or {float(text) * 1000:.0f}"


def _sizes_of(value: float | str) -> list[float]:
    """What a number, or a text that is one, may be: two sizes, where a point may stand between thousands."""
    if not isinstance(value, str):
        return [value]
    refuse_torn(value)
    number = float(value)
    return [number, number * 1000] if is_doubtful(value) else [number]


def number_in(text: str) -> float | None:
    """The number that a text is; `None` where it is none, as `1,299.00` and `n/a`."""
    return float(text) if re.fullmatch(r"\s*[-+]?\d{1,15}(\.\d{1,15})?\s*", text) else None
