"""Manifests beside the files that they name, as the manifest reader sees them: what is sent, and what is said."""

from __future__ import annotations

import pytest

from runner.catalog import bundled, parse_card, rules_for
from runner.manifest import DEFAULT_MODEL, InvalidManifest, read_manifest

URL = "https://cdn.example.com/{}.jpg"
RULES = rules_for(bundled(DEFAULT_MODEL))
OTHER = "owner/other"
UPSCALER = "owner/upscaler"
FIELDS = {
    "prompt": {"type": "string"},
    "image_urls": {"type": "array", "items": {"type": "string", "format": "uri"}},
    "width": {"type": "integer"},
    "strength": {"type": "number"},
}


def rules_of(model):
    """The usual model's, those of one with numbers, and of one that takes a picture alone."""
    if model == UPSCALER:
        schema = {"type": "object", "properties": {"image_url": {"type": "string", "format": "uri"}}}
        return rules_for(parse_card(UPSCALER, {"model_id": UPSCALER, "input_schema": schema}))
    if model == OTHER:
        schema = {"type": "object", "properties": FIELDS, "additionalProperties": False}
        return rules_for(parse_card(OTHER, {"model_id": OTHER, "input_schema": schema}))
    return RULES if model == DEFAULT_MODEL else None


def reader_in(folder):
    """Reads a manifest beside some files; `None` for the manifest: the one file is it."""

    def read(manifest, inline=None, local=None, **files):
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            (folder / name.replace("_", ".")).write_bytes(data)
        path = folder / "m.yaml"
        if manifest is None:
            path = folder / next(iter(files)).replace("_", ".")
        else:
            path.write_text(f"version: 1\n{manifest}\n")
        return read_manifest(path, rules=rules_of, inline=inline, local=local)

    return read


def errors(read, *arguments, **files):
    """The errors of a manifest that is refused: code, line, message and remedy."""
    with pytest.raises(InvalidManifest) as caught:
        read(*arguments, **files)
    return [(d.code, d.place.line, d.message, d.hint) for d in caught.value.diagnostics if d.severity == "error"]


def prompts(manifest):
    """By job id."""
    return {spec.job_id: spec.inputs["prompt"] for spec in manifest.jobs}


def warned(manifest):
    """The warnings: code, cell and message."""
    return [(d.code, d.place.cell, d.message) for d in manifest.warnings]
