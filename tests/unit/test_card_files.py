"""Cards that were pulled: their files, and what differs between two of them."""

import json
from pathlib import Path

import pytest

from runner.catalog import (
    ModelCard,
    bundled,
    card_file_name,
    cards_beside,
    differs,
    fields_of,
    parse_card,
    read_card,
    rules_for,
    write_card,
)
from runner.catalog.files import read_document
from runner.errors import CannotCreate, ConfigurationInvalid, InputMissing
from runner.model import Money, Price

MODEL = "atelier/restyle/image-to-image"
NANO = "google/nano-banana/edit"
AT = 1_764_000_000.75
DOCUMENT = {
    "model_id": MODEL,
    "display_name": "Restyle",
    "categories": ["image-to-image"],
    "base_price_usd": 0.02,
    "price_unit": "output",
    "pricing_note": "per picture",
    "input_schema": {
        "type": "object",
        "properties": {"prompt": {"type": "string"}, "strength": {"type": "float", "description": "Größe, 更大"}},
        "required": ["prompt"],
    },
}


@pytest.fixture
def path(tmp_path):
    """Where the card of the model belongs."""
    return tmp_path / card_file_name(MODEL)


@pytest.mark.parametrize(
    ("model_id", "name"),
    [(NANO, "google--nano-banana--edit.model.json"), ("owner/x", "owner--x.model.json"), ("x", "x.model.json")],
)
def test_a_card_files_name_is_its_models_id(model_id, name):
    assert card_file_name(model_id) == name


def test_a_file_holds_the_document_as_it_came_and_when(path):
    """Sorted and indented, letters as they are, a line at its end: a version control shows what has changed."""
    write_card(path, DOCUMENT, AT)
    text = path.read_text("utf-8")
    assert json.loads(text) == {**DOCUMENT, "schema": "runcomfy-batch.card/1", "pulled_at": "2025-11-24T16:00:00Z"}
    assert "Größe, 更大" in text
    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    again = path.with_name("again")
    write_card(again, dict(reversed(DOCUMENT.items())), AT)
    assert again.read_text("utf-8") == text
    assert sorted(path.parent.iterdir()) == sorted([again, path])


def test_a_file_is_read_as_the_card_that_was_kept(path):
    """Its types in standard words, its price as it was."""
    write_card(path, DOCUMENT, AT)
    assert read_card(path, MODEL) == ModelCard(
        model_id=MODEL,
        display_name="Restyle",
        input_schema=parse_card(MODEL, DOCUMENT).input_schema,
        output_schema={},
        price=Price(amount=Money(20_000), unit="output", note="per picture"),
        categories=("image-to-image",),
        pulled_at=int(AT),
    )


def test_a_pulled_card_of_the_bundled_model_is_judged_by_its_own_schema(tmp_path):
    """It was put beside the manifest for that."""
    path = tmp_path / card_file_name(NANO)
    write_card(path, {"model_id": NANO, "input_schema": {"properties": {"seed": {"type": "integer"}}}}, AT)
    card = read_card(path, NANO)
    assert (list(rules_for(card).fields), card.is_bundled) == (["seed"], False)
    assert card.output_schema == bundled(NANO).output_schema


def test_an_input_schema_named_schema_is_kept_where_it_is_looked_for(path):
    """The name is taken: it says what the file is."""
    schema = {"properties": {"seed": {"type": "integer"}}}
    write_card(path, {"model_id": MODEL, "schema": schema, "pulled_at": "never"}, AT)
    assert read_card(path).input_schema == schema
    write_card(path, {"model_id": MODEL, "schema": "x", "input_schema": schema}, AT)
    assert read_card(path).input_schema == schema


def test_half_a_letter_is_kept_too(path):
    """It is JSON, and no text."""
    write_card(path, {"model_id": MODEL, "pricing_note": "\ud800"}, AT)
    assert read_card(path).price.note == "\ud800"


