"""The formats of the server by name: all are listed, those in EXPORTERS can be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

from labelyard.sandbox import coco

if TYPE_CHECKING:
    from labelyard.sandbox.snapshot import Snapshot


class Exporter(Protocol):
    """Writes the file of a task."""

    def __call__(self, snapshot: Snapshot, out: BinaryIO, *, images: bool) -> None: ...


EXPORTERS: dict[str, Exporter] = {"COCO 1.0": coco.write}

_IMPORTED = {"COCO": "JSON, ZIP", "CVAT": "XML, ZIP", "LabelMe": "ZIP", "Segmentation mask": "ZIP", "MOT": "ZIP",
             "PASCAL VOC": "ZIP", "TFRecord": "ZIP", "YOLO": "ZIP"}  # fmt: skip
_EXPORTED = ("COCO", "CVAT for video", "CVAT for images", "Datumaro", "LabelMe", "Segmentation mask", "MOT", "PASCAL VOC",
             "TFRecord", "YOLO")  # fmt: skip
_VERSIONS = {"COCO": "1.0", "Datumaro": "1.0", "LabelMe": "3.0", "TFRecord": "1.0"}


def importers() -> list[dict[str, str]]:
    """What the server says it can read."""
    return [_described(name, ext) for name, ext in _IMPORTED.items()]


def exporters() -> list[dict[str, str]]:
    """What the server says it can write."""
    return [_described(name, "ZIP") for name in _EXPORTED]


def _described(name: str, ext: str) -> dict[str, str]:
    version = _VERSIONS.get(name, "1.1")
    return {"name": f"{name} {version}", "ext": ext, "version": version}
