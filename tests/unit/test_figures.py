"""The figures as text, and what a probe is told."""

from dataclasses import replace

import pytest
from support import prometheus

from runner.live.figures import Figures, Histogram, as_text, write_to
from runner.model import JobState, Money

NOW = 1_700_000_000.0


def seconds(*durations):
    """A histogram of these."""
    made = Histogram()
    for one in durations:
        made.observe(one)
    return made


FIGURES = Figures(
    states={JobState.DONE: 3, JobState.IN_DOUBT: 1},
    spent=Money(1_234_567_891),
    reserved=Money(39_000),
    unknown_costs=2,
    in_flight=4,
    progressed_at=NOW,
    seconds=seconds(0.5, 1.0, 7.25, 4000.0),
    cap=8,
)


def test_a_collector_reads_the_figures():
    """Every state is named, also those in which no job is: a series that comes and goes cannot be watched."""
    found = prometheus.read(as_text(FIGURES))
    states = {labels: value for (name, labels), value in found.items() if name == "runcomfy_batch_jobs"}
    assert states == {f'state="{state}"': float(FIGURES.states.get(state, 0)) for state in JobState}
    assert {name: found[name, None] for name, labels in found if labels is None} == {
        "runcomfy_batch_in_flight": 4.0,
        "runcomfy_batch_max_in_flight": 8.0,
        "runcomfy_batch_paused": 0.0,
        "runcomfy_batch_cost_usd_total": 1234.567891,
        "runcomfy_batch_reserved_usd": 0.039,
        "runcomfy_batch_unknown_costs": 2.0,
        "runcomfy_batch_job_seconds_sum": 4008.75,
        "runcomfy_batch_job_seconds_count": 4.0,
        "runcomfy_batch_last_progress_timestamp_seconds": NOW,
    }
    buckets = {labels: value for (name, labels), value in found.items() if name.endswith("_bucket")}
    assert (buckets['le="1"'], buckets['le="10"'], buckets['le="1800"'], buckets['le="+Inf"']) == (2.0, 3.0, 3.0, 4.0)


def test_who_does_not_run_it_knows_no_cap():
    """Then there is none, rather than 0."""
    found = prometheus.read(as_text(replace(FIGURES, cap=None)))
    assert not {name for name, _ in found} & {"runcomfy_batch_max_in_flight", "runcomfy_batch_paused"}


@pytest.mark.parametrize(
    ("change", "later_s", "told"),
    [
        ({}, 1800, (True, "live")),
        ({}, 1801, (False, "stalled")),
        ({"is_paused": True}, 9000, (True, "paused")),
        ({"trouble": "held"}, 0, (False, "held")),
        ({"trouble": "held", "is_paused": True}, 0, (False, "held")),
        ({"trouble": "killed"}, 0, (False, "killed")),
        ({"is_over": True, "trouble": "held"}, 9000, (True, "ended")),
    ],
)
def test_a_run_is_well_while_it_goes_on(change, later_s, told):
    """Half an hour without a step is too long: a request is given up after that. A pause is a person's wish."""
    assert replace(FIGURES, **change).health(NOW + later_s) == told


def test_a_file_of_figures_is_replaced_whole(tmp_path):
    """Nothing is left beside it, also where it cannot be written."""
    path = tmp_path / "run.prom"
    path.write_text("old")
    write_to(path, FIGURES)
    assert path.read_text() == as_text(FIGURES)
    (tmp_path / "folder.prom").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_to(tmp_path / "folder.prom", FIGURES)
    assert {one.name for one in tmp_path.iterdir()} == {"run.prom", "folder.prom"}
