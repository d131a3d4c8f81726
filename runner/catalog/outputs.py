"""The URLs in a result's `output`; pure.

A model may answer with the single or the plural form, for images or videos: `image`, `images`, `video`, `videos`.
Nothing here raises, whatever a service sends: the result is paid for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

DEEPEST: Final = 8
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


def _texts(value: Any, depth: int = DEEPEST) -> Iterator[str]:
    if isinstance(value, str):
        if value.strip():
            # Half a surrogate pair is no text that a state could hold; spelt out it is refused as a URL, and told.
            yield value.strip().encode("utf-8", "backslashreplace").decode()
    elif isinstance(value, list) and depth > 0:
        for item in value:
            yield from _texts(item, depth - 1)
    elif isinstance(value, dict) and depth > 0:  # some models wrap a file as {"url": …}
        yield from _texts(value.get("url"), depth - 1)
