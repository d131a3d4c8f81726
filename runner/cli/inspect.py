"""`status`, `report` and `verify`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.common import AS_JSON, RUN_DIR, TRUST_HOST, options_of, print_json, run_async, stoppable
from runner.errors import ExitCode


@click.command(short_help="How a run directory stands, also while it runs.")
@click.argument("run_dir", type=click.Path(path_type=Path), default=Path())
@AS_JSON
@click.option("--watch", is_flag=True, help="Show it again and again until the run has ended.")
def status(run_dir: Path, *, as_json: bool, watch: bool) -> None:
    """Show how RUN_DIR stands, also while another process runs it.

    --watch redraws on a terminal; elsewhere it prints a line a minute, with --json an object a line.
    """
    from runner.cli import watching

    if watch:
        watching.watch(run_dir, as_json=as_json)
    else:
        watching.show(run_dir, as_json=as_json)


@click.command(short_help="Write the four reports again.")
@RUN_DIR
@click.option("--compare", type=click.Path(path_type=Path), metavar="DIR", help="An earlier run's directory.")
def report(run_dir: Path, compare: Path | None) -> None:
    """Write RUN_DIR's reports again: results.jsonl, results.csv, summary.json, report.html.

    With --compare the page shows what has become another since an earlier run: mended, broken, removed.
    """
    from runner.batch import report as write_report

    write_report(run_dir, compare)
    click.echo(run_dir / "report.html")


@click.command(short_help="Compare the files with their recorded hashes.")
@RUN_DIR
@click.option("--repair", is_flag=True, help="Fetch what differs, is missing or not fetched yet, free.")
@TRUST_HOST
@AS_JSON
def verify(run_dir: Path, *, repair: bool, trust_hosts: tuple[str, ...], as_json: bool) -> int:
    """See that every file that was paid for is in RUN_DIR, and is what was recorded when it came."""
    from dataclasses import asdict

    from runner.batch import Control
    from runner.batch import repair as fetch_again
    from runner.batch import verify as verify_files
    from runner.batch.state import NOT_FETCHED
    from runner.model import counted

    control = Control(note=lambda message: click.echo(message, err=True))
    broken = verify_files(run_dir)
    if broken and repair:
        run_async(stoppable(control, fetch_again(run_dir, options_of(trust_hosts=trust_hosts), broken, control)))
        broken = verify_files(run_dir)
    if as_json:
        print_json({job_id: [asdict(failure) for failure in failures] for job_id, failures in broken.items()})
    else:
        for job_id, failures in broken.items():
            for failure in failures:
                click.echo(f"{job_id}: {failure.message}")
        late = sum(all(failure.code == NOT_FETCHED for failure in failures) for failures in broken.values())
        if late:
            how = "verify --repair and the same run command collect what is paid for"
            click.echo(f"{counted(late, 'job')} not fetched yet: {how}")
        if len(broken) > late:
            click.echo(f"{counted(len(broken) - late, 'job')} with files that differ or are missing")
        if not broken:
            click.echo("every file is as it was recorded")
    if control.is_stopped:
        return int(control.exit_code)
    return int(ExitCode.SOME_FAILED if broken else ExitCode.DONE)
