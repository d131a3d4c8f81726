"""The specs of a manifest, once read: in memory while they are few, in a nameless file when they are many.

What was checked and priced is what is sent, also where somebody edits the manifest meanwhile; so it is read once and
kept. A million specs take some hundred megabytes of disk and a few of memory.
"""

from __future__ import annotations

import marshal
import os
import tempfile
import weakref
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, overload

from runner.model import JobSpec
from runner.rules.names import folded

CHUNK: Final = 500
"""Specs that are written and read together."""
IN_MEMORY: Final = 32 << 20
"""Bytes that are kept in memory before the rest goes to the disk."""
Record = tuple[Any, ...]
"""A spec's fields, where its id stands, as `A3` or `5:8`, empty where the request names the job, and perhaps the number
of its row in a spreadsheet. Its row may be a mapping, or two sequences of one length: columns and texts."""
_FIELDS: Final = ("job_id", "model", "inputs", "fingerprint", "row", "source", "variant", "paths", "files")
_ID, _MODEL, _INPUTS, _FINGERPRINT, _ROW, _SOURCE, _VARIANT, _PATHS, _FILES = (
    getattr(JobSpec, name).__set__ for name in _FIELDS
)
"""Sets each field of a spec; its `__init__` would take three times as long, of a million specs two seconds."""
BUCKETS: Final = 64


