"""Sheets in the code pages of the world: read exactly right, or refused with every reading shown and the remedy.

A garbled prompt costs as much as a good one.
"""

import re
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from runner.batch import load
from runner.manifest import InvalidManifest
from runner.manifest.codepages import EASTERN, SINGLE
from runner.manifest.encoding import look

URL = "https://cdn.example.com/mug.jpg"
NEEDS_WORD = "it is not UTF-8, and what is sent would differ from encoding to encoding"


@pytest.fixture
def read(tmp_path):
    """Reads a sheet of these bytes, alone or under `sources:` with what else is said of it."""

    def read(data, source=None, head=""):
        (tmp_path / "sheet.csv").write_bytes(data)
        if source is None:
            return load(tmp_path / "sheet.csv")
        manifest = tmp_path / "m.yaml"
        manifest.write_text(f"version: 1\n{head}\nsources:\n- {{file: sheet.csv, {source}}}\n")
        return load(manifest)

    return read


@pytest.fixture
def refusal(read):
    """The one thing that is wrong with it."""

    def refusal(*arguments, **more):
        with pytest.raises(InvalidManifest) as caught:
            read(*arguments, **more)
        (wrong,) = [d for d in caught.value.diagnostics if d.severity == "error"]
        return wrong

    return refusal


def sheet(prompt, codec, end="\n"):
    return end.join(["id,prompt,image_urls", f'mug,"{prompt}",{URL}', ""]).encode(codec)


def prompts(manifest):
    return [spec.inputs["prompt"] for spec in manifest.jobs]


def shown(wrong):
    """Each reading that a refusal shows, by its code page; and those that it only names."""
    readings = dict(re.findall(r"^(\w+)(?: \([^)]*\))?: (.*)$", wrong.hint, re.MULTILINE))
    named = re.findall(r"^or (.*)$", wrong.hint, re.MULTILINE)
    return readings, [name for line in named for name in line.split(", ")]


MEASURED = [
    ("cp932", "①番のマグ。背景を白に～"),
    ("cp932", "①～②"),
    ("cp1252", "Say “hi” – it’s café"),
    ("cp1252", "“Sale” red"),
    ("cp1252", "Größe ändern"),
    ("cp1250", "Białe tło, żółty kubek"),
    ("cp1251", "Сделай белый фон"),
    ("cp1253", "Λευκό φόντο"),
    ("cp1254", "Beyaz arka plan, gölge yok, ışık"),
    ("gb18030", "把背景换成白色，保持商品不变"),
    ("cp949", "배경을 흰색으로 바꿔 주세요"),
    ("big5", "把背景換成白色，保持商品不變"),
    ("cp874", "พื้นหลังสีขาว"),
    ("koi8_r", "Сделай белый фон"),
    ("euc_jp", "背景を白にしてください"),
    ("cp850", "Größe ändern"),
    ("cp866", "Сделай белый фон"),
    ("mac_roman", "Größe “ändern”"),
]


@pytest.mark.parametrize("byte", [b"\xa0", b"\x96"])
def test_a_column_that_is_sent_in_some_code_pages_alone_is_refused(refusal, byte):
    """Behind its name stands a space for some and a letter for others, for whom it is nobody's column."""
    data = b"id,prompt,image_urls,aspect ratio" + byte + f"\nmug,White.,{URL},16:9\n".encode()
    wrong = refusal(data)
    assert (wrong.code, wrong.place.line, wrong.place.cell, wrong.message) == ("encoding", 1, "D1", NEEDS_WORD)
    assert len(set(shown(wrong)[0].values())) >= 3


@pytest.mark.parametrize(("codec", "prompt"), MEASURED)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_prompt_that_code_pages_read_differently_is_refused(read, refusal, codec, prompt, end):
    """With the place, the readings, and the remedy; the right one is among them, and the remedy works."""
    data = sheet(prompt, codec, end)
    wrong = refusal(data)
    assert (wrong.code, wrong.place.line, wrong.place.cell, wrong.message) == ("encoding", 2, "B2", NEEDS_WORD)
    readings, named = shown(wrong)
    fitting = [name for name in (*readings, *named) if prompt.encode(codec).decode(name) == prompt]
    assert fitting
    assert wrong.hint.endswith("\nsay which of them with  --encoding NAME, or save it as CSV UTF-8")
    assert prompts(read(data, f"encoding: {fitting[0]}")) == [prompt]


