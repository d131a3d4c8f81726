"""What an input URL turned out to be, judged by what its server answered; pure.

The service's limits are documented in MB; a megabyte is read as 1,000,000 bytes here, so that what is called good is
good in either reading.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from runner.media.pages import ELSEWHERE, asks_for_login, direct_form, is_page, one_line, title_of
from runner.media.sniff import HEADERS, format_of, size_of
from runner.media.values import SecretUrl, shown

Kind = Literal["image", "video", "audio"]
"""What a model wants in the place of the URL."""

LOOKED_AT: Final = 1 << 16
"""Bytes of a file that are fetched: enough for its format, and mostly for its width and height."""
MB: Final = 1_000_000
LARGEST: Final[Mapping[Kind, int]] = {"image": 50 * MB, "video": 100 * MB, "audio": 100 * MB}
"""In bytes. Nothing is documented for audio; it is measured like a video, and being larger is only a warning."""
TAKEN: Final[Mapping[Kind, frozenset[str]]] = {
    "image": frozenset({"png", "jpeg", "webp"}),
    "video": frozenset({"mp4", "mov", "webm"}),
    "audio": frozenset({"mp3", "wav", "m4a", "mp4", "ogg", "flac", "aac"}),
}
PERHAPS: Final[Mapping[Kind, frozenset[str]]] = {
    "image": frozenset({"gif", "bmp", "tiff", "avif", "heic", "jxl", "jp2"}),
    "video": frozenset({"mkv", "avi", "gif"}),
    "audio": frozenset({"mov", "webm", "mkv"}),
}
"""The right kind of thing, but nothing says that the service takes the format."""
PASSING: Final = frozenset({408, 425, 429})
"""Client errors that time mends; so do all server errors."""
THERE: Final = "open it in a browser's private window; mend the address, or upload the file anew"
UPLOAD: Final = "upload the file anew"
PUBLIC: Final = "the service fetches without a login: make the file public, or presign its URL"
LATER: Final = "it may serve when the run asks; check again later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something about a good input that a person should know."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """The service can fetch it, and it is what is wanted. `None` where the server or the beginning does not tell."""

    format: str
    bytes: int | None
    width: int | None
    height: int | None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """The service cannot use it. The message holds no query: that may be a key."""

    code: str
    message: str
    hint: str = ""
    is_certain: bool = True
    """Whether another try would bring the same; else it may pass when the run asks."""


Look = Good | Bad


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, behind all redirects."""

    asked: SecretUrl
    url: SecretUrl
    """Where the redirects led to."""
    status: int
    headers: Mapping[str, str]
    """Names in any letter case."""
    head: bytes = b""
    """The beginning of the body, at most `LOOKED_AT` bytes."""
    has_ended: bool = False
    """Whether nothing follows it."""

    @property
    def is_from_start(self) -> bool:
        """Whether a part that was asked for is the first one."""
        return self.headers.get("Content-Range", "").strip().startswith("bytes 0-")

    @property
    def place(self) -> str:
        """For a person: what was asked, and where that led."""
        asked, found = shown(self.asked), shown(self.url)
        return asked if asked == found else f"{asked} leads to {found}, which"


def judge(answer: Answer, kind: Kind, *, said: int | None = None) -> Look:
    """What the answer to a GET means for an input of that kind; `said` is the size by an earlier HEAD."""
    if answer.status not in (200, 206):
        return refusal(answer)
    head = plain(answer)
    if head is None:
        message = f"{answer.place} comes compressed in a way that was not asked for"
        return Bad(code="input-unreachable", message=message, is_certain=False)
    if not head:
        return Bad(code=f"input-not-{kind}", message=f"{answer.place} is empty", hint=UPLOAD)
    form = format_of(head)
    if form is None and is_page(head, answer.headers.get("Content-Type", "")):
        return _page(answer, head)
    if form not in TAKEN[kind] | PERHAPS[kind]:
        return _other(answer, kind, form, head)
    size = size_by(answer)
    size = said if size is None else size
    if size is not None and size > LARGEST[kind]:
        return too_large(answer, kind, size)
    return _good(answer, kind, form, head, size)


def refusal(answer: Answer) -> Bad:
    """What an answer means that is not the file."""
    status, place = answer.status, answer.place
    if "challenge" in (answer.headers.get("cf-mitigated"), answer.headers.get("x-amzn-waf-action")):
        message = f"{place} stands behind a bot wall (HTTP {status})"
        return Bad(code="input-login", message=message, hint="the service is a program: serve it the file without one")
    if status in (400, 401, 403) and _says_expired(answer):
        message = f"{place} says that the URL has expired (HTTP {status})"
        return Bad(code="input-expired", message=message, hint="presign it anew, until the run is over")
    if status in (401, 403, 407):
        return Bad(code="input-login", message=f"{place} needs a login or is forbidden (HTTP {status})", hint=PUBLIC)
    if status in (404, 410):
        return Bad(code="input-not-found", message=f"{place} is not there (HTTP {status})", hint=THERE)
    if status == 429:
        message = f"{place} is asked too often (HTTP 429)"
        return Bad(code="input-unreachable", message=message, hint=LATER, is_certain=False)
    if status >= 500 or status in PASSING:
        message = f"{place} is in trouble (HTTP {status})"
        return Bad(code="input-unreachable", message=message, hint=LATER, is_certain=False)
    return Bad(code="input-unreachable", message=f"{place} does not serve a file (HTTP {status})", hint=THERE)


