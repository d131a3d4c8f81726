"""`run --redo review.json`: what a person rejected is paid for once more, by consent, and nothing else is."""

from __future__ import annotations

import json

import pytest

from runner.batch import verify


def review(path, *entries, **changes):
    """A review as the page saves it."""
    plain = {"tags": [], "note": "", "prompt": None, "fingerprint": "f" * 64}
    document = {"schema": "runcomfy-batch.review/1", "run": "n", "jobs": [plain | entry for entry in entries]}
    path.write_text(json.dumps(document | changes))
    return path


def said(morning, job_id, verdict, **more):
    """A verdict about the picture that the job has that morning."""
    return {"job_id": job_id, "verdict": verdict, "request_id": morning.results[job_id]["request_id"], **more}


def test_the_rejected_are_done_again_once(night, tmp_path):
    """With the prompt that was given, if one was; the rest stays; the same command again pays nothing."""
    nights = night(jobs=4)
    first = nights.run()
    path = review(
        tmp_path / "review.json",
        said(first, "job-0", "approved"),
        said(first, "job-1", "rejected"),
        said(first, "job-2", "rejected", prompt="White, without a halo."),
    )
    for posts in (2, 0):
        again = nights.run(redo=path)
        assert (again.exit_code, again.ledger["posts"], again.states) == (0, posts, ["done"] * 4)
    changed = {name for name in first.results if first.results[name]["request_id"] != again.results[name]["request_id"]}
    assert changed == {"job-1", "job-2"}
    assert again.results["job-2"]["inputs"]["prompt"] == "White, without a halo."
    assert [len(again.results[name]["attempts"]) for name in ("job-1", "job-2")] == [2, 2]
    later = nights.run()
    assert (later.exit_code, later.ledger["posts"]) == (0, 0)


def test_a_job_that_shares_a_request_gets_one_of_its_own(night, tmp_path):
    """Its picture was rejected, not the other's; that one keeps its own."""
    nights = night(jobs=1)
    nights.write({"id": "leader", "prompt": "White."}, {"id": "twin", "prompt": "White."})
    first = nights.run()
    assert (first.ledger["posts"], first.results["twin"]["shared_from"]) == (1, "leader")
    again = nights.run(redo=review(tmp_path / "review.json", said(first, "twin", "rejected")))
    assert (again.exit_code, again.ledger["posts"], again.states) == (0, 1, ["done", "done"])
    assert "shared_from" not in again.results["twin"]
    assert again.results["leader"] == first.results["leader"]


def test_what_was_not_submitted_yet_is_not_submitted_by_a_review(night, tmp_path):
    """Only what was rejected."""
    nights = night(jobs=3)
    first = nights.run(limit=1)
    again = nights.run(redo=review(tmp_path / "review.json", said(first, "job-0", "rejected")))
    assert (again.exit_code, again.ledger["posts"], again.states) == (0, 1, ["done", "pending", "pending"])


FORBIDDEN = {"on": "submit", "kind": "status", "status": 422, "error_code": 422001, "processed": False}


@pytest.mark.parametrize("how", ["redo", "rerun_changed"])
def test_a_refusal_forgets_no_picture_that_is_paid_for(night, tmp_path, how):
    """The job stays as it was, and that somebody wanted it otherwise is told; with other words it is sent again."""
    nights = night(jobs=2)
    first = nights.run()

    def wanted(prompt):
        if how == "redo":
            return {"redo": review(tmp_path / "review.json", said(first, "job-0", "rejected", prompt=prompt))}
        nights.write({"id": "job-0", "prompt": prompt}, {"id": "job-1", "prompt": "White, take 1."})
        return {"rerun_changed": True}

    refused = nights.run(FORBIDDEN, **wanted("Forbidden words."))
    assert (refused.exit_code, refused.states, refused.payments) == (1, ["done", "done"], 1)
    told, kept = (morning.results["job-0"] for morning in (refused, first))
    assert (told["files"], told["request_id"], told["inputs"]) == (kept["files"], kept["request_id"], kept["inputs"])
    assert [attempt["state"] for attempt in told["attempts"]] == ["finished", "refused"]
    (nights.out / kept["files"][0]["path"]).unlink()
    assert [job.job_id for job in nights.repair("job-0")] == ["job-0"]
    again = nights.run(**wanted("Milder words."))
    assert (again.exit_code, again.ledger["posts"]) == (0, 1)
    assert again.results["job-0"]["inputs"]["prompt"] == "Milder words."


