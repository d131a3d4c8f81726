"""Jobs whose requests are word for word the same: paid once, and shared by all that want it."""

import json
import sqlite3
from contextlib import closing

import pytest
from support.night import Night

from runner.batch import Options, repair, settle_doubts, verify
from runner.errors import ManifestInvalid

SAME = {"prompt": "White."}
TAKEN_BUT_CUT = {"on": "submit", "kind": "reset_after", "times": 1}


@pytest.fixture
def nights(tmp_path, monkeypatch):
    """Nights over one run directory and one service that remembers."""
    return Night(tmp_path, monkeypatch)


def files(nights):
    return {path.name: path.read_bytes() for path in (nights.out / "images").iterdir()}


def test_one_request_of_several_jobs_is_paid_once(nights):
    """Each has the picture under its own name, and the money is counted once."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME}, {"id": "c", "prompt": "Black."}, {"id": "d", **SAME})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 2, ["done"] * 4)
    pictures = files(nights)
    assert set(pictures) == {"a.png", "b.png", "c.png", "d.png"}
    assert pictures["a.png"] == pictures["b.png"] == pictures["d.png"] != pictures["c.png"]
    b = morning.results["b"]
    assert (b["shared_from"], b["cost_usd"], b["attempts"]) == ("a", 0.0, [])
    assert b["request_id"] == morning.results["a"]["request_id"]
    assert morning.summary["cost_usd"]["spent"] == pytest.approx(2 * 0.039)
    again = nights.run()
    assert (again.exit_code, again.ledger["posts"], again.states) == (0, 0, ["done"] * 4)


def test_whoever_wants_it_twice_says_so(nights):
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    morning = nights.run(dedupe=False)
    assert (morning.ledger["posts"], morning.states) == (2, ["done"] * 2)


def test_a_renamed_job_is_not_paid_again(nights):
    """The request is the same, whatever it is called."""
    nights.write({"id": "old", **SAME})
    nights.run()
    nights.write({"id": "new", **SAME})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (0, 0)
    assert morning.results["new"]["shared_from"] == "old"
    assert set(files(nights)) == {"old.png", "new.png"}


def test_what_was_run_by_its_request_is_not_paid_again_where_a_key_names_it_now(nights):
    """So were lines without ids, also with a `sku`, before it named them."""
    nights.write({"prompt": "One."}, {"prompt": "Two."})
    before = nights.run()
    assert (before.ledger["posts"], before.states) == (2, ["done"] * 2)
    nights.write({"prompt": "Two.", "row": {"sku": "B"}}, {"prompt": "One.", "row": {"sku": "A"}})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], verify(nights.out)) == (0, 0, {})
    assert {morning.results[job_id]["shared_from"] for job_id in "AB"} == before.results.keys()
    assert {"A.png", "B.png"} < files(nights).keys()


def test_a_failure_is_shared_too_and_one_retry_mends_both(nights):
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    morning = nights.run({"on": "job", "kind": "fail", "times": 1})
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (1, 1, ["failed"] * 2)
    assert morning.results["b"]["error"]["message"].startswith("shares the request of 'a', which is failed")
    nothing = nights.run()
    assert (nothing.exit_code, nothing.ledger["posts"], nothing.states) == (1, 0, ["failed"] * 2)
    mended = nights.run(retry=("failed",))
    assert (mended.exit_code, mended.ledger["posts"], mended.states) == (0, 1, ["done"] * 2)


def test_nobody_shares_what_is_in_doubt_nor_pays_around_it(nights):
    """Also under another name the request is not sent again; once the doubt is settled all have it, free."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    morning = nights.run(TAKEN_BUT_CUT)
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (1, 1, ["in_doubt", "failed"])
    nights.write({"id": "a", **SAME}, {"id": "c", **SAME})
    again = nights.run()
    assert (again.exit_code, again.ledger["posts"]) == (1, 0)
    assert again.results["c"]["state"] == "failed"
    (line,) = map(json.loads, nights.settings["journal"].read_text().splitlines())

    async def attach(_, options, **__):
        options = Options(base_url=options["base_url"], token=options["token"])
        await settle_doubts(nights.out, options, attach={"a": line["request_id"]})

    nights.with_service(attach)
    mended = nights.run()
    assert (mended.exit_code, mended.ledger["posts"]) == (0, 0)
    assert {mended.results[name]["state"] for name in ("a", "c")} == {"done"}


