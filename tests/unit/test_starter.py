"""`init --from SHEET`: a manifest that fits the sheet, commented, and valid where the sheet has pictures."""

import json
import shlex
from pathlib import Path

import pytest
import xlsxwriter

from runner.batch import load
from runner.errors import InputMissing, UsageProblem
from runner.manifest import InvalidManifest, starter, unread

URL = "https://photos.example.com/mug-blue.jpg"


@pytest.fixture
def made(tmp_path):
    """The manifest made of a sheet, and what it reads as."""

    def made(text, name="Spring sheet.csv", encoding="utf-8", said=None):
        sheet, manifest = tmp_path / name, tmp_path / "spring.yaml"
        sheet.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        manifest.write_text(starter(sheet, manifest, said=said))
        return manifest.read_text(), load(manifest)

    return made


def inputs(manifest):
    return [(spec.job_id, spec.inputs["prompt"], spec.inputs["image_urls"]) for spec in manifest.jobs]


def test_columns_are_recognised_by_their_names(made):
    """Nothing has to be mapped; the title stands in the prompt."""
    text, manifest = made(f"SKU,Title,Photo\n0012,Blue mug,{URL}\n")
    prompt = "Pure white background for this Blue mug. Keep the product and a soft shadow."
    assert inputs(manifest) == [("0012", prompt, [URL])]
    assert "columns:" not in text
    assert "#   {{ title }}                  Blue mug" in text


def test_columns_of_other_names_are_known_by_what_is_in_them(made):
    text, manifest = made(f"Artikel,Bild links,Bild rechts,Preis\nA-1,{URL},{URL}?2,3\nA-2,{URL},,3\n")
    assert "columns: {id: Artikel, image_urls: [Bild links, Bild rechts]}" in text
    assert [(spec.job_id, len(spec.inputs["image_urls"])) for spec in manifest.jobs] == [("A-1", 2), ("A-2", 1)]


def test_a_column_of_counts_is_none_of_pictures(made):
    text, manifest = made(f"sku,prompt,Images,Photo\nmug,White.,2,{URL}\n")
    assert inputs(manifest) == [("mug", "White.", [URL])]
    assert "columns:" not in text.partition("matrix")[0]


def test_prompts_that_are_there_are_taken(made):
    text, manifest = made(f"id;prompt;image\nmug;On oak.;{URL}\n")
    assert inputs(manifest) == [("mug", "On oak.", [URL])]
    assert "Pure white" not in text.partition("matrix")[0]


@pytest.mark.parametrize(
    ("header", "row", "preset"),
    [
        ("Handle,Title,Image Src,Image Position,Status", f"mug,Mug,{URL},1,active", "shopify"),
        ("Title,URL handle,Product image URL,Image position", f"Mug,mug,{URL},1", "shopify"),
        ("ID,Type,SKU,Name,Published,Images", f'44,simple,mug,Mug,1,"{URL}, {URL}?2"', "woocommerce"),
        ("id,title,image_link,additional_image_link", f"mug,Mug,{URL},", "google-merchant"),
    ],
)
def test_a_shops_export_is_recognised(made, header, row, preset):
    text, manifest = made(f"{header}\n{row}\n")
    assert f"preset: {preset}" in text
    assert [spec.job_id for spec in manifest.jobs] == ["mug"]


