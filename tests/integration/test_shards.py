"""`--shard K/N`: together the shards do all of a manifest once, and nothing is paid for twice because of them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from support.pages import unpacked
from support.processes import command

from runner.batch.given import given
from runner.batch.options import Options
from runner.cli.common import reading
from runner.cli.run import run as run_command
from runner.model import Run
from runner.report.remedies import again
from runner.rules.sharding import Shard, number_of
from runner.store.reader import Reader

THREE = [f"{index}/3" for index in range(3)]


def results(nights, shard):
    """What the shard's own run directory holds, by job."""
    lines = (nights.out / Shard.of(shard).folder / "results.jsonl").read_text().splitlines()
    return {line["job_id"]: line for line in map(json.loads, lines)}


def test_together_the_shards_do_each_job_once(night):
    """Each in a run directory of its own; the same command again does nothing."""
    nights = night(jobs=12)
    posts = [nights.run(shard=shard).ledger["posts"] for shard in THREE]
    found = [results(nights, shard) for shard in THREE]
    assert [len(part) for part in found] == posts
    assert sorted(job_id for part in found for job_id in part) == sorted(f"job-{n}" for n in range(12))
    assert {line["state"] for part in found for line in part.values()} == {"done"}
    assert [nights.run(shard=shard).ledger["posts"] for shard in THREE] == [0, 0, 0]
    assert nights.accepted == 12


def test_an_entry_that_is_edited_stays_in_its_shard(night):
    """Also when all are, and sorted: kept as they were sent, paid again only when somebody says so."""
    nights = night(jobs=6)
    for shard in THREE:
        nights.run(shard=shard)
    nights.write(*({"id": f"job-{n}", "prompt": f"White again, take {n}."} for n in reversed(range(6))))
    assert [nights.run(shard=shard).ledger["posts"] for shard in THREE] == [0, 0, 0]
    again = [nights.run(shard=shard, rerun_changed=True).ledger["posts"] for shard in THREE]
    assert again == [len(results(nights, shard)) for shard in THREE]


def same(nights, *job_ids):
    """Jobs that make the very same request."""
    nights.write(*({"id": job_id, "prompt": "White."} for job_id in job_ids))


def test_one_request_of_jobs_in_one_shard_is_paid_once(night):
    """As without shards."""
    nights = night(jobs=0)
    together = [job_id for job_id in (f"mug-{n}" for n in range(20)) if number_of(job_id, 3) == 1][:3]
    same(nights, *together)
    assert [nights.run(shard=shard).ledger["posts"] for shard in THREE] == [0, 1, 0]
    assert {line["state"] for line in results(nights, "1/3").values()} == {"done"}


def test_one_request_of_jobs_in_several_shards_is_refused(night):
    """Each shard would pay for it: a person says so, or runs them as a whole."""
    nights = night(jobs=0)
    apart = [next(name for name in map(str, range(99)) if number_of(name, 3) == index) for index in range(3)]
    same(nights, *apart, f"{apart[0]}-other")
    refused = nights.run(shard="0/3")
    assert (refused.exit_code, refused.ledger["posts"]) == (65, 0)
    assert f"{apart[0]!r} and {apart[1]!r} make the very same request and are in different shards" in refused.said
    assert sum(nights.run(shard=shard, dedupe=False).ledger["posts"] for shard in THREE) == 4


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        ("0/3", "0/4", "was run in 3 shards: --shard K/3 goes on"),
        ("0/3", None, "was run in 3 shards: --shard K/3 goes on"),
        (None, "0/3", "was run as a whole: it goes on without --shard"),
    ],
)
def test_another_number_of_shards_is_refused(night, first, then, message):
    """It would pay for everything again."""
    nights = night(jobs=6)
    assert nights.run(shard=first).ledger["posts"] > 0
    refused = nights.run(shard=then)
    assert (refused.exit_code, refused.ledger["posts"]) == (64, 0)
    assert message in refused.said


@pytest.mark.parametrize("text", ["3/3", "1", "one/three", "-1/3", ""])
def test_what_is_no_shard_is_told(night, text):
    """With an example."""
    refused = night(jobs=1).run(shard=text)
    assert (refused.exit_code, refused.ledger["posts"]) == (64, 0)
    assert f"--shard: expected K/N such as 0/4, K from 0 to N-1, got {text!r}" in refused.said


def test_a_shard_without_jobs_is_done(night):
    """There may be more machines than jobs."""
    nights = night(jobs=1)
    assert [nights.run(shard=f"{index}/4").exit_code for index in range(4)] == [0, 0, 0, 0]
    assert nights.accepted == 1


