"""Snapshots: a task with its annotations, read from the database at one moment for an export."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cvat_sandbox.state import labels, media, tracks
from cvat_sandbox.state.annotations import read_task_annotations

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from cvat_sandbox.state.database import Database


class Frame(NamedTuple):
    """An image of a task: its id in exports, its name, size and file."""

    id: int
    name: str
    width: int
    height: int
    file: Path


@dataclass(frozen=True)
class Snapshot:
    """The task that an exporter writes."""

    task: sqlite3.Row
    data: sqlite3.Row
    labels: list[dict[str, Any]]
    segments: list[sqlite3.Row]
    people: dict[str, sqlite3.Row | None]
    annotations: dict[str, Any]
    frames: dict[int, Frame]
    """By number in the uploaded files. With `start_frame` or `frame_filter` it differs from the number in the task."""
    host: str

    @property
    def label_names(self) -> dict[int, str]:
        """The names of the labels by id, in the order of creation."""
        return {label["id"]: label["name"] for label in self.labels}

    @property
    def attributes(self) -> dict[int, dict[str, Any]]:
        """The attribute specs of all labels by id."""
        return {spec["id"]: spec for label in self.labels for spec in label["attributes"]}

    def shapes(self) -> list[dict[str, Any]]:
        """Return every shape on every frame, sorted by z_order; tracks are expanded and follow the shapes.

        Raises KeyError, as CVAT does, for a frame that the task does not have.
        """
        expanded = list(self.annotations["shapes"])
        for number, track in enumerate(self.annotations["tracks"]):
            for shape in tracks.interpolated(track, self.data["size"]):
                own = {"label_id": track["label_id"], "group": track["group"], "track_id": number}
                expanded.append({**shape, **own, "attributes": shape["attributes"] + track["attributes"]})
        expanded.sort(key=lambda shape: shape["z_order"])
        for item in [*expanded, *self.annotations["tags"]]:
            if item["frame"] not in self.frames:
                raise KeyError(item["frame"])
        return expanded

    def by_frame(self) -> Iterator[tuple[int, Frame, list[dict[str, Any]]]]:
        """Yield the number, the frame and the shapes of each frame, also of empty ones."""
        found: dict[int, list[dict[str, Any]]] = {number: [] for number in self.frames}
        for shape in self.shapes():
            found[shape["frame"]].append(shape)
        for number, frame in self.frames.items():
            yield number, frame, found[number]


def read_snapshot(db: Database, task_id: int, host: str, folder: Path) -> Snapshot:
    """Read a task; `folder` contains its data folder. Raises AttributeError, as CVAT does, for a task without data."""
    with db.transaction():
        task = db.one("SELECT * FROM task WHERE id = ?", task_id)
        if task is None:
            raise LookupError("Task matching query does not exist.")
        data = db.one("SELECT * FROM data WHERE id = ?", task["data_id"])
        if data is None:
            raise AttributeError("'NoneType' object has no attribute 'get_frame_step'")
        step, raw = media.frame_step(data["frame_filter"]), folder / str(data["id"]) / "raw"
        frames = {
            row["frame"]: Frame(
                row["frame"] * step + data["start_frame"], row["path"], row["width"], row["height"], raw / row["file"]
            )
            for row in db.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", data["id"])
        }
        people = {role: db.one("SELECT * FROM user WHERE id = ?", task[role]) for role in ("owner", "assignee")}
        segments = db.all(
            "SELECT s.*, j.id AS job_id FROM segment s JOIN job j ON j.segment_id = s.id "
            "WHERE s.task_id = ? ORDER BY s.id",
            task_id,
        )
        return Snapshot(task, data, labels.of_tasks(db, [task_id]).get(task_id, []), segments, people,
                        read_task_annotations(db, task_id), frames, host)  # fmt: skip
