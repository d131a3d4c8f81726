"""Of two words for one field one is sent: which, and what is said where somebody may have meant the other."""

import json
from functools import partial

import pytest
from support.manifests import URL, errors, prompts, reader_in, warned

A, B, C = map(URL.format, "abc")
KEEP = "{{ prompt }} Keep the label."


@pytest.fixture
def read(tmp_path):
    return reader_in(tmp_path)


@pytest.fixture
def told(read):
    return partial(errors, read)


def lines(*documents):
    return "".join(json.dumps(document) + "\n" for document in documents)


def pictures(manifest):
    return {spec.job_id: spec.inputs["image_urls"] for spec in manifest.jobs}


def remedies(manifest):
    return [(d.message, d.hint) for d in manifest.warnings]


# ---------------------------------------------------------------------------------------------------------- a column


@pytest.mark.parametrize(
    "default", ["{{ description }} Keep.", "{prompt} Keep.", "[prompt] Keep.", "{{ row.get('prompt') }} Keep."]
)
def test_a_column_that_replaces_a_default_of_cells_is_told(read, default):
    """Nobody writes a template for the rows alone that say nothing themselves."""
    found = read(
        f'defaults: {{prompt: "{default}"}}\nsources: [{{file: s.csv}}]', s_csv=f"id,prompt,photo\n1,Oak.,{A}\n"
    )
    assert prompts(found) == {"1": "Oak."}
    assert warned(found) == [
        ("template", "B1", "the column 'prompt' gives prompt: the default is sent only where its cell is empty")
    ]


def test_a_column_that_replaces_a_plain_default_needs_no_word(read):
    found = read("defaults: {prompt: White.}\nsources: [{file: s.csv}]", s_csv=f"id,prompt,photo\n1,Oak.,{A}\n2,,{B}\n")
    assert (prompts(found), warned(found)) == ({"1": "Oak.", "2": "White."}, [])


def test_a_default_of_cells_for_the_cells_that_are_empty_needs_no_word(read):
    """Some rows say nothing themselves: that is what it is for."""
    head = 'defaults: {prompt: "{{ title }} on white."}\nsources: [{file: s.csv}]'
    found = read(head, s_csv=f"id,title,prompt,photo\n1,Mug,Oak.,{A}\n2,Cup,,{B}\n,,,\n")
    assert (prompts(found), warned(found)) == ({"1": "Oak.", "2": "Cup on white."}, [])


def test_a_word_of_the_matrix_is_no_mistyped_column(read):
    """A default with a place for `style` has none for the column `styles`, where the matrix has that name."""
    source = "sources: [{file: s.csv, columns: {prompt: styles}}]\nmatrix: {style: [oil]}"
    sheet = f"id,title,styles,photo\n1,Mug,On oak.,{A}\n"
    found = read(f'defaults: {{prompt: "{{{{ title }}}} in {{{{ style }}}}"}}\n{source}', s_csv=sheet)
    assert prompts(found) == {"1__oil": "On oak."}
    assert [message for _, _, message in warned(found)] == [
        "the column 'styles' gives prompt: the default is sent only where its cell is empty"
    ]


# ------------------------------------------------------------------------------------------------------ lines of JSON


def test_of_several_keys_the_default_has_a_place_for_each(told):
    """As of several columns of a sheet: the other picture would be left out silently."""
    source = "sources: [{file: s.jsonl, columns: {image_urls: [front, back]}}]"
    line = {"id": "1", "front": A, "back": B}
    default = f'defaults: {{prompt: White., image_urls: ["{{{{ front }}}}", "{C}"]}}'
    message = "the default of image_urls has no place for 'back', and one for others"
    remedy = "give it one, as in  {{ column }}, or drop the default"
    assert told(f"{default}\n{source}", s_jsonl=lines(line)) == [("columns", 1, message, remedy)]


