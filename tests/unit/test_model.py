"""Money, fingerprints, and what a job says of itself."""

import json
from decimal import Decimal

import pytest

from runner.errors import BatchError, ExitCode, ManifestInvalid, RunDirectoryLocked
from runner.model import (
    Attempt,
    AttemptState,
    Job,
    JobSpec,
    JobState,
    Money,
    RemoteState,
    RemoteStatus,
    canonical,
    fingerprint,
    in_usd,
    local_uri,
    money,
    requests,
)

SPEC = JobSpec(job_id="a", model="m", inputs={}, fingerprint="")


def attempt(state=AttemptState.FINISHED, **more):
    return Attempt(number=1, state=state, payload_sha256="", intended_at=5.0, **more)


@pytest.mark.parametrize(
    ("usd", "micro"), [("0.039", 39_000), (0.1, 100_000), (Decimal("1.0000005"), 1_000_001), (5, 5_000_000)]
)
def test_money_is_exact(usd, micro):
    """Decimal USD outside, integer micro-USD inside."""
    assert money(usd) == micro


@pytest.mark.parametrize("text", ["", "free", "nan", "inf"])
def test_what_is_no_amount_is_refused(text):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="not an amount"):
        money(text)


def test_money_comes_out_as_it_went_in():
    """No binary fractions."""
    assert in_usd(Money(39_000)) == Decimal("0.039")


VALUES = {
    "texts": {"ü": "é", "quoted": 'a "b" \\ c', "control": "\x00\n\t\x7f\u2028", "far": "\U0001f600", "": ""},
    "numbers": [0, -1, 10**40, 1.0, 1e300, 1e-9, -0.0, 0.1],
    "rest": {"z": None, "a": [True, False, [], {}, ()], "b": {"2": 1, "10": 2}},
    "a text": "plain",
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("python", ["C's", "another"])
def test_canonical_bytes_are_those_of_json(monkeypatch, name, python):
    """Fingerprints are stored: whatever makes them faster must not change a byte."""
    if python == "another":
        monkeypatch.setattr(json.encoder, "c_make_encoder", None)
        monkeypatch.setattr(requests, "_pieces", requests._encoder())
    expected = json.dumps(VALUES[name], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert canonical(VALUES[name]) == expected.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800"])
def test_what_is_no_json_has_no_canonical_bytes(value):
    """And the next one has, all the same."""
    with pytest.raises(ValueError, match=r"Out of range|surrogates"):
        canonical({"a": [value]})
    assert canonical({"a": []}) == b'{"a":[]}'


def test_the_fingerprint_is_of_the_request_not_of_its_spelling():
    """The order of fields is nothing; the model and each value are."""
    one = fingerprint("m", {"a": 1, "b": "é"})
    assert one == fingerprint("m", {"b": "é", "a": 1})
    assert one != fingerprint("n", {"a": 1, "b": "é"})
    assert one != fingerprint("m", {"a": 2, "b": "é"})
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


def test_only_a_known_end_is_finished():
    """An unknown word counts as running."""
    finished = {state for state in RemoteState if RemoteStatus(state=state, raw="").is_finished}
    assert finished == {RemoteState.COMPLETED, RemoteState.FAILED, RemoteState.CANCELLED}


def test_open_states_are_those_that_a_run_goes_on_from():
    """In doubt is an end until a person leads out of it."""
    assert {state for state in JobState if not state.is_terminal} == {
        JobState.PENDING,
        JobState.SUBMITTING,
        JobState.SUBMITTED,
        JobState.RESULT_KNOWN,
        JobState.HELD,
    }


def test_a_job_without_attempts_has_cost_nothing():
    """Nothing was sent: no request, no instant, 0 spent."""
    job = Job(spec=SPEC)
    assert (job.job_id, job.attempt, job.request_id, job.submitted_at, job.cost) == ("a", None, None, None, 0)


def test_a_jobs_cost_is_unknown_while_one_attempts_cost_is():
    """Refused attempts cost nothing; an accepted one without a named cost makes the sum unknown."""
    paid = attempt(cost=Money(3), request_id="r", accepted_at=7.0)
    refused = attempt(AttemptState.REFUSED)
    assert Job(spec=SPEC, attempts=(refused, paid)).cost == 3
    assert Job(spec=SPEC, attempts=(paid, attempt(AttemptState.ACCEPTED))).cost is None
    job = Job(spec=SPEC, attempts=(refused, paid))
    assert (job.attempt, job.request_id, job.submitted_at) == (paid, "r", 7.0)
    assert Job(spec=SPEC, attempts=(refused,)).submitted_at == 5.0


def test_an_errors_docstring_is_its_default_message():
    """And its class owns the exit code."""
    error = RunDirectoryLocked()
    assert (error.message, error.exit_code) == ("Another process is using this run directory.", 73)
    assert ManifestInvalid("line 3").message == "line 3"
    assert BatchError().exit_code is ExitCode.BUG


def test_a_local_file_is_named_by_what_it_is():
    """Never by where it lies: a photo that moved is the same request; a smaller copy is another."""
    assert local_uri("image/png", "ab") + ";shrunk" == local_uri("image/png", "ab", is_shrunk=True)
    assert local_uri("image/png", "ab") != local_uri("image/jpeg", "ab")
