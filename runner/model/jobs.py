"""A job: its spec, its state, its paid attempts, the files that came out; and the run that drives it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from runner.model.money import Money
from runner.model.requests import JobSpec


class JobState(StrEnum):
    """Where a job is. The road is the first five; the rest are its exits (`runner.rules.lifecycle`)."""

    PENDING = "pending"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    RESULT_KNOWN = "result_known"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    IN_DOUBT = "in_doubt"
    OUTPUT_LOST = "output_lost"
    HELD = "held"

    @property
    def is_terminal(self) -> bool:
        """Nothing more happens to the job by itself."""
        return self not in OPEN_STATES


OPEN_STATES = frozenset(
    {JobState.PENDING, JobState.SUBMITTING, JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.HELD}
)
"""States that a later run goes on from."""
AFTER_ACCEPTANCE = frozenset(
    {
        *(JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.DONE, JobState.FAILED, JobState.CANCELLED),
        JobState.OUTPUT_LOST,
    }
)
"""States that an attempt has led to that the service took."""
WITH_RESULT = (JobState.RESULT_KNOWN, JobState.DONE, JobState.OUTPUT_LOST)
"""States of a request that came out well: its files are to be had for nothing."""


class AttemptState(StrEnum):
    """What is known of one paid try. At most one attempt of a job is ever `intent`, `accepted` or `in_doubt`."""

    INTENT = "intent"
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    FINISHED = "finished"
    IN_DOUBT = "in_doubt"
    RELEASED = "released"
    WRITTEN_OFF = "written_off"


class RemoteState(StrEnum):
    """What the service says of a request, its synonyms folded together."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStatus:
    """The service's word for a request, folded and raw. An unknown word is no failure: it counts as running."""

    state: RemoteState
    raw: str
    queue_position: int | None = None

    @property
    def is_finished(self) -> bool:
        """The service will do no more for the request: its result can be read."""
        return self.state in (RemoteState.COMPLETED, RemoteState.FAILED, RemoteState.CANCELLED)


class FailureKind(StrEnum):
    """Who can mend it: the manifest's author, the operator, time, or nobody."""

    INPUT = "input"
    POLICY = "policy"
    TRANSIENT = "transient"
    THROTTLED = "throttled"
    ACCOUNT = "account"
    REMOTE = "remote"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why something did not work. `code` groups equal failures; `message` is for a person and holds no secret."""

    kind: FailureKind
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How a picture looks, coarsely: enough to notice that it is odd. Measured where it is decoded anyway."""

    outline: str
    """Where it gets brighter from left to right, on a grid of 16 x 16: 256 bits in hex digits."""
    mean: tuple[int, int, int]
    """Its colour as a whole: red, green, blue, to 255."""
    spread: int
    """From its darkest to its brightest place, to 255."""
    corner: int
    """The least of red, green and blue in its four corners, to 255; what is transparent counts as white."""
    change: int | None = None
    """How far the place that differs most is from the same place of the input, to 255; `None`: input not at hand."""
    before: tuple[int, int] | None = None
    """The input's width and height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that came out, whole: it decoded, and this is its hash. `path` is relative to the run directory."""

    path: str
    sha256: str
    bytes: int
    width: int | None
    height: int | None
    format: str
    source_url: str
    """Where it came from, without the query: a presigned query is a key."""
    index: int = 1
    """Which output it is, from 1."""
    traits: Traits | None = None
    """`None` for videos, and for what an older version fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One paid try of a job, numbered from 1."""

    number: int
    state: AttemptState
    payload_sha256: str
    intended_at: float
    reserved: Money | None = None
    """The price set aside before sending; `None` where the price is not known."""
    request_id: str | None = None
    accepted_at: float | None = None
    finished_at: float | None = None
    cost: Money | None = None
    """What the service says it charged; `None` until it says so."""
    failure: Failure | None = None

    @property
    def may_be_paid(self) -> bool:
        """Whether it was taken, or nobody can know."""
        return self.state not in (AttemptState.NOT_SENT, AttemptState.REFUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A spec and all that is known of it. Only `runner.rules.lifecycle.advance` makes a new one from an event."""

    spec: JobSpec
    position: int = 0
    """Its place in the manifest, from 0."""
    state: JobState = JobState.PENDING
    attempts: tuple[Attempt, ...] = ()
    remote: RemoteStatus | None = None
    outputs: tuple[str, ...] = ()
    """The result's URLs, whole: a presigned query stays in the state and goes nowhere else."""
    artifacts: tuple[Artifact, ...] = ()
    failure: Failure | None = None
    ready_at: float = 0.0
    """Nothing is done for the job before this instant."""
    tries: int = 0
    """Failures of the current step in a row; each step starts from 0."""
    polls: int = 0
    polled_at: float | None = None
    missing_since: float | None = None
    """Since when the service answers 404 for the request."""
    is_stale: bool = False
    """The result's URLs did not serve, or are from an earlier run: read again, free, before the next download."""
    is_left: bool = False
    """This run does no more for the job; the next one goes on."""
    finished_at: float | None = None
    shared_from: str | None = None
    """The job whose request this one shares: it was paid once, for both."""
    shared_request: str | None = None
    """That request's id."""

    @property
    def job_id(self) -> str:
        """The user's id."""
        return self.spec.job_id

    @property
    def turn(self) -> int:
        """The index of the attempt that its state is about, -1 where there is none.

        That is the latest; but one that was taken stays it where a person wanted another and that was refused.
        """
        index = len(self.attempts) - 1
        if index > 0 and self.state in AFTER_ACCEPTANCE:
            index = next((n for n in range(index, -1, -1) if self.attempts[n].may_be_paid), index)
        return index

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that its state is about."""
        return self.attempts[self.turn] if self.attempts else None

    @property
    def request_id(self) -> str | None:
        """That attempt's request id; of a job that shares another's request, that one's."""
        if self.shared_request is not None or not self.attempts:
            return self.shared_request
        return self.attempts[self.turn].request_id

    @property
    def was_taken(self) -> bool:
        """Whether the service may ever have been paid for the job, or for one that it shares with."""
        return self.shared_from is not None or any(attempt.may_be_paid for attempt in self.attempts)

    @property
    def is_written_off(self) -> bool:
        """Whether a person gave the latest attempt up while it was in doubt: it may be paid for all the same."""
        attempt = self.attempt
        return self.state is JobState.FAILED and attempt is not None and attempt.state is AttemptState.WRITTEN_OFF

    @property
    def submitted_at(self) -> float | None:
        """When its attempt was accepted; where it is not known, when it was intended."""
        attempt = self.attempt
        return None if attempt is None else attempt.accepted_at or attempt.intended_at

    @property
    def cost(self) -> Money | None:
        """What all attempts together cost; `None` where the service has not said so for one that it accepted."""
        paid = [attempt for attempt in self.attempts if attempt.may_be_paid]
        known = [a.cost for a in paid if a.cost is not None]
        return Money(sum(known)) if len(known) == len(paid) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One execution of the command over a run directory."""

    run_id: str
    name: str
    manifest: str
    api_base: str
    is_simulated: bool
    started_at: float
    finished_at: float | None = None
    exit_code: int | None = None
    stopped_because: str | None = None
    time_limit: str | None = None
    """`--max-duration`, as the user wrote it."""
    ends_at: float | None = None
    """When that time is over, also for a run that goes on after a kill."""
    given: tuple[str, ...] = ()
    """The words of the command that shaped the jobs, as `--shard 1/3`; none is known of an older state's run."""
