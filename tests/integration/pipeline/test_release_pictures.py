"""The images that the report of a release shows: read from the store within limits, or left out with the reason."""

from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET

from labelyard.errors import InputError
from labelyard.ledger import releases
from labelyard.pipeline import release_dataset as step
from labelyard.pipeline.release_pictures import PictureLimits, fetch_pictures
from labelyard.releases.manifest import ImageReference
from labelyard.storage import Store
from tests.support.emulator import StoreServer
from tests.support.pictures import picture
from tests.support.releasing import add_batch, body, keys, latest, release
from tests.support.workspace import AtFailpoint, Workspace

LIMITS = PictureLimits()


class Bucket:
    """A bucket, and its objects as a release refers to them."""

    def __init__(self, server: StoreServer) -> None:
        self.name, self.s3, self.store = server.new_bucket(), server.boto("s3"), server.store
        self.count = 0

    def image(self, content: bytes, **fields: Any) -> ImageReference:
        """Put an image; `fields` say something else of it."""
        self.count += 1
        key = f"{self.count}.jpg"
        etag = self.s3.put_object(Bucket=self.name, Key=key, Body=content)["ETag"].strip('"')
        facts = {
            "coco_url": f"s3://{self.name}/{key}", "etag": etag, "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }  # fmt: skip
        return ImageReference(self.count, f"../{key}", "train", **(facts | fields))


@pytest.fixture
def bucket(store_server: StoreServer) -> Bucket:
    return Bucket(store_server)


def test_images_are_read_and_what_cannot_be_read_has_a_reason(bucket: Bucket, tmp_path: Path) -> None:
    good, deleted, changed = (bucket.image(bytes([number]) * 9) for number in range(3))
    other = bucket.image(b"other", sha256="0" * 64)
    nowhere = bucket.image(b"nowhere", coco_url=UNSET)
    bucket.s3.delete_object(Bucket=bucket.name, Key="2.jpg")
    bucket.s3.put_object(Bucket=bucket.name, Key="3.jpg", Body=b"new")
    found = fetch_pictures(bucket.store, [good, deleted, changed, other, nowhere], tmp_path / "pictures", LIMITS)
    first = found.pop(good.id)
    assert isinstance(first, Path)
    assert first.read_bytes() == b"\0" * 9
    assert found == {
        deleted.id: "the object was deleted",
        changed.id: "the object has another content now",
        other.id: "the file is not that of the release",
        nowhere.id: "the release does not say where the file is",
    }
    assert [path.name for path in tmp_path.rglob("*")] == ["pictures", "1"]


def test_the_first_images_within_the_limits_are_read(bucket: Bucket, tmp_path: Path) -> None:
    images = [bucket.image(b"x" * size) for size in (4, 9, 5, 3, 1)]
    limits = PictureLimits(images=4, bytes_of_image=8, bytes=8)
    found = fetch_pictures(bucket.store, images, tmp_path / "pictures", limits)
    assert [number for number, file in found.items() if isinstance(file, Path)] == [1, 4]
    assert {file for file in found.values() if isinstance(file, str)} == {"the file is too large for the report"}


def test_nobody_waits_for_a_store_that_does_not_answer(store_server: StoreServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        store = Store(store_server.settings.model_copy(update={"endpoint_url": url, "timeout_seconds": 1}))
        one = ImageReference(1, "a.jpg", "train", coco_url="s3://bucket/a.jpg", size=1)
        began = time.monotonic()
        found = fetch_pictures(store, [one], tmp_path / "pictures", PictureLimits(seconds=0.2))
        assert time.monotonic() - began < 0.9
    assert found == {1: "the store did not send the file in time"}


def report(workspace: Workspace) -> str:
    return body(workspace, "releases/street/1/report.html").decode()


def test_the_report_in_the_bucket_has_pictures_and_stays_as_it_was_published(
    exported: Workspace, at_failpoint: AtFailpoint
) -> None:
    exported.apply(release={"report": True})
    exported.put("large.jpg", picture(9, (640, 480)))
    add_batch(exported, "5.jpg")

    def interrupt() -> None:
        raise InputError("interrupted")

    at_failpoint(step, "release_dataset.pointed", interrupt)
    with pytest.raises(InputError, match="interrupted"):
        release(exported)
    page, manifest = report(exported), latest(exported)["manifest_sha256"]
    assert page.count("data:image/jpeg;base64,") == 1
    exported.s3.delete_object(Bucket=exported.bucket, Key="in/large.jpg")
    assert release(exported).number == 1
    assert report(exported) == page
    with exported.context.ledger.read_only() as tx:
        assert releases.get(tx, "street").manifest_sha256 == manifest == latest(exported)["manifest_sha256"]


def test_a_dataset_can_leave_pictures_out(exported: Workspace) -> None:
    exported.apply(release={"report": True, "report_pictures": False})
    exported.put("large.jpg", picture(9, (640, 480)))
    add_batch(exported, "5.jpg")
    release(exported)
    assert "data:image/jpeg" not in report(exported)
    assert "in/large.jpg" in report(exported)


def test_no_report_is_made_for_a_release_that_changes_nothing(
    exported: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported.apply(release={"report": True})
    release(exported)
    monkeypatch.setattr("labelyard.releases.documents.write_report", None)
    assert not release(exported).is_new
    assert not [key for key in keys(exported) if "/2/" in key]
