"""`simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.common import run_async

if TYPE_CHECKING:
    from runner.simulator import SimulatorSettings


def _amount(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    from runner.model import money

    try:
        if value is not None and money(value) < 0:
            raise click.BadParameter("not below 0", param=param)
    except ValueError:
        raise click.BadParameter("an amount of USD, such as 12.50", param=param) from None
    return value


@click.command(short_help="Serve a stand-in RunComfy on this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 takes a free one.")
@click.option("--slots", type=click.IntRange(1), default=8, show_default=True, help="Requests that run at once.")
@click.option(
    "--latency", type=click.FloatRange(0), default=1.0, show_default=True, help="Median seconds an edit takes."
)
@click.option("--faults", type=click.Path(path_type=Path), metavar="FILE", help="YAML rules of how to misbehave.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same pixels, times and faults.")
@click.option(
    "--balance", callback=_amount, metavar="USD", help="What is in the wallet; submits are refused once it is used up."
)
@click.option("--journal", type=click.Path(path_type=Path), metavar="FILE", help="Remember requests across restarts.")
def simulate(
    *,
    port: int,
    slots: int,
    latency: float,
    faults: Path | None,
    seed: int,
    balance: str | None,
    journal: Path | None,
) -> None:
    """Serve a stand-in RunComfy on this machine: real HTTP, really edited pixels, play money, faults on demand."""
    from runner.simulator import SimulatorSettings, read_faults

    settings = SimulatorSettings(
        port=port,
        slots=slots,
        latency_s=latency,
        faults=read_faults(faults) if faults else (),
        seed=seed,
        balance_usd=balance,
        journal=journal,
    )
    run_async(_serve(settings))


async def _serve(settings: SimulatorSettings) -> None:
    import asyncio
    import signal

    from runner.simulator import serve

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, announce=click.echo, stop=stop)
