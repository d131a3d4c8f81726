"""The only place where rules meet edges: `loop` drives jobs, `gate` lets POSTs through, `outcomes` reads answers."""

from runner.scheduler.berths import Berths
from runner.scheduler.clock import Clock, LoopClock
from runner.scheduler.gate import Hold
from runner.scheduler.keeping import Keeping
from runner.scheduler.loop import Scheduler, Settings

__all__ = ["Berths", "Clock", "Hold", "Keeping", "LoopClock", "Scheduler", "Settings"]
