"""The user's command at the end of a run: once, without a shell, for a while."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

from runner.api.token import VARIABLES
from runner.errors import UsageProblem

LIMIT_S: Final = 600.0
"""How long the command may take: it may well copy pictures somewhere."""
GRACE_S: Final = 5.0
STDERR: Final = 2
WITHHELD: Final = (*VARIABLES, "RUNCOMFY_BATCH_RUN_ON_FINISH")
"""The token, and what would make a run that the command starts end with the same command, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that can be run."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> Self:
        """The command in a line, its words told apart as a shell would; raises `UsageProblem` where there is none."""
        try:
            words = tuple(shlex.split(line))
        except ValueError as error:
            raise UsageProblem(f"--on-finish {line!r}: {str(error).lower()}") from error
        if not words:
            raise UsageProblem("--on-finish: it is empty")
        if shutil.which(words[0]) is None:
            raise UsageProblem(
                f"--on-finish: there is no command {words[0]!r}. It is run without a shell; with one: sh -c '…'"
            )
        return cls(words=words)

    @property
    def name(self) -> str:
        """The command without its arguments, which may hold what is for nobody else."""
        return self.words[0]

    async def run(self, variables: Mapping[str, str], summary: Path | None, limit_s: float = LIMIT_S) -> str | None:
        """Run it to its end; why it failed, or `None`. What it prints goes to stderr.

        On its stdin is the file `summary`. It is ended, and what it started with it, after `limit_s` seconds, and when
        this is cancelled.
        """
        env = {key: value for key, value in os.environ.items() if key not in WITHHELD} | dict(variables)
        try:
            with _opened(summary) as stdin:
                process = await asyncio.create_subprocess_exec(
                    *self.words, stdin=stdin, stdout=STDERR, stderr=STDERR, env=env, start_new_session=True
                )
        except OSError as error:
            return f"{self.name}: {error.strerror}"
        try:
            async with asyncio.timeout(limit_s):
                code = await process.wait()
        except TimeoutError:
            return f"{self.name}: ended after {limit_s:.0f} s"
        finally:
            if process.returncode is None:
                await _end(process)
        return None if code == 0 else f"{self.name}: {_told(code)}"


def _opened(summary: Path | None) -> BinaryIO:
    there = summary if summary is not None and summary.is_file() else Path(os.devnull)
    return there.open("rb")


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ask the command and what it started to end, then insist."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await process.wait()
                return


def _told(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"ended by signal {-code}"
