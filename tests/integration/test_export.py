"""What is handed over in the morning: the sheet back, imports for shops, lists, approved pictures."""

from __future__ import annotations

import csv
import io
import json
import sys
import xml.etree.ElementTree as ET
import zipfile

import pytest
import python_calamine
import xlsxwriter
from support.hostile import attacks

from runner.batch import Wishes, export, load
from runner.batch.matching import Ran
from runner.errors import InputMissing, StorageFailed, UsageProblem
from runner.model import Attempt, AttemptState, Failure, FailureKind, Job, JobSpec, JobState, Money, Run
from runner.report import summarize
from runner.report.lists import write_junit, write_rerun
from runner.report.results import guarded
from runner.report.sheet import ADDED

PHOTO = "https://photos.example.com/mug-red.jpg"


def sheet_of(*names, photo=PHOTO):
    """Rows of a sheet with columns of its user's own."""
    return [["SKU", "Photo", "prompt", "Weight"], *([name, photo, f"White, {name}.", "1,5 kg"] for name in names)]


def written(path, rows, codec="utf-8", delimiter=",", line_end="\n", **how):
    """A sheet as some program saved it."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, **how).writerows(rows)
    path.write_bytes(text.getvalue().encode(codec))
    return path


def read(path, codec="utf-8", delimiter=","):
    """A sheet's rows."""
    return list(csv.reader(io.StringIO(path.read_bytes().decode(codec), newline=""), delimiter=delimiter, strict=True))


@pytest.fixture
def nights(night):
    """Nights over sheets."""
    return night(jobs=0)


def run(nights, path, **choices):
    """A night over a sheet."""
    return nights.run(manifest=path, columns=(("id", "SKU"), ("image_urls", "Photo")), **choices)


# ------------------------------------------------------------------------------------------------------------- sheets


@pytest.mark.parametrize(
    ("codec", "delimiter", "line_end", "word"),
    [
        ("utf-8", ",", "\n", "Größe"),
        ("utf-8-sig", ";", "\r\n", "Größe"),
        ("utf-16", "\t", "\r\n", "Größe"),
        ("cp932", ",", "\r\n", "重さ"),
        ("cp1252", ";", "\r\n", "Größe"),
    ],
)
def test_the_sheet_comes_back_as_it_was(nights, tmp_path, codec, delimiter, line_end, word):
    """Encoding, delimiter, line ends, every cell and the order; beside them what became of each row."""
    rows = sheet_of("mug", "lamp")
    rows[0][3] = word
    rows[1][3] = 'say "hi"; a, b\nc'
    rows[2][3] = '="00123"'
    path = written(tmp_path / "in.csv", rows, codec, delimiter, line_end)
    morning = run(nights, path, limit=1, encoding=codec if codec.startswith("cp") else None)
    assert export(nights.out, Wishes(sheet=tmp_path / "back.csv")) == [
        f"{tmp_path / 'back.csv'}: in.csv with what became of 2 rows"
    ]
    data = (tmp_path / "back.csv").read_bytes()
    assert data.startswith(path.read_bytes()[:8])
    assert data.decode(codec).count(line_end) == 3 + (line_end == "\n")
    added = [name for name in ADDED if name not in ("rb_urls", "rb_prompt")]
    assert read(tmp_path / "back.csv", codec, delimiter) == [
        [*rows[0], *added],
        [*rows[1], "done", morning.results["mug"]["files"][0]["path"], "0.039", "", ""],
        [*rows[2], "pending", "", "0", "", ""],
    ]


def test_a_sheet_that_was_edited_since_is_matched_by_its_ids(nights, tmp_path):
    """Sorted, edited, a row new, a row copied: what cannot be told is said; nothing is replaced by blanks."""
    path = written(tmp_path / "in.csv", sheet_of("mug", "lamp", "vase", "jug"))
    run(nights, path)
    export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    with pytest.raises(UsageProblem, match="that is the sheet itself"):
        export(nights.out, Wishes(sheet=path))
    header, *rows = sheet_of("vase", "new", "lamp", "mug", "jug", "jug")
    rows[2][2] = rows[5][2] = "Edited."
    written(path, [header, *rows])
    [told] = export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    assert told.endswith("of 4 rows, 1 of them edited since; 2 of 6 rows were not run here: row 3, 7")
    back = (tmp_path / "back.csv").read_bytes()
    assert [row[4] for row in read(tmp_path / "back.csv")] == ["rb_status", "done", "", "done", "done", "done", ""]
    written(path, [header, *sheet_of("other")[1:]])
    with pytest.raises(UsageProblem, match="has changed: none of its rows was run here"):
        export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    assert (tmp_path / "back.csv").read_bytes() == back
    path.unlink()
    with pytest.raises(InputMissing, match="not there any more"):
        export(nights.out, Wishes(sheet=tmp_path / "none.csv"))


