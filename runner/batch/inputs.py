"""What can be said of a manifest's input URLs before anything is paid: by asking for them, or by their text alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner.batch.loading import rules_at_hand
from runner.batch.options import parse_duration
from runner.batch.preflight import Checked, preflight
from runner.batch.watch import next_at
from runner.catalog import ModelCard
from runner.errors import ManifestInvalid
from runner.manifest import Diagnostic, Manifest, Place, stems_of
from runner.manifest.tables import cell_name
from runner.media.looks import Good, Kind
from runner.media.values import shown
from runner.model import LOCAL, InputRules, JobSpec, MeasuredFile, counted
from runner.rules.expiry import expires_at
from runner.rules.names import folded
from runner.store.binding import has_state

LASTS_S: Final = 12 * 3600.0
"""How long a run is taken to last where nobody says so: a night."""
MOST_TOLD: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What asking for the inputs of a manifest has shown."""

    asked: int
    """Distinct URLs."""
    diagnostics: tuple[Diagnostic, ...]


@dataclass(slots=True)
class _Use:
    """Where a URL stands in the manifest."""

    source: str
    field: str
    cell: str | None
    rules: InputRules | None
    jobs: int = 1


async def check_inputs(
    manifest: Manifest,
    *,
    lasts_s: float | None = None,
    cards: Mapping[str, ModelCard] | None = None,
    allow_loopback: bool = False,
    on_count: Callable[[int], None] = lambda _: None,
) -> Inputs:
    """Ask for each distinct input once, politely: whether the service can fetch it, and until the run is over.

    `lasts_s` is how long the run will last; by default what the manifest's `run:` says, or a night. `on_count` is told
    how many were asked so far.
    """
    rules = rules_at_hand(manifest.path.parent, cards or {}, allow_loopback=allow_loopback)
    uses: dict[str, _Use] = {}
    found: list[Diagnostic] = []
    count = 0

    def urls() -> Iterator[tuple[str, Kind]]:
        for spec, row in manifest.jobs.with_rows():
            for field, url in media_urls(spec, rules(spec.model)):
                if (use := uses.get(url)) is not None:
                    use.jobs += 1
                else:
                    uses[url] = _Use(spec.source, field, _cell_of(url, spec, row, manifest), rules(spec.model))
                    yield url, kind_of(field, rules(spec.model))

    def told(checked: Checked) -> None:
        nonlocal count
        count += 1
        on_count(count)
        found.extend(_diagnostics(checked, uses[checked.url]))

    now = time.time()
    ends_at = now + lasts_s if lasts_s else _end_of(manifest.run, now)
    asked = await preflight(urls(), now=now, ends_at=ends_at, on_result=told, allow_loopback=allow_loopback)
    return Inputs(asked=asked, diagnostics=tuple(sorted(found, key=lambda d: (d.file, d.place.line))))


def media_urls(spec: JobSpec, rules: InputRules | None) -> Iterator[tuple[str, str]]:
    """The fields of a job that hold URLs which the service fetches, with each URL."""
    fields = rules.url_fields if rules is not None else tuple(spec.inputs)
    for field in fields:
        value = spec.inputs.get(field)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.startswith(("https://", "http://")) and not text.startswith(LOCAL):
                yield field, text


def kind_of(field: str, rules: InputRules | None) -> Kind:
    """What a field wants: by its format, else by its name, else an image."""
    schema: Any = rules.fields.get(field, {}) if rules is not None else {}
    items = schema.get("items", {})
    words = f"{schema.get('format', '')} {items.get('format', '') if isinstance(items, dict) else ''} {field}".lower()
    return "video" if "video" in words else "audio" if "audio" in words else "image"


