"""dead-letters: list, show, replay and discard the messages that could not be parsed or registered."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import print_table
from labelyard.context import open_context
from labelyard.escaping import printable
from labelyard.ledger import dead_letters as letters
from labelyard.ledger.dead_letters import DeadLetterSummary

if TYPE_CHECKING:
    from labelyard.operations.replay_dead_letters import Replayed

_MAX_LISTED = 50


@dataclass(frozen=True)
class ShownLetter:
    """A dead letter."""

    id: int
    at: datetime
    source: str
    reason: str
    replayed_at: datetime | None
    discarded_at: datetime | None
    body: str
    """As it was received; bytes that are no UTF-8 are escaped with backslashes."""


@dataclass(frozen=True)
class ReplayedLetter:
    """What became of a dead letter. With a `problem` it remains, and the exit status is 1."""

    id: int
    registered: int
    known: int
    ignored: int
    """Objects in no dataset, or deleted meanwhile."""
    deleted: int
    """Objects that were marked as deleted."""
    problem: str | None


@dataclass(frozen=True)
class DiscardedLetter:
    """A dead letter that was discarded."""

    id: int


@click.group(invoke_without_command=True)
@click.pass_context
def dead_letters(ctx: click.Context) -> None:
    """Dead letters: messages that could not be parsed or registered. Without a subcommand, list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_letters)


@dead_letters.command("list")
@json_option(list[DeadLetterSummary], "Print all of them as JSON.")
def list_letters(as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List the dead letters, each with its reason."""
    with open_context() as context, context.ledger.read_only() as tx:
        lines = list(letters.waiting(tx))
    if as_json:
        print_json(lines)
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
@json_option(ShownLetter)
def show(number: int, *, as_json: bool) -> None:
    """Show a dead letter as it was received, with its control characters escaped."""
    with open_context() as context, context.ledger.read_only() as tx:
        letter = letters.get(tx, number)
    body = letter.body.decode(errors="backslashreplace")
    if as_json:
        times = (letter.replayed_at, letter.discarded_at)
        print_json(ShownLetter(letter.id, letter.at, letter.source, letter.reason, *times, body))
        return
    click.echo(f"{letter.at:%Y-%m-%d %H:%M:%S} from {letter.source}: {printable(letter.reason)}", err=True)
    if letter.replayed_at:
        click.echo(f"replayed {letter.replayed_at:%Y-%m-%d %H:%M:%S}", err=True)
    if letter.discarded_at:
        click.echo(f"discarded {letter.discarded_at:%Y-%m-%d %H:%M:%S}", err=True)
    click.echo("\n".join(map(printable, body.split("\n"))))


@dead_letters.command("replay")
@click.argument("numbers", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "replay_all", is_flag=True, help="All of them.")
@json_option(list[ReplayedLetter])
def replay_letters(numbers: Sequence[int], *, replay_all: bool, as_json: bool) -> None:
    """Parse dead letters again and register their content. Exits with status 1 if one of them remains."""
    if bool(numbers) == replay_all:
        raise click.UsageError("name the dead letters by their ids, or use --all")
    from labelyard.operations.replay_dead_letters import replay  # noqa: PLC0415 - slow to import, and unused above

    done: list[ReplayedLetter] = []
    try:
        with open_context() as context:
            if replay_all:
                with context.ledger.read_only() as tx:
                    numbers = [line.id for line in letters.waiting(tx)]
            for number in numbers:
                done.append(_replayed(replay(context, number)))
                if not as_json:
                    click.echo(f"{number}: {_summary(done[-1])}")
    finally:
        if as_json:
            print_json(done)
    remaining = sum(one.problem is not None for one in done)
    if not as_json:
        click.echo(f"{len(numbers) - remaining} of {len(numbers)} replayed")
    sys.exit(1 if remaining else 0)


@dead_letters.command()
@click.argument("numbers", metavar="ID...", type=int, nargs=-1, required=True)
@json_option(list[DiscardedLetter])
def discard(numbers: Sequence[int], *, as_json: bool) -> None:
    """Discard dead letters, all of these or none: `status` no longer counts them, `show` still shows them."""
    with open_context() as context, context.ledger.transaction() as tx:
        for number in numbers:
            letters.discard(tx, number)
    if as_json:
        print_json([DiscardedLetter(number) for number in numbers])
    else:
        click.echo(f"{len(numbers)} discarded")


def _replayed(one: Replayed) -> ReplayedLetter:
    counts = one.registered
    return ReplayedLetter(one.id, counts.new, counts.known, counts.ignored, one.deleted, one.problem)


def _summary(replayed: ReplayedLetter) -> str:
    counts = {
        "registered": replayed.registered,
        "already known": replayed.known,
        "in no dataset or deleted": replayed.ignored,
        "marked as deleted": replayed.deleted,
    }
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing to register"
    return summary if replayed.problem is None else f"remains: {printable(replayed.problem)} ({summary})"
