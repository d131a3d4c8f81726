"""The format of YAML manifests as a JSON Schema: the reader checks everything but the jobs by it.

What is inside a job is the model's matter, whose rules the reader asks. What editors are given is made of the same
parts (`runner.manifest.published`).
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any, Final

LONGEST_ID: Final = 120
NAME_PATTERN: Final = "^[a-z0-9][a-z0-9._-]*$"
FORMATS: Final = ("csv", "tsv", "jsonl", "xlsx")
PRESET_NAMES: Final = ("shopify", "woocommerce", "google-merchant")
CONFLICTS: Final = ("error", "suffix", "overwrite")
OWN: Final = re.compile("^x-[A-Za-z0-9_.-]+$")
"""A key that is the user's own, and nobody reads. One word: else the rest of a prompt may be one, behind its comma."""

_TEXT: Final = {"type": "string", "minLength": 1}
_SCALAR: Final = {"type": ["string", "number", "boolean"]}
_MODEL: Final = {"type": "string", "description": "The model's id, as google/nano-banana/edit."}
_COLUMN: Final = {
    "anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}],
    "description": "A column's name; several for pictures, and * for any letters: [main_image, other_image_*].",
}
_NAME_OF_AXIS: Final = {"type": ["string", "number"], "description": "The value's name, in ids and paths."}

SOURCE: Final = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["file"]}, {"required": ["folder"]}],
    "properties": {
        "file": {**_TEXT, "description": "A CSV, TSV, JSONL or XLSX file, from the manifest's folder."},
        "folder": {**_TEXT, "description": "A folder of photos: a job a photo."},
        "glob": {**_TEXT, "description": 'Which photos, as "*.jpg" or "**/*.png"; all of them where it is left out.'},
        "format": {"enum": list(FORMATS), "description": "What the file is, where its ending does not say so."},
        "encoding": {**_TEXT, "examples": ["utf-8", "cp932", "cp1252"], "description": "What the file is written in."},
        "delimiter": {"enum": [",", ";", "\t", "|"], "description": "What stands between cells."},
        "sheet": {**_TEXT, "description": "The sheet of a workbook; the first where it is left out."},
        "columns": {
            "type": "object",
            "additionalProperties": _COLUMN,
            "description": "Which column a field is read from: {id: SKU, image_urls: Photo}.",
        },
        "where": {**_TEXT, "description": "Which rows are wanted: stock > 0 and status == 'active'."},
        "preset": {"enum": list(PRESET_NAMES), "description": "An export of a known shop, read as it is."},
        "per": {
            "enum": ["product", "image"],
            "description": "With a preset: one job a product with all its pictures, or one a picture.",
        },
    },
}
MATRIX: Final = {
    "type": "object",
    "description": "Each job in every combination of these: scene: [white, kitchen].",
    "properties": {
        "include": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": _SCALAR},
            "description": "Further combinations, for all or `when` a condition holds.",
        },
        "exclude": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": _SCALAR, "minProperties": 1},
            "description": "Combinations that are left out.",
        },
    },
    "additionalProperties": {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [_SCALAR, {"type": "object", "required": ["name"], "properties": {"name": _NAME_OF_AXIS}}]},
    },
}
OUTPUT: Final = {
    "type": "object",
    "additionalProperties": False,
    "description": "Where the files go, below images/.",
    "properties": {
        "path": {**_TEXT, "description": 'A template, as "{{ id }}/{{ n }}.{{ ext }}"; n counts a job\'s files.'},
        "on_conflict": {
            "enum": list(CONFLICTS),
            "description": "Where two files would have one name: an error, a number behind the later one's name, or "
            "writing over a file that is no job's.",
        },
    },
}


def head_schema() -> dict[str, Any]:
    """The schema of everything in a manifest but its jobs."""
    properties = {
        "version": {"const": 1, "description": "The format's version."},
        "name": {"type": "string", "pattern": NAME_PATTERN, "maxLength": 80, "description": "The run's name."},
        "model": _MODEL,
        "defaults": {"type": ["object", "null"], "description": "What every job inherits."},
        "sources": {
            "type": "array",
            "minItems": 1,
            "items": SOURCE,
            "description": "Tables and folders that jobs are made from.",
        },
        "matrix": MATRIX,
        "jobs": {"description": "One entry an edit."},
        "overrides": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["match"],
                "properties": {
                    "match": {**_TEXT, "description": "Ids of jobs; a * stands for any letters."},
                    "set": {
                        "type": "object",
                        "minProperties": 1,
                        "description": "Fields that these jobs have instead.",
                    },
                    "skip": {"type": "boolean", "description": "Whether these jobs are left out."},
                },
            },
            "description": "Exceptions for some jobs, by their ids.",
        },
        "output": OUTPUT,
        "run": {"type": "object", "description": "Settings of the run: concurrency, max_cost_usd, until …"},
    }
    return {
        "type": "object",
        "required": ["version"],
        "additionalProperties": False,
        "patternProperties": {OWN.pattern: {}},
        "properties": properties,
    }


def template() -> str:
    """A short, commented manifest that validates."""
    return resources.files("runner.manifest").joinpath("template.yaml").read_text("utf-8")
