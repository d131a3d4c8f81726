"""What the service is told must not hang on the event loop: with the extra `fast`, conversations are held on both."""

import asyncio
from importlib import import_module
from importlib.util import find_spec


def pytest_asyncio_loop_factories(item):
    """The loops for a test."""
    loops = {"asyncio": asyncio.new_event_loop}
    if find_spec("uvloop") is None or item.path.name != "test_client.py":
        return loops
    return loops | {"uvloop": import_module("uvloop").new_event_loop}
