"""Files to `JobSpec`s: YAML, tables, JSON lines, photos; every error at once, each with its place and remedy."""

from runner.manifest.common import DEFAULT_MODEL, MODEL
from runner.manifest.diagnostics import Diagnostic, InvalidManifest, Place, as_json, render
from runner.manifest.original import Original, original
from runner.manifest.published import manifest_schema
from runner.manifest.reader import Inline, Manifest, read_manifest
from runner.manifest.schema import LONGEST_ID, template
from runner.manifest.spool import Specs, Twins
from runner.manifest.starter import starter, unread
from runner.manifest.twins import stems_of

__all__ = [
    "DEFAULT_MODEL",
    "LONGEST_ID",
    "MODEL",
    "Diagnostic",
    "Inline",
    "InvalidManifest",
    "Manifest",
    "Original",
    "Place",
    "Specs",
    "Twins",
    "as_json",
    "manifest_schema",
    "original",
    "read_manifest",
    "render",
    "starter",
    "stems_of",
    "template",
    "unread",
]
