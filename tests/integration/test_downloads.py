"""Downloads over real sockets from servers that misbehave, onto a real disk."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import os
import re
import socket
import struct
import sys
import threading
import zlib
from dataclasses import replace

import pytest
from PIL import Image
from support.own_disk import tiny_disk
from support.raw_server import answer, answer_for_ever, chunked, hang_up, http, raw_server

from runner.errors import StorageFailed
from runner.media import download
from runner.media.download import Downloader, Patience
from runner.media.files import is_whole, sweep_parts, verify
from runner.media.guard import HostPolicy, is_allowed
from runner.media.sniff import Broken, inspect
from runner.media.values import Fetched, FetchFailed, FetchSpec, SecretUrl
from runner.model import Artifact, FailureKind
from runner.rules.bandwidth import FEW, MOST, USES, fixed

OUTPUT, TRANSIENT, POLICY = FailureKind.OUTPUT, FailureKind.TRANSIENT, FailureKind.POLICY
LOOPBACK = HostPolicy(allow_loopback=True)
BODY_TO_THE_END = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"
"""A head without a length: whatever comes until the connection ends is the body."""


def picture(kind, size=(40, 30), **how):
    """Noise, so that no byte is redundant."""
    file = io.BytesIO()
    Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3)).save(file, kind, **how)
    return file.getvalue()


PNG, JPEG, WEBP, GIF = (picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF"))
VIEWS = picture("MPO", save_all=True, append_images=[Image.new("RGB", (40, 30))])
"""A JPEG with a second view, as cameras write them."""
MP4 = b"\0\0\0\x20ftypisom" + bytes(200)
MOV = b"\0\0\0\x14ftypqt  " + bytes(200)
WEBM = b"\x1aE\xdf\xa3" + bytes(200)


def bomb(width, height):
    """A PNG of a few bytes that says that it is huge."""
    chunks = (
        b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"IDAT" + zlib.compress(bytes(100)),
        b"IEND",
    )
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


def with_a_flipped_byte(data):
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 0xFF]) + data[len(data) // 2 + 1 :]


def spec(url, *, stem="images/mug", index=1, **more):
    return FetchSpec(job_id="mug", index=index, url=SecretUrl(url), stem=stem, **more)


@contextlib.asynccontextmanager
async def downloading(directory, act, *, policy=LOOPBACK, **more):
    """A server that acts so, and a downloader."""
    async with raw_server(act) as server, Downloader(directory, policy, run_id="run", **more) as downloader:
        yield server, downloader


async def fetch(directory, act, *, place="/files/a.bin?sig=canary", patience=None, **more):
    """What becomes of one download from a server that acts so."""
    async with downloading(directory, act, patience=patience) as (server, downloader):
        return await downloader.fetch(spec(f"http://127.0.0.1:{server.port}{place}", **more))


def files(directory):
    """The names of what is under `images/`."""
    return sorted(path.name for path in (directory / "images").rglob("*"))


# ------------------------------------------------------------------------------------------------------- whole files


@pytest.mark.parametrize(
    ("data", "extension", "form", "size"),
    [
        (PNG, "png", "png", (40, 30)),
        (JPEG, "jpg", "jpeg", (40, 30)),
        (VIEWS, "jpg", "jpeg", (40, 30)),
        (WEBP, "webp", "webp", (40, 30)),
        (GIF, "gif", "gif", (40, 30)),
        (MP4, "mp4", "mp4", (None, None)),
        (MOV, "mov", "mov", (None, None)),
        (WEBM, "webm", "webm", (None, None)),
    ],
    ids=["png", "jpeg", "jpeg of views", "webp", "gif", "mp4", "mov", "webm"],
)
@pytest.mark.parametrize("how", ["length", "chunked", "to-the-end"])
async def test_a_file_is_what_its_bytes_say(tmp_path, data, extension, form, size, how):
    """Name and format come from the content, whatever URL and content type say; and every byte is there."""
    answers = {
        "length": http(body=data, kind="text/html"),
        "chunked": chunked(data[:50], data[50:]),
        "to-the-end": BODY_TO_THE_END + data,
    }
    async with downloading(tmp_path, answer(answers[how])) as (server, downloader):
        url = f"http://127.0.0.1:{server.port}/files/a.exe"
        outcome = await downloader.fetch(spec(f"{url}?sig=canary#part"))
    assert isinstance(outcome, Fetched)
    assert (outcome.artifact.traits is None) == (size[0] is None)
    assert replace(outcome.artifact, traits=None) == Artifact(
        path=f"images/mug.{extension}",
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=size[0],
        height=size[1],
        format=form,
        source_url=url,
        index=1,
    )
    assert (tmp_path / outcome.artifact.path).read_bytes() == data
    assert files(tmp_path) == [f"mug.{extension}"]
    assert verify(tmp_path, outcome.artifact) is None


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
async def test_an_output_is_measured_and_compared_with_its_input(tmp_path, form):
    """The same picture in another format has not changed; another one has; an input that is gone is no trouble."""
    photo = Image.radial_gradient("L").convert("RGB").resize((300, 200))
    photo.save(tmp_path / "in.png")
    file = io.BytesIO()
    photo.save(file, form)
    Image.new("RGB", (90, 60), "red").save(tmp_path / "other.png")
    names = ("in.png", "other.png", "gone.png", None)
    async with downloading(tmp_path, answer(http(body=file.getvalue()))) as (server, downloader):
        url = f"http://127.0.0.1:{server.port}/a"
        paths = [name and str(tmp_path / name) for name in names]
        outcomes = [await downloader.fetch(spec(url, stem=f"images/{n}", before=path)) for n, path in enumerate(paths)]
    same, other, gone, alone = (outcome.artifact.traits for outcome in outcomes)
    assert same.change < 4
    assert (same.before, other.before) == ((300, 200), (90, 60))
    assert other.change > 200
    assert gone == alone == replace(same, change=None, before=None)


async def test_several_outputs_of_a_job_lie_side_by_side(tmp_path):
    """Each under its own name and number, fetched at once."""
    async with downloading(tmp_path, answer(http(body=PNG))) as (server, downloader):
        url = f"http://127.0.0.1:{server.port}/a"
        specs = [spec(url, stem=f"images/mug-{n}", index=n) for n in (1, 2)]
        outcomes = await asyncio.gather(*map(downloader.fetch, specs))
    assert [(o.artifact.path, o.artifact.index) for o in outcomes] == [("images/mug-1.png", 1), ("images/mug-2.png", 2)]
    assert files(tmp_path) == ["mug-1.png", "mug-2.png"]


class Counting:
    """A server that takes its time for each file, and says how many it served at once."""

    def __init__(self, seconds, respond=lambda _: http(body=JPEG)):
        self.now = 0
        self.at_once = []
        self._seconds, self._respond = seconds, respond

    async def __call__(self, connection):
        await connection.read_request()
        self.now += 1
        self.at_once.append(self.now)
        answer = self._respond(len(self.at_once))
        await asyncio.sleep(self._seconds)
        await connection.send(answer[:-1])
        self.now -= 1
        await connection.send(answer[-1:])

    async def fetched(self, tmp_path, count, **more):
        """What became of so many files, all wanted together."""
        async with downloading(tmp_path, self, **more) as (server, downloader):
            specs = [spec(f"http://127.0.0.1:{server.port}/", stem=f"images/{n}") for n in range(count)]
            return await asyncio.gather(*map(downloader.fetch, specs))


async def test_no_more_downloads_at_once_than_allowed(tmp_path):
    """The others wait for a slot, and all arrive."""
    server = Counting(0.02)
    outcomes = await server.fetched(tmp_path, 6, line=fixed(2))
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert max(server.at_once) == 2


async def test_a_server_that_is_slow_for_each_is_asked_by_more(tmp_path):
    """Twice as many slots bring twice as much: they are found."""
    server = Counting(0.12)
    outcomes = await server.fetched(tmp_path, 180)
    assert all(isinstance(outcome, Fetched) for outcome in outcomes)
    assert max(server.at_once[: USES * FEW]) == FEW  # the first window at least
    assert FEW < max(server.at_once) <= MOST


async def test_a_server_that_wants_less_is_asked_by_fewer(tmp_path):
    """One 503: half the slots from then on."""
    server = Counting(0.02, lambda number: http(503, b"busy") if number == 1 else http(body=JPEG))
    outcomes = await server.fetched(tmp_path, 40)
    assert sum(isinstance(outcome, FetchFailed) for outcome in outcomes) == 1
    assert max(server.at_once) == FEW
    assert max(server.at_once[-20:]) == FEW // 2


async def test_a_file_of_that_name_is_replaced(tmp_path):
    """A planted link itself, not what it points to."""
    (tmp_path / "images").mkdir()
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "images" / "mug.png").symlink_to(tmp_path / "victim")
    for data in (PNG, picture("PNG")):
        outcome = await fetch(tmp_path, answer(http(body=data)))
        assert isinstance(outcome, Fetched)
        assert (tmp_path / "images" / "mug.png").read_bytes() == data
    assert not (tmp_path / "images" / "mug.png").is_symlink()
    assert (tmp_path / "victim").read_text() == "precious"


async def test_the_request_carries_nothing_of_ours(tmp_path):
    """No token, no cookie, also not one that the server gave before, and no compression asked for."""
    async with downloading(tmp_path, answer(http(body=PNG, headers="Set-Cookie: a=b; Path=/\r\n"))) as (server, loader):
        for _ in range(2):
            await loader.fetch(spec(f"http://127.0.0.1:{server.port}/a"))
        headers = [request.headers for request in server.requests]
    assert [set(each) for each in headers] == [{"host", "accept", "accept-encoding", "user-agent"}] * 2
    assert {each["accept-encoding"] for each in headers} == {"identity"}


# ------------------------------------------------------------------------------------------------------ broken files


@pytest.mark.parametrize(
    ("act", "kind", "code", "again"),
    [
        (answer(http(body=PNG)[:-1]), OUTPUT, "truncated", True),
        (answer(http(body=PNG)[:-1], then="rst"), OUTPUT, "truncated", True),
        (answer(chunked(PNG, end=b"")), OUTPUT, "truncated", True),
        (answer(BODY_TO_THE_END + PNG[:-1]), OUTPUT, "corrupt", True),
        (answer(BODY_TO_THE_END + PNG[:-13]), OUTPUT, "corrupt", True),
        (answer(BODY_TO_THE_END + PNG[: len(PNG) // 2]), OUTPUT, "corrupt", True),
        (answer(BODY_TO_THE_END + JPEG[:-1]), OUTPUT, "corrupt", True),
        (answer(BODY_TO_THE_END + JPEG[: len(JPEG) // 2]), OUTPUT, "corrupt", True),
        (answer(BODY_TO_THE_END + WEBP[:-1]), OUTPUT, "corrupt", True),
        (answer(BODY_TO_THE_END), OUTPUT, "empty", True),
        (answer(http(body=with_a_flipped_byte(PNG))), OUTPUT, "corrupt", True),
        (answer(http(body=JPEG[:20] + bytes(500))), OUTPUT, "corrupt", True),
        (answer(http(body=bomb(30_000, 30_000))), OUTPUT, "too_many_pixels", False),
        (answer(http(body="<!doctype html><h1>Sign in</h1>", kind="text/html")), OUTPUT, "not_an_image", True),
        (answer(http(body='<svg onload="alert(1)"/>', kind="image/svg+xml")), OUTPUT, "not_an_image", True),
        (answer(http(body='{"error": "expired"}', kind="image/png")), OUTPUT, "not_an_image", True),
        (answer(http()), OUTPUT, "empty", True),
        (answer(http(204)), OUTPUT, "http_204", True),
        (answer(http(206, PNG)), OUTPUT, "http_206", True),
        (answer(http(403, PNG)), OUTPUT, "http_403", True),
        (answer(http(404)), OUTPUT, "http_404", True),
        (answer(http(410)), OUTPUT, "http_410", True),
        (answer(http(408)), TRANSIENT, "http_408", True),
        (answer(http(429)), TRANSIENT, "http_429", True),
        (answer(http(500)), TRANSIENT, "http_500", True),
        (answer(http(503, PNG)), TRANSIENT, "http_503", True),
        (answer(http(body=zlib.compress(PNG), headers="Content-Encoding: deflate\r\n")), OUTPUT, "encoded", True),
        (answer(http(body=PNG, headers="Content-Encoding: gzip\r\n")), OUTPUT, "encoded", True),
        (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), TRANSIENT, "network", True),
        (hang_up(after="nothing", how="fin"), TRANSIENT, "network", True),
        (hang_up(after="request", how="rst"), TRANSIENT, "network", True),
    ],
)
async def test_a_broken_download_leaves_nothing_and_says_why(tmp_path, act, kind, code, again):
    """Never a file under the final name, never a part of one, and no presigned query in the message."""
    outcome = await fetch(tmp_path, act)
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.kind, outcome.failure.code, outcome.is_retryable) == (kind, code, again)
    assert re.search(r"127\.0\.0\.1:\d+/files/a\.bin", outcome.failure.message)
    assert "canary" not in repr(outcome)
    assert files(tmp_path) == []


async def test_a_broken_download_keeps_the_file_that_is_there(tmp_path):
    """What is under the final name is whole, always."""
    await fetch(tmp_path, answer(http(body=PNG)))
    assert isinstance(await fetch(tmp_path, answer(http(body=PNG[:-20]))), FetchFailed)
    assert (tmp_path / "images" / "mug.png").read_bytes() == PNG


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_no_truncation_passes_for_whole(tmp_path, kind):
    """Wherever a connection is cut, the last bytes included: the length alone does not tell, where none was said."""
    data = picture(kind, (24, 16))
    path = tmp_path / "part"
    for cut in [*range(0, len(data), 7), *range(len(data) - 40, len(data))]:
        path.write_bytes(data[:cut])
        assert isinstance(inspect(path), Broken), f"{cut} of {len(data)} bytes"


def test_pixels_are_counted_before_they_are_decoded(tmp_path):
    """The limit is ours, below the one of the decoder as well."""
    (tmp_path / "part").write_bytes(PNG)
    assert inspect(tmp_path / "part", max_pixels=40 * 30 - 1) == Broken("too_many_pixels", "40 x 30 pixels", True)


@pytest.mark.parametrize(
    "act",
    [answer(http(body=PNG)), answer_for_ever(BODY_TO_THE_END, bytes(5000))],
    ids=["says so", "never ends"],
)
async def test_a_file_beyond_the_cap_is_cut_off(tmp_path, act):
    """By what it says of itself, or once that much has come; fetching it again would bring the same."""
    outcome = await fetch(tmp_path, act, max_bytes=len(PNG) - 1)
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.code, outcome.is_retryable) == ("too_large", False)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (answer_for_ever(BODY_TO_THE_END, b"."), "too_slow"),
        (answer(BODY_TO_THE_END + PNG[:-1], then="hang"), "timeout"),
        (answer(b"", then="hang"), "timeout"),
    ],
    ids=["drips", "falls silent", "never answers"],
)
async def test_a_server_may_not_hold_a_slot_for_hours(tmp_path, act, code):
    """By dripping, by silence in the middle, by silence from the start."""
    outcome = await fetch(tmp_path, act, patience=Patience(silence_s=0.3, window_s=0.1, least_bytes=1000))
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.kind, outcome.failure.code, outcome.is_retryable) == (TRANSIENT, code, True)
    assert outcome.seconds < 5
    assert files(tmp_path) == []


async def test_a_server_that_is_slow_and_steady_is_waited_for(tmp_path):
    """Many windows long, each with enough in it."""

    async def act(connection):
        await connection.read_request()
        await connection.send(BODY_TO_THE_END)
        for start in range(0, len(PNG), 500):
            await connection.send(PNG[start : start + 500])
            await asyncio.sleep(0.05)

    outcome = await fetch(tmp_path, act, patience=Patience(silence_s=5, window_s=0.1, least_bytes=500))
    assert isinstance(outcome, Fetched)
    assert outcome.seconds > 0.2


async def test_a_refused_connection_is_tried_again_later(tmp_path):
    """Nobody listens on that port."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with Downloader(tmp_path, LOOPBACK, run_id="run") as downloader:
        outcome = await downloader.fetch(spec(f"http://127.0.0.1:{port}/a"))
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.kind, outcome.failure.code, outcome.is_retryable) == (TRANSIENT, "network", True)


