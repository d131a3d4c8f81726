"""A disk that is full, fills up or cannot be written: known before any POST where it can be, and never a second one."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

from support.processes import COMMAND, command, environment, simulator, wait_until, write_jobs

RUN = f"{' '.join(COMMAND)} run jobs.jsonl --yes --concurrency 4 --out disk/out"


def on_a_disk(tmp_path, size, script, env):
    """Run a script in a mount namespace of its own, with a small disk at `disk`; what it printed."""
    (tmp_path / "disk").mkdir(exist_ok=True)
    setup = f"mount -t tmpfs -o size={size} tmpfs disk && mkdir disk/out\n"
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", setup + script],
        cwd=tmp_path,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout.splitlines(), done.stderr


def test_a_disk_without_room_is_74_before_any_post(tmp_path):
    """With the room that is needed."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with simulator(tmp_path) as service:
        said, errors = on_a_disk(tmp_path, "1m", f"{RUN}; echo $?", service.env)
        assert said[-1] == "74", errors
        assert "64 MB needed" in errors
        assert service.ledger()["posts"] == 0


def test_a_disk_that_is_read_only_is_73_before_any_post(tmp_path):
    """Whether the run directory is there already or not."""
    write_jobs(tmp_path / "jobs.jsonl", 3)
    with simulator(tmp_path) as service:
        script = f"mount -o remount,ro disk\n{RUN}; echo $?\n{RUN}/new; echo $?"
        said, errors = on_a_disk(tmp_path, "100m", script, service.env)
        assert said == ["73", "73"], errors
        assert "Read-only file system" in errors
        assert service.ledger()["posts"] == 0


def test_a_disk_that_fills_up_is_74_and_costs_nothing_twice(tmp_path):
    """Nothing paid is lost either: with room again, the same command finishes the work."""
    write_jobs(tmp_path / "jobs.jsonl", 40)
    with simulator(tmp_path, "--slots", "4", "--latency", "0.4") as service:
        script = f"""
            {RUN} >/dev/null & pid=$!
            until [ "$(ls disk/out/images 2>/dev/null | grep -c jpg)" -ge 4 ]; do sleep 0.05; done
            head -c 200m /dev/zero >disk/filler 2>/dev/null
            wait $pid; echo $?
            rm disk/filler
            {RUN} >/dev/null; echo $?
            cat disk/out/summary.json | tr -d '\\n'"""
        said, errors = on_a_disk(tmp_path, "80m", script, service.env)
        ledger = service.ledger()
    assert said[0] == "74", errors
    assert "No space left" in errors or "disk is full" in errors
    counts = Counter(json.loads(said[2])["counts"])
    assert sum(counts.values()) == 40
    assert set(counts) <= {"done", "in_doubt"}
    assert counts["in_doubt"] <= 4
    assert said[1] == ("1" if counts["in_doubt"] else "0"), errors
    assert max(ledger["by_payload"].values()) == 1
    assert counts["done"] <= ledger["accepted"] <= 40


def test_a_run_whose_directory_is_taken_away_stops_paying(tmp_path):
    """It is not made anew, what was paid is in the state that was moved, and put back it goes on."""
    write_jobs(tmp_path / "jobs.jsonl", 30)
    arguments = ("run", "jobs.jsonl", "--yes", "--concurrency", "2", "--out", "out")
    with simulator(tmp_path, "--slots", "2", "--latency", "0.3") as service:
        run = subprocess.Popen(
            [*COMMAND, *arguments], cwd=tmp_path, env=environment(**service.env), stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: service.ledger()["accepted"] >= 5)
        (tmp_path / "out").rename(tmp_path / "away")
        _, errors = run.communicate(timeout=60)
        assert run.returncode == 74, errors
        assert "moved, deleted" in errors
        assert service.ledger()["accepted"] < 30
        assert not (tmp_path / "out" / "images").exists()
        (tmp_path / "away").rename(tmp_path / "out")
        again = command(*arguments, cwd=tmp_path, **service.env)
        assert again.returncode == 0, again.stderr
        assert max(service.ledger()["by_payload"].values()) == 1
        assert service.ledger()["accepted"] == 30
