"""Fetches one output after the other through a session of its own: without token, cookies, or trust in the sender."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp
from aiofiles.os import wrap
from yarl import URL

from runner.errors import StorageFailed
from runner.media.files import PASSING, PIECE, Part, storage_failed, sync_folder
from runner.media.guard import AddressRefused, HostPolicy, is_address_refusal, socket_factory
from runner.media.slots import Slots
from runner.media.sniff import EXTENSIONS, Broken, Found, inspect
from runner.media.traits import before_at, traits_of
from runner.media.values import Fetched, FetchFailed, FetchOutcome, FetchSpec, shown, without_query
from runner.model import Artifact, Failure, FailureKind
from runner.rules.bandwidth import Bandwidth, arrived, learning, troubled

MOST_REDIRECTS: Final = 3
CONGESTED: Final = frozenset({"timeout", "too_slow", "http_429", "http_503"})
"""Failures that fewer downloads at once may help against."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How slow a server may be; seconds and bytes."""

    connect_s: float = 15.0
    silence_s: float = 60.0
    window_s: float = 60.0
    least_bytes: int = 60_000
    """In a window; less is a drip that would hold a slot for hours."""


class _Failed(Exception):
    """Carries a failure out of the depths of one download."""

    def __init__(self, kind: FailureKind, code: str, message: str, *, again: bool = True) -> None:
        super().__init__(message)
        self.failure = Failure(kind=kind, code=code, message=message)
        self.is_retryable = again


