"""The pictures that a job was made from, as far as the page can show them without asking anybody.

A simulated run keeps the photos that it drew in `inputs/`; a photo of this machine is shown from where it lies. One
from the web is loaded only when a person asks for it, and only from a host that the page's policy names.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypedDict

from runner.model import LOCAL, Job
from runner.report.results import unsigned

MOST_ORIGINS: Final = 16
"""Hosts that the page's policy names; originals from further ones are opened beside the page."""
HOST: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?(:[0-9]{1,5})?")
PLACE: Final = re.compile(r"(https?)://([^/?#\\]*)([^?#]*)")
"""Scheme, host, path. In an eighth of the time of `urlsplit`, of which a large night would want a second."""
VIDEOS: Final = ("mp4", "mov", "webm")


class Original(TypedDict, total=False):
    """One input picture: what it is called, and where it is to be had."""

    name: str
    file: str
    """From the run directory, with slashes."""
    url: str


class Originals:
    """Finds the originals of a run directory's jobs; learns in a first pass which hosts there are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        folder = directory / "inputs"
        self._drawn = frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()
        self._origins: dict[str | None, None] = {}

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins that pictures may be loaded from, as `https://cdn.shop.example`."""
        return tuple(origin for origin in self._origins if origin)

    def note(self, inputs: Mapping[str, Any]) -> None:
        """Remember where a job's originals are."""
        if len(self._origins) < MOST_ORIGINS:
            for url in pictures(inputs):
                if (origin := _origin(url)) and unsigned(url) == url:
                    self._origins[origin] = None

    def of(self, job: Job) -> list[Original]:
        """The job's originals, in the order of its inputs."""
        return [self._original(url, job.spec.files) for url in pictures(job.spec.inputs)]

    def _original(self, url: str, files: Mapping[str, str]) -> Original:
        if url.startswith(LOCAL):
            path = files.get(url.partition("sha256=")[2].partition(";")[0], "")
            if not path:
                return {"name": "a photo of this machine"}
            return {"name": os.path.basename(path), "file": os.path.relpath(path, self._directory)}  # noqa: PTH119
        if url.startswith("data:"):
            return {"name": "a picture from the manifest"}
        name = _name(url)
        drawn = f"{hashlib.sha256(url.encode(errors='replace')).hexdigest()[:16]}.jpg" if self._drawn else ""
        if drawn in self._drawn:
            return {"name": name, "file": f"inputs/{drawn}"}
        may_load = _origin(url) in self._origins and unsigned(url) == url
        return {"name": name, "url": url} if may_load else {"name": name}


def pictures(inputs: Mapping[str, Any]) -> Iterator[str]:
    """The media among a job's inputs, whatever the model calls its fields."""
    for value in inputs.values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, str) and item.startswith(("https://", "http://", "data:", LOCAL)):
                yield item


def _origin(url: str) -> str | None:
    """`https://host`, where the page may name it; never what could end its policy."""
    parts = PLACE.match(url)
    is_plain = parts is not None and parts[1] == "https" and HOST.fullmatch(host := parts[2].lower())
    return f"https://{host}" if is_plain else None


def _name(url: str) -> str:
    """Host and file name, without the name and password that some write before the host."""
    parts = PLACE.match(url)
    return f"{parts[2].rpartition('@')[2]} {parts[3].rpartition('/')[2]}".strip() if parts else "an unreadable URL"
