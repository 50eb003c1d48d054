"""Verifying a release by its folder alone."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelyard.domain.splits import SplitRule
from labelyard.errors import InputError
from labelyard.releases.merging import MergeOptions, merge
from labelyard.releases.sources import SourceFile
from labelyard.releases.verification import FaultKind, verify
from tests.support.coco_files import document, write

TRAIN = "annotations/instances_train.json"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    account = {"drawn": {"rectangle": {"car": 16}}, "in_file": {"rectangle": {"car": 16}}, "left_out": []}
    content = document([f"cam{n}/a ü.jpg" for n in range(8)], info={"account": account})
    source = write(tmp_path / "source.json", content)
    merge([SourceFile(source)], tmp_path / "release", MergeOptions(SplitRule({"train": 0.5, "val": 0.5})))
    return tmp_path / "release"


def seal_again(folder: Path) -> None:
    """Make all hashes right, as somebody would who changes a release on purpose."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["files"]:
        content = (folder / entry["path"]).read_bytes()
        entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    paths = ["manifest.json", *(entry["path"] for entry in manifest["files"])]
    lines = (f"{hashlib.sha256((folder / path).read_bytes()).hexdigest()}  {path}\n" for path in paths)
    (folder / "SHA256SUMS").write_text("".join(lines))


def faults(folder: Path) -> list[tuple[FaultKind, str]]:
    return [(fault.kind, fault.where) for fault in verify(folder).faults]


def test_a_release_as_it_was_written_is_intact(release: Path) -> None:
    assert faults(release) == []
    assert subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=release, check=False).returncode == 0
    listed = {line.partition("  ")[2] for line in (release / "SHA256SUMS").read_text().splitlines()}
    files = {str(path.relative_to(release)) for path in release.rglob("*") if path.is_file()}
    assert files == listed | {"SHA256SUMS"}


@pytest.mark.parametrize("name", [TRAIN, "images.jsonl", "changes.json", "manifest.json", "SHA256SUMS"])
def test_each_file_that_was_changed_added_or_removed_is_named(name: str, release: Path) -> None:
    path = release / name
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"', b" ", 1) if name != "SHA256SUMS" else b"0" + content[1:])
    if name == "manifest.json":
        with pytest.raises(InputError, match=r"manifest\.json: not the manifest"):
            verify(release)
    else:
        assert (FaultKind.CHANGED, name) in faults(release)
    path.unlink()
    if name == "manifest.json":
        with pytest.raises(InputError, match="no release"):
            verify(release)
    else:
        assert faults(release) == [(FaultKind.REMOVED, name)]
    path.write_bytes(content)
    assert faults(release) == []
    (release / "annotations" / "more.json").write_text("{}")
    (release / "notes.txt").write_text("")
    assert faults(release) == [(FaultKind.ADDED, "notes.txt"), (FaultKind.ADDED, "annotations/more.json")]


def test_a_manifest_that_was_changed_is_found_by_sha256sums(release: Path) -> None:
    path = release / "manifest.json"
    path.write_text(path.read_text().replace('"written": 16', '"written": 17'))
    assert faults(release) == [(FaultKind.CHANGED, "manifest.json")]


def test_a_link_is_no_file_of_a_release(release: Path, tmp_path: Path) -> None:
    path = release / "images.jsonl"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert faults(release) == [(FaultKind.REMOVED, "images.jsonl")]


