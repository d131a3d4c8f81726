"""YAML as it should have been: the core rules of YAML 1.2, positions, and no way to blow up.

PyYAML follows YAML 1.1, in which `16:9` is the number 969, `no` is false, `00123` is 83 and the last of two equal keys
wins silently. Here only `null`, `true`, `false` and decimal numbers are anything but text, and a second key is an
error.

The parser's events are read one by one and composed here, so that a list of a hundred thousand jobs is read job by job
and a flood of brackets is refused in passing: the C loader would crash on 30,000 of them. Aliases and merges that
unfold to far more than the text are refused while they unfold.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import yaml

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.yaml_problems import brace_hint, line_at, line_span

LARGEST: Final = 64 << 20
DEEPEST: Final = 50
MOST_NODES: Final = 20_000_000
SPARE_NODES: Final = 100_000
"""How many nodes a document may unfold to beyond one a character: a bomb is small, and refused in a moment."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SCALAR: Final = yaml.ScalarEvent
MAPPING: Final = yaml.MappingStartEvent
MAPPING_END: Final = yaml.MappingEndEvent
SEQUENCE: Final = yaml.SequenceStartEvent
SEQUENCE_END: Final = yaml.SequenceEndEvent
_NEXT_LINE: Final = re.compile(r"(?:\r\n?|\n)(?P<line>[^\r\n]*)")
_STR: Final = "tag:yaml.org,2002:str"
_KINDS: Final = (
    ("null", re.compile(r"~|null|Null|NULL|"), "~nN"),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("int", re.compile(r"[-+]?(0|[1-9][0-9]*)"), "-+0123456789"),
    ("float", re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), "-+0123456789."),
    ("merge", re.compile(r"<<"), "<"),
)
_BY_FIRST: Final = {
    first: [(kind, pattern) for kind, pattern, firsts in _KINDS if first in firsts]
    for first in {first for _, _, firsts in _KINDS for first in firsts}
}


class Refused(Exception):
    """The document must not be read on; why is in the findings."""


class TooLarge(ValueError):
    """The document unfolds to more than anybody writes."""


