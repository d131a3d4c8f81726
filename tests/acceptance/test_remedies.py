"""What the tool tells a person to do works, and pays for nothing twice."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from support.pages import unpacked
from support.processes import COMMAND, command, environment, simulator, wait_until, write_jobs

RUN = ("run", "jobs.jsonl", "--yes", "--out", "out", "--concurrency", "2")


def counts(tmp_path):
    return json.loads((tmp_path / "out" / "summary.json").read_text())["counts"]


def lines(tmp_path):
    return [json.loads(line) for line in (tmp_path / "jobs.jsonl").read_text().splitlines()]


def rewrite(tmp_path, jobs):
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))


# ------------------------------------------------------------------------------------------------- paid, not fetched


def test_a_host_that_is_trusted_later_is_fetched_from_for_nothing(tmp_path):
    """The report's own command leads there; `--retry` does not pay for what this tool would not fetch."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    faults = [{"on": "job", "kind": "private_url", "every": 2}]
    with simulator(tmp_path, "--latency", "0.05", faults=faults) as service:
        first = command(*RUN, cwd=tmp_path, **service.env)
        assert first.returncode == 1, first.stderr
        assert counts(tmp_path) == {"done": 1, "output_lost": 1}
        index, _ = unpacked((tmp_path / "out" / "report.html").read_text("utf-8"))
        assert "--trust-host 10.0.0.1" in index["groups"][0]["command"]
        posts = service.ledger()["posts"]
        again = command(*RUN, "--retry", "host_refused", cwd=tmp_path, **service.env)
        assert again.returncode == 1
        trusted = command(*RUN, "--trust-host", "10.0.0.1", cwd=tmp_path, **service.env)
        assert trusted.returncode == 1, (
            trusted.stderr
        )  # it is trusted now, and leads into a private network all the same
        failure = next(line for line in results(tmp_path) if line["error"])["error"]
        assert failure["code"] == "address_refused"
        assert service.ledger()["posts"] == posts


def results(tmp_path):
    return [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]


def test_verify_repairs_what_was_lost_and_says_what_it_could_not(tmp_path):
    """A result that was gone and is back is fetched, free; one that is still gone makes the command fail."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    faults = [{"on": "job", "kind": "private_url", "every": 2}]
    journal = ("--journal", str(tmp_path / "service.jsonl"), "--latency", "0.05")
    with simulator(tmp_path, *journal, faults=faults) as service:
        assert command(*RUN, cwd=tmp_path, **service.env).returncode == 1
        broken = command("verify", "out", "--repair", cwd=tmp_path, **service.env)
        assert broken.returncode == 1, broken.stdout
        assert "1 job with files that differ or are missing" in broken.stdout
        port = service.base.rpartition(":")[2].removesuffix("/v1")
    entries = [json.loads(line) for line in (tmp_path / "service.jsonl").read_text().splitlines()]
    (tmp_path / "service.jsonl").write_text("".join(json.dumps(e | {"fault": None}) + "\n" for e in entries))
    with simulator(tmp_path, *journal, "--port", port) as service:
        mended = command("verify", "out", "--repair", cwd=tmp_path, **service.env)
        assert mended.returncode == 0, mended.stdout + mended.stderr
        assert service.ledger()["posts"] == 0
        assert command("status", "out", "--json", cwd=tmp_path, **service.env).stdout.count('"done": 2') == 1


def test_plan_sees_a_missing_file_and_run_fetches_it(tmp_path):
    write_jobs(tmp_path / "jobs.jsonl", 2)
    with simulator(tmp_path, "--latency", "0.05") as service:
        assert command(*RUN, cwd=tmp_path, **service.env).returncode == 0
        next((tmp_path / "out" / "images").iterdir()).unlink()
        plan = command("plan", "jobs.jsonl", "--out", "out", "--detailed-exitcode", cwd=tmp_path, **service.env)
        assert plan.returncode == 2
        assert "fetched again, free" in plan.stdout
        assert command(*RUN, cwd=tmp_path, **service.env).returncode == 0
        assert len(list((tmp_path / "out" / "images").iterdir())) == 2
        assert service.ledger()["posts"] == 2


# ------------------------------------------------------------------------------------------------- mended entries


def test_a_mended_entry_that_was_refused_goes_out_by_itself(tmp_path):
    """Refused is unpaid: no flag is asked for."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    faults = [{"on": "submit", "kind": "error_in_200", "error_code": 422001, "every": 2, "times": 1}]
    with simulator(tmp_path, "--latency", "0.05", faults=faults) as service:
        assert command(*RUN, cwd=tmp_path, **service.env).returncode == 1
        assert counts(tmp_path) == {"done": 1, "rejected": 1}
        bad = next(line["job_id"] for line in results(tmp_path) if line["state"] == "rejected")
        rewrite(tmp_path, [job | ({"prompt": "Mended."} if job["id"] == bad else {}) for job in lines(tmp_path)])
        again = command(*RUN, cwd=tmp_path, **service.env)
        assert again.returncode == 0, again.stderr
        mended = next(line for line in results(tmp_path) if line["job_id"] == bad)
        assert mended["inputs"]["prompt"] == "Mended."
        assert service.ledger()["accepted"] == 2


