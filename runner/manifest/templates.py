"""Templates in prompts, ids, output paths and image URLs: `{{ title | lower }}`, and the conditions of `where`.

Jinja2 in its sandbox, and less of it (`runner.manifest.sandbox`): no loops inside loops, no macros, no imports, no way
to make a long text out of a short one. A manifest comes from a colleague and its cells from a supplier; neither may
hang a night or read a file.

Strict where it costs money. A name that is no column is an error, and so is a cell that is empty where its text is
wanted: "a white background for this ." would be paid for as well. `{% if colour %}` asks first, `default('…')` fills
in. What begins with `{#` is text: Jinja would drop it silently.

A cell is text, whatever it looks like; only beside a number it is read as one, so that `stock > 0` works and `00123`
keeps its zeros (`runner.manifest.cells`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import jinja2

from runner.manifest import unshown
from runner.manifest.cells import Blank, Cell, Empty, Measured, Row, TemplateProblem, cell
from runner.manifest.conditions import BESIDE, check_conditions, check_glued
from runner.manifest.diagnostics import did_you_mean
from runner.manifest.examples import with_column
from runner.manifest.grammar import check_depth, check_nodes, names_asked
from runner.manifest.misspelt import hint_for, hint_for_condition, in_quotes, moved, quoted, said
from runner.manifest.sandbox import Environment
from runner.manifest.titles import titles_of
from runner.manifest.verdicts import Texts, asks_for_letters, number_asked, texts_compared

LONGEST_TEMPLATE: Final = 20_000
LONGEST_OUTPUT: Final = 4_000
"""Characters that a template may come to; a model's own limit, such as 1,000 for a prompt, is checked afterwards."""
_OF_ROW: Final = re.compile(r"\brow\s*(?:\[\s*(?P<quote>['\"])(?P<title>.*?)(?P=quote)\s*\]|\.\s*(?P<name>\w+))")
OPENING: Final = "{% if "
"""What a condition stands behind."""
_ENVIRONMENT: Final = Environment()


