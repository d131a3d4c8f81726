"""A folder of photos as a source: a job a photo, named after its file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import PurePosixPath
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.head import Folder
from runner.manifest.items import Entry, Item, Sieve
from runner.manifest.templates import Names, cell
from runner.model import InputProblem, LocalFiles

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
BRACES: Final = re.compile(r"(?P<before>[^{}]*)\{(?P<words>[^{}]*,[^{}]*)\}(?P<behind>[^{}]*)")
MOST_COUNTED: Final = 1000
"""Photos in the folders of a folder."""
NOT_TAKEN: Final = frozenset(
    {".heic", ".heif", ".avif", ".gif", ".tif", ".tiff", ".bmp", ".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw"}
)
"""Photos too, in a person's eyes: that they are left out is told."""


def photos(
    source: Folder,
    fields: Callable[[str], dict[str, Any]],
    local: LocalFiles | None,
    findings: Findings,
    *,
    has_id: bool = False,
    others: Iterable[Folder] = (),
) -> Iterator[Item]:
    """The photos of a folder in their natural order; `fields` makes a job's media field of a path.

    A job is named after its photo without the extension, unless it `has_id`, which the defaults give. `others` are the
    manifest's other folders. What is wrong goes to the findings.
    """
    place = source.places["folder"]
    if local is None:
        findings.error("source", place, "photos of this machine cannot be sent from here", "give image_urls instead")
        return
    found = local.below(source.folder, source.glob)
    if isinstance(found, InputProblem):
        findings.error(found.code, place, found.message, found.hint)
        return
    endings = {name: PurePosixPath(name).suffix.lower() for name in found}
    if left := Counter(ending for ending in endings.values() if ending in NOT_TAKEN):
        shown = ", ".join(f"{count:,} {ending}" for ending, count in sorted(left.items()))
        findings.warn("photos-left", place, f"not sent, of {source.folder}: {shown}", "save them as JPEG, PNG or WebP")
    names = [name for name, ending in endings.items() if ending in PICTURES]
    deeper = _deeper(source, local, others)
    if not names:
        message = f"no photos match {source.glob!r} in {source.folder}"
        hint = deeper or _without_braces(source) or f"photos end in {', '.join(sorted(PICTURES))}"
        findings.error("source", source.places.get("glob", place), message, hint)
        return
    if deeper:
        message = f"photos in sub-folders of {source.folder} are not sent"
        findings.note("photos-left", source.places.get("glob", place), message, deeper)
    sieve = Sieve(source.where, source.places.get("where", place), source.folder, findings)
    for path in local.ahead([f"{source.folder.rstrip('/')}/{name}" for name in names]):
        item = _item(path, source, fields(path), has_id=has_id)
        if sieve.takes(item):
            yield item
    sieve.tell()


def _deeper(source: Folder, local: LocalFiles, others: Iterable[Folder]) -> str:
    """How photos are sent that lie too deep for the glob; empty where none do, or another source has them."""
    if "/" in source.glob or any(map(partial(_has_deeper, source), others)):
        return ""
    count = local.deeper(source.folder, source.glob, PICTURES, MOST_COUNTED)
    if not count:
        return ""
    glob = "**/" + re.sub(r"^\*+", "*", source.glob)
    shown = f"{count:,} or more" if count == MOST_COUNTED else f"{count:,}"
    return f'those in sub-folders ({shown}) are sent with  glob: "{glob}"'


def _has_deeper(source: Folder, other: Folder) -> bool:
    """Whether another source may send some of what lies in the folders of one."""
    folder, another = PurePosixPath(source.folder), PurePosixPath(other.folder)
    return another.is_relative_to(folder) or ("/" in other.glob and folder.is_relative_to(another))


def _without_braces(source: Folder) -> str:
    """How a glob with braces, as shells know them, is written: a source for each of their words."""
    found = BRACES.fullmatch(source.glob)
    if found is None:
        return ""
    globs = [f"{found['before']}{word.strip()}{found['behind']}" for word in found["words"].split(",")]
    shown = ", ".join(f'{{folder: {source.folder}, glob: "{glob}"}}' for glob in globs)
    return f"braces are a shell's: write a source for each:  sources: [{shown}]"


def _item(path: str, source: Folder, fields: dict[str, Any], *, has_id: bool) -> Item:
    name = PurePosixPath(path.removeprefix(source.folder.rstrip("/")).lstrip("/"))
    below = name.parent.as_posix()
    values = {
        "file": name.as_posix(),
        "stem": name.stem,
        "folder": "" if below == "." else below,
        "extension": name.suffix[1:].lower(),
        "path": path,
    }
    place = Place(file=path)
    scope = Names({key: cell(key, value) for key, value in values.items()})
    if not has_id:
        fields["id"] = name.with_suffix("").as_posix()
    return Entry(fields, f"{path}:1", lambda *_: place, scope, {"file": values["file"]}, "file")
