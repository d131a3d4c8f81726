"""Jobs as rows and back; pure. One place knows the columns."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeVar

from runner.errors import StateMismatch
from runner.model import (
    Artifact,
    Attempt,
    AttemptState,
    Event,
    Failure,
    FailureKind,
    Job,
    JobSpec,
    JobState,
    RemoteState,
    RemoteStatus,
    Traits,
)

Word = TypeVar("Word", bound=StrEnum)
Statement = tuple[str, tuple[Any, ...]]
"""SQL and its parameters."""

_FAILURE = ("failure_kind", "failure_code", "failure_message")
SENT: Final = ("model", "fingerprint", "inputs", "files", "paths")
SPEC: Final = (*SENT, "row", "source", "variant")
"""A job that may be paid keeps what it was sent with; where it stands in the manifest may change."""
_PROGRESS = (
    *("state", "remote_state", "remote_raw", "queue_position", "outputs", *_FAILURE, "ready_at", "tries", "polls"),
    *("polled_at", "missing_since", "is_stale", "is_left", "finished_at", "shared_from", "shared_request"),
)
_ATTEMPT = (
    *("number", "state", "payload_sha256", "intended_at", "reserved", "request_id", "accepted_at", "finished_at"),
    *("cost", *_FAILURE),
)
_ARTIFACT = ("number", "path", "sha256", "bytes", "width", "height", "format", "source_url", "traits")


def _insert(table: str, columns: tuple[str, ...], verb: str = "INSERT") -> str:
    return f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"


INSERT_JOB: Final = _insert("jobs", ("job_id", "position", *SPEC, *_PROGRESS))
UPDATESPEC: Final = f"UPDATE jobs SET {', '.join(f'{c} = ?' for c in SPEC)} WHERE job_id = ?"  # noqa: S608
UPDATE_PROGRESS: Final = f"UPDATE jobs SET {', '.join(f'{c} = ?' for c in _PROGRESS)} WHERE job_id = ?"  # noqa: S608
INSERT_EVENT: Final = "INSERT INTO events (at, job_id, kind, data) VALUES (?, ?, ?, ?)"
INSERT_ATTEMPT: Final = _insert("attempts", ("job_id", *_ATTEMPT))
_SET = ", ".join(f"{c} = ?" for c in _ATTEMPT[1:])
UPDATE_ATTEMPT: Final = f"UPDATE attempts SET {_SET} WHERE job_id = ? AND number = ?"  # noqa: S608
REPLACE_ARTIFACT: Final = _insert("artifacts", ("job_id", *_ARTIFACT), "INSERT OR REPLACE")
DELETE_ARTIFACT: Final = "DELETE FROM artifacts WHERE job_id = ? AND number = ?"

SELECT_JOBS: Final = f"""
    SELECT job_id, position, {", ".join(SPEC)}, {", ".join(_PROGRESS)},
           (SELECT json_group_array(json_array({", ".join(_ATTEMPT)})) FROM attempts a WHERE a.job_id = j.job_id),
           (SELECT json_group_array(json_array({", ".join(_ARTIFACT)})) FROM artifacts f WHERE f.job_id = j.job_id)
    FROM jobs j
