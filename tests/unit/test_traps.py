"""Traps of the formats that people write by hand, each with the example that shows it.

Read as a person reads it, or refused with its place and its remedy: never something else in silence.
"""

import pytest
import yaml

from runner.batch import load
from runner.manifest import InvalidManifest

URL = "https://cdn.example.com/mug.jpg"
BRACES = "a value that starts with {{ must be quoted:  '{{ title }} on oak'"
COLOUR = "quote the text to keep the #; if it is a comment, put a space behind the #"


@pytest.fixture
def write(tmp_path):
    """Writes a manifest, and what lies beside it; its path."""

    def write(content, name="m.yaml", **beside):
        for file, text in {name: content, **beside}.items():
            path = tmp_path / file.replace("_", ".")
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return write


def refusal(path):
    """The first thing that is wrong with a manifest: code, line, column or cell, and hint."""
    with pytest.raises(InvalidManifest) as caught:
        load(path)
    assert caught.value.message.endswith("Nothing was submitted.")
    first = next(d for d in caught.value.diagnostics if d.severity == "error")
    return first.code, first.place.line, first.place.cell or first.place.column, first.hint


def job(**fields):
    """A YAML manifest of one job, its fields written in just this way."""
    written = {"id": "mug", "prompt": "White", "image_urls": f"[{URL}]"} | fields
    lines = "\n".join(f"    {key}: {text}" for key, text in written.items())
    return f"version: 1\njobs:\n  - {lines.lstrip()}\n"


# ------------------------------------------------------------------------------------- YAML's own ideas of plain words

WORDS = {
    "16:9": 969,
    "1:1": 61,
    "4:5": 245,
    "00123": 83,
    "no": False,
    "on": True,
    "2026-11-22": yaml.safe_load("2026-11-22"),
    "1_000": 1000,
    "0x1F": 31,
}
"""What stands there, and what PyYAML makes of it."""


@pytest.mark.parametrize(("text", "trap"), WORDS.items())
@pytest.mark.parametrize("field", ["id", "prompt"])
def test_a_word_is_that_word(write, text, trap, field):
    """In YAML, in a sheet: ids keep their zeros, prompts their letters."""
    assert yaml.safe_load(text) == trap
    assert type(yaml.safe_load(text)) is not str
    row = {"id": "mug", "prompt": "White", "image_urls": URL} | {field: text}
    if ":" in text and field == "id":
        row["id"] = text = text.replace(":", "x")  # no name for a file
    for path in (
        write(job(**{field: text})),
        write(f"{','.join(row)}\n{','.join(row.values())}\n", "m.csv"),
    ):
        (spec,) = load(path).jobs
        assert {"id": spec.job_id, "prompt": spec.inputs["prompt"]}[field] == text


@pytest.mark.parametrize("ratio", ["16:9", "1:1", "4:5"])
def test_a_ratio_is_a_ratio(write, ratio):
    """Wherever one may stand: in defaults, in a job, in a matrix, in an override."""
    for text in (
        job(aspect_ratio=ratio),
        job().replace("jobs:", f"defaults:\n  aspect_ratio: {ratio}\njobs:"),
        job().replace("jobs:", f"matrix: {{aspect_ratio: [{ratio}]}}\njobs:"),
        job().replace("jobs:", f"overrides: [{{match: mug, set: {{aspect_ratio: {ratio}}}}}]\njobs:"),
    ):
        (spec,) = load(write(text)).jobs
        assert spec.inputs["aspect_ratio"] == ratio


@pytest.mark.parametrize("ratio", ["969", "16:09", "16x9", "1.7777"])
def test_what_others_make_of_a_ratio_is_refused(write, ratio):
    """A number, a spreadsheet's time, a cross."""
    code, line, column, hint = refusal(write(job(aspect_ratio=ratio)))
    assert (line, column) == (6, 19)
    assert code in ("aspect-ratio", "wrong-type")
    assert hint


def test_a_second_key_is_refused(write):
    """PyYAML takes the last one and says nothing."""
    text = job() + "    prompt: Black\n"
    assert yaml.safe_load(text)["jobs"][0]["prompt"] == "Black"
    assert refusal(write(text)) == ("duplicate-key", 6, 5, "first on line 4: keep one of them")


# ------------------------------------------------------------------------------------------------- a # begins a comment

