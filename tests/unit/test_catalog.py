"""What a model accepts, returns and costs."""

import time

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.catalog import ModelCard, bundled, parse_card, rules_for
from runner.catalog.outputs import output_urls
from runner.catalog.urls import PLAIN, _judge, url_problem
from runner.model import InputProblem, MeasuredFile, Money, Price

MODEL = "google/nano-banana/edit"
CARD = bundled(MODEL)
RULES = rules_for(CARD)
URL = "https://cdn.example.com/mug.jpg"
LEAST = {"prompt": "white", "image_urls": [URL]}
RATIOS = ["auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"]


def rules(properties, **more):
    """The rules of a model whose live card has this schema."""
    return rules_for(parse_card("owner/other", {"input_schema": {"type": "object", "properties": properties, **more}}))


def told(problems):
    return [(p.path, p.code, p.message, p.hint) for p in problems]


# ---------------------------------------------------------------------------------------------------- the bundled model


def test_the_bundled_card_is_the_services_own_page():
    """Its fields, limits and defaults; no price, since prices change."""
    assert CARD.is_bundled
    assert (CARD.model_id, CARD.price) == (MODEL, Price(amount=None))
    schema = CARD.input_schema
    assert (schema["required"], schema["additionalProperties"]) == (["prompt", "image_urls"], False)
    words = {"title", "description"}
    assert {name: {k: v for k, v in field.items() if k not in words} for name, field in RULES.fields.items()} == {
        "prompt": {"type": "string", "minLength": 1, "maxLength": 1000},
        "image_urls": {
            "type": "array",
            "minItems": 1,
            "maxItems": 10,
            "items": {"type": "string", "format": "image_uri"},
        },
        "aspect_ratio": {"type": "string", "enum": RATIOS, "default": "auto"},
        "output_format": {"type": "string", "enum": ["jpeg", "png", "webp"], "default": "png"},
        "num_images": {"type": "integer", "minimum": 1, "maximum": 4, "default": 1},
    }
    assert RULES.model == MODEL


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"prompt": "x" * 1000},
        {"prompt": "背" * 1000},
        {"image_urls": [f"{URL}?{n}" for n in range(10)]},
        {"image_urls": ["data:image/png;base64,iVBORw0KGgo="]},
        *({"aspect_ratio": ratio} for ratio in RATIOS),
        *({"output_format": form} for form in ("jpeg", "png", "webp")),
        *({"num_images": count} for count in (1, 2, 3, 4)),
    ],
)
def test_what_the_service_takes_is_taken(more):
    assert RULES.problems(LEAST | more) == []


KNOWN = "google/nano-banana/edit knows: prompt, image_urls, aspect_ratio, output_format, num_images"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"prompt": ""}, (("prompt",), "prompt-length", "prompt is empty", "say what is to change")),
        (
            {"prompt": "x" * 1003},
            (("prompt",), "prompt-length", "prompt is 1003 characters long, the limit is 1000", "cut 3 characters"),
        ),
        (
            {"prompt": None},
            (
                ("prompt",),
                "wrong-type",
                "prompt must be of type string, got nothing",
                "write some text, or leave it out",
            ),
        ),
        (
            {"prompt": 5},
            (("prompt",), "wrong-type", "prompt must be of type string, got 5", "quote it, to have it as text"),
        ),
        ({"image_urls": []}, (("image_urls",), "image-count", "0 image_urls; from 1 to 10 are taken", "add 1")),
        (
            {"image_urls": [URL] * 11},
            (("image_urls",), "image-count", "11 image_urls; from 1 to 10 are taken", "drop 1"),
        ),
        (
            {"image_urls": URL},
            (
                ("image_urls",),
                "wrong-type",
                f"image_urls must be of type array, got {URL!r}",
                "write a list, as in  [one, two]",
            ),
        ),
        (
            {"image_urls": [URL, None]},
            (
                ("image_urls", 1),
                "wrong-type",
                "image_urls.1 must be of type string, got nothing",
                "write some text, or leave it out",
            ),
        ),
        (
            {"image_urls": [URL, ""]},
            (("image_urls", 1), "url", "an empty URL", "give a public https:// URL, or drop it"),
        ),
        (
            {"aspect_ratio": "7:1"},
            (("aspect_ratio",), "aspect-ratio", "aspect_ratio: '7:1' is not supported", "did you mean '1:1'?"),
        ),
        (
            {"aspect_ratio": "square"},
            (
                ("aspect_ratio",),
                "aspect-ratio",
                "aspect_ratio: 'square' is not supported",
                f"allowed: {', '.join(RATIOS)}",
            ),
        ),
        (
            {"output_format": "JPG"},
            (("output_format",), "output-format", "output_format: 'JPG' is not supported", "did you mean 'jpeg'?"),
        ),
        (
            {"num_images": 0},
            (("num_images",), "num-images", "num_images must be 1 to 4, got 0", "write a number from 1 to 4"),
        ),
        (
            {"num_images": 5},
            (("num_images",), "num-images", "num_images must be 1 to 4, got 5", "write a number from 1 to 4"),
        ),
        (
            {"num_images": 10**30},
            (("num_images",), "num-images", f"num_images must be 1 to 4, got {10**30}", "write a number from 1 to 4"),
        ),
        (
            {"num_images": "2"},
            (
                ("num_images",),
                "num-images",
                "num_images must be of type integer, got '2'",
                "write a number, without quotes",
            ),
        ),
        (
            {"num_images": "002"},
            (
                ("num_images",),
                "num-images",
                "num_images must be of type integer, got '002'",
                "write a number without zeros before it:  2",
            ),
        ),
        (
            {"num_images": True},
            (("num_images",), "num-images", "num_images must be of type integer, got True", "write one integer"),
        ),
        (
            {"num_images": 1.5},
            (("num_images",), "num-images", "num_images must be of type integer, got 1.5", "write one integer"),
        ),
        ({"promt": "x"}, (("promt",), "unknown-field", "unknown field 'promt'", "did you mean 'prompt'?")),
        ({"seed": 5}, (("seed",), "unknown-field", "unknown field 'seed'", KNOWN)),
    ],
)
def test_what_the_service_would_refuse_is_told_with_its_remedy(more, expected):
    ((path, code, message, hint),) = told(RULES.problems(LEAST | more))
    assert (path, code, message, hint[: len(expected[3])]) == expected
    assert bool(hint) == bool(expected[3])


