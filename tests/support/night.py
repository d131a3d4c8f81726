"""One night in virtual time: the real client, scheduler, store and simulator; hours pass in a moment."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import random
import time
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

from PIL import Image
from simulation.world import EPOCH, World

import runner
from runner.batch import Control, Options, repair, settle_doubts
from runner.batch.approval import lines
from runner.errors import BatchError
from runner.model import canonical
from runner.simulator import Simulator, SimulatorSettings, misbehave, server
from runner.simulator import files as simulator_files
from runner.simulator.settings import FaultRule

TOKEN = "canary-token-77aa"


@dataclass
class Morning:
    """What there is when the night is over."""

    exit_code: int
    said: str
    ledger: dict
    seconds: float
    results: dict = field(default_factory=dict)
    summary: dict = field(default_factory=dict)

    @property
    def states(self):
        """The jobs' states, in order."""
        return [line["state"] for line in self.results.values()]

    @property
    def payments(self):
        """How often each payload was taken, the most."""
        return max(self.ledger["by_payload"].values(), default=0)


class Heard:
    """What a person is told."""

    def __init__(self):
        self.lines = []

    def failure(self, job_id, failure, word="failed"):
        self.lines.append(f"{word} {job_id} {failure.code}: {failure.message}")

    def note(self, message):
        self.lines.append(message)

    def update(self, tally, now):
        self.tally = tally

    def close(self):
        pass


class Night:
    """Nights of a few jobs over one run directory and one service that remembers."""

    def __init__(self, tmp_path, monkeypatch, jobs=3, **settings):
        monkeypatch.setattr(simulator_files, "edit", lambda inputs, variant, seed: painted(inputs, variant))
        monkeypatch.setattr(logging, "raiseExceptions", False)
        for module in (server, simulator_files, misbehave):  # the service's clock is its own, and right
            monkeypatch.setattr(module, "time", right_clock())
        self.world = World(7, tmp_path)
        self.out = self.world.disk.directory
        self.manifest = tmp_path / "jobs.jsonl"
        self.settings = {"slots": 4, "latency_s": 4.0, "journal": tmp_path / "service.jsonl"} | settings
        self.write(*({"id": f"job-{n}", "prompt": f"White, take {n}."} for n in range(jobs)))

    def write(self, *jobs):
        """The manifest's jobs."""
        url = "https://photos.example.com/mug-red.jpg"
        lines = [json.dumps({"image_urls": [url], "output_format": "png", **job}) + "\n" for job in jobs]
        self.manifest.write_text("".join(lines))

    def write_plan(self, path, **choices):
        """What a run would do, written down as `plan -o` does."""
        options = Options(out=self.out, **choices)

        async def make(_, service):
            given = replace(options, **service)
            made = await runner.plan(self.manifest, given)
            path.write_text("".join(lines(made, options)))

        self.with_service(make)

    def repair(self, *job_ids):
        """`verify --repair` of these jobs."""
        return self._mend(lambda options: repair(self.out, options, job_ids))

    def settle(self, **decisions):
        """`doubts` with what a person decided."""
        return self._mend(lambda options: settle_doubts(self.out, options, **decisions))

    def _mend(self, act):
        async def main(_):
            async with Simulator(SimulatorSettings(**self.settings)) as simulator:
                try:
                    return await act(Options(base_url=simulator.api_base, token=TOKEN))
                except BatchError as error:
                    return error

        done = self.world.live(main)
        if isinstance(done, BatchError):
            raise done
        return done

    def run(self, *faults, beside=None, token=TOKEN, manifest=None, control=None, **choices):
        """Run the manifest once; `beside` is a coroutine function that is given the control of the run."""
        control = control or Control()
        choices = {"yes": True, "out": self.out, "concurrency": 2} | choices
        rules = tuple(FaultRule(**({"every": 1} | fault if "probability" not in fault else fault)) for fault in faults)

        async def main(_):
            async with Simulator(SimulatorSettings(faults=rules, **self.settings)) as simulator:
                helper = asyncio.create_task(beside(control)) if beside else None
                began = time.monotonic()
                try:
                    outcome = await runner.run(
                        manifest or self.manifest, base_url=simulator.api_base, token=token, control=control, **choices
                    )
                    said = outcome.hold.message if outcome.hold else ""
                except BatchError as error:
                    outcome, said = error, error.message
                finally:
                    if helper is not None:
                        helper.cancel()
                        await asyncio.gather(helper, return_exceptions=True)
                return Morning(int(outcome.exit_code), said, simulator.ledger, time.monotonic() - began)

        morning = self.world.live(main)
        if (self.out / "results.jsonl").exists():
            lines = map(json.loads, (self.out / "results.jsonl").read_text().splitlines())
            morning.results = {line["job_id"]: line for line in lines}
            morning.summary = json.loads((self.out / "summary.json").read_text())
        return morning

    def plan(self, **choices):
        """What a run would do."""
        choices = {"yes": True, "out": self.out, "simulate": True} | choices
        return asyncio.run(runner.plan(self.manifest, **choices))

    def with_service(self, act):
        """Do something beside the runs while the service is there; `act` is given the simulator and the options."""

        async def main(_):
            async with Simulator(SimulatorSettings(**self.settings)) as simulator:
                await act(simulator, {"base_url": simulator.api_base, "token": TOKEN})

        self.world.live(main)

    def unstall(self):
        """The service comes to itself: what never ended goes on."""
        journal = self.settings["journal"]
        lines = [json.loads(line) | {"fault": None} for line in journal.read_text().splitlines()]
        journal.write_text("".join(json.dumps(line) + "\n" for line in lines))

    @property
    def accepted(self):
        """How many requests the service has taken in all nights."""
        journal = self.settings["journal"]
        lines = map(json.loads, journal.read_text().splitlines()) if journal.exists() else ()
        return sum("request_id" in line for line in lines)

    def log(self):
        """The lines of run.log."""
        return [json.loads(line) for line in (self.out / "run.log").read_text().splitlines()]


def right_clock():
    """The clock of a world whose `skew` is another machine's matter."""

    def now():
        return asyncio.get_running_loop().time()

    return SimpleNamespace(time=lambda: EPOCH + now(), monotonic=now, perf_counter=now)


def painted(inputs, variant):
    """A tiny picture, different for each payload."""
    dice = random.Random(canonical(inputs) + bytes([variant]))
    image = Image.effect_noise((24, 24), 60 + dice.random()).convert("RGB")
    image.putpixel((0, 0), tuple(dice.randbytes(3)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
