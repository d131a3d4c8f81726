"""What a row's cells hold that is not sent, or was hardly meant as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from runner.manifest.amounts import amount_in
from runner.manifest.cells import NO, YES
from runner.manifest.damage import PLACEHOLDERS
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.formats import AS_TEXT, Formatted
from runner.manifest.items import Item
from runner.manifest.tables import FORMULA, MENDED, SPOILT, cell_name, what_spoilt

DITTO: Final = frozenset(
    (
        *("同上", "上記と同じ", "上と同じ", "なし", "dito", "ditto", "idem", "x", "same", "same as above", "as above"),
        *("see above", "siehe oben", "wie oben", "ebenso", "voir ci-dessus", "comme ci-dessus", "igual que arriba"),
    )
)
"""What people write for the cell above, or for nothing to do."""
OF_DATES: Final = "tz\u5e74\u6708\u65e5"
"""Letters between the numbers of a date."""
URL: Final = re.compile(r"https?://\S+", re.IGNORECASE)
FILE: Final = re.compile(r"[\w .-]*[\w-]\.(?:jpe?g|png|webp|gif|tiff?|heic|bmp)", re.IGNORECASE)
LONGEST_VALUE: Final = 40
"""Characters of a number, a date or a file's name."""
AROUND: Final = " .!…。()[]<>\uff08\uff09"
"""What stands around such a word and changes nothing."""
OF_ANOTHER: Final = "say what is to change; perhaps it is another column's"


def refuse_spoilt(
    cells: Sequence[str], indexes: Iterable[int], line: int, number: int, label: str, findings: Findings
) -> None:
    """Refuse what a spreadsheet has spoilt in the cells that are used, and numbers that it shows as something else."""
    for index in indexes:
        place = Place(line=line, cell=cell_name(index, number), file=label)
        text = cells[index].strip()
        if SPOILT.fullmatch(text):
            findings.error("spoilt-cell", place, what_spoilt(text), MENDED)
        if isinstance(cell := cells[index], Formatted):
            findings.error("formatted-cell", place, cell.told, AS_TEXT)


def hint_for_nothing(prompt: str) -> str | None:
    """The remedy for a prompt that says nothing of an edit, whoever gives it; `None` for any other."""
    text = prompt.strip()
    if text[:4].lower() == "http" and URL.fullmatch(text):
        return OF_ANOTHER
    if len(text) > LONGEST_VALUE or "{" in text or FORMULA.match(text):  # a template that could not be filled in
        return None
    said = text.strip(AROUND).casefold()
    if said in PLACEHOLDERS or text.lower() in PLACEHOLDERS:
        return "say what is to change, or leave it empty where a default is meant"
    if said in DITTO:
        return "write out what is meant: no cell takes what stands above it"
    is_value = any(map(str.isdecimal, said)) and not any(letter.isalpha() and letter not in OF_DATES for letter in said)
    amount = amount_in(text)
    is_another = is_value or said in YES | NO or FILE.fullmatch(text) or (amount is not None and amount.is_price)
    return OF_ANOTHER if is_another else None


def look_at_prompt(item: Item, findings: Findings) -> None:
    """Tell of a prompt that is sent as it stands, but was hardly meant so."""
    prompt = item.fields.get("prompt")
    if not isinstance(prompt, str):
        return
    if FORMULA.match(prompt):
        findings.error("spoilt-cell", item.at("prompt"), what_spoilt(prompt), "save the sheet with its values")
    elif prompt.lstrip(" ")[:1] == '"':
        hint = "a quote begins a cell only right behind the delimiter: remove the space before it"
        findings.warn("space-before-quote", item.at("prompt"), f"the quotes are sent: {prompt[:40]!r}", hint)
    elif prompt[:1] == "'" and prompt.count("'") == 1:
        message = f"the apostrophe at the beginning is sent: {prompt[:40]!r}"
        hint = "a spreadsheet writes it before what is no number, and hides it: take it away"
        findings.warn("odd-text", item.at("prompt"), message, hint)
