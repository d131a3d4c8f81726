"""A strict reader of Prometheus's text format, as far as it is used here: what it lets pass, a collector takes."""

from __future__ import annotations

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|[+-]Inf|NaN)")
SUFFIXES = ("_bucket", "_sum", "_count")


def read(text):
    """Samples by name and labels; raises `AssertionError` where the text is not as it should be."""
    assert text.endswith("\n")
    found, kinds, family = {}, {}, ""
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
            assert re.fullmatch(NAME, family), line
            assert family not in kinds, f"{family} comes twice"
            kind = next(lines)
            assert re.fullmatch(rf"# TYPE {family} (counter|gauge|histogram)", kind), kind
            kinds[family] = kind.rsplit(" ", 1)[1]
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, number = match.groups()
        own = {family + suffix for suffix in SUFFIXES} if kinds[family] == "histogram" else {family}
        assert name in own, f"{name} stands under {family}"
        assert (name, labels) not in found, line
        found[name, labels] = float(number)
    for family, kind in kinds.items():
        assert (kind == "counter") == family.endswith("_total"), family
        if kind == "histogram":
            buckets = [value for (name, _), value in found.items() if name == f"{family}_bucket"]
            assert buckets == sorted(buckets), family
            assert found[f"{family}_bucket", 'le="+Inf"'] == found[f"{family}_count", None] == buckets[-1]
            assert (f"{family}_sum", None) in found
    return found
