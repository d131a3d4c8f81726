"""Reserve, settle, release."""

from dataclasses import replace
from fractions import Fraction

import pytest

from runner.model import Attempt, AttemptState, Job, JobSpec, Money
from runner.rules.budget import Budget, Refused, Reserved, budget_of, release, reserve, settle

PRICE = Money(39_000)


def attempt(state, *, cost=None, reserved=PRICE):
    return Attempt(number=1, state=state, payload_sha256="", intended_at=0.0, reserved=reserved, cost=cost)


def test_nothing_is_reserved_beyond_the_limit():
    """reserved + spent + price ≤ limit, to the last micro-USD."""
    budget = Budget(limit=Money(100_000), spent=Money(22_000))
    first = reserve(budget, PRICE)
    assert first == Reserved(Budget(limit=Money(100_000), spent=Money(22_000), reserved=PRICE))
    second = reserve(first.budget, PRICE)
    assert isinstance(second, Reserved)
    assert second.budget.left == 0
    assert reserve(second.budget, Money(1)) == Refused(Money(1), Money(0))


def test_an_unknown_price_is_refused_under_a_limit_and_taken_without_one():
    """Unknown is not 0: a promise about it cannot be kept."""
    assert reserve(Budget(limit=Money(10)), None) == Refused(None, Money(10))
    assert reserve(Budget(), None) == Reserved(Budget())
    assert Budget().left is None


@pytest.mark.parametrize("state", [AttemptState.INTENT, AttemptState.ACCEPTED, AttemptState.IN_DOUBT])
def test_an_open_request_of_unknown_price_makes_a_limit_impossible_to_keep(state):
    """Until its cost is known; to give it up makes it no cheaper."""
    before, limit = attempt(state, reserved=None), Money(1_000_000)
    budget = budget_of(limit, [(before, 2)])
    assert (budget.unpriced, budget.spent, budget.reserved) == (2, 0, 0)
    assert reserve(budget, Money(1)) == Refused(None, limit)
    assert reserve(replace(budget, limit=None), Money(1)) == Reserved(Budget(reserved=Money(1), unpriced=2))
    once = settle(budget, [before], [attempt(AttemptState.FINISHED, cost=PRICE, reserved=None)])
    assert reserve(once, Money(1)) == Refused(None, Money(limit - PRICE))
    for end in (AttemptState.WRITTEN_OFF, AttemptState.RELEASED, AttemptState.FINISHED):
        assert settle(once, [before], [attempt(end, reserved=None)]) == once
    both = settle(once, [before], [attempt(AttemptState.REFUSED, reserved=None)])
    assert both == Budget(limit=limit, spent=PRICE)
    assert isinstance(reserve(both, Money(1)), Reserved)


def test_a_bill_above_its_price_raises_what_is_set_aside():
    """For all that is open, all whose cost is not named, and all that comes; also after an earlier run's bill."""
    dear = attempt(AttemptState.FINISHED, cost=Money(4 * PRICE))
    bills = [(dear, 1), (attempt(AttemptState.ACCEPTED), 1), (attempt(AttemptState.FINISHED), 1)]
    limit = Money(15 * PRICE + 1)
    budget = budget_of(limit, bills)
    assert (budget.dearer, budget.left) == (4, 3 * PRICE + 1)
    assert reserve(budget, PRICE) == Refused(Money(4 * PRICE), Money(3 * PRICE + 1))
    assert isinstance(reserve(replace(budget, limit=Money(16 * PRICE)), PRICE), Reserved)
    assert settle(budget_of(limit, bills[1:]), [], [dear]) == budget
    cheap = attempt(AttemptState.FINISHED, cost=Money(1))
    assert budget_of(None, [(cheap, 1)]).dearer == 1


def test_what_was_said_to_be_free_and_was_billed_has_no_price():
    """Nothing times anything is nothing: so nothing more of it is sent under a limit."""
    budget = budget_of(Money(100), [(attempt(AttemptState.FINISHED, cost=Money(1), reserved=Money(0)), 1)])
    assert reserve(budget, Money(0)) == Refused(None, Money(99))
    assert isinstance(reserve(budget, Money(99)), Reserved)


def test_release_frees_what_was_set_aside():
    """Nothing was taken."""
    assert release(Budget(reserved=PRICE), PRICE) == Budget()
    assert release(Budget(), None) == Budget()


@pytest.mark.parametrize(
    ("state", "cost", "spent", "reserved"),
    [
        (AttemptState.INTENT, None, 0, PRICE),
        (AttemptState.ACCEPTED, None, 0, PRICE),
        (AttemptState.IN_DOUBT, None, 0, PRICE),
        (AttemptState.NOT_SENT, None, 0, 0),
        (AttemptState.REFUSED, None, 0, 0),
        (AttemptState.FINISHED, Money(0), 0, 0),
        (AttemptState.FINISHED, Money(50_000), 50_000, 0),
        (AttemptState.FINISHED, None, PRICE, 0),
        (AttemptState.RELEASED, None, PRICE, 0),
        (AttemptState.WRITTEN_OFF, None, PRICE, 0),
    ],
)
def test_an_attempt_counts_as_its_state_says(state, cost, spent, reserved):
    """What is open or in doubt is set aside; what may have been paid is spent; what was refused is free."""
    job = Job(spec=JobSpec(job_id="a", model="m", inputs={}, fingerprint=""), attempts=(attempt(state, cost=cost),))
    budget = budget_of(Money(1_000_000), [(attempt, 1) for attempt in job.attempts])
    assert (budget.spent, budget.reserved, budget.unpriced) == (spent, reserved, 0)
    assert budget.unnamed == (spent if cost is None else 0)


def test_an_unknown_price_that_was_spent_counts_nothing_known():
    """The report says how many are unknown; the sum holds what is known."""
    job = Job(
        spec=JobSpec(job_id="a", model="m", inputs={}, fingerprint=""),
        attempts=(attempt(AttemptState.FINISHED, reserved=None), attempt(AttemptState.INTENT, reserved=None)),
    )
    assert budget_of(None, [(attempt, 1) for attempt in job.attempts]) == Budget(unpriced=2)


def test_settling_moves_the_money_with_the_attempt():
    """From set aside to spent, at what the service named."""
    budget = Budget(reserved=PRICE)
    settled = settle(budget, [attempt(AttemptState.ACCEPTED)], [attempt(AttemptState.FINISHED, cost=Money(40_000))])
    assert settled == Budget(spent=Money(40_000), reserved=Money(0), dearer=Fraction(40, 39))
