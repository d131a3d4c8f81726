"""A run from beginning to end: lock, plan, consent, schedule, report."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from runner.api.bases import is_loopback
from runner.batch.ahead import looking_ahead
from runner.batch.approval import Approved, with_approved
from runner.batch.beside import beside
from runner.batch.collecting import check_state, collected_before, collected_first
from runner.batch.control import Control
from runner.batch.descriptors import fit, open_files_limit
from runner.batch.execution import Execution
from runner.batch.forecast import balance_of, forecast
from runner.batch.live import live_cards, with_live_rules
from runner.batch.loading import load
from runner.batch.log import logging_to
from runner.batch.options import Options, api_base, settled
from runner.batch.outcome import Outcome
from runner.batch.planner import Plan, directory_of, make_plan
from runner.batch.service import Service, connect, token_of
from runner.batch.tally import Tallier
from runner.batch.telling import Telling
from runner.errors import CannotCreate, StorageFailed, UsageProblem
from runner.manifest import Manifest, render
from runner.media.files import check_writable, sync_folder
from runner.model import Job, counted
from runner.progress import Progress
from runner.rules.pacing import MODEST
from runner.store.lock import RunLock
from runner.store.mounts import refuse_network_mount
from runner.store.store import Store

LEAST_FREE_BYTES: Final = 64 << 20
"""Below this no run begins: a full disk in the middle of a paid night is worse than a late start."""

Confirm = Callable[[Plan], bool]
"""Shows the plan to a person and asks; `False` ends the run before anything is sent."""


async def run(
    manifest_path: Path | str,
    options: Options | None = None,
    *,
    confirm: Confirm | None = None,
    progress: Progress | None = None,
    control: Control | None = None,
    on_job: Callable[[Job], None] | None = None,
    **choices: Any,
) -> Outcome:
    """Run a manifest, or go on with it: the same call again resumes.

    `choices` are the fields of `Options`. Spending needs consent: `yes=True`, `max_cost_usd`, or `confirm`.
    `on_job` is called with each job that ends. Returns when every chosen job has ended or the run was stopped;
    raises a `BatchError` where it could not begin or the disk failed.
    """
    path, options = with_approved(Path(manifest_path), options or Options(**choices))
    control = control or Control()
    async with Telling(control, path.stem) as telling:
        outcome = await _run(path, options, confirm, progress, control, on_job, telling)
        telling.ended(outcome)
    return outcome


async def _run(
    path: Path,
    options: Options,
    confirm: Confirm | None,
    progress: Progress | None,
    control: Control,
    on_job: Callable[[Job], None] | None,
    telling: Telling,
) -> Outcome:
    telling.heed(options)
    has_limit = options.max_cost is not None  # the manifest's own limit limits, and consents to nothing
    async with collected_before(path, options, control):
        is_local = options.simulate or is_loopback(api_base(options))
        manifest = await looking_ahead(path, options, partial(load, path, options, allow_loopback=is_local))
    wanted = settled(options, manifest.run)
    telling.heed(wanted)
    options = fit(wanted, open_files_limit())
    if options.concurrency != wanted.concurrency:
        control.note(f"at most {counted(options.concurrency or MODEST, 'request')} in flight: see `ulimit -n`")
    token = token_of(options)
    directory = directory_of(manifest, options)
    refuse_network_mount(directory)
    _make(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(directory))
        listener = None if options.serve is None else stack.enter_context(closing(_listener(options.serve)))
        service = await stack.enter_async_context(connect(options, token, directory))
        await check_state(directory, service)
        async with collected_first(directory, service, control, is_attended=confirm is not None):
            plan = await _planned(manifest, directory, options, service, confirm, control)
            _consent(plan, options, confirm, has_limit=has_limit)
        store = stack.enter_context(Store(directory))
        _sync_names(directory)
        stack.enter_context(logging_to(directory))
        tallier = Tallier(progress, on_job, telling.went_bad)
        execution = Execution(plan, options, service, store, control, tallier, telling.stopped)
        telling.began(plan, execution.run_id, tallier.counts)
        async with beside(directory, options, control, tallier.figures, listener):
            return await execution.run()


async def stream(manifest_path: Path | str, options: Options | None = None, **choices: Any) -> AsyncIterator[Job]:
    """The jobs of a run as they end, in the order in which they end; jobs done earlier are not given again.

    Leaving the loop stops the run as an interrupt does: POSTs in flight are awaited, the state is saved.
    Raises what `run` raises.
    """
    ended: asyncio.Queue[Job | None] = asyncio.Queue()
    control = Control()
    running = asyncio.create_task(
        run(manifest_path, options, control=control, on_job=ended.put_nowait, **choices), name="run"
    )
    running.add_done_callback(lambda _: ended.put_nowait(None))
    try:
        while (job := await ended.get()) is not None:
            yield job
    finally:
        control.stop()
        await running


def _listener(port: int) -> socket.socket:
    from runner.live.server import bound  # aiohttp's server: few runs have a page

    return bound(port)


def _make(directory: Path) -> None:
    """The run directory with room in it, and place for files; nothing is sent where they cannot be had."""
    images = directory / "images"
    try:
        images.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise CannotCreate(f"cannot create {directory}: {error.strerror}. Choose another place with --out.") from error
    try:
        check_writable(images)
    except OSError as error:
        raise CannotCreate(f"cannot write in {images}: {error.strerror}. Nothing was submitted.") from error
    if free < LEAST_FREE_BYTES:
        needed = LEAST_FREE_BYTES >> 20
        raise StorageFailed(f"{directory}: only {free >> 20} MB free, {needed} MB needed. Nothing was submitted.")


def _sync_names(directory: Path) -> None:
    """A power cut must not forget the run directory or what is in it, once the first POST has left."""
    for folder in (directory, directory.absolute().parent):
        with suppress(PermissionError):  # one may write into a folder that one may not read
            sync_folder(folder)


async def _planned(
    manifest: Manifest, directory: Path, options: Options, service: Service, confirm: Confirm | None, control: Control
) -> Plan:
    """The plan by the live cards, with a forecast where somebody is to be asked; what is odd about it is told."""
    cards = await live_cards(service.api, manifest.models)
    manifest = with_live_rules(manifest, cards, options)
    if manifest.warnings:
        control.note(render(manifest.warnings))
    plan = make_plan(manifest, directory, options, {model: card.price for model, card in cards.items()})
    if confirm is not None and plan.submits:
        at_once = options.concurrency or MODEST
        seen = forecast(directory, plan.submits, at_once, await balance_of(service.api), options.max_cost)
        plan = replace(plan, forecast=seen)
    if plan.kept and not options.rerun_changed:
        entries = "1 entry" if plan.kept == 1 else f"{plan.kept:,} entries"
        control.note(f"{entries} changed, kept as sent before: --rerun-changed pays for what the manifest says now")
    return plan


def _consent(plan: Plan, options: Options, confirm: Confirm | None, *, has_limit: bool) -> None:
    """Nobody spends by accident; raises `UsageProblem` without consent."""
    if options.simulate or not plan.submits:
        return
    if options.max_cost is not None and plan.price is None:
        raise UsageProblem(
            "--max-cost cannot be kept: the service does not state a price for every job. "
            "Use --limit N with --yes. Nothing was submitted."
        )
    if options.approved is not None:
        Approved.read(options.approved).check_money(plan, options.max_cost)
        return
    if options.yes or (has_limit and confirm is None):
        return
    if confirm is None:
        raise UsageProblem(
            f"{counted(plan.submits, 'job')} would be paid for: give --yes, or --max-cost USD as a limit. "
            "Nothing was submitted."
        )
    if not confirm(plan):
        raise UsageProblem("not confirmed. Nothing was submitted.")
