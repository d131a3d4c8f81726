"""What a plan will take: time, room on the disk, and what the wallet says to its price."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from runner.api.client import RunComfy
from runner.api.wire import ApiError
from runner.model import Attempt, Money
from runner.rules.budget import budget_of
from runner.store.binding import has_state
from runner.store.reader import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a plan's submits will take, by what the run directory has seen; `None` where it has seen nothing."""

    seen: int
    """How many jobs it goes by."""
    median_s: float | None
    """From the acceptance of a job to its end."""
    seconds: float | None
    bytes: int | None
    free_bytes: int | None
    """What is free on the disk of the run directory."""
    balance: Money | None
    """What is left in the wallet."""
    left: Money | None
    """What `max_cost_usd` still allows in the run directory; `None` where nobody set it."""


def forecast(
    directory: Path, submits: int, concurrency: int, balance: Money | None, max_cost: Money | None
) -> Forecast:
    """How long so many submits take, and how much room, by what the run directory has seen."""
    history: list[tuple[float, int]] = []
    bills: list[tuple[Attempt, int]] = []
    if has_state(directory):
        with Reader(directory) as reader:
            history = reader.history()
            bills = reader.bills()
    median_s = median(seconds for seconds, _ in history) if history else None
    return Forecast(
        seen=len(history),
        median_s=median_s,
        seconds=None if median_s is None else max(median_s, submits * median_s / concurrency) if submits else 0.0,
        bytes=int(submits * median(size for _, size in history)) if history else None,
        free_bytes=_free_bytes(directory),
        balance=balance,
        left=budget_of(max_cost, bills).left,
    )


def _free_bytes(directory: Path) -> int | None:
    there = next((folder for folder in (directory, *directory.absolute().parents) if folder.is_dir()), None)
    try:
        return shutil.disk_usage(there).free if there is not None else None
    except OSError:
        return None


async def balance_of(api: RunComfy) -> Money | None:
    """What is left in the wallet; `None` where nobody tells: a plan does without."""
    try:
        return await api.balance()
    except ApiError:
        return None
