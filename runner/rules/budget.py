"""Money: set aside before a paid POST, settled when the service names the cost, released when nothing was taken.

The promise: reserved + spent + the next price never exceed the limit. What is in doubt stays reserved. A price that is
unknown cannot be promised anything about, so with a limit set it is refused rather than taken for 0; and while a
request of unknown price is open or in doubt, nobody knows what is left.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from runner.model import Attempt, AttemptState, Money

ZERO = Money(0)
OPEN = (AttemptState.INTENT, AttemptState.ACCEPTED, AttemptState.IN_DOUBT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What is spent and set aside; amounts in micro-USD."""

    limit: Money | None = None
    spent: Money = ZERO
    """Costs that the service has named, and prices of finished attempts whose cost it has not."""
    reserved: Money = ZERO
    """Prices of attempts in flight or in doubt."""
    unpriced: int = 0
    """How many attempts in flight or in doubt have no known price."""

    @property
    def left(self) -> Money | None:
        """What may still be set aside; `None` where there is no limit."""
        return None if self.limit is None else Money(self.limit - self.spent - self.reserved)


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
    if left is not None and (price is None or price > left or budget.unpriced):
        return Refused(None if budget.unpriced else price, left)
    return Reserved(replace(budget, reserved=Money(budget.reserved + (price or 0))))


def release(budget: Budget, price: Money | None) -> Budget:
    """Nothing was taken: the price is free again."""
    return replace(budget, reserved=Money(budget.reserved - (price or 0)))


def settle(budget: Budget, before: Iterable[Attempt], after: Iterable[Attempt]) -> Budget:
    """The budget after a job's attempts changed: what is over moves from set aside to spent, or is free again."""
    old, new = tuple(before), tuple(after)
    spent = sum(map(spent_on, new)) - sum(map(spent_on, old))
    reserved = sum(map(reserved_for, new)) - sum(map(reserved_for, old))
    return replace(
        budget,
        spent=Money(budget.spent + spent),
        reserved=Money(budget.reserved + reserved),
        unpriced=budget.unpriced + sum(map(is_unpriced, new)) - sum(map(is_unpriced, old)),
    )


def budget_of(limit: Money | None, attempts: Iterable[tuple[Attempt, int]]) -> Budget:
    """The budget of a run directory as its attempts left it: earlier nights count against the same limit.

    Each attempt comes with the number of those that are alike in state, price and cost.
    """
    counted = tuple(attempts)
    spent = sum(spent_on(attempt) * count for attempt, count in counted)
    reserved = sum(reserved_for(attempt) * count for attempt, count in counted)
    unpriced = sum(count for attempt, count in counted if is_unpriced(attempt))
    return Budget(limit=limit, spent=Money(spent), reserved=Money(reserved), unpriced=unpriced)


def spent_on(attempt: Attempt) -> Money:
    """What the attempt counts as spent; of one given up, its price, since it may have been paid."""
    if attempt.state in (AttemptState.FINISHED, AttemptState.RELEASED, AttemptState.WRITTEN_OFF):
        return attempt.cost if attempt.cost is not None else attempt.reserved or ZERO
    return ZERO


def reserved_for(attempt: Attempt) -> Money:
    """What the attempt still sets aside."""
    return attempt.reserved or ZERO if attempt.state in OPEN else ZERO


def is_unpriced(attempt: Attempt) -> bool:
    """Whether the attempt sets aside nobody knows how much."""
    return attempt.state in OPEN and attempt.reserved is None
