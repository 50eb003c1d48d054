"""`labelyard db`."""

from __future__ import annotations

from contextlib import closing

import click

from labelyard.ledger import Ledger, upgrade
from labelyard.settings import load_settings


@click.group()
def db() -> None:
    """Manage the ledger's database."""


@db.command("upgrade")
def db_upgrade() -> None:
    """Upgrade the ledger's schema to this labelyard's, creating the database if there is none."""
    settings = load_settings()
    revision = upgrade(settings.ledger)
    with closing(Ledger(settings.ledger)) as ledger:
        click.echo(f"{ledger.name}: schema {revision}")
