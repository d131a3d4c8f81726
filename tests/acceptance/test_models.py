"""`models` as a subprocess, against a simulator in a process of its own."""

from __future__ import annotations

import json
import re

import pytest
from support.processes import COMMAND, TOKEN, command, environment, simulator

NANO = "google/nano-banana/edit"
RESTYLE = "atelier/restyle/image-to-image"
TURNTABLE = "atelier/turntable"
AWAY = {"RUNCOMFY_TOKEN": TOKEN, "RUNCOMFY_MODEL_API_BASE": "http://127.0.0.1:9/v1"}


@pytest.fixture
def service(tmp_path_factory):
    """A running simulator."""
    with simulator(tmp_path_factory.mktemp("service")) as running:
        yield running


def test_list_prints_ids_prices_categories_and_names(tmp_path, service):
    """A line a model, in columns; what a limit leaves out is told on stderr."""
    done = command("models", "list", cwd=tmp_path, **service.env)
    assert (done.returncode, done.stderr) == (0, "")
    header, *lines = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert header == ["MODEL", "PRICE", "CATEGORIES", "NAME"]
    assert lines[0] == [NANO, "$0.039 / output", "image-to-image", "Nano Banana Edit"]
    assert lines[3] == [TURNTABLE, "$0.05 / second", "animation, image-to-video", "Turntable"]
    assert len(lines) == 4
    short = command("models", "list", "--limit", "2", cwd=tmp_path, **service.env)
    assert (len(short.stdout.splitlines()), short.stderr) == (3, "2 of 4 models; --limit 4 shows them all\n")


def test_list_searches_and_filters_also_by_environment(tmp_path, service):
    """Flags of a command within a command have variables too."""
    for flags, env, found in (
        (("--search", "turn"), {}, [TURNTABLE]),
        (("--category", "image-to-image", "--search", "atelier"), {}, ["atelier/clear-upscale", RESTYLE]),
        ((), {"RUNCOMFY_BATCH_MODELS_LIST_SEARCH": "turn"}, [TURNTABLE]),
        ((), {"RUNCOMFY_BATCH_MODELS_LIST_LIMIT": "1"}, [NANO]),
    ):
        done = command("models", "list", "--json", *flags, cwd=tmp_path, **service.env, **env)
        assert [model["model_id"] for model in json.loads(done.stdout)["models"]] == found
    none = command("models", "list", "--search", "flux", cwd=tmp_path, **service.env)
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "no model was found\n")


def test_list_as_json_is_one_document(tmp_path, service):
    """Prices in USD."""
    document = json.loads(command("models", "list", "--json", cwd=tmp_path, **service.env).stdout)
    assert document["total"] == 4
    assert document["models"][3] == {
        "model_id": TURNTABLE,
        "display_name": "Turntable",
        "categories": ["animation", "image-to-video"],
        "price_usd": 0.05,
        "price_unit": "second",
        "pricing_note": "play money, per second of the animation: a stand-in of the simulator, no model of RunComfy's",
    }


def test_show_tells_what_a_model_accepts_and_costs(tmp_path, service):
    """Each input with its type, whether it is required, its limits and what it is for."""
    done = command("models", "show", RESTYLE, cwd=tmp_path, **service.env)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.split(r"\s{2,}", line) for line in done.stdout.splitlines()]
    assert ["price", "$0.03 / output"] in lines
    assert ["card", f"live, from {service.base}"] in lines
    assert ["prompt", "string", "required", "1 to 2000 characters"] in lines
    assert ["strength", "number", "default 1", "0 to 1"] in lines
    assert ["seed", "integer or null", "optional", "at least 0"] in lines
    assert ["resolution", "string", 'default "1k"', "one of 0.5k, 1k, 2k"] in lines
    assert "file size below 10 MB, width above 14 pixels" in done.stdout
    assert "    The long side of the output." in done.stdout.splitlines()
    assert max(map(len, done.stdout.splitlines())) <= 104


