"""What importers share: frames found by the names of images, labels and attributes by their names."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from cvat_sandbox.errors import InvalidDataset, WorkerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cvat_sandbox.formats.v2.snapshot import Label, Shape, Snapshot

Attributes = list[dict[str, Any]]
SOURCE = "file"
"""The source of everything that was imported."""


def empty() -> dict[str, Any]:
    """Return annotations that hold nothing."""
    return {"version": 0, "tags": [], "shapes": [], "tracks": [], "intervals": []}


class Frames:
    """The frames of a task or job by the names of their images without suffix.

    names: of all images of the file to import. They may be relative to a folder in which the images of the task are;
    the deepest one tells which.
    """

    def __init__(self, snapshot: Snapshot, names: Iterable[str]) -> None:
        (self._task,) = snapshot.tasks
        self._numbers = {posixpath.splitext(frame.name)[0]: n for n, frame in self._task.frames.items()}
        deepest = max(names, key=lambda name: len(PurePosixPath(name).parts), default="")
        self._folder = self._folder_of(deepest)

    def _folder_of(self, name: str) -> str:
        parts = PurePosixPath(name).parts
        for known in self._numbers if parts else ():
            if PurePosixPath(known).parts[-len(parts) :] == parts:
                return known.removesuffix(name).rstrip("/")
        return ""

    def find(self, name: str, number: str | None = None) -> int:
        """Return the frame of an image; if no name fits, the frame with this number, or with the name as number."""
        for candidate in (name, posixpath.join(self._folder, name)):
            if candidate in self._numbers:
                return self._numbers[candidate]
        text = name if number is None else number
        if text.isdecimal() and int(text) in self._task.frames:
            return int(text)
        raise InvalidDataset(f"Could not match item id: '{name}' with any task frame")

    def of_number(self, number: int) -> int:
        """Return the frame with a number in the uploaded files; raises ValueError."""
        frame, rest = divmod(number - self._task.first_frame, self._task.step)
        if rest or frame not in self._task.frames:
            raise ValueError(f"Unknown frame {number}")
        return frame


class Labels:
    """The labels of a task by name."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._labels = {(label.name, label.parent_id): label for label in snapshot.labels}

    def find(self, name: str, parent: Label | None = None) -> Label:
        """Return a label, or the point `name` of a skeleton; raises ValueError."""
        found = self._labels.get((name, parent.id if parent else None))
        if found is None:
            raise ValueError(f"Label {name!r} is not registered for this task")
        return found


def attributes(label: Label, given: dict[str, Any], *, mutable: bool | None = None) -> Attributes:
    """Return the values of known attributes. Others are dropped; `mutable` chooses one kind."""
    specs = {spec.name: spec for spec in label.attributes if mutable in {None, spec.mutable}}
    found = []
    for name, value in given.items():
        if name in specs:
            text = str(value)
            if specs[name].input_type == "checkbox" and text != specs[name].default_value:
                text = text.lower()
                if text not in {"true", "false"}:
                    raise WorkerError(f"Failed to convert attribute '{label.name}'='{value}': ")
            found.append({"spec_id": specs[name].id, "value": text})
    return found


def shape(kind: str, points: list[float], *, occluded: bool, rotation: float = 0.0, z_order: int = 0) -> Shape:
    """Return the fields of a shape that single ones and those of tracks have."""
    return {"type": kind, "points": points, "occluded": occluded, "outside": False, "rotation": rotation,
            "z_order": z_order}  # fmt: skip


def labeled(label: Label, frame: int, given: dict[str, Any], group: int = 0) -> Shape:
    """Return the fields of a tag or a single shape."""
    return {"id": None, "label_id": label.id, "frame": frame, "group": group, "source": SOURCE, "score": 1.0,
            "attributes": attributes(label, given)}  # fmt: skip
