"""Looks at inputs over real sockets, at servers that are good, odd, slow and hostile."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.raw_server import answer, hang_up, http, raw_server
from support.sites import BMP, GIF, HEIC, JPEG, LARGE, MP3, MP4, PNG, WEBP, always, only_get, site, sized, stored

from runner.__about__ import __version__
from runner.media.asking import Patience
from runner.media.guard import HostPolicy
from runner.media.looks import LOOKED_AT, Bad, Good
from runner.media.manners import MOST_UNANSWERED
from runner.media.preflight import Preflight

LOOPBACK = HostPolicy(allow_any_host=True, allow_loopback=True)
PEM = Path(__file__).parents[1] / "support" / "loopback.pem"
CANARY = "canary-7f3a-5f0e-91bd"


PAGE = b"<!doctype html><title>Sign\n in</title><h1>Hello"


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self):
        self.seconds, self.slept = 0.0, []

    def now(self):
        return self.seconds

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def looking(respond=None, *, act=None, clock=None, **more):
    """A server that answers or acts so, and a preflight whose time does not pass by itself."""
    clock = clock or Clock()
    async with (
        raw_server(act or site(respond)) as server,
        Preflight(LOOPBACK, dice=lambda: 0.5, now=clock.now, sleep=clock.sleep, **more) as looks,
    ):
        yield server, looks


async def look(respond, kind="image", *, place=f"/a.bin?sig={CANARY}", **more):
    """What is found at a server that answers so, and the requests it took."""
    async with looking(respond, **more) as (server, looks):
        found = await looks.look(f"http://127.0.0.1:{server.port}{place}", kind)
        return with_any_port(found, server.port), [request.line.split()[0] for request in server.requests]


def with_any_port(found, port):
    """What was found, as it would be whatever the server's port."""
    if isinstance(found, Bad):
        return replace(found, message=found.message.replace(f":{port}/", ":PORT/"))
    notes = (replace(note, message=note.message.replace(f":{port}/", ":PORT/")) for note in found.notes)
    return replace(found, notes=tuple(notes))


# ------------------------------------------------------------------------------------------------------- good inputs


@pytest.mark.parametrize(
    ("data", "kind", "form", "pixels"),
    [
        (PNG, "image", "png", (40, 30)),
        (JPEG, "image", "jpeg", (40, 30)),
        (WEBP, "image", "webp", (40, 30)),
        (LARGE, "image", "jpeg", (800, 600)),
        (MP4, "video", "mp4", (None, None)),
        (MP3, "audio", "mp3", (None, None)),
    ],
    ids=["png", "jpeg", "webp", "large jpeg", "mp4", "mp3"],
)
async def test_a_good_input_is_known_by_its_first_bytes(data, kind, form, pixels):
    """Size, format, width and height, in two requests, whatever the content type says."""
    found, methods = await look(stored(data, "application/octet-stream"), kind)
    assert found == Good(format=form, bytes=len(data), width=pixels[0], height=pixels[1])
    assert methods == ["HEAD", "GET"]


@pytest.mark.parametrize("status", [400, 403, 404, 405, 500, 501, 503])
async def test_a_refused_head_means_nothing(status):
    """Some do not know it, and a presigned URL is signed for GET alone."""
    found, methods = await look(only_get(http(body=PNG, kind="image/png"), status))
    assert found == Good(format="png", bytes=len(PNG), width=40, height=30)
    assert methods == ["HEAD", "GET"]


async def test_a_head_that_hangs_is_left_for_a_get():
    """And costs a part of the time only."""

    async def respond(request):
        if request.line.startswith("HEAD "):
            await asyncio.sleep(60)
        return http(body=PNG)

    found, methods = await look(respond, patience=Patience(head_s=0.2))
    assert found == Good(format="png", bytes=len(PNG), width=40, height=30)
    assert methods == ["HEAD", "GET"]


