"""MOT 1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from cvat_sandbox.formats.archive import box, boxes, label_numbers, write_zip
from cvat_sandbox.formats.archive import images as image_files

if TYPE_CHECKING:
    from cvat_sandbox.formats.snapshot import Snapshot


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write a row for each box: frame and track from 1, box, label from 1, and 0 if the box is occluded."""
    numbers, rows = label_numbers(snapshot), []
    for number, _, shapes in snapshot.by_frame():
        for shape in boxes(shapes):
            track = shape["track_id"] + 1 if "track_id" in shape else -1
            values = ",".join(str(float(value)) for value in box(shape))
            label, visible = numbers[shape["label_id"]] + 1, float(not shape["occluded"])
            rows.append(f"{number + 1},{track},{values},1,{label},{visible}\r\n")
    members = {"gt/gt.txt": "".join(rows), "gt/labels.txt": "\n".join(snapshot.label_names.values())}
    write_zip(out, members, image_files(snapshot, "img1/") if images else ())
