"""What a spreadsheet shows of a number, and what it keeps: `12.50` of 12.5, `25%` of 0.25, `SKU-7` of 7. Pure.

A person reads what is shown. The plain formats are worked out here; of any other it is only known that it shows
something else, and who wants to send such a cell is told both.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final, Self

BUILT_IN: Final = {
    **dict(enumerate(("0", "0.00", "#,##0", "#,##0.00"), start=1)),
    **dict(enumerate(("0%", "0.00%", "0.00E+00", "# ?/?", "# ??/??"), start=9)),
    **dict(enumerate(("m/d/yy", "d-mmm-yy", "d-mmm", "mmm-yy", "h:mm AM/PM", "h:mm:ss AM/PM"), start=14)),
    **dict(enumerate(("h:mm", "h:mm:ss", "m/d/yy h:mm"), start=20)),
    **dict(enumerate(("#,##0 ;(#,##0)", "#,##0 ;(#,##0)", "#,##0.00;(#,##0.00)", "#,##0.00;(#,##0.00)"), start=37)),
    **dict(enumerate(("mm:ss", "[h]:mm:ss", "mm:ss.0", "##0.0E+0"), start=45)),
}
"""Formats that a workbook names by a number only (ECMA-376, 18.8.30)."""
AS_IT_IS: Final = frozenset({"", "general", "@", "yyyy-mm-dd hh:mm:ss", "[h]:mm:ss"})
"""What shows a value as it is read here: times, and dates as ISO writes them."""
SHORTENING: Final = frozenset({"yyyy-mm-dd", "h:mm", "hh:mm", "[h]:mm", "h:mm:ss", "hh:mm:ss"})
"""What does so too, but for the time of a day, or for its date and seconds."""
LITERAL: Final = re.compile(r'"[^"]*"|\\.')
SCALED: Final = re.compile(r"%|[0#?],+(?![0#?])")
"""What shows a number of another size: its hundredths, or a comma behind it for each thousand."""
NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")
TIMES: Final = re.compile(r"\d+:\d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?")
DATES: Final = re.compile(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d(?::\d\d)?)?|\d+:\d\d(?::\d\d)?")
_SECTION: Final = re.compile(r'(?:^|(?<=;))((?:"[^"]*"|\\.|\[[^\]]*\]|[^;"])*)')
_UNSEEN: Final = re.compile(r"_.|\*.|\[[^\]]*\]")
"""What only fills or colours: a blank as wide as a sign, a sign as often as there is room, `[Red]`."""
_PIECE: Final = re.compile(r'"[^"]*"|\\.|.', re.DOTALL)
_PLAIN: Final = re.compile(r"(?P<thousands>#,##)?0(?:\.(?P<places>0{1,15}))?(?P<percent>%)?")


class Formatted(str):
    """A number's or a date's text, of which a spreadsheet shows another one."""

    __slots__ = ("code", "shown")
    code: str
    shown: str | None
    """What is shown; `None` where that cannot be told."""

    def __new__(cls, text: str, code: str, shown: str | None) -> Self:
        """The text as it is kept."""
        self = super().__new__(cls, text)
        self.code, self.shown = code, shown
        return self

    @property
    def is_same_value(self) -> bool:
        """Whether what is seen is of one size with what is kept: no hundredth or thousandth of it, no time left out."""
        code = LITERAL.sub("", self.code.lower())
        if DATES.fullmatch(self):
            return TIMES.fullmatch(self) is None or "h" in code
        if NUMBER.fullmatch(self) is None:
            return False
        return SCALED.search(code) is None

    @property
    def told(self) -> str:
        """Both readings, for a person."""
        seen = f"shows {self.shown!r}" if self.shown is not None else f"is shown by the format {self.code[:40]!r}"
        return f"the cell {seen}, and what is in it is {str(self)!r}"


class Exact(str):
    """The text of a workbook's number, in which a point is a decimal point, whoever looks at it."""

    __slots__ = ()


AS_TEXT: Final = "format the column as Text, and write what is meant; or round it where the digits do not matter"


def formatted_text(text: str, code: str) -> str:
    """The same of a text: the last of four sections of a format, or the only one, may show it as another."""
    sections = _SECTION.findall(code)
    section = sections[3] if len(sections) > 3 else sections[0] if len(sections) == 1 and "@" in code else "@"
    section = _UNSEEN.sub("", section)
    if section.lower() in ("@", "general") or not text:
        return text
    pieces = [piece if piece == "@" else piece.strip('"').removeprefix("\\") for piece in _PIECE.findall(section)]
    return Formatted(text, code, "".join(text if piece == "@" else piece for piece in pieces))


def formatted(text: str, code: str) -> str:
    """A cell's text under a format: as it is seen where a number stays a number, else both together."""
    if code.lower() in AS_IT_IS or not text or text[0] == "#" or "E" in text:
        return text
    if code.lower() in SHORTENING:
        date, _, time = text.rpartition(" ")
        if code.lower() == "yyyy-mm-dd":
            shown = date
        else:
            shown = time if code.lower().endswith("ss") else time.rpartition(":")[0]
        return Formatted(text, code, shown or None) if TIMES.fullmatch(text) and shown != text else text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Formatted(text, code, None)
    sections = _SECTION.findall(code)
    is_first = number > 0 or len(sections) < 2 or (not number and len(sections) < 3)
    found = _PLAIN.fullmatch(_UNSEEN.sub("", sections[0])) if sections and is_first else None
    if found is None:
        return Formatted(text, code, None)
    number = number * 100 if found["percent"] else number
    rounded = number.quantize(Decimal(1).scaleb(-len(found["places"] or "")), rounding=ROUND_HALF_UP)
    shown = f"{rounded:{',' if found['thousands'] else ''}f}" + (found["percent"] or "")
    if shown == text:
        return text
    is_same = not found["thousands"] and not found["percent"] and rounded == number
    return shown if is_same else Formatted(text, code, shown)
