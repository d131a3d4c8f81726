"""What a spreadsheet shows of a number, and what it keeps: `12.50` of 12.5, `25%` of 0.25, `SKU-7` of 7. Pure.

A person reads what is shown. The plain formats are worked out here, with words around them, and dates of numbers alone;
of any other it is only known that it shows something else, and who wants to send such a cell is told both. So it is
with `0.00 "€"`: what stands before the cents is a point or a comma, and the workbook does not say which. A number by
itself is the same either way.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
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
_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[\$(?P<sign>[^\]-]*)(?:-[0-9A-F]{1,4})?\]|(?P<unseen>_.|\*.'
    r"|\[(?:black|blue|cyan|green|magenta|red|white|yellow|colou?r ?\d+)\])|(?P<itself>[ $€£¥()+-])|(?P<code>.)",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN: Final = re.compile(r"(?P<thousands>#,##)?(?P<digits>0{1,15})(?:\.(?P<places>0{1,15}))?")
_DAY: Final = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|(?P<locale>\[\$-[0-9A-F]{3,4}\])|(?P<part>y+|m+|d+)|(?P<itself>[ .,()-])'
    r"|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION: Final = re.compile(r"\[[<>=]")


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


AS_TEXT: Final = "format the column as Text, and write what is meant"


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
    if DATES.fullmatch(text):
        day = _date(text, code)
        return text if day == text else Formatted(text, code, day)
    try:
        return _number(text, Decimal(text), code)
    except InvalidOperation:
        return Formatted(text, code, None)


def _number(text: str, number: Decimal, code: str) -> str:
    """A number as its section of the format shows it: the first, or that of what is less than 0, or of 0."""
    sections = _sections(code)
    place = 0 if number > 0 or len(sections) < 2 else 1 if number < 0 else 2 if len(sections) > 2 else 0
    found = sections[place] if sections else None
    if found is None:
        return Formatted(text, code, None)
    before, plain, behind = found
    size = abs(number) if place == 1 else number
    size = size * 100 if "%" in before + behind else size
    rounded = size.quantize(Decimal(1).scaleb(-len(plain["places"] or "")), rounding=ROUND_HALF_UP)
    digits = f"{abs(rounded):{',' if plain['thousands'] else ''}f}"
    digits = "0" * (len(plain["digits"]) - len(digits.partition(".")[0].replace(",", ""))) + digits
    shown = ("-" if rounded < 0 else "") + before + digits + behind
    words = f"{before}{behind}".replace("%", "").strip()
    is_uncertain = words not in ("", "-") and ("." in digits or "," in digits)
    if is_uncertain or (number < 0 and not rounded):  # programs do not agree whether there is a -0
        return Formatted(text, code, None)
    if shown.strip() == text:
        return text
    is_same = NUMBER.fullmatch(shown.strip()) is not None and Decimal(shown.strip()) == number
    return shown.strip() if is_same else Formatted(text, code, shown.strip())


@lru_cache(maxsize=256)
def _sections(code: str) -> tuple[tuple[str, re.Match[str], str] | None, ...]:
    """The sections of a format; none where it chooses among them by other conditions than the number's sign."""
    is_chosen = _CONDITION.search(LITERAL.sub("", code)) is not None
    return () if is_chosen else tuple(map(_around, _SECTION.findall(code)))


def _around(section: str) -> tuple[str, re.Match[str], str] | None:
    """What stands before a plain number and behind it; `None` where there is anything else."""
    parts = ["", "", ""]
    for token in _TOKEN.finditer(section):
        kind, piece = token.lastgroup or "", token[token.lastgroup or 0]
        if kind == "unseen":
            continue
        is_digits = kind == "code" and piece in "#0,."
        if is_digits and not parts[2]:
            parts[1] += piece
        elif is_digits or (kind == "code" and piece != "%"):
            return None
        else:
            parts[2 if parts[1] else 0] += piece
    plain = _PLAIN.fullmatch(parts[1])
    return None if plain is None else (parts[0], plain, parts[2])


def _date(text: str, code: str) -> str | None:
    """A day as a format shows it."""
    pattern = _pattern(code)
    if pattern is None or text[4:5] != "-":
        return None
    year, month, day = text[:10].split("-")
    parts = {"yyyy": year, "yy": year[2:], "mm": month, "m": month.lstrip("0"), "dd": day, "d": day.lstrip("0")}
    return pattern.format(**parts)


@lru_cache(maxsize=256)
def _pattern(code: str) -> str | None:
    """A format of days by numbers; `None` for names and times, and for `/`, which is another sign elsewhere."""
    pattern, asked = "", list[str]()
    for token in _DAY.finditer(code.removesuffix(";@")):
        kind = token.lastgroup or ""
        piece = token[kind]
        if kind == "part":
            asked.append(piece.lower())
            pattern += f"{{{piece.lower()}}}"
        elif kind in ("quoted", "escaped", "itself"):
            pattern += piece.replace("{", "{{").replace("}", "}}")
        elif kind == "other":
            return None
    is_plain = {*asked} <= {"yyyy", "yy", "mm", "m", "dd", "d"} and len({part[0] for part in asked}) == len(asked)
    return pattern if asked and is_plain else None