def test_every_problem_is_told_at_once():
    """Missing, unknown and wrong ones together."""
    found = RULES.problems({"image_urls": ["http://a.example.com/1.jpg"], "num_images": 9, "a": 1, "b": 2})
    assert sorted((p.path, p.code) for p in found) == [
        (("a",), "unknown-field"),
        (("b",), "unknown-field"),
        (("image_urls", 0), "url-scheme"),
        (("num_images",), "num-images"),
        (("prompt",), "missing-field"),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("16x9", "16:9"),
        ("16/9", "16:9"),
        ("16 : 9", "16:9"),
        (" 16:9", "16:9"),
        ("16:09", "16:9"),
        ("16:09:00", "16:9"),
        ("04:05", "4:5"),
        ("AUTO", "auto"),
        ("autp", "auto"),
    ],
)
def test_a_ratio_is_recognised_however_it_is_written(written, meant):
    """It is asked for, not put right: a spreadsheet that spoils one cell spoils others."""
    (problem,) = RULES.problems(LEAST | {"aspect_ratio": written})
    assert problem.hint.startswith(f"did you mean {meant!r}? ")
    assert ("format the column as Text" in problem.hint) == (written in ("16:09", "16:09:00", "04:05"))


def test_what_is_no_json_is_a_problem_and_no_crash():
    """A manifest's reader refuses both before; the rules are asked by others too."""
    tower = []
    for _ in range(300):
        tower = [tower]
    for value in ("\ud800", tower):
        (problem,) = RULES.problems(LEAST | {"x": value})
        assert (problem.path, problem.code) == ((), "invalid")


def test_the_inputs_are_left_as_they_were():
    given = LEAST | {"num_images": 9}
    RULES.problems(given)
    assert given == LEAST | {"num_images": 9}


@pytest.mark.parametrize(
    "model_id",
    [
        *("", "x", "..", "../data/google--nano-banana--edit", "google--nano-banana--edit", "google/nano-banana--edit"),
        *("a\\b", "a\0b", "\ud800", "m" * 5000, "google/nano-banana/edit ", "GOOGLE/nano-banana/edit"),
    ],
)
def test_only_the_bundled_models_own_id_names_it(model_id):
    """Whatever the text, nothing else is read and nothing raises."""
    assert bundled(model_id) is None


# ----------------------------------------------------------------------------------------------------------- input URLs


