"""`init --from SHEET`: a manifest that fits the sheet, commented, and valid where the sheet has pictures."""

import json

import pytest

from runner.batch import load
from runner.errors import InputMissing, UsageProblem
from runner.manifest import InvalidManifest, starter

URL = "https://photos.example.com/mug-blue.jpg"


@pytest.fixture
def made(tmp_path):
    """The manifest made of a sheet, and what it reads as."""

    def made(text, name="Spring sheet.csv", encoding="utf-8"):
        sheet, manifest = tmp_path / name, tmp_path / "spring.yaml"
        sheet.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        manifest.write_text(starter(sheet, manifest))
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


@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-16", "utf-8-sig"])
def test_the_encoding_is_written_down_where_it_is_not_plain(made, encoding):
    """A person sees the letters, and sets it right where they look wrong."""
    text, manifest = made(f"商品番号,商品名,画像URL\n0001,マグカップ①,{URL}\n", encoding=encoding)
    assert ("encoding: cp932" in text) == (encoding == "cp932")
    assert "{{ 商品名 }}" in text
    assert [spec.job_id for spec in manifest.jobs] == ["0001"]


def test_a_sheet_without_pictures_says_where_they_may_be(tmp_path):
    (tmp_path / "a.csv").write_text("sku,title\n1,Mug\n")
    text = starter(tmp_path / "a.csv", tmp_path / "a.yaml")
    assert '# image_urls: "photos/{{ sku }}.jpg"' in text
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InvalidManifest, match="no column 'image_urls'"):
        load(tmp_path / "a.yaml")


def test_a_name_that_yaml_would_read_otherwise_is_quoted(made):
    text, manifest = made(f'"No: 5","a ""b"" #c",null\nA-1,x,{URL}\n', "true.csv")
    assert '"No: 5"' in text
    assert json.dumps("null") in text
    assert [spec.job_id for spec in manifest.jobs] == ["A-1"]


@pytest.mark.parametrize(
    ("name", "data", "error", "said"),
    [
        ("a.jsonl", b"{}", UsageProblem, "init looks at tables: .csv"),
        ("a.pdf", b"%PDF", UsageProblem, "init looks at tables"),
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
