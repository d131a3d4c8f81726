"""What the morning hands over: the sheet back, imports for shops, the approved pictures, lists for programs."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from runner.batch.following import run_of
from runner.batch.matching import Matched, Ran
from runner.batch.review import Review, Word
from runner.batch.spanning import Known
from runner.errors import StorageFailed, UsageProblem
from runner.manifest.original import Original, Row, original
from runner.manifest.workbook import worksheets
from runner.media.files import is_whole
from runner.model import Job, JobState, Run, counted
from runner.report import lists, sheet, summarize
from runner.report.files import replacing
from runner.report.workbook import writing_workbook
from runner.rules.planning import best_twin
from runner.store.reader import Reader

CHUNK: Final = 400
TABLES: Final = (".csv", ".tsv", ".xlsx")
IMAGES: Final = "images/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be handed over, and where to; `None` is not wanted."""

    sheet: Path | None = None
    shopify: Path | None = None
    woocommerce: Path | None = None
    rerun: Path | None = None
    junit: Path | None = None
    copy_to: Path | None = None
    public_base_url: str | None = None
    """Where `images/` will be to be had by the public."""
    review: Word | None = None
    """Only the pictures of which a person said so."""
    review_file: Path | None = None
    """The review that was saved; `review.json` in the run directory."""
    encoding: str | None = None
    """What the sheet is written in, where it cannot be told."""


def export(directory: Path, wishes: Wishes) -> list[str]:
    """Hand over what is wanted; a sentence about each.

    Raises `InputMissing` where there is no state, or the sheet is gone; `UsageProblem` for wishes that mean nothing;
    `StorageFailed` where the disk fails. Files are replaced whole.
    """
    if not any((wishes.sheet, wishes.shopify, wishes.woocommerce, wishes.rerun, wishes.junit, wishes.copy_to)):
        raise UsageProblem("nothing to export: --sheet, --shopify, --woocommerce, --rerun, --junit or --copy-to")
    if (wishes.shopify or wishes.woocommerce) and wishes.public_base_url is None:
        raise UsageProblem("a shop fetches pictures by URL: --public-base-url says where images/ is to be had")
    with Reader(directory) as reader:
        return list(_Export(directory, wishes, reader, run_of(reader, directory)).all())


@dataclass(slots=True)
class _Back:
    """A sheet that goes back."""

    source: Path
    worksheet: str | None
    """Of a workbook."""
    ran: Ran
    matched: Matched
    path: Path = Path()

    def known(self, number: int, row: Row) -> Known:
        """What is known of one of its rows."""
        return self.ran.of(number, row, self.matched)


