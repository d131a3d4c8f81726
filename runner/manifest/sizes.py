"""Sizes that a spreadsheet has made dates of: `10-12` of a sheet of socks is `10-Dec` in what it saves."""

from __future__ import annotations

import re
from typing import Final

SIZES: Final = re.compile(
    "size|dimension|measure|width|height|length|gr\u00f6(?:\u00df|ss)e|groesse|ma(?:\u00df|sse)|taille|talla|taglia"
    "|tama(?:n|\u00f1)h?o|medida|misura|\u30b5\u30a4\u30ba|\u5bf8\u6cd5|\u5c3a[\u5bf8\u7801]"
    "|(?<![^\\W_])(?:ages?|alter)(?![^\\W_])",
    re.IGNORECASE,
)
"""In the title of a column of sizes."""
TIMES: Final = re.compile("date|updated|changed|created|since", re.IGNORECASE)
"""In one of dates, whatever else is in it."""
MONTHS: Final = (
    "jan|ene|gen|feb|fev|f\u00e9v|mar|mrz|m\u00e4rz?|apr|abr|avr|may|mai|mag|jun|juin|giu|jul|juil|lug|aug|ago"
    "|ao\u00fbt|sept?|set|oct|okt|ott|out|nov|dec|dez|dic|d\u00e9c"
)
DATE: Final = re.compile(
    rf"\d{{1,2}}[-. /]{{1,2}}(?:{MONTHS})\.?|(?:{MONTHS})[-. /]{{1,2}}\d{{2,4}}|\d{{1,2}}\u6708\d{{1,2}}\u65e5"
    r"|\d{4}[-/]\d{1,2}[-/]\d{1,2}(?: 00:00(?::00)?)?|\d{1,2}[/.]\d{1,2}[/.](?:\d{4}|\d\d)",
    re.IGNORECASE,
)


def holds_sizes(title: str) -> bool:
    """Whether a column of that title is one of sizes."""
    return SIZES.search(title) is not None and TIMES.search(title) is None


def is_made_a_date(size: str) -> bool:
    """Whether what stands in such a column was another size."""
    return DATE.fullmatch(size.strip()) is not None
