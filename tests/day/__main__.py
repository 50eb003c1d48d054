"""The scripted day, on this machine alone: about six minutes, and status 0 if everything that it checks is true.

python -m tests.day            run it, answer the ten questions from the pages, and end
python -m tests.day --keep     leave everything running for a person to look at, until Ctrl-C
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click

from labelyard.errors import SignalReceived
from tests.day.rig import operations_address, running_day
from tests.day.script import happen, problems


@click.command()
@click.option("--keep", is_flag=True, help="Leave everything running at the end, until Ctrl-C.")
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False),
    help="The folder, which must be new or empty; it stays. By default a temporary one.",
)  # fmt: skip
@click.option("--slowness", default=1.0, show_default=True, help="How many times as long each part may take.")
def main(*, keep: bool, folder: Path | None, slowness: float) -> None:
    """Run the scripted day and check what its pages say at the end."""
    os.umask(0o077)
    began = time.monotonic()

    def say(line: str) -> None:
        click.echo(f"{time.monotonic() - began:5.0f} s  {line}")

    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="labelyard-day-")))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with running_day(folder.resolve(), say, slowness) as day:
                say(f"operations page: {operations_address(folder)}")
                happen(day)
                wrong = list(problems(day))
                for line in wrong:
                    click.secho(line, fg="red")
                say(
                    f"{len(wrong)} of the checks failed"
                    if wrong
                    else "all ten questions have true answers on the pages"
                )
                if keep:
                    say("everything keeps running; Ctrl-C ends it")
                    day.supervisor.watch()
        except SignalReceived as end:
            sys.exit(0 if keep else end.status)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
