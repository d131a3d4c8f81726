"""Looks at input URLs before anything is paid: what the service will meet when it fetches them.

HEAD first, which tells the size for next to nothing; then a GET of the first 64 KiB, since only bytes prove an image,
and since many servers refuse HEAD, or answer it otherwise (a presigned URL is signed for one method). What may pass is
asked a second time, by GET alone.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, Self

import aiohttp

from runner.media.asking import Asker, Patience, Stopped, Timer, complains, host_of, not_asked, open_session
from runner.media.guard import HostPolicy
from runner.media.looks import LARGEST, Bad, Kind, Look, judge, refusal, size_by, too_large
from runner.media.manners import Manners
from runner.media.values import shown
from runner.rules.retry import Backoff, delay_s

AGAIN: Final = Backoff(base_s=2.0)
"""Before the second try; the host's own wish comes on top."""
LOOKS_PER_SLOT: Final = 16
"""Looks under way for each slot: enough that one slow host in the list does not keep the slots from the next."""

OnResult = Callable[[str, Kind, Look], None]


class Preflight:
    """Asks for inputs. An async context manager; `look` may be called concurrently, and cancelled."""

    def __init__(
        self,
        policy: HostPolicy,
        *,
        per_host: int = 4,
        total: int = 32,
        patience: Patience | None = None,
        dice: Callable[[], float] = random.random,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._policy = policy
        self._patience = patience or Patience()
        self._most_looks = total * LOOKS_PER_SLOT
        self._manners = Manners(per_host=per_host, total=total, now=now, sleep=sleep)
        self._dice = dice
        self._sleep = sleep
        self._session: aiohttp.ClientSession
        self._asker: Asker

    async def __aenter__(self) -> Self:
        self._session = open_session(self._policy, self._patience)
        self._asker = Asker(self._session, self._policy, self._manners, self._patience)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def look_all(self, urls: Iterable[tuple[str, Kind]], on_result: OnResult) -> None:
        """Look at each distinct pair once, and tell each as it comes, in any order.

        Takes from `urls` only as fast as looks end. What `on_result` raises ends it, as does a cancel: nothing goes on
        in the background. All that grows is the set of the pairs seen, which holds the caller's own strings.
        """
        ended: asyncio.Queue[asyncio.Task[tuple[str, Kind, Look]]] = asyncio.Queue()
        running: set[asyncio.Task[tuple[str, Kind, Look]]] = set()

        async def tell_one() -> None:
            task = await ended.get()
            running.discard(task)
            on_result(*task.result())

        try:
            for url, kind in _distinct(urls):
                while len(running) >= self._most_looks:
                    await tell_one()
                task = asyncio.create_task(self._look_at(url, kind), name=f"look:{shown(url)}")
                task.add_done_callback(ended.put_nowait)
                running.add(task)
            while running:
                await tell_one()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _look_at(self, url: str, kind: Kind) -> tuple[str, Kind, Look]:
        return url, kind, await self.look(url, kind)

    async def look(self, url: str, kind: Kind = "image") -> Look:
        """What the service would find there; a value for everything that may happen."""
        host = host_of(url)
        if self._manners.is_silent(host):
            return not_asked(url).bad
        look = await self._try(url, kind, with_head=True)
        if _may_pass(look) and not self._manners.is_silent(host):
            await self._sleep(delay_s(AGAIN, 1, self._dice()))
            look = await self._try(url, kind, with_head=False)
        self._manners.ended(host, is_answered=not _may_pass(look))
        return look

    async def _try(self, url: str, kind: Kind, *, with_head: bool) -> Look:
        timer = Timer(self._patience.total_s)
        try:
            said = await self._size_said(url, kind, timer) if with_head else None
            answer = await self._asker.ask("GET", url, timer, part=True)
            if answer.status == 416 or (answer.status == 206 and not answer.is_from_start):
                answer = await self._asker.ask("GET", url, timer)  # an empty file, or an odd reading of the range
            return judge(answer, kind, said=said)
        except Stopped as stopped:
            return stopped.bad

    async def _size_said(self, url: str, kind: Kind, timer: Timer) -> int | None:
        """The size by HEAD. Little else that HEAD answers is held against the URL."""
        of_head = Timer(self._patience.head_s)
        try:
            answer = await self._asker.ask("HEAD", url, of_head)
        except Stopped as stopped:
            if stopped.is_of_method:
                return None
            raise
        finally:
            timer.left_s -= self._patience.head_s - of_head.left_s
        if complains(answer):
            raise Stopped(refusal(answer))
        size = size_by(answer) if answer.status == 200 else None
        if size is not None and size > LARGEST[kind]:
            raise Stopped(too_large(answer, kind, size))
        return size or None  # some say 0 for want of a body


def _distinct(urls: Iterable[tuple[str, Kind]]) -> Iterator[tuple[str, Kind]]:
    seen: dict[Kind, set[str]] = {}
    for url, kind in urls:
        known = seen.setdefault(kind, set())
        if url not in known:
            known.add(url)
            yield url, kind


def _may_pass(look: Look) -> bool:
    return isinstance(look, Bad) and not look.is_certain
