"""`labelyard db`."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.ledger import Ledger, upgrade
from labelyard.ledger.database import no_ledger
from labelyard.ledger.engine import parse_url, sqlite_file
from labelyard.settings import is_installation, load_settings


@dataclass(frozen=True)
class UpgradedLedger:
    """The ledger after `db upgrade`."""

    ledger: str
    schema: str


@click.group()
def db() -> None:
    """Manage the ledger's database."""


@db.command("upgrade")
@click.option("--create", is_flag=True, help="Create the ledger even in a folder without .env.")
@json_option(UpgradedLedger)
def db_upgrade(*, create: bool, as_json: bool) -> None:
    """Upgrade the ledger's schema to this labelyard's, creating the database if there is none.

    In a folder without .env a ledger is created only with --create, or where LABELYARD_LEDGER names it: an empty ledger
    in the wrong folder looks as if all work were lost.
    """
    settings = load_settings()
    file = sqlite_file(parse_url(settings.ledger))
    if file is not None and not (create or file.exists() or is_installation()):
        raise no_ledger(file)
    revision = upgrade(settings.ledger)
    with closing(Ledger(settings.ledger)) as ledger:
        if as_json:
            print_json(UpgradedLedger(ledger.name, revision))
        else:
            click.echo(f"{ledger.name}: schema {revision}")
