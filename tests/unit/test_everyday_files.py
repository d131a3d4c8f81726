"""Files as shops have them, each of which was once read otherwise than a person reads it, and nobody was told."""

import json
import time
import unicodedata
from contextlib import suppress
from functools import partial

import pytest
from PIL import Image
from support.manifests import OTHER, URL, errors, prompts, reader_in, warned

from runner.manifest import Inline, InvalidManifest
from runner.media.photos import Photos


@pytest.fixture
def read(tmp_path):
    return reader_in(tmp_path)


@pytest.fixture
def told(read):
    return partial(errors, read)


# ------------------------------------------------------------------------------------------------------------ templates


@pytest.mark.parametrize(
    ("price", "sale_price", "remedy"),
    [
        ("12,50", "9,50", "make a number of it:  price | replace('.', '') | replace(',', '.') | float"),
        ("12.50 EUR", "9.50 EUR", "make a number of it:  price | replace('EUR', '') | float"),
        ("$12.00", "$9.00", "make a number of it:  price | replace('$', '') | float"),
        (
            "¥12,000",
            "¥9,800",
            "a fraction, or thousands? Say which:  price | replace('¥', '') | replace(',', '.') | float",
        ),
        ("100%", "20%", "make a number of it:  price | replace('%', '') | float"),
        ("01.12.2025", "02.01.2026", "that is no one number: compare it as text, with  ==;  dates as 2026-11-27"),
    ],
)
def test_cells_with_digits_that_are_no_numbers_have_no_order(told, price, sale_price, remedy):
    """By their letters 9,50 is more than 12,50."""
    sheet = f'id,image_urls,price,sale_price\na,{URL.format(1)},"{price}","{sale_price}"\n'
    prompt = "defaults: {prompt: 'On white.{% if sale_price < price %} Add a SALE badge.{% endif %}'}"
    errors = [
        *told(f"{prompt}\nsources: [{{file: s.csv}}]", s_csv=sheet),
        *told("defaults: {prompt: White.}\nsources: [{file: s.csv, where: sale_price < price}]", s_csv=sheet),
    ]
    assert [code for code, *_ in errors][:2] == ["template", "where"]
    for _, _, message, hint in errors[:2]:
        assert f"{sale_price!r} and {price!r} are compared, and neither is a plain number" in message
        assert hint.startswith(remedy)


@pytest.mark.parametrize(
    ("one", "another", "is_less"),
    [
        *(("9", "12.50", True), ("2025-12-01", "2026-01-01", True), ("2026-01-01 08:00", "2025-12-01", False)),
        *(("blue", "red", True), ("1.299", "1.199", False), ("999", "1.299", None), ("1.299", "999", None)),
    ],
)
def test_cells_that_have_an_order_are_compared(read, told, one, another, is_less):
    """Whichever of them stands on the left; a point between thousands may be one before decimals."""
    sheet = f"id,image_urls,one,another\na,{URL.format(1)},{one},{another}\n"
    manifest = (
        "defaults: {prompt: 'On {% if one < another %}white{% else %}black{% endif %}.'}\nsources: [{file: s.csv}]"
    )
    if is_less is None:
        [(_, _, message, _)] = told(manifest, s_csv=sheet)
        assert "'1.299' could be 1.299 or 1299" in message
    else:
        assert prompts(read(manifest, s_csv=sheet)) == {"a": "On white." if is_less else "On black."}


def test_in_asks_for_a_list(read, told):
    """`ug` is in the text 'Mugs, Cups' too; what a cell holds may be asked for a word."""
    sheet = f"id,title,image_urls\na,Mugs,{URL.format(1)}\nb,ug,{URL.format(2)}\n"
    manifest = "defaults: {{prompt: White.}}\nsources:\n  - file: s.csv\n    where: {}\n"
    for written in ("title in 'Mugs, Cups'", "title not in 'Mugs'"):
        [(code, _, message, hint)] = told(manifest.format(written), s_csv=sheet)
        assert (code, hint) == ("where", "write  in ['Mugs', 'Cups']  or, for one,  == 'Mugs'")
        assert "is one text, and no list" in message
    for written in ("title in ['Mugs', 'Cups']", "(title | lower) in ['mugs']"):
        assert list(prompts(read(manifest.format(written), s_csv=sheet))) == ["a"]


@pytest.mark.parametrize("listed", ["0,5 l", "Home, Garden"])
@pytest.mark.parametrize(("sign", "ids"), [("in", ["1"]), ("not in", ["2"])])
def test_a_list_may_hold_one_text_with_a_comma(read, listed, sign, ids):
    """A fraction, and a name, are what a cell holds."""
    source = f'sources:\n- file: s.csv\n  where: "title {sign} [{listed!r}]"'
    found = read(
        source, s_csv=f'id,title,prompt,image\n1,"{listed}",White.,{URL.format(1)}\n2,a,White.,{URL.format(2)}\n'
    )
    assert [spec.job_id for spec in found.jobs] == ids


@pytest.mark.parametrize(
    ("where", "remedy"),
    [
        ("title not in ['sold, archived']", "write  ['sold', 'archived']  or, for the whole,  != 'sold, archived'"),
        ("title is not in(['Mugs,Cups'])", "write  ['Mugs', 'Cups']  or, for the whole,  != 'Mugs,Cups'"),
        ("not title in ['A, B, C']", "write  ['A', 'B', 'C']  or, for the whole,  == 'A, B, C'"),
    ],
)
def test_a_list_in_one_text_is_answered_with_what_was_asked(told, where, remedy):
    sheet = f"id,title,prompt,image\n1,a,White.,{URL.format(1)}\n"
    assert [hint for *_, hint in told(f'sources:\n- file: s.csv\n  where: "{where}"', s_csv=sheet)] == [remedy]


def test_numbers_are_not_joined_by_a_plus(read, told):
    sheet = f"id,image_urls,w,d,unit\na,{URL.format(1)},60,40,cm\n"
    [(code, _, message, hint)] = told(None, Inline(prompt="A table of {{ w + d }} cm."), s_csv=sheet)
    assert (code, message.partition(" (for ")[0]) == ("template", "'+' would join '60' and '40', which are numbers")
    assert hint == "to add them:  w | int + d | int;  to join them:  w ~ d"
    manifest = read(None, Inline(prompt="{{ w | int + d | int }}, {{ w ~ d }}, {{ w + unit }}."), s_csv=sheet)
    assert prompts(manifest) == {"a": "100, 6040, 60cm."}


