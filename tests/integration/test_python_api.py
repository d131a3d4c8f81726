"""`runner.run` and `runner.stream`, as a program uses them."""

from __future__ import annotations

import asyncio
import json

import pytest
from support.processes import TOKEN, simulator, write_jobs

import runner
from runner.errors import TokenMissing, UsageProblem


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Twelve small jobs, and no settings of the developer's own."""
    for name in ("RUNCOMFY_TOKEN", "RUNCOMFY_API_TOKEN", "YOUR_API_TOKEN", "RUNCOMFY_MODEL_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path / "none"))
    return write_jobs(tmp_path / "jobs.jsonl", 12)


def options(service, tmp_path, **more):
    return {"base_url": service.base, "token": TOKEN, "yes": True, "out": tmp_path / "out", **more}


async def test_a_stream_gives_each_job_once_as_it_ends(jobs, tmp_path):
    """Jobs that were done before are not given again."""
    with simulator(tmp_path, "--latency", "0.05") as service:
        ended = [job async for job in runner.stream(jobs, **options(service, tmp_path, limit=5))]
        assert len({job.job_id for job in ended}) == 5
        assert {str(job.state) for job in ended} == {"done"}
        assert all((tmp_path / "out" / artifact.path).exists() for job in ended for artifact in job.artifacts)
        rest = [job async for job in runner.stream(jobs, **options(service, tmp_path))]
        assert {job.job_id for job in rest} == {f"job-{n:04}" for n in range(12)} - {job.job_id for job in ended}


async def test_leaving_a_stream_saves_what_is_paid(jobs, tmp_path):
    """As an interrupt does: nothing in doubt, and the next run pays only for the rest."""
    with simulator(tmp_path, "--slots", "2", "--latency", "0.3") as service:
        stream = runner.stream(jobs, **options(service, tmp_path, concurrency=2))
        async for job in stream:
            assert str(job.state) == "done"
            break
        await stream.aclose()
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert summary["stopped_because"] == "interrupted"
        assert "in_doubt" not in summary["counts"]
        outcome = await runner.run(jobs, **options(service, tmp_path))
        assert outcome.exit_code == 0
        assert service.ledger()["accepted"] == 12


async def test_a_cancelled_task_loses_nothing(jobs, tmp_path):
    """A program that is torn down in the middle of submits: each is awaited to its outcome."""
    with simulator(tmp_path, "--slots", "2", "--latency", "0.3") as service:
        task = asyncio.create_task(runner.run(jobs, **options(service, tmp_path, concurrency=2)))
        while service.ledger()["accepted"] < 3:
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        outcome = await runner.run(jobs, **options(service, tmp_path))
        assert outcome.exit_code == 0
        assert service.ledger()["accepted"] == 12


async def test_errors_reach_the_caller(jobs, tmp_path):
    """A run that could not begin raises from the loop, and from `run`."""
    with pytest.raises(TokenMissing):
        await runner.run(jobs, yes=True, out=tmp_path / "out")
    with pytest.raises(TokenMissing):
        async for _ in runner.stream(jobs, yes=True, out=tmp_path / "out"):
            pass
    with pytest.raises(UsageProblem, match="--yes"), simulator(tmp_path) as service:
        await runner.run(jobs, **options(service, tmp_path, yes=False))


async def test_a_plan_needs_no_consent(jobs, tmp_path):
    """It sends nothing."""
    with simulator(tmp_path) as service:
        plan = await runner.plan(jobs, base_url=service.base, token=TOKEN)
        assert (len(plan.to_submit), plan.price) == (12, 12 * 39_000)
        assert service.ledger()["posts"] == 0
