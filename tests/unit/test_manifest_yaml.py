"""YAML manifests: what they say is what is sent, and whatever cannot be sent is named with its place and remedy."""

import os
import time

import pytest

from runner.batch.options import FROM_MANIFEST
from runner.catalog import bundled, rules_for
from runner.errors import ExitCode, InputMissing, UsageProblem
from runner.manifest import (
    DEFAULT_MODEL,
    InvalidManifest,
    as_json,
    read_manifest,
    render,
    template,
)

CARD = bundled(DEFAULT_MODEL)
RULES = rules_for(CARD)
URL = "https://cdn.example.com/mug.jpg"
JOB = f"- {{id: mug, prompt: white, image_urls: [{URL}]}}"


def rules_of(model):
    return RULES if model == DEFAULT_MODEL else None


@pytest.fixture
def read(tmp_path):
    """Reads a manifest of this text, or of these bytes."""

    def read(text, name="m.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_manifest(path, rules=rules_of, settings=FROM_MANIFEST)

    return read


@pytest.fixture
def found(read):
    """What is wrong with a manifest: code, line and column, message and hint, in the order of the file."""

    def found(text):
        with pytest.raises(InvalidManifest) as caught:
            read(text)
        assert caught.value.exit_code is ExitCode.MANIFEST_INVALID
        assert caught.value.message.endswith("Nothing was submitted.")
        wrong = sorted(caught.value.diagnostics, key=lambda d: (d.place.line, d.place.column or 0))
        return [(d.code, d.place.line, d.place.column, d.message, d.hint) for d in wrong if d.severity == "error"]

    return found


def job(value, field="x"):
    """A manifest whose one job has this field written so; it says nothing else that is wrong."""
    more = {"id": "mug", "prompt": "white", "image_urls": f"[{URL}]"} | {field: value}
    return "version: 1\njobs:\n  - " + "\n    ".join(f"{key}: {text}" for key, text in more.items()) + "\n"


def one(manifest):
    (spec,) = manifest.jobs
    return spec


# --------------------------------------------------------------------------------------------------------- what is read


def test_a_manifest_is_its_name_its_jobs_and_their_places(read, tmp_path):
    """Every field that the model takes arrives as it was written; the source names file and line."""
    manifest = read(
        """\
version: 1
name: mugs
defaults: {output_format: jpeg, aspect_ratio: 1:1}
run: {concurrency: 8, max_cost_usd: 40}
x-note: anything
jobs:
  - id: mug-blue
    prompt: Replace the background with pure white.
    image_urls: [https://cdn.example.com/mug-blue.jpg]
    x-note: [for, us]
  - id: mug-red
    prompt: |
      Put the mug from image 1 on the table in image 2.
      Keep the logo: do not redraw any text.
    image_urls: [https://cdn.example.com/mug-red.jpg, https://cdn.example.com/oak-table.jpg]
    num_images: 2
    output_format: webp
"""
    )
    assert (manifest.name, manifest.path, manifest.run) == (
        "mugs",
        tmp_path / "m.yaml",
        {"concurrency": 8, "max_cost_usd": 40},
    )
    assert manifest.warnings == ()
    assert [(j.job_id, j.model, j.source, dict(j.row), dict(j.inputs)) for j in manifest.jobs] == [
        (
            "mug-blue",
            DEFAULT_MODEL,
            f"{tmp_path}/m.yaml:7",
            {},
            {
                "output_format": "jpeg",
                "aspect_ratio": "1:1",
                "prompt": "Replace the background with pure white.",
                "image_urls": ["https://cdn.example.com/mug-blue.jpg"],
            },
        ),
        (
            "mug-red",
            DEFAULT_MODEL,
            f"{tmp_path}/m.yaml:11",
            {},
            {
                "output_format": "webp",
                "aspect_ratio": "1:1",
                "prompt": "Put the mug from image 1 on the table in image 2.\nKeep the logo: do not redraw any text.\n",
                "image_urls": ["https://cdn.example.com/mug-red.jpg", "https://cdn.example.com/oak-table.jpg"],
                "num_images": 2,
            },
        ),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("16:9", "16:9"),
        ("1:1", "1:1"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("2026-11-22", "2026-11-22"),
        ("12:30:00", "12:30:00"),
        ("00123", "00123"),
        ("0x1f", "0x1f"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 40, "9" * 40),
        ("=", "="),
        ("<<", "<<"),
        ("'<<'", "<<"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
        ("!!str null", "null"),
        ("'~'", "~"),
        ('"a\\nb\\u00e9"', "a\nbé"),
        ("Use https://x.example.com/#top", "Use https://x.example.com/#top"),
        ("日本語の背景", "日本語の背景"),
    ],
)
def test_what_looks_like_text_is_text(read, written, meant):
    """By the core rules of YAML 1.2, where only null, true, false and decimal numbers are anything else."""
    assert one(read(job(written, "prompt"))).inputs["prompt"] == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("0", 0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("{a: [1, x: 2]}", {"a": [1, {"x": 2}]}),
        ("'{a: 1}'", "{a: 1}"),
    ],
)
def test_what_is_not_text_has_its_type(read, written, meant):
    """A model that only the service knows gets the values as they are."""
    text = job(written, "seed").replace("version: 1", "version: 1\nmodel: owner/other")
    assert one(read(text)).inputs["seed"] == meant


@pytest.mark.parametrize("written", ["00123", "1e5", "007.50", "true", "no", "2026-11-22", "'0x1'", "null", "ミ-1"])
def test_an_id_stays_as_it_was_written(read, written):
    """A SKU is a name, whatever number or word it resembles."""
    assert one(read(job(written, "id"))).job_id == written.strip("'")


def test_a_job_without_an_id_is_named_by_its_request(read):
    """Never by its place in the list: an entry that is put before it would have it paid again."""
    alone = read(f"version: 1\njobs:\n- {{prompt: a, image_urls: [{URL}]}}\n")
    second = read(f"version: 1\njobs:\n{JOB}\n- {{prompt: a, image_urls: [{URL}]}}\n")
    assert one(alone).job_id == second.jobs[1].job_id == one(alone).fingerprint[:12]


def test_a_job_overrides_the_defaults_and_lists_replace(read):
    text = """\
version: 1
model: owner/general
defaults: {prompt: base, image_urls: [https://a.example.com/1.jpg, https://a.example.com/2.jpg], num_images: 2}
jobs:
  - id: plain
  - {id: own, prompt: mine, image_urls: [https://a.example.com/3.jpg], model: google/nano-banana/edit}
"""
    plain, own = read(text).jobs
    both = ["https://a.example.com/1.jpg", "https://a.example.com/2.jpg"]
    assert (plain.model, plain.inputs) == (
        "owner/general",
        {"prompt": "base", "image_urls": both, "num_images": 2},
    )
    assert (own.model, own.inputs) == (
        DEFAULT_MODEL,
        {"prompt": "mine", "image_urls": ["https://a.example.com/3.jpg"], "num_images": 2},
    )


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (URL, [URL]),
        (f"{URL}|{URL}?2", [URL, f"{URL}?2"]),
        (f"|\n      {URL}\n      {URL}?2", [URL, f"{URL}?2"]),
    ],
)
def test_urls_may_stand_in_one_text(read, written, meant):
    """As in a table's cell."""
    assert one(read(job(written, "image_urls"))).inputs["image_urls"] == meant


