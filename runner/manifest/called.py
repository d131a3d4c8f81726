"""By which numbers a prompt calls its pictures: `the table in image 2`, `das zweite Bild`, `both photos`."""

from __future__ import annotations

import re
from typing import Final

NOUN: Final = "image|photo|picture|bild|foto|imagen|imagem|immagine|afbeelding"
NOUNS: Final = "images|photos|pictures|bildern?|fotos?|im[a\u00e1]genes|imagens|immagini|afbeeldingen"
NUMBERED: Final = r"(?:[\s_#-]{0,2}|\s?(?:(?:nr|no|n)\.|nr|number|nummer|num\u00e9ro|n[\u00ba\u00b0])\s?)"
OF_ANOTHER: Final = (
    r"(?![A-Za-z0-9:/\xd7%\u00b0]|[.,-]\d|\s?x\s?\d|\s?in (?:(?:wide|high|tall)\s*(?:[,.;)]|$)|x\s?\d)"
    r"|\s?(?:px|mm|cm|m|mp|dpi|inch|inches|feet|foot|ft|met(?:er|re)s?|zentimeter|zoll|degrees?|grad|grados|degr\u00e9s"
    r"|percent|prozent|procent|p(?:er|or) cento?|por ciento|pour cent|steps?|stops?|stufen?|shades?|levels?|times|mal"
    r"|fois|veces|vezes|volte|keer)\b|\s?[\u5272\u70b9\u500d\ubc30])"
)
"""What makes a number another's: `photo 10 cm wide`, `image 16:9`, `photo 3D`."""
MOST: Final = 16
"""Pictures that a model takes, or few more; a higher number is another's, as in `rotate the image 90`."""
CALLED: Final = re.compile(
    rf"(?:\b(?:{NOUN})|\u753b\u50cf|\u5199\u771f|[\u56fe\u5716]\u7247?|\uc774\ubbf8\uc9c0|\uc0ac\uc9c4){NUMBERED}(\d{{1,2}}){OF_ANOTHER}"
    rf"|\b(?:{NOUNS})\s\d{{1,2}}\s?(?:,|and|und|et|y|e|en|&|\+|to|bis|-|\u2013)\s?(\d{{1,2}}){OF_ANOTHER}"
    r"|(\d{1,2})\s?(?:\u679a\u76ee|\u756a\u76ee\u306e(?:\u753b\u50cf|\u5199\u771f)|\ubc88(?:\uc9f8)?\s?(?:\uc0ac\uc9c4|\uc774\ubbf8\uc9c0))"
    r"|\u7b2c(\d{1,2})[\u5f20\u5f35\u5e45\u679a]",
    re.IGNORECASE,
)
"""The number itself; of several the last."""
_BEFORE: Final = r"(?:from|in|of|to|with|and|aus|von|in|mit|und|de|dans|sur|avec|et|en|con|y|da|di|e|uit|van|met) "
_OF_TIMES: Final = r"(?![ -](?:quarter|quart|cuart|viertel|stop|step|stuf|fois|volte|veces|mal|keer|times)|\w)"
ORDINAL: Final = re.compile(
    r"(?:\b(?:(second[aeo]?|2nd|zweite[nmrs]?|deuxi[e\u00e8]me|2e|2[e\u00e8]me|segunda|tweede)"
    r"|(third|3rd|dritte[nmrs]?|troisi[e\u00e8]me|3e|3[e\u00e8]me|terza|tercera|terceira|derde)"
    r"|(fourth|4th|vierte[nmrs]?|quatri[e\u00e8]me|4e|4[e\u00e8]me|quarta|cuarta|vierde)"
    rf") (?:input |reference |source )?(?:{NOUN})(?:e?s)?\b"
    rf"|\b{_BEFORE}(?:{NOUN}) (?:(two|zwei|deux|dos|due|twee)|(three|drei|trois|tres|tre|drie)"
    rf"|(four|vier|quatre|quattro)){_OF_TIMES}"
    r"|\u7b2c(?:([\u4e8c\u4e24\u5169])|(\u4e09)|(\u56db))[\u5f20\u5f35\u5e45\u679a]"
    r"|[\u56fe\u5716](?:(\u4e8c)|(\u4e09)|(\u56db))"
    r"|(?:(\ub450)|(\uc138)|(\ub124))\s?\ubc88\uc9f8\s?(?:\uc0ac\uc9c4|\uc774\ubbf8\uc9c0))",
    re.IGNORECASE,
)
"""Words for the second, third and fourth, in groups of three."""
BOTH: Final = re.compile(
    r"\b(?:both(?: of the)?|the two|beide|die beiden|den beiden|die zwei|les deux|las dos|ambas(?: as)?"
    rf"|entrambe(?: le)?|le due|as duas)(?: input)? (?:{NOUNS})\b"
    r"(?!.{0,20}\b(?:walls?|wand|w\u00e4nden?|mur|pared|parete|muro|shelf|shelves|frames?|rahmen)\b)"
    r"|\u4e21\u65b9\u306e(?:\u753b\u50cf|\u5199\u771f)|\u4e24\u5f20\u56fe|\ub450 (?:\uc774\ubbf8\uc9c0|\uc0ac\uc9c4)",
    re.IGNORECASE,
)
"""Both of them; `both photos on the wall` are others."""


def highest_called(prompt: str) -> int:
    """The highest number by which a prompt calls a picture, 2 for both; 0 where it calls none so."""
    if not _is_likely(prompt.lower()):
        return 0
    return max(highest_numbered(prompt), 2 * (BOTH.search(prompt) is not None))


def highest_numbered(prompt: str) -> int:
    """The same, but by a number alone."""
    numbers = [number for found in CALLED.finditer(prompt) if (number := int(found[found.lastindex or 0])) <= MOST]
    ordinals = [2 + ((found.lastindex or 1) - 1) % 3 for found in ORDINAL.finditer(prompt)]
    return max([*numbers, *ordinals], default=0)


def _is_likely(small: str) -> bool:
    """Whether there is any of the words that call a picture; spelt out, since it is asked of every prompt."""
    is_roman = "imag" in small or "immagin" in small or "photo" in small or "foto" in small
    return is_roman or "picture" in small or "bild" in small or "afbeelding" in small or not small.isascii()
