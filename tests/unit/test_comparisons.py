"""Templates and conditions that compare columns with texts, and what the rows say instead: told before it is paid."""

import json

import pytest
from support.manifests import URL, errors, prompts, reader_in

SHEET = "id,material,image_urls\na,wood,{}\nb,oak,{}\n".format(*map(URL.format, "ab"))


@pytest.fixture
def read(tmp_path):
    return reader_in(tmp_path)


def told(manifest):
    return [
        (d.severity, d.code, d.place.line, d.message, d.hint) for d in manifest.warnings if d.code != "unnamed-rows"
    ]


def asked(read, condition, sheet=SHEET):
    """What is said where a part of the prompt depends on a condition."""
    prompt = f"White.{{% if {condition} %}} Show the grain.{{% endif %}}"
    return told(read(f'defaults: {{prompt: "{prompt}"}}\nsources: [{{file: s.csv}}]', s_csv=sheet))


@pytest.mark.parametrize(
    "condition", ["material == 'wodo'", "row['material'] != 'wodo'", "material in ['oak', 'wodo']"]
)
def test_a_text_that_is_nearly_a_rows_is_told(read, condition):
    column = "row['material']" if "row" in condition else "material"
    expected = ("warning", "template", 2, f"{column} is 'wodo' in no row", "did you mean 'wood'?")
    assert asked(read, condition) == [expected]


@pytest.mark.parametrize("condition", ["material == 'Wood'", "material == 'WOOD'"])
def test_capitals_that_keep_a_part_out_are_told(read, condition):
    [(severity, code, line, message, hint)] = asked(read, condition)
    meant = condition.split("'")[1]
    assert (severity, code, line) == ("warning", "template", 2)
    assert message == f"capitals count: 'wood' in s.csv:2 is not {meant!r}"
    assert hint == "without them compare  material | lower  with 'wood'"


@pytest.mark.parametrize("condition", ["material == 'gold'", "material in ['gold', 'silver']"])
def test_texts_that_no_row_has_are_noted(read, condition):
    """The sheet is another, or there is no such product this week: a note, and no more."""
    named = " or ".join(repr(text) for text in ("gold", "silver") if text in condition)
    assert asked(read, condition) == [
        ("note", "template", 2, f"material is {named} in no row", "it is 'wood', 'oak'"),
    ]


@pytest.mark.parametrize(
    "condition",
    [
        "material == 'oak'",
        "material != 'gold'",
        "material in ['oak', 'gold']",
        "material != ''",
        "material | lower == 'wood'",
        "'oa' in material",
    ],
)
def test_what_is_asked_rightly_needs_no_word(read, condition):
    assert asked(read, condition) == []


@pytest.mark.parametrize(
    ("text", "others"),
    [("12 cm", "10 cm"), ("Large", "X-Large"), ("SKU-100", "SKU-101"), ("XL", "XS"), ("light blue", "blue")],
)
def test_texts_that_are_alike_and_both_meant_are_not_taken_for_one_another(read, text, others):
    sheet = f"id,material,image_urls\na,{others},{URL.format('a')}\n"
    assert [severity for severity, *_ in asked(read, f"material != '{text}'", sheet)] == []


def test_an_axis_of_the_matrix_is_compared_too(read):
    head = """
defaults: {prompt: "{% if scene == 'kitchn' %}Oak{% else %}White{% endif %} background."}
matrix: {scene: [kitchen, studio]}
sources: [{file: s.csv}]"""
    [(severity, _, _, message, hint)] = told(read(head, s_csv=SHEET))
    assert (severity, message, hint) == ("warning", "scene is 'kitchn' in no row", "did you mean 'kitchen'?")


def test_the_template_of_a_single_cell_is_its_own_affair(read):
    """It was written for its row."""
    sheet = (
        "id,prompt,material,image_urls\n"
        f"a,White.{{% if material == 'gold' %}} Shine.{{% endif %}},wood,{URL.format('a')}\n"
    )
    manifest = read("sources: [{file: s.csv}]", s_csv=sheet)
    assert (prompts(manifest), told(manifest)) == ({"a": "White."}, [])


