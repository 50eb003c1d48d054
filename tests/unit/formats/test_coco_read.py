"""An export is read without trust: a zip that is broken, swollen or something else is a typed error."""

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


def test_frames_follow_the_image_ids_whatever_they_start_from(zip_path: Path) -> None:
    document = recorded_document("541-dump-doc-filenames-download")
    for image in document["images"]:
        image["id"] = image["id"] * 9 + 8
    document["annotations"][0]["image_id"] = 17
    content = read_export(zipped(document, zip_path))
    assert content.images[1] == Image("000000000776.jpg", 800, 600)
    assert [(a.frame, a.label, a.bbox) for a in content.annotations] == [(1, "car", (10.5, 20.5, 49.5, 29.5))]


def test_other_members_of_the_zip_are_never_looked_at(zip_path: Path) -> None:
    zipped(recorded_document("541-dump-doc-filenames-download"), zip_path)
    with zipfile.ZipFile(zip_path, "a") as archive:
        archive.writestr("../../../etc/passwd", "no")
    assert len(read_export(zip_path).images) == 3
    assert [p.name for p in zip_path.parent.iterdir()] == ["export.zip"]


def test_a_cut_zip_is_an_export_that_failed(zip_path: Path) -> None:
    zipped(recorded_document("541-dump-doc-filenames-download"), zip_path)
    whole = zip_path.read_bytes()
    for size in (0, 1, 100, len(whole) - 30):
        zip_path.write_bytes(whole[:size])
        with pytest.raises(ExportFailed, match="not a readable zip"):
            read_export(zip_path)


def test_a_flipped_byte_in_the_member_is_found(zip_path: Path) -> None:
    zipped(recorded_document("541-dump-doc-filenames-download"), zip_path)
    whole = bytearray(zip_path.read_bytes())
    whole[200] ^= 0xFF
    zip_path.write_bytes(bytes(whole))
    with pytest.raises(ExportFailed, match="not a readable zip"):
        read_export(zip_path)


def test_a_zip_without_the_instances_is_no_coco_export(zip_path: Path) -> None:
    with pytest.raises(CvatDisagrees, match=r"0 of them called annotations/instances_default\.json"):
        read_export(zipped({}, zip_path, member="annotations.xml"))


def test_a_zip_with_two_instances_is_no_coco_export(zip_path: Path) -> None:
    zipped({}, zip_path)
    with zipfile.ZipFile(zip_path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("annotations/instances_default.json", "{}")
    with pytest.raises(CvatDisagrees, match="2 of them"):
        read_export(zip_path)


def test_a_bomb_is_refused_before_it_is_unpacked(zip_path: Path) -> None:
    with zipfile.ZipFile(zip_path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("annotations/instances_default.json", b" " * (20 << 20))
    with pytest.raises(ExportFailed, match="would unpack to 20971520 bytes"):
        read_export(zip_path)


@pytest.mark.parametrize("text", [b"", b"[1", b"\xff\xfe", b"[" * 100_000, b'{"images": 1' + b"1" * 5000 + b"}"])
def test_what_is_no_json_is_an_export_that_failed(text: bytes, zip_path: Path) -> None:
    with pytest.raises(ExportFailed, match="not valid JSON"):
        read_export(zipped(text, zip_path))


@pytest.mark.parametrize("document", [[], 3, None, "x"])
def test_json_that_is_no_object_is_no_coco_export(document: Any, zip_path: Path) -> None:
    with pytest.raises(CvatDisagrees, match="not a COCO document"):
        read_export(zipped(json.dumps(document).encode(), zip_path))


def test_a_grave_fault_inside_is_named_with_its_annotation(zip_path: Path) -> None:
    document = recorded_document("488-dump-coco-download")
    document["annotations"][3]["bbox"][0] = float("nan")
    document["annotations"][4]["category_id"] = 9
    with pytest.raises(ExportFailed, match=r"annotation 4: its bbox is \[nan, .* \(and 1 more\)"):
        read_export(zipped(document, zip_path))