@pytest.mark.parametrize(
    "respond",
    [
        lambda _: http(body=PNG),  # a body after HEAD
        lambda request: None if request.line.startswith("HEAD ") else http(body=PNG),
        lambda request: b"SSH-2.0\r\n" if request.line.startswith("HEAD ") else http(body=PNG),
        stored(PNG, head=http(302, headers="Location: http://10.0.0.1/\r\n")),
        stored(PNG, head=http(302, headers="Location: /a.bin\r\n")),
        stored(PNG, head=sized(0, b"")),
    ],
    ids=["with a body", "hangs up", "no HTTP", "leads elsewhere", "leads in a circle", "says 0 bytes"],
)
async def test_a_head_that_goes_wrong_means_nothing(respond):
    """GET decides."""
    found, _ = await look(respond)
    assert found == Good(format="png", bytes=len(PNG), width=40, height=30)


@pytest.mark.parametrize(
    ("data", "kind", "code", "words"),
    [
        (GIF, "image", "input-format", "is a GIF, which the service may not take"),
        (BMP, "image", "input-format", "is a BMP"),
        (HEIC, "image", "input-format", "is a HEIC"),
        (b"\x1aE\xdf\xa3\xa3B\x82\x88matroska" + bytes(90), "video", "input-format", "is a MKV"),
    ],
    ids=["gif", "bmp", "heic", "mkv"],
)
async def test_a_format_that_is_not_sure_to_be_taken_is_noted(data, kind, code, words):
    """It is no error: nobody knows."""
    found, _ = await look(stored(data), kind)
    assert isinstance(found, Good)
    assert [note.code for note in found.notes] == [code]
    assert words in found.notes[0].message


async def test_an_unknown_size_is_noted():
    """Of a large file that comes in chunks; of a small one the end is seen."""

    def chunks(data):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        return only_get(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data))

    found, _ = await look(chunks(PNG))
    assert found == Good(format="png", bytes=len(PNG), width=40, height=30)
    found, _ = await look(chunks(LARGE))
    assert isinstance(found, Good)
    assert (found.bytes, [note.code for note in found.notes]) == (None, ["input-size"])
    found, _ = await look(only_get(http(206, LARGE[:LOOKED_AT], "Content-Range: bytes 0-65535/*\r\n")))
    assert isinstance(found, Good)
    assert (found.bytes, found.width, [note.code for note in found.notes]) == (None, 800, ["input-size"])


async def test_the_size_by_head_counts_where_the_get_does_not_tell():
    """The range's total is `*`."""

    def respond(request):
        if request.line.startswith("HEAD "):
            return sized(len(LARGE), b"")
        return http(206, LARGE[:LOOKED_AT], "Content-Range: bytes 0-65535/*\r\n")

    found, _ = await look(respond)
    assert found == Good(format="jpeg", bytes=len(LARGE), width=800, height=600)


