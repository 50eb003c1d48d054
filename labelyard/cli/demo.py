"""`labelyard demo`."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from labelyard.demo.display import shown_on
from labelyard.demo.environment import require_emulator, step_inside, surround
from labelyard.demo.run import Outcome, tell_story
from labelyard.errors import InputError, SignalReceived
from labelyard.settings import load_settings
from labelyard.supervisor import Supervisor
from labelyard.supervisor.stack import FOLDER


@click.command()
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write what came of it.")
@click.option("--keep", is_flag=True, help="Leave everything running until Ctrl-C.")
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Run in this new or empty folder."
)
def demo(json_file: Path | None, folder: Path | None, keep: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Show the main job for real on this machine: photographs in a bucket become tasks, and then COCO files.

    It is `labelyard up` with an emulator of S3 and SQS, a sandbox CVAT, robots and 27 photographs beside it, on free
    ports. Ends with status 0 only if every photograph is in exactly one task and exported with exactly the boxes that
    its robot saved.
    """
    require_emulator()
    json_file = json_file and json_file.absolute()
    run = _run_folder(folder)
    try:
        outcome = _perform(run, json_file, keep=keep)
    except (SignalReceived, KeyboardInterrupt) as end:
        click.echo("interrupted; everything that was started is ended")
        if folder is None:
            shutil.rmtree(run, ignore_errors=True)
        sys.exit(end.status if isinstance(end, SignalReceived) else 130)
    sys.exit(1 if outcome.differences else 0)


def _run_folder(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="labelyard-demo-")).resolve()
    given.mkdir(parents=True, exist_ok=True)
    if any(given.iterdir()):
        raise InputError(
            "the folder is not empty, and a demo begins afresh", where=str(given), next_step="name a new one in --dir"
        )
    return given.resolve()


def _perform(run: Path, json_file: Path | None, *, keep: bool) -> Outcome:
    console = Console()
    made = surround(run)
    step_inside(made)
    meanwhile = f"meanwhile, in another shell: cd {run} && {_labelyard()} status"
    logs = FOLDER.resolve() / "logs"
    with shown_on(console, meanwhile) as display, Supervisor(logs, display.tell, waiting=display.wait) as yard:
        outcome = tell_story(yard, made, load_settings(), display)
        display.finish()
        if json_file is not None:
            json_file.write_text(json.dumps(outcome.as_json(), indent=1) + "\n", encoding="utf-8")
        _report(console, outcome, run)
        if not keep:
            console.print(Text("\nAll parts end now; with --keep they go on, and the links lead somewhere."))
        else:
            console.print(Text(f"\nEverything is left running until Ctrl-C; {meanwhile}"), soft_wrap=True)
            with suppress(SignalReceived):
                yard.watch()
    return outcome


def _labelyard() -> str:
    script = Path(sys.executable).with_name("labelyard")
    return str(script) if script.exists() else f"{sys.executable} -m labelyard"


def _report(console: Console, outcome: Outcome, run: Path) -> None:
    console.print(_fates(outcome))
    numbers = outcome.as_json()["seconds_put_to_task"]
    console.print(Text(
        f"\n{len(outcome.fates)} photographs in {len(outcome.tasks)} tasks. From the put to the task: "
        f"p50 {numbers['p50']} s, longest {numbers['max']} s (waiting for the batch to close included)."
    ))  # fmt: skip
    for name, places in _places(outcome, run).items():
        console.print(Text(f"  {name:<10}{places[0]}"), soft_wrap=True)
        for context in places[1:]:
            console.print(Text(f"  {'':<10}{context}"), soft_wrap=True)
    if outcome.differences:
        console.print(Text("\nNot as it should be:", style="bold red"))
        for line in outcome.differences:
            console.print(Text(f"  ✗ {line}", style="red"), soft_wrap=True)
    else:
        console.print(Text(
            "\n✓ every photograph is in exactly one task, and exported with exactly the boxes that its robot saved",
            style="bold green",
        ), soft_wrap=True)  # fmt: skip


def _places(outcome: Outcome, run: Path) -> dict[str, list[str]]:
    places = {
        "COCO": [str(path) for path in outcome.exports],
        "Prefect": [outcome.links.prefect_ui],
        "tasks": list(outcome.task_urls),
        "watcher": [outcome.links.health],
        "logs": [str(run / FOLDER / "logs")],
    }
    return {name: found for name, found in places.items() if found}


def _fates(outcome: Outcome) -> Table:
    table = Table("photograph", "task", "job", "robot", "boxes saved", "exported", "", box=None, pad_edge=False)
    for fate in outcome.fates:
        job = fate.job
        table.add_row(
            Text(fate.shot.key), ", ".join(str(task.id) for task, _ in fate.places) or "-",
            str(job.id) if job else "-", Text((job.assignee if job else None) or "-"), str(fate.saved.total()),
            ", ".join(str(boxes.total()) for boxes in fate.exported) or "-",
            Text("✗", style="red") if list(fate.wrong()) else Text("✓", style="green"),
        )  # fmt: skip
    return table