def test_an_empty_key_needs_no_place(read):
    source = "sources: [{file: s.jsonl, columns: {image_urls: [front, back]}}]"
    default = f'defaults: {{prompt: White., image_urls: ["{{{{ front }}}}", "{C}"]}}'
    found = read(f"{default}\n{source}", s_jsonl=lines({"id": "1", "front": A, "back": None}))
    assert pictures(found) == {"1": [A, C]}


def test_a_key_that_replaces_a_default_of_cells_is_told_once(read):
    head = 'defaults: {prompt: "{{ title }} Keep."}\nsources: [{file: s.jsonl, columns: {prompt: text}}]'
    jobs = [{"id": f"{n}", "title": "Mug", "text": "Oak.", "image_urls": [A]} for n in range(2)]
    found = read(head, s_jsonl=lines(*jobs))
    assert prompts(found) == {"0": "Oak.", "1": "Oak."}
    assert warned(found) == [("template", None, "'text' gives prompt: the default is sent only where it is empty")]


def test_keys_that_are_called_like_a_field_are_told_as_columns_are(read):
    """Once for all lines, and not where a template asks for one."""
    line = {"photo": A, "aspect": "4:5", "Format": "4:5", "num_image": 2, "file_type": "png", "seed": 7, "note": "x"}
    source = "sources: [{file: s.jsonl, columns: {id: sku, image_urls: photo}}]"
    head = f'defaults: {{prompt: "White, as {{{{ file_type }}}}."}}\n{source}'
    found = read(head, s_jsonl=lines(line | {"sku": "1"}, line | {"sku": "2"}))
    assert warned(found) == [
        ("unused-column", None, "carried along, and not sent: 'aspect' (is it aspect_ratio?)"),
        ("unused-column", None, "carried along, and not sent: 'Format' (is it aspect_ratio?)"),
        ("unused-column", None, "the key 'num_image' is not sent"),
        ("unused-column", None, "carried along, and not sent: 'seed'"),
    ]


@pytest.mark.parametrize("is_wrapped", [True, False])
@pytest.mark.parametrize("name", ["colour", "row['colour']"])
def test_a_column_that_other_lines_have_is_an_empty_cell(read, is_wrapped, name):
    """Who writes JSON leaves out what is empty, in the first line as well."""
    rows = [{"title": "Cup"}, {"title": "Mug", "colour": "red"}]
    jobs = [{"id": f"{n}", "image_urls": [A]} | ({"row": row} if is_wrapped else row) for n, row in enumerate(rows)]
    columns = "" if is_wrapped else ", columns: {id: id}"
    prompt = f"{{{{ title }}}}{{% if {name} %}} in {{{{ {name} }}}}{{% endif %}}."
    found = read(f'defaults: {{prompt: "{prompt}"}}\nsources: [{{file: s.jsonl{columns}}}]', s_jsonl=lines(*jobs))
    assert prompts(found) == {"0": "Cup.", "1": "Mug in red."}


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("{{ title }} in {{ colour }}", "'colour' is empty, and the template needs it (for s.jsonl:1)"),
        ("{{ title }} in {{ color }}", "'color' is undefined"),
        ("{% if color %}{{ color }}{% endif %}", "'color' is undefined"),
        ("{{ title }} in {{ row['color'] }}", "there is no column 'color' (for s.jsonl:1)"),
    ],
)
def test_a_column_that_no_line_has_is_mistyped(told, prompt, said):
    jobs = [{"id": "1", "row": {"title": "Cup"}}, {"id": "2", "row": {"title": "Mug", "colour": "red"}}]
    jobs = [job | {"image_urls": [A]} for job in jobs]
    found = told(f'defaults: {{prompt: "{prompt}"}}\nsources: [{{file: s.jsonl}}]', s_jsonl=lines(*jobs))
    assert said in [message for _, _, message, _ in found]


