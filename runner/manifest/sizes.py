"""Sizes that a spreadsheet has made dates of: `10-12` of a sheet of socks is `10-Dec` in what it saves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

SIZES: Final = re.compile(
    "(?:(?:sizes?|gr\u00f6(?:\u00df|ss)en?|groessen?|ma\u00dfe?n?)"
    "|(?<![^\\W\\d_])(?:dimensions?|measure(?:ment)?s?|width|height|length|masse|abmessung(?:en)?|tailles?|tallas?|tagli[ae]"
    "|tama(?:n|\u00f1)h?os?|medidas?|misur[ae]|maat|ages?|alter))(?![^\\W\\d_])"
    "|\u30b5\u30a4\u30ba|\u5bf8\u6cd5|\u5c3a[\u5bf8\u7801]|\uc0ac\uc774\uc988",
    re.IGNORECASE,
)
"""In the title of a column of sizes."""
TIMES: Final = re.compile("date|updated|changed|created|since|measured", re.IGNORECASE)
"""In one of dates, whatever else is in it."""
NAMED: Final = re.compile(r"(?P<which>(?:option|attribute) ?\d+) value(?:\(s\))?", re.IGNORECASE)
"""A shop's column of values, of which another says what they are: `Option1 Value` and `Option1 Name`."""
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_MONTH: Final = r"(?:0?[1-9]|1[0-2])"
_ENGLISH: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_OTHER: Final = (
    "ene|gen|fev|f\u00e9vr?|mrz|m\u00e4rz?|m\u00e4r|mars|abr|avr|mai|mag|giu|juin|juil|lug|ago|ao\u00fbt|sept|set|okt|ott|out"
    "|dez|dic|d\u00e9c|janv|mrt|mei"
)
DATE: Final = re.compile(
    rf"{_DAY}-(?:{_ENGLISH}|{_OTHER})\.?|(?:{_ENGLISH}|{_OTHER})\.?-\d\d|{_DAY}\. ?(?:{_ENGLISH}|{_OTHER})\.?"
    rf"|{_MONTH}(?:\u6708|\uc6d4 ?){_DAY}(?:\u65e5|\uc77c)|(?:19|20)\d\d[-/]{_MONTH}[-/]{_DAY}(?: 00:00(?::00)?)?"
    rf"|(?:{_DAY}[/.]{_MONTH}|{_MONTH}/{_DAY})[/.](?:19|20)\d\d",
    re.IGNORECASE,
)


def holds_sizes(title: str) -> bool:
    """Whether a column of that title is one of sizes."""
    return SIZES.search(title) is not None and TIMES.search(title) is None


def named_by(titles: Sequence[str]) -> Mapping[int, int]:
    """Of a shop's columns of values the columns that name those, both by their indexes from 0."""
    at = {title.strip().lower(): index for index, title in enumerate(titles)}
    found = ((index, NAMED.fullmatch(title.strip())) for index, title in enumerate(titles))
    pairs = ((index, at.get(f"{value['which'].lower()} name")) for index, value in found if value)
    return {index: name for index, name in pairs if name is not None}


def is_made_a_date(size: str) -> bool:
    """Whether what stands in such a column was another size."""
    return DATE.fullmatch(size.strip()) is not None