def test_letters_that_are_utf8_by_accident_are_refused(read, refusal):
    """The two bytes of each of these Chinese letters are those of an accented Latin one, or of a mark upon it."""
    data = sheet("茅台", "gb18030")
    wrong = refusal(data)
    message = "it is UTF-8, perhaps by accident, and what is sent would differ from encoding to encoding"
    assert (wrong.code, wrong.place.cell, wrong.message) == ("encoding", "B2", message)
    assert wrong.hint.startswith("utf-8: 'é\u0328'\n")
    assert shown(wrong)[0]["gb18030"] == "'茅台'"
    assert prompts(read(data, "encoding: gb18030")) == ["茅台"]
    assert prompts(read(data, "encoding: utf-8")) == ["é\u0328"]


@pytest.mark.parametrize("prompt", ["Un café crème", "À l’été", "Ø 5½ \u00b0", "Tiếng Việt ê\u0301", "Größe", "ßüöä"])
def test_utf8_of_the_west_is_taken(read, prompt):
    """Letters that might be Chinese by their bytes are not doubted where they make sense as they are."""
    assert prompts(read(sheet(prompt, "utf-8"))) == [prompt]


LIKELIEST = [pair for pair in MEASURED if pair[0] not in ("koi8_r", "cp850", "cp866", "euc_jp") and len(pair[1]) > 5]


@pytest.mark.parametrize(("codec", "prompt"), LIKELIEST)
def test_the_likeliest_reading_is_shown_first(refusal, codec, prompt):
    """What most people have is what most people see at once."""
    end = "\r" if codec == "mac_roman" else "\n"
    (first, *_), _ = shown(refusal(sheet(prompt, codec, end)))
    assert prompt.encode(codec).decode(first) == prompt


@pytest.mark.parametrize(("codec", "prompt"), MEASURED)
def test_what_is_declared_is_believed(read, codec, prompt):
    """By any of its names."""
    for name in (codec, codec.upper().replace("_", "-")):
        manifest = read(sheet(prompt, codec), f"encoding: {name}")
        assert (prompts(manifest), manifest.warnings) == ([prompt], ())


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("prompt", [prompt for _, prompt in MEASURED] + ["🎉 é\u0301 \u2028"])
def test_what_says_what_it_is_needs_no_word(read, codec, prompt):
    """Unicode in all its forms, with its mark or without; in any case with a word."""
    padding = "x" * 2 * len(prompt)  # 16 bits without a mark are known by the zeros of their ASCII
    data = sheet(f"{prompt}{padding}", codec)
    assert prompts(read(data)) == [f"{prompt}{padding}"]
    assert prompts(read(data, f"encoding: {codec}")) == [f"{prompt}{padding}"]


@pytest.mark.parametrize("codec", ["cp1252", "cp932", "gb18030", "mac_roman", "cp866"])
def test_what_is_not_sent_may_be_in_any_code_page(read, codec):
    """A warning says how it was read; the prompts are plain."""
    note = {"cp1252": "Größe", "cp932": "商品", "gb18030": "商品", "mac_roman": "Größe", "cp866": "Белый"}[codec]
    manifest = read(f"id,prompt,image_urls,note\nmug,White,{URL},{note}\n".encode(codec))
    (warning,) = manifest.warnings
    assert prompts(manifest) == ["White"]
    assert re.fullmatch(r"it is not UTF-8: read as \w+( \([\w, -]+\))?", warning.message)
    assert re.fullmatch(r"say so with  --encoding \w+, or save it as CSV UTF-8", warning.hint)


