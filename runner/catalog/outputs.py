"""The URLs in a result's `output`; pure.

A model may answer with the single or the plural form, for images or videos: `image`, `images`, `video`, `videos`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

FORMS: Final = (("image", "image"), ("images", "image"), ("video", "video"), ("videos", "video"))


def output_urls(output: Any) -> list[tuple[str, str]]:
    """Each output's kind (`image` or `video`) and URL, in order, each URL once; what is no URL text is left out."""
    if isinstance(output, (str, list)):
        output = {"images": output}
    if not isinstance(output, dict):
        return []
    found: dict[str, str] = {}
    for form, kind in FORMS:
        for url in _texts(output.get(form)):
            found.setdefault(url, kind)
    return [(kind, url) for url, kind in found.items()]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):  # some models wrap a file as {"url": …}
        yield from _texts(value.get("url"))
