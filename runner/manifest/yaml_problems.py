"""Where a text is no YAML, and what was probably meant by it.

The parser says what it did not find. A person wrote a prompt, and did not know that YAML has plans for its first
character, for a colon, or for a `#`.
"""

from __future__ import annotations

import re
from typing import Final

import yaml

from runner.manifest.diagnostics import Findings, Place

END_OF_LINE: Final = re.compile(r"[\r\n\x85]|\Z")
VALUE: Final = re.compile(r"\s*(?=- |[^\s{\[])(?:- +)*(?:[^\s:,\[\]{}\"'#]+:\s+)?(?P<value>\S.*)")
"""A line of block YAML: what its key, or its dash, has for a value."""
IN_FLOW: Final = re.compile(r"[:,\[{-]\s*(?P<value>\{[{%][^{}]*\}\}?[^,\]}]*)")
"""Within brackets a value ends with a comma or a bracket."""
TEXT_IN_FLOW: Final = re.compile(r"(?<![\w-])(?P<key>where|when|prompt)[\"']?:\s+")
"""What a person writes a text behind that brackets and quotes are a part of."""
QUOTED: Final = re.compile(r"(?s)\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'')*'")
CUT_SHORT: Final = re.compile(r"[^\"'#]*\s#[^\s#]")
"""A line in which a `#` begins a comment that was probably meant as text."""
TEMPLATE: Final = re.compile(r"\{\{(?:(?!\}\}).)*\}\}|\{%(?:(?!%\}).)*%\}")
IN_TEMPLATE: Final = re.compile(r'"[^"]*\{[{%][^"}]*"\s*\Z')
"""A text in double quotes that ends within a template."""
AS_MEANT: Final = re.compile(rf'"(?:{TEMPLATE.pattern}|[^"{{]|\{{(?![{{%]))*"')
"""A text in double quotes that may hold such quotes within its templates."""
SHOWN: Final = 80
FAR: Final = 2_000
"""As far as a line is looked along: it may be one of megabytes."""

SYNTAX: Final = (
    ("mapping values", "", 'a value that contains ": " must be quoted, or written as a block:  prompt: |'),
    ("tab character", "", "indent with spaces, not tabs"),
    ("alias", "", "quote a value that starts with *"),
    ("another document", "a second document begins here", "keep one manifest in a file"),
    ("incompatible YAML", "the line %YAML asks for another YAML", "leave that line out"),
    ("Unicode", "", "write the character itself"),
    ("escape", "", "in double quotes \\ begins an escape: write \\\\, or use single quotes"),
    ("comment or line break", "", "the text of a block begins on the line below  |  or  >"),
    ("block sequence entries", "", "quote a value that starts with -"),
    ("mapping keys are not allowed", "", "quote a value that starts with ?"),
    ("alphabetic or numeric", "", "quote a value that starts with * or &"),
    (
        "unexpected end of stream",
        "a quote that is never closed",
        "close it, or put the other quotes around the text",
    ),
    ("expected node content", "", "close the bracket"),
    ("',' or", "", "close the bracket, or put a comma between its parts"),
    ("block end", "", "indent the lines of one mapping or list alike"),
    ("expected key", "", "write  key: value  on each line, indented alike"),
    ("could not find expected ':'", "", "write  key: value;  a text of several lines begins with  |"),
)
"""What the parser says, where that reads badly in other words, and what was probably meant."""
ENDS_EARLY: Final = ("block end", "expected key", "expected '-'")
"""What it says where a value is over before the line is."""
WIDE_COLON: Final = re.compile(r"\s*(?:-\s+)?[\w.-]+\s*\uff1a")
"""A key before a colon of full width."""
CUT: Final = (*ENDS_EARLY, "unexpected end", "expected node", "',' or", "expected ':'")
"""What it says where the rest of a line is missing."""


def report_syntax(text: str, error: yaml.MarkedYAMLError, findings: Findings) -> None:
    """The first place at which a text is no YAML, with what was probably meant."""
    problem = error.problem or "not YAML"
    mark = error.problem_mark or error.context_mark
    if "unexpected end of stream" in problem and error.context_mark is not None:
        mark = error.context_mark  # where the quote begins; where it would have to end nobody can tell
    line = line_at(text, mark.index) if mark is not None else ""
    place = Place(line=mark.line + 1, column=mark.column + 1, text=line) if mark is not None else Place()
    known = (row for row in SYNTAX if row[0] in problem)
    _, told, hint = next(known, ("", "", "see that brackets and quotes are closed, and lines indented alike"))
    of_quotes = _of_inner_quotes(line, place.column or 1)
    hint = of_quotes or _of_the_line(line, place.column or 1, problem) or _of_lines_before(text, place, problem) or hint
    findings.error("yaml-syntax", place, told or problem, hint)


