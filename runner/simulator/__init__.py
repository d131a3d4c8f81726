"""A stand-in RunComfy: real HTTP, really edited pixels, play money, and faults on demand.

It imports nothing of the product but words, errors and the catalog: it must not share the client's mistakes.
"""

from typing import Any

from runner.simulator.settings import FaultRule, SimulatorSettings, read_faults

__all__ = [
    "FaultRule",
    "Simulator",
    "SimulatorSettings",
    "draw_photo",
    "images_of",
    "play_cards",
    "read_faults",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name in ("Simulator", "serve"):
        from runner.simulator import server

        return getattr(server, name)
    if name == "draw_photo":
        from runner.simulator.photos import draw_photo

        return draw_photo
    if name == "images_of":
        from runner.simulator.offers import images_of

        return images_of
    if name == "play_cards":
        from runner.simulator.offers import play_cards

        return play_cards
    raise AttributeError(f"module 'runner.simulator' has no attribute {name!r}")
