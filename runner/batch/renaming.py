"""A manifest under whose hands the names have changed: what is paid for is known by the old ones.

A run directory is named after the manifest, a job after its row. Where either takes another name unnoticed, everything
looks new and would be paid for again. So that is refused, with what to write to be understood.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from runner.errors import BatchError, ManifestInvalid, UsageProblem
from runner.manifest import Diagnostic, Manifest
from runner.model import Job
from runner.rules.sharding import Shard
from runner.store.binding import has_state
from runner.store.reader import Reader


def refuse_renamed_manifest(manifest: Path, directory: Path) -> None:
    """Raise `UsageProblem` where this very file was run in a directory beside the one that its name leads to now."""
    if any(_states_in(directory)):
        return
    if earlier := runs_of(manifest, directory.parent):
        _, folder, _ = max(earlier)
        raise UsageProblem(
            f"{manifest} was run in {folder}, and its name leads to {directory} now, where everything would be paid "
            f"for again. --out {folder} goes on there, --out {directory} begins anew. Nothing was submitted."
        )


def runs_of(manifest: Path, parent: Path) -> list[tuple[float, Path, Path]]:
    """Where this very file was run last, below `parent`: when that began, the folder there, and the run directory.

    The two are one, but for a shard's.
    """
    found = []
    for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
        for state in _states_in(folder):
            with suppress(BatchError, OSError), Reader(state) as reader:
                run = reader.last_run()
                if run is not None and Path(run.manifest).resolve() == manifest.resolve():
                    found.append((run.started_at, folder, state))
    return found


def _states_in(place: Path) -> Iterator[Path]:
    """The run directories of a place: itself, or those of its shards."""
    with suppress(OSError):
        shards = (folder for folder in place.iterdir() if Shard.of_folder(folder.name) is not None)
        yield from (folder for folder in (place, *shards) if has_state(folder))


def refuse_renamed_jobs(manifest: Manifest, directory: Path) -> None:
    """Raise `ManifestInvalid` where a column names a source's rows no more, and all that is paid for had its names."""
    unnamed = [found for found in manifest.warnings if found.code == "unnamed-rows"]
    if not unnamed or not has_state(directory):
        return
    names = {spec.job_id for spec in manifest.jobs}
    with Reader(directory) as reader:
        paid = [job for job in reader.jobs(with_gone=False) if job.was_taken and not _is_named_by_request(job)]
    for warning in unnamed:
        sheet = Path(warning.place.file or warning.file).name
        jobs = [job for job in paid if _sheet_of(job) == sheet]
        if jobs and names.isdisjoint(job.job_id for job in jobs):
            raise ManifestInvalid(_told(warning, jobs, directory))


def _told(warning: Diagnostic, jobs: list[Job], directory: Path) -> str:
    return (
        f"{warning.file}:{warning.place.line}: error[renamed-jobs]: {warning.message}. In {directory} "
        f"{len(jobs):,} of its jobs are paid for under names such as {jobs[0].job_id!r}, and none has its name now: "
        "all would be paid for again. Nothing was submitted.\n"
        "        = make that column unique again, or give each row the name it had as its id; --out begins anew"
    )


def _is_named_by_request(job: Job) -> bool:
    """Whether nothing named its row: such a job is another one as soon as it is edited, and is known to be."""
    return job.job_id.startswith(job.spec.fingerprint[:12])


def _sheet_of(job: Job) -> str:
    return Path(job.spec.source.rpartition(":")[0]).name
