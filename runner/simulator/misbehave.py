"""How a call goes wrong on the wire, as real servers, gateways and networks do it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from email.utils import formatdate

from aiohttp import web

from runner.simulator.settings import FaultRule

PAGE = "<!doctype html><html><head><title>Sign in to the network</title></head><body>Welcome</body></html>"
LONGEST_HANG_S = 600.0


async def misbehave(request: web.Request, rule: FaultRule, good: web.Response | None) -> web.StreamResponse:
    """Answer as the rule says; `good` is what an honest server would have answered, where the call was carried out."""
    match rule.kind:
        case "status":
            return error(rule.status, rule.error_code, "the service is having trouble")
        case "throttle":
            headers = {"Retry-After": _retry_after(rule.retry_after)} if rule.retry_after else {}
            return error(429, 429001, "too many requests", headers)
        case "error_in_200":
            return error(200, rule.error_code, "an error inside an answer that says 200")
        case "html":
            return web.Response(text=PAGE, content_type="text/html")
        case "empty":
            return web.Response(status=200)
        case "no_id":
            return web.json_response({"status": "in_queue"})
        case "list":
            return web.json_response(["request_id"])
        case "redirect":
            return web.Response(status=307, headers={"Location": str(request.url)})  # back to itself
        case "slow":
            await asyncio.sleep(rule.seconds)
            return good or web.Response(status=200)
        case "hang":
            await _hang(request, rule.seconds)
            return await _cut(request, reset=True)
        case "truncated_json":
            body = good.body if good is not None and isinstance(good.body, bytes) else b'{"request_id": "abc'
            return await _raw(request, _head(len(body)) + body[: len(body) // 2])
        case "not_http":
            return await _raw(request, b"\x15\x03\x03\x00\x02\x02\x28 this is not HTTP\r\n\r\n")
        case "partial_headers":
            return await _raw(request, b"HTTP/1.1 200 OK\r\nContent-Type: appli")
        case "fin_after":
            return await _cut(request, reset=False)
        case _:  # reset_before, reset_after
            return await _cut(request, reset=True)


def error(status: int, code: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in the API's own form."""
    body = {"error_code": code, "error_message": message}
    return web.json_response(body, status=status, headers=headers, dumps=json.dumps)


async def _raw(request: web.Request, data: bytes) -> web.Response:
    """Bytes on the wire, whatever HTTP says, and then the end."""
    if request.transport is not None:
        request.transport.write(data)
    return await _cut(request, reset=False)


async def _cut(request: web.Request, *, reset: bool) -> web.Response:
    """End the connection: with a FIN, or with an RST, which throws away what was not read."""
    transport = request.transport
    if transport is not None:
        if reset:
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
        await asyncio.sleep(0)
    return web.Response(status=500)  # nobody is there to read it


async def _hang(request: web.Request, seconds: float) -> None:
    """Say nothing until the client has gone, which is looked for ever less often."""
    began = time.monotonic()
    end = began + min(seconds, LONGEST_HANG_S)
    while (  # noqa: ASYNC110 a transport has no event for its end
        (now := time.monotonic()) < end and request.transport is not None and not request.transport.is_closing()
    ):
        await asyncio.sleep(min(max(0.05, (now - began) / 4), 1.0, end - now))


def _head(length: int) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    return head.encode()


def _retry_after(value: str) -> str:
    """`2` as it is; `date+2` as an HTTP date two seconds ahead."""
    return formatdate(time.time() + float(value[5:]), usegmt=True) if value.startswith("date+") else value
