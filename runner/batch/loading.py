"""From a manifest's path to its checked jobs: cards, photos and settings brought together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from runner.batch.options import FOR_EDITORS, FROM_MANIFEST, Options
from runner.batch.review import Review, with_prompts
from runner.batch.shards import in_shard
from runner.catalog import ModelCard, bundled, cards_beside, rules_for
from runner.catalog.files import ENDING, card_file_name, read_document
from runner.errors import BatchError, UsageProblem
from runner.manifest import DEFAULT_MODEL, Diagnostic, Inline, Manifest, Place, read_manifest
from runner.manifest import manifest_schema as schema_for
from runner.media.photos import Photos
from runner.model import InputRules, RulesOf


def load(
    path: Path,
    options: Options | None = None,
    *,
    cards: Mapping[str, ModelCard] | None = None,
    allow_loopback: bool = False,
) -> Manifest:
    """The manifest, checked without the network against the cards that are at hand.

    Raises `ManifestInvalid` with every error at once, and `InputMissing`.
    """
    options = options or Options()
    if options.prompt is not None and "prompt" in dict(options.values):
        raise UsageProblem("the prompt is given twice: by --prompt and by --set prompt=…")
    rules = rules_at_hand(path.parent, cards or {}, allow_loopback=allow_loopback)
    roots = [path.parent, *options.allow_roots]
    with Photos(path.parent, roots, shrink=options.shrink_inputs) as photos:
        manifest = read_manifest(path, rules=rules, settings=FROM_MANIFEST, local=photos, inline=inline_of(options))
    manifest = in_shard(manifest, options)
    if strays := tuple(_strays(path.parent)):
        manifest = replace(manifest, warnings=(*manifest.warnings, *strays))
    return manifest if options.redo is None else with_prompts(manifest, Review.read(options.redo), rules)


def _strays(folder: Path) -> Iterator[Diagnostic]:
    """Cards beside the manifest that nobody finds, since they are not called after their models."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        with suppress(BatchError):  # one that is of use is judged where it is used
            model = read_document(path)["model_id"]
            if path.name != (name := card_file_name(model)):
                message = f"{path.name} is the card of {model}, and is not used"
                hint = f"call it {name}, or move it away"
                yield Diagnostic(
                    severity="warning", code="card-unused", file=str(path), place=Place(), message=message, hint=hint
                )


def rules_at_hand(folder: Path, cards: Mapping[str, ModelCard], *, allow_loopback: bool = False) -> RulesOf:
    """What a model accepts: by the card that lies beside the manifest, else the bundled one, else one of `cards`."""
    beside = cards_beside(folder)

    @cache
    def rules(model: str) -> InputRules | None:
        card = beside(model) or bundled(model) or cards.get(model)
        return rules_for(card, allow_loopback=allow_loopback) if card else None

    return rules


def inline_of(options: Options) -> Inline:
    """What the command line says of a table."""
    return Inline(
        prompt=options.prompt,
        columns={field: [column for name, column in options.columns if name == field] for field, _ in options.columns},
        values=dict(options.values),
        encoding=options.encoding,
        preset=options.preset,
        per=options.per,
    )


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of YAML manifests, by the fields of the bundled model."""
    card = bundled(DEFAULT_MODEL)
    return schema_for(card.input_schema["properties"] if card else {}, FOR_EDITORS)
