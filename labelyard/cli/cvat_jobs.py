"""`labelyard cvat jobs|assign|set-status|annotations|export|import`: jobs, annotations and exports."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click
from rich.progress import MofNCompleteColumn

from labelyard.cli.cvat_connection import read_json
from labelyard.cli.cvat_output import cvat_command
from labelyard.cli.cvat_tasks import find_user_id
from labelyard.cli.progress import progress_bar
from labelyard.cvat import Cvat, create_annotations, delete_annotations, update_annotations
from labelyard.cvat.raw_json import parse_annotations
from labelyard.domain.annotations import COCO, Annotations
from labelyard.domain.tasks import Job, JobStatus
from labelyard.errors import InputError


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@cvat_command
def jobs(cvat: Cvat, task_id: int) -> list[Job]:
    """List the jobs of a task."""
    return cvat.jobs(task_id)


@click.command()
@click.argument("job_id", type=int, metavar="JOB")
@click.argument("user", metavar="USER")
@click.option("--status", type=click.Choice([status.value for status in JobStatus]), help="Also set the job's status.")
@cvat_command
def assign(cvat: Cvat, job_id: int, user: str, status: str | None) -> Job:
    """Assign a job to USER (name or id; '-' removes the assignee)."""
    job = cvat.assign(job_id, None if user == "-" else find_user_id(cvat, user))
    return cvat.set_job_status(job_id, JobStatus(status)) if status else job


@click.command("set-status")
@click.argument("job_id", type=int, metavar="JOB")
@click.argument("status", type=click.Choice([status.value for status in JobStatus]))
@cvat_command
def set_status(cvat: Cvat, job_id: int, status: str) -> Job:
    """Set the status of a job. A task is completed when all of its jobs are."""
    return cvat.set_job_status(job_id, JobStatus(status))


@click.command("annotations")
@click.argument("number", type=int, metavar="JOB")
@click.option("--task", is_flag=True, help="JOB is a task: show the annotations of all of its jobs.")
@click.option("--create", "creating", type=click.File(), help="Add the annotations of a file: CVAT's JSON.")
@click.option("--update", "updating", type=click.File(), help="Change the annotations with the ids of a file.")
@click.option("--delete", "deleting", type=click.File(), help="Delete the annotations with the ids of a file.")
@cvat_command
def job_annotations(cvat: Cvat, number: int, task: bool, **files: IO[str] | None) -> Annotations:  # noqa: FBT001
    """Show the annotations of a job, or write them.

    Writing is safe to repeat: existing annotations are not created again, and only existing ids are changed.
    """
    given = {name: file for name, file in files.items() if file}
    if len(given) + task > 1:
        raise InputError("use one of --task, --create, --update, --delete at a time")
    if task:
        return cvat.task_annotations(number)
    for name, file in given.items():
        return _write(cvat, number, name, parse_annotations(read_json(file)))
    return cvat.annotations(number)


def _write(cvat: Cvat, job_id: int, change: str, given: Annotations) -> Annotations:
    size = len(given.shapes) + len(given.tracks) + len(given.tags)
    with progress_bar(f"{size} annotations of job {job_id}", size, MofNCompleteColumn()) as update:
        if change == "creating":
            return create_annotations(cvat, job_id, given, update)
        if change == "updating":
            update_annotations(cvat, job_id, given, update)
            return given
        deleted = delete_annotations(cvat, job_id, given, update)
    click.echo(f"deleted {deleted} of the {size} given annotations of job {job_id}; left in the job:", err=True)
    return cvat.annotations(job_id)


@click.command()
@click.argument("task_id", type=int, metavar="TASK")
@click.option(
    "--to", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; by default task-TASK.zip."
)
@click.option("--format", "format_name", default=COCO, show_default=True, help="The server's name of the format.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds until the command fails.")
@cvat_command
def export(cvat: Cvat, task_id: int, to: Path | None, format_name: str, deadline: float) -> str:
    """Download the annotations of a task.

    CVAT 1.x may return a stale file if someone saved during the export: export when the jobs are completed.
    """
    to = to or Path(f"task-{task_id}.zip")
    cvat.export(task_id, to, format_name=format_name, deadline=deadline)
    return str(to)


@click.command("import")
@click.argument("task_id", type=int, metavar="TASK")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_name", default=COCO, show_default=True, help="The server's name of the format.")
@click.option("--deadline", default=600.0, show_default=True, help="Seconds until the command fails.")
@cvat_command
def import_file(cvat: Cvat, task_id: int, file: Path, format_name: str, deadline: float) -> None:
    """Replace the annotations of a task with those of FILE."""
    cvat.import_annotations(task_id, file, format_name=format_name, deadline=deadline)


COMMANDS = (jobs, assign, set_status, job_annotations, export, import_file)