"""  # noqa: S608
"""Whole jobs, one row each."""


def insertion(job: Job) -> Statement:
    """Writes a job that the state does not know."""
    return INSERT_JOB, (job.job_id, job.position, *spec_values(job.spec), *_progress_values(job))


def changes(before: Job, after: Job, *events: Event) -> Iterator[Statement]:
    """Writes the events that led from one to the other, and what they changed; together they are one transaction."""
    for event in events:
        yield INSERT_EVENT, (event.at, after.job_id, type(event).__name__, _event_data(event))
    if after.spec is not before.spec:
        yield UPDATESPEC, (*spec_values(after.spec), after.job_id)
    yield UPDATE_PROGRESS, (*_progress_values(after), after.job_id)
    for old, new in zip(before.attempts, after.attempts, strict=False):
        if old is not new:  # before a new one comes: at most one may be open
            number, *values = _attempt_values(new)
            yield UPDATE_ATTEMPT, (*values, after.job_id, number)
    for attempt in after.attempts[len(before.attempts) :]:
        yield INSERT_ATTEMPT, (after.job_id, *_attempt_values(attempt))
    for number in sorted({a.index for a in before.artifacts} - {a.index for a in after.artifacts}):
        yield DELETE_ARTIFACT, (after.job_id, number)
    for artifact in after.artifacts:
        if artifact not in before.artifacts:
            yield REPLACE_ARTIFACT, (after.job_id, *_artifact_values(artifact))


_NAMED: Final = ("job_id", "position", *SPEC)


def job_of(row: tuple[Any, ...]) -> Job:
    """The job that a row of `SELECT_JOBS` holds."""
    spec = dict(zip(_NAMED, row, strict=False))
    values = dict(zip(_PROGRESS, row[len(spec) :], strict=False))
    return Job(
        spec=JobSpec(
            job_id=spec["job_id"],
            model=spec["model"],
            inputs=_value(spec["inputs"]),
            fingerprint=spec["fingerprint"],
            row=_value(spec["row"]),
            source=spec["source"],
            variant=spec["variant"],
            paths=tuple(_value(spec["paths"])),
            files=_value(spec["files"]),
        ),
        position=spec["position"],
        state=word(JobState, values["state"]),
        attempts=tuple(map(_attempt_of, sorted(_value(row[-2])))),  # by number, which stands first
        remote=_remote_of(values),
        outputs=tuple(_value(values["outputs"])),
        artifacts=tuple(map(_artifact_of, sorted(_value(row[-1])))),
        failure=_failure_of(*(values[column] for column in _FAILURE)),
        ready_at=values["ready_at"],
        tries=values["tries"],
        polls=values["polls"],
        polled_at=values["polled_at"],
        missing_since=values["missing_since"],
        is_stale=bool(values["is_stale"]),
        is_left=bool(values["is_left"]),
        finished_at=values["finished_at"],
        shared_from=values["shared_from"],
        shared_request=values["shared_request"],
    )


def word(kind: type[Word], text: str) -> Word:
    """The word that stands in a row; raises `StateMismatch` for one that this version does not know."""
    try:
        return kind(text)
    except ValueError as error:
        raise StateMismatch(
            f"the state holds the word {text!r} ({kind.__name__}), which this version does not know: it was written by "
            "a newer version of runcomfy-batch. Upgrade to go on."
        ) from error


def spec_values(spec: JobSpec) -> tuple[Any, ...]:
    """The values of the columns `SPEC`."""
    sent = (spec.model, spec.fingerprint, json_text(spec.inputs), json_text(spec.files), json_text(spec.paths))
    return (*sent, json_text(spec.row), spec.source, spec.variant)


def _progress_values(job: Job) -> tuple[Any, ...]:
    remote = (job.remote.state, job.remote.raw, job.remote.queue_position) if job.remote else (None, None, None)
    times = (job.ready_at, job.tries, job.polls, job.polled_at, job.missing_since)
    flags = (int(job.is_stale), int(job.is_left), job.finished_at, job.shared_from, job.shared_request)
    return job.state, *remote, json_text(job.outputs), *_failure_values(job.failure), *times, *flags


def _attempt_values(attempt: Attempt) -> tuple[Any, ...]:
    values = [getattr(attempt, column) for column in _ATTEMPT[: -len(_FAILURE)]]
    return (*values, *_failure_values(attempt.failure))


def _artifact_values(artifact: Artifact) -> tuple[Any, ...]:
    traits = _json(dataclasses.asdict(artifact.traits)) if artifact.traits is not None else None
    return (artifact.index, *(getattr(artifact, column) for column in _ARTIFACT[1:-1]), traits)


def _failure_values(failure: Failure | None) -> tuple[Any, ...]:
    return (failure.kind, failure.code, failure.message) if failure else (None, None, None)


def _failure_of(kind: str | None, code: str, message: str) -> Failure | None:
    return Failure(kind=word(FailureKind, kind), code=code, message=message) if kind else None


def _remote_of(values: Mapping[str, Any]) -> RemoteStatus | None:
    if values["remote_state"] is None:
        return None
    state = word(RemoteState, values["remote_state"])
    return RemoteStatus(state=state, raw=values["remote_raw"], queue_position=values["queue_position"])


def _attempt_of(item: list[Any]) -> Attempt:
    values = dict(zip(_ATTEMPT[: -len(_FAILURE)], item, strict=False))
    values["state"] = word(AttemptState, values["state"])
    return Attempt(**values, failure=_failure_of(*item[-len(_FAILURE) :]))


def _artifact_of(item: list[Any]) -> Artifact:
    number, *values, traits = item
    plain = dict(zip(_ARTIFACT[1:-1], values, strict=True))
    return Artifact(index=number, traits=_traits_of(_value(traits)) if traits else None, **plain)


def _traits_of(values: dict[str, Any]) -> Traits:
    """Lists become the tuples that they were."""
    before = values["before"]
    values["mean"] = tuple(values["mean"])
    values["before"] = None if before is None else tuple(before)
    return Traits(**values)


def artifact_of_event(values: Mapping[str, Any]) -> Artifact:
    """A picture that an event names."""
    traits = values["traits"]
    return Artifact(**dict(values) | {"traits": None if traits is None else _traits_of(traits)})


def _event_data(event: Event) -> str:
    return _json({field.name: getattr(event, field.name) for field in dataclasses.fields(event) if field.name != "at"})


def _plain(value: Any) -> dict[str, Any]:
    """What JSON has no word for: a value of ours within an event, a mapping that cannot be changed."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(value)


_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode
"""One encoder for all: `json.dumps` makes a new one each time."""
_parsed: Final = json.JSONDecoder().raw_decode


def json_text(value: Collection[Any]) -> str:
    """A list or a mapping as the JSON of a column."""
    return _json(value) if value else "{}" if isinstance(value, Mapping) else "[]"


def _value(text: str) -> Any:
    """What the JSON of a column says; most of them are empty."""
    return [] if text == "[]" else {} if text == "{}" else _parsed(text)[0]
