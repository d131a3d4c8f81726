"""The words of a command that shape the jobs of a run: without them the same manifest is read or sent otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from runner.batch.options import Options


def given(options: Options) -> tuple[str, ...]:
    """Flags and their values as they were typed.

    Not those that choose among the jobs or spend: who goes on with a run decides that anew.
    """
    return tuple(_words(options))


def _words(options: Options) -> Iterator[str]:
    for name in ("prompt", "encoding", "preset", "per", "shard", "base_url"):
        if (value := getattr(options, name)) is not None:
            yield from (f"--{name.replace('_', '-')}", value)
    for flag, pairs in (("--col", options.columns), ("--set", options.values)):
        for field, text in pairs:
            yield from (flag, f"{field}={text}")
    for flag, several in (("--allow-root", options.allow_roots), ("--trust-host", options.trust_hosts)):
        for one in several:
            yield from (flag, str(one))
    if options.shrink_inputs:
        yield "--shrink-inputs"
    if not options.dedupe:
        yield "--no-dedupe"
