"""Rows that are read by the hundred come to what they come to one by one.

Beside one row that asks for a closer look a table is gone through row by row, so each is read twice: without and with
such a row behind it.
"""

import csv
import io
import json

import pytest

from runner.catalog import bundled, rules_for
from runner.manifest import DEFAULT_MODEL, Inline, InvalidManifest, read_manifest

RULES = rules_for(bundled(DEFAULT_MODEL))
URL = "https://cdn.example.com/{}.jpg"
PLAIN = {
    "id": [f"SKU-{n}" for n in range(40)],
    "sku": [f"S{n}" for n in range(40)],
    "prompt": ["Put it on white, with a soft shadow.", 'Make it 5" wide, keep the label & the logo', "A photo 2:1"],
    "image_urls": [URL.format(n) for n in range(9)] + [f"{URL.format(1)}?v=1&w=2"],
    "aspect_ratio": ["1:1", "16:9", ""],
    "output_format": ["png", "jpeg"],
    "title": ["Mug No 5", "Oak table, 2 m", "Weekender & bag"],
}
ODD = {
    "id": ["", " a ", "con", "Größe", "1.2E+12", "#1", "a/b", "{{ title }}", "x" * 200],
    "sku": ["", "S1", "s1"],
    "prompt": [
        *("", " ", "...", "none", "=A1", "'quoted", " leads", "Put?", "caf\\u00e9", "Weiß.", "{{ title }}", "{% x %}"),
        *("#REF!", "Err:502", "#fff is the colour", "a_x000D_b", "<b>bold</b> text", "Tom &amp; Jerry on white"),
        *(
            "the table in image 2",
            "the second photo in front",
            "a [thing] here",
            "x" * 1001,
            "two\nlines of it",
            *(
                "\x7fabcdefg",
                "a [title] on white",
                "a {title} on white",
                "Make it blue, Caf? au lait",
                "Keep the label & logo; glue",
            ),
            *("https://cdn.example.com/f.jpg", "https://cdn.example.com/f.jpg  ", "123456.50", "2026-01-02 10:00"),
            *(
                "2026-01-02T10:00:00Z",
                "falsch",
                "Same as above.",
                "same as above ",
                "TRUE    ",
                "Verdadero",
                "dito... ",
            ),
            *("12,345.00 $", "x     ", "TBD    ", "1234567 mm", "dito... ", "https://a.example/b it is"),
            *("a\\u00e9b on white", "Put it & them;", "? on white, please", "(*) ... (*)", "null on white"),
        ),
    ],
    "image_urls": [
        *("", "mug.jpg", "http://cdn.example.com/a.jpg", f"{URL.format(1)}|{URL.format(2)}", f"{URL.format(1)} | "),
        *(f" {URL.format(3)} ", "https://cdn.example.com/a,b.jpg", "https://localhost/a.jpg", "{{ title }}", "#N/A"),
        *(f"{URL.format(1)}, {URL.format(2)}", "https://cdn.example.com/ä.jpg", "data:image/png;base64,AAAA"),
    ],
    "aspect_ratio": ["16:09", "square", " 1:1 ", "#REF!", "{{ title }}"],
    "output_format": ["jpg", "PNG", " "],
    "title": [
        "",
        " ",
        "=SUM(A1)",
        "1.2E+12",
        "#REF!",
        "Tasse für Tee",
        "nan",
        "<i>",
        "{{ x }}",
        " padded ",
        "a\nb",
        "2.5",
    ],
}
PLAIN["none"] = ["Mug", "Lamp"]
COLUMNS = {*PLAIN, "image_urls_2", "url_3"}
TEMPLATES = [
    *("Put the {{ title }} on white.", "{{ title }} on {{sku}} white", "{{ title }}", "On {{ aspect_ratio }}: white"),
    *("{% if title %}{{ title }}{% endif %} on white", "{{ title | lower }} on white", "{{ id }} on white"),
    *("Weiß: {{ title }}", "{{ nothing }} on white", "Put it on white.", "?", "", "{{ title }}{# a note #} on white"),
    *("As in image {{ sku }}", "On white, and {{ title }}"),
]


LAYOUTS = [
    (("id", "prompt", "image_urls"), Inline()),
    (("id", "title", "prompt", "image_urls"), Inline()),
    (("prompt", "image_urls", "aspect_ratio", "output_format"), Inline()),
    (("sku", "image_urls", "title"), Inline(prompt="Put it on white.", values={"output_format": "png"})),
    (("title", "sku", "prompt"), Inline(values={"image_urls": URL.format(7), "aspect_ratio": "4:5"})),
    (("id", "sku"), Inline(prompt="Put it on white.", values={"image_urls": URL.format(7)})),
    (("id", "url_3", "prompt"), Inline()),
    (("id", "image_urls", "image_urls_2", "prompt"), Inline()),
    (("id", "", "image_urls", "prompt"), Inline()),
    (("sku", "image_urls", "title", "none"), Inline(prompt="Put {{ none }} on white.")),
    (("id", "image_urls", "prompt", "num_images"), Inline()),
    (("sku", "image_urls", "title"), Inline(prompt="Put the {{ title }} on white.", values={"num_images": "2"})),
    (("sku", "image_urls", "title"), Inline(prompt="Put the {{ title }} on white.", values={"image_urls": "mug.jpg"})),
    *(
        (("sku", "image_urls", "title", "aspect_ratio"), Inline(prompt=template, values=values))
        for template in TEMPLATES
        for values in ({}, {"output_format": "png"})
    ),
]