BATCH = [
    {"custom_id": one, "method": "POST", "input": {"prompt": "Oak.", "image_urls": [A]}, "row": {"status": status}}
    for one, status in (("a", "new"), ("b", "sold"), ("c", "new"))
]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("custom_id == 'a'", ["a"]),
        ("custom_id not in ['a', 'b']", ["c"]),
        ("status != 'sold' and custom_id != 'a'", ["c"]),
    ],
)
def test_a_condition_knows_the_id_of_a_line_by_both_names(read, where, ids):
    found = read(f'sources: [{{file: s.jsonl, where: "{where}"}}]', s_jsonl=lines(*BATCH))
    assert [spec.job_id for spec in found.jobs] == ids


def test_a_source_of_lines_says_how_their_own_keys_are_carried(read, told):
    """Templates and conditions have them then."""
    line = {"id": "9", "image_urls": [C], "title": "Lamp", "stock": 3}
    source = "file: s.jsonl, where: stock > 0"
    head = 'defaults: {prompt: "{{ title }} on oak."}\nsources:'
    hints = {hint for code, *_, hint in told(f"{head} [{{file: s.jsonl}}]", s_jsonl=lines(line)) if "field" in code}
    [hint] = (hint.partition("source  ")[2].partition("  and ")[0] for hint in hints)
    assert hint == "columns: {image_urls: image_urls}"
    assert prompts(read(f"{head} [{{{source}, {hint}}}]", s_jsonl=lines(line))) == {"9": "Lamp on oak."}


@pytest.mark.parametrize(
    ("other", "remedy", "sent"),
    [
        (
            "t.csv",
            " of s.csv; give one of them another id, or leave it out of one source with  where:",
            {"1": "Oak.", "2": "Snow."},
        ),
        (
            "s.csv",
            ": it is in two sources; leave it out of one of them with  where:",
            {"1": "Oak."},
        ),
    ],
)
def test_an_id_of_two_tables_is_left_out_of_one_as_the_error_says(read, told, other, remedy, sent):
    files = {"s_csv": f"id,prompt,photo\n1,Oak.,{A}\n", "t_csv": f"id,prompt,photo\n2,Snow.,{B}\n1,Sand.,{C}\n"}
    sources = f"sources: [{{file: s.csv}}, {{file: {other}"
    hint = f"first used at cell A2 on line 2{remedy}"
    assert [(code, said) for code, *_, said in told(f"{sources}}}]", **files)] == [("duplicate-id", hint)]
    assert prompts(read(f"{sources}, where: id != '1'}}]", **files)) == sent


def test_two_lines_of_one_id_are_answered_as_two_rows_are(told):
    line = {"id": "1", "prompt": "Oak.", "image_urls": [A]}
    [(*_, hint)] = told(None, s_jsonl=lines(line, line))
    assert hint == "first used at line 1; give one of them another id, or delete its line"


@pytest.mark.parametrize("name", ["body", "input", "method", "url", "x_note", "prompts"])
def test_what_wraps_a_line_is_no_name_of_a_condition(told, name):
    """An empty cell would be unlike any text: `method != 'POST'` would be true of every line."""
    jobs = [BATCH[0], BATCH[1] | {"url": "/v1/models/google/nano-banana/edit", "x-note": 1}]
    found = told(f"""sources: [{{file: s.jsonl, where: "{name} != 'a'"}}]""", s_jsonl=lines(*jobs))
    assert {message for _, _, message, _ in found} == {f"where: {name!r} is undefined"}


