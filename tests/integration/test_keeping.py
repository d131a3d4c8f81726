"""Nothing that was paid for is written over: a picture that is done again is kept beside the new one."""

from __future__ import annotations

import hashlib
import io
import json
import random
from pathlib import Path

import pytest
from PIL import Image
from support.night import Heard

from runner.batch import Control, Options, export, repair, verify
from runner.batch.exporting import Wishes
from runner.errors import ExitCode
from runner.model import canonical
from runner.simulator import files as simulator_files
from runner.simulator.settings import FaultRule
from runner.store.reader import Reader


def review(path, morning, *job_ids, **more):
    """A review that rejects what these jobs have that morning."""
    jobs = [
        {"job_id": one, "verdict": "rejected", "request_id": morning.results[one]["request_id"], **more}
        for one in job_ids
    ]
    path.write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": jobs}))
    return path


def pictures(nights):
    """The files below `images/`, by name, each by its hash."""
    found = (nights.out / "images").rglob("*")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found if path.is_file()}


def redo(nights, tmp_path, morning, *job_ids, **more):
    """The rejected once more."""
    again = nights.run(redo=review(tmp_path / "review.json", morning, *job_ids, **more))
    assert again.exit_code == 0
    return again


def test_a_rejected_picture_is_kept_beside_the_new_one(night, tmp_path):
    """With another prompt or the same; each time it is rejected; the state knows which it was."""
    nights = night(jobs=2)
    first = nights.run()
    before = pictures(nights)
    second = redo(nights, tmp_path, first, "job-1", prompt="Grey.")
    assert pictures(nights) == before | {
        "job-1~rejected-1.png": before["job-1.png"],
        "job-1.png": second.results["job-1"]["files"][0]["sha256"],
    }
    assert pictures(nights)["job-1.png"] != before["job-1.png"]
    third = redo(nights, tmp_path, second, "job-1")
    assert pictures(nights)["job-1~rejected-2.png"] == second.results["job-1"]["files"][0]["sha256"]
    assert third.results["job-1"]["files"][0]["path"] == "images/job-1.png"
    with Reader(nights.out) as reader:
        kept = reader.kept()
    assert {name: [one.path for one in found] for name, found in kept.items()} == {
        "job-1": ["images/job-1~rejected-1.png", "images/job-1~rejected-2.png"]
    }
    assert kept["job-1"][0].sha256 == before["job-1.png"]
    assert verify(nights.out) == {}


def test_an_entry_that_is_paid_anew_keeps_its_former_picture(night):
    """`--rerun-changed`, of several outputs, and a form that is another now."""
    nights = night(jobs=0)
    nights.write({"id": "mug", "prompt": "White.", "num_images": 2})
    nights.run()
    before = pictures(nights)
    nights.write({"id": "mug", "prompt": "Grey.", "num_images": 2})
    assert nights.run().ledger["posts"] == 0
    assert pictures(nights) == before
    assert nights.run(rerun_changed=True).ledger["posts"] == 1
    after = pictures(nights)
    assert {name: after[name] for name in after if "~" in name} == {
        f"mug-{n}~replaced-1.png": before[f"mug-{n}.png"] for n in (1, 2)
    }
    assert {"mug-1.png", "mug-2.png"} < after.keys()


def test_what_is_not_submitted_stays_where_it_is(night, tmp_path):
    """Until a POST leaves: no name changes because of a limit."""
    nights = night(jobs=1)
    first = nights.run()
    before = pictures(nights)
    path = review(tmp_path / "review.json", first, "job-0")
    assert nights.run(redo=path, yes=False, max_cost_usd="0.04").exit_code == ExitCode.LIMIT_REACHED
    assert pictures(nights) == before


@pytest.mark.parametrize(
    "fault", [{"on": "submit", "kind": "status", "status": 402}, {"on": "submit", "kind": "status", "status": 422}]
)
def test_what_is_refused_stays_where_it_is(night, tmp_path, fault):
    """An account without balance, an input that is not taken: the picture is the one that it was, in its place."""
    nights = night(jobs=1)
    first = nights.run()
    before = pictures(nights)
    nights.run(fault, redo=review(tmp_path / "review.json", first, "job-0"))
    assert pictures(nights) == before
    again = redo(nights, tmp_path, first, "job-0", prompt="Grey.")
    assert again.states == ["done"]
    [aside] = [name for name in pictures(nights) if "~" in name]
    assert pictures(nights)[aside] == before["job-0.png"]


