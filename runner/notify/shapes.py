"""What is told, and how each service wants to hear it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

LONGEST: Final = 1800
"""Letters of a text: Discord takes 2,000, the others more."""


class Shape(StrEnum):
    """How a webhook wants its JSON."""

    DOCUMENT = "document"
    TEXT = "text"
    SLACK = "slack"
    DISCORD = "discord"
    TEAMS = "teams"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that people are told."""

    event: str
    """`started`, `first_failure`, `held` or `finished`."""
    title: str
    text: str
    is_good: bool
    document: Mapping[str, Any]
    """The same for machines; JSON values."""


def body_of(notice: Notice, shape: Shape) -> bytes:
    """The body of a POST, as UTF-8."""
    return json.dumps(_document(notice, shape), ensure_ascii=False).encode(errors="replace")


def _document(notice: Notice, shape: Shape) -> Mapping[str, Any]:
    text = f"{notice.title}\n{notice.text}"[:LONGEST]
    match shape:
        case Shape.DOCUMENT:
            return notice.document
        case Shape.TEXT:
            return {"text": text}
        case Shape.SLACK:  # three characters are Slack's own: with them a text could call everybody
            return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
        case Shape.DISCORD:
            return {"content": text, "allowed_mentions": {"parse": []}}
        case Shape.TEAMS:
            return _card(notice)


def _card(notice: Notice) -> dict[str, Any]:
    """A message for Teams' workflows and its older connectors, which both take an adaptive card."""
    words = (
        {"type": "TextBlock", "text": notice.title, "weight": "Bolder", "wrap": True},
        {"type": "TextBlock", "text": notice.text[:LONGEST], "wrap": True},
    )
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": list(words),
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}
