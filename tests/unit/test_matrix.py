"""Each job in every combination, exceptions to it, and where the files go: settled for the whole manifest at once."""

import re

import pytest

from runner.batch.options import FROM_MANIFEST
from runner.catalog import bundled, parse_card, rules_for
from runner.manifest import DEFAULT_MODEL, InvalidManifest, read_manifest
from runner.model import fingerprint

RULES = rules_for(bundled(DEFAULT_MODEL))
UPSCALER = rules_for(
    parse_card(
        "owner/upscaler",
        {"input_schema": {"properties": {"image_url": {"type": "string"}, "scale": {"type": "float"}}}},
    )
)
SHIRT, MUG = "https://cdn.example.com/shirt.jpg", "https://cdn.example.com/mug.jpg"
SHEET = f"SKU,Title,Photo,Stock,Aspect ratio\n00124,Shirt,{SHIRT},3,3:4\n00125,Mug,{MUG},0,\n"
SOURCE = "sources: [{file: c.csv, columns: {id: SKU, image_urls: Photo}}]"


def rules_of(model):
    return {DEFAULT_MODEL: RULES, "owner/upscaler": UPSCALER}.get(model)


@pytest.fixture
def read(tmp_path):
    """Reads a manifest of this text; the sheet lies beside it."""
    (tmp_path / "c.csv").write_text(SHEET)

    def read(text):
        path = tmp_path / "m.yaml"
        path.write_text(text if text.startswith("version") else f"version: 1\n{SOURCE}\n{text}\n")
        return read_manifest(path, rules=rules_of, settings=FROM_MANIFEST)

    return read


@pytest.fixture
def found(read):
    """What is wrong with a manifest: code, line, column, message and hint."""

    def found(text):
        with pytest.raises(InvalidManifest) as caught:
            read(text)
        wrong = [d for d in caught.value.diagnostics if d.severity == "error"]
        return [(d.code, d.place.line, d.place.cell or d.place.column, d.message, d.hint) for d in wrong]

    return found


def warned(manifest):
    return [(d.code, d.place.line, d.place.column, d.message, d.hint) for d in manifest.warnings]


def ids(manifest):
    return [spec.job_id for spec in manifest.jobs]


def jobs(*lines, head=""):
    """A manifest of these entries."""
    return f"version: 1\n{head}\njobs:\n" + "".join(f"  - {line}\n" for line in lines)


def mug(job_id, **more):
    """An entry; its picture is its own."""
    fields = {"id": job_id, "image_urls": f"[https://cdn.example.com/{len(job_id)}{ord(job_id[-1])}.jpg]"} | more
    return "{" + ", ".join(f"{key}: {value}" for key, value in fields.items()) + "}"


# --------------------------------------------------------------------------------------------------------- combinations


def test_each_row_is_made_in_every_combination(read):
    """In the order of the axes; the values' names are in the ids, the variants and the paths."""
    manifest = read(
        """\
matrix:
  scene:
    - {name: white, prompt: "Pure white studio background."}
    - {name: kitchen, prompt: "On a kitchen counter, {{ title | lower }} unchanged.", num_images: 2}
  aspect_ratio: [1:1, 4:5]
  exclude: [{scene: white, aspect_ratio: 4:5}]
  include: [{scene: white, aspect_ratio: 16:9, when: id == "00125"}]
overrides:
  - match: "00124__kitchen__*"
    set: {prompt: "Hang the {{ title | lower }} on a rail."}
  - {match: "00125__*__1x1", skip: true}
output: {path: "{{ id }}/{{ scene }}-{{ aspect_ratio | replace(':', 'x') }}-{{ n }}.{{ ext }}"}
"""
    )
    white, kitchen, rail = (
        "Pure white studio background.",
        "On a kitchen counter, {} unchanged.",
        "Hang the shirt on a rail.",
    )
    assert [(s.job_id, s.variant, s.inputs, s.paths, dict(s.row)["Title"]) for s in manifest.jobs] == [
        (
            "00124__white__1x1",
            "white, 1:1",
            {"image_urls": [SHIRT], "aspect_ratio": "1:1", "prompt": white},
            ("images/00124/white-1x1-1",),
            "Shirt",
        ),
        (
            "00124__kitchen__1x1",
            "kitchen, 1:1",
            {"image_urls": [SHIRT], "aspect_ratio": "1:1", "prompt": rail, "num_images": 2},
            ("images/00124/kitchen-1x1-1", "images/00124/kitchen-1x1-2"),
            "Shirt",
        ),
        (
            "00124__kitchen__4x5",
            "kitchen, 4:5",
            {"image_urls": [SHIRT], "aspect_ratio": "4:5", "prompt": rail, "num_images": 2},
            ("images/00124/kitchen-4x5-1", "images/00124/kitchen-4x5-2"),
            "Shirt",
        ),
        (
            "00125__kitchen__4x5",
            "kitchen, 4:5",
            {"image_urls": [MUG], "aspect_ratio": "4:5", "prompt": kitchen.format("mug"), "num_images": 2},
            ("images/00125/kitchen-4x5-1", "images/00125/kitchen-4x5-2"),
            "Mug",
        ),
        (
            "00125__white__16x9",
            "white, 16:9",
            {"image_urls": [MUG], "aspect_ratio": "16:9", "prompt": white},
            ("images/00125/white-16x9-1",),
            "Mug",
        ),
    ]
    assert all(spec.fingerprint == fingerprint(spec.model, spec.inputs) for spec in manifest.jobs)
    assert [warning.message for warning in manifest.warnings] == [
        "the matrix's aspect_ratio is sent, and not the sheet's"
    ]