def test_a_picture_of_an_entry_that_was_edited_is_told(nights, tmp_path):
    """Also after a run that kept it as it was sent: results.csv has its own row, the sheet a word beside the new."""
    path = written(tmp_path / "in.csv", sheet_of("mug", "lamp"))
    run(nights, path)
    header, mug, lamp = sheet_of("mug", "lamp")
    mug[2], lamp[3] = "Grey.", "2 kg"
    written(path, [header, mug, lamp])
    morning = run(nights, path)
    assert morning.ledger["posts"] == 0
    assert [line["row"]["prompt"] for line in morning.results.values()] == ["White, mug.", "White, lamp."]
    _, *table = read(nights.out / "results.csv", "utf-8-sig")
    assert [row[-2:] for row in table] == [["White, mug.", "1,5 kg"], ["White, lamp.", "2 kg"]]
    [told] = export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    assert told.endswith("of 2 rows, 1 of them edited since")
    [_, *rows] = read(tmp_path / "back.csv")
    assert [(row[2], row[4], row[-1]) for row in rows] == [("Grey.", "done", "edited"), ("White, lamp.", "done", "")]


@pytest.mark.parametrize(
    ("ran", "now", "jobs"),
    [
        ({"mug-1": ("mug", "1"), "mug-2": ("mug", "2")}, ("mug", "2", "new"), ["mug-2"]),
        ({"mug-oak": ("mug", "1"), "mugs-oak": ("mugs", "1")}, ("mugs", "9", "new"), ["mugs-oak"]),
        ({"mug__oak": ("mug", "1"), "mugs__oak": ("mugs", "1")}, ("mug", "9", "new"), ["mug__oak"]),
        ({"a1": ("mug", "1"), "a2": ("lamp", "2")}, ("mug", "1", "new"), []),
        ({"a1": ("mug", "1"), "a2": ("lamp", "2")}, ("mug", "1", "old"), ["a1"]),
        ({"mug-1": ("mug", "x"), "mug-2": ("mug", "y")}, ("mug", "y", "new"), []),
    ],
)
def test_a_row_is_known_by_the_cells_that_name_it(ran, now, jobs):
    """By those that stand in its id, where no other row has them; else as a whole."""
    rows = Ran()
    for name, cells in ran.items():
        row = dict(zip(("Handle", "Position", "prompt"), (*cells, "old"), strict=True))
        spec = JobSpec(job_id=name, model="a/b", source="in.csv:2", inputs={}, fingerprint="f", row=row)
        rows.add(Job(spec=spec, state=JobState.DONE))
    row = tuple(zip(("Handle", "Position", "prompt"), now, strict=True))
    matched = rows.match([(2, row)])
    assert rows.of(2, row, matched).jobs == jobs
    assert matched.unknown == (() if jobs else (2,))


SHOP = "https://photos.example.com/"
VARIANTS = (
    "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Image Src,Image Position,Variant Image,Status\n"
    "mug,Oak Mug,Colour,Blue,M-B,{}new.jpg,1,{}front.jpg,active\nmug,,,Red,M-R,{}front.jpg,2,{}red.jpg,\n"
    "mug,,,,,{}red.jpg,3,,\nmug,,,Green,M-G,,,,\n"
).replace("{}", SHOP)
PLAIN = (
    "Handle,Title,Image Src,Image Position,Status\nmug,Oak Mug,{}blue.jpg,1,active\nmug,,{}red.jpg,2,\n"
    "lamp,Lamp,{}lamp.jpg,1,active\nvase,Vase,,,active\n"
).replace("{}", SHOP)
OUT_OF_ORDER = PLAIN.replace(",1,active\nmug", ",2,active\nmug").replace("red.jpg,2", "red.jpg,1")
ALL = "of 4 rows"
NO_VASE = "of 3 rows; 1 of 4 rows were not run here: row 5"
VASE_AND = "1 of 4 rows were not run here: row 5"


