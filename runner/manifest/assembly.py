"""From items to specs: what is inherited, overridden and filled in, checked as it will be sent.

The last word wins, and lists replace: defaults, then a table's row, then the matrix, then a job's own entry, then the
overrides. Templates are filled in at the end, in prompts, ids, paths and media URLs alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.head import Head, Override
from runner.manifest.items import Item, split_urls
from runner.manifest.matrix import NONE, Combination
from runner.manifest.schema import LONGEST_ID
from runner.manifest.sources import RulesOf
from runner.manifest.spool import Specs, Twins
from runner.manifest.templates import Cell, Scope, Template, TemplateProblem, cell, compiled, is_template, unknown_name
from runner.model import LOCAL, InputProblem, InputRules, LocalFile, LocalFiles, MeasuredFile, canonical, local_uri
from runner.rules.names import folded, owned_stems, safe_path

DEFAULT_MODEL: Final = "google/nano-banana/edit"
MODEL: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)*", re.ASCII)
"""A model's id is part of the URL that is paid at: nothing in it may lead elsewhere."""
MEDIA: Final = ("image_urls", "image_url", "image", "images", "video_url", "video", "videos")
"""Fields of URLs of a model of which nothing is known."""
LARGEST_BODY: Final = 64 << 20
"""Bytes that the service takes in one request."""
MOST_OUTPUTS: Final = 64
SHORTENED: Final = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)


