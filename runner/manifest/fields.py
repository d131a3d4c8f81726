"""How a field is read from the cells of a row: a text, a number, pictures in one cell or in a column each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from runner.manifest.gaps import Gapped, gap_in
from runner.manifest.items import split_urls, typed

Read = Callable[[Sequence[str]], Any]
"""A row's cells to a field's value; `None` where it is empty."""


def reader(
    name: str,
    indexes: Sequence[int],
    schema: Mapping[str, Any],
    header: Sequence[str],
    skipped: Mapping[int, str],
    *,
    is_media: bool,
) -> Read:
    """How a field is read from a row; what does not fit stays text, and the schema says so.

    `skipped` are the columns that are missing in a numbering, each before the one that comes next.
    """
    first, kind = indexes[0], schema.get("type")
    if name == "prompt":
        return lambda cells: cells[first].strip("\r\n") or None
    if name == "id":
        return lambda cells: cells[first].strip()
    if kind == "array" or (is_media and not schema):
        if is_media:
            return lambda cells: _pictures(cells, indexes, header, skipped) or None
        return lambda cells: split_urls(cells[first].strip()) or None
    if is_media:
        return lambda cells: next((cells[index].strip() for index in indexes if cells[index].strip()), None)
    if kind in ("integer", "number", "boolean"):
        return lambda cells: typed(text, kind) if (text := cells[first].strip()) else None
    return lambda cells: cells[first].strip() or None


def _pictures(
    cells: Sequence[str], indexes: Sequence[int], header: Sequence[str], skipped: Mapping[int, str]
) -> list[str]:
    """The pictures of some columns in their order; it is marked where one is missing before others."""
    texts = [cells[index].strip() for index in indexes]
    found = [url for text in texts for url in split_urls(text)]
    if found and (skipped or found != texts) and (gap := gap_in(texts, indexes, header, skipped)):
        return Gapped(found, gap)
    return found