def test_show_as_json_holds_fields_and_schema(tmp_path, service):
    """For another program."""
    document = json.loads(command("models", "show", TURNTABLE, "--json", cwd=tmp_path, **service.env).stdout)
    assert (document["model_id"], document["price_usd"], document["price_unit"]) == (TURNTABLE, 0.05, "second")
    assert document["fields"][0] == {
        "name": "image_url",
        "type": "image URL",
        "is_required": True,
        "limits": [],
        "default": None,
        "description": "A public https URL of the picture to set in motion.",
    }
    assert document["input_schema"]["required"] == ["image_url"]
    assert (document["pulled_at"], document["origin"]) == (None, f"live, from {service.base}")


@pytest.mark.parametrize(
    ("env", "why"), [({}, "no token was found"), (AWAY, "http://127.0.0.1:9/v1 cannot be used: connection to")]
)
def test_the_bundled_model_is_shown_offline(env, why, tmp_path):
    """It says so, and that the price is not known."""
    done = command("models", "show", NANO, cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(why)
    assert "without a price" in done.stderr
    assert re.search(r"^price +unknown$", done.stdout, re.MULTILINE)
    assert re.search(r"^num_images +integer +default 1 +1 to 4$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [("list",), ("show", RESTYLE), ("pull", NANO)])
def test_trouble_has_the_exit_codes_of_the_other_commands(arguments, tmp_path):
    """No token and a refused one 77, a service that is away 69, a base in the clear 78."""
    tokenless = command("models", *arguments, cwd=tmp_path)
    assert (tokenless.returncode, "$RUNCOMFY_TOKEN" in tokenless.stderr) == (77, True)
    away = command("models", *arguments, cwd=tmp_path, **AWAY)
    assert (away.returncode, "Try again later." in away.stderr) == (69, True)
    plain = command("models", *arguments, "--base-url", "http://api.example.com/v1", cwd=tmp_path, RUNCOMFY_TOKEN=TOKEN)
    assert (plain.returncode, "https" in plain.stderr) == (78, True)
    refusal = {"on": "card", "kind": "status", "status": 401, "error_code": 401001, "every": 1}
    with simulator(tmp_path, faults=[refusal]) as strict:
        refused = command("models", *arguments, cwd=tmp_path, **strict.env)
    assert (refused.returncode, "refused the account" in refused.stderr) == (77, True)
    assert TOKEN not in "".join(done.stdout + done.stderr for done in (tokenless, away, plain, refused))
    assert not list(tmp_path.glob("*.model.json"))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("google/nano-banan/edit", "did you mean google/nano-banana/edit?"),
        ("atelier/restyle/image-to-imag", "did you mean atelier/restyle/image-to-image?"),
        ("black-forest/kontext", "`runcomfy-batch models list` shows those it has"),
    ],
)
def test_an_unknown_model_is_66_with_the_one_that_was_meant(asked, said, tmp_path, service):
    """Show and pull; nothing is written."""
    for arguments in (("show", asked), ("pull", asked), ("pull", NANO, asked)):
        done = command("models", *arguments, cwd=tmp_path, **service.env)
        assert (done.returncode, done.stdout) == (66, "")
        assert done.stderr == f"the service does not know the model '{asked}'; {said}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("shwo", NANO),
        ("pull",),
        ("show", "../x"),
        ("pull", "a b"),
        ("pull", NANO, "a/../b"),
        ("pull", "x" * 200),
        ("pull", NANO, "--to", ""),
        ("list", "--limit", "0"),
    ],
)
def test_what_means_nothing_is_64(arguments, tmp_path):
    """Before anything is asked."""
    done = command("models", *arguments, cwd=tmp_path, **AWAY)
    assert done.returncode == 64, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bad_variable_of_a_command_within_a_command_is_named(tmp_path):
    """So that nobody looks for it on the command line."""
    done = command("models", "list", cwd=tmp_path, RUNCOMFY_BATCH_MODELS_LIST_LIMIT="many")
    assert done.returncode == 64
    assert "It comes from the environment: RUNCOMFY_BATCH_MODELS_LIST_LIMIT" in done.stderr


