"""What goes into a download and what comes out; no engine is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from runner.model import Artifact, Failure


class SecretUrl(str):
    """A result URL is a key to what it names: its `repr` does not tell it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SecretUrl(***)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSpec:
    """One output to fetch."""

    job_id: str
    index: int
    """Which output, from 1."""
    url: SecretUrl
    stem: str
    """The file's path without extension, relative to the run directory: `images/mug-blue`."""
    max_bytes: int = 2 << 30
    before: str | None = None
    """The input picture on this machine that the output is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """The file is whole and has its final name."""

    artifact: Artifact
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """The file is not there. Nothing of it is left on the disk."""

    failure: Failure
    is_retryable: bool
    seconds: float


FetchOutcome = Fetched | FetchFailed


def shown(url: str) -> str:
    """The URL for a person: host, port and path, without the query, which may be a key, or what steers a terminal."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        place = f"{parts.hostname or ''}{port}{parts.path}"[:200] or "an empty URL"
    except ValueError:
        return "an unreadable URL"
    return place if place.isprintable() else "".join(c if c.isprintable() else "?" for c in place)


def without_query(url: str) -> str:
    """The URL without query, fragment and user."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
