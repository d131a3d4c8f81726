"""The page's server over a real state: what it gives out, what it refuses, how it tells what changes."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path

import pytest
from support import prometheus
from support.catalogue import RUN, jobs_of, pictures_of, state_of

from runner.batch import Control, Follower
from runner.batch.feed import Feed
from runner.batch.review import Review
from runner.errors import ConfigurationInvalid, InputMissing, StoppedEarly
from runner.live.server import LiveServer, bound
from runner.model import FilesMissing, JobState, Resumed
from runner.store import lock
from runner.store.lock import RunLock
from runner.store.store import Store

GOING_ON = replace(RUN, finished_at=None, exit_code=None)


@pytest.fixture
def folder(tmp_path):
    """A run directory of twenty jobs, with pictures and what is nobody's business."""
    directory = tmp_path / "run"
    state_of(directory, jobs_of(20), GOING_ON, is_over=False)
    pictures_of(directory)
    (tmp_path / "secret.png").write_bytes(b"secret")
    (directory / "secret.png").write_bytes(b"secret")
    (directory / "images" / "page.html").write_text("<script>")
    (directory / "images" / "out.png").symlink_to(tmp_path / "secret.png")
    (directory / "images" / "state.png").symlink_to(directory / "state.db")
    (directory / "images" / "loop.png").symlink_to("loop.png")
    (directory / "images" / "deep").symlink_to(tmp_path)
    return directory


@asynccontextmanager
async def served(directory, controls=None, feeds=Feed):
    """The server, and a function that asks it."""
    with closing(feeds(directory)) as feed, closing(bound(0)) as listener:
        async with LiveServer(listener, feed, controls) as server:
            token = server.url.rstrip("/").rpartition("/")[2]

            async def ask(target, method="GET", body="", **headers):
                """Exactly this request line; the status, the headers, the body."""
                given = {"Host": f"127.0.0.1:{server.port}", "Connection": "close", **headers}
                if body:
                    given |= {"Content-Type": "application/json", "Content-Length": str(len(body.encode()))}
                given = {name.replace("_", "-"): value for name, value in given.items() if value is not None}
                head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(f"{method} {target.replace('TOKEN', token)} HTTP/1.1\r\n{head}\r\n{body}".encode())
                answer = await reader.read()
                writer.close()
                top, _, rest = answer.partition(b"\r\n\r\n")
                lines = top.decode().split("\r\n")
                named = dict(line.split(": ", 1) for line in lines[1:])
                return int(lines[0].split()[1]), named, gzip.decompress(rest) if "Content-Encoding" in named else rest

            ask.server = server
            ask.origin = f"http://127.0.0.1:{server.port}"
            yield ask


