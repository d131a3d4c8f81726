"""The schema's errors in a person's words, each at its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.nodes import key_places
from runner.manifest.schema import head_schema
from runner.manifest.yaml_core import Document

_EXAMPLES: Final = {
    "sources": "- {file: products.csv}",
    "matrix": "scene: [white, kitchen]",
    "overrides": '- {match: "mug-*", set: {aspect_ratio: 4:3}}',
    "output": 'path: "{{ id }}/{{ n }}.{{ ext }}"',
    "defaults": "aspect_ratio: 1:1",
    "run": "concurrency: 8",
}


def explain(document: Document, top: Mapping[str, tuple[yaml.Node, yaml.Node]], error: Any, findings: Findings) -> None:
    """One error of the schema in a person's words, at its place."""
    path: Sequence[str | int] = list(error.instance_path)
    where = ".".join(map(str, path)) or "the manifest"
    node, place = _find(document, {key: value for key, (_, value) in top.items()}, path)
    kind = type(error.kind).__name__.rsplit("_", 1)[-1]
    hint = f"as in  {_EXAMPLES[str(path[0])]}" if path and path[0] in _EXAMPLES else ""
    match kind:
        case "AdditionalProperties":
            known = _known_keys(path)
            keys = key_places(document, node) if node is not None else {}
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
            expected = _expected(error, kind)
            if expected == "text" and isinstance(node, yaml.ScalarNode):
                hint = f'quote it:  "{node.value}"'
            findings.error(_code(path), place, f"{where}: expected {expected}", hint)


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
