"""Which column of a sheet is which field of a model, and how its cells are read.

What the user says under `columns:` goes first; then a field's own name, however it is spelled; then its synonyms, and
`url_1`, `url_2` … for a list of pictures. A synonym is a guess: it fills no field that the defaults give. The command
line has the last word: a column gives nothing that a flag gives. Every other column is the user's own, and is carried
along. One that looks as if it were meant to be sent is told: a mistyped `aspect_ration` would be left out silently, and
the edit paid for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from runner.manifest.damage import braces
from runner.manifest.diagnostics import Findings, Place, did_you_mean, nearest
from runner.manifest.fields import Read, reader
from runner.manifest.given import Given, Source
from runner.manifest.items import is_filled_in, key_of, names_of, texts_in
from runner.manifest.presets import recognised
from runner.manifest.tables import cell_name, column_name
from runner.manifest.templates import is_template
from runner.manifest.words import (
    LAST_NUMBER,
    LONGEST_URL,
    MEDIA,
    NAMING,
    NEAR,
    NUMBERED,
    OF_OTHERS,
    PICTURE,
    RATIO,
    SYNONYMS,
    SYNONYMS_OF_ONE,
    in_order,
    is_of_pictures,
    is_of_prompts,
    stem_of,
)
from runner.model import InputRules

NO_TEXTS: Final[Mapping[int, str]] = MappingProxyType({})


class Columns:
    """Which columns hold which field of a model; every other column is the user's own."""

    def __init__(
        self,
        source: Source,
        header: Sequence[str],
        rules: InputRules | None,
        given: Given,
        findings: Findings,
        texts: Mapping[int, str] = NO_TEXTS,
    ) -> None:
        """`texts` are the first that stand in the columns, where somebody has looked."""
        self._texts = texts
        self._source = source
        self._header = header
        self._findings = findings
        self._keys = [key_of(name) for name in header]
        self._fields = list(rules.fields) if rules else ["prompt", "image_urls"]
        self._urls = rules.url_fields if rules else ("image_urls",)
        self._lists = [name for name in self._urls if not rules or rules.fields[name].get("type") == "array"]
        self._is_known = rules is not None
        self._by_name: set[int] = set()
        self.lacks_named = False
        """Whether a column that the user names is not there."""
        self.of: dict[str, list[int]] = {}
        """The columns of each field, in the order in which they are read."""
        self._flags = given.fields if source.is_alone else frozenset()
        self._defaults = frozenset() if source.is_alone else given.fields
        self._aside: set[int] = set()
        """Columns that give way to another, a flag or a default, and are told."""
        self._asked = given.names
        self._given = given.defaults
        self._by_matrix = given.by_matrix
        self._known = {*self._keys, *given.axes}
        self._kept: set[str] = set()
        """Fields whose defaults have a place for the column that would replace them."""
        self.skipped: dict[int, str] = {}
        """The numbered columns before which one is missing, `image_3` where there is no `image_2`, with its name."""
        self._map_named()
        self._map_by_name()
        self._check_twins()
        self._check_needed(given)
        self._check_unused()
        self._check_foreign(given)
        used = self._aside.union(*self.of.values())
        self.unused = [index for index, key in enumerate(self._keys) if index not in used and key not in self._asked]
        """The columns that are the user's own, and of which no word was said."""
        self.first = {name: indexes[0] for name, indexes in self.of.items()}
        """Each field's first column: where an error of it is shown."""
        self.id_letters = column_name(self.first["id"]) if "id" in self.first else ""
        schemas = rules.fields if rules else {}
        self.readers: list[tuple[str, list[int], Read]] = [
            (
                name,
                indexes,
                reader(name, indexes, schemas.get(name, {}), header, self.skipped, is_media=name in self._urls),
            )
            for name, indexes in self.of.items()
        ]

    # --------------------------------------------------------------------------------------------------- by the user

    def _map_named(self) -> None:
        """What the user says, under `columns:`."""
        known = {"id", "model", *self._fields}
        for name, patterns in self._source.columns.items():
            place = self._source.place(f"columns.{name}", "columns")
            if name not in known and self._is_known:
                message = f"columns: {name!r} is no field of the model"
                self._findings.error("unknown-field", place, message, did_you_mean(name, sorted(known)))
                continue
            found = [index for pattern in patterns for index in self._matching(pattern, place)]
            filled = self._filled(name, found)
            if left := [self._header[index] for index in found if filled and index not in filled]:
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

    def _matching(self, pattern: str, place: Place) -> list[int]:
        """The columns that a name stands for: exactly, else however it is spelled; with a `*` as many as there are."""
        if pattern in self._header:
            return [self._header.index(pattern)]
        key = key_of(pattern)
        found = self._wild(pattern) if "*" in pattern else [i for i, k in enumerate(self._keys) if key and k == key]
        if not found:
            self.lacks_named = True
            message = f"no column {pattern!r} in {self._source.file}"
            self._findings.error("missing-column", place, message, did_you_mean(pattern, self._header))
        elif len(found) > 1 and "*" not in pattern:
            twins = " or ".join(repr(self._header[index]) for index in found)
            message = f"the column {pattern!r} could be {twins}"
            self._findings.error("columns", place, message, "spell it as it is there")
            return found[:1]
        return found

    def _wild(self, pattern: str) -> list[int]:
        """By number where they have one each, so that `photo_10` is behind `photo_9`; else as they stand."""
        pieces = pattern.split("*")
        exact = re.compile("(.*)".join(map(re.escape, pieces)), re.IGNORECASE)
        loose = re.compile("(.*)".join(key_of(piece) for piece in pieces))
        for regex, names in ((exact, [name.strip() for name in self._header]), (loose, self._keys)):
            found = {index: match for index, name in enumerate(names) if name and (match := regex.fullmatch(name))}
            if found:
                numbers = {index: match[1].strip("_ -") for index, match in found.items()}
                if len(pieces) != 2 or not all(number.isdecimal() for number in numbers.values()):
                    return list(found)
                pairs = sorted((int(number), index) for index, number in numbers.items())
                self._note_skipped(pairs, pairs[0][0])
                return [index for _, index in pairs]
        return []

    def _note_skipped(self, pairs: Sequence[tuple[int, int]], expected: int) -> None:
        """Of numbered columns, sorted, those before which one is missing; `expected` is the first number."""
        for number, index in pairs:
            if number > expected:
                self.skipped[index] = LAST_NUMBER.sub(str(expected), self._header[index])
            expected = number + 1

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
                self._tell_replaced(name, self._at(found[0]))
        if self._source.preset is not None:  # of a shop's export the preset knows the pictures, and nothing is guessed
            return
        for name in self._fields:
            if name in self._source.columns:
                continue
            if name in self._urls:
                self._map_pictures(name)
            else:
                found = self._by_synonym(SYNONYMS.get(name, ()))
                if found := [index for index in found if index not in self._filled(name, found)]:
                    self._map_synonyms(name, found)
                if name == "prompt" and "row" not in self._asked:
                    self._tell_prompts()

    def _map_synonyms(self, name: str, found: list[int]) -> None:
        """A field that is no medium: one column gives it, and every other that could is told."""
        if name not in self.of and name in self._flags | self._defaults:
            self._set_aside(name, found)
            return
        if name not in self.of:
            self._take(name, found[:1])
        if "row" not in self._asked:
            self._tell_left(name, found)

    def _tell_prompts(self) -> None:
        """Columns that look as if they held prompts, beside the one that is sent."""
        taken = self._aside.union(*self.of.values())
        keys = enumerate(self._keys)
        left = [index for index, key in keys if index not in taken and key != "prompt" and is_of_prompts(key)]
        if "prompt" in self.of:
            self._tell_left("prompt", left)
        elif "prompt" in self._flags | self._defaults:
            for index in left:
                if self._keys[index] not in self._asked:
                    self._set_aside("prompt", [index])

    def _map_pictures(self, name: str) -> None:
        """A field of media: its own column, or one of its synonyms, and those of the same name with a number."""
        exact = self.of.get(name, [])
        others = SYNONYMS.get(name, SYNONYMS_OF_ONE if self._urls == (name,) else ())
        bases = exact or self._by_synonym(others)
        pairs = self._numbered()
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
        self._note_skipped(pairs.get(stem, ()), 2 if bases else 1)
        beside = [index for index, key in enumerate(self._keys) if self._urls == (name,) and self._is_beside(key)]
        left = [*found, *bases[1:], *(index for rest in numbered.values() for index in rest), *beside]
        self._tell_left(name, dict.fromkeys(left))

    def _is_beside(self, key: str) -> bool:
        """Whether a column that is no field looks as if it held pictures."""
        others = [name for name in self._fields if name not in self._urls]
        is_another = nearest(key, others, cutoff=0.8) or any(key in NEAR.get(name, ()) for name in others)
        return is_of_pictures(key) and key not in self._fields and not is_another

    def _tell_left(self, name: str, found: Iterable[int]) -> None:
        """Columns that could be meant for a field too: none is left out silently."""
        taken = self.of[name]
        how = f"say which with  --col {name}=COLUMN" if self._source.is_alone else f"say which under  columns: {name}"
        for index in found:
            is_of_another = "model" in self.of and self._keys[index] in MEDIA  # rows of another model have it
            if index not in taken and self._keys[index] not in self._asked and not is_of_another:
                self._aside.add(index)
                message = f"the column {self._header[index]!r} is not sent: {name} is read from {self._shown(taken)}"
                self._findings.warn("unused-column", self._at(index), message, how)

    def _take(self, name: str, indexes: list[int]) -> None:
        self.of[name] = indexes
        self._by_name.update(indexes)

    def _set_aside(self, name: str, indexes: Sequence[int]) -> None:
        """Columns that look like a field which was given already: they are carried along, and it is said."""
        self._aside.update(indexes)
        filled = self._by_matrix.get(name, frozenset())
        indexes = [index for index in indexes if self._keys[index] not in filled]
        if not indexes:
            return
        is_flag = name in self._flags
        message = f"the column {self._header[indexes[0]]!r} is not sent: "
        message += f"{self._flag(name)} gives {name} to every row" if is_flag else f"the defaults give {name}"
        hint = f"to send the column drop {self._flag(name)}" if is_flag else "to send the column write  "
        if name in self._kept:
            hint = f"to send it as well name it in the default, as in  {{{{ {self._keys[indexes[0]]} }}}}"
        hint += "" if is_flag or name in self._kept else f"columns: {{{name}: {self._header[indexes[0]]!r}}}"
        self._findings.warn("unused-column", self._at(indexes[0]), message, hint)

    def _tell_replaced(self, name: str, place: Place) -> None:
        """A default that is made of cells was hardly meant for the rows alone that say nothing themselves."""
        texts = texts_in(self._given.get(name))
        if any(is_template(text) or braces(text, self._known) for text in texts):
            title = self._header[self.of[name][0]]
            message = f"the column {title!r} gives {name}: the default is sent only where its cell is empty"
            hint = "to send both name the column in the default; to send the default alone call the column otherwise"
            self._findings.warn("template", place, message, hint)

    def _flag(self, name: str) -> str:
        return "--prompt" if name == "prompt" else f"--set {name}"

    def _filled(self, name: str, indexes: Iterable[int]) -> set[int]:
        """Those of the columns that the default of the field has a place for: then it is the default that is sent."""
        default = self._given.get(name)
        filled = {
            index
            for index in indexes
            if default is not None and is_filled_in(self._header[index], default, self._known)
        }
        if filled:
            self._kept.add(name)
            self._aside |= filled
        return filled

    def _by_synonym(self, names: Iterable[str]) -> list[int]:
        taken = {index for indexes in self.of.values() for index in indexes}
        found = [self._keys.index(name) for name in names if name in self._keys]
        return [index for index in found if index not in taken]

    def _numbered(self) -> dict[str, list[tuple[int, int]]]:
        """The columns with a number at their end, each with its number, in their order, by what stands before it."""
        taken = {index for indexes in self.of.values() for index in indexes}
        found: dict[str, list[tuple[int, int]]] = {}
        for index, key in enumerate(self._keys):
            if (match := NUMBERED.fullmatch(key)) and index not in taken:
                found.setdefault(match["stem"], []).append((int(match["number"]), index))
        return {stem: sorted(pairs) for stem, pairs in found.items()}

    # --------------------------------------------------------------------------------------------------------- checks

    def _check_twins(self) -> None:
        """No two columns for one field, and no two of the user's own under one name: one of them would be lost."""
        first: dict[str, int] = {}
        chosen = self._source.columns
        fields = {key for key in ("id", "model", *self._fields) if key not in chosen}
        fields |= {self._keys[index] for index in self._by_name}
        is_preset = self._source.preset is not None  # a feed repeats attributes; only what is sent must be plain
        for index, title in enumerate(self._header):
            key = self._keys[index]
            name = key if key in fields else "" if is_preset else title.strip()
            if name and first.setdefault(name, index) != index:
                hint = f"the first is {cell_name(first[name], 1)}: rename one of them"
                self._findings.error("duplicate-column", self._at(index), f"two columns are named {name!r}", hint)

    def _check_needed(self, given: Given) -> None:
        for name in ("prompt", "image_urls"):
            if not self._is_known or name not in self._fields or name in self.of or name in given.fields:
                continue
            alone = self._source.is_alone
            place = self._source.place("columns", "file") if not alone else Place()
            if self._source.preset is not None:
                if name == "prompt":
                    hint = "one for all:  --prompt '…'" if alone else "one for all:  defaults: {prompt: …}"
                    self._findings.error("missing-column", place, f"no column {name!r}", hint)
                continue
            self._findings.error("missing-column", place, f"no column {name!r}", self._remedy(name))

    def _remedy(self, name: str) -> str:
        """What is to be done where a column is missing."""
        if len(self._header) > 1 and len(list(filter(str.strip, self._header))) == 1:
            return "the first row names the columns: is it a title? take it out"
        preset = recognised(self._header)
        if preset is None or name == "prompt":
            return self._nearly(name)
        how = f"--preset {preset.name}" if self._source.is_alone else f"preset: {preset.name}"
        return f"it looks like an export of {preset.name}, which is read with  {how}"

    def _nearly(self, name: str) -> str:
        """Which column is probably meant for a field; of pictures, all that are called so."""
        is_of = is_of_prompts if name == "prompt" else is_of_pictures
        found = [
            self._header[index] for index in in_order(self._keyed(i for i, k in enumerate(self._keys) if is_of(k)))
        ]
        found = found[:1] if name == "prompt" else found
        if name not in (*self._urls, "prompt") or not found:
            hint, found = did_you_mean(name, self._header), [near] if (near := nearest(name, self._header)) else []
        else:
            hint = f"did you mean {' and '.join(map(repr, found))}?"
        if not found:
            return hint
        return f"{hint} map it with  {self._source.mapping(name, found)}"

    def _check_unused(self) -> None:
        """A mistyped column would be carried along, and what it says not sent."""
        used = self._aside.union(*self.of.values())
        is_preset = self._source.preset is not None
        free = [name for name in self._fields if name not in self.of and not (is_preset and name in self._urls)]
        for index, key in enumerate(self._keys):
            if index in used or not key or len(key) < 5:
                continue
            if near := nearest(key, free, cutoff=0.8):
                message = f"the column {self._header[index]!r} is not sent"
                self._findings.warn("unused-column", self._at(index), message, f"did you mean {near!r}?")

    def _check_foreign(self, given: Given) -> None:
        """Columns called like a field of another model, or nearly like one of this: what they say is not sent."""
        nearly = {word: name for name, words in NEAR.items() for word in words if name in self._fields}
        used = self._aside.union(*self.of.values())
        found = {
            index: self._meant(index, nearly.get(key, ""))
            for index, key in enumerate(self._keys)
            if index not in used and key not in given.names and (key in nearly or key in OF_OTHERS)
        }
        if not found or not self._is_known or self._source.preset is not None or "row" in given.names:
            return
        named = [f"{self._header[index]!r}" + f" (is it {near}?)" * bool(near) for index, near in found.items()]
        message = f"carried along, and not sent: {', '.join(named)}"
        hint = "to send such a column say which field it is:  "
        hint += "--col FIELD=COLUMN" if self._source.is_alone else "columns: {field: column}"
        self._findings.warn("unused-column", self._at(min(found)), message, hint)

    def _meant(self, index: int, name: str) -> str:
        """The field that a column is probably meant for, by its name, but for ratios: those are no other field's."""
        is_ratio = RATIO.fullmatch(self._texts.get(index, "").strip()) is not None
        return "aspect_ratio" if name and is_ratio and "aspect_ratio" in self._fields else name

    def tell_pictures(self) -> None:
        """Tell of unused columns that hold pictures, whatever they are called."""
        name = self._urls[0] if self._urls else ""
        is_said = name in self._source.columns or name in self._flags
        if "row" in self._asked or is_said or name not in {*self.of, *self._defaults}:
            return
        texts = {index: self._texts[index].strip() for index in self.unused if index in self._texts}
        found = [index for index, text in texts.items() if len(text) < LONGEST_URL and PICTURE.fullmatch(text)]
        titles = [self._header[index] for index in in_order(self._keyed([*self.of.get(name, ()), *found]))]
        for index in found:
            hint = self._source.mapping(name, titles)
            if name not in self.of:
                hint = f"name it in the default of {name}, as in  {{{{ {self._keys[index]} }}}}"
            message = f"the column {self._header[index]!r} holds pictures that are not sent"
            self._findings.warn("unused-column", self._at(index), message, f"to send them as well:  {hint}")

    def _keyed(self, indexes: Iterable[int]) -> dict[int, str]:
        return {index: self._keys[index] for index in indexes}

    def _at(self, index: int) -> Place:
        return Place(cell=cell_name(index, 1), file="" if self._source.is_alone else self._source.file)

    def _shown(self, indexes: Sequence[int]) -> str:
        return ", ".join(repr(self._header[index]) for index in indexes)


def sent_columns(source: Source, header: Sequence[str], rules: InputRules | None, given: Given) -> set[int] | None:
    """The indexes of the columns that decide what is sent; `None` where the user names a column that is not there.

    All of them, where a preset reads the sheet, or rows name models of their own, which have fields of their own.
    """
    columns = Columns(source, header, rules, given, Findings(source.file))
    if columns.lacks_named:
        return None
    names = names_of(header)
    wanted = {*given.names, *(source.where.names if source.where else ())}
    if "row" in wanted or "model" in columns.of or source.preset is not None:
        return set(range(len(header)))
    used = {names[name] for name in wanted if names.get(name, -1) >= 0}
    naming = [index for index, name in enumerate(header) if key_of(name) in NAMING]
    return used | {index for indexes in columns.of.values() for index in indexes} | set(naming)
