"""`labelyard deploy`."""

from __future__ import annotations

import click

from labelyard.orchestration import FAST_WORKER, PROCESS_WORKER
from labelyard.orchestration.deploy import deploy_all
from labelyard.orchestration.fast_worker import is_supported, slower_without
from labelyard.settings import load_settings


@click.command()
@click.option("--replace", is_flag=True, help="Take over a Prefect server whose pages are of another ledger.")
def deploy(*, replace: bool) -> None:
    """Set up Prefect: the work pool, the automations, and every deployment with its trigger or schedule.

    Safe to repeat. The settings LABELYARD_DEPLOY__… choose pool, intervals and limits. A Prefect server serves one
    installation: one that shows the pages of another ledger is refused.
    """
    settings = load_settings()
    without_schedules = deploy_all(settings, replace=replace)
    click.echo(f"Deployed to {settings.prefect_api_url}, work pool {settings.deploy.pool!r}.")
    if without_schedules:
        click.echo(f"The schedules of dataset files were not created: {without_schedules}")
        click.echo("  next: labelyard apply, where the ledger is")
    if is_supported():
        click.echo(f"Start a worker: prefect worker start --pool {settings.deploy.pool} --type {FAST_WORKER}")
        return
    click.echo(slower_without())
    worker = f"prefect worker start --pool {settings.deploy.pool} --type {PROCESS_WORKER}"
    click.echo(f"Start a worker: PREFECT_WORKER_QUERY_SECONDS=2 {worker}")