# --------------------------------------------------------------------------------------------------------- redirects


def redirecting(hops, *, last="/image"):
    """So many redirects, each written in another way, then the image."""

    async def act(connection):
        await connection.read_request()
        path = connection.requests[0].line.split()[1]
        number = int(path.removeprefix("/hop")) if path.startswith("/hop") else hops
        if number == hops:
            return await connection.send(http(body=PNG))
        target = last if number + 1 == hops else f"/hop{number + 1}"
        port = connection.socket.getsockname()[1]
        prefix = ("", f"http://127.0.0.1:{port}", f"//localhost:{port}")[number % 3]
        status = (301, 302, 303, 307, 308)[number % 5]
        return await connection.send(http(status, headers=f"Location: {prefix}{target}\r\n"))

    return act


@pytest.mark.parametrize("hops", range(4))
async def test_three_redirects_are_followed(tmp_path, hops):
    """Relative, absolute or without scheme; the source is the place that was asked for."""
    outcome = await fetch(tmp_path, redirecting(hops), place="/hop0")
    assert isinstance(outcome, Fetched)
    assert outcome.artifact.source_url.endswith("/hop0")


async def test_the_fourth_redirect_is_refused(tmp_path):
    """It leads nowhere."""
    outcome = await fetch(tmp_path, redirecting(4), place="/hop0")
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.code, outcome.is_retryable) == ("redirect_refused", True)


