"""Templates in prompts, ids, output paths and image URLs: `{{ title | lower }}`, and the conditions of `where`.

Jinja2 in its sandbox, and less of it: no loops inside loops, no macros, no imports, no way to make a long text out of
a short one. A manifest comes from a colleague and its cells from a supplier; neither may hang a night or read a file.

Strict where it costs money. A name that is no column is an error, and so is a cell that is empty where its text is
wanted: "a white background for this ." would be paid for as well. `{% if colour %}` asks first, `default('…')` fills
in. What begins with `{#` is text: Jinja would drop it silently.

A cell is text, whatever it looks like; only beside a number it is read as one, so that `stock > 0` works and `00123`
keeps its zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import jinja2
from jinja2 import meta, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner.manifest.diagnostics import did_you_mean

LONGEST_TEMPLATE: Final = 20_000
LONGEST_OUTPUT: Final = 4_000
"""Characters that a template may come to; a model's own limit, such as 1,000 for a prompt, is checked afterwards."""
DEEPEST: Final = 30
"""Brackets inside brackets."""

FILTERS: Final = frozenset(
    """abs capitalize d default first float int join last length list lower replace round sort string striptags title
    trim truncate unique upper urlencode wordcount""".split()  # noqa: SIM905 a list of 23 lines is no better
)
STRING_METHODS: Final = frozenset(
    """capitalize endswith isalpha isdigit lower lstrip partition removeprefix removesuffix replace rpartition rsplit
    rstrip split startswith strip title upper""".split()  # noqa: SIM905
)
LOOP: Final = frozenset({"first", "index", "last", "length"})
PLAIN: Final = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Test, nodes.If),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Add, nodes.Sub, nodes.Mul),
    *(nodes.Div, nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Concat, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Call, nodes.Keyword, nodes.Assign, nodes.For, nodes.List, nodes.Tuple),
)
"""What a template may hold."""


class TemplateProblem(Exception):
    """A template cannot be read, or comes to nothing that can be sent: the message, and the remedy or nothing."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Scope(Protocol):
    """The names that a template may use, for one row or job."""

    def names(self) -> Iterable[str]:
        """All of them."""

    def __contains__(self, name: object) -> bool:
        """Whether there is such a name."""

    def __getitem__(self, name: str) -> Any:
        """Its value: a `Cell`, a `Blank`, or plain values."""


# ------------------------------------------------------------------------------------------------------------- cells


class Cell(str):
    """A cell's text, which beside a number is a number."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (int, float)):
            number = _number(self)
            return number is not None and number == other
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __lt__(self, other: Any) -> bool:
        return self._as_number() < other if isinstance(other, (int, float)) else str.__lt__(self, other)

    def __le__(self, other: Any) -> bool:
        return self._as_number() <= other if isinstance(other, (int, float)) else str.__le__(self, other)

    def __gt__(self, other: Any) -> bool:
        return self._as_number() > other if isinstance(other, (int, float)) else str.__gt__(self, other)

    def __ge__(self, other: Any) -> bool:
        return self._as_number() >= other if isinstance(other, (int, float)) else str.__ge__(self, other)

    def _as_number(self) -> float:
        number = _number(self)
        if number is None:
            raise TemplateProblem(f"{self[:40]!r} is compared with a number, and is none", "compare it as text")
        return number


class Blank(jinja2.StrictUndefined):
    """An empty cell: false, equal to an empty text, and no text by itself."""

    __slots__ = ()

    def __bool__(self) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return False

    def __eq__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return other == "" or isinstance(other, Blank)

    def __ne__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return hash("")

    def __len__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]  # Jinja's own refuse
        return iter(())


def cell(name: str, text: str, place: str = "") -> Cell | Blank:
    """A column's value in one row; `place` is its name in the spreadsheet, as `D2`."""
    if text.strip():
        return Cell(text)
    where = f"cell {place} ({name})" if place else repr(name)
    return Blank(hint=f"{where} is empty, and the template needs its text", exc=_Empty)


class Row(dict[str, Any]):
    """All columns under their own names: `row['Product Title']`."""

    def __missing__(self, name: object) -> Any:
        raise TemplateProblem(f"there is no column {str(name)[:60]!r}", did_you_mean(str(name), self))


class _Empty(jinja2.UndefinedError):
    """The text of an empty cell was wanted."""


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*[-+]?\d{1,15}(\.\d{1,15})?\s*", text) else None


# --------------------------------------------------------------------------------------------------------- templates


