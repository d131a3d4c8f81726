"""A name that changes under a person's hands makes nothing be paid for again."""

import json

import pytest

import runner
from runner.errors import ManifestInvalid, UsageProblem

JOB = {"id": "mug", "prompt": "White.", "image_urls": ["https://photos.example.com/mug.jpg"]}
SHEET = (
    "sku,title,photo\nSKU-1,Red mug,https://photos.example.com/1.jpg\nSKU-2,Blue mug,https://photos.example.com/2.jpg\n"
)
READING = {"columns": (("image_urls", "photo"),), "simulate": True, "out": "out"}


def write(path, name):
    path.write_text(json.dumps({"version": 1, "name": name, "jobs": [JOB]}))


async def test_a_manifest_that_is_renamed_is_not_paid_again(tmp_path, monkeypatch):
    """64, with both ways to go on; where the name is its own from the beginning, nothing is said."""
    monkeypatch.chdir(tmp_path)
    manifest = tmp_path / "m.yaml"
    write(manifest, "spring")
    (tmp_path / "runs" / "else").mkdir(parents=True)
    assert (await runner.run("m.yaml", simulate=True)).exit_code == 0
    write(manifest, "summer")
    for act in (runner.run, runner.plan):
        with pytest.raises(UsageProblem) as refused:
            await act(manifest, simulate=True)
        assert "was run in runs/spring" in refused.value.message
        assert "--out runs/spring goes on there, --out runs/summer begins anew" in refused.value.message
    assert not (tmp_path / "runs" / "summer").exists()
    assert (await runner.plan("m.yaml", simulate=True, out="runs/spring")).submits == 0
    assert (await runner.run("m.yaml", simulate=True, out="runs/summer")).exit_code == 0
    assert (await runner.plan("m.yaml", simulate=True)).submits == 0
    shards = [await runner.plan("m.yaml", simulate=True, out="runs/part", shard=f"{k}/2") for k in range(2)]
    busy = next(k for k, made in enumerate(shards) if made.submits)
    write(manifest, "part")
    assert (await runner.run("m.yaml", simulate=True, out="runs/part", shard=f"{busy}/2")).exit_code == 0
    assert (await runner.plan("m.yaml", simulate=True, shard=f"{1 - busy}/2")).submits == 0
    write(manifest, "winter")
    with pytest.raises(UsageProblem, match="was run in runs/part"):
        await runner.plan("m.yaml", simulate=True, shard="0/2")
    write(tmp_path / "other.yaml", "autumn")
    assert (await runner.plan("other.yaml", simulate=True)).submits == 1


async def test_a_sheet_whose_rows_lose_their_names_is_not_paid_again(tmp_path, monkeypatch):
    """65, with the place and the remedy: one row too many renames them all."""
    monkeypatch.chdir(tmp_path)
    sheet = tmp_path / "shop.csv"
    sheet.write_text(SHEET)
    assert (await runner.run(sheet, prompt="{{title}} on white", **READING)).exit_code == 0
    sheet.write_text(SHEET + "SKU-2,Green mug,https://photos.example.com/3.jpg\n")
    for act in (runner.run, runner.plan):
        with pytest.raises(
            ManifestInvalid, match=r"shop\.csv:4: error\[renamed-jobs\]: 'sku' names two rows"
        ) as refused:
            await act(sheet, prompt="{{title}} on oak", **READING)
        assert "2 of its jobs are paid for under names such as 'SKU-1'" in refused.value.message
        assert "make that column unique again" in refused.value.message
    sheet.write_text(SHEET + "SKU-3,Green mug,https://photos.example.com/3.jpg\n")
    assert (await runner.plan(sheet, prompt="{{title}} on white", **READING)).submits == 1


async def test_a_sheet_that_loses_the_column_of_its_names_is_not_paid_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sheet = tmp_path / "shop.csv"
    sheet.write_text(SHEET)
    assert (await runner.run(sheet, prompt="{{title}} on white", **READING)).exit_code == 0
    sheet.write_text(SHEET.replace("sku,", "").replace("SKU-1,", "").replace("SKU-2,", ""))
    with pytest.raises(ManifestInvalid, match=r"error\[renamed-jobs\]: no column names its rows"):
        await runner.run(sheet, prompt="{{title}} on oak", **READING)


async def test_rows_that_never_had_names_are_no_surprise(tmp_path, monkeypatch):
    """An edited row is a new job there, as the warning said from the beginning."""
    monkeypatch.chdir(tmp_path)
    sheet = tmp_path / "shop.csv"
    sheet.write_text(SHEET.replace("SKU-2", "SKU-1"))
    assert (await runner.run(sheet, prompt="{{title}} on white", **READING)).exit_code == 0
    assert (await runner.plan(sheet, prompt="{{title}} on oak", **READING)).submits == 2


async def test_lines_that_lose_their_names_are_not_paid_again(tmp_path, monkeypatch):
    """As of a sheet: by one line too many, or without the key; the remedy costs nothing."""
    monkeypatch.chdir(tmp_path)
    lines, manifest = tmp_path / "shop.jsonl", tmp_path / "m.yaml"

    def entries(*skus, title="on white", key="sku"):
        urls = (f"https://photos.example.com/{n}.jpg" for n in range(len(skus)))
        rows = [{key: sku, "photo": url} for sku, url in zip(skus, urls, strict=True)]
        lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
        source = {"file": "shop.jsonl", "columns": {"image_urls": "photo"}}
        manifest.write_text(json.dumps({"version": 1, "defaults": {"prompt": f"Mug {title}"}, "sources": [source]}))

    entries("SKU-1", "SKU-2")
    assert (await runner.run(manifest, simulate=True, out="out")).exit_code == 0
    entries("SKU-1", "SKU-2", title="on oak")
    assert (await runner.plan(manifest, simulate=True, out="out")).submits == 0
    entries("SKU-1", "SKU-2", "SKU-2", title="on oak")
    place = r"shop\.jsonl:3: error\[renamed-jobs\]: 'sku' names two rows 'SKU-2', lines 2 and 3"
    for act in (runner.run, runner.plan):
        with pytest.raises(ManifestInvalid, match=place) as refused:
            await act(manifest, simulate=True, out="out")
        assert "2 of its jobs are paid for under names such as 'SKU-1'" in refused.value.message
        assert "or give each row the name it had as its id; --out begins anew" in refused.value.message
    entries("SKU-1", "SKU-2", title="on oak", key="name")
    with pytest.raises(ManifestInvalid, match=r"shop\.jsonl:1: error\[renamed-jobs\]: no column names its rows"):
        await runner.plan(manifest, simulate=True, out="out")
    entries("SKU-1", "SKU-2", title="on oak", key="id")
    assert (await runner.plan(manifest, simulate=True, out="out")).submits == 0
