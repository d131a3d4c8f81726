"""What people have, as the command reads it: checked, planned and run."""

from __future__ import annotations

import base64
import io
import json
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from PIL import Image
from support.processes import command, simulator

SHEET = """\
SKU;Title;Photo;Stock
00123;Ceramic Mug;https://photos.example.com/mug-blue.jpg;4
00124;Linen Shirt;https://photos.example.com/shirt-navy.jpg;2
00125;LED Lamp;https://photos.example.com/lamp-red.jpg;0
"""
FLAGS = (
    *("--prompt", "White background for this {{ title | lower }}.", "--col", "id=SKU", "--col", "image_urls=Photo"),
    *("--set", "aspect_ratio=1:1", "--set", "output_format=jpeg"),
)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_sheet_needs_no_yaml(tmp_path):
    """Prompt, columns and values come from the command line; the zeros of the ids stay."""
    (tmp_path / "catalogue.csv").write_text(SHEET)
    shown = command("plan", "catalogue.csv", *FLAGS, "--resolved", "--simulate", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    first = lines(shown.stdout)[0]
    assert (first["job_id"], first["inputs"]["prompt"]) == ("00123", "White background for this ceramic mug.")
    done = command("run", "catalogue.csv", *FLAGS, "--simulate", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    images = tmp_path / "runs" / "catalogue" / "images"
    assert sorted(path.name for path in images.iterdir()) == ["00123.jpg", "00124.jpg", "00125.jpg"]
    header, row, *_ = (tmp_path / "runs" / "catalogue" / "results.csv").read_text("utf-8-sig").splitlines()
    assert header.endswith('"SKU","Title","Photo","Stock"')
    assert row.endswith('"00123","Ceramic Mug","https://photos.example.com/mug-blue.jpg","4"')


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--col", "SKU"), "expected FIELD=COLUMN, got 'SKU'"),
        (("--set", "a=1", "--set", "a=2"), "a is given twice"),
        (("--preset", "magento"), "'magento' is not one of"),
        (("--encoding", "klingon"), "no encoding is called 'klingon'"),
        (("--set", "aspect_ratio=16x9"), "did you mean '16:9'?"),
        (("--set", "aspect_ratio={{ titel }}"), "templates are filled in in prompt"),
        (("--prompt", "On oak."), "it is given 2 times, and one counts"),
    ],
)
def test_what_the_flags_get_wrong_is_told(tmp_path, flags, said):
    (tmp_path / "catalogue.csv").write_text(SHEET)
    done = command("check", "catalogue.csv", *FLAGS[:6], *flags, cwd=tmp_path)
    assert done.returncode in (64, 65)
    assert said in done.stderr


def test_a_mistyped_column_in_a_prompt_is_told(tmp_path):
    (tmp_path / "catalogue.csv").write_text(SHEET)
    done = command("check", "catalogue.csv", "--prompt", "On oak, {{ titel }}.", *FLAGS[2:6], cwd=tmp_path)
    assert (done.returncode, "did you mean 'title'?" in done.stderr) == (65, True)


def test_plan_and_check_take_the_variables_of_run(tmp_path):
    """What they look at is what `run` would do; their own go first, and how `run` prints is no matter of theirs."""
    (tmp_path / "catalogue.csv").write_text(SHEET)
    of_run = {
        "RUNCOMFY_BATCH_RUN_PROMPT": "On dark oak.",
        "RUNCOMFY_BATCH_RUN_JSON": "1",
        "RUNCOMFY_BATCH_RUN_OUT": "night",
    }
    flags = ("--col", "id=SKU", "--col", "image_urls=Photo")
    assert command("check", "catalogue.csv", *flags, cwd=tmp_path, **of_run).returncode == 0
    shown = command("plan", "catalogue.csv", *flags, cwd=tmp_path, **of_run)
    assert shown.stdout.startswith("Plan for catalogue.csv  ->  night\n  + 3 new\n")
    own = of_run | {"RUNCOMFY_BATCH_PLAN_PROMPT": "On sand.", "RUNCOMFY_BATCH_RUN_LIMIT": "1"}
    shown = command("plan", "catalogue.csv", *flags, "--resolved", cwd=tmp_path, **own)
    assert [line["inputs"]["prompt"] for line in lines(shown.stdout)] == ["On sand."]
    bad = command("plan", "catalogue.csv", cwd=tmp_path, RUNCOMFY_BATCH_RUN_LIMIT="x")
    assert bad.stderr.endswith("It comes from the environment: RUNCOMFY_BATCH_RUN_LIMIT\n")


