"""The page of a run directory before its jobs are read: the verdict is there at once, the pictures come then."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final

from runner.batch.following import run_of
from runner.model import JobState, Money
from runner.report import Summary
from runner.report.originals import Originals
from runner.report.page import live_page
from runner.store.reader import Reader

ORIGIN: Final = re.compile(r'"(https?://[^/?#"\\]*)')
"""What may be a new origin in the JSON of some inputs."""


def glimpse(directory: Path) -> str:
    """The page without data, from counts and the jobs' inputs: a moment for a night that takes seconds to read.

    Raises `InputMissing` where there is no state or no run.
    """
    originals = Originals(directory)
    seen = set[str]()
    with Reader(directory) as reader:
        run = run_of(reader, directory)
        for text in reader.inputs():
            if not seen.issuperset(found := ORIGIN.findall(text)):
                seen.update(found)
                originals.note(json.loads(text))
        known = reader.counts()
    counts = {state: known[state] for state in JobState if state in known}
    nothing = Money(0)  # what the page does not say before it has its data
    summary = Summary(run=run, counts=counts, images=0, spent=nothing, reserved_in_doubt=nothing, unknown_jobs=0)
    return live_page(run, summary, originals)
