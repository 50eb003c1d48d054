"""`annotations/person_keypoints_SPLIT.json`: the annotations of a release that have keypoints, with the same ids.

Every category of theirs has `keypoints` and `skeleton`, as readers of COCO keypoints expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelyard.formats.splits import SplitDataset
from labelyard.releases.lines import Spool, fields, write_document
from labelyard.releases.manifest import instances_path, keypoints_path


class KeypointFiles:
    """Writes a file for each split."""

    def __init__(self, folder: Path, dataset: SplitDataset) -> None:
        self._folder = folder
        self._categories = [one for one in dataset.categories if "keypoints" in one]
        self._spools = {
            split: {part: Spool(folder / f"{split}.keypoints.{part}.spool") for part in ("images", "annotations")}
            for split in dataset.splits
        }

    def add_image(self, split: str, image: bytes) -> None:
        """Add an image, with or without annotations, as JSON."""
        self._spools[split]["images"].add(image)

    def add(self, split: str, annotation: bytes) -> None:
        """Add an annotation that has keypoints, as JSON."""
        self._spools[split]["annotations"].add(annotation)

    def close(self) -> Sequence[str]:
        """Write the files. Nothing else is lost."""
        for split, spools in self._spools.items():
            own = fields(self._folder / instances_path(split))
            for spool in spools.values():
                spool.close()
            write_document(self._folder / keypoints_path(split), {**own, "categories": self._categories}, spools)
        return []