def too_large(answer: Answer, kind: Kind, size: int) -> Bad:
    """It is, by what its server says."""
    most = LARGEST[kind] // MB
    message = f"{answer.place} is {size / MB:.1f} MB large; the limit is {most} MB"
    hint = "make it smaller"
    return Bad(code="input-too-large", message=message, hint=hint, is_certain=kind != "audio")


def size_by(answer: Answer) -> int | None:
    """The whole file's size in bytes, where the answer tells it."""
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        return None  # the length is that of the compressed form
    if answer.status == 206:
        found = re.fullmatch(r"bytes 0-[0-9]+/([0-9]{1,18})", answer.headers.get("Content-Range", "").strip())
        return int(found[1]) if found else None
    length = answer.headers.get("Content-Length", "")
    if re.fullmatch(r"[0-9]{1,18}", length):
        return int(length)
    return len(answer.head) if answer.has_ended else None


def plain(answer: Answer) -> bytes | None:
    """The beginning of the body, at most `LOOKED_AT` bytes, unpacked where somebody packed it; `None`: unknown how."""
    match answer.headers.get("Content-Encoding", "identity").lower():
        case "identity" | "":
            return answer.head
        case "gzip" | "x-gzip" | "deflate":
            try:
                return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(answer.head, LOOKED_AT)
            except zlib.error:
                return None
        case _:
            return None


def _good(answer: Answer, kind: Kind, form: str, head: bytes, size: int | None) -> Look:
    pixels = size_of(head, form)
    is_whole = answer.has_ended and len(head) < LOOKED_AT and size in (None, len(answer.head))
    if pixels is None and is_whole and (form in HEADERS or form == "webp"):
        message = f"{answer.place} is a broken {form.upper()}: its header cannot be read"
        return Bad(code=f"input-not-{kind}", message=message, hint="open it in a viewer", is_certain=False)
    width, height = pixels or (None, None)
    return Good(format=form, bytes=size, width=width, height=height, notes=tuple(_notes(answer, kind, form, size)))


def _notes(answer: Answer, kind: Kind, form: str, size: int | None) -> list[Note]:
    found = []
    if form in PERHAPS[kind]:
        known = ", ".join(sorted(TAKEN[kind])).upper()
        message = f"{answer.place} is a {form.upper()}, which the service may not take"
        found.append(Note(code="input-format", message=message, hint=f"safe are {known}"))
    if size is None:
        message = f"{answer.place} does not say how large it is"
        found.append(Note(code="input-size", message=message, hint=f"the limit is {LARGEST[kind] // MB} MB"))
    said = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if said.startswith("text/"):
        message = f"{answer.place} is a {form.upper()}, but is served as {one_line(said, 40)}"
        found.append(Note(code="input-content-type", message=message, hint="mend its Content-Type where it is stored"))
    return found


def _page(answer: Answer, head: bytes) -> Bad:
    title = title_of(head)
    if any(secret in title for secret in _secrets(answer)):
        title = ""
    titled = f", titled {one_line(title, 80)!r}" if title else ""
    hint = direct_form(answer.asked) or direct_form(answer.url)
    if asks_for_login(answer.url, head):
        message = f"{answer.place} answers with a page to log in{titled}"
        return Bad(code="input-login", message=message, hint=hint or PUBLIC)
    message = f"{answer.place} answers with a web page{titled}"
    return Bad(code="input-web-page", message=message, hint=hint or ELSEWHERE)


def _other(answer: Answer, kind: Kind, form: str | None, head: bytes) -> Bad:
    known = ", ".join(sorted(TAKEN[kind])).upper()
    if form is None:
        begins = one_line(head[:16].decode("ascii", "replace"), 16)
        message = f"{answer.place} is no {kind}: it begins {begins!r}"
    else:
        message = f"{answer.place} is no {kind}, but a {form.upper()}"
    return Bad(code=f"input-not-{kind}", message=message, hint=f"safe are {known}")


def _says_expired(answer: Answer) -> bool:
    """Stores of files say it in XML or JSON; a page about an expired session is something else."""
    text = plain(answer) or b""
    if not text.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<?xml", b"<Error", b"{")) or is_page(text, ""):
        return False
    return bool(re.search(rb"expired|not valid in the specified time frame", text, re.IGNORECASE))


def _secrets(answer: Answer) -> list[str]:
    """What stands in the queries and may be a key: some pages repeat their address."""
    queries = (urlsplit(answer.asked).query, urlsplit(answer.url).query)
    values = (value for query in queries for _, value in parse_qsl(query))
    return [secret for secret in (*queries, *values) if len(secret) >= 6]