@pytest.mark.parametrize(
    "url",
    [
        "https://cdn.example.com/a.jpg",
        "HTTPS://CDN.EXAMPLE.COM/A.JPG",
        "https://cdn.example.com:8443/a%20b.jpg?X-Amz-Signature=abc&x=1,2#top",
        "https://bücher.example/ä.jpg",
        "https://8.8.8.8/a.jpg",
        "https://[2606:4700::1111]/a.jpg",
        "data:image/png;base64,AAAA",
        "data:video/mp4;base64,AAAA",
    ],
)
def test_a_public_https_url_can_be_fetched(url):
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("url", "code", "message", "hint"),
    [
        ("", "url", "an empty URL", "give a public https:// URL, or drop it"),
        ("  ", "url", "an empty URL", "give a public https:// URL, or drop it"),
        (
            "http://cdn.example.com/a.jpg?key=secret",
            "url-scheme",
            "https:// is needed: http://cdn.example.com/a.jpg",
            "did you mean https://cdn.example.com/a.jpg",
        ),
        (
            "HTTP://cdn.example.com/a.jpg",
            "url-scheme",
            "https:// is needed: HTTP://cdn.example.com/a.jpg",
            "did you mean https://cdn.example.com/a.jpg",
        ),
        ("ftp://x.example/a.jpg", "url-scheme", "ftp:// is not fetched: ftp://x.example/a.jpg", "use an https:// URL"),
        ("s3://bucket.x/a.jpg", "url-scheme", "s3:// is not fetched: s3://bucket.x/a.jpg", "use an https:// URL"),
        *(
            (url, "url", f"not a URL: {url}", "the service fetches public https:// URLs: upload the file first")
            for url in ("/home/me/a.jpg", "./a.jpg", "../a.jpg", "~/a.jpg", "C:\\a.jpg", "file:a.jpg", "a.jpg")
        ),
        *(
            (url, "url", f"not a URL: {url}", f"a photo of this machine is its path:  {path}")
            for url, path in (
                ("file:///a%20b.jpg", "/a b.jpg"),
                ("FILE://localhost/a.jpg", "/a.jpg"),
                ("file:/home/a.jpg", "/home/a.jpg"),
            )
        ),
        (
            "file:///C:/photos/a.jpg",
            "url",
            "not a URL: file:///C:/photos/a.jpg",
            "put the photo into the manifest's folder, and write  a.jpg",
        ),
        (
            "//cdn.example.com/a.jpg",
            "url-scheme",
            "https: is missing: //cdn.example.com/a.jpg",
            "did you mean https://cdn",
        ),
        *(
            (f"https://cdn.example.com/{name}", "url", f"{message}: https://cdn.example.com/{name}", hint)
            for name, message, hint in (
                (
                    "{sku}.jpg",
                    "the URL holds a brace, where nothing is filled in",
                    "to fill in a column write  {{ sku }}",
                ),
                ("A#1.jpg", "no server is asked for what stands behind a #", "in a file's name write it as %23"),
                ("A?3.jpg", "what stands behind a ? is no part of a file's name", "in a file's name write it as %3F"),
            )
        ),
        *(
            (url, "url-glued", f"two pictures in one URL: {url}", "separate them by  |")
            for glue in ("::", "/", "&", "\uff0f", "\u2026", "+")
            for url in (f"https://a.example.com/a.jpg{glue}https://b.example.com/b.jpg",)
        ),
        (
            "a.jpg (https://a.example.com/b)",
            "url-space",
            "a file's name and its URL: a.jpg (https://a.example.com/b)",
            "write the URL alone: https://a",
        ),
        (
            "https://a.example.com/a.jpg?v=1https://b.example.com/b.jpg",
            "url-glued",
            "two pictures in one URL: https://a.example.com/a.jpg",
            "separate them by  |",
        ),
        ("https://", "url", "a URL without a host: https://", ""),
        ("https:///a.jpg", "url", "a URL without a host: https:///a.jpg", ""),
        ("https://.jpg", "url", "a URL without a host: https://.jpg", ""),
        ("https://cdn..example.com/a.jpg", "url", "a URL without a host: https://cdn..example.com/a.jpg", ""),
        ("https://a.example\\@evil.example/x", "url", "a URL without a host: https://a.example\\@evil.example/x", ""),
        ("https://[::1/a.jpg", "url", "not a URL: https://[::1/a.jpg", ""),
        ("https://a.example:99999/x", "url", "not a URL: https://a.example:99999/x", ""),
        ("https://a.example/a b.jpg", "url-space", "the URL holds white space: https://a.example/a b.jpg", "write a"),
        (
            "https://a.example/\u200ba.jpg",
            "url",
            "the URL holds a character that cannot be seen: 'https://a.example/\\u200ba.jpg'",
            "type the URL anew",
        ),
        (
            "https://a.example/\0a.jpg",
            "url",
            "the URL holds a character that cannot be seen: 'https://a.example/\\x00a.jpg'",
            "type the URL anew",
        ),
        ("data:text/html,hi", "url", "a data: URI that is no image", "data:image/… is taken"),
        *(
            (
                f"https://{host}/a.jpg",
                "url-private",
                f"the service cannot reach {host.strip('[]')}: it is no public host",
                "use a public https:// URL",
            )
            for host in (
                *("localhost", "x.localhost", "127.0.0.1", "[::1]", "10.0.0.5", "192.168.1.1", "169.254.169.254"),
                *("0.0.0.0", "[fe80::1]", "[fc00::1]", "[::ffff:10.0.0.1]", "2130706433", "nas", "nas.local"),
                *("build.internal", "router.lan", "x.home.arpa"),
            )
        ),
    ],
)
def test_a_url_that_the_service_cannot_fetch_is_refused(url, code, message, hint):
    """It would be paid for and fail. Queries may be keys: no message repeats them."""
    found_code, found_message, found_hint = url_problem(url)
    assert (found_code, found_message, found_hint[: len(hint)]) == (code, message, hint)


@pytest.mark.parametrize(
    "url",
    [
        "https://x.example.com/a.jpg?" + "a=b&" * 50_000 + "#x",
        "https://x.example.com/" + ".jpg?" * 50_000 + " x",
        "a (" * 50_000,
    ],
)
def test_a_long_url_is_judged_in_a_moment(url):
    began = time.process_time()
    url_problem(url)
    assert time.process_time() - began < 0.5


def test_a_long_url_is_shown_cut():
    _, message, _ = url_problem(f"http://a.example.com/{'x' * 500}")
    assert message == f"https:// is needed: http://a.example.com/{'x' * 58}…"


def test_a_service_on_this_machine_may_fetch_from_it():
    """The simulator draws the photos it serves; other private hosts stay out of reach."""
    local = rules_for(CARD, allow_loopback=True)
    urls = ["http://127.0.0.1:8000/a.jpg", "https://localhost/b.jpg", "http://10.0.0.5/c.jpg", "http://a.example.com/d"]
    problems = local.problems({"prompt": "white", "image_urls": urls})
    assert [(p.path, p.code) for p in problems] == [
        (("image_urls", 2), "url-private"),
        (("image_urls", 3), "url-scheme"),
    ]


# -------------------------------------------------------------------------------------------------------- the live card