COLOURS = {
    "behind a word": (job(prompt="Use #f5f5f5 background"), 4, 17),
    "at the beginning": (job(prompt="#f5f5f5 background"), 4, 13),
    "on a line of its own": (job(prompt="Use\n      #f5f5f5 background"), 5, 7),
    "in an id": (job(id="mug #2"), 3, 13),
    "in defaults": ("version: 1\ndefaults:\n  prompt: Use #f5f5f5\njobs: []\n", 3, 15),
    "in a matrix": ("version: 1\nmatrix:\n  prompt:\n  - Use #f5f5f5\n  - White\njobs: []\n", 4, 9),
    "in a scene": ("version: 1\nmatrix:\n  scene:\n  - name: a\n    prompt: Use #f5f5f5\njobs: []\n", 5, 17),
    "in an override": ("version: 1\noverrides:\n- match: mug\n  set:\n    prompt: Use #f5f5f5\njobs: []\n", 5, 17),
}


@pytest.mark.parametrize("where", COLOURS)
def test_a_colour_is_not_cut_off(write, where):
    """The rest of the line would be a comment: the prompt sent would be `Use`."""
    text, line, column = COLOURS[where]
    assert "f5f5f5" not in str(yaml.safe_load(text))
    assert refusal(write(text)) == ("yaml-comment", line, column, COLOUR)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (job(prompt="Use #f5f5f5 background\n      and keep the label"), 4),
        (f"version: 1\njobs:\n- {{id: mug, prompt: Use #f5f5f5 background, image_urls: [{URL}]}}\n- {{id: b}}\n", 3),
    ],
    ids=["in the middle of a text", "within brackets"],
)
def test_where_a_comment_breaks_the_rest_it_is_named(write, text, line):
    """The parser only says what it did not find, a line further down."""
    code, _, _, hint = refusal(write(text))
    assert (code, hint) == ("yaml-syntax", f"in line {line} a # begins a comment, and the text ends there: quote it")


@pytest.mark.parametrize(
    "written", ["'Use #f5f5f5 background'", "|-\n      Use #f5f5f5 background", "Use\u00a0#f5f5f5"]
)
def test_a_colour_in_quotes_is_sent(write, written):
    (spec,) = load(write(job(prompt=written))).jobs
    assert "#f5f5f5" in spec.inputs["prompt"]


# ------------------------------------------------------------------------------------------- what a text may start with

STARTS = {
    "{{ title }} on oak": BRACES,
    "{{ title }}": "a value that starts with {{ must be quoted:  '{{ title }}'",
    "{{ title }}, on oak: warm": "a value that starts with {{ must be quoted:  '{{ title }}, on oak: warm'",
    "{{ title }}'s label": "a value that starts with {{ must be quoted:  '{{ title }}''s label'",
    "{% if title %}White{% endif %}": "a value that starts with {% must be quoted:  '{% if title %}White{% endif %}'",
    "[White] background": "a value that starts with [ and goes on behind it must be quoted as a whole",
    '"White" background': 'a value that starts with " and goes on behind it must be quoted as a whole',
    "@home": "quote a value that starts with @",
    "%50 grey": "quote a value that starts with %",
    "`White`": "quote a value that starts with `",
    "*White* background": "quote a value that starts with * or &",
    "*White": "quote a value that starts with *",
    "&Sons stays": "quote a value that starts with &",
    "!White": "write plain values",
    "- White": "quote a value that starts with -",
    "? White": "quote a value that starts with ?",
    "| White": "the text of a block begins on the line below  |  or  >",
    "> White": "the text of a block begins on the line below  |  or  >",
    "Keep this: the mug": 'a value that contains ": " must be quoted, or written as a block:  prompt: |',
}


@pytest.mark.parametrize("text", STARTS)
def test_a_text_that_yaml_has_plans_for_is_refused_with_its_remedy(write, text):
    """At its line; and in quotes it is what is sent."""
    path = write(job(prompt=text))
    with pytest.raises(InvalidManifest) as caught:
        load(path)
    assert STARTS[text] in [diagnostic.hint for diagnostic in caught.value.diagnostics]
    assert {diagnostic.place.line for diagnostic in caught.value.diagnostics} == {4}
    if "{" in text:
        return
    (spec,) = load(write(job(prompt="'" + text.replace("'", "''") + "'"))).jobs
    assert spec.inputs["prompt"] == text


