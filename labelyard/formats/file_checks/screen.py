"""A quick look at the items of a large file: which of them may break a rule.

Items are decoded into typed structs, so that most of what the rules ask for is asked by the decoder. An item that is
not certainly clean is left to the rules. What is called clean here breaks no rule; a test proves it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw

from labelyard.formats.checks.images import is_unsafe_name, similar_name
from labelyard.formats.checks.values import is_whole_number, size_of, whole_number
from labelyard.formats.file_checks.annotation_screen import AnnotationScreen, Id, Side
from labelyard.formats.file_checks.hashes import Hashes
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.structs import Structs

COMPARED = {
    "duplicate-image-id": "images",
    "duplicate-image-name": "images",
    "similar-image-names": "images",
    "duplicate-annotation-id": "annotations",
    "duplicate-annotation": "annotations",
}
"""The rules that compare images or annotations -> which of them. Categories are few, and all are compared."""


class _Image(msgspec.Struct, gc=False):
    id: Id
    file_name: Annotated[str, Meta(min_length=1)]
    width: Side
    height: Side
    exif_orientation: Any = UNSET


_images = Structs(_Image)


@dataclass(frozen=True, slots=True)
class Screened:
    """What is left to the rules: indexes of items, in ascending order.

    `doubtful` are for the rules that judge items by themselves, by part. `equal` has for each rule that compares items
    those that may be equal. `unannotated` are images; `annotated` has enough annotations to see that. `image_ids` has
    the number that the id of each image means.
    """

    doubtful: Mapping[str, Sequence[int]]
    equal: Mapping[str, Sequence[int]]
    unannotated: Sequence[int]
    annotated: Sequence[dict[str, Any]]
    image_ids: Sequence[int | None]
    largest_annotation_id: int


class Screen:
    """Finds the items of a file that may break a rule. The caller gives `annotations` all of them before the result.

    Raises InputError if one of them is no object.
    """

    def __init__(self, items: Items) -> None:
        self.items = items
        self.images = _Images(items)
        self.annotations = AnnotationScreen(items, self.images.sizes)

    def result(self) -> Screened:
        """Return which items may break a rule."""
        images, annotations, has_annotations = self.images, self.annotations, bool(len(self.items.annotations))
        similar = images.similar.repeated()
        equal: dict[str, Sequence[int]] = {
            "duplicate-image-id": images.same_id.repeated(),
            "duplicate-image-name": similar,
            "similar-image-names": similar,
            "duplicate-annotation-id": annotations.same_id.repeated(),
            "duplicate-annotation": annotations.same_content(),
        }
        unannotated = [
            index
            for index, number in enumerate(images.ids)
            if has_annotations and number is not None and number not in annotations.annotated
        ]
        doubtful = {"images": images.doubtful, "annotations": annotations.doubtful}
        return Screened(
            doubtful, equal, unannotated, [{}] if has_annotations else [], images.meant_ids, annotations.largest_id
        )


def are_images_readable(images: Sequence[Raw]) -> bool:
    """Return whether all images have the fields that readers need, of the right types."""
    return all(image is not None for image in _images.structs(images))


def screen(items: Items) -> Screened:
    """Return which items of a file may break a rule. Raises InputError if one of them is no object."""
    found = Screen(items)
    found.annotations.add_all()
    return found.result()


class _Images:
    """The images: their sizes by id, and those that may break a rule."""

    def __init__(self, items: Items) -> None:
        self.sizes: dict[int, tuple[int, int] | None] = {}
        self.ids: list[int | None] = []
        self.meant_ids: list[int | None] = []
        self.doubtful: list[int] = []
        self.same_id, self.similar = Hashes(), Hashes()
        for index, image in enumerate(_images.structs(items.images, decoded=items.decoded)):
            if image is None:
                self._add_plain(index, items.plain("images", index))
                continue
            if image.exif_orientation is not UNSET or is_unsafe_name(image.file_name):
                self.doubtful.append(index)
            self.ids.append(image.id)
            self.meant_ids.append(image.id)
            self.sizes[image.id] = image.width, image.height
            self.same_id.add(image.id)
            self.similar.add(similar_name({"file_name": image.file_name}))

    def _add_plain(self, index: int, image: dict[str, Any]) -> None:
        self.doubtful.append(index)
        number = image.get("id")
        known = number if is_whole_number(number) else None
        self.ids.append(known)
        self.meant_ids.append(whole_number(number))
        if known is not None:
            self.sizes[known] = size_of(image)
        self.same_id.add(number if type(number) in (int, str) else None)
        self.similar.add(similar_name(image))