def test_a_yaml_manifest_says_these_things_itself(tmp_path):
    (tmp_path / "m.yaml").write_text("version: 1\njobs: [{id: a, prompt: p, image_urls: https://x.example.com/1}]\n")
    done = command("check", "m.yaml", "--prompt", "x", cwd=tmp_path)
    assert (done.returncode, "are for tables" in done.stderr) == (64, True)


def test_init_fits_a_manifest_to_a_sheet(tmp_path):
    """It validates, is planned with every row, and nothing is written over."""
    (tmp_path / "catalogue.csv").write_text(SHEET)
    done = command("init", "--from", "catalogue.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runcomfy-batch.schema.json").exists()
    assert command("check", "catalogue.yaml", cwd=tmp_path).stdout == "catalogue.yaml: 3 jobs, no errors\n"
    assert command("run", "catalogue.yaml", "--simulate", "--sample", "1", cwd=tmp_path).returncode == 0
    assert command("init", "--from", "catalogue.csv", cwd=tmp_path).returncode == 73


def test_a_plan_is_written_down_looked_at_and_run(tmp_path):
    """`plan -o` asks for the price, the wallet is named, and `run` of the file needs no other consent."""
    (tmp_path / "catalogue.csv").write_text(SHEET)
    with simulator(tmp_path, "--latency", "0.05") as service:
        made = command("plan", "catalogue.csv", *FLAGS, "-o", "plan.json", cwd=tmp_path, **service.env)
        assert made.returncode == 0, made.stderr
        assert "Cost: about $0.117 for 3 submits" in made.stdout
        assert "Wallet: $1,000.00" in made.stdout
        assert "Time: unknown until a job is done here; --sample 5 tells" in made.stdout
        assert made.stdout.endswith("next: runcomfy-batch run plan.json\n")
        document = json.loads((tmp_path / "plan.json").read_text())
        assert [job["job_id"] for job in document["jobs"] if job["will_submit"]] == ["00123", "00124", "00125"]
        done = command("run", "plan.json", cwd=tmp_path, **service.env)
        assert done.returncode == 0, done.stderr
        assert service.ledger()["accepted"] == 3
        (tmp_path / "more.csv").write_text(SHEET.replace("0012", "0013").replace("LED", "Desk"))
        more = command(
            "plan", "more.csv", *FLAGS, "--no-dedupe", "--out", "runs/catalogue", cwd=tmp_path, **service.env
        )
        assert "median of the last 3 jobs here" in more.stdout
        assert "Disk: about " in more.stdout
        assert "- 3 gone" in more.stdout


def test_a_wallet_that_is_too_small_is_seen_before_the_night(tmp_path):
    """The plan says so; nothing is held back: the service itself refuses what it is not paid for."""
    (tmp_path / "catalogue.csv").write_text(SHEET)
    with simulator(tmp_path, "--balance", "0.05") as service:
        made = command("plan", "catalogue.csv", *FLAGS, cwd=tmp_path, **service.env)
    assert "Wallet: $0.05: not enough for all of them" in made.stdout


