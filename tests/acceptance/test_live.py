"""A run that is looked at and spoken to while it goes on: by a terminal, a browser, a collector of figures."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from support import prometheus
from support.catalogue import RUN, jobs_of, state_of
from support.chromium import CHROMIUM, Browser
from support.nursery import nursery
from support.processes import command, environment, simulator, wait_until, write_jobs

from runner.batch.review import Review
from runner.live.server import bound
from runner.store.lock import RunLock
from runner.store.reader import Reader

AXE = next((path for path in (Path(os.environ.get("AXE_CORE", "axe.min.js")),) if path.is_file()), None)
JOBS = 300
"""More than can be done before it is stopped, on however slow a machine."""
COUNT = "+(document.querySelector('#tiles .s-done b')?.textContent ?? 0)"
FACTS = "document.querySelector('#live').innerText"


class Started:
    """A command that stays: what it says, and how it ends."""

    def __init__(self, pid, heard):
        self.pid = pid
        self.heard = heard
        self.is_over = False
        self._nursery = nursery()  # this thread's

    def line(self, pattern):
        """What the first such line holds, once it is said."""
        return next(found[0] for line in self.heard if (found := re.search(pattern, line)))

    def ended(self):
        """The rest of what it says, and its exit code: its end closes the stream."""
        rest = self.heard.read()
        return rest, self.end()

    def end(self):
        """Its exit code; it is asked to end where it has not."""
        self.is_over = True
        return self._nursery.end(self.pid)


@contextmanager
def started(cwd, *arguments, stream="stderr", **env):
    """Start a command; one of its streams is heard, the other goes nowhere."""
    ours, theirs = os.pipe()
    with Path(os.devnull).open("w") as nowhere, os.fdopen(ours, errors="replace") as heard:
        files = (nowhere.fileno(), theirs) if stream == "stderr" else (theirs, nowhere.fileno())
        order = {"arguments": [*map(str, arguments)], "cwd": str(cwd), "env": environment(**env), "stays": True}
        pid = nursery()._order(order, *files)
        os.close(theirs)
        process = Started(pid, heard)
        try:
            yield process
        finally:
            if not process.is_over:  # the test has failed
                process.end()


# --------------------------------------------------------------------------------------------------------- the browser


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
async def test_a_night_is_followed_and_steered_from_its_page(tmp_path):
    """Counts move under a filter that stays; a pause holds every POST back; a stop is one Ctrl-C; the end is told."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    with simulator(tmp_path, "--slots", "4", "--latency", "0.4") as service:
        choices = ("--serve", "jobs.jsonl", "--out", "out", "--yes", "--concurrency", "4")
        with started(tmp_path, "run", *choices, **service.env) as run:
            url = await asyncio.to_thread(run.line, r"http://127\.0\.0\.1:\d+/\S+/")
            async with Browser() as browser:
                await browser.window(1400, 900)
                await browser.open(url)
                await _follows(browser)
                await _keeps_its_place(browser)
                await _obeys(browser, service)
                await _keeps_verdicts(browser, tmp_path / "out")
                if AXE is not None:
                    await _is_for_everybody(browser)
                await browser.click("#live-stop")
                await browser.click("#live-stop")
                await browser.until(f"{FACTS}.includes('stopped early: interrupted exit 130')")
                assert await browser.all("#live-run", "id") == []
                assert [one for one in browser.complaints if "Failed to load" not in one] == []
                said, code = await asyncio.to_thread(run.ended)
                await _outlives_its_server(browser, tmp_path / "out")
                assert [one for one in browser.complaints if "Failed to load" not in one] == []
                assert {u.split("/")[2] for u in browser.requests if not u.startswith("blob:")} == {url.split("/")[2]}
        assert (code, "leaving" in said) == (130, False)
        assert max(service.ledger()["by_payload"].values()) == 1
    token = url.rstrip("/").rpartition("/")[2].encode()
    kept = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and token in path.read_bytes()]
    assert kept == []
    await _shows_an_ended_run(tmp_path)


async def _follows(browser):
    """The verdict and the figures go on, and what a person chose stays."""
    await browser.enter("#query", "state:done")
    await browser.until("location.hash.includes('state')")
    first = await browser.until(COUNT)
    verdict = await browser.js("document.querySelector('h1').textContent")
    await browser.until(f"{COUNT} > {first} && document.querySelectorAll('#pad .card img').length > {first}")
    assert await browser.js("document.querySelector('#query').value") == "state:done"
    assert await browser.js("document.querySelector('h1').textContent") != verdict
    assert await browser.until("[...document.querySelectorAll('#pad img')].every(one => one.naturalWidth > 0)")
    assert (await browser.js("document.querySelector('#live-word').textContent")) == "live"


