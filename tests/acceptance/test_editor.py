"""Manifests in an editor: the real YAML language server completes, explains and flags them by the schema of `init`."""

from __future__ import annotations

import itertools
import os
import shutil
from pathlib import Path

import pytest
from support.language_server import editor
from support.processes import command

MANIFESTS = Path(__file__).parents[2] / "manifests"
SERVER = os.environ.get("YAML_LANGUAGE_SERVER") or shutil.which("yaml-language-server")
MODELINE = "# yaml-language-server: $schema=./runcomfy-batch.schema.json\n"
JOB = "version: 1\njobs:\n  - id: mug\n    image_urls: [https://photos.example.com/mug-red.jpg]\n    "

pytestmark = pytest.mark.skipif(SERVER is None, reason="npm has the language server; .ci/run installs it")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which `init` was run."""
    folder = tmp_path_factory.mktemp("editor")
    assert command("init", cwd=folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def opened(folder):
    """An editor in that folder."""
    with editor(str(SERVER), folder) as running:
        yield running


@pytest.fixture
def show(opened, folder, request):
    """Opens a manifest of this text, at whose end the cursor stands; its path, the cursor, and what is flagged."""
    numbers = itertools.count()

    def show(text):
        path = folder / f"{request.node.name}-{next(numbers)}.yaml"
        flagged = opened.open(path, MODELINE + text)
        lines = (MODELINE + text).split("\n")
        return path, (len(lines), len(lines[-1]) + 1), flagged

    return show


def test_what_init_writes_names_its_schema_and_has_no_flaw(opened, folder):
    """The first line of the file is all that an editor needs."""
    text = (folder / "catalogue.yaml").read_text("utf-8")
    assert text.startswith(MODELINE)
    assert opened.open(folder / "catalogue.yaml", text) == []


def test_no_shipped_manifest_is_flagged(opened, folder):
    """What runs is not underlined."""
    flagged = {
        path.name: opened.open(folder / f"shipped-{path.name}", MODELINE + path.read_text("utf-8"))
        for path in MANIFESTS.glob("*.yaml")
    }
    assert len(flagged) > 10
    assert {name: found for name, found in flagged.items() if found} == {}


def test_keys_are_completed_where_they_may_stand(opened, show):
    """Those of a manifest, a job, a source, a run, each with what it is for; none that stands there already."""
    path, cursor, _ = show("version: 1\n")
    top = opened.complete(path, *cursor)
    assert top.keys() >= {"jobs", "sources", "defaults", "matrix", "overrides", "output", "run", "name", "model"}
    assert (top["defaults"], "version" in top) == ("What every job inherits.", False)
    path, cursor, _ = show(JOB)
    job = opened.complete(path, *cursor)
    assert job.keys() >= {"prompt", "aspect_ratio", "output_format", "num_images", "model"}
    assert (job["num_images"], "id" in job) == ("How many variants to make; each is paid for.", False)
    path, cursor, _ = show("version: 1\nsources:\n  - file: a.csv\n    ")
    assert opened.complete(path, *cursor).keys() >= {"columns", "where", "preset", "per", "encoding", "delimiter"}
    path, cursor, _ = show("version: 1\nrun:\n  concurrency: 8\n  ")
    assert opened.complete(path, *cursor).keys() >= {"max_cost_usd", "until", "max_duration"}


def test_values_are_completed(opened, show):
    """The ratios of the model, the presets that there are."""
    path, cursor, _ = show(f"{JOB}aspect_ratio: ")
    assert {"auto", "1:1", "16:9", "21:9"} <= opened.complete(path, *cursor).keys()
    path, cursor, _ = show("version: 1\nsources:\n  - file: a.csv\n    preset: ")
    assert {"shopify", "woocommerce", "google-merchant"} <= opened.complete(path, *cursor).keys()


def test_a_key_is_explained_where_the_mouse_rests(opened, show):
    path, (line, column), _ = show(f"{JOB}aspect_ratio: 16:9")
    shown = opened.hover(path, line, column - 10)
    assert "The shape of the output; auto keeps that of the input." in shown
    assert "16:9" in shown


def test_what_is_wrong_is_flagged_while_it_is_written(show):
    """At its line; the reader refuses it as well."""
    for text, said in {
        f"{JOB}promt: White": "6: Property promt is not allowed.",
        f"{JOB}aspect_ratio: 16x9": "6: Value is not accepted. Valid values: ",
        f"{JOB}num_images: 5": "6: Value is above the maximum of 4.",
        "version: 1\ndefualts: {}\njobs: [{id: a}]": "3: Property defualts is not allowed.",
        "jobs: [{id: a}]": '2: Missing property "version".',
        "version: 1\nrun: {concurency: 3}\njobs: [{id: a}]": "3: Property concurency is not allowed.",
        "version: 1\nrun: {concurrency: many}\njobs: [{id: a}]": '3: Incorrect type. Expected "integer".',
        "version: 1\nsources: [{file: a.csv, preset: shopfy}]": "3: Value is not accepted. Valid values: ",
    }.items():
        _, _, flagged = show(text)
        assert [line for line in flagged if line.startswith(said)], (text, flagged)
