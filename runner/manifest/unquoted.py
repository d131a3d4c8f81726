"""What YAML takes away from a text that is not quoted."""

from __future__ import annotations

import re

import yaml

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.yaml_core import Document, is_quoted


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
