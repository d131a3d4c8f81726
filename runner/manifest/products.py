"""Products of a shop's export: many rows each, as the preset says; a job of each, or of each of its pictures."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self

from runner.manifest.columns import Columns
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.gaps import Gap, Gapped, name_of
from runner.manifest.given import Given, Source
from runner.manifest.items import Entry, Item, Sieve, is_filled_in, key_of, split_urls
from runner.manifest.picture_ids import id_of, picture_ids
from runner.manifest.presets import Group, Picture, Preset, groups
from runner.manifest.rows import ALIKE, RowScope, Table
from runner.manifest.spoilt import look_at_prompt, refuse_spoilt
from runner.manifest.tables import Cells, Sheet, cell_name
from runner.manifest.templates import Condition, TemplateProblem
from runner.model import InputRules, RulesOf

_NAMES: Final = ("handle", "image_count", "position")
"""What templates may ask of a product beside its columns."""
MADE_OF: Final = {"product": "product", "image": "picture"}
"""What a job is made of, by the source's `per`."""
PICTURED: Final = "give it one, or leave it out:  where: image_count > 0"


@dataclass(frozen=True, slots=True)
class _Part:
    """What a job is made of: a product with all its pictures, or one of them."""

    name: str
    pictures: Sequence[Picture]
    cells: Sequence[str]
    line: int
    number: int
    extras: Mapping[str, str]
    row: Sequence[str]
    """The row that is carried along with it."""
    differing: Mapping[int, str] = field(default_factory=dict)
    """The columns of which it has several texts, and why."""
    unshown: Mapping[int, str] = field(default_factory=dict)
    """The columns of which it has none, since no variant shows it, and why."""
    shown_by: Sequence[Cells] = ()
    """The rows of the variants that show it."""


@dataclass(frozen=True, slots=True)
class _Own:
    """The columns, from 0, that are about a row's own variant or picture."""

    variant: Sequence[int]
    indexes: Container[int]
    """Both together."""
    shows: int | None
    """The one that holds the picture of a row's variant."""

    @classmethod
    def of(cls, preset: Preset, header: Sequence[str]) -> Self:
        """Those of a header."""
        keys = [key_of(name) for name in header]
        variant = [index for index, key in enumerate(keys) if preset.variant.fullmatch(key)]
        pictured = [index for index, key in enumerate(keys) if preset.pictured.fullmatch(key)]
        return cls(variant, {*variant, *pictured}, next((keys.index(key) for key in preset.shows if key in keys), None))


def products(
    source: Source, preset: Preset, table: Table, sheet: Sheet, rules_of: RulesOf, given: Given, findings: Findings
) -> Iterator[Item]:
    """The items of an export's products; what is wrong with it goes to the findings."""
    rules = rules_of(given.model)
    media, is_list = _media_field(rules)
    columns = Columns(source, table.header, rules, given, findings)
    pictures = columns.of.get(media) if media in source.columns else None
    readers = [reader for reader in columns.readers if reader[0] != media]
    is_one_each = source.per == "image"
    own = _Own.of(preset, table.header)
    _empty_stand_ins(preset, table)
    sieve = Sieve(source.where, source.place("where"), table.label, findings, of=MADE_OF[source.per])
    kept = _kept(source, table, given, media)
    is_told = False
    mapping = partial(source.mapping, media)
    for group in groups(preset, table.header, sheet.rows, pictures, mapping, findings, table.label):
        places = {media: group.pictured_in, "id": group.named_by, **columns.first}
        used = [group.named_by, *(index for _, indexes, _ in readers for index in indexes)]
        is_wanted = False
        for part in _one_each(group, own) if is_one_each and group.pictures else [_whole(group)]:
            differing = part.differing if is_one_each else group.differing()
            scope = RowScope(table, part.cells, part.number, part.extras, differing=differing, unshown=part.unshown)
            item = Entry({}, f"{table.label}:{part.line}", partial(_place_in, table, part, places, media), scope)
            if not sieve.takes(item, _judged(group, part, own, source.where, table)):
                continue
            is_wanted = True
            has_job = bool(part.pictures) or (not is_one_each and media in given.fields | given.overridden)
            if not part.pictures:
                sign = None if is_told else preset.variation
                is_told |= _tell_no_picture(sign, group, table, item, findings, has_job=has_job)
            if not has_job:
                continue
            item.fields = {name: value for name, _, read in readers if (value := read(part.cells)) is not None}
            if "id" not in kept:
                base = item.fields.get("id") or group.name
                item.fields["id"] = id_of(base, part.name) if part.name else base
            if media not in kept and part.pictures:
                item.fields[media] = _media_of(part, None if is_one_each else group.gap, is_list=is_list)
            item.row = table.row(part.row)
            item.id_at = cell_name(places["id"], part.number)
            refuse_spoilt(part.cells, used, part.line, part.number, table.label, findings)
            look_at_prompt(item, findings)
            if not is_one_each:
                count = len(part.pictures)
                _check_whole(group, item, readers, count if is_list else min(count, 1), table, findings)
            yield item
        if (is_wanted or is_one_each) and own.shows is not None and pictures is None and media not in kept:
            _tell_unlisted(group, own, media, source, table, findings)
    sieve.tell()


