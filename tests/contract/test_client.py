"""The API client against a server that misbehaves in every way, and against the simulator.

The question of each row is what a paid POST came to, and whether the answer may lead to a second payment: after the
first byte only an explicit, whole refusal may. Every row also counts the POSTs that arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gzip
import json
import logging
import os
import resource
import socket
import ssl
import subprocess
import sys
import traceback
from pathlib import Path

import aiohttp
import pytest
from support.raw_server import (
    answer,
    answer_each,
    answer_early,
    answer_for_ever,
    chunked,
    hang_up,
    http,
    raw_server,
)

from runner.api.bases import check_base, is_loopback
from runner.api.client import LARGEST_REPLY, Fuse, RunComfy, SentTwice, Timeouts
from runner.api.token import Token
from runner.api.wire import Accepted, ApiError, NotSent, Refused, Unknown
from runner.errors import ConfigurationInvalid, StorageFailed
from runner.model import FailureKind, Money, RemoteState
from runner.rules.retry import retry_after_s
from runner.simulator import FaultRule, Simulator, SimulatorSettings
from runner.simulator.settings import CALL_KINDS

K = FailureKind
SECRET = "canary-7f3a-5f0e-91bd"
TOKEN = Token(SECRET, "$RUNCOMFY_TOKEN")
MODEL = "google/nano-banana/edit"
PAYLOAD = '{"image_urls":["https://x.example.com/mug.jpg"],"prompt":"Größer, 更大"}'.encode()
LARGE = b'{"image_urls":["data:image/png;base64,' + b"A" * (8 << 20) + b'"]}'
"""More than the sockets' buffers hold."""
TAKEN = b'{"request_id": "abc-1"}'
PATIENT = Timeouts(connect_s=8.0, submit_s=8.0, read_s=8.0)
HASTY = Timeouts(connect_s=0.5, submit_s=0.5, read_s=0.5)


def client(base, timeouts=PATIENT):
    return RunComfy(base, TOKEN, timeouts=timeouts)


async def submit(base, *, timeouts=PATIENT, payload=PAYLOAD, model=MODEL):
    """The reply to one submit, and how often the intent was committed."""
    commits = 0

    async def before_send():
        nonlocal commits
        commits += 1

    async with client(base, timeouts) as api:
        reply = await api.submit(model, payload, before_send)
    assert SECRET not in repr(reply)
    return reply, commits


async def submit_to(act, **more):
    """The reply, the commits, and the server when everything that could still arrive has arrived."""
    async with raw_server(act) as server:
        reply, commits = await submit(server.base, **more)
        await server.settled()
    return reply, commits, server


# ------------------------------------------------------------------------------------------------- what is sent


async def test_exactly_the_payload_arrives_once_on_a_connection_of_its_own():
    """The bytes that were hashed, the documented headers, and nothing that would keep the connection."""
    reply, commits, server = await submit_to(answer(http(body=TAKEN)))
    assert (reply, commits) == (Accepted("abc-1"), 1)
    (request,) = server.requests
    assert (request.line, request.body) == ("POST /v1/models/google/nano-banana/edit HTTP/1.1", PAYLOAD)
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(PAYLOAD))
    assert request.headers["connection"] == "close"
    assert request.headers["user-agent"].startswith("runcomfy-batch/")
    assert "cookie" not in request.headers


async def test_the_intent_is_committed_before_the_first_byte():
    """The connection is up by then, and the server has read nothing."""
    seen = []

    async def before_send():
        await asyncio.sleep(0.05)
        seen.append((len(server.connections), server.received))

    async with raw_server(answer(http(body=TAKEN))) as server:
        async with client(server.base) as api:
            assert await api.submit(MODEL, PAYLOAD, before_send) == Accepted("abc-1")
        assert seen == [(1, b"")]


async def test_paid_posts_never_share_a_connection():
    """A server that closes an idle connection as a POST leaves would make a doubt out of nothing."""
    kept_alive = http(body=TAKEN, headers="Connection: keep-alive\r\n")
    async with raw_server(answer_each(kept_alive)) as server:
        async with client(server.base) as api:
            for _ in range(3):
                assert await api.submit(MODEL, PAYLOAD, nothing) == Accepted("abc-1")
        await server.settled()
        assert [len(connection.requests) for connection in server.connections] == [1, 1, 1]


async def test_a_connection_closed_between_two_submits_costs_nothing():
    """Answered, kept, then closed by the server: the next POST knows nothing of it."""
    async with raw_server(answer(http(body=TAKEN, headers="Connection: keep-alive\r\n"), then="rst")) as server:
        async with client(server.base) as api:
            replies = [await api.submit(MODEL, PAYLOAD, nothing) for _ in range(3)]
        await server.settled()
    assert (replies, server.posts) == ([Accepted("abc-1")] * 3, 3)


async def test_a_client_that_keeps_paid_connections_would_be_caught(monkeypatch):
    """The same server makes a doubt of what it never read."""
    kept = []
    connector = aiohttp.TCPConnector

    def keeping(*arguments, force_close=False, **more):
        kept.append(force_close)
        return connector(*arguments, **more)

    monkeypatch.setattr(aiohttp, "TCPConnector", keeping)
    act = answer(http(body=TAKEN, headers="Connection: keep-alive\r\n"), then="rst")
    async with raw_server(act) as server, client(server.base) as api:
        replies = [await api.submit(MODEL, PAYLOAD, nothing) for _ in range(3)]
    assert True in kept, "the mutant never acted"
    assert replies != [Accepted("abc-1")] * 3


async def test_submits_at_once_each_have_a_fuse_of_their_own():
    """One whose commit fails does not touch the others."""

    async def fail():
        raise StorageFailed("disk full")

    async with raw_server(answer(http(body=TAKEN))) as server:
        async with client(server.base) as api:
            hooks = [nothing] * 5 + [fail] + [nothing] * 5
            calls = (api.submit(MODEL, PAYLOAD, hook) for hook in hooks)
            replies = await asyncio.gather(*calls, return_exceptions=True)
        await server.settled()
    assert [isinstance(reply, StorageFailed) for reply in replies] == [hook is fail for hook in hooks]
    assert server.posts == 10