@pytest.mark.parametrize(
    ("source", "head"),
    [
        ("where: \"note != 'x'\"", ""),
        ("per: product", ""),
        ("columns: {id: note}", ""),
        ("format: csv", 'output: {path: "{{ note }}/{{ id }}.{{ ext }}"}'),
        ("format: csv", 'defaults: {aspect_ratio: 1:1, prompt: "{{ row.note }}"}'),
        ("format: csv", "matrix: {aspect_ratio: [1:1], include: [{aspect_ratio: 4:3, when: \"note == 'x'\"}]}"),
        ("format: csv", 'overrides: [{match: "*", set: {prompt: "On {{ note }}"}}]'),
    ],
)
def test_a_column_that_decides_is_sent(refusal, source, head):
    """It stands in a condition, names the job, goes into a path, an override, a matrix."""
    data = f"id,prompt,image_urls,note\nmug,White,{URL},Größe\n".encode("cp1252")
    if "per" in source:
        source = "columns: {aspect_ratio: note}"
    if "row.note" in head:
        data, head = data.replace(b"prompt", b"wish"), head.replace("row.note", "row['note']")
    assert (refusal(data, source, head).message, refusal(data, source, head).place.cell) == (NEEDS_WORD, "D2")


def test_every_column_may_be_sent_where_rows_name_their_models(refusal):
    """Another model has other fields than the one that the sheet is looked at with."""
    data = f"id,model,prompt,image_urls,text\nmug,owner/other,White,{URL},Größe\n".encode("cp1252")
    assert refusal(data).place.cell == "E2"


def test_templates_in_cells_may_use_any_column(refusal):
    data = f"id,prompt,image_urls,note\nmug,Plain,{URL},Größe\nlamp,A {{{{ note }}}} lamp,{URL},grün\n".encode("cp1252")
    assert refusal(data).place.cell == "D3"


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("codec", "names", "prompt"),
    [
        ("cp932", ("商品番号", "背景指示", "画像"), "①番、白に～"),
        ("gb18030", ("编号", "提示", "图片"), "白色背景"),
        ("cp949", ("번호", "지시", "사진"), "흰색 배경"),
        ("cp1251", ("Артикул", "Задание", "Фото"), "Белый фон"),
        ("koi8_r", ("Артикул", "Задание", "Фото"), "Белый фон"),
        ("cp850", ("Nr", "Änderung", "Bild"), "Größe é"),
    ],
)
def test_the_users_own_column_names_decide(tmp_path, codec, names, prompt, alone):
    """An encoding in which the columns that they name do not exist is out; what is left is taken, and told."""
    number, wish, photo = names
    data = f"{number},{wish},{photo}\nmug,{prompt},{URL}\n".encode(codec)
    (tmp_path / "sheet.csv").write_bytes(data)
    columns = {"id": number, "prompt": wish, "image_urls": photo}
    if alone:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "runner", "plan", "sheet.csv", "--resolved", "--simulate"),
                *(word for field, name in columns.items() for word in ("--col", f"{field}={name}")),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, prompt in done.stdout) == (0, True), done.stderr
        assert "it is not UTF-8: read as" in done.stderr + done.stdout
        return
    said = ", ".join(f"{field}: {name}" for field, name in columns.items())
    (tmp_path / "m.yaml").write_text(f"version: 1\nsources: [{{file: sheet.csv, columns: {{{said}}}}}]\n")
    manifest = load(tmp_path / "m.yaml")
    assert (prompts(manifest), [w.code for w in manifest.warnings]) == ([prompt], ["encoding"])


def test_column_names_that_leave_two_encodings_do_not_decide(refusal):
    """`Größe` is the same in several; what it holds is not."""
    data = f"Nr,Größe,Bild\nmug,wei¤ ß,{URL}\n".encode("iso8859_15", "replace").replace(b"?", b"\xa4")
    wrong = refusal(data, "columns: {id: Nr, prompt: Größe, image_urls: Bild}")
    readings, _ = shown(wrong)
    assert {"'wei¤ ß'", "'wei€ ß'"} <= set(readings.values())


def test_a_reading_is_shown_where_it_parts_from_the_others(refusal):
    """Deep in a long prompt, not at its beginning."""
    data = sheet("White background, soft shadow, nothing else in the picture. Größe bleibt.", "cp1252")
    readings, _ = shown(refusal(data))
    assert readings["cp1252"] == "'…e in the picture. Größe bleibt.'"


def test_readings_that_one_cell_does_not_tell_apart_are_shown_with_a_second(refusal):
    """`é` is the same all over the West and in Central Europe; `ł` is not."""
    data = f"id,prompt,image_urls\na,café,{URL}\nb,złoty,{URL}\n".encode("cp1250")
    wrong = refusal(data)
    readings, _ = shown(wrong)
    assert wrong.place.cell == "B2"
    assert {readings["cp1250"], readings["cp1252"]} == {"'café', 'złoty'", "'café', 'z³oty'"}