def test_it_needs_consent_and_keeps_the_limit(night, tmp_path):
    """64 without; a cap that is reached leaves the rejected job as it was, its picture too."""
    nights = night(jobs=2)
    first = nights.run()
    path = review(tmp_path / "review.json", said(first, "job-0", "rejected"))
    refused = nights.run(redo=path, yes=False)
    assert (refused.exit_code, refused.ledger["posts"]) == (64, 0)
    assert "1 job would be paid for" in refused.said
    capped = nights.run(redo=path, yes=False, max_cost_usd="0.08")
    assert (capped.exit_code, capped.ledger["posts"]) == (3, 0)
    assert capped.results["job-0"]["files"] == first.results["job-0"]["files"]
    plan = nights.plan(redo=path)
    assert [(entry.job_id, entry.reason) for entry in plan.to_submit] == [
        ("job-0", "rejected in the review: paid again")
    ]


def test_a_plan_of_it_can_be_approved(night, tmp_path):
    """As any other."""
    nights = night(jobs=2)
    first = nights.run()
    path = review(tmp_path / "review.json", said(first, "job-1", "rejected", prompt="Gold."))
    nights.write_plan(tmp_path / "plan.json", redo=path)
    again = nights.run(manifest=tmp_path / "plan.json", yes=False, out=None)
    assert (again.exit_code, again.ledger["posts"]) == (0, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("{", "not a review"),
        ("[]", "not a review of this program"),
        ('{"schema": "runcomfy-batch.plan/1", "jobs": []}', "not a review of this program"),
        ('{"schema": "runcomfy-batch.review/1", "jobs": [{"job_id": 7}]}', "not a review of this program"),
        ('{"schema": "runcomfy-batch.review/1", "jobs": 7}', "not a review of this program"),
        ('{"schema": "runcomfy-batch.review/1", "jobs": []}', "no job is rejected in it"),
    ],
)
def test_what_is_no_review_is_told(night, tmp_path, content, message):
    """Before anything is sent."""
    nights = night(jobs=1)
    if content is not None:
        (tmp_path / "review.json").write_text(content)
    morning = nights.run(redo=tmp_path / "review.json")
    assert (morning.exit_code, morning.ledger["posts"]) == (66 if content is None else 64, 0)
    assert message in morning.said


def test_a_prompt_that_the_model_does_not_take_is_told(night, tmp_path):
    """65, and nothing is sent; so is a review of other jobs."""
    nights = night(jobs=1)
    first = nights.run()
    long = review(tmp_path / "review.json", said(first, "job-0", "rejected", prompt="x" * 100_000))
    morning = nights.run(redo=long)
    assert (morning.exit_code, morning.ledger["posts"]) == (65, 0)
    assert "the prompt for 'job-0'" in morning.said
    other = review(tmp_path / "review.json", {"job_id": "other", "verdict": "rejected", "request_id": "r"})
    assert "no job is of this manifest" in nights.run(redo=other).said


def test_a_retouched_picture_is_nobodys_to_fetch_again(night):
    """A run leaves it as a person made it, also beside one that is missing; `verify` tells, and `--repair` fetches."""
    nights = night(jobs=1)
    nights.write({"id": "mug", "prompt": "White.", "num_images": 2})
    nights.run()
    first, second = (nights.out / "images" / f"mug-{n}.png" for n in (1, 2))
    first.write_bytes(b"retouched")
    second.unlink()
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (0, 0)
    assert (first.read_bytes(), second.exists()) == (b"retouched", True)
    assert [failure.code for failure in verify(nights.out)["mug"]] == ["missing"]
    nights.repair("mug")
    assert verify(nights.out) == {}
    assert first.read_bytes().startswith(b"\x89PNG")
