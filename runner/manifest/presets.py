"""What well-known shops export, read as it is: which columns hold the pictures, which rows belong together.

A preset turns the rows of a sheet into *groups*; a group is a product: its texts (of a product that spans several rows,
the first that is not empty in each column), and its pictures in their order. Each generation of column names that a
shop has used is known; which one a sheet has is seen by its header.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import Final

from runner.manifest.apart import FirstLines
from runner.manifest.diagnostics import Findings, Place, nearest
from runner.manifest.gaps import Gap, gap_in, name_of
from runner.manifest.items import holds_picture, key_of, split_urls
from runner.manifest.tables import Cells, cell_name
from runner.manifest.words import in_order, is_of_pictures

LOOKED_AT: Final = 20
"""Rows that are looked at for pictures where no column is called as a shop calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How a shop's sheet is read; each column by all the names that it has had, as `key_of` spells them."""

    name: str
    group: tuple[str, ...]
    """What names a product: consecutive rows with the same value are one. The first of these that the sheet has, and
    that is not empty in the row."""
    images: tuple[str, ...]
    """Columns with one or more URLs; all of those that the sheet has, in this order, and at least one."""
    more: tuple[str, ...] = ()
    """Columns with further URLs, which a sheet may have beside those."""
    position: tuple[str, ...] = ()
    """The picture's place among those of its product."""
    spans_rows: bool = False
    """Whether a product may take several rows."""
    variation: tuple[str, str] | None = None
    """The column, and its word there, that make a row a variant of another one."""
    pictured: re.Pattern[str] = re.compile("(?!)")
    """Columns about a row's picture: an empty one is not filled from another row, which is about another."""
    variant: re.Pattern[str] = re.compile("(?!)")
    """Columns about a row's variant, likewise. A row's variant and its picture only stand side by side."""
    shows: tuple[str, ...] = ()
    """The picture of a row's variant."""
    stands_in: tuple[tuple[str, str], tuple[str, str]] | None = None
    """Two columns with a word each: where both hold theirs, the second has nothing to say."""


