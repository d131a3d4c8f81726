"""report.html in a real browser, from a disk: what it shows, what it takes, and what it never does."""

from __future__ import annotations

import json
import os
import re
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from support.catalogue import RUN, jobs_of, pictures_of, state_of
from support.chromium import CHROMIUM, Browser
from support.hostile import PWN, attacks

from runner.batch.feed import Feed
from runner.batch.review import Review
from runner.live.server import LiveServer, bound
from runner.model import (
    Artifact,
    Attempt,
    AttemptState,
    Failure,
    FailureKind,
    FilesMissing,
    Job,
    JobSpec,
    JobState,
    Money,
)
from runner.report import Earlier, write_reports
from runner.rules.names import wild
from runner.rules.oddities import Oddity
from runner.store.store import Store

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
WHITE = "1 not-white white was asked for, and a corner is not"
AXE = next((path for path in (Path(os.environ.get("AXE_CORE", "axe.min.js")),) if path.is_file()), None)


def written(directory, jobs, run=RUN, **more):
    """The page of these jobs."""
    pictures_of(directory)
    write_reports(directory, run, lambda: iter(jobs), **more)
    return directory / "report.html"


def edited(directory, inputs=1, outputs=1):
    """A job with pictures before and after that are all there."""
    paths = [directory / "photos" / f"in-{n}.png" for n in range(inputs)]
    (directory / "photos").mkdir()
    for path in paths:
        Image.new("RGB", (64, 48), "#b08050").save(path)
    [job] = jobs_of(1)
    files = {f"{n:064x}": str(path) for n, path in enumerate(paths)}
    urls = [f"local:image/png;sha256={n:064x}" for n in range(inputs)]
    artifacts = tuple(replace(job.artifacts[0], path=f"images/p{n}.jpg", index=n + 1) for n in range(outputs))
    spec = replace(job.spec, inputs={**job.spec.inputs, "image_urls": urls}, files=files)
    return replace(job, spec=spec, artifacts=artifacts)


async def texts(browser, selector):
    """The texts of the elements that are shown."""
    return [" ".join(text.split()) for text in await browser.all(selector, "innerText")]


async def cards(browser):
    """The jobs whose cards are in the document, in their order."""
    found = await browser.all("#pad > li", "ariaPosInSet + '/' + one.querySelector('.name').textContent")
    return [name for _, name in sorted((int(place), name) for place, _, name in (one.partition("/") for one in found))]


# ---------------------------------------------------------------------------------------------------------- the night


async def test_the_page_tells_the_night(tmp_path):
    """Verdict, figures, each failure with its remedy and a command, what needs a person first; nobody is asked."""
    verdict = "117 of 120 jobs are done; 2 failed; 1 in doubt: perhaps paid, perhaps not."
    page = written(tmp_path, jobs_of(120), replace(RUN, stopped_because="max_duration"))
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(page)
        assert await texts(browser, "h1") == [verdict]
        assert await texts(browser, ".banner") == ["Stopped early: max duration. The same command goes on."]
        assert await texts(browser, ".tile") == [
            *("117 done", "2 failed", "1 in doubt", "2 to look at", "117 files", "$4.641 spent, as the service says"),
            *("$0.039 set aside for doubts", "8 h 0 min last run"),
        ]
        commands = await texts(browser, ".command code")
        assert commands == [
            f"runcomfy-batch run manifests/spring.csv --out {tmp_path} --retry input_unreachable",
            f"runcomfy-batch doubts {tmp_path}",
        ]
        assert (await cards(browser))[:4] == ["job-7", "job-3", "job-103", "job-11"]
        assert await texts(browser, "#count") == ["120 of 120 jobs"]
        assert browser.complaints == []
        assert {url.partition(":")[0] for url in browser.requests} == {"file"}


