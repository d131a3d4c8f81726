"""The Python API: `run`, `stream`, `plan`, `status` and the rest of the command line, composed of the floors below.

import asyncio, runner

async def main():
    async for job in runner.stream("spring.csv", max_cost_usd="5"):
        print(job.job_id, job.state, [artifact.path for artifact in job.artifacts])

asyncio.run(main())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runner.batch.beside import serve
    from runner.batch.cards import Catalog, Pulled, Shown, card, models, pull
    from runner.batch.control import Control
    from runner.batch.exporting import Wishes, export
    from runner.batch.following import Follower, Status
    from runner.batch.loading import load, manifest_schema
    from runner.batch.options import Options
    from runner.batch.outcome import Outcome
    from runner.batch.planner import Plan, plan
    from runner.batch.running import run, stream
    from runner.batch.state import cancel, doubts, repair, report, settle_doubts, status, verify

_ROOMS = {
    "beside": ("serve",),
    "cards": ("Catalog", "Pulled", "Shown", "card", "models", "pull"),
    "control": ("Control",),
    "exporting": ("Wishes", "export"),
    "following": ("Follower", "Status"),
    "loading": ("load", "manifest_schema"),
    "options": ("Options",),
    "outcome": ("Outcome",),
    "planner": ("Plan", "plan"),
    "running": ("run", "stream"),
    "state": ("cancel", "doubts", "repair", "report", "settle_doubts", "status", "verify"),
}
"""Each is imported when it is first used: to look at a manifest nobody needs an HTTP client."""

__all__ = [
    "Catalog",
    "Control",
    "Follower",
    "Options",
    "Outcome",
    "Plan",
    "Pulled",
    "Shown",
    "Status",
    "Wishes",
    "cancel",
    "card",
    "doubts",
    "export",
    "load",
    "manifest_schema",
    "models",
    "plan",
    "pull",
    "repair",
    "report",
    "run",
    "serve",
    "settle_doubts",
    "status",
    "stream",
    "verify",
]


def __getattr__(name: str) -> Any:
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
