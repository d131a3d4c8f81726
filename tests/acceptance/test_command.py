"""The command as a subprocess: exit codes, bad input, consent, what is printed where."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.processes import COMMAND, TOKEN, command, environment, simulator, wait_until, write_jobs

from runner.cli import mend
from runner.model import Job, JobSpec

ROOT = Path(__file__).parents[2]
BAD = "id,prompt,image_urls,aspect_ratio\na,White,https://photos.example.com/mug.jpg,16:09\n"


@pytest.fixture
def jobs(tmp_path):
    """Three small jobs."""
    return write_jobs(tmp_path / "jobs.jsonl", 3)


def test_no_token_names_every_place_looked_at(tmp_path, jobs):
    """Exit 77, and nothing is created."""
    done = command("run", jobs, "--yes", cwd=tmp_path)
    assert done.returncode == 77
    for place in ("$RUNCOMFY_TOKEN", "$RUNCOMFY_API_TOKEN", "$YOUR_API_TOKEN", "/nonexistent/token.json", "--simulate"):
        assert place in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_missing_manifest_is_66(tmp_path):
    """With its name."""
    done = command("run", "nope.csv", "--simulate", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (66, "nope.csv: no such file\n")


def test_an_invalid_manifest_is_65_and_sends_nothing(tmp_path):
    """The cell, the remedy, and the sentence that matters."""
    (tmp_path / "bad.csv").write_text(BAD)
    done = command("run", "bad.csv", "--simulate", cwd=tmp_path)
    assert done.returncode == 65
    assert "bad.csv:2: error[aspect-ratio]: cell D2: aspect_ratio: '16:09' is not supported" in done.stderr
    assert "did you mean '16:9'?" in done.stderr
    assert done.stderr.endswith("1 error. Nothing was submitted.\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run",), "Missing argument 'MANIFEST'"),
        (("rnu", "x"), "Did you mean"),
        (("run", "jobs.jsonl", "--concurency", "3"), "--concurrency"),
        (("run", "jobs.jsonl", "--simulate", "--concurrency", "0"), "concurrency"),
        (("run", "jobs.jsonl", "--simulate", "--max-cost", "lots"), "an amount of USD"),
        (("run", "jobs.jsonl", "--simulate", "--until", "25:00"), "time of day"),
        (("run", "jobs.jsonl", "--simulate", "--max-duration", "soon"), "8h, 90m or 45s"),
        (("run", "jobs.jsonl", "--simulate", "--limit", "1", "--sample", "1"), "one of them"),
        (("run", "jobs.jsonl", "--simulate", "--in-doubt", "resubmit"), "--max-cost"),
        (("run", "jobs.jsonl", "--simulate", "--retry", "inptu"), "did you mean 'input'?"),
        (("run", "jobs.txt", "--simulate"), "without tabs: name it"),
    ],
)
def test_a_command_that_means_nothing_is_64(arguments, said, tmp_path, jobs):
    """With a way out."""
    (tmp_path / "jobs.txt").write_text("x")
    done = command(*arguments, cwd=tmp_path)
    assert done.returncode == 64, done.stderr
    assert said in done.stderr


def test_spending_without_a_terminal_needs_consent(tmp_path, jobs):
    """Exit 64; --max-cost is consent; nothing was posted before."""
    with simulator(tmp_path, "--latency", "0.05") as service:
        refused = command("run", jobs, cwd=tmp_path, **service.env)
        assert refused.returncode == 64
        assert "3 jobs would be paid for: give --yes, or --max-cost USD" in refused.stderr
        assert service.ledger()["posts"] == 0
        agreed = command("run", jobs, "--max-cost", "1", cwd=tmp_path, **service.env)
        assert agreed.returncode == 0, agreed.stderr


def test_on_a_terminal_the_plan_is_shown_and_a_large_one_is_asked_about(tmp_path):
    """`n` sends nothing."""
    write_jobs(tmp_path / "many.jsonl", 60)
    with simulator(tmp_path) as service:
        ours, theirs = pty.openpty()
        running = subprocess.Popen(
            [*COMMAND, "run", "many.jsonl"],
            cwd=tmp_path,
            env=environment(**service.env),
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
        )
        os.close(theirs)
        said = b""
        while b"Proceed?" not in said:
            said += os.read(ours, 4096)
        os.write(ours, b"n\n")
        assert running.wait(timeout=20) == 64
        os.close(ours)
        assert b"about $2.34 for 60 submits" in said
        assert service.ledger()["posts"] == 0


def test_a_locked_run_directory_is_73(tmp_path, jobs):
    """The second runner names the first and touches nothing."""
    import fcntl

    (tmp_path / "out").mkdir()
    with (tmp_path / "out" / "run.lock").open("w") as lock:
        lock.write(json.dumps({"pid": 4242, "host": "here", "since": "now"}))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = command("run", jobs, "--simulate", "--out", "out", cwd=tmp_path)
    assert done.returncode == 73
    assert "process 4242 on here" in done.stderr
    assert not (tmp_path / "out" / "state.db").exists()


def test_a_place_that_cannot_be_made_is_73(tmp_path, jobs):
    """Before anything is posted."""
    (tmp_path / "file").write_text("")
    done = command("run", jobs, "--simulate", "--out", "file/out", cwd=tmp_path)
    assert done.returncode == 73
    assert "--out" in done.stderr


def test_simulated_and_real_state_never_meet(tmp_path, jobs):
    """And neither do two APIs: exit 78, with the way out."""
    with simulator(tmp_path, "--latency", "0.05") as service:
        assert command("run", jobs, "--simulate", "--out", "play", cwd=tmp_path).returncode == 0
        real = command("run", jobs, "--yes", "--out", "play", cwd=tmp_path, **service.env)
        assert real.returncode == 78
        assert "holds a simulated run" in real.stderr
        assert command("run", jobs, "--yes", "--out", "paid", cwd=tmp_path, **service.env).returncode == 0
        play = command("run", jobs, "--simulate", "--out", "paid", cwd=tmp_path)
        assert play.returncode == 78
        assert "holds a real run" in play.stderr
        posts = service.ledger()["posts"]
        with simulator(tmp_path) as other:
            elsewhere = command("run", jobs, "--yes", "--out", "paid", cwd=tmp_path, **other.env)
            assert elsewhere.returncode == 78
            assert "belongs to the API at" in elsewhere.stderr
        assert service.ledger()["posts"] == posts


def test_an_unreachable_service_is_69_and_a_plain_http_base_78(tmp_path, jobs):
    """Both before anything is sent."""
    env = {"RUNCOMFY_TOKEN": TOKEN}
    away = command("run", jobs, "--yes", "--base-url", "http://127.0.0.1:9/v1", cwd=tmp_path, **env)
    assert away.returncode == 69, away.stderr
    plain = command("run", jobs, "--yes", "--base-url", "http://api.example.com/v1", cwd=tmp_path, **env)
    assert plain.returncode == 78
    assert "https" in plain.stderr


def test_a_refused_token_is_77(tmp_path, jobs):
    """And nothing is spent."""
    with simulator(tmp_path, faults=[{"on": "card", "kind": "status", "status": 401, "every": 1}]) as service:
        done = command("run", jobs, "--yes", cwd=tmp_path, **service.env)
        assert done.returncode == 77, done.stderr
        assert service.ledger()["posts"] == 0


def test_account_trouble_in_the_middle_holds_the_run(tmp_path):
    """HTTP 400 with 400002 is no failure of the job: it waits, exit 77, and a later run goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 6)
    faults = [{"on": "submit", "kind": "status", "status": 400, "error_code": 400002, "every": 3, "times": 1}]
    with simulator(tmp_path, "--latency", "0.1", faults=faults) as service:
        arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "1", "--out", "out")
        first = command(*arguments, cwd=tmp_path, **service.env)
        assert first.returncode == 77, first.stderr
        counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
        assert counts == {"done": 2, "held": 1, "pending": 3}
        second = command(*arguments, cwd=tmp_path, **service.env)
        assert second.returncode == 0, second.stderr
        assert service.ledger()["accepted"] == 6


