"""The four reports: their contract to the letter, hostile content made harmless, and a crash that spoils none."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pages import unpacked

from runner.errors import StorageFailed
from runner.model import (
    Artifact,
    Attempt,
    AttemptState,
    Failure,
    FailureKind,
    Job,
    JobSpec,
    JobState,
    Money,
    Run,
    local_uri,
)
from runner.report import summarize, sweep_asides, write_reports
from runner.report.page import neutral
from runner.report.results import unsigned
from runner.report.summary import iso

S, A = JobState, AttemptState
AT = 1_700_000_000.0  # 2023-11-14T22:13:20Z
PRICE = Money(39_000)
SIGNED = "https://cdn.example/out/mug.png?X-Amz-Expires=60&X-Amz-Signature=canary"
REPORTS = ["report.html", "results.csv", "results.jsonl", "summary.json"]
RUN = Run(
    run_id="20231114T221320Z-a1b2c3",
    name="spring",
    manifest="manifests/spring.csv",
    api_base="https://model-api.runcomfy.net/v1",
    is_simulated=False,
    started_at=AT,
    finished_at=AT + 3661.5,
    exit_code=1,
    stopped_because=None,
)


def attempt(number=1, state=A.FINISHED, **more):
    values = {"payload_sha256": "p", "intended_at": AT, "reserved": PRICE, "cost": None, **more}
    return Attempt(number=number, state=state, **values)


def artifact(path="images/mug.png", index=1, **more):
    values = {"sha256": "5" * 64, "bytes": 1234, "width": 40, "height": 30, "format": "png", **more}
    return Artifact(path=path, source_url="https://cdn.example/out/mug.png", index=index, **values)


def job(job_id="mug", state=S.DONE, *, attempts=(), prompt="white background", row=None, **more):
    inputs = {"prompt": prompt, "image_urls": ["https://shop.example/mug.jpg"]}
    spec = JobSpec(job_id=job_id, model="m/edit", inputs=inputs, fingerprint="f" * 64, row=row or {}, source="a.csv:2")
    return Job(spec=spec, state=state, attempts=tuple(attempts), **more)


DONE = job(
    attempts=[attempt(request_id="r1", cost=PRICE, accepted_at=AT + 1, finished_at=AT + 31)],
    artifacts=(artifact("images/mug-1.png"), artifact("images/mug-2.mp4", 2, width=None, height=None, format="mp4")),
    outputs=(SIGNED, SIGNED),
    finished_at=AT + 32.25,
    row={"SKU": "0007", "Größe": "XL, „weit“"},
)
FAILED = job(
    "lamp",
    S.FAILED,
    attempts=[
        attempt(1, A.REFUSED, cost=None, failure=Failure(kind=FailureKind.THROTTLED, code="throttled", message="slow")),
        attempt(2, request_id="r2", cost=Money(0), accepted_at=AT + 2, finished_at=AT + 5),
    ],
    failure=Failure(kind=FailureKind.INPUT, code="input_unreachable", message=f"cannot load {SIGNED}"),
    finished_at=AT + 5,
    row={"SKU": "0008", "state": "old"},
)
IN_DOUBT = job("vase", S.IN_DOUBT, attempts=[attempt(state=A.IN_DOUBT)], failure=Failure(
    kind=FailureKind.TRANSIENT, code="no_usable_answer", message="HTTP 502: text/html, 'Bad gateway'"
), finished_at=AT + 9)  # fmt: skip
UNPRICED = job("bag", attempts=[attempt(request_id="r3", reserved=None, accepted_at=AT)], artifacts=(artifact(),))
PENDING = job("shoe", S.PENDING)
ALL = [DONE, FAILED, IN_DOUBT, UNPRICED, PENDING]


def write(directory, jobs, run=RUN):
    """Write the reports of these jobs."""
    return write_reports(directory, run, lambda: iter(jobs))


def lines(directory):
    """results.jsonl as objects."""
    return [json.loads(line) for line in (directory / "results.jsonl").read_text("utf-8").splitlines()]


def table(directory):
    """results.csv as a program reads it that knows its encoding."""
    text = (directory / "results.csv").read_bytes().decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


# ------------------------------------------------------------------------------------------------------ the contract


def test_results_jsonl_to_the_letter(tmp_path):
    """Every field, its type and its order."""
    write(tmp_path, ALL)
    first, second, *_ = found = lines(tmp_path)
    assert [one["job_id"] for one in found] == ["mug", "lamp", "vase", "bag", "shoe"]
    assert list(first.items()) == [
        ("schema", "runcomfy-batch.result/1"),
        ("job_id", "mug"),
        ("state", "done"),
        ("model", "m/edit"),
        ("request_id", "r1"),
        ("fingerprint", "f" * 64),
        ("inputs", {"prompt": "white background", "image_urls": ["https://shop.example/mug.jpg"]}),
        (
            "files",
            [
                {
                    "path": "images/mug-1.png",
                    "sha256": "5" * 64,
                    "bytes": 1234,
                    "width": 40,
                    "height": 30,
                    "format": "png",
                },
                {
                    "path": "images/mug-2.mp4",
                    "sha256": "5" * 64,
                    "bytes": 1234,
                    "width": None,
                    "height": None,
                    "format": "mp4",
                },
            ],
        ),
        ("cost_usd", 0.039),
        (
            "attempts",
            [
                {
                    "number": 1,
                    "state": "finished",
                    "request_id": "r1",
                    "intended_at": "2023-11-14T22:13:20.000Z",
                    "accepted_at": "2023-11-14T22:13:21.000Z",
                    "finished_at": "2023-11-14T22:13:51.000Z",
                    "reserved_usd": 0.039,
                    "cost_usd": 0.039,
                    "error": None,
                }
            ],
        ),
        ("error", None),
        ("submitted_at", "2023-11-14T22:13:21.000Z"),
        ("finished_at", "2023-11-14T22:13:52.250Z"),
        ("duration_s", 31.25),
        ("row", {"SKU": "0007", "Größe": "XL, „weit“"}),
    ]
    assert second["error"] == {
        "kind": "input",
        "code": "input_unreachable",
        "message": "cannot load https://cdn.example/out/mug.png?…",
    }
    assert second["attempts"][0]["error"] == {"kind": "throttled", "code": "throttled", "message": "slow"}
    assert (tmp_path / "results.jsonl").read_bytes().endswith(b"}\n")
    assert "Größe".encode() in (tmp_path / "results.jsonl").read_bytes()


def test_results_csv_to_the_letter(tmp_path):
    """Our columns in their order, then the source's; a BOM and CRLF, so that Excel reads it; unknown is empty."""
    write(tmp_path, ALL)
    data = (tmp_path / "results.csv").read_bytes()
    assert data.startswith(codecs.BOM_UTF8 + b'"job_id","state",')
    assert data.count(b"\n") == data.count(b"\r\n") == len(ALL) + 1
    ours = "job_id,state,request_id,files,cost_usd,error_kind,error_message,attempts,submitted_at,finished_at"
    assert table(tmp_path) == [
        [*ours.split(","), "duration_s", "SKU", "Größe", "row.state"],
        [
            *("mug", "done", "r1", "images/mug-1.png|images/mug-2.mp4", "0.039", "", "", "1"),
            *("2023-11-14T22:13:21.000Z", "2023-11-14T22:13:52.250Z", "31.25", "0007", "XL, „weit“", ""),
        ],
        [
            *("lamp", "failed", "r2", "", "0.0", "input", "cannot load https://cdn.example/out/mug.png?…", "2"),
            *("2023-11-14T22:13:22.000Z", "2023-11-14T22:13:25.000Z", "3.0", "0008", "", "old"),
        ],
        [
            *("vase", "in_doubt", "", "", "", "transient", "HTTP 502: text/html, 'Bad gateway'", "1"),
            *("2023-11-14T22:13:20.000Z", "2023-11-14T22:13:29.000Z", "9.0", "", "", ""),
        ],
        ["bag", "done", "r3", "images/mug.png", "", "", "", "1", "2023-11-14T22:13:20.000Z", "", "", "", "", ""],
        ["shoe", "pending", "", "", "0.0", "", "", "0", "", "", "", "", "", ""],
    ]


