"""What a picture that no variant shows has in a variant's column: no text, and no empty cell either.

The variants say one thing each there. Whether there is a text of its own may be asked; whatever would go by what the
text is, or is not, is an error, since each answer would be a guess that is paid for.
"""

from __future__ import annotations

import re
from typing import Final

from runner.manifest.cells import Blank, Empty

SIGN: Final = "no variant shows"
"""With what it is told."""
LONGEST: Final = 200
"""Characters of a condition that are shown in a remedy."""
_EMPTY: Final = re.compile(
    rf"cell \w+ \((.+)\) is empty|'(.+)' is empty|{SIGN}.+: it has no (.+) of its own, and the \w+ needs it",
    re.DOTALL,
)


class Unshown(Blank):
    """Such a column's value: false, and equal to an empty text; what asks for more of it is an error."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        if isinstance(other, str) and not len(other):
            return True
        return self._fail_with_undefined_error()

    def __ne__(self, other: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return not self == other

    def __hash__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return self._fail_with_undefined_error()

    def __len__(self) -> int:  # type: ignore[override]  # Jinja's own refuse
        return self._fail_with_undefined_error()

    def __contains__(self, _: object) -> bool:  # type: ignore[override]  # Jinja's own refuse
        return self._fail_with_undefined_error()


def unshown(name: str, why: str) -> Unshown:
    """The value of the column `name` for a picture that no variant shows; `why` says which picture that is."""
    return Unshown(hint=f"{why}: it has no {name} of its own, and the template needs it", exc=Empty)


def remedy_for_empty(message: str) -> str:
    """What helps a template that wants the text of an empty cell, or of a column that is unshown."""
    asked = f"ask first, as in {{% if {asked_in(message)} %}}…{{% endif %}}"
    if message.startswith(SIGN):
        return f"name it in its variant's Variant Image, or ask for a column of the product instead, or {asked}"
    return f"{asked}, or use default('…')"


def remedy_for_condition(message: str, condition: str) -> str:
    """What helps a condition that wants the text of a column that is unshown: its own words, where they are short."""
    wanted = " ".join(condition.split("\n")).strip()
    hint = "name it in its variant's Variant Image, or take such pictures as well"
    return f"{hint}:  {asked_in(message)} == ''" + (f" or ({wanted})" if len(wanted) <= LONGEST else " or …")


def asked_in(message: str) -> str:
    """How a template calls the column that a `Blank` says is empty: `cell C2 (Product Title) is empty, …`."""
    found = _EMPTY.match(message)
    name = next(filter(None, found.groups()), "title") if found else "title"
    return name.lower() if name.isidentifier() else f"row[{name!r}]"
