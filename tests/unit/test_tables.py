"""Sheets under `sources:` as spreadsheets, shops and colleagues save them: delimiters, columns, conditions, names."""

import csv
import json
import random
import subprocess
import sys
import textwrap

import pytest

from runner.catalog import bundled, parse_card, rules_for
from runner.errors import UsageProblem
from runner.manifest import DEFAULT_MODEL, Inline, InvalidManifest, read_manifest
from runner.manifest.columns import Columns
from runner.manifest.diagnostics import Findings
from runner.manifest.given import Given, Source

RULES = rules_for(bundled(DEFAULT_MODEL))
UPSCALER = rules_for(
    parse_card(
        "owner/upscaler",
        {
            "input_schema": {
                "required": ["image_url"],
                "properties": {"image_url": {"type": "string"}, "scale": {"type": "float"}, "text": {"type": "string"}},
            }
        },
    )
)
URL = "https://cdn.example.com/mug.jpg"
FIRST, SECOND, THIRD = (f"https://cdn.example.com/{n}.jpg" for n in range(1, 4))


def rules_of(model):
    return {DEFAULT_MODEL: RULES, "owner/upscaler": UPSCALER}.get(model)


@pytest.fixture
def read(tmp_path):
    """Reads a manifest with one sheet: its text or bytes, what the source says of it, and what the manifest says."""

    def read(sheet, source="", head="", name="sheet.csv"):
        (tmp_path / name).write_bytes(sheet if isinstance(sheet, bytes) else sheet.encode())
        manifest = tmp_path / "m.yaml"
        manifest.write_text(f"version: 1\n{textwrap.dedent(head)}\nsources:\n- {{file: {name}, {source}}}\n")
        return read_manifest(manifest, rules=rules_of)

    return read


@pytest.fixture
def found(read):
    """What is wrong with it: code, line, cell, message and hint."""

    def found(*arguments, **more):
        with pytest.raises(InvalidManifest) as caught:
            read(*arguments, **more)
        wrong = [d for d in caught.value.diagnostics if d.severity == "error"]
        return [(d.code, d.place.line, d.place.cell, d.message, d.hint) for d in wrong]

    return found


def jobs(manifest):
    return [(s.job_id, s.inputs["prompt"], s.inputs["image_urls"]) for s in manifest.jobs]


def prompts(manifest):
    return [spec.inputs["prompt"] for spec in manifest.jobs]


def ids(manifest):
    return [spec.job_id for spec in manifest.jobs]


def urls(manifest):
    return [spec.inputs["image_urls"] for spec in manifest.jobs]


def warned(manifest):
    return [(d.code, d.place.cell, d.message, d.hint) for d in manifest.warnings]


ONE_FOR_ALL = f"defaults: {{image_urls: [{URL}]}}"
WHITE = 'defaults: {prompt: "White."}'


# --------------------------------------------------------------------------------------------------------- delimiters


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_each_delimiter_is_found_whatever_the_texts_hold(read, delimiter, end, mark):
    """Every other delimiter stands in every prompt, and once in the header."""
    others = "".join(set(",;\t|") - {delimiter})
    rows = [["id", "prompt", "image_urls", f"price{others}"]]
    rows += [[f"mug-{n}", f"{others}, a{others}b", URL, f"{others}9"] for n in range(4)]
    quoted = end.join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    assert prompts(read(mark + quoted)) == [f"{others}, a{others}b"] * 4
    if delimiter != ",":
        bare = end.join(delimiter.join(row).replace(others, ",") for row in rows)
        assert prompts(read(mark + bare)) == [",, a,b"] * 4


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        ("prompt\nWhite\nBlack\n", ["White", "Black"]),
        ("prompt\nWhite, soft\nBlack; hard\nRed|blue\n", ["White, soft", "Black; hard", "Red|blue"]),
        ('prompt\n"White, soft"\n"Say ""hi"""\n', ["White, soft", 'Say "hi"']),
        ("prompt\nreplace the background\nrotate, please\n", ["replace the background", "rotate, please"]),
        ("prompt\n" + "a, b, c, d\n" * 50, ["a, b, c, d"] * 50),
    ],
)
def test_a_list_of_prompts_has_one_column(read, sheet, expected):
    """`csv.Sniffer` takes the letter r for the delimiter of such a list."""
    assert prompts(read(sheet, head=ONE_FOR_ALL)) == expected


def test_a_list_of_pictures_has_one_column(read):
    """With several in a cell, however they are separated there."""
    sheet = f"image_urls\n{FIRST}, {SECOND}\n{FIRST}|{SECOND}\n{FIRST};{SECOND}\n{THIRD}\n"
    assert urls(read(sheet, head=WHITE)) == [[FIRST, SECOND]] * 3 + [[THIRD]]


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        (f"id;Price, EUR;prompt;image_urls\nmug;12,50;White, soft;{URL}\n", "White, soft"),
        (f"id;price;prompt;image_urls\nmug;12,50;White;{URL}\nlamp;9,00;Black;{URL}\n", "White"),
        (f"Price, EUR;prompt;image_urls;id\n12,50;White;{URL};mug\n", "White"),
        (f'id,prompt,image_urls,size\nmug,"a 15"" screen",{URL},15" wide\nlamp,b,{URL},7" wide\n', 'a 15" screen'),
        (f"id|prompt|image_urls\nmug|a, b|{URL}\n", "a, b"),
        (f"id\tprompt\timage_urls\nmug\ta, b; c|d\t{URL}\n", "a, b; c|d"),
        (f"\n\n;;\nid;prompt;image_urls\nmug;a;{URL}\n", "a"),
    ],
)
def test_text_and_decimal_commas_do_not_mislead(read, sheet, expected):
    """Nor inches, nor empty rows above the header."""
    assert prompts(read(sheet))[0] == expected


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line", ["sep=;", "SEP=;", "sep=|", "sep=,", "sep=\t", "sep=^"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_first_line_may_say_what_stands_between_cells(read, codec, line, end):
    """As Excel writes it, with a mark before it or without; it is no row, but a line."""
    delimiter = line[-1]
    sheet = end.join([line, delimiter.join(["id", "prompt", "image_urls"]), delimiter.join(["mug", "a%b", URL]), ""])
    manifest = read(sheet.encode(codec))
    assert [*jobs(manifest), manifest.jobs[0].source] == [("mug", "a%b", [URL]), "sheet.csv:3"]


def test_what_the_manifest_says_goes_before_what_the_sheet_says(read):
    sheet = f"sep=,\nid;prompt;image_urls\nmug;a, b;{URL}\n"
    assert prompts(read(sheet, 'delimiter: ";"')) == ["a, b"]
    assert prompts(read(f"id\tprompt\timage_urls\nmug\ta\t{URL}\n", 'delimiter: "\\t"')) == ["a"]


def test_a_delimiter_that_is_said_but_wrong_finds_no_columns(found):
    """It is told, never guessed around."""
    ((code, *_, message, hint), *_) = found(f"id;prompt;image_urls\nmug;a;{URL}\n", 'delimiter: ","')
    assert (code, message, hint) == ("missing-column", "no column 'prompt'", "known: id;prompt;image_urls")


def test_a_cell_may_hold_line_breaks(read):
    """Quoted, of every kind, and lines are counted on."""
    sheet = f'id,prompt,image_urls\nmug,"a\nb\r\nc\rd",{URL}\nlamp,e,{URL}\n'
    manifest = read(sheet)
    assert prompts(manifest) == ["a\nb\r\nc\rd", "e"]
    assert [spec.source for spec in manifest.jobs] == ["sheet.csv:2", "sheet.csv:6"]


# ------------------------------------------------------------------------------------------------- what cannot be read


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            f"mug,a, b,{URL}\n",
            (2, "the row has 4 cells, the header has 3 (spreadsheet row 2)", "an unquoted delimiter in a prompt? "),
        ),
        (f'x,y,{URL}\nmug,"a\nb"\n', (3, "the row has 2 cells, the header has 3 (spreadsheet row 3)", "")),
        (f"mug,a,{URL},\n", (2, "the row has 4 cells, the header has 3 (spreadsheet row 2)", "an unquoted")),
        ("mug\n", (2, "the row has 1 cells, the header has 3 (spreadsheet row 2)", "")),
    ],
)
def test_a_ragged_row_is_an_error(found, rows, expected):
    """Whatever was meant, it is not what would be sent."""
    ((code, line, cell, message, hint), *_) = found(f"id,prompt,image_urls\n{rows}")
    assert (code, line, cell, message) == ("ragged-row", expected[0], None, expected[1])
    assert hint.startswith(expected[2])


