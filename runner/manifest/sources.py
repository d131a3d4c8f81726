"""From a table's rows to items: which rows are wanted, what they hold, and what names them.

A row is named by the user's id; without one by a column `sku`, `handle` or `custom_id` that is unique in the sheet, and
else by the request itself. Never by its number: sorting a sheet would pay twice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from runner.manifest.blocks import Block, Blocks, batches
from runner.manifest.columns import Columns, Given, Source
from runner.manifest.damage import PLACEHOLDERS
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.formats import AS_TEXT, Formatted
from runner.manifest.gaps import Gapped
from runner.manifest.items import Entry, Item, Sieve, key_of, split_urls
from runner.manifest.presets import Group, Picture, groups
from runner.manifest.rows import ALIKE, RowItem, RowScope, Table
from runner.manifest.tables import FORMULA, MENDED, SPOILT, Cells, Sheet, cell_name, column_name, what_spoilt
from runner.manifest.templates import Condition
from runner.manifest.words import NAMING
from runner.model import InputRules

RulesOf = Callable[[str], InputRules | None]
"""What a model accepts; `None` where only the service knows."""
Reopen = Callable[[], AbstractContextManager[Sheet | None]]
"""Opens the table anew, from its first row."""


def items(
    source: Source, sheet: Sheet, label: str, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
) -> Iterator[Item | Block]:
    """The items of an open table, or blocks of them; what is wrong with it goes to the findings."""
    table = Table(sheet, label, is_book=source.format == "xlsx")
    if source.preset is not None:
        yield from _products(source, table, sheet, rules_of, given, findings)
    else:
        yield from _rows(source, table, sheet, rules_of, given, findings, reopen)


# -------------------------------------------------------------------------------------------------------------- rows


def _rows(
    source: Source, table: Table, sheet: Sheet, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
) -> Iterator[Item | Block]:
    reader = _RowReader(source, table, rules_of, given, findings, reopen)
    if reader.blocks is None:
        yield from reader.items(sheet.rows)
    else:
        for rows in batches(sheet.rows):
            block = reader.blocks.block(rows)
            yield from reader.items(rows) if block is None else (block,)
    reader.sieve.tell()


class _RowReader:
    """Makes the items of a table's rows."""

    def __init__(
        self, source: Source, table: Table, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
    ) -> None:
        self._table = table
        self._findings = findings
        self._model = given.model
        self._model_at = _model_column(source, table.header, given)
        self._is_book = source.format == "xlsx"
        self._nameless = table.nameless

        @cache
        def reading(model: str) -> Columns:
            return Columns(source, table.header, rules_of(model), given, findings)

        self._reading = reading
        self._columns = reading(given.model) if self._model_at is None else None
        has_ids = _has_ids(source, table) or "id" in given.fields
        self._naming = None if has_ids else _naming_column(table, reopen, findings)
        self.sieve = Sieve(source.where, source.place("where"), table.label, findings)
        self.blocks: Blocks | None = None
        if self._columns is not None:
            self.blocks = Blocks.of(source, table, self._columns, rules_of(given.model), given, self._naming)

    def items(self, rows: Iterable[Cells]) -> Iterator[Item]:
        """The rows that are wanted, one by one."""
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
            if not self.sieve.takes(item):
                continue
            if model_at is not None or columns is None:
                columns = self._reading((cells[model_at].strip() if model_at is not None else "") or self._model)
            fields = item.fields
            for name, _, read in columns.readers:
                value = read(cells)
                if value is not None:
                    fields[name] = value
            if naming is not None:
                fields["id"] = cells[naming].strip()
            if self._is_book or "#" in text or "Err:" in text:
                used = [index for _, indexes, _ in columns.readers for index in indexes]
                used += [] if naming is None else [naming]
                _refuse_spoilt(cells, used, line, number, label, findings)
                _refuse_formatted(cells, used, line, number, label, findings)
            item.first = {**columns.first, **named_at} if named_at else columns.first
            item.id_letters = columns.id_letters or letters
            prompt = fields.get("prompt")
            if prompt is not None and (len(prompt) < 6 or prompt[0] in " '="):
                _look_at_prompt(item, findings)
            yield item