# ------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize(("column", "text"), [("width", "2.000"), ("width", "1.024"), ("strength", "1.500")])
def test_thousands_or_a_fraction_is_asked(told, column, text):
    sheet = f"id,prompt,image_urls,{column}\na,On white.,{URL.format(1)},{text}\n"
    [(code, _, _, hint)] = told(f"model: {OTHER}\nsources: [{{file: s.csv}}]", s_csv=sheet)
    assert (code, hint.partition("?")[0]) == ("wrong-type", "is it thousands or a fraction")


@pytest.mark.parametrize(("text", "value"), [("3.0", 3), ("1024", 1024), ("2.00", 2)])
def test_a_whole_number_may_have_zeros_behind_a_point(read, text, value):
    sheet = f"id,prompt,image_urls,width\na,On white.,{URL.format(1)},{text}\n"
    manifest = read(f"model: {OTHER}\nsources: [{{file: s.csv}}]", s_csv=sheet)
    assert manifest.jobs[0].inputs["width"] == value


# ---------------------------------------------------------------------------------------------------------------- YAML


def test_two_merge_keys_in_one_mapping_are_refused(told):
    """Which of them counts, nobody reads there."""
    manifest = f"""\
x-white: &w {{prompt: On white.}}
x-kitchen: &k {{prompt: In a kitchen., num_images: 4}}
jobs:
  - id: a
    image_urls: [{URL.format(1)}]
    <<: *w
    <<: *k
"""
    [(code, line, message, hint)] = told(manifest)
    assert (code, line) == ("duplicate-key", 8)
    assert message == "duplicate key '<<' in jobs[0]"
    assert hint == "first on line 7: write one, as in  <<: [*first, *second]"


def test_the_last_word_on_skip_wins(read):
    sheet = "".join(f"a-{n},On white.,{URL.format(n)}\n" for n in range(3))
    last = "{match: a-2, skip: false, set: {num_images: 2}}"
    manifest = read(
        f'sources: [{{file: s.csv}}]\noverrides: [{{match: "a-*", skip: true}}, {last}]',
        s_csv=f"id,prompt,image_urls\n{sheet}",
    )
    assert [(spec.job_id, spec.inputs["num_images"]) for spec in manifest.jobs] == [("a-2", 2)]


def test_a_sheets_column_that_the_matrix_outweighs_is_told_once(read):
    sheet = "".join(f"a-{n},On white.,{URL.format(n)}\n" for n in range(3))
    matrix = "matrix: {scene: [{name: oak, prompt: On oak.}, {name: snow, prompt: In the snow.}]}"
    manifest = read(f"sources: [{{file: s.csv}}]\n{matrix}", s_csv=f"id,prompt,image_urls\n{sheet}")
    assert warned(manifest) == [("matrix", "B2", "the matrix's prompt is sent, and not the sheet's")]


# --------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize(("encoding", "prompt"), [("cp932", "背景を白に"), ("gb18030", "白背景に"), ("cp1252", "Weiß")])
def test_utf_8_is_not_read_as_something_else_because_the_manifest_says_so(told, encoding, prompt):
    assert prompt.encode().decode(encoding) != prompt
    sheet = f"id,prompt,image_urls\n1,{prompt},{URL.format(1)}\n"
    [(code, _, message, hint)] = told(f"sources: [{{file: s.csv, encoding: {encoding}}}]", s_csv=sheet)
    assert (code, hint) == ("encoding", "drop the encoding: this is UTF-8")
    assert message.startswith(f"it is valid UTF-8, and is to be read as {encoding}: ")


@pytest.mark.parametrize("letter", ["猫", "茅", "麓"])
def test_what_is_said_to_be_chinese_and_may_be_utf_8_by_accident_is_read_as_it_is_said(read, letter):
    sheet = f"id,prompt,image_urls\n1,Put a {letter} on white.,{URL.format(1)}\n".encode("gbk")
    assert sheet.decode("utf-8")
    assert prompts(read("sources: [{file: s.csv, encoding: gbk}]", s_csv=sheet)) == {"1": f"Put a {letter} on white."}


def test_what_is_said_to_be_japanese_and_is_utf_8_by_accident_stays_what_it_is_said_to_be(read):
    sheet = f"id,prompt,image_urls\n1,白背景,{URL.format(1)}\n".encode("cp932")
    assert prompts(read("sources: [{file: s.csv, encoding: cp932}]", s_csv=sheet)) == {"1": "白背景"}


def test_quotes_of_the_wrong_code_page_are_damage(told):
    sheet = f"id,prompt,image_urls\n1,Keep the mug’s label.,{URL.format(1)}\n".encode("cp1252")
    [(code, _, message, _)] = told("sources: [{file: s.csv, encoding: latin-1}]", s_csv=sheet)
    assert (code, message) == (
        "damaged-text",
        "prompt holds the control character '\\x92': 'Keep the mug\\x92s label.'",
    )


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("Wei√ü", "'Wei√ü' for 'Weiß'"),
        ("Р‘РµР»С‹Р№", "'Р‘РµР»С‹Р№' for 'Белый'"),
        ("BiaĹ‚e tĹ‚o", "'BiaĹ‚e tĹ‚o' for 'Białe tło'"),
        ("鐧借壊鑳屾櫙", "'鐧借壊鑳屾櫙' for '白色背景'"),
        ("Áåëûé ôîí", "'Áåëûé ôîí'"),
        *(
            (whole, "")
            for whole in ("Weiß auf Öl", "白背景にしてください", "Белый фон", "Białe tło", "흰색 배경", "一定")
        ),
        *(
            (whole, "")
            for whole in ("Behalte die Umlaute äöüß", "Letters ÄÖÜß stay", "可以吗?换成白色背景", "배경은?흰색")
        ),
        *((whole, "") for whole in ("“Öko” √2", "Café crème «é»", "Þórður í Ísafirði", "Ürünü beyaz")),
    ],
)
def test_a_text_that_was_read_in_another_encoding_is_told(read, prompt, message):
    found = read("sources: [{file: s.csv}]", s_csv=f"id,prompt,image_urls\n1,On {prompt},{URL.format(1)}\n")
    assert prompts(found) == {"1": f"On {prompt}"}
    told = [said.replace("On ", "") for code, _, said in warned(found) if code == "odd-text"]
    assert [said.endswith(message) for said in told] == [True] * bool(message)