def test_a_live_card_is_read_at_the_door():
    """Its own words become standard ones: `float` is `number`. Its `validations` stay; they are no JSON Schema."""
    card = parse_card(
        "owner/other",
        {
            "display_name": "Other",
            "base_price_usd": 0.039,
            "price_unit": " Output ",
            "pricing_note": "per picture",
            "categories": ["image"],
            "input_schema": {
                "type": "object",
                "validations": [{"rule": "x"}],
                "properties": {
                    "image": {"type": "string", "validations": [1]},
                    "strength": {"type": "float", "minimum": 0, "maximum": 1},
                    "steps": {"type": "int"},
                    "type": {"type": "bool"},
                },
            },
        },
    )
    assert card == ModelCard(
        model_id="owner/other",
        display_name="Other",
        input_schema={
            "type": "object",
            "validations": [{"rule": "x"}],
            "properties": {
                "image": {"type": "string", "validations": [1]},
                "strength": {"type": "number", "minimum": 0, "maximum": 1},
                "steps": {"type": "integer"},
                "type": {"type": "boolean"},
            },
        },
        output_schema={},
        price=Price(amount=Money(39_000), unit="output", note="per picture"),
        categories=("image",),
    )
    found = rules_for(card).problems({"image": "mug.jpg", "strength": 2, "steps": 1.5, "type": 1, "stength": 1})
    assert sorted((p.path, p.code) for p in found) == [
        (("image",), "url"),
        (("stength",), "unknown-field"),
        (("steps",), "wrong-type"),
        (("strength",), "range"),
        (("type",), "wrong-type"),
    ]


def test_the_bundled_schema_stays_and_the_price_is_live():
    """A card that forgets a limit must not let through what the service refuses."""
    live = {"display_name": "Renamed", "base_price_usd": "0.04", "input_schema": {"properties": {}}}
    card = parse_card(MODEL, live)
    assert (card.input_schema, card.output_schema) == (CARD.input_schema, CARD.output_schema)
    assert (card.display_name, card.price, card.is_bundled) == ("Renamed", Price(amount=Money(40_000)), True)


@pytest.mark.parametrize("key", ["input_schema", "schema", "inputs", "parameters"])
@pytest.mark.parametrize("wrapper", [None, "input_schema", "input"])
def test_the_schema_is_found_under_the_names_it_was_seen_under(key, wrapper):
    schema = {"properties": {"seed": {"type": "integer"}}}
    card = parse_card("owner/other", {key: {wrapper: schema} if wrapper else schema})
    assert card.input_schema == schema


@pytest.mark.parametrize("document", [{}, {"input_schema": None}, {"input_schema": "x"}, {"schema": []}])
def test_a_card_without_a_schema_accepts_everything(document):
    """The service judges."""
    model = rules_for(parse_card("owner/other", document))
    assert (dict(model.fields), model.problems({"anything": [1, {"x": None}]})) == ({}, [])


@pytest.mark.parametrize(
    ("schema", "fields", "unread"),
    [
        ({"properties": {"a": {"type": "file"}}}, ["a"], ["a.type"]),
        ({"properties": {"a": {"type": "string", "required": True}}}, ["a"], ["a.required"]),
        ({"properties": {"a": {"minimum": "1"}}}, ["a"], ["a.minimum"]),
        ({"properties": {"a": {"pattern": "("}}}, ["a"], ["a.pattern"]),
        ({"properties": {"a": {"$ref": "#/nowhere"}}}, ["a"], ["a.$ref"]),
        ({"properties": {"a": {"$ref": "https://schemas.example.com/a.json"}}}, ["a"], ["a.$ref"]),
        ({"properties": {"a": {"title": None, "description": 5}}}, ["a"], []),
        ({"$ref": "https://schemas.example.com/a.json"}, [], ["$ref"]),
        ({"$schema": "https://schemas.example.com/draft", "properties": {"a": {}}}, ["a"], ["$schema"]),
        ({"properties": ["a"]}, [], ["properties"]),
        ({"properties": {"a": 5, "b": {}}}, ["b"], []),
        ({"properties": {"a": True}}, [], []),
    ],
)
def test_a_word_of_a_schema_that_is_broken_judges_nothing(schema, fields, unread):
    """One card in a catalogue of hundreds must not end the run; and no reference is ever followed to another host."""
    model = rules_for(parse_card("owner/other", {"input_schema": schema}))
    assert (list(model.fields), model.problems({"a": "x"})) == (fields, [])
    assert list(model.unread) == unread


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "array", "minItems": "1", "maxItems": 2}, [1, 2, 3]),
        ({"type": "array", "maxItems": None, "minItems": 2}, [1]),
        ({"type": "string", "maxLength": None, "minLength": 3}, "a"),
        ({"type": "integer", "minimum": None, "maximum": 3}, 9),
    ],
)
def test_a_bound_beside_one_that_is_none_is_told_of(schema, value):
    model = rules_for(parse_card("owner/other", {"input_schema": {"properties": {"a": schema}}}))
    [problem] = model.problems({"a": value})
    assert problem.path == ("a",)


def test_an_option_that_is_a_number_is_read_from_a_cell():
    model = rules_for(parse_card("owner/other", {"input_schema": {"properties": {"a": {"enum": [5, 10]}}}}))
    assert model.fields["a"]["type"] == "integer"


