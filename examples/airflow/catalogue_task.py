"""A night over a catalogue as one function, for Airflow and for every other scheduler of Python functions.

A try that is killed or stopped is simply made again: it goes on where the last one was, and pays for nothing twice. So
the errors that a later try can mend are of a kind of their own, and whatever else went wrong fails at once.
"""

import asyncio
import logging
from typing import Any

import runner
from runner.errors import BatchError, ExitCode

try:
    from airflow.exceptions import AirflowFailException as Failed
except ImportError:

    class Failed(Exception):
        """Another try changes nothing: balance, token, disk, manifest."""


log = logging.getLogger(__name__)

TRY_AGAIN = {ExitCode.UNAVAILABLE, ExitCode.STOPPED_EARLY, ExitCode.INTERRUPTED, ExitCode.TERMINATED}
WARNINGS = {
    ExitCode.SOME_FAILED: "some jobs failed: the report says which, and what to do",
    ExitCode.LIMIT_REACHED: "stopped at a limit: the next night has time again; for money, raise max_cost_usd",
}


class TryAgain(Exception):
    """The service is away, or the run was stopped: the same call goes on."""


def edit_catalogue(manifest: str, out: str, max_cost_usd: str, **choices: Any) -> dict[str, Any]:
    """Run the manifest, or go on with it; the content of summary.json, whose numbers are small enough for XCom.

    `max_cost_usd` is a limit of the run directory `out`, not of a night. Raises `TryAgain`, and `Failed` where another
    try mends nothing. Jobs that failed, or that a limit left, are in the summary and in a warning.
    """
    try:
        outcome = asyncio.run(runner.run(manifest, out=out, max_cost_usd=max_cost_usd, **choices))
    except BatchError as error:
        judge(error.exit_code, error.message)
        raise Failed(error.message) from error
    summary = outcome.summary.as_dict()
    judge(outcome.exit_code, str(summary["stopped_because"]))
    return summary


def judge(code: ExitCode, why: str) -> None:
    """Raise what a run that ended so asks for; a warning where it is worth a look."""
    if code in TRY_AGAIN:
        raise TryAgain(f"{code.name}: {why}")
    if code in WARNINGS:
        log.warning("%s: %s (%s)", code.name, WARNINGS[code], why)
    elif code is not ExitCode.DONE:
        raise Failed(f"{code.name}: {why}")