@pytest.mark.parametrize(
    "written",
    [
        *(
            "{ title }}",
            "{title}}",
            "{ {title}}",
            "{title}",
            "${title}",
            "${row.title}",
            "[title]",
            "%title%",
            "%(title)s",
        ),
        *("$title", "«title»", "<%= title %>", "<<title>>", "｛｛ title ｝｝", "{Title}", "{Product Name}"),
    ],
)
def test_what_another_program_would_fill_in_is_told(read, written):
    """It goes out as it stands, with every row."""
    sheet = f"id,title,Product Name,image_urls\n1,Mug,Mug,{URL.format(1)}\n"
    found = read(f"defaults: {{prompt: 'Put {written} on white.'}}\nsources: [{{file: s.csv}}]", s_csv=sheet)
    assert any("is sent as it stands, and there is a column" in message for _, _, message in warned(found))


def test_a_question_may_be_asked_as_in_french(read, told):
    sheet = "id,prompt,image_urls\n1,{},https://cdn.example.com/1.jpg\n"
    [(code, _, _)] = warned(read("sources: [{file: s.csv}]", s_csv=sheet.format("Vraiment ??? Fond blanc")))
    assert code == "odd-text"
    assert [code for code, *_ in told("sources: [{file: s.csv}]", s_csv=sheet.format("??? on white"))] == [
        "damaged-text"
    ]


@pytest.mark.parametrize("sign", ["{", "{ ", "{{", "{#", "<", "%a", "[a", "$", "«"])
def test_a_flood_of_signs_is_looked_at_in_a_moment(read, sign):
    """As a prompt, and as a picture's path."""
    flood = sign * 10_000
    began = time.process_time()
    for cells in (f"1,{flood},{URL.format(1)}", f"1,White.,https://cdn.example.com/{flood}"):
        with suppress(InvalidManifest):
            read("sources: [{file: s.csv}]", s_csv=f"id,prompt,image_urls\n{cells}\n")
    assert time.process_time() - began < 2.0


WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"


@pytest.mark.parametrize(
    ("prompt", "is_error", "message"),
    [
        ("White\U000e0062\U000e0061\U000e0064", True, "U+E0062: White\\U000e0062\\U000e0061\\U000e0064"),
        ("White\U000e0101\U000e0102", True, "U+E0101: White\\U000e0101\\U000e0102"),
        ("Whi\u200bte", False, "U+200B: Whi\\u200bte"),
        ("Back\u00adground", False, "U+00AD: Back\\xadground"),
        ("a\u200db", False, "U+200D: a\\u200db"),
        *(
            (whole, None, "")
            for whole in (
                WALES,
                "\U0001f469\u200d\U0001f33e",
                "\u0645\u06cc\u200c\u062e",
                "\u2600\ufe0f",
                "\u1781\u200b\u179f",
                "\u845b\U000e0100",
            )
        ),
    ],
)
def test_what_nobody_sees_is_not_sent_unsaid(read, told, prompt, is_error, message):
    """It may be words, as of a prompt that somebody copied; flags, families and Persian are spelt with such signs."""
    prompt = prompt if message else f"On it {prompt}"
    sheet = f"id,prompt,image_urls\n1,{prompt},{URL.format(1)}\n"
    manifest = "sources: [{file: s.csv}]"
    if is_error:
        [(code, _, said, _)] = told(manifest, s_csv=sheet)
        assert (code, said) == ("damaged-text", f"prompt holds what nobody sees, {message}")
        return
    found = read(manifest, s_csv=sheet)
    assert prompts(found) == {"1": prompt}
    warning = ("odd-text", "B2", f"prompt holds what nobody sees, {message}")
    assert warned(found) == ([warning] if message else [])


# ------------------------------------------------------------------------------------------------------------- columns


SPRING = """
defaults:
  id: "{{ id }}-spring"
  prompt: "{{ prompt }} Keep the label."
  image_urls: ["{{ image_urls }}", "https://cdn.example.com/table.jpg"]
"""


def test_a_column_is_filled_in_where_the_default_has_a_place_for_it(read):
    """It would replace the very text that it is a part of."""
    sheet = f"id,prompt,image_urls\n1,On oak.,{URL.format(1)}\n"
    manifest = read(f"{SPRING}sources: [{{file: s.csv}}]", s_csv=sheet)
    [spec] = manifest.jobs
    assert (spec.job_id, spec.inputs["prompt"]) == ("1-spring", "On oak. Keep the label.")
    assert spec.inputs["image_urls"] == [URL.format(1), "https://cdn.example.com/table.jpg"]
    assert warned(manifest) == []


@pytest.mark.parametrize(
    ("prompt", "columns"),
    [
        ("{{ instruction }} Keep the label.", ""),
        ("{{ row['Instruction'] }} Keep the label.", ""),
        ("{{ instruction }} Keep the label.", ", columns: {prompt: Instruction}"),
    ],
)
def test_a_column_that_a_default_asks_for_is_sent_and_not_told(read, prompt, columns):
    """Whatever else it could be taken for."""
    sheet = f"id,Instruction,photo\n1,On oak.,{URL.format(1)}\n"
    head = f'defaults: {{prompt: "{prompt}", image_urls: ["{{{{ photo }}}}", "{URL.format(2)}"]}}'
    manifest = read(f"{head}\nsources: [{{file: s.csv{columns}}}]", s_csv=sheet)
    assert prompts(manifest) == {"1": "On oak. Keep the label."}
    assert manifest.jobs[0].inputs["image_urls"] == [URL.format(1), URL.format(2)]
    assert warned(manifest) == []


