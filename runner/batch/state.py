"""What can be asked of a run directory, and done to it, between runs."""

from __future__ import annotations

import shlex
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from runner.api.wire import REQUEST_ID, ApiError
from runner.batch.account import check_account
from runner.batch.control import Control
from runner.batch.driving import cancel_queued, check_answers, collect, settle_open_intents
from runner.batch.following import Follower, Status, run_of
from runner.batch.kept import broken_kept, fetch_kept
from runner.batch.options import Options, settled
from runner.batch.service import Service, connect, token_of
from runner.batch.sharing import Sharing
from runner.errors import ExitCode, InputMissing, UsageProblem
from runner.media.files import verify as verify_file
from runner.media.files import whole_ones
from runner.model import (
    WITH_RESULT,
    DoubtAttached,
    DoubtReleased,
    DoubtWrittenOff,
    Event,
    Failure,
    FailureKind,
    Job,
    JobState,
    counted,
)
from runner.report import Earlier, Summary, write_reports
from runner.rules.planning import OPEN
from runner.store.binding import has_state
from runner.store.lock import RunLock, is_locked
from runner.store.reader import Reader
from runner.store.store import Store

NOT_FETCHED: Final = "not_fetched"
"""The code of what is paid for and was not collected yet: the same run command does."""
DOUBTFUL: Final = (JobState.SUBMITTING, JobState.IN_DOUBT)


def status(directory: Path) -> Status:
    """How the run directory stands; raises `InputMissing` where there is no state."""
    with Follower(directory) as follower:
        return follower.look()


def report(directory: Path, compare: Path | None = None) -> Summary:
    """Write the four reports again, from the state alone; the page compares with the run directory `compare`."""
    with Reader(directory) as reader:
        earlier = _earlier(compare, directory) if compare is not None else None
        return write_reports(directory, run_of(reader, directory), reader.jobs, earlier=earlier, kept=reader.kept())


def _earlier(folder: Path, directory: Path) -> Earlier:
    with Reader(folder) as reader:
        name = f"{run_of(reader, folder).name}, {folder}"
        return Earlier(name, folder, directory, reader.jobs(), reader.gone())


def doubts(directory: Path) -> list[Job]:
    """The jobs whose paid POST was never answered in a usable way; where nothing runs, also those cut off in it."""
    with Reader(directory) as reader:
        if is_locked(directory):
            return list(reader.jobs([JobState.IN_DOUBT]))
        return [*reader.jobs(DOUBTFUL), *reader.wedged()]


async def settle_doubts(
    directory: Path,
    options: Options,
    *,
    attach: Mapping[str, str] | None = None,
    resubmit: Iterable[str] = (),
    write_off: Iterable[str] = (),
) -> list[Job]:
    """Do what a person decided about jobs in doubt; the jobs as they are now.

    `attach` is checked with the API: the request must exist, and be of the job's model. All names are checked before
    the first change.
    """
    attach = dict(attach or {})
    wanted = [*attach, *resubmit, *write_off]
    if len(set(wanted)) != len(wanted):
        raise UsageProblem("a job is named twice: choose one of --attach, --resubmit and --write-off for it")
    if len(set(attach.values())) != len(attach):
        raise UsageProblem("--attach: one request id is given to two jobs, and a request belongs to one")
    _check_there(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(directory))
        with Reader(directory) as reader:
            wedged = {job.job_id: job for job in reader.wedged()}
            check_doubts(
                lambda job_id: wedged.get(job_id) or reader.job(job_id), directory, attach, [*resubmit, *write_off]
            )
        if attach:
            await _check_attached(directory, options, attach)
        store = stack.enter_context(Store(directory))
        now = time.time()
        settle_open_intents(store, now)
        events: dict[str, Event] = {job_id: DoubtAttached(at=now, request_id=r) for job_id, r in attach.items()}
        events |= {job_id: DoubtReleased(at=now) for job_id in resubmit}
        events |= {job_id: DoubtWrittenOff(at=now) for job_id in write_off}
        settled = []
        for job_id, event in events.items():
            job = store.job(job_id)
            if job is not None and (job.state is JobState.IN_DOUBT or job.is_written_off):
                job = store.record_now(job, event)
            settled.append(job)  # else its request was found beside the state: it is as good as attached
        return [job for job in settled if job is not None]


def check_doubts(
    find: Callable[[str], Job | None], directory: Path, attach: Iterable[str], others: Iterable[str]
) -> None:
    """Raise `UsageProblem` unless these jobs are in doubt; one that was given up can be attached all the same."""
    for names, with_written_off in ((attach, True), (others, False)):
        for job_id in names:
            job = find(job_id)
            if job is None or not (job.state in DOUBTFUL or (with_written_off and job.is_written_off)):
                raise UsageProblem(
                    f"job {job_id!r} is not in doubt; `runcomfy-batch doubts {shlex.quote(str(directory))}` lists them"
                )


async def _check_attached(directory: Path, options: Options, attach: Mapping[str, str]) -> None:
    """Each request id must be one that the service knows and that no other job has."""
    with Reader(directory) as reader:
        jobs = {job.job_id: job for job in reader.jobs()}
        taken = {attempt.request_id: job.job_id for job in jobs.values() for attempt in job.attempts}
    for job_id, request_id in attach.items():
        if not REQUEST_ID.fullmatch(request_id):
            raise UsageProblem(f"--attach {job_id}: {request_id!r} does not look like a request id")
        if request_id in taken:
            raise UsageProblem(f"--attach {job_id}: {request_id} belongs to job {taken[request_id]!r} already")
    async with open_service(directory, options) as service:
        for job_id, request_id in attach.items():
            try:
                result = await service.api.result(request_id)
            except ApiError as error:
                raise UsageProblem(
                    f"--attach {job_id}: the service does not confirm {request_id}: {error.failure.message}"
                ) from error
            if result.model not in (None, model := jobs[job_id].spec.model):
                raise UsageProblem(f"--attach {job_id}: {request_id} ran {result.model}, and the job is for {model}")