@pytest.mark.parametrize(
    ("location", "code", "again"),
    [
        ("https://evilruncomfy.net/a.png", "host_refused", False),
        ("https://runcomfy.net.evil.com/a.png", "host_refused", False),
        ("http://169.254.169.254/latest/meta-data", "host_refused", False),
        ("http://10.0.0.1/a.png", "host_refused", False),
        ("http://user:word@127.0.0.1/a.png", "host_refused", False),
        ("file:///etc/passwd", "host_refused", False),
        ("http://[", "redirect_refused", True),
        ("http://127.0.0.1:99999/", "host_refused", False),
        ("", "redirect_refused", True),
        ("https://cdn\udcff.runcomfy.net/\udcff.png", "host_refused", False),
        ("/\udcff.png", "redirect_refused", True),
    ],
)
async def test_a_redirect_leads_nowhere_else(tmp_path, location, code, again):
    """Each place is checked like the first, and an unreadable one is no crash."""
    head = f"HTTP/1.1 302 Reason\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"
    outcome = await fetch(tmp_path, answer(head.encode("utf-8", "surrogateescape")))
    assert isinstance(outcome, FetchFailed)
    outcome.failure.message.encode()  # bytes that are no text may come; the state holds text
    assert (outcome.failure.code, outcome.is_retryable) == (code, again)
    assert files(tmp_path) == []


