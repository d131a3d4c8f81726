"""A disk of one's own: a program in a mount namespace, where a tiny or a read-only file system harms nobody."""

from __future__ import annotations

import subprocess
from functools import cache

UNSHARE = ("unshare", "--map-root-user", "--mount")


def on_own_disk(*command: str, setup: str, otherwise: str) -> list[str]:
    """The command line that runs `command` after the shell's `setup`; after `otherwise` where nobody may mount."""
    prefix, first = (UNSHARE, setup) if _may_mount() else ((), otherwise)
    return [*prefix, "bash", "-c", f'{first} && exec "$@"', "bash", *command]


def tiny_disk(*command: str) -> list[str]:
    """Run with a disk of 1 MB at `disk`; elsewhere no file may grow beyond that, which fails in the same way."""
    return on_own_disk(*command, setup="mount -t tmpfs -o size=1m tmpfs disk", otherwise="ulimit -f 1024")


@cache
def _may_mount() -> bool:
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