def test_rows_of_nothing_are_no_jobs(read):
    """Empty ones, of delimiters, of spaces, too short or too long: they have nothing that could be lost."""
    sheet = f"id,prompt,image_urls\n\n,,\nmug,a,{URL}\n ,  ,\t\n,\n,,,,,,\n\n"
    assert ids(read(sheet)) == ["mug"]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-16", "utf-8-sig", "utf-32"])
def test_sixteen_bits_are_read_with_their_mark_and_without(read, found, codec):
    """Of both ends; 32 bits nobody writes."""
    sheet = f"id,prompt,image_urls\nmug,Größe “gut” 🎉,{URL}\n"
    if codec == "utf-32":
        assert [code for code, *_ in found(sheet.encode(codec))] == ["encoding"]
        return
    for mark in ("", "\ufeff"):
        assert jobs(read((mark + sheet).encode(codec))) == [("mug", "Größe “gut” 🎉", [URL])]


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("where", ["header", "cell", "end"])
def test_a_nul_is_refused_wherever_it_stands(found, codec, where):
    parts = {"header": "", "cell": "", "end": ""} | {where: "\0"}
    sheet = f"id,prompt{parts['header']},image_urls\nmug,é{parts['cell']},{URL}\n{parts['end']}"
    ((code, _, _, message, _), *_) = found(sheet.encode(codec), f"encoding: {codec}")
    assert (code, message) == ("nul", "a NUL byte: this is no text file")


def test_a_broken_byte_is_named_with_its_line(found):
    for end in (b"\n", b"\r\n", b"\r"):
        sheet = end.join([b"id,prompt,image_urls", b"mug,a\xff,x"])
        assert found(sheet, "encoding: utf-8")[0][:4] == ("encoding", 2, None, "byte 0xff is not UTF-8")


@pytest.mark.parametrize(
    "name", ["klingon", "undefined", "idna", "punycode", "unicode_escape", "rot13", "\\0", "\\ud800"]
)
def test_an_encoding_that_is_none_is_refused(found, name):
    """Nor one that is not of files."""
    for sheet, file in ((f"id,prompt,image_urls\nmug,a,{URL}\n", "s.csv"), ('{"id": "a"}\n', "s.jsonl")):
        ((code, _, _, message, _), *_) = found(sheet, f'encoding: "{name}"', name=file)
        assert code in ("encoding", "nul", "yaml-syntax")
        assert "no encoding is called" in message or code != "encoding"


def test_seven_bits_that_are_no_ascii_are_told(found, read):
    """Mail's old way to write Japanese passes for UTF-8, and would be sent as gibberish."""
    sheet = f"id,prompt,image_urls\nmug,背景を白に,{URL}\n".encode("iso2022_jp")
    ((code, _, _, message, hint),) = found(sheet)
    assert (code, message) == ("encoding", "not UTF-8 but ISO-2022")
    assert hint == "say so with  encoding: iso2022_jp, or save it as UTF-8"
    assert prompts(read(sheet, "encoding: iso2022_jp")) == ["背景を白に"]


def test_a_workbook_that_is_called_csv_is_told(found):
    ((_, _, _, message, hint),) = found(b"PK\3\4" + bytes(100))
    assert (message, hint) == ("this is an Excel workbook, or another zip: no text file", "name it .xlsx")


def test_a_cell_of_a_mebibyte_is_the_largest(read, found):
    """Nobody's own text is longer; the row where it begins is named."""
    own = "x" * (1 << 20)
    assert ids(read(f'id,prompt,image_urls,note\nmug,a,{URL},"{own}"\n')) == ["mug"]
    ((code, line, _, message, _),) = found(f'id,prompt,image_urls,note\nmug,a,{URL},"\n{own}"\n')
    assert (code, line, message) == ("csv-syntax", 2, "a cell of more than 1 MB")


@pytest.mark.parametrize("limit", [10, 131_072, 1 << 30])
def test_other_readers_of_the_process_keep_their_limit(read, found, limit):
    """Python has one limit of cells for all: whatever it is, a sheet is read alike, and it is left as it was."""
    own = "x" * 200_000
    before = csv.field_size_limit(limit)
    try:
        manifest = read(f"id;prompt;image_urls;note\nmug;a;{URL};{own}\n")
        assert (ids(manifest), manifest.jobs[0].row["note"]) == (["mug"], own)
        assert [(code, cell) for code, _, cell, *_ in found(f"id;prompt;image_urls\nmug;{own};{URL}\n")] == [
            ("prompt-length", "B2")
        ]
        assert csv.field_size_limit() == limit
    finally:
        csv.field_size_limit(before)


def test_a_quote_that_is_never_closed_is_named_where_it_begins(found):
    """It swallows the rest of the sheet, whose last line would be no help."""
    sheet = f'id,prompt,image_urls\nmug,a,{URL}\nlamp,"b,{URL}\nvase,c,{URL}\n'
    ((code, line, _, message, hint),) = found(sheet)
    assert (code, line, message) == ("csv-syntax", 3, "unexpected end of data")
    assert hint == 'a quote that is never closed? look for a lone " near this line'


def test_a_line_that_does_not_end_is_refused(found):
    """8 MB and more: no sheet has one."""
    ((code, _, _, message, _),) = found("id,prompt,image_urls\n" + "x" * (10 << 20))
    assert (code, message) == ("encoding", "a line of more than 8 MB")


def test_five_thousand_columns_are_too_many(found, read):
    sheet = f"id,prompt,image_urls,{','.join(f'c{n}' for n in range(5000))}\nmug,a,{URL}{',' * 5000}\n"
    assert found(sheet)[0][3] == "a header of 5,003 columns; at most 4,096 are read"
    sheet = f"id,prompt,image_urls,{','.join(f'c{n}' for n in range(4000))}\nmug,a,{URL}{',' * 4000}\n"
    assert ids(read(sheet)) == ["mug"]


MEASURE = """
import resource, sys, time
from pathlib import Path
from runner.batch import load
from runner.manifest import InvalidManifest
def rss(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
load(Path(sys.argv[2]))
before, began = rss(), time.monotonic()
try:
    load(Path(sys.argv[1]))
except InvalidManifest as error:
    print(error.diagnostics[0].code, error.diagnostics[0].message, sep="|")
print(time.monotonic() - began)
print(rss() - before)
"""


def test_a_first_cell_beyond_what_python_reads_by_default_hides_no_delimiter(found):
    """As in a process that has read no table yet: the columns are there, and one cell is too long."""
    csv.field_size_limit(1 << 17)
    wrong = found(f'id,prompt,image_urls\nmug,"{"white, " * 30_000}",{URL}\n')
    assert [(code, line, cell) for code, line, cell, *_ in wrong] == [("prompt-length", 2, "B2")]


@pytest.mark.parametrize(
    ("begin", "said"),
    [
        (b'id,prompt,image_urls\nmug,"', "nul|a NUL byte: this is no text file"),
        (b'id,prompt,image_urls\nmug,"' + b"x" * (40 << 20), "encoding|a line of more than 8 MB"),
        (b'id,prompt,image_urls\nmug,"' + b"x\n" * (20 << 20), "csv-syntax|a cell of more than 1 MB"),
    ],
    ids=["zeros", "one line", "many lines"],
)
def test_a_cell_of_gigabytes_is_refused_in_a_moment(tmp_path, begin, said):
    """And in little memory: of a sparse file of 2 GB, of one endless line, of a quote that swallows all lines."""
    with (tmp_path / "m.csv").open("wb") as file:
        file.write(begin)
        if said.startswith("nul"):
            file.truncate(2 << 30)
    (tmp_path / "small.csv").write_text(f"id,prompt,image_urls\nmug,a,{URL}\n")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, tmp_path / "m.csv", tmp_path / "small.csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    message, seconds, grown = done.stdout.splitlines()
    assert message == said
    assert float(seconds) < 3
    assert float(grown) < 60