def test_a_card_is_found_beside_the_manifest_without_its_price(tmp_path, path):
    """What it costs is asked for when it is paid. Each file is read once."""
    write_card(path, DOCUMENT, AT)
    card_of = cards_beside(tmp_path)
    card = card_of(MODEL)
    assert (card.model_id, card.price) == (MODEL, Price(amount=None))
    path.unlink()
    assert card_of(MODEL) is card
    assert [card_of(model) for model in (NANO, "owner/other", "..", "", "a\0b", "\ud800")] == [None] * 6


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"[]", "it is no card that `models pull` wrote"),
        (json.dumps(DOCUMENT).encode(), 'it lacks `"schema": "runcomfy-batch.card/1"`'),
        (b'{"schema": "runcomfy-batch.card/2"}', "it is no card"),
        (b'{"schema": "runcomfy-batch.card/1"}', "`model_id` is missing"),
        (b'{"schema": "runcomfy-batch.card/1", "model_id": 5}', "`model_id` is missing"),
        (b'{"schema": "runcomfy-batch.card/1", "model_id": "owner/other"}', "it is the card of 'owner/other', not of"),
        (
            json.dumps({"schema": "runcomfy-batch.card/1", "model_id": MODEL, "pulled_at": "today"}).encode(),
            "it does not say when it was pulled",
        ),
        (json.dumps({"schema": "runcomfy-batch.card/1", "model_id": MODEL}).encode(), "`pulled_at`"),
    ],
)
def test_a_file_that_is_no_card_of_the_model_is_refused_with_the_remedy(content, why, tmp_path, path):
    """By name: to pass over it would judge by another schema than the one that was kept."""
    path.write_bytes(content)
    for read in (lambda: read_card(path, MODEL), lambda: cards_beside(tmp_path)(MODEL)):
        with pytest.raises(ConfigurationInvalid) as caught:
            read()
        assert caught.value.message.startswith(f"{path} cannot be used as a model's card: ")
        assert why in caught.value.message
        assert f"--to {tmp_path} --force` writes it anew." in caught.value.message


def test_a_file_that_is_not_there_is_missing(path):
    with pytest.raises(InputMissing, match="No such file"):
        read_card(path)
    path.mkdir()
    with pytest.raises(InputMissing, match="directory"):
        read_document(path)


def test_the_old_file_stays_until_the_new_one_is_whole(path, monkeypatch):
    """A full disk leaves the card that was there, and nothing beside it."""
    write_card(path, DOCUMENT, AT)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runner.catalog.files.os.fsync", full)
    with pytest.raises(CannotCreate, match=r"cannot write .*: No space left on device"):
        write_card(path, {**DOCUMENT, "display_name": "New"}, AT)
    assert (path.read_bytes(), list(path.parent.iterdir())) == (before, [path])


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotCreate, match="cannot write"):
        write_card(tmp_path / "file" / "x.model.json", DOCUMENT, AT)
    write_card(Path(tmp_path / "new" / "folder" / "x.model.json"), DOCUMENT, AT)
    assert read_card(tmp_path / "new" / "folder" / "x.model.json").model_id == MODEL


# ------------------------------------------------------------------------------------------------------ in words

RESOLUTION = {"type": "string", "enum": ["1k", "2k"], "default": "1k"}


