"""The manifest's list of jobs, held against the state's: what has to be written so that they are the same.

A million jobs are gone through a few hundred at a time; a byte each is kept of what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from enum import IntEnum
from itertools import islice
from typing import Any, Final, TypeVar

from runner.model import Job, JobSpec
from runner.store.rows import SENT, SPEC, Statement, insertion, json_text, spec_values

CHUNK: Final = 400
Item = TypeVar("Item")
Rows = Callable[[str, tuple[Any, ...]], list[Any]]
"""Reads the state: SQL and its parameters to rows."""

_OWN: Final = SPEC[len(SENT) :]
_HELD: Final = (
    "(state = 'rejected' OR shared_from IS NOT NULL OR EXISTS "
    "(SELECT 1 FROM attempts a WHERE a.job_id = j.job_id AND a.state NOT IN ('not_sent', 'refused')))"
)
"""Whether a job keeps what it was sent with: it may be paid, or was refused."""
_SELECT: Final = (
    f"SELECT job_id, position, is_gone, {_HELD}, model, fingerprint, files, paths, {', '.join(_OWN)} FROM jobs j"  # noqa: S608
)
_PLACE: Final = "UPDATE jobs SET position = ?, is_gone = 0 WHERE job_id = ?"
_SET: Final = "UPDATE jobs SET {} WHERE job_id = ?"
_OWN_ANEW: Final = _SET.format(", ".join(f"{column} = ?" for column in _OWN))
_PLACE_ANEW: Final = _SET.format("source = ?, variant = ?")
_ALL_ANEW: Final = _SET.format(", ".join(f"{column} = ?" for column in SPEC))


class _Found(IntEnum):
    """How the state knows a job of the manifest."""

    SAME = 0
    ELSEWHERE = 1
    """Its request is as it was, and the row or the place that it comes from is not."""
    OTHERWISE = 2
    """It was never taken, and the manifest says something else now."""
    NOT = 3
    KEPT = 4
    """The manifest says something else now, and it keeps what it was sent with, and the row of that: only its place is
    another."""


class Listing:
    """Compares the two lists once; then tells what to write, as often as it is asked."""

    def __init__(self, rows: Rows, specs: Collection[JobSpec]) -> None:
        """`specs` may be gone through more than once."""
        self._specs = specs
        self._found = bytearray()
        self._must_move = self._survey(rows)

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return self._must_move or any(self._found)

    def statements(self) -> Iterator[Statement]:
        """One transaction: new jobs are added, the others keep what is known of them."""
        if self._must_move:  # positions are unique: all make room first, and the jobs that are gone come last
            yield "UPDATE jobs SET is_gone = 1, position = -1 - position", ()
        for position, (spec, found) in enumerate(zip(self._specs, self._found, strict=True)):
            if found == _Found.NOT:
                yield insertion(Job(spec=spec, position=position))
                continue
            if self._must_move:
                yield _PLACE, (position, spec.job_id)
            if found == _Found.OTHERWISE:
                yield _ALL_ANEW, (*spec_values(spec), spec.job_id)
            elif found == _Found.ELSEWHERE:
                yield _OWN_ANEW, (*spec_values(spec)[len(SENT) :], spec.job_id)
            elif found == _Found.KEPT:
                yield _PLACE_ANEW, (spec.source, spec.variant, spec.job_id)
        if self._must_move:
            yield "UPDATE jobs SET position = ? - 1 - position WHERE position < 0", (len(self._found),)

    def _survey(self, rows: Rows) -> bool:
        """Look at every job; whether jobs change their places, or some are gone."""
        [(total, live)] = rows("SELECT count(*), count(*) FILTER (WHERE is_gone = 0) FROM jobs", ())
        matched = matched_live = 0
        has_moved = False
        for chunk in chunks(self._specs, CHUNK):
            known = {row[0]: row[1:] for row in _named(rows, chunk)} if total else {}
            for spec in chunk:
                if (old := known.get(spec.job_id)) is None:
                    self._found.append(_Found.NOT)
                    continue
                position, is_gone, is_held, *values = old
                has_moved |= bool(is_gone) or position != len(self._found)
                matched += 1
                matched_live += not is_gone
                self._found.append(_compared(spec, values, is_held=is_held))
        has_new_ones = matched < len(self._found)
        return has_moved or (total > matched and has_new_ones) or live > matched_live


def _compared(spec: JobSpec, values: list[Any], *, is_held: bool) -> _Found:
    model, fingerprint, files, paths, *own = values
    sent = (spec.model, spec.fingerprint, json_text(spec.files), json_text(spec.paths))
    if not is_held and sent != (model, fingerprint, files, paths):  # the inputs are in the fingerprint
        return _Found.OTHERWISE
    if fingerprint != spec.fingerprint:
        return _Found.SAME if own[1:] == [spec.source, spec.variant] else _Found.KEPT
    return _Found.SAME if own == [json_text(spec.row), spec.source, spec.variant] else _Found.ELSEWHERE


def _named(rows: Rows, specs: list[JobSpec]) -> list[Any]:
    return rows(f"{_SELECT} WHERE job_id IN ({', '.join('?' * len(specs))})", tuple(spec.job_id for spec in specs))


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items, so many at a time: what a query takes as its parameters."""
    found = iter(items)
    while chunk := list(islice(found, size)):
        yield chunk
