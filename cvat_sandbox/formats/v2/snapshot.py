"""Snapshots of CVAT 2.x: a task, a job or a project with its annotations at one moment, for an export or import."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

Shape = dict[str, Any]
DEFAULT_SUBSET = "default"


class Frame(NamedTuple):
    """An image: its number in the uploaded files, its name, size and file."""

    id: int
    name: str
    width: int
    height: int
    file: Path


class AttributeSpec(NamedTuple):
    """An attribute of a label."""

    id: int
    name: str
    mutable: bool
    input_type: str
    default_value: str
    values: list[str]


class Label(NamedTuple):
    """A label. The points of a skeleton are labels with a parent."""

    id: int
    name: str
    color: str
    type: str
    attributes: list[AttributeSpec]
    parent_id: int | None = None
    svg: str = ""


class Person(NamedTuple):
    """A user, as CVAT's XML names one."""

    username: str
    email: str


class Segment(NamedTuple):
    """The first and the last frame of a job."""

    id: int
    start: int
    stop: int
    job_id: int


@dataclass(frozen=True)
class TaskContent:
    """The frames and annotations of a task or a job, and what CVAT's XML says about it."""

    id: int
    name: str
    size: int
    mode: str
    overlap: int
    bug_tracker: str
    created: str
    updated: str
    subset: str
    start_frame: int
    stop_frame: int
    frame_filter: str
    segments: list[Segment]
    owner: Person | None
    assignee: Person | None
    frames: dict[int, Frame]
    """By number in the task; without deleted ones and without copies of validation frames."""
    annotations: dict[str, Any]
    """As the API returns them, with all defaults filled in."""
    first_frame: int = 0
    """The number of the first frame of the task in the uploaded files."""
    step: int = 1
    """The distance of two frames in the uploaded files."""

    @property
    def end(self) -> int:
        """The frame after the last one, up to which tracks continue."""
        return max(self.frames, default=-1) + 1


@dataclass(frozen=True)
class Project:
    """What CVAT's XML says about a project."""

    id: int
    name: str
    bug_tracker: str
    created: str
    updated: str
    owner: Person | None
    assignee: Person | None


@dataclass(frozen=True)
class Snapshot:
    """What an exporter writes and an importer compares with: a task, a job, or a project with its tasks."""

    target: Literal["task", "job", "project"]
    labels: list[Label]
    """In the order of their ids; the points of a skeleton are among them."""
    tasks: list[TaskContent]
    host: str
    project: Project | None = None
    subsets: dict[int, str] = field(init=False)
    """The name of the subset of each task by its id."""

    def __post_init__(self) -> None:
        """Name the subset of tasks that have none: `default`, unless another task has that name."""
        named = {task.subset for task in self.tasks}
        spare = DEFAULT_SUBSET
        number = 1
        while spare in named:
            spare, number = f"{DEFAULT_SUBSET}_{number}", number + 1
        object.__setattr__(self, "subsets", {task.id: task.subset or spare for task in self.tasks})

    @cached_property
    def label_by_id(self) -> dict[int, Label]:
        """The labels by id."""
        return {label.id: label for label in self.labels}

    @cached_property
    def attribute_by_id(self) -> dict[int, AttributeSpec]:
        """The attribute specs of all labels by id."""
        return {spec.id: spec for label in self.labels for spec in label.attributes}

    def names(self) -> dict[tuple[int, int], str]:
        """Return the names of the images by task and frame. In a project, a name that repeats in its subset changes."""
        taken: Counter[tuple[str, str]] = Counter()
        found = {}
        for task in self.tasks:
            for number, frame in task.frames.items():
                name = frame.name
                if self.project:
                    name = _distinct(name, self.subsets[task.id], taken)
                found[task.id, number] = name
        return found


def _distinct(name: str, subset: str, taken: Counter[tuple[str, str]]) -> str:
    """Return a name that the subset does not have: `a.jpg`, then `a_1.jpg`, `a_2.jpg`, and so on."""
    stem, dot, suffix = name.rpartition(".")
    taken[subset, stem] += 1
    if taken[subset, stem] == 1:
        return name
    other = f"{stem}_{taken[subset, stem] - 1}"
    taken[subset, other] += 1
    return other + dot + suffix
