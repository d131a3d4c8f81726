"""Excel workbooks: what a person sees in a cell is what is read, and what only looks empty is told."""

import datetime as dt
import io
import re
import subprocess
import sys
import time
import zipfile

import pytest
import xlsxwriter

from runner.batch import load
from runner.manifest import InvalidManifest

URL = "https://cdn.example.com/mug.jpg"
HEADER = ["id", "prompt", "image_urls"]


@pytest.fixture
def read(tmp_path):
    """Reads a workbook, made of rows or by a function or of bytes, with what the manifest says of it."""

    def read(content, source="", head="", name="book.xlsx"):
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            write(path, content)
        if not source and not head:
            return load(path)
        more = f", {source}" if source else ""
        manifest = tmp_path / "m.yaml"
        manifest.write_text(f"version: 1\n{head}\nsources: [{{file: {name}{more}}}]\n")
        return load(manifest)

    return read


@pytest.fixture
def found(read):
    """What is wrong with it: code, line, cell and message."""

    def found(*arguments, **more):
        with pytest.raises(InvalidManifest) as caught:
            read(*arguments, **more)
        return [
            (d.code, d.place.line, d.place.cell, d.message) for d in caught.value.diagnostics if d.severity == "error"
        ]

    return found


def write(path, content):
    with xlsxwriter.Workbook(path, {"constant_memory": False}) as book:
        if callable(content):
            content(book)
        else:
            sheet = book.add_worksheet()
            for number, row in enumerate(content):
                put(sheet, number, row)


def put(sheet, number, row, left=0):
    """A row of values; a text stays text, whatever it looks like."""
    for index, value in enumerate(row, start=left):
        if isinstance(value, str):
            sheet.write_string(number, index, value)
        elif value is not None:
            sheet.write(number, index, value)


def job(**more):
    """Two rows, a header and a job, with further columns."""
    return [[*HEADER, *more], ["mug", "White.", URL, *more.values()]]


def jobs(manifest):
    return [(spec.job_id, spec.inputs["prompt"], spec.inputs["image_urls"]) for spec in manifest.jobs]


def edited(content, part, change):
    """The workbook's bytes with one of its parts changed."""
    made = io.BytesIO(content if isinstance(content, bytes) else b"")
    if not made.getbuffer():
        write(made, content)
    out = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, change(data) if name == part else data)
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


# -------------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("00123", "00123"),
        ("  spaces  ", "  spaces  "),
        ("line\nbreak\r\nand return", "line\nbreak\r\nand return"),
        ("_x000D_ as it stands", "_x000D_ as it stands"),
        ("商品 “ß” 🎉", "商品 “ß” 🎉"),
        ("<b>&amp;</b>", "<b>&amp;</b>"),
        ("=1+1", "=1+1"),
        (12, "12"),
        (12.0, "12"),
        (-3, "-3"),
        (12.5, "12.5"),
        (0.1 + 0.2, "0.3"),
        (1 / 3, "0.333333333333333"),
        (999_999_999_999_999, "999999999999999"),
        (1234567890123456, "1.23456789012346E+15"),
        (True, "true"),
        (False, "false"),
    ],
)
def test_a_value_is_the_text_that_a_person_sees(read, value, text):
    """Texts to the letter, numbers without the tail that only machines see."""
    (spec,) = read(job(value=value)).jobs
    assert spec.row["value"] == text


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (123, "00000", "00123"),
        (1234567, "00000", "1234567"),
        (12.5, "0.00", "12.50"),
        (dt.date(2026, 11, 22), "yyyy-mm-dd", "2026-11-22"),
        (dt.datetime.fromisoformat("2026-11-22T16:09:30"), "yyyy-mm-dd hh:mm:ss", "2026-11-22 16:09:30"),
        (dt.time(16, 9), "hh:mm", "16:09"),
        (dt.time(16, 9, 5), "hh:mm:ss", "16:09:05"),
        (dt.timedelta(hours=32, minutes=9), "[h]:mm", "32:09"),
    ],
)
def test_a_value_is_shown_in_its_form(read, value, form, text):
    """Zeros before a number, as article numbers have them; dates and times."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "value"])
        put(sheet, 1, ["mug", "White.", URL])
        sheet.write(1, 3, value, book.add_format({"num_format": form}))

    (spec,) = read(content).jobs
    assert spec.row["value"] == text


def shaped(value, form, prompt="White."):
    """A job with one cell of this format."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "value"])
        put(sheet, 1, ["mug", prompt, URL])
        sheet.write(1, 3, value, book.add_format({"num_format": form}))

    return content