def test_a_plan_of_a_shard_is_run_as_that(night, tmp_path):
    """In the shard's run directory; another shard beside it is refused."""
    nights = night(jobs=9)
    nights.write_plan(tmp_path / "plan.json", shard="1/3")
    refused = nights.run(manifest=tmp_path / "plan.json", shard="2/3", yes=False, out=None)
    assert (refused.exit_code, refused.ledger["posts"]) == (64, 0)
    assert "--shard cannot be given with it" in refused.said
    done = nights.run(manifest=tmp_path / "plan.json", yes=False, out=None)
    assert (done.exit_code, done.ledger["posts"]) == (0, len(results(nights, "1/3")))
    assert nights.run(shard="1/3").ledger["posts"] == 0


def test_the_command_in_a_shards_report_is_about_that_shard(night):
    """Copied, it does the shard's jobs and no other's; so does a command that names the shard's own folder."""
    nights = night(jobs=9)
    nights.run(shard="1/3")
    folder = nights.out / "shard-1-of-3"
    words = shlex.split(unpacked((folder / "report.html").read_text("utf-8"))[0]["again"])
    assert words[words.index("--shard") :][:2] == ["--shard", "1/3"]
    assert words[words.index("--out") :][:2] == ["--out", str(folder)]
    assert nights.run(out=folder, shard="1/3").ledger["posts"] == 0
    for other in (None, "0/3"):
        refused = nights.run(out=folder, shard=other)
        assert (refused.exit_code, refused.ledger["posts"]) == (64, 0)
        assert "is the run directory of shard 1/3 alone: --shard 1/3 goes on" in refused.said


def test_a_shard_that_lies_in_a_folder_of_its_own_name_goes_on_there(night):
    """As an earlier version put it: nothing is paid for again."""
    nights = night(jobs=9)
    nights.run(shard="1/3")
    place = nights.out.with_name("apart") / "shard-1-of-3"
    place.mkdir(parents=True)
    (nights.out / "shard-1-of-3").rename(place / "shard-1-of-3")
    assert nights.run(out=place, shard="1/3").ledger["posts"] == 0
    assert not (place / "state.db").exists()


def test_an_older_shards_command_says_which_it_is(tmp_path):
    """Its state does not tell; its folder does."""
    run = Run(run_id="r", name="n", manifest="m.csv", api_base="a", is_simulated=True, started_at=1.0)
    said = again(run, tmp_path / "shard-2-of-4")
    assert said == f"runcomfy-batch run m.csv --out {tmp_path}/shard-2-of-4 --shard 2/4 --simulate"


def test_each_option_by_which_a_manifest_is_read_goes_into_the_commands():
    """A new one is not forgotten."""
    known = {"text": "x", "pairs": (("id", "sku"),), "paths": (Path("photos"),), "flag": True}
    kinds = {"columns": "pairs", "values": "pairs", "allow_roots": "paths", "shrink_inputs": "flag"}
    for parameter in reading(lambda: None).__click_params__:
        words = given(Options(**{parameter.name: known[kinds.get(parameter.name, "text")]}))
        assert words[0] == parameter.opts[0]


def test_what_shaped_a_run_is_in_its_commands(night):
    """Quoted for a shell, read from the state; what chooses or spends is decided anew."""
    nights = night(jobs=0)
    nights.manifest.with_suffix(".csv").write_text("sku;foto\nmug;https://photos.example.com/mug.jpg\n")
    choices = {
        "prompt": "On {{ sku }}'s own white.",
        "columns": (("id", "sku"), ("image_urls", "foto")),
        "values": (("aspect_ratio", "1:1"),),
        "encoding": "utf-8",
        "allow_roots": (nights.out.parent,),
        "trust_hosts": ("cdn.example.com",),
        "shrink_inputs": True,
        "dedupe": False,
    }
    nights.run(manifest=nights.manifest.with_suffix(".csv"), limit=1, retry=("failed",), **choices)
    with Reader(nights.out) as reader:
        run = reader.last_run()
    options = run_command.make_context("run", shlex.split(again(run, nights.out))[2:]).params
    assert options["base_url"] == run.api_base
    assert options["no_dedupe"]
    for name in set(choices) - {"dedupe"}:
        assert options[name] == choices[name]
    assert (options["limit"], options["retry"], options["yes"]) == (None, (), False)


def test_check_and_plan_know_shards(night, tmp_path):
    """Their jobs are the shard's alone."""
    nights = night(jobs=9)
    mine = sum(number_of(f"job-{n}", 3) == 2 for n in range(9))
    assert sum(nights.plan(shard="2/3").counts.values()) == mine
    checked = command("check", nights.manifest, "--shard", "2/3", cwd=tmp_path)
    assert checked.stdout.endswith(f": {mine} jobs, no errors\n")
    assert command("check", nights.manifest, "--shard", "3/3", cwd=tmp_path).returncode == 64