def test_anchors_aliases_and_merges_are_followed(read):
    """A job's own keys win over merged ones, an earlier source over a later one, a nearer over a farther."""
    text = """\
version: 1
x-far: &far {aspect_ratio: 1:1, output_format: webp, num_images: 3}
x-near: &near {<<: *far, num_images: 2}
x-late: &late {prompt: late, num_images: 4}
x-urls: &urls [https://a.example.com/1.jpg]
jobs:
  - {<<: [*near, *late], id: a, output_format: png, image_urls: *urls}
  - {id: b, prompt: own, image_urls: *urls, <<: *late}
"""
    first, second = read(text).jobs
    urls = ["https://a.example.com/1.jpg"]
    ratio = {"output_format": "png", "aspect_ratio": "1:1"}
    assert first.inputs == {**ratio, "image_urls": urls, "num_images": 2, "prompt": "late"}
    assert second.inputs == {"prompt": "own", "image_urls": urls, "num_images": 4}


def test_every_job_may_merge_the_same_mapping(read):
    """Thousands of uses of one anchor are no bomb."""
    lines = "".join(f"- {{<<: *base, id: j{n}, image_urls: [{URL}]}}\n" for n in range(2500))
    manifest = read(f"version: 1\nx-base: &base {{prompt: white, aspect_ratio: 1:1}}\njobs:\n{lines}")
    assert len(manifest.jobs) == 2500
    assert {j.inputs["prompt"] for j in manifest.jobs} == {"white"}


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_is_read_and_utf_16_with_its_mark(read, codec):
    assert one(read(job("é 背景", "prompt").encode(codec))).inputs["prompt"] == "é 背景"


def test_utf_16_without_its_mark_is_refused(found):
    """Without a mark nothing but UTF-8 is read: a guess would be paid for."""
    assert [code for code, *_ in found(job("white", "prompt").encode("utf-16-le"))] == ["nul"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_will_do(read, end):
    manifest = read(job("white", "prompt").replace("\n", end))
    assert (one(manifest).inputs["prompt"], manifest.jobs[0].source[-2:]) == ("white", ":3")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Spring Catalogue.yaml", "spring-catalogue"),
        ("A_b.1.YML", "a_b.1"),
        ("---.yaml", "batch"),
        ("日本.yaml", "batch"),
    ],
)
def test_a_manifest_without_a_name_is_called_as_its_file(read, file, name):
    assert read(f"version: 1\njobs:\n{JOB}\n", file).name == name


# ----------------------------------------------------------------------------------------------- what is not a manifest


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputMissing, match=r"none\.yaml: no such file"):
        read_manifest(tmp_path / "none.yaml", rules=rules_of)


def test_a_file_that_cannot_be_looked_at_is_named(tmp_path):
    with pytest.raises(InputMissing, match=r"\.yaml: File name too long"):
        read_manifest(tmp_path / f"{'m' * 300}.yaml", rules=rules_of)