def picture(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return file.getvalue()


@contextmanager
def files_at(folder):
    """A plain web server over a folder."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_inputs_are_asked_for_before_anything_is_paid(tmp_path):
    """Each distinct URL once, each finding at its place, with what to do; 65 where one cannot be used."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "mug.png").write_bytes(picture(64, 64))
    (site / "page.png").write_text("<!doctype html><title>Sign in</title>")
    with files_at(site) as base, simulator(tmp_path) as service:
        rows = ["id,prompt,image_urls"]
        rows += [f"{n},White.,{base}/{name}" for n, name in enumerate(("mug.png", "mug.png", "none.png", "page.png"))]
        (tmp_path / "m.csv").write_text("\n".join(rows))
        done = command("check", "m.csv", "--inputs", "--json", cwd=tmp_path, **service.env)
        assert done.returncode == 65, done.stderr
        (document,) = json.loads(done.stdout)
        assert (document["ok"], document["jobs"], document["inputs"]) == (False, 4, 3)
        found = [(d["severity"], d["code"], d["line"], d["cell"]) for d in document["diagnostics"]]
        assert found == [("error", "input-not-found", 4, "C4"), ("error", "input-web-page", 5, "C5")]
        (tmp_path / "good.csv").write_text("\n".join(rows[:3]))
        good = command("check", "good.csv", "--inputs", cwd=tmp_path, **service.env)
        assert (good.returncode, good.stdout) == (0, "good.csv: 2 jobs, 1 input asked for, no errors\n")
        assert command("check", "good.csv", "--inputs", "--lasting", "long", cwd=tmp_path).returncode == 64


def test_an_input_that_breaks_the_models_own_limits_is_found(tmp_path):
    """The card's `validations`, where the file is at hand: pulled beside the manifest, measured over the network."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "thin.png").write_bytes(picture(400, 10))
    with files_at(site) as base, simulator(tmp_path) as service:
        model = "atelier/restyle/image-to-image"
        assert command("models", "pull", model, cwd=tmp_path, **service.env).returncode == 0
        job = {"id": "thin", "model": model, "prompt": "Watercolour.", "image": [f"{base}/thin.png"]}
        (tmp_path / "m.jsonl").write_text(json.dumps(job))
        done = command("check", "m.jsonl", "--inputs", cwd=tmp_path, **service.env)
        assert done.returncode == 65, done.stdout
        assert "m.jsonl:1: error[" in done.stderr
        assert "thin.png" in done.stderr


def test_what_has_expired_is_not_sent(tmp_path):
    """A presigned URL says itself when it stopped working: 65, and nothing was submitted."""
    url = "https://b.s3.amazonaws.com/x.jpg?X-Amz-Date=20240101T000000Z&X-Amz-Expires=60&X-Amz-Signature=key"
    (tmp_path / "m.csv").write_text(f"id,prompt,image_urls\na,White.,{url}\n")
    with simulator(tmp_path) as service:
        done = command("run", "m.csv", "--yes", cwd=tmp_path, **service.env)
        assert done.returncode == 65
        assert "m.csv:2: error[input-expired]" in done.stderr
        assert "key" not in done.stderr
        assert service.ledger()["posts"] == 0


def test_a_file_that_is_no_jobs_is_not_written_over(tmp_path):
    """Refused before anything is sent, unless the manifest says so."""
    images = tmp_path / "out" / "images"
    images.mkdir(parents=True)
    (images / "Mug.png").write_bytes(b"mine")
    job = "jobs: [{id: mug, prompt: White., image_urls: https://photos.example.com/mug-red.jpg}]\n"
    (tmp_path / "m.yaml").write_text(f"version: 1\n{job}")
    done = command("run", "m.yaml", "--simulate", "--out", "out", cwd=tmp_path)
    assert done.returncode == 65
    assert "a file images/mug.* is there already, and is no job's" in done.stderr
    (tmp_path / "m.yaml").write_text(f"version: 1\noutput: {{on_conflict: overwrite}}\n{job}")
    assert command("run", "m.yaml", "--simulate", "--out", "out", cwd=tmp_path).returncode == 0


def test_photos_of_this_machine_are_sent_inside_the_request(tmp_path):
    """A folder is a manifest's source; what comes out is made of the pixels that were sent."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, color in (("mug-10", "red"), ("mug-2", "blue")):
        image = Image.new("RGB", (320, 240), "white")
        image.paste(Image.new("RGB", (120, 120), color), (100, 60))
        image.save(photos / f"{name}.jpg", quality=95)
    (tmp_path / "m.yaml").write_text(
        "version: 1\ndefaults: {prompt: 'Seamless grey background for {{ stem }}.', output_format: png}\n"
        'sources: [{folder: photos/, glob: "*.jpg"}]\n'
    )
    with simulator(tmp_path, "--latency", "0.05") as service:
        done = command("run", "m.yaml", "--yes", "--out", "out", cwd=tmp_path, **service.env)
        assert done.returncode == 0, done.stderr
        assert service.ledger()["accepted"] == 2
    results = lines((tmp_path / "out" / "results.jsonl").read_text())
    assert [line["job_id"] for line in results] == ["mug-2", "mug-10"]
    for line, strongest in zip(results, (2, 0), strict=True):
        with Image.open(tmp_path / "out" / line["files"][0]["path"]) as image:
            middle = image.convert("RGB").getpixel((image.width // 2, image.height // 2))
        assert middle.index(max(middle)) == strongest
        assert max(middle) > 150 > min(middle)
    state = (tmp_path / "out" / "state.db").read_bytes()
    assert base64.b64encode((photos / "mug-2.jpg").read_bytes())[:64] not in state
