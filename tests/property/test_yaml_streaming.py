"""A list of jobs is read job by job, out of a document that nobody holds whole; what is read is what the whole says.

The whole is read by `support.whole_yaml`.
"""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.whole_yaml import Wrong, fields_of, plain, whole

from runner.batch.options import FROM_MANIFEST
from runner.manifest import InvalidManifest, read_manifest
from runner.manifest.files import NOT_IN_YAML

STREAM = settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=10),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


KEYS = {"version", "name", "model", "defaults", "jobs", "run"}
WITHOUT_A_VALUE = re.compile(r"[{,\n]\s*x-[\w.-]+\s*[,}]")
"""The rest of a text, perhaps, that a comma has cut off: refused, though the whole has it for a key."""


def is_own(key):
    """Whether a key is the user's own: one word. Another that begins so is nobody's."""
    if key.startswith("x-") and not re.fullmatch(r"x-[A-Za-z0-9_.-]+", key):
        raise Wrong
    return key.startswith("x-")


def meant(text):
    """The jobs that the document says, with the defaults: (id, fields); raises `Wrong`."""
    document = whole(text)
    if document[0] != "map":
        raise Wrong
    top = fields_of(document)
    if any(key not in KEYS and not is_own(key) for key in top):
        raise Wrong
    if "version" not in top or plain(top["version"]) != 1 or plain(top["version"]) is True:
        raise Wrong
    if "jobs" not in top or top["jobs"][0] != "list" or len(top["jobs"]) == 1:
        raise Wrong
    defaults = plain(top["defaults"]) if "defaults" in top else None
    if not isinstance(defaults, dict | None) or "id" in (defaults or {}):
        raise Wrong
    found = []
    for job in top["jobs"][1:]:
        if job[0] != "map":
            raise Wrong
        own = fields_of(job)
        job_id = own["id"][1] if "id" in own and own["id"][0] == "scalar" else None
        values = {**(defaults or {}), **{key: plain(value) for key, value in own.items() if not is_own(key)}}
        kept = {key: value for key, value in values.items() if not is_own(key) and key not in ("id", "model")}
        found.append((job_id, kept))
    return found


# ---------------------------------------------------------------------------------------------------- what people write

WORDS = st.sampled_from(
    [
        *(
            "white",
            "16:9",
            "1:1",
            "no",
            "on",
            "00123",
            "5",
            "-7",
            "1.5",
            ".5",
            "1e3",
            "0x1F",
            "1_000",
            "null",
            "~",
            "true",
        ),
        *(
            "False",
            "''",
            "'it''s'",
            '"a\\tb"',
            '"\\u00e9"',
            "'<<'",
            "日本語",
            "x#y",
            "a b",
            "a  b",
            "2026-11-22",
            "'5'",
            "=",
            "!!str 5",
        ),
        *("'- a'", '"# b"', "a-b", "a:b", "a?b", "https://x.example.com/#top", "'{a: 1}'", ".inf", "9" * 41, "1e999"),
    ]
)
NAMES = st.sampled_from(["prompt", "text", "seed", "size", "x-note", "'quoted'", "é"])
BREAKS = st.sampled_from(["", "", "", "\n", "# a note\n", "   # another\n", "\n\n"])