async def test_cookies_and_proxies_of_the_environment_are_not_used(monkeypatch):
    """A cookie is a second identity, and a proxy another that sees the token. (No jar keeps cookies of an address.)"""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    body = b'{"request_id": "abc-1", "status": "completed"}'
    async with raw_server(answer(http(body=body, headers="Set-Cookie: session=1; Path=/\r\n"))) as server:
        async with client(server.base.replace("127.0.0.1", "localhost")) as api:
            for _ in range(2):
                assert await api.submit(MODEL, PAYLOAD, nothing) == Accepted("abc-1")
                assert (await api.status("abc-1")).state is RemoteState.COMPLETED
        assert ["cookie" in request.headers for request in server.requests] == [False] * 4


async def nothing():
    """A commit that works."""


# ---------------------------------------------------------------------------------------- not sent: no byte left


async def read_to_end(connection):
    await connection.read_to_end()


async def hello_then(connection, data, how):
    """Read a TLS client's hello, then answer and end."""
    await connection.read_some()
    await connection.send(data)
    connection.reset() if how == "rst" else None
    if how == "hang":
        await connection.read_to_end()


def tls_server_that(data=b"", how="fin"):
    return lambda connection: hello_then(connection, data, how)


@pytest.mark.parametrize(
    ("act", "kind", "code"),
    [
        (tls_server_that(http(400, b"The plain HTTP request was sent to HTTPS port")), K.POLICY, "tls"),
        (tls_server_that(b"\x15\x03\x01\x00\x02\x02\x46"), K.POLICY, "tls"),
        (tls_server_that(), K.TRANSIENT, "network"),
        (tls_server_that(how="rst"), K.TRANSIENT, "network"),
        (tls_server_that(how="hang"), K.TRANSIENT, "timeout"),
    ],
    ids=["plain", "version", "fin", "rst", "hang"],
)
async def test_what_fails_in_the_tls_handshake_was_not_sent(act, kind, code):
    """And where nobody could be verified, it is no matter of trying again."""
    async with raw_server(act) as server:
        reply, commits = await submit(server.base.replace("http:", "https:"), timeouts=HASTY)
    assert isinstance(reply, NotSent)
    assert (reply.failure.kind, reply.failure.code, commits) == (kind, code, 0)
    assert SECRET.encode() not in server.received


async def test_a_certificate_that_nobody_signed_is_not_accepted():
    """Self-signed: the run is held, never weakened."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    async with await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        reply, commits = await submit(f"https://127.0.0.1:{port}/v1")
    assert isinstance(reply, NotSent)
    assert (reply.failure.kind, reply.failure.code, commits) == (K.POLICY, "tls", 0)


async def test_a_refused_connection_was_not_sent():
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    reply, commits = await submit(f"http://127.0.0.1:{port}/v1")
    assert isinstance(reply, NotSent)
    assert (reply.failure.kind, reply.failure.code, commits) == (K.TRANSIENT, "network", 0)
    assert f"errno {errno.ECONNREFUSED}" in reply.failure.message


async def test_a_name_that_does_not_resolve_was_not_sent():
    """`.invalid` never does (RFC 6761)."""
    reply, commits = await submit("https://api.runcomfy-batch.invalid/v1")
    assert isinstance(reply, NotSent)
    assert (reply.failure.kind, commits) == (K.TRANSIENT, 0)
    assert "api.runcomfy-batch.invalid" in reply.failure.message


async def test_a_host_that_does_not_answer_the_knock_was_not_sent():
    """Its queue of connections is full, so that the next SYN is dropped."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex(full.getsockname())
        reply, commits = await submit(f"http://127.0.0.1:{full.getsockname()[1]}/v1", timeouts=HASTY)
    assert isinstance(reply, NotSent)
    assert (reply.failure.kind, reply.failure.code, commits) == (K.TRANSIENT, "timeout", 0)


