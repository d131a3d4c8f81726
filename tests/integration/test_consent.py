"""What a person asks for, and what is paid for it: nothing goes ahead of the POST that it stands for."""

from __future__ import annotations

import pytest

LOST = {"on": "submit", "kind": "fin_after"}


def entries(*prompts):
    """Manifest entries with these prompts."""
    return [{"id": f"job-{n}", "prompt": prompt} for n, prompt in enumerate(prompts)]


# ------------------------------------------------------------------------------------------------------ the exit code


@pytest.mark.parametrize("choice", [{"only": "job-1"}, {"limit": 1}, {"sample": 1}, {}])
@pytest.mark.parametrize("is_gone", [False, True])
def test_a_doubt_is_never_a_night_that_went_well(night, choice, is_gone):
    """Whoever was chosen, and though its entry left the manifest: it may be paid for, and the exit code says so."""
    nights = night(jobs=2)
    assert nights.run(LOST, only="job-0").exit_code == 1
    if is_gone:
        nights.write({"id": "job-1", "prompt": "White, take 1."})
    morning = nights.run(**choice)
    assert morning.exit_code == 1
    assert (morning.results["job-0"]["state"], morning.results["job-1"]["state"]) == ("in_doubt", "done")
    assert morning.summary["stopped_because"] is None


def test_a_request_that_is_still_open_is_no_night_that_went_well(night):
    """Its entry left the manifest; the run follows it, and the next one goes on."""
    nights = night(jobs=2, slots=2)
    assert nights.run({"on": "job", "kind": "stall"}, only="job-0", job_timeout="10m").exit_code == 75
    nights.write({"id": "job-1", "prompt": "White, take 1."})
    morning = nights.run(job_timeout="10m")
    assert morning.exit_code == 75
    assert (morning.results["job-0"]["state"], morning.results["job-1"]["state"]) == ("submitted", "done")
