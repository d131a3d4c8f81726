"""A real browser, driven over the DevTools protocol: one page in a new profile, and what it asked for.

aiohttp is there anyway and speaks WebSocket; no driver and no package is needed beside the browser itself.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--hide-scrollbars",
        "--remote-debugging-port=0",
    ),
)
PATIENCE_S = 60
KEYS = {"Escape": 27, "Enter": 13, "Tab": 9}


class Browser:
    """One page of a browser of its own. An async context manager."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """Every address that the page asked for, also those that its policy refused."""
        self.complaints: list[str] = []
        """Exceptions, console errors and broken policies."""
        self._stack = AsyncExitStack()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._waiting: list[tuple[str, dict[str, Any], asyncio.Future[dict[str, Any]]]] = []
        self._number = 0
        self._session = ""

    async def __aenter__(self) -> Self:
        profile = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={profile}",
            "about:blank",
            stderr=pipe,
            stdout=asyncio.subprocess.DEVNULL,
        )
        self._stack.push_async_callback(_end, process)
        address = await asyncio.wait_for(_address(process), PATIENCE_S)
        client = await self._stack.enter_async_context(aiohttp.ClientSession())
        self._socket = await self._stack.enter_async_context(client.ws_connect(address, max_msg_size=0))
        self._reading = asyncio.create_task(self._read(), name="devtools")
        self._draining = asyncio.create_task(_drain(process), name="stderr")
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            await self.send(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
        for task in (self._reading, self._draining):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        """One command, and its answer."""
        self._number += 1
        answer = self._answers[self._number] = asyncio.get_running_loop().create_future()
        message = {"id": self._number, "method": method, "params": params}
        await self._socket.send_json(message | ({"sessionId": self._session} if self._session else {}))
        return await asyncio.wait_for(answer, PATIENCE_S)

    async def open(self, path: Path | str, *, wait: str = "document.documentElement?.dataset.ready") -> None:
        """Open a page, until the expression is true in it."""
        loaded = self._awaited("Page.loadEventFired")
        await self.send("Page.navigate", url=path if isinstance(path, str) else path.as_uri())
        await asyncio.wait_for(loaded, PATIENCE_S)
        await self.until(wait)

    async def js(self, expression: str) -> Any:
        """The value of an expression, promises awaited; what it throws is raised here."""
        answer = await self.send(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
            allowUnsafeEvalBlockedByCSP=False,
        )
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"].get("exception", {}).get("description", answer))
        return answer["result"].get("value")

    async def until(self, expression: str) -> Any:
        """The value of an expression once it is true: it is asked for with every frame."""
        look = f"const found = (() => ({expression}))(); found ? done(found) : requestAnimationFrame(look);"
        return await self.js(f"new Promise(done => {{ const look = () => {{ {look} }}; look(); }})")

    async def enter(self, selector: str, text: str) -> None:
        """Fill a field as if a person had, and left it."""
        fill = "const one = document.querySelector({}); one.value = {}; for (const name of ['input', 'change'])"
        event = "one.dispatchEvent(new Event(name, {bubbles: true}));"
        await self.js(f"{{{fill.format(json.dumps(selector), json.dumps(text))} {event}}}")

    async def click(self, selector: str) -> None:
        """Click on the first such element."""
        await self.js(f"document.querySelector({json.dumps(selector)}).click()")

    async def all(self, selector: str, what: str) -> list[Any]:
        """A property of each such element that is shown."""
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].filter(one => one.checkVisibility())"
        found: list[Any] = await self.js(f"{shown}.map(one => one.{what})")
        return found

    async def key(self, key: str) -> None:
        """Press a key, and let a frame pass."""
        is_text = len(key) == 1
        code = {"windowsVirtualKeyCode": KEYS[key]} if key in KEYS else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **code, **({"text": key} if is_text else {}))
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key, **code)
        await self.frame()

    async def frame(self) -> None:
        """Until the next but one frame is drawn."""
        await self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    async def window(self, width: int, height: int, *, is_dark: bool = False, media: str = "") -> None:
        """The window's size, and what its user prefers."""
        is_phone = width < 600
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=is_phone
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.send("Emulation.setEmulatedMedia", media=media, features=[scheme])
        await self.frame()

    async def screenshot(self, path: Path) -> None:
        """What the window shows, as a PNG."""
        found = await self.send("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(found["data"]))

    async def download(self, folder: Path, button: str) -> Path:
        """Press a button; the file that the page then saves."""
        folder.mkdir()
        await self.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        begun, ended = (
            self._awaited("Page.downloadWillBegin"),
            self._awaited("Page.downloadProgress", state="completed"),
        )
        await self.js(f"document.querySelector({button!r}).click()")
        name = (await asyncio.wait_for(begun, PATIENCE_S))["suggestedFilename"]
        await asyncio.wait_for(ended, PATIENCE_S)
        return folder / name

    async def heap(self) -> int:
        """Bytes of JavaScript that are in use, rubbish taken out."""
        await self.send("HeapProfiler.collectGarbage")
        return int((await self.send("Runtime.getHeapUsage"))["usedSize"])

    def _awaited(self, event: str, **like: Any) -> asyncio.Future[dict[str, Any]]:
        """The next event of that name with these values."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((event, like, future))
        return future

    async def _read(self) -> None:
        async for message in self._socket:
            document = json.loads(message.data)
            if (answer := self._answers.pop(document.get("id"), None)) is not None:
                if "error" in document:
                    answer.set_exception(AssertionError(document["error"]))
                else:
                    answer.set_result(document["result"])
                continue
            self._note(document.get("method", ""), document.get("params", {}))

    def _note(self, method: str, params: dict[str, Any]) -> None:
        for waiting in list(self._waiting):
            event, like, future = waiting
            if event == method and like.items() <= params.items():
                self._waiting.remove(waiting)
                future.set_result(params)
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(params["entry"]["text"])


async def _address(process: asyncio.subprocess.Process) -> str:
    """Where the browser listens: it says so."""
    assert process.stderr is not None
    async for line in process.stderr:
        if found := re.search(rb"DevTools listening on (ws://\S+)", line):
            return found[1].decode()
    raise AssertionError("the browser did not start")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """A pipe that nobody empties would stop it."""
    assert process.stderr is not None
    while await process.stderr.read(1 << 16):
        pass


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