def test_summary_json_to_the_letter(tmp_path):
    """Every field, its type and its order; what was returned is what was written."""
    summary = write(tmp_path, ALL)
    text = (tmp_path / "summary.json").read_text("utf-8")
    assert text.endswith("}\n")
    assert list(json.loads(text).items()) == [
        ("run_id", "20231114T221320Z-a1b2c3"),
        ("manifest", "manifests/spring.csv"),
        ("counts", {"pending": 1, "done": 2, "failed": 1, "in_doubt": 1}),
        ("jobs", 5),
        ("images", 3),
        ("cost_usd", {"spent": 0.039, "reserved_in_doubt": 0.039, "unknown_jobs": 1}),
        ("started_at", "2023-11-14T22:13:20.000Z"),
        ("finished_at", "2023-11-14T23:14:21.500Z"),
        ("duration_s", 3661.5),
        ("exit_code", 1),
        ("stopped_because", None),
        ("api_base", "https://model-api.runcomfy.net/v1"),
        ("simulated", False),
    ]
    assert json.loads(text) == summary.as_dict()


@pytest.mark.parametrize(
    ("attempts", "cost"),
    [
        ([], 0.0),
        ([attempt(cost=Money(0))], 0.0),
        ([attempt(cost=Money(1))], 1e-06),
        ([attempt(1, cost=PRICE), attempt(2, cost=PRICE)], 0.078),
        ([attempt(1, A.REFUSED), attempt(2, A.NOT_SENT), attempt(3, cost=PRICE)], 0.039),
        ([attempt(state=A.ACCEPTED)], None),
        ([attempt(cost=None)], None),
        ([attempt(1, cost=PRICE), attempt(2, cost=None)], None),
        ([attempt(state=A.IN_DOUBT)], None),
        ([attempt(state=A.IN_DOUBT, reserved=None)], None),
        ([attempt(1, A.RELEASED), attempt(2, cost=PRICE)], None),
        ([attempt(state=A.WRITTEN_OFF)], None),
        ([attempt(state=A.INTENT)], None),
    ],
)
def test_an_unknown_cost_is_never_a_zero(tmp_path, attempts, cost):
    """Null for programs, an empty cell for spreadsheets, told of in the summary; what was not sent cost nothing."""
    summary = write(tmp_path, [job(attempts=attempts)])
    assert summary.unknown_jobs + bool(summary.reserved_in_doubt) == (cost is None)
    assert lines(tmp_path)[0]["cost_usd"] == cost
    assert table(tmp_path)[1][4] == ("" if cost is None else str(cost))


