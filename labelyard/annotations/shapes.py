"""Objects on frames as shapes that CVAT takes: the other way round than `objects`."""

from __future__ import annotations

from collections.abc import Iterable

from labelyard.annotations.content import FrameObject, Keypoint, Kind, Value
from labelyard.domain.annotations import AttributeValue, Shape, ShapeType
from labelyard.domain.labels import AttributeSpec, Label

KINDS_OF_1 = frozenset({Kind.RECTANGLE, Kind.POLYGON, Kind.POLYLINE, Kind.POINTS, Kind.CUBOID})
"""The kinds of shapes that CVAT 1.x has."""


def shape_of(one: FrameObject, label: Label, *, scores: bool) -> Shape:
    """Return an object, which is no tag, as a shape of the server's label. With `scores` it keeps its own."""
    return Shape(
        ShapeType(one.kind), one.frame, label.id, one.points, one.group, one.z_order, one.occluded,
        attributes=tuple(_values(label.attributes, one.attributes.items())), source=one.source,
        rotation=one.rotation, score=one.score if scores else None,
        elements=tuple(_element(one, point, label) for point in one.keypoints),
    )  # fmt: skip


def _element(one: FrameObject, point: Keypoint, label: Label) -> Shape:
    sublabel = next(sublabel for sublabel in label.sublabels if sublabel.name == point.name)
    return Shape(
        ShapeType.POINTS, one.frame, sublabel.id, (point.x, point.y), occluded=point.occluded, outside=point.outside,
        attributes=tuple(_values(sublabel.attributes, point.attributes.items())), source=one.source,
    )  # fmt: skip


def _values(specs: Iterable[AttributeSpec], values: Iterable[tuple[str, Value]]) -> Iterable[AttributeValue]:
    ids = {spec.name: spec.id for spec in specs}
    return (AttributeValue(ids[name], text_of(value)) for name, value in values if name in ids)


def text_of(value: Value) -> str:
    """Return the value of an attribute as CVAT keeps it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
