"""The dataset file in COCO: original keys as file names, ids from 1, provenance, warnings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from labelyard.annotations.content import AnnotatedImages, Image, Instance
from labelyard.domain.objects import StoredObject
from labelyard.errors import CvatDisagrees, ExportFailed
from labelyard.formats.checks.fault import DatasetFacts
from labelyard.formats.coco import write
from labelyard.formats.coco.read import read_export
from labelyard.formats.interface import Original, Provenance, WrittenFile, WrittenFrom
from tests.support.coco_exports import recorded_document, zipped
from tests.support.ledger_samples import dataset_spec

STREET = DatasetFacts(dataset_spec("street"), {"truck": 1, "person": 2, "car": 3})
PROVENANCE = Provenance(
    3, "street-00007", task_id=74, generation=1, written_from=WrittenFrom.EXPORT, annotators=(9, 4, 9)
)


@pytest.fixture
def content(zip_path: Path) -> AnnotatedImages:
    return read_export(zipped(recorded_document("504-dump-download-after-rename"), zip_path))


def write_dataset(content: AnnotatedImages, keys: Mapping[str, str], to: Path) -> WrittenFile:
    """Write a dataset file of images with these keys in one bucket."""
    frames = {image.name: frame for frame, image in enumerate(content.images)}
    originals = {name: Original(StoredObject("b", key, f"etag-{key}"), frames[name]) for name, key in keys.items()}
    return write.write_dataset(content, originals, STREET, PROVENANCE, to)


@pytest.fixture
def keys(content: AnnotatedImages) -> dict[str, str]:
    return {image.name: f"cam{i % 2}/{image.name.removesuffix('.jpg')} ü.jpg" for i, image in enumerate(content.images)}


def test_pycocotools_reads_what_was_written(content: AnnotatedImages, keys: dict[str, str], tmp_path: Path) -> None:
    written = write_dataset(content, keys, tmp_path / "d.json")
    coco = COCO(str(written.path))
    assert (len(coco.imgs), len(coco.anns)) == (written.images, written.annotations) == (7, 7)
    (image_id,) = [i for i, image in coco.imgs.items() if image["file_name"] == "cam0/z_10 ü.jpg"]
    (annotation,) = coco.loadAnns(coco.getAnnIds(imgIds=[image_id]))
    assert annotation["bbox"] == [10.5, 20.5, 49.5, 29.5]


def test_nothing_is_printed(
    content: AnnotatedImages, keys: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dataset(content, keys, tmp_path / "d.json")
    assert capsys.readouterr().out == ""


def test_ids_start_from_one_and_the_keys_are_the_file_names(
    content: AnnotatedImages, keys: dict[str, str], tmp_path: Path
) -> None:
    document = _written(content, keys, tmp_path)
    assert [image["id"] for image in document["images"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [annotation["id"] for annotation in document["annotations"]] == [1, 2, 3, 4, 5, 6, 7]
    assert [image["file_name"] for image in document["images"]] == sorted(keys.values())


def test_the_file_has_its_provenance_and_names_people_by_id(
    content: AnnotatedImages, keys: dict[str, str], tmp_path: Path
) -> None:
    assert _written(content, keys, tmp_path)["info"] == {
        "description": "street, batch street-00007: annotations of CVAT task 74",
        "dataset": "street",
        "dataset_version": 3,
        "batch": "street-00007",
        "task_id": 74,
        "generation": 1,
        "annotations_from": "CVAT's COCO 1.0 export, equal to the annotations API",
        "annotators": [4, 9],
        "warnings": [
            "street-00007, annotation 4: its bbox [10.5, 20.5, 49.5, 29.5] reaches out of the image of 64 x 48"
        ],
    }


def test_the_bytes_do_not_depend_on_the_order_of_instances(
    content: AnnotatedImages, keys: dict[str, str], tmp_path: Path
) -> None:
    reordered = replace(content, instances=tuple(reversed(content.instances)))
    first = write_dataset(content, keys, tmp_path / "a.json")
    second = write_dataset(reordered, dict(reversed(keys.items())), tmp_path / "b.json")
    assert first.sha256 == second.sha256
    assert first.path.read_bytes() == second.path.read_bytes()


def test_another_box_gives_another_hash(content: AnnotatedImages, keys: dict[str, str], tmp_path: Path) -> None:
    fewer = replace(content, instances=content.instances[1:])
    first = write_dataset(content, keys, tmp_path / "a.json")
    assert first.sha256 != write_dataset(fewer, keys, tmp_path / "b.json").sha256


def test_an_image_that_was_not_uploaded_is_an_error(
    content: AnnotatedImages, keys: dict[str, str], tmp_path: Path
) -> None:
    del keys["b_08.jpg"]
    with pytest.raises(CvatDisagrees, match=r"'b_08\.jpg', which was not uploaded"):
        write_dataset(content, keys, tmp_path / "d.json")


def test_a_rectangle_drawn_from_another_corner_has_positive_sides(tmp_path: Path) -> None:
    backwards = Instance(0, "car", (30, 20, -20, -10), ((30, 20, 10, 20, 10, 10, 30, 10),), 200)
    sideways = Instance(0, "car", (30, 10, -20, 10), ((30, 10, 10, 10, 10, 20, 30, 20),), -200)
    content = AnnotatedImages((Image("a.jpg", 99, 99),), ("car",), (backwards, sideways))
    written = _written(content, {"a.jpg": "a.jpg"}, tmp_path)["annotations"]
    assert [(one["bbox"], one["area"]) for one in written] == [([10, 10, 20, 10], 200)] * 2


def test_an_outline_that_would_crash_pycocotools_is_not_written(tmp_path: Path) -> None:
    huge = Instance(0, "car", (0, 0, 9, 9), ((0, 0, 1e9, 0, 9, 9),), 81)
    with pytest.raises(ExportFailed, match="not a number below a million"):
        write_dataset(AnnotatedImages((Image("a", 9, 9),), ("car",), (huge,)), {"a": "a"}, tmp_path / "d.json")
    assert not (tmp_path / "d.json").exists()


def test_two_images_with_the_same_key_are_a_warning(tmp_path: Path) -> None:
    content = AnnotatedImages((Image("a-1.jpg", 9, 9), Image("a-2.jpg", 9, 9)), ("car",), ())
    written = write_dataset(content, {"a-1.jpg": "a.jpg", "a-2.jpg": "a.jpg"}, tmp_path / "d.json")
    assert [fault.message for fault in written.warnings] == ["2 have the same file_name: 'a.jpg'"]


def test_a_label_has_the_id_that_the_dataset_gave_it(tmp_path: Path) -> None:
    box = Instance(0, "car", (1, 1, 5, 5), ((1, 1, 6, 1, 6, 6, 1, 6),), 25)
    content = AnnotatedImages((Image("a.jpg", 9, 9),), ("car", "person"), (box,))
    document = _written(content, {"a.jpg": "a.jpg"}, tmp_path)
    assert [(c["id"], c["name"]) for c in document["categories"]] == [(2, "person"), (3, "car")]
    assert document["annotations"][0]["category_id"] == 3
    assert document["info"]["warnings"] == []


def test_a_label_that_the_dataset_never_had_comes_last_with_a_warning(tmp_path: Path) -> None:
    content = AnnotatedImages((Image("a.jpg", 9, 9),), ("kerb", "car"), ())
    document = _written(content, {"a.jpg": "a.jpg"}, tmp_path)
    assert [(c["id"], c["name"]) for c in document["categories"]] == [(3, "car"), (4, "kerb")]
    assert document["info"]["warnings"][0].startswith("street-00007, category 'kerb': is not a label of the dataset")


def test_an_image_names_its_object_and_its_frame(tmp_path: Path) -> None:
    content = AnnotatedImages((Image("z.jpg", 9, 8),), ("car",), ())
    original = Original(StoredObject("raw", "in/ü.jpg", "0a1b", version_id="v7"), frame=4)
    written = write.write_dataset(content, {"z.jpg": original}, STREET, PROVENANCE, tmp_path / "d.json")
    assert json.loads(written.path.read_text())["images"] == [{
        "id": 1, "file_name": "in/ü.jpg", "width": 9, "height": 8, "coco_url": "s3://raw/in/ü.jpg", "etag": "0a1b",
        "version_id": "v7", "cvat_name": "z.jpg", "cvat_frame": 4,
    }]  # fmt: skip


@pytest.mark.parametrize("orientation", [None, 1, 6])
def test_an_image_with_an_exif_orientation_is_marked(tmp_path: Path, orientation: int | None) -> None:
    content = AnnotatedImages((Image("a.jpg", 300, 200),), ("car",), ())
    original = Original(StoredObject("raw", "a.jpg", "e"), 0, orientation)
    written = write.write_dataset(content, {"a.jpg": original}, STREET, PROVENANCE, tmp_path / "d.json")
    document = json.loads(written.path.read_text())
    rotated = orientation == 6
    assert document["images"][0].get("exif_orientation") == (6 if rotated else None)
    assert ["EXIF orientation 6" in warning for warning in document["info"]["warnings"]] == [True] * rotated
    assert len(written.warnings) == rotated


def _written(content: AnnotatedImages, keys: dict[str, str], folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_dataset(content, keys, folder / "d.json").path.read_text())
    return document
