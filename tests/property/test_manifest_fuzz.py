"""Manifests that nobody would write: read or refused, never a crash, and what is read is what was written."""

import csv
import io
import json
import re
import unicodedata
from datetime import timedelta

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runner.batch.options import FROM_MANIFEST
from runner.catalog import bundled, parse_card, rules_for
from runner.manifest import DEFAULT_MODEL, InvalidManifest, as_json, read_manifest
from runner.manifest.files import NOT_IN_YAML
from runner.model import canonical, fingerprint
from runner.rules.names import LONGEST, stem_for

RULES = rules_for(bundled(DEFAULT_MODEL))
URL = "https://cdn.example.com/mug.jpg"
FORMATS = ("yaml", "csv", "tsv", "jsonl")

# The same cases every time: a red build is looked at today. HYPOTHESIS' own search is run by hand, with more examples.
FUZZ = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=timedelta(seconds=10),  # nothing may hang; a slow machine may be slow
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def rules_of(model):
    return RULES if model == DEFAULT_MODEL else None


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Reads a manifest of these bytes, or says why it cannot be sent; anything else that is raised is a bug."""
    folder = tmp_path_factory.mktemp("fuzz")

    def read(data, ending):
        path = folder / f"m.{ending}"
        path.write_bytes(data)
        try:
            return read_manifest(path, rules=rules_of, settings=FROM_MANIFEST)
        except InvalidManifest as error:
            assert_is_told(error)
        return None

    return read


def assert_is_told(error):
    """A refusal says why, in words that can be printed and written to a file."""
    assert error.message.endswith("Nothing was submitted.")
    assert "error" in {diagnostic["severity"] for diagnostic in as_json(error.diagnostics)}
    assert json.dumps(as_json(error.diagnostics), ensure_ascii=False).encode()


# --------------------------------------------------------------------------------------------------- what a user writes

DAMAGED = "\ufffd\ufffe\uffff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069" + "".join(
    chr(n) for n in (*range(32), *range(0x7F, 0xA0)) if chr(n) not in "\t\r\n\x85"
)
"""What is refused in any text."""
HIDDEN = "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0000, 0xE0080), *range(0xE0100, 0xE01F0))))
"""In which words may be hidden."""
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters=DAMAGED + HIDDEN)
WORDS = st.sampled_from(
    [
        *("yes", "no", "null", "~", "16:9", "00123", "1e5", "0x1F", "2026-11-22", "- a", "a: b", "a #b", "#fff", "'"),
        *("<<", "*a", "&a b", "!x", "%a", "@a", "`a", "|", ">", "? a", "[a]", "{a}", "a\nb", " a ", "a,b;c\td|e", '"'),
    ]
)


def is_sendable(prompt):
    """A prompt that the model takes, and that is no template and no spreadsheet's error."""
    is_formula = re.match(r"\s*{?=", prompt)
    return (
        bool(prompt.strip())
        and not re.search("{[{%]", prompt)
        and not prompt.strip("\r\n").startswith("#")
        and not is_formula
    )


PROMPTS = (st.text(CHARACTERS, min_size=1, max_size=40) | WORDS | st.builds(str.__add__, WORDS, WORDS)).filter(
    is_sendable
)
URLS = st.builds(
    "https://cdn.example.com/{}{}".format,
    st.text("abcXYZ0189-._~%:/?#[]@!$&'()*+;=,{}<>^`\"éß背", max_size=20),
    st.sampled_from(["a", "1.jpg", "?x=1", "#top"]),
).filter(lambda url: not re.search(r"[{}]|[#?].*\.jpg$", url))


def is_id(text):
    """An id that is no template and not what a spreadsheet shortens a number to."""
    is_plain = not re.search(r"{[{%]|\dE\+\d|^{?=", text, re.IGNORECASE)
    return bool(text.strip()) and text == text.strip() and text.isprintable() and len(text) <= 120 and is_plain


