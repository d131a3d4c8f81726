"""The pictures that made room for others: whether each is still there, and where one is not, where to have it again.

A job that is done again keeps its former picture: under its name until the new request is taken, then under another. It
was paid for like any other, by a request that the service knows for some days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from runner.api.wire import ApiError
from runner.batch.service import Service
from runner.catalog.outputs import output_urls
from runner.media.download import Downloader
from runner.media.files import verify as verify_file
from runner.media.values import Fetched, FetchSpec, SecretUrl
from runner.model import Artifact, Failure
from runner.rules.names import path_before, stem_of_file
from runner.store.reader import Reader


def broken_kept(reader: Reader, directory: Path) -> Iterator[tuple[str, Artifact, str | None, Failure]]:
    """Each kept picture that is not as it was recorded: its job's id, the picture, the request that it came from, why.

    One that a kill kept from making room is where it was.
    """
    for job_id, artifact, request_id in reader.former_pictures():
        failure = verify_file(directory, artifact)
        if failure is None:
            continue
        before = replace(artifact, path=path_before(artifact.path))
        job = reader.job(job_id)
        is_new = job is not None and any(own.path == before.path for own in job.artifacts)
        if is_new or verify_file(directory, before) is not None:
            aside = " (kept when the job was done again)" if artifact.path != before.path else ""
            told = replace(failure, message=failure.message + aside)
            yield job_id, artifact, request_id, told


async def fetch_kept(reader: Reader, service: Service, directory: Path, job_ids: Collection[str]) -> list[str]:
    """Fetch the broken ones of these jobs again, free; a sentence for each that is lost.

    Raises `StorageFailed`.
    """
    broken = [found for found in broken_kept(reader, directory) if found[0] in job_ids]
    lost = []
    async with Downloader(directory, service.hosts, run_id=uuid4().hex[:12]) as downloader:
        for job_id, artifact, request_id, _ in broken:
            why = await _fetch(service, downloader, job_id, artifact, request_id)
            if why is not None:
                lost.append(f"{job_id}: {artifact.path} is lost: {why}")
    return lost


async def _fetch(
    service: Service, downloader: Downloader, job_id: str, artifact: Artifact, request_id: str | None
) -> str | None:
    """Put the picture where it was kept; what keeps it from being there, if something does."""
    if request_id is None:
        return "which request it came from is not known"
    try:
        urls = [url for _, url in output_urls((await service.api.result(request_id)).output)]
    except ApiError as error:
        return f"{error.failure.message} ({request_id})"
    if artifact.index > len(urls):
        return f"its request has no such output any more ({request_id})"
    stem, url = stem_of_file(artifact.path), SecretUrl(urls[artifact.index - 1])
    outcome = await downloader.fetch(FetchSpec(job_id=job_id, index=artifact.index, url=url, stem=stem))
    if not isinstance(outcome, Fetched):
        return f"{outcome.failure.message} ({request_id})"
    is_it = outcome.artifact.sha256 == artifact.sha256
    return None if is_it else f"its request has another file now, which is there in its place ({request_id})"
