"""From a manifest to a plan: what a run would do, why, and the price. Sends nothing that costs.

A plan is gone through rather than held: of a million entries it keeps the counts, the price and the few that need a
word, and works out the rest anew when somebody asks for them.
"""

from __future__ import annotations

import difflib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, Final

from runner.api.bases import is_loopback
from runner.api.client import RunComfy
from runner.batch.approval import Approved, with_approved
from runner.batch.forecast import Forecast, balance_of, forecast
from runner.batch.inputs import Unfit
from runner.batch.live import UNKNOWN_PRICE, live_cards, play_cards_of, with_live_rules
from runner.batch.loading import load
from runner.batch.options import Options, api_base, hosts_of, settled, token_for, wallet_base
from runner.batch.places import Places
from runner.batch.renaming import refuse_renamed_jobs, refuse_renamed_manifest
from runner.batch.review import Review
from runner.batch.shards import directory_in
from runner.batch.sharing import has_kept
from runner.catalog import ModelCard
from runner.errors import TokenMissing, UsageProblem
from runner.manifest import Manifest, Twins
from runner.media.files import is_there
from runner.media.guard import HostPolicy
from runner.model import LARGEST, Artifact, Job, JobSpec, JobState, Money, Price
from runner.rules.names import asked_for, kept_paths, outputs_at_most, wild
from runner.rules.pacing import MODEST
from runner.rules.planning import (
    OPEN,
    RETRY_WORDS,
    WAITING,
    Change,
    Choices,
    PlanEntry,
    Twin,
    best_twin,
    gone_entry,
    is_refused_by_us,
    plan_entry,
    retry_words,
)
from runner.rules.sampling import Sample
from runner.store.listing import CHUNK, chunks
from runner.store.reader import Reader, check_used, has_state

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
    _weighed: Callable[..., Iterator[tuple[JobSpec | None, PlanEntry, Job | None]]]

    @property
    def entries(self) -> Iterator[PlanEntry]:
        """Every entry, in the manifest's order, worked out anew each time."""
        return (entry for _, entry, _ in self._weighed())

    def weighed(self) -> Iterator[tuple[JobSpec | None, PlanEntry, Job | None]]:
        """Every entry with its spec and with the job that the state knows; `None` for one that either does not name."""
        return self._weighed()

    def with_work(self) -> Iterator[tuple[JobSpec | None, PlanEntry]]:
        """The same without the job, but for what was done when the plan was made."""
        return ((spec, entry) for spec, entry, _ in self._weighed(skips_done=True))

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
    planner = _Planner(manifest, directory, options, prices)
    places = Places(manifest, directory)
    unfit = Unfit(manifest, directory, time.time(), is_simulated=options.simulate)
    counts: Counter[Change] = Counter()
    notable: dict[Change, list[PlanEntry]] = {change: [] for change in Change}
    new = submits = collects = images = kept = total = 0
    is_known, least = True, LARGEST
    for spec, entry, job in planner.weighed():
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
    planner.check_only()
    places.settle(planner.weighed, unfit)
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
        _weighed=planner.weighed,
    )


