"""Runs a manifest from Python and handles each job as it ends.

python edit_catalogue.py products.csv            # on the simulator
python edit_catalogue.py products.csv --spend 5  # on RunComfy, for at most 5 USD
"""

import argparse
import asyncio

import runner


async def main(manifest: str, spend: str | None) -> None:
    """Print a line a job, in the order in which they end; leaving the loop would stop the run gracefully."""
    async for job in runner.stream(manifest, simulate=spend is None, max_cost_usd=spend, concurrency=4):
        files = ", ".join(artifact.path for artifact in job.artifacts)
        print(f"{job.job_id}: {job.state} {files or (job.failure and job.failure.message)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("manifest")
    parser.add_argument("--spend", metavar="USD")
    arguments = parser.parse_args()
    asyncio.run(main(arguments.manifest, arguments.spend))
