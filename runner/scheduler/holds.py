"""Why no more paid POSTs leave: each reason with the word, the exit code and the sentence that a person reads."""

from __future__ import annotations

from dataclasses import dataclass

from runner.errors import ExitCode, StorageFailed
from runner.model import Failure, Money, counted, in_usd
from runner.rules.budget import Budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why no more paid POSTs leave in this run."""

    because: str
    """A word for `summary.json`: `interrupted`, `max_cost`, `account` …"""
    exit_code: ExitCode
    message: str
    is_immediate: bool = False
    """Whether the requests in flight are left to the next run; else they are collected first."""


def account_refused(failure: Failure) -> Hold:
    """The service does not take this account's requests: a person looks."""
    message = f"RunComfy refused the account: {failure.message}. Mend the token or top up, then run the same command."
    return Hold(because="account", exit_code=ExitCode.NO_PERMISSION, message=message)


def disk_failed(error: StorageFailed) -> Hold:
    """Nothing can be written down any more, so nothing more is begun."""
    return Hold(because="storage", exit_code=error.exit_code, message=error.message, is_immediate=True)


def bug_found(error: BaseException) -> Hold:
    """A bug of ours where the whole run hangs on it."""
    return Hold(because="bug", exit_code=ExitCode.BUG, message=words_for_bug(error))


def words_for_bug(error: BaseException) -> str:
    """What a person is told of a bug; the log has it whole."""
    return f"a bug of this program ({type(error).__name__}); run.log says where"


def limit_reached(budget: Budget, passed_over: int = 0) -> Hold:
    """`--max-cost` leaves no room for another request, or for some that are dearer than others."""
    if budget.unpriced:
        message = (
            f"{counted(budget.unpriced, 'request')} of unknown price may be paid, also where given up: --max-cost "
            "cannot be kept; attach what can be found (`doubts --attach`), or give --limit N with --yes in its place"
        )
        return Hold(because="max_cost", exit_code=ExitCode.LIMIT_REACHED, message=message)
    maybe = budget.likely(budget.unnamed)
    perhaps = f", {in_usd(maybe)} USD that may be: requests whose cost the service has not named" if maybe else ""
    aside = budget.likely(budget.reserved)
    kept = f", {in_usd(aside)} USD set aside for requests that are open or in doubt" if aside else ""
    more = f"; a bill was {float(budget.dearer):.3g} times its price, and the next may be" if budget.dearer > 1 else ""
    limit = in_usd(budget.limit or Money(0))
    verb = "costs" if passed_over == 1 else "cost"
    left_out = f"leaves out {counted(passed_over, 'job')} that {verb} more than is left"
    what = left_out if passed_over else "allows no further job"
    message = f"--max-cost {limit} USD {what}: {in_usd(budget.known)} USD spent{perhaps}{kept}{more}"
    return Hold(because="max_cost", exit_code=ExitCode.LIMIT_REACHED, message=message)
