"""From a manifest to a plan: what a run would do, why, and the price. Sends nothing that costs."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from runner.api.client import RunComfy, is_loopback
from runner.api.wire import ApiError
from runner.batch.options import FROM_MANIFEST, Options, api_base, hosts_of, settled, token_for
from runner.catalog import ModelCard, bundled, parse_card, rules_for
from runner.errors import (
    AccountRefused,
    ConfigurationInvalid,
    ManifestInvalid,
    ServiceUnavailable,
    TokenMissing,
    UsageProblem,
)
from runner.manifest import Manifest, read_manifest
from runner.manifest import manifest_schema as schema_for
from runner.manifest.entries import DEFAULT_MODEL
from runner.media import HostPolicy, is_whole
from runner.media.names import collisions
from runner.model import FailureKind, InputRules, Job, JobSpec, JobState, Money, Price, money
from runner.rules.planning import (
    RETRY_WORDS,
    Change,
    Choices,
    PlanEntry,
    gone_entry,
    is_refused_by_us,
    plan_entry,
    price_of,
    retry_words,
)
from runner.store.store import Reader, check_used, has_state

UNKNOWN_PRICE = Price(amount=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do with each job."""

    manifest: Manifest
    directory: Path
    entries: tuple[PlanEntry, ...]
    prices: Mapping[str, Price]
    """Each model's price, as its live card says; empty where nobody was asked."""
    is_simulated: bool = False

    @property
    def counts(self) -> dict[Change, int]:
        """How many entries there are of each kind, in a plan's order."""
        found = Counter(entry.change for entry in self.entries)
        return {change: found[change] for change in Change if found[change]}

    @property
    def to_submit(self) -> tuple[PlanEntry, ...]:
        """The entries that a paid POST is to be made for."""
        return tuple(entry for entry in self.entries if entry.will_submit)

    @property
    def kept(self) -> tuple[PlanEntry, ...]:
        """The entries that changed, and that nobody said to pay for as they are now."""
        return tuple(entry for entry in self.entries if entry.change is Change.CHANGED and not entry.will_submit)

    @property
    def price(self) -> Money | None:
        """What the submits cost together; `None` where one of them has no known price."""
        prices = [entry.price for entry in self.to_submit]
        known = [price for price in prices if price is not None]
        return Money(sum(known)) if len(known) == len(prices) else None

    @property
    def has_work(self) -> bool:
        """Whether a run would do anything."""
        return any(entry.will_submit or entry.change is Change.RESUME for entry in self.entries)


# --------------------------------------------------------------------------------------------------------- manifest


