"""Photos on this machine: which are looked at, which are sent, and that what is sent is what was looked at."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from support.processes import TOKEN, command, simulator

import runner
from runner.batch import Options, load
from runner.manifest import InvalidManifest
from runner.media.photos import LARGEST, Photos, Spoilt, payload_of, shrink
from runner.model import local_uri

CHECK = "import sys; from pathlib import Path; from runner.batch import load; load(Path(sys.argv[1]))"


def picture(kind="JPEG", size=(64, 48), color="red", mode="RGB", **more):
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, color).convert(mode).save(file, kind, **more)
    return file.getvalue()


def noise(size, kind="PNG", mode="RGB"):
    """A picture that does not get small."""
    file = io.BytesIO()
    bands = len(Image.new(mode, (1, 1)).getbands())
    data = random.Random(1).randbytes(size[0] * size[1] * bands)
    Image.frombytes(mode, size, data).save(file, kind, **({"quality": 100} if kind == "JPEG" else {}))
    return file.getvalue()


@pytest.fixture
def folder(tmp_path):
    """The manifest's folder, with a photo in it; beside it a folder that is none of its business."""
    (tmp_path / "here" / "photos").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "here" / "photos" / "mug.jpg").write_bytes(picture())
    (tmp_path / "elsewhere" / "secret.jpg").write_bytes(picture(color="blue"))
    return tmp_path / "here"


@pytest.fixture
def read(folder):
    """Reads a manifest of one job with these pictures, or with other sources."""

    def read(*urls, text=None, **options):
        manifest = folder / "m.yaml"
        listed = json.dumps(list(urls), ensure_ascii=False)
        manifest.write_text(
            text or f"version: 1\njobs: [{{id: mug, prompt: White., image_urls: {listed}}}]\n",
            "utf-8",
            "surrogateescape",
        )
        return load(manifest, Options(**options))

    return read


@pytest.fixture
def found(read):
    """What is wrong with it: code, message and hint."""

    def found(*urls, **more):
        with pytest.raises(InvalidManifest) as caught:
            read(*urls, **more)
        return [(d.code, d.message, d.hint) for d in caught.value.diagnostics if d.severity == "error"]

    return found


def sent(manifest):
    """The names of the photos that are sent, in order, and their hashes."""
    (spec,) = manifest.jobs
    digests = [text.partition("sha256=")[2].partition(";")[0] for text in spec.inputs["image_urls"]]
    return [Path(spec.files[digest]).name for digest in digests]


def body(manifest, number=0):
    """What would be sent."""
    return json.loads(payload_of(manifest.jobs[number]))


def photo_in(uri):
    """The picture inside a `data:` URI."""
    head, _, data = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    image.load()
    assert head == f"data:image/{image.format.lower()}"
    return image


# -------------------------------------------------------------------------------------------- which files are looked at


def test_a_photo_is_sent_as_it_lies_there(read, folder):
    """To the byte, as a `data:` URI; named by its hash until then."""
    data = (folder / "photos" / "mug.jpg").read_bytes()
    manifest = read("photos/mug.jpg")
    digest = hashlib.sha256(data).hexdigest()
    assert manifest.jobs[0].inputs["image_urls"] == [local_uri("image/jpeg", digest)]
    assert manifest.jobs[0].files == {digest: str((folder / "photos" / "mug.jpg").resolve())}
    assert body(manifest)["image_urls"] == ["data:image/jpeg;base64," + base64.b64encode(data).decode()]


OUTSIDE = ("input-outside", "move it there, or allow its folder:  --allow-root DIR")


@pytest.mark.parametrize(
    "path",
    [
        "../elsewhere/secret.jpg",
        "photos/../../elsewhere/secret.jpg",
        "{tmp}/elsewhere/secret.jpg",
        "link.jpg",
        "photos/link-to-folder/secret.jpg",
        "~/x.jpg",
        "/etc/passwd",
        "/dev/zero",
        "../elsewhere/*.jpg",
        "{tmp}/elsewhere/*.jpg",
        "photos/*/../../../elsewhere/*.jpg",
        "photos/link-to-*/secret.jpg",
        "/proc/self/environ",
    ],
)
def test_nothing_outside_the_manifests_folder_is_read(found, folder, tmp_path, path):
    """By whatever road: up, absolute, home, a link to a file or to a folder, a glob. A sheet comes from a supplier."""
    (folder / "link.jpg").symlink_to(tmp_path / "elsewhere" / "secret.jpg")
    (folder / "photos" / "link-to-folder").symlink_to(tmp_path / "elsewhere")
    ((code, message, hint),) = found(path.format(tmp=tmp_path))
    assert (code, hint) == OUTSIDE
    assert message.endswith("lies outside the manifest's folder")