def test_a_time_limit_is_3(tmp_path):
    """POSTs in flight are awaited; the same command goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 12)
    with simulator(tmp_path, "--latency", "0.5") as service:
        arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "2", "--out", "out")
        done = command(*arguments, "--max-duration", "2s", cwd=tmp_path, **service.env)
        assert done.returncode == 3, done.stderr
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert summary["stopped_because"] == "max_duration"
        assert "in_doubt" not in summary["counts"]
        assert command(*arguments, cwd=tmp_path, **service.env).returncode == 0
        assert service.ledger()["accepted"] == 12


def test_limit_sample_and_only_choose_jobs(tmp_path):
    """By the manifest: the same command again pays for nothing more, and the full run only for the rest."""
    write_jobs(tmp_path / "jobs.jsonl", 6)
    with simulator(tmp_path, "--latency", "0.05") as service:
        for flags, accepted in ((("--limit", "1"), 1), (("--sample", "2"), 2), (("--only", "job-0004"), 3), ((), 6)):
            for _ in range(2):
                done = command("run", "jobs.jsonl", "--yes", "--out", "out", *flags, cwd=tmp_path, **service.env)
                assert done.returncode == 0, done.stderr
                assert service.ledger()["accepted"] == accepted


def test_retry_and_rerun_changed_pay_again_only_when_asked(tmp_path):
    """A failed job, and a done one whose entry was edited."""
    first = {"id": "a", "prompt": "White.", "image_urls": ["https://photos.example.com/unreachable.jpg"]}
    second = {"id": "b", "prompt": "White.", "image_urls": ["https://photos.example.com/mug.jpg"]}
    path = tmp_path / "jobs.jsonl"
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    with simulator(tmp_path, "--latency", "0.05") as service:

        def run(*flags):
            done = command("run", "jobs.jsonl", "--yes", "--out", "out", *flags, cwd=tmp_path, **service.env)
            return done.returncode, service.ledger()["accepted"]

        assert run() == (1, 2)
        second["prompt"] = "Black background."
        path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
        assert run() == (1, 2)
        assert run("--rerun-changed") == (1, 3)
        assert run("--retry", "input") == (1, 3)
        assert run("--retry", "input_unreachable") == (1, 4)
        path.write_text(f"{json.dumps(second)}\n")
        assert run() == (0, 4)


def test_plan_sends_nothing_and_says_what_there_is_to_do(tmp_path, jobs):
    """Exit 2 with --detailed-exitcode while there is work, 0 after it."""
    with simulator(tmp_path, "--latency", "0.05") as service:
        plan = command("plan", jobs, "--detailed-exitcode", cwd=tmp_path, **service.env)
        assert plan.returncode == 2
        assert "+ 3 new" in plan.stdout
        assert "Cost: about $0.117 for 3 submits" in plan.stdout
        assert service.ledger()["posts"] == 0
        assert not (tmp_path / "runs").exists()
        command("run", jobs, "--yes", cwd=tmp_path, **service.env)
        after = command("plan", jobs, "--detailed-exitcode", cwd=tmp_path, **service.env)
        assert (after.returncode, "= 3 done" in after.stdout) == (0, True)
    tokenless = command("plan", jobs, "--out", "elsewhere", cwd=tmp_path)
    assert (tokenless.returncode, "unknown" in tokenless.stdout) == (0, True)


def test_doubts_are_listed_and_settled_by_a_person(tmp_path):
    """Attach finds it, write-off gives it up, resubmit sends it again; a wrong name changes nothing."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    faults = [{"on": "submit", "kind": "fin_after", "every": 1, "times": 3}]
    with simulator(tmp_path, "--latency", "0.05", faults=faults) as service:
        arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "1", "--out", "out")
        assert command(*arguments, cwd=tmp_path, **service.env).returncode == 1
        assert service.ledger()["accepted"] == 3
        listed = command("doubts", "out", cwd=tmp_path)
        assert listed.stdout.splitlines()[-4:] == [
            "3 in doubt: look for each on RunComfy's Generations page, and settle it by one of",
            "runcomfy-batch doubts out --attach job-0000=REQUEST_ID   it is there: collected, free",
            "runcomfy-batch doubts out --resubmit job-0000   it is not there: sent again, and paid",
            "runcomfy-batch doubts out --write-off job-0000   it is not wanted any more",
        ]
        assert "set aside $0.039" in listed.stdout
        assert [line.rpartition("  ")[2] for line in listed.stdout.splitlines()[:-4]] == [
            f"'White background, take {n}.'" for n in range(3)
        ]
        assert len(json.loads(command("doubts", "out", "--json", cwd=tmp_path).stdout)) == 3
        for said, *wrong in (
            ("expected JOB=REQUEST_ID", "--attach", "job-0000"),
            ("does not confirm nosuchrequest", "--attach", "job-0000=nosuchrequest"),
            ("does not look like a request id", "--attach", "job-0000=../x"),
            ("'job-0000' is given two request ids", "--attach", "job-0000=r-1", "--attach", "job-0000=r-2"),
            ("one request id is given to two jobs", "--attach", "job-0000=r-1", "--attach", "job-0001=r-1"),
            ("'nobody' is not in doubt", "--attach", "nobody=r-1"),
            ("'nobody' is not in doubt", "--write-off", "nobody"),
            ("'nobody' is not in doubt", "--resubmit", "nobody"),
            ("a job is named twice", "--write-off", "job-0000", "--resubmit", "job-0000", "--yes"),
            ("1 job is paid twice: $0.039 more at worst", "--resubmit", "job-0000"),
            ("give it alone", "--all", "--write-off", "job-0001"),
        ):
            refused = command("doubts", "out", *wrong, cwd=tmp_path, **service.env)
            assert (refused.returncode, said in refused.stderr) == (64, True), refused.stderr
            assert len(json.loads(command("doubts", "out", "--json", cwd=tmp_path).stdout)) == 3
        settled = command(
            *("doubts", "out", "--write-off", "job-0000", "--resubmit", "job-0001", "--yes"),
            cwd=tmp_path,
            **service.env,
        )
        assert settled.returncode == 0, settled.stderr
        last = command(*arguments, cwd=tmp_path, **service.env)
        assert last.returncode == 1
        counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
        assert counts == {"done": 1, "failed": 1, "in_doubt": 1}
        assert service.ledger()["accepted"] == 4
        command("doubts", "out", "--write-off", "job-0002", cwd=tmp_path)
        none = "0 in doubt: there is nothing to settle, and the run command goes on by itself\n"
        assert command("doubts", "out", cwd=tmp_path).stdout == none


