"""Every fault that pycocotools crashes on, or swallows, is found before it is asked; the table is facts of 2.0.11."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.annotations.content import Severity
from labelyard.formats.checks.document import check
from labelyard.formats.coco.read import content_of
from tests.support.coco_exports import recorded_document

Document = dict[str, Any]
MASK = {"size": [768, 1024], "counts": [768 * 1024 - 10, 10]}


def first(**fields: Any) -> Callable[[Document], None]:
    return lambda document: document["annotations"][0].update(fields)


def without(field: str) -> Callable[[Document], None]:
    def remove(document: Document) -> None:
        del document["annotations"][0][field]

    return remove


def image(**fields: Any) -> Callable[[Document], None]:
    return lambda document: document["images"][0].update(fields)


def category(**fields: Any) -> Callable[[Document], None]:
    return lambda document: document["categories"][0].update(fields)


NAN, INF = float("nan"), float("inf")
GRAVE: list[tuple[str, Callable[[Document], None], str]] = [
    ("a coordinate that is NaN", first(segmentation=[[NAN, 1, 2, 3, 4, 5]]), "annotation 1: its segmentation"),
    ("an infinite coordinate", first(segmentation=[[INF, 1, 2, 3, 4, 5]]), "annotation 1: its segmentation"),
    ("a coordinate of 1e9", first(segmentation=[[1e9, 1, 2, 3, 4, 5]]), "annotation 1: its segmentation"),
    ("a coordinate of text", first(segmentation=[["1", 1, 2, 3, 4, 5]]), "annotation 1: its segmentation"),
    ("run lengths that add up to too little", first(segmentation=MASK | {"counts": [5, 5]}), "add up to 10 instead"),
    ("no run lengths", first(segmentation=MASK | {"counts": []}), "add up to 0 instead"),
    (
        "negative run lengths",
        first(segmentation=MASK | {"counts": [-1, 768 * 1024 + 1]}),
        "not a list of whole numbers",
    ),
    (
        "run lengths of another size",
        first(segmentation={"size": [10, 10], "counts": [100]}),
        "the image has 1024 x 768",
    ),
    ("run lengths without a size", first(segmentation={"counts": [100]}), "the size of its run lengths is None"),
    ("annotation id 0", first(id=0), "annotation 0: its id must be a whole number, not 0"),
    ("two equal annotation ids", first(id=2), "annotations: 2 have the same id: 2"),
    ("two equal image ids", image(id=1), "images: 2 have the same id: 1"),
    ("two equal category ids", category(id=2), "categories: 2 have the same id: 2"),
    ("two equal category names", category(name="person"), "categories: 2 have the same name: 'person'"),
    ("an unknown category", first(category_id=77), "its category 77 is not among the categories"),
    ("an unknown image", first(image_id=77), "its image 77 is not among the images"),
    ("no category_id", without("category_id"), "its category None"),
    ("no image_id", without("image_id"), "its image None"),
    ("no id", without("id"), "annotation None: its id"),
    ("no area", without("area"), "its area is None"),
    ("no iscrowd", without("iscrowd"), "its iscrowd is None"),
    ("no bbox", without("bbox"), "its bbox is None"),
    ("no segmentation", without("segmentation"), "its segmentation is None"),
    ("a bbox of three numbers", first(bbox=[1, 2, 3]), "its bbox is [1, 2, 3]"),
    ("a bbox of null", first(bbox=None), "its bbox is None"),
    ("a bbox with NaN", first(bbox=[1, 2, NAN, 3]), "its bbox is [1, 2, nan, 3]"),
    ("a bbox of strings", first(bbox=["1", "2", "3", "4"]), "its bbox is ['1'"),
    ("a segmentation of nothing", first(segmentation=[]), "its segmentation is []"),
    ("a segmentation of an empty outline", first(segmentation=[[]]), "has 0 numbers"),
    ("a flat segmentation", first(segmentation=[1, 2, 3, 4, 5, 6]), "a flat list"),
    ("an outline of four numbers", first(segmentation=[[1, 2, 3, 4]]), "has 4 numbers"),
    ("an odd number of coordinates", first(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "has 7 numbers"),
    ("no width", image(width=None), "its width is None"),
    ("a height of 0", image(height=0), "its height is 0"),
    ("a string as image_id", first(image_id="0"), "its image '0'"),
    ("a string as image id", image(id="0"), "its id is '0'"),
    ("an area of NaN", first(area=NAN), "its area is nan"),
    ("a score of text", first(score="much"), "its score is 'much'"),
    ("an image without a name", image(file_name=None), "has no file_name"),
    ("no images", lambda document: document.pop("images"), "images is not a list of objects"),
    ("annotations that are numbers", lambda document: document.update(annotations=[1]), "annotations is not a list"),
]
SLIGHT: list[tuple[str, Callable[[Document], None], str]] = [
    ("a bbox of no width", first(bbox=[1, 2, 0, 3], area=1), "its bbox is 0 x 3 pixels"),
    ("a negative bbox", first(bbox=[9, 9, -5, -3], area=15), "its bbox is -5 x -3 pixels"),
    ("a bbox out of the image", first(bbox=[1000, 9, 50, 5], area=250), "reaches out of the image of 1024 x 768"),
    ("a zero area", first(area=0), "its area is 0"),
    ("an area that the bbox cannot hold", first(area=99999), "more than its bbox holds"),
    ("names that differ in case only", image(file_name="B_08.JPG"), "differ only in case or ending: 'b_08'"),
    ("two equal names", image(file_name="b_08.jpg"), "2 have the same file_name"),
]


def faults(document: Document, gravity: Severity) -> list[str]:
    return [str(finding) for finding in check(document, "f.json") if finding.gravity is gravity]


@pytest.mark.parametrize(("change", "words"), [(c, w) for _, c, w in GRAVE], ids=[name for name, _, _ in GRAVE])
def test_what_misleads_or_crashes_its_readers_is_refused(change: Callable[[Document], None], words: str) -> None:
    document = recorded_document("488-dump-coco-download")
    change(document)
    found = faults(document, Severity.REFUSE)
    assert any(words in fault and fault.startswith("f.json") for fault in found), found


@pytest.mark.parametrize(("change", "words"), [(c, w) for _, c, w in SLIGHT], ids=[name for name, _, _ in SLIGHT])
def test_what_is_doubtful_is_a_warning(change: Callable[[Document], None], words: str) -> None:
    document = recorded_document("488-dump-coco-download")
    change(document)
    assert faults(document, Severity.REFUSE) == []
    assert any(words in fault for fault in faults(document, Severity.WARN))


def test_what_cvat_exports_is_sound_though_its_images_count_from_zero() -> None:
    assert check(recorded_document("488-dump-coco-download"), "f.json") == []


def test_the_same_box_twice_is_a_warning_that_names_both() -> None:
    document = recorded_document("488-dump-coco-download")
    document["annotations"].append(document["annotations"][2] | {"id": 99})
    assert faults(document, Severity.WARN) == ["f.json, annotation 99: is the same as annotation 3"]


def test_a_run_length_mask_of_the_right_size_is_sound() -> None:
    document = recorded_document("488-dump-coco-download")
    first(segmentation=MASK, iscrowd=1, area=10)(document)
    assert faults(document, Severity.REFUSE) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
PLACES = [
    (part, field)
    for part, fields in {
        "images": ("id", "file_name", "width", "height"),
        "categories": ("id", "name"),
        "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "score"),
    }.items()
    for field in fields
]


@given(context=st.sampled_from(PLACES), value=JSON)
def test_whatever_stands_in_a_field_is_found_or_can_be_read(context: tuple[str, str], value: Any) -> None:
    document = recorded_document("488-dump-coco-download")
    document[context[0]][0][context[1]] = copy.deepcopy(value)
    if not faults(document, Severity.REFUSE):
        content_of(document)
        json.dumps(document, allow_nan=False)


@given(document=st.dictionaries(st.sampled_from(["images", "annotations", "categories"]), JSON))
def test_no_document_breaks_the_check(document: Document) -> None:
    check(document, "f.json")