# ----------------------------------------------------------------------------------------------------- the two walls


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://cdn.runcomfy.net/a.png?sig=1", None),
        ("https://runcomfy.com/a.png", None),
        ("HTTPS://CDN.RunComfy.NET.:443/a.png", None),
        ("https://files.partner.example/a.png", None),
        ("https://evilruncomfy.net/a.png", "not trusted"),
        ("https://runcomfy.net.evil.com/a.png", "not trusted"),
        ("https://sub.files.partner.example/a.png", "not trusted"),
        ("https://evil.com/.runcomfy.net", "not trusted"),
        ("https://evil.com?.runcomfy.net", "not trusted"),
        ("https:///a.png", "not trusted"),
        ("https://127.0.0.1/a.png", "not trusted"),
        ("https://[::ffff:127.0.0.1]/a.png", "not trusted"),
        ("https://0x7f.1/a.png", "not trusted"),
        ("https://2130706433/a.png", "not trusted"),
        ("http://cdn.runcomfy.net/a.png", "only https"),
        ("http://127.0.0.1/a.png", "only https"),
        ("http://localhost/a.png", "only https"),
        ("https://cdn.runcomfy.net:8443/a.png", "only https"),
        ("ftp://cdn.runcomfy.net/a.png", "only https"),
        ("file:///etc/passwd", "only https"),
        ("javascript:alert(1)", "only https"),
        ("//cdn.runcomfy.net/a.png", "only https"),
        ("", "only https"),
        ("https://user:word@cdn.runcomfy.net/a.png", "hides its host"),
        ("https://cdn.runcomfy.net@evil.com/a.png", "hides its host"),
        ("https://@cdn.runcomfy.net/a.png", "hides its host"),
        ("https://①②⑦.⓪.⓪.①/a.png", "hides its host"),
        ("https://evil.com\\@cdn.runcomfy.net/a.png", "no proper URL"),
        ("https://cdn.runcomfy.net/a\nHost: evil.com", "no proper URL"),
        ("https://cdn.runcomfy.net:99999/a.png", "no proper URL"),
        ("https://[/a.png", "no proper URL"),
        ("https://a..runcomfy.net/a.png", "no proper URL"),
        ("https://.runcomfy.net/a.png", "no proper URL"),
        (f"https://{'a' * 64}.runcomfy.net/a.png", "no proper URL"),
    ],
)
async def test_a_url_outside_the_service_is_not_fetched(tmp_path, url, reason):
    """The first wall is the text; a host that the user trusts is trusted by its exact name."""
    policy = HostPolicy(trusted=HostPolicy().trusted | {"files.partner.example"})
    refusal = policy.refusal(url)
    assert refusal is None if reason is None else reason in (refusal or "")
    if reason is not None:
        async with Downloader(tmp_path, policy, run_id="run") as downloader:
            outcome = await downloader.fetch(spec(url))
        assert isinstance(outcome, FetchFailed)
        assert (outcome.failure.kind, outcome.failure.code, outcome.is_retryable) == (POLICY, "host_refused", False)


