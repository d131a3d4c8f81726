"""A YAML document read by another way than the product's: all events of the parser at once, and a few plain lines.

YAML 1.2's core words are what is no text; a second key, another tag and an alias of nothing are wrong.
"""

from __future__ import annotations

import math
import re

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Wrong(Exception):
    """The document cannot be read."""


def whole(text):
    """The document as lists that begin with their kind; raises `Wrong`. An alias is the very list that it names."""
    try:
        events = list(yaml.parse(text, Loader=LOADER))
    except yaml.YAMLError as error:
        raise Wrong from error
    if sum(isinstance(event, yaml.DocumentStartEvent) for event in events) != 1:
        raise Wrong
    if any(getattr(event, "tag", None) not in (None, "tag:yaml.org,2002:str") for event in events):
        raise Wrong
    anchors = {}
    root = ["list"]
    open_nodes = [root]
    for event in events[2:-2]:
        match event:
            case yaml.SequenceEndEvent() | yaml.MappingEndEvent():
                open_nodes.pop()
                continue
            case yaml.AliasEvent():
                if event.anchor not in anchors:
                    raise Wrong
                made = anchors[event.anchor]
            case yaml.ScalarEvent():
                made = ["scalar", event.value, event.implicit[0] and event.tag is None]
            case _:
                made = ["list" if isinstance(event, yaml.SequenceStartEvent) else "map"]
        open_nodes[-1].append(made)
        if not isinstance(event, yaml.AliasEvent):
            if event.anchor:
                anchors[event.anchor] = made
            if made[0] != "scalar":
                open_nodes.append(made)
    return root[1]


def core(text):
    """The plain words of YAML 1.2 that are no text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text.lower() in ("true", "false") and text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text.lower() == "true"
    if re.fullmatch(r"[-+]?(0|[1-9]\d*)", text, re.ASCII):
        return int(text) if len(text) < 40 else text
    if re.fullmatch(r"[-+]?(\.\d+|(0|[1-9]\d*)(\.\d*)?)([eE][-+]?\d+)?", text, re.ASCII):
        return float(text) if math.isfinite(float(text)) else text
    return text


def fields_of(node, depth=0):
    """A mapping's own keys, which may not be there twice, and behind them what it merges."""
    if depth > 40:
        raise Wrong
    own, merged = {}, []
    for key, value in zip(node[1::2], node[2::2], strict=True):
        if key[0] != "scalar":
            raise Wrong
        if key[2] and key[1] == "<<":
            merged += value[1:] if value[0] == "list" else [value]
        elif key[1] in own:
            raise Wrong
        else:
            own[key[1]] = value
    for source in merged:
        if source[0] != "map":
            raise Wrong
        own = {**fields_of(source, depth + 1), **own}
    return own


def plain(node, depth=0):
    """A node's value."""
    if depth > 40:
        raise Wrong
    match node[0]:
        case "scalar":
            return core(node[1]) if node[2] else node[1]
        case "list":
            return [plain(item, depth + 1) for item in node[1:]]
        case _:
            return {key: plain(value, depth + 1) for key, value in fields_of(node).items()}
