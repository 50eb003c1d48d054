"""Reading CVAT's COCO zip: a broken, oversized or wrong file is a typed error."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from labelyard.annotations.content import Image
from labelyard.errors import CvatDisagrees, ExportFailed
from labelyard.formats.coco.read import read_export
from tests.support.coco_exports import recorded_document, zipped


def test_frames_are_in_the_order_of_the_image_ids(zip_path: Path) -> None:
    document = recorded_document("541-dump-doc-filenames-download")
    for image in document["images"]:
        image["id"] = image["id"] * 9 + 8
    document["annotations"][0]["image_id"] = 17
    content = read_export(zipped(document, zip_path))
    assert content.images[1] == Image("000000000776.jpg", 800, 600)
    assert [(one.frame, one.label, one.box) for one in content.instances] == [(1, "car", (10.5, 20.5, 49.5, 29.5))]


def test_other_members_of_the_zip_are_ignored(zip_path: Path) -> None:
    zipped(recorded_document("541-dump-doc-filenames-download"), zip_path)
    with zipfile.ZipFile(zip_path, "a") as archive:
        archive.writestr("../../../etc/passwd", "no")
    assert len(read_export(zip_path).images) == 3
    assert [p.name for p in zip_path.parent.iterdir()] == ["export.zip"]


def test_a_truncated_zip_is_a_failed_export(zip_path: Path) -> None:
    zipped(recorded_document("541-dump-doc-filenames-download"), zip_path)
    complete = zip_path.read_bytes()
    for size in (0, 1, 100, len(complete) - 30):
        zip_path.write_bytes(complete[:size])
        with pytest.raises(ExportFailed, match="not a readable zip"):
            read_export(zip_path)


def test_a_flipped_byte_in_the_member_is_found(zip_path: Path) -> None:
    zipped(recorded_document("541-dump-doc-filenames-download"), zip_path)
    complete = bytearray(zip_path.read_bytes())
    complete[200] ^= 0xFF
    zip_path.write_bytes(bytes(complete))
    with pytest.raises(ExportFailed, match="not a readable zip"):
        read_export(zip_path)


def test_a_zip_without_instances_is_not_a_coco_export(zip_path: Path) -> None:
    with pytest.raises(CvatDisagrees, match=r"0 of them called annotations/instances_default\.json"):
        read_export(zipped({}, zip_path, member="annotations.xml"))


def test_a_zip_with_instances_twice_is_not_a_coco_export(zip_path: Path) -> None:
    zipped({}, zip_path)
    with zipfile.ZipFile(zip_path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("annotations/instances_default.json", "{}")
    with pytest.raises(CvatDisagrees, match="2 of them"):
        read_export(zip_path)


def test_a_zip_bomb_is_rejected_before_it_is_unpacked(zip_path: Path) -> None:
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations/instances_default.json", b" " * (20 << 20))
    with pytest.raises(ExportFailed, match="would unpack to 20971520 bytes"):
        read_export(zip_path)


@pytest.mark.parametrize("text", [b"", b"[1", b"\xff\xfe", b"[" * 100_000, b'{"images": 1' + b"1" * 5000 + b"}"])
def test_invalid_json_is_a_failed_export(text: bytes, zip_path: Path) -> None:
    with pytest.raises(ExportFailed, match="not valid JSON"):
        read_export(zipped(text, zip_path))


@pytest.mark.parametrize("document", [[], 3, None, "x"])
def test_json_that_is_not_an_object_is_not_a_coco_export(document: Any, zip_path: Path) -> None:
    with pytest.raises(CvatDisagrees, match="not a COCO document"):
        read_export(zipped(json.dumps(document).encode(), zip_path))


def test_an_error_in_the_document_is_named_with_its_annotation(zip_path: Path) -> None:
    document = recorded_document("488-dump-coco-download")
    document["annotations"][3]["bbox"][0] = float("nan")
    document["annotations"][4]["category_id"] = 9
    with pytest.raises(ExportFailed, match=r"annotation 4: its bbox is \[nan, .* \(and 1 more\)"):
        read_export(zipped(document, zip_path))