@pytest.mark.parametrize(
    ("value", "form", "prompt"),
    [
        (12.5, "0.00", "For 12.50."),
        (0.25, "0%", "For 25%."),
        (0.125, "0.0%", "For 12.5%."),
        (1234.5, "#,##0.00", "For 1,234.50."),
        (2.5, "0", "For 3."),
        (7, "0", "For 7."),
        (123, "00000", "For 00123."),
        (-2.5, "0.00", "For -2.50."),
        (-2.5, "0.00;[Red]-0.00", "For -2.50."),
        (-3, "0_);[Red]\\(0\\)", "For (3)."),
        (2.675, "0.00", "For 2.68."),
        (0, '0;-0;"0"0', "For 00."),
        (5, '0 "Stk."', "For 5 Stk.."),
        (12.5, '0 "Stk."', "For 13 Stk.."),
        (-5, '0 "Stk."', "For -5 Stk.."),
        (950, '#,##0\\ "€"', "For 950 €."),
        (7, '"SKU-"0', "For SKU-7."),
        (7, '"SKU-"0000', "For SKU-0007."),
        (12, "[$€-407]0", "For €12."),
        (12, "0 [$€-2]", "For 12 €."),
        (0.25, "0 %", "For 25 %."),
        (dt.date(2026, 1, 2), "dd.mm.yyyy", "For 02.01.2026."),
        (dt.date(2026, 1, 2), "[$-407]d.m.yy;@", "For 2.1.26."),
        (dt.date(2026, 11, 22), 'yyyy"年"m"月"d"日"', "For 2026年11月22日."),
        (dt.datetime.fromisoformat("2026-01-02 13:05"), "dd-mm-yyyy", "For 02-01-2026."),
    ],
)
def test_a_template_has_what_a_person_sees(read, value, form, prompt):
    """The plain formats of numbers are worked out."""
    (spec,) = read(shaped(value, form, "For {{ value }}.")).jobs
    assert spec.inputs["prompt"] == prompt


@pytest.mark.parametrize(
    ("value", "form", "kept"),
    [
        (12345, "00-000", "12345"),
        (12.5, '0.00 "EUR"', "12.5"),
        (12.5, "0.00[$€-407]", "12.5"),
        (1234, '#,##0 "EUR"', "1234"),
        (dt.date(2026, 11, 22), "dd/mm/yyyy", "2026-11-22"),
        (dt.date(2026, 11, 22), "d. mmmm yyyy", "2026-11-22"),
        (dt.date(2026, 11, 22), "dd.mm.yyyy hh:mm", "2026-11-22"),
        (dt.date(2026, 11, 22), "[$-D07041E]d.m.yyyy", "2026-11-22"),
        (0.5, "# ?/?", "0.5"),
        (10, "0.##", "10"),
        (150, '[>100]0" much";0', "150"),
        (5000, '0,"k"', "5000"),
        (-0.2, "0", "-0.2"),
        (-3, "0;;", "-3"),
    ],
)
def test_a_format_that_is_not_worked_out_is_told_where_it_is_used(found, read, value, form, kept):
    """`SKU-7` is what a person would check, and 7 what would be sent; nobody minds where neither is."""
    [(code, _, _, message)] = found(shaped(value, form, "For {{ value }}."))
    assert code == "template"
    assert message.endswith(f"the cell is shown by the format {form!r}, and what is in it is {kept!r}")
    assert read(shaped(value, form)).jobs[0].row["value"] == kept


@pytest.mark.parametrize(
    ("prompt", "sent"),
    [
        ("For {{ value | round(2) }} EUR.", "For 12.5 EUR."),
        ("For {{ value | round }} EUR.", "For 12 EUR."),
        ("For {{ value | int }} EUR.", "For 12 EUR."),
        ("For {{ value | float }} EUR.", "For 12.5 EUR."),
        ("For {{ value * 2 }} EUR.", "For 25 EUR."),
        ("{% if value > 10 %}Dear.{% endif %}", "Dear."),
        ("{% if value %}For {{ value | int }}.{% endif %}", "For 12."),
        ("For {{ value }}.", None),
        ("For {{ value ~ ' EUR' }}.", None),
        ("For {{ value | upper }}.", None),
        ("For {{ value | default('x') }}.", None),
        ("For {{ [value] | join(' ') }}.", None),
        ("{% if value == '12.5' %}Dear.{% endif %}", None),
        ("{% if value in ['12.5'] %}Dear.{% endif %}", None),
    ],
)
def test_a_number_that_is_shown_otherwise_may_be_reckoned_with(read, found, prompt, sent):
    """Its text is not known, since a German spreadsheet has a comma there; the number is, and the error says so."""
    content = shaped(12.5, '0.00 "EUR"', prompt)
    if sent is not None:
        assert read(content).jobs[0].inputs["prompt"] == sent
        return
    with pytest.raises(InvalidManifest) as caught:
        read(content)
    [error] = caught.value.diagnostics
    assert (error.code, error.hint.partition("; or ")[2]) == (
        *("template", "send the number that is in it, as in  {{ value | round(2) }}"),
    )


