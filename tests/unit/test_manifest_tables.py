"""CSV, TSV and JSONL as manifests by themselves: a row or a line is a job, and the rest is carried along."""

import json

import pytest

from runner.catalog import bundled, parse_card, rules_for
from runner.manifest import DEFAULT_MODEL, InvalidManifest, read_manifest
from runner.manifest.items import split_urls
from runner.rules.names import asked_for

RULES = rules_for(bundled(DEFAULT_MODEL))
UPSCALER = rules_for(
    parse_card(
        "owner/upscaler",
        {
            "input_schema": {
                "required": ["image_url"],
                "additionalProperties": False,
                "properties": {
                    "image_url": {"type": "string"},
                    "scale": {"type": "float"},
                    "seed": {"type": "int"},
                    "is_fast": {"type": "bool"},
                    "references": {"type": "array", "items": {"type": "string"}},
                },
            }
        },
    )
)
URL = "https://cdn.example.com/mug.jpg"
UNQUOTED = "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
EXAMPLE = 'a job a line, as in  {"id": "mug", "prompt": "White background.", "image_urls": ["https://…"]}'
FEWER = "a line break in a cell? quote that cell; else give the row all its cells"
HEADER = "id,prompt,image_urls,aspect_ratio,num_images\n"


def rules_of(model):
    return {DEFAULT_MODEL: RULES, "owner/upscaler": UPSCALER}.get(model)


@pytest.fixture
def read(tmp_path):
    """Reads a manifest of this text, or of these bytes."""

    def read(text, ending="csv"):
        path = tmp_path / f"m.{ending}"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_manifest(path, rules=rules_of)

    return read


@pytest.fixture
def found(read):
    """What is wrong with a manifest: code, line, cell, message and hint, in the order of the file."""

    def found(text, ending="csv"):
        with pytest.raises(InvalidManifest) as caught:
            read(text, ending)
        assert caught.value.message.endswith("Nothing was submitted.")
        wrong = sorted(caught.value.diagnostics, key=lambda d: (d.place.line, d.place.cell or ""))
        return [(d.code, d.place.line, d.place.cell, d.message, d.hint) for d in wrong]

    return found


def line(**more):
    """One line of JSONL that can be sent, but for what is given."""
    return json.dumps({"id": "mug", "prompt": "white", "image_urls": [URL], **more}) + "\n"


def inputs(manifest):
    return [spec.inputs for spec in manifest.jobs]


def ids(manifest):
    return [spec.job_id for spec in manifest.jobs]


# --------------------------------------------------------------------------------------------------------- what is read


def test_a_row_is_a_job(read, tmp_path):
    """Fields arrive as the model's types, every column under its own name in the row; the source names the line."""
    manifest = read(
        """\
id,SKU,Product title,prompt,image_urls,aspect_ratio,num_images,output_format,
mug-red,00123,"Ceramic mug, 300 ml","Say ""hi"".",https://a.example.com/1.jpg,16:9,2,jpeg,
lamp,00124,Desk lamp,White.,https://a.example.com/2.jpg | https://a.example.com/3.jpg,,,,loose
"""
    )
    assert (manifest.name, manifest.run) == ("m", {})
    assert [(warning.code, warning.place.cell) for warning in manifest.warnings] == [("unused-column", "I3")]
    mug, lamp = manifest.jobs
    assert (mug.job_id, mug.model, mug.source) == ("mug-red", DEFAULT_MODEL, f"{tmp_path}/m.csv:2")
    assert mug.inputs == {
        "prompt": 'Say "hi".',
        "image_urls": ["https://a.example.com/1.jpg"],
        "aspect_ratio": "16:9",
        "num_images": 2,
        "output_format": "jpeg",
    }
    assert mug.row == {
        "id": "mug-red",
        "SKU": "00123",
        "Product title": "Ceramic mug, 300 ml",
        "prompt": 'Say "hi".',
        "image_urls": "https://a.example.com/1.jpg",
        "aspect_ratio": "16:9",
        "num_images": "2",
        "output_format": "jpeg",
    }
    assert lamp.inputs == {
        "prompt": "White.",
        "image_urls": ["https://a.example.com/2.jpg", "https://a.example.com/3.jpg"],
    }
    assert lamp.source.endswith("m.csv:3")


def test_a_tab_separated_table_is_read_alike(read):
    """Commas in it are text."""
    manifest = read(f'id\tprompt\timage_urls\nmug\tWhite, soft, and "plain".\t{URL}\n', "tsv")
    assert inputs(manifest) == [{"prompt": 'White, soft, and "plain".', "image_urls": [URL]}]


@pytest.mark.parametrize(
    "head",
    [
        "id,prompt,image_urls",
        "ID,Prompt,Image URLs",
        " Id , PROMPT ,image-urls",
        "id,Prompt text,Image URL",
        "id,instruction,Image Src",
        "id,edit,photo",
        "id,prompt,images",
    ],
)
def test_a_column_is_known_by_its_name_however_it_is_spelled(read, head):
    assert inputs(read(f"{head}\nmug,white,{URL}\n")) == [{"prompt": "white", "image_urls": [URL]}]


def test_a_columns_own_name_goes_before_its_synonyms(read):
    """`image` beside `image_urls` is the user's own."""
    (spec,) = read(f"id,image,prompt,image_urls\nmug,shelf 5,white,{URL}\n").jobs
    assert (spec.inputs, spec.row["image"]) == ({"prompt": "white", "image_urls": [URL]}, "shelf 5")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(read, delimiter):
    """Also where prompts are full of the others."""
    rows = [["id", "prompt", "image_urls"], ["mug", '"a, b; c | d"', URL], ["lamp", "plain", URL]]
    text = "".join(delimiter.join(row) + "\n" for row in rows)
    assert [i["prompt"] for i in inputs(read(text))] == ["a, b; c | d", "plain"]


def test_the_delimiter_is_that_of_the_first_rows(read):
    """However the rest of a long table is written."""
    rows = "".join(f"mug-{n};a, b, c;{URL}?{n}\n" for n in range(40))
    assert len(read(f"id;prompt;image_urls\n{rows}").jobs) == 40


def test_a_declared_delimiter_is_honoured(read):
    """Excel's first line, which Excel does not show: its cells are counted without it, lines with it."""
    text = f"sep=|\nid|prompt|image_urls|num_images\nmug|a,b;c|{URL}|2\n"
    assert inputs(read(text)) == [{"prompt": "a,b;c", "image_urls": [URL], "num_images": 2}]
    with pytest.raises(InvalidManifest) as caught:
        read(text.replace("|2", "|7"))
    assert [(d.place.line, d.place.cell) for d in caught.value.diagnostics] == [(3, "D2")]


