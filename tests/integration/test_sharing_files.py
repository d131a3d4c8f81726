"""Whose picture a job has that shares another's request: that of the request, whatever became of the other's file."""

from __future__ import annotations

import json

import pytest
from support.night import Night

from runner.batch import verify
from runner.store.reader import Reader

SAME = {"prompt": "White."}
LOST = {"on": "file", "kind": "status", "status": 404}


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Two jobs with one request, done: `b` shares that of `a`."""
    made = Night(tmp_path, monkeypatch)
    made.write({"id": "a", **SAME}, {"id": "b", **SAME})
    assert made.run().results["b"]["shared_from"] == "a"
    return made


@pytest.fixture
def picture(nights):
    """What came of their request."""
    return image(nights, "a").read_bytes()


def image(nights, name):
    return nights.out / "images" / f"{name}.png"


def came_from(nights, job_id):
    """The request whose picture the job has, by what is recorded."""
    with Reader(nights.out) as reader:
        [artifact] = reader.job(job_id).artifacts
    return artifact.source_url.split("/files/")[1].split("/")[0]


def redo(nights, job_id, *faults):
    """Reject the picture that a job has, and have it done once more."""
    request_id = json.loads((nights.out / "results.jsonl").read_text().splitlines()[0])["request_id"]
    one = {"job_id": job_id, "verdict": "rejected", "request_id": request_id}
    path = nights.manifest.with_name("review.json")
    path.write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": [one]}))
    return nights.run(*faults, redo=path)


def test_a_retouched_picture_stays_though_another_asks_for_it(nights):
    """The other's was deleted, or is new: it is fetched to its own place."""
    image(nights, "a").write_bytes(b"retouched")
    image(nights, "b").unlink()
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME}, {"id": "c", **SAME})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 0, ["done"] * 3)
    assert image(nights, "a").read_bytes() == b"retouched"
    request_id = morning.results["a"]["request_id"]
    assert [came_from(nights, name) for name in "bc"] == [request_id] * 2
    assert {name: line.get("shared_from") for name, line in morning.results.items()} == {"a": None, "b": "a", "c": "a"}
    assert [line["cost_usd"] for line in morning.results.values()] == [0.039, 0, 0]
    assert list(verify(nights.out)) == ["a"]


@pytest.mark.parametrize("damaged", ["a", "ab"])
def test_what_is_copied_is_what_was_recorded(nights, picture, damaged):
    """A file of the right size that a bad disk has changed is nobody's to copy: another's is, else it is fetched."""
    for name in damaged:
        image(nights, name).write_bytes(bytes(len(picture)))
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME}, {"id": "c", **SAME})
    morning = nights.run(*(() if damaged == "ab" else (LOST,)))
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 0, ["done"] * 3)
    assert came_from(nights, "c") == came_from(nights, "a")
    assert list(verify(nights.out)) == [*damaged]


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("mend", ["run", "repair"])
def test_a_deleted_picture_is_that_of_its_request(nights, mend, is_there):
    """Whoever shares it was done again since, with another picture: the former is kept, else it is fetched, free."""
    request_id = came_from(nights, "b")
    redo(nights, "a")
    other = image(nights, "a").read_bytes()
    image(nights, "b").unlink()
    if not is_there:
        image(nights, "a~rejected-1").unlink()
    if mend == "run":
        morning = nights.run(*() if not is_there else (LOST,))
        assert (morning.exit_code, morning.ledger["posts"]) == (0, 0)
    else:
        nights.repair("b")
    assert came_from(nights, "b") == request_id != came_from(nights, "a")
    assert image(nights, "a").read_bytes() == other
    assert list(verify(nights.out)) == ([] if is_there else ["a"])  # its kept one was deleted, too


def test_a_picture_that_is_nowhere_any_more_is_told_as_lost(nights):
    """Not promised again and again; nothing is paid for it unasked."""
    nights.write({"id": "a", "prompt": "Grey."}, {"id": "b", **SAME})
    assert nights.run(rerun_changed=True).ledger["posts"] == 1
    for name in ("a~replaced-1", "b"):
        image(nights, name).unlink()
    for _ in range(2):
        morning = nights.run(LOST)
        assert (morning.exit_code, morning.ledger["posts"], morning.results["b"]["state"]) == (1, 0, "output_lost")
    nights.repair("b")
    assert image(nights, "b").exists()
    assert nights.run().exit_code == 0


def test_a_picture_that_is_put_back_has_made_no_room(nights):
    """A redo of it was refused before: nothing was kept, so nothing of that is missing."""
    assert redo(nights, "b", {"on": "submit", "kind": "status", "status": 402}).exit_code == 77
    image(nights, "b").unlink()
    assert nights.run().exit_code == 0
    assert verify(nights.out) == {}


def test_one_of_several_that_was_retouched_stays(nights):
    """Only what is missing is put back."""
    nights.write({"id": "x", "num_images": 2, **SAME}, {"id": "y", "num_images": 2, **SAME})
    assert nights.run().results["y"]["shared_from"] == "x"
    second = image(nights, "y-2").read_bytes()
    image(nights, "y-1").write_bytes(b"retouched")
    image(nights, "y-2").unlink()
    assert nights.run(LOST).exit_code == 0
    assert image(nights, "y-1").read_bytes() == b"retouched"
    assert image(nights, "y-2").read_bytes() == second


def test_an_edited_entry_has_its_picture_fetched_as_any_other(nights):
    """It is kept as it was sent, so that is what it has; also where it shares the request."""
    before = came_from(nights, "a")
    nights.write({"id": "a", "prompt": "Grey."}, {"id": "b", "prompt": "Grey."})
    for name in "ab":
        image(nights, name).unlink()
    plan = nights.plan(simulate=False)
    assert all("prompt changed: kept as it was, and its files are fetched" in entry.reason for entry in plan.entries)
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 0, ["done"] * 2)
    assert (came_from(nights, "a"), came_from(nights, "b"), verify(nights.out)) == (before, before, {})
    assert nights.run(rerun_changed=True).ledger["posts"] == 1