@pytest.mark.parametrize(
    "word",
    [
        *({name: None} for name in ("description", "title", "format", "minimum", "enum")),
        *({"required": True}, {"exclusiveMinimum": True}, {"type": "str"}, {"maximum": "4"}, {"pattern": "^a\\Z"}),
        *({"items": [{}]}, {"examples": "x"}, {"$ref": "https://schemas.example.com/a.json"}),
    ],
)
def test_the_rest_of_a_schema_judges_though_a_word_of_it_is_broken(word):
    """A card is written by hand: what it says of the other fields, and beside that word, holds."""
    fields = {"prompt": {"type": "string", "maxLength": 20, **word}, "num_images": {"type": "integer", "maximum": 4}}
    model = rules_for(parse_card("owner/other", {"input_schema": {"required": ["prompt"], "properties": fields}}))
    found = {problem.message for problem in model.problems({"prompt": "x" * 32, "num_imags": 1, "num_images": 9})}
    assert found >= {
        "prompt is 32 characters long, the limit is 20",
        "num_images must be at most 4, got 9",
        "unknown field 'num_imags'",
    }
    assert [problem.code for problem in model.problems({"num_images": 1})] == ["missing-field"]


@pytest.mark.parametrize(
    ("document", "price"),
    [
        ({"base_price_usd": 0.039}, Price(amount=Money(39_000))),
        ({"base_price_usd": "0.0395"}, Price(amount=Money(39_500))),
        ({"base_price_usd": 1, "price_unit": "Second"}, Price(amount=Money(1_000_000), unit="second")),
        ({"base_price_usd": 0}, Price(amount=Money(0))),
        ({"base_price_usd": 1, "price_unit": " ", "pricing_note": 5}, Price(amount=Money(1_000_000))),
        *(
            ({"base_price_usd": value}, Price(amount=None))
            for value in (None, True, -1, "", "free", "0.04 USD", "NaN", "Infinity", float("inf"), float("nan"), {}, [])
        ),
        *(
            ({"base_price_usd": value}, Price(amount=None))
            for value in (1e10, 10**30, "1e999999", "9223372036854.775808")  # more than 64 bits hold, or than is sane
        ),
        ({}, Price(amount=None)),
    ],
)
def test_a_price_is_known_or_unknown(document, price):
    """What is no amount is unknown, never nothing."""
    assert parse_card("owner/other", document).price == price


@pytest.mark.parametrize(
    ("fields", "counts"),
    [
        ({"prompt": {"type": "string"}, "num_images": {"type": "integer"}}, ()),
        ({"num_images": {"type": "integer", "default": 1}, "image_size": {"type": "string", "default": "4K"}}, ()),
        ({"num_images": {"type": "integer", "default": 4}}, (("num_images", 4),)),
        ({"n": {"type": "integer", "minimum": 2}}, (("n", 2),)),
        ({"batch_size": {"anyOf": [{"type": "float"}, {"type": "null"}], "default": 2.0}}, (("batch_size", 2),)),
        ({"num_outputs": {"type": ["integer", "null"], "default": None}}, ()),
        ({"num_inference_steps": {"type": "integer", "default": 28}, "num_frames": {"type": "integer"}}, ()),
        ({"images": {"type": "array"}, "imageCount": {"type": "boolean"}}, ()),
        ({"numberOfRenders": {"type": "integer", "default": 1}}, None),
        ({"sample_count": {"type": "integer"}}, None),
        ({"num_images": {"type": "string", "enum": ["1", "4"], "default": "4"}}, None),
        *(({"num_images": {"type": "number", "default": bad}}, None) for bad in ("4", 0, 1.5, True, float("inf"), [])),
        ({"num_images": 5}, None),
    ],
)
def test_a_card_says_how_many_outputs_are_paid_for(fields, counts):
    """By its own field and default; where a field may say so and is not understood, nobody knows: never too few."""
    price = parse_card("owner/other", {"base_price_usd": 0.04, "input_schema": {"properties": fields}}).price
    assert (price.counts if price.is_countable else None) == counts


@pytest.mark.parametrize(
    ("field", "value", "code", "message", "hint"),
    [
        (
            {"type": "string", "minLength": 3},
            "ab",
            "length",
            "a is 2 characters long, at least 3 are needed",
            "add 1 character",
        ),
        ({"type": "string", "minLength": 1}, "", "length", "a is empty", "write some text, or leave it out"),
        (
            {"type": "string", "maxLength": 3},
            "abcd",
            "length",
            "a is 4 characters long, the limit is 3",
            "cut 1 character",
        ),
        ({"type": "array", "maxItems": 1}, [1, 2], "count", "2 a; at most 1 are taken", "drop 1"),
        ({"type": "array", "minItems": 1}, [], "count", "0 a; at least 1 are needed", "add 1"),
        (
            {"type": "integer", "minimum": 2},
            1,
            "range",
            "a must be at least 2, got 1",
            "write a number that is at least 2",
        ),
        (
            {"enum": ["low", "high"]},
            "hihg",
            "enum",
            "a: 'hihg' is not supported",
            "did you mean 'high'? allowed: low, high",
        ),
        (
            {"type": ["string", "null"]},
            5,
            "wrong-type",
            "a must be of type null or string, got 5",
            "quote it, to have it as text",
        ),
        (
            {"pattern": "^x"},
            "y",
            "invalid",
            'a: "y" does not match "^x"',
            "what is taken:  runcomfy-batch models show owner/other",
        ),
    ],
)
def test_another_models_limits_are_told_in_the_same_words(field, value, code, message, hint):
    assert rules({"a": field}).problems({"a": value}) == [
        InputProblem(path=("a",), code=code, message=message, hint=hint)
    ]


