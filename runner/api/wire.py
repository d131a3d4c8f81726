"""What the service's replies mean; pure.

The one question that costs money is what became of a paid POST. A reply proves one of three things: the job was
*accepted* (it has a request id), it was *refused* (a complete, explicit answer that says so), or the outcome is
*unknown*. Everything that is not proof is unknown: a gateway answers 502 or 504 after the origin has taken the job, a
captive portal answers 200 with a page, a redirect hides who answered.

Error codes come with any status, also with 200, and account trouble comes as HTTP 400; so the code is read first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.api.bodies import clean, describe_body, error_code, error_message, parse_amount, parse_json
from runner.model import Failure, FailureKind, Money, RemoteState, RemoteStatus

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""What a request id may look like; anything else would be an injection into a URL."""

REFUSALS: Final = frozenset(
    {400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 417, 421, 422, 425, 426, 428, 429, 431, 451}
)
"""Statuses by which a server says that it did not take the request (RFC 9110 §15.5, RFC 6585). 408, 409 and 423 are
not among them: they may follow work that was done."""

# ---------------------------------------------------------------------------------------------------------- replies


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service took the job; it is paid for."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The service said no, in full. `failure.kind` tells whose matter it is: input, account or throttled."""

    failure: Failure
    retry_after: str | None = None
    date: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """No byte of the POST left."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Unknown:
    """Bytes left, and nothing proves what became of them."""

    failure: Failure


SubmitReply = Accepted | Refused | NotSent | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A complete HTTP response: its body is whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What `/result` says: a status, and where it is finished the raw output, the cost and the error."""

    status: RemoteStatus
    output: Any
    cost: Money | None
    failure: Failure | None
    model: str | None = None
    """The model that ran, where the service says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One page of the catalog: the models' documents as they came, and how many there are in all."""

    models: tuple[Mapping[str, Any], ...]
    total: int