async def said(ask, target, document, **headers):
    """What is answered to a document that the page posts."""
    status, _, body = await ask(target, "POST", json.dumps(document), **{"Origin": ask.origin, **headers})
    return status, body.decode().strip()


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/TOKEN/images/p1.jpg", 200),
        ("/TOKEN/images/p99.jpg", 404),
        ("/TOKEN/images/page.html", 404),
        ("/TOKEN/images/out.png", 404),
        ("/TOKEN/images/state.png", 404),
        ("/TOKEN/images/loop.png", 404),
        ("/TOKEN/images/deep/secret.png", 404),
        ("/TOKEN/images/../secret.png", 404),
        ("/TOKEN/images/../../secret.png", 404),
        ("/TOKEN/images/%2e%2e/secret.png", 404),
        ("/TOKEN/images/..%2fsecret.png", 404),
        ("/TOKEN/images/..%5csecret.png", 404),
        ("/TOKEN/images/%252e%252e/secret.png", 404),
        ("/TOKEN/images/./p1.jpg", 404),
        ("/TOKEN/images//p1.jpg", 404),
        ("/TOKEN/images/p1.jpg%00.png", 404),
        ("/TOKEN/images/%ff.png", 404),
        ("/TOKEN/images/", 404),
        ("/TOKEN/images", 404),
        ("/TOKEN/inputs/none.png", 404),
        ("/TOKEN/secret.png", 404),
        ("/TOKEN/state.db", 404),
        ("/TOKEN/run.lock", 404),
        ("/TOKEN/run.log", 404),
        ("/TOKEN/../TOKEN/state.db", 404),
        ("/TOKEN", 404),
        ("/images/p1.jpg", 404),
        ("/", 404),
        ("/TOKEN/say/stop", 405),
        ("/TOKEN/data/record/20", 404),
        ("/TOKEN/data/record/-1", 404),
        ("/favicon.ico", 204),
    ],
)
async def test_nothing_but_pictures_leaves_the_run_directory(folder, target, status):
    """Whatever a path says, and wherever a link leads; nothing is loaded by another page, guessed at or kept."""
    async with served(folder) as ask:
        found, headers, body = await ask(target)
    assert (found, b"secret" in body) == (status, False)
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == ("private, no-cache" if status == 200 else "no-store")
    assert not {name for name in headers if name.lower().startswith("access-control")}


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "status"),
    [
        ("GET", "/TOKEN/data/index", {"Host": "evil.example"}, "", 421),
        ("GET", "/metrics", {"Host": "evil.example"}, "", 421),
        ("GET", "http://127.0.0.1/TOKEN/", {"Host": "evil.example"}, "", 421),
        ("GET", "/TOKEN/", {"Host": ""}, "", 421),
        ("GET", "/TOKEN/", {"Host": None}, "", 400),
        ("GET", "/TOKEN/data/index", {"Origin": "http://evil.example"}, "", 403),
        ("GET", "/xTOKEN/data/index", {}, "", 404),
        ("POST", "/TOKEN/data/review", {}, "{}", 403),
        ("POST", "/TOKEN/data/review", {"Origin": "http://evil.example"}, "{}", 403),
        ("POST", "/xTOKEN/data/review", {"Origin": "OWN"}, "{}", 404),
        ("POST", "/TOKEN/data/review", {"Origin": "OWN"}, "", 415),
        ("POST", "/TOKEN/data/review", {"Origin": "OWN"}, "[" * 9000, 400),
        ("POST", "/TOKEN/data/review", {"Origin": "OWN"}, "x" * (4 << 20) + "x", 413),
        ("POST", "/TOKEN/say/pause", {"Origin": "OWN"}, "{}", 404),
        ("POST", "/TOKEN/", {"Origin": "OWN"}, "{}", 405),
        ("PUT", "/TOKEN/data/review", {"Origin": "OWN"}, "{}", 405),
        ("OPTIONS", "/TOKEN/data/review", {"Origin": "http://evil.example"}, "", 405),
        ("DELETE", "/TOKEN/images/p1.jpg", {"Origin": "OWN"}, "", 405),
        ("TRACE", "/TOKEN/", {}, "", 405),
        ("POST", "/metrics", {"Origin": "OWN"}, "{}", 405),
        ("non/sense", "/TOKEN/", {}, "", 400),
    ],
)
async def test_strangers_are_refused(folder, method, target, headers, body, status):
    """And a run in another process has no buttons: whoever asks, there is nothing to press."""
    async with served(folder) as ask:
        given = {name: ask.origin if value == "OWN" else value for name, value in headers.items()}
        found, _, answer = await ask(target, method, body, **given)
    assert (found, b"job-1" in answer, (folder / "review.json").exists()) == (status, False, False)


async def test_what_is_no_http_is_no_trouble(folder):
    """Nothing is said of it anywhere, since it may hold the token."""
    async with served(folder) as ask:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(ask.origin.rpartition(":")[2]))
        writer.write(b"\x16\x03\x01 /TOKEN/\r\n\r\n")
        assert b"400" in (await reader.read()).partition(b"\r\n")[0]
        writer.close()
        assert (await ask("/TOKEN/"))[0] == 200


async def test_the_page_asks_its_server_and_nobody_else(folder):
    """The one page, with one more right; the file on the disk keeps to itself."""
    async with served(folder) as ask:
        _, headers, page = await ask("/TOKEN/")
        _, _, index = await ask("/TOKEN/data/index")
        _, _, record = await ask("/TOKEN/data/record/3")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert "connect-src 'self'; base-uri 'none'" in page.decode()
    assert "file:" not in page.decode().partition("connect-src")[0]
    found = json.loads(index)
    assert (found["name"], found["phase"], found["id"]) == ("spring", "killed", [f"job-{n}" for n in range(20)])
    assert [(one["code"], one["count"]) for one in found["groups"]] == [
        ("input_unreachable", 1),
        ("no_usable_answer", 1),
    ]
    assert json.loads(record)[0]["job_id"] == "job-3"


async def test_two_servers_of_one_run_directory_lose_no_verdict(folder, monkeypatch):
    """A review is read, changed and written while nobody else does: who comes meanwhile waits, or is told."""
    monkeypatch.setattr(lock, "PATIENCE_S", 0)
    async with served(folder) as ask:
        record = json.loads((await ask("/TOKEN/data/record/1"))[2])[0]
        mark = {"job_id": "job-1", "of": record["request_id"][-8:], "verdict": "approved"}
        with lock.alone_in(folder):
            told = f"another process writes in {folder}: try again"
            assert await said(ask, "/TOKEN/data/review", {"jobs": [mark]}) == (503, told)
        assert not (folder / "review.json").exists()
        assert await said(ask, "/TOKEN/data/review", {"jobs": [mark]}) == (200, "{}")
    assert Review.read(folder / "review.json").verdicts["job-1"].word == "approved"


