"""Sends notices in the background: each place on its own, a few tries, a few seconds each, and an end in any case."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from runner.notify.places import Place
from runner.notify.shapes import Notice, body_of

LIMIT_S: Final = 15.0
"""How long the end of a run waits for what is still to be told, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one place is given; seconds."""

    try_s: float = 4.0
    pauses_s: tuple[float, ...] = (0.5, 1.5)
    """Before the second try, the third …"""


class Outbox:
    """Notices on their way. Belongs to one event loop; `close` or `abandon` ends it."""

    def __init__(
        self, places: Iterable[Place], on_failed: Callable[[str, str], None], patience: Patience | None = None
    ) -> None:
        """`on_failed` is called with a place as a person may see it, and why it was not told."""
        self._places = tuple(places)
        self._on_failed = on_failed
        self._patience = patience or Patience()
        self._queues: list[asyncio.Queue[Notice | None]] = []
        self._workers: dict[asyncio.Task[None], Place] = {}
        self._session: Any = None

    @property
    def has_places(self) -> bool:
        """Whether anybody is to be told."""
        return bool(self._places)

    def put(self, notice: Notice) -> None:
        """Send it, at once and in the background."""
        if not self._queues:
            for place in self._places:
                queue: asyncio.Queue[Notice | None] = asyncio.Queue()
                self._queues.append(queue)
                worker = asyncio.create_task(self._work(place, queue), name=f"notify:{place.shown}")
                self._workers[worker] = place
        for queue in self._queues:
            queue.put_nowait(notice)

    async def close(self, limit_s: float = LIMIT_S) -> None:
        """Return when all is told, or after so many seconds."""
        for queue in self._queues:
            queue.put_nowait(None)
        try:
            if self._workers:
                _, late = await asyncio.wait(self._workers, timeout=limit_s)
                for worker in late:
                    self._on_failed(self._workers[worker].shown, f"no answer after {limit_s:.0f} s")
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """End at once; what was not told is not told."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers = {}
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _work(self, place: Place, queue: asyncio.Queue[Notice | None]) -> None:
        while (notice := await queue.get()) is not None:
            why = await self._tell(place, notice)
            if why is not None:
                self._on_failed(place.shown, why)

    async def _tell(self, place: Place, notice: Notice) -> str | None:
        """Tell one place; why it was not told, or `None`."""
        attempt = self._post if place.apprise is None else self._by_apprise
        why, is_final = await attempt(place, notice)
        for pause_s in self._patience.pauses_s:
            if why is None or is_final:
                break
            await asyncio.sleep(pause_s)
            why, is_final = await attempt(place, notice)
        return why

    async def _post(self, place: Place, notice: Notice) -> tuple[str | None, bool]:
        """One try: why it failed, and whether another cannot help."""
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(  # of its own: no token, no cookies, nothing kept
                connector=aiohttp.TCPConnector(force_close=True, limit_per_host=1),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._patience.try_s),
                headers={"Content-Type": "application/json", "User-Agent": "runcomfy-batch"},
            )
        body = body_of(notice, place.shape)
        try:
            async with self._session.post(place.url, data=body, allow_redirects=False) as answer:
                status = answer.status
        except TimeoutError:
            return f"no answer after {self._patience.try_s:g} s", False
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__, False  # its message may hold the URL
        if 200 <= status < 300:
            return None, True
        if 300 <= status < 400:
            return f"HTTP {status}, and redirects are not followed", True
        return f"HTTP {status}", status < 500 and status not in (408, 425, 429)

    async def _by_apprise(self, place: Place, notice: Notice) -> tuple[str | None, bool]:
        """The same by Apprise, which blocks: in a thread that nobody waits for."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[str | None] = loop.create_future()

        def settle(why: str | None) -> None:
            if not told.done():
                told.set_result(why)

        def tell() -> None:
            try:
                kind = "success" if notice.is_good else "warning"
                is_told = place.apprise.notify(title=notice.title, body=notice.text, notify_type=kind)
                why = None if is_told else "Apprise could not deliver it"
            except Exception as error:  # noqa: BLE001 whatever a service's plugin may do; its message may hold the URL
                why = type(error).__name__
            with suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(settle, why)

        threading.Thread(target=tell, name="notify", daemon=True).start()
        try:
            async with asyncio.timeout(2 * self._patience.try_s):
                return await told, False
        except TimeoutError:
            return "no answer from Apprise", True  # the thread may still be at it
