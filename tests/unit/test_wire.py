"""What replies prove. Every row of the API's vocabulary, and everything that is no proof."""

import json
from contextlib import suppress

import pytest

from runner.api.bodies import clean, error_message
from runner.api.wire import (
    REFUSALS,
    Accepted,
    ApiError,
    Refused,
    Reply,
    Unknown,
    classify_submit,
    named_request,
    parse_document,
    parse_listing,
    parse_result,
    parse_status,
)
from runner.model import FailureKind, Money, RemoteState

K = FailureKind


def reply(status=200, body=None, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status=status, headers={"Content-Type": "application/json", **headers}, body=raw)


@pytest.mark.parametrize("extra", [{}, {"error_code": 500001}, {"status": "in_queue"}])
@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_request_id_is_acceptance(status, extra):
    """Also with an error code beside it: the id is what was paid for."""
    assert classify_submit(reply(status, {"request_id": "ab-1_Z", **extra})) == Accepted("ab-1_Z")


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"error_code": 400001, "error_message": "bad model"}, K.INPUT, "wrong_model"),
        (400, {"error_code": 400002, "error_message": "no balance"}, K.ACCOUNT, "no_balance"),
        (400, {"error_code": "400004", "error_message": "expired"}, K.ACCOUNT, "token_refused"),
        (401, {"error_code": 401001}, K.ACCOUNT, "token_refused"),
        (402, {}, K.ACCOUNT, "no_balance"),
        (403, {"error_code": 403001}, K.ACCOUNT, "no_access"),
        (403, b"<html><title>Denied</title>", K.ACCOUNT, "no_access"),
        (404, {"error_code": 404001}, K.INPUT, "wrong_model"),
        (413, {}, K.INPUT, "too_large"),
        (422, {"detail": [{"loc": ["body", "prompt"], "msg": "too long"}]}, K.INPUT, "invalid_input"),
        (429, {}, K.THROTTLED, "throttled"),
        (425, {}, K.THROTTLED, "http_425"),
        (451, {}, K.INPUT, "http_451"),
        (200, {"error_code": 422001, "error_message": "bad"}, K.INPUT, "invalid_input"),
        (200, {"error_code": 400002}, K.ACCOUNT, "no_balance"),
        (200, {"error_code": 429001}, K.THROTTLED, "throttled"),
        (200, {"error_code": 401001, "request_id": None}, K.ACCOUNT, "token_refused"),
    ],
)
def test_an_explicit_no_is_a_refusal(status, body, kind, code):
    """Account trouble is told from bad input by its code, whatever the status."""
    answer = classify_submit(reply(status, body))
    assert isinstance(answer, Refused)
    assert (answer.failure.kind, answer.failure.code) == (kind, code)
    assert answer.failure.message


def test_a_refusal_carries_what_it_asks_for():
    """Retry-After, and the Date that it counts from."""
    answer = classify_submit(reply(429, {"message": "slow down"}, **{"Retry-After": "7", "Date": "now"}))
    assert (answer.retry_after, answer.date, answer.failure.message) == ("7", "now", "slow down")


@pytest.mark.parametrize("status", sorted(set(range(300, 600)) - REFUSALS))
def test_every_other_status_is_no_proof(status):
    """Gateways answer 5xx after the origin took the job; redirects hide who answered."""
    assert isinstance(classify_submit(reply(status, {"error_code": 422001})), Unknown)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'["request_id"]',
        b'{"request_id": "abc',
        b"<html><head><title>Hotel WiFi</title></head></html>",
        b'{"request_id": 12}',
        b'{"request_id": ""}',
        b'{"request_id": "../models/paid"}',
        b'{"request_id": "a\\r\\nb"}',
        b'{"status": "in_queue"}',
        b'{"error_code": 500001}',
        b'{"error_code": "E42"}',
        b'{"error_code": 429001, "request_id": "req:1.0"}',
        b'{"error_code": 429001, "data": {"request_id": "abc"}}',
        b"[" * 100_000,
        json.dumps({"request_id": "x" * 129}).encode(),
    ],
)
def test_a_200_without_a_usable_id_is_no_proof(body):
    """A captive portal, an empty body, a cut-off or evil answer: perhaps taken, perhaps not."""
    assert isinstance(classify_submit(reply(200, body)), Unknown)


