"""The YAML language server, spoken to over stdio as an editor does."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SETTINGS = {"yaml": {"schemaStore": {"enable": False}}}
"""No schema but the one that a file names itself: nothing is fetched."""


class Editor:
    """An editor with some files open; each answer is waited for."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        self._is_configured = False
        self._ask(
            "initialize",
            {
                "processId": None,
                "rootUri": folder.as_uri(),
                "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name}],
                "capabilities": {
                    "workspace": {"configuration": True},
                    "textDocument": {"hover": {"contentFormat": ["plaintext"]}},
                },
            },
        )
        self._tell("initialized", {})
        self._tell("workspace/didChangeConfiguration", {"settings": SETTINGS})
        while not self._is_configured:
            self._receive()

    def open(self, path: Path, text: str) -> list[str]:
        """Open a file that holds this text; what the server says is wrong with it, as `line: message`."""
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._diagnostics.pop(path.as_uri(), None)
        self._tell("textDocument/didOpen", {"textDocument": document})
        while path.as_uri() not in self._diagnostics:
            self._receive()
        found = self._diagnostics[path.as_uri()]
        return [f"{each['range']['start']['line'] + 1}: {each['message']}" for each in found]

    def complete(self, path: Path, line: int, column: int) -> dict[str, str]:
        """What may be put at a place, counted from 1: labels, with what is said of each."""
        found = self._ask("textDocument/completion", self._at(path, line, column))
        return {item["label"]: _text(item.get("documentation")) for item in found["items"]}

    def hover(self, path: Path, line: int, column: int) -> str:
        """What is shown of the word at a place."""
        found = self._ask("textDocument/hover", self._at(path, line, column))
        return _text(found["contents"]) if found else ""

    def _at(self, path: Path, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line - 1, "character": column - 1}}

    def _ask(self, method: str, params: Any) -> Any:
        number = next(self._numbers)
        self._send({"id": number, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == number and "method" not in message:
                assert "error" not in message, message
                return message["result"]

    def _tell(self, method: str, params: Any) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        """The next message; what the server asks an editor is answered here."""
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server ended"
        message: dict[str, Any] = json.loads(stream.read(length))
        match message:
            case {"method": "workspace/configuration", "id": number, "params": {"items": items}}:
                answers = [SETTINGS.get(item.get("section"), {}) for item in items]
                self._send({"id": number, "result": answers})
                self._is_configured = True
            case {"method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": found}}:
                self._diagnostics[uri] = found
            case {"method": _, "id": number}:
                self._send({"id": number, "result": None})
        return message


def _text(value: Any) -> str:
    return value["value"] if isinstance(value, dict) else str(value or "")


@contextmanager
def editor(program: str, folder: Path) -> Iterator[Editor]:
    """An editor in a folder, its language server running; ended by its id."""
    process = subprocess.Popen([program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
    try:
        yield Editor(process, folder)
    finally:
        process.kill()
        process.wait(timeout=20)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
