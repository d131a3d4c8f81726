"""Texts that nobody would write as templates: filled in or refused, never a crash, never a hang."""

import time
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.manifest.templates import (
    LONGEST_OUTPUT,
    Names,
    Row,
    TemplateProblem,
    cell,
    compiled,
    condition,
    is_template,
)

FUZZ = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=5),  # nothing may hang; a slow machine may be slow
    suppress_health_check=[HealthCheck.too_slow],
)
CHARACTERS = st.characters(exclude_categories=["Cs"])
CELLS = st.text(CHARACTERS, max_size=12) | st.sampled_from(
    ["5", "0", "12.50", "no", "TRUE", "n/a", "", " ", "a;b", "%9999d"]
)
NAMES = [
    "title",
    "stock",
    "colour",
    "row",
    "größe",
    "self",
    "loop",
    "none",
    "title.upper()",
    "row['Title']",
    "tags.split(';')",
]
PIECES = [
    *(
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        "{{-",
        "-}}",
        "{%-",
        "-%}",
        "{{+",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "\\",
        "\n",
    ),
    *(
        " if ",
        " else ",
        " elif ",
        " endif ",
        " for t in ",
        " endfor ",
        " set a = ",
        " not ",
        " and ",
        " or ",
        " in ",
        " is ",
    ),
    *(
        "|",
        "~",
        "+",
        "-",
        "*",
        "/",
        "//",
        "%",
        "**",
        ".",
        ",",
        ":",
        "==",
        "!=",
        "<",
        ">=",
        "=",
        " ",
        "\t",
        "raw",
        "endraw",
    ),
    *(
        "lower",
        "default('x')",
        "join(',')",
        "split(';')",
        "replace('a', title)",
        "int",
        "truncate(9)",
        "first",
        "sort",
        "odd",
    ),
    *(
        "__class__",
        "format",
        "_",
        "self",
        "0",
        "1e9",
        "9" * 20,
        "'a'",
        "none",
        "true",
        "[1, 2]",
        "(1,)",
        "{}",
        "[:3]",
        "[0]",
    ),
    *(
        "{% block x %}",
        "{% raw %}",
        "{% endraw %}",
        "{{ title }}",
        "{% if stock %}",
        "{% endif %}",
        "{% for t in [1] %}",
        "é",
    ),
]
FILTERS = ["lower", "upper", "trim", "int", "float", "round", "length", "first", "last"]
EXPRESSIONS = st.recursive(
    st.sampled_from([*NAMES, "'a'", "5", "1.5", "''", "[1, 'b']", "true"]),
    lambda inner: (
        st.builds(
            "({} {} {})".format,
            inner,
            st.sampled_from(["+", "-", "*", "/", "//", "~", "==", "!=", "<", ">", "<=", ">=", "and", "or", "in"]),
            inner,
        )
        | st.builds(
            "({} | {})".format,
            inner,
            st.sampled_from(FILTERS),
        )
        | st.builds(
            "({} | {}({}))".format,
            inner,
            st.sampled_from(["default", "join", "truncate", "int", "round", "trim"]),
            inner,
        )
        | st.builds("({} if {} else {})".format, inner, inner, inner)
        | st.builds(
            "({}).{}({})".format, inner, st.sampled_from(["split", "strip", "replace", "startswith", "upper"]), inner
        )
        | st.builds("({})[{}:{}]".format, inner, inner, inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=8,
)
TEMPLATES = (
    st.lists(st.sampled_from(PIECES + NAMES), max_size=14).map("".join)
    | st.builds("x {{{{ {} }}}} y".format, EXPRESSIONS)
    | st.builds("{{% if {} %}}a{{% endif %}}".format, EXPRESSIONS)
    | st.builds("{{% for t in {} %}}{{{{ {} }}}}{{% endfor %}}".format, EXPRESSIONS, EXPRESSIONS)
    | st.text(CHARACTERS, max_size=40)
)


def scope(one, other):
    texts = {"title": one, "stock": other, "colour": "", "größe": one, "tags": "a;b"}
    cells = {name: cell(name, text) for name, text in texts.items()}
    return Names(cells | {"row": Row({"Title": cell("Title", one)})})


def assert_is_told(problem):
    """A refusal says why, without a word of Python's own."""
    assert str(problem)
    assert "object at 0x" not in str(problem) + problem.hint


@FUZZ
@given(text=TEMPLATES, one=CELLS, other=CELLS)
def test_any_text_is_filled_in_or_refused(text, one, other):
    """By the one error that says why; what is filled in can be sent."""
    before = time.process_time()
    try:
        result = compiled(text).render(scope(one, other))
    except TemplateProblem as problem:
        assert_is_told(problem)
    else:
        assert type(result) is str
        assert len(result) <= LONGEST_OUTPUT
        assert result.encode().decode() == result
    assert time.process_time() - before < 2


@FUZZ
@given(text=EXPRESSIONS | st.lists(st.sampled_from(PIECES + NAMES), max_size=8).map("".join), one=CELLS, other=CELLS)
def test_any_text_is_a_condition_or_refused(text, one, other):
    """It is one expression, whatever it holds: it says yes or no, and nothing of it is sent."""
    try:
        assert condition(text).holds(scope(one, other)) in (True, False)
    except TemplateProblem as problem:
        assert_is_told(problem)


@FUZZ
@given(text=st.text(CHARACTERS) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_a_text_with_nothing_to_fill_in_is_itself(text):
    """Whatever else of Jinja's signs it holds; but for line ends, which become one kind."""
    if not is_template(text) and "\0" not in text:
        assert compiled(text).render(scope("a", "b")) == text.replace("\r\n", "\n").replace("\r", "\n")


@FUZZ
@given(
    one=CELLS.filter(lambda text: text.strip()),
    before=st.text(CHARACTERS, max_size=9),
    after=st.text(CHARACTERS, max_size=9),
)
def test_a_cell_arrives_as_it_is_written(one, before, after):
    """Braces and all: a cell that is filled in is no template."""
    if (
        not is_template(before + after)
        and not before.endswith("{")
        and not after.startswith("}")
        and "\0" not in one + before + after
    ):
        plain = [text.replace("\r\n", "\n").replace("\r", "\n") for text in (before, after)]
        assert compiled(f"{before}{{{{ title }}}}{after}").render(scope(one, "5")) == plain[0] + one + plain[1]