async def _keeps_its_place(browser):
    """Who is in the middle of the jobs is not moved; what came meanwhile is offered, and then there."""
    await browser.click(".chip.clear")
    await browser.enter("#size", "420")
    await browser.js("scrollTo(0, 700)")
    await browser.frame()
    before = await browser.all("#pad .name", "textContent")
    done = await browser.js(COUNT)
    await browser.until(f"{COUNT} > {done} && document.querySelector('#live-held').textContent.includes('changed')")
    assert await browser.js("scrollY") == 700
    assert await browser.all("#pad .name", "textContent") == before
    await browser.click("#live-held")
    await browser.until("document.querySelector('#live-held').hidden || scrollY < 700")
    await browser.js("scrollTo(0, 0)")


async def _obeys(browser, service):
    """Nothing is posted in a pause, though every slot is free; fewer at once; then it goes on."""
    await browser.click("#live-pause")
    await browser.until(f"{FACTS}.includes('paused') && {FACTS}.includes('0 requests in flight')")
    posts = service.ledger()["posts"]
    await browser.enter("#live-cap", "2")
    await browser.until(f"{FACTS}.includes('of 2 at most')")
    assert service.ledger()["posts"] == posts < JOBS
    await browser.enter("#live-cap", "90")
    assert await browser.js("document.querySelector('#live-cap').checkValidity()") is False
    await browser.enter("#live-cap", "4")
    await browser.click("#live-pause")
    await browser.until(f"{FACTS}.includes('4 requests in flight')")
    assert service.ledger()["posts"] > posts


async def _keeps_verdicts(browser, directory):
    """Approved by a key; it is in the run directory without anything being downloaded. An open job stays open."""
    await browser.js("location.hash = '#q=state%3Adone'")
    latest = await browser.until("document.querySelector('#pad .name')?.textContent")
    await browser.js(f"location.hash = '#q=state%3Adone&job={latest}'")
    await browser.until("document.querySelector('#detail').open")
    await browser.key("r")
    await browser.until(f"document.querySelector('#detail-title').textContent !== '{latest}'")
    await asyncio.to_thread(wait_until, (directory / "review.json").exists)
    assert list(Review.read(directory / "review.json").rejected) == [latest]
    done = await browser.js(COUNT)
    await browser.until(f"{COUNT} > {done}")
    assert await browser.js("document.querySelector('#detail').open")
    await browser.key("Escape")


async def _outlives_its_server(browser, directory):
    """The end says lastingly where to go on; what is said of pictures from now on is in the file that is saved."""
    await browser.until("document.querySelector('#live-over')")
    assert "or runcomfy-batch serve out Copy" in " ".join((await browser.js(FACTS)).split())
    await browser.js("location.hash = '#q=state%3Adone%20review%3Anone'")
    job = await browser.until("location.hash.includes('none') && document.querySelector('#pad .name')?.textContent")
    await browser.js(f"location.hash += '&job={job}'")
    await browser.until("document.querySelector('#detail').open")
    assert "This job cannot be shown: the server of this page has ended" in await browser.js(
        "document.querySelector('#detail').innerText"
    )
    await browser.key("a")
    await browser.key("Escape")
    await browser.until(f"{FACTS}.includes('1 mark not in the run directory: Save review.json')")
    review = Review.read(await browser.download(directory.parent / "downloads", "#review-save"))
    with Reader(directory) as reader:
        words = [review.word_of(reader.job(job_id)) for job_id in review.verdicts]
        assert (review.word_of(reader.job(job)), sorted(words)) == ("approved", ["approved", "rejected"])


