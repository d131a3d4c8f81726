"""`--on-finish`: the user's command, once, when all is over; and that nothing depends on it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from support.processes import TOKEN, command, simulator, write_jobs

import runner
from runner.batch import Control
from runner.batch.finishing import Command
from runner.errors import ManifestInvalid, UsageProblem

LISTEN = """
import fcntl, json, os, sys
found = {"env": dict(os.environ), "stdin": sys.stdin.read()}
if os.environ["RUNCOMFY_BATCH_RUN_DIR"]:
    with open(os.environ["RUNCOMFY_BATCH_RUN_DIR"] + "/run.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(found) + "\\n")
print("heard")
sys.exit(int(sys.argv[2]))
"""


@pytest.fixture
def listener(tmp_path):
    """A command that writes down what it is given, and what it wrote down."""
    (tmp_path / "listen.py").write_text(LISTEN)
    line = f"'{sys.executable}' '{tmp_path}/listen.py' '{tmp_path}/heard.jsonl' "

    def heard():
        return [json.loads(one) for one in (tmp_path / "heard.jsonl").read_text().splitlines()]

    return line, heard


def test_a_command_is_given_the_night_and_changes_nothing_of_it(tmp_path, listener):
    """The run directory is free, summary.json on stdin, no token; that it failed is told; its words go to stderr."""
    line, heard = listener
    jobs = write_jobs(tmp_path / "jobs.jsonl", 2)
    env = {"RUNCOMFY_BATCH_RUN_ON_FINISH": line + "3", "RUNCOMFY_API_TOKEN": TOKEN}
    with simulator(tmp_path, "--latency", "0.05") as service:
        done = command("run", jobs, "--yes", "--json", cwd=tmp_path, **service.env, **env)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "jobs"
    assert json.loads(done.stdout) == json.loads((run / "summary.json").read_text())
    assert "heard\n" in done.stderr
    assert f"warning: --on-finish: {sys.executable}: exit code 3" in done.stderr
    [found] = heard()
    assert json.loads(found["stdin"]) == json.loads((run / "summary.json").read_text())
    assert TOKEN not in json.dumps(found)
    assert "RUNCOMFY_BATCH_RUN_ON_FINISH" not in found["env"]
    wanted = {"EXIT_CODE": "0", "COUNT_DONE": "2", "COUNT_FAILED": "0", "COST_USD": "0.078", "STOPPED_BECAUSE": ""}
    wanted |= {"RUN_DIR": str(run), "REPORT": str(run / "report.html"), "SUMMARY": str(run / "summary.json")}
    assert {name: found["env"][f"RUNCOMFY_BATCH_{name}"] for name in wanted} == wanted
    lines = map(json.loads, (run / "run.log").read_text().splitlines())
    [warned] = [one for one in lines if one["event"] == "on-finish failed"]
    assert warned["command"] == sys.executable


async def test_a_night_that_is_stopped_or_never_begins_ends_with_it_too(tmp_path, listener, monkeypatch):
    """By a person, and by a manifest that is wrong."""
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path / "none"))
    line, heard = listener
    jobs = write_jobs(tmp_path / "jobs.jsonl", 3)
    control = Control()
    choices = {"on_finish": line + "0", "out": tmp_path / "out", "token": TOKEN, "yes": True}
    with simulator(tmp_path, "--latency", "30") as service:
        running = asyncio.create_task(runner.run(jobs, base_url=service.base, control=control, **choices))
        while service.ledger()["accepted"] < 3:
            await asyncio.sleep(0.02)
        control.stop()
        outcome = await running
    (tmp_path / "wrong.jsonl").write_text('{"id": "mug"}\n')
    with pytest.raises(ManifestInvalid):
        await runner.run(tmp_path / "wrong.jsonl", **choices)
    codes = [one["env"]["RUNCOMFY_BATCH_EXIT_CODE"] for one in heard()]
    assert codes == [str(int(outcome.exit_code)), "65"] == ["130", "65"]
    assert heard()[0]["env"]["RUNCOMFY_BATCH_STOPPED_BECAUSE"] == "interrupted"
    assert heard()[1]["stdin"] == ""


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "it is empty"),
        ("  ", "it is empty"),
        ("sh -c 'a", "no closing quotation"),
        ("no-such-command-anywhere x", "there is no command 'no-such-command-anywhere'"),
    ],
)
async def test_a_command_that_cannot_be_run_is_an_error_before_anything_is_sent(tmp_path, line, message):
    """Not in the morning."""
    with pytest.raises(UsageProblem, match=message):
        await runner.run(tmp_path / "jobs.jsonl", on_finish=line, simulate=True)


async def test_no_shell_works_on_its_words(capfd, tmp_path):
    """What a shell would do is done where one is asked for."""
    assert await Command.of("echo '$HOME' | cat").run({}, None) is None
    assert capfd.readouterr().err == "$HOME | cat\n"
    assert await Command.of("sh -c 'echo $A | cat'").run({"A": "b c"}, None) is None
    assert capfd.readouterr().err == "b c\n"
    gone = tmp_path / "gone"
    gone.write_text("#!/nowhere\n")
    gone.chmod(0o755)
    assert await Command.of(str(gone)).run({}, None) == f"{gone}: No such file or directory"


@pytest.mark.parametrize("how", ["late", "cancelled"])
async def test_a_command_that_does_not_end_is_ended_with_what_it_started(tmp_path, how):
    """After its time, or when a person insists."""
    line = f"sh -c 'sleep 300 & echo $! > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; wait'"
    running = asyncio.create_task(Command.of(line).run({}, None, limit_s=0.5 if how == "late" else 300))
    while not (tmp_path / "pid").exists():
        await asyncio.sleep(0.01)
    if how == "cancelled":
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    else:
        assert await running == "sh: ended after 0 s"
    pid = int((tmp_path / "pid").read_text())
    while is_alive(pid):
        await asyncio.sleep(0.01)


def is_alive(pid):
    """Whether it runs; a zombie that its new parent has not looked at does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def test_asking_once_more_ends_the_command_and_not_the_night(tmp_path, monkeypatch):
    """The outcome stands."""
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path / "none"))
    jobs = write_jobs(tmp_path / "jobs.jsonl", 1)
    control = Control()
    with simulator(tmp_path, "--latency", "0.05") as service:
        choices = {"base_url": service.base, "token": TOKEN, "yes": True, "out": tmp_path / "out"}
        line = f"sh -c 'touch {tmp_path}/begun; sleep 300'"
        running = asyncio.create_task(runner.run(jobs, on_finish=line, control=control, **choices))
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.02)
        control.stop()
        outcome = await running
    assert outcome.exit_code == 0
