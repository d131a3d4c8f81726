"""The JSON Schema of YAML manifests that editors complete and check by.

Stricter than what the reader checks the head by, and in the reader's sense: what is refused here is refused there, at
the latest where a job uses it. What cannot be said in a schema the reader alone refuses: templates, names that must
agree, files that must be there. Draft-07, which editors handle best.

The fields of a job are its model's. The one model whose fields are known here is judged; a job, or a manifest, that
names another one may have any field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.manifest.common import DEFAULT_MODEL, MODEL
from runner.manifest.head import ENDINGS
from runner.manifest.matrix import RESERVED, TAKEN
from runner.manifest.schema import LONGEST_ID, MATRIX, OWN, SOURCE, head_schema

Schema = dict[str, Any]

TEMPLATE: Final = r"\{[{%]"
"""What makes a text a template."""
FILE_NAMES: Final = "|".join("".join(f"[{c}{c.upper()}]" for c in ending[1:]) for ending in (*ENDINGS, ".txt"))
ONE_WORD: Final = {"pattern": r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"}
ID: Final = {
    "type": ["string", "number", "boolean", "null"],
    "description": f"The job's name in files and reports; unique, at most {LONGEST_ID} characters.",
    **ONE_WORD,
    "if": {"type": "string", "pattern": TEMPLATE},
    "else": {"maxLength": LONGEST_ID},
}
ID_OF_ALL: Final = {
    "type": "string",
    "pattern": TEMPLATE,
    "description": "A template that makes each job's id: {{ sku }}-{{ colour }}.",
}
MODEL_ID: Final = {
    "type": ["string", "null"],
    "pattern": f"^({MODEL.pattern})?$",
    "maxLength": LONGEST_ID,
    "description": f"The model's id, as {DEFAULT_MODEL}.",
}
REMOTE: Final = {"not": {"pattern": r"^http://(?!localhost|127\.|\[::1\])"}}
"""A picture's URL is one of https, or on this machine."""


def manifest_schema(
    fields: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any] | None = None, model: str = DEFAULT_MODEL
) -> Schema:
    """The schema of manifests whose jobs have these fields unless they name another model than this one.

    `fields` and `settings` are names with their own schemas.
    """
    fields = {name: _relaxed(name, schema) for name, schema in fields.items()}
    known = {"model": MODEL_ID} | {name: {"$ref": f"#/definitions/{name}"} for name in fields}
    scalars = {name: known[name] for name, schema in fields.items() if "anyOf" not in schema}
    head = head_schema()
    properties = dict(head["properties"])
    properties["model"] = MODEL_ID | {"type": "string"}
    if settings:
        properties["run"] = properties["run"] | {"additionalProperties": False, "properties": dict(settings)}
    own_model = {"properties": {"model": MODEL_ID}}
    any_job = {"type": "object", "properties": {"id": ID, "model": MODEL_ID}}
    properties["defaults"] = properties["defaults"] | {"properties": {"id": ID_OF_ALL, "model": MODEL_ID}}
    properties["jobs"] = {"type": "array", "items": any_job, "description": properties["jobs"]["description"]}
    properties["sources"] = properties["sources"] | {"items": _source()}
    properties["matrix"] = MATRIX | {
        "propertyNames": {"not": {"enum": sorted(TAKEN)}},
        "not": {"propertyNames": {"enum": sorted(RESERVED)}},
    }
    override = properties["overrides"]["items"]
    parts = override["properties"] | {"set": override["properties"]["set"] | own_model}
    says = {"properties": parts, "anyOf": [{"required": ["set"]}, {"required": ["skip"]}]}
    properties["overrides"] = properties["overrides"] | {"items": override | says}
    has_jobs = {"required": ["jobs"], "properties": {"jobs": {"minItems": 1}}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runcomfy-batch manifest",
        **head,
        "anyOf": [{"required": ["sources"]}, has_jobs],
        "properties": properties,
        "allOf": [_of_jobs(known, model), _of_the_rest(known, scalars, model)],
        "definitions": fields,
    }


