"""A manifest to start from, made by looking at a sheet: which columns are what, and what its prompts may use."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword
from pathlib import Path
from typing import Final

from runner.errors import InputMissing, UsageProblem
from runner.manifest.cells import NO, YES
from runner.manifest.columns import Columns
from runner.manifest.diagnostics import Findings
from runner.manifest.files import has_tabs, is_text
from runner.manifest.given import Given, Source
from runner.manifest.glance import IMAGE_FILE, LOOKED_AT, Look, look_at
from runner.manifest.head import ENDINGS, TEXT
from runner.manifest.header import LOOKED_AT as FIRST_ROWS
from runner.manifest.header import first_texts
from runner.manifest.items import key_of
from runner.manifest.presets import Preset, recognised
from runner.manifest.words import (
    NAMING,
    NEAR,
    RATIO,
    SYNONYMS,
    in_order,
    is_of_pictures,
    is_of_prompts,
    is_surely_of_prompts,
    may_be_of_prompts,
)

TITLES: Final = ("title", "name", "product_name", "product_title", "product", "item_name", "productname")
IDENTITY: Final = re.compile(
    r"id|(?:\w+_)?(?:sku|asin|upc|mpn|isbn)s?|handle|slug|barcode|(?:ean|gtin)(?:_?(?:8|12|13|14))?(?:_code)?"
    r"|(?:custom|product|item|article|artikel|variant|style|model|part|catalogue|catalog)_?"
    r"(?:id|code|no|nr|num|number|nummer|ref|reference)"
    r"|article|artikel|artikelnummer|bestellnummer|r[eé]f[eé]rence|codice|c[oó]digo"
    r"|商品番号|商品コード|品番|型番|管理番号|货号|商品编号|貨號|상품코드|상품번호|품번|артикул"
)
"""Columns, as `key_of` spells them, whose name says that they tell one product from another."""
STOCK: Final = re.compile(
    r"(?:variant_)?(?:inventory_)?(?:stock|qty|quantity|inventory|bestand|lagerbestand)|在庫数?|库存"
)
"""Columns whose name says that they count what is left."""
MOST_WORDS: Final = 3
MOST_SHEETS: Final = 6
MOST_NAMES: Final = 24
LONGEST_SAMPLE: Final = 32


def starter(sheet: Path, manifest: Path, *, said: str | None = None, worksheet: str | None = None) -> str:
    """The text of a YAML manifest beside which the sheet lies; it validates where the sheet has pictures.

    `said` is the encoding that the user names; without it a sheet that could be read in two ways is refused.
    `worksheet` is the one of a workbook that is looked at, if it is not the first.
    Raises `InputMissing`, `UsageProblem` for what is no table, and `InvalidManifest` for a broken one.
    """
    form = TEXT if is_text(sheet) else ENDINGS.get(sheet.suffix.lower())
    if form is None or form == "jsonl":
        known = ", ".join(ending for ending, of in ENDINGS.items() if of != "jsonl")
        raise UsageProblem(f"{sheet}: init looks at tables: {known}; save it as one of them")
    if not sheet.is_file():
        raise InputMissing(f"{sheet}: no such file")
    if is_text(sheet) and not has_tabs(sheet):
        raise UsageProblem(f"{sheet}: a .txt without tabs: name it .csv if it is a table")
    if worksheet is not None and form != "xlsx":
        raise UsageProblem(f"{sheet}: --worksheet is for workbooks, and this is {form}")
    look = look_at(sheet, form, said, worksheet)
    title = sheet.stem if worksheet is None else f"{sheet.stem}-{worksheet}"
    name = re.sub(r"[^a-z0-9._-]+", "-", title.lower()).strip("-._") or "batch"
    file = os.path.relpath(sheet, manifest.parent)
    return "\n".join(_lines(look, name, file, manifest.name)) + "\n"


def unread(sheet: Path, manifest: Path) -> str:
    """What is said of a workbook of which only the first worksheet is looked at; empty where it has no other."""
    if ENDINGS.get(sheet.suffix.lower()) != "xlsx":
        return ""
    from runner.manifest.workbook import worksheets  # its XML, which few need

    first, *others = worksheets(sheet, hidden_too=False) or [""]
    if not others:
        return ""
    another = shlex.join(
        [str(manifest.with_stem(f"{manifest.stem}-2")), "--from", str(sheet), "--worksheet", others[0]]
    )
    shown = ", ".join(map(repr, others[:MOST_SHEETS])) + ", …" * (len(others) > MOST_SHEETS)
    return f"the sheet {first!r} was looked at, and not {shown}; another is taken by  runcomfy-batch init {another}"


def _lines(look: Look, name: str, file: str, manifest: str) -> Iterator[str]:
    preset = recognised(look.header)
    keys = [key_of(title) for title in look.header]
    yield "# yaml-language-server: $schema=./runcomfy-batch.schema.json"
    yield f"# Made from {file}: {look.count}. See what it would do:  runcomfy-batch plan {shlex.quote(str(manifest))}"
    yield from ("version: 1", f"name: {_quoted(name)}", "", "defaults:")
    yield from _prompt(look, keys, preset)
    yield from ("  aspect_ratio: 1:1", "  output_format: jpeg", "", "sources:", f"  - file: {_quoted(file)}")
    if look.encoding is not None:
        yield f"    encoding: {_quoted(look.encoding)}  # if its letters look wrong, this is why"
    if look.worksheet is not None:
        yield f"    sheet: {_quoted(look.worksheet)}"
    yield from _mapping(look, keys, preset)
    yield from _wanted(look, keys)
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


def _prompt(look: Look, keys: Sequence[str], preset: Preset | None) -> Iterator[str]:
    """A prompt for all, or where a column of prompts is empty."""
    column = _known_as(look, keys, "prompt") if preset is None else None
    if column is not None:
        if not all(row[column].strip() for row in look.rows if any(map(str.strip, row))):
            yield f"  # where {' '.join(look.header[column].split())} is empty:"
            yield "  prompt: Pure white background. Keep the product and a soft shadow."
    elif "prompt" not in keys:
        title = next((key for key in TITLES if key in keys), None)
        subject = f"this {{{{ {title} }}}}" if title else "the product"
        yield "  prompt: >-"
        yield f"    Pure white background for {subject}. Keep the product and a soft shadow."


def _mapping(look: Look, keys: Sequence[str], preset: Preset | None) -> Iterator[str]:
    if preset is not None:
        yield f"    preset: {preset.name}"
        yield "    per: product           # one job a product, with all its pictures; or  image: one a picture"
        return
    columns: dict[str, str | list[str]] = {}
    for field in ("prompt", "aspect_ratio"):
        if (known_as := _known_as(look, keys, field)) is not None:
            columns[field] = look.header[known_as]
    suggested = None
    if "id" not in keys and not any(key in NAMING and _names_each(look, keys.index(key)) for key in keys):
        naming = [index for index, key in enumerate(keys) if key and _names_each(look, index)]
        if (index := next((index for index in naming if IDENTITY.fullmatch(keys[index])), None)) is not None:
            columns["id"] = look.header[index]
        elif naming:
            suggested = look.header[naming[0]]
    texts = first_texts(look.rows[:FIRST_ROWS])
    known = Columns(Source(file=""), look.header, None, Given(), Findings(""), texts).of.get("image_urls", [])
    found = in_order({index: keys[index] for index in {*known, *_pictured(look, keys)}})
    if not found:
        yield "    # No column holds pictures. Where they lie in a folder, named after a column:"
        yield '    # image_urls: "photos/{{ sku }}.jpg"   (under defaults)'
    elif found != known:
        titles = [look.header[index] for index in found]
        columns["image_urls"] = titles if len(titles) > 1 else titles[0]
    perhaps = _perhaps_prompts(look, keys) if "prompt" not in {*columns, *keys} else None
    if perhaps is not None:
        yield f"    # To send {' '.join(perhaps.split())} as the prompt, take the one above out, and write"
        yield f"    # columns: {_shown({'prompt': perhaps} | columns)}"
    if len(found) > 1:
        yield "    # An edit is sent all of these pictures, in this order. To send the first alone:"
        yield f"    # columns: {_shown(columns | {'image_urls': look.header[found[0]]})}"
    if columns:
        yield f"    columns: {_shown(columns)}"
    if suggested is not None:
        yield "    # Which column names the product? Jobs are known by it when a row is edited, as in"
        yield f"    # columns: {{id: {_quoted(suggested)}}}"
    elif "id" in columns and len(look.rows) > LOOKED_AT:
        yield f"    # (only the first {LOOKED_AT:,} rows were looked at; plan tells of an id that comes twice)"


def _wanted(look: Look, keys: Sequence[str]) -> Iterator[str]:
    """A condition that can be judged by this sheet: it takes what is for sale, where that is to be seen."""
    asked = {key: index for index, key in enumerate(keys) if key.isidentifier() and keys.count(key) == 1}
    texts = {key: look.values(index) for key, index in asked.items() if key != "row" and not iskeyword(key)}
    if "active" in texts.get("status", ()):
        others = ", ".join(sorted({repr(text) for text in texts["status"]} - {"'active'"})[:MOST_WORDS])
        told = f"without it {others} are sent as well" if others else "which rows are wanted"
        yield f"    # where: status == 'active'     # {told}"
        return
    stock = next((key for key in texts if STOCK.fullmatch(key) and all(map(str.isdecimal, texts[key]))), None)
    name = stock or next((key for key in texts if texts[key]), None)
    if name is None:
        return
    is_whole = len(texts[name]) == len(look.rows)
    conditions = [f"{name} != ''"] * (stock is None or not is_whole) + [f"{name} > 0"] * (stock is not None)
    condition = " and ".join(conditions)
    yield f"    # where: {condition}     # which rows are wanted"


def _shown(columns: Mapping[str, str | list[str]]) -> str:
    return "{" + ", ".join(f"{field}: {_quoted(value)}" for field, value in columns.items()) + "}"


def _known_as(look: Look, keys: Sequence[str], field: str) -> int | None:
    """The column of prompts, or of ratios, that has another name."""
    if field in keys:
        return None
    if field == "prompt":
        found = (index for index, key in enumerate(keys) if is_surely_of_prompts(key))
        return next((index for index in found if any(look.values(index)) and not look.holds_pictures(index)), None)
    called = {*NEAR["aspect_ratio"], *NEAR["output_format"]}
    ratios = (index for index, key in enumerate(keys) if key in called and look.values(index))
    return next((index for index in ratios if all(RATIO.fullmatch(value) for value in look.values(index))), None)


def _perhaps_prompts(look: Look, keys: Sequence[str]) -> str | None:
    """A column that may hold prompts by its name, or what a cook, a courier or an owner is to do."""
    for index, key in enumerate(keys):
        is_one = key in SYNONYMS["prompt"] or is_of_prompts(key)
        is_one |= may_be_of_prompts(key) and look.holds_sentences(index)
        says_more = any(value.casefold() not in YES | NO for value in look.values(index))
        if is_one and says_more and not look.holds_pictures(index):
            return look.header[index]
    return None


def _names_each(look: Look, index: int) -> bool:
    """Whether a column names every row that was looked at, each by another name."""
    values = [row[index].strip() for row in look.rows]
    return bool(values) and all(values) and len(set(values)) == len(values) and not look.holds_pictures(index)


def _pictured(look: Look, keys: Sequence[str]) -> list[int]:
    """The columns of pictures: by what is in them, and where that may be pages as well, by their names.

    One that is empty in the whole sheet is one of them too where it is called so, and others are there.
    """
    holding = [index for index, key in enumerate(keys) if key and look.holds_pictures(index)]
    sure = [index for index in holding if is_of_pictures(keys[index]) or look.holds_pictures(index, IMAGE_FILE)]
    empty = [index for index, key in enumerate(keys) if is_of_pictures(key) and not any(look.values(index))]
    return sorted([*sure, *empty]) if sure else holding


def _names(look: Look) -> Iterator[str]:
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
