"""How a whole run looks at its requests, and how many it dares to have in flight; in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.night import Night

from runner.model import (
    Failure,
    FailureKind,
    Job,
    JobSpec,
    ReadFailed,
    RemoteState,
    RemoteStatus,
    ResultRead,
    StatusSeen,
    SubmitAccepted,
    SubmitIntended,
)
from runner.rules.lifecycle import advance
from runner.rules.polling import Polling
from runner.scheduler.looking import Looking
from runner.simulator import server
from runner.simulator.book import Book
from runner.store.reader import Reader


@pytest.fixture
def night(tmp_path, monkeypatch):
    def make(**settings):
        return Night(tmp_path, monkeypatch, **settings)

    return make


# ----------------------------------------------------------------------------------------------------- how many at once


@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_limit_of_the_user_is_strict(night, concurrency):
    """Never more in flight than that, however well it goes."""
    morning = night(jobs=12, slots=12, latency_s=4.0).run(concurrency=concurrency)
    assert morning.states == ["done"] * 12
    assert morning.ledger["peak_in_flight"] == concurrency


def test_without_a_limit_a_roomy_service_is_used(night):
    """From eight on, one more with each good end."""
    morning = night(jobs=60, slots=60, latency_s=4.0).run(concurrency=None)
    assert morning.states == ["done"] * 60
    assert 16 <= morning.ledger["peak_in_flight"] <= 40


def test_without_a_limit_a_narrow_service_is_not_flooded(night):
    """Its queue says that more would only wait."""
    morning = night(jobs=60, slots=4, latency_s=4.0).run(concurrency=None)
    assert morning.states == ["done"] * 60
    assert 8 <= morning.ledger["peak_in_flight"] <= 12


def test_a_service_that_refuses_is_asked_for_less(night):
    """429s cost no job, and the run ends all the same."""
    throttle = {"on": "submit", "kind": "throttle", "probability": 0.4, "retry_after": "1"}
    morning = night(jobs=30, slots=30).run(throttle, concurrency=None)
    assert morning.states == ["done"] * 30
    assert morning.payments == 1
    assert morning.ledger["peak_in_flight"] <= 8


# ------------------------------------------------------------------------------------------------------ when to look


def test_a_resume_starts_learnt(night):
    """What the first run noticed is in the state: the second makes fewer looks, from its first job on."""
    nights = night(jobs=24, slots=4, latency_s=20.0)
    first = nights.run(limit=12)
    with Reader(nights.out) as reader:
        noticed = reader.noticed()
    assert len(noticed) == 12
    assert {model for model, _ in noticed} == {"google/nano-banana/edit"}
    assert all(5.0 < seconds < 60.0 for _, seconds in noticed)
    second = nights.run()
    assert second.states == ["done"] * 24
    assert second.ledger["polls"] < 0.8 * first.ledger["polls"]


def test_a_request_that_an_earlier_run_left_teaches_nothing(night):
    """It may have ended while nobody looked."""
    nights = night(jobs=3, slots=4, latency_s=20.0)
    assert nights.run(max_duration="4s").exit_code == 3
    assert nights.run().states == ["done"] * 3
    with Reader(nights.out) as reader:
        assert len(reader.noticed()) == 1  # the third was submitted by the second run


def test_a_result_that_is_not_there_yet_is_no_lost_request(night, monkeypatch):
    """A service that knows no result before the end is asked for the status, and after the first time only for that."""
    result, gone = server.Simulator._result, []

    def only_at_the_end(self, http):
        request = self._find(http)
        if request is not None and request.state(server.time.time()) == "in_progress":
            gone.append(request.request_id)
            return server._gone()
        return result(self, http)

    monkeypatch.setattr(server.Simulator, "_result", only_at_the_end)
    morning = night(jobs=24, slots=4, latency_s=8.0).run(concurrency=4)
    assert morning.states == ["done"] * 24
    assert 1 <= len(gone) <= 4


def test_a_look_that_is_one_too_many_holds_all_looks(night):
    """`Retry-After` of one is obeyed by all."""
    throttle = {"on": "status", "kind": "throttle", "times": 1, "retry_after": "40"}
    morning = night(jobs=2, slots=4, latency_s=1.0).run(throttle, concurrency=2)
    assert morning.states == ["done"] * 2
    assert morning.seconds >= 40
    assert morning.ledger["polls"] <= 6


def test_the_last_ends_are_noticed_soon(night):
    """With nothing left to submit somebody waits: a twentieth of the age later at most."""
    nights = night(jobs=3, slots=4, latency_s=30.0)
    morning = nights.run(concurrency=3)
    book = Book(4, 30.0, 0, nights.settings["journal"])
    last_s = max(request.finish_at - request.accepted_at for request in book.requests.values())
    book.close()
    assert last_s < morning.seconds < 1.05 * last_s + 1.0


# -------------------------------------------------------------------------------------------------- what a look teaches


class StillClock:
    def __init__(self):
        self.instant = 100.0

    def now(self):
        return self.instant

    async def sleep_until(self, instant):
        self.instant = max(self.instant, instant)


def submitted(accepted_at=100.0):
    job = Job(spec=JobSpec(job_id="mug", model="m", inputs={}, fingerprint="f"))
    job = advance(job, SubmitIntended(at=accepted_at, payload_sha256="p", reserved=None))
    return advance(job, SubmitAccepted(at=accepted_at, request_id="r-1", look_at=accepted_at))


def seen(at, state):
    return StatusSeen(at=at, status=RemoteStatus(state=state, raw=state), look_at=at)


def looking(**more):
    return Looking(StillClock(), lambda: 0.5, Polling(), more.get("noticed", ()), is_ahead=True)


def durations(looks, job):
    return looks.sight(job).pace.durations


def test_an_end_between_two_looks_is_learnt():
    """In the middle of the bracket, with these dice."""
    looks, job = looking(), advance(submitted(), seen(104.0, RemoteState.RUNNING))
    looks.saw(job, ResultRead(at=106.0, outputs=("u",), cost=None), 105.9)
    assert durations(looks, job) == (5.0,)


def test_what_proves_nothing_is_not_learnt():
    """A failed request, one that is unfinished, one after a look that did not work, one that nobody watched."""
    looks = looking()
    network = Failure(kind=FailureKind.TRANSIENT, code="network", message="?")
    failed = advance(submitted(), ReadFailed(at=103.0, failure=network, retry_at=103.0))
    for job, event in (
        (submitted(), seen(104.0, RemoteState.RUNNING)),
        (submitted(), seen(104.0, RemoteState.FAILED)),
        (failed, seen(106.0, RemoteState.COMPLETED)),
        (submitted(accepted_at=50.0), seen(106.0, RemoteState.COMPLETED)),
    ):
        looks.saw(job, event, event.at)
    assert durations(looks, submitted()) == ()


def test_samples_tell_whether_the_service_queues():
    """The first request of a round is one; the next look after it says so no more."""
    looks, job = looking(), submitted()
    assert looks.sight_of_submit(job, 64).is_sample
    looks.saw(job, seen(102.0, RemoteState.QUEUED), 102.0)
    assert looks.is_crowded
    assert not looks.sight(job).is_sample
    other = replace(job, spec=replace(job.spec, job_id="lamp"))
    assert not looks.sight_of_submit(other, 64).is_sample
    looks.saw(other, seen(103.0, RemoteState.RUNNING), 103.0)
    assert looks.is_crowded


def test_lookahead_ends_where_the_service_queues():
    """Its queue hides the lag already."""
    looks = looking(noticed=[("m", 10.0)] * 20)
    assert looks.ahead(64) > 0
    looks.is_crowded = True
    assert looks.ahead(64) == 0


def test_models_are_learnt_apart():
    """A video takes longer than an edit."""
    looks = looking(noticed=[("m", 10.0)] * 20 + [("video", 300.0)] * 20)
    job = submitted()
    video = replace(job, spec=replace(job.spec, model="video"))
    assert looks.sight(job).pace.median_s < 11
    assert looks.sight(video).pace.median_s > 250
    assert looks.sight(replace(job, spec=replace(job.spec, model="new"))).pace.median_s == 0.0
