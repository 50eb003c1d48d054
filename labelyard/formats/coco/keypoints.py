"""COCO keypoints: one file with skeletons, and with points of labels of type "points", as COCO's person_keypoints.

Every category has `keypoints` and `skeleton`: labels that have neither are no categories of the file.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.domain.labels import Label
from labelyard.formats.coco.read import content_of, read_instances
from labelyard.formats.coco.write import POINTS_LABEL, Documents, write_instances
from labelyard.formats.interface import HELD, DatasetFile, Holding, Written, absent

_NO_KEYPOINTS = absent("it has no keypoints (coco holds it)")
_HELD = {Kind.SKELETON: HELD, Kind.POINTS: HELD}


class CocoKeypoints:
    """COCO keypoints as a dataset format (see `formats.interface.Format`)."""

    archive_suffix = ""
    holds: dict[Kind, Holding] = {kind: _HELD.get(kind, _NO_KEYPOINTS) for kind in Kind}  # noqa: RUF012 - a table
    holds_attributes = True
    merges_groups = False

    def refusal(self, one: FrameObject, label: Label, image: Image) -> str | None:  # noqa: ARG002 - any image
        """Return why an object is no annotation with keypoints."""
        if one.kind is Kind.POINTS and label.type != POINTS_LABEL:
            return 'the type of its label is not "points" (coco holds it)'
        if one.kind is Kind.SKELETON and not label.sublabels:
            return "its label has no sublabels (coco holds it)"
        return None

    def write(self, file: DatasetFile, folder: Path, stem: str) -> Written:
        """Write `STEM.json`."""
        labels = tuple(label for label in file.content.labels if label.sublabels or label.type == POINTS_LABEL)
        names = {label.name for label in labels}
        ids = {name: number for name, number in file.category_ids.items() if name in names}
        documents = Documents(replace(file, content=replace(file.content, labels=labels), category_ids=ids))
        path, warnings = write_instances(file, documents.main(), folder, stem)
        return Written((path,), documents.written, warnings)

    def read(self, folder: Path, stem: str) -> Content:
        """Return the content of `STEM.json`. Raises InputError for a file that `write` did not write."""
        return content_of(read_instances(folder, stem))
