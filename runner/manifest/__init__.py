"""Files to `JobSpec`s: YAML, CSV, TSV and JSONL, with every error at once, each with its place and remedy."""

from runner.manifest.diagnostics import Diagnostic, InvalidManifest, as_json, render
from runner.manifest.reader import Manifest, read_manifest
from runner.manifest.schema import manifest_schema, template

__all__ = [
    "Diagnostic",
    "InvalidManifest",
    "Manifest",
    "as_json",
    "manifest_schema",
    "read_manifest",
    "render",
    "template",
]
