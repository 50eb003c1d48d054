"""`labelyard demo`."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from labelyard.cli.table import Cell, linked, print_table
from labelyard.demo.environment import ROLES, create_environment, enter_environment, require_emulator
from labelyard.demo.run import DemoResult, run_demo
from labelyard.demo.verify import PhotographOutcome, numbers_of_kinds
from labelyard.errors import InputError, SignalReceived
from labelyard.settings import load_settings
from labelyard.supervisor import Supervisor
from labelyard.supervisor.display import open_display
from labelyard.supervisor.stack import FOLDER

_PLURALS = {"points": "sets of points"}


@click.command()
@click.option(
    "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the result to this file."
)
@click.option("--keep", is_flag=True, help="Leave everything running until Ctrl-C, then delete it (except in --dir).")
@click.option(
    "--cvat", "cvat_version", type=click.Choice(list(ROLES)), default="2.73", show_default=True,
    help="The version of CVAT that the sandbox serves.",
)  # fmt: skip
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Run in this new or empty folder."
)
def demo(json_file: Path | None, cvat_version: str, folder: Path | None, keep: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run the whole pipeline on this machine: photographs in a bucket become tasks, and then datasets.

    Starts what `labelyard up` starts, beside an S3 and SQS emulator, a CVAT sandbox, annotator bots and 27 photographs,
    on free ports. The exit status is 0 only if each photograph is in exactly one task and is exported with exactly what
    its bot drew: every kind of object that the CVAT has, with its attributes and its outline. A reviewer rejects jobs
    that are not right, and only what was accepted is exported.
    """
    require_emulator()
    json_file = json_file and json_file.absolute()
    run = _run_folder(folder)
    try:
        outcome = _perform(run, json_file, cvat_version, keep=keep)
    except (SignalReceived, KeyboardInterrupt) as end:
        click.echo("interrupted; all processes were stopped")
        if folder is None:
            _remove(run)
        sys.exit(end.status if isinstance(end, SignalReceived) else 130)
    if keep and folder is None:  # without --keep the links to exports and logs were printed to be read now
        _remove(run)
    sys.exit(1 if outcome.differences else 0)


def _remove(run: Path) -> None:
    """Delete the folder of a demo, which is the current folder."""
    os.chdir(run.parent)
    shutil.rmtree(run, ignore_errors=True)
    if run.exists():
        click.echo(f"not everything could be deleted: {run}", err=True)


def _run_folder(given: Path | None) -> Path:
    if given is None:
        return Path(tempfile.mkdtemp(prefix="labelyard-demo-")).resolve()
    given.mkdir(parents=True, exist_ok=True)
    if any(given.iterdir()):
        raise InputError("the folder is not empty", where=str(given), next_step="name a new folder in --dir")
    return given.resolve()


def _perform(run: Path, json_file: Path | None, cvat_version: str, *, keep: bool) -> DemoResult:
    console = Console()
    env = create_environment(run, cvat_version)
    enter_environment(env)
    meanwhile = f"meanwhile, in another shell: cd {run} && {_labelyard()} status"
    logs = FOLDER.resolve() / "logs"
    with (
        open_display(console, "labelyard demo", meanwhile) as display,
        Supervisor(logs, display.report, waiting=display.wait) as supervisor,
    ):
        outcome = run_demo(supervisor, env, load_settings(), display)
        display.finish()
        if json_file is not None:
            json_file.write_text(json.dumps(outcome.as_json(), indent=1) + "\n", encoding="utf-8")
        _report(console, outcome, run)
        if not keep:
            console.print(Text("\nAll processes stop now. With --keep they keep running, and the links work."))
        else:
            console.print(Text(f"\nEverything keeps running until Ctrl-C; {meanwhile}"), soft_wrap=True)
            with suppress(SignalReceived):
                supervisor.watch()
    return outcome


