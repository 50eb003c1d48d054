"""A task as an export sees it: read from the database at one moment, whatever is written afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cvat_sandbox import annotating, labels, media, tracks

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from cvat_sandbox.state import Store


class Frame(NamedTuple):
    """An image of the task: the number that exports give it, its name, size and file."""

    id: int
    name: str
    width: int
    height: int
    file: Path


@dataclass(frozen=True)
class Snapshot:
    """Everything that an exporter needs."""

    task: sqlite3.Row
    data: sqlite3.Row
    labels: list[dict[str, Any]]
    segments: list[sqlite3.Row]
    people: dict[str, sqlite3.Row | None]
    annotations: dict[str, Any]
    frames: dict[int, Frame]
    """By the number in the source, which is not the task's number where start_frame or frame_filter are set."""
    host: str

    @property
    def label_names(self) -> dict[int, str]:
        """Label id -> name, in the order of creation."""
        return {label["id"]: label["name"] for label in self.labels}

    @property
    def attributes(self) -> dict[int, dict[str, Any]]:
        """Attribute id -> its spec."""
        return {spec["id"]: spec for label in self.labels for spec in label["attributes"]}

    def shapes(self) -> list[dict[str, Any]]:
        """Every shape on every frame: shapes first, then tracks expanded; stable by z_order.

        Raises KeyError for a frame that the task does not have, as CVAT does.
        """
        expanded = list(self.annotations["shapes"])
        for place, track in enumerate(self.annotations["tracks"]):
            for shape in tracks.interpolated(track, self.data["size"]):
                own = {"label_id": track["label_id"], "group": track["group"], "track_id": place}
                expanded.append({**shape, **own, "attributes": shape["attributes"] + track["attributes"]})
        expanded.sort(key=lambda shape: shape["z_order"])
        for item in [*expanded, *self.annotations["tags"]]:
            if item["frame"] not in self.frames:
                raise KeyError(item["frame"])
        return expanded

    def by_frame(self) -> Iterator[tuple[int, Frame, list[dict[str, Any]]]]:
        """Source number, frame and shapes of each frame, empty ones too."""
        found: dict[int, list[dict[str, Any]]] = {number: [] for number in self.frames}
        for shape in self.shapes():
            found[shape["frame"]].append(shape)
        for number, frame in self.frames.items():
            yield number, frame, found[number]


def take(store: Store, task_id: int, host: str, folder: Path) -> Snapshot:
    """Read a task; AttributeError, as CVAT has it, for one without data. `folder` holds the data folders."""
    with store.transaction():
        task = store.one("SELECT * FROM task WHERE id = ?", task_id)
        if task is None:
            raise LookupError("Task matching query does not exist.")
        data = store.one("SELECT * FROM data WHERE id = ?", task["data_id"])
        if data is None:
            raise AttributeError("'NoneType' object has no attribute 'get_frame_step'")
        step, raw = media.frame_step(data["frame_filter"]), folder / str(data["id"]) / "raw"
        frames = {
            row["frame"]: Frame(
                row["frame"] * step + data["start_frame"], row["path"], row["width"], row["height"], raw / row["file"]
            )
            for row in store.all("SELECT * FROM frame WHERE data_id = ? ORDER BY frame", data["id"])
        }
        people = {role: store.one("SELECT * FROM user WHERE id = ?", task[role]) for role in ("owner", "assignee")}
        segments = store.all(
            "SELECT s.*, j.id AS job_id FROM segment s JOIN job j ON j.segment_id = s.id "
            "WHERE s.task_id = ? ORDER BY s.id",
            task_id,
        )
        return Snapshot(task, data, labels.described(store, [task_id]).get(task_id, []), segments, people,
                        annotating.read_task(store, task_id), frames, host)  # fmt: skip
