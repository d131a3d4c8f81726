"""What a person sees meanwhile: a bar on a terminal, lines elsewhere, and never an error."""

import fcntl
import gc
import io
import json
import os
import pty
import re
import struct
import sys
import termios
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from runner.cli.common import wants_color
from runner.model import Failure, FailureKind, Money
from runner.progress import (
    MOST_PER_CODE,
    BarProgress,
    JsonProgress,
    LineProgress,
    Rate,
    Tally,
    describe,
    make_progress,
)

NOW = 1_700_000_000.0
FAILURE = Failure(kind=FailureKind.REMOTE, code="remote_failed", message="the model crashed")
TALLY = Tally(
    total=1000,
    done=120,
    failed=3,
    in_flight=8,
    in_doubt=0,
    waiting=869,
    spent=Money(4_680_000),
    reserved=Money(312_000),
    unknown_costs=0,
)
HOSTILE = "a\r\x1b[2J\x07\n\u202eb"


def shown(stream, *, mode="auto", color=False):
    return make_progress(stream, mode=mode, color=color, now=lambda: NOW)


def everything(progress):
    """Every call there is, some of them after the end."""
    for _ in range(2):
        for seconds in (0.0, 0.05, 1.0, 61.0, -5.0):
            progress.update(replace(TALLY, done=TALLY.done + int(seconds)), NOW + seconds)
        progress.failure("mug", FAILURE)
        progress.note("held: the balance is used up")
        progress.close()


END = "<the end>"