@pytest.mark.parametrize(
    ("name", "size", "error", "said"),
    [
        ("m.csv", (4 << 30) + 1, InputMissing, "is larger than 4 GiB"),
        ("m.yaml", (64 << 20) + 1, InvalidManifest, "a YAML manifest of more than 64 MB\n        = use CSV or JSONL"),
    ],
)
def test_a_giant_is_refused_before_it_is_parsed(tmp_path, name, size, error, said):
    with (tmp_path / name).open("wb") as file:
        file.truncate(size)
    with pytest.raises(error, match=said):
        read_manifest(tmp_path / name, rules=rules_of)


def test_a_folder_or_a_pipe_is_no_manifest(tmp_path):
    """A pipe that nobody writes to is not waited for."""
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(InputMissing, match="is not a regular file"):
        read_manifest(tmp_path / "pipe.yaml", rules=rules_of)
    with pytest.raises(InputMissing, match=r"is a folder: .+ says  sources: \[\{folder: folder.yaml/\}\]"):
        read_manifest(tmp_path / "folder.yaml", rules=rules_of)


def test_an_unknown_ending_is_a_usage_problem(read):
    with pytest.raises(UsageProblem, match=r"known endings: \.csv, .*\.yml"):
        read(JOB, "m.toml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "just words", "[1, 2]", "- id: a\n"])
def test_a_manifest_is_a_mapping(found, text):
    assert (
        found(text)
        == [
            ("manifest", 1, None, "a manifest is a mapping", "it begins with `version: 1` and a list `jobs:`"),
            ("no-jobs", 1, None, "there are no jobs in it", "add at least one"),
        ][:1]
    )


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"version: 1\nname: \xe9t\xe9\n", 2, "byte 0xe9 is not UTF-8"),
        (b"\xff\xfea", 1, "byte 0x61 is not UTF-8"),
    ],
)
def test_another_encoding_is_not_guessed(found, data, line, message):
    """A garbled prompt costs money."""
    assert found(data) == [("encoding", line, None, message, "save it as UTF-8")]


@pytest.mark.parametrize("character", list("\0\x01\x0b\x1b\x7f\x85\x9b\u2028\u2029"))
def test_a_character_that_nobody_sees_is_named_with_its_place(found, character):
    """The parser would end the line there, or fold the character away, and the prompt sent would be another."""
    text = job(f'"a{character}b"', "prompt")
    assert found(text) == [("nul", 4, 15, f"the control character {character!r}", "remove it")]


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        (
            "version: 1\njobs:\n  - prompt: Keep: the mug\n",
            3,
            17,
            "mapping values are not allowed in this context",
            'a value that contains ": " must be quoted, or written as a block:  prompt: |',
        ),
        (
            "version: 1\njobs:\n  - prompt: @home\n",
            3,
            13,
            "found character that cannot start any token",
            "quote a value that starts with @",
        ),
        (
            "version: 1\n\tname: a\n",
            2,
            1,
            "found a tab character that violates indentation",
            "indent with spaces, not tabs",
        ),
        ("version: 1\nx: *nobody\n", 2, 4, "found undefined alias 'nobody'", "quote a value that starts with *"),
        ("version: 1\njobs: [\n", 3, 1, "did not find expected node content", "close the bracket"),
        ("version: 1\n---\nversion: 1\n", 2, 1, "a second document begins here", "keep one manifest in a file"),
        ("%YAML 9.9\n---\nversion: 1\n", 1, 1, "the line %YAML asks for another YAML", "leave that line out"),
        (
            'version: 1\nname: "\\ud800"\n',
            2,
            10,
            "found invalid Unicode character escape code",
            "write the character itself",
        ),
    ],
)
def test_a_syntax_error_has_its_place_and_a_remedy(found, text, line, column, message, hint):
    assert found(text) == [("yaml-syntax", line, column, message, hint)]


@pytest.mark.parametrize(
    ("flow", "remedy"),
    [
        ("{file: a.csv, where: status in ['new', 'sale']}", "condition:  where: \"status in ['new', 'sale']\""),
        ("{file: a.csv, where: 'gift' in tags, per: image}", "condition:  where: \"'gift' in tags\""),
        ("{file: a.csv, where: row['Status'] == \"it's\"}", "condition:  where: 'row[''Status''] == \"it''s\"'"),
        ("{file: a.csv, where: tags.split(',')[1] == 'x'}", "condition:  where: \"tags.split(',')[1] == 'x'\""),
        ("{file: a.csv,\n     where: (a or b) and c in ['d']}", "condition:  where: \"(a or b) and c in ['d']\""),
        ("{file: a.csv, where: status in ['new']", "condition:  where: \"status in ['new']\""),
        ("{ratio: 1:1, when: id in ['a']}", "condition:  when: \"id in ['a']\""),
        ("{id: a, prompt: Ana's mug [red], seed: 1}", 'text:  prompt: "Ana\'s mug [red]"'),
        ('{id: a, prompt: "White" mug, seed: 1}', "text:  prompt: '\"White\" mug'"),
        ("{id: a, prompt: White [" + "mug " * 30 + "]}", 'text:  prompt: "White [' + ("mug " * 30)[:73] + '…"'),
    ],
)
def test_a_text_that_yaml_ends_early_within_brackets_is_to_be_quoted(found, flow, remedy):
    """The README writes sources on one line, and conditions with lists."""
    [(code, *_, message, hint)] = found(f"version: 1\nsources:\n  - {flow}\n")
    assert (code, message) == ("yaml-syntax", "did not find expected ',' or '}'")
    assert hint == f"quote the {remedy}"


