"""report.html: one page beside `images/`, opened by a double-click; no server, no request to anywhere.

The page holds what is known of every job: an index, in columns, that it reads at once, and blocks of whole records, of
which it reads one when a job of it is opened. Both are compressed: 50,000 jobs are a few MB. Blocks are written as the
jobs come, the index last, so that what is held meanwhile is the index alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, TextIO
from unicodedata import category

import jinja2
from markupsafe import Markup

from runner.model import Artifact, Failure, Job, JobState, Run
from runner.report.earlier import Earlier
from runner.report.index import Index
from runner.report.originals import Originals
from runner.report.remedies import again, remedy
from runner.report.results import unsigned
from runner.report.summary import Summary

MOST: Final = {"done": 150_000, "other": 50_000}
"""Jobs that a page holds: more would be too much for a browser, and for the memory of who writes it."""
PIECE: Final = 4000
"""Values that are encoded together."""
BLOCK: Final = 500
"""Records that are unpacked together: a few milliseconds of a browser."""
SCRIPTS: Final = ("dom", "data", "query", "marks", "views", "stage", "detail", "review", "charts", "app")
"""The files of `assets/` that make the page's script, in this order."""
LIVE_SCRIPTS: Final = (*SCRIPTS[:-1], "live", "app")
"""The same for the page that follows a run."""
MARK: Final = Markup("<!-- data -->")


class Page:
    """Writes the page: a head, then the jobs one by one, then the rest."""

    def __init__(
        self,
        file: TextIO,
        directory: Path,
        run: Run,
        summary: Summary,
        originals: Originals,
        earlier: Earlier | None = None,
        kept: Mapping[str, Sequence[Artifact]] = MappingProxyType({}),
    ) -> None:
        self._file = file
        self._directory = directory
        self._run = run
        self._originals = originals
        self._earlier = earlier
        self._kept = kept
        self._index = Index()
        self._groups: dict[tuple[str, ...], dict[str, Any]] = {}
        self._block: list[str] = []
        self._blocks = self._left = 0
        self._room = dict(MOST)
        head, self._tail = _frame(run, summary, originals)
        file.write(head)
        self._head = head_of(run, summary, directory)

    def add(self, job: Job, line: str) -> None:
        """One job; `line` is its record in results.jsonl. Of very many only the first are in the page."""
        if job.failure is not None and job.state is not JobState.DONE:
            self._add_to_group(job, job.failure)
        if self._earlier is not None:
            self._earlier.see(job)
        kind = "done" if job.state is JobState.DONE else "other"
        self._room[kind] -= 1
        if self._room[kind] < 0:
            self._left += 1
            return
        before = self._originals.of(job)
        self._index.add(job, before)
        if self._earlier is not None:
            self._earlier.add(job)
        more = {"before": before, "source": job.spec.source, "variant": job.spec.variant}
        if kept := [one.path for one in self._kept.get(job.job_id, ()) if is_there(self._directory / one.path)]:
            more["kept"] = kept
        self._block.append(f"[{line},{_json(more)}]")
        if len(self._block) == BLOCK:
            self._write_block()

    def end(self) -> None:
        """The last block, the index, and the script that reads them."""
        if self._block:
            self._write_block()
        groups = sorted(self._groups.values(), key=lambda group: -group["count"])
        more = {"groups": groups, "block": BLOCK, "left": self._left}
        if self._earlier is not None:
            more["earlier"] = self._earlier.columns()
        with _Packed(self._file, "index") as packed:
            for text in written_index(self._head | more, self._index):
                packed.write(text)
        self._file.write(self._tail)

    def _add_to_group(self, job: Job, failure: Failure) -> None:
        key = (str(failure.kind), failure.code, str(job.state))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = group_of(job, failure, self._run, self._directory)
        group["count"] += 1

    def _write_block(self) -> None:
        with _Packed(self._file, f"block-{self._blocks}") as packed:
            packed.write(f"[{','.join(self._block)}]")
        self._block.clear()
        self._blocks += 1


def head_of(run: Run, summary: Summary, directory: Path) -> dict[str, Any]:
    """What the page knows of the run as a whole."""
    words = {"name": run.name, "again": again(run, directory), "directory": str(directory)}
    return {"summary": summary.as_dict(), **words}


def group_of(job: Job, failure: Failure, run: Run, directory: Path) -> dict[str, Any]:
    """What the page says of jobs that are not done for the same reason, in the words of the first; none is counted."""
    text, command = remedy(job, run, directory)
    key = {"kind": str(failure.kind), "code": failure.code, "state": str(job.state)}
    return {**key, "message": unsigned(failure.message), "remedy": text, "command": command, "count": 0}


def written_index(head: dict[str, Any], index: Index) -> Iterator[str]:
    """The index as JSON, piece by piece: none is so long that an event loop beside it would stand still."""
    yield _json(head)[:-1]
    for name, column in index.columns():
        yield f",{_json(name)}:"
        yield from _pieces(column)
    yield "}"


