"""Where things stand in a YAML file, and how they are written there."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.yaml_core import Document


def places_in(document: Document, node: yaml.Node, *, depth: int) -> dict[str, Place]:
    """The places of what is in a node: `columns`, `columns.id`, `image_urls.2`.

    That of a value, or of its key where the value begins on a later line.
    """
    return dict(_places(document, node, depth, ""))


def key_places(document: Document, node: yaml.Node) -> dict[str, Place]:
    """The places of a mapping's keys."""
    return {key: document.place(key_node) for key, key_node, _ in document.items(node, "", Findings(""))}


def written_in(document: Document, node: yaml.Node, *, depth: int) -> dict[str, str]:
    """The words and numbers in a node as they are written: `scene.0`, `size.1.name`."""
    return dict(_written(document, node, depth, ""))


def _places(document: Document, node: yaml.Node, depth: int, before: str) -> Iterator[tuple[str, Place]]:
    if depth < 0:
        return
    if isinstance(node, yaml.MappingNode):
        for key, key_node, value in document.items(node, "", Findings("")):
            shown = value if isinstance(value, yaml.ScalarNode) and value.value else key_node
            yield before + key, document.place(shown)
            yield from _places(document, value, depth - 1, f"{before}{key}.")
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield f"{before}{number}", document.place(item)
            yield from _places(document, item, depth - 1, f"{before}{number}.")


def _written(document: Document, node: yaml.Node, depth: int, before: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, yaml.ScalarNode):
        yield before.removesuffix("."), node.value
    elif depth and isinstance(node, yaml.MappingNode):
        for key, _, value in document.items(node, "", Findings("")):
            yield from _written(document, value, depth - 1, f"{before}{key}.")
    elif depth:
        for number, item in enumerate(node.value):
            yield from _written(document, item, depth - 1, f"{before}{number}.")
