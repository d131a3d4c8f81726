"""What the service says of the models of a manifest as it is now: what they accept, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from runner.api.bases import is_loopback
from runner.api.client import RunComfy
from runner.api.wire import ApiError
from runner.batch.loading import load
from runner.batch.options import Options, api_base
from runner.catalog import ModelCard, bundled, card_file_name, cards_beside, differs, parse_card
from runner.errors import AccountRefused, ConfigurationInvalid, ManifestInvalid, ServiceUnavailable
from runner.manifest import Diagnostic, Manifest, Place
from runner.model import FailureKind, JobSpec, Money, Price
from runner.rules.planning import price_of

UNKNOWN_PRICE: Final = Price(amount=None)


async def live_cards(api: RunComfy, models: Iterable[str]) -> dict[str, ModelCard]:
    """Each model's card as the service has it now; raises what ends a run before it began."""
    cards = {}
    for model in models:
        try:
            cards[model] = parse_card(model, await api.card(model))
        except ApiError as error:
            raise _unusable(model, error, api.base) from error
    return cards


def play_cards_of(models: Iterable[str]) -> dict[str, ModelCard]:
    """Each model's card as the simulator has it, without one that runs; raises `ManifestInvalid` for none of its."""
    from runner.simulator import play_cards

    known = play_cards()
    if missing := next((model for model in models if model not in known), None):
        raise _unknown(missing)
    return {model: known[model] for model in models}


def _unknown(model: str) -> ManifestInvalid:
    return ManifestInvalid(f"the service does not know the model {model!r}. Nothing was submitted.")


def _unusable(model: str, error: ApiError, base: str) -> Exception:
    failure = error.failure
    if failure.kind is FailureKind.ACCOUNT:
        return AccountRefused(f"RunComfy refused the account: {failure.message}. Nothing was submitted.")
    if error.is_missing or failure.code in ("wrong_model", "http_400"):
        return _unknown(model)
    if failure.kind is FailureKind.POLICY:
        return ConfigurationInvalid(f"{failure.message}. Nothing was submitted.")
    return ServiceUnavailable(f"{base} cannot be used: {failure.message}. Nothing was submitted; run again later.")


def with_live_rules(manifest: Manifest, cards: Mapping[str, ModelCard], options: Options) -> Manifest:
    """The manifest, checked again where it uses models whose schema only the service knows.

    A pulled card that is not the live one any more is told: it is what the jobs were checked by.
    """
    beside = cards_beside(manifest.path.parent)
    news: list[Diagnostic] = []
    for model, live in cards.items():
        if (kept := beside(model)) is not None and (changes := differs(kept, live)):
            news.append(_card_changed(manifest.path.parent / card_file_name(model), model, changes))
    if not all(bundled(model) or beside(model) for model in cards):
        allow_loopback = options.simulate or is_loopback(api_base(options))
        manifest = load(manifest.path, options, cards=cards, allow_loopback=allow_loopback)
    return replace(manifest, warnings=(*manifest.warnings, *news)) if news else manifest


def _card_changed(path: Path, model: str, changes: list[str]) -> Diagnostic:
    message = f"the service's card of {model} has changed since it was pulled: {'; '.join(changes)}"
    hint = f"models pull {model} --to {path.parent} --force  takes the live one"
    return Diagnostic(
        severity="warning", code="card-changed", file=str(path), place=Place(), message=message, hint=hint
    )


def pricer(prices: Mapping[str, Price]) -> Callable[[JobSpec], Money | None]:
    """What a job costs, by its model's price."""
    return lambda spec: price_of(prices.get(spec.model, UNKNOWN_PRICE), spec.inputs)
