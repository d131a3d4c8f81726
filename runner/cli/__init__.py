"""The command line: parse, call `runner.batch`, print, map errors to exit codes. No rules live here.

Nothing heavy is imported before a command runs: `--help` must answer at once.
"""

from runner.cli.app import main

__all__ = ["main"]
