"""A resume asks about what is paid while it still reads its manifest, in real time."""

import asyncio
import json
import threading
import time

import pytest

import runner
from runner.batch import Control, Options, ahead
from runner.batch.ahead import looking_ahead
from runner.errors import ManifestInvalid
from runner.model import JobState
from runner.simulator import Simulator, SimulatorSettings
from runner.simulator.settings import FaultRule
from runner.store.lock import RunLock
from runner.store.reader import Reader
from runner.store.store import Store

TOKEN = "canary-token-77aa"
WAIT_S = 20.0


@pytest.fixture
def resume(tmp_path, monkeypatch):
    """A night that was left with both of its requests under way; then something is done with its manifest."""
    monkeypatch.setattr(ahead, "LARGE", 0)
    manifest = tmp_path / "jobs.jsonl"
    url = "https://photos.example.com/mug-red.jpg"
    jobs = [{"id": f"{n}", "prompt": f"On white, take {n}.", "image_urls": [url]} for n in range(2)]
    manifest.write_text("".join(json.dumps(job) + "\n" for job in jobs))

    def resume(act, *faults):
        async def main():
            settings = SimulatorSettings(latency_s=1.0, journal=tmp_path / "service.jsonl", faults=faults)
            async with Simulator(settings) as simulator:
                given = {"base_url": simulator.api_base, "token": TOKEN, "out": tmp_path / "out"}
                control = Control()

                async def leave():
                    async with asyncio.timeout(WAIT_S):
                        while counts(tmp_path / "out").get(JobState.SUBMITTED) != 2:
                            await asyncio.sleep(0.02)
                    control.stop()
                    control.stop()

                leaving = asyncio.create_task(leave())
                await runner.run(manifest, Options(yes=True, **given), control=control)
                await leaving
                return await act(manifest, Options(**given))

        return asyncio.run(main())

    return resume


def counts(directory):
    try:
        with Reader(directory) as reader:
            return reader.counts()
    except runner.errors.BatchError:
        return {}


def test_results_are_read_while_the_manifest_is(resume, tmp_path):
    """They are on the disk before it is; then the run goes on from there, and pays for nothing."""

    def read():
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            if counts(tmp_path / "out") == {JobState.RESULT_KNOWN: 2}:
                return "read"
            time.sleep(0.02)
        return "too late"

    async def act(manifest, options):
        time.sleep(1.2)  # the service is done by then
        found = await looking_ahead(manifest, options, read)
        with RunLock(tmp_path / "out"):  # nobody holds it any more
            pass
        outcome = await runner.run(manifest, Options(yes=True, **vars_of(options)))
        return found, outcome.exit_code, counts(tmp_path / "out")

    assert resume(act) == ("read", 0, {JobState.DONE: 2})
    ids = [json.loads(line)["request_id"] for line in (tmp_path / "service.jsonl").read_text().splitlines()]
    assert len(set(ids)) == 2


def test_the_service_is_asked_while_the_state_is_still_opened(resume, monkeypatch):
    """A large one is looked over for seconds before it can be written to."""
    reading = threading.Event()
    was_asked = []

    class LargeStore(Store):
        def __init__(self, directory):
            was_asked.append(reading.wait(WAIT_S))
            super().__init__(directory)

    monkeypatch.setattr(ahead, "Store", LargeStore)
    monkeypatch.setattr(ahead, "HEAD_START_S", 2 * WAIT_S)

    async def act(manifest, options):
        return await looking_ahead(manifest, options, lambda: reading.set() or "read")

    assert resume(act) == "read"
    assert was_asked == [True]


def vars_of(options):
    return {name: getattr(options, name) for name in ("base_url", "token", "out")}


@pytest.mark.parametrize("is_locked", [True, False])
def test_what_keeps_from_looking_ahead_is_left_to_the_run(resume, tmp_path, is_locked):
    """Another process at work; another account's token, which proves nothing here. The manifest is read."""

    async def act(manifest, options):
        if is_locked:
            with RunLock(tmp_path / "out"):
                return await looking_ahead(manifest, options, lambda: time.sleep(0.3) or "read")
        other = Options(**vars_of(options) | {"base_url": "http://127.0.0.1:9/v1"})
        return await looking_ahead(manifest, other, lambda: time.sleep(0.3) or "read")

    assert resume(act) == "read"
    assert counts(tmp_path / "out") == {JobState.SUBMITTED: 2}


@pytest.mark.parametrize(
    "fault",
    [
        FaultRule(on="job", kind="fail", every=1),
        FaultRule(on="result", kind="throttle", every=1, retry_after="60"),
    ],
)
def test_what_came_to_nothing_is_left_to_the_run(resume, tmp_path, fault):
    """Which tells of it, and waits for a word; a service that has enough is not asked again and again."""

    async def act(manifest, options):
        time.sleep(1.2)
        return await looking_ahead(manifest, options, lambda: time.sleep(0.5) or "read")

    assert resume(act, fault) == "read"
    assert counts(tmp_path / "out") == {JobState.SUBMITTED: 2}


def test_a_manifest_that_cannot_be_read_is_refused_as_ever(resume, tmp_path):
    """And what is paid for is collected first."""

    async def act(manifest, options):
        manifest.write_text("{")
        with pytest.raises(ManifestInvalid, match="not JSON"):
            await runner.run(manifest, Options(yes=True, **vars_of(options)))
        return counts(tmp_path / "out")

    assert resume(act) == {JobState.DONE: 2}


def test_where_nothing_was_run_the_manifest_is_just_read(tmp_path):
    async def main():
        return await looking_ahead(tmp_path / "jobs.csv", Options(out=tmp_path / "none"), lambda: "read")

    assert asyncio.run(main()) == "read"
