"""What a YAML manifest says, with the sheets it names: read by `whole_yaml`, filled in by Jinja as it comes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import jinja2
from support.readings import DEFAULT_MODEL, Expected, Table, Unjudged, agreed, decoded, flat, tables, texts
from support.whole_yaml import Wrong, fields_of, plain, whole

KEYS = {"version", "name", "model", "defaults", "jobs", "run", "matrix", "sources", "output", "overrides"}
JINJA = jinja2.Environment(
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    comment_start_string="\0{#",
    comment_end_string="#}\0",
    autoescape=False,
)


def top_of(data: bytes) -> dict[str, Any]:
    """The manifest's keys with their nodes."""
    is_utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = decoded(data, "utf-16" if is_utf16 else "utf-8-sig")
    document = whole(text.removeprefix("\ufeff"))
    if document[0] != "map":
        raise Wrong("no mapping")
    top = fields_of(document)
    if any(key not in KEYS and key[:2] != "x-" for key in top) or "version" not in top:
        raise Wrong("its keys")
    if "overrides" in top:
        raise Unjudged("overrides")
    return top


def defaults_of(top: Mapping[str, Any]) -> dict[str, Any]:
    """What every job inherits."""
    given = plain(top["defaults"]) if "defaults" in top else {}
    if not isinstance(given, dict | None) or "id" in (given or {}):
        raise Wrong("defaults")
    model = {"model": plain(top["model"])} if "model" in top else {}
    return {**model, **{key: value for key, value in (given or {}).items() if key[:2] != "x-"}}


# -------------------------------------------------------------------------------------------------------------- jobs