@pytest.mark.parametrize(
    ("cell", "urls"),
    [
        (URL, [URL]),
        (f"{URL}|{URL}?2", [URL, f"{URL}?2"]),
        (f"{URL} | {URL}?2", [URL, f"{URL}?2"]),
        (f"{URL}  {URL}?2", [URL, f"{URL}?2"]),
        (f'"{URL}\n{URL}?2\r\n"', [URL, f"{URL}?2"]),
        (f'"{URL}, {URL}?2,{URL}?3"', [URL, f"{URL}?2", f"{URL}?3"]),
        (f"|{URL}||", [URL]),
        (f'"{URL}?crop=1,2,3"', [f"{URL}?crop=1,2,3"]),
        (f"{URL}?a=%20b%2Chttps://x", [f"{URL}?a=%20b%2Chttps://x"]),
    ],
)
def test_several_urls_stand_in_one_cell(read, cell, urls):
    """By bar, white space, or a comma before the next scheme; a comma within a URL is the URL's."""
    assert inputs(read(f"id,prompt,image_urls\nmug,white,{cell}\n"))[0]["image_urls"] == urls


@pytest.mark.parametrize(
    ("cell", "code", "message"),
    [
        (f"{URL[:-7]}red mug.jpg", "url-space", f"the URL holds white space: {URL[:-7]}red mug.jpg"),
        (f"{URL[:-7]}red|mug.jpg", "url-space", f"the URL holds a | : {URL[:-7]}red|mug.jpg"),
        (f"photos/a.jpg {URL}", "url-space", f"the URL holds white space: photos/a.jpg {URL}"),
        (f'"{URL},www.example.com/b.jpg"', "url-glued", f"two pictures in one URL: {URL},www.example.com/b.jpg"),
        (f'"{URL},b.jpg"', "url-glued", f"two pictures in one URL: {URL},b.jpg"),
        (f"{URL}{URL}", "url-glued", f"two pictures in one URL: {URL}{URL}"),
    ],
)
def test_a_url_with_something_else_beside_it_is_refused(found, cell, code, message):
    """Half a URL and a photo of this machine, or the first of two pictures: neither was meant."""
    (wrong,) = found(f"id,prompt,image_urls\nmug,white,{cell}\n")
    assert (*wrong[:1], *wrong[2:4]) == (code, "C2", message)


@pytest.mark.parametrize(
    ("cell", "pictures"),
    [
        (f"photos/a.jpg | {URL}", ["photos/a.jpg", URL]),
        (f"{URL}\nphotos/a b.jpg", [URL, "photos/a b.jpg"]),
        (f"{URL} {URL}2 | a.jpg", [URL, f"{URL}2", "a.jpg"]),
        (
            "https://a.example/{{ sku | lower }}.jpg | {{ id | upper }}.jpg",
            ["https://a.example/{{ sku | lower }}.jpg", "{{ id | upper }}.jpg"],
        ),
    ],
)
def test_a_photo_and_a_url_stand_in_one_cell_with_a_bar_or_a_line_between_them(cell, pictures):
    assert split_urls(cell) == pictures


def test_commas_of_image_services_are_theirs(read):
    url = "https://res.example.com/w_300,h_300,l_logo/a.jpg"
    assert inputs(read(f'id,prompt,image_urls\nmug,white,"{url}"\n'))[0]["image_urls"] == [url]


def test_nothing_is_split_within_a_template(read):
    """Bars and spaces are the filter's; those between two templates part two pictures."""
    base = "https://cdn.example.com"
    cell = f"{base}/{{{{ id | upper }}}}.jpg | {base}/{{{{ id|lower }}}}.jpg"
    assert inputs(read(f"id,prompt,image_urls\nMug,white,{cell}\n"))[0]["image_urls"] == [
        f"{base}/MUG.jpg",
        f"{base}/mug.jpg",
    ]


@pytest.mark.parametrize(("cell", "count"), [("2", 2), ("2.0", 2), (" 3 ", 3), ("+1", 1), ("2.00", 2), ("", None)])
def test_a_number_is_read_as_one(read, cell, count):
    """A spreadsheet writes 2 as 2.0; an empty cell says nothing."""
    (found,) = inputs(read(f"{HEADER}mug,white,{URL},,{cell}\n"))
    assert (found.get("num_images"), type(found.get("num_images"))) == (count, type(count))


def test_a_prompt_keeps_its_spaces_and_line_breaks(read):
    """What is sent is what is in the cell, but for line breaks at its ends."""
    (found,) = inputs(read(f'id,prompt,image_urls\nmug,"\n  a\r\nb, ""c""  \n",{URL}\n'))
    assert found["prompt"] == '  a\r\nb, "c"  '


def test_ids_keep_their_zeros(read):
    assert ids(read(f"{HEADER}00123,white,{URL},,\n1e5,white,{URL},,\nno,white,{URL},,\n")) == ["00123", "1e5", "no"]


@pytest.mark.parametrize("name", ["sku", "SKU", "Handle", "Custom ID"])
def test_without_ids_a_naming_column_names_the_job(read, name):
    assert ids(read(f"{name},prompt,image_urls\n00123,white,{URL}\n")) == ["00123"]


def test_without_any_name_the_request_names_the_job(read):
    """Never the row's number: sorting the sheet would pay twice."""
    rows = [f"white,{URL}?{n}\n" for n in range(3)]
    forth, back = read("prompt,image_urls\n" + "".join(rows)), read("prompt,image_urls\n" + "".join(rows[::-1]))
    assert ids(forth) == ids(back)[::-1] == [spec.fingerprint[:12] for spec in forth.jobs]


def test_a_mark_at_the_beginning_is_no_part_of_the_first_column(read):
    """Excel writes one."""
    text = f"id,prompt,image_urls\nmug,blå bakgrund,{URL}\n"
    for codec in ("utf-8-sig", "utf-16"):
        manifest = read(text.encode(codec))
        assert (ids(manifest), manifest.jobs[0].inputs["prompt"]) == (["mug"], "blå bakgrund")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_will_do(read, end):
    manifest = read(f"id,prompt,image_urls\nmug,a,{URL}\n\nlamp,b,{URL}".replace("\n", end))
    assert [(spec.job_id, spec.source[-2:]) for spec in manifest.jobs] == [("mug", ":2"), ("lamp", ":4")]