def test_the_last_word_wins(read):
    """Defaults, then the row, then the matrix, then the job's own entry, then the overrides, in their order."""
    text = f"""\
version: 1
defaults: {{prompt: default, aspect_ratio: 21:9, output_format: png, num_images: 1, image_urls: [{MUG}]}}
{SOURCE}
matrix:
  take: [{{name: a, prompt: matrix, output_format: webp, image_urls: [{MUG}?a]}}]
jobs:
  - {{id: plain}}
  - {{id: own, prompt: job, image_urls: [{MUG}?1, {MUG}?2]}}
  - {{id: last, prompt: job, num_images: 2}}
overrides:
  - {{match: "last*", set: {{prompt: first, num_images: 3}}}}
  - {{match: "*__a", set: {{aspect_ratio: 1:1}}}}
  - {{match: "last__a", set: {{prompt: second, image_urls: [{MUG}?o]}}}}
"""
    base = {"aspect_ratio": "1:1", "output_format": "webp", "num_images": 1}
    assert {spec.job_id: spec.inputs for spec in read(text).jobs} == {
        "plain__a": {**base, "prompt": "matrix", "image_urls": [f"{MUG}?a"]},
        "own__a": {**base, "prompt": "job", "image_urls": [f"{MUG}?1", f"{MUG}?2"]},
        "last__a": {**base, "prompt": "second", "image_urls": [f"{MUG}?o"], "num_images": 3},
        "00124__a": {**base, "prompt": "matrix", "image_urls": [f"{MUG}?a"]},
        "00125__a": {**base, "prompt": "matrix", "image_urls": [f"{MUG}?a"]},
    }


def test_a_row_goes_before_the_defaults_and_an_empty_cell_after_them(read):
    first, second = read("defaults: {prompt: p, aspect_ratio: 1:1}").jobs
    assert (first.inputs["aspect_ratio"], second.inputs["aspect_ratio"]) == ("3:4", "1:1")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ("a: [{name: x, prompt: one}], b: [{name: y, prompt: two}]", "the axes 'a' and 'b' both set prompt"),
        (
            "aspect_ratio: [1:1, 16:9], scene: [{name: white, prompt: White.}, {name: oak, aspect_ratio: 4:5}]",
            "the axes 'aspect_ratio' and 'scene' both set aspect_ratio",
        ),
    ],
)
def test_no_field_is_set_by_two_axes(found, axes, message):
    """One value would be sent, and the id and the file's name say another."""
    first = found(f"matrix: {{{axes}}}")[0]
    assert (first[0], first[3]) == ("matrix", f"matrix: {message}")


def test_axes_may_share_a_field_where_no_pair_sets_it_twice(read):
    text = """
defaults: {prompt: White.}
matrix:
  scene: [{name: plain}, {name: oak, prompt: On oak.}]
  season: [{name: none}, {name: xmas, prompt: With snow.}]
  exclude: [{scene: oak, season: xmas}]
"""
    found = {job.variant: job.inputs["prompt"] for job in read(text).jobs}
    assert found == {"plain, none": "White.", "plain, xmas": "With snow.", "oak, none": "On oak."}


def test_a_path_says_what_is_sent(read):
    """An override outweighs the axis."""
    text = """
matrix: {aspect_ratio: [1:1, 4:5]}
overrides: [{match: "*", set: {aspect_ratio: 16:9}}]
output: {path: "{{ id }}/{{ job_id }}-{{ aspect_ratio | replace(':', 'x') }}.{{ ext }}"}
defaults: {prompt: "In {{ aspect_ratio }}."}
"""
    for job in read(text).jobs:
        assert job.inputs["prompt"] == "In 16:9."
        assert job.paths[0].endswith("-16x9")


@pytest.mark.parametrize(
    ("axis", "named"),
    [
        ("size: [1.50, 1e3, 010, true, 0x1F]", ["1.50", "1e3", "010", "true", "0x1F"]),
        ("size: ['1:2', a b, É/è, 大]", ["1x2", "a-b", "É-è", "大"]),
        ("size: [{name: 1.50, num_images: 1}, {name: 2, num_images: 2}]", ["1.50", "2"]),
    ],
)
def test_a_value_is_called_as_it_is_written(read, axis, named):
    """In ids, and in what templates fill in: 1.50 is not 1.5."""
    manifest = read(f'defaults: {{prompt: "{{{{ size }}}}"}}\nmatrix: {{{axis}}}')
    assert ids(manifest)[: len(named)] == [f"00124__{name}" for name in named]
    assert [spec.inputs["prompt"] for spec in manifest.jobs][: len(named)] == [
        spec.variant for spec in manifest.jobs[: len(named)]
    ]


