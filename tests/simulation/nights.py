"""Whole nights in a world of accidents, one seed each; every invariant is checked after every death.

python tests/simulation/nights.py 17            # one seed, and what happened
python tests/simulation/nights.py 0 50000       # a range of seeds, on both cores
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import hashlib
import io
import json
import logging
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from simulation import mutants
from simulation.world import World, instrument
from support.promises import PRICE, Promises, demand

import runner
from runner.batch import Control
from runner.errors import BatchError
from runner.model import canonical
from runner.simulator import Simulator, SimulatorSettings
from runner.simulator import files as simulator_files
from runner.simulator.settings import CALL_KINDS, FILE_KINDS, JOB_KINDS, FaultRule

TOKEN = "canary-token-77aa"
NIGHTS = 4
PERSONS = 3
RESTLESS = 5
LONG = {"hang": 130.0, "slow": 3.0}
"""Virtual seconds; the hang is longer than a submit's patience."""

CALLS = {"submit": CALL_KINDS, "status": CALL_KINDS, "result": CALL_KINDS, "file": FILE_KINDS, "job": JOB_KINDS}
STATUSES = {"file": [500, 503, 429, 408, 403, 404]}
REFUSALS = ("throttle", "error_in_200")
"""Answers that say in so many words that the job was not taken: no service takes it all the same."""


class Nights:
    """One seed: some jobs, some faults, some deaths, and then a last undisturbed night."""

    def __init__(self, seed, directory):
        self.world = World(seed, directory)
        self.dice = random.Random(f"nights {seed}")
        self.directory = directory
        self.cap = self.dice.randint(1, 4)
        self.inputs = {f"job-{n}": _inputs(n) for n in range(self.dice.randint(2, 8))}
        self.manifest = directory / "jobs.jsonl"
        self.journal = directory / "service.jsonl"
        self.settings = {
            "slots": self.dice.choice([1, self.cap]),
            "latency_s": self.dice.choice([0.5, 4.0, 30.0]),
            "seed": seed,
            "journal": self.journal,
        }
        self.faults = _faults(self.dice)
        self.promises = Promises(self.journal, self.inputs, cap=self.cap)
        total = self.promises.total
        self.promises.most = total if self.dice.random() < 0.7 else self.dice.randint(PRICE, total)
        self.struck = Counter()
        self.person = Person(seed, self) if seed % PERSONS == 0 else None
        self.restless = Restless(seed, self) if seed % RESTLESS == 0 else None
        self.asked = Counter()
        self._write(self.inputs)

    def run(self):
        """All nights; a short account of them, the same for the same seed."""
        for _ in range(self.dice.randint(1, NIGHTS)):
            dies_at = 1 + int(self.dice.expovariate(1 / (12 * len(self.inputs))))
            choices = self.person.decide() if self.person else {}
            self._night(self.faults, choices, dies_at=dies_at, is_power_cut=self.dice.random() < 0.4)
        self.promises.consent(self.world.disk.directory)
        exit_code = self._night((), {}, dies_at=None)
        self.promises.check_end(self.world.disk.directory, exit_code, TOKEN)
        account = {"steps": self.world.steps, "deaths": self.world.deaths, "struck": self.struck}
        return account | {"asked": self.asked, "digest": self._digest()}

    def _write(self, entries):
        self.manifest.write_text("".join(json.dumps({"id": k, **v}) + "\n" for k, v in entries.items()))

    def _night(self, faults, choices, **death):
        lived = []

        async def main(out):
            async with Simulator(SimulatorSettings(faults=faults, **self.settings)) as simulator:
                lived.append(simulator)
                simulator.book.peak_in_flight = 0
                control = Control()
                with self.restless.at(control, simulator) if self.restless else nullcontext():
                    try:
                        outcome = await runner.run(
                            self.manifest,
                            base_url=simulator.api_base,
                            token=TOKEN,
                            max_cost_usd=str(self.promises.most / 1e6),
                            out=out,
                            concurrency=self.cap,
                            control=control,
                            **choices,
                        )
                    except BatchError as error:
                        return error.exit_code
                    return outcome.exit_code

        exit_code = self.world.live(main, **death)
        for simulator in lived:
            self.struck.update({f"{rule['on']} {rule['kind']}": rule["hits"] for rule in simulator.faults.counts()})
            self.promises.peak = max(self.promises.peak, simulator.book.peak_in_flight)
        self.promises.check(self.world.disk.directory, exit_code)
        return exit_code

    def _digest(self):
        state = json.dumps(
            [*self.promises.read_state(self.world.disk.directory), self.world.steps, self.world.deaths], sort_keys=True
        )
        return hashlib.sha256(state.encode()).hexdigest()[:16]


