"""What the user may choose, from wherever it comes: flag or argument, environment, the manifest's `run:`, default."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from os import environ
from pathlib import Path
from typing import Any, Final, Literal

from runner.api.bases import DEFAULT_BASE, is_loopback
from runner.api.token import Token, find_token
from runner.errors import UsageProblem
from runner.media.guard import DEFAULT_HOSTS, HostPolicy
from runner.model import Money, money


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a run. `None` means: not given; `settled` fills it in."""

    out: Path | None = None
    """The run directory; default `runs/<manifest name>`."""
    concurrency: int | None = None
    """Most requests in flight at once; `None`: as many as the service has room for, up to `MOST_IN_FLIGHT`."""
    yes: bool = False
    """Consent to spend without being asked."""
    max_cost_usd: str | float | None = None
    """The most that may be spent in this run directory, over all its runs; consent up to it."""
    limit: int | None = None
    sample: int | None = None
    only: str | None = None
    retry: tuple[str, ...] = ()
    rerun_changed: bool = False
    redo: Path | None = None
    """A review that was saved: what it rejects is paid for again, and nothing else is submitted."""
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
    """Downloads at once; without it as many as the line gains by."""
    job_timeout: str | float | None = None
    dedupe: bool = True
    """Whether a request that several jobs make is paid once and shared."""
    allow_roots: tuple[Path, ...] = ()
    """Folders from which photos may be sent, beside the manifest's own."""
    shrink_inputs: bool = False
    """Whether a photo that is too large is sent as a smaller copy."""
    prompt: str | None = None
    """For a table that is a manifest by itself: every row's prompt, perhaps a template."""
    columns: tuple[tuple[str, str], ...] = ()
    """For such a table: a field and the column it is read from, each."""
    values: tuple[tuple[str, str], ...] = ()
    """For such a table: a field and its value for every row, each."""
    encoding: str | None = None
    preset: str | None = None
    per: str | None = None
    shard: str | None = None
    """`K/N`: only the K-th of N parts of the manifest, K from 0, in a run directory of its own."""
    approved: Path | None = None
    """A plan that was written down: this, and nothing else, is submitted."""
    serve: int | None = None
    """The port of 127.0.0.1 on which the run shows its page meanwhile; 0 takes a free one."""
    report_every: str | float | None = None
    """So often the reports are written while the run goes on: `10m`."""
    metrics_file: Path | None = None
    """Where the run's figures stand meanwhile, for Prometheus's collector of text files."""
    notify: tuple[str, ...] = field(default=(), repr=False)
    """URLs that are told how the run goes: https:// webhooks, and with the extra `notify` whatever Apprise knows."""
    on_finish: str | None = None
    """A command that is run once when the run has ended, without a shell."""
    token: str | None = field(default=None, repr=False)
    """For the Python API only; the command line never takes it as an argument."""

    @property
    def ceiling(self) -> int:
        """Never more requests in flight than this; some more, where the user set no limit, that are finished by now."""
        return self.concurrency or MOST_IN_FLIGHT

    @property
    def max_cost(self) -> Money | None:
        """`max_cost_usd` as money; raises `UsageProblem`."""
        if self.max_cost_usd is None:
            return None
        if (expected := _amount(self.max_cost_usd)) is not None:
            raise UsageProblem(f"--max-cost: expected {expected}, got {self.max_cost_usd!r}")
        return money(str(self.max_cost_usd).strip().lstrip("$"))


MOST_IN_FLIGHT: Final = 64
"""How far the search for the service's parallelism goes; who knows of more says so with `--concurrency`."""
DEFAULTS: Final = {
    "job_timeout": "30m",
    "on_interrupt": "drain",
    "in_doubt": "hold",
}
Check = Callable[[Any], str | None]
"""What was expected in a value's place; `None` where the value is good."""


def _count(value: Any) -> str | None:
    is_good = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    return None if is_good else "a whole number from 1" + ", without quotes" * isinstance(value, str)


def _amount(value: Any) -> str | None:
    try:
        return None if money(str(value).strip().lstrip("$")) >= 0 else "an amount of USD, not below 0"
    except ValueError:
        return "an amount of USD, such as 12.50"


def _duration(value: Any) -> str | None:
    return "a duration such as 8h, 90m or 45s" if parse_duration(value) is None else None


def _time_of_day(value: Any) -> str | None:
    is_good = re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", str(value)) is not None
    return None if is_good else "a time of day such as 07:30"


def _port(value: Any) -> str | None:
    is_good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535
    return None if is_good else "a port, 0 to 65535"