async def test_tiles_chips_and_words_choose_and_the_address_remembers(tmp_path):
    """Alternatives of one key, further keys, not, words anywhere; a link leads to a job, or says that there is none."""
    page = written(tmp_path, jobs_of(120))
    asked = {
        "state:failed": "2 of 120 jobs",
        "state:failed state:in_doubt": "3 of 120 jobs",
        "code:input_unreachable variant:white": "1 of 120 jobs",
        "-state:done": "3 of 120 jobs",
        "kitchen": "40 of 120 jobs",
        '"number 11 on"': "1 of 120 jobs",
        "id:job-11 -id:job-110": "10 of 120 jobs",
        "slower:16 state:done": "17 of 120 jobs",
        "cost:0.05": "0 of 120 jobs",
        "nonsense:x": "0 of 120 jobs",
    }
    async with Browser() as browser:
        await browser.open(page)
        for query, expected in asked.items():
            await browser.enter("#query", query)
            await browser.until(f"new URLSearchParams(location.hash.slice(1)).get('q') === {query!r}")
            assert (query, await texts(browser, "#count")) == (query, [expected])
        await browser.click(".chip.clear")
        await browser.click(".tile.s-failed")
        assert await cards(browser) == ["job-3", "job-103"]
        assert await browser.js("document.querySelector('.tile.s-failed').ariaPressed") == "true"
        await browser.click("[data-view=list]")
        assert await browser.js("location.hash") == "#q=state%3Afailed&view=list"
        await browser.open("about:blank", wait="true")
        await browser.open(f"{page.as_uri()}#q=state%3Afailed&view=list&job=job-103")
        await browser.until("document.querySelector('#detail').open")
        assert await texts(browser, "#detail-title") == ["job-103"]
        assert await texts(browser, "#count") == ["2 of 120 jobs"]
        await browser.js("location.hash = '#job=nobody'")
        await browser.until("document.querySelector('#toast').textContent")
        assert await texts(browser, "#toast") == ["There is no job nobody in this report"]
        await browser.js("location.hash = '#q=constructor%3Ax&view=toString&sort=valueOf'")
        await browser.until("document.querySelector('#query').value === 'constructor:x'")
        assert await texts(browser, "#count") == ["0 of 120 jobs"]
        assert await browser.js("location.hash") == "#q=constructor%3Ax"
        assert browser.complaints == []


async def test_what_looks_odd_is_shown_first_of_what_is_done(tmp_path):
    """With its words, counted, to be chosen; every oddity that there is has an explanation."""
    page = written(tmp_path, jobs_of(120))
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(page)
        assert await texts(browser, ".looks li") == ["1 blank blank, or almost", WHITE]
        assert (await cards(browser))[3:6] == ["job-11", "job-30", "job-0"]
        await browser.click(".looks li:nth-child(2) button")
        assert await cards(browser) == ["job-30"]
        await browser.click(".tile.warn")
        assert await browser.js("document.querySelector('#query').value") == "flag:not-white flag:any"
        explained = await browser.js("document.querySelector('body > script:last-of-type').textContent")
        assert [oddity for oddity in Oddity if not re.search(rf'["\s]{oddity}"?: "', explained)] == []


async def test_many_jobs_are_few_elements(tmp_path):
    """Scrolled to the very end too; the heap stays small. How fast it is, the bench says."""
    page = written(tmp_path, jobs_of(12_000))
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(page)
        assert await browser.heap() < 64_000_000
        for view in ("grid", "list", "matrix"):
            await browser.click(f"[data-view={view}]")
            await browser.js("scrollTo(0, 1e9)")
            last = "one => one.ariaPosInSet === one.ariaSetSize"
            await browser.until(f"[...document.querySelectorAll('#pad > li')].some({last})")
            assert await browser.js("document.querySelectorAll('*').length") < 2000
        await browser.js("document.querySelector('#charts').open = true")
        await browser.until("document.querySelectorAll('.charts svg').length === 5")
        assert browser.complaints == []


