"""Conditions whose verdict is known before any row is: true of all by an `or`, or of none by an `and`.

`status != 'sold' or status != 'archived'` is true of every row, since none is both. Looked at are those parts of
a chain that ask one expression for constants: where no value fails all of an `or`, or fulfils all of an `and`, it was
not meant so. A cell `005` is the text 005 and the number 5: constants that are numbers are told apart by their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from jinja2 import nodes

from runner.manifest.cells import TemplateProblem, number_in, seen


class Column(NamedTuple):
    """A column that is compared: by its name in templates and nothing, or by `row` and its title."""

    name: str
    title: str
    how: str
    """`lower` or `upper` where its letters are made so before."""
    is_within: bool = False
    """Whether a text is looked for in it, and need not be all of it."""


Texts = Mapping[Column, frozenset[str]]
"""Texts that columns are compared with."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One part of a chain: an expression that equals, or does not, one of some constants."""

    of: nodes.Expr
    values: tuple[Any, ...]
    is_equal: bool

    @property
    def key(self) -> tuple[str, bool]:
        """The expression; what is compared with true or false is another question."""
        return repr(self.of), isinstance(self.values[0], bool)

    @property
    def sizes(self) -> dict[str | float, Any]:
        """The constants, each by what is the same for a cell."""
        return {_size(value): value for value in self.values}


def asks_for_letters(tree: nodes.Template) -> bool:
    """Whether something is compared with, or looked for in, a text that has letters: then capitals count."""
    titles = {id(item.arg) for item in tree.find_all(nodes.Getitem)}
    texts = (node.value for node in tree.find_all(nodes.Const) if id(node) not in titles)
    return any(isinstance(text, str) and text.lower() != text.upper() for text in texts)


def texts_compared(tree: nodes.Template) -> tuple[Texts, Texts]:
    """The texts that columns are compared with, and of these the ones that they are to be."""
    compared: dict[Column, frozenset[str]] = {}
    wanted: dict[Column, frozenset[str]] = {}
    for column, values, is_equal in _comparisons(tree):
        texts = frozenset(value for value in values if isinstance(value, str))
        if texts:
            compared[column] = compared.get(column, frozenset()) | texts
        if texts and is_equal:
            wanted[column] = wanted.get(column, frozenset()) | texts
    return compared, wanted


def check_cases(tree: nodes.Template) -> None:
    """Raise `TemplateProblem` where all texts have capitals beside what `| lower` gives: none is ever equal."""
    for column, values, _ in _comparisons(tree):
        pairs = [(text, cased(text, column.how)) for text in values if isinstance(text, str)]
        if len(pairs) == len(values) and all(text != meant for text, meant in pairs):
            text, meant = pairs[0]
            what = "capitals" if column.how == "lower" else "small letters"
            message = f"{text[:40]!r} has {what}, and what {column.how} gives has none: they are never equal"
            raise TemplateProblem(message, f"write  {meant[:40]!r}")


def _comparisons(tree: nodes.Template) -> Iterator[tuple[Column, Sequence[Any], bool]]:
    """Columns that are compared with constants, with those, and whether they are to be equal to one."""
    assigned = ((node.target, node.node) for node in tree.find_all(nodes.Assign))
    aliases = {target.name: node for target, node in assigned if isinstance(target, nodes.Name)}
    for node in tree.find_all(nodes.Compare):
        match node:
            case nodes.Compare(
                expr=nodes.Const(value=str() as piece), ops=[nodes.Operand(op="in" | "notin" as op, expr=of)]
            ):
                if (column := _column(of, aliases)) is not None:
                    yield column._replace(is_within=True), [piece], op != "notin"
            case _:
                asked = _asked(node)
                if asked is not None and (column := _column(asked.of, aliases)) is not None:
                    yield column, asked.values, asked.is_equal


def cased(text: str, how: str) -> str:
    """A text as a column is compared that is made small, or large."""
    return text.lower() if how == "lower" else text.upper() if how == "upper" else text


def number_asked(tree: nodes.Template) -> str:
    """The one column that a number is made of, or that is compared with one, as it is written; empty where none is."""
    found = set()
    for node in tree.find_all((nodes.Compare, nodes.Filter)):
        match node:
            case nodes.Compare(expr=of, ops=[nodes.Operand(expr=nodes.Const(value=int() | float()))]):
                found.add(_base(of))
            case nodes.Compare(expr=nodes.Const(value=int() | float()), ops=[nodes.Operand(expr=of)]):
                found.add(_base(of))
            case nodes.Filter(node=of, name="float" | "int" | "round"):
                found.add(_base(of))
            case _:
                pass
    return found.pop() if len(found) == 1 else ""


def _base(of: nodes.Expr | None) -> str:
    """What the filters of an expression are applied to, as it is written."""
    while isinstance(of, nodes.Filter):
        of = of.node
    return written(of)


