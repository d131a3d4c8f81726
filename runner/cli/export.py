"""`export`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runner.cli.common import RUN_DIR

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Hand over: the sheet back, imports for shops, approved pictures.")
@RUN_DIR
@click.option("--sheet", type=FILE, metavar="FILE", help="Your own sheet, with what became of each row.")
@click.option("--shopify", type=FILE, metavar="FILE", help="A Shopify import of the pictures.")
@click.option("--woocommerce", type=FILE, metavar="FILE", help="A WooCommerce import of the pictures.")
@click.option("--public-base-url", metavar="URL", help="Where the files of images/ will be to be had.")
@click.option("--rerun", type=FILE, metavar="FILE", help="A JSONL manifest of what is not done, or was rejected.")
@click.option("--junit", type=FILE, metavar="FILE", help="A test case a job, for CI.")
@click.option("--copy-to", type=click.Path(path_type=Path), metavar="DIR", help="Copy the pictures there.")
@click.option(
    "--review", type=click.Choice(["approved", "rejected", "unreviewed"]), help="Only pictures of which you said so."
)
@click.option("--review-file", type=FILE, metavar="FILE", help="The review you saved [RUN_DIR/review.json].")
@click.option("--encoding", metavar="NAME", help="What the sheet is written in, as cp932.")
def export(run_dir: Path, **wishes: Any) -> None:
    """Hand over what RUN_DIR holds. Sends nothing, and changes nothing in it.

    \b
      --sheet spring-done.csv                       your columns, and rb_status, rb_files, …
      --review approved --copy-to handover/         the pictures that you approved
      --shopify import.csv --public-base-url https://cdn.shop.example/spring
    """
    from runner.batch import Wishes
    from runner.batch import export as hand_over

    for line in hand_over(run_dir, Wishes(**wishes)):
        click.echo(line)
