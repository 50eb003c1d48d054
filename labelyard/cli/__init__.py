"""The command line: one click command per module, imported only when it is used."""

from __future__ import annotations

import difflib
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Mapping
from typing import NamedTuple

import click

from labelyard.errors import LabelyardError


class Command(NamedTuple):
    """Where a command is defined, and the first sentence of its help."""

    path: str
    summary: str


GROUPS: Mapping[str, Mapping[str, Command]] = {
    "Set up": {
        "init": Command("labelyard.cli.init:init", "Write a first dataset file and .env, and show the next commands."),
        "schema": Command("labelyard.cli.dataset:schema", "Print the JSON schema of dataset files, for editors."),
        "validate": Command("labelyard.cli.dataset:validate", "Check dataset files."),
        "db": Command("labelyard.cli.db:db", "Manage the ledger's database."),
        "plan": Command("labelyard.cli.plan:plan", "Show what `labelyard apply` would do, and change nothing."),
        "apply": Command(
            "labelyard.cli.plan:apply",
            "Store dataset files in the ledger, or carry out what `labelyard plan` shows of datasets.",
        ),
        "notifications": Command(
            "labelyard.cli.notifications:notifications",
            "Show what makes the buckets of DATASET notify a queue of new and deleted files; --apply carries it out.",
        ),
        "deploy": Command(
            "labelyard.cli.deploy:deploy",
            "Set up Prefect: the work pool, the automations, and every deployment with its trigger or schedule.",
        ),
        "completion": Command(
            "labelyard.cli.completion:completion", "Print the completion of commands and options for a shell."
        ),
    },
    "Run": {
        "up": Command(
            "labelyard.cli.up:up",
            "Run everything on this machine until Ctrl-C: Prefect's server, the deployments, a worker, the watcher.",
        ),
        "watch": Command(
            "labelyard.cli.watch:watch",
            "Watch for new files: register what notifications report, close batches when due, publish them to Prefect.",
        ),
        "backfill": Command(
            "labelyard.cli.backfill:backfill",
            "Register what the sources of DATASET already contain; no object is registered twice, notified or not.",
        ),
        "close": Command(
            "labelyard.cli.batches:close", "Close the open batches of DATASET now, without waiting for their rules."
        ),
        "pause": Command(
            "labelyard.cli.manual:pause",
            "Start no new run for DATASET; objects are still registered, and running work finishes.",
        ),
        "resume": Command("labelyard.cli.manual:resume", "Start runs for a paused DATASET again."),
        "retire": Command(
            "labelyard.cli.manual:retire", "Register no new objects in DATASET; its existing batches continue."
        ),
    },
    "Look": {
        "status": Command(
            "labelyard.cli.status:status",
            "Show how things stand, and every batch: its state, its task, its people, what went wrong and what next.",
        ),
        "people": Command(
            "labelyard.cli.people:people",
            "Show the work of each person in each dataset: open, done, how fast, and what reviews said about it.",
        ),
        "open": Command(
            "labelyard.cli.open:open_page",
            "Open the operations page in the browser, or the page of a dataset or a batch.",
        ),
        "why": Command(
            "labelyard.cli.why:why",
            "Show the whole history of an object (s3://bucket/key) or a batch: every decision, with time and reason.",
        ),
        "doctor": Command(
            "labelyard.cli.doctor:doctor",
            "Check that ledger, buckets, queue, CVAT, Prefect and disk can be reached and are set up right.",
        ),
        "alerts": Command(
            "labelyard.cli.alerts:alerts",
            "Show what needs a person, each cause once, and who has got messages about it.",
        ),
        "inspect": Command(
            "labelyard.cli.inspect:inspect",
            "Show before any upload which images CVAT will accept, why not, and what annotators will see.",
        ),
        "message": Command("labelyard.cli.message:message", "Show how a notification is parsed."),
        "check": Command(
            "labelyard.cli.check:check",
            "Check COCO files for faults that crash a training or change what it learns.",
        ),
    },
    "Fix": {
        "retry": Command(
            "labelyard.cli.batches:retry", "Try a failed or waiting BATCH again at once, from the step that failed."
        ),
        "quarantine": Command(
            "labelyard.cli.manual:quarantine",
            "Take an object out of its batch or, after its upload, out of the next export.",
        ),
        "restore": Command(
            "labelyard.cli.manual:restore", "Bring back an object that is quarantined or in a cancelled batch."
        ),
        "cancel": Command(
            "labelyard.cli.manual:cancel",
            "Cancel BATCH for good; its task stays in CVAT unless it is empty.",
        ),
        "archive": Command(
            "labelyard.cli.manual:archive",
            "Stop checking exported batches: their tasks may be deleted, their files stay.",
        ),
        "dead-letters": Command(
            "labelyard.cli.dead_letters:dead_letters", "Dead letters: messages that could not be parsed or registered."
        ),
        "reassign": Command(
            "labelyard.cli.batches:reassign", "Give the unfinished jobs of PERSON to others; what was drawn stays."
        ),
        "adopt": Command(
            "labelyard.cli.adopt:adopt",
            "Put CVAT tasks that a person created into DATASET, one batch each; jobs and annotations stay as they are.",
        ),
        "rebuild": Command(
            "labelyard.cli.adopt:rebuild",
            "Rebuild a lost ledger from the bucket, CVAT's task names and the exports; apply the dataset files first.",
        ),
    },
    "Datasets": {
        "release": Command(
            "labelyard.cli.release:release",
            "Merge the current exports of DATASET into a release that one can train on, in the bucket.",
        ),
        "fetch": Command(
            "labelyard.cli.release:fetch",
            "Fetch a release with its images into a folder, and verify every checksum.",
        ),
        "merge": Command(
            "labelyard.cli.releases:merge",
            "Merge COCO files into a release: one dataset with stable ids, splits, a manifest and checksums.",
        ),
        "verify": Command(
            "labelyard.cli.releases:verify",
            "Verify a release by its folder alone: the hashes of its files, links, counts and the account.",
        ),
        "diff": Command(
            "labelyard.cli.releases:diff",
            "Show what differs from the first release to the second: images, annotations and labels, by label.",
        ),
        "report": Command(
            "labelyard.cli.report:report",
            "Write a report of a release: one HTML file with figures, plots, and the doubtful annotations first.",
        ),
    },
    "CVAT": {
        "cvat": Command("labelyard.cli.cvat:cvat", "Use a CVAT from the shell: tasks, jobs, annotations, exports."),
    },
    "For development": {
        "demo": Command(
            "labelyard.cli.demo:demo",
            "Run the whole pipeline on this machine: photographs in a bucket become tasks, and then datasets.",
        ),
        "bots": Command(
            "labelyard.cli.bots:bots", "Label the jobs that are assigned to bots, until SIGTERM or Ctrl-C."
        ),
    },
}
"""Heading of the help page -> name of a command -> command."""