def _tell_nameless(
    cells: Sequence[str], indexes: Sequence[int], line: int, number: int, label: str, findings: Findings
) -> None:
    """A column whose name was lost may be one that was to be sent."""
    index = next(index for index in indexes if cells[index].strip())
    place = Place(line=line, cell=cell_name(index, number), file=label)
    message = f"column {column_name(index)} has no name: what stands in it is neither sent nor kept"
    findings.warn("unused-column", place, message, "name it in the first row, or empty it")


def _refuse_spoilt(
    cells: Sequence[str], indexes: Iterable[int], line: int, number: int, label: str, findings: Findings
) -> None:
    for index in indexes:
        text = cells[index].strip()
        if SPOILT.fullmatch(text):
            place = Place(line=line, cell=cell_name(index, number), file=label)
            findings.error("spoilt-cell", place, what_spoilt(text), MENDED)


def _refuse_formatted(
    cells: Sequence[str], indexes: Iterable[int], line: int, number: int, label: str, findings: Findings
) -> None:
    """What is seen of a number is not what would be sent."""
    for index in indexes:
        if isinstance(text := cells[index], Formatted):
            place = Place(line=line, cell=cell_name(index, number), file=label)
            findings.error("formatted-cell", place, text.told, AS_TEXT)


def _look_at_prompt(item: Item, findings: Findings) -> None:
    """What is sent as it stands, but was hardly meant so."""
    prompt = item.fields.get("prompt")
    if not isinstance(prompt, str):
        return
    if prompt.strip().lower() in PLACEHOLDERS:
        message = f"the prompt that is sent is {prompt!r}"
        findings.warn("placeholder", item.at("prompt"), message, "empty the cell where the default is meant")
    elif prompt.lstrip(" ")[:1] == '"':
        hint = "a quote begins a cell only right behind the delimiter: remove the space before it"
        findings.warn("space-before-quote", item.at("prompt"), f"the quotes are sent: {prompt[:40]!r}", hint)
    elif FORMULA.match(prompt):
        findings.error("spoilt-cell", item.at("prompt"), what_spoilt(prompt), "save the sheet with its values")
    elif prompt[:1] == "'" and prompt.count("'") == 1:
        message = f"the apostrophe at the beginning is sent: {prompt[:40]!r}"
        hint = "a spreadsheet writes it before what is no number, and hides it: take it away"
        findings.warn("odd-text", item.at("prompt"), message, hint)


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
    """The first column that names every row, each by another name; of those that do not it is said why."""
    keys = [key_of(name) for name in table.header]
    unfit: list[tuple[int, str, int]] = []
    found = None
    for index in (keys.index(key) for key in NAMING if key in keys):
        if (why := _unnamed(index, reopen)) is None:
            found = index
            break
        unfit.append((index, *why))
    for column, reason, line in unfit:
        told = "jobs are known by their requests, and an edited row is a new job"
        if found is not None:
            told = f"jobs are named by {table.header[found]!r}"
        place = Place(line=line, file=table.label)
        hint = "give each row a name of its own, or name the column that does as id"
        findings.warn("unnamed-rows", place, f"{table.header[column]!r} {reason}: {told}", hint)
    return found


def _unnamed(index: int, reopen: Reopen) -> tuple[str, int] | None:
    """Why a column does not name every row, and the line that shows it; `None` where it does."""
    seen: set[int] = set()
    for line, text in _filled(index, reopen):
        if not text:
            return f"is empty in line {line:,}", line
        if (digest := _digest(text)) in seen:
            first = next(before for before, other in _filled(index, reopen) if _digest(other) == digest)
            return f"names two rows {text[:40]!r}, lines {first:,} and {line:,}", line
        seen.add(digest)
    return None if seen else ("is empty", 1)


def _filled(index: int, reopen: Reopen) -> Iterator[tuple[int, str]]:
    """Each row that holds anything: its line, and its text in a column."""
    with reopen() as sheet:
        for line, _, cells in sheet.rows if sheet else ():
            text = cells[index].strip()
            if text or "".join(cells).strip():
                yield line, text


