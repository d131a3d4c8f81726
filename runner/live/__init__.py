"""What a run shows of itself while it goes on, on 127.0.0.1 alone: its page, its figures, whether it is well.

The server reads through `Source` and steers through `Controls`; it knows neither the state nor the scheduler.
"""

from runner.live.figures import Figures, Histogram, as_text, write_to
from runner.live.server import LiveServer, bound
from runner.live.source import Controls, Source, Update

__all__ = [
    "Controls",
    "Figures",
    "Histogram",
    "LiveServer",
    "Source",
    "Update",
    "as_text",
    "bound",
    "write_to",
]
