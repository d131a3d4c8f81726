"""YAML as it should have been: the core rules of YAML 1.2, positions, and no way to blow up.

PyYAML follows YAML 1.1, in which `16:9` is the number 969, `no` is false, `00123` is 83 and the last of two equal keys
wins silently. Here only `null`, `true`, `false` and decimal numbers are anything but text, and a second key is an
error. A flood of brackets is refused by looking at the parser's events first: the C loader would crash on 30,000 of
them. Aliases and merges that unfold to far more than the text are refused while they unfold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from runner.manifest.diagnostics import Findings, Place

LARGEST: Final = 64 << 20
DEEPEST: Final = 50
MOST_NODES: Final = 5_000_000
SPARE_NODES: Final = 100_000
"""How many nodes a document may unfold to beyond one a character: a bomb is small, and refused in a moment."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class CoreLoader(_Loader):  # type: ignore[misc]  # the C loader exists only where libyaml does
    """A loader used for its node graph alone."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 PyYAML's own protocol


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
    ("merge", r"<<", ["<"]),
):
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first)


class Document:
    """A parsed YAML file: its root node, and places in it."""

    def __init__(self, text: str, root: yaml.Node | None) -> None:
        self.root = root
        self._lines = text.splitlines()
        self._nodes_left = min(MOST_NODES, SPARE_NODES + len(text))

    def place(self, node: yaml.Node) -> Place:
        """Where the node begins, with its line."""
        mark, end = node.start_mark, node.end_mark
        width = end.column - mark.column if end.line == mark.line else 1
        return Place(line=mark.line + 1, column=mark.column + 1, text=self.line(mark.line), width=max(1, width))

    def line(self, number: int) -> str:
        """The text of a line, counted from 0."""
        return self._lines[number] if number < len(self._lines) else ""

    def items(
        self, node: yaml.Node, where: str, findings: Findings, *, depth: int = 0
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """The key, key node and value node of each pair of a mapping; merge keys are followed, duplicates reported."""
        seen: dict[str, int] = {}
        merged: list[tuple[str, yaml.Node, yaml.Node]] = []
        for key_node, value in node.value:
            self._spend(depth)
            if key_node.tag.endswith(":merge"):
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(source, yaml.MappingNode):
                        merged += self.items(source, where, findings, depth=depth + 1)
                    else:
                        message = f"<< in {where} merges what is no mapping"
                        findings.error("yaml-merge", self.place(key_node), message, "write  <<: *name-of-a-mapping")
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                hint = "a value that starts with { or [ must be quoted"
                findings.error("yaml-key", self.place(key_node), f"a key in {where} is not a word", hint)
                continue
            key = key_node.value
            if key in seen:
                hint = f"first on line {seen[key]}"
                findings.error("duplicate-key", self.place(key_node), f"duplicate key {key!r} in {where}", hint)
                continue
            seen[key] = key_node.start_mark.line + 1
            yield key, key_node, value
        for key, key_node, value in merged:
            if key not in seen:
                seen[key] = key_node.start_mark.line + 1
                yield key, key_node, value

    def value(self, node: yaml.Node, findings: Findings, *, depth: int = 0) -> Any:
        """The node as plain values; text stays text."""
        self._spend(depth)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, findings, depth=depth + 1) for item in node.value]
        pairs = self.items(node, "a mapping", findings, depth=depth)
        return {key: self.value(value, findings, depth=depth + 1) for key, _, value in pairs}

    def _spend(self, depth: int) -> None:
        self._nodes_left -= 1
        if self._nodes_left < 0 or depth > DEEPEST:
            raise TooLarge


class TooLarge(ValueError):
    """The document unfolds to more than anybody writes."""


def parse(text: str, findings: Findings) -> Document | None:
    """The document, or `None` with the first syntax error in `findings`."""
    try:
        if not _is_sane(text, findings):
            return None
        return Document(text, CoreLoader(text).get_single_node())
    except yaml.MarkedYAMLError as error:
        _syntax(text, error, findings)
    except (yaml.YAMLError, ValueError) as error:
        findings.error("yaml-syntax", Place(), f"not YAML: {str(error).splitlines()[0][:200]}")
    return None


def _is_sane(text: str, findings: Findings) -> bool:
    """A look at the events only: they need no memory and no recursion."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        mark: Any = event.start_mark
        place = Place(line=mark.line + 1, column=mark.column + 1)
        if depth > DEEPEST:
            findings.error("yaml-bomb", place, f"refused: more than {DEEPEST} levels deep")
            return False
        tag = getattr(event, "tag", None)
        if tag and tag != "tag:yaml.org,2002:str":  # the plain words say what they are; !!str only makes them text
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            findings.error("yaml-tag", place, f"the tag {shown!r} is not allowed", "write plain values")
            return False
    return True


def is_quoted(node: yaml.ScalarNode) -> bool:
    """Whether the scalar is quoted or a block: then it is text, and holds what it shows."""
    return node.style in ("'", '"', "|", ">")


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag.rsplit(":", 1)[-1], node.value
    if is_quoted(node) or kind == "str":
        return text
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text) if len(text) < 40 else text
        case "float":
            return number if math.isfinite(number := float(text)) else text
        case _:
            return text


def _syntax(text: str, error: yaml.MarkedYAMLError, findings: Findings) -> None:
    mark = error.problem_mark or error.context_mark
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    place = Place(line=mark.line + 1, column=mark.column + 1, text=line) if mark is not None else Place()
    first = line[mark.column : mark.column + 1] if mark is not None else ""
    problem = error.problem or "not YAML"
    hint = ""
    if "mapping values" in problem:
        hint = 'a value that contains ": " must be quoted, or written as a block:  prompt: |'
    elif "tab character" in problem or first == "\t":
        hint = "indent with spaces, not tabs"
    elif "start any token" in problem:
        hint = f"quote a value that starts with {first}"
    elif "alias" in problem:
        hint = "quote a value that starts with *"
    findings.error("yaml-syntax", place, problem, hint)
