"""The limits that a card's `validations` set on a file, as far as they can be checked where the file is at hand; pure.

    {"validation_rule": "file_size_mb<", "validation_value": 30, "validation_error": "File size must be …"}

The comparison is strict, as written: `width_pixels>` 14 wants 15 or more. A rule that is not known, or an entry that
is malformed, is ignored: the service judges, and a limit that was guessed wrong would stop a job that it takes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from runner.catalog.fields import Schema, parts
from runner.model import InputProblem, MeasuredFile

MEGABYTE: Final = 1 << 20
"""The service does not say which megabyte it means; the larger one refuses nothing that it takes."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """One thing about a file that a rule may limit."""

    name: str
    code: str
    unit: str
    measure: Callable[[MeasuredFile], float | None]
    lower: str
    """What to do where it must be less."""
    raise_: str
    """What to do where it must be more."""


def _size(file: MeasuredFile) -> float | None:
    return None if file.bytes is None else file.bytes / MEGABYTE


def _ratio(file: MeasuredFile) -> float | None:
    return file.width / file.height if file.width and file.height else None


QUANTITIES: Final = {
    "file_size_mb": Quantity(
        "file size", "file-size", "MB", _size, "save it smaller: fewer pixels or a lower quality", "save it larger"
    ),
    "width_pixels": Quantity(
        "width", "file-width", "pixels", lambda file: file.width, "scale it down", "scale it up, or choose a larger one"
    ),
    "height_pixels": Quantity(
        "height",
        "file-height",
        "pixels",
        lambda file: file.height,
        "scale it down",
        "scale it up, or choose a larger one",
    ),
    "width/height": Quantity(
        "width/height", "file-ratio", "", _ratio, "it is too wide: crop its sides", "it is too tall: crop it in height"
    ),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One entry that is understood."""

    quantity: Quantity
    is_upper: bool
    bound: float
    error: str
    """The service's own sentence; empty where it sends none."""

    def __str__(self) -> str:
        words = f"{self.quantity.name} {'below' if self.is_upper else 'above'} {self.bound:g} {self.quantity.unit}"
        return words.strip()


def limits_of(schema: Schema) -> list[Limit]:
    """The limits that a field's schema sets on a file, wherever in it they stand; each once."""
    entries = [entry for part in parts(schema) for entry in _listed(part.get("validations"))]
    return list(dict.fromkeys(limit for entry in entries if (limit := _limit(entry)) is not None))


def file_problems(field: str, schema: Schema, measured: MeasuredFile) -> list[InputProblem]:
    """Which limits of the field the file breaks; what was not measured is not judged."""
    return list(_problems(field, schema, measured))


def _problems(field: str, schema: Schema, measured: MeasuredFile) -> Iterator[InputProblem]:
    for limit in limits_of(schema):
        value = limit.quantity.measure(measured)
        if value is None or (value < limit.bound if limit.is_upper else value > limit.bound):
            continue
        said = limit.error or f"{field} wants {limit}"
        shown = f"{value:,.2f}".rstrip("0").rstrip(".") + f" {limit.quantity.unit}".rstrip()
        yield InputProblem(
            path=(field,),
            code=limit.quantity.code,
            message=f"{said.rstrip('.')} (this one: {shown})",
            hint=limit.quantity.lower if limit.is_upper else limit.quantity.raise_,
        )


def _limit(entry: Any) -> Limit | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("validation_rule"), str):
        return None
    rule = re.fullmatch(r"\s*([a-z_/]+)\s*([<>])\s*", entry["validation_rule"])
    quantity = QUANTITIES.get(rule[1]) if rule else None
    bound = _number(entry.get("validation_value"))
    if rule is None or quantity is None or bound is None:
        return None
    error = entry.get("validation_error")
    return Limit(quantity, rule[2] == "<", bound, _line(error) if isinstance(error, str) else "")


def _number(value: Any) -> float | None:
    """The bound, also where it is sent as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _line(text: str) -> str:
    """The service's sentence on one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[:800]).split())[:200]