# ------------------------------------------------------------------------------------------------------ whose fields


def _of_jobs(known: Schema, model: str) -> Schema:
    """A job has the fields of the model that is known, if that is its own, or everybody's."""
    shared = {"additionalProperties": False, "patternProperties": {OWN.pattern: {}}}
    mine = {**shared, "properties": {"id": {}, **known}}
    named = {"required": ["model"], "properties": {"model": {"const": model}}}
    return {
        "if": {"properties": {name: part for name, part in _everywhere(model).items() if name != "jobs"}},
        "then": {"properties": {"jobs": {"items": {"if": _no_other(model), "then": mine}}}},
        "else": {"properties": {"jobs": {"items": {"if": named, "then": mine}}}},
    }


def _of_the_rest(known: Schema, scalars: Schema, model: str) -> Schema:
    """What all jobs share has these fields where no job names another model."""
    shared = {"additionalProperties": False, "patternProperties": {OWN.pattern: {}}}
    defaults = {**shared, "properties": {"id": {}, **known}}
    axes = {name: {"items": {"anyOf": [schema, {"type": "object"}]}} for name, schema in scalars.items()}
    named = {"additionalProperties": False, "properties": {"name": {}, **known}}
    value = {"items": {"if": {"type": "object"}, "then": named}}
    rest = {"properties": {name: {} for name in RESERVED}, "additionalProperties": value}
    changed = {"additionalProperties": False, "properties": known}
    matrix = {"allOf": [{"properties": axes}, rest]}
    overrides = {"items": {"properties": {"set": changed}}}
    return {
        "if": {"properties": _everywhere(model)},
        "then": {"properties": {"defaults": defaults, "matrix": matrix, "overrides": overrides}},
    }


def _everywhere(model: str) -> Schema:
    """The places where a manifest may name a model, none of which names another."""
    other = _no_other(model)
    return {
        "model": {"enum": [model, ""]},
        "defaults": other,
        "jobs": {"items": other},
        "matrix": {"not": {"required": ["model"]}, "additionalProperties": {"items": other}},
        "overrides": {"items": {"properties": {"set": other}}},
    }


def _no_other(model: str) -> Schema:
    return {"properties": {"model": {"enum": [model, "", None]}}}


# ------------------------------------------------------------------------------------------------------------- parts


def _source() -> Schema:
    """A source is a file or a folder, each with its own keys; a file whose name does not say so, says what it is."""
    folder = {"required": ["folder"], "propertyNames": {"enum": ["folder", "glob", "where"]}}
    file = {"required": ["file"], "not": {"anyOf": [{"required": ["folder"]}, {"required": ["glob"]}]}}
    named = {
        "anyOf": [
            {"required": ["format"]},
            {"required": ["folder"]},
            {"properties": {"file": {"pattern": rf"\.({FILE_NAMES})$"}}},
        ]
    }
    parts = {name: part for name, part in SOURCE.items() if name != "anyOf"}
    return {**parts, "oneOf": [file, folder], "allOf": [named], "dependencies": {"per": ["preset"]}}


def _relaxed(name: str, schema: Mapping[str, Any]) -> Schema:
    """A field as a manifest may write it: one value for a list of one; a template of any length."""
    found = dict(schema)
    if name == "prompt":
        found.pop("default", None)
        longest = found.pop("maxLength", None)
        if longest is not None:
            found |= {"if": {"type": "string", "pattern": TEMPLATE}, "else": {"maxLength": longest}}
        return found | {"pattern": r"\S"}
    if schema.get("type") != "array":
        return found
    item = dict(schema.get("items", {}))
    if item.pop("format", None) is not None:
        item |= {"pattern": r"\S", **REMOTE}
    description = {"description": found.pop("description")} if "description" in found else {}
    return {"anyOf": [{**found, "items": item}, item], **description}
