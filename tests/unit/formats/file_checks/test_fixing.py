"""Corrected copies: the fault is gone, everything else is as it was, and nothing is overwritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelyard.errors import InputError
from labelyard.formats.file_checks.checking import check_file
from labelyard.formats.file_checks.fixing import write_fixed
from labelyard.formats.file_checks.repairs import REPAIRS, WHOLE_REPAIRS
from tests.support.coco_faults import MASK, NAN, VIOLATIONS, Change, Document, first, image, one_more, recorded, without

ALL = sorted({*REPAIRS, *WHOLE_REPAIRS} - {"encoding"})

FLAT = [10.5, 20.5, 60, 20.5, 60, 50]
FIXABLE: list[tuple[str, str, Change, Any]] = [
    ("a missing iscrowd", "iscrowd", without("iscrowd"), 0),
    ("an iscrowd of true", "iscrowd", first(iscrowd=True), 1),
    ("a missing area", "area", without("area"), 1460.25),
    ("an area of NaN", "area", first(area=NAN), 1460.25),
    ("a wrong area", "area", first(area=99999), 1460.25),
    ("the area of a mask", "area", first(area=0, segmentation=MASK), 10.0),
    ("the area of a box", "area", first(area=0, segmentation=[]), 49.5 * 29.5),
    ("a missing bbox", "bbox", without("bbox"), [10.5, 20.5, 49.5, 29.5]),
    ("a bbox of texts", "bbox", first(bbox=["10.5", "20.5", "49.5", "29.5"]), [10.5, 20.5, 49.5, 29.5]),
    ("a negative bbox", "bbox", first(bbox=[60, 50, -49.5, -29.5]), [10.5, 20.5, 49.5, 29.5]),
    ("a flat outline", "segmentation", first(segmentation=FLAT), [FLAT]),
    ("an empty outline", "segmentation", first(segmentation=[[]]), []),
    ("a text as image_id", "image_id", first(image_id="0"), 0),
    ("a text as category_id", "category_id", first(category_id="2"), 2),
    ("annotation id 0", "id", first(id=0), 7),
    ("a missing annotation id", "id", without("id"), 7),
    ("a wrong num_keypoints", "num_keypoints", first(keypoints=[1, 2, 2], num_keypoints=3), 1),
]  # fmt: skip


def fixed(change: Change, folder: Path) -> tuple[Document, Document]:
    """The document with a fault, and its corrected copy, which has no fault."""
    document, path, to = recorded(), folder / "f.json", folder / "f.fixed.json"
    change(document)
    path.write_text(json.dumps(document))
    before = path.read_bytes()
    checked = check_file(path)
    assert all(tally.fixable for tally in checked.report.tallies.values())
    changes = write_fixed(checked, to).changes
    assert sum(changes.values()) >= 1
    assert path.read_bytes() == before
    assert check_file(to).report.tallies == {}
    return document, json.loads(to.read_text())


@pytest.mark.parametrize(
    ("field", "change", "value"), [case[1:] for case in FIXABLE], ids=[case[0] for case in FIXABLE]
)
def test_a_repair_changes_one_field_and_nothing_else(field: str, change: Change, value: Any, tmp_path: Path) -> None:
    document, found = fixed(change, tmp_path)
    assert found["annotations"][0][field] == value
    document["annotations"][0][field] = value
    assert json.dumps(found, sort_keys=True) == json.dumps(document, sort_keys=True)


def test_texts_as_ids_of_images_and_annotations_become_numbers_together(tmp_path: Path) -> None:
    def change(document: Document) -> None:
        for one in document["images"]:
            one["id"] = str(one["id"])
        for one in document["annotations"]:
            one["image_id"] = str(one["image_id"])

    _, found = fixed(change, tmp_path)
    assert found["images"] == recorded()["images"]
    assert found["annotations"] == recorded()["annotations"]


def test_of_two_annotations_with_one_id_the_second_gets_a_new_one(tmp_path: Path) -> None:
    _, found = fixed(one_more("annotations", bbox=[1, 2, 900, 700], area=9e4), tmp_path)
    assert [annotation["id"] for annotation in found["annotations"]] == [1, 2, 3, 4, 5, 6, 7]


def test_of_two_equal_annotations_one_is_left_out(tmp_path: Path) -> None:
    _, found = fixed(one_more("annotations", id=99), tmp_path)
    assert found["annotations"] == recorded()["annotations"]


def test_not_a_number_becomes_null_wherever_it_stands(tmp_path: Path) -> None:
    def change(document: Document) -> None:
        document["info"]["version"] = NAN
        document["images"][0]["score"] = [float("inf")]

    _, found = fixed(change, tmp_path)
    assert found["info"]["version"] is None
    assert found["images"][0]["score"] == [None]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_a_file_in_another_encoding_is_a_fault_and_becomes_utf_8(encoding: str, tmp_path: Path) -> None:
    document, path, to = recorded(), tmp_path / "f.json", tmp_path / "f.fixed.json"
    document["images"][0]["file_name"] = "街.jpg"
    path.write_bytes(json.dumps(document, ensure_ascii=False).encode(encoding))
    checked = check_file(path)
    assert set(checked.report.tallies) == {"encoding"}
    write_fixed(checked, to)
    assert json.loads(to.read_text("utf-8")) == document


@pytest.mark.parametrize("name", sorted(VIOLATIONS.keys() - set(ALL) - {"parts"}))
def test_a_fault_without_a_repair_stays_and_is_not_called_fixable(name: str, tmp_path: Path) -> None:
    document, path, to = recorded(), tmp_path / "f.json", tmp_path / "f.fixed.json"
    VIOLATIONS[name](document)
    path.write_text(json.dumps(document))
    checked = check_file(path)
    assert not checked.report.tallies[name].fixable
    assert sum(write_fixed(checked, to).changes.values()) == 0
    assert json.loads(to.read_text()) == document


def test_a_fault_that_is_ambiguous_is_not_fixable_though_others_of_its_rule_are(tmp_path: Path) -> None:
    document, path = recorded(), tmp_path / "f.json"
    first(iscrowd=7)(document)
    document["annotations"][1].pop("iscrowd")
    path.write_text(json.dumps(document))
    checked = check_file(path)
    assert not checked.report.tallies["iscrowd"].fixable
    assert write_fixed(checked, tmp_path / "to.json").changes == {"iscrowd": 1}
    assert check_file(tmp_path / "to.json").report.tallies["iscrowd"].count == 1


def test_not_a_number_in_an_outline_stays_for_a_person(tmp_path: Path) -> None:
    document, path = recorded(), tmp_path / "f.json"
    first(segmentation=[[NAN, 1, 2, 3, 4, 5]])(document)
    path.write_text(json.dumps(document))
    assert sum(write_fixed(check_file(path), tmp_path / "to.json").changes.values()) == 0
    assert set(check_file(tmp_path / "to.json").report.tallies) == {"outline"}


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path, to = tmp_path / "f.json", tmp_path / "f.fixed.json"
    document = recorded()
    image(license="x")(document)
    path.write_text(json.dumps(document))
    to.write_text("precious")
    with pytest.raises(InputError, match="nothing is overwritten"):
        write_fixed(check_file(path), to)
    assert to.read_text() == "precious"
