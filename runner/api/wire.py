"""What the service's replies mean; pure.

The one question that costs money is what became of a paid POST. A reply proves one of three things: the job was
*accepted* (it has a request id), it was *refused* (a complete, explicit answer that says so), or the outcome is
*unknown*. Everything that is not proof is unknown: a gateway answers 502 or 504 after the origin has taken the job, a
captive portal answers 200 with a page, a redirect hides who answered.

Error codes come with any status, also with 200, and account trouble comes as HTTP 400; so the code is read first.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.model import Failure, FailureKind, Money, RemoteState, RemoteStatus, money

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
        return Unknown(_lost(f"HTTP {reply.status} without a usable request id: {describe_body(reply)}", reply.body))
    if reply.status in REFUSALS:
        return _refused(reply.status, code, document, reply)
    if 300 <= reply.status < 400:
        where = clean(_host(reply.headers.get("Location", "")))
        return Unknown(_lost(f"HTTP {reply.status}, a redirect to {where}", reply.body))
    return Unknown(_lost(f"HTTP {reply.status}: {describe_body(reply)}", reply.body))


def _refused(status: int, code: int | None, document: Any, reply: Reply) -> Refused:
    failure = Failure(
        kind=failure_kind(status, code),
        code=_code_name(status, code),
        message=error_message(document) or f"HTTP {reply.status}: {describe_body(reply)}",
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
    message = error_message(document) or f"HTTP {reply.status}: {describe_body(reply)}"
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


def parse_amount(value: Any) -> Money | None:
    """An amount of USD, not below 0; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        cost = money(value)
    except ValueError:
        return None
    return cost if cost >= 0 else None


# ------------------------------------------------------------------------------------------------------- vocabulary


def parse_json(body: bytes) -> Any:
    """The body as JSON; `None` where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_code(document: Any) -> int | None:
    """The six-digit code in a reply, sent as a number or as text."""
    if not isinstance(document, dict):
        return None
    for value in (document.get("error_code"), document.get("code")):
        if isinstance(value, (int, str)) and re.fullmatch(r"[1-5]\d{5}", str(value)):
            return int(value)
    return None


def error_message(document: Any) -> str:
    """The sentence in a reply that is meant for a person, on one line; empty where there is none. Never raises."""
    for _ in range(DEEPEST):
        if not isinstance(document, dict):
            return ""
        if not isinstance(document.get("error"), dict):
            break
        document = document["error"]
    texts = [document.get(key) for key in ("error_message", "message", "error", "detail")]
    found = [_sentence(text) for text in texts if text]
    return clean("; ".join(dict.fromkeys(text for text in found if text)))


DEEPEST: Final = 5
"""How far a sentence is looked for; an answer that is nested deeper means harm, and none comes of it."""
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def _sentence(value: Any, depth: int = DEEPEST) -> str:
    """A `detail` list as `field: message` pairs, as schema validators write them; anything else as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth > 0:
        return "; ".join(_sentence(item, depth - 1) for item in value[:5])
    if isinstance(value, dict):
        parts = value.get("loc")
        words = [str(part) for part in parts if isinstance(part, (str, int))] if isinstance(parts, list) else []
        place = ".".join(word for word in words if word != "body")
        said = next((said for said in (value.get("msg"), value.get("message")) if said and isinstance(said, str)), "")
        text = said or _SHORT.repr(value)
        return f"{place}: {text}" if place else text
    return _SHORT.repr(value)


def describe_body(reply: Reply) -> str:
    """A short description of a body that is not what was expected: its type, and a page's title."""
    if not reply.body.strip():
        return "an empty answer"
    kind = reply.headers.get("Content-Type", "no content type").split(";")[0]
    title = re.search(rb"<title[^>]*>(.{0,200}?)</title>", reply.body[:20_000], re.IGNORECASE | re.DOTALL)
    text = title.group(1) if title else reply.body[:120]
    return clean(f"{kind}, {text.decode('utf-8', 'replace')!r}")


def clean(text: str, longest: int = 500) -> str:
    """The text on one line, without control characters, cut to a length."""
    printable = "".join(c if c.isprintable() else " " for c in text[: longest * 4])
    folded = " ".join(printable.split())
    return folded if len(folded) <= longest else folded[: longest - 1] + "…"


def _host(url: str) -> str:
    match = re.match(r"[a-z]+://(?:[^/?#]*@)?([^/?#@]*)", url)
    return match.group(1) if match else "a place without a host"
