"""The Python API: `run`, `stream`, `plan`, `status` and the rest of the command line, composed of the floors below.

import asyncio, runner

async def main():
    async for job in runner.stream("spring.csv", max_cost_usd="5"):
        print(job.job_id, job.state, [artifact.path for artifact in job.artifacts])

asyncio.run(main())
"""

from runner.batch.beside import serve
from runner.batch.cards import Catalog, Pulled, Shown, card, models, pull
from runner.batch.control import Control
from runner.batch.export import Wishes, export
from runner.batch.following import Follower, Status
from runner.batch.loading import load, manifest_schema
from runner.batch.options import Options
from runner.batch.outcome import Outcome
from runner.batch.planner import Plan, plan
from runner.batch.running import run, stream
from runner.batch.state import cancel, doubts, repair, report, settle_doubts, status, verify

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