@pytest.mark.parametrize(
    ("header", "rows", "condition", "ids"),
    [
        (
            "Handle,Title,Image Src,Image Position,Variant Inventory Qty,Status",
            [f"mug,Mug,{URL},1,3,active", f"mug,,{URL}?2,2,,", f"cup,Cup,{URL}?3,1,0,draft"],
            "status == 'active'     # without it 'draft' are sent as well",
            ["mug"],
        ),
        ("sku,stock,photo", [f"A,3,{URL}", f"B,0,{URL}?2"], "stock > 0     # which rows are wanted", ["A"]),
        ("sku,Bestand,photo", [f"A,,{URL}", f"B,2,{URL}?2"], "bestand != '' and bestand > 0     # which", ["B"]),
        ("sku,stock,photo", [f"A,yes,{URL}", f"B,no,{URL}?2"], "sku != ''     # which rows are wanted", ["A", "B"]),
        ("商品番号,在庫数,photo", [f"A,3,{URL}", f"B,0,{URL}?2"], "在庫数 > 0     # which rows are wanted", ["A"]),
    ],
)
def test_the_condition_in_the_comment_can_be_judged(made, tmp_path, header, rows, condition, ids):
    """It asks for a column that is there; of an export it takes what is for sale."""
    text, _ = made("\n".join([header, *rows, ""]))
    assert f"    # where: {condition}" in text
    (tmp_path / "spring.yaml").write_text(text.replace("    # where:", "    where:"))
    assert [spec.job_id for spec in load(tmp_path / "spring.yaml").jobs] == ids


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_feed_of_tabs_may_be_called_a_text(made, encoding):
    """As on the command line, and as Google calls it."""
    text, manifest = made(f"id\ttitle\timage_link\nmug\tMug, blue\t{URL}\n", "feed.txt", encoding)
    assert "file: feed.txt\n    preset: google-merchant" in text
    assert [spec.inputs["prompt"][:36] for spec in manifest.jobs] == ["Pure white background for this Mug, "]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("cp932", "cp932"), ("cp1250", "cp1250"), ("utf-8", None), ("utf-16", None), ("utf-8-sig", None)],
)
def test_the_encoding_is_written_down_where_it_is_said(made, encoding, said):
    """A person sees the letters, and sets it right where they look wrong."""
    title = "マグカップ①" if encoding != "cp1250" else "Białe tło"
    text, manifest = made(f"sku,titel,photo\n0001,{title},{URL}\n", encoding=encoding, said=said)
    assert (f"encoding: {said}" in text) == (said is not None)
    assert f"{{{{ titel }}}}                  {title}" in text
    assert [spec.job_id for spec in manifest.jobs] == ["0001"]


@pytest.mark.parametrize("header", ["sku,titel,photo", "sku,Stückzahl,photo"])
def test_an_encoding_is_not_guessed_and_written_down(tmp_path, header):
    """It would be a guess for good: `plan` asks no more of an encoding that the manifest names."""
    title = "Białe tło" if header.isascii() else "mug"
    (tmp_path / "a.csv").write_bytes(f"{header}\n0001,{title},{URL}\n".encode("cp1250"))
    with pytest.raises((InvalidManifest, UsageProblem)) as caught:
        starter(tmp_path / "a.csv", tmp_path / "a.yaml")
    assert "it is not UTF-8" in str(caught.value)
    assert "cp1250" in str(caught.value)
    assert "with  --encoding NAME" in str(caught.value)


@pytest.mark.parametrize("name", ["No", "Price", "date"])
def test_what_only_happens_to_differ_is_no_id(made, name):
    """A row's number, a price, a date: the next sheet has them elsewhere, and edited rows would be paid as others."""
    text, manifest = made(f"{name},prompt,photo\n1,On oak.,{URL}\n2,On sand.,{URL}\n")
    assert f"# columns: {{id: {name}}}" in text
    assert [spec.job_id for spec in manifest.jobs] == [spec.fingerprint[:12] for spec in manifest.jobs]


@pytest.mark.parametrize("name", ["Item code", "EAN", "Product ID", "ASIN", "Artikelnummer", "Part number", "商品番号"])
def test_a_column_of_identities_is_the_id(made, name):
    _, manifest = made(f"title,{name},prompt,photo\nMug,A1,On oak.,{URL}\nMug,A2,On sand.,{URL}\n")
    assert [spec.job_id for spec in manifest.jobs] == ["A1", "A2"]