@contextmanager
def terminal(columns=100):
    """A terminal of that width: the stream to write to, and how to read what came out."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    stream = os.fdopen(theirs, "w", encoding="utf-8")

    def read():
        """Up to a mark that is set behind it: a terminal hands on what it was given piece by piece, and later."""
        stream.write(END)
        stream.flush()
        text = ""
        while not text.endswith(END):
            text += os.read(ours, 1 << 20).decode()
        return text.removesuffix(END)

    try:
        yield stream, read
    finally:
        stream.close()
        os.close(ours)


# -------------------------------------------------------------------------------------------------------------- lines


def test_elsewhere_there_is_a_line_a_minute():
    """Whatever happens in between; each stands by itself, so that a log file reads well."""
    stream = io.StringIO()
    progress = shown(stream)
    for second in range(181):
        progress.update(replace(TALLY, done=second), NOW + second)
    progress.close()
    lines = stream.getvalue().splitlines()
    assert [line.split("  ")[:3] for line in lines] == [
        ["63/1,000", "done 60", "failed 3"],
        ["123/1,000", "done 120", "failed 3"],
        ["183/1,000", "done 180", "failed 3"],
    ]
    assert not set(stream.getvalue()) & set("\r\x1b")


def test_each_failure_and_each_note_is_a_line():
    """At once, also where the rest is silenced."""
    for mode in ("auto", "plain", "quiet"):
        stream = io.StringIO()
        progress = shown(stream, mode=mode)
        progress.failure("mug", FAILURE)
        progress.failure("lamp", FAILURE, "in doubt")
        progress.note("held: the balance is used up")
        assert stream.getvalue().splitlines() == [
            "failed  mug  remote_failed: the model crashed",
            "in doubt  lamp  remote_failed: the model crashed",
            "held: the balance is used up",
        ]


def test_a_quiet_run_tells_of_nothing_else():
    """No line a minute."""
    stream = io.StringIO()
    progress = shown(stream, mode="quiet")
    for second in range(0, 7200, 10):
        progress.update(TALLY, NOW + second)
    assert stream.getvalue() == ""


def test_a_thousand_equal_failures_are_not_a_thousand_lines():
    """The last one that is listed says so; another code counts for itself."""
    stream = io.StringIO()
    progress = shown(stream)
    for number in range(1000):
        progress.failure(f"job-{number}", FAILURE)
    progress.failure("lamp", replace(FAILURE, code="content_policy"))
    lines = stream.getvalue().splitlines()
    assert len(lines) == MOST_PER_CODE + 1
    assert lines[-2].endswith("(further remote_failed failures are not listed one by one)")
    assert lines[-1].startswith("failed  lamp  content_policy")


@pytest.mark.parametrize("mode", ["plain", "bar"])
def test_nothing_that_a_stranger_wrote_drives_the_terminal(mode):
    """No escape, no line of its own making, no text turned around."""
    stream = io.StringIO()
    progress = shown(stream, mode=mode)
    progress.failure(HOSTILE, replace(FAILURE, message=HOSTILE))
    progress.note(HOSTILE)
    assert stream.getvalue() == "failed  a  [2J   b  remote_failed: a  [2J   b\na  [2J   b\n"


def test_json_lines_say_the_same():
    """At most one tally a minute; each line is one object in ASCII."""
    stream = io.StringIO()
    progress = shown(stream, mode="json")
    for second in range(0, 61, 10):
        progress.update(TALLY, NOW + second)
    progress.failure("mug\u202e", FAILURE, "in doubt")
    progress.note("held")
    progress.close()
    assert stream.getvalue().isascii()
    documents = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [document["event"] for document in documents] == ["progress", "progress", "in doubt", "note"]
    assert documents[0] == {
        "event": "progress",
        "at": NOW,
        "total": 1000,
        "done": 120,
        "failed": 3,
        "in_flight": 8,
        "in_doubt": 0,
        "waiting": 869,
        "spent": 4_680_000,
        "reserved": 312_000,
        "unknown_costs": 0,
    }
    failure = {"kind": "remote", "code": "remote_failed", "message": "the model crashed"}
    assert documents[2:] == [
        {"event": "in doubt", "job_id": "mug\u202e", **failure},
        {"event": "note", "message": "held"},
    ]


# ----------------------------------------------------------------------------------------------------------- the tally


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (TALLY, "123/1,000  done 120  failed 3  in flight 8  $4.68"),
        (replace(TALLY, in_doubt=2), "125/1,000  done 120  failed 3  in flight 8  in doubt 2  $4.68"),
        (replace(TALLY, unknown_costs=5), "123/1,000  done 120  failed 3  in flight 8  $4.68 + 5 unknown"),
        (
            replace(TALLY, total=1_000_000, done=123_456, spent=Money(4_814_784_000)),
            "123,459/1,000,000  done 123,456  failed 3  in flight 8  $4,814.78",
        ),
    ],
)
def test_the_tally_on_one_line(tally, expected):
    """Counts and money; an unknown cost is added as unknown, never as nothing."""
    assert describe(tally, Rate(), NOW) == expected


def test_the_rate_is_that_of_the_last_ten_minutes():
    """What was long ago says little about when it ends."""
    rate = Rate()
    assert rate.per_s(NOW, 0) is None
    for second in range(3600):
        rate.add(NOW + second, 10 * second)
    for second in range(3600, 4300):
        rate.add(NOW + second, 36_000 + second - 3600)
    assert rate.per_s(NOW + 4299, 36_699) == pytest.approx(1.0)
    assert rate.per_s(NOW + 4299, rate._seen[0][1]) is None


@pytest.mark.parametrize(
    ("total", "end"),
    [(1183, r"10\.0 job/s  ETA \d\d:\d\d"), (2_000_000, r"10\.0 job/s  ETA \w{3} \d\d \w{3} \d\d:\d\d")],
)
def test_the_end_is_told_by_the_clock(total, end):
    """By the reader's own, since people plan their sleep; with the day where it is more than a day away."""
    rate = Rate()
    rate.add(NOW - 10, 23)
    assert re.search(f"{end}$", describe(replace(TALLY, total=total), rate, NOW))


# ------------------------------------------------------------------------------------------------------------- a bar


def test_a_terminal_gets_a_bar():
    """One line that is drawn again, failures and notes above it, and a line end when it is over."""
    with terminal() as (stream, read):
        progress = shown(stream)
        progress.update(TALLY, NOW)
        progress.failure("mug", FAILURE)
        progress.update(replace(TALLY, done=997), NOW + 1)
        progress.close()
        text = read()
    assert "123/1,000  done 120  failed 3" in text
    assert re.search(r"[\r\n]failed  mug  remote_failed: the model crashed\r\n", text)
    last = text.rstrip("\r\n").rsplit("\r", 1)[-1]
    assert last.startswith("100%|")
    assert "1,000/1,000  done 997" in last
    assert text.endswith("\r\n")
    assert text.count("\n") == 2


def test_the_bar_is_drawn_at_most_ten_times_a_second():
    """However many events there are; the end is drawn in any case."""
    stream = io.StringIO()
    progress = shown(stream, mode="bar")
    for number in range(1000):
        progress.update(replace(TALLY, done=number - 3), NOW + number / 1000)
    assert stream.getvalue().count("done ") <= 11
    progress.update(replace(TALLY, done=997), NOW + 1.0)
    assert "1,000/1,000" in stream.getvalue()
    progress.close()