def _urls(value: Any) -> str | None:
    urls = value if isinstance(value, list) else [value]
    is_good = bool(urls) and all(
        isinstance(url, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://\S", url) for url in urls
    )
    return None if is_good else "a URL such as https://hooks.example.com/…, or a list of such"


def _one_of(*words: str) -> Check:
    return lambda value: None if value in words else f"one of {', '.join(words)}"


FROM_MANIFEST: Final[Mapping[str, Check]] = {
    "concurrency": _count,
    "max_cost_usd": _amount,
    "download_concurrency": _count,
    "job_timeout": _duration,
    "on_interrupt": _one_of("drain", "detach", "cancel"),
    "until": _time_of_day,
    "max_duration": _duration,
    "notify": _urls,
}
"""The settings that a manifest's `run:` may hold: none that spends or weakens by itself."""
_WHOLE: Final = {"type": "integer", "minimum": 1}
_LENGTH: Final = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string", "pattern": r"^\s*(?=.*[1-9])(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s?)?\s*$"},
    ]
}
_URL: Final = {"type": "string", "pattern": r"^[A-Za-z][A-Za-z0-9+.-]*://\S"}
FOR_EDITORS: Final[Mapping[str, Mapping[str, Any]]] = {
    "concurrency": {**_WHOLE, "description": "Most requests in flight at once."},
    "max_cost_usd": {
        "anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": r"^\s*\$*\s*\d+(\.\d+)?\s*$"}],
        "description": "Never spend more than this in the run directory, in USD.",
    },
    "download_concurrency": {**_WHOLE, "description": "Most downloads at once."},
    "job_timeout": {**_LENGTH, "description": "Stop looking at a request after this long: 30m."},
    "on_interrupt": {
        "enum": ["drain", "detach", "cancel"],
        "description": "After Ctrl-C: finish the downloads in progress, leave them, or cancel queued requests too.",
    },
    "until": {
        "type": "string",
        "pattern": r"^([01]?\d|2[0-3]):[0-5]\d$",
        "description": "Submit nothing after this time of day: 06:30.",
    },
    "max_duration": {**_LENGTH, "description": "Submit nothing after this long: 8h."},
    "notify": {
        "anyOf": [_URL, {"type": "array", "minItems": 1, "items": _URL}],
        "description": "Tell these URLs how the run goes: https:// webhooks, and with Apprise other services.",
    },
}
"""The same settings as JSON Schemas, by which editors complete and check them."""
CHECKS: Final = {
    **{k: v for k, v in FROM_MANIFEST.items() if k != "notify"},
    "limit": _count,
    "sample": _count,
    "in_doubt": _one_of("hold", "resubmit"),
    "serve": _port,
    "report_every": _duration,
}


def settled(options: Options, run: Mapping[str, Any]) -> Options:
    """The options with the manifest's `run:` and the defaults filled in, and checked; `run` was, by the reader."""
    filled: dict[str, Any] = {}
    if not options.notify and (urls := run.get("notify")):
        filled["notify"] = (urls,) if isinstance(urls, str) else tuple(urls)
    for one in fields(options):
        if getattr(options, one.name) is None:
            value = run.get(one.name, DEFAULTS.get(one.name))
            if value is not None:
                filled[one.name] = value
    done = replace(options, **filled)
    _check(done)
    return done


def _check(options: Options) -> None:
    for name, check in CHECKS.items():
        value = getattr(options, name)
        if value is not None and (expected := check(value)) is not None:
            flag = "max-cost" if name == "max_cost_usd" else name.replace("_", "-")
            raise UsageProblem(f"--{flag}: expected {expected}, got {value!r}")
    if options.in_doubt == "resubmit" and options.max_cost is None:
        raise UsageProblem("--in-doubt resubmit may pay a second time for what was taken: it needs --max-cost USD")
    if options.limit is not None and options.sample is not None:
        raise UsageProblem("--limit and --sample both choose jobs: give one of them")


def seconds(value: str | float | None) -> float | None:
    """A checked duration in seconds; `None` where there is none."""
    return None if value is None else parse_duration(value)


def parse_duration(value: Any) -> float | None:
    """Seconds from `8h`, `1h30m`, `90m`, `45s` or a number of seconds; `None` for anything else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if value > 0 else None
    match = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?", str(value).strip())
    if match is None:
        return None
    hours, minutes, rest = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + rest or None


# ------------------------------------------------------------------------------------------------------------ whereto


def api_base(options: Options) -> str:
    """Flag, then environment, then RunComfy's own."""
    return options.base_url or environ.get("RUNCOMFY_MODEL_API_BASE") or DEFAULT_BASE


def wallet_base() -> str | None:
    """Where RunComfy's API for the balance is, if the environment says so; the official tools call it so."""
    return environ.get("RUNCOMFY_SERVERLESS_API_BASE") or None


def token_for(options: Options) -> Token:
    """The token; raises `TokenMissing` with the places looked at."""
    if options.token is not None:
        return Token(options.token, "the argument `token`")
    return find_token(environ, _home(), time.time())


def _home() -> Path:
    """The user's folder; one that is not there for a user id without an account, as containers have."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def hosts_of(options: Options) -> HostPolicy:
    """Which hosts files may come from: RunComfy's, the user's, and loopback for a service on loopback."""
    trusted = DEFAULT_HOSTS | {host.strip().lower() for host in options.trust_hosts}
    return HostPolicy(trusted=trusted, allow_loopback=options.simulate or is_loopback(api_base(options)))
