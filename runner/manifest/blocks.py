"""Rows that need no closer look, hundreds at a time.

Most sheets are plain: ASCII, an id in each row, one whole URL in a cell, a template of nothing but names. What `jobs`
and `checks` would find out about each of their rows, one look at a whole column shows. Where anything in a block asks
for more, nothing is made of it here, and its rows are gone through one by one: a block comes to just what its rows come
to, and has nothing to tell.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Final

from runner.manifest.called import highest_called
from runner.manifest.columns import Columns
from runner.manifest.damage import NOTHING
from runner.manifest.given import Given, Source
from runner.manifest.pictures import are_urls
from runner.manifest.rows import Table
from runner.manifest.sizes import is_made_a_date
from runner.manifest.spoilt import LONGEST_VALUE, hint_for_nothing
from runner.manifest.spool import Record
from runner.manifest.tables import Cells, column_name
from runner.manifest.templates import TemplateProblem, compiled, is_template
from runner.model import COUNTS, InputRules, canonical, digest_of
from runner.rules.names import are_plain

ROWS: Final = 250
"""Rows in a block, at most."""
LARGEST: Final = 1 << 20
"""Characters in a block, but for its last row: cells may be long."""
ODD: Final = re.compile(r"[^ -\"$-;=-\[\]-~\0]")
"""In what is sent: all but visible ASCII, and of that the backslash, `<` and `#`."""
MARKS: Final = ("{{", "{%", "Err:", "E+")
"""In what is sent: a template, what a spreadsheet makes of a cell."""
ODD_PROMPT: Final = re.compile(r"\0[ '=]")
"""In prompts with a NUL before each: a beginning that is worth a word."""
PROMPT_MARKS: Final = ("?", "{", "[", "%", "$", "_x000")
ODD_FILLING: Final = re.compile(r"\0\s*(?=[\0=])")
"""In cells that are filled in, with a NUL before and behind each: one that is empty, or a formula."""
PLACEHOLDER: Final = "what is filled in"
NAME: Final = re.compile(r"\{\{\s*([a-z_][a-z0-9_]*)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Block:
    """What some rows of a table have come to."""

    table: Table
    model: str
    records: Sequence[Record]


def batches(rows: Iterable[Cells]) -> Iterator[list[Cells]]:
    """The rows, some at a time."""
    batch: list[Cells] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(map(len, row[2]))
        if len(batch) == ROWS or size > LARGEST:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Blocks:
    """Makes blocks of the rows of one table."""

    def __init__(
        self,
        table: Table,
        columns: Columns,
        rules: InputRules,
        model: str,
        rest: Mapping[str, Any],
        pieces: Sequence[str | int],
        naming: int | None,
    ) -> None:
        self._table = table
        self._rules = rules
        self._model = model
        self._rest = rest
        self._pieces = pieces
        self._filled = sorted({piece for piece in pieces if isinstance(piece, int)})
        self._of_sizes = [index for index in self._filled if table.may_hold_sizes(index)]
        self._readers = [reader for reader in columns.readers if reader[0] != "id"]
        self._id_at = naming if naming is not None else columns.first.get("id")
        self._letters = "" if self._id_at is None else column_name(self._id_at)
        used = {index for _, indexes, _ in columns.readers for index in indexes}
        guards = {"prompt", *rules.url_fields}.intersection(columns.of)
        self._may_be_blank = self._id_at is None and not self._filled and not guards
        self._used = sorted({*used, *self._filled, *([] if self._id_at is None else [self._id_at])})

    @classmethod
    def of(
        cls,
        source: Source,
        table: Table,
        columns: Columns,
        rules: InputRules | None,
        given: Given,
        naming: int | None,
    ) -> Blocks | None:
        """`None` where the rows are to be looked at one by one, whatever they hold."""
        if rules is None or given.rest is None or source.format == "xlsx" or table.nameless or columns.ticked:
            return None
        rest = {name: value for name, value in given.rest.items() if name != "model"}
        if "id" in rest or not COUNTS.isdisjoint({*rest, *columns.of}):
            return None
        pieces: Sequence[str | int] = ()
        if "prompt" not in columns.of and is_template(prompt := str(rest.get("prompt"))):
            pieces = _pieces(prompt, table, {*rest, *columns.of})
            rest["prompt"] = PLACEHOLDER
            if not pieces:
                return None
        are_read = all(_is_read_alike(name, indexes, columns, rules) for name, indexes in columns.of.items())
        are_sent = all(_is_sent_alike(name, value, rules) for name, value in rest.items())
        return cls(table, columns, rules, given.model, rest, pieces, naming) if are_read and are_sent else None

    def block(self, rows: Sequence[Cells]) -> Block | None:
        """What the rows come to; `None` where one of them asks for a closer look."""
        lines, numbers, texts = zip(*rows, strict=True)
        columns = list(zip(*texts, strict=True))
        if _is_odd("\0".join(chain.from_iterable(columns[index] for index in self._used))):
            return None
        if self._may_be_blank and not all(map(str.strip, map("".join, texts))):
            return None
        ids = None if self._id_at is None else [text.strip() for text in columns[self._id_at]]
        if ids is not None and not are_plain(ids):
            return None
        inputs = self._inputs(texts, columns)
        if inputs is None or not self._rules.fit(inputs):
            return None
        digests = [digest_of(self._model, canonical(one)) for one in inputs]
        titles, label, model, letters = self._table.titles, self._table.label, self._model, self._letters
        records: list[Record] = [
            (job_id, model, one, digest, (titles, cells), f"{label}:{line}", "", (), {}, f"{letters}{number}", number)
            for job_id, one, digest, cells, line, number in zip(
                ids or [digest[:12] for digest in digests], inputs, digests, texts, lines, numbers, strict=True
            )
        ]
        if ids is None:
            records = [(*record[:-2], "", record[-1]) for record in records]
        return Block(self._table, model, records)

    def _inputs(self, texts: Sequence[Sequence[str]], columns: Sequence[Sequence[str]]) -> list[dict[str, Any]] | None:
        """What is sent of each row."""
        fields: dict[str, Sequence[Any]] = {}
        for name, indexes, read in self._readers:
            column = columns[indexes[0]]
            if name == "prompt":
                fields[name] = column
            elif name in self._rules.url_fields:
                fields[name] = [[text.strip()] for text in column]  # one URL each, or they do not fit
            else:
                fields[name] = list(map(read, texts))
        if self._pieces:
            fields["prompt"] = self._filled_in(columns)
        if not fields:
            return None
        if "prompt" in fields and not _are_prompts(fields["prompt"], is_filled_in=bool(self._pieces)):
            return None
        rows = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
        if any(None in values for values in fields.values()):
            rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
        return [{**self._rest, **row} for row in rows] if self._rest else rows

    def _filled_in(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """The template of each row; blank where a cell of it is empty, a formula, or a date for a size."""
        if any(ODD_FILLING.search(_joined(columns[index])) for index in self._filled):
            return [""] * len(columns[0])
        if any(is_made_a_date(text) for index in self._of_sizes for text in columns[index]):
            return [""] * len(columns[0])
        pieces = (columns[piece] if isinstance(piece, int) else repeat(piece) for piece in self._pieces)
        return list(map("".join, zip(*pieces, strict=False)))


def _pieces(template: str, table: Table, fields: Container[str]) -> Sequence[str | int]:
    """The texts of a template, and the columns between them; none where it is more than that.

    A name that is a field's stands for what is sent, whoever gives it.
    """
    parts = NAME.split(template)
    try:
        is_plain = compiled(template).names == set(parts[1::2])
    except TemplateProblem:
        is_plain = False
    if not is_plain:  # a word of the template language's, such as none
        return ()
    indexes = [table.names.get(name, -1) if name not in fields else -1 for name in parts[1::2]]
    if -1 in indexes or any(map(_is_odd, parts[::2])):
        return ()
    return [*chain.from_iterable(zip(parts[::2], indexes, strict=False)), parts[-1]]


def _is_read_alike(name: str, indexes: Sequence[int], columns: Columns, rules: InputRules) -> bool:
    """Whether a field's cells are read alike whatever they hold: one text or number in each, or one URL."""
    is_list = rules.fields.get(name, {}).get("type") == "array"
    if name in rules.url_fields:
        return is_list and len(indexes) == 1 and not columns.skipped
    return name != "model" and not is_list