def test_a_lost_copy_is_taken_from_the_other_again(nights):
    """By the next run, and by `verify --repair`; nothing is paid or fetched."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    nights.run()
    whole = files(nights)
    (nights.out / "images" / "b.png").unlink()
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"], files(nights)) == (0, 0, whole)
    (nights.out / "images" / "b.png").write_bytes(b"spoilt")
    assert set(verify(nights.out)) == {"b"}

    async def mend(_, options, **__):
        await repair(nights.out, Options(base_url=options["base_url"], token=options["token"]), ["b"])

    nights.with_service(mend)
    assert (verify(nights.out), files(nights)) == ({}, whole)


def test_one_that_changed_is_a_request_of_its_own(nights):
    """Kept as it was until somebody pays for it; the other's file stays."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    nights.run()
    before = files(nights)
    nights.write({"id": "a", **SAME}, {"id": "b", "prompt": "Black."})
    assert nights.run().ledger["posts"] == 0
    assert files(nights) == before
    assert nights.run(rerun_changed=True).ledger["posts"] == 1
    after = files(nights)
    assert (after["a.png"], after["b.png"] != before["b.png"]) == (before["a.png"], True)


def test_one_that_is_chosen_alone_pays_for_itself(nights):
    """And the other shares it later."""
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME})
    morning = nights.run(only="b")
    assert (morning.exit_code, morning.ledger["posts"], morning.states) == (0, 1, ["pending", "done"])
    rest = nights.run()
    assert (rest.exit_code, rest.ledger["posts"], rest.states) == (0, 0, ["done", "done"])
    assert rest.results["a"]["shared_from"] == "b"


def test_a_plan_says_who_shares_with_whom(nights):
    nights.write({"id": "a", **SAME}, {"id": "b", **SAME}, {"id": "c", "prompt": "Black."})
    plan = nights.plan()
    assert {str(change): count for change, count in plan.counts.items()} == {"new": 2, "shared": 1}
    assert plan.submits == 2
    assert [entry.reason for entry in plan.entries][1] == "the same request as 'a': sent once, and shared"


# ------------------------------------------------------------------------------------------- one file is no two jobs'


def catalogue(nights, output, *jobs):
    """A manifest of jobs, each an id and a prompt, whose files go where `output` says."""
    url = "https://photos.example.com/mug-red.jpg"
    entries = "".join(
        json.dumps({"id": job_id, "prompt": prompt, "image_urls": [url], "output_format": "png"}) + ",\n"
        for job_id, prompt in jobs
    )
    path = nights.manifest.with_name("catalogue.yaml")
    path.write_text(f"version: 1\noutput: {output}\njobs: [\n{entries}]\n")
    return path


def places(morning):
    return {job_id: [file["path"] for file in line["files"]] for job_id, line in morning.results.items()}


MUG = '{path: "mug.{{ ext }}", on_conflict: suffix}'


def test_a_newcomer_takes_the_next_number_and_nobody_moves(nights):
    """Also where the manifest's order has changed, and where a job that has files is paid for again."""
    first = nights.run(manifest=catalogue(nights, MUG, ("a", "One."), ("b", "Two.")))
    assert places(first) == {"a": ["images/mug.png"], "b": ["images/mug~2.png"]}
    paid = files(nights)
    rows = ("z", "Three."), ("y", "Four."), ("b", "Two."), ("a", "One, again.")
    second = nights.run(manifest=catalogue(nights, MUG, *rows))
    assert (second.exit_code, second.ledger["posts"], verify(nights.out)) == (0, 2, {})
    where = places(second)
    assert (where["a"], where["b"]) == (["images/mug.png"], ["images/mug~2.png"])
    assert len({*where["z"], *where["y"], "images/mug.png", "images/mug~2.png"}) == 4
    assert {name: files(nights)[name] for name in paid} == paid
    third = nights.run(manifest=catalogue(nights, MUG, *rows), rerun_changed=True)
    assert (third.exit_code, third.ledger["posts"], places(third), verify(nights.out)) == (0, 1, where, {})


@pytest.mark.parametrize(
    ("output", "before", "after", "choices"),
    [
        ('{path: "same.{{ ext }}"}', [("b", "One.")], [("c", "Two.")], {}),
        ('{path: "{{ prompt }}.{{ ext }}"}', [("a", "x"), ("b", "y")], [("a", "y"), ("b", "x")], {"only": "a"}),
        ('{path: "{{ prompt }}.{{ ext }}", on_conflict: overwrite}', [("a", "x")], [("b", "X")], {}),
        ("{}", [("mug", "One.")], [("MUG", "Two.")], {}),
    ],
    ids=["the same path", "two that swap", "in capitals", "ids in capitals"],
)
def test_a_path_of_another_job_is_refused_before_the_first_post(nights, output, before, after, choices):
    """65, with both jobs and what to do; `plan` says it too, and nothing is paid or written."""
    nights.run(manifest=catalogue(nights, output, *before))
    paid = files(nights)
    path = catalogue(nights, output, *after)
    morning = nights.run(manifest=path, rerun_changed=True, dedupe=False, **choices)
    assert (morning.exit_code, morning.ledger["posts"], files(nights)) == (65, 0, paid)
    owner, newcomer = before[-1][0], after[0][0]
    assert f"error[output-taken]: job {newcomer!r} would be written to images/" in morning.said
    assert f"where the files of job {owner!r} are" in morning.said
    assert "on_conflict: suffix" in morning.said
    nights.manifest = path
    with pytest.raises(ManifestInvalid, match="output-taken"):
        nights.plan(rerun_changed=True, dedupe=False, **choices)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("Mug-1", "mug-1", "capitals alone"),
        ("gr\u00fcn", "gru\u0308n", "their Unicode form alone: it was NFC, and is NFD"),
    ],
)
def test_an_id_that_is_written_otherwise_is_told_with_what_costs_nothing(nights, before, now, told):
    """A manifest of lines has no place for `output:`, so the remedy does not speak of it."""
    nights.write({"id": before, "prompt": "White."})
    nights.run()
    nights.write({"id": now, "prompt": "Oak."})
    morning = nights.run()
    assert (morning.exit_code, morning.ledger["posts"]) == (65, 0)
    assert f"where the files of job {before!r} are; the ids differ in {told}" in morning.said
    assert f"write the id as it was, so that the job is called {before!r}: that costs nothing" in morning.said
    assert f"give {now!r} another id, or choose another --out: then it is a new job, and paid for" in morning.said
    assert "on_conflict" not in morning.said
    nights.write({"id": before, "prompt": "Oak."})
    assert (nights.run().exit_code, nights.plan().submits) == (0, 0)


