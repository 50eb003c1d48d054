"""Dataset formats: writing them from what people drew, reading them, and checking what a file holds.

A new format is a package or module that provides what `interface.Format` asks for, and a line in `FORMATS`.
"""

from __future__ import annotations

from labelyard.formats.coco import Coco
from labelyard.formats.coco.keypoints import CocoKeypoints
from labelyard.formats.hf import HuggingFace
from labelyard.formats.interface import Format
from labelyard.formats.voc import Voc
from labelyard.formats.yolo import YOLO_FORMATS

FORMATS: dict[str, Format] = {
    "coco": Coco(),
    "coco-keypoints": CocoKeypoints(),
    **YOLO_FORMATS,
    "voc": Voc(),
    "hf": HuggingFace(),
}
"""Every format by the name that dataset files and the ledger have."""
