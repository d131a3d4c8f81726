"""Run thousands of RunComfy image edits from one manifest: resumable, capped, and never paid twice."""

__version__ = "0.1.0"
