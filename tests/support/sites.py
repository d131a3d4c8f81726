"""Sites that serve an input, well or badly; for `raw_server`."""

from __future__ import annotations

import asyncio
import io
import random

from PIL import Image
from support.raw_server import http

from runner.media.looks import LOOKED_AT


def picture(kind, size=(40, 30)):
    file = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(1).randbytes(size[0] * size[1] * 3)).save(file, kind)
    return file.getvalue()


PNG, JPEG, WEBP, GIF, BMP = (picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"))
LARGE = picture("JPEG", (800, 600))
MP4 = b"\0\0\0\x20ftypisom" + bytes(200)
MP3 = b"ID3\4" + bytes(200)
HEIC = b"\0\0\0\x20ftypheic" + bytes(200)


def site(respond):
    """Answer each request of a connection with what `respond` makes of it: bytes, or nothing, which hangs up."""

    async def act(connection):
        while await connection.read_request():
            reply = respond(connection.requests[connection.answered - 1])
            if asyncio.iscoroutine(reply):
                reply = await reply
            if reply is None:
                return
            await connection.send(reply)

    return act


def stored(data, kind="image/png", *, head=None, more=""):
    """A file as a good store serves it: HEAD tells its length, a range is honoured."""

    def respond(request):
        if request.line.startswith("HEAD "):
            return head if head is not None else http(body=data, headers=more, kind=kind)[: -len(data)]
        part = data[:LOOKED_AT]
        span = f"Content-Range: bytes 0-{len(part) - 1}/{len(data)}\r\n{more}"
        return http(206, part, headers=span, kind=kind)

    return respond


def always(reply):
    """One answer to everything; HEAD gets its headers."""
    return lambda request: reply.split(b"\r\n\r\n")[0] + b"\r\n\r\n" if request.line.startswith("HEAD ") else reply


def only_get(reply, head=405):
    """HEAD is refused."""
    return lambda request: http(head) if request.line.startswith("HEAD ") else reply


def sized(size, data=PNG):
    """A file that says it has so many bytes, and as much of it as is looked at."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {size}\r\n\r\n".encode()
    return head + data + bytes(min(size, LOOKED_AT) - len(data) if data else 0)
