"""Exports of shops, read as they are: which rows are a product, which pictures it has, in which order."""

import csv
import io
from pathlib import Path

import pytest

from runner.batch import load
from runner.catalog import bundled, parse_card, rules_for
from runner.manifest import DEFAULT_MODEL, Inline, InvalidManifest, read_manifest
from runner.manifest.apart import FirstLines
from runner.manifest.picture_ids import picture_ids
from runner.manifest.presets import recognised

MANIFESTS = Path(__file__).parents[2] / "manifests"
RULES = rules_for(bundled(DEFAULT_MODEL))
ONE_PICTURE = rules_for(
    parse_card(
        "owner/upscaler", {"input_schema": {"properties": {"image": {"type": "string"}, "scale": {"type": "float"}}}}
    )
)
A, B, C, D = (f"https://cdn.example.com/{name}.jpg" for name in "abcd")
OLD = [
    "Handle",
    "Title",
    "Option1 Value",
    "Variant SKU",
    "Image Src",
    "Image Position",
    "Image Alt Text",
    "Variant Image",
]
NEW = ["Title", "URL handle", "Option1 value", "SKU", "Product image URL", "Image position", "Image alt text"]
MIXED = ["Handle", "Title", "SKU", "Product image URL", "Image position", "Status"]
WOO = ["ID", "Type", "SKU", "Name", "Published", "Images", "Parent"]
FEED = ["id", "title", "image_link", "additional_image_link", "availability"]


def rules_of(model):
    return {DEFAULT_MODEL: RULES, "owner/upscaler": ONE_PICTURE}.get(model)


def table(header, *rows, delimiter=","):
    """Each row by its columns' names, or in their order."""
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([row.get(name, "") for name in header] if isinstance(row, dict) else row)
    return file.getvalue()


@pytest.fixture
def read(tmp_path):
    """Reads an export by a preset, with what else the source says, and what the manifest says."""

    def read(text, preset, source="", head='defaults: {prompt: "White."}', name="export.csv"):
        (tmp_path / name).write_text(text)
        manifest = tmp_path / "m.yaml"
        more = f", {source}" if source else ""
        manifest.write_text(f"version: 1\n{head}\nsources: [{{file: {name}, preset: {preset}{more}}}]\n")
        return read_manifest(manifest, rules=rules_of)

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


def jobs(manifest):
    return [(spec.job_id, spec.inputs["image_urls"]) for spec in manifest.jobs]


def warned(manifest):
    return [(d.code, d.place.cell, d.message) for d in manifest.warnings]


# ------------------------------------------------------------------------------------------------------------- Shopify


def shopify(header, *rows):
    """Rows of handle, title, picture, position and alternative text, in columns of either generation."""
    handle, picture, position, alt = (
        next(name for name in header if name.lower() in names)
        for names in (
            ("handle", "url handle"),
            ("image src", "product image url"),
            ("image position",),
            ("image alt text", "status"),
        )
    )
    return table(header, *({handle: h, "Title": t, picture: p, position: n, alt: a} for h, t, p, n, a in rows))


@pytest.mark.parametrize("header", [OLD, NEW, MIXED], ids=["old", "new", "mixed"])
def test_the_rows_of_a_handle_are_a_product(read, header):
    """Its pictures by their positions, not as they stand; its texts from the first row that has them."""
    export = shopify(
        header,
        ("mug", "Blue mug", B, "2", ""),
        ("mug", "", A, "1", "front"),
        ("mug", "", "", "", ""),
        ("lamp", "Lamp", C, "1", ""),
    )
    manifest = read(export, "shopify", head='defaults: {prompt: "{{ title }}, {{ handle }}, {{ image_count }} views"}')
    assert jobs(manifest) == [("mug", [A, B]), ("lamp", [C])]
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == ["Blue mug, mug, 2 views", "Lamp, lamp, 1 views"]
    assert [spec.source for spec in manifest.jobs] == ["export.csv:2", "export.csv:5"]
    assert manifest.jobs[0].row["Title"] == "Blue mug"


@pytest.mark.parametrize("header", [OLD, NEW, MIXED], ids=["old", "new", "mixed"])
def test_a_picture_may_be_a_job(read, header):
    """Named by its product and its file; its row's own texts go before the product's."""
    export = shopify(
        header,
        ("mug", "Blue mug", B, "2", "back"),
        ("mug", "", A, "1", ""),
        ("lamp", "Lamp", C, "1", ""),
    )
    template = 'defaults: {prompt: "{{ title }} {{ position }}/{{ image_count }}"}'
    manifest = read(export, "shopify", "per: image", template)
    assert jobs(manifest) == [("mug--a", [A]), ("mug--b", [B]), ("lamp--c", [C])]
    prompts = ["Blue mug 1/2", "Blue mug 2/2", "Lamp 1/1"]
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == prompts
    assert [spec.source for spec in manifest.jobs] == ["export.csv:3", "export.csv:2", "export.csv:4"]


@pytest.mark.parametrize(
    ("positions", "order"),
    [
        (["1", "2", "3"], [A, B, C]),
        (["3", "1", "2"], [B, C, A]),
        (["10", "9", "1"], [C, B, A]),
        (["3.0", "1.0", "2.0"], [B, C, A]),
        (["2", "2", "1"], [C, A, B]),
        (["", "", ""], [A, B, C]),
        (["1", "5", "9"], [A, B, C]),
    ],
)
def test_positions_give_the_order(read, positions, order):
    """Numbers, not texts; also as a data frame writes them; where they are equal or missing, as they stand."""
    export = shopify(OLD, *(("mug", "Mug", url, n, "") for url, n in zip([A, B, C], positions, strict=True)))
    assert jobs(read(export, "shopify")) == [("mug", order)]
    assert [urls for _, urls in jobs(read(export, "shopify", "per: image"))] == [[url] for url in order]


@pytest.mark.parametrize(
    ("positions", "told"),
    [
        ("24", "'a.jpg' has the position 2, and is sent as image 1"),
        ("13", "'b.jpg' has the position 3, and is sent as image 2"),
        ("11", "'b.jpg' has the position 1, and is sent as image 2"),
        ("21", None),
        ([""] * 2, None),
    ],
)
def test_a_picture_that_is_sent_as_another_number_is_told(found, read, positions, told):
    """Where a prompt says `image 2` it would be done to another picture: an error then."""
    export = shopify(OLD, *(("mug", "Mug", url, n, "") for url, n in zip([A, B], positions, strict=True)))
    line = "E2" if told and told.startswith("'a") else "E3"
    expected = [("missing-picture", line, told)] if told else []
    assert warned(read(export, "shopify")) == expected
    assert warned(read(export, "shopify", "per: image")) == []
    head = 'defaults: {prompt: "On the wood of image 2."}'
    if told:
        assert [(code, cell, message) for code, _, cell, message in found(export, "shopify", head=head)] == expected
    else:
        assert warned(read(export, "shopify", head=head)) == []


def test_a_hole_among_the_pictures_of_a_product_is_told(read):
    """Of WooCommerce in a cell, of a feed between its columns."""
    row = {"ID": "1", "SKU": "mug", "Images": f"{A}, , {C}, "}
    told = "place 2 of 'Images' is empty: 'c.jpg' is sent as image 2"
    assert warned(read(table(WOO, row), "woocommerce")) == [("missing-picture", "F2", told)]
    row = {"id": "mug", "additional_image_link": f"{A},{B}"}
    told = "'image_link' is empty: 'a.jpg' is sent as image 1"
    assert warned(read(table(FEED, row), "google-merchant")) == [("missing-picture", "C2", told)]


