"""What the exports of a dataset may have that does not fit: an error that names the file, or a release without it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelyard.errors import InputError
from labelyard.ledger import releases
from tests.support.releasing import add_batch, body, folder, images, latest, release
from tests.support.workspace import Workspace


def key_of(workspace: Workspace, batch: str) -> str:
    return workspace.line(batch).exports[-1].split("/", 3)[3]


def rewrite(workspace: Workspace, batch: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the export of a batch, so that the ledger takes it for the one that was written."""
    key = key_of(workspace, batch)
    content = json.dumps(change(json.loads(body(workspace, key)))).encode()
    workspace.s3.put_object(Bucket=workspace.bucket, Key=key, Body=content)
    with workspace.context.ledger.transaction() as tx:
        [export] = [one for one in releases.mergeable(tx, "street") if one.batch_id == batch]
        export.sha256 = hashlib.sha256(content).hexdigest()


def test_the_export_of_another_task_is_named_and_the_last_release_stays(exported: Workspace) -> None:
    release(exported)
    before = latest(exported)
    batch = add_batch(exported, "5.jpg")
    first = json.loads(body(exported, key_of(exported, "street-00001")))
    rewrite(exported, batch, lambda _: first)
    with pytest.raises(InputError, match=f"it is the export of batch street-00001, not of {batch}") as caught:
        release(exported)
    assert key_of(exported, batch) in caught.value.where
    assert caught.value.next_step == "labelyard plan"
    assert latest(exported) == before


def test_what_is_no_export_is_named(exported: Workspace) -> None:
    rewrite(exported, "street-00001", lambda document: {**document, "info": {"year": 2026}})
    with pytest.raises(InputError, match="not the dataset file of a batch") as caught:
        release(exported)
    assert key_of(exported, "street-00001") in caught.value.where


def test_an_image_that_the_ledger_does_not_know_or_that_is_another_batchs_is_left_out(
    exported: Workspace, tmp_path: Path
) -> None:
    batch = add_batch(exported, "5.jpg")
    [of_other_batch] = json.loads(body(exported, key_of(exported, batch)))["images"]

    def with_more_images(document: dict[str, Any]) -> dict[str, Any]:
        unknown = {**document["images"][0], "file_name": "in/unknown.jpg", "coco_url": "s3://other/in/unknown.jpg"}
        document["images"] += [unknown | {"id": 91}, of_other_batch | {"id": 92}]
        document["annotations"] += [document["annotations"][0] | {"id": 900 + n, "image_id": n} for n in (91, 92)]
        return document

    rewrite(exported, "street-00001", with_more_images)
    released = release(exported)
    assert (released.images, released.annotations) == (5, 5)
    assert released.left_out == {"not an object of its batch in the ledger": 2}
    assert images(folder(exported, tmp_path / "release")).keys() == {f"in/{number}.jpg" for number in (0, 1, 2, 3, 5)}


def test_a_label_that_was_renamed_half_way_is_another_label_and_no_id_is_given_twice(
    exported: Workspace, tmp_path: Path
) -> None:
    def categories(number: int) -> dict[str, int]:
        at = folder(exported, tmp_path / str(number), number)
        document = json.loads((at / "annotations" / "instances_train.json").read_text())
        return {one["name"]: one["id"] for one in document["categories"]}

    release(exported)
    first = categories(1)
    exported.apply(task={"labels": ["vehicle", "person"]})
    add_batch(exported, "5.jpg")
    released = release(exported)
    assert released.labels == {"car": 4, "vehicle": 1}
    second = categories(2)
    assert first.items() <= second.items()
    assert sorted(second) == ["car", "person", "vehicle"]
    assert len(set(second.values())) == 3
