"""The table of formats. The server lists all formats of CVAT 1.0.0; the job of a format that is not written fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from cvat_sandbox.formats import coco, cvat_xml, datumaro, mot, pascal_voc, yolo

if TYPE_CHECKING:
    from cvat_sandbox.formats.snapshot import Snapshot


class Exporter(Protocol):
    """A function that writes the file of a format."""

    def __call__(self, snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
        """Write the file of a task to `out`, with the images of the task if `images`."""


def _not_written(name: str) -> Exporter:
    def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
        raise NotImplementedError(f"the sandbox does not write {name}")

    return write


EXPORTERS: dict[str, Exporter] = {
    "COCO 1.0": coco.write,
    "CVAT for video 1.1": cvat_xml.write_video,
    "CVAT for images 1.1": cvat_xml.write_images,
    "Datumaro 1.0": datumaro.write,
    "LabelMe 3.0": _not_written("LabelMe 3.0"),
    "Segmentation mask 1.1": _not_written("Segmentation mask 1.1"),
    "MOT 1.1": mot.write,
    "PASCAL VOC 1.1": pascal_voc.write,
    "TFRecord 1.0": _not_written("TFRecord 1.0"),
    "YOLO 1.1": yolo.write,
}
"""The exporters by format, in the order of the server's list."""

IMPORTERS = {"COCO 1.0": "JSON, ZIP", "CVAT 1.1": "XML, ZIP", "LabelMe 3.0": "ZIP", "Segmentation mask 1.1": "ZIP",
             "MOT 1.1": "ZIP", "PASCAL VOC 1.1": "ZIP", "TFRecord 1.0": "ZIP", "YOLO 1.1": "ZIP"}  # fmt: skip
"""The types of the files that the server says it can import, by format."""

READERS: dict[str, Callable[[Snapshot, BinaryIO], dict[str, Any]]] = {"COCO 1.0": coco.read}
"""The importers that the sandbox has. Each returns the annotations of a file."""