def test_pull_keeps_cards_and_a_second_time_changes_nothing(tmp_path, service):
    """The paths on stdout; the file stays byte by byte, its date too."""
    arguments = ("models", "pull", NANO, TURNTABLE, "--to", "catalogue")
    first = command(*arguments, cwd=tmp_path, **service.env)
    assert (first.returncode, first.stderr) == (0, "")
    paths = [tmp_path / line for line in first.stdout.splitlines()]
    assert [path.name for path in paths] == ["google--nano-banana--edit.model.json", "atelier--turntable.model.json"]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    document = json.loads(before[1][0])
    assert (document["schema"], document["model_id"]) == ("runcomfy-batch.card/1", TURNTABLE)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["pulled_at"])
    again = command(*arguments, "--force", cwd=tmp_path, **service.env)
    assert (again.returncode, again.stdout, again.stderr) == (0, first.stdout, "  as it was\n" * 2)
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
    assert len(list((tmp_path / "catalogue").iterdir())) == 2
    assert service.ledger()["posts"] == 0


def change(path, **properties):
    """The card in a file as it was before the service changed it."""
    document = json.loads(path.read_text())
    document["input_schema"]["properties"] |= properties
    path.write_text(json.dumps(document | {"base_price_usd": 0.07, "display_name": "Old"}))


CHANGES = """\
  added: duration (integer, 1 to 5)
  changed: zoom: 1 to 4 -> 1 to 2
  removed: speed
  changed: price: $0.07 / second -> $0.05 / second
  changed: display_name
"""


def test_a_card_that_changed_is_replaced_only_by_force(tmp_path, service):
    """And what has changed is told; of several models then none is written."""
    path = tmp_path / "atelier--turntable.model.json"
    command("models", "pull", TURNTABLE, cwd=tmp_path, **service.env)
    live = path.read_bytes()
    zoom = {"anyOf": [{"type": "float", "minimum": 1, "maximum": 4}, {"type": "null"}], "default": 1.25}
    change(path, speed={"type": "number"}, zoom=zoom)
    document = json.loads(path.read_text())
    del document["input_schema"]["properties"]["duration"]
    path.write_text(json.dumps(document))
    before = path.read_bytes()
    refused = command("models", "pull", TURNTABLE, NANO, cwd=tmp_path, **service.env)
    assert (refused.returncode, refused.stdout) == (73, "")
    assert refused.stderr == (
        f"atelier--turntable.model.json differs from the live card:\n{CHANGES}"
        "Nothing was written; --force takes the live card.\n"
    )
    assert (path.read_bytes(), len(list(tmp_path.iterdir()))) == (before, 1)
    forced = command("models", "pull", TURNTABLE, "--force", cwd=tmp_path, **service.env)
    assert (forced.returncode, forced.stdout, forced.stderr) == (0, "atelier--turntable.model.json\n", CHANGES)
    assert {**json.loads(path.read_bytes()), "pulled_at": ""} == {**json.loads(live), "pulled_at": ""}


def test_a_file_that_is_no_card_is_replaced_only_by_force(tmp_path, service):
    """Exit 78, with the remedy."""
    path = tmp_path / "atelier--turntable.model.json"
    path.write_text("{}")
    refused = command("models", "pull", TURNTABLE, cwd=tmp_path, **service.env)
    assert (refused.returncode, path.read_text()) == (78, "{}")
    assert f"models pull {TURNTABLE} --to . --force` writes it anew" in refused.stderr
    forced = command("models", "pull", TURNTABLE, "--force", cwd=tmp_path, **service.env)
    assert (forced.returncode, forced.stderr) == (0, "  replaced: it was no card of this model\n")
    assert json.loads(path.read_text())["model_id"] == TURNTABLE


