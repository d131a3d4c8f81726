"""`plan -o FILE.json` and `run FILE.json`: exactly what was approved, and nothing else."""

import json

import pytest
from support.night import Night

from runner.batch import approval
from runner.errors import ManifestInvalid, UsageProblem


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Nights over one run directory and one service that remembers."""
    return Night(tmp_path, monkeypatch)


@pytest.fixture
def approved(nights, tmp_path):
    """Writes the plan of a run down; its path."""

    def approve(**choices):
        path = tmp_path / "plan.json"
        nights.write_plan(path, **choices)
        return path

    return approve


def test_a_plan_is_consent_to_what_is_in_it(nights, approved):
    """No --yes is needed; what was added since is not submitted, and the same command again pays nothing more."""
    path = approved()
    nights.write(*({"id": f"job-{n}", "prompt": f"White, take {n}."} for n in range(5)))
    for posts in (3, 0):
        morning = nights.run(manifest=path, yes=False, out=None)
        assert (morning.exit_code, morning.ledger["posts"]) == (0, posts)
    assert morning.states == ["done", "done", "done", "pending", "pending"]


def test_a_job_that_became_another_request_is_not_sent(nights, approved):
    """65, with its place: the plan says what was approved, and this is not it."""
    path = approved()
    nights.write({"id": "job-0", "prompt": "White, take 0."}, {"id": "job-1", "prompt": "Gold."})
    morning = nights.run(manifest=path, yes=False, out=None)
    assert (morning.exit_code, morning.ledger["posts"]) == (65, 0)
    assert "job 'job-1' (" in morning.said
    assert "has changed since the plan was made" in morning.said


def test_a_plan_is_open_again_for_a_doubt_that_a_person_resubmits(nights, approved):
    """Each such word is for one POST: a refused one may go again, and what is in doubt once more waits for another."""
    path = approved()
    loses = {"on": "submit", "kind": "reset_after"}
    refuses = {"on": "submit", "kind": "status", "status": 402}
    good = {"on": "submit", "kind": "reset_after", "times": 0}
    nights.write({"id": "job-0", "prompt": "White, take 0."})
    nights.run(loses, manifest=path, yes=False, out=None)
    for fault, is_released, posts, state in (
        (loses, False, 0, "in_doubt"),
        (refuses, True, 1, "held"),
        (loses, False, 1, "in_doubt"),
        (good, False, 0, "in_doubt"),
        (good, True, 1, "done"),
        (good, False, 0, "done"),
    ):
        if is_released:
            nights.settle(resubmit=["job-0"])
        morning = nights.run(fault, manifest=path, yes=False, out=None)
        assert (morning.ledger["posts"], morning.states[0]) == (posts, state)
    assert (morning.exit_code, nights.accepted) == (0, 3)


def test_a_plan_pays_for_each_entry_once(nights, approved):
    """Also where what it asked for failed once more: what is run again is not what was approved again."""
    fails = {"on": "job", "kind": "fail"}
    assert nights.run(fails).states == ["failed"] * 3
    path = approved(retry=("failed",), limit=2)
    for posts in (2, 0, 0):
        morning = nights.run(fails, manifest=path, yes=False, out=None)
        assert (morning.exit_code, morning.ledger["posts"]) == (1, posts)
    assert nights.run(fails, retry=("failed",)).ledger["posts"] == 3


def test_what_was_not_taken_uses_no_plan_up(nights, approved):
    """Refused for now is not paid: the same plan goes on."""
    path = approved()
    refused = {"on": "submit", "kind": "error_in_200", "error_code": 400002}
    assert nights.run(refused, manifest=path, yes=False, out=None).exit_code == 77
    assert nights.run(manifest=path, yes=False, out=None).states == ["done"] * 3


def test_its_choices_are_kept(nights, approved):
    path = approved(sample=1)
    document = json.loads(path.read_text())
    assert (document["schema"], document["options"], document["submits"]) == ("runcomfy-batch.plan/1", {"sample": 1}, 1)
    morning = nights.run(manifest=path, yes=False, out=None)
    assert (morning.exit_code, morning.ledger["posts"]) == (0, 1)
    assert nights.run(manifest=path, out=None, limit=2).said.endswith("--limit cannot be given with it")


def test_a_dearer_service_is_not_what_was_approved(nights, approved):
    path = approved()
    nights.settings["price_usd"] = "0.05"
    morning = nights.run(manifest=path, yes=False, out=None)
    assert (morning.exit_code, morning.ledger["posts"]) == (64, 0)
    assert "was approved for 0.117 USD, and the price is 0.15 USD now" in morning.said


def test_a_job_that_became_dearer_is_not_what_was_approved(nights, approved):
    """Also where the whole costs less by now, since most of it is done."""
    path = approved()
    nights.run(limit=2)
    nights.settings["price_usd"] = "0.05"
    morning = nights.run(manifest=path, yes=False, out=None)
    assert (morning.exit_code, morning.ledger["posts"]) == (64, 0)
    assert "was approved with 0.039 USD for job 'job-2', and its price is 0.05 USD now" in morning.said


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ("run: {max_cost_usd: 400}", "approved with a limit of 4 USD (max_cost_usd), and it is 400 USD now"),
        ("", "approved with a limit of 4 USD (max_cost_usd), and there is none now"),
        ("run: {max_cost_usd: 3}", None),
    ],
)
def test_a_looser_limit_is_not_what_was_approved(nights, approved, now, said):
    """A tighter one is nobody's harm."""
    nights.manifest = nights.manifest.with_suffix(".yaml")
    body = "version: 1\njobs: [{id: a, prompt: white, image_urls: [https://photos.example.com/mug-red.jpg]}]\n"
    nights.manifest.write_text(f"{body}run: {{max_cost_usd: 4}}\n")
    path = approved()
    nights.manifest.write_text(f"{body}{now}\n")
    morning = nights.run(manifest=path, yes=False, out=None)
    assert (morning.exit_code, morning.ledger["posts"]) == ((0, 1) if said is None else (64, 0))
    assert said is None or said in morning.said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"price_usd": 0.117', '"price_usd": 9.0'),
        ('"price_usd": 0.039', '"price_usd": 9.0'),
        ('"will_submit": true', '"will_submit": false'),
        ('"options": {}', '"options": {"rerun_changed": true}'),
        ('"sha256"', '"sha"'),
    ],
)
def test_a_plan_that_was_changed_is_refused(nights, approved, old, new):
    """65, with what to do; white space alone is no change."""
    path = approved()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    morning = nights.run(manifest=path, yes=False, out=None)
    assert (morning.exit_code, morning.ledger["posts"]) == (65, 0)
    assert "it was changed since" in morning.said
    assert "make it anew with `plan MANIFEST -o plan.json`" in morning.said
    path.write_text(json.dumps(json.loads(text), indent=1))
    assert nights.run(manifest=path, yes=False, out=None).ledger["posts"] == 3