@pytest.mark.parametrize(
    ("export_of_shop", "per", "now", "told", "files"),
    [
        (VARIANTS, "image", None, ALL, [["mug--new"], ["mug--front"], ["mug--red"], []]),
        (VARIANTS, "product", None, ALL, [["mug"], [], [], []]),
        (PLAIN, "image", None, NO_VASE, [["mug--blue"], ["mug--red"], ["lamp--lamp"], []]),
        (PLAIN, "product", None, NO_VASE, [["mug"], [], ["lamp"], []]),
        (OUT_OF_ORDER, "product", None, NO_VASE, [["mug"], [], ["lamp"], []]),
        (PLAIN, "image", ("red.jpg", "red.jpg?v=2"), f"of 3 rows, 1 of them edited since; {VASE_AND}",
         [["mug--blue"], ["mug--red"], ["lamp--lamp"], []]),
        (PLAIN, "image", ("Oak Mug", "Mug"), f"of 3 rows, 2 of them edited since; {VASE_AND}",
         [["mug--blue"], ["mug--red"], ["lamp--lamp"], []]),
        (PLAIN, "image", ("red.jpg", "side.jpg"), "of 2 rows; 2 of 4 rows were not run here: row 3, 5",
         [["mug--blue"], [], ["lamp--lamp"], []]),
        (PLAIN, "image", ("lamp.jpg", "new.jpg"), f"of 3 rows, 1 of them edited since; {VASE_AND}",
         [["mug--blue"], ["mug--red"], ["lamp--lamp"], []]),
        (PLAIN, "product", ("red.jpg", "red.jpg?v=2"), f"of 3 rows, 1 of them edited since; {VASE_AND}",
         [["mug"], [], ["lamp"], []]),
        (PLAIN, "product", ("blue.jpg", "blue.jpg?v=2"), f"of 3 rows, 1 of them edited since; {VASE_AND}",
         [["mug"], [], ["lamp"], []]),
        (PLAIN.replace("blue.jpg", f"blue.jpg|{SHOP}side.jpg"), "image", None, NO_VASE,
         [["mug--blue", "mug--side"], ["mug--red"], ["lamp--lamp"], []]),
    ],
)  # fmt: skip
def test_each_picture_of_a_product_comes_back_on_its_row(nights, tmp_path, export_of_shop, per, now, told, files):
    """What the product's other rows fill in, or a variant that shows it, makes no other row of it."""
    path = tmp_path / "in.csv"
    path.write_text(export_of_shop)
    nights.run(manifest=path, preset="shopify", per=per, prompt="White background.")
    if now is not None:
        path.write_text(export_of_shop.replace(*now))
    [said] = export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    assert said == f"{tmp_path / 'back.csv'}: in.csv with what became {told}"
    header, *rows = read(tmp_path / "back.csv")
    at = header.index("rb_files")
    assert [row[at] for row in rows] == ["|".join(f"images/{name}.png" for name in names) for names in files]
    assert [row[at - 1] for row in rows] == ["done" if names else "" for names in files]


def test_tables_of_one_name_come_back_as_two(nights, tmp_path):
    """From two folders: neither replaces the other."""
    for folder, name in (("a", "mug"), ("b", "lamp")):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "in.csv", sheet_of(name))
    source = "{{file: {}/in.csv, columns: {{id: SKU, image_urls: Photo}}}}"
    manifest = tmp_path / "m.yaml"
    manifest.write_text(f"version: 1\nsources: [{source.format('a')}, {source.format('b')}]\n")
    nights.run(manifest=manifest)
    export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    found = [read(tmp_path / name)[1] for name in ("back-in.csv", "back-in-2.csv")]
    assert [(row[0], row[4]) for row in found] == [("mug", "done"), ("lamp", "done")]


def test_worksheets_of_one_workbook_come_back_each(nights, tmp_path):
    """Those that were run, whichever they are; a worksheet with the same ids that was not run does not."""
    book = xlsxwriter.Workbook(str(tmp_path / "in.xlsx"))
    for name, skus in (("About", ["mug"]), ("Empty", []), ("Spring", ["mug", "lamp"]), ("Summer", ["vase"])):
        sheet = book.add_worksheet(name)
        for at, row in enumerate(sheet_of(*skus)):
            sheet.write_row(at, 0, [*row, name])
    book.close()
    source = "{{file: in.xlsx, sheet: {}, columns: {{id: SKU, image_urls: Photo}}}}"
    manifest = tmp_path / "m.yaml"
    manifest.write_text(f"version: 1\nsources: [{source.format('Spring')}]\n")
    nights.run(manifest=manifest)
    export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    assert [row[0] for row in read(tmp_path / "back.csv", "utf-8-sig")] == ["SKU", "mug", "lamp"]
    manifest.write_text(f"version: 1\nsources: [{source.format('Summer')}, {source.format('Spring')}]\n")
    nights.run(manifest=manifest)
    assert sorted(told.split(":")[0] for told in export(nights.out, Wishes(sheet=tmp_path / "all.csv"))) == [
        f"{tmp_path / 'all-in-Spring.csv'}",
        f"{tmp_path / 'all-in-Summer.csv'}",
    ]


