"""`labelyard cvat jobs|assign|set-status|annotations|export|import`: what people do with tasks."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click
from rich.progress import MofNCompleteColumn

from labelyard.cli.cvat_connection import json_of
from labelyard.cli.cvat_output import bar, verb
from labelyard.cli.cvat_tasks import user_id
from labelyard.cvat import Cvat, annotate
from labelyard.cvat.definitions import annotations_of
from labelyard.domain.annotations import COCO, Annotations
from labelyard.domain.tasks import Job, JobStatus
from labelyard.errors import InputError


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@verb
def jobs(cvat: Cvat, task_id: int) -> list[Job]:
    """List the jobs of a task."""
    return cvat.jobs(task_id)


@click.command()
@click.argument("job_id", type=int, metavar="JOB")
@click.argument("who", metavar="USER")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Set the job's status too.")
@verb
def assign(cvat: Cvat, job_id: int, who: str, status: str | None) -> Job:
    """Give a job to USER, a name or an id; '-' takes it back."""
    job = cvat.assign(job_id, None if who == "-" else user_id(cvat, who))
    return cvat.set_job_status(job_id, JobStatus(status)) if status else job


@click.command("set-status")
@click.argument("job_id", type=int, metavar="JOB")
@click.argument("status", type=click.Choice([status.value for status in JobStatus]))
@verb
def set_status(cvat: Cvat, job_id: int, status: str) -> Job:
    """Say how far a job is; when all are completed, so is their task."""
    return cvat.set_job_status(job_id, JobStatus(status))


@click.command("annotations")
@click.argument("number", type=int, metavar="JOB")
@click.option("--task", is_flag=True, help="JOB is a task: show what is saved in all of its jobs.")
@click.option("--create", "creating", type=click.File(), help="Add the annotations of a file: CVAT's JSON.")
@click.option("--update", "updating", type=click.File(), help="Change the annotations with the ids of a file.")
@click.option("--delete", "deleting", type=click.File(), help="Delete the annotations with the ids of a file.")
@verb
def saved(cvat: Cvat, number: int, task: bool, **files: IO[str] | None) -> Annotations:  # noqa: FBT001
    """Show the annotations of a job, or write them.

    Writing is safe to repeat: what a job holds already is not created again, and only ids that exist are changed.
    """
    given = {name: file for name, file in files.items() if file}
    if len(given) + task > 1:
        raise InputError("use one of --task, --create, --update, --delete at a time")
    if task:
        return cvat.task_annotations(number)
    for name, file in given.items():
        return _write(cvat, number, name, annotations_of(json_of(file)))
    return cvat.annotations(number)


def _write(cvat: Cvat, job_id: int, how: str, wanted: Annotations) -> Annotations:
    size = len(wanted.shapes) + len(wanted.tracks) + len(wanted.tags)
    with bar(f"{size} annotations of job {job_id}", size, MofNCompleteColumn()) as told:
        if how == "creating":
            return annotate.create(cvat, job_id, wanted, told)
        change = {"updating": annotate.update, "deleting": annotate.delete}[how]
        change(cvat, job_id, wanted, told)
        return wanted


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="Where to; by default task-TASK.zip.")
@click.option("--format", "format_name", default=COCO, show_default=True, help="A format as the server calls it.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds that the server may take.")
@verb
def export(cvat: Cvat, task_id: int, to: Path | None, format_name: str, deadline: float) -> str:
    """Download the annotations of a task.

    CVAT 1.x may give a stale file where somebody saved while it was written: export when the jobs are completed.
    """
    to = to or Path(f"task-{task_id}.zip")
    cvat.export(task_id, to, format_name=format_name, deadline=deadline)
    return str(to)


@click.command("import")
@click.argument("task_id", type=int, metavar="TASK")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_name", default=COCO, show_default=True, help="A format as the server calls it.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds that the server may take.")
@verb
def import_file(cvat: Cvat, task_id: int, file: Path, format_name: str, deadline: float) -> None:
    """Replace the annotations of a task by those of FILE."""
    cvat.import_annotations(task_id, file, format_name=format_name, deadline=deadline)


COMMANDS = (jobs, assign, set_status, saved, export, import_file)
