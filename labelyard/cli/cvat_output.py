"""The output of `labelyard cvat`: tables for people, JSON for programs."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, is_dataclass
from typing import Any, get_type_hints

import click

from labelyard.cli.cvat_connection import Connection
from labelyard.cli.json_output import json_option
from labelyard.cli.table import Cell, linked, print_table
from labelyard.cvat import Cvat
from labelyard.cvat.error_responses import one_line
from labelyard.domain.annotations import Annotations
from labelyard.domain.tasks import Frame, Job, JobStatus, Member, Task, User

_COLUMNS: dict[type, dict[str, Callable[[Any], object]]] = {
    Task: {
        "task": lambda task: task.id,
        "name": lambda task: task.name,
        "status": lambda task: task.status,
        "frames": lambda task: task.size,
        "done": lambda task: f"{sum(job.status is JobStatus.COMPLETED for job in task.jobs)}/{len(task.jobs)}",
        "assignee": lambda task: task.assignee or "-",
        "updated": lambda task: task.updated[:19].replace("T", " "),
    },
    Job: {
        "job": lambda job: job.id,
        "task": lambda job: job.task_id,
        "frames": lambda job: f"{job.start_frame}-{job.stop_frame}",
        "status": lambda job: job.status,
        "assignee": lambda job: job.assignee or "-",
    },
    User: {
        "user": lambda user: user.id,
        "name": lambda user: user.username,
        "email": lambda user: user.email or "-",
        "groups": lambda user: ", ".join(user.groups) or "-",
        "rights": lambda user: "superuser" if user.is_superuser else "staff" if user.is_staff else "-",
    },
    Member: {
        "user": lambda member: member.user.id,
        "name": lambda member: member.user.username,
        "role": lambda member: member.role,
        "active": lambda member: "yes" if member.is_active else "invited",
    },
    Frame: {
        "frame": lambda frame: frame.name,
        "width": lambda frame: frame.width,
        "height": lambda frame: frame.height,
    },
}
"""The columns of a table by the type of its rows."""
_PAGES: dict[type, dict[str, Callable[[Any], str]]] = {
    Task: {"task": lambda task: f"/tasks/{task.id}"},
    Job: {"job": lambda job: f"/tasks/{job.task_id}/jobs/{job.id}", "task": lambda job: f"/tasks/{job.task_id}"},
}
"""The pages of CVAT to which cells link, by the type of the row and the column."""
_ASSIGNEE = "assignee"
_UserNames = Mapping[int, str]
"""User names by user id."""


def cvat_command(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a function of a `Cvat` into the body of a click command.

    It connects, calls the function, and prints the result as a table or as JSON.
    """

    @json_option(get_type_hints(command)["return"], "Print JSON instead of a table.")
    @click.pass_obj
    @functools.wraps(command)  # click takes the help text and the options of the function
    def run(connection: Connection, /, as_json: bool, **options: Any) -> None:  # noqa: FBT001 - how click passes flags
        with connection.error_hints(), closing(connection.cvat) as cvat:
            value = command(cvat, **options)
            user_names = _user_names(cvat, value)
        if as_json:
            click.echo(
                json.dumps(_with_assignee_names(to_json_values(value), user_names), indent=1, ensure_ascii=False)
            )
        else:
            _print(value, user_names, cvat.url)

    return run


def to_json_values(value: Any) -> Any:
    """Convert a value of the model to JSON objects, lists, strings and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [to_json_values(item) for item in value]
    return value


def _user_names(cvat: Cvat, value: Any) -> _UserNames:
    """Return the names of all users if `value` has an assignee."""
    rows = value if isinstance(value, list) else [value]
    assigned = [row for row in rows if isinstance(row, Task | Job)]
    assigned += [job for row in assigned if isinstance(row, Task) for job in row.jobs]
    if all(row.assignee is None for row in assigned):
        return {}
    return {user.id: user.username for user in cvat.users()}


def _with_assignee_names(value: Any, names: _UserNames) -> Any:
    """Return the JSON `value` with each assignee's name added."""
    if isinstance(value, list | tuple):
        return [_with_assignee_names(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    named = {key: _with_assignee_names(item, names) for key, item in value.items()}
    return named | {f"{_ASSIGNEE}_name": names.get(value[_ASSIGNEE])} if _ASSIGNEE in value else named


def _print(value: Any, names: _UserNames, url: str) -> None:
    """Print a value for people; `url` is the server's address, for links."""
    if value is None:
        return
    if isinstance(value, str):
        click.echo(value)
    elif isinstance(value, Task):
        _print_rows([value], names, url)
        click.echo("labels: " + ", ".join(one_line(label.name) for label in value.labels))
        _print_rows(value.jobs, names, url, empty="no jobs yet")
    elif isinstance(value, Annotations):
        _print_annotations(value)
    elif isinstance(value, list):
        _print_rows(value, names, url)
    elif type(value) in _COLUMNS:
        _print_rows([value], names, url)
    else:
        for name, part in asdict(value).items():
            click.echo(f"{name}: {'-' if part is None else one_line(str(part))}")


def _print_annotations(value: Annotations) -> None:
    click.echo(f"{len(value.shapes)} shapes, {len(value.tracks)} tracks, {len(value.tags)} tags")
    for shape in value.shapes:
        points = ", ".join(f"{x:g}" for x in shape.points)
        click.echo(f"  {shape.type} {shape.id} on frame {shape.frame}, label {shape.label_id}: {points}")


def _print_rows(rows: Sequence[Any], names: _UserNames, url: str, empty: str = "none") -> None:
    """Print rows of one type, without control characters in the server's texts; `empty` if there are none."""
    if not rows:
        click.echo(empty)
        return
    columns = _COLUMNS[type(rows[0])]
    print_table(list(columns), [_cells(columns, row, names, url) for row in rows])


def _cells(columns: Mapping[str, Callable[[Any], object]], row: Any, names: _UserNames, url: str) -> list[Cell]:
    cells = {name: cell(row) for name, cell in columns.items()}
    if isinstance(assignee := cells.get(_ASSIGNEE), int):
        cells[_ASSIGNEE] = names.get(assignee, assignee)
    pages = _PAGES.get(type(row), {})
    return [
        linked(one_line(str(cell)), url + pages[name](row) if name in pages else "") for name, cell in cells.items()
    ]
