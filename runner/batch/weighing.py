"""How each entry of a plan is weighed: the manifest's word against what the state knows, always the same way."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import IntEnum
from functools import cached_property
from itertools import count
from pathlib import Path

from runner.batch.approval import Approved
from runner.batch.live import UNKNOWN_PRICE
from runner.batch.options import Options, hosts_of
from runner.batch.review import Review
from runner.batch.sharing import has_kept
from runner.errors import UsageProblem
from runner.manifest import Manifest, Twins
from runner.media.files import is_there
from runner.media.guard import HostPolicy
from runner.media.photos import Spoilt, payload_of
from runner.model import Artifact, AttemptState, Job, JobSpec, JobState, Price
from runner.rules.names import kept_paths, wild
from runner.rules.planning import (
    ENDED_BADLY,
    RETRY_WORDS,
    WAITING,
    Change,
    Choices,
    PlanEntry,
    Twin,
    best_twin,
    failed_with_another,
    gone_entry,
    is_refused_by_us,
    plan_entry,
    retry_words,
)
from runner.rules.sampling import Sample
from runner.store.binding import check_used, has_state
from runner.store.listing import CHUNK, chunks
from runner.store.reader import Reader


class _Was(IntEnum):
    """What an entry was when it was first weighed, as far as nobody has to weigh it again."""

    OPEN = 0
    DONE = 1
    NEW = 2
    """To be sent as it is, and nobody else asks for the same."""


class Weigher:
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
        self._was = bytearray()
        """What each entry was when it was first weighed: a byte each."""
        self._settled = 0
        """How many jobs of the state need not be weighed again."""
        self._reworded: Mapping[tuple[str, str], set[str]] = {}
        """What was sent in an entry's place, as reviews wanted it: by the entry's id and fingerprint."""
        self._kept: Mapping[str, list[Artifact]] = {}
        """What made room for others, by job, where pictures are rejected."""
        self._given_up: Mapping[str, Sequence[str]] = {}
        """Payloads whose POSTs were given up while in doubt, each with its jobs."""
        if self._has_state:
            with Reader(directory) as reader:
                self._reworded = reader.reworded()
                self._given_up = reader.given_up()
                if self._review is not None:
                    self._kept = reader.kept()
                if options.retry:
                    _check_retry_words(options.retry, reader.jobs())
        elif options.retry:
            _check_retry_words(options.retry, ())

    def new_ids(self) -> Iterator[str]:
        """The entries that were new, and need not be weighed again."""
        return (spec.job_id for spec, was in zip(self._manifest.jobs, self._was, strict=True) if was == _Was.NEW)

    def weighed(self, *, skips_settled: bool = False) -> Iterator[tuple[JobSpec | None, PlanEntry, Job | None]]:
        """Every entry with its spec, and with the job that the state knows under its id; jobs that are gone come last.

        Once all were gone through, those may be skipped of which nothing is to be known any more.
        """
        leaders: dict[str, str] = {}
        asked = self._asked(skips_settled=skips_settled)
        if not self._has_state:
            for position, spec, is_chosen in asked:
                entry = self._entry(spec, None, {}, leaders, is_chosen=is_chosen)
                self._remember(position, spec, None, entry)
                yield spec, entry, None
            return
        with Reader(self._directory) as reader:
            seen = self._settled if skips_settled else 0
            for chunk in chunks(asked, CHUNK):
                known = reader.named([spec.job_id for _, spec, _ in chunk])
                seen += len(known)
                placed = [
                    (n, self._as_it_is(spec, job := known.get(spec.job_id)), job, chosen) for n, spec, chosen in chunk
                ]
                twins = reader.twins([spec.fingerprint for _, spec, job, _ in placed if self._has_twins(spec, job)])
                for position, spec, job, is_chosen in placed:
                    entry = self._entry(spec, job, twins, leaders, is_chosen=is_chosen)
                    self._remember(position, spec, job, entry)
                    yield spec, entry, job
            if seen < sum(reader.counts().values()):
                names = {spec.job_id for spec in self._manifest.jobs}
                yield from ((None, gone_entry(job), job) for job in reader.jobs() if job.job_id not in names)

    def _remember(self, position: int, spec: JobSpec, job: Job | None, entry: PlanEntry) -> None:
        """Note what needs not be weighed again."""
        if position < len(self._was):
            return
        was = _Was.OPEN
        if entry.change is Change.NEW and entry.will_submit and self._approved is None and not self._may_lead(spec):
            was = _Was.NEW
        elif entry.change is Change.DONE:
            was = _Was.DONE
        self._was.append(was)
        if job is not None and was is not _Was.OPEN:
            self._settled += 1

    def _may_lead(self, spec: JobSpec) -> bool:
        """Whether another entry may ask for the same."""
        return hash(spec.fingerprint) in self._manifest.repeated or bool(self._reworded)

    def _asked(self, *, skips_settled: bool) -> Iterator[tuple[int, JobSpec, bool]]:
        """The manifest's specs, each with its position and whether it is chosen."""
        choose = self._chooser()
        for position, spec in enumerate(self._manifest.jobs):
            is_chosen = choose(spec)
            if not (skips_settled and self._was[position]):
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
        if job is None or _is_new(spec, job):
            return True
        return job.state in (*WAITING, *ENDED_BADLY) or self._is_rejected(job)

    def _has_twins(self, spec: JobSpec, job: Job | None) -> bool:
        """Whether it matters who else has had the request."""
        return self._may_share(spec, job) or self._is_sent_anew(spec, job)

    def _is_sent_anew(self, spec: JobSpec, job: Job | None) -> bool:
        """Whether an entry says something else than its job was sent with, and is to be paid for again."""
        return self._options.rerun_changed and job is not None and job.spec.fingerprint != spec.fingerprint

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
            if known := twins.get(spec.fingerprint):
                twin = best_twin(self._to_share_with(known, spec, job)) or self._who_waits(known, job)
            if self._given_up and not self._is_rejected(job) and not (twin and (twin.is_paid or twin.is_written_off)):
                twin = self._given_up_twin(spec, job) or twin
        is_to_be_had = twin is not None and twin.is_paid and twin.state is not JobState.OUTPUT_LOST
        if self._options.dedupe and not is_to_be_had and (leader := leaders.get(spec.fingerprint)) is not None:
            twin = Twin(job_id=leader)
        price = self._prices.get(spec.model, UNKNOWN_PRICE)
        entry = plan_entry(spec, job, price, self._choices_for(job), twin)
        entry = entry if is_chosen else replace(entry, is_chosen=False)
        if entry.will_submit and twin is None and self._is_sent_anew(spec, job):
            others = (
                one.job_id for one in twins.get(spec.fingerprint, ()) if one.is_paid and one.job_id != spec.job_id
            )
            if (other := next(others, None)) is not None:
                entry = replace(entry, reason=f"{entry.reason}, though {other!r} has had this very request")
        if entry.will_submit and not (is_chosen and (self._approved is None or self._approved.is_open_for(job))):
            return replace(entry, will_submit=False, price=None, reason=f"{entry.reason}; not chosen")
        if entry.will_submit and self._approved is not None:
            self._approved.holds(spec)  # as it is to be sent
        if entry.will_submit and self._may_lead(spec):
            leaders.setdefault(spec.fingerprint, spec.job_id)
        return entry

    def _to_share_with(self, known: Iterable[Twin], spec: JobSpec, job: Job | None) -> Iterator[Twin]:
        """Of the jobs with the request of an entry, those that may serve it."""
        others = self._as_they_will_be(known, spec)
        if job is not None and self._is_rejected(job):
            return self._newer(others, spec, job)
        if job is not None and not _is_new(spec, job) and job.state not in WAITING:
            return (twin for twin in others if twin.is_paid or twin.is_written_off)  # the rest failed as it did
        return others

    def _who_waits(self, known: Iterable[Twin], job: Job | None) -> Twin | None:
        """Whom a job that failed with another may wait for, where it is not asked for: one that is to be sent."""
        if job is None or not failed_with_another(job) or retry_words(job) & self._choices.retry:
            return None
        waiting = (twin for twin in known if twin.state in WAITING and not twin.is_gone and twin.job_id != job.job_id)
        return next((Twin(job_id=twin.job_id) for twin in waiting), None)

    def _given_up_twin(self, spec: JobSpec, job: Job | None) -> Twin | None:
        """Another job whose POST of the very same may be paid, though its entry says something else by now."""
        try:
            payload = payload_of(spec)
        except Spoilt:  # then it is not sent either
            return None
        digest = hashlib.sha256(payload).hexdigest()
        owners = self._given_up.get(digest, ())
        owner = next((job_id for job_id in owners if job_id != spec.job_id), None)
        if owner is None and owners and job is not None and not job.is_written_off:  # it asked for something else since
            last = next(one for one in reversed(job.attempts) if one.payload_sha256 == digest and one.may_be_paid)
            owner = spec.job_id if last.state is AttemptState.WRITTEN_OFF else None
        if owner is None:
            return None
        return Twin(job_id=owner, state=JobState.FAILED, is_gone=True, is_written_off=True)

    def _newer(self, twins: Iterable[Twin], spec: JobSpec, job: Job) -> Iterator[Twin]:
        """Those whose picture a rejected job may have instead of its own: paid for, to be had, and not rejected itself.

        Of the request that it had already, only a picture for which another job has put aside just the one that this
        one has, since it was rejected there too.
        """
        for twin in twins:
            is_rejected = self._review is not None and self._review.word_on(twin.job_id, twin.request_id) == "rejected"
            has_another = twin.request_id != job.request_id and has_kept(self._kept, twin.job_id, job)
            is_new = spec.fingerprint != job.spec.fingerprint or has_another
            if twin.is_paid and twin.state is not JobState.OUTPUT_LOST and is_new and not is_rejected:
                yield twin

    def _as_they_will_be(self, known: Iterable[Twin], spec: JobSpec) -> Iterator[Twin]:
        """The other jobs with the request of an entry, as the manifest of now names them or not.

        Without those whose own entries say something else now, where that may be sent: their pictures make room for
        others, and nobody may count on them.
        """
        may_leave = self._options.rerun_changed or self._review is not None
        for twin in known:
            if twin.job_id == spec.job_id or twin.is_unsent:
                continue
            if twin.is_paid and not (may_leave and twin.state in (JobState.DONE, JobState.OUTPUT_LOST)):
                yield twin  # one that is open does not leave in this run
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


def _is_new(spec: JobSpec, job: Job | None) -> bool:
    """Whether the entry's request was never sent under its id."""
    return job is None or not job.was_taken or job.spec.fingerprint != spec.fingerprint


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