def test_a_pulled_card_is_shown_from_its_file_with_its_day(tmp_path, service):
    """Offline, its own inputs and its own price; the price is not that of today, and it says so."""
    command("models", "pull", TURNTABLE, cwd=tmp_path, **service.env)
    path = tmp_path / "atelier--turntable.model.json"
    change(path, duration={"type": "integer", "maximum": 9})
    path.write_text(path.read_text().replace(json.loads(path.read_text())["pulled_at"], "2026-11-22T04:05:06Z"))
    done = command("models", "show", path.name, cwd=tmp_path)
    assert done.returncode == 0
    assert re.search(r"^card +pulled 2026-11-22, from atelier--turntable\.model\.json$", done.stdout, re.MULTILINE)
    assert re.search(r"^price +\$0\.07 / second$", done.stdout, re.MULTILINE)
    assert re.search(r"^duration +integer +optional +at most 9$", done.stdout, re.MULTILINE)
    assert "a run asks for the price of today" in done.stderr
    document = json.loads(command("models", "show", path.name, "--json", cwd=tmp_path).stdout)
    assert document["pulled_at"] == "2026-11-22T04:05:06Z"
    missing = command("models", "show", "no.model.json", cwd=tmp_path)
    assert (missing.returncode, missing.stderr) == (66, "no.model.json: No such file or directory\n")


def test_a_card_without_inputs_says_who_judges(tmp_path):
    """Nothing is made up; what the service wrote moves no cursor."""
    head = {"schema": "runcomfy-batch.card/1", "model_id": "owner/other", "pulled_at": "2026-11-22T04:05:06Z"}
    (tmp_path / "x.model.json").write_text(json.dumps(head | {"display_name": "Red \x1b[31m\nOther"}))
    done = command("models", "show", "x.model.json", cwd=tmp_path)
    assert done.stdout.endswith("\n\nThe card lists no inputs: the service judges what it is sent.\n")
    assert re.search(r"^name +Red \[31m Other$", done.stdout, re.MULTILINE)


def test_a_place_that_cannot_be_written_is_73(tmp_path, service):
    """With its name."""
    (tmp_path / "file").write_text("")
    done = command("models", "pull", NANO, "--to", "file/cards", cwd=tmp_path, **service.env)
    assert (done.returncode, "cannot write file/cards/google--nano" in done.stderr) == (73, True)


def test_help_of_a_command_within_a_command_imports_nothing_heavy(tmp_path):
    """As the help of all others."""
    import subprocess

    script = "import sys; sys.argv = ['x', 'models', {!r}, '--help']\ntry:\n import runner.cli; runner.cli.main()\n"
    script += "except SystemExit: pass\nprint([m for m in ('aiohttp', 'yaml', 'PIL', 'asyncio') if m in sys.modules])"
    for name in ("list", "show", "pull"):
        done = subprocess.run(
            [COMMAND[0], "-c", script.format(name)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment(),
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_of_other_models_pays_what_their_cards_say(tmp_path):
    """By the output and by the second; every picture is whole."""
    mug = "https://photos.example.com/mug-red.jpg"
    jobs = [
        {"id": "large", "model": "atelier/clear-upscale", "image_url": mug, "scale": 1.5},
        {"id": "oak", "model": RESTYLE, "prompt": "On an oak table.", "image": mug, "resolution": "0.5k"},
        {"id": "turn", "model": TURNTABLE, "image_url": mug, "duration": 1},
    ]
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs))
    done = command("run", "jobs.jsonl", "--simulate", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["counts"], summary["cost_usd"]["spent"]) == ({"done": 3}, 0.1)
    run = tmp_path / "runs" / "jobs"
    assert sorted(path.name for path in (run / "images").iterdir()) == ["large.jpg", "oak.png", "turn.webp"]
    assert len(list((run / "inputs").iterdir())) == 1
