"""The four reports: their contract to the letter, hostile content made harmless, and a crash that spoils none."""

from __future__ import annotations

import base64
import codecs
import csv
import hashlib
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

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
)
from runner.report import summarize, write_reports
from runner.report.page import neutral
from runner.report.results import unsigned

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
    """In whatever column it stands: it begins with an apostrophe and is otherwise whole."""
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
    assert sum(value == f"'{cell}" for row in rows for value in row) == 6


def test_no_cell_breaks_out_of_its_column(tmp_path):
    """Quotes, separators, line ends and NUL stay inside."""
    text = 'a";"b",\r\n=1\n"c'
    write(tmp_path, [job(text, row={text: text, "nul": "a\0b"}), job("next")])
    header, first, second = table(tmp_path)
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


# ------------------------------------------------------------------------------------------------------- in a browser

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
PWN = "document.title='pwned';document.body.id='pwned'"


class Dom(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._tag = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._tag = tag

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        self.texts[self._tag] = self.texts.get(self._tag, "") + data

    @property
    def attributes(self):
        return [(name, value or "") for _, attributes in self.elements for name, value in attributes.items()]


def parsed(path, tmp_path):
    """The page as it is written."""
    return path.read_text("utf-8")


def browsed(path, tmp_path):
    """The page as a browser has it after its scripts had time to run."""
    profile = tmp_path / "profile"
    quiet = ("background-networking", "component-update", "sync", "quic", "gpu")
    flags = ["--headless", "--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    done = subprocess.run(
        [BROWSER, *flags, f"--user-data-dir={profile}", "--virtual-time-budget=3000", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    shutil.rmtree(profile, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


READERS = [parsed, *([browsed] if BROWSER else [])]
"""A machine without a browser reads the page with a parser only."""


@pytest.fixture
def ear():
    """A server that must never be called: its port, and whether it was."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        def was_called():
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield listener.getsockname()[1], was_called


def hostile(port):
    """A run and jobs that carry an attack wherever a stranger's text goes."""
    there = f"http://127.0.0.1:{port}/leak"
    attacks = [
        f"<script>{PWN}</script>",
        f'"><img src=x onerror="{PWN}"><img src="{there}">',
        f"</script><script>{PWN}</script>",
        f"</title><script>{PWN}</script>",
        f"</style><script>{PWN}</script>",
        f"--><svg/onload={PWN}>",
        f"' onmouseover={PWN} autofocus onfocus={PWN} x='",
        f"javascript:{PWN}//",
        f'<iframe srcdoc="<script>parent.{PWN}</script>"></iframe>',
        f'<meta http-equiv="refresh" content="0;url={there}">',
        f'<link rel=stylesheet href="{there}"><base href="{there}">',
        f"{{{{ 7 * 7 }}}}{{% raw %}}<b id=pwned>&lt;script&gt;{PWN}&lt;/script&gt;",
        "\u202e\u2066\x00\x08<plaintext>",
    ]
    jobs = []
    for number, text in enumerate(attacks):
        failure = Failure(kind=FailureKind.REMOTE, code=f"{number}{text}", message=text)
        spec = JobSpec(
            job_id=text, model=text, inputs={"prompt": text, "image_urls": [text]}, fingerprint=text, row={text: text}
        )
        files = tuple(artifact(path, index) for index, path in enumerate((text, f"//127.0.0.1:{port}/leak.png"), 1))
        tried = (attempt(request_id=text, cost=PRICE, accepted_at=AT),)
        jobs.append(Job(spec=spec, position=number, state=S.DONE, attempts=tried, artifacts=files))
        jobs.append(Job(spec=spec, position=number, state=S.FAILED, attempts=tried, failure=failure))
    everything = "".join(attacks)
    run = replace(RUN, name=everything, manifest=everything, stopped_because=everything, api_base=everything)
    return replace(run, run_id=everything), jobs


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("is_guarded", [True, False], ids=["with its policy", "without its policy"])
def test_nothing_injected_runs(tmp_path, ear, read, is_guarded):
    """No script, no request, no foreign element: escaping alone holds, without the page's own security policy too."""
    port, was_called = ear
    run, jobs = hostile(port)
    write(tmp_path, jobs, run)
    path = tmp_path / "report.html"
    if not is_guarded:
        page, count = re.subn(r"<meta http-equiv=.*?>\n", "", path.read_text("utf-8"), count=1)
        assert count == 1
        path.write_text(page, "utf-8")
    dom = Dom(read(path, tmp_path))
    assert dom.texts["title"].endswith("· runcomfy-batch")
    assert not set(path.read_text("utf-8")) & set("\x00\x08\u202e\u2066")
    assert "pwned" not in {value for name, value in dom.attributes if name == "id"}
    assert not {tag for tag, _ in dom.elements} & {"script", "svg", "iframe", "link", "base", "plaintext"}
    assert [name for name, _ in dom.attributes if name.startswith("on") or name == "srcdoc"] == []
    places = [value for name, value in dom.attributes if name in ("src", "href")]
    assert [place for place in places if not re.match(r"#|[A-Za-z0-9_.%'-][^:]*$", place)] == []
    assert dom.texts["h1"] == "13 of 26 jobs are done; 13 failed."
    assert not was_called()


@pytest.mark.parametrize("read", READERS)
def test_the_policy_holds_where_escaping_would_not(tmp_path, ear, read):
    """A second wall: markup that somehow got into the page neither runs nor calls anybody."""
    port, was_called = ear
    write(tmp_path, ALL)
    path = tmp_path / "report.html"
    there = f"http://127.0.0.1:{port}/leak"
    worst = f"""<script>{PWN}</script><img src="{there}" onerror="{PWN}"><link rel=stylesheet href="{there}">"""
    path.write_text(path.read_text("utf-8").replace("<main>", f"<main>{worst}"), "utf-8")
    dom = Dom(read(path, tmp_path))
    assert dom.texts["title"] == "spring · runcomfy-batch"
    assert "pwned" not in {value for name, value in dom.attributes if name == "id"}
    assert not was_called()
    digest = base64.b64encode(hashlib.sha256(dom.texts["style"].encode()).digest()).decode()
    policy = next(attributes["content"] or "" for _, attributes in dom.elements if "http-equiv" in attributes)
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src 'self' file:",
        "media-src 'self' file:",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


@pytest.mark.parametrize("read", READERS)
def test_the_page_tells_the_night(tmp_path, read):
    """The verdict, each count, the money, what to do about each failure, and every picture by a relative path."""
    write(tmp_path, ALL, replace(RUN, stopped_because="max_duration"))
    html = read(tmp_path / "report.html", tmp_path)
    dom = Dom(html)
    text = " ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL).split())
    assert "2 of 5 jobs are done; 1 failed; 1 in doubt: perhaps paid, perhaps not; 1 not submitted yet." in text
    assert "Stopped early: max duration. The same command goes on." in text
    for tile in ("2 done", "1 failed", "1 in doubt", "3 files", "$0.04 spent", "$0.04 set aside"):
        assert tile in text, tile
    assert "runcomfy-batch run manifests/spring.csv --out" in text
    assert "--retry input_unreachable" in text
    assert f"runcomfy-batch doubts {tmp_path}" in text
    for one in (DONE, FAILED, IN_DOUBT, UNPRICED):
        assert one.job_id in text
    sources = [attributes["src"] for _, attributes in dom.elements if "src" in attributes]
    assert sources == ["images/mug-1.png", "images/mug-2.mp4", "images/mug.png"]


def test_a_simulated_run_says_so(tmp_path):
    """Play money must not be taken for money."""
    write(tmp_path, ALL, replace(RUN, is_simulated=True))
    page = (tmp_path / "report.html").read_text()
    assert "Simulated." in page
    assert "play money" in page
    assert "--simulate" in page


# ---------------------------------------------------------------------------------------------------- on a real disk


def test_reports_are_replaced_whole_or_not_at_all(tmp_path):
    """A failure in the middle of the second writing leaves the first one, and nothing besides."""
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
        if len(passes) == int(sys.argv[2]) and number == 900:
            os.kill(os.getpid(), signal.SIGKILL)
        yield Job(spec=JobSpec(job_id=f"new-{number}", model="m", inputs={"prompt": "x" * 500}, fingerprint="f"))

run = Run(run_id="r", name="n", manifest="m", api_base="a", is_simulated=False, started_at=1.0)
write_reports(pathlib.Path(sys.argv[1]), run, jobs)
"""


@pytest.mark.parametrize("passes", [2, 4, 5])
def test_a_kill_while_writing_leaves_readable_reports(tmp_path, passes):
    """Each report is the old one or the new one, never a part of one."""
    write(tmp_path, ALL)
    done = subprocess.run([sys.executable, "-c", DIE, str(tmp_path), str(passes)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(lines(tmp_path)) == (5 if passes == 2 else 1000)
    assert len(table(tmp_path)) == (1001 if passes == 5 else 6)
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert json.loads((tmp_path / "summary.json").read_text())["jobs"] == 5


def test_a_report_that_cannot_be_written_says_which(tmp_path):
    """The state is safe, and so is what else was there."""
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(StorageFailed, match=r"results\.csv cannot be written: .* The state is safe"):
        write(tmp_path, ALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.csv", "results.jsonl"]


def test_two_thousand_jobs_are_reported_in_seconds(tmp_path):
    """The page shows as many of a kind as a browser likes, and says how many more there are."""
    jobs = [replace(DONE, spec=replace(DONE.spec, job_id=f"job-{n}"), position=n) for n in range(2_100)]
    began = time.perf_counter()
    summary = write(tmp_path, jobs)
    assert time.perf_counter() - began < 10
    assert (summary.jobs, summary.images, summary.spent) == (2_100, 4_200, 2_100 * PRICE)
    assert (len(lines(tmp_path)), len(table(tmp_path))) == (2_100, 2_101)
    page = (tmp_path / "report.html").read_text()
    assert page.count('<article class="card') == 2_000
    assert "The first 2,000 are shown; 100 more are in results.csv" in page


def test_money_adds_up_to_the_last_micro_dollar():
    """In integers; a hundred thousand prices make no rounding error."""
    one = job(attempts=[attempt(cost=Money(39_001))])
    assert summarize(RUN, (one for _ in range(100_000))).as_dict()["cost_usd"]["spent"] == 3900.1