@pytest.mark.parametrize("spelt", ['{{ row["prompt"] }}', "{{ row.prompt }}", "{{ row [ 'prompt' ] | lower }}"])
def test_a_column_is_filled_in_however_the_default_asks_for_it(read, spelt):
    sheet = f"id,prompt,image_urls\n1,on oak.,{URL.format(1)}\n"
    found = read(
        f"defaults:\n  prompt: '{spelt.replace(chr(39), chr(39) * 2)} Keep it.'\nsources: [{{file: s.csv}}]",
        s_csv=sheet,
    )
    assert prompts(found) == {"1": "on oak. Keep it."}


def test_no_other_column_replaces_a_default_that_is_filled_in(read):
    """Neither what was named nor the default would be sent."""
    sheet = f"id,text,prompt,image,image_urls\n1,On oak.,Own.,{URL.format(1)},{URL.format(2)}\n"
    head = 'defaults: {prompt: "{{ text }} Keep it.", image_urls: ["{{ image }}"]}'
    columns = "columns: {prompt: text, image_urls: image}"
    found = read(f"{head}\nsources: [{{file: s.csv, {columns}}}]", s_csv=sheet)
    assert prompts(found) == {"1": "On oak. Keep it."}
    assert found.jobs[0].inputs["image_urls"] == [URL.format(1)]
    assert [cell for _, cell, _ in warned(found)] == ["C1", "E1"]


@pytest.mark.parametrize(
    ("default", "message"),
    [
        ("{{ Prompt }} Keep it.", "'Prompt' is undefined"),
        ("{{ promt }} Keep it.", "'promt' is undefined"),
        ("{{ row['Prompt'] }} Keep it.", "there is no column 'Prompt'"),
        ("{{ prompt } Keep it.", "the template cannot be read"),
    ],
)
def test_a_mistyped_default_is_not_dropped_unread(told, default, message):
    sheet = f"id,prompt,image_urls\n1,On oak.,{URL.format(1)}\n"
    [(code, _, said, _)] = told(f"defaults:\n  prompt: |-\n    {default}\nsources: [{{file: s.csv}}]", s_csv=sheet)
    assert code == "template"
    assert message in said


def test_a_column_that_is_named_beside_a_default_of_others_is_told(read):
    """What the tool itself says to a column that is left is to name it in the default."""
    sheet = f"id,image_1,image_2\n1,{URL.format(1)},{URL.format(2)}\n"
    head = 'defaults: {prompt: White., image_urls: ["{{ image_1 }}"]}'
    [warning] = read(f"{head}\nsources: [{{file: s.csv}}]", s_csv=sheet).warnings
    assert warning.hint == "to send it as well name it in the default, as in  {{ image_2 }}"
    named = read(f"{head}\nsources: [{{file: s.csv, columns: {{image_urls: image_2}}}}]", s_csv=sheet)
    message = "the column 'image_2' gives image_urls: the default is sent only where its cell is empty"
    assert message in [said for _, _, said in warned(named)]


def test_a_default_has_a_place_for_each_column_that_is_named(told):
    sheet = f"id,image_1,image_2\n1,{URL.format(1)},{URL.format(2)}\n"
    head = 'defaults: {prompt: White., image_urls: ["{{ image_1 }}"]}'
    [(code, _, message, _)] = told(
        f'{head}\nsources: [{{file: s.csv, columns: {{image_urls: "image_*"}}}}]', s_csv=sheet
    )
    assert (code, message) == ("columns", "the default of image_urls has no place for 'image_2', and one for others")


@pytest.mark.parametrize(("page", "is_told"), [("https://shop.example.com/mug", False), (URL.format(2), True)])
def test_a_products_page_is_no_picture_that_is_left(read, page, is_told):
    """By its first cells: a shop's own sheet has both."""
    sheet = f"id,url,prompt,image\n1,{page},White.,{URL.format(1)}\n"
    found = read("sources: [{file: s.csv}]", s_csv=sheet)
    assert [spec.inputs["image_urls"] for spec in found.jobs] == [[URL.format(1)]]
    message = "the column 'url' is not sent: image_urls is read from 'image'"
    assert warned(found) == [("unused-column", "B1", message)] * is_told


@pytest.mark.parametrize("title", ["Back Image", "photo", "images", "image_src", "Second Photo", "url_2"])
def test_a_column_that_is_called_a_picture_is_told_also_without_an_ending(read, title):
    """Image hosts and drives give URLs that end in no `.jpg`."""
    sheet = f"id,prompt,image_url,{title}\n1,White.,{URL.format(1)},https://res.example.com/image/upload/v1/a-back\n"
    found = read("sources: [{file: s.csv}]", s_csv=sheet)
    message = f"the column {title!r} is not sent: image_urls is read from 'image_url'"
    assert warned(found) == [("unused-column", "D1", message)]


@pytest.mark.parametrize("first", ["Photo", "Photo 1", "Ansicht"])
def test_numbered_columns_beside_one_that_is_named_are_told(read, first):
    """They differ from it by their number only."""
    stem = first.removesuffix(" 1")
    sheet = f"SKU,{first},{stem} 2,{stem}3,{stem} note\nA,{URL.format(1)},{URL.format(2)},{URL.format(3)},x\n"
    source = f"sources: [{{file: s.csv, columns: {{id: SKU, image_urls: {first}}}}}]"
    found = read(f"defaults: {{prompt: White.}}\n{source}", s_csv=sheet)
    assert warned(found) == [
        ("unused-column", f"{letter}1", f"the column {title!r} is not sent: image_urls is read from {first!r}")
        for letter, title in (("C", f"{stem} 2"), ("D", f"{stem}3"))
    ]
    several = source.replace(f": {first}}}", f": [{first}, {stem} 2, {stem}3]}}")
    assert warned(read(f"defaults: {{prompt: White.}}\n{several}", s_csv=sheet)) == []


def test_keys_of_json_lines_are_filled_in_as_columns_are(read):
    line = json.dumps({"id": "1", "text": "On oak.", "image_urls": [URL.format(1)]})
    head = 'defaults: {prompt: "{{ text }} Keep it."}\nsources: [{file: s.jsonl, columns: {prompt: text}}]'
    assert prompts(read(head, s_jsonl=f"{line}\n")) == {"1": "On oak. Keep it."}


