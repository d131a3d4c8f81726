"""A large night, made up: jobs of a catalogue in every state, a few small pictures that they share."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image

from runner.model import (
    Artifact,
    Attempt,
    AttemptState,
    Failure,
    FailureKind,
    Job,
    JobSpec,
    JobState,
    Money,
    Run,
    Traits,
)
from runner.store.binding import Binding
from runner.store.rows import changes, insertion
from runner.store.store import Store

AT = 1_700_000_000.0
RUN = Run(
    run_id="20231114T221320Z-a1b2c3",
    name="spring",
    manifest="manifests/spring.csv",
    api_base="https://model-api.runcomfy.net/v1",
    is_simulated=False,
    started_at=AT,
    finished_at=AT + 28_800,
    exit_code=1,
)
VARIANTS = ("white", "kitchen", "garden")
PICTURES = 12
LOST = Failure(kind=FailureKind.INPUT, code="input_unreachable", message="could not download image_urls[0]: HTTP 404")
SILENT = Failure(kind=FailureKind.TRANSIENT, code="no_usable_answer", message="HTTP 502: text/html, 'Bad gateway'")


def jobs_of(number: int) -> list[Job]:
    """So many jobs; of each hundred one failed, of each thousand one is in doubt."""
    return [_job(n) for n in range(number)]


def pictures_of(directory: Path) -> None:
    """The pictures that they name."""
    (directory / "images").mkdir(exist_ok=True)
    for number in range(PICTURES):
        color = (200 - 12 * number, 90 + 9 * number, 60 + 15 * number)
        Image.new("RGB", (96, 96), color).save(directory / f"images/p{number}.jpg")


def _job(n: int) -> Job:
    variant = VARIANTS[n % len(VARIANTS)]
    inputs = {
        "prompt": f"Put product number {n} on a {variant} background. Keep the shape, the colour and the label.",
        "image_urls": [f"https://cdn.shop.example/photos/{n}.jpg"],
        "aspect_ratio": "1:1",
    }
    spec = JobSpec(
        job_id=f"job-{n}",
        model="google/nano-banana/edit",
        inputs=inputs,
        fingerprint=f"{n:064x}",
        row={"SKU": f"{n:06}", "Title": f"Product {n}"},
        source=f"spring.csv:{n // len(VARIANTS) + 2}",
        variant=variant,
    )
    began = AT + n * 0.5
    attempt = Attempt(
        number=1,
        state=AttemptState.FINISHED,
        payload_sha256="p",
        intended_at=began,
        reserved=Money(39_000),
        request_id=f"{n * 2_654_435_761 % 2**64:032x}",
        accepted_at=began + 0.4,
        finished_at=began + 9 + n % 7,
        cost=Money(39_000),
    )
    if n % 1000 == 7:
        lost = Attempt(
            number=1, state=AttemptState.IN_DOUBT, payload_sha256="p", intended_at=began, reserved=Money(39_000)
        )
        return Job(spec=spec, position=n, state=JobState.IN_DOUBT, attempts=(lost,), failure=SILENT)
    if n % 100 == 3:
        return Job(
            spec=spec, position=n, state=JobState.FAILED, attempts=(attempt,), failure=LOST, finished_at=began + 9
        )
    picture = Artifact(
        path=f"images/p{n % PICTURES}.jpg",
        sha256=f"{n % PICTURES:064x}",
        bytes=2_345,
        width=96,
        height=96,
        format="jpeg",
        source_url="https://cdn.example/o",
        traits=Traits(
            outline=f"{random.Random(n).getrandbits(256):064x}",
            mean=(n % 251, n % 241, n % 239),
            spread=5 if n % 500 == 11 else 200,
            corner=200 if n % 90 == 30 else 255,
        ),
    )
    return Job(
        spec=spec,
        position=n,
        state=JobState.DONE,
        attempts=(attempt,),
        artifacts=(picture,),
        finished_at=began + 11 + n % 7,
    )


def state_of(directory: Path, jobs: list[Job], run: Run = RUN, *, is_over: bool = True) -> None:
    """A run directory with the state of these jobs, as a run would have left it."""
    directory.mkdir(exist_ok=True)
    with Store(directory) as store:
        store.bind(Binding(api_base=run.api_base, account="0" * 16, is_simulated=run.is_simulated), run.started_at)
        known = [Job(spec=job.spec, position=job.position) for job in jobs]
        rows = [insertion(job) for job in known]
        rows += [statement for before, after in zip(known, jobs, strict=True) for statement in changes(before, after)]
        store._writer.write_now(rows)
        store.begin_run(run)
        if is_over:
            store.end_run(run)
