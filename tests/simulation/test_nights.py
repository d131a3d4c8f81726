"""Two thousand seeds of accidents break no promise; every bug put in on purpose breaks one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from simulation.mutants import MUTANTS

from runner.simulator.settings import KINDS

NIGHTS = Path(__file__).with_name("nights.py")
SEEDS = 2000
CORPUS = json.loads(Path(__file__).with_name("corpus.json").read_text())


def nights(*arguments, timeout=100):
    """Play in a process of its own, since the world replaces clocks and threads."""
    command = [sys.executable, NIGHTS, *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True, start_new_session=True) as playing:
        try:
            said, errors = playing.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(playing.pid, signal.SIGKILL)  # its workers too, which would wait for ever
            raise
    assert said, errors
    return json.loads(said)


@pytest.mark.timeout(840)
def test_no_seed_breaks_a_promise():
    """And nothing passes unexercised: every kind of death and every kind of fault has struck often."""
    total = nights(0, SEEDS, timeout=830)
    assert total["violations"] == [], "repeat one with: python tests/simulation/nights.py SEED"
    assert total["seeds"] == SEEDS
    assert min(total["deaths"].values()) >= 100, total["deaths"]
    assert set(total["deaths"]) == {"kill", "power cut", *total["steps"]}
    assert min(total["struck"].values()) >= 3, total["struck"]
    assert min(total["asked"].values()) >= 100, total["asked"]
    kinds = [f"{on} {kind}" for on in ("submit", "status", "result", "file", "job") for kind in KINDS[on]]
    assert set(total["struck"]) == set(kinds)


@pytest.mark.parametrize("seed", CORPUS, ids=str)
def test_a_seed_that_once_failed_passes(seed):
    """Each found a bug of ours; what it was stands in the corpus."""
    assert "violation" not in nights(seed), CORPUS[seed]


@pytest.mark.parametrize("seed", [3, 33, 547])
def test_a_seed_is_the_same_night_again(seed):
    """Or a failure could not be looked into."""
    assert nights(seed) == nights(seed)


@pytest.mark.parametrize("mutant", sorted(MUTANTS))
def test_a_bug_put_in_on_purpose_is_caught(mutant):
    """And it acted: one that sleeps proves nothing."""
    _, seed = MUTANTS[mutant]
    found = nights(seed, "--mutant", mutant)
    assert found["acted"] > 0
    assert "violation" in found, f"survived {found.get('survived')} seeds"


def test_there_are_enough_mutants():
    """At least twelve bugs of the paid path."""
    assert len(MUTANTS) >= 12