def test_an_axis_that_is_a_field_has_its_types(read):
    """And one that is called `model` chooses the model."""
    text = "matrix: {num_images: [1, 2]}\ndefaults: {prompt: p}"
    assert [spec.inputs["num_images"] for spec in read(text).jobs] == [1, 2, 1, 2]
    both = jobs(
        mug("a", prompt="p", image_url=MUG),
        head=f"matrix: {{model: [owner/unknown, {DEFAULT_MODEL}], exclude: [{{model: {DEFAULT_MODEL}}}]}}",
    )
    (spec,) = read(both).jobs
    assert (spec.model, spec.job_id) == ("owner/unknown", "a__owner-unknown")


@pytest.mark.parametrize(
    ("matrix", "made"),
    [
        ("{scene: [a, b, c], exclude: [{scene: b}]}", ["a", "c"]),
        (
            "{scene: [a, b], num_images: [1, 2], exclude: [{scene: a, num_images: 2}, {scene: b, num_images: 1}]}",
            ["a__1", "b__2"],
        ),
        ("{scene: [a], num_images: [1], include: [{scene: a, num_images: 3}]}", ["a__1", "a__3"]),
        ("{scene: [a], num_images: [1], include: [{scene: a}]}", ["a__1", "a"]),
        ("{scene: [a], include: [{scene: a}]}", ["a"]),
        ("{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: stock > 0}]}", ["a", "b"]),
        ("{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: stock == 0}]}", ["a"]),
        ("{scene: [a], include: [{scene: a, when: stock > 0}]}", ["a"]),
    ],
)
def test_combinations_are_left_out_and_added(read, matrix, made):
    """Of the first row; one that is there already is not made twice."""
    manifest = read(f'defaults: {{prompt: "{{{{ scene }}}}"}}\nmatrix: {matrix}')
    assert [job_id for job_id in ids(manifest) if job_id.startswith("00124")] == [f"00124__{name}" for name in made]


