"""Bad input stops only itself, shows its reason in the status, and loses nothing."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from labelyard.errors import CvatUnauthorized, NoUsableImage, StoreError, StoreUnreachable
from labelyard.ledger import batches, history, objects
from labelyard.pipeline.register_objects import sweep_sources
from labelyard.server_settings import StoreSettings
from labelyard.storage.store import Store
from tests.support.pictures import picture
from tests.support.workspace import Workspace, ingest

ODD_KEYS = [
    "dir/sub dir/a b+c.jpg",
    "100% sure.jpg",
    "ünï/cödé.jpg",
    "quote'\".jpg",
    "tilde~amp&.jpg",
    "a//b.jpg",
    "dots/..jpg",
    "nbsp\u00a0.jpg",
    "emoji-🦊.jpg",
    "UPPER.JPG",
    "two.dots.in.name.jpeg",
    "no/../up.jpg",
    "[brackets]{}^`.jpg",
    "semi;colon=.jpg",
]


def history_of(workspace: Workspace, key: str) -> list[str]:
    with workspace.context.ledger.read_only() as tx:
        [obj] = objects.of_key(tx, workspace.bucket, key)
        return [f"{entry.what}: {entry.reason}" for entry in history.of_object(tx, obj)]


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"this is not a jpeg", "no image"), (b"", "empty"), (picture(1, (640, 480))[:2000], "truncated")],
    ids=["no image", "empty", "truncated"],
)
def test_a_bad_file_is_quarantined_with_its_reason_and_the_rest_continues(
    workspace: Workspace, body: bytes, reason: str
) -> None:
    workspace.put("good.jpg")
    bad = workspace.put("bad.jpg", body)
    workspace.close_batch()
    ingest(workspace)
    line = workspace.line()
    assert line.state == "assigned"
    assert line.jobs[0].frames == (0, 0)
    assert list(line.quarantined) == [f"s3://{workspace.bucket}/{bad}"]
    assert reason in line.quarantined[f"s3://{workspace.bucket}/{bad}"]
    assert any(entry.startswith("quarantined:") for entry in history_of(workspace, bad))


def test_an_image_deleted_before_the_upload_is_quarantined(workspace: Workspace) -> None:
    workspace.put("good.jpg")
    deleted = workspace.put("deleted.jpg")
    workspace.close_batch()
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=deleted)
    ingest(workspace)
    assert "deleted" in workspace.line().quarantined[f"s3://{workspace.bucket}/{deleted}"]
    assert workspace.line().state == "assigned"


def test_a_batch_without_a_usable_image_is_quarantined_and_leaves_no_task(workspace: Workspace) -> None:
    workspace.put("bad.jpg", b"nothing")
    workspace.close_batch()
    with pytest.raises(NoUsableImage, match=r"all 1 objects are quarantined, such as s3://.*bad\.jpg: no image"):
        ingest(workspace)
    assert workspace.line().state == "quarantined"
    assert workspace.tasks_on_server() == 0
    with workspace.context.ledger.read_only() as tx:
        *_, of_task, of_batch = history.of_batch(tx, "street-00001")
    assert (of_task.what, of_task.reason.partition(": ")[2]) == ("abandoned", "no usable image")
    assert (of_batch.what, of_batch.reason) == ("quarantined", "no usable image in it")


def test_keys_with_every_odd_character_become_frames_and_keep_their_names_in_the_ledger(workspace: Workspace) -> None:
    keys = [workspace.put(key, picture(i)) for i, key in enumerate(ODD_KEYS)]
    workspace.close_batch()
    ingest(workspace)
    line = workspace.line()
    assert (line.state, line.objects, line.quarantined) == ("assigned", len(keys), {})
    frames = {frame.name for frame in workspace.context.cvat("default").frames(line.task_id or 0)}
    with workspace.context.ledger.read_only() as tx:
        names = {m.key: m.upload_name for m in batches.members(tx, line.id)}
    assert set(names) == set(keys)
    assert set(names.values()) == frames


def test_an_image_without_a_suffix_gets_one(workspace: Workspace) -> None:
    workspace.apply(sources=[{"bucket": workspace.bucket, "prefix": "in/", "include": ["*"]}])
    workspace.put("scan0001", picture(1, kind="PNG"))
    workspace.close_batch()
    ingest(workspace)
    [frame] = workspace.context.cvat("default").frames(workspace.line().task_id or 0)
    assert frame.name.endswith(".png")


def test_after_a_wrong_password_the_batch_waits_until_it_is_corrected(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    right = workspace.context.settings.cvat["default"]
    workspace.context.settings.cvat["default"] = right.model_copy(update={"password": SecretStr("wrong")})
    with pytest.raises(CvatUnauthorized) as caught:
        ingest(workspace)
    assert "wrong" not in str(caught.value).replace("wrong password", "")
    assert workspace.line().not_before is not None
    workspace.context.settings.cvat["default"] = right
    workspace.retry()
    ingest(workspace)
    assert workspace.line().state == "assigned"


@pytest.mark.usefixtures("fast_retries")
def test_an_unreachable_store_loses_nothing(workspace: Workspace) -> None:
    workspace.put("1.jpg")
    workspace.close_batch()
    nowhere = StoreSettings(
        endpoint_url="http://127.0.0.1:1", region="x", access_key_id="x", secret_access_key=SecretStr("x")
    )
    store, workspace.context.store = workspace.context.store, Store(nowhere)
    with pytest.raises(StoreUnreachable):
        ingest(workspace)
    assert "street: s3://" in sweep_sources(workspace.context).failed[0]
    assert workspace.line().not_before is not None
    workspace.context.store = store
    workspace.retry()
    ingest(workspace)
    assert workspace.line().state == "assigned"


def test_after_an_error_of_the_store_the_batch_waits_and_does_not_fail(workspace: Workspace) -> None:
    key = workspace.put("1.jpg")
    workspace.close_batch()
    workspace.s3.delete_object(Bucket=workspace.bucket, Key=key)
    workspace.s3.delete_bucket(Bucket=workspace.bucket)
    with pytest.raises(StoreError, match="NoSuchBucket"):
        ingest(workspace)
    line = workspace.line()
    assert (line.state, line.not_before is not None) == ("created", True)
    assert "create the bucket" in (line.next_step or "")
