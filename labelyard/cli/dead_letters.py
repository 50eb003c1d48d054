"""dead: the messages that could not be read, another try, and an end to those that are of no use."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.context import open_context
from labelyard.ledger import dead_letters as letters
from labelyard.ledger.dead_letters import DeadLetterSummary
from labelyard.operations.replay_dead_letters import Replayed, replay

_SHOWN = 50


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="All of them as JSON.")
@click.pass_context
def dead_letters(ctx: click.Context, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the dead letters: messages that could not be read or landed, each with the reason."""
    if ctx.invoked_subcommand is not None:
        return
    with open_context() as context, context.ledger.read_only() as tx:
        lines = list(letters.waiting(tx))
    if as_json:
        click.echo(json.dumps([asdict(line) | {"at": line.at.isoformat()} for line in lines], indent=1))
    elif lines:
        _show(lines)
    else:
        click.echo("no dead letters: every message could be read")


def _show(lines: list[DeadLetterSummary]) -> None:
    table = Table("id", "time", "from", "reason", "first line", pad_edge=False)
    for line in lines[-_SHOWN:]:
        cells = (f"{line.at:%Y-%m-%d %H:%M:%S}", line.source, line.reason, line.first_line[:120])
        table.add_row(str(line.id), *(Text(_printable(cell)) for cell in cells))
    console = Console()
    console.print(table)
    if len(lines) > _SHOWN:
        console.print(f"and {len(lines) - _SHOWN} older ones: labelyard dead-letters --json")
    console.print(
        "next: labelyard dead-letters show ID; labelyard dead-letters replay ID, or --all, once the cause is fixed;"
        " labelyard dead-letters discard ID where nothing is lost with it"
    )


@dead_letters.command()
@click.argument("number", metavar="ID", type=int)
def show(number: int) -> None:
    """Show a dead letter as it came, its control characters made visible."""
    with open_context() as context, context.ledger.read_only() as tx:
        letter = letters.get(tx, number)
    click.echo(f"{letter.at:%Y-%m-%d %H:%M:%S} from {letter.source}: {_printable(letter.reason)}", err=True)
    if letter.replayed_at:
        click.echo(f"sent again {letter.replayed_at:%Y-%m-%d %H:%M:%S}", err=True)
    if letter.discarded_at:
        click.echo(f"discarded {letter.discarded_at:%Y-%m-%d %H:%M:%S}", err=True)
    click.echo("\n".join(map(_printable, letter.body.decode(errors="backslashreplace").split("\n"))))


@dead_letters.command("replay")
@click.argument("numbers", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that wait.")
def resend_letters(numbers: tuple[int, ...], everything: bool) -> None:  # noqa: FBT001
    """Read dead letters again, and land what they tell of. Ends with status 1 when one of them stays."""
    if bool(numbers) == everything:
        raise click.UsageError("name the dead letters by their ids, or say --all")
    stayed = 0
    with open_context() as context:
        if everything:
            with context.ledger.read_only() as tx:
                numbers = tuple(line.id for line in letters.waiting(tx))
        for number in numbers:
            done = replay(context, number)
            stayed += done.stays is not None
            click.echo(f"{number}: {_told(done)}")
    click.echo(f"{len(numbers) - stayed} of {len(numbers)} are done with")
    sys.exit(1 if stayed else 0)


@dead_letters.command()
@click.argument("numbers", metavar="ID...", type=int, nargs=-1, required=True)
def discard(numbers: tuple[int, ...]) -> None:
    """Dismiss dead letters of no use, all of these or none: `status` counts them no more, `show` still shows them."""
    with open_context() as context, context.ledger.transaction() as tx:
        for number in numbers:
            letters.discard(tx, number)
    click.echo(f"{len(numbers)} discarded")


def _told(done: Replayed) -> str:
    landed = done.landed
    parts = [(landed.new, "landed"), (landed.known, "known already"), (landed.ignored, "in no dataset or deleted"),
             (done.gone, "noted as deleted")]  # fmt: skip
    told = ", ".join(f"{count} {what}" for count, what in parts if count) or "nothing to land"
    return told if done.stays is None else f"stays: {_printable(done.stays)} ({told})"


def _printable(text: str) -> str:
    # Letters are hostile: no control character of theirs reaches the terminal.
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