def sealed(document):
    """A plan as it would be written."""
    return json.dumps(document | {"sha256": approval._seal(document)})


WHOLE = {
    "schema": "runcomfy-batch.plan/1",
    "manifest": "m.csv",
    "run_dir": "r",
    "price_usd": None,
    "max_cost_usd": None,
    "options": {},
    "jobs": [],
}


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "\x00", "[" * 100_000, json.dumps(WHOLE | {"price_usd": float("nan"), "sha256": ""})),
        *(sealed(WHOLE | {"schema": schema}) for schema in ("runcomfy-batch.plan/2", None)),
        *(sealed({key: value for key, value in WHOLE.items() if key != left}) for left in WHOLE),
        *(sealed(WHOLE | wrong) for wrong in ({"options": {"a": 1}}, {"options": []}, {"manifest": 5})),
        *(sealed(WHOLE | wrong) for wrong in ({"jobs": [5]}, {"jobs": {"a": 1}}, {"price_usd": "much"})),
    ],
)
async def test_what_is_no_plan_is_refused(tmp_path, text):
    import runner

    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ManifestInvalid, match=r"not a plan.* `plan "):
        await runner.plan(tmp_path / "plan.json")


def test_a_plan_without_a_price_is_no_consent(nights, approved, tmp_path):
    path = approved()
    document = json.loads(path.read_text()) | {"price_usd": None}
    path.write_text(sealed(document))
    with pytest.raises(UsageProblem, match="made without a price"):
        raise_from(nights.run(manifest=path, yes=False, out=None))


def raise_from(morning):
    """What a night said, as the error that it was."""
    assert morning.exit_code == 64
    raise UsageProblem(morning.said)
