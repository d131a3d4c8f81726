"""The service of a run: RunComfy itself, or the simulator that stands in for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from runner.api.client import RunComfy
from runner.api.token import Token
from runner.batch.options import Options, api_base, hosts_of, token_for, wallet_base
from runner.media.guard import HostPolicy
from runner.model import LOCAL, Job
from runner.rules.pacing import MODEST
from runner.store.binding import Binding

SIMULATOR: Final = "simulator"
"""What a simulated state is bound to: the simulator's port changes from run to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An open client, what a state used with it is bound to, and which hosts its files may come from."""

    api: RunComfy
    binding: Binding
    hosts: HostPolicy


@asynccontextmanager
async def connect(options: Options, token: Token, directory: Path) -> AsyncIterator[Service]:
    """Open the client; for `--simulate` start a simulator on a free loopback port first."""
    concurrency = options.ceiling
    if not options.simulate:
        base = api_base(options)
        async with RunComfy(base, token, max_in_flight=concurrency, wallet=wallet_base()) as api:
            binding = Binding(api_base=api.base, account=token.fingerprint, is_simulated=False)
            yield Service(api=api, binding=binding, hosts=hosts_of(options))
        return
    from runner.simulator import Simulator, SimulatorSettings

    settings = SimulatorSettings(journal=directory / "simulator.jsonl", slots=options.concurrency or MODEST)
    async with Simulator(settings) as simulator, RunComfy(simulator.api_base, token, max_in_flight=concurrency) as api:
        binding = Binding(api_base=SIMULATOR, account=token.fingerprint, is_simulated=True)
        yield Service(api=api, binding=binding, hosts=hosts_of(options))


def token_of(options: Options) -> Token:
    """The account's token; the simulator takes any."""
    return Token(SIMULATOR, "the simulator") if options.simulate else token_for(options)


def draw_inputs(directory: Path, jobs: Iterable[Job]) -> None:
    """Keep the photos that a simulated run's input URLs stand for, so that its report can show before and after."""
    from runner.simulator import draw_photo, images_of

    folder = directory / "inputs"
    folder.mkdir(exist_ok=True)
    for job in jobs:
        for url in images_of(job.spec.model, job.spec.inputs).values():
            path = folder / f"{sha256(url.encode()).hexdigest()[:16]}.jpg"
            if not path.exists() and not url.startswith(("data:", LOCAL)):  # what was sent is at hand
                path.write_bytes(draw_photo(url))