# ------------------------------------------------------------------------------------------------------------ columns


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("{id: SKU, prompt: What to do, image_urls: Photo}", [FIRST]),
        ("{id: sku, prompt: what-to-do, image_urls: PHOTO}", [FIRST]),
        ("{id: SKU, prompt: What to do, image_urls: [Photo, Other 2, Other 10]}", [FIRST, SECOND, THIRD]),
        ("{id: SKU, prompt: What to do, image_urls: [Photo, 'Other *']}", [FIRST, SECOND, THIRD]),
        ("{id: SKU, prompt: What to do, image_urls: [Photo, 'other_*']}", [FIRST, SECOND, THIRD]),
        ("{id: SKU, prompt: What to do, image_urls: ['other *', Photo]}", [SECOND, THIRD, FIRST]),
        ("{id: SKU, prompt: What to do, image_urls: [Photo, Photo]}", [FIRST]),
    ],
)
def test_columns_are_mapped_as_the_manifest_says(read, columns, expected):
    """Exactly, however they are spelled, several, by a star; numbered ones in the order of their numbers."""
    sheet = f"SKU,Other 10,What to do,Photo,Other 2\nmug,{THIRD},White,{FIRST},{SECOND}\n"
    assert jobs(read(sheet, f"columns: {columns}")) == [("mug", "White", expected)]


def test_a_star_without_numbers_keeps_the_order_of_the_sheet(read):
    """And only stars are special: a bracket is a bracket."""
    sheet = f"id,prompt,view [front],view [back],view\nmug,a,{FIRST},{SECOND},{THIRD}\n"
    assert urls(read(sheet, "columns: {image_urls: 'view [*]'}")) == [[FIRST, SECOND]]


@pytest.mark.parametrize(
    ("columns", "code", "message", "hint"),
    [
        ("{prompt: Promt}", "missing-column", "no column 'Promt' in sheet.csv", "did you mean 'Prompt'?"),
        (
            "{image_urls: [image_urls, 'extra_*']}",
            "missing-column",
            "no column 'extra_*' in sheet.csv",
            "known: id, Prompt, image_urls, note A, note-a",
        ),
        ("{promt: Prompt}", "unknown-field", "columns: 'promt' is no field of the model", "did you mean 'prompt'?"),
        ("{prompt: [Prompt, 'note A']}", "columns", "prompt is read from one column", "name one"),
        ("{id: 'note*'}", "columns", "id is read from one column", "name one"),
        (
            "{id: note_a}",
            "columns",
            "the column 'note_a' could be 'note A' or 'note-a'",
            "spell it as it is there",
        ),
    ],
)
def test_a_mapping_that_cannot_be_is_told(found, columns, code, message, hint):
    """At its own place in the manifest, once."""
    sheet = f"id,Prompt,image_urls,note A,note-a\nmug,a,{URL},1,2\n"
    errors = found(sheet, f"columns: {columns}")
    assert [(c, line, m, h) for c, line, _, m, h in errors if c == code] == [(code, 4, message, hint)]


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("image_url", "1", [FIRST]),
        ("image_url,image_url_2,image_url_3", "123", [FIRST, SECOND, THIRD]),
        ("image_url_3,image_url,image_url_2", "312", [FIRST, SECOND, THIRD]),
        ("image_urls,image_url_2", "12", [FIRST, SECOND]),
        ("image,image2", "12", [FIRST, SECOND]),
        ("Photo 2,Photo 1", "21", [FIRST, SECOND]),
        ("url_2,url_3,url_1", "231", [FIRST, SECOND, THIRD]),
        ("Image URL 01,Image URL 2,image url 3", "123", [FIRST, SECOND, THIRD]),
        ("src1,src2", "12", [FIRST, SECOND]),
        ("picture", "1", [FIRST]),
    ],
)
def test_pictures_may_have_a_column_each(read, header, cells, expected):
    """By their numbers; the one without a number is the first. None is left out."""
    known = dict(zip("123", (FIRST, SECOND, THIRD), strict=True))
    sheet = f"id,prompt,{header}\nmug,a,{','.join(known[cell] for cell in cells)}\n"
    manifest = read(sheet)
    assert (urls(manifest), warned(manifest)) == ([expected], [])


@pytest.mark.parametrize(
    ("header", "missing", "place", "told"),
    [
        ("image_1,image_3", "image_2", "D2", "'2.jpg' is sent as image 2"),
        ("Image URL,Image URL 3", "Image URL 2", "D2", "'2.jpg' is sent as image 2"),
        ("url_10,url_9", "url_1", "D2", "'2.jpg' is sent as image 1"),
        ("Photo 02,Photo 03", "Photo 1", "C2", "'1.jpg' is sent as image 1"),
    ],
)
def test_a_numbered_picture_without_its_column_is_told(read, found, header, missing, place, told):
    """Its column was lost, or is called otherwise: what follows would be sent as another number than it has."""
    message = f"there is no column {missing!r}: {told}"
    manifest = read(f"id,prompt,{header}\nmug,White.,{FIRST},{SECOND}\n")
    assert [(code, cell, text) for code, cell, text, _ in warned(manifest)] == [("missing-picture", place, message)]
    errors = found(f"id,prompt,{header}\nmug,As on {told[-7:]}.,{FIRST},{SECOND}\n")
    assert [(code, cell, text) for code, _, cell, text, _ in errors] == [("missing-picture", place, message)]


def test_numbered_pictures_stand_by_their_numbers(read):
    """10 behind 9, also where the user names them by a `*`; nothing is missing between those."""
    names = [f"photo_{n}" for n in (10, *range(1, 10))]
    sheet = f"id,prompt,{','.join(names)}\nmug,a,{','.join(f'{URL}?{name}' for name in names)}\n"
    for source in ("", "columns: {image_urls: photo_*}"):
        manifest = read(sheet, source)
        assert (urls(manifest), warned(manifest)) == ([[f"{URL}?photo_{n}" for n in range(1, 11)]], [])
    source = "columns: {image_urls: [main, 'more_*']}"
    assert warned(read(f"id,prompt,main,more_2,more_3\nmug,a,{FIRST},{SECOND},{THIRD}\n", source)) == []
    [(code, cell, message, _)] = warned(read(f"id,prompt,main,more_1,more_3\nmug,a,,{SECOND},{THIRD}\n", source))
    assert (code, cell, message) == ("missing-picture", "C2", "'main' is empty: '2.jpg' is sent as image 1")


def test_gaps_between_numbered_pictures_are_no_pictures(read):
    sheet = f"id,prompt,url_1,url_2,url_3\nmug,a,{FIRST},,{THIRD}\nlamp,b,,,{SECOND}\n"
    assert urls(read(sheet)) == [[FIRST, THIRD], [SECOND]]


@pytest.mark.parametrize(
    ("header", "left", "taken"),
    [("image,images", "images", "image"), ("url_1,photo_1", "photo_1", "url_1"), ("photo,src", "src", "photo")],
)
def test_pictures_that_are_not_sent_are_told(read, header, left, taken):
    """Two columns could be meant, and one is chosen: nothing is left out silently."""
    manifest = read(f"id,prompt,{header}\nmug,a,{FIRST},{SECOND}\n")
    message = f"the column {left!r} is not sent: image_urls is read from {taken!r}"
    assert urls(manifest) == [[FIRST]]
    assert warned(manifest) == [("unused-column", "D1", message, "say which under  columns: image_urls")]


def test_a_column_without_a_name_is_told_where_something_stands_in_it(read):
    """Its name may have been lost; once a sheet, and a column that is empty is nothing."""
    manifest = read(f"id,prompt,image_urls,, \na,White.,{URL},,\nb,Black.,{URL},,16:9\nc,Red.,{URL},x,4:5\n")
    assert [job_id for job_id, *_ in jobs(manifest)] == ["a", "b", "c"]
    message = "column E has no name: what stands in it is neither sent nor kept"
    assert warned(manifest) == [("unused-column", "E3", message, "name it in the first row, or empty it")]
    assert read(f"id,prompt,image_urls,\na,White.,{URL},\n").warnings == ()


