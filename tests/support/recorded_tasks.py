"""Tasks and projects as recorded exchanges describe them, as snapshots for the exporters of CVAT 2.x."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from cvat_sandbox.formats.v2.snapshot import (
    AttributeSpec,
    Frame,
    Label,
    Person,
    Project,
    Segment,
    Snapshot,
    TaskContent,
)

FOLDERS_ZIP = ["a/img_1.jpg", "a/img_2.jpg", "b/c/img_3.jpg", "b/img_1.jpg"]
EXPORT = re.compile(r"/api/(task|job|project)s/(\d+)/dataset/download")


class RecordedTasks:
    """Follows a recorded history and knows the state of its tasks at any exchange."""

    def __init__(self) -> None:
        self.tasks: dict[int, dict[str, Any]] = {}
        self.projects: dict[int, dict[str, Any]] = {}
        self.labels: dict[int, list[dict[str, Any]]] = {}
        self.frames: dict[int, list[str]] = {}
        self.segments: dict[int, list[tuple[int, int, int]]] = {}
        self.annotations: dict[int, dict[str, Any]] = {}

    def follow(self, record: dict[str, Any]) -> None:
        """Take what a record says about tasks."""
        for step in record.get("steps", []):
            self.follow(step)
        body, path = record.get("response_body"), record.get("path", "")
        if not isinstance(body, dict) or record.get("status", 500) >= 300:
            return
        if re.fullmatch(r"/api/(tasks|projects)(/\d+)?", path) and "id" in body:
            (self.tasks if "/tasks" in path else self.projects)[body["id"]] = body
        elif found := re.fullmatch(r"/api/tasks/(\d+)/data", path):
            self.frames[int(found[1])] = frame_names(record)
        elif path == "/api/labels":
            self._keep_labels(body["results"])
        elif path == "/api/jobs":
            self._keep_jobs(body.get("results", []))
        elif (found := re.fullmatch(r"/api/(tasks|jobs)/(\d+)/annotations", path)) and "shapes" in body:
            self._keep_annotations(found[1], int(found[2]), record["method"], body)

    def _keep_jobs(self, jobs: list[dict[str, Any]]) -> None:
        for job in jobs:
            if job["type"] == "annotation":
                segment = job["id"], job["start_frame"], job["stop_frame"]
                found = self.segments.setdefault(job["task_id"], [])
                found += [segment] if segment not in found else []

    def _keep_labels(self, labels: list[dict[str, Any]]) -> None:
        for label in labels:
            owner = label.get("task_id") or -label["project_id"]
            known = self.labels.setdefault(owner, [])
            self.labels[owner] = [other for other in known if other["id"] != label["id"]] + [label]

    def _keep_annotations(self, kind: str, key: int, method: str, body: dict[str, Any]) -> None:
        task = key if kind == "tasks" else next((t for t, s in self.segments.items() if key in {i for i, *_ in s}), 0)
        if method in {"GET", "PUT"}:
            self.annotations[task] = body

    # -- snapshots

    def labels_of(self, task: int | None, project: int | None) -> list[Label]:
        """Return the labels of a task or project in the order of their ids."""
        rows = self.labels.get(task or 0) or self.labels.get(-(project or 0)) or self.labels[max(self.labels)]
        found = []
        for row in rows:
            found.append(_label(row, None))
            found += [_label(child, row["id"]) for child in row["sublabels"]]
        return sorted(found, key=lambda label: label.id)

    def snapshot(self, kind: str, key: int, folder: Path) -> Snapshot:
        """Return what an export of a task, job or project would write."""
        if kind == "project":
            row = self.projects[key]
            labels = self.labels_of(None, key)
            tasks = [self._content(task, labels, folder) for task, t in self.tasks.items() if t["project_id"] == key]
            project = Project(key, row["name"], row["bug_tracker"], row["created_date"], row["updated_date"],
                              _person(row["owner"]), _person(row["assignee"]))  # fmt: skip
            return Snapshot("project", labels, tasks, "http://127.0.0.1", project)
        job = None
        task = key
        if kind == "job":
            task, job = next((t, s) for t, segments in self.segments.items() for s in segments if s[0] == key)
        labels = self.labels_of(task, self.tasks[task]["project_id"])
        return Snapshot(
            "job" if job else "task", labels, [self._content(task, labels, folder, job)], "http://127.0.0.1"
        )

    def _content(
        self, task: int, labels: list[Label], folder: Path, job: tuple[int, int, int] | None = None
    ) -> TaskContent:
        row, names = self.tasks[task], self.frames[task]
        start, stop = (job[1], job[2]) if job else (0, len(names) - 1)
        frames = {n: _frame(n, names[n], folder) for n in range(start, stop + 1)}
        segments = [job] if job else sorted(self.segments.get(task, [(1, 0, stop)]))
        empty = {"tags": [], "shapes": [], "tracks": []}
        return TaskContent(
            id=job[0] if job else task, name=row["name"], size=len(frames), mode="annotation", overlap=0,
            bug_tracker=row["bug_tracker"], created=row["created_date"], updated=row["updated_date"],
            subset=row["subset"], start_frame=start, stop_frame=stop, frame_filter="",
            segments=[Segment(key, first, last, key) for key, first, last in segments],
            owner=_person(row["owner"]), assignee=_person(row["assignee"]), frames=frames,
            annotations=with_defaults(self.annotations.get(task, empty), labels),
        )  # fmt: skip


def frame_names(record: dict[str, Any]) -> list[str]:
    """Return the images of an upload in the order of the frames."""
    if "request_body_multipart" not in record:
        return list(record.get("request_body_json", {}).get("server_files", []))
    names = [file[1] for file in record["request_body_multipart"]["files"]]
    return FOLDERS_ZIP if names == ["folders.zip"] else sorted(names)


def _frame(number: int, name: str, folder: Path) -> Frame:
    size = re.search(r"(\d+)x(\d+)", name)
    width, height = (int(size[1]), int(size[2])) if size else (320, 240)
    file = folder / name.replace("/", "_")
    file.write_bytes(b"image")
    return Frame(number, name, width, height, file)


def _person(user: dict[str, Any] | None) -> Person | None:
    return Person(user["username"], f"{user['username']}@example.com") if user else None


def _label(row: dict[str, Any], parent: int | None) -> Label:
    fields = ("id", "name", "mutable", "input_type", "default_value", "values")
    specs = [AttributeSpec(*(spec[name] for name in fields)) for spec in row["attributes"]]
    return Label(row["id"], row["name"], row["color"], row["type"], specs, parent, row.get("svg", ""))


# -- the defaults that GET fills in


def with_defaults(annotations: dict[str, Any], labels: list[Label]) -> dict[str, Any]:
    """Return annotations with all attributes, as GET returns them."""
    specs = {label.id: label.attributes for label in labels}
    found = deepcopy(annotations)
    for item in [*found["tags"], *found["shapes"]]:
        _fill(item, specs, mutable=None)
        for element in item.get("elements", []):
            _fill(element, specs, mutable=None)
    for track in found["tracks"]:
        _fill_track(track, specs)
    found["shapes"].sort(key=lambda shape: shape["frame"])
    return found


def _fill_track(track: dict[str, Any], specs: dict[int, list[AttributeSpec]]) -> None:
    _fill(track, specs, mutable=False)
    inherited: list[dict[str, Any]] = []
    for shape in track["shapes"]:
        known = {a["spec_id"] for a in shape["attributes"]}
        shape["attributes"] += [a for a in inherited if a["spec_id"] not in known]
        _fill({**shape, "label_id": track["label_id"]}, specs, mutable=True)
        inherited = shape["attributes"]
    for element in track.get("elements", []):
        _fill_track(element, specs)


def _fill(item: dict[str, Any], specs: dict[int, list[AttributeSpec]], *, mutable: bool | None) -> None:
    known = {a["spec_id"] for a in item["attributes"]}
    item["attributes"] += [
        {"spec_id": spec.id, "value": spec.default_value} for spec in specs[item["label_id"]]
        if spec.id not in known and mutable in {None, spec.mutable}
    ]  # fmt: skip


def downloads(record: dict[str, Any]) -> Iterator[tuple[str, int, str, bool, dict[str, Any]]]:
    """Yield kind, id, format, whether with images, and the zip of each download of an export in a record."""
    for step in record.get("steps", [record]):
        body, found = step.get("response_body"), EXPORT.fullmatch(step.get("path", ""))
        if found and isinstance(body, dict) and "zip_members" in body:
            query = step["query"]
            name = re.search(r"format%3D(.*?)%26", query)
            assert name is not None
            yield found[1], int(found[2]), name[1].replace("_", " ").replace("~", "."), "%3Ddataset" in query, body


def history(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the records of a folder in order, with their names."""
    for file in sorted(folder.glob("[0-9][0-9][0-9][0-9]-*.json")):
        yield file.stem, json.loads(file.read_text("utf-8"))