@pytest.mark.parametrize("name", ["image", "image_url", "image_urls", "images", "video_url", "mask", "reference_image"])
def test_urls_are_known_by_their_fields_name_where_the_schema_is_silent(name):
    (problem,) = rules({name: {"type": "string"}}).problems({name: "mug.jpg"})
    assert (problem.path, problem.code) == ((name,), "url")


@pytest.mark.parametrize(
    "name",
    [
        *("end_image_url", "mask_image_url", "first_frame_url", "reference_images", "start_image", "videos", "audios"),
        *("audio_url", "source_video", "mask_uri", "image_uris", "style_image_urls"),
    ],
)
def test_the_names_that_models_give_their_media_are_known(name):
    assert rules({name: {"type": "string"}}).url_fields == (name,)
    assert rules({name: {"type": "array"}}).url_fields == (name,)


FORMATS = ["uri", "image_uri", "image_uris", "video_uri", "video_uris", "audio_uri", "audio_uris"]


@pytest.mark.parametrize("form", FORMATS)
def test_urls_are_known_by_their_format(form):
    """On a text, a list's items, the list itself, and inside alternatives."""
    model = rules(
        {
            "one": {"type": "string", "format": form},
            "many": {"type": "array", "items": {"type": "string", "format": form}},
            "bare": {"type": "array", "format": form},
            "either": {"anyOf": [{"type": "string", "format": form}, {"type": "array", "format": form}]},
            "maybe": {"anyOf": [{"type": "array", "format": form}, {"type": "null"}]},
        }
    )
    assert model.url_fields == ("one", "many", "bare", "either", "maybe")
    inputs = {"one": "a.jpg", "many": [URL, "b.jpg"], "bare": ["c.jpg"], "either": "d.jpg", "maybe": [URL, "e.jpg"]}
    assert [p.path for p in model.problems(inputs)] == [("one",), ("many", 1), ("bare", 0), ("either",), ("maybe", 1)]
    assert model.problems({"maybe": None}) == []


@pytest.mark.parametrize("form", FORMATS)
def test_a_list_of_media_without_items_is_a_list_of_urls(form):
    """A sheet's cell is read by it, and what is no text is refused."""
    model = rules({"image": {"type": "array", "format": form, "maxItems": 2}})
    assert model.fields["image"]["items"] == {"type": "string", "format": form.removesuffix("s")}
    assert told(model.problems({"image": [URL, 5]})) == [
        (("image", 1), "wrong-type", "image.1 must be of type string, got 5", "quote it, to have it as text")
    ]
    assert model.problems({"image": [URL, URL]}) == []


def test_other_text_is_not_taken_for_a_url():
    """Another name, another format, a choice, a number: the name alone is the last to be asked."""
    fields = {
        "title": {"type": "string"},
        "image_size": {"type": "string"},
        "audio": {"type": "string", "enum": ["on", "off"]},
        "images": {"type": "integer"},
        "mask": {"type": "boolean"},
        "image": {"type": "string", "format": "byte"},
        "image_prompt": {"type": "string"},
        "generate_audio": {"type": "string"},
    }
    model = rules(fields)
    assert model.url_fields == ()
    values = {"title": "mug.jpg", "image_size": "large", "audio": "on", "images": 2, "mask": True, "image": "iVBO"}
    assert model.problems(values | {"image_prompt": "a mug", "generate_audio": "yes"}) == []


@given(st.from_regex(PLAIN, fullmatch=True))
def test_what_is_plainly_good_is_good_by_the_long_way_too(url):
    """The glance only saves time: it decides nothing of its own."""
    assert _judge(url, allow_loopback=False) is None


@given(st.text(alphabet="abAZ09.-/:@?#[]\\ é\u200b\t", max_size=30))
def test_the_glance_never_passes_what_the_long_way_refuses(text):
    url = f"https://{text}"
    assert url_problem(url) == _judge(url, allow_loopback=False)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://nas.local/a",
            "https://NAS.LOCAL",
            "https://x.internal?a",
            "https://r.lan#a",
            "https://a.localhost/",
        ),
        *("https://10.0.0.5/a.jpg", "https://nas/a.jpg", "https://a.example\\@evil.example/x", "https://x.home.arpa"),
        *("https://a.example/a b", "https://a.example/a\n", "https://a.example/é", "https://a.example:8443/a"),
        *("https://me@a.example/a", "http://a.example/a", "https://a.exampl\u017f/a", "https:///a.jpg"),
    ],
)
def test_a_url_that_is_not_plain_goes_the_long_way(url):
    assert PLAIN.fullmatch(url) is None


@pytest.mark.parametrize("host", ["a.locale", "internal.example", "x.lanx", "local.com", "1.2.3.example", "xn--9.com"])
def test_a_name_that_only_looks_private_is_plain(host):
    assert PLAIN.fullmatch(f"https://{host}/a.jpg?v=2")


# --------------------------------------------------------------------------------------------------------------- types


