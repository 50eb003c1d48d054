"""COCO instances: CVAT's `COCO 1.0` exports, and the dataset files that labelyard writes."""

from __future__ import annotations

from labelyard.domain.annotations import COCO
from labelyard.formats.coco.expected_export import expected_export
from labelyard.formats.coco.origin import read_origin
from labelyard.formats.coco.read import read_dataset, read_export
from labelyard.formats.coco.write import write_dataset


class Coco:
    """COCO as a dataset format (see `formats.interface.Format`)."""

    cvat_name = COCO
    suffix = ".json"
    media_type = "application/json"
    expected_export = staticmethod(expected_export)
    read_export = staticmethod(read_export)
    read = staticmethod(read_dataset)
    read_origin = staticmethod(read_origin)
    write = staticmethod(write_dataset)
