"""A job's id as a file name: safe on every system, and no other job's."""

import itertools
import unicodedata

import pytest

from runner.model import JobSpec
from runner.rules.names import (
    LONGEST,
    are_plain,
    asked_for,
    before_aside,
    difference,
    folded,
    given_paths,
    kept_paths,
    natural,
    numbered,
    output_stem,
    owned_stems,
    path_before,
    safe_path,
    set_aside,
    stem_for,
    stem_of,
    taken_by,
    wild,
)


@pytest.mark.parametrize(
    "job_id", ["mug", "Mug-Blue_2.v1", "00123", "a.b.c", "x-1", "_private", "商品-1", "Größe", "a" * 120, "é" * 60]
)
def test_a_plain_id_is_its_own_name(job_id):
    assert stem_for(job_id) == job_id


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("mug blue", "mug-blue-05078188"),
        ("a/b", "a-b-c14cddc0"),
        ("../../etc/passwd", "etc-passwd-3754d6cb"),
        ("..", "job-5ec1f7e7"),
        ("", "job-e3b0c442"),
        ("CON", "job-a3dbc4b6"),
        ("-rf", "rf-686c39ac"),
        (".hidden", "hidden-16924190"),
        ("a" * 121, "a" * 111 + "-e9615320"),
    ],
)
def test_another_id_keeps_what_is_readable_and_gets_a_mark(job_id, name):
    """The mark is a part of the id's hash: the same id has the same name tomorrow."""
    assert stem_for(job_id) == name


HOSTILE = [
    *("", ".", "..", "...", "/", "\\", "../x", "..\\x", "/etc/passwd", "~root", "a/../b", "//server/share", "C:\\x"),
    *("a\0b", "\0", "a\nb", "a\rb", "\x1b[2J", "a\u202egpj.exe", "\u200b", "\ufeffa", "a\u2028b", "\x7f"),
    *("con", "CON", "Con.txt", "prn", "AUX.png", "nul", "NUL.tar.gz", "com1", "COM9.x", "lpt1", "LPT9", "com¹", "LPT³"),
    *("-rf", "--help", "-", "---", ".-a", "-.a", "/.a", ".hidden", "..a", " a", "a ", "a.", "a..", "a. ", " ", ". ."),
    *("a:b", "a:$DATA", "a*b", "a?b", 'a"b', "a<b>", "a|b", "$(rm -rf)", "`x`", "%2e%2e%2f", "%00", "a;b", "a&b"),
    *("x" * 121, "x" * 5000, "é" * 61, "背" * 100, "\U0001f600" * 100, "a" * 119 + "é", "." * 300, "-" * 300),
    *("e\u0301" * 50, "ﬁ", "K", "\u017f", "İ", "ß", "a\u0338", "กุ้ง", "की", "१२", "A" * 111 + "/" * 10),
]


@pytest.mark.parametrize("job_id", HOSTILE, ids=ascii)
def test_no_id_leaves_the_folder_or_upsets_a_system(job_id):
    """Linux, macOS and Windows alike, also for those who then type `rm *`."""
    name = stem_for(job_id)
    assert name
    assert len(name.encode()) <= LONGEST
    assert all(char.isalnum() or char in "._-" for char in name)
    assert name[0] not in ".-"
    assert name[-1] != "."
    assert name.isprintable()
    assert name == unicodedata.normalize("NFC", name)
    device = name.split(".")[0].translate(str.maketrans("¹²³", "123")).upper()
    assert device not in {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}
    assert output_stem(job_id, 1, 1) == f"images/{name}"


def test_different_ids_have_different_names():
    """Also where nothing readable is left of them, or only the end differs."""
    different = {unicodedata.normalize("NFC", job_id) for job_id in [*HOSTILE, "x" * 5001, "a-b", "a_b", "a b", "a\tb"]}
    assert len({stem_for(job_id) for job_id in different}) == len(different)


