"""`labelyard up`."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from labelyard.errors import SignalReceived
from labelyard.settings import load_settings
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import FOLDER, Links, lock_folder, start_stack


@click.command()
def up() -> None:
    """Run everything on this machine until Ctrl-C: Prefect's server, the deployments, a worker, the watcher.

    When PREFECT_API_URL is set, that Prefect server is used and none is started. A process that ends is started again.
    Logs and Prefect's database are in .labelyard/ of the current folder.
    """
    settings = load_settings()
    running = False
    try:
        with lock_folder(), Supervisor(FOLDER.resolve() / "logs", _report) as supervisor:
            links = start_stack(supervisor, settings, _report)
            running = True
            _show(links)
            supervisor.watch()
    except SignalReceived as end:
        click.echo("stopped")
        sys.exit(0 if running else end.status)


def _report(line: str) -> None:
    click.echo(f"{datetime.now().astimezone():%H:%M:%S} {line}")


def _show(links: Links) -> None:
    click.echo(
        f"\n  Prefect   {links.prefect_ui}\n  watcher   {links.health}\n  logs      {FOLDER.resolve() / 'logs'}\n"
    )
    click.echo(f"In another shell, in this folder:\n  export PREFECT_API_URL={links.prefect_api}")
    click.echo("  labelyard doctor\n  labelyard status\n\nCtrl-C stops everything.")
