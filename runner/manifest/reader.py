"""Reads a manifest of any format, and everything it names, into specs that can be sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from runner.errors import UsageProblem
from runner.manifest import encoding
from runner.manifest.assembly import Assembly
from runner.manifest.blocks import Block
from runner.manifest.common import DEFAULT_MODEL, MODEL
from runner.manifest.diagnostics import Diagnostic, Findings, Place
from runner.manifest.files import check_there, form_of, has_tabs, is_text, name_of, problem_of, yaml_text
from runner.manifest.folders import photos
from runner.manifest.given import Given, Source
from runner.manifest.head import Folder, Head, Settings
from runner.manifest.items import Item, Sieve, texts_in, typed
from runner.manifest.jsonl import Renaming, read_jsonl
from runner.manifest.lines import Line, Titles
from runner.manifest.naming import named
from runner.manifest.presets import PRESETS
from runner.manifest.readings import decide, delimiter_of
from runner.manifest.sources import Reopen, items
from runner.manifest.spool import Specs
from runner.manifest.tables import open_text
from runner.manifest.templates import is_template
from runner.manifest.twins import refuse_twins
from runner.manifest.words import MEDIA
from runner.manifest.yaml_reader import YamlManifest
from runner.model import LocalFiles, RulesOf

LONGEST_LINE: Final = 128 << 20
"""Characters of one line of JSONL: a job with photos inside it, as `data:` URIs, is long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inline:
    """What the command line says of a table that is a manifest by itself."""

    prompt: str | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Which columns a field is read from: several, of pictures."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Fields that every row has, as text."""
    encoding: str | None = None
    preset: str | None = None
    per: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return self == Inline()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A checked manifest: everything in it can be sent."""

    name: str
    path: Path
    jobs: Specs
    """Read once, and kept as they were when they were checked."""
    models: tuple[str, ...] = ()
    """The models that the jobs name, each once."""
    repeated: frozenset[int] = frozenset()
    """Hashes of the fingerprints that more than one job may have."""
    reworded: Mapping[str, str] = field(default_factory=dict)
    """By job id, the fingerprint of what the entry itself says, where a review has given it another prompt."""
    run: Mapping[str, Any] = field(default_factory=dict)
    """The settings under `run:`, as they stand."""
    on_conflict: str = "error"
    columns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Of each sheet, by its file, where its columns stand, from 0."""
    warnings: tuple[Diagnostic, ...] = ()


def read_manifest(
    path: Path,
    *,
    rules: RulesOf,
    settings: Settings | None = None,
    local: LocalFiles | None = None,
    inline: Inline | None = None,
) -> Manifest:
    """The manifest in a file, every job checked by its model's rules, and every setting by its own.

    Raises `InvalidManifest` with every error at once, `InputMissing` where there is no such file, and `UsageProblem`
    for a format that is not known, or for words of the command line that the format has a place for.
    """
    check_there(path)
    form = form_of(path)
    inline = inline or Inline()
    if form in ("yaml", "jsonl") and not inline.is_empty:
        raise UsageProblem(
            f"{path}: --prompt, --col, --set, --encoding, --preset and --per are for tables; "
            "a YAML manifest says these things itself"
        )
    if inline.per is not None and inline.preset is None:
        raise UsageProblem(f"{path}: --per goes with a preset, as in  --preset shopify")
    findings = Findings(str(path))
    reading = _Reading(path, rules, settings or {}, local, findings)
    head = reading.read(form, inline)
    specs = reading.assembly.specs
    repeated = refuse_twins(reading.assembly, head.on_conflict, findings, reading.line_of)
    if not specs and not findings.has_errors:
        findings.error("no-jobs", Place(), *_why_empty(head))
    findings.refuse_if_any()
    return Manifest(
        name=head.name or name_of(path),
        path=path,
        jobs=specs,
        models=tuple(reading.assembly.models),
        repeated=repeated,
        run=head.run,
        on_conflict=head.on_conflict,
        columns=reading.assembly.columns,
        warnings=tuple(findings.found),
    )