async def test_a_url_that_only_a_library_finds_wrong_is_no_bug(tmp_path):
    """What it names is paid for: the request is read again, and in the end it is lost, with its reason."""
    async with Downloader(tmp_path, LOOPBACK, run_id="run") as downloader:
        outcome = await downloader.fetch(spec("https://[::1].runcomfy.net/a.png"))
    assert (outcome.failure.code, outcome.is_retryable) == ("bad_url", True)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8188/a", "http://localhost/a", "https://127.9.9.9/a", "http://[::1]:80/a"]
)
def test_this_machine_is_trusted_only_where_the_api_is_local(url):
    """Then over http as well, and on any port."""
    assert HostPolicy().refusal(url) is not None
    assert LOOPBACK.refusal(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://shop.example/a.png?sig=1", None),
        ("https://shop.example:8443/a.png", None),
        ("https://bücher.example/a.png", None),
        ("https://10.0.0.1/a.png", None),  # the second wall's
        ("http://shop.example/a.png", "only https"),
        ("http://127.0.0.1/a.png", "only https"),
        ("ftp://shop.example/a.png", "only https"),
        ("https:///a.png", "only https"),
        ("https://user:word@shop.example/a.png", "hides its host"),
        ("https://shop.example\\@evil.com/a.png", "no proper URL"),
        ("https://shop.example:99999/a.png", "no proper URL"),
    ],
)
def test_inputs_may_live_on_any_host(url, reason):
    """On any port too, but only over https, and by their own name."""
    refusal = HostPolicy(allow_any_host=True).refusal(url)
    assert refusal is None if reason is None else reason in (refusal or "")