@pytest.mark.parametrize(
    "where",
    [
        "id == 'b'",
        "aspect_ratio == '4:5'",
        "status is defined and status == 'new'",
        "num_images != '' and num_images == 2",
    ],
)
def test_a_condition_knows_the_id_and_the_fields_of_a_line(read, where):
    jobs = [
        {"id": "a", "prompt": "Oak.", "image_urls": [A]},
        {
            "id": "b",
            "prompt": "Oak.",
            "image_urls": [A],
            "aspect_ratio": "4:5",
            "num_images": 2,
            "row": {"status": "new"},
        },
    ]
    found = read(f"sources:\n- file: s.jsonl\n  where: {where}", s_jsonl=lines(*jobs))
    assert [spec.job_id for spec in found.jobs] == ["b"]


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("title", True),
        ("row['title']", True),
        ("row.title", True),
        ("row.get('title')", True),
        ("row['title'] ~ row.get(title, title)", False),
        ("row[title] | default('x')", False),
        ("row.values() | length", False),
    ],
)
def test_columns_that_are_not_sent_are_told_beside_one_that_is_named_by_its_title(read, name, is_told):
    """Of `row[title]` only a row can tell which column it asks for."""
    prompt = f'"{{% if id %}}White.{{% else %}}{{{{ {name} }}}}{{% endif %}}"'
    source = "sources: [{file: s.csv, columns: {image_urls: Photo}}]"
    sheet = f"id,title,Photo,Seitenverhältnis,negative_prompt,Anweisung\nA,Mug,{A},4:5,no text,Weiß\n"
    said = [message for _, _, message in warned(read(f"defaults: {{prompt: {prompt}}}\n{source}", s_csv=sheet))]
    expected = [
        "the column 'Anweisung' is not sent: the defaults give prompt",
        "carried along, and not sent: 'Seitenverhältnis' (is it aspect_ratio?), 'negative_prompt'",
    ]
    assert said == expected * is_told


def test_a_column_that_is_named_by_its_title_is_sent(read):
    head = (
        "defaults: {prompt: \"{{ row['Prompt DE'] }}\", image_urls: [\"{{ row['Photo'] }}\"]}\nsources: [{file: s.csv}]"
    )
    found = read(head, s_csv=f"id,Prompt DE,Photo\n1,Weiß,{A}\n")
    assert (prompts(found), warned(found)) == ({"1": "Weiß"}, [])


# ----------------------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize(
    ("where", "counts"),
    [("status != 'sold'", True), ("row['status'] != ''", False), ("price >= 7", False), ("price != '7'", False)],
)
def test_that_capitals_count_is_said_of_letters(read, where, counts):
    found = read(
        f'sources: [{{file: s.csv, where: "{where}"}}]', s_csv=f"id,prompt,photo,status,price\n1,Oak.,{A},new,9\n"
    )
    [note] = found.warnings
    assert ("capitals count" in note.hint) is counts


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("status != 'sold'", "'Sold' in s.csv:3 is not 'sold'; without them compare  status | lower  with 'sold'"),
        (
            "status not in ['sold', 'x']",
            "'Sold' in s.csv:3 is not 'sold'; without them compare  status | lower  with 'sold'",
        ),
        (
            "row['status'] == 'NEW'",
            "'new' in s.csv:4 is not 'NEW'; without them compare  row['status'] | lower  with 'new'",
        ),
        (
            "price > 5 or status == 'Sold'",
            "'sold' in s.csv:2 is not 'Sold'; without them compare  status | lower  with 'sold'",
        ),
        ("status not in ['sold', 'Sold']", ""),
        ("status | lower != 'sold'", ""),
        ("price != 9 and row['size'] != ''", ""),
        ("price > 5 or row['nothing'] == 'x' ", ""),
        ("title.startswith('m') and status != 'x'", ""),
    ],
)
def test_a_cell_that_capitals_tell_apart_from_what_is_asked_is_shown(read, where, said):
    """The count of those that are left out looks right, and the row that says Sold is paid for."""
    rows = f"1,mug,Oak.,{A},sold,9,s\n2,Mug,Oak.,{B}, Sold ,9,\n3,cup,Oak.,{C},new,8,s\n4,Cup,Oak.,{C}?1,NEW,8,s\n"
    found = read(
        f'sources: [{{file: s.csv, where: "{where}"}}]', s_csv=f"id,title,prompt,photo,status,price,size\n{rows}"
    )
    [note] = found.warnings
    shown = [line.partition(": ")[2] for line in note.hint.splitlines() if line.startswith("capitals count: ")]
    assert shown == [said] * bool(said)


