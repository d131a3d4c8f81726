"""Where files go; pure. A job's id becomes a file name that is safe everywhere and collides with no other job's."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any, Final

from runner.model import COUNTS, JobSpec

LONGEST: Final = 120
"""Bytes of a stem in UTF-8: file systems allow 255 for the whole name."""
LONGEST_PATH: Final = 200
"""Bytes of a path below the images folder: Windows allows 260 characters for the whole."""
MOST_OUTPUTS: Final = 64
"""No model makes more of one request; what says so is refused by its card."""
PICTURE: Final = re.compile(r".*\.(avif|bmp|gif|jpe?g|m4v|mov|mp4|png|tiff?|webm|webp)", re.IGNORECASE)
"""What an output may be called, and a folder beside it may not."""
PLAIN: Final = re.compile(rf"[A-Za-z0-9_](?:[A-Za-z0-9._-]{{0,{LONGEST - 2}}}[A-Za-z0-9_-])?")
"""Most ids: their own names as they are."""
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


def stem_for(job_id: str) -> str:
    """The id as a file name without extension.

    Letters and digits of any script, `_`, and inside the name `.` and `-` stay; anything else becomes `-` or goes, and
    then a short hash of the id is added, so that two ids never share a name.
    """
    if is_plain(job_id):
        return job_id
    name = unicodedata.normalize("NFC", job_id)
    safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).lstrip(".-").rstrip(".")
    if safe == name and safe and not RESERVED.fullmatch(safe) and len(safe.encode()) <= LONGEST:
        return safe
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    head = safe.encode()[: LONGEST - 9].decode("utf-8", "ignore")
    return f"{head}-{digest}" if head and not RESERVED.fullmatch(head) else f"job-{digest}"


def is_plain(job_id: str) -> bool:
    """Whether `stem_for` gives the id back as it is, by a glance: most do."""
    return PLAIN.fullmatch(job_id) is not None and RESERVED.fullmatch(job_id) is None


def are_plain(job_ids: Sequence[str]) -> bool:
    """Whether all of them are."""
    return all(map(PLAIN.fullmatch, job_ids)) and not any(map(RESERVED.fullmatch, job_ids))


def output_stem(job_id: str, index: int, count: int) -> str:
    """The path of one output without extension: `images/mug`, or `images/mug-2` where there are several."""
    return f"images/{stem_for(job_id)}" + (f"-{index}" if count > 1 else "")


def stem_of(spec: JobSpec, index: int, count: int) -> str:
    """Where the `index`-th of `count` outputs of a job goes, without extension: by the manifest, or by its id."""
    if not spec.paths:
        return output_stem(spec.job_id, index, count)
    return spec.paths[index - 1] if index <= len(spec.paths) else f"{spec.paths[-1]}~{index}"


def owned_stems(job_id: str, paths: Sequence[str], count: int) -> set[str]:
    """Every path without extension that a job's outputs may take, given how many are asked for.

    A service may answer with fewer outputs than were asked for, so a job that is named after its id owns its plain name
    as well.
    """
    if paths:
        return set(paths)
    if count == 1:
        return {output_stem(job_id, 1, 1)}
    return {output_stem(job_id, index, count) for index in range(1, count + 1)} | {output_stem(job_id, 1, 1)}


def asked_for(spec: JobSpec) -> int:
    """How many outputs a job asks for."""
    return outputs_of(spec.inputs)


def outputs_of(inputs: Mapping[str, Any]) -> int:
    """How many outputs a request asks for, as far as it says so itself: a card's default is not known here."""
    if COUNTS.isdisjoint(inputs):  # most
        return 1
    count = outputs_at_most(inputs)
    return count if count is not None and count <= MOST_OUTPUTS else 1


def outputs_at_most(inputs: Mapping[str, Any], defaults: Iterable[tuple[str, int]] = ()) -> int | None:
    """How many outputs a request makes at most, by every field that may say so; `None` where one says no number.

    Two of them are multiplied: too much set aside is given back, too little breaks a promise.
    """
    counts = [count for name, count in defaults if name not in inputs]
    if not COUNTS.isdisjoint(inputs):
        counts += [value for name, value in inputs.items() if name in COUNTS]
    if not counts:  # most
        return 1
    are_counts = all(isinstance(count, int) and not isinstance(count, bool) and count > 0 for count in counts)
    return prod(counts) if are_counts else None


