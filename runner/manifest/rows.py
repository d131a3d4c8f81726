"""A table's rows as items: each made of its cells alone, and worked out as far as somebody asks.

Of a million rows few are looked at closely: most have no template and no error, so that neither the names of a row nor
the places of its cells are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from runner.manifest.cells import Unread, stand_in
from runner.manifest.diagnostics import Place, did_you_mean
from runner.manifest.formats import AS_TEXT, NUMBER, Exact, Formatted
from runner.manifest.items import key_of, names_of
from runner.manifest.sizes import holds_sizes, is_made_a_date, named_by
from runner.manifest.tables import FORMULA, MENDED, SHORTENED, SPOILT, Sheet, cell_name, what_spoilt
from runner.manifest.templates import Cell, Measured, TemplateProblem, cell
from runner.manifest.unshown import unshown

ALIKE: Final = "make them the same, or say  per: image"
OF_VARIANTS: Final = "leave it out of the template, or give each variant a picture of its own"


class Table:
    """An open table's columns by index and name, for places and templates."""

    def __init__(self, sheet: Sheet, label: str, *, is_book: bool = False) -> None:
        self.header = sheet.header
        self._is_book = is_book
        self.label = label
        self.names = names_of(sheet.header)
        self.indexes = {name: index for index, name in reversed(list(enumerate(sheet.header))) if name.strip()}
        self.kept = [index for index, name in enumerate(sheet.header) if name.strip()]
        self.titles = [sheet.header[index] for index in self.kept]
        self.nameless = [index for index, name in enumerate(sheet.header) if not name.strip()]
        self._of_sizes = {index for index, name in enumerate(sheet.header) if holds_sizes(name)}
        self._named_by = named_by(sheet.header)
        self._keeps_all = len(self.kept) == len(sheet.header)
        self.stands_in: tuple[tuple[int, str], tuple[int, str]] | None = None
        """A preset's word that stands for an empty cell, with its column, behind the other that has to be beside it."""

    def is_stand_in(self, cells: Sequence[str], index: int) -> bool:
        """Whether a row's cell holds a word that stands for an empty one."""
        if self.stands_in is None or index != self.stands_in[1][0]:
            return False
        return all(cells[at].strip() == word for at, word in self.stands_in)

    def may_hold_sizes(self, index: int) -> bool:
        """Whether a column is one of sizes, or another says in each row of what it is."""
        return index in self._of_sizes or index in self._named_by

    def is_size(self, cells: Sequence[str], index: int) -> bool:
        """Whether a row's cell is a size."""
        return index in self._of_sizes or (index in self._named_by and holds_sizes(cells[self._named_by[index]]))

    def row(self, cells: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
        """The columns' own names, and the row's cells in them."""
        texts = cells if self._keeps_all else [cells[index] for index in self.kept]
        return self.titles, list(map(str, texts)) if self._is_book else texts  # `Formatted` is no plain text

    def called(self, index: int) -> str:
        """What templates and conditions call a column."""
        name = key_of(self.header[index])
        return name if name.isidentifier() and self.names[name] == index else f"row[{self.header[index]!r}]"

    def place(self, line: int, number: int, columns: Mapping[str, int], *path: str | int) -> Place:
        """Where a field of a row stands."""
        index = columns.get(str(path[0])) if path else None
        name = cell_name(index, number) if index is not None else None
        return Place(line=line, cell=name, file=self.label)


class RowScope:
    """The names of one row: its columns, and what a preset adds."""

    __slots__ = ("_cells", "_differing", "_extras", "_is_condition", "_number", "_table", "_unshown")

    def __init__(
        self,
        table: Table,
        cells: Sequence[str],
        number: int,
        extras: Mapping[str, str] | None = None,
        *,
        is_condition: bool = False,
        differing: Mapping[int, str] | None = None,
        unshown: Mapping[int, str] | None = None,
    ) -> None:
        self._differing = differing or {}
        self._unshown = unshown or {}
        self._is_condition = is_condition
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
        index = self._table.names.get(name)
        if name in self._extras:
            if index is not None and (index < 0 or self._cells[index].strip() != self._extras[name]):
                title = next(title for title in self._table.header if key_of(title) == name)
                message = f"{name!r} could be the column {title!r}, or what the preset counts ({self._extras[name]!r})"
                raise TemplateProblem(
                    message, f"for the column write  row[{title!r}];  for the other rename the column"
                )
            return cell(name, self._extras[name])
        if index is None:
            return RowOf(self, self._table.indexes)
        if index < 0:
            twins = [title for title in self._table.header if key_of(title) == name]
            hint = f"write  row[{twins[0]!r}]"
            raise TemplateProblem(f"{name!r} could be {' or '.join(repr(twin) for twin in twins)}", hint)
        return self.at(index)

    def at(self, index: int) -> Any:
        """The value of a column; raises `TemplateProblem` for one that is spoilt, or has several."""
        if index in self._differing:
            message = f"{self._table.header[index]}: {self._differing[index]}, and one job is made of them"
            hint = OF_VARIANTS if "position" in self._extras else ALIKE
            raise TemplateProblem(message, hint, code="rows-differ")
        if index in self._unshown:
            return unshown(self._table.header[index], self._unshown[index])
        text = self._cells[index]
        if self._table.is_stand_in(self._cells, index):
            return stand_in(self._table.header[index], text.strip(), cell_name(index, self._number))
        if text and not text.isspace():
            if ("#" in text and SPOILT.fullmatch(text.strip())) or ("=" in text and FORMULA.match(text)):
                place = cell_name(index, self._number)
                message = f"cell {place} ({self._table.header[index]}): {what_spoilt(text.strip())}"
                raise TemplateProblem(message, MENDED)
            if self._table.may_hold_sizes(index) and is_made_a_date(text) and self._table.is_size(self._cells, index):
                message = f"cell {cell_name(index, self._number)} ({self._table.header[index]}): "
                message += f"{text.strip()!r} is a date that a spreadsheet made of a size"
                raise TemplateProblem(message, "format the column as Text, and write the size in it anew")
            if isinstance(text, Exact):
                return Measured(text)
            if isinstance(text, Formatted):
                return self._judged(text, index) if self._is_condition else self._shown(text, index)
            if "E+" in text and SHORTENED.fullmatch(text.strip()):
                message = f"cell {cell_name(index, self._number)} ({self._table.header[index]}): "
                message += f"{text.strip()!r} was shortened by a spreadsheet"
                raise TemplateProblem(message, "format the column as Text before pasting the numbers")
            return Cell(text)
        return cell(self._table.header[index], text, cell_name(index, self._number))

    def _judged(self, text: Formatted, index: int) -> Measured:
        """A number or a date as it is kept, where it is seen as another text of the same value; else it is an error."""
        if text.is_same_value:
            return Measured(text)
        raise self._doubtful(text, index)

    def _shown(self, text: Formatted, index: int) -> Any:
        """What is seen of a number in a text; where that is not known, the number alone, or it is an error."""
        if text.shown is not None:
            return cell(self._table.header[index], text.shown, cell_name(index, self._number))
        if not (text.is_same_value and NUMBER.fullmatch(text)):
            raise self._doubtful(text, index)
        how = f"or send the number that is in it, as in  {{{{ {self._table.called(index)} | round(2) }}}}"
        return Unread(text, self._doubtful(text, index, how))

    def _doubtful(self, text: Formatted, index: int, how: str = "") -> TemplateProblem:
        message = f"cell {cell_name(index, self._number)} ({self._table.header[index]}): {text.told}"
        return TemplateProblem(message, f"{AS_TEXT}; {how}" if how else AS_TEXT)


class RowOf(Mapping[str, Any]):
    """All columns of a row under their own names, `row['Product Title']`, each looked at when it is asked for."""

    def __init__(self, scope: RowScope, indexes: Mapping[str, int]) -> None:
        self._scope = scope
        self._indexes = indexes

    def __getitem__(self, name: object) -> Any:
        index = self._indexes.get(str(name))
        if index is None:
            raise TemplateProblem(f"there is no column {str(name)[:60]!r}", did_you_mean(str(name), self._indexes))
        return self._scope.at(index)

    def __contains__(self, name: object) -> bool:
        return name in self._indexes

    def __iter__(self) -> Iterator[str]:
        return iter(self._indexes)

    def __len__(self) -> int:
        return len(self._indexes)


class RowItem:
    """A row as an item (`runner.manifest.items.Item`)."""

    __slots__ = ("_cells", "_line", "_number", "_table", "fields", "first", "id_letters", "read_from")
    is_job = False

    def __init__(self, table: Table, line: int, number: int, cells: Sequence[str]) -> None:
        self._table = table
        self._line = line
        self._number = number
        self._cells = cells
        self.fields: dict[str, Any] = {}
        self.first: Mapping[str, int] = {}
        """Each field's first column."""
        self.id_letters = ""
        """The column that its id stands in."""
        self.read_from: Mapping[str, Sequence[int]] = {}
        """Each field's columns."""

    @property
    def source(self) -> str:
        """Where it stands, as `catalogue.csv:12`."""
        return f"{self._table.label}:{self._line}"

    def at(self, *path: str | int) -> Place:
        """Where a field stands."""
        return self._table.place(self._line, self._number, self.first, *path)

    @property
    def scope(self) -> RowScope:
        """The names that templates may use."""
        return RowScope(self._table, self._cells, self._number)

    @property
    def condition_scope(self) -> RowScope:
        """The names that conditions may use: numbers as they are kept, and not as they are shown."""
        return RowScope(self._table, self._cells, self._number, is_condition=True)

    def asked(self, field: str) -> str:
        """A condition that some column of a field is filled; empty where it is read from none."""
        return " or ".join(self._table.called(index) for index in self.read_from.get(field, ()))

    @property
    def row(self) -> tuple[Sequence[str], Sequence[str]]:
        """The source's own columns."""
        return self._table.row(self._cells)

    @property
    def label(self) -> str:
        """Its table's name."""
        return self._table.label

    @property
    def number(self) -> int:
        """Its number in the spreadsheet."""
        return self._number

    @property
    def columns(self) -> Mapping[str, int]:
        """Where each column of its table stands, by its name."""
        return self._table.indexes

    @property
    def id_at(self) -> str:
        """Where its id stands, as `A3`."""
        return f"{self.id_letters}{self._number}" if self.id_letters else ""
