"""Rows that are read by the hundred come to what they come to one by one.

Beside one row that asks for a closer look a table is gone through row by row, so each is read twice: without and with
such a row behind it.
"""

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.catalog import bundled, rules_for
from runner.manifest import DEFAULT_MODEL, Inline, InvalidManifest, read_manifest

RULES = rules_for(bundled(DEFAULT_MODEL))
URL = "https://cdn.example.com/{}.jpg"
PLAIN = {
    "id": [f"SKU-{n}" for n in range(40)],
    "sku": [f"S{n}" for n in range(40)],
    "prompt": ["Put it on white, with a soft shadow.", 'Make it 5" wide; keep the label & the logo', "A photo 2:1"],
    "image_urls": [URL.format(n) for n in range(9)] + [f"{URL.format(1)}?v=1&w=2"],
    "aspect_ratio": ["1:1", "16:9", ""],
    "output_format": ["png", "jpeg"],
    "title": ["Mug", "Oak table, 2 m", "Weekender & bag", "[new]", "What?"],
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
            "\x7fabcdefg",
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
TEMPLATES = [
    *("Put the {{ title }} on white.", "{{ title }} on {{sku}} white", "{{ title }}", "On {{ aspect_ratio }}: white"),
    *("{% if title %}{{ title }}{% endif %} on white", "{{ title | lower }} on white", "{{ id }} on white"),
    *("Weiß: {{ title }}", "{{ nothing }} on white", "Put it on white.", "?", "", "{{ title }}{# a note #} on white"),
    *("As in image {{ sku }}", "On white, and {{ title }}"),
]


@st.composite
def tables(draw):
    """A header, rows, and what the command line says; at most one kind of oddity, in one column."""
    names = draw(st.lists(st.sampled_from(list(PLAIN)), min_size=1, unique=True))
    names += [] if "image_urls" in names or draw(st.integers(0, 9)) == 0 else ["image_urls"]
    column = draw(st.sampled_from(names))
    odd = {column: [draw(st.sampled_from(ODD[column]))] * len(PLAIN[column])} if draw(st.integers(0, 4)) else {}
    row = st.tuples(*(st.sampled_from([*PLAIN[name], *odd.get(name, ())]) for name in names))
    rows = draw(st.lists(row.filter(lambda row: any(map(str.strip, row))), min_size=1, max_size=6))
    prompt = draw(st.sampled_from(TEMPLATES)) if "prompt" not in names else None
    values = draw(st.sampled_from([{}, {"output_format": "png"}, {"aspect_ratio": "4:5"}, {"image_urls": "mug.jpg"}]))
    return names, rows, Inline(prompt=prompt, values=values)


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


@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
@given(tables())
@example((["id", "prompt", "image_urls"], [("a", "Put it on white.", URL.format(1))], Inline()))
def test_a_block_comes_to_what_its_rows_come_to(tmp_path_factory, table):
    names, rows, inline = table
    path = tmp_path_factory.getbasetemp() / "table.csv"
    last = {"id": "last", "sku": "last", "prompt": "Make it < 5 cm.", "image_urls": URL.format(1), "title": "a < b"}
    last |= {"aspect_ratio": "1:1", "output_format": "png"}
    specs, told = read(written(path, names, rows), inline)
    end = len(path.read_text("utf-8").splitlines()) + 1
    all_specs, all_told = read(written(path, names, [*rows, [last[name] for name in names]]), inline)
    assert specs == all_specs[: len(rows)]
    assert told == [one for one in all_told if one.place.line != end and f"table.csv:{end}" not in one.message]
