"""From items to specs: by the matrix, one or several jobs of each, put with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.manifest.blocks import Block
from runner.manifest.checks import check
from runner.manifest.common import Common
from runner.manifest.diagnostics import Findings
from runner.manifest.filling import given_id
from runner.manifest.head import Head
from runner.manifest.items import Item, key_of
from runner.manifest.jobs import Job
from runner.manifest.matrix import NONE
from runner.manifest.rows import RowItem
from runner.manifest.scopes import Layer
from runner.manifest.spool import Specs, Twins, stem_key
from runner.manifest.templates import Cell, Scope
from runner.manifest.words import MEDIA
from runner.model import LocalFiles, RulesOf, digest_of
from runner.rules.names import folded, owned_stems


class Assembly:
    """Makes the specs of one manifest, and notes what only the whole of it shows."""

    def __init__(self, head: Head, rules_of: RulesOf, findings: Findings, local: LocalFiles | None = None) -> None:
        self.head = head
        self.findings = findings
        self.specs = Specs()
        self.ids = Twins()
        self.stems = Twins()
        """The names of files, but for those that are called like their jobs: `ids` stands for them."""
        self.fingerprints = Twins()
        self.columns: dict[str, Mapping[str, int]] = {}
        """Of each sheet, where its columns stand."""
        self._common = Common(head, rules_of, findings, local)

    @property
    def models(self) -> Sequence[str]:
        """The models that jobs name, each once."""
        return self._common.models

    def add(self, item: Item) -> None:
        """Make the job, or by the matrix the jobs, of an item."""
        if self.head.matrix is None:
            self._put(Job(self._common, item, NONE), item)
            return
        base = given_id(item)
        scope: Scope = item.scope if base is None else Layer({"id": Cell(base)}, item.scope)
        for combination in self.head.matrix.of(scope, item.source, self.findings):
            self._put(Job(self._common, item, combination), item)
        for key in sorted(self.head.matrix.used & item.fields.keys()):
            if item.is_job:
                message = f"the job's own {key} is sent, and not the matrix's"
                hint = "drop it here, or give the job a manifest of its own, without a matrix"
                self.findings.warn("matrix", item.at(key), message, hint)
            elif not self._common.is_told(f"{item.source.rpartition(':')[0]}: {key} of the matrix"):
                self._tell_replaced(item, key)

    def _tell_replaced(self, item: Item, key: str) -> None:
        """A cell that the matrix replaces, unless it is what the matrix fills in."""
        names = {key}
        if isinstance(item, RowItem):
            names |= {key_of(title) for title, index in item.columns.items() if index == item.first.get(key)}
        assert self.head.matrix is not None  # noqa: S101 the caller looked
        if self.head.matrix.fills_in(key, names):
            return
        hint = "drop one of them"
        if key == "prompt" or key in MEDIA:
            hint += f"; to send both name the column in the matrix, as in  {{{{ {key} }}}}"
        self.findings.warn("matrix", item.at(key), f"the matrix's {key} is sent, and not the sheet's", hint)

    def add_block(self, block: Block) -> None:
        """Put what rows have come to with the others."""
        self._common.rules(block.model)  # one of the manifest's models
        self.columns.setdefault(block.table.label, block.table.indexes)
        self.ids.update(folded(record[0]) for record in block.records)
        self.fingerprints.update(record[3] for record in block.records)
        self.specs.extend(block.records)

    def end(self) -> None:
        """What is left to be said when all items are in: what is for nobody, axes that change nothing."""
        for axis, place in self.head.matrix.idle(self.head.names | self._common.asked) if self.head.matrix else ():
            message = f"matrix: {axis!r} is no field of the model, and no template asks for it: its jobs are alike"
            self.findings.warn("matrix", place, message, "jobs that are alike are paid once, and share their files")
        if self.head.matrix and not self.findings.has_errors:  # a condition that cannot be judged is true of nothing
            for place, when in self.head.matrix.never.items():
                message = "matrix: include: when is true of no job"
                hint = "mend the condition, or drop it"
                hint += "; capitals count, as in  colour | lower == 'teal'" * when.asks_for_letters
                self.findings.warn("matrix", place, message, hint)
        for watched in self._common.watched.values() if not self.findings.has_errors else ():
            watched.tell(self.findings)
        for override in self._common.unused_overrides():
            message = f"overrides: no job's id matches {override.match!r}"
            self.findings.warn("override", override.places["match"], message, "a * stands for any letters")

    def _put(self, job: Job, item: Item) -> None:
        """Make a job and put it with the others."""
        if not job.make():
            return
        check(job)
        digest = digest_of(job.model, job.body)
        self.ids.add(folded(job.id))
        self.fingerprints.add(digest)
        if job.paths or job.count > 1 or not job.is_plain:
            for stem in owned_stems(job.id, job.paths, job.count):
                self.stems.add(stem_key(stem))
        number = 0
        if isinstance(item, RowItem):
            number = item.number
            self.columns.setdefault(item.label, item.columns)
        fields = (job.id, job.model, job.inputs, digest, item.row, item.source, job.variant, job.paths, job.files)
        self.specs.add((*fields, job.id_at, number))