class Pen:
    """Writes one document, and remembers what it has anchored so far."""

    def __init__(self, draw):
        self.draw = draw
        self.maps = []
        self.others = []

    def anchor(self, kind):
        """Now and then a name for what comes."""
        if self.draw(st.integers(0, 5)):
            return ""
        name = f"a{self.draw(st.integers(0, 3))}"
        for names in (self.maps, self.others):
            if name in names:
                names.remove(name)
        kind.append(name)
        return f"&{name} "

    def flow(self, depth=0):
        """A value on one line, or broken inside brackets."""
        kind = self.draw(st.integers(0, 6 if depth < 2 else 3))
        if kind == 3 and self.others:
            return f"*{self.draw(st.sampled_from(self.others))} "
        if kind <= 3:
            word = self.draw(WORDS)
            return word if word.startswith("!") else self.anchor(self.others) + word
        gap = self.draw(st.sampled_from([" ", " ", "\n  ", "  "]))
        if kind == 4:
            before = self.anchor([])
            inner = [self.flow(depth + 1) for _ in range(self.draw(st.integers(0, 3)))]
            end = f",{gap}" if inner and self.draw(st.booleans()) else ""
            return f"{before}[{f',{gap}'.join(inner)}{end}]"
        return self.flow_map(self.draw(st.lists(NAMES, max_size=3, unique=True)), depth + 1)

    def flow_map(self, names, depth=0, first=()):
        held = []
        before = self.anchor(held)
        inner = [*first, *(f"{name}: {self.flow(depth)}" for name in names)]
        inner += self.merge()
        self.maps += held
        return f"{before}{{{', '.join(inner)}}}"

    def merge(self):
        """Now and then what an earlier mapping holds."""
        if not self.maps or self.draw(st.integers(0, 2)):
            return []
        names = self.draw(st.lists(st.sampled_from(self.maps), min_size=1, max_size=2))
        return [f"<<: *{names[0]} "] if len(names) == 1 else [f"<<: [{', '.join(f'*{name} ' for name in names)}]"]

    def block(self, indent, depth=0):
        """What stands behind `key:`, down to the line's end."""
        kind = self.draw(st.integers(0, 7))
        pad = " " * (indent + self.draw(st.integers(1, 3)))
        if kind <= 3 or depth > 1:
            return f" {self.flow(1)}\n"
        if kind == 4:
            sign = self.draw(st.sampled_from(["|", ">", "|-", ">+"]))
            lines = self.draw(
                st.lists(st.sampled_from(["white", "a: b", "# c", "- d", " more", "", "{x"]), min_size=1, max_size=3)
            )
            return f" {sign}\n" + "".join(f"{pad}{line}\n" if line else "\n" for line in ["first", *lines])
        if kind == 5:
            return f" {self.anchor(self.others)}plain words\n{pad}go on # note\n"
        if kind == 6:
            dash = pad if self.draw(st.booleans()) else " " * indent
            inner = "".join(f"{dash}- {self.flow(1)}\n{self.draw(BREAKS)}" for _ in range(self.draw(st.integers(1, 3))))
            return f" {self.anchor([])}\n{inner}"
        held = []
        before = self.anchor(held)
        names = self.draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
        inner = "".join(f"{pad}{name}:{self.block(len(pad), depth + 1)}" for name in names)
        inner += "".join(f"{pad}{line}\n" for line in self.merge())
        self.maps += held
        return f" {before}\n{inner}"

    def jobs(self, indent):
        """The list, in one of the ways in which lists are written."""
        count = self.draw(st.integers(1, 4))
        names = [self.draw(st.lists(NAMES, max_size=3, unique=True)) for _ in range(count)]
        if not self.draw(st.integers(0, 3)):
            inner = ",\n  ".join(self.flow_map(some, 1, [f"id: j{n}"]) for n, some in enumerate(names))
            return f" {self.anchor([])}[{inner}]\n"
        dash = " " * (indent + self.draw(st.integers(0, 3)))
        text = f" {self.anchor([])}\n"
        for n, some in enumerate(names):
            if self.draw(st.booleans()):
                text += f"{dash}- {self.flow_map(some, 1, [f'id: j{n}'])}\n"
            else:
                pad = dash + "  "
                held = []
                before = self.anchor(held)
                head = f"{before.strip()}\n{pad}" if before else ""
                text += f"{dash}- {head}id: j{n}\n"
                text += "".join(f"{pad}{name}:{self.block(len(pad))}" for name in some)
                text += "".join(f"{pad}{line}\n" for line in self.merge())
                self.maps += held
            text += self.draw(BREAKS)
        return text


@st.composite
def documents(draw):
    """A manifest for a model that only the service knows: any field goes."""
    pen = Pen(draw)
    keys = draw(
        st.permutations(
            ["version", "model", "jobs", *draw(st.sets(st.sampled_from(["defaults", "x-a", "x-b", "name"])))]
        )
    )
    simple = {"version": "1", "model": "owner/other", "name": "mugs"}
    if not draw(st.integers(0, 5)):
        parts = []
        for key in keys:
            if key == "jobs":
                jobs = [
                    pen.flow_map(draw(st.lists(NAMES, max_size=3, unique=True)), 1, [f"id: j{n}"])
                    for n in range(draw(st.integers(1, 3)))
                ]
                parts.append(f"jobs: [{', '.join(jobs)}]")
            elif key == "defaults":
                parts.append(f"defaults: {pen.flow_map(draw(st.lists(NAMES, max_size=2, unique=True)), 1)}")
            else:
                parts.append(f"{key}: {simple.get(key) or pen.flow()}")
        body = "{" + ",\n ".join(parts) + "}\n"
    else:
        indent = " " * draw(st.sampled_from([0, 0, 0, 2]))
        body = ""
        for key in keys:
            body += draw(BREAKS)
            shown = draw(st.sampled_from([key, key, f'"{key}"', f"'{key}'"]))
            if key == "jobs":
                body += f"{indent}{shown}:{pen.jobs(len(indent))}"
            elif key == "defaults":
                body += f"{indent}{shown}: {pen.flow_map(draw(st.lists(NAMES, max_size=2, unique=True)), 1)}\n"
            elif key in simple:
                body += f"{indent}{shown}: {simple[key]}\n"
            else:
                body += f"{indent}{shown}:{pen.block(len(indent))}"
    before = draw(
        st.sampled_from(["", "", "", "---\n", "# first\n", "%YAML 1.2\n---\n", "\ufeff", "--- # here\n", "\n"])
    )
    after = draw(st.sampled_from(["", "", "", "...\n", "# last\n", "\n\n", "...\n# last\n"]))
    return (before + body + after).replace("\n", draw(st.sampled_from(["\n", "\n", "\r\n", "\r"])))