def test_a_prompt_in_doubt_is_shown_harmless():
    """Its first 60 characters, on one line."""
    spec = JobSpec(job_id="a", model="m", inputs={"prompt": "white\x1b[2J\n\u202e" + "x" * 80}, fingerprint="f")
    assert mend._prompt(Job(spec=spec)) == "  'white [2J " + "x" * 49 + "…'"


def test_verify_finds_a_spoilt_file_and_repairs_it_for_free(tmp_path, jobs):
    """Exit 1 on a difference; --repair fetches it again; a deleted file comes back with the next run."""
    with simulator(tmp_path, "--latency", "0.05") as service:
        arguments = ("run", jobs, "--yes", "--out", "out")
        command(*arguments, cwd=tmp_path, **service.env)
        assert command("verify", "out", cwd=tmp_path).returncode == 0
        one, two, _ = sorted((tmp_path / "out" / "images").iterdir())
        good = one.read_bytes()
        one.write_bytes(good[:-1] + b"x")
        found = command("verify", "out", cwd=tmp_path)
        assert (found.returncode, one.name in found.stdout) == (1, True)
        assert command("verify", "out", "--repair", cwd=tmp_path, **service.env).returncode == 0
        assert one.read_bytes() == good
        two.unlink()
        assert command(*arguments, cwd=tmp_path, **service.env).returncode == 0
        assert two.exists()
        assert service.ledger()["accepted"] == 3


