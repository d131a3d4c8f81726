"""Sizes that a spreadsheet has made dates of."""

import pytest
from support.manifests import URL, errors, prompts, reader_in

from runner.manifest.sizes import holds_sizes, is_made_a_date

HEAD = 'defaults: {{prompt: "A sock in size {{{{ {} }}}}."}}\nsources: [{{file: s.csv}}]'


@pytest.fixture
def read(tmp_path):
    return reader_in(tmp_path)


@pytest.mark.parametrize(
    "size",
    [
        "10-Dec",
        "3-May",
        "Dec-10",
        "10. Okt",
        "3-mrt",
        "12月10日",
        "10월 12일",
        "2026-12-10",
        "10/12/2026",
        "10.12.2026",
    ],
)
@pytest.mark.parametrize("rows", [1, 3])
def test_a_size_that_became_a_date_is_an_error(read, size, rows):
    """Whether its row is looked at by itself or in a block."""
    sheet = "id,size,image_urls\n" + "".join(f"s{n},38-40,{URL.format(n)}\n" for n in range(rows))
    sheet += f"last,{size},{URL.format('last')}\n"
    [(code, line, message, hint)] = errors(read, HEAD.format("size"), s_csv=sheet)
    assert (code, line) == ("template", 2)
    assert (
        message
        == f"cell B{rows + 2} (size): {size!r} is a date that a spreadsheet made of a size (for s.csv:{rows + 2})"
    )
    assert hint == "format the column as Text, and write the size in it anew"


def test_a_date_in_another_column_is_one(read):
    sheet = f"id,launch,image_urls\na,10-Dec,{URL.format('a')}\n"
    assert prompts(read(HEAD.format("launch"), s_csv=sheet)) == {"a": "A sock in size 10-Dec."}


@pytest.mark.parametrize(
    "size",
    ["10-12", "38/40", "10/12", "M", "1-2 years", "3.5", "10 x 12", "Mayfair", "2 Set", "Set 12", "1 Mag", "20/30/40"],
)
def test_sizes_are_sent_as_they_stand(read, size):
    sheet = f"id,size,image_urls\na,{size},{URL.format('a')}\n"
    assert prompts(read(HEAD.format("size"), s_csv=sheet)) == {"a": f"A sock in size {size}."}
    assert not is_made_a_date(size)


@pytest.mark.parametrize(
    "title",
    [
        "Size",
        "Shoe size",
        "age_group",
        "Größe",
        "Maße",
        "Taille",
        "tamanho",
        "サイズ",
        "Alter",
        "Abmessungen",
        "Schuhgröße",
    ],
)
def test_columns_of_sizes_are_known(title):
    assert holds_sizes(title)


@pytest.mark.parametrize(
    "title",
    [
        "Launch",
        "Package",
        "Language",
        "Average",
        "Alternative",
        "Size updated",
        "Date of size",
        "Installation",
        "Measured on",
    ],
)
def test_other_columns_are_none_of_sizes(title):
    assert not holds_sizes(title)


@pytest.mark.parametrize(
    ("preset", "sheet", "name"),
    [
        (
            "shopify",
            "Handle,Title,Option1 Name,Option1 Value,Image Src,Image Position\nsock,Sock,{},10-Dec,{},1\n",
            "option1_value",
        ),
        (
            "woocommerce",
            "ID,Type,SKU,Name,Attribute 1 name,Attribute 1 value(s),Images\n1,simple,sock,Sock,{},10-Dec,{}\n",
            "row['Attribute 1 value(s)']",
        ),
    ],
)
def test_a_shop_says_in_another_column_that_it_is_a_size(read, preset, sheet, name):
    head = HEAD.format(name).replace("s.csv", f"s.csv, preset: {preset}")
    [(code, _, message, _)] = errors(read, head, s_csv=sheet.format("Shoe size", URL.format("a")))
    assert code == "template"
    assert "'10-Dec' is a date that a spreadsheet made of a size" in message
    assert len(read(head, s_csv=sheet.format("Launch", URL.format("a"))).jobs) == 1