def _of_the_line(line: str, column: int, problem: str) -> str:
    """What the line itself tells."""
    first = line[column - 1 : column]
    if first == "\t":
        return "indent with spaces, not tabs"
    if re.search(r"(^|[:-]\s+)\{[{%]", line):
        return brace_hint(line)
    if "',' or" in problem and (hint := _of_flow(line, column)):
        return hint
    if "start any token" in problem:
        return f"quote a value that starts with {first}"
    if any(words in problem for words in ENDS_EARLY):
        value = VALUE.match(line)
        if value and value["value"][0] in "\"'[{" and column > value.start("value") + 1:
            return f"a value that starts with {value['value'][0]} and goes on behind it must be quoted as a whole"
    return ""


def _of_flow(line: str, column: int) -> str:
    """Whether a condition or a prompt goes on where YAML, within brackets, has it ended: `a in ['b']`, `'b' in a`."""
    for found in TEXT_IN_FLOW.finditer(line, max(0, column - 1 - FAR), column - 1):
        value = line[found.end() : _end_in_flow(line, found.end())].rstrip()
        if found.end() + len(value) < column or QUOTED.fullmatch(value):
            continue
        what = "text" if found["key"] == "prompt" else "condition"
        shown = value if len(value) <= SHOWN else value[:SHOWN] + "…"
        is_plain = '"' not in shown and "\\" not in shown
        quoted = f'"{shown}"' if is_plain else "'" + shown.replace("'", "''") + "'"
        return f"quote the {what}:  {found['key']}: {quoted}"
    return ""


def _end_in_flow(line: str, start: int) -> int:
    """Where a person has a value ended: at a comma or a bracket that is none of its own, nor stands in its quotes."""
    depth, quote = 0, ""
    end = min(len(line), start + FAR)
    for index in range(start, end):
        char = line[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and not line[index - 1].isalnum():  # it's
            quote = char
        elif char in "([{":
            depth += 1
        elif not depth and char in ",]}":
            return index
        elif char in ")]}":
            depth -= 1
    return end


def _of_inner_quotes(line: str, column: int) -> str:
    """Whether a value in double quotes ended at those of a template inside it, as in `"{{ row["Name"] }} on white"`."""
    open_at = IN_TEMPLATE.search(line, max(0, column - 1 - FAR), column - 1)
    if open_at is None:
        return ""
    whole = AS_MEANT.match(line, open_at.start(), open_at.start() + FAR)
    if whole is None or "'" in "".join(TEMPLATE.findall(whole[0])):
        return 'the quotes inside end the text: write them as \\"'
    shown = TEMPLATE.sub(lambda found: found[0].replace('"', "'"), whole[0])
    shown = shown if len(shown) <= SHOWN else shown[:SHOWN] + "…"
    return f"the quotes inside end the text: write single ones there:  {shown}"


def _of_lines_before(text: str, place: Place, problem: str) -> str:
    """Whether a value ended at a `#`, or a key at a colon of another keyboard, on this line or the one before."""
    if any(words in problem for words in CUT):
        lines = [*enumerate(re.split(r"\r\n?|\n", text)[: place.line], 1)]
        for number, line in [pair for pair in lines if pair[1].strip()][-2:][::-1]:
            if WIDE_COLON.match(line):
                return f"in line {number} stands \uff1a, and YAML wants a plain : with a space behind it"
            if CUT_SHORT.match(line):
                return f"in line {number} a # begins a comment, and the text ends there: quote it"
    return ""


def brace_hint(line: str) -> str:
    """The remedy where a value begins with a brace, which YAML takes for a mapping."""
    found = VALUE.match(line)
    if found is None or not found["value"].startswith(("{{", "{%")):
        found = IN_FLOW.search(line)
    if found is None:
        return "a value that starts with { or [ must be quoted"
    value = found["value"].strip()
    shown = value.replace("'", "''") if len(value) <= SHOWN else value[:SHOWN].replace("'", "''") + "…"
    return f"a value that starts with {value[:2]} must be quoted:  '{shown}'"


def line_at(text: str, index: int) -> str:
    """The line of a text in which a character stands."""
    start, end = line_span(text, index)
    return text[start:end]


def line_span(text: str, index: int) -> tuple[int, int]:
    """Where the line begins and ends in which a character stands."""
    start = text.rfind("\n", 0, index) + 1
    start = max(start, text.rfind("\r", start, index) + 1)
    end = END_OF_LINE.search(text, max(start, min(index, len(text))))
    return start, end.start() if end else len(text)
