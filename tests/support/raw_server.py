"""A server of bytes: it records exactly what arrives and does what it is told, HTTP or not.

Nothing is read from a connection until its act reads it, so that a test decides what the server can have seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

LINGER_0 = struct.pack("ii", 1, 0)
"""Closing a socket with this sends RST instead of FIN."""


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """One whole request as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        """`POST /v1/models/x HTTP/1.1`."""
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name."""
        pairs = (line.split(":", 1) for line in self.head.decode().split("\r\n")[1:] if line)
        return {name.lower(): value.strip() for name, value in pairs}


@dataclass(eq=False)
class Connection:
    """One accepted connection and every byte that was read from it."""

    socket: socket.socket
    received: bytes = b""
    answered: int = 0
    """How many of its requests an act has seen."""

    @property
    def requests(self) -> list[Arrived]:
        """The whole requests among the bytes received."""
        found: list[Arrived] = []
        rest = self.received
        while b"\r\n\r\n" in rest:
            head, rest = rest.split(b"\r\n\r\n", 1)
            length = int(Arrived(head=head, body=b"").headers.get("content-length", "0"))
            if len(rest) < length:
                break
            found.append(Arrived(head=head, body=rest[:length]))
            rest = rest[length:]
        return found

    async def read_some(self) -> bool:
        """Wait for bytes; false once the other side has gone."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 16)
        except ConnectionError:
            data = b""
        self.received += data
        return bool(data)

    async def read_head(self) -> bool:
        """Wait for a request's headers; false if they never came whole."""
        while b"\r\n\r\n" not in self.received:
            if not await self.read_some():
                return False
        return True

    async def read_request(self) -> bool:
        """Wait for the next whole request; false if it never came whole."""
        while len(self.requests) <= self.answered:
            if not await self.read_some():
                return False
        self.answered += 1
        return True

    async def read_to_end(self) -> None:
        """Wait until the other side has gone."""
        while await self.read_some():
            pass

    async def send(self, data: bytes) -> None:
        """Write bytes; what the other side no longer takes is dropped."""
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self.socket, data)

    def finish(self) -> None:
        """End the connection with a FIN."""
        self.socket.close()

    def reset(self) -> None:
        """End the connection with an RST."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
        self.socket.close()


Act = Callable[[Connection], Awaitable[None]]
"""What happens on each accepted connection; afterwards it is closed with a FIN, unless the act did otherwise."""


@dataclass(kw_only=True)
class RawServer:
    """A running server."""

    port: int
    connections: list[Connection] = field(default_factory=list)
    acting: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def base(self) -> str:
        """As an API base."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def requests(self) -> list[Arrived]:
        """Every whole request, in the order of the connections."""
        return [request for connection in self.connections for request in connection.requests]

    @property
    def posts(self) -> int:
        """How many whole POSTs arrived."""
        return sum(request.line.startswith("POST ") for request in self.requests)

    @property
    def received(self) -> bytes:
        """Every byte that was read."""
        return b"".join(connection.received for connection in self.connections)

    async def settled(self) -> None:
        """Wait until every connection has ended, also one that still waits to be accepted: nothing more arrives."""
        for _ in range(5):
            await asyncio.sleep(0)
        await asyncio.gather(*self.acting)


@contextlib.asynccontextmanager
async def raw_server(act: Act, host: str = "127.0.0.1") -> AsyncIterator[RawServer]:
    """Serve on a free port of the loopback, or of another host; what an act raises comes out at the end."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server((host, 0))
    listener.setblocking(False)
    server = RawServer(port=listener.getsockname()[1])

    async def serve(connection: Connection) -> None:
        try:
            await act(connection)
        finally:
            connection.finish()

    async def accept() -> None:
        while True:
            accepted, _ = await loop.sock_accept(listener)
            accepted.setblocking(False)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.connections.append(Connection(accepted))
            server.acting.append(asyncio.create_task(serve(server.connections[-1]), name="connection"))

    accepting = asyncio.create_task(accept(), name="accept")
    try:
        yield server
    finally:
        for task in (accepting, *server.acting):
            task.cancel()
        ends = await asyncio.gather(accepting, *server.acting, return_exceptions=True)
        listener.close()
        for connection in server.connections:
            connection.finish()
    for end in ends:
        if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
            raise end


# -------------------------------------------------------------------------------------------------------------- acts


def answer(data: bytes, *, then: str = "fin") -> Act:
    """Read a whole request, send the bytes, then `fin`, `rst`, or `hang` until the client goes."""

    async def act(connection: Connection) -> None:
        if await connection.read_request():
            await connection.send(data)
            await _end(connection, then)

    return act


def answer_early(data: bytes) -> Act:
    """Read no more than the headers, send the bytes, and take the rest in silence."""

    async def act(connection: Connection) -> None:
        if await connection.read_head():
            await connection.send(data)
            await connection.read_to_end()

    return act


def answer_each(*answers: bytes) -> Act:
    """Answer one request after the other on the same connection, the last answer again and again."""

    async def act(connection: Connection) -> None:
        while await connection.read_request():
            await connection.send(answers[min(connection.answered, len(answers)) - 1])

    return act


def answer_for_ever(head: bytes, piece: bytes) -> Act:
    """Read a whole request, send the head, then the piece every few milliseconds until the client goes."""

    async def act(connection: Connection) -> None:
        if not await connection.read_request():
            return
        await connection.send(head)
        while connection.socket.fileno() >= 0:
            try:
                await asyncio.get_running_loop().sock_sendall(connection.socket, piece)
            except ConnectionError:
                return
            await asyncio.sleep(0.01)

    return act


def hang_up(*, after: str, how: str) -> Act:
    """End the connection after `nothing`, the `head` or the whole `request` was read: by `fin` or `rst`."""

    async def act(connection: Connection) -> None:
        match after:
            case "head":
                await connection.read_head()
            case "request":
                await connection.read_request()
        await _end(connection, how)

    return act


async def _end(connection: Connection, how: str) -> None:
    match how:
        case "rst":
            connection.reset()
        case "hang":
            await connection.read_to_end()
        case _:
            connection.finish()


# ------------------------------------------------------------------------------------------------------------- bytes


def http(status: int = 200, body: bytes | str = b"", headers: str = "", *, kind: str = "application/json") -> bytes:
    """A whole HTTP response; `headers` are further lines, each with its line end."""
    data = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status} Reason\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
    return head.encode() + data


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A response in chunks."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end
