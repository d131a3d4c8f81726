"""What well-known shops export, read as it is: which columns hold the pictures, which rows belong together.

A preset turns the rows of a sheet into *groups*; a group is a product: its texts (of a product that spans several rows,
the first that is not empty in each column), and its pictures in their order. Each generation of column names that a
shop has used is known; which one a sheet has is seen by its header.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.items import key_of, split_urls
from runner.manifest.tables import Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How a shop's sheet is read; each column by all the names that it has had, as `key_of` spells them."""

    name: str
    group: tuple[str, ...]
    """What names a product: consecutive rows with the same value are one. The first of these that the sheet has, and
    that is not empty in the row."""
    images: tuple[str, ...]
    """Columns with one or more URLs; all of those that the sheet has, in this order."""
    position: tuple[str, ...] = ()
    """The picture's place among those of its product."""
    spans_rows: bool = False
    """Whether a product may take several rows."""


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            name="shopify",
            group=("handle", "url_handle"),
            images=("image_src", "product_image_url"),
            position=("image_position", "product_image_position"),
            spans_rows=True,
        ),
        Preset(name="woocommerce", group=("sku", "id"), images=("images",)),
        Preset(
            name="google-merchant",
            group=("id",),
            images=("image_link", "additional_image_link", "additional_image_links"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a product: its URL, its place from 1, and the row and column it stands in."""

    url: str
    position: int
    line: int
    number: int
    column: int


@dataclass(frozen=True, slots=True)
class Group:
    """A product."""

    name: str
    line: int
    number: int
    """Of its first row, in the file and in the spreadsheet."""
    cells: Sequence[str]
    pictures: tuple[Picture, ...]
    named_by: int
    """The column that its name stands in."""


def recognised(header: Sequence[str]) -> Preset | None:
    """The preset that a header belongs to, where that is plain."""
    keys = {key_of(name) for name in header}
    signs = {
        "shopify": ({"handle", "image_src"}, {"url_handle", "product_image_url"}),
        "woocommerce": ({"type", "sku", "name", "images", "published"},),
        "google-merchant": ({"id", "title", "image_link"},),
    }
    return next((PRESETS[name] for name, sets in signs.items() if any(sign <= keys for sign in sets)), None)


def groups(
    preset: Preset, header: Sequence[str], rows: Iterator[Cells], findings: Findings, label: str
) -> Iterator[Group]:
    """The products of a sheet; what is wrong with the sheet goes to the findings."""
    keys = [key_of(name) for name in header]
    naming = [keys.index(key) for key in preset.group if key in keys]
    images = [keys.index(key) for key in preset.images if key in keys]
    if not naming or not images:
        missing = preset.group if not naming else preset.images
        message = f"the preset {preset.name} needs a column {' or '.join(repr(key) for key in missing)}"
        findings.error("missing-column", Place(file=label), message, "columns found: " + ", ".join(header))
        return
    position = next((keys.index(key) for key in preset.position if key in keys), None)

    def name_of(row: Cells) -> tuple[str, int]:
        cells = row[2]
        index = next((index for index in naming if cells[index].strip()), naming[0])
        return cells[index].strip(), index

    filled = (row for row in rows if any(cell.strip() for cell in row[2]))
    if preset.spans_rows:
        for (name, index), members in groupby(filled, key=name_of):
            yield _group(name, index, list(members), images, position)
    else:
        for row in filled:
            name, index = name_of(row)
            yield _group(name, index, [row], images, position)


def _group(name: str, named_by: int, rows: list[Cells], images: list[int], position: int | None) -> Group:
    line, number, first = rows[0]
    cells = [next((row[2][i] for row in rows if row[2][i].strip()), "") for i in range(len(first))]
    found: list[tuple[int, Picture]] = []
    for row_line, row_number, row in rows:
        place = row[position].strip() if position is not None else ""
        for column in images:
            for url in split_urls(row[column].strip()):
                rank = int(place) if place.isdecimal() and len(place) < 9 else len(found) + 1
                found.append((rank, Picture(url, 0, row_line, row_number, column)))
    found.sort(key=lambda ranked: ranked[0])
    once = {picture.url: picture for _, picture in reversed(found)}  # a variant repeats its product's picture
    kept = [picture for _, picture in found if once[picture.url] is picture]
    pictures = [Picture(p.url, n, p.line, p.number, p.column) for n, p in enumerate(kept, start=1)]
    return Group(name, line, number, cells, tuple(pictures), named_by)
