"""Bugs of the paid path, put in on purpose: each must be caught, and each must prove that it acted."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import Counter

import aiohttp

from runner.api import client
from runner.api.wire import Accepted, NotSent, Refused, Unknown
from runner.batch import collecting, driving, execution, weighing
from runner.media import download, files
from runner.model import DoubtReleased, Failure, FailureKind, JobState, SubmitIntended, SubmitNotSent
from runner.rules import budget, pacing
from runner.rules.lifecycle import advance
from runner.scheduler import Scheduler, gate, keeping, outcomes
from runner.store import reader, store

MUTANTS = {}
"""By name: what puts the bug in, and the seed at which the hunt for it begins, since that one found it once."""
acted = Counter()


def mutant(seed):
    def register(put_in):
        MUTANTS[put_in.__name__] = put_in, seed
        return put_in

    return register


def act(name):
    acted[name] += 1


@mutant(0)
def intent_is_written_after_the_answer():
    record = store.Store.record

    async def late(self, job, event):
        if isinstance(event, SubmitIntended):
            act("intent_is_written_after_the_answer")
            return advance(job, event)
        return await record(self, job, event)

    store.Store.record = late


@mutant(3)
def an_open_intent_is_sent_again():
    def resent(*, at, failure):
        act("an_open_intent_is_sent_again")
        return SubmitNotSent(at=at, failure=failure, retry_at=at)

    driving.SubmitLost = resent


@mutant(2)
def a_lost_answer_is_sent_again():
    of_submit = outcomes.of_submit

    def again(job, reply, *rest):
        if isinstance(reply, Unknown):
            act("a_lost_answer_is_sent_again")
            reply = NotSent(reply.failure)
        return of_submit(job, reply, *rest)

    outcomes.of_submit = again


@mutant(25)
def a_status_of_an_exception_is_a_refusal():
    submit = client.RunComfy.submit

    async def trusting(self, model, payload, before_send):
        reply = await submit(self, model, payload, before_send)
        if isinstance(reply, Unknown) and "ClientResponseError" in reply.failure.message:
            act("a_status_of_an_exception_is_a_refusal")
            return Refused(dataclasses.replace(reply.failure, kind=FailureKind.INPUT))
        return reply

    client.RunComfy.submit = trusting


@mutant(154)
def a_gateway_error_is_a_refusal():
    classify = client.classify_submit

    def trusting(reply):
        if reply.status in (502, 503):
            act("a_gateway_error_is_a_refusal")
            return Refused(Failure(kind=FailureKind.THROTTLED, code="busy", message="busy"))
        return classify(reply)

    client.classify_submit = trusting


@mutant(3)
def an_answer_without_an_id_is_a_refusal():
    classify = client.classify_submit

    def trusting(reply):
        answer = classify(reply)
        if reply.status == 200 and isinstance(answer, Unknown):
            act("an_answer_without_an_id_is_a_refusal")
            return NotSent(answer.failure)
        return answer

    client.classify_submit = trusting


@mutant(2)
def redirects_are_followed():
    post = aiohttp.ClientSession.post

    def follow(self, url, **more):
        act("redirects_are_followed")
        more["allow_redirects"] = True
        return post(self, url, **more)

    async def unfused(self):
        if not self.is_blown:
            await self._before_send()
        self.is_blown = True

    aiohttp.ClientSession.post = follow
    client.Fuse.blow = unfused


@mutant(2)
def a_doubt_is_released_by_itself():
    begin = store.Store.begin_run

    def releasing(self, run):
        begin(self, run)
        for job in self.jobs([JobState.IN_DOUBT]):
            act("a_doubt_is_released_by_itself")
            self.record_now(job, DoubtReleased(at=run.started_at))

    store.Store.begin_run = releasing


@mutant(12)
def commits_are_not_synced():
    open_for_writing = store.open_for_writing

    def careless(path):
        connection = open_for_writing(path)
        act("commits_are_not_synced")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    store.open_for_writing = careless


@mutant(2)
def files_are_not_synced():
    def careless(part, final):
        act("files_are_not_synced")
        part.path.replace(final)

    files.Part.settle = careless


@mutant(12)
def a_name_is_not_synced():
    def careless(_):
        act("a_name_is_not_synced")

    download.sync_folder = careless


@mutant(2)
def done_is_written_before_the_rename():
    settle = files.Part.settle

    def late(part, final):
        act("done_is_written_before_the_rename")
        part.path.rename(kept := part.path.with_suffix(".kept"))
        again = files.Part(kept.parent, "late")
        again.append([kept.read_bytes()])
        asyncio.get_running_loop().call_later(0.05, settle, again, final)

    files.Part.settle = late


@mutant(314)
def a_file_is_written_under_a_final_name():
    class InPlace(files.Part):
        def __init__(self, folder, run_id):
            act("a_file_is_written_under_a_final_name")
            super().__init__(folder, run_id)
            self.path = self.path.rename(folder / f"{run_id}-{acted.total()}.png")

    download.Part = InPlace


@mutant(1)
def the_budget_forgets_what_is_in_flight():
    def blind(self, job_id, price):
        act("the_budget_forgets_what_is_in_flight")
        if not isinstance(budget.reserve(dataclasses.replace(self.budget, reserved=0), price), budget.Refused):
            self._claims[job_id] = price
            return True
        self.close(gate.limit_reached(self.budget))
        return False

    gate.SubmitGate._claim = blind


@mutant(58)
def the_cap_forgets_earlier_requests():
    moved, earlier = gate.SubmitGate.moved, set()

    def blind(self, before, after):
        moved(self, before, after)
        if before is None and after.state is JobState.SUBMITTED:
            act("the_cap_forgets_earlier_requests")
            earlier.add(after.request_id)
        if after.request_id in earlier:
            self._occupied.discard(after.job_id)

    gate.SubmitGate.moved = blind


@mutant(0)
def an_id_is_cut_short():
    classify = client.classify_submit

    def short(reply):
        answer = classify(reply)
        if isinstance(answer, Accepted):
            act("an_id_is_cut_short")
            return dataclasses.replace(answer, request_id=answer.request_id[:24])
        return answer

    client.classify_submit = short


@mutant(11)
def the_gate_sleeps_after_closing_itself():
    async def enter(self, job_id, price):
        while self.hold is None:
            verdict = self._verdict()
            if isinstance(verdict, pacing.Go) and self._claim(job_id, price):
                return True
            if self.hold is not None:
                act("the_gate_sleeps_after_closing_itself")
            await self.wait(verdict.at if isinstance(verdict, pacing.NotBefore) else None)
        return False

    gate.SubmitGate.enter = enter


@mutant(3)
def a_decision_is_written_before_its_post():
    run = Scheduler.run

    async def hasty(self, jobs, openings=None):
        for job_id, event in (openings or {}).items():
            act("a_decision_is_written_before_its_post")
            self._store.record_now(self._store.job(job_id), event)
        return await run(self, jobs)

    Scheduler.run = hasty


@mutant(48)
def an_edited_entry_is_sent_without_a_word():
    choices = weighing.Choices

    def generous(**given):
        act("an_edited_entry_is_sent_without_a_word")
        return choices(**given | {"rerun_changed": True})

    weighing.Choices = generous


@mutant(3)
def a_doubt_is_a_night_that_went_well():
    ending = execution.Execution._ending

    def careless(self, hold, crashes):
        code, because = ending(self, hold, crashes)
        if code == 1 and self._options.only:
            act("a_doubt_is_a_night_that_went_well")
            return execution.ExitCode.DONE, None
        return code, because

    execution.Execution._ending = careless


@mutant(1)
def a_state_cut_off_in_the_making_is_read():
    def trusting(directory):
        act("a_state_cut_off_in_the_making_is_read")
        return (directory / reader.FILE).is_file()

    for module in (reader, weighing, collecting):
        module.has_state = trusting


@mutant(75)
def a_pause_that_nobody_keeps():
    def pause(self, *, is_paused):
        act("a_pause_that_nobody_keeps")
        self.notify()

    gate.SubmitGate.pause = pause


@mutant(672)
def a_picture_that_is_done_again_is_written_over():
    def careless(self, artifact):
        act("a_picture_that_is_done_again_is_written_over")

    keeping.Keeping._move = careless