def test_what_is_owed_keeps_its_place(nights):
    """The file of a request in doubt may still come, also where the manifest does not name the job any more."""
    path = '{path: "same.{{ ext }}"}'
    first = nights.run(TAKEN_BUT_CUT, manifest=catalogue(nights, path, ("a", "One.")))
    assert first.states == ["in_doubt"]
    second = nights.run(manifest=catalogue(nights, path, ("b", "Two.")))
    assert (second.exit_code, second.ledger["posts"]) == (65, 0)
    assert "where the files of job 'a' are" in second.said


def test_a_renamed_job_may_keep_the_name_of_its_file(nights):
    """It is the very same picture; the next one under that name is refused all the same."""
    path = '{path: "same.{{ ext }}"}'
    nights.run(manifest=catalogue(nights, path, ("old", "One.")))
    morning = nights.run(manifest=catalogue(nights, path, ("new", "One.")))
    assert (morning.exit_code, morning.ledger["posts"], verify(nights.out)) == (0, 0, {})
    assert places(morning)["new"] == ["images/same.png"]
    again = nights.run(manifest=catalogue(nights, path, ("new", "Two.")), rerun_changed=True)
    assert (again.exit_code, again.ledger["posts"]) == (65, 0)


def test_a_retried_job_goes_where_the_manifest_says_now(nights):
    """It has no file yet; its old place may be another's by now."""
    first, second = '{path: "same.{{ ext }}"}', '{path: "{{ id }}.{{ ext }}"}'
    nights.run({"on": "job", "kind": "fail", "times": 1}, manifest=catalogue(nights, first, ("a", "One.")))
    morning = nights.run(manifest=catalogue(nights, second, ("a", "One.")), retry=("failed",))
    assert places(morning) == {"a": ["images/a.png"]}


def test_a_download_never_replaces_the_file_of_another_job(nights, caplog):
    """Where an earlier version let two jobs have one path: what is paid for is saved beside, and the log says so."""
    nights.write({"id": "a", "prompt": "One."}, {"id": "b", "prompt": "Two."})
    nights.run()
    paid = files(nights)
    with closing(sqlite3.connect(nights.out / "state.db")) as state:
        state.execute("UPDATE artifacts SET path = 'images/B.png' WHERE job_id = 'a'")
        state.execute("""UPDATE jobs SET paths = '["images/B"]' WHERE job_id = 'a'""")
        state.commit()
    (nights.out / "images" / "a.png").unlink()
    (mended,) = nights.repair("a")
    assert [artifact.path for artifact in mended.artifacts] == ["images/B~2.png"]
    assert (set(files(nights)), files(nights)["b.png"]) == ({"b.png", "B~2.png"}, paid["b.png"])
    assert (verify(nights.out), caplog.messages) == ({}, ["saved beside"])


def test_a_request_that_another_has_had_is_paid_again_with_a_word(nights):
    """Two names that were swapped: each picture makes room for the other's, so that neither can be shared."""
    nights.write({"id": "one", "prompt": "White."}, {"id": "two", "prompt": "Black."})
    nights.run()
    nights.write({"id": "one", "prompt": "Black."}, {"id": "two", "prompt": "White."})
    plan = nights.plan(rerun_changed=True)
    assert {entry.job_id: entry.reason for entry in plan.to_submit} == {
        "one": "prompt changed: paid again, though 'two' has had this very request",
        "two": "prompt changed: paid again, though 'one' has had this very request",
    }
    nights.write({"id": "one", "prompt": "Oak."}, {"id": "two", "prompt": "Black."})
    [entry] = nights.plan(rerun_changed=True).to_submit
    assert entry.reason == "prompt changed: paid again"
