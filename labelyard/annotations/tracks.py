"""Tracks as the single shapes that CVAT's COCO export makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Track, TrackedShape


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape on one frame, drawn there or come from a track.

    `certain` is False where CVAT's own arithmetic decides the outline (polygon tracks); `origin` names it for people.
    """

    type: ShapeType
    frame: int
    label_id: int
    points: tuple[float, ...]
    group: int
    z_order: int
    attributes: tuple[AttributeValue, ...]
    origin: str
    certain: bool = True


def placed(annotations: Annotations, size: int) -> list[Placed]:
    """Every shape of a task of `size` frames, one by one: the drawn ones first, then the tracks', in their order.

    Shapes beyond the last frame are among them.
    """
    drawn = [_drawn(shape) for shape in annotations.shapes]
    return drawn + [shape for track in annotations.tracks for shape in _expanded(track, size)]


def _drawn(shape: Shape) -> Placed:
    return Placed(shape.type, shape.frame, shape.label_id, shape.points, shape.group, shape.z_order, shape.attributes,
                  origin=f"shape {shape.id}" if shape.id else "a new shape")  # fmt: skip


def _expanded(track: Track, size: int) -> Iterator[Placed]:
    keys = _inheriting(sorted(track.shapes, key=lambda key: key.frame))
    for key, following in zip(keys, [*keys[1:], None], strict=True):
        yield _tracked(track, key, key.points, key.frame)
        if key.outside:
            continue
        for frame in range(key.frame + 1, _reach(key, following, size)):
            yield _tracked(track, key, _between(key, following, frame), frame)


def _inheriting(keys: Sequence[TrackedShape]) -> list[TrackedShape]:
    # CVAT v1 saves a mutable attribute at the key frames where it changes; it holds until the next.
    held: dict[int, AttributeValue] = {}
    whole = []
    for key in keys:
        held |= {value.spec_id: value for value in key.attributes}
        whole.append(replace(key, attributes=tuple(held.values())))
    return whole


def _reach(key: TrackedShape, following: TrackedShape | None, size: int) -> int:
    # A rectangle stays to the end of the task; a polygon track ends with its last key frame.
    if following is None:
        return size if key.type is ShapeType.RECTANGLE else key.frame
    return min(following.frame, size) if following.type is key.type else key.frame


def _between(key: TrackedShape, following: TrackedShape | None, frame: int) -> tuple[float, ...]:
    if following is None or following.outside or len(following.points) != len(key.points):
        return key.points
    part = (frame - key.frame) / (following.frame - key.frame)
    return tuple(a + (b - a) * part for a, b in zip(key.points, following.points, strict=True))


def _tracked(track: Track, key: TrackedShape, points: tuple[float, ...], frame: int) -> Placed:
    return Placed(key.type, frame, track.label_id, points, track.group, key.z_order, key.attributes + track.attributes,
                  origin=f"track {track.id}" if track.id else "a new track",
                  certain=key.type is ShapeType.RECTANGLE)  # fmt: skip