def test_a_model_of_one_picture_takes_the_first_column(read):
    manifest = read(f"id,image_url,image_url_2\nmug,{FIRST},{SECOND}\n", head="model: owner/upscaler")
    assert manifest.jobs[0].inputs == {"image_url": FIRST}
    assert [(code, cell) for code, cell, *_ in warned(manifest)] == [("unused-column", "C1")]


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("apsect_ratio", "aspect_ratio"),
        ("num_image", "num_images"),
        ("Output frmat", "output_format"),
        ("aspect_ratio (optional)", "aspect_ratio"),
        ("Output Format (jpeg/png; leave empty for what the shop has)", "output_format"),
        ("num_images［1–4］", "num_images"),
    ],
)
def test_a_mistyped_column_is_told(read, column, meant):
    """It would be carried along, and its wish not sent."""
    manifest = read(f"id,prompt,image_urls,{column}\nmug,a,{URL},x\n")
    hint = f"did you mean {meant!r}?"
    if column.startswith(meant) or "(" in column:  # the field's own name, and more
        hint += f" map it with  columns: {{{meant}: {column!r}}}"
    assert warned(manifest) == [("unused-column", "D1", f"the column {column!r} is not sent", hint)]


@pytest.mark.parametrize(
    ("header", "name", "first"),
    [
        ("id,prompt,image_urls,PROMPT", "prompt", "B1"),
        ("id,prompt,Image URL,image-url", "image_url", "C1"),
        ("id,prompt,url_1,URL 1", "url_1", "C1"),
        ("id,Id,prompt,image_urls", "id", "A1"),
        ("id,model,prompt,image_urls,Model", "model", "B1"),
        ("id,prompt,image_urls,note, note", "note", "D1"),
    ],
)
def test_two_columns_of_one_name_are_refused(found, header, name, first):
    """Which of them is meant cannot be told, and one would be lost."""
    errors = found(f"{header}\n{','.join(['a'] * (header.count(',') + 1))}\n")
    assert ("duplicate-column", f"two columns are named {name!r}", f"the first is {first}: rename one of them") in [
        (code, message, hint) for code, _, _, message, hint in errors
    ]


def test_a_row_is_read_by_its_own_models_fields(read):
    """Also where the column that names the model has another name, or another spelling."""
    sheet = f"id,Model-Name,image_url,scale,prompt\na,owner/upscaler,{URL},2,\nb,,{URL},,White\n"
    manifest = read(sheet, "columns: {model: model_name}")
    assert [spec.inputs for spec in manifest.jobs] == [
        {"image_url": URL, "scale": 2.0},
        {"prompt": "White", "image_urls": [URL]},
    ]


def test_a_model_that_nobody_here_knows_may_have_any_field_that_is_named(tmp_path):
    """Only what the user names is sent beyond prompt and pictures."""
    source = Source(file="s.csv", columns={"mask_url": ("Mask",)})
    findings = Findings("s.csv")
    columns = Columns(source, ["id", "Mask", "Photo"], None, Given(), findings)
    assert (columns.of, findings.found) == ({"mask_url": [1], "id": [0], "image_urls": [2]}, [])


# ------------------------------------------------------------------------------------------------------- cells and rows


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (f"{FIRST}|{SECOND}", [FIRST, SECOND]),
        (f"{FIRST}\n{SECOND}", [FIRST, SECOND]),
        (f"{FIRST},{SECOND}", [FIRST, SECOND]),
        (f"{FIRST}, {SECOND},\n{THIRD},", [FIRST, SECOND, THIRD]),
        (f"{FIRST};{SECOND}; {THIRD}", [FIRST, SECOND, THIRD]),
        (f"{FIRST} {SECOND}", [FIRST, SECOND]),
        (f"{FIRST},HTTPS://cdn.example.com/2.jpg", [FIRST, "HTTPS://cdn.example.com/2.jpg"]),
        ("https://cdn.example.com/w=10,h=20/a;b.jpg", ["https://cdn.example.com/w=10,h=20/a;b.jpg"]),
        (
            "https://cdn.example.com/fetch/https://x.example.com/a",
            ["https://cdn.example.com/fetch/https://x.example.com/a"],
        ),
        ("https://cdn.example.com/a%20b%2Chttps%3A.jpg", ["https://cdn.example.com/a%20b%2Chttps%3A.jpg"]),
    ],
)
def test_several_pictures_may_stand_in_one_cell(read, cell, expected):
    """Separated by a bar, a line break, spaces, or a comma or semicolon before the next scheme; each stays as it is."""
    assert urls(read(f'id,prompt,image_urls\nmug,a,"{cell}"\n')) == [expected]


SPOILT = ["#REF!", "#N/A", "#NV", "#BEZUG!", "#¡VALOR!", "#ИМЯ?", "########", "Err:502", " #REF! "]


@pytest.mark.parametrize("word", SPOILT)
@pytest.mark.parametrize("column", ["id", "prompt", "image_urls", "aspect_ratio", "url_2"])
def test_a_failed_formula_is_never_sent(found, word, column):
    """In whatever language, wherever it is read from."""
    row = {"id": "mug", "prompt": "a", "image_urls": FIRST, "aspect_ratio": "1:1", "image_url_2": SECOND}
    row[{"url_2": "image_url_2"}.get(column, column)] = word
    errors = found(f"{','.join(row)}\n{','.join(row.values())}\n")
    name = f"{'ABCDE'[list(row).index({'url_2': 'image_url_2'}.get(column, column))]}2"
    message = f"{word.strip()} is a spreadsheet's error, not a value"
    assert ("spoilt-cell", 2, name, message, "mend the cell, or empty it") in errors


@pytest.mark.parametrize("name", ["sku", "handle", "custom_id"])
def test_a_failed_formula_names_no_job(found, name):
    errors = found(f"{name},prompt,image_urls\nmug,a,{URL}\n#N/A,b,{URL}\n")
    assert errors == [
        ("spoilt-cell", 3, "A3", "#N/A is a spreadsheet's error, not a value", "mend the cell, or empty it")
    ]


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ("", 'defaults: {prompt: "A {{ colour }} mug"}'),
        ("", """defaults: {prompt: "A {{ row['Colour'] }} mug"}"""),
        ("where: colour == 'blue'", 'defaults: {prompt: "A mug"}'),
        ("", 'defaults: {prompt: "A mug", id: "{{ name }}-{{ colour }}"}'),
        ("", 'defaults: {prompt: "A mug"}\noutput: {path: "{{ colour }}/{{ id }}.{{ ext }}"}'),
        ("", 'defaults: {prompt: "A mug", image_urls: "https://cdn.example.com/{{ colour }}.jpg"}'),
    ],
)
def test_a_failed_formula_is_used_nowhere(found, source, head):
    """Not in a prompt's or an id's text, in a path, in a URL, in a condition."""
    picture = "" if "image_urls" in head else f",{URL}"
    errors = found(
        f"id,name,Colour{',image_urls' if picture else ''}\nx,mug,#REF!{picture}\n".replace(
            "id,", "nr," if "id:" in head else "id,"
        ),
        source,
        head,
    )
    assert any("cell C2 (Colour): #REF! is a spreadsheet's error, not a value" in message for *_, message, _ in errors)


def test_a_failed_formula_that_nobody_wants_does_no_harm(read):
    """In a column that is carried along, beside one that is used by its full name, and in rows that are left out."""
    sheet = f"id,prompt,image_urls,stock,margin\nmug,a,{URL},1,#DIV/0!\nlamp,#REF!,{URL},0,\n"
    manifest = read(sheet, """where: "row['stock'] > 0" """)
    assert jobs(manifest) == [("mug", "a", [URL])]