# -------------------------------------------------------------------------------------------------------- the matrix


@pytest.mark.parametrize("matrix", ['{scene: [{name: w, prompt: "On white."}]}', '{prompt: ["On white."]}'])
@pytest.mark.parametrize("sheet", [f"id,prompt,photo\n1,Red mug.,{A}\n", f"id,photo\n1,{A}\n"])
def test_the_matrix_does_not_replace_a_default_that_is_to_be_filled_in(told, matrix, sheet):
    found = told(f'defaults: {{prompt: "{KEEP}"}}\nsources: [{{file: s.csv}}]\nmatrix: {matrix}', s_csv=sheet)
    message = "the prompt of the matrix replaces this, which asks for it: nothing of this is sent"
    remedy = "write the whole prompt in the matrix, where  {{ prompt }}  is the sheet's, and drop this"
    assert found == [("template", 2, message, remedy)]


def test_values_of_the_matrix_that_set_no_prompt_have_the_default(read):
    """As in README: white has the default, oak a prompt of its own."""
    matrix = '{scene: [{name: plain}, {name: oak, prompt: "{{ prompt }} Put it on oak."}]}'
    head = f'defaults: {{prompt: "{KEEP}"}}\nsources: [{{file: s.csv}}]\nmatrix: {matrix}'
    found = read(head, s_csv=f"id,prompt,photo\n1,Clean it up.,{A}\n")
    assert prompts(found) == {"1__plain": "Clean it up. Keep the label.", "1__oak": "Clean it up. Put it on oak."}
    assert warned(found) == []


def test_a_value_of_the_matrix_without_the_sheets_words_is_told(read):
    """The default has a place for them; the jobs of the other value have them."""
    matrix = '{scene: [{name: plain}, {name: oak, prompt: "On oak."}]}'
    head = f'defaults: {{prompt: "{KEEP}"}}\nsources: [{{file: s.csv}}]\nmatrix: {matrix}'
    found = read(head, s_csv=f"id,prompt,photo\n1,Clean it up.,{A}\n2,Shine it.,{B}\n")
    assert prompts(found)["1__oak"] == "On oak."
    [(code, _, message)] = warned(found)
    assert (code, message) == (
        "template",
        "the matrix's prompt is sent alone: neither the sheet's nor the default's words are in it",
    )


@pytest.mark.parametrize("axis", ["scene", "prompt"])
@pytest.mark.parametrize(
    "files",
    [
        {"s_csv": f"id,prompt,photo\n1,Red mug,{A}\n"},
        {"s_jsonl": lines({"id": "1", "prompt": "Red mug", "image_urls": [A]})},
    ],
)
def test_in_the_matrix_a_field_is_what_the_row_says(read, axis, files):
    """Whatever the axis is called; then both are sent, and there is nothing to warn of."""
    [name] = files
    values = '[{name: w, prompt: "{{ prompt }} on white."}, {name: o, prompt: "{{ prompt }} on oak."}]'
    found = read(f"sources: [{{file: {name.replace('_', '.')}}}]\nmatrix: {{{axis}: {values}}}", **files)
    assert prompts(found) == {"1__w": "Red mug on white.", "1__o": "Red mug on oak."}
    assert warned(found) == []


def test_plain_values_of_an_axis_are_filled_in_as_well(read):
    head = 'sources: [{file: s.csv}]\nmatrix: {prompt: ["{{ prompt }} on white.", "On oak."]}'
    found = read(head, s_csv=f"id,prompt,photo\n1,Red mug,{A}\n")
    assert [*prompts(found).values()] == ["Red mug on white.", "On oak."]
    [(message, remedy)] = remedies(found)
    assert message == "the matrix's prompt is sent, and not the sheet's"
    assert remedy == "drop one of them; to send both name the column in the matrix, as in  {{ prompt }}"


