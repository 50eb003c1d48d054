"""The command line: one click command per module, imported only when it is used."""

from __future__ import annotations

import difflib
import importlib
import logging
import sys
from collections.abc import Mapping

import click

from labelyard.errors import LabelyardError

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Set up": {
        "init": "labelyard.cli.init:init",
        "schema": "labelyard.cli.dataset:schema",
        "validate": "labelyard.cli.dataset:validate",
        "db": "labelyard.cli.db:db",
        "apply": "labelyard.cli.dataset:apply",
        "notifications": "labelyard.cli.notifications:notifications",
        "deploy": "labelyard.cli.deploy:deploy",
    },
    "Run": {
        "up": "labelyard.cli.up:up",
        "watch": "labelyard.cli.watch:watch",
        "backfill": "labelyard.cli.backfill:backfill",
        "close": "labelyard.cli.batches:close",
        "pause": "labelyard.cli.manual:pause",
        "resume": "labelyard.cli.manual:resume",
        "retire": "labelyard.cli.manual:retire",
    },
    "Look": {
        "status": "labelyard.cli.status:status",
        "why": "labelyard.cli.why:why",
        "doctor": "labelyard.cli.doctor:doctor",
        "message": "labelyard.cli.message:message",
    },
    "Fix": {
        "retry": "labelyard.cli.batches:retry",
        "quarantine": "labelyard.cli.manual:quarantine",
        "restore": "labelyard.cli.manual:restore",
        "cancel": "labelyard.cli.manual:cancel",
        "archive": "labelyard.cli.manual:archive",
        "dead-letters": "labelyard.cli.dead_letters:dead_letters",
        "repair": "labelyard.cli.repair:repair",
        "adopt": "labelyard.cli.repair:adopt",
        "rebuild": "labelyard.cli.repair:rebuild",
    },
    "CVAT": {
        "cvat": "labelyard.cli.cvat:cvat",
    },
    "For development": {
        "demo": "labelyard.cli.demo:demo",
        "bots": "labelyard.cli.bots:bots",
    },
}
"""Heading of the help page -> command -> where its click command is defined."""

COMMANDS = {name: path for commands in GROUPS.values() for name, path in commands.items()}
"""Command -> where its click command is defined."""


class _Group(click.Group):
    """A group that imports a command only when it is used, and lists the commands under headings.

    `labelyard --help` must not import Prefect, so the page shows the first line of each command's docstring from the
    module that defines it, which imports Prefect only inside its function.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or fail with the name that was probably meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            similar = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
            hint = f" Did you mean {similar[0]!r}?" if similar else " See: labelyard --help"
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per heading; every first sentence is shown whole."""
        for heading, commands in GROUPS.items():
            rows = [(name, _summary(self.get_command(ctx, name))) for name in commands]
            with formatter.section(heading):
                formatter.write_dl(rows, col_max=16)


def _summary(command: click.Command | None) -> str:
    return command.get_short_help_str(limit=1000) if command is not None else ""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="labelyard")
def labelyard() -> None:
    """Turn new images in a bucket into assigned CVAT tasks, and finished tasks into a COCO dataset."""


def main() -> None:
    """Run the command line. A LabelyardError ends it with status 1 and its text on standard error."""
    # stamina logs every retry; what fails in the end is reported anyway.
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    try:
        labelyard()
    except LabelyardError as error:
        click.secho(f"labelyard: {error}", fg="red", err=True)
        sys.exit(1)