def _pieces(value: Any) -> Iterator[str]:
    """A value as JSON; lists in pieces, also those within a mapping."""
    if isinstance(value, dict):
        for number, (name, inner) in enumerate(value.items()):
            yield f"{',' if number else '{'}{_json(name)}:"
            yield from _pieces(inner)
        yield "}" if value else "{}"
    elif isinstance(value, list):
        yield "["
        for at in range(0, len(value), PIECE):
            yield ("," if at else "") + _json(value[at : at + PIECE])[1:-1]
        yield "]"
    else:
        yield _json(value)


def is_there(path: Path) -> bool:
    """Whether there is such a file; one that cannot be looked at is not."""
    try:
        return path.is_file()
    except OSError:
        return False


class _Packed:
    """A chunk of the page: text that is compressed as it comes, in letters that no markup is made of."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._name = name

    def __enter__(self) -> Self:
        self._file.write(f'<script type="text/plain" id="{self._name}">')
        self._gzip = zlib.compressobj(3, wbits=zlib.MAX_WBITS | 16)
        self._rest = b""
        return self

    def write(self, text: str) -> None:
        """More of it."""
        self._put(self._gzip.compress(text.encode(errors="replace")))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._put(self._gzip.flush(), is_last=True)
            self._file.write("</script>\n")

    def _put(self, data: bytes, *, is_last: bool = False) -> None:
        """Three bytes are four letters; what is left over waits for more."""
        data = self._rest + data
        end = len(data) if is_last else len(data) // 3 * 3
        self._rest = data[end:]
        self._file.write(base64.b64encode(data[:end]).decode())


def verdict(summary: Summary) -> str:
    """The night in one honest sentence."""
    counts, total = summary.counts, summary.jobs
    done = counts.get(JobState.DONE, 0)
    if done == total:
        return f"All {total:,} jobs are done." if total != 1 else "The one job is done."
    parts = [f"{done:,} of {total:,} jobs are done"]
    words = {
        JobState.FAILED: "failed",
        JobState.REJECTED: "rejected by the service",
        JobState.CANCELLED: "cancelled",
        JobState.OUTPUT_LOST: "paid but their output is lost",
        JobState.IN_DOUBT: "in doubt: perhaps paid, perhaps not",
        JobState.HELD: "held back",
    }
    parts += [f"{counts[state]:,} {word}" for state, word in words.items() if counts.get(state)]
    waiting = sum(counts.get(s, 0) for s in (JobState.PENDING, JobState.SUBMITTING))
    at_service = sum(counts.get(s, 0) for s in (JobState.SUBMITTED, JobState.RESULT_KNOWN))
    parts += [f"{at_service:,} paid and still to be collected"] if at_service else []
    parts += [f"{waiting:,} not submitted yet"] if waiting else []
    return "; ".join(parts) + "."


def neutral(text: str) -> str:
    """Without control characters, those that turn the direction of the text around, and keys to presigned URLs.

    What joins letters (ZWJ, ZWNJ) and spaces of any width stay: prompts are written in many scripts. `dom.js` does the
    same with what the page itself writes.
    """
    turning = "\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"
    return "".join(c for c in unsigned(text) if c in "\n\t" or (category(c) not in ("Cc", "Cs") and c not in turning))


def policy(script: str, style: str, origins: tuple[str, ...], *, is_live: bool = False) -> str:
    """What the page may do: run its own script, by its hash; show pictures beside it, and on demand the originals.

    It can connect to nobody, or where it follows a run to who served it; and no text can become markup.
    """
    places = "".join(f" {origin}" for origin in origins)
    own = "'self'" if is_live else "'self' file:"
    rules = (
        "default-src 'none'",
        f"img-src {own}{places}",
        f"media-src {own}",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        *(("connect-src 'self'",) if is_live else ()),
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)


def live_page(run: Run, summary: Summary, originals: Originals) -> str:
    """The same page for who serves it while a run goes on: without data, which it asks its server for."""
    return "".join(_frame(run, summary, originals, is_live=True))


def _frame(run: Run, summary: Summary, originals: Originals, *, is_live: bool = False) -> tuple[str, str]:
    """The page before and after the data."""
    script = _script(LIVE_SCRIPTS if is_live else SCRIPTS)
    style = _asset("report.css") + (_asset("live.css") if is_live else "")
    page = _template().render(
        is_live=is_live,
        run=run,
        summary=summary.as_dict(),
        verdict=verdict(summary),
        policy=Markup(policy(script, style, originals.origins, is_live=is_live)),  # noqa: S704 hashes and checked host names
        style=Markup(style),  # noqa: S704 our own
        script=Markup(script),  # noqa: S704
        data=MARK,
    )
    head, _, tail = page.rpartition(MARK)
    return head, tail


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _script(names: tuple[str, ...]) -> str:
    """The files joined in one function, so that none of their names is seen from outside."""
    return '"use strict";\n(() => {\n' + "\n".join(_asset(f"{name}.js") for name in names) + "})();\n"


@cache
def _asset(name: str) -> str:
    return resources.files("runner.report").joinpath("assets", name).read_text("utf-8")


def _shown(value: Any) -> Any:
    """Each value that goes into the page, before it is escaped; markup is ours."""
    return neutral(value) if type(value) is str else value


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, finalize=_shown
    )
    return environment.from_string(_asset("report.html"))


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _json(value: Any) -> str:
    return _ENCODER.encode(value)