async def test_two_runs_are_compared(tmp_path):
    """What was mended, broken, made anew or added, and what not; in a job the two pictures lie over each other."""
    now = jobs_of(8)
    before = [
        replace(now[0], state=JobState.FAILED, artifacts=(), failure=now[3].failure),
        replace(now[1], artifacts=(replace(now[1].artifacts[0], sha256="old", path="images/p9.jpg"),)),
        now[2],
        replace(now[3], state=JobState.DONE, artifacts=now[2].artifacts, failure=None),
        replace(now[7], spec=replace(now[7].spec, job_id="job-4"), state=JobState.FAILED),
        replace(now[7], state=JobState.FAILED),
        replace(now[7], spec=replace(now[7].spec, job_id="job-9")),
    ]
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    pictures_of(tmp_path / "old")
    page = written(tmp_path / "new", now, earlier=Earlier("old", tmp_path / "old", tmp_path / "new", before))
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(f"{page.as_uri()}#view=compare&sort=manifest")
        assert await texts(browser, "#count") == ["8 of 8 jobs; 7 are not as in old; removed since: 1 job, job-9"]
        told = dict(zip(await cards(browser), await texts(browser, ".compare .prompt"), strict=True))
        assert told == {
            "job-0": "done now, was not",
            "job-1": "another picture",
            "job-3": "was done, is not now",
            "job-4": "done now, was not",
            "job-5": "new",
            "job-6": "new",
            "job-7": "ended in another way",
        }
        assert "./../old/images/p9.jpg" in await browser.all(".compare img", "getAttribute('src')")
        await browser.js("location.hash = '#view=compare&job=job-1'")
        await browser.until("document.querySelectorAll('.tabs button').length === 2")
        await browser.click(".tabs button:last-child")
        await browser.until("[...document.querySelectorAll('.stage img')].every(one => one.naturalWidth > 0)")
        assert await browser.all(".stage img", "getAttribute('src')") == ["./images/p1.jpg", "./../old/images/p9.jpg"]


# ------------------------------------------------------------------------------------------------------------ one job


async def test_every_pair_of_pictures_can_be_compared(tmp_path):
    """Two inputs, two outputs: four pairs, a movable edge on each, zoom, backgrounds; the facts and the request."""
    page = written(tmp_path, [edited(tmp_path, inputs=2, outputs=2), *jobs_of(3)[1:]])
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(f"{page.as_uri()}#job=job-0")
        await browser.until("document.querySelectorAll('.stage img').length === 2")
        pairs = set()
        for before, after in ((0, 0), (0, 1), (1, 0), (1, 1)):
            await browser.click(f".tabs:nth-child(1) button:nth-child({before + 1})")
            await browser.click(f".tabs:nth-child(2) button:nth-child({after + 1})")
            await browser.until("[...document.querySelectorAll('.stage img')].every(one => one.naturalWidth > 0)")
            pairs.add(tuple(await browser.all(".stage img", "getAttribute('src')")))
        assert pairs == {(f"./images/p{b}.jpg", f"./photos/in-{a}.png") for a in range(2) for b in range(2)}
        clip = "getComputedStyle(document.querySelector('.layer.before')).clipPath"
        assert await browser.js(clip) == "inset(0px 50% 0px 0px)"
        await browser.enter(".edge", "80")
        assert await browser.js(clip) == "inset(0px 20% 0px 0px)"
        await browser.key("+")
        assert await texts(browser, ".percent") == ["×1.5"]
        await browser.enter(".tools select:nth-of-type(2)", "black")
        assert await browser.js("getComputedStyle(document.querySelector('.stage')).backgroundColor") == "rgb(0, 0, 0)"
        names, values = await texts(browser, ".side dl dt"), await texts(browser, ".side dl dd")
        facts = dict(zip(names, values, strict=True))
        assert (facts["Cost"], facts["Variant"], facts["From"]) == ("$0.039", "white", "spring.csv:2Copy")
        request = json.loads(await browser.js("document.querySelector('#detail pre').textContent"))
        assert (request["model"], request["inputs"]["aspect_ratio"]) == ("google/nano-banana/edit", "1:1")
        await browser.key("1")
        assert (await browser.all(".stage img", "getAttribute('src')"))[0] == "./images/p0.jpg"
        assert await texts(browser, ".review .note") == ["Counts for both files of the job."]
        await browser.key("Escape")
        assert await texts(browser, "#pad .many") == ["1 of 2"]
        assert browser.complaints == []