@pytest.mark.parametrize(
    ("matrix", "column", "message", "hint"),
    [
        ("{}", 9, "the matrix has no axis", "as in  scene: [white, kitchen]"),
        ("{include: [{scene: a}]}", 9, "the matrix has no axis", "as in  scene: [white, kitchen]"),
        ("{scene: []}", 17, "matrix.scene: expected at least one entry", "as in  scene: [white, kitchen]"),
        ("{scene: a}", 17, "matrix.scene: expected a list", "as in  scene: [white, kitchen]"),
        (
            "{scene: [a, [b]]}",
            21,
            "matrix.scene.1: expected a value, or a mapping with a `name`",
            "as in  scene: [white, kitchen]",
        ),
        (
            "{scene: [a, ~]}",
            21,
            "matrix.scene.1: expected a value, or a mapping with a `name`",
            "as in  scene: [white, kitchen]",
        ),
        (
            "{scene: [{prompt: p}]}",
            18,
            "matrix.scene.0: expected a value, or a mapping with a `name`",
            "as in  scene: [white, kitchen]",
        ),
        ("{scene: [a, a]}", 21, "matrix: two values of scene make one id: 'a'", "name each otherwise"),
        (
            "{scene: [a b, 'A:b', a-B]}",
            30,
            "matrix: two values of scene make one id: 'a b' and 'a-B'",
            "name each otherwise",
        ),
        ("{scene: [' ', x]}", 18, "matrix: a value of scene has no name", "write a word"),
        ("{scene: ['???', x]}", 18, "matrix: a value of scene has no name", "write a word"),
        (
            f"{{prompt: [{'white ' * 9}]}}",
            19,
            f"matrix: a value of prompt is too long for a name: {('white ' * 9).strip()!r}",
            "name it:  - {name: short, prompt: …}",
        ),
        (
            "{scene: [{name: a, id: b}]}",
            18,
            "matrix: a value cannot set the id",
            "the names of the values are added to ids by themselves",
        ),
        ("{id: [a, b]}", 10, "matrix: 'id' cannot be an axis", "call it otherwise: templates have that name already"),
        ("{row: [a, b]}", 10, "matrix: 'row' cannot be an axis", "call it otherwise: templates have that name already"),
        (
            "{aspect_ratoi: [1:1, 4:5]}",
            10,
            "matrix: 'aspect_ratoi' is no field of the model, and no template asks for it",
            "did you mean 'aspect_ratio'?",
        ),
        (
            "{scene: [a], exclude: [{scene: a}]}",
            22,
            "the matrix leaves nothing: every combination is excluded",
            "exclude fewer",
        ),
        (
            "{scene: [a, b], exclude: [{scene: bb}]}",
            35,
            "matrix: exclude leaves nothing out: scene: 'bb'",
            "did you mean 'b'?",
        ),
        (
            "{scene: [white], exclude: [{scene: whte}]}",
            36,
            "matrix: exclude leaves nothing out: scene: 'whte'",
            "did you mean 'white'?",
        ),
        ("{scene: [a], exclude: [{scen: a}]}", 32, "matrix: exclude names no axis: 'scen'", "did you mean 'scene'?"),
        ("{scene: [a], include: [{scen: a}]}", 32, "matrix: include names no axis: 'scen'", "did you mean 'scene'?"),
        (
            "{scene: [a], include: [{scene: b}]}",
            32,
            "matrix: include names a value that the axis does not have: scene: 'b'",
            "known: a; a new one is named in the axis as well",
        ),
        (
            "{scene: [a], include: [{when: stock > 0}]}",
            32,
            "matrix: include names no value",
            "as in  {scene: kitchen, when: stock > 0}",
        ),
        (
            "{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: stok > 0}]}",
            58,
            "matrix: when: 'stok' is undefined",
            "did you mean 'stock'?",
        ),
        (
            "{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: stock >}]}",
            58,
            "matrix: when: the condition cannot be read: it ends too early",
            "as in  stock > 0 and status != 'sold'",
        ),
        (
            "{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: 1 > 0}]}",
            58,
            "matrix: when: the condition asks for no column, so it would be the same for every row",
            "as in  stock > 0  or  status == 'active'",
        ),
        (
            "{scene: [a, b], exclude: [{scene: b}], include: [{scene: b, when: title > 0}]}",
            58,
            "matrix: when: 'Shirt' is compared with a number, and is none (for c.csv:2)",
            "compare it as text, with quotes:  title == '38';  or leave such rows out:  title != 'n/a' and …",
        ),
        (
            f"{{scene: [{', '.join(f's{n}' for n in range(150))}], take: [{', '.join(f't{n}' for n in range(99))}]}}",
            9,
            "the matrix makes 14,850 jobs of each; at most 10,000 are allowed",
            "split the manifest",
        ),
    ],
)
def test_a_matrix_that_cannot_be_meant_is_refused(found, matrix, column, message, hint):
    """Once, at its place: not once a row, and not as a pair of equal ids in some sheet."""
    text = f'defaults: {{prompt: "{{{{ scene | d(1) }}}}"}}\nmatrix: {matrix}'
    if "scene" not in matrix:
        text = f"defaults: {{prompt: p}}\nmatrix: {matrix}"
    told = [error for error in found(text) if error[0] == "matrix" and error[1] == 4]
    assert ("matrix", 4, column, message, hint) in told
    assert not [error for error in found(text) if error[0] == "duplicate-id"]


def test_a_field_of_a_value_has_its_own_place(found):
    text = "matrix:\n  scene:\n    - {name: a, prompt: p, aspect_ratio: 16x9}\n    - {name: b, promt: p}"
    told = [(code, line, column) for code, line, column, *_ in found(text) if line in (5, 6)]
    assert sorted(set(told)) == [("aspect-ratio", 5, 42), ("unknown-field", 6, 24)]


def test_an_axis_that_changes_nothing_is_pointed_out(read):
    """Its jobs would be alike; and where only the service knows the model, it is not guessed."""
    alike = "its jobs are alike"
    manifest = read("defaults: {prompt: p}\nmatrix: {take: [a, b]}")
    assert warned(manifest) == [
        (
            "matrix",
            4,
            10,
            f"matrix: 'take' is no field of the model, and no template asks for it: {alike}",
            "jobs that are alike are paid once, and share their files",
        )
    ]
    assert len({spec.fingerprint for spec in manifest.jobs}) == 2
    for used in (
        'defaults: {prompt: "{{ take }}"}\nmatrix: {take: [a, b]}',
        'defaults: {prompt: p}\nmatrix: {take: [a, b]}\noutput: {path: "{{ id }}/{{ take }}.{{ ext }}"}',
        'matrix: {take: [a, b], scene: [{name: x, prompt: "{{ take }}"}]}',
        jobs(mug("a", prompt='"{{ take }}"'), head="matrix: {take: [a, b]}"),
    ):
        assert warned(read(used)) == []


def test_an_axis_of_a_model_that_nobody_knows_is_not_guessed(found, read):
    text = jobs(mug("a"), head="model: owner/unknown\nmatrix: {seed: [1, 2]}")
    assert found(text) == [
        (
            "matrix",
            3,
            10,
            "matrix: whether 'seed' is a field of the model is not known",
            "say what it sets:  - {name: 1, seed: 1};  or pull the card:  models pull",
        )
    ]
    said = text.replace("[1, 2]", "[{name: 1, seed: 1}, {name: 2, seed: 2}]")
    assert [(s.job_id, s.inputs["seed"]) for s in read(said).jobs] == [("a__1", 1), ("a__2", 2)]


