"""What a person says while a run goes on: pause, resume, fewer at once, stop. In virtual time, over real HTTP."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager

from runner.batch import Control

LONG_S = 3600


class Quick(Control):
    """A person who says `pause` at the very moment when the first POST has its claim, and no connection yet."""

    @contextmanager
    def over(self, scheduler):
        enter, is_first = scheduler.gate.enter, True

        async def entered(job_id, price):
            nonlocal is_first
            may = await enter(job_id, price)
            if is_first:
                is_first = False
                self.pause(is_paused=True)
            return may

        scheduler.gate.enter = entered
        with super().over(scheduler):
            yield

    async def resume_later(self, _):
        await asyncio.sleep(LONG_S)
        self.seen = dict(self.gate._claims)
        self.pause(is_paused=False)


def test_a_pause_lets_no_post_leave_and_collects_what_is_in_flight(night):
    """For an hour nothing is paid for; then the rest is, each job once."""
    nights, seen = night(jobs=8), {}

    async def person(control):
        await asyncio.sleep(6)
        assert control.pause(is_paused=True)
        taken = nights.accepted
        await asyncio.sleep(LONG_S)
        seen.update(taken=taken, later=nights.accepted, in_flight=control.gate.in_flight)
        control.pause(is_paused=False)

    morning = nights.run(beside=person)
    assert 2 <= seen["taken"] < 8
    assert (seen["later"], seen["in_flight"]) == (seen["taken"], 0)
    assert (morning.exit_code, morning.states, morning.payments) == (0, ["done"] * 8, 1)
    assert morning.seconds > LONG_S


def test_a_post_that_is_only_connected_waits_as_well(night):
    """It has its claim; before its first byte it is asked once more, gives the claim back, and later leaves once."""
    nights, person = night(jobs=1), Quick()
    morning = nights.run(control=person, beside=person.resume_later)
    assert (person.seen, morning.seconds > LONG_S) == ({}, True)
    assert (morning.exit_code, morning.ledger["posts"], nights.accepted) == (0, 1, 1)


def test_a_job_to_be_paid_for_again_keeps_that_decision_over_a_pause(night):
    """What a person decided about it is recorded when its POST leaves, and not lost where that is later."""
    nights, person = night(jobs=1), Quick()
    assert nights.run({"on": "job", "kind": "fail", "times": 1}).states == ["failed"]
    morning = nights.run(control=person, beside=person.resume_later, retry=("failed",))
    assert (morning.exit_code, morning.states, nights.accepted) == (0, ["done"], 2)
    assert morning.seconds > LONG_S


def test_a_paused_run_stops_and_the_next_one_is_not_paused(night):
    """A pause is kept nowhere; a stop by the page is one Ctrl-C, however often it is pressed."""
    nights, control, pressed = night(jobs=6), Control(), []

    async def person(control):
        await asyncio.sleep(6)
        control.pause(is_paused=True)
        await asyncio.sleep(LONG_S)
        pressed.extend(control.stop_once() for _ in range(5))

    morning = nights.run(beside=person, control=control)
    assert (morning.exit_code, morning.summary["stopped_because"]) == (130, "interrupted")
    assert pressed == [True, False, False, False, False]
    assert (control.pause(is_paused=True), control.limit(1), control.stop_once()) == (False, False, False)
    last = nights.run()
    assert (last.exit_code, last.states, last.payments) == (0, ["done"] * 6, 1)


def test_fewer_at_once_and_never_more_than_the_run_began_with(night):
    """A higher number is the one that --concurrency gave."""
    nights, peaks = night(jobs=20, slots=8), []

    async def person(control):
        await asyncio.sleep(9)
        for most in (1, 100):
            assert control.limit(most)
            while control.gate.in_flight > control.gate.pacing.ceiling:
                await asyncio.sleep(0.1)
            seen = []
            for _ in range(100):
                seen.append(control.gate.in_flight)
                await asyncio.sleep(0.1)
            peaks.append(max(seen))

    morning = nights.run(beside=person, concurrency=3)
    assert (morning.exit_code, morning.payments) == (0, 1)
    assert peaks == [1, 3]