@pytest.mark.parametrize(("choice", "left"), [("cancel", {"cancelled", "done"}), ("detach", {"done"})])
def test_an_interrupt_may_cancel_what_is_queued(choice, left, tmp_path):
    """What is queued is cancelled and costs nothing; detached, it is collected by the next run."""
    write_jobs(tmp_path / "jobs.jsonl", 5)
    with simulator(tmp_path, "--slots", "1", "--latency", "1.5") as service:
        arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "5", "--out", "out")
        running = subprocess.Popen(
            [*COMMAND, *arguments, "--on-interrupt", choice],
            cwd=tmp_path,
            env=environment(**service.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: service.ledger()["accepted"] == 5)
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) == 130
        last = command(*arguments, cwd=tmp_path, **service.env)
        assert last.returncode == (1 if "cancelled" in left else 0), last.stderr
        counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
        assert set(counts) == left
        assert service.ledger()["accepted"] == 5
        assert service.ledger()["charged_usd"] == pytest.approx(0.039 * counts["done"])


def test_every_flag_has_an_environment_variable(tmp_path, jobs):
    """The flag wins."""
    with simulator(tmp_path, "--latency", "0.05") as service:
        env = {"RUNCOMFY_BATCH_RUN_MAX_COST": "1", "RUNCOMFY_BATCH_RUN_LIMIT": "1", "RUNCOMFY_BATCH_RUN_OUT": "there"}
        done = command("run", jobs, cwd=tmp_path, **env, **service.env)
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / "there" / "images").iterdir())) == 1
        more = command("run", jobs, "--limit", "2", cwd=tmp_path, **env, **service.env)
        assert more.returncode == 0, more.stderr
        assert service.ledger()["accepted"] == 2