def _is_sent_alike(name: str, value: Any, rules: InputRules) -> bool:
    """Whether what all rows have is sent as it stands, and nothing is to be told of it."""
    kind = rules.fields.get(name, {}).get("type")
    if name in rules.url_fields:
        return kind == "array" and are_urls(value) and not _is_odd("\0".join(value))
    if isinstance(value, str):
        is_plain_text = kind != "array" and not _is_odd(value)
        return is_plain_text and (name != "prompt" or _are_prompts([value], is_filled_in=False))
    return isinstance(value, int) or (isinstance(value, float) and kind == "number")


def _are_prompts(texts: Sequence[str], *, is_filled_in: bool) -> bool:
    """Whether nothing is to be told of any of them."""
    joined = _joined(texts)
    if ODD_PROMPT.search(joined) or any(mark in joined for mark in PROMPT_MARKS) or highest_called(joined) > 1:
        return False
    if any(map(_says_nothing, texts)):
        return False
    return not is_filled_in or not (_is_odd(joined) or NOTHING.search(joined))


def _says_nothing(prompt: str) -> bool:
    """Whether a prompt is too little to say anything, or another column's value."""
    text = prompt.strip()
    if len(text) > LONGEST_VALUE:
        return text[:4].lower() == "http" and hint_for_nothing(text) is not None
    return not any(map(str.isalnum, text)) or hint_for_nothing(text) is not None


def _is_odd(text: str) -> bool:
    """Whether there is anything in it that may have to be told, or filled in."""
    is_markup = "&" in text and ";" in text
    return is_markup or ODD.search(text) is not None or any(mark in text for mark in MARKS)


def _joined(texts: Sequence[str]) -> str:
    return "\0".join(("", *texts, ""))