def test_a_job_that_outdoes_the_matrix_is_pointed_out(read):
    """Its id and its path would tell of a shape that is not sent."""
    manifest = read(jobs(mug("a", aspect_ratio="16:9", prompt="p"), head="matrix: {aspect_ratio: [1:1, 4:5]}"))
    assert [spec.inputs["aspect_ratio"] for spec in manifest.jobs] == ["16:9", "16:9"]
    assert warned(manifest) == [
        (
            "matrix",
            4,
            74,
            "the job's own aspect_ratio is sent, and not the matrix's",
            "drop it here, or give the job a manifest of its own, without a matrix",
        )
    ]


# ------------------------------------------------------------------------------------------------------------ overrides


@pytest.mark.parametrize(
    ("overrides", "sent"),
    [
        ('[{match: "mug-*", set: {prompt: new}}]', {"mug-a": "new", "mug-b": "new", "lamp": "old"}),
        ('[{match: "mug-?", set: {prompt: new}}]', {"mug-a": "new", "mug-b": "new", "lamp": "old"}),
        ('[{match: "mug-[a]", set: {prompt: new}}]', {"mug-a": "old", "mug-b": "old", "lamp": "old"}),
        (
            "[{match: MUG-A, set: {prompt: new}}, {match: mug-a, set: {prompt: own}}]",
            {"mug-a": "own", "mug-b": "old", "lamp": "old"},
        ),
        (
            '[{match: "*", set: {prompt: new}}, {match: lamp, set: {prompt: own}}]',
            {"mug-a": "new", "mug-b": "new", "lamp": "own"},
        ),
        (
            "[{match: lamp, set: {prompt: own}}, {match: '*', set: {prompt: new}}]",
            {"mug-a": "new", "mug-b": "new", "lamp": "new"},
        ),
        ("[{match: lamp, skip: true}]", {"mug-a": "old", "mug-b": "old"}),
        ("[{match: lamp, skip: false, set: {prompt: new}}]", {"mug-a": "old", "mug-b": "old", "lamp": "new"}),
        ("[{match: lamp, skip: true}, {match: '*', set: {prompt: new}}]", {"mug-a": "new", "mug-b": "new"}),
        ("[{match: lamp, set: {prompt: x}, skip: true}]", {"mug-a": "old", "mug-b": "old"}),
        ("[]", {"mug-a": "old", "mug-b": "old", "lamp": "old"}),
    ],
)
def test_overrides_are_for_the_jobs_whose_ids_match(read, overrides, sent):
    """Later ones go before earlier ones; a job that one of them skips is skipped."""
    text = jobs(*map(mug, ("mug-a", "mug-b", "lamp")), head=f"defaults: {{prompt: old}}\noverrides: {overrides}")
    assert {spec.job_id: spec.inputs["prompt"] for spec in read(text).jobs} == sent


@pytest.mark.parametrize(
    ("override", "column", "code", "message", "hint"),
    [
        ("{match: a, set: {prmpt: p}}", 37, "unknown-field", "unknown field 'prmpt'", "did you mean 'prompt'?"),
        ("{match: a, set: {prompt: 5}}", 38, "wrong-type", "prompt must be of type string, got 5", ""),
        ("{match: a, set: {id: b}}", 34, "override", "an id cannot be overridden", "drop it: jobs are chosen by it"),
        (
            "{match: a, set: {}}",
            29,
            "override",
            "overrides.0.set: expected at least one entry",
            '- {match: "mug-*", set: {aspect_ratio: 4:3}}',
        ),
        ("{match: a}", 13, "override", "the override changes nothing", "give it `set` or `skip: true`"),
        (
            "{match: a, skip: 'yes'}",
            30,
            "override",
            "overrides.0.skip: expected true or false",
            '- {match: "mug-*", set: {aspect_ratio: 4:3}}',
        ),
        (
            "{set: {prompt: p}}",
            13,
            "missing-key",
            "overrides.0: 'match' is missing",
            '- {match: "mug-*", set: {aspect_ratio: 4:3}}',
        ),
        (
            "{match: a, sets: {prompt: p}}",
            24,
            "unknown-key",
            "unknown key 'sets' in overrides.0",
            "did you mean 'set'?",
        ),
        ("{match: a, set: {prompt: '{{ x }}'}}", 38, "template", "'x' is undefined", ""),
        ("5", 13, "override", "overrides.0: expected a mapping", '- {match: "mug-*", set: {aspect_ratio: 4:3}}'),
    ],
)
def test_an_override_that_cannot_be_is_named_at_its_place(found, override, column, code, message, hint):
    text = jobs(mug("a", prompt="p"), head=f"overrides: [{override}]")
    told = next(error for error in found(text) if error[1] == 2)
    assert (told[0], told[2], told[3]) == (code, column, message)
    assert told[4].removeprefix("as in  ") == (hint or told[4].removeprefix("as in  "))


