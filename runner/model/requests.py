"""What a manifest asks for, and what a model accepts: all that is known before a request is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias


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
    return digest_of(model, canonical(inputs))


def digest_of(model: str, body: bytes) -> str:
    """The same from the canonical bytes."""
    return hashlib.sha256(model.encode() + b"\n" + body).hexdigest()


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

    def deeper(self, folder: str, pattern: str, endings: Collection[str], most: int) -> int:
        """How many files in the folders of a folder are called as a glob and have one of some endings, up to `most`."""

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

    @property
    def unread(self) -> tuple[str, ...]:
        """What the model's schema says and nobody can judge by, as `prompt.required`."""

    def problems(self, inputs: Mapping[str, Any]) -> list[InputProblem]:
        """Every way in which the inputs break the schema; empty when they may be sent. Never raises."""

    def fit(self, several: Iterable[Mapping[str, Any]]) -> bool:
        """Whether all of several inputs may be sent, at a glance: where not, `problems` of each may be none."""

    def file_problems(self, field: str, measured: MeasuredFile) -> list[InputProblem]:
        """Which of the field's limits on a file this one breaks, as far as it was measured. Never raises."""


RulesOf: TypeAlias = Callable[[str], InputRules | None]
"""What a model accepts, by its id; `None` where only the service knows."""
