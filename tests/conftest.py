"""What the tests of whole nights share."""

import pytest
from support.night import Night


@pytest.fixture
def night(tmp_path, monkeypatch):
    """Makes a night of some jobs."""

    def make(jobs=3, **settings):
        return Night(tmp_path, monkeypatch, jobs, **settings)

    return make
