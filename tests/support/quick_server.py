"""A server that costs little itself, in a process of its own: RunComfy, fal's queue and Replicate, all done at once.

Every request is finished when it is first asked about, and every result is the same file.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from itertools import count

MODEL = "google/nano-banana/edit"
CARD = {"model_id": MODEL, "base_price_usd": 0.039, "price_unit": "output"}


class Connection(asyncio.Protocol):
    """One connection that is kept alive. The whole grammar of HTTP is not needed here."""

    numbers = count(1)
    base = ""
    file = b""

    def connection_made(self, transport):
        self.transport, self.read = transport, bytearray()

    def data_received(self, data):
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.read[:end]).split(b"\r\n")
            headers = dict(line.lower().split(b":", 1) for line in head[1:])
            length = int(headers.get(b"content-length", 0))
            if len(self.read) < end + 4 + length:
                return
            del self.read[: end + 4 + length]
            method, path = head[0].decode().split(" ")[:2]
            self.answer(method, path.partition("?")[0])
            if headers.get(b"connection", b"").strip() == b"close":
                self.transport.close()

    def answer(self, method, path):
        if path.startswith("/file/"):
            self.send("image/png", self.file)
            return
        document = self.posted(path, f"r-{next(self.numbers)}") if method == "POST" else self.got(path)
        self.send("application/json", json.dumps(document).encode())

    def posted(self, path, name):
        prediction = {"id": name, "model": "a/b", "version": "v", "status": "starting", "input": {}, "urls": {}}
        fal = {key: f"{self.base}/fal/{name}{part}" for key, part in FAL.items()}
        return {"request_id": name, **fal, **prediction}

    def got(self, path):
        url = f"{self.base}/file/{path.rsplit('/', 2)[-2]}.png"
        if path.startswith("/v1/models/"):
            return CARD
        if path.startswith("/v1/predictions/"):
            return self.posted(path, path.rsplit("/", 1)[-1]) | {"status": "succeeded", "output": url}
        if path.endswith("/status"):
            return {"status": "COMPLETED", "request_id": path.split("/")[-2], "logs": None, "metrics": {}}
        return {"status": "completed", "output": {"image": url}, "images": [{"url": url}], "cost": 0.039}

    def send(self, kind, body):
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


FAL = {"status_url": "/status", "response_url": "", "cancel_url": "/cancel"}


async def serve(size):
    Connection.file = os.urandom(size)
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0, backlog=1024)
    Connection.base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(Connection.base, flush=True)
    await server.serve_forever()


@contextmanager
def quick_server(size=200_000):
    """The base URL of such a server, whose files have `size` bytes."""
    process = subprocess.Popen([sys.executable, __file__, str(size)], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