async def cancel(
    directory: Path, options: Options, job_ids: Iterable[str] = (), control: Control | None = None
) -> list[tuple[Job, str]]:
    """Ask the service to cancel open requests, all or those of some jobs.

    What could be cancelled is recorded; what could not is followed to its end, since it bills all the same. Each job as
    it is then, with what the service had said in a word.
    """
    control = control or Control()
    wanted = set(job_ids)
    _check_there(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(directory))
        store = stack.enter_context(Store(directory))
        known = {job.job_id for job in store.jobs([JobState.SUBMITTED])}
        if unknown := sorted(wanted - known):
            raise UsageProblem(f"not at the service: {', '.join(unknown)}")
        service = await stack.enter_async_context(open_service(directory, options))
        settle_open_intents(store, time.time())
        open_ = [job for job in store.jobs([JobState.SUBMITTED]) if not wanted or job.job_id in wanted]
        if open_:
            control.note(f"asking RunComfy to cancel {counted(len(open_), 'request')}; Ctrl-C leaves")
        await check_answers(service, open_)
        outcomes = await cancel_queued(store, service, wanted or None)
        still = sum(outcome != "cancelled" for outcome in outcomes.values())
        if still:
            control.note(f"{counted(still, 'request')} cannot be cancelled: followed to the end, Ctrl-C leaves")
        jobs = [job for job_id in outcomes if (job := store.job(job_id))]
        await collect(store, service, directory, jobs, control)
        run = store.last_run()
        if run is not None and run.finished_at is None:  # it was killed, and this is how it ended
            code = ExitCode.STOPPED_EARLY
            store.end_run(replace(run, finished_at=time.time(), exit_code=code, stopped_because="cancelled"))
        return [(job, outcome) for job_id, outcome in outcomes.items() if (job := store.job(job_id))]


def verify(directory: Path) -> dict[str, list[Failure]]:
    """Whether every file that was paid for is here, and is what was recorded; what is not, by job."""
    broken: dict[str, list[Failure]] = {}
    with Reader(directory) as reader:
        for job in reader.jobs((JobState.SUBMITTED, *WITH_RESULT)):
            failures = [failure for a in job.artifacts if (failure := verify_file(directory, a)) is not None]
            if job.state is not JobState.DONE:
                open_ = Failure(
                    kind=FailureKind.OUTPUT, code=NOT_FETCHED, message=f"not fetched yet ({job.request_id})"
                )
                failures.append(open_ if job.state is JobState.SUBMITTED else job.failure or open_)
            if failures:
                broken[job.job_id] = failures
        for job_id, _, _, failure in broken_kept(reader, directory):
            broken.setdefault(job_id, []).append(failure)
    return broken


async def repair(
    directory: Path, options: Options, job_ids: Collection[str], control: Control | None = None
) -> list[Job]:
    """Fetch the files of these paid jobs, free: again, or for the first time; the jobs as they are then.

    Also those that made room for others; which of them are lost is told.
    """
    control = control or Control()
    _check_there(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(RunLock(directory))
        service = await stack.enter_async_context(open_service(directory, options))
        store = stack.enter_context(Store(directory))
        jobs = [job for job_id in job_ids if (job := store.job(job_id)) and _has_more(directory, job)]
        await check_answers(service, jobs)
        sharing = Sharing(store, directory)
        for are_shared in (False, True):  # what comes for one serves the others
            if not control.is_stopped:
                some = [job for job in jobs if (job.shared_from is not None) is are_shared]
                fetched = [_to_fetch(sharing, directory, job) for job in some]
                await collect(store, service, directory, fetched, control)
        if not control.is_stopped:
            for lost in await fetch_kept(store, service, directory, job_ids):
                control.note(lost)
        return [found for job in jobs if (found := store.job(job.job_id))]


def _has_more(directory: Path, job: Job) -> bool:
    """Whether something of the job is paid for and is not here."""
    if job.state is JobState.DONE:
        return len(whole_ones(directory, job.artifacts)) < len(job.artifacts)
    return job.state in (JobState.SUBMITTED, *WITH_RESULT)


def _to_fetch(sharing: Sharing, directory: Path, job: Job) -> Job:
    if job.state in OPEN:
        return job
    return sharing.find_missing(job, whole_ones(directory, job.artifacts))


def _check_there(directory: Path) -> None:
    """A command about a run makes none."""
    if not has_state(directory):
        raise InputMissing(f"no state in {directory}: is this a run directory?")


@asynccontextmanager
async def open_service(directory: Path, options: Options) -> AsyncIterator[Service]:
    """The service that the state belongs to; raises `StateMismatch` for another one, or another account's token."""
    with Reader(directory) as reader:
        binding = reader.binding()
    options = settled(options, {})
    if binding is not None and binding.is_simulated:
        options = replace(options, simulate=True)
    elif binding is not None and options.base_url is None:
        options = replace(options, base_url=binding.api_base)
    async with connect(options, token_of(options), directory) as service:
        with Reader(directory) as reader:
            await check_account(reader, service, directory)
        yield service
