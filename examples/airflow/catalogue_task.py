"""A night over a catalogue as one function, for Airflow and for every other scheduler of Python functions.

A try that is killed or stopped is simply made again: it goes on where the last one was, and pays for nothing twice. So
the errors that a later try can mend are of a kind of their own.
"""

import asyncio
from typing import Any

import runner
from runner.errors import BatchError, ExitCode

TRY_AGAIN = {ExitCode.UNAVAILABLE, ExitCode.STOPPED_EARLY, ExitCode.INTERRUPTED, ExitCode.TERMINATED}


class TryAgain(Exception):
    """The service is away, or the run was stopped: the same call goes on."""


def edit_catalogue(manifest: str, out: str, max_cost_usd: str, **choices: Any) -> dict[str, Any]:
    """Run the manifest, or go on with it; the content of summary.json, whose numbers are small enough for XCom.

    Raises `TryAgain`; anything else that it raises, another try does not mend. Jobs that failed are in the summary.
    """
    try:
        outcome = asyncio.run(runner.run(manifest, out=out, max_cost_usd=max_cost_usd, **choices))
    except BatchError as error:
        if error.exit_code in TRY_AGAIN:
            raise TryAgain(error.message) from error
        raise
    if outcome.exit_code in TRY_AGAIN:
        raise TryAgain(f"{outcome.exit_code.name}: {outcome.summary.as_dict()['stopped_because']}")
    return outcome.summary.as_dict()