def test_a_mended_entry_that_failed_goes_out_with_retry(tmp_path):
    """As the report says."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    faults = [{"on": "job", "kind": "fail", "every": 2, "times": 1}]
    with simulator(tmp_path, "--latency", "0.05", faults=faults) as service:
        assert command(*RUN, cwd=tmp_path, **service.env).returncode == 1
        bad = next(line["job_id"] for line in results(tmp_path) if line["state"] == "failed")
        rewrite(tmp_path, [job | ({"prompt": "Mended."} if job["id"] == bad else {}) for job in lines(tmp_path)])
        assert command(*RUN, cwd=tmp_path, **service.env).returncode == 1
        assert service.ledger()["accepted"] == 2
        again = command(*RUN, "--retry", "failed", cwd=tmp_path, **service.env)
        assert again.returncode == 0, again.stderr
        assert next(line for line in results(tmp_path) if line["job_id"] == bad)["inputs"]["prompt"] == "Mended."


def test_only_the_chosen_doubts_are_resubmitted(tmp_path):
    """`--only` and `--limit` choose among doubts as among all others."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    faults = [{"on": "submit", "kind": "reset_after", "every": 1, "times": 2}]
    with simulator(tmp_path, "--latency", "0.05", faults=faults) as service:
        assert command(*RUN, "--limit", "2", cwd=tmp_path, **service.env).returncode == 1
        assert service.ledger()["accepted"] == 2
        cancelled = command("cancel", "out", cwd=tmp_path, **service.env)
        assert cancelled.returncode == 1
        assert cancelled.stdout == (
            "0 cancelled, 0 may still bill\n2 in doubt, which may bill too: see `runcomfy-batch doubts out`\n"
        )
        chosen = ("--in-doubt", "resubmit", "--max-cost", "5")
        assert command(*RUN, *chosen, "--only", "job-0002", cwd=tmp_path, **service.env).returncode == 1
        assert service.ledger()["accepted"] == 3
        assert max(service.ledger()["by_payload"].values()) == 1
        assert command(*RUN, *chosen, "--limit", "1", cwd=tmp_path, **service.env).returncode == 1
        assert sorted(service.ledger()["by_payload"].values()) == [1, 1, 2]


def test_a_limit_in_the_manifest_is_no_consent(tmp_path):
    """Whoever wrote the manifest need not be who pays."""
    job = {"id": "mug", "prompt": "White.", "image_urls": ["https://photos.example.com/mug.jpg"]}
    manifest = {"version": 1, "run": {"max_cost_usd": 5}, "jobs": [job]}
    (tmp_path / "m.yaml").write_text(json.dumps(manifest))
    with simulator(tmp_path) as service:
        done = command("run", "m.yaml", cwd=tmp_path, **service.env)
        assert done.returncode == 64, done.stderr
        assert "1 job would be paid for" in done.stderr
        assert service.ledger()["posts"] == 0


# ------------------------------------------------------------------------------------------------------------ cancel


def test_cancel_records_what_it_cancelled_and_follows_the_rest(tmp_path):
    """A second `cancel` finds nothing open; the status and the money are the truth."""
    write_jobs(tmp_path / "jobs.jsonl", 4)
    with simulator(tmp_path, "--slots", "1", "--latency", "8") as service:
        arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "4", "--out", "out", "--max-duration", "1s")
        assert command(*arguments, cwd=tmp_path, **service.env).returncode == 3
        cancelled = command("cancel", "out", cwd=tmp_path, **service.env)
        assert "3 cancelled, 1 ended all the same, 0 may still bill" in cancelled.stdout
        assert cancelled.stdout.count(": not cancellable; done\n") == 1
        assert cancelled.stdout.count(": cancelled\n") == 3
        status = json.loads(command("status", "out", "--json", cwd=tmp_path, **service.env).stdout)
        assert status["counts"] == {"done": 1, "cancelled": 3}
        assert status["cost_usd"]["spent"] == pytest.approx(0.039)
        assert "0 cancelled, 0 may still bill" in command("cancel", "out", cwd=tmp_path, **service.env).stdout
        assert command("cancel", "out", "nobody", cwd=tmp_path, **service.env).returncode == 64


def test_an_interrupt_leaves_a_cancel_that_hangs(tmp_path):
    """130, in one line, as `--help` says."""
    write_jobs(tmp_path / "jobs.jsonl", 1)
    hangs = [{"on": "cancel", "kind": "hang", "seconds": 60, "every": 1}]
    with simulator(tmp_path, "--latency", "60", faults=hangs) as service:
        limited = (*RUN, "--max-duration", "1s")
        assert command(*limited, cwd=tmp_path, **service.env).returncode == 3
        cancel = subprocess.Popen(
            [*COMMAND, "cancel", "out"],
            cwd=tmp_path,
            env=environment(**service.env),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: service.ledger()["faults"][0]["hits"] == 1)
        cancel.send_signal(signal.SIGINT)
        _, errors = cancel.communicate(timeout=20)
        said = [
            "asking RunComfy to cancel 1 request; Ctrl-C leaves",
            "interrupted: what is still open is left to the next run",
        ]
        assert (cancel.returncode, errors.splitlines()) == (130, said)