def card(required=(), **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return parse_card("owner/other", {"input_schema": schema})


@pytest.mark.parametrize(
    ("field", "kind", "limits", "default"),
    [
        ({"type": "string", "minLength": 1, "maxLength": 1000}, "string", ["1 to 1000 characters"], None),
        ({"type": "string", "maxLength": 1}, "string", ["at most 1 character"], None),
        ({"type": "integer", "minimum": 1, "maximum": 4, "default": 1}, "integer", ["1 to 4"], "1"),
        ({"type": "integer", "default": None}, "integer or null", [], "null"),
        ({"type": "float", "minimum": 0}, "number", ["at least 0"], None),
        (
            {"type": "float", "exclusiveMinimum": 0, "maximum": 1, "multipleOf": 0.5},
            "number",
            ["above 0", "at most 1", "a multiple of 0.5"],
            None,
        ),
        ({"type": ["string", "integer"]}, "string or integer", [], None),
        ({"enum": ["a", 2, None]}, "anything", ["one of a, 2, null"], None),
        ({"type": "string", "format": "image_uri"}, "image URL", [], None),
        ({"type": "string", "format": "uri", "default": None}, "URL or null", [], "null"),
        ({"type": "array", "format": "image_uris", "maxItems": 10}, "list of image URLs", ["at most 10 items"], None),
        (
            {"type": "array", "items": {"type": "string", "format": "video_uri"}, "minItems": 2, "maxItems": 2},
            "list of video URLs",
            ["2 items"],
            None,
        ),
        (
            {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
            "list of integer",
            ["at least 1 item", "each at least 1"],
            None,
        ),
        ({"type": "array"}, "list", [], None),
        ({"type": "string", "pattern": "^x"}, "string", ["of the form ^x"], None),
        (
            {"format": "image_uri", "validations": [{"validation_rule": "width_pixels>", "validation_value": 14}]},
            "image URL",
            ["width above 14 pixels"],
            None,
        ),
        (
            {"format": "uri", "validations": [{"validation_rule": "width/height<", "validation_value": 2.5}]},
            "URL",
            ["width/height below 2.5"],
            None,
        ),
        ({}, "anything", [], None),
    ],
)
def test_a_field_is_told_in_words(field, kind, limits, default):
    """Type, limits and default; what it is for comes from the card."""
    words = fields_of(card(a={**field, "description": "What it is."}))["a"]
    assert (words.type, list(words.limits), words.default) == (kind, limits, default)
    assert (words.description, words.is_required) == ("What it is.", False)


def test_required_fields_come_first():
    assert [(w.name, w.is_required) for w in fields_of(card(["c"], a={}, b={}, c={"title": "C"})).values()] == [
        ("c", True),
        ("a", False),
        ("b", False),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (card(a={}), card(a={}), []),
        (card(), card(a={"type": "integer"}), ["added: a (integer)"]),
        (
            card(),
            card(["a"], a={"type": "string", "maxLength": 9}),
            ["added: a (string, required, at most 9 characters)"],
        ),
        (card(a={}), card(), ["removed: a"]),
        (card(a={"type": "int"}), card(a={"type": "float"}), ["changed: a: integer -> number"]),
        (card(a={}), card(["a"], a={}), ["changed: a: now required"]),
        (card(["a"], a={}), card(a={}), ["changed: a: no longer required"]),
        (
            card(a=RESOLUTION),
            card(a={**RESOLUTION, "enum": ["1k", "2k", "4k"], "default": "2k"}),
            ['changed: a: default "1k" -> "2k"', "changed: a: one of 1k, 2k -> one of 1k, 2k, 4k"],
        ),
        (card(a={"maximum": 4}), card(a={}), ["changed: a: at most 4 -> no limits"]),
        (card(a={}), card(a={"default": 0}), ["changed: a: default none -> 0"]),
        (card(a={"uniqueItems": True}), card(a={}), ["changed: a: its schema"]),
        (
            card(a={"items": {"properties": {"title": {"type": "string"}}}}),
            card(a={"items": {"properties": {"title": {"type": "integer"}}}}),
            ["changed: a: its schema"],
        ),
        (card(a={"title": "A", "description": "Old.", "examples": [1]}), card(a={"description": "New."}), []),
        (
            card(b={}, c={"type": "string"}),
            card(a={}, c={"type": "integer"}),
            ["added: a (anything)", "changed: c: string -> integer", "removed: b"],
        ),
    ],
)
def test_two_cards_differ_by_what_they_take(old, new, expected):
    """In words, in an order that is always the same; what is for people alone does not count."""
    assert differs(old, new) == expected


def test_a_card_that_closes_its_fields_differs():
    opened = parse_card("owner/other", {"input_schema": {}})
    closed = parse_card("owner/other", {"input_schema": {"additionalProperties": False}})
    assert differs(opened, closed) == ["changed: fields that are not listed are now refused"]
    assert differs(closed, opened) == ["changed: fields that are not listed are now taken"]