def _digest(text: str) -> int:
    return hash((text if text.isascii() else unicodedata.normalize("NFC", text)).casefold())


# ---------------------------------------------------------------------------------------------------------- products


@dataclass(frozen=True, slots=True)
class _Part:
    """What a job is made of: a product with all its pictures, or one of them."""

    name: str
    pictures: Sequence[Picture]
    cells: Sequence[str]
    line: int
    number: int
    extras: Mapping[str, str]
    differing: Mapping[int, str] = field(default_factory=dict)
    """The columns of which it has several texts, and why."""


def _products(
    source: Source, table: Table, sheet: Sheet, rules_of: RulesOf, given: Given, findings: Findings
) -> Iterator[Item]:
    preset = source.preset
    assert preset is not None  # noqa: S101 the caller looked
    rules = rules_of(given.model)
    media = rules.url_fields[0] if rules and rules.url_fields else "image_urls"
    is_list = rules is None or rules.fields[media].get("type") == "array"
    columns = Columns(source, table.header, rules, given, findings)
    pictures = columns.of.get(media) if media in source.columns else None
    readers = [reader for reader in columns.readers if reader[0] != media]
    is_one_each = source.per == "image"
    keys = [key_of(name) for name in table.header]
    variant = [index for index, key in enumerate(keys) if preset.variant.fullmatch(key)]
    own = {*variant, *(index for index, key in enumerate(keys) if preset.pictured.fullmatch(key))}
    shows = next((keys.index(key) for key in preset.shows if key in keys), None)
    sieve = Sieve(source.where, source.place("where"), table.label, findings)
    is_told = False
    for group in groups(preset, table.header, sheet.rows, pictures, findings, table.label):
        places = {media: group.pictured_in, "id": group.named_by, **columns.first}
        used = [group.named_by, *(index for _, indexes, _ in readers for index in indexes)]
        for part in _one_each(group, own, variant, shows) if is_one_each and group.pictures else [_whole(group)]:
            scope = RowScope(table, part.cells, part.number, part.extras, differing=part.differing)
            item = Entry({}, f"{table.label}:{part.line}", partial(_place_in, table, part, places, media), scope)
            if not sieve.takes(item, _judged(group, part, own, source.where, table)):
                continue
            if not part.pictures and preset.variation is not None and not is_told:
                is_told = _tell_variation(preset.variation, group, table, item, findings)
            if not part.pictures and (is_one_each or media not in given.fields | given.overridden):
                message = f"{group.name!r} has no picture: there is no job for it"
                findings.warn("no-pictures", item.at(), message, "give it one, or leave it out with  where:")
                continue
            if not is_one_each:
                item.scope = RowScope(table, part.cells, part.number, part.extras, differing=group.differing())
            item.fields = {name: value for name, _, read in readers if (value := read(part.cells)) is not None}
            base = item.fields.get("id") or group.name
            item.fields["id"] = f"{base}-{part.name}" if part.name else base
            if (urls := [picture.url for picture in part.pictures]) and not (source.is_alone and media in given.fields):
                gap = None if is_one_each else group.gap
                item.fields[media] = (Gapped(urls, gap) if gap else urls) if is_list else urls[0]
            item.row = table.row(part.cells)
            item.id_at = cell_name(places["id"], part.number)
            _refuse_spoilt(part.cells, used, part.line, part.number, table.label, findings)
            _refuse_formatted(part.cells, used, part.line, part.number, table.label, findings)
            _look_at_prompt(item, findings)
            if not is_one_each:
                _check_whole(group, item, readers, len(urls) if is_list else min(len(urls), 1), table, findings)
            yield item
    sieve.tell()


def _whole(group: Group) -> _Part:
    extras = {"handle": group.name, "image_count": str(len(group.pictures))}
    return _Part("", group.pictures, group.cells, group.line, group.number, extras)


