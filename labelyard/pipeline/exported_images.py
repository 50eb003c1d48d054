"""Which frames of a task are images of the dataset, and which are not, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labelyard.annotations.annotation_set import AnnotationSet
from labelyard.annotations.content import Image
from labelyard.config import Deletions
from labelyard.ledger.tables import Object
from labelyard.pipeline.acquire_batch import BatchLease


def excluded_frames(lease: BatchLease, members: Sequence[Object], annotations: AnnotationSet) -> dict[int, str]:
    """Return why a frame is not in the dataset, by its number: its object was quarantined or deleted, or is unknown."""
    by_name = {member.upload_name: member for member in members}
    reasons = {}
    for number, member in enumerate(by_name.get(frame.name) for frame in annotations.frames):
        if reason := _exclusion(lease, member) if member else "not an object of the dataset":
            reasons[number] = reason
    return reasons


def _exclusion(lease: BatchLease, member: Object) -> str | None:
    """Return why an object is not in the dataset; None if it is."""
    if member.quarantine_reason is not None:
        return "quarantined"
    if member.deleted_at is not None and lease.spec.deletions is Deletions.DROP:
        return "of an object that was deleted from the bucket"
    return None


def expected_keys(lease: BatchLease, members: Sequence[Object], annotations: AnnotationSet) -> frozenset[str]:
    """Return the keys that must be in the dataset: all but those for quality control alone, and excluded ones."""
    control = {one.name for one in annotations.frames} - {one.name for _, one in annotations.data_frames()}
    return frozenset(one.key for one in members if one.upload_name not in control and not _exclusion(lease, one))


def exported_images(members: Sequence[Object], annotations: AnnotationSet, excluded: Mapping[int, str]) -> list[Image]:
    """Return the images of the dataset in the order of the frames; `excluded` are frames that are none."""
    by_name = {member.upload_name: member for member in members}
    included = [(number, frame) for number, frame in annotations.data_frames() if number not in excluded]
    return [
        Image(one.key, frame.width, frame.height, number, frame.name, one.stored, one.exif_orientation)
        for (number, frame), one in zip(included, (by_name[frame.name] for _, frame in included), strict=True)
    ]