def test_a_run_without_jobs_has_reports(tmp_path):
    """Empty ones, not missing ones; and a run that is not over says so."""
    write(tmp_path, [], replace(RUN, finished_at=None, exit_code=None))
    assert sorted(path.name for path in tmp_path.iterdir()) == REPORTS
    assert lines(tmp_path) == []
    assert len(table(tmp_path)) == 1
    document = json.loads((tmp_path / "summary.json").read_text())
    assert (document["jobs"], document["counts"], document["cost_usd"]["spent"]) == (0, {}, 0.0)
    assert (document["finished_at"], document["duration_s"], document["exit_code"]) == (None, None, None)
    assert "exit not yet" in (tmp_path / "report.html").read_text()


# -------------------------------------------------------------------------------------------------- hostile content


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=cmd|'/C calc'!A0", "-"])
def test_no_cell_is_a_formula(tmp_path, cell):
    """In whatever column it stands: it begins with an apostrophe, so does a line of it, and it is otherwise whole."""
    failure = Failure(kind=FailureKind.REMOTE, code="x", message=cell)
    hostile = job(
        cell,
        S.FAILED,
        attempts=[attempt(request_id=cell)],
        artifacts=(artifact(cell),),
        failure=failure,
        row={"a": cell, cell: "b"},
    )
    write(tmp_path, [hostile])
    rows = table(tmp_path)
    assert [value for row in rows for value in row if re.match(r"\s*[=+@\-\t\r]", value)] == []
    shown = re.sub(r"([\t\r\n])", r"\1'", f"'{cell}")
    assert sum(value == shown for row in rows for value in row) == 6