class Broken(Feed):
    """A feed with a bug."""

    def index(self):
        raise RuntimeError("a bug")


async def test_a_bug_of_the_page_is_an_answer_and_a_line_of_the_log(folder, caplog):
    """The rest goes on; so does the run, whose event loop it may be."""
    async with served(folder, feeds=Broken) as ask:
        assert (await ask("/TOKEN/data/index"))[::2] == (500, b"this is a bug of runcomfy-batch; run.log says more\n")
        assert (await ask("/TOKEN/"))[0] == 200
    told = [(one.message, one.error, one.reason) for one in caplog.records if one.name == "runner"]
    assert told == [("page broke", "RuntimeError", "a bug")]


async def test_a_bug_while_nobody_looks_on_is_a_line_of_the_log(folder, caplog):
    """It ends neither the page nor the run beside it."""

    class Broken(Feed):
        def look(self):
            raise RuntimeError("ahead")

    async with served(folder, feeds=Broken) as ask:
        while not ask.server._ahead.done():
            await asyncio.sleep(0.005)
        assert (await ask("/TOKEN/data/index"))[0] == 200
    assert [record.reason for record in caplog.records if record.msg == "page broke"] == ["ahead"]


async def test_a_state_that_breaks_meanwhile_is_said(folder):
    """To the page with its path, to a probe without."""
    async with served(folder) as ask:
        (folder / "state.db").write_bytes(b"no database" * 1000)
        status, _, told = await ask("/TOKEN/data/index")
        assert (status, b"cannot be read" in told) == (503, True)
        assert (await ask("/metrics"))[::2] == (503, b"nothing to read\n")


def test_figures_that_cannot_be_written_stop_nothing(night):
    """It is said once, and the run goes on."""
    said = []
    morning = night().run(control=Control(note=said.append), metrics_file=Path("/nonexistent/run.prom"))
    told = "--metrics-file /nonexistent/run.prom: No such file or directory; the run goes on without"
    assert (morning.exit_code, said) == (0, [told])


async def test_a_photo_elsewhere_on_the_machine_is_only_named(folder, tmp_path):
    """What the file on the disk may show is not given out over a port."""
    url = f"local:image/png;sha256={5:064x}"
    one = replace(jobs_of(1)[0].spec, job_id="own", inputs={"image_urls": [url]}, files={f"{5:064x}": "/home/me/a.png"})
    job = replace(jobs_of(1)[0], spec=one)
    state_of(tmp_path / "other", [job])
    async with served(tmp_path / "other") as ask:
        record = json.loads((await ask("/TOKEN/data/record/0"))[2])
        index = json.loads((await ask("/TOKEN/data/index"))[2])
    assert (record[1]["before"], index["before"]) == ([{"name": "a.png"}], [""])


# ------------------------------------------------------------------------------------------------------------- the news


def test_only_what_has_changed_is_read_again_and_sent(folder):
    """Each page from its own mark on; at rest there is nothing to say; a new run is a new beginning."""
    with closing(Feed(folder)) as feed, Store(folder) as store:
        assert json.loads(feed.update("").text) == {"anew": True}
        mark = feed.update("").mark
        assert not feed.update(mark).is_news
        store.record_now(store.job("job-5"), FilesMissing(at=RUN.started_at, artifacts=()))
        first = feed.update(mark)
        news = json.loads(first.text)
        assert (first.is_news, [(row[0], row[1][0], row[2]) for row in news["rows"]]) == (
            True,
            [(5, "result_known", "job-5")],
        )
        assert news["summary"]["counts"] == {"result_known": 1, "done": 17, "failed": 1, "in_doubt": 1}
        assert "groups" not in news
        store.record_now(store.job("job-6"), FilesMissing(at=RUN.started_at, artifacts=()))
        assert [row[0] for row in json.loads(feed.update(first.mark).text)["rows"]] == [6]
        assert [row[0] for row in json.loads(feed.update(mark).text)["rows"]] == [6, 5]
        store.begin_run(replace(GOING_ON, run_id="another"))
        assert json.loads(feed.update(mark).text) == {"anew": True}
        assert json.loads(feed.update("nonsense").text) == {"anew": True}