class Layer:
    """A scope with some names before it."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: Mapping[str, Any], rest: Scope) -> None:
        self._first = first
        self._rest = rest

    def names(self) -> Iterator[str]:
        """All of them."""
        yield from self._first
        yield from self._rest.names()

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._rest

    def __getitem__(self, name: str) -> Any:
        return self._first[name] if name in self._first else self._rest[name]


class Assembly:
    """Makes the specs of one manifest, and notes what only the whole of it shows."""

    def __init__(self, head: Head, rules_of: RulesOf, findings: Findings, local: LocalFiles | None = None) -> None:
        self.head = head
        self.findings = findings
        self.local = local
        self.specs = Specs()
        self.ids = Twins()
        self.stems = Twins()
        self.fingerprints = Twins()
        self.stem_template = _stem_template(head, findings)
        self._rules_of = rules_of
        self._rules: dict[str, InputRules | None] = {}
        self._kinds: dict[str, Mapping[str, str]] = {}
        self._used_overrides: set[int] = set()

    def add(self, item: Item) -> None:
        """Make the job, or by the matrix the jobs, of an item."""
        matrix = self.head.matrix
        if matrix is None:
            _Job(self, item, NONE).add()
            return
        base = given_id(item)
        scope: Scope = item.scope if base is None else Layer({"id": Cell(base)}, item.scope)
        try:
            combinations = list(matrix.of(scope))
        except TemplateProblem as problem:
            self.findings.error("matrix", item.at("id"), f"matrix: when: {problem}", problem.hint)
            return
        for combination in combinations:
            _Job(self, item, combination).add()

    def end(self) -> None:
        """What is left to be said when all items are in: overrides that are for nobody."""
        for number, override in enumerate(self.head.overrides):
            if number not in self._used_overrides:
                message = f"overrides: no job's id matches {override.match!r}"
                self.findings.warn("override", override.places["match"], message, "a * stands for any letters")

    @property
    def models(self) -> Iterable[str]:
        """The models that jobs name, each once."""
        return self._rules

    def rules(self, model: str) -> InputRules | None:
        """What a model accepts."""
        if model not in self._rules:
            self._rules[model] = self._rules_of(model)
        return self._rules[model]

    def kinds(self, rules: InputRules | None) -> Mapping[str, str]:
        """How each field of a model is read, where there is more to it than to take it as it stands."""
        model = rules.model if rules is not None else ""
        if model not in self._kinds:
            self._kinds[model] = dict(_kinds(rules))
        return self._kinds[model]

    def overrides_for(self, job_id: str) -> list[Override]:
        """The exceptions that are about a job, in order."""
        found = [number for number, override in enumerate(self.head.overrides) if override.is_for(job_id)]
        self._used_overrides.update(found)
        return [self.head.overrides[number] for number in found]


def given_id(item: Item) -> str | None:
    """The id that an item has before the matrix; `None` where it has none, or a template makes it."""
    given = item.fields.get("id")
    return given if isinstance(given, str) and given.strip() and not is_template(given) else None


def _kinds(rules: InputRules | None) -> Iterator[tuple[str, str]]:
    yield from (("id", "name"), ("model", "name"), ("prompt", "prompt"))
    if rules is None:
        yield from ((name, "media") for name in MEDIA)
        return
    for name, schema in rules.fields.items():
        is_list = schema.get("type") == "array"
        if name in rules.url_fields:
            yield name, "media list" if is_list else "media"
        elif is_list:
            yield name, "list"


def _are_urls(value: Any) -> bool:
    """Whether it is a list of URLs as it stands: nothing to fill in, and no photo of this machine."""
    if type(value) is not list:
        return False
    return all(type(text) is str and "://" in text and "{{" not in text for text in value)


class _Job:
    """One job in the making."""

    __slots__ = ("_all", "_combination", "_findings", "_item", "_local", "_overrides", "fields")

    def __init__(self, assembly: Assembly, item: Item, combination: Combination) -> None:
        self._all = assembly
        self._findings = assembly.findings
        self._item = item
        self._combination = combination
        self._overrides: Sequence[Override] = ()
        self._local: dict[str, LocalFile] = {}
        head = assembly.head.fields
        if item.is_job:
            self.fields = {**head, **combination.fields, **item.fields}
        else:
            self.fields = {**head, **item.fields, **combination.fields}

    @property
    def _scope(self) -> Scope:
        """The names that its templates may use."""
        names = {axis: Cell(name) for axis, name in self._combination.names.items()}
        if (base := given_id(self._item)) is not None:
            names["id"] = Cell(base)
        return Layer(names, self._item.scope)

    def add(self) -> None:
        """Check the job and put it with the others."""
        model = self._model()
        rules = self._all.rules(model)
        inputs = None
        job_id = self._id()
        id_at = self._item.id_at or "head" if job_id is not None else ""
        if job_id is None:  # named by its request
            inputs = self._inputs(rules)
            job_id = digest_of(model, canonical(inputs))[:12] + self._combination.suffix
        if self._all.head.overrides and (overrides := self._all.overrides_for(job_id)):
            if any(override.is_skip for override in overrides):
                return
            self._overrides = overrides
            for override in overrides:
                self.fields.update(override.fields)
            model, inputs = self._model(), None
            rules = self._all.rules(model)
        if inputs is None:
            inputs = self._inputs(rules)
        if rules is not None:
            for problem in rules.problems(inputs):
                self._error(problem.code, problem.path, problem.message, problem.hint)
        prompt = inputs.get("prompt")
        if isinstance(prompt, str) and prompt and not prompt.strip():
            self._error("prompt-length", ("prompt",), "prompt is blank")
        self._check_id(job_id)
        self._put(job_id, id_at, model, inputs, rules)

    def _put(self, job_id: str, id_at: str, model: str, inputs: dict[str, Any], rules: InputRules | None) -> None:
        everything, item = self._all, self._item
        body = canonical(inputs)
        if self._local:
            self._check_size(len(body))
        digest = digest_of(model, body)
        number = inputs.get("num_images", 1)
        count = number if isinstance(number, int) and 1 <= number <= MOST_OUTPUTS else 1
        paths = self._paths(job_id, inputs, count, rules) if everything.stem_template is not None else ()
        everything.ids.add(folded(job_id))
        everything.fingerprints.add(digest)
        for stem in owned_stems(job_id, paths, count):
            everything.stems.add(folded(stem))
        files = {local.sha256: local.path for local in self._local.values()} if self._local else {}
        row = item.row if type(item.row) is dict else dict(item.row)
        variant = self._combination.variant
        everything.specs.add(job_id, model, inputs, digest, row, item.source, variant, paths, files, id_at)

    # ------------------------------------------------------------------------------------------------------ fields

    def _model(self) -> str:
        """The model's id; the one this tool was made for where there is none, or where it cannot be one."""
        model = self.fields.get("model")
        if model is None or model == "":
            return DEFAULT_MODEL
        if isinstance(model, str) and len(model) <= LONGEST_ID and MODEL.fullmatch(model):
            return model
        self._error("model", ("model",), f"not a model's id: {str(model)[:60]!r}", f"as in {DEFAULT_MODEL}")
        return DEFAULT_MODEL

    def _id(self) -> str | None:
        """The user's id, with the matrix's suffix unless a template made it; `None` where there is none."""
        given = self.fields.get("id")
        if given is None:
            return None
        if not isinstance(given, str):
            self._error("id", ("id",), f"an id must be text, got {str(given)[:60]}")
            return None
        if is_template(given):
            return self._render(given, "id").strip()
        return given + self._combination.suffix if self._combination is not NONE else given

    def _inputs(self, rules: InputRules | None) -> dict[str, Any]:
        """What is sent: the fields with their templates filled in and their photos found."""
        inputs: dict[str, Any] = {}
        kinds = self._all.kinds(rules)
        for key, value in self.fields.items():
            match kinds.get(key):
                case "name":
                    continue
                case "media" | "media list" as kind:
                    inputs[key] = value if _are_urls(value) else self._media(key, value, rules, kind)
                case "prompt" if isinstance(value, str) and is_template(value):
                    inputs[key] = self._render(value, key)
                case "list" if isinstance(value, str):
                    inputs[key] = [value]
                case kind:
                    inputs[key] = value
                    if kind is None and isinstance(value, str) and "{{" in value:
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
            pieces = split_urls(filled) if is_list and (isinstance(value, str) or is_filled_in) else [filled]
            for piece in pieces or [filled]:
                found += self._located(key, index, piece, rules)
        return found if is_list or not isinstance(value, str) or len(found) != 1 else found[0]

    def _located(self, key: str, index: int, text: str, rules: InputRules | None) -> list[str]:
        """The text, if it is a URL; else the photo, or the photos, that the path leads to."""
        if self._all.local is None or "://" in text or text.startswith("data:") or not text.strip():
            return [text]
        files = self._all.local.find(text)
        if isinstance(files, InputProblem):
            self._error(files.code, (key, index), files.message, files.hint)
            return [LOCAL]
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

    def _render(self, text: str, key: str, *path: int) -> str:
        """A template filled in; left as it is where it cannot be, which is then in the findings."""
        try:
            template = compiled(text)
            if problem := unknown_name(template.names, self._scope):
                raise problem
            return template.render(self._scope)
        except TemplateProblem as problem:
            self._error("template", (key, *path), str(problem), problem.hint)
            return text

    # ------------------------------------------------------------------------------------------------------ checks

    def _check_size(self, body: int) -> None:
        sent = sum(4 * ((file.bytes + 2) // 3) for file in self._local.values())
        if body + sent > LARGEST_BODY:
            message = f"the request would be {(body + sent) >> 20} MiB, and {LARGEST_BODY >> 20} MiB are taken"
            key = next(iter(MEDIA), "")
            self._error("body-too-large", (key,), message, "use fewer or smaller photos, or --shrink-inputs")

    def _check_id(self, job_id: str) -> None:
        if not job_id.isprintable() or len(job_id) > LONGEST_ID or not job_id.strip():
            self._error("id", ("id",), f"not an id: {job_id[:60]!r}", f"1 to {LONGEST_ID} printable characters")
        elif "+" in job_id and SHORTENED.match(job_id):
            hint = "format the column as Text before pasting the numbers"
            self._error("id", ("id",), f"id {job_id!r} was shortened by a spreadsheet", hint)

    def _paths(self, job_id: str, inputs: Mapping[str, Any], count: int, rules: InputRules | None) -> tuple[str, ...]:
        """Where the outputs go, without extension; empty where they cannot be told, which is then in the findings."""
        template = self._all.stem_template
        assert template is not None  # noqa: S101 the caller looked
        known = dict(rules.fields) if rules is not None else {}
        fields: dict[str, Any] = {key: _named(key, inputs.get(key, known.get(key, {}).get("default"))) for key in known}
        paths = []
        for n in range(1, count + 1):
            own = {"n": Cell(str(n)), "job_id": Cell(job_id), "id": Cell(given_id(self._item) or job_id)}
            scope = Layer(own, _Fallback(self._scope, fields))
            try:
                if problem := unknown_name(template.names, scope):
                    raise problem
                paths.append(f"images/{safe_path(template.render(scope))}")
            except TemplateProblem as problem:
                self._findings.error("output-path", self._all.head.path_place, f"output.path: {problem}", problem.hint)
                return ()
            except ValueError as problem:
                message = f"output.path comes to {template.render(scope)[:120]!r} (for {self._item.source}): {problem}"
                self._findings.error("output-path", self._all.head.path_place, message)
                return ()
        if len(set(paths)) < len(paths):
            message = f"output.path gives {count} files of job {job_id!r} one name"
            self._findings.error("output-path", self._all.head.path_place, message, "use {{ n }} in it")
        return tuple(paths)

    # ------------------------------------------------------------------------------------------------------ places

    def _error(self, code: str, path: tuple[str | int, ...], message: str, hint: str = "") -> None:
        """An error at the place where the field was written; of an inherited one, also for which row."""
        place, is_own = self._place(path)
        if not is_own and not self._item.is_job and " is undefined" not in message:
            message = f"{message} (for {self._item.source})"
        self._findings.error(code, place, message, hint)

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


class _Fallback:
    """A scope with some names behind it."""

    __slots__ = ("_first", "_rest")

    def __init__(self, first: Scope, rest: Mapping[str, Any]) -> None:
        self._first = first
        self._rest = rest

    def names(self) -> Iterator[str]:
        """All of them."""
        yield from self._first.names()
        yield from self._rest

    def __contains__(self, name: object) -> bool:
        return name in self._first or name in self._rest

    def __getitem__(self, name: str) -> Any:
        return self._first[name] if name in self._first else self._rest[name]


def digest_of(model: str, body: bytes) -> str:
    """The fingerprint of a request, from its canonical bytes (`runner.model.fingerprint`)."""
    return hashlib.sha256(model.encode() + b"\n" + body).hexdigest()


def _named(key: str, value: Any) -> Any:
    return cell(key, "" if value is None else str(value))


def _stem_template(head: Head, findings: Findings) -> Template | None:
    """The template of a path without its extension, which is known only when the file has come."""
    if head.path is None:
        return None
    match = re.fullmatch(r"(.*)\.\{\{-?\s*ext\s*-?\}\}\s*", head.path, re.DOTALL)
    if match is None:
        message = "output.path must end with .{{ ext }}: a file's real format is known only when it has come"
        findings.error("output-path", head.path_place, message, 'as in  path: "{{ id }}/{{ n }}.{{ ext }}"')
        return None
    try:
        return compiled(match[1])
    except TemplateProblem as problem:
        findings.error("output-path", head.path_place, f"output.path: {problem}", problem.hint)
        return None