def test_a_sheet_without_pictures_says_where_they_may_be(tmp_path):
    (tmp_path / "a.csv").write_text("sku,title\n1,Mug\n")
    text = starter(tmp_path / "a.csv", tmp_path / "a.yaml")
    assert '# image_urls: "photos/{{ sku }}.jpg"' in text
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InvalidManifest, match="no column 'image_urls'"):
        load(tmp_path / "a.yaml")


def test_a_name_that_yaml_would_read_otherwise_is_quoted(made):
    text, manifest = made(f'"Item: no","a ""b"" #c",null\nA-1,x,{URL}\n', "true.csv")
    assert '"Item: no"' in text
    assert json.dumps("null") in text
    assert [spec.job_id for spec in manifest.jobs] == ["A-1"]


@pytest.mark.parametrize(
    ("name", "data", "error", "said"),
    [
        ("a.jsonl", b"{}", UsageProblem, "init looks at tables: .csv"),
        ("a.pdf", b"%PDF", UsageProblem, "init looks at tables: .+; save it as one of them"),
        ("a.txt", b"id,title\n", UsageProblem, r"a \.txt without tabs: name it \.csv if it is a table"),
        ("none.txt", None, InputMissing, "no such file"),
        ("none.csv", None, InputMissing, "no such file"),
        ("a.csv", b"", InvalidManifest, "an empty table"),
        ("a.csv", b"id\0\n", UsageProblem, "a NUL byte"),
    ],
)
def test_what_is_no_sheet_is_refused(tmp_path, name, data, error, said):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(error, match=said):
        starter(tmp_path / name, tmp_path / "a.yaml")


def test_another_sheet_of_a_workbook_is_looked_at_as_the_note_says(tmp_path):
    """The first may be a cover."""
    path, manifest = tmp_path / "Spring 24.xlsx", tmp_path / "spring.yaml"
    rows = {"Cover": ["Catalogue"], "Old": ["x"], "My data": ["sku", "prompt", "photo"], "More": ["x"]}
    with xlsxwriter.Workbook(path) as book:
        for name, header in rows.items():
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, header)
            sheet.write_row(1, 0, ["A-1", "On oak.", URL][: len(header)])
            if name == "Old":
                sheet.hide()
    note, _, command = unread(path, manifest).partition("; another is taken by  ")
    assert note == "the sheet 'Cover' was looked at, and not 'My data', 'More'"
    _, _, written, _, looked_at, _, worksheet = shlex.split(command)
    (tmp_path / written).write_text(starter(Path(looked_at), Path(written), worksheet=worksheet))
    assert written == str(tmp_path / "spring-2.yaml")
    assert inputs(load(Path(written))) == [("A-1", "On oak.", [URL])]
    assert load(Path(written)).name == "spring-24-my-data"  # its own run