def change_items(folder: Path, change: Callable[[dict[str, Any]], object], split: str = "train") -> None:
    """Change a COCO file, still in lines."""
    path = folder / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    change(content)
    lists = {name: content.pop(name) for name in ("images", "annotations")}
    heads = [f'"{name}":{json.dumps(value)}' for name, value in content.items()]
    parts = ['"%s":[\n%s\n]' % (name, ",\n".join(map(json.dumps, lists[name]))) for name in lists]  # noqa: UP031
    path.write_text("{" + ",\n".join([*heads, *parts]) + "}\n")


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an annotation is missing": (lambda c: c["annotations"].pop(), "items are"),
    "an image is missing": (lambda c: c["images"].pop(), "which it does not have"),
    "an unknown category": (lambda c: c["annotations"][0].update(category_id=9), "unknown category 9"),
    "an unknown image": (lambda c: c["annotations"][0].update(image_id=9), "image 9, which it does not have"),
    "an id twice": (lambda c: c["annotations"][0].update(id=c["annotations"][1]["id"]), "two annotations have the id"),
    "an image id twice": (lambda c: c["images"].append(c["images"][0]), "two images have the id"),
    "another file name": (lambda c: c["images"][0].update(file_name="x.jpg"), r"not in this split by images\.jsonl"),
    "another category id": (lambda c: c["categories"][0].update(id=5), "another id in the manifest"),
    "no id": (lambda c: c["annotations"][0].pop("id"), "files that no release has"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_release_with_right_hashes_and_wrong_content_is_not_intact(name: str, release: Path) -> None:
    change, message = LIES[name]
    change_items(release, change)
    seal_again(release)
    found = verify(release).faults
    assert found
    assert {fault.kind for fault in found} == {FaultKind.CONTENT}
    assert any(re.search(message, fault.message) for fault in found), found


def test_an_image_in_two_splits_is_found(release: Path) -> None:
    taken: list[dict[str, Any]] = []
    change_items(release, lambda content: taken.append(content["images"][0]))
    change_items(release, lambda content: content["images"].append(taken[0]), "val")
    seal_again(release)
    assert any("is not in this split" in fault.message for fault in verify(release).faults)


def test_an_account_that_does_not_balance_is_found(release: Path) -> None:
    path = release / "manifest.json"
    path.write_text(path.read_text().replace('"car": 16', '"car": 17', 1))
    seal_again(release)
    assert "the account does not balance: drawn = in the file + left out" in [
        fault.message for fault in verify(release).faults
    ]


def test_images_beside_the_release_are_compared_with_its_list(tmp_path: Path) -> None:
    content = document(["a.jpg", "b.jpg"])
    content["images"][0] |= {"sha256": hashlib.sha256(b"a").hexdigest(), "size": 1}
    release = tmp_path / "release"
    merge([SourceFile(write(tmp_path / "source.json", content))], release)
    (release / "images").mkdir()
    (release / "images" / "a.jpg").write_bytes(b"a")
    (release / "images" / "b.jpg").write_bytes(b"anything")
    assert faults(release) == []
    (release / "images" / "a.jpg").write_bytes(b"b")
    (release / "images" / "c.jpg").write_bytes(b"")
    assert faults(release) == [(FaultKind.CHANGED, "images/a.jpg"), (FaultKind.ADDED, "images/c.jpg")]


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../b", "a//b", "", "a\\b", "C:x", "a\nb", "manifest.json"])
def test_no_path_of_a_manifest_leaves_the_folder(path: str, release: Path) -> None:
    file = release / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["files"][0]["path"] = path
    file.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="cannot be in a release"):
        verify(release)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format is 2"),
        ({"files": {}}, "not the manifest of a release"),
        ({"counts": {"../x": {"images": 0, "items": {}, "labels": {}}}}, "cannot name a split"),
        ({"ids": {"images": {"x": 1}, "annotations": {}}}, "no key of an id"),
    ],
)
def test_a_manifest_of_another_form_is_refused(change: dict[str, Any], message: str, release: Path) -> None:
    file = release / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=message):
        verify(release)


@pytest.mark.parametrize("name", ["SHA256SUMS", "manifest.json.sig", "images/cam0/a ü.jpg"])
def test_what_is_no_file_is_a_fault_and_is_not_waited_for(name: str, release: Path) -> None:
    path = release / name
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    assert [where for _, where in faults(release)] == [name]


def test_a_pipe_as_manifest_is_no_release(release: Path) -> None:
    (release / "manifest.json").unlink()
    os.mkfifo(release / "manifest.json")
    with pytest.raises(InputError, match=r"manifest\.json is no file"):
        verify(release)


def test_a_folder_of_images_that_is_a_link_is_verified_like_any_other(release: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk" / "cam0"
    disk.mkdir(parents=True)
    (disk / "a ü.jpg").write_bytes(b"image")
    (release / "images").symlink_to(disk.parent)
    assert faults(release) == []
    (disk / "more.jpg").write_bytes(b"image")
    assert faults(release) == [(FaultKind.ADDED, "images/cam0/more.jpg")]
    (release / "images").unlink()
    (release / "images").write_bytes(b"")
    assert faults(release) == [(FaultKind.ADDED, "images")]


def test_a_link_that_leads_nowhere_is_a_fault(release: Path) -> None:
    (release / "images" / "cam0").mkdir(parents=True)
    (release / "images" / "cam0" / "a ü.jpg").symlink_to("/nowhere")
    assert [where for _, where in faults(release)] == ["images/cam0/a ü.jpg"]
