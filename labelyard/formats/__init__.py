"""Dataset formats: writing them from what people drew, reading them, and checking what a file holds.

A new format is a package or module that provides what `interface.Format` asks for, and a line in `FORMATS`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from labelyard.formats.coco import Coco
from labelyard.formats.coco.keypoints import CocoKeypoints
from labelyard.formats.hf import HuggingFace
from labelyard.formats.hf_splits import HuggingFaceSplits
from labelyard.formats.interface import Format
from labelyard.formats.splits import SplitDataset, SplitFiles, SplitWriter
from labelyard.formats.voc import Voc
from labelyard.formats.voc_splits import VocSplits
from labelyard.formats.yolo import YOLO_FORMATS, YOLO_ROWS
from labelyard.formats.yolo.splits import YoloSplits

FORMATS: dict[str, Format] = {
    "coco": Coco(),
    "coco-keypoints": CocoKeypoints(),
    **YOLO_FORMATS,
    "voc": Voc(),
    "hf": HuggingFace(),
}
"""Every format by the name that dataset files and the ledger have."""

SPLIT_WRITERS: dict[str, Callable[[SplitDataset, SplitFiles], SplitWriter]] = {
    **{name: partial(YoloSplits, rows) for name, rows in YOLO_ROWS.items()},
    "voc": VocSplits,
    "hf": HuggingFaceSplits,
}
"""How formats are written in a release. Those of COCO are no archives: `releases` writes them."""
