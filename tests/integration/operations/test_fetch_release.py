"""Fetching a release: a folder with images, verified, which training opens as it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO

from labelyard.cli.json_output import json_text
from labelyard.errors import InputError
from labelyard.operations.fetch_release import Fetched, ReleaseAddress, fetch, find_release
from labelyard.pipeline.release_dataset import release_dataset
from labelyard.releases.verification import verify
from tests.support.command_schemas import follow_schema
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest_and_export

FILES = {f"drive-{n % 2}/{n}.jpg": picture(n) for n in range(6)}
FIRST, SECOND = [*FILES][:2]


@pytest.fixture
def released(workspace: Workspace) -> Workspace:
    """Six images in a release."""
    workspace.apply(
        release={"splits": {"train": 0.5, "val": 0.5, "test": 0}},
        export={"formats": ["coco", "yolo-detect", "coco-keypoints"]},
    )
    for file, content in FILES.items():
        workspace.put(file, content)
    ingest_and_export(workspace, workspace.close_batch())
    release_dataset(workspace.context, "street")
    return workspace


def address(workspace: Workspace, path: str = "") -> ReleaseAddress:
    return find_release(workspace.context.store, f"s3://{workspace.bucket}/releases/street/{path}")


def fetched(workspace: Workspace, to: Path, *splits: str, formats: Sequence[str] = ()) -> Fetched:
    return fetch(workspace.context.store, address(workspace), to, splits, lambda *_: None, formats)


def test_the_folder_has_every_image_under_its_file_name_and_is_intact(released: Workspace, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    found = fetch(released.context.store, address(released), tmp_path / "f", (), lambda *done: progress.append(done))
    assert (found.images, found.kept, found.faults) == (6, 0, ())
    assert progress == [(done, 6) for done in range(1, 7)]
    assert verify(tmp_path / "f").faults == ()
    for file in (tmp_path / "f" / "annotations").glob("*.json"):
        for image in COCO(str(file)).imgs.values():
            key = image["file_name"].removeprefix("in/")
            assert (tmp_path / "f" / "images" / image["file_name"]).read_bytes() == FILES[key]


def test_what_release_and_fetch_print_as_json_follows_their_schemas(released: Workspace, tmp_path: Path) -> None:
    shown = []
    made = release_dataset(released.context, "street", on_progress=lambda *done: shown.append(done))
    assert [one for one in shown if one[0] == "fetching exports"] == [("fetching exports", 0, 1)]
    follow_schema("release", json.loads(json_text(made)))
    follow_schema("fetch", json.loads(json_text(fetched(released, tmp_path / "f"))))


def test_only_the_images_of_a_split(released: Workspace, tmp_path: Path) -> None:
    found = fetched(released, tmp_path / "f", "train")
    train = json.loads((tmp_path / "f" / "annotations" / "instances_train.json").read_text())["images"]
    assert found.images == len(train)
    names = {str(path.relative_to(tmp_path / "f" / "images")) for path in (tmp_path / "f" / "images").rglob("*.jpg")}
    assert names == {image["file_name"] for image in train}
    with pytest.raises(InputError, match="no split 'trian'") as caught:
        fetched(released, tmp_path / "f", "trian")
    assert caught.value.next_step == "write one of train, val"


def test_a_second_call_fetches_only_what_is_missing_or_damaged(released: Workspace, tmp_path: Path) -> None:
    fetched(released, tmp_path / "f")
    damaged, missing = sorted((tmp_path / "f" / "images").rglob("*.jpg"))[:2]
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1])
    missing.unlink()
    (tmp_path / "f" / "annotations" / "instances_train.json").unlink()
    found = fetched(released, tmp_path / "f")
    assert (found.images, found.kept) == (6, 4)
    assert damaged.read_bytes() == content
    assert verify(tmp_path / "f").faults == ()


def test_an_image_that_is_gone_or_overwritten_is_named_and_the_others_are_fetched(
    released: Workspace, tmp_path: Path
) -> None:
    released.s3.delete_object(Bucket=released.bucket, Key=f"in/{FIRST}")
    released.put(SECOND, picture(99))
    found = fetched(released, tmp_path / "f")
    assert found.images == 4
    assert sorted(found.faults) == [
        f"in/{FIRST}: the object was deleted",
        f"in/{SECOND}: another content was written since it was registered",
    ]
    assert not list((tmp_path / "f").rglob("*.part"))


def test_a_format_is_laid_out_with_the_images_that_were_fetched(released: Workspace, tmp_path: Path) -> None:
    fetched(released, tmp_path / "f", "train", formats=["yolo-detect", "coco-keypoints", "coco"])
    own = tmp_path / "f" / "yolo-detect"
    train = (own / "train.txt").read_text().splitlines()
    assert sorted(path for path in own.rglob("*.jpg")) == sorted(own / line for line in train)
    assert not (own / "val.txt").exists()
    assert verify(tmp_path / "f").faults == ()
    fetched(released, tmp_path / "f", formats=["yolo-detect"])  # the other split too
    assert {path.read_bytes() for path in own.rglob("*.jpg")} == set(FILES.values())
    assert verify(tmp_path / "f").faults == ()
    with pytest.raises(InputError, match="the release has no format 'voc'") as caught:
        fetched(released, tmp_path / "f", formats=["voc"])
    assert caught.value.next_step == "write one of coco, coco-keypoints, yolo-detect"


def test_the_newest_release_is_found_by_the_folder_of_the_dataset(released: Workspace) -> None:
    newest = address(released)
    assert newest.prefix == "releases/street/1/"
    assert newest.manifest_sha256
    assert address(released, "1/").prefix == address(released, "1/manifest.json").prefix == "releases/street/1/"
    with pytest.raises(InputError, match="there is no release"):
        address(released, "7/")


def test_a_folder_with_another_release_is_not_touched(released: Workspace, tmp_path: Path) -> None:
    fetched(released, tmp_path / "f")
    before = {path: path.read_bytes() for path in (tmp_path / "f").rglob("*") if path.is_file()}
    released.put("more.jpg", picture(77))
    ingest_and_export(released, released.close_batch())
    release_dataset(released.context, "street")
    with pytest.raises(InputError, match="the folder has another release"):
        fetched(released, tmp_path / "f")
    assert {path: path.read_bytes() for path in (tmp_path / "f").rglob("*") if path.is_file()} == before


def test_a_file_that_somebody_changed_in_the_bucket_is_an_error(released: Workspace, tmp_path: Path) -> None:
    key = "releases/street/1/annotations/instances_train.json"
    released.s3.put_object(Bucket=released.bucket, Key=key, Body=b"{}")
    with pytest.raises(InputError, match="another file was written over it") as caught:
        fetched(released, tmp_path / "f")
    assert key in caught.value.where


@pytest.mark.parametrize(
    "name",
    [
        "../../outside.jpg",
        "a\\b.jpg",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("/etc/outside.jpg", "a/../../b.jpg")),
    ],
)
def test_no_file_name_leads_out_of_the_folder(released: Workspace, tmp_path: Path, name: str) -> None:
    prefix = "releases/street/1/"
    edit_images(released, prefix, name)
    found = fetch(released.context.store, ReleaseAddress(released.bucket, prefix), tmp_path / "f", (), lambda *_: None)
    assert found.faults == (f"{name}: its name cannot be a path in a folder",)
    assert not list(tmp_path.rglob("outside.jpg"))


def edit_images(workspace: Workspace, prefix: str, name: str) -> None:
    """Give the first image of a release in the bucket another name, with hashes to match, as an attacker would."""

    def body(path: str) -> bytes:
        found: bytes = workspace.s3.get_object(Bucket=workspace.bucket, Key=prefix + path)["Body"].read()
        return found

    lines = [json.loads(line) for line in body("images.jsonl").splitlines()]
    lines[0]["file_name"] = name
    images = "".join(json.dumps(line) + "\n" for line in lines).encode()
    manifest: dict[str, Any] = json.loads(body("manifest.json"))
    for entry in manifest["files"]:
        if entry["path"] == "images.jsonl":
            entry |= {"sha256": hashlib.sha256(images).hexdigest(), "size": len(images)}
    for path, content in {"images.jsonl": images, "manifest.json": json.dumps(manifest).encode()}.items():
        workspace.s3.put_object(Bucket=workspace.bucket, Key=prefix + path, Body=content)
