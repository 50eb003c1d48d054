"""The tables of the formats of CVAT 2.x that the sandbox writes and reads. Its server lists more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from cvat_sandbox.formats.v2 import coco, cvat_xml, datumaro, pascal_voc, read_coco, read_cvat, yolo

if TYPE_CHECKING:
    from cvat_sandbox.formats.v2.snapshot import Snapshot


class Exporter(Protocol):
    """A function that writes the file of a format."""

    def __call__(self, snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
        """Write the file of a task, job or project to `out`, with the images if `images`."""


EXPORTERS: dict[str, Exporter] = {
    "COCO 1.0": coco.write,
    "COCO Keypoints 1.0": coco.write_keypoints,
    "CVAT for video 1.1": cvat_xml.write_video,
    "CVAT for images 1.1": cvat_xml.write_images,
    "Datumaro 1.0": datumaro.write,
    "Segmentation mask 1.1": pascal_voc.write_masks,
    "PASCAL VOC 1.1": pascal_voc.write,
    "YOLO 1.1": yolo.write_darknet,
    "Ultralytics YOLO Detection 1.0": yolo.write_detection,
    "Ultralytics YOLO Oriented Bounding Boxes 1.0": yolo.write_oriented_boxes,
    "Ultralytics YOLO Segmentation 1.0": yolo.write_segmentation,
    "Ultralytics YOLO Pose 1.0": yolo.write_pose,
}
"""The exporters that the sandbox has."""

READERS: dict[str, Callable[[Snapshot, BinaryIO, str], dict[str, Any]]] = {
    "COCO 1.0": read_coco.read,
    "CVAT 1.1": read_cvat.read,
}
"""The importers that the sandbox has. Each returns the annotations of a file; the text is a folder for messages."""
