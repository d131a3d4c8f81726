"""Everything that a manifest says but its jobs: defaults, sources, matrix, overrides, output, run.

A YAML file says it in its keys; a table that is a manifest by itself says it in what the command line adds to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, Final
from unicodedata import normalize

import jsonschema_rs
import yaml

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.explaining import explain
from runner.manifest.given import Source
from runner.manifest.items import columns_in, texts_in
from runner.manifest.matrix import Matrix
from runner.manifest.nodes import key_places, places_in, written_in
from runner.manifest.presets import PRESETS
from runner.manifest.schema import head_schema
from runner.manifest.templates import TemplateProblem, condition, is_template, names_in, templates_in
from runner.manifest.unquoted import OF_ALL, check_own, check_unquoted
from runner.manifest.yaml_core import Document
from runner.rules.names import wild

Settings = Mapping[str, Callable[[Any], str | None]]
"""The settings that `run:` may hold, each with its check: what was expected in a value's place, or `None`."""

_SCHEMA: Final = jsonschema_rs.validator_for(head_schema())
ENDINGS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}
TEXT: Final = "tsv"
"""What a `.txt` is, if it is a table."""

FITTING: Final = {
    "delimiter": ("csv", "tsv"),
    "encoding": ("csv", "tsv", "jsonl"),
    "sheet": ("xlsx",),
    "preset": ("csv", "tsv", "xlsx"),
    "per": ("csv", "tsv", "xlsx"),
}
"""The formats of tables for which a key of a source says something."""
OF_PARTS: Final = frozenset({"name", "match", "set", "skip", "when", "include", "exclude"})
"""Keys within `matrix` and `overrides`."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A source that is a folder of photos."""

    folder: str
    glob: str
    where: Any
    places: Mapping[str, Place]


@dataclass(frozen=True, slots=True)
class Override:
    """An exception for the jobs whose ids match."""

    match: str
    fields: Mapping[str, Any]
    skip: bool | None
    """Whether there are to be such jobs; `None`: it does not say."""
    places: Mapping[str, Place]

    def is_for(self, job_id: str) -> bool:
        """Whether it is about that job."""
        return wild(normalize("NFC", self.match)).fullmatch(normalize("NFC", job_id)) is not None


@dataclass(slots=True)
class Head:
    """What every job of a manifest shares."""

    name: str | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    """The defaults: what every job inherits."""
    places: dict[str, Place] = field(default_factory=dict)
    sources: list[Source | Folder] = field(default_factory=list)
    matrix: Matrix | None = None
    overrides: list[Override] = field(default_factory=list)
    path: str | None = None
    """The template of the outputs' paths."""
    path_place: Place = field(default_factory=Place)
    on_conflict: str = "error"
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def given(self) -> frozenset[str]:
        """The fields that need not stand in a row."""
        return frozenset(self.fields) | (self.matrix.given if self.matrix else frozenset())

    @property
    def names(self) -> frozenset[str]:
        """The names that the templates in it ask for."""
        return names_in(self._texts) | (self.matrix.names if self.matrix else frozenset())

    @property
    def columns(self) -> frozenset[str]:
        """The columns among them, also those that are asked for as `row['…']`; `row` where it is not known which."""
        conditions = self.matrix.conditions if self.matrix else []
        return columns_in([*templates_in(self._texts), *conditions])

    @property
    def _texts(self) -> list[str]:
        texts = [
            *texts_in(self.fields),
            self.path or "",
            *(text for o in self.overrides for text in texts_in(o.fields)),
        ]
        if self.matrix:
            texts += [text for fields in self.matrix.all_fields for text in texts_in(fields)]
        return texts


def read_head(
    document: Document,
    keys: Mapping[str, tuple[yaml.Node, yaml.Node]],
    settings: Settings,
    findings: Findings,
    fields_of: Callable[[Any], frozenset[str]],
) -> Head:
    """The head in a YAML file's keys, each with its key node and value node; what is wrong goes to the findings.

    `fields_of` are the fields of a model, as far as they are known.
    """
    nodes = {key: value for key, (_, value) in keys.items()}
    values = {key: document.value(node, findings, where=key) for key, node in nodes.items()}
    bad: set[str] = set()
    for error in _SCHEMA.iter_errors(values):
        bad |= {str(error.instance_path[0])} if error.instance_path else set()
        explain(document, keys, error, findings)
    defaults = values.get("defaults")
    model = defaults.get("model") if isinstance(defaults, Mapping) else None
    known = OF_ALL | OF_PARTS | fields_of(model or values.get("model"))
    for key in ("defaults", "matrix", "overrides"):
        if key in keys:
            check_unquoted(document, key, *keys[key], findings, known)
    values = {key: value for key, value in values.items() if key not in bad}
    head = Head()
    head.name = values.get("name")
    _read_defaults(document, nodes, values, head, findings)
    _read_run(document, nodes, values, head, settings, findings)
    for number, value in enumerate(values.get("sources") or []):
        node = nodes["sources"].value[number]
        head.sources.append(_source(document, node, value, findings))
    if "matrix" in values:
        places = places_in(document, nodes["matrix"], depth=3) | {"": document.place(nodes["matrix"])}
        head.matrix = Matrix(values["matrix"], places, written_in(document, nodes["matrix"], depth=3))
    for number, value in enumerate(values.get("overrides") or []):
        node = nodes["overrides"].value[number]
        head.overrides.append(_override(document, node, value, findings))
    output = values.get("output") or {}
    if "path" in output:
        head.path = output["path"]
        head.path_place = places_in(document, nodes["output"], depth=1).get("path", Place())
    head.on_conflict = output.get("on_conflict", "error")
    return head