def test_an_override_for_nobody_is_pointed_out(read):
    """A mistyped id would be paid for as it was."""
    text = jobs(mug("a", prompt="p"), head="overrides: [{match: b, skip: true}]")
    assert warned(read(text)) == [
        ("override", 2, 21, "overrides: no job's id matches 'b'", "a * stands for any letters")
    ]


def test_a_job_that_its_request_names_keeps_its_name(read):
    """The name is that of the request before the overrides: a match goes on matching."""
    plain = jobs(f"{{prompt: p, image_urls: [{MUG}]}}")
    (before,) = read(plain).jobs
    (after,) = read(plain.replace("jobs:", f"overrides: [{{match: {before.job_id}, set: {{prompt: q}}}}]\njobs:")).jobs
    assert (after.job_id, after.inputs["prompt"]) == (before.job_id, "q")
    assert after.fingerprint != before.fingerprint


# -------------------------------------------------------------------------------------------- templates in ids and URLs


def test_an_id_may_be_a_template(read):
    """Then it names each variant itself, and nothing is added."""
    text = 'defaults: {id: "{{ title | lower }}-{{ scene }}", prompt: "{{ id | d(0) }}"}\nmatrix: {scene: [a, b]}'
    sheet = "sources: [{file: c.csv, columns: {image_urls: Photo}}]\n"
    manifest = read("version: 1\n" + sheet + text.replace('"{{ id | d(0) }}"', '"{{ sku }} {{ scene }}"'))
    assert [(spec.job_id, spec.inputs["prompt"]) for spec in manifest.jobs] == [
        ("shirt-a", "00124 a"),
        ("shirt-b", "00124 b"),
        ("mug-a", "00125 a"),
        ("mug-b", "00125 b"),
    ]


def test_an_id_template_that_leaves_an_axis_out_is_refused(found):
    """Two jobs of one name, with both places."""
    text = "version: 1\nsources: [{file: c.csv, columns: {image_urls: Photo}}]\n"
    text += 'defaults: {id: "{{ title }}", prompt: "{{ scene }}"}\nmatrix: {scene: [a, b]}\n'
    assert [(code, line, message) for code, line, _, message, _ in found(text)] == [
        ("duplicate-id", 2, "duplicate id 'Shirt'"),
        ("duplicate-id", 3, "duplicate id 'Mug'"),
    ]


def test_urls_may_hold_templates(read):
    """Each a URL, or several in one text; a row's own picture goes before the defaults."""
    urls = '["https://cdn.example.com/{{ sku }}.jpg", "{{ photo }} {{ photo }}?2"]'
    sheet = "sources: [{file: c.csv, columns: {id: SKU, image_urls: Photo}}]"
    text = f"version: 1\n{sheet}\nmatrix: {{view: [{{name: a, prompt: p, image_urls: {urls}}}]}}"
    assert [spec.inputs["image_urls"] for spec in read(text).jobs] == [
        ["https://cdn.example.com/00124.jpg", SHIRT, f"{SHIRT}?2"],
        ["https://cdn.example.com/00125.jpg", MUG, f"{MUG}?2"],
    ]
    assert read("defaults: {prompt: p, image_urls: ['https://cdn.example.com/{{ sku }}.jpg']}").jobs[0].inputs[
        "image_urls"
    ] == [SHIRT]


# ---------------------------------------------------------------------------------------------------------- output.path


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("{{ id }}.{{ ext }}", "00124"),
        ("{{ id }}.{{ext}}", "00124"),
        ("{{ id }}.{{- ext -}}", "00124"),
        (" {{ id }} .{{ ext }} ", "00124"),
        ("{{ title | lower }}/{{ n }}-{{ job_id }}.{{ ext }}", "shirt/1-00124"),
        ("{{ row['Aspect ratio'] | d('x') }}/{{ id }}.{{ ext }}", "3-4/00124"),
        ("{{ aspect_ratio }}/{{ output_format }}/{{ num_images }}/{{ id }}.{{ ext }}", "3-4/png/1/00124"),
        ("{% if stock > 0 %}in{% else %}out{% endif %}/{{ id }}.{{ ext }}", "in/00124"),
        ("con/{{ id }}.{{ ext }}", "_con/00124"),
        ("{{ id }}/aux.{{ ext }}", "00124/_aux"),
        ("{{ id }}: a*b?.{{ ext }}", "00124- a-b-"),
        ("{{ id }}. /x.{{ ext }}", "00124/x"),
        ("C:/{{ id }}.{{ ext }}", "C-/00124"),
        ("cafe\u0301/{{ id }}.{{ ext }}", "caf\u00e9/00124"),
        ("商品/{{ id }}.{{ ext }}", "商品/00124"),
    ],
)
def test_a_path_is_a_template_that_is_safe_everywhere(read, path, first):
    """Below images/; what Windows does not take becomes a dash, and its devices' names get a mark."""
    manifest = read(f"defaults: {{prompt: p}}\noutput: {{path: '{path.replace(chr(39), chr(39) * 2)}'}}")
    assert manifest.jobs[0].paths == (f"images/{first}",)


