"""The manifest's own JSON Schema (draft-07, which editors handle best), and a manifest to start from."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from runner.manifest.entries import LONGEST_ID
from runner.manifest.yaml_reader import KEYS, NAME


def manifest_schema(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The schema of YAML manifests whose jobs have these fields, each with its own schema."""
    inputs = {name: _relaxed(schema) for name, schema in fields.items()}
    model = {"type": "string", "description": "The model's id, as google/nano-banana/edit."}
    job = {
        "type": "object",
        "additionalProperties": False,
        "patternProperties": {"^x-": {}},
        "properties": {
            "id": {
                "type": ["string", "number"],
                "maxLength": LONGEST_ID,
                "description": "The job's name in files and reports; unique.",
            },
            "model": model,
            **inputs,
        },
    }
    properties = {
        "version": {"const": 1, "description": "The format's version."},
        "name": {"type": "string", "pattern": f"^{NAME.pattern}$", "description": "The run's name."},
        "model": model,
        "defaults": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"model": model, **inputs},
            "description": "What every job inherits.",
        },
        "jobs": {"type": "array", "minItems": 1, "items": job, "description": "One entry an edit."},
        "run": {"type": "object", "description": "Settings of the run: concurrency, max_cost_usd, until …"},
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "runcomfy-batch manifest",
        "type": "object",
        "required": ["version", "jobs"],
        "additionalProperties": False,
        "patternProperties": {"^x-": {}},
        "properties": {key: properties[key] for key in KEYS},
    }


def template() -> str:
    """A short, commented manifest that validates."""
    return resources.files("runner.manifest").joinpath("template.yaml").read_text("utf-8")


def _relaxed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A field as a manifest may write it: where the model takes a list, one value will do."""
    if schema.get("type") != "array":
        return dict(schema)
    description = {"description": schema["description"]} if "description" in schema else {}
    return {"anyOf": [dict(schema), dict(schema.get("items", {}))], **description}
