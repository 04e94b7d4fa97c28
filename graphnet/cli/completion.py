"""``graphnet completion``."""

from __future__ import annotations

import os
from pathlib import PurePath

import click

from graphnet.cli.completing.scripts import SHELLS, script


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the script that lets a shell complete the command graphnet.

    \b
    bash, in ~/.bashrc:               eval "$(graphnet completion bash)"
    zsh, in ~/.zshrc after compinit:  eval "$(graphnet completion zsh)"
    fish, once:   graphnet completion fish > ~/.config/fish/completions/graphnet.fish

    Without SHELL, the script is for the shell that the variable SHELL names.
    """
    own = PurePath(os.environ.get("SHELL", "")).name
    if shell is None and own not in SHELLS:
        raise click.UsageError(f"Missing argument 'SHELL': {', '.join(SHELLS)}.")
    click.echo(script(shell or own), nl=False)
