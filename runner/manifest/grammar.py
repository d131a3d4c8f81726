"""What a template may hold: few parts of Jinja2's language, none of which makes a long text out of a short one."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from jinja2 import meta, nodes

from runner.manifest.cells import TemplateProblem
from runner.manifest.diagnostics import did_you_mean
from runner.manifest.filters import EACH, FILTERS, TESTS
from runner.manifest.values import LARGEST_NUMBER

DEEPEST: Final = 30
"""Brackets inside brackets."""
PLAIN: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Test, nodes.If),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Mul),
    *(nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Concat, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Call, nodes.Keyword, nodes.Assign, nodes.For, nodes.List, nodes.Tuple),
)
"""What a template may hold."""


def names_asked(tree: nodes.Template) -> frozenset[str]:
    """The names that the scope is asked for; `meta.find_undeclared_variables`, but it works nothing out beforehand."""
    assert tree.environment is not None  # noqa: S101 the parser sets it
    found = meta.TrackingCodeGenerator(tree.environment)
    found.optimizer = None
    found.visit(tree)
    return frozenset(found.undeclared_identifiers)


def check_depth(text: str) -> None:
    """Raise `TemplateProblem` for brackets that stand too deep inside one another."""
    depth = 0
    for bracket in re.findall(r"[()\[\]{}]", text):
        depth += 1 if bracket in "([{" else -1
        if depth > DEEPEST:
            raise TemplateProblem(
                f"a template with more than {DEEPEST} brackets inside one another", "write it shorter"
            )


def check_nodes(tree: nodes.Template) -> None:
    """Raise `TemplateProblem` for the first part that is not allowed; loops are counted from now on."""
    spelled: dict[str, str] = {}
    for node in tree.find_all(nodes.Node):
        match node:
            case nodes.Name(name="self"):
                raise TemplateProblem("'self' is not allowed in a template", "write  row['self']  for such a column")
            case nodes.Name(name=name):
                # Python takes letters of the same look for one: of two such names one would have the other's value.
                other = spelled.setdefault(unicodedata.normalize("NFKC", name), name)
                if other != name:
                    raise TemplateProblem(f"{other!r} and {name!r} look like one name", f"write  row[{name!r}]")
            case nodes.Const(value=int() | float() as number) if not abs(number) < LARGEST_NUMBER:
                raise TemplateProblem("a number in the template is too long", "quote it, to have it as text")
            case nodes.For():
                _check_loop(node)
            case nodes.Filter(name=name) if name not in FILTERS and name != EACH:
                raise TemplateProblem(f"no filter named {name!r}", did_you_mean(name, sorted(FILTERS)))
            case nodes.Test(name=name) if name not in TESTS:
                raise TemplateProblem(f"no test named {name!r}", did_you_mean(name, sorted(TESTS)))
            case _ if not isinstance(node, PLAIN):
                told = type(node).__name__.lower()
                hint = "{{ }}, {% if %}, {% for %} and {% set %} are"
                raise TemplateProblem(f"{told!r} is not allowed in a template", hint)
            case _:
                pass


def _check_loop(node: nodes.For) -> None:
    """One loop, whose turns are counted."""
    if any(True for _ in node.find_all(nodes.For)) or node.recursive:
        raise TemplateProblem("a loop inside a loop is not allowed in a template", "write the inner one out")
    parts = sum(1 for _ in node.find_all(nodes.Node))
    node.iter = nodes.Filter(node.iter, EACH, [nodes.Const(parts)], [], None, None, lineno=node.lineno)
    assert node.environment is not None  # noqa: S101 the parser sets it
    node.iter.set_environment(node.environment)