def test_a_redo_whose_answer_was_lost_has_its_own_picture_once_it_is_found(night, tmp_path):
    """Attached by a person: it is fetched, and the rejected one, which is of another request, is kept."""
    nights = night(jobs=1)
    first = nights.run()
    before = pictures(nights)
    path = review(tmp_path / "review.json", first, "job-0", prompt="Grey.")
    doubtful = nights.run({"on": "submit", "kind": "reset_after"}, redo=path)
    assert (doubtful.states, pictures(nights)) == (["in_doubt"], before)
    lines = map(json.loads, nights.settings["journal"].read_text().splitlines())
    request_id = [line["request_id"] for line in lines if "request_id" in line][-1]
    nights.settle(attach={"job-0": request_id})
    done = nights.run()
    assert (done.states, done.ledger["posts"]) == (["done"], 0)
    assert pictures(nights) == {
        "job-0~rejected-1.png": before["job-0.png"],
        "job-0.png": done.results["job-0"]["files"][0]["sha256"],
    }
    assert pictures(nights)["job-0.png"] != before["job-0.png"]


def test_a_redo_that_fails_loses_nothing(night, tmp_path):
    """The rejected picture is there, under its new name."""
    nights = night(jobs=1)
    first = nights.run()
    before = pictures(nights)
    again = nights.run({"on": "job", "kind": "fail"}, redo=review(tmp_path / "review.json", first, "job-0"))
    assert again.states == ["failed"]
    assert pictures(nights) == {"job-0~rejected-1.png": before["job-0.png"]}


@pytest.mark.parametrize("is_taken", [False, True])
def test_a_kill_before_it_has_its_new_name_changes_nothing(night, tmp_path, monkeypatch, is_taken):
    """Nor a file of the user's own that has the name: the new picture comes only when the old one is safe."""
    nights = night(jobs=1)
    first = nights.run()
    before = pictures(nights)
    aside = nights.out / "images" / "job-0~rejected-1.png"

    def broken(*_):
        if is_taken:
            aside.write_bytes(b"mine")
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "rename", broken)
    path = review(tmp_path / "review.json", first, "job-0")
    stopped = nights.run(redo=path)
    assert stopped.exit_code == ExitCode.IO_ERROR
    assert pictures(nights)["job-0.png"] == before["job-0.png"]
    monkeypatch.undo()
    if is_taken:
        assert nights.run().exit_code == ExitCode.IO_ERROR
        aside.unlink()
    done = nights.run()
    assert (done.exit_code, done.ledger["posts"], nights.accepted) == (0, 0, 2)
    assert pictures(nights)["job-0~rejected-1.png"] == before["job-0.png"]
    assert pictures(nights)["job-0.png"] == done.results["job-0"]["files"][0]["sha256"] != before["job-0.png"]


def test_no_other_job_takes_the_name(night, tmp_path):
    """A path that the manifest gives later is refused; one that is there is left alone."""
    nights = night(jobs=1)
    first = nights.run()
    (nights.out / "images" / "job-0~rejected-1.jpg").write_bytes(b"mine")
    redo(nights, tmp_path, first, "job-0")
    assert (nights.out / "images" / "job-0~rejected-1.jpg").read_bytes() == b"mine"
    assert (nights.out / "images" / "job-0~rejected-2.png").exists()
    manifest = tmp_path / "m.yaml"
    job = "{id: lamp, prompt: White., image_urls: [https://photos.example.com/lamp.jpg]}"
    manifest.write_text(f'version: 1\noutput: {{path: "job-0~rejected-2"}}\njobs: [{job}]\n')
    refused = nights.run(manifest=manifest)
    assert (refused.exit_code, refused.ledger["posts"]) == (65, 0)


