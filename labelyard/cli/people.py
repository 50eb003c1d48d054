"""`labelyard people`, `people away` and `people back`."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import closing
from dataclasses import asdict, fields
from datetime import UTC, datetime

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.cli.table import print_table
from labelyard.escaping import printable
from labelyard.ledger import Ledger
from labelyard.operations import absences
from labelyard.operations.people import People, PersonInDataset, read_people
from labelyard.settings import load_settings

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"])
_COLUMNS = (
    "person", "dataset", "open", "done", "images", "hours", "an hour", "learned", "accepted", "round", "sent back",
    "drawn",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the begin of a formula."""


@click.group(invoke_without_command=True)
@click.option("--dataset", help="Only the work in this dataset.")
@click.option("--since", type=_TIME, help="Since when, in LABELYARD_TIMEZONE; by default the last two weeks.")
@click.option("--csv", "as_csv", is_flag=True, help="Print them as CSV.")
@json_option(People, "Print them as JSON.")
@click.pass_context
def people(ctx: click.Context, dataset: str | None, since: datetime | None, as_csv: bool, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show the work of each person in each dataset: open, done, how fast, and what reviews said about it.

    docs/people.md says how each figure is counted, and what it cannot say. Subcommands: who is away.
    """
    if ctx.invoked_subcommand is not None:
        return
    settings = load_settings()
    begin = since.replace(tzinfo=settings.zone).astimezone(UTC) if since else None
    with closing(Ledger(settings.ledger)) as ledger:
        found = read_people(ledger, dataset, begin)
    if as_json:
        print_json(found)
    elif as_csv:
        _write_csv(found)
    elif found.people:
        print_table(_COLUMNS, [_row(one) for one in found.people])
    else:
        click.echo("nobody has work, or did any since then")
    if not as_json and not as_csv:
        for one in found.not_reached:
            times = "once" if one.failures == 1 else f"{one.failures} times in a row"
            at = one.next_try.astimezone(settings.zone) if one.next_try else None
            again = f", tried again from {at:%Y-%m-%d %H:%M %Z} on" if at else ""
            click.secho(printable(f"{one.person} gets no messages, refused {times}: {one.error}{again}"), fg="red")


def _row(one: PersonInDataset) -> list[str]:
    reviews = f", {one.to_review} to review" if one.to_review else ""
    cells = (
        f"{one.person} (away)" if one.is_away else one.person,
        one.dataset,
        f"{one.open_jobs} ({one.open_images} images){reviews}",
        str(one.done_jobs),
        str(one.images),
        f"{one.hours:.1f}",
        "-" if one.images_per_hour is None else f"{one.images_per_hour:.0f}",
        "-" if one.minutes_an_image is None else f"{one.minutes_an_image:.2g} min",
        f"{one.accepted_at_once} of {one.reviewed}" if one.reviewed else "-",
        "-" if one.mean_rounds is None else f"{one.mean_rounds:.1f}",
        str(one.returned),
        ", ".join(f"{number} {label}" for label, number in sorted(one.annotations.items())) or "-",
    )
    return list(map(printable, cells))


def _write_csv(found: People) -> None:
    """Write a line for each person and dataset, with the drawn labels as JSON; no text of a server is a formula."""
    names = [one.name for one in fields(PersonInDataset)]
    lines = csv.DictWriter(sys.stdout, names, lineterminator="\n")
    lines.writeheader()
    for one in found.people:
        texts = {name: _no_formula(text) for name, text in (("person", one.person), ("dataset", one.dataset))}
        lines.writerow(asdict(one) | texts | {"annotations": json.dumps(one.annotations, sort_keys=True)})


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


@people.command()
@click.argument("person")
@click.option(
    "--until", type=_TIME, help="The day on which PERSON is back, or a time, in LABELYARD_TIMEZONE; else until `back`."
)
@json_option(absences.Away, "Print what is recorded as JSON.")
def away(person: str, until: datetime | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Give PERSON no jobs until a time, or until `labelyard people back PERSON`; what they have stays with them."""
    settings = load_settings()
    at = until.replace(tzinfo=settings.zone).astimezone(UTC) if until else None
    with closing(Ledger(settings.ledger)) as ledger:
        found = absences.away(ledger, person, at)
    if as_json:
        print_json(found)
        return
    when = f"until {at.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}" if at else f"until: labelyard people back {person}"
    click.echo(printable(f"{person} gets no jobs {when}"))
    if found.open_jobs:
        click.echo(printable(f"{found.open_jobs} unfinished stay; to give them to others: labelyard reassign {person}"))


@people.command()
@click.argument("person")
@json_option(absences.Back, "Print what is recorded as JSON.")
def back(person: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Give PERSON jobs again, from the next look at CVAT on."""
    with closing(Ledger(load_settings().ledger)) as ledger:
        found = absences.back(ledger, person)
    if as_json:
        print_json(found)
    else:
        click.echo(printable(f"{person} {'gets jobs again' if found.was_away else 'was not away'}"))
