"""What a template or a condition was probably meant to be that cannot be read, or asks for what is not there.

People write `=>` for `>=`, the quotes of Word, and `status == new`: each is answered with the thing itself, mended.
"""

from __future__ import annotations

import re
from typing import Final

import jinja2
from jinja2 import nodes

from runner.manifest.verdicts import written

SIGNS: Final = {
    **dict.fromkeys(("=>", "\u2265"), ">="),
    **dict.fromkeys(("=<", "\u2264"), "<="),
    **dict.fromkeys(("=!", "<>", "!==", "\u2260"), "!="),
    "===": "==",
    "&&": " and ",
    "||": " or ",
}
"""Signs of other languages, and of text editors, with Jinja's own."""
QUOTES: Final = (
    "\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a`\u00b4\u300c\u300d\uff02\uff07"
)
"""Quotes of text editors, of other languages and keyboards."""
TEXT: Final = r"'[^']*'|\"[^\"]*\""
SIGN_OR_TEXT: Final = re.compile(rf"{TEXT}| ?(?:&&|\|\|) ?|[!=]==|=[><!]|<>|[\u2260\u2264\u2265]")
QUOTE_OR_TEXT: Final = re.compile(f"{TEXT}|[{QUOTES}]")
TAG: Final = re.compile(r"\{[{%][-+ ]*(?:(?:el)?if )?([^{}%]*)")
"""What is asked in a tag, as far as braces and percents let it be told."""
AT: Final = re.compile(r"(?<= at )\d+\Z")
OPERATORS: Final = {"eq": "==", "ne": "!=", "in": "in", "notin": "not in"}


def said(error: jinja2.TemplateSyntaxError) -> str:
    """Jinja's words, with its names for signs replaced by the signs, and places that are counted from 1."""
    message = (error.message or "").removesuffix(".")
    if "Unexpected end of template" in message:
        return "a block is not closed"
    message = message.replace("'end of print statement'", "'}}'").replace("'end of statement block'", "'%}'")
    return moved(message, 1)


def moved(message: str, by: int) -> str:
    """A message whose place is counted from elsewhere."""
    return AT.sub(lambda found: str(int(found[0]) + by), message)


def hint_for(text: str, error: jinja2.TemplateSyntaxError) -> str:
    """The remedy for a template."""
    if mended := next(filter(None, (mended_signs(tag[1].strip()) for tag in TAG.finditer(text))), ""):
        return mended
    if "Unexpected end of template" in (error.message or ""):
        return "each {% if … %} needs its {% endif %}, each {% for … %} its {% endfor %}"
    if text.count("{{") != text.count("}}"):
        return "each {{ needs its }}; for the braces themselves write {{ '{{' }}"
    if "{{" in text:
        return "for braces that are meant to be sent write {{ '{{' }}"
    return "each {% if … %} needs its {% endif %}; to send the signs themselves write {{ '{%' }}"


def hint_for_condition(text: str) -> str:
    """The remedy for a condition."""
    is_assigned = re.search(r"(?<![=!<>])=(?!=)", text)
    return mended_signs(text) or (
        "two signs compare:  status == 'active'" if is_assigned else "as in  stock > 0 and status != 'sold'"
    )


def mended_signs(text: str) -> str:
    """The remedy where signs or quotes are not those of templates; empty where they are."""
    signs = SIGN_OR_TEXT.sub(lambda found: SIGNS.get(found[0].strip(), found[0]), text)
    straight = QUOTE_OR_TEXT.sub(lambda found: "'" if len(found[0]) == 1 else found[0], signs)
    if straight != signs:
        return f"write straight quotes:  {straight}"
    return f"write  {signs}" if signs != text else ""


def in_quotes(tree: nodes.Template) -> dict[str, str]:
    """What was probably meant by each name that a cell is compared with: `status == 'new'`, for `status == new`."""
    found: dict[str, str] = {}
    for compared in tree.find_all(nodes.Compare):
        match compared:
            case nodes.Compare(expr=expr, ops=[nodes.Operand(op="eq" | "ne" as op, expr=nodes.Name(name=name))]):
                found[name] = f"{written(expr) or 'status'} {OPERATORS[op]} '{name}'"
                if isinstance(expr, nodes.Name):
                    found.setdefault(expr.name, f"'{expr.name}' {OPERATORS[op]} {name}")
            case nodes.Compare(expr=expr, ops=[nodes.Operand(op="in" | "notin" as op, expr=nodes.List(items=items))]):
                plain = [item for item in items if isinstance(item, (nodes.Name, nodes.Const))]
                texts = [item.name if isinstance(item, nodes.Name) else item.value for item in plain]
                shown = f"{written(expr) or 'status'} {OPERATORS[op]} {texts}"
                found |= {item.name: shown for item in plain if isinstance(item, nodes.Name)}
            case _:
                pass
    return found


def quoted(tree: nodes.Template) -> frozenset[str]:
    """The texts that are filled in as they stand: `{{ 'title' }}` is the word, whatever the column says."""
    todo = [node for output in tree.find_all(nodes.Output) for node in output.nodes]
    found = set()
    while todo:
        match todo.pop():
            case nodes.Const(value=str() as text):
                found.add(text)
            case nodes.Filter(node=nodes.Expr() as inner, name=name) if name != "default":
                todo.append(inner)
            case nodes.Concat(nodes=parts):
                todo += parts
            case _:
                pass
    return frozenset(found)
