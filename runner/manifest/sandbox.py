"""Jinja2's sandbox, and less of it: what a template may do with texts, numbers and lists, and how much of it.

Nothing here makes a long text out of a short one without being counted: every filter, method, `~`, `+`, slice and turn
of a loop is paid for out of one allowance, before its result is made where that could be large. Lists are flat and
texts are no lists, so that nothing unfolds and `join` does not spell a word. Filters are Jinja's own in name and use,
but where Jinja would take a guess (`'n/a' | int` is 0) they raise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import BuiltinMethodType
from typing import Any, Final, TypeVar
from urllib.parse import quote

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.filters import do_title
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing, pass_context

from runner.manifest.cells import Cell, TemplateProblem, number_in

ALLOWANCE: Final = 4_000_000
"""Characters that one rendering may handle, all steps together; a cell has at most a quarter of that."""
TURN: Final = 400
"""What a turn of a loop costs beside the parts of its body."""
LARGEST_NUMBER: Final = 10**15
MOST_STRIPPED: Final = 100
STRING_METHODS: Final = frozenset(
    """capitalize endswith isalpha isdigit lower lstrip partition removeprefix removesuffix replace rpartition rsplit
    rstrip split startswith strip title upper""".split()  # noqa: SIM905 a list of 18 lines is no better
)
LOOP: Final = frozenset({"first", "index", "last", "length"})
N = TypeVar("N", int, float)
EACH: Final = "each of"
"""The filter that counts a loop's turns; no user can write its name."""


class Counted(Context):
    """One rendering, and what it may still handle."""

    left = ALLOWANCE

    def spend(self, amount: int) -> None:
        """So many characters more; raises `TemplateProblem` where there were too many."""
        self.left -= amount
        if self.left < 0:
            raise TemplateProblem(
                "the template takes too much work", "a text of thousands of characters is made in few steps"
            )


# ------------------------------------------------------------------------------------------------------------ values


def shown(value: Any) -> str:
    """A value as the text that is sent; raises `TemplateProblem` for what is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        hint = "write  {{ 'new' if stock > 0 else 'old' }}"
        raise TemplateProblem("true or false is no text", hint)
    if isinstance(value, int):
        return str(_in_bounds(value))
    if isinstance(value, float):
        return f"{_in_bounds(value):.15g}"
    if isinstance(value, jinja2.Undefined):
        return str(value)  # an empty cell raises here
    match value:
        case list() | tuple():
            raise TemplateProblem("a list is no text", "join it:  {{ tags.split(';') | join(', ') }}")
        case Mapping():
            raise TemplateProblem("a whole row is no text", "name a column:  {{ row['Product Title'] }}")
        case None:
            raise TemplateProblem("none is no text", "leave it out, or quote it")
        case _:
            raise TemplateProblem("a method or a loop is no text", "call it:  {{ title.upper() }}")


def _number(value: Any) -> float:
    """A number, also one that is written in a cell."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        text = shown(value)
        if (number := number_in(text)) is None:
            raise TemplateProblem(f"{text[:40]!r} is no number", "int(0) and float(0) take 0 for what is none")
        return number
    return _in_bounds(value)


def _in_bounds(number: N) -> N:
    if abs(number) >= LARGEST_NUMBER or math.isnan(number):
        raise TemplateProblem("a number of more than 15 digits", "quote it, to have it as text")
    return number


def _listed(value: Any) -> Sequence[Any]:
    if isinstance(value, (list, tuple)):
        return value
    shown(value)
    raise TemplateProblem("a text is no list", "split it first:  tags.split(';')")


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    return 20 * len(value) if isinstance(value, (list, tuple)) else 1


# ----------------------------------------------------------------------------------------------------------- filters


def _replace(context: Counted, text: str, old: Any, new: Any, count: int = -1) -> str:
    old, new = shown(old), shown(new)
    found = text.count(old)
    context.spend((found if count < 0 else min(found, count)) * len(new))
    return Cell(text.replace(old, new, count))


