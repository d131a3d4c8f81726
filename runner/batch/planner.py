"""From a manifest to a plan: what a run would do, why, and the price. Sends nothing that costs.

A plan is gone through rather than held: of a million entries it keeps the counts, the price and the few that need a
word, and works out the rest anew when somebody asks for them.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from runner.api.bases import is_loopback
from runner.api.client import RunComfy
from runner.batch.approval import with_approved
from runner.batch.forecast import Forecast, balance_of, forecast
from runner.batch.inputs import Unfit
from runner.batch.live import UNKNOWN_PRICE, live_cards, play_cards_of, with_live_rules
from runner.batch.loading import load
from runner.batch.options import Options, api_base, settled, token_for, wallet_base
from runner.batch.places import Places
from runner.batch.renaming import refuse_renamed_jobs, refuse_renamed_manifest
from runner.batch.shards import directory_in
from runner.batch.weighing import Weigher
from runner.catalog import ModelCard
from runner.errors import TokenMissing
from runner.manifest import Manifest
from runner.model import LARGEST, Job, JobSpec, Money, Price
from runner.rules.names import asked_for, outputs_at_most
from runner.rules.pacing import MODEST
from runner.rules.planning import OPEN, Change, PlanEntry

MOST_NOTABLE: Final = 50
"""Entries of each kind that a plan keeps for whoever shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do with each job."""

    manifest: Manifest
    directory: Path
    counts: Mapping[Change, int]
    """How many entries there are of each kind, in a plan's order."""
    submits: int
    """How many paid POSTs are to be made."""
    price: Money | None
    """What they cost together; `None` where one of them has no known price."""
    least: Money | None
    """What the cheapest of them costs, 0 where one has no known price; `None` where there are none."""
    images: int
    """How many outputs they ask for."""
    collects: int
    """How many requests are paid for and open, whatever became of their entries: every run collects them."""
    kept: int
    """How many entries have changed and stay as they were sent, since nobody said to pay for them as they are now."""
    notable: tuple[PlanEntry, ...]
    """The first entries of each kind that needs a word."""
    prices: Mapping[str, Price]
    """Each model's price, as its live card says; empty where nobody was asked."""
    is_simulated: bool
    forecast: Forecast | None = None
    """What it will take, where somebody wants to know."""
    _weigher: Weigher

    @property
    def entries(self) -> Iterator[PlanEntry]:
        """Every entry, in the manifest's order, worked out anew each time."""
        return (entry for _, entry, _ in self.weighed())

    def weighed(self) -> Iterator[tuple[JobSpec | None, PlanEntry, Job | None]]:
        """Every entry with its spec and with the job that the state knows; `None` for one that either does not name."""
        return self._weigher.weighed()

    def new_ids(self) -> Iterator[str]:
        """Jobs that are new, and sent as the manifest has them: nothing else is to be known of them."""
        return self._weigher.new_ids()

    def with_work(self) -> Iterator[tuple[JobSpec | None, PlanEntry]]:
        """The other entries with their specs, but for what was done when the plan was made."""
        return ((spec, entry) for spec, entry, _ in self._weigher.weighed(skips_settled=True))

    @property
    def to_submit(self) -> tuple[PlanEntry, ...]:
        """The entries that a paid POST is to be made for."""
        return tuple(entry for entry in self.entries if entry.will_submit)

    @property
    def has_work(self) -> bool:
        """Whether a run would do anything."""
        return bool(self.submits or self.collects or self.counts.get(Change.RESUME) or self.counts.get(Change.SHARED))


def directory_of(manifest: Manifest, options: Options) -> Path:
    """The run directory; raises `UsageProblem` where it was run in other shards, or only has another name by now."""
    place = Path(options.out) if options.out is not None else Path("runs") / manifest.name
    if options.out is None:
        refuse_renamed_manifest(manifest.path, place)
    return directory_in(place, options)


def make_plan(manifest: Manifest, directory: Path, options: Options, prices: Mapping[str, Price]) -> Plan:
    """Weigh the manifest against the state, if there is one. Reads files only.

    Raises `ManifestInvalid` for a job to be sent that is certain to be paid for nothing, or to cost somebody a file.
    """
    refuse_renamed_jobs(manifest, directory)
    weigher = Weigher(manifest, directory, options, prices)
    places = Places(manifest, directory)
    unfit = Unfit(manifest, directory, time.time(), is_simulated=options.simulate)
    counts: Counter[Change] = Counter()
    notable: dict[Change, list[PlanEntry]] = {change: [] for change in Change}
    new = submits = collects = images = kept = total = 0
    is_known, least = True, LARGEST
    for spec, entry, job in weigher.weighed():
        if spec is not None and (entry.will_submit or entry.change is Change.SHARED):
            places.look(spec, job)
        if entry.change is Change.NEW:
            new += 1
        else:
            counts[entry.change] += 1
            if entry.change is not Change.DONE and len(notable[entry.change]) < MOST_NOTABLE:
                notable[entry.change].append(entry)
        collects += job is not None and job.state in OPEN
        kept += entry.change is Change.CHANGED and not entry.will_submit
        if entry.will_submit and spec is not None:
            submits += 1
            unfit.look(spec)
            images += outputs_at_most(spec.inputs, prices.get(spec.model, UNKNOWN_PRICE).counts) or asked_for(spec)
            is_known &= entry.price is not None
            total += entry.price or 0
            least = min(least, entry.price or Money(0))
    counts[Change.NEW] = new
    weigher.check_only()
    places.settle(weigher.weighed, unfit)
    unfit.refuse()
    return Plan(
        manifest=manifest,
        directory=directory,
        counts={change: counts[change] for change in Change if counts[change]},
        submits=submits,
        price=Money(total) if is_known else None,
        least=least if submits else None,
        images=images,
        collects=collects,
        kept=kept,
        notable=tuple(entry for entries in notable.values() for entry in entries),
        prices=prices,
        is_simulated=options.simulate,
        _weigher=weigher,
    )


async def plan(manifest_path: Path | str, options: Options | None = None, **choices: Any) -> Plan:
    """What `run` would do, why, and the price. Asks the service for prices where it finds a token; sends nothing."""
    path, options = with_approved(Path(manifest_path), options or Options(**choices))
    manifest = load(path, options, allow_loopback=options.simulate or is_loopback(api_base(options)))
    options = settled(options, manifest.run)
    cards: Mapping[str, ModelCard] = {}
    balance: Money | None = None
    if options.simulate:
        cards = play_cards_of(manifest.models)
    else:
        try:
            token = token_for(options)
        except TokenMissing:
            pass
        else:
            async with RunComfy(api_base(options), token, wallet=wallet_base()) as api:
                cards = await live_cards(api, manifest.models)
                balance = await balance_of(api)
    manifest = with_live_rules(manifest, cards, options)
    prices = {model: card.price for model, card in cards.items()}
    made = make_plan(manifest, directory_of(manifest, options), options, prices)
    concurrency = options.concurrency or MODEST
    return replace(made, forecast=forecast(made.directory, made.submits, concurrency, balance, options.max_cost))