def test_what_is_no_such_number_is_not_to_be_rounded(found, read):
    """A date, or thousands that are shown as ones: the remedy does not say so."""
    for value, form in ((dt.date(2026, 11, 22), "d. mmmm yyyy"), (5000, '0,"k"')):
        with pytest.raises(InvalidManifest) as caught:
            read(shaped(value, form, "For {{ value }}."))
        assert [error.hint for error in caught.value.diagnostics] == [
            "format the column as Text, and write what is meant"
        ]


def test_an_id_is_what_a_person_sees(found):
    """In an id even a percent sign or a comma is refused: it is another product's name, or a mistake."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, HEADER)
        put(sheet, 1, [None, "White.", URL])
        sheet.write(1, 0, 7, book.add_format({"num_format": '"SKU-"0'}))

    message = "the cell shows 'SKU-7', and what is in it is '7'"
    assert found(content) == [("formatted-cell", 2, "A2", message)]


def test_a_condition_asks_for_what_is_in_a_cell(read):
    """Numbers are compared, whatever stands beside them."""
    assert len(read(shaped(12.5, '0.00 "EUR"'), "where: value > 12").jobs) == 1


@pytest.mark.parametrize(
    ("value", "form", "condition"),
    [
        (0.25, "0%", "value < 20"),
        (5000, '0,"k"', "value > 100"),
        (dt.datetime.fromisoformat("2026-01-31 13:05"), "dd.mm.yyyy", "value > '2026-01-31'"),
        (dt.datetime.fromisoformat("2026-01-31 13:05"), "yyyy-mm-dd", "value != '2026-01-31'"),
    ],
)
def test_a_condition_does_not_ask_for_what_is_seen_as_another_value(found, value, form, condition):
    """25 % is not less than 20, and a day is not later than itself."""
    [error] = found(shaped(value, form), "where: " + condition)
    assert error[0] == "where"
    assert "and what is in it is" in error[3]


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize("holds_texts", [False, True], ids=["texts in a part of their own", "texts in the sheet"])
def test_an_endless_cell_is_refused_in_a_moment(tmp_path, found, row, holds_texts):
    """Sixty kilobytes that unpack to sixty megabytes; Excel itself takes 32,767 letters."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"constant_memory": holds_texts, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, [*HEADER, "MARK" if row == 0 else "note"])
        sheet.write_row(1, 0, ["a", "White.", URL, "MARK"])
    large = io.BytesIO()
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"MARK", bytes([120]) * 60_000_000, 1))
    began = time.process_time()
    [(code, *_, message)] = found(large.getvalue())
    assert (code, "of more than 1 MB" in message) == ("too-large", True)
    assert time.process_time() - began < 3.0


@pytest.mark.parametrize(
    ("form", "seen"),
    [
        ('@" Keep label."', "White. Keep label."),
        (";;;", ""),
        ('0;0;0;"SKU-"@', "SKU-White."),
        *(
            (form, None)
            for form in ("@", "0.00", "#,##0;[Red]-#,##0", "yyyy-mm-dd", '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)')
        ),
    ],
)
def test_a_text_that_is_seen_as_another_is_refused(read, found, form, seen):
    """A format may put words before and behind it, or hide it."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, HEADER)
        put(sheet, 1, ["mug", "", URL])
        sheet.write(1, 1, "White.", book.add_format({"num_format": form}))

    if seen is None:
        assert read(content).jobs[0].inputs["prompt"] == "White."
    else:
        message = f"the cell shows {seen!r}, and what is in it is 'White.'"
        assert found(content) == [("formatted-cell", 2, "B2", message)]


@pytest.mark.parametrize(
    ("value", "form", "seen"),
    [
        (dt.datetime.fromisoformat("2026-11-27 13:05"), "yyyy-mm-dd", "2026-11-27"),
        (dt.datetime.fromisoformat("2026-11-27"), "yyyy-mm-dd", "2026-11-27"),
        (dt.time(12, 30, 45), "hh:mm", "12:30"),
        (dt.datetime.fromisoformat("2026-11-27 12:05"), "hh:mm", "12:05"),
        (dt.datetime.fromisoformat("2026-11-27 12:05:09"), "hh:mm:ss", "12:05:09"),
        *((12, form, "12") for form in ("0_ ", "0_);[Red]\\(0\\)", "_(* 0_);_(* \\(0\\);_(@_)", "0;-0")),
    ],
)
def test_a_time_that_is_not_seen_is_not_sent(read, value, form, seen):
    """In a template that asks for the day."""
    [job] = read(shaped(value, form, "On {{ value }}.")).jobs
    assert job.inputs["prompt"] == f"On {seen}."


def test_hidden_columns_are_told(read):
    """They are read: what nobody sees may still be what is sent."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "num_images", "note"])
        put(sheet, 1, ["mug", "White.", URL, 4, ""])
        sheet.set_column(3, 3, None, None, {"hidden": True})

    told = [(d.code, d.place.cell, d.message) for d in read(content).warnings]
    assert told == [("hidden-columns", "D1", "hidden columns are read all the same: 'num_images'")]


