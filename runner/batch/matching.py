"""Which row of a sheet was which job: by the columns that name it, else by everything that stands in it.

Nobody says here which columns those are: a row is named by the column that is the job's id in every row, else by those
whose text stands in it, as of `mug-oak`. Where such a name is not one row's alone, only the whole row is believed. The
number of a row is never: a sheet is sorted, and rows are put in.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from runner.batch.spanning import Known, Look, Spanning
from runner.manifest.original import Row
from runner.model import Job, counted

Name = tuple[str, ...]
"""The cells that name a row."""
NAMED: Final = 8
"""Rows that a sentence names."""
NOTHING: Final = Known([], is_edited=False)


@dataclass(frozen=True)
class Matched:
    """How the rows of a sheet, as it lies there now, go with the jobs."""

    total: int
    unknown: tuple[int, ...]
    """The numbers of the rows that were not run."""
    edited: int
    """Rows that were run, in which something stands now that did not then."""
    twice: frozenset[Name]
    """Names that several rows have: none of them is believed."""
    hashes: frozenset[int]
    """The rows that were run and are in the sheet."""
    exact: frozenset[int]
    """Those of them that are as they were."""
    of_products: Mapping[int, Known]
    """The rows, by number, of products that take several."""

    @property
    def known(self) -> int:
        """Rows that were run."""
        return self.total - len(self.unknown)

    def told(self) -> str:
        """How many rows were run, and which were not."""
        told = counted(self.known, "row")
        if self.edited:
            told += f", {self.edited:,} of them edited since"
        if missing := self.unknown:
            named = ", ".join(map(str, missing[:NAMED])) + (" …" if len(missing) > NAMED else "")
            told += f"; {len(missing):,} of {self.total:,} rows were not run here: row {named}"
        return told


@dataclass
class Ran:
    """The rows of one table that were run: jobs are added, then rows are found."""

    ids: defaultdict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The jobs of each row, by the row's hash."""
    _cells: dict[int, Name] = field(default_factory=dict)
    _columns: tuple[str, ...] = ()
    _within: set[str] = field(default_factory=set)
    _equal: set[str] = field(default_factory=set)
    _spanning: Spanning | None = None
    """Of a shop's export whose products take several rows."""

    def add(self, job: Job) -> None:
        """One more job, and the row that it came from."""
        row, job_id = job.spec.row, job.job_id
        if not self.ids:
            self._within = {name for name, text in row.items() if _stands_in(text, job_id)}
            self._columns, self._equal = tuple(name for name in row if name in self._within), set(self._within)
            self._spanning = Spanning.of(tuple(row))
        self._within = {name for name in self._within if _stands_in(row.get(name, ""), job_id)}
        self._equal = {name for name in self._equal if row.get(name, "").strip() == job_id}
        key = hash(tuple(row.items()))
        self.ids[key].append(job_id)
        self._cells[key] = tuple(row.get(name, "").strip() for name in self._columns)
        if self._spanning is not None:
            self._spanning.add(job, key)

    def match(self, rows: Iterable[tuple[int, Row]]) -> Matched:
        """Look through a whole sheet: the rows with their numbers."""
        names: Counter[Name] = Counter()
        numbers: list[tuple[int, int, Name]] = []
        look = Look()
        for number, row in rows if self._spanning is None else self._spanning.seen(rows, look):
            if not any(text.strip() for _, text in row):
                continue
            name = self._name(dict(row))
            names[name] += 1
            numbers.append((number, hash(row), name))
        twice = frozenset(name for name, count in names.items() if count > 1)
        found = [(number, whole, self._found(whole, name, twice)) for number, whole, name in numbers]
        known = {number: key for number, _, key in found if key is not None} if self._spanning is not None else {}
        placed = self._spanning.placed(look, known) if self._spanning is not None else {}
        hashes = {key for _, _, key in found if key is not None}.union(*(one.rows for one in placed.values()))
        return Matched(
            total=len(found),
            unknown=tuple(number for number, _, key in found if key is None and number not in placed),
            edited=sum(
                placed[number].is_edited if number in placed else key not in (None, whole)
                for number, whole, key in found
            ),
            twice=twice,
            hashes=frozenset(hashes),
            exact=frozenset(key for _, whole, key in found if key == whole) | (hashes & look.now),
            of_products=placed,
        )

    def of(self, number: int, row: Row, matched: Matched) -> Known:
        """What is known of a row, by its number in the sheet as it is now; no jobs where it was not run."""
        if (known := matched.of_products.get(number)) is not None:
            return known
        whole = hash(row)
        key = self._found(whole, self._name(dict(row)), matched.twice)
        return NOTHING if key is None else Known(self.ids[key], key != whole)

    def knows(self, row: Row) -> bool:
        """Whether a row was run just as it is."""
        return hash(row) in self.ids

    def _found(self, whole: int, name: Name, twice: frozenset[Name]) -> int | None:
        if whole in self.ids:
            return whole
        return None if name in twice else self._named.get(name)

    def _name(self, row: Mapping[str, str]) -> Name:
        return tuple(row.get(column, "").strip() for column in self._naming)

    @cached_property
    def _naming(self) -> tuple[str, ...]:
        is_id = next((name for name in self._columns if name in self._equal), None)
        return (is_id,) if is_id is not None else tuple(name for name in self._columns if name in self._within)

    @cached_property
    def _named(self) -> dict[Name, int]:
        """The row of each name that one row alone has."""
        if not self._naming:
            return {}
        at = [self._columns.index(name) for name in self._naming]
        names = {key: tuple(cells[index] for index in at) for key, cells in self._cells.items()}
        counts = Counter(names.values())
        return {name: key for key, name in names.items() if counts[name] == 1}


def _stands_in(text: str, job_id: str) -> bool:
    """Whether a cell is the id, or a part of it that ends where a word does."""
    text = text.strip()
    return bool(text) and (text == job_id or re.search(rf"(?<![^\W_]){re.escape(text)}(?![^\W_])", job_id) is not None)
