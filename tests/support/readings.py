"""What a manifest says, read by other ways than the product's: plain `csv`, `json`, and the workbook's own XML.

An oracle shares none of the reader's code. It may give several readings where a person could mean several (a table that
two delimiters fit), and says where it does not judge; it never guesses on the reader's behalf.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from support.whole_yaml import Wrong

DEFAULT_MODEL = "google/nano-banana/edit"
PROMPTS = ("prompt", "prompt_text", "instruction", "edit")
PICTURES = (
    *("image_urls", "image_url", "image", "images", "url", "urls", "photo", "photos", "picture", "pictures"),
    *("image_src", "src", "image_link"),
)
OPTIONAL = ("aspect_ratio", "output_format", "num_images")
FOREIGN = ("cp1252", "cp1250", "cp932", "gb18030", "mac_roman", "cp437")
"""Code pages of several countries and times: what is sent must be the same in all that could have written it."""


class Unjudged(Exception):
    """Beyond what the oracle knows."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A job that is to be sent. `id` is `None` where its request names it; a text of URLs may hold several."""

    id: str | None
    fields: Mapping[str, Any]
    row: Mapping[str, str] | None = None
    model: str = DEFAULT_MODEL


@dataclass(slots=True)
class Table:
    """A header and the rows that are not blank."""

    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        """The columns' names without case and punctuation."""
        return [key_of(name) for name in self.header]

    def named(self, cells: Sequence[str]) -> dict[str, str]:
        """A row by the columns' own names."""
        return {name: cell for name, cell in zip(self.header, cells, strict=True) if name.strip()}


def key_of(name: str) -> str:
    """A column's name as a person compares it."""
    return "_".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFC", name).lower()))


# ------------------------------------------------------------------------------------------------------------- bytes


def texts(data: bytes) -> list[str]:
    """What the bytes can mean as text: one reading if they say it themselves, else one for each code page."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return [decoded(data, "utf-16")]
    if b"\0" in data:
        found = [data.decode(codec, "replace") for codec in ("utf-16-le", "utf-16-be")]
        return [max(found, key=lambda text: sum(map(str.isascii, text)))]
    try:
        return [data.decode("utf-8-sig")]
    except UnicodeDecodeError:
        if data.startswith(b"\xef\xbb\xbf"):
            raise Wrong from None
    found = [text for codec in FOREIGN if (text := data.decode(codec, "replace")) and is_written(text)]
    if not found:
        raise Unjudged("no code page that is known here")
    return found


def is_written(text: str) -> bool:
    """Whether a program could have written it: every character is one."""
    return not any(
        char == "\ufffd" or (unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") and char not in "\t\r\n")
        for char in text
    )


def decoded(data: bytes, codec: str) -> str:
    """The text; raises `Wrong`."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise Wrong from error


# ------------------------------------------------------------------------------------------------------------ tables


