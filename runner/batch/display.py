"""How a run looks in a notebook: its sentence, its bill, and a few of its pictures, all of it inside the cell."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from itertools import islice
from pathlib import Path
from typing import Final

from runner.errors import BatchError
from runner.model import JobState
from runner.report.page import neutral, verdict
from runner.report.summary import Summary
from runner.store.reader import Reader

MOST: Final = 12
WIDTH: Final = 128
"""Pixels of a picture's longer side: some 4 kB each, that a saved notebook holds."""


def card(directory: Path, summary: Summary) -> str:
    """HTML in which every text is escaped; no script, nothing from elsewhere."""
    figures = "".join(_figure(name, picture) for name, picture in _pictures(directory))
    report = escape(neutral(str(directory / "report.html")))
    return (
        f"<div><p><b>{escape(neutral(summary.run.name))}</b>: {escape(verdict(summary))} {escape(summary.bill)}.</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:8px">{figures}</div><p><code>{report}</code></p></div>'
    )


def _figure(name: str, picture: str) -> str:
    text = escape(neutral(name), quote=True)
    return (
        f'<figure style="margin:0;width:{WIDTH}px"><img src="data:image/jpeg;base64,{picture}" alt="{text}">'
        f'<figcaption style="overflow-wrap:anywhere">{text}</figcaption></figure>'
    )


def _pictures(directory: Path) -> Iterator[tuple[str, str]]:
    """The first pictures, small; one that cannot be had is left out."""
    from PIL import Image

    try:
        with Reader(directory) as reader:
            jobs = list(islice(reader.jobs([JobState.DONE]), MOST))
    except BatchError:
        return
    for job in jobs:
        small = io.BytesIO()
        try:
            with Image.open(directory / job.artifacts[0].path) as image:
                image.draft("RGB", (WIDTH, WIDTH))
                image.thumbnail((WIDTH, WIDTH))
                image.convert("RGB").save(small, "JPEG")
        except (OSError, IndexError, ValueError, Image.DecompressionBombError):
            continue
        yield job.job_id, base64.b64encode(small.getvalue()).decode()