def test_an_index_that_is_at_hand_is_given_out_with_what_has_changed_since(tmp_path):
    """It is not made anew for each visitor; but where there is a job more, or the run has ended."""

    def index():
        return json.loads(gzip.decompress(feed.index()))

    directory = tmp_path / "run"
    state_of(directory, jobs_of(100), GOING_ON, is_over=False)
    with closing(Feed(directory)) as feed, Store(directory) as store:
        feed.look()
        first = index()
        store.record_now(store.job("job-5"), FilesMissing(at=RUN.started_at, artifacts=()))
        feed.look()
        assert index() == first
        update = json.loads(feed.update(first["mark"]).text)
        assert ([row[0] for row in update["rows"]], update["summary"]["counts"]["done"]) == ([5], 97)
        store.end_run(RUN)
        ended = index()
        assert (ended["phase"], ended["summary"]["counts"]["done"]) == ("ended", 97)
        store.begin_run(replace(GOING_ON, run_id="another"))
        assert index()["mark"] != ended["mark"]


def test_the_page_says_the_same_before_the_jobs_are_read(folder):
    """Verdict, banners, and whom it may ask for originals: of counts alone, in a moment."""
    with closing(Feed(folder)) as feed:
        glimpsed = feed.page()
        assert feed._follower is None
        feed.look()
        assert feed.page() == glimpsed
    assert "18 of 20 jobs are done; 1 failed; 1 in doubt" in glimpsed
    assert "https://cdn.shop.example" in glimpsed.partition("img-src")[2].partition(";")[0]


async def test_what_happens_is_read_before_anybody_asks(folder):
    """So that nobody waits for a whole night to be read: a visitor needs nothing but the latest news."""
    async with served(folder) as ask:
        while (feed := ask.server._source)._packed is None:
            await asyncio.sleep(0.005)
        assert gzip.decompress(feed._packed) == (await ask("/TOKEN/data/index"))[2]


def test_of_more_jobs_than_a_page_holds_a_run_reads_none_ahead(folder):
    """It would pay in memory for a page that perhaps nobody opens."""
    with closing(Feed(folder)) as feed:
        figures = feed.figures()
    few, many = (replace(figures, states={JobState.DONE: number}) for number in (20, 200_001))
    for figures, is_read in ((few, True), (many, False)):
        with closing(Feed(folder, lambda figures=figures: figures)) as feed:
            feed.look()
            assert (feed._follower is not None) is is_read


def test_a_follower_counts_as_a_whole_reading_does(folder):
    """However often a job changed in between; pace, troubles and what is in flight as well."""
    with Follower(folder) as follower, Store(folder) as store:
        first = follower.look()
        assert (first.is_running, first.open, first.left_s) == (False, 0, None)
        assert first.troubles == {"input_unreachable": 1, "no_usable_answer": 1}
        assert first.progressed_at == RUN.started_at
        for n in range(4, 7):
            job = store.record_now(store.job(f"job-{n}"), FilesMissing(at=RUN.started_at + n, artifacts=()))
            store.record_now(job, Resumed(at=RUN.started_at + 60))
        with RunLock(folder):
            then = follower.look()
        assert (then.is_running, then.open, then.progressed_at) == (True, 3, RUN.started_at + 60)
        with Follower(folder) as fresh:
            assert fresh.look().summary == then.summary
        assert then.summary.counts[JobState.RESULT_KNOWN] == 3


async def test_a_page_hears_of_news_and_of_the_end(folder):
    """Over one open connection; a break in the line is bridged by the mark of what was heard last."""
    async with served(folder) as ask:
        mark = json.loads((await ask("/TOKEN/data/index"))[2])["mark"]
        hearing = asyncio.create_task(ask(f"/TOKEN/events?mark={mark}"))
        again = asyncio.create_task(ask("/TOKEN/events?mark=nonsense", Last_Event_ID=mark))
        while ask.server._pages < 2:
            await asyncio.sleep(0.005)
        with Store(folder) as store:
            store.end_run(replace(RUN, stopped_because="max_cost"))
    for heard in (hearing, again):
        status, headers, body = await heard
        assert (status, headers["Content-Type"]) == (200, "text/event-stream")
        assert b"event: over" in body
        lines = [line for line in body.splitlines() if line.startswith(b'data: {"phase')]
        told = [json.loads(line.removeprefix(b"data: ")) for line in lines]
        assert (told[-1]["phase"], told[-1]["summary"]["stopped_because"]) == ("ended", "max_cost")