def test_a_product_is_filled_in_as_a_row_is(read):
    """Its picture and its name, which the preset gives where nobody asks for them."""
    export = f"Handle,Title,Image Src,Image Position\nmug,Mug,{URL.format(1)},1\n"
    pictures = f'["{{{{ image_src }}}}", "{URL.format(2)}"]'
    head = f'defaults: {{id: "{{{{ handle }}}}-x", prompt: White., image_urls: {pictures}}}'
    for per in ("product", "image"):
        found = read(f"{head}\nsources: [{{file: s.csv, preset: shopify, per: {per}}}]", s_csv=export)
        [spec] = found.jobs
        assert (spec.job_id, spec.inputs["image_urls"]) == ("mug-x", [URL.format(1), URL.format(2)])


def test_a_default_that_a_photo_would_replace_is_refused(told, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "photos" / "a.png")
    head = f'defaults: {{prompt: White., image_urls: ["{{{{ path }}}}", "{URL.format(2)}"]}}'
    with Photos(tmp_path, (tmp_path,)) as local:
        errors = told(f"{head}\nsources: [{{folder: photos}}]", local=local)
    assert errors[0][2] == "each photo of photos replaces this: nothing of it is sent"


def test_a_default_that_a_job_would_replace_while_it_asks_for_it_is_refused(told):
    job = f"jobs: [{{id: a, prompt: On oak., image_urls: [{URL.format(1)}]}}]"
    [(code, line, message, _)] = told(f'defaults: {{prompt: "{{{{ prompt }}}} Keep the label."}}\n{job}')
    assert (code, line) == ("template", 2)
    assert (
        message.replace(message.split()[3], "m.yaml:3")
        == "the prompt of m.yaml:3 replaces this, which asks for it: nothing of this is sent"
    )


@pytest.mark.parametrize("title", ["scene_url", "Reference", "thumbnail", "背景URL"])
def test_a_column_of_pictures_is_told_whatever_it_is_called(read, title):
    sheet = f"id,prompt,image_urls,{title}\n1,White.,{URL.format(1)},\n2,White.,{URL.format(2)},{URL.format('b')}?v=1\n"
    manifest = read("sources: [{file: s.csv}]", s_csv=sheet)
    [warning] = manifest.warnings
    assert warning.message == f"the column {title!r} holds pictures that are not sent"
    named = read(f"sources: [{{file: s.csv, {warning.hint.partition('well:  ')[2]}}}]", s_csv=sheet)
    assert [len(spec.inputs["image_urls"]) for spec in named.jobs] == [1, 2]
    assert warned(named) == []


@pytest.mark.parametrize("titles", ["Cover,Image 1,Image 2,Label", "Image 1,Image 2,Cover,Label"])
def test_the_remedy_for_pictures_that_are_not_sent_keeps_their_order(read, titles):
    """All of them at once: whoever takes the words of one warning would not be told of the next."""
    order = {name: URL.format(n) for n, name in enumerate(titles.split(","))}
    sheet = f"id,prompt,{titles}\n1,White.,{','.join(order.values())}\n"
    hints = {d.hint.partition("well:  ")[2] for d in read("sources: [{file: s.csv}]", s_csv=sheet).warnings}
    assert hints == {"columns: {image_urls: ['Cover', 'Image 1', 'Image 2', 'Label']}"}
    [spec] = read(f"sources: [{{file: s.csv, {hints.pop()}}}]", s_csv=sheet).jobs
    assert spec.inputs["image_urls"] == [order[name] for name in ("Cover", "Image 1", "Image 2", "Label")]


@pytest.mark.parametrize(
    ("titles", "fields", "where"),
    [
        ("Bilder", "{image_urls: Bilder}", "bilder"),
        ("Bild 1,Bild 2", "{image_urls: 'Bild *'}", "bild_1 or bild_2"),
        ("2. Bild", "{image_urls: 2. Bild}", "row['2. Bild']"),
    ],
)
def test_rows_without_a_picture_are_left_out_as_the_error_says(read, told, titles, fields, where):
    count = titles.count(",") + 1
    sheet = f"id,{titles}\n1{f',{URL.format(1)}' * count}\n2{',' * count}\n3{',' * count}{URL.format(3)}\n"
    source = f"file: s.csv, columns: {fields}"
    head = "defaults: {prompt: White.}\nsources:"
    [(code, _, _, hint)] = told(f"{head} [{{{source}}}]", s_csv=sheet)
    assert (code, hint.partition("leave such rows out:  ")[2]) == ("missing-field", f"where: {where}")
    assert list(prompts(read(f'{head} [{{{source}, where: "{where}"}}]', s_csv=sheet))) == ["1", "3"]


def test_a_column_that_is_asked_for_is_not_told(read):
    sheet = f"id,scene_url,image_urls\n1,{URL.format('b')},{URL.format(1)}\n"
    head = 'defaults: {prompt: "White.", image_urls: ["{{ image_urls }}", "{{ scene_url }}"]}'
    assert warned(read(f"{head}\nsources: [{{file: s.csv}}]", s_csv=sheet)) == []


@pytest.mark.parametrize("name", ["text_prompt", "Prompt text EN"])
def test_a_prompt_may_be_called_a_text(read, name):
    sheet = f"id,{name},image_urls\n1,Own oak.,{URL.format(1)}\n"
    found = read("defaults: {prompt: White.}\nsources: [{file: s.csv}]", s_csv=sheet)
    assert warned(found) == [("unused-column", "B1", f"the column {name!r} is not sent: the defaults give prompt")]


def test_an_override_is_for_an_id_in_either_form(read):
    """A photo's name from a Mac has its accents apart."""
    rows = "".join(f"{name},White.,{URL.format(name[-1])}\n" for name in ("u\u03081", "\u00fc2", "b"))
    sheet = f"id,prompt,image_urls\n{rows}"
    for match in ("\u00fc*", "u\u0308*"):
        manifest = read(f'sources: [{{file: s.csv}}]\noverrides: [{{match: "{match}", skip: true}}]', s_csv=sheet)
        assert list(prompts(manifest)) == ["b"]
    manifest = read('sources: [{file: s.csv}]\noverrides: [{match: "\u00fc1", skip: true}]', s_csv=sheet)
    assert list(prompts(manifest)) == ["\u00fc2", "b"]