@pytest.mark.parametrize(
    "flow",
    [
        "{file: a.csv, where: \"status == 'new'\"]",
        "{file: a.csv, where: 'it''s']",
        "{where: a, file: b [c]}",
        "{file: a.csv" + ", where: a" * 10_000 + " [b]}",
    ],
)
def test_what_is_quoted_or_stands_elsewhere_is_not_to_be_quoted(found, flow):
    [(code, *_, hint)] = found(f"version: 1\nsources:\n  - {flow}\n")
    assert (code, hint.startswith("quote the condition")) == ("yaml-syntax", "[b]" in flow)


def test_a_character_that_is_none_is_refused(found):
    ((code, line, column, message, _),) = found(job('"a\uffffb"', "prompt"))
    assert (code, line, column) == ("yaml-syntax", 4, 15)
    assert message.startswith("not YAML: unacceptable character #xffff")


@pytest.mark.parametrize("tag", ["!foo", "!!python/object:os.system", "!!binary", "!!int", "!!float", "!!set", "!"])
def test_a_tag_is_refused(found, tag):
    """Nothing is built from a manifest but plain values; `!!str`, which only says that it is text, is harmless."""
    text = job(f"{tag} abc", "prompt")
    assert found(text) == [("yaml-tag", 4, 13, f"the tag {tag!r} is not allowed", "write plain values")]


# ---------------------------------------------------------------------------------------------------------------- bombs

LAUGHS = "version: 1\nx-0: &a0 [l, l, l, l, l, l, l, l, l]\n" + "".join(
    f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "version: 1\nx-0: &a0 {k: 1}\n" + "".join(
    f"x-{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text",
    [
        LAUGHS + f"jobs: [{{id: a, prompt: *a11, image_urls: [{URL}]}}]\n",
        LAUGHS + "jobs: [{id: a, prompt: p, image_urls: *a11}]\n",
        LAUGHS + "jobs: [{id: *a11}]\n",
        LAUGHS + f"defaults: {{prompt: *a11}}\njobs: [{JOB[2:]}]\n",
        LAUGHS + f"run: {{concurrency: *a11}}\njobs: [{JOB[2:]}]\n",
        MERGES + "jobs: [{<<: *a11, id: a}]\n",
        MERGES + f"defaults: {{<<: *a11}}\njobs: [{JOB[2:]}]\n",
        "version: 1\njobs: [&me {<<: *me, id: a}]\n",
        "version: 1\njobs: [{id: a, prompt: &me [*me]}]\n",
        "version: 1\n<<: &me {<<: *me}\njobs: []\n",
    ],
    ids=[
        *("laughs in a prompt", "laughs in a list", "laughs in an id", "laughs in defaults", "laughs in run"),
        *("merges in a job", "merges in defaults", "merge of itself", "list of itself", "merge at the top"),
    ],
)
def test_a_bomb_is_refused_in_a_moment(found, text):
    """Nine to the eleventh of anything is counted, not built; a second of processor time is far more than it takes."""
    before = time.process_time()
    hint = "aliases (*name) and merges (<<) that hold one another multiply: write it out"
    assert ("yaml-bomb", 1, None, "refused: it unfolds to more than anybody writes", hint) in found(text)
    assert time.process_time() - before < 1


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text",
    [
        "[" * 30_000,
        "{" * 30_000,
        "version: 1\njobs: " + "[" * 30_000 + "]" * 30_000,
        "- " * 30_000,
        "? " * 30_000,
        "version: 1\njobs: " + "[" * 51 + "]" * 51,
    ],
    ids=["brackets", "braces", "closed brackets", "dashes", "question marks", "one level too many"],
)
def test_a_tower_of_brackets_is_refused(found, text):
    """The parser's own recursion would end the process."""
    ((code, _, column, *_),) = found(text)
    assert (code, column > 50) in {("yaml-bomb", True), ("yaml-syntax", True)}


def test_a_value_may_be_as_deep_as_anybody_needs(read):
    text = "version: 1\nmodel: owner/other\njobs:\n- {id: a, x: " + "[" * 40 + "]" * 40 + "}\n"
    assert str(one(read(text)).inputs["x"]) == "[" * 40 + "]" * 40