@pytest.mark.parametrize(
    "path",
    ["../elsewhere/secret.jpg", "{tmp}/elsewhere/secret.jpg", "../elsewhere/*.jpg", "link.jpg", "{tmp}/elsewhere/s*"],
)
def test_a_folder_may_be_allowed(read, folder, tmp_path, path):
    (folder / "link.jpg").symlink_to(tmp_path / "elsewhere" / "secret.jpg")
    manifest = read(path.format(tmp=tmp_path), allow_roots=(tmp_path / "elsewhere",))
    assert sent(manifest) == ["secret.jpg"]


def test_a_link_within_the_folder_is_its_photo(read, folder):
    (folder / "main.jpg").symlink_to("photos/mug.jpg")
    assert sent(read("main.jpg")) == ["mug.jpg"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("photos/lamp.jpg", "photos/lamp.jpg: no such file"),
        ("photos/mug.jpg/x.jpg", "photos/mug.jpg/x.jpg: no such file"),
        ("photos", "photos: not a regular file"),
        ("~nobody-here/x.jpg", "~nobody-here/x.jpg: Could not determine home directory."),
        ("photos/" + "x" * 300, f"photos/{'x' * 193}: no such file"),
        ("x" * 5000, f"'{'x' * 80}': no file's name"),
        ("[" + "x" * 300 + "].jpg", "[" + "x" * 79 + ": File name too long"),
        ("file:photos/mug.jpg", "file:photos/mug.jpg: no such file"),
    ],
)
def test_what_is_no_photo_is_told(found, path, message):
    ((code, said, _),) = found(path)
    assert (code, said) == ("input-missing", message)


def test_a_file_url_is_no_url(found):
    """The service could not fetch it, and it is no path."""
    ((code, message, _),) = found("file:///etc/passwd")
    assert (code, message) == ("url", "not a URL: file:///etc/passwd")


def test_a_nul_in_a_path_is_told(folder):
    """JSON can write one."""
    (folder / "m.jsonl").write_text('{"id": "mug", "prompt": "White.", "image_urls": ["a\\u0000b.jpg", "\\u0000*"]}\n')
    with pytest.raises(InvalidManifest, match="no file's name"):
        load(folder / "m.jsonl")