@pytest.mark.parametrize("codec", ["cp932", "big5", "gb18030"])
def test_letters_whose_second_byte_is_a_delimiter_are_letters(read, refusal, codec):
    """`ポ` ends with a bar in Shift-JIS: read as anything else, the row would have another cell."""
    letter = {"cp932": "ポ", "big5": "育", "gb18030": "東"}[codec]
    row = f"mug|{letter}{letter}|{URL}"
    data = f"id|prompt|image_urls\n{row}\n".encode(codec)
    assert prompts(read(data, f"encoding: {codec}")) == [letter * 2]
    assert refusal(data).code in ("encoding", "ragged-row")


def test_bytes_that_nobody_writes_are_refused(refusal):
    """Controls and gaps of every code page: broken, whatever it was."""
    wrong = refusal(b"id,prompt,image_urls\nmug,a\x01\xff\xfe\x81,x\n")
    assert (wrong.code, wrong.message, wrong.place.line) == ("encoding", "byte 0xff is not UTF-8", 2)


# -------------------------------------------------------------------------------------- never silently wrong: a search

LANGUAGES = {
    "German": ("abc ä ö ü ß Ä „“ – é €", ("cp1252", "cp850", "mac_roman", "iso8859_15", "cp1250")),
    "French": ("abc à ç è é ê œ « » ’", ("cp1252", "mac_roman", "iso8859_15")),
    "Polish": ("abc ą ć ę ł ń ó ś ź ż", ("cp1250", "cp852", "iso8859_2")),
    "Russian": ("абвгдежзиклмнопрст АБВ", ("cp1251", "koi8_r", "cp866")),
    "Greek": ("αβγδεζηθικλμνξοπρστ ά", ("cp1253",)),
    "Turkish": ("abc ç ğ ı ö ş ü İ Ş", ("cp1254",)),
    "Hebrew": ("אבגדהוזחטיכלמנסעפצקרשת", ("cp1255",)),
    "Arabic": ("ابتثجحخدذرزسشصضطظعغفقكلمن", ("cp1256",)),
    "Latvian": ("abc ā č ē ģ ī ķ ļ ņ š ū ž", ("cp1257",)),
    "Thai": ("กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวสหอ", ("cp874",)),
    "Japanese": ("あいうえおかきくけこ アイウエオ 背景白商品①②～ﾏｸﾞ、。", ("cp932", "euc_jp")),
    "Chinese": ("把背景换成白色保持商品不变，。的一是在人有我他这", ("gb18030",)),
    "Taiwanese": ("把背景換成白色保持商品不變，。的一是在人有我他這", ("big5", "cp950")),
    "Korean": ("배경을흰색으로바꿔주세요그리고상품은그대로", ("cp949",)),
}
PAIRS = [(language, codec) for language, (_, codecs) in LANGUAGES.items() for codec in codecs]


@st.composite
def sheets(draw):
    """A sheet of a few rows in some language and one of its code pages, and its prompts as they were written."""
    language, codec = draw(st.sampled_from(PAIRS))
    letters = [c for c in LANGUAGES[language][0] if c.encode(codec, "ignore").decode(codec) == c]
    texts = st.text(st.sampled_from(letters + list("abc ,")), min_size=1, max_size=20).map(lambda t: f"x{t}x")
    rows = draw(st.lists(st.tuples(texts, texts), min_size=1, max_size=4))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    lines = [f'"{prompt}",{URL}?{n},"{note}"' for n, (prompt, note) in enumerate(rows)]
    return end.join(["prompt,image_urls,note", *lines, ""]).encode(codec), [prompt for prompt, _ in rows], codec


SEEN = {"read": 0, "refused": 0}


@settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(case=sheets())
def search(read, case):
    data, written, codec = case
    assume(data.isascii() or not is_utf8(data))
    try:
        manifest = read(data)
    except InvalidManifest as error:
        SEEN["refused"] += 1
        (wrong,) = [d for d in error.diagnostics if d.severity == "error"]
        readings, named = shown(wrong)
        fitting = [name for name in (*readings, *named) if _says(written, codec, name)]
        assert fitting, wrong
        assert prompts(read(data, f"encoding: {fitting[0]}")) == written
    else:
        SEEN["read"] += 1
        assert prompts(manifest) == written