# --------------------------------------------------------------------------------------------------------------- claims


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """The jobs of a manifest of this text, or the codes of what is wrong with it."""
    path = tmp_path_factory.mktemp("streaming") / "m.yaml"

    def read(text):
        path.write_bytes(text.encode())
        try:
            manifest = read_manifest(path, rules=lambda _: None, settings=FROM_MANIFEST)
        except InvalidManifest as error:
            return {diagnostic.code for diagnostic in error.diagnostics if diagnostic.severity == "error"}
        return [(spec.job_id, spec.inputs) for spec in manifest.jobs]

    return read


@STREAM
@given(text=documents())
@example("version: 1\njobs:\n- id: j0\nmodel: owner/other\n")
@example(
    "jobs:\n- &a {id: j0, seed: 5}\n- {<<: *a , id: j1}\nversion: 1\nmodel: owner/other\ndefaults: {<<: *a , seed: 7}\n"
)
@example("version: 1\nmodel: owner/other\njobs: &a\n- id: j0\nx-a: *a \n")
@example("{jobs: [{id: j0, size: &s 5}], version: 1, model: owner/other, x-a: *s , defaults: {seed: *s }}\n")
def test_a_document_is_read_as_the_whole_says(read, text):
    """In whatever order its keys stand, in whatever style, with anchors anywhere."""
    found = read(text)
    try:
        expected = meant(text.removeprefix("\ufeff"))
    except Wrong:
        assert isinstance(found, set), text
        return
    if isinstance(found, set) and found <= {"template", "prompt-length", "yaml-anchor"}:
        return  # an empty prompt, one with braces, one with a name that nothing refers to: read, and then refused
    assert found == expected


PIECES = [
    *(
        "jobs:\n",
        "jobs: []\n",
        "- id: j9\n",
        "\n- id: j9\n",
        "version: 1\n",
        "---\n",
        "...\n",
        "\t",
        " ",
        "  ",
        "\n",
        "\r",
        "# x\n",
    ),
    *(
        "&a0 ",
        "*a0 ",
        "<<: *a0\n",
        "<<: {seed: 1}\n",
        "? ",
        ": ",
        "- ",
        "|",
        ">",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        "!x ",
        "x-z: 1\n",
    ),
    *(
        "\njobs:\n- id: j8\n",
        "\n  x: 1\n",
        "id: j7\n",
        "%",
        "@",
        "`",
        "\\",
        "\ufeff",
        "seed: 1\n",
        "x: *nobody\n",
        "\u2028",
    ),
]


@st.composite
def spoilt(draw):
    """Such a document after a few cuts and insertions."""
    text = draw(documents())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 6])))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[end:]
    return text


READING = {
    "jobs",
    "job",
    "no-jobs",
    "duplicate-key",
    "yaml-merge",
    "yaml-key",
    "yaml-syntax",
    "unknown-key",
    "manifest",
}
"""What is said of a document whose shape is wrong, and of no other."""


@STREAM
@given(text=spoilt())
@example("version: 1\nmodel: owner/other\njobs:\n- id: j0\njobs:\n- id: j1\n")
@example("version: 1\nmodel: owner/other\njobs:\n  - id: j0\n\tx: 1\n")
@example("version: 1\nmodel: owner/other\njobs:\n- id: j0\n---\nx: 1\n")
@example("version: 1\nmodel: owner/other\njobs:\n- id: j0\n...\nx: 1\n")
@example("version: 1\nmodel: owner/other\njobs:\n- id: j0\n  seed: *late \nx-a: &late 5\n")
@example("version: 1\nmodel: owner/other\njobs:\n- &me {id: j0, seed: *me }\n")
@example("version: 1\nmodel: owner/other\n? jobs\n:\n- id: j0\n")
@example("version: 1\nmodel: owner/other\nx-a: &k jobs\n*k :\n- id: j0\n")
def test_a_spoilt_document_is_read_as_the_whole_says_or_refused(read, text):
    """Never with a part of it left out; and what is refused for its shape is wrong as a whole too."""
    found = read(text)
    try:
        expected = meant(text.removeprefix("\ufeff"))
    except Wrong:
        assert isinstance(found, set), text
        return
    if isinstance(found, set):
        assert not found & READING or NOT_IN_YAML.search(text) or WITHOUT_A_VALUE.search(text), text
    else:
        assert [
            (job_id if one is not None else None, fields)
            for (job_id, fields), (one, _) in zip(found, expected, strict=True)
        ] == expected
