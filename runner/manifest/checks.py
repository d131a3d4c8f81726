"""What is said of a job that is made: what cannot be sent, and what can, but was hardly meant so.

What concerns a column is said once for the column, whatever its rows say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, Final

from runner.manifest.called import highest_called
from runner.manifest.damage import (
    BRACKETS,
    MARKUP,
    NOTHING,
    PLACEHOLDERS,
    Damage,
    braces,
    comments,
    damage,
    escapes,
    questions,
    quotes,
    unfilled,
    unseen,
)
from runner.manifest.diagnostics import nearest
from runner.manifest.gaps import REMEDY, Gap, name_of
from runner.manifest.given import Source
from runner.manifest.jobs import Job
from runner.manifest.lines import Line, row_of
from runner.manifest.rows import RowItem
from runner.manifest.schema import LONGEST_ID
from runner.manifest.spoilt import hint_for_nothing
from runner.manifest.tables import FORMULA, SPOILT, column_name, what_spoilt
from runner.manifest.templates import TemplateProblem, compiled, is_template, titles_in
from runner.model import InputProblem, counted

SHORT: Final = 40
"""Characters; a prompt that is longer says something."""
LARGEST_BODY: Final = 64 << 20
"""Bytes that the service takes in one request."""
COMMENTS: Final = ("#", "//", "--")
SHORTENED: Final = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)


def check(job: Job) -> None:
    """Put what is wrong with a job, or looks wrong, into the findings."""
    if (rules := job.rules) is not None:
        for problem in rules.problems(job.inputs):
            job.error(
                problem.code,
                problem.path,
                problem.message,
                problem.hint + _leaving_out(job, problem) + _own(job, problem),
            )
    prompt, body = job.inputs.get("prompt"), job.body
    if isinstance(prompt, str) and prompt:
        _check_prompt(job, prompt)
    if b"<" in body or (b"&" in body and b";" in body):
        _tell_markup(job)
    if job.gap:
        _tell_gap(job, *job.gap)
    for key, value in job.inputs.items():
        if type(value) is list and len(value) > 1 and job.kinds.get(key) == "media list":
            _tell_again(job, key, value)
    if not job.is_plain:
        _check_id(job, job.id)
    if b"\\" in body or b"\x7f" in body or not body.isascii():  # JSON writes other controls with a backslash
        _look_for_damage(job)
    if job.local:
        _check_size(job)


def _leaving_out(job: Job, problem: InputProblem) -> str:
    """How a sheet's rows are left out that have no picture."""
    field = str(problem.path[0])
    is_picture = problem.code == "missing-field" and job.kinds.get(field, "").startswith("media")
    if not is_picture or not isinstance(job.item, RowItem) or not (asked := job.item.asked(field)):
        return ""
    is_alone = any(isinstance(source, Source) and source.is_alone for source in job.common.head.sources)
    return f"; or leave such rows out{', in a manifest' * is_alone}:  where: {asked}"


def _own(job: Job, problem: InputProblem) -> str:
    """How a line of JSON carries keys of its own, where this one is no field with a slip of the pen."""
    line, fields = job.item, job.rules.fields if job.rules else {}
    if problem.code != "unknown-field" or not isinstance(line, Line):
        return ""
    own = {key: value for key, value in line.fields.items() if key not in fields and key not in ("id", "model")}
    plain = {key: value for key, value in own.items() if not isinstance(value, (list, dict))}
    if problem.path[0] not in plain or nearest(str(problem.path[0]), fields, 0.8):
        return ""
    row = line.row if isinstance(line.row, Mapping) else {}
    shown = f"\nto carry it along write  {row_of({**row, **plain})}"
    if line.wrapper:
        return f"{shown}  beside {line.wrapper!r}"
    if any(isinstance(source, Source) and source.is_alone for source in job.common.head.sources):
        return shown
    field = next((field for field in line.fields if field in fields), "id")
    return f"{shown}\nor give the source  columns: {{{field}: {field}}}  and all such keys are carried along"


