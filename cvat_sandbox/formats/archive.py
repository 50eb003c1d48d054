"""What the formats share: the boxes of a frame, the numbers of labels, the colours of PASCAL VOC, and the zip."""

from __future__ import annotations

import posixpath
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


def voc_color(number: int) -> tuple[int, int, int]:
    """Return the colour of a class in the palette of PASCAL VOC: its bits, spread over the three channels."""
    color = [0, 0, 0]
    for bit in range(8):
        for channel in range(3):
            color[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
    return color[0], color[1], color[2]


def images(snapshot: Snapshot, folder: str) -> list[tuple[str, Path]]:
    """Return the path in the zip and the file of each image of a task; `folder` ends with a slash."""
    return [(folder + frame.name, frame.file) for frame in snapshot.frames.values()]


def write_zip(out: BinaryIO, members: Mapping[str, str | bytes], files: Iterable[tuple[str, Path]] = ()) -> None:
    """Write copies of `files`, and the contents `members` by their paths."""
    with zipfile.ZipFile(out, "w") as archive:
        for name, file in files:
            archive.write(file, name)
        for name, content in members.items():
            archive.writestr(name, content)