def test_one_id_in_two_forms_is_one_name():
    """The manifest refuses the two; a file system that composes would have made them one."""
    assert stem_for("cafe\u0301") == stem_for("caf\u00e9") == "café"


def test_several_outputs_are_numbered():
    assert [output_stem("mug", n, 2) for n in (1, 2)] == ["images/mug-1", "images/mug-2"]
    assert output_stem("mug", 1, 1) == "images/mug"


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([("mug", 1), ("lamp", 4)], []),
        ([("mug", 1), ("mug-1", 1), ("mug-2", 1)], []),
        ([("mug", 2), ("mug-3", 1)], []),
        ([("mug", 2), ("mug-2", 1)], [("mug", "mug-2")]),
        ([("mug-2", 1), ("mug", 4)], [("mug-2", "mug")]),
        ([("Mug", 2), ("mUG-1", 1)], [("Mug", "mUG-1")]),
        ([("Mug", 1), ("mug", 1)], [("Mug", "mug")]),
        ([("straße", 1), ("STRASSE", 1)], [("straße", "STRASSE")]),
        ([("caf\u00e9", 2), ("cafe\u0301-1", 1)], [("caf\u00e9", "cafe\u0301-1")]),
        ([("a b", 1), ("a/b", 1)], []),
        ([("a b", 1), (stem_for("a b"), 1)], [("a b", stem_for("a b"))]),
        ([("a", 2), ("a-1", 2), ("a-2", 1)], [("a", "a-1"), ("a", "a-2")]),
        ([], []),
    ],
)
def test_files_that_could_meet_are_found_before_anything_is_paid(jobs, expected):
    """Compared as a careless file system would: without case, in one form."""
    stems = {job_id: {folded(stem) for stem in owned_stems(job_id, (), count)} for job_id, count in jobs}
    found = [(one, two) for (one, _), (two, _) in itertools.combinations(jobs, 2) if stems[one] & stems[two]]
    assert found == expected


@pytest.mark.parametrize(
    ("pattern", "matches", "not_these"),
    [
        ("mug[1]", ["mug[1]"], ["mug1"]),
        ("mug-*", ["mug-", "mug-1\n2", "mug-a/b"], ["Mug-1", "a mug-1"]),
        ("mug-?", ["mug-1"], ["mug-", "mug-12"]),
        ("a.b{2}", ["a.b{2}"], ["axb{2}", "a.bb"]),
    ],
)
def test_two_signs_are_wild_and_no_others(pattern, matches, not_these):
    assert [bool(wild(pattern).fullmatch(job_id)) for job_id in matches + not_these] == (
        [True] * len(matches) + [False] * len(not_these)
    )


def sent(job_id, *paths, count=1):
    return JobSpec(job_id=job_id, model="m", inputs={"num_images": count}, fingerprint="f", paths=paths)


@pytest.mark.parametrize(
    ("spec", "second"),
    [
        (sent("mug"), ("images/mug~2",)),
        (sent("mug", count=2), ("images/mug-1~2", "images/mug-2~2")),
        (sent("mug", "images/x~7"), ("images/x~2",)),
    ],
)
def test_a_number_goes_behind_the_plain_path(spec, second):
    """Never behind another number; each output keeps its own name."""
    assert next(numbered(given_paths(spec, asked_for(spec)))) == second


@pytest.mark.parametrize(
    ("now", "before", "kept"),
    [
        (sent("a", "images/mug~2"), sent("a", "images/mug"), ("images/mug",)),
        (sent("a", "images/mug"), sent("a", "images/mug~3"), ("images/mug~3",)),
        (sent("mug"), sent("mug", "images/mug~2"), ("images/mug~2",)),
        (sent("a", "images/pot~2"), sent("a", "images/mug~2"), ("images/pot~2",)),
        (sent("a", "images/pot"), sent("a"), ("images/pot",)),
    ],
)
def test_files_stay_where_they_are_unless_the_manifest_moves_them(now, before, kept):
    """Another number is only another order of the manifest."""
    assert kept_paths(now, before) == kept


