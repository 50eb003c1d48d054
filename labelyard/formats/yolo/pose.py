"""`yolo-pose`: `class x y width height`, then x, y and v for each point; every row has as many points.

v is 0 for a point that is not in the picture, 1 for a hidden one, 2 for a visible one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labelyard.annotations.content import FrameObject, Image, Keypoint, Kind
from labelyard.annotations.outlines import extent
from labelyard.domain.labels import Label
from labelyard.formats.coco.instances import visibility
from labelyard.formats.interface import HELD
from labelyard.formats.yolo.outlines import clamped, is_inside
from labelyard.formats.yolo.rows import NOTHING_IN_IMAGE, Row, box_of, centred, holding, pixels, shares

_EDGE = 1.0
"""Pixels beyond the image at which a point is still taken for one on its edge."""


class PoseRows:
    """Rows of skeletons (see `rows.Rows`)."""

    holds = holding("skeletons", {Kind.SKELETON: HELD})

    def fields(self, labels: Sequence[Label]) -> Mapping[str, Any]:
        """Return the number of points, and all names.

        There is no `flip_idx`, which says which points are a pair in a mirrored image: CVAT does not know it, and
        without it readers mirror no images.
        """
        most = _most_points(labels)
        names = {number: [one.name for one in label.sublabels] for number, label in enumerate(labels)}
        return {"kpt_shape": [most, 3], "kpt_names": names}

    def warnings(self, labels: Sequence[Label]) -> Sequence[str]:
        """Return which labels have fewer points than others."""
        most, found = _most_points(labels), []
        for label in labels:
            count = len(label.sublabels)
            if 0 < count < most:
                found.append(f"every row has {most} points: zeros fill up the {count} of label {label.name!r}")
        return found

    def width(self, labels: Sequence[Label]) -> int:
        """Return how many numbers every row has."""
        return 4 + 3 * _most_points(labels)

    def row(self, one: FrameObject, label: Label, image: Image) -> Row | str:
        """Return the box of the points in the picture, and all points in the order of the label.

        A point outside of the image has v = 0.
        """
        if not label.sublabels:
            return "its label has no points"
        by_name = {point.name: point for point in one.keypoints}
        numbers: list[float] = []
        seen: list[float] = []
        is_cut = False
        for name in (sublabel.name for sublabel in label.sublabels):
            point = by_name.get(name, Keypoint(name, 0, 0, outside=True))
            inside, v = clamped((point.x, point.y), image), visibility(point)
            if v and not is_inside((point.x, point.y), image):
                is_cut, v = True, v if _is_close(point, inside) else 0
            numbers += [*shares(inside, image), v]
            seen += inside if v else ()
        box = centred(extent(seen), image) if seen else None
        if box is None:
            return "the box of its points is empty, coco holds it" if seen else NOTHING_IN_IMAGE
        return Row((*box, *numbers), is_cut)

    def box(self, numbers: Sequence[float]) -> Sequence[float]:
        """Return all numbers."""
        return numbers

    def labels(self, names: Sequence[str], fields: Mapping[str, Any]) -> list[Label]:
        """Return labels with their points."""
        points = fields["kpt_names"]
        found = []
        for number, name in enumerate(names):
            of_label = points[number]
            if not isinstance(of_label, list) or not all(isinstance(one, str) for one in of_label):
                raise ValueError(f"kpt_names of class {number} is not a list of names")
            kind = "skeleton" if of_label else "any"
            found.append(Label(name, type=kind, sublabels=tuple(map(Label, of_label)), id=number + 1))
        if fields["kpt_shape"] != [_most_points(found), 3]:
            raise ValueError(f"kpt_shape is not [{_most_points(found)}, 3], as kpt_names says")
        return found

    def parsed(self, numbers: Sequence[float], label: Label, image: Image) -> FrameObject:
        """Return a skeleton. Points beyond those of its label are left out: they only fill up the row."""
        if not label.sublabels:
            raise ValueError(f"label {label.name!r} has no points")
        box_of(numbers[:4], image)
        points = []
        for number, one in enumerate(label.sublabels):
            x, y, v = numbers[4 + 3 * number : 7 + 3 * number]
            if v not in (0, 1, 2):
                raise ValueError(f"v of a point is 0, 1 or 2, not {v:g}")
            x, y = pixels((x, y), image)
            points.append(Keypoint(one.name, x, y, outside=v == 0, occluded=v == 1))
        return FrameObject(Kind.SKELETON, image.frame, label.name, keypoints=tuple(points))


def _is_close(point: Keypoint, inside: Sequence[float]) -> bool:
    return max(abs(point.x - inside[0]), abs(point.y - inside[1])) <= _EDGE


def _most_points(labels: Sequence[Label]) -> int:
    return max((len(label.sublabels) for label in labels), default=0)
