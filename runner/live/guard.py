"""Who may ask what: pure. The server listens on 127.0.0.1, where every program and every web page can knock.

- The *host* must be this machine's own name, whatever the port (`ssh -L` changes it): a name of the web that was made
  to point here (DNS rebinding) is refused.
- The *token* is the first part of every path but two, so it goes with each call, and nothing that a browser sends by
  itself opens anything. (A cookie of 127.0.0.1 would be sent to the servers on its other ports as well.)
- What changes something must come from the page itself: its *origin* is the host that it asks.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HOST: Final = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
OPEN: Final = ("/metrics", "/healthz", "/favicon.ico")
"""What a probe may ask, which has no token: numbers and a word; and what a browser asks for by itself: nothing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: an HTTP status and a word."""

    status: int
    word: str


NOWHERE: Final = Refusal(404, "not found")
"""The same for a wrong token and for a wrong path."""


def refusal(method: str, path: str, headers: Mapping[str, str], token: str) -> Refusal | None:
    """Why a request is refused; `None` where it may go on."""
    host = headers.get("Host", "")
    if not HOST.fullmatch(host):
        return Refusal(421, "this is not the host that you asked for")
    if path in OPEN:
        return None if method in ("GET", "HEAD") else Refusal(405, "only GET")
    if not hmac.compare_digest(path[1:].partition("/")[0].encode(errors="replace"), token.encode()):
        return NOWHERE
    if method not in ("GET", "HEAD", "POST"):
        return Refusal(405, "only GET and POST")
    origin = headers.get("Origin")
    if origin is None:
        return Refusal(403, "from nowhere") if method == "POST" else None
    return None if origin.lower() == f"http://{host.lower()}" else Refusal(403, "from elsewhere")
