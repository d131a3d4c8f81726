"""Holes among pictures that a prompt may call by number: without the second, the third is sent as `image 2`.

A hole is a place that is empty before one that is filled: an empty `image_2` before `image_3`, or no such column,
`a | | c` in a cell, a shop's positions 1 and 3. It is told; where the prompt names a picture that moved up, it is an
error (`jobs`). Empty places at the end are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from runner.manifest.called import highest_numbered
from runner.manifest.items import COMMAS, split_urls

REMEDY: Final = "fill in what is missing, or move the others up and number them so in the prompt"
_TEMPLATE: Final = re.compile(r"\{\{(?:(?!\{\{).)*?\}\}", re.DOTALL)
_BETWEEN: Final = re.compile(rf"[|]|[{COMMAS}](?=\s|https?://)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Gap:
    """The first hole: `number`, from 1, is what the picture behind it is sent as."""

    number: int
    message: str
    column: int | None = None
    """Where it is shown: the sheet's column that is empty, from 0, or the next where it is missing."""

    def is_met_by(self, prompt: object) -> bool:
        """Whether a prompt names a picture that moved up."""
        return isinstance(prompt, str) and highest_numbered(prompt) >= self.number


class Gapped(list[str]):
    """Pictures with a hole before one of them."""

    def __init__(self, pictures: Iterable[str], gap: Gap) -> None:
        super().__init__(pictures)
        self.gap = gap


def gap_in(
    texts: Sequence[str],
    columns: Sequence[int] = (),
    header: Sequence[str] = (),
    skipped: Mapping[int, str] = MappingProxyType({}),
) -> Gap | None:
    """The hole in the texts of one field, each with any number of pictures.

    `columns` are theirs in the sheet; `skipped` those before which a column is missing, with what it would be called.
    """
    count = 0
    hole: tuple[str, int | None] | None = None
    for index, text in enumerate(texts):
        column = columns[index] if columns else None
        if column is not None and column in skipped:
            hole = hole or (f"there is no column {skipped[column]!r}", None)
        for place, piece in enumerate(pieces := _places(text)):
            if piece and hole is not None:
                message = f"{hole[0]}: {name_of(piece)!r} is sent as image {count + 1}"
                return Gap(count + 1, message, column if hole[1] is None else hole[1])
            if piece:
                count += len(split_urls(piece))
            else:
                title = repr(header[column]) if column is not None and header else ""
                where = f"place {place + 1}" + f" of {title}" * bool(title) if len(pieces) > 1 else title or "a place"
                where = f"place {index + 1}" if not title and len(texts) > 1 else where
                hole = hole or (f"{where} is empty", column)
    return None


def name_of(picture: str) -> str:
    """The end of a picture's path or URL, by which a person knows it."""
    return picture.split("?", maxsplit=1)[0].rstrip("/").rpartition("/")[2][-40:]


def _places(text: str) -> list[str]:
    """What stands between the separators of a text, the empty pieces before others as well."""
    whole = _TEMPLATE.sub("x", text)
    pieces = _BETWEEN.split(whole) if "://" in whole else whole.split("|")
    pieces = [piece.strip(" \t\r\n\u3000" + COMMAS) for piece in pieces]
    while len(pieces) > 1 and not pieces[-1]:
        pieces.pop()
    return pieces