def test_the_sheet_that_is_read_is_said_where_there_are_others(read):
    def content(book):
        for name in ("May", "June"):
            sheet = book.add_worksheet(name)
            put(sheet, 0, HEADER)
            put(sheet, 1, [name, "White.", URL])

    manifest = read(content)
    assert [spec.job_id for spec in manifest.jobs] == ["May"]
    assert [(d.severity, d.message) for d in manifest.warnings] == [("note", "the sheet 'May' is read, and not 'June'")]
    assert read(content, "sheet: June").warnings == ()


def test_numbers_are_ids_as_they_are_seen(read):
    rows = [HEADER, [7, "White.", URL], [12.0, "White.", f"{URL}?2"], ["00123", "White.", f"{URL}?3"]]
    assert [job_id for job_id, *_ in jobs(read(rows))] == ["7", "12", "00123"]


def test_an_id_of_sixteen_digits_has_lost_one(found):
    """A spreadsheet keeps fifteen: another product's number may be the same."""
    rows = [HEADER, [1234567890123456, "White.", URL]]
    assert found(rows) == [("id", 2, "A2", "id '1.23456789012346E+15' was shortened by a spreadsheet")]


@pytest.mark.parametrize(
    ("time_of_day", "meant"), [(dt.time(16, 9), "16:9"), (dt.time(1, 1), "1:1"), (dt.time(4, 5), "4:5")]
)
def test_a_ratio_that_became_a_time_is_told_with_its_remedy(read, time_of_day, meant):
    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "aspect_ratio"])
        put(sheet, 1, ["mug", "White.", URL])
        sheet.write_datetime(1, 3, time_of_day, book.add_format({"num_format": "hh:mm"}))

    with pytest.raises(InvalidManifest) as caught:
        read(content)
    (wrong,) = caught.value.diagnostics
    assert (wrong.code, wrong.place.line, wrong.place.cell) == ("aspect-ratio", 2, "D2")
    assert wrong.hint.startswith(f"did you mean {meant!r}? spreadsheets turn {meant} into the time ")


def test_numbers_are_read_as_the_models_numbers(read):
    (spec,) = read(job(num_images=2.0, aspect_ratio="16:9")).jobs
    assert (spec.inputs["num_images"], spec.inputs["aspect_ratio"]) == (2, "16:9")


def test_a_readers_aid_is_no_part_of_a_text(read):
    """Japanese workbooks hold the pronunciation beside the word."""
    content = [HEADER, ["mug", "商品を白に", URL]]
    aid = '<rPh sb="0" eb="2"><t>ショウヒン</t></rPh>'.encode()
    data = edited(
        content,
        "xl/sharedStrings.xml",
        lambda xml: xml.replace("商品を白に</t>".encode(), "商品を白に</t>".encode() + aid),
    )
    assert jobs(read(data)) == [("mug", "商品を白に", [URL])]


# ---------------------------------------------------------------------------------------------- cells that look empty