def test_answers_of_an_earlier_hand_back_are_replaced(nights, tmp_path):
    """The sheet that came back is the next night's manifest; its columns do not grow each time."""
    first = written(tmp_path / "in.csv", sheet_of("mug"))
    run(nights, first)
    export(nights.out, Wishes(sheet=tmp_path / "back.csv", public_base_url="https://cdn.example/a/"))
    run(nights, tmp_path / "back.csv", out=tmp_path / "second")
    export(tmp_path / "second", Wishes(sheet=tmp_path / "again.csv", public_base_url="https://cdn.example/b"))
    [header, row] = read(tmp_path / "again.csv")
    assert header == [*sheet_of()[0], *(name for name in ADDED if name != "rb_prompt")]
    assert row[6] == "https://cdn.example/b/mug.png"


def test_a_row_of_several_jobs_says_how_each_ended(nights, tmp_path):
    """With a matrix; its cost is the sum."""
    written(tmp_path / "in.csv", sheet_of("mug"))
    manifest = tmp_path / "m.yaml"
    manifest.write_text(
        "version: 1\nsources: [{file: in.csv, columns: {id: SKU, image_urls: Photo}}]\n"
        "matrix: {scene: [{name: oak, prompt: On oak.}, {name: snow, prompt: In snow.}]}\n"
    )
    nights.run(manifest=manifest, limit=1)
    export(nights.out, Wishes(sheet=tmp_path / "back.csv"))
    [header, row] = read(tmp_path / "back.csv")
    assert dict(zip(header, row, strict=True)) | {"rb_files": ""} == {
        **dict(zip(sheet_of()[0], sheet_of("mug")[1], strict=True)),
        "rb_status": "1 done, 1 pending",
        "rb_files": "",
        "rb_cost_usd": "0.039",
        "rb_error": "",
        "rb_look_at": "",
    }


def workbook(path):
    """The cells of the first sheet, as a spreadsheet's reader has them."""
    book = python_calamine.CalamineWorkbook.from_path(str(path))
    return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


def test_a_sheet_comes_back_as_a_workbook(nights, tmp_path):
    """Where its new name says so: all cells are texts: ids keep their zeros, nothing is worked out or linked."""
    hostile = [
        "=1+1",
        "@SUM(A1)",
        "+1",
        "-1",
        "https://a.example/?x",
        "mailto:a@b.example",
        "_x0041_",
        "a\nb",
        "\x07",
        "’",
    ]
    rows = [["SKU", "Photo", "prompt", *(f"c{n}" for n in range(len(hostile)))]]
    rows += [[name, PHOTO, f"White, {name}.", *hostile] for name in ("00123", "1E5")]
    path = written(tmp_path / "in.csv", rows)
    run(nights, path, limit=1)
    assert export(nights.out, Wishes(sheet=tmp_path / "back.xlsx")) == [
        f"{tmp_path / 'back.xlsx'}: in.csv with what became of 2 rows"
    ]
    header, first, second = workbook(tmp_path / "back.xlsx")
    assert header == [*rows[0], *(name for name in ADDED if name not in ("rb_urls", "rb_prompt"))]
    assert first == [*rows[1], "done", "images/00123.png", 0.039, "", ""]
    assert second == [*rows[2], "pending", "", 0.0, "", ""]
    with zipfile.ZipFile(tmp_path / "back.xlsx") as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert "<f>" not in sheet
        assert "hyperlink" not in sheet
        assert not [name for name in archive.namelist() if "rels" in name and "sheet" in name]


def test_a_workbook_comes_back_as_a_workbook_that_can_be_run_again(nights, tmp_path):
    """Its cells as they are read; the jobs are the same, so nothing is paid for."""
    book = xlsxwriter.Workbook(str(tmp_path / "in.xlsx"))
    sheet = book.add_worksheet("Stock")
    for at, row in enumerate([["SKU", "Photo", "prompt", "Weight"], ["007", PHOTO, "White.", 12]]):
        sheet.write_row(at, 0, row)
    book.close()
    run(nights, tmp_path / "in.xlsx")
    export(nights.out, Wishes(sheet=tmp_path / "back.xlsx"))
    assert workbook(tmp_path / "back.xlsx")[1][:5] == ["007", PHOTO, "White.", "12", "done"]
    assert run(nights, tmp_path / "back.xlsx").ledger["posts"] == 0