@pytest.mark.parametrize("kind", ["fifo", "sparse", "socket", "device"])
def test_what_is_no_regular_file_neither_hangs_nor_fills_the_memory(folder, kind):
    """A pipe without a writer, five gigabytes of nothing, an endless device behind a link that is allowed."""
    path = folder / "photos" / "mug.jpg"
    path.unlink()
    expected = "not a regular file"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(5 << 30)
        expected = "has 5120.0 MiB; at most 6 MiB of a photo are sent"
    elif kind == "socket":
        with __import__("socket").socket(__import__("socket").AF_UNIX) as server:
            os.chdir(folder / "photos")
            server.bind("mug.jpg")
    else:
        path.symlink_to("/dev/zero")
    (folder / "m.yaml").write_text("version: 1\njobs: [{id: mug, prompt: White., image_urls: photos/mug.jpg}]\n")
    options = ["--allow-root", "/dev"] if kind == "device" else []
    words = [sys.executable, "-m", "runner", "check", "m.yaml", "--shrink-inputs", *options]
    limited = ["bash", "-c", 'ulimit -v 2000000; exec "$@"', "-", *words]
    done = subprocess.run(limited, cwd=folder, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 65, done.stderr
    assert expected in done.stderr


def test_a_photo_that_becomes_a_pipe_does_not_hang_the_night(read, folder):
    """Between the check and the submit."""
    manifest = read("photos/mug.jpg")
    (folder / "photos" / "mug.jpg").unlink()
    os.mkfifo(folder / "photos" / "mug.jpg")
    with pytest.raises(Spoilt, match="not a regular file; nothing was sent"):
        payload_of(manifest.jobs[0])


# --------------------------------------------------------------------------------------------------------------- globs


def test_a_glob_stands_for_photos_in_their_natural_order(read, folder):
    """10 behind 9; a camera's capitals are no other ending; hidden files and other kinds are left alone."""
    for n, name in enumerate(["p10.jpg", "p9.jpg", "p1.JPG", ".p2.jpg", "p3.png", "p4.txt"]):
        kind = "PNG" if "png" in name else "JPEG"
        (folder / "photos" / name).write_bytes(
            picture(kind, color=("red", "lime", "blue", "white", "black", "teal")[n])
        )
    (folder / "photos" / "p5.jpg").mkdir()
    assert sent(read("photos/p*.jpg")) == ["p1.JPG", "p9.jpg", "p10.jpg"]
    assert sent(read("photos/p*.*g")) == ["p1.JPG", "p3.png", "p9.jpg", "p10.jpg"]
    assert sent(read("photos/p[19].jpg", "photos/mug.jpg")) == ["p1.JPG", "p9.jpg", "mug.jpg"]
    assert sent(read("**/p?.jpg")) == ["p1.JPG", "p9.jpg"]


def test_a_bracket_in_a_files_own_name_is_a_bracket(read, folder):
    (folder / "photos" / "mug [1].jpg").write_bytes(picture(color="green"))
    assert sent(read("photos/mug [1].jpg")) == ["mug [1].jpg"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("photos/*.webp", "photos/*.webp: no file matches"),
        ("photos/[", "photos/[: no file matches"),
        ("none/*.jpg", "none/*.jpg: no file matches"),
    ],
)
def test_a_glob_that_matches_nothing_is_an_error(found, pattern, message):
    """An edit without its second picture would be paid for."""
    assert found(pattern) == [("input-missing", message, "paths are from the manifest's folder")]


def test_a_glob_that_is_none_is_told(found):
    ((code, message, _),) = found("photos/**.jpg")
    assert (code, message.startswith("photos/**.jpg: ")) == ("input-missing", True)


def test_a_glob_of_hundreds_is_no_list_of_pictures(found, folder):
    for n in range(70):
        (folder / "photos" / f"{n}.jpg").write_bytes(b"")
    assert found("photos/*.jpg")[0][1] == "photos/*.jpg: 71 files match"


# ------------------------------------------------------------------------------------------------------ what is a photo


@pytest.mark.parametrize(("kind", "mime"), [("JPEG", "jpeg"), ("PNG", "png"), ("WEBP", "webp")])
def test_a_photo_is_what_its_bytes_say(read, folder, kind, mime):
    """Whatever its name says."""
    (folder / "photos" / "mug.jpg").write_bytes(picture(kind))
    assert body(read("photos/mug.jpg"))["image_urls"][0].startswith(f"data:image/{mime};base64,")


HEIC = b"\0\0\0\x20ftypheic" + bytes(200)
AVIF = b"\0\0\0\x20ftypavif" + bytes(200)
REMEDY = "save it as JPEG, PNG or WebP"
HALF = noise((300, 300), "JPEG")[:9000]
EXPORT = "open it in a viewer, and export it anew"


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (HEIC, "a file of the kind heic is not taken", REMEDY),
        (AVIF, "a file of the kind avif is not taken", REMEDY),
        (picture("GIF"), "a file of the kind gif is not taken", REMEDY),
        (picture("BMP"), "a file of the kind bmp is not taken", REMEDY),
        (picture("TIFF"), "a file of the kind tiff is not taken", REMEDY),
        (b"\0\0\0\x20ftypisom" + bytes(200), "a file of the kind mp4 is not taken", REMEDY),
        (b"%PDF-1.7", "a file of the kind pdf is not taken", REMEDY),
        (b"root:x:0:0:root", "what is no picture is not taken", REMEDY),
        (b"", "what is no picture is not taken", REMEDY),
        (HALF, "it does not decode: OSError", EXPORT),
        (noise((300, 300))[:-12], "it ends too early", EXPORT),
        (picture()[:20], "it does not decode: UnidentifiedImageError", EXPORT),
    ],
    ids=["heic", "avif", "gif", "bmp", "tiff", "mp4", "pdf", "text", "empty", "half a jpeg", "cut png", "a head"],
)
def test_a_file_that_cannot_be_sent_is_told_with_its_remedy(found, folder, data, message, hint):
    """It is decoded first: half a photo would be edited, and paid for."""
    (folder / "photos" / "mug.jpg").write_bytes(data)
    assert found("photos/mug.jpg") == [("input-not-image", f"photos/mug.jpg: {message}", hint)]