COMMANDS = {name: command for commands in GROUPS.values() for name, command in commands.items()}
"""Name -> command."""


class _Group(click.Group):
    """A group that imports a command only when it is used, and lists the commands under headings."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].path.partition(":")
        gc.disable()  # an import makes many objects and hardly any garbage: looking for it takes a tenth of the time
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        finally:
            gc.enable()
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write one section per heading; every sentence is shown whole."""
        for heading, commands in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name, command.summary) for name, command in commands.items()], col_max=16)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="labelyard")
def labelyard() -> None:
    """Turn new images in a bucket into assigned CVAT tasks, and finished tasks into datasets."""
    importlib.import_module("labelyard.orchestration")  # with it, settings may name blocks of Prefect


def main() -> None:
    """Run the command line. A LabelyardError ends it with status 1 and its text on standard error, Ctrl-C with 130.

    Every file that it creates is private to its user: logs, spool, ledger, and what its child processes write.
    """
    os.umask(0o077)
    # stamina logs every retry; what fails in the end is reported anyway.
    logging.getLogger("stamina").addHandler(logging.NullHandler())
    try:
        labelyard(standalone_mode=False)  # click would end with 1 on Ctrl-C, as if the command had failed
    except LabelyardError as error:
        click.secho(f"labelyard: {error}", fg="red", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as end:
        click.echo("Aborted!", err=True)
        sys.exit(128 + signal.SIGINT if isinstance(end.__cause__, KeyboardInterrupt) else 1)
