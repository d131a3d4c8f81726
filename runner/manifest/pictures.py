"""A job's media: URLs as they stand, and the photos of this machine that stand for some."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

from runner.manifest.filling import render
from runner.manifest.gaps import gap_in
from runner.manifest.items import split_urls
from runner.model import LOCAL, InputProblem, InputRules, LocalFile, MeasuredFile, local_uri

if TYPE_CHECKING:
    from runner.manifest.jobs import Job

_BRACES: Final = re.compile(r"\{[{%](?:(?!\{[{%]).)*?[%}]\}", re.DOTALL)
_PATTERN: Final = re.compile(r"[*?\[]")


def are_urls(value: Any) -> bool:
    """Whether it is a list of URLs as it stands: nothing to fill in, and no photo of this machine."""
    if type(value) is not list:
        return False
    for text in value:  # noqa: SIM110 a generator for each job would cost more than what it asks
        if type(text) is not str or "://" not in text or "{{" in text:
            return False
    return True


def media(job: Job, key: str, value: Any, rules: InputRules | None, kind: str) -> Any:
    """URLs, and the photos that stand for some: a text may hold several where a list is wanted."""
    is_list = kind == "media list" or (rules is None and not isinstance(value, str))
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        return value
    found: list[Any] = []
    asked: list[str] = []
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            found.append(text)
            continue
        is_filled_in = "{{" in text  # a URL may hold {% by itself
        filled = render(job, text, key, index) if is_filled_in else text
        asked.append(filled)
        if is_filled_in and filled == text:  # it could not be filled in, and that is told
            found.append(LOCAL)
            continue
        if is_filled_in and len(texts) > 1 and not filled.strip():  # it asks first whether there is a picture
            continue
        pieces = [filled]
        if is_list and (isinstance(value, str) or is_filled_in):
            pieces = split_urls(filled)
            if pieces != [filled] and (gap := gap_in([filled])):
                job.gap = key, gap
        for piece in pieces or [filled]:
            located = _located(job, key, index, piece, rules)
            photos = [job.local[uri] for uri in located if uri in job.local]
            if is_filled_in:
                _check_glob(job, (key, index), text, piece, photos)
            if not job.item.is_job:
                _tell_shared(job, (key, index), piece, photos)
            found += located
    if len(asked) > len(found) and (gap := gap_in(asked)):
        job.gap = key, gap
    return found if is_list or not isinstance(value, str) or len(found) != 1 else found[0]


def _located(job: Job, key: str, index: int, text: str, rules: InputRules | None) -> list[str]:
    """The text, if it is a URL; else the photo, or the photos, that the path leads to."""
    if job.common.local is None or "://" in text or text.startswith(("data:", "//")) or not text.strip():
        return [text]
    files = job.common.local.find(text)
    if isinstance(files, InputProblem):
        job.error(files.code, (key, index), files.message, files.hint)
        return [LOCAL]
    uris = []
    for file in files:
        uri = local_uri(file.mime, file.sha256, is_shrunk=file.is_shrunk)
        job.local[uri] = file
        uris.append(uri)
        if rules is not None:
            measured = MeasuredFile(bytes=file.bytes, width=file.width, height=file.height)
            for problem in rules.file_problems(key, measured):
                job.error(problem.code, (key, index), f"{text}: {problem.message}", problem.hint)
    return uris


def _check_glob(job: Job, at: tuple[str, int], template: str, path: str, files: Sequence[LocalFile]) -> None:
    """That a path with cells in it takes no photo of another row: `12*.jpg` is 123.jpg as well."""
    plain = _BRACES.sub("", template)
    is_exact = len(files) == 1 and files[0].path.endswith(PurePath(path).name)
    if files and not is_exact and sum(map(path.count, "*?[")) > sum(map(plain.count, "*?[")):
        message = f"{path[:80]}: a sign of a cell stands for other letters in a path"
        job.error("input-glob", at, message, "rename the photos, or write the path into the sheet")


def _tell_shared(job: Job, at: tuple[str, int], path: str, files: Sequence[LocalFile]) -> None:
    """A photo that several paths lead to, at least one of them a pattern."""
    for file in files:
        first = job.common.photo_of.setdefault(file.path, path)
        if first != path and _PATTERN.search(first + path):
            message = f"{PurePath(file.path).name} is sent for {first[-40:]!r}, and for {path[-40:]!r} as well"
            hint = "does a * take photos of other rows? put what ends the name before it, as in  {{ sku }}-*.jpg"
            job.warn("input-glob", at, message, hint)
