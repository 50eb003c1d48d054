"""The screen: what it calls clean breaks no rule, and the report of a file is the same with and without it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelyard.formats.checks import check
from labelyard.formats.checks.fault import Fault
from labelyard.formats.checks.values import PARTS, whole_number
from labelyard.formats.file_checks.checking import check_file, check_items
from labelyard.formats.file_checks.items import Items
from labelyard.formats.file_checks.report import Report
from labelyard.formats.file_checks.screen import COMPARED, Screened, screen
from tests.support.coco_documents import faultless_documents, json_values

Document = dict[str, Any]
FIELDS = {
    "images": ("id", "file_name", "width", "height", "exif_orientation"),
    "categories": ("id", "name", "keypoints"),
    "annotations": ("id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "score", "keypoints",
                    "num_keypoints"),
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coco") / "instances.json"


def everything(items: Items) -> Screened:
    """Any item may break any rule."""
    every = {part: range(len(getattr(items, part))) for part in PARTS}
    equal = {name: every[part] for name, part in COMPARED.items()}
    meant = [whole_number(image.get("id")) for image in items.plain_all("images")]
    return Screened(every, equal, every["images"], items.plain_all("annotations"), meant, 0)


def report_without_screen(content: str) -> Report:
    """The report of a file whose every item is given to the rules."""
    items = Items.of_document(json.loads(content), "")
    return check_items(items, everything(items)).report


def in_words(report: Report) -> Document:
    faults = {name: (one.severity, one.count, list(map(str, one.examples))) for name, one in report.tallies.items()}
    return {"faults": faults, "images": report.images, "annotations": report.annotations}


@given(document=faultless_documents())
def test_a_file_without_faults_is_called_clean_and_has_none(document: Document, path: Path) -> None:
    path.write_text(json.dumps(document))
    found = check_file(path)
    assert found.report.tallies == {}
    assert check(document, "") == []
    assert found.screened is not None
    assert found.screened.doubtful == {"images": [], "annotations": []}
    assert (found.report.images, found.report.annotations) == (len(document["images"]), len(document["annotations"]))


CHANGES = st.lists(
    st.sampled_from([(part, field) for part, fields in FIELDS.items() for field in fields]).flatmap(
        lambda position: st.tuples(st.just(position), st.integers(0, 7), json_values)
    ),
    max_size=4,
)


@given(document=faultless_documents(), changes=CHANGES, copied=st.integers(0, 3))
def test_the_report_of_a_file_is_the_same_without_the_screen(
    document: Document, changes: Any, copied: int, path: Path
) -> None:
    document = copy.deepcopy(document)
    for (part, field), position, value in changes:
        item = document[part][position % len(document[part])]
        item[field] = value
    document["annotations"] += copy.deepcopy(document["annotations"][:copied])
    content = json.dumps(document)
    path.write_text(content)
    reference = report_without_screen(content)
    items = Items.of_document(json.loads(content), "")
    assert in_words(check_items(items, screen(items)).report) == in_words(reference)
    if not re.search(r"NaN|Infinity|\\ud[89a-f]", content):  # what strict readers refuse has rules of its own
        assert in_words(check_file(path).report) == in_words(reference)


@given(document=faultless_documents(), position=st.integers(0, 7), data=st.data())
def test_an_annotation_that_is_called_clean_has_no_fault(
    document: Document, position: int, data: st.DataObject, path: Path
) -> None:
    """Values near the limits: a coordinate, the area, a run length, a keypoint."""
    document = copy.deepcopy(document)
    annotation = document["annotations"][position % len(document["annotations"])]
    box, number = annotation["bbox"], st.floats(-3, 70) | st.sampled_from([0, 0.25, 1, 2, 4, 9, 1e6, -1e6])
    field = data.draw(st.sampled_from(["bbox", "area", "segmentation", "keypoints"]))
    if field == "area":
        annotation["area"] = data.draw(number)
    elif field == "bbox":
        box[data.draw(st.integers(0, 3))] = data.draw(number)
    elif field in annotation:
        values = annotation[field]
        values = values.get("counts") if isinstance(values, dict) else values
        if isinstance(values, list) and values:
            values = values[0] if isinstance(values[0], list) else values
            values[data.draw(st.integers(0, len(values) - 1))] = data.draw(number | st.integers(-1, 5000))
    path.write_text(json.dumps(document))
    found = check_file(path)
    assert found.screened is not None
    if not found.screened.doubtful["annotations"]:
        faults = [fault for fault in check(document, "") if "annotation" in fault.where]
        assert [fault for fault in faults if fault.rule != "duplicate-annotation"] == [], "that is a fault of two"


def test_faults_are_counted_exactly_and_only_a_few_are_examples(path: Path) -> None:
    annotations = [
        {"id": number, "image_id": 1, "category_id": 1, "bbox": [1, number % 90, 5, 5], "area": 25, "iscrowd": 7}
        for number in range(1, 12_001)
    ]
    image = {"id": 1, "file_name": "a.jpg", "width": 100, "height": 100}
    path.write_text(json.dumps({"images": [image], "annotations": annotations, "categories": [{"id": 1, "name": "c"}]}))
    report = check_file(path).report
    assert report.tallies["iscrowd"].count == 12_000
    assert report.tallies["duplicate-annotation"].count == 12_000 - 90
    first = Fault("iscrowd", report.tallies["iscrowd"].severity, "annotation 1", "its iscrowd is 7, neither 0 nor 1")
    assert report.tallies["iscrowd"].examples[0] == first
    assert len(report.tallies["iscrowd"].examples) == 5