def test_lines_are_counted_as_an_editor_does_and_rows_as_a_spreadsheet(read, found):
    """Line breaks in quotes make the two differ; empty rows count in both."""
    text = f'{HEADER}a,"one\ntwo\nthree",{URL},,\n\n,,,,\nb,white,{URL},,\nc,white,{URL},,9\n'
    assert found(text) == [("num-images", 8, "E6", "num_images must be 1 to 4, got 9", "write a number from 1 to 4")]
    sources = [spec.source.rsplit(":")[-1] for spec in read(text.replace("9\n", "1\n")).jobs]
    assert sources == ["2", "7", "8"]


# --------------------------------------------------------------------------------------------------------- other models


def test_a_model_of_its_own_has_fields_of_its_own(read):
    """Each row's cells are read by its own model: its numbers, truths and lists; what it does not know is carried."""
    text = (
        "id,model,image_url,prompt,scale,seed,is_fast,references,note\n"
        f"a,owner/upscaler,{URL},,2.5,7,yes,{URL}|{URL}?2,x\n"
        f"b,,{URL},white,2.5,7,yes,{URL},y\n"
    )
    upscaled, edited = read(text).jobs
    assert (upscaled.model, upscaled.inputs, upscaled.row["note"]) == (
        "owner/upscaler",
        {"image_url": URL, "scale": 2.5, "seed": 7, "is_fast": True, "references": [URL, f"{URL}?2"]},
        "x",
    )
    assert (edited.model, edited.inputs) == (DEFAULT_MODEL, {"prompt": "white", "image_urls": [URL]})


@pytest.mark.parametrize(
    ("column", "cell", "meant"),
    [
        ("scale", "2,5", 2.5),
        ("scale", "-3", -3.0),
        ("is_fast", "FALSE", False),
        ("is_fast", "1", True),
        ("is_fast", "no", False),
    ],
)
def test_a_cell_is_read_as_its_fields_type(read, column, cell, meant):
    (found,) = inputs(read(f"id;model;image_url;{column}\na;owner/upscaler;{URL};{cell}\n"))
    assert found[column] == meant


@pytest.mark.parametrize(("column", "cell"), [("scale", "big"), ("seed", "1.5"), ("is_fast", "maybe")])
def test_a_cell_that_is_not_of_the_type_is_shown_as_it_stands(found, column, cell):
    ((code, row, place, message, _),) = found(f"id,model,image_url,{column}\na,owner/upscaler,{URL},{cell}\n")
    assert (code, row, place) == ("wrong-type", 2, "D2")
    assert message.endswith(f"got {cell!r}")


def test_a_model_that_only_the_service_knows_is_not_judged(read):
    """Its card may ask for neither prompt nor image_urls."""
    (spec,) = read("id,model,text,size\na,owner/unknown,hello,5\n").jobs
    assert (spec.model, spec.inputs, spec.row["text"]) == ("owner/unknown", {}, "hello")


@pytest.mark.parametrize("model", ["../x", "XR-200", "Alto 2"])
def test_a_models_id_in_a_cell_is_checked(found, model):
    """A sheet's model is often the product's: it is never what is paid at."""
    text = f"id,model,prompt,image_urls\na,{model},white,{URL}\n"
    hint = f"as in {DEFAULT_MODEL}; where it is the product's, rename the column"
    assert found(text) == [("model", 2, "B2", f"not a model's id: {model!r}", hint)]


def test_a_model_that_nothing_is_known_of_is_told_once_with_its_place(read):
    rows = "".join(f"{name},google/nano-banana/Edit,white,{URL}\n" for name in "ab")
    (warning,) = read(f"id,model,prompt,image_urls\n{rows}").warnings
    said = (warning.severity, warning.code, warning.place.cell, warning.hint)
    assert said == ("warning", "model", "B2", f"did you mean {DEFAULT_MODEL!r}?")
    assert "no card of the model 'google/nano-banana/Edit' is at hand" in warning.message


@pytest.mark.parametrize(("given", "sent"), [("2.0", 2), ("2", 2), ("1e0", 1)])
def test_a_whole_number_is_an_integer_however_it_is_written(read, given, sent):
    """So that it is counted: for the price, and for the names of the files."""
    text = f'{{"id": "mug", "prompt": "white", "image_urls": ["{URL}"], "num_images": {given}}}\n'
    (spec,) = read(text, "jsonl").jobs
    assert (spec.inputs["num_images"], type(spec.inputs["num_images"])) == (sent, int)
    assert asked_for(spec) == sent
    other = f'{{"id": "mug-{sent}", "prompt": "white", "image_urls": ["{URL}"]}}\n'
    if sent > 1:
        with pytest.raises(InvalidManifest, match="would have one name: images/mug-2"):
            read(text + other, "jsonl")


# ------------------------------------------------------------------------------------------------ what is wrong with it


MISSING = "give the job its image_urls, or all jobs one by defaults"


