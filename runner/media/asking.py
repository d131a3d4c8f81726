"""One question to one server: a request, its redirects followed by hand, its failures translated once.

Like the service, it has no login: no token, no cookie, no proxy from the environment. Unlike it, it stands inside of
somebody's network: every redirect passes the guard, and every socket's address must be public.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from runner.__about__ import __version__
from runner.media.guard import HostPolicy, is_address_refusal, socket_factory
from runner.media.looks import LATER, LOOKED_AT, Answer, Bad
from runner.media.manners import MOST_UNANSWERED, Manners
from runner.media.pages import one_line
from runner.media.values import SecretUrl, shown
from runner.rules.retry import retry_after_s

MOST_REDIRECTS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
USER_AGENT: Final = f"runcomfy-batch/{__version__} (preflight)"
NO_WISH_S: Final = 5.0
"""How long a host rests that complains and does not say for how long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How slow a server may be; seconds."""

    connect_s: float = 10.0
    head_s: float = 6.0
    """For HEAD: servers that hang on it answer GET."""
    total_s: float = 20.0
    """For all requests of one try; waiting for a turn does not count."""
    rest_s: float = 30.0
    """The longest wish of a `Retry-After` that is obeyed."""


class Stopped(Exception):
    """Carries a verdict out of the depths of one look."""

    def __init__(self, bad: Bad, *, is_of_method: bool = False) -> None:
        super().__init__(bad.message)
        self.bad = bad
        self.is_of_method = is_of_method
        """Whether another method may fare better."""


def open_session(policy: HostPolicy, patience: Patience) -> aiohttp.ClientSession:
    """A session that carries nothing of ours and reaches only what the policy allows; the caller closes it."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0,
            socket_factory=socket_factory(policy),
            resolver=aiohttp.ThreadedResolver(),  # its errors tell an unknown name from a resolver in trouble
            ttl_dns_cache=60,
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=patience.connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT},
    )


class Asker:
    """Asks for one URL after the other, in turn with all other requests."""

    def __init__(
        self, session: aiohttp.ClientSession, policy: HostPolicy, manners: Manners, patience: Patience
    ) -> None:
        self._session = session
        self._policy = policy
        self._manners = manners
        self._patience = patience

    async def ask(self, method: str, url: str, timer: Timer, *, part: bool = False) -> Answer:
        """The answer behind at most five redirects, each one's place checked like the first; raises `Stopped`."""
        asked = url
        for _ in range(MOST_REDIRECTS + 1):
            if reason := self._policy.refusal(url):
                raise _refused(asked, url, reason)
            answer = await self._once(method, asked, url, timer, part=part)
            target = answer.headers.get("Location")
            if answer.status not in REDIRECTS or not target:
                return answer
            url = _next(asked, url, target)
        message = f"{shown(asked)} leads to more than {MOST_REDIRECTS} redirects"
        hint = "perhaps it wants cookies, or a login"
        raise Stopped(Bad(code="input-redirect", message=message, hint=hint), is_of_method=True)

    async def _once(self, method: str, asked: str, url: str, timer: Timer, *, part: bool) -> Answer:
        """One request, when it is its turn."""
        host = host_of(url)
        target = _target(url)
        async with self._manners.turn(host):
            if self._manners.is_silent(host_of(asked)):  # it may have fallen silent while this one waited
                raise not_asked(asked)
            try:
                with timer:
                    async with asyncio.timeout(timer.left_s):
                        answer = await self._exchange(method, asked, target, url, part=part)
            except TimeoutError:
                raise _passing(f"{shown(url)} did not answer in time") from None
            except (aiohttp.ClientError, OSError, UnicodeError) as error:
                raise _failed(url, error) from None
            if complains(answer):
                wish_s = retry_after_s(answer.headers.get("Retry-After"), answer.headers.get("Date"), time.time())
                self._manners.complained(host, NO_WISH_S if wish_s is None else min(wish_s, self._patience.rest_s))
            return answer

    async def _exchange(self, method: str, asked: str, target: URL, url: str, *, part: bool) -> Answer:
        headers = {"Range": f"bytes=0-{LOOKED_AT - 1}"} if part else {}
        response = await self._session.request(method, target, allow_redirects=False, headers=headers)
        try:
            head = bytearray()
            if method == "GET" and response.status not in REDIRECTS:
                while len(head) < LOOKED_AT and (piece := await response.content.read(LOOKED_AT - len(head))):
                    head += piece
            return Answer(
                asked=SecretUrl(asked),
                url=SecretUrl(url),
                status=response.status,
                headers=response.headers,
                head=bytes(head),
                has_ended=response.content.at_eof(),
            )
        finally:
            response.release()  # which closes the connection where more is to come


