"""The checks of COCO documents: every rule by itself, what pycocotools 2.0.11 fails on, and any JSON at all."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.formats.checks import CHECKS, check
from labelyard.formats.checks.fault import Severity
from labelyard.formats.checks.values import PARTS
from labelyard.formats.coco.read import content_of
from labelyard.formats.file_checks.checking import check_file
from tests.support.coco_faults import (
    DATASET,
    INF,
    MASK,
    NAN,
    VIOLATIONS,
    Change,
    Document,
    category,
    first,
    image,
    one_more,
    recorded,
    without,
)


def faults(document: Document, severity: Severity) -> list[str]:
    return [str(fault) for fault in check(document, "f.json") if fault.severity is severity]


# --- every rule -------------------------------------------------------------------------------------------------------


def test_every_rule_has_a_document_that_violates_it() -> None:
    assert VIOLATIONS.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CHECKS)
def test_a_rule_is_a_sentence_that_the_faults_of_its_violation_belong_to(name: str) -> None:
    rule, document = CHECKS[name], recorded()
    VIOLATIONS[name](document)
    found = check(document, "f.json")
    assert {(fault.rule, fault.severity) for fault in found} == {(name, rule.severity)}
    for text in (rule.sentence, rule.consequence):
        assert text[0].isupper() or text.startswith(("torchvision", "pycocotools"))
        assert text.endswith(".")


@pytest.mark.parametrize("name", CHECKS)
def test_a_file_has_the_faults_of_its_document(name: str, tmp_path: Path) -> None:
    document, path = recorded(), tmp_path / "instances.json"
    VIOLATIONS[name](document)
    path.write_text(json.dumps(document), encoding="ascii")
    report = check_file(path).report
    assert {rule: tally.count for rule, tally in report.tallies.items()} == {name: len(check(document, ""))}
    assert report.fit == (CHECKS[name].severity is Severity.WARNING)


def test_an_export_of_cvat_has_no_faults_though_its_image_ids_start_from_zero() -> None:
    assert check(recorded(), "f.json", DATASET) == []


# --- messages ---------------------------------------------------------------------------------------------------------

ERRORS: list[tuple[str, Change, str]] = [
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
    ("no id", without("id"), "annotation with id None: its id"),
    ("no area", without("area"), "its area is None"),
    ("no iscrowd", without("iscrowd"), "its iscrowd is None"),
    ("no bbox", without("bbox"), "its bbox is None"),
    ("a segmentation of null", first(segmentation=None), "its segmentation is None"),
    ("a compressed mask that is cut off", first(segmentation=MASK | {"counts": "PPY`0o"}), "is cut off"),
    ("a compressed mask of too little", first(segmentation=MASK | {"counts": "55"}), "add up to 10 instead"),
    ("a compressed mask with a character of none", first(segmentation=MASK | {"counts": "5 5"}), "no compressed mask"),
    ("a mask of too many pixels", first(segmentation={"size": [999_999] * 2, "counts": []}), "more pixels than"),
    ("a bbox of no width", first(bbox=[1, 2, 0, 3], area=1), "its bbox is 0 x 3 pixels"),
    ("a negative bbox", first(bbox=[9, 9, -5, -3], area=15), "its bbox is -5 x -3 pixels"),
    ("an iscrowd of true", first(iscrowd=True), "its iscrowd is True"),
    ("keypoints of another number", first(keypoints=[1, 2, 2, 3], num_keypoints=1), "4 numbers instead of triples"),
    ("a visibility of 3", first(keypoints=[1, 2, 3], num_keypoints=1), "a visibility other than"),
    ("a bbox of three numbers", first(bbox=[1, 2, 3]), "its bbox is [1, 2, 3]"),
    ("a bbox of null", first(bbox=None), "its bbox is None"),
    ("a bbox with NaN", first(bbox=[1, 2, NAN, 3]), "its bbox is [1, 2, nan, 3]"),
    ("a bbox of strings", first(bbox=["1", "2", "3", "4"]), "its bbox is ['1'"),
    ("an empty outline", first(segmentation=[[]]), "an outline of its segmentation has 0 numbers"),
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
    ("no images", lambda document: document.pop("images"), "images is missing"),
    ("annotations that are numbers", lambda document: document.update(annotations=[1]), "annotations is not a list"),
]
WARNINGS: list[tuple[str, Change, str]] = [
    ("a bbox out of the image", first(bbox=[1000, 9, 50, 5], area=250), "reaches out of the image of 1024 x 768"),
    ("a zero area", first(area=0), "its area is 0"),
    ("an area that the bbox cannot hold", first(area=99999), "larger than its bbox"),
    (
        "names that differ in case only",
        image(file_name="B_08.JPG"),
        "case or ending: 'B_08.JPG', 'b_08.jpg'",
    ),
    ("a far too small area", first(area=9), "less than half of its shape's"),
    ("a far too small area of a box", first(area=9, segmentation=[]), "less than half of its shape's"),
    ("an absolute path", image(file_name="/data/a.jpg"), "not a path inside a folder"),
    ("a path of Windows", image(file_name="C:a.jpg"), "not a path inside a folder"),
    ("a path that leaves its folder", image(file_name="a/../../b.jpg"), "not a path inside a folder"),
    ("an id that no float has", first(id=2**53), "its id is 2^53 or more"),
    ("an image without annotations", one_more("images", id=99, file_name="x.jpg"), "image 'x.jpg': has no annotation"),
    ("no num_keypoints", first(keypoints=[1, 2, 2]), "its num_keypoints is None, and 1 of"),
    ("two equal names", image(file_name="b_08.jpg"), "2 have the same file_name"),
]


@pytest.mark.parametrize(("change", "words"), [(c, w) for _, c, w in ERRORS], ids=[name for name, _, _ in ERRORS])
def test_a_document_that_misleads_or_crashes_its_readers_has_an_error(change: Change, words: str) -> None:
    document = recorded()
    change(document)
    found = faults(document, Severity.ERROR)
    assert any(words in fault and fault.startswith("f.json") for fault in found), found


@pytest.mark.parametrize(("change", "words"), [(c, w) for _, c, w in WARNINGS], ids=[name for name, _, _ in WARNINGS])
def test_a_doubtful_document_has_a_warning_and_no_error(change: Change, words: str) -> None:
    document = recorded()
    change(document)
    assert faults(document, Severity.ERROR) == []
    assert any(words in fault for fault in faults(document, Severity.WARNING))


UNUSUAL: list[tuple[str, Change]] = [
    ("no segmentation", without("segmentation")),
    ("an empty segmentation", first(segmentation=[])),
    ("several outlines", first(segmentation=[[10.5, 20.5, 60, 20.5, 60, 50], [10.5, 20.5, 60, 50, 10.5, 50]])),
    ("a crowd", first(segmentation=MASK, iscrowd=1, area=10)),
    ("a compressed crowd", first(segmentation=MASK | {"counts": "Sh37ig0000moig0"}, iscrowd=1, area=21)),
    ("the area of the bbox for a mask", first(segmentation=MASK, area=1460)),
    ("keypoints", first(keypoints=[1.5, 2, 2, 0, 0, 0], num_keypoints=1)),
    ("unused keypoints", first(keypoints=None, score=None)),
    ("sparse ids", first(id=2**53 - 1)),
    ("further fields", first(attributes={"occluded": True, "a": [{}]}, track_id="7", ignore=0)),
    ("a text as license", image(license="CC0", date_captured=None)),
    ("no annotations", lambda document: document["annotations"].clear()),
    ("nothing at all", lambda document: [document[part].clear() for part in PARTS]),
    ("no info", lambda document: document.pop("info")),
    ("a box that is rounded out of its image", first(bbox=[1000, 20, 24.6, 29], segmentation=[], area=700)),
    ("a name with a dot", image(file_name="b_08.v2")),
    ("a name without an ending", image(file_name="folder/b_08")),
    ("the same name in two folders", image(file_name="x/b_08.jpg")),
]


@pytest.mark.parametrize("change", [change for _, change in UNUSUAL], ids=[name for name, _ in UNUSUAL])
def test_unusual_data_without_faults_raises_no_alarm(change: Change, tmp_path: Path) -> None:
    document, path = recorded(), tmp_path / "instances.json"
    change(document)
    path.write_text(json.dumps(document), encoding="ascii")
    assert check(document, "f.json") == []
    assert check_file(path).report.tallies == {}


def test_a_duplicate_annotation_is_a_warning_that_names_both() -> None:
    document = recorded()
    document["annotations"].append(document["annotations"][2] | {"id": 99})
    assert faults(document, Severity.WARNING) == ["f.json, annotation 99: is the same as annotation 3"]


def test_a_mask_of_the_right_size_has_no_error() -> None:
    document = recorded()
    first(segmentation=MASK, iscrowd=1, area=10)(document)
    assert faults(document, Severity.ERROR) == []


# --- any JSON ---------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    (part, field)
    for part, fields in {
        "images": ("id", "file_name", "width", "height"),
        "categories": ("id", "name"),
        "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "score"),
    }.items()
    for field in fields
]


@given(field=st.sampled_from(FIELDS), value=JSON)
def test_a_document_with_any_value_in_a_field_has_an_error_or_can_be_read(field: tuple[str, str], value: Any) -> None:
    document = recorded()
    document[field[0]][0][field[1]] = copy.deepcopy(value)
    if not faults(document, Severity.ERROR):
        document = {part: document[part] for part in PARTS}
        content_of(document)
        json.dumps(document, allow_nan=False)


@given(document=st.dictionaries(st.sampled_from(["images", "annotations", "categories"]), JSON))
def test_no_document_makes_the_check_raise(document: Document) -> None:
    check(document, "f.json", DATASET)


@given(orientation=JSON)
def test_any_exif_orientation_is_a_warning(orientation: Any) -> None:
    document = recorded()
    document["images"][0]["exif_orientation"] = orientation
    assert len(faults(document, Severity.WARNING)) == 1