def test_a_flood_of_pixels_is_refused(found, folder):
    """A file of a few kilobytes that would unpack to gigabytes."""
    file = io.BytesIO()
    Image.new("1", (40_000, 40_000)).save(file, "PNG")
    (folder / "photos" / "mug.jpg").write_bytes(file.getvalue())
    ((code, message, _),) = found("photos/mug.jpg")
    assert (code, "pixels" in message) == ("input-not-image", True)


def test_six_mebibytes_are_the_most(read, found, folder):
    path = folder / "photos" / "mug.jpg"
    path.write_bytes(picture() + bytes(LARGEST - len(picture())))
    assert sent(read("photos/mug.jpg")) == ["mug.jpg"]
    path.write_bytes(picture() + bytes(LARGEST - len(picture()) + 1))
    message = "photos/mug.jpg has 6.0 MiB; at most 6 MiB of a photo are sent"
    assert found("photos/mug.jpg") == [("input-too-large", message, "--shrink-inputs sends a smaller copy")]


@pytest.mark.parametrize(("count", "fits"), [(7, True), (8, False)])
@pytest.mark.parametrize("same", [True, False])
def test_a_request_of_more_than_64_mebibytes_is_refused(read, found, folder, count, fits, same):
    """Also where it is one photo several times: it is sent as often."""
    data = picture() + bytes(LARGEST - len(picture()))
    for n in range(count):
        (folder / "photos" / f"{n}.jpg").write_bytes(data[:-1] + bytes([n]))
    paths = [f"photos/{0 if same else n}.jpg" for n in range(count)]
    if fits:
        assert len(payload_of(read(*paths).jobs[0])) <= 64 << 20
    else:
        message = "the request would be 64 MiB, and 64 MiB are taken"
        hint = "use fewer photos, or smaller ones"
        assert found(*paths) == [("body-too-large", message, hint)]


def test_a_models_own_limits_are_kept(folder):
    """`validations` of its card: wider than 14 pixels, at most 10 MB."""
    (folder / "photos" / "mug.jpg").write_bytes(picture(size=(14, 30)))
    (folder / "m.yaml").write_text(
        "version: 1\nmodel: atelier/restyle/image-to-image\njobs: [{id: mug, prompt: White., image: photos/mug.jpg}]\n"
    )
    with simulator(folder) as service:
        pulled = command("models", "pull", "atelier/restyle/image-to-image", cwd=folder, **service.env)
    assert pulled.returncode == 0, pulled.stderr
    done = command("check", "m.yaml", cwd=folder)
    assert done.returncode == 65
    assert "error[file-width]: photos/mug.jpg: Width must be more than 14 pixels (this one: 14 pixels)" in done.stderr
    assert "= scale it up, or choose a larger one" in done.stderr
    (folder / "photos" / "mug.jpg").write_bytes(picture(size=(15, 30)))
    assert command("check", "m.yaml", cwd=folder).returncode == 0


# ----------------------------------------------------------------------------------------------------------- shrinking


def large(mode="RGB", kind="PNG", size=(1600, 1500)):
    data = noise(size, kind, mode)
    assert len(data) > LARGEST // 2
    return data


def test_a_large_photo_is_sent_smaller_where_that_is_wished(read, folder):
    """At most 6 MiB of JPEG, as many pixels as fit; its fingerprint is that of the file, on every machine."""
    data = noise((2200, 2100))
    assert len(data) > LARGEST
    (folder / "photos" / "mug.jpg").write_bytes(data)
    manifest = read("photos/mug.jpg", shrink_inputs=True)
    digest = hashlib.sha256(data).hexdigest()
    assert manifest.jobs[0].inputs["image_urls"] == [local_uri("image/jpeg", digest, is_shrunk=True)]
    image = photo_in(body(manifest)["image_urls"][0])
    assert (image.format, image.mode) == ("JPEG", "RGB")
    assert image.width / image.height == pytest.approx(2200 / 2100, abs=0.01)
    assert len(payload_of(manifest.jobs[0])) < LARGEST * 4 // 3 + 1000
    assert payload_of(manifest.jobs[0]) == payload_of(read("photos/mug.jpg", shrink_inputs=True).jobs[0])


