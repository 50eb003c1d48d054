"""The command `cvat-sandbox`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from cvat_sandbox import Options, Person, Serving, parse_user
from cvat_sandbox.errors import SandboxError
from cvat_sandbox.faults import load_rules
from cvat_sandbox.server import FAMILIES
from cvat_sandbox.workers.deliveries import RETRY_SECONDS

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.command(context_settings=CONTEXT)
@click.option(
    "--version",
    type=click.Choice(list(FAMILIES)),
    default="1.0.0",
    show_default=True,
    help="The version of CVAT whose API to serve.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8080, show_default=True, help="The port; 0 takes a free one.")
@click.option(
    "--user",
    "users",
    multiple=True,
    metavar="NAME:PASSWORD[:ROLE,…]",
    help="Create a user; may be repeated. Ids follow the order. "
    "Roles: superuser, staff, admin, user, annotator, observer; for 2.73 superuser, user, worker.",
)
@click.option(
    "--users",
    "users_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Create the users of a file: one on each line, written as for --user.",
)
@click.option(
    "--organization",
    default="",
    metavar="SLUG",
    help="Of 2.73: create an organization that the first user owns and all others work in.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the state in this folder. Without it, the state is deleted at the end.",
)
@click.option(
    "--share",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that requests with server_files read.",
)
@click.option(
    "--allow-remote",
    multiple=True,
    metavar="HOST:PORT",
    help="Allow requests with remote_files to download from this server; may be repeated.",
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of fault rules, YAML or JSON.",
)
@click.option("--control-token", default="", help="Open /_sandbox/faults to requests with this bearer token.")
@click.option(
    "--anonymous-limit",
    default=0,
    show_default=True,
    help="Of 2.73: the number of requests without credentials that a client may send in a minute; 0 is no limit.",
)
@click.option(
    "--workers", default=2, show_default=True, help="Number of worker threads for frames, exports and imports."
)
@click.option(
    "--webhook-retries",
    default=",".join(f"{pause:g}" for pause in RETRY_SECONDS),
    show_default=True,
    metavar="SECONDS,…",
    callback=lambda _context, _parameter, text: _seconds(text),
    help="The pauses after failed deliveries of a webhook; empty: no retries.",
)
def command(  # noqa: PLR0913, PLR0917 - one argument an option
    version: str, host: str, port: int, users: tuple[str, ...], users_file: Path | None, organization: str,
    data: Path | None, share: Path | None, allow_remote: tuple[str, ...], faults: Path | None, control_token: str,
    anonymous_limit: int, workers: int, webhook_retries: tuple[float, ...],
) -> None:  # fmt: skip
    """Serve the API of CVAT for demos and tests, with the quirks of the real server."""
    lines = [*users, *(users_file.read_text().split("\n") if users_file else [])]
    if data:
        data.mkdir(parents=True, exist_ok=True)
    serving = Serving(Options(
        version=version, users=_people(lines), organization=organization, host=host, port=port, data=data, share=share,
        allow_remote=allow_remote,
        faults=tuple(load_rules(faults)) if faults else (), control_token=control_token, workers=workers,
        anonymous_limit=anonymous_limit, webhook_retries=webhook_retries,
    ))  # fmt: skip
    click.echo(f"sandbox: {serving.url}")
    run_until_signal(serving)


def _people(lines: list[str]) -> tuple[Person, ...]:
    try:
        return tuple(parse_user(line.strip()) for line in lines if line.strip() and not line.startswith("#"))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--user") from None


def _seconds(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split(",") if word.strip())
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of seconds, such as 5,300") from None


def run_until_signal(serving: Serving) -> None:
    """Serve until SIGTERM or Ctrl-C, then stop."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    thread = threading.Thread(target=serving.run, name="cvat-sandbox", daemon=True)
    thread.start()
    while not stopping.wait(1) and thread.is_alive():
        pass
    if not serving.stop():
        # The interpreter would wait for the job that a worker still runs.
        sys.stdout.flush()
        os._exit(0)


def main() -> None:
    """Run the command; a SandboxError ends it with status 1 and its text alone."""
    try:
        command(prog_name="cvat-sandbox")
    except SandboxError as error:
        click.secho(f"cvat-sandbox: {error}", fg="red", err=True)
        sys.exit(1)