async def test_without_a_free_descriptor_nothing_was_sent():
    """Too many open files: found out at `socket()`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with raw_server(answer(http(body=TAKEN))) as server, client(server.base) as api:
        with contextlib.ExitStack() as stack:
            highest = stack.enter_context(Path(os.devnull).open()).fileno()
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 4, hard))
            with contextlib.suppress(OSError):
                while True:
                    stack.enter_context(Path(os.devnull).open())
            reply = await api.submit(MODEL, PAYLOAD, nothing)
        assert isinstance(reply, NotSent)
        assert (reply.failure.kind, reply.failure.code) == (K.TRANSIENT, "short_of")
        assert await api.submit(MODEL, PAYLOAD, nothing) == Accepted("abc-1")
        assert server.posts == 1


async def test_a_client_that_was_closed_sends_nothing():
    """A bug of the caller, and no outcome."""
    async with raw_server(answer(http(body=TAKEN))) as server:
        async with client(server.base) as api:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await api.submit(MODEL, PAYLOAD, nothing)
        assert server.connections == []


@pytest.mark.parametrize(
    "error",
    [
        StorageFailed("the disk is full"),
        RuntimeError("a bug"),
        OSError(28, "No space left on device"),
        TimeoutError("the disk does not answer"),
        aiohttp.ClientError("not of the network"),
        ConnectionResetError("of another connection"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_commit_that_fails_comes_out_as_it_is_and_nothing_was_sent(error):
    """Also where it looks like a failure of the network: that would be tried again, on a disk that is full."""

    async def before_send():
        raise error

    async with raw_server(read_to_end) as server:
        async with client(server.base) as api:
            with pytest.raises(type(error)) as caught:
                await api.submit(MODEL, PAYLOAD, before_send)
        await server.settled()
    assert caught.value is error
    assert (len(server.connections), server.received) == (1, b"")


async def test_a_caller_cancelled_while_it_commits_sends_nothing():
    """The intent may be on the disk or not; no byte has left."""
    committing = asyncio.Event()

    async def before_send():
        committing.set()
        await asyncio.Event().wait()

    async with raw_server(read_to_end) as server, client(server.base) as api:
        task = asyncio.create_task(api.submit(MODEL, PAYLOAD, before_send))
        await committing.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.settled()
        assert server.received == b""


async def test_a_commit_that_takes_too_long_sends_nothing():
    """The limit is for the whole submit."""

    async def before_send():
        await asyncio.Event().wait()

    async with raw_server(read_to_end) as server:
        async with client(server.base, HASTY) as api:
            reply = await api.submit(MODEL, PAYLOAD, before_send)
        await server.settled()
    assert isinstance(reply, NotSent)
    assert (reply.failure.code, server.received) == ("timeout", b"")


@pytest.mark.parametrize("secret", ["two\r\nlines", "two words", "tab\t", "ümlaut", ""])
def test_a_token_that_cannot_be_a_header_is_refused_at_the_start(secret):
    """Within a submit it would be found out only after the commit."""
    with pytest.raises(ConfigurationInvalid) as caught:
        Token(secret, "$RUNCOMFY_TOKEN")
    assert "$RUNCOMFY_TOKEN" in caught.value.message
    assert not secret or secret not in caught.value.message


# -------------------------------------------------------------------------- unknown: bytes left, nothing proves it


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_connection_that_ends_before_anything_is_read_is_unknown(how):
    """While the intent was committed: from here it looks like any other loss."""
    committing, ended = asyncio.Event(), asyncio.Event()

    async def act(connection):
        await committing.wait()
        connection.reset() if how == "rst" else connection.finish()
        ended.set()

    async def before_send():
        committing.set()
        await ended.wait()

    async with raw_server(act) as server:
        async with client(server.base) as api:
            reply = await api.submit(MODEL, PAYLOAD, before_send)
        await server.settled()
    assert isinstance(reply, Unknown)
    assert (reply.failure.code, server.posts, len(server.connections)) == ("network", 0, 1)


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_a_connection_that_ends_within_the_body_is_unknown(how):
    """The headers were read, of a body of megabytes not even half."""
    reply, commits, server = await submit_to(hang_up(after="head", how=how), payload=LARGE)
    assert isinstance(reply, Unknown)
    assert (reply.failure.code, commits, server.posts, len(server.connections)) == ("network", 1, 0, 1)


async def test_a_server_that_does_not_read_the_body_is_unknown_in_time():
    """Only the limit of the whole submit ends a stuck upload."""

    async def act(connection):
        await connection.read_head()
        while not reply_known.is_set():
            await asyncio.sleep(0.01)

    reply_known = asyncio.Event()
    async with raw_server(act) as server:
        reply, commits = await submit(server.base, payload=LARGE, timeouts=HASTY)
        reply_known.set()
        await server.settled()
    assert isinstance(reply, Unknown)
    assert (reply.failure.code, commits, server.posts) == ("timeout", 1, 0)


def ok(headers, body=TAKEN):
    """An answer with the headers as given."""
    return b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n" + body


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
UNUSABLE = {  # what the server does with a POST that it has read whole, and the failure's code
    "FIN": (hang_up(after="request", how="fin"), "network"),
    "RST": (hang_up(after="request", how="rst"), "network"),
    "silence": (hang_up(after="request", how="hang"), "timeout"),
    "part of a status line": (answer(b"HTTP/1.1 20"), "network"),
    "part of a refusal": (answer(b"HTTP/1.1 400 Bad Request\r\nContent-Ty"), "network"),
    "part of the headers": (answer(b"HTTP/1.1 200 OK\r\nContent-Ty"), "network"),
    "part of the headers, then silence": (answer(b"HTTP/1.1 200 OK\r\nContent-Ty", then="hang"), "timeout"),
    "100 Continue, then FIN": (answer(CONTINUE), "network"),
    "100 Continue for ever": (answer_for_ever(b"", CONTINUE), "timeout"),
    "101 Switching Protocols": (
        answer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + http(body=TAKEN)),
        "no_usable_answer",
    ),
    "headers for ever": (answer_for_ever(b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n"), "timeout"),
    "a body for ever": (answer_for_ever(chunked(end=b""), b"1\r\n \r\n"), "timeout"),
    "a body of megabytes": (answer(http(body=b" " * (LARGEST_REPLY + 1) + TAKEN)), "too_large"),
    "a refusal of megabytes": (answer(http(400, b" " * (LARGEST_REPLY + 1))), "too_large"),
    "a gzip bomb": (
        answer(http(body=gzip.compress(bytes(40 << 20)), headers="Content-Encoding: gzip\r\n")),
        "too_large",
    ),
    "bad gzip": (answer(http(body=TAKEN, headers="Content-Encoding: gzip\r\n")), "network"),
    "bad gzip in a refusal": (answer(http(400, b"{}", "Content-Encoding: gzip\r\n")), "network"),
    "less than the announced length": (answer(ok(b"Content-Length: 99\r\n")), "network"),
    "a refusal shorter than announced": (answer(b"HTTP/1.1 422 No\r\nContent-Length: 99\r\n\r\n{}"), "network"),
    "less than announced, then RST": (answer(ok(b"Content-Length: 99\r\n"), then="rst"), "network"),
    "less than announced, then silence": (answer(ok(b"Content-Length: 99\r\n"), then="hang"), "timeout"),
    "two lengths": (answer(ok(b"Content-Length: 23\r\nContent-Length: 3\r\n")), "network"),
    "length and chunks": (answer(ok(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n")), "network"),
    "chunks without an end": (answer(chunked(TAKEN, end=b"")), "network"),
    "chunks, then silence": (answer(chunked(TAKEN, end=b""), then="hang"), "timeout"),
    "a chunk cut short": (answer(ok(b"Transfer-Encoding: chunked\r\n", b"ff\r\n" + TAKEN)), "network"),
    "a chunk of no size": (answer(ok(b"Transfer-Encoding: chunked\r\n", b"zz\r\n" + TAKEN)), "network"),
    "truncated JSON": (answer(http(body=TAKEN[:-4])), "no_usable_answer"),
    "truncated JSON without a length": (answer(ok(b"", TAKEN[:-4])), "no_usable_answer"),
    "an empty body": (answer(http()), "no_usable_answer"),
    "204": (answer(b"HTTP/1.1 204 No Content\r\n\r\n"), "no_usable_answer"),
    "a page": (answer(http(body="<title>Hotel WiFi</title>", kind="text/html")), "no_usable_answer"),
    "a list": (answer(http(body=b'["request_id"]')), "no_usable_answer"),
    "null": (answer(http(body=b"null")), "no_usable_answer"),
    "no request_id": (answer(http(body=b'{"status": "in_queue"}')), "no_usable_answer"),
    "a request_id that is no id": (answer(http(body=b'{"request_id": "../models/x"}')), "no_usable_answer"),
    "not UTF-8": (answer(http(body=b'{"request_id": "a", "x": "\xe9"}')), "no_usable_answer"),
    "a server's error inside 200": (answer(http(body=b'{"error_code": 500001}')), "no_usable_answer"),
    "another protocol": (answer(b"\x15\x03\x03\x00\x02\x02\x28 this is not HTTP\r\n\r\n"), "network"),
    "ssh": (answer(b"SSH-2.0-OpenSSH_9.6\r\n"), "network"),
    "HTTP/0.9": (answer(TAKEN), "network"),
    "HTTP/2": (answer(b"HTTP/2 200\r\n\r\n" + TAKEN), "network"),
    "a header of 20 kB": (answer(http(body=TAKEN, headers=f"X: {'y' * 20_000}\r\n")), "network"),
    "a header without a colon": (answer(http(body=TAKEN, headers="what is this\r\n")), "network"),
}


@pytest.mark.parametrize("fault", UNUSABLE)
async def test_an_answer_that_cannot_be_used_is_unknown(fault):
    """The server had the whole POST: sent again, it would be paid twice."""
    act, code = UNUSABLE[fault]
    reply, commits, server = await submit_to(act, timeouts=HASTY if code == "timeout" else PATIENT)
    assert isinstance(reply, Unknown)
    assert (reply.failure.kind, reply.failure.code, commits) == (K.TRANSIENT, code, 1)
    assert (server.posts, len(server.connections)) == (1, 1)


@pytest.mark.parametrize(
    ("act", "hint"),
    [
        (answer(ok(b"Content-Length: 99\r\n")), "; it named the request id abc-1 before it broke off"),
        (answer(ok(b"Content-Length: 99\r\n"), then="hang"), "; it named the request id abc-1 before it broke off"),
        (answer(chunked(TAKEN, end=b""), then="hang"), "; it named the request id abc-1 before it broke off"),
        (answer(http(body=TAKEN[:-1])), "; it named the request id abc-1 before it broke off"),
        (answer(http(502, TAKEN)), "; it named the request id abc-1"),
        (answer(http(body=b"[" + TAKEN + b"]")), "; it named the request id abc-1"),
        (answer(http(body=b'{"request_id": "' + SECRET.encode() + b'"')), ""),
        (answer(http(body=TAKEN[:-2])), ""),
        (answer(http(502, b'{"request_id": "../abc"}')), ""),
    ],
)
async def test_an_id_that_came_with_an_answer_that_proves_nothing_is_a_hint(act, hint):
    """It is no proof, but a person can look for it; half an id is none, and a token is never one."""
    reply, _, _ = await submit_to(act, timeouts=HASTY)
    assert isinstance(reply, Unknown)
    assert reply.failure.message.partition("; it named")[2] == hint.partition("; it named")[2]
    assert reply.failure.message.endswith(hint)


@pytest.mark.parametrize("body", [b"", b'{"error_code": 422001}', b"<html>"])
@pytest.mark.parametrize(
    "status",
    [300, 304, 305, 408, 409, 418, 423, 424, 499, 500, 501, 502, 503, 504, 507, 520, 522, 524, 599, 600, 999],
)
async def test_a_status_that_is_no_refusal_is_unknown(status, body):
    """Gateways answer 5xx after the origin took the job; what the body says does not change that."""
    reply, commits, server = await submit_to(answer(http(status, b"" if status == 304 else body)))
    assert isinstance(reply, Unknown)
    assert (reply.failure.code, commits, server.posts) == ("no_usable_answer", 1, 1)
    assert f"HTTP {status}" in reply.failure.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_the_token_stays_here(status):
    """Neither the POST nor a GET goes to the other place."""
    async with raw_server(answer(http(body=TAKEN))) as other:
        location = f"Location: http://user:{SECRET}@127.0.0.1:{other.port}/v1/elsewhere?token={SECRET}\r\n"
        reply, commits, server = await submit_to(answer(http(status, headers=location)))
        assert isinstance(reply, Unknown)
        assert reply.failure.message == f"HTTP {status}, a redirect to 127.0.0.1:{other.port}"
        assert (commits, server.posts, other.connections) == (1, 1, [])


async def test_a_caller_cancelled_in_flight_has_sent_one_post():
    """The cancellation passes, and the connection ends with it."""
    arrived = asyncio.Event()

    async def act(connection):
        await connection.read_request()
        arrived.set()
        await connection.read_to_end()

    commits = []

    async def before_send():
        commits.append("intent")

    async with raw_server(act) as server, client(server.base) as api:
        task = asyncio.create_task(api.submit(MODEL, PAYLOAD, before_send))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.settled()
        assert (commits, server.posts, len(server.connections)) == (["intent"], 1, 1)


async def test_the_fuse_holds_where_the_http_library_would_send_again():
    """With redirects allowed, aiohttp posts to the new place: the second send raises, and one POST has arrived."""
    commits = []

    async def before_send():
        commits.append("intent")

    async with raw_server(answer(http(307, headers="Location: /v1/models/x\r\n"))) as server:
        async with client(server.base) as api:
            fuse = Fuse(before_send)
            with pytest.raises(SentTwice):
                await api._paid.post(f"{server.base}/models/x", data=PAYLOAD, trace_request_ctx=fuse)
        await server.settled()
    assert (commits, server.posts, fuse.is_blown) == (["intent"], 1, True)


# --------------------------------------------------------------------------------------- refused: in so many words


def refusal(status, code=None, message="no", headers=""):
    body = {"error_message": message} | ({"error_code": code} if code is not None else {})
    return http(status, json.dumps(body), headers)


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (refusal(400), K.INPUT, "http_400"),
        (refusal(400, 400001), K.INPUT, "wrong_model"),
        (refusal(400, 400002), K.ACCOUNT, "no_balance"),
        (refusal(400, "400004"), K.ACCOUNT, "token_refused"),
        (refusal(401, 401001), K.ACCOUNT, "token_refused"),
        (refusal(401), K.ACCOUNT, "token_refused"),
        (refusal(402), K.ACCOUNT, "no_balance"),
        (refusal(403, 403001), K.ACCOUNT, "no_access"),
        (http(403, "<title>Denied</title>", kind="text/html"), K.ACCOUNT, "no_access"),
        (refusal(404, 404001), K.INPUT, "wrong_model"),
        (refusal(405), K.INPUT, "http_405"),
        (refusal(410), K.INPUT, "http_410"),
        (refusal(413), K.INPUT, "too_large"),
        (refusal(415), K.INPUT, "http_415"),
        (refusal(421), K.THROTTLED, "http_421"),
        (refusal(422, 422001), K.INPUT, "invalid_input"),
        (refusal(425), K.THROTTLED, "http_425"),
        (refusal(429, 429001), K.THROTTLED, "throttled"),
        (http(429), K.THROTTLED, "throttled"),
        (refusal(431), K.INPUT, "http_431"),
        (refusal(451), K.INPUT, "http_451"),
        (refusal(200, 400002), K.ACCOUNT, "no_balance"),
        (refusal(200, 401001), K.ACCOUNT, "token_refused"),
        (refusal(200, 422001), K.INPUT, "invalid_input"),
        (refusal(201, 429001), K.THROTTLED, "throttled"),
        (CONTINUE + refusal(422, 422001), K.INPUT, "invalid_input"),
        (b"HTTP/1.1 402 Payment Required\r\n\r\n" + b'{"error_message": "no"}', K.ACCOUNT, "no_balance"),
    ],
)
async def test_an_explicit_no_is_a_refusal(data, kind, code):
    """By its code, else by its status; the whole answer was read."""
    reply, commits, server = await submit_to(answer(data))
    assert isinstance(reply, Refused)
    assert (reply.failure.kind, reply.failure.code, commits) == (kind, code, 1)
    assert reply.failure.message
    assert (server.posts, len(server.connections)) == (1, 1)


async def test_a_refusal_names_the_fields():
    """What the manifest's author needs."""
    detail = [{"loc": ["body", "prompt"], "msg": "too long"}, {"loc": ["body", "image_urls", 2], "msg": "no URL"}]
    reply, _, _ = await submit_to(answer(http(422, json.dumps({"detail": detail}))))
    assert reply.failure.message == "prompt: too long; image_urls.2: no URL"