def test_a_small_photo_is_never_touched(read, folder):
    """The option is for the large ones."""
    data = (folder / "photos" / "mug.jpg").read_bytes()
    uri = body(read("photos/mug.jpg", shrink_inputs=True))["image_urls"][0]
    assert base64.b64decode(uri.partition(",")[2]) == data


def corner(data, at=(5, 5)):
    with Image.open(io.BytesIO(data)) as image:
        return image.mode, image.size, image.getpixel(at)


def two_halves(mode="RGB", kind="PNG", **more):
    """Red on the left, blue on the right, wider than high."""
    image = Image.new("RGB", (60, 40), "red")
    ImageDraw.Draw(image).rectangle((30, 0, 60, 40), fill="blue")
    file = io.BytesIO()
    image.convert(mode).save(file, kind, **more)
    return file.getvalue()


def near(one, other, most=40):
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_smaller_copy_is_upright(turn):
    """As a phone's photo says it is to be seen: a JPEG that is written anew has no such word in it."""
    exif = Image.Exif()
    exif[0x0112] = turn
    small = shrink(two_halves(kind="JPEG", exif=exif, quality=95))
    with Image.open(io.BytesIO(small)) as image:
        assert image.size == ((60, 40) if turn < 5 else (40, 60))
        assert image.getexif().get(0x0112, 1) == 1
        first = image.getpixel((3, 3))
    red_first = {1: True, 2: False, 3: False, 4: True, 5: True, 6: True, 7: False, 8: False}[turn]
    assert near(first, (254, 0, 0) if red_first else (0, 0, 254))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_stays_so(mode, kind):
    """A product that was cut out is sent so: on white it would be another picture."""
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((20, 0, 40, 40), fill=(0, 0, 0, 255))
    file = io.BytesIO()
    image.convert(mode if kind == "PNG" else "RGBA").save(file, kind)
    small = shrink(file.getvalue())
    assert corner(small)[0] == "RGBA"
    assert (corner(small)[2][3], corner(small, (35, 20))[2]) == (0, (0, 0, 0, 255))


def test_a_colour_that_is_seen_through_stays_so():
    """PNG can name one."""
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (0, 255, 0)).save(file, "PNG", transparency=(0, 255, 0))
    assert corner(shrink(file.getvalue()))[2][3] == 0


def test_a_channel_that_hides_nothing_makes_no_difference():
    assert corner(shrink(picture("PNG", mode="RGBA")))[0] == "RGB"


def test_a_large_photo_that_is_transparent_is_sent_as_a_smaller_png(read, folder):
    """And the request says so."""
    data = noise((1280, 1250), mode="RGBA")
    assert len(data) > LARGEST
    (folder / "photos" / "clear.png").write_bytes(data)
    manifest = read("photos/clear.png", shrink_inputs=True)
    digest = hashlib.sha256(data).hexdigest()
    assert manifest.jobs[0].inputs["image_urls"] == [local_uri("image/png", digest, is_shrunk=True)]
    (uri,) = body(manifest)["image_urls"]
    image = photo_in(uri)
    assert (image.format, image.mode, image.width > 1000) == ("PNG", "RGBA", True)
    assert image.width / image.height == pytest.approx(1280 / 1250, abs=0.01)
    assert len(uri) < LARGEST * 4 // 3 + 1000


@pytest.mark.parametrize("mode", ["RGB", "CMYK", "L", "P", "1"])
def test_colours_stay_what_they_are(mode):
    """Of print as well, as far as a screen has them."""
    kind = "JPEG" if mode == "CMYK" else "PNG"
    got, size, left = corner(shrink(two_halves(mode, kind)))
    right = corner(shrink(two_halves(mode, kind)), (55, 20))[2]
    with Image.open(io.BytesIO(two_halves(mode, kind))) as image:
        meant = image.convert("RGB")
        assert (got, size, near(left, meant.getpixel((5, 5)))) == ("RGB", (60, 40), True)
        assert near(right, meant.getpixel((55, 20)))