def _one_each(group: Group, own: Container[int], variant: Sequence[int], shows: int | None) -> Iterator[_Part]:
    """Each picture with its row's texts, and the product's where its row has none, but in columns that are its own.

    What its row says of a variant is another's, where the variants say which pictures are theirs.
    """
    variants: dict[str, list[Cells]] = {}
    for row in group.rows if shows is not None else ():
        for url in split_urls(row[2][shows or 0].strip()):
            variants.setdefault(url, []).append(row)
    for picture in group.pictures:
        extras = {"handle": group.name, "image_count": str(len(group.pictures)), "position": str(picture.position)}
        cells = _filled_up(picture.cells, group, own)
        differing: dict[int, str] = {}
        for index in variant if variants else ():
            texts = {row[2][index]: row[1] for row in variants.get(picture.url, ())}
            cells[index] = next(iter(texts), "")
            if len(texts) > 1:
                where = cell_name(index, list(texts.values())[1])
                differing[index] = f"cell {where} is of another variant with the same picture"
        yield _Part(str(picture.position), (picture,), cells, picture.line, picture.number, extras, differing)


def _tell_variation(sign: tuple[str, str], group: Group, table: Table, item: Item, findings: Findings) -> bool:
    """Say of a variation without a picture which one its shop shows; whether it is one."""
    column, word = sign
    index = table.names.get(column, -1)
    if index < 0 or group.cells[index].strip().lower() != word:
        return False
    message = f"{group.name!r} is a {word} without a picture of its own: the shop shows its parent's"
    hint = f"copy that into its cell, or leave such rows out:  where: {column} != '{word}'"
    findings.warn("no-pictures", item.at(), message, hint)
    return True


def _judged(
    group: Group, part: _Part, own: Container[int], where: Condition | None, table: Table
) -> Iterator[RowScope]:
    """By which rows it is judged whether a part is wanted: its own, or each of its product's where they differ."""
    if where is None:
        return
    indexes = {table.names.get(name, -1) for name in where.names}
    is_whole = part.cells is group.cells and len(group.rows) > 1
    differing = {index for index in (group.differing() if is_whole else ()) if index in indexes or "row" in where.names}
    if not differing:
        yield RowScope(table, part.cells, part.number, part.extras, is_condition=True)
    for _, number, cells in group.rows if differing else ():
        if any(cells[index].strip() for index in differing):
            yield RowScope(table, _filled_up(cells, group, own), number, part.extras, is_condition=True)


def _filled_up(cells: Sequence[str], group: Group, own: Container[int]) -> list[str]:
    """A row's texts, and its product's where it has none, but in columns that are its own."""
    both = enumerate(zip(cells, group.cells, strict=True))
    return [text if text.strip() or index in own else common for index, (text, common) in both]


def _place_in(table: Table, part: _Part, columns: Mapping[str, int], media: str, *path: str | int) -> Place:
    """Where a field of a product stands: a picture in its own row."""
    if path and path[0] == media and part.pictures:
        index = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
        picture = part.pictures[min(index, len(part.pictures) - 1)]
        return Place(line=picture.line, cell=cell_name(picture.column, picture.number), file=table.label)
    return table.place(part.line, part.number, columns, *path)


def _check_whole(
    group: Group,
    item: Item,
    readers: Iterable[tuple[str, list[int], Any]],
    count: int,
    table: Table,
    findings: Findings,
) -> None:
    """One job has one prompt, and `count` pictures: what its product has beyond that is not left out silently."""
    for name, (index, *_), _ in readers:
        for line, number, cells in group.rows[1:]:
            if cells[index].strip() and cells[index].strip() != group.cells[index].strip():
                place = Place(line=line, cell=cell_name(index, number), file=table.label)
                message = f"{name} differs from row to row of {group.name!r}, and one job is made of them"
                findings.error("rows-differ", place, message, ALIKE)
                break
    if count < len(group.pictures):
        message = f"the model takes one picture: the other {len(group.pictures) - count} of {group.name!r} are not sent"
        findings.warn("pictures-left", item.at(), message, "per: image  makes a job of each")