@pytest.mark.parametrize("status", [422, 400, 429, 200])
@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": [{"loc": null, "msg": "too long"}]}',
        b'{"detail": [{"loc": 3, "msg": "too long"}]}',
        b'{"detail": {"loc": {}, "msg": "too long"}}',
        b'{"error": {"error": {"message": "too long"}}}',
        b'{"message": "too long", "detail": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"message": "too long", "error_code": [422001], "status": "\\ud800"}',
    ],
)
async def test_an_answer_of_any_shape_is_classified(status, body):
    """A refusal by its status, a doubt by a 200: nothing that a service writes breaks the paid path."""
    reply, commits, server = await submit_to(answer(http(status, body)))
    assert isinstance(reply, Unknown if status == 200 else Refused)
    assert "too long" in reply.failure.message
    assert (commits, server.posts) == (1, 1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ("Retry-After: 7\r\n", 7.0),
        ("retry-after: 0\r\n", 0.0),
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", 30.0),
        ("Retry-After: soon\r\n", None),
        ("", None),
    ],
)
async def test_a_throttled_submit_says_when_to_come_back(headers, seconds):
    """In seconds or as a date, which counts from the server's own clock."""
    reply, _, server = await submit_to(answer(refusal(429, 429001, headers=headers)))
    assert isinstance(reply, Refused)
    assert retry_after_s(reply.retry_after, reply.date, now=0.0) == seconds
    assert server.posts == 1