def _column(of: nodes.Node | None, aliases: Mapping[str, nodes.Node]) -> Column | None:
    """The column that an expression is about, also under the name that a `{% set %}` gives it."""
    left, how = dict(aliases), ""
    while True:
        match of:
            case (
                nodes.Filter(node=inner, name="lower" | "upper" | "trim" as name, args=[])
                | nodes.Call(node=nodes.Getattr(node=inner, attr="lower" | "upper" | "strip" as name), args=[])
            ):
                of, how = inner, how or (name if name in ("lower", "upper") else "")
            case nodes.Name(name=name) if name in left:
                of = left.pop(name)
            case nodes.Name(name=name):
                return Column(name, "", how)
            case (
                nodes.Getitem(node=nodes.Name(name="row"), arg=nodes.Const(value=str() as title))
                | nodes.Getattr(node=nodes.Name(name="row"), attr=title)
            ):
                return Column("row", title, how)
            case _:
                return None


def check_chains(tree: nodes.Template) -> None:
    """Raise `TemplateProblem` for the first `or` that is true of every row, or `and` that is true of none."""
    inner: set[int] = set()  # chains within a longer one are looked at with it
    for chain in tree.find_all((nodes.Or, nodes.And)):
        if id(chain) in inner:
            continue
        parts = []
        for part in _parts(chain, inner):
            asked = _asked(part)
            if asked is not None and asked.is_equal is isinstance(chain, nodes.And):
                parts.append(asked)
        _check(parts, is_or=isinstance(chain, nodes.Or))


def _check(parts: list[_Asked], *, is_or: bool) -> None:
    left: dict[tuple[str, bool], dict[str | float, Any]] = {}
    for part in parts:
        sizes = part.sizes
        before = left.get(part.key, sizes)
        both = {size: value for size, value in before.items() if size in sizes}
        if not both:
            raise _refusal(part, next(iter(before.values())), next(iter(sizes.values())), is_or=is_or)
        left[part.key] = both


def _refusal(part: _Asked, one: Any, other: Any, *, is_or: bool) -> TemplateProblem:
    name = written(part.of)
    one, other = _shown(one), _shown(other)
    if is_or:
        message = f"{name or 'it'} differs from {one} or from {other} in every row: the or is true of all"
        swap, word = "put  and  for  or", "not in"
    else:
        message = f"{name or 'it'} is {one} and {other} at once in no row: the and is true of none"
        swap, word = "put  or  for  and", "in"
    return TemplateProblem(message, f"write  {name} {word} [{one}, {other}]  or {swap}" if name else swap)


def written(of: nodes.Expr | None) -> str:
    """The expression as it was probably written; empty for a longer one."""
    match of:
        case nodes.Name(name=name):
            return str(name)
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str() as title)):
            return f"{name}[{title!r}]"
        case nodes.Filter(node=inner, name=name, args=[], kwargs=[]) if before := written(inner):
            return f"{before} | {name}"
        case _:
            return ""


def _parts(chain: Any, inner: set[int]) -> Iterator[nodes.Expr]:
    """The parts of a chain, those of chains of its kind within it as well."""
    todo = [chain]
    while todo:
        node = todo.pop()
        if type(node) is type(chain):
            inner.add(id(node))
            todo += [node.right, node.left]
        else:
            yield node


def _asked(node: nodes.Expr) -> _Asked | None:
    """What a part asks; `None` where it is more than one question, or another."""
    is_denied = False
    while isinstance(node, nodes.Not):
        node, is_denied = node.node, not is_denied
    of: nodes.Expr
    constants: Sequence[nodes.Expr]
    match node:
        case nodes.Compare(expr=nodes.Const() as given, ops=[nodes.Operand(op="eq" | "ne" as op, expr=asked)]):
            of, constants = asked, [given]
        case nodes.Compare(expr=asked, ops=[nodes.Operand(op="eq" | "ne" as op, expr=nodes.Const() as given)]):
            of, constants = asked, [given]
        case nodes.Compare(
            expr=asked,
            ops=[nodes.Operand(op="in" | "notin" as op, expr=nodes.List(items=given) | nodes.Tuple(items=given))],
        ):
            of, constants = asked, given
        case _:
            return None
    values = tuple(item.value for item in constants if isinstance(item, nodes.Const))
    are_plain = len(values) == len(constants) and all(isinstance(value, (str, int, float)) for value in values)
    if isinstance(of, nodes.Const) or not are_plain or len({isinstance(value, bool) for value in values}) != 1:
        return None
    return _Asked(of, values, (op in ("eq", "in")) is not is_denied)


def _size(value: Any) -> str | float:
    """A constant's number, or its text as it is seen."""
    if isinstance(value, str):
        number = number_in(value)
        return seen(value) if number is None else number
    return float(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value[:40]) if isinstance(value, str) else f"{value:.15g}"
