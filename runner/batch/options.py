"""What the user may choose, from wherever it comes: flag or argument, environment, the manifest's `run:`, default."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from os import environ
from pathlib import Path
from typing import Any, Final, Literal

from runner.api.client import DEFAULT_BASE, is_loopback
from runner.api.token import Token, find_token
from runner.errors import ManifestInvalid, UsageProblem
from runner.media import HostPolicy
from runner.media.guard import DEFAULT_HOSTS
from runner.model import Money, money


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a run. `None` means: not given; `settled` fills it in."""

    out: Path | None = None
    """The run directory; default `runs/<manifest name>`."""
    concurrency: int | None = None
    """Most requests in flight at once."""
    yes: bool = False
    """Consent to spend without being asked."""
    max_cost_usd: str | float | None = None
    """The most that may be spent in this run directory, over all its runs; consent up to it."""
    limit: int | None = None
    sample: int | None = None
    only: str | None = None
    retry: tuple[str, ...] = ()
    rerun_changed: bool = False
    until: str | None = None
    """A time of day, `07:30`: nothing is submitted after it."""
    max_duration: str | float | None = None
    """`8h`, `90m`, `45s`, or seconds."""
    on_interrupt: Literal["drain", "detach", "cancel"] | None = None
    in_doubt: Literal["hold", "resubmit"] | None = None
    simulate: bool = False
    base_url: str | None = None
    trust_hosts: tuple[str, ...] = ()
    download_concurrency: int | None = None
    job_timeout: str | float | None = None
    token: str | None = None
    """For the Python API only; the command line never takes it as an argument."""

    @property
    def max_cost(self) -> Money | None:
        """`max_cost_usd` as money; raises `UsageProblem`."""
        if self.max_cost_usd is None:
            return None
        try:
            amount = money(str(self.max_cost_usd).strip().lstrip("$"))
        except ValueError:
            raise UsageProblem(f"--max-cost: not an amount of USD: {self.max_cost_usd!r}") from None
        if amount < 0:
            raise UsageProblem("--max-cost must not be negative")
        return amount


DEFAULTS: Final = {
    "concurrency": 8,
    "download_concurrency": 8,
    "job_timeout": "30m",
    "on_interrupt": "drain",
    "in_doubt": "hold",
}
FROM_MANIFEST: Final = {
    *("concurrency", "max_cost_usd", "download_concurrency", "job_timeout", "on_interrupt", "until", "max_duration"),
}
"""The settings that a manifest's `run:` may hold: none that spends or weakens by itself."""
CHOICES: Final = {"on_interrupt": ("drain", "detach", "cancel"), "in_doubt": ("hold", "resubmit")}


def settled(options: Options, run: Mapping[str, Any]) -> Options:
    """The options with the manifest's `run:` and the defaults filled in, checked; an error names the place."""
    _check_run(run)
    filled: dict[str, Any] = {}
    for field in fields(options):
        if getattr(options, field.name) is None:
            value = run.get(field.name, DEFAULTS.get(field.name))
            if value is not None:
                filled[field.name] = value
    done = replace(options, **filled)
    _check(done)
    return done


def _check_run(run: Mapping[str, Any]) -> None:
    for key in run:
        if key not in FROM_MANIFEST:
            near = difflib.get_close_matches(key, FROM_MANIFEST, 1)
            hint = f"did you mean {near[0]!r}?" if near else "known settings: " + ", ".join(sorted(FROM_MANIFEST))
            raise ManifestInvalid(f"run.{key}: unknown setting; {hint}\nNothing was submitted.")


def _check(options: Options) -> None:
    for name in ("concurrency", "download_concurrency", "limit", "sample"):
        value = getattr(options, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise UsageProblem(f"{name}: expected a whole number from 1, got {value!r}")
    for name, words in CHOICES.items():
        if getattr(options, name) not in words:
            raise UsageProblem(f"{name}: expected one of {', '.join(words)}, got {getattr(options, name)!r}")
    if options.in_doubt == "resubmit" and options.max_cost is None:
        raise UsageProblem("--in-doubt resubmit may pay a second time for what was taken: it needs --max-cost USD")
    if options.limit is not None and options.sample is not None:
        raise UsageProblem("--limit and --sample both choose jobs: give one of them")
    seconds(options.job_timeout, "job_timeout")
    seconds(options.max_duration, "max_duration")
    if options.until is not None and not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", str(options.until)):
        raise UsageProblem(f"--until: expected a time of day such as 07:30, got {options.until!r}")


def seconds(value: str | float | None, name: str) -> float | None:
    """A duration in seconds from `8h`, `1h30m`, `90m`, `45s` or a number of seconds; raises `UsageProblem`."""
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
        return float(value)
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", str(value).strip())
    if match and any(match.groups()):
        hours, minutes, rest = (float(part or 0) for part in match.groups())
        if total := hours * 3600 + minutes * 60 + rest:
            return total
    raise UsageProblem(f"{name.replace('_', '-')}: expected a duration such as 8h, 90m or 45s, got {value!r}")


# ------------------------------------------------------------------------------------------------------------ whereto


def api_base(options: Options) -> str:
    """Flag, then environment, then RunComfy's own."""
    return options.base_url or environ.get("RUNCOMFY_MODEL_API_BASE") or DEFAULT_BASE


def token_for(options: Options) -> Token:
    """The token; raises `TokenMissing` with the places looked at."""
    if options.token is not None:
        return Token(options.token, "the argument `token`")
    return find_token(environ, Path.home(), time.time())


def hosts_of(options: Options) -> HostPolicy:
    """Which hosts files may come from: RunComfy's, the user's, and loopback for a service on loopback."""
    trusted = DEFAULT_HOSTS | {host.strip().lower() for host in options.trust_hosts}
    return HostPolicy(trusted=trusted, allow_loopback=options.simulate or is_loopback(api_base(options)))
