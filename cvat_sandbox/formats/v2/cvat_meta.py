"""What CVAT's XML of 2.x says about the task, job or project: the element `meta`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cvat_sandbox.formats.v2.skeletons import drawing
from cvat_sandbox.formats.xml_lines import date
from cvat_sandbox.state.database import now

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Label, Person, Project, Snapshot, TaskContent

Fields = list[tuple[str, Any]]


def meta(snapshot: Snapshot) -> Fields:
    """Return the children of `meta`, in order."""
    labels = [("labels", [("label", _label(snapshot, label)) for label in snapshot.labels])]
    if snapshot.project:
        about = [*_project(snapshot, snapshot.project), *labels]
    else:
        about = [*_task(snapshot, snapshot.tasks[0]), *labels]
    return [(snapshot.target, about), ("dumped", date(now()))]


def _project(snapshot: Snapshot, project: Project) -> Fields:
    subsets = dict.fromkeys(snapshot.subsets[task.id] for task in reversed(snapshot.tasks))
    return [
        ("id", project.id), ("name", project.name), ("bugtracker", project.bug_tracker),
        ("created", date(project.created)), ("updated", date(project.updated)),
        ("tasks", [("task", _task(snapshot, task)) for task in snapshot.tasks]),
        ("subsets", "\n".join(subsets)), ("owner", _person(project.owner)), ("assignee", _person(project.assignee)),
    ]  # fmt: skip


def _task(snapshot: Snapshot, task: TaskContent) -> Fields:
    name = [] if snapshot.target == "job" else [("name", task.name)]
    segments = [
        ("segment", [("id", segment.id), ("start", segment.start), ("stop", segment.stop),
                     ("url", f"{snapshot.host}/api/jobs/{segment.job_id}")])
        for segment in task.segments
    ]  # fmt: skip
    return [
        ("id", task.id), *name, ("size", task.size), ("mode", task.mode), ("overlap", task.overlap),
        ("bugtracker", task.bug_tracker), ("created", date(task.created)), ("updated", date(task.updated)),
        ("subset", snapshot.subsets[task.id]), ("start_frame", task.start_frame), ("stop_frame", task.stop_frame),
        ("frame_filter", task.frame_filter), ("segments", segments), ("owner", _person(task.owner)),
        ("assignee", _person(task.assignee)),
    ]  # fmt: skip


def _person(person: Person | None) -> Any:
    return [("username", person.username), ("email", person.email)] if person else ""


def _label(snapshot: Snapshot, label: Label) -> Fields:
    specs = [
        ("attribute", [("name", spec.name), ("mutable", spec.mutable), ("input_type", spec.input_type),
                       ("default_value", spec.default_value), ("values", "\n".join(spec.values))])
        for spec in label.attributes
    ]  # fmt: skip
    fields: Fields = [("name", label.name), ("color", label.color), ("type", label.type), ("attributes", specs)]
    if label.parent_id is not None:
        fields.append(("parent", snapshot.label_by_id[label.parent_id].name))
    if label.type == "skeleton":
        children = [child for child in snapshot.labels if child.parent_id == label.id]
        fields.append(("svg", drawing(label, children)))
    return fields