@pytest.mark.parametrize(
    ("field", "shown", "good", "bad"),
    [
        ({"type": "float"}, {"type": "number"}, 0.5, "x"),
        ({"type": ["float", "null"]}, {"type": "number"}, None, "x"),
        ({"anyOf": [{"type": "float", "maximum": 1}, {"type": "null"}]}, {"type": "number", "maximum": 1}, None, 2),
        ({"type": "array", "items": {"type": "float"}}, {"type": "array", "items": {"type": "number"}}, [0.5], ["x"]),
        (
            {"anyOf": [{"type": "float"}, {"type": "string"}], "default": None},
            {"anyOf": [{"type": "number"}, {"type": "string"}], "default": None},
            None,
            [],
        ),
        ({"type": "integer", "default": None}, {"type": "integer", "default": None}, None, "7"),
        ({"enum": ["a", "b"], "default": None}, {"enum": ["a", "b"], "default": None}, None, "c"),
        ({"oneOf": [{"type": "int"}, {"type": "null"}]}, {"type": "integer"}, 7, 7.5),
        ({"type": ["integer", "string", "null"]}, {"type": ["integer", "string"]}, None, 7.5),
        ({"default": None}, {"default": None}, [1, {"a": None}], ...),
    ],
)
def test_a_field_is_readable_and_judged_in_whatever_dialect_it_is_written(field, shown, good, bad):
    """`float` anywhere; one alternative beside null is that alternative; a default of null may be sent as well."""
    model = rules({"a": field})
    assert model.fields == {"a": shown}
    assert model.problems({"a": good}) == []
    assert bad is ... or [p.path[0] for p in model.problems({"a": bad})] == ["a"]


@pytest.mark.parametrize("inside", [True, False])
def test_required_inputs_stand_in_for_what_is_required(inside):
    """Beside the schema or in it; what it names and the schema does not know is left out."""
    schema = {"properties": {"prompt": {"type": "string"}, "seed": {"type": "integer"}}}
    named = {"required_inputs": ["prompt", "prompt", "nobody", 5]}
    document = {"input_schema": {**schema, **named}} if inside else {"input_schema": schema, **named}
    assert told(rules_for(parse_card("owner/other", document)).problems({})) == [
        (("prompt",), "missing-field", "'prompt' is missing", "give the job its prompt, or all jobs one by defaults")
    ]
    document["input_schema"]["required"] = ["seed"]
    assert [p.path for p in rules_for(parse_card("owner/other", document)).problems({})] == [("seed",)]


def test_a_tower_of_brackets_for_a_schema_judges_nothing():
    tower = {}
    for _ in range(3000):
        tower = {"items": tower}
    assert rules_for(parse_card("owner/other", {"input_schema": tower})).problems({"a": 1}) == []


def test_a_limit_of_an_item_is_told_by_the_items_own_schema():
    model = rules({"tags": {"type": "array", "maxItems": 9, "items": {"type": "string", "maxLength": 3}}})
    assert told(model.problems({"tags": ["abc", "abcd"]})) == [
        (("tags", 1), "length", "tags.1 is 4 characters long, the limit is 3", "cut 1 character")
    ]


# --------------------------------------------------------------------------------------------------------- validations

MB = 1 << 20


def rule(rule, value, error="The service says so."):
    return {"validation_rule": rule, "validation_value": value, "validation_error": error}


def breaks(entry, **measured):
    """The codes of what a file breaks of one rule."""
    model = rules({"image": {"type": "string", "format": "image_uri", "validations": [entry]}})
    return [p.code for p in model.file_problems("image", MeasuredFile(**measured))]


