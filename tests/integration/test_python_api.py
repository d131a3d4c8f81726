"""`runner.run` and `runner.stream`, as a program uses them."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from contextlib import nullcontext

import pytest
from support.processes import TOKEN, simulator, write_jobs

import runner
from runner.errors import ManifestInvalid, TokenMissing, UsageProblem
from runner.model import money
from runner.scheduler.tasks import Undisturbed, let_inherit


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


SLOW = "faults:\n  - {on: submit, kind: slow, seconds: 0.8, every: 2}\n"


@pytest.mark.parametrize("how", ["break", "raise"])
async def test_a_program_that_ends_inside_a_stream_waits_for_its_submits(jobs, tmp_path, how):
    """`asyncio.run` cancels every task there is: those that pay go on, and the reports are written."""
    (tmp_path / "faults.yaml").write_text(SLOW)

    async def main(service):
        async for _ in runner.stream(jobs, **options(service, tmp_path, concurrency=4)):
            if how == "raise":
                raise LookupError("the program's own")
            break

    with simulator(tmp_path, "--latency", "0.05", "--faults", "faults.yaml") as service:
        with pytest.raises(LookupError) if how == "raise" else nullcontext():
            await asyncio.to_thread(asyncio.run, main(service))
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert summary["stopped_because"] == "interrupted"
        assert {"in_doubt", "submitting"}.isdisjoint(summary["counts"])
        outcome = await runner.run(jobs, **options(service, tmp_path))
        assert (outcome.exit_code, service.ledger()["accepted"]) == (0, 12)


@pytest.mark.parametrize("is_inherited", [True, False])
def test_what_a_paid_section_begins_is_waited_for_as_well(is_inherited):
    """As the writing of a POST's body, which the end of the program must not cancel before its first step."""
    written = []

    async def write():
        await asyncio.sleep(0.05)
        written.append("body")

    async def pay():
        await asyncio.get_running_loop().create_task(write())

    async def main():
        if is_inherited:
            let_inherit()
        begun.append(Undisturbed(pay(), loop=asyncio.get_running_loop()))
        await asyncio.sleep(0)  # the program ends while the body waits for its first step

    begun = []
    asyncio.run(main())
    assert written == ["body"] * is_inherited
    assert begun[0].cancelled() is not is_inherited


async def test_a_task_that_is_cancelled_twice_loses_nothing(jobs, tmp_path):
    """The second one ends the waiting for pictures, and gives submits a few seconds."""
    (tmp_path / "faults.yaml").write_text(SLOW)
    with simulator(tmp_path, "--latency", "0.05", "--faults", "faults.yaml") as service:
        task = asyncio.create_task(runner.run(jobs, **options(service, tmp_path, concurrency=4)))
        while service.ledger()["accepted"] < 2:
            await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert {"in_doubt", "submitting"}.isdisjoint(
            json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
        )


async def test_two_runs_of_one_program_have_a_log_each(jobs, tmp_path):
    """What the other one sent is not this state's to know; the program's own logging is as it was."""
    logger = logging.getLogger("runner")
    before = logger.level, logger.propagate, list(logger.handlers)
    other = tmp_path / "more.jsonl"
    other.write_text("".join(jobs.read_text().splitlines(keepends=True)[:3]).replace("job-", "more-"))
    with simulator(tmp_path, "--latency", "0.05") as service:
        places = (tmp_path / "one", tmp_path / "two")
        runs = [
            runner.run(manifest, **options(service, tmp_path) | {"out": out})
            for manifest, out in zip((jobs, other), places, strict=True)
        ]
        assert [outcome.exit_code for outcome in await asyncio.gather(*runs)] == [0, 0]
        assert (logger.level, logger.propagate, logger.handlers) == before
        for out, name in zip(places, ("job-", "more-"), strict=True):
            told = [json.loads(line) for line in (out / "run.log").read_text().splitlines()]
            assert {line["job_id"].startswith(name) for line in told if "job_id" in line} == {True}
        again = await runner.run(jobs, **options(service, tmp_path) | {"out": places[0]})
        assert again.exit_code == 0


async def test_a_run_needs_no_main_thread(jobs, tmp_path):
    """As web servers and notebooks have it: another thread with a loop of its own; it touches no signal handler."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    with simulator(tmp_path, "--latency", "0.05") as service:
        choices = options(service, tmp_path, limit=1, on_finish=f"touch {tmp_path}/finished")
        outcome = await asyncio.to_thread(lambda: asyncio.run(runner.run(jobs, **choices)))
    assert (outcome.exit_code, (tmp_path / "finished").exists()) == (0, True)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == before


async def test_a_user_id_without_an_account_has_no_token_file(jobs, tmp_path, monkeypatch):
    """As containers have it; that is no bug of ours."""
    for name in ("RUNCOMFY_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(TokenMissing):
        await runner.run(jobs, yes=True, out=tmp_path / "out")


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


MUG = "https://photos.example.com/mug-red.jpg"
OF_EACH_MODEL = (
    {"id": "edit", "prompt": "White.", "image_urls": [MUG], "num_images": 2, "output_format": "jpeg"},
    {"id": "large", "model": "atelier/clear-upscale", "image_url": MUG, "scale": 1.5},
    {"id": "oak", "model": "atelier/restyle/image-to-image", "prompt": "On oak.", "image": MUG, "resolution": "0.5k"},
    {"id": "turn", "model": "atelier/turntable", "image_url": MUG, "duration": 3},
)


def write(path, *jobs):
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    return path


async def test_a_simulated_plan_has_the_simulators_prices(jobs, tmp_path):
    """Model by model: what is planned is what a simulated run then costs; what is paid by the second is not known."""
    manifest = write(tmp_path / "all.jsonl", *OF_EACH_MODEL)
    plan = await runner.plan(manifest, simulate=True)
    known = {"edit": money("0.078"), "large": money("0.02"), "oak": money("0.03")}
    assert {entry.job_id: entry.price for entry in plan.entries} == known | {"turn": None}
    assert plan.price is None
    priced = write(tmp_path / "priced.jsonl", *OF_EACH_MODEL[:3])
    outcome = await runner.run(priced, simulate=True, out=tmp_path / "out")
    assert outcome.summary.spent == sum(known.values()) == (await runner.plan(priced, simulate=True)).price


async def test_a_simulated_plan_judges_by_the_simulators_cards(tmp_path):
    """What a run would refuse is refused here: a field that the model does not take, a model that nobody has."""
    wrong = write(tmp_path / "wrong.jsonl", {**OF_EACH_MODEL[3], "duration": 60})
    with pytest.raises(ManifestInvalid, match=r"wrong\.jsonl:1: error\[range\]: duration must be 1 to 5, got 60"):
        await runner.plan(wrong, simulate=True)
    none = write(tmp_path / "none.jsonl", {**OF_EACH_MODEL[3], "model": "atelier/turntabel"})
    with pytest.raises(ManifestInvalid, match="does not know the model 'atelier/turntabel'"):
        await runner.plan(none, simulate=True)


async def test_a_simulated_run_takes_pictures_of_this_machine_for_any_model(tmp_path):
    """As it does for the model whose card is bundled: what is simulated may be reached over loopback."""
    url = "http://127.0.0.1:9/mug.jpg"
    manifest = write(tmp_path / "local.jsonl", {**OF_EACH_MODEL[1], "image_url": url})
    (entry,) = (await runner.plan(manifest, simulate=True)).entries
    assert entry.will_submit