def test_status_and_report_read_a_run_directory(tmp_path, jobs):
    """From the state alone; a folder without one is 66."""
    command("run", jobs, "--simulate", "--out", "out", cwd=tmp_path)
    status = command("status", "out", cwd=tmp_path)
    assert "jobs 3: done 3" in status.stdout
    assert json.loads(command("status", "out", "--json", cwd=tmp_path).stdout)["counts"] == {"done": 3}
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("results.jsonl", "results.csv", "summary.json")}
    for name in (*before, "report.html"):
        (tmp_path / "out" / name).unlink()
    assert command("report", "out", cwd=tmp_path).returncode == 0
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before
    assert (tmp_path / "out" / "report.html").exists()
    assert command("status", "nowhere", cwd=tmp_path).returncode == 66


def test_a_killed_simulated_run_goes_on(tmp_path):
    """The simulator remembers what it accepted, as the service would."""
    write_jobs(tmp_path / "jobs.jsonl", 12)
    running = subprocess.Popen(
        [*COMMAND, "run", "jobs.jsonl", "--simulate", "--out", "out", "--concurrency", "2"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    journal = tmp_path / "out" / "simulator.jsonl"
    wait_until(lambda: journal.exists() and len(journal.read_text().splitlines()) >= 3)
    running.kill()
    running.wait()
    done = command("run", "jobs.jsonl", "--simulate", "--out", "out", cwd=tmp_path)
    counts = json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]
    assert counts.get("in_doubt", 0) <= 2  # at most what was between the first byte and the answer
    assert done.returncode == (1 if "in_doubt" in counts else 0), done.stderr
    assert sum(counts.values()) == 12
    accepted = [json.loads(line)["inputs"]["prompt"] for line in journal.read_text().splitlines()]
    assert len(accepted) == len(set(accepted)) >= counts["done"]


def test_a_closed_stdout_and_stderr_never_stop_a_run(tmp_path, jobs):
    """The pictures are made although nobody listens."""
    done = subprocess.run(
        f"{' '.join(COMMAND)} run {jobs} --simulate --out out >&- 2>&-",
        shell=True,
        cwd=tmp_path,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert len(list((tmp_path / "out" / "images").iterdir())) == 3
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["exit_code"] == 0
    assert done.returncode in (0, 74)


def test_the_token_is_nowhere_on_the_disk_or_in_the_output(tmp_path, jobs):
    """State, log, reports, stdout and stderr; also where the server echoes it."""
    faults = [{"on": "status", "kind": "not_http", "every": 3}, {"on": "file", "kind": "status", "every": 4}]
    with simulator(tmp_path, "--latency", "0.05", faults=faults) as service:
        done = command("run", jobs, "--yes", "--out", "out", cwd=tmp_path, **service.env)
        assert done.returncode == 0, done.stderr
        assert service.ledger()["leaks"] == 0
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in data for data in written)
    assert TOKEN not in done.stdout + done.stderr
    assert not any(b"sig=" in path.read_bytes() for path in (tmp_path / "out").glob("[rs]*.[jhcl]*"))
    assert (tmp_path / "out" / "state.db").stat().st_mode & 0o777 == 0o600


def test_json_is_all_that_stdout_holds(tmp_path, jobs):
    """Words go to stderr."""
    done = command("run", jobs, "--simulate", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["counts"] == {"done": 3}


def test_results_csv_gives_the_sheet_back(tmp_path):
    """State and files first, then every source column under its own name."""
    command("run", ROOT / "manifests" / "spring.csv", "--simulate", "--out", "out", cwd=tmp_path)
    with (tmp_path / "out" / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["job_id"] for row in rows][:2] == ["mug-red", "mug-yellow"]
    assert rows[0]["sku"] == "00123"
    assert rows[0]["files"] == "images/mug-red.png"
    assert rows[2]["files"] == "images/shirt-white-1.png|images/shirt-white-2.png"
    assert {row["state"] for row in rows} == {"done"}
    assert [row["prompt"] for row in rows] == [row["prompt"] for row in sheet_of(ROOT / "manifests" / "spring.csv")]
    received = (tmp_path / "out" / "simulator.jsonl").read_text().splitlines()
    assert {json.loads(line)["inputs"]["prompt"] for line in received} == {row["prompt"] for row in rows}


def sheet_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_init_check_and_schema_fit_together(tmp_path):
    """What init writes is valid, and is not written over."""
    assert command("init", cwd=tmp_path).returncode == 0
    assert command("check", "catalogue.yaml", cwd=tmp_path).stdout == "catalogue.yaml: 2 jobs, no errors\n"
    assert command("init", cwd=tmp_path).returncode == 73
    unnamed = command("init", "x", cwd=tmp_path)
    assert (unnamed.returncode, (tmp_path / "x").exists()) == (64, False)
    assert "a manifest's name ends in .yaml:  runcomfy-batch init x.yaml" in unnamed.stderr
    schema = json.loads(command("schema", cwd=tmp_path).stdout)
    assert schema == json.loads((tmp_path / "runcomfy-batch.schema.json").read_text())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell, tmp_path):
    """For each shell that is supported."""
    assert "runcomfy-batch" in command("completion", shell, cwd=tmp_path).stdout


def test_help_imports_nothing_heavy(tmp_path):
    """It answers at once: no HTTP, no YAML, no pictures, no event loop."""
    script = (
        "import sys; sys.argv=['x','--help']\ntry:\n import runner.cli; runner.cli.main()\nexcept SystemExit: pass\n"
    )
    script += "print([m for m in ('aiohttp','yaml','PIL','jinja2','tqdm','asyncio','sqlite3') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_demo_ends_by_saying_where_things_are(tmp_path):
    """At least 24 jobs, two of which fail on purpose; exit 0. What was sent is what stands in the catalogue."""
    done = command("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    prompts = re.findall(r'prompt: "(.*?)"', (ROOT / "manifests" / "catalogue.yaml").read_text("utf-8"))
    received = (tmp_path / "runs" / "demo" / "simulator.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["inputs"]["prompt"] for line in received) == sorted(prompts)
    summary = json.loads((tmp_path / "runs" / "demo" / "summary.json").read_text())
    assert summary["jobs"] >= 24
    assert summary["counts"]["failed"] == 2
    assert "runs/demo/report.html" in done.stdout
