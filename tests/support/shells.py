"""What an example needs to be done as a person or a scheduler does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support.processes import COMMAND, environment

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def installed(folder, **more):
    """An environment whose PATH has `runcomfy-batch`, the one under test, as after an installation."""
    script = folder / "bin" / "runcomfy-batch"
    script.parent.mkdir(exist_ok=True)
    script.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    script.chmod(0o755)
    return environment(PATH=f"{script.parent}:{Path(sys.executable).parent}:/usr/bin:/bin", **more)


def shell(line, cwd, env, program="bash"):
    """Run a line as a person types it."""
    words = [program, "-c", line]
    quiet = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
    return subprocess.run(words, cwd=cwd, env=env, timeout=100, check=False, **quiet)


def options_of(line):
    """The subcommand and the options of a command line."""
    words = line[line.index("runcomfy-batch") :].split()
    return words[1], [word for word in words if word.startswith("--")]