def test_a_position_that_is_none_is_an_error(found):
    """The order of pictures is what `image 1` in a prompt means."""
    export = shopify(OLD, ("mug", "Mug", A, "first", ""), ("mug", "", B, "1", ""))
    assert found(export, "shopify") == [("position", 2, "F2", "'first' is no picture's position")]


def test_a_position_without_a_picture_is_looked_at_too(found):
    """Such a row is shifted, and its picture would be left out."""
    export = shopify(OLD, ("mug", "Mug", A, "1", ""), ("mug", "", "", B, ""))
    assert found(export, "shopify") == [("position", 3, "F3", f"{B!r} is no picture's position")]


@pytest.mark.parametrize(
    ("position", "hint"),
    [("Image Postion", "did you mean 'Image Postion'?"), ("Note", "add it where their order is another")],
)
def test_an_export_without_positions_is_told(read, position, hint):
    """Once, and only where there is an order: a mistyped column would change which picture is `image 1`."""
    header = ["Handle", "Title", "Image Src", position]
    manifest = read(table(header, ["mug", "M", B, "2"], ["mug", "", A, "1"], ["cap", "", A, "1"]), "shopify")
    assert jobs(manifest) == [("mug", [B, A]), ("cap", [A])]
    message = "no column 'image_position': pictures are taken in the order of their rows"
    assert [(d.code, d.place.line, d.message, d.hint) for d in manifest.warnings] == [
        ("missing-column", 2, message, hint)
    ]
    assert read(table(header, ["mug", "M", B, "2"]), "shopify").warnings == ()


def test_a_feed_without_its_main_picture_is_refused(found):
    """The additional ones alone would be another edit, and be paid for."""
    feed = table(["id", "title", "image_lnk", "additional_image_link"], ["S-1", "Mug", A, B], delimiter="\t")
    ((code, line, _, message),) = found(feed, "google-merchant", name="feed.tsv")
    assert (code, line, message) == ("missing-column", 1, "the preset google-merchant needs a column 'image_link'")


def test_a_picture_is_taken_once(read):
    """A variant repeats its product's picture; the columns of variants' own pictures repeat it again."""
    rows = [
        {"Handle": "mug", "Title": "Mug", "Image Src": A, "Image Position": "1", "Variant Image": A},
        {"Handle": "mug", "Image Src": B, "Image Position": "2", "Variant Image": A},
        {"Handle": "mug", "Image Src": A, "Image Position": "3", "Variant Image": B},
        {"Handle": "mug", "Variant Image": B},
    ]
    export = table(OLD, *rows)
    assert jobs(read(export, "shopify")) == [("mug", [A, B])]
    assert jobs(read(export, "shopify", "per: image")) == [("mug--a", [A]), ("mug--b", [B])]


@pytest.mark.parametrize("per", ["product", "image"])
def test_a_picture_that_a_variant_alone_has_is_told(read, per):
    """It is not sent, as nobody asked for it; the remedy that is printed sends it, behind its row's own."""
    rows = [
        {"Handle": "mug", "Title": "Mug", "Image Src": A, "Image Position": "1", "Variant Image": A},
        {"Handle": "mug", "Image Src": B, "Image Position": "2", "Variant Image": C},
        {"Handle": "mug", "Variant Image": C},
        {"Handle": "old", "Title": "Old", "Image Src": D, "Variant Image": f"{D}?2"},
    ]
    export, where = table(OLD, *rows), f"per: {per}, where: title == 'Mug'"
    manifest = read(export, "shopify", where)
    assert [url for _, urls in jobs(manifest) for url in urls] == [A, B]
    told = [d for d in manifest.warnings if d.code != "where"]
    remedy = "columns: {image_urls: ['Image Src', 'Variant Image']}"
    assert [(d.code, d.place.line, d.place.cell, d.message, d.hint) for d in told] == [
        (
            *("pictures-left", 3, "H3", "'c.jpg' stands in 'Variant Image' alone: a picture that is not sent"),
            f"to send such pictures as well:  {remedy}",
        )
    ]
    manifest = read(export, "shopify", f"{where}, {remedy}")
    assert [url for _, urls in jobs(manifest) for url in urls] == [A, B, C]
    assert [d for d in manifest.warnings if d.code != "where"] == []
    assert warned(read(export, "shopify", f"per: {per}, columns: {{image_urls: Image Src}}")) == []


def test_a_product_without_pictures_is_told(read):
    """There is no job for it, unless the manifest gives it some; a condition leaves it out without a word."""
    export = shopify(OLD, ("card", "Gift card", "", "", ""), ("mug", "Mug", A, "1", ""))
    manifest = read(export, "shopify")
    assert jobs(manifest) == [("mug", [A])]
    assert warned(manifest) == [("no-pictures", None, "'card' has no picture: there is no job for it")]
    assert jobs(read(export, "shopify", "where: image_count > 0")) == [("mug", [A])]
    assert jobs(read(export, "shopify", head=f"defaults: {{prompt: White., image_urls: [{B}]}}"))[0] == ("card", [B])
    given = f"overrides: [{{match: card, set: {{image_urls: [{C}]}}}}]"
    assert jobs(read(export, "shopify", head=f"defaults: {{prompt: White.}}\n{given}"))[0] == ("card", [C])
    manifest = read(export, "shopify", "per: image")
    assert jobs(manifest) == [("mug--a", [A])]
    assert warned(manifest) == [("no-pictures", None, "'card' has no picture: there is no job for it")]
    left = [("where", None, "where leaves out 1 of 2 jobs of export.csv")]
    assert warned(read(export, "shopify", "per: image, where: image_count > 0")) == left


def test_more_than_ten_pictures_are_too_many_for_one_job(read, found):
    """The model says so, at the product's place; as one job each they are fine."""
    rows = [("mug", "Mug" if n == 1 else "", f"{A}?{n}", str(n), "") for n in range(1, 13)]
    export = shopify(OLD, *rows)
    assert found(export, "shopify") == [("image-count", 2, "E2", "12 image_urls; from 1 to 10 are taken")]
    assert len(read(export, "shopify", "per: image").jobs) == 12


def test_a_row_without_a_handle_is_nobodys(found):
    export = shopify(OLD, ("mug", "Mug", A, "1", ""), ("", "", B, "2", ""))
    assert found(export, "shopify") == [("id", 3, "A3", "the id is blank")]


PROMPTED = [*OLD, "prompt", "num_images", "aspect_ratio"]


def test_columns_that_a_user_adds_are_read_as_the_models_fields(read):
    """Of their type; with one job a picture each row has its own, or its product's."""
    rows = [
        {"Handle": "mug", "Title": "Mug", "Image Src": A, "prompt": "Front", "num_images": "2", "aspect_ratio": "1:1"},
        {"Handle": "mug", "Image Src": B, "prompt": "Back"},
        {"Handle": "mug", "Image Src": C},
    ]
    manifest = read(table(PROMPTED, *rows), "shopify", "per: image", "")
    assert [(s.inputs["prompt"], s.inputs["num_images"], s.inputs["aspect_ratio"]) for s in manifest.jobs] == [
        ("Front", 2, "1:1"),
        ("Back", 2, "1:1"),
        ("Front", 2, "1:1"),
    ]