@pytest.mark.parametrize(
    ("address", "is_public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::8.8.8.8", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("192.0.0.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:10.0.0.1", False),
        ("::10.0.0.1", False),
        ("2002:a9fe:a9fe::", False),
        ("64:ff9b::169.254.169.254", False),
        ("64:ff9b:1::10.0.0.1", False),
        ("2001:db8::1", False),
        ("localhost", False),
        ("", False),
    ],
)
def test_only_public_addresses_are_connected_to(address, is_public):
    """Private, link-local, metadata and wrapped ones are not, wherever the API is."""
    assert is_allowed(address, HostPolicy()) is is_public
    assert is_allowed(address, LOOPBACK) is is_public


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"])
def test_this_machine_is_connected_to_only_where_the_api_is_local(address):
    """Also in the forms that hide it."""
    assert not is_allowed(address, HostPolicy())
    assert is_allowed(address, LOOPBACK)


async def test_a_trusted_name_that_leads_here_is_refused(tmp_path):
    """`localhost` passes the text once the user trusts it, and stops at the second wall."""
    async with Downloader(tmp_path, HostPolicy(trusted=frozenset({"localhost"})), run_id="run") as downloader:
        outcome = await downloader.fetch(spec("https://localhost/a.png"))
    assert isinstance(outcome, FetchFailed)
    assert (outcome.failure.kind, outcome.failure.code, outcome.is_retryable) == (POLICY, "address_refused", False)


