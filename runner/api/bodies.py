"""What the body of a reply says: its JSON, a code, an amount, and the sentence that is meant for a person; pure."""

from __future__ import annotations

import json
import re
import reprlib
from typing import Any, Final

from runner.model import Money, money

DEEPEST: Final = 5
"""How far a sentence is looked for; an answer that is nested deeper means harm, and none comes of it."""
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 200


def parse_amount(value: Any) -> Money | None:
    """An amount of USD, not below 0; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        cost = money(value)
    except ValueError:
        return None
    return cost if cost >= 0 else None


def parse_json(body: bytes) -> Any:
    """The body as JSON; `None` where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def error_code(document: Any) -> int | None:
    """The six-digit code in a reply, sent as a number or as text."""
    if not isinstance(document, dict):
        return None
    for value in (document.get("error_code"), document.get("code")):
        if isinstance(value, (int, str)) and re.fullmatch(r"[1-5]\d{5}", str(value)):
            return int(value)
    return None


def error_message(document: Any) -> str:
    """The sentence in a reply that is meant for a person, on one line; empty where there is none. Never raises."""
    for _ in range(DEEPEST):
        if not isinstance(document, dict):
            return ""
        if not isinstance(document.get("error"), dict):
            break
        document = document["error"]
    texts = [document.get(key) for key in ("error_message", "message", "error", "detail")]
    found = [_sentence(text) for text in texts if text]
    return clean("; ".join(dict.fromkeys(text for text in found if text)))


def _sentence(value: Any, depth: int = DEEPEST) -> str:
    """A `detail` list as `field: message` pairs, as schema validators write them; anything else as it is."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth > 0:
        return "; ".join(_sentence(item, depth - 1) for item in value[:5])
    if isinstance(value, dict):
        parts = value.get("loc")
        words = [str(part) for part in parts if isinstance(part, (str, int))] if isinstance(parts, list) else []
        place = ".".join(word for word in words if word != "body")
        said = next((said for said in (value.get("msg"), value.get("message")) if said and isinstance(said, str)), "")
        text = said or _SHORT.repr(value)
        return f"{place}: {text}" if place else text
    return _SHORT.repr(value)


def describe_body(body: bytes, content_type: str) -> str:
    """A short description of a body that is not what was expected: its type, and a page's title."""
    if not body.strip():
        return "an empty answer"
    kind = content_type.split(";", maxsplit=1)[0] or "no content type"
    title = re.search(rb"<title[^>]*>(.{0,200}?)</title>", body[:20_000], re.IGNORECASE | re.DOTALL)
    text = title.group(1) if title else body[:120]
    return clean(f"{kind}, {text.decode('utf-8', 'replace')!r}")


def clean(text: str, longest: int = 500) -> str:
    """The text on one line, without control characters, cut to a length."""
    printable = "".join(c if c.isprintable() else " " for c in text[: longest * 4])
    folded = " ".join(printable.split())
    return folded if len(folded) <= longest else folded[: longest - 1] + "…"
