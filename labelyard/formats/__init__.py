"""Dataset formats: writing them from what people drew, reading them, and checking what a file holds.

A new format is a package or module that provides what `interface.Format` asks for, and a line in `FORMATS`.
"""

from __future__ import annotations

from labelyard.formats.coco import Coco
from labelyard.formats.interface import Format
from labelyard.formats.yolo import YOLO_FORMATS

FORMATS: dict[str, Format] = {
    "coco": Coco(),
    **YOLO_FORMATS,
}
"""Every format by the name that dataset files and the ledger have."""