@pytest.mark.parametrize("columns", [20, 40, 80, 300])
def test_the_bar_stays_on_its_line(columns):
    """On a narrow terminal it is cut off, not wrapped."""
    with terminal(columns) as (stream, read):
        progress = shown(stream)
        progress.update(TALLY, NOW)
        progress.close()
        drawn = [part for part in re.split(r"[\r\n]+", read()) if part]
    assert "12%|" in drawn[-1]
    assert max(map(len, drawn)) <= columns


@pytest.mark.parametrize("color", [True, False])
def test_colors_are_only_for_who_wants_them(color):
    """A failure is red, or plain."""
    with terminal() as (stream, read):
        progress = shown(stream, color=color)
        progress.update(TALLY, NOW)
        progress.failure("mug", FAILURE)
        progress.close()
        text = read()
    assert ("\x1b[31mfailed  mug" in text) is color
    assert ("\x1b[" in text) is color


@pytest.mark.parametrize(
    ("env", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, False), ({"TERM": "dumb"}, False)],
)
def test_who_wants_colors(monkeypatch, env, expected):
    """A terminal does, unless its owner says no; a pipe never does."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with terminal() as (stream, _):
        monkeypatch.setattr("sys.stderr", stream)
        assert wants_color() is expected
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert wants_color() is False


@pytest.mark.parametrize(
    ("mode", "on_terminal", "elsewhere"),
    [
        ("auto", BarProgress, LineProgress),
        ("bar", BarProgress, BarProgress),
        ("plain", LineProgress, LineProgress),
        ("quiet", LineProgress, LineProgress),
        ("json", JsonProgress, JsonProgress),
    ],
)
def test_the_display_suits_the_stream(mode, on_terminal, elsewhere):
    """A terminal without a width is none: no bar would be seen on it."""
    with terminal() as (stream, _):
        assert type(shown(stream, mode=mode)) is on_terminal
    with terminal(0) as (stream, _):
        assert type(shown(stream, mode=mode)) is elsewhere
    assert type(shown(io.StringIO(), mode=mode)) is elsewhere


# ------------------------------------------------------------------------------------------------------ gone streams


def broken_pipe():
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "w", buffering=1)


def hung_up():
    """A terminal that was closed."""
    ours, theirs = pty.openpty()
    os.close(ours)
    return os.fdopen(theirs, "w", buffering=1)


def full():
    """A device without room."""
    return open("/dev/full", "w", buffering=1, encoding="utf-8")  # noqa: PTH123


def closed():
    """A stream that was closed."""
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("mode", ["auto", "bar", "plain", "json", "quiet"])
@pytest.mark.parametrize("gone", [broken_pipe, hung_up, full, closed])
def test_a_stream_that_is_gone_never_stops_a_run(mode, gone, monkeypatch):
    """Nor does what is left of the bar complain when it is collected."""
    complaints = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    stream = gone()
    progress = shown(stream, mode=mode)
    everything(progress)
    del progress
    gc.collect()
    with suppress(OSError):  # what could not be written is still in its buffer
        stream.close()
    assert complaints == []


@pytest.mark.parametrize("mode", ["bar", "plain", "json"])
def test_a_stream_that_goes_is_left_alone(mode):
    """After the first failure nothing is written any more, when it comes back or when the bar is collected."""

    class Moody(io.StringIO):
        is_gone = False

        def write(self, text):
            if self.is_gone:
                raise BrokenPipeError
            return super().write(text)

    stream = Moody()
    progress = shown(stream, mode=mode)
    progress.update(TALLY, NOW)
    progress.note("first")
    stream.is_gone = True
    progress.note("lost")
    stream.is_gone = False
    before = stream.getvalue()
    everything(progress)
    del progress
    gc.collect()
    assert "first" in before
    assert stream.getvalue() == before


@pytest.mark.parametrize("mode", ["bar", "plain", "json", "quiet"])
def test_a_display_can_be_used_after_its_end(mode):
    """Whoever is late says it in vain or not, but without an error."""
    stream = io.StringIO()
    everything(shown(stream, mode=mode))
    assert "mug" in stream.getvalue()
