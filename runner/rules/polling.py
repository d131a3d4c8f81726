"""When to look at a request again: soon at first, then in steps that grow with its age.

The lag of noticing and the number of calls trade against each other: a step of a fixed share of the age keeps both
within a constant factor, whatever the model's speed. A request that waits in a queue is looked at less often, by its
place in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.model import RemoteState, RemoteStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """The settings of looking; durations in seconds."""

    first_s: float = 2.0
    """From the acceptance to the first look."""
    step: float = 0.2
    """The next gap as a share of the request's age."""
    shortest_s: float = 1.0
    longest_s: float = 15.0


def first_look(polling: Polling, accepted_at: float) -> float:
    """The instant of the first look."""
    return accepted_at + polling.first_s


def next_look(polling: Polling, status: RemoteStatus, *, accepted_at: float, now: float, dice: float) -> float:
    """The instant of the next look, with a tenth of jitter so that a batch does not look in step."""
    gap = min(max(polling.step * (now - accepted_at), polling.shortest_s), polling.longest_s)
    if status.state is RemoteState.QUEUED and status.queue_position is not None:
        gap = min(gap * (1 + max(0, status.queue_position) / 4), polling.longest_s)
    return now + gap * (0.95 + 0.1 * dice)
