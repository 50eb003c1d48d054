"""`labelyard up`."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from labelyard.errors import SignalReceived
from labelyard.settings import load_settings
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import FOLDER, Links, only_one_here, start_everything


@click.command()
def up() -> None:
    """Run everything on this machine until Ctrl-C: Prefect's server, the deployments, a worker, the watcher.

    Prefect's server is left out where PREFECT_API_URL names one. A part that dies is started again; the logs and
    Prefect's database lie in .labelyard/ of the folder where this runs.
    """
    settings = load_settings()
    running = False
    try:
        with only_one_here(), Supervisor(FOLDER.resolve() / "logs", _tell) as yard:
            links = start_everything(yard, settings, _tell)
            running = True
            _show(links)
            yard.watch()
    except SignalReceived as end:
        click.echo("ended")
        sys.exit(0 if running else end.status)


def _tell(line: str) -> None:
    click.echo(f"{datetime.now().astimezone():%H:%M:%S} {line}")


def _show(links: Links) -> None:
    click.echo(
        f"\n  Prefect   {links.prefect_ui}\n  watcher   {links.health}\n  logs      {FOLDER.resolve() / 'logs'}\n"
    )
    click.echo(f"In another shell, in this folder:\n  export PREFECT_API_URL={links.prefect_api}")
    click.echo("  labelyard doctor\n  labelyard status\n\nCtrl-C ends it all.")