def test_every_error_is_told_at_once_with_its_cell(found):
    """Line for the editor, cell for the spreadsheet, remedy for the person."""
    text = (
        HEADER
        + f"a,white,{URL},16:09,1\n"
        + f"b,white,{URL},1:01:00,2\n"
        + f"c,white,{URL},16x9,two\n"
        + "d,,http://a.example.com/1.jpg,,5\n"
        + "e,white,,,\n"
        + f",white,{URL},,\n"
        + f"g,#REF!,{URL}|C:\\mug.jpg,,\n"
        + f"1.23E+12,{'x' * 1001},{URL},,\n"
        + f"a,white,{URL},,\n"
    )
    allowed = "allowed: auto, 21:9, 16:9, 3:2, 4:3, 5:4, 1:1, 4:5, 3:4, 2:3, 9:16"

    def as_time(ratio, time):
        return f"did you mean {ratio!r}? spreadsheets turn {ratio} into the time {time}; format the column as Text"

    assert found(text) == [
        ("aspect-ratio", 2, "D2", "aspect_ratio: '16:09' is not supported", as_time("16:9", "16:09")),
        ("aspect-ratio", 3, "D3", "aspect_ratio: '1:01:00' is not supported", as_time("1:1", "1:01:00")),
        ("aspect-ratio", 4, "D4", "aspect_ratio: '16x9' is not supported", f"did you mean '16:9'? {allowed}"),
        ("num-images", 4, "E4", "num_images must be of type integer, got 'two'", "write a plain number, as in  2"),
        ("missing-field", 5, "B5", "'prompt' is missing", "give the job its prompt, or all jobs one by defaults"),
        (
            "url-scheme",
            5,
            "C5",
            "https:// is needed: http://a.example.com/1.jpg",
            "did you mean https://a.example.com/1.jpg",
        ),
        ("num-images", 5, "E5", "num_images must be 1 to 4, got 5", "write a number from 1 to 4"),
        (
            "missing-field",
            6,
            "C6",
            "'image_urls' is missing",
            f"{MISSING}; or leave such rows out, in a manifest:  where: image_urls",
        ),
        ("id", 7, "A7", "the id is blank", "name the job, or take its entry out"),
        ("spoilt-cell", 8, "B8", "#REF! is a spreadsheet's error, not a value", "mend the cell, or empty it"),
        (
            "url-space",
            8,
            "C8",
            f"the URL holds a | : {URL}|C:\\mug.jpg",
            "write it as %7C; between two pictures write it with spaces,  | ",
        ),
        (
            "id",
            9,
            "A9",
            "id '1.23E+12' was shortened by a spreadsheet",
            "format the column as Text before pasting the numbers",
        ),
        ("prompt-length", 9, "B9", "prompt is 1001 characters long, the limit is 1000", "cut 1 character"),
        (
            "duplicate-id",
            10,
            "A10",
            "duplicate id 'a'",
            "first used at cell A2 on line 2; give one of them another id, or delete its row",
        ),
    ]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("mug", "mug", "duplicate id 'mug'"),
        ("MUG", "mug", "differs from 'MUG' only in case or form: id 'mug'"),
        ("caf\u00e9", "cafe\u0301", "differs from 'caf\u00e9' only in case or form: id 'cafe\u0301'"),
    ],
)
def test_two_ids_that_a_file_system_could_take_for_one_are_refused(found, first, second, said):
    text = f"{HEADER}{first},white,{URL},,\nlamp,white,{URL},,\n{second},white,{URL},,\n"
    assert found(text) == [
        (
            "duplicate-id",
            4,
            "A4",
            said,
            "first used at cell A2 on line 2; give one of them another id, or delete its row",
        )
    ]