BELOW = "it must be a path below images/, without empty parts and without .."
FOLDER = "a folder in it is called like a picture, and one of that name could not be saved"
LONG = "a part of it is longer than 120 bytes, or all of it than 200"
EXT = "output.path must end with .{{ ext }}: a file's real format is known only when it has come"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("{{ id }}.png", EXT),
        ("{{ id }}", EXT),
        ("{{ id }}.{{ ext }}.bak", EXT),
        ("{{ id }}.{{ ext | upper }}", EXT),
        ("{{ id }}{{ ext }}", EXT),
        ("{{ id }}{% if n > 0 %}.{{ ext }}{% endif %}", EXT),
        (
            "../{{ id }}.{{ ext }}",
            f"output.path comes to '../00124' (for c.csv:2): {BELOW}",
        ),
        (
            "a/../{{ id }}.{{ ext }}",
            f"output.path comes to 'a/../00124' (for c.csv:2): {BELOW}",
        ),
        (
            "/{{ id }}.{{ ext }}",
            f"output.path comes to '/00124' (for c.csv:2): {BELOW}",
        ),
        (
            "{{ id }}//x.{{ ext }}",
            f"output.path comes to '00124//x' (for c.csv:2): {BELOW}",
        ),
        (
            "{{ id }}/.{{ ext }}",
            f"output.path comes to '00124/' (for c.csv:2): {BELOW}",
        ),
        (
            "{% if n > 1 %}x{% endif %}.{{ ext }}",
            f"output.path comes to '' (for c.csv:2): {BELOW}",
        ),
        (".{{ id }}.{{ ext }}", "output.path comes to '.00124' (for c.csv:2): no part of it may begin with a dot"),
        (
            "{{ id }}\\x.{{ ext }}",
            "output.path comes to '00124\\\\x' (for c.csv:2): it holds a character that no file name may have",
        ),
        (
            "{{ id }}\u202e.{{ ext }}",
            "output.path comes to '00124\\u202e' (for c.csv:2): it holds a character that no file name may have",
        ),
        (
            "{{ id }}.png/{{ n }}.{{ ext }}",
            f"output.path comes to '00124.png/1' (for c.csv:2): {FOLDER}",
        ),
        (
            f"{'x' * 116}{{{{ id }}}}.{{{{ ext }}}}",
            f"output.path comes to {'x' * 116 + '0012'!r} (for c.csv:2): {LONG}",
        ),
        (
            f"{'abc/' * 50}{{{{ id }}}}.{{{{ ext }}}}",
            f"output.path comes to {('abc/' * 50)[:120]!r} (for c.csv:2): {LONG}",
        ),
        ("{{ idd }}.{{ ext }}", "output.path: 'idd' is undefined"),
        ("{{ ext }}/{{ id }}.{{ ext }}", "output.path: 'ext' is undefined"),
        ("{{ image_urls }}/{{ id }}.{{ ext }}", "output.path: a list is no text"),
        ("{{ id }.{{ ext }}", "output.path: the template cannot be read: unexpected '}'"),
    ],
)
def test_a_path_that_cannot_be_is_refused(found, path, message):
    """At its place in the manifest, with the row that shows it."""
    text = f"defaults: {{prompt: p}}\noutput: {{path: '{path}'}}"
    assert ("output-path", 4, 16, message) in [error[:4] for error in found(text)]


def test_a_job_of_several_files_needs_a_number_in_their_path(found, read):
    text = "defaults: {{prompt: p, num_images: 2}}\noutput: {{path: '{path}'}}"
    message = "output.path gives 2 files of job '00124' one name"
    assert ("output-path", 4, 16, message, "use {{ n }} in it") in found(text.format(path="{{ id }}.{{ ext }}"))
    (first, _) = read(text.format(path="{{ id }}/{{ n }}.{{ ext }}")).jobs
    assert first.paths == ("images/00124/1", "images/00124/2")


@pytest.mark.parametrize("on_conflict", ["error", "overwrite"])
@pytest.mark.parametrize(
    ("first", "second", "path"),
    [
        ("a", "b", "all.{{ ext }}"),
        ("Ab", "aB1", "{{ id[:2] }}.{{ ext }}"),
        ("caf\u00e91", "cafe\u03012", "{{ id | replace('1', '') | replace('2', '') }}.{{ ext }}"),
        ("a:b", "a-b", "{{ id }}.{{ ext }}"),
        ("con", "_con", "{{ id }}.{{ ext }}"),
        ("x 1", "x 2", "{{ id.split()[0] }} /a.{{ ext }}"),
    ],
)
def test_two_jobs_with_one_path_are_refused(found, on_conflict, first, second, path):
    """As a careless file system would compare them, before anything is sent; overwriting is for files of nobody."""
    head = f'defaults: {{prompt: p}}\noutput: {{path: "{path}", on_conflict: {on_conflict}}}'
    ((code, line, _, message, hint),) = found(jobs(mug(f'"{first}"'), mug(f'"{second}"'), head=head))
    assert (code, line) == ("output-path", 6)
    assert message.startswith(f"the files of jobs {first!r} and {second!r} would have one name: images/")
    assert hint.endswith("m.yaml:5; change an id or output.path, or say  on_conflict: suffix")