def carried(preset: Preset, header: Sequence[str], rows: Iterable[Cells]) -> Iterator[Sequence[str]]:
    """The row that each job of some products carries along: of a whole one, and of each of its pictures."""
    own = _Own.of(preset, header)
    for group in groups(preset, header, iter(rows), None, lambda _: "", Findings(""), ""):
        yield from (part.row for part in (_whole(group), *_one_each(group, own)))


def _media_field(rules: InputRules | None) -> tuple[str, bool]:
    """The model's first field of pictures, and whether that takes several."""
    media = rules.url_fields[0] if rules and rules.url_fields else "image_urls"
    return media, rules is None or rules.fields[media].get("type") == "array"


def _empty_stand_ins(preset: Preset, table: Table) -> None:
    """Let a shop's word for what has no variants be an empty cell of the table, where it has such columns."""
    if preset.stands_in and all(table.names.get(key, -1) >= 0 for key, _ in preset.stands_in):
        (named, title), (valued, word) = preset.stands_in
        table.stands_in = (table.names[named], title), (table.names[valued], word)


def _kept(source: Source, table: Table, given: Given, media: str) -> set[str]:
    """Of a product's id and pictures what the manifest gives: by a flag, or by a default that columns are filled in."""
    titles = [*table.header, *_NAMES]
    filled = {name for name in (media, "id") if any(is_filled_in(one, given.defaults.get(name)) for one in titles)}
    return filled | ({media} & given.fields if source.is_alone else set())


def _media_of(part: _Part, gap: Gap | None, *, is_list: bool) -> list[str] | str:
    urls = [picture.url for picture in part.pictures]
    if not is_list:
        return urls[0]
    return Gapped(urls, gap) if gap else urls


def _whole(group: Group) -> _Part:
    extras = {"handle": group.name, "image_count": str(len(group.pictures))}
    return _Part("", group.pictures, group.cells, group.line, group.number, extras, group.cells)


def _one_each(group: Group, own: _Own) -> Iterator[_Part]:
    """Each picture with its row's texts, and the product's where its row has none, but in columns that are its own.

    What its row says of a variant is another's: a picture has the texts of the variants that show it. One that none
    shows has what all of them say.
    """
    shown: dict[str, list[Cells]] = {}
    for row in group.rows if own.shows is not None else ():
        for url in split_urls(row[2][own.shows or 0].strip()):
            shown.setdefault(url, []).append(row)
    every = [row for row in group.rows if any(row[2][index].strip() for index in own.variant)]
    names = picture_ids([picture.url for picture in group.pictures])
    for picture, name in zip(group.pictures, names, strict=True):
        extras = {"handle": group.name, "image_count": str(len(group.pictures)), "position": str(picture.position)}
        beside = _filled_up(picture.cells, group, own.indexes)
        cells, differing, unshown = [*beside], dict[int, str](), dict[int, str]()
        of_it = shown.get(picture.url)
        for index in own.variant:
            texts = {row[2][index].strip(): row for row in of_it or every}
            is_plain = of_it is not None or len(texts) < 2
            cells[index] = next(iter(texts.values()))[2][index] if texts and is_plain else ""
            if not is_plain:
                where = cell_name(picture.column, picture.number)
                unshown[index] = f"no variant shows the picture {name_of(picture.url)!r} (cell {where})"
            elif len(texts) > 1:
                where = cell_name(index, list(texts.values())[1][1])
                differing[index] = f"cell {where} is of another variant with the same picture"
        at = (picture.line, picture.number)
        carried = cells if shown else beside
        yield _Part(name, (picture,), cells, *at, extras, carried, differing, unshown, of_it or ())


def _tell_no_picture(
    sign: tuple[str, str] | None, group: Group, table: Table, item: Item, findings: Findings, *, has_job: bool
) -> bool:
    """Say that a product has no picture; of a variation, by its `sign`, which one its shop shows. Whether it is one."""
    column, word = sign or ("", "")
    index = table.names.get(column, -1)
    is_variation = index >= 0 and group.cells[index].strip().lower() == word
    if is_variation:
        message = f"{group.name!r} is a {word} without a picture of its own: the shop shows its parent's"
        message += "" if has_job else ", and there is no job for it"
        hint = f"copy that into its cell, or leave such rows out:  where: {column} != '{word}'"
        findings.warn("no-pictures", item.at(), message, hint)
    elif not has_job:
        message = f"{group.name!r} has no picture: there is no job for it"
        findings.warn("no-pictures", item.at(), message, PICTURED)
    return is_variation


