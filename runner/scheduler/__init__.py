"""The only place where rules meet edges.

`loop` drives jobs: `gate` lets their POSTs through, `paying` sends them, `reading` asks what became of them, and
`recording` writes down what happened, which `outcomes` makes of each answer.
"""

from runner.scheduler.berths import Berths
from runner.scheduler.clock import Clock, LoopClock
from runner.scheduler.holds import Hold, bug_found
from runner.scheduler.keeping import Keeping
from runner.scheduler.loop import Scheduler, Settings

__all__ = ["Berths", "Clock", "Hold", "Keeping", "LoopClock", "Scheduler", "Settings", "bug_found"]
