"""Asks for the inputs of a manifest before anything is paid: whether the service can fetch them, and for long enough.

Composes what the query tells (`rules.expiry`) with what the server answers (`media.preflight`) into findings, which
hold no query: whoever asks knows where in the manifest each URL stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from runner.media.asking import Patience
from runner.media.guard import HostPolicy
from runner.media.looks import Bad, Good, Kind, Look
from runner.media.preflight import Preflight
from runner.media.values import SecretUrl, shown
from runner.rules.expiry import expires_at, judge

OF_EXPIRY: Final = frozenset({"input-expired", "input-login", "input-not-found"})
"""What an expired URL looks like to who asks for it: one finding says it, not two."""
ANEW: Final = "presign it anew, until the run is over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about an input, ready to be shown beside its place in the manifest."""

    severity: Literal["error", "warning"]
    """A warning for what may pass when the run asks, or may be taken all the same."""
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One distinct input and all that was found; nothing found means that it is good."""

    url: SecretUrl
    """As it was given: equal to the text in the manifest."""
    kind: Kind
    look: Look
    expires_at: float | None
    """When it stops working at the latest, where its query tells."""
    findings: tuple[Finding, ...]

    @property
    def is_usable(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)


async def preflight(
    urls: Iterable[tuple[str, Kind]],
    *,
    now: float,
    ends_at: float | None,
    on_result: Callable[[Checked], None],
    allow_loopback: bool = False,
    patience: Patience | None = None,
) -> int:
    """Ask for each distinct input once, tell each result as it comes, in any order; how many there were.

    `urls` pairs a URL with what its field wants, and is read only as fast as servers answer. `ends_at` is when the run
    would end, in seconds since the epoch as `now`; `None` where nobody knows. `data:` URIs are passed over: they have
    nobody to be asked of. Raises only what `urls` and `on_result` raise; safe to cancel.
    """
    count = 0

    def told(url: str, kind: Kind, look: Look) -> None:
        nonlocal count
        count += 1
        instant = expires_at(url)
        found = tuple(_findings(url, look, instant, now, ends_at))
        on_result(Checked(url=SecretUrl(url), kind=kind, look=look, expires_at=instant, findings=found))

    policy = HostPolicy(allow_any_host=True, allow_loopback=allow_loopback)
    asked = ((url, kind) for url, kind in urls if url[:5].lower() != "data:")
    async with Preflight(policy, patience=patience) as looks:
        await looks.look_all(asked, told)
    return count


def _findings(url: str, look: Look, instant: float | None, now: float, ends_at: float | None) -> list[Finding]:
    verdict = judge(instant, now=now, ends_at=ends_at)
    if verdict == "good" or instant is None:
        return _of_look(look)
    if verdict == "too_soon" and ends_at is not None:
        message = f"{shown(url)} stops working at {_when(instant)}, before the run ends at {_when(ends_at)}"
        return [*_of_look(look), Finding(severity="error", code="input-expires", message=message, hint=ANEW)]
    if isinstance(look, Good):
        message = f"{shown(url)} says that it stopped working at {_when(instant)}, but it still serves"
        return [*_of_look(look), Finding(severity="warning", code="input-expired", message=message, hint=ANEW)]
    message = f"{shown(url)} stopped working at {_when(instant)}"
    rest = [] if look.code in OF_EXPIRY else _of_look(look)
    return [Finding(severity="error", code="input-expired", message=message, hint=ANEW), *rest]


def _of_look(look: Look) -> list[Finding]:
    match look:
        case Bad(code=code, message=message, hint=hint, is_certain=is_certain):
            severity: Literal["error", "warning"] = "error" if is_certain else "warning"
            return [Finding(severity=severity, code=code, message=message, hint=hint)]
        case Good(notes=notes):
            return [Finding(severity="warning", code=n.code, message=n.message, hint=n.hint) for n in notes]


def _when(instant: float) -> str:
    return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M} UTC"