@pytest.mark.parametrize("word", ["n/a", "N/A ", "NaN", "none", "NULL", "TBD", "todo", "TBD.", "N/A.", "(TODO)"])
def test_a_prompt_that_says_nothing_is_told(read, word):
    """What people and programs write into empty cells would be paid for."""
    manifest = read(f"id,prompt,image_urls\nmug,{word},{URL}\n")
    expected = (
        "placeholder",
        "B2",
        f"the prompt that is sent is {word!r}",
        "say what is to change, or leave it empty where a default is meant",
    )
    assert warned(manifest) == [expected]


@pytest.mark.parametrize(
    "word",
    [
        *("同上", "dito", "Ditto.", "idem", "Same as above", "なし", "x", "X "),
        *("as above", "See above.", "siehe oben", "same"),
    ],
)
def test_a_prompt_that_stands_for_the_one_above_is_told(read, word):
    """In a Japanese sheet it is the ordinary way to say so; here each cell is by itself."""
    manifest = read(f"id,prompt,image_urls\nmug,{word},{URL}\n")
    hint = "write out what is meant: no cell takes what stands above it"
    assert warned(manifest) == [("placeholder", "B2", f"the prompt that is sent is {word!r}", hint)]


@pytest.mark.parametrize(
    "value",
    [
        *("https://cdn.example.com/f.jpg", "4", "-1.299,00", "12 %", "16:9", "19.00 €", "2026-01-02", "2.1.2026"),
        *("2026-01-02T10:00:00Z", "2026年1月2日", "TRUE", "false", "Verdadero", "ja", "1"),
        *("img_001.jpg", "front view.PNG", "12.99 EUR", "$12.99"),
    ],
)
def test_a_prompt_that_is_another_columns_value_is_told(read, value):
    """The columns were swapped, or a cell was filled in beside the one that was meant."""
    manifest = read(f'id,prompt,image_urls\nmug,"{value}",{URL}\n')
    hint = "say what is to change; perhaps it is another column's"
    assert warned(manifest) == [("placeholder", "B2", f"the prompt that is sent is {value!r}", hint)]


def test_a_prompt_that_is_a_signed_url_is_told_without_its_signature(read):
    manifest = read(f"id,prompt,image_urls\nmug,{URL}?X-Amz-Signature=abc,{URL}\n")
    assert [message for _, _, message, _ in warned(manifest)] == [f"the prompt that is sent is '{URL}?…'"]


@pytest.mark.parametrize(
    "prompt", ["white", "Size 4", "4 mugs", "As in https://a.example/b", "xx large", "ditto it", "Export as .png"]
)
def test_a_short_prompt_is_not_told(read, prompt):
    assert read(f"id,prompt,image_urls\nmug,{prompt},{URL}\n").warnings == ()


@pytest.mark.parametrize(
    ("template", "sent", "words"),
    [
        ("A {{ 'title' }} on white", "A title on white", {"'title'": "title"}),
        ('{{ "Title" }} of {{ title }}', "Title of Mug", {"'Title'": "title"}),
        ("{{ 'title' }} {{ 'colour' }}", "title colour", {"'title'": "title", "'colour'": "colour"}),
        ("{{ 'Size, cm' }} of {{ title }}", "Size, cm of Mug", {"'Size, cm'": "size_cm"}),
        ("{{ '2nd' }} of {{ title }}", "2nd of Mug", {"'2nd'": "row['2nd']"}),
        ("{% if title %}{{ 'colour' }}{% endif %} on white", "colour on white", {"'colour'": "colour"}),
        ("{{ row['Title'] }} on white", "Mug on white", {}),
        ("{{ title | replace('title', 'colour') }} on white", "Mug on white", {}),
        ("{{ title if colour == 'red' else 'title' }} on white", "Mug on white", {}),
        ("{{ 'title' | upper }}, {{ 'none' }}: {{ '{{' }}", "TITLE, none: {{", {"'title'": "title"}),
        ("{{ 'title' ~ ' in ' ~ colour }} on white", "title in red on white", {"'title'": "title"}),
        ("{{ colour | default('title') }} on white", "red on white", {}),
    ],
)
def test_a_column_in_quotes_is_told(tmp_path, template, sent, words):
    """`row['title']` invites to it; it is said once, and not of each row."""
    (tmp_path / "c.csv").write_text(
        f'id,Title,colour,"Size, cm",2nd,image_urls\nmug,Mug,red,9,a,{URL}\nlamp,Mug,red,9,a,{URL}?2\n'
    )
    text = f"version: 1\ndefaults: {{prompt: {json.dumps(template)}}}\nsources: [{{file: c.csv}}]\n"
    (tmp_path / "m.yaml").write_text(text)
    manifest = read_manifest(tmp_path / "m.yaml", rules=rules_of)
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == [sent, sent]
    assert {d.message: d.hint for d in manifest.warnings if d.code == "template"} == {
        f"{word} in quotes is the word itself": f"for the column write  {{{{ {name} }}}}"
        for word, name in words.items()
    }
    assert sum(d.code == "template" for d in manifest.warnings) == len(words)


def test_quotes_behind_a_space_are_text_and_told(read):
    """A person who writes `mug, "White"` does not mean to send the quotes."""
    manifest = read(f'id, prompt, image_urls\nmug, "White", {URL}\n')
    assert prompts(manifest) == [' "White"']
    assert [(code, cell) for code, cell, *_ in warned(manifest)] == [("space-before-quote", "B2")]


@pytest.mark.parametrize(
    ("cell", "meant"), [("16:09", "16:9"), ("16:09:00", "16:9"), ("01:01", "1:1"), ("4:05", "4:5"), ("09:16", "9:16")]
)
def test_a_ratio_that_became_a_time_is_told_with_its_remedy(found, cell, meant):
    ((code, line, place, message, hint),) = found(f"id,prompt,image_urls,aspect_ratio\nmug,a,{URL},{cell}\n")
    assert (code, line, place, message) == ("aspect-ratio", 2, "D2", f"aspect_ratio: {cell!r} is not supported")
    expected = f"spreadsheets turn {meant} into the time {cell}; format the column as Text"
    assert hint == f"did you mean {meant!r}? {expected}"


@pytest.mark.parametrize("name", ["id", "sku"])
@pytest.mark.parametrize("word", ["1.23E+12", "1,23E+12", "9E+15"])
def test_an_id_that_a_spreadsheet_shortened_is_refused(found, name, word):
    """Its last digits are gone, and another product's may be the same."""
    errors = found(f"{name};prompt;image_urls\n{word};a;{URL}\n")
    assert [(code, cell) for code, _, cell, *_ in errors] == [("id", "A2")]


# ---------------------------------------------------------------------------------------------------------- conditions

STOCK = "id,prompt,image_urls,stock,colour\n" + "".join(
    f"{name},a,{URL},{stock},{colour}\n"
    for name, stock, colour in [("a", "0", "blue"), ("b", "9", ""), ("c", "10", "red"), ("d", "2.5", "n/a")]
)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("stock > 0", ["b", "c", "d"]),
        ("stock > 9", ["c"]),
        ("stock >= 2.5 and stock < 10", ["b", "d"]),
        ("stock == 10", ["c"]),
        ("stock == '10'", ["c"]),
        ("stock > '5'", ["b", "c"]),
        ("colour", ["a", "c", "d"]),
        ("not colour", ["b"]),
        ("colour == ''", ["b"]),
        ("colour and colour != 'n/a'", ["a", "c"]),
        ("colour in ['red', 'blue']", ["a", "c"]),
        ("row['colour'] == 'red' or id == 'a'", ["a", "c"]),
        ("stock | int > 5", ["b", "c"]),
    ],
)
def test_where_keeps_the_rows_for_which_it_holds(read, where, kept):
    """Text is text, beside a number it is one; a blank is false and equals the empty text."""
    assert ids(read(STOCK, f'where: "{where}"')) == kept


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("colour > 5", "where: 'blue' is compared with a number, and is none (for sheet.csv:2)"),
        ("stok > 5", "where: 'stok' is undefined"),
        ("row['Stock'] > 5", "where: there is no column 'Stock' (for sheet.csv:2)"),
    ],
)
def test_a_condition_that_cannot_be_judged_is_an_error(found, where, message):
    """Neither kept nor left out silently."""
    assert found(STOCK, f'where: "{where}"')[0][3] == message


