"""Tracks as one shape per frame, interpolated the way CVAT does when it exports a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from labelyard.domain.annotations import Annotations, AttributeValue, Shape, ShapeType, Track, TrackedShape


@dataclass(frozen=True, slots=True)
class FrameShape:
    """A shape on one frame: drawn there, or a track's shape on that frame.

    `outline_certain` is False where only CVAT knows the outline: it resamples polygon tracks. `origin` names the shape
    or track for people.
    """

    type: ShapeType
    frame: int
    label_id: int
    points: tuple[float, ...]
    group: int
    z_order: int
    attributes: tuple[AttributeValue, ...]
    origin: str
    outline_certain: bool = True


def shapes_on_frames(annotations: Annotations, size: int) -> list[FrameShape]:
    """Return all shapes of a task with `size` frames: first the drawn ones, then those of the tracks.

    Shapes and key frames beyond the last frame are included.
    """
    drawn = [_drawn(shape) for shape in annotations.shapes]
    return drawn + [shape for track in annotations.tracks for shape in _shapes_of_track(track, size)]


def _drawn(shape: Shape) -> FrameShape:
    return FrameShape(
        shape.type, shape.frame, shape.label_id, shape.points, shape.group, shape.z_order, shape.attributes,
        origin=f"shape {shape.id}" if shape.id else "a new shape",
    )  # fmt: skip


def _shapes_of_track(track: Track, size: int) -> Iterator[FrameShape]:
    keys = _with_inherited_attributes(sorted(track.shapes, key=lambda key: key.frame))
    for key, following in zip(keys, [*keys[1:], None], strict=True):
        # CVAT exports an `outside` key frame itself, and no frame after it.
        yield _tracked(track, key, key.points, key.frame)
        if key.outside:
            continue
        for frame in range(key.frame + 1, _end(key, following, size)):
            yield _tracked(track, key, _interpolated(key, following, frame), frame)


def _with_inherited_attributes(keys: Sequence[TrackedShape]) -> list[TrackedShape]:
    # CVAT v1 saves a mutable attribute only at the key frames where its value changes.
    values: dict[int, AttributeValue] = {}
    complete = []
    for key in keys:
        values |= {value.spec_id: value for value in key.attributes}
        complete.append(replace(key, attributes=tuple(values.values())))
    return complete


def _end(key: TrackedShape, following: TrackedShape | None, size: int) -> int:
    """Return the first frame that the key frame's shape no longer fills."""
    if following is None:  # a rectangle stays to the end of the task, a polygon track ends with its last key frame
        return size if key.type is ShapeType.RECTANGLE else key.frame
    return min(following.frame, size) if following.type is key.type else key.frame


def _interpolated(key: TrackedShape, following: TrackedShape | None, frame: int) -> tuple[float, ...]:
    if following is None or following.outside or len(following.points) != len(key.points):
        return key.points
    part = (frame - key.frame) / (following.frame - key.frame)
    return tuple(a + (b - a) * part for a, b in zip(key.points, following.points, strict=True))


def _tracked(track: Track, key: TrackedShape, points: tuple[float, ...], frame: int) -> FrameShape:
    return FrameShape(
        key.type, frame, track.label_id, points, track.group, key.z_order, key.attributes + track.attributes,
        origin=f"track {track.id}" if track.id else "a new track",
        outline_certain=key.type is ShapeType.RECTANGLE,
    )  # fmt: skip