def test_a_path_is_compared_as_a_careless_file_system_would():
    owners = {"images/straße".casefold(): {"a", "b"}}
    assert taken_by("a", {"images/STRASSE", "images/free"}, owners) == ("images/STRASSE", "b")
    assert taken_by("a", {"images/STRASSE"}, {"images/strasse": {"a"}}) is None


def test_an_output_more_than_the_manifest_has_paths_for_has_one_all_the_same():
    """A service may answer with more than was asked for; by its id, or beside the last path."""
    plain = JobSpec(job_id="mug", model="m", inputs={}, fingerprint="")
    placed = JobSpec(job_id="mug", model="m", inputs={}, fingerprint="", paths=("images/a", "images/b"))
    assert [stem_of(plain, n, 2) for n in (1, 2)] == ["images/mug-1", "images/mug-2"]
    assert [stem_of(placed, n, 3) for n in (1, 2, 3)] == ["images/a", "images/b", "images/b~3"]
    assert owned_stems("mug", placed.paths, 3) == {"images/a", "images/b"}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("a\\b", "character"),
        ("a\nb", "character"),
        ("/a", "below images/"),
        ("a//b", "below images/"),
        ("a/../b", "below images/"),
        (".a", "begin with a dot"),
        ("a.png/b", "called like a picture"),
        ("x" * 300, "longer than"),
        ("/".join(["x" * 100] * 40), "longer than"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path, why):
    """Or that nobody can mean."""
    with pytest.raises(ValueError, match=why):
        safe_path(path)


@pytest.mark.parametrize(
    ("path", "safe"), [("mug/16:9", "mug/16-9"), ("con/mug", "_con/mug"), ("cafe\u0301", "caf\u00e9"), ("a /b.", "a/b")]
)
def test_a_path_is_one_on_every_system(path, safe):
    """What Windows does not allow is replaced."""
    assert safe_path(path) == safe


def test_a_picture_that_makes_room_has_its_old_name_in_its_new_one():
    """Whatever it was called, also when it made room before."""
    for stem in ("images/mug", "images/mug~2", "images/mug~rejected-1", "images/a/b.c"):
        for word in ("rejected", "replaced"):
            names = list(itertools.islice(set_aside(stem, word), 2))
            assert names == [f"{stem}~{word}-1", f"{stem}~{word}-2"]
            assert {before_aside(name) for name in names} == {stem}
            assert {path_before(f"{name}.jpg") for name in names} == {f"{stem}.jpg"}


def test_numbers_in_names_are_numbers():
    """A folder is read in the order in which a person would."""
    assert sorted(["mug-10", "mug-2", "Lamp"], key=natural) == ["Lamp", "mug-2", "mug-10"]


@pytest.mark.parametrize(
    ("ids", "expected"), [(["mug", "A-1"], True), (["mug", "con"], False), (["mug", "a/b"], False)]
)
def test_ids_that_are_their_own_names_are_seen_at_a_glance(ids, expected):
    assert are_plain(ids) == expected


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("Mug-1", "mug-1", "the ids differ in capitals alone"),
        ("gr\u00fcn", "gru\u0308n", "the ids differ in their Unicode form alone: it was NFC, and is NFD"),
        ("gru\u0308n", "gr\u00fcn", "the ids differ in their Unicode form alone: it was NFD, and is NFC"),
        (
            "u\u0308-\u00fc",
            "\u00fc-\u00fc",
            "the ids differ in their Unicode form alone: it was 'u\\u0308-\\xfc', and is NFC",
        ),
        (
            "Gr\u00fcn",
            "gru\u0308n",
            "the ids differ in capitals and in their Unicode form: it was NFC, and is NFD",
        ),
        ("mug", "cup", ""),
        ("mug", "mug", ""),
    ],
)
def test_what_tells_two_names_apart_that_look_like_one_is_said(before, now, told):
    """Else a message shows one name twice."""
    assert difference(before, now) == told
