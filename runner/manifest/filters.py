"""What a template may do with texts, numbers and lists: Jinja's own filters in name and use, each of them paid for.

Every filter is paid for out of one allowance, before its result is made where that could be large. Lists are flat and
texts are no lists, so that nothing unfolds and `join` does not spell a word. Where Jinja would take a guess
(`'n/a' | int` is 0) they raise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import jinja2
from jinja2.filters import do_title
from jinja2.runtime import Context
from jinja2.utils import pass_context

from runner.manifest.amounts import LONGEST
from runner.manifest.cells import Doubtful, Pointed, TemplateProblem, Torn, like, seen
from runner.manifest.values import listed, number_of, shown, size_of, whole_of

ALLOWANCE: Final = 4_000_000
"""Characters that one rendering may handle, all steps together; a cell has at most a quarter of that."""
TURN: Final = 400
"""What a turn of a loop costs beside the parts of its body."""
MOST_STRIPPED: Final = 100
POINTED: Final = re.compile(r"(?<![\d.])[1-9]\d{0,2}\.\d{3}(?![\d.])")
"""A point that may stand between thousands."""
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


# ----------------------------------------------------------------------------------------------------------- filters


def replace(context: Counted, text: str, old: Any, new: Any, count: int = -1) -> str:
    """The text with some of it otherwise; paid for before it is made."""
    old, new = shown(old), shown(new)
    if new in (".", "") and old in (".", ",") and not isinstance(text, Torn):
        text = _doubted(text, old, new)
    found = text.count(old)
    context.spend((found if count < 0 else min(found, count)) * len(new))
    return like(text, text.replace(old, new, count))


def _doubted(text: str, old: str, new: str) -> str:
    """A text that says what is doubtful in the number that is made of it, where something is."""
    if new and old == "," and "," not in text and POINTED.search(text):
        return Pointed(text)
    number = re.search(rf"\d+(?:{re.escape(old)}\d+)+", text) if not new and len(text) <= LONGEST else None
    if number is None:
        return text
    first, *between, last = number[0].split(old)
    may_be_grouped = len(first) <= 3 and first[0] != "0" and all(len(part) == 3 for part in between)
    has_fraction = len(last) != 3 if may_be_grouped else not between  # 2026.11.27 has none
    return Torn(text) if has_fraction else text


def _truncate(text: str, length: int = 255, killwords: Any = False, end: str = "...", leeway: int = 5) -> str:
    if length < len(end):
        raise TemplateProblem(f"truncate({length}) leaves no room for {end[:40]!r}", "truncate(200, end='')")
    if len(text) <= length + leeway:
        return text
    cut = text[: length - len(end)]
    return (cut if killwords else cut.rsplit(" ", 1)[0]) + end


BLOCKS: Final = frozenset(
    (
        *("p", "div", "br", "hr", "ul", "ol", "li", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "pre"),
        *("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "blockquote", "section", "article"),
        *("header", "footer", "main", "nav", "aside", "figure", "figcaption", "address", "details", "summary"),
        *("form", "fieldset", "option", "style", "script"),
    )
)
"""Tags that set apart what is before and behind them; any other may stand in a word."""
UNSHOWN: Final = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("style", "script")}
"""Elements whose text nobody sees, each with what ends it."""
OPENING: Final = re.compile(r"<(?=[A-Za-z/!?])")
"""Where a tag begins; any other such sign is less than something."""
TAG: Final = re.compile(r"</?([A-Za-z][A-Za-z0-9]*)")


def _striptags(text: str) -> str:
    """The text that a browser shows: without tags, comments, styles and scripts, entities resolved, white space single.

    In one pass.
    """
    from html import unescape

    pieces, at, unended = [], 0, dict(UNSHOWN)
    ends = {"<!--": text.rfind("-->"), "<": text.rfind(">")}
    while found := OPENING.search(text, at):
        start = found.start()
        opening = "<!--" if text.startswith("<!--", start) and start < ends["<!--"] else "<"
        if start >= ends[opening]:
            break
        pieces.append(text[at:start])
        closing = "-->" if opening == "<!--" else ">"
        at = text.index(closing, start) + len(closing)
        tag = TAG.match(text, start)
        name = tag[1].lower() if tag is not None else ""
        if name in BLOCKS:
            pieces.append(" ")
        if name in unended:
            end = unended[name].search(text, at)
            at = end.start() if end is not None else at
            if end is None:
                del unended[name]  # it is looked for once
    return " ".join(unescape("".join([*pieces, text[at:]])).split())


def trim(text: str, chars: str | None = None) -> str:
    """The text without what stands at its ends."""
    if chars is not None and len(chars) > MOST_STRIPPED:
        raise TemplateProblem(f"more than {MOST_STRIPPED} characters to strip", "name fewer")
    return text.strip(chars)


def _int(value: Any, default: Any = None) -> Any:
    return _read(value, default, lambda given: int(whole_of(given)))


def _float(value: Any, default: Any = None) -> Any:
    return _read(value, default, lambda given: float(number_of(given)))


def _read(value: Any, default: Any, read: Callable[[Any], Any]) -> Any:
    try:
        return read(value)
    except Doubtful:
        raise
    except (TemplateProblem, jinja2.UndefinedError):
        if default is None:
            raise
        return default


def _round(value: Any, precision: int = 0, method: str = "common") -> float:
    number = number_of(value) if precision > 0 else whole_of(value)
    if method not in ("common", "ceil", "floor") or not -15 <= precision <= 15:
        raise TemplateProblem("round takes up to 15 digits, and common, ceil or floor", "round(2)")
    if method == "common":
        return round(float(number), precision)
    factor = 10.0**precision
    return float(getattr(math, method)(number * factor) / factor)


def join(context: Counted, values: Iterable[Any], separator: Any = "") -> str:
    """The values as one text; paid for before it is made."""
    texts, between = [], shown(separator)
    for value in values:
        texts.append(shown(value))
        context.spend(len(texts[-1]) + len(between))
    return between.join(texts)


def _sort(values: Sequence[Any], reverse: Any = False) -> list[Any]:
    are_numbers = all(isinstance(value, (int, float)) for value in values)
    return sorted(
        values, key=None if are_numbers else lambda value: seen(shown(value)).casefold(), reverse=bool(reverse)
    )


def _unique(values: Sequence[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(seen(shown(value)).casefold(), value)
    return list(found.values())


def _end(values: Any, index: int) -> Any:
    found = values if isinstance(values, str) else listed(values)
    if not found:
        raise TemplateProblem("an empty list has no first or last", "ask first, as in {% if tags %}…{% endif %}")
    return found[index]


def _length(value: Any) -> int:
    return len(value) if isinstance(value, (str, Mapping, jinja2.Undefined)) else len(listed(value))


def _default(value: Any, default: Any = "", is_for_all: Any = False) -> Any:
    return default if isinstance(value, jinja2.Undefined) or (is_for_all and not value) else value


_TEXTS: Final[dict[str, Callable[..., Any]]] = {
    "capitalize": str.capitalize,
    "lower": str.lower,
    "string": str,
    "striptags": _striptags,
    "title": do_title,
    "trim": trim,
    "truncate": _truncate,
    "upper": str.upper,
    "urlencode": lambda text: quote(text, safe="/"),
    "wordcount": lambda text: len(re.findall(r"\w+", text)),
}
_LISTS: Final[dict[str, Callable[..., Any]]] = {"list": list, "sort": _sort, "unique": _unique}
_ANY: Final[dict[str, Callable[..., Any]]] = {
    "abs": lambda value: abs(number_of(value)),
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
        context.spend(size_of(given))
        result = work(given, *args, **options)
        context.spend(size_of(result))
        return like(given, result) if type(result) is str else result

    return counted


@pass_context
def _replaced(context: Counted, value: Any, old: Any, new: Any, count: int = -1) -> str:
    text = shown(value)
    context.spend(len(text))
    return replace(context, text, old, new, count)


@pass_context
def _joined(context: Counted, values: Any, d: Any = "") -> str:
    return join(context, listed(values), d)


@pass_context
def each(context: Counted, values: Any, parts: int) -> Iterator[Any]:
    """The turns of a loop whose body has so many parts."""
    for value in listed(values):
        context.spend(TURN + 100 * parts)
        yield value


FILTERS: Final = {
    **{name: _filter(work, shown) for name, work in _TEXTS.items()},
    **{name: _filter(work, listed) for name, work in _LISTS.items()},
    **{name: _filter(work) for name, work in _ANY.items()},
    "replace": _replaced,
    "join": _joined,
}


def _test_of_text(test: Callable[[str], bool]) -> Callable[[Any], bool]:
    return lambda value: test(shown(value))


TESTS: Final[dict[str, Callable[..., bool]]] = {
    "defined": lambda value: not isinstance(value, jinja2.Undefined),
    "divisibleby": lambda value, by: number_of(value) % number_of(by) == 0,
    "even": lambda value: number_of(value) % 2 == 0,
    "in": lambda value, values: value in values,
    "lower": _test_of_text(str.islower),
    "odd": lambda value: number_of(value) % 2 == 1,
    "undefined": lambda value: isinstance(value, jinja2.Undefined),
    "upper": _test_of_text(str.isupper),
}
