"""How a run ended, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.batch.planner import Plan
from runner.errors import ExitCode
from runner.report import Summary
from runner.scheduler import Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended."""

    exit_code: ExitCode
    directory: Path
    plan: Plan
    summary: Summary
    hold: Hold | None = None

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from runner.batch.display import card

        return card(self.directory, self.summary)