def test_no_cell_breaks_out_of_its_column(tmp_path):
    """Quotes, separators, line ends and NUL stay inside."""
    given = 'a";"b",\r\n=1\n"c'
    write(tmp_path, [job(given, row={given: given, "nul": "a\0b"}), job("next")])
    header, first, second = table(tmp_path)
    text = given.replace("=", "'=")
    assert (header[-2:], first[0], first[-2:], second[0]) == ([text, "nul"], text, [text, "a\0b"], "next")


@pytest.mark.parametrize("place", ["inputs", "row", "failure", "prompt"])
@pytest.mark.parametrize(
    "query",
    ["X-Amz-Signature=canary", "Expires=1&Signature=canary&Key-Pair-Id=K", "sv=1&sig=canary", "token=canary"],
)
def test_no_presigned_query_gets_into_a_report(tmp_path, place, query):
    """It is a key to what it names, and reports are mailed around; the rest of the URL stays."""
    url = f"HTTPS://bucket.example/a/mug.png?{query}"
    text = f"see {url} and https://shop.example/p?id=5"
    failure = Failure(kind=FailureKind.INPUT, code="input_unreachable", message=text if place == "failure" else "gone")
    one = job(state=S.FAILED, failure=failure, outputs=(SIGNED,), prompt=text if place == "prompt" else "white")
    row = {"photo": url if place == "row" else "", "page": "https://shop.example/p?id=5"}
    one = replace(one, spec=replace(one.spec, row=row))
    if place == "inputs":
        one = replace(one, spec=replace(one.spec, inputs={"prompt": "white", "image_urls": [url, {"deep": url}]}))
    write(tmp_path, [one])
    for name in REPORTS:
        assert "canary" not in (tmp_path / name).read_text("utf-8"), name
    assert "bucket.example/a/mug.png?…" in (tmp_path / "results.jsonl").read_text("utf-8")
    assert lines(tmp_path)[0]["row"]["page"] == "https://shop.example/p?id=5"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://a.example/p?design=blue&signed_by=me", "https://a.example/p?design=blue&signed_by=me"),
        ("https://a.example/p?x=1&sig=k#top, b", "https://a.example/p?… b"),
        ("(http://a.example/p?sig=k) https://b.example/?token=t|https://c.example/?q=1", None),
        ("no URL?sig=k", "no URL?sig=k"),
    ],
)
def test_only_keys_are_taken_from_urls(text, expected):
    """A query that names a product stays."""
    expected = expected or "(http://a.example/p?… https://b.example/?…|https://c.example/?q=1"
    assert unsigned(text) == expected


def test_inputs_are_told_in_short(tmp_path):
    """A picture in the manifest by its size: megabytes of base64 help nobody. A URL without its query."""
    one = job()
    picture = "data:image/png;base64," + "A" * 10_000
    inputs = {"prompt": "x?", "image_urls": [picture, "https://shop.example/mug.jpg?v=3"], "seed": 7}
    write(tmp_path, [replace(one, spec=replace(one.spec, inputs=inputs))])
    told = ["data:image/png;base64,… (9 kB)", "https://shop.example/mug.jpg?…"]
    assert lines(tmp_path)[0]["inputs"] == {"prompt": "x?", "image_urls": told, "seed": 7}
    assert sum((tmp_path / name).stat().st_size for name in REPORTS if name != "report.html") < 5000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("white\u202egnp.exe", "whitegnp.exe"),
        ("a\x00b\x1b[31mc\x07", "ab[31mc"),
        ("\u2066a\u2069\u200f\u061c", "a"),
        ("half \ud83d of a pair", "half  of a pair"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("白い\u3000背景", "白い\u3000背景"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
        ("क्\u200dष", "क्\u200dष"),
        ("no\u00a0break", "no\u00a0break"),
    ],
)
def test_text_on_the_page_is_readable_and_tells_the_truth(text, expected):
    """What drives a terminal or turns text around is dropped; what a script needs to be written stays."""
    assert neutral(text) == expected