# ------------------------------------------------------------------------------------------ what a manifest may not say


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"version: 1\ndefualts: {{}}\njobs:\n{JOB}\n",
            ("unknown-key", 2, 1, "unknown key 'defualts' in the manifest", "did you mean 'defaults'?"),
        ),
        (
            f"version: 1\nqqq: 1\njobs:\n{JOB}\n",
            (
                "unknown-key",
                2,
                1,
                "unknown key 'qqq' in the manifest",
                "known: version, name, model, defaults, sources, matrix, jobs, overrides, output, run",
            ),
        ),
        (f"jobs:\n{JOB}\n", ("version", 1, None, "the format's version is missing", "begin with  version: 1")),
        (f"version: 2\njobs:\n{JOB}\n", ("version", 1, 10, "only version 1 is known", "write  version: 1")),
        (f"version: '1'\njobs:\n{JOB}\n", ("version", 1, 10, "only version 1 is known", "write  version: 1")),
        (f"version: true\njobs:\n{JOB}\n", ("version", 1, 10, "only version 1 is known", "write  version: 1")),
        (
            f"version: 1\nname: My Mugs\njobs:\n{JOB}\n",
            (
                "name",
                2,
                7,
                "not a name: 'My Mugs'",
                "lower-case letters, digits, . _ and -, as in  spring-catalogue",
            ),
        ),
        (
            f"version: 1\nname: ../etc\njobs:\n{JOB}\n",
            ("name", 2, 7, "not a name: '../etc'", "lower-case letters, digits, . _ and -, as in  spring-catalogue"),
        ),
        (
            f"version: 1\nname: [a]\njobs:\n{JOB}\n",
            ("name", 2, 7, "not a name: \"['a']\"", "lower-case letters, digits, . _ and -, as in  spring-catalogue"),
        ),
        (
            "version: 1\n",
            ("no-jobs", 1, None, "there is no list `jobs:`", "add  jobs:  with at least one entry, or  sources:"),
        ),
        ("version: 1\njobs: []\n", ("no-jobs", 1, None, "there are no jobs in it", "add at least one")),
        ("version: 1\njobs:\n", ("jobs", 2, 6, "jobs: expected a list", "begin each job with  - id: …")),
        ("version: 1\njobs: {a: 1}\n", ("jobs", 2, 7, "jobs: expected a list", "begin each job with  - id: …")),
        (
            f"version: 1\njobs:\n{JOB}\n- mug\n",
            ("job", 4, 3, "jobs[1] is not a mapping", "write  - id: …  with its fields below"),
        ),
        (
            f"version: 1\ndefaults: [1]\njobs:\n{JOB}\n",
            ("defaults", 2, 11, "defaults: expected a mapping", "as in  aspect_ratio: 1:1"),
        ),
        (
            f"version: 1\ndefaults: {{id: a}}\njobs:\n{JOB}\n",
            ("unknown-key", 2, 16, "an id cannot be a default", 'a template makes one for each, as  id: "{{ sku }}"'),
        ),
        (f"version: 1\nrun: 5\njobs:\n{JOB}\n", ("run", 2, 6, "run: expected a mapping", "as in  concurrency: 8")),
        (
            f"version: 1\njobs:\n- {{<<: 5, id: a, prompt: p, image_urls: [{URL}]}}\n",
            ("yaml-merge", 3, 4, "<< in jobs[0] merges what is no mapping", "write  <<: *name-of-a-mapping"),
        ),
        (
            f"version: 1\njobs:\n- {{id: a, prompt: {{{{ title }}}}, image_urls: [{URL}]}}\n",
            (
                "yaml-key",
                3,
                20,
                "a key in a mapping is not a word",
                "a value that starts with {{ must be quoted:  '{{ title }}'",
            ),
        ),
    ],
)
def test_what_is_not_in_the_format_is_named(found, text, expected):
    assert expected in found(text)


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        (f"version: 1\nname: a\nname: b\njobs:\n{JOB}\n", 3, 1, "duplicate key 'name' in the manifest", "line 2"),
        (
            "version: 1\ndefaults:\n  prompt: a\n  num_images: 1\n  prompt: b\njobs:\n" + JOB,
            5,
            3,
            "duplicate key 'prompt' in defaults",
            "line 3",
        ),
        (job("mug") + "    id: pot\n", 7, 5, "duplicate key 'id' in jobs[0]", "line 3"),
        (
            "version: 1\nmodel: o/m\njobs:\n- {id: a, x: {k: 1, k: 2}}\n",
            4,
            21,
            "duplicate key 'k' in a mapping",
            "line 4",
        ),
        (f"version: 1\njobs:\n{JOB}\n'version': 1\n", 4, 1, "duplicate key 'version' in the manifest", "line 1"),
    ],
)
def test_a_second_key_is_an_error_that_names_both_places(found, text, line, column, message, hint):
    """The last of two would win silently, or the first."""
    assert ("duplicate-key", line, column, message, f"first on {hint}: keep one of them") in found(text)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[a]", "\"['a']\""),
        ("{}", "'{}'"),
        ("5", "'5'"),
        ("true", "'True'"),
        ("a b", "'a b'"),
        ("../../v2/models/x", "'../../v2/models/x'"),
        ("/etc/passwd", "'/etc/passwd'"),
        ("owner//model", "'owner//model'"),
        ("owner/../model", "'owner/../model'"),
        ("owner/model?x=1", "'owner/model?x=1'"),
        ("'owner/model#x'", "'owner/model#x'"),
        ('"a\\0b"', "'a\\x00b'"),
        ("naïve/model", "'naïve/model'"),
        ("m" * 121, repr("m" * 60)),
    ],
)
def test_a_model_is_named_by_its_id_and_by_nothing_else(found, written, shown):
    """The id is part of the URL that is paid at."""
    text = job("white", "prompt").replace("version: 1", f"version: 1\nmodel: {written}")
    assert found(text) == [("model", 2, 8, f"not a model's id: {shown}", f"as in {DEFAULT_MODEL}")]
    inside = job(written, "model")
    assert [(code, line) for code, line, *_ in found(inside)] == [("model", 6)]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[1, 2]", "an id must be text, got [1, 2]"),
        ("{a: 1}", "an id must be text, got {'a': 1}"),
        ("''", "the id is blank"),
        ("'  '", "the id is blank"),
        ('"a\\nb"', "not an id: 'a\\nb'"),
        ('"a\\0b"', "not an id: 'a\\x00b'"),
        ('"a\\u202eb"', "not an id: 'a\\u202eb'"),
        ("a" * 121, f"not an id: {'a' * 60!r}"),
        ("1.23E+12", "id '1.23E+12' was shortened by a spreadsheet"),
        ("1,23E+12", "id '1,23E+12' was shortened by a spreadsheet"),
    ],
)
def test_an_id_is_a_line_of_printable_text(found, written, message):
    ((code, line, _, said, _),) = found(job(written, "id"))
    assert (code, line, said) == ("id", 3, message)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("mug", "mug", "duplicate id 'mug'"),
        ("Mug", "mUG", "differs from 'Mug' only in case or form: id 'mUG'"),
        ("caf\u00e9", "cafe\u0301", "differs from 'caf\u00e9' only in case or form: id 'cafe\u0301'"),
        ("STRASSE", "straße", "differs from 'STRASSE' only in case or form: id 'straße'"),
    ],
)
def test_two_ids_that_a_file_system_could_take_for_one_are_refused(found, first, second, said):
    text = "version: 1\njobs:\n" + "".join(
        f"- {{id: {name}, prompt: p, image_urls: [{URL}]}}\n" for name in (first, "lamp", second)
    )
    assert found(text) == [("duplicate-id", 5, 8, said, "first used at line 3")]


