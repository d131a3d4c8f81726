"""From a table's rows to items: which rows are wanted, what they hold, and which column names them.

By which rule it does stands in `naming`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from itertools import chain, islice

from runner.manifest.blocks import Block, Blocks, batches
from runner.manifest.columns import Columns
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.given import Given, Source
from runner.manifest.header import LOOKED_AT, first_texts
from runner.manifest.items import Item, Sieve, holds_picture, key_of
from runner.manifest.naming import Unnamed, naming_key
from runner.manifest.products import products
from runner.manifest.rows import RowItem, Table
from runner.manifest.spoilt import FILE, look_at_prompt, refuse_spoilt
from runner.manifest.tables import Cells, Sheet, cell_name, column_name
from runner.manifest.templates import TemplateProblem
from runner.model import RulesOf

Reopen = Callable[[], AbstractContextManager[Sheet | None]]
"""Opens the table anew, from its first row."""


def items(
    source: Source, sheet: Sheet, label: str, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
) -> Iterator[Item | Block]:
    """The items of an open table, or blocks of them; what is wrong with it goes to the findings."""
    table = Table(sheet, label, is_book=source.format == "xlsx")
    if source.preset is not None:
        yield from products(source, source.preset, table, sheet, rules_of, given, findings)
    else:
        yield from _rows(source, table, sheet, rules_of, given, findings, reopen)


def _rows(
    source: Source, table: Table, sheet: Sheet, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
) -> Iterator[Item | Block]:
    first = list(islice(sheet.rows, LOOKED_AT))
    reader = _RowReader(source, table, rules_of, given, findings, reopen, first)
    every: Iterable[Cells] = chain(first, sheet.rows)
    if source.where is not None:
        every = reader.wanted(every)
    if reader.blocks is None:
        yield from reader.items(every)
    else:
        for rows in batches(every):
            block = reader.blocks.block(rows)
            yield from reader.items(rows) if block is None else (block,)
    reader.sieve.tell()


class _RowReader:
    """Makes the items of a table's rows."""

    def __init__(
        self,
        source: Source,
        table: Table,
        rules_of: RulesOf,
        given: Given,
        findings: Findings,
        reopen: Reopen,
        first: Sequence[Cells],
    ) -> None:
        self._table = table
        self._findings = findings
        self._model = given.model
        self._model_at = _model_column(source, table.header, given)
        self._is_book = source.format == "xlsx"
        self._nameless = table.nameless
        filled = [row[2] for row in first if any(map(str.strip, row[2])) and self._is_wanted(source, row)]
        texts = first_texts(filled)
        half = {i for i in range(len(table.header)) if not all(cells[i].strip() for cells in filled)}

        @cache
        def reading(model: str) -> Columns:
            return Columns(source, table.header, rules_of(model), given, findings, texts, half)

        self._reading = reading
        self._columns = reading(given.model) if self._model_at is None else None
        has_ids = _has_ids(source, table) or "id" in given.fields
        self._naming = None if has_ids else _naming_column(table, reopen, findings)
        self.sieve = Sieve(source.where, source.place("where"), table.label, findings)
        self.blocks: Blocks | None = None
        if self._columns is not None:
            self.blocks = Blocks.of(source, table, self._columns, rules_of(given.model), given, self._naming)

    def _is_wanted(self, source: Source, row: Cells) -> bool:
        """Whether a row is taken, as far as that can be told; what is wrong with the condition is told elsewhere."""
        try:
            return source.where is None or source.where.holds(RowItem(self._table, *row).condition_scope)
        except TemplateProblem:
            return True

    def wanted(self, rows: Iterable[Cells]) -> Iterator[Cells]:
        """The rows that the condition takes."""
        for row in rows:
            line, number, cells = row
            if any(map(str.strip, cells)) and self.sieve.takes(RowItem(self._table, line, number, cells)):
                yield row

    def items(self, rows: Iterable[Cells]) -> Iterator[Item]:
        """The items of rows, one by one."""
        table, findings, label = self._table, self._findings, self._table.label
        columns, model_at, naming = self._columns, self._model_at, self._naming
        named_at: dict[str, int] = {} if naming is None else {"id": naming}
        letters = "" if naming is None else column_name(naming)
        for line, number, cells in rows:
            text = "".join(cells)
            if not text or text.isspace():
                continue
            if self._nameless and any(cells[index].strip() for index in self._nameless):
                _tell_nameless(cells, self._nameless, line, number, label, findings)
                self._nameless = []
            item = RowItem(table, line, number, cells)
            if model_at is not None or columns is None:
                columns = self._reading((cells[model_at].strip() if model_at is not None else "") or self._model)
            fields = item.fields
            for name, _, read in columns.readers:
                value = read(cells)
                if value is not None:
                    fields[name] = value
            if naming is not None:
                fields["id"] = cells[naming].strip()
            if columns.ticked:
                _tell_ticked(columns, cells, table, line, number, findings)
            if self._is_book or "#" in text or "Err:" in text:
                used = [index for _, indexes, _ in columns.readers for index in indexes]
                used += [] if naming is None else [naming]
                refuse_spoilt(cells, used, line, number, label, findings)
            item.first = {**columns.first, **named_at} if named_at else columns.first
            item.id_letters = columns.id_letters or letters
            item.read_from = columns.of
            if "prompt" in fields:
                look_at_prompt(item, findings)
            yield item