@pytest.mark.parametrize("status", [401, 413, 429])
async def test_a_refusal_before_the_body_was_read_is_one(status):
    """The server knows from the headers, and does not wait for megabytes."""
    reply, commits, server = await submit_to(answer_early(refusal(status)), payload=LARGE)
    assert isinstance(reply, Refused)
    assert (commits, len(server.connections)) == (1, 1)


# ------------------------------------------------------------------------------------------------------- accepted


@pytest.mark.parametrize(
    "data",
    [
        *(http(status, TAKEN) for status in (200, 201, 202, 203)),
        http(body=b'{"request_id": "abc-1", "error_code": 500001}'),
        http(body=TAKEN, kind="text/plain"),
        CONTINUE + http(body=TAKEN),
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n" + CONTINUE + http(body=TAKEN),
        ok(b""),
        b"HTTP/1.0 200 OK\r\n\r\n" + TAKEN,
        http(body=gzip.compress(TAKEN), headers="Content-Encoding: gzip\r\n"),
        chunked(TAKEN[:9], TAKEN[9:]),
        chunked(*(bytes([byte]) for byte in TAKEN)),
        chunked(TAKEN, end=b"0\r\nX-Trailer: 1\r\n\r\n"),
        ok(b"Transfer-Encoding: chunked\r\n", b"17;name=value\r\n" + TAKEN + b"\r\n0\r\n\r\n"),
    ],
)
async def test_a_request_id_in_a_whole_answer_is_acceptance(data):
    """However the bytes are packed; also where the connection is reset behind it."""
    for then in ("fin", "rst"):
        reply, commits, server = await submit_to(answer(data, then=then))
        assert (reply, commits, server.posts) == (Accepted("abc-1"), 1, 1)


async def test_a_short_token_does_not_spoil_a_request_id():
    """Blotting out `abc`, of play money, would make a doubt of every other job."""
    token = Token("abc", "$RUNCOMFY_TOKEN")
    async with raw_server(answer(http(body=TAKEN))) as server, RunComfy(server.base, token, timeouts=PATIENT) as api:
        assert await api.submit(MODEL, PAYLOAD, nothing) == Accepted("abc-1")


# ------------------------------------------------------------------------------------------------------ over TLS

PEM = Path(__file__).parents[1] / "support" / "loopback.pem"
SUBMIT_ONCE = """
import asyncio, sys
from runner.api.client import RunComfy, Timeouts
from runner.api.token import Token

async def main():
    commits = []
    async def before_send():
        commits.append(1)
    limits = Timeouts(connect_s=8, submit_s=8)
    async with RunComfy(sys.argv[1], Token("canary-7f3a-5f0e-91bd", "test"), timeouts=limits) as api:
        reply = await api.submit("m/x", b"{}", before_send)
    failure = getattr(reply, "failure", None)
    print(type(reply).__name__, len(commits), failure.code if failure else reply.request_id)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("host", "wants_certificate", "closes", "said", "heard"),
    [
        ("127.0.0.1", False, True, "Accepted 1 abc-1", 1),
        ("127.0.0.1", False, False, "Accepted 1 abc-1", 1),
        ("127.0.0.1", True, True, "Unknown 1 network", 0),
        ("localhost", False, True, "NotSent 0 tls", 0),
    ],
    ids=["verified", "without close_notify", "client certificate", "another name"],
)
async def test_a_submit_over_verified_tls(host, wants_certificate, closes, said, heard):
    """In a process that trusts the test's certificate; TLS 1.3 asks for ours only after the first bytes may leave."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    if wants_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(PEM)
    requests = []

    async def handle(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            requests.append(await reader.readuntil(b"\r\n\r\n{}"))
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + TAKEN)
            await writer.drain()
        writer.close() if closes else writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async with await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context) as server:
        base = f"https://{host}:{server.sockets[0].getsockname()[1]}/v1"
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", SUBMIT_ONCE, base],
            env={**os.environ, "SSL_CERT_FILE": str(PEM)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ended.stdout.strip(), ended.stderr, len(requests)) == (said, "", heard)