def given_paths(spec: JobSpec, count: int) -> tuple[str, ...]:
    """The paths of `count` outputs without extension, one each, as the manifest or the job's id gives them."""
    return spec.paths or tuple(output_stem(spec.job_id, index, count) for index in range(1, count + 1))


def numbered(paths: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The paths with a number behind each: `mug~2`, `mug~3` and so on. No id makes a name with a tilde."""
    plain = unnumbered(paths)
    return (tuple(f"{path}~{number}" for path in plain) for number in itertools.count(2))


def unnumbered(paths: Sequence[str]) -> tuple[str, ...]:
    """The paths as they were before `numbered`."""
    return tuple(re.sub(r"~\d+$", "", path) for path in paths)


def set_aside(stem: str, word: str) -> Iterator[str]:
    """Names for a picture that makes room for another: `mug~rejected-1`, `mug~rejected-2` and so on."""
    return (f"{stem}~{word}-{number}" for number in itertools.count(1))


def before_aside(stem: str) -> str:
    """What a picture was called before `set_aside`."""
    return re.sub(r"~(rejected|replaced)-\d+$", "", stem)


def path_before(path: str) -> str:
    """The same of a whole path, with its extension."""
    stem, _, ending = path.rpartition(".")
    return f"{before_aside(stem)}.{ending}"


def kept_paths(spec: JobSpec, sent: JobSpec) -> tuple[str, ...]:
    """Where the outputs of a job go that has files already: to the same places, if only the number would be another."""
    is_renumbered = bool(sent.paths) and unnumbered(spec.paths or given_paths(spec, len(sent.paths))) == unnumbered(
        sent.paths
    )
    return sent.paths if is_renumbered else spec.paths


def taken_by(job_id: str, stems: Iterable[str], owners: Mapping[str, Iterable[str]]) -> tuple[str, str] | None:
    """The first of the paths that is another job's, with that job's id; `owners` are by folded paths."""
    for stem in sorted(stems):
        if others := sorted({*owners.get(folded(stem), ())} - {job_id}):
            return stem, others[0]
    return None


def stem_of_file(path: str) -> str:
    """The path without its extension."""
    return path.rpartition(".")[0]


def folded(name: str) -> str:
    """The name as a careless file system compares it: without case, in one normal form."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name.casefold())


def difference(before: str, now: str) -> str:
    """What tells two ids apart that a careless file system takes for one; empty for others, and where they are one."""
    if before == now or folded(before) != folded(now):
        return ""
    if unicodedata.normalize("NFC", before) == unicodedata.normalize("NFC", now):
        where = "their Unicode form alone"
    elif before.casefold() == now.casefold():
        return "the ids differ in capitals alone"
    else:
        where = "capitals and in their Unicode form"
    return f"the ids differ in {where}: it was {_form(before)}, and is {_form(now)}"


def _form(name: str) -> str:
    """The Unicode form of a name; of one that mixes them its characters."""
    return next((form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, name)), ascii(name))


def safe_path(path: str) -> str:
    """A path below the images folder, as a template made it, safe on every system.

    What Windows does not allow in a name (`16:9`) becomes `-`. Raises `ValueError` for a path that leads elsewhere, or
    that nobody can mean: absolute, with `..`, with a part that is empty or begins with a dot, with controls, too long.
    """
    if not path.isprintable() or "\\" in path:
        raise ValueError("it holds a character that no file name may have")
    parts = [
        re.sub(r'[:*?"<>|]', "-", unicodedata.normalize("NFC", part)).strip().rstrip(".") for part in path.split("/")
    ]
    if path.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise ValueError("it must be a path below images/, without empty parts and without ..")
    if any(part.startswith(".") for part in parts):
        raise ValueError("no part of it may begin with a dot")
    if any(PICTURE.fullmatch(part) for part in parts[:-1]):
        raise ValueError("a folder in it is called like a picture, and one of that name could not be saved")
    if any(len(part.encode()) > LONGEST for part in parts) or len(path.encode()) > LONGEST_PATH:
        raise ValueError(f"a part of it is longer than {LONGEST} bytes, or all of it than {LONGEST_PATH}")
    return "/".join(f"_{part}" if RESERVED.fullmatch(part) else part for part in parts)


@cache
def wild(pattern: str) -> re.Pattern[str]:
    """What ids match: `*` stands for any letters, `?` for any one; everything else for itself, brackets too."""
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), re.DOTALL)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts `mug-2` before `mug-10`."""
    parts = re.split(r"(\d{1,18})", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]