def test_sixteen_bits_become_eight_and_not_white():
    """A scanner's grey: Pillow would cut it off at 255 of 65,535."""
    image = Image.new("I;16", (40, 40), 30_000)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert near(corner(shrink(file.getvalue()))[2], (117, 117, 117), 3)


def test_a_colour_profile_is_kept():
    """Without it a phone's reds would be paler."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(io.BytesIO(shrink(two_halves(kind="JPEG", icc_profile=profile)))) as image:
        assert image.info.get("icc_profile") == profile


# ------------------------------------------------------------------------------------------------------------- folders


def photos(folder, *names):
    for n, name in enumerate(names):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture("PNG" if name.lower().endswith("png") else "JPEG", color=f"#{n + 1:06x}"))


def by_folder(more="", prompt="White."):
    head = f"defaults: {{prompt: '{prompt}'}}"
    return f"version: 1\n{head}\nsources: [{{folder: photos{more}}}]\n"


def ids(manifest):
    return [spec.job_id for spec in manifest.jobs]


def test_a_photo_of_a_folder_is_a_job(read, folder):
    """In natural order, named after its file; the folder's other files are nobody's jobs."""
    photos(folder, "a10.jpg", "a9.JPEG", ".hidden.jpg", "deep/b.png")
    (folder / "photos" / "notes.txt").write_text("x")
    prompt = '{{ stem }}|{{ file }}|{{ folder or "top" }}|{{ extension }}'
    manifest = read(text=by_folder(', glob: "**/*"', prompt))
    assert [(spec.job_id, spec.inputs["prompt"]) for spec in manifest.jobs] == [
        ("a9", "a9|a9.JPEG|top|jpeg"),
        ("a10", "a10|a10.jpg|top|jpg"),
        ("deep/b", "b|deep/b.png|deep|png"),
        ("mug", "mug|mug.jpg|top|jpg"),
    ]
    assert ids(read(text=by_folder())) == ["a9", "a10", "mug"]
    assert ids(read(text=by_folder(', glob: "*.jpg"'))) == ["a10", "mug"]
    assert ids(read(text=by_folder(", where: stem != 'mug'"))) == ["a9", "a10"]


def test_photos_that_are_left_out_are_told(read, folder):
    """A phone's own format: nobody would miss them before morning."""
    photos(folder, "a.heic", "b.HEIC", "c.tiff")
    (warning,) = read(text=by_folder()).warnings
    expected = ("photos-left", "not sent, of photos: 2 .heic, 1 .tiff", REMEDY.replace("it", "them"))
    assert (warning.code, warning.message, warning.hint) == expected


def test_braces_in_a_glob_are_told_with_what_works(read, folder):
    """A shell knows them; all photos that they stand for are taken by the remedy."""
    photos(folder, "b.jpg", "c.png", "d.webp")
    text = by_folder(', glob: "*.{jpg,png}"')
    with pytest.raises(InvalidManifest) as caught:
        read(text=text)
    [hint] = [d.hint for d in caught.value.diagnostics if d.code == "source"]
    remedy = hint.partition("for each:  ")[2]
    assert remedy == 'sources: [{folder: photos, glob: "*.jpg"}, {folder: photos, glob: "*.png"}]'
    assert {"b", "c"} <= {*ids(read(text=by_folder().rpartition("sources:")[0] + remedy + "\n"))}


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (', glob: "*.webp"', "source", "no photos match '*.webp' in photos"),
        (', glob: "../*.jpg"', "input-outside", "photos/../*.jpg lies outside the manifest's folder"),
        (', glob: "/etc/*"', "source", "photos: '/etc/*': Non-relative patterns are unsupported"),
        (', glob: "a**b"', "source", "photos: 'a**b': Invalid pattern: '**' can only be an entire path component"),
    ],
)
def test_a_folder_that_gives_nothing_is_told(found, more, code, message):
    ((found_code, said, _),) = [error for error in found(text=by_folder(more)) if error[0] != "no-jobs"]
    assert found_code == code
    assert said == message or sys.version_info >= (3, 12)


@pytest.mark.parametrize(
    ("name", "code"),
    [("none", "source"), ("../elsewhere", "input-outside"), ("/etc", "input-outside"), ("m.yaml", "source")],
)
def test_a_folder_that_is_none_of_its_own_is_told(found, name, code):
    assert found(text=by_folder().replace("folder: photos", f"folder: {name}"))[0][0] == code