def test_further_columns_of_prompts_are_told(read):
    header = "id,prompt,Prompt 2,prompt_final,New Prompt,prompt_id,image_urls"
    sheet = f"{header}\na,On white.,b,c,d,e,{URL.format(1)}\n"
    assert warned(read(None, s_csv=sheet)) == [
        ("unused-column", f"{letter}1", f"the column {name!r} is not sent: prompt is read from 'prompt'")
        for letter, name in (("C", "Prompt 2"), ("D", "prompt_final"), ("E", "New Prompt"))
    ]


@pytest.mark.parametrize("name", ["プロンプト", "提示词", "Anweisung", "Prompt (EN)"])
def test_a_column_of_prompts_that_gives_way_to_a_default_is_told(read, told, name):
    """Where nothing else gives the prompt, it is what was meant."""
    sheet = f"id,{name},image_urls\na,On white.,{URL.format(1)}\n"
    manifest = read("defaults: {prompt: On oak.}\nsources: [{file: s.csv}]", s_csv=sheet)
    assert [(code, cell) for code, cell, _ in warned(manifest)] == [("unused-column", "B1")]
    [(code, _, _, hint)] = [error for error in told(None, s_csv=sheet) if "prompt" in error[2]][:1]
    assert (code, hint) == ("missing-column", f"did you mean {name!r}? map it with  --col prompt={name!r}")
    asked = read("defaults: {prompt: \"{{ row['" + name + "'] }}\"}\nsources: [{file: s.csv}]", s_csv=sheet)
    assert prompts(asked) == {"a": "On white."}
    assert not any("the defaults give" in message for _, _, message in warned(asked))


# --------------------------------------------------------------------------------------------------------------- JSONL


def test_the_keys_of_json_lines_are_mapped_as_columns_are(read):
    """What is mapped goes before the field's own key; the rest is the row's, for templates and conditions."""
    lines = [
        {
            "sku": "a",
            "prompt": "OLD",
            "x-new": "On white.",
            "photo_1": URL.format(1),
            "photo_2": URL.format(2),
            "price": 3,
        },
        {"sku": "b", "x-new": "On oak.", "photo_1": URL.format(3), "price": 1, "aspect_ratio": "1:1"},
    ]
    columns = '{id: sku, prompt: x-new, image_urls: "photo_*"}'
    manifest = read(
        f"sources: [{{file: s.jsonl, columns: {columns}, where: price > 2}}]",
        s_jsonl="".join(json.dumps(line) + "\n" for line in lines),
    )
    [spec] = manifest.jobs
    assert (spec.job_id, spec.inputs) == ("a", {"prompt": "On white.", "image_urls": [URL.format(1), URL.format(2)]})
    assert dict(spec.row)["prompt"] == "OLD"
    whole = read(f"sources: [{{file: s.jsonl, columns: {columns}}}]")
    assert whole.jobs[1].inputs == {"aspect_ratio": "1:1", "prompt": "On oak.", "image_urls": [URL.format(3)]}


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (
            {"pic 1": "", "pic 2": URL.format(2)},
            "missing-picture",
            "'pic 1' is empty, and pictures behind it would move",
        ),
        ({"pic 1": URL.format(1), "meta": {"a": 1}}, "unknown-field", "'meta' is no field, and no text for the row"),
        ({"pic 1": URL.format(1), "title": "x"}, "unknown-field", "'title' stands in the line and in its row"),
    ],
)
def test_what_a_line_would_lose_is_refused(told, more, code, message):
    line = json.dumps({"id": "a", "prompt": "On white.", "row": {"title": "y"}, **more})
    source = 'sources: [{file: s.jsonl, columns: {image_urls: "Pic_*"}}]'
    [(found, _, said, _)] = [error for error in told(source, s_jsonl=line) if error[0] == code]
    assert (found, said.startswith(message)) == (code, True)


def test_a_mistyped_key_is_told_once_and_a_picture_is_sent_once(read):
    lines = [
        {"id": f"{n}", "prompt": "On white.", "pic10": URL.format(10), "pic2": URL.format(2), "aspect_ration": "1:1"}
        for n in range(2)
    ]
    manifest = read(
        'sources: [{file: s.jsonl, columns: {image_urls: [pic2, "pic*"]}}]',
        s_jsonl="".join(json.dumps(line) + "\n" for line in lines),
    )
    assert [spec.inputs["image_urls"] for spec in manifest.jobs] == [[URL.format(2), URL.format(10)]] * 2
    assert warned(manifest) == [("unused-column", None, "the key 'aspect_ration' is not sent")]


def named(read, *rows, columns=", columns: {image_urls: photo}", **more):
    """The ids of lines with such keys, and what is said of their names; `None` for one that is its request."""
    lines = [{"prompt": "On white.", "photo": URL.format(n), **row} for n, row in enumerate(rows)]
    manifest = read(
        f"sources: [{{file: s.jsonl{columns}}}]{more.get('head', '')}",
        s_jsonl="".join(json.dumps(line) + "\n" for line in lines),
    )
    ids = [None if spec.job_id == spec.fingerprint[:12] else spec.job_id for spec in manifest.jobs]
    told = [(d.severity, d.place.line, d.message, d.hint) for d in manifest.warnings if d.code == "unnamed-rows"]
    return ids, told


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        ([{"sku": "001"}, {"SKU": 2}], ["001", "2"]),
        ([{"Custom ID": "a"}, {"Custom ID": " b "}], ["a", "b"]),
        ([{"row": {"Handle": "a"}}, {"handle": "b"}], ["a", "b"]),
        ([{"sku": "x", "id": "a"}, {"sku": "y"}, {"custom_id": "c"}], ["a", "y", "c"]),
    ],
)
def test_a_line_without_an_id_is_named_as_a_row_is(read, rows, ids):
    """By its `sku`, `handle` or `custom_id`: else an edited prompt would be a new job, and paid again."""
    assert named(read, *rows) == (ids, [])


def test_a_row_of_a_line_names_it_by_itself(read):
    rows = [{"image_urls": [URL.format(n)], "prompt": "White.", "row": {"sku": f"00{n}"}} for n in range(2)]
    manifest = read(None, s_jsonl="".join(json.dumps(row) + "\n" for row in rows))
    assert ([spec.job_id for spec in manifest.jobs], warned(manifest)) == (["000", "001"], [])