def test_prompts_that_differ_within_a_product_are_refused(read, found):
    """One job has one prompt; which of the two is not guessed, and none is left out."""
    rows = [
        {"Handle": "mug", "Image Src": A, "prompt": "Front"},
        {"Handle": "mug", "Image Src": B, "prompt": "Back"},
    ]
    message = "prompt differs from row to row of 'mug', and one job is made of them"
    assert found(table(PROMPTED, *rows), "shopify", "", "") == [("rows-differ", 3, "I3", message)]
    rows[1]["prompt"] = "Front"
    assert jobs(read(table(PROMPTED, *rows), "shopify", "", "")) == [("mug", [A, B])]


VARIANTS = [
    {"Handle": "mug", "Title": "Mug", "Option1 Value": "Red", "Image Src": A, "Image Alt Text": "front"},
    {"Handle": "mug", "Option1 Value": "Blue", "Image Src": B},
    {"Handle": "mug", "Image Src": C},
]


def test_a_picture_has_no_text_of_another_picture(found, read):
    """Where its own cell is empty, the product's first one is about another: its title alone is everyone's."""
    head = 'defaults: {prompt: "{{ title }} {{ image_alt_text }}"}'
    wrong = found(table(OLD, *VARIANTS), "shopify", "per: image", head)
    assert [(code, message.split(" is empty")[0]) for code, _, _, message in wrong] == [
        ("template", f"cell {cell} (Image Alt Text)") for cell in ("G3", "G4")
    ]
    head = "defaults: {prompt: \"{{ title }} {{ image_alt_text | default('-') }}\"}"
    prompts = [spec.inputs["prompt"] for spec in read(table(OLD, *VARIANTS), "shopify", "per: image", head).jobs]
    assert prompts == ["Mug front", "Mug -", "Mug -"]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("option1_value == 'Red'", []),
        ("option1_value == 'Green'", ["H3"]),
        ("option1_value in ['Red', 'Blue']", ["H4"]),
        ("title == 'Mug'", ["H3"]),
        ("position == 1", []),
        ("variant_qty > 0", ["H3"]),
    ],
)
def test_a_picture_that_a_variant_alone_has_is_not_told_where_it_is_left_out(read, where, told):
    """It is asked of its row, as of the pictures that are listed; what cannot be judged is told."""
    rows = [
        {"Handle": "mug", "Title": "Mug", "Option1 Value": "Red", "Image Src": A, "Variant Image": A},
        {"Handle": "mug", "Option1 Value": "Green", "Variant Image": C},
        {"Handle": "mug", "Option1 Value": "Blue", "Variant Image": C},
    ]
    filled = [row | {"Variant Qty": text} for row, text in zip(rows, ("2", "n/a", "0"), strict=True)]
    export = table([*OLD, "Variant Qty"], *filled, {"Handle": "lamp", "Title": "Lamp", "Image Src": D})
    source = f"per: image, where: \"title == 'Lamp' or ({where})\""
    assert [d.place.cell for d in read(export, "shopify", source).warnings if d.code == "pictures-left"] == told


BESIDE = [
    {"Handle": "mug", "Title": "Mug", "Option1 Value": "Blue", "Variant SKU": "M", "Variant Qty": "3", "Image Src": A},
    {"Handle": "mug", "Option1 Value": "Red", "Variant SKU": "M", "Variant Qty": "0", "Image Src": B},
    {"Handle": "mug", "Image Src": C},
]
"""Variants and pictures are two lists side by side: which shows which, the sheet does not say."""
UNSHOWN = "no variant shows the picture '{}.jpg' (cell {}): it has no {} of its own, and the {} needs it"


@pytest.mark.parametrize("image", ["", D])
def test_a_picture_has_no_text_of_the_variant_beside_it(found, read, image):
    """Whether some variant names its picture or none does: what the variants say otherwise is no picture's."""
    rows = [BESIDE[0] | {"Variant Image": image}, *BESIDE[1:]]
    header = [*OLD, "Variant Qty"]
    head = 'defaults: {prompt: "{{ title }} {{ option1_value }}"}'
    wrong = found(table(header, *rows), "shopify", "per: image", head)
    assert [(code, message.rpartition(" (for ")[0]) for code, _, _, message in wrong] == [
        ("template", UNSHOWN.format(name, cell, "Option1 Value", "template"))
        for name, cell in (("a", "E2"), ("b", "E3"), ("c", "E4"))
    ]
    wrong = found(table(header, *rows), "shopify", "per: image, where: variant_qty > 0")
    assert [(code, message.rpartition(" (for ")[0]) for code, _, _, message in wrong] == [
        ("where", f"where: {UNSHOWN.format(name, cell, 'Variant Qty', 'condition')}")
        for name, cell in (("a", "E2"), ("b", "E3"), ("c", "E4"))
    ]
    wrong = found(table(header, *rows), "shopify", "per: image, columns: {prompt: Option1 Value}", "name: x")
    assert {code for code, *_ in wrong} == {"missing-field"}


def test_the_remedies_for_a_picture_that_no_variant_shows(read):
    """Each of those that are printed, word for word; and what all variants say is the picture's as well."""
    export = table([*OLD, "Variant Qty"], *BESIDE)

    def prompts(text, where="variant_sku == 'M'"):
        head = f'defaults: {{prompt: "{{{{ title }}}}{text}"}}'
        return [spec.inputs["prompt"] for spec in read(export, "shopify", f'per: image, where: "{where}"', head).jobs]

    assert prompts(" {{ variant_sku }}") == ["Mug M"] * 3
    text = "{% if row['Option1 Value'] %} in {{ option1_value }}{% endif %}"
    assert prompts(text) == ["Mug"] * 3
    assert prompts("", "row['Variant Qty'] == '' or (variant_qty > 0)") == ["Mug"] * 3
    assert (
        prompts("", "row['Option1 Value'] == '' or (option1_value.startswith('R') and variant_qty > 0)") == ["Mug"] * 3
    )
    named = [row | {"Variant Image": row["Image Src"]} for row in BESIDE[:2]]
    export = table([*OLD, "Variant Qty"], *named, BESIDE[2])
    assert prompts(text) == ["Mug in Blue", "Mug in Red", "Mug"]
    assert prompts("", "row['Variant Qty'] == '' or (variant_qty > 0)") == ["Mug"] * 2


