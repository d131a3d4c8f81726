"""How the templates of a job are filled in: which names they may use, and what is told of those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from runner.manifest.items import Item, key_of
from runner.manifest.matrix import NONE
from runner.manifest.scopes import Layer, Sent, named
from runner.manifest.templates import Cell, Scope, Template, TemplateProblem, cell, compiled, is_template, unknown_name
from runner.model import InputRules
from runner.rules.names import safe_path

if TYPE_CHECKING:
    from runner.manifest.jobs import Job


def render(job: Job, given: str, key: str, *path: int) -> str:
    """A template filled in; left as it is where it cannot be, which is then in the findings."""
    try:
        template = compiled(given)
        if job.combination is not NONE:
            job.common.asked |= template.names
            _tell_hidden(job, template.names, key)
        if template.quoted:
            _tell_quoted(job, template.quoted, key)
        scope = job.scope if key == "id" else Layer(_sent(job, template.names), _scope_of(job, key))
        if problem := unknown_name(template, scope):
            raise problem
        if template.compared:
            _watch(job, template, scope, (key, *path))
        return template.render(scope)
    except TemplateProblem as problem:
        is_of_row = not problem.is_everywhere
        job.error(problem.code, (key, *path), str(problem), problem.hint, is_of_row=is_of_row)
        return given


def paths(job: Job, rules: InputRules | None) -> tuple[str, ...]:
    """Where the outputs go, without extension; empty where they cannot be told, which is then in the findings."""
    template = job.common.stem_template
    assert template is not None  # noqa: S101 the caller looked
    fields = Sent(job.inputs, rules)
    axes = {axis: name for axis, name in axes_of(job).items() if axis not in fields or _is_sent(job, axis)}
    rest = Layer(axes, Layer(fields, job.item.scope))  # what is sent goes before what the row says
    found = []
    for n in range(1, job.count + 1):
        own = {"n": Cell(str(n)), "job_id": Cell(job.id), "id": Cell(given_id(job.item) or job.id)}
        scope = Layer(own, rest)
        try:
            if problem := unknown_name(template, scope):
                raise problem
            found.append(f"images/{safe_path(template.render(scope))}")
        except TemplateProblem as problem:
            _path_error(job, f"output.path: {problem}", problem.hint)
            return ()
        except ValueError as problem:
            given = template.render(scope)[:120]
            hint = 'as in  path: "{{ id }}/{{ n }}.{{ ext }}"'
            _path_error(job, f"output.path comes to {given!r} (for {job.item.source}): {problem}", hint)
            return ()
    if len(set(found)) < len(found):
        _path_error(job, f"output.path gives {job.count} files of job {job.id!r} one name", "use {{ n }} in it")
    return tuple(found)


def axes_of(job: Job) -> dict[str, Cell]:
    """The values of the matrix by their axes, and the id before the matrix."""
    names = {axis: Cell(name) for axis, name in job.combination.names.items()}
    if (base := given_id(job.item)) is not None:
        names["id"] = Cell(base)
    return names


def given_id(item: Item) -> str | None:
    """The id that an item has before the matrix; `None` where it has none, or a template makes it."""
    given = item.fields.get("id")
    return given if isinstance(given, str) and given.strip() and not is_template(given) else None


def _scope_of(job: Job, key: str) -> Scope:
    """The names that the template of a field may use; where the matrix gives it, its own name is what it was."""
    if key not in job.combination.names and key not in job.combination.fields:
        return job.scope
    names: dict[str, Any] = {name: value for name, value in axes_of(job).items() if name != key}
    own = job.item.fields.get(key)
    if isinstance(own, str) and key not in job.item.scope:
        names[key] = cell(key, own)
    return Layer(names, job.item.scope)


def _sent(job: Job, names: Iterable[str]) -> dict[str, Any]:
    """Of some names those of fields, each with the value that is sent, whoever has given it.

    An axis of the matrix keeps its value's name as long as it is the axis that gives the field; the prompt and the
    media are templates themselves.
    """
    return {
        name: named(name, job.fields[name])
        for name in names
        if job.fields.get(name) is not None
        and job.kinds.get(name, "list") in ("list", "integer")
        and not (name in job.combination.names and _is_sent(job, name))
    }


def _is_sent(job: Job, axis: str) -> bool:
    """Whether the value of an axis of the matrix is what is sent, if it is a field at all."""
    given = job.combination.fields
    return axis not in job.fields or axis not in given or job.fields[axis] == given[axis]


def _watch(job: Job, template: Template, scope: Scope, path: tuple[str | int, ...]) -> None:
    """Look at what a template of several rows compares; that of a single cell was written for its row."""
    if (watched := job.common.watched.get(template.text)) is None:
        place, is_own = job.place(path)
        if is_own:
            return
        job.common.watch(template, place)
        watched = job.common.watched.get(template.text)
    if watched is not None:
        watched.compared.look(scope, job.item.source)


def _tell_hidden(job: Job, names: Iterable[str], key: str) -> None:
    """A column that is called like an axis: who writes the name in a template may mean the one or the other."""
    axes = job.combination.names.keys() - job.combination.fields.keys() - {key}
    for name in sorted(axes.intersection(names)):
        if name in job.item.scope and not job.is_told(f"{name} is hidden"):
            titles = job.item.row if isinstance(job.item.row, Mapping) else job.item.row[0]
            title = next((title for title in titles if key_of(title) == name), name)
            message = f"{name!r} is the matrix's axis here, and not the column {title!r}"
            hint = f"for the column write  row[{title!r}],  or call the axis otherwise"
            job.warn("matrix", (key,), message, hint)


def _tell_quoted(job: Job, words: Iterable[str], key: str) -> None:
    """What is filled in as it stands, and is called like a column: `row['title']` invites to it."""
    titles = job.item.row if isinstance(job.item.row, Mapping) else job.item.row[0]
    for word in sorted(words):
        name = key_of(word)
        if name and (word in job.item.scope or word in titles) and not job.is_told(f"{word!r} in quotes"):
            asked = name if name.isidentifier() and name in job.item.scope else f"row[{word!r}]"
            message = f"{word!r} in quotes is the word itself"
            job.warn("template", (key,), message, f"for the column write  {{{{ {asked} }}}}")


def _path_error(job: Job, message: str, hint: str) -> None:
    job.common.findings.error("output-path", job.common.head.path_place, message, hint)