@pytest.mark.parametrize(
    ("policy", "code", "is_reached"), [(HostPolicy(), "address_refused", False), (LOOPBACK, "network", True)]
)
async def test_a_name_that_turns_out_to_be_private_is_not_connected_to(tmp_path, monkeypatch, policy, code, is_reached):
    """DNS rebinding: the answer at connect time counts. Where this machine is allowed, the same name gets through."""
    async with downloading(tmp_path, hang_up(after="nothing", how="fin"), policy=policy) as (server, downloader):
        there = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [there])
        outcome = await downloader.fetch(spec("https://cdn.runcomfy.net/a.png"))
        assert bool(server.connections) is is_reached
    assert isinstance(outcome, FetchFailed)
    assert outcome.failure.code == code


# -------------------------------------------------------------------------------------------------------- part files


@pytest.mark.parametrize(
    ("act", "parts"),
    [(answer(b"", then="hang"), 0), (answer(BODY_TO_THE_END + bytes(3 << 20), then="hang"), 1)],
    ids=["before the answer", "in the body"],
)
async def test_a_cancelled_download_leaves_nothing(tmp_path, act, parts):
    """Wherever it is cancelled, the part file goes."""
    async with downloading(tmp_path, act) as (server, downloader):
        task = asyncio.create_task(downloader.fetch(spec(f"http://127.0.0.1:{server.port}/a")))
        while not (
            server.requests and sum(path.stat().st_size > 1 << 20 for path in tmp_path.rglob(".part-*")) >= parts
        ):
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert files(tmp_path) == []


