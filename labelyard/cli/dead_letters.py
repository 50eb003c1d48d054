"""dead-letters: list, show, replay and discard the messages that could not be parsed or registered."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from labelyard.cli.table import print_table
from labelyard.context import open_context
from labelyard.escaping import printable
from labelyard.ledger import dead_letters as letters
from labelyard.ledger.dead_letters import DeadLetterSummary
from labelyard.operations.replay_dead_letters import Replayed, replay

_MAX_LISTED = 50


@click.group(invoke_without_command=True)
@click.pass_context
def dead_letters(ctx: click.Context) -> None:
    """Dead letters: messages that could not be parsed or registered. Without a subcommand, list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_letters)


@dead_letters.command("list")
@click.option("--json", "as_json", is_flag=True, help="All of them as JSON.")
def list_letters(as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the dead letters, each with its reason."""
    with open_context() as context, context.ledger.read_only() as tx:
        lines = list(letters.waiting(tx))
    if as_json:
        click.echo(json.dumps([asdict(line) | {"at": line.at.isoformat()} for line in lines], indent=1))
    elif lines:
        _show_list(lines)
    else:
        click.echo("no dead letters: every message could be read")


def _show_list(lines: Sequence[DeadLetterSummary]) -> None:
    print_table(("id", "time", "from", "reason", "first line"), list(map(_row, lines[-_MAX_LISTED:])))
    if len(lines) > _MAX_LISTED:
        click.echo(f"and {len(lines) - _MAX_LISTED} older ones: labelyard dead-letters list --json")
    click.echo(
        "next: labelyard dead-letters show ID; labelyard dead-letters replay ID, or --all, once the cause is fixed;"
        " labelyard dead-letters discard ID if nothing is lost with it"
    )


def _row(line: DeadLetterSummary) -> list[str]:
    cells = (str(line.id), f"{line.at:%Y-%m-%d %H:%M:%S}", line.source, line.reason, line.first_line[:120])
    return list(map(printable, cells))


@dead_letters.command()
@click.argument("number", metavar="ID", type=int)
def show(number: int) -> None:
    """Show a dead letter as it was received, with its control characters escaped."""
    with open_context() as context, context.ledger.read_only() as tx:
        letter = letters.get(tx, number)
    click.echo(f"{letter.at:%Y-%m-%d %H:%M:%S} from {letter.source}: {printable(letter.reason)}", err=True)
    if letter.replayed_at:
        click.echo(f"replayed {letter.replayed_at:%Y-%m-%d %H:%M:%S}", err=True)
    if letter.discarded_at:
        click.echo(f"discarded {letter.discarded_at:%Y-%m-%d %H:%M:%S}", err=True)
    click.echo("\n".join(map(printable, letter.body.decode(errors="backslashreplace").split("\n"))))


@dead_letters.command("replay")
@click.argument("numbers", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "replay_all", is_flag=True, help="All of them.")
def replay_letters(numbers: Sequence[int], replay_all: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Parse dead letters again and register their content. Exits with status 1 if one of them remains."""
    if bool(numbers) == replay_all:
        raise click.UsageError("name the dead letters by their ids, or use --all")
    remaining = 0
    with open_context() as context:
        if replay_all:
            with context.ledger.read_only() as tx:
                numbers = [line.id for line in letters.waiting(tx)]
        for number in numbers:
            replayed = replay(context, number)
            remaining += replayed.problem is not None
            click.echo(f"{number}: {_summary(replayed)}")
    click.echo(f"{len(numbers) - remaining} of {len(numbers)} replayed")
    sys.exit(1 if remaining else 0)


@dead_letters.command()
@click.argument("numbers", metavar="ID...", type=int, nargs=-1, required=True)
def discard(numbers: Sequence[int]) -> None:
    """Discard dead letters, all of these or none: `status` no longer counts them, `show` still shows them."""
    with open_context() as context, context.ledger.transaction() as tx:
        for number in numbers:
            letters.discard(tx, number)
    click.echo(f"{len(numbers)} discarded")


def _summary(replayed: Replayed) -> str:
    counts = {
        "registered": replayed.registered.new,
        "already known": replayed.registered.known,
        "in no dataset or deleted": replayed.registered.ignored,
        "marked as deleted": replayed.deleted,
    }
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to register"
    return summary if replayed.problem is None else f"remains: {printable(replayed.problem)} ({summary})"
