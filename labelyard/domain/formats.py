"""The names of dataset formats. `labelyard.formats.FORMATS` writes and reads them."""

from __future__ import annotations

from enum import StrEnum

DATASET_FORMATS = (
    "coco",
    "coco-keypoints",
    "yolo-detect",
    "yolo-segment",
    "yolo-obb",
    "yolo-pose",
    "voc",
    "hf",
)
"""The formats that labelyard writes itself."""

CVAT_PREFIX = "cvat:"
"""What the name of a format begins with whose file the server writes: the server's own name follows."""

CVAT_IMAGES = "CVAT for images 1.1"
"""CVAT's name of its lossless format with an element for each image; tracks are shapes on each of their frames."""

CVAT_VIDEO = "CVAT for video 1.1"
"""CVAT's name of its lossless format with an element for each track; it loses tags."""

COUNTED_SERVER_FORMATS = {CVAT_IMAGES: (), CVAT_VIDEO: ("tag",)}
"""The server's formats that labelyard reads, so that their files have an account; each with the kinds it drops."""

ORIGINAL = "original"
"""The format, in the ledger, of CVAT's own lossless export, which is kept beside the dataset."""


class Groups(StrEnum):
    """What a format with instances makes of grouped shapes of one label."""

    MERGE = "merge"
    KEEP = "keep"


def is_of_server(name: str) -> bool:
    """Return whether the server writes the files of a format."""
    return name.startswith(CVAT_PREFIX)


def server_name(name: str) -> str:
    """Return the server's own name of a format that it writes."""
    return name.removeprefix(CVAT_PREFIX).strip()