def _check_id(job: Job, job_id: str) -> None:
    if "\ufffd" in job_id:
        _tell(job, damage(("id",), job_id))
    if not job_id.strip():
        job.error("id", ("id",), "the id is blank", "name the job, or take its entry out")
    elif not job_id.isprintable() or len(job_id) > LONGEST_ID:
        job.error("id", ("id",), f"not an id: {job_id[:60]!r}", f"1 to {LONGEST_ID} printable characters")
    elif FORMULA.match(job_id) and not job.item.is_job:
        job.error("spoilt-cell", ("id",), what_spoilt(job_id), "save the sheet with its values")
    elif job_id.startswith(COMMENTS) and not job.item.is_job and not SPOILT.match(job_id) and not job.is_told("#"):
        sign = next(sign for sign in COMMENTS if job_id.startswith(sign))
        message = f"{job_id[:60]!r} is a job like any other: in a table a {sign} begins no comment"
        job.warn("odd-text", ("id",), message, "delete the row, or leave it out with  where:")
    elif "+" in job_id and SHORTENED.match(job_id):
        hint = "format the column as Text before pasting the numbers"
        job.error("id", ("id",), f"id {job_id!r} was shortened by a spreadsheet", hint)


# ------------------------------------------------------------------------------------------------------------- prompts


def _check_prompt(job: Job, prompt: str) -> None:
    if not prompt.strip():
        job.error("prompt-length", ("prompt",), "prompt is blank", "say what is to change")
    elif len(prompt) < SHORT and not any(map(str.isalnum, prompt)):
        message = f"the prompt sent will be {prompt!r}, which says nothing"
        job.warn("odd-text", ("prompt",), message, "say what is to change")
    elif (hint := hint_for_nothing(prompt)) is not None:
        shown = re.sub(r"(://[^?]*\?).+", r"\1…", prompt[:80])  # what signs a URL is nobody's to read
        job.warn("placeholder", ("prompt",), f"the prompt that is sent is {shown!r}", hint)
    if "?" in prompt:
        _tell(job, questions(prompt))
    if not prompt.isascii():
        _tell(job, quotes(prompt))
    if "\\" in prompt or "_x000" in prompt:
        _tell(job, escapes(prompt))
    if not BRACKETS.isdisjoint(prompt):
        _tell(job, braces(prompt, job.item.scope))
        _tell(job, comments(prompt))
        if prompt != job.fields.get("prompt"):
            _tell(job, unfilled(prompt))
    if prompt != job.fields.get("prompt") and NOTHING.search(prompt):
        _tell_nothing(job)
    if not job.gap and (called := highest_called(prompt)) > 1:
        _tell_called(job, called)


def _tell_called(job: Job, called: int) -> None:
    """A prompt that calls a picture by its number, and there are not so many."""
    media = [value for key, value in job.inputs.items() if job.kinds.get(key, "").startswith("media")]
    count = sum(len(value) if isinstance(value, list) else 1 for value in media)
    if 0 < count < called:
        message = (
            f"the prompt speaks of image {called}, and {counted(count, 'picture')} {'is' if count == 1 else 'are'} sent"
        )
        hint = "give the job all its pictures: lists replace one another, and are not added up"
        job.warn("missing-picture", ("prompt",), message, hint)


def _tell_again(job: Job, key: str, pictures: list[Any]) -> None:
    """One picture twice: a copied cell, where another was to be combined with the first."""
    index = next((index for index, one in enumerate(pictures) if one in pictures[:index]), None)
    if index is not None and not job.is_told(f"{key} again"):
        message = f"{name_of(str(pictures[index]))!r} is sent twice in {job.id!r}, as image {index + 1} as well"
        job.warn("missing-picture", (key, index), message, "is another one meant? drop it, or name that")


def _tell_nothing(job: Job) -> None:
    """A cell that says `nan` is empty for a person, and a text for a template."""
    name = _column(job, "prompt", lambda text: text.strip().lower() in PLACEHOLDERS)
    if name is not None and not job.is_told(f"{name} is nothing"):
        message = f"{name} is {job.scope[name].strip()!r} in {job.item.source}, which is sent as it stands"
        hint = f"empty such cells, and ask first, as in {{% if {name} %}}…{{% endif %}}"
        job.warn("placeholder", ("prompt",), message, hint)


