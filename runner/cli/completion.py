"""`completion`."""

from __future__ import annotations

import click


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a SHELL: `eval "$(runcomfy-batch completion bash)"`."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is not None:
        root = context.find_root().command
        click.echo(found(root, {}, "runcomfy-batch", "_RUNCOMFY_BATCH_COMPLETE").source())
