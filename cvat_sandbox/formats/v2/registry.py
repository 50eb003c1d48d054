"""The table of the formats of CVAT 2.x. The server lists all of 2.73; the job of one that is not written fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from cvat_sandbox.formats.v2 import coco, cvat_xml, datumaro, pascal_voc, yolo

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
    "Ultralytics YOLO Detection 1.0": yolo.write_detection,
    "Ultralytics YOLO Oriented Bounding Boxes 1.0": yolo.write_oriented_boxes,
    "Ultralytics YOLO Segmentation 1.0": yolo.write_segmentation,
    "Ultralytics YOLO Pose 1.0": yolo.write_pose,
}
"""The exporters that the sandbox has."""