class _Reading:
    """One reading of a manifest and the files it names."""

    def __init__(
        self, path: Path, rules: RulesOf, settings: Settings, local: LocalFiles | None, findings: Findings
    ) -> None:
        self._path = path
        self._rules = rules
        self._settings = settings
        self._local = local
        self._findings = findings
        self._fields: dict[str, frozenset[str]] = {}
        self.assembly = Assembly(Head(), rules, findings, local)
        self.line_of: Callable[[int], str] = lambda _: ""
        """The text of a line of the manifest, for errors that only the whole shows."""

    def read(self, form: str, inline: Inline) -> Head:
        """All of it into the assembly."""
        if form == "yaml":
            text = yaml_text(self._path, self._findings)
            if text is None:
                return Head()
            manifest = YamlManifest(text, self._settings, self._findings, self._fields_of)
            self.line_of = manifest.line
            self._begin(manifest.head)
            self._add(manifest.jobs())
            for source in manifest.head.sources:
                self._add(self._from(source))
            self.assembly.end()
            return manifest.head
        head = self._alone(form, inline)
        self._begin(head)
        for source in head.sources:
            self._add(self._from(source))
        self.assembly.end()
        return head

    def _fields_of(self, model: Any) -> frozenset[str]:
        """The fields of a model, or of the usual one; none where it is not known."""
        named = model if isinstance(model, str) and MODEL.fullmatch(model) else DEFAULT_MODEL
        if named not in self._fields:
            rules = self._rules(named)
            self._fields[named] = frozenset(rules.fields) if rules else frozenset()
        return self._fields[named]

    def _begin(self, head: Head) -> None:
        if head.matrix is not None:
            model = head.fields.get("model")
            rules = self._rules(model if isinstance(model, str) and model else DEFAULT_MODEL)
            head.matrix.settle(frozenset(rules.fields) if rules else None, head.names, self._findings)
        self.assembly = Assembly(head, self._rules, self._findings, self._local)

    def _add(self, found: Iterator[Item | Block]) -> None:
        for item in found:
            if isinstance(item, Block):
                self.assembly.add_block(item)
            else:
                self.assembly.add(item)

    def _alone(self, form: str, inline: Inline) -> Head:
        """The head of a table that is a manifest by itself: what the command line says."""
        head = Head()
        place = Place()
        preset = PRESETS[inline.preset] if inline.preset else None
        if inline.prompt is not None:
            head.fields["prompt"] = inline.prompt
        rules = self._rules(inline.values.get("model") or DEFAULT_MODEL)
        for name, text in inline.values.items():
            head.fields[name] = typed(text, (rules.fields.get(name, {}) if rules else {}).get("type"))
        head.places = dict.fromkeys(head.fields, place)
        head.sources.append(
            Source(
                file=str(self._path),
                format=form,
                encoding=inline.encoding,
                columns={name: tuple(columns) for name, columns in inline.columns.items()},
                preset=preset,
                per=inline.per or "product",
                is_alone=True,
            )
        )
        return head

    # ----------------------------------------------------------------------------------------------------- sources

    def _from(self, source: Source | Folder) -> Iterator[Item | Block]:
        if isinstance(source, Folder):
            has_id = "id" in self.assembly.head.fields
            for name in self._media_of(source.folder):
                if any(map(is_template, texts_in(self.assembly.head.fields.get(name)))):
                    message = f"each photo of {source.folder} replaces this: nothing of it is sent"
                    place = self.assembly.head.places.get(name) or source.places["folder"]
                    self._findings.error("template", place, message, "drop it, or name the photos in a sheet")
            sources = self.assembly.head.sources
            others = [other for other in sources if isinstance(other, Folder) and other is not source]
            yield from photos(source, self._media_of, self._local, self._findings, has_id=has_id, others=others)
            return
        path = self._path if source.is_alone else self._path.parent / source.file
        label = str(self._path) if source.is_alone else source.file
        if not source.is_alone and (missing := problem_of(path)):
            self._findings.error(
                "source",
                source.place("file"),
                f"{source.file}{missing if missing[0] == ' ' else ': ' + missing}",
                "paths are from the manifest's folder",
            )
            return
        if not source.is_alone and is_text(path) and "format" not in source.places and not has_tabs(path):
            hint = "say what it is, as in  format: csv"
            self._findings.error("source", source.place("file"), f"{source.file}: a .txt without tabs", hint)
            return
        if source.format == "jsonl":
            yield from self._json_lines(source, path, label)
        elif source.format == "xlsx":
            from runner.manifest.workbook import open_workbook  # its XML, which few need

            yield from self._table(source, label, partial(open_workbook, path, source.sheet, self._findings, label))
        else:
            codec = self._codec(source, path, label)
            if codec is not None:
                yield from self._table(
                    source, label, partial(open_text, path, codec, delimiter_of(source), self._findings, label)
                )

    def _media_of(self, path: str) -> dict[str, Any]:
        """A photo in the model's first field of media."""
        rules = self._rules(self._given().model)
        name = next(iter(rules.url_fields), MEDIA[0]) if rules else MEDIA[0]
        is_list = rules is None or rules.fields.get(name, {}).get("type") == "array"
        return {name: [path] if is_list else path}

    def _table(self, source: Source, label: str, reopen: Reopen) -> Iterator[Item | Block]:
        with reopen() as sheet:
            if sheet is not None:
                yield from items(source, sheet, label, self._rules, self._given(), self._findings, reopen)

    def _given(self) -> Given:
        head = self.assembly.head
        model = head.fields.get("model")
        return Given(
            fields=head.given,
            defaults=head.fields,
            names=head.columns,
            by_matrix=head.matrix.asked if head.matrix is not None else {},
            axes=head.matrix.axes if head.matrix is not None else frozenset(),
            model=model if isinstance(model, str) and model else DEFAULT_MODEL,
            overridden=frozenset(name for override in head.overrides for name in override.fields),
            rest=None if head.matrix is not None or head.overrides or head.path is not None else head.fields,
        )

    def _codec(self, source: Source, path: Path, label: str) -> str | None:
        """What the table is written in; `None` where it cannot be told, which is then in the findings."""
        if source.encoding is not None and not encoding.is_known(source.encoding):
            hint = "as in  utf-8, cp932 (Japan), cp1252 (Western Europe), gb18030 (China), cp949 (Korea)"
            self._findings.error(
                "encoding", source.place("encoding"), f"no encoding is called {source.encoding!r}", hint
            )
            return None
        found = encoding.look(path, source.encoding)
        if isinstance(found, encoding.Unsaid):
            given = self._given()
            return decide(source, path, label, found.codecs, self._rules(given.model), given, self._findings)
        return self._certain(found, label)

    def _certain(
        self, found: encoding.Certain | encoding.Unsaid | encoding.Broken, label: str, hint: str = ""
    ) -> str | None:
        if isinstance(found, encoding.Certain):
            return found.codec
        if isinstance(found, encoding.Broken):
            code = "nul" if "NUL" in found.message else "encoding"
            self._findings.error(
                code,
                Place(line=found.line, file=label),
                found.message,
                hint if hint and "encoding:" in found.hint else found.hint,
            )
        return None

    def _json_lines(self, source: Source, path: Path, label: str) -> Iterator[Item]:
        found = encoding.look(path, source.encoding or "utf-8-sig", longest_line=LONGEST_LINE)
        codec = self._certain(
            found, label, "save it as UTF-8" if source.is_alone else ""
        )  # there is nowhere to say more
        if codec is None:
            return
        reopen = partial(path.open, encoding=codec, newline="\n")
        with reopen() as file:
            sieve = Sieve(source.where, source.place("where"), label, self._findings)
            model = self.assembly.head.fields.get("model")
            renaming = self._renaming(source, model, self._findings)
            titles = Titles(reopen, self._fields_of(model) if renaming is not None else None)

            def fields_of(named: Any) -> frozenset[str]:
                return self._fields_of(named or model)

            def again() -> Iterator[Line]:
                told = Findings(label)  # what is wrong is told by the first reading
                with reopen() as lines:
                    yield from read_jsonl(lines, label, told, self._renaming(source, model, told), titles, fields_of)

            wanted = filter(sieve.takes, read_jsonl(file, label, self._findings, renaming, titles, fields_of))
            has_ids = "id" in self.assembly.head.given
            yield from wanted if has_ids else named(wanted, again, self._findings)
            sieve.tell()
            for name, key in sorted(renaming.unseen) if renaming is not None else ():
                place = source.place(f"columns.{name}", "columns")
                self._findings.error("missing-column", place, f"no line of {label} has {key!r}", "name one of its keys")

    def _renaming(self, source: Source, model: Any, findings: Findings) -> Renaming | None:
        if not source.columns:
            return None
        given = self._given()
        return Renaming(source.columns, self._fields_of(model), findings, given.defaults, given.axes, given.names)


def _why_empty(head: Head) -> tuple[str, str]:
    """Why a manifest without an error has no jobs, and the remedy."""
    if any(source.where is not None for source in head.sources):
        mend = "mend the condition; capitals count, as in  status | lower == 'active'"
        return "there are no jobs in it: where leaves out all of them", mend
    if any(override.skip for override in head.overrides):
        return "there are no jobs in it: overrides skip all of them", "skip fewer of them"
    return "there are no jobs in it", "add at least one"
