"""What a person sees meanwhile, on stderr: one bar on a terminal, plain lines elsewhere.

Nothing here can stop a run: a stream that is closed or hung up silences the display for good.
"""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TextIO

from runner.model import Failure, Money

LINE_EVERY_S: Final = 60.0
BAR_EVERY_S: Final = 0.1
WINDOW_S: Final = 600.0
"""The rate is that of the last ten minutes: what was long ago says little about when it ends."""
MOST_PER_CODE: Final = 20
DAY_S: Final = 86_400.0

Mode = Literal["auto", "bar", "plain", "json", "quiet"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a run stands at one moment."""

    total: int
    done: int
    failed: int
    in_flight: int
    in_doubt: int
    waiting: int
    spent: Money
    reserved: Money
    unknown_costs: int

    @property
    def ended(self) -> int:
        """Jobs that need no more work."""
        return self.done + self.failed + self.in_doubt


class Progress(Protocol):
    """Shows a run. Every method may be called at any time, is cheap, and never raises."""

    def update(self, tally: Tally, now: float) -> None:
        """Something changed; called for every event."""

    def failure(self, job_id: str, failure: Failure, word: str = "failed") -> None:
        """A job ended badly, or is in doubt: `word` says which."""

    def note(self, message: str) -> None:
        """Something a person should know now."""

    def close(self) -> None:
        """Leave the terminal in order."""


def make_progress(stream: TextIO, *, mode: Mode, color: bool, now: Callable[[], float]) -> Progress:
    """The display that suits the stream; `auto` draws a bar on a terminal and writes lines elsewhere."""
    del now
    if mode == "json":
        return JsonProgress(stream)
    if mode == "quiet":
        return LineProgress(stream, every_s=float("inf"))
    if mode == "bar" or (mode == "auto" and _is_terminal(stream)):
        return BarProgress(stream, color=color)
    return LineProgress(stream, every_s=LINE_EVERY_S)


class _Quiet:
    """Writes until the stream fails, then never again."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.is_broken = False
        self._codes: Counter[str] = Counter()

    def line(self, text: str) -> None:
        self.attempt(lambda: self.stream.write(text + "\n"))
        self.attempt(self.stream.flush)

    def attempt(self, action: Callable[[], object]) -> None:
        if self.is_broken:
            return
        try:
            action()
        except (OSError, ValueError):  # broken pipe, hung-up terminal, closed file
            self.is_broken = True

    def failure_line(self, job_id: str, failure: Failure, word: str) -> str | None:
        """The line for a failure; `None` once enough of its kind were shown."""
        self._codes[failure.code] += 1
        count = self._codes[failure.code]
        if count > MOST_PER_CODE:
            return None
        more = f"  (further {failure.code} failures are not listed one by one)" if count == MOST_PER_CODE else ""
        return f"{word}  {printable(job_id)}  {failure.code}: {printable(failure.message)}{more}"


class Rate:
    """Ended jobs a second, over a trailing window."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, ended: int) -> None:
        """How many had ended at an instant."""
        if not self._seen or now - self._seen[-1][0] >= 1.0:
            self._seen.append((now, ended))
        while now - self._seen[0][0] > WINDOW_S:
            self._seen.popleft()

    def per_s(self, now: float, ended: int) -> float | None:
        """The rate, once there is one."""
        if not self._seen or now - self._seen[0][0] < 1.0:
            return None
        then, before = self._seen[0]
        return (ended - before) / (now - then) if ended > before else None


class LineProgress:
    """A line a minute, one a failure, one a note; never a carriage return."""

    def __init__(self, stream: TextIO, *, every_s: float) -> None:
        self._out = _Quiet(stream)
        self._every_s = every_s
        self._last: float | None = None
        self._rate = Rate()

    def update(self, tally: Tally, now: float) -> None:
        """At most one line a minute."""
        self._rate.add(now, tally.ended)
        if self._last is None:
            self._last = now
        elif now - self._last >= self._every_s:
            self._last = now
            self._out.line(describe(tally, self._rate, now))

    def failure(self, job_id: str, failure: Failure, word: str = "failed") -> None:
        """A line."""
        if line := self._out.failure_line(job_id, failure, word):
            self._out.line(line)

    def note(self, message: str) -> None:
        """A line."""
        self._out.line(printable(message))

    def close(self) -> None:
        """Nothing is left open."""


class JsonProgress:
    """The same as JSON lines."""

    def __init__(self, stream: TextIO) -> None:
        self._out = _Quiet(stream)
        self._last: float | None = None

    def update(self, tally: Tally, now: float) -> None:
        """At most one object a minute."""
        if self._last is None or now - self._last >= LINE_EVERY_S:
            self._last = now
            self._write({"event": "progress", "at": now, **asdict(tally)})

    def failure(self, job_id: str, failure: Failure, word: str = "failed") -> None:
        """An object."""
        self._write({"event": word, "job_id": job_id, **asdict(failure)})

    def note(self, message: str) -> None:
        """An object."""
        self._write({"event": "note", "message": message})

    def close(self) -> None:
        """Nothing is left open."""

    def _write(self, document: dict[str, Any]) -> None:
        self._out.line(json.dumps(document, ensure_ascii=True))


class BarProgress:
    """One tqdm line; failures and notes are printed above it."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._out = _Quiet(stream)
        self._red, self._plain = ("\x1b[31m", "\x1b[0m") if color else ("", "")
        self._bar: Any = None
        self._shown_at = 0.0
        self._rate = Rate()

    def update(self, tally: Tally, now: float) -> None:
        """Redraw, at most ten times a second."""
        self._rate.add(now, tally.ended)
        if now - self._shown_at < BAR_EVERY_S and tally.ended < tally.total:
            return
        self._shown_at = now
        self._out.attempt(lambda: self._draw(tally, now))

    def failure(self, job_id: str, failure: Failure, word: str = "failed") -> None:
        """A line above the bar."""
        if line := self._out.failure_line(job_id, failure, word):
            self._above(f"{self._red}{line}{self._plain}")

    def note(self, message: str) -> None:
        """A line above the bar."""
        self._above(printable(message))

    def close(self) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._out.attempt(self._bar.close)
            self._bar = None

    def _draw(self, tally: Tally, now: float) -> None:
        if self._bar is None:
            from tqdm import tqdm

            class Bar(tqdm):  # type: ignore[type-arg]  # generic in its stub only
                """Its own finalizer would write to a stream that is gone."""

                def __del__(self) -> None:
                    pass

            layout = "{percentage:3.0f}%|{bar}| {desc}"
            self._bar = Bar(
                total=tally.total, file=self._out.stream, bar_format=layout, dynamic_ncols=True, leave=True, miniters=1
            )
        self._bar.n = tally.ended
        self._bar.set_description_str(describe(tally, self._rate, now), refresh=True)

    def _above(self, line: str) -> None:
        def write() -> None:
            if self._bar is not None:
                self._bar.write(line, file=self._out.stream)
            else:
                self._out.stream.write(line + "\n")
            self._out.stream.flush()

        self._out.attempt(write)


def describe(tally: Tally, rate: Rate, now: float) -> str:
    """The tally on one line: counts, money, speed, and when it will be over by the clock."""
    parts = [
        f"{tally.ended:,}/{tally.total:,}",
        f"done {tally.done:,}",
        f"failed {tally.failed:,}",
        f"in flight {tally.in_flight:,}",
    ]
    if tally.in_doubt:
        parts.append(f"in doubt {tally.in_doubt:,}")
    money = f"${tally.spent / 1e6:,.2f}"
    parts.append(f"{money} + {tally.unknown_costs:,} unknown" if tally.unknown_costs else money)
    if per_s := rate.per_s(now, tally.ended):
        left_s = (tally.total - tally.ended) / per_s
        end = datetime.fromtimestamp(now + left_s)  # noqa: DTZ006 the reader's own clock
        parts += [f"{per_s:.1f} job/s", f"ETA {end:%H:%M}" if left_s < DAY_S else f"ETA {end:%a %d %b %H:%M}"]
    return "  ".join(parts)


def printable(text: str) -> str:
    """Without characters that drive a terminal or turn its text around."""
    return "".join(char if char.isprintable() else " " for char in text)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty() and os.get_terminal_size(stream.fileno()).columns > 0  # without a width no bar is seen
    except (ValueError, OSError):
        return False