def test_a_table_that_is_alone_has_no_note(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx") as book:
        book.add_worksheet("Only").write_row(0, 0, ["sku"])
    (tmp_path / "a.csv").write_text("sku\n1\n")
    assert [unread(tmp_path / name, tmp_path / "a.yaml") for name in ("a.xlsx", "a.csv", "none.xlsx")] == [""] * 3
    with pytest.raises(UsageProblem, match="--worksheet is for workbooks, and this is csv"):
        starter(tmp_path / "a.csv", tmp_path / "a.yaml", worksheet="Only")


def test_a_column_of_pictures_that_begins_late_is_taken(made):
    """Behind the rows that are looked at, or in another sheet of the same kind."""
    rows = [f"A-{n},{URL}?{n},," for n in range(2100)] + [f"A-x,{URL},{URL}?2,"]
    text, manifest = made("\n".join(["Artikel,Hauptbild,Extra,Detailbild", *rows]))
    assert "image_urls: [Hauptbild, Extra, Detailbild]" in text
    assert len(manifest.jobs[2100].inputs["image_urls"]) == 2


def test_pictures_beside_a_column_that_is_known_by_its_name_are_taken(made):
    """But no pages, and nothing that is about a picture."""
    page = "https://shop.example.com/mug"
    text, manifest = made(f"sku,photo,detail shot,page,photo alt\nmug,{URL},{URL}?2,{page},\n")
    assert "columns: {image_urls: [photo, detail shot]}" in text
    assert inputs(manifest)[0][2] == [URL, f"{URL}?2"]


@pytest.mark.parametrize(
    ("titles", "sent"),
    [
        ("Main image,Image 2,Image 3", "123"),
        ("Image 2,Image 3,Main image", "312"),
        ("Cover,Image 1,Image 2", "123"),
        ("image_1,image_2,image_main", "312"),
        ("Primary Image,Secondary Image,Image 3", "123"),
        ("photo,photo_detail,photo_2", "123"),
        ("Bild 2,Bild 1", "21"),
        ("Bild 10,Bild 9,Hauptbild", "321"),
        ("image2_url,image1_url", "21"),
        ("thumbnail_url,full_image_url", "12"),
        ("image_3,image_1", "21"),
    ],
)
def test_pictures_are_sent_in_their_order(made, titles, sent):
    """As they stand, numbered ones by number, the main one before those: a prompt calls them `image 1`, `image 2`."""
    count = len(sent)
    cells = ",".join(f"{URL}?{n}" for n in range(1, count + 1))
    text, manifest = made(f"sku,{titles}\nmug,{cells}\n")
    assert inputs(manifest)[0][2] == [f"{URL}?{n}" for n in sent]
    assert "# An edit is sent all of these pictures, in this order. To send the first alone:" in text


def test_the_first_picture_alone_is_sent_as_the_comment_says(made, tmp_path):
    """Which of a sheet's pictures are wanted nobody but its owner knows."""
    text, manifest = made(f"Artikel,Bild 2,Bild 1,Logo\nA-1,{URL}?2,{URL}?1,{URL}?3\n")
    assert inputs(manifest)[0][2] == [f"{URL}?1", f"{URL}?2", f"{URL}?3"]
    lines = text.splitlines()
    (written,) = (line for line in lines if line.startswith("    columns:"))
    (alone,) = (line.replace("# ", "") for line in lines if line.startswith("    # columns:"))
    (tmp_path / "spring.yaml").write_text(text.replace(written, alone))
    assert inputs(load(tmp_path / "spring.yaml")) == [("A-1", inputs(manifest)[0][1], [f"{URL}?1"])]
    assert "An edit is sent all" not in made(f"sku,photo\nmug,{URL}\n")[0]


@pytest.mark.parametrize(
    "name", ["Prompt text", "Prompt DE", "Image prompt", "Edit instructions", "背景指示", "プロンプト", "Bildanweisung"]
)
@pytest.mark.parametrize("ratio", ["Ratio", "Format", "縦横比"])
def test_prompts_and_ratios_under_other_names_are_taken(made, name, ratio):
    """Both are known by what `check` would say of them; it says nothing then."""
    text, manifest = made(f"sku,title,{name},photo,{ratio}\nA,Mug,On oak.,{URL},4:5\nB,Cup,On sand.,{URL}?2,\n")
    assert [(spec.inputs["prompt"], spec.inputs["aspect_ratio"]) for spec in manifest.jobs] == [
        ("On oak.", "4:5"),
        ("On sand.", "1:1"),
    ]
    assert manifest.warnings == ()
    assert "Pure white background." not in text.partition("matrix")[0]


@pytest.mark.parametrize("name", ["Instructions", "instruction", "edit", "Anweisung", "指示"])
def test_what_may_be_prompts_is_offered_and_not_sent(made, tmp_path, name):
    """Instructions may be those for a cook or a courier: the comment, followed, sends them; `check` tells of them."""
    text, manifest = made(f"sku,title,{name},photo\nA,Mug,On oak.,{URL}\nB,Cup,On sand.,{URL}?2\n")
    assert [spec.inputs["prompt"].split(".")[0] for spec in manifest.jobs] == [
        "Pure white background for this Mug",
        "Pure white background for this Cup",
    ]
    assert len(manifest.warnings) == 1
    assert f"    # To send {name} as the prompt, take the one above out, and write\n" in text
    (offered,) = (line for line in text.splitlines() if line.startswith("    # columns:"))
    prompt = text[text.index("  prompt: >-") : text.index("  aspect_ratio")]
    (tmp_path / "spring.yaml").write_text(text.replace(prompt, "").replace(offered, offered.replace("# ", "")))
    manifest = load(tmp_path / "spring.yaml")
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == ["On oak.", "On sand."]
    assert manifest.warnings == ()


@pytest.mark.parametrize(
    "name", ["Bearbeitung", "Bildbearbeitung", "Bearbeitungshinweis", "Consigne", "Consignes de retouche", "Retouche"]
)
def test_sentences_under_a_word_for_editing_are_offered_as_prompts(made, name):
    """It may also say what an order has come to: then there are none."""
    sheet = f"sku,title,{name},photo\nA,Mug,{{}},{URL}\nB,Cup,{{}},{URL}?2\n"
    text, manifest = made(sheet.format("Fond blanc s'il vous plaît.", "Auf weißem Grund."))
    assert f"    # To send {name} as the prompt, take the one above out, and write\n" in text
    assert manifest.warnings == ()
    for cells in (("in Bearbeitung", "fertig"), ("oui", "non"), ("0,25 €", "")):
        assert "as the prompt" not in made(sheet.format(*map('"{}"'.format, cells)))[0]


@pytest.mark.parametrize("name", ["Hintergrund", "Consignes de sécurité", "Retouche date", "Bearbeitungsgebühr"])
def test_sentences_under_another_word_are_not_offered(made, name):
    text, _ = made(f"sku,title,{name},photo\nA,Mug,Auf weißem Grund.,{URL}\n")
    assert "as the prompt" not in text


@pytest.mark.parametrize(
    "name",
    [
        *("Cooking", "Storage", "Delivery", "Gift", "Special", "Order", "Shipping", "Preparation", "Dosage"),
        *("Handling", "Care"),
    ],
)
def test_what_a_shop_instructs_its_buyers_in_is_no_prompt(made, name):
    text, manifest = made(f"sku,title,{name} Instructions,photo\nA,Mug,Leave at door,{URL}\n")
    assert [spec.inputs["prompt"].split(".")[0] for spec in manifest.jobs] == ["Pure white background for this Mug"]
    assert "as the prompt" not in text


def test_pictures_are_no_prompts_whatever_they_are_called(made):
    text, manifest = made(f"sku,title,Image prompt\nA,Mug,{URL}\n")
    assert [spec.inputs["image_urls"] for spec in manifest.jobs] == [[URL]]
    assert "{image_urls: Image prompt}" in text


def test_a_column_of_yes_and_no_is_offered_as_no_prompt(made):
    text, _ = made(f"sku,title,edit,photo\nA,Mug,yes,{URL}\nB,Cup,No,{URL}?2\n")
    assert "as the prompt" not in text


def test_a_prompt_stands_in_where_the_column_of_prompts_is_empty(made):
    text, manifest = made(f"sku,title,Prompt text,photo,Format\nA,Mug,On oak.,{URL},A4\nB,Cup,,{URL}?2,A5\n")
    white = "Pure white background. Keep the product and a soft shadow."
    assert [spec.inputs["prompt"] for spec in manifest.jobs] == ["On oak.", white]
    assert "  # where Prompt text is empty:\n  prompt: Pure white" in text
    assert [warning.code for warning in manifest.warnings] == ["unused-column"]  # the format
    assert "aspect_ratio: Format" not in text
