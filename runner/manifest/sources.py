"""From a table's rows to items: which column is which field, which rows are wanted, and what names them.

A row is named by the user's id; without one by a column `sku`, `handle` or `custom_id` that is unique in the sheet, and
else by the request itself. Never by its number: sorting a sheet would pay twice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, partial
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place, did_you_mean, nearest
from runner.manifest.items import Item, is_wanted, key_of, names_of, split_urls, typed
from runner.manifest.presets import Group, Preset, groups
from runner.manifest.tables import SPOILT, Sheet, cell_name
from runner.manifest.templates import Condition, Row, TemplateProblem, cell
from runner.model import InputRules

RulesOf = Callable[[str], InputRules | None]
"""What a model accepts; `None` where only the service knows."""

SYNONYMS: Final = {
    "prompt": ("prompt_text", "instruction", "edit"),
    "image_urls": ("image_url", "image", "images", "url", "urls", "photo", "photos", "image_src", "src", "image_link"),
}
SYNONYMS_OF_ONE: Final = ("image_urls", "images", "url", "photo", "image_src", "src", "image_link")
"""What a model's only media field, whatever its name, may be called in a sheet."""
NUMBERED: Final = re.compile(r"(?:image_?)?(?:urls?|images?|photos?|pictures?|src)_?(\d{1,2})")
"""`url_1`, `image2`, `image_url_10`: one picture a column."""
NAMING: Final = ("sku", "handle", "custom_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One entry under `sources:`, or a table that is a manifest by itself."""

    file: str
    format: str = "csv"
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Which columns a field is read from; a `*` stands for any letters."""
    where: Condition | None = None
    preset: Preset | None = None
    per: str = "product"
    is_alone: bool = False
    """Whether it is the manifest: then nothing else can give what it lacks."""
    places: Mapping[str, Place] = field(default_factory=dict)

    def place(self, *keys: str) -> Place:
        """Where a key of it stands."""
        return next((self.places[key] for key in keys if key in self.places), Place())


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the rest of the manifest gives to every row."""

    fields: frozenset[str] = frozenset()
    """Fields that need no column."""
    names: frozenset[str] = frozenset()
    """Names that its templates ask for."""
    model: str = ""
    """The model of a row that does not name one."""


class Table:
    """An open table's columns by index and name, for places and templates."""

    def __init__(self, sheet: Sheet, label: str) -> None:
        self.header = sheet.header
        self.label = label
        self.header_line = sheet.header_line
        self.names = names_of(sheet.header)
        self.indexes = {name: index for index, name in reversed(list(enumerate(sheet.header))) if name.strip()}
        self.kept = [index for index, name in enumerate(sheet.header) if name.strip()]
        self.titles = [sheet.header[index] for index in self.kept]
        self._keeps_all = len(self.kept) == len(sheet.header)

    def row(self, cells: Sequence[str]) -> dict[str, str]:
        """The row's cells by their columns' own names."""
        kept = cells if self._keeps_all else [cells[index] for index in self.kept]
        return dict(zip(self.titles, kept, strict=True))

    def place(self, line: int, number: int, columns: Mapping[str, int], *path: str | int) -> Place:
        """Where a field of a row stands."""
        index = columns.get(str(path[0])) if path else None
        name = cell_name(index, number) if index is not None else None
        return Place(line=line, cell=name, file=self.label)

    def at_header(self, index: int | None = None) -> Place:
        """The header, or a cell of it."""
        name = cell_name(index, 1) if index is not None else None
        return Place(line=self.header_line, cell=name, file=self.label)


class RowScope:
    """The names of one row: its columns, and what a preset adds."""

    __slots__ = ("_cells", "_extras", "_number", "_table")

    def __init__(
        self, table: Table, cells: Sequence[str], number: int, extras: Mapping[str, str] | None = None
    ) -> None:
        self._table = table
        self._cells = cells
        self._number = number
        self._extras = extras or {}

    def names(self) -> Iterable[str]:
        """All of them."""
        return [*self._extras, *self._table.names, "row"]

    def __contains__(self, name: object) -> bool:
        return name in self._table.names or name == "row" or name in self._extras

    def __getitem__(self, name: str) -> Any:
        if name in self._extras:
            return cell(name, self._extras[name])
        if name == "row" and name not in self._table.names:
            return Row({title: self._cell(index) for title, index in self._table.indexes.items()})
        index = self._table.names[name]
        if index < 0:
            twins = [title for title in self._table.header if key_of(title) == name]
            hint = f"write  row[{twins[0]!r}]"
            raise TemplateProblem(f"{name!r} could be {' or '.join(repr(twin) for twin in twins)}", hint)
        return self._cell(index)

    def _cell(self, index: int) -> Any:
        text = self._cells[index]
        if text[:1] == "#" and SPOILT.fullmatch(text.strip()):
            place = cell_name(index, self._number)
            raise TemplateProblem(f"cell {place} ({self._table.header[index]}) holds {text}, a spreadsheet's error")
        return cell(self._table.header[index], text, cell_name(index, self._number) if not text.strip() else "")


Reopen = Callable[[], AbstractContextManager[Sheet | None]]
"""Opens the table anew, from its first row."""


def items(
    source: Source, sheet: Sheet, label: str, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
) -> Iterator[Item]:
    """The items of an open table; what is wrong with it goes to the findings."""
    table = Table(sheet, label)
    if source.preset is not None:
        found = _products(source, table, sheet, rules_of, given, findings)
    else:
        found = _rows(source, table, sheet, rules_of, given, findings, reopen)
    if source.where is None:
        yield from found
    else:
        yield from (item for item in found if is_wanted(source.where, source.place("where"), item, findings))


def sent_columns(source: Source, header: Sequence[str], rules: InputRules | None, given: Given) -> set[int] | None:
    """The indexes of the columns that decide what is sent; `None` where the user names a column that is not there."""
    if source.preset is not None:
        return set(range(len(header)))
    silent = Findings(source.file)
    columns = Columns(source, header, rules, given, silent)
    if any(diagnostic.code == "missing-column" and diagnostic.place != Place() for diagnostic in silent.found):
        return None
    names = names_of(header)
    wanted = {*given.names, *(source.where.names if source.where else ())}
    used = set(range(len(header))) if "row" in wanted else {names[name] for name in wanted if names.get(name, -1) >= 0}
    naming = [index for index, name in enumerate(header) if key_of(name) in NAMING]
    return used | {index for indexes in columns.of.values() for index in indexes} | set(naming)


# ----------------------------------------------------------------------------------------------------------- columns


class Columns:
    """Which columns hold which field of a model; every other column is the user's own."""

    def __init__(
        self, source: Source, header: Sequence[str], rules: InputRules | None, given: Given, findings: Findings
    ) -> None:
        self._source = source
        self._header = header
        self._findings = findings
        self._keys = [key_of(name) for name in header]
        self._fields = list(rules.fields) if rules else ["prompt", "image_urls"]
        self._urls = rules.url_fields if rules else ("image_urls",)
        self.of: dict[str, list[int]] = {}
        """The columns of each field, in the order in which they are read."""
        self._map_named()
        self._map_by_name()
        self._check_twins()
        self._check_needed(rules, given)
        self._check_unused()
        self.first = {name: indexes[0] for name, indexes in self.of.items()}
        """Each field's first column: where an error of it is shown."""
        self.id_letters = cell_name(self.first["id"], 0)[:-1] if "id" in self.first else ""
        schemas = rules.fields if rules else {}
        self.readers = [
            (name, indexes, _reader(name, indexes, schemas.get(name, {}), is_media=name in self._urls))
            for name, indexes in self.of.items()
        ]

    def _map_named(self) -> None:
        """What the user says, under `columns:`."""
        known = {"id", "model", *self._fields}
        for name, patterns in self._source.columns.items():
            if name not in known:
                place = self._source.place(f"columns.{name}", "columns")
                message = f"columns: {name!r} is no field of the model"
                self._findings.error("unknown-field", place, message, did_you_mean(name, sorted(known)))
                continue
            found = [index for pattern in patterns for index in self._matching(pattern)]
            for pattern in patterns:
                if not any(True for _ in self._matching(pattern)):
                    place = self._source.place(f"columns.{name}", "columns")
                    message = f"no column {pattern!r} in {self._source.file}"
                    self._findings.error("missing-column", place, message, did_you_mean(pattern, self._header))
            if len(found) > 1 and name not in self._urls:
                place = self._source.place(f"columns.{name}", "columns")
                self._findings.error("columns", place, f"{name} is read from one column", "name one")
            if found:
                self.of[name] = list(dict.fromkeys(found))

    def _matching(self, pattern: str) -> Iterator[int]:
        if pattern in self._header:
            yield self._header.index(pattern)
        elif "*" in pattern:
            yield from (i for i, name in enumerate(self._header) if fnmatchcase(name.strip(), pattern))
        elif (key := key_of(pattern)) in self._keys:
            yield self._keys.index(key)

    def _map_by_name(self) -> None:
        for name in ("id", "model", *self._fields):
            if name not in self.of and name in self._keys:
                self.of[name] = [self._keys.index(name)]
        taken = {index for indexes in self.of.values() for index in indexes}
        for name in self._fields:
            if name in self.of:
                continue
            others = SYNONYMS.get(name, SYNONYMS_OF_ONE if self._urls == (name,) else ())
            match = next((self._keys.index(other) for other in others if other in self._keys), None)
            if match is not None and match not in taken:
                self.of[name] = [match]
                taken.add(match)
            elif name in self._urls and (numbered := self._numbered(taken)):
                self.of[name] = numbered
                taken.update(numbered)

    def _numbered(self, taken: set[int]) -> list[int]:
        found = {index: match for index, key in enumerate(self._keys) if (match := NUMBERED.fullmatch(key))}
        return sorted((index for index in found if index not in taken), key=lambda index: int(found[index][1]))

    def _check_twins(self) -> None:
        """No two columns for one field, and no two of the user's own under one name: one of them would be lost."""
        first: dict[str, int] = {}
        chosen = self._source.columns
        for index, title in enumerate(self._header):
            key = self._keys[index]
            name = key if key in ("id", "model", *self._fields) and key not in chosen else title.strip()
            if name and first.setdefault(name, index) != index:
                hint = f"the first is {cell_name(first[name], 1)}: rename one of them"
                self._findings.error("duplicate-column", self._at(index), f"two columns are named {name!r}", hint)

    def _at(self, index: int) -> Place:
        return Place(cell=cell_name(index, 1), file="" if self._source.is_alone else self._source.file)

    def _check_needed(self, rules: InputRules | None, given: Given) -> None:
        for name in ("prompt", "image_urls"):
            if rules and name in self._fields and name not in self.of and name not in given.fields:
                place = self._source.place("columns", "file") if not self._source.is_alone else Place()
                hint = did_you_mean(name, self._header)
                if near := nearest(name, self._header):
                    how = f"--col {name}={near!r}" if self._source.is_alone else f"columns: {{{name}: {near!r}}}"
                    hint += f" map it with  {how}"
                self._findings.error("missing-column", place, f"no column {name!r}", hint)

    def _check_unused(self) -> None:
        """A mistyped column would be carried along, and what it says not sent."""
        used = {index for indexes in self.of.values() for index in indexes}
        free = [name for name in self._fields if name not in self.of]
        for index, key in enumerate(self._keys):
            if index in used or not key or len(key) < 5:
                continue
            if near := nearest(key, free, cutoff=0.8):
                message = f"the column {self._header[index]!r} is not sent"
                self._findings.warn("unused-column", self._at(index), message, f"did you mean {near!r}?")


Reader = Callable[[Sequence[str]], Any]
"""A row's cells to a field's value; `None` where it is empty."""


def _reader(name: str, indexes: Sequence[int], schema: Mapping[str, Any], *, is_media: bool) -> Reader:
    """How a field is read from a row; what does not fit stays text, and the schema says so."""
    first, kind = indexes[0], schema.get("type")
    if name == "prompt":
        return lambda cells: cells[first].strip("\r\n") or None
    if name == "id":
        return lambda cells: cells[first].strip()
    if kind == "array":
        if len(indexes) == 1:
            return lambda cells: split_urls(cells[first].strip()) or None
        return lambda cells: [url for index in indexes for url in split_urls(cells[index].strip())] or None
    if is_media:
        return lambda cells: next((cells[index].strip() for index in indexes if cells[index].strip()), None)
    if kind in ("integer", "number", "boolean"):
        return lambda cells: typed(text, kind) if (text := cells[first].strip()) else None
    return lambda cells: cells[first].strip() or None


# -------------------------------------------------------------------------------------------------------------- rows


def _rows(
    source: Source, table: Table, sheet: Sheet, rules_of: RulesOf, given: Given, findings: Findings, reopen: Reopen
) -> Iterator[Item]:
    @cache
    def reading(model: str) -> Columns:
        return Columns(source, table.header, rules_of(model), given, findings)

    named = source.columns.get("model", ("model",))
    model_at = next(
        (index for index, title in enumerate(table.header) if title in named or key_of(title) in named), None
    )
    if model_at is None:
        reading(given.model)
    naming = None
    if not _has_ids(source, table) and "id" not in given.fields:
        naming = _naming_column(table.header, reopen)
    letters = cell_name(naming, 0)[:-1] if naming is not None else ""
    for line, number, cells in sheet.rows:
        if not any(cells) or not "".join(cells).strip():
            continue
        columns = reading(cells[model_at].strip() or given.model if model_at is not None else given.model)
        fields: dict[str, Any] = {}
        for name, indexes, read in columns.readers:
            value = read(cells)
            if value is not None:
                fields[name] = value
                if "#" in cells[indexes[0]] or len(indexes) > 1:
                    _refuse_spoilt(cells, indexes, line, number, table, findings)
        if naming is not None:
            fields["id"] = cells[naming].strip()
        yield Item(
            fields=fields,
            source=f"{table.label}:{line}",
            at=partial(table.place, line, number, columns.first),
            scope=RowScope(table, cells, number),
            row=table.row(cells),
            id_at=f"{columns.id_letters}{number}" if columns.id_letters else f"{letters}{number}" if letters else "",
        )


def _refuse_spoilt(
    cells: Sequence[str], indexes: Sequence[int], line: int, number: int, table: Table, findings: Findings
) -> None:
    for index in indexes:
        text = cells[index]
        if "#" in text and SPOILT.fullmatch(text.strip()):
            place = Place(line=line, cell=cell_name(index, number), file=table.label)
            findings.error("spoilt-cell", place, f"{text.strip()} is a spreadsheet's error, not a value")


def _has_ids(source: Source, table: Table) -> bool:
    return "id" in source.columns or "id" in [key_of(name) for name in table.header]


def _naming_column(header: Sequence[str], reopen: Reopen) -> int | None:
    """The first column that names every row, each by another name."""
    keys = [key_of(name) for name in header]
    for key in NAMING:
        if key in keys and _is_naming(keys.index(key), reopen):
            return keys.index(key)
    return None


def _is_naming(index: int, reopen: Reopen) -> bool:
    seen: set[int] = set()
    with reopen() as sheet:
        for _, _, cells in sheet.rows if sheet else ():
            if not any(cells):
                continue
            name = unicodedata.normalize("NFC", cells[index].strip()).casefold()
            if not name or (digest := hash(name)) in seen:
                return False
            seen.add(digest)
    return bool(seen)


# ---------------------------------------------------------------------------------------------------------- products


def _products(
    source: Source, table: Table, sheet: Sheet, rules_of: RulesOf, given: Given, findings: Findings
) -> Iterator[Item]:
    preset = source.preset
    assert preset is not None  # noqa: S101 the caller looked
    rules = rules_of(given.model)
    media = rules.url_fields[0] if rules and rules.url_fields else "image_urls"
    is_list = rules is None or rules.fields.get(media, {}).get("type") == "array"
    fields = {name: index for name, index in _preset_fields(table, rules).items() if name != media}
    if source.columns:
        extra = Columns(source, table.header, rules, Given(fields=frozenset(("prompt", media))), findings).of
        fields |= {name: indexes[0] for name, indexes in extra.items() if name in source.columns}
    for group in groups(preset, table.header, sheet.rows, findings, table.label):
        yield from _of_group(source, table, group, media, fields, is_list=is_list)


def _preset_fields(table: Table, rules: InputRules | None) -> dict[str, int]:
    """The model's own fields that stand in the sheet under their own names, as a user adds them to an export."""
    names = [name for name in (rules.fields if rules else ()) if name in table.names]
    return {name: table.names[name] for name in names if table.names[name] >= 0}


def _of_group(
    source: Source, table: Table, group: Group, media: str, fields: Mapping[str, int], *, is_list: bool
) -> Iterator[Item]:
    base = {name: group.cells[index].strip() for name, index in fields.items() if group.cells[index].strip()}
    row = table.row(group.cells)
    named = base.pop("id", group.name)
    is_one_each = source.per == "image"
    pictures = group.pictures if is_list or is_one_each else group.pictures[:1]
    for chosen in [(picture,) for picture in pictures] if is_one_each else [pictures]:
        extras = {"handle": group.name, "image_count": str(len(group.pictures))}
        job_id, line, number, column = named, group.line, group.number, group.named_by
        if chosen:
            line, number, column = chosen[0].line, chosen[0].number, chosen[0].column
        if is_one_each:
            job_id = f"{named}-{chosen[0].position}"
            extras |= {"position": str(chosen[0].position)}
        urls = [picture.url for picture in chosen]
        yield Item(
            fields={**base, "id": job_id, **({media: urls if is_list else urls[0]} if urls else {})},
            source=f"{table.label}:{line}",
            at=partial(table.place, line, number, {**fields, media: column, "id": group.named_by}),
            scope=RowScope(table, group.cells, number, extras),
            row=row,
            id_at=cell_name(fields.get("id", group.named_by), number),
        )