class Scope(Protocol):
    """The names that a template may use, for one row or job."""

    def names(self) -> Iterable[str]:
        """All of them."""

    def __contains__(self, name: object) -> bool:
        """Whether there is such a name."""

    def __getitem__(self, name: str) -> Any:
        """Its value: a `Cell`, a `Blank`, or plain values."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with names to fill in; `names` are those it asks for."""

    text: str
    names: frozenset[str]
    titles: frozenset[str] | None
    """The columns that it asks for as `row['…']`; `None` where only a row can tell which they are."""
    in_quotes: Mapping[str, str]
    """What was probably meant by a name that there is not."""
    quoted: frozenset[str]
    """Texts that are filled in as they stand."""
    compared: Texts
    """The texts that it compares columns with."""
    wanted: Texts
    """Those of them that it asks a column to be."""
    _compiled: jinja2.Template

    def render(self, scope: Scope) -> str:
        """The text for one row or job; raises `TemplateProblem`."""
        context = self._compiled.new_context(scope, shared=True)  # type: ignore[arg-type]  # only looked up in
        try:
            text = "".join(_bounded(self._compiled.root_render_func(context)))
        except TemplateProblem as problem:
            asked = number_asked(_ENVIRONMENT.parse(self.text))
            problem.hint = with_column(problem.hint, str(problem), dict(self._columns(scope)), asked)
            raise
        except Empty as error:
            raise TemplateProblem(str(error), unshown.remedy_for_empty(str(error))) from None
        except jinja2.UndefinedError as error:
            raise TemplateProblem(
                f"the template cannot be filled in: {error}", "ask first whether it is there"
            ) from None
        except jinja2.TemplateError as error:  # the sandbox's refusals
            raise TemplateProblem(str(error), "filters are allowed, as in  {{ title | lower }}") from None
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as error:
            why = re.sub(
                r"\b(?:Cell|Made|Measured|Pointed|Torn)\.", "str.", str(error)[:200]
            )  # Python names the class of whichever call came first
            message = f"the template cannot be worked out: {why}"
            raise TemplateProblem(message, "simplify it; texts, numbers and lists do not mix") from None
        if "\0" in text or (not text.isascii() and re.search("[\ud800-\udfff]", text)):
            raise TemplateProblem("the template makes half a character, or a NUL", "write characters as they are")
        return text

    def _columns(self, scope: Scope) -> Iterator[tuple[str, Any]]:
        """The columns that it asks for, as it writes them, each with its value; those that can be had."""
        for name in self.names - {"row"}:
            with suppress(TemplateProblem, LookupError):
                yield name, scope[name]
        for title in self.titles or ():
            with suppress(TemplateProblem, LookupError):
                yield f"row[{title!r}]", scope["row"][title]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition such as `stock > 0`; `names` are those it asks for."""

    text: str
    names: frozenset[str]
    asks_for_letters: bool
    """Whether capitals count in it."""
    _template: Template

    @property
    def compared(self) -> Texts:
        """The texts that it compares columns with."""
        return self._template.compared

    @property
    def titles(self) -> frozenset[str] | None:
        """The columns that it asks for as `row['…']`."""
        return self._template.titles

    @property
    def in_quotes(self) -> Mapping[str, str]:
        """What was probably meant by a name that there is not."""
        return self._template.in_quotes

    def holds(self, scope: Scope) -> bool:
        """Whether it is true of one row or job; raises `TemplateProblem`."""
        try:
            return self._template.render(scope) == "1"
        except TemplateProblem as problem:
            raise _of_condition(problem, self.text) from None


def is_template(text: str) -> bool:
    """Whether there is anything to fill in."""
    return "{{" in text or "{%" in text


def compiled(text: str) -> Template:
    """The template in a text; raises `TemplateProblem` for what is none, or holds what is not allowed."""
    found = _looked_at(text)
    if isinstance(found, TemplateProblem):
        raise TemplateProblem(str(found), found.hint, is_everywhere=True)
    return found


def names_in(texts: Iterable[str]) -> frozenset[str]:
    """The names that some texts ask for, those that are templates; what is wrong with one is told where it is used."""
    return frozenset().union(*(template.names for template in templates_in(texts)))


def templates_in(texts: Iterable[str]) -> Iterator[Template]:
    """Those of some texts that are templates and can be read."""
    found = (_looked_at(text) for text in texts if is_template(text))
    return (template for template in found if isinstance(template, Template))


def are_broken(texts: Iterable[str]) -> bool:
    """Whether some text is a template that cannot be read."""
    return any(isinstance(_looked_at(text), TemplateProblem) for text in texts if is_template(text))


def titles_in(texts: Iterable[str]) -> frozenset[str]:
    """The columns that some texts ask for by their titles, as `row['Product Title']` or `row.title`."""
    found = (match for text in texts if is_template(text) for match in _OF_ROW.finditer(text))
    return frozenset(match["title"] or match["name"] for match in found)


@lru_cache(maxsize=512)
def _looked_at(text: str) -> Template | TemplateProblem:
    """The template, or what is wrong with it: that too is found once, and not for each row of a million."""
    try:
        return _compiled(text)
    except TemplateProblem as problem:
        return problem


def _compiled(text: str) -> Template:
    if len(text) > LONGEST_TEMPLATE:
        raise TemplateProblem(f"a template of more than {LONGEST_TEMPLATE:,} characters", "a model takes far less")
    if "\0" in text:
        raise TemplateProblem("a NUL in a template", "remove it")
    check_depth(text)
    try:
        tree = _ENVIRONMENT.parse(text)
        check_nodes(tree)
        if BESIDE.search(text):
            check_glued(_ENVIRONMENT.lex(text))
        names = names_asked(tree)
        if names:
            check_conditions(tree, text)
        words = quoted(tree)
        code = _ENVIRONMENT.compile(tree)
        made = jinja2.Template.from_code(_ENVIRONMENT, code, {})
        return Template(text, names, titles_of(tree), in_quotes(tree), words, *texts_compared(tree), made)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateProblem(f"the template cannot be read: {said(error)}", hint_for(text, error)) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise TemplateProblem("the template's parts stand too deep inside one another", "write it shorter") from None
    except (ValueError, OverflowError):
        raise TemplateProblem("a number in the template is too long", "quote it, to have it as text") from None


@lru_cache(maxsize=256)
def condition(text: str) -> Condition:
    """The condition in a text; raises `TemplateProblem`."""
    example = "as in  stock > 0  or  status == 'active'"
    if not text.strip():
        raise TemplateProblem("an empty condition", example)
    if "%}" in text or "{%" in text or "{{" in text:
        raise TemplateProblem("a condition is written without braces", example)
    try:
        template = compiled(f"{OPENING}{text} %}}1{{% endif %}}")
    except TemplateProblem as problem:
        is_unread = "cannot be read" in str(problem)
        hint = hint_for_condition(text) if is_unread else problem.hint
        raise _of_condition(TemplateProblem(moved(str(problem), -len(OPENING)), hint), text) from None
    if not template.names:
        raise TemplateProblem("the condition asks for no column, so it would be the same for every row", example)
    return Condition(text, template.names, asks_for_letters(_ENVIRONMENT.parse(template.text)), template)


def unknown_name(asking: Template | Condition, scope: Scope) -> TemplateProblem | None:
    """The first of the names asked for that a scope does not have, with the nearest that it has.

    Where a cell is compared with it, it was probably meant as a text.
    """
    for name in sorted(asking.names):
        if name not in scope:
            as_text = f"a text stands in quotes:  {asking.in_quotes[name]}\n" if name in asking.in_quotes else ""
            return TemplateProblem(f"{name!r} is undefined", as_text + did_you_mean(name, scope.names()))
    return None


def _of_condition(problem: TemplateProblem, text: str) -> TemplateProblem:
    hint = problem.hint
    if str(problem).startswith(unshown.SIGN):
        hint = unshown.remedy_for_condition(str(problem), text)
    elif str(problem).endswith("needs it"):
        name = unshown.asked_in(str(problem))
        hint = f"ask first:  {name} != '' and " + (f"({text})" if len(text) <= unshown.LONGEST else "…")
    message = str(problem).replace("the template", "the condition")
    message = message.replace("expected token '%}', got", "unexpected").replace("unexpected '%}'", "it ends too early")
    return TemplateProblem(message, hint, is_everywhere=problem.is_everywhere)


def _bounded(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces, as long as there are not too many; raises `TemplateProblem`."""
    length = 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST_OUTPUT:
            hint = "shorten a long cell:  {{ description | truncate(300) }}"
            raise TemplateProblem(f"the template comes to more than {LONGEST_OUTPUT:,} characters", hint)
        yield piece


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


__all__ = [
    "LONGEST_OUTPUT",
    "LONGEST_TEMPLATE",
    "Blank",
    "Cell",
    "Condition",
    "Measured",
    "Names",
    "Row",
    "Scope",
    "Template",
    "TemplateProblem",
    "cell",
    "compiled",
    "condition",
    "is_template",
    "unknown_name",
]