@pytest.mark.parametrize(
    "asked",
    [
        "option1_value == 'Red'",
        "option1_value != 'Red'",
        "not (option1_value == 'Red')",
        "'Red' == option1_value",
        "row['Option1 Value'] != 'Red'",
        "option1_value in ['Red', 'Blue']",
        "option1_value not in ['Red']",
        "option1_value in title",
        "option1_value not in title.split(',')",
        "'Red' in option1_value",
        "'Red' not in option1_value",
        "option1_value == title",
        "title != option1_value",
        "option1_value == image_alt_text",
        "option1_value == variant_qty",
        "option1_value == 3",
        "option1_value > 'A'",
        "option1_value is in ['Red']",
        "'Red' in option1_value.split('/')",
        "option1_value.startswith('R')",
        "option1_value | lower == 'red'",
        "option1_value | length > 3",
        "option1_value[0] == 'R'",
        "title == 'Lamp' or option1_value == 'Red'",
    ],
)
def test_what_no_variant_shows_is_compared_with_no_text(found, asked):
    """Each answer would be a guess, that it is not red as well: the picture may be the red one's."""
    export = table([*OLD, "Variant Qty"], *BESIDE)
    wrong = found(export, "shopify", f'per: image, where: "{asked}"')
    assert [(code, message) for code, _, _, message in wrong] == [
        ("where", f"where: {UNSHOWN.format(name, cell, 'Option1 Value', 'condition')} (for export.csv:{cell[1:]})")
        for name, cell in (("a", "E2"), ("b", "E3"), ("c", "E4"))
    ]
    head = f"defaults: {{prompt: \"{{{{ title }}}} {{{{ 'on red' if {asked} else 'on white' }}}}\"}}"
    wrong = found(export, "shopify", "per: image", head)
    assert [(code, message.rpartition(" (for ")[0]) for code, _, _, message in wrong] == [
        ("template", UNSHOWN.format(name, cell, "Option1 Value", "template"))
        for name, cell in (("a", "E2"), ("b", "E3"), ("c", "E4"))
    ]


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("option1_value == ''", 3),
        ("'' == option1_value", 3),
        ("option1_value != ''", 0),
        ("not option1_value", 3),
        ("option1_value and option1_value != 'Red'", 0),
        ("option1_value == '' or option1_value == 'Red'", 3),
    ],
)
def test_whether_a_picture_has_a_text_of_a_variant_may_be_asked(read, asked, count):
    """As the remedies do."""
    export = table([*OLD, "Variant Qty"], *BESIDE, {"Handle": "lamp", "Title": "Lamp", "Image Src": D})
    manifest = read(export, "shopify", f"per: image, where: \"title == 'Lamp' or ({asked})\"")
    assert len(manifest.jobs) == count + 1


def test_a_long_condition_is_not_repeated_in_a_remedy(read):
    """A remedy is a line."""
    asked = " or ".join(f"option1_value == 'Colour {number}'" for number in range(9))
    with pytest.raises(InvalidManifest) as caught:
        read(table(OLD, *BESIDE), "shopify", f'per: image, where: "{asked}"')
    assert caught.value.diagnostics[0].hint.endswith(":  row['Option1 Value'] == '' or …")


@pytest.mark.parametrize("header", [[*OLD, "Option1 Name"], [*NEW, "Option1 name"]])
@pytest.mark.parametrize("per", ["product", "image"])
def test_what_has_no_variants_has_no_default_title(read, header, per):
    """Shopify writes it where there is no variant, and shows it nowhere; it is carried along as it stands."""
    handle, title, name, value, image = (
        ("Handle", "Title", "Option1 Name", "Option1 Value", "Image Src")
        if header[0] == "Handle"
        else ("URL handle", "Title", "Option1 name", "Option1 value", "Product image URL")
    )
    export = table(
        header,
        {handle: "vase", title: "Vase", name: "Title", value: "Default Title", image: A},
        {handle: "vase", image: B} if per == "image" else {handle: "jug", title: "Jug", image: B},
        {handle: "mug", title: "Mug", name: "Color", value: "Blue", image: C},
        {handle: "book", title: "Book", name: "Edition", value: "Default Title", image: D},
    )
    head = f"defaults: {{prompt: \"{{{{ title }}}}{{% if option1_value %}} in {{{{ row['{value}'] }}}}{{% endif %}}\"}}"
    manifest = read(export, "shopify", f"per: {per}", head)
    first = ["Vase", "Vase"] if per == "image" else ["Vase", "Jug"]
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == [*first, "Mug in Blue", "Book in Default Title"]
    assert next(iter(manifest.jobs)).row[value] == "Default Title"
    manifest = read(export, "shopify", f"per: {per}, where: option1_value == ''", "name: x\ndefaults: {prompt: White}")
    assert len(manifest.jobs) == 2
    manifest = read(export, "shopify", f"per: {per}, where: \"option1_value != 'Blue' and not option1_value\"")
    assert len(manifest.jobs) == 2


@pytest.mark.parametrize(
    ("where", "taken"),
    [
        ("option1_value != 'Default Title'", ["mug"]),
        ("option1_value not in ['Default Title', 'Red']", ["mug"]),
        ("option1_value == 'Default Title'", ["vase"]),
        ("row['Option1 Value'] in ['Default Title', 'Blue']", ["vase", "mug"]),
        ("option1_value == ''", ["vase"]),
        ("option1_value", ["mug"]),
    ],
)
def test_default_title_may_be_asked_for_by_its_name(read, where, taken):
    """That is how shops tell what has variants from what has none."""
    header = [*OLD, "Option1 Name", "Option1 Value"]
    export = table(
        list(dict.fromkeys(header)),
        {"Handle": "vase", "Title": "Vase", "Option1 Name": "Title", "Option1 Value": "Default Title", "Image Src": A},
        {"Handle": "mug", "Title": "Mug", "Option1 Name": "Color", "Option1 Value": "Blue", "Image Src": B},
    )
    manifest = read(export, "shopify", f'where: "{where}"')
    assert [spec.job_id for spec in manifest.jobs] == taken
    assert [d.message for d in manifest.warnings if "in no row" in d.message] == []
    prompt = f"{{{{ title }}}}{{% if {where} %}} (asked){{% endif %}}"
    manifest = read(export, "shopify", "", f'defaults: {{prompt: "{prompt}"}}')
    assert [spec.job_id for spec in manifest.jobs if "(asked)" in spec.inputs["prompt"]] == taken


def test_default_title_is_no_text_to_send(read):
    export = table(
        [*OLD, "Option1 Name"],
        {"Handle": "vase", "Title": "Vase", "Option1 Name": "Title", "Option1 Value": "Default Title", "Image Src": A},
    )
    with pytest.raises(InvalidManifest) as caught:
        read(export, "shopify", "", 'defaults: {prompt: "{{ title }} in {{ option1_value }}"}')
    [told] = [d for d in caught.value.diagnostics if d.severity == "error"]
    assert "(Option1 Value) is empty but for 'Default Title', and the template needs it" in told.message
    assert told.hint.startswith("ask first, as in {% if row['Option1 Value'] %}")


def test_a_sheet_without_names_of_options_has_its_default_title(read):
    """It may be what it says."""
    export = table(OLD, {"Handle": "vase", "Title": "Vase", "Option1 Value": "Default Title", "Image Src": A})
    manifest = read(export, "shopify", "where: option1_value == 'Default Title'")
    assert len(manifest.jobs) == 1


@pytest.mark.parametrize("per", ["product", "image"])
@pytest.mark.parametrize(("header", "handle", "image"), [(OLD, "Handle", "Image Src"), (NEW, NEW[1], NEW[4])])
def test_a_product_whose_rows_lie_apart_is_refused(found, per, header, handle, image):
    """A later row is known for a draft's only by the one that it stood behind before the sheet was sorted."""
    rows = [{handle: "mug", "Title": "Mug", image: A}, {handle: "vase", "Title": "Vase", image: B}]
    rows += [{handle: "mug", image: C}, {handle: "mug", image: D}, {handle: "vase", image: C}]
    message = "{!r} comes again: its other rows begin on line {}, and a product's rows stand together"
    column = "A" if handle == "Handle" else "B"
    assert found(table(header, *rows), "shopify", f"per: {per}, where: title != 'Lamp'") == [
        ("rows-apart", 4, f"{column}4", message.format("mug", 2)),
        ("rows-apart", 6, f"{column}6", message.format("vase", 3)),
    ]


