"""One job in the making: what it inherits and overrides, its templates filled in (`checks` looks at what comes of it).

The last word wins, and lists replace: defaults, then a table's row, then the matrix, then a job's own entry, then the
overrides. Templates are filled in at the end, in prompts, ids, paths and media URLs alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from runner.manifest.common import DEFAULT_MODEL, MODEL, Common
from runner.manifest.diagnostics import Place, nearest
from runner.manifest.filling import axes_of, paths, render
from runner.manifest.gaps import Gap, Gapped
from runner.manifest.head import Folder, Head, Override
from runner.manifest.items import Item, texts_in
from runner.manifest.matrix import NONE, Combination
from runner.manifest.pictures import are_urls, media
from runner.manifest.schema import LONGEST_ID
from runner.manifest.scopes import Layer
from runner.manifest.templates import Scope, is_template, names_in, titles_in
from runner.model import InputRules, LocalFile, canonical, digest_of
from runner.rules.names import is_plain, outputs_of

LARGEST_WHOLE: Final = 2**53
"""Below it a number of JSON is the same for every reader."""
_NO_FILES: Final[Mapping[str, str]] = {}


class Job:
    """One job in the making: after `make`, an id, a model, inputs and where the outputs go."""

    __slots__ = (
        "_overrides",
        "body",
        "combination",
        "common",
        "count",
        "fields",
        "gap",
        "id",
        "id_at",
        "inputs",
        "is_plain",
        "item",
        "local",
        "model",
        "paths",
    )

    def __init__(self, common: Common, item: Item, combination: Combination) -> None:
        self.common = common
        self.item = item
        self.combination = combination
        self._overrides: Sequence[Override] = ()
        self.local: dict[str, LocalFile] = {}
        self.gap: tuple[str, Gap] | None = None
        head = common.head.fields
        if item.is_job:
            self.fields = {**head, **combination.fields, **item.fields}
        else:
            self.fields = {**head, **item.fields, **combination.fields}

    @property
    def rules(self) -> InputRules | None:
        """What its model accepts."""
        return self.common.rules(self.model)

    @property
    def kinds(self) -> Mapping[str, str]:
        """How each of its fields is read, where there is more to it than to take it as it stands."""
        return self.common.kinds(self.rules)

    @property
    def scope(self) -> Scope:
        """The names that its templates may use."""
        return Layer(axes_of(self), self.item.scope)

    def make(self) -> bool:
        """Fill it in; whether there is to be such a job, which an override may deny."""
        self.model = self._model()
        rules = self.common.rules(self.model)
        inputs: dict[str, Any] | None = None
        job_id = self._id()
        self.id_at = self.item.id_at or "head" if job_id is not None else ""
        if job_id is None:  # named by its request
            inputs = self._inputs(rules)
            job_id = digest_of(self.model, canonical(inputs))[:12] + self.combination.suffix
        self.id = job_id
        if self.common.head.overrides and (overrides := self.common.overrides_for(job_id)):
            if [override.skip for override in overrides if override.skip is not None][-1:] == [True]:
                return False  # the last word
            self._overrides = overrides
            for override in overrides:
                self.fields.update(override.fields)
            self.model, inputs = self._model(), None
            rules = self.common.rules(self.model)
        if rules is None:
            self._look_at_model()
        for name in self.common.asking:
            self._refuse_replaced(name)
        self.inputs = self._inputs(rules) if inputs is None else inputs
        self.body = canonical(self.inputs)
        self.is_plain = is_plain(job_id)
        self.count = outputs_of(self.inputs)
        self.paths = paths(self, rules) if self.common.stem_template is not None else ()
        return True

    def _refuse_replaced(self, name: str) -> None:
        """A default that asks for what would replace it was meant to be filled in, if only for some combinations."""
        is_by_matrix = name in self.combination.fields
        matrix = self.common.head.matrix
        if is_by_matrix and matrix is not None and name not in matrix.given:
            self._tell_replaced(name)  # the others send it
            return
        if name not in self.item.fields and not is_by_matrix:
            return
        by = "the matrix" if is_by_matrix else self.item.source
        message = f"the {name} of {by} replaces this, which asks for it: nothing of this is sent"
        hint = f"write the whole {name} there, or drop this; a column of a table would be filled in"
        if is_by_matrix:
            hint = f"write the whole {name} in the matrix, where  {{{{ {name} }}}}  is the sheet's, and drop this"
        place = self.common.head.places.get(name) or self.item.at()
        if not (is_by_matrix and self.common.is_told(message)):
            self.common.findings.error("template", place, message, hint)

    def _tell_replaced(self, name: str) -> None:
        """A value of the matrix that leaves out the sheet's words, which the default has a place for."""
        texts = list(texts_in(self.combination.fields[name]))
        if (name in self.item.fields or name in self.item.scope) and name not in names_in(texts) | titles_in(texts):
            message = f"the matrix's {name} is sent alone: neither the sheet's nor the default's words are in it"
            self.warn("template", (name,), message, f"to send the sheet's as well name it there:  {{{{ {name} }}}}")

    @property
    def variant(self) -> str:
        """What the matrix names it by."""
        return self.combination.variant if self.combination is not NONE else ""

    @property
    def files(self) -> Mapping[str, str]:
        """The photos of this machine that the inputs stand for: SHA-256 to path."""
        return {local.sha256: local.path for local in self.local.values()} if self.local else _NO_FILES

    # ------------------------------------------------------------------------------------------------------ fields

    def _model(self) -> str:
        """The model's id; the one this tool was made for where there is none, or where it cannot be one."""
        model = self.fields.get("model")
        if model is None or model == "":
            return DEFAULT_MODEL
        if isinstance(model, str) and len(model) <= LONGEST_ID and MODEL.fullmatch(model):
            return model
        hint = f"as in {DEFAULT_MODEL}"
        if self.place(("model",))[0].cell is not None:
            hint += "; where it is the product's, rename the column"
        self.error("model", ("model",), f"not a model's id: {str(model)[:60]!r}", hint)
        return DEFAULT_MODEL

    def _look_at_model(self) -> None:
        """Tell of a model that nothing is known of, once: perhaps nobody has it, perhaps it is only not pulled yet."""
        if self.common.is_told(self.model):
            return
        near = nearest(self.model, [DEFAULT_MODEL], 0.8)
        hint = (
            f"did you mean {near!r}?" if near else f"models pull {self.model}  puts it there, if there is such a model"
        )
        place, _ = self.place(("model",))
        message = f"no card of the model {self.model!r} is at hand: its jobs are checked once the service is asked"
        self.common.findings.warn("model", place, message, hint)

    def _id(self) -> str | None:
        """The user's id, with the matrix's suffix unless a template made it; `None` where there is none."""
        given = self.fields.get("id")
        if given is None:
            return None
        if not isinstance(given, str):
            self.error("id", ("id",), f"an id must be text, got {str(given)[:60]}", "write one word, or leave it out")
            return None
        if is_template(given):
            return render(self, given, "id").strip()
        if given.strip() and given != given.strip():
            self.error("id", ("id",), f"the id {given[:60]!r} has a blank at an end", "take it away: nobody sees it")
        return given + self.combination.suffix if self.combination is not NONE else given

    def _inputs(self, rules: InputRules | None) -> dict[str, Any]:
        """What is sent: the fields with their templates filled in and their photos found."""
        inputs: dict[str, Any] = {}
        kinds = self.common.kinds(rules)
        self.gap = None
        for key, given in self.fields.items():
            value = given
            if type(given) is Gapped:
                self.gap, value = (key, given.gap), list(given)
            kind = kinds.get(key)
            if kind == "name":
                continue
            if kind is not None and kind.startswith("media"):
                inputs[key] = value if are_urls(value) else media(self, key, value, rules, kind)
                continue
            holds_template = is_template(value) if type(value) is str else any(map(is_template, texts_in(value)))
            if holds_template and kind == "prompt" and isinstance(value, str):
                inputs[key] = render(self, value, key)
                continue
            inputs[key] = _as_kind(value, kind)
            if holds_template:
                hint = "templates are filled in in prompt, media URLs, id and output.path alone"
                self.error("template", (key,), f"{key} holds a template", hint)
        return inputs

    # ------------------------------------------------------------------------------------------------------ places

    def error(
        self, code: str, path: tuple[str | int, ...], message: str, hint: str = "", *, is_of_row: bool = True
    ) -> None:
        """An error at the place where the field was written; of an inherited one, also for which row."""
        place, is_own = self.place(path)
        head = self.common.head
        if is_of_row and not is_own and not self.item.is_job and " is undefined" not in message:
            message = f"{message} (for {self.item.source})"
        elif is_of_row and not is_own and not self.item.is_job and len(head.sources) > 1:
            message = f"{message} in {_source_of(self.item, head)}"
        self.common.findings.error(code, place, message, hint)

    def warn(self, code: str, path: tuple[str | int, ...], message: str, hint: str) -> None:
        """Something that can be sent, and was hardly meant so."""
        self.common.findings.warn(code, self.place(path)[0], message, hint)

    def is_told(self, what: str) -> bool:
        """Whether something of its source was spoken of before."""
        return self.common.is_told(f"{_source_of(self.item, self.common.head)}: {what}")

    def place(self, path: tuple[str | int, ...]) -> tuple[Place, bool]:
        """Where a field was written, by whom the last word was; and whether it was the item itself."""
        if not path:
            return self.item.at(), True
        key = str(path[0])
        exact = ".".join(map(str, path))
        for override in reversed(self._overrides):
            if key in override.fields:
                return override.places.get(exact) or override.places[key], False
        head, combination = self.common.head, self.combination
        is_own = key in self.item.fields
        if key in combination.fields and not (self.item.is_job and is_own):
            return combination.places[key], False
        if is_own or key not in head.fields:
            return self.item.at(*path), True
        return head.places.get(exact) or head.places.get(key) or self.item.at(), False


def _source_of(item: Item, head: Head) -> str:
    """The source that an item comes from: of photos, their folder."""
    file = item.source.rpartition(":")[0]
    folders = (source.folder for source in head.sources if isinstance(source, Folder))
    return next((folder for folder in folders if file.startswith(f"{folder.rstrip('/')}/")), file)


def _as_kind(value: Any, kind: str | None) -> Any:
    """A text in a list where a list is wanted, and `3.0` as the 3 that is meant, counted and paid for."""
    if kind == "list" and isinstance(value, str):
        return [value]
    if kind == "integer" and isinstance(value, float) and value.is_integer() and abs(value) < LARGEST_WHOLE:
        return int(value)
    return value
