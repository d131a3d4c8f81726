"""What YAML makes of a text that is not quoted: `#` begins a comment, `&word` is a name, deeper lines are more of it.

Nothing of it would be seen before the pictures are paid for. A `#` with a letter behind it, as in a colour, is taken
for text and refused; `# like this` is how people write comments, and behind a prompt it is pointed out. A line that a
text goes on with, and that says `aspect_ratio:1:1`, was meant as a key: it is refused too, and in a block pointed out.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.items import key_of
from runner.manifest.schema import OWN
from runner.manifest.yaml_core import Document, is_quoted

COMMENT: Final = re.compile(
    r"(?:[ \t]+|(?P<lines>(?:[ \t]*(?:\r\n?|\n))+)(?P<indent> +))(?P<text>#(?P<word>[^\s#])?[^\r\n]*)"
)
"""On the text's own line, or on one that is indented as if the text went on there."""
INSTEAD: Final = re.compile(r":[ \t]+(?P<text>#[^\s#][^\r\n]*)")
"""In a text's place."""
ANCHOR: Final = re.compile(r"&([^\s,\[\]{}]+)")
COLON: Final = re.compile(r"\s*:")
SHOWN: Final = 40
LINE: Final = re.compile(r"[ \t]*(?:-[ \t]+)?(?P<quote>[\"']?)(?P<key>[^\W\d][\w .-]{0,39}?)(?P=quote)[ \t]*[:=\uff1a]")
"""A line that looks like a key with its value; the last of the signs is the colon of East Asian keyboards."""
OF_ALL: Final = frozenset({"id", "model", "prompt", "image_urls"})
"""Keys that a job of any model may have."""


def is_plain(document: Document, node: yaml.MappingNode) -> bool:
    """Whether nothing can have been lost of the texts of a mapping: each is one line, without what begins another."""
    for _, value in node.value:
        if value.start_mark.line != value.end_mark.line or isinstance(value, yaml.MappingNode):
            return False
    return not (document.count("#", node) or document.count("&", node) or document.count("*", node))


def check_unquoted(
    document: Document,
    key: str,
    key_node: yaml.Node,
    node: yaml.Node,
    findings: Findings,
    known: frozenset[str] = OF_ALL,
) -> None:
    """Find what is lost of the unquoted texts in a key's value, however deep, or was put into them.

    `known` are the keys that may stand there, as `key_of` spells them.
    """
    _Check(document, findings, known).of(key, key_node, node)


def check_own(key: str, place: Place, findings: Findings, *, has_value: bool = True) -> None:
    """Find the rest of a text that a comma has cut off, taken for a key of the user's own: `white, x-ray look`."""
    if not (OWN.match(key) and has_value):
        message = f"{key[:SHOWN]!r} is no key of your own: those are one word, with a value"
        findings.error("unknown-key", place, message, "is it the rest of a text? Quote that: in { } a comma ends it")


def has_colon(document: Document, key_node: yaml.Node) -> bool:
    """Whether a value is written behind the key, perhaps an empty one."""
    return document.match(COLON, key_node.end_mark) is not None


class _Check:
    """One look through a value."""

    def __init__(self, document: Document, findings: Findings, known: frozenset[str]) -> None:
        self._document = document
        self._findings = findings
        self._known = known
        self._seen: set[int] = set()

    def of(self, key: str, key_node: yaml.Node | None, node: yaml.Node) -> None:
        document, findings = self._document, self._findings
        if isinstance(node, yaml.ScalarNode):
            if node.tag == "str" and not is_quoted(node):
                column = node.start_mark.column - 1 if key_node is None else key_node.start_mark.column
                _comment(document, key, column, node, findings)
                _anchor(document, key, node, findings)
            elif key_node is not None and node.tag == "null" and not node.value:
                _instead(document, key, key_node, findings)
            check_swallowed(document, key, node, findings, self._known)
            return
        if id(node) in self._seen:  # aliases may lead round, or fan out
            return
        self._seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            for item in node.value:
                self.of(key, None, item)
            return
        for inner, value in node.value:
            if isinstance(inner, yaml.ScalarNode) and inner.tag != "merge":  # what is merged in is looked at by itself
                self.of(str(inner.value), inner, value)


def check_swallowed(
    document: Document, key: str, node: yaml.Node, findings: Findings, known: frozenset[str] = OF_ALL
) -> None:
    """Find a line of a text, but its first, that was meant as a key: indented too deep, no space behind its colon."""
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.line == node.end_mark.line or node.style in ("'", '"'):
        return
    is_block = node.style in ("|", ">")
    for place, line in document.lines_below(node):
        if is_block and line.lstrip().startswith("# "):
            message = f"{line.strip()[:SHOWN]!r} is a part of the text of {key}: in a block nothing is a comment"
            findings.warn("yaml-comment", place, message, "put the comment above the key, or behind the | or >")
        found = LINE.match(line)
        if found is None or not (found["key"] in known or (not is_block and _is_key(found["key"], known))):
            continue
        shown = line.strip() if len(line.strip()) <= SHOWN else line.strip()[: SHOWN - 1] + "…"
        message = f"{shown!r} is a part of the text of {key}, and no key"
        if is_block:
            hint = f"to make it a key indent it like {key}; where it is meant as text put all of it in quotes"
            findings.warn("swallowed-key", place, message, hint)
        else:
            hint = f"to make it a key indent it like {key}, with a space behind the colon; to send it quote the text"
            findings.error("swallowed-key", place, message, hint)
        return


def _is_key(word: str, known: frozenset[str]) -> bool:
    return key_of(word) in known or OWN.match(word) is not None


def _comment(document: Document, key: str, column: int, node: yaml.ScalarNode, findings: Findings) -> None:
    """A comment behind the text, or under it and deeper than its key."""
    mark = node.end_mark
    found = document.match(COMMENT, mark)
    if found is None or (found["indent"] is not None and len(found["indent"]) <= column):
        return
    place = _place(document, mark, found)
    if found["word"]:
        _lost(key, repr(node.value), found["text"], place, findings)
    elif key == "prompt" and found["indent"] is None:
        message = f"everything after ' #' is a YAML comment: the prompt sent will be {node.value!r}"
        findings.warn("yaml-comment", place, message, "quote the prompt to keep the #, or drop the comment")


def _instead(document: Document, key: str, key_node: yaml.Node, findings: Findings) -> None:
    mark = key_node.end_mark
    if found := document.match(INSTEAD, mark):
        _lost(key, "empty", found["text"], _place(document, mark, found), findings)


def _lost(key: str, left: str, text: str, place: Place, findings: Findings) -> None:
    shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    message = f"{shown!r} is a YAML comment: {key} would be {left}"
    findings.error(
        "yaml-comment", place, message, "quote the text to keep the #; if it is a comment, put a space behind the #"
    )


def _anchor(document: Document, key: str, node: yaml.ScalarNode, findings: Findings) -> None:
    """The name of an anchor that nothing refers to was a word of the text."""
    found = document.match(ANCHOR, node.start_mark)
    if found and found[1] not in document.aliases:
        message = f"{found[0]!r} is the name of a YAML anchor, which nothing refers to: {key} would be {node.value!r}"
        findings.error("yaml-anchor", document.place(node), message, "quote a value that starts with &")


def _place(document: Document, mark: Any, found: re.Match[str]) -> Place:
    return document.place_behind(mark, found.start("text"), len(found["text"]))
