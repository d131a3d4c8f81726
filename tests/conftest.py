"""What the tests of whole nights share."""

import signal

import pytest
from hypothesis import HealthCheck, settings
from support.night import Night

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
"""A machine that has much to do is no error."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
"""A shell that runs the tests in its background has told them, and all that they start, not to heed Ctrl-C."""

LONG_S = 400
"""A test that may take so long is a campaign of thousands of cases."""


def pytest_collection_modifyitems(config, items):
    """Each campaign at the head of some worker's share, so that nobody waits for one at the end."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    campaigns = [item for item in items if (mark := item.get_closest_marker("timeout")) and mark.args[0] >= LONG_S]
    share = len(items) // workers
    items[:] = [item for item in items if item not in campaigns]
    for number, campaign in enumerate(campaigns):
        items.insert(number % workers * share, campaign)


@pytest.fixture
def night(tmp_path, monkeypatch):
    """Makes a night of some jobs."""

    def make(jobs=3, **settings):
        return Night(tmp_path, monkeypatch, jobs, **settings)

    return make