# ------------------------------------------------------------------------------------------------------ free calls

FREE = {
    "status": ("GET", "/v1/requests/r-1/status", lambda api: api.status("r-1")),
    "result": ("GET", "/v1/requests/r-1/result?include_cost=true", lambda api: api.result("r-1")),
    "cancel": ("POST", "/v1/requests/r-1/cancel", lambda api: api.cancel("r-1")),
    "card": ("GET", "/v1/models/google/nano-banana/edit", lambda api: api.card(MODEL)),
    "models": ("GET", "/v1/models?limit=50&offset=0", lambda api: api.models()),
}


async def failed_call(name, act, timeouts=PATIENT):
    """The `ApiError` of a free call, and the server."""
    async with raw_server(act) as server:
        async with client(server.base, timeouts) as api:
            with pytest.raises(ApiError) as caught:
                await FREE[name][2](api)
        await server.settled()
    assert_keeps_the_secret(caught.value)
    return caught.value, server


def assert_keeps_the_secret(error):
    """Neither its words, nor its traceback, nor what it came from tell the token."""
    told = "".join(traceback.format_exception(error))
    while error is not None:
        told += f"{error} {error!r} {error.args!r} {getattr(error, '__dict__', '')}"
        error = error.__cause__ or error.__context__
    assert SECRET not in told


@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_sends_what_is_documented(name):
    """Method, path and token; no body."""
    method, path, ask = FREE[name]
    async with raw_server(answer(http(body=b'{"status": "completed", "models": []}'))) as server:
        async with client(server.base) as api:
            await ask(api)
        (request,) = server.requests
    assert (request.line, request.body) == (f"{method} {path} HTTP/1.1", b"")
    assert request.headers["authorization"] == f"Bearer {SECRET}"


async def test_free_calls_share_a_connection_and_outlive_it():
    """Thousands of polls; a connection that the server has closed in between costs a new one and nothing else."""
    data = http(body=b'{"status": "IN_PROGRESS", "queue_position": 2}')
    for act, connections in ((answer_each(data), 1), (answer(data, then="rst"), 3)):
        async with raw_server(act) as server:
            async with client(server.base) as api:
                for _ in range(3):
                    status = await api.status("r-1")
                    assert (status.state, status.raw, status.queue_position) == (RemoteState.RUNNING, "IN_PROGRESS", 2)
                    await asyncio.sleep(0)
            assert (len(server.connections), len(server.requests)) == (connections, 3)


@pytest.mark.parametrize(
    ("data", "kind", "code", "missing"),
    [
        (refusal(404, 404001), K.OUTPUT, "request_gone", True),
        (refusal(410), K.OUTPUT, "request_gone", True),
        (refusal(200, 404001), K.OUTPUT, "request_gone", True),
        (refusal(401, 401001), K.ACCOUNT, "token_refused", False),
        (refusal(402), K.ACCOUNT, "no_balance", False),
        (refusal(403, 403001), K.ACCOUNT, "no_access", False),
        (refusal(400, 400004), K.ACCOUNT, "token_refused", False),
        (refusal(200, 400004), K.ACCOUNT, "token_refused", False),
        (refusal(400), K.TRANSIENT, "http_400", False),
        (refusal(409), K.TRANSIENT, "http_409", False),
        (refusal(422, 422001), K.TRANSIENT, "http_422", False),
        (refusal(429, 429001), K.THROTTLED, "throttled", False),
        (refusal(500, 500001), K.TRANSIENT, "http_500", False),
        (refusal(200, 500001), K.TRANSIENT, "http_500", False),
        (http(502, "<html>", kind="text/html"), K.TRANSIENT, "http_502", False),
        (refusal(503), K.TRANSIENT, "http_503", False),
        (http(body="<title>WiFi</title>", kind="text/html"), K.TRANSIENT, "not_json", False),
        (http(body=b"[]"), K.TRANSIENT, "not_json", False),
        (http(), K.TRANSIENT, "not_json", False),
        (http(body=b'{"status": "comp'), K.TRANSIENT, "not_json", False),
        (http(body=b" " * (LARGEST_REPLY + 1)), K.TRANSIENT, "too_large", False),
    ],
)
@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_that_is_answered_badly_says_whose_matter_it_is(name, data, kind, code, missing):
    """Only a 404 or 410 says that the request is gone, and only an account's refusal ends a run."""
    error, server = await failed_call(name, answer(data))
    assert (error.failure.kind, error.failure.code, error.is_missing) == (kind, code, missing)
    assert (len(server.requests), len(server.connections)) == (1, 1)


@pytest.mark.parametrize(
    "fault",
    [
        *("FIN", "RST", "silence", "part of the headers", "100 Continue, then FIN", "less than the announced length"),
        *("chunks without an end", "a chunk of no size", "bad gzip", "another protocol", "a header of 20 kB"),
    ],
)
@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_that_is_not_answered_may_pass(name, fault):
    """A matter of time. The cancellation, a POST, is never made twice on the quiet."""
    act, code = UNUSABLE[fault]
    error, server = await failed_call(name, act, HASTY if code == "timeout" else PATIENT)
    assert (error.failure.kind, error.failure.code, error.is_missing) == (K.TRANSIENT, code, False)
    assert str(error) == error.failure.message
    assert server.posts == (name == "cancel")


@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_is_not_redirected(name):
    """The token does not travel, and a page elsewhere is no status."""
    async with raw_server(answer(http(body=b'{"status": "completed"}'))) as other:
        away = answer(http(302, headers=f"Location: {other.base}/requests/r-1/status\r\n"))
        error, server = await failed_call(name, away)
        assert (error.failure.code, len(server.requests), other.connections) == ("http_302", 1, [])


