"""A folder of photos as a source: a job a photo, named after its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from runner.manifest.diagnostics import Findings, Place
from runner.manifest.head import Folder
from runner.manifest.items import Item, is_wanted
from runner.manifest.templates import Names, cell
from runner.model import LocalFiles
from runner.rules.names import natural

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})


def photos(
    source: Folder, base: Path, fields: Callable[[str], dict[str, Any]], local: LocalFiles | None, findings: Findings
) -> Iterator[Item]:
    """The photos of a folder in their natural order; `fields` makes a job's media field of a path.

    What is wrong goes to the findings.
    """
    place = source.places["folder"]
    if local is None:
        findings.error("source", place, "photos of this machine cannot be sent from here", "give image_urls instead")
        return
    folder = base / source.folder
    if not folder.is_dir():
        hint = "paths are from the manifest's folder"
        findings.error("source", place, f"{source.folder}: no such folder", hint)
        return
    found = [path for path in folder.glob(source.glob) if path.suffix.lower() in PICTURES and path.is_file()]
    if not found:
        message = f"no photos match {source.glob!r} in {source.folder}"
        hint = f"photos end in {', '.join(sorted(PICTURES))}"
        findings.error("source", source.places.get("glob", place), message, hint)
        return
    names = sorted((path.relative_to(folder).as_posix() for path in found), key=natural)
    for path in local.ahead([f"{source.folder.rstrip('/')}/{name}" for name in names]):
        item = _item(path, source, fields(path))
        if source.where is None or is_wanted(source.where, source.places["where"], item, findings):
            yield item


def _item(path: str, source: Folder, fields: dict[str, Any]) -> Item:
    name = PurePosixPath(path.removeprefix(source.folder.rstrip("/")).lstrip("/"))
    below = name.parent.as_posix()
    values = {
        "file": name.as_posix(),
        "stem": name.stem,
        "folder": "" if below == "." else below,
        "extension": name.suffix[1:].lower(),
    }
    place = Place(file=path)
    scope = Names({key: cell(key, value) for key, value in values.items()})
    fields["id"] = name.with_suffix("").as_posix()
    return Item(fields, f"{path}:1", lambda *_: place, scope, {"file": values["file"]}, "file")
