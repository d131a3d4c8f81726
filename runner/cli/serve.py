"""`serve`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.common import RUN_DIR, run_async

if TYPE_CHECKING:
    from runner.live.server import LiveServer


@click.command(short_help="Show a run directory's page while another process runs it.")
@RUN_DIR
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
def serve(run_dir: Path, port: int) -> None:
    """Show RUN_DIR's page on 127.0.0.1 until Ctrl-C; it follows a run that goes on in another process.

    Verdicts on pictures are kept in RUN_DIR/review.json. /metrics and /healthz need no token.
    """
    run_async(_serve(run_dir, port))


async def _serve(run_dir: Path, port: int) -> None:
    import asyncio
    import signal
    from contextlib import suppress

    from runner.batch import serve as serve_page

    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await serve_page(run_dir, port, _announce)


def _announce(server: LiveServer) -> None:
    click.echo(f"page  {server.url}", err=True)
    tunnel = f"ssh -L {server.port}:127.0.0.1:{server.port} THIS_MACHINE"
    click.echo(f"from another machine, first: {tunnel}; Ctrl-C ends", err=True)
