"""What jobs are made from: a table's row, a line of JSON, an entry of the YAML list, a photo. All formats meet here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from runner.manifest.comparisons import Comparisons
from runner.manifest.diagnostics import Findings, Place, nearest
from runner.manifest.templates import (
    Condition,
    Scope,
    Template,
    TemplateProblem,
    are_broken,
    names_in,
    titles_in,
    unknown_name,
)
from runner.manifest.words import LONGEST_URL, PICTURE
from runner.model import counted

At = Callable[..., Place]
"""Where a field stands, or an item of it: `at("image_urls", 2)`. Unknown ones stand where their job begins."""
_TEMPLATE: Final = re.compile(r"\{\{(?:(?!\{\{).)*?\}\}", re.DOTALL)
COMMAS: Final = ",;\u3001\uff0c\uff1b"
"""What people put between two URLs beside white space; the last three are those of East Asian keyboards."""
_NEXT_URL: Final = re.compile(rf"\s+|[{COMMAS}]\s*(?=https?://)", re.IGNORECASE)
_APART: Final = re.compile(r"\s+\|\s+|\s*[\r\n]+\s*")
_SEPARATOR: Final = re.compile(rf"[|\s{COMMAS}]")
"""Without one of these a text holds one URL."""


Row = Mapping[str, str] | tuple[Sequence[str], Sequence[str]]
"""A source's own columns with their texts, or the columns and the texts side by side."""


class Item(Protocol):
    """One thing that a job, or several by a matrix, are made from."""

    @property
    def fields(self) -> dict[str, Any]:
        """`id`, `model` and the model's own fields, as they are written."""

    @property
    def source(self) -> str:
        """Where it stands, as `catalogue.csv:12`."""

    @property
    def at(self) -> At:
        """Where its fields stand."""

    @property
    def scope(self) -> Scope:
        """The names that templates may use."""

    @property
    def row(self) -> Row:
        """The source's own columns, carried through to the reports."""

    @property
    def id_at(self) -> str:
        """Where its id stands: a cell, `A3`, or line and column, `5:8`; empty where it has none."""

    @property
    def is_job(self) -> bool:
        """An entry under `jobs:`; it outweighs the matrix, where a row does not."""


@dataclass(slots=True)
class Entry:
    """An item of which all is known at once."""

    fields: dict[str, Any]
    source: str
    at: At
    scope: Scope
    row: Row = field(default_factory=dict)
    id_at: str = ""
    is_job: bool = False


def key_of(name: str) -> str:
    """A column's name without regard to case, width, spaces and punctuation; what a template calls it."""
    plain = name if name.isascii() else unicodedata.normalize("NFKC", name)  # a Mac may write é as two characters
    return _plain(plain)


def split_urls(text: str) -> list[str]:
    """Several URLs or paths in one text, by `|` or a line break.

    URLs also by white space, or by a comma or semicolon before the next scheme, as WooCommerce writes them. Nothing is
    split within `{{ … }}`. A text of URLs and something else stays whole, to be refused: `a b.jpg` in a URL would
    become a URL and a photo of this machine. Only where ` | ` or a line break stands between them both are meant.
    """
    if _SEPARATOR.search(text) is None:
        return [text] if text else []
    templates = iter(_TEMPLATE.findall(text) if "{{" in text else ())
    bare = _TEMPLATE.sub("\0", text) if "{{" in text else text
    found: list[str] = []
    for part in re.split(r"[|\r\n]+", bare):
        pieces = _NEXT_URL.split(part.strip()) if "://" in part else [part]
        found += [piece.strip().rstrip(COMMAS) for piece in pieces]
    found = [piece for piece in found if piece]
    if len({"://" in piece for piece in found if not piece.startswith(("data:", "\0"))}) > 1:
        several = [_filled_up(one.strip(), templates) for one in _APART.split(bare)]
        return [url for one in several for url in split_urls(one)] if len(several) > 1 else [text]
    return [_filled_up(piece, templates) for piece in found]


def _filled_up(text: str, templates: Iterator[str]) -> str:
    """A text with the templates at the places that were kept for them."""
    return re.sub("\0", lambda _: next(templates), text) if "\0" in text else text


def holds_picture(text: str) -> bool:
    """Whether a text is the URL of a picture, or of several."""
    return any(len(url) < LONGEST_URL and PICTURE.fullmatch(url) for url in split_urls(text.strip()))


def names_of(values: Iterable[str]) -> dict[str, int]:
    """What templates call each column, and its index; -1 for a name that two columns would have."""
    found: dict[str, int] = {}
    for index, value in enumerate(values):
        if name := key_of(value):
            found[name] = index if name not in found else -1
        if not value.isascii() and (name := as_written(value)) and name != key_of(value):
            found[name] = index if name not in found else -1
    return found


