"""Money: set aside before a paid POST, settled when the service names the cost, released when nothing was taken.

The promise: reserved + spent + the next price never exceed the limit. What is in doubt stays reserved. A price that is
unknown cannot be promised anything about, so with a limit set it is refused rather than taken for 0; and where a
request of unknown price was taken, or may have been, and no cost is named, nobody knows what is left.

A card may be wrong. Once the service has named a cost above what was set aside for it, all that is open and all that
comes is taken to be as much dearer: the limit is passed at most by what was in flight when the first such bill came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

from runner.model import Attempt, AttemptState, Money

ZERO = Money(0)
ONE = Fraction(1)
OPEN = (AttemptState.INTENT, AttemptState.ACCEPTED, AttemptState.IN_DOUBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is spent and set aside; amounts in micro-USD."""

    limit: Money | None = None
    spent: Money = ZERO
    """Costs that the service has named, and prices of finished attempts whose cost it has not."""
    unnamed: Money = ZERO
    """Those prices, of what is spent."""
    reserved: Money = ZERO
    """Prices of attempts in flight or in doubt."""
    unpriced: int = 0
    """How many attempts that are paid, or may be, have neither a known price nor a named cost."""
    dearer: Fraction = ONE
    """The largest cost over price that the service has named, and at least 1."""
    is_free_billed: bool = False
    """Whether the service has named a cost for what was said to be free: then that price is none."""

    @property
    def left(self) -> Money | None:
        """What may still be set aside; `None` where there is no limit."""
        if self.limit is None:
            return None
        open_ = Money(self.unnamed + self.reserved)
        return Money(self.limit - self.known - self.likely(open_))

    @property
    def known(self) -> Money:
        """What is spent for certain, as the service has named it."""
        return Money(self.spent - self.unnamed)

    def likely(self, price: Money) -> Money:
        """What a price comes to at the dearest, by the bills so far."""
        return Money(ceil(price * self.dearer))


@dataclass(frozen=True, slots=True)
class Reserved:
    """The price is set aside; `budget` is the one that holds it."""

    budget: Budget


@dataclass(frozen=True, slots=True)
class Refused:
    """The limit does not allow it; `needed` is `None` where a price is unknown: this one's, or an open one's."""

    needed: Money | None
    left: Money


def reserve(budget: Budget, price: Money | None) -> Reserved | Refused:
    """Set a price aside, or say why not."""
    left = budget.left
    is_known = price is not None and not budget.unpriced and not (price == 0 and budget.is_free_billed)
    needed = budget.likely(price) if price is not None and is_known else None
    if left is not None and (needed is None or needed > left):
        return Refused(needed, left)
    return Reserved(replace(budget, reserved=Money(budget.reserved + (price or 0))))


def release(budget: Budget, price: Money | None) -> Budget:
    """Nothing was taken: the price is free again."""
    return replace(budget, reserved=Money(budget.reserved - (price or 0)))


def settle(budget: Budget, before: Iterable[Attempt], after: Iterable[Attempt]) -> Budget:
    """The budget after a job's attempts changed: what is over moves from set aside to spent, or is free again."""
    old, new = tuple(before), tuple(after)
    spent = sum(map(spent_on, new)) - sum(map(spent_on, old))
    unnamed = sum(map(unnamed_of, new)) - sum(map(unnamed_of, old))
    reserved = sum(map(reserved_for, new)) - sum(map(reserved_for, old))
    return replace(
        budget,
        spent=Money(budget.spent + spent),
        unnamed=Money(budget.unnamed + unnamed),
        reserved=Money(budget.reserved + reserved),
        unpriced=budget.unpriced + sum(map(is_unpriced, new)) - sum(map(is_unpriced, old)),
        dearer=max((budget.dearer, *map(dearer_by, new))),
        is_free_billed=budget.is_free_billed or any(map(is_free_billed, new)),
    )


def budget_of(limit: Money | None, attempts: Iterable[tuple[Attempt, int]]) -> Budget:
    """The budget of a run directory as its attempts left it: earlier nights count against the same limit.

    Each attempt comes with the number of those that are alike in state, price and cost.
    """
    counted = tuple(attempts)
    return Budget(
        limit=limit,
        spent=Money(sum(spent_on(attempt) * count for attempt, count in counted)),
        unnamed=Money(sum(unnamed_of(attempt) * count for attempt, count in counted)),
        reserved=Money(sum(reserved_for(attempt) * count for attempt, count in counted)),
        unpriced=sum(count for attempt, count in counted if is_unpriced(attempt)),
        dearer=max((ONE, *(dearer_by(attempt) for attempt, _ in counted))),
        is_free_billed=any(is_free_billed(attempt) for attempt, _ in counted),
    )


def spent_on(attempt: Attempt) -> Money:
    """What the attempt counts as spent; of one given up, its price, since it may have been paid."""
    if attempt.state in (AttemptState.FINISHED, AttemptState.RELEASED, AttemptState.WRITTEN_OFF):
        return attempt.cost if attempt.cost is not None else attempt.reserved or ZERO
    return ZERO


def unnamed_of(attempt: Attempt) -> Money:
    """What of that is a price, since the service has named no cost."""
    return spent_on(attempt) if attempt.cost is None else ZERO


def reserved_for(attempt: Attempt) -> Money:
    """What the attempt still sets aside."""
    return attempt.reserved or ZERO if attempt.state in OPEN else ZERO


def is_unpriced(attempt: Attempt) -> bool:
    """Whether the attempt is paid, or may be, and nobody knows how much it is; also of one that was given up."""
    return attempt.may_be_paid and attempt.reserved is None and attempt.cost is None


def dearer_by(attempt: Attempt) -> Fraction:
    """How many times its price the attempt cost, and at least 1; 1 where one of them is not known, or nothing."""
    cost, price = attempt.cost or 0, attempt.reserved or 0
    return Fraction(cost, price) if cost > price > 0 else ONE


def is_free_billed(attempt: Attempt) -> bool:
    """Whether it cost something, and was said to cost nothing."""
    return attempt.reserved == 0 and bool(attempt.cost)
