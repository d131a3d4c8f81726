"""Each job in every combination of some values: scenes, formats, seasons.

A value that is a mapping brings fields of its own (`{name: kitchen, prompt: …}`); a plain value of an axis that is
called like a field of the model is that field's; any other is a name for templates.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place, did_you_mean, nearest
from runner.manifest.items import columns_in, texts_in
from runner.manifest.templates import Condition, Scope, TemplateProblem, condition, templates_in, unknown_name
from runner.rules.names import folded

MOST_COMBINATIONS: Final = 10_000
"""A person who wants more of each job has probably made a mistake."""
LONGEST_SUFFIX: Final = 40
"""Of one value; what is longer is no name for files and reports."""
RESERVED: Final = frozenset({"include", "exclude"})
TAKEN: Final = frozenset({"id", "job_id", "row", "n", "ext", "self", "loop"})
"""Names that templates have already."""


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
        return "".join("__" + _part(name) for name in self.names.values())

    @property
    def variant(self) -> str:
        """The combination for a person: `white, 1:1`."""
        return ", ".join(self.names.values())


NONE: Final = Combination({})


@dataclass(frozen=True, slots=True)
class _Value:
    axis: str
    name: str
    fields: Mapping[str, Any]
    places: Mapping[str, Place]


class Matrix:
    """The combinations of a manifest."""

    def __init__(
        self, value: Mapping[str, Any], places: Mapping[str, Place], written: Mapping[str, str] | None = None
    ) -> None:
        """`value` is the YAML mapping, checked by the schema; `places` and `written` know `axis.index`.

        A value is called as it is written: `1.50` is no `1.5`.
        """
        self._value_of = value
        self._places = places
        self._written = written or {}
        self._fields: frozenset[str] | None = frozenset()
        self._axes: dict[str, list[_Value]] = {}
        self._combinations: list[Combination] = []
        self._conditional: list[tuple[Combination, Condition, Place]] = []
        self._never: dict[Place, Condition] = {}

    def settle(self, fields: frozenset[str] | None, names: frozenset[str], findings: Findings) -> None:
        """Work the combinations out; what is wrong with them goes to the findings.

        `fields` are the model's, `None` where nobody here knows them; `names` are those that templates in the
        manifest's head ask for.
        """
        self._fields = fields
        value = self._value_of
        for axis, items in value.items():
            if axis not in RESERVED and self._is_axis(axis, items, names, findings):
                self._axes[axis] = list(self._values(axis, items, findings))
        if not self._axes:
            if not findings.has_errors:
                findings.error("matrix", self._place(), "the matrix has no axis", "as in  scene: [white, kitchen]")
            return
        count = 1
        for values in self._axes.values():
            count *= len(values)
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
        self._check_shared(findings)
        if not self._combinations and not self._conditional and not findings.has_errors:
            message = "the matrix leaves nothing: every combination is excluded"
            findings.error("matrix", self._place("exclude"), message, "exclude fewer")

    @property
    def used(self) -> frozenset[str]:
        """The fields that some value sets."""
        return frozenset(name for values in self._axes.values() for value in values for name in value.fields)

    def fills_in(self, key: str, names: Collection[str]) -> bool:
        """Whether each value that sets a field has a place for what it was before, under one of its names."""
        given = (fields[key] for fields in self.all_fields if key in fields)
        return all(not columns_in(templates_in(texts_in(value))).isdisjoint(names) for value in given)

    def idle(self, names: frozenset[str]) -> Iterator[tuple[str, Place]]:
        """The axes that set no field, and that no template asks for: their jobs are alike."""
        for axis, values in self._axes.items():
            if values and axis not in names and not any(value.fields for value in values):
                yield axis, self._place(axis)

    @property
    def never(self) -> Mapping[Place, Condition]:
        """The conditions that have been true of no job so far, by their places."""
        return self._never

    @property
    def axes(self) -> frozenset[str]:
        """The names that templates may use."""
        return frozenset(self._axes)

    @property
    def given(self) -> frozenset[str]:
        """The fields that every combination sets."""
        sets = [
            frozenset.intersection(*(frozenset(value.fields) for value in values))
            for values in self._axes.values()
            if values
        ]
        return frozenset().union(*sets)

    @property
    def names(self) -> frozenset[str]:
        """The names that its conditions ask for."""
        return frozenset().union(*(when.names for when in self.conditions))

    @property
    def conditions(self) -> list[Condition]:
        """Those of its combinations that only some jobs have."""
        return [when for _, when, _ in self._conditional]

    @property
    def asked(self) -> Mapping[str, frozenset[str]]:
        """By field, the names that its values ask for."""
        used = sorted(self.used)
        values = {name: texts_in([fields.get(name) for fields in self.all_fields]) for name in used}
        return {name: columns_in(templates_in(texts)) for name, texts in values.items()}

    @property
    def all_fields(self) -> list[Mapping[str, Any]]:
        """What each value sets: templates may stand in it."""
        return [value.fields for values in self._axes.values() for value in values]

    def of(self, scope: Scope, source: str, findings: Findings) -> Iterator[Combination]:
        """The combinations of one job; where a `when` cannot be judged the findings say so."""
        yield from self._combinations
        included: list[Mapping[str, str]] = []
        for combination, when, place in self._conditional:
            try:
                if problem := unknown_name(when, scope):
                    raise problem
                if not when.holds(scope):
                    continue
                self._never.pop(place, None)
                if combination.names not in included:
                    included.append(combination.names)
                    yield combination
            except TemplateProblem as problem:
                suffix = "" if " is undefined" in str(problem) else f" (for {source})"
                findings.error("matrix", place, f"matrix: when: {problem}{suffix}", problem.hint)

    # --------------------------------------------------------------------------------------------------- helpers

    def _is_axis(self, axis: str, items: Sequence[Any], names: frozenset[str], findings: Findings) -> bool:
        """Whether it is clear what the axis is: a field of the model, or a name for templates."""
        place = self._place(axis)
        if axis in TAKEN:
            findings.error(
                "matrix",
                place,
                f"matrix: {axis!r} cannot be an axis",
                "call it otherwise: templates have that name already",
            )
            return False
        if axis == "model" or axis in names or all(isinstance(item, Mapping) for item in items):
            return True
        if self._fields is None:
            shown = self._written.get(f"{axis}.0", "")
            hint = f"say what it sets:  - {{name: {shown}, {axis}: {shown}}};  or pull the card:  models pull"
            findings.error("matrix", place, f"matrix: whether {axis!r} is a field of the model is not known", hint)
            return False
        near = nearest(axis, self._fields, 0.8)
        if axis not in self._fields and near is not None:
            message = f"matrix: {axis!r} is no field of the model, and no template asks for it"
            findings.error("matrix", place, message, f"did you mean {near!r}?")
            return False
        return True

    def _check_shared(self, findings: Findings) -> None:
        """No field is set by two axes: one value is sent, and the id, the file's name and the prompt say another."""
        values = {(axis, value.name): value for axis, several in self._axes.items() for value in several}
        told: set[tuple[str, str, str]] = set()
        for combination in (*self._combinations, *(one for one, *_ in self._conditional)):
            setting: dict[str, str] = {}
            for value in (values[axis, name] for axis, name in combination.names.items() if (axis, name) in values):
                for field_name, place in value.places.items():
                    pair = (setting.setdefault(field_name, value.axis), value.axis, field_name)
                    if pair[0] != value.axis and pair not in told:
                        told.add(pair)
                        message = f"matrix: the axes {pair[0]!r} and {value.axis!r} both set {field_name}"
                        hint = "let one of them set it, or leave out such pairs with  exclude:"
                        findings.error("matrix", place, message, hint)

    def _values(self, axis: str, items: Sequence[Any], findings: Findings) -> Iterator[_Value]:
        seen: dict[str, str] = {}
        for number, item in enumerate(items):
            key = f"{axis}.{number}"
            value = self._value(axis, item, key)
            part = folded(_part(value.name))
            if not part.strip("-"):
                findings.error(
                    "matrix", self._place(key, axis), f"matrix: a value of {axis} has no name", "write a word"
                )
            elif len(part) > LONGEST_SUFFIX:
                message = f"matrix: a value of {axis} is too long for a name: {value.name[:60]!r}"
                hint = f"name it:  - {{name: short, {axis}: …}}"
                findings.error("matrix", self._place(key, axis), message, hint)
            elif part in seen:
                both = f"{seen[part]!r}" if seen[part] == value.name else f"{seen[part]!r} and {value.name!r}"
                message = f"matrix: two values of {axis} make one id: {both}"
                findings.error("matrix", self._place(key, axis), message, "name each otherwise")
            elif "id" in value.fields:
                hint = "the names of the values are added to ids by themselves"
                findings.error("matrix", self._place(key, axis), "matrix: a value cannot set the id", hint)
            else:
                seen[part] = value.name
                yield value

    def _value(self, axis: str, item: Any, key: str) -> _Value:
        place = self._place(key, axis)
        if isinstance(item, Mapping):
            fields = {name: value for name, value in item.items() if name != "name"}
            places = {name: self._place(f"{key}.{name}", key, axis) for name in fields}
            return _Value(axis, self._name(f"{key}.name", item["name"]), fields, places)
        fields = {axis: item} if axis == "model" or (self._fields is not None and axis in self._fields) else {}
        return _Value(axis, self._name(key, item), fields, dict.fromkeys(fields, place))

    def _name(self, key: str, value: Any) -> str:
        return self._written.get(key, str(value))

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
        names = {axis: self._name(f"{key}.{axis}", value) for axis, value in wanted.items()}
        if not self._are_axes(names, key, findings):
            return
        kept = [c for c in self._combinations if not names.items() <= c.names.items()]
        if len(kept) == len(self._combinations):
            self._explain(names, key, "exclude leaves nothing out", findings)
        self._combinations = kept

    def _include(self, wanted: Mapping[str, Any], key: str, findings: Findings) -> None:
        names = {axis: self._name(f"{key}.{axis}", value) for axis, value in wanted.items() if axis != "when"}
        if not self._are_axes(names, key, findings):
            return
        if not names:
            hint = "as in  {scene: kitchen, when: stock > 0}"
            findings.error("matrix", self._place(key), "matrix: include names no value", hint)
            return
        values: dict[str, _Value] = {}
        for axis in self._axes:
            if axis not in names:
                continue
            known = next((value for value in self._axes[axis] if value.name == names[axis]), None)
            if known is None and axis != "model" and axis not in (self._fields or ()):
                what = "include names a value that the axis does not have"
                self._explain({axis: names[axis]}, key, what, findings, "; a new one is named in the axis as well")
                return
            values[axis] = known or self._value(axis, wanted[axis], f"{key}.{axis}")
        combination = self._joined(values)
        if left := [axis for axis in self._axes if axis not in values]:
            message = f"matrix: include says nothing of {', '.join(left)}: its job has none of them"
            findings.warn("matrix", self._place(key), message, "name a value of each axis")
        if any(combination.names == other.names for other in self._combinations):
            return
        if "when" not in wanted:
            self._combinations.append(combination)
            return
        try:
            when = condition(str(wanted["when"]))
            self._conditional.append((combination, when, self._place(key)))
            self._never[self._place(key)] = when
        except TemplateProblem as problem:
            findings.error("matrix", self._place(key), f"matrix: when: {problem}", problem.hint)

    def _are_axes(self, names: Mapping[str, str], key: str, findings: Findings) -> bool:
        for axis in names:
            if axis not in self._axes:
                message = f"matrix: {key.split('.', maxsplit=1)[0]} names no axis: {axis!r}"
                findings.error("matrix", self._place(key), message, did_you_mean(axis, self._axes))
                return False
        return True

    def _explain(self, names: Mapping[str, str], key: str, what: str, findings: Findings, how: str = "") -> None:
        """Why an entry names nothing: the value that is in no axis, with the nearest that is."""
        for axis, name in names.items():
            known = [value.name for value in self._axes[axis]]
            if name not in known:
                hint = did_you_mean(name, known) + how
                findings.error("matrix", self._place(key), f"matrix: {what}: {axis}: {name!r}", hint)
                return
        findings.warn("matrix", self._place(key), f"matrix: {what}", "it is left out already")


def _part(name: str) -> str:
    """A value's name in an id."""
    return re.sub(r"[^\w.+-]+", "-", name.replace(":", "x"))