@pytest.mark.parametrize("title", ["image_urls", "Photo"])
def test_a_scene_beside_the_sheets_picture_is_no_conflict(read, title):
    name = title.lower()
    values = (
        f'[{{name: b, image_urls: ["{{{{ {name} }}}}", "{B}"]}}, {{name: c, image_urls: ["{{{{ {name} }}}}", "{C}"]}}]'
    )
    head = f"defaults: {{prompt: White.}}\nsources: [{{file: s.csv}}]\nmatrix: {{scene: {values}}}"
    found = read(head, s_csv=f"id,{title}\n1,{A}\n")
    assert pictures(found) == {"1__b": [A, B], "1__c": [A, C]}
    assert warned(found) == []


def test_a_column_that_is_called_like_an_axis_is_told(read):
    """The axis goes before it; the column can be had by its title."""
    axis = "matrix: {scene: [{name: sq, aspect_ratio: 1:1}]}"
    head = f'defaults: {{prompt: "{{{{ title }}}} at the {{{{ scene }}}}"}}\nsources: [{{file: s.csv}}]\n{axis}'
    sheet = f"id,title,Scene,photo\n1,Mug,beach,{A}\n"
    found = read(head, s_csv=sheet)
    assert prompts(found) == {"1__sq": "Mug at the sq"}
    [(message, remedy)] = remedies(found)
    assert message == "'scene' is the matrix's axis here, and not the column 'Scene'"
    assert remedy == "for the column write  row['Scene'],  or call the axis otherwise"
    assert prompts(read(head.replace("{{ scene }}", "{{ row['Scene'] }}"), s_csv=sheet)) == {
        "1__sq": "Mug at the beach"
    }


def test_a_combination_that_is_included_twice_is_one_job(read):
    wide = "{aspect_ratio: 16:9, when: title == 'Mug'}, {aspect_ratio: 16:9, when: id == '1'}"
    head = (
        f"defaults: {{prompt: White.}}\nsources: [{{file: s.csv}}]\nmatrix: {{aspect_ratio: [1:1], include: [{wide}]}}"
    )
    found = read(head, s_csv=f"id,title,photo\n1,Mug,{A}\n2,Mug,{A}\n")
    assert [spec.job_id for spec in found.jobs] == ["1__1x1", "1__16x9", "2__1x1", "2__16x9"]


@pytest.mark.parametrize(
    ("when", "is_told"), [("title == 'cup'", True), ("title == 'Cup'", False), ("id in ['1', '2']", False)]
)
def test_a_combination_that_no_job_has_is_told(read, when, is_told):
    """It would not be missed before somebody looks for its pictures."""
    matrix = f'{{aspect_ratio: [1:1], include: [{{aspect_ratio: 16:9, when: "{when}"}}]}}'
    head = f"defaults: {{prompt: White.}}\nsources: [{{file: s.csv}}]\nmatrix: {matrix}"
    found = read(head, s_csv=f"id,title,photo\n1,Mug,{A}\n2,Cup,{A}\n")
    assert warned(found) == [("matrix", None, "matrix: include: when is true of no job")] * is_told


# ----------------------------------------------------------------------------------------------------------- pictures


def test_a_picture_that_is_asked_for_first_may_be_missing(read):
    listed = '["{{ image_1 }}", "{% if image_2 %}{{ image_2 }}{% endif %}"]'
    sheet = f"id,image_1,image_2\n1,{A},{B}\n2,{C},\n"
    found = read(f"defaults: {{prompt: White., image_urls: {listed}}}\nsources: [{{file: s.csv}}]", s_csv=sheet)
    assert pictures(found) == {"1": [A, B], "2": [C]}


