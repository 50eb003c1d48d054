"""What `labelyard cvat` prints: values as tables for people, or as JSON for programs."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from labelyard.cli.cvat_connection import Connection
from labelyard.cvat import Cvat
from labelyard.cvat.refusals import one_line
from labelyard.domain.annotations import Annotations
from labelyard.domain.tasks import Frame, Job, JobStatus, Task, User

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
    Frame: {
        "frame": lambda frame: frame.name,
        "width": lambda frame: frame.width,
        "height": lambda frame: frame.height,
    },
}
"""The columns of a table by what its rows are."""
_ASSIGNEE = "assignee"
_People = Mapping[int, str]
"""User names by id."""


def verb(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command over a `Cvat`: connected first; what it returns is printed as a table, or with --json as JSON."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    @click.pass_obj
    @functools.wraps(command)
    def told(place: Connection, /, as_json: bool, **given: Any) -> None:  # noqa: FBT001 - click passes flags so
        with place.in_use(), closing(place.cvat) as cvat:
            value = command(cvat, **given)
            people = _people(cvat, value)
        if as_json:
            click.echo(json.dumps(_named(jsonable(value), people), indent=1, ensure_ascii=False))
        else:
            _show(value, people)

    return told


@contextmanager
def bar(description: str, total: int, *unit: ProgressColumn) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal's error channel, out of the way of what is printed; the function it gives moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), *unit, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        under_way = progress.add_task(description, total=total)
        yield lambda done: progress.update(under_way, completed=done)


def jsonable(value: Any) -> Any:
    """A value of the model as JSON has it: objects with the model's own names, lists, words."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    return value


def _people(cvat: Cvat, value: Any) -> _People:
    """The names of all users, where `value` holds an id of one."""
    rows = value if isinstance(value, list) else [value]
    given = [row for row in rows if isinstance(row, Task | Job)]
    given += [job for row in given if isinstance(row, Task) for job in row.jobs]
    if all(row.assignee is None for row in given):
        return {}
    return {user.id: user.username for user in cvat.users()}


def _named(value: Any, people: _People) -> Any:
    """JSON in which beside the id of each assignee stands the name."""
    if isinstance(value, list | tuple):
        return [_named(one, people) for one in value]
    if not isinstance(value, dict):
        return value
    named = {name: _named(one, people) for name, one in value.items()}
    return named | {f"{_ASSIGNEE}_name": people.get(value[_ASSIGNEE])} if _ASSIGNEE in value else named


def _show(value: Any, people: _People) -> None:
    console = Console()
    if value is None:
        return
    if isinstance(value, str):
        click.echo(value)
    elif isinstance(value, Task):
        console.print(_table([value], people))
        console.print(Text("labels: " + ", ".join(one_line(label.name) for label in value.labels)))
        console.print(_table(value.jobs, people) if value.jobs else "no jobs yet")
    elif isinstance(value, Annotations):
        console.print(Text(f"{len(value.shapes)} shapes, {len(value.tracks)} tracks, {len(value.tags)} tags"))
        for shape in value.shapes:
            points = ", ".join(f"{x:g}" for x in shape.points)
            console.print(Text(f"  {shape.type} {shape.id} on frame {shape.frame}, label {shape.label_id}: {points}"))
    elif isinstance(value, list):
        console.print(_table(value, people) if value else "none")
    elif type(value) in _COLUMNS:
        console.print(_table([value], people))
    else:
        for name, part in asdict(value).items():
            console.print(Text(f"{name}: {'-' if part is None else one_line(str(part))}"))


def _table(rows: Sequence[Any], people: _People) -> Table:
    """A table of values of one kind; what a server says cannot drive the terminal."""
    columns = _COLUMNS[type(rows[0])]
    table = Table(pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        cells = {name: cell(row) for name, cell in columns.items()}
        if isinstance(assignee := cells.get(_ASSIGNEE), int):
            cells[_ASSIGNEE] = people.get(assignee, assignee)
        table.add_row(*(Text(one_line(str(cell))) for cell in cells.values()))
    return table