def load(path: Path, *, cards: Mapping[str, ModelCard] | None = None, allow_loopback: bool = False) -> Manifest:
    """The manifest, checked without the network against the cards that are at hand.

    Raises `ManifestInvalid` with every error at once, and `InputMissing`.
    """
    made: dict[str, InputRules | None] = {}

    def rules(model: str) -> InputRules | None:
        if model not in made:
            card = bundled(model) or (cards or {}).get(model)
            made[model] = rules_for(card, allow_loopback=allow_loopback) if card else None
        return made[model]

    manifest = read_manifest(path, rules=rules, settings=FROM_MANIFEST)
    counted = ((spec.job_id, _outputs_of(spec)) for spec in manifest.jobs)
    for one, other in collisions(counted):
        raise ManifestInvalid(
            f"{path}: the files of jobs {one!r} and {other!r} would have the same name; change one id.\n"
            "Nothing was submitted."
        )
    return manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of YAML manifests, by the fields of the bundled model."""
    card = bundled(DEFAULT_MODEL)
    return schema_for(card.input_schema["properties"] if card else {})


def _outputs_of(spec: JobSpec) -> int:
    count = spec.inputs.get("num_images", 1)
    return count if isinstance(count, int) else 1


def directory_of(manifest: Manifest, options: Options) -> Path:
    """The run directory."""
    return Path(options.out) if options.out is not None else Path("runs") / manifest.name


# -------------------------------------------------------------------------------------------------------------- plan


def make_plan(manifest: Manifest, directory: Path, options: Options, prices: Mapping[str, Price]) -> Plan:
    """Weigh the manifest against the state, if there is one. Reads files only."""
    known = _known_jobs(directory)
    _check_retry_words(options.retry, known.values())
    choices = Choices(
        rerun_changed=options.rerun_changed,
        resubmit_doubts=options.in_doubt == "resubmit",
        fetchable=frozenset(_fetchable(known.values(), directory, hosts_of(options))),
        retry=frozenset(options.retry),
    )
    entries = []
    for spec in manifest.jobs:
        price = prices.get(spec.model, UNKNOWN_PRICE)
        entries.append(plan_entry(spec, known.pop(spec.job_id, None), price, choices))
    entries.extend(gone_entry(job) for job in known.values())
    chosen = _chosen(entries, options)
    return Plan(
        manifest=manifest,
        directory=directory,
        entries=tuple(chosen),
        prices=prices,
        is_simulated=options.simulate,
    )


def _check_retry_words(words: Iterable[str], jobs: Iterable[Job]) -> None:
    """A word that is almost one that is known was mistyped; another may be a failure that did not happen this time."""
    known = set(RETRY_WORDS).union(*(retry_words(job) for job in jobs))
    for word in words:
        if word not in known and (near := difflib.get_close_matches(word, known, 1)):
            raise UsageProblem(f"--retry {word}: no such failure; did you mean '{near[0]}'?")


def _known_jobs(directory: Path) -> dict[str, Job]:
    check_used(directory)
    if not has_state(directory):
        return {}
    with Reader(directory) as reader:
        return {job.job_id: job for job in reader.jobs()}


def _fetchable(jobs: Iterable[Job], directory: Path, hosts: HostPolicy) -> Iterator[str]:
    """The jobs that are paid, and whose files may be had: deleted ones, and those of a host that is trusted now."""
    for job in jobs:
        match job.state:
            case JobState.DONE if not all(is_whole(directory, artifact) for artifact in job.artifacts):
                yield job.job_id
            case JobState.OUTPUT_LOST if is_refused_by_us(job) and not any(map(hosts.refusal, job.outputs)):
                yield job.job_id


def _chosen(entries: list[PlanEntry], options: Options) -> Iterable[PlanEntry]:
    """The entries that `--only`, `--limit` and `--sample` leave; what is paid already always stays."""
    if options.only is not None:
        pattern = options.only
        if not any(fnmatchcase(entry.job_id, pattern) for entry in entries):
            raise UsageProblem(f"--only {pattern!r}: no job of that name; a * stands for any letters, as in 'mug-*'")
        entries = [e for e in entries if not e.will_submit or fnmatchcase(e.job_id, pattern)]
    new = [entry.job_id for entry in entries if entry.will_submit]
    count = options.limit if options.limit is not None else options.sample
    if count is None or count >= len(new):
        return entries
    # A sample is spread evenly over the manifest, so that every part of a catalogue is seen.
    picks = set(new[:count]) if options.limit is not None else {new[i * len(new) // count] for i in range(count)}
    return [entry for entry in entries if not entry.will_submit or entry.job_id in picks]


async def plan(manifest_path: Path | str, options: Options | None = None, **choices: Any) -> Plan:
    """What `run` would do, why, and the price. Asks the service for prices where it finds a token; sends nothing."""
    options = options or Options(**choices)
    manifest = load(Path(manifest_path), allow_loopback=options.simulate or is_loopback(api_base(options)))
    options = settled(options, manifest.run)
    prices: Mapping[str, Price] = {}
    if options.simulate:
        from runner.simulator import SimulatorSettings

        play = Price(amount=money(SimulatorSettings().price_usd), unit="output")
        prices = dict.fromkeys(models_of(manifest), play)
    else:
        try:
            token = token_for(options)
        except TokenMissing:
            pass
        else:
            async with RunComfy(api_base(options), token) as api:
                cards = await live_cards(api, models_of(manifest))
            prices = {model: card.price for model, card in cards.items()}
            manifest = with_live_rules(manifest, cards, api_base(options))
    return make_plan(manifest, directory_of(manifest, options), options, prices)


# ------------------------------------------------------------------------------------------------------------- cards


def models_of(manifest: Manifest) -> list[str]:
    """The models that the jobs name, each once."""
    return list(dict.fromkeys(spec.model for spec in manifest.jobs))


async def live_cards(api: RunComfy, models: Iterable[str]) -> dict[str, ModelCard]:
    """Each model's card as the service has it now; raises what ends a run before it began."""
    cards = {}
    for model in models:
        try:
            cards[model] = parse_card(model, await api.card(model))
        except ApiError as error:
            raise _unusable(model, error, api.base) from error
    return cards


def _unusable(model: str, error: ApiError, base: str) -> Exception:
    failure = error.failure
    if failure.kind is FailureKind.ACCOUNT:
        return AccountRefused(f"RunComfy refused the account: {failure.message}. Nothing was submitted.")
    if error.is_missing or failure.code in ("wrong_model", "http_400"):
        return ManifestInvalid(f"the service does not know the model {model!r}. Nothing was submitted.")
    if failure.kind is FailureKind.POLICY:
        return ConfigurationInvalid(f"{failure.message}. Nothing was submitted.")
    return ServiceUnavailable(f"{base} cannot be used: {failure.message}. Nothing was submitted; run again later.")


def with_live_rules(manifest: Manifest, cards: Mapping[str, ModelCard], base: str) -> Manifest:
    """The manifest, checked again where it uses models whose schema only the service knows."""
    if all(bundled(model) for model in cards):
        return manifest
    return load(manifest.path, cards=cards, allow_loopback=is_loopback(base))


def pricer(prices: Mapping[str, Price]) -> Callable[[JobSpec], Money | None]:
    """What a job costs, by its model's price."""
    return lambda spec: price_of(prices.get(spec.model, UNKNOWN_PRICE), spec.inputs)