@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_without_verified_tls_is_no_matter_of_time(name):
    """As for a submit."""
    async with raw_server(tls_server_that(http(400))) as server, client(server.base.replace("http", "https")) as api:
        with pytest.raises(ApiError) as caught:
            await FREE[name][2](api)
    assert (caught.value.failure.kind, caught.value.failure.code) == (K.POLICY, "tls")
    assert_keeps_the_secret(caught.value)


@pytest.mark.parametrize("name", FREE)
async def test_a_free_call_to_nobody_is_a_matter_of_time(name):
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    async with client(f"http://127.0.0.1:{port}/v1") as api:
        with pytest.raises(ApiError) as caught:
            await FREE[name][2](api)
    assert (caught.value.failure.kind, caught.value.failure.code) == (K.TRANSIENT, "network")


async def test_a_throttled_free_call_says_when_to_come_back():
    """The headers come along."""
    error, _ = await failed_call("status", answer(refusal(429, 429001, headers="Retry-After: 9\r\nDate: now\r\n")))
    assert (error.retry_after, error.date) == ("9", "now")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"request_id": "r-1", "status": "cancelled", "outcome": "cancelled"}, "cancelled"),
        ({"request_id": "r-1", "status": "in_progress", "outcome": "not_cancellable"}, "not_cancellable"),
        ({"status": "canceled"}, "canceled"),
        ({}, "unknown"),
        ({"outcome": "x" * 999}, "x" * 63 + "…"),
        ({"outcome": ["cancelled"], "status": {"a": 1}}, "unknown"),
        ({"outcome": "\ud800", "status": "cancelled"}, "unknown"),
    ],
)
async def test_a_cancellation_answers_with_its_outcome(body, word):
    """The service's own word."""
    async with raw_server(answer(http(body=json.dumps(body)))) as server, client(server.base) as api:
        assert await api.cancel("r-1") == word


@pytest.mark.parametrize(
    ("asked", "query"),
    [
        ({}, "limit=50&offset=0"),
        ({"search": "nano banana&limit=9#", "limit": 3}, "search=nano+banana%26limit%3D9%23&limit=3&offset=0"),
        ({"category": "image-to-image", "offset": 100}, "category=image-to-image&limit=50&offset=100"),
        ({"search": "更", "include_schema": True}, "search=%E6%9B%B4&include_schema=true&limit=50&offset=0"),
    ],
)
async def test_a_page_of_the_catalog_is_asked_for_in_the_services_words(asked, query):
    """What is not asked for is not in the query; a text cannot leave its place in it."""
    body = {"models": [{"model_id": "owner/other", "base_price_usd": 0.1}], "total": 12}
    async with raw_server(answer(http(body=json.dumps(body)))) as server:
        async with client(server.base) as api:
            page = await api.models(**asked)
        (request,) = server.requests
    assert (list(page.models), page.total) == (body["models"], 12)
    assert request.line == f"GET /v1/models?{query} HTTP/1.1"


async def test_an_id_or_a_model_cannot_leave_its_place_in_the_path():
    """Whatever a manifest or a person calls it."""
    async with raw_server(answer(http(body=b'{"status": "completed"}'))) as server:
        async with client(server.base) as api:
            await api.status("a?b#c d\r\nX")
            await api.card("a b/c?d=e#f")
        assert [request.line for request in server.requests] == [
            "GET /v1/requests/a%3Fb%23c%20d%0D%0AX/status HTTP/1.1",
            "GET /v1/models/a%20b/c%3Fd=e%23f HTTP/1.1",
        ]


# ------------------------------------------------------------------------------------------------------- secrecy

ECHOES = [
    refusal(400, 400001, message=f"you sent {SECRET}"),
    http(401, f"<title>Bearer {SECRET}</title>", kind="text/html"),
    http(400, b"{}", kind=f"text/{SECRET}"),
    http(502, f"Authorization: Bearer {SECRET}", kind="text/plain"),
    http(429, b"{}", f"Retry-After: {SECRET}\r\nDate: {SECRET}\r\n"),
    http(302, b"", f"Location: http://{SECRET}.example.com/\r\n"),
    f"HTTP/1.1 400 {SECRET}\r\nContent-Length: 0\r\n\r\n".encode(),
    f"HTTP/1.1 {SECRET} Bad\r\n\r\n".encode(),
    f"{SECRET}\r\n\r\n".encode(),
    f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{SECRET}\r\n".encode(),
]


@pytest.mark.parametrize("data", ECHOES)
async def test_a_server_that_echoes_the_token_does_not_get_it_told(data, caplog):
    """Wherever it puts it: no reply, no error, no log line holds it."""
    caplog.set_level(logging.DEBUG)
    reply, _, _ = await submit_to(answer(data))
    assert SECRET not in f"{reply!r} {reply.failure.message}"
    for name in FREE:
        error, _ = await failed_call(name, answer(data))
        assert SECRET not in f"{error.retry_after} {error.date}"
    assert SECRET not in caplog.text


async def test_what_a_result_says_of_the_token_is_blotted_out():
    """An echo inside a failed request's message, or a card."""
    body = {"status": "failed", "error": {"code": "x", "message": f"Bearer {SECRET} was refused"}}
    async with raw_server(answer_each(http(body=json.dumps(body)))) as server, client(server.base) as api:
        assert (await api.result("r-1")).failure.message == "Bearer *** was refused"
        assert SECRET not in repr(await api.card(MODEL))


@pytest.mark.parametrize(
    "base",
    [
        *("", "model-api.runcomfy.net/v1", "ftp://x/v1", "https://", "https:///v1", "https://user:pw@x/v1"),
        *("https://x/v1?key=1", "https://x/v1#part", "https://two words/v1", "https://[::1/v1", "https://x:port/v1"),
        *("https://x:99999/v1", "https://a..b/v1", f"https://{'a' * 64}.com/v1"),
        *("http://model-api.runcomfy.net/v1", "http://127.0.0.1.example.com/v1", "http://10.0.0.1/v1"),
    ],
)
def test_a_base_that_cannot_work_or_would_show_the_token_is_refused_at_the_start(base):
    """Found out here, not job by job through the night."""
    with pytest.raises(ConfigurationInvalid):
        RunComfy(base, TOKEN)
    assert not is_loopback(base)