@pytest.mark.parametrize("condition", ["material != 'wodo'", "material in ['oak', 'wodo']"])
def test_a_condition_that_is_nearly_a_rows_is_told(read, condition):
    """Here it decides which rows are paid for."""
    head = f'defaults: {{prompt: White.}}\nsources: [{{file: s.csv, where: "{condition}"}}]'
    warnings = [
        (message, hint) for severity, *_, message, hint in told(read(head, s_csv=SHEET)) if severity == "warning"
    ]
    assert warnings == [("where: material is 'wodo' in no row", "did you mean 'wood'?")]


def test_lines_of_json_are_compared_too(read):
    line = {"id": "a", "prompt": "White.", "image_urls": [URL.format("a")], "row": {"material": "wood"}}
    head = "sources: [{file: s.jsonl, where: \"material != 'wodo'\"}]"
    assert [hint for severity, *_, hint in told(read(head, s_jsonl=json.dumps(line))) if severity == "warning"] == [
        "did you mean 'wood'?"
    ]


@pytest.mark.parametrize(
    "condition",
    [
        "material | lower == 'wodo'",
        "material | trim == 'wodo'",
        "row.material == 'wodo'",
        "material.lower() == 'wodo'",
        "row['material'] | upper == 'WODO'",
    ],
)
def test_a_column_that_is_made_small_or_trimmed_before_is_compared_too(read, condition):
    [(severity, _, _, message, hint)] = asked(read, condition)
    assert (severity, hint.lower()) == ("warning", "did you mean 'wood'?")
    assert "in no row" in message


def test_a_name_that_is_set_stands_for_its_column(read):
    head = """
defaults: {prompt: "White.{% set m = material %}{% if m == 'wodo' %} Grain.{% endif %}"}
sources: [{file: s.csv}]"""
    assert [message for *_, message, _ in told(read(head, s_csv=SHEET))] == ["material is 'wodo' in no row"]


def test_a_text_that_is_looked_for_in_a_column_is_compared_too(read):
    sheet = f'id,material,image_urls\na,"oak, gift",{URL.format("a")}\n'
    assert asked(read, "'gfit' in material", sheet) == [
        ("warning", "template", 2, "'gfit' is in material in no row", "did you mean 'gift'?")
    ]
    assert asked(read, "'gift' in material", sheet) == asked(read, "'silver' not in material", sheet) == []


@pytest.mark.parametrize(
    ("condition", "message", "hint"),
    [
        ("material | lower == 'Wood'", "'Wood' has capitals, and what lower gives has none", "write  'wood'"),
        ("material | upper != 'Wood'", "'Wood' has small letters, and what upper gives has none", "write  'WOOD'"),
        (
            "row.material.lower() in ['Oak']",
            "'Oak' has capitals, and what lower gives has none",
            "write  'oak'",
        ),
    ],
)
def test_a_text_that_no_text_can_be_is_refused(read, condition, message, hint):
    """The remedy for capitals, half followed."""
    prompt = f"White.{{% if {condition} %}} Show the grain.{{% endif %}}"
    found = errors(read, f'defaults: {{prompt: "{prompt}"}}\nsources: [{{file: s.csv}}]', s_csv=SHEET)
    assert found == [("template", 2, f"{message}: they are never equal", hint)]


@pytest.mark.parametrize("condition", ["material not in ['Oak, Wood']", "material == 'Oak, Wood'"])
def test_a_list_in_one_text_is_told_where_rows_have_its_words(read, condition):
    """`Home, Garden` is a name, until some row says Garden alone."""
    sheet = SHEET.replace("wood", "Wood").replace("oak", "Oak")
    head = f"defaults: {{prompt: White.}}\nsources: [{{file: s.csv, where: \"{condition} or id == 'a'\"}}]"
    found = [(message, hint) for severity, *_, message, hint in told(read(head, s_csv=sheet)) if severity == "warning"]
    assert found == [("where: material is 'Oak, Wood' in no row: it is one text", "write  in ['Oak', 'Wood']")]