@pytest.mark.parametrize("brackets", [True, False])
def test_a_template_is_filled_in_where_it_is_quoted(write, brackets):
    """Unquoted it is a mapping in a mapping, which PyYAML calls an unhashable key."""
    head = "defaults: {prompt: TEXT}" if brackets else "defaults:\n  prompt: TEXT"
    text = f"version: 1\n{head}\nsources: [{{file: c.csv}}]\n"
    beside = {"c_csv": f"id,Title,image_urls\nmug,Oak mug,{URL}\n"}
    assert refusal(write(text.replace("TEXT", "{{ title }} on oak"), **beside))[3] == BRACES
    (spec,) = load(write(text.replace("TEXT", "'{{ title }} on oak'"), **beside)).jobs
    assert spec.inputs["prompt"] == "Oak mug on oak"


@pytest.mark.parametrize(
    "head", ["defaults: {prompt: TEXT}", "defaults: {prompt: TEXT, aspect_ratio: 1:1}", "defaults:\n  prompt: TEXT"]
)
@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('"{{ row["Title"] }} on oak"', "Oak mug on oak"),
        ('"On oak: {{ row["Title"] }}"', "On oak: Oak mug"),
        ('"On {{ colour | default("oak") }}, {% if title == "Oak mug" %}bright{% endif %}"', "On oak, bright"),
        ('"{{ row["it\'s"] }} on oak"', None),
    ],
)
def test_quotes_within_those_of_a_template_are_told(write, head, written, sent):
    """The commonest slip: the remedy is the whole text in quotes that work."""
    text = f"version: 1\n{head}\nsources: [{{file: c.csv}}]\n"
    beside = {"c_csv": f"id,Title,Colour,image_urls\nmug,Oak mug,,{URL}\n"}
    hint = refusal(write(text.replace("TEXT", written), **beside))[3]
    if sent is None:
        assert hint == 'the quotes inside end the text: write them as \\"'
        return
    assert hint.startswith('the quotes inside end the text: write single ones there:  "')
    (spec,) = load(write(text.replace("TEXT", hint.partition("there:  ")[2]), **beside)).jobs
    assert spec.inputs["prompt"] == sent


# ---------------------------------------------------------------------------------------------------- a list of prompts


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_list_of_prompts_is_a_table_of_one_column(write, end, ending):
    """Python's own guess is the letter r, or none; commas in a prompt do not make it a table of two."""
    for prompts in (["Replace the background", "Rotate it", "Warmer"], ["White, soft; no shadow", "Warmer; brighter"]):
        text = end.join(["prompt", *prompts, ""])
        head = f"version: 1\ndefaults: {{image_urls: {URL}}}\nsources: [{{file: list.{ending}}}]\n"
        manifest = load(write(head, **{f"list_{ending}": text}))
        assert [spec.inputs["prompt"] for spec in manifest.jobs] == prompts


@pytest.mark.parametrize("cell", ['="00123"', '"=""00123"""'])
def test_a_number_that_an_export_keeps_as_text_is_that_text(write, cell):
    """`="00123"` is what some write for spreadsheets, which show `00123`."""
    (spec,) = load(write(f'="id",="prompt",image_urls\n{cell},"=""White""",{URL}\n', "m.csv")).jobs
    assert (spec.job_id, spec.inputs["prompt"]) == ("00123", "White")


# ----------------------------------------------------------------------------------------------------------- code pages

PAGES = {
    "cp932": "①番のマグ。背景を白に～",
    "cp1252": "Say “hi” – it’s café",
    "utf-8": "①番 “hi” 白色",
    "utf-8-sig": "①番 “hi” 白色",
    "utf-16": "①番 “hi” 白色",
    "gb18030": "把背景换成白色，保持商品不变",
    "cp949": "배경을 흰색으로 바꿔 주세요",
}
SURE = ("utf-8", "utf-8-sig", "utf-16")


@pytest.mark.parametrize("codec", PAGES)
def test_a_short_sheet_is_read_right_or_not_at_all(write, codec):
    """Statistics fail on short sheets; where bytes do not say what they are, what each code page says is shown."""
    prompt = PAGES[codec]
    sheet = f"id,prompt,image_urls\nmug,{prompt},{URL}\n".encode(codec)
    if codec not in SURE:
        code, line, cell, hint = refusal(write(sheet, "m.csv"))
        assert (code, line, cell) == ("encoding", 2, "B2")
        assert hint.split(": ")[1].splitlines()[0] == repr(prompt)  # the right one is the first that is shown
        assert "say which of them with  --encoding NAME, or save it as CSV UTF-8" in hint
    else:
        (spec,) = load(write(sheet, "m.csv")).jobs
        assert spec.inputs["prompt"] == prompt
    said = write(f"version: 1\nsources: [{{file: m.csv, encoding: {codec}}}]\n", m_csv=sheet)
    (spec,) = load(said).jobs
    assert spec.inputs["prompt"] == prompt
