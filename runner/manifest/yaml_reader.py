"""YAML manifests: `version, name, model, defaults, jobs, run, x-*`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.entries import Entry
from runner.manifest.yaml_core import Document, TooLarge, is_quoted, parse

Settings = Mapping[str, Callable[[Any], str | None]]
"""The settings that `run:` may hold, each with its check: what was expected in a value's place, or `None`."""
KEYS: Final = ("version", "name", "model", "defaults", "jobs", "run")
LATER: Final = ("sources", "matrix", "overrides", "output")
"""Keys of the format that this version does not read: an error, since leaving them out would send something else."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(slots=True)
class YamlManifest:
    """What a YAML file says, before its jobs are checked."""

    name: str | None = None
    run: Mapping[str, Any] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


def read_yaml(text: str, settings: Settings, findings: Findings) -> YamlManifest:
    """Everything the file says; what is wrong goes to `findings`."""
    found = YamlManifest()
    document = parse(text, findings)
    if document is None:
        return found
    if not isinstance(document.root, yaml.MappingNode):
        hint = "it begins with `version: 1` and a list `jobs:`"
        findings.error("manifest", Place(), "a manifest is a mapping", hint)
        return found
    try:
        _read(document, found, settings, findings)
    except TooLarge:
        findings.error("yaml-bomb", Place(), "refused: it unfolds to more than anybody writes")
    return found


def _read(document: Document, found: YamlManifest, settings: Settings, findings: Findings) -> None:
    nodes: dict[str, yaml.Node] = {}
    for key, key_node, value in document.items(document.root or yaml.MappingNode("", []), "the manifest", findings):
        if key in LATER:
            message = f"{key!r} is not supported by this version"
            findings.error("unsupported", document.place(key_node), message, "list the jobs, or use a CSV file")
        elif key not in KEYS and not key.startswith("x-"):
            message = f"unknown key {key!r} in the manifest"
            findings.error("unknown-key", document.place(key_node), message, did_you_mean(key, KEYS))
        nodes[key] = value
    _check_version(document, nodes.get("version"), findings)
    found.name = _name(document, nodes.get("name"), findings)
    if "run" in nodes:
        found.run = _run(document, nodes["run"], settings, findings)
    base = _Defaults(document, nodes, findings)
    for index, node in enumerate(_jobs(document, nodes.get("jobs"), findings)):
        if isinstance(node, yaml.MappingNode):
            found.entries.append(_entry(document, node, index, base, findings))
        else:
            hint = "write  - id: …  with its fields below"
            findings.error("job", document.place(node), f"jobs[{index}] is not a mapping", hint)


def _run(document: Document, node: yaml.Node, settings: Settings, findings: Findings) -> Mapping[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        findings.error("run", document.place(node), "run: expected a mapping of settings")
        return {}
    run = {}
    for key, key_node, value_node in document.items(node, "run", findings):
        if key not in settings:
            message = f"unknown setting {key!r} in run"
            findings.error("unknown-key", document.place(key_node), message, did_you_mean(key, settings))
            continue
        run[key] = document.value(value_node, findings)
        if (expected := settings[key](run[key])) is not None:
            findings.error("run", document.place(value_node), f"run.{key}: expected {expected}, got {run[key]!r}")
    return run


class _Defaults:
    """The values that every job inherits, with their places."""

    def __init__(self, document: Document, nodes: Mapping[str, yaml.Node], findings: Findings) -> None:
        self.fields: dict[str, Any] = {}
        self.places: dict[str, Place] = {}
        if (model := nodes.get("model")) is not None:
            self.fields["model"] = document.value(model, findings)
            self.places["model"] = document.place(model)
        node = nodes.get("defaults")
        if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
            return
        if not isinstance(node, yaml.MappingNode):
            findings.error("defaults", document.place(node), "defaults: expected a mapping")
            return
        for key, key_node, value in document.items(node, "defaults", findings):
            if key == "id":
                findings.error("unknown-key", document.place(key_node), "an id cannot be a default")
            else:
                self.fields[key] = document.value(value, findings)
                _note_places(document, key, key_node, value, self.places)
            if key == "prompt":
                _check_comment(document, value, findings)


def _entry(document: Document, node: yaml.MappingNode, index: int, base: _Defaults, findings: Findings) -> Entry:
    place = document.place(node)
    entry = Entry(fields=dict(base.fields), place=place, source=f"{findings.file}:{place.line}")
    places = dict(base.places)
    for key, key_node, value in document.items(node, f"jobs[{index}]", findings):
        if key.startswith("x-"):
            continue
        if key == "id" and isinstance(value, yaml.ScalarNode):
            entry.fields[key] = value.value  # as written: 00123 keeps its zeros
        else:
            entry.fields[key] = document.value(value, findings)
        _note_places(document, key, key_node, value, places)
        if key == "prompt":
            _check_comment(document, value, findings)
    entry.places = places
    return entry


def _note_places(document: Document, key: str, key_node: yaml.Node, value: yaml.Node, places: dict[str, Place]) -> None:
    places[key] = document.place(value if isinstance(value, yaml.ScalarNode) and value.value else key_node)
    if isinstance(value, yaml.SequenceNode):
        for n, item in enumerate(value.value):
            places[f"{key}.{n}"] = document.place(item)


def _jobs(document: Document, node: yaml.Node | None, findings: Findings) -> list[yaml.Node]:
    if node is None:
        findings.error("no-jobs", Place(), "there is no list `jobs:`", "add  jobs:  with at least one entry")
        return []
    if not isinstance(node, yaml.SequenceNode):
        findings.error("jobs", document.place(node), "jobs: expected a list", "begin each job with  - id: …")
        return []
    return list(node.value)


def _check_version(document: Document, node: yaml.Node | None, findings: Findings) -> None:
    if node is None:
        findings.error("version", Place(), "the format's version is missing", "begin with  version: 1")
    elif (version := document.value(node, findings)) != 1 or version is True:
        findings.error("version", document.place(node), "only version 1 is known", "write  version: 1")


def _name(document: Document, node: yaml.Node | None, findings: Findings) -> str | None:
    if node is None:
        return None
    name = node.value if isinstance(node, yaml.ScalarNode) else ""
    if not NAME.fullmatch(name) or len(name) > 80:
        hint = "lower-case letters, digits, . _ and -, as in  spring-catalogue"
        findings.error("name", document.place(node), f"not a name: {str(name)[:60]!r}", hint)
    return str(name)


def _check_comment(document: Document, node: yaml.Node, findings: Findings) -> None:
    """A ` #` in an unquoted prompt begins a comment: what follows would be left out silently."""
    if not isinstance(node, yaml.ScalarNode) or is_quoted(node) or not node.value:
        return
    mark = node.end_mark
    line = document.line(mark.line)
    if cut := re.match(r"\s+(?=#)", line[mark.column :]):
        column = mark.column + cut.end() + 1
        place = Place(line=mark.line + 1, column=column, text=line, width=len(line) - column + 1)
        message = f"everything after ' #' is a YAML comment: the prompt sent will be {node.value!r}"
        findings.warn("prompt-comment", place, message, "quote the prompt to keep the #, or drop the comment")