def formula(value, column=1):
    """A workbook with a formula that has this value."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "note"])
        put(sheet, 1, ["mug", "White.", URL, "x"])
        sheet.write_formula(1, column, '="A "&A2', None, value)

    return content


@pytest.mark.parametrize("word", ["#REF!", "#N/A", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_failed_formula_is_no_empty_cell(found, read, word, column):
    """The reader gives nothing for it, and nothing means the default: of a prompt, of all things."""
    head = "defaults: {prompt: Black.}"
    place = ("spoilt-cell", 2, f"{'ABC'[column]}2", f"{word} is a spreadsheet's error, not a value")
    assert place in found(formula(word, column), head=head)
    assert jobs(read(formula(word, 3))) == [("mug", "White.", [URL])]


def test_a_formula_that_was_never_worked_out_is_no_empty_cell(found, read):
    """As programs write them that cannot calculate: a person who opens the workbook sees a text."""
    told = "a formula that was never worked out: open the workbook in a spreadsheet, and save it"
    assert found(formula(""), head="defaults: {prompt: Black.}") == [("spoilt-cell", 2, "B2", told)]
    assert jobs(read(formula("A mug"))) == [("mug", "A mug", [URL])]
    bare = edited(formula(""), SHEET, lambda xml: xml.replace(b"<v></v>", b"").replace(b"<v/>", b""))
    assert found(bare, head="defaults: {prompt: Black.}") == [("spoilt-cell", 2, "B2", told)]


def calculated(content):
    """The workbook as a spreadsheet saves it: nothing is left to be worked out when it is opened."""
    return edited(content, "xl/workbook.xml", lambda xml: xml.replace(b' fullCalcOnLoad="1"', b""))


@pytest.mark.parametrize("value", [0, 0.0, ""])
def test_the_zero_of_a_program_that_cannot_calculate_is_no_value(found, read, value):
    """It stands for every formula till a spreadsheet opens the workbook: "White for 0" would be paid for."""
    told = "a formula that was never worked out: open the workbook in a spreadsheet, and save it"
    for column, cell in ((0, "A2"), (1, "B2"), (2, "C2")):
        assert ("spoilt-cell", 2, cell, told) in found(formula(value, column))
    ((code, _, _, message),) = found(formula(value, 3), head=NOTED)
    assert (code, message) == ("template", f"cell D2 (note): {told} (for book.xlsx:2)")
    assert jobs(read(formula(value, 3))) == [("mug", "White.", [URL])]


NOTED = 'overrides: [{match: mug, set: {prompt: "White for {{ note }}"}}]'


def test_a_zero_that_was_worked_out_is_a_zero(read):
    """As is one that no formula gives, in any workbook; and a text that a program worked out itself."""
    assert jobs(read(calculated(formula(0)))) == [("mug", "0", [URL])]
    assert jobs(read(formula("A mug"))) == [("mug", "A mug", [URL])]
    assert jobs(read([HEADER, ["mug", 0, URL]])) == [("mug", "0", [URL])]


def test_the_zeros_beside_an_array_formula_are_its_own(found):
    """It stands in the first of its cells alone; a program fills up the others with zeros."""

    def content(book):
        sheet = book.add_worksheet()
        for number, row in enumerate([HEADER, ["a", "", URL], ["b", "", URL], ["c", 0, URL]]):
            put(sheet, number, row)
        sheet.write_array_formula("B2:B3", '{="White for "&A2:A3}')

    assert [(code, cell) for code, _, cell, _ in found(content)] == [("spoilt-cell", "B2"), ("spoilt-cell", "B3")]


def test_a_formula_that_comes_to_nothing_is_empty(read):
    """Excel says so itself: its type is text."""
    data = edited(calculated(formula("")), SHEET, lambda xml: xml.replace(b'<c r="B2"', b'<c r="B2" t="str"'))
    assert jobs(read(data, head="defaults: {prompt: Black.}")) == [("mug", "Black.", [URL])]


def with_merge(area, text="White."):
    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "note"])
        for row in range(1, 4):
            put(sheet, row, [f"mug-{row}", "" if "B" in area else "White.", URL, "x"])
        sheet.merge_range(area, text)

    return content


def test_merged_cells_have_one_value_and_look_as_if_all_had_it(found, read):
    """A prompt over three rows is the first row's alone; what the other two would send is not guessed."""
    told = "it is part of merged cells, of which only the first has the value: unmerge them"
    errors = found(with_merge("B2:B4"), head="defaults: {prompt: Black.}")
    assert errors == [("spoilt-cell", 3, "B3", told), ("spoilt-cell", 4, "B4", told)]
    assert len(read(with_merge("D2:D4")).jobs) == 3


def test_a_merged_header_leaves_columns_without_a_name(found):
    """`Photos` over three columns is the name of the first."""

    def content(book):
        sheet = book.add_worksheet()
        sheet.merge_range("C1:E1", "image_urls")
        put(sheet, 0, ["id", "prompt"])
        put(sheet, 1, ["mug", "White.", URL, f"{URL}?2", f"{URL}?3"])

    assert found(content) == [("merged-cell", 1, "D1", "the header is merged with the cell beside it")]


