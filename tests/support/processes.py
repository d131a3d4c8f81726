"""Real processes: the command line, and a simulator that a kill of the command cannot touch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.nursery import nursery

COMMAND = [sys.executable, "-m", "runner"]
TOKEN = "canary-token-5f0e"


def environment(**more: str) -> dict[str, str]:
    """The environment of a command: nothing of the developer's own settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("RUNCOMFY", "YOUR_API", "COLUMNS"))}
    return kept | {"RUNCOMFY_CONFIG_DIR": "/nonexistent", "NO_COLOR": "1", **more}


def command(*arguments: str | Path, cwd: Path, timeout: float = 60, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `runcomfy-batch` to its end."""
    given = [*map(str, arguments)]
    if "SSL_CERT_FILE" not in env:
        return nursery().run(given, cwd, environment(**env), timeout)
    return subprocess.run(  # certificates are read when aiohttp is imported
        [*COMMAND, *given],
        cwd=cwd,
        env=environment(**env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@dataclass(frozen=True)
class Service:
    """A running simulator."""

    base: str

    def ledger(self) -> dict[str, Any]:
        """What it accepted and charged."""
        with urllib.request.urlopen(self.base.removesuffix("/v1") + "/simulator/ledger", timeout=10) as answer:
            return json.load(answer)

    @property
    def env(self) -> dict[str, str]:
        """How to point the command at it."""
        return {"RUNCOMFY_MODEL_API_BASE": self.base, "RUNCOMFY_TOKEN": TOKEN}


@contextmanager
def simulator(tmp_path: Path, *arguments: str, faults: Sequence[dict[str, Any]] = ()) -> Iterator[Service]:
    """`runcomfy-batch simulate` on a free port, in a process of its own; ended by its id."""
    rules: list[str] = []
    if faults:
        path = tmp_path / "faults.json"  # JSON is YAML
        path.write_text(json.dumps({"faults": list(faults)}))
        rules = ["--faults", str(path)]
    ours, theirs = os.pipe()
    pid = nursery().start(["simulate", "--port", "0", *rules, *arguments], tmp_path, environment(), theirs)
    os.close(theirs)
    with os.fdopen(ours) as said:
        try:
            base = next(line.split("=", 1)[1].strip() for line in said if "RUNCOMFY_MODEL_API_BASE=" in line)
            yield Service(base)
        finally:
            code = nursery().end(pid)
    assert code == 0, "a signal is a way to stop, not a failure"


def write_jobs(path: Path, count: int, **more: Any) -> Path:
    """A JSONL manifest of distinct jobs, small pictures."""
    colors = ("red", "blue", "green", "white", "black", "navy", "teal", "pink")
    products = ("mug", "lamp", "shoe", "vase", "bag", "watch")
    with path.open("w") as file:
        for n in range(count):
            url = f"https://photos.example.com/{products[n % 6]}-{colors[n % 8]}.jpg"
            job = {"id": f"job-{n:04}", "prompt": f"White background, take {n}.", "image_urls": [url]}
            file.write(json.dumps(job | {"output_format": "jpeg", "aspect_ratio": "1:1"} | more) + "\n")
    return path


def wait_until(check: Any, timeout: float = 30.0) -> None:
    """Poll a condition of another process."""
    end = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
