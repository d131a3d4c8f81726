"""What the server is given: where it reads, and what a person may say to the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from runner.live.figures import Figures


@dataclass(frozen=True, slots=True)
class Update:
    """What has changed since a page last heard: its name, to go on from, and the JSON to send."""

    mark: str
    text: str
    is_news: bool
    """Whether anything in it is new; if not, it says only that somebody is there."""


class Source(Protocol):
    """Where the server reads. It is called from one thread at a time, which may block; `page` and `figures` from any.

    Every method raises `BatchError` where there is nothing to read, and may be called again.
    """

    directory: Path
    """The run directory, whose pictures the page shows."""

    def page(self) -> str:
        """The page itself, as HTML, without data."""

    def look(self) -> None:
        """Read what has happened, so that who asks next need not wait for it."""

    def index(self) -> bytes:
        """What the page shows of all jobs, as JSON in gzip; and the mark to follow it from."""

    def update(self, mark: str) -> Update:
        """What has changed since; a mark that is not known asks the page to begin anew."""

    def record(self, number: int) -> str | None:
        """All that is known of the job of that number in the index, as JSON."""

    def review(self) -> str:
        """The review that is kept in the run directory, as JSON."""

    def keep_review(self, document: Any) -> None:
        """Put some verdicts into it; raises `UsageProblem` for what is none."""

    def figures(self) -> Figures:
        """The run in numbers."""


class Controls(Protocol):
    """What a person may say to the run. Called on the run's own event loop; never raises."""

    def say(self, word: str, value: int | None) -> bool | None:
        """Do it: `pause`, `resume`, `cap` with a number, `stop`; `False`: nothing runs, `None`: no such word."""

    def standing(self) -> Mapping[str, Any]:
        """`cap`, `allowed`, `is_paused`, `is_stopping`, `waits` (why nothing leaves)."""
