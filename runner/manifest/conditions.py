"""What a condition says to a person and to the machine: where the two differ it is refused, before anything is paid.

`price > 9,50`, `status == 'active' or 'draft'` and `stock != none` are all true of every row, and none was meant so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from jinja2 import nodes

from runner.manifest.cells import TemplateProblem
from runner.manifest.verdicts import check_cases, check_chains

DOUBTFUL: Final = re.compile(r"(?<![\w.])[1-9]\d{0,2}\.\d{3}(?![\w.])")
"""A number with three decimals, or in German one with a point between its thousands."""
BESIDE: Final = re.compile(r"['\"]\s*['\"]")
"""Without it no two texts stand beside one another."""
LISTED: Final = re.compile(r"\s*[,;|\u3001\uff0c\uff1b]\s*")
"""What people put between the words of a list."""
FRACTION: Final = re.compile(r"\d,\d")
PART_OF_NAME: Final = re.compile(r",\s")
"""A comma as it stands within a name."""


def check_glued(tokens: Iterable[tuple[int, str, str]]) -> None:
    """Raise `TemplateProblem` where a comma is missing between two texts, which Jinja silently makes one of.

    That can be told of its tokens (`Environment.lex`) alone.
    """
    before, is_apart = "", False
    for _, kind, written in tokens:
        if kind == "whitespace":
            is_apart = True
            continue
        shown = written[:40] if kind == "string" else ""
        if before and shown:
            hint = f"write  in [{before}, {shown}];  {before} ~ {shown}  joins them"
            if not is_apart:
                hint += ";  a text with a quote in it stands within the other quotes"
            raise TemplateProblem(f"a comma is missing between {before} and {shown}", hint)
        before, is_apart = shown, False


def check_conditions(tree: nodes.Template, text: str) -> None:
    """Raise `TemplateProblem` for the first condition in a template that is not what it looks like."""
    denied = {id(node.node) for node in tree.find_all(nodes.Not)}  # `is not in`
    for node in tree.find_all(nodes.Node):
        for tested in _tested(node):
            _check_truth(tested)
        if isinstance(node, nodes.Compare):
            is_membership = any(operand.op in ("in", "notin") for operand in node.ops)
            _check_compared([node.expr, *(operand.expr for operand in node.ops)], text, is_membership=is_membership)
        match node:
            case (
                nodes.Operand(op="in" | "notin", expr=nodes.Const(value=str() as listed))
                | nodes.Test(name="in", args=[nodes.Const(value=str() as listed)])
            ):
                what = f"{listed[:40]!r} is one text, and no list: any piece of it would be in it"
                raise TemplateProblem(what, "write  in ['Mugs', 'Cups']  or, for one,  == 'Mugs'")
            case (
                nodes.Operand(op=op, expr=nodes.List(items=[nodes.Const(value=str() as listed)]))
                | nodes.Test(name="in" as op, args=[nodes.List(items=[nodes.Const(value=str() as listed)])])
            ) if op in ("in", "notin") and (words := _words_in(listed)):
                what = f"{listed[:40]!r} is one text: a cell would have to hold all of it"
                sign = "!=" if op == "notin" or id(node) in denied else "=="
                raise TemplateProblem(what, f"write  {words}  or, for the whole,  {sign} {listed!r}")
            case _:
                pass
    check_cases(tree)
    check_chains(tree)


def _words_in(listed: str) -> list[str]:
    """The words of a list that somebody has put into one text; none where it may be the text of a cell.

    `0,5 l` is a fraction, `Home, Garden` a name.
    """
    words = [word for word in LISTED.split(listed) if word]
    is_name = PART_OF_NAME.search(listed) is not None and listed != listed.lower()
    is_one = len(words) == 2 and (is_name or FRACTION.search(listed) is not None)
    return [] if len(words) < 2 or is_one else words


def _tested(node: nodes.Node) -> Iterator[nodes.Node | None]:
    """What is asked whether it is true in a part of a template, by this part itself.

    In `{{ colour or 'red' }}` that is the colour alone.
    """
    match node:
        case nodes.If() | nodes.CondExpr() | nodes.For():
            yield node.test
        case nodes.Not():
            yield node.node
        case nodes.And() | nodes.Or():
            yield node.left
        case _:
            pass


def _check_truth(tested: nodes.Node | None) -> None:
    match tested:
        case nodes.Tuple():
            hint = "write a fraction with a point, 9.50; and, or or  between two conditions"
            raise TemplateProblem("a comma makes a list of a condition, which is true of every row", hint)
        case nodes.Const() | nodes.List():
            shown = "a list" if isinstance(tested, nodes.List) else repr(tested.value)[:40]
            hint = "compare it as well:  status in ['active', 'draft']  or  status == 'active' or status == 'draft'"
            raise TemplateProblem(f"{shown} stands by itself where a condition is wanted: it asks for no column", hint)
        case nodes.And() | nodes.Or():
            _check_truth(tested.right)
        case _:
            pass


def _check_compared(sides: list[Any], text: str, *, is_membership: bool) -> None:
    for side in sides:
        match side:
            case nodes.List() | nodes.Tuple() if not is_membership:
                hint = "write  status in ['sold', 'archived']  or  status not in […]"
                raise TemplateProblem("no cell is a list: to be one of several is another question", hint)
            case nodes.Const(value=None):
                hint = "write  stock != ''  for a cell that is filled, and  stock == ''  for an empty one"
                raise TemplateProblem("no cell is none, also an empty one", hint)
            case nodes.Const(value=float() as number):
                written = (found[0] for found in DOUBTFUL.finditer(text) if float(found[0]) == number)
                if (shown := next(written, None)) is not None:
                    thousands, fraction = shown.replace(".", ""), shown.rstrip("0").rstrip(".")
                    fraction += "0" * (DOUBTFUL.fullmatch(fraction) is not None)
                    message = f"{shown} could be {number:.15g} or {thousands}"
                    raise TemplateProblem(message, f"write  {fraction}  or  {thousands}")
            case _:
                pass