def test_thousands_of_merges_take_no_time(read):
    """As a catalogue has them, a product over three rows."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "group"])
        for row in range(9000):
            put(sheet, row + 1, [f"mug-{row}", "White.", f"{URL}?{row}"])
        for row in range(1, 9000, 3):
            sheet.merge_range(row, 3, row + 2, 3, "x")

    began = time.process_time()
    assert len(read(content).jobs) == 9000
    assert time.process_time() - began < 15


@pytest.mark.parametrize("holds_texts", [False, True], ids=["texts in a part of their own", "texts in the sheet"])
def test_text_that_is_struck_through_is_told(read, holds_texts):
    """A cell, a piece of one, and a row that is out of stock: a person reads them as gone."""
    made = io.BytesIO()
    with xlsxwriter.Workbook(made, {"constant_memory": holds_texts, "strings_to_urls": False}) as book:
        sheet, gone = book.add_worksheet(), book.add_format({"font_strikeout": True})
        sheet.write_row(0, 0, HEADER)
        sheet.write_row(1, 0, ["a", "White.", URL])
        sheet.write_row(2, 0, ["b", "White.", f"{URL}?2"], gone)
        sheet.write_row(3, 0, ["c", "", f"{URL}?3"])
        sheet.write_rich_string(3, 1, "Put it on ", gone, "oak", " marble.")
        sheet.write_blank(5, 1, None, gone)
    manifest = read(made.getvalue())
    [warning] = manifest.warnings
    assert [job.inputs["prompt"] for job in manifest.jobs] == ["White.", "White.", "Put it on oak marble."]
    message = "4 cells whose text is struck through, wholly or in part, is read as if it were not"
    assert (warning.code, warning.place.cell, warning.message) == ("struck-text", "A3", message)


def test_rows_that_are_hidden_are_told(read):
    """By a filter, most of them: a person does not see them, and pays for them all the same."""

    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, HEADER)
        for row in range(1, 5):
            put(sheet, row, [f"mug-{row}", "White.", f"{URL}?{row}"])
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_row(3, None, None, {"hidden": True})
        sheet.set_row(8, None, None, {"hidden": True})

    manifest = read(content)
    (warning,) = manifest.warnings
    message = "2 of its rows are hidden, by a filter perhaps, and are read all the same"
    assert (len(manifest.jobs), warning.code, warning.place.cell, warning.message) == (4, "hidden-rows", "A3", message)


# -------------------------------------------------------------------------------------------------------------- sheets


def two_sheets(book):
    for name, prompt in (("Spring", "White."), ("Summer", "Blue.")):
        sheet = book.add_worksheet(name)
        put(sheet, 0, HEADER)
        put(sheet, 1, ["mug", prompt, URL])


@pytest.mark.parametrize(
    ("source", "prompt"), [("", "White."), ("sheet: Spring", "White."), ("sheet: Summer", "Blue.")]
)
def test_the_first_sheet_is_read_or_the_one_that_is_named(read, source, prompt):
    assert jobs(read(two_sheets, source, "name: x")) == [("mug", prompt, [URL])]


def test_a_sheet_that_is_not_there_is_told_with_the_nearest(read):
    with pytest.raises(InvalidManifest, match=r"there is no sheet 'Sumer' in it\n *= did you mean 'Summer'\?"):
        read(two_sheets, "sheet: Sumer")


def test_the_first_sheet_is_the_first_that_is_shown(read):
    """Hidden ones hold lists for choosing from; a chart is no table."""

    def content(book):
        lists, _, shown = book.add_worksheet("Lists"), book.add_chartsheet("Chart"), book.add_worksheet("Data")
        put(lists, 0, ["prompt", "image_urls"])
        put(shown, 0, HEADER)
        put(shown, 1, ["mug", "White.", URL])
        shown.activate()
        lists.hide()

    assert jobs(read(content)) == [("mug", "White.", [URL])]


@pytest.mark.parametrize(("top", "left"), [(4, 2), (0, 3), (6, 0)])
def test_a_table_may_begin_anywhere(read, found, top, left):
    """Its places are the spreadsheet's."""

    def content(book, url=URL):
        sheet = book.add_worksheet()
        put(sheet, top, HEADER, left)
        put(sheet, top + 2, ["mug", "White.", url], left)

    manifest = read(content)
    assert jobs(manifest) == [("mug", "White.", [URL])]
    assert manifest.jobs[0].source.endswith(f"book.xlsx:{top + 3}")
    ((code, line, cell, _),) = found(lambda book: content(book, "http://x.example.com"))
    assert (code, line, cell) == ("url-scheme", top + 3, f"{'ABCDEF'[left + 2]}{top + 3}")


def test_blank_rows_and_trailing_columns_are_nothing(read):
    """Formatted but empty, within the table and beside it."""

    def content(book):
        sheet = book.add_worksheet()
        grey = book.add_format({"bg_color": "#eeeeee"})
        put(sheet, 0, HEADER)
        put(sheet, 1, ["mug", "White.", URL])
        put(sheet, 5, ["lamp", "Blue.", URL])
        for row in range(12):
            sheet.write_blank(row, 7, None, grey)
        sheet.write_string(9, 0, "   ")

    manifest = read(content)
    assert [(spec.job_id, spec.source.rsplit(":")[-1]) for spec in manifest.jobs] == [("mug", "2"), ("lamp", "6")]


def test_a_cell_beside_the_table_is_nobodys(found):
    rows = [HEADER, ["mug", "White.", URL, None, "loose"]]
    assert found(rows) == [("ragged-row", 2, "E2", "a cell beside the table: its column has no name")]


def test_a_sheet_of_nothing_is_told(found):
    assert found([]) == [("empty", 1, None, "an empty table")]
    assert found([HEADER])[0][:1] == ("no-jobs",)


def test_a_column_names_the_jobs_as_in_any_table(read):
    """The workbook is opened twice for it."""
    rows = [["sku", "prompt", "image_urls"], ["00123", "White.", URL], [124, "Blue.", URL]]
    assert [job_id for job_id, *_ in jobs(read(rows))] == ["00123", "124"]


