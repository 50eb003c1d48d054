"""robots: annotators of different speed and care, for the demo and for simulations."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import click

from labelyard.errors import InputError
from labelyard.robots import Robot, parse_robot, run_robots


@click.command()
@click.option("--cvat-url", required=True, help="The address of the CVAT (meant for `cvat-sandbox`).")
@click.option(
    "--robot",
    "given",
    multiple=True,
    metavar="NAME:PASSWORD[:SPEED[:CARE]]",
    help="A robot: SPEED in seconds an image (1.0), CARE from 0 to 1 (0.9). Once for each robot.",
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with a robot on each line, written in the same way; # begins a comment.",
)
@click.option("--seed", default=0, show_default=True, help="The seed of the robots' errors.")
def robots(cvat_url: str, given: tuple[str, ...], file: Path | None, seed: int) -> None:
    """Label the jobs that are assigned to robots, until SIGTERM or Ctrl-C.

    They draw the boxes of the demo's photographs, each with its own errors, and one box in the middle of any other
    image. Their passwords stand on the command line: make accounts for them that can do no harm.
    """
    lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()] if file else []
    crew = [parse_robot(text, seed=seed) for text in (*given, *filter(None, lines))]
    if not crew:
        raise InputError("no robots", next_step="labelyard robots --cvat-url URL --robot NAME:PASSWORD")
    _tell()
    _work(cvat_url, crew)


def _work(cvat_url: str, crew: list[Robot]) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        # In a thread of its own: the handler runs inside stop.wait(), whose lock it would wait for without end.
        signal.signal(number, lambda *_: threading.Thread(target=stop.set).start())
    click.echo(f"{len(crew)} robots at {cvat_url}: {', '.join(robot.name for robot in crew)}")
    run_robots(cvat_url, crew, stop)


def _tell() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("labelyard").addHandler(handler)
    logging.getLogger("labelyard.robots").setLevel(logging.INFO)
