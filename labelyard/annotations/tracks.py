"""Tracks as one shape per frame, as CVAT's own export has them.

Between key frames only the shapes that move in a straight line are computed here. CVAT resamples polygons, polylines
and points with several points, and thins cuboids on 1.0.0: the frames of its own export decide there (`witness`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from labelyard.domain.annotations import AttributeValue, Interpolation, ShapeType, Track, TrackedShape

_OUTLINES = (ShapeType.POLYGON, ShapeType.POLYLINE)
_STRAIGHT = (ShapeType.RECTANGLE, ShapeType.ELLIPSE)
_STILL = (ShapeType.MASK, ShapeType.SKELETON)


@dataclass(frozen=True, slots=True)
class TrackFrame:
    """A track's shape on one frame; without `certain` its points are only near those of CVAT's export."""

    shape: TrackedShape
    keyframe: bool
    certain: bool = True


def track_frames(
    track: Track, size: int, rules: Interpolation, *, through_outside: bool = False
) -> Iterator[TrackFrame]:
    """Yield the shapes of a track in a task with `size` frames, in the order of frames.

    Key frames that are outside are among them, the frames after those only with `through_outside`: the points of a
    skeleton are on every frame of it. A key frame beyond the task is among them, too.
    """
    keys = _key_frames(track)
    for key, following in pairwise([*keys, None]):
        assert key is not None
        yield TrackFrame(key, keyframe=True)
        if through_outside or not key.outside:
            yield from _between(key, following, size, rules)


def _key_frames(track: Track) -> list[TrackedShape]:
    """Return the key frames in order. CVAT saves a mutable attribute only where its value changes."""
    values: dict[int, AttributeValue] = {}
    found: list[TrackedShape] = []
    for key in sorted(track.shapes, key=lambda key: key.frame):
        values |= {value.spec_id: value for value in key.attributes}
        if not found or found[-1].frame != key.frame:  # of two on one frame CVAT takes the first
            found.append(replace(key, attributes=tuple(values.values())))
    return found


def _between(
    key: TrackedShape, following: TrackedShape | None, size: int, rules: Interpolation
) -> Iterator[TrackFrame]:
    if following is None and rules is Interpolation.V1 and key.type in _OUTLINES:
        return
    moves = following is not None and not (following.outside and rules is Interpolation.V1)
    for frame in range(key.frame + 1, size if following is None else min(following.frame, size)):
        if following is None or not moves:
            yield TrackFrame(replace(key, frame=frame), keyframe=False, certain=not _resampled(key, rules))
        else:
            yield _moved(key, following, frame)


def _resampled(key: TrackedShape, rules: Interpolation) -> bool:
    """Return whether the export has other points even where a shape does not move."""
    return rules is Interpolation.V1 and key.type not in (*_STRAIGHT, *_STILL) and len(key.points) > 2


def _moved(key: TrackedShape, following: TrackedShape, frame: int) -> TrackFrame:
    if key.type in _STILL:
        return TrackFrame(replace(key, frame=frame), keyframe=False)
    share = (frame - key.frame) / (following.frame - key.frame)
    certain = key.type is following.type and (key.type in _STRAIGHT or len(key.points) == len(following.points) == 2)
    points = key.points
    if key.type is following.type and len(points) == len(following.points):
        points = tuple(a + (b - a) * share for a, b in zip(points, following.points, strict=True))
    rotation = _turned(key.rotation, following.rotation, share)
    return TrackFrame(replace(key, frame=frame, points=points, rotation=rotation), keyframe=False, certain=certain)


def _turned(start: float, end: float, share: float) -> float:
    """Return the rotation on the shorter way from one to the other, in degrees."""
    difference = (end - start + 180) % 360 - 180
    return (start + difference * share + 360) % 360