def test_equal_rows_without_ids_are_counted(read):
    """They make one request, which is paid once and shared; each keeps its row."""
    manifest = read(f"prompt,image_urls,shop\nwhite,{URL},A\nwhite,{URL},B\nwhite,{URL},C\n")
    digest = manifest.jobs[0].fingerprint
    assert ids(manifest) == [digest[:12], f"{digest[:12]}-2", f"{digest[:12]}-3"]
    assert {spec.fingerprint for spec in manifest.jobs} == {digest}
    assert [spec.row["shop"] for spec in manifest.jobs] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("empty", 1, None, "an empty table", "the first row names the columns: id, prompt, image_urls")),
        ("\n\n", ("empty", 1, None, "an empty table", "the first row names the columns: id, prompt, image_urls")),
        (" , ,\n", ("empty", 1, None, "an empty table", "the first row names the columns: id, prompt, image_urls")),
        (HEADER, ("no-jobs", 1, None, "there are no jobs in it", "add at least one")),
        (HEADER + "\n,,,,\n", ("no-jobs", 1, None, "there are no jobs in it", "add at least one")),
        (
            f"id,promt,image_urls\nmug,white,{URL}\n",
            (
                "missing-column",
                1,
                None,
                "no column 'prompt'",
                "did you mean 'promt'? map it with  --col prompt='promt'",
            ),
        ),
        (
            "id,prompt,link\nmug,white,x\n",
            ("missing-column", 1, None, "no column 'image_urls'", "known: id, prompt, link"),
        ),
        (
            "id,promt\n",
            (
                "missing-column",
                1,
                None,
                "no column 'prompt'",
                "did you mean 'promt'? map it with  --col prompt='promt'",
            ),
        ),
        (
            f"id,prompt,Prompt,image_urls\nmug,a,b,{URL}\n",
            ("duplicate-column", 1, "C1", "two columns are named 'prompt'", "the first is B1: rename one of them"),
        ),
        (
            f"id,prompt,image_urls,note,note\nmug,a,{URL},x,y\n",
            ("duplicate-column", 1, "E1", "two columns are named 'note'", "the first is D1: rename one of them"),
        ),
        (
            HEADER + f"mug,white, and plain,{URL},,\n",
            (
                "ragged-row",
                2,
                None,
                "the row has 6 cells, the header has 5 (spreadsheet row 2)",
                "an unquoted delimiter in a prompt? quote that cell",
            ),
        ),
        (
            HEADER + f'a,"x\ny",{URL},,\nmug,white\n',
            ("ragged-row", 4, None, "the row has 2 cells, the header has 5 (spreadsheet row 3)", FEWER),
        ),
        (
            HEADER + f'mug,"white,{URL},,\n',
            (
                "csv-syntax",
                2,
                None,
                "unexpected end of data",
                'a quote that is never closed? look for a lone " near this line',
            ),
        ),
        (
            HEADER + f'mug,"white"ish,{URL},,\n',
            (
                "csv-syntax",
                2,
                None,
                "a quote ends before its cell does",
                'a " in a cell that begins with one is written twice, as in  """White"" wall"',
            ),
        ),
        (
            HEADER + f"mug,white,{URL},,\nla\0mp,white,{URL},,\n",
            ("nul", 3, None, "a NUL byte: this is no text file", "save it as CSV UTF-8"),
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_told_with_its_remedy(found, text, expected):
    assert expected in found(text)


def test_columns_of_the_users_own_may_resemble_one_another(read):
    """Only what would be lost is refused: each of these has a name of its own."""
    (spec,) = read(f"id,prompt,image_urls,Price €,Price $,price\nmug,white,{URL},1,2,3\n").jobs
    assert [spec.row[name] for name in ("Price €", "Price $", "price")] == ["1", "2", "3"]


@pytest.mark.parametrize("word", ["#REF!", "#N/A", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"])
def test_a_spreadsheets_error_is_no_id(found, word):
    ((code, _, cell, message, _), *_) = found(f"{HEADER}{word},white,{URL},,\n")
    assert (code, cell, message) == ("spoilt-cell", "A2", f"{word} is a spreadsheet's error, not a value")


def test_a_far_column_is_named_as_a_spreadsheet_does(found):
    """Z is followed by AA, AZ by BA."""
    for count, name in ((22, "Z"), (23, "AA"), (48, "AZ"), (49, "BA"), (698, "ZZ"), (699, "AAA")):
        own = [f"c{n}" for n in range(count)]
        text = ",".join(["id", "prompt", "image_urls", *own, "num_images"]) + f"\nmug,white,{URL}{',' * count},9\n"
        assert [cell for _, _, cell, _, _ in found(text)] == [f"{name}2"]


def test_a_cell_of_a_megabyte_is_refused(found):
    """A quote that is never closed swallows the rest of the file."""
    ((code, row, _, message, _), *_) = found(f'{HEADER}mug,"{"x" * (1 << 20)} ",{URL},,\n')
    assert (code, row, message) == ("csv-syntax", 2, "a cell of more than 1 MB")


# ----------------------------------------------------------------------------------------------------------- JSON Lines


def test_a_line_is_a_job(read, tmp_path):
    """Flat, or wrapped as other services' batch files are; empty lines are passed over."""
    text = "\n".join(
        [
            "\ufeff" + line(aspect_ratio="4:3", num_images=2).strip(),
            "",
            json.dumps({"custom_id": "lamp", "body": {"prompt": "On grass.", "image_urls": URL}, "method": "POST"}),
            json.dumps({"id": 7, "input": {"prompt": "p", "image_urls": [URL]}, "model": "owner/unknown"}),
            json.dumps({"id": "x", "input": {"prompt": "p", "model": "owner/inner"}, "x-note": {"a": 1}}) + "\r",
            line(id="row", row={"campaign": "spring", "year": 2026}, **{"x-note": 1}),
        ]
    )
    assert [(s.job_id, s.model, s.inputs, s.row, s.source) for s in read(text, "jsonl").jobs] == [
        (
            "mug",
            DEFAULT_MODEL,
            {"prompt": "white", "image_urls": [URL], "aspect_ratio": "4:3", "num_images": 2},
            {},
            f"{tmp_path}/m.jsonl:1",
        ),
        ("lamp", DEFAULT_MODEL, {"prompt": "On grass.", "image_urls": [URL]}, {}, f"{tmp_path}/m.jsonl:3"),
        ("7", "owner/unknown", {"prompt": "p", "image_urls": [URL]}, {}, f"{tmp_path}/m.jsonl:4"),
        ("x", "owner/inner", {"prompt": "p"}, {}, f"{tmp_path}/m.jsonl:5"),
        (
            "row",
            DEFAULT_MODEL,
            {"prompt": "white", "image_urls": [URL]},
            {"campaign": "spring", "year": "2026"},
            f"{tmp_path}/m.jsonl:6",
        ),
    ]


@pytest.mark.parametrize(
    ("written", "urls"),
    [(URL, [URL]), (f"{URL}|{URL}?2", [URL, f"{URL}?2"]), (f"{URL}\n{URL}?2", [URL, f"{URL}?2"])],
)
def test_urls_may_stand_in_one_text(read, written, urls):
    """As in a table's cell."""
    assert inputs(read(line(image_urls=written), "jsonl"))[0]["image_urls"] == urls


def test_text_is_sent_as_it_stands(read):
    """Every character that has bytes; also one that YAML would take for a line's end."""
    prompt = " a\n\tb\u2028\u0085\U0001f600 é e\u0301 "
    assert inputs(read(line(prompt=prompt), "jsonl"))[0]["prompt"] == prompt


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        ('{"id": "a"', "json-syntax", "not JSON: Expecting ',' delimiter: line 1 column 11 (char 10)", EXAMPLE),
        ("{'id': 1}", "json-syntax", UNQUOTED, EXAMPLE),
        ("{“id”: 1}", "json-syntax", UNQUOTED, "use straight quotes"),
        ("[1]", "json-syntax", "a line must be a JSON object", EXAMPLE),
        ("null", "json-syntax", "a line must be a JSON object", EXAMPLE),
        ('{"id": "a", "id": "b"}', "duplicate-key", "duplicate key 'id'", "keep one of them"),
        (
            '{"id": "a", "input": {"prompt": "p", "prompt": "q"}}',
            "duplicate-key",
            "duplicate key 'prompt'",
            "keep one of them",
        ),
        ('{"num_images": NaN}', "json-syntax", "not JSON: NaN is not JSON", EXAMPLE),
        ('{"num_images": -Infinity}', "json-syntax", "not JSON: -Infinity is not JSON", EXAMPLE),
        ('{"num_images": 1e999}', "json-syntax", "not JSON: 1e999 is beyond all numbers", EXAMPLE),
        (
            line(seed=[[]] * 60).strip(),
            "unknown-field",
            "unknown field 'seed'",
            f"{DEFAULT_MODEL} knows: {', '.join(RULES.fields)}",
        ),
        (
            line(prompt="a\0b").replace("\\u0000", "\0").strip(),
            "nul",
            "a NUL byte: this is no text file",
            "save it as CSV UTF-8",
        ),
        (line(id=1.5).strip(), "id", "an id must be text, got 1.5", "write one word, or leave it out"),
        (line(id=True).strip(), "id", "an id must be text, got True", "write one word, or leave it out"),
        (line(id=["a"]).strip(), "id", "an id must be text, got ['a']", "write one word, or leave it out"),
        (line(id="").strip(), "id", "the id is blank", "name the job, or take its entry out"),
        (line(model=5).strip(), "model", "not a model's id: '5'", f"as in {DEFAULT_MODEL}"),
        (line(model=["a"]).strip(), "model", "not a model's id: \"['a']\"", f"as in {DEFAULT_MODEL}"),
        (line(promt="x").strip(), "unknown-field", "unknown field 'promt'", "did you mean 'prompt'?"),
        (
            line(num_images="2").strip(),
            "num-images",
            "num_images must be of type integer, got '2'",
            "write a number, without quotes",
        ),
        (
            line(image_urls={"url": URL}).strip(),
            "wrong-type",
            "image_urls must be of type array, got " + repr({"url": URL})[:60],
            "write a list, as in  [one, two]",
        ),
        (
            line(prompt="{{ title }}").strip(),
            "template",
            "'title' is undefined",
            "known: id, row",
        ),
        (
            '{"id": "a", "prompt": "p", "input": {"prompt": "q", "image_urls": ["https://x.example.com/1"]}}',
            "unknown-field",
            "'prompt' stands beside 'input': it would not be sent",
            "put it inside 'input', or call it x-prompt",
        ),
    ],
)
def test_a_line_that_cannot_be_sent_is_named_by_its_number(found, text, code, message, hint):
    ((found_code, number, cell, said, remedy),) = found(f"{line(id='first')}\n{text}\n", "jsonl")
    assert (found_code, number, cell, remedy) == (code, 3, None, hint)
    assert said.startswith(message)  # Python's own words may go on


@pytest.mark.parametrize("key", ["title", "stock"])
@pytest.mark.parametrize("wrap", [False, True])
def test_a_line_says_how_it_carries_columns_of_its_own(found, read, key, wrap):
    """Done as it says, they are carried along: that of one is that of all."""
    fields = {"prompt": "white", "image_urls": [URL]}
    document = {"id": "mug", **({"input": fields} if wrap else fields), "row": {"shelf": "3a"}}
    own = {"title": "Mug", "stock": 3}
    findings = found(json.dumps(document | own), "jsonl")
    message = f"{key!r} stands beside 'input': it would not be sent" if wrap else f"unknown field {key!r}"
    [hint] = (hint for code, _, _, said, hint in findings if (code, said) == ("unknown-field", message))
    assert hint.endswith('to carry it along write  "row": {"shelf": "3a", "title": "Mug", "stock": 3}')
    mended = document | json.loads(f"{{{hint.partition('write  ')[2]}}}")
    assert [spec.row for spec in read(json.dumps(mended), "jsonl").jobs] == [
        {"shelf": "3a", "title": "Mug", "stock": "3"}
    ]


@pytest.mark.parametrize(
    "more", [{"prompt": "\ud800"}, {"id": "\udfff"}, {"\ud800": 1}, {"model": "m\ud800"}, {"row": {"a": "\ud800"}}]
)
def test_half_a_character_is_refused_wherever_it_stands(found, more):
    """It can be read, but neither sent nor stored."""
    ((code, row, _, message, _),) = found(line(**more), "jsonl")
    assert (code, row, message.rsplit(": ", 1)[-1]) == ("json-syntax", 1, "surrogates not allowed")


@pytest.mark.timeout(30)
@pytest.mark.parametrize("depth", [51, 200, 260, 500, 900, 980, 3000, 30_000])
def test_a_tower_of_brackets_is_refused(found, depth):
    """However high: some floors below would end at 255, others near 1000."""
    for model in (DEFAULT_MODEL, "owner/unknown"):
        text = f'{{"id": "a", "model": "{model}", "x": {"[" * depth}{"]" * depth}}}\n'
        ((code, row, _, _, _),) = found(text, "jsonl")
        assert (code, row) == ("json-syntax", 1)


def test_brackets_in_a_prompt_are_text(read):
    assert inputs(read(line(prompt="[" * 500), "jsonl"))[0]["prompt"] == "[" * 500


def test_every_bad_line_is_told_at_once(found):
    text = line(id="a") + "{\n" + line(id="b", num_images=9) + "[]\n" + line(id="A", image_urls=["ftp://x.example/1"])
    assert [(code, row) for code, row, *_ in found(text, "ndjson")] == [
        ("json-syntax", 2),
        ("num-images", 3),
        ("json-syntax", 4),
        ("url-scheme", 5),
        ("duplicate-id", 5),
    ]


# ---------------------------------------------------------------------------------------------------------- all formats


def test_one_job_is_the_same_request_in_every_format(read):
    """The same fingerprint: a catalogue may move from one format to another without being paid again."""
    texts = {
        "yaml": f"version: 1\njobs:\n- {{prompt: white, image_urls: {URL}, aspect_ratio: 16:9, num_images: 2}}\n",
        "csv": f"{HEADER}mug,white,{URL},16:9,2\n",
        "tsv": f"{HEADER}mug,white,{URL},16:9,2\n".replace(",", "\t"),
        "jsonl": line(aspect_ratio="16:9", num_images=2),
    }
    assert len({read(text, ending).jobs[0].fingerprint for ending, text in texts.items()}) == 1


# ---------------------------------------------------------------------------------------- a picture that is missing


GAPS = [
    ("image_1,image_2,image_3", f"{URL},,{URL}?3", "D2", "'image_2' is empty: 'mug.jpg' is sent as image 2"),
    ("image_url_1,image_url_2", f",{URL}?2", "C2", "'image_url_1' is empty: 'mug.jpg' is sent as image 1"),
    ("image_urls", f"{URL} | | {URL}?3", "C2", "place 2 of 'image_urls' is empty: 'mug.jpg' is sent as image 2"),
    ("image_urls", f"| {URL}", "C2", "place 1 of 'image_urls' is empty: 'mug.jpg' is sent as image 1"),
]


@pytest.mark.parametrize(("columns", "cells", "cell", "message"), GAPS)
@pytest.mark.parametrize("name", ["image 2", "Photo 3", "picture 2", "Bild 2", "画像2", "图2", "图片 3"])
def test_a_picture_that_moves_up_is_told(read, found, columns, cells, cell, message, name):
    """`image 3` would be another: an error where the prompt says so."""
    text = f"id,prompt,{columns}\nmug,PROMPT,{cells}\n"
    told = [("missing-picture", cell, message)]
    warnings = read(text.replace("PROMPT", "A photo of 2024 and 20 images")).warnings
    assert [(d.code, d.place.cell, d.message) for d in warnings] == told
    wrong = found(text.replace("PROMPT", f"Put it into {name}."))
    assert [(code, place, said) for code, _, place, said, _ in wrong] == told


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        ("image_1,image_2,image_3", f"{URL},,"),
        ("image_1,image_2", f"{URL} | ,"),
        ("image_urls", f'"{URL}, {URL}?2,"'),
        ("image_urls", f'"{URL}\n\n{URL}?2"'),
        ("image_urls", f"{URL}|{URL}?2||"),
        ("image_urls", f"{URL}?{{{{ id | lower }}}} | {URL}"),
    ],
)
def test_nothing_behind_the_pictures_is_no_hole(read, columns, cells):
    manifest = read(f"id,prompt,{columns}\nmug,Use image 2,{cells}\n")
    assert [d.message for d in manifest.warnings if "empty" in d.message] == []


