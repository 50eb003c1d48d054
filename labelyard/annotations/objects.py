"""An annotation set as objects on frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.attributes import typed_attributes
from labelyard.annotations.content import FrameObject, Keypoint, Kind
from labelyard.annotations.tracks import track_frames
from labelyard.domain.annotations import AttributeValue, Shape, Tag, Track, TrackedShape
from labelyard.domain.labels import Label


@dataclass(frozen=True, slots=True)
class ExpandedObjects:
    """The objects of a task. `outside` are key frames where a track is outside: not objects, but in 1.0.0's exports."""

    objects: tuple[FrameObject, ...]
    outside: tuple[FrameObject, ...]


def frame_objects(annotations: AnnotationSet) -> ExpandedObjects:
    """Return all objects of a task: the shapes, then the tracks on each of their frames, then the tags.

    Objects on frames that the task does not have are among them.
    """
    expansion = _Expansion(annotations)
    tracks = enumerate(annotations.annotations.tracks)
    tracked = [pair for number, track in tracks for pair in expansion.track(number, track)]
    return ExpandedObjects(
        objects=(
            *(expansion.shape(shape) for shape in annotations.annotations.shapes),
            *(one for one, outside in tracked if not outside),
            *(expansion.tag(tag) for tag in annotations.annotations.tags),
        ),
        outside=tuple(one for one, outside in tracked if outside),
    )


class _Expansion:
    def __init__(self, annotations: AnnotationSet) -> None:
        self._set = annotations
        self._labels: Mapping[int, Label] = {label.id: label for label in annotations.task.labels}
        self._sublabels: Mapping[int, Label] = {
            sublabel.id: sublabel for label in annotations.task.labels for sublabel in label.sublabels
        }

    def shape(self, shape: Shape) -> FrameObject:
        return replace(
            self._placed(shape, "shape", shape.frame, shape.attributes),
            kind=Kind(shape.type), points=shape.points, rotation=shape.rotation, occluded=shape.occluded,
            z_order=shape.z_order, score=_score(shape),
            keypoints=tuple(self._keypoint(one.label_id, one, one.attributes) for one in shape.elements),
        )  # fmt: skip

    def tag(self, tag: Tag) -> FrameObject:
        return self._placed(tag, "tag", tag.frame, tag.attributes)

    def track(self, number: int, track: Track) -> Iterator[tuple[FrameObject, bool]]:
        """Yield the objects of a track, each with whether it is outside there."""
        size, rules = len(self._set.frames), self._set.interpolation
        elements = [
            (one, {at.shape.frame: at.shape for at in track_frames(one, size, rules, through_outside=True)})
            for one in track.elements
        ]
        for at_frame in track_frames(track, size, rules):
            shape = at_frame.shape
            keypoints = tuple(
                self._keypoint(one.label_id, point, (*point.attributes, *one.attributes))
                for one, points in elements
                if (point := points.get(shape.frame)) is not None
            )
            attributes = (*shape.attributes, *track.attributes)
            outside = shape.outside or (bool(keypoints) and all(point.outside for point in keypoints))
            yield replace(
                self._placed(track, "track", shape.frame, attributes),
                kind=Kind(shape.type), points=shape.points, rotation=shape.rotation, occluded=shape.occluded,
                z_order=shape.z_order, track=number, keyframe=at_frame.keyframe, keypoints=keypoints,
                outline_certain=at_frame.certain,
            ), outside  # fmt: skip

    def _placed(
        self, one: Shape | Track | Tag, kind: str, frame: int, attributes: tuple[AttributeValue, ...]
    ) -> FrameObject:
        """Return what shapes, tracks and tags have in common, as a tag."""
        label = self._labels.get(one.label_id)
        return FrameObject(
            Kind.TAG, frame, label.name if label else f"label {one.label_id}",
            attributes=typed_attributes(label.attributes if label else (), attributes),
            group=one.group, source=one.source or "manual", job=self._set.jobs.get((kind, one.id)),
            origin=f"{kind} {one.id}",
        )  # fmt: skip

    def _keypoint(self, label_id: int, point: Shape | TrackedShape, attributes: tuple[AttributeValue, ...]) -> Keypoint:
        label = self._sublabels.get(label_id)
        x, y = point.points if len(point.points) == 2 else (float("nan"), float("nan"))
        return Keypoint(
            label.name if label else f"label {label_id}", x, y, point.outside, point.occluded,
            typed_attributes(label.attributes if label else (), attributes),
        )  # fmt: skip


def _score(shape: Shape) -> float | None:
    """Return a model's confidence; CVAT 2.73 gives 1 to everything that people draw."""
    return None if shape.score == 1 and (shape.source or "manual") == "manual" else shape.score
