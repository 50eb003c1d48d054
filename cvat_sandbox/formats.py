"""The formats of the server by name: all are listed, and may be asked for; those that nobody wrote fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from cvat_sandbox import coco, cvat_xml, exporters

if TYPE_CHECKING:
    from cvat_sandbox.snapshot import Snapshot


class Exporter(Protocol):
    """A function that writes the file of a task."""

    def __call__(self, snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
        """Write to `out`; with its images when the task is exported as a dataset."""


def _unwritten(name: str) -> Exporter:
    def write(snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None:
        raise NotImplementedError(f"the sandbox does not write {name}")

    return write


EXPORTERS: dict[str, Exporter] = {
    "COCO 1.0": coco.write,
    "CVAT for video 1.1": cvat_xml.write_video,
    "CVAT for images 1.1": cvat_xml.write_images,
    "Datumaro 1.0": exporters.write_datumaro,
    "LabelMe 3.0": _unwritten("LabelMe 3.0"),
    "Segmentation mask 1.1": _unwritten("Segmentation mask 1.1"),
    "MOT 1.1": exporters.write_mot,
    "PASCAL VOC 1.1": exporters.write_voc,
    "TFRecord 1.0": _unwritten("TFRecord 1.0"),
    "YOLO 1.1": exporters.write_yolo,
}
"""In the order in which the server lists them."""

IMPORTERS = {"COCO 1.0": "JSON, ZIP", "CVAT 1.1": "XML, ZIP", "LabelMe 3.0": "ZIP", "Segmentation mask 1.1": "ZIP",
             "MOT 1.1": "ZIP", "PASCAL VOC 1.1": "ZIP", "TFRecord 1.0": "ZIP", "YOLO 1.1": "ZIP"}  # fmt: skip
"""Name -> what files it takes; the sandbox reads COCO only."""


def listing() -> dict[str, list[dict[str, str]]]:
    """What the server says it can read and write."""
    written = dict.fromkeys(EXPORTERS, "ZIP")
    return {
        side: [{"name": name, "ext": ext, "version": name.rsplit(" ", 1)[1]} for name, ext in formats.items()]
        for side, formats in (("importers", IMPORTERS), ("exporters", written))
    }
