"""What all jobs of a manifest have in common: its head, what their models accept, and what was asked of it so far."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from unicodedata import normalize

from runner.manifest.comparisons import Comparisons
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.head import Head, Override
from runner.manifest.items import texts_in
from runner.manifest.templates import Template, TemplateProblem, compiled, names_in, titles_in
from runner.manifest.words import MEDIA
from runner.model import InputRules, LocalFiles, RulesOf

DEFAULT_MODEL: Final = "google/nano-banana/edit"
MODEL: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)+", re.ASCII)
"""A model's id is part of the URL that is paid at: nothing in it may lead elsewhere. Owner and name at least: what a
sheet calls a model is often the product's."""


MOST_WATCHED: Final = 50
"""Templates whose comparisons are looked at."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What the rows are where a template compares a column with a text."""

    template: Template
    place: Place
    compared: Comparisons

    def tell(self, findings: Findings) -> None:
        """Say what was hardly meant so: then a part of the template is sent where it should not, or nowhere."""
        capitals = self.compared.capitals
        doubtful = list(self.compared.mistyped()) if capitals is None else [capitals]
        for message, hint in doubtful:
            findings.warn("template", self.place, message, hint)
        for message, hint in self.compared.foreign(self.template.wanted) if not doubtful else ():
            findings.note("template", self.place, message, hint)


class Common:
    """What all jobs of a manifest have in common."""

    def __init__(self, head: Head, rules_of: RulesOf, findings: Findings, local: LocalFiles | None) -> None:
        self.head = head
        self.findings = findings
        self.local = local
        self.stem_template = _stem_template(head, findings)
        self._rules_of = rules_of
        self._rules: dict[str, InputRules | None] = {}
        self._kinds: dict[str, Mapping[str, str]] = {}
        self.asking = [
            name
            for name, value in head.fields.items()
            if name in names_in(texts_in(value)) | titles_in(texts_in(value))
        ]
        """The defaults that ask for what would replace them, as  prompt: "{{ prompt }} Keep the label."."""
        self.asked: frozenset[str] = frozenset()
        """Names that templates ask for, where there is a matrix."""
        self.watched: dict[str, Watched] = {}
        """The templates that compare columns with texts, but for those of single rows."""
        self.photo_of: dict[str, str] = {}
        """Of each photo that a path with cells in it leads to, the first such path."""
        self._used_overrides: set[int] = set()
        self._exact: dict[str, list[int]] = {}
        """The exceptions for one job each, by its id: there may be as many as there are jobs."""
        self._wild: list[int] = []
        for number, override in enumerate(head.overrides):
            if {"*", "?"} & set(override.match):
                self._wild.append(number)
            else:
                self._exact.setdefault(normalize("NFC", override.match), []).append(number)
        self._told: set[str] = set()

    @property
    def models(self) -> Sequence[str]:
        """The models that jobs name, each once."""
        return list(self._rules)

    def rules(self, model: str) -> InputRules | None:
        """What a model accepts."""
        if model not in self._rules:
            rules = self._rules[model] = self._rules_of(model)
            if rules is not None and rules.unread:
                message = f"the card of {model} says what cannot be checked: {', '.join(rules.unread[:6])}"
                self.findings.warn(
                    "model", Place(), message, "the rest of it is; read what  models show  says of these"
                )
        return self._rules[model]

    def is_told(self, model: str) -> bool:
        """Whether a model that nothing is known of was spoken of before."""
        is_told = model in self._told
        self._told.add(model)
        return is_told

    def watch(self, template: Template, place: Place) -> None:
        """Look at what a template compares with texts from now on."""
        if len(self.watched) < MOST_WATCHED:
            self.watched[template.text] = Watched(template, place, Comparisons(template.compared))

    def kinds(self, rules: InputRules | None) -> Mapping[str, str]:
        """How each field of a model is read, where there is more to it than to take it as it stands."""
        model = rules.model if rules is not None else ""
        if model not in self._kinds:
            self._kinds[model] = dict(_kinds(rules))
        return self._kinds[model]

    def overrides_for(self, job_id: str) -> list[Override]:
        """The exceptions that are about a job, in order."""
        wild = (number for number in self._wild if self.head.overrides[number].is_for(job_id))
        found = sorted([*wild, *self._exact.get(normalize("NFC", job_id), ())])
        self._used_overrides.update(found)
        return [self.head.overrides[number] for number in found]

    def unused_overrides(self) -> Iterator[Override]:
        """The exceptions that were about no job so far."""
        for number, override in enumerate(self.head.overrides):
            if number not in self._used_overrides:
                yield override


def _kinds(rules: InputRules | None) -> Iterator[tuple[str, str]]:
    yield from (("id", "name"), ("model", "name"), ("prompt", "prompt"))
    if rules is None:
        yield from ((name, "media") for name in MEDIA)
        yield "num_images", "integer"
        return
    for name, schema in rules.fields.items():
        is_list = schema.get("type") == "array"
        if name in rules.url_fields:
            yield name, "media list" if is_list else "media"
        elif is_list:
            yield name, "list"
        elif schema.get("type") in ("integer", ["integer", "null"]):
            yield name, "integer"


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