def _tell_ticked(
    columns: Columns, cells: Sequence[str], table: Table, line: int, number: int, findings: Findings
) -> None:
    """A column that ticks off in the first rows may hold pictures in others."""
    for index in [index for index in columns.ticked if holds_picture(cells[index]) or FILE.fullmatch(cells[index])]:
        message = (
            f"the column {table.header[index]!r} ticks off in its first rows, and holds pictures here that are not sent"
        )
        place = Place(line=line, cell=cell_name(index, number), file=table.label)
        findings.warn("unused-column", place, message, f"to send them as well:  {columns.ticked.pop(index)}")


def _tell_nameless(
    cells: Sequence[str], indexes: Sequence[int], line: int, number: int, label: str, findings: Findings
) -> None:
    """A column whose name was lost may be one that was to be sent."""
    index = next(index for index in indexes if cells[index].strip())
    place = Place(line=line, cell=cell_name(index, number), file=label)
    message = f"column {column_name(index)} has no name: what stands in it is neither sent nor kept"
    findings.warn("unused-column", place, message, "name it in the first row, or empty it")


def _model_column(source: Source, header: Sequence[str], given: Given) -> int | None:
    """The column that names each row's model: another model has other fields."""
    if source.is_alone and "model" in given.fields:
        return None
    named = source.columns.get("model", ("model",))
    keys = {key_of(name) for name in named}
    exact = (index for index, title in enumerate(header) if title in named)
    return next(exact, next((index for index, title in enumerate(header) if key_of(title) in keys), None))


def _has_ids(source: Source, table: Table) -> bool:
    return "id" in source.columns or "id" in [key_of(name) for name in table.header]


def _naming_column(table: Table, reopen: Reopen, findings: Findings) -> int | None:
    """The first column that names every row."""
    index_of: dict[str, int] = {}
    for index, title in enumerate(table.header):
        index_of.setdefault(key_of(title), index)
    rows = Unnamed(
        titles={key: table.header[index] for key, index in index_of.items()},
        texts=lambda key: _filled(index_of[key], reopen),
        first=Place(line=1, file=table.label),
        remedies=("name a column id", "name the column that does as id"),
    )
    key = naming_key(rows, findings)
    return None if key is None else index_of[key]


def _filled(index: int, reopen: Reopen) -> Iterator[tuple[int, str]]:
    """Each row that holds anything: its line, and its text in a column."""
    with reopen() as sheet:
        for line, _, cells in sheet.rows if sheet else ():
            text = cells[index].strip()
            if text or "".join(cells).strip():
                yield line, text