def is_utf8(data):
    try:
        return bool(data.decode())
    except UnicodeDecodeError:
        return False


def _says(written, codec, name):
    """Whether another code page gives the very same prompts."""
    return all(prompt.encode(codec).decode(name, "ignore") == prompt for prompt in written)


def test_no_text_of_any_language_is_read_wrong(read):
    """What is accepted says what was written; else the right code page is among those that are offered, and works.

    Valid UTF-8 is UTF-8: of a sheet with one or two Chinese letters in all, a few are both.
    """
    search(read)
    total = sum(SEEN.values())
    assert min(SEEN.values()) > total / 20, SEEN
    print(SEEN)


def test_all_code_pages_are_known():
    """Each has a name that Python has, and ASCII in its place: one reader finds the delimiters of all of the second."""
    plain = bytes(range(0x20, 0x7F))
    for codec in (*EASTERN, *SINGLE):
        assert plain.decode(codec).isascii(), codec


def test_a_large_sheet_that_says_nothing_is_looked_at_in_seconds(tmp_path):
    """Twenty-four code pages, 100,000 rows, and the only foreign letter in the last."""
    rows = "".join(f"id-{n},White background for item {n},{URL}?{n},note\n" for n in range(100_000))
    (tmp_path / "m.csv").write_bytes(f"id,prompt,image_urls,note\n{rows}x,Größe,{URL},y\n".encode("cp1252"))
    found = look(tmp_path / "m.csv")
    assert found.codecs[0] == "cp1252"
    with pytest.raises(InvalidManifest) as caught:
        load(tmp_path / "m.csv")
    assert caught.value.diagnostics[0].place.line == 100_002


# ------------------------------------------------------------------------------------ files that say something else


@pytest.mark.parametrize(
    ("data", "said", "message", "hint"),
    [
        (
            sheet("Café, s’il vous plaît", "utf-8"),
            "cp1252",
            (
                """it is valid UTF-8, and is to be read as cp1252: """
                """'mug,"CafÃ©, sâ€™il v', or 'mug,"Café, s’il vous' in UTF-8?"""
            ),
            "drop the encoding: this is UTF-8",
        ),
        (
            sheet("White", "utf-16"),
            "cp1252",
            "it begins with the mark of UTF-16, and is to be read as cp1252",
            "say  encoding: utf-16, or save it as UTF-8",
        ),
        (
            sheet("White", "utf-8-sig"),
            "utf-16",
            "it begins with the mark of UTF-8, and is to be read as utf-16",
            "say  encoding: utf-8, or save it as UTF-8",
        ),
    ],
)
def test_an_encoding_that_the_file_contradicts_is_refused(refusal, data, said, message, hint):
    """A flag of another sheet, left on the command line, would garble every prompt."""
    wrong = refusal(data, f"encoding: {said}")
    assert (wrong.code, wrong.message, wrong.hint) == ("encoding", message, hint)


@pytest.mark.parametrize(
    ("codec", "said"), [("utf-8-sig", "utf-8"), ("utf-16", "utf-16-le"), ("utf-32", "utf-32"), ("ascii", "cp1252")]
)
def test_an_encoding_that_the_file_confirms_is_taken(read, codec, said):
    assert prompts(read(sheet("White", codec), f"encoding: {said}")) == ["White"]


def test_one_bad_byte_in_good_utf8_is_named(refusal):
    """Another encoding would read that letter, and spoil all the others."""
    data = sheet("Größe ändern, bitte schön für Öl", "utf-8") + f'b,"wei\xdf",{URL}\n'.encode("latin-1")
    wrong = refusal(data)
    assert (wrong.code, wrong.place.line, wrong.message) == (
        "encoding",
        3,
        "byte 0xdf is not UTF-8, and the rest of the file is",
    )
    assert "in another encoding all the others would be wrong" in wrong.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (sheet("White", "utf-32"), "this is UTF-32, which hardly anything writes"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "this is an old Excel workbook (.xls): no text file"),
    ],
)
def test_what_is_no_such_text_says_what_it_is(refusal, data, message):
    assert refusal(data).message == message
