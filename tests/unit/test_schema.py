"""The schema that editors check by, and the reader: they refuse the same, wherever a schema can say it.

Draft-07 cannot say that names must agree, that files must be there, or what a template comes to: that is the reader's.
"""

import copy
import json
from collections import Counter

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.batch import load, manifest_schema
from runner.batch.options import FOR_EDITORS, FROM_MANIFEST
from runner.manifest import DEFAULT_MODEL, InvalidManifest
from runner.manifest.diagnostics import Findings
from runner.manifest.yaml_core import Document

VALID = jsonschema_rs.validator_for(manifest_schema())
URL = "https://cdn.example.com/mug.jpg"
JOB = f"{{id: mug, prompt: White, image_urls: [{URL}]}}"
SHEET = f"id,prompt,image_urls,Stock\nmug,White,{URL},5\n"
SHOP = f"Handle,Title,Image Src,Image Position\nmug,Mug,{URL},1\n"
ITS_OWN = frozenset({"template", "missing-field", "duplicate-id", "duplicate-key", "source", "where", "url"})
"""What the reader alone can know."""


def seen_by_an_editor(text):
    """The values of a YAML text by the rules of YAML 1.2, as an editor's parser has them; ids are values too."""
    document = Document(text, Findings(""))
    document.next()
    document.next()
    return document.value(document.compose(), Findings(""))


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """The codes of what the reader refuses a manifest for, with a sheet and a shop's export beside it."""
    folder = tmp_path_factory.mktemp("schema")
    (folder / "c.csv").write_text(SHEET)
    (folder / "shop.csv").write_text(SHOP)
    (folder / "c.txt").write_text(SHEET)
    (folder / "c.doc").write_text(SHEET)
    (folder / "feed.txt").write_text(SHEET.replace(",", "\t"))

    def refused(text):
        (folder / "m.yaml").write_text(text, "utf-8")
        try:
            load(folder / "m.yaml")
        except InvalidManifest as error:
            return {diagnostic.code for diagnostic in error.diagnostics if diagnostic.severity == "error"}
        return set()

    return refused


def of(head="", *jobs):
    return f"version: 1\n{head}\njobs: [{', '.join(jobs or [JOB])}]\n"


def job(**fields):
    """A job with these fields; `None` leaves one out."""
    given = {"id": "mug", "prompt": "White", "image_urls": f"[{URL}]"} | fields
    return of("", "{" + ", ".join(f"{key}: {value}" for key, value in given.items() if value is not None) + "}")


def sheet(source, head=""):
    return f"version: 1\n{head}\nsources: [{source}]\n"


# --------------------------------------------------------------------------------------------------------------- table