def likeness(name):
    """The column whose cells one of that name has."""
    return "image_urls" if "url" in name else name


def oddities():
    """Each layout with plain rows alone, and with each oddity of each of its columns in one of them."""
    for names, inline in LAYOUTS:
        yield names, inline, None, ""
        for name in names:
            for text in ODD.get(likeness(name), ()):
                yield names, inline, name, text


def rows_of(names, odd, text):
    """Some rows, one of which has an odd cell; a column without a name is empty in all but the last."""
    for number in range(4):
        row = {name: PLAIN[likeness(name)][number % len(PLAIN[likeness(name)])] for name in names if name in COLUMNS}
        row |= {"": "x" * (number == 3), "num_images": "1"}
        if number == 2 and odd is not None:
            row[odd] = text
        yield [row[name] for name in names]


def written(path, names, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([names, *rows])
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    return path


def read(path, inline):
    """Every spec and every finding; the specs are none where an error was found."""
    try:
        manifest = read_manifest(path, rules=lambda _: RULES, inline=inline)
    except InvalidManifest as error:
        return [], list(error.diagnostics)
    return list(manifest.jobs), list(manifest.warnings)


LAST = {
    "id": "last < \\",
    "sku": "last < \\",
    "prompt": "Make it < 5 cm \\ 2 in.",
    "title": "a < b \\ c",
    "aspect_ratio": "1:1",
}
LAST |= {"output_format": "png", "": "", "num_images": "1"}


def test_a_block_comes_to_what_its_rows_come_to(tmp_path):
    """Also to the same words."""
    path = tmp_path / "table.csv"
    blocks = 0
    for names, inline, odd, text in oddities():
        rows = list(rows_of(names, odd, text))
        specs, told = read(written(path, names, rows), inline)
        end = len(path.read_text("utf-8").splitlines()) + 1
        rows.append([LAST.get(name, URL.format(1)) for name in names])
        all_specs, all_told = read(written(path, names, rows), inline)
        case = f"{names} {inline} {odd} {text!r}"
        assert specs == all_specs[: len(rows) - 1], case
        assert [list(spec.inputs) for spec in specs] == [list(spec.inputs) for spec in all_specs[: len(specs)]], case
        assert told == [one for one in all_told if one.place.line != end and f"csv:{end}" not in one.message], case
        blocks += bool(specs) and not told
    assert blocks > 100


@pytest.mark.parametrize("odd", [None, "https://cdn.example.com/a<b>.jpg", "mug.jpg", "https://localhost/a.jpg"])
def test_pictures_that_all_rows_have_are_looked_at_too(tmp_path, odd):
    """Given by a manifest that names the table."""
    urls = [URL.format(1), *([odd] if odd else [])]
    path = tmp_path / "jobs.yaml"
    path.write_text(json.dumps({"version": 1, "defaults": {"image_urls": urls}, "sources": [{"file": "table.csv"}]}))
    written(tmp_path / "table.csv", ("id", "prompt"), [("a", "Put it on white."), ("b", "Put it on oak.")])
    specs, told = read(path, Inline())
    written(tmp_path / "table.csv", ("id", "prompt"), [("a", "Put it on white."), ("b", "Put it < on oak \\.")])
    others, others_told = read(path, Inline())
    assert [spec.inputs["image_urls"] for spec in specs] == [spec.inputs["image_urls"] for spec in others]
    assert [one.message for one in told] == [one.message for one in others_told if "backslash" not in one.message]
    assert bool(specs) == (odd in (None, "https://cdn.example.com/a<b>.jpg"))


@pytest.mark.parametrize("blank", [["", ""], [" ", ""]])
def test_a_blank_row_is_no_job(tmp_path, blank):
    """Also where nothing of a row is needed."""
    defaults = {"image_urls": [URL.format(1)], "prompt": "Put it on white."}
    path = tmp_path / "jobs.yaml"
    path.write_text(json.dumps({"version": 1, "defaults": defaults, "sources": [{"file": "table.csv"}]}))
    written(tmp_path / "table.csv", ("aspect_ratio", "title"), [("1:1", "a"), blank, ("16:9", "b")])
    assert len(read(path, Inline())[0]) == 2


@pytest.mark.parametrize("odd", ["", "a < b"])
def test_what_a_condition_takes_comes_to_the_same_by_the_block(tmp_path, odd):
    """And each row is judged once, whichever way it is read."""
    rows = [(f"sku-{n}", URL.format(n), f"Mug {n}{odd if n == 7 else ''}", str(n)) for n in range(10)]
    written(tmp_path / "t.csv", ("id", "image_urls", "title", "stock"), rows)
    manifest = tmp_path / "m.yaml"
    manifest.write_text(
        'version: 1\ndefaults: {prompt: "Put {{ title }} on white."}\nsources: [{file: t.csv, where: stock > 4}]\n'
    )
    specs, told = read(manifest, None)
    assert [spec.job_id for spec in specs] == [f"sku-{n}" for n in range(5, 10)]
    assert specs[2].inputs["prompt"] == f"Put Mug 7{odd} on white."
    assert [one.message for one in told] == ["where leaves out 5 of 10 jobs of t.csv"]