def test_a_killed_run_that_is_cancelled_is_over(tmp_path):
    """Its status says when, and no longer that the same command goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 4)
    with simulator(tmp_path, "--slots", "1", "--latency", "2") as service:
        run = subprocess.Popen(
            [*COMMAND, *RUN], cwd=tmp_path, env=environment(**service.env), stderr=subprocess.DEVNULL
        )
        wait_until(lambda: service.ledger()["accepted"] >= 2)
        run.kill()
        run.wait()
        assert "killed; the same command goes on" in command("status", "out", cwd=tmp_path).stdout
        cancelled = command("cancel", "out", cwd=tmp_path, **service.env)
        assert cancelled.returncode == ("in doubt" in cancelled.stdout)  # the kill may have met a POST
        assert "killed" not in command("status", "out", cwd=tmp_path).stdout
        status = json.loads(command("status", "out", "--json", cwd=tmp_path).stdout)
        assert (status["exit_code"], status["stopped_because"]) == (75, "cancelled")


@pytest.mark.parametrize(
    "arguments", [("cancel",), ("doubts", "--write-off", "x"), ("verify", "--repair"), ("status",)]
)
@pytest.mark.parametrize("place", ["empty", "nowhere", "file"])
def test_a_command_about_a_run_makes_none(tmp_path, arguments, place):
    """66, and the folder stays as it was."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    name, *rest = arguments
    done = command(name, place, *rest, cwd=tmp_path, RUNCOMFY_TOKEN="t" * 12)
    assert done.returncode == 66, done.stderr
    assert place in done.stderr
    assert list((tmp_path / "empty").iterdir()) == []


# ------------------------------------------------------------------------------------------------- before the start


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_ends_a_run_that_waits_for_the_service_to_say_hello(tmp_path, number, code):
    """A server that accepts and never answers holds nobody."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        base = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        env = environment(RUNCOMFY_MODEL_API_BASE=base, RUNCOMFY_TOKEN="t" * 12)
        run = subprocess.Popen([*COMMAND, *RUN], cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
        connection, _ = server.accept()
        run.send_signal(number)
        _, errors = run.communicate(timeout=20)
        connection.close()
    assert run.returncode == code, errors
    assert "before anything was submitted" in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15)])
def test_a_signal_at_the_question_ends_the_run(tmp_path, number, code):
    """As it ends any program that waits for a person; nothing is sent."""
    write_jobs(tmp_path / "jobs.jsonl", 60)
    with simulator(tmp_path) as service:
        ours, theirs = pty.openpty()
        run = subprocess.Popen(
            [*COMMAND, "run", "jobs.jsonl", "--out", "out"],
            cwd=tmp_path,
            env=environment(**service.env),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        seen = bytearray()

        def read():
            try:
                while piece := os.read(ours, 1000):
                    seen.extend(piece)
            except OSError:  # the other end is closed
                pass

        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: b"Proceed?" in seen)
        time.sleep(0.2)
        run.send_signal(number)
        assert run.wait(timeout=20) == code, bytes(seen)
        reader.join(timeout=5)
        os.close(ours)
        assert service.ledger()["posts"] == 0


# -------------------------------------------------------------------------------------------------------- the edges


@pytest.mark.parametrize("arguments", [("plan", "--json"), ("run", "--simulate", "--json"), ("run", "--simulate")])
def test_a_stdout_that_is_full_is_74(tmp_path, arguments):
    """In a sentence, not in a traceback."""
    write_jobs(tmp_path / "jobs.jsonl", 1)
    name, *rest = arguments
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, name, "jobs.jsonl", *rest],
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 74, done.stderr
    assert "stdout: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "zzz*"), "no job of that name"),
        (("--only", ""), "empty"),
        (("--out", ""), "empty"),
    ],
)
def test_a_choice_of_nothing_is_64(tmp_path, arguments, said):
    """A mistyped pattern must not look like a night that went well."""
    write_jobs(tmp_path / "jobs.jsonl", 1)
    done = command("run", "jobs.jsonl", "--simulate", *arguments, cwd=tmp_path)
    assert done.returncode == 64, done.stderr
    assert said in done.stderr


def test_the_price_of_play_is_known_without_a_token(tmp_path):
    write_jobs(tmp_path / "jobs.jsonl", 1)
    assert (
        "Cost: about $0.039 for 1 submit, in play money"
        in command("plan", "jobs.jsonl", "--simulate", cwd=tmp_path).stdout
    )


def test_a_bad_variable_is_named(tmp_path):
    """Not the flag, which nobody wrote."""
    done = command("run", "jobs.jsonl", cwd=tmp_path, RUNCOMFY_BATCH_RUN_CONCURRENCY="many")
    assert done.returncode == 64
    assert "RUNCOMFY_BATCH_RUN_CONCURRENCY" in done.stderr
    assert "RUNCOMFY" not in command("run", "jobs.jsonl", "--concurrency", "many", cwd=tmp_path).stderr