def test_what_is_said_of_a_doubt_helps_a_person():
    """The page's title, or where a redirect led, without its query."""
    page = Reply(status=200, headers={"Content-Type": "text/html"}, body=b"<title>Hotel WiFi</title>")
    assert "text/html, 'Hotel WiFi'" in classify_submit(page).failure.message
    away = Reply(status=307, headers={"Location": "https://evil.example/x?sig=1"}, body=b"")
    assert classify_submit(away).failure.message == "HTTP 307, a redirect to evil.example"
    lost = Reply(status=307, headers={}, body=b"")
    assert "a place without a host" in classify_submit(lost).failure.message


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("in_queue", RemoteState.QUEUED),
        ("pending", RemoteState.QUEUED),
        ("waiting", RemoteState.QUEUED),
        ("IN_PROGRESS", RemoteState.RUNNING),
        ("in progress", RemoteState.RUNNING),
        ("starting", RemoteState.RUNNING),
        ("processing", RemoteState.RUNNING),
        ("Completed", RemoteState.COMPLETED),
        ("succeeded", RemoteState.COMPLETED),
        ("failed", RemoteState.FAILED),
        ("cancelled", RemoteState.CANCELLED),
        ("canceled", RemoteState.CANCELLED),
        ("warming_up", RemoteState.UNKNOWN),
    ],
)
def test_the_services_words_and_their_synonyms(word, state):
    """In any letter case; an unknown word is no failure."""
    status = parse_status(reply(200, {"status": word, "queue_position": 3}))
    assert (status.state, status.raw, status.queue_position) == (state, word, 3)


@pytest.mark.parametrize("place", [None, -1, "2", True])
def test_a_strange_queue_position_is_none(place):
    """It is a hint; nothing depends on it."""
    assert parse_status(reply(200, {"status": "in_queue", "queue_position": place})).queue_position is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "missing"),
    [
        (404, {"error_code": 404001}, K.OUTPUT, "request_gone", True),
        (410, {}, K.OUTPUT, "request_gone", True),
        (200, {"error_code": 404001}, K.OUTPUT, "request_gone", True),
        (401, {}, K.ACCOUNT, "token_refused", False),
        (403, {"error_code": 403001}, K.ACCOUNT, "no_access", False),
        (400, {"error_code": 400004}, K.ACCOUNT, "token_refused", False),
        (429, {}, K.THROTTLED, "throttled", False),
        (500, {}, K.TRANSIENT, "http_500", False),
        (502, b"<html>", K.TRANSIENT, "http_502", False),
        (400, {}, K.TRANSIENT, "http_400", False),
        (302, b"", K.TRANSIENT, "http_302", False),
        (200, b"<html>", K.TRANSIENT, "not_json", False),
        (200, [], K.TRANSIENT, "not_json", False),
        (200, {}, K.TRANSIENT, "no_status", False),
        (200, {"status": 3}, K.TRANSIENT, "no_status", False),
        (200, {"error_code": 500001}, K.TRANSIENT, "http_500", False),
    ],
)
def test_a_read_that_did_not_work_says_whose_matter_it_is(status, body, kind, code, missing):
    """Only an account's refusal ends anything; the rest is read again."""
    with pytest.raises(ApiError) as caught:
        parse_status(reply(status, body, **{"Retry-After": "9"}))
    assert (caught.value.failure.kind, caught.value.failure.code, caught.value.is_missing) == (kind, code, missing)


def test_a_throttled_read_carries_retry_after():
    """It counts for reads as well."""
    with pytest.raises(ApiError) as caught:
        parse_status(reply(429, {}, **{"Retry-After": "9", "Date": "d"}))
    assert (caught.value.retry_after, caught.value.date) == ("9", "d")


def test_a_finished_result_has_output_and_cost():
    """The cost is exact, as a number or as text."""
    result = parse_result(reply(200, {"status": "completed", "output": {"image": "https://x"}, "cost": 0.039}))
    assert (result.status.state, result.output, result.cost) == (
        RemoteState.COMPLETED,
        {"image": "https://x"},
        Money(39_000),
    )
    assert parse_result(reply(200, {"status": "succeeded", "cost": "0.04"})).cost == 40_000
    assert parse_result(reply(200, {"output": {"image": "u"}})).status.state is RemoteState.COMPLETED


@pytest.mark.parametrize(
    "cost", [None, True, "free", -1, [1], "nan", "1e30", 1e300, 10**13, "1e999999999", "-1e999999", 1e9 + 1]
)
def test_a_cost_that_is_no_amount_is_unknown(cost):
    """Never 0; and what the state cannot hold, or nobody can mean, is no amount."""
    assert parse_result(reply(200, {"status": "completed", "cost": cost})).cost is None


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"error": {"code": "content_policy", "message": "no"}}, "content_policy", "no"),
        ({"error": "boom"}, "remote_failed", "boom"),
        ({"error_code": 422001, "error_message": "bad size"}, "422001", "bad size"),
        ({}, "remote_failed", "the service says that the request failed, and no more"),
        ({"error_code": {"a": 1}}, "remote_failed", "the service says that the request failed, and no more"),
        ({"error": {"code": "!!", "message": ["no"]}}, "remote_failed", "no"),
        ({"error": {"error": {"error": {"message": "deep"}}}}, "remote_failed", "deep"),
    ],
)
def test_a_failed_request_says_why(body, code, message):
    """In each way the service has of saying it."""
    failure = parse_result(reply(200, {"status": "failed", **body})).failure
    assert (failure.kind, failure.code, failure.message) == (K.REMOTE, code, message)


def test_any_json_object_is_a_document():
    """A card, a cancellation."""
    assert parse_document(reply(200, {"outcome": "cancelled"})) == {"outcome": "cancelled"}