def _tell_unlisted(group: Group, own: _Own, media: str, source: Source, table: Table, findings: Findings) -> None:
    """Pictures of variants that stand among none of the product's: a shop lists them there, a sheet by hand may not."""
    shows = own.shows or 0
    listed = {picture.url for picture in group.pictures}
    titles = [table.header[group.pictured_in], table.header[shows]]
    hint = f"to send such pictures as well:  {source.mapping(media, titles)}"
    for line, number, cells in group.rows:
        for url in split_urls(cells[shows].strip()):
            if url not in listed and _would_be_taken(group, (line, number, cells), len(listed) + 1, own, source, table):
                place = Place(line=line, cell=cell_name(shows, number), file=table.label)
                message = f"{name_of(url)!r} stands in {titles[1]!r} alone: a picture that is not sent"
                findings.warn("pictures-left", place, message, hint)
                listed.add(url)


def _would_be_taken(group: Group, row: Cells, position: int, own: _Own, source: Source, table: Table) -> bool:
    """Whether a source's condition would take the picture of a row's variant, were it listed behind the others.

    Where a product is one job it was asked of the product; one that cannot be judged is not left out by it.
    """
    if source.where is None or source.per != "image":
        return True
    _, number, cells = row
    extras = {"handle": group.name, "image_count": str(len(group.pictures)), "position": str(position)}
    scope = RowScope(table, _filled_up(cells, group, own.indexes), number, extras, is_condition=True)
    try:
        return source.where.holds(scope)
    except TemplateProblem:
        return True


def _judged(group: Group, part: _Part, own: _Own, where: Condition | None, table: Table) -> Iterator[RowScope]:
    """By which rows it is judged whether a part is wanted: its own, or where they differ each of its product's.

    Of a picture those of the variants that show it.
    """
    if where is None:
        return
    indexes = {table.names.get(name, -1) for name in where.names}
    is_whole = part.cells is group.cells
    several = (group.differing() if len(group.rows) > 1 else {}) if is_whole else part.differing
    differing = {index for index in several if index in indexes or "row" in where.names}
    if not differing:
        yield RowScope(table, part.cells, part.number, part.extras, is_condition=True, unshown=part.unshown)
        return
    for _, number, cells in group.rows if is_whole else part.shown_by:
        if any(cells[index].strip() for index in differing):
            texts = _filled_up(cells, group, own.indexes)
            if not is_whole:
                texts = [texts[index] if index in own.variant else text for index, text in enumerate(part.cells)]
            yield RowScope(table, texts, number, part.extras, is_condition=True)


def _filled_up(cells: Sequence[str], group: Group, own: Container[int]) -> list[str]:
    """A row's texts, and its product's where it has none, but in columns that are its own."""
    both = enumerate(zip(cells, group.cells, strict=True))
    return [text if text.strip() or index in own else common for index, (text, common) in both]


def _place_in(table: Table, part: _Part, columns: Mapping[str, int], media: str, *path: str | int) -> Place:
    """Where a field of a product stands: a picture in its own row."""
    if path and path[0] == media and part.pictures:
        index = path[1] if len(path) > 1 and isinstance(path[1], int) else 0
        picture = part.pictures[min(index, len(part.pictures) - 1)]
        return Place(line=picture.line, cell=cell_name(picture.column, picture.number), file=table.label)
    return table.place(part.line, part.number, columns, *path)


def _check_whole(
    group: Group,
    item: Item,
    readers: Iterable[tuple[str, list[int], Any]],
    count: int,
    table: Table,
    findings: Findings,
) -> None:
    """One job has one prompt, and `count` pictures: what its product has beyond that is not left out silently."""
    for name, (index, *_), _ in readers:
        for line, number, cells in group.rows[1:]:
            if cells[index].strip() and cells[index].strip() != group.cells[index].strip():
                place = Place(line=line, cell=cell_name(index, number), file=table.label)
                message = f"{name} differs from row to row of {group.name!r}, and one job is made of them"
                findings.error("rows-differ", place, message, ALIKE)
                break
    if count < len(group.pictures):
        message = f"the model takes one picture: the other {len(group.pictures) - count} of {group.name!r} are not sent"
        findings.warn("pictures-left", item.at(), message, "per: image  makes a job of each")
