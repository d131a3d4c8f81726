"""The rules that money hangs on, against whatever can happen in whatever order."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from runner.api.wire import (
    REQUEST_ID,
    Accepted,
    ApiError,
    NotSent,
    Refused,
    Reply,
    Unknown,
    classify_submit,
    parse_document,
    parse_result,
    parse_status,
)
from runner.catalog.outputs import output_urls
from runner.model import (
    Artifact,
    Attempt,
    AttemptState,
    Collected,
    CollectFailed,
    DoubtAttached,
    DoubtReleased,
    DoubtWrittenOff,
    Failure,
    FailureKind,
    FilesMissing,
    Job,
    JobSpec,
    JobState,
    Left,
    Money,
    OutputLost,
    Price,
    ReadFailed,
    RedoRequested,
    RemoteCancelled,
    RemoteFailed,
    RemoteState,
    RemoteStatus,
    ResultRead,
    Resumed,
    RetryRequested,
    SpecChanged,
    StatusSeen,
    SubmitAccepted,
    SubmitHeld,
    SubmitIntended,
    SubmitLost,
    SubmitNotSent,
    SubmitRejected,
    SubmitThrottled,
)
from runner.rules.budget import Reserved, budget_of, reserve, settle
from runner.rules.lifecycle import TRANSITIONS, ImpossibleEvent, Policies, advance, decide
from runner.rules.planning import Choices, plan_entry
from runner.rules.retry import retry_after_s

PRICE = Money(39_000)
FAILURES = st.builds(
    Failure,
    kind=st.sampled_from(FailureKind),
    code=st.sampled_from(["network", "http_404", "throttled"]),
    message=st.just("?"),
)
STATUSES = st.builds(RemoteStatus, state=st.sampled_from(RemoteState), raw=st.just("word"))
COSTS = st.sampled_from([None, Money(0), PRICE, Money(78_000)])
IDS = st.integers(1, 10**9).map(lambda n: f"r-{n}")
FILE = Artifact(path="images/a.png", sha256="s", bytes=1, width=1, height=1, format="png", source_url="u", index=1)


def spec(prompt="white"):
    return JobSpec(job_id="mug", model="m", inputs={"prompt": prompt}, fingerprint=prompt)


FAILED_UNTIL = (SubmitNotSent, SubmitThrottled, ReadFailed)
FAILED = (SubmitRejected, SubmitHeld, SubmitLost, OutputLost, Left)
PLAIN = (FilesMissing, Resumed, RetryRequested, RedoRequested, DoubtReleased, DoubtWrittenOff)
AT = st.just(0.0)
EVENTS = {
    SubmitIntended: {"payload_sha256": st.just("p"), "reserved": st.sampled_from([None, PRICE])},
    SubmitAccepted: {"request_id": IDS, "look_at": AT},
    StatusSeen: {"status": STATUSES, "look_at": AT},
    ResultRead: {"outputs": st.just(("u",)), "cost": COSTS},
    RemoteFailed: {"failure": FAILURES, "cost": COSTS},
    RemoteCancelled: {"cost": COSTS},
    Collected: {"artifacts": st.just((FILE,))},
    CollectFailed: {"artifacts": st.just(()), "failure": FAILURES, "retry_at": AT},
    SpecChanged: {"spec": st.sampled_from(["white", "black"]).map(spec)},
    DoubtAttached: {"request_id": IDS},
    **{kind: {"failure": FAILURES, "retry_at": AT} for kind in FAILED_UNTIL},
    **{kind: {"failure": FAILURES} for kind in FAILED},
    **{kind: {} for kind in PLAIN},
}
KINDS = {kind: st.builds(kind, at=AT, **fields) for kind, fields in EVENTS.items()}
OPEN = (AttemptState.INTENT, AttemptState.ACCEPTED, AttemptState.IN_DOUBT)
BY_A_PERSON = (RetryRequested, RedoRequested, SpecChanged, DoubtReleased)
happened = Counter()


class Life(RuleBasedStateMachine):
    """A job to which anything happens. What cannot happen is refused and changes nothing."""

    @initialize()
    def begin(self):
        self.job = Job(spec=spec())
        self.budget = budget_of(None, [])
        self.spent = 0

    @rule(data=st.data())
    def happen(self, data):
        """Something that may happen to the job as it stands."""
        possible = [kind for kind in KINDS if (self.job.state, kind) in TRANSITIONS]
        if possible:
            self.apply(data.draw(st.one_of([KINDS[kind] for kind in possible])))

    @rule(event=st.one_of(list(KINDS.values())))
    def happen_out_of_order(self, event):
        """Something that may be nonsense."""
        self.apply(event)

    def apply(self, event):
        before = self.job
        try:
            self.job = advance(before, event)
        except ImpossibleEvent:
            assert self.job is before
            return
        happened[self.job.state] += 1
        self.budget = settle(self.budget, before.attempts, self.job.attempts)
        for old, new in zip(before.attempts, self.job.attempts, strict=False):
            assert new.number == old.number
            assert old.request_id in (None, new.request_id), "a request id was forgotten"
            assert old.cost is None or new.cost is not None, "a cost was forgotten"
        assert len(self.job.attempts) >= len(before.attempts), "an attempt was forgotten"
        if before.state is not JobState.PENDING and self.job.state is JobState.PENDING:
            self.check_return_to_pending(before, event)
        if before.state is JobState.DONE:
            is_wanted = isinstance(event, (SpecChanged, RedoRequested))
            assert self.job.state in (JobState.DONE, JobState.RESULT_KNOWN) or is_wanted

    def check_return_to_pending(self, before, event):
        """Nothing leads back to a paid POST but proof that nothing was taken, or a person."""
        latest = self.job.attempts[-1] if self.job.attempts else None
        is_proof = latest is None or latest.state in (AttemptState.NOT_SENT, AttemptState.REFUSED)
        assert is_proof or isinstance(event, BY_A_PERSON), (before.state, event)

    @rule(now=st.floats(0, 1e6))
    def look(self, now):
        """There is always an answer to: what now?"""
        assert decide(self.job, now, Policies()) is not None

    @invariant()
    def at_most_one_attempt_is_open(self):
        assert sum(attempt.state in OPEN for attempt in self.job.attempts) <= 1

    @invariant()
    def the_books_agree(self):
        """Kept event by event or counted from the attempts: the same sums."""
        counted = budget_of(None, [(attempt, 1) for attempt in self.job.attempts])
        assert replace(self.budget, dearer=counted.dearer) == counted
        assert self.budget.dearer >= counted.dearer  # a cost that the service took back was named all the same
        assert counted.reserved >= 0
        assert counted.spent >= 0

    @invariant()
    def a_finished_job_has_nothing_to_pay(self):
        """The plan of what is done, open or in doubt is to pay nothing."""
        if self.job.state in (JobState.DONE, JobState.SUBMITTED, JobState.RESULT_KNOWN, JobState.IN_DOUBT):
            entry = plan_entry(self.job.spec, self.job, Price(amount=PRICE, unit="output"), Choices())
            assert not entry.will_submit
            assert entry.price is None


def test_no_road_through_a_life_leads_to_a_second_payment():
    """Every state was come to, many times."""
    thorough = settings(max_examples=300, stateful_step_count=40, deadline=None, derandomize=True)
    run_state_machine_as_test(Life, settings=thorough)
    assert set(happened) == set(JobState)
    assert min(happened.values()) >= 10, happened


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    limit=st.integers(0, 500_000),
    prices=st.lists(st.one_of(st.none(), st.integers(0, 200_000)), max_size=30),
    ends=st.lists(
        st.sampled_from([AttemptState.FINISHED, AttemptState.IN_DOUBT, AttemptState.REFUSED]), min_size=30, max_size=30
    ),
)
def test_the_limit_is_never_exceeded(limit, prices, ends):
    """Whatever is asked for and however it ends: spent and set aside stay within the limit."""
    budget = replace(budget_of(None, []), limit=Money(limit))
    for price, end in zip(prices, ends, strict=False):
        answer = reserve(budget, None if price is None else Money(price))
        if not isinstance(answer, Reserved):
            assert price is None or price > budget.left
            continue
        budget = answer.budget
        assert budget.spent + budget.reserved <= limit
        if end is AttemptState.REFUSED:
            budget = replace(budget, reserved=Money(budget.reserved - price))
        elif end is AttemptState.FINISHED:
            budget = replace(budget, reserved=Money(budget.reserved - price), spent=Money(budget.spent + price))
        assert budget.spent + budget.reserved <= limit


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    limit=st.integers(0, 3_000_000),
    price=st.integers(1, 100_000),
    times=st.fractions(1, 20, max_denominator=7),
    at_once=st.integers(1, 8),
    named=st.lists(st.booleans(), min_size=1, max_size=40),
)
def test_a_card_that_is_too_cheap_costs_what_was_in_flight_at_the_first_bill(limit, price, times, at_once, named):
    """The bill is the same every time, and named or not: the limit is passed by no more than was open just then."""
    cost, excess, truly = Money(math.floor(price * times)), None, 0
    budget, flying = budget_of(Money(limit), []), []
    for is_named in [*named, *[True] * 8]:
        while len(flying) < at_once and isinstance(reserve(budget, Money(price)), Reserved):
            flying.append(sent(AttemptState.ACCEPTED, price))
            budget = settle(budget, [], flying[-1:])
        if not flying:
            break
        truly += cost
        if is_named and excess is None:
            excess = max(0, truly + (len(flying) - 1) * cost - limit)
        first = flying.pop(0)
        budget = settle(budget, [first], [replace(first, state=AttemptState.FINISHED, cost=cost if is_named else None)])
    assert truly + len(flying) * cost <= limit + (excess or 0) or excess is None


def sent(state, price):
    return Attempt(number=1, state=state, payload_sha256="p", intended_at=0.0, reserved=Money(price))


KEYS = st.sampled_from(
    [
        *("loc", "msg", "detail", "error", "error_code", "error_message", "message", "code"),
        *("request_id", "status", "output", "cost", "queue_position", "model_id", "images", "url"),
    ]
)
WORDS = st.sampled_from(["completed", "failed", "in_queue", "on\ud800hold", "400002", "1e400", ""])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | WORDS | st.just(1 << 70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
DEEP = st.tuples(KEYS, st.sampled_from(["[]", '{"error":}', '{"detail":}']), st.integers(1, 1500)).map(
    lambda deep: f'{{"{deep[0]}": {deep[1][:-1] * deep[2]}1{deep[1][-1] * deep[2]}}}'.encode()
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(KEYS, JSON | IDS).map(lambda value: json.dumps(value).encode()),
    DEEP,
)
REFUSALS = {400, 401, 402, 403, 404, 405, 406, 410, 411, 413, 414, 415, 417, 421, 422, 425, 426, 428, 429, 431, 451}


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    status=st.integers(100, 999) | st.sampled_from(sorted(REFUSALS)) | st.just(200),
    body=BODIES,
    headers=st.dictionaries(st.sampled_from(["Content-Type", "Retry-After", "Location", "Date"]), st.text(max_size=30)),
)
def test_every_answer_has_one_class(status, body, headers):
    """Accepted needs a usable id, refused an explicit no; all the rest is unknown, and nothing raises."""
    reply = classify_submit(Reply(status=status, headers=headers, body=body))
    assert not isinstance(reply, NotSent)  # there is an answer, so something was sent
    if isinstance(reply, Accepted):
        assert 200 <= status < 300
        assert REQUEST_ID.fullmatch(reply.request_id)
        return
    assert_storable(reply.failure)
    if isinstance(reply, Refused):
        assert status in REFUSALS or 200 <= status < 300
    else:
        assert isinstance(reply, Unknown)
        assert status not in REFUSALS


def assert_storable(failure):
    """SQLite takes it."""
    (failure.code + failure.message).encode()
    assert failure.code
    assert len(failure.message) <= 700


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(status=st.sampled_from([200, 200, 200, 404, 422, 429, 500]), body=BODIES)
def test_every_answer_to_a_look_is_one_or_an_error(status, body):
    """Nothing but `ApiError` is raised, and what comes out fits into the state."""
    reply = Reply(status=status, headers={}, body=body)
    for parse in (parse_status, parse_result, parse_document):
        try:
            found = parse(reply)
        except ApiError as error:
            assert_storable(error.failure)
            continue
        if parse is parse_document:
            continue
        seen = found if parse is parse_status else found.status
        seen.raw.encode()
        assert seen.queue_position is None or 0 <= seen.queue_position < 1 << 63
        if parse is parse_result:
            assert found.cost is None or 0 <= found.cost < 1 << 63
            "".join(url for _, url in output_urls(found.output)).encode()
            if found.failure is not None:
                assert_storable(found.failure)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(
    value=st.one_of(st.none(), st.text(max_size=40), st.floats().map(str), st.integers(-(10**12), 10**12).map(str)),
    date=st.one_of(st.none(), st.text(max_size=40), st.just("Tue, 24 Nov 2026 07:00:00 GMT")),
    now=st.floats(0, 4e9),
)
def test_any_wish_is_a_bounded_wait(value, date, now):
    """Garbage is no wish; a huge one is cut; none is negative."""
    wait = retry_after_s(value, date, now)
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= 900)
