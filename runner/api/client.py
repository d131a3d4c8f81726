"""Talks to the API over aiohttp.

The paid POST has a session of its own, built so that nothing is ever sent twice: a fresh connection for each
(`force_close`: a server that closes an idle connection just as a POST leaves makes doubt out of nothing), no redirects,
no cookies, no proxies from the environment, and a total timeout, since only that one bounds a stuck upload.

The *fuse* sits in aiohttp's `on_request_headers_sent` hook. aiohttp awaits it after the connection is up and before the
first byte leaves, so `before_send` can commit the intent there: if it raises, nothing was sent. The fuse blows once; a
second firing would be a silent re-send, and raises. Whether it has blown is the only thing that tells *not sent* from
*unknown*: the exception's class does not, since a reset or a timeout looks the same on either side of it. In
particular `ClientResponseError.status` is never read: aiohttp sets it to 400 when the answer to a POST that was
received is garbage.
"""

from __future__ import annotations

import errno
import io
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace, TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp

from runner.__about__ import __version__
from runner.api.bases import check_base, wallet_url
from runner.api.bodies import clean, parse_amount
from runner.api.token import Token
from runner.api.wire import (
    ApiError,
    Listing,
    NotSent,
    Reply,
    Result,
    SubmitReply,
    Unknown,
    classify_submit,
    named_request,
    parse_document,
    parse_listing,
    parse_result,
    parse_status,
)
from runner.model import Failure, FailureKind, Money, RemoteStatus

LARGEST_REPLY: Final = 1 << 20
"""Bytes of JSON that are read; a longer answer is garbage or an attack."""
HEADERS_READ: Final = ("Content-Type", "Date", "Location", "Retry-After")

BeforeSend = Callable[[], Awaitable[None]]
"""Commits the intent durably, or raises: then no byte leaves and the error reaches the caller of `submit`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of the calls, in seconds."""

    connect_s: float = 30.0
    submit_s: float = 120.0
    """From the first attempt to connect to the whole answer."""
    read_s: float = 30.0


class SentTwice(RuntimeError):
    """Something tried to send a paid POST a second time; the fuse held."""


class Fuse:
    """Lets one send through, after `before_send` has returned."""

    __slots__ = ("_before_send", "is_blown", "stopped_by")

    def __init__(self, before_send: BeforeSend) -> None:
        self._before_send = before_send
        self.is_blown = False
        """Whether a byte may have left."""
        self.stopped_by: Exception | None = None
        """What `before_send` raised; aiohttp dresses an `OSError` of its up as a failure of the network."""

    async def blow(self) -> None:
        """Called by aiohttp before the first byte of each send."""
        if self.is_blown:
            raise SentTwice
        try:
            await self._before_send()
        except Exception as error:
            self.stopped_by = error
            raise
        self.is_blown = True


