"""Decides when a rule strikes. Each rule has dice of its own, so that runs repeat."""

from __future__ import annotations

import random
from collections.abc import Iterable

from runner.simulator.settings import FaultRule


class Faults:
    """Draws the fault, if any, of each call; counts the hits of each rule."""

    def __init__(self, rules: Iterable[FaultRule], seed: int) -> None:
        self._rules = tuple(rules)
        self._calls = [0] * len(self._rules)
        self.hits = [0] * len(self._rules)
        self._dice = [random.Random(f"{seed}/{n}/{rule.on}/{rule.kind}") for n, rule in enumerate(self._rules)]  # noqa: S311

    def draw(self, on: str) -> FaultRule | None:
        """The first rule that strikes this call."""
        for n, rule in enumerate(self._rules):
            if rule.on == on and self._strikes(n, rule):
                self.hits[n] += 1
                return rule
        return None

    def counts(self) -> list[dict[str, object]]:
        """How often each rule struck."""
        return [{"on": r.on, "kind": r.kind, "hits": h} for r, h in zip(self._rules, self.hits, strict=True)]

    def _strikes(self, n: int, rule: FaultRule) -> bool:
        self._calls[n] += 1
        roll = self._dice[n].random()
        if rule.times is not None and self.hits[n] >= rule.times:
            return False
        return self._calls[n] % rule.every == 0 if rule.every else roll < rule.probability