def _tell_gap(job: Job, key: str, gap: Gap) -> None:
    """The pictures move up: what the prompt says of one of them by its number would be done to another."""
    place, is_own = job.place((key, gap.number - 1))
    message = gap.message if is_own or job.item.is_job else f"{gap.message} (for {job.item.source})"
    if gap.column is not None and place.cell:
        place = replace(place, cell=column_name(gap.column) + place.cell.lstrip(ascii_uppercase))
    if gap.is_met_by(job.inputs.get("prompt")):
        job.common.findings.error("missing-picture", place, message, REMEDY)
    else:
        job.common.findings.warn("missing-picture", place, message, REMEDY)


# ----------------------------------------------------------------------------------------------------------- all texts


def _tell_markup(job: Job) -> None:
    """What a browser shows as something else, and is sent as it stands."""
    for key, value in job.inputs.items():
        texts: list[Any] = value if isinstance(value, list) else [value]
        found = next((found for text in texts if isinstance(text, str) and (found := MARKUP.search(text))), None)
        if found is None:
            continue
        column = _column_with(job, key, found[0])
        hint = f"to send what a browser shows:  {{{{ {column} | striptags }}}}"
        if not job.is_told(column or key):
            message = f"{column or key} holds {found[0][:SHORT]!r}, which is sent as it stands"
            job.warn("odd-text", (key,), message, hint if column else "write what a browser shows")


def _column_with(job: Job, key: str, markup: str) -> str | None:
    """What the template of a field calls the column that some markup comes from: one that it does not free of it."""
    for name in _columns(job, key, lambda text: markup in text):
        asked = re.escape(name).replace("'", "['\"]")
        if re.search(rf"\b{asked}\s*\|[^}}]*\bstriptags\b", str(job.fields.get(key))) is None:
            return name
    return None


def _column(job: Job, key: str, holds: Callable[[str], bool]) -> str | None:
    """The name of the first text of which something holds, among those that the template of a field asks for."""
    return next((name for name in _columns(job, key, holds) if name in job.scope), None)


def _columns(job: Job, key: str, holds: Callable[[str], bool]) -> Iterator[str]:
    """All of them as the template calls them: `title`, `row['Product Title']`."""
    given = job.fields.get(key)
    if not isinstance(given, str) or not is_template(given):
        return
    with suppress(TemplateProblem):  # told where it was to be filled in
        for name in sorted(compiled(given).names):
            with suppress(TemplateProblem):  # one that was not asked for
                if name in job.scope and isinstance(text := job.scope[name], str) and holds(text):
                    yield name
        for title in sorted(titles_in([given])):
            with suppress(TemplateProblem, KeyError, TypeError):
                if isinstance(text := job.scope["row"][title], str) and holds(text):
                    yield f"row[{title!r}]"


def _look_for_damage(job: Job) -> None:
    for key, value in job.inputs.items():
        is_media = job.kinds.get(key, "").startswith("media")  # what nobody sees in a URL is refused with it
        if type(value) is not str:
            for index, text in enumerate(value) if type(value) is list else ():
                if type(text) is str and not text.isascii():
                    _tell(job, damage((key, index), text) or (None if is_media else unseen((key, index), text)))
        elif not (value.isascii() and value.isprintable()):
            _tell(job, damage((key,), value) or (None if is_media else unseen((key,), value)))


def _tell(job: Job, found: Damage | None) -> None:
    if found is None:
        return
    if found.is_error:
        job.error("damaged-text", found.path, found.message, found.hint)
    else:
        job.warn("odd-text", found.path, found.message, found.hint)


def _check_size(job: Job) -> None:
    texts = (text for value in job.inputs.values() for text in (value if isinstance(value, list) else [value]))
    photos = [job.local[text] for text in texts if isinstance(text, str) and text in job.local]
    size = len(job.body) + sum(4 * ((photo.bytes + 2) // 3) for photo in photos)  # twice in it, sent twice
    if size > LARGEST_BODY:
        message = f"the request would be {size >> 20} MiB, and {LARGEST_BODY >> 20} MiB are taken"
        key = next(key for key in job.inputs if job.kinds.get(key, "").startswith("media"))
        job.error("body-too-large", (key,), message, "use fewer photos, or smaller ones")
