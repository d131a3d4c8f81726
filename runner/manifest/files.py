"""The files that a manifest consists of: whether they can be read, what they are by their names, and a YAML's text."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path, PurePath
from typing import Final

from runner.errors import InputMissing, UsageProblem
from runner.manifest.diagnostics import Findings, Place
from runner.manifest.head import ENDINGS, TEXT
from runner.manifest.yaml_core import LARGEST

FORMATS: Final = {".yaml": "yaml", ".yml": "yaml", **ENDINGS}
LARGEST_TABLE: Final = 4 << 30
NOT_IN_YAML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and the line breaks of YAML 1.1 that no editor shows: the parser would fold them away."""


def form_of(path: Path) -> str:
    """The format of a manifest by its name; raises `UsageProblem` for one that is not known."""
    form = FORMATS.get(path.suffix.lower())
    if form is None and is_text(path):
        if not has_tabs(path):
            raise UsageProblem(f"{path}: a .txt without tabs: name it .csv, .jsonl or .yaml, by what is in it")
        return TEXT
    if form is None:
        known = ", ".join(sorted(FORMATS))
        raise UsageProblem(f"{path}: not a manifest's name; known endings: {known}")
    return form


def is_text(path: PurePath) -> bool:
    """Whether it is a `.txt`: a table where its first line has tabs, as spreadsheets and shops export feeds."""
    return path.suffix.lower() == ".txt"


def has_tabs(path: Path) -> bool:
    """Whether there are tabs in a file's first line."""
    with path.open("rb") as file:
        head = file.read(1 << 16)
    return b"\t" in head.split(b"\n", 1)[0]


def check_there(path: Path) -> None:
    """Raise `InputMissing` for what cannot be read."""
    if problem := problem_of(path):
        raise InputMissing(f"{path}{problem if problem.startswith(' ') else f': {problem}'}")


def problem_of(path: Path) -> str | None:
    """Why a file cannot be read, or `None`."""
    try:
        found = path.stat()  # before it is opened: a pipe without a writer would wait for ever
        if stat.S_ISDIR(found.st_mode):
            how = f"sources: [{{folder: {path.name or '.'}/}}]"
            return f" is a folder: photos in it are named by a manifest that says  {how}"
        if not stat.S_ISREG(found.st_mode):
            return " is not a regular file"
        if found.st_size > LARGEST_TABLE:
            return f" is larger than {LARGEST_TABLE >> 30} GiB"
        with path.open("rb"):
            return None
    except FileNotFoundError:
        return "no such file"
    except OSError as error:
        return error.strerror or str(error)


def name_of(path: Path) -> str:
    """A run's name from the file's."""
    return re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-._") or "batch"


def yaml_text(path: Path, findings: Findings) -> str | None:
    """The text: UTF-8, or UTF-16 where its mark says so. Another encoding is never guessed: prompts cost money."""
    data = path.read_bytes() if path.stat().st_size <= LARGEST else None
    if data is None:
        message = f"a YAML manifest of more than {LARGEST >> 20} MB"
        findings.error("too-large", Place(), message, "use CSV or JSONL, by themselves or under sources:")
        return None
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        message = f"byte {data[error.start]:#04x} is not UTF-8"
        findings.error("encoding", Place(line=line), message, "save it as UTF-8")
        return None
    if bad := NOT_IN_YAML.search(text):
        line, column = text.count("\n", 0, bad.start()) + 1, bad.start() - text.rfind("\n", 0, bad.start())
        place = Place(line=line, column=column)
        findings.error("nul", place, f"the control character {bad[0]!r}", "remove it")
        return None
    return text
