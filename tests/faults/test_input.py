"""The fault matrix, rows 61 to 66: what can be wrong with a manifest. Found before anything is sent."""

from __future__ import annotations

import json
import resource

import pytest
from support.processes import command

URL = "https://photos.example.com/mug-red.jpg"
HEAD = "id,prompt,image_urls\n"


def run(tmp_path, name, content, *arguments):
    """Run a manifest on the simulator; what came out."""
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return command("run", name, "--simulate", "--out", "out", *arguments, cwd=tmp_path)


def assert_refused(done, *words):
    """Refused with 65 in a sentence, before anything was made of it."""
    assert done.returncode == 65, done.stdout + done.stderr
    assert "Nothing was submitted" in done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(("one", "other"), [("mug", "mug"), ("Mug", "mug"), ("é", "e\u0301")])
def test_fault_61_two_jobs_of_one_id(tmp_path, one, other):
    """Also where only case or Unicode form differ; both places are named."""
    done = run(tmp_path, "m.csv", f"{HEAD}{one},White.,{URL}\n{other},Black.,{URL}\n")
    assert_refused(done, "m.csv:3" if one == other else one)


def bombs():
    aliases = "\n".join(f"  x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'] * 9)}]" for n in range(30))
    yield "aliases", f"version: 1\nx-bomb:\n{aliases}\njobs: [{{id: a, prompt: *a29}}]\n"
    yield "nesting", "version: 1\njobs: " + "[" * 30_000 + "]" * 30_000
    yield "recursion", "version: 1\njobs: &a [*a]\n"
    yield "tags", "version: 1\njobs:\n- !!python/object/apply:os.system ['touch pwned']\n"


@pytest.mark.parametrize(("name", "text"), list(bombs()), ids=[name for name, _ in bombs()])
def test_fault_62_a_bomb(tmp_path, name, text):
    """Refused in a moment, without a crash, and nothing in it is run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    assert_refused(run(tmp_path, "m.yaml", text))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10
    assert not (tmp_path / "pwned").exists()


def yaml(field):
    return f"version: 1\njobs:\n- id: 007\n  image_urls: [{URL}]\n  output_format: jpeg\n  {field}\n"


@pytest.mark.parametrize("text", ["no", "012", "12:30:45", ".nan", "2026-11-24", "null-ish", "0x1F", "1_000"])
def test_fault_63_text_that_looks_like_something_else(tmp_path, text):
    """Sent as a person reads it; ids keep their zeros."""
    done = run(tmp_path, "m.yaml", yaml(f"prompt: {text}"))
    assert done.returncode == 0, done.stderr
    line = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    assert (line["job_id"], line["inputs"]["prompt"]) == ("007", text)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ("prompt: a\n  prompt: b", ["m.yaml:7"]),
        ("prompt: a\n  num_images: .inf", ["m.yaml:7"]),
        ("prompt: a\n  num_images: '2'", ["m.yaml:7"]),
        ("prompt: a\n  aspect_ration: 16:9", ["m.yaml:7", "did you mean 'aspect_ratio'?"]),
    ],
)
def test_fault_63_what_cannot_be_meant(tmp_path, fields, words):
    """Named with its line; nothing is changed in silence."""
    assert_refused(run(tmp_path, "m.yaml", yaml(fields)), *words)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (f"{HEAD}a,Wh\x00ite.,{URL}\n", ["2"]),
        (f'{HEAD}a,"White.,{URL}\n', ["2"]),
        (f"{HEAD}a,White.,{URL},more\n", ["2"]),
        (f"{HEAD}a,{'x' * 140_000},{URL}\n", ["B2", "1000"]),
    ],
    ids=["a NUL", "a quote that never ends", "a cell too many", "a huge cell"],
)
def test_fault_64_a_broken_table(tmp_path, table, words):
    """Named by row or cell."""
    assert_refused(run(tmp_path, "m.csv", table), *words)


def test_fault_64_a_byte_order_mark(tmp_path):
    """Eaten, as spreadsheets write it."""
    done = run(tmp_path, "m.csv", b"\xef\xbb\xbf" + f"{HEAD}a,White.,{URL}\n".encode())
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "results.jsonl").read_text())["job_id"] == "a"


def test_fault_65_an_edited_manifest(tmp_path):
    """New jobs are added; an edited one that is paid is shown and kept; a removed one is reported, its files stay."""
    assert run(tmp_path, "m.csv", f"{HEAD}a,White.,{URL}\nb,White.,{URL}\n").returncode == 0
    done = run(tmp_path, "m.csv", f"{HEAD}a,Black.,{URL}\nc,White.,{URL}\n")
    assert done.returncode == 0, done.stderr
    lines = {
        line["job_id"]: line for line in map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())
    }
    assert lines["a"]["inputs"]["prompt"] == "White."
    assert lines["c"]["state"] == "done"
    assert (tmp_path / "out" / lines["b"]["files"][0]["path"]).exists()
    plan = command("plan", "m.csv", "--simulate", "--out", "out", "--json", cwd=tmp_path)
    changes = {job["job_id"]: (job["change"], job["will_submit"]) for job in json.loads(plan.stdout)["jobs"]}
    assert changes == {"a": ("changed", False), "b": ("gone", False), "c": ("done", False)}


def test_fault_66_twenty_thousand_jobs(tmp_path):
    """Checked whole, every error at once."""
    lines = [f"job-{n},Take {n}.,{URL}\n" for n in range(20_000)]
    (tmp_path / "m.csv").write_text(HEAD + "".join(lines))
    done = command("check", "m.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20,000 jobs" in done.stdout
    lines[19_999] = "job-19999,Take.,not a url\n"
    (tmp_path / "m.csv").write_text(HEAD + "".join(lines))
    done = command("check", "m.csv", cwd=tmp_path)
    assert done.returncode == 65
    assert "C20001" in done.stderr
