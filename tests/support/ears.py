"""Somebody who is told: a web server in a night's own world, that hears every notice."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

PORT = 9911
SECRET = "canary-hook-5d1c"
HOOK = f"http://127.0.0.1:{PORT}/services/{SECRET}?key={SECRET}"


class Ear:
    """Hears what is posted; `answers` are statuses, one a POST, the last for all others; `None` never answers."""

    def __init__(self, *answers):
        self.answers = answers or (204,)
        self.heard = []
        self.headers = []

    async def beside(self, control):
        """Listen for as long as the night goes on."""
        app = web.Application()
        app.router.add_post("/{path:.*}", self._hear)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", PORT).start()
            await asyncio.get_running_loop().create_future()
        finally:
            with contextlib.suppress(asyncio.CancelledError):
                await runner.cleanup()

    async def _hear(self, request):
        self.heard.append(await request.json())
        self.headers.append(request.headers)
        answer = self.answers[min(len(self.heard), len(self.answers)) - 1]
        if answer is None:
            await asyncio.sleep(3600)
        return web.Response(status=answer, headers={"Location": "/elsewhere"} if answer in range(300, 400) else {})

    @property
    def events(self):
        """What was heard of, in order."""
        return [one["event"] for one in self.heard]