@dataclass(slots=True)
class _Export:
    """One hand-over, from an open state."""

    directory: Path
    wishes: Wishes
    reader: Reader
    run: Run
    review: Review | None = field(init=False, default=None)
    url_of: Callable[[str], str] | None = field(init=False, default=None)
    again: frozenset[str] = field(init=False, default=frozenset())
    """The jobs whose pictures were done again."""

    def __post_init__(self) -> None:
        wishes = self.wishes
        if wishes.public_base_url is not None:
            self.url_of = _urls(wishes.public_base_url)
        if wishes.review is not None or wishes.review_file is not None:
            self.review = Review.read(wishes.review_file or self.directory / "review.json")

    def all(self) -> Iterator[str]:
        """Everything that is wanted."""
        wishes = self.wishes
        if wishes.sheet is not None:
            yield from self._sheets(wishes.sheet)
        for path, rows in ((wishes.shopify, sheet.shopify_rows), (wishes.woocommerce, sheet.woocommerce_rows)):
            if path is not None and self.url_of is not None:
                with _writing(path) as file:
                    sheet.write_rows(file, rows(self._chosen(), self.url_of))
                yield f"{path}: to be imported when the files are at {self.wishes.public_base_url}"
        if wishes.rerun is not None:
            yield self._rerun(wishes.rerun)
        if wishes.junit is not None:
            with _writing(wishes.junit) as file:
                lists.write_junit(file, self.run, summarize(self.run, self._jobs()), self._jobs())
            yield f"{wishes.junit}: JUnit"
        if wishes.copy_to is not None:
            yield self._copy(wishes.copy_to)

    def _jobs(self) -> Iterator[Job]:
        return self.reader.jobs(with_gone=False)

    def _chosen(self) -> Iterator[Job]:
        """The jobs whose pictures are handed over."""
        for job in self._jobs():
            if job.state is JobState.DONE and self._fits(job):
                yield job

    def _fits(self, job: Job) -> bool:
        word = self.wishes.review
        return word is None or (self.review is not None and self.review.word_of(job) == word)

    # ------------------------------------------------------------------------------------------------------- sheets

    def _sheets(self, target: Path) -> Iterator[str]:
        """Each table that the jobs came from; where there are several, their names are added to the target's.

        All are looked through before one is written: an earlier file is not replaced by one that says nothing.
        """
        tables: defaultdict[str, Ran] = defaultdict(Ran)
        for job in self._jobs():
            label = job.spec.source.rpartition(":")[0]
            if Path(label).suffix.lower() in TABLES:
                tables[label].add(job)
        self.again = frozenset(self.reader.kept())
        if not tables:
            raise UsageProblem("--sheet: no table was run here; results.csv has a line for each job")
        found = [back for label, ran in tables.items() for back in self._found(label, ran)]
        taken = set[Path]()
        for back in found:
            names = [back.source.stem] if len(found) > 1 else []
            if back.worksheet is not None and sum(other.source == back.source for other in found) > 1:
                names.append(back.worksheet)
            stem = "-".join([target.stem, *names])
            ways = chain([target.with_stem(stem)], (target.with_stem(f"{stem}-{number}") for number in count(2)))
            back.path = next(path for path in ways if path not in taken)  # as of a/in.csv and b/in.csv
            taken.add(back.path)
            if back.path.exists() and back.path.samefile(back.source):
                raise UsageProblem(f"--sheet {back.path}: that is the sheet itself; choose another name")
        yield from map(self._sheet, found)

    def _found(self, label: str, ran: Ran) -> list[_Back]:
        """A table as it is now; of a workbook, each worksheet that jobs came from: which one is in its rows alone."""
        source = self._table(label)
        is_book = source.suffix.lower() == ".xlsx" and source.is_file()
        names: list[str | None] = [*worksheets(source)] if is_book else []
        looks = self._looks(source, ran, names or [None])
        found, seen = list[_Back](), set[int]()
        for back in sorted(looks, key=lambda back: (len(back.matched.exact), back.matched.known), reverse=True):
            if (back.matched.exact if found else back.matched.hashes) - seen:  # a name may stand in several worksheets
                seen |= back.matched.hashes
                found.append(back)
        if not found:
            raise UsageProblem(f"{source} has changed: none of its rows was run here. results.csv has those that were.")
        return found

    def _looks(self, source: Path, ran: Ran, names: Sequence[str | None]) -> Iterator[_Back]:
        """Each worksheet that holds a table; one that does not is none that jobs came from."""
        for name in names:
            try:
                with original(source, ran.knows, self.wishes.encoding, name) as table:
                    matched = ran.match((number, table.row(cells)) for _, number, cells in table.sheet.rows)
            except UsageProblem:
                if len(names) == 1:
                    raise
                continue
            yield _Back(source, name, ran, matched)

    def _sheet(self, back: _Back) -> str:
        with original(back.source, back.ran.knows, self.wishes.encoding, back.worksheet) as table:
            known = ((cells, back.known(number, table.row(cells))) for _, number, cells in table.sheet.rows)
            rows = self._with_jobs(known)
            self._write_sheet(back.path, table, rows)
        return f"{back.path}: {back.source.name} with what became of {back.matched.told()}"

    def _write_sheet(self, path: Path, table: Original, rows: Iterator[sheet.Told]) -> None:
        """As a workbook where the name ends so, else as the table was written."""
        header = table.sheet.header
        if path.suffix.lower() == ".xlsx":
            _make_folder(path)
            with writing_workbook(path, [sheet.COST]) as book:
                sheet.write_sheet(book.writerow, str, header, rows, self.url_of, self.again)
            return
        paper = sheet.Paper(table.delimiter, table.line_end, table.codec)
        with _writing(path, table.codec) as file:
            sheet.write_sheet(paper.writer(file), paper.shown, header, rows, self.url_of, self.again)

    def _table(self, label: str) -> Path:
        """Where a table is: a source stands in the manifest's folder, a manifest where the user said."""
        beside = Path(self.run.manifest).parent / label
        return beside if label != self.run.manifest and beside.is_file() else Path(label)

    def _with_jobs(self, rows: Iterator[tuple[Sequence[str], Known]]) -> Iterator[sheet.Told]:
        """Each row with its jobs, which are read a few hundred at a time."""
        while chunk := list(islice(rows, CHUNK)):
            flat = [job_id for _, known in chunk for job_id in known.jobs]
            found: dict[str, Job] = {}
            for start in range(0, len(flat), CHUNK):
                found |= self.reader.named(flat[start : start + CHUNK])
            for cells, known in chunk:
                yield cells, [found[name] for name in known.jobs if name in found], known.is_edited

    # -------------------------------------------------------------------------------------------------------- lists

    def _rerun(self, path: Path) -> str:
        """What is not done, and what was rejected, as a manifest."""
        review = self.review
        jobs = (job for job in self._jobs() if job.state is not JobState.DONE or (review and review.wants_again(job)))
        prompts = {name: one.prompt for name, one in review.rejected.items() if one.prompt} if review else {}
        with _writing(path) as file:
            written, left = lists.write_rerun(file, jobs, prompts, self._waits)
        paid = f"; {counted(left, 'job')} left out: paid, or perhaps. Go on with the run itself" if left else ""
        return f"{path}: a manifest of {counted(written, 'job')}{paid}"

    def _waits(self, job: Job) -> bool:
        """Whether a job was not sent, since its request is paid for another one, or may be."""
        if job.was_taken or "--no-dedupe" in self.run.given:
            return False
        twins = self.reader.twins([job.spec.fingerprint])[job.spec.fingerprint]
        twin = best_twin(twin for twin in twins if twin.job_id != job.job_id)
        return twin is not None and (twin.is_paid or twin.is_written_off)

    def _copy(self, folder: Path) -> str:
        """The chosen pictures, under the names that they have below `images/`."""
        files = missing = 0
        for job in self._chosen():
            for artifact in job.artifacts:
                if not is_whole(self.directory, artifact):
                    missing += 1
                    continue
                target = folder / artifact.path.removeprefix(IMAGES)
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(self.directory / artifact.path, target)
                except shutil.SameFileError as error:
                    raise UsageProblem(f"--copy-to {folder}: the pictures are there already") from error
                except OSError as error:
                    raise StorageFailed(f"{target} cannot be written: {error.strerror}") from error
                files += 1
        lost = f"; {counted(missing, 'file')} not here any more: verify --repair fetches them, free" if missing else ""
        return f"{folder}: {counted(files, 'file')}{lost}"


def _urls(base: str) -> Callable[[str], str]:
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageProblem(f"--public-base-url {base!r}: expected a URL as https://cdn.shop.example/spring")
    return lambda path: f"{base.rstrip('/')}/{quote(path.removeprefix(IMAGES))}"


def _writing(path: Path, codec: str = "utf-8") -> Any:
    _make_folder(path)
    return replacing(path, encoding=codec)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}") from error