async def test_a_failed_job_shows_its_input_alone_and_what_to_do(tmp_path):
    """There is nothing to compare; the remedy has a command for this job."""
    lost = edited(tmp_path)
    page = written(tmp_path, [replace(jobs_of(4)[3], spec=replace(lost.spec, job_id="lost [1]*"))])
    async with Browser() as browser:
        await browser.open(f"{page.as_uri()}#job=lost%20%5B1%5D*")
        await browser.until("document.querySelector('.stage img')?.naturalWidth > 0")
        assert await browser.js("document.querySelector('.stage').dataset.mode") == "before"
        assert await browser.all(".stage img", "getAttribute('src')") == ["./photos/in-0.png"]
        assert await texts(browser, ".edge") == await texts(browser, ".review") == []
        assert (await texts(browser, ".trouble h3"), await texts(browser, ".tag")) == (
            ["input unreachable"],
            ["before"],
        )
        await browser.js("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
        await browser.click(".side p.row button:last-child")
        command = f"runcomfy-batch run manifests/spring.csv --out {tmp_path} --retry input_unreachable"
        assert await browser.until("window.copied") == f"{command} --only 'lost [1]?'"
        assert wild("lost [1]?").fullmatch("lost [1]*")


async def test_a_picture_that_was_done_again_can_be_held_against_the_new_one(tmp_path):
    """Each that is still there, as one more input."""
    job = edited(tmp_path)
    page = written(tmp_path, [job])
    there = ["images/p0~rejected-1.jpg", "images/p0~rejected-2.jpg"]
    for path in there:
        (tmp_path / path).write_bytes((tmp_path / "images" / "p0.jpg").read_bytes())
    kept = [replace(job.artifacts[0], path=path) for path in (*there, "images/p0~rejected-3.jpg")]
    page = written(tmp_path, [job], kept={job.job_id: kept})
    async with Browser() as browser:
        await browser.open(f"{page.as_uri()}#job={job.job_id}")
        await browser.until("document.querySelectorAll('.tabs button').length === 3")
        assert await texts(browser, ".tabs button") == ["before", "rejected 1", "rejected 2"]
        await browser.click(".tabs button:nth-child(2)")
        await browser.until("[...document.querySelectorAll('.stage img')].every(one => one.naturalWidth > 0)")
        pair = await browser.all(".stage img", "getAttribute('src')")
        assert pair == ["./images/p0.jpg", "./images/p0~rejected-1.jpg"]


async def test_an_original_from_the_web_is_loaded_only_when_a_person_asks(tmp_path):
    """Before the click nobody is called; after it one address is, without a referrer."""
    page = written(tmp_path, jobs_of(5))
    async with Browser() as browser:
        await browser.open(f"{page.as_uri()}#job=job-4")
        await browser.until("document.querySelector('.pictures .note button')")
        assert {url.partition(":")[0] for url in browser.requests} == {"file"}
        await browser.click(".pictures .note button")
        await browser.until("document.querySelector('.layer.before .absent')")
        assert [url for url in browser.requests if not url.startswith("file:")] == [
            "https://cdn.shop.example/photos/4.jpg"
        ]


async def test_the_keyboard_is_enough(tmp_path):
    """Search, move, open, go on, close with the focus where it was, help."""
    page = written(tmp_path, jobs_of(40))
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(f"{page.as_uri()}#sort=manifest")
        await browser.key("/")
        assert await browser.js("document.activeElement.id") == "query"
        await browser.key("x")
        await browser.until("location.hash.includes('q=x')")
        await browser.key("Escape")
        assert await browser.js("document.querySelector('#query').value") == ""
        await browser.js("document.activeElement.blur()")
        for key in "jjjk":
            await browser.key(key)
        assert await browser.js("document.activeElement.dataset.job") == "1"
        await browser.js("document.activeElement.click()")
        await browser.until("document.querySelector('#detail').open")
        await browser.key("j")
        await browser.until("document.querySelector('#detail-title').textContent === 'job-2'")
        await browser.key("Escape")
        await browser.until("document.activeElement.dataset.job === '2'")
        await browser.key("?")
        assert await browser.js("document.querySelector('#help').open")
        await browser.key("Escape")
        assert browser.complaints == []


async def test_back_closes_a_job_and_returns_to_the_view_before(tmp_path):
    """A job, a view are steps; what is typed is none; closing a job takes its step back; a link is none of ours."""
    page = written(tmp_path, jobs_of(40))
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(page)
        await browser.enter("#query", "kitchen")
        await browser.until("location.hash === '#q=kitchen'")
        await browser.click("[data-view=list]")
        await browser.js("scrollTo(0, 300)")
        for close in ("history.back()", "document.querySelector('#detail').close()"):
            await browser.js("document.querySelector('#pad a').click()")
            await browser.until("document.querySelector('#detail').open && location.hash.includes('job=')")
            await browser.key("j")
            await browser.until("document.querySelector('.where').textContent.startsWith('2 of')")
            await browser.js(close)
            await browser.until("!document.querySelector('#detail').open && location.hash === '#q=kitchen&view=list'")
            assert await browser.js("scrollY") == 300
        await browser.js("history.back()")
        await browser.until("document.querySelector('[data-view=grid]').ariaPressed === 'true'")
        assert await texts(browser, "#count") == ["13 of 40 jobs"]
        await browser.open("about:blank", wait="true")
        await browser.open(f"{page.as_uri()}#job=job-1")
        await browser.until("document.querySelector('#detail').open")
        steps = await browser.js("history.length")
        await browser.key("Escape")
        await browser.until("!location.hash.includes('job')")
        assert (await browser.js("history.length"), await browser.js("history.state")) == (steps, None)


async def test_the_keyboard_goes_from_picture_to_picture(tmp_path):
    """By arrows in rows and columns; a column of the matrix is kept; closing a job comes back to its cell."""
    page = written(tmp_path, jobs_of(40))
    focused = "document.activeElement.dataset.job"
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(f"{page.as_uri()}#view=matrix&sort=manifest")
        found = []
        for key in ("j", "ArrowRight", "ArrowDown", "j", "ArrowLeft", "ArrowLeft", "k"):
            await browser.key(key)
            found.append(await browser.js(focused))
        assert found == ["0", "1", "4", "7", "6", "6", "3"]
        await browser.key("ArrowRight")
        await browser.js("document.activeElement.click()")
        await browser.until("document.querySelector('#detail').open")
        await browser.key("Escape")
        await browser.until(f"{focused} === '4'")
        await browser.click("[data-view=grid]")
        await browser.js("document.querySelector('#pad a').focus()")
        for key in ("ArrowDown", "ArrowRight", "ArrowUp"):
            await browser.key(key)
        assert await browser.js(focused) == "1"
        assert browser.complaints == []


async def test_what_is_said_over_a_job_can_be_seen(tmp_path):
    """In the dialog, which would hide it, also while the job is drawn anew; and after it was closed."""
    page = written(tmp_path, jobs_of(3))
    where = "document.querySelector('#toast').parentNode.id"
    async with Browser() as browser:
        await browser.open(f"{page.as_uri()}#job=job-0")
        await browser.until("document.querySelector('#detail').open")
        await browser.key("u")
        await browser.until("document.querySelector('#toast').textContent === 'Nothing to undo'")
        await browser.until("document.querySelector('.where').textContent.startsWith('1 of')")
        assert await browser.js(where) == "detail"
        await browser.key("Escape")
        await browser.until(f"{where} === ''")
        await browser.key("u")
        assert await browser.js(where) == ""


async def test_a_sheet_of_what_is_shown_is_printed(tmp_path):
    """Not the view, of which only a part is in the document."""
    page = written(tmp_path, jobs_of(700))
    async with Browser() as browser:
        await browser.open(f"{page.as_uri()}#q=state%3Adone")
        await browser.js("dispatchEvent(new Event('beforeprint'))")
        await browser.window(900, 1200, media="print")
        assert len(await texts(browser, "#sheet figure")) == 500
        assert await browser.js("getComputedStyle(document.querySelector('main')).display") == "none"
        await browser.js("dispatchEvent(new Event('afterprint'))")
        assert await texts(browser, "#sheet figure") == []


# ------------------------------------------------------------------------------------------------------------- review


async def test_a_review_is_kept_and_saved(tmp_path):
    """By key; a page that is opened again has it; review.json names what was reviewed; undo takes back."""
    page = written(tmp_path, jobs_of(10))
    async with Browser() as browser:
        await browser.open(f"{page.as_uri()}#sort=manifest&job=job-0")
        await browser.until("document.querySelector('#detail').open")
        for key, then in (("a", "job-1"), ("r", "job-2"), ("r", "job-3")):
            await browser.key(key)
            await browser.until(f"document.querySelector('#detail-title').textContent === '{then}'")
        await browser.key("u")
        await browser.js("location.hash = '#job=job-1'")
        await browser.until("document.querySelector('#detail-title').textContent === 'job-1'")
        write = "e = document.querySelector('#review-%s'), e.value = %r, e.dispatchEvent(new Event('change'))"
        for name, text in (("tags", "hair, halo"), ("note", "grey halo"), ("prompt", "White, without a halo.")):
            await browser.js(write % (name, text))
        await browser.open("about:blank", wait="true")
        await browser.open(f"{page.as_uri()}#q=review%3Arejected")
        assert await cards(browser) == ["job-1"]
        assert await texts(browser, "#review-count") == ["2 of 8 reviewed"]
        path = await browser.download(tmp_path / "saved", "#review-save")
    saved = json.loads(path.read_text("utf-8"))
    assert {name: one.prompt for name, one in Review.read(path).rejected.items()} == {"job-1": "White, without a halo."}
    found = {one["job_id"]: one for one in saved["jobs"]}
    assert (saved["schema"], saved["run_id"]) == ("runcomfy-batch.review/1", RUN.run_id)
    assert list(found) == ["job-0", "job-1"]
    assert found["job-1"] == {
        "job_id": "job-1",
        "verdict": "rejected",
        "tags": ["hair", "halo"],
        "note": "grey halo",
        "prompt": "White, without a halo.",
        "request_id": jobs_of(2)[1].request_id,
        "fingerprint": f"{1:064x}",
    }


async def test_a_mark_is_about_the_picture_it_was_made_for(tmp_path):
    """A job that was done again since has none."""
    jobs = jobs_of(3)
    page = written(tmp_path, jobs)
    async with Browser() as browser:
        await browser.open(page)
        for key in "jrjr":
            await browser.key(key)
        assert await texts(browser, "#review-count") == ["2 of 3 reviewed"]
        again = replace(jobs[0], attempts=(replace(jobs[0].attempts[0], request_id="another-one"),))
        written(tmp_path, [again, *jobs[1:]])
        await browser.open("about:blank", wait="true")
        await browser.open(page)
        assert await texts(browser, "#review-count") == ["1 of 3 reviewed"]


# ------------------------------------------------------------------------------------------------- what it never does


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
    jobs = []
    texts = attacks(port)
    state = AttemptState.FINISHED
    for number, text in enumerate(texts):
        failure = Failure(kind=FailureKind.REMOTE, code=f"{number}{text}", message=text)
        spec = JobSpec(
            job_id=text, model=text, inputs={"prompt": text, "image_urls": [text]}, fingerprint=text, row={text: text},
            variant=text if number % 2 else "", source=text,
        )  # fmt: skip
        file = Artifact(path=text, sha256=text, bytes=1, width=1, height=1, format="png", source_url=text)
        tried = Attempt(number=1, state=state, payload_sha256="p", intended_at=1.0, request_id=text, cost=Money(1))
        jobs.append(Job(spec=spec, position=number, state=JobState.DONE, attempts=(tried,), artifacts=(file,)))
        jobs.append(Job(spec=spec, position=number, state=JobState.FAILED, attempts=(tried,), failure=failure))
    everything = dict.fromkeys(("name", "manifest", "stopped_because", "api_base", "run_id"), "".join(texts))
    return replace(RUN, **everything), jobs


@pytest.mark.parametrize("is_guarded", [True, False], ids=["with its policy", "without its policy"])
async def test_nothing_injected_runs(tmp_path, ear, is_guarded):
    """Sixty texts in every place, each job opened: escaping alone holds, without the page's own policy too."""
    port, was_called = ear
    run, jobs = hostile(port)
    assert len(jobs) >= 120
    page = written(tmp_path, jobs, run)
    if not is_guarded:
        text, count = re.subn(r"<meta http-equiv=.*?>\n", "", page.read_text("utf-8"), count=1)
        assert count == 1
        page.write_text(text, "utf-8")
    async with Browser() as browser:
        await browser.window(1400, 900)
        await browser.open(page)
        for view in ("list", "matrix", "grid"):
            await browser.click(f"[data-view={view}]")
            await browser.js("dispatchEvent(new Event('beforeprint'))")
        await browser.key("j")
        await browser.js("document.activeElement.click()")
        await browser.until("document.querySelector('#detail').open")
        for number in range(2, len(jobs) + 1):
            await browser.click(".detail-head button:nth-last-child(2)")
            await browser.until(f"document.querySelector('.where')?.textContent.startsWith('{number} of')")
            if number % 20 == 0:
                await _is_harmless(browser)
        assert [url for url in browser.requests if not url.startswith("file:///")] == []
    assert not was_called()


async def test_nothing_injected_runs_where_it_is_served(tmp_path, ear):
    """The page that follows a run: what it is told at first, and what it is told then."""
    port, was_called = ear
    run, jobs = hostile(port)
    words = {name: getattr(run, name).encode(errors="replace").decode() for name in ("name", "manifest", "api_base")}
    run = replace(run, **words, run_id="r", stopped_because=None, finished_at=None)
    jobs = [job for job in jobs if not re.search(r"[\ud800-\udfff]", job.job_id)]  # no state can hold that
    named = [
        replace(
            job,
            spec=replace(job.spec, job_id=f"{n}{job.job_id}"),
            position=n,
            attempts=(replace(job.attempts[0], request_id=f"{n}{job.request_id}"),),
        )
        for n, job in enumerate(jobs)
    ]
    directory = tmp_path / "out"
    state_of(directory, named, run, is_over=False)
    with closing(Feed(directory)) as feed, closing(bound(0)) as listener, Store(directory) as store:
        async with LiveServer(listener, feed) as server, Browser() as browser:
            await browser.window(1400, 900)
            await browser.open(server.url)
            before = await browser.js("document.querySelector('h1').textContent")
            for job in named[:40:2]:
                store.record_now(job, FilesMissing(at=1.0, artifacts=()))
            await browser.until(f"document.querySelector('h1').textContent !== {before!r}")
            await _is_harmless(browser)
            await browser.js("document.querySelector('#pad a').click()")
            await browser.until("document.querySelector('#detail').open")
            await _is_harmless(browser)
            assert {url.split("/")[2] for url in browser.requests} == {server.url.split("/")[2]}
    assert not was_called()


async def _is_harmless(browser):
    """Nothing ran, nothing became an element or a handler, no link leads away, no text lies."""
    assert await browser.js("document.title.includes('runcomfy-batch') && document.body.id === ''")
    foreign = "#pwned, iframe, object, embed, link, base, form, plaintext"
    assert await browser.js(f"document.querySelectorAll('{foreign}').length") == 0
    names = "[...document.querySelectorAll('*')].flatMap(one => one.getAttributeNames())"
    assert [name for name in await browser.js(names) if name.startswith("on") or name == "srcdoc"] == []
    links = [*await browser.all("a", "getAttribute('href')"), *await browser.all("img", "getAttribute('src')")]
    assert [link for link in links if not re.match(r"#|\./[^:\\]*$", link)] == []
    assert not await browser.js("/[\\x00\\x08\\u202e\\u2066]/.test(document.body.innerText)")


async def test_the_policy_holds_where_escaping_would_not(tmp_path, ear):
    """A second wall: markup that somehow got into the page neither runs nor calls anybody; no text becomes markup."""
    port, was_called = ear
    page = written(tmp_path, jobs_of(3))
    there = f"http://127.0.0.1:{port}/leak"
    worst = f"""<script>{PWN}</script><img src="{there}" onerror="{PWN}"><link rel=stylesheet href="{there}">"""
    page.write_text(page.read_text("utf-8").replace("<main", f"{worst}<main"), "utf-8")
    async with Browser() as browser:
        await browser.open(page)
        assert await browser.js("document.body.id") == ""
        refused = "(() => { try { %s; return 'it may' } catch (error) { return error.name } })()"
        assert await browser.js(refused % "document.body.innerHTML = '<b>'") == "TypeError"
        assert await browser.js(refused % "new Function('1')") == "EvalError"
    assert not was_called()


@pytest.mark.skipif(AXE is None, reason="AXE_CORE names no axe.min.js, of npm's axe-core")
@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
async def test_axe_finds_nothing_serious(tmp_path, is_dark):
    """The page, each view, and one job opened."""
    page = written(tmp_path, [edited(tmp_path), *jobs_of(120)[1:]])
    async with Browser() as browser:
        await browser.window(1400, 900, is_dark=is_dark)
        for where in ("", "#view=list", "#view=matrix", "#job=job-0", "#job=job-3"):
            await browser.open("about:blank", wait="true")
            await browser.open(page.as_uri() + where)
            await browser.js(AXE.read_text("utf-8") + "; 1")
            found = await browser.js("axe.run({resultTypes: ['violations']}).then(found => found.violations)")
            told = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
            assert told == [], where
