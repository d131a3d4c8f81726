"""Amounts, prices, and how they are said. Money is integer micro-USD."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, NewType

Money = NewType("Money", int)
"""Integer micro-USD. An unknown amount is `None`, never 0."""

MICRO = Decimal(1_000_000)
LARGEST = Money(10**15)
"""A billion USD. No price or cost of an edit is more, and the state holds 64 bits."""


def money(usd: Decimal | float | str) -> Money:
    """Money from a decimal amount of USD, rounded to the nearest micro-USD.

    Raises `ValueError` for what is no number, and for more than `LARGEST`, either way.
    """
    try:
        amount = Decimal(str(usd))
        if abs(amount) <= LARGEST / MICRO:  # first: a number of a million digits is never made
            return Money(int((amount * MICRO).to_integral_value(ROUND_HALF_UP)))
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"not an amount of money: {usd!r}") from error
    raise ValueError(f"not an amount of money: {usd!r}")


def in_usd(amount: Money) -> Decimal:
    """The amount in USD, exact: `Decimal("0.039")`."""
    return Decimal(amount) / MICRO


def dollars(amount: Money) -> str:
    """The amount for a person: `$1.21`, with as many digits as there are cents and fractions."""
    exact = in_usd(amount)
    return f"${exact:,.2f}" if amount % 10_000 == 0 else f"${exact.normalize():,f}"


def counted(number: int, noun: str) -> str:
    """`1 job`, `2,000 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


COUNTS: Final = frozenset(
    (
        *("num_images", "num_outputs", "num_samples", "num_results", "num_variations", "num_generations"),
        *("n", "n_images", "number_of_images", "number_of_outputs", "batch_size", "image_count"),
        *("images_count", "output_count", "max_images", "count", "quantity"),
    )
)
"""Input fields by which models are told how many outputs to make, or how many at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's card says an edit costs. `amount` is per `unit`; `None` where the card does not say."""

    amount: Money | None
    unit: str = "output"
    note: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    """The card's fields of `COUNTS` that are not 1 where they are not given, each with what they are then."""
    is_countable: bool = True
    """Whether it is known how many outputs a request makes; not where a field may say so that is not understood."""
