"""Where the API is: the token goes nowhere else."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from runner.api.bodies import clean
from runner.errors import ConfigurationInvalid

DEFAULT_BASE: Final = "https://model-api.runcomfy.net/v1"
DEFAULT_WALLET: Final = "https://api.runcomfy.net/prod/v2"
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def wallet_url(base: str, wallet: str | None) -> str | None:
    """Where the balance is told: by RunComfy's other API for RunComfy's own base, by a local service for itself.

    A third host would get the token for nothing, so nobody else is asked.
    """
    if wallet:
        return f"{check_base(wallet)}/balance"
    if base == DEFAULT_BASE:
        return f"{DEFAULT_WALLET}/balance"
    if is_loopback(base):
        parts = urlsplit(base)
        return f"{parts.scheme}://{parts.netloc}/prod/v2/balance"
    return None


def check_base(base: str) -> str:
    """The API base without a trailing slash; raises `ConfigurationInvalid` unless it is https or loopback."""
    base = base.strip().rstrip("/")
    if not _is_plain(base):
        raise ConfigurationInvalid(f"not an API base: {clean(base)!r}; expected {DEFAULT_BASE!r} or the like")
    if urlsplit(base).scheme == "http" and not is_loopback(base):
        raise ConfigurationInvalid(f"the API base must be https, or the token travels in the clear: {clean(base)!r}")
    return base


def _is_plain(base: str) -> bool:
    """Whether the base is scheme, host, port and path, each of which a connection can be made from."""
    try:
        parts = urlsplit(base)
        (parts.hostname or "").encode("idna")  # raises for a label that is empty or too long
        _ = parts.port  # raises for no number
    except ValueError:
        return False
    is_bare = not (parts.username or parts.query or parts.fragment or re.search(r"\s", base))
    return parts.scheme in ("https", "http") and bool(parts.hostname) and is_bare


def is_loopback(base: str) -> bool:
    """Whether the base is this machine."""
    host = (urlsplit(base).hostname or "") if _is_plain(base) else ""
    return host in LOOPBACK or re.fullmatch(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}", host) is not None