@pytest.mark.parametrize(
    ("rows", "line", "why"),
    [
        ([{"sku": "a"}, {"sku": "b"}, {"sku": "A"}], 3, "names two rows 'A', lines 1 and 3"),
        ([{"sku": "a"}, {}, {"sku": "b"}], 2, "is empty in line 2"),
        ([{"id": "a"}, {"sku": ""}, {"sku": "b"}], 2, "is empty in line 2"),
        ([{"id": "a"}, {"sku": "a"}], 2, "names two rows 'a', lines 1 and 2"),
    ],
)
def test_a_key_that_does_not_name_each_line_is_told(read, rows, line, why):
    """As of a table's column."""
    ids, told = named(read, *rows)
    assert ids == [row.get("id") for row in rows]
    message = f"'sku' {why}: jobs are known by their requests, and an edited row is a new job"
    assert told == [("warning", line, message, "give each row a name of its own, or an id")]


def test_the_key_that_names_lines_instead_is_told(read):
    rows = [{"sku": "a", "handle": "x"}, {"sku": "a", "handle": "y"}]
    message = "'sku' names two rows 'a', lines 1 and 2: jobs are named by 'handle'"
    assert named(read, *rows) == (["x", "y"], [("warning", 2, message, "give each row a name of its own, or an id")])


@pytest.mark.parametrize(("rows", "line"), [([{}, {}], 1), ([{"id": "a"}, {}, {"sku": "b"}, {}], 2)])
def test_lines_that_nothing_names_are_told_once(read, rows, line):
    """Where the first such line stands: jobs are known by their requests."""
    ids, told = named(read, *rows)
    message = "no column names its rows: jobs are known by their requests, and an edited row is a new job"
    assert ids == [row.get("id") for row in rows]
    assert told == [("note", line, message, "so is one whose URL is signed anew; give each line an id")]


def test_an_id_of_the_defaults_names_lines(read):
    head = '\ndefaults: {id: "p-{{ sku }}"}'
    assert named(read, {"sku": "a"}, {"sku": "b"}, head=head) == (["p-a", "p-b"], [])


def test_lines_that_are_left_out_need_no_name(read):
    columns = ", columns: {image_urls: photo}, where: stock > 0"
    assert named(read, {"id": "a", "stock": 1}, {"stock": 0}, columns=columns) == (["a"], [])


def test_what_is_wrong_with_a_line_is_told_once_where_the_file_is_gone_through_twice(told):
    lines = [{"sku": "a", "prompt": "White.", "photo": URL.format(1), "meta": {"a": 1}}, {"sku": "b"}]
    found = told(
        "sources: [{file: s.jsonl, columns: {image_urls: photo}}]",
        s_jsonl="".join(json.dumps(line) + "\n" for line in lines) + "{\n",
    )
    assert [(code, line) for code, line, *_ in found if code in ("json-syntax", "unknown-field")] == [
        ("unknown-field", 1),
        ("json-syntax", 3),
    ]


def test_a_key_that_no_line_has_is_told(told):
    line = json.dumps({"id": "a", "prompt": "On white.", "image_urls": [URL.format(1)]})
    [*_, (code, line_number, message, hint)] = told(
        "sources:\n  - file: s.jsonl\n    columns: {prompt: promtp}", s_jsonl=line
    )
    assert (code, line_number, message) == ("missing-column", 4, "no line of s.jsonl has 'promtp'")
    assert hint == "name one of its keys"


@pytest.mark.parametrize(
    ("key", "file"),
    [
        *(("preset: shopify", "s.jsonl"), ("delimiter: ';'", "s.jsonl"), ("sheet: One", "s.csv")),
        ("encoding: cp932", "s.xlsx"),
    ],
)
def test_what_says_nothing_about_a_source_is_refused(told, key, file):
    errors = told(f"sources: [{{file: {file}, {key}}}]", s_csv=f"id,prompt,image_urls\na,On white.,{URL.format(1)}\n")
    name, form = key.partition(":")[0], file.rpartition(".")[2]
    assert any(
        code == "source" and message.startswith(f"{name} is for ") and form in message for code, _, message, _ in errors
    )


# --------------------------------------------------------------------------------------------------------------- shops

VARIANTS = "Handle,Title,Option1 Value,Option2 Value,Variant SKU,Image Src,Image Position,Variant Image\n"


def test_a_picture_has_the_texts_of_the_variant_that_shows_it(read):
    """An export lists pictures and variants side by side, each in its own order."""
    red, blue, whole = URL.format("red"), URL.format("blue"), URL.format("whole")
    sheet = f"{VARIANTS}tee,Tee,Red,M,T-R,{blue},1,{red}\ntee,,Blue,M,T-B,{red},2,{blue}\n"
    sheet += f"tee,,Blue,L,T-BL,{whole},3,{blue}\n"
    prompt = "{{ title }}{% if option1_value %} in {{ option1_value }}{% endif %} on white."
    manifest = read(
        f"defaults: {{prompt: '{prompt}'}}\nsources: [{{file: s.csv, preset: shopify, per: image}}]", s_csv=sheet
    )
    assert [(spec.inputs["image_urls"], spec.inputs["prompt"]) for spec in manifest.jobs] == [
        ([blue], "Tee in Blue on white."),
        ([red], "Tee in Red on white."),
        ([whole], "Tee on white."),
    ]


def test_what_differs_between_the_variants_of_one_picture_has_no_template(told):
    red, blue = URL.format("red"), URL.format("blue")
    sheet = f"{VARIANTS}tee,Tee,Red,M,T-R,{blue},1,{red}\ntee,,Blue,M,T-B,{red},2,{blue}\ntee,,Blue,L,T-BL,,,{blue}\n"
    head = "defaults: {prompt: 'Size {{ option2_value }} on white.'}"
    [(code, _, message, _)] = told(f"{head}\nsources: [{{file: s.csv, preset: shopify, per: image}}]", s_csv=sheet)
    assert (code, "cell D4 is of another variant with the same picture" in message) == ("rows-differ", True)


# -------------------------------------------------------------------------------------------------------------- photos