def test_rows_that_are_left_out_are_not_judged(read):
    """Whatever is wrong with them: they are not sent."""
    sheet = f"id,prompt,image_urls,ready\nmug,a,{URL},yes\nmug,,nonsense,no\n,#REF!,,no\n"
    assert ids(read(sheet, "where: ready == 'yes'")) == ["mug"]


# ------------------------------------------------------------------------------------------------------------ identity

NAMED = [("id", "sku"), ("id", "handle"), ("sku", "handle"), ("handle", "custom_id"), ("sku", "custom_id")]


@pytest.mark.parametrize(("first", "second"), NAMED)
def test_an_id_goes_before_a_sku_before_a_handle_before_a_custom_id(read, first, second):
    sheet = f"{second},{first},prompt,image_urls\nx1,y1,a,{URL}\nx2,y2,b,{URL}\n"
    assert ids(read(sheet)) == ["y1", "y2"]


@pytest.mark.parametrize("column", ["id", "sku", "title"])
def test_shuffled_rows_are_the_same_jobs(read, column):
    """Never the row's number: sorting a sheet would pay twice. Ids and fingerprints go with their rows."""
    rows = [f"{column}-{n},prompt {n},{URL}?{n}\n" for n in range(30)]
    made = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        manifest = read(f"{column},prompt,image_urls\n{''.join(rows)}")
        made.append({(spec.job_id, spec.fingerprint) for spec in manifest.jobs})
    assert (len(made[0]), made) == (30, [made[0]] * 3)


@pytest.mark.parametrize("skus", [["a", "a"], ["a", "A"], ["a", ""], ["caf\u00e9", "cafe\u0301"], ["", ""]])
def test_a_column_that_does_not_name_each_row_names_none(read, skus):
    """The next one does, or the request: half of the rows by one, half by the other would be a riddle."""
    rows = [f"{sku},h{n},a,{URL}?{n}\n" for n, sku in enumerate(skus)]
    assert ids(read("sku,handle,prompt,image_urls\n" + "".join(rows))) == ["h0", "h1"]
    manifest = read("sku,shelf,prompt,image_urls\n" + "".join(rows))
    assert ids(manifest) == [spec.fingerprint[:12] for spec in manifest.jobs]


def test_a_row_of_nothing_does_not_unname_the_others(read):
    assert ids(read(f"sku,prompt,image_urls\na,x,{URL}\n , ,\nb,y,{URL}\n")) == ["a", "b"]


def test_equal_rows_without_names_are_counted(read):
    """One request, paid once; the first keeps its name when another is added."""
    one = read(f"prompt,image_urls\na,{URL}\n").jobs[0]
    manifest = read(f"prompt,image_urls\na,{URL}\na,{URL}\nb,{URL}\n")
    assert ids(manifest)[:2] == [one.job_id, f"{one.job_id}-2"]
    assert [spec.fingerprint == one.fingerprint for spec in manifest.jobs] == [True, True, False]


def test_an_id_of_the_manifests_own_making_leaves_skus_alone(read):
    sheet = f"sku,prompt,image_urls,colour\nmug,a,{URL},red\nmug,b,{URL},blue\n"
    assert ids(read(sheet, head='defaults: {id: "{{ sku }}-{{ colour }}"}')) == ["mug-red", "mug-blue"]


def test_a_column_on_the_command_line_is_mapped_alike(tmp_path):
    """`--col`, for a sheet that is a manifest by itself."""
    (tmp_path / "m.csv").write_text(f"Nr,Wish,Photo A\nmug,White,{URL}\n")
    columns = {"id": ["nr"], "prompt": ["Wish"], "image_urls": ["photo*"]}
    manifest = read_manifest(tmp_path / "m.csv", rules=rules_of, inline=Inline(columns=columns))
    assert jobs(manifest) == [("mug", "White", [URL])]


def test_a_hint_names_all_columns_of_pictures(read_alone, found):
    """Whoever follows it leaves none out; what is said about pictures is none."""
    sheet = f"id,prompt,Vorderes Bild,商品画像,photo alt text,img count\nmug,White.,{FIRST},{SECOND},front,2\n"
    with pytest.raises(InvalidManifest) as caught:
        read_alone(sheet)
    (hint,) = (d.hint for d in caught.value.diagnostics if d.code == "missing-column")
    assert hint.endswith("--col image_urls='Vorderes Bild' --col image_urls='商品画像'")
    assert found(sheet)[0][4].endswith("columns: {image_urls: ['Vorderes Bild', '商品画像']}")
    assert urls(read_alone(sheet, columns={"image_urls": ["Vorderes Bild", "商品画像"]})) == [[FIRST, SECOND]]


@pytest.mark.parametrize(
    ("titles", "cells", "offered"),
    [
        ("Main Image,Alt Image 1,Alt Image 2", [FIRST, SECOND, ""], ["Main Image", "Alt Image 1", "Alt Image 2"]),
        ("Alt Image 2,Alt Image 1,Main Image", [SECOND, FIRST, THIRD], ["Main Image", "Alt Image 1", "Alt Image 2"]),
        ("Front,Page,Back 1,Back 2,No 2", [FIRST, "https://a.b/c", SECOND, "", ""], ["Front", "Back 1", "Back 2"]),
        ("Front,", [FIRST, FIRST], ["Front"]),
        ("Front,Back", [f"{FIRST} | {SECOND}", THIRD], ["Front", "Back"]),
    ],
)
def test_a_hint_names_columns_that_hold_pictures_whatever_they_are_called(read_alone, titles, cells, offered):
    """Whoever follows it leaves none out, also where a numbered one is empty at first."""
    sheet = f"id,prompt,{titles}\nmug,White.,{','.join(cells)}\n"
    with pytest.raises(InvalidManifest) as caught:
        read_alone(sheet)
    (hint,) = (d.hint for d in caught.value.diagnostics if d.code == "missing-column")
    assert hint.partition("map it with  ")[2] == " ".join(f"--col image_urls={title!r}" for title in offered)
    sent = urls(read_alone(sheet, columns={"image_urls": offered}))[0]
    assert {*sent} == {url for url in (FIRST, SECOND, THIRD) if url in sheet}


@pytest.mark.parametrize(
    ("title", "cells"),
    [
        ("Images wanted", ["2", "1"]),
        ("Photo done", ["", "x"]),
        ("Images", ["3", "1"]),
        ("Image", ["yes", "no"]),
        ("Picture", ["✓", "ok"]),
        ("Photo 1", ["done", ""]),
    ],
)
def test_a_column_of_counts_or_ticks_is_none_of_pictures(read, title, cells):
    """Neither told as one, nor taken for one in the place of the one that is."""
    sheet = f"id,prompt,{title},Photo\nmug,White.,{cells[0]},{FIRST}\ncup,White.,{cells[1]},{SECOND}\n"
    manifest = read(sheet)
    assert (urls(manifest), warned(manifest)) == ([[FIRST], [SECOND]], [])
    manifest = read(f"id,prompt,{title}\nmug,White.,{cells[0]}\ncup,White.,{cells[1]}\n", head=ONE_FOR_ALL)
    assert (urls(manifest), warned(manifest)) == ([[URL], [URL]], [])


@pytest.mark.parametrize(
    ("title", "cells"), [("Photo of label", ["x", SECOND]), ("Photo of label", ["", ""]), ("Pictures", ["no", SECOND])]
)
def test_a_column_of_pictures_that_begins_with_a_tick_is_told(read, title, cells):
    """`x`, `no` or nothing may say that there is no second picture, and the next row has one."""
    sheet = f"id,prompt,Photo,{title}\nmug,White.,{FIRST},{cells[0]}\ncup,White.,{FIRST},{cells[1]}\n"
    message = f"the column {title!r} is not sent: image_urls is read from 'Photo'"
    assert [(cell, text) for _, cell, text, _ in warned(read(sheet))] == [("D1", message)]