class Person:
    """Edits the manifest between the nights, deletes files, and asks for this and that: a third of the seeds have one.

    It has dice of its own, so that the other seeds are the nights that they always were.
    """

    def __init__(self, seed, nights):
        self.dice = random.Random(f"person {seed}")
        self.nights = nights
        self.entries = dict(nights.inputs)
        promises = nights.promises
        promises.most = self.dice.choice([promises.most, 3 * promises.total])

    def decide(self):
        """Do something to the manifest and to the files; what the next run is asked for."""
        dice, promises = self.dice, self.nights.promises
        directory = self.nights.world.disk.directory
        if dice.random() < 0.5:
            job_id = dice.choice(sorted(self.entries))
            take = f"{promises.inputs[job_id]['prompt']} Again."
            self.entries[job_id] = promises.inputs[job_id] | {"prompt": take}
            promises.edit(job_id, self.entries[job_id])
            self._did("edit")
        if dice.random() < 0.3 and len(self.entries) > 1:
            del self.entries[dice.choice(sorted(self.entries))]
            self._did("remove")
        elif dice.random() < 0.3:
            self.entries = dict(promises.inputs)
            self._did("put back")
        self.nights._write(dict(dice.sample(sorted(self.entries.items()), len(self.entries))))
        files = sorted(directory.glob("images/job-*"))
        if files and dice.random() < 0.5:
            file = dice.choice(files)
            promises.taken_away.add(str(file.relative_to(directory)))
            file.unlink()
            self._did("delete")
        return self._choices(directory)

    def _choices(self, directory):
        dice, choices = self.dice, {}
        if dice.random() < 0.25:
            choices["limit"] = dice.randint(1, 3)
        elif dice.random() < 0.2:
            choices["only"] = dice.choice(sorted(self.entries))
        if dice.random() < 0.5:
            choices["rerun_changed"] = True
        if dice.random() < 0.5:
            choices["in_doubt"] = "resubmit"
        if dice.random() < 0.4:
            choices["retry"] = ("failed",)
        self.nights.promises.consent(
            directory,
            doubts="in_doubt" in choices,
            failures="retry" in choices,
            changed="rerun_changed" in choices,
        )
        for choice in choices:
            self._did(choice)
        return choices

    def _did(self, word):
        self.nights.asked[word] += 1


class Restless:
    """Somebody at the page pauses, resumes, wants fewer at once or more than is allowed: in a fifth of the seeds.

    With dice of its own, as the person. What it is promised: while it is paused nothing leaves but what had its claim.
    """

    def __init__(self, seed, nights):
        self.dice = random.Random(f"restless {seed}")
        self.nights = nights

    @contextmanager
    def at(self, control, simulator):
        """At the page while the context lasts."""
        task = asyncio.create_task(self._press(control, simulator), name="restless")
        try:
            yield
        finally:
            task.cancel()
        if task.done() and not task.cancelled() and task.exception() is not None:
            raise task.exception()

    async def _press(self, control, simulator):
        while True:
            await asyncio.sleep(self.dice.expovariate(1 / 2))
            gate = control.gate
            if gate is None:
                continue
            if self.dice.random() < 0.3:
                control.limit(self.dice.randint(1, 2 * self.nights.cap))
                self.nights.asked["cap"] += 1
                continue
            most = simulator.book.posts + len(gate._claims)
            control.pause(is_paused=True)
            await asyncio.sleep(self.dice.choice([0.0, 2.0, 400.0]))
            demand(simulator.book.posts <= most, "a paused run sends nothing", simulator.book.posts - most)
            control.pause(is_paused=False)
            self.nights.asked["pause"] += 1