def test_but_none_moves_up_where_the_prompt_calls_it_by_its_number(told, read):
    listed = '["{% if image_2 %}{{ image_2 }}{% endif %}", "{{ image_1 }}"]'
    sheet = f"id,image_1,image_2\n1,{A},{B}\n2,{C},\n"
    head = f"defaults: {{prompt: PROMPT, image_urls: {listed}}}\nsources: [{{file: s.csv}}]"
    message = "place 1 is empty: 'c.jpg' is sent as image 1 (for s.csv:3)"
    [(code, line, said, _)] = told(head.replace("PROMPT", "The cup of image 1."), s_csv=sheet)
    assert (code, line, said) == ("missing-picture", 2, message)
    found = read(head.replace("PROMPT", "White."), s_csv=sheet)
    assert (pictures(found)["2"], warned(found)) == ([C], [("missing-picture", None, message)])


def test_a_picture_that_cannot_be_filled_in_is_told_once(told):
    listed = f'["{{{{ image_2 }}}}", "{A}"]'
    sheet = f"id,image_2\n1,{B}\n2,\n"
    found = told(f"defaults: {{prompt: White., image_urls: {listed}}}\nsources: [{{file: s.csv}}]", s_csv=sheet)
    assert [message for _, _, message, _ in found] == [
        "cell B3 (image_2) is empty, and the template needs it (for s.csv:3)"
    ]


def test_a_picture_that_is_sent_twice_is_told(read):
    """Once a sheet: a cell was copied, where another picture was to be combined with the first."""
    sheet = f"id,prompt,image_urls\n1,Put it there.,{A} | {B} | {A}\n2,White.,{B}\n3,Oak.,{C} | {C}\n"
    found = read("sources: [{file: s.csv}]", s_csv=sheet)
    assert pictures(found) == {"1": [A, B, A], "2": [B], "3": [C, C]}
    assert warned(found) == [("missing-picture", "C2", "'a.jpg' is sent twice in '1', as image 3 as well")]


# -------------------------------------------------------------------------------------------------- models and others


def test_two_models_for_all_are_one_too_many(told):
    head = "model: google/nano-banana/edit\ndefaults: {model: owner/other, prompt: White.}"
    [(code, line, message, remedy)] = told(f"{head}\njobs: [{{id: a, image_urls: [{A}]}}]")
    assert (code, line, remedy) == ("model", 3, "keep one of them")
    assert message == "the model is 'google/nano-banana/edit' at the top, and 'owner/other' here"


def test_the_pictures_of_another_rows_model_are_no_columns_that_are_left(read):
    sheet = f"id,model,prompt,image_urls,image_url\n1,,White.,{A},\n2,owner/upscaler,,,{B}\n"
    found = read("sources: [{file: s.csv}]", s_csv=sheet)
    assert [[*spec.inputs.values()] for spec in found.jobs] == [["White.", [A]], [B]]
    assert warned(found) == []


def test_a_default_of_cells_is_told_where_the_empty_cells_are_left_out(read):
    """Of the rows that are sent none needs it."""
    head = 'defaults: {prompt: "{{ title }} on white."}\nsources: [{file: s.csv, where: id != 2}]'
    found = read(head, s_csv=f"id,title,prompt,photo\n1,Mug,Oak.,{A}\n2,Cup,,{B}\n")
    assert [code for code, _, _ in warned(found) if code == "template"] == ["template"]


@pytest.mark.parametrize(("key", "is_told"), [("photo_2", True), ("back", True), ("stock", False)])
def test_a_picture_of_a_line_that_is_not_sent_is_noted(read, key, is_told):
    """As of a sheet: who names one key for the pictures may have forgotten the other."""
    line = {"id": "1", "photo": A, "prompt": "White.", key: B if is_told else "3"}
    found = read("sources: [{file: s.jsonl, columns: {image_urls: photo}}]", s_jsonl=lines(line))
    hint = f"to send it as well:  columns: {{image_urls: ['photo', {key!r}]}}"
    told = [(f"the key {key!r} holds a picture that is not sent", hint)] if is_told else []
    assert (pictures(found), remedies(found)) == ({"1": [A]}, told)


