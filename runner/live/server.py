"""Serves a run's page, its data, its figures and what a person says to the run. On 127.0.0.1 alone.

All reading happens on one thread beside the event loop, which may be that of a run: nothing here blocks it. Nothing
here ends a run either: what breaks is logged, and answered with an error.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, Self, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from runner.errors import BatchError, ConfigurationInvalid, UsageProblem
from runner.live.figures import as_text
from runner.live.guard import NOWHERE, OPEN, Refusal, refusal
from runner.live.pictures import find_picture
from runner.live.source import Controls, Source

T = TypeVar("T")
log = logging.getLogger("runner")

HOST: Final = "127.0.0.1"
AHEAD_S: Final = 10.0
"""How often is read what happens while nobody looks on, so that who comes need not wait for a whole night."""
GAP_S: Final = 1.0
"""How often a page hears of news."""
HEARTBEAT_S: Final = 5.0
"""How often it hears that somebody is there."""
LARGEST_BODY: Final = 4 << 20
SHUTDOWN_S: Final = 1.0
LAST_S: Final = 1.0
"""How long a page that is open may still fetch the last pictures."""
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
_SILENT: Final = logging.getLogger("runner.live.http")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False  # what it would say names paths, and so the token


def bound(port: int) -> socket.socket:
    """A socket that listens on that port of this machine, 0 for a free one; raises `ConfigurationInvalid`."""
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise ConfigurationInvalid(f"cannot listen on {HOST}:{port}: {reason}; port 0 takes a free one") from error


class LiveServer:
    """Serves one run directory; an async context manager. When it ends, each page is told how the run ended."""

    def __init__(self, listener: socket.socket, source: Source, controls: Controls | None = None) -> None:
        self._listener = listener
        self._source = source
        self._controls = controls
        self._token = secrets.token_urlsafe(24)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="live")
        self._over = asyncio.Event()
        self._changed = asyncio.Event()
        self._pages = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """The page's address, token and all: for the person at the terminal, and for no log."""
        return f"http://{HOST}:{self.port}/{self._token}/"

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(
            self._application(), access_log=None, logger=_SILENT, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True
        )
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()
        self._ahead = asyncio.create_task(self._read_ahead(), name="live:ahead")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ahead.cancel()
        [outcome] = await asyncio.gather(self._ahead, return_exceptions=True)
        if isinstance(outcome, Exception):  # a page that breaks ends no run
            log.warning("page broke", extra={"error": type(outcome).__name__, "reason": str(outcome)[:200]})
        self._over.set()
        self._wake()
        if self._pages:
            await asyncio.sleep(LAST_S)
        await self._runner.cleanup()
        self._reading.shutdown(wait=False, cancel_futures=True)

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_guarding(self._token)])
        app.on_response_prepare.append(_with_headers)
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/favicon.ico", _nothing)
        app.router.add_get("/{token}/", self._page)
        app.router.add_get("/{token}/data/index", self._index)
        app.router.add_get("/{token}/data/record/{number:[0-9]{1,9}}", self._record)
        app.router.add_get("/{token}/data/review", self._review)
        app.router.add_post("/{token}/data/review", self._keep_review)
        app.router.add_get("/{token}/events", self._events, allow_head=False)
        app.router.add_post("/{token}/say/{word}", self._say)
        app.router.add_get("/{token}/{path:(?:images|inputs)/.+}", self._picture)
        return app

    async def _read(self, read: Callable[..., T], *arguments: Any) -> T:
        """Call a method of the source on its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, read, *arguments)

    async def _read_ahead(self) -> None:
        if self._controls is not None:
            await asyncio.sleep(AHEAD_S)  # a run begins by writing down its jobs
        while True:
            if not self._pages:  # those that are open read all the while
                with suppress(BatchError):  # who comes is told
                    await self._read(self._source.look)
            await asyncio.sleep(AHEAD_S)

    # ------------------------------------------------------------------------------------------------- what is shown

    async def _page(self, _: web.Request) -> web.Response:
        text = await asyncio.to_thread(self._source.page)
        policy = {"Content-Security-Policy": "frame-ancestors 'none'"}  # the page has the rest in itself
        return web.Response(text=text, content_type="text/html", headers=policy)

    async def _index(self, _: web.Request) -> web.Response:
        packed = {"Content-Encoding": "gzip"}
        body = await self._read(self._source.index)
        return web.Response(body=body, content_type="application/json", headers=packed)

    async def _record(self, http: web.Request) -> web.Response:
        found = await self._read(self._source.record, int(http.match_info["number"]))
        return _refused(NOWHERE) if found is None else _json(found)

    async def _picture(self, http: web.Request) -> web.StreamResponse:
        picture = await asyncio.to_thread(find_picture, self._source.directory, http.match_info["path"])
        if picture is None:
            return _refused(NOWHERE)
        headers = {"Content-Type": picture.kind, "Cache-Control": "private, no-cache"}
        return web.FileResponse(picture.path, headers=headers)

    async def _events(self, http: web.Request) -> web.StreamResponse:
        """News as they come, each with a mark to go on from after a break in the line."""
        mark = http.headers.get("Last-Event-ID") or http.query.get("mark", "")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        await response.prepare(http)
        self._pages += 1
        try:
            await self._tell(response, mark)
        except (ConnectionError, BatchError) as error:  # the page asks again, and is told
            log.info("page left", extra={"reason": type(error).__name__})
        finally:
            self._pages -= 1
        return response

    async def _tell(self, page: web.StreamResponse, mark: str) -> None:
        """Tell a page what happens until all is over."""
        said, spoke_at = "", 0.0
        while True:
            changed, is_over = self._changed, self._over.is_set()
            if self._controls is not None and said != (standing := json.dumps(dict(self._controls.standing()))):
                said = standing
                await page.write(f"event: standing\ndata: {standing}\n\n".encode())
            update = await self._read(self._source.update, mark)
            if update.is_news or is_over or time.monotonic() - spoke_at >= HEARTBEAT_S:
                mark, spoke_at = update.mark, time.monotonic()
                await page.write(f"id: {mark}\ndata: {update.text}\n\n".encode(errors="replace"))
            if is_over:
                await page.write(b"event: over\ndata: 1\n\n")
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), GAP_S)

    # ----------------------------------------------------------------------------------------------- what is said

    async def _say(self, http: web.Request) -> web.Response:
        """Pause, resume, cap, stop; only where this process runs the run."""
        document = await _document(http)
        value = document.get("value") if isinstance(document, dict) else None
        if self._controls is None or not (value is None or (type(value) is int and 1 <= value <= 100_000)):
            return _refused(NOWHERE if self._controls is None else Refusal(400, "a number from 1"))
        done = self._controls.say(http.match_info["word"], value)
        self._wake()
        if not done:
            return _refused(NOWHERE if done is None else Refusal(409, "nothing runs now"))
        return _json(json.dumps(dict(self._controls.standing())))

    async def _review(self, _: web.Request) -> web.Response:
        return _json(await self._read(self._source.review))

    async def _keep_review(self, http: web.Request) -> web.Response:
        await self._read(self._source.keep_review, await _document(http))
        return _json("{}")

    # --------------------------------------------------------------------------------------------------- for probes

    async def _healthz(self, _: web.Request) -> web.Response:
        is_well, word = (await asyncio.to_thread(self._source.figures)).health(time.time())
        return web.Response(status=200 if is_well else 503, text=f"{word}\n")

    async def _metrics(self, _: web.Request) -> web.Response:
        text = as_text(await asyncio.to_thread(self._source.figures))
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=text.encode(), headers={"Content-Type": kind})

    def _wake(self) -> None:
        """Let each page look at once."""
        self._changed.set()
        self._changed = asyncio.Event()


def _guarding(token: str) -> Middleware:
    """The guard before everything, and an answer to whatever goes wrong behind it."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if (no := refusal(request.method, request.path, request.headers, token)) is not None:
                return _refused(no)
            return await handler(request)
        except web.HTTPException as error:
            return _refused(Refusal(error.status, error.reason.lower()))
        except UsageProblem as error:
            return _refused(Refusal(400, error.message))
        except BatchError as error:
            is_open = request.path in OPEN  # no path of this machine for those without a token
            return _refused(Refusal(503, "nothing to read" if is_open else error.message))
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 a page that breaks ends no run
            log.warning("page broke", extra={"error": type(error).__name__, "reason": str(error)[:200]})
            return _refused(Refusal(500, "this is a bug of runcomfy-batch; run.log says more"))

    return guarded


async def _nothing(_: web.Request) -> web.Response:
    return web.Response(status=204)


async def _with_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "runcomfy-batch"  # aiohttp has put its own version there
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def _document(http: web.Request) -> Any:
    """The JSON that was posted; anything else is refused."""
    if http.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    try:
        return json.loads(await http.read() or b"null")
    except (ValueError, RecursionError) as error:
        raise UsageProblem("not JSON") from error


def _refused(refusal: Refusal) -> web.Response:
    return web.Response(status=refusal.status, text=f"{refusal.word}\n")


def _json(text: str) -> web.Response:
    return web.Response(body=text.encode(errors="replace"), content_type="application/json")
