"""The contract of every dataset format: what it declares to hold comes back from its files, the account balances, and
equal content gives equal bytes."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelyard.annotations.content import Content, FrameObject, Image, Kind
from labelyard.annotations.masks import MaskRuns, image_pixels, mask_runs
from labelyard.annotations.outlines import ellipse_outline, extent, turned_corners
from labelyard.annotations.selection import Selection, in_order
from labelyard.domain.formats import Groups
from labelyard.formats import FORMATS
from labelyard.formats.interface import Format, FormatOptions, Provenance
from labelyard.formats.voc import cut_off
from labelyard.formats.writing import Target, WrittenDataset, write_dataset
from labelyard.formats.yolo.contours import joined, outer_outlines
from labelyard.formats.yolo.outlines import as_rectangle, clamped, cut, is_inside
from tests.support.content_strategies import contents
from tests.support.examples import examples

TARGET = Target(
    Provenance(7, "the annotations API", 2026),
    FormatOptions(groups=Groups.KEEP),
    location=lambda one: f"frame {one.frame}",
)


def _coco(one: FrameObject, image: Image) -> FrameObject:
    """COCO keeps everything but from which corner a rectangle was drawn."""
    return replace(one, points=extent(one.points)) if one.kind is Kind.RECTANGLE else one


def _shape(kind: Kind, one: FrameObject, points: Sequence[float] = (), rotation: float = 0) -> FrameObject:
    """A shape with its label: all that the YOLO formats keep."""
    return FrameObject(kind, one.frame, one.label, tuple(points), rotation)


def _yolo_detect(one: FrameObject, image: Image) -> FrameObject:
    return _shape(Kind.RECTANGLE, one, clamped(extent(one.points), image))


def _yolo_obb(one: FrameObject, image: Image) -> FrameObject:
    """A turned box of which the image's edge has cut off a corner is an outline, if that can be seen."""
    corners = turned_corners(one)
    if is_inside(corners, image):
        return _shape(Kind.RECTANGLE, one, extent(one.points), one.rotation)
    corners = clamped(corners, image)
    if box := as_rectangle(corners):
        return _shape(Kind.RECTANGLE, one, *box)
    return _shape(Kind.POLYGON, one, corners)


def _yolo_segment(one: FrameObject, image: Image) -> FrameObject:
    """Every kind becomes a polygon. Those of masks are in `test_yolo.py`, by their pixels."""
    if one.kind is Kind.MASK:
        runs = mask_runs(one.points)
        assert isinstance(runs, MaskRuns)
        return _shape(Kind.POLYGON, one, joined(outer_outlines(image_pixels(runs, image.width, image.height))))
    outline = ellipse_outline(one) if one.kind is Kind.ELLIPSE else one.points
    return _shape(Kind.POLYGON, one, outline if is_inside(outline, image) else cut(outline, image))


def _yolo_pose(one: FrameObject, image: Image) -> FrameObject:
    points = tuple(replace(point, attributes={}) for point in one.keypoints)
    return replace(_shape(Kind.SKELETON, one), keypoints=points)


def _voc(one: FrameObject, image: Image) -> FrameObject:
    return replace(one, points=extent(one.points) if one.rotation else cut_off(extent(one.points), image))


RETAINED: dict[str, Callable[[FrameObject, Image], FrameObject]] = {
    "coco": _coco,
    "yolo-detect": _yolo_detect,
    "yolo-segment": _yolo_segment,
    "yolo-obb": _yolo_obb,
    "yolo-pose": _yolo_pose,
    "coco-keypoints": _coco,
    "voc": _voc,
    "hf": _coco,
}
"""What of an object comes back from a file of each format."""

every_format = pytest.mark.parametrize("name", FORMATS)
some_examples = settings(max_examples=examples(40))
"""Each example writes and reads files in a format."""


@contextmanager
def written(form: Format, content: Content) -> Iterator[tuple[WrittenDataset, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        yield write_dataset(form, Selection(in_order(content), ()), TARGET, Path(folder), "street"), Path(folder)


def held(form: Format, content: Content) -> list[FrameObject]:
    labels = {label.name: label for label in content.labels}
    images = by_frame(content)
    return [
        one
        for one in content.objects
        if form.holds[one.kind].held and form.refusal(one, labels[one.label], images[one.frame]) is None
    ]


def by_frame(content: Content) -> dict[int, Image]:
    return {image.frame: image for image in content.images}


def close(one: FrameObject, other: FrameObject) -> bool:
    """Return whether two objects are equal but for the rounding of their coordinates."""
    if len(one.points) != len(other.points) or len(one.keypoints) != len(other.keypoints):
        return False
    moved = [abs(a - b) for a, b in zip(one.points, other.points, strict=True)]
    moved += [
        abs(value) for a, b in zip(one.keypoints, other.keypoints, strict=True) for value in (a.x - b.x, a.y - b.y)
    ]
    same = replace(other, points=one.points, rotation=one.rotation, keypoints=tuple(
        replace(b, x=a.x, y=a.y) for a, b in zip(one.keypoints, other.keypoints, strict=True)
    ))  # fmt: skip
    return max(moved, default=0) < 0.01 and abs(one.rotation - other.rotation) < 0.01 and one == same


def test_each_format_says_what_comes_back_and_how_it_holds_each_kind() -> None:
    assert RETAINED.keys() == FORMATS.keys()
    assert all(form.holds.keys() == set(Kind) for form in FORMATS.values())


@every_format
@some_examples
@given(content=contents())
def test_what_a_format_holds_comes_back(name: str, content: Content) -> None:
    form = FORMATS[name]
    images = by_frame(content)
    expected = [RETAINED[name](one, images[one.frame]) for one in held(form, content)]
    with written(form, content) as (dataset, folder):
        found = form.read(folder, "street")
    assert [image.name for image in found.images] == [image.name for image in content.images]
    left = list(found.objects)
    for one in expected:
        match = next((number for number, other in enumerate(left) if close(one, other)), None)
        assert match is not None, f"{one} is not among {left}"
        left.pop(match)
    assert not left
    assert dataset.annotations == len(expected)


@every_format
@some_examples
@given(content=contents())
def test_the_account_says_of_everything_where_it_is(name: str, content: Content) -> None:
    with written(FORMATS[name], content) as (dataset, _):
        account = dataset.account
    assert sum(account.drawn.values()) == len(content.objects)
    assert sum(account.in_file.values()) == len(held(FORMATS[name], content))
    assert bool(account.left_out) <= bool(dataset.warnings)


@every_format
@some_examples
@given(content=contents(), chance=st.randoms(use_true_random=False))
def test_equal_content_in_any_order_gives_equal_bytes(name: str, content: Content, chance: random.Random) -> None:
    objects, images = list(content.objects), list(content.images)
    chance.shuffle(objects)
    chance.shuffle(images)
    assert bytes_of(name, content) == bytes_of(name, replace(content, objects=tuple(objects), images=tuple(images)))


def bytes_of(name: str, content: Content) -> dict[str, bytes]:
    with written(FORMATS[name], content) as (dataset, folder):
        return {str(file.relative_to(folder)): file.read_bytes() for file in dataset.files}