@pytest.mark.parametrize(
    "odd",
    [http(416, headers="Content-Range: bytes */9\r\n"), http(206, PNG, "Content-Range: bytes 5-9/99\r\n"), http(206)],
    ids=["416", "another part", "no part named"],
)
async def test_a_server_that_reads_ranges_its_own_way_is_asked_without(odd):
    """Once more, for all of it; no more is read of that either."""

    def respond(request):
        return odd if "range" in request.headers else http(body=PNG)

    found, methods = await look(respond)
    assert found == Good(format="png", bytes=len(PNG), width=40, height=30)
    assert methods == ["HEAD", "GET", "GET"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_an_image_that_was_stored_compressed_is_unpacked(encoding):
    """A fetcher would; its length is that of the packed form."""
    packed = gzip.compress(PNG)
    found, _ = await look(stored(packed, more=f"Content-Encoding: {encoding}\r\n"))
    assert isinstance(found, Good)
    assert (found.format, found.width, found.bytes) == ("png", 40, None)


@pytest.mark.parametrize(("encoding", "body"), [("br", PNG), ("gzip", PNG), ("gzip", gzip.compress(bytes(1 << 28)))])
async def test_what_is_packed_otherwise_or_a_bomb_is_no_good(encoding, body):
    """Unpacking ends at what is looked at, too."""
    found, _ = await look(stored(body[:LOOKED_AT], more=f"Content-Encoding: {encoding}\r\n"))
    assert isinstance(found, Bad)


async def test_a_text_type_is_noted():
    """The bytes prove an image; a careful fetcher may still refuse it."""
    found, _ = await look(stored(PNG, "text/html; charset=utf-8"))
    assert isinstance(found, Good)
    assert [(note.code, note.message) for note in found.notes] == [
        ("input-content-type", "127.0.0.1:PORT/a.bin is a PNG, but is served as text/html")
    ]


# -------------------------------------------------------------------------------------------------------- bad inputs

CERTAIN = [
    (only_get(http(401)), "input-login", "needs a login or is forbidden (HTTP 401)"),
    (only_get(http(403)), "input-login", "needs a login or is forbidden (HTTP 403)"),
    (always(http(403, "x", "cf-mitigated: challenge\r\n")), "input-login", "stands behind a bot wall (HTTP 403)"),
    (always(http(404)), "input-not-found", "is not there (HTTP 404)"),
    (always(http(410)), "input-not-found", "is not there (HTTP 410)"),
    (always(http(451)), "input-unreachable", "does not serve a file (HTTP 451)"),
    (always(http(302)), "input-unreachable", "does not serve a file (HTTP 302)"),
    (always(http(204)), "input-unreachable", "does not serve a file (HTTP 204)"),
    (always(http(200)), "input-not-image", "is empty"),
    (
        always(http(403, "<?xml version='1.0'?><Error><Message>Request has expired</Message></Error>")),
        "input-expired",
        "says that the URL has expired (HTTP 403)",
    ),
    (always(http(403, "<html>Your session expired</html>")), "input-login", "needs a login"),
    (always(http(403, '{"error": "AccessDenied"}')), "input-login", "needs a login"),
    (always(http(body=PAGE, kind="text/html")), "input-web-page", "answers with a web page, titled 'Sign in'"),
    (always(http(body=PAGE, kind="image/png")), "input-web-page", "answers with a web page, titled 'Sign in'"),
    (always(http(body=b"<p>?", kind="text/html")), "input-web-page", "answers with a web page"),
    (
        always(http(body=PAGE + b'<input name=p type="password">', kind="text/html")),
        "input-login",
        "answers with a page to log in, titled 'Sign in'",
    ),
    (stored(sized(51_000_000), head=sized(51_000_000, b"")), "input-too-large", "is 51.0 MB large; the limit is 50 MB"),
    (only_get(sized(50_000_001)), "input-too-large", "is 50.0 MB large"),
    (
        only_get(http(206, LARGE[:LOOKED_AT], "Content-Range: bytes 0-65535/51000000\r\n")),
        "input-too-large",
        "is 51.0 MB large",
    ),
    (always(http(body='{"error": "no such image"}')), "input-not-image", 'is no image: it begins \'{"error": "no su\''),
    (always(http(body=b"\x1b[2J\x07" + bytes(30))), "input-not-image", "it begins '[2J'"),
    (stored(MP4), "input-not-image", "is no image, but a MP4"),
    (stored(b"%PDF-1.7 " + bytes(99)), "input-not-image", "is no image, but a PDF"),
    (stored(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "input-not-image", "but a SVG"),
]


@pytest.mark.parametrize(("respond", "code", "words"), CERTAIN, ids=[words for _, _, words in CERTAIN])
async def test_a_bad_input_is_told_with_its_reason_and_a_remedy(respond, code, words):
    """For certain, in one try, with the place and without the query."""
    found, methods = await look(respond)
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == (code, True)
    assert found.hint
    assert found.message.startswith("127.0.0.1:PORT/a.bin ")
    assert words in found.message
    assert CANARY not in repr(found)
    assert len(methods) <= 2


async def test_too_large_by_head_is_not_even_fetched():
    """One request is enough."""
    _, methods = await look(stored(PNG, head=sized(51_000_000, b"")))
    assert methods == ["HEAD"]


@pytest.mark.parametrize(
    ("kind", "size", "is_good", "is_certain"),
    [
        ("image", 50_000_000, True, True),
        ("image", 50_000_001, False, True),
        ("video", 100_000_000, True, True),
        ("video", 100_000_001, False, True),
        ("audio", 100_000_001, False, False),
    ],
)
async def test_the_limits_are_decimal(kind, size, is_good, is_certain):
    """50 MB for an image, 100 MB for a video; what nobody documents is a warning."""
    data = {"image": PNG, "video": MP4, "audio": MP3}[kind]
    found, _ = await look(only_get(sized(size, data)), kind)
    assert isinstance(found, Good) is is_good
    assert getattr(found, "is_certain", True) is is_certain


async def test_a_header_that_ends_too_early_is_good_as_far_as_it_goes():
    """There is more of the file; where that is all, it is broken, and perhaps not for the service."""
    found, _ = await look(only_get(http(206, PNG[:20], f"Content-Range: bytes 0-19/{len(PNG)}\r\n")))
    assert found == Good(format="png", bytes=len(PNG), width=None, height=None)
    found, _ = await look(stored(PNG[:20]))
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-not-image", False)
    assert "is a broken PNG" in found.message


async def test_a_page_that_repeats_its_address_gives_no_key_away():
    """Its title is left out then."""
    page = f"<html><title>{'No such file: ' * 9} ?sig={CANARY}</title>".encode()
    found, _ = await look(always(http(body=page, kind="text/html")))
    assert isinstance(found, Bad)
    assert found.message == "127.0.0.1:PORT/a.bin answers with a web page"


async def test_no_more_is_read_than_is_looked_at():
    """A server that knows no ranges and has 200 MB to tell is cut off."""
    sent = 0

    async def act(connection):
        nonlocal sent
        loop = asyncio.get_running_loop()
        while await connection.read_request():
            if connection.requests[connection.answered - 1].line.startswith("HEAD "):
                await connection.send(http(405))
                continue
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(connection.socket, b"HTTP/1.1 200 OK\r\n\r\n" + LARGE[:LOOKED_AT])
                while sent < 200_000_000:
                    await loop.sock_sendall(connection.socket, bytes(1 << 16))
                    sent += 1 << 16
            return

    async with looking(act=act) as (server, looks):
        found = await looks.look(f"http://127.0.0.1:{server.port}/a")
        await server.settled()
    assert isinstance(found, Good)
    assert (found.format, found.width, found.bytes) == ("jpeg", 800, None)
    assert sent < 20_000_000  # what the sockets of this machine hold between them


@pytest.mark.parametrize(
    ("kind", "data", "code"), [("video", PNG, "input-not-video"), ("audio", PNG, "input-not-audio")]
)
async def test_the_kind_is_what_the_field_wants(kind, data, code):
    """An image is no video."""
    found, _ = await look(stored(data), kind)
    assert isinstance(found, Bad)
    assert found.code == code


# --------------------------------------------------------------------------------------------------------- redirects


def hops(count, last):
    """So many redirects, then the last answer."""

    def respond(request):
        path = request.line.split()[1]
        number = int(path.removeprefix("/hop")) if path.startswith("/hop") else 0
        return http(302, headers=f"Location: /hop{number + 1}?sig={CANARY}\r\n") if number < count else last

    return lambda request: respond(_without_query(request))


def _without_query(request):
    method, target, version = request.line.split()
    return type(request)(head=f"{method} {target.split('?')[0]} {version}\r\n\r\n".encode(), body=b"")


async def test_five_redirects_are_followed():
    """The sixth is refused: it goes round in circles."""
    found, _ = await look(hops(5, http(body=PNG)))
    assert isinstance(found, Good)
    found, _ = await look(hops(6, http(body=PNG)))
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-redirect", True)
    assert "leads to more than 5 redirects" in found.message


async def test_a_redirect_to_a_login_page_is_seen_through():
    """The message says where it led."""

    def respond(request):
        if request.line.split()[1].startswith("/a.bin"):
            return http(302, headers=f"Location: /accounts/login?next={CANARY}\r\n")
        return always(http(body=PAGE, kind="text/html"))(request)

    found, _ = await look(respond)
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-login", True)
    assert found.message == (
        "127.0.0.1:PORT/a.bin leads to 127.0.0.1:PORT/accounts/login, "
        "which answers with a page to log in, titled 'Sign in'"
    )
    assert "presign" in found.hint


@pytest.mark.parametrize(
    ("location", "code", "words"),
    [
        ("http://10.0.0.1/a.png", "input-redirect", "leads to 10.0.0.1/a.png: only https is fetched"),
        ("https://10.0.0.1/a.png", "input-private", "10.0.0.1/a.png leads to an address that is not public"),
        ("https://169.254.169.254/latest/meta-data", "input-private", "not public"),
        ("https://[fd00:ec2::254]/latest", "input-private", "not public"),
        ("http://shop.example/a.png", "input-redirect", "only https is fetched"),
        ("file:///etc/passwd", "input-redirect", "only https is fetched"),
        ("https://user:word@shop.example/a", "input-redirect", "it hides its host"),
        ("http://shop.example/\u202egnp.a", "input-redirect", "leads to shop.example/?gnp.a: only https"),
        ("http://[", "input-redirect", "it is no proper URL"),
        ("//127.0.0.1:99999/", "input-redirect", "it is no proper URL"),
    ],
)
async def test_a_redirect_leads_to_no_private_place(location, code, words):
    """Each hop passes the guard, and so does every address."""
    found, _ = await look(lambda _: http(302, headers=f"Location: {location}\r\n"))
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == (code, True)
    assert words in found.message


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://shop.example/a.png", "input-refused"),
        ("http://127.0.0.1/a.png", "input-refused"),
        ("https://user:word@shop.example/a.png", "input-refused"),
        ("https://shop example/a.png", "input-refused"),
        ("https://[/a.png", "input-refused"),
        ("https:///a.png", "input-refused"),
        ("", "input-refused"),
        ("\ud800", "input-refused"),
        (f"https://{'a' * 64}.example/a.png", "input-refused"),
        (f"https://ü{'a' * 64}.example/a.png", "input-refused"),
        ("https://10.0.0.1/a.png", "input-private"),
        ("https://127.0.0.1:1/a.png", "input-private"),
        ("https://①②⑦.⓪.⓪.①/a.png", "input-private"),
        ("https://localhost/a.png", "input-private"),
    ],
)
async def test_a_url_that_no_service_can_reach_is_not_asked(url, code):
    """By its text, or by the address that it leads to; whatever it is, nothing is raised."""
    async with Preflight(HostPolicy(allow_any_host=True)) as looks:
        found = await looks.look(url)
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == (code, True)


