"""What tells the pictures of a product apart: their files' names, and never their places, which change.

A shop puts a new picture in front. By their places all the others would be other jobs, and be paid for once more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import Final
from urllib.parse import unquote

from runner.manifest.schema import LONGEST_ID

LONGEST: Final = 60
"""Characters of a file's name that are readable in an id; the rest is told by its hash."""
LONGEST_WHOLE: Final = LONGEST_ID - 20
"""There is room for what a matrix adds."""
ENDING: Final = re.compile(r"\.[A-Za-z0-9]{1,5}\Z")


def picture_ids(urls: Sequence[str]) -> list[str]:
    """A name for each picture of a product: its file's, and where several have that one, or none, a hash as well."""
    stems = list(map(_stem, urls))
    places = [url.partition("?")[0] for url in urls]
    times, at = Counter(stem.casefold() for stem in stems), Counter(places)
    named = []
    for url, stem, place in zip(urls, stems, places, strict=True):
        if stem and times[stem.casefold()] == 1 and len(stem) <= LONGEST:
            named.append(stem)
        else:
            named.append(f"{stem[:LONGEST]}-{_digest(place if at[place] == 1 else url)}".lstrip("-"))
    return named


def id_of(product: str, picture: str) -> str:
    """What the job of a product's picture is called; a name that would be too long for an id ends in its hash."""
    whole = f"{product}--{picture}"
    return whole if len(whole) <= LONGEST_WHOLE else f"{whole[: LONGEST_WHOLE - 9]}-{_digest(whole)}"


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]


def _stem(url: str) -> str:
    """The name of a picture's file, without its ending, in letters and signs of an id."""
    place = re.split(r"[?#]", url, maxsplit=1)[0]
    path = place.partition("://")[2].partition("/")[2] if "://" in place else place
    name = unquote(path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.+]+", "-", ENDING.sub("", name)).strip("-.")
