"""Which code page a table is written in, where its bytes do not say: what each would send is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.encoding import SHOWN
from runner.manifest.sources import Given, Source, sent_columns
from runner.manifest.tables import Cells, cell_name, open_text
from runner.manifest.templates import is_template
from runner.model import InputRules

MOST_SHOWN: Final = 4
Reading = tuple[str, str]
"""A code page, and what a cell says in it."""


def delimiter_of(source: Source) -> str | None:
    """What is known of the delimiter before the table is looked at."""
    return source.delimiter or ("\t" if source.format == "tsv" else None)


def decide(
    source: Source,
    path: Path,
    label: str,
    codecs: Sequence[str],
    rules: InputRules | None,
    given: Given,
    findings: Findings,
) -> str | None:
    """The code page, where it makes no difference to what is sent; else `None`, and the readings in the findings."""
    live = _that_have_the_columns(source, path, label, codecs, rules, given)
    best = next(iter(live))
    option = "--encoding" if source.is_alone else "encoding:"
    found = _difference(source, path, label, live)
    if found is None:
        hint = f"say so with  {option} {best}, or save it as CSV UTF-8"
        findings.warn("encoding", Place(file=label), f"it is not UTF-8: read as {_named(best)}", hint)
        return best
    place, readings = found
    shown = [f"{_named(codec)}: {text}" for codec, text in readings]
    hint = "\n".join([*shown, f"say which with  {option} {readings[0][0]}  (or another), or save it as CSV UTF-8"])
    message = "it is not UTF-8, and what is sent would differ from encoding to encoding"
    findings.error("encoding", replace(place, file=label), message, hint)
    return None


def _that_have_the_columns(
    source: Source, path: Path, label: str, codecs: Sequence[str], rules: InputRules | None, given: Given
) -> dict[str, set[int]]:
    """The code pages in which the columns that the user names exist, each with the columns that are sent.

    All of them, where none has these columns.
    """
    live: dict[str, set[int]] = {}
    for codec in codecs:
        with open_text(path, codec, delimiter_of(source), Findings(label), label) as sheet:
            columns = sent_columns(source, sheet.header, rules, given) if sheet is not None else None
        if columns is not None:
            live[codec] = columns
    return live or {codec: set() for codec in codecs}


def _difference(
    source: Source, path: Path, label: str, live: Mapping[str, set[int]]
) -> tuple[Place, list[Reading]] | None:
    """The first cell that is sent and that the code pages read differently, with the readings."""
    with ExitStack() as stack:
        opened = [
            stack.enter_context(open_text(path, codec, delimiter_of(source), Findings(label), label)) for codec in live
        ]
        sheets = [sheet for sheet in opened if sheet is not None]
        if len(sheets) < len(live):
            return Place(), _distinct(live, ["a table" if sheet else "no table" for sheet in opened])
        for rows in zip_longest(*(sheet.rows for sheet in sheets)):
            if found := _differing(rows, live):
                return found
    return None


def _differing(rows: Sequence[Cells | None], live: Mapping[str, set[int]]) -> tuple[Place, list[Reading]] | None:
    known = [row for row in rows if row is not None]
    line, number, _ = known[0]
    if len(known) < len(rows) or len({len(cells) for _, _, cells in known}) > 1:
        shown = [f"{len(row[2])} cells" if row is not None else "the end" for row in rows]
        return Place(line=line), _distinct(live, shown)
    sent = set().union(*live.values())
    if any(is_template(cells[index]) for _, _, cells in known for index in sent if index < len(cells)):
        sent = set(range(len(known[0][2])))
    for index in sorted(sent):
        texts = [cells[index] for _, _, cells in known if index < len(cells)]
        if len(set(texts)) > 1:
            return Place(line=line, cell=cell_name(index, number)), _distinct(live, [text[:60] for text in texts])
    return None


def _distinct(live: Mapping[str, set[int]], texts: Sequence[str]) -> list[Reading]:
    """Each reading once, with the likeliest code page that has it."""
    found: dict[str, str] = {}
    for codec, text in zip(live, texts, strict=False):
        found.setdefault(text, codec)
    return [(codec, repr(text)) for text, codec in found.items()][:MOST_SHOWN]


def _named(codec: str) -> str:
    return f"{codec} ({SHOWN[codec]})" if codec in SHOWN else codec
