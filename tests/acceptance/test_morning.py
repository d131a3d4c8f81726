"""The morning's commands, installed: what they print, and how they end."""

from __future__ import annotations

import json

from support.processes import command, simulator

PHOTO = "https://photos.example.com/mug-red.jpg"
SHEET = f"id;prompt;image_urls;Größe\nmug;White, one.;{PHOTO};XL\nlamp;White, two.;{PHOTO};M\n"


def test_a_morning_from_the_report_to_the_hand_over(tmp_path):
    """A sheet in cp1252, a rejected picture, its redo by consent, the sheet back, two runs compared."""
    (tmp_path / "in.csv").write_bytes(SHEET.encode("cp1252"))
    choices = ("in.csv", "--encoding", "cp1252", "--out")
    with simulator(tmp_path, "--latency", "0.05") as service:
        assert command("run", *choices, "out", "--yes", cwd=tmp_path, **service.env).returncode == 0
        first = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
        jobs = [
            {"job_id": one["job_id"], "verdict": verdict, "request_id": one["request_id"], "prompt": prompt}
            for one, verdict, prompt in zip(first, ("approved", "rejected"), (None, "=Grey, three."), strict=True)
        ]
        (tmp_path / "review.json").write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": jobs}))
        asked = command("run", *choices, "out", "--redo", "review.json", cwd=tmp_path, **service.env)
        assert (asked.returncode, service.ledger()["posts"]) == (64, 2)
        done = command("run", *choices, "out", "--redo", "review.json", "--yes", cwd=tmp_path, **service.env)
        assert (done.returncode, service.ledger()["posts"]) == (0, 3), done.stderr
    review = ("--review", "approved", "--review-file", "review.json")
    wishes = ("--sheet", "back.csv", "--junit", "junit.xml", "--rerun", "rest.jsonl", "--copy-to", "handover", *review)
    done = command("export", "out", *wishes, cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        [
            "back.csv: in.csv with what became of 2 rows",
            "rest.jsonl: a manifest of 0 jobs",
            "junit.xml: JUnit",
            "handover: 1 file",
        ],
    )
    assert (tmp_path / "back.csv").read_bytes().startswith("id;prompt;image_urls;Größe;rb_status".encode("cp1252"))
    back = [line.split(";") for line in (tmp_path / "back.csv").read_text("cp1252").splitlines()]
    assert [row[-1] for row in back] == ["rb_prompt", "", "'=Grey, three."]
    assert [path.stem for path in (tmp_path / "handover").iterdir()] == ["mug"]
    assert command("report", "out", "--compare", "out", cwd=tmp_path).returncode == 0
