"""Tells people of a run: webhooks by its own session, every other service by Apprise. Nothing here stops a run."""

from runner.notify.outbox import LIMIT_S, Outbox
from runner.notify.places import Place, place_of
from runner.notify.shapes import Notice, Shape

__all__ = ["LIMIT_S", "Notice", "Outbox", "Place", "Shape", "place_of"]