@pytest.mark.parametrize(
    ("written", "value", "good", "bad", "code"),
    [
        ("file_size_mb<", 30, {"bytes": 30 * MB - 1}, {"bytes": 30 * MB}, "file-size"),
        ("file_size_mb< ", 0.5, {"bytes": 1}, {"bytes": MB // 2}, "file-size"),
        ("width_pixels>", 14, {"width": 15}, {"width": 14}, "file-width"),
        ("width_pixels<", 6000, {"width": 5999}, {"width": 6000}, "file-width"),
        ("height_pixels>", 14, {"height": 15}, {"height": 14}, "file-height"),
        (" height_pixels < ", "6000", {"height": 5999}, {"height": 6000}, "file-height"),
        ("width/height>", 0.4, {"width": 41, "height": 100}, {"width": 40, "height": 100}, "file-ratio"),
        ("width/height<", 2.5, {"width": 249, "height": 100}, {"width": 250, "height": 100}, "file-ratio"),
    ],
)
def test_a_validation_is_judged_strictly_as_written(written, value, good, bad, code):
    """At the bound itself it fails; what was not measured is not judged."""
    assert (breaks(rule(written, value), **good), breaks(rule(written, value), **bad)) == ([], [code])
    assert breaks(rule(written, value)) == []


@pytest.mark.parametrize("measured", [{"width": 9}, {"height": 9}, {"width": 9, "height": 0}])
def test_a_ratio_needs_both_sides(measured):
    assert breaks(rule("width/height>", 100), **measured) == []


@pytest.mark.parametrize(
    "entry",
    [
        *(rule(name, 1) for name in ("duration_s<", "width_pixels<=", "width_pixels", "<", "", "WIDTH_PIXELS<", 5)),
        *(rule("width_pixels<", value) for value in (None, True, "", "lots", "nan", float("inf"), [1], {}, 10**400)),
        *({"validation_rule": "width_pixels<"}, {"validation_value": 1}, {}, [], None, "width_pixels<1", 7),
    ],
)
def test_a_validation_that_is_not_understood_is_left_to_the_service(entry):
    """It judges; a limit that was guessed wrong would stop a job that it takes."""
    assert breaks(entry, bytes=10**12, width=10**6, height=10**6) == []


@pytest.mark.parametrize("validations", [None, "width_pixels<1", 5, {"validation_rule": "width_pixels<"}])
def test_validations_that_are_no_list_are_left_to_the_service(validations):
    model = rules({"image": {"type": "string", "validations": validations}})
    assert model.file_problems("image", MeasuredFile(width=10**6)) == []


def test_what_a_file_breaks_is_told_in_the_services_words_with_what_was_measured():
    """All at once, each with a remedy; without a sentence of the service's there is one of ours."""
    entries = [
        rule("file_size_mb<", 30, "File size must be less than 30 MB."),
        rule("width_pixels>", 300, "Too\nnarrow\x1b[2J"),
        rule("height_pixels>", 300, None),
        rule("width/height<", 2.5, "Aspect ratio must be below 2.5."),
    ]
    model = rules({"image": {"type": "array", "format": "image_uris", "validations": entries}})
    measured = MeasuredFile(bytes=int(41.5 * MB), width=1280, height=300)
    assert told(model.file_problems("image", measured)) == [
        (
            ("image",),
            "file-size",
            "File size must be less than 30 MB (this one: 41.5 MB)",
            "save it smaller: fewer pixels or a lower quality",
        ),
        (
            ("image",),
            "file-height",
            "image wants height above 300 pixels (this one: 300 pixels)",
            "scale it up, or choose a larger one",
        ),
        (
            ("image",),
            "file-ratio",
            "Aspect ratio must be below 2.5 (this one: 4.27)",
            "it is too wide: crop its sides",
        ),
    ]
    (narrow,) = model.file_problems("image", MeasuredFile(width=9))
    assert narrow.message == "Too narrow [2J (this one: 9 pixels)"


def test_validations_are_found_on_the_items_and_in_alternatives():
    """Each once."""
    small = rule("width_pixels<", 10)
    deep = {"anyOf": [{"type": "array", "items": {"type": "string", "validations": [small]}}, {"type": "null"}]}
    for field in (deep, {**deep, "validations": [small]}, {"type": "array", "items": {"validations": [small]}}):
        assert len(rules({"image": field}).file_problems("image", MeasuredFile(width=10))) == 1


def test_alternatives_within_alternatives_are_looked_into_only_so_far():
    """A card cannot make the reader dig for ever."""
    field = {"type": "string", "format": "image_uri"}
    for depth in range(6):
        assert (rules({"source": field}).url_fields == ("source",)) == (depth <= 4)
        field = {"anyOf": [field, {"type": "integer"}]}


def test_a_field_without_validations_takes_any_file():
    assert RULES.url_fields == ("image_urls",)
    for field in ("image_urls", "prompt", "nobody"):
        assert RULES.file_problems(field, MeasuredFile(bytes=1 << 40, width=1, height=10**6)) == []


# -------------------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"image": "https://x/1.png"}, [("image", "https://x/1.png")]),
        (
            {"images": ["https://x/1.png", "https://x/2.png"]},
            [("image", "https://x/1.png"), ("image", "https://x/2.png")],
        ),
        ({"video": "https://x/1.mp4"}, [("video", "https://x/1.mp4")]),
        ({"videos": ["https://x/1.mp4"]}, [("video", "https://x/1.mp4")]),
        (
            {"videos": ["https://x/4"], "video": "https://x/3", "images": ["https://x/2"], "image": "https://x/1"},
            [("image", "https://x/1"), ("image", "https://x/2"), ("video", "https://x/3"), ("video", "https://x/4")],
        ),
        (
            {"image": "https://x/1", "images": ["https://x/1", "https://x/2", "https://x/2"]},
            [("image", "https://x/1"), ("image", "https://x/2")],
        ),
        ({"images": "https://x/1"}, [("image", "https://x/1")]),
        ({"image": ["https://x/1"]}, [("image", "https://x/1")]),
        ({"images": [{"url": "https://x/1", "width": 5}]}, [("image", "https://x/1")]),
        ({"video": {"url": "https://x/1"}}, [("video", "https://x/1")]),
        ("https://x/1", [("image", "https://x/1")]),
        (["https://x/1"], [("image", "https://x/1")]),
        ({"image": " https://x/1\n"}, [("image", "https://x/1")]),
        ({"image": None, "images": [None, "", " ", 5, [], {}]}, []),
        ({"image": "", "text": "https://x/1"}, []),
        ({}, []),
        (None, []),
        (5, []),
    ],
)
def test_outputs_are_found_in_all_their_shapes(output, expected):
    """Single or plural, plain or wrapped; in order, each once."""
    assert output_urls(output) == expected


def test_outputs_of_a_shape_that_nobody_means_break_nothing():
    """Nested for ever, or with half a surrogate pair, which no state could hold: the result is paid for."""
    deep = ["https://x/1"]
    for _ in range(900):
        deep = [deep]
    assert output_urls({"images": deep}) == []
    assert output_urls({"images": ["https://x/\ud800.png"]}) == [("image", "https://x/\\ud800.png")]


def test_the_bundled_output_schema_knows_the_four_shapes():
    validator = jsonschema_rs.validator_for(dict(CARD.output_schema))
    for shape in ({"image": URL}, {"images": [URL]}, {"video": URL}, {"videos": [URL]}):
        assert validator.is_valid(shape)
        assert [url for _, url in output_urls(shape)] == [URL]
    assert set(CARD.output_schema["properties"]) == {"image", "images", "video", "videos"}
