"""`labelyard sandbox`: run the CVAT v1 server of labelyard.sandbox."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

import click

from labelyard.sandbox import Options, Person, Serving, parse_user
from labelyard.sandbox.faults import load


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, help="The port; 0 takes any free one.")
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="NAME:PASSWORD[:ROLE,…]",
    help="A user, once for each; ids in this order. Roles: superuser, staff, admin, user, annotator, observer.",
)
@click.option(
    "--users",
    "users_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with such a user in each line.",
)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Keep the state in this folder.")
@click.option(
    "--share", type=click.Path(exists=True, file_okay=False, path_type=Path), help="The folder that server_files name."
)
@click.option("--allow-remote", multiple=True, metavar="HOST:PORT", help="A server that remote_files may name.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rules of misbehaviour (YAML or JSON).",
)
@click.option("--control-token", default="", help="Opens /_sandbox/faults to whoever has it.")
@click.option("--workers", default=2, show_default=True, help="Workers that make frames and exports.")
def sandbox(  # noqa: PLR0913, PLR0917 - one argument an option
    host: str, port: int, users: tuple[str, ...], users_file: Path | None, data: Path | None, share: Path | None,
    allow_remote: tuple[str, ...], faults: Path | None, control_token: str, workers: int,
) -> None:  # fmt: skip
    """A CVAT v1 server to try and test against, faithful to a recorded CVAT 1.0.0, its traps included."""
    lines = [*users, *(users_file.read_text().split("\n") if users_file else [])]
    try:
        people = tuple(_person(line) for line in lines if line.strip() and not line.startswith("#"))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--user") from None
    if data:
        data.mkdir(parents=True, exist_ok=True)
    serving = Serving(Options(
        users=people, host=host, port=port, data=data, share=share, allow_remote=allow_remote,
        faults=tuple(load(faults)) if faults else (), control_token=control_token, workers=workers,
    ))  # fmt: skip
    click.echo(f"sandbox: {serving.url}")
    run_until_signal(serving)


def _person(line: str) -> Person:
    return parse_user(line.strip())


def run_until_signal(serving: Serving) -> None:
    """Serve until SIGTERM or Ctrl-C, then end cleanly."""
    asked = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    thread = threading.Thread(target=serving.run, name="sandbox", daemon=True)
    thread.start()
    while not asked.wait(1) and thread.is_alive():
        pass
    serving.stop()