# ---------------------------------------------------------------------------------------------------- on a real disk


def test_reports_are_replaced_whole_or_not_at_all(tmp_path):
    """A failure in the middle of the second writing leaves the first ones, and nothing besides."""
    write(tmp_path, ALL)
    before = {name: (tmp_path / name).read_bytes() for name in REPORTS}
    passes = 0

    def jobs():
        nonlocal passes
        passes += 1
        yield DONE
        if passes > 1:
            raise RuntimeError("the machine stops here")

    with pytest.raises(RuntimeError):
        write_reports(tmp_path, RUN, jobs)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


DIE = """
import os, pathlib, signal, sys
from runner.model import Job, JobSpec, Run
from runner.report import write_reports

def jobs(passes=[]):
    passes.append(1)
    for number in range(1000):
        if len(passes) == 2 and number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield Job(spec=JobSpec(job_id=f"new-{number}", model="m", inputs={"prompt": "x" * 500}, fingerprint="f"))

run = Run(run_id="r", name="n", manifest="m", api_base="a", is_simulated=False, started_at=1.0)
write_reports(pathlib.Path(sys.argv[1]), run, jobs)
"""


@pytest.mark.parametrize("number", [0, 900])
def test_a_kill_while_writing_leaves_the_reports_that_were_there(tmp_path, number):
    """Each report is the old one or the new one, never a part of one."""
    write(tmp_path, ALL)
    before = {name: (tmp_path / name).read_bytes() for name in REPORTS}
    done = subprocess.run([sys.executable, "-c", DIE, str(tmp_path), str(number)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert {name: (tmp_path / name).read_bytes() for name in REPORTS} == before
    assert {path.name for path in tmp_path.iterdir()} > {*REPORTS}
    sweep_asides(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*REPORTS}


def test_a_run_sweeps_away_what_a_killed_one_left(night):
    """And nothing that a process which lives may be writing, nor what is no report's."""
    nights = night(jobs=1)
    nights.run()
    left, kept = ".report.html.999999999", {f".summary.json.{os.getppid()}", ".report.html.mine", ".notes.999999999"}
    for name in (left, *kept):
        (nights.out / name).touch()
    assert nights.run().exit_code == 0
    assert {path.name for path in nights.out.glob(".*")} == kept


def test_a_report_that_cannot_be_written_says_which(tmp_path):
    """The state is safe, and so is what else was there."""
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(StorageFailed, match=r"results\.csv cannot be written: .* The state is safe"):
        write(tmp_path, ALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.jsonl"]


def test_money_adds_up_to_the_last_micro_dollar():
    """In integers; a hundred thousand prices make no rounding error."""
    one = job(attempts=[attempt(cost=Money(39_001))])
    assert summarize(RUN, (one for _ in range(100_000))).as_dict()["cost_usd"]["spent"] == 3900.1


@given(st.floats(0, 4e9))
def test_instants_are_written_as_the_standard_library_would(instant):
    """Only faster: a night has five for each job."""
    expected = datetime.fromtimestamp(instant, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert iso(instant) == expected


# -------------------------------------------------------------------------------------------------- what the page holds


def test_the_page_holds_every_record_and_a_row_of_the_index_for_it(tmp_path):
    """Whole records in blocks; columns of equal length; what a stranger wrote only packed, in letters of base64."""
    jobs = [replace(one, spec=replace(one.spec, job_id=f"{one.job_id}-{n}")) for n in range(250) for one in ALL]
    write(tmp_path, jobs)
    index, records = unpacked((tmp_path / "report.html").read_text("utf-8"))
    assert [record for record, _ in records] == lines(tmp_path)
    assert index["id"] == [one.job_id for one in jobs]
    few = [value["rows"] for value in index.values() if isinstance(value, dict) and "rows" in value]
    each = [value for name, value in index.items() if isinstance(value, list) and name != "groups"]
    assert {len(column) for column in (*few, *each)} == {len(jobs)}
    assert len(index["request"]) == 8 * len(jobs)
    assert index["picture"][:5] == ["images/mug-1.png", "", "", "images/mug.png", ""]
    assert index["cost"][:5] == [39_000, 0, -1, -1, 0]
    assert [(group["code"], group["state"], group["count"]) for group in index["groups"]] == [
        ("input_unreachable", "failed", 250),
        ("no_usable_answer", "in_doubt", 250),
    ]
    assert index["groups"][0]["command"].endswith(" --retry input_unreachable")


def test_a_page_of_very_many_jobs_leaves_some_out_and_says_so(tmp_path, monkeypatch):
    """Of those that are done, and of the rest; each failure is counted, and results.csv has them all."""
    monkeypatch.setattr("runner.report.page.MOST", {"done": 3, "other": 2})
    write(tmp_path, [replace(one, spec=replace(one.spec, job_id=f"{one.job_id}-{n}")) for n in range(3) for one in ALL])
    index, records = unpacked((tmp_path / "report.html").read_text("utf-8"))
    assert index["id"] == ["mug-0", "lamp-0", "vase-0", "bag-0", "mug-1"]
    assert (len(records), index["left"], len(table(tmp_path))) == (5, 10, 16)
    assert [group["count"] for group in index["groups"]] == [3, 3]


def test_originals_are_found_and_their_hosts_allowed(tmp_path):
    """Drawn photos and local ones by path, https by URL; never with a key in it, nor http."""
    strange = "https://x.example;script-src/a.jpg"
    urls = [
        "https://shop.example/a.jpg?v=3",
        SIGNED,
        "http://shop.example/b.jpg",
        strange,
        "data:image/png;base64,AAAA",
    ]
    url = "https://shop.example/drawn.jpg"
    (tmp_path / "out" / "inputs").mkdir(parents=True)
    (tmp_path / "out" / "inputs" / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.jpg").write_bytes(b"")
    local = local_uri("image/png", "5" * 64)
    inputs = {"image_urls": [*urls, url, local], "prompt": "see https://other.example/"}
    one = replace(DONE, spec=replace(DONE.spec, inputs=inputs, files={"5" * 64: str(tmp_path / "photos" / "mug.png")}))
    write(tmp_path / "out", [one])
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    [(_, more)] = unpacked(page)[1]
    assert [{**one, "name": None} for one in more["before"]] == [
        {"name": None, "url": urls[0]},
        {"name": None},
        {"name": None},
        {"name": None},
        {"name": None},
        {"name": None, "file": f"inputs/{hashlib.sha256(url.encode()).hexdigest()[:16]}.jpg"},
        {"name": None, "file": "../photos/mug.png"},
    ]
    assert " img-src 'self' file: https://shop.example; " in page


def test_a_policy_has_room_for_a_few_hosts_only(tmp_path):
    """Originals from further ones are named, and not loaded."""
    jobs = [replace(DONE, spec=replace(DONE.spec, inputs={"image": f"https://h{n}.example/a.jpg"})) for n in range(40)]
    write(tmp_path, jobs)
    page = (tmp_path / "report.html").read_text("utf-8")
    assert len(re.findall(r"https://h\d+\.example[ ;]", page)) == 16
    assert sum("url" in more["before"][0] for _, more in unpacked(page)[1]) == 16
