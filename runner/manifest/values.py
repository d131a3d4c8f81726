"""What a value in a template is: as a text that is sent, as a number, as a list. What is none of these is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import jinja2

from runner.manifest.amounts import amount_in, remedy_for
from runner.manifest.cells import (
    DIGIT,
    Doubtful,
    Made,
    Pointed,
    TemplateProblem,
    is_doubtful,
    number_in,
    refuse_torn,
    two_numbers_in,
)

LARGEST_NUMBER: Final = 10**15
N = TypeVar("N", int, float)


def shown(value: Any) -> str:
    """A value as the text that is sent; raises `TemplateProblem` for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        hint = "write  {{ 'new' if stock > 0 else 'old' }}"
        raise TemplateProblem("true or false is no text", hint)
    if isinstance(value, int):
        return str(in_bounds(value))
    if isinstance(value, float):
        return f"{in_bounds(value):.15g}"
    if isinstance(value, jinja2.Undefined):
        return str(value)  # an empty cell raises here
    match value:
        case list() | tuple():
            raise TemplateProblem("a list is no text", "join it:  {{ tags.split(';') | join(', ') }}")
        case Mapping():
            raise TemplateProblem("a whole row is no text", "name a column:  {{ row['Product Title'] }}")
        case None:
            raise TemplateProblem("none is no text", "leave it out, or quote it")
        case _:
            raise TemplateProblem("a method or a loop is no text", "call it:  {{ title.upper() }}")


def number_of(value: Any) -> float:
    """A number, also one that is written in a cell."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = shown(value)
        refuse_torn(text)
        if isinstance(text, Pointed) and is_doubtful(text):
            written = text.strip().replace(".", ",")
            hint = f"if so:  price | replace('.', '') | replace(',', '.') | float;  if not, write {written} in the cell"
            message = f"{text.strip()!r} had its point before a comma was to be one: it may stand between thousands"
            raise Doubtful(message, hint)
        if (number := number_in(text)) is None:
            hint = "int(0) and float(0) take 0 for what is none"
            if DIGIT.search(text):
                hint = remedy_for(text, is_made=isinstance(text, Made))
            amount = amount_in(text)
            problem = Doubtful if amount is not None and amount.is_price else TemplateProblem
            raise problem(f"{text[:40]!r} is no number", hint)
        return number
    return in_bounds(value)


def whole_of(value: Any) -> float:
    """A number whose fraction is not wanted; raises `Doubtful` where its point may stand between thousands."""
    if is_doubtful(value):
        hint = "say which:  price | float  or  price | replace('.', '') | int"
        raise Doubtful(two_numbers_in(value), hint)
    return number_of(value)


def in_bounds(number: N) -> N:
    """The number, if it is one that texts can show; raises `TemplateProblem`."""
    if abs(number) >= LARGEST_NUMBER or math.isnan(number):
        raise TemplateProblem("a number of more than 15 digits", "quote it, to have it as text")
    return number


def listed(value: Any) -> Sequence[Any]:
    """A list; raises `TemplateProblem` for a text, of which Python would make one of letters."""
    if isinstance(value, (list, tuple)):
        return value
    shown(value)
    raise TemplateProblem("a text is no list", "split it first:  tags.split(';')")


def size_of(value: Any) -> int:
    """What a value costs, in characters."""
    if isinstance(value, str):
        return len(value)
    return 20 * len(value) if isinstance(value, (list, tuple)) else 1