def test_a_picture_that_moves_up_in_one_text_of_json_is_told(found):
    text = line(prompt="As in image 2", image_urls=f"{URL} | {{{{ '' }}}} | {URL}?3")
    message = "place 2 is empty: 'mug.jpg' is sent as image 2"
    assert [(code, said) for code, _, _, said, _ in found(text, "jsonl")] == [("missing-picture", message)]


# ------------------------------------------------------------------------------------------------------ damaged texts


@pytest.mark.parametrize(
    ("prompt", "code", "message"),
    [
        ("caf\ufffd scene", "damaged-text", "prompt holds a letter that was lost: 'caf\ufffd scene'"),
        ("white\x07 bg", "damaged-text", "prompt holds the control character '\\x07': 'white\\x07 bg'"),
        ("on \u202eoak", "damaged-text", "prompt holds the control character '\\u202e': 'on \\u202eoak'"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_text_that_is_damaged_is_refused(found, prompt, code, message, ending):
    """What a person meant is lost already, or is not what a person sees."""
    text = f"{HEADER}mug,{prompt},{URL},,\n" if ending == "csv" else line(prompt=prompt)
    assert [(wrong[0], wrong[3]) for wrong in found(text, ending)] == [(code, message)]


@pytest.mark.parametrize("text", [line(id="m\ufffdg"), line(image_urls=[f"{URL}?\ufffd"])])
def test_ids_and_urls_that_are_damaged_are_refused(found, text):
    assert [wrong[0] for wrong in found(text, "jsonl")] == ["damaged-text"]


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("CafÃ© scene", "prompt looks like UTF-8 that was read in another encoding: 'CafÃ© scene'"),
        ("white â€“ soft", "prompt looks like UTF-8 that was read in another encoding: 'white â€“ soft'"),
        ("A {title} on oak", "'{title}' is sent as it stands, and there is a column 'title'"),
        ("A ${Title} on oak", "'${Title}' is sent as it stands, and there is a column 'title'"),
        ("A [title] on oak", "'[title]' is sent as it stands, and there is a column 'title'"),
    ],
)
def test_a_text_that_looks_damaged_is_told(read, prompt, message):
    """It may be meant; who pays is told."""
    manifest = read(f"id,title,prompt,image_urls\nmug,Mug,{prompt},{URL}\n")
    assert [(d.code, d.place.cell, d.message) for d in manifest.warnings] == [("odd-text", "C2", message)]


@pytest.mark.parametrize(
    "prompt", ["Größe {name} [1]", "Âme à Paris, É — “ok” ½", "{ css: 1 }", "日本語。白い背景", "{{ title }}"]
)
def test_a_text_that_is_only_foreign_is_not_told(read, prompt):
    assert read(f'id,title,prompt,image_urls\nmug,Mug,"{prompt}",{URL}\n').warnings == ()


# -------------------------------------------------------------------------------------------- what a line says twice


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"id": "a", "custom_id": "b"}, "'id' is 'a' and 'custom_id' is 'b'"),
        ({"id": "a", "input": {"id": "b"}}, "'id' is 'a' and 'input.id' is 'b'"),
        ({"id": "a", "model": "x/y", "body": {"model": "x/z"}}, "'model' is 'x/y' and 'body.model' is 'x/z'"),
        ({"id": "a", "model": "x/y", "url": "/v1/models/x/z", "body": {}}, "'model' is 'x/y' and 'url' is 'x/z'"),
        ({"id": "a", "url": "/v1/chat/completions", "body": {}}, "'url' names no model: '/v1/chat/completions'"),
        ({"id": "a", "method": "GET", "body": {}}, "a job is sent by the method POST alone"),
        ({"id": "a", "row": "text"}, "'row' is a mapping of columns, got 'text'"),
    ],
)
def test_a_line_that_says_two_things_is_refused(found, document, message):
    """Only one of them would be sent, and nobody would know which."""
    wrapper = next((key for key in ("input", "body") if key in document), None)
    fields = {"prompt": "white", "image_urls": [URL]}
    whole = document | ({wrapper: fields | document[wrapper]} if wrapper else fields)
    assert message in [wrong[3] for wrong in found(json.dumps(whole) + "\n", "jsonl")]


