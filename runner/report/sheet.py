"""The user's own sheet back: their columns and rows as they were, and beside them what became of each row."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

from runner.model import Job, JobState, in_usd
from runner.report.results import cost_usd, guarded, unsigned
from runner.report.summary import has_unknown_cost
from runner.rules.oddities import oddities

COST: Final = "rb_cost_usd"
PROMPT: Final = "rb_prompt"
ADDED: Final = ("rb_status", "rb_files", "rb_urls", COST, "rb_error", "rb_look_at", PROMPT)
EDITED: Final = "edited"
"""What is said in `rb_look_at` of a row whose picture is of what stood there before."""
UrlOf = Callable[[str], str]
"""Where a file of the run directory is to be had by the public; empty where nobody said."""
Told = tuple[Sequence[str], Sequence[Job], bool]
"""A row's cells, the jobs that were made of it, and whether it was edited since."""


@dataclass(frozen=True, slots=True)
class Paper:
    """How a sheet is written."""

    delimiter: str
    line_end: str
    codec: str

    def writer(self, file: TextIO) -> Callable[[Sequence[str]], object]:
        """What writes a row so."""
        return csv.writer(file, delimiter=self.delimiter, lineterminator=self.line_end).writerow

    def shown(self, text: str) -> str:
        """A text as a cell: no formula, and what the encoding has no letter for becomes a `?`."""
        return guarded(text).encode(self.codec, "replace").decode(self.codec).removeprefix("\ufeff")


def write_sheet(
    put: Callable[[Sequence[str]], object],
    shown: Callable[[str], str],
    header: Sequence[str],
    rows: Iterable[Told],
    url_of: UrlOf | None,
    again: Collection[str] = (),
) -> None:
    """Every row of the sheet with the jobs that were made of it.

    `put` takes the rows one by one; `shown` makes the text of an added cell one that may stand there: the user's own
    came out of the sheet. Columns that an earlier hand-back added are replaced. `again` are the jobs that were done
    again, perhaps with a prompt that was written for that: the sheet is told, since it is what comes next.
    """
    left_out = {*(() if url_of is not None else ("rb_urls",)), *(() if again else (PROMPT,))}
    added = tuple(name for name in ADDED if name not in left_out)
    kept = [index for index, name in enumerate(header) if name not in ADDED]
    put([*(header[index] for index in kept), *added])
    for cells, jobs, is_edited in rows:
        told = _told(jobs, url_of, is_edited=is_edited) | {PROMPT: "|".join(_prompts(jobs, again))}
        put([*(cells[index] for index in kept), *(shown(told[name]) for name in added)])


def _told(jobs: Sequence[Job], url_of: UrlOf | None, *, is_edited: bool) -> dict[str, str]:
    files = [artifact.path for job in jobs for artifact in job.artifacts]
    failures = [(job, job.failure) for job in jobs if job.failure is not None and job.state is not JobState.DONE]
    odd: set[str] = {oddity for job in jobs for oddity in oddities(job)}
    if is_edited and files:
        odd.add(EDITED)
    return {
        "rb_status": _status(jobs),
        "rb_files": "|".join(files),
        "rb_urls": "|".join(map(url_of, files)) if url_of is not None else "",
        "rb_cost_usd": _cost(jobs),
        "rb_error": "; ".join(dict.fromkeys(unsigned(failure.message) for _, failure in failures)),
        "rb_look_at": ", ".join(sorted(odd)),
    }


def _prompts(jobs: Sequence[Job], again: Collection[str]) -> dict[str, None]:
    """The prompts by which jobs were done again that their row does not hold."""
    found = [(str(job.spec.inputs.get("prompt", "")).strip(), job) for job in jobs if job.job_id in again]
    return dict.fromkeys(text for text, job in found if text not in map(str.strip, job.spec.row.values()))


def _status(jobs: Sequence[Job]) -> str:
    """One word where all agree, as mostly there is one job a row; else each with its number."""
    states = [job.state.value for job in jobs]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    if len(counts) == 1:
        return states[0]
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def _cost(jobs: Sequence[Job]) -> str:
    """Empty where one of them has no known cost: a sum without it would be a lie."""
    if not jobs or any(cost_usd(job) is None or has_unknown_cost(job) for job in jobs):
        return ""
    return f"{sum(in_usd(job.cost) for job in jobs if job.cost is not None):f}"


# -------------------------------------------------------------------------------------------------------------- shops


def shopify_rows(jobs: Iterable[Job], url_of: UrlOf) -> Iterator[list[Any]]:
    """Shopify's import of product images, a row a picture; in the words of the export that the jobs came from.

    Shopify finds products by their handle and wants a title with it; columns that are not there, it leaves alone.
    """
    positions: dict[str, int] = {}
    is_begun = False
    for job in jobs:
        row = job.spec.row
        is_new = "URL handle" in row
        handle = row.get("URL handle" if is_new else "Handle", "") or job.job_id
        if not is_begun:
            is_begun = True
            yield list(NEW_SHOPIFY if is_new else OLD_SHOPIFY)
        for artifact in job.artifacts:
            positions[handle] = positions.get(handle, 0) + 1
            title = row.get("Title", "") if positions[handle] == 1 else ""
            yield [handle, title, url_of(artifact.path), positions[handle], row.get("Title", "")]


OLD_SHOPIFY: Final = ("Handle", "Title", "Image Src", "Image Position", "Image Alt Text")
NEW_SHOPIFY: Final = ("URL handle", "Title", "Product image URL", "Image position", "Image alt text")


def woocommerce_rows(jobs: Iterable[Job], url_of: UrlOf) -> Iterator[list[Any]]:
    """WooCommerce's import, a row a product, which it finds by id or SKU; its pictures in one cell, with commas."""
    products: dict[tuple[str, str, str], list[str]] = {}
    for job in jobs:
        row = job.spec.row
        key = (row.get("ID", ""), row.get("SKU", "") or ("" if row.get("ID") else job.job_id), row.get("Name", ""))
        products.setdefault(key, []).extend(url_of(artifact.path) for artifact in job.artifacts)
    yield ["ID", "SKU", "Name", "Images"]
    for key, urls in products.items():
        yield [*key, ", ".join(urls)]


def write_rows(file: TextIO, rows: Iterable[Sequence[Any]]) -> None:
    """As shops read them: UTF-8, commas, no cell a formula; but what they find a product by stays as they wrote it."""
    writer = csv.writer(file, lineterminator="\r\n")
    is_key: list[bool] = []
    for row in rows:
        is_key = is_key or [name in KEYS for name in row]  # by the first row, which is the header
        writer.writerow(
            [
                guarded(cell) if isinstance(cell, str) and not key else cell
                for cell, key in zip(row, is_key, strict=True)
            ]
        )


KEYS: Final = ("Handle", "URL handle", "ID", "SKU")