class Timer:
    """The time that several requests share; between them it stands still."""

    def __init__(self, seconds: float) -> None:
        self.left_s = seconds
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.left_s -= time.monotonic() - self._since


def complains(answer: Answer) -> bool:
    """Whether the server wants to be asked less."""
    return answer.status == 429 or (answer.status == 503 and "Retry-After" in answer.headers)


def not_asked(url: str) -> Stopped:
    """The host of the URL is silent: the others of it are spared."""
    host = one_line(host_of(url), 100)
    message = f"{shown(url)} was not asked: {host} left {MOST_UNANSWERED} others in a row unanswered"
    return Stopped(Bad(code="input-unreachable", message=message, hint=LATER, is_certain=False))


def host_of(url: str) -> str:
    """The URL's host; nothing where it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


# ---------------------------------------------------------------------------------------------------------- failures


def _failed(url: str, error: Exception) -> Stopped:
    """What an exception of aiohttp means; its own text may hold the query."""
    place = shown(url)
    if is_address_refusal(error):
        message = f"{place} leads to an address that is not public"
        return _final("input-private", message, "the service cannot reach it: put the file where anyone can fetch it")
    match error:
        case aiohttp.ClientConnectorDNSError() if _is_unknown_name(error.os_error):
            hint = "is it spelled right, and public?"
            return _final("input-unreachable", f"{place}: nobody knows a host of that name", hint)
        case UnicodeError() | aiohttp.InvalidURL():
            return _refused(url, url, "it is no proper URL")
        case aiohttp.ClientConnectorCertificateError():
            why = getattr(error.certificate_error, "verify_message", "")
            message = f"{place}: its certificate cannot be verified: {one_line(why, 120)}"
            return _final("input-unreachable", message, "mend it there, unless this machine's clock is wrong")
        case aiohttp.ClientSSLError() if not isinstance(error.os_error, ssl.SSLEOFError):
            reason = getattr(error.os_error, "reason", None) or type(error.os_error).__name__
            return _final("input-unreachable", f"{place} does not speak proper TLS: {one_line(str(reason), 120)}")
        case aiohttp.ClientConnectorError():
            why = error.os_error.strerror or type(error.os_error).__name__
            return _passing(f"{place} cannot be connected to: {one_line(why, 120)}", is_of_method=False)
        case _:
            return _passing(f"{place} gave no proper answer: {type(error).__name__}")


def _is_unknown_name(error: OSError) -> bool:
    """Whether the name does not exist, rather than nobody being there to ask."""
    return error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))


def _passing(message: str, *, is_of_method: bool = True) -> Stopped:
    bad = Bad(code="input-unreachable", message=message, hint=LATER, is_certain=False)
    return Stopped(bad, is_of_method=is_of_method)


def _final(code: str, message: str, hint: str = "") -> Stopped:
    return Stopped(Bad(code=code, message=message, hint=hint))


def _refused(asked: str, url: str, reason: str) -> Stopped:
    """The guard does not let it through: the URL itself, or what it redirects to."""
    hint = "use a public https:// URL"
    if url == asked:
        return _final("input-refused", f"{shown(url)}: {reason}", hint)
    message = f"{shown(asked)} leads to {shown(url)}: {reason}"
    return Stopped(Bad(code="input-redirect", message=message, hint=hint), is_of_method=True)


def _next(asked: str, url: str, target: str) -> str:
    """Where a redirect leads; never from https to http."""
    try:
        found = urljoin(url, target)
        is_weaker = urlsplit(url).scheme == "https" and urlsplit(found).scheme == "http"
    except ValueError:
        raise _refused(asked, target, "it is no proper URL") from None
    if is_weaker:
        raise _refused(asked, found, "only https is fetched")
    return found


def _target(url: str) -> URL:
    """The URL as it stands: a signature covers its very spelling. Only what is not ASCII is encoded."""
    try:
        return URL(url, encoded=url.isascii())
    except ValueError:
        raise _refused(url, url, "it is no proper URL") from None