def test_names_that_are_hard_to_write_are_read(read, folder):
    """Spaces, brackets, bars, braces, every script; a file's name is no template and no list."""
    photos(folder, "a b.jpg", "c [1].jpg", "d|e.jpg", "ü背.jpg", "f#g?.jpg")
    assert ids(read(text=by_folder())) == ["a b", "c [1]", "d|e", "f#g?", "mug", "ü背"]


def test_a_name_that_is_no_text_is_refused(found, folder):
    """A file system takes any bytes; a report does not."""
    Path(os.fsdecode(os.fsencode(folder / "photos") + b"/caf\xe9.jpg")).write_bytes(picture())
    ((code, message, hint), *_) = found(text=by_folder())
    assert (code, message, hint) == ("source", r"photos: 'caf\udce9.jpg' is no text", "rename it")
    ((code, message, hint),) = found("photos/*.jpg")
    assert (code, message[-31:], hint) == ("input-missing", r"\udce9.jpg': a name that is no text"[-31:], "rename it")


def test_two_photos_of_one_name_are_two_jobs_of_one_id(found, folder):
    photos(folder, "mug.png")
    ((code, _, hint),) = found(text=by_folder())
    assert (code, hint.partition("; ")[2]) == (
        "duplicate-id",
        'name them by their whole files:  defaults: {id: "{{ file }}"}',
    )


def test_photos_may_be_named_by_their_whole_files(read, folder):
    """The remedy, which works: an id in the defaults goes before the photo's own."""
    photos(folder, "mug.png")
    text = 'version: 1\nsources: [{folder: photos}]\ndefaults: {prompt: White., id: "{{ file }}"}\n'
    assert [spec.job_id for spec in read(text=text).jobs] == ["mug.jpg", "mug.png"]


@pytest.mark.timeout(60)
def test_thousands_of_photos_are_looked_at_in_seconds(read, folder):
    """Each once, whatever is shared."""
    photos(folder, *(f"p{n}.jpg" for n in range(2000)))
    began = time.process_time()
    assert len(read(text=by_folder()).jobs) == 2001
    assert time.process_time() - began < 10


# --------------------------------------------------------------------------------------------------------- fingerprints


def test_a_photo_that_moved_is_the_same_request(read, folder):
    """Its bytes are what is sent, not its place."""
    before = read("photos/mug.jpg").jobs[0]
    (folder / "archive").mkdir()
    (folder / "photos" / "mug.jpg").rename(folder / "archive" / "blue.jpg")
    assert read("archive/blue.jpg").jobs[0].fingerprint == before.fingerprint


def test_a_photo_that_was_edited_is_another_request(read, folder):
    before = read("photos/mug.jpg").jobs[0]
    (folder / "photos" / "mug.jpg").write_bytes(picture(color="blue"))
    assert read("photos/mug.jpg").jobs[0].fingerprint != before.fingerprint


def test_a_photo_is_looked_at_anew_when_it_changes(folder):
    """Of one reading too: by its size and its time."""
    path = folder / "photos" / "mug.jpg"
    with Photos(folder, [folder]) as looked:
        (first,) = looked.find("photos/mug.jpg")
        path.write_bytes(picture(color="blue"))
        os.utime(path, ns=(1, 1))
        (second,) = looked.find("photos/mug.jpg")
    assert first.sha256 != second.sha256


# ----------------------------------------------------------------------------------------------------------- end to end