class _Store:
    """Pieces of bytes by number: the first ones in memory, the rest in a file without a name."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._ends = array("Q", [0])
        self._in_memory = 0
        self._descriptor = -1

    def __len__(self) -> int:
        return len(self._pieces) + len(self._ends) - 1

    def add(self, piece: bytes) -> None:
        if self._in_memory + len(piece) <= IN_MEMORY and self._descriptor < 0:
            self._pieces.append(piece)
            self._in_memory += len(piece)
            return
        if self._descriptor < 0:
            self._descriptor, name = tempfile.mkstemp(prefix="runcomfy-batch-")
            Path(name).unlink()
            weakref.finalize(self, os.close, self._descriptor)
        start = self._ends[-1]
        while piece:
            written = os.pwrite(self._descriptor, piece, start)
            piece, start = piece[written:], start + written
        self._ends.append(start)

    def __getitem__(self, number: int) -> bytes:
        if number < len(self._pieces):
            return self._pieces[number]
        number -= len(self._pieces)
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._descriptor, end - start, start)


class Specs(Sequence[JobSpec]):
    """The specs in the manifest's order; may be gone through any number of times."""

    def __init__(self, specs: Iterable[JobSpec] = ()) -> None:
        self._chunks = _Store()
        self._tail: list[Record] = []
        self._count = 0
        self._changes: dict[int, dict[str, Any]] = {}
        for spec in specs:
            self.add((*(getattr(spec, name) for name in _FIELDS), ""))

    def add(self, record: Record) -> None:
        """Put a spec behind the others; the inputs are plain JSON values."""
        self._tail.append(record)
        self._count += 1
        if len(self._tail) == CHUNK:
            self._chunks.add(marshal.dumps(self._tail))
            self._tail = []

    def extend(self, records: Sequence[Record]) -> None:
        """Put several behind the others."""
        self._tail += records
        self._count += len(records)
        while len(self._tail) >= CHUNK:
            self._chunks.add(marshal.dumps(self._tail[:CHUNK]))
            del self._tail[:CHUNK]

    def change(self, position: int, **changes: Any) -> None:
        """Let a spec have another id, or its outputs go elsewhere."""
        self._changes[position] = self._changes.get(position, {}) | changes

    def only(self, holds: Callable[[str], bool]) -> Specs:
        """Those whose ids are wanted, in the same order."""
        kept = Specs()
        for number in range(len(self._chunks) + 1):
            for position, record in enumerate(self._chunk(number), start=number * CHUNK):
                changes = self._changes.get(position, {})
                if holds(str(changes.get("job_id", record[0]))):
                    if changes:
                        kept._changes[len(kept)] = changes
                    kept.add(record)
        return kept

    def with_ids(self) -> Iterator[tuple[JobSpec, str]]:
        """Each spec with the place of its id."""
        for number in range(len(self._chunks) + 1):
            for position, record in enumerate(self._chunk(number), start=number * CHUNK):
                yield self._spec(position, record), record[len(_FIELDS)]

    def with_rows(self) -> Iterator[tuple[JobSpec, int]]:
        """Each spec with the number of its row in a spreadsheet; 0 where it stands in none."""
        for number in range(len(self._chunks) + 1):
            for position, record in enumerate(self._chunk(number), start=number * CHUNK):
                yield self._spec(position, record), record[-1] if len(record) > len(_FIELDS) + 1 else 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[JobSpec]:
        for number in range(len(self._chunks) + 1):
            for position, record in enumerate(self._chunk(number), start=number * CHUNK):
                yield self._spec(position, record)

    @overload
    def __getitem__(self, index: int) -> JobSpec: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[JobSpec]: ...
    def __getitem__(self, index: int | slice) -> JobSpec | Sequence[JobSpec]:
        """The spec at an index, or a list of those in a slice."""
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self._count))]
        position = index + self._count if index < 0 else index
        if not 0 <= position < self._count:
            raise IndexError(index)
        return self._spec(position, self._chunk(position // CHUNK)[position % CHUNK])

    def _chunk(self, number: int) -> list[Record]:
        if number == len(self._chunks):
            return self._tail
        chunk: list[Record] = marshal.loads(self._chunks[number])  # noqa: S302 our own, of a moment ago
        return chunk

    def _spec(self, position: int, record: Record) -> JobSpec:
        spec = _spec_of(record)
        return replace(spec, **self._changes[position]) if position in self._changes else spec


def _spec_of(record: Record) -> JobSpec:
    job_id, model, inputs, fingerprint, row, source, variant, paths, files = record[: len(_FIELDS)]
    spec = object.__new__(JobSpec)
    _ID(spec, job_id)
    _MODEL(spec, model)
    _INPUTS(spec, inputs)
    _FINGERPRINT(spec, fingerprint)
    _ROW(spec, dict(zip(*row, strict=True)) if type(row) is tuple else row)
    _SOURCE(spec, source)
    _VARIANT(spec, variant)
    _PATHS(spec, paths)
    _FILES(spec, files)
    return spec


class Twins:
    """Finds what occurs more than once among millions, by 64-bit hashes: 8 bytes each until the end.

    Two different values with one hash are not told apart here; whoever looks at them again does.
    """

    def __init__(self) -> None:
        self._buckets: defaultdict[int, array[int]] = defaultdict(_numbers)

    def add(self, value: str) -> None:
        """One more value."""
        number = hash(value)
        self._buckets[number % BUCKETS].append(number)

    def update(self, values: Iterable[str]) -> None:
        """Some more."""
        buckets = self._buckets
        for number in map(hash, values):
            buckets[number % BUCKETS].append(number)

    def buckets(self) -> Mapping[int, Sequence[int]]:
        """The hashes, those that may be equal side by side: a few at a time take little memory to compare."""
        return self._buckets

    def common(self, others: Twins) -> frozenset[int]:
        """The hashes that occur among these and among the others."""
        beside = others.buckets()
        pairs = ((own, beside.get(key, ())) for key, own in self._buckets.items())
        return frozenset().union(*(set(own).intersection(other) for own, other in pairs))

    def sort(self) -> None:
        """Make ready for `in`: nothing is added any more."""
        for key, bucket in self._buckets.items():
            self._buckets[key] = array("q", sorted(bucket))

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def __contains__(self, value: str) -> bool:
        """Whether it was added, perhaps: another value may have its hash."""
        number = hash(value)
        bucket = self._buckets.get(number % BUCKETS, ())
        place = bisect_left(bucket, number)
        return place < len(bucket) and bucket[place] == number

    def repeated(self, others: Twins | None = None) -> frozenset[int]:
        """The hashes that occur more than once, among these and the others; none where there are only others."""
        if not self:
            return frozenset()
        found: set[int] = set()
        beside = others.buckets() if others is not None else {}
        for key in self._buckets.keys() | beside.keys():
            hashes = [*self._buckets.get(key, ()), *beside.get(key, ())]
            if len(set(hashes)) < len(hashes):
                found.update(one for one, following in pairwise(sorted(hashes)) if one == following)
        return frozenset(found)


def _numbers() -> array[int]:
    return array("q")


def stem_key(stem: str) -> str:
    """By which two output files are one: an output that is called like its job has the key of the job's id."""
    return folded(stem.removeprefix("images/"))