def test_a_workbook_needs_its_library_and_a_place(nights, tmp_path, monkeypatch):
    """The remedy is told; what was there before stays."""
    run(nights, written(tmp_path / "in.csv", sheet_of("mug")))
    (tmp_path / "full").mkdir()
    with pytest.raises(StorageFailed, match="cannot be written"):
        export(nights.out, Wishes(sheet=tmp_path / "full" / ("x" * 249 + ".xlsx")))
    assert not [*(tmp_path / "full").iterdir()]
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(UsageProblem, match=r"pip install 'runcomfy-batch\[xlsx\]'"):
        export(nights.out, Wishes(sheet=tmp_path / "back.xlsx"))


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        ({}, "nothing to export"),
        ({"shopify": "a.csv"}, "--public-base-url says where"),
        ({"sheet": "a.csv"}, "no table was run here"),
        ({"junit": "a.xml", "public_base_url": "ftp://a/"}, "expected a URL"),
        ({"junit": "a.xml", "public_base_url": "https://a.example/?x=1"}, "expected a URL"),
    ],
)
def test_wishes_that_mean_nothing_are_refused(night, tmp_path, wishes, message):
    """With a way out."""
    nights = night(jobs=1)
    nights.run()
    paths = {
        name: tmp_path / value if name in ("shopify", "sheet", "junit") else value for name, value in wishes.items()
    }
    with pytest.raises(UsageProblem, match=message):
        export(nights.out, Wishes(**paths))


# -------------------------------------------------------------------------------------------------------------- shops


@pytest.mark.parametrize(
    ("names", "handles"),
    [
        (("Handle", "Image Src", "Image Position"), "Handle"),
        (("URL handle", "Product image URL", "Image position"), "URL handle"),
    ],
)
def test_shopify_gets_its_pictures_back(nights, tmp_path, names, handles):
    """In the words of the export that was read, a row a picture, numbered within a product."""
    header = ["Title", *names]
    rows = [["Mug, “oak”", "mug", PHOTO, "1"], ["", "mug", f"{PHOTO}?v=2", "2"], ["=Lamp", "-rf", PHOTO, "1"]]
    path = written(tmp_path / "products.csv", [header, *rows])
    nights.run(manifest=path, preset="shopify", per="image", prompt="White.", dedupe=False)
    export(nights.out, Wishes(shopify=tmp_path / "import.csv", public_base_url="https://cdn.example/spring/"))
    found = read(tmp_path / "import.csv")
    assert (found[0][0], found[0][2]) == (handles, names[1])
    assert [(row[0], row[1], row[3]) for row in found[1:]] == [
        ("mug", "Mug, “oak”", "1"),
        ("mug", "", "2"),
        ("-rf", "'=Lamp", "1"),
    ]
    assert all(row[2].startswith("https://cdn.example/spring/") and row[2].endswith(".png") for row in found[1:])


def test_woocommerce_gets_one_row_a_product(nights, tmp_path):
    """Found by its id and SKU; its pictures in one cell."""
    rows = [
        ["ID", "SKU", "Name", "Images"],
        ["44", "v-1", "Vase", f"{PHOTO}, {PHOTO}?b"],
        ["45", "", "Mug", PHOTO],
        ["", "-s", "-m", PHOTO],
    ]
    path = written(tmp_path / "woo.csv", rows)
    nights.run(manifest=path, preset="woocommerce", per="image", prompt="White.", dedupe=False)
    export(nights.out, Wishes(woocommerce=tmp_path / "import.csv", public_base_url="https://cdn.example"))
    found = read(tmp_path / "import.csv")
    assert [row[:3] for row in found] == [
        ["ID", "SKU", "Name"],
        ["44", "v-1", "Vase"],
        ["45", "", "Mug"],
        ["", "-s", "'-m"],
    ]
    assert [row[3].count("https://cdn.example/") for row in found] == [0, 2, 1, 1]


# -------------------------------------------------------------------------------------------------- pictures and lists