def table(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """A table that is a manifest by itself."""
    ((name, data),) = files.items()
    found = [[flat(one) for one in tables(text, "\t" if name.endswith("tsv") else None)] for text in texts(data)]
    return agreed(found)


def agreed(found: list[list[list[Expected] | None]]) -> list[list[Expected]]:
    """The readings by delimiter that every code page has; raises `Wrong` where there is none."""
    first, *others = [[jobs for jobs in readings if jobs is not None] for readings in found]
    kept = [jobs for jobs in first if all(any(is_sent_alike(jobs, other) for other in one) for one in others)]
    if not kept:
        raise Wrong("no reading")
    return [[without_row(job) for job in jobs] if others else jobs for jobs in kept]


def is_sent_alike(one: list[Expected], other: list[Expected]) -> bool:
    """Whether what is paid for is the same; the user's own columns may be read otherwise."""
    return [(job.id, job.fields) for job in one] == [(job.id, job.fields) for job in other]


def without_row(job: Expected) -> Expected:
    """The job, whatever its row says."""
    return Expected(job.id, job.fields, None, job.model)


def tables(text: str, delimiter: str | None) -> Iterator[Table]:
    """The table by each delimiter that may be meant: plain `csv`, and its rows all as long as its header."""
    text = text.removeprefix("\ufeff")
    declared = re.match(r"(?i)sep=([^\r\n\"])(\r\n|\r|\n|$)", text)
    if declared:
        text = text[declared.end() :]
    for one in [delimiter] if delimiter else [declared[1]] if declared else ",;\t|":
        try:
            found = csv.reader(io.StringIO(text, newline=""), delimiter=one)
            rows = [list(map(shown, row)) for row in found if "".join(row).strip()]
        except csv.Error:
            continue
        if rows and all(len(row) == len(rows[0]) for row in rows):
            yield Table(rows[0], rows[1:])


def shown(cell: str) -> str:
    """What a spreadsheet shows of `="00123"`, by which exports keep a number a text."""
    is_kept = cell.startswith('="') and cell.endswith('"') and len(cell) > 2 and '"' not in cell[2:-1].replace('""', "")
    return cell[2:-1].replace('""', '"') if is_kept else cell


def flat(found: Table, defaults: Mapping[str, Any] | None = None) -> list[Expected] | None:
    """A job a row; `None` where the table has no such columns."""
    keys = found.keys
    prompts = [index for index, key in enumerate(keys) if key in PROMPTS]
    pictures = [index for index, key in enumerate(keys) if re.sub(r"_?\d+$", "", key) in PICTURES]
    if not prompts or not pictures:
        return None
    if len(prompts) > 1 or len(pictures) > 1 or "model" in keys or keys[pictures[0]] not in PICTURES:
        raise Unjudged("which column is meant")
    jobs = []
    for cells in found.rows:
        fields = {**(defaults or {}), "prompt": cells[prompts[0]].strip("\r\n"), "image_urls": cells[pictures[0]]}
        for name in OPTIONAL:
            if name in keys and (text := cells[keys.index(name)].strip()):
                fields[name] = int(float(text)) if name == "num_images" and is_number(text) else text
        job_id = cells[keys.index("id")].strip() if "id" in keys else None
        jobs.append(Expected(job_id, fields, found.named(cells)))
    return jobs


def is_number(text: str) -> bool:
    """Whether a person would call it a whole number."""
    try:
        return float(text).is_integer() and "e" not in text.lower() and "_" not in text
    except (ValueError, OverflowError):
        return False


# -------------------------------------------------------------------------------------------------------- JSON lines


def json_lines(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """A job a line."""
    (data,) = files.values()
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        lines = decoded(data, "utf-8-sig").split("\n")
    else:
        raise Unjudged("JSON in UTF-16")
    return [[_of_line(line) for line in lines if line.strip()]]


def _of_line(line: str) -> Expected:
    try:
        document = json.loads(line, object_pairs_hook=_once, parse_constant=_once)
    except (ValueError, RecursionError) as error:
        raise Wrong from error
    if not isinstance(document, dict):
        raise Wrong
    wrapped = next((key for key in ("input", "body") if isinstance(document.get(key), dict)), None)
    inner = document[wrapped] if wrapped else document
    name = document["id"] if document.get("id") is not None else document.get("custom_id")
    if name is None and wrapped:
        name = inner.get("id")
    model = inner.get("model", document.get("model")) or DEFAULT_MODEL
    dropped = ("model", *(("id",) if wrapped else ("id", "custom_id", "row")))
    fields = {key: value for key, value in inner.items() if key not in dropped and (wrapped or key[:2] != "x-")}
    row = document.get("row") if isinstance(document.get("row"), dict) else {}
    return Expected(
        str(name) if type(name) is int else name, fields, {key: str(text) for key, text in row.items()}, model
    )


def _once(pairs: Any) -> dict[str, Any]:
    if isinstance(pairs, str) or len(dict(pairs)) < len(pairs):
        raise ValueError
    return dict(pairs)


# ---------------------------------------------------------------------------------------------------------- workbooks


def workbook(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """The first sheet, by its XML."""
    (data,) = files.values()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            strings = ET.fromstring(archive.read("xl/sharedStrings.xml"))
            shared = ["".join(map(_text, _all(item, "t"))) for item in _all(strings, "si")]
            shown = _formats(ET.fromstring(archive.read("xl/styles.xml")))
            rows = _rows(ET.fromstring(archive.read("xl/worksheets/sheet1.xml")), shared, shown)
    except (zipfile.BadZipFile, ET.ParseError, LookupError, ValueError, NotImplementedError, OSError) as error:
        raise Unjudged from error
    rows = [row for row in rows if "".join(row).strip()]
    if not rows:
        raise Wrong
    header = rows[0]
    while not header[-1].strip():
        header = header[:-1]
    if any("".join(row[len(header) :]).strip() for row in rows):
        raise Wrong
    made = Table(header, [[*row, *[""] * len(header)][: len(header)] for row in rows[1:]])
    jobs = flat(made)
    if jobs is None:
        raise Wrong
    return [jobs]


def _text(element: ET.Element) -> str:
    """Where it does not say that its white space is meant, what stands at its ends is not."""
    text = element.text or ""
    if re.search("_x[0-9A-F]{4}_", text):
        raise Unjudged("an escape of Excel's own")
    return text if element.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve" else text.strip(" \t\r\n")


def _formats(styles: ET.Element) -> list[str]:
    codes = {one.get("numFmtId"): one.get("formatCode", "") for one in _all(styles, "numFmt")}
    (cells,) = _all(styles, "cellXfs")
    return [
        codes.get(one.get("numFmtId"), "0" if one.get("numFmtId") == "0" else "General") for one in _all(cells, "xf")
    ]


def _rows(sheet: ET.Element, shared: list[str], shown: list[str]) -> list[list[str]]:
    found: dict[int, dict[int, str]] = {}
    for row in _all(sheet, "row"):
        for cell in row:
            place = re.fullmatch(r"([A-Z]{1,3})([1-9]\d{0,6})", cell.get("r", ""))
            if place is None or cell not in _all(row, "c") or place[2] != row.get("r"):
                raise Unjudged("a cell without a place")
            column = sum((ord(letter) - 64) * 26**power for power, letter in enumerate(reversed(place[1]))) - 1
            if column in found.setdefault(int(place[2]), {}):
                raise Unjudged("two cells in one place")
            found[int(place[2])][column] = _value(cell, shared, shown)
    width = 1 + max((column for row in found.values() for column in row), default=0)
    if width > 100:
        raise Unjudged("wide")
    return [[row.get(column, "") for column in range(width)] for _, row in sorted(found.items())]


def _value(cell: ET.Element, shared: list[str], shown: list[str]) -> str:
    value = next((one.text or "" for one in _all(cell, "v")), None)
    match cell.get("t", "n"):
        case "s":
            return shared[int(value or "")]
        case "n" if value is None:
            return ""
        case "n" if not re.fullmatch("[0-9]+", cell.get("s", "0")) or not re.fullmatch(r"[-+.\deE]+", value or ""):
            raise Unjudged("no number")
        case "n":
            code, number = shown[int(cell.get("s", "0"))], float(value or "")
            if not re.fullmatch("0+", code) or abs(number) >= 10**15:
                raise Unjudged("another format, or more digits than a spreadsheet keeps")
            text = str(int(number)) if number.is_integer() else f"{number:.15g}"
            return text.zfill(len(code))
        case "b" if value not in ("0", "1"):
            raise Unjudged("neither true nor false")
        case "b":
            return "true" if value == "1" else "false"
        case _:
            raise Unjudged("another type of cell")


def _all(element: ET.Element, name: str) -> list[ET.Element]:
    """The elements of that name, of whatever namespace."""
    return [one for one in element.iter() if one.tag.rpartition("}")[2] == name]
