"""`labelyard deploy`."""

from __future__ import annotations

from dataclasses import dataclass

import click

from labelyard.cli.json_output import json_option, print_json
from labelyard.orchestration import FAST_WORKER, PROCESS_WORKER
from labelyard.orchestration.deploy import deploy_all
from labelyard.orchestration.fast_worker import is_supported, slower_without
from labelyard.settings import load_settings


@dataclass(frozen=True)
class Deployed:
    """Where the deployments are now."""

    prefect: str
    """The address of Prefect's API."""
    pool: str
    worker: str
    """The command that starts a worker."""
    without_schedules: str
    """Why the schedules of dataset files were not created; "" if they were."""


@click.command()
@click.option("--replace", is_flag=True, help="Take over a Prefect server whose pages are of another ledger.")
@json_option(Deployed)
def deploy(*, replace: bool, as_json: bool) -> None:
    """Set up Prefect: the work pool, the automations, and every deployment with its trigger or schedule.

    Safe to repeat. The settings LABELYARD_DEPLOY__… choose pool, intervals and limits. A Prefect server serves one
    installation: one that shows the pages of another ledger is refused.
    """
    settings = load_settings()
    without_schedules = deploy_all(settings, replace=replace)
    pool, supported = settings.deploy.pool, is_supported()
    start = f"prefect worker start --pool {pool} --type {FAST_WORKER if supported else PROCESS_WORKER}"
    worker = start if supported else f"PREFECT_WORKER_QUERY_SECONDS=2 {start}"
    if as_json:
        print_json(Deployed(str(settings.prefect_api_url), pool, worker, str(without_schedules or "")))
        return
    click.echo(f"Deployed to {settings.prefect_api_url}, work pool {pool!r}.")
    if without_schedules:
        click.echo(f"The schedules of dataset files were not created: {without_schedules}")
        click.echo("  next: labelyard apply, where the ledger is")
    if not supported:
        click.echo(slower_without())
    click.echo(f"Start a worker: {worker}")