class Downloader:
    """Fetches outputs into a run directory. An async context manager; `fetch` may be called concurrently."""

    def __init__(
        self,
        directory: Path,
        policy: HostPolicy,
        *,
        run_id: str,
        line: Bandwidth | None = None,
        patience: Patience | None = None,
        decoders: int = 2,
    ) -> None:
        self._directory = directory
        self._images = directory / "images"
        self._identity: os.stat_result | None = None
        self._policy = policy
        self._run_id = run_id
        self._line = line or learning()
        self._slots = Slots(self._line.width)
        self._patience = patience or Patience()
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="decode")
        self._session: aiohttp.ClientSession

    def check_place(self) -> None:
        """The images folder is still the one that the run began with; raises `StorageFailed`.

        Where it was deleted or unmounted, it is not made anew: perhaps it would be on another disk.
        """
        try:
            found = self._images.stat()
            if self._identity is None:
                self._identity = found
            if os.path.samestat(found, self._identity):
                return
        except OSError:
            pass
        raise StorageFailed(
            f"{self._images} was moved, deleted or unmounted while the run went on. Nothing more is submitted, and "
            "nothing paid is lost: put it back, then run the same command."
        )

    async def __aenter__(self) -> Self:
        try:
            self._images.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise storage_failed(self._images, error) from error
        self.check_place()
        patience = self._patience
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, socket_factory=socket_factory(self._policy)),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_s, sock_read=patience.silence_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=PIECE,
            auto_decompress=False,  # a bomb is measured as it arrives
            headers={"Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        self._decoders.shutdown(wait=False, cancel_futures=True)

    async def fetch(self, spec: FetchSpec) -> FetchOutcome:
        """Fetch one output; a value for everything that may happen to a download.

        Raises `StorageFailed` where the disk failed. Safe to cancel: nothing is left behind.
        """
        started = time.perf_counter()
        async with self._slots:
            try:
                artifact = await self._fetch(spec)
            except _Failed as failed:
                if failed.failure.code in CONGESTED:
                    self._widen(troubled(self._line))
                return FetchFailed(
                    failure=failed.failure,
                    is_retryable=failed.is_retryable,
                    seconds=time.perf_counter() - started,
                )
            self._widen(arrived(self._line, artifact.bytes, time.monotonic(), is_full=self._slots.is_full))
        return Fetched(artifact=artifact, seconds=time.perf_counter() - started)

    def _widen(self, line: Bandwidth) -> None:
        if line.width != self._slots.width:
            self._slots.resize(line.width)
        self._line = line

    async def _fetch(self, spec: FetchSpec) -> Artifact:
        self.check_place()
        body = _Body()
        try:
            await self._stream(spec, body)
            return await asyncio.get_running_loop().run_in_executor(self._decoders, self._finish, spec, body)
        except OSError as error:
            if error.errno in PASSING:
                message = f"{shown(spec.url)}: {error.strerror} on this machine"
                raise _Failed(FailureKind.TRANSIENT, "short_of", message) from error
            raise storage_failed((self._directory / spec.stem).parent, error) from error
        finally:
            await body.aclose()

    async def _stream(self, spec: FetchSpec, body: _Body) -> None:
        """The answer into the body: what it holds, and from a mebibyte on a part file."""
        try:
            response = await self._open(spec.url)
            try:
                _check_answer(response, spec)
                await self._copy(response, spec, body)
            finally:
                response.close()
        except AddressRefused as error:
            raise _Failed(FailureKind.POLICY, "address_refused", f"{shown(spec.url)}: {error}", again=False) from None
        except TimeoutError:
            raise _Failed(FailureKind.TRANSIENT, "timeout", f"{shown(spec.url)} fell silent") from None
        except aiohttp.ClientPayloadError:
            raise _Failed(FailureKind.OUTPUT, "truncated", f"{shown(spec.url)} ended too early") from None
        except aiohttp.ClientError as error:
            if is_address_refusal(error):
                message = f"{shown(spec.url)} leads to an address that is not public"
                raise _Failed(FailureKind.POLICY, "address_refused", message, again=False) from None
            raise _Failed(FailureKind.TRANSIENT, "network", f"{shown(spec.url)}: {type(error).__name__}") from None
        except ValueError:  # what only the libraries below find wrong with a URL; it is paid for, and no bug of ours
            raise _Failed(FailureKind.OUTPUT, "bad_url", f"{shown(spec.url)} is no proper URL") from None

    async def _open(self, url: str) -> aiohttp.ClientResponse:
        """The answer behind at most three redirects, each one's place checked like the first."""
        for _ in range(MOST_REDIRECTS + 1):
            if refusal := self._policy.refusal(url):
                raise _Failed(FailureKind.POLICY, "host_refused", f"{shown(url)}: {refusal}", again=False)
            response = await self._session.get(URL(url, encoded=True), allow_redirects=False)
            if response.status not in (301, 302, 303, 307, 308):
                return response
            response.close()
            try:
                url = urljoin(url, response.headers.get("Location", ""))
            except ValueError:
                raise _Failed(FailureKind.OUTPUT, "redirect_refused", f"{shown(url)} leads to no proper URL") from None
        message = f"{shown(url)}: more than {MOST_REDIRECTS} redirects"
        raise _Failed(FailureKind.OUTPUT, "redirect_refused", message)

    async def _copy(self, response: aiohttp.ClientResponse, spec: FetchSpec, body: _Body) -> None:
        seen, since = 0, time.monotonic()
        patience = self._patience
        async for piece in response.content.iter_chunked(PIECE):
            body.take(piece)
            if body.size > spec.max_bytes:
                raise _too_large(spec)
            if body.held_size >= PIECE:
                await body.write(self._folder(spec), self._run_id)
            if (now := time.monotonic()) - since > patience.window_s:
                if body.size - seen < patience.least_bytes:
                    raise _Failed(FailureKind.TRANSIENT, "too_slow", f"{shown(spec.url)} only drips")
                seen, since = body.size, now
        if response.content_length is not None and body.size != response.content_length:
            raise _Failed(FailureKind.OUTPUT, "truncated", f"{shown(spec.url)} ended too early")

    def _folder(self, spec: FetchSpec) -> Path:
        """Where the output goes, made if need be; never the folder of all outputs, which somebody has taken away."""
        folder = (self._directory / spec.stem).parent
        if not folder.is_dir():
            self.check_place()
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _finish(self, spec: FetchSpec, body: _Body) -> Artifact:
        """Write the rest and settle it; in a decoder thread, which leaves no part file behind."""
        body.is_handed_over = True
        part = body.part or Part(self._folder(spec), self._run_id)
        try:
            part.append(body.held)
            return self._settle(spec, part, body.size)
        finally:
            part.discard()

    def _settle(self, spec: FetchSpec, part: Part, size: int) -> Artifact:
        """Decode, sync, rename, and sync the folder."""
        before = before_at(Path(spec.before)) if spec.before is not None else None
        match inspect(part.path, measure=partial(traits_of, before=before)):
            case Broken(code=code, message=message, is_final=is_final):
                raise _Failed(FailureKind.OUTPUT, code, f"{shown(spec.url)}: {message}", again=not is_final)
            case Found() as found:
                path = f"{spec.stem}.{EXTENSIONS[found.format]}"
                part.settle(self._directory / path)
                sync_folder((self._directory / path).parent)
                return Artifact(
                    path=path,
                    sha256=part.sha256,
                    bytes=size,
                    width=found.width,
                    height=found.height,
                    format=found.format,
                    source_url=without_query(spec.url),
                    index=spec.index,
                    traits=found.traits,
                )


class _Body:
    """What has come of an output. A small one is held, and written in one go by whoever decodes it."""

    def __init__(self) -> None:
        self.size = 0
        self.held: list[bytes] = []
        """What is in no file yet: at most a mebibyte and a piece."""
        self.held_size = 0
        self.part: Part | None = None
        self.is_handed_over = False
        """Whether another thread sees to the part file from here on."""

    def take(self, piece: bytes) -> None:
        """Hold a piece more."""
        self.held.append(piece)
        self.held_size += len(piece)
        self.size += len(piece)

    async def write(self, folder: Path, run_id: str) -> None:
        """What is held, into the part file."""
        if self.part is None:
            self.part = Part(folder, run_id)
        pieces, self.held, self.held_size = self.held, [], 0
        await wrap(self.part.append)(pieces)

    async def aclose(self) -> None:
        """Remove the part file unless somebody else has it."""
        if self.part is not None and not self.is_handed_over:
            await wrap(self.part.discard)()


def _check_answer(response: aiohttp.ClientResponse, spec: FetchSpec) -> None:
    status = response.status
    if status != 200:
        message = f"{shown(spec.url)}: HTTP {status}"
        is_passing = status >= 500 or status in (408, 425, 429)
        kind = FailureKind.TRANSIENT if is_passing else FailureKind.OUTPUT
        raise _Failed(kind, f"http_{status}", message)
    if response.headers.get("Content-Encoding", "identity") not in ("identity", ""):
        raise _Failed(FailureKind.OUTPUT, "encoded", f"{shown(spec.url)} came compressed, which was not asked for")
    if response.content_length is not None and response.content_length > spec.max_bytes:
        raise _too_large(spec)


def _too_large(spec: FetchSpec) -> _Failed:
    message = f"{shown(spec.url)} is larger than {spec.max_bytes} bytes"
    return _Failed(FailureKind.OUTPUT, "too_large", message, again=False)
