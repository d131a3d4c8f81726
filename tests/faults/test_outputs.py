"""The fault matrix, rows 27 to 36: what can happen to a file that is paid for. None of it is ever paid again."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib

import pytest
from aiohttp import web

from runner.media.download import Downloader, Patience
from runner.media.guard import HostPolicy
from runner.media.values import FetchFailed, FetchSpec, SecretUrl
from runner.rules.names import folded, output_stem, owned_stems


def on_file(kind, **more):
    return {"on": "file", "kind": kind, **more}


def assert_whole(nights, morning, jobs=3):
    assert morning.states == ["done"] * jobs
    assert morning.ledger["posts"] == jobs
    names = sorted(path.name for path in (nights.out / "images").iterdir())
    assert names == [f"job-{n}.png" for n in range(jobs)]


@pytest.mark.parametrize("times", [1, 4])
def test_fault_27_shorter_than_announced(night, times):
    """Fetched again; nothing stands under the final name before it is whole."""
    nights = night()
    assert_whole(nights, nights.run(on_file("truncated", times=times)))


def test_fault_28_cut_without_a_word(night):
    """The decoder sees it; fetched again."""
    nights = night()
    assert_whole(nights, nights.run(on_file("truncated_no_length", times=4)))


def test_fault_28_cut_for_ever(night):
    """Lost at last, with the id; no part of it lies around."""
    nights = night(jobs=1)
    morning = nights.run(on_file("truncated_no_length"))
    assert morning.states == ["output_lost"]
    assert morning.results["job-0"]["request_id"]
    assert list((nights.out / "images").iterdir()) == []
    assert morning.ledger["posts"] == 1


@pytest.mark.parametrize("kind", ["html", "empty", "corrupt"])
def test_fault_29_an_error_page_that_says_200(night, kind):
    """No picture is made of it; fetched again with a fresh URL."""
    nights = night()
    assert_whole(nights, nights.run(on_file(kind, times=4)))


@pytest.mark.parametrize("status", [403, 404, 410])
def test_fault_30_an_expired_url(night, status):
    """A fresh one is read from the result."""
    nights = night()
    assert_whole(nights, nights.run(on_file("status", status=status, times=3)))
    nights = night()


def test_fault_30_an_expired_url_and_no_fresh_one(night):
    """Lost, with the id."""
    morning = night(jobs=1).run(on_file("status", status=410))
    assert morning.states == ["output_lost"]
    assert morning.results["job-0"]["request_id"]


@pytest.fixture
def site(tmp_path):
    """Serves one handler; a downloader that trusts this machine fetches from it."""

    async def fetch(handler, **more):
        app = web.Application()
        app.router.add_get("/a.png", handler)
        runner = web.AppRunner(app)
        await runner.setup()
        place = web.TCPSite(runner, "127.0.0.1", 0)
        await place.start()
        url = f"http://127.0.0.1:{place._server.sockets[0].getsockname()[1]}/a.png"
        spec = FetchSpec(job_id="a", index=1, url=SecretUrl(url), stem="images/a", **more)
        patience = Patience(silence_s=5.0, window_s=0.3, least_bytes=1000)
        try:
            policy = HostPolicy(allow_loopback=True)
            async with Downloader(tmp_path, policy, run_id="r", patience=patience) as downloader:
                return await downloader.fetch(spec)
        finally:
            await runner.cleanup()
            assert list((tmp_path / "images").iterdir()) == []

    return fetch


async def test_fault_31_a_drip(site):
    """Given up within the window, to be tried again: it would hold a slot for hours."""

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(100):
                await response.write(b"x")
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        return response

    outcome = await site(drip)
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.code, outcome.is_retryable) == ("too_slow", True)


def huge_png():
    """60,000 pixels square in a few hundred bytes."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bomb", ["size", "pixels", "gzip"])
async def test_fault_32_a_bomb(site, bomb):
    """Stopped at the cap, before it is unpacked; not fetched for ever."""

    async def serve(request):
        if bomb == "pixels":
            return web.Response(body=huge_png(), content_type="image/png")
        headers = {"Content-Encoding": "gzip"} if bomb == "gzip" else {}
        return web.Response(body=bytes(200_000), headers=headers)

    outcome = await site(serve, max_bytes=100_000)
    assert isinstance(outcome, FetchFailed)
    assert outcome.failure.code in {"size": ["too_large"], "pixels": ["too_many_pixels"], "gzip": ["encoded"]}[bomb]


def test_fault_33_a_url_into_the_private(night):
    """Refused, recorded with the host, never fetched; and never paid again, not even by `--retry`."""
    nights = night(jobs=1)
    morning = nights.run({"on": "job", "kind": "private_url"})
    line = morning.results["job-0"]
    assert (line["state"], line["error"]["code"]) == ("output_lost", "host_refused")
    assert "10.0.0.1" in line["error"]["message"]
    assert nights.run(retry=("failed",)).ledger["posts"] == 0


def test_fault_34_a_redirect_into_the_private(night):
    """Refused at the hop."""
    morning = night(jobs=1).run(on_file("redirect_private"))
    line = morning.results["job-0"]
    assert (line["state"], line["error"]["code"]) == ("output_lost", "host_refused")


@pytest.mark.parametrize(
    "job_id", ["../../etc/passwd", "/etc/passwd", "a\x00b", "x" * 300, "CON", "nul.png", ".", "-rf"]
)
def test_fault_35_a_name_that_leads_elsewhere(job_id):
    """A safe name is made of it, inside the folder, that no other job has."""
    stem = output_stem(job_id, 1, 1)
    folder, _, name = stem.partition("/")
    assert folder == "images"
    assert "/" not in name
    assert "\x00" not in name
    assert name[0] not in ".-"
    assert len(name.encode()) <= 120
    mine, others = ({folded(stem) for stem in owned_stems(name, (), 1)} for name in (job_id, "other"))
    assert not mine & others


def test_fault_35_two_jobs_of_one_name(night):
    """Refused before the first POST, with both ids: one picture would replace the other."""
    nights = night()
    nights.write({"id": "Mug", "prompt": "a"}, {"id": "mug", "prompt": "b"})
    morning = nights.run()
    assert morning.exit_code == 65
    assert morning.ledger["posts"] == 0


def test_fault_36_other_bytes_than_the_name_says(night):
    """The extension is that of the bytes."""
    nights = night(jobs=1)
    morning = nights.run(on_file("wrong_type"))
    assert morning.states == ["done"]
    file = morning.results["job-0"]["files"][0]
    assert (file["path"], file["format"]) == ("images/job-0.jpg", "jpeg")
    assert json.dumps(file)
