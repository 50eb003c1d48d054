"""`labelyard deploy`."""

from __future__ import annotations

import click

from labelyard.orchestration.deploy import deploy_all
from labelyard.settings import load_settings


@click.command()
def deploy() -> None:
    """Set up Prefect: the work pool, the automations, and every deployment with its trigger or schedule.

    May be repeated at any time; LABELYARD_DEPLOY__… set pool, intervals and limits.
    """
    settings = load_settings()
    deploy_all(settings)
    click.echo(f"Deployed to {settings.prefect_api_url}, work pool {settings.deploy.pool!r}.")
    click.echo(f"Start a worker: prefect worker start --pool {settings.deploy.pool}")
