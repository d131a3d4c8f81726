"""Which rows of a shop's export were which job, where a product takes several rows.

What such a job carries along is no row of the sheet: what is empty in it is filled in from the product's other rows. So
a job is found by its product and its pictures, and what was edited by what the rows would make of it now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final, NamedTuple, Self

from runner.manifest.items import key_of, split_urls
from runner.manifest.original import Row
from runner.manifest.presets import Preset, recognised
from runner.manifest.products import carried
from runner.model import Job
from runner.report.originals import pictures

CHUNK: Final = 400
"""Rows that are put together again at a time."""


class Known(NamedTuple):
    """What became of a row."""

    jobs: list[str]
    is_edited: bool
    """Whether something stands in it now that did not when they were sent."""
    rows: frozenset[int] = frozenset()
    """The rows that they came with, by their hashes."""


class _Sent(NamedTuple):
    """A job of a product."""

    job_id: str
    row: int
    pictures: frozenset[str]


class _Line(NamedTuple):
    """A row of a product as it is now."""

    number: int
    pictures: frozenset[str]
    shown: frozenset[str]
    """The picture of its variant, which has a row of its own elsewhere, as a rule."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look through a sheet found of the products that were run."""

    lines: defaultdict[str, list[_Line]] = field(default_factory=lambda: defaultdict(list))
    now: set[int] = field(default_factory=set)
    """What their jobs would carry along now, by its hash."""


class Spanning:
    """The jobs of an export, by their products."""

    def __init__(self, preset: Preset, header: Iterable[str]) -> None:
        keys = {title: key_of(title) for title in header}
        self._preset = preset
        self._product = next(title for title, key in keys.items() if key in preset.group)
        self._images = [title for title, key in keys.items() if key in preset.images]
        self._shows = [title for title, key in keys.items() if key in preset.shows]
        self._sent: defaultdict[str, list[_Sent]] = defaultdict(list)

    @classmethod
    def of(cls, header: Sequence[str]) -> Self | None:
        """None where these are not the columns of such an export."""
        preset = recognised(header)
        return cls(preset, header) if preset is not None and preset.spans_rows else None

    def add(self, job: Job, row: int) -> None:
        """One more job, and the hash of the row that it came with."""
        urls = frozenset(url for url in pictures(job.spec.inputs) if "://" in url[:8])
        sent = urls or _urls(job.spec.row, self._images)  # photos of this machine stand as paths in the sheet
        self._sent[job.spec.row.get(self._product, "").strip()].append(_Sent(job.job_id, row, sent))

    def seen(self, rows: Iterable[tuple[int, Row]], look: Look) -> Iterator[tuple[int, Row]]:
        """The rows of a sheet, with their numbers, one by one; what they are goes to `look`."""
        held: list[tuple[int, Row]] = []
        for product, members in groupby(rows, key=lambda row: dict(row[1]).get(self._product, "").strip()):
            if product not in self._sent:
                yield from members
                continue
            for number, row in (together := [*members]):
                texts = dict(row)
                look.lines[product].append(_Line(number, _urls(texts, self._images), _urls(texts, self._shows)))
            held += together
            if len(held) > CHUNK:
                look.now.update(self._carried(held))
                held = []
            yield from together
        look.now.update(self._carried(held))

    def _carried(self, rows: Sequence[tuple[int, Row]]) -> Iterator[int]:
        """The hashes of what jobs of these rows would carry along; where a row is one by itself, of the row."""
        header = [title for _, row in rows[:1] for title, _ in row]
        cells = ((number, number, [text for _, text in row]) for number, row in rows)
        yield from (hash(row) for _, row in rows)
        yield from (hash(tuple(zip(header, row, strict=True))) for row in carried(self._preset, header, cells))

    def placed(self, look: Look, by_row: Mapping[int, int]) -> dict[int, Known]:
        """The rows of products that were run, by number; those whose own picture was not sent are left out.

        `by_row` are the rows that are known by themselves, by number, as the hashes of what they were.
        """
        found: dict[int, Known] = {}
        for product, lines in look.lines.items():
            shown = frozenset[str]().union(*(line.pictures for line in lines))
            for number, jobs in _placed(self._sent[product], lines, shown, by_row).items():
                rows = frozenset(job.row for job in jobs)
                is_edited = bool(rows - look.now) or any(
                    _is_whole(job, shown) and not shown <= job.pictures for job in jobs
                )
                found[number] = Known([job.job_id for job in jobs], is_edited, rows)
        return found


def _placed(
    sent: Sequence[_Sent], lines: Sequence[_Line], shown: frozenset[str], by_row: Mapping[int, int]
) -> dict[int, list[_Sent]]:
    """The jobs of each row of a product, in their order; none of a row that goes along with the others.

    A job of several pictures is its first row's, one of a single picture is that one's; what has none of those that
    there are, and is alone, is of what the product was.
    """
    first = lines[0].number
    own = {by_row[line.number] for line in lines if line.number in by_row}
    found = {line.number: [job for job in sent if job.row == by_row.get(line.number)] for line in lines}
    left = []
    for job in sent:
        if job.row not in own:
            numbers = [first] if _is_whole(job, shown) else _numbers(job, lines, _same)
            left += [] if numbers else [job]
            for number in numbers:
                found[number].append(job)
    free = [line for line in lines if not found[line.number]]
    for job in left:  # a URL that was signed anew is another for the sheet, and the same picture
        for number in _numbers(job, free, _path):
            found[number].append(job)
    if not any(found.values()) and len({job.row for job in sent}) == 1:
        found[first] += sent
    paths = {_path(url) for job in sent for url in job.pictures}
    return {n: found[n] for n, urls, _ in lines if found[n] or paths.issuperset(map(_path, urls))}


def _numbers(job: _Sent, lines: Sequence[_Line], alike: Callable[[str], str]) -> list[int]:
    """The rows of a job's picture, by what of its URL is to be the same."""
    wanted = set(map(alike, job.pictures))
    listed = [line.number for line in lines if not wanted.isdisjoint(map(alike, line.pictures))]
    return listed or [line.number for line in lines if not wanted.isdisjoint(map(alike, line.shown))]


def _is_whole(job: _Sent, shown: frozenset[str]) -> bool:
    """Whether several pictures of a product are in a job; each counts also where its URL was signed anew."""
    return max(len(shown & job.pictures), len({*map(_path, shown)} & {*map(_path, job.pictures)})) > 1


def _urls(row: Mapping[str, str], titles: Iterable[str]) -> frozenset[str]:
    return frozenset(url for title in titles for url in split_urls(row.get(title, "").strip()))


def _same(url: str) -> str:
    return url


def _path(url: str) -> str:
    return url.partition("?")[0]