def test_where_names_came_first_is_kept_of_many():
    """In 16 bytes a slot, of which half are free."""
    begun = FirstLines()
    assert all(begun.first(str(number), number) is None for number in range(1, 5000))
    assert [begun.first(str(number), 1) for number in (1, 77, 4999)] == [1, 77, 4999]
    assert begun.first("0", 3) is None


def test_the_only_variant_is_of_every_picture(read):
    """Its row stands beside one of them."""
    rows = [BESIDE[0], {"Handle": "mug", "Image Src": B}]
    head = 'defaults: {prompt: "{{ title }} {{ option1_value }}"}'
    manifest = read(table(OLD, *rows), "shopify", "per: image", head)
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == ["Mug Blue"] * 2


@pytest.mark.parametrize(
    "text", ["{{ option1_value }}", "{{ row['Option1 Value'] }}", "{% if option1_value %}Red{% endif %}"]
)
def test_a_template_has_no_text_that_differs_within_a_product(found, read, text):
    """One job is made of all its variants; what they have in common may be asked for."""
    ((code, _, _, message),) = found(table(OLD, *VARIANTS), "shopify", head=f'defaults: {{prompt: "{text}"}}')
    told = "Option1 Value: cell C3 differs from other rows of 'mug', and one job is made of them (for export.csv:2)"
    assert (code, message) == ("rows-differ", told)
    rows = [row | {"prompt": text} for row in VARIANTS]  # a template in a cell as well
    assert [(code, cell) for code, _, cell, _ in found(table(PROMPTED, *rows), "shopify", "", "")] == [
        ("rows-differ", "I2")
    ]
    head = 'defaults: {prompt: "{{ title }}, {{ image_alt_text }}"}'
    assert [spec.inputs["prompt"] for spec in read(table(OLD, *VARIANTS), "shopify", head=head).jobs] == ["Mug, front"]


def test_a_missing_prompt_is_told_once(found):
    """Not for each product."""
    export = shopify(OLD, *((f"mug-{n}", "Mug", A, "1", "") for n in range(50)))
    errors = found(export, "shopify", head="name: x")
    assert [e for e in errors if e[0] == "missing-column"] == [("missing-column", 3, None, "no column 'prompt'")]


@pytest.mark.parametrize("column", ["Handle", "prompt", "aspect_ratio"])
def test_a_failed_formula_is_never_sent(found, column):
    row = {"Handle": "mug", "Image Src": A, "prompt": "White"} | {column: "#N/A"}
    index = PROMPTED.index(column)
    place = ("spoilt-cell", 2, f"{'ABCDEFGHIJK'[index]}2", "#N/A is a spreadsheet's error, not a value")
    assert place in found(table(PROMPTED, row), "shopify", "", "")


def test_a_failed_formula_is_no_picture(found):
    export = shopify(OLD, ("mug", "Mug", "#REF!", "1", ""))
    assert [(code, line, cell) for code, line, cell, _ in found(export, "shopify")] == [("url", 2, "E2")]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("{id: Variant SKU}", [("00123", [A, B])]),
        ("{image_urls: Variant Image}", [("mug", [C])]),
        ("{image_urls: [Variant Image, Image Src]}", [("mug", [C, A, B])]),
        ("{prompt: Title}", [("mug", [A, B])]),
    ],
)
def test_what_the_user_maps_goes_before_the_preset(read, columns, expected):
    rows = [
        {"Handle": "mug", "Title": "Mug", "Variant SKU": "00123", "Image Src": A, "Variant Image": C},
        {"Handle": "mug", "Image Src": B},
    ]
    assert jobs(read(table(OLD, *rows), "shopify", f"columns: {columns}")) == expected


def test_the_products_of_a_handle_may_be_filtered(read):
    """By texts that only its first row has."""
    rows = [
        {"Handle": "mug", "Title": "Mug", "Image Src": A, "Status": "active"},
        {"Handle": "mug", "Image Src": B},
        {"Handle": "old", "Title": "Old", "Image Src": C, "Status": "draft"},
        {"Handle": "old", "Image Src": D},
    ]
    export = table([*OLD, "Status"], *rows)
    assert jobs(read(export, "shopify", 'where: status == "active"')) == [("mug", [A, B])]
    assert jobs(read(export, "shopify", 'per: image, where: status == "active"')) == [("mug--a", [A]), ("mug--b", [B])]


def test_a_model_of_one_picture_says_what_it_leaves_out(read):
    """One job a product is one picture of it; the others are told."""
    export = shopify(OLD, ("mug", "Mug", A, "1", ""), ("mug", "", B, "2", ""))
    manifest = read(export, "shopify", head="model: owner/upscaler")
    assert [spec.inputs for spec in manifest.jobs] == [{"image": A}]
    assert warned(manifest) == [
        ("pictures-left", None, "the model takes one picture: the other 1 of 'mug' are not sent")
    ]
    manifest = read(export, "shopify", "per: image", "model: owner/upscaler")
    assert ([spec.inputs for spec in manifest.jobs], manifest.warnings) == ([{"image": A}, {"image": B}], ())


# --------------------------------------------------------------------------------------------------------- WooCommerce


def test_a_cell_holds_all_pictures_of_a_product(read):
    """Joined by a comma and a space; named by the SKU, without one by the shop's own number."""
    export = table(
        WOO,
        ["44", "variable", "vase", "Vase", "1", f"{A}, {B}, {C}", ""],
        ["45", "simple", "", "Bag", "1", D, ""],
    )
    assert jobs(read(export, "woocommerce")) == [("vase", [A, B, C]), ("45", [D])]
    per_image = [("vase--a", [A]), ("vase--b", [B]), ("vase--c", [C]), ("45--d", [D])]
    assert jobs(read(export, "woocommerce", "per: image")) == per_image


def test_variations_that_repeat_their_parents_picture_are_one_request(read):
    """The same edit of the same picture is paid for once, whoever wants it."""
    export = table(
        WOO,
        ["44", "variable", "vase", "Vase", "1", A, ""],
        ["45", "variation", "vase-red", "Vase - Red", "1", A, "vase"],
        ["46", "variation", "vase-blue", "Vase - Blue", "1", B, "vase"],
    )
    manifest = read(export, "woocommerce")
    first, second, third = (spec.fingerprint for spec in manifest.jobs)
    assert (first == second, first == third, len(manifest.repeated)) == (True, False, 1)


def test_each_row_of_an_export_is_a_product(read, found):
    """Two rows of one SKU are two products of one name, which is refused; neighbours are not joined."""
    export = table(WOO, ["1", "simple", "a", "A", "1", A, ""], ["2", "simple", "a", "B", "1", B, ""])
    assert found(export, "woocommerce") == [("duplicate-id", 3, "C3", "duplicate id 'a'")]


def test_unpublished_products_are_left_out_by_a_condition(read):
    export = table(WOO, ["1", "simple", "a", "A", "1", A, ""], ["2", "simple", "b", "B", "0", "", ""])
    assert jobs(read(export, "woocommerce", "where: published == 1")) == [("a", [A])]


# ----------------------------------------------------------------------------------------------------- Google Merchant


