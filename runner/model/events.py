"""What happened to a job: past tense. The state keeps each of them."""

from __future__ import annotations

from dataclasses import dataclass

from runner.model.jobs import Artifact, Failure, RemoteStatus
from runner.model.money import Money
from runner.model.requests import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a job at an instant."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitIntended(Event):
    """The connection is up and the paid POST is about to leave; committed before its first byte."""

    payload_sha256: str
    reserved: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitAccepted(Event):
    """The service took the job and named it."""

    request_id: str
    look_at: float
    """When to look for the first time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitNotSent(Event):
    """No byte of the POST left: it may be sent again."""

    failure: Failure
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitThrottled(Event):
    """The service refused for now, in full and in so many words: it may be sent again later."""

    failure: Failure
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRejected(Event):
    """The service refused this job's input for good."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitHeld(Event):
    """The service refused the account: no failure of the job, it waits for a later run."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitLost(Event):
    """Bytes left and no usable answer came: the job may have been accepted and paid, or not."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusSeen(Event):
    """The service said how the request stands."""

    status: RemoteStatus
    look_at: float
    """When to look again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFailed(Event):
    """A free call (status, result) did not work; it is made again at `retry_at`."""

    failure: Failure
    retry_at: float
    is_missing: bool = False
    """The service says that it does not know the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRead(Event):
    """The request finished well; these are its outputs."""

    outputs: tuple[str, ...]
    cost: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFailed(Event):
    """The request finished badly at the service."""

    failure: Failure
    cost: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCancelled(Event):
    """The request was cancelled at the service."""

    cost: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected(Event):
    """Every output is on disk, whole."""

    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectFailed(Event):
    """Some output did not arrive; `artifacts` did. Tried again at `retry_at` with fresh URLs, never paid again."""

    artifacts: tuple[Artifact, ...]
    failure: Failure
    retry_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputLost(Event):
    """What was paid for cannot be had any more, or must not be fetched; the request id is kept."""

    failure: Failure
    artifacts: tuple[Artifact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Event):
    """This run stopped trying: time or tries ran out. The next run goes on."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesMissing(Event):
    """A paid job's files are not all on disk, and may be had: they are fetched again, free, except `artifacts`."""

    artifacts: tuple[Artifact, ...] = ()
    """Those that are whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared(Event):
    """Another job's request was the very same, and was paid for: this job has its outputs too, under its own names.

    Of a job that shares it already: those that were missing are there again.
    """

    job_id: str
    request_id: str | None
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFailed(Event):
    """The job whose request this one shares ended badly, or is in doubt."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestShared(Event):
    """Another job's request was the very same, and its files are not what came: this job fetches its own, free."""

    job_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpoilt(Event):
    """A photo that is sent inside the request is gone or is not the one that was checked; nothing was sent."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """A new run takes the job up again: what it waited for and how often it failed is forgotten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoneAgain(Event):
    """A person pays once more for a job that may have pictures already."""

    kept: tuple[Artifact, ...] = ()
    """Those, under the names that they have from now on: nothing that was paid for is written over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRequested(DoneAgain):
    """A person wants an ended job done again, and pays for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedoRequested(DoneAgain):
    """A person rejected what a job that is done came to, and pays for it once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecChanged(DoneAgain):
    """The manifest says something else under the same id, or a review; `spec` replaces the old one, paid for anew."""

    spec: JobSpec
    instead_of: str | None = None
    """The fingerprint of the manifest's own entry, where a review has given it another prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtAttached(Event):
    """A person found the request id of an attempt in doubt."""

    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtReleased(Event):
    """A person wants an attempt in doubt sent again, knowing that both may be paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtWrittenOff(Event):
    """A person gives an attempt in doubt up."""
