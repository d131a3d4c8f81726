"""Everything that a manifest says but its jobs: defaults, sources, matrix, overrides, output, run.

A YAML file says it in its keys; a table that is a manifest by itself says it in what the command line adds to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Any, Final

import jsonschema_rs
import yaml

from runner.manifest.columns import Source
from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.matrix import Matrix
from runner.manifest.presets import PRESETS
from runner.manifest.schema import NAME_PATTERN, head_schema
from runner.manifest.templates import TemplateProblem, compiled, condition, is_template
from runner.manifest.yaml_core import Document, is_quoted

Settings = Mapping[str, Callable[[Any], str | None]]
"""The settings that `run:` may hold, each with its check: what was expected in a value's place, or `None`."""

ENDINGS: Final = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
}


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
    is_skip: bool
    places: Mapping[str, Place]

    def is_for(self, job_id: str) -> bool:
        """Whether it is about that job."""
        return fnmatchcase(job_id, self.match)


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
        texts = [
            *texts_in(self.fields),
            self.path or "",
            *(text for o in self.overrides for text in texts_in(o.fields)),
        ]
        if self.matrix:
            texts += [text for fields in self.matrix.all_fields for text in texts_in(fields)]
        found = set(self.matrix.names) if self.matrix else set()
        for text in texts:
            if is_template(text):
                try:
                    found |= compiled(text).names
                except TemplateProblem:  # told where the template is filled in
                    continue
        return frozenset(found)


def read_head(
    document: Document, keys: Mapping[str, tuple[yaml.Node, yaml.Node]], settings: Settings, findings: Findings
) -> Head:
    """The head in a YAML file's keys, each with its key node and value node; what is wrong goes to the findings."""
    nodes = {key: value for key, (_, value) in keys.items()}
    values = {key: document.value(node, findings, where=key) for key, node in nodes.items()}
    bad: set[str] = set()
    for error in _HEAD.iter_errors(values):
        bad |= {str(error.instance_path[0])} if error.instance_path else set()
        _explain(document, keys, error, findings)
    values = {key: value for key, value in values.items() if key not in bad}
    head = Head()
    head.name = values.get("name")
    _read_defaults(document, nodes, values, head, findings)
    _read_run(document, nodes, values, head, settings, findings)
    for number, value in enumerate(values.get("sources") or []):
        node = _item(nodes["sources"], number)
        head.sources.append(_source(document, node, value, findings))
    if "matrix" in values:
        places = dict(_places(document, nodes["matrix"], depth=3)) | {"": document.place(nodes["matrix"])}
        head.matrix = Matrix(values["matrix"], places, dict(_written(document, nodes["matrix"], depth=3)))
    for number, value in enumerate(values.get("overrides") or []):
        node = _item(nodes["overrides"], number)
        head.overrides.append(_override(document, node, value, findings))
    output = values.get("output") or {}
    if "path" in output:
        head.path = output["path"]
        head.path_place = dict(_places(document, nodes["output"], depth=1)).get("path", Place())
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
            continue
        if key == "id" and not (isinstance(value, str) and is_template(value)):
            place = dict(_places(document, nodes["defaults"], depth=1))["id"]
            hint = 'a template makes one for each, as  id: "{{ sku }}"'
            findings.error("unknown-key", place, "an id cannot be a default", hint)
            continue
        head.fields[key] = value
    if "defaults" in values and isinstance(nodes["defaults"], yaml.MappingNode):
        head.places |= dict(_places(document, nodes["defaults"], depth=2))
        for key, _, node in document.items(nodes["defaults"], "defaults", Findings("")):
            if key == "prompt":
                check_comment(document, node, findings)


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
    places = dict(_places(document, nodes["run"], depth=1))
    for key, value in head.run.items():
        if key not in settings:
            key_place = dict(_key_places(document, nodes["run"]))[key]
            findings.error("unknown-key", key_place, f"unknown setting {key!r} in run", did_you_mean(key, settings))
        elif (expected := settings[key](value)) is not None:
            findings.error("run", places[key], f"run.{key}: {value!r} is not taken", f"write {expected}")