async def test_a_download_that_is_cancelled_before_it_is_decoded_leaves_nothing(tmp_path, monkeypatch):
    """Its turn to be decoded never comes."""
    is_busy, go_on = threading.Event(), threading.Event()

    def slow(path, **how):
        is_busy.set()
        assert go_on.wait(20)
        return inspect(path, **how)

    monkeypatch.setattr(download, "inspect", slow)
    body = bytes(2 << 20)
    async with downloading(tmp_path, answer(http(body=body)), decoders=1) as (server, downloader):
        tasks = [
            asyncio.create_task(downloader.fetch(spec(f"http://127.0.0.1:{server.port}/{name}", stem=f"images/{name}")))
            for name in "ab"
        ]
        while not (is_busy.is_set() and downloader._decoders._work_queue.qsize()):
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True)
        )
        assert len(list(tmp_path.rglob(".part-*"))) == 1
        go_on.set()
        await asyncio.get_running_loop().run_in_executor(downloader._decoders, int)  # after all that was queued
    assert files(tmp_path) == []


def test_part_files_of_dead_runs_are_swept(tmp_path):
    """They and nothing else, in subfolders too."""
    for name in (".part-old-1", "a.png", "set/.part-old-2", "set/b.png"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert sweep_parts(tmp_path) == 2
    assert sweep_parts(tmp_path) == 0
    assert files(tmp_path) == ["a.png", "b.png", "set"]


# ---------------------------------------------------------------------------------------------------------- the disk

FETCH = """
import asyncio, pathlib, sys
from runner.errors import StorageFailed
from runner.media.download import Downloader
from runner.media.guard import HostPolicy
from runner.media.values import FetchSpec, SecretUrl

async def main(url, directory=pathlib.Path("disk")):
    spec = FetchSpec(job_id="mug", index=1, url=SecretUrl(url), stem="images/mug")
    async with Downloader(directory, HostPolicy(allow_loopback=True), run_id="run") as downloader:
        try:
            print(await downloader.fetch(spec))
        except StorageFailed as error:
            print(error.message, [path.name for path in (directory / "images").iterdir()])

asyncio.run(main(sys.argv[1]))
"""


async def test_a_full_disk_ends_the_run_and_is_no_fault_of_the_job(tmp_path):
    """The part file goes, so that there is room for the state."""
    (tmp_path / "disk").mkdir()
    async with raw_server(answer(http(body=picture("PNG", (800, 800))))) as server:
        command = tiny_disk(sys.executable, "-c", FETCH, f"http://127.0.0.1:{server.port}/a")
        process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
        said = (await process.communicate())[0].decode()
    assert "disk/images: No space left on device" in said or "disk/images: File too large" in said
    assert "mend the disk and run the same command" in said
    assert said.rstrip().endswith("[]")


@pytest.mark.parametrize("obstacle", ["images", "images/mug.png/x"])
async def test_a_place_that_cannot_be_written_ends_the_run(tmp_path, obstacle):
    """A file in the place of the folder, a folder in the place of the file."""
    (tmp_path / obstacle).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / obstacle).touch()
    with pytest.raises(StorageFailed, match="Nothing paid is lost"):
        await fetch(tmp_path, answer(http(body=PNG)))
    assert not list(tmp_path.rglob(".part-*"))


async def test_a_file_is_compared_with_what_was_recorded(tmp_path):
    """Missing, of another length, with other bytes of the same length, or a link instead."""
    outcome = await fetch(tmp_path, answer(http(body=PNG)))
    assert isinstance(outcome, Fetched)
    path, artifact = tmp_path / outcome.artifact.path, outcome.artifact

    def found():
        failure = verify(tmp_path, artifact)
        return is_whole(tmp_path, artifact), failure and failure.code

    assert found() == (True, None)
    path.write_bytes(with_a_flipped_byte(PNG))
    assert found() == (True, "changed")
    path.write_bytes(PNG[:-1])
    assert found() == (False, "missing")
    path.unlink()
    assert found() == (False, "missing")
    path.symlink_to("/dev/null")
    assert found() == (False, "missing")