class _Planner:
    """Goes through the entries of a plan, each time the same way."""

    def __init__(self, manifest: Manifest, directory: Path, options: Options, prices: Mapping[str, Price]) -> None:
        self._manifest = manifest
        self._directory = directory
        self._options = options
        self._prices = prices
        self._hosts = hosts_of(options)
        check_used(directory)
        self._has_state = has_state(directory)
        self._approved = Approved.read(options.approved) if options.approved is not None else None
        self._review = Review.read(options.redo) if options.redo is not None else None
        self._has_match = options.only is None and self._review is None
        self._choices = Choices(
            rerun_changed=options.rerun_changed,
            resubmit_doubts=options.in_doubt == "resubmit",
            retry=frozenset(options.retry),
        )
        self._sample: Sample | None = None
        self._done = bytearray()
        """Which entries were done when they were first weighed: a byte each."""
        self._reworded: Mapping[tuple[str, str], set[str]] = {}
        """What was sent in an entry's place, as reviews wanted it: by the entry's id and fingerprint."""
        self._kept: Mapping[str, list[Artifact]] = {}
        """What made room for others, by job, where pictures are rejected."""
        if self._has_state:
            with Reader(directory) as reader:
                self._reworded = reader.reworded()
                if self._review is not None:
                    self._kept = reader.kept()
                if options.retry:
                    _check_retry_words(options.retry, reader.jobs())
        elif options.retry:
            _check_retry_words(options.retry, ())

    def weighed(self, *, skips_done: bool = False) -> Iterator[tuple[JobSpec | None, PlanEntry, Job | None]]:
        """Every entry with its spec, and with the job that the state knows under its id; jobs that are gone come last.

        Where done ones are skipped, those are meant that were done when a plan was first gone through.
        """
        leaders: dict[str, str] = {}
        asked = self._asked(skips_done=skips_done)
        if not self._has_state:
            yield from (
                (spec, self._entry(spec, None, {}, leaders, is_chosen=chosen), None) for _, spec, chosen in asked
            )
            return
        with Reader(self._directory) as reader:
            seen = sum(self._done) if skips_done else 0
            for chunk in chunks(asked, CHUNK):
                known = reader.named([spec.job_id for _, spec, _ in chunk])
                seen += len(known)
                placed = [
                    (n, self._as_it_is(spec, job := known.get(spec.job_id)), job, chosen) for n, spec, chosen in chunk
                ]
                twins = reader.twins([spec.fingerprint for _, spec, job, _ in placed if self._may_share(spec, job)])
                for position, spec, job, is_chosen in placed:
                    entry = self._entry(spec, job, twins, leaders, is_chosen=is_chosen)
                    if position == len(self._done):
                        self._done.append(entry.change is Change.DONE)
                    yield spec, entry, job
            if seen < sum(reader.counts().values()):
                names = {spec.job_id for spec in self._manifest.jobs}
                yield from ((None, gone_entry(job), job) for job in reader.jobs() if job.job_id not in names)

    def _asked(self, *, skips_done: bool) -> Iterator[tuple[int, JobSpec, bool]]:
        """The manifest's specs, each with its position and whether it is chosen."""
        choose = self._chooser()
        for position, spec in enumerate(self._manifest.jobs):
            is_chosen = choose(spec)
            if not (skips_done and self._has_state and self._done[position]):
                yield position, spec, is_chosen

    def check_only(self) -> None:
        """Raise `UsageProblem` where `--only` or `--redo` was for nobody."""
        if not self._has_match and self._review is not None:
            why = "is of this manifest" if self._review.rejected else "is rejected in it"
            raise UsageProblem(f"--redo {self._review.path}: no job {why}. Nothing was submitted.")
        if not self._has_match:
            hint = "a * stands for any letters, as in 'mug-*', and all but * and ? for itself"
            raise UsageProblem(f"--only {self._options.only!r}: no job of that name; {hint}")

    # --------------------------------------------------------------------------------------------------- one entry

    def _may_share(self, spec: JobSpec, job: Job | None) -> bool:
        """Whether another's request may do: not where the job has been sent itself, and its own is not over.

        One that was rejected may share another one, that nobody has rejected.
        """
        if not self._options.dedupe:
            return False
        is_new = job is None or not job.was_taken or job.spec.fingerprint != spec.fingerprint
        return is_new or (job is not None and (job.state in WAITING or self._is_rejected(job)))

    def _is_rejected(self, job: Job | None) -> bool:
        return self._review is not None and job is not None and self._review.wants_again(job)

    def _entry(
        self,
        spec: JobSpec,
        job: Job | None,
        twins: Mapping[str, list[Twin]],
        leaders: dict[str, str],
        *,
        is_chosen: bool,
    ) -> PlanEntry:
        """One entry; `twins` are the jobs of the state by request, `leaders` those before it that are to be sent."""
        twin = None
        if self._may_share(spec, job):
            known = twins.get(spec.fingerprint)
            others = self._as_they_will_be(known, spec) if known else iter(())
            if job is not None and self._is_rejected(job):
                others = self._newer(others, spec, job)
            twin = best_twin(others)
        is_to_be_had = twin is not None and twin.is_paid and twin.state is not JobState.OUTPUT_LOST
        if self._options.dedupe and not is_to_be_had and (leader := leaders.get(spec.fingerprint)) is not None:
            twin = Twin(job_id=leader)
        price = self._prices.get(spec.model, UNKNOWN_PRICE)
        entry = plan_entry(spec, job, price, self._choices_for(job), twin)
        entry = entry if is_chosen else replace(entry, is_chosen=False)
        if entry.will_submit and not (is_chosen and (self._approved is None or self._approved.is_open_for(job))):
            return replace(entry, will_submit=False, price=None, reason=f"{entry.reason}; not chosen")
        if entry.will_submit and self._approved is not None:
            self._approved.holds(spec)  # as it is to be sent
        if entry.will_submit and (hash(spec.fingerprint) in self._manifest.repeated or self._reworded):
            leaders.setdefault(spec.fingerprint, spec.job_id)
        return entry

    def _newer(self, twins: Iterable[Twin], spec: JobSpec, job: Job) -> Iterator[Twin]:
        """Those whose picture a rejected job may have instead of its own: paid for, to be had, and not rejected itself.

        Of the request that it had already, only a picture for which another job has put aside just the one that this
        one has, since it was rejected there too.
        """
        for twin in twins:
            is_rejected = self._review is not None and self._review.word_on(twin.job_id, twin.request_id) == "rejected"
            is_new = spec.fingerprint != job.spec.fingerprint or has_kept(self._kept, twin.job_id, job)
            if twin.is_paid and twin.state is not JobState.OUTPUT_LOST and is_new and not is_rejected:
                yield twin

    def _as_they_will_be(self, known: Iterable[Twin], spec: JobSpec) -> Iterator[Twin]:
        """The other jobs with the request of an entry, as the manifest of now names them or not.

        Without those whose own entries say something else now, where that may be sent: their pictures make room for
        others, and nobody may count on them.
        """
        may_leave = self._options.rerun_changed or self._review is not None
        for twin in known:
            if twin.job_id == spec.job_id:
                continue
            if twin.is_paid and not may_leave:
                yield twin
                continue
            ids, requests = self._named
            if twin.job_id not in ids or f"{twin.job_id}\n{spec.fingerprint}" in requests or not may_leave:
                yield replace(twin, is_gone=twin.job_id not in ids)

    @cached_property
    def _named(self) -> tuple[Twins, Twins]:
        """The manifest's ids, and its ids with their requests, as hashes."""
        ids, requests = Twins(), Twins()
        for spec in self._manifest.jobs:
            ids.add(spec.job_id)
            for fingerprint in (spec.fingerprint, *self._instead(spec)):
                requests.add(f"{spec.job_id}\n{fingerprint}")
        ids.sort()
        requests.sort()
        return ids, requests

    def _instead(self, spec: JobSpec) -> Collection[str]:
        """The fingerprints of what reviews have had sent in an entry's place."""
        return self._reworded.get((spec.job_id, spec.fingerprint), ())

    def _as_it_is(self, spec: JobSpec, job: Job | None) -> JobSpec:
        """The spec with the prompt that a review has given it since, and with the places of the files that the job has.

        Those only where the manifest would number them anew.
        """
        if job is not None and job.spec.fingerprint in self._instead(spec):
            spec = replace(spec, inputs=job.spec.inputs, fingerprint=job.spec.fingerprint)
        if self._manifest.on_conflict != "suffix" or job is None or not job.artifacts or spec.paths == job.spec.paths:
            return spec
        return replace(spec, paths=kept_paths(spec, job.spec))

    def _chooser(self) -> Callable[[JobSpec], bool]:
        """Whether `--only`, `--limit`, `--sample` and an approved plan leave an entry; asked in the manifest's order.

        By the manifest alone, not by what is done: so the same command again chooses the same jobs.
        """
        options = self._options
        matches = self._matches
        if options.sample is not None and self._sample is None:
            groups = (self._group_of(spec) for spec in self._manifest.jobs if matches(spec))
            self._sample = Sample(options.sample, groups)
        ranks = count()

        def choose(spec: JobSpec) -> bool:
            if not matches(spec):
                return False
            self._has_match = True
            rank = next(ranks)
            if options.limit is not None and rank >= options.limit:
                return False
            return self._sample is None or rank in self._sample

        return choose

    def _matches(self, spec: JobSpec) -> bool:
        if self._options.only is not None and not wild(self._options.only).fullmatch(spec.job_id):
            return False
        if self._review is not None and spec.job_id not in self._review.rejected:
            return False
        return self._approved is None or self._approved.holds(spec, self._instead(spec))

    def _choices_for(self, job: Job | None) -> Choices:
        if job is None:
            return self._choices
        if self._is_rejected(job):
            return replace(self._choices, redo=frozenset({job.job_id}))
        if not _is_fetchable(job, self._directory, self._hosts):
            return self._choices
        return replace(self._choices, fetchable=frozenset({job.job_id}))

    def _group_of(self, spec: JobSpec) -> str:
        """What a sample is spread over: sources, models and the combinations of a matrix."""
        return f"{spec.source.rpartition(':')[0]}|{spec.model}|{spec.variant}"


def _is_fetchable(job: Job, directory: Path, hosts: HostPolicy) -> bool:
    """Whether a paid job's files may be had and are not here: deleted ones, and those of a host trusted now.

    One that was changed is here: perhaps a person has retouched it. `verify` tells of it.
    """
    match job.state:
        case JobState.DONE:
            return not all(is_there(directory, artifact) for artifact in job.artifacts)
        case JobState.OUTPUT_LOST:
            return is_refused_by_us(job) and not any(map(hosts.refusal, job.outputs))
        case _:
            return False


def _check_retry_words(words: Iterable[str], jobs: Iterable[Job]) -> None:
    """A word that is almost one that is known was mistyped; another may be a failure that did not happen this time."""
    known = set(RETRY_WORDS).union(*(retry_words(job) for job in jobs))
    for word in words:
        if word not in known and (near := difflib.get_close_matches(word, known, 1)):
            raise UsageProblem(f"--retry {word}: no such failure; did you mean '{near[0]}'?")


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
    return replace(made, forecast=forecast(made.directory, made.submits, options.concurrency or MODEST, balance))
