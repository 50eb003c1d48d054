"""The dataset file: original keys, ids from 1, the same bytes for the same work, and pycocotools agrees."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from exports import recorded_document, zipped
from pycocotools.coco import COCO

from labelyard.coco.content import Annotation, CocoContent, Image
from labelyard.coco.read import read_export
from labelyard.coco.write import Provenance, Source, write_dataset
from labelyard.errors import CvatDisagrees, ExportFailed

STREET = Provenance("street", "street-00007", task_id=74, generation=1, source=Source.EXPORT, annotators=(9, 4, 9))


@pytest.fixture
def content(zip_path: Path) -> CocoContent:
    return read_export(zipped(recorded_document("504-dump-download-after-rename"), zip_path))


@pytest.fixture
def keys(content: CocoContent) -> dict[str, str]:
    return {image.name: f"cam{i % 2}/{image.name.removesuffix('.jpg')} ü.jpg" for i, image in enumerate(content.images)}


def test_pycocotools_reads_what_was_written(content: CocoContent, keys: dict[str, str], tmp_path: Path) -> None:
    written = write_dataset(content, keys, STREET, tmp_path / "d.json")
    coco = COCO(str(written.path))
    assert (len(coco.imgs), len(coco.anns)) == (written.images, written.annotations) == (7, 7)
    (image_id,) = [i for i, image in coco.imgs.items() if image["file_name"] == "cam0/z_10 ü.jpg"]
    (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
    assert annotation["bbox"] == [10.5, 20.5, 49.5, 29.5]


def test_nothing_is_printed(
    content: CocoContent, keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(content, keys, STREET, tmp_path / "d.json")
    assert capsys.readouterr().out == ""


def test_ids_start_from_one_and_the_keys_are_the_file_names(
    content: CocoContent, keys: dict[str, str], tmp_path: Path
) -> None:
    document = _written(content, keys, tmp_path)
    assert [image["id"] for image in document["images"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [annotation["id"] for annotation in document["annotations"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [image["file_name"] for image in document["images"]] == sorted(keys.values())


def test_it_says_where_it_comes_from_and_names_people_by_id_only(
    content: CocoContent, keys: dict[str, str], tmp_path: Path
) -> None:
    assert _written(content, keys, tmp_path)["info"] == {
        "description": "street, batch street-00007: annotations of CVAT task 74",
        "dataset": "street",
        "batch": "street-00007",
        "task_id": 74,
        "generation": 1,
        "annotations_from": "CVAT's COCO 1.0 export, equal to the annotations API",
        "annotators": [4, 9],
    }


def test_the_order_of_annotations_leaves_no_trace_in_the_bytes(
    content: CocoContent, keys: dict[str, str], tmp_path: Path
) -> None:
    turned = replace(content, annotations=tuple(reversed(content.annotations)))
    first = write_dataset(content, keys, STREET, tmp_path / "a.json")
    second = write_dataset(turned, dict(reversed(keys.items())), STREET, tmp_path / "b.json")
    assert first.sha256 == second.sha256
    assert first.path.read_bytes() == second.path.read_bytes()


def test_another_box_gives_another_hash(content: CocoContent, keys: dict[str, str], tmp_path: Path) -> None:
    fewer = replace(content, annotations=content.annotations[1:])
    first = write_dataset(content, keys, STREET, tmp_path / "a.json")
    assert first.sha256 != write_dataset(fewer, keys, STREET, tmp_path / "b.json").sha256


def test_a_name_that_was_never_uploaded_is_refused(content: CocoContent, keys: dict[str, str], tmp_path: Path) -> None:
    del keys["b_08.jpg"]
    with pytest.raises(CvatDisagrees, match=r"'b_08\.jpg', which was not uploaded"):
        write_dataset(content, keys, STREET, tmp_path / "d.json")


def test_a_rectangle_drawn_backwards_is_written_upright(tmp_path: Path) -> None:
    backwards = Annotation(0, "car", (30, 20, -20, -10), ((30, 20, 10, 20, 10, 10, 30, 10),), 200)
    document = _written(CocoContent((Image("a.jpg", 99, 99),), ("car",), (backwards,)), {"a.jpg": "a.jpg"}, tmp_path)
    assert document["annotations"][0]["bbox"] == [10, 10, 20, 10]


def test_an_outline_that_would_kill_its_readers_is_not_written(tmp_path: Path) -> None:
    huge = Annotation(0, "car", (0, 0, 9, 9), ((0, 0, 1e9, 0, 9, 9),), 81)
    with pytest.raises(ExportFailed, match="no number below a million"):
        write_dataset(CocoContent((Image("a", 9, 9),), ("car",), (huge,)), {"a": "a"}, STREET, tmp_path / "d.json")
    assert not (tmp_path / "d.json").exists()


def test_two_files_of_one_key_are_told_as_a_warning(tmp_path: Path) -> None:
    content = CocoContent((Image("a-1.jpg", 9, 9), Image("a-2.jpg", 9, 9)), ("car",), ())
    written = write_dataset(content, {"a-1.jpg": "a.jpg", "a-2.jpg": "a.jpg"}, STREET, tmp_path / "d.json")
    assert [finding.what for finding in written.findings] == ["2 have the same file_name: 'a.jpg'"]


def _written(content: CocoContent, keys: dict[str, str], folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_dataset(content, keys, STREET, folder / "d.json").path.read_text())
    return document