def jobs(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """The list of jobs, each in every combination of the matrix."""
    top = top_of(files["m.yaml"])
    if "sources" in top:
        raise Unjudged("sources")
    if "jobs" not in top or top["jobs"][0] != "list":
        raise Wrong("no jobs")
    found = []
    for node in top["jobs"][1:]:
        if node[0] != "map":
            raise Wrong("a job that is none")
        own = fields_of(node)
        job_id = own["id"][1] if "id" in own and own["id"][0] == "scalar" else None
        fields = {key: plain(value) for key, value in own.items() if key[:2] != "x-"}
        for names, given in combinations(top):
            values = {**defaults_of(top), **given, **fields}
            found.append(made(job_id, values, names, {} if job_id is None else {"id": job_id}))
    return [found]


def combinations(top: Mapping[str, Any]) -> Iterator[tuple[dict[str, str], dict[str, Any]]]:
    """The names of each combination by axis, and what it sets."""
    if "matrix" not in top:
        yield {}, {}
        return
    matrix = fields_of(top["matrix"]) if top["matrix"][0] == "map" else {}
    if "include" in matrix or not matrix:
        raise Unjudged("a matrix of another shape")
    axes = {axis: [value_of(axis, item) for item in node[1:]] for axis, node in matrix.items() if axis != "exclude"}
    left = [fields_of(node) for node in matrix["exclude"][1:]] if "exclude" in matrix else []
    excluded = [{axis: node[1] for axis, node in one.items()} for one in left]
    for values in itertools.product(*axes.values()):
        names = dict(zip(axes, (name for name, _ in values), strict=True))
        if not any(one.items() <= names.items() for one in excluded):
            yield names, {key: value for _, given in values for key, value in given.items()}


def value_of(axis: str, node: Any) -> tuple[str, dict[str, Any]]:
    """A value's name as it is written, and what it sets."""
    if node[0] == "map":
        fields = fields_of(node)
        if "name" not in fields:
            raise Wrong("a value without a name")
        return fields["name"][1], {key: plain(value) for key, value in fields.items() if key != "name"}
    if node[0] != "scalar":
        raise Wrong("a list as a value")
    is_field = axis in ("prompt", "image_urls", "aspect_ratio", "output_format", "num_images", "model")
    return node[1], {axis: plain(node)} if is_field else {}


def made(
    job_id: str | None,
    values: dict[str, Any],
    names: Mapping[str, str],
    scope: Mapping[str, Any],
    row: Mapping[str, str] | None = None,
) -> Expected:
    """The job, its templates filled in."""
    values = dict(values)
    given = values.pop("id", None)
    model = values.pop("model", None) or DEFAULT_MODEL
    if given is not None and job_id is None:
        raise Wrong("an id that is no word")
    if job_id is not None and ("{{" in job_id or "{%" in job_id):
        raise Unjudged("a template for the id")
    for axis in names:
        suffix = re.sub(r"[^\w.+-]+", "-", names[axis].replace(":", "x"))
        job_id = None if job_id is None else f"{job_id}__{suffix}"
    if any("{{" in str(text) for text in (values.get("image_urls"),)):
        raise Unjudged("templates in URLs")
    if isinstance(prompt := values.get("prompt"), str):
        values["prompt"] = filled_in(prompt, {**scope, **names})
    return Expected(job_id, values, row, model)


def filled_in(text: str, scope: Mapping[str, Any]) -> str:
    """The template for one row; raises `Wrong` for a name that there is not."""
    if "{{" not in text and "{%" not in text:
        return text
    try:
        return compiled(text).render(scope)
    except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise Wrong from error


@lru_cache(maxsize=64)
def compiled(text: str) -> jinja2.Template:
    """The template."""
    return JINJA.from_string(text)


# ------------------------------------------------------------------------------------------------------------- sheets


def sheet(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """The rows of one sheet, with a template for the prompt and a condition."""
    top = top_of(files["m.yaml"])
    source = source_of(top)
    if source["file"] != "products.csv" or not source.keys() <= {"file", "columns", "where"}:
        raise Unjudged("another source")
    columns = source.get("columns") or {}
    if not isinstance(columns, dict) or not all(isinstance(name, str) and "*" not in name for name in columns.values()):
        raise Unjudged("columns")
    found = [
        [of_rows(one, columns, source.get("where"), defaults_of(top)) for one in tables(text, None)]
        for text in texts(files["products.csv"])
    ]
    return agreed(found)


def source_of(top: Mapping[str, Any]) -> dict[str, Any]:
    """The one source."""
    if "jobs" in top or "matrix" in top or "sources" not in top or top["sources"][0] != "list":
        raise Unjudged("another shape")
    if len(top["sources"]) != 2 or top["sources"][1][0] != "map":
        raise Unjudged("several sources")
    return plain(top["sources"][1])


def of_rows(
    table: Table, columns: Mapping[str, str], where: str | None, defaults: Mapping[str, Any]
) -> list[Expected] | None:
    """A job for each row of which the condition is true; `None` where the columns are not there."""
    renamed = list(table.header)
    for field, title in columns.items():
        places = [index for index, name in enumerate(table.header) if name == title] or [
            index for index, key in enumerate(table.keys) if key == Table([title]).keys[0]
        ]
        if len(places) != 1:
            return None
        renamed[places[0]] = field
    if len(set(renamed)) < len(renamed) or "model" in Table(renamed).keys:
        raise Unjudged("two columns for one thing")
    has_prompt = "prompt" in Table(renamed).keys
    mapped = Table([*renamed, *([] if has_prompt else ["prompt"])])
    found = []
    for cells in table.rows:
        scope = {key: cell if cell.strip() else "" for key, cell in zip(table.keys, cells, strict=True) if key}
        scope["row"] = table.named(cells)
        if where is not None and not holds(where, scope):
            continue
        whole_row = [*cells, *([] if has_prompt else [str(defaults.get("prompt", ""))])]
        jobs_of_row = flat(Table(mapped.header, [whole_row]), defaults)
        if jobs_of_row is None:
            return None
        (job,) = jobs_of_row
        fields = {**job.fields} if has_prompt else {**job.fields, "prompt": defaults.get("prompt")}
        found.append(made(job.id, fields, {}, scope, table.named(cells)))
    return found


def holds(where: str, scope: Mapping[str, Any]) -> bool:
    """Whether a comparison with one number or word is true of a row."""
    match = re.fullmatch(r"\s*(\w+)\s*(==|!=|>=|<=|>|<)\s*(?:(\d+(?:\.\d+)?)|'(\w*)'|\"(\w*)\")\s*", where, re.ASCII)
    if match is None:
        raise Unjudged("a condition of another kind")
    name, sign, number, *words = match.groups()
    if name not in scope:
        raise Wrong("a name that is no column")
    text = scope[name]
    word = words[0] if words[0] is not None else words[1]
    try:
        ours, theirs = (text, word) if number is None else (float(text), float(number))
    except ValueError:
        raise Wrong("no number") from None
    outcome = {"==": ours == theirs, "!=": ours != theirs}
    if sign not in outcome and number is None:
        raise Unjudged("words in their order")
    return (
        outcome[sign]
        if sign in outcome
        else (ours > theirs if sign[0] == ">" else ours < theirs) or ("=" in sign and ours == theirs)
    )


# ------------------------------------------------------------------------------------------------------------- shops


OF_A_PICTURE = {"image_src", "image_url", "image_position", "image_alt_text", "sku", "price", "barcode"}
"""What an export says of one picture or variant: another's row has nothing of it."""


def shopify(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """A job a picture of each product that is active."""
    return agreed([[_shopify(one) for one in tables(text, None)] for text in texts(files["shop.csv"])])


def _shopify(table: Table) -> list[Expected] | None:
    if (places := columns_of(table, ("handle", "title", "status", "image_src"))) is None:
        return None
    handle, _, status, picture = places
    if any("{{" in cells[handle] or "{%" in cells[handle] for cells in table.rows):
        raise Unjudged("templates for ids")
    position = table.keys.index("image_position") if "image_position" in table.keys else None
    found = []
    for _, members in itertools.groupby(table.rows, key=lambda cells: cells[handle].strip()):
        rows = list(members)
        common = [next((row[index] for row in rows if row[index].strip()), "") for index in range(len(table.header))]
        ranked = []
        for row in rows:
            if any(sign in row[picture].strip() for sign in "|, ;\n\r\t"):
                raise Unjudged("several pictures in a cell")
            said = row[position].strip() if position is not None else ""
            if said and not re.fullmatch(r"[0-9]{1,8}([.,]0+)?", said):
                raise Wrong("a position that is none")
            if row[picture].strip():
                ranked.append((int(re.split("[.,]", said)[0]) if said else len(ranked) + 1, row))
        ranked.sort(key=lambda one: one[0])
        first = {}
        for _, row in ranked:
            first.setdefault(row[picture].strip(), row)
        for url, row in first.items():
            of_row = [key.startswith("variant_") or key in OF_A_PICTURE for key in table.keys]
            cells = [own if own.strip() or of_row[index] else common[index] for index, own in enumerate(row)]
            if re.fullmatch(
                r"[\s\u00ad\u200b\u2060\ufeff]*active[\s\u00ad\u200b\u2060\ufeff]*", cells[status]
            ):  # as seen
                prompt = f"Ghost mannequin for {cells[places[1]]}."
                fields = {"prompt": prompt, "image_urls": [url]}
                found.append(Expected(f"{cells[handle].strip()}--{_called(url, first)}", fields, table.named(cells)))
    return found


def _called(url: str, urls: Iterable[str]) -> str:
    """What tells a picture from the product's others: its file, `1` of `1.jpg`; a `*` where that is no plain name."""
    names = [re.fullmatch(r"https://[a-z./0-9-]+/([a-z0-9]{1,20})\.jpg", one) for one in urls]
    plain = [name[1] for name in names if name]
    own = re.fullmatch(r"https://[a-z./0-9-]+/([a-z0-9]{1,20})\.jpg", url)
    return own[1] if own and len(plain) == len(names) == len(set(plain)) else "*"


def google(files: Mapping[str, bytes]) -> list[list[Expected]]:
    """A job a product, with all its pictures."""
    return agreed([[_google(one) for one in tables(text, "\t")] for text in texts(files["feed.tsv"])])


def _google(table: Table) -> list[Expected] | None:
    if (places := columns_of(table, ("id", "title", "image_link", "brand"))) is None:
        return None
    identity, title, picture, brand = places
    if any("{{" in cells[identity] or "{%" in cells[identity] for cells in table.rows):
        raise Unjudged("templates for ids")
    more = [index for index, key in enumerate(table.keys) if key in ("additional_image_link", "additional_image_links")]
    found = []
    for cells in table.rows:
        urls = [url for index in (picture, *more) for url in urls_of(cells[index])]
        fields = {"prompt": f"{cells[brand]}: {cells[title]}", "image_urls": list(dict.fromkeys(urls))}
        found.append(Expected(cells[identity].strip(), fields, None))
    return found


def urls_of(text: str) -> list[str]:
    """The URLs of a feed's cell."""
    if re.search(r"[|\s;]", text.strip()):
        raise Unjudged("separated otherwise")
    return [url for url in re.split("(?i),(?=https?://)", text.strip().rstrip(",")) if url]


def columns_of(table: Table, wanted: Sequence[str]) -> list[int] | None:
    """Where the columns stand; `None` where one is missing."""
    if any(key in ("prompt", "aspect_ratio", "output_format", "num_images", "image_urls") for key in table.keys):
        raise Unjudged("columns that are sent")
    if any(table.keys.count(key) > 1 for key in wanted):
        raise Unjudged("twins")
    return [table.keys.index(key) for key in wanted] if set(wanted) <= set(table.keys) else None
