"""Remedies for what a cell says, with the column that is asked for in the place of an example's name.

Who copies `price | replace('€', '') | float` into a condition on `Preis` has the next error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from runner.manifest.cells import number_in

EXAMPLE: Final = re.compile(r"\b(?:price|stock|published|colour|size)(?= (?:[|!=<>]))")
"""What a remedy calls a column, before it is known which is meant."""
SHOWN: Final = 40
"""Characters of a cell that a message shows."""


def with_column(hint: str, message: str, columns: Mapping[str, Any], likely: str = "") -> str:
    """The remedy for a column: the one whose text the message shows, else the `likely` one; as it is where none is.

    `columns` are those that are asked for, as they are written, with their values.
    """
    if EXAMPLE.search(hint) is None:
        return hint
    shown = [name for name, value in columns.items() if isinstance(value, str) and _is_shown(value, message)]
    odd = [name for name in shown if number_in(columns[name]) is None]  # of two the one that is no number
    name = shown[0] if len(shown) == 1 else odd[0] if len(odd) == 1 else likely
    return EXAMPLE.sub(lambda _: name, hint) if name else hint


def _is_shown(text: str, message: str) -> bool:
    return bool(text.strip()) and any(repr(one[:SHOWN]) in message for one in (str(text), text.strip()))