IDS = (st.text(CHARACTERS, min_size=1, max_size=20) | WORDS).filter(is_id)
JOBS = st.lists(
    st.fixed_dictionaries(
        {"id": IDS, "prompt": PROMPTS, "image_urls": st.lists(URLS, min_size=1, max_size=10)},
        optional={
            "aspect_ratio": st.sampled_from(RULES.fields["aspect_ratio"]["enum"]),
            "output_format": st.sampled_from(RULES.fields["output_format"]["enum"]),
            "num_images": st.integers(1, 4),
        },
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda job: unicodedata.normalize("NFC", job["id"]).casefold(),
)


def as_yaml(jobs, style, *, is_flow):
    """As another program writes YAML, every text in the style that is asked for where it allows it."""

    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(str, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", text, style))
    document = {"version": 1, "jobs": jobs}
    return yaml.dump(document, Dumper=Dumper, default_flow_style=is_flow, allow_unicode=True, width=60)


def as_table(jobs, delimiter=",", end="\r\n", separator="|"):
    """As a spreadsheet writes a table."""
    names = ["id", "prompt", "image_urls", "aspect_ratio", "output_format", "num_images", "note"]
    file = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL  # before 3.13 the writer left a lone \r bare
    writer = csv.DictWriter(file, names, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writeheader()
    for job in jobs:
        writer.writerow({**job, "image_urls": separator.join(job["image_urls"])})
    return file.getvalue()


def as_lines(jobs, *, is_ascii=True):
    return "".join(json.dumps(job, ensure_ascii=is_ascii) + "\n" for job in jobs)


def assert_is(manifest, jobs):
    """Every job, in order, with exactly the text that was written."""
    assert manifest is not None
    assert [{"id": spec.job_id, **spec.inputs} for spec in manifest.jobs] == jobs
    assert_can_be_sent(manifest)


def assert_can_be_sent(manifest):
    """What was accepted has bytes, an identity and a place of its own, and the model takes it."""
    assert manifest.jobs
    keys = {unicodedata.normalize("NFC", spec.job_id).casefold() for spec in manifest.jobs}
    assert len(keys) == len(manifest.jobs)
    for spec in manifest.jobs:
        assert spec.job_id.isprintable()
        assert 0 < len(stem_for(spec.job_id).encode()) <= LONGEST
        assert spec.fingerprint == fingerprint(spec.model, spec.inputs)
        assert json.loads(canonical(spec.inputs)) == spec.inputs
        canonical(spec.row)
        if spec.model == DEFAULT_MODEL:
            assert RULES.problems(spec.inputs) == []


# ------------------------------------------------------------------------------------- what is read is what was written


@FUZZ
@given(jobs=JOBS, style=st.sampled_from([None, "'", '"', "|", ">"]), is_flow=st.booleans())
def test_yaml_arrives_as_it_was_written(read, jobs, style, is_flow):
    """Plain, quoted, block or flow; but what other programs hold for text and YAML 1.2 for a number, as 0E0."""
    assume(style or not any(re.fullmatch(r"[-+.\d]+[eE][-+]?\d+", job["prompt"]) for job in jobs))
    text = as_yaml(jobs, style, is_flow=is_flow)
    assume(not NOT_IN_YAML.search(text))
    assert_is(read(text.encode(), "yaml"), jobs)


@FUZZ
@given(jobs=JOBS)
def test_json_is_yaml(read, jobs):
    """Escapes and all, but for JSON's way to write in two halves what lies beyond the first plane."""
    text = json.dumps({"version": 1, "jobs": jobs})
    assume(not re.search(r"\\ud[89ab]", text))
    assert_is(read(text.encode(), "yaml"), jobs)


@FUZZ
@given(
    jobs=JOBS,
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from(["|", " | ", " ", "\n"]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_table_arrives_as_it_was_written(read, jobs, delimiter, end, separator, codec):
    """But for line breaks at the ends of a prompt, which a spreadsheet adds and nobody sees."""
    jobs = [
        {**job, "prompt": prompt} for job in jobs if (prompt := job["prompt"].replace("\0", "").strip("\r\n")).strip()
    ]
    if jobs:
        text = as_table(jobs, delimiter, end, separator)
        assert_is(read(text.encode(codec), "tsv" if delimiter == "\t" else "csv"), jobs)


@FUZZ
@given(jobs=JOBS, is_ascii=st.booleans())
def test_json_lines_arrive_as_they_were_written(read, jobs, is_ascii):
    assert_is(read(as_lines(jobs, is_ascii=is_ascii).encode(), "jsonl"), jobs)


# ------------------------------------------------------------------------------------------------------------ mutations

SAMPLE = [
    {"id": "mug", "prompt": 'White, "soft" light.\nKeep it: #fff', "image_urls": [URL], "num_images": 2},
    {"id": "lamp", "prompt": "On an oak table", "image_urls": [URL, f"{URL}?2"], "aspect_ratio": "16:9"},
    {"id": "00123", "prompt": "背景を白に", "image_urls": [URL], "output_format": "webp"},
]
WHOLE = {
    "yaml": (
        "version: 1\nname: mugs\ndefaults: &d {aspect_ratio: 1:1}\nx-more: &m {<<: *d, num_images: 2}\njobs:\n"
        f"  - id: mug\n    prompt: |\n      White: soft.\n      Keep it\n    image_urls: [{URL}]\n"
        f"  - {{<<: *m, id: 00123, prompt: 'On oak', image_urls: {URL}}}\n"
        f"  - id: lamp\n    prompt: Use it # all\n    image_urls:\n      - {URL}\n      - {URL}?2\n"
    ).encode(),
    "csv": as_table(SAMPLE).encode(),
    "tsv": as_table(SAMPLE, "\t", "\n").encode(),
    "jsonl": (as_lines(SAMPLE) + as_lines([{"custom_id": "y", "body": SAMPLE[0] | {"id": "y"}}])).encode(),
}
PIECES = [
    *("\0", "\t", "\r", "\n", "\n\n", " ", "  ", "\x85", "\u2028", "\ufeff", "\x1b", '"', "'", '""', "\\", "\\ud800"),
    *(
        "[",
        "]",
        "{",
        "}",
        "[[[[[[[[",
        "{{",
        ",",
        ";",
        "|",
        ":",
        ": ",
        "- ",
        "? ",
        "#",
        " #",
        "|",
        ">",
        "---\n",
        "...\n",
    ),
    *("*d", "&d ", "&m [*m]", "<<: *d\n", "<<: *m, ", "!!int ", "!!binary ", "!x ", "!!python/object:os.system ", "%"),
    *("null", "true", "1e999", "-1e999", "NaN", "Infinity", "9" * 50, "-", "0", "\\u0000", "\\", "é", "e\u0301", "MUG"),
    *("id: mug\n", "id,", '"id": 5,', '"input": {', "model: ../x\n", '"model": [],', "sep=;\n", "#REF!", "http://x"),
    *("\U0001f600", "\u202e", "\u200b", "x" * 1100, "version: 1\n", "jobs:\n", "'" * 7, "sources: []\n", "x-a: *m\n"),
]


@st.composite
def mutations(draw, data):
    """The bytes after a few cuts, copies and insertions."""
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + draw(st.sampled_from([0, 1, 2, 8, 40, 400])))))
        match draw(st.sampled_from(["cut", "insert", "replace", "move", "repeat", "bytes"])):
            case "cut":
                data = data[:start] + data[end:]
            case "insert":
                data = data[:start] + draw(st.sampled_from(PIECES)).encode() + data[start:]
            case "replace":
                data = data[:start] + draw(st.sampled_from(PIECES)).encode() + data[end:]
            case "move":
                to = draw(st.integers(0, len(data)))
                data = data[:to] + data[start:end] + data[to:]
            case "repeat":
                data = data[:start] + data[start:end] * draw(st.sampled_from([2, 3, 60])) + data[end:]
            case "bytes":
                data = data[:start] + draw(st.binary(max_size=4)) + data[end:]
    return data


@pytest.mark.parametrize("ending", FORMATS)
def test_a_spoilt_manifest_is_read_or_refused(read, ending):
    """By the one error that says what is wrong; what is still read can be sent."""

    @settings(FUZZ, max_examples=500)
    @given(data=mutations(WHOLE[ending]))
    def spoil(data):
        if manifest := read(data, ending):
            assert_can_be_sent(manifest)

    assert_can_be_sent(read(WHOLE[ending], ending))
    spoil()


@pytest.mark.parametrize("ending", FORMATS)
def test_what_is_no_manifest_at_all_is_refused(read, ending):
    """Any bytes, and any words of the formats in any order."""

    @FUZZ
    @given(data=st.binary(max_size=200) | st.lists(st.sampled_from(PIECES), max_size=30).map("".join).map(str.encode))
    def scramble(data):
        if manifest := read(data, ending):
            assert_can_be_sent(manifest)

    scramble()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(PIECES),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["id", "custom_id", "prompt", "image_urls", "model", "num_images", "input", "row", "x-a", "seed"]
)


@FUZZ
@given(
    job=st.dictionaries(NAMES, JSON, max_size=6), top=st.dictionaries(st.sampled_from(["name", "run", "model"]), JSON)
)
def test_any_value_may_stand_in_any_field(read, job, top):
    """Every type where another is wanted: it is told, or it is what a model that nobody here knows may want."""
    document = {"version": 1, **top, "jobs": [job]}
    for text, ending in ((json.dumps(job), "jsonl"), (json.dumps(document), "yaml")):
        if manifest := read(text.encode(), ending):
            assert_can_be_sent(manifest)


# ---------------------------------------------------------------------------------------------------- catalog and names


@FUZZ
@given(
    card=st.dictionaries(st.sampled_from(["input_schema", "inputs", "base_price_usd", "price_unit", "x"]), JSON),
    properties=st.dictionaries(st.sampled_from(["image_url", "seed", "a"]), JSON, max_size=3),
    inputs=st.dictionaries(st.sampled_from(["image_url", "seed", "a"]), JSON, max_size=3),
)
def test_any_card_can_be_read_and_any_inputs_judged(card, properties, inputs):
    """What the service says of a model is the service's affair; no run ends by it."""
    for document in (card, {"input_schema": {"properties": properties}}):
        rules = rules_for(parse_card("owner/other", document))
        assert all(problem.code and problem.message for problem in rules.problems(inputs))


@FUZZ
@given(one=st.text(CHARACTERS, max_size=150), other=st.text(CHARACTERS, max_size=150))
def test_any_two_ids_have_two_safe_names(one, other):
    for job_id in (one, other):
        name = stem_for(job_id)
        assert 0 < len(name.encode()) <= LONGEST
        assert all(char.isalnum() or char in "._-" for char in name)
        assert name[0] not in ".-"
        assert name[-1] != "."
    is_one = unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)
    assert (stem_for(one) == stem_for(other)) == is_one
