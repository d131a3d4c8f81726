"""`--shard K/N`: a part of a manifest in a run directory of its own.

Nothing is paid for twice because of it: a job stays in its shard, a run directory is one shard's, and jobs of different
shards that make the very same request are refused, since none of them could have the other's files.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from runner.batch.options import Options
from runner.errors import ManifestInvalid, UsageProblem
from runner.manifest import Manifest
from runner.model import counted
from runner.rules.sharding import Shard, number_of
from runner.store.binding import has_state


def shard_of(options: Options) -> Shard | None:
    """The shard that is wanted, if one is; raises `UsageProblem` for what is none."""
    if options.shard is None:
        return None
    try:
        return Shard.of(options.shard)
    except ValueError:
        raise UsageProblem(f"--shard: expected K/N such as 0/4, K from 0 to N-1, got {options.shard!r}") from None


def in_shard(manifest: Manifest, options: Options) -> Manifest:
    """The manifest with the jobs of the shard alone.

    Raises `ManifestInvalid` where requests that are to be paid once would be paid once in each of several shards.
    """
    shard = shard_of(options)
    if shard is None:
        return manifest
    if options.dedupe and (apart := _apart(manifest, shard.count)):
        first, second = apart[0]
        raise ManifestInvalid(
            f"{manifest.path}: {first!r} and {second!r} make the very same request and are in different shards of "
            f"{shard.count}, so each would be paid for; {counted(len(apart), 'such job')} in all. Nothing was "
            "submitted: --no-dedupe pays for each, or run the manifest without --shard."
        )
    return replace(manifest, jobs=manifest.jobs.only(shard.holds))


def _apart(manifest: Manifest, count: int) -> list[tuple[str, str]]:
    """The jobs whose request is that of an earlier one in another shard, each with that one."""
    leaders: dict[str, str] = {}
    apart = []
    for spec in manifest.jobs if manifest.repeated else ():
        if hash(spec.fingerprint) in manifest.repeated:
            leader = leaders.setdefault(spec.fingerprint, spec.job_id)
            if number_of(leader, count) != number_of(spec.job_id, count):
                apart.append((leader, spec.job_id))
    return apart


def directory_in(place: Path, options: Options) -> Path:
    """The run directory: the place itself, or the shard's in it; the place may also be the shard's own.

    Raises `UsageProblem` where the place was run otherwise: each job would be paid for again.
    """
    shard = shard_of(options)
    if (own := Shard.of_folder(place.resolve().name)) is not None:
        if own == shard:
            inner = place / own.folder  # where an earlier version put it
            return inner if has_state(inner) else place
        raise UsageProblem(
            f"{place} is the run directory of shard {own} alone: --shard {own} goes on with it. Anything else would "
            "pay for the other shards' jobs again; --out DIR of another name begins anew."
        )
    if (was := _count_in(place)) is not None and was != (shard.count if shard else 1):
        how = f"in {was} shards: --shard K/{was} goes on" if was > 1 else "as a whole: it goes on without --shard"
        raise UsageProblem(f"{place} was run {how}. Anything else would pay for its jobs again; --out DIR begins anew.")
    return place / shard.folder if shard is not None else place


def _count_in(place: Path) -> int | None:
    """In how many parts a place was run; `None` where it was not."""
    with suppress(OSError):
        if has_state(place):
            return 1
        for folder in sorted(place.iterdir()):
            if (shard := Shard.of_folder(folder.name)) is not None and has_state(folder):
                return shard.count
    return None