# -------------------------------------------------------------------------------------------- what a model would refuse


@pytest.mark.parametrize(
    ("field", "written", "code", "message"),
    [
        ("prompt", "''", "prompt-length", "prompt is empty"),
        ("prompt", "'  '", "prompt-length", "prompt is blank"),
        ("prompt", "x" * 1001, "prompt-length", "prompt is 1001 characters long, the limit is 1000"),
        ("prompt", "5", "wrong-type", "prompt must be of type string, got 5"),
        ("prompt", "~", "wrong-type", "prompt must be of type string, got nothing"),
        ("prompt", "[a]", "wrong-type", "prompt must be of type string, got ['a']"),
        (
            "prompt",
            "'{{ title }} on oak'",
            "template",
            "'title' is undefined",
        ),
        ("image_urls", "[]", "image-count", "0 image_urls; from 1 to 10 are taken"),
        ("image_urls", f"[{', '.join([URL] * 11)}]", "image-count", "11 image_urls; from 1 to 10 are taken"),
        ("image_urls", "[5]", "wrong-type", "image_urls.0 must be of type string, got 5"),
        ("image_urls", "photos/mug.jpg", "url", "not a URL: photos/mug.jpg"),
        (
            "image_urls",
            "http://cdn.example.com/a.jpg",
            "url-scheme",
            "https:// is needed: http://cdn.example.com/a.jpg",
        ),
        ("aspect_ratio", "16:10", "aspect-ratio", "aspect_ratio: '16:10' is not supported"),
        ("aspect_ratio", "1.5", "aspect-ratio", "aspect_ratio: '1.5' is not supported"),
        ("output_format", "gif", "output-format", "output_format: 'gif' is not supported"),
        ("num_images", "0", "num-images", "num_images must be 1 to 4, got 0"),
        ("num_images", "5", "num-images", "num_images must be 1 to 4, got 5"),
        ("num_images", "1.5", "num-images", "num_images must be of type integer, got 1.5"),
        ("num_images", "'2'", "num-images", "num_images must be of type integer, got '2'"),
        ("num_images", "010", "num-images", "num_images must be of type integer, got '010'"),
        ("num_images", "1e999", "num-images", "num_images must be of type integer, got '1e999'"),
        ("num_images", "9" * 39, "num-images", f"num_images must be 1 to 4, got {'9' * 39}"),
        ("seed", "5", "unknown-field", "unknown field 'seed'"),
    ],
)
def test_what_the_model_would_refuse_is_refused_here(found, field, written, code, message):
    """Before anything is sent, at the value's own place."""
    assert (code, message) in [(c, m) for c, _, _, m, _ in found(job(written, field))]


def test_the_limits_themselves_are_allowed(read):
    """A thousand characters, whatever their bytes; ten pictures; four variants."""
    prompt, urls = "é" * 999 + "背", [f"{URL}?{n}" for n in range(10)]
    text = (
        f"version: 1\njobs:\n- {{id: {'i' * 120}, prompt: {prompt}, image_urls: [{', '.join(urls)}], num_images: 4}}\n"
    )
    spec = one(read(text))
    assert (spec.job_id, spec.inputs) == ("i" * 120, {"prompt": prompt, "image_urls": urls, "num_images": 4})