PRESETS: Final[Mapping[str, Preset]] = {
    preset.name: preset
    for preset in (
        Preset(
            name="shopify",
            group=("handle", "url_handle"),
            images=("image_src", "product_image_url"),
            position=("image_position", "product_image_position"),
            spans_rows=True,
            pictured=re.compile(r"(product_)?image_(src|url|position|alt_text)"),
            variant=re.compile(
                r"variant_.*|option\d+_value|sku|barcode|price|compare_at_price|cost_per_item|inventory_.*|weight_.*|"
                r"unit_price_.*"
            ),
            shows=("variant_image", "variant_image_url"),
            stands_in=(("option1_name", "Title"), ("option1_value", "Default Title")),  # of what has no variants
        ),
        Preset(name="woocommerce", group=("sku", "id"), images=("images",), variation=("type", "variation")),
        Preset(
            name="google-merchant",
            group=("id",),
            images=("image_link",),
            more=("additional_image_link", "additional_image_links"),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a product: its URL, its place from 1, the column it stands in, and its row."""

    url: str
    position: int
    column: int
    line: int
    number: int
    cells: Sequence[str]
    said: int | None = None
    """The place that the sheet gives it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A product."""

    name: str
    named_by: int
    """The column that its name stands in."""
    rows: Sequence[Cells]
    cells: Sequence[str]
    """Its texts: in each column the first that is not empty."""
    pictures: tuple[Picture, ...]
    pictured_in: int
    """The first column that pictures may stand in."""
    gap: Gap | None = None

    @property
    def line(self) -> int:
        """Where it begins in the file."""
        return self.rows[0][0]

    @property
    def number(self) -> int:
        """Where it begins in the spreadsheet."""
        return self.rows[0][1]

    def differing(self) -> dict[int, str]:
        """The columns with several texts, of which no template can have one, and why."""
        found: dict[int, str] = {}
        for _, number, cells in self.rows[1:]:
            for index, (text, common) in enumerate(zip(cells, self.cells, strict=True)):
                if text.strip() and text.strip() != common.strip() and index not in found:
                    found[index] = f"cell {cell_name(index, number)} differs from other rows of {self.name!r}"
        return found


SIGNS: Final = {
    "shopify": (("handle", "url_handle"), ("image_src", "product_image_url")),
    "woocommerce": (("type",), ("sku",), ("name",), ("images",), ("published",)),
    "google-merchant": (("id",), ("title",), ("image_link",)),
}
"""The columns by which an export is known: one of each."""


def recognised(header: Sequence[str]) -> Preset | None:
    """The preset that a header belongs to, where that is plain."""
    keys = {key_of(name) for name in header}
    fitting = (name for name, signs in SIGNS.items() if all(keys.intersection(sign) for sign in signs))
    return next((PRESETS[name] for name in fitting), None)


def groups(
    preset: Preset,
    header: Sequence[str],
    rows: Iterator[Cells],
    pictures: Sequence[int] | None,
    mapping: Callable[[Sequence[str]], str],
    findings: Findings,
    label: str,
) -> Iterator[Group]:
    """The products of a sheet; what is wrong with the sheet goes to the findings.

    `pictures` are the columns of pictures, where the user names them; `mapping` is how that is said.
    """
    keys = [key_of(name) for name in header]
    naming = [keys.index(key) for key in preset.group if key in keys]
    images = pictures or _columns(preset.images, keys)
    if not naming or not images:
        missing = preset.group if not naming else preset.images
        message = f"the preset {preset.name} needs a column {' or '.join(repr(key) for key in missing)}"
        titles = _pictured(header, keys, islice(rows, LOOKED_AT)) if naming else []
        found = ", ".join(header)
        hint = f"pictures are read from others with  {mapping(titles)}" if titles else f"columns found: {found}"
        findings.error("missing-column", Place(file=label), message, hint)
        return
    images = pictures or [*images, *_columns(preset.more, keys)]
    position = next((keys.index(key) for key in preset.position if key in keys), None)
    shows = _columns(preset.shows, keys)
    is_told = not preset.position or position is not None

    for name, index, one in _products(preset, rows, naming, header, findings, label):
        shown = _pictures(one, images, position, shows, findings, label)
        if not is_told and len(shown) > 1:
            _tell_no_positions(preset.position[0], header, one, findings, label)
            is_told = True
        cells = [next((row[2][i] for row in one if row[2][i].strip()), "") for i in range(len(header))]
        texts = [cells[column].strip() for column in images]
        gap = _gap(shown) if preset.position else gap_in(texts, images, header)
        yield Group(name, index, one, cells, shown, images[0], gap)


def _products(
    preset: Preset,
    rows: Iterable[Cells],
    naming: Sequence[int],
    header: Sequence[str],
    findings: Findings,
    label: str,
) -> Iterator[tuple[str, int, list[Cells]]]:
    """The rows of each product, with its name and the column that the name stands in."""

    def name_of(row: Cells) -> tuple[str, int]:
        cells = row[2]
        index = next((index for index in naming if cells[index].strip()), naming[0])
        return cells[index].strip(), index

    filled = (row for row in rows if any(map(str.strip, row[2])))
    begun = FirstLines()
    for (name, index), members in groupby(filled, key=name_of):
        if not preset.spans_rows:
            yield from ((name, index, [row]) for row in members)
            continue
        together = list(members)
        before = begun.first((name, index), together[0][0]) if name else None
        if before is None:
            yield name, index, together
        else:
            _refuse_apart(name, index, together[0], before, header, findings, label)


def _refuse_apart(
    name: str, index: int, row: Cells, before: int, header: Sequence[str], findings: Findings, label: str
) -> None:
    """A product whose rows lie apart: its later ones have no title, status or price but by those before them."""
    place = Place(line=row[0], cell=cell_name(index, row[1]), file=label)
    message = f"{name!r} comes again: its other rows begin on line {before}, and a product's rows stand together"
    findings.error("rows-apart", place, message, f"sort the sheet by {header[index]}")


def _pictured(header: Sequence[str], keys: Sequence[str], rows: Iterable[Cells]) -> list[str]:
    """The columns that hold pictures by other names, as in the export of a shop in another language."""
    held = {index for _, _, cells in rows for index, text in enumerate(cells) if holds_picture(text)}
    found = held or {index for index, key in enumerate(keys) if is_of_pictures(key)}
    return [header[index] for index in in_order({index: keys[index] for index in found})]


def _gap(pictures: Iterable[Picture]) -> Gap | None:
    """The first picture that is not sent as the number that the sheet gives it."""
    for picture in pictures:
        if picture.said not in (None, picture.position):
            told = f"{name_of(picture.url)!r} has the position {picture.said}, and is sent as image {picture.position}"
            return Gap(picture.position, told)
    return None


def _columns(names: Sequence[str], keys: Sequence[str]) -> list[int]:
    return [index for name in names for index, key in enumerate(keys) if key == name]


def _tell_no_positions(name: str, header: Sequence[str], rows: Sequence[Cells], findings: Findings, label: str) -> None:
    """Which picture is `image 1` is then up to the sheet's order: a mistyped column would change it silently."""
    near = nearest(name, header)
    hint = f"did you mean {near!r}?" if near else "add it where their order is another"
    message = f"no column {name!r}: pictures are taken in the order of their rows"
    findings.warn("missing-column", Place(line=rows[0][0], file=label), message, hint)


def _pictures(
    rows: Sequence[Cells],
    images: Sequence[int],
    position: int | None,
    shows: Sequence[int],
    findings: Findings,
    label: str,
) -> tuple[Picture, ...]:
    """The pictures of a product by their positions, those without one where they stand; each once.

    The picture of a row's variant, in the columns `shows`, comes with the row's own, and has no position that is said.
    """
    found: list[tuple[int, Picture]] = []
    for line, number, cells in rows:
        said = cells[position].strip() if position is not None else ""
        place = re.fullmatch(r"(\d{1,8})(?:[.,]0+)?", said, re.ASCII)
        if said and not place and position is not None:  # without a picture as well: the row may be shifted
            where = Place(line=line, cell=cell_name(position, number), file=label)
            findings.error("position", where, f"{said[:40]!r} is no picture's position", "1, 2, 3 …")
        for column in images:
            for url in split_urls(cells[column].strip()):
                at = int(place[1]) if place else None
                picture = Picture(url, 0, column, line, number, cells, None if column in shows else at)
                found.append((len(found) + 1 if at is None else at, picture))
    found.sort(key=lambda ranked: ranked[0])
    once: dict[str, Picture] = {}
    for _, picture in found:  # a variant repeats its product's picture
        once.setdefault(picture.url, picture)
    return tuple(replace(picture, position=n) for n, picture in enumerate(once.values(), start=1))