class ApiError(Exception):
    """A free call did not work. `failure` says why; `is_missing`: the service does not know the request."""

    def __init__(
        self, failure: Failure, *, is_missing: bool = False, retry_after: str | None = None, date: str | None = None
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.is_missing = is_missing
        self.retry_after = retry_after
        self.date = date


# ---------------------------------------------------------------------------------------------------------- submits


def classify_submit(reply: Reply) -> SubmitReply:
    """What a reply to a paid POST proves."""
    document = parse_json(reply.body)
    code = error_code(document)
    if 200 <= reply.status < 300:
        request_id = document.get("request_id") if isinstance(document, dict) else None
        if isinstance(request_id, str) and REQUEST_ID.fullmatch(request_id):
            return Accepted(request_id)
        if code is not None and code // 1000 in REFUSALS and not _NAMES_ONE.search(reply.body):
            return _refused(code // 1000, code, document, reply)
        return Unknown(
            _lost(
                f"HTTP {reply.status} without a usable request id: {_described(reply)}",
                reply.body,
            )
        )
    if reply.status in REFUSALS:
        return _refused(reply.status, code, document, reply)
    if 300 <= reply.status < 400:
        where = clean(_host(reply.headers.get("Location", "")))
        return Unknown(_lost(f"HTTP {reply.status}, a redirect to {where}", reply.body))
    return Unknown(_lost(f"HTTP {reply.status}: {_described(reply)}", reply.body))


def _refused(status: int, code: int | None, document: Any, reply: Reply) -> Refused:
    failure = Failure(
        kind=failure_kind(status, code),
        code=_code_name(status, code),
        message=error_message(document) or f"HTTP {reply.status}: {_described(reply)}",
    )
    return Refused(failure, reply.headers.get("Retry-After"), reply.headers.get("Date"))


def _lost(what: str, body: bytes) -> Failure:
    return Failure(
        kind=FailureKind.TRANSIENT,
        code="no_usable_answer",
        message=what + named_request(body, is_whole=parse_json(body) is not None),
    )


_NAMED: Final = re.compile(rb'"request_id"\s*:\s*"([A-Za-z0-9_-]{1,128})"')
_NAMES_ONE: Final = re.compile(rb'"request_?id"\s*:(?!\s*(?:null|""))', re.IGNORECASE)
"""Whatever form the id has, and wherever it stands: such an answer is no proof of a refusal."""


def named_request(body: bytes, *, is_whole: bool) -> str:
    """The request id in an answer that proves nothing, as a hint for the person who looks for it; or nothing."""
    if (found := _NAMED.search(body)) is None:
        return ""
    return f"; it named the request id {found.group(1).decode()}{'' if is_whole else ' before it broke off'}"


def failure_kind(status: int, code: int | None) -> FailureKind:
    """Whose matter a refusal is, by its error code where there is one, else by its status."""
    if code in (400002, 400004) or (code or status * 1000) // 1000 in (401, 402, 403) or status in (401, 402, 403):
        return FailureKind.ACCOUNT
    if status in (421, 425, 429) or (code or 0) // 1000 == 429:
        return FailureKind.THROTTLED
    return FailureKind.INPUT


def _code_name(status: int, code: int | None) -> str:
    names = {400001: "wrong_model", 400002: "no_balance", 400004: "token_refused", 403001: "no_access"}
    if code in names:
        return names[code]
    by_status = {401: "token_refused", 402: "no_balance", 403: "no_access", 404: "wrong_model", 429: "throttled"}
    by_status |= {413: "too_large", 422: "invalid_input"}
    return by_status.get(status, f"http_{status}")


# ------------------------------------------------------------------------------------------------------------ reads

WORDS: Final = {
    **dict.fromkeys(("in_queue", "queued", "pending", "waiting"), RemoteState.QUEUED),
    **dict.fromkeys(("in_progress", "starting", "processing", "running"), RemoteState.RUNNING),
    **dict.fromkeys(("completed", "succeeded", "success"), RemoteState.COMPLETED),
    **dict.fromkeys(("failed", "error"), RemoteState.FAILED),
    **dict.fromkeys(("cancelled", "canceled"), RemoteState.CANCELLED),
}
"""The service's words and the synonyms its own clients have met, in any letter case."""
LONGEST_QUEUE: Final = 10**9
"""A place further back is nonsense, and perhaps more than the state can hold."""


def parse_status(reply: Reply) -> RemoteStatus:
    """The status in a reply to `/status`; raises `ApiError` for anything else."""
    return _status(_read_document(reply))


def parse_result(reply: Reply) -> Result:
    """The reply to `/result`; raises `ApiError` for anything else. Unfinished requests answer with their status."""
    document = _read_document(reply)
    if "status" not in document and document.get("output") is not None:
        document = {**document, "status": "completed"}
    status = _status(document)
    failure = None
    if status.state is RemoteState.FAILED:
        failure = _remote_failure(document)
    model = document.get("model_id")
    return Result(
        status=status,
        output=document.get("output"),
        cost=parse_amount(document.get("cost")),
        failure=failure,
        model=model if isinstance(model, str) else None,
    )


def parse_document(reply: Reply) -> Mapping[str, Any]:
    """Any other JSON object, such as a card; raises `ApiError`."""
    return _read_document(reply)


def parse_listing(reply: Reply) -> Listing:
    """The reply to `/models`; raises `ApiError` for anything else. An entry without an id is left out."""
    document = _read_document(reply)
    entries = document.get("models")
    if not isinstance(entries, list):
        raise ApiError(Failure(kind=FailureKind.TRANSIENT, code="no_models", message="the answer lists no models"))
    models = tuple(entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("model_id"), str))
    count = document.get("total")
    total = count if isinstance(count, int) and not isinstance(count, bool) else 0
    return Listing(models=models, total=max(total, len(models)))


def _read_document(reply: Reply) -> dict[str, Any]:
    document = parse_json(reply.body)
    code = error_code(document)
    is_answer = isinstance(document, dict) and (code is None or "status" in document)
    if reply.status == 200 and isinstance(document, dict) and is_answer:
        return document
    status = code // 1000 if reply.status == 200 and code is not None else reply.status
    message = error_message(document) or f"HTTP {reply.status}: {_described(reply)}"
    if status in (404, 410):
        raise ApiError(Failure(kind=FailureKind.OUTPUT, code="request_gone", message=message), is_missing=True)
    kind = failure_kind(status, code)
    if kind is FailureKind.INPUT:  # a read has no input: whatever is wrong may pass
        name = "not_json" if status == 200 else f"http_{status}"
        failure = Failure(kind=FailureKind.TRANSIENT, code=name, message=message)
    else:
        failure = Failure(kind=kind, code=_code_name(status, code), message=message)
    raise ApiError(failure, retry_after=reply.headers.get("Retry-After"), date=reply.headers.get("Date"))


def _status(document: Mapping[str, Any]) -> RemoteStatus:
    raw = document.get("status")
    if not isinstance(raw, str) or not raw.strip():
        message = "the answer holds no status"
        raise ApiError(Failure(kind=FailureKind.TRANSIENT, code="no_status", message=message))
    word = re.sub(r"[\s-]+", "_", raw.strip().lower())
    place = document.get("queue_position")
    is_place = isinstance(place, int) and not isinstance(place, bool) and 0 <= place <= LONGEST_QUEUE
    position = place if is_place else None
    return RemoteStatus(state=WORDS.get(word, RemoteState.UNKNOWN), raw=clean(raw, 64), queue_position=position)


def _remote_failure(document: Mapping[str, Any]) -> Failure:
    error = document.get("error")
    code = error.get("code") if isinstance(error, dict) else document.get("error_code")
    word = str(code) if isinstance(code, (str, int)) else ""
    name = re.sub(r"\W+", "_", word)[:64].strip("_").lower() or "remote_failed"
    message = error_message(document) or "the service says that the request failed, and no more"
    return Failure(kind=FailureKind.REMOTE, code=name, message=message)


def _described(reply: Reply) -> str:
    return describe_body(reply.body, reply.headers.get("Content-Type", ""))


def _host(url: str) -> str:
    match = re.match(r"[a-z]+://(?:[^/?#]*@)?([^/?#@]*)", url)
    return match.group(1) if match else "a place without a host"