def test_every_error_is_told_at_once(found):
    """With its own line and column; a missing field at the job's, an inherited one once, where it is written."""
    text = """\
version: 1
nmae: mugs
defaults:
  aspect_ratio: 16x9
jobs:
  - id: one
    promt: white
    image_urls: [https://a.example.com/1.jpg, http://a.example.com/2.jpg]
  - id: two
    prompt: white
    image_urls: [/home/me/mug.jpg]
    output_format: jpg
    num_images: 9
"""
    assert found(text) == [
        ("unknown-key", 2, 1, "unknown key 'nmae' in the manifest", "did you mean 'name'?"),
        (
            "aspect-ratio",
            4,
            17,
            "aspect_ratio: '16x9' is not supported",
            "did you mean '16:9'? allowed: auto, 21:9, 16:9, 3:2, 4:3, 5:4, 1:1, 4:5, 3:4, 2:3, 9:16",
        ),
        ("missing-field", 6, 5, "'prompt' is missing", "give the job its prompt, or all jobs one by defaults"),
        ("unknown-field", 7, 12, "unknown field 'promt'", "did you mean 'prompt'?"),
        (
            "url-scheme",
            8,
            47,
            "https:// is needed: http://a.example.com/2.jpg",
            "did you mean https://a.example.com/2.jpg",
        ),
        (
            "url",
            11,
            18,
            "not a URL: /home/me/mug.jpg",
            "the service fetches public https:// URLs: upload the file first",
        ),
        (
            "output-format",
            12,
            20,
            "output_format: 'jpg' is not supported",
            "did you mean 'jpeg'? allowed: jpeg, png, webp",
        ),
        ("num-images", 13, 17, "num_images must be 1 to 4, got 9", "write a number from 1 to 4"),
    ]


# ------------------------------------------------------------------------------------------------------------ foot-guns


@pytest.mark.parametrize(
    ("text", "line", "column", "sent"),
    [
        (job("Use it # ask Ana", "prompt"), 4, 20, "Use it"),
        (job("Use it\n      all # ask Ana", "prompt"), 5, 11, "Use it all"),
        (f"version: 1\ndefaults:\n  prompt: Use # fff\njobs:\n- {{id: a, image_urls: [{URL}]}}\n", 3, 15, "Use"),
    ],
    ids=["one line", "several lines", "defaults"],
)
def test_a_comment_behind_a_prompt_is_pointed_out(read, text, line, column, sent):
    """It is meant as one, or was meant as text, so it is a warning; the words that will be sent stand in it."""
    manifest = read(text)
    (warning,) = manifest.warnings
    assert (warning.severity, warning.code, warning.place.line, warning.place.column) == (
        "warning",
        "yaml-comment",
        line,
        column,
    )
    assert warning.message == f"everything after ' #' is a YAML comment: the prompt sent will be {sent!r}"
    assert one(manifest).inputs["prompt"] == sent


@pytest.mark.parametrize(
    "text",
    [
        job("'Use #f5f5f5 background'", "prompt"),
        job("Use shade#5", "prompt"),
        job("|\n      Use #f5f5f5\n", "prompt"),
        f"version: 1\njobs:\n- {{id: a, prompt: white, image_urls: [{URL}]}}  # the mug\n",
        f"version: 1\n# defaults\njobs:\n  # the mug\n{JOB}\n",
        job(f"white\n    #prompt: red\n    num_images: 2 #two  {URL}", "prompt") + "    #end\n#end\n",
    ],
    ids=["quoted", "inside a word", "block", "after the job", "lines of their own", "glued"],
)
def test_a_comment_elsewhere_is_a_comment(read, text):
    assert read(text).warnings == ()


# ------------------------------------------------------------------------------------------------------- how it is told


def told(read, text):
    with pytest.raises(InvalidManifest) as caught:
        read(text)
    return caught.value


def test_an_error_is_shown_with_its_line_and_remedy(read, tmp_path):
    """As a compiler does, so that editors find the place."""
    error = told(read, f"version: 1\ndefualts: {{}}\njobs:\n{JOB}\n")
    assert error.message == (
        f"{tmp_path}/m.yaml:2:1: error[unknown-key]: unknown key 'defualts' in the manifest\n"
        "      2 | defualts: {}\n"
        "        | ^^^^^^^^\n"
        "        = did you mean 'defaults'?\n"
        "1 error. Nothing was submitted."
    )
    assert as_json(error.diagnostics) == [
        {
            "severity": "error",
            "code": "unknown-key",
            "file": f"{tmp_path}/m.yaml",
            "message": "unknown key 'defualts' in the manifest",
            "hint": "did you mean 'defaults'?",
            "line": 2,
            "column": 1,
            "cell": None,
        }
    ]


def test_of_a_long_line_the_part_that_is_wrong_is_shown(read):
    text = f"version: 1\njobs:\n- {{id: a, prompt: {'white ' * 90}, image_urls: [{URL}], num_images: 7}}\n"
    head, excerpt, carets, _, verdict = told(read, text).message.splitlines()
    assert head.endswith("num_images must be 1 to 4, got 7")
    assert excerpt[carets.index("^")] == "7"
    assert max(len(excerpt), len(carets)) <= 170
    assert verdict == "1 error. Nothing was submitted."


def test_one_mistake_made_everywhere_is_a_screen_and_a_count(read):
    """Not fifty thousand lines."""
    jobs = "".join(f"- {{id: j{n}, prompt: p, image_urls: [{URL}], num_images: 9}}\n" for n in range(1250))
    lines = told(read, f"version: 1\njobs:\n{jobs}").message.splitlines()
    assert len(lines) == 20 * 4 + 2
    assert lines[-2:] == ["… and 1,230 more like this: [num-images]", "1,250 errors. Nothing was submitted."]