@pytest.mark.parametrize(("is_over", "told"), [(True, (200, b"ended\n")), (False, (503, b"killed\n"))])
async def test_probes_need_no_token_and_learn_nothing_private(tmp_path, is_over, told):
    """Numbers and a word: no name, no path, no id."""
    state_of(tmp_path / "run", jobs_of(20), RUN if is_over else GOING_ON, is_over=is_over)
    async with served(tmp_path / "run") as ask:
        assert (await ask("/healthz"))[::2] == told
        status, headers, text = await ask("/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = prometheus.read(text.decode())
    assert found["runcomfy_batch_jobs", 'state="done"'] == 18.0
    assert found["runcomfy_batch_job_seconds_count", None] == 18.0
    assert not {word for word in ("spring", "job-", str(tmp_path), "nano") if word in text.decode()}


# ----------------------------------------------------------------------------------------------------------- the review


async def test_verdicts_are_kept_in_the_run_directory(folder):
    """Each as it comes; what was said of other pictures stays, what is about a picture that is gone is not taken."""
    request = {n: job.request_id for n, job in enumerate(jobs_of(3))}
    old = {"job_id": "elsewhere", "verdict": "rejected", "request_id": "r", "prompt": None}
    (folder / "review.json").write_text(json.dumps({"schema": "runcomfy-batch.review/1", "jobs": [old]}))
    marks = [
        {
            "job_id": "job-0",
            "of": request[0][-8:],
            "verdict": "rejected",
            "tags": ["halo"],
            "note": "",
            "prompt": "Grey.",
        },
        {"job_id": "job-1", "of": "another!", "verdict": "approved"},
        {"job_id": "job-2", "of": request[2][-8:], "verdict": "approved"},
        {"job_id": "nobody", "of": "12345678", "verdict": "approved"},
    ]
    async with served(folder) as ask:
        assert await said(ask, "/TOKEN/data/review", {"jobs": marks}) == (200, "{}")
        read = json.loads((await ask("/TOKEN/data/review"))[2])
        review = Review.read(folder / "review.json")
        assert {name: (one.word, one.prompt, one.request_id) for name, one in review.verdicts.items()} == {
            "elsewhere": ("rejected", None, "r"),
            "job-0": ("rejected", "Grey.", request[0]),
            "job-2": ("approved", None, request[2]),
        }
        assert read["jobs"][1]["tags"] == ["halo"]
        taken_back = [{"job_id": "job-2", "of": request[2][-8:], "verdict": None, "tags": [], "note": "", "prompt": ""}]
        assert await said(ask, "/TOKEN/data/review", {"jobs": taken_back}) == (200, "{}")
        assert set(Review.read(folder / "review.json").verdicts) == {"elsewhere", "job-0"}
        for nonsense in ([], {"jobs": 1}, {"jobs": [1]}, {"jobs": [{"job_id": 1}]}, {"jobs": [marks[0] | {"tags": 1}]}):
            assert await said(ask, "/TOKEN/data/review", nonsense) == (400, "not a review")
        assert set(Review.read(folder / "review.json").verdicts) == {"elsewhere", "job-0"}


async def test_a_review_that_cannot_be_kept_is_told(folder):
    """The page has it still, and tries again."""
    (folder / "review.json").mkdir()
    async with served(folder) as ask:
        mark = {"job_id": "job-0", "of": jobs_of(1)[0].request_id[-8:], "verdict": "rejected"}
        status, told = await said(ask, "/TOKEN/data/review", {"jobs": [mark]})
    assert (status, "review.json cannot be written" in told) == (503, True)


# ------------------------------------------------------------------------------------------- the beginning and the end


def test_who_closes_a_feed_does_not_wait_for_a_million_jobs(tmp_path, monkeypatch):
    """A run that ends while a page reads all of them ends at once: the reading stops at its next breath."""
    state_of(tmp_path / "run", jobs_of(120), GOING_ON, is_over=False)
    monkeypatch.setattr("runner.batch.feed.BREATH_S", 0.1)
    feed = Feed(tmp_path / "run", lambda: pytest.fail("nobody asks for figures"))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(feed.index)
        while feed._follower is None:
            time.sleep(0.001)
        feed.close()
        with pytest.raises(StoppedEarly):
            reading.result()


def test_a_port_that_is_taken_is_an_error_of_its_own():
    """With the way out."""
    with closing(bound(0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationInvalid, match=f"cannot listen on 127.0.0.1:{port}: .*; port 0 takes a free"):
            bound(port)


def test_where_nothing_was_run_there_is_nothing_to_follow(tmp_path):
    """No state, and a state without a run."""
    with pytest.raises(InputMissing, match="is this a run directory"):
        Follower(tmp_path)
    Store(tmp_path).close()
    with Follower(tmp_path) as follower, pytest.raises(InputMissing, match="holds no run yet"):
        follower.look()