@dataclass(frozen=True, slots=True)
class Template:
    """A text with names to fill in; `names` are those it asks for."""

    text: str
    names: frozenset[str]
    _compiled: jinja2.Template

    def render(self, scope: Scope) -> str:
        """The text for one row or job; raises `TemplateProblem`."""
        context = self._compiled.new_context(scope, shared=True)  # type: ignore[arg-type]  # only looked up in
        try:
            return "".join(_bounded(self._compiled.root_render_func(context)))
        except _Empty as error:
            name = str(error)
            raise TemplateProblem(name, "ask first, as in {% if title %}…{% endif %}, or use default('…')") from None
        except jinja2.UndefinedError as error:
            raise TemplateProblem(f"the template cannot be filled in: {error}") from None
        except jinja2.TemplateError as error:  # the sandbox's refusals too
            told = "it calls what templates do not have" if "safely callable" in str(error) else str(error)
            raise TemplateProblem(
                f"not allowed in a template: {told}", "filters are, as in  {{ title | lower }}"
            ) from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            raise TemplateProblem(f"the template cannot be worked out: {str(error)[:200]}") from None


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition such as `stock > 0`; `names` are those it asks for."""

    text: str
    names: frozenset[str]
    _template: Template

    def holds(self, scope: Scope) -> bool:
        """Whether it is true of one row or job; raises `TemplateProblem`."""
        return self._template.render(scope) == "1"


def is_template(text: str) -> bool:
    """Whether there is anything to fill in."""
    return "{{" in text or "{%" in text


@lru_cache(maxsize=4096)
def compiled(text: str) -> Template:
    """The template in a text; raises `TemplateProblem` for what is none, or holds what is not allowed."""
    if len(text) > LONGEST_TEMPLATE:
        raise TemplateProblem(f"a template of more than {LONGEST_TEMPLATE:,} characters")
    _check_depth(text)
    try:
        tree = _ENVIRONMENT.parse(text)
        _check_nodes(tree)
        names = frozenset(meta.find_undeclared_variables(tree))
        code = _ENVIRONMENT.compile(tree)
        return Template(text, names, jinja2.Template.from_code(_ENVIRONMENT, code, {}))
    except jinja2.TemplateSyntaxError as error:
        raise TemplateProblem(f"the template cannot be read: {error.message}", _syntax_hint(text)) from None
    except (RecursionError, MemoryError, SyntaxError, ValueError, OverflowError) as error:
        raise TemplateProblem(f"the template cannot be read: {type(error).__name__}") from None


@lru_cache(maxsize=256)
def condition(text: str) -> Condition:
    """The condition in a text; raises `TemplateProblem`."""
    if not text.strip():
        raise TemplateProblem("an empty condition", "as in  stock > 0  or  status == 'active'")
    if "%}" in text or "{%" in text or "{{" in text:
        raise TemplateProblem("a condition is written without braces", "as in  stock > 0  or  status == 'active'")
    template = compiled(f"{{% if {text} %}}1{{% endif %}}")
    return Condition(text, template.names, template)


def unknown_name(names: Iterable[str], scope: Scope) -> TemplateProblem | None:
    """The first of the names that a scope does not have, with the nearest that it has."""
    for name in sorted(names):
        if name not in scope:
            return TemplateProblem(f"{name!r} is undefined", did_you_mean(name, scope.names()))
    return None


def _bounded(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, as long as there are not too many; raises `TemplateProblem`."""
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST_OUTPUT:
            raise TemplateProblem(f"the template comes to more than {LONGEST_OUTPUT:,} characters")
        yield piece


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, without the doors that lead to a long text."""

    intercepted_binops = frozenset({"*", "+"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Numbers are multiplied; a text times a number, and a cell plus a number, are nobody's wish."""
        is_number = isinstance(left, (int, float)) and isinstance(right, (int, float))
        is_text = isinstance(left, str) and isinstance(right, str) and operator == "+"
        if not is_number and not is_text:
            kinds = f"{type(left).__name__} {operator} {type(right).__name__}".replace("Cell", "text")
            raise SecurityError(f"{kinds}; | int reads a number, ~ joins texts")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ARG002 the sandbox's own signature
        """A text's harmless methods, and what a loop knows of itself."""
        if isinstance(obj, str):
            return attr in STRING_METHODS
        return isinstance(obj, LoopContext) and attr in LOOP

    def is_safe_callable(self, obj: Any) -> bool:
        """Methods of a text alone."""
        return isinstance(getattr(obj, "__self__", None), str)


def _environment() -> _Environment:
    environment = _Environment(
        undefined=jinja2.StrictUndefined,
        comment_start_string="\0{#",  # a NUL is refused wherever manifests are read
        comment_end_string="#}\0",
        keep_trailing_newline=True,
        cache_size=0,
    )
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.globals.clear()
    return environment


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in re.findall(r"[()\[\]{}]", text):
        depth += 1 if bracket in "([{" else -1
        if depth > DEEPEST:
            raise TemplateProblem(f"a template with more than {DEEPEST} brackets inside one another")


def _check_nodes(tree: nodes.Template) -> None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, PLAIN):
            name = type(node).__name__.lower()
            raise TemplateProblem(
                f"{name!r} is not allowed in a template", "{{ }}, {% if %}, {% for %} and {% set %} are"
            )
        if isinstance(node, nodes.For) and any(True for _ in node.find_all(nodes.For)):
            raise TemplateProblem("a loop inside a loop is not allowed in a template")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise TemplateProblem(f"no filter named {node.name!r}", did_you_mean(node.name, sorted(FILTERS)))


def _syntax_hint(text: str) -> str:
    if text.count("{{") != text.count("}}"):
        return "each {{ needs its }}; for the braces themselves write {{ '{{' }}"
    return "for braces that are meant to be sent write {{ '{{' }}" if "{{" in text else ""


_ENVIRONMENT: Final = _environment()


class Names:
    """A scope of plain values."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def names(self) -> Iterable[str]:
        """All of them."""
        return self._values

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]