def _source(document: Document, node: yaml.Node, value: Mapping[str, Any], findings: Findings) -> Source | Folder:
    places = dict(_places(document, node, depth=2)) | {"": document.place(node)}
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
    form = value.get("format") or ENDINGS.get(PurePath(value["file"]).suffix.lower())
    if form is None:
        hint = "say what it is:  format: csv"
        findings.error("source", places["file"], f"{value['file']}: not a table's name", hint)
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
    places = dict(_places(document, node, depth=3)) | {"": document.place(node)}
    if "id" in value.get("set", {}):
        findings.error("override", places["set.id"], "an id cannot be overridden", "drop it: jobs are chosen by it")
    if "set" not in value and "skip" not in value:
        findings.error("override", places[""], "the override changes nothing", "give it `set` or `skip: true`")
    plain = {key.removeprefix("set."): place for key, place in places.items() if key.startswith("set.")}
    return Override(value["match"], value.get("set", {}), bool(value.get("skip", False)), places | plain)


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)


# ------------------------------------------------------------------------------------------------------------ places


def _item(node: yaml.Node, number: int) -> yaml.Node:
    item: yaml.Node = node.value[number]
    return item


def _places(document: Document, node: yaml.Node, *, depth: int, before: str = "") -> Iterator[tuple[str, Place]]:
    """The places of what is in a node: `columns`, `columns.id`, `image_urls.2`.

    That of a value, or of its key where the value begins on a later line.
    """
    if depth < 0:
        return
    if isinstance(node, yaml.MappingNode):
        for key, key_node, value in document.items(node, "", Findings("")):
            shown = value if isinstance(value, yaml.ScalarNode) and value.value else key_node
            yield before + key, document.place(shown)
            yield from _places(document, value, depth=depth - 1, before=f"{before}{key}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield f"{before}{number}", document.place(item)
            yield from _places(document, item, depth=depth - 1, before=f"{before}{number}.")


def _written(document: Document, node: yaml.Node, *, depth: int, before: str = "") -> Iterator[tuple[str, str]]:
    """The words and numbers in a node as they are written: `scene.0`, `size.1.name`."""
    if isinstance(node, yaml.ScalarNode):
        yield before.removesuffix("."), node.value
    elif depth and isinstance(node, yaml.MappingNode):
        for key, _, value in document.items(node, "", Findings("")):
            yield from _written(document, value, depth=depth - 1, before=f"{before}{key}.")
    elif depth:
        for number, item in enumerate(node.value):
            yield from _written(document, item, depth=depth - 1, before=f"{before}{number}.")


def _key_places(document: Document, node: yaml.Node) -> Iterator[tuple[str, Place]]:
    for key, key_node, _ in document.items(node, "", Findings("")):
        yield key, document.place(key_node)


def check_comment(document: Document, node: yaml.Node, findings: Findings) -> None:
    """A ` #` in an unquoted prompt begins a comment: what follows would be left out silently."""
    if not isinstance(node, yaml.ScalarNode) or is_quoted(node) or not node.value:
        return
    mark = node.end_mark
    if cut := re.match(r"\s+(?=#)", document.following(mark)):
        line = document.line(mark)
        column = mark.column + cut.end() + 1
        place = Place(line=mark.line + 1, column=column, text=line, width=len(line) - column + 1)
        message = f"everything after ' #' is a YAML comment: the prompt sent will be {node.value!r}"
        findings.warn("prompt-comment", place, message, "quote the prompt to keep the #, or drop the comment")


# ------------------------------------------------------------------------------------------------------- explanations

_HEAD: Final = jsonschema_rs.validator_for(head_schema())
_EXAMPLES: Final = {
    "sources": "- {file: products.csv}",
    "matrix": "scene: [white, kitchen]",
    "overrides": '- {match: "mug-*", set: {aspect_ratio: 4:3}}',
    "output": 'path: "{{ id }}/{{ n }}.{{ ext }}"',
    "defaults": "aspect_ratio: 1:1",
    "run": "concurrency: 8",
}


def _explain(
    document: Document, top: Mapping[str, tuple[yaml.Node, yaml.Node]], error: Any, findings: Findings
) -> None:
    """One error of the schema in a person's words, at its place."""
    path: Sequence[str | int] = list(error.instance_path)
    where = ".".join(map(str, path)) or "the manifest"
    node, place = _find(document, {key: value for key, (_, value) in top.items()}, path)
    kind = type(error.kind).__name__.rsplit("_", 1)[-1]
    hint = f"as in  {_EXAMPLES[str(path[0])]}" if path and path[0] in _EXAMPLES else ""
    match kind:
        case "AdditionalProperties":
            known = _known_keys(path)
            keys = dict(_key_places(document, node)) if node is not None else {}
            keys |= {key: document.place(key_node) for key, (key_node, _) in top.items()} if not path else {}
            for key in error.kind.unexpected:
                findings.error(
                    "unknown-key", keys.get(key, place), f"unknown key {key!r} in {where}", did_you_mean(key, known)
                )
        case "Required":
            name = error.kind.property
            if not path and name == "version":
                findings.error("version", Place(), "the format's version is missing", "begin with  version: 1")
            else:
                findings.error("missing-key", place, f"{where}: {name!r} is missing", hint)
        case "Constant":
            findings.error("version", place, "only version 1 is known", "write  version: 1")
        case _ if path == ["model"]:
            findings.error(
                "model", place, f"not a model's id: {str(error.instance)[:60]!r}", "as in google/nano-banana/edit"
            )
        case _ if path == ["name"]:
            shown = str(error.instance)[:60]
            hint = "lower-case letters, digits, . _ and -, as in  spring-catalogue"
            findings.error("name", place, f"not a name: {shown!r}", hint)
        case "Enum":
            options = [str(option) for option in error.kind.options]
            message = f"{where}: {str(error.instance)[:60]!r} is not known"
            findings.error(_code(path), place, message, did_you_mean(str(error.instance), options))
        case _:
            findings.error(_code(path), place, f"{where}: expected {_expected(error, kind)}", hint)


def _code(path: Sequence[str | int]) -> str:
    return (
        str(path[0]).removesuffix("s")
        if path and path[0] in ("sources", "overrides")
        else str(path[0] if path else "manifest")
    )


def _expected(error: Any, kind: str) -> str:
    words = {"object": "a mapping", "array": "a list", "string": "text", "boolean": "true or false", "null": "nothing"}
    match kind:
        case "Type":
            types = error.kind.types if isinstance(error.kind.types, list) else [error.kind.types]
            return " or ".join(words.get(str(name), str(name)) for name in types if str(name) != "null")
        case "MinItems" | "MinLength" | "MinProperties":
            return "at least one entry" if kind != "MinLength" else "some text"
        case "AnyOf" if (
            error.instance_path and error.instance_path[0] == "sources" and isinstance(error.instance, Mapping)
        ):
            return "a `file` or a `folder`"
        case "AnyOf" if error.instance_path and error.instance_path[0] == "matrix":
            return "a value, or a mapping with a `name`"
        case "MaxLength":
            return f"at most {error.kind.limit} characters"
        case _:
            return str(error.message)


def _find(
    document: Document, nodes: Mapping[str, yaml.Node], path: Sequence[str | int]
) -> tuple[yaml.Node | None, Place]:
    """The node at a path, and where it is shown."""
    if not path:
        return None, Place()
    node: yaml.Node | None = nodes.get(str(path[0]))
    place = document.place(node) if node is not None else Place()
    for part in path[1:]:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, _, value in document.items(node, "", Findings("")) if key == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        if node is None:
            break
        place = document.place(node)
    return node, place


def _known_keys(path: Sequence[str | int]) -> list[str]:
    schema: Any = head_schema()
    for part in path:
        schema = schema.get("items", {}) if isinstance(part, int) else schema.get("properties", {}).get(part, {})
    return list(schema.get("properties", ()))


__all__ = [
    "ENDINGS",
    "NAME_PATTERN",
    "Folder",
    "Head",
    "Override",
    "Settings",
    "check_comment",
    "read_head",
    "texts_in",
]