def _labelyard() -> str:
    script = Path(sys.executable).with_name("labelyard")
    return str(script) if script.exists() else f"{sys.executable} -m labelyard"


def _report(console: Console, outcome: DemoResult, run: Path) -> None:
    columns = ("photograph", "task", "job", "bot", "drawn", "exported", "equal")
    drawn_by = {one.job: one.annotator for one in outcome.reviews}
    print_table(columns, [_row(one, drawn_by) for one in outcome.outcomes])
    numbers = outcome.as_json()["seconds_put_to_task"]
    console.print(Text(
        f"\n{len(outcome.outcomes)} photographs in {len(outcome.tasks)} tasks. From put to task: "
        f"p50 {numbers['p50']} s, longest {numbers['max']} s (waiting for the batch to close included)."
    ))  # fmt: skip
    for name, urls in _links(outcome, run).items():
        console.print(linked(f"  {name:<10}{urls[0]}"), soft_wrap=True)
        for url in urls[1:]:
            console.print(linked(f"  {'':<10}{url}"), soft_wrap=True)
    if outcome.differences:
        console.print(Text("\nProblems:", style="bold red"))
        for line in outcome.differences:
            console.print(Text(f"  ✗ {line}", style="red"), soft_wrap=True)
    else:
        console.print(Text(f"\n✓ {_verified(outcome)}", style="bold green"), soft_wrap=True)
        console.print(Text(f"✓ {_reviewed(outcome)}", style="bold green"), soft_wrap=True)
        console.print(Text(f"✓ {_released(outcome)}", style="bold green"), soft_wrap=True)


def _verified(outcome: DemoResult) -> str:
    numbers = [
        f"{count} {_PLURALS.get(kind, f'{kind}s')}" for kind, count in numbers_of_kinds(outcome.outcomes).items()
    ]
    return (
        "each photograph is in exactly one task, exported with exactly what its bot drew: "
        f"{', '.join(numbers)}; drawn = in the files, none left out"
    )


def _reviewed(outcome: DemoResult) -> str:
    reviews = outcome.reviews
    rejected = [one for one in reviews if one.rejected]
    reviewers = " and ".join(sorted({one.reviewer or "" for one in reviews}))
    return (
        f"{reviewers} reviewed {len(reviews)} of {sum(len(task.jobs) for task in outcome.tasks)} jobs and rejected "
        f"{len(rejected)}; their annotators repaired them, and nothing was exported before it was accepted"
    )


def _released(outcome: DemoResult) -> str:
    release = outcome.release
    return (
        f"release 1 has {release.images} images and {release.annotations} annotations; it was fetched with its images, "
        "and every checksum, link and count is right"
    )


def _links(outcome: DemoResult, run: Path) -> dict[str, list[str]]:
    links = {
        "COCO": [str(path) for path in outcome.exports],
        "release": [str(outcome.release.folder)],
        "report": [outcome.release.report.as_uri()] if outcome.release.report.exists() else [],
        "Prefect": [outcome.links.prefect_ui],
        "tasks": list(outcome.task_urls),
        "watcher": [outcome.links.health],
        "logs": [str(run / FOLDER / "logs")],
    }
    return {name: found for name, found in links.items() if found}


def _row(outcome: PhotographOutcome, drawn_by: Mapping[int, str | None]) -> list[Cell]:
    """Return the row of a photograph; a reviewed job is its reviewer's in CVAT, and `drawn_by` has its annotator."""
    job = outcome.job
    bot = drawn_by.get(job.id, job.assignee) if job else None
    return [
        outcome.upload.key, ", ".join(str(task.id) for task, _ in outcome.frames) or "-",
        str(job.id) if job else "-", bot or "-", str(outcome.saved.total()),
        ", ".join(str(boxes.total()) for boxes in outcome.exported) or "-",
        Text("✗", style="red") if list(outcome.problems()) else Text("✓", style="green"),
    ]  # fmt: skip
