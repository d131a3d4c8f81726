"""What is to be done next with a job: imperative."""

from __future__ import annotations

from dataclasses import dataclass

from runner.model.jobs import Failure


@dataclass(frozen=True, slots=True)
class Submit:
    """Send the paid POST."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing until the instant `until`."""

    until: float


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask for the request's status."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Read the finished request's result, with its cost."""


@dataclass(frozen=True, slots=True)
class Collect:
    """Download the outputs that are not yet on disk."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Stop for good: what was paid for cannot be had."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Leave:
    """Stop for this run: the next one goes on."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Finish:
    """There is nothing to do."""


Action = Submit | Wait | Poll | ReadResult | Collect | GiveUp | Leave | Finish
