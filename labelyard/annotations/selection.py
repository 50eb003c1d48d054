"""What of a task a dataset file may hold, and what is left out of files of every format."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import Content, FrameObject, Image, Kind, LeftOut
from labelyard.annotations.faults import fault_of
from labelyard.domain.tasks import FrameUse

UNKNOWN_OUTLINE = "only CVAT's export has its outline between two key frames, and that export failed"

_KIND_ORDER = {kind: number for number, kind in enumerate(Kind)}


@dataclass(frozen=True, slots=True)
class Selection:
    """The content that any format may write, and the objects that none does."""

    content: Content
    left_out: tuple[LeftOut, ...]

    @property
    def drawn(self) -> tuple[FrameObject, ...]:
        """Everything that was drawn."""
        return (*self.content.objects, *(one.object for one in self.left_out))

    @property
    def faulty(self) -> tuple[LeftOut, ...]:
        """The objects that no format can hold."""
        return tuple(one for one in self.left_out if one.faulty)


def select(
    annotations: AnnotationSet,
    objects: Iterable[FrameObject],
    images: Collection[Image],
    reasons: Mapping[int, str],
) -> Selection:
    """Divide the objects of a task.

    `images` are those of the dataset. `reasons` says of other frames, by number, why they are not: of frames that are
    not data CVAT says it.
    """
    labels = {label.name: label for label in annotations.task.labels}
    kept, left_out = [], []
    by_frame = {image.frame: image for image in images}
    for one in objects:
        image = by_frame.get(one.frame)
        frame = annotations.frames[one.frame] if 0 <= one.frame < len(annotations.frames) else None
        if image is None and frame is not None:
            use = frame.use if frame.use is not FrameUse.DATA else reasons.get(one.frame, "not in the dataset")
            left_out.append(LeftOut(one, f"its frame is {use}"))
        elif fault := fault_of(one, labels, (image.width, image.height) if image else None):
            left_out.append(LeftOut(one, fault, faulty=True))
        elif not one.outline_certain:
            left_out.append(LeftOut(one, UNKNOWN_OUTLINE))
        else:
            kept.append(one)
    return Selection(in_order(Content(tuple(images), annotations.task.labels, tuple(kept))), tuple(left_out))


def in_order(content: Content) -> Content:
    """Return content in the order in which it is written, whatever its own: equal content gives equal files."""
    images = sorted(content.images, key=lambda one: (one.name, one.stored.bucket if one.stored else "", one.frame))
    numbers = {image.frame: number for number, image in enumerate(images)}
    objects = sorted(content.objects, key=lambda one: (numbers[one.frame], *_order(one)))
    labels = sorted(content.labels, key=lambda label: label.id)
    return Content(tuple(images), tuple(labels), tuple(objects))


def _order(one: FrameObject) -> Sequence[object]:
    keypoints = [(point.name, point.x, point.y, point.outside) for point in one.keypoints]
    attributes = repr(sorted(one.attributes.items()))
    rest = (one.rotation, one.group, one.track or 0, one.keyframe, one.occluded, one.source, one.score or 0)
    return one.z_order, _KIND_ORDER[one.kind], one.label, one.points, keypoints, attributes, rest, one.job or 0
