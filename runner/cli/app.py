"""The root command, and the one place where an error becomes an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

import click
from click.core import ParameterSource

from runner.__about__ import __version__
from runner.cli.check import check, schema
from runner.cli.completion import completion
from runner.cli.export import export
from runner.cli.init import init
from runner.cli.inspect import report, status, verify
from runner.cli.mend import cancel, doubts
from runner.cli.models import models
from runner.cli.plan import plan
from runner.cli.run import demo, run
from runner.cli.serve import serve
from runner.cli.simulate import simulate
from runner.errors import BatchError, ExitCode

EPILOG = """
\b
EXIT CODES
  0 every job done             1 some jobs failed, were rejected, in doubt or lost
  2 plan: something to do      3 stopped at a limit you set (cost, time)
  64 usage, or no consent to spend      65 manifest invalid, nothing submitted
  66 missing input             69 service unavailable      70 a bug in this program
  73 cannot create, or locked  74 disk trouble             75 stopped early, run again
  77 token or balance          78 configuration            130/143 interrupted, saved

\b
ENVIRONMENT
  RUNCOMFY_TOKEN               the token (then RUNCOMFY_API_TOKEN, YOUR_API_TOKEN,
                               then the runcomfy command line's token.json)
  RUNCOMFY_MODEL_API_BASE      another API base, with /v1
  RUNCOMFY_BATCH_<COMMAND>_<FLAG>  any flag, as RUNCOMFY_BATCH_RUN_CONCURRENCY=4
                               (plan and check take those of run that say what is run)
  NO_COLOR                     no colours
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, epilog=EPILOG)
@click.version_option(__version__, "--version", prog_name="runcomfy-batch")
def app() -> None:
    """Run thousands of RunComfy image edits from one manifest: resumable, capped, and never paid twice.

    \b
      runcomfy-batch demo                      see it work: no token, no network
      runcomfy-batch init                      write a manifest to start from
      runcomfy-batch plan products.csv         what it would do, and the price
      runcomfy-batch run products.csv          run it; the same command again goes on
    """


OF_RUN = {option.name for option in run.params} - {"as_json"}
"""Options of `run`, some of which others have too; not how its last words are printed."""


def _variable(*words: str) -> str:
    return f"RUNCOMFY_BATCH_{'_'.join(words)}".upper().replace("-", "_")


def _name_variables(command: click.Command, *words: str) -> None:
    """Give each option its environment variable, by the names of its commands and its own.

    What `run` would do is what `plan` and `check` look at: they take its variables too, where they have none of theirs.
    """
    for option in command.params:
        if flags := [flag for flag in option.opts if flag.startswith("--")]:
            flag = flags[0].removeprefix("--")
            option.envvar = _variable(*words, flag)
            if command in (plan, check) and option.name in OF_RUN:
                option.envvar = [option.envvar, _variable("run", flag)]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _name_variables(inner, *words, name)


for command in (
    run, plan, check, status, serve, report, export, doubts, cancel, verify, models, simulate, demo, init, schema,
    completion,
):  # fmt: skip
    app.add_command(command)
    _name_variables(command, command.name or "")


def main() -> None:
    """Run the command line and exit with its code."""
    _open_missing_streams()
    sys.exit(_run())


def _open_missing_streams() -> None:
    """Give a process started with closed streams the null device in their place.

    A free descriptor 1 would otherwise be handed to the next file that is opened, and a stray print would land in it.
    """
    for name, mode, number in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def _run() -> int:
    try:
        code = app.main(prog_name="runcomfy-batch", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.UsageError as error:
        error.show()
        if isinstance(error, click.BadParameter) and (variable := _variable_of(error)):
            _say(f"It comes from the environment: {variable}")
        return ExitCode.USAGE
    except click.ClickException as error:
        error.show()
        return ExitCode.INPUT_MISSING if isinstance(error, click.FileError) else ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return ExitCode.INTERRUPTED
    except BatchError as error:
        _say(error.message)
        return error.exit_code
    except OSError as error:
        _silence_stdout()
        if isinstance(error, BrokenPipeError):  # somebody closed our stdout, `| head`: nothing is wrong
            return ExitCode.DONE
        _say(f"{error.filename or 'stdout'}: {error.strerror or error}")
        return ExitCode.IO_ERROR
    except Exception:  # noqa: BLE001 the last net: what nobody foresaw has an exit code too
        _say(f"{traceback.format_exc()}\nThis is a bug in runcomfy-batch {__version__}. Nothing paid is lost.")
        return ExitCode.BUG
    return code if isinstance(code, int) else ExitCode.DONE


def _variable_of(error: click.BadParameter) -> str | None:
    """The environment variable that a bad value came from."""
    if error.ctx is None or error.param is None or error.param.name is None:
        return None
    is_theirs = error.ctx.get_parameter_source(error.param.name) is ParameterSource.ENVIRONMENT
    names = [error.param.envvar] if isinstance(error.param.envvar, str) else error.param.envvar or ()
    return next((name for name in names if os.environ.get(name)), None) if is_theirs else None


def _silence_stdout() -> None:
    """Nothing that is still buffered is tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens; the exit code still tells
        click.echo(message, err=True)
