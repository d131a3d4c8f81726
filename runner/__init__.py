"""Run thousands of RunComfy image edits from one manifest: resumable, capped, and never paid twice.

The Python API is `run`, `stream`, `plan` and `status`; see `runner.batch`. It is imported when first used.
"""

from typing import Any

from runner.__about__ import __version__

__all__ = ["Options", "Outcome", "Plan", "Status", "__version__", "plan", "run", "status", "stream"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from runner import batch

        return getattr(batch, name)
    raise AttributeError(f"module 'runner' has no attribute {name!r}")
