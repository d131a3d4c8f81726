"""Which files of a run directory the page may have: pictures and films below `images/` and `inputs/`, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDERS: Final = ("images", "inputs")
KINDS: Final = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webm": "video/webm",
    ".webp": "image/webp",
}
"""Nothing that a browser would run: no SVG, no HTML."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that the page may have, and its media type."""

    path: Path
    kind: str


def find_picture(directory: Path, path: str) -> Picture | None:
    """The file of that path, with slashes; `None` for all that leads elsewhere, also by a link."""
    kind = KINDS.get(Path(path).suffix.lower())
    parts = path.split("/")
    if kind is None or parts[0] not in FOLDERS or "\0" in path or any(part in ("", ".", "..") for part in parts):
        return None
    try:
        root = directory.resolve(strict=True)
        found = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name that no disk has
        return None
    is_within = found.relative_to(root).parts[:1] == (parts[0],) if found.is_relative_to(root) else False
    return Picture(found, kind) if is_within and found.is_file() and found.suffix.lower() in KINDS else None