def test_a_feed_has_a_main_picture_and_more(read):
    """Up to ten more, joined by commas; a comma within a URL is written as %2C and stays so."""
    more = f"{B}?crop=0%2C0%2C8%2C8,{C}"
    export = table(FEED, ["SKU-1", "Bottle", A, more, "in_stock"], ["SKU-2", "Shoe", D, "", ""], delimiter="\t")
    manifest = read(export, "google-merchant", name="feed.tsv")
    assert jobs(manifest) == [("SKU-1", [A, f"{B}?crop=0%2C0%2C8%2C8", C]), ("SKU-2", [D])]


def test_an_attribute_that_is_repeated_is_read_as_often(read):
    """A feed may have a column for each further picture, all of one name."""
    header = [*FEED[:3], "additional image link", "additional image link", "product_highlight", "product_highlight"]
    export = table(header, ["SKU-1", "Bottle", A, B, C, "x", "y"], delimiter="\t")
    assert jobs(read(export, "google-merchant", name="feed.tsv")) == [("SKU-1", [A, B, C])]


def test_eleven_pictures_of_a_feed_are_one_too_many(read, found):
    more = ",".join(f"{B}?{n}" for n in range(10))
    export = table(FEED, ["SKU-1", "Bottle", A, more, ""], delimiter="\t")
    assert found(export, "google-merchant", name="feed.tsv")[0][3] == "11 image_urls; from 1 to 10 are taken"
    assert len(read(export, "google-merchant", "per: image", name="feed.tsv").jobs) == 11


# ---------------------------------------------------------------------------------------------------------------- all


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (OLD, "shopify"),
        (NEW, "shopify"),
        (MIXED, "shopify"),
        (WOO, "woocommerce"),
        (FEED, "google-merchant"),
        (["ID", "Title", "Image link"], "google-merchant"),
        (["id", "prompt", "image_urls"], None),
        (["Handle", "Title"], None),
        (["sku", "name", "images"], None),
        ([], None),
    ],
)
def test_an_export_is_known_by_its_header(header, name):
    """`init --from` looks at it."""
    preset = recognised(header)
    assert (preset.name if preset else None) == name


ROWS = [["mug", "Mug", A, "1"], ["mug", "", B, "2"]]
TITLED = "defaults: {prompt: 'A {{ title }}.'}"
ASKED = "defaults: {prompt: 'A {% if title %}{{ title }}{% endif %}.'}"
BY_ROW = "it looks like an export of {}, and each row is read as a product of its own"


@pytest.mark.parametrize(
    ("head", "source", "severity"),
    [
        ('defaults: {prompt: "White."}', "", "warning"),
        (ASKED, "", "warning"),
        (ASKED, "columns: {image_urls: Image Src}", "note"),
        (ASKED, "where: title != ''", "note"),
        (f"{ASKED[:-1]}, image_urls: 'https://c.example/{{{{ handle }}}}.jpg'}}", "", "note"),
    ],
)
def test_products_that_are_read_row_by_row_are_told(tmp_path, head, source, severity):
    """Their later rows have no title. Whoever says which column or which rows are wanted has seen them."""
    (tmp_path / "export.csv").write_text(table(["Handle", "Title", "Image Src", "Image Position"], *ROWS))
    (tmp_path / "m.yaml").write_text(f"version: 1\n{head}\nsources: [{{file: export.csv, {source}}}]\n")
    told = [d for d in read_manifest(tmp_path / "m.yaml", rules=rules_of).warnings if d.code == "preset"]
    assert [(d.severity, d.file, d.place.cell, d.message) for d in told] == [
        (severity, "export.csv", "A1", BY_ROW.format("shopify"))
    ]
    assert told[0].hint == "it is read as the shop means it with  preset: shopify"


def test_products_are_told_beside_what_is_wrong_with_a_cell(tmp_path):
    """To ask first whether there is a title is no help: it would send `A .` for the second picture."""
    (tmp_path / "m.csv").write_text(table(["Handle", "Title", "Image Src", "Image Position"], *ROWS))
    with pytest.raises(InvalidManifest) as caught:
        read_manifest(tmp_path / "m.csv", rules=rules_of, inline=Inline(prompt="A {{ title }}."))
    told = {d.code: (d.severity, d.hint) for d in caught.value.diagnostics}
    assert told["template"][0] == "error"
    assert told["preset"] == ("warning", "it is read as the shop means it with  --preset shopify")
    inline = Inline(prompt="A {{ title }}.", preset="shopify")
    assert jobs(read_manifest(tmp_path / "m.csv", rules=rules_of, inline=inline)) == [("mug", [A, B])]


@pytest.mark.parametrize(
    ("header", "row", "head", "source", "told"),
    [
        (["Handle", "Title", "Image Src"], ["mug", "Mug", A], 'defaults: {prompt: "White."}', "", None),
        (["Handle", "Title", "Image Src"], ["mug", "Mug", A], TITLED, "", "shopify"),
        (["Handle", "Title", "Image Src"], ["mug", "Mug", A], TITLED, "columns: {image_urls: Image Src}", None),
        (["id", "title", "image_link"], ["mug", "Mug", A], TITLED, "", "google-merchant"),
        (["id", "title", "image_link"], ["mug", "Mug", A], TITLED, "columns: {image_urls: image_link}", None),
        (["id", "title", "image_link", "prompt"], ["mug", "Mug", A, "White."], "", "", None),
        (["sku", "title", "image_link"], ["mug", "Mug", A], TITLED, "", None),
    ],
)
def test_an_export_whose_rows_are_products_is_noted_where_it_fills_a_template(
    tmp_path, header, row, head, source, told
):
    """Read either way it comes to much the same: somebody who chose the columns hears nothing of it."""
    (tmp_path / "export.csv").write_text(table(header, row))
    (tmp_path / "m.yaml").write_text(f"version: 1\n{head}\nsources: [{{file: export.csv, {source}}}]\n")
    found = [d for d in read_manifest(tmp_path / "m.yaml", rules=rules_of).warnings if d.code == "preset"]
    assert [(d.severity, d.message) for d in found] == ([("note", BY_ROW.format(told))] if told else [])


@pytest.mark.parametrize(
    ("preset", "header", "message"),
    [
        ("shopify", ["id", "Image Src"], "the preset shopify needs a column 'handle' or 'url_handle'"),
        ("shopify", ["Handle", "photo"], "the preset shopify needs a column 'image_src' or 'product_image_url'"),
        ("woocommerce", ["ID", "Bilder"], "the preset woocommerce needs a column 'images'"),
    ],
)
def test_a_sheet_that_is_no_such_export_is_told(found, preset, header, message):
    errors = found(table(header, ["x", A]), preset)
    assert ("missing-column", 1, None, message) in errors


def test_a_localised_export_is_mapped(read):
    """The shop's own language for the column of pictures."""
    export = table(["ID", "Typ", "Artikelnummer", "Bilder"], ["44", "simple", "a", f"{A}, {B}"])
    manifest = read(export, "woocommerce", "columns: {image_urls: Bilder, id: Artikelnummer}")
    assert jobs(manifest) == [("a", [A, B])]


def test_a_column_that_was_added_and_mistyped_is_told(read):
    """As in any sheet; what the shop itself calls alike is not."""
    rows = [{"Handle": "mug", "Image Src": A, "aspect_ration": "1:1", "Image Position": "1"}]
    manifest = read(table([*OLD, "aspect_ration"], *rows), "shopify")
    assert warned(manifest) == [("unused-column", "I1", "the column 'aspect_ration' is not sent")]


