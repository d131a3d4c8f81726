"""The result files, on a port of their own: another host, which must never see the token.

A file's URL carries its expiry and a signature; a fresh `/result` gives a fresh URL.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from runner.simulator.book import Book, Request
from runner.simulator.edits import edit
from runner.simulator.faults import Faults
from runner.simulator.misbehave import PAGE, misbehave
from runner.simulator.offers import meant_by
from runner.simulator.photos import draw_photo
from runner.simulator.settings import FaultRule

EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "gif": "gif"}
LIFETIME_S = 3600.0
CACHED_BYTES = 96 << 20


class Files:
    """Renders, signs and serves outputs."""

    def __init__(self, book: Book, faults: Faults, seed: int) -> None:
        self.base = ""
        self._book = book
        self._faults = faults
        self._seed = seed
        self._key = hashlib.sha256(f"files {seed}".encode()).digest()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="pixels")
        self._cache: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._cached = 0

    def application(self) -> web.Application:
        """The site."""
        app = web.Application()
        app.router.add_get("/files/{request_id}/{name}", self._serve)
        app.router.add_get("/samples/{name}", self._sample)
        return app

    def url(self, request: Request, n: int, *, is_expired: bool = False) -> str:
        """A fresh URL of the `n`-th output, from 1."""
        expires = int(time.time() + (-1 if is_expired else LIFETIME_S))
        extension = EXTENSIONS.get(_form(request), "png")
        path = f"/files/{request.request_id}/{n}.{extension}"
        return f"{self.base}{path}?expires={expires}&sig={self._sign(path, expires)}"

    def close(self) -> None:
        """End the rendering threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, http: web.Request) -> web.StreamResponse:
        if "Authorization" in http.headers or "Cookie" in http.headers:
            self._book.leaks += 1
            return web.Response(status=400, text="a token or cookie was sent to the file host")
        if not self._is_signed(http):
            return web.Response(status=403, text="expired or tampered")
        request = self._book.requests.get(http.match_info["request_id"])
        if request is None or request.state(time.time()) != "completed":
            return web.Response(status=404)
        data = await self._render(request, int(http.match_info["name"].split(".")[0]) - 1)
        if rule := self._faults.draw("file"):
            return await self._spoil(http, rule, data)
        return web.Response(body=data, content_type=f"image/{_form(request)}")

    async def _sample(self, http: web.Request) -> web.Response:
        """A drawn product photo, for whoever wants an input URL."""
        data = await asyncio.get_running_loop().run_in_executor(self._pool, draw_photo, http.match_info["name"])
        return web.Response(body=data, content_type="image/jpeg")

    async def _render(self, request: Request, variant: int) -> bytes:
        key = (request.request_id, variant)
        if key not in self._cache:
            loop = asyncio.get_running_loop()
            meant = meant_by(request.model, request.inputs)
            data = await loop.run_in_executor(self._pool, edit, meant, variant, self._seed)
            self._cache[key] = data
            self._cached += len(data)
            while self._cached > CACHED_BYTES:
                self._cached -= len(self._cache.popitem(last=False)[1])
        return self._cache.get(key) or edit(meant_by(request.model, request.inputs), variant, self._seed)

    async def _spoil(self, http: web.Request, rule: FaultRule, data: bytes) -> web.StreamResponse:
        """The file as a bad day would serve it."""
        match rule.kind:
            case "truncated":
                return await _write(http, data[: len(data) // 2], length=len(data))
            case "truncated_no_length":
                return await _write(http, data[: len(data) // 2], length=None)
            case "html":
                return web.Response(text=PAGE, content_type="text/html")
            case "empty":
                return web.Response(body=b"", content_type="image/png")
            case "corrupt":
                return web.Response(body=data[:12] + bytes(400) + data[412:], content_type="image/png")
            case "wrong_type":
                sample = draw_photo("https://photos.example.com/box-grey.jpg")
                return web.Response(body=sample, content_type="image/png")
            case "redirect_private":
                return web.Response(status=302, headers={"Location": "https://10.0.0.1/private.png"})
            case "slow":
                await asyncio.sleep(rule.seconds)
                return web.Response(body=data, content_type="image/png")
            case _:
                return await misbehave(http, rule, None)

    def _sign(self, path: str, expires: int) -> str:
        return hmac.new(self._key, f"{path}{expires}".encode(), "sha256").hexdigest()[:32]

    def _is_signed(self, http: web.Request) -> bool:
        expires = http.query.get("expires", "0")
        if not expires.isdecimal() or int(expires) < time.time():
            return False
        return hmac.compare_digest(http.query.get("sig", "").encode(), self._sign(http.path, int(expires)).encode())


def _form(request: Request) -> str:
    return str(meant_by(request.model, request.inputs).get("output_format", "png"))


async def _write(http: web.Request, data: bytes, *, length: int | None) -> web.Response:
    """A body that ends early: against its announced length, or with nothing but the end of the connection."""
    announced = f"Content-Length: {length}\r\n" if length is not None else ""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n{announced}Connection: close\r\n\r\n"
    if http.transport is not None:
        http.transport.write(head.encode() + data)
        http.transport.close()
        await asyncio.sleep(0)
    return web.Response(status=500)