@pytest.mark.parametrize(
    ("base", "kept"),
    [
        (" https://model-api.runcomfy.net/v1/ ", "https://model-api.runcomfy.net/v1"),
        ("HTTPS://example.com:8443/v1", "HTTPS://example.com:8443/v1"),
        ("http://localhost:8765/v1", "http://localhost:8765/v1"),
        ("http://127.0.3.1:8765/v1", "http://127.0.3.1:8765/v1"),
        ("http://[::1]:8765/v1", "http://[::1]:8765/v1"),
    ],
)
def test_a_base_is_https_or_this_machine(base, kept):
    """Without a slash at its end."""
    assert check_base(base) == kept


# --------------------------------------------------------------------------------------------- with the simulator

JOB = {"prompt": "White background.", "image_urls": ["https://photos.example.com/mug-red.jpg"], "num_images": 2}


@contextlib.asynccontextmanager
async def simulated(faults=(), latency_s=0.0, **settings):
    """A simulator and a client of it."""
    rules = tuple(FaultRule(every=1, **rule) for rule in faults)
    more = SimulatorSettings(latency_s=latency_s, faults=rules, price_usd="0.0395", **settings)
    async with Simulator(more) as simulator, client(simulator.api_base) as api:
        yield simulator, api


async def test_a_job_goes_from_submit_to_result():
    """Every call in its turn, and the cost exact."""
    async with simulated() as (simulator, api):
        card = await api.card(MODEL)
        assert card["base_price_usd"] == 0.0395
        reply = await api.submit(MODEL, json.dumps(JOB).encode(), nothing)
        status = await api.status(reply.request_id)
        result = await api.result(reply.request_id)
        assert (status.state, status.is_finished) == (RemoteState.COMPLETED, True)
        assert (result.status, result.cost, result.failure) == (status, Money(79_000), None)
        assert len(result.output["images"]) == 2
        assert await api.cancel(reply.request_id) == "not_cancellable"
        assert simulator.ledger["charged_usd"] == 0.079


async def test_the_catalog_is_searched_and_paged():
    """Models with their price; their schema where it is asked for."""
    async with simulated() as (_, api):
        page = await api.models(limit=2, offset=1)
        found = await api.models(search="nano", include_schema=True)
        assert ([model["model_id"].split("/")[0] for model in page.models], page.total) == (["atelier"] * 2, 4)
        assert "input_schema" not in page.models[0]
        assert (found.models, found.total) == ((await api.card(MODEL),), 1)
        assert (await api.models(category="no such")).models == ()


async def test_a_queued_job_is_cancelled():
    """And its status says so, with its place until then."""
    async with simulated(latency_s=600.0, slots=1) as (_, api):
        replies = [await api.submit(MODEL, json.dumps(JOB | {"num_images": n}).encode(), nothing) for n in (1, 2)]
        first, second = [await api.status(reply.request_id) for reply in replies]
        assert (first.state, second.state, second.queue_position) == (RemoteState.RUNNING, RemoteState.QUEUED, 0)
        assert await api.cancel(replies[1].request_id) == "cancelled"
        result = await api.result(replies[1].request_id)
        assert (result.status.state, result.cost) == (RemoteState.CANCELLED, Money(0))


@pytest.mark.parametrize(
    ("settings", "model", "body", "kind", "code"),
    [
        ({}, MODEL, {**JOB, "num_images": 9}, K.INPUT, "invalid_input"),
        ({}, "no/such/model", JOB, K.INPUT, "wrong_model"),
        ({"balance_usd": "0.05"}, MODEL, JOB, K.ACCOUNT, "no_balance"),
        ({"token": "another"}, MODEL, JOB, K.ACCOUNT, "token_refused"),
    ],
)
async def test_the_services_own_refusals_are_understood(settings, model, body, kind, code):
    """Nothing is accepted and nothing is charged."""
    async with simulated(**settings) as (simulator, api):
        reply = await api.submit(model, json.dumps(body).encode(), nothing)
        assert isinstance(reply, Refused)
        assert (reply.failure.kind, reply.failure.code) == (kind, code)
        assert simulator.ledger["accepted"] == 0


@pytest.mark.parametrize("call", ["status", "result", "cancel"])
async def test_a_request_that_the_service_does_not_know_is_missing(call):
    """404001."""
    async with simulated() as (_, api):
        with pytest.raises(ApiError) as caught:
            await FREE[call][2](api)
        assert (caught.value.is_missing, caught.value.failure.code) == (True, "request_gone")


async def test_a_commit_that_fails_reaches_no_service():
    """The simulator has seen no POST."""

    async def fail():
        raise OSError(28, "No space left on device")

    async with simulated() as (simulator, api):
        with pytest.raises(OSError, match="No space left"):
            await api.submit(MODEL, json.dumps(JOB).encode(), fail)
        assert simulator.ledger["posts"] == 0


PROVES = {"slow": Accepted, "throttle": Refused}
"""The faults of a submit that leave no doubt."""


@pytest.mark.parametrize("kind", sorted(CALL_KINDS))
async def test_each_fault_of_the_simulator_is_one_post(kind):
    """And a doubt, unless the answer proves otherwise."""
    async with simulated([{"on": "submit", "kind": kind, "seconds": 0.1}]) as (simulator, api):
        reply = await api.submit(MODEL, json.dumps(JOB).encode(), nothing)
        assert type(reply) is PROVES.get(kind, Unknown)
        assert simulator.ledger["posts"] == 1
        if isinstance(reply, Accepted):
            assert (await api.status(reply.request_id)).state is RemoteState.COMPLETED


@pytest.mark.parametrize("kind", sorted(CALL_KINDS - {"slow"}))
@pytest.mark.parametrize("call", ["status", "result"])
async def test_a_read_recovers_from_each_fault(call, kind):
    """The next one tells; nothing was paid in between."""
    rule = {"on": call, "kind": kind, "seconds": 0.1, "times": 2}
    async with simulated([rule]) as (simulator, api):
        reply = await api.submit(MODEL, json.dumps(JOB).encode(), nothing)
        ask = getattr(api, call)
        for _ in range(2):
            with contextlib.suppress(ApiError):
                await ask(reply.request_id)
        read = await ask(reply.request_id)
        assert getattr(read, "status", read).state is RemoteState.COMPLETED
        assert (simulator.ledger["posts"], simulator.ledger["accepted"]) == (1, 1)
