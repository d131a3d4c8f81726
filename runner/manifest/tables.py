"""CSV and TSV as manifests by themselves: a row is a job, a column a field of the model; the rest is carried along."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.entries import DEFAULT_MODEL, Entry, RulesOf
from runner.model import InputRules

DELIMITERS: Final = (",", ";", "\t", "|")
LARGEST_CELL: Final = 1 << 20
SYNONYMS: Final = {
    "image_urls": ("image_url", "image", "images", "url", "urls", "photo", "image_src", "src"),
    "prompt": ("prompt_text", "instruction", "edit"),
}
SPOILT: Final = re.compile(r"#(REF!|N/A|VALUE!|NAME\?|DIV/0!|NULL!|NUM!)")


def read_table(text: str, *, is_tsv: bool, rules_of: RulesOf, findings: Findings) -> list[Entry]:
    """The rows as entries; what is wrong goes to `findings`."""
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        findings.error("nul", Place(line=line), "a NUL byte: this is no text file", "save it as CSV UTF-8")
        return []
    separator, text, skipped = _declared(text)
    delimiter = separator or ("\t" if is_tsv else _delimiter(text))
    csv.field_size_limit(LARGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        columns = _columns(header, rules_of, findings)
        if columns is None:
            return []
        return list(_rows(reader, header, columns, rules_of, findings, skipped))
    except csv.Error as error:
        hint = 'a quote that is never closed? look for a lone " near this line'
        findings.error("csv-syntax", Place(line=reader.line_num + skipped), str(error), hint)
        return []


def _declared(text: str) -> tuple[str | None, str, int]:
    """Excel's first line `sep=;`, taken off."""
    match = re.match(r"sep=(.)\r?\n", text)
    return (match[1], text[match.end() :], 1) if match else (None, text, 0)


def _delimiter(text: str) -> str:
    """The delimiter that occurs outside quotes, the same number of times in the header as in most first rows."""
    counts: list[dict[str, int]] = []
    current, quoted = dict.fromkeys(DELIMITERS, 0), False
    for char in text[: 1 << 18]:
        if char == '"':
            quoted = not quoted
        elif not quoted and char == "\n":
            counts.append(current)
            current = dict.fromkeys(DELIMITERS, 0)
            if len(counts) > 20:
                break
        elif not quoted and char in current:
            current[char] += 1
    counts.append(current)
    head, *rows = counts
    rows = [row for row in rows if any(row.values())]

    def score(delimiter: str) -> tuple[int, int]:
        same = sum(row[delimiter] == head[delimiter] for row in rows)
        return (same if head[delimiter] else -1, head[delimiter])

    return max(DELIMITERS, key=score)


def _columns(header: Sequence[str], rules_of: RulesOf, findings: Findings) -> dict[int, str] | None:
    """Which column is which field; every other column is the user's own."""
    if not any(cell.strip() for cell in header):
        findings.error("empty", Place(), "an empty table", "the first row names the columns: id, prompt, image_urls")
        return None
    rules = rules_of(DEFAULT_MODEL)
    fields = ["id", "model", *(rules.fields if rules else ("prompt", "image_urls"))]
    plain = [_key(cell) for cell in header]
    for name, count in ((n, plain.count(n)) for n in dict.fromkeys(plain)):
        if name and count > 1:
            place = Place(line=1, cell=_cell(len(plain) - 1 - plain[::-1].index(name), 1))
            findings.error("duplicate-column", place, f"two columns are named {name!r}", "rename one of them")
    columns = {plain.index(field): field for field in fields if field in plain}
    for field, others in SYNONYMS.items():
        if field in fields and field not in columns.values():
            match = next((plain.index(other) for other in others if other in plain), None)
            if match is not None and match not in columns:
                columns[match] = field
    for field in ("prompt", "image_urls"):
        if field in fields and field not in columns.values():
            findings.error("missing-column", Place(), f"no column {field!r}", did_you_mean(field, header))
    return columns


def _rows(
    reader: Any,
    header: Sequence[str],
    columns: Mapping[int, str],
    rules_of: RulesOf,
    findings: Findings,
    skipped: int,
) -> Iterator[Entry]:
    cache: dict[str, InputRules | None] = {}
    ends, number = reader.line_num, 1
    for cells in reader:
        start, ends, number = ends + 1 + skipped, reader.line_num, number + 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            hint = "an unquoted delimiter in a prompt? quote that cell" if len(cells) > len(header) else ""
            message = f"the row has {len(cells)} cells, the header has {len(header)} (spreadsheet row {number})"
            findings.error("ragged-row", Place(line=start), message, hint)
            continue
        model = next((cells[i].strip() for i, f in columns.items() if f == "model"), "") or DEFAULT_MODEL
        if model not in cache:
            cache[model] = rules_of(model)
        yield _entry(cells, header, columns, cache[model], Place(line=start, cell=_cell(0, number)), number, findings)


def _entry(
    cells: Sequence[str],
    header: Sequence[str],
    columns: Mapping[int, str],
    rules: InputRules | None,
    place: Place,
    number: int,
    findings: Findings,
) -> Entry:
    fields: dict[str, Any] = {}
    places: dict[str, Place] = {}
    for index, field in columns.items():
        text = cells[index].strip() if field != "prompt" else cells[index].strip("\r\n")
        places[field] = Place(line=place.line, cell=_cell(index, number))
        if SPOILT.fullmatch(text):
            findings.error("spoilt-cell", places[field], f"{text} is a spreadsheet's error, not a value")
        elif text or field == "id":
            fields[field] = _value(text, rules.fields.get(field, {}) if rules else {})
    row = {name: cell for name, cell in zip(header, cells, strict=True) if name.strip()}
    source = f"{findings.file}:{place.line}"
    return Entry(fields=fields, place=Place(line=place.line), source=source, row=row, places=places)


def _value(text: str, schema: Mapping[str, Any]) -> Any:
    """A cell as its field's type; what does not fit stays text, and the schema says so."""
    match schema.get("type"):
        case "array":
            return split_urls(text)
        case "integer" if re.fullmatch(r"[-+]?\d{1,15}(\.0+)?", text):
            return int(float(text))
        case "number" if re.fullmatch(r"[-+]?\d{1,15}([.,]\d+)?", text):
            return float(text.replace(",", "."))
        case "boolean" if text.lower() in ("true", "false", "yes", "no", "1", "0"):
            return text.lower() in ("true", "yes", "1")
        case _:
            return text


def split_urls(text: str) -> list[str]:
    """Several URLs in one cell: by `|`, by white space, or by a comma before the next scheme (as WooCommerce does)."""
    parts = re.split(r"\s*\|\s*|\s+|,\s*(?=https?://)", text.strip())
    return [part.rstrip(",") for part in parts if part.strip(", ")]


def _key(name: str) -> str:
    """A column's name without regard to case, spaces and punctuation."""
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")


def _cell(index: int, row: int) -> str:
    """A spreadsheet's name for a cell; the column counts from 0, the row from 1."""
    letters, index = "", index + 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return f"{letters}{row}"
