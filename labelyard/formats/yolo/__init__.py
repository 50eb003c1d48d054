"""YOLO as ultralytics reads it: boxes, turned boxes, outlines or skeletons; one format for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.domain.labels import Label
from labelyard.formats.interface import DatasetFile, Holding, Written
from labelyard.formats.yolo.detect import DetectRows
from labelyard.formats.yolo.obb import ObbRows
from labelyard.formats.yolo.pose import PoseRows
from labelyard.formats.yolo.read import read_yolo
from labelyard.formats.yolo.rows import Rows
from labelyard.formats.yolo.segment import SegmentRows
from labelyard.formats.yolo.write import write_yolo


class Yolo:
    """One of the YOLO formats (see `formats.interface.Format`); they differ in their rows."""

    archive_suffix = ".zip"
    holds_attributes = False
    merges_groups = False

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def holds(self) -> Mapping[Kind, Holding]:
        """How it holds each kind."""
        return self._rows.holds

    def refusal(self, one: FrameObject, label: Label, image: Image) -> str | None:
        """Return why there is no row for an object."""
        row = self._rows.row(one, label, image)
        return row if isinstance(row, str) else None

    def write(self, file: DatasetFile, folder: Path, stem: str) -> Written:  # noqa: ARG002 - their names are fixed
        """Write `data.yaml`, `train.txt`, `images.json` and the label files."""
        return write_yolo(self._rows, file, folder)

    def read(self, folder: Path, stem: str) -> Content:  # noqa: ARG002
        """Return the content of these files."""
        return read_yolo(self._rows, folder)


YOLO_ROWS: dict[str, Rows] = {
    "yolo-detect": DetectRows(),
    "yolo-segment": SegmentRows(),
    "yolo-obb": ObbRows(),
    "yolo-pose": PoseRows(),
}
YOLO_FORMATS = {name: Yolo(rows) for name, rows in YOLO_ROWS.items()}