def test_the_approved_are_handed_over(night, tmp_path):
    """Those and no others, under their names; what was done again since is not what was approved."""
    nights = night(jobs=3)
    first = nights.run()
    entries = [
        {"job_id": name, "verdict": verdict, "request_id": line["request_id"] if verdict else "another"}
        for (name, line), verdict in zip(first.results.items(), ("approved", "rejected", None), strict=True)
    ]
    entries[2] |= {"verdict": "approved"}
    (nights.out / "review.json").write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": entries}))
    folder = tmp_path / "handover" / "spring"
    assert export(nights.out, Wishes(review="approved", copy_to=folder)) == [f"{folder}: 1 file"]
    [copied] = folder.iterdir()
    assert copied.read_bytes() == (nights.out / first.results["job-0"]["files"][0]["path"]).read_bytes()
    with pytest.raises(UsageProblem, match=r"images: the pictures are there already$"):
        export(nights.out, Wishes(review="approved", copy_to=nights.out / "images"))
    (nights.out / first.results["job-2"]["files"][0]["path"]).unlink()
    [told] = export(nights.out, Wishes(review="unreviewed", copy_to=tmp_path / "rest"))
    assert told.endswith("0 files; 1 file not here any more: verify --repair fetches them, free")
    [told] = export(nights.out, Wishes(rerun=tmp_path / "again.jsonl", review_file=nights.out / "review.json"))
    assert told.endswith("a manifest of 1 job")
    with pytest.raises(InputMissing, match="The report's page saves it"):
        export(nights.out, Wishes(review="approved", copy_to=folder, review_file=tmp_path / "none.json"))


STATES = list(JobState)


def job(state, number=0, text="plain"):
    """A job in that state, with that text wherever one can be."""
    taken = AttemptState.WRITTEN_OFF if number == 99 else AttemptState.FINISHED
    attempt = Attempt(number=1, state=taken, payload_sha256="p", intended_at=1.0, request_id=text, cost=Money(1))
    inputs = {"prompt": "White.", "image_urls": [PHOTO, f"local:image/png;sha256={'5' * 64}"]}
    names = {"job_id": f"{state}-{number}", "model": "google/nano-banana/edit", "source": text}
    spec = JobSpec(**names, inputs=inputs, fingerprint="f", files={"5" * 64: "photos/mug.png"})
    failure = None if state is JobState.DONE else Failure(kind=FailureKind.REMOTE, code=text, message=text)
    return Job(spec=spec, state=state, attempts=(attempt,), failure=failure)


def test_a_manifest_of_the_rest_never_names_what_may_be_paid(tmp_path):
    """In doubt, at the service, lost, given up: the run itself goes on with those. What is in it can be run."""
    jobs = [job(state) for state in STATES if state is not JobState.DONE] + [job(JobState.FAILED, 99)]
    text = io.StringIO()
    assert write_rerun(text, jobs, {"failed-0": "Gold."}) == (5, 6)
    found = [json.loads(line) for line in text.getvalue().splitlines()]
    assert [one["id"] for one in found] == ["pending-0", "failed-0", "rejected-0", "cancelled-0", "held-0"]
    assert [one["prompt"] for one in found] == ["White.", "Gold.", "White.", "White.", "White."]
    assert found[0]["image_urls"] == [PHOTO, "photos/mug.png"]
    lines = [line.replace(', "photos/mug.png"', "") for line in text.getvalue().splitlines(keepends=True)]
    (tmp_path / "again.jsonl").write_text("".join(lines))
    assert [spec.job_id for spec in load(tmp_path / "again.jsonl").jobs] == [one["id"] for one in found]


def test_junit_is_xml_whatever_stands_in_it():
    """Sixty hostile texts; every job is a case, counted by how it ended."""
    jobs = [job(STATES[n % len(STATES)], n, text) for n, text in enumerate(attacks(1))]
    name = "".join(attacks(1))
    run = Run(run_id="r", name=name, manifest="m", api_base="a", is_simulated=False, started_at=1.0, finished_at=9.5)
    file = io.StringIO()
    write_junit(file, run, summarize(run, jobs), jobs)
    suite = ET.fromstring(file.getvalue().encode())[0]
    assert suite.get("time") == "8.500"
    assert len(suite) == len(jobs) == int(suite.get("tests"))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(name)) == len(suite.findall(f"*/{tag}")) > 5
    assert len([case for case in suite if len(case) == 0]) == sum(one.state is JobState.DONE for one in jobs)


@pytest.mark.parametrize("text", ["=1", "＝1", "＋1", "－1", "＠SUM", " =1", "\t1", "\r1"])
def test_wide_signs_begin_formulas_too(text):
    """In spreadsheets of East Asia (OWASP, CSV injection)."""
    assert guarded(text) == f"'{text}"