def as_written(name: str) -> str:
    """The same with the width of its letters: a template may call a column so too."""
    return _plain(unicodedata.normalize("NFC", name))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def typed(text: str, kind: Any) -> Any:
    """A cell's text as its field's JSON type; what does not fit stays text, and the model's rules say so."""
    if kind in ("integer", "number") and re.fullmatch(r"[-+]?[1-9]\d{0,2}\.\d{3}", text):
        return text  # 2.000 is two, or two thousand
    match kind:
        case "integer" if re.fullmatch(r"[-+]?\d{1,15}(\.0+)?", text):
            return int(float(text))
        case "number" if re.fullmatch(r"[-+]?\d{1,15}([.,]\d+)?", text) and not re.fullmatch(r".?\d{1,3},\d{3}", text):
            return float(text.replace(",", "."))
        case "boolean" if text.lower() in ("true", "false", "yes", "no", "1", "0"):
            return text.lower() in ("true", "yes", "1")
        case _:
            return text


class Sieve:
    """A source's condition: which items are wanted, and how many are not, which is told at the end."""

    def __init__(
        self, where: Condition | None, place: Place, label: str, findings: Findings, *, of: str = "product"
    ) -> None:
        """`of` is what a job is made of where it is made of several rows."""
        self._where = where
        self._compared = Comparisons(where.compared if where is not None else {})
        self._of = of
        self._place = place
        self._label = label
        self._findings = findings
        self._seen = self._left = self._torn = 0
        self._first_torn = ""

    def takes(self, item: Item, rows: Iterable[Scope] = ()) -> bool:
        """Whether the condition holds for an item; of one that is made of several rows, for one of them."""
        if self._where is None:
            return True
        self._seen += 1
        scopes = list(rows) or [getattr(item, "condition_scope", item.scope)]
        verdicts = [self._holds(self._where, scope, item.source) for scope in scopes]
        if any(verdicts):
            self._torn += not all(verdicts)
            self._first_torn = self._first_torn or ("" if all(verdicts) else item.source)
            return True
        self._left += 1
        return False

    def _holds(self, where: Condition, scope: Scope, source: str) -> bool:
        """Whether the condition holds for some names; where it cannot be judged the findings say so."""
        try:
            if problem := unknown_name(where, scope):
                raise problem
            is_wanted = where.holds(scope)
        except TemplateProblem as problem:
            suffix = "" if " is undefined" in str(problem) else f" (for {source})"
            self._findings.error("where", self._place, f"where: {problem}{suffix}", problem.hint)
            return False
        self._compared.look(scope, source)
        return is_wanted

    def tell(self) -> None:
        """Say how many were left out, also where none was, and how many were taken for some of their rows alone."""
        if self._torn:
            message = f"where is true of some rows and false of others of {counted(self._torn, self._of)}"
            message += f": the first is {self._first_torn}"
            hint = "a product is one job, and taken where one of its rows is wanted;  per: image  asks each picture's"
            if self._of == "picture":
                hint = "a picture is one job, and taken where one of the variants that show it is wanted"
            self._findings.warn("where", self._place, message, hint)
        if self._where is None or self._findings.has_errors:  # a condition that cannot be judged takes nothing
            return
        capitals = "" if self._compared.capitals is None else "; ".join(self._compared.capitals)
        for message, hint in self._compared.mistyped() if not capitals else ():
            self._findings.warn("where", self._place, f"where: {message}", hint)
        if self._left:
            message = f"where leaves out {self._left:,} of {self._seen:,} jobs of {self._label}"
            hint = f"they do not fulfil  {self._where.text}\n{capitals}".rstrip()
            self._findings.note("where", self._place, message, hint)
        elif self._seen and not self._torn:
            message = f"where leaves out none of {counted(self._seen, 'job')} of {self._label}"
            hint = f"all fulfil  {self._where.text}"
            if capitals:
                hint += f"\n{capitals}"
            elif self._where.asks_for_letters:
                hint += "\ncapitals count; without them ask as in  status | lower == 'active'"
            self._findings.note("where", self._place, message, hint)


def is_filled_in(title: str, value: Any, known: Container[str] = ()) -> bool:
    """Whether a default is a template with a place for a column: that is filled in, and replaces nothing.

    In `prompt: "{{ prompt }} Keep the label."` the column is a part of what is sent. So it is meant where the name is
    mistyped, but for one of the names that are `known`, and where the template cannot be read: then that is told.
    """
    texts = list(texts_in(value))
    if are_broken(texts):
        return True
    asked = [key_of(name) for name in names_in(texts) | titles_in(texts)]
    return (
        key_of(title) in asked or nearest(key_of(title), [name for name in asked if name not in known], 0.8) is not None
    )


def columns_in(asking: Iterable[Template | Condition]) -> frozenset[str]:
    """The columns that templates and conditions ask for, by their names there or by their titles.

    `row` is among them where only a row can tell which column that is.
    """
    names: set[str] = set()
    for one in asking:
        names |= one.names if one.titles is None else (one.names - {"row"}).union(map(key_of, one.titles))
    return frozenset(names)


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_in(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from texts_in(item)
