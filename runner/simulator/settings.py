"""How a simulator is set up, and the small YAML in which its faults are ruled.

faults:
  - {on: submit, kind: throttle, every: 7, retry_after: 2}
  - {on: submit, kind: reset_after, probability: 0.02, times: 5}
  - {on: file, kind: truncated, probability: 0.1}
  - {on: job, kind: fail, every: 20}
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from runner.errors import ConfigurationInvalid, InputMissing

CALL_KINDS: Final = frozenset(
    {
        *("status", "throttle", "error_in_200", "html", "empty", "no_id", "list", "truncated_json", "redirect"),
        *("reset_before", "reset_after", "fin_after", "hang", "slow", "not_http", "partial_headers"),
    }
)
FILE_KINDS: Final = frozenset(
    {
        *("status", "truncated", "truncated_no_length", "html", "empty", "corrupt", "slow", "reset_after"),
        *("redirect_private", "wrong_type"),
    }
)
JOB_KINDS: Final = frozenset(
    {"fail", "stall", "unknown_word", "upper_case", "synonyms", "expired_result", "private_url", "lost"}
)
KINDS: Final = {
    **dict.fromkeys(("submit", "status", "result", "cancel", "card"), CALL_KINDS),
    "file": FILE_KINDS,
    "job": JOB_KINDS,
}
PROCESSED: Final = frozenset(
    {
        "empty",
        "no_id",
        "list",
        "truncated_json",
        "reset_after",
        "fin_after",
        "hang",
        "slow",
        "not_http",
        "partial_headers",
    }
)
"""Kinds that take the job before they misbehave, unless the rule says otherwise."""


PRICE_USD: Final = "0.039"
"""What an edit of the bundled model costs in play money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """One way to misbehave: on which call, how, and how often."""

    on: str
    kind: str
    probability: float = 0.0
    every: int = 0
    """Every n-th call; 0: by probability."""
    times: int | None = None
    """At most so often."""
    status: int = 503
    error_code: int = 500001
    retry_after: str | None = None
    """Seconds, or `date+2` for an HTTP date so far ahead."""
    seconds: float = 1.0
    processed: bool | None = None

    @property
    def is_processed(self) -> bool:
        """Whether the call is carried out before the misbehaviour."""
        return self.kind in PROCESSED if self.processed is None else self.processed


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """How the simulator behaves."""

    host: str = "127.0.0.1"
    port: int = 0
    files_port: int = 0
    slots: int = 8
    """Requests that really run at once; the others queue."""
    latency_s: float = 1.0
    """The median time an edit takes."""
    seed: int = 0
    faults: tuple[FaultRule, ...] = ()
    journal: Path | None = None
    """Where accepted requests are remembered, so that a restarted simulator still knows them."""
    token: str | None = None
    """If set, only this token is accepted; else any."""
    price_usd: str = PRICE_USD
    """Of an output of the bundled model; the others cost what their cards say."""
    balance_usd: str | None = None
    """If set, accepted jobs are charged against it, and submits are refused once it is used up."""


def read_faults(path: Path) -> tuple[FaultRule, ...]:
    """The rules in a YAML file; raises `InputMissing`, and `ConfigurationInvalid` with the rule's place."""
    import yaml

    try:
        document = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationInvalid(f"{path}: not YAML: {error}") from error
    rules = document.get("faults") if isinstance(document, dict) else None
    if not isinstance(rules, list):
        raise ConfigurationInvalid(f"{path}: expected a list under the key `faults`")
    return tuple(_rule(rule, f"{path}: faults[{index}]") for index, rule in enumerate(rules))


def _rule(values: Any, place: str) -> FaultRule:
    known = {field.name for field in fields(FaultRule)}
    if not isinstance(values, dict):
        raise ConfigurationInvalid(f"{place}: expected a mapping such as {{on: submit, kind: throttle, every: 7}}")
    values = {("on" if key is True else key): value for key, value in values.items()}  # YAML 1.1 reads `on` as true
    if unknown := sorted(str(key) for key in values if key not in known):
        raise ConfigurationInvalid(f"{place}: unknown key {unknown[0]!r}; known: {', '.join(sorted(known))}")
    kinds = KINDS.get(str(values.get("on")))
    if kinds is None:
        raise ConfigurationInvalid(f"{place}.on: expected one of {', '.join(KINDS)}, got {values.get('on')!r}")
    if str(values.get("kind")) not in kinds:
        raise ConfigurationInvalid(
            f"{place}.kind: expected one of {', '.join(sorted(kinds))}, got {values.get('kind')!r}"
        )
    for key, (is_good, expected) in EXPECTED.items():
        if key in values and not is_good(values[key]):
            raise ConfigurationInvalid(f"{place}.{key}: expected {expected}, got {values[key]!r}")
    if not values.get("every") and not values.get("probability"):
        raise ConfigurationInvalid(f"{place}: say how often, with `every: 7` or `probability: 0.1`")
    if "retry_after" in values:
        values["retry_after"] = str(values["retry_after"])
    return FaultRule(**values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int)


def _is_wish(value: Any) -> bool:
    return re.fullmatch(r"(date\+)?\d+(\.\d+)?", str(value)) is not None


EXPECTED: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "probability": (lambda value: _is_number(value) and value <= 1, "a number from 0 to 1"),
    "every": (_is_count, "a whole number"),
    "times": (lambda value: value is None or _is_count(value), "a whole number"),
    "status": (lambda value: _is_count(value) and 200 <= value <= 599, "an HTTP status from 200 to 599"),
    "error_code": (_is_count, "a whole number"),
    "retry_after": (_is_wish, "seconds, or date+seconds"),
    "seconds": (_is_number, "a number of seconds"),
    "processed": (lambda value: value is None or isinstance(value, bool), "true or false"),
}
"""What a rule's values may be."""
