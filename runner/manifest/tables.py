"""CSV and TSV as manifests by themselves: a row is a job, a column a field of the model; the rest is carried along."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place, did_you_mean
from runner.manifest.entries import DEFAULT_MODEL, Entry, RulesOf, split_urls
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
        if not any(cell.strip() for cell in header):
            hint = "the first row names the columns: id, prompt, image_urls"
            findings.error("empty", Place(), "an empty table", hint)
            return []
        return list(_rows(reader, header, rules_of, findings, skipped))
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


def _check_names(header: Sequence[str], fields: Iterable[str], findings: Findings) -> None:
    """No two columns for one field, and no two of the user's own under one name: one of them would be lost."""
    first: dict[str, int] = {}
    for index, cell in enumerate(header):
        name = key if (key := _key(cell)) in fields else cell.strip()
        if name and first.setdefault(name, index) != index:
            hint = f"the first is {_cell(first[name], 1)}: rename one of them"
            findings.error("duplicate-column", Place(cell=_cell(index, 1)), f"two columns are named {name!r}", hint)


def _columns(header: Sequence[str], rules: InputRules | None, findings: Findings) -> dict[int, str]:
    """Which column is which field of a model; every other column is the user's own."""
    fields = ["id", "model", *(rules.fields if rules else ("prompt", "image_urls"))]
    _check_names(header, fields, findings)
    plain = [_key(cell) for cell in header]
    columns = {plain.index(field): field for field in fields if field in plain}
    for field, others in SYNONYMS.items():
        if field in fields and field not in columns.values():
            match = next((plain.index(other) for other in others if other in plain), None)
            if match is not None and match not in columns:
                columns[match] = field
    for field in ("prompt", "image_urls"):
        if rules and field in fields and field not in columns.values():
            findings.error("missing-column", Place(), f"no column {field!r}", did_you_mean(field, header))
    return columns


def _rows(reader: Any, header: Sequence[str], rules_of: RulesOf, findings: Findings, skipped: int) -> Iterator[Entry]:
    @cache
    def reading(model: str) -> tuple[InputRules | None, Mapping[int, str]]:
        rules = rules_of(model)
        return rules, _columns(header, rules, findings)

    named = next((index for index, cell in enumerate(header) if _key(cell) == "model"), None)
    if named is None:
        reading(DEFAULT_MODEL)
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
        model = cells[named].strip() if named is not None else ""
        rules, columns = reading(model or DEFAULT_MODEL)
        yield _entry(cells, header, columns, rules, Place(line=start, cell=_cell(0, number)), number, findings)


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