def test_counts_in_the_place_of_pictures_are_answered_with_what_is_missing(read, found):
    """A field's own name is taken whatever it holds: what is wrong with its cell is said there."""
    sheet = "id,prompt,Image\nmug,White.,1001\n"
    hint = "'Image' holds '1001', and no picture: write its URL there, or say where it stands with"
    (_, _, _, message, remedy), *_ = found(sheet)
    assert (message, remedy) == ("no column 'image_urls'", f"{hint}  columns: {{image_urls: 'COLUMN'}}")
    assert urls(read(sheet.replace("1001", URL))) == [[URL]]
    [(code, _, cell, _, _)] = found(sheet.replace("Image", "image_urls"))
    assert (code, cell) == ("url", "C2")


# ---------------------------------------------------------------------------------- what goes before a sheet's columns


@pytest.fixture
def read_alone(tmp_path):
    """Reads a table that is a manifest by itself, with what the command line says of it."""

    def read(text, name="sheet.csv", **inline):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_manifest(tmp_path / name, rules=rules_of, inline=Inline(**inline))

    return read


@pytest.mark.parametrize("name", ["instruction", "edit", "Prompt text"])
def test_a_column_that_resembles_a_field_gives_way_to_the_defaults(read, name):
    """Whoever wrote a prompt for all meant it; the column is carried along, and it is said."""
    manifest = read(f"id,title,{name},image_urls\nmug,Mug,wash cold,{URL}\n", head='defaults: {prompt: "{{ title }}."}')
    assert prompts(manifest) == ["Mug."]
    assert dict(manifest.jobs[0].row)[name] == "wash cold"
    [(code, cell, message, hint)] = warned(manifest)
    assert (code, cell, message) == (
        "unused-column",
        "C1",
        f"the column {name!r} is not sent: the defaults give prompt",
    )
    assert hint == f"to send the column write  columns: {{prompt: {name!r}}}"


@pytest.mark.parametrize("name", ["url", "Photo", "url_1", "image_link"])
def test_a_column_like_pictures_gives_way_to_the_defaults(read, name):
    """A product page's address is no picture, and the defaults say which one is."""
    manifest = read(f"id,prompt,{name}\nmug,White.,{FIRST}\n", head=f"defaults: {{image_urls: [{URL}]}}")
    assert urls(manifest) == [[URL]]
    assert [message for _, _, message, _ in warned(manifest)] == [
        f"the column {name!r} is not sent: the defaults give image_urls"
    ]


def test_a_fields_own_column_goes_before_the_defaults(read):
    """A default is for rows that say nothing."""
    manifest = read(f"id,prompt,image_urls\na,Oak.,{FIRST}\nb,,\n", head=f"{ONE_FOR_ALL[:-1]}, prompt: White.}}")
    assert jobs(manifest) == [("a", "Oak.", [FIRST]), ("b", "White.", [URL])]
    assert warned(manifest) == []


@pytest.mark.parametrize("name", ["num_images", "Num Images"])
def test_a_flag_has_the_last_word(read_alone, name):
    """It says of itself that it is the same in every row; a column of four would cost four times as much."""
    manifest = read_alone(f"id,prompt,image_urls,{name}\nmug,White.,{URL},4\n", values={"num_images": "1"})
    assert [spec.inputs["num_images"] for spec in manifest.jobs] == [1]
    message = f"the column {name!r} is not sent: --set num_images gives num_images to every row"
    assert warned(manifest) == [("unused-column", "D1", message, "to send the column drop --set num_images")]


@pytest.mark.parametrize("name", ["prompt", "instruction"])
def test_the_prompt_of_the_command_line_has_the_last_word(read_alone, name):
    """A column's own name as well: nothing tells the two apart on the command line."""
    manifest = read_alone(f"id,title,{name},image_urls\nmug,Mug,Oak.,{URL}\n", prompt="{{ title }}.")
    assert prompts(manifest) == ["Mug."]
    assert [code for code, *_ in warned(manifest)] == ["unused-column"]


def test_the_model_of_the_command_line_has_the_last_word(read_alone):
    """Another model has another price."""
    manifest = read_alone(
        f"id,prompt,image_urls,model\nmug,White.,{URL},owner/upscaler\n", values={"model": DEFAULT_MODEL}
    )
    assert [spec.model for spec in manifest.jobs] == [DEFAULT_MODEL]
    assert [code for code, *_ in warned(manifest)] == ["unused-column"]


def test_a_flag_and_a_column_for_one_field_are_refused(read_alone):
    """Both stand on the command line: neither is the last word."""
    with pytest.raises(InvalidManifest, match="prompt is given by --prompt and by --col"):
        read_alone(f"id,text,image_urls\nmug,Oak.,{URL}\n", prompt="White.", columns={"prompt": ["text"]})


@pytest.mark.parametrize(
    ("header", "taken", "left"),
    [("prompt,instruction", "prompt", "instruction"), ("edit,instruction", "instruction", "edit")],
)
def test_a_second_column_of_prompts_is_told(read, read_alone, header, taken, left):
    """One of them is sent; the other may be what was meant."""
    sheet = f"id,{header},image_urls\nmug,White.,Oak.,{URL}\n"
    cell, message = (
        f"{'C' if taken == 'prompt' else 'B'}1",
        f"the column {left!r} is not sent: prompt is read from {taken!r}",
    )
    assert warned(read(sheet)) == [("unused-column", cell, message, "say which under  columns: prompt")]
    assert warned(read_alone(sheet)) == [("unused-column", cell, message, "say which with  --col prompt=COLUMN")]
    assert warned(read(sheet, f"columns: {{prompt: {taken}}}")) == []
    assert warned(read(sheet, head=f'output: {{path: "{{{{ id }}}} {{{{ {left} }}}}.{{{{ ext }}}}"}}')) == []


def test_pictures_that_are_left_out_are_told(read):
    """`image_urls` is what is sent; whoever also has `url_1` and `photo` may have meant them too."""
    manifest = read(f"id,prompt,image_urls,url_1,Photo,img\nmug,White.,{URL},{FIRST},{SECOND},{THIRD}\n")
    assert urls(manifest) == [[URL]]
    assert [(cell, message) for _, cell, message, _ in warned(manifest)] == [
        (f"{letter}1", f"the column {name!r} is not sent: image_urls is read from 'image_urls'")
        for letter, name in (("D", "url_1"), ("E", "Photo"), ("F", "img"))
    ]


def test_columns_like_fields_of_other_models_are_told_once(read):
    """They are carried along; whoever pays for `ratio` 4:5 and gets a square is not told by the picture."""
    manifest = read(f"id,prompt,image_urls,seed,negative_prompt,Ratio\nmug,White.,{URL},7,text,4:5\n")
    message = "carried along, and not sent: 'seed', 'negative_prompt', 'Ratio' (is it aspect_ratio?)"
    hint = "to send such a column say which field it is:  columns: {field: column}"
    assert warned(manifest) == [("unused-column", "D1", message, hint)]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("縦横比", "aspect_ratio"),
        ("Seitenverhältnis", "aspect_ratio"),
        ("Verhältnis", "aspect_ratio"),
        ("Relación de aspecto", "aspect_ratio"),
        ("Rapport d’aspect", "aspect_ratio"),
        ("Format d'image", "aspect_ratio"),
        ("枚数", "num_images"),
        ("Número de imágenes", "num_images"),
        ("Nombre d'images", "num_images"),
        ("Formato de salida", "output_format"),
        ("Format de sortie", "output_format"),
    ],
)
def test_columns_like_fields_in_another_language_are_told(read, name, field):
    """Whoever maps the prompt and the pictures forgets that the ratio is mapped too."""
    sheet = f"商品番号,指示,画像,{name}\nmug,White.,{URL},1\n"
    [(code, cell, message, _)] = warned(read(sheet, "columns: {id: 商品番号, prompt: 指示, image_urls: 画像}"))
    assert (code, cell, message) == ("unused-column", "D1", f"carried along, and not sent: {name!r} (is it {field}?)")


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("Format", "4:5", "aspect_ratio"),
        ("Bildformat", " 16:9 ", "aspect_ratio"),
        ("Image format", "4 x 5", "aspect_ratio"),
        ("Format", "jpeg", "output_format"),
        ("Format", "", "output_format"),
    ],
)
def test_a_column_of_ratios_is_of_no_other_field(read, name, text, field):
    """A German sheet calls them `Format`; the first rows say what is meant."""
    manifest = read(f"id,prompt,image_urls,{name}\nmug,White.,{URL},\ncup,White.,{URL},{text}\n")
    [(_, _, message, _)] = warned(manifest)
    assert message == f"carried along, and not sent: {name!r} (is it {field}?)"


