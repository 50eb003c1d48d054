"""`labelyard completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> None:
    """Print the completion of commands and options for a shell.

    In ~/.bashrc: eval "$(labelyard completion bash)". In ~/.zshrc the same with zsh. For fish, once:
    labelyard completion fish > ~/.config/fish/completions/labelyard.fish
    """
    found = get_completion_class(shell)
    assert found is not None, f"click knows {shell}"
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "labelyard", "_LABELYARD_COMPLETE").source())
