"""One job in the making: what it inherits and overrides, its templates filled in, checked as it will be sent.

The last word wins, and lists replace: defaults, then a table's row, then the matrix, then a job's own entry, then the
overrides. Templates are filled in at the end, in prompts, ids, paths and media URLs alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from string import ascii_uppercase
from typing import Any, Final

from runner.manifest.common import DEFAULT_MODEL, MODEL, Common
from runner.manifest.damage import MARKUP, NOTHING, PLACEHOLDERS, Damage, braces, damage, escapes, questions, quotes
from runner.manifest.diagnostics import Place, nearest
from runner.manifest.gaps import REMEDY, Gap, Gapped, gap_in, highest_called
from runner.manifest.head import Folder, Head, Override, texts_in
from runner.manifest.items import Item, split_urls
from runner.manifest.matrix import NONE, Combination
from runner.manifest.schema import LONGEST_ID
from runner.manifest.scopes import Layer
from runner.manifest.tables import column_name
from runner.manifest.templates import Cell, Scope, Template, TemplateProblem, cell, compiled, is_template, unknown_name
from runner.model import LOCAL, InputProblem, InputRules, LocalFile, MeasuredFile, canonical, counted, local_uri
from runner.rules.names import is_plain, outputs_of, safe_path

_BRACES: Final = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
SHORT: Final = 40
"""Characters; a prompt that is longer says something."""
LARGEST_BODY: Final = 64 << 20
"""Bytes that the service takes in one request."""
LARGEST_WHOLE: Final = 2**53
"""Below it a number of JSON is the same for every reader."""
_NO_FILES: Final[Mapping[str, str]] = {}
UNSEEN: Final = re.compile(rb"[\\\x7f]")
"""Of JSON in ASCII, what stands where a text holds a control."""
SHORTENED: Final = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)


class Job:
    """One job in the making: after `make`, an id, a model, inputs and where the outputs go."""

    __slots__ = (
        "_all",
        "_combination",
        "_found",
        "_gap",
        "_item",
        "_local",
        "_overrides",
        "body",
        "count",
        "fields",
        "id",
        "id_at",
        "inputs",
        "is_plain",
        "model",
        "paths",
    )

    def __init__(self, common: Common, item: Item, combination: Combination) -> None:
        self._all = common
        self._item = item
        self._combination = combination
        self._overrides: Sequence[Override] = ()
        self._local: dict[str, LocalFile] = {}
        self._found: dict[str, Sequence[LocalFile]] = {}
        """What each path leads to."""
        self._gap: tuple[str, Gap] | None = None
        head = common.head.fields
        if item.is_job:
            self.fields = {**head, **combination.fields, **item.fields}
        else:
            self.fields = {**head, **item.fields, **combination.fields}

    @property
    def _scope(self) -> Scope:
        """The names that its templates may use."""
        return Layer(self._names, self._item.scope)

    @property
    def _names(self) -> dict[str, Cell]:
        """The values of the matrix by their axes, and the id before the matrix."""
        names = {axis: Cell(name) for axis, name in self._combination.names.items()}
        if (base := given_id(self._item)) is not None:
            names["id"] = Cell(base)
        return names

    def _sent(self, names: Iterable[str]) -> dict[str, Any]:
        """Of some names those of fields, each with the value that is sent, whoever has given it.

        An axis of the matrix keeps its value's name as long as it is the axis that gives the field; the prompt and the
        media are templates themselves.
        """
        fields, axes, given = self.fields, self._combination.names, self._combination.fields
        kinds = self._all.kinds(self._all.rules(self.model))
        return {
            name: _named(name, fields[name])
            for name in names
            if fields.get(name) is not None
            and kinds.get(name, "list") in ("list", "integer")
            and not (name in axes and fields[name] == given.get(name, fields[name]))
        }

    def make(self) -> bool:
        """Fill in and check it; whether there is to be such a job, which an override may deny."""
        self.model = self._model()
        rules = self._all.rules(self.model)
        inputs: dict[str, Any] | None = None
        job_id = self._id()
        self.id_at = self._item.id_at or "head" if job_id is not None else ""
        if job_id is None:  # named by its request
            inputs = self._inputs(rules)
            job_id = digest_of(self.model, canonical(inputs))[:12] + self._combination.suffix
        self.id = job_id
        if self._all.head.overrides and (overrides := self._all.overrides_for(job_id)):
            if any(override.is_skip for override in overrides):
                return False
            self._overrides = overrides
            for override in overrides:
                self.fields.update(override.fields)
            self.model, inputs = self._model(), None
            rules = self._all.rules(self.model)
        if rules is None:
            self._look_at_model()
        self.inputs = self._inputs(rules) if inputs is None else inputs
        self.body = canonical(self.inputs)
        self.is_plain = is_plain(job_id)
        self._check(rules)
        self.count = outputs_of(self.inputs)
        self.paths = self._paths(rules) if self._all.stem_template is not None else ()
        return True

    @property
    def variant(self) -> str:
        """What the matrix names it by."""
        return self._combination.variant if self._combination is not NONE else ""

    @property
    def files(self) -> Mapping[str, str]:
        """The photos of this machine that the inputs stand for: SHA-256 to path."""
        return {local.sha256: local.path for local in self._local.values()} if self._local else _NO_FILES

    # ------------------------------------------------------------------------------------------------------ fields

    def _model(self) -> str:
        """The model's id; the one this tool was made for where there is none, or where it cannot be one."""
        model = self.fields.get("model")
        if model is None or model == "":
            return DEFAULT_MODEL
        if isinstance(model, str) and len(model) <= LONGEST_ID and MODEL.fullmatch(model):
            return model
        hint = f"as in {DEFAULT_MODEL}"
        if self._place(("model",))[0].cell is not None:
            hint += "; where it is the product's, rename the column, or say which one it is:  columns: {model: …}"
        self._error("model", ("model",), f"not a model's id: {str(model)[:60]!r}", hint)
        return DEFAULT_MODEL

    def _look_at_model(self) -> None:
        """Tell of a model that nothing is known of, once: perhaps nobody has it, perhaps it is only not pulled yet."""
        if self._all.is_told(self.model):
            return
        near = nearest(self.model, [DEFAULT_MODEL], 0.8)
        hint = (
            f"did you mean {near!r}?" if near else f"models pull {self.model}  puts it there, if there is such a model"
        )
        place, _ = self._place(("model",))
        message = f"no card of the model {self.model!r} is at hand: its jobs are checked once the service is asked"
        self._all.findings.warn("model", place, message, hint)

    def _id(self) -> str | None:
        """The user's id, with the matrix's suffix unless a template made it; `None` where there is none."""
        given = self.fields.get("id")
        if given is None:
            return None
        if not isinstance(given, str):
            self._error("id", ("id",), f"an id must be text, got {str(given)[:60]}", "write one word, or leave it out")
            return None
        if is_template(given):
            return self._render(given, "id").strip()
        return given + self._combination.suffix if self._combination is not NONE else given

    def _inputs(self, rules: InputRules | None) -> dict[str, Any]:
        """What is sent: the fields with their templates filled in and their photos found."""
        inputs: dict[str, Any] = {}
        kinds = self._all.kinds(rules)
        self._gap = None
        for key, given in self.fields.items():
            value = given
            if type(given) is Gapped:
                self._gap, value = (key, given.gap), list(given)
            kind = kinds.get(key)
            if kind == "name":
                continue
            if kind is not None and kind.startswith("media"):
                inputs[key] = value if _are_urls(value) else self._media(key, value, rules, kind)
                continue
            holds_template = is_template(value) if type(value) is str else any(map(is_template, texts_in(value)))
            if holds_template and kind == "prompt" and isinstance(value, str):
                inputs[key] = self._render(value, key)
                continue
            inputs[key] = _as_kind(value, kind)
            if holds_template:
                hint = "templates are filled in in prompt, media URLs, id and output.path alone"
                self._error("template", (key,), f"{key} holds a template", hint)
        return inputs

    def _media(self, key: str, value: Any, rules: InputRules | None, kind: str) -> Any:
        """URLs, and the photos that stand for some: a text may hold several where a list is wanted."""
        is_list = kind == "media list" or (rules is None and not isinstance(value, str))
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list):
            return value
        found: list[Any] = []
        for index, text in enumerate(texts):
            if not isinstance(text, str):
                found.append(text)
                continue
            is_filled_in = "{{" in text  # a URL may hold {% by itself
            filled = self._render(text, key, index) if is_filled_in else text
            pieces = [filled]
            if is_list and (isinstance(value, str) or is_filled_in):
                pieces = split_urls(filled)
                if pieces != [filled] and (gap := gap_in([filled])):
                    self._gap = key, gap
            for piece in pieces or [filled]:
                found += self._located(key, index, piece, rules)
                if is_filled_in:
                    self._check_glob(key, index, text, piece)
        return found if is_list or not isinstance(value, str) or len(found) != 1 else found[0]

    def _located(self, key: str, index: int, text: str, rules: InputRules | None) -> list[str]:
        """The text, if it is a URL; else the photo, or the photos, that the path leads to."""
        if self._all.local is None or "://" in text or text.startswith("data:") or not text.strip():
            return [text]
        files = self._all.local.find(text)
        if isinstance(files, InputProblem):
            self._error(files.code, (key, index), files.message, files.hint)
            return [LOCAL]
        self._found[text] = files
        uris = []
        for file in files:
            uri = local_uri(file.mime, file.sha256, is_shrunk=file.is_shrunk)
            self._local[uri] = file
            uris.append(uri)
            if rules is not None:
                measured = MeasuredFile(bytes=file.bytes, width=file.width, height=file.height)
                for problem in rules.file_problems(key, measured):
                    self._error(problem.code, (key, index), f"{text}: {problem.message}", problem.hint)
        return uris

    def _check_glob(self, key: str, index: int, template: str, path: str) -> None:
        """That a path with cells in it takes no photo of another row: `12*.jpg` is 123.jpg as well."""
        files = self._found.get(path, ())
        plain = _BRACES.sub("", template)
        is_exact = len(files) == 1 and files[0].path.endswith(PurePath(path).name)
        if files and not is_exact and sum(map(path.count, "*?[")) > sum(map(plain.count, "*?[")):
            message = f"{path[:80]}: a sign of a cell stands for other letters in a path"
            self._error("input-glob", (key, index), message, "rename the photos, or write the path into the sheet")
        for file in files:
            first = self._all.photo_of.setdefault(file.path, path)
            if first != path:
                message = f"{PurePath(file.path).name} is sent for {first[-40:]!r}, and for {path[-40:]!r} as well"
                hint = "does a * take photos of other rows? put what ends the name before it, as in  {{ sku }}-*.jpg"
                self._all.findings.warn("input-glob", self._place((key, index))[0], message, hint)

    def _render(self, given: str, key: str, *path: int) -> str:
        """A template filled in; left as it is where it cannot be, which is then in the findings."""
        try:
            template = compiled(given)
            if self._combination is not NONE:
                self._all.asked |= template.names
            scope = self._scope if key == "id" else Layer(self._sent(template.names), self._scope)
            if problem := unknown_name(template.names, scope):
                raise problem
            text = template.render(scope)
        except TemplateProblem as problem:
            is_of_row = not problem.is_everywhere
            self._error(problem.code, (key, *path), str(problem), problem.hint, is_of_row=is_of_row)
            return given
        if key == "prompt" and NOTHING.search(text):
            self._tell_nothing(template, scope)
        return text

    def _tell_nothing(self, template: Template, scope: Scope) -> None:
        """Of each column once: a cell that says `nan` is empty for a person, and a text for a template."""
        for name in sorted(template.names):
            with suppress(TemplateProblem):  # one that was not asked for
                text = str(scope[name]).strip() if isinstance(scope[name], Cell) else ""
                if text.lower() in PLACEHOLDERS and not self._is_told(f"{name} is nothing"):
                    message = f"{name} is {text!r} in {self._item.source}, which is sent as it stands"
                    hint = f"empty such cells, and ask first, as in {{% if {name} %}}…{{% endif %}}"
                    self._all.findings.warn("placeholder", self._place(("prompt",))[0], message, hint)

    def _is_told(self, what: str) -> bool:
        """Whether something of the item's source was spoken of before."""
        return self._all.is_told(f"{_source_of(self._item, self._all.head)}: {what}")

    # ------------------------------------------------------------------------------------------------------ checks

    def _check(self, rules: InputRules | None) -> None:
        if rules is not None:
            for problem in rules.problems(self.inputs):
                self._error(problem.code, problem.path, problem.message, problem.hint)
        prompt = self.inputs.get("prompt")
        if isinstance(prompt, str) and prompt:
            self._check_prompt(prompt)
        if b"<" in self.body or (b"&" in self.body and b";" in self.body):
            self._tell_markup()
        if self._gap:
            self._tell_gap(*self._gap)
        elif isinstance(prompt, str) and (called := highest_called(prompt)) > 1:
            self._tell_called(called, rules)
        if not self.is_plain:
            self._check_id(self.id)
        if not self.body.isascii() or UNSEEN.search(self.body):
            self._look_for_damage()
        if self._local:
            self._check_size(rules)

    def _look_for_damage(self) -> None:
        for key, value in self.inputs.items():
            if type(value) is not str:
                for index, text in enumerate(value) if type(value) is list else ():
                    if type(text) is str and not text.isascii():
                        self._tell(damage((key, index), text))
            elif not (value.isascii() and value.isprintable()):
                self._tell(damage((key,), value))

    def _check_prompt(self, prompt: str) -> None:
        if not prompt.strip():
            self._error("prompt-length", ("prompt",), "prompt is blank", "say what is to change")
        elif len(prompt) < SHORT and not any(map(str.isalnum, prompt)):
            message = f"the prompt sent will be {prompt!r}, which says nothing"
            self._all.findings.warn("odd-text", self._place(("prompt",))[0], message, "say what is to change")
        if "?" in prompt:
            self._tell(questions(prompt))
        if not prompt.isascii():
            self._tell(quotes(prompt))
        if "\\" in prompt or "_x000" in prompt:
            self._tell(escapes(prompt))
        if "{" in prompt or "[" in prompt:
            self._tell(braces(prompt, self._item.scope))

    def _tell_markup(self) -> None:
        """Of each column once: what a browser shows as something else, and is sent as it stands."""
        for key, value in self.inputs.items():
            texts = value if isinstance(value, list) else [value]
            found = next((found for text in texts if isinstance(text, str) and (found := MARKUP.search(text))), None)
            column = self._column_with_markup(key) or key
            if found is None or self._is_told(column):
                continue
            hint = f"to send what a browser shows:  {{{{ {column} | striptags }}}}"
            hint = hint if column != key else "write what a browser shows"
            message = f"{column} holds {found[0][:SHORT]!r}, which is sent as it stands"
            self._all.findings.warn("odd-text", self._place((key,))[0], message, hint)

    def _column_with_markup(self, key: str) -> str | None:
        """The name by which a template brings the markup in."""
        given = self.fields.get(key)
        for name in sorted(compiled(given).names) if isinstance(given, str) and is_template(given) else ():
            with suppress(TemplateProblem):  # one that was not asked for
                if name in self._scope and isinstance(text := self._scope[name], str) and MARKUP.search(text):
                    return name
        return None

    def _tell_gap(self, key: str, gap: Gap) -> None:
        """The pictures move up: what the prompt says of one of them by its number would be done to another."""
        place, _ = self._place((key, gap.number - 1))
        if gap.column is not None and place.cell:
            place = replace(place, cell=column_name(gap.column) + place.cell.lstrip(ascii_uppercase))
        if gap.is_met_by(self.inputs.get("prompt")):
            self._all.findings.error("missing-picture", place, gap.message, REMEDY)
        else:
            self._all.findings.warn("missing-picture", place, gap.message, REMEDY)

    def _tell_called(self, called: int, rules: InputRules | None) -> None:
        """A prompt that calls a picture by its number, and there are not so many."""
        kinds = self._all.kinds(rules)
        media = [value for key, value in self.inputs.items() if kinds.get(key, "").startswith("media")]
        count = sum(len(value) if isinstance(value, list) else 1 for value in media)
        if 0 < count < called:
            message = f"the prompt speaks of image {called}, and {counted(count, 'picture')} is sent"
            hint = "give the job all its pictures: lists replace one another, and are not added up"
            self._all.findings.warn(
                "missing-picture", self._place(("prompt",))[0], message.replace("s is", "s are"), hint
            )

    def _tell(self, found: Damage | None) -> None:
        if found is None:
            return
        if found.is_error:
            self._error("damaged-text", found.path, found.message, found.hint)
        else:
            self._all.findings.warn("odd-text", self._place(found.path)[0], found.message, found.hint)

    def _check_size(self, rules: InputRules | None) -> None:
        texts = (text for value in self.inputs.values() for text in (value if isinstance(value, list) else [value]))
        photos = [self._local[text] for text in texts if isinstance(text, str) and text in self._local]
        size = len(self.body) + sum(4 * ((photo.bytes + 2) // 3) for photo in photos)  # twice in it, sent twice
        if size > LARGEST_BODY:
            message = f"the request would be {size >> 20} MiB, and {LARGEST_BODY >> 20} MiB are taken"
            kinds = self._all.kinds(rules)
            key = next(key for key in self.inputs if kinds.get(key, "").startswith("media"))
            self._error("body-too-large", (key,), message, "use fewer or smaller photos, or --shrink-inputs")

    def _check_id(self, job_id: str) -> None:
        if "\ufffd" in job_id:
            self._tell(damage(("id",), job_id))
        if not job_id.strip():
            self._error("id", ("id",), "the id is blank", "name the job, or take its entry out")
        elif not job_id.isprintable() or len(job_id) > LONGEST_ID:
            self._error("id", ("id",), f"not an id: {job_id[:60]!r}", f"1 to {LONGEST_ID} printable characters")
        elif "+" in job_id and SHORTENED.match(job_id):
            hint = "format the column as Text before pasting the numbers"
            self._error("id", ("id",), f"id {job_id!r} was shortened by a spreadsheet", hint)

    def _paths(self, rules: InputRules | None) -> tuple[str, ...]:
        """Where the outputs go, without extension; empty where they cannot be told, which is then in the findings."""
        template = self._all.stem_template
        assert template is not None  # noqa: S101 the caller looked
        known = dict(rules.fields) if rules is not None else {}
        values = {key: self.inputs.get(key, schema.get("default")) for key, schema in known.items()}
        fields = {key: _named(key, value) for key, value in values.items()}
        rest = Layer(self._names, Layer(fields, self._item.scope))  # what is sent goes before what the row says
        paths = []
        for n in range(1, self.count + 1):
            own = {"n": Cell(str(n)), "job_id": Cell(self.id), "id": Cell(given_id(self._item) or self.id)}
            scope = Layer(own, rest)
            try:
                if problem := unknown_name(template.names, scope):
                    raise problem
                paths.append(f"images/{safe_path(template.render(scope))}")
            except TemplateProblem as problem:
                self._path_error(f"output.path: {problem}", problem.hint)
                return ()
            except ValueError as problem:
                given = template.render(scope)[:120]
                hint = 'as in  path: "{{ id }}/{{ n }}.{{ ext }}"'
                self._path_error(f"output.path comes to {given!r} (for {self._item.source}): {problem}", hint)
                return ()
        if len(set(paths)) < len(paths):
            self._path_error(f"output.path gives {self.count} files of job {self.id!r} one name", "use {{ n }} in it")
        return tuple(paths)

    def _path_error(self, message: str, hint: str) -> None:
        self._all.findings.error("output-path", self._all.head.path_place, message, hint)

    # ------------------------------------------------------------------------------------------------------ places

    def _error(
        self, code: str, path: tuple[str | int, ...], message: str, hint: str = "", *, is_of_row: bool = True
    ) -> None:
        """An error at the place where the field was written; of an inherited one, also for which row."""
        place, is_own = self._place(path)
        head = self._all.head
        if is_of_row and not is_own and not self._item.is_job and " is undefined" not in message:
            message = f"{message} (for {self._item.source})"
        elif is_of_row and not is_own and not self._item.is_job and len(head.sources) > 1:
            message = f"{message} in {_source_of(self._item, head)}"
        self._all.findings.error(code, place, message, hint)

    def _place(self, path: tuple[str | int, ...]) -> tuple[Place, bool]:
        """Where a field was written, by whom the last word was; and whether it was the item itself."""
        if not path:
            return self._item.at(), True
        key = str(path[0])
        exact = ".".join(map(str, path))
        for override in reversed(self._overrides):
            if key in override.fields:
                return override.places.get(exact) or override.places[key], False
        head, combination = self._all.head, self._combination
        is_own = key in self._item.fields
        if key in combination.fields and not (self._item.is_job and is_own):
            return combination.places[key], False
        if is_own or key not in head.fields:
            return self._item.at(*path), True
        return head.places.get(exact) or head.places.get(key) or self._item.at(), False


def _source_of(item: Item, head: Head) -> str:
    """The source that an item comes from: of photos, their folder."""
    file = item.source.rpartition(":")[0]
    folders = (source.folder for source in head.sources if isinstance(source, Folder))
    return next((folder for folder in folders if file.startswith(f"{folder.rstrip('/')}/")), file)


def _named(key: str, value: Any) -> Any:
    """A field's value as templates see it."""
    if isinstance(value, list):
        return [_named(key, item) for item in value]
    if isinstance(value, bool):
        return cell(key, str(value).lower())
    return cell(key, "" if value is None else str(value))


def digest_of(model: str, body: bytes) -> str:
    """The fingerprint of a request, from its canonical bytes (`runner.model.fingerprint`)."""
    return hashlib.sha256(model.encode() + b"\n" + body).hexdigest()


def given_id(item: Item) -> str | None:
    """The id that an item has before the matrix; `None` where it has none, or a template makes it."""
    given = item.fields.get("id")
    return given if isinstance(given, str) and given.strip() and not is_template(given) else None


def _as_kind(value: Any, kind: str | None) -> Any:
    """A text in a list where a list is wanted, and `3.0` as the 3 that is meant, counted and paid for."""
    if kind == "list" and isinstance(value, str):
        return [value]
    if kind == "integer" and isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        return int(value)
    return value


def _are_urls(value: Any) -> bool:
    """Whether it is a list of URLs as it stands: nothing to fill in, and no photo of this machine."""
    if type(value) is not list:
        return False
    for text in value:  # noqa: SIM110 a generator for each job would cost more than what it asks
        if type(text) is not str or "://" not in text or "{{" in text:
            return False
    return True