def test_a_line_that_says_one_thing_twice_is_taken(read):
    fields = {"prompt": "white", "image_urls": [URL], "id": "a"}
    model = "google/nano-banana/edit"
    document = {"custom_id": "a", "url": f"/v1/models/{model}", "method": "POST", "body": fields}
    (job,) = read(json.dumps(document) + "\n", "jsonl").jobs
    assert (job.job_id, job.model) == ("a", model)


def test_json_lines_in_utf16_say_so(found):
    (wrong,) = found(line().encode("utf-16"), "jsonl")
    assert wrong[3] == "it begins with the mark of UTF-16, and is to be read as utf-8"


# ------------------------------------------------------------------------------------------ what was hardly meant so


@pytest.mark.parametrize(
    ("prompt", "count", "called"),
    [
        ("Put the mug from image 1 on the table in image 2.", 1, 2),
        ("Use the second picture as its background", 1, 2),
        ("As in photo #3", 2, 3),
        ("画像2のテーブルに置く", 1, 2),
        ("Stil wie auf Bild 2", 1, 2),
        ("On image 1", 1, 0),
        ("Put image 1 on image 2", 2, 0),
        ("Make the image 16:9", 1, 0),
        ("As if a photo 35mm wide; image 2.5 times as large", 1, 0),
        ("Imagine 2 mugs", 1, 0),
    ],
)
def test_a_prompt_that_calls_a_picture_there_is_none_of_is_told(read, prompt, count, called):
    """It would be paid for all the same, and be something else."""
    pictures = "|".join(f"{URL}?{n}" for n in range(count))
    manifest = read(f"id,prompt,image_urls\nmug,{prompt},{pictures}\n")
    sent = "1 picture is sent" if count == 1 else f"{count} pictures are sent"
    told = [("missing-picture", f"the prompt speaks of image {called}, and {sent}")] if called else []
    assert [(d.code, d.message) for d in manifest.warnings] == told


@pytest.mark.parametrize(
    ("prompt", "code", "message"),
    [
        ("White.\\nKeep it.", "odd-text", "prompt holds '\\\\n', which is sent as it stands: 'White.\\\\nKeep it.'"),
        ("White_x000D_", "odd-text", "prompt holds '_x000D_', which is sent as it stands: 'White_x000D_'"),
        ("caf\\u00e9", "odd-text", "prompt holds '\\\\u00e9', which is sent as it stands: 'caf\\\\u00e9'"),
        ("'White", "odd-text", 'the apostrophe at the beginning is sent: "\'White"'),
        ("'White' it says", None, ""),
        ("C:\\new", None, ""),
        ("'White' on O'Neill's", None, ""),
    ],
)
def test_what_a_program_wrote_for_another_sign_is_told(read, prompt, code, message):
    """As a text it would be sent, and perhaps be drawn."""
    manifest = read(f"id,prompt,image_urls\nmug,{prompt},{URL}\n")
    assert manifest.jobs[0].inputs["prompt"] == prompt
    assert [(d.code, d.message) for d in manifest.warnings] == ([(code, message)] if code else [])