# ------------------------------------------------------------------------------------------------------------- parts


def _read_defaults(
    document: Document, nodes: Mapping[str, yaml.Node], values: Mapping[str, Any], head: Head, findings: Findings
) -> None:
    if "model" in values:
        head.fields["model"] = values["model"]
        head.places["model"] = document.place(nodes["model"])
    for key, value in (values.get("defaults") or {}).items():
        if key.startswith("x-"):
            check_own(key, places_in(document, nodes["defaults"], depth=1)[key], findings)
            continue
        if key == "id" and not (isinstance(value, str) and is_template(value)):
            place = places_in(document, nodes["defaults"], depth=1)["id"]
            hint = 'a template makes one for each, as  id: "{{ sku }}"'
            findings.error("unknown-key", place, "an id cannot be a default", hint)
            continue
        if key == "model" and value != values.get("model", value):
            place = places_in(document, nodes["defaults"], depth=1)["model"]
            message = f"the model is {values['model']!r} at the top, and {value!r} here"
            findings.error("model", place, message, "keep one of them")
        head.fields[key] = value
    if "defaults" in values and isinstance(nodes["defaults"], yaml.MappingNode):
        head.places |= places_in(document, nodes["defaults"], depth=2)


def _read_run(
    document: Document,
    nodes: Mapping[str, yaml.Node],
    values: Mapping[str, Any],
    head: Head,
    settings: Settings,
    findings: Findings,
) -> None:
    head.run = values.get("run") or {}
    if not head.run:
        return
    places = places_in(document, nodes["run"], depth=1)
    for key, value in head.run.items():
        if key not in settings:
            key_place = key_places(document, nodes["run"])[key]
            findings.error("unknown-key", key_place, f"unknown setting {key!r} in run", did_you_mean(key, settings))
        elif (expected := settings[key](value)) is not None:
            place, shown = places[key], repr(value)
            if "//" in shown:  # a URL to notify is often a key: it is not for the log of a CI
                place, shown = replace(place, text=None), "this"
            findings.error("run", place, f"run.{key}: {shown} is not taken", f"write {expected}")


def _source(document: Document, node: yaml.Node, value: Mapping[str, Any], findings: Findings) -> Source | Folder:
    places = places_in(document, node, depth=2) | {"": document.place(node)}
    where = None
    if "where" in value:
        try:
            where = condition(value["where"])
        except TemplateProblem as problem:
            findings.error("where", places["where"], f"where: {problem}", problem.hint)
    if "folder" in value:
        for key in value:
            if key not in ("folder", "glob", "where"):
                findings.error("source", places[key], f"{key} goes with `file`, not with `folder`", "drop it")
        return Folder(value["folder"], value.get("glob", "*"), where, places)
    if "glob" in value:
        findings.error("source", places["glob"], "glob goes with `folder`, not with `file`", "drop it")
    ending = PurePath(value["file"]).suffix.lower()
    form = value.get("format") or ENDINGS.get(ending, TEXT if ending == ".txt" else None)
    if form is None:
        hint = "say what it is:  format: csv"
        findings.error("source", places["file"], f"{value['file']}: not a table's name", hint)
    for key, forms in FITTING.items():
        if key in value and form is not None and form not in forms:
            message = f"{key} is for {' and '.join(forms)}, and this is {form}: it would say nothing"
            findings.error("source", places[key], message, "drop it")
    preset = PRESETS.get(value.get("preset", ""))
    if "per" in value and preset is None:
        findings.error("source", places["per"], "per goes with a preset", "as in  preset: shopify")
    return Source(
        file=value["file"],
        format=form or "csv",
        encoding=value.get("encoding"),
        delimiter=value.get("delimiter"),
        sheet=value.get("sheet"),
        columns={
            key: (item,) if isinstance(item, str) else tuple(item) for key, item in value.get("columns", {}).items()
        },
        where=where,
        preset=preset,
        per=value.get("per", "product"),
        places=places,
    )


def _override(document: Document, node: yaml.Node, value: Mapping[str, Any], findings: Findings) -> Override:
    places = places_in(document, node, depth=3) | {"": document.place(node)}
    if "id" in value.get("set", {}):
        findings.error("override", places["set.id"], "an id cannot be overridden", "drop it: jobs are chosen by it")
    if "set" not in value and "skip" not in value:
        findings.error("override", places[""], "the override changes nothing", "give it `set` or `skip: true`")
    plain = {key.removeprefix("set."): place for key, place in places.items() if key.startswith("set.")}
    return Override(value["match"], value.get("set", {}), value.get("skip"), places | plain)
