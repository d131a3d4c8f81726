"""A manifest to start from, made by looking at a sheet: which columns are what, and what its prompts may use."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from runner.errors import InputMissing, UsageProblem
from runner.manifest import encoding
from runner.manifest.columns import NAMING, NUMBERED, SYNONYMS
from runner.manifest.diagnostics import Findings, InvalidManifest
from runner.manifest.head import ENDINGS
from runner.manifest.items import key_of
from runner.manifest.presets import Preset, recognised
from runner.manifest.tables import Sheet, open_text
from runner.manifest.workbook import open_workbook

LOOKED_AT: Final = 2000
"""Rows."""
PICTURE: Final = re.compile(r"https?://\S+|[^\s|,;]+\.(?:jpe?g|png|webp)", re.IGNORECASE)
TITLES: Final = ("title", "name", "product_name", "product_title", "product", "item_name", "productname")
MOST_NAMES: Final = 24
LONGEST_SAMPLE: Final = 32


@dataclass(frozen=True, slots=True)
class _Look:
    """What a sheet shows at first sight."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    encoding: str | None
    """What it is read as, where that is not plain."""
    count: str


def starter(sheet: Path, manifest: Path) -> str:
    """The text of a YAML manifest beside which the sheet lies; it validates where the sheet has pictures.

    Raises `InputMissing`, `UsageProblem` for what is no table, and `InvalidManifest` for a broken one.
    """
    form = ENDINGS.get(sheet.suffix.lower())
    if form is None or form == "jsonl":
        raise UsageProblem(f"{sheet}: init looks at tables: {', '.join(k for k, v in ENDINGS.items() if v != 'jsonl')}")
    if not sheet.is_file():
        raise InputMissing(f"{sheet}: no such file")
    look = _look_at(sheet, form)
    name = re.sub(r"[^a-z0-9._-]+", "-", sheet.stem.lower()).strip("-._") or "batch"
    file = os.path.relpath(sheet, manifest.parent)
    return "\n".join(_lines(look, name, file, manifest.name)) + "\n"


def _look_at(sheet: Path, form: str) -> _Look:
    findings = Findings(str(sheet))
    codec = None
    if form == "xlsx":
        opening: AbstractContextManager[Sheet | None] = open_workbook(sheet, None, findings, str(sheet))
    else:
        match encoding.look(sheet):
            case encoding.Broken(message=message, hint=hint):
                raise UsageProblem(f"{sheet}: {message}; {hint}")
            case encoding.Unsaid(codecs=codecs):
                codec = read_as = codecs[0]
            case encoding.Certain(codec=read_as):
                pass
        opening = open_text(sheet, read_as, "\t" if form == "tsv" else None, findings, str(sheet))
    with opening as opened:
        if opened is None:
            raise InvalidManifest(findings.found)
        rows = [cells for _, _, cells in islice(opened.rows, LOOKED_AT + 1)]
        count = f"{LOOKED_AT:,} rows and more" if len(rows) > LOOKED_AT else f"{len(rows):,} rows"
        return _Look(opened.header, rows, codec, count)


def _lines(look: _Look, name: str, file: str, manifest: str) -> Iterator[str]:
    preset = recognised(look.header)
    keys = [key_of(title) for title in look.header]
    yield "# yaml-language-server: $schema=./runcomfy-batch.schema.json"
    yield f"# Made from {file}: {look.count}. See what it would do:  runcomfy-batch plan {manifest}"
    yield from ("version: 1", f"name: {_quoted(name)}", "", "defaults:")
    if "prompt" not in keys:
        title = next((key for key in TITLES if key in keys), None)
        subject = f"this {{{{ {title} }}}}" if title else "the product"
        yield "  prompt: >-"
        yield f"    Pure white background for {subject}. Keep the product and a soft shadow."
    yield from ("  aspect_ratio: 1:1", "  output_format: jpeg", "", "sources:", f"  - file: {_quoted(file)}")
    if look.encoding is not None:
        yield f"    encoding: {look.encoding}  # it is not UTF-8; if its letters look wrong, this is why"
    yield from _mapping(look, keys, preset)
    yield "    # where: stock > 0     # which rows are wanted"
    yield ""
    yield "# What prompts, ids and paths may use, with the first row's value:"
    yield from (f"#   {line}" for line in _names(look))
    yield from (
        "",
        "# matrix:                 # each row in several scenes",
        "#   scene:",
        '#     - {name: white, prompt: "Pure white background."}',
        '#     - {name: oak, prompt: "On an oak table."}',
        "# output:",
        '#   path: "{{ id }}/{{ n }}.{{ ext }}"',
        "run:",
        "  concurrency: 8           # most requests in flight at once",
        "  # max_cost_usd: 5        # never spend more than this",
    )


def _mapping(look: _Look, keys: Sequence[str], preset: Preset | None) -> Iterator[str]:
    if preset is not None:
        yield f"    preset: {preset.name}"
        yield "    per: product           # one job a product, with all its pictures; or  image: one a picture"
        return
    columns: dict[str, str | list[str]] = {}
    if "id" not in keys and not any(key in NAMING and _names_each(look, keys.index(key)) for key in keys):
        index = next((index for index in range(len(keys)) if _names_each(look, index)), None)
        if index is not None and keys[index]:
            columns["id"] = look.header[index]
    if not any(key in ("image_urls", *SYNONYMS["image_urls"]) or NUMBERED.fullmatch(key) for key in keys):
        found = [title for index, title in enumerate(look.header) if title.strip() and _holds_pictures(look, index)]
        if found:
            columns["image_urls"] = found if len(found) > 1 else found[0]
        else:
            yield "    # No column holds pictures. Where they lie in a folder, named after a column:"
            yield '    # image_urls: "photos/{{ sku }}.jpg"   (under defaults)'
    if columns:
        shown = ", ".join(f"{field}: {_quoted(value)}" for field, value in columns.items())
        yield f"    columns: {{{shown}}}"


def _names_each(look: _Look, index: int) -> bool:
    """Whether a column names every row that was looked at, each by another name."""
    values = [row[index].strip() for row in look.rows]
    return bool(values) and all(values) and len(set(values)) == len(values) and not _holds_pictures(look, index)


def _holds_pictures(look: _Look, index: int) -> bool:
    values = [row[index].strip() for row in look.rows if row[index].strip()]
    return bool(values) and sum(PICTURE.match(value) is not None for value in values) * 2 > len(values)


def _names(look: _Look) -> Iterator[str]:
    first = look.rows[0] if look.rows else [""] * len(look.header)
    for title, value in list(zip(look.header, first, strict=True))[:MOST_NAMES]:
        key = key_of(title)
        if not title.strip():
            continue
        name = f"{{{{ {key} }}}}" if key.isidentifier() else f"{{{{ row[{title!r}] }}}}"
        sample = " ".join(value.split())
        shown = sample if len(sample) <= LONGEST_SAMPLE else sample[: LONGEST_SAMPLE - 1] + "…"
        yield f"{name:28} {shown}".rstrip()
    if len(look.header) > MOST_NAMES:
        yield f"and {len(look.header) - MOST_NAMES} more columns"


def _quoted(value: str | list[str]) -> str:
    """A text, or a list of them, as YAML: as it is where that is plain, else as JSON, which YAML reads."""
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    is_plain = re.fullmatch(r"[^\W\d_][\w./ ()-]*[\w.)]|[^\W\d_]", value) is not None
    is_word = value.lower() in ("null", "true", "false")
    return value if is_plain and not is_word else json.dumps(value, ensure_ascii=False)
