"""YOLO 1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from cvat_sandbox.formats.archive import box, boxes, label_numbers, stem, write_zip
from cvat_sandbox.formats.archive import images as image_files

if TYPE_CHECKING:
    from cvat_sandbox.formats.snapshot import Snapshot


def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
    """Write a text file for each image: a line for each box with its label, centre and size relative to the image."""
    numbers, names = label_numbers(snapshot), snapshot.label_names.values()
    data = f"classes = {len(numbers)}\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    members = {"train.txt": "", "obj.data": data, "obj.names": "\n".join(names) + "\n"}
    for _, frame, shapes in snapshot.by_frame():
        members["train.txt"] += f"data/obj_train_data/{frame.name}\n"
        lines = []
        for shape in boxes(shapes):
            x, y, width, height = box(shape)
            centre = (x + width / 2) / frame.width, (y + height / 2) / frame.height
            values = (*centre, width / frame.width, height / frame.height)
            lines.append(f"{numbers[shape['label_id']]} " + " ".join(f"{value:.6f}" for value in values) + "\n")
        members[f"obj_train_data/{stem(frame)}.txt"] = "".join(lines)
    write_zip(out, members, image_files(snapshot, "obj_train_data/") if images else ())
