"""`labelyard bots`."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import click

from labelyard.demo.bots import Bot, parse_bot, run_bots
from labelyard.errors import InputError


@click.command()
@click.option("--cvat-url", required=True, help="The address of the CVAT (meant for `cvat-sandbox`).")
@click.option(
    "--bot",
    "given",
    multiple=True,
    metavar="NAME:PASSWORD[:SPEED[:CARE]]",
    help="A bot: SPEED in seconds per image (1.0), CARE from 0 to 1 (0.9). Repeat for more bots.",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with one bot per line in the same form; # begins a comment.",
)
@click.option("--organization", default="", help="Of CVAT 2.x: the organization whose jobs they label.")
@click.option("--seed", default=0, show_default=True, help="The seed of the bots' errors.")
def bots(cvat_url: str, given: tuple[str, ...], file: Path | None, organization: str, seed: int) -> None:
    """Label the jobs that are assigned to bots, until SIGTERM or Ctrl-C.

    Bots draw the boxes of the demo's photographs, each with its own errors, and there every other kind of object that
    the CVAT has. On any other image they draw one box in the middle. Their passwords are visible on the command line:
    use accounts without rights to other work.
    """
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()] if file else []
    bots = [parse_bot(text, seed=seed) for text in (*given, *filter(None, lines))]
    if not bots:
        raise InputError("no bots", next_step="labelyard bots --cvat-url URL --bot NAME:PASSWORD")
    _log_to_terminal()
    _work(cvat_url, bots, organization)


def _work(cvat_url: str, bots: list[Bot], organization: str) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # In another thread: the handler runs inside stop.wait() and would wait for that lock for ever.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    click.echo(f"{len(bots)} bots at {cvat_url}: {', '.join(bot.name for bot in bots)}")
    run_bots(cvat_url, bots, stop, organization=organization)


def _log_to_terminal() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("labelyard").addHandler(handler)
    logging.getLogger("labelyard.demo.bots").setLevel(logging.INFO)
