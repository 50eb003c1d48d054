"""The command line: one module a command, imported only when that command is asked for."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from labelyard.errors import LabelyardError

COMMANDS = {
    "demo": "labelyard.cli.demo:demo",
    "up": "labelyard.cli.up:up",
    "doctor": "labelyard.cli.doctor:doctor",
    "watch": "labelyard.cli.watch:watch",
    "message": "labelyard.cli.message:message",
    "notify": "labelyard.cli.notify:notify",
    "dead": "labelyard.cli.dead:dead",
    "backfill": "labelyard.cli.backfill:backfill",
    "init": "labelyard.cli.init:init",
    "schema": "labelyard.cli.dataset:schema",
    "validate": "labelyard.cli.dataset:validate",
    "apply": "labelyard.cli.dataset:apply",
    "status": "labelyard.cli.ledger:status",
    "why": "labelyard.cli.why:why",
    "retry": "labelyard.cli.ledger:retry",
    "close": "labelyard.cli.ledger:close",
    "set-aside": "labelyard.cli.by_hand:set_aside",
    "restore": "labelyard.cli.by_hand:restore",
    "abandon": "labelyard.cli.by_hand:abandon",
    "release": "labelyard.cli.by_hand:release",
    "pause": "labelyard.cli.by_hand:pause",
    "resume": "labelyard.cli.by_hand:resume",
    "retire": "labelyard.cli.by_hand:retire",
    "repair": "labelyard.cli.repair:repair",
    "rebuild": "labelyard.cli.repair:rebuild",
    "adopt": "labelyard.cli.repair:adopt",
    "db": "labelyard.cli.ledger:db",
    "deploy": "labelyard.cli.deploy:deploy",
    "cvat": "labelyard.cli.cvat:cvat",
    "robots": "labelyard.cli.robots:robots",
}
"""Name of a command -> where its click command lives."""


class _LazyGroup(click.Group):
    """A group that imports a command's module when it is used: `labelyard --help` must not import Prefect."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click asks so
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click asks so
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="labelyard")
def labelyard() -> None:
    """Drop images into a bucket; find assigned CVAT tasks, and later a COCO dataset."""


def main() -> None:
    """Run the command line; a LabelyardError ends it with status 1 and its text alone."""
    logging.getLogger("stamina").addHandler(logging.NullHandler())  # what fails in the end is told; a repetition is not
    try:
        labelyard()
    except LabelyardError as error:
        click.secho(f"labelyard: {error}", fg="red", err=True)
        sys.exit(1)