@pytest.mark.parametrize(
    ("text", "other"),
    [("inactive", "active"), ("male", "female"), ("sold", "unsold"), ("matte", "latte"), ("Stiefel", "Stiefelette")],
)
def test_opposites_are_not_taken_for_one_another(read, text, other):
    sheet = f"id,material,image_urls\na,{other},{URL.format('a')}\n"
    assert asked(read, f"material != '{text}'", sheet) == []


def test_one_of_a_list_that_can_be_met_is_enough(read):
    assert asked(read, "material | lower in ['Wood', 'wood']") == []


@pytest.mark.parametrize(
    ("condition", "title", "message"),
    [
        ("'zapato' in material | lower", "Zapatos negros", None),
        ("'zapato' in material.lower()", "Zapatos negros", None),
        (
            "'zapato' in material",
            "Zapatos negros",
            "capitals count: 'Zapatos negros' in s.csv:2 does not hold 'zapato'",
        ),
        ("'wodo' in material | lower", "Wood, gift", "'wodo' is in material | lower in no row"),
    ],
)
def test_a_text_is_looked_for_in_what_is_made_of_the_column(read, condition, title, message):
    sheet = f'id,material,image_urls\na,"{title}",{URL.format("a")}\n'
    assert [said for *_, said, _ in asked(read, condition, sheet)] == ([] if message is None else [message])


def test_a_text_in_capitals_is_in_nothing_that_is_small(read):
    prompt = "White.{% if 'WOOD' in material | lower %} Show the grain.{% endif %}"
    [(_, _, message, hint)] = errors(read, f'defaults: {{prompt: "{prompt}"}}\nsources: [{{file: s.csv}}]', s_csv=SHEET)
    assert (message.split(",")[0], hint) == ("'WOOD' has capitals", "write  'wood'")


def test_a_text_of_a_list_that_can_be_met_by_none_is_told(read):
    sheet = SHEET.replace("oak", "Steel")
    assert [(said, hint) for *_, said, hint in asked(read, "material | lower in ['wood', 'Steel']", sheet)] == [
        ("material | lower is 'Steel' in no row", "did you mean 'steel'?")
    ]


def test_one_letter_within_a_word_is_mistyped(read):
    sheet = f"id,material,image_urls\na,Steel,{URL.format('a')}\n"
    assert [hint for *_, hint in asked(read, "material in ['Wood', 'Steal']", sheet)] == ["did you mean 'Steel'?"]


@pytest.mark.parametrize(
    ("condition", "cell", "message"),
    [
        ('"Men\'s" in material', "Men’s boots", "'Men’s boots' in s.csv:2 does not hold \"Men's\""),
        ("'Grösse' in material", "Größe M", "'Größe M' in s.csv:2 does not hold 'Grösse'"),
        ("material == 'Red Mug'", "Red\u00a0Mug", "'Red\\xa0Mug' in s.csv:2 is not 'Red Mug'"),
    ],
)
def test_a_text_that_is_written_otherwise_is_told(read, condition, cell, message):
    sheet = f"id,material,image_urls\na,{cell},{URL.format('a')}\n"
    head = f"defaults:\n  prompt: |-\n    White.{{% if {condition} %}} Grain.{{% endif %}}\nsources: [{{file: s.csv}}]"
    assert [said for *_, said, _ in told(read(head, s_csv=sheet))] == [message]


def test_a_text_that_is_in_no_row_is_noted(read):
    assert asked(read, "'plastic' in material") == [
        ("note", "template", 2, "'plastic' is in material in no row", "it is 'wood', 'oak'")
    ]
    assert asked(read, "'plastic' not in material") == []
