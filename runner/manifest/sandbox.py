"""Jinja2's sandbox, and less of it: which doors a template has, each of them watched.

Nothing makes a long text out of a short one without being counted: every filter (`runner.manifest.filters`), method,
`~`, `+`, slice and turn of a loop is paid for out of one allowance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import BuiltinMethodType
from typing import Any, Final

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from runner.manifest.cells import Made, TemplateProblem, like, number_in
from runner.manifest.filters import EACH, FILTERS, TESTS, Counted, each, join, replace, trim
from runner.manifest.values import in_bounds, number_of, shown, size_of

STRING_METHODS: Final = frozenset(
    """capitalize endswith isalpha isdigit lower lstrip partition removeprefix removesuffix replace rpartition rsplit
    rstrip split startswith strip title upper""".split()  # noqa: SIM905 a list of 18 lines is no better
)
LOOP: Final = frozenset({"first", "index", "last", "length"})


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
        self.filters = {**FILTERS, EACH: each}
        self.tests = dict(TESTS)
        self.globals.clear()

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers are reckoned with, and texts joined; a cell plus a number is nobody's wish."""
        assert isinstance(context, Counted)  # noqa: S101 `context_class`
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            if number_in(left) is not None and number_in(right) is not None:
                hint = "to add them:  w | int + d | int;  to join them:  w ~ d"
                raise TemplateProblem(f"'+' would join {left[:20]!r} and {right[:20]!r}, which are numbers", hint)
            return join(context, (left, right))
        for value in (left, right):
            if isinstance(value, jinja2.Undefined):
                shown(value)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                hint = "int and float read a number, as in  stock | int + 1;  ~ joins texts"
                raise TemplateProblem(f"{operator!r} wants numbers, and one side is none", hint)
        result: float = super().call_binop(context, operator, left, right)
        return in_bounds(result)

    def call_unop(self, context: Context, operator: str, arg: Any) -> Any:
        """A number's sign."""
        result: float = super().call_unop(context, operator, number_of(arg))
        return in_bounds(result)

    def tilde(self, context: Counted, values: Sequence[Any]) -> str:
        """Texts joined by `~`."""
        return join(context, values)

    def flat(self, context: Counted, values: list[Any]) -> list[Any]:
        """A list in the template, of texts and numbers."""
        context.spend(size_of(values))
        if any(isinstance(value, (list, tuple, Mapping)) for value in values):
            raise TemplateProblem("a list inside a list is not allowed in a template", "write one list")
        return values

    def cut(self, context: Counted, parts: Sequence[Any]) -> Any:
        """A part of a text or a list, as `title[:40]`."""
        value, start, stop, step = parts
        found = value if isinstance(value, (list, tuple)) else shown(value)
        result = found[start:stop:step]
        context.spend(size_of(result))
        return like(value, result) if isinstance(result, str) else result

    def call(__self, __context: Context, __obj: Any, *args: Any, **options: Any) -> Any:  # noqa: N805, PYI063 as Jinja has it
        """A text's method; arguments are texts and numbers."""
        assert isinstance(__context, Counted)  # noqa: S101 `context_class`
        if not __self.is_safe_callable(__obj):
            raise TemplateProblem("templates have no such function", "filters are, as in  {{ title | lower }}")
        text, name = __obj.__self__, __obj.__name__
        given: list[Any] = [arg if isinstance(arg, (int, float)) else shown(arg) for arg in args]
        __context.spend(len(text) + sum(map(size_of, given)))
        if name == "replace":
            return replace(__context, text, *given)
        if name.endswith("strip") and given:
            trim("", shown(given[0]))
        result = __obj(*given, **options)
        __context.spend(size_of(result))
        match result:
            case str():
                return like(text, result)
            case list() | tuple():  # the pieces of a cell are compared as cells are
                return type(result)(map(Made, result))
            case _:
                return result

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
