"""Which column of a sheet is which field of a model, and how its cells are read.

What the user says under `columns:` goes first; then a field's own name, however it is spelled; then its synonyms, and
`url_1`, `url_2` … for a list of pictures. A synonym is a guess: it fills no field that the defaults give. The command
line has the last word: a column gives nothing that a flag gives. Every other column is the user's own, and is carried
along. One that looks as if it were meant to be sent is told: a mistyped `aspect_ration` would be left out silently, and
the edit paid for.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from runner.manifest.damage import braces
from runner.manifest.diagnostics import Findings, Place, did_you_mean, nearest
from runner.manifest.fields import Read, reader
from runner.manifest.given import Given, Source
from runner.manifest.header import NO_TEXTS, Header
from runner.manifest.items import is_filled_in, key_of, names_of, texts_in
from runner.manifest.tables import column_name
from runner.manifest.templates import is_template
from runner.manifest.unsent import Unsent
from runner.manifest.words import (
    MEDIA,
    NAMING,
    NEAR,
    SYNONYMS,
    SYNONYMS_OF_ONE,
    is_of_pictures,
    is_of_prompts,
    stem_of,
)
from runner.model import InputRules


class Columns:
    """Which columns hold which field of a model; every other column is the user's own."""

    def __init__(
        self,
        source: Source,
        titles: Sequence[str],
        rules: InputRules | None,
        given: Given,
        findings: Findings,
        texts: Mapping[int, str] = NO_TEXTS,
        half: Container[int] = frozenset(),
    ) -> None:
        """`texts` are the first that stand in the columns, `half` those with empty cells, where somebody has looked."""
        self._source = source
        self._header = Header(source, titles, texts, half)
        self._keys = self._header.keys
        self._findings = findings
        self._fields = list(rules.fields) if rules else ["prompt", "image_urls"]
        self._urls = rules.url_fields if rules else ("image_urls",)
        self._lists = [name for name in self._urls if not rules or rules.fields[name].get("type") == "array"]
        self._by_name: set[int] = set()
        self.lacks_named = False
        """Whether a column that the user names is not there."""
        self.of: dict[str, list[int]] = {}
        """The columns of each field, in the order in which they are read."""
        self._given = given
        self._flags = given.fields if source.is_alone else frozenset()
        self._defaults = frozenset() if source.is_alone else given.fields
        self._aside: set[int] = set()
        """Columns that give way to another, a flag or a default, and are told."""
        self._known = {*self._keys, *given.axes}
        self._marks = {index for index in self._header.marks if self._keys[index] not in given.names}
        self.ticked: dict[int, str] = {}
        """Columns called like pictures that were passed over since they tick off, each with the remedy."""
        self._kept: set[str] = set()
        """Fields whose defaults have a place for the column that would replace them."""
        self._map_named(is_known=rules is not None)
        self._map_by_name()
        self._look_at_the_rest(is_known=rules is not None)
        self.first = {name: indexes[0] for name, indexes in self.of.items()}
        """Each field's first column: where an error of it is shown."""
        self.id_letters = column_name(self.first["id"]) if "id" in self.first else ""
        self.readers = list(self._readers(rules.fields if rules else {}))
        """Each field with its columns, and what reads its value of a row's cells."""

    @property
    def skipped(self) -> Mapping[int, str]:
        """The numbered columns before which one is missing, by index, and what that would be called."""
        return self._header.skipped

    def _readers(self, schemas: Mapping[str, Any]) -> Iterator[tuple[str, list[int], Read]]:
        titles = self._header.titles
        for name, indexes in self.of.items():
            is_media = name in self._urls
            yield name, indexes, reader(name, indexes, schemas.get(name, {}), titles, self.skipped, is_media=is_media)

    def _look_at_the_rest(self, *, is_known: bool) -> None:
        """What is wrong with the columns, and which of those that are not sent were perhaps meant to be."""
        rest = Unsent(self._header, self._fields, self._urls, self.of, self._aside, self._findings)
        rest.check_twins(self._by_name)
        if is_known:
            rest.check_needed(self._given)
        rest.tell_export(self._given)
        rest.tell_mistyped(self._given)
        if is_known:
            rest.tell_foreign(self._given)
        if "model" not in self.of:  # a row of another model may send them
            rest.tell_pictures(self._given)

    # --------------------------------------------------------------------------------------------------- by the user

    def _map_named(self, *, is_known: bool) -> None:
        """What the user says, under `columns:`."""
        known = {"id", "model", *self._fields}
        for name, patterns in self._source.columns.items():
            place = self._source.place(f"columns.{name}", "columns")
            if name not in known and is_known:
                message = f"columns: {name!r} is no field of the model"
                self._findings.error("unknown-field", place, message, did_you_mean(name, sorted(known)))
                continue
            several = [self._header.matching(pattern, place, self._findings) for pattern in patterns]
            self.lacks_named |= not all(several)
            found = [index for indexes in several for index in indexes]
            filled = self._filled(name, found)
            if left := [self._header.titles[index] for index in found if filled and index not in filled]:
                message = f"the default of {name} has no place for {', '.join(map(repr, left))}, and one for others"
                self._findings.error("columns", place, message, "give it one, as in  {{ column }}, or drop the default")
            if filled:
                continue
            if len(found) > 1 and name not in self._urls:
                self._findings.error("columns", place, f"{name} is read from one column", "name one")
            if found and name in self._flags:
                message = f"{name} is given by {self._flag(name)} and by --col"
                self._findings.error("columns", place, message, "drop one of them")
            elif found:
                self.of[name] = list(dict.fromkeys(found))
                self._tell_replaced(name, place)

    # ---------------------------------------------------------------------------------------------------- by its name

    def _map_by_name(self) -> None:
        own = [*self._fields] if self._source.preset else ["id", "model", *self._fields]
        for name in own:
            if name in self.of or name not in self._keys:
                continue
            found = [self._keys.index(name)]
            if self._filled(name, found):
                continue
            if name in self._flags or name in self._kept:
                self._set_aside(name, found)
            else:
                self._take(name, found)
                self._tell_replaced(name, self._header.at(found[0]))
        if self._source.preset is not None:  # of a shop's export the preset knows the pictures, and nothing is guessed
            return
        for name in self._fields:
            if name in self._source.columns:
                if name in self._urls and name in self.of:
                    of_others = {index for other, indexes in self.of.items() if other != name for index in indexes}
                    self._tell_left(name, [one for one in self._header.like(self.of[name]) if one not in of_others])
                continue
            if name in self._urls:
                self._map_pictures(name)
            else:
                found = self._by_synonym(SYNONYMS.get(name, ()))
                if found := [index for index in found if index not in self._filled(name, found)]:
                    self._map_synonyms(name, found)
                if name == "prompt" and "row" not in self._given.names:
                    self._tell_prompts()

    def _map_synonyms(self, name: str, found: list[int]) -> None:
        """A field that is no medium: one column gives it, and every other that could is told."""
        if name not in self.of and name in self._flags | self._defaults:
            self._set_aside(name, found)
            return
        if name not in self.of:
            self._take(name, found[:1])
        if "row" not in self._given.names:
            self._tell_left(name, found)

    def _tell_prompts(self) -> None:
        """Columns that look as if they held prompts, beside the one that is sent."""
        taken = self._aside.union(*self.of.values())
        keys = enumerate(self._keys)
        left = [index for index, key in keys if index not in taken and key != "prompt" and is_of_prompts(key)]
        left = [index for index in left if index not in self._header.marks]
        if "prompt" in self.of:
            self._tell_left("prompt", left)
        elif "prompt" in self._flags | self._defaults:
            for index in left:
                if self._keys[index] not in self._given.names:
                    self._set_aside("prompt", [index])

    def _map_pictures(self, name: str) -> None:
        """A field of media: its own column, or one of its synonyms, and those of the same name with a number."""
        exact = self.of.get(name, [])
        others = SYNONYMS.get(name, SYNONYMS_OF_ONE if self._urls == (name,) else ())
        bases = exact or [one for one in self._by_synonym(others) if one not in self._marks]
        pairs = self._header.numbered({index for indexes in self.of.values() for index in indexes}, self._marks)
        stem = stem_of(self._keys[bases[0]]) if bases else next(iter(pairs), "")
        numbered = {stem: [index for _, index in several] for stem, several in pairs.items()}
        found = list(dict.fromkeys([*bases[:1], *numbered.get(stem, ())]))
        found = [index for index in found if index not in self._filled(name, found)]
        if not found:
            return
        if name in self._flags or name in self._kept or (name in self._defaults and not exact):
            self._set_aside(name, found)
            return
        taken = found if name in self._lists else found[:1]
        self._take(name, taken)
        self._header.note_skipped(pairs.get(stem, ()), 2 if bases else 1)
        beside = [index for index in range(len(self._keys)) if self._urls == (name,) and self._is_beside(index)]
        left = [*found, *bases[1:], *(index for rest in numbered.values() for index in rest), *beside]
        self._tell_left(name, dict.fromkeys(left))

    def _is_beside(self, index: int) -> bool:
        """Whether a column that is no field looks as if it held pictures."""
        key = self._keys[index]
        others = [name for name in self._fields if name not in self._urls]
        is_another = nearest(key, others, cutoff=0.8) or any(key in NEAR.get(name, ()) for name in others)
        return is_of_pictures(key) and key not in self._fields and not is_another

    def _tell_left(self, name: str, found: Iterable[int]) -> None:
        """Columns that could be meant for a field too: none is left out silently."""
        taken, sent = self.of[name], {index for indexes in self.of.values() for index in indexes}
        how = f"say which with  --col {name}=COLUMN" if self._source.is_alone else f"say which under  columns: {name}"
        is_said = name in self._source.columns  # by a person, who may mean just these
        tell = self._findings.note if is_said else self._findings.warn
        for index in found:
            is_other = "model" in self.of and self._keys[index] in MEDIA  # rows of another model have it
            is_other |= name in self._urls and (self._header.is_page(index, taken[0]) or index in self._marks)
            if name in self._urls and index in self._marks:
                self.ticked[index] = self._source.mapping(name, self._header.in_order([*taken, index]))
            if index not in sent and self._keys[index] not in self._given.names and not is_other:
                self._aside.add(index)
                message = f"the column {self._header.titles[index]!r} is not sent: "
                message += f"{name} is read from {self._header.shown(taken)}"
                if is_said:
                    titles = self._header.in_order([*taken, index])
                    how = f"to send it as well:  {self._source.mapping(name, titles)}"
                tell("unused-column", self._header.at(index), message, how)

    def _take(self, name: str, indexes: list[int]) -> None:
        self.of[name] = indexes
        self._by_name.update(indexes)

    def _set_aside(self, name: str, indexes: Sequence[int]) -> None:
        """Columns that look like a field which was given already: they are carried along, and it is said."""
        self._aside.update(indexes)
        filled = self._given.by_matrix.get(name, frozenset())
        indexes = [index for index in indexes if self._keys[index] not in filled]
        if not indexes:
            return
        is_flag = name in self._flags
        message = f"the column {self._header.titles[indexes[0]]!r} is not sent: "
        message += f"{self._flag(name)} gives {name} to every row" if is_flag else f"the defaults give {name}"
        hint = f"to send the column drop {self._flag(name)}" if is_flag else "to send the column write  "
        if name in self._kept:
            hint = f"to send it as well name it in the default, as in  {{{{ {self._keys[indexes[0]]} }}}}"
        hint += "" if is_flag or name in self._kept else f"columns: {{{name}: {self._header.titles[indexes[0]]!r}}}"
        self._findings.warn("unused-column", self._header.at(indexes[0]), message, hint)

    def _tell_replaced(self, name: str, place: Place) -> None:
        """A default that is made of cells was hardly meant for rows alone that say nothing, where all say something."""
        if self.of[name][0] in self._header.half:
            return
        texts = texts_in(self._given.defaults.get(name))
        if any(is_template(text) or braces(text, self._known) for text in texts):
            title = self._header.titles[self.of[name][0]]
            message = f"the column {title!r} gives {name}: the default is sent only where its cell is empty"
            hint = "to send both name the column in the default; to send the default alone call the column otherwise"
            self._findings.warn("template", place, message, hint)

    def _flag(self, name: str) -> str:
        return "--prompt" if name == "prompt" else f"--set {name}"

    def _filled(self, name: str, indexes: Iterable[int]) -> set[int]:
        """Those of the columns that the default of the field has a place for: then it is the default that is sent."""
        default = self._given.defaults.get(name)
        filled = {
            index
            for index in indexes
            if default is not None and is_filled_in(self._header.titles[index], default, self._known)
        }
        if filled:
            self._kept.add(name)
            self._aside |= filled
        return filled

    def _by_synonym(self, names: Iterable[str]) -> list[int]:
        taken = {index for indexes in self.of.values() for index in indexes}
        found = [self._keys.index(name) for name in names if name in self._keys]
        return [index for index in found if index not in taken]


def sent_columns(
    source: Source, header: Sequence[str], rules: InputRules | None, given: Given, texts: Mapping[int, str]
) -> set[int] | None:
    """The indexes of the columns that decide what is sent; `None` where the user names a column that is not there.

    All of them, where a preset reads the sheet, or rows name models of their own, which have fields of their own.
    """
    columns = Columns(source, header, rules, given, Findings(source.file), texts)
    if columns.lacks_named:
        return None
    names = names_of(header)
    wanted = {*given.names, *(source.where.names if source.where else ())}
    if "row" in wanted or "model" in columns.of or source.preset is not None:
        return set(range(len(header)))
    used = {names[name] for name in wanted if names.get(name, -1) >= 0}
    naming = [index for index, name in enumerate(header) if key_of(name) in wanted.union(NAMING)]
    return used | {index for indexes in columns.of.values() for index in indexes} | set(naming)