def _truncate(text: str, length: int = 255, killwords: Any = False, end: str = "...", leeway: int = 5) -> str:
    if length < len(end):
        raise TemplateProblem(f"truncate({length}) leaves no room for {end[:40]!r}", "truncate(200, end='')")
    if len(text) <= length + leeway:
        return text
    cut = text[: length - len(end)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


def _striptags(text: str) -> str:
    """The text without tags and comments, its entities resolved, its white space single; in one pass."""
    from html import unescape

    pieces, at = [], 0
    ends = {"<!--": text.rfind("-->"), "<": text.rfind(">")}
    while (start := text.find("<", at)) >= 0:
        opening = "<!--" if text.startswith("<!--", start) and start < ends["<!--"] else "<"
        if start >= ends[opening]:
            break
        pieces.append(text[at:start])
        closing = "-->" if opening == "<!--" else ">"
        at = text.index(closing, start) + len(closing)
    return " ".join(unescape("".join([*pieces, text[at:]])).split())


def _trim(text: str, chars: str | None = None) -> str:
    if chars is not None and len(chars) > MOST_STRIPPED:
        raise TemplateProblem(f"more than {MOST_STRIPPED} characters to strip", "name fewer")
    return text.strip(chars)


def _int(value: Any, default: Any = None) -> Any:
    return _read(value, default, int)


def _float(value: Any, default: Any = None) -> Any:
    return _read(value, default, float)


def _read(value: Any, default: Any, kind: Callable[[float], Any]) -> Any:
    try:
        return kind(_number(value))
    except (TemplateProblem, jinja2.UndefinedError):
        if default is None:
            raise
        return default


def _round(value: Any, precision: int = 0, method: str = "common") -> float:
    number = _number(value)
    if method not in ("common", "ceil", "floor") or not -15 <= precision <= 15:
        raise TemplateProblem("round takes up to 15 digits, and common, ceil or floor", "round(2)")
    if method == "common":
        return round(float(number), precision)
    factor = 10.0**precision
    return float(getattr(math, method)(number * factor) / factor)


def _join(context: Counted, values: Iterable[Any], separator: Any = "") -> str:
    texts, between = [], shown(separator)
    for value in values:
        texts.append(shown(value))
        context.spend(len(texts[-1]) + len(between))
    return between.join(texts)


def _sort(values: Sequence[Any], reverse: Any = False) -> list[Any]:
    are_numbers = all(isinstance(value, (int, float)) for value in values)
    return sorted(values, key=None if are_numbers else lambda value: shown(value).casefold(), reverse=bool(reverse))


def _unique(values: Sequence[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(shown(value).casefold(), value)
    return list(found.values())


def _end(values: Any, index: int) -> Any:
    found = values if isinstance(values, str) else _listed(values)
    if not found:
        raise TemplateProblem("an empty list has no first or last", "ask first, as in {% if tags %}…{% endif %}")
    return found[index]


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, Mapping, jinja2.Undefined)) else len(_listed(value))


def _default(value: Any, default: Any = "", is_for_all: Any = False) -> Any:
    return default if isinstance(value, jinja2.Undefined) or (is_for_all and not value) else value


_TEXTS: Final[dict[str, Callable[..., Any]]] = {
    "capitalize": str.capitalize,
    "lower": str.lower,
    "string": str,
    "striptags": _striptags,
    "title": do_title,
    "trim": _trim,
    "truncate": _truncate,
    "upper": str.upper,
    "urlencode": lambda text: quote(text, safe="/"),
    "wordcount": lambda text: len(re.findall(r"\w+", text)),
}
_LISTS: Final[dict[str, Callable[..., Any]]] = {"list": list, "sort": _sort, "unique": _unique}
_ANY: Final[dict[str, Callable[..., Any]]] = {
    "abs": lambda value: abs(_number(value)),
    "d": _default,
    "default": _default,
    "first": lambda value: _end(value, 0),
    "float": _float,
    "int": _int,
    "last": lambda value: _end(value, -1),
    "length": _length,
    "round": _round,
}


def _filter(work: Callable[..., Any], read: Callable[[Any], Any] = lambda value: value) -> Callable[..., Any]:
    """A filter that is paid for: what it is given, and what it makes of it."""

    @pass_context
    def counted(context: Counted, value: Any, *args: Any, **options: Any) -> Any:
        given = read(value)
        context.spend(_size(given))
        result = work(given, *args, **options)
        context.spend(_size(result))
        return Cell(result) if type(result) is str else result

    return counted


@pass_context
def _replaced(context: Counted, value: Any, old: Any, new: Any, count: int = -1) -> str:
    text = shown(value)
    context.spend(len(text))
    return _replace(context, text, old, new, count)


@pass_context
def _joined(context: Counted, values: Any, d: Any = "") -> str:
    return _join(context, _listed(values), d)


@pass_context
def _each(context: Counted, values: Any, parts: int) -> Iterator[Any]:
    for value in _listed(values):
        context.spend(TURN + 100 * parts)
        yield value


FILTERS: Final = {
    **{name: _filter(work, shown) for name, work in _TEXTS.items()},
    **{name: _filter(work, _listed) for name, work in _LISTS.items()},
    **{name: _filter(work) for name, work in _ANY.items()},
    "replace": _replaced,
    "join": _joined,
}


def _test_of_text(test: Callable[[str], bool]) -> Callable[[Any], bool]:
    return lambda value: test(shown(value))


TESTS: Final[dict[str, Callable[..., bool]]] = {
    "defined": lambda value: not isinstance(value, jinja2.Undefined),
    "divisibleby": lambda value, by: _number(value) % _number(by) == 0,
    "even": lambda value: _number(value) % 2 == 0,
    "in": lambda value, values: value in values,
    "lower": _test_of_text(str.islower),
    "odd": lambda value: _number(value) % 2 == 1,
    "undefined": lambda value: isinstance(value, jinja2.Undefined),
    "upper": _test_of_text(str.isupper),
}


# ------------------------------------------------------------------------------------------------------- environment


class _Generator(CodeGenerator):
    """Makes Python of a template, with the doors to long texts and deep lists watched."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Frame, finalize: Any) -> str:
        """Only what is written out is worked out beforehand: Jinja's own way to do so goes by none of the doors."""
        if not isinstance(node, (nodes.TemplateData, nodes.Const)):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 Jinja's own name
        self._watched("tilde", node.nodes, frame)

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._watched("flat", node.items, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._watched("flat", node.items, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        if not isinstance(node.arg, nodes.Slice):
            super().visit_Getitem(node, frame)
            return
        parts = [part or nodes.Const(None) for part in (node.arg.start, node.arg.stop, node.arg.step)]
        self._watched("cut", [node.node, *parts], frame)

    def _watched(self, name: str, parts: Sequence[nodes.Node], frame: Frame) -> None:
        self.write(f"environment.{name}(context, [")
        for part in parts:
            self.visit(part, frame)
            self.write(", ")
        self.write("])")


class Environment(ImmutableSandboxedEnvironment):
    """The sandbox."""

    code_generator_class = _Generator
    context_class = Counted
    intercepted_binops = frozenset("+ - * / //".split())  # noqa: SIM905
    intercepted_unops = frozenset("+-")

    def __init__(self) -> None:
        super().__init__(
            undefined=_Missing,
            comment_start_string="\0{#",  # a NUL is refused in templates
            comment_end_string="#}\0",
            keep_trailing_newline=True,
            cache_size=0,
            optimized=False,
            finalize=shown,
        )
        self.filters = {**FILTERS, EACH: _each}
        self.tests = dict(TESTS)
        self.globals.clear()

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers are reckoned with, and texts joined; a cell plus a number is nobody's wish."""
        assert isinstance(context, Counted)  # noqa: S101 `context_class`
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return _join(context, (left, right))
        for value in (left, right):
            if isinstance(value, jinja2.Undefined):
                shown(value)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                hint = "int and float read a number, as in  stock | int + 1;  ~ joins texts"
                raise TemplateProblem(f"{operator!r} wants numbers, and one side is none", hint)
        result: float = super().call_binop(context, operator, left, right)
        return _in_bounds(result)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """A number's sign."""
        result: float = super().call_unop(context, operator, _number(arg))
        return _in_bounds(result)

    def tilde(self, context: Counted, values: Sequence[Any]) -> str:
        """Texts joined by `~`."""
        return _join(context, values)

    def flat(self, context: Counted, values: list[Any]) -> list[Any]:
        """A list in the template, of texts and numbers."""
        context.spend(_size(values))
        if any(isinstance(value, (list, tuple, Mapping)) for value in values):
            raise TemplateProblem("a list inside a list is not allowed in a template", "write one list")
        return values

    def cut(self, context: Counted, parts: Sequence[Any]) -> Any:
        """A part of a text or a list, as `title[:40]`."""
        value, start, stop, step = parts
        found = value if isinstance(value, (list, tuple)) else shown(value)
        result = found[start:stop:step]
        context.spend(_size(result))
        return Cell(result) if isinstance(result, str) else result

    def call(__self, __context: Context, __obj: Any, *args: Any, **options: Any) -> Any:  # noqa: N805, PYI063 as Jinja has it
        """A text's method; arguments are texts and numbers."""
        assert isinstance(__context, Counted)  # noqa: S101 `context_class`
        if not __self.is_safe_callable(__obj):
            raise TemplateProblem("templates have no such function", "filters are, as in  {{ title | lower }}")
        text, name = str(__obj.__self__), __obj.__name__
        given: list[Any] = [arg if isinstance(arg, (int, float)) else shown(arg) for arg in args]
        __context.spend(len(text) + sum(map(_size, given)))
        if name == "replace":
            return _replace(__context, text, *given)
        if name.endswith("strip") and given:
            _trim("", shown(given[0]))
        result = __obj(*given, **options)
        __context.spend(_size(result))
        return Cell(result) if isinstance(result, str) else result

    def unsafe_undefined(self, obj: Any, attribute: str) -> jinja2.Undefined:
        """What stands for a part that templates may not see: the error that says so, once it is used."""
        return self.undefined(f"templates do not reach {attribute!r}", obj=obj, exc=SecurityError)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 the sandbox's own signature
        """A text's harmless methods, and what a loop knows of itself."""
        if isinstance(obj, str):
            return attr in STRING_METHODS
        return isinstance(obj, LoopContext) and attr in LOOP

    def is_safe_callable(self, obj: Any) -> bool:
        """Methods of a text alone."""
        return isinstance(obj, BuiltinMethodType) and isinstance(obj.__self__, str) and obj.__name__ in STRING_METHODS


class _Missing(jinja2.StrictUndefined):
    """What is not there: a name, or a part of a value."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = repr(self._undefined_name)
        if self._undefined_obj is missing:
            return f"{name} is undefined"
        if name.lstrip("-").isdigit():
            return f"there is nothing at [{name}]"
        return f"a {'text' if isinstance(self._undefined_obj, str) else 'value'} has no {name}"