def test_it_is_not_handed_over(night, tmp_path):
    """The picture that counts is."""
    nights = night(jobs=1)
    first = nights.run()
    redo(nights, tmp_path, first, "job-0")
    export(nights.out, Wishes(copy_to=tmp_path / "handover"))
    assert [path.name for path in (tmp_path / "handover").iterdir()] == ["job-0.png"]


def repeated(inputs, variant, seed):
    """A picture that is the same each time it is asked for."""
    picture = io.BytesIO()
    noise = random.Random(canonical(inputs)).randbytes(24 * 24 * 3)
    Image.frombytes("RGB", (24, 24), noise).save(picture, "PNG")
    return picture.getvalue()


def test_a_kept_picture_that_is_gone_or_changed_is_told_and_fetched_again(night, tmp_path, monkeypatch):
    """From the request that it came from, whatever was refused between; the picture that counts is left alone."""
    nights = night(jobs=2)
    monkeypatch.setattr(simulator_files, "edit", repeated)
    first = nights.run()
    before = pictures(nights)
    second = redo(nights, tmp_path, first, "job-0", "job-1", prompt="Grey.")
    refused = {"on": "submit", "kind": "status", "status": 402}
    nights.run(refused, redo=review(tmp_path / "review.json", second, "job-0", prompt="Black."))
    redo(nights, tmp_path, second, "job-0", prompt="Gold.")
    whole = pictures(nights)
    assert verify(nights.out) == {}
    kept = sorted(name for name in whole if "~" in name)
    assert [name.partition("~")[0] for name in kept] == ["job-0", "job-0", "job-1"]
    for name in kept[:2]:
        (nights.out / "images" / name).unlink()
    (nights.out / "images" / kept[2]).write_bytes(b"mine")
    broken = verify(nights.out)
    told = {job_id: [failure.message for failure in failures] for job_id, failures in broken.items()}
    assert {job_id: len(failures) for job_id, failures in told.items()} == {"job-0": 2, "job-1": 1}
    assert all("(kept when the job was done again)" in text for failures in told.values() for text in failures)
    nights.repair(*broken)
    assert (verify(nights.out), pictures(nights), nights.accepted) == ({}, whole, 4)  # grey is one request for both
    assert whole[kept[2]] == before["job-1.png"]


@pytest.mark.parametrize("is_written_off", [False, True])
def test_a_picture_whose_redo_is_in_doubt_is_verified_and_fetched_again(night, tmp_path, monkeypatch, is_written_off):
    """Under its own name: nobody knows of another. Also where the doubt was written off."""
    nights = night(jobs=1)
    monkeypatch.setattr(simulator_files, "edit", repeated)
    path = review(tmp_path / "review.json", nights.run(), "job-0", prompt="Grey.")
    before = pictures(nights)
    nights.run({"on": "submit", "kind": "reset_after"}, redo=path)
    if is_written_off:
        nights.settle(write_off=["job-0"])
    assert verify(nights.out) == {}
    (nights.out / "images" / "job-0.png").unlink()
    assert [failure.code for failure in verify(nights.out)["job-0"]] == ["missing"]
    nights.repair("job-0")
    assert (verify(nights.out), pictures(nights), nights.accepted) == ({}, before, 2)


def test_a_kept_picture_that_cannot_be_had_is_said_to_be_lost(night, tmp_path):
    """The service has forgotten its request; the job itself is done as before."""
    nights, heard = night(jobs=1), Heard()
    redo(nights, tmp_path, nights.run(), "job-0")
    (nights.out / "images" / "job-0~rejected-1.png").unlink()
    nights.settings["faults"] = (FaultRule(on="result", kind="status", status=404, error_code=404001, every=1),)

    async def act(_, service):
        [job_id] = verify(nights.out)
        assert await repair(nights.out, Options(**service), [job_id], Control(note=heard.note)) == []

    nights.with_service(act)
    [line] = heard.lines
    assert line.startswith("job-0: images/job-0~rejected-1.png is lost: ")
    assert [failure.code for failure in verify(nights.out)["job-0"]] == ["missing"]
    with Reader(nights.out) as reader:
        assert [str(job.state) for job in reader.jobs()] == ["done"]
