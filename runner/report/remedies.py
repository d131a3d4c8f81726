"""What to do about each way in which a job can end badly."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runner.model import FailureKind, Job, JobState, Run
from runner.rules.sharding import Shard

BY_CODE: Final = {
    "input_unreachable": "The service could not download the input image. Open its URL in a private window: it must "
    "load without a login. Mend the URL in the manifest, then run again.",
    "content_policy": "The model's policy refused the prompt or the image. Reword the prompt in the manifest, then run "
    "again.",
    "deadline": "The request was still unfinished when this run stopped looking. It is paid for: run the same command "
    "again, and it is collected free.",
    "no_balance": "The account's balance is used up. Top it up, then run the same command.",
    "token_refused": "The token was not accepted. Set a valid one, then run the same command.",
    "request_gone": "The service no longer knows the request: its result was deleted or has expired. Looking once more "
    "is free; `run --retry request_gone` pays again.",
    "host_refused": "The result points to a host that is not trusted. If you know it, trust it: the files are fetched, "
    "nothing is paid again.",
    "address_refused": "The result points into a private network. It was not fetched.",
    "cancelled": "The request was cancelled before it ran.",
    "written_off": "You gave this job up while it was in doubt.",
    "throttled": "The service asked to slow down for too long. Run the same command again, perhaps with a lower "
    "--concurrency.",
}
BY_KIND: Final = {
    FailureKind.INPUT: "The service refused the job's inputs. Mend them in the manifest, then run again.",
    FailureKind.POLICY: "This tool refused to go on, for safety.",
    FailureKind.TRANSIENT: "A passing trouble of network or service. Run the same command again.",
    FailureKind.THROTTLED: "The service asked to slow down. Run the same command again.",
    FailureKind.ACCOUNT: "The account was refused. Mend the token or top up, then run the same command.",
    FailureKind.REMOTE: "The service failed on this job. Trying it once more may work, and is paid again.",
    FailureKind.OUTPUT: "What was paid for could not be had whole. Fetching it once more is free; `run --retry` pays "
    "again. Or ask RunComfy, naming the request id.",
}


def remedy(job: Job, run: Run, directory: Path) -> tuple[str, str]:
    """A sentence on what to do, and the command that does it."""
    failure = job.failure
    if job.state is JobState.IN_DOUBT:
        text = (
            "The submit left, and no usable answer came: the job may be paid or not. Look for it on RunComfy's "
            "Generations page, then attach it, send it again, or write it off."
        )
        return text, f"runcomfy-batch doubts {shlex.quote(str(directory))}"
    text = BY_CODE.get(failure.code) or BY_KIND[failure.kind] if failure else ""
    more = ""
    if job.state is JobState.OUTPUT_LOST and failure:
        if failure.code != "host_refused":
            return text, f"runcomfy-batch verify {shlex.quote(str(directory))} --repair"
        more = "".join(f" --trust-host {shlex.quote(host)}" for host in sorted(set(map(_host, job.outputs))))
    elif job.state in (JobState.FAILED, JobState.REJECTED, JobState.CANCELLED) and failure:
        more = f" --retry {shlex.quote(failure.code)}"
    return text, again(run, directory) + more


def again(run: Run, directory: Path) -> str:
    """The command that goes on with the run."""
    words = ["runcomfy-batch", "run", run.manifest, "--out", str(directory), *run.given]
    if "--shard" not in run.given and (shard := Shard.of_folder(directory.absolute().name)) is not None:
        words += ["--shard", str(shard)]  # an older state does not tell
    return shlex.join(words + ["--simulate"] * run.is_simulated)


def _host(url: str) -> str:
    return urlsplit(url).hostname or "HOST"
