"""The service's memory: accepted requests, its queue with N slots, and the ledger of what was charged.

Time is computed, not waited for: a request starts when a slot frees and ends after its service time, so that a
simulator that was killed and started again with its journal goes on as if it had never been away.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from uuid import uuid4

from runner.model import Money, canonical
from runner.simulator.offers import images_of


@dataclass(slots=True)
class Request:
    """One accepted job as the service sees it."""

    request_id: str
    model: str
    inputs: Mapping[str, Any]
    accepted_at: float
    price: Money
    fault: str | None = None
    """The kind of the `job` fault that struck it."""
    start_at: float = 0.0
    finish_at: float = 0.0
    is_cancelled: bool = False
    result_reads: int = 0

    @property
    def error(self) -> tuple[str, str] | None:
        """Why it fails at the end: code and message."""
        for place, url in images_of(self.model, self.inputs).items():
            if "unreachable" in url.rsplit("/", 1)[-1]:
                return "input_unreachable", f"could not download {place}: HTTP 404"
        if "forbidden-brand" in str(self.inputs.get("prompt", "")):
            return "content_policy", "the prompt asks for something that the model's policy does not allow"
        return ("internal", "the model stopped unexpectedly") if self.fault == "fail" else None

    @property
    def count(self) -> int:
        """How many outputs it makes."""
        return int(self.inputs.get("num_images") or 1)

    def state(self, now: float) -> str:
        """The service's word for how it stands."""
        if self.is_cancelled:
            return "cancelled"
        if now < self.start_at:
            return "in_queue"
        if now < self.finish_at or self.fault == "stall":
            return "in_progress"
        return "failed" if self.error else "completed"

    def cost(self, now: float) -> Money:
        """What it is charged: its price, unless it failed or was cancelled."""
        return Money(0) if self.state(now) in ("failed", "cancelled") else self.price


class Book:
    """Keeps the requests and the ledger. Not thread-safe: it belongs to the server's loop."""

    def __init__(self, slots: int, latency_s: float, seed: int, journal: Path | None) -> None:
        self.requests: dict[str, Request] = {}
        self.posts = 0
        self.polls = 0
        self.leaks = 0
        self.peak_in_flight = 0
        self.accepted: Counter[str] = Counter()
        self._slots = slots
        self._latency_s = latency_s
        self._seed = seed
        self._order: list[Request] = []
        self._starts: list[float] = []
        self._free: list[float] = []
        self._running: list[float] = []
        self._journal: TextIO | None = None
        if journal is not None:
            text = journal.read_text("utf-8", "replace") if journal.exists() else ""
            self._replay(text)
            journal.touch(0o600)  # prompts stand in it, as in the state
            self._journal = journal.open("a", encoding="utf-8")
            if text and not text.endswith("\n"):
                self._journal.write("\n")

    def accept(self, model: str, inputs: Mapping[str, Any], price: Money, fault: str | None, now: float) -> Request:
        """Take a job; it is in the journal when this returns."""
        request = Request(uuid4().hex, model, inputs, now, price, fault)
        entry = {"request_id": request.request_id, "model": model, "inputs": inputs, "accepted_at": now}
        self._write(entry | {"price": price, "fault": fault})
        self._add(request)
        return request

    def cancel(self, request: Request, now: float) -> str:
        """Cancel it if it is still queued; the outcome's word."""
        if request.state(now) != "in_queue":
            return "not_cancellable"
        self._write({"cancelled": request.request_id})
        self._drop(request)
        return "cancelled"

    def place(self, request: Request, now: float) -> int:
        """How many requests are before it in the queue."""
        return max(0, bisect_right(self._starts, request.start_at) - 1 - bisect_right(self._starts, now))

    def charged(self, now: float) -> Money:
        """All that was charged so far."""
        return Money(sum(request.cost(now) for request in self._order))

    def ledger(self, now: float) -> dict[str, Any]:
        """What a test asks about: each accepted payload counted, and the money."""
        return {
            "posts": self.posts,
            "accepted": self.accepted.total(),
            "by_payload": dict(self.accepted),
            "charged_usd": self.charged(now) / 1e6,
            "peak_in_flight": self.peak_in_flight,
            "polls": self.polls,
            "leaks": self.leaks,
        }

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    # ------------------------------------------------------------------------------------------------------ helpers

    def _add(self, request: Request) -> None:
        self.requests[request.request_id] = request
        self.accepted[hashlib.sha256(canonical(request.inputs)).hexdigest()] += 1
        self._order.append(request)
        self._schedule(request)
        while self._running and self._running[0] <= request.accepted_at:
            heapq.heappop(self._running)
        heapq.heappush(self._running, request.finish_at)
        self.peak_in_flight = max(self.peak_in_flight, len(self._running))

    def _schedule(self, request: Request) -> None:
        """Give the request the slot that frees first."""
        start = request.accepted_at
        if len(self._free) >= self._slots:
            start = max(start, heapq.heappop(self._free))
        request.start_at = max(start, self._starts[-1] if self._starts else 0.0)
        request.finish_at = request.start_at + self._service_s(request)
        heapq.heappush(self._free, request.finish_at)
        self._starts.append(request.start_at)

    def _service_s(self, request: Request) -> float:
        """Lognormal around the median, the same for the same inputs; more outputs take longer."""
        dice = random.Random(canonical(request.inputs) + str(self._seed).encode())  # noqa: S311
        return self._latency_s * dice.lognormvariate(0, 0.35) * (1 + 0.25 * (request.count - 1))

    def _drop(self, request: Request) -> None:
        """Take a queued request out: those behind it move up."""
        request.is_cancelled = True
        self._order.remove(request)
        self._starts.clear()
        self._free.clear()
        for other in self._order:
            self._schedule(other)

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._journal is not None:
            self._journal.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._journal.flush()

    def _replay(self, text: str) -> None:
        """Remember what was accepted before; a line that a kill cut off was never answered."""
        for line in text.split("\n"):  # `splitlines` breaks at U+2028 too, and prompts hold it
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if request := self.requests.get(entry.get("cancelled", "")):
                self._drop(request)
            elif "request_id" in entry:
                self._add(Request(**entry | {"price": Money(entry["price"])}))