GOOD = {
    "a job": job(),
    "a number as an id": job(id="00123"),
    "no id": job(id=None),
    "one picture": job(image_urls=URL),
    "ten pictures": job(image_urls=f"[{', '.join(f'{URL}?{n}' for n in range(10))}]"),
    "several pictures in a text": job(image_urls=f"'{URL}|{URL}?2'"),
    "every ratio": of(
        "",
        *(
            f"{{id: a{n}, prompt: a, image_urls: {URL}?{n}, aspect_ratio: {ratio}}}"
            for n, ratio in enumerate(["auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"])
        ),
    ),
    "a note of one's own": of("x-note: [1]", "{id: a, prompt: a, image_urls: " + URL + ", x-who: Ana}"),
    "a note in defaults": of("defaults: {x-note: 1, aspect_ratio: 1:1}"),
    "empty defaults": of("defaults:"),
    "an id made of a template": of('defaults: {id: "{{ prompt }}"}', JOB),
    "a prompt of a thousand letters": job(prompt="x" * 1000),
    "another model": of("model: owner/other", "{id: a, seed: 5, text: hello}"),
    "a job of another model": of("", JOB, "{id: a, model: owner/other, seed: 5}"),
    "a job of this model among others": of(
        "model: owner/other", f"{{id: a, model: {DEFAULT_MODEL}, prompt: a, image_urls: {URL}}}"
    ),
    "defaults of another model": of("defaults: {model: owner/other, seed: 5}", "{id: a, text: hello}"),
    "an override to another model": of("overrides: [{match: a, set: {model: owner/other, seed: 5}}]", "{id: a}"),
    "a matrix over models": of("matrix: {model: [owner/other, owner/more]}", "{id: a, seed: 5}"),
    "a matrix": of(
        "matrix: {scene: [{name: a, prompt: A}, {name: b, prompt: B}], num_images: [1, 2]}",
        f"{{id: a, image_urls: {URL}}}",
    ),
    "a matrix with exceptions": of(
        "matrix: {aspect_ratio: [1:1, 4:5], exclude: [{aspect_ratio: 1:1}], include: [{aspect_ratio: 16:9}]}"
    ),
    "an override": of("overrides: [{match: '*', set: {num_images: 2}}]"),
    "an override that skips": of("overrides: [{match: mug, skip: true}]", JOB, JOB.replace("mug,", "b,")),
    "an output path": of('output: {path: "{{ id }}/{{ n }}.{{ ext }}", on_conflict: suffix}'),
    "a sheet": sheet("{file: c.csv}"),
    "a feed of tabs that is called a text": sheet("{file: feed.txt}"),
    "a sheet and an empty list of jobs": sheet("{file: c.csv}", "jobs: []"),
    "a sheet with all there is to say": sheet(
        "{file: c.txt, format: csv, encoding: utf-8, delimiter: ',', columns: {id: id}, where: stock > 0}"
    ),
    "a shop's export": sheet("{file: shop.csv, preset: shopify, per: image}", "defaults: {prompt: White}"),
    "settings": of(
        "run: {concurrency: 8, max_cost_usd: 2, until: '7:30', max_duration: 8h, job_timeout: 9, on_interrupt: drain}"
    ),
    "a limit in dollars": of("run: {max_cost_usd: $12.50, max_duration: 1h30m}"),
}
BAD = {
    "nothing": "{}\n",
    "no version": f"jobs: [{JOB}]\n",
    "another version": of().replace("version: 1", "version: 2"),
    "a version in quotes": of().replace("version: 1", "version: '1'"),
    "no jobs": "version: 1\n",
    "an empty list of jobs": "version: 1\njobs: []\n",
    "jobs that are a mapping": "version: 1\njobs: {a: 1}\n",
    "jobs that are nothing": "version: 1\njobs:\n",
    "a job that is a word": of("", JOB, "mug"),
    "an unknown key": of("defualts: {}"),
    "a name with spaces": of("name: My Mugs"),
    "a name that is long": of(f"name: {'m' * 81}"),
    "a model that leads elsewhere": of("model: ../x"),
    "a model that is nothing": of("model:"),
    "a job's model with a space": job(model="a b"),
    "a job's model that is long": job(model="m" * 121),
    "an unknown field": job(promt="White"),
    "an unknown field of a model that is said": of(
        f"model: {DEFAULT_MODEL}", "{id: a, promt: White, image_urls: " + URL + "}"
    ),
    "an unknown field in a job of this model": of(
        "model: owner/other", f"{{id: a, model: {DEFAULT_MODEL}, prompt: a, image_urls: {URL}, seed: 5}}"
    ),
    "an unknown field in defaults": of("defaults: {promt: White}"),
    "an unknown field in an override": of("overrides: [{match: mug, set: {promt: White}}]"),
    "an unknown field in a matrix": of("matrix: {scene: [{name: a, promt: A}, {name: b, prompt: B}]}"),
    "an id that is a list": job(id="[a]"),
    "an id that is blank": job(id="' '"),
    "an id of two lines": job(id='"a\\nb"'),
    "an id that is long": job(id="i" * 121),
    "an id as a default": of("defaults: {id: mug}"),
    "an empty prompt": job(prompt="''"),
    "a blank prompt": job(prompt="' '"),
    "a long prompt": job(prompt="x" * 1001),
    "a prompt that is a number": job(prompt="5"),
    "a prompt that is nothing": job(prompt=""),
    "no pictures": job(image_urls="[]"),
    "eleven pictures": job(image_urls=f"[{', '.join(f'{URL}?{n}' for n in range(11))}]"),
    "a picture that is a number": job(image_urls="[5]"),
    "a picture that is blank": job(image_urls="[' ']"),
    "a picture of plain http": job(image_urls="http://cdn.example.com/mug.jpg"),
    "an unknown ratio": job(aspect_ratio="16:10"),
    "a ratio that PyYAML made": job(aspect_ratio="969"),
    "a format with a short name": job(output_format="jpg"),
    "five images": job(num_images="5"),
    "no image": job(num_images="0"),
    "half an image": job(num_images="1.5"),
    "a number in quotes": job(num_images="'2'"),
    "an unknown ratio in defaults": of("defaults: {aspect_ratio: 16x9}"),
    "an unknown ratio in a matrix": of("matrix: {aspect_ratio: [1:1, 16x9]}"),
    "an unknown ratio in an override": of("overrides: [{match: mug, set: {aspect_ratio: 16x9}}]"),
    "defaults that are a list": of("defaults: [1]"),
    "sources that are none": "version: 1\nsources: []\n",
    "a source of neither kind": sheet("{format: csv}"),
    "a source of both kinds": sheet("{file: c.csv, folder: photos}"),
    "a source with an unknown key": sheet("{file: c.csv, wehre: stock > 0}"),
    "a glob for a file": sheet("{file: c.csv, glob: '*.jpg'}"),
    "a sheet for a folder": sheet("{folder: ., sheet: a}"),
    "per without a preset": sheet("{file: c.csv, per: image}"),
    "a preset that is unknown": sheet("{file: shop.csv, preset: shopfy}"),
    "a file of an unknown kind": sheet("{file: c.doc}"),
    "a format that is unknown": sheet("{file: c.txt, format: excel}"),
    "a delimiter that is none": sheet("{file: c.csv, delimiter: ':'}"),
    "columns that are a list": sheet("{file: c.csv, columns: [id]}"),
    "a matrix without an axis": of("matrix: {include: [{scene: a}]}"),
    "an empty matrix": of("matrix: {}"),
    "an axis without values": of("matrix: {scene: []}"),
    "an axis with a name that is taken": of("matrix: {id: [a, b]}"),
    "a value without a name": of("matrix: {scene: [{prompt: a}]}"),
    "an exclude of nothing": of("matrix: {aspect_ratio: [1:1], exclude: [{}]}"),
    "an override without a match": of("overrides: [{skip: true}]"),
    "an override that changes nothing": of("overrides: [{match: mug}]"),
    "an override of an id": of("overrides: [{match: mug, set: {id: a}}]"),
    "an output with an unknown key": of("output: {pth: a}"),
    "a conflict that is unknown": of("output: {on_conflict: rename}"),
    "an unknown setting": of("run: {concurency: 3}"),
    "a setting that spends": of("run: {yes: true}"),
    "no concurrency": of("run: {concurrency: 0}"),
    "half a request": of("run: {concurrency: 1.5}"),
    "a limit below nothing": of("run: {max_cost_usd: -1}"),
    "a limit in words": of("run: {max_cost_usd: lots}"),
    "a time that is none": of("run: {until: noon}"),
    "an hour that is none": of("run: {until: '24:00'}"),
    "a duration that is none": of("run: {job_timeout: soon}"),
    "no duration": of("run: {max_duration: 0}"),
    "an interrupt that is unknown": of("run: {on_interrupt: panic}"),
    "a run that is a list": of("run: [concurrency]"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_the_reader_reads_the_schema_takes(refused, name):
    """Nothing that works is underlined."""
    assert refused(GOOD[name]) == set()
    assert [error.message for error in VALID.iter_errors(seen_by_an_editor(GOOD[name]))] == []


@pytest.mark.parametrize("name", BAD)
def test_what_the_reader_refuses_the_schema_refuses(refused, name):
    """It is seen while it is written."""
    assert refused(BAD[name])
    assert not VALID.is_valid(seen_by_an_editor(BAD[name]))


# ------------------------------------------------------------------------------------------------------------ a search

LEFT_OUT = object()
WHOLE = {
    "version": 1,
    "name": "mugs",
    "defaults": {"prompt": "Grey", "aspect_ratio": "1:1", "x-note": 1},
    "jobs": [
        {"id": "mug", "prompt": "White", "image_urls": [URL]},
        {"id": "lamp", "prompt": "Black", "image_urls": [URL], "output_format": "png"},
        {"id": "bare", "image_urls": [URL]},
    ],
    "run": {"concurrency": 8},
    "output": {"on_conflict": "suffix"},
    "x-own": {"a": 1},
}
FIELDS = {
    "id": ["mug-2", "a b", "", " ", "i" * 120, "i" * 121, ["a"], {"a": 1}, 7, True, "{{ prompt }}", LEFT_OUT],
    "prompt": ["Red", "{{ id }} on oak", "", " ", "x" * 1000, "x" * 1001, None, 5, ["a"], LEFT_OUT],
    "image_urls": [URL, [URL, f"{URL}?2"], [], [5], "", 7, "http://cdn.example.com/a.jpg", LEFT_OUT],
    "aspect_ratio": ["auto", "16:9", "16x9", 1, None],
    "output_format": ["jpeg", "jpg", 5],
    "num_images": [1, 4, 5, 0, 1.5, 2.0, "2", True],
    "model": [DEFAULT_MODEL, "owner/other", "../x", "", None, 5],
    "x-note": [[1]],
    "seed": [5],
}
PARTS = {
    **{("jobs", 0, name): values for name, values in FIELDS.items()},
    **{("defaults", name): values for name, values in FIELDS.items() if name != "image_urls"},
    **{
        ("run", name): [1, 0, -1, 1.5, "8h", "90m", "07:30", "24:00", "12.50", "$3", "drain", "soon"]
        for name in FROM_MANIFEST
    },
    ("run", "yes"): [True],
    ("version",): [2, "1", None, LEFT_OUT],
    ("name",): ["lamps", "My Lamps", 5, None, LEFT_OUT],
    ("model",): [DEFAULT_MODEL, "owner/other", "a b", "", None],
    ("jobs",): [[], {}, None, ["mug"], LEFT_OUT],
    ("defaults",): [None, [], {}, LEFT_OUT],
    ("run",): [[], {}, LEFT_OUT],
    ("output",): [{}, {"on_conflict": "none"}, {"pth": "a"}, LEFT_OUT],
    ("jbos",): [[]],
}
CHANGES = st.lists(
    st.sampled_from(sorted(PARTS, key=str)).flatmap(
        lambda path: st.tuples(st.just(path), st.sampled_from(PARTS[path]))
    ),
    max_size=3,
)


def changed(changes):
    """The whole manifest with some of its parts otherwise."""
    manifest = copy.deepcopy(WHOLE)
    for path, value in changes:
        part = manifest
        for key in path[:-1]:
            if not (isinstance(part, dict) and key in part) and not (isinstance(part, list) and part):
                break
            part = part[key]
        else:
            if isinstance(part, dict):
                part[path[-1]] = value
                if value is LEFT_OUT:
                    del part[path[-1]]
    return manifest


SEEN = Counter()


@settings(
    max_examples=400,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=CHANGES)
def search(refused, changes):
    manifest = changed(changes)
    codes = refused(json.dumps(manifest))  # JSON is YAML
    SEEN[bool(codes)] += 1
    if VALID.is_valid(manifest):
        is_mixed = "owner/other" in str(manifest)  # whose the fields of all are, is open then
        assert codes <= ITS_OWN or is_mixed, manifest
    else:
        assert codes, manifest


def test_they_agree_on_whatever_is_written(refused):
    """A whole manifest, some parts of it changed: refused by both, or by none, but for what the reader alone knows."""
    search(refused)
    assert min(SEEN[True], SEEN[False]) > 20, SEEN


def test_each_setting_of_a_run_is_described():
    """For editors as for the reader, none left out."""
    assert FOR_EDITORS.keys() == FROM_MANIFEST.keys()
    assert all(schema["description"] for schema in FOR_EDITORS.values())