def test_the_names_of_several_files_collide_too(found):
    """The second picture of one job is called like another job."""
    text = jobs(mug("a", num_images=2), mug("a-2"), head="defaults: {prompt: p}")
    ((code, _, _, message, _),) = found(text)
    assert (code, message) == ("output-path", "the files of jobs 'a' and 'a-2' would have one name: images/a-2")


def test_suffix_numbers_the_later_of_two(read):
    """The first keeps its name; a name that is taken already is not given."""
    head = 'defaults: {prompt: p}\noutput: {path: "{{ id[0] }}.{{ ext }}", on_conflict: suffix}'
    manifest = read(jobs(*map(mug, ("a", "A1", "a1x", '"a~2"', "b")), head=head))
    assert [(spec.job_id, spec.paths) for spec in manifest.jobs] == [
        ("a", ("images/a",)),
        ("A1", ("images/A~2",)),
        ("a1x", ("images/a~3",)),
        ("a~2", ("images/a~4",)),
        ("b", ("images/b",)),
    ]
    several = jobs(mug("a", num_images=2), mug("a-2"), head="defaults: {prompt: p}\noutput: {on_conflict: suffix}")
    assert [(spec.job_id, spec.paths) for spec in read(several).jobs] == [("a", ()), ("a-2", ("images/a-2~2",))]


def test_suffix_never_makes_two_paths_one(read):
    """Whatever the ids are, over many jobs of few names."""
    head = 'defaults: {prompt: p}\noutput: {path: "{{ id[0] }}/{{ n }}.{{ ext }}", on_conflict: suffix}'
    entries = [mug(f'"{letter}{n}{letter.islower()}"', num_images=1 + n % 3) for n in range(12) for letter in "aAb~"]
    manifest = read(jobs(*entries, head=head))
    paths = [path.casefold() for spec in manifest.jobs for path in spec.paths]
    assert len(paths) == len(set(paths)) == sum(spec.inputs["num_images"] for spec in manifest.jobs)
    assert all(re.fullmatch(r"images/[ab~]/\d+(~\d+)?", path) for path in paths)


# ------------------------------------------------------------------------------------------- what a prompt says is sent


SAYS = 'defaults: {prompt: "{{ title }} {{ aspect_ratio }} {{ num_images }}", num_images: 1}'


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ("", [("Shirt 3:4 1", "3:4", 1)]),
        ("overrides: [{match: '00124', set: {aspect_ratio: 1:1, num_images: 2}}]", [("Shirt 1:1 2", "1:1", 2)]),
        ("matrix: {aspect_ratio: [4:5]}", [("Shirt 4:5 1", "4:5", 1)]),
        (
            "matrix: {aspect_ratio: [4:5]}\noverrides: [{match: '*', set: {aspect_ratio: 1:1}}]",
            [("Shirt 1:1 1", "1:1", 1)],
        ),
        ("matrix: {aspect_ratio: [{name: square, aspect_ratio: 1:1}]}", [("Shirt square 1", "1:1", 1)]),
        ("matrix: {scene: [{name: oak, aspect_ratio: 1:1, num_images: 3}]}", [("Shirt 1:1 3", "1:1", 3)]),
    ],
)
def test_a_field_in_a_prompt_is_the_one_that_is_sent(read, more, sent):
    """Whoever has given it; of a value that has a name, in the matrix, its name. A cell says what is written in it."""
    source = f"version: 1\n{SOURCE[:-2]}, where: stock > 0}}]\n"
    found = [
        (s.inputs["prompt"], s.inputs["aspect_ratio"], s.inputs["num_images"])
        for s in read(f"{source}{SAYS}\n{more}\n").jobs
    ]
    assert found == sent
    cell = "{{ row['Aspect ratio'] }}"
    (spec,) = read(f"{source}{SAYS.replace('{{ aspect_ratio }}', cell)}\n{more}\n").jobs
    assert "3:4" in spec.inputs["prompt"]


def test_a_jobs_prompt_may_ask_for_the_jobs_own_fields(read):
    """They are no columns, and are sent."""
    manifest = read(jobs(mug("mug", prompt='"In {{ aspect_ratio }}"', aspect_ratio="1:1")))
    assert manifest.jobs[0].inputs["prompt"] == "In 1:1"
