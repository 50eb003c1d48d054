"""What the simple formats share: the boxes of a frame, the numbers of labels, and the zip."""

from __future__ import annotations

import posixpath
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from cvat_sandbox.formats.snapshot import Frame, Snapshot


def stem(frame: Frame) -> str:
    """Return the name of a frame without its suffix."""
    return posixpath.splitext(frame.name)[0]


def label_numbers(snapshot: Snapshot) -> dict[int, int]:
    """Return the position of each label, from 0, by its id."""
    return {key: number for number, key in enumerate(snapshot.label_names)}


def boxes(shapes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rectangles among the shapes."""
    return [shape for shape in shapes if shape["type"] == "rectangle"]


def box(shape: dict[str, Any]) -> tuple[float, float, float, float]:
    """Return x, y, width and height of a rectangle; raises ValueError for another number of points."""
    x0, y0, x1, y1 = shape["points"]
    return x0, y0, x1 - x0, y1 - y0


def write_zip(snapshot: Snapshot, out: BinaryIO, members: dict[str, str], folder: str = "") -> None:
    """Write the texts `members`, and with `folder` the images of the task below it."""
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        if folder:
            for frame in snapshot.frames.values():
                archive.write(frame.file, folder + frame.name)
