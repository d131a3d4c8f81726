"""Each job in every combination of some values: scenes, formats, seasons.

A value that is a mapping brings fields of its own (`{name: kitchen, prompt: …}`); a plain value of an axis that is
called like a field of the model is that field's; any other is a name for templates.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.templates import Condition, Scope, TemplateProblem, condition, unknown_name

MOST_COMBINATIONS: Final = 10_000
"""A person who wants more of each job has probably made a mistake."""
RESERVED: Final = frozenset({"include", "exclude"})


@dataclass(frozen=True, slots=True)
class Combination:
    """One value of each axis."""

    names: Mapping[str, str]
    """The values' names by axis, for templates and ids."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What they set."""
    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """What is added to an id: `__white__1x1`."""
        return "".join("__" + re.sub(r"[^\w.+-]+", "-", name.replace(":", "x")) for name in self.names.values())

    @property
    def variant(self) -> str:
        """The combination for a person: `white, 1:1`."""
        return ", ".join(self.names.values())


NONE: Final = Combination({})


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    fields: Mapping[str, Any]
    places: Mapping[str, Place]


class Matrix:
    """The combinations of a manifest."""

    def __init__(self, value: Mapping[str, Any], places: Mapping[str, Place]) -> None:
        """`value` is the YAML mapping, checked by the schema; `places` knows `axis.index`."""
        self._value_of = value
        self._places = places
        self._fields: frozenset[str] = frozenset()
        self._axes: dict[str, list[_Value]] = {}
        self._combinations: list[Combination] = []
        self._conditional: list[tuple[Combination, Condition, Place]] = []

    def settle(self, fields: frozenset[str], findings: Findings) -> None:
        """Work the combinations out, `fields` being the model's; what is wrong with them goes to the findings."""
        self._fields = fields
        value = self._value_of
        self._axes = {
            axis: [self._value(axis, item, f"{axis}.{n}") for n, item in enumerate(items)]
            for axis, items in value.items()
            if axis not in RESERVED
        }
        count = 1
        for axis, values in self._axes.items():
            count *= len(values)
            twice = {value.name for value in values if sum(other.name == value.name for other in values) > 1}
            for name in sorted(twice):
                findings.error(
                    "matrix", self._place(axis), f"matrix: {axis} has two values named {name!r}", "name each once"
                )
        if count > MOST_COMBINATIONS:
            message = f"the matrix makes {count:,} jobs of each; at most {MOST_COMBINATIONS:,} are allowed"
            findings.error("matrix", self._place(), message, "split the manifest")
            return
        self._combinations = [
            self._joined(dict(zip(self._axes, values, strict=True)))
            for values in itertools.product(*self._axes.values())
        ]
        for number, wanted in enumerate(value.get("exclude") or []):
            self._exclude(wanted, f"exclude.{number}", findings)
        for number, wanted in enumerate(value.get("include") or []):
            self._include(wanted, f"include.{number}", findings)

    @property
    def axes(self) -> frozenset[str]:
        """The names that templates may use."""
        return frozenset(self._axes)

    @property
    def given(self) -> frozenset[str]:
        """The fields that every combination sets."""
        sets = [
            frozenset.intersection(*(frozenset(value.fields) for value in values)) for values in self._axes.values()
        ]
        return frozenset().union(*sets)

    @property
    def names(self) -> frozenset[str]:
        """The names that its conditions ask for."""
        return frozenset().union(*(when.names for _, when, _ in self._conditional))

    @property
    def all_fields(self) -> list[Mapping[str, Any]]:
        """What each value sets: templates may stand in it."""
        return [value.fields for values in self._axes.values() for value in values]

    def of(self, scope: Scope) -> Iterator[Combination]:
        """The combinations of one job; raises `TemplateProblem` where a `when` cannot be judged."""
        yield from self._combinations
        for combination, when, _ in self._conditional:
            if problem := unknown_name(when.names, scope):
                raise problem
            if when.holds(scope):
                yield combination

    # --------------------------------------------------------------------------------------------------- helpers

    def _value(self, axis: str, item: Any, key: str) -> _Value:
        place = self._place(key, axis)
        if isinstance(item, Mapping):
            fields = {name: value for name, value in item.items() if name != "name"}
            return _Value(_text(item["name"]), fields, dict.fromkeys(fields, place))
        fields = {axis: item} if axis in self._fields else {}
        return _Value(_text(item), fields, dict.fromkeys(fields, place))

    def _place(self, *keys: str) -> Place:
        return next((self._places[key] for key in (*keys, "") if key in self._places), Place())

    def _joined(self, values: Mapping[str, _Value]) -> Combination:
        fields: dict[str, Any] = {}
        places: dict[str, Place] = {}
        for value in values.values():
            fields |= value.fields
            places |= value.places
        return Combination({axis: value.name for axis, value in values.items()}, fields, places)

    def _exclude(self, wanted: Mapping[str, Any], key: str, findings: Findings) -> None:
        names = {axis: _text(value) for axis, value in wanted.items()}
        if not self._are_axes(names, key, findings):
            return
        kept = [c for c in self._combinations if not names.items() <= c.names.items()]
        if len(kept) == len(self._combinations):
            self._explain(names, key, "exclude leaves nothing out", findings)
        self._combinations = kept

    def _include(self, wanted: Mapping[str, Any], key: str, findings: Findings) -> None:
        names = {axis: _text(value) for axis, value in wanted.items() if axis != "when"}
        if not self._are_axes(names, key, findings):
            return
        values: dict[str, _Value] = {}
        for axis in self._axes:
            if axis not in names:
                continue
            known = next((value for value in self._axes[axis] if value.name == names[axis]), None)
            if known is None and axis not in self._fields:
                self._explain({axis: names[axis]}, key, "include names a value that the axis does not have", findings)
                return
            values[axis] = known or self._value(axis, wanted[axis], key)
        combination = self._joined(values)
        if any(combination.names == other.names for other in self._combinations):
            return
        if "when" not in wanted:
            self._combinations.append(combination)
            return
        try:
            self._conditional.append((combination, condition(str(wanted["when"])), self._place(key)))
        except TemplateProblem as problem:
            findings.error("matrix", self._place(key), f"matrix: when: {problem}", problem.hint)

    def _are_axes(self, names: Mapping[str, str], key: str, findings: Findings) -> bool:
        for axis in names:
            if axis not in self._axes:
                message = f"matrix: {key.split('.', maxsplit=1)[0]} names no axis: {axis!r}"
                findings.error("matrix", self._place(key), message, did_you_mean(axis, self._axes))
                return False
        return True

    def _explain(self, names: Mapping[str, str], key: str, what: str, findings: Findings) -> None:
        """Why an entry names nothing: the value that is in no axis, with the nearest that is."""
        for axis, name in names.items():
            known = [value.name for value in self._axes[axis]]
            if name not in known:
                findings.error(
                    "matrix", self._place(key), f"matrix: {what}: {axis}: {name!r}", did_you_mean(name, known)
                )
                return
        findings.warn("matrix", self._place(key), f"matrix: {what}", "it is left out already")


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
