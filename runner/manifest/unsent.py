"""What is wrong with a sheet's columns once each field has its own, and which of the others look as if they were meant.

A mistyped `aspect_ration` would be carried along and left out of what is sent, silently, and the edit paid for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from runner.manifest.diagnostics import Findings, Place, did_you_mean, nearest
from runner.manifest.given import Given
from runner.manifest.header import Header
from runner.manifest.items import holds_picture, key_of
from runner.manifest.presets import recognised
from runner.manifest.tables import cell_name
from runner.manifest.words import (
    LONGEST_URL,
    PICTURE,
    field_like,
    is_of_pictures,
    is_of_prompts,
)

BRACKETED: Final = re.compile(r"\s*[(\[{\uff08\uff3b\u3010<].*\Z", re.DOTALL)
"""What a template of a sheet says behind a field's name: `aspect_ratio (optional)`."""


class Unsent:
    """A header, the fields of a model, and the columns that give them or are told of already."""

    def __init__(
        self,
        header: Header,
        fields: Sequence[str],
        urls: Sequence[str],
        of: Mapping[str, Sequence[int]],
        aside: Iterable[int],
        findings: Findings,
    ) -> None:
        """`urls` are the fields of media, `of` the columns of each field, `aside` the others that were told."""
        self._header = header
        self._source = header.source
        self._fields = fields
        self._urls = urls
        self._of = of
        self._used = {*aside, *(index for indexes in of.values() for index in indexes)}
        self._findings = findings

    def check_twins(self, by_name: Iterable[int]) -> None:
        """No two columns for one field, and no two of the user's own under one name: one of them would be lost.

        `by_name` are the columns that give a field by their names.
        """
        keys, first = self._header.keys, dict[str, int]()
        fields = {key for key in ("id", "model", *self._fields) if key not in self._source.columns}
        fields |= {keys[index] for index in by_name}
        is_preset = self._source.preset is not None  # a feed repeats attributes; only what is sent must be plain
        for index, title in enumerate(self._header.titles):
            name = keys[index] if keys[index] in fields else "" if is_preset else title.strip()
            if name and first.setdefault(name, index) != index:
                hint = f"the first is {cell_name(first[name], 1)}: rename one of them"
                message = f"two columns are named {name!r}"
                self._findings.error("duplicate-column", self._header.at(index), message, hint)

    def check_needed(self, given: Given) -> None:
        """Each job needs a prompt and pictures."""
        alone = self._source.is_alone
        for name in ("prompt", "image_urls"):
            if name not in self._fields or name in self._of or name in given.fields:
                continue
            place = self._source.place("columns", "file") if not alone else Place()
            if self._source.preset is None:
                self._findings.error("missing-column", place, f"no column {name!r}", self._remedy(name))
            elif name == "prompt":
                hint = "one for all:  --prompt '…'" if alone else "one for all:  defaults: {prompt: …}"
                self._findings.error("missing-column", place, f"no column {name!r}", hint)

    def _remedy(self, name: str) -> str:
        """What is to be done where a column is missing."""
        titles = self._header.titles
        if len(titles) > 1 and len(list(filter(str.strip, titles))) == 1:
            return "the first row names the columns: is it a title? take it out"
        preset = recognised(titles)
        if preset is None or name == "prompt":
            return self._nearly(name)
        return f"it looks like an export of {preset.name}, which is read with  {self._source.by_preset(preset)}"

    def _nearly(self, name: str) -> str:
        """Which column is probably meant for a field; of pictures, all that are called so or hold some."""
        titles = self._header.titles
        if name == "prompt":
            found = [title for title, key in zip(titles, self._header.keys, strict=True) if is_of_prompts(key)][:1]
        else:
            found = self._header.in_order(self._pictured())
        if name not in (*self._urls, "prompt") or not found:
            if marks := self._counting(name):
                return marks
            hint, found = did_you_mean(name, titles), [near] if (near := nearest(name, titles)) else []
        else:
            hint = f"did you mean {' and '.join(map(repr, found))}?"
        return f"{hint} map it with  {self._source.mapping(name, found)}" if found else hint

    def _pictured(self) -> set[int]:
        """The columns of pictures, by their names or by what is in them; of numbered ones also those that are empty."""
        header = self._header
        named = (index for index, title in enumerate(header.titles) if title.strip() and index not in self._used)
        held = {index for index in named if holds_picture(header.texts.get(index, ""))}
        empty = {index for index in header.like(held) if not header.texts.get(index, "").strip()} if held else set()
        called = {index for index, key in enumerate(header.keys) if is_of_pictures(key)}
        return held | empty | called - header.marks

    def _counting(self, name: str) -> str:
        """What is to be done about a column that is called like pictures, and holds a number or a tick."""
        header = self._header
        for index in sorted(header.marks) if name in self._urls else ():
            if is_of_pictures(header.keys[index]):
                held = f"{header.titles[index]!r} holds {header.texts[index].strip()[:40]!r}, and no picture"
                how = self._source.mapping(name, ["COLUMN"])
                return f"{held}: write its URL there, or say where it stands with  {how}"
        return ""

    def tell_export(self, given: Given) -> None:
        """A shop's export that is read as any sheet: of a product that spans rows only the first has a title.

        Where each row is a product it hardly matters, and is noted where its cells go into a template. Whoever names
        the columns of pictures, or says which rows are wanted, knows what he has.
        """
        source, header = self._source, self._header
        preset = recognised(header.titles) if source.preset is None else None
        pictures = self._urls[0] if self._urls else ""
        if preset is None or not (pictures in self._of or pictures in given.fields):  # that is an error, which says so
            return
        is_chosen = pictures in source.columns or pictures in given.fields
        keys = header.keys
        is_torn = preset.spans_rows and any(key == "title" and index in header.half for index, key in enumerate(keys))
        if not is_torn and (is_chosen or given.names.isdisjoint({*keys, "row"})):
            return
        place = header.at(next(keys.index(key) for key in preset.group if key in keys))
        message = f"it looks like an export of {preset.name}, and each row is read as a product of its own"
        hint = f"it is read as the shop means it with  {source.by_preset(preset)}"
        if is_torn and not is_chosen and source.where is None:
            self._findings.warn("preset", place, message, hint)
        else:
            self._findings.note("preset", place, message, hint)

    def tell_mistyped(self, given: Given) -> None:
        """Columns that are nearly called like a field that has none, and that no template asks for."""
        is_preset = self._source.preset is not None
        free = [name for name in self._fields if name not in self._of and not (is_preset and name in self._urls)]
        for index, key in enumerate(self._header.keys):
            if index in self._used or key in given.names or len(key) < 5:
                continue
            title = self._header.titles[index]
            bare = key_of(BRACKETED.sub("", title))
            if near := bare if bare in free else nearest(key, free, cutoff=0.8):
                message = f"the column {title!r} is not sent"
                how = f" map it with  {self._source.mapping(near, [title])}" if near == bare else ""
                hint = f"did you mean {near!r}?{how}"
                self._findings.warn("unused-column", self._header.at(index), message, hint)

    def tell_foreign(self, given: Given) -> None:
        """Columns called like a field of another model, or as one of this is called elsewhere."""
        if self._source.preset is not None or "row" in given.names:
            return
        found = {
            index: near
            for index, key in enumerate(self._header.keys)
            if index not in self._used
            and key not in given.names
            and (near := field_like(key, self._header.texts.get(index, ""), self._fields)) is not None
        }
        if not found:
            return
        named = [f"{self._header.titles[index]!r}" + f" (is it {near}?)" * bool(near) for index, near in found.items()]
        message = f"carried along, and not sent: {', '.join(named)}"
        hint = "to send such a column say which field it is:  "
        hint += "--col FIELD=COLUMN" if self._source.is_alone else "columns: {field: column}"
        self._findings.warn("unused-column", self._header.at(min(found)), message, hint)

    def tell_pictures(self, given: Given) -> None:
        """Columns that hold pictures, whatever they are called."""
        header, name = self._header, self._urls[0] if self._urls else ""
        is_given = name in given.fields
        is_said = name in self._source.columns or (is_given and self._source.is_alone)
        if "row" in given.names or is_said or not (is_given or name in self._of):
            return
        own = {i: text.strip() for i, text in header.texts.items() if i not in self._used}
        found = [
            index
            for index, text in own.items()
            if header.keys[index] not in given.names and len(text) < LONGEST_URL and PICTURE.fullmatch(text)
        ]
        titles = header.in_order([*self._of.get(name, ()), *found])
        for index in found:
            hint = self._source.mapping(name, titles)
            if name not in self._of:
                hint = f"name it in the default of {name}, as in  {{{{ {header.keys[index]} }}}}"
            message = f"the column {header.titles[index]!r} holds pictures that are not sent"
            self._findings.warn("unused-column", header.at(index), message, f"to send them as well:  {hint}")