def test_a_numbered_column_beside_one_that_is_named_is_noted_with_the_way_to_send_both(read):
    sheet = f"id,prompt,Image,Image 2\n1,White.,{A},{B}\n"
    found = read("sources: [{file: s.csv, columns: {image_urls: Image}}]", s_csv=sheet)
    [told] = found.warnings
    assert (told.severity, told.hint) == ("note", "to send it as well:  columns: {image_urls: ['Image', 'Image 2']}")


# ------------------------------------------------------------------------------------------------ as they are written


@pytest.mark.parametrize("number", ["9.50", "1e3", "12", "1.5E2", "0.10"])
def test_a_number_of_a_line_is_filled_in_as_it_is_written(read, number):
    """`9.50` is what a person reads, and 9.5 what JSON takes it for."""
    line = f'{{"id": "a", "image_urls": ["{A}"], "row": {{"price": {number}}}}}\n'
    found = read('defaults: {prompt: "A tag for {{ price }}."}\nsources: [{file: s.jsonl}]', s_jsonl=line)
    assert prompts(found) == {"a": f"A tag for {number}."}
    assert [dict(spec.row) for spec in found.jobs] == [{"price": number}]


def test_a_number_of_a_line_is_compared_by_its_size(read):
    line = f'{{"id": "a", "prompt": "White.", "image_urls": ["{A}"], "row": {{"price": 9.50}}}}\n'
    assert prompts(read('sources: [{file: s.jsonl, where: "price == 9.5"}]', s_jsonl=line)) == {"a": "White."}


def test_a_number_that_is_sent_is_one(read):
    line = f'{{"id": "a", "model": "owner/other", "prompt": "White.", "image_urls": ["{A}"], "strength": 0.50}}\n'
    [spec] = read(None, s_jsonl=line).jobs
    assert (spec.inputs["strength"], type(spec.inputs["strength"])) == (0.5, float)


# ------------------------------------------------------------------------------------------------ that say nothing


@pytest.mark.parametrize("word", ["TODO", "n/a", "x", "16:9", "yes"])
def test_a_prompt_that_says_nothing_is_told_whoever_gives_it(read, word):
    """In the defaults, a job of YAML, a line of JSON, the matrix and an override."""
    head = f'defaults: {{prompt: White.}}\njobs: [{{id: a, image_urls: ["{A}"]PROMPT}}]\n'
    said = f"the prompt that is sent is {word!r}"
    for manifest in (
        head.replace("White.", f"'{word}'").replace("PROMPT", ""),
        head.replace("PROMPT", f", prompt: '{word}'"),
        head.replace("PROMPT", "") + f"matrix: {{prompt: [{{name: one, prompt: '{word}'}}]}}",
        head.replace("PROMPT", "") + f"overrides: [{{match: a, set: {{prompt: '{word}'}}}}]",
    ):
        assert ("placeholder", None, said) in warned(read(manifest)), manifest
    line = lines({"id": "a", "prompt": word, "image_urls": [A]})
    assert warned(read(None, s_jsonl=line)) == [("placeholder", None, said)]


def test_a_default_that_says_nothing_is_told_once(read):
    found = read("defaults: {prompt: TODO}\nsources: [{file: s.csv}]", s_csv=f"id,photo\n1,{A}\n2,{B}\n")
    assert warned(found) == [("placeholder", None, "the prompt that is sent is 'TODO'")]


def test_an_id_that_a_default_makes_of_two_rows_alike_is_refused_with_a_remedy(told):
    head = 'defaults: {id: "{{ sku }}", prompt: White.}\nsources: [{file: s.csv}]'
    [(code, _, message, hint)] = told(head, s_csv=f"sku,photo\na,{A}\na,{B}\n")
    assert (code, message) == ("duplicate-id", "duplicate id 'a'")
    assert hint.endswith("; name another column in the id as well, or delete one of the two rows")
