"""Downloads: from a URL to a whole file. One coroutine from a `FetchSpec` to an outcome *value*.

A file under its final name is complete: it was streamed to a part file that nobody else can name, counted, decoded,
hashed, synced, and only then renamed. A download never costs a second payment, so everything here may be repeated.
"""

from runner.media.download import Downloader
from runner.media.files import (
    check_writable,
    copy_of,
    is_there,
    is_whole,
    put_aside,
    sweep_parts,
    sync_folder,
    verify,
    whole_ones,
)
from runner.media.guard import HostPolicy
from runner.media.photos import Photos, Spoilt, payload_of
from runner.media.values import Fetched, FetchFailed, FetchOutcome, FetchSpec, SecretUrl

__all__ = [
    "Downloader",
    "FetchFailed",
    "FetchOutcome",
    "FetchSpec",
    "Fetched",
    "HostPolicy",
    "Photos",
    "SecretUrl",
    "Spoilt",
    "check_writable",
    "copy_of",
    "is_there",
    "is_whole",
    "payload_of",
    "put_aside",
    "sweep_parts",
    "sync_folder",
    "verify",
    "whole_ones",
]