def test_two_columns_of_one_field_are_refused(found):
    export = table([*OLD, "prompt", "Prompt"], ["mug", "Mug", "", "", A, "1", "", "", "a", "b"])
    assert ("duplicate-column", 1, "J1", "two columns are named 'prompt'") in found(export, "shopify", "", "")


def test_an_export_may_be_a_manifest_by_itself(tmp_path):
    """With `--preset`, `--per` and `--prompt`."""
    (tmp_path / "m.csv").write_text(shopify(OLD, ("mug", "Mug", B, "2", ""), ("mug", "", A, "1", "")))
    inline = Inline(preset="shopify", per="image", prompt="A {{ title }}")
    manifest = read_manifest(tmp_path / "m.csv", rules=rules_of, inline=inline)
    assert jobs(manifest) == [("mug--a", [A]), ("mug--b", [B])]


SAMPLES = {
    "shopify": [
        *("oak-mug--mug-blue", "oak-mug--mug-red", "desk-lamp--lamp-navy-gold", "desk-lamp--lamp-cream-gold"),
        *("linen-shirt--shirt-navy", "linen-shirt--shirt-white", "field-watch--watch-brown-silver"),
    ],
    "woocommerce": ["woo-vase", "woo-vase-white", "woo-vase-teal", "woo-vase-grey", "48"],
    "google-merchant": ["SKU-1001", "SKU-1003"],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_shipped_examples_are_read(name):
    """Each is run to its pictures where all shipped manifests are."""
    manifest = load(MANIFESTS / f"{name}.yaml")
    assert ([spec.job_id for spec in manifest.jobs], {d.severity for d in manifest.warnings}) == (
        SAMPLES[name],
        {"note"},
    )


# ------------------------------------------------------------------------------------- what a condition and names mean


STOCKED = [*OLD, "Variant Qty", "Status"]
IN_STOCK = [
    {"Handle": "mug", "Title": "Mug", "Image Src": A, "Variant Qty": "0", "Status": "active"},
    {"Handle": "mug", "Image Src": B, "Variant Qty": "5"},
    {"Handle": "mug", "Image Src": C},
    {"Handle": "cup", "Title": "Cup", "Image Src": D, "Variant Qty": "0", "Status": "active"},
    {"Handle": "cup", "Variant Qty": "0"},
]
TORN = "where is true of some rows and false of others of 1 product: the first is export.csv:2"


@pytest.mark.parametrize(
    ("where", "taken", "is_torn"),
    [
        ("variant_qty > 0", ["mug"], True),
        ("variant_qty < 1", ["mug", "cup"], True),
        ("variant_qty >= 0", ["mug", "cup"], False),
        ("row['Variant Qty'] == '5'", ["mug"], True),
        ("status == 'active' and variant_qty > 0", ["mug"], True),
        ("status == 'active'", ["mug", "cup"], False),
        ("title == 'Mug'", ["mug"], False),
    ],
)
def test_a_product_is_wanted_where_one_of_its_rows_is(read, where, taken, is_torn):
    """Not where its first row happens to be; where its rows do not agree it is said."""
    manifest = read(table(STOCKED, *IN_STOCK), "shopify", f'where: "{where}"')
    assert [spec.job_id for spec in manifest.jobs] == taken
    assert [message for code, _, message in warned(manifest) if "rows" in message and code == "where"] == [
        TORN
    ] * is_torn


@pytest.mark.parametrize(
    ("where", "taken", "is_torn"),
    [
        ("variant_qty > 0", ["mug--a"], True),
        ("row['Variant Qty'] == '5'", ["mug--a"], True),
        ("variant_qty >= 0", ["mug--a", "mug--b"], False),
        ("variant_qty > 5", [], False),
        ("title == 'Mug'", ["mug--a", "mug--b"], False),
    ],
)
def test_a_picture_is_wanted_where_one_of_the_variants_that_show_it_is(read, found, where, taken, is_torn):
    """The first of them may be sold out, as a size that nobody else wants."""
    rows = [
        {"Handle": "mug", "Title": "Mug", "Image Src": A, "Variant Image": A, "Variant Qty": "0"},
        {"Handle": "mug", "Image Src": B, "Variant Image": A, "Variant Qty": "5"},
        {"Handle": "mug", "Variant Image": B, "Variant Qty": "0"},
    ]
    header = ["Handle", "Title", "Image Src", "Variant Image", "Variant Qty"]
    arguments = (table(header, *rows), "shopify", f'per: image, where: "{where}"')
    if not taken:
        assert [code for code, *_ in found(*arguments)] == ["no-jobs"]
        return
    manifest = read(*arguments)
    assert [spec.job_id for spec in manifest.jobs] == taken
    torn = "where is true of some rows and false of others of 1 picture: the first is export.csv:2"
    assert [message for _, _, message in warned(manifest) if "some rows" in message] == [torn] * is_torn


def test_a_row_of_a_product_that_cannot_be_judged_is_named(found):
    """Each of its rows is asked."""
    rows = [*IN_STOCK[:2], {"Handle": "mug", "Variant Qty": "n/a"}]
    [(code, line, _, message)] = found(table(STOCKED, *rows), "shopify", "where: variant_qty > 9")
    assert (code, line) == ("where", 3)
    assert message == "where: 'n/a' is compared with a number, and is none (for export.csv:2)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ position }}", "'position' could be the column 'Position', or what the preset counts ('1')"),
        ("{{ image_count }}", "'image_count' could be the column 'Image Count', or what the preset counts ('1')"),
    ],
)
def test_a_presets_name_that_is_a_column_too_is_not_guessed(read, found, text, said):
    """The shop's own `Position` is its place in a list; where both say the same it makes no difference."""
    header = [*WOO, "Position", "Image Count"]
    row = {"ID": "1", "SKU": "mug", "Name": "Mug", "Images": A, "Position": "7", "Image Count": ""}
    source, head = "per: image", f'defaults: {{prompt: "Mug {text}"}}'
    [(code, _, _, message)] = found(table(header, row), "woocommerce", source, head)
    assert (code, message) == ("template", f"{said} (for export.csv:2)")
    same = row | {"Position": "1", "Image Count": "1"}
    assert read(table(header, same), "woocommerce", source, head).jobs[0].inputs["prompt"] == "Mug 1"
    head = "defaults: {prompt: \"Mug {{ row['Position'] }}\"}"
    assert read(table(header, row), "woocommerce", source, head).jobs[0].inputs["prompt"] == "Mug 7"


@pytest.mark.parametrize(
    ("titles", "cells", "named"),
    [
        ("Bilder", A, ["Bilder"]),
        ("Bilder,Anzahl Bilder", f'"{A}, {B}",2', ["Bilder"]),
        ("Bild 2,Bild 1", f"{B},{A}", ["Bild 1", "Bild 2"]),
        ("Bilder", "", ["Bilder"]),
    ],
)
def test_an_export_in_another_language_says_where_its_pictures_are(read, titles, cells, named):
    """A shop names its columns in its own language; by what is in them, else by their names."""
    export = f"ID,Typ,Name,{titles}\n44,simple,T-Shirt,{cells}\n"
    with pytest.raises(InvalidManifest) as caught:
        read(export, "woocommerce")
    [error] = [d for d in caught.value.diagnostics if d.severity == "error"]
    remedy = error.hint.partition("others with  ")[2]
    listed = ", ".join(map(repr, named))
    assert remedy == f"columns: {{image_urls: {listed if len(named) == 1 else f'[{listed}]'}}}"
    if cells:
        assert len(read(export, "woocommerce", remedy).jobs) == 1