class Unfit:
    """Jobs that are to be sent and should not be, found by what is at hand: nobody is asked.

    A presigned URL says itself when it stops working; a job with one that has would be paid for nothing. And a file on
    the disk that is no job's is not written over, unless the manifest says so.
    """

    def __init__(self, manifest: Manifest, directory: Path, now: float, *, is_simulated: bool) -> None:
        self._now = now
        self._looks_at_urls = not is_simulated
        self._strangers = _files_of_nobody(directory) if manifest.on_conflict == "error" else frozenset()
        self._lines: list[str] = []
        self._count = 0

    def look(self, spec: JobSpec) -> None:
        """Look at a job that is to be sent."""
        if self._looks_at_urls and any(map(_may_expire, spec.inputs.values())):
            for field, url in media_urls(spec, None):
                if "?" in url and (end := expires_at(url)) is not None and end <= self._now:
                    when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(end))
                    message = f"{field}: {shown(url)} stopped working at {when} UTC"
                    self.tell(f"{spec.source}: error[input-expired]: {message}", "presign it anew")
        if self._strangers:
            for stem in sorted(stems_of(spec)):
                if folded(stem) in self._strangers:
                    message = f"a file {stem}.* is there already, and is no job's"
                    hint = "move it away, choose another --out, or say  output: {on_conflict: overwrite}"
                    self.tell(f"{spec.source}: error[output-exists]: {message}", hint)

    def refuse(self) -> None:
        """Raise `ManifestInvalid` where there were any."""
        if self._count:
            more = f"\n… and {self._count - MOST_TOLD:,} more like these" if self._count > MOST_TOLD else ""
            text = "\n".join(self._lines)
            raise ManifestInvalid(f"{text}{more}\n{counted(self._count, 'error')}. Nothing was submitted.")

    def tell(self, line: str, hint: str) -> None:
        """One more reason to refuse, with its remedy."""
        self._count += 1
        if self._count <= MOST_TOLD:
            self._lines += [line, f"        = {hint}"]


def _may_expire(value: Any) -> bool:
    """Whether a URL in it may have a query that says until when it works."""
    texts = value if type(value) is list else (value,)
    for text in texts:  # noqa: SIM110 a generator for each value would cost more than what it asks
        if isinstance(text, str) and "?" in text:
            return True
    return False


def _files_of_nobody(directory: Path) -> frozenset[str]:
    """The files in the images folder of a run directory that has no state, each without its extension."""
    if has_state(directory):
        return frozenset()
    files = (path.relative_to(directory) for path in (directory / "images").rglob("*") if path.is_file())
    return frozenset(folded(path.with_suffix("").as_posix()) for path in files if not path.name.startswith("."))


def _end_of(run: Mapping[str, Any], now: float) -> float:
    """When the run will be over, by what the manifest says under `run:`; else a night from now."""
    until, most = run.get("until"), run.get("max_duration")
    ends = [next_at(str(until), now)] if until is not None else []
    if most is not None and (lasts_s := parse_duration(most)) is not None:
        ends.append(now + lasts_s)
    return min(ends, default=now + LASTS_S)


def _cell_of(url: str, spec: JobSpec, row: int, manifest: Manifest) -> str | None:
    """The cell that the URL stands in, as `C12`; `None` where it stands in none, or in several."""
    columns = manifest.columns.get(spec.source.rpartition(":")[0], {})
    found = [title for title, text in spec.row.items() if url in text and title in columns] if row else []
    return cell_name(columns[found[0]], row) if len(found) == 1 else None


def _diagnostics(checked: Checked, use: _Use) -> Iterator[Diagnostic]:
    file, _, line = use.source.rpartition(":")
    place = Place(line=int(line) if line.isdecimal() else 1, cell=use.cell, file=file)
    also = f" (and {counted(use.jobs - 1, 'job')} more)" if use.jobs > 1 else ""
    for finding in checked.findings:
        message = f"{use.field}: {finding.message}{also}"
        yield Diagnostic(
            severity=finding.severity, code=finding.code, file=file, place=place, message=message, hint=finding.hint
        )
    if isinstance(checked.look, Good) and use.rules is not None:
        look = checked.look
        measured = MeasuredFile(bytes=look.bytes, width=look.width, height=look.height)
        for problem in use.rules.file_problems(use.field, measured):
            message = f"{use.field}: {shown(checked.url)}: {problem.message}{also}"
            yield Diagnostic(
                severity="error", code=problem.code, file=file, place=place, message=message, hint=problem.hint
            )
