"""report.html: one page beside `images/`, opened by a double-click; no server, no request to anywhere.

The page holds what is known of every job: an index, in columns, that it reads at once, and blocks of whole records, of
which it reads one when a job of it is opened. Both are compressed: 50,000 jobs are a few MB. Blocks are written as the
jobs come, the index last, so that what is held meanwhile is the index alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final, TextIO
from unicodedata import category

import jinja2
from markupsafe import Markup

from runner.model import Failure, Job, JobState, Run
from runner.report.earlier import Earlier
from runner.report.index import Index
from runner.report.originals import Originals
from runner.report.remedies import again, remedy
from runner.report.results import unsigned
from runner.report.summary import Summary

BLOCK: Final = 500
"""Records that are unpacked together: a few milliseconds of a browser."""
SCRIPTS: Final = ("dom", "data", "query", "marks", "views", "stage", "detail", "review", "charts", "app")
"""The files of `assets/` that make the page's script, in this order."""
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
    ) -> None:
        self._file = file
        self._directory = directory
        self._run = run
        self._originals = originals
        self._earlier = earlier
        self._index = Index()
        self._groups: dict[tuple[str, ...], dict[str, Any]] = {}
        self._block: list[str] = []
        self._blocks = 0
        head, self._tail = _frame(run, summary, originals)
        file.write(head)
        self._head = {
            "summary": summary.as_dict(),
            "name": run.name,
            "again": again(run, directory),
            "directory": str(directory),
        }

    def add(self, job: Job, line: str) -> None:
        """One job; `line` is its record in results.jsonl."""
        before = self._originals.of(job)
        self._index.add(job, before)
        if self._earlier is not None:
            self._earlier.add(job)
        if job.failure is not None and job.state is not JobState.DONE:
            self._add_to_group(job, job.failure)
        more = {"before": before, "source": job.spec.source, "variant": job.spec.variant}
        self._block.append(f"[{line},{_json(more)}]")
        if len(self._block) == BLOCK:
            self._write_block()

    def end(self) -> None:
        """The last block, the index, and the script that reads them."""
        if self._block:
            self._write_block()
        groups = sorted(self._groups.values(), key=lambda group: -group["count"])
        index = self._head | {"groups": groups, "block": BLOCK} | self._index.columns()
        if self._earlier is not None:
            index["earlier"] = self._earlier.columns()
        self._write("index", _json(index))
        self._file.write(self._tail)

    def _add_to_group(self, job: Job, failure: Failure) -> None:
        key = (str(failure.kind), failure.code, str(job.state))
        group = self._groups.get(key)
        if group is None:
            text, command = remedy(job, self._run, self._directory)
            words = ("kind", "code", "state", "message", "remedy", "command", "count")
            values = (*key, unsigned(failure.message), text, command, 0)
            group = self._groups[key] = dict(zip(words, values, strict=True))
        group["count"] += 1

    def _write_block(self) -> None:
        self._write(f"block-{self._blocks}", f"[{','.join(self._block)}]")
        self._block.clear()
        self._blocks += 1

    def _write(self, name: str, text: str) -> None:
        """Compressed, and in letters that no markup is made of."""
        import gzip

        packed = base64.b64encode(gzip.compress(text.encode(errors="replace"), 3, mtime=0)).decode()
        self._file.write(f'<script type="text/plain" id="{name}">{packed}</script>\n')


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


def policy(script: str, style: str, origins: tuple[str, ...]) -> str:
    """What the page may do: run its own script, by its hash; show pictures beside it, and on demand the originals.

    It can connect to nobody, and no text can become markup.
    """
    places = "".join(f" {origin}" for origin in origins)
    rules = (
        "default-src 'none'",
        f"img-src 'self' file:{places}",
        "media-src 'self' file:",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return "; ".join(rules)


def _frame(run: Run, summary: Summary, originals: Originals) -> tuple[str, str]:
    """The page before and after the data."""
    script, style = _script(), _asset("report.css")
    page = _template().render(
        run=run,
        summary=summary.as_dict(),
        verdict=verdict(summary),
        policy=Markup(policy(script, style, originals.origins)),  # noqa: S704 hashes and checked host names
        style=Markup(style),  # noqa: S704 our own
        script=Markup(script),  # noqa: S704
        data=MARK,
    )
    head, _, tail = page.rpartition(MARK)
    return head, tail


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _script() -> str:
    """The files joined in one function, so that none of their names is seen from outside."""
    return '"use strict";\n(() => {\n' + "\n".join(_asset(f"{name}.js") for name in SCRIPTS) + "})();\n"


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


def _json(value: Mapping[str, Any]) -> str:
    return _ENCODER.encode(value)
