"""The items of a file of predictions, decoded one by one: what is none is left out, and the others stay.

The fields of COCO that matter here; any others are ignored. A list of results names its label, or its category.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from labelyard.annotations.content import Value
from labelyard.errors import InputError, NoPredictions
from labelyard.formats.coco.parts import read_parts


class RunLengths(Struct):
    """The run lengths of a mask, as numbers or as COCO's compressed text; `size` is (height, width)."""

    counts: list[int] | str
    size: list[int]


class Item(Struct):
    """A predicted object: bbox, outlines or run lengths, keypoints. `label` is the name of the class."""

    image_id: int
    category_id: int | None = None
    label: str | None = None
    bbox: list[float] | None = None
    segmentation: list[list[float]] | RunLengths | None = None
    keypoints: list[float] | None = None
    score: float | None = None
    attributes: dict[str, Value] = {}


class ItemImage(Struct):
    """An image of a COCO file, with its size in pixels if the file says it."""

    id: int
    file_name: str
    width: int | None = None
    height: int | None = None


class ItemCategory(Struct):
    """A category of a COCO file."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class ItemFile:
    """The undecoded items of a file. `is_list`: a list of results, which has neither images nor categories."""

    annotations: Sequence[Raw]
    images: Sequence[Raw] = ()
    categories: Sequence[Raw] = ()
    is_list: bool = False


Decoded = TypeVar("Decoded", bound=Struct)

_list = msgspec.json.Decoder(list[Raw])


def read_items(path: Path, where: str) -> ItemFile:
    """Return the items of a COCO file, or of a list of results. Raises NoPredictions for anything else."""
    try:
        with path.open("rb") as file:
            is_list = file.read(64).lstrip()[:1] == b"["
        if is_list:
            return ItemFile(_list.decode(path.read_bytes()), is_list=True)
        found = read_parts(path)
    except (InputError, ValueError, RecursionError) as error:  # ValueError: msgspec's errors are some
        said = error.what if isinstance(error, InputError) else str(error)
        raise NoPredictions(f"no COCO file and no list of results: {said}", where=where) from None
    if found.missing:
        raise NoPredictions(f"no COCO file: it has no {', '.join(found.missing)}", where=where)
    return ItemFile(found.annotations, found.images, found.categories)


def decoded(raw: Raw, kind: type[Decoded]) -> Decoded | str:
    """Return an item as `kind`, or what is wrong with it."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        return str(error)


def plain(item: Item) -> dict[str, Any]:
    """Return the geometry of an item as a COCO annotation has it."""
    found: dict[str, Any] = {"bbox": item.bbox, "iscrowd": 0}
    if isinstance(item.segmentation, RunLengths):
        found["segmentation"] = {"counts": item.segmentation.counts, "size": item.segmentation.size}
    elif item.segmentation:
        found["segmentation"] = item.segmentation
    if item.keypoints is not None:
        found |= {"keypoints": item.keypoints, "num_keypoints": sum(seen > 0 for seen in item.keypoints[2::3])}
    return found