@pytest.fixture
def shop(folder, monkeypatch):
    """Three photos of three colours, a job each, and no settings of the developer's own."""
    for name in ("RUNCOMFY_TOKEN", "RUNCOMFY_API_TOKEN", "YOUR_API_TOKEN", "RUNCOMFY_MODEL_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(folder / "none"))
    (folder / "photos" / "mug.jpg").unlink()
    for name, color in (("1-red", "red"), ("2-green", "lime"), ("3-blue", "blue")):
        image = Image.new("RGB", (400, 300), "white")
        ImageDraw.Draw(image).ellipse((100, 50, 300, 250), fill=color)
        image.save(folder / "photos" / f"{name}.png")
    (folder / "shop.yaml").write_text(
        "version: 1\ndefaults: {prompt: Pure white background., output_format: png}\nsources: [{folder: photos}]\n"
    )
    return folder / "shop.yaml"


def settings(service, folder, **more):
    return {"base_url": service.base, "token": TOKEN, "yes": True, "out": folder / "out", "concurrency": 1, **more}


def states(folder):
    lines = map(json.loads, (folder / "out" / "results.jsonl").read_text().splitlines())
    return {line["job_id"]: line["state"] for line in lines}


def middle_of(path):
    with Image.open(path) as image:
        return image.convert("RGB").resize((9, 9)).getpixel((4, 5))


async def test_the_pictures_that_come_back_are_of_the_photos_that_were_sent(shop, folder, tmp_path):
    """The simulator edits what is inside the request: red comes back red."""
    with simulator(tmp_path) as service:
        outcome = await runner.run(shop, **settings(service, folder))
        assert (outcome.exit_code, service.ledger()["accepted"]) == (0, 3)
    for name, most in (("1-red", 0), ("2-green", 1), ("3-blue", 2)):
        color = middle_of(folder / "out" / "images" / f"{name}.png")
        assert max(range(3), key=lambda band: color[band]) == most, (name, color)


async def test_a_simulated_run_draws_no_photo_in_the_place_of_a_real_one(shop, folder):
    """What was sent is at hand; a drawing beside it would be a lie."""
    outcome = await runner.run(shop, simulate=True, yes=True, out=folder / "out")
    assert (outcome.exit_code, list((folder / "out" / "inputs").iterdir())) == (0, [])


@pytest.mark.parametrize("what", ["changed", "deleted", "a pipe", "another picture of the same size"])
async def test_a_photo_that_is_not_the_one_that_was_checked_is_not_sent(shop, folder, tmp_path, what):
    """The job is rejected and unpaid, the others go on; the next run looks again, and pays for what is there now."""
    last = folder / "photos" / "3-blue.png"
    good = last.read_bytes()
    with simulator(tmp_path, "--latency", "0.4", "--slots", "1") as service:
        async for job in runner.stream(shop, **settings(service, folder)):
            if job.job_id == "1-red":
                last.unlink()
                if what == "a pipe":
                    os.mkfifo(last)
                elif what != "deleted":
                    last.write_bytes(good[:-1] + b"x" if "same size" in what else picture("PNG", color="black"))
        assert states(folder) == {"1-red": "done", "2-green": "done", "3-blue": "rejected"}
        assert (service.ledger()["posts"], service.ledger()["accepted"]) == (2, 2)
        last.unlink(missing_ok=True)
        last.write_bytes(good)
        outcome = await runner.run(shop, **settings(service, folder, retry=("rejected",)))
        assert (outcome.exit_code, states(folder)["3-blue"], service.ledger()["accepted"]) == (0, "done", 3)


async def test_a_photo_that_moved_is_not_paid_again_and_an_edited_one_is_asked_for(shop, folder, tmp_path):
    """The same command on the next day."""
    with simulator(tmp_path) as service:
        await runner.run(shop, **settings(service, folder))
        (folder / "moved").mkdir()
        for path in (folder / "photos").iterdir():
            path.rename(folder / "moved" / path.name)
        shop.write_text(shop.read_text().replace("folder: photos", "folder: moved"))
        plan = await runner.plan(shop, **settings(service, folder))
        assert {str(change): count for change, count in plan.counts.items()} == {"done": 3}
        Image.new("RGB", (400, 300), "black").save(folder / "moved" / "2-green.png")
        plan = await runner.plan(shop, **settings(service, folder))
        assert {str(change): count for change, count in plan.counts.items()} == {"done": 2, "changed": 1}
        await runner.run(shop, **settings(service, folder))
        assert service.ledger()["accepted"] == 3
        await runner.run(shop, **settings(service, folder, rerun_changed=True))
        assert service.ledger()["accepted"] == 4


def test_photos_of_all_sizes_are_looked_at_side_by_side(folder):
    """The decoder lets others work: two at once, and each photo once, however many jobs show it."""
    photos(folder, *(f"p{n}.png" for n in range(6)))
    with Photos(folder, [folder]) as looked:
        paths = [f"photos/p{n}.png" for n in range(6)] * 50
        seen = [looked.find(path)[0].sha256 for path in looked.ahead(paths)]
    assert len(set(seen)) == 6
    assert seen == seen[:6] * 50