async def _is_for_everybody(browser):
    """Nothing serious for those who do not see it, light and dark, wide and narrow."""
    await browser.js(AXE.read_text("utf-8") + "; 1")
    for width, is_dark in ((1400, False), (390, True)):
        await browser.window(width, 900, is_dark=is_dark)
        for _ in range(3):  # the run goes on: a colour may change just as it is looked at
            await browser.until("!document.getAnimations().some(one => one instanceof CSSTransition)")
            found = await browser.js("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
            told = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
            if not told:
                break
        assert told == [], width
        assert await browser.js("document.documentElement.scrollWidth") <= width
    await browser.window(1400, 900)


async def _shows_an_ended_run(tmp_path):
    """`serve` in the morning, by another name of the host: what was said of the pictures is there; no buttons are."""
    with started(tmp_path, "serve", "out") as serving:
        url = await asyncio.to_thread(serving.line, r"http://127\.0\.0\.1:\d+/\S+/")
        async with Browser() as browser:
            await browser.window(390, 844)
            await browser.open(url.replace("127.0.0.1", "localhost"))
            await browser.until(f"{FACTS}.includes('stopped early: interrupted exit 130')")
            assert await browser.js("document.querySelector('#live-run').checkVisibility()") is False
            assert "1 of" in await browser.js("document.querySelector('#review-count').textContent")
            os.kill(serving.pid, signal.SIGKILL)
            assert (await asyncio.to_thread(serving.ended))[1] == -signal.SIGKILL
            await browser.until(f"{FACTS}.includes('lost contact')")


# -------------------------------------------------------------------------------------------------------- the terminal


def test_a_night_is_watched_and_reported_while_it_goes_on(tmp_path):
    """In place on a terminal, a line now and then elsewhere, an object a line; reports and figures at any time."""
    write_jobs(tmp_path / "jobs.jsonl", JOBS)
    out, watch = tmp_path / "out", ("status", "out", "--watch")
    mine, terminal = pty.openpty()
    with simulator(tmp_path, "--slots", "2", "--latency", "1") as service:
        choices = ("jobs.jsonl", "--out", "out", "--yes", "--concurrency", "2", "--metrics-file", "figures.prom")
        with started(tmp_path, "run", *choices, "--report-every", "1s", **service.env) as run:
            wait_until(lambda: service.ledger()["accepted"] >= 3)
            order = {"arguments": [*watch], "cwd": str(tmp_path), "env": environment(TERM="xterm"), "stays": True}
            seeing = nursery()._order(order, terminal, terminal)
            os.close(terminal)
            with (
                started(tmp_path, *watch, stream="stdout") as lines,
                started(tmp_path, *watch, "--json", stream="stdout") as objects,
            ):
                reported = command("report", "out", cwd=tmp_path)
                assert (reported.returncode, len((out / "results.jsonl").read_text().splitlines())) == (0, JOBS)
                assert json.loads((out / "summary.json").read_text())["finished_at"] is None
                (out / "report.html").unlink()
                wait_until((out / "report.html").exists)
                assert json.loads((out / "summary.json").read_text())["finished_at"] is None
                accepted = service.ledger()["accepted"]
                wait_until(lambda: service.ledger()["accepted"] >= accepted + 5)  # all who look on have seen less
                os.kill(run.pid, signal.SIGINT)
                assert run.ended()[1] == 130
                documents, paper = objects.ended(), lines.ended()
    seen = [json.loads(line) for line in documents[0].splitlines()]
    assert [one["running"] for one in seen] == [True] * (len(seen) - 1) + [False]
    counts = json.loads((out / "summary.json").read_text())["counts"]
    assert (seen[-1]["exit_code"], seen[-1]["counts"], documents[1], paper[1]) == (130, counts, 0, 0)
    assert seen[0]["counts"].get("done", 0) < counts["done"] < JOBS
    assert f"done {counts['done']}" in paper[0].splitlines()[-1].split("  ")
    assert "\x1b" not in paper[0]
    screen = drained(mine)
    assert nursery().end(seeing) == 0
    assert screen.count("\x1b[J") >= 2
    assert re.search(r"\x1b\[\d+A\r\x1b\[Jjobs  ended 20.*\r\njobs 300: ", screen)
    figures = prometheus.read((tmp_path / "figures.prom").read_text())
    done = figures["runcomfy_batch_jobs", 'state="done"']
    assert done == figures["runcomfy_batch_job_seconds_count", None] == counts["done"]
    assert figures["runcomfy_batch_cost_usd_total", None] > done * 0.039 - 1e-6
    assert not [path for path in tmp_path.rglob(".*") if path.is_file()]


def drained(terminal):
    """All that was drawn on it."""
    said = b""
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                said += file.read(1 << 16)
            except OSError:  # the other side is closed
                return said.decode()


def test_watching_ends_quietly_with_ctrl_c(tmp_path):
    """By 130 and without a word; the run is not touched. Where there is no run, there is nothing to watch."""
    state_of(tmp_path / "out", jobs_of(3), replace(RUN, finished_at=None), is_over=False)
    with RunLock(tmp_path / "out"), started(tmp_path, "status", "out", "--watch", stream="stdout") as watching:
        watching.line("3/3  done 3")
        os.kill(watching.pid, signal.SIGINT)
        assert watching.ended() == ("", 130)
    with started(tmp_path, "serve", "out") as serving:
        serving.line("ssh -L")
        os.kill(serving.pid, signal.SIGINT)
        assert serving.ended() == ("", 0)
    (tmp_path / "empty").mkdir()
    nothing = command("status", "empty", "--watch", cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (66, "")
    assert nothing.stderr == "no state in empty: is this a run directory? It holds a file state.db.\n"


def test_a_page_that_cannot_be_served_costs_nothing(tmp_path):
    """It is known before anything is paid for; so is a directory where nothing was run."""
    write_jobs(tmp_path / "jobs.jsonl", 2)
    with simulator(tmp_path) as service, closing(bound(0)) as taken:
        port = taken.getsockname()[1]
        done = command("run", "jobs.jsonl", "--yes", f"--serve={port}", cwd=tmp_path, **service.env)
        assert (done.returncode, service.ledger()["posts"]) == (78, 0)
        assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: ")
        state_of(tmp_path / "out", jobs_of(3))
        assert command("serve", "out", "--port", str(port), cwd=tmp_path).returncode == 78
    assert command("serve", "runs", cwd=tmp_path).returncode == 66
    assert command("run", "jobs.jsonl", "--serve=x", cwd=tmp_path).returncode == 64
    assert command("run", "jobs.jsonl", "--report-every", "often", cwd=tmp_path).returncode == 64
