"""What report.html holds, read without a browser."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any


def unpacked(page: str) -> tuple[dict[str, Any], list[list[Any]]]:
    """The page's index, and each record with what the page adds to it."""
    chunks = re.findall(r'<script type="text/plain" id="(\w+)-?\d*">([A-Za-z0-9+/=]*)</script>', page)
    found = [(name, json.loads(gzip.decompress(base64.b64decode(text)))) for name, text in chunks]
    assert [name for name, _ in found] == ["block"] * (len(found) - 1) + ["index"]
    return found[-1][1], [record for _, block in found[:-1] for record in block]