# ---------------------------------------------------------------------------------------------- unreachable servers


@pytest.mark.parametrize(
    ("error", "is_certain", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), True, "nobody knows a host of that name"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), False, "cannot be connected to: Temporary failure"),
        (OSError(24, "Too many open files"), False, "cannot be connected to: Too many open files"),
    ],
)
async def test_a_name_that_is_not_known_differs_from_a_resolver_in_trouble(monkeypatch, error, is_certain, words):
    """The first stays so; the second may be this machine's network."""

    def getaddrinfo(*_, **__):
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    clock = Clock()
    async with Preflight(LOOPBACK, now=clock.now, sleep=clock.sleep) as looks:
        found = await looks.look("https://shop.example/a.png?sig=1")
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-unreachable", is_certain)
    assert words in found.message
    assert bool(clock.slept) is not is_certain


async def test_a_refused_connection_may_pass():
    """Nobody listens now. It is tried again once, and HEAD is not followed by GET in vain."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    clock = Clock()
    async with Preflight(LOOPBACK, dice=lambda: 0.5, now=clock.now, sleep=clock.sleep) as looks:
        found = await looks.look(f"http://127.0.0.1:{port}/a")
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-unreachable", False)
    assert "cannot be connected to" in found.message
    assert clock.slept == [1.0]


PASSING = [
    (site(always(http(500))), "is in trouble (HTTP 500)", ["HEAD", "GET", "GET"]),
    (site(always(http(503))), "is in trouble (HTTP 503)", ["HEAD", "GET", "GET"]),
    (site(always(http(408))), "is in trouble (HTTP 408)", ["HEAD", "GET", "GET"]),
    (site(always(http(429))), "is asked too often (HTTP 429)", ["HEAD", "GET"]),
    (answer(b"SSH-2.0-OpenSSH_9.2\r\n"), "gave no proper answer: ", ["HEAD", "GET", "GET"]),
    (answer(sized(len(PNG))[:-1]), "gave no proper answer: ClientPayloadError", ["HEAD", "GET", "GET"]),
    # what ends before its answer, aiohttp asks for again by itself
    (hang_up(after="request", how="rst"), "gave no proper answer: ClientOSError", ["HEAD"] * 2 + ["GET"] * 4),
    (hang_up(after="request", how="fin"), "gave no proper answer: ServerDisconnected", ["HEAD"] * 2 + ["GET"] * 4),
]


@pytest.mark.parametrize(("act", "words", "methods"), PASSING, ids=[words for _, words, _ in PASSING])
async def test_what_may_pass_is_asked_once_more_by_get(act, words, methods):
    """Then it is a warning."""
    clock = Clock()
    async with looking(act=act, clock=clock) as (server, looks):
        found = await looks.look(f"http://127.0.0.1:{server.port}/a?sig={CANARY}")
        asked = [request.line.split()[0] for request in server.requests]
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-unreachable", False)
    assert words in found.message
    assert CANARY not in repr(found)
    assert asked == methods
    assert clock.slept[0] == 1.0


async def test_what_passed_is_good():
    """The second try decides."""
    tries = []

    def respond(request):
        tries.append(request)
        return http(500) if len(tries) < 3 else http(body=PNG)

    found, methods = await look(respond)
    assert isinstance(found, Good)
    assert methods == ["HEAD", "GET", "GET"]


@pytest.mark.parametrize("where", ["before the answer", "in the body"])
async def test_a_server_that_is_silent_is_given_up_in_time(where):
    """It may pass, and takes no more than its time."""

    async def act(connection):
        await connection.read_request()
        if where == "in the body":
            await connection.send(sized(len(PNG))[:-1])
        await connection.read_to_end()

    started = time.monotonic()
    async with looking(act=act, patience=Patience(head_s=0.2, total_s=0.5)) as (server, looks):
        found = await looks.look(f"http://127.0.0.1:{server.port}/a")
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-unreachable", False)
    assert "did not answer in time" in found.message
    assert time.monotonic() - started < 5


@contextlib.asynccontextmanager
async def tls_server(reply):
    """Over TLS, with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    handlers = []

    async def handle(reader, writer):
        handlers.append(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while request := await reader.readuntil(b"\r\n\r\n"):
                writer.write(reply if request.startswith(b"GET ") else http(405))
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.gather(*handlers)


async def test_a_certificate_that_cannot_be_verified_is_no_good():
    """For the service neither."""
    async with tls_server(http(body=PNG)) as port, Preflight(LOOPBACK) as looks:
        found = await looks.look(f"https://127.0.0.1:{port}/a")
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-unreachable", True)
    assert "its certificate cannot be verified: self-signed certificate" in found.message


async def test_a_server_without_tls_is_no_good():
    """It answers in plain text."""
    async with looking(act=hang_up_in_plain) as (server, looks):
        found = await looks.look(f"https://127.0.0.1:{server.port}/a")
    assert isinstance(found, Bad)
    assert (found.code, found.is_certain) == ("input-unreachable", True)
    assert "does not speak proper TLS" in found.message


async def hang_up_in_plain(connection):
    await connection.read_some()
    await connection.send(http(400))


LOOK_ONCE = """
import asyncio, sys
from runner.media.guard import HostPolicy
from runner.media.preflight import Preflight

async def main():
    async with Preflight(HostPolicy(allow_any_host=True, allow_loopback=True)) as looks:
        print(await looks.look(sys.argv[1]))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (http(body=PNG), "Good(format='png'"),
        (http(302, headers="Location: http://127.0.0.1:1/\r\n"), "127.0.0.1:1/: only https is fetched"),
    ],
)
async def test_https_is_never_left_for_http(reply, said):
    """Not even for this machine; in a process that trusts the test's certificate."""
    async with tls_server(reply) as port:
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", LOOK_ONCE, f"https://127.0.0.1:{port}/a"],
            env={**os.environ, "SSL_CERT_FILE": str(PEM)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert said in ended.stdout


# ------------------------------------------------------------------------------------------------------------ manners


async def test_the_request_carries_nothing_of_ours(monkeypatch, tmp_path):
    """No token, no cookie that the server set, nothing from the environment; and it says who asks."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login me password {CANARY}\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("RUNCOMFY_TOKEN", CANARY)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with looking(stored(PNG, more=f"Set-Cookie: a={CANARY}; Path=/\r\n")) as (server, looks):
        for name in "ab":
            assert isinstance(await looks.look(f"http://127.0.0.1:{server.port}/{name}"), Good)
        headers = [request.headers for request in server.requests]
        assert CANARY.encode() not in server.received
    names = {"host", "accept", "accept-encoding", "user-agent"}
    assert [set(each) for each in headers] == [names, names | {"range"}] * 2
    assert {each["accept-encoding"] for each in headers} == {"identity"}
    assert {each["user-agent"] for each in headers} == {f"runcomfy-batch/{__version__} (preflight)"}
    assert headers[1]["range"] == "bytes=0-65535"


def counting(now):
    """Answers slowly, and counts how many requests are there at once, by host."""

    async def respond(request):
        host = request.headers["host"].split(":")[0]
        now[host] = now.get(host, 0) + 1
        now[f"most {host}"] = max(now.get(f"most {host}", 0), now[host])
        now["most"] = max(now.get("most", 0), sum(count for name, count in now.items() if name.startswith("127")))
        await asyncio.sleep(0.01)
        now[host] -= 1
        return stored(PNG)(request)

    return respond


async def test_no_host_and_not_all_together_are_asked_too_much_at_once():
    """Each host has its slots, and there are so many in all; the limits are used."""
    now = {}
    hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    async with (
        raw_server(site(counting(now)), "0.0.0.0") as server,
        Preflight(LOOPBACK, per_host=3, total=5) as looks,
    ):
        found = {}
        urls = [(f"http://{host}:{server.port}/{n}", "image") for host in hosts for n in range(12)]
        await looks.look_all(urls, lambda url, _, look: found.update({url: look}))
    assert len(found) == 36
    assert all(isinstance(each, Good) for each in found.values())
    assert [now[f"most {host}"] for host in hosts] == [3, 3, 3]
    assert now["most"] == 5


async def test_each_distinct_url_is_asked_once():
    """And told once; another kind is another question."""
    told = []
    async with looking(stored(PNG)) as (server, looks):
        base = f"http://127.0.0.1:{server.port}"
        urls = [(f"{base}/{name}", "image") for name in "abacabad"] + [(f"{base}/a", "video")]
        await looks.look_all(urls, lambda url, kind, look: told.append((url[-1], kind, type(look))))
        gets = sorted(request.line.split()[1] for request in server.requests if request.line.startswith("GET "))
    assert gets == ["/a", "/a", "/b", "/c", "/d"]
    good = [(name, "image", Good) for name in "abcd"]
    assert sorted(told, key=str) == sorted([*good, ("a", "video", Bad)], key=str)


async def test_urls_are_taken_only_as_fast_as_servers_answer():
    """A million of them are not a million tasks."""
    taken, told = 0, 0
    most = 0

    def urls(port):
        nonlocal taken, most
        for n in range(150):
            taken += 1
            most = max(most, taken - told)
            yield f"http://127.0.0.1:{port}/{n}", "image"

    def tell(*_):
        nonlocal told
        told += 1

    async with looking(stored(PNG), total=2) as (server, looks):
        await looks.look_all(urls(server.port), tell)
    assert (taken, told) == (150, 150)
    assert most <= 2 * 16 + 1


async def test_an_error_of_the_caller_ends_all():
    """It comes out as it is, and nothing goes on in the background."""

    def tell(*_):
        raise LookupError("enough")

    async with looking(stored(PNG)) as (server, looks):
        urls = [(f"http://127.0.0.1:{server.port}/{n}", "image") for n in range(50)]
        with pytest.raises(LookupError, match="enough"):
            await looks.look_all(urls, tell)
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look:")]


async def test_a_cancel_ends_all():
    """Also while everyone waits."""

    async def respond(_):
        await asyncio.sleep(60)

    async with looking(respond) as (server, looks):
        task = asyncio.create_task(looks.look_all([(f"http://127.0.0.1:{server.port}/", "image")], print))
        while not server.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look:")]


@pytest.mark.parametrize(
    ("wish", "rest"),
    [("7", 7.0), ("3600", 30.0), ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0), ("soon", 5.0)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_wish_to_be_asked_later_is_obeyed(status, wish, rest):
    """Up to half a minute, counted from the response's own date; then one GET decides."""
    asked = []

    def respond(request):
        asked.append(request)
        date = "Date: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        return http(status, headers=f"Retry-After: {wish}\r\n{date}") if len(asked) == 1 else http(body=PNG)

    clock = Clock()
    found, methods = await look(respond, clock=clock)
    assert isinstance(found, Good)
    assert methods == ["HEAD", "GET"]
    assert clock.slept == [1.0, rest - 1.0]


async def test_a_host_that_complains_is_asked_less():
    """One slot fewer for each complaint, down to one; the others go on as before."""
    now = {}
    complaints = 9
    slowly = counting(now)

    async def respond(request):
        nonlocal complaints
        if complaints:
            complaints -= 1
            return http(429, headers="Retry-After: 1\r\n")
        return await slowly(request)

    clock = Clock()
    async with looking(respond, clock=clock) as (server, looks):
        urls = [(f"http://127.0.0.1:{server.port}/{n}", "image") for n in range(20)]
        found = []
        await looks.look_all(urls, lambda *result: found.append(result))
    assert len(found) == 20
    assert now["most 127.0.0.1"] == 1
    assert not complaints


async def test_a_host_that_answers_nothing_is_spared():
    """After some in a row the rest is not asked, also those that wait for their turn; other hosts are."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    clock, found = Clock(), {}
    async with looking(stored(PNG), clock=clock, total=8) as (server, looks):
        urls = [(f"http://localhost:{port}/{n}", "image") for n in range(200)]
        urls.append((f"http://127.0.0.1:{server.port}/a", "image"))
        await looks.look_all(urls, lambda url, _, look: found.update({url: look}))
    bad = [each for each in found.values() if isinstance(each, Bad)]
    assert len(found) == 201
    assert len(bad) == 200
    assert {(each.code, each.is_certain) for each in bad} == {("input-unreachable", False)}
    spared = [each for each in bad if "was not asked" in each.message]
    assert 200 - 2 * MOST_UNANSWERED <= len(spared) <= 200 - MOST_UNANSWERED