def test_columns_that_templates_use_are_not_told(read):
    """A `format` that the prompt names is sent by it."""
    head = 'defaults: {prompt: "A {{ format }} book."}'
    assert warned(read(f"id,format,image_urls\nmug,small,{URL}\n", head=head)) == []


# ------------------------------------------------------------------------------------------- rows inside of one cell


@pytest.mark.parametrize(
    ("text", "line", "cell", "count"),
    [
        (f'id,prompt,image_urls\nx,"white bg,{FIRST}\ny,oak bg",{SECOND}\n', 2, "B2", 2),
        (f'id,prompt,image_urls\nw,grass,{URL}\nx,"white bg,{FIRST}\nz,sand,{URL}\ny,oak bg",{SECOND}\n', 3, "B3", 3),
        (f'prompt,image_urls\n"white bg,{FIRST}\noak bg",{SECOND}\n', 2, "A2", 2),
        (f'id;colour;prompt;image_urls\nx;"red;white bg;{FIRST}\r\ny;blue";oak bg;{SECOND}\n', 2, "B2", 2),
        (f'id,image_urls,prompt,note\nx,{FIRST},"White.,\ny,{SECOND},Oak.",\n', 2, "C2", 2),
    ],
)
def test_rows_that_a_stray_quote_swallowed_are_refused(read, text, line, cell, count):
    """One job less, and one prompt that nobody wrote: neither would be missed before the bill."""
    with pytest.raises(InvalidManifest) as caught:
        read(text)
    [wrong] = [found for found in caught.value.diagnostics if found.severity == "error"]
    assert (wrong.code, wrong.place.line, wrong.place.cell) == ("swallowed-rows", line, cell)
    assert wrong.message.startswith(f"this cell looks like {count} rows swallowed by a stray quote: ")


@pytest.mark.parametrize(
    "prompt",
    [
        "White background, soft shadow.\nKeep the label, and the cap.",
        '<p>Oak, oiled,\n"hand made, signed"</p>\n<ul><li>a,b</li>\n<li>c</li></ul>',
        "Put it on oak.\nKeep the label.",
        "Like https://example.com/a.jpg\nbut white.",
    ],
)
def test_texts_of_several_lines_are_texts(read, prompt, tmp_path):
    """Prompts, and the HTML of a shop's descriptions."""
    rows = [["id", "prompt", "image_urls"], ["mug", prompt, URL]]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    assert prompts(read((tmp_path / "rows.csv").read_bytes())) == [prompt]


def test_several_pictures_in_a_cell_are_pictures(read):
    """URLs by lines and commas, as many as the row has cells."""
    manifest = read(f'id,prompt,image_urls\nmug,White.,"{URL}\n{FIRST},{SECOND},{THIRD}"\n')
    assert urls(manifest) == [[URL, FIRST, SECOND, THIRD]]


# --------------------------------------------------------------------------------------------------- rows without names


@pytest.mark.parametrize(
    ("skus", "why", "line"),
    [(("a", "b", "A"), "names two rows 'A', lines 2 and 4", 4), (("a", "", "b"), "is empty in line 3", 3)],
)
def test_a_sku_that_does_not_name_each_row_is_told(read, skus, why, line):
    """Jobs are then known by their requests: who mends a typo in a prompt pays for a new job."""
    rows = [f"{sku},a,{URL}?{n}\n" for n, sku in enumerate(skus)]
    manifest = read("SKU,prompt,image_urls\n" + "".join(rows))
    assert ids(manifest) == [spec.fingerprint[:12] for spec in manifest.jobs]
    [diagnostic] = manifest.warnings
    assert (diagnostic.code, diagnostic.place.line) == ("unnamed-rows", line)
    assert diagnostic.message == (f"'SKU' {why}: jobs are known by their requests, and an edited row is a new job")


def test_the_column_that_names_rows_instead_is_told(read):
    """A second SKU decides silently whether ids are SKUs or handles."""
    manifest = read(f"sku,handle,prompt,image_urls\na,x,a,{URL}\na,y,b,{URL}\n")
    assert ids(manifest) == ["x", "y"]
    assert [d.message for d in manifest.warnings] == [
        "'sku' names two rows 'a', lines 2 and 3: jobs are named by 'handle'"
    ]


# ------------------------------------------------------------------------------------------------------ rows left out


def test_rows_that_a_condition_leaves_out_are_counted(read):
    """A mistyped condition would leave out most of a catalogue, and nobody misses what is not there."""
    manifest = read(
        f"id,stock,prompt,image_urls\na,0,on oak,{URL}\nb,1,on oak,{FIRST}\nc,0,on oak,{SECOND}\n", "where: stock > 0"
    )
    assert ids(manifest) == ["b"]
    [note] = manifest.warnings
    assert (note.severity, note.code, note.message) == (
        "note",
        "where",
        "where leaves out 2 of 3 jobs of sheet.csv",
    )


def test_a_condition_that_leaves_out_nothing_is_told(read):
    """Whoever writes one wants some row to be left out, and pays for it where none is."""
    manifest = read(
        f"id,status,prompt,image_urls\na,Sold,on oak,{URL}\nb,new,on oak,{FIRST}\n", "where: status != 'sold'"
    )
    assert ids(manifest) == ["a", "b"]
    [note] = manifest.warnings
    assert (note.severity, note.message) == ("note", "where leaves out none of 2 jobs of sheet.csv")
    assert note.hint.startswith("all fulfil  status != 'sold'")


def test_a_condition_on_a_sheet_without_rows_leaves_out_nothing_to_be_told(found):
    assert [message for *_, message, _ in found("id,stock,prompt,image_urls\n", "where: stock > 0")] == [
        "there are no jobs in it: where leaves out all of them"
    ]


def test_a_condition_that_leaves_out_everything_is_named(found):
    [(code, *_, message, _)] = found(f"id,stock,prompt,image_urls\na,0,x,{URL}\n", "where: stock > 0")
    assert (code, message) == ("no-jobs", "there are no jobs in it: where leaves out all of them")


def test_what_makes_a_job_goes_with_a_preset(read_alone):
    """`--per image` of a sheet that is read row by row would be left out silently."""
    with pytest.raises(UsageProblem, match="--per goes with a preset"):
        read_alone(f"id,prompt,image_urls\na,x,{URL}\n", per="image")


def test_thousands_or_a_fraction_is_a_question(found):
    """1,234 is both, by the country."""
    [(code, *_, message, hint)] = found(f'id,image_url,scale\na,{URL},"1,234"\n', head="model: owner/upscaler")
    assert (code, message) == ("wrong-type", "scale must be of type number, got '1,234'")
    assert hint.startswith("is it thousands or a fraction?")


def test_a_feed_of_tabs_may_be_called_a_text(read_alone):
    """Shops export feeds as .txt; without tabs it is told what to call it."""
    manifest = read_alone(f"id\tprompt\timage_urls\na\tWhite, and plain.\t{URL}\n", name="feed.txt")
    assert prompts(manifest) == ["White, and plain."]
    with pytest.raises(UsageProblem, match=r"a \.txt without tabs"):
        read_alone(f"id,prompt,image_urls\na,White,{URL}\n", name="feed.txt")


@pytest.mark.parametrize("rows", [25, 300])
def test_a_column_that_ticks_off_and_holds_pictures_further_down_is_told(read, rows):
    """A sheet that is sorted by whether there is a second picture."""
    text = "".join(f"s{n},White.,{URL}?{n},no\n" for n in range(rows)) + f"last,White.,{URL}?last,{SECOND}\n"
    manifest = read(f"id,prompt,Photo,Image\n{text}")
    [told] = [one for one in warned(manifest) if one[0] == "unused-column"]
    message = "the column 'Image' ticks off in its first rows, and holds pictures here that are not sent"
    assert told[1:3] == (f"D{rows + 2}", message)
