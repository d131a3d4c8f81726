"""The words that every floor speaks: frozen values, no behaviour beyond reading themselves.

A *manifest* holds *job specs*. A *job* is a spec with what is known of it: its state, its paid *attempts*, its
*artifacts*. What happened is an *event* (past tense); what to do next is an *action* (imperative).

Instants are seconds since the epoch, UTC (`…_at`); durations are seconds (`…_s`); money is integer micro-USD.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any, Final, NewType, Protocol

# ---------------------------------------------------------------------------------------------------------- money

Money = NewType("Money", int)
"""Integer micro-USD. An unknown amount is `None`, never 0."""

MICRO = Decimal(1_000_000)
LARGEST = Money(10**15)
"""A billion USD. No price or cost of an edit is more, and the state holds 64 bits."""


def money(usd: Decimal | float | str) -> Money:
    """Money from a decimal amount of USD, rounded to the nearest micro-USD.

    Raises `ValueError` for what is no number, and for more than `LARGEST`, either way.
    """
    try:
        amount = Decimal(str(usd))
        if abs(amount) <= LARGEST / MICRO:  # first: a number of a million digits is never made
            return Money(int((amount * MICRO).to_integral_value(ROUND_HALF_UP)))
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"not an amount of money: {usd!r}") from error
    raise ValueError(f"not an amount of money: {usd!r}")


def in_usd(amount: Money) -> Decimal:
    """The amount in USD, exact: `Decimal("0.039")`."""
    return Decimal(amount) / MICRO


def dollars(amount: Money) -> str:
    """The amount for a person: `$1.21`, with as many digits as there are cents and fractions."""
    exact = in_usd(amount)
    return f"${exact:,.2f}" if amount % 10_000 == 0 else f"${exact.normalize():,f}"


def counted(number: int, noun: str) -> str:
    """`1 job`, `2,000 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


COUNTS: Final = frozenset(
    (
        *("num_images", "num_outputs", "num_samples", "num_results", "num_variations", "num_generations"),
        *("n", "n_images", "number_of_images", "number_of_outputs", "batch_size", "image_count"),
        *("images_count", "output_count", "max_images", "count", "quantity"),
    )
)
"""Input fields by which models are told how many outputs to make, or how many at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model's card says an edit costs. `amount` is per `unit`; `None` where the card does not say."""

    amount: Money | None
    unit: str = "output"
    note: str = ""
    counts: tuple[tuple[str, int], ...] = ()
    """The card's fields of `COUNTS` that are not 1 where they are not given, each with what they are then."""
    is_countable: bool = True
    """Whether it is known how many outputs a request makes; not where a field may say so that is not understood."""


# ---------------------------------------------------------------------------------------------------------- states


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


# ----------------------------------------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One entry of a manifest, ready to be sent: `inputs` is the body of the paid POST, nothing added."""

    job_id: str
    model: str
    inputs: Mapping[str, Any]
    fingerprint: str
    row: Mapping[str, str] = field(default_factory=dict)
    """The source's own columns, carried through to the reports."""
    source: str = ""
    """Where it stands, as `catalogue.csv:12`."""
    variant: str = ""
    """Which combination of a matrix it is, as `white, 1:1`; empty where there is none."""
    paths: tuple[str, ...] = ()
    """Where its outputs go, one path without extension each, below the run directory; empty: named after its id."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The local files that are sent inside the request: SHA-256 to absolute path. The inputs name them by their hash
    (`local_uri`), so that a photo that moved is the same request, and one that changed is another."""


LOCAL: Final = "local:"


def local_uri(mime: str, sha256: str, *, is_shrunk: bool = False) -> str:
    """How inputs name a local file, until it is sent as a `data:` URI: by what it is, never by where it lies."""
    return f"{LOCAL}{mime};sha256={sha256}" + (";shrunk" if is_shrunk else "")


def canonical(inputs: Mapping[str, Any]) -> bytes:
    """The inputs as the JSON bytes that are hashed and sent: sorted keys, no white space, UTF-8.

    Raises `ValueError` for what is not JSON, and `RecursionError` for what is too deep, or holds itself.
    """
    return "".join(_pieces(inputs, 0)).encode()


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """What gives the pieces of such a JSON text; made once, where `json.dumps` makes one for each text."""
    plain = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    if (c_make_encoder := getattr(json.encoder, "c_make_encoder", None)) is None:  # another Python than C's
        return lambda value, _: plain.iterencode(value)
    quoted = json.encoder.encode_basestring
    made: Callable[[Any, int], Iterable[str]] = c_make_encoder(
        None, plain.default, quoted, None, ":", ",", plain.sort_keys, plain.skipkeys, plain.allow_nan
    )
    return made


_pieces: Final = _encoder()


def fingerprint(model: str, inputs: Mapping[str, Any]) -> str:
    """The identity of a paid request: the SHA-256 of its model and canonical inputs, 64 hex digits."""
    return hashlib.sha256(model.encode() + b"\n" + canonical(inputs)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProblem:
    """One thing a model would not accept. `path` leads to it, as `("image_urls", 2)`; `hint` is the remedy or empty."""

    path: tuple[str | int, ...]
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFile:
    """What is known of an input file without sending it; `None` is unknown. Width and height in pixels."""

    bytes: int | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A photo on this machine that is sent inside the request; it decoded."""

    path: str
    """Absolute."""
    sha256: str
    """Of the file as it lies there, also where a smaller copy is sent."""
    mime: str
    bytes: int
    """As they are sent, at most."""
    width: int | None
    height: int | None
    is_shrunk: bool = False
    """Whether a smaller copy is sent."""


class LocalFiles(Protocol):
    """Looks at photos on this machine for the manifest reader."""

    def find(self, text: str) -> Sequence[LocalFile] | InputProblem:
        """The file at that path, or those that match a glob; or why it cannot be sent."""

    def below(self, folder: str, pattern: str) -> Sequence[str] | InputProblem:
        """The files below a folder that match a glob, as paths from there, in natural order; or why there are none."""

    def ahead(self, paths: Sequence[str]) -> Iterator[str]:
        """The paths one by one; the next ones may be looked at meanwhile."""


class InputRules(Protocol):
    """What one model accepts: the manifest reader asks, the catalog answers."""

    @property
    def model(self) -> str:
        """The model's id."""

    @property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        """Each input field's JSON Schema, by name: enough to read a spreadsheet's text cell as a number or a list."""

    @property
    def url_fields(self) -> tuple[str, ...]:
        """The fields that hold the URL, or the URLs, of media that the service fetches."""

    def problems(self, inputs: Mapping[str, Any]) -> list[InputProblem]:
        """Every way in which the inputs break the schema; empty when they may be sent. Never raises."""

    def file_problems(self, field: str, measured: MeasuredFile) -> list[InputProblem]:
        """Which of the field's limits on a file this one breaks, as far as it was measured. Never raises."""


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
        if self.state in AFTER_ACCEPTANCE:
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


# ---------------------------------------------------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class Submit:
    """Send the paid POST."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until the instant `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for the request's status."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Read the finished request's result, with its cost."""


@dataclass(frozen=True, slots=True)
class Collect:
    """Download the outputs that are not yet on disk."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop for good: what was paid for cannot be had."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop for this run: the next one goes on."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Finish:
    """There is nothing to do."""


Action = Submit | Wait | Poll | ReadResult | Collect | GiveUp | Leave | Finish

# ----------------------------------------------------------------------------------------------------------- events


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
    """Another job's request was the very same, and was paid for: this job has its outputs too, under its own names."""

    job_id: str
    request_id: str | None
    artifacts: tuple[Artifact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFailed(Event):
    """The job whose request this one shares ended badly, or is in doubt."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareMissing(Event):
    """The files of a job that shares another's request are not on disk: they are taken from there again."""


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
    """The manifest says something else under the same id; `spec` replaces the old one and is paid for anew."""

    spec: JobSpec


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
