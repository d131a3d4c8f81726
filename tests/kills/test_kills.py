"""A thousand kills break no promise."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from kills.campaign import PER_POINT, POINTS

KILLS = 1000


@pytest.mark.timeout(700)
def test_no_kill_breaks_a_promise():
    """Every named point was struck often, every fault came up, and a kill leaves no more in doubt than it must."""
    command = [sys.executable, Path(__file__).with_name("campaign.py"), "--kills", str(KILLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=690, check=False)
    assert done.stdout, done.stderr
    total = json.loads(done.stdout)
    assert total["violations"] == []
    assert total["kills"] >= KILLS
    assert {point for point in POINTS if total["killed"].get(point, 0) < PER_POINT} == set()
    assert min(total["faults"].values()) > 0, total["faults"]
    most = total["doubt_per_kill"]["expected_at_most"] * total["killed"]["random"]
    assert total["doubts"]["random"] <= most + 4 * math.sqrt(most), total["doubt_per_kill"]
