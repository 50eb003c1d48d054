"""`labelyard people away` and `back`."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime

import click

from labelyard.escaping import printable
from labelyard.ledger import Ledger
from labelyard.operations import absences
from labelyard.settings import load_settings

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"])


@click.group()
def people() -> None:
    """Say who is away and gets no jobs."""


@people.command()
@click.argument("person")
@click.option(
    "--until", type=_TIME, help="The day on which PERSON is back, or a time, in LABELYARD_TIMEZONE; else until `back`."
)
@click.option("--json", "as_json", is_flag=True, help="Print what is recorded as JSON.")
def away(person: str, until: datetime | None, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Give PERSON no jobs until a time, or until `labelyard people back PERSON`; what they have stays with them."""
    settings = load_settings()
    at = until.replace(tzinfo=settings.zone).astimezone(UTC) if until else None
    with closing(Ledger(settings.ledger)) as ledger:
        found = absences.away(ledger, person, at)
    if as_json:
        click.echo(json.dumps(asdict(found), default=lambda at: at.isoformat()))
        return
    when = f"until {at.astimezone(settings.zone):%Y-%m-%d %H:%M %Z}" if at else f"until: labelyard people back {person}"
    click.echo(printable(f"{person} gets no jobs {when}"))
    if found.open_jobs:
        click.echo(printable(f"{found.open_jobs} unfinished stay; to give them to others: labelyard reassign {person}"))


@people.command()
@click.argument("person")
@click.option("--json", "as_json", is_flag=True, help="Print what is recorded as JSON.")
def back(person: str, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Give PERSON jobs again, from the next look at CVAT on."""
    with closing(Ledger(load_settings().ledger)) as ledger:
        was_away = absences.back(ledger, person)
    if as_json:
        click.echo(json.dumps({"person": person, "was_away": was_away}))
    else:
        click.echo(printable(f"{person} {'gets jobs again' if was_away else 'was not away'}"))
