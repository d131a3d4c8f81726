"""How many requests and downloads the machine's limit of open files allows."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import replace
from typing import Final

from runner.batch.options import MOST_IN_FLIGHT, Options
from runner.rules.bandwidth import FEW, MOST
from runner.rules.pacing import MODEST
from runner.rules.polling import MOST_AHEAD

OWN: Final = 24
"""Files, pipes and log of the run itself, with some to spare."""
EACH: Final = 2
"""A request: its POST or its poll, and a connection that is kept. A download: its connection and its file."""


def fit(options: Options, limit: int) -> Options:
    """The options with as much concurrency as `limit` open files allow, and at least 1; they are settled.

    Where the search for the service's parallelism, or for the line's, might go too far, there is none.
    """
    most = max(1, (limit - OWN) // (2 * EACH))
    can_search = most >= MOST_IN_FLIGHT * (1 + MOST_AHEAD)
    return replace(
        options,
        concurrency=None if options.concurrency is None and can_search else min(options.concurrency or MODEST, most),
        download_concurrency=(
            None
            if options.download_concurrency is None and most >= MOST
            else min(options.download_concurrency or FEW, most)
        ),
    )


def open_files_limit() -> int:
    """How many files this process may open, after asking for as many as it may ask for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems promise more than they keep
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
