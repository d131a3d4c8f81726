"""Where notices go, told from a URL. Such a URL is often a key: it is never shown whole."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from runner.errors import UsageProblem
from runner.notify.shapes import Shape

SHAPES: Final = {
    "hooks.slack.com": Shape.SLACK,
    "hooks.slack-gov.com": Shape.SLACK,
    "discord.com": Shape.DISCORD,
    "discordapp.com": Shape.DISCORD,
    "webhook.office.com": Shape.TEAMS,
    "logic.azure.com": Shape.TEAMS,
    "api.powerplatform.com": Shape.TEAMS,
    "chat.googleapis.com": Shape.TEXT,
}
"""By host, or by the domain that it is below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One address to tell."""

    url: str = field(repr=False)
    shown: str
    """It for a person: the host of a webhook, the scheme of what Apprise knows; of the rest, any part may be a key."""
    shape: Shape = Shape.DOCUMENT
    apprise: Any = field(default=None, repr=False)
    """Apprise's own object for it; `None` for a webhook."""


def place_of(url: str, *, is_local: bool) -> Place:
    """The place that a URL names; `is_local` says that its host is this machine, which may be told over http.

    Raises `UsageProblem`, which does not tell the URL.
    """
    scheme = _scheme(url)
    if scheme is None:
        raise UsageProblem("--notify: expected a URL, such as https://hooks.example.com/… or mailto://…")
    if scheme not in ("https", "http"):
        return Place(url=url, shown=f"{scheme}://…", apprise=_apprise_of(url, scheme))
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
        host.encode("idna")
    except ValueError:
        host = ""
    if not host:
        raise UsageProblem(f"--notify {scheme}://…: it names no host")
    if scheme == "http" and not is_local:
        raise UsageProblem(f"--notify http://{host}/…: what is told would go unencrypted: use https://")
    names = (host.split(".", cut)[-1] for cut in range(host.count(".") + 1))
    shape = next((SHAPES[name] for name in names if name in SHAPES), Shape.DOCUMENT)
    return Place(url=url, shown=f"{scheme}://{host}/…", shape=shape)


def _scheme(url: str) -> str | None:
    found = re.match(r"([a-z][a-z0-9+.-]*)://[^\s]", url, re.IGNORECASE)
    return found[1].lower() if found and url.isprintable() and " " not in url else None


def _apprise_of(url: str, scheme: str) -> Any:
    try:
        import apprise
    except ImportError:
        raise UsageProblem(
            f"--notify {scheme}://…: https:// webhooks need nothing more; for other services there is Apprise: "
            "pip install 'runcomfy-batch[notify]'"
        ) from None
    logging.getLogger("apprise").addHandler(logging.NullHandler())  # what it says is not for stderr
    found = apprise.Apprise(asset=apprise.AppriseAsset(app_id="runcomfy-batch", http_redirects=False))
    if not found.add(url):
        raise UsageProblem(
            f"--notify {scheme}://…: Apprise does not take this URL; `apprise --dry-run -vv URL` says why"
        )
    return found