class Document:
    """A YAML text that is read from its beginning to its end: events, nodes made of them, and places."""

    def __init__(self, text: str, findings: Findings) -> None:
        self._text = text
        self._latest = (0, -1, "")
        """The line that was asked for last: its bounds and its text."""
        self._findings = findings
        self._event = _Loader(text).get_event
        self._peeked: Any = None
        self._depth = 0
        self._anchors: dict[str, yaml.Node] = {}
        self._nodes_left = min(MOST_NODES, SPARE_NODES + len(text))

    # ----------------------------------------------------------------------------------------------------- events

    def next(self) -> Any:
        """The next event; raises `yaml.MarkedYAMLError` for what is no YAML, and `Refused`."""
        if self._peeked is not None:
            event, self._peeked = self._peeked, None
            return event
        event = self._event()
        kind = type(event)
        if kind is SCALAR:
            pass
        elif kind is MAPPING or kind is SEQUENCE:
            self._depth += 1
            if self._depth > DEEPEST:
                self._refuse("yaml-bomb", event, f"refused: more than {DEEPEST} levels deep", "nobody needs so many")
        else:
            if kind is MAPPING_END or kind is SEQUENCE_END:
                self._depth -= 1
            return event
        if event.tag is not None and event.tag != _STR:  # plain words say what they are; !!str only makes them text
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._refuse("yaml-tag", event, f"the tag {shown!r} is not allowed", "write plain values")
        return event

    def peek(self) -> Any:
        """The next event, which stays the next one."""
        if self._peeked is None:
            self._peeked = self.next()
        return self._peeked

    def compose(self) -> yaml.Node:
        """The node that begins with the next event; anchors are remembered, aliases are the nodes they name."""
        return self._composed(self.next())

    def _composed(self, event: Any) -> yaml.Node:
        """The node that an event begins."""
        kind = type(event)
        if kind is SCALAR:
            node: yaml.Node = yaml.ScalarNode(
                _tag_of(event), event.value, event.start_mark, event.end_mark, event.style
            )
            if event.anchor is not None:
                self._anchors[event.anchor] = node
            return node
        if kind is yaml.AliasEvent:
            if event.anchor not in self._anchors:
                problem = f"found undefined alias {event.anchor!r}"
                raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
            return self._anchors[event.anchor]
        if kind is SEQUENCE:
            items: list[yaml.Node] = []
            node = yaml.SequenceNode("", items, event.start_mark, None, event.flow_style)
            self._remember(event, node)
            while type(event := self.next()) is not SEQUENCE_END:
                items.append(self._composed(event))
        else:
            pairs: list[tuple[yaml.Node, yaml.Node]] = []
            node = yaml.MappingNode("", pairs, event.start_mark, None, event.flow_style)
            self._remember(event, node)
            while type(event := self.next()) is not MAPPING_END:
                pairs.append((self._composed(event), self._composed(self.next())))
        node.end_mark = event.end_mark
        return node

    def skip(self) -> None:
        """Pass over the node that begins with the next event; what is anchored in it is remembered."""
        event = self.peek()
        if getattr(event, "anchor", None) is not None and not isinstance(event, yaml.AliasEvent):
            self.compose()
            return
        event = self.next()
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            end = yaml.SequenceEndEvent if isinstance(event, yaml.SequenceStartEvent) else yaml.MappingEndEvent
            while not isinstance(self.peek(), end):
                self.skip()
            self.next()

    def _remember(self, event: Any, node: yaml.Node) -> None:
        if event.anchor is not None:
            self._anchors[event.anchor] = node

    def _refuse(self, code: str, event: Any, message: str, hint: str = "") -> None:
        mark = event.start_mark
        self._findings.error(code, Place(line=mark.line + 1, column=mark.column + 1), message, hint)
        raise Refused

    # ----------------------------------------------------------------------------------------------------- places

    def place(self, node: yaml.Node) -> Place:
        """Where the node begins, with its line."""
        mark, end = node.start_mark, node.end_mark
        width = end.column - mark.column if end.line == mark.line else 1
        return Place(line=mark.line + 1, column=mark.column + 1, text=self.line(mark), width=max(1, width))

    def place_behind(self, mark: Any, index: int, width: int) -> Place:
        """The place of some characters that stand a little behind a mark."""
        *lines, last = re.split(r"\r\n?|\n", self._text[mark.index : index])
        column = len(last) + 1 + (0 if lines else mark.column)
        return Place(line=mark.line + len(lines) + 1, column=column, text=line_at(self._text, index), width=width)

    def lines_below(self, node: yaml.Node) -> Iterator[tuple[Place, str]]:
        """The lines of a text but its first, each with its place."""
        lines = _NEXT_LINE.finditer(self._text, node.start_mark.index, node.end_mark.index)
        for number, found in enumerate(lines, start=node.start_mark.line + 2):
            text, indent = found["line"], len(found["line"]) - len(found["line"].lstrip())
            width = max(1, len(text.strip()))
            yield Place(line=number, column=indent + 1, text=line_at(self._text, found.end()), width=width), text

    def count(self, sign: str, node: yaml.Node) -> int:
        """How often a sign stands in what the node is written as."""
        return self._text.count(sign, node.start_mark.index, node.end_mark.index)

    def match(self, pattern: re.Pattern[str], mark: Any) -> re.Match[str] | None:
        """What stands at a mark."""
        return pattern.match(self._text, mark.index)

    @cached_property
    def aliases(self) -> frozenset[str]:
        """What in the text looks like a reference to an anchor."""
        return frozenset(re.findall(r"\*([^\s,\[\]{}]+)", self._text))

    def line(self, mark: Any) -> str:
        """The text of the line that a mark is on; the same object for all marks of one line, which may be very long."""
        start, end, text = self._latest
        if not start <= mark.index <= end or not text:
            start, end = line_span(self._text, mark.index)
            text = self._text[start:end]
            self._latest = start, end, text
        return text

    # ----------------------------------------------------------------------------------------------------- values

    def items(
        self, node: yaml.Node, where: str, findings: Findings, *, depth: int = 0
    ) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """The key, key node and value node of each pair of a mapping; merge keys are followed, duplicates reported."""
        seen: dict[str, int] = {}
        merged: list[tuple[str, yaml.Node, yaml.Node]] = []
        self._spend(depth, len(node.value))
        for key_node, value in node.value:
            if key_node.tag == "merge":
                if "<<" in seen:
                    hint = f"first on line {seen['<<']}: write one, as in  <<: [*first, *second]"
                    findings.error("duplicate-key", self.place(key_node), f"duplicate key '<<' in {where}", hint)
                seen["<<"] = key_node.start_mark.line + 1
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if isinstance(source, yaml.MappingNode):
                        merged += self.items(source, where, findings, depth=depth + 1)
                    else:
                        message = f"<< in {where} merges what is no mapping"
                        findings.error("yaml-merge", self.place(key_node), message, "write  <<: *name-of-a-mapping")
                continue
            if (key := self.key(key_node, where, findings)) is None:
                continue
            if key in seen:
                hint = f"first on line {seen[key]}: keep one of them"
                findings.error("duplicate-key", self.place(key_node), f"duplicate key {key!r} in {where}", hint)
                continue
            seen[key] = key_node.start_mark.line + 1
            yield key, key_node, value
        for key, key_node, value in merged:
            if key not in seen:
                seen[key] = key_node.start_mark.line + 1
                yield key, key_node, value

    def key(self, node: yaml.Node, where: str, findings: Findings) -> str | None:
        """A key's text; `None` for one that is no word."""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        findings.error(
            "yaml-key", self.place(node), f"a key in {where} is not a word", brace_hint(self.line(node.start_mark))
        )
        return None

    def value(self, node: yaml.Node, findings: Findings, *, depth: int = 0, where: str = "a mapping") -> Any:
        """The node as plain values; text stays text."""
        self._spend(depth, 1)
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, findings, depth=depth + 1) for item in node.value]
        pairs = self.items(node, where, findings, depth=depth)
        return {key: self.value(value, findings, depth=depth + 1) for key, _, value in pairs}

    def _spend(self, depth: int, nodes: int) -> None:
        self._nodes_left -= nodes
        if self._nodes_left < 0 or depth > DEEPEST:
            raise TooLarge


def is_quoted(node: yaml.ScalarNode) -> bool:
    """Whether the scalar is quoted or a block: then it is text, and holds what it shows."""
    return node.style in ("'", '"', "|", ">")


def _tag_of(event: Any) -> str:
    """What a scalar is: text, unless it is plain and one of the few words that are something else."""
    if event.tag is not None or not event.implicit[0]:
        return "str"
    text = event.value
    if not text:
        return "null"
    if (kinds := _BY_FIRST.get(text[0])) is None:  # most texts
        return "str"
    return next((kind for kind, pattern in kinds if pattern.fullmatch(text)), "str")


def _scalar(node: yaml.ScalarNode) -> Any:
    kind, text = node.tag, node.value
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
