"""What a row's cells hold that is not sent, or was hardly meant as it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runner.manifest.damage import PLACEHOLDERS
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.formats import AS_TEXT, Formatted
from runner.manifest.items import Item
from runner.manifest.tables import FORMULA, MENDED, SPOILT, cell_name, what_spoilt


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


def look_at_prompt(item: Item, findings: Findings) -> None:
    """Tell of a prompt that is sent as it stands, but was hardly meant so."""
    prompt = item.fields.get("prompt")
    if not isinstance(prompt, str):
        return
    if prompt.strip().lower() in PLACEHOLDERS:
        message = f"the prompt that is sent is {prompt!r}"
        findings.warn("placeholder", item.at("prompt"), message, "empty the cell where the default is meant")
    elif prompt.lstrip(" ")[:1] == '"':
        hint = "a quote begins a cell only right behind the delimiter: remove the space before it"
        findings.warn("space-before-quote", item.at("prompt"), f"the quotes are sent: {prompt[:40]!r}", hint)
    elif FORMULA.match(prompt):
        findings.error("spoilt-cell", item.at("prompt"), what_spoilt(prompt), "save the sheet with its values")
    elif prompt[:1] == "'" and prompt.count("'") == 1:
        message = f"the apostrophe at the beginning is sent: {prompt[:40]!r}"
        hint = "a spreadsheet writes it before what is no number, and hides it: take it away"
        findings.warn("odd-text", item.at("prompt"), message, hint)