@pytest.mark.parametrize("comma", ["\u3001", "\uff0c", "\uff1b ", ", "])
def test_urls_are_set_apart_by_the_commas_of_all_keyboards(read, comma):
    """Glued together they would be one address that nobody has."""
    manifest = read(f'id,prompt,image_urls\nmug,White,"{URL}{comma}{URL}?2"\n')
    assert manifest.jobs[0].inputs["image_urls"] == [URL, f"{URL}?2"]


def test_the_width_of_letters_makes_no_other_column(read):
    """Of a keyboard that was set to Japanese; a template may write a name in either way."""
    names = [name.translate({n: n + 0xFEE0 for n in range(0x21, 0x7F)}) for name in ("ID", "prompt", "aspect_ratio")]
    half, full = "\uff76\uff97\uff70", "\u30ab\u30e9\u30fc"
    sheet = f"{','.join(names)},image_urls,{half}\n"
    rows = [f"{name},White {{{{ {name} }}}},1:1,{URL}?{name},red\n" for name in (half, full)]
    manifest = read(sheet + "".join(rows))
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == ["White red", "White red"]
    assert [(spec.job_id, spec.inputs["aspect_ratio"]) for spec in manifest.jobs] == [(half, "1:1"), (full, "1:1")]
    assert manifest.warnings == ()


FORMULAS = (
    *(
        "=B7",
        '=B7&" on white"',
        "=CONCAT(A2)",
        "= $A$1",
        '="On white, "&B2',
        "=Sheet1!B2",
        '=[@Title]&" on white"',
        "=b2",
    ),
    *("=+B2", "=@B2", '=(B2&"x")', "='Sheet 2'!B2", "=Table1[@Title]", '=concatenate("On ";B2)', '= "On white "&B2'),
    *("{=B2}", "=ПСТР(A1;1;2)", "=連結(B2)", "=1+1"),
)


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_no_prompt(found, formula):
    """Somebody saved the formulas, and not what they come to; nor is one an id."""
    cell = formula.replace('"', '""')
    (error,) = found(f'id,prompt,image_urls\nmug,"{cell}",{URL}\n')
    assert error[0] == "spoilt-cell"
    (error,) = found(f'id,prompt,image_urls\n"{cell}",White.,{URL}\n')
    assert error[0] == "spoilt-cell"


def test_a_sign_at_the_beginning_is_no_formula(read):
    prompts = ["= white =", "=) on white", "+ white"]
    manifest = read("id,prompt,image_urls\n" + "".join(f"m{n},{text},{URL}\n" for n, text in enumerate(prompts)))
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == prompts


@pytest.mark.parametrize(
    ("prompt", "is_told"),
    [
        ("\u201cWhite\u201d", True),
        ("\u201eWei\xdf\u201c", True),
        ("The \u201cOslo\u201d", False),
        ("\u300c白\u300d", True),
    ],
)
def test_quotes_around_all_of_a_prompt_are_told(read, prompt, is_told):
    """A text editor made them of straight ones, which would not be sent."""
    manifest = read(f"id,prompt,image_urls\nmug,{prompt},{URL}\n")
    assert [d.message for d in manifest.warnings] == [f"the quotes are sent: {prompt!r}"] * is_told


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        *((name, True) for name in ("gallery", "additional_image_link", "Hauptbild", "more photos", "画像2枚目")),
        *((name, False) for name in ("photographer", "image alt text", "photo note", "imagination", "product name")),
    ],
)
def test_other_pictures_of_a_sheet_are_told(read, name, is_told):
    """Of several columns of pictures those by one name are sent; what is about a picture is none."""
    manifest = read(f"id,prompt,image,{name}\nmug,White,{URL},{f'{URL}?2' if is_told else 'Ann'}\n")
    message = f"the column {name!r} is not sent: image_urls is read from 'image'"
    assert [d.message for d in manifest.warnings if d.code == "unused-column"] == [message] * is_told


def test_null_in_a_row_of_json_is_an_empty_cell(read, found):
    """And true is what a sheet writes for it."""
    row = {"colour": None, "new": True}
    prompt = "White{% if colour %} {{ colour }}{% endif %}{% if new == true %} new{% endif %}"
    assert inputs(read(line(prompt=prompt, row=row), "jsonl"))[0]["prompt"] == "White new"
    ((code, *_, message, _),) = found(line(prompt="{{ colour }}", row=row), "jsonl")
    assert (code, message) == ("template", "'colour' is empty, and the template needs it")


@pytest.mark.parametrize("prompt", ["{{ title & more }} <b>", "{% if nan", "{{ title }} is nan, and {{ none"])
def test_a_template_that_cannot_be_read_is_looked_at_no_further(found, prompt):
    """Whatever else is odd about it."""
    codes = [code for code, *_ in found(f'id,title,prompt,image_urls\nmug,nan,"{prompt}",{URL}\n')]
    assert codes[0] == "template"


@pytest.mark.parametrize("sign", ["#", "//", "--"])
def test_a_row_that_somebody_commented_out_is_told(read, sign):
    """Once: it is sent, and paid for."""
    rows = f"mug,White,{URL}\n{sign}cup,White,{URL}?2\n{sign}pot,White,{URL}?3\n"
    manifest = read(f"id,prompt,image_urls\n{rows}")
    assert [spec.job_id for spec in manifest.jobs] == ["mug", f"{sign}cup", f"{sign}pot"]
    message = f"'{sign}cup' is a job like any other: in a table a {sign} begins no comment"
    assert [(d.code, d.place.cell, d.message) for d in manifest.warnings] == [("odd-text", "A3", message)]


def test_a_template_within_a_cell_that_a_template_brings_in_is_told(read):
    """Nothing is filled in twice."""
    manifest = read(f'id,text,prompt,image_urls\nmug,"On {{{{ colour }}}}",{{{{ text }}}} please,{URL}\n')
    assert manifest.jobs[0].inputs["prompt"] == "On {{ colour }} please"
    (warning,) = manifest.warnings
    assert (warning.code, warning.message[:24]) == ("odd-text", "'{{ colour }} please' is")