def test_warnings_alone_submit(read):
    """The verdict says so by not saying that nothing was."""
    assert render(read(job("Use # fff", "prompt")).warnings).splitlines()[-1] == "1 warning."


# -------------------------------------------------------------------------------------------------- schema and template


def test_the_template_is_a_manifest(read):
    manifest = read(template())
    assert manifest.warnings == ()
    assert manifest.jobs


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ("{concurency: 3}", ":2:7: error[unknown-key]: unknown setting 'concurency' in run"),
        ("{concurency: 3}", "did you mean 'concurrency'?"),
        ("{yes: true}", "unknown setting 'yes' in run"),
        ("{concurrency: 0}", ":2:20: error[run]: run.concurrency: 0 is not taken"),
        ("{until: noon}", "run.until: 'noon' is not taken"),
        ("{max_cost_usd: lots}", "run.max_cost_usd: 'lots' is not taken"),
        ("{max_cost_usd: -1}", "run.max_cost_usd: -1 is not taken"),
        ("{job_timeout: soon}", "run.job_timeout: 'soon' is not taken"),
        ("{on_interrupt: panic}", "run.on_interrupt: 'panic' is not taken"),
        ("[concurrency]", "run: expected a mapping"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_place(read, run, said):
    """By `check` already, together with every other error."""
    with pytest.raises(InvalidManifest) as caught:
        read(f"version: 1\nrun: {run}\njobs: [{{id: mug, prompt: 7}}]\n")
    assert said in caught.value.message
    assert "image_urls" in caught.value.message


# ------------------------------------------------------------------------------------------- keys that became text


@pytest.mark.parametrize(
    "line",
    [
        "aspect_ratio:1:1",
        "aspect_ratio :1:1",
        "Aspect ratio:1:1",
        "aspect_ratio\uff1a1:1",
        "num_images=4",
        "- image_urls:https://cdn.example.com/b.jpg",
        "'output_format':png",
        "x-note:Ana",
        "id:lamp",
    ],
)
@pytest.mark.parametrize("before", ["On white", "On white,\n      and oak"])
def test_a_key_that_a_text_has_swallowed_is_an_error(found, line, before):
    """Indented too deep, without a space behind its colon: it would be a part of the prompt, and not be done."""
    text = f"version: 1\njobs:\n  - prompt: {before}\n      {line}\n    id: mug\n    image_urls: [{URL}]\n"
    [(code, row, column, message, hint)] = found(text)
    assert (code, row, column) == ("swallowed-key", 4 + before.count("\n"), 7)
    assert message.endswith(" is a part of the text of prompt, and no key")
    assert hint.endswith("to send it quote the text")


@pytest.mark.parametrize(
    "prompt",
    [
        "On white,\n      ratio 1:1 at most",
        "On white,\n      https://cdn.example.com/style.jpg",
        "On white, aspect_ratio:1:1",
        '"On white,\n      aspect_ratio:1:1"',
        "'On white,\n      aspect_ratio: 1:1'",
        ">-\n      Prompt: On white,\n      Style: old",
    ],
)
def test_other_lines_of_a_text_are_text(read, prompt):
    """Of several lines, in quotes, or with a colon in their midst."""
    (spec,) = read(f"version: 1\njobs:\n  - prompt: {prompt}\n    id: mug\n    image_urls: [{URL}]\n").jobs
    assert spec.inputs["prompt"].count(":") == prompt.count(":")
    assert spec.inputs.keys() == {"prompt", "image_urls"}


def test_a_key_in_a_block_is_pointed_out(read):
    """It is text by the rules of YAML, and may be meant so."""
    manifest = read(f"version: 1\njobs:\n  - prompt: |\n      White.\n      aspect_ratio: 1:1\n    image_urls: {URL}\n")
    assert manifest.jobs[0].inputs["prompt"] == "White.\naspect_ratio: 1:1\n"
    assert [(d.code, d.place.line, d.place.column) for d in manifest.warnings] == [("swallowed-key", 5, 7)]


def test_a_key_may_be_swallowed_by_what_all_share_and_by_what_nobody_reads(found):
    """By the defaults, a value of the matrix, an override, and a note of one's own, which would take it along."""
    head = "defaults:\n  prompt: White\n    num_images:2\n"
    matrix = "matrix:\n  scene:\n    - name: oak\n      prompt: Oak\n        num_images:2\n"
    overrides = "overrides:\n  - match: mug*\n      skip:true\n    set: {num_images: 2}\n"
    job = f"jobs:\n  - x-note: Ana\n      num_images:2\n    id: mug\n    image_urls: {URL}\n"
    errors = found(f"version: 1\n{head}{matrix}{overrides}{job}")
    assert [(code, line) for code, line, *_ in errors] == [("swallowed-key", line) for line in (4, 9, 12, 16)]


def test_a_comment_in_a_block_is_pointed_out(read):
    """There it is text, and sent; a colour is no comment."""
    manifest = read(f"version: 1\njobs:\n  - prompt: |\n      On\n      #fff\n      # ask Ana\n    image_urls: {URL}\n")
    assert manifest.jobs[0].inputs["prompt"] == "On\n#fff\n# ask Ana\n"
    assert [(d.code, d.place.line) for d in manifest.warnings] == [("yaml-comment", 6)]
