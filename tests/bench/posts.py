"""How often one paid job is sent to a server that reads the POST and closes without an answer.

pip install fal-client==1.0.3 && python tests/bench/posts.py
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import os
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.tables import table

from runner.api.client import RunComfy
from runner.api.token import Token


class Listener:
    """Reads whole POSTs, counts them, and hangs up."""

    def __init__(self):
        self.posts = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.place = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self._server.accept()
            with connection, connection.makefile("rb") as stream:
                length = 0
                while (line := stream.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                if length and len(stream.read(length)) == length:
                    self.posts += 1


def ours(listener):
    async def submit():
        async def committed():
            pass

        async with RunComfy(f"http://{listener.place}/v1", Token("canary-token-1234", "here")) as api:
            return await api.submit("google/nano-banana/edit", b'{"prompt": "white"}', committed)

    return type(asyncio.run(submit())).__name__


def fal(listener):
    os.environ["FAL_KEY"] = "a:b"
    import fal_client
    from fal_client import client

    client.QUEUE_URL_FORMAT = f"http://{listener.place}/"
    try:
        fal_client.submit("fal-ai/nano-banana/edit", arguments={"prompt": "white"})
    except Exception as error:
        return type(error).__name__
    return "accepted"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", action="store_true", help="without the peer, which takes a minute to give up")
    clients = {"runcomfy-batch": ours}
    try:
        if not parser.parse_args().alone:
            clients[f"fal-client {importlib.metadata.version('fal-client')}"] = fal
    except importlib.metadata.PackageNotFoundError:
        print("fal-client is not installed: pip install fal-client==1.0.3")
    rows = []
    for name, submit in clients.items():
        listener = Listener()
        outcome = submit(listener)
        rows.append((name, listener.posts, outcome))
    table("one paid job, a server that hangs up", ["client", "POSTs", "outcome"], rows)


if __name__ == "__main__":
    main()