def test_a_preset_reads_a_workbook_alike(read):
    rows = [["Handle", "Title", "Image Src", "Image Position"], ["mug", "Mug", f"{URL}?2", 2], ["mug", None, URL, 1]]
    manifest = read(rows, "preset: shopify", "defaults: {prompt: White.}")
    assert jobs(manifest) == [("mug", "White.", [URL, f"{URL}?2"])]


# -------------------------------------------------------------------------------------------------- what is no workbook


def book_bytes(content=None):
    made = io.BytesIO()
    write(made, content or job())
    return made.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"id,prompt,image_urls\nmug,White.,https://cdn.example.com/mug.jpg\n",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000),
        b"PK\3\4" + bytes(100),
        b"PK\5\6" + bytes(18),
        b"<html><table></table></html>",
    ],
    ids=["empty", "csv", "old or encrypted", "half a zip", "empty zip", "html"],
)
def test_what_is_no_workbook_is_told(found, data):
    """A sheet that was renamed, the format of before 2007, one with a password."""
    ((code, _, _, message),) = found(data)
    assert (code, message.startswith("not an Excel workbook (.xlsx): ")) == ("xlsx", True)


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/_rels/workbook.xml.rels", SHEET, "xl/sharedStrings.xml", "xl/styles.xml"]
)
@pytest.mark.parametrize("change", ["cut", "gone", "garbage", "empty"])
def test_a_broken_part_is_an_error_and_no_crash(tmp_path, read, part, change):
    """Or it is not needed: then the jobs are what they were."""
    data = book_bytes()
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == part:
                if change == "gone":
                    continue
                content = {"cut": content[: len(content) // 2], "garbage": b"\0\xff<" * 50, "empty": b""}[change]
            new.writestr(name, content)
    codes, made = set(), [("mug", "White.", [URL])]
    try:
        made = jobs(read(out.getvalue()))
    except InvalidManifest as error:
        codes = {d.code for d in error.diagnostics}
    assert codes <= {"xlsx", "sheet", "empty", "missing-column", "no-jobs"}
    assert made == [("mug", "White.", [URL])]


@pytest.mark.parametrize(
    ("part", "before", "after", "told"),
    [
        (SHEET, b'r="B2"', b'r="B' + b"9" * 40 + b'"', "no cell is called 'B9999999999999999999'"),
        (SHEET, b'r="B2"', b'r="Bnull7"', "no cell is called 'Bnull7'"),
        (SHEET, b'<row r="2"', b'<row r="2e9"', "no row is called '2e9'"),
        (SHEET, b"<v>4</v>", b"<v>\n4</v>", "row 2: no text has the number '\\n4'"),
        (SHEET, b"<v>4</v>", b"<v>4.0</v>", "row 2: no text has the number '4.0'"),
        ("xl/workbook.xml", b"UTF-8", b"UTF-88", "unknown encoding: UTF-88"),
        ("xl/styles.xml", b"spreadsheetml", b"sheetml", "its styles are written in another way than Excel's"),
    ],
)
def test_what_the_reader_would_take_for_something_else_is_refused(found, part, before, after, told):
    """A cell a billion rows below ends the process; a broken number of a text is read as the first text of all."""
    data = edited(job(), part, lambda xml: xml.replace(before, after, 1))
    assert [(code, message) for code, _, _, message in found(data)] == [
        ("xlsx", f"not an Excel workbook (.xlsx): {told}")
    ]


@pytest.mark.parametrize("at", range(0, 100, 4))
def test_a_cut_workbook_is_refused(found, at):
    """A download that ended too early."""
    data = book_bytes()
    ((code, *_),) = found(data[: len(data) * at // 100])
    assert code == "xlsx"


MEASURE = """
import resource, sys, time
from pathlib import Path
from runner.batch import load
from runner.manifest import InvalidManifest
load(Path(sys.argv[2]))
rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, began = rss(), time.monotonic()
try:
    load(Path(sys.argv[1]))
except InvalidManifest as error:
    print(error.diagnostics[0].code, error.diagnostics[0].message, sep="|")
print(time.monotonic() - began)
print(rss() - before)
"""


def measured(tmp_path, data):
    """What is said of a workbook, in how many seconds, and by how many MB the memory grows."""
    (tmp_path / "bomb.xlsx").write_bytes(data)
    (tmp_path / "small.xlsx").write_bytes(book_bytes())
    words = [sys.executable, "-c", MEASURE, tmp_path / "bomb.xlsx", tmp_path / "small.xlsx"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    said, seconds, grown = done.stdout.splitlines()
    return said, float(seconds), float(grown)


def cells(xml, more):
    return re.sub(rb"</sheetData>", more + b"</sheetData>", xml)


BOMBS = {
    "two cells far apart": (
        SHEET,
        lambda xml: cells(xml, b'<row r="1048576"><c r="XFD1048576" t="n"><v>1</v></c></row>'),
        r"too-large\|the sheet spans 1,048,576 rows and 16,384 columns",
    ),
    "a row far below, its cell without a name": (
        SHEET,
        lambda xml: cells(xml, b'<row r="1048576">' + b"<c><v>1</v></c>" * 30 + b"</row>"),
        r"too-large\|the sheet spans 1,048,576 rows and 30 columns",
    ),
    "entities of entities": (
        SHEET,
        lambda xml: (
            b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
            + b"".join(b'<!ENTITY %c "%s">' % (c + 1, b"&%c;" % c * 10) for c in range(ord("a"), ord("k")))
            + b"]>"
            + xml.partition(b"?>")[2].replace(b"<sheetData>", b"<sheetData>&k;")
        ),
        r"xlsx\|not an Excel workbook.*",
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, bomb):
    """A file of a few kilobytes, or of one megabyte, that would fill any machine."""
    part, change, said = BOMBS[bomb]
    message, seconds, grown = measured(tmp_path, edited(job(), part, change))
    assert re.fullmatch(said, message)
    assert seconds < 5
    assert grown < 100


def claiming(data, size):
    """The workbook with another size of its sheet in its directory."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        real = archive.getinfo(SHEET).file_size
    return data.replace(real.to_bytes(4, "little"), size.to_bytes(4, "little"))


def test_gigabytes_are_refused_by_what_they_say(tmp_path):
    """Before any of it is unpacked."""
    message, seconds, grown = measured(tmp_path, claiming(book_bytes(), 1100 << 20))
    assert message == "too-large|the workbook unpacks to more than 1 GiB"
    assert (seconds < 1, grown < 30) == (True, True)


def test_a_part_that_is_larger_than_it_says_is_refused(tmp_path):
    """The sizes in a zip are claims: this one says a hundred bytes, and unpacks to sixty megabytes."""
    data = edited(job(), SHEET, lambda xml: xml + b" " * (60 << 20))
    message, seconds, grown = measured(tmp_path, claiming(data, 100))
    assert message == f"xlsx|not an Excel workbook (.xlsx): {SHEET} is larger than it says"
    assert (seconds < 2, grown < 40) == (True, True)


def test_two_parts_of_one_name_are_refused(found):
    """One reader would take the first, another the last."""
    out = io.BytesIO(book_bytes())
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(out, "a") as archive:
        archive.writestr(SHEET, b"<worksheet/>")
    assert found(out.getvalue()) == [("xlsx", 1, None, "not an Excel workbook (.xlsx): two of its parts have one name")]


def test_without_the_extra_it_says_what_to_install(tmp_path):
    """As on a machine where nobody needs workbooks."""
    (tmp_path / "m.xlsx").write_bytes(book_bytes())
    code = (
        "import sys; sys.modules['python_calamine'] = None\n"
        "from runner.cli import main; sys.argv = ['runcomfy-batch', 'check', 'm.xlsx']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 65
    assert "error[xlsx]: reading .xlsx needs the extra `xlsx`" in done.stderr
    assert "= pip install 'runcomfy-batch[xlsx]', or save the sheet as CSV UTF-8" in done.stderr


@pytest.mark.timeout(90)
def test_fifty_thousand_rows_are_read_in_seconds(tmp_path, read):
    def content(book):
        sheet = book.add_worksheet()
        put(sheet, 0, [*HEADER, "title", "price", "stock"])
        for row in range(1, 50_001):
            put(sheet, row, [f"sku-{row}", "White.", f"{URL}?{row}", "A mug", 12.5, row])

    write(tmp_path / "large.xlsx", content)
    began = time.process_time()
    assert len(load(tmp_path / "large.xlsx").jobs) == 50_000
    assert time.process_time() - began < 12  # three seconds on an idle machine


def test_numbers_that_show_another_text_are_carried_along_by_the_thousand(read):
    """A price in a column that is not sent: kept as it is, however many rows there are."""

    def content(book):
        sheet, euros = book.add_worksheet(), book.add_format({"num_format": '0.00 "EUR"'})
        sheet.write_row(0, 0, [*HEADER, "price"])
        for number in range(1, 702):
            sheet.write_row(number, 0, [f"m{number}", "White.", URL])
            sheet.write(number, 3, 7.5, euros)

    manifest = read(content)
    assert {spec.row["price"] for spec in manifest.jobs} == {"7.5"}
    assert len(manifest.jobs) == 701


def test_a_number_of_a_workbook_is_no_other_number(read):
    """Its point is a decimal point, where in a text it could stand between thousands."""

    def content(book):
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, [*HEADER, "kg"])
        sheet.write_row(1, 0, ["mug", "White.", URL, 1.299])
        sheet.write_row(2, 0, ["cup", "White.", URL, "1.299"])

    with pytest.raises(InvalidManifest, match=r"'1.299' could be 1.299 or 1299 \(for book.xlsx:3\)") as caught:
        read(content, "where: kg < 2")
    assert len(caught.value.diagnostics) == 1