class RunComfy:
    """The API of one account. An async context manager; its methods may be called concurrently."""

    def __init__(
        self,
        base: str,
        token: Token,
        *,
        max_in_flight: int = 8,
        timeouts: Timeouts | None = None,
        wallet: str | None = None,
    ) -> None:
        """`wallet` is the base of RunComfy's API for the account's balance, where it is not the usual one."""
        self.base = check_base(base)
        self._wallet = wallet
        self._token = token
        self._timeouts = timeouts or Timeouts()
        self._max_in_flight = max_in_flight
        self._paid: aiohttp.ClientSession
        self._free: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        limits = self._timeouts
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_blow_fuse)
        self._paid = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0),
            timeout=aiohttp.ClientTimeout(
                total=limits.submit_s, connect=limits.connect_s, sock_connect=min(10.0, limits.connect_s)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
        )
        self._free = self._open_free()
        return self

    def _open_free(self) -> aiohttp.ClientSession:
        limits = self._timeouts
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=max(16, self._max_in_flight)),
            timeout=aiohttp.ClientTimeout(total=limits.read_s, sock_connect=min(10.0, limits.connect_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def renew(self) -> None:
        """Connect anew for reads: after a machine's sleep the open connections lead nowhere. Reads under way fail."""
        old, self._free = self._free, self._open_free()
        await old.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._paid.close()
        await self._free.close()

    # ------------------------------------------------------------------------------------------------------- paid

    async def submit(self, model: str, payload: bytes, before_send: BeforeSend) -> SubmitReply:
        """Send one paid POST and say what became of it.

        `before_send` runs once, before the first byte. What it raises comes out as it is, and nothing was sent; every
        other failure comes back as a value. A cancellation passes through: the caller shields this call.
        """
        fuse = Fuse(before_send)
        body = bytearray()
        try:
            response = await self._paid.post(
                f"{self.base}/models/{_path(model)}",
                data=io.BytesIO(payload),  # sent in pieces: megabytes of data: URIs at once would block the loop
                headers=self._headers(),
                allow_redirects=False,
                trace_request_ctx=fuse,
            )
            try:
                reply = await self._read(response, body)
            finally:
                response.close()  # not `async with`: nothing is awaited between the answer and its commit
        except (aiohttp.ClientError, TimeoutError, OSError, SentTwice, ApiError) as error:
            if fuse.stopped_by is not None:
                raise fuse.stopped_by from fuse.stopped_by.__cause__
            failure = self._explain(error)
            if not fuse.is_blown:
                return NotSent(failure)
            hint = named_request(self._token.redact(bytes(body)), is_whole=False)
            return Unknown(replace(failure, message=failure.message + hint))
        return classify_submit(reply)

    # ------------------------------------------------------------------------------------------------------- free

    async def status(self, request_id: str) -> RemoteStatus:
        """How a request stands; raises `ApiError`."""
        return parse_status(await self._call("GET", f"/requests/{_path(request_id)}/status"))

    async def result(self, request_id: str) -> Result:
        """A request's result with its cost, or its status while it is unfinished; raises `ApiError`."""
        return parse_result(await self._call("GET", f"/requests/{_path(request_id)}/result?include_cost=true"))

    async def cancel(self, request_id: str) -> str:
        """Ask to cancel a queued request; the outcome's word, `cancelled` or `not_cancellable`. Raises `ApiError`."""
        document = parse_document(await self._call("POST", f"/requests/{_path(request_id)}/cancel"))
        words = (document.get("outcome"), document.get("status"))
        word = next((word for word in words if word and isinstance(word, str)), "")
        return clean(word, 64) or "unknown"

    async def card(self, model: str) -> Mapping[str, Any]:
        """A model's card as the service sends it; raises `ApiError`. Free, so it serves as a probe too."""
        return parse_document(await self._call("GET", f"/models/{_path(model)}"))

    async def models(
        self, *, search: str = "", category: str = "", limit: int = 50, offset: int = 0, include_schema: bool = False
    ) -> Listing:
        """One page of the models that the service has; raises `ApiError`."""
        asked = {"search": search, "category": category, "include_schema": "true" if include_schema else ""}
        query = {key: value for key, value in asked.items() if value} | {"limit": limit, "offset": offset}
        return parse_listing(await self._call("GET", f"/models?{urlencode(query)}"))

    async def balance(self) -> Money | None:
        """What is left in the account's wallet; `None` where it is not known where to ask. Raises `ApiError`."""
        url = wallet_url(self.base, self._wallet)
        if url is None:
            return None
        document = parse_document(await self._call("GET", "", url=url))
        return parse_amount(document.get("balance_usd"))

    async def _call(self, method: str, path: str, *, url: str | None = None) -> Reply:
        try:
            async with self._free.request(
                method, url or self.base + path, headers=self._headers(), allow_redirects=False
            ) as response:
                return await self._read(response, bytearray())
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure = self._explain(error)
        raise ApiError(failure)  # down here it has no context: the repr of aiohttp's error holds the headers, the token

    # ---------------------------------------------------------------------------------------------------- helpers

    def _headers(self) -> dict[str, str]:
        return {
            "Authorization": self._token.header,
            "Content-Type": "application/json",
            "Accept": "application/json",
            "User-Agent": f"runcomfy-batch/{__version__}",
        }

    def _explain(self, error: BaseException) -> Failure:
        """The failure in words of ours: aiohttp's own may hold the headers and whole URLs."""
        if isinstance(error, ApiError):
            return error.failure
        host = urlsplit(self.base).netloc
        if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
            hint = " (is this machine's clock right?)" if "not yet valid" in str(error) else ""
            message = f"no verified TLS connection to {host}{hint}"
            return Failure(kind=FailureKind.POLICY, code="tls", message=message)
        if isinstance(error, TimeoutError):
            return Failure(kind=FailureKind.TRANSIENT, code="timeout", message=f"{host} did not answer in time")
        number = getattr(error, "errno", None)
        if number in (errno.EMFILE, errno.ENFILE):
            message = "this machine has no file descriptor to spare; `ulimit -n` raises the limit"
            return Failure(kind=FailureKind.TRANSIENT, code="short_of", message=message)
        detail = type(error).__name__ + (f", errno {number}" if number is not None else "")
        return Failure(kind=FailureKind.TRANSIENT, code="network", message=f"connection to {host} failed ({detail})")

    async def _read(self, response: aiohttp.ClientResponse, body: bytearray) -> Reply:
        """The whole response, without the token; raises `ApiError` where it is larger than any honest answer.

        `body` holds what came of it, also where it broke off.
        """
        async for piece in response.content.iter_chunked(1 << 16):
            body += piece
            if len(body) > LARGEST_REPLY:
                message = f"HTTP {response.status}: an answer of more than {LARGEST_REPLY} bytes"
                raise ApiError(Failure(kind=FailureKind.TRANSIENT, code="too_large", message=message))
        headers = {name: self._redact(response.headers[name]) for name in HEADERS_READ if name in response.headers}
        return Reply(status=response.status, headers=headers, body=self._token.redact(bytes(body)))

    def _redact(self, value: str) -> str:
        """A header's value without the token."""
        return self._token.redact(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


async def _blow_fuse(
    _: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceRequestHeadersSentParams
) -> None:
    await context.trace_request_ctx.blow()


def _path(name: str) -> str:
    """A model or request id as part of a URL's path; a model id has slashes."""
    return quote(name, safe="/")