@pytest.mark.parametrize(("on_disk", "written"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_photo_is_found_in_whichever_form_its_name_is_written(read, tmp_path, on_disk, written):
    Image.new("RGB", (64, 64), "red").save(tmp_path / unicodedata.normalize(on_disk, "café.png"))
    name = unicodedata.normalize(written, "café.png")
    with Photos(tmp_path, (tmp_path,)) as photos:
        manifest = read(None, local=photos, s_csv=f"id,prompt,image_urls\na,On white.,{name}\n")
    assert len(manifest.jobs[0].files) == 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("photos/MUG.png", "did you mean 'mug.png'?"),
        ("photos/mug.jpeg", "did you mean 'mug.png'?"),
        ("photos/mug-2.png", "paths are from the manifest's folder; a URL begins with https://"),
        ("photos\\mug.png", "write / between folders:  photos/mug.png"),
        *(
            (path, "a path of Windows: put the photo into the manifest's folder, and write  mug.png")
            for path in ("C:\\Users\\ana\\mug.png", "c:/ana/mug.png", "\\\\nas\\ana\\mug.png")
        ),
        ("photos/lamp.png, photos/vase.png", "several in one cell are separated by  |"),
        ("photos/vase.png", "paths are from the manifest's folder; a URL begins with https://"),
    ],
)
def test_a_photo_that_is_not_there_is_looked_for(told, tmp_path, name, hint):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "photos" / "mug.png")
    with Photos(tmp_path, (tmp_path,)) as photos:
        errors = told(None, local=photos, s_csv=f'id,prompt,image_urls\na,On white.,"{name}"\n')
    assert (errors[0][0], errors[0][3]) == ("input-missing", hint)


def test_a_path_from_home_that_leads_nowhere_is_told_where_it_leads(read, told, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "ana"))
    laid(tmp_path, "ana/mug.png")
    sheet = "id,prompt,image_urls\na,White.,~/{}.png\n"
    with Photos(tmp_path, (tmp_path,)) as photos:
        [(code, _, message, hint)] = told(None, local=photos, s_csv=sheet.format("cup"))
        assert [len(spec.files) for spec in read(None, local=photos, s_csv=sheet.format("mug")).jobs] == [1]
    assert (code, message) == ("input-missing", "~/cup.png: no such file")
    assert hint == f"it is looked for at {tmp_path}/ana/cup.png"


def test_a_pattern_in_a_cell_that_takes_another_rows_photo_is_told(read, tmp_path):
    (tmp_path / "ph").mkdir()
    for name in ("12", "123"):
        Image.new("RGB", (64, 64), (int(name), 0, 0)).save(tmp_path / "ph" / f"{name}.jpg")
    sheet = "id,prompt,image_urls\n12,White.,ph/12*.jpg\n123,White.,ph/123*.jpg\n"
    with Photos(tmp_path, (tmp_path,)) as photos:
        manifest = read("sources: [{file: s.csv}]", s_csv=sheet, local=photos)
    [(code, cell, message)] = warned(manifest)
    assert (code, cell) == ("input-glob", "C3")
    assert message == "123.jpg is sent for 'ph/12*.jpg', and for 'ph/123*.jpg' as well"


def laid(folder, *names):
    """The folder, with pictures of these names in it."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 64), (number, 0, 0)).save(folder / name)
    return folder


LEFT = ("photos-left", None, "photos in sub-folders of ph are not sent")


@pytest.mark.parametrize(
    ("glob", "deeper", "sent"),
    [("*", "**/*", ["a", "s/b", "s/t/c"]), ("*.jpg", "**/*.jpg", ["a", "s/b"]), ("A*", "", [])],
)
def test_photos_in_sub_folders_are_told(read, tmp_path, glob, deeper, sent):
    laid(tmp_path, "ph/A.jpg" if glob == "A*" else "ph/a.jpg", "ph/s/b.JPG", "ph/s/t/c.png", "ph/.thumbs/d.jpg")
    laid(tmp_path, "ph/runs/a/outputs/e.jpg")
    (tmp_path / "ph/runs/a/state.db").touch()
    (tmp_path / "ph/s/notes.txt").touch()
    head = "defaults: {prompt: White.}\nsources: "
    with Photos(tmp_path, (tmp_path,)) as local:
        found = read(f"{head}[{{folder: ph, glob: '{glob}'}}]", local=local)
        assert warned(found) == [LEFT] * bool(deeper)
        for hint in (warning.hint.partition("with  ")[2] for warning in found.warnings):
            assert hint == f'glob: "{deeper}"'
            again = read(f"{head}[{{folder: ph, {hint}}}]", local=local)
            assert [spec.job_id for spec in again.jobs] == sent


@pytest.mark.parametrize(
    "sources", ["{folder: ph/}, {folder: ph/s}", "{folder: ph, glob: '*.jpg'}, {folder: ./ph, glob: 's/*'}"]
)
def test_sub_folders_that_have_a_source_are_not_told(read, tmp_path, sources):
    laid(tmp_path, "ph/a.jpg", "ph/s/b.jpg")
    with Photos(tmp_path, (tmp_path,)) as local:
        found = read(f"defaults: {{prompt: White.}}\nsources: [{sources}]", local=local)
    assert (len(found.jobs), warned(found)) == (2, [])


def test_a_folder_whose_photos_are_all_in_sub_folders_says_how_they_are_sent(told, tmp_path):
    laid(tmp_path, "ph/s/b.jpg")
    with Photos(tmp_path, (tmp_path,)) as local:
        [(code, _, message, hint)] = told("defaults: {prompt: White.}\nsources: [{folder: ph}]", local=local)
    assert (code, message) == ("source", "no photos match '*' in ph")
    assert hint == 'those in sub-folders (1) are sent with  glob: "**/*"'


def test_photos_in_sub_folders_are_counted_to_a_thousand(read, tmp_path):
    laid(tmp_path, "ph/a.jpg", "ph/s/b.jpg")
    for number in range(1200):
        (tmp_path / f"ph/s/{number}.jpg").touch()
    with Photos(tmp_path, (tmp_path,)) as local:
        [warning] = read("defaults: {prompt: White.}\nsources: [{folder: ph}]", local=local).warnings
    assert warning.hint == 'those in sub-folders (1,000 or more) are sent with  glob: "**/*"'
