"""Who is told of a run: notices while it goes on, and at its end a last one and the user's command.

Nothing of it changes a run: what fails is a warning and a line in run.log, and the end waits for a while and no longer.
A command line that cannot mean anything (64) and a run directory that is in use are told to whoever typed it, alone.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.api.bases import is_loopback
from runner.batch import notices
from runner.batch.control import Control
from runner.batch.finishing import Command
from runner.batch.log import logging_to
from runner.batch.options import Options
from runner.batch.outcome import Outcome
from runner.batch.planner import Plan
from runner.errors import RunDirectoryLocked, UsageProblem
from runner.model import Job
from runner.notify import Notice, Outbox, place_of

log = logging.getLogger("runner")

WISHED = ("interrupted", "until", "max_duration", "max_cost")
"""Stops that somebody asked for: the last notice, which follows soon, is enough."""


class Telling:
    """Tells of one run, from before it begins until after it has ended. An async context manager."""

    def __init__(self, control: Control, name: str) -> None:
        self._control = control
        self._about = notices.About(name=name, directory=None)
        self._outbox = Outbox((), self._not_told)
        self._command: Command | None = None
        self._outcome: Outcome | None = None
        self._counts: Callable[[], Mapping[str, int]] = dict
        self._has_failure = False
        self._part = ""
        self._stops: set[str] = set()

    def heed(self, options: Options) -> None:
        """Whom to tell; called again when more is known. Raises `UsageProblem` for what cannot be told."""
        places = [
            place_of(url, is_local=is_loopback(re.split("[?#]", url)[0])) for url in dict.fromkeys(options.notify)
        ]
        self._outbox = Outbox(places, self._not_told)
        self._command = Command.of(options.on_finish) if options.on_finish is not None else None
        self._part = f" (shard {options.shard})" if options.shard is not None else ""

    def began(self, plan: Plan, run_id: str, counts: Callable[[], Mapping[str, int]]) -> None:
        """The run begins; `counts` says at any time how many jobs are in which state."""
        self._counts = counts
        name = f"{plan.manifest.name}{self._part}"
        self._about = replace(self._about, name=name, directory=plan.directory, run_id=run_id)
        self._put(lambda: notices.began(self._about, plan, time.time()))

    def went_bad(self, job: Job) -> None:
        """A job ended badly, or is in doubt."""
        if not self._has_failure:
            self._has_failure = True
            self._put(lambda: notices.went_bad(self._about, job, self._counts(), time.time()))

    def stopped(self, because: str, message: str) -> None:
        """Something keeps jobs from being submitted."""
        if because not in (*WISHED, *self._stops):
            self._stops.add(because)
            self._put(lambda: notices.stopped(self._about, because, message, self._counts(), time.time()))

    def ended(self, outcome: Outcome) -> None:
        """The run is over."""
        self._outcome = outcome

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        now, outcome = time.time(), self._outcome
        if outcome is not None:
            await self._end(lambda: notices.ended(self._about, outcome, now))
        elif isinstance(error, Exception) and not isinstance(error, (UsageProblem, RunDirectoryLocked)):
            await self._end(lambda: notices.failed(self._about, error, now))
        else:
            await self._outbox.abandon()

    async def _end(self, make: Callable[[], Notice]) -> None:
        """The last notice and the user's command, until they are done, late, or a person insists."""
        if self._command is None and not self._outbox.has_places:
            return
        task = asyncio.create_task(self._tell_the_end(make), name="telling")
        try:
            with self._control.last(task):
                await asyncio.wait({task})
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _tell_the_end(self, make: Callable[[], Notice]) -> None:
        with logging_to(self._directory) if self._directory is not None else nullcontext():
            notice = self._put(make)
            waits = [self._outbox.close()]
            if self._command is not None and notice is not None:
                waits.append(self._finish(self._command, notice))
            await asyncio.gather(*waits)

    async def _finish(self, command: Command, notice: Notice) -> None:
        summary = notice.document["summary"] if self._outcome is not None else None
        why = await command.run(notices.variables(notice), Path(summary) if summary is not None else None)
        if why is not None:
            self._warn("on-finish failed", f"--on-finish: {why}", command=command.name, why=why)

    def _put(self, make: Callable[[], Notice]) -> Notice | None:
        """Send a notice; a bug in the making of one is told, and that is all."""
        try:
            notice = make()
        except Exception as error:  # noqa: BLE001 a notice is no reason to stop a paid night
            self._not_told("all", f"a bug of this program ({type(error).__name__}: {error})")
            return None
        self._outbox.put(notice)
        return notice

    @property
    def _directory(self) -> Path | None:
        directory = self._about.directory
        return directory if directory is not None and directory.is_dir() else None

    def _not_told(self, place: str, why: str) -> None:
        self._warn("not notified", f"--notify {place}: not told: {why}", place=place, why=why)

    def _warn(self, event: str, message: str, **fields: str) -> None:
        if self._directory is not None:  # else there is no log to write it to
            log.warning(event, extra=fields)
        self._control.note(f"warning: {message}")
