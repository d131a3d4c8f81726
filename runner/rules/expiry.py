"""Until when a presigned URL works, as far as its query tells.

Every store of files writes it in a way of its own; those seen in manifests are tables and small readers here. A URL may
fall under several: the earliest instant counts, and all of them say *at the latest*, since the credentials that
signed a URL may end before it does. An `expires=` that no signature stands beside is somebody's own parameter, and an
instant outside of this century is none: a wrong guess would forbid a good URL.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

Verdict = Literal["good", "expired", "too_soon"]
"""Works until the run is over; does not work any more; stops working while the run goes on."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC).timestamp()
DATED: Final = ("x-amz", "x-goog", "x-oss", "x-tos", "x-obs")
"""`…-Date` and the seconds `…-Expires` after it: AWS Signature Version 4 and those who took it over (Google, Alibaba,
Volcengine, Huawei)."""
EPOCHS: Final = ("expires", "expire", "expiry", "exp", "e", "x-expires")
"""Seconds or milliseconds, beside a signature: S3 and Google before version 4, CloudFront, Alibaba, Bunny, Qiniu."""
SIGNATURE: Final = re.compile(r"(.*[-_])?(sig|sign|signature|token|hmac|hash|digest|md5|key|auth|s|st|t)")
"""Names of what proves that a URL was made by whoever owns the file."""
TOKENS: Final = ("hdnts", "hdnea", "hdntl", "__token__", "__cld_token__", "token")
"""Akamai, and those who took it over (Cloudinary): `st=…~exp=…~acl=…~hmac=…` in one value."""
HEX: Final = {
    "oe": (".fbcdn.net", ".cdninstagram.com"),
    "ex": (".discordapp.com", ".discordapp.net"),
}
"""Hexadecimal seconds, only on the hosts that write them."""


def expires_at(url: str) -> float | None:
    """The instant at which the URL stops working, in seconds since the epoch; `None` where it does not say.

    Never raises. Reads AWS, Google, Azure, Alibaba, Tencent, Volcengine and Huawei storage, CloudFront with either kind
    of policy, Akamai, Facebook, Discord, and any plain `expires=` with a signature beside it.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    query = _query(parts.query)
    instants = [*_dated(query), *_epochs(query), *_tokens(query), *_hex(query, host)]
    instants += [instant for read in READERS if (instant := read(query)) is not None]
    return min((instant for instant in instants if EARLIEST <= instant < LATEST), default=None)


def judge(expires_at: float | None, *, now: float, ends_at: float | None) -> Verdict:
    """Whether a URL that works until `expires_at` serves a run that ends at `ends_at`; `None` is: not known."""
    if expires_at is None:
        return "good"
    if expires_at <= now:
        return "expired"
    return "too_soon" if ends_at is not None and expires_at < ends_at else "good"


def _query(text: str) -> Mapping[str, str]:
    """The parameters by lower-case name, the first of each; a `+` stays, since dates hold it."""
    found: dict[str, str] = {}
    for piece in text.split("&"):
        name, _, value = piece.partition("=")
        found.setdefault(unquote(name).lower(), unquote(value))
    return found


# ------------------------------------------------------------------------------------------------------- the readers


def _dated(query: Mapping[str, str]) -> Iterator[float]:
    for prefix in DATED:
        start = _compact(query.get(f"{prefix}-date", ""))
        seconds = _number(query.get(f"{prefix}-expires", ""))
        if start is not None and seconds is not None:
            yield start + seconds


def _epochs(query: Mapping[str, str]) -> Iterator[float]:
    if not any(value and SIGNATURE.fullmatch(name) for name, value in query.items()):
        return
    for name in EPOCHS:
        if (number := _number(query.get(name, ""))) is not None:
            yield number / 1000 if number >= LATEST else number


def _tokens(query: Mapping[str, str]) -> Iterator[float]:
    for name in TOKENS:
        if found := re.search(r"(?:^|~)exp=([0-9]{1,12})(?:~|$)", query.get(name, "")):
            yield float(found[1])


def _hex(query: Mapping[str, str], host: str) -> Iterator[float]:
    for name, hosts in HEX.items():
        if host.endswith(hosts) and re.fullmatch(r"[0-9a-fA-F]{1,10}", value := query.get(name, "")):
            yield float(int(value, 16))


def _azure(query: Mapping[str, str]) -> float | None:
    """A shared access signature's end: a date, a time to the minute, or to the second and below."""
    return _iso(query.get("se", "")) if query.get("sig") else None


def _tencent(query: Mapping[str, str]) -> float | None:
    start, _, end = query.get("q-sign-time", "").partition(";")
    return _number(end) if _number(start) is not None else None


def _policy(query: Mapping[str, str]) -> float | None:
    """CloudFront's custom policy: JSON in base64, in which CloudFront writes `-_~` for `+=/`."""
    for spelling in ("+=/", "+/"):  # the second is what others write
        text = query.get("policy", "").translate(str.maketrans("-_~"[: len(spelling)], spelling)).rstrip("=")
        try:
            policy = json.loads(base64.b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, RecursionError):
            continue
        return min(_policy_ends(policy), default=None)
    return None


def _policy_ends(policy: Any) -> Iterator[float]:
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    for statement in statements if isinstance(statements, list) else [statements]:
        end = statement
        for name in ("Condition", "DateLessThan", "AWS:EpochTime"):
            end = end.get(name) if isinstance(end, dict) else None
        if (number := _number(str(end))) is not None:
            yield number


READERS: Final[tuple[Callable[[Mapping[str, str]], float | None], ...]] = (_azure, _tencent, _policy)

# ----------------------------------------------------------------------------------------------------------- numbers

COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z", re.IGNORECASE)
ISO: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]*)?)?(?:Z|([-+])([0-9]{2}):?([0-9]{2}))?)?",
    re.IGNORECASE,
)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]{1,15}", text) else None


def _compact(text: str) -> float | None:
    """`20240131T235959Z`."""
    found = COMPACT.fullmatch(text)
    return _instant(found.groups()) if found else None


def _iso(text: str) -> float | None:
    """`2024-01-31`, `2024-01-31T23:59Z`, `2024-01-31T23:59:59.1234567+02:00`; UTC where no zone is given."""
    found = ISO.fullmatch(text)
    if found is None:
        return None
    *digits, sign, hours, minutes = found.groups()
    instant = _instant(digits)
    if instant is None or sign is None:
        return instant
    away = int(hours) * 3600 + int(minutes) * 60
    return instant - away if sign == "+" else instant + away


def _instant(digits: Any) -> float | None:
    """The instant of year, month, day, hour, minute and second in UTC, the missing ones 0."""
    try:
        return datetime(*(int(number or 0) for number in digits), tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]
    except ValueError:
        return None