def test_a_variation_without_a_picture_is_told_what_the_shop_shows(read):
    """Once a sheet, with the way to leave such rows out."""
    rows = [["44", "variable", "vase", "Vase", "1", A, ""]]
    rows += [[str(n), "variation", f"vase-{n}", "Vase", "1", "", "vase"] for n in range(3)]
    export = table(WOO, *rows)
    assert jobs(read(export, "woocommerce")) == [("vase", [A])]
    manifest = read(export, "woocommerce", "where: type != 'variation'")
    assert jobs(manifest) == [("vase", [A])]
    told = [message for _, _, message in warned(read(export, "woocommerce", "per: image"))]
    assert told == [
        "'vase-0' is a variation without a picture of its own: the shop shows its parent's, and there is no job for it",
        "'vase-1' has no picture: there is no job for it",
        "'vase-2' has no picture: there is no job for it",
    ]


@pytest.mark.parametrize(
    ("title", "shown"),
    [("Salt &amp; pepper", "&amp;"), ("<b>Mug</b>", "<b>"), ("5&nbsp;cups", "&nbsp;"), ("a &#39;mug&#39;", "&#39;")],
)
def test_markup_in_a_prompt_is_told_once_a_column(read, title, shown):
    """A shop keeps its titles as its pages need them; the remedy sends what the page shows."""
    export = shopify(OLD, *((f"mug-{n}", title, A, "1", "") for n in range(3)))
    head = 'defaults: {prompt: "{{ title }} on white"}'
    manifest = read(export, "shopify", head=head)
    assert warned(manifest) == [("odd-text", None, f"title holds {shown!r}, which is sent as it stands")]
    (hint,) = {d.hint for d in manifest.warnings}
    assert hint == "to send what a browser shows:  {{ title | striptags }}"
    assert warned(read(export, "shopify", head=head.replace("title", "title | striptags"))) == []


@pytest.mark.parametrize(
    ("template", "column"),
    [
        ("{{ title }}: {{ body | striptags }}", "title"),
        ("{{ row['Title'] }}: {{ body | striptags }}", "row['Title']"),
        ("{{ row['Title'] }}: {{ row[\"Body\"] | striptags }}", "row['Title']"),
        ("{{ title }}: {{ body | trim | striptags }}", "title"),
    ],
)
def test_markup_is_told_of_the_column_that_sends_it(read, template, column):
    """Not of one beside it that is freed of it already."""
    rows = {"Handle": "mug", "Title": "Mug &amp; Cup", "Body": "<p>A &amp; B</p>", "Image Src": A}
    export, head = table([*OLD, "Body"], rows), f"defaults:\n  prompt: >-\n    {template}"
    [warning] = [d for d in read(export, "shopify", head=head).warnings if d.code == "odd-text"]
    assert warning.message == f"{column} holds '&amp;', which is sent as it stands"
    assert warning.hint == f"to send what a browser shows:  {{{{ {column} | striptags }}}}"
    mended = template.replace(f"{{{{ {column} }}}}", warning.hint.partition("shows:  ")[2])
    assert warned(read(export, "shopify", head=head.replace(template, mended))) == []


@pytest.mark.parametrize("title", ["5 < 6 & 7 > 3", "Salt & pepper; fine", "AT&T", "a <3 mug"])
def test_signs_that_are_no_markup_are_not_told(read, title):
    head = 'defaults: {prompt: "{{ title }} on white."}'
    assert warned(read(shopify(OLD, ("mug", title, A, "1", "")), "shopify", head=head)) == []


@pytest.mark.parametrize(("text", "is_told"), [("nan", True), ("None", True), ("N/A", True), ("none left", False)])
def test_a_cell_that_says_nothing_is_told_where_a_template_sends_it(read, text, is_told):
    """Once a column: a program wrote it where there was nothing."""
    export = table([*OLD, "Colour"], *({"Handle": h, "Title": "Mug", "Image Src": A, "Colour": text} for h in "ab"))
    head = 'defaults: {prompt: "{{ title }} in {{ colour }}"}'
    told = [m for code, _, m in warned(read(export, "shopify", head=head)) if code == "placeholder"]
    assert told == [f"colour is {text!r} in export.csv:2, which is sent as it stands"] * is_told


# ------------------------------------------------------------------------------------------------- picture by picture


@pytest.mark.parametrize(
    ("urls", "named"),
    [
        (["https://a.example/x/front.jpg?v=1", "https://a.example/x/back%20side.png"], ["front", "back-side"]),
        (["https://a.example/IMG_1.JPG", "https://a.example/1.2.webp"], ["IMG_1", "1.2"]),
        (["https://a.example/正面.jpg"], ["正面"]),
        (["photos/front.jpg", "https://a.example/w_500/back"], ["front", "back"]),
        (["https://[a.example/front.jpg", "https://a.example/b.jpg#x"], ["front", "b"]),
    ],
)
def test_a_picture_is_called_like_its_file(urls, named):
    assert picture_ids(urls) == named


def test_files_of_one_name_are_told_apart_by_where_they_are():
    """The query of a URL may be signed anew each day: it counts only where nothing else differs."""
    one, two = picture_ids(["https://a.example/1/Front.jpg?s=1", "https://a.example/2/front.jpg?s=1"])
    assert one != two
    assert [one, two] == picture_ids(["https://a.example/1/Front.jpg?s=2", "https://a.example/2/front.jpg?s=3"])
    three, four = picture_ids(["https://a.example/image?id=1", "https://a.example/image?id=2"])
    assert three != four
    assert all(name.startswith("image-") for name in (three, four))


def test_a_name_that_is_long_or_none_is_told_by_its_hash():
    long, none = picture_ids([f"https://a.example/{'x' * 100}.jpg", "https://a.example/?id=1"])
    assert len(long) == 60 + 1 + 8
    assert len(none) == 8


@pytest.mark.parametrize("preset", ["shopify", "woocommerce"])
def test_a_picture_that_comes_in_front_leaves_the_others_as_they_were(read, preset):
    """By their places they all would be other jobs, and paid for again."""

    def export(*urls):
        if preset == "woocommerce":
            return table(WOO, ["1", "simple", "mug", "Mug", "1", ", ".join(urls), ""])
        return shopify(OLD, *(("mug", "Mug", url, str(place), "") for place, url in enumerate(urls, 1)))

    before = {spec.job_id: spec.fingerprint for spec in read(export(A, B), preset, "per: image").jobs}
    after = {spec.job_id: spec.fingerprint for spec in read(export(C, B, A), preset, "per: image").jobs}
    assert before.items() < after.items()
    assert list(after) == ["mug--c", "mug--b", "mug--a"]


def test_a_name_that_would_be_no_id_is_shortened(read):
    """It was made here: nobody has to know that ids end at 120 characters."""
    handle = "womens-organic-cotton-relaxed-fit-short-sleeve-crew-neck-t-shirt-ocean-blue"
    url = f"https://cdn.example.com/{'front-' * 9}1.jpg"
    [spec] = read(shopify(OLD, (handle, "Shirt", url, "1", "")), "shopify", "per: image").jobs
    assert spec.job_id.startswith(f"{handle}--front-")
    assert len(spec.job_id) == 100