def _inputs(number):
    products = ("mug", "lamp", "shoe", "vase")
    url = f"https://photos.example.com/{products[number % 4]}-red.jpg"
    return {
        "prompt": f"White, take {number}.",
        "image_urls": [url],
        "num_images": 1 + number % 2,
        "output_format": "png",
    }


def _faults(dice):
    """A few kinds of trouble, some rare and some frequent."""
    rules = []
    for on, kinds in CALLS.items():
        for kind in dice.sample(sorted(kinds), dice.randint(0, 3)):
            probability = dice.choice([0.03, 0.15, 0.5])
            seconds = LONG.get(kind, 1.0)
            retry_after = dice.choice([None, "3", "date+5"])
            status = (
                dice.choice([500, 503, 429, 408, 403, 404]) if on == "file" else dice.choice([500, 502, 503, 409, 408])
            )
            processed = dice.choice([None, True]) if on == "submit" and kind not in REFUSALS else None
            rules.append(
                FaultRule(
                    on=on,
                    kind=kind,
                    probability=probability,
                    seconds=seconds,
                    retry_after=retry_after,
                    status=status,
                    processed=processed,
                )
            )
    return tuple(rules)


@functools.cache
def _painted(key):
    """A tiny picture, different for each payload."""
    dice = random.Random(key)
    image = Image.effect_noise((24, 24), 60 + dice.random()).convert("RGB")
    image.putpixel((0, 0), tuple(dice.randbytes(3)))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


stage = SimpleNamespace(nights=None)


def prepare(mutant=None):
    """Once a process: tiny pictures, silence, steps at every commit, sync and rename; perhaps a bug put in."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    logging.raiseExceptions = False
    sys.unraisablehook = lambda _: None
    simulator_files.edit = lambda inputs, variant, seed: _painted(canonical(inputs) + bytes([variant]))
    instrument(lambda: stage.nights.world)
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)  # `play` collects what the dead left behind
    if mutant is not None:
        put_in, _ = mutants.MUTANTS[mutant]
        put_in()


def play(seed):
    """One seed in a folder of its own; its account, or the violation."""
    base = Path("/dev/shm")
    directory = Path(tempfile.mkdtemp(prefix="nights-", dir=base if base.is_dir() else None))
    try:
        stage.nights = Nights(seed, directory)
        account = stage.nights.run()
    except Exception as error:
        return {"seed": seed, "violation": f"{type(error).__name__}: {error}"}
    finally:
        if seed % 20 == 0:
            gc.collect()
        shutil.rmtree(directory, ignore_errors=True)
    return {"seed": seed, **account}


def campaign(seeds, processes=4):
    """Play many seeds; counters of everything that happened, and the violations."""
    names = ("steps", "deaths", "struck", "asked")
    total = {"seeds": 0, **{name: Counter() for name in names}, "violations": []}
    with ProcessPoolExecutor(processes, initializer=prepare) as pool:
        for account in pool.map(play, seeds, chunksize=10):
            total["seeds"] += 1
            if "violation" in account:
                total["violations"].append((account["seed"], account["violation"]))
                continue
            for name in names:
                total[name] += account[name]
    return total


def hunt(mutant, seeds):
    """Play seeds with a bug put in until a promise is broken; how often the bug acted, and what gave it away."""
    prepare(mutant)
    for seed in seeds:
        if "violation" in (account := play(seed)):
            return {"acted": mutants.acted[mutant], **account}
    return {"acted": mutants.acted[mutant], "survived": len(seeds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int, nargs="?", default=0)
    parser.add_argument("--mutant", choices=sorted(mutants.MUTANTS), help="play until this bug is found")
    arguments = parser.parse_args()
    if arguments.mutant:
        seeds = range(arguments.first, arguments.first + (arguments.count or 400))
        print(json.dumps(hunt(arguments.mutant, seeds)))
        return
    if arguments.count:
        total = campaign(range(arguments.first, arguments.first + arguments.count))
        print(json.dumps(total, indent=1))
        sys.exit(bool(total["violations"]))
    prepare()
    account = play(arguments.first)
    print(json.dumps(account, indent=1))
    sys.exit("violation" in account)


if __name__ == "__main__":
    main()