def test_messages_are_one_clean_line():
    """Control characters could forge a log line or drive a terminal."""
    assert clean("a\x1b[31m\nb\u202e c") == "a [31m b c"
    assert len(clean("x" * 9999)) == 500
    assert error_message({"detail": [{"loc": ["body", "a"], "msg": "m"}, "s"], "message": "t"}) == "t; a: m; s"
    assert error_message({"detail": [{"x": 1}]}) == "{'x': 1}"


@pytest.mark.parametrize(
    ("document", "ids", "total"),
    [
        ({"models": [{"model_id": "a/b"}, {"model_id": "c"}], "total": 7}, ["a/b", "c"], 7),
        ({"models": [], "total": 0}, [], 0),
        ({"models": [{"model_id": "a"}]}, ["a"], 1),
        ({"models": [{"model_id": "a"}], "total": True}, ["a"], 1),
        ({"models": [{"model_id": "a"}], "total": "9"}, ["a"], 1),
        ({"models": [{"model_id": "a"}], "total": -3}, ["a"], 1),
        ({"models": [None, "a", [], {}, {"model_id": 5}, {"model_id": "b"}], "total": 6}, ["b"], 6),
    ],
)
def test_a_page_of_the_catalog_is_read(document, ids, total):
    """An entry without an id is nothing that could be used."""
    page = parse_listing(reply(200, document))
    assert ([model["model_id"] for model in page.models], page.total) == (ids, total)


@pytest.mark.parametrize("document", [{}, {"models": None}, {"models": {"a": 1}}, {"data": []}])
def test_an_answer_without_a_list_is_no_page(document):
    with pytest.raises(ApiError) as caught:
        parse_listing(reply(200, document))
    assert (caught.value.failure.kind, caught.value.failure.code) == (K.TRANSIENT, "no_models")


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ([{"loc": None, "msg": "prompt too long"}], "prompt too long"),
        ([{"loc": 7, "msg": "prompt too long"}], "prompt too long"),
        ([{"loc": ["body", None, 2, ["x"]], "msg": "no"}], "2: no"),
        ([{"loc": "prompt", "msg": "no"}], "no"),
        ([{"loc": ["prompt"], "msg": 1}], "prompt: {'loc': ['prompt'], 'msg': 1}"),
        ({"loc": {}, "msg": None, "message": "no"}, "no"),
        ([[[[[[["deep"]]]]]]], "[['deep']]"),
        (7, "7"),
    ],
)
def test_a_detail_of_any_shape_is_a_refusal_with_a_message(detail, message):
    """Whatever a validator writes: the job is refused, and nothing breaks on it."""
    answer = classify_submit(reply(422, {"detail": detail}))
    assert isinstance(answer, Refused)
    assert answer.failure.message == message


@pytest.mark.parametrize("key", ["detail", "message", "error_code", "loc", "msg", "error", "status", "output", "x"])
@pytest.mark.parametrize(("start", "end"), [("[", "]"), ('{"error":', "}"), ('{"detail":', "}"), ('{"loc":[', "]}")])
@pytest.mark.parametrize("depth", [8, 200, 900, 100_000])
def test_an_answer_that_is_nested_for_ever_breaks_nothing(key, start, end, depth):
    """It is read as far as it helps."""
    body = f'{{"{key}": {start * depth}1{end * depth}}}'.encode()
    refused = Reply(status=422, headers={}, body=body)
    assert isinstance(classify_submit(refused), Refused)
    for parse in (parse_status, parse_result):
        with pytest.raises(ApiError):
            parse(refused)
    failed = Reply(status=200, headers={}, body=b'{"status": "failed", ' + body[1:])
    with suppress(ApiError):  # deeper than Python reads
        assert parse_result(failed).failure is not None


def test_a_word_or_a_place_that_no_state_can_hold_is_cleaned():
    """Half a surrogate pair, a number of more than 64 bits: from the service as from anyone."""
    status = parse_status(Reply(status=200, headers={}, body=b'{"status": "on\\ud800hold", "queue_position": 9e99}'))
    assert (status.state, status.raw, status.queue_position) == (RemoteState.UNKNOWN, "on hold", None)
    body = b'{"status": "in_queue", "queue_position": 99999999999999999999999}'
    assert parse_status(Reply(status=200, headers={}, body=body)).queue_position is None
    away = Reply(status=307, headers={"Location": "https://a\udc80b/"}, body=b"")
    assert classify_submit(away).failure.message == "HTTP 307, a redirect to a b"


@pytest.mark.parametrize(
    ("is_whole", "hint"),
    [(True, "; it named the request id r-1"), (False, "; it named the request id r-1 before it broke off")],
)
def test_an_id_in_an_answer_that_proves_nothing_is_a_hint(is_whole, hint):
    """For the person who looks for the request; an answer without one says nothing."""
    assert named_request(b'<html>{"request_id" : "r-1"', is_whole=is_whole) == hint
    assert named_request(b'{"request_id": ""}', is_whole=is_whole) == ""
